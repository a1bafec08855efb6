// SPDX-License-Identifier: GPL-2.0
/*
 * around.c - in a sequence one fault maps many pages: how many, which, and what becomes of stores
 *
 * A store to a page that was made writable beside a faulting one traps nowhere. It must reach the
 * disk all the same, again after each write-back, and no page may become writable that was not to.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	1024
#define SEED	20

/* Pages that one page table maps; all of them fit the pool beside much else. */
#define TABLE	512
#define PAGES	TABLE

/* Faults that a sequence of PAGES may cost: a few at its beginning, one in 64 pages later. */
#define FEW	32

/* Read or write one byte of a page. */
static void touch(const char *map, size_t page)
{
	__atomic_load_n(map + page * VT_PAGE, __ATOMIC_RELAXED);
}

static void touch_all(const char *map, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		touch(map, i);
}

/* Write pages one after the other; the mapping starts at page 'first'. */
static void write_all(char *map, size_t first, size_t pages, __u64 seed)
{
	size_t i;

	for (i = 0; i < pages; i++)
		vt_fill(map + i * VT_PAGE, first + i, seed);
}

/* Drop the page table entries of a shared mapping; the pages stay. */
static void drop(char *map, size_t pages)
{
	if (madvise(map, pages * VT_PAGE, MADV_DONTNEED))
		vt_fail("MADV_DONTNEED: %s", strerror(errno));
}

/* Bring pages into frames through another open file: none is mapped, no sequence begins. */
static void fetch(size_t first, size_t pages)
{
	char page[VMDEMO_PAGE_SIZE];
	int fd = vt_open(O_RDONLY);
	size_t i;

	if (posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM))
		vt_fail("POSIX_FADV_RANDOM is refused");
	for (i = first; i < first + pages; i++)
		if (pread(fd, page, VT_PAGE, i * VT_PAGE) != (ssize_t)VT_PAGE)
			vt_fail("page %zu: %s", i, strerror(errno));
	close(fd);
}

/* A mapping whose first page has entry 'slot' of a page table; nothing else is near it. */
static char *map_at(size_t slot, int fd, size_t first, size_t pages, int prot, int flags)
{
	size_t table = TABLE * VT_PAGE;
	char *area = mmap(NULL, slot * VT_PAGE + pages * VT_PAGE + 3 * table, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *place, *map;

	if (area == MAP_FAILED)
		vt_fail("no room for a mapping of %zu pages", pages);
	place = area + table - (uintptr_t)area % table + slot * VT_PAGE;
	map = mmap(place, pages * VT_PAGE, prot, flags | MAP_FIXED, fd, first * VT_PAGE);
	if (map != place)
		vt_fail("mmap of %zu pages from %zu: %s", pages, first, strerror(errno));
	return map;
}

/* How many pages from 'map' on have a page table entry. */
static size_t count_mapped(const char *map, size_t pages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t i, n = 0;
	__u64 entry;

	if (fd < 0)
		vt_skip("no /proc/self/pagemap");
	for (i = 0; i < pages; i++) {
		if (pread(fd, &entry, sizeof(entry), ((uintptr_t)map / VT_PAGE + i) * 8) != 8)
			vt_fail("/proc/self/pagemap: %s", strerror(errno));
		n += entry >> 63;
	}
	close(fd);
	return n;
}

/* Pages among these that differ from the disk, or may: not written back yet. */
static size_t count_dirty(int fd, size_t first, size_t pages)
{
	size_t i, n = 0;

	for (i = first; i < first + pages; i++)
		n += !!(vt_page(fd, i).flags & VMDEMO_PAGE_DIRTY);
	return n;
}

/* How many of these pages refuse a store; they are read first. */
static size_t count_refused(char *map, size_t pages)
{
	size_t i, n = 0;

	for (i = 0; i < pages; i++)
		n += vt_try_write(map + i * VT_PAGE, NULL) == SIGSEGV;
	return n;
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* 512 pages in frames, and a page table for them without any entry. Nothing is written by age. */
FIXTURE(around) {
	int fd;
	char *mem;
};

FIXTURE_SETUP(around)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, 2 * PAGES, SEED);
	vt_load("backing=%s frames=%u", vt_disk(), FRAMES);
	ASSERT_EQ(vt_set("dirty_age_ms", "0"), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = map_at(0, self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	fetch(0, PAGES);
	ASSERT_EQ(vt_count_resident(self->fd, 0, PAGES), PAGES);
}

FIXTURE_TEARDOWN(around)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

/* Reading resident pages in sequence costs few faults, also when their entries were dropped. */
TEST_F(around, reads_share_faults)
{
	__u64 soft, around;
	long minor;
	int round;

	for (round = 0; round < 3; round++) {
		soft = vt_stat("faults_soft");
		around = vt_stat("fault_around_pages");
		minor = minor_faults();
		touch_all(self->mem, PAGES);
		EXPECT_LT(minor_faults() - minor, 2 * FEW);
		soft = vt_stat("faults_soft") - soft;
		around = vt_stat("fault_around_pages") - around;
		EXPECT_LT(soft, FEW);
		/* Each page came by a fault of its own, or with another one. */
		EXPECT_EQ(soft + around, PAGES);
		EXPECT_EQ(count_mapped(self->mem, PAGES), PAGES);
		EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
		drop(self->mem, PAGES);
	}
	EXPECT_EQ(vt_stat("write_around_pages"), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_EQ(vt_stat("pages_in"), PAGES);
	EXPECT_TRUE(vt_balanced());
}

/* Three references prove a sequence; then a fault maps 4, 8, ... 64 pages beside its own. */
TEST_F(around, windows_double)
{
	static const size_t windows[] = { 0, 0, 4, 8, 16, 32, 64, 64, 64 };
	size_t i, page = 0;

	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		touch(self->mem, page);
		page += 1 + windows[i];
		ASSERT_EQ(count_mapped(self->mem, PAGES), page);
		EXPECT_EQ(count_mapped(self->mem, page), page);
	}
	EXPECT_EQ(vt_stat("faults_soft"), ARRAY_SIZE(windows));
}

/* Of read_ahead_pages no more are mapped at a time. */
TEST_F(around, no_more_than_read_ahead_pages)
{
	static const size_t most[] = { 1, 2, 8, 40 };
	size_t i, page;

	for (i = 0; i < ARRAY_SIZE(most); i++) {
		ASSERT_EQ(vt_set("read_ahead_pages", "%zu", most[i]), 0);
		drop(self->mem, PAGES);
		touch_all(self->mem, PAGES / 2);
		page = count_mapped(self->mem, PAGES);
		touch(self->mem, page);
		EXPECT_EQ(count_mapped(self->mem, PAGES), page + 1 + most[i]);
	}
}

/* With read_ahead_pages = 0, or MADV_RANDOM, or POSIX_FADV_RANDOM, a page comes alone. */
TEST_F(around, turned_off)
{
	ASSERT_EQ(vt_set("read_ahead_pages", "0"), 0);
	touch_all(self->mem, PAGES);
	EXPECT_EQ(vt_stat("faults_soft"), PAGES);
	ASSERT_EQ(vt_set("read_ahead_pages", "64"), 0);
	drop(self->mem, PAGES);
	ASSERT_EQ(madvise(self->mem, PAGES * VT_PAGE, MADV_RANDOM), 0);
	touch_all(self->mem, PAGES);
	EXPECT_EQ(vt_stat("faults_soft"), 2 * PAGES);
	ASSERT_EQ(madvise(self->mem, PAGES * VT_PAGE, MADV_NORMAL), 0);
	ASSERT_EQ(posix_fadvise(self->fd, 0, 0, POSIX_FADV_RANDOM), 0);
	drop(self->mem, PAGES);
	write_all(self->mem, 0, PAGES, SEED + 1);
	EXPECT_EQ(vt_stat("faults_mkwrite"), PAGES);
	EXPECT_EQ(vt_stat("fault_around_pages"), 0);
	EXPECT_EQ(vt_stat("write_around_pages"), 0);
	/* And on again. */
	ASSERT_EQ(posix_fadvise(self->fd, 0, 0, POSIX_FADV_NORMAL), 0);
	drop(self->mem, PAGES);
	touch_all(self->mem, PAGES);
	EXPECT_GT(vt_stat("fault_around_pages"), PAGES - FEW);
}

/* What is no sequence brings no page beside the one that was touched. */
TEST_F(around, no_sequence_no_pages)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		touch(self->mem, i * 37 % PAGES);
	drop(self->mem, PAGES);
	for (i = PAGES; i-- > 0;)
		touch(self->mem, i);
	drop(self->mem, PAGES);
	/* Two of every five. */
	for (i = 0; i < PAGES / 5; i++)
		touch_all(self->mem + 5 * i * VT_PAGE, 2);
	EXPECT_EQ(vt_stat("faults_soft"), 2 * PAGES + 2 * (PAGES / 5));
	EXPECT_EQ(vt_stat("fault_around_pages"), 0);
}

/* Nothing beyond the end of the mapping is mapped, be there a hole or another; all up to it is. */
TEST_F(around, ends_with_the_mapping)
{
	char *other = self->mem + 90 * VT_PAGE;

	/* A hole at 20, no access from 60 on, anonymous memory at 90, page 0 once more at 95. */
	ASSERT_EQ(munmap(self->mem + 20 * VT_PAGE, 5 * VT_PAGE), 0);
	ASSERT_EQ(mprotect(self->mem + 60 * VT_PAGE, 30 * VT_PAGE, PROT_NONE), 0);
	ASSERT_EQ(mmap(other, 5 * VT_PAGE, VT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		  other);
	ASSERT_EQ(mmap(other + 5 * VT_PAGE, VT_PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, self->fd,
		       0), other + 5 * VT_PAGE);

	touch_all(self->mem, 17);
	EXPECT_EQ(count_mapped(self->mem, 20), 20);
	EXPECT_EQ(count_mapped(self->mem + 20 * VT_PAGE, PAGES - 20), 0);
	EXPECT_EQ(vt_try_read(self->mem + 20 * VT_PAGE, NULL), SIGSEGV);

	/* A sequence of stores that goes on behind the hole. */
	write_all(self->mem + 25 * VT_PAGE, 25, 34, SEED + 1);
	EXPECT_EQ(count_mapped(self->mem + 25 * VT_PAGE, 35), 35);
	EXPECT_EQ(count_mapped(self->mem + 60 * VT_PAGE, PAGES - 60), 0);
	EXPECT_EQ(vt_try_read(self->mem + 60 * VT_PAGE, NULL), SIGSEGV);

	ASSERT_EQ(mprotect(self->mem + 60 * VT_PAGE, 30 * VT_PAGE, PROT_READ), 0);
	touch_all(self->mem + 60 * VT_PAGE, 30);
	EXPECT_EQ(count_mapped(self->mem + 60 * VT_PAGE, 30), 30);
	EXPECT_EQ(count_mapped(other, PAGES - 90), 0);
	EXPECT_EQ(count_refused(self->mem + 60 * VT_PAGE, 30), 30);
	EXPECT_TRUE(vt_is_zero(other));
	EXPECT_EQ(vt_check(other + 5 * VT_PAGE, 0, SEED), -1);
	EXPECT_EQ(vt_stat("frames_dirty"), 35);
	EXPECT_EQ(count_dirty(self->fd, 25, 35), 35);
}

/* A window ends with the page table that the fault needs, and goes on in the next one. */
TEST_F(around, ends_with_the_page_table)
{
	char *map = map_at(TABLE - 40, self->fd, 0, 200, VT_RW, MAP_SHARED);

	touch_all(map, 34);
	EXPECT_EQ(count_mapped(map, 200), 40);
	touch(map, 40);
	EXPECT_EQ(count_mapped(map, 200), 40 + 65);
	/* The last page of a table has none that follow it. */
	drop(map, 200);
	touch_all(map + 37 * VT_PAGE, 3);
	EXPECT_EQ(count_mapped(map, 200), 3);
	write_all(map, 0, 200, SEED + 1);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 200, SEED + 1), 0);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 200, SEED + 1));
	EXPECT_TRUE(vt_disk_check(vt_disk(), 200, 2 * PAGES - 200, SEED));
}

/* The run ends where a page is absent; its place is left to its own fault. */
TEST_F(around, ends_with_what_is_resident)
{
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 20, 1, NULL), 0);
	touch_all(self->mem, 17);
	EXPECT_EQ(count_mapped(self->mem, PAGES), 20);
	EXPECT_EQ(vt_stat("pages_in"), PAGES);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(vt_stat("faults_hard"), 1);
}

/* What a read maps is not writable: every first store is noticed, even in the same mapping. */
TEST_F(around, reads_make_nothing_writable)
{
	touch_all(self->mem, PAGES);
	EXPECT_GT(vt_stat("fault_around_pages"), PAGES - FEW);
	write_all(self->mem, 0, PAGES, SEED + 1);
	EXPECT_EQ(vt_stat("faults_mkwrite"), PAGES);
	EXPECT_EQ(vt_stat("frames_dirty"), PAGES);
	EXPECT_EQ(vt_stat("write_around_pages"), 0);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 1));
}

/* A mapping that may only be read refuses every store, however its pages were mapped. */
TEST_F(around, read_only_mapping)
{
	char *map = map_at(0, self->fd, 0, PAGES, PROT_READ, MAP_SHARED);
	size_t ahead;

	touch_all(map, PAGES);
	EXPECT_GT(vt_stat("fault_around_pages"), PAGES - FEW);
	EXPECT_EQ(count_refused(map, PAGES), PAGES);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);

	/* It becomes so in the middle of a sequence of stores. */
	write_all(self->mem, 0, PAGES / 2, SEED + 1);
	ahead = count_mapped(self->mem, PAGES);
	EXPECT_GT(ahead, PAGES / 2);
	ASSERT_EQ(mprotect(self->mem, PAGES * VT_PAGE, PROT_READ), 0);
	EXPECT_EQ(count_refused(self->mem, PAGES), PAGES);
	/* The sequence goes on with reads. */
	drop(self->mem, PAGES);
	touch_all(self->mem, PAGES);
	EXPECT_EQ(count_refused(self->mem, PAGES), PAGES);
	ASSERT_EQ(mprotect(self->mem, PAGES * VT_PAGE, VT_RW), 0);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("pages_out"), ahead);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES / 2, SEED + 1));
	EXPECT_TRUE(vt_disk_check(vt_disk(), PAGES / 2, PAGES, SEED));
	write_all(self->mem, 0, PAGES, SEED + 2);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 2));
}

/* A private mapping is read around; what is stored there is copied page by page and stays. */
TEST_F(around, private_mapping)
{
	char *private = map_at(0, self->fd, 0, PAGES, VT_RW, MAP_PRIVATE);
	__u64 around;

	touch_all(private, PAGES);
	around = vt_stat("fault_around_pages");
	EXPECT_GT(around, PAGES - FEW);
	write_all(private, 0, PAGES, SEED + 1);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(vt_count_bad(private, 0, PAGES, SEED + 1), 0);
	/* The copies are gone, what is shared shows again. Now stores come first. */
	drop(private, PAGES);
	around = vt_stat("fault_around_pages");
	write_all(private, 0, PAGES, SEED + 2);
	EXPECT_EQ(vt_stat("faults_cow"), PAGES);
	EXPECT_EQ(vt_stat("fault_around_pages"), around);
	EXPECT_EQ(vt_count_bad(private, 0, PAGES, SEED + 2), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(vt_stat("write_around_pages"), 0);
	EXPECT_EQ(vt_stat("faults_mkwrite"), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED));
}

/* Reads and private stores in turn: the shared pages mapped beside stay what they are. */
TEST_F(around, private_mapping_mixed)
{
	char *private = map_at(0, self->fd, 0, PAGES, VT_RW, MAP_PRIVATE);
	size_t i;

	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(vt_check(private + i * VT_PAGE, i, SEED), -1);
		if (i % 3 == 0)
			vt_fill(private + i * VT_PAGE, i, SEED + 1);
	}
	EXPECT_GT(vt_stat("fault_around_pages"), PAGES / 2);
	/* What others write shows where there is no copy. */
	write_all(self->mem, 0, PAGES, SEED + 2);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(vt_check(private + i * VT_PAGE, i, i % 3 ? SEED + 2 : SEED + 1), -1);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 2));
}

/* Stores in sequence cost few faults, and everything stored is on the disk after fsync. */
TEST_F(around, stores_share_faults)
{
	long minor = minor_faults();

	write_all(self->mem, 0, PAGES, SEED + 1);
	EXPECT_LT(minor_faults() - minor, 2 * FEW);
	EXPECT_LT(vt_stat("faults_mkwrite"), FEW);
	/* Each page became dirty by a fault of its own, or with another one. */
	EXPECT_EQ(vt_stat("faults_mkwrite") + vt_stat("write_around_pages"), PAGES);
	EXPECT_EQ(vt_stat("frames_dirty"), PAGES);
	EXPECT_GE(vt_stat("fault_around_pages"), vt_stat("write_around_pages"));
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_EQ(vt_stat("pages_out"), PAGES);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 1));
	EXPECT_TRUE(vt_disk_check(vt_disk(), PAGES, PAGES, SEED));
	EXPECT_TRUE(vt_balanced());
}

/* Pages that became writable and were not written keep what they hold, and fsync cleans them. */
TEST_F(around, what_was_not_stored)
{
	/* 3 by themselves, 4, 1 and 8, 1 and 16: pages 0 to 32. */
	write_all(self->mem, 0, 20, SEED + 1);
	EXPECT_EQ(vt_stat("write_around_pages"), 28);
	EXPECT_EQ(vt_stat("frames_dirty"), 33);
	EXPECT_EQ(count_dirty(self->fd, 0, 33), 33);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("pages_out"), 33);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_EQ(count_dirty(self->fd, 0, PAGES), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 20, SEED + 1));
	EXPECT_TRUE(vt_disk_check(vt_disk(), 20, PAGES, SEED));
	EXPECT_EQ(vt_count_bad(self->mem + 20 * VT_PAGE, 20, PAGES - 20, SEED), 0);
	/* They are as read-only as the others now, and a store counts. */
	vt_fill(self->mem + 25 * VT_PAGE, 25, SEED + 2);
	EXPECT_EQ(count_dirty(self->fd, 0, PAGES), 1);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("pages_out"), 34);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 25, 1, SEED + 2));
	EXPECT_TRUE(vt_disk_check(vt_disk(), 26, PAGES, SEED));
}

/* After each write-back the same stores, through the same entries, reach the disk again. */
TEST_F(around, stores_again_after_sync)
{
	__u64 seed;
	int round;

	for (round = 0; round < 6; round++) {
		seed = SEED + 1 + round;
		write_all(self->mem, 0, PAGES, seed);
		EXPECT_EQ(count_dirty(self->fd, 0, PAGES), PAGES);
		ASSERT_EQ(round % 2 ? fsync(self->fd) :
				      msync(self->mem, PAGES * VT_PAGE, MS_SYNC), 0);
		EXPECT_EQ(count_dirty(self->fd, 0, PAGES), 0);
		EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, seed));
		/* Every page had to be asked for again. */
		EXPECT_EQ(vt_stat("faults_mkwrite") + vt_stat("write_around_pages"),
			  (round + 1) * PAGES);
	}
	EXPECT_EQ(vt_stat("pages_out"), 6 * PAGES);
}

/* The same when a write-back comes in the middle of the sequence, in the middle of a window. */
TEST_F(around, sync_in_the_middle)
{
	size_t part;

	write_all(self->mem, 0, PAGES / 2, SEED + 1);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES / 2, SEED + 1));
	EXPECT_TRUE(vt_disk_check(vt_disk(), PAGES / 2, PAGES / 2, SEED));
	write_all(self->mem, 0, PAGES, SEED + 2);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 2));
	drop(self->mem, PAGES);
	for (part = 0; part < PAGES; part += 10) {
		size_t n = PAGES - part < 10 ? PAGES - part : 10;

		write_all(self->mem + part * VT_PAGE, part, n, SEED + 3);
		ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, part, 5, NULL), 0);
		ASSERT_EQ(fsync(self->fd), 0);
		ASSERT_TRUE(vt_disk_check(vt_disk(), part, n, SEED + 3));
	}
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED + 3), 0);
}

/* The flusher's write-back by age makes the pages of a window read-only as well. */
TEST_F(around, stores_again_after_age)
{
	__u64 seed;

	ASSERT_EQ(vt_set("dirty_age_ms", "50"), 0);
	for (seed = SEED + 1; seed < SEED + 4; seed++) {
		write_all(self->mem, 0, PAGES, seed);
		EXPECT_TRUE(vt_wait_stat("frames_dirty", 0, 0, 30));
		EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, seed));
	}
	EXPECT_GT(vt_stat("write_around_pages"), 0);
}

/* Dropping entries that were stored through, and evicting right after, forgets nothing. */
TEST_F(around, stores_survive_drop_and_evict)
{
	write_all(self->mem, 0, PAGES, SEED + 1);
	drop(self->mem, PAGES);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL), 0);
	EXPECT_EQ(vt_count_resident(self->fd, 0, PAGES), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 1));
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED + 1), 0);
	write_all(self->mem, 0, PAGES, SEED + 2);
	ASSERT_EQ(munmap(self->mem, PAGES * VT_PAGE), 0);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 2));
	self->mem = map_at(0, self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED + 2), 0);
}

/* Two mappings of the same pages, both written in sequence: one write-back takes both back. */
TEST_F(around, two_mappings)
{
	char *other = map_at(100, self->fd, 0, PAGES, VT_RW, MAP_SHARED);

	write_all(self->mem, 0, PAGES, SEED + 1);
	write_all(other, 0, PAGES, SEED + 2);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED + 2), 0);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 2));
	write_all(other, 0, PAGES / 2, SEED + 3);
	write_all(self->mem + PAGES / 2 * VT_PAGE, PAGES / 2, PAGES / 2, SEED + 3);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 3));
	/* A window ends at an entry that is there already. */
	drop(other, PAGES);
	touch(other, 10);
	touch_all(other, 9);
	EXPECT_EQ(count_mapped(other, PAGES), 11);
	EXPECT_EQ(vt_count_bad(other, 0, PAGES, SEED + 3), 0);
}

/* A child inherits entries that were made writable; its stores are seen, and synced, as others'. */
TEST_F(around, child_shares)
{
	pid_t pid;

	write_all(self->mem, 0, PAGES, SEED + 1);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (vt_count_bad(self->mem, 0, PAGES, SEED + 1))
			_exit(1);
		write_all(self->mem, 0, PAGES, SEED + 2);
		if (fsync(self->fd) || !vt_disk_check(vt_disk(), 0, PAGES, SEED + 2))
			_exit(2);
		write_all(self->mem, 0, PAGES / 2, SEED + 3);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES / 2, SEED + 3), 0);
	/* The child's fsync has taken our entries back, too. */
	write_all(self->mem + PAGES / 2 * VT_PAGE, PAGES / 2, PAGES / 2, SEED + 4);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES / 2, SEED + 3));
	EXPECT_TRUE(vt_disk_check(vt_disk(), PAGES / 2, PAGES / 2, SEED + 4));
}

/* A sequence of stores goes not far beyond dirty_pct, as one without windows. */
TEST_F(around, dirty_share_is_bounded)
{
	size_t i, most = 0;

	ASSERT_EQ(vt_set("dirty_pct", "10"), 0);
	for (i = 0; i < PAGES; i++) {
		size_t dirty;

		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
		dirty = vt_stat("frames_dirty");
		most = dirty > most ? dirty : most;
	}
	EXPECT_LE(most, FRAMES / 10 + 16);
	EXPECT_GT(vt_stat("write_around_pages"), 0);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 1));
}

/* Up to the device's very last page, in a mapping that mremap() made longer than the device. */
TEST_F(around, end_of_the_device)
{
	size_t first = vt_get("size_bytes") / VT_PAGE - 100;
	char *map = vt_map(self->fd, first, 100, VT_RW, MAP_SHARED);

	vt_disk_fill(vt_disk(), first, 100, SEED);
	fetch(first, 100);
	map = mremap(map, 100 * VT_PAGE, 200 * VT_PAGE, MREMAP_MAYMOVE);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(vt_count_bad(map, first, 100, SEED), 0);
	EXPECT_GT(vt_stat("fault_around_pages"), 50);
	EXPECT_EQ(count_mapped(map, 200), 100);
	EXPECT_EQ(vt_try_read(map + 100 * VT_PAGE, NULL), SIGBUS);
	drop(map, 200);
	write_all(map, first, 100, SEED + 1);
	EXPECT_EQ(count_mapped(map, 200), 100);
	EXPECT_EQ(vt_try_write(map + 100 * VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(vt_stat("faults_invalid"), 2);
	EXPECT_GT(vt_stat("write_around_pages"), 50);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), first, 100, SEED + 1));
	EXPECT_EQ(vt_stat("pages_out"), 100);
	EXPECT_EQ(vt_stat("read_errors") + vt_stat("write_errors"), 0);
	munmap(map, 200 * VT_PAGE);
}

/* One writes in sequence, one syncs, one evicts: as threads, or as processes. */
struct disturber {
	char *mem;
	int fd;
	bool stop;	/* in shared memory */
	__u64 done;
	int errors;
};

static void *sync_on_and_on(void *argument)
{
	struct disturber *disturber = argument;

	while (!__atomic_load_n(&disturber->stop, __ATOMIC_ACQUIRE)) {
		if (disturber->done++ % 2 ? msync(disturber->mem, PAGES * VT_PAGE, MS_SYNC) :
					    fsync(disturber->fd))
			disturber->errors++;
	}
	return NULL;
}

static void *evict_on_and_on(void *argument)
{
	struct disturber *disturber = argument;
	__u64 state = 3;

	while (!__atomic_load_n(&disturber->stop, __ATOMIC_ACQUIRE)) {
		size_t first = vt_random(&state) % PAGES;
		size_t pages = 1 + vt_random(&state) % (PAGES - first);

		if (vt_range(disturber->fd, VMDEMO_IOC_EVICT, first, pages, NULL))
			disturber->errors++;
		disturber->done++;
		sched_yield();
	}
	return NULL;
}

FIXTURE(disturbed) {
	int fd;
	char *mem;
	struct disturber *disturbers;
};

FIXTURE_VARIANT(disturbed) {
	bool processes;
	unsigned int frames;
};

FIXTURE_VARIANT_ADD(disturbed, threads) { .frames = FRAMES };
FIXTURE_VARIANT_ADD(disturbed, processes) { .frames = FRAMES, .processes = true };
FIXTURE_VARIANT_ADD(disturbed, small_pool) { .frames = 128 };

FIXTURE_SETUP(disturbed)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_load("backing=%s frames=%u", vt_disk(), variant->frames);
	ASSERT_EQ(vt_set("dirty_age_ms", "20"), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = map_at(0, self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	self->disturbers = mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->disturbers, MAP_FAILED);
}

FIXTURE_TEARDOWN(disturbed)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

TEST_F(disturbed, every_store_arrives)
{
	void *(*const jobs[])(void *) = { sync_on_and_on, evict_on_and_on };
	struct disturber *disturbers = self->disturbers;
	pthread_t threads[ARRAY_SIZE(jobs)];
	pid_t pids[ARRAY_SIZE(jobs)];
	int i, round;
	__u64 seed;

	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		disturbers[i].mem = self->mem;
		disturbers[i].fd = vt_open(O_RDWR);
		if (!variant->processes) {
			ASSERT_EQ(pthread_create(&threads[i], NULL, jobs[i], &disturbers[i]), 0);
			continue;
		}
		pids[i] = fork();
		ASSERT_GE(pids[i], 0);
		if (!pids[i]) {
			jobs[i](&disturbers[i]);
			_exit(0);
		}
	}
	for (round = 0; round < 25; round++) {
		seed = SEED + 1 + round;
		write_all(self->mem, 0, PAGES, seed);
		EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, seed), 0);
		ASSERT_EQ(fsync(self->fd), 0);
		EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, seed)) {
			TH_LOG("round %d", round);
		}
	}
	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		__atomic_store_n(&disturbers[i].stop, true, __ATOMIC_RELEASE);
		EXPECT_EQ(variant->processes ? vt_reap(pids[i]) : pthread_join(threads[i], NULL),
			  0);
		EXPECT_EQ(disturbers[i].errors, 0);
		EXPECT_GT(disturbers[i].done, 0);
		close(disturbers[i].fd);
	}
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, seed), 0);
	EXPECT_GT(vt_stat("write_around_pages"), 0);
	EXPECT_GE(vt_stat("fault_around_pages"), vt_stat("write_around_pages"));
	EXPECT_EQ(vt_stat("read_errors") + vt_stat("write_errors"), 0);
	EXPECT_TRUE(vt_balanced());
}

/* Reading in sequence while the pages are discarded: first the old contents, then zeros only. */
struct reader {
	pthread_t thread;
	bool evicts;
	__u64 seed;
	size_t *zeroed;		/* pages before this one have been discarded */
	bool *stop;
	__u64 read;		/* pages so far */
	int bad;
};

/* Old words may be followed by zeros, zeros by nothing else; @gone: there are no old ones. */
static bool old_then_zeros(const char *map, const char *old, bool gone)
{
	size_t i;

	for (i = 0; i < VT_PAGE; i += sizeof(__u64)) {
		__u64 word = __atomic_load_n((const __u64 *)(map + i), __ATOMIC_RELAXED);

		if (!word)
			gone = true;
		else if (gone || memcmp(&word, old + i, sizeof(word)))
			return false;
	}
	return true;
}

static void *read_on_and_on(void *argument)
{
	struct reader *reader = argument;
	char old[VMDEMO_PAGE_SIZE];
	int fd = vt_open(O_RDONLY);
	char *map = map_at(0, fd, 0, PAGES, PROT_READ, MAP_SHARED);
	size_t i, zeroed;

	while (!__atomic_load_n(reader->stop, __ATOMIC_ACQUIRE)) {
		drop(map, PAGES);
		if (reader->evicts && vt_range(fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL))
			reader->bad++;
		for (i = 0; i < PAGES; i++) {
			vt_fill(old, i, reader->seed);
			zeroed = __atomic_load_n(reader->zeroed, __ATOMIC_ACQUIRE);
			if (!old_then_zeros(map + i * VT_PAGE, old, i < zeroed))
				reader->bad++;
			__atomic_fetch_add(&reader->read, 1, __ATOMIC_RELAXED);
		}
	}
	munmap(map, PAGES * VT_PAGE);
	close(fd);
	return NULL;
}

TEST_F(around, discard_under_readers)
{
	char page[VMDEMO_PAGE_SIZE];
	struct reader readers[2];
	__u64 seed, read;
	size_t zeroed, i;
	bool stop;
	int r;

	for (seed = SEED + 1; seed < SEED + 5; seed++) {
		zeroed = 0;
		stop = false;
		write_all(self->mem, 0, PAGES, seed);
		for (r = 0; r < 2; r++) {
			readers[r] = (struct reader){
				.evicts = r, .seed = seed, .zeroed = &zeroed, .stop = &stop,
			};
			ASSERT_EQ(pthread_create(&readers[r].thread, NULL, read_on_and_on,
						 &readers[r]), 0);
		}
		for (i = 0; i < PAGES; i += 32) {
			/* So that they are somewhere in the middle. */
			read = __atomic_load_n(&readers[0].read, __ATOMIC_RELAXED);
			while (__atomic_load_n(&readers[0].read, __ATOMIC_RELAXED) < read + 100)
				sched_yield();
			ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_DISCARD, i, 32, NULL), 0);
			__atomic_store_n(&zeroed, i + 32, __ATOMIC_RELEASE);
		}
		__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
		for (r = 0; r < 2; r++) {
			ASSERT_EQ(pthread_join(readers[r].thread, NULL), 0);
			EXPECT_EQ(readers[r].bad, 0);
		}
		for (i = 0; i < PAGES; i++) {
			ASSERT_TRUE(vt_is_zero(self->mem + i * VT_PAGE));
			vt_disk_read(vt_disk(), i, page);
			ASSERT_TRUE(vt_is_zero(page));
		}
	}
	EXPECT_GT(vt_stat("fault_around_pages"), 0);
	EXPECT_TRUE(vt_balanced());
}

/* A device that cannot be written: its pages are mapped around, and none is dirty, ever. */
FIXTURE(readonly) {
	int disk;
	int fd;
	char *mem;
};

FIXTURE_SETUP(readonly)
{
	int set = 1, clear = 0;

	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_load("frames=%d", FRAMES);
	self->disk = open(vt_disk(), O_RDONLY | O_CLOEXEC);
	ASSERT_GE(self->disk, 0);
	ASSERT_EQ(ioctl(self->disk, BLKROSET, &set), 0);
	ASSERT_EQ(vt_set("backing", "%s", vt_disk()), 0) {
		ioctl(self->disk, BLKROSET, &clear);
	}
	self->fd = vt_open(O_RDWR);
	self->mem = map_at(0, self->fd, 0, PAGES, PROT_READ, MAP_SHARED);
	fetch(0, PAGES);
}

FIXTURE_TEARDOWN(readonly)
{
	int clear = 0;

	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	vt_set("backing", "none");
	ioctl(self->disk, BLKROSET, &clear);
	close(self->disk);
}

TEST_F(readonly, nothing_is_dirty)
{
	char *private = map_at(0, self->fd, 0, PAGES, VT_RW, MAP_PRIVATE);

	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_GT(vt_stat("fault_around_pages"), PAGES - FEW);
	EXPECT_EQ(count_refused(self->mem, PAGES), PAGES);
	write_all(private, 0, PAGES, SEED + 1);
	EXPECT_EQ(vt_count_bad(private, 0, PAGES, SEED + 1), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(vt_stat("write_around_pages"), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL), 0);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED));
}

/* More memory than frames: windows come and go with their pages, under either policy. */
FIXTURE(pool) {
	int fd;
	size_t pages;	/* how much of the device is used */
	char *mem;
};

FIXTURE_VARIANT(pool) {
	unsigned int frames;
	const char *policy;
};

FIXTURE_VARIANT_ADD(pool, least) { .frames = 8, .policy = "lru" };
FIXTURE_VARIANT_ADD(pool, least_fifo) { .frames = 8, .policy = "fifo" };
FIXTURE_VARIANT_ADD(pool, small) { .frames = 64, .policy = "lru" };
FIXTURE_VARIANT_ADD(pool, small_fifo) { .frames = 64, .policy = "fifo" };
FIXTURE_VARIANT_ADD(pool, large) { .frames = 512, .policy = "lru" };
FIXTURE_VARIANT_ADD(pool, large_fifo) { .frames = 512, .policy = "fifo" };

FIXTURE_SETUP(pool)
{
	self->pages = variant->frames < 64 ? 32 * variant->frames : 2048;
	vt_stop();
	vt_disk_fill(vt_disk(), 0, self->pages, SEED);
	vt_load("backing=%s frames=%u", vt_disk(), variant->frames);
	ASSERT_EQ(vt_set("policy", "%s", variant->policy), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = map_at(0, self->fd, 0, self->pages, VT_RW, MAP_SHARED);
}

FIXTURE_TEARDOWN(pool)
{
	munmap(self->mem, self->pages * VT_PAGE);
	close(self->fd);
}

/* Reads: right, few faults, and never more mapped than there are frames. */
TEST_F(pool, reads)
{
	size_t i, round;
	long faults = minor_faults();

	for (round = 0; round < 2; round++)
		for (i = 0; i < self->pages; i++) {
			ASSERT_EQ(vt_check(self->mem + i * VT_PAGE, i, SEED), -1);
			if (i % 100 == 0)
				ASSERT_LE(count_mapped(self->mem, self->pages), variant->frames);
		}
	faults = minor_faults() - faults;
	EXPECT_GT(vt_stat("fault_around_pages"), 0);
	if (variant->frames >= 64)
		EXPECT_LT(faults, self->pages);
	EXPECT_EQ(vt_stat("write_around_pages"), 0);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_LE(vt_stat("readahead_used"), vt_stat("readahead_pages"));
	EXPECT_TRUE(vt_balanced());
}

/* Ticks while the machine runs us: where there are none it has been busy with others. */
struct ticker {
	pthread_t thread;
	unsigned int ticks;
	bool stop;
};

static void *tick(void *data)
{
	struct ticker *ticker = data;

	while (!__atomic_load_n(&ticker->stop, __ATOMIC_RELAXED)) {
		vt_nap(5);
		__atomic_add_fetch(&ticker->ticks, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static unsigned int ticks(const struct ticker *ticker)
{
	return __atomic_load_n(&ticker->ticks, __ATOMIC_RELAXED);
}

/* Stores: every one survives its page's eviction, and is on the disk after fsync. */
TEST_F(pool, stores)
{
	struct ticker ticker = {};
	int held_up = 0;
	__u64 seed;

	ASSERT_EQ(pthread_create(&ticker.thread, NULL, tick, &ticker), 0);

	for (seed = SEED + 1; seed < SEED + 3; seed++) {
		size_t i;

		for (i = 0; i < self->pages; i++) {
			unsigned int before = ticks(&ticker);
			__u64 start = vt_now_ms();

			vt_fill(self->mem + i * VT_PAGE, i, seed);
			/* Nobody waits in vain for dirty frames to be written. */
			held_up += vt_now_ms() - start >= 400 && ticks(&ticker) - before >= 20;
			ASSERT_LE(held_up, 4);
		}
		EXPECT_LE(count_mapped(self->mem, self->pages), variant->frames);
		ASSERT_EQ(fsync(self->fd), 0);
		EXPECT_EQ(vt_stat("frames_dirty"), 0);
		EXPECT_TRUE(vt_disk_check(vt_disk(), 0, self->pages, seed));
		EXPECT_EQ(vt_count_bad(self->mem, 0, self->pages, seed), 0);
	}
	__atomic_store_n(&ticker.stop, true, __ATOMIC_RELAXED);
	pthread_join(ticker.thread, NULL);
	EXPECT_GT(vt_stat("write_around_pages"), 0);
	EXPECT_GE(vt_stat("fault_around_pages"), vt_stat("write_around_pages"));
	EXPECT_TRUE(vt_balanced());
}

/* Sequences of all kinds at all places, and between them all that takes pages or entries away. */
TEST_F(pool, anything)
{
	__u64 *seeds = calloc(self->pages, sizeof(*seeds)), state = variant->frames, seed = SEED;
	size_t i, n, step, first, pages;

	ASSERT_NE(seeds, NULL);
	for (i = 0; i < self->pages; i++)
		seeds[i] = SEED;
	for (step = 0; step < 300; step++) {
		first = vt_random(&state) % self->pages;
		pages = 1 + vt_random(&state) % 150;
		n = pages < self->pages - first ? first + pages : self->pages;
		switch (vt_random(&state) % 9) {
		case 0:
			ASSERT_EQ(fsync(self->fd), 0);
			break;
		case 1:
			ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, first, n - first, NULL), 0);
			break;
		case 2:
			drop(self->mem + first * VT_PAGE, n - first);
			break;
		case 3:
			ASSERT_EQ(msync(self->mem + first * VT_PAGE, (n - first) * VT_PAGE,
					MS_SYNC), 0);
			break;
		case 4:
		case 5:
		case 6:
			seed++;
			for (i = first; i < n; i++) {
				vt_fill(self->mem + i * VT_PAGE, i, seed);
				seeds[i] = seed;
			}
			break;
		default:
			for (i = first; i < n; i++)
				ASSERT_EQ(vt_check(self->mem + i * VT_PAGE, i, seeds[i]), -1);
		}
	}
	for (i = 0; i < self->pages; i++)
		EXPECT_EQ(vt_check(self->mem + i * VT_PAGE, i, seeds[i]), -1);
	ASSERT_EQ(fsync(self->fd), 0);
	for (i = 0; i < self->pages; i = n) {
		for (n = i; n < self->pages && seeds[n] == seeds[i]; n++)
			;
		EXPECT_TRUE(vt_disk_check(vt_disk(), i, n - i, seeds[i]));
	}
	EXPECT_GT(vt_stat("fault_around_pages"), vt_stat("write_around_pages"));
	EXPECT_GT(vt_stat("write_around_pages"), 0);
	EXPECT_TRUE(vt_balanced());
	free(seeds);
}

TEST_HARNESS_MAIN
