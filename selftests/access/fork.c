// SPDX-License-Identifier: GPL-2.0
/*
 * fork.c - processes that inherit a mapping, and private copies
 */
#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	32
#define PAGES	128
#define SEED	3

FIXTURE(fork) {
	int fd;
	char *mem;
};

FIXTURE_SETUP(fork)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_start(FRAMES);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

FIXTURE_TEARDOWN(fork)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

/* One process tells another that it has come so far, without a sleep. */
static void signal_to(int fd)
{
	if (write(fd, "", 1) != 1)
		_exit(99);
}

static void wait_for(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		_exit(98);
}

/* A child sees its parent's stores and the parent the child's: the mapping stays shared. */
TEST_F(fork, shared_both_ways)
{
	pid_t pid;

	vt_fill(self->mem, 0, SEED + 1);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (vt_check(self->mem, 0, SEED + 1) >= 0)
			_exit(1);
		vt_fill(self->mem + VT_PAGE, 1, SEED + 1);
		_exit(vt_count_bad(self->mem + 2 * VT_PAGE, 2, PAGES - 2, SEED) ? 2 : 0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_check(self->mem + VT_PAGE, 1, SEED + 1), -1);
}

/* A child does not keep a frame that was evicted meanwhile: it sees the page's later contents. */
TEST_F(fork, child_keeps_no_evicted_frame)
{
	int to_child[2], i;
	pid_t pid;

	ASSERT_EQ(pipe(to_child), 0);
	ASSERT_EQ(vt_count_bad(self->mem, 0, 8, SEED), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		wait_for(to_child[0]);
		for (i = 0; i < 8; i++)
			if (vt_check(self->mem + i * VT_PAGE, i, SEED + 1) >= 0)
				_exit(1);
		_exit(0);
	}
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, 8, NULL), 0);
	EXPECT_EQ(vt_count_resident(self->fd, 0, 8), 0);
	/* Other pages take the frames the child had mapped; then the eight come back changed. */
	EXPECT_EQ(vt_count_bad(self->mem + 64 * VT_PAGE, 64, FRAMES, SEED), 0);
	for (i = 0; i < 8; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	signal_to(to_child[1]);
	EXPECT_EQ(vt_reap(pid), 0);
}

/* Parent and children write their own pages of one mapping at once, evicting each other's. */
TEST_F(fork, children_write_side_by_side)
{
	pid_t pids[4];
	int child, round, i;

	for (child = 0; child < 4; child++) {
		pids[child] = fork();
		ASSERT_GE(pids[child], 0);
		if (pids[child])
			continue;
		for (round = 0; round < 20; round++)
			for (i = child; i < PAGES; i += 4) {
				if (round && vt_check(self->mem + i * VT_PAGE, i, round - 1) >= 0)
					_exit(1);
				vt_fill(self->mem + i * VT_PAGE, i, round);
			}
		_exit(0);
	}
	for (child = 0; child < 4; child++)
		EXPECT_EQ(vt_reap(pids[child]), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, 19), 0);
	EXPECT_TRUE(vt_balanced());
}

/* A child goes on with the mapping when the parent has unmapped, closed and gone. */
TEST_F(fork, child_outlives_parent)
{
	int done[2];
	char verdict = 1;
	pid_t pid;

	ASSERT_EQ(pipe(done), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		pid_t middle = getpid();

		if (fork())
			_exit(0);
		while (getppid() == middle)
			;
		verdict = vt_count_bad(self->mem, 0, PAGES, SEED) ? 1 : 0;
		_exit(write(done[1], &verdict, 1) != 1);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	ASSERT_EQ(read(done[0], &verdict, 1), 1);
	EXPECT_EQ(verdict, 0);
}

/* What is stored into a private mapping reaches neither the device's other users nor the disk. */
TEST_F(fork, private_copies_stay_private)
{
	char *private = vt_map(self->fd, 0, 16, VT_RW, MAP_PRIVATE);
	int i;

	for (i = 0; i < 16; i++)
		vt_fill(private + i * VT_PAGE, i, SEED + 1);
	EXPECT_EQ(vt_stat("faults_cow"), 16);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 16, SEED), 0);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL), 0);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 16, SEED));
	EXPECT_EQ(vt_count_bad(private, 0, 16, SEED + 1), 0);
}

/* Private copies survive the eviction of the pages they were copied from, and a full pool. */
TEST_F(fork, private_copies_survive_pressure)
{
	char *private = vt_map(self->fd, 0, PAGES, VT_RW, MAP_PRIVATE);
	int i;

	for (i = 0; i < PAGES; i += 2)
		vt_fill(private + i * VT_PAGE, i, SEED + 1);
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(vt_check(private + i * VT_PAGE, i, i % 2 ? SEED : SEED + 1), -1);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_LE(vt_count_resident(self->fd, 0, PAGES), FRAMES);
}

/* Private copies are the process's own after fork, too. */
TEST_F(fork, private_copies_part_at_fork)
{
	char *private = vt_map(self->fd, 0, 2, VT_RW, MAP_PRIVATE);
	pid_t pid;

	vt_fill(private, 0, SEED + 1);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (vt_check(private, 0, SEED + 1) >= 0)
			_exit(1);
		vt_fill(private, 0, SEED + 2);
		vt_fill(private + VT_PAGE, 1, SEED + 2);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_check(private, 0, SEED + 1), -1);
	EXPECT_EQ(vt_check(private + VT_PAGE, 1, SEED), -1);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 2, SEED), 0);
}

/* MADV_DONTNEED throws private copies away: the device's page shows again. */
TEST_F(fork, dontneed_drops_private_copies)
{
	char *private = vt_map(self->fd, 0, 2, VT_RW, MAP_PRIVATE);

	vt_fill(private, 0, SEED + 1);
	ASSERT_EQ(madvise(private, VT_PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(vt_check(private, 0, SEED), -1);
}

/* A private mapping of a read-only open may be written, as it writes nothing. */
TEST_F(fork, private_writable_on_read_only_open)
{
	int fd = vt_open(O_RDONLY);
	char *private = vt_map(fd, 3, 1, VT_RW, MAP_PRIVATE);

	EXPECT_EQ(vt_try_write(private, NULL), 0);
	vt_fill(private, 3, SEED + 1);
	EXPECT_EQ(vt_check(self->mem + 3 * VT_PAGE, 3, SEED), -1);
}

/* Processes die at any moment, in the middle of their faults, and leave nothing behind. */
TEST_F(fork, killed_in_the_middle)
{
	int started[2], round;
	pid_t pid;

	ASSERT_EQ(pipe(started), 0);
	for (round = 0; round < 20; round++) {
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			__u64 state = round;

			signal_to(started[1]);
			for (;;)
				self->mem[vt_random(&state) % 64 * VT_PAGE] = 1;
		}
		wait_for(started[0]);
		/* Let it fault a while: until 50 more pages came in. */
		EXPECT_TRUE(vt_wait_stat("pages_in", vt_stat("pages_in") + 50, UINT64_MAX, 10));
		kill(pid, SIGKILL);
		EXPECT_EQ(vt_reap(pid), 128 + SIGKILL);
	}
	/* The flusher may hold what it is about to write. */
	EXPECT_TRUE(vt_wait_stat("frames_pinned", 0, 0, 10));
	EXPECT_EQ(vt_count_bad(self->mem + 64 * VT_PAGE, 64, 64, SEED), 0);
	EXPECT_TRUE(vt_balanced());
}

TEST_HARNESS_MAIN
