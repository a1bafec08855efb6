// SPDX-License-Identifier: GPL-2.0
/*
 * io.c - the device as a file: ends, offsets, durability, a backing that cannot be written
 */
#include <limits.h>
#include <linux/fs.h>
#include <stdint.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	32
#define PAGES	128
#define SEED	6

FIXTURE(io) {
	int fd;
	off_t size;
	char *mem;
	char *buffer;	/* private memory, eight pages */
};

FIXTURE_SETUP(io)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_start(FRAMES);
	self->fd = vt_open(O_RDWR);
	self->size = vt_get("size_bytes");
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	self->buffer = vt_buffer(8);
}

FIXTURE_TEARDOWN(io)
{
	munmap(self->buffer, 8 * VT_PAGE);
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

/* The device is as large as its disk, in whole pages. */
TEST_F(io, size)
{
	__u64 bytes;
	int disk = open(vt_disk(), O_RDONLY);

	ASSERT_EQ(ioctl(disk, BLKGETSIZE64, &bytes), 0);
	close(disk);
	EXPECT_EQ(self->size, bytes & ~(VT_PAGE - 1));
	EXPECT_EQ(lseek(self->fd, 0, SEEK_END), self->size);
	ASSERT_EQ(ioctl(self->fd, BLKGETSIZE64, &bytes), 0);
	EXPECT_EQ(bytes, self->size);
	EXPECT_EQ(ioctl(self->fd, BLKGETSIZE64, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
}

/* lseek goes anywhere inside, not outside, and the position moves with read and write. */
TEST_F(io, lseek)
{
	EXPECT_EQ(lseek(self->fd, 0, SEEK_CUR), 0);
	EXPECT_EQ(lseek(self->fd, 12345, SEEK_SET), 12345);
	EXPECT_EQ(lseek(self->fd, -345, SEEK_CUR), 12000);
	EXPECT_EQ(lseek(self->fd, -10, SEEK_END), self->size - 10);
	EXPECT_EQ(lseek(self->fd, -1, SEEK_SET), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(lseek(self->fd, 1, SEEK_END), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(lseek(self->fd, INT64_MAX, SEEK_CUR), -1);
	EXPECT_EQ(lseek(self->fd, 0, 99), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(lseek(self->fd, 0, SEEK_CUR), self->size - 10);
	ASSERT_EQ(lseek(self->fd, 3 * VT_PAGE, SEEK_SET), 3 * VT_PAGE);
	ASSERT_EQ(read(self->fd, self->buffer, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(self->buffer, 3, SEED), -1);
	EXPECT_EQ(write(self->fd, self->buffer, 100), 100);
	EXPECT_EQ(lseek(self->fd, 0, SEEK_CUR), 4 * VT_PAGE + 100);
}

/* read at the end is short, then 0; write at the end is short, then ENOSPC. */
TEST_F(io, ends)
{
	EXPECT_EQ(pread(self->fd, self->buffer, 2 * VT_PAGE, self->size - 100), 100);
	EXPECT_EQ(pread(self->fd, self->buffer, 1, self->size), 0);
	EXPECT_EQ(pread(self->fd, self->buffer, 1, self->size + 5 * VT_PAGE), 0);
	EXPECT_EQ(pwrite(self->fd, self->buffer, 2 * VT_PAGE, self->size - 100), 100);
	EXPECT_EQ(pwrite(self->fd, self->buffer, 1, self->size), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(pwrite(self->fd, self->buffer, 1, self->size + VT_PAGE), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(pwrite(self->fd, self->buffer, 0, self->size), 0);
	EXPECT_EQ(pread(self->fd, self->buffer, 0, 0), 0);
	EXPECT_EQ(lseek(self->fd, 0, SEEK_END), self->size);
}

/* Offsets below zero or near the largest number are refused without harm. */
TEST_F(io, bad_offsets)
{
	EXPECT_EQ(pread(self->fd, self->buffer, 1, -1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(pwrite(self->fd, self->buffer, 1, -1), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_LE(pread(self->fd, self->buffer, VT_PAGE, INT64_MAX - 10), 0);
	EXPECT_EQ(pwrite(self->fd, self->buffer, VT_PAGE, INT64_MAX - 10), -1);
	EXPECT_EQ(vt_stat("pages_in"), 0);
	EXPECT_EQ(vt_stat("frames_free"), FRAMES);
}

/* Offsets that are small numbers when their upper bits are dropped are beyond the end. */
TEST_F(io, offsets_do_not_wrap)
{
	static const off_t offsets[] = {
		1LL << 32, 1LL << 44, (1LL << 44) + 5 * (long)VT_PAGE, 1LL << 48, 1LL << 62,
		INT64_MAX - (long)VT_PAGE + 1,
	};

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		EXPECT_EQ(pread(self->fd, self->buffer, VT_PAGE - 1, offsets[i]), 0);
		EXPECT_EQ(pwrite(self->fd, self->buffer, VT_PAGE - 1, offsets[i]), -1);
		EXPECT_EQ(errno, ENOSPC);
		EXPECT_EQ(lseek(self->fd, offsets[i], SEEK_SET), -1);
		EXPECT_EQ(lseek(self->fd, offsets[i], SEEK_END), -1);
	}
	EXPECT_EQ(vt_stat("frames_free"), FRAMES);
}

/* The longest read and write end where the device does. */
TEST_F(io, lengths_do_not_wrap)
{
	/* Where the compiler does not see it: it knows that this makes no sense. */
	const size_t largest = strtoull("-1", NULL, 0);
	const off_t at = self->size - 100;
	/* Low enough that INT_MAX bytes from it end below the kernel's addresses. */
	char *low = mmap((void *)(1UL << 40), VT_PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	struct iovec parts[2] = { { low, SSIZE_MAX }, { low, SSIZE_MAX } };

	ASSERT_NE(low, MAP_FAILED);
	EXPECT_EQ(pread(self->fd, low, INT_MAX, at), 100);
	EXPECT_EQ(pread(self->fd, low, largest, at), -1);
	EXPECT_EQ(pwrite(self->fd, low, INT_MAX, at), 100);
	EXPECT_EQ(pwrite(self->fd, low, largest, at), -1);
	EXPECT_EQ(preadv(self->fd, parts, 2, at), -1);
	EXPECT_EQ(pwritev(self->fd, parts, 2, at), -1);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	munmap(low, VT_PAGE);
}

/* Advice for a range that ends beyond all numbers is for the part inside; outside, for nothing. */
TEST_F(io, advice_does_not_wrap)
{
	static const struct {
		off_t offset, length;
		int error;
	} outside[] = {
		{ -1, VT_PAGE, EINVAL },
		{ 0, -1, EINVAL },
		{ INT64_MIN, INT64_MIN, EINVAL },
		{ INT64_MAX, INT64_MAX, 0 },
		{ INT64_MAX, 0, 0 },
		{ INT64_MAX - 4095, 4096, 0 },
		{ 1LL << 44, 4096, 0 },
		{ 1LL << 48, 4096, 0 },
		{ 1LL << 62, 0, 0 },
	};
	size_t last = self->size / VT_PAGE - 1;

	ASSERT_EQ(vt_try_write(self->mem, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++)
		for (int advice = 0; advice < 6; advice++)
			EXPECT_EQ(posix_fadvise(self->fd, outside[i].offset, outside[i].length,
						advice), outside[i].error);
	EXPECT_EQ(vt_stat("pages_in"), 1);
	EXPECT_TRUE(vt_resident(self->fd, 0));
	EXPECT_EQ(posix_fadvise(self->fd, last * VT_PAGE, INT64_MAX, POSIX_FADV_WILLNEED), 0);
	EXPECT_TRUE(vt_resident(self->fd, last));
	EXPECT_EQ(vt_stat("pages_in"), 2);
	EXPECT_EQ(posix_fadvise(self->fd, 1, INT64_MAX, POSIX_FADV_DONTNEED), 0);
	EXPECT_FALSE(vt_resident(self->fd, last));
	EXPECT_TRUE(vt_resident(self->fd, 0));
}

/* Reading needs an open for reading, writing one for writing. */
TEST_F(io, open_modes)
{
	int ro = vt_open(O_RDONLY), wo = vt_open(O_WRONLY);

	EXPECT_EQ(write(ro, self->buffer, 1), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(read(wo, self->buffer, 1), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(read(ro, self->buffer, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(self->buffer, 0, SEED), -1);
	EXPECT_EQ(write(wo, "x", 1), 1);
	EXPECT_EQ(self->mem[0], 'x');
}

/* Direct I/O on the device would bypass its frames: it is refused at open. */
TEST_F(io, o_direct_refused)
{
	EXPECT_EQ(open(VT_DEV, O_RDWR | O_DIRECT), -1);
	EXPECT_EQ(errno, EINVAL);
	/* Nor can it be turned on later. */
	EXPECT_EQ(fcntl(self->fd, F_SETFL, O_DIRECT), -1);
}

/* fsync returns when everything stored and written before is on the disk. */
TEST_F(io, fsync)
{
	int i;

	for (i = 0; i < 10; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	for (i = 10; i < 20; i++) {
		vt_fill(self->buffer, i, SEED + 1);
		ASSERT_EQ(pwrite(self->fd, self->buffer, VT_PAGE, i * VT_PAGE), VT_PAGE);
	}
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 20, SEED + 1));
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_EQ(vt_stat("pages_out"), 20);
	/* Nothing is left to write, and the pages stayed. */
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("pages_out"), 20);
	EXPECT_EQ(vt_count_resident(self->fd, 0, 20), 20);
}

/* A store after fsync makes its page dirty again: the next fsync writes it, and no other. */
TEST_F(io, fsync_again)
{
	int round, i;

	for (i = 0; i < 8; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	ASSERT_EQ(fsync(self->fd), 0);
	for (round = 2; round < 6; round++) {
		vt_fill(self->mem + 3 * VT_PAGE, 3, SEED + round);
		ASSERT_EQ(fdatasync(self->fd), 0);
		EXPECT_TRUE(vt_disk_check(vt_disk(), 3, 1, SEED + round));
		EXPECT_EQ(vt_stat("pages_out"), 8 + round - 1);
	}
}

/* fsync through another open, by another process, covers our stores. */
TEST_F(io, fsync_by_another)
{
	pid_t pid;

	vt_fill(self->mem, 0, SEED + 1);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(fsync(vt_open(O_RDONLY)) ? 1 : 0);
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 1, SEED + 1));
}

/* msync(MS_SYNC) of a range puts that range on the disk. */
TEST_F(io, msync_range)
{
	int i;

	for (i = 0; i < 16; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	ASSERT_EQ(msync(self->mem + 4 * VT_PAGE, 8 * VT_PAGE, MS_SYNC), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 4, 8, SEED + 1));
	EXPECT_EQ(vt_count_bad(self->mem, 0, 16, SEED + 1), 0);
	/* The range is honoured: the pages outside are still dirty. */
	EXPECT_TRUE(vt_page(self->fd, 0).flags & VMDEMO_PAGE_DIRTY);
	EXPECT_FALSE(vt_page(self->fd, 4).flags & VMDEMO_PAGE_DIRTY);
	EXPECT_TRUE(vt_page(self->fd, 12).flags & VMDEMO_PAGE_DIRTY);
	EXPECT_EQ(vt_stat("pages_out"), 8);
}

/* MS_ASYNC and MS_INVALIDATE succeed and lose nothing. */
TEST_F(io, msync_flags)
{
	vt_fill(self->mem, 0, SEED + 1);
	EXPECT_EQ(msync(self->mem, VT_PAGE, MS_ASYNC), 0);
	EXPECT_EQ(msync(self->mem, VT_PAGE, MS_SYNC | MS_INVALIDATE), 0);
	EXPECT_EQ(vt_check(self->mem, 0, SEED + 1), -1);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 1, SEED + 1));
	EXPECT_EQ(msync(self->mem, VT_PAGE, MS_SYNC | MS_ASYNC), -1);
	EXPECT_EQ(errno, EINVAL);
}

/* A write with O_SYNC, O_DSYNC or RWF_SYNC is on the disk when it returns. */
TEST_F(io, synchronous_writes)
{
	struct iovec part = { self->buffer, VT_PAGE };
	int sync = vt_open(O_RDWR | O_SYNC), dsync = vt_open(O_RDWR | O_DSYNC);

	vt_fill(self->buffer, 0, SEED + 1);
	ASSERT_EQ(pwrite(sync, self->buffer, VT_PAGE, 0), VT_PAGE);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 1, SEED + 1));
	vt_fill(self->buffer, 1, SEED + 1);
	ASSERT_EQ(pwrite(dsync, self->buffer, VT_PAGE, VT_PAGE), VT_PAGE);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 1, 1, SEED + 1));
	vt_fill(self->buffer, 2, SEED + 1);
	ASSERT_EQ(pwritev2(self->fd, &part, 1, 2 * VT_PAGE, RWF_SYNC), VT_PAGE);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 2, 1, SEED + 1));
}

/* O_APPEND begins at the end of the device, where no space is left. */
TEST_F(io, append_enospc)
{
	int fd = vt_open(O_WRONLY | O_APPEND);

	EXPECT_EQ(write(fd, "x", 1), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(vt_check(self->mem, 0, SEED), -1);
}

/* What a character device has no notion of fails and changes nothing. */
TEST_F(io, not_a_regular_file)
{
	EXPECT_EQ(ftruncate(self->fd, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(fallocate(self->fd, 0, 0, VT_PAGE), -1);
	EXPECT_EQ(errno, ENODEV);
	EXPECT_EQ(lseek(self->fd, 0, SEEK_END), self->size);
	EXPECT_EQ(vt_check(self->mem, 0, SEED), -1);
}

/* A read of everything in large pieces, more than fits the pool, is right and leaves no trace. */
TEST_F(io, large_reads)
{
	char *all = vt_buffer(PAGES);

	ASSERT_EQ(pread(self->fd, all, PAGES * VT_PAGE, 0), PAGES * VT_PAGE);
	EXPECT_EQ(vt_count_bad(all, 0, PAGES, SEED), 0);
	EXPECT_EQ(vt_stat("pages_in"), PAGES);
	EXPECT_EQ(vt_stat("faults_hard"), 0);
	EXPECT_EQ(vt_stat("rw_pages"), PAGES);
	EXPECT_TRUE(vt_balanced());
}

/* A write of more than the pool in one call is right and ends on the disk. */
TEST_F(io, large_writes)
{
	char *all = vt_buffer(PAGES);
	int i;

	for (i = 0; i < PAGES; i++)
		vt_fill(all + i * VT_PAGE, i, SEED + 1);
	ASSERT_EQ(pwrite(self->fd, all, PAGES * VT_PAGE, 0), PAGES * VT_PAGE);
	EXPECT_EQ(vt_stat("pages_in"), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED + 1), 0);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 1));
}

/* A backing that is read-only, which the block layer says of it. */
FIXTURE(readonly) {
	int disk;
	int fd;
};

static void set_readonly(int disk, int value)
{
	if (ioctl(disk, BLKROSET, &value))
		vt_fail("BLKROSET: %s", strerror(errno));
}

FIXTURE_SETUP(readonly)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_load("frames=%d", FRAMES);
	self->disk = open(vt_disk(), O_RDONLY);
	ASSERT_GE(self->disk, 0);
	set_readonly(self->disk, 1);
	ASSERT_EQ(vt_set("backing", "%s", vt_disk()), 0) {
		set_readonly(self->disk, 0);
	}
	self->fd = vt_open(O_RDWR);
}

FIXTURE_TEARDOWN(readonly)
{
	close(self->fd);
	vt_set("backing", "none");
	set_readonly(self->disk, 0);
	close(self->disk);
}

/* INFO says so; it opens, maps and reads as any other. */
TEST_F(readonly, can_be_read)
{
	struct vmdemo_info info = { .size = sizeof(info) };
	char *map = vt_map(self->fd, 0, PAGES, PROT_READ, MAP_SHARED);
	char page[VT_PAGE];

	EXPECT_EQ(ioctl(self->fd, VMDEMO_IOC_INFO, &info), 0);
	EXPECT_EQ(info.flags, VMDEMO_INFO_READONLY);
	EXPECT_EQ(vt_count_bad(map, 0, PAGES, SEED), 0);
	EXPECT_EQ(pread(self->fd, page, VT_PAGE, 9 * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, 9, SEED), -1);
	EXPECT_EQ(fsync(self->fd), 0);
}

/* Nothing that would change it is allowed: mmap, mprotect, write, DISCARD. */
TEST_F(readonly, cannot_be_changed)
{
	char *map;

	EXPECT_EQ(mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED, self->fd, 0), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	map = vt_map(self->fd, 0, 1, PROT_READ, MAP_SHARED);
	EXPECT_EQ(mprotect(map, VT_PAGE, VT_RW), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(write(self->fd, "x", 1), -1);
	EXPECT_EQ(errno, EROFS);
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_DISCARD, 0, 1, NULL), -EROFS);
	EXPECT_EQ(vt_check(map, 0, SEED), -1);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
}

/* Private copies may be made of it, and evicting it writes nothing. */
TEST_F(readonly, private_copies)
{
	char *private = vt_map(self->fd, 0, PAGES, VT_RW, MAP_PRIVATE);
	int i;

	for (i = 0; i < PAGES; i += 2)
		vt_fill(private + i * VT_PAGE, i, SEED + 1);
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(vt_check(private + i * VT_PAGE, i, i % 2 ? SEED : SEED + 1), -1);
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL), 0);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED));
}

/* A disk whose blocks are as large as a page: each page is written as one block. */
TEST_F(io, blocks_of_a_page)
{
	static const char image[] = "/tmp/vmdemo-blocks";
	int disk;

	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	vt_stop();
	ASSERT_TRUE(vt_shell("modprobe loop; truncate -s 16M %s && losetup -b %zu /dev/loop0 %s",
			     image, VT_PAGE, image));
	vt_load("backing=/dev/loop0 frames=%d", FRAMES);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	vt_fill(self->mem + 3 * VT_PAGE, 3, SEED);
	ASSERT_EQ(pwrite(self->fd, "block", 5, 5 * VT_PAGE + 10), 5);
	EXPECT_EQ(fsync(self->fd), 0);
	disk = open("/dev/loop0", O_RDONLY);
	EXPECT_EQ(pread(disk, self->buffer, VT_PAGE, 3 * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(self->buffer, 3, SEED), -1);
	EXPECT_EQ(pread(disk, self->buffer, 5, 5 * VT_PAGE + 10), 5);
	EXPECT_EQ(memcmp(self->buffer, "block", 5), 0);
	close(disk);
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	EXPECT_EQ(vt_try_unload(), 0);
	EXPECT_TRUE(vt_shell("losetup -d /dev/loop0 && rm %s", image));

	vt_start(FRAMES);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

TEST_HARNESS_MAIN
