// SPDX-License-Identifier: GPL-2.0
/*
 * hidden.c - a page is dirty, and nobody was told
 *
 * SetPageDirty() on a page of a mapping, without the a_ops, is what KVM does with a page that it
 * had mapped for long. The module under test is one of BREAK=hidden_dirty, which does that to every
 * page that is read by read(2).
 */
#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define SEED	5
#define PAGE	3	/* that it happens to */

FIXTURE(hidden) {
	char *buffer;
};

/* The page is dirty in its frame, and what is on the disk differs. Nobody has the device open. */
FIXTURE_SETUP(hidden)
{
	int fd;

	vt_stop();
	vt_disk_fill(vt_disk(), 0, 8, SEED);
	vt_start(64);
	if (vt_set("dirty_age_ms", "0"))
		vt_fail("dirty_age_ms cannot be set");
	fd = vt_open(O_RDWR);
	self->buffer = vt_buffer(1);
	ASSERT_EQ(pread(fd, self->buffer, VT_PAGE, PAGE * VT_PAGE), VT_PAGE);
	if (!(vt_page(fd, PAGE).flags & VMDEMO_PAGE_DIRTY))
		SKIP(return, "this module is none of BREAK=hidden_dirty");
	ASSERT_EQ(vt_stat("frames_dirty"), 0);
	vt_disk_fill(vt_disk(), PAGE, 1, SEED + 1);
	close(fd);
}

FIXTURE_TEARDOWN(hidden)
{
}

/* It is written before the disk is let go. */
TEST_F(hidden, unbind)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(-vt_set("backing", "none"));
	ASSERT_TRUE(vt_ends_within(pid, 20000, &status));
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 8, SEED));
}

/* And before the module goes. */
TEST_F(hidden, unload)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(-vt_try_unload());
	ASSERT_TRUE(vt_ends_within(pid, 20000, &status));
	EXPECT_EQ(status, 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 8, SEED));
}

/* Or when the page is evicted, no matter what needs the frame. */
TEST_F(hidden, evicted)
{
	int fd = vt_open(O_RDWR), i;
	char *mem = vt_map(fd, 0, 256, PROT_READ, MAP_SHARED);

	for (i = 16; i < 256; i++)
		EXPECT_EQ(vt_try_read(mem + i * VT_PAGE, NULL), 0);
	EXPECT_FALSE(vt_resident(fd, PAGE));
	munmap(mem, 256 * VT_PAGE);
	close(fd);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 8, SEED));
}

TEST_HARNESS_MAIN
