// SPDX-License-Identifier: GPL-2.0
/*
 * around.c - in a sequence one fault maps many pages: how many, which, and what becomes of stores
 *
 * A store to a page that was made writable beside a faulting one traps nowhere. It must reach the
 * disk all the same, again after each write-back, and no page may become writable that was not to.
 */
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "around.h"

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
		stir(self->fd);
		touch_all(self->mem, PAGES / 2);
		page = count_mapped(self->mem, PAGES);
		touch(self->mem, page);
		EXPECT_EQ(count_mapped(self->mem, PAGES), page + 1 + most[i]);
	}
}

/* With read_ahead_pages = 0, or MADV_RANDOM, or POSIX_FADV_RANDOM, a sequence brings no page. */
TEST_F(around, turned_off)
{
	size_t page;

	ASSERT_EQ(vt_set("read_ahead_pages", "0"), 0);
	touch_all(self->mem, PAGES);
	EXPECT_EQ(vt_stat("faults_soft"), PAGES);
	ASSERT_EQ(vt_set("read_ahead_pages", "64"), 0);
	drop(self->mem, PAGES);
	ASSERT_EQ(madvise(self->mem, PAGES * VT_PAGE, MADV_RANDOM), 0);
	for (page = 0; page < PAGES; page += CALM / 2) {
		stir(self->fd);
		touch_all(self->mem + page * VT_PAGE, CALM / 2);
	}
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

/* What is no sequence brings no page beside the one that was touched, while pages come and go. */
TEST_F(around, no_sequence_no_pages)
{
	size_t i;

	for (i = 0; i < PAGES; i++) {
		if (i % (CALM / 2) == 0)
			stir(self->fd);
		touch(self->mem, i * 37 % PAGES);
	}
	drop(self->mem, PAGES);
	for (i = PAGES; i-- > 0;) {
		if (i % (CALM / 2) == 0)
			stir(self->fd);
		touch(self->mem, i);
	}
	drop(self->mem, PAGES);
	/* Two of every five. */
	for (i = 0; i < PAGES / 5; i++) {
		if (i % (CALM / 4) == 0)
			stir(self->fd);
		touch_all(self->mem + 5 * i * VT_PAGE, 2);
	}
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

TEST_HARNESS_MAIN
