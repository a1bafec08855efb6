/* SPDX-License-Identifier: GPL-2.0 */
/*
 * segment.h - a space with four segments, and what the tests of them begin with
 *
 * Included after kselftest_harness.h, once by each program.
 */
#ifndef VMDEMO_SEGMENT_TEST_H
#define VMDEMO_SEGMENT_TEST_H

#include "vmdemo_test.h"

#define FRAMES	256
#define SEED	33

/* The layout: places in pages. */
#define CODE		0
#define CODE_PAGES	128
#define DATA		128
#define DATA_PAGES	64
#define HEAP		1024
#define HEAP_BOUND	512
#define STACK		(PAGES - 256)
#define STACK_BOUND	256
#define PAGES		(64 * (1UL << 40) / VT_PAGE)	/* 64 TiB */

enum { SEG_CODE, SEG_DATA, SEG_HEAP, SEG_STACK, SEGMENTS };

/* Where in the linear space code and data come from. */
#define CODE_FROM	1000
#define DATA_FROM	2000

static const struct vmdemo_segment layout[SEGMENTS] = {
	[SEG_CODE] = {
		.name = "code", .base = CODE * VT_PAGE, .bound = CODE_PAGES * VT_PAGE,
		.limit = CODE_PAGES * VT_PAGE, .prot = PROT_READ | PROT_EXEC,
		.flags = VMDEMO_SEGMENT_ORIGIN, .origin = CODE_FROM * VT_PAGE,
	},
	[SEG_DATA] = {
		.name = "data", .base = DATA * VT_PAGE, .bound = DATA_PAGES * VT_PAGE,
		.limit = DATA_PAGES * VT_PAGE, .prot = VT_RW,
		.flags = VMDEMO_SEGMENT_ORIGIN, .origin = DATA_FROM * VT_PAGE,
	},
	[SEG_HEAP] = {
		.name = "heap", .base = HEAP * VT_PAGE, .bound = HEAP_BOUND * VT_PAGE,
		.prot = VT_RW, .growth = VMDEMO_GROW_UP,
	},
	[SEG_STACK] = {
		.name = "stack", .base = STACK * VT_PAGE, .bound = STACK_BOUND * VT_PAGE,
		.limit = VT_PAGE, .prot = VT_RW, .growth = VMDEMO_GROW_DOWN,
	},
};

FIXTURE(segment) {
	struct vmdemo_segment table[SEGMENTS];
	int dev;
};

FIXTURE_SETUP(segment)
{
	vt_stop();
	vt_disk_fill(vt_disk(), CODE_FROM, CODE_PAGES, SEED);
	vt_disk_fill(vt_disk(), DATA_FROM, DATA_PAGES, SEED);
	vt_load("backing=%s swap=%s frames=%d", vt_disk(), vt_disk2(), FRAMES);
	ASSERT_EQ(vt_set("read_ahead_pages", "0"), 0);
	memcpy(self->table, layout, sizeof(layout));
	self->dev = vt_open(O_RDWR);
}

FIXTURE_TEARDOWN(segment)
{
	if (self->dev >= 0)
		close(self->dev);
}

/* A descriptor of a new space, or -errno. */
static inline int try_table(int dev, const void *table, __u32 nr)
{
	struct vmdemo_space_args args = {
		.size = PAGES * VT_PAGE, .segments = (uintptr_t)table, .nr_segments = nr,
	};
	int fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);

	return fd < 0 ? -errno : fd;
}

static inline int make_space(int dev, const struct vmdemo_segment *table)
{
	int fd = try_table(dev, table, SEGMENTS);

	if (fd < 0)
		vt_fail("no space with segments: %s", strerror(-fd));
	return fd;
}

static inline char *try_map(int fd, size_t first, size_t pages, int prot, int flags)
{
	return mmap(NULL, pages * VT_PAGE, prot, flags, fd, first * VT_PAGE);
}

/* The whole of a segment, to its bound. */
static inline char *map_segment(int fd, int nr)
{
	const struct vmdemo_segment *segment = &layout[nr];
	char *mem = try_map(fd, segment->base / VT_PAGE, segment->bound / VT_PAGE, segment->prot,
			    MAP_SHARED);

	if (mem == MAP_FAILED)
		vt_fail("mmap of segment %s: %s", segment->name, strerror(errno));
	return mem;
}

static inline struct vmdemo_segment_state state_of(int fd, int nr)
{
	struct vmdemo_segment_state state = { .number = nr };

	if (ioctl(fd, VMDEMO_IOC_SEGMENT, &state))
		vt_fail("VMDEMO_IOC_SEGMENT %d: %s", nr, strerror(errno));
	return state;
}

static inline int set_limit(int fd, int nr, size_t pages)
{
	struct vmdemo_segment_limit limit = { .number = nr, .limit = pages * VT_PAGE };

	return ioctl(fd, VMDEMO_IOC_LIMIT, &limit) ? -errno : 0;
}

#endif /* VMDEMO_SEGMENT_TEST_H */
