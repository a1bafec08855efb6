// SPDX-License-Identifier: GPL-2.0
/*
 * advice.c - readahead on its own account and on advice, given the usual ways
 */
#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	1024
#define PAGES	4096
#define SEED	10

FIXTURE(advice) {
	int fd;
	char *mem;
};

FIXTURE_SETUP(advice)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_load("backing=%s frames=%u", vt_disk(), FRAMES);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

FIXTURE_TEARDOWN(advice)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

/* A sequence of touches is read ahead of, without advice: few of its pages fault hard. */
TEST_F(advice, sequence_is_read_ahead)
{
	size_t beyond;

	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_GT(vt_stat("readahead_pages"), PAGES / 2);
	EXPECT_GT(vt_stat("readahead_used"), PAGES / 2);
	EXPECT_LT(vt_stat("faults_hard"), PAGES / 8);
	/* Nothing is read twice; windows may reach beyond what is mapped. */
	beyond = vt_count_resident(self->fd, PAGES, 512);
	EXPECT_LE(vt_stat("pages_in"), PAGES + PAGES / 50 + beyond);
	EXPECT_LE(vt_stat("readahead_used"), vt_stat("readahead_pages"));
	EXPECT_TRUE(vt_balanced());
}

/* Two touches in a row prove nothing yet: no more than they is read. */
TEST_F(advice, two_touches_are_no_sequence)
{
	for (int i = 0; i < 40; i++)
		EXPECT_EQ(vt_count_bad(self->mem + i * 97 * VT_PAGE, i * 97, 2, SEED), 0);
	EXPECT_EQ(vt_stat("pages_in"), 80);
	EXPECT_EQ(vt_stat("readahead_pages"), 0);
}

/* Touches all over the place are never read ahead of. */
TEST_F(advice, random_is_not_read_ahead)
{
	__u64 state = 1;
	size_t i, page, distinct;

	for (i = 0; i < 900; i++) {
		page = vt_random(&state) % (PAGES / 4) * 4;
		ASSERT_EQ(vt_try_read(self->mem + page * VT_PAGE, NULL), 0);
	}
	distinct = vt_count_resident(self->fd, 0, PAGES);
	EXPECT_EQ(vt_stat("readahead_pages"), 0);
	EXPECT_EQ(vt_stat("pages_in"), distinct);
}

/* Several sequences at once, through one mapping, are told apart. */
TEST_F(advice, four_streams)
{
	int stream, i;

	for (i = 0; i < 500; i++)
		for (stream = 0; stream < 4; stream++) {
			size_t page = stream * 1024 + i;

			ASSERT_EQ(vt_check(self->mem + page * VT_PAGE, page, SEED), -1);
		}
	EXPECT_LT(vt_stat("faults_hard"), 4 * 500 / 4);
	EXPECT_GT(vt_stat("readahead_used"), 4 * 500 / 2);
}

/* MADV_RANDOM: even a sequence is read page by page. */
TEST_F(advice, madv_random)
{
	ASSERT_EQ(madvise(self->mem, PAGES * VT_PAGE, MADV_RANDOM), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 600, SEED), 0);
	EXPECT_EQ(vt_stat("readahead_pages"), 0);
	EXPECT_EQ(vt_stat("faults_hard"), 600);
	ASSERT_EQ(madvise(self->mem, PAGES * VT_PAGE, MADV_NORMAL), 0);
	EXPECT_EQ(vt_count_bad(self->mem + 1000 * VT_PAGE, 1000, 600, SEED), 0);
	EXPECT_GT(vt_stat("readahead_pages"), 0);
}

/* POSIX_FADV_RANDOM says the same for what goes through this open file, mapping and read(). */
TEST_F(advice, fadvise_random)
{
	char page[VT_PAGE];
	int i;

	ASSERT_EQ(posix_fadvise(self->fd, 0, 0, POSIX_FADV_RANDOM), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 300, SEED), 0);
	for (i = 1000; i < 1300; i++)
		ASSERT_EQ(pread(self->fd, page, VT_PAGE, i * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_stat("readahead_pages"), 0);
	EXPECT_EQ(vt_stat("pages_in"), 600);
	ASSERT_EQ(posix_fadvise(self->fd, 0, 0, POSIX_FADV_NORMAL), 0);
	EXPECT_EQ(vt_count_bad(self->mem + 2000 * VT_PAGE, 2000, 600, SEED), 0);
	EXPECT_GT(vt_stat("readahead_pages"), 0);
}

/* MADV_SEQUENTIAL and POSIX_FADV_SEQUENTIAL read ahead, and right. */
TEST_F(advice, sequential)
{
	ASSERT_EQ(madvise(self->mem, 2000 * VT_PAGE, MADV_SEQUENTIAL), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 1000, SEED), 0);
	EXPECT_LT(vt_stat("faults_hard"), 1000 / 4);
	ASSERT_EQ(posix_fadvise(self->fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	EXPECT_EQ(vt_count_bad(self->mem + 2000 * VT_PAGE, 2000, 1000, SEED), 0);
	EXPECT_LT(vt_stat("faults_hard"), 2000 / 4);
	EXPECT_TRUE(vt_balanced());
}

/* read_ahead_pages = 0 turns readahead off, whatever is advised. */
TEST_F(advice, turned_off)
{
	ASSERT_EQ(vt_set("read_ahead_pages", "0"), 0);
	ASSERT_EQ(madvise(self->mem, PAGES * VT_PAGE, MADV_SEQUENTIAL), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 600, SEED), 0);
	EXPECT_EQ(vt_stat("readahead_pages"), 0);
	EXPECT_EQ(vt_stat("faults_hard"), 600);
}

/* A sequence of read() calls is read ahead of as well. */
TEST_F(advice, sequential_read)
{
	char page[VT_PAGE];
	size_t i;

	for (i = 0; i < 2000; i++) {
		ASSERT_EQ(read(self->fd, page, VT_PAGE), VT_PAGE);
		ASSERT_EQ(vt_check(page, i, SEED), -1);
	}
	EXPECT_GT(vt_stat("readahead_pages"), 1000);
	EXPECT_TRUE(vt_balanced());
}

/* WILLNEED, given either way, brings pages in before they are touched. */
TEST_F(advice, willneed)
{
	ASSERT_EQ(posix_fadvise(self->fd, 100 * VT_PAGE, 50 * VT_PAGE, POSIX_FADV_WILLNEED), 0);
	EXPECT_EQ(vt_count_resident(self->fd, 100, 50), 50);
	EXPECT_EQ(vt_count_bad(self->mem + 100 * VT_PAGE, 100, 50, SEED), 0);
	ASSERT_EQ(madvise(self->mem + 200 * VT_PAGE, 50 * VT_PAGE, MADV_WILLNEED), 0);
	EXPECT_EQ(vt_count_resident(self->fd, 200, 50), 50);
	EXPECT_EQ(vt_count_bad(self->mem + 200 * VT_PAGE, 200, 50, SEED), 0);
	EXPECT_EQ(vt_stat("faults_hard"), 0);
	EXPECT_EQ(vt_stat("pages_in"), 100);
	EXPECT_TRUE(vt_balanced());
}

/* POSIX_FADV_DONTNEED writes a range back and frees its frames. */
TEST_F(advice, fadvise_dontneed)
{
	int i;

	for (i = 0; i < 10; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	ASSERT_EQ(posix_fadvise(self->fd, 0, 8 * VT_PAGE, POSIX_FADV_DONTNEED), 0);
	EXPECT_EQ(vt_count_resident(self->fd, 0, 8), 0);
	EXPECT_EQ(vt_count_resident(self->fd, 8, 2), 2);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 8, SEED + 1));
	EXPECT_EQ(vt_count_bad(self->mem, 0, 10, SEED + 1), 0);
}

/* DONTNEED of parts of pages keeps them, length 0 means to the end. */
TEST_F(advice, fadvise_dontneed_edges)
{
	ASSERT_EQ(vt_set("read_ahead_pages", "0"), 0);
	ASSERT_EQ(vt_count_bad(self->mem, 0, 10, SEED), 0);
	ASSERT_EQ(posix_fadvise(self->fd, 100, 2 * VT_PAGE, POSIX_FADV_DONTNEED), 0);
	EXPECT_TRUE(vt_resident(self->fd, 0));
	EXPECT_FALSE(vt_resident(self->fd, 1));
	EXPECT_TRUE(vt_resident(self->fd, 2));
	ASSERT_EQ(posix_fadvise(self->fd, 5 * VT_PAGE, 0, POSIX_FADV_DONTNEED), 0);
	EXPECT_EQ(vt_count_resident(self->fd, 0, PAGES), 4);
}

/* Unknown advice and impossible ranges are EINVAL; what lies beyond the end does no harm. */
TEST_F(advice, fadvise_bad_arguments)
{
	EXPECT_EQ(posix_fadvise(self->fd, 0, VT_PAGE, 99), EINVAL);
	EXPECT_EQ(posix_fadvise(self->fd, 0, VT_PAGE, -1), EINVAL);
	EXPECT_EQ(posix_fadvise(self->fd, 0, -1, POSIX_FADV_NORMAL), EINVAL);
	EXPECT_EQ(posix_fadvise(self->fd, 0, -1, POSIX_FADV_DONTNEED), EINVAL);
	EXPECT_EQ(posix_fadvise(self->fd, 0, 0, POSIX_FADV_NOREUSE), 0);
	posix_fadvise(self->fd, vt_get("size_bytes"), VT_PAGE, POSIX_FADV_WILLNEED);
	posix_fadvise(self->fd, INT64_MAX - 1, INT64_MAX, POSIX_FADV_WILLNEED);
	posix_fadvise(self->fd, INT64_MAX - 1, INT64_MAX, POSIX_FADV_DONTNEED);
	posix_fadvise(self->fd, -5000, VT_PAGE, POSIX_FADV_DONTNEED);
	EXPECT_EQ(vt_stat("pages_in"), 0);
	EXPECT_EQ(vt_check(self->mem, 0, SEED), -1);
}

/* A sequential writer leaves what it wrote, and only that. */
TEST_F(advice, sequential_writes)
{
	size_t i;

	for (i = 0; i < 3000; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 3000, SEED + 1), 0);
	EXPECT_EQ(vt_count_bad(self->mem + 3000 * VT_PAGE, 3000, PAGES - 3000, SEED), 0);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 3000, SEED + 1));
	EXPECT_TRUE(vt_disk_check(vt_disk(), 3000, PAGES - 3000, SEED));
}

/* A sequence up to the device's last page, whose windows would reach beyond it. */
TEST_F(advice, sequence_at_the_end)
{
	size_t pages = vt_get("size_bytes") / VT_PAGE, first = pages - 300;
	char *end = vt_map(self->fd, first, 300, PROT_READ, MAP_SHARED);

	vt_disk_fill(vt_disk(), first, 300, SEED);
	EXPECT_EQ(vt_count_bad(end, first, 300, SEED), 0);
	EXPECT_LE(vt_stat("pages_in"), 300);
	EXPECT_EQ(vt_stat("read_errors"), 0);
}

TEST_HARNESS_MAIN
