// SPDX-License-Identifier: GPL-2.0
/*
 * errors_read.c - pages that cannot be read: which accesses fail, and that no others do
 */
#include "kselftest_harness.h"
#include "errors.h"

/* Touch pages one by one; the number of those that failed or were wrong, but for BAD. */
static size_t touch_around_bad(struct _test_data_errors *self, size_t first, size_t pages)
{
	size_t i, wrong = 0;
	siginfo_t info;

	for (i = first; i < first + pages; i++) {
		char *at = self->mem + i * VT_PAGE + 123;
		int signal = vt_try_read(at, &info);
		bool right = i == BAD ? signal == SIGBUS && info.si_addr == at &&
					info.si_code == BUS_ADRERR :
					!signal && vt_check(self->mem + i * VT_PAGE, i, SEED) < 0;

		if (!right && !wrong++)
			printf("# page %zu: signal %d, code %d, address %+td\n", i, signal,
			       info.si_code, (char *)info.si_addr - at);
	}
	return wrong;
}

/* A page that cannot be read is SIGBUS at its address, each time, and that page alone. */
TEST_F(errors, read_by_fault)
{
	break_pages(BAD, 1);
	EXPECT_EQ(vt_stat("read_errors"), 0);
	EXPECT_EQ(touch_around_bad(self, BAD - 4, 8), 0);
	EXPECT_GT(vt_stat("read_errors"), 0);
	EXPECT_EQ(vt_try_write(self->mem + BAD * VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(touch_around_bad(self, 0, 20), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
}

/* It is right again when the device is, without anything being done. */
TEST_F(errors, read_recovers)
{
	__u64 errors;

	break_pages(BAD, 1);
	EXPECT_EQ(touch_around_bad(self, 0, 20), 0);
	heal();
	errors = vt_stat("read_errors");
	EXPECT_EQ(vt_count_bad(self->mem, 0, 20, SEED), 0);
	EXPECT_EQ(vt_stat("read_errors"), errors);
}

/* The kernel's own accesses to such a page fail as on any memory that is not there. */
TEST_F(errors, read_by_kernel)
{
	int ends[2];

	ASSERT_EQ(pipe(ends), 0);
	break_pages(BAD, 1);
	EXPECT_EQ(write(ends[1], self->mem + BAD * VT_PAGE, 100), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(write(ends[1], self->mem + (BAD + 1) * VT_PAGE, 100), 100);
}

/* read(2) returns what is before the page, then EIO. */
TEST_F(errors, read_by_pread)
{
	break_pages(BAD, 1);
	EXPECT_EQ(pread(self->fd, self->buffer, 20 * VT_PAGE, 0), BAD * VT_PAGE);
	EXPECT_EQ(vt_count_bad(self->buffer, 0, BAD, SEED), 0);
	EXPECT_EQ(pread(self->fd, self->buffer, 20 * VT_PAGE, BAD * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(pread(self->fd, self->buffer, VT_PAGE, (BAD + 1) * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(self->buffer, BAD + 1, SEED), -1);
	heal();
	EXPECT_EQ(pread(self->fd, self->buffer, 20 * VT_PAGE, 0), 20 * VT_PAGE);
	EXPECT_EQ(vt_count_bad(self->buffer, 0, 20, SEED), 0);
}

/* A write of part of such a page needs the rest: EIO. A write of all of it does not. */
TEST_F(errors, write_over_unreadable)
{
	break_pages(BAD, 1);
	EXPECT_EQ(pwrite(self->fd, "x", 1, BAD * VT_PAGE + 7), -1);
	EXPECT_EQ(errno, EIO);
	vt_fill(self->buffer, BAD, SEED + 1);
	EXPECT_EQ(pwrite(self->fd, self->buffer, VT_PAGE, BAD * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(self->mem + BAD * VT_PAGE, BAD, SEED + 1), -1);
	heal();
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, BAD, 1, SEED + 1));
}

/* Neighbours that readahead or prefetch read in the same request are fine. */
TEST_F(errors, read_ahead)
{
	break_pages(BAD, 1);
	ASSERT_EQ(vt_set("read_ahead_pages", "32"), 0);
	ASSERT_EQ(madvise(self->mem, PAGES * VT_PAGE, MADV_SEQUENTIAL), 0);
	EXPECT_EQ(touch_around_bad(self, 0, 48), 0);
	EXPECT_GT(vt_stat("readahead_pages"), 8);
	/* The request failed as a whole: otherwise this test has not seen what it is for. */
	EXPECT_GT(vt_stat("read_errors"), 8);
	heal();
	EXPECT_EQ(vt_count_bad(self->mem, 0, 48, SEED), 0);
}

TEST_F(errors, prefetch)
{
	__u64 started = 0;

	break_pages(BAD, 1);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_PREFETCH, 0, 32, &started), 0);
	EXPECT_EQ(started, 32);
	EXPECT_TRUE(vt_wait_stat("read_errors", 32, 32, 5));
	EXPECT_EQ(touch_around_bad(self, 0, 32), 0);
	heal();
	EXPECT_EQ(vt_count_bad(self->mem, 0, 32, SEED), 0);
}

/* Pages that failed take part in replacement like others. */
TEST_F(errors, unreadable_pages_go)
{
	size_t i;

	break_pages(BAD, FRAMES);
	for (i = BAD; i < BAD + FRAMES; i++)
		EXPECT_EQ(vt_try_read(self->mem + i * VT_PAGE, NULL), SIGBUS);
	for (i = 200; i < 400; i++)
		EXPECT_EQ(vt_check(self->mem + i * VT_PAGE, i, SEED), -1);
	EXPECT_EQ(vt_count_resident(self->fd, BAD, FRAMES), 0);
}

TEST_HARNESS_MAIN
