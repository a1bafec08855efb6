// SPDX-License-Identifier: GPL-2.0
/*
 * gup.c - those who reach the mapping's pages without a page table: direct I/O, other processes,
 * pipes. A page they hold is pinned: it may not change its frame.
 */
#include <pthread.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	32
#define PAGES	256
#define SEED	7

FIXTURE(gup) {
	int fd;
	char *mem;
	int other;	/* the second disk, opened for direct I/O */
};

FIXTURE_SETUP(gup)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_disk_fill(vt_disk2(), 0, PAGES, SEED + 1);
	vt_start(FRAMES);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	self->other = open(vt_disk2(), O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_GE(self->other, 0);
}

FIXTURE_TEARDOWN(gup)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	close(self->other);
}

/* Put pages of the mapping into a pipe: it holds their frames until it is emptied. */
static void hold(int pipe_end, char *from, size_t pages)
{
	struct iovec part = { from, pages * VT_PAGE };

	if (vmsplice(pipe_end, &part, 1, 0) != (ssize_t)(pages * VT_PAGE))
		vt_fail("vmsplice: %s", strerror(errno));
}

static void make_pipe(int ends[2], size_t pages)
{
	if (pipe(ends) || fcntl(ends[1], F_SETPIPE_SZ, pages * VT_PAGE) < 0)
		vt_fail("pipe: %s", strerror(errno));
}

/* Use every page but the first few. */
static void press(const char *mem)
{
	int i;

	for (i = PAGES / 2; i < PAGES; i++)
		if (vt_try_read(mem + i * VT_PAGE, NULL))
			vt_fail("page %d cannot be read", i);
}

/* Direct I/O reads into pages of the mapping, present or not; they are dirty and reach the disk. */
TEST_F(gup, direct_read_into_mapping)
{
	ASSERT_EQ(vt_try_read(self->mem + 4 * VT_PAGE, NULL), 0);
	ASSERT_EQ(pread(self->other, self->mem, 8 * VT_PAGE, 0), 8 * VT_PAGE);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 8, SEED + 1), 0);
	press(self->mem);
	EXPECT_EQ(vt_count_resident(self->fd, 0, 8), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 8, SEED + 1), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 8, SEED + 1));
}

/* Direct I/O writes out of the mapping, of pages that are dirty, clean or absent. */
TEST_F(gup, direct_write_from_mapping)
{
	int i;

	for (i = 20; i < 24; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 2);
	ASSERT_EQ(vt_count_bad(self->mem + 24 * VT_PAGE, 24, 2, SEED), 0);
	ASSERT_EQ(pwrite(self->other, self->mem + 20 * VT_PAGE, 8 * VT_PAGE, 20 * VT_PAGE),
		  8 * VT_PAGE);
	EXPECT_TRUE(vt_disk_check(vt_disk2(), 20, 4, SEED + 2));
	EXPECT_TRUE(vt_disk_check(vt_disk2(), 24, 4, SEED));
}

/* One direct transfer of nearly the whole pool, which pins most of its frames at once. */
TEST_F(gup, direct_transfer_of_most_frames)
{
	size_t n = FRAMES - 8;

	ASSERT_EQ(pread(self->other, self->mem, n * VT_PAGE, 0), n * VT_PAGE);
	EXPECT_EQ(vt_count_bad(self->mem, 0, n, SEED + 1), 0);
	EXPECT_TRUE(vt_wait_stat("frames_pinned", 0, 0, 5));
}

/* One direct transfer that dirties more than dirty_pct allows ends all the same. */
TEST_F(gup, direct_read_beyond_dirty_share)
{
	ASSERT_EQ(vt_set("dirty_pct", "5"), 0);
	ASSERT_EQ(pread(self->other, self->mem, 16 * VT_PAGE, 0), 16 * VT_PAGE);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 16, SEED + 1), 0);
}

/* Parts of a page, in sectors, leave the rest of it alone. */
TEST_F(gup, direct_sectors)
{
	char expected[VT_PAGE], source[VT_PAGE];

	ASSERT_EQ(pread(self->other, self->mem + 3 * VT_PAGE + 1024, 512, 512), 512);
	vt_fill(expected, 3, SEED);
	vt_fill(source, 0, SEED + 1);
	memcpy(expected + 1024, source + 512, 512);
	EXPECT_EQ(memcmp(self->mem + 3 * VT_PAGE, expected, VT_PAGE), 0);
	press(self->mem);
	EXPECT_EQ(memcmp(self->mem + 3 * VT_PAGE, expected, VT_PAGE), 0);
}

/* Direct I/O in both directions while another thread keeps all frames turning over. */
struct presser {
	char *mem;
	int stop;
};

static void *keep_pressing(void *argument)
{
	struct presser *presser = argument;

	while (!__atomic_load_n(&presser->stop, __ATOMIC_RELAXED))
		for (int i = PAGES / 2; i < PAGES; i++)
			__atomic_load_n(presser->mem + i * VT_PAGE, __ATOMIC_RELAXED);
	return NULL;
}

TEST_F(gup, direct_io_under_pressure)
{
	struct presser presser = { .mem = self->mem };
	pthread_t thread;
	int round;

	ASSERT_EQ(pthread_create(&thread, NULL, keep_pressing, &presser), 0);
	for (round = 0; round < 60; round++) {
		size_t page = round * 8 % 128;

		ASSERT_EQ(pread(self->other, self->mem + page * VT_PAGE, 8 * VT_PAGE,
				page * VT_PAGE), 8 * VT_PAGE);
		ASSERT_EQ(vt_count_bad(self->mem + page * VT_PAGE, page, 8, SEED + 1), 0);
		vt_fill(self->mem + page * VT_PAGE, page, SEED + 2);
		ASSERT_EQ(pwrite(self->other, self->mem + page * VT_PAGE, VT_PAGE,
				 (PAGES + page) * VT_PAGE), VT_PAGE);
		vt_fill(self->mem + page * VT_PAGE, page, SEED + 1);
	}
	presser.stop = 1;
	pthread_join(thread, NULL);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 128, SEED + 1), 0);
	for (round = 0; round < 16; round++) {
		char page[VT_PAGE];

		vt_disk_read(vt_disk2(), PAGES + round * 8, page);
		EXPECT_EQ(vt_check(page, round * 8, SEED + 2), -1);
	}
	EXPECT_TRUE(vt_balanced());
}

/* A page in a pipe is pinned: it keeps its frame under pressure, and the pipe its contents. */
TEST_F(gup, pinned_page_stays)
{
	char page[VT_PAGE];
	struct vmdemo_page before;
	int ends[2];

	make_pipe(ends, 4);
	vt_fill(self->mem + 5 * VT_PAGE, 5, SEED + 2);
	hold(ends[1], self->mem + 5 * VT_PAGE, 1);
	before = vt_page(self->fd, 5);
	EXPECT_TRUE(before.flags & VMDEMO_PAGE_PINNED);
	EXPECT_EQ(vt_stat("frames_pinned"), 1);
	press(self->mem);
	EXPECT_EQ(vt_page(self->fd, 5).frame, before.frame);
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 5, 1, NULL), 0);
	EXPECT_EQ(vt_page(self->fd, 5).frame, before.frame);
	/* It is the very page: a later store shows in the pipe. */
	vt_fill(self->mem + 5 * VT_PAGE, 5, SEED + 3);
	ASSERT_EQ(read(ends[0], page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, 5, SEED + 3), -1);
	EXPECT_TRUE(vt_wait_stat("frames_pinned", 0, 0, 5));
	/* Now it may go, and comes back. */
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 5, 1, NULL), 0);
	EXPECT_FALSE(vt_resident(self->fd, 5));
	EXPECT_EQ(vt_check(self->mem + 5 * VT_PAGE, 5, SEED + 3), -1);
}

/* A pinned page that nobody maps any more is still the page: no second copy comes up. */
TEST_F(gup, pinned_page_without_mapping)
{
	char *map = vt_map(self->fd, 5, 1, VT_RW, MAP_SHARED), page[VT_PAGE];
	int ends[2];

	make_pipe(ends, 4);
	vt_fill(map, 5, SEED + 2);
	hold(ends[1], map, 1);
	ASSERT_EQ(munmap(map, VT_PAGE), 0);
	press(self->mem);
	vt_fill(self->mem + 5 * VT_PAGE, 5, SEED + 3);
	ASSERT_EQ(read(ends[0], page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, 5, SEED + 3), -1);
}

/* The rest of the pool goes on working when most of it is pinned. */
TEST_F(gup, pool_mostly_pinned)
{
	char page[VT_PAGE];
	int ends[2], i;

	make_pipe(ends, FRAMES);
	hold(ends[1], self->mem, FRAMES - 8);
	EXPECT_EQ(vt_stat("frames_pinned"), FRAMES - 8);
	press(self->mem);
	EXPECT_EQ(vt_count_bad(self->mem + 64 * VT_PAGE, 64, PAGES - 64, SEED), 0);
	for (i = 0; i < FRAMES - 8; i++) {
		ASSERT_EQ(read(ends[0], page, VT_PAGE), VT_PAGE);
		EXPECT_EQ(vt_check(page, i, SEED), -1);
	}
	EXPECT_TRUE(vt_wait_stat("frames_pinned", 0, 0, 5));
	EXPECT_TRUE(vt_balanced());
}

/* ---- pins, and programs that hold none ---- */

/*
 * Four frames of five are in pipes. That does not disturb programs that use the rest: no fault
 * waits, and none fails, with and without a reserve of free frames.
 */
FIXTURE(pins) {
	int fd;
	char *mem;
	size_t pinned;
	size_t touched;		/* pages in a round: twice as many as there are frames for them */
};

FIXTURE_VARIANT(pins) {
	unsigned int frames;
	const char *reserve;
};

FIXTURE_VARIANT_ADD(pins, few) { .frames = 250, .reserve = "auto" };
FIXTURE_VARIANT_ADD(pins, many) { .frames = 1024, .reserve = "auto" };
FIXTURE_VARIANT_ADD(pins, many_exact) { .frames = 1024, .reserve = "0" };
FIXTURE_VARIANT_ADD(pins, masses) { .frames = (256 << 20) / VT_PAGE, .reserve = "auto" };

#define ROUNDS	4

FIXTURE_SETUP(pins)
{
	struct vmdemo_space_args args = { .size = 4 * variant->frames * VT_PAGE };
	int dev;

	/* Pages that were never written are no more than frames: the disk may be small. */
	vt_load("swap=%s frames=%u", vt_disk(), variant->frames);
	ASSERT_EQ(vt_set("reserve", "%s", variant->reserve), 0);
	dev = vt_open(O_RDWR);
	self->fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	ASSERT_GE(self->fd, 0);
	close(dev);
	self->mem = vt_map(self->fd, 0, args.size / VT_PAGE, VT_RW, MAP_SHARED);
	ASSERT_EQ(madvise(self->mem, args.size, MADV_RANDOM), 0);
	self->pinned = variant->frames / 5 * 4;
	self->touched = 2 * (variant->frames - self->pinned);
}

FIXTURE_TEARDOWN(pins)
{
	munmap(self->mem, 4 * variant->frames * VT_PAGE);
	close(self->fd);
}

/* The slowest fault of a round, in microseconds; pages that failed are counted. */
static __u64 slowest_fault(const char *mem, size_t pages, size_t *failed)
{
	struct timespec begin, end;
	__u64 us, slowest = 0;
	size_t i;

	for (i = 0; i < pages; i++) {
		clock_gettime(CLOCK_MONOTONIC, &begin);
		*failed += !!vt_try_read(mem + i * VT_PAGE, NULL);
		clock_gettime(CLOCK_MONOTONIC, &end);
		us = (end.tv_sec - begin.tv_sec) * 1000000 +
		     (end.tv_nsec - begin.tv_nsec) / 1000;
		if (us > slowest)
			slowest = us;
	}
	return slowest;
}

/* A machine that stands still for a moment does so in one round, not in all. */
TEST_F(pins, cost_others_nothing)
{
	__u64 slowest = ~0ULL, us;
	size_t i, part, failed = 0;
	int ends[2];

	for (i = 0; i < self->pinned; i += part) {
		part = self->pinned - i < 4096 ? self->pinned - i : 4096;
		make_pipe(ends, part);
		hold(ends[1], self->mem + i * VT_PAGE, part);
	}
	EXPECT_TRUE(vt_wait_stat("frames_pinned", self->pinned, self->pinned, 10));
	for (i = 0; i < ROUNDS; i++) {
		us = slowest_fault(self->mem + (self->pinned + i * self->touched) * VT_PAGE,
				   self->touched, &failed);
		printf("# slowest fault of round %zu: %llu us\n", i, us);
		/* The first round fills the pool. */
		if (i && us < slowest)
			slowest = us;
	}
	EXPECT_EQ(failed, 0);
	EXPECT_LT(slowest, 50000);
	/* What is just being unmapped is held for a moment. */
	EXPECT_TRUE(vt_wait_stat("frames_pinned", self->pinned, self->pinned, 10));
	EXPECT_GT(vt_stat("frames_held"), self->pinned / 2);
	EXPECT_TRUE(vt_balanced());
}

/*
 * A pool full of pins that lends nothing makes a fault wait, bounded, and end in SIGBUS; then all
 * goes on.
 */
TEST_F(gup, pool_full_of_pins_sigbus)
{
	char page[VT_PAGE];
	siginfo_t info;
	int ends[2], i;

	ASSERT_EQ(vt_set("lend_pages", "0"), 0);
	make_pipe(ends, FRAMES);
	hold(ends[1], self->mem, FRAMES);
	EXPECT_EQ(vt_try_read(self->mem + 200 * VT_PAGE + 9, &info), SIGBUS);
	EXPECT_EQ(info.si_addr, self->mem + 200 * VT_PAGE + 9);
	EXPECT_EQ(vt_count_bad(self->mem, 0, FRAMES, SEED), 0);
	for (i = 0; i < FRAMES; i++)
		ASSERT_EQ(read(ends[0], page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(self->mem + 200 * VT_PAGE, 200, SEED), -1);
	EXPECT_TRUE(vt_balanced());
}

/* While a fault waits for a frame its process can be looked at and killed. */
TEST_F(gup, waiting_fault_can_be_killed)
{
	char path[64], line[4096];
	int ends[2], status = 0;
	__u64 before;
	FILE *maps;
	pid_t pid;

	ASSERT_EQ(vt_set("lend_pages", "0"), 0);
	make_pipe(ends, FRAMES);
	hold(ends[1], self->mem, FRAMES);
	before = vt_stat("reclaim_waits");
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		__atomic_load_n(self->mem + 200 * VT_PAGE, __ATOMIC_RELAXED);
		_exit(0);
	}
	ASSERT_TRUE(vt_wait_stat("reclaim_waits", before + 1, UINT64_MAX, 20));
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	ASSERT_NE(maps, NULL);
	while (fgets(line, sizeof(line), maps))
		;
	fclose(maps);
	/* Looking has not had to wait until the fault gave up, which takes 5 s. */
	EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	EXPECT_TRUE(vt_ends_within(pid, 2000, &status));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

/* A fault that waits gets its frame as soon as a pin goes. */
TEST_F(gup, waiting_fault_continues)
{
	char page[VT_PAGE];
	__u64 before;
	int ends[2];
	pid_t pid;

	ASSERT_EQ(vt_set("lend_pages", "0"), 0);
	make_pipe(ends, FRAMES);
	hold(ends[1], self->mem, FRAMES);
	before = vt_stat("reclaim_waits");
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(vt_check(self->mem + 200 * VT_PAGE, 200, SEED) >= 0);
	ASSERT_TRUE(vt_wait_stat("reclaim_waits", before + 1, UINT64_MAX, 20));
	ASSERT_EQ(read(ends[0], page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_reap(pid), 0);
}

/* Another process reads and writes our mapping's pages, present or not. */
TEST_F(gup, process_vm_readv_writev)
{
	char *buffer = vt_buffer(8);
	struct iovec local = { buffer, 4 * VT_PAGE };
	struct iovec remote = { self->mem + 30 * VT_PAGE, 4 * VT_PAGE };
	pid_t pid, parent = getpid();
	int i;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (process_vm_readv(parent, &local, 1, &remote, 1, 0) != 4 * (ssize_t)VT_PAGE)
			_exit(1);
		if (vt_count_bad(buffer, 30, 4, SEED))
			_exit(2);
		for (i = 0; i < 4; i++)
			vt_fill(buffer + i * VT_PAGE, 30 + i, SEED + 2);
		if (process_vm_writev(parent, &local, 1, &remote, 1, 0) != 4 * (ssize_t)VT_PAGE)
			_exit(3);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_count_bad(self->mem + 30 * VT_PAGE, 30, 4, SEED + 2), 0);
	press(self->mem);
	EXPECT_EQ(vt_count_bad(self->mem + 30 * VT_PAGE, 30, 4, SEED + 2), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 30, 4, SEED + 2));
}

/* /proc/pid/mem works, as debuggers use it. */
TEST_F(gup, proc_mem)
{
	int mem = open("/proc/self/mem", O_RDWR);
	char *buffer = vt_buffer(1);
	off_t at = (off_t)(uintptr_t)(self->mem + 40 * VT_PAGE);

	ASSERT_GE(mem, 0);
	ASSERT_EQ(pread(mem, buffer, VT_PAGE, at), VT_PAGE);
	EXPECT_EQ(vt_check(buffer, 40, SEED), -1);
	vt_fill(buffer, 40, SEED + 2);
	ASSERT_EQ(pwrite(mem, buffer, VT_PAGE, at), VT_PAGE);
	EXPECT_EQ(vt_check(self->mem + 40 * VT_PAGE, 40, SEED + 2), -1);
	press(self->mem);
	EXPECT_EQ(vt_check(self->mem + 40 * VT_PAGE, 40, SEED + 2), -1);
}

/* A fsync while a page is pinned writes its contents; stores after it are not lost. */
TEST_F(gup, fsync_of_a_pinned_page)
{
	char page[VT_PAGE];
	int ends[2];

	make_pipe(ends, 4);
	vt_fill(self->mem, 0, SEED + 2);
	hold(ends[1], self->mem, 1);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 1, SEED + 2));
	vt_fill(self->mem, 0, SEED + 3);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 1, SEED + 3));
	ASSERT_EQ(read(ends[0], page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, 0, SEED + 3), -1);
}

TEST_HARNESS_MAIN
