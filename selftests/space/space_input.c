// SPDX-License-Identifier: GPL-2.0
/*
 * space_input.c - what no program should ask of a sparse space is refused, or does no harm
 */
#include <limits.h>
#include <linux/falloc.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "space.h"

/* ---- input nobody should give ---- */

TEST_F(space, bad_arguments)
{
	struct vmdemo_space_args good = { .size = VT_PAGE }, args;
	int readonly = vt_open(O_RDONLY), fd, i;

	EXPECT_EQ(try_space(self->dev, VT_PAGE + 1, 0), -EINVAL);
	EXPECT_EQ(try_space(self->dev, VMDEMO_SPACE_MAX + VT_PAGE, 0), -EINVAL);
	EXPECT_EQ(try_space(self->dev, ~0ULL, 0), -EINVAL);
	EXPECT_EQ(try_space(readonly, VT_PAGE, 0), -EBADF);
	args = good;
	args.flags = 2;
	EXPECT_EQ(ioctl(self->dev, VMDEMO_IOC_SPACE, &args), -1);
	EXPECT_EQ(errno, EINVAL);
	args = good;
	args.nr_segments = VMDEMO_SEGMENTS_MAX + 1;
	EXPECT_EQ(ioctl(self->dev, VMDEMO_IOC_SPACE, &args), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(ioctl(self->dev, VMDEMO_IOC_SPACE, (void *)1), -1);
	EXPECT_EQ(errno, EFAULT);
	fd = make_space(self->dev, VMDEMO_SPACE_MAX);
	/* A space makes no spaces. */
	EXPECT_EQ(try_space(fd, VT_PAGE, 0), -ENOTTY);
	EXPECT_EQ(fcntl(fd, F_GETFD), 0);
	close(fd);
	args = good;
	args.flags = VMDEMO_SPACE_CLOEXEC;
	fd = ioctl(self->dev, VMDEMO_IOC_SPACE, &args);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED, fd, 1ULL << 63), MAP_FAILED);
	/* Far beyond any end there can be a mapping, but no page. */
	for (i = 0; i < 2; i++) {
		char *mem = mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED, fd,
				 i ? 1ULL << 62 : VMDEMO_SPACE_MAX);

		ASSERT_NE(mem, MAP_FAILED);
		EXPECT_EQ(vt_try_read(mem, NULL), SIGBUS);
		EXPECT_EQ(vt_try_write(mem, NULL), SIGBUS);
		munmap(mem, VT_PAGE);
	}
	EXPECT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 1, 1, NULL), -EINVAL);
	close(fd);
	close(readonly);
}

TEST_F(space, needs_swap)
{
	close(self->dev);
	self->dev = -1;
	ASSERT_EQ(vt_set("swap", "none"), 0);
	EXPECT_STREQ(vt_show("swap"), "none");
	EXPECT_EQ(vt_get("swap_slots"), 0);
	self->dev = vt_open(O_RDWR);
	EXPECT_EQ(try_space(self->dev, VT_PAGE, 0), -ENXIO);
	EXPECT_EQ(vt_set("swap", "%s", vt_disk2()), -EBUSY);
	close(self->dev);
	/* The backing device is not for swapping, nor is what is no block device. */
	EXPECT_EQ(vt_set("swap", "%s", vt_disk()), -EBUSY);
	EXPECT_EQ(vt_set("swap", "/dev/null"), -ENOTBLK);
	EXPECT_EQ(vt_set("swap", "/nowhere"), -ENOENT);
	/* Swap alone is enough. */
	ASSERT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(open(VT_DEV, O_RDWR), -1);
	EXPECT_EQ(errno, ENXIO);
	ASSERT_EQ(vt_set("swap", "%s", vt_disk2()), 0);
	EXPECT_STREQ(vt_show("swap"), vt_disk2());
	self->dev = vt_open(O_RDWR);
	EXPECT_GE(try_space(self->dev, VT_PAGE, 0), 0);
	EXPECT_EQ(vt_set("backing", "%s", vt_disk()), -EBUSY);
	EXPECT_EQ(fsync(self->dev), 0);
	EXPECT_EQ(posix_fadvise(self->dev, 0, 0, POSIX_FADV_WILLNEED), 0);
	EXPECT_EQ(posix_fadvise(self->dev, 0, 0, POSIX_FADV_DONTNEED), 0);
	EXPECT_EQ(mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED, self->dev, 0), MAP_FAILED);
}

/* ---- offset plus length that overflows, or is just too much ---- */

/* The largest space there is, with something in its first page and its last. */
static int largest_space(int dev)
{
	int fd = make_space(dev, VMDEMO_SPACE_MAX);

	if (pwrite(fd, "first", 5, 0) != 5 || pwrite(fd, "last", 4, VMDEMO_SPACE_MAX - 4) != 4)
		vt_fail("a large space cannot be written");
	return fd;
}

static bool both_are_there(int fd)
{
	char text[8] = "";

	return pread(fd, text, 5, 0) == 5 && !memcmp(text, "first", 5) &&
	       pread(fd, text, 8, VMDEMO_SPACE_MAX - 4) == 4 && !memcmp(text, "last", 4) &&
	       blocks(fd) == 16;
}

TEST_F(space, ranges_that_wrap)
{
	static const __u64 bad[][2] = {
		{ 0, VMDEMO_SPACE_MAX + VT_PAGE }, { VT_PAGE, VMDEMO_SPACE_MAX },
		{ VMDEMO_SPACE_MAX, VT_PAGE }, { VMDEMO_SPACE_MAX - VT_PAGE, 2 * VT_PAGE },
		{ 0, 1ULL << 62 }, { 0, 1ULL << 63 }, { 0, -VT_PAGE }, { VT_PAGE, -VT_PAGE },
		{ VT_PAGE, -2 * VT_PAGE }, { 2 * VT_PAGE, -VT_PAGE }, { -VT_PAGE, VT_PAGE },
		{ -VT_PAGE, 2 * VT_PAGE }, { -VT_PAGE, -VT_PAGE }, { 1ULL << 63, 1ULL << 63 },
		{ 1ULL << 63, VT_PAGE }, { 1ULL << 62, 1ULL << 62 }, { 1ULL << 62, 3ULL << 62 },
		{ VMDEMO_SPACE_MAX - VT_PAGE, -VMDEMO_SPACE_MAX + 2 * VT_PAGE }, { 0, 0 },
	};
	static const unsigned long requests[] = {
		VMDEMO_IOC_PREFETCH, VMDEMO_IOC_EVICT, VMDEMO_IOC_DISCARD,
	};
	int fd = largest_space(self->dev);
	struct vmdemo_page entry;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vmdemo_pagemap map = {
			.offset = bad[i][0], .length = bad[i][1], .pages = (uintptr_t)&entry,
		};

		for (j = 0; j < ARRAY_SIZE(requests); j++) {
			struct vmdemo_range range = { .offset = bad[i][0], .length = bad[i][1] };

			EXPECT_EQ(ioctl(fd, requests[j], &range), -1) TH_LOG("range %zu", i);
			EXPECT_EQ(errno, EINVAL);
		}
		EXPECT_EQ(ioctl(fd, VMDEMO_IOC_PAGEMAP, &map), -1) TH_LOG("range %zu", i);
		EXPECT_EQ(errno, EINVAL);
	}
	EXPECT_TRUE(both_are_there(fd));
	/* All of it is in order, and takes no longer than its pages do. */
	EXPECT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, VMDEMO_SPACE_MAX / VT_PAGE, NULL), 0);
	EXPECT_EQ(vt_range(fd, VMDEMO_IOC_PREFETCH, 0, VMDEMO_SPACE_MAX / VT_PAGE, NULL), 0);
	EXPECT_TRUE(both_are_there(fd));
	EXPECT_EQ(vt_range(fd, VMDEMO_IOC_DISCARD, 0, VMDEMO_SPACE_MAX / VT_PAGE, NULL), 0);
	EXPECT_EQ(blocks(fd), 0);
	close(fd);
}

static int punch(int fd, off_t offset, off_t length)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) ? -errno :
	       0;
}

TEST_F(space, holes_that_wrap)
{
	int fd = largest_space(self->dev);

	EXPECT_EQ(punch(fd, VT_PAGE, LLONG_MAX), -EFBIG);
	EXPECT_EQ(punch(fd, LLONG_MAX, LLONG_MAX), -EFBIG);
	EXPECT_EQ(punch(fd, LLONG_MAX, 1), -EFBIG);
	EXPECT_EQ(punch(fd, 1LL << 62, 1LL << 62), -EFBIG);
	EXPECT_EQ(punch(fd, -1, VT_PAGE), -EINVAL);
	EXPECT_EQ(punch(fd, 0, -1), -EINVAL);
	EXPECT_EQ(punch(fd, LLONG_MIN, LLONG_MIN), -EINVAL);
	/* Beyond the end there is nothing to take away. */
	EXPECT_EQ(punch(fd, VMDEMO_SPACE_MAX, LLONG_MAX - VMDEMO_SPACE_MAX), 0);
	EXPECT_EQ(punch(fd, 1LL << 62, (1LL << 62) - 1), 0);
	EXPECT_TRUE(both_are_there(fd));
	EXPECT_EQ(punch(fd, VT_PAGE, LLONG_MAX - VT_PAGE), 0);
	EXPECT_EQ(blocks(fd), 8);
	EXPECT_EQ(punch(fd, 0, 1LL << 62), 0);
	EXPECT_EQ(blocks(fd), 0);
	ASSERT_EQ(pwrite(fd, "x", 1, 0), 1);
	EXPECT_EQ(punch(fd, 0, LLONG_MAX), 0);
	EXPECT_EQ(blocks(fd), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), VMDEMO_SPACE_MAX);
	close(fd);
}

TEST_F(space, places_that_wrap)
{
	int fd = largest_space(self->dev), i;
	char *page = vt_buffer(1);

	EXPECT_EQ(pread(fd, page, VT_PAGE, LLONG_MAX), -1);
	EXPECT_EQ(pread(fd, page, VT_PAGE, LLONG_MAX - VT_PAGE), 0);
	EXPECT_EQ(pread(fd, page, VT_PAGE, VMDEMO_SPACE_MAX), 0);
	EXPECT_EQ(pread(fd, page, VT_PAGE, -1), -1);
	EXPECT_EQ(pwrite(fd, page, VT_PAGE, LLONG_MAX), -1);
	EXPECT_EQ(pwrite(fd, page, VT_PAGE, LLONG_MAX - VT_PAGE), -1);
	EXPECT_EQ(errno, EFBIG);
	EXPECT_EQ(pwrite(fd, page, VT_PAGE, -1), -1);
	EXPECT_EQ(pwrite(fd, "last again", 10, VMDEMO_SPACE_MAX - 4), 4);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(lseek(fd, LLONG_MAX - i * VT_PAGE, SEEK_DATA), -1);
		EXPECT_EQ(errno, ENXIO);
		EXPECT_EQ(lseek(fd, LLONG_MAX - i * VT_PAGE, SEEK_HOLE), -1);
		EXPECT_EQ(errno, ENXIO);
		EXPECT_EQ(lseek(fd, LLONG_MIN + i, SEEK_DATA), -1);
		EXPECT_EQ(lseek(fd, LLONG_MIN + i, SEEK_HOLE), -1);
	}
	EXPECT_EQ(lseek(fd, LLONG_MAX, SEEK_SET), -1);
	EXPECT_EQ(lseek(fd, LLONG_MAX, SEEK_END), -1);
	EXPECT_EQ(lseek(fd, VMDEMO_SPACE_MAX, SEEK_SET), VMDEMO_SPACE_MAX);
	EXPECT_EQ(lseek(fd, LLONG_MAX, SEEK_CUR), -1);
	EXPECT_EQ(lseek(fd, 0, SEEK_CUR), VMDEMO_SPACE_MAX);
	EXPECT_EQ(lseek(fd, VMDEMO_SPACE_MAX - 1, SEEK_DATA), VMDEMO_SPACE_MAX - 1);
	EXPECT_EQ(lseek(fd, VMDEMO_SPACE_MAX - 1, SEEK_HOLE), VMDEMO_SPACE_MAX);
	EXPECT_EQ(ftruncate(fd, LLONG_MAX), -1);
	EXPECT_EQ(errno, EFBIG);
	EXPECT_TRUE(both_are_there(fd));
	munmap(page, VT_PAGE);
	close(fd);
}

static int advise(int fd, off_t offset, off_t length, int advice)
{
	return posix_fadvise(fd, offset, length, advice);
}

TEST_F(space, advice_that_wraps)
{
	static const off_t all[][2] = {
		{ 0, 0 }, { 0, LLONG_MAX }, { 0, 1LL << 62 }, { 0, VMDEMO_SPACE_MAX },
	};
	static const off_t nothing[][2] = {
		{ LLONG_MAX, LLONG_MAX }, { LLONG_MAX, 0 }, { 1LL << 62, 1LL << 62 },
		{ VMDEMO_SPACE_MAX, VT_PAGE }, { VMDEMO_SPACE_MAX, LLONG_MAX },
	};
	const size_t last = VMDEMO_SPACE_MAX / VT_PAGE - 1;
	int fd = largest_space(self->dev);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		EXPECT_EQ(advise(fd, all[i][0], all[i][1], POSIX_FADV_DONTNEED), 0);
		EXPECT_FALSE(vt_resident(fd, 0) || vt_resident(fd, last)) TH_LOG("%zu", i);
		EXPECT_EQ(advise(fd, all[i][0], all[i][1], POSIX_FADV_WILLNEED), 0);
		EXPECT_TRUE(vt_resident(fd, 0) && vt_resident(fd, last)) TH_LOG("%zu", i);
	}
	for (i = 0; i < ARRAY_SIZE(nothing); i++) {
		EXPECT_EQ(advise(fd, nothing[i][0], nothing[i][1], POSIX_FADV_DONTNEED), 0);
		EXPECT_TRUE(vt_resident(fd, 0) && vt_resident(fd, last)) TH_LOG("%zu", i);
		EXPECT_EQ(advise(fd, nothing[i][0], nothing[i][1], POSIX_FADV_WILLNEED), 0);
	}
	EXPECT_EQ(advise(fd, -1, 0, POSIX_FADV_DONTNEED), EINVAL);
	EXPECT_EQ(advise(fd, 0, -1, POSIX_FADV_DONTNEED), EINVAL);
	EXPECT_TRUE(both_are_there(fd));
	close(fd);
}

/* As many pages as nobody can have is no bound. */
TEST_F(space, huge_shares)
{
	static const __u64 shares[] = { ~0ULL, 1ULL << 63, LLONG_MAX, 1ULL << 32 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(shares); i++) {
		int fd = try_space(self->dev, PAGES * VT_PAGE, shares[i]);

		ASSERT_GE(fd, 0);
		EXPECT_EQ(pwrite(fd, "x", 1, 0), 1);
		EXPECT_EQ(pwrite(fd, "x", 1, VT_PAGE), 1);
		close(fd);
	}
	EXPECT_EQ(vt_stat("swap_full"), 0);
}

/* A mapping that begins near the end, or far beyond: no page but the last one. */
TEST_F(space, mappings_that_wrap)
{
	static const __u64 beyond[] = {
		VMDEMO_SPACE_MAX, VMDEMO_SPACE_MAX + VT_PAGE, 1ULL << 48, (1ULL << 62) - VT_PAGE,
		(1ULL << 63) - 2 * VT_PAGE, (1ULL << 63) - VT_PAGE, 1ULL << 63, -VT_PAGE,
	};
	int fd = largest_space(self->dev);
	size_t i;
	char *mem;

	mem = map_space(fd, VMDEMO_SPACE_MAX - VT_PAGE, 2 * VT_PAGE, MAP_SHARED);
	EXPECT_EQ(memcmp(mem + VT_PAGE - 4, "last", 4), 0);
	EXPECT_EQ(vt_try_write(mem, NULL), 0);
	EXPECT_EQ(vt_try_read(mem + VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(vt_try_write(mem + VT_PAGE, NULL), SIGBUS);
	munmap(mem, 2 * VT_PAGE);
	for (i = 0; i < ARRAY_SIZE(beyond); i++) {
		mem = mmap(NULL, 2 * VT_PAGE, VT_RW, MAP_SHARED, fd, beyond[i]);
		if (mem == MAP_FAILED)
			continue;
		EXPECT_EQ(vt_try_read(mem, NULL), SIGBUS) TH_LOG("%llx", beyond[i]);
		EXPECT_EQ(vt_try_write(mem + VT_PAGE, NULL), SIGBUS);
		munmap(mem, 2 * VT_PAGE);
	}
	EXPECT_TRUE(both_are_there(fd));
	close(fd);
}

/* There may be 4,096 at a time; one more is refused, and can be had when one has gone. */
TEST_F(space, too_many)
{
	const struct rlimit many = { 8192, 8192 };
	static int fds[4096];
	int i;

	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &many), 0);
	for (i = 0; i < 4096; i++) {
		fds[i] = try_space(self->dev, VT_PAGE, 0);
		ASSERT_GE(fds[i], 0) TH_LOG("space %d: %s", i, strerror(-fds[i]));
	}
	EXPECT_EQ(try_space(self->dev, VT_PAGE, 0), -ENOSPC);
	EXPECT_EQ(pwrite(fds[4095], "x", 1, 0), 1);
	EXPECT_EQ(pwrite(fds[0], "y", 1, 0), 1);
	close(fds[1234]);
	fds[1234] = try_space(self->dev, VT_PAGE, 0);
	EXPECT_GE(fds[1234], 0);
	EXPECT_EQ(try_space(self->dev, VT_PAGE, 0), -ENOSPC);
	for (i = 0; i < 4096; i++)
		close(fds[i]);
	EXPECT_TRUE(all_free());
}

/* Swap to a device of @sectors sectors: how many slots there are then, or -errno. */
static int try_swap_to(__u32 flags, int sectors)
{
	int ret;

	dm_create(DM, flags, "0 %d linear %s 0", sectors, vt_disk2());
	ret = vt_set("swap", DM_PATH(DM));
	if (!ret) {
		ret = vt_get("swap_slots");
		vt_set("swap", "none");
	}
	dm_remove(DM);
	return ret;
}

/* What is no swap device, or cannot be one, is refused with the reason, and none is bound then. */
TEST_F(space, bad_swap)
{
	int claimed;

	close(self->dev);
	self->dev = -1;
	ASSERT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_set("swap", "/dev/nonexistent"), -ENOENT);
	EXPECT_EQ(vt_set("swap", "/dev/null"), -ENOTBLK);
	EXPECT_EQ(vt_set("swap", "/"), -ENOTBLK);
	EXPECT_EQ(vt_set("swap", "abandon"), -ENOENT);
	EXPECT_LT(vt_set("swap", "%04000d", 0), 0);
	EXPECT_EQ(vt_set("swap", "%s", vt_disk()), -EBUSY);
	claimed = open(vt_disk2(), O_RDWR | O_EXCL);
	ASSERT_GE(claimed, 0);
	EXPECT_EQ(vt_set("swap", "%s", vt_disk2()), -EBUSY);
	close(claimed);
	if (dm_has("linear")) {
		EXPECT_EQ(try_swap_to(DM_READONLY_FLAG, 800), -EROFS);
		EXPECT_EQ(try_swap_to(0, 15), -ENOSPC);
		EXPECT_EQ(try_swap_to(0, 16), 1);
	}
	EXPECT_STREQ(vt_show("swap"), "none");
	EXPECT_EQ(vt_get("swap_slots"), 0);
	EXPECT_EQ(vt_set("swap", "%s\n", vt_disk2()), 0);
	EXPECT_STREQ(vt_show("swap"), vt_disk2());
	EXPECT_EQ(vt_set("swap", "%s", vt_disk3()), -EBUSY);
	/* It is claimed while it is bound. */
	EXPECT_EQ(open(vt_disk2(), O_RDWR | O_EXCL), -1);
	EXPECT_EQ(errno, EBUSY);
}

TEST_HARNESS_MAIN
