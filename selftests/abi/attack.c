// SPDX-License-Identifier: GPL-2.0
/*
 * attack.c - what a user who may open the node cannot do to others with it
 */
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "permissions.h"

#define MANY	8192	/* frames */

FIXTURE(attack) {
	int fd;
};

FIXTURE_SETUP(attack)
{
	vt_stop();
	vt_load("backing=%s swap=%s frames=%d", vt_disk(), vt_disk2(), MANY);
	self->fd = vt_open(O_RDWR);
}

FIXTURE_TEARDOWN(attack)
{
	close(self->fd);
}

/* The bucket of a page of the first space if the index were hashed by a number that all know. */
static __u32 guess_bucket(__u64 page)
{
	return (((1ULL << 36) + page) * 0x61c8864680b583ebULL >> 32) * MANY >> 32;
}

/* The shortest of 50 reads of a byte: what it costs when nothing else happens. */
static __u64 read_ns(int fd, __u64 page)
{
	__u64 least = ~0ULL, took;
	struct timespec began, ended;
	char byte;
	int i;

	for (i = 0; i < 50; i++) {
		clock_gettime(CLOCK_MONOTONIC, &began);
		if (pread(fd, &byte, 1, page * VT_PAGE) != 1)
			vt_fail("pread: %s", strerror(errno));
		clock_gettime(CLOCK_MONOTONIC, &ended);
		took = (ended.tv_sec - began.tv_sec) * 1000000000ULL + ended.tv_nsec -
		       began.tv_nsec;
		if (took < least)
			least = took;
	}
	return least;
}

/* Choosing pages is not choosing their buckets: no chain is long, no lookup takes long. */
TEST_F(attack, flooded_bucket)
{
	struct vmdemo_space_args args = { .size = VMDEMO_SPACE_MAX };
	int space = ioctl(self->fd, VMDEMO_IOC_SPACE, &args), n = 0;
	__u64 page, oldest, newest;
	char byte;

	ASSERT_GE(space, 0);
	for (page = 0; n < MANY * 7 / 8; page++) {
		if (guess_bucket(page) != guess_bucket(0))
			continue;
		ASSERT_EQ(pread(space, &byte, 1, page * VT_PAGE), 1);
		n++;
	}
	newest = read_ns(space, page - 1);
	oldest = read_ns(space, 0);
	printf("# a read of the newest page %ju ns, of the oldest %ju\n", (uintmax_t)newest,
	       (uintmax_t)oldest);
	EXPECT_LT(oldest, 10 * newest);
	close(space);
}

/* How long the end of a space of @pages pages takes: unused, or with one page read. */
static __u64 end_ns(int dev, __u64 pages, bool used)
{
	struct vmdemo_space_args args = { .size = pages * VT_PAGE };
	int space = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	struct timespec began, ended;
	char byte;

	if (space < 0 || (used && pread(space, &byte, 1, VT_PAGE) != 1))
		vt_fail("a space of %ju pages: %s", (uintmax_t)pages, strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &began);
	close(space);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	return (ended.tv_sec - began.tv_sec) * 1000000000ULL + ended.tv_nsec - began.tv_nsec;
}

/* The end of a space that has no frames, or of a small one, is not paid for with all frames. */
TEST_F(attack, spaces_end_soon)
{
	static const struct {
		const char *what;
		__u64 pages;
		bool used;
	} kinds[] = {
		{ "large", VMDEMO_SPACE_MAX / VT_PAGE, true },
		{ "small", 16, true },
		{ "unused", VMDEMO_SPACE_MAX / VT_PAGE, false },
	};
	__u64 least[] = { ~0ULL, ~0ULL, ~0ULL }, took;
	int i, kind;

	ASSERT_EQ(vt_set("frames", "65536"), 0);
	/* In turn, and often: a worker does it, who may have to wait for a processor. */
	for (i = 0; i < 100; i++) {
		for (kind = 0; kind < 3; kind++) {
			took = end_ns(self->fd, kinds[kind].pages, kinds[kind].used);
			if (took < least[kind])
				least[kind] = took;
		}
	}
	for (kind = 0; kind < 3; kind++) {
		printf("# the end of a space that is %s takes %ju ns\n", kinds[kind].what,
		       (uintmax_t)least[kind]);
		if (kind)
			EXPECT_LT(least[kind], least[0] / 2);
	}
	EXPECT_TRUE(vt_balanced());
}

#define SHARE	8	/* spaces that a user may have */

/* As many spaces as allowed, one more, and one instead of another. */
static void take_spaces(int dev)
{
	int fds[SHARE], i;

	for (i = 0; i < SHARE; i++)
		MUST((fds[i] = make_space(dev)) >= 0);
	REFUSED(make_space(dev), EDQUOT);
	MUST(pwrite(fds[0], "x", 1, 0) == 1);
	close(fds[3]);
	MUST((fds[3] = make_space(dev)) >= 0);
	REFUSED(make_space(dev), EDQUOT);
}

/* In their own user namespace, a user has all the IDs there that root has given to it. */
static void take_spaces_as_others(int dev)
{
	int fds[SHARE], ready[2], go[2], i;
	char byte, path[64];
	pid_t child;

	MUST(!pipe(ready) && !pipe(go));
	child = fork();
	MUST(child >= 0);
	if (!child) {
		become_nobody(0);
		/* Otherwise its files in /proc are root's. */
		MUST(!prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
		MUST(write(ready[1], unshare(CLONE_NEWUSER) ? "n" : "y", 1) == 1);
		MUST(read(go[0], &byte, 1) == 1);
		for (i = 0; i < SHARE; i++) {
			MUST(!setresuid(i + 1, 0, 0));
			MUST((fds[i] = make_space(dev)) >= 0);
		}
		MUST(!setresuid(SHARE + 1, 0, 0));
		REFUSED(make_space(dev), EDQUOT);
		_exit(0);
	}
	MUST(read(ready[0], &byte, 1) == 1);
	if (byte == 'y') {
		snprintf(path, sizeof(path), "/proc/%d/uid_map", child);
		i = open(path, O_WRONLY);
		MUST(i >= 0 && write(i, "0 100000 1000", 13) == 13 && write(go[1], "x", 1) == 1);
		MUST(!vt_reap(child));
	} else {
		printf("# no user namespaces for users: not tried\n");
		kill(child, SIGKILL);
		vt_reap(child);
	}
}

/* No user has more spaces than their share, by whatever name, and others have theirs. */
TEST_F(attack, spaces_of_one_user)
{
	int mine[2 * SHARE], i;
	pid_t pid;

	ASSERT_EQ(vt_set("spaces_per_user", "%d", SHARE), 0);
	EXPECT_EQ(let_nobody(take_spaces, self->fd, 0), 0);
	/* They have gone with the process. */
	EXPECT_EQ(let_nobody(take_spaces, self->fd, 0), 0);
	for (i = 0; i < 2 * SHARE; i++) {
		mine[i] = make_space(self->fd);
		EXPECT_GE(mine[i], 0) TH_LOG("root's space %d: %s", i, strerror(errno));
	}
	EXPECT_EQ(let_nobody(take_spaces, self->fd, 0), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		take_spaces_as_others(self->fd);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	/* Root has a share as well, without capabilities. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		drop_capabilities();
		REFUSED(make_space(self->fd), EDQUOT);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	for (i = 0; i < 2 * SHARE; i++)
		close(mine[i]);
	EXPECT_EQ(vt_set("spaces_per_user", "0"), 0);
	EXPECT_EQ(vt_set("swap", "none"), -EBUSY);
	close(self->fd);
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_set("swap", "%s", vt_disk2()), 0);
	self->fd = vt_open(O_RDWR);
}

/* Pages of two spaces, by a store, a write and a reservation: together no more than SHARE. */
static void take_slots(int dev)
{
	int one = make_space(dev), two = make_space(dev), i;
	char *mem = vt_map(one, 0, PAGES, VT_RW, MAP_SHARED);

	for (i = 0; i < SHARE - 3; i++)
		MUST(!vt_try_write(mem + i * VT_PAGE, NULL));
	REFUSED(fallocate(two, 0, 0, 4 * VT_PAGE), EDQUOT);
	MUST(!fallocate(two, 0, 0, 2 * VT_PAGE));
	MUST(pwrite(two, "x", 1, 2 * VT_PAGE) == 1);
	for (i = 0; i < 3; i++) {
		/* What has a slot can be written again. */
		MUST(pwrite(two, "y", 1, 2 * VT_PAGE) == 1 && pwrite(two, "z", 1, 0) == 1);
		REFUSED(pwrite(two, "x", 1, 3 * VT_PAGE), EDQUOT);
		MUST(vt_try_write(mem + SHARE * VT_PAGE, NULL) == SIGBUS);
		MUST(vt_is_zero(mem + SHARE * VT_PAGE));
		REFUSED(fallocate(two, 0, 3 * VT_PAGE, VT_PAGE), EDQUOT);
		/* Another page's slot becomes free, and can be taken. */
		MUST(!vt_range(one, VMDEMO_IOC_DISCARD, i, 1, NULL));
		MUST(!vt_try_write(mem + i * VT_PAGE, NULL));
	}
	MUST(!ftruncate(two, 0));
	for (i = 0; i < 3; i++)
		MUST(!vt_try_write(mem + (SHARE + i) * VT_PAGE, NULL));
	MUST(vt_try_write(mem + 2 * SHARE * VT_PAGE, NULL) == SIGBUS);
}

/* The limit comes while the user has more. */
static void keep_slots(int dev)
{
	int space = make_space(dev), i;

	for (i = 0; i < 2 * SHARE; i++)
		MUST(pwrite(space, "x", 1, i * VT_PAGE) == 1);
	MUST(!kill(getpid(), SIGSTOP));
	MUST(pwrite(space, "y", 1, 0) == 1);
	REFUSED(pwrite(space, "x", 1, i * VT_PAGE), EDQUOT);
	MUST(!vt_range(space, VMDEMO_IOC_DISCARD, 0, SHARE, NULL));
	REFUSED(pwrite(space, "x", 1, i * VT_PAGE), EDQUOT);
	MUST(!vt_range(space, VMDEMO_IOC_DISCARD, SHARE, 1, NULL));
	MUST(pwrite(space, "x", 1, i * VT_PAGE) == 1);
}

/* No user has more slots than their share, in all their spaces together, whenever it was set. */
TEST_F(attack, slots_of_one_user)
{
	__u64 slots = vt_get("stats/swap_free");
	int space, status, i;
	pid_t pid;

	ASSERT_EQ(vt_set("user_max_pages", "%d", SHARE), 0);
	EXPECT_EQ(let_nobody(take_slots, self->fd, 0), 0);
	EXPECT_EQ(vt_stat("swap_full"), 1 + 3 * 3 + 1);
	EXPECT_EQ(let_nobody(take_slots, self->fd, 0), 0);
	space = make_space(self->fd);
	for (i = 0; i < 2 * SHARE; i++)
		EXPECT_EQ(pwrite(space, "x", 1, i * VT_PAGE), 1);
	close(space);
	EXPECT_EQ(vt_set("user_max_pages", "0"), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		become_nobody(0);
		keep_slots(self->fd);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(vt_set("user_max_pages", "%d", SHARE), 0);
	ASSERT_EQ(kill(pid, SIGCONT), 0);
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_TRUE(vt_wait_stat("swap_free", slots, slots, 60));
}

#define BURST	64	/* pages of a space that are held at a time */

/* Put the pages of a burst into sockets that nobody reads; they hold them. False: no more. */
static bool hold_burst(char *mem, int pipefd[2], int sockets[2])
{
	struct iovec part = { mem, BURST * VT_PAGE };
	ssize_t left, moved;

	for (left = 0; left < (ssize_t)(BURST * VT_PAGE); left += moved) {
		moved = vmsplice(pipefd[1], &part, 1, SPLICE_F_NONBLOCK);
		if (moved <= 0)
			return false;
		part.iov_base = (char *)part.iov_base + moved;
		part.iov_len -= moved;
	}
	while (left > 0) {
		moved = splice(pipefd[0], NULL, sockets[0], NULL, left, SPLICE_F_NONBLOCK);
		if (moved > 0) {
			left -= moved;
			continue;
		}
		/* This one is full. */
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets))
			return false;
	}
	return true;
}

/* Hold pages of a space and punch them, again and again, as many as it goes. */
static void pile_up_pages(int fd)
{
	struct vmdemo_space_args args = { .size = BURST * VT_PAGE };
	int space = ioctl(fd, VMDEMO_IOC_SPACE, &args), pipefd[2], sockets[2], i, page;
	char *mem = vt_map(space, 0, BURST, VT_RW, MAP_SHARED);

	MUST(!pipe(pipefd) && fcntl(pipefd[1], F_SETPIPE_SZ, BURST * VT_PAGE) >= 0);
	MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets));
	for (i = 0; i < 3 * MANY / BURST; i++) {
		for (page = 0; page < BURST && !vt_try_write(mem + page * VT_PAGE, NULL);)
			page++;
		if (page < BURST || !hold_burst(mem, pipefd, sockets) ||
		    fallocate(space, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			      BURST * VT_PAGE))
			break;
	}
	/* What it holds it holds until it is killed. */
	MUST(!kill(getpid(), SIGSTOP));
	pause();
}

/* Pages that are held and discarded are not replaced without end, and all come back. */
TEST_F(attack, held_and_punched)
{
	const struct rlimit files = { 8192, 8192 };
	long before = vt_memory_free(), used;
	__u64 orphaned, actual, lend;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		MUST(!setrlimit(RLIMIT_NOFILE, &files));
		become_nobody(0);
		pile_up_pages(self->fd);
		_exit(1);
	}
	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	used = before - vt_memory_free();
	printf("# %ld KiB of memory used\n", used);
	EXPECT_LT(used, 32 << 10);
	lend = vt_get("lend_pages");
	EXPECT_EQ(lend, MANY / 16);
	orphaned = vt_stat("pages_orphaned");
	actual = vt_get("frames_actual");
	printf("# %ju pages outside the pool, %ju frames\n", (uintmax_t)orphaned,
	       (uintmax_t)actual);
	EXPECT_GT(orphaned, lend);
	EXPECT_LE(orphaned + actual, MANY + lend);
	/* More frames are no way around it. */
	EXPECT_EQ(vt_set("frames", "%d", MANY + 256), 0);
	EXPECT_LE(vt_stat("pages_orphaned") + vt_get("frames_actual"),
		  MANY + 256 + vt_get("lend_pages"));
	EXPECT_EQ(vt_set("frames", "%d", MANY), 0);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	EXPECT_EQ(vt_reap(pid), 128 + SIGKILL);
	EXPECT_TRUE(vt_wait_stat("pages_orphaned", 0, 0, 60));
	EXPECT_EQ(vt_get("frames_actual"), MANY);
	EXPECT_TRUE(vt_balanced());
}

#define FEW	1024	/* frames */

/* Hold all frames, and some of those that are lent when there are no others. */
static void hold_frames(int fd)
{
	char *mem = vt_map(fd, 0, FEW + 16, PROT_READ, MAP_SHARED);
	struct iovec part = { mem, VT_PAGE };
	int pipefd[2], i;

	for (i = 0; i < FEW + 16; i++) {
		if (i % 256 == 0)
			MUST(!pipe(pipefd) && fcntl(pipefd[1], F_SETPIPE_SZ, 256 * VT_PAGE) >= 0);
		part.iov_base = mem + i * VT_PAGE;
		if (vt_try_read(part.iov_base, NULL)) {
			MUST(i >= FEW);
			break;
		}
		MUST(vmsplice(pipefd[1], &part, 1, SPLICE_F_NONBLOCK) == (ssize_t)VT_PAGE);
	}
	MUST(!kill(getpid(), SIGSTOP));
}

/* Use pages in turn, more than are lent at a time; how long the slowest takes, in milliseconds. */
static __u64 use_pages(char *mem, int pages, int *failed)
{
	__u64 began, slowest = 0;
	int i;

	for (i = 0; i < pages; i++) {
		began = vt_now_ms();
		*failed += !!vt_try_write(mem + i * VT_PAGE, NULL);
		if (vt_now_ms() - began > slowest)
			slowest = vt_now_ms() - began;
	}
	return slowest;
}

static bool two_at_once(char *mem, int pages)
{
	int i;

	for (i = 0; i < pages; i++)
		if (memcmp(mem + i * VT_PAGE, mem + (pages - 1 - i) * VT_PAGE, 64))
			return false;
	return true;
}

/* A user who holds all frames does not keep another one from theirs: that one is lent some. */
TEST_F(attack, all_frames_held)
{
	struct vmdemo_space_args args = { .size = PAGES * VT_PAGE };
	char *mem, *linear;
	int space, status, failed = 0, i;
	__u64 slowest = 0, took, lent;
	pid_t pid;

	ASSERT_EQ(vt_set("frames", "%d", FEW), 0);
	ASSERT_EQ(vt_set("read_ahead_pages", "0"), 0);
	space = ioctl(self->fd, VMDEMO_IOC_SPACE, &args);
	mem = vt_map(space, 0, PAGES, VT_RW, MAP_SHARED);
	linear = vt_map(self->fd, 8192, PAGES, VT_RW, MAP_SHARED);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		become_nobody(0);
		hold_frames(self->fd);
		_exit(1);
	}
	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_GE(vt_stat("frames_pinned"), FEW);
	for (i = 0; i < 4; i++) {
		took = use_pages(i % 2 ? mem : linear, PAGES, &failed);
		slowest = took > slowest ? took : slowest;
		if (failed)
			break;
	}
	printf("# slowest of %d stores %ju ms, %d failed\n", i * PAGES, (uintmax_t)slowest,
	       failed);
	EXPECT_EQ(failed, 0);
	lent = vt_stat("frames_lent");
	EXPECT_GT(lent, 16);
	EXPECT_LE(lent, vt_get("lend_pages"));
	EXPECT_LT(slowest, 4000);
	EXPECT_LE(vt_get("frames_actual"), FEW + vt_get("lend_pages"));
	if (!failed)
		EXPECT_TRUE(two_at_once(mem, PAGES));
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	EXPECT_EQ(vt_reap(pid), 128 + SIGKILL);
	EXPECT_TRUE(vt_wait_stat("frames_lent", 0, 0, 60));
	EXPECT_EQ(vt_get("frames_actual"), FEW);
	EXPECT_EQ(vt_stat("frames_pinned"), 0);
	munmap(mem, PAGES * VT_PAGE);
	munmap(linear, PAGES * VT_PAGE);
	close(space);
	EXPECT_TRUE(vt_balanced());
}

TEST_HARNESS_MAIN
