// SPDX-License-Identifier: GPL-2.0
/*
 * hwpoison.c - the memory of a frame fails: that costs its page at most, and the frame is not used
 * again
 *
 * Failures are injected by madvise(MADV_HWPOISON) into a frame that is mapped, which leaves the
 * kernel holding it, and by the kernel's module hwpoison-inject into any. The kernel handles pages
 * on its own LRU lists only, so it does no more than mark the page; all else is ours.
 */
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	64
#define PAGES	256
#define SEED	23
#define HIT	5	/* the page whose frame fails */

#define INJECT	"/sys/kernel/debug/hwpoison/corrupt-pfn"

FIXTURE(hwpoison) {
	int fd;
	char *mem;
	char *hit;	/* page HIT */
	__u64 pfn;	/* the memory it was in when that failed */
};

FIXTURE_SETUP(hwpoison)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_start(FRAMES);
	if (vt_set("dirty_age_ms", "0"))
		vt_fail("dirty_age_ms cannot be set");
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	self->hit = self->mem + HIT * VT_PAGE;
	if (vt_count_bad(self->mem, 0, 16, SEED))
		vt_fail("the disk is not what it should be");
}

static pid_t let_go(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(vt_set("backing", "none") ? 1 : 0);
	return pid;
}

static bool comes_to(const char *name, __u64 value)
{
	__u64 deadline = vt_now_ms() + 20000;

	while (vt_get(name) != value && vt_now_ms() < deadline)
		vt_nap(20);
	return vt_get(name) == value;
}

/*
 * Whatever has failed: the pool gets another page for it. Nothing holds up the end, as what
 * somebody holds would for 5 s.
 */
FIXTURE_TEARDOWN(hwpoison)
{
	int status = -1;

	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	EXPECT_TRUE(comes_to("frames_actual", vt_get("frames")));
	EXPECT_TRUE(vt_balanced());
	EXPECT_TRUE(vt_ends_within(let_go(), 4000, &status));
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(comes_to("stats/frames_free", vt_get("frames")));
	EXPECT_EQ(vt_try_unload(), 0);
}

/* Number of the physical page that is mapped there. */
static __u64 pfn_of(char *address)
{
	static int fd = -1;
	__u64 entry = 0;

	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY);
	if (vt_try_read(address, NULL) ||
	    pread(fd, &entry, sizeof(entry), (uintptr_t)address / VT_PAGE * sizeof(entry)) < 0 ||
	    !(entry >> 63))
		vt_fail("/proc/self/pagemap does not tell");
	return entry & ((1ULL << 55) - 1);
}

/* Fail the frame that page HIT is in. It is mapped, and stays so: nobody has been told. */
static void fail_mapped(struct _test_data_hwpoison *self)
{
	self->pfn = pfn_of(self->hit);
	if (madvise(self->hit, VT_PAGE, MADV_HWPOISON) && errno != EBUSY) {
		if (errno == EINVAL)
			vt_skip("this kernel handles no memory failures");
		vt_fail("MADV_HWPOISON: %s", strerror(errno));
	}
	/* The next touch must be a page fault. */
	if (madvise(self->mem, PAGES * VT_PAGE, MADV_DONTNEED))
		vt_fail("MADV_DONTNEED: %s", strerror(errno));
}

static void fail_pfn(__u64 pfn)
{
	char number[32];
	int fd, length;

	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (system("modprobe hwpoison-inject") || access(INJECT, W_OK))
		vt_skip("there is no hwpoison-inject");
	length = snprintf(number, sizeof(number), "%ju", (uintmax_t)pfn);
	fd = open(INJECT, O_WRONLY);
	/* That it could not do much is told as EBUSY. */
	if (fd < 0 || (write(fd, number, length) < 0 && errno != EBUSY && errno != EIO))
		vt_fail(INJECT ": %s", strerror(errno));
	close(fd);
}

/* All pages are right, whatever has to go for them, and none is in the memory that failed. */
static bool all_right_elsewhere(struct _test_data_hwpoison *self, size_t except)
{
	size_t round, page;

	for (round = 0; round < 3; round++)
		for (page = 0; page < PAGES; page++) {
			char *mem = self->mem + page * VT_PAGE;

			if (page != except && vt_count_bad(mem, page, 1, SEED))
				return false;
			if (pfn_of(mem) == self->pfn) {
				printf("# page %zu is in memory that failed\n", page);
				return false;
			}
		}
	return true;
}

/* The next touch of a clean page reads it into another frame; nobody notices. */
TEST_F(hwpoison, clean_page_by_fault)
{
	fail_mapped(self);
	EXPECT_EQ(vt_try_read(self->hit, NULL), 0);
	EXPECT_EQ(vt_check(self->hit, HIT, SEED), -1);
	EXPECT_NE(pfn_of(self->hit), self->pfn);
	EXPECT_EQ(vt_stat("faults_hard"), 17);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_TRUE(all_right_elsewhere(self, PAGES));
}

/* The same by the first store, to a page that is mapped read-only so far. */
TEST_F(hwpoison, clean_page_by_store)
{
	fail_mapped(self);
	vt_fill(self->hit, HIT, SEED + 1);
	EXPECT_EQ(vt_check(self->hit, HIT, SEED + 1), -1);
	EXPECT_NE(pfn_of(self->hit), self->pfn);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), HIT, 1, SEED + 1));
	EXPECT_TRUE(all_right_elsewhere(self, HIT));
}

/* The page is still mapped when the store comes: page_mkwrite finds out. */
TEST_F(hwpoison, clean_page_by_store_to_mapped)
{
	self->pfn = pfn_of(self->hit);
	fail_pfn(self->pfn);
	vt_fill(self->hit, HIT, SEED + 1);
	EXPECT_EQ(vt_check(self->hit, HIT, SEED + 1), -1);
	EXPECT_NE(pfn_of(self->hit), self->pfn);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_TRUE(all_right_elsewhere(self, HIT));
}

/* read(2) and write(2) of a clean page go on as the fault does. */
TEST_F(hwpoison, clean_page_by_read_and_write)
{
	char page[VT_PAGE];

	fail_mapped(self);
	ASSERT_EQ(pread(self->fd, page, VT_PAGE, HIT * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, HIT, SEED), -1);
	EXPECT_NE(pfn_of(self->hit), self->pfn);
	ASSERT_EQ(pwrite(self->fd, page, 100, HIT * VT_PAGE), 100);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_TRUE(all_right_elsewhere(self, PAGES));
}

/* What was dirty is lost: SIGBUS at the next touch, once, then it is what the disk has. */
TEST_F(hwpoison, dirty_page_by_fault)
{
	siginfo_t info;

	vt_fill(self->hit, HIT, SEED + 1);
	vt_fill(self->hit + VT_PAGE, HIT + 1, SEED + 1);
	fail_mapped(self);
	EXPECT_EQ(vt_try_read(self->hit + 77, &info), SIGBUS);
	EXPECT_EQ(info.si_code, BUS_MCEERR_AR);
	EXPECT_EQ((uintptr_t)info.si_addr / VT_PAGE, (uintptr_t)self->hit / VT_PAGE);
	EXPECT_EQ(vt_stat("pages_lost"), 1);
	EXPECT_EQ(vt_check(self->hit, HIT, SEED), -1);
	/* The others' data are not disturbed, and fsync tells once. */
	EXPECT_EQ(vt_check(self->hit + VT_PAGE, HIT + 1, SEED + 1), -1);
	EXPECT_EQ(fsync(self->fd), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), HIT + 1, 1, SEED + 1));
	EXPECT_TRUE(all_right_elsewhere(self, HIT + 1));
}

TEST_F(hwpoison, dirty_page_by_read)
{
	char page[VT_PAGE];

	vt_fill(self->hit, HIT, SEED + 1);
	fail_mapped(self);
	EXPECT_EQ(pread(self->fd, page, VT_PAGE, HIT * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	ASSERT_EQ(pread(self->fd, page, VT_PAGE, HIT * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, HIT, SEED), -1);
	EXPECT_EQ(vt_stat("pages_lost"), 1);
	EXPECT_TRUE(all_right_elsewhere(self, PAGES));
}

/* What is in memory that has failed is not written over what the disk has. */
TEST_F(hwpoison, dirty_page_is_not_written)
{
	vt_fill(self->hit, HIT, SEED + 1);
	vt_fill(self->hit + VT_PAGE, HIT + 1, SEED + 1);
	fail_mapped(self);
	EXPECT_EQ(fsync(self->fd), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("pages_out"), 1);
	EXPECT_EQ(vt_stat("pages_lost"), 1);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), HIT, 1, SEED));
	EXPECT_TRUE(vt_disk_check(vt_disk(), HIT + 1, 1, SEED + 1));
	EXPECT_TRUE(all_right_elsewhere(self, HIT + 1));
}

/* Its turn to go comes, or somebody evicts it: the frame goes, not to return. */
TEST_F(hwpoison, evicted)
{
	fail_mapped(self);
	EXPECT_EQ(vt_count_bad(self->mem + 16 * VT_PAGE, 16, PAGES - 16, SEED), 0);
	EXPECT_FALSE(vt_resident(self->fd, HIT));
	EXPECT_TRUE(all_right_elsewhere(self, PAGES));
}

TEST_F(hwpoison, evicted_by_ioctl)
{
	__u64 freed;

	fail_mapped(self);
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, 16, &freed), 0);
	EXPECT_EQ(freed, 15);
	EXPECT_EQ(vt_count_resident(self->fd, 0, 16), 0);
	EXPECT_TRUE(all_right_elsewhere(self, PAGES));
}

/* DISCARD need not wait for its holder: nobody will let go. */
TEST_F(hwpoison, discarded)
{
	int status = -1;
	pid_t pid;

	fail_mapped(self);
	pid = fork();
	if (!pid)
		_exit(vt_range(self->fd, VMDEMO_IOC_DISCARD, HIT, 1, NULL) ? 1 : 0);
	EXPECT_TRUE(vt_ends_within(pid, 4000, &status));
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(vt_is_zero(self->hit));
	EXPECT_TRUE(all_right_elsewhere(self, HIT));
}

/* Nobody touches it any more before the device is let go: the teardown sees to that. */
TEST_F(hwpoison, left_alone)
{
	struct vmdemo_page before, page;

	vt_fill(self->hit, HIT, SEED + 1);
	before = vt_page(self->fd, HIT);
	fail_mapped(self);
	page = vt_page(self->fd, HIT);
	EXPECT_EQ(page.frame, before.frame);
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 1);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 16, SEED));
	ASSERT_EQ(vt_set("backing", "%s", vt_disk()), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	EXPECT_TRUE(all_right_elsewhere(self, PAGES));
}

/* A free frame is never taken, by no fault, no write and no readahead. */
TEST_F(hwpoison, free_frame)
{
	char *buffer = vt_buffer(PAGES);

	self->pfn = pfn_of(self->hit);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, HIT, 1, NULL), 0);
	fail_pfn(self->pfn);
	ASSERT_EQ(pread(self->fd, buffer, PAGES * VT_PAGE, 0), PAGES * VT_PAGE);
	ASSERT_EQ(pwrite(self->fd, buffer, PAGES * VT_PAGE, 0), PAGES * VT_PAGE);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL), 0);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_PREFETCH, 0, PAGES, NULL), 0);
	ASSERT_EQ(vt_set("read_ahead_pages", "16"), 0);
	EXPECT_TRUE(all_right_elsewhere(self, PAGES));
	EXPECT_EQ(vt_stat("pages_lost"), 0);
}

/* The signal ends the process that touched what is lost, and no other one notices. */
TEST_F(hwpoison, kills_who_touches_it)
{
	pid_t pid;

	self->pfn = pfn_of(self->hit);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		vt_fill(self->hit, HIT, SEED + 1);
		fail_mapped(self);
		__atomic_load_n(self->hit, __ATOMIC_RELAXED);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 128 + SIGBUS);
	EXPECT_TRUE(all_right_elsewhere(self, PAGES));
}

/* The number that is missing comes back with a page of other memory; in a small pool, too. */
TEST_F(hwpoison, comes_back)
{
	__u32 frame = vt_page(self->fd, HIT).frame;
	struct vmdemo_page map[PAGES];
	bool used = false;
	size_t i;

	EXPECT_EQ(vt_get("reserve"), 0);
	fail_mapped(self);
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, 16, NULL), 0);
	EXPECT_TRUE(comes_to("frames_actual", FRAMES));
	EXPECT_TRUE(all_right_elsewhere(self, PAGES));
	ASSERT_EQ(vt_pagemap(self->fd, 0, PAGES, map), 0);
	for (i = 0; i < PAGES; i++)
		used |= map[i].frame == frame;
	EXPECT_TRUE(used);
}

/* The same when the pool is resized, at once. */
TEST_F(hwpoison, resize)
{
	fail_mapped(self);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(vt_set("frames", "%d", FRAMES + 16), 0);
	EXPECT_EQ(vt_get("frames_actual"), FRAMES + 16);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(vt_set("frames", "%d", FRAMES - 1), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
}

TEST_HARNESS_MAIN
