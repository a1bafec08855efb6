// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl.c - INFO, PREFETCH, EVICT, DISCARD, PAGEMAP: what they do, and every argument they refuse
 */
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	64
#define PAGES	256
#define SEED	9

/* The device on a disk full of patterns, opened and mapped. */
static int start(size_t *size, char **mem)
{
	int fd;

	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_start(FRAMES);
	fd = vt_open(O_RDWR);
	*size = vt_get("size_bytes");
	*mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	return fd;
}

FIXTURE(ioctl) {
	int fd;
	size_t size;
	char *mem;
};

FIXTURE_SETUP(ioctl)
{
	self->fd = start(&self->size, &self->mem);
}

FIXTURE_TEARDOWN(ioctl)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

/* INFO describes the device. */
TEST_F(ioctl, info)
{
	struct vmdemo_info info = { .size = sizeof(info) };

	ASSERT_EQ(ioctl(self->fd, VMDEMO_IOC_INFO, &info), 0);
	EXPECT_EQ(info.size, sizeof(info));
	EXPECT_EQ(info.flags, 0);
	EXPECT_EQ(info.size_bytes, self->size);
	EXPECT_EQ(info.page_size, VT_PAGE);
	EXPECT_EQ(info.frames, FRAMES);
	EXPECT_EQ(info.frames_actual, FRAMES);
	EXPECT_EQ(info.pagemap_max, VMDEMO_PAGEMAP_MAX);
}

/* A newer program's larger structure is filled as far as known, and zeroed beyond. */
TEST_F(ioctl, info_larger)
{
	struct {
		struct vmdemo_info info;
		unsigned char more[100];
		unsigned char guard;
	} large;

	memset(&large, 0xff, sizeof(large));
	large.info.size = offsetof(typeof(large), guard);
	large.info.flags = 0;
	ASSERT_EQ(ioctl(self->fd, VMDEMO_IOC_INFO, &large), 0);
	EXPECT_EQ(large.info.size, sizeof(large.info));
	EXPECT_EQ(large.info.frames, FRAMES);
	for (size_t i = 0; i < sizeof(large.more); i++)
		EXPECT_EQ(large.more[i], 0);
	EXPECT_EQ(large.guard, 0xff);
}

/* The first release's structure is filled, and nothing behind it touched. */
TEST_F(ioctl, info_smallest)
{
	struct {
		struct vmdemo_info info;
		unsigned char guard[64];
	} small;

	memset(&small, 0xff, sizeof(small));
	small.info.size = VMDEMO_INFO_SIZE_VER0;
	small.info.flags = 0;
	ASSERT_EQ(ioctl(self->fd, VMDEMO_IOC_INFO, &small), 0);
	EXPECT_EQ(small.info.size_bytes, self->size);
	for (size_t i = VMDEMO_INFO_SIZE_VER0; i < sizeof(small); i++)
		EXPECT_EQ(((unsigned char *)&small)[i], 0xff);
}

/* INFO refuses sizes too small and too large, flags, and bad addresses. */
TEST_F(ioctl, info_bad_arguments)
{
	static char large[8192];
	struct vmdemo_info *info = (struct vmdemo_info *)large;
	static const struct {
		__u32 size, flags;
		int error;
	} bad[] = {
		{ 0, 0, EINVAL },
		{ VMDEMO_INFO_SIZE_VER0 - 1, 0, EINVAL },
		{ 4097, 0, E2BIG },
		{ UINT32_MAX, 0, E2BIG },
		{ VMDEMO_INFO_SIZE_VER0, 1, EINVAL },
		{ VMDEMO_INFO_SIZE_VER0, 1U << 31, EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		info->size = bad[i].size;
		info->flags = bad[i].flags;
		EXPECT_EQ(ioctl(self->fd, VMDEMO_IOC_INFO, info), -1);
		EXPECT_EQ(errno, bad[i].error);
	}
	info->size = 4096;
	info->flags = 0;
	EXPECT_EQ(ioctl(self->fd, VMDEMO_IOC_INFO, info), 0);
	EXPECT_EQ(ioctl(self->fd, VMDEMO_IOC_INFO, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
}

/* An unknown request is ENOTTY, also one of our own type. */
TEST_F(ioctl, unknown_requests)
{
	static const unsigned long requests[] = {
		_IO(VMDEMO_IOC_MAGIC, 5), _IOW(VMDEMO_IOC_MAGIC, 255, struct vmdemo_range),
		_IO('x', 0), 0, ~0UL, TCGETS,
	};
	char buffer[256] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		EXPECT_EQ(ioctl(self->fd, requests[i], buffer), -1);
		EXPECT_EQ(errno, ENOTTY);
	}
}

/* The three range requests refuse the same bad ranges, before they do anything. */
FIXTURE(range) {
	int fd;
	size_t size;
	char *mem;
};

FIXTURE_VARIANT(range) {
	unsigned long request;
	int forbidden_mode;	/* an open mode that must not be enough */
};

FIXTURE_VARIANT_ADD(range, prefetch) { VMDEMO_IOC_PREFETCH, O_WRONLY };
FIXTURE_VARIANT_ADD(range, evict) { VMDEMO_IOC_EVICT, O_WRONLY };
FIXTURE_VARIANT_ADD(range, discard) { VMDEMO_IOC_DISCARD, O_RDONLY };

FIXTURE_SETUP(range)
{
	self->fd = start(&self->size, &self->mem);
}

FIXTURE_TEARDOWN(range)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

TEST_F(range, bad_arguments)
{
	const __u64 size = self->size, p = VT_PAGE;
	const struct vmdemo_range bad[] = {
		{ .offset = 0, .length = 0 },
		{ .offset = 1, .length = p },
		{ .offset = p / 2, .length = p },
		{ .offset = 0, .length = 1 },
		{ .offset = 0, .length = p + 1 },
		{ .offset = 0, .length = size + p },
		{ .offset = size, .length = p },
		{ .offset = size - p, .length = 2 * p },
		{ .offset = size + p, .length = p },
		{ .offset = -p, .length = p },
		{ .offset = -p, .length = 2 * p },
		{ .offset = p, .length = -p },
		{ .offset = 2 * p, .length = -p },
		{ .offset = 1ULL << 63, .length = p },
		{ .offset = 0, .length = 1ULL << 63 },
		{ .offset = 1ULL << 63, .length = 1ULL << 63 },
		{ .offset = p, .length = (1ULL << 63) - p },
		/* Page numbers of 32 bits, and those that the index has room for, must not wrap. */
		{ .offset = 1ULL << 44, .length = p },
		{ .offset = 0, .length = (1ULL << 44) + p },
		{ .offset = (1ULL << 44) - p, .length = 2 * p },
		{ .offset = 1ULL << 48, .length = p },
		{ .offset = 0, .length = (1ULL << 48) + p },
		{ .offset = 0, .length = p, .flags = 1 },
		{ .offset = 0, .length = p, .flags = 1U << 31 },
		{ .offset = 0, .length = p, .reserved = 1 },
		{ .offset = 0, .length = p, .pages = 1 },
	};
	struct vmdemo_range range;

	self->mem[0]++;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		range = bad[i];
		EXPECT_EQ(ioctl(self->fd, variant->request, &range), -1) {
			TH_LOG("bad range %zu", i);
		}
		EXPECT_EQ(errno, EINVAL);
	}
	EXPECT_EQ(ioctl(self->fd, variant->request, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ioctl(self->fd, variant->request, ~0UL - 8), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(vt_count_resident(self->fd, 0, PAGES), 1);
	EXPECT_EQ(vt_stat("pages_in"), 1);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_EQ(vt_count_bad(self->mem + VT_PAGE, 1, PAGES - 1, SEED), 0);
}

/* An open that does not allow the effect is EBADF. */
TEST_F(range, open_mode)
{
	int fd = vt_open(variant->forbidden_mode);

	EXPECT_EQ(vt_range(fd, variant->request, 0, 1, NULL), -EBADF);
	EXPECT_EQ(vt_check(self->mem, 0, SEED), -1);
}

/* The last page, and the whole device, are inside. */
TEST_F(range, whole_device)
{
	size_t last = self->size / VT_PAGE - 1;

	EXPECT_EQ(vt_range(self->fd, variant->request, last, 1, NULL), 0);
	if (variant->request == VMDEMO_IOC_EVICT)
		EXPECT_EQ(vt_range(self->fd, variant->request, 0, last + 1, NULL), 0);
}

/* PREFETCH brings absent pages in, so that their first touch is no hard fault. */
TEST_F(ioctl, prefetch)
{
	__u64 started;

	ASSERT_EQ(vt_try_read(self->mem + 3 * VT_PAGE, NULL), 0);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_PREFETCH, 0, 10, &started), 0);
	EXPECT_EQ(started, 9);
	EXPECT_EQ(vt_count_resident(self->fd, 0, 10), 10);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 10, SEED), 0);
	EXPECT_EQ(vt_stat("faults_hard"), 1);
	EXPECT_EQ(vt_stat("prefetch_pages"), 9);
	EXPECT_EQ(vt_stat("pages_in"), 10);
	EXPECT_TRUE(vt_balanced());
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_PREFETCH, 0, 10, &started), 0);
	EXPECT_EQ(started, 0);
}

/* PREFETCH of more than the pool holds does not evict what it brought itself. */
TEST_F(ioctl, prefetch_more_than_fits)
{
	__u64 started;

	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_PREFETCH, 0, PAGES, &started), 0);
	EXPECT_GT(started, 0);
	EXPECT_LE(started, FRAMES);
	EXPECT_EQ(vt_count_resident(self->fd, 0, PAGES), started);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
}

/* EVICT frees the frames of its range and no other; dirty pages reach the disk first. */
TEST_F(ioctl, evict)
{
	__u64 freed;
	int i;

	for (i = 0; i < 20; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 5, 50, &freed), 0);
	EXPECT_EQ(freed, 15);
	EXPECT_EQ(vt_count_resident(self->fd, 0, 5), 5);
	EXPECT_EQ(vt_count_resident(self->fd, 5, 15), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 5, 15, SEED + 1));
	EXPECT_EQ(vt_stat("pages_out"), 15);
	EXPECT_EQ(vt_stat("frames_free"), FRAMES - 5);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 20, SEED + 1), 0);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, PAGES, &freed), 0);
	EXPECT_EQ(freed, 20);
	EXPECT_EQ(vt_stat("frames_free"), FRAMES);
	EXPECT_TRUE(vt_balanced());
}

/* DISCARD makes a range zero, resident, dirty, mapped or not, and nothing beside it. */
TEST_F(ioctl, discard)
{
	int i;

	for (i = 10; i < 14; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	ASSERT_EQ(vt_count_bad(self->mem + 14 * VT_PAGE, 14, 2, SEED), 0);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_DISCARD, 11, 20, NULL), 0);
	for (i = 11; i < 31; i++)
		EXPECT_TRUE(vt_is_zero(self->mem + i * VT_PAGE));
	EXPECT_EQ(vt_check(self->mem + 10 * VT_PAGE, 10, SEED + 1), -1);
	EXPECT_EQ(vt_count_bad(self->mem + 31 * VT_PAGE, 31, 40, SEED), 0);
	/* Discarded pages can be used as any other. */
	vt_fill(self->mem + 12 * VT_PAGE, 12, SEED + 2);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL), 0);
	EXPECT_EQ(vt_check(self->mem + 12 * VT_PAGE, 12, SEED + 2), -1);
	EXPECT_TRUE(vt_is_zero(self->mem + 13 * VT_PAGE));
}

/* What was discarded stays so over an unload. */
TEST_F(ioctl, discard_is_durable)
{
	vt_fill(self->mem, 0, SEED + 1);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_DISCARD, 0, 4, NULL), 0);
	ASSERT_EQ(fsync(self->fd), 0);
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	vt_start(FRAMES);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	for (int i = 0; i < 4; i++)
		EXPECT_TRUE(vt_is_zero(self->mem + i * VT_PAGE));
	EXPECT_EQ(vt_check(self->mem + 4 * VT_PAGE, 4, SEED), -1);
}

/* A private copy is not the device's page: DISCARD leaves it alone. */
TEST_F(ioctl, discard_spares_private_copies)
{
	char *private = vt_map(self->fd, 0, 2, VT_RW, MAP_PRIVATE);

	vt_fill(private, 0, SEED + 1);
	ASSERT_EQ(vt_try_read(private + VT_PAGE, NULL), 0);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_DISCARD, 0, 2, NULL), 0);
	EXPECT_EQ(vt_check(private, 0, SEED + 1), -1);
	EXPECT_TRUE(vt_is_zero(private + VT_PAGE));
}

/* DISCARD waits for pinned pages some seconds, then gives up with EBUSY. */
TEST_F(ioctl, discard_pinned_ebusy)
{
	struct iovec part = { self->mem, VT_PAGE };
	char page[VT_PAGE];
	__u64 start = vt_now_ms();
	int ends[2];

	ASSERT_EQ(pipe(ends), 0);
	ASSERT_EQ(vmsplice(ends[1], &part, 1, 0), VT_PAGE);
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_DISCARD, 0, 4, NULL), -EBUSY);
	EXPECT_LT(vt_now_ms() - start, 20000);
	ASSERT_EQ(read(ends[0], page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_DISCARD, 0, 4, NULL), 0);
	EXPECT_TRUE(vt_is_zero(self->mem));
}

/* PAGEMAP tells absent, active, standby, dirty and mapped apart. */
TEST_F(ioctl, pagemap)
{
	struct vmdemo_page page;

	page = vt_page(self->fd, 0);
	EXPECT_EQ(page.frame, VMDEMO_NO_FRAME);
	EXPECT_EQ(page.state, VMDEMO_PAGE_UNTOUCHED);
	EXPECT_EQ(page.flags, 0);
	ASSERT_EQ(vt_try_read(self->mem, NULL), 0);
	page = vt_page(self->fd, 0);
	EXPECT_LT(page.frame, FRAMES);
	EXPECT_EQ(page.state, VMDEMO_PAGE_ACTIVE);
	EXPECT_EQ(page.flags, VMDEMO_PAGE_MAPPED);
	ASSERT_EQ(vt_try_write(self->mem, NULL), 0);
	EXPECT_EQ(vt_page(self->fd, 0).flags, VMDEMO_PAGE_MAPPED | VMDEMO_PAGE_DIRTY);
	/* A small pool keeps all but the newest on standby. */
	ASSERT_EQ(vt_try_read(self->mem + VT_PAGE, NULL), 0);
	page = vt_page(self->fd, 0);
	EXPECT_EQ(page.state, VMDEMO_PAGE_STANDBY);
	EXPECT_EQ(page.flags, VMDEMO_PAGE_DIRTY);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_page(self->fd, 0).flags, 0);
}

/* PAGEMAP changes nothing: not a page comes, goes or moves. */
TEST_F(ioctl, pagemap_disturbs_nothing)
{
	struct vmdemo_page *map = calloc(PAGES, sizeof(*map)), *again = calloc(PAGES, sizeof(*map));
	__u64 soft;

	ASSERT_EQ(vt_count_bad(self->mem, 0, 100, SEED), 0);
	soft = vt_stat("faults_soft");
	ASSERT_EQ(vt_pagemap(self->fd, 0, PAGES, map), 0);
	ASSERT_EQ(vt_pagemap(self->fd, 0, PAGES, again), 0);
	EXPECT_EQ(memcmp(map, again, PAGES * sizeof(*map)), 0);
	EXPECT_EQ(vt_stat("pages_in"), 100);
	EXPECT_EQ(vt_stat("faults_soft"), soft);
}

/* PAGEMAP refuses bad ranges, too many pages, flags, and writes only what was asked for. */
TEST_F(ioctl, pagemap_bad_arguments)
{
	static struct vmdemo_page map[4];
	const __u64 size = self->size, p = VT_PAGE, to = (uintptr_t)map;
	const struct vmdemo_pagemap bad[] = {
		{ .offset = 0, .length = 0, .pages = to },
		{ .offset = 1, .length = p, .pages = to },
		{ .offset = 0, .length = p - 1, .pages = to },
		{ .offset = size, .length = p, .pages = to },
		{ .offset = size - p, .length = 2 * p, .pages = to },
		{ .offset = -p, .length = p, .pages = to },
		{ .offset = -p, .length = 2 * p, .pages = to },
		{ .offset = p, .length = -p, .pages = to },
		{ .offset = 0, .length = (VMDEMO_PAGEMAP_MAX + 1) * p, .pages = to },
		{ .offset = 1ULL << 44, .length = p, .pages = to },
		{ .offset = 1ULL << 48, .length = p, .pages = to },
		{ .offset = 0, .length = (1ULL << 44) + p, .pages = to },
		{ .offset = 0, .length = 1ULL << 63, .pages = to },
		{ .offset = 0, .length = p, .pages = to, .flags = 1 },
		{ .offset = 0, .length = p, .pages = to, .reserved = 1 },
	};
	int wo = vt_open(O_WRONLY);

	memset(map, 0xee, sizeof(map));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(ioctl(self->fd, VMDEMO_IOC_PAGEMAP, &bad[i]), -1) {
			TH_LOG("bad argument %zu", i);
		}
		EXPECT_EQ(errno, EINVAL);
	}
	for (size_t i = 0; i < sizeof(map); i++)
		ASSERT_EQ(((unsigned char *)map)[i], 0xee);
	EXPECT_EQ(vt_pagemap(self->fd, 0, 1, NULL), -EFAULT);
	EXPECT_EQ(vt_pagemap(self->fd, 0, 1, (void *)(~0UL - 7)), -EFAULT);
	EXPECT_EQ(ioctl(self->fd, VMDEMO_IOC_PAGEMAP, NULL), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(vt_pagemap(wo, 0, 1, map), -EBADF);
	ASSERT_EQ(vt_pagemap(self->fd, 0, 3, map), 0);
	EXPECT_EQ(map[2].frame, VMDEMO_NO_FRAME);
	EXPECT_EQ(((unsigned char *)map)[3 * sizeof(map[0])], 0xee);
}

/* PAGEMAP may write its answer into the device's own mapping. */
TEST_F(ioctl, pagemap_into_the_mapping)
{
	struct vmdemo_page *map = (struct vmdemo_page *)(self->mem + 100 * VT_PAGE);

	ASSERT_EQ(vt_try_read(self->mem, NULL), 0);
	ASSERT_EQ(vt_pagemap(self->fd, 0, PAGES, map), 0);
	EXPECT_LT(map[0].frame, FRAMES);
	EXPECT_EQ(map[1].frame, VMDEMO_NO_FRAME);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 100, SEED), 0);
}

TEST_HARNESS_MAIN
