// SPDX-License-Identifier: GPL-2.0
/*
 * errors_others.c - one disk fails, or does not answer, and another one does
 */
#include "kselftest_harness.h"
#include "errors.h"

/* ---- one device, two disks ---- */

/*
 * Four frames of five are dirty, and the disk they belong to fails, or does not answer. That must
 * not hold up tasks that need neither: stores to a space that swaps to another disk, or reads that
 * the failing one can still do.
 */
FIXTURE(trouble) {
	int fd, space;
	char *mem, *others;
	size_t dirty;
	__u64 *slowest;			/* of each round, in ms */
};

FIXTURE_VARIANT(trouble) {
	unsigned int frames;
	bool silent;
	bool reads;	/* of the disk in trouble, instead of stores to a space */
};

FIXTURE_VARIANT_ADD(trouble, silent) { .frames = 64, .silent = true };
FIXTURE_VARIANT_ADD(trouble, silent_reserve) { .frames = 512, .silent = true };
FIXTURE_VARIANT_ADD(trouble, failing) { .frames = 64 };
FIXTURE_VARIANT_ADD(trouble, failing_reserve) { .frames = 512 };
FIXTURE_VARIANT_ADD(trouble, reader) { .frames = 64, .reads = true };
FIXTURE_VARIANT_ADD(trouble, reader_reserve) { .frames = 512, .reads = true };

#define ROUNDS		4
#define ROUND_MS	800
#define SLOW_MS		250	/* more than 400, or no end, when the two had one fate */

FIXTURE_SETUP(trouble)
{
	struct vmdemo_space_args args = { .size = 4 * variant->frames * VT_PAGE };
	size_t i;

	put_between(PAGES, SEED);
	vt_load("backing=%s swap=%s frames=%u", vt_disk(), vt_disk2(), variant->frames);
	ASSERT_EQ(vt_set("dirty_age_ms", "0") + vt_set("dirty_pct", "100") +
		  vt_set("read_ahead_pages", "0"), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	self->space = ioctl(self->fd, VMDEMO_IOC_SPACE, &args);
	ASSERT_GE(self->space, 0);
	self->others = vt_map(self->space, 0, 4 * variant->frames, VT_RW, MAP_SHARED);
	self->slowest = mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->slowest, MAP_FAILED);
	self->dirty = variant->frames / 5 * 4;
	for (i = 0; i < self->dirty; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
}

FIXTURE_TEARDOWN(trouble)
{
	munmap(self->mem, PAGES * VT_PAGE);
	munmap(self->others, 4 * variant->frames * VT_PAGE);
	munmap(self->slowest, VT_PAGE);
	close(self->space);
	close(self->fd);
	clear_away();
}

/* Touch page after page, for a round; the longest that one took. */
static __u64 slowest_touch(char *mem, size_t pages, bool write)
{
	__u64 begin = vt_now_ms(), last = begin, now, slowest = 0;
	static size_t next;

	do {
		char *at = mem + next++ % pages * VT_PAGE;

		if (write ? vt_try_write(at, NULL) : vt_try_read(at, NULL))
			_exit(1);
		now = vt_now_ms();
		if (now - last > slowest)
			slowest = now - last;
		last = now;
	} while (now - begin < ROUND_MS);
	return slowest;
}

TEST_F(trouble, is_not_others)
{
	size_t first = variant->reads ? self->dirty : 0;
	char *mem = variant->reads ? self->mem + first * VT_PAGE : self->others;
	size_t pages = variant->reads ? PAGES - first : 4 * variant->frames;
	__u64 least = ~0ULL, most = 0;
	pid_t syncer, user;
	int i, status = -1;
	bool ended;

	if (variant->silent)
		silence();
	else
		break_slowly(300, false);
	syncer = fork();
	ASSERT_GE(syncer, 0);
	if (!syncer)
		_exit(!!fsync(self->fd));
	user = fork();
	ASSERT_GE(user, 0);
	if (!user) {
		for (i = 0; i < ROUNDS; i++)
			self->slowest[i] = slowest_touch(mem, pages, !variant->reads);
		_exit(0);
	}
	/* First silence has to be noticed; and a machine stands still in one round, not in all. */
	ended = vt_ends_within(user, 20000, &status);
	EXPECT_TRUE(ended);
	EXPECT_EQ(status, 0);
	for (i = 0; i < ROUNDS && ended; i++) {
		printf("# slowest page of round %d: %llu ms\n", i, self->slowest[i]);
		if (i && self->slowest[i] < least)
			least = self->slowest[i];
		if (self->slowest[i] > most)
			most = self->slowest[i];
	}
	EXPECT_LT(least, SLOW_MS);
	EXPECT_LT(most, 5000);
	if (variant->silent)
		answer();
	else
		heal();
	if (!ended) {
		kill(user, SIGKILL);
		vt_reap(user);
	}
	EXPECT_EQ(vt_reap(syncer), variant->silent ? 0 : 1);
	EXPECT_EQ(vt_count_bad(self->mem, 0, self->dirty, SEED + 1), 0);
	if (fsync(self->fd))
		EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, self->dirty, SEED + 1));
	EXPECT_TRUE(vt_balanced());
}

/* ---- two devices ---- */

/* More spaces than a queue of the kernel takes jobs at a time, each with a page to come. */
#define CROWD	540

FIXTURE(crowd) {
	int other;
	int spaces[CROWD];
};

FIXTURE_SETUP(crowd)
{
	struct vmdemo_space_args args = { .size = VT_PAGE };
	int dev, i;

	put_between(PAGES, SEED);
	vt_load("num_devices=2 backing=,%s swap=%s frames=%u,64", vt_disk2(), vt_disk(), CROWD);
	self->other = open("/dev/vmdemo1", O_RDWR);
	ASSERT_GE(self->other, 0);
	dev = vt_open(O_RDWR);
	for (i = 0; i < CROWD; i++) {
		self->spaces[i] = ioctl(dev, VMDEMO_IOC_SPACE, &args);
		ASSERT_GE(self->spaces[i], 0);
		ASSERT_EQ(pwrite(self->spaces[i], "x", 1, 0), 1);
		ASSERT_EQ(vt_range(self->spaces[i], VMDEMO_IOC_EVICT, 0, 1, NULL), 0);
	}
	close(dev);
}

FIXTURE_TEARDOWN(crowd)
{
	close(self->other);
	clear_away();
}

/* They go with their process, and wait for their disk: users of another device do not. */
TEST_F(crowd, holds_up_its_own)
{
	int i, status = -1;
	pid_t owner, pid;

	silence();
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(posix_fadvise(self->spaces[i], 0, VT_PAGE, POSIX_FADV_WILLNEED), 0);
	owner = fork();
	if (!owner)
		pause();
	for (i = 0; i < CROWD; i++)
		close(self->spaces[i]);
	kill(owner, SIGKILL);
	EXPECT_TRUE(vt_ends_within(owner, 60000, NULL));
	EXPECT_EQ(vt_stat("frames_free"), 0);
	pid = fork();
	if (!pid)
		_exit(!!vt_range(self->other, VMDEMO_IOC_DISCARD, 1, 1, NULL));
	EXPECT_TRUE(vt_ends_within(pid, 20000, &status));
	EXPECT_EQ(status, 0);
	answer();
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), CROWD);
}

TEST_HARNESS_MAIN
