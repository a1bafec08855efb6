// SPDX-License-Identifier: GPL-2.0
/*
 * space_shared.c - a sparse space that several processes use, strangers too
 */
#include <sched.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "space.h"

/* ---- sharing ---- */

TEST_F(space, fork_shares)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	char *private = map_space(fd, 0, PAGES * VT_PAGE, MAP_PRIVATE);
	pid_t pid;

	fill(mem, 0, PAGES, SEED);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(fd);
		fill(private, 0, 8, SEED + 9);
		if (vt_count_bad(mem, 0, PAGES, SEED) || vt_count_bad(private, 0, 8, SEED + 9))
			_exit(1);
		fill(mem, 0, PAGES, SEED + 1);
		_exit(0);
	}
	ASSERT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED + 1), 0);
	EXPECT_EQ(vt_count_bad(private, 0, PAGES, SEED + 1), 0);
	munmap(mem, PAGES * VT_PAGE);
	munmap(private, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

static void send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	if (sendmsg(socket, &message, 0) != 1)
		vt_fail("sendmsg: %s", strerror(errno));
}

static int receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))] = { }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		vt_fail("recvmsg: %s", strerror(errno));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* Strangers: one is sent the descriptor, and one opens it anew. The mapping alone keeps it. */
TEST_F(space, passed_on)
{
	int pair[2], fd, again;
	char name[32], *mem;
	pid_t pid;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		fd = make_space(self->dev, PAGES * VT_PAGE);
		mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
		fill(mem, 0, PAGES, SEED);
		send_fd(pair[1], fd);
		_exit(0);
	}
	fd = receive_fd(pair[0]);
	ASSERT_EQ(vt_reap(pid), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	again = open(name, O_RDWR);
	ASSERT_GE(again, 0);
	close(fd);
	mem = map_space(again, 0, PAGES * VT_PAGE, MAP_SHARED);
	close(again);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	/* Neither the device nor the module can go. */
	close(self->dev);
	self->dev = -1;
	EXPECT_EQ(vt_set("swap", "none"), -EBUSY);
	EXPECT_EQ(vt_set("backing", "none"), -EBUSY);
	EXPECT_EQ(vt_try_unload(), -EWOULDBLOCK);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	munmap(mem, PAGES * VT_PAGE);
	EXPECT_TRUE(all_free());
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_try_unload(), 0);
	close(pair[0]);
	close(pair[1]);
}

/* A descriptor alone, without any mapping, keeps it as well. */
TEST_F(space, descriptor_keeps_it)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char byte;

	ASSERT_EQ(pwrite(fd, "x", 1, 5), 1);
	close(self->dev);
	self->dev = -1;
	EXPECT_EQ(vt_set("swap", "none"), -EBUSY);
	EXPECT_EQ(vt_set("backing", "none"), -EBUSY);
	EXPECT_EQ(vt_try_unload(), -EWOULDBLOCK);
	ASSERT_EQ(pread(fd, &byte, 1, 5), 1);
	EXPECT_EQ(byte, 'x');
	close(fd);
	EXPECT_EQ(vt_try_unload(), 0);
}

#define TURN_PAGES	(2 * FRAMES)
#define TURNS		8

/* Two by turns: see what the other stored to every page, and store something else. */
static int exchange(int fd, __u64 who)
{
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	__u64 *turn = (__u64 *)(mem + TURN_PAGES * VT_PAGE), round;

	for (round = who; round < TURNS; round += 2) {
		while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != round)
			sched_yield();
		if (round && vt_count_bad(mem, 0, TURN_PAGES, SEED + round - 1))
			return 1;
		fill(mem, 0, TURN_PAGES, SEED + round);
		__atomic_store_n(turn, round + 1, __ATOMIC_RELEASE);
	}
	return 0;
}

/* Neither is the other's parent, and each has mapped it for itself, wherever it likes. */
TEST_F(space, strangers_exchange_stores)
{
	int pair[2], who;
	pid_t pid[2];

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (who = 0; who < 2; who++) {
		pid[who] = fork();
		ASSERT_GE(pid[who], 0);
		if (!pid[who]) {
			int fd = who ? receive_fd(pair[1]) : make_space(self->dev, PAGES * VT_PAGE);

			alarm(400);
			if (!who)
				send_fd(pair[0], fd);
			close(self->dev);
			_exit(exchange(fd, who));
		}
	}
	EXPECT_EQ(vt_reap(pid[0]), 0);
	EXPECT_EQ(vt_reap(pid[1]), 0);
	EXPECT_GT(vt_stat("pages_in"), TURNS * FRAMES / 2);
	EXPECT_TRUE(all_free());
	close(pair[0]);
	close(pair[1]);
}

/* Spaces and the device's own pages share the frames, and keep apart. */
TEST_F(space, many_beside_each_other)
{
	int fd[8], i, round;
	char *mem[8], *linear = vt_map(self->dev, 0, PAGES, VT_RW, MAP_SHARED);

	for (i = 0; i < 8; i++) {
		fd[i] = make_space(self->dev, PAGES * VT_PAGE);
		mem[i] = map_space(fd[i], 0, PAGES * VT_PAGE, MAP_SHARED);
	}
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 8; i++)
			fill(mem[i], 0, 64, SEED + i + round);
		fill(linear, 0, 64, SEED + 100 + round);
		for (i = 0; i < 8; i++)
			EXPECT_EQ(vt_count_bad(mem[i], 0, 64, SEED + i + round), 0);
		EXPECT_EQ(vt_count_bad(linear, 0, 64, SEED + 100 + round), 0);
	}
	ASSERT_EQ(fsync(self->dev), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 64, SEED + 101));
	for (i = 0; i < 8; i++) {
		munmap(mem[i], PAGES * VT_PAGE);
		close(fd[i]);
	}
	/* What others leave behind is not seen by later spaces. */
	fd[0] = make_space(self->dev, PAGES * VT_PAGE);
	mem[0] = map_space(fd[0], 0, PAGES * VT_PAGE, MAP_SHARED);
	for (i = 0; i < PAGES; i++)
		ASSERT_TRUE(vt_is_zero(mem[0] + i * VT_PAGE));
	munmap(mem[0], PAGES * VT_PAGE);
	close(fd[0]);
	munmap(linear, PAGES * VT_PAGE);
}

TEST_HARNESS_MAIN
