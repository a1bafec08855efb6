// SPDX-License-Identifier: GPL-2.0
/*
 * density.c - one call unmaps many pages where those in frames are dense, however large the device
 * or space is; and where they are scattered it does not look through endless empty page tables
 */
#include "kselftest_harness.h"
#include "nullb.h"

#define FRAMES	512UL
#define DENSE	(4 * FRAMES)	/* pages used, side by side */
#define ROUNDS	(4 * DENSE)	/* accesses, each to one of them at random */
#define OLD	(72 * FRAMES)	/* pages of a space that were used before */
#define LEAST	32		/* frames freed for each unmap call */
#define TIB		(1024ULL << 30)

FIXTURE(density) {
	__u64 calls, freed;	/* when counting began */
	int fd;
};

FIXTURE_SETUP(density)
{
	nullb_load();
	nullb_remove();
	vt_stop();
	self->fd = -1;
}

FIXTURE_TEARDOWN(density)
{
	close(self->fd);
	nullb_remove();
}

/* A device 'ratio' times as large as the pool. */
static void use_device(struct _test_data_density *self, __u64 ratio)
{
	vt_load("backing=%s frames=%lu",
		nullb_make(0, ratio * FRAMES * VT_PAGE >> 20, false), FRAMES);
	vt_set("read_ahead_pages", "0");
	self->fd = vt_open(O_RDWR);
}

/* A space, of which more has been written than the pool holds; the first segment, if it has any. */
static char *use_space(struct _test_data_density *self, const struct vmdemo_segment *table,
		       unsigned int segments)
{
	struct vmdemo_space_args args = {
		.size = 64 * TIB, .segments = (uintptr_t)table, .nr_segments = segments,
	};
	char *mem;
	size_t i;
	int dev;

	vt_load("backing=%s swap=%s frames=%lu", nullb_make(0, 64, false),
		nullb_make(1, 2 * OLD * VT_PAGE >> 20, false), FRAMES);
	vt_set("read_ahead_pages", "0");
	dev = vt_open(O_RDWR);
	self->fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	close(dev);
	if (self->fd < 0)
		vt_fail("no space: %s", strerror(errno));
	mem = vt_map(self->fd, 0, OLD, VT_RW, MAP_SHARED);
	for (i = 0; i < OLD; i++)
		mem[i * VT_PAGE] = 1;
	munmap(mem, OLD * VT_PAGE);
	return vt_map(self->fd, 32 * TIB / VT_PAGE, DENSE, VT_RW, MAP_SHARED);
}

static __u64 freed(void)
{
	return vt_stat("evictions_clean") + vt_stat("evictions_dirty");
}

static void begin(struct _test_data_density *self)
{
	self->calls = vt_stat("unmap_calls");
	self->freed = freed();
}

/* Frames freed for each unmap call since. */
static double yield(struct _test_data_density *self, const char *what, __u64 number)
{
	__u64 calls = vt_stat("unmap_calls") - self->calls, gone = freed() - self->freed;

	printf("# %s %llu: %llu evictions, %llu unmap calls\n", what, number, gone, calls);
	return gone < ROUNDS / 4 ? 0 : (double)gone / (calls ?: 1);
}

/* Touch pages of a mapping at random. */
static void use(char *mem, size_t pages, __u64 state, bool write)
{
	size_t i;

	for (i = 0; i < ROUNDS; i++) {
		char *page = mem + vt_random(&state) % pages * VT_PAGE;

		if (write)
			*page = i;
		else
			vt_touch(page);
	}
}

TEST_F(density, device)
{
	static const __u64 ratios[] = { 2, 8, 64, 512, 4096 };
	size_t i, pages, first;
	char *mem;

	for (i = 0; i < ARRAY_SIZE(ratios); i++) {
		use_device(self, ratios[i]);
		pages = ratios[i] < 4 ? ratios[i] * FRAMES : DENSE;
		first = ratios[i] < 64 ? 0 : ratios[i] / 2 * FRAMES + 77;
		mem = vt_map(self->fd, first, pages, VT_RW, MAP_SHARED);
		use(mem, pages, 1, false);
		begin(self);
		use(mem, pages, 2, false);
		EXPECT_GE(yield(self, "device, ratio", ratios[i]), LEAST);
		munmap(mem, pages * VT_PAGE);
		close(self->fd);
		nullb_remove();
	}
	self->fd = -1;
}

/* All of the device is used: not dense, but a few thousand entries hold enough. */
TEST_F(density, whole_device)
{
	static const __u64 ratios[] = { 16, 32 };
	size_t i;
	char *mem;

	for (i = 0; i < ARRAY_SIZE(ratios); i++) {
		use_device(self, ratios[i]);
		mem = vt_map(self->fd, 0, ratios[i] * FRAMES, VT_RW, MAP_SHARED);
		use(mem, ratios[i] * FRAMES, 1, false);
		begin(self);
		use(mem, ratios[i] * FRAMES, 2, false);
		EXPECT_GE(yield(self, "all of a device, ratio", ratios[i]), LEAST);
		munmap(mem, ratios[i] * FRAMES * VT_PAGE);
		close(self->fd);
		nullb_remove();
	}
	self->fd = -1;
}

TEST_F(density, space)
{
	char *mem = use_space(self, NULL, 0);

	use(mem, DENSE, 1, true);
	begin(self);
	use(mem, DENSE, 2, true);
	EXPECT_GE(yield(self, "space, pages written", OLD + DENSE), LEAST);
	munmap(mem, DENSE * VT_PAGE);
}

TEST_F(density, segments)
{
	static const struct vmdemo_segment table[] = {
		{ .name = "old", .bound = OLD * VT_PAGE, .limit = OLD * VT_PAGE, .prot = VT_RW },
		{ .name = "new", .base = 32 * TIB, .bound = DENSE * VT_PAGE,
		  .limit = DENSE * VT_PAGE, .prot = VT_RW },
	};
	char *mem = use_space(self, table, ARRAY_SIZE(table));

	use(mem, DENSE, 1, true);
	begin(self);
	use(mem, DENSE, 2, true);
	EXPECT_GE(yield(self, "segments, pages written", OLD + DENSE), LEAST);
	munmap(mem, DENSE * VT_PAGE);
}

#define PARTS	4

/* The same pages in several VMAs, and each part in one of its own. */
TEST_F(density, several_vmas)
{
	char *mem[PARTS], *all;
	int i;

	use_device(self, 512);
	for (i = 0; i < PARTS; i++)
		mem[i] = vt_map(self->fd, i * DENSE / PARTS, DENSE / PARTS, VT_RW, MAP_SHARED);
	all = vt_map(self->fd, 0, DENSE, VT_RW, MAP_SHARED);
	use(all, DENSE, 9, false);
	begin(self);
	for (i = 0; i < PARTS; i++) {
		use(mem[i], DENSE / PARTS, i, false);
		use(all, DENSE, i, false);
	}
	EXPECT_GE(yield(self, "VMAs", PARTS + 1), LEAST);
	for (i = 0; i < PARTS; i++)
		munmap(mem[i], DENSE / PARTS * VT_PAGE);
	munmap(all, DENSE * VT_PAGE);
}

TEST_F(density, several_processes)
{
	pid_t child[PARTS];
	int i;

	use_device(self, 512);
	begin(self);
	for (i = 0; i < PARTS; i++) {
		child[i] = fork();
		if (!child[i]) {
			use(vt_map(self->fd, 0, DENSE, VT_RW, MAP_SHARED), DENSE, i, false);
			_exit(0);
		}
		ASSERT_GT(child[i], 0);
	}
	for (i = 0; i < PARTS; i++)
		EXPECT_EQ(vt_reap(child[i]), 0);
	EXPECT_GE(yield(self, "processes", PARTS), LEAST);
}

#define WIDE	(4 * TIB)
#define RECORD	64UL

/* Records that are read as a whole, scattered over terabytes: one call unmaps one. */
TEST_F(density, records)
{
	__u64 state = 1, i, k;
	char *mem;

	use_device(self, WIDE / VT_PAGE / FRAMES);
	mem = vt_map(self->fd, 0, WIDE / VT_PAGE, VT_RW, MAP_SHARED);
	begin(self);
	for (i = 0; i < ROUNDS / RECORD; i++) {
		__u64 record = vt_random(&state) % (WIDE / VT_PAGE / RECORD);

		for (k = 0; k < RECORD; k++)
			vt_touch(mem + (record * RECORD + k) * VT_PAGE);
	}
	EXPECT_GE(yield(self, "records of", RECORD), LEAST);
	munmap(mem, WIDE);
}

/* Pages scattered over terabytes: each is unmapped alone, without a look at empty entries. */
TEST_F(density, scattered)
{
	__u64 state = 1, pages, calls;
	size_t i;
	char *mem;

	use_device(self, WIDE / VT_PAGE / FRAMES);
	mem = vt_map(self->fd, 0, WIDE / VT_PAGE, VT_RW, MAP_SHARED);
	begin(self);
	pages = vt_stat("unmap_pages");
	for (i = 0; i < ROUNDS; i++)
		vt_touch(mem + vt_random(&state) % (WIDE / VT_PAGE) * VT_PAGE);
	yield(self, "scattered, TiB", WIDE / TIB);
	pages = vt_stat("unmap_pages") - pages;
	calls = vt_stat("unmap_calls") - self->calls;
	TH_LOG("%llu pages in the ranges unmapped", pages);
	EXPECT_GT(calls, ROUNDS / 4);
	EXPECT_LE(pages, 8 * calls);
	munmap(mem, WIDE);
}

/* ... also beside dense ones, in a device that is not much larger than the pool. */
TEST_F(density, scattered_beside_dense)
{
	__u64 state = 1, pages;
	const __u64 ratio = 60;
	size_t i, page;
	char *mem;

	use_device(self, ratio);
	mem = vt_map(self->fd, 0, ratio * FRAMES, VT_RW, MAP_SHARED);
	use(mem, DENSE, 1, false);
	begin(self);
	pages = vt_stat("unmap_pages");
	for (i = 0; i < ROUNDS; i++) {
		page = vt_random(&state) % (i % 32 ? DENSE : ratio * FRAMES);
		vt_touch(mem + page * VT_PAGE);
	}
	EXPECT_GE(yield(self, "one in 32 scattered, ratio", ratio), LEAST / 2);
	pages = vt_stat("unmap_pages") - pages;
	TH_LOG("%llu pages in the ranges unmapped", pages);
	EXPECT_LE(pages, 64 * (freed() - self->freed));
	munmap(mem, ratio * FRAMES * VT_PAGE);
}

TEST_HARNESS_MAIN
