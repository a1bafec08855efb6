// SPDX-License-Identifier: GPL-2.0
/*
 * space.c - sparse spaces: memory without a file, larger than the frames, the rest on a swap device
 */
#include <limits.h>
#include <linux/falloc.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	64
#define PAGES	512
#define SEED	21
#define TIB	(1024ULL << 30)
#define DM	"vmdemo-space"

FIXTURE(space) {
	int dev;
};

static void remove_dm(void)
{
	if (access("/dev/mapper/" DM, F_OK))
		return;
	vt_try_unload();
	vt_shell("dmsetup remove --retry " DM "; rm -f /dev/mapper/" DM);
}

FIXTURE_SETUP(space)
{
	remove_dm();
	vt_load("backing=%s swap=%s frames=%d", vt_disk(), vt_disk2(), FRAMES);
	self->dev = vt_open(O_RDWR);
}

FIXTURE_TEARDOWN(space)
{
	if (self->dev >= 0)
		close(self->dev);
	remove_dm();
}

/* A descriptor of a new space, or -errno. */
static int try_space(int dev, __u64 bytes, __u64 max_pages)
{
	struct vmdemo_space_args args = { .size = bytes, .max_pages = max_pages };
	int fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);

	return fd < 0 ? -errno : fd;
}

static int make_space(int dev, __u64 bytes)
{
	int fd = try_space(dev, bytes, 0);

	if (fd < 0)
		vt_fail("no space of %llu bytes: %s", bytes, strerror(-fd));
	return fd;
}

static char *map_space(int fd, __u64 offset, size_t bytes, int flags)
{
	char *mem = mmap(NULL, bytes, VT_RW, flags, fd, offset);

	if (mem == MAP_FAILED)
		vt_fail("mmap of a space at %llu: %s", offset, strerror(errno));
	return mem;
}

static void fill(char *mem, size_t first, size_t pages, __u64 seed)
{
	size_t i;

	for (i = first; i < first + pages; i++)
		vt_fill(mem + i * VT_PAGE, i, seed);
}

static __u64 blocks(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		vt_fail("fstat: %s", strerror(errno));
	return st.st_blocks;
}

/* Every frame is free: what there was has gone with its last user. */
static bool all_free(void)
{
	return vt_wait_stat("frames_free", FRAMES, FRAMES, 20) &&
	       vt_wait_stat("swap_free", vt_get("swap_slots"), vt_get("swap_slots"), 20);
}

/* ---- pages come as zeros, go to slots, and come back ---- */

TEST_F(space, zeros_at_first)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	struct vmdemo_info info = { .size = sizeof(info) };
	size_t i;

	for (i = 0; i < PAGES; i++)
		ASSERT_TRUE(vt_is_zero(mem + i * VT_PAGE)) TH_LOG("page %zu", i);
	EXPECT_GE(vt_stat("faults_zero"), PAGES);
	/* What was only read has no place anywhere. */
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_EQ(vt_stat("pages_in"), 0);
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots"));
	EXPECT_EQ(blocks(fd), 0);
	ASSERT_EQ(ioctl(fd, VMDEMO_IOC_INFO, &info), 0);
	EXPECT_EQ(info.flags, VMDEMO_INFO_SPARSE);
	EXPECT_EQ(info.size_bytes, PAGES * VT_PAGE);
	EXPECT_EQ(info.frames, FRAMES);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

TEST_F(space, larger_than_memory)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE), round;
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	__u64 out;

	fill(mem, 0, PAGES, SEED);
	EXPECT_GE(vt_stat("pages_out"), PAGES - FRAMES);
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots") - PAGES);
	EXPECT_EQ(blocks(fd), PAGES * 8);
	for (round = 0; round < 3; round++)
		ASSERT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	EXPECT_GE(vt_stat("pages_in"), 3 * (PAGES - FRAMES));
	/* Clean pages that have a slot go without being written again. */
	out = vt_stat("pages_out");
	ASSERT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	EXPECT_LE(vt_stat("pages_out"), out + FRAMES);
	EXPECT_TRUE(vt_balanced());
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

/* Dirt of spaces is not written by age: it goes out when its frame is needed. */
TEST_F(space, goes_out_only_when_it_must)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);

	ASSERT_EQ(vt_set("dirty_age_ms", "50"), 0);
	ASSERT_EQ(vt_set("dirty_pct", "10"), 0);
	fill(mem, 0, FRAMES / 2, SEED);
	vt_nap(500);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_TRUE(vt_page(fd, 0).flags & VMDEMO_PAGE_DIRTY);
	EXPECT_EQ(vt_page(fd, 0).slot, 0);
	ASSERT_EQ(fsync(fd), 0);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	/* Nor when it is not needed any more. */
	EXPECT_TRUE(all_free());
	EXPECT_EQ(vt_stat("pages_out"), 0);
}

TEST_F(space, pagemap)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	struct vmdemo_page page = vt_page(fd, 3);
	__u64 acted;

	EXPECT_EQ(page.state, VMDEMO_PAGE_UNTOUCHED);
	EXPECT_EQ(page.frame, VMDEMO_NO_FRAME);
	vt_fill(mem + 3 * VT_PAGE, 3, SEED);
	page = vt_page(fd, 3);
	EXPECT_EQ(page.state, VMDEMO_PAGE_ACTIVE);
	EXPECT_LT(page.frame, FRAMES);
	EXPECT_EQ(page.flags, VMDEMO_PAGE_DIRTY | VMDEMO_PAGE_MAPPED);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, PAGES, &acted), 0);
	EXPECT_EQ(acted, 1);
	page = vt_page(fd, 3);
	EXPECT_EQ(page.state, VMDEMO_PAGE_SWAPPED);
	EXPECT_EQ(page.frame, VMDEMO_NO_FRAME);
	EXPECT_GT(page.slot, 0);
	EXPECT_LE(page.slot, vt_get("swap_slots"));
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_PREFETCH, 0, PAGES, &acted), 0);
	EXPECT_EQ(acted, 1);
	EXPECT_EQ(vt_check(mem + 3 * VT_PAGE, 3, SEED), -1);
	/* It keeps its slot, and is where the slot says. */
	EXPECT_EQ(vt_page(fd, 3).slot, page.slot);
	EXPECT_EQ(vt_stat("faults_hard"), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* Read or write requests that the swap device has had; always the same if it counts none. */
static __u64 swap_requests(bool write)
{
	unsigned long long reads = 0, writes = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", strrchr(vt_disk2(), '/') + 1);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu %*u %*u %*u %llu", &reads, &writes) != 2)
		vt_fail("no counts in %s", path);
	fclose(f);
	return write ? writes : reads;
}

/* Neighbours are neighbours on the device as well, whatever the order they went out in. */
TEST_F(space, neighbours_stay_together)
{
	int fd = make_space(self->dev, 16 * VT_PAGE);
	char *mem = map_space(fd, 0, 16 * VT_PAGE, MAP_SHARED);
	struct vmdemo_page map[16];
	__u64 acted, requests;
	int i;

	for (i = 0; i < 16; i++) {
		int p = i * 7 % 16;

		vt_fill(mem + p * VT_PAGE, p, SEED);
		ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, p, 1, &acted), 0);
		ASSERT_EQ(acted, 1);
	}
	ASSERT_EQ(vt_pagemap(fd, 0, 16, map), 0);
	for (i = 1; i < 16; i++)
		EXPECT_EQ(map[i].slot, map[0].slot + i);
	requests = swap_requests(false);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_PREFETCH, 0, 16, &acted), 0);
	EXPECT_EQ(vt_count_bad(mem, 0, 16, SEED), 0);
	EXPECT_EQ(vt_stat("pages_in"), 16);
	EXPECT_LE(swap_requests(false) - requests, 1);
	munmap(mem, 16 * VT_PAGE);
	close(fd);
}

/* Those that go out together go in one request, whatever the order they were written in. */
TEST_F(space, neighbours_go_out_together)
{
	int fd = make_space(self->dev, 32 * VT_PAGE), round, i;
	char *mem = map_space(fd, 0, 32 * VT_PAGE, MAP_SHARED);
	__u64 acted, requests;

	/* The first time they get slots, the second they have them. */
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 16; i++) {
			int p = i * 7 % 16;

			vt_fill(mem + (16 + p) * VT_PAGE, 16 + p, SEED + round);
		}
		requests = swap_requests(true);
		ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, 32, &acted), 0);
		EXPECT_EQ(acted, 16);
		EXPECT_EQ(vt_stat("pages_out"), 16 * (round + 1));
		EXPECT_LE(swap_requests(true) - requests, 1);
		/* A virtio disk counts. */
		if (strstr(vt_disk2(), "/vd"))
			EXPECT_EQ(swap_requests(true) - requests, 1);
	}
	EXPECT_EQ(vt_count_bad(mem + 16 * VT_PAGE, 16, 16, SEED + 1), 0);
	munmap(mem, 32 * VT_PAGE);
	close(fd);
}

/* Wait until a page is in that state, which lasts as long as the slow swap device takes. */
static bool becomes(int fd, size_t page, int state, struct vmdemo_page *seen)
{
	__u64 deadline = vt_now_ms() + 20000;

	do {
		*seen = vt_page(fd, page);
		if (seen->state == state)
			return true;
	} while (vt_now_ms() < deadline);
	return false;
}

/* Swap to a device that takes two seconds for all it does. */
static void swap_slowly(struct _test_data_space *self)
{
	const __u64 sectors = (vt_get("swap_slots") + 1) * 8;

	close(self->dev);
	self->dev = -1;
	if (!vt_shell("modprobe dm-delay && dmsetup version >/dev/null"))
		vt_skip("dm-delay or dmsetup is missing");
	if (vt_set("swap", "none") ||
	    !vt_shell("dmsetup create " DM " --table '0 %llu delay %s 0 2000'; dmsetup mknodes " DM,
		      sectors, vt_disk2()) || vt_set("swap", "/dev/mapper/" DM))
		vt_fail("there is no slow device to swap to");
	self->dev = vt_open(O_RDWR);
}

/* What a page is while it waits, goes out, and comes in. */
TEST_F(space, pagemap_on_the_way)
{
	struct vmdemo_page page;
	__u64 acted;
	char *mem;
	pid_t pid;
	int fd, i;

	swap_slowly(self);
	fd = make_space(self->dev, PAGES * VT_PAGE);
	mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	fill(mem, 0, 8, SEED);
	/* A small pool keeps all but the newest on standby. */
	ASSERT_TRUE(becomes(fd, 3, VMDEMO_PAGE_STANDBY, &page));
	EXPECT_LT(page.frame, FRAMES);
	EXPECT_EQ(page.flags, VMDEMO_PAGE_DIRTY);
	EXPECT_EQ(page.slot, 0);

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(vt_range(fd, VMDEMO_IOC_EVICT, 0, 8, &acted) || acted != 8);
	ASSERT_TRUE(becomes(fd, 3, VMDEMO_PAGE_WRITING, &page));
	EXPECT_LT(page.frame, FRAMES);
	EXPECT_GT(page.slot, 0);
	EXPECT_EQ(page.flags, 0);
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_page(fd, 3).state, VMDEMO_PAGE_SWAPPED);
	EXPECT_EQ(vt_page(fd, 3).slot, page.slot);

	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_PREFETCH, 0, 8, &acted), 0);
	ASSERT_EQ(acted, 8);
	ASSERT_TRUE(becomes(fd, 3, VMDEMO_PAGE_LOADING, &page));
	EXPECT_LT(page.frame, FRAMES);
	EXPECT_EQ(page.flags, 0);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(vt_check(mem + i * VT_PAGE, i, SEED), -1);
	EXPECT_NE(vt_page(fd, 3).state, VMDEMO_PAGE_LOADING);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/*
 * Whoever looks while pages go out sees each of them somewhere, and written to a slot only; and no
 * page stays because it is looked at.
 */
TEST_F(space, pagemap_meets_eviction)
{
	struct vmdemo_page pages[32];
	struct vmdemo_pagemap map = {
		.length = sizeof(pages) / sizeof(*pages) * VT_PAGE,
		.pages = (__u64)(unsigned long)pages,
	};
	__u64 acted, deadline = vt_now_ms() + 3000;
	int fd, status, nowhere = 0, slotless = 0, writing = 0;
	unsigned int i;
	char *mem;
	pid_t pid;

	while (vt_now_ms() < deadline) {
		/* A new space each time: a page keeps its slot. */
		fd = make_space(self->dev, map.length);
		mem = map_space(fd, 0, map.length, MAP_SHARED);
		fill(mem, 0, map.length / VT_PAGE, SEED);
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(vt_range(fd, VMDEMO_IOC_EVICT, 0, map.length / VT_PAGE, &acted) ||
			      acted != map.length / VT_PAGE);
		do {
			ASSERT_EQ(ioctl(fd, VMDEMO_IOC_PAGEMAP, &map), 0);
			for (i = 0; i < map.length / VT_PAGE; i++) {
				nowhere += pages[i].state == VMDEMO_PAGE_UNTOUCHED;
				writing += pages[i].state == VMDEMO_PAGE_WRITING;
				slotless += pages[i].state == VMDEMO_PAGE_WRITING && !pages[i].slot;
			}
			vt_stat("frames_pinned");
		} while (!waitpid(pid, &status, WNOHANG));
		ASSERT_EQ(status, 0);
		munmap(mem, map.length);
		close(fd);
	}
	TH_LOG("saw %d pages being written", writing);
	EXPECT_GT(writing, 0);
	EXPECT_EQ(nowhere, 0);
	EXPECT_EQ(slotless, 0);
}

/* The bytes on the swap device are the page's, in its slot. */
TEST_F(space, slot_is_the_place)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	void *buffer = vt_buffer(1);
	__u64 acted;

	vt_fill(mem + 5 * VT_PAGE, 5, SEED);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 5, 1, &acted), 0);
	vt_disk_read(vt_disk2(), vt_page(fd, 5).slot, buffer);
	EXPECT_EQ(vt_check(buffer, 5, SEED), -1);
	munmap(buffer, VT_PAGE);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* ---- holes ---- */

/* Bytes of the kernel's memory that the entries of pages, among others, are in. */
static long long node_bytes(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	long long objects = -1, bytes = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "radix_tree_node %lld %*d %lld", &objects, &bytes) == 2)
			break;
	if (f)
		fclose(f);
	if (objects < 0)
		vt_fail("no radix_tree_node in /proc/slabinfo");
	return objects * bytes;
}

TEST_F(space, holes_cost_nothing)
{
	int fd = make_space(self->dev, 64 * TIB);
	__u64 state = 1, place[1000];
	long long before, after;
	char *mem;
	int i;

	before = node_bytes();
	mem = map_space(fd, 0, 64 * TIB, MAP_SHARED | MAP_NORESERVE);
	for (i = 0; i < 1000; i++) {
		/* A page of each 64 GiB, somewhere. */
		place[i] = (__u64)i * (64 * TIB / 1000) / VT_PAGE +
			   vt_random(&state) % (TIB / 32 / VT_PAGE);
		vt_fill(mem + place[i] * VT_PAGE, place[i], SEED);
	}
	after = node_bytes();
	TH_LOG("1000 pages, scattered over 64 TiB: %lld bytes of kernel memory, page tables aside",
	       after - before);
	/* Each has a branch of entries of its own: five nodes of 576 bytes at worst. */
	EXPECT_GT(after - before, 1000 * 576);
	EXPECT_LT(after - before, 1000 * 6 * 576);
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(vt_check(mem + place[i] * VT_PAGE, place[i], SEED), -1);
	EXPECT_EQ(blocks(fd), 8000);
	munmap(mem, 64 * TIB);
	close(fd);
	EXPECT_TRUE(all_free());
}

TEST_F(space, punch)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	const __u64 slots = vt_get("swap_slots");
	size_t i;

	fill(mem, 0, PAGES, SEED);
	EXPECT_EQ(vt_stat("swap_free"), slots - PAGES);
	/* Pages 8 to 15 as a whole, parts of 7 and 16. */
	ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8 * VT_PAGE - 100,
			    8 * VT_PAGE + 200), 0);
	for (i = 8; i < 16; i++)
		EXPECT_TRUE(vt_is_zero(mem + i * VT_PAGE));
	for (i = 1; i <= 100; i++) {
		ASSERT_EQ(mem[8 * VT_PAGE - i], 0);
		ASSERT_EQ(mem[16 * VT_PAGE + i - 1], 0);
	}
	EXPECT_LT(vt_check(mem + 16 * VT_PAGE, 16, SEED), 20);
	EXPECT_GT(vt_check(mem + 7 * VT_PAGE, 7, SEED), 400);
	EXPECT_EQ(vt_stat("swap_free"), slots - PAGES + 8);
	EXPECT_EQ(blocks(fd), (PAGES - 8) * 8);
	ASSERT_EQ(madvise(mem + 32 * VT_PAGE, 64 * VT_PAGE, MADV_REMOVE), 0);
	EXPECT_TRUE(vt_is_zero(mem + 32 * VT_PAGE));
	EXPECT_EQ(blocks(fd), (PAGES - 72) * 8);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_DISCARD, 100, 28, NULL), 0);
	EXPECT_EQ(blocks(fd), (PAGES - 100) * 8);
	EXPECT_EQ(vt_count_bad(mem + 128 * VT_PAGE, 128, PAGES - 128, SEED), 0);
	EXPECT_EQ(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, VT_PAGE), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

/* Room is kept for pages that are zeros still: what was promised can be written, whoever comes. */
TEST_F(space, reserved)
{
	const __u64 slots = vt_get("swap_slots");
	int fd = make_space(self->dev, 4 * VT_PAGE), other, bounded;
	char *mem, *rest;
	size_t i;

	EXPECT_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, VT_PAGE, 3 * VT_PAGE), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 4 * VT_PAGE);
	EXPECT_EQ(vt_stat("swap_free"), slots - 3);
	/* Those that have it already do not count twice; the size grows. */
	EXPECT_EQ(posix_fallocate(fd, 0, PAGES * VT_PAGE), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), PAGES * VT_PAGE);
	EXPECT_EQ(vt_stat("swap_free"), slots - PAGES);
	EXPECT_EQ(blocks(fd), PAGES * 8);
	mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	for (i = 0; i < PAGES; i++)
		EXPECT_TRUE(vt_is_zero(mem + i * VT_PAGE));
	EXPECT_EQ(vt_stat("pages_out"), 0);

	/* More than there is: nothing stays behind of it. */
	other = make_space(self->dev, (slots + 64) * VT_PAGE);
	EXPECT_EQ(posix_fallocate(other, 0, (slots - PAGES + 1) * VT_PAGE), ENOSPC);
	EXPECT_EQ(fallocate(other, 0, 0, 64 * TIB), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(lseek(other, 0, SEEK_END), (slots + 64) * VT_PAGE);
	EXPECT_EQ(vt_stat("swap_free"), slots - PAGES);
	EXPECT_EQ(blocks(other), 0);
	bounded = try_space(self->dev, PAGES * VT_PAGE, 10);
	ASSERT_GE(bounded, 0);
	EXPECT_EQ(posix_fallocate(bounded, 0, 11 * VT_PAGE), ENOSPC);
	EXPECT_EQ(posix_fallocate(bounded, 0, 10 * VT_PAGE), 0);
	EXPECT_EQ(posix_fallocate(bounded, 5 * VT_PAGE, 5 * VT_PAGE), 0);
	close(bounded);
	/* All the rest is another's. */
	EXPECT_EQ(posix_fallocate(other, 0, (slots - PAGES) * VT_PAGE), 0);
	rest = map_space(other, 0, (slots + 64) * VT_PAGE, MAP_SHARED);
	EXPECT_EQ(vt_try_write(rest + (slots - PAGES) * VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(vt_try_write(rest, NULL), 0);
	fill(mem, 0, PAGES, SEED);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	/* A hole gives it back; zeros keep it. */
	EXPECT_EQ(fallocate(fd, FALLOC_FL_ZERO_RANGE, VT_PAGE + 100, 8 * VT_PAGE), 0);
	EXPECT_EQ(vt_stat("swap_free"), 0);
	for (i = 2; i < 9; i++)
		EXPECT_TRUE(vt_is_zero(mem + i * VT_PAGE));
	EXPECT_EQ(mem[VT_PAGE + 100] | mem[9 * VT_PAGE + 99], 0);
	EXPECT_GT(vt_check(mem + VT_PAGE, 1, SEED), 10);
	EXPECT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * VT_PAGE), 0);
	EXPECT_EQ(vt_stat("swap_free"), 4);
	EXPECT_EQ(fallocate(fd, FALLOC_FL_ZERO_RANGE, (PAGES + 10) * VT_PAGE + 5, 100), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), (PAGES + 10) * VT_PAGE + 105);
	EXPECT_EQ(vt_stat("swap_free"), 3);
	munmap(rest, (slots + 64) * VT_PAGE);
	munmap(mem, PAGES * VT_PAGE);
	close(other);
	close(fd);
	EXPECT_TRUE(all_free());
}

TEST_F(space, seek)
{
	int fd = make_space(self->dev, 64 * TIB);
	char byte = 1;

	EXPECT_EQ(lseek(fd, 0, SEEK_DATA), -1);
	EXPECT_EQ(errno, ENXIO);
	EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), 0);
	ASSERT_EQ(pwrite(fd, &byte, 1, 32 * TIB + 5), 1);
	ASSERT_EQ(pwrite(fd, &byte, 1, 32 * TIB + VT_PAGE), 1);
	EXPECT_EQ(lseek(fd, 0, SEEK_DATA), 32 * TIB);
	EXPECT_EQ(lseek(fd, 32 * TIB + 77, SEEK_DATA), 32 * TIB + 77);
	EXPECT_EQ(lseek(fd, 32 * TIB, SEEK_HOLE), 32 * TIB + 2 * VT_PAGE);
	EXPECT_EQ(lseek(fd, 32 * TIB + 2 * VT_PAGE, SEEK_DATA), -1);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 64 * TIB);
	EXPECT_EQ(lseek(fd, 64 * TIB, SEEK_HOLE), -1);
	EXPECT_EQ(errno, ENXIO);
	close(fd);
}

/* ---- a file ---- */

TEST_F(space, truncate)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	char *private = map_space(fd, 0, PAGES * VT_PAGE, MAP_PRIVATE);
	siginfo_t info;

	fill(mem, 0, PAGES, SEED);
	private[200 * VT_PAGE] = 1;
	ASSERT_EQ(ftruncate(fd, 100 * VT_PAGE + 8), 0);
	EXPECT_EQ(vt_count_bad(mem, 0, 100, SEED), 0);
	EXPECT_EQ(vt_check(mem + 100 * VT_PAGE, 100, SEED), 1);
	EXPECT_EQ(mem[100 * VT_PAGE + 8], 0);
	EXPECT_EQ(vt_try_read(mem + 101 * VT_PAGE, &info), SIGBUS);
	EXPECT_EQ(vt_try_write(private + 200 * VT_PAGE, &info), SIGBUS);
	EXPECT_EQ(blocks(fd), 101 * 8);
	/* What was cut off does not come back. */
	ASSERT_EQ(ftruncate(fd, PAGES * VT_PAGE), 0);
	EXPECT_TRUE(vt_is_zero(mem + 101 * VT_PAGE));
	EXPECT_TRUE(vt_is_zero(mem + (PAGES - 1) * VT_PAGE));
	EXPECT_EQ(mem[100 * VT_PAGE + 4000], 0);
	EXPECT_EQ(ftruncate(fd, VMDEMO_SPACE_MAX + VT_PAGE), -1);
	EXPECT_EQ(errno, EFBIG);
	/* Nor what was stored beyond the end, in its page. */
	ASSERT_EQ(ftruncate(fd, 50 * VT_PAGE + 8), 0);
	mem[50 * VT_PAGE + 100] = 7;
	ASSERT_EQ(ftruncate(fd, 50 * VT_PAGE + 200), 0);
	EXPECT_EQ(mem[50 * VT_PAGE + 100], 0);
	mem[50 * VT_PAGE + 300] = 7;
	ASSERT_EQ(pwrite(fd, "x", 1, 50 * VT_PAGE + 400), 1);
	EXPECT_EQ(mem[50 * VT_PAGE + 300], 0);
	ASSERT_EQ(ftruncate(fd, VMDEMO_SPACE_MAX), 0);
	ASSERT_EQ(ftruncate(fd, 0), 0);
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots"));
	munmap(mem, PAGES * VT_PAGE);
	munmap(private, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

static __u64 *turns;	/* that all children have had */

/* A child that does the same thing again and again, until it is killed. */
static pid_t keep_on(void (*work)(char *mem, __u64 *state), char *mem, __u64 seed)
{
	pid_t pid;

	if (!turns)
		turns = mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (turns == MAP_FAILED)
		vt_fail("no memory");
	pid = fork();
	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	prctl(PR_SET_PDEATHSIG, pid ? 0 : SIGKILL);
	while (!pid) {
		work(mem, &seed);
		__atomic_add_fetch(turns, 1, __ATOMIC_RELAXED);
	}
	return pid;
}

/* On a busy machine it takes the children a while to begin: is there any use in going on? */
static bool turns_wanted(int round, __u64 least)
{
	return round < 100000 && __atomic_load_n(turns, __ATOMIC_RELAXED) < least;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void write_somewhere(char *mem, __u64 *state)
{
	vt_try_write(mem + vt_random(state) % (PAGES / 2) * VT_PAGE, NULL);
}

/* Also while others touch it: the first half of it. */
TEST_F(space, truncate_under_load)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE), i;
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	__u64 state = 7;
	pid_t pid[2];

	for (i = 0; i < 2; i++)
		pid[i] = keep_on(write_somewhere, mem, i + 1);
	for (i = 0; i < 200 || turns_wanted(i, 500); i++) {
		size_t mark = PAGES / 2 + vt_random(&state) % (PAGES / 2), end;

		mem[mark * VT_PAGE] = 1;
		end = vt_random(&state) % (mark * VT_PAGE);
		ASSERT_EQ(ftruncate(fd, end), 0);
		ASSERT_EQ(ftruncate(fd, PAGES * VT_PAGE), 0);
		ASSERT_EQ(mem[mark * VT_PAGE], 0);
		ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    vt_random(&state) % (PAGES * VT_PAGE),
				    vt_random(&state) % (64 * VT_PAGE) + 1), 0);
	}
	for (i = 0; i < 2; i++)
		end(pid[i]);
	EXPECT_GE(*turns, 500);
	ASSERT_EQ(ftruncate(fd, 0), 0);
	EXPECT_EQ(blocks(fd), 0);
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots"));
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

static void write_in_sequence(char *mem, __u64 *state)
{
	size_t i, from = vt_random(state) % (PAGES - 64);

	for (i = from; i < from + 64; i++)
		mem[i * VT_PAGE] = i;
}

static void read_in_sequence(char *mem, __u64 *state)
{
	size_t i, from = vt_random(state) % (PAGES - 64);

	for (i = from; i < from + 64; i++)
		vt_try_read(mem + i * VT_PAGE, NULL);
}

/* A fault maps the pages that follow for writing only as far as they have a slot reserved. */
TEST_F(space, punch_under_sequential_writers)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE), i;
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	const __u64 slots = vt_get("swap_slots");
	__u64 state = 9;
	pid_t pid[3];

	for (i = 0; i < 3; i++)
		pid[i] = keep_on(i < 2 ? write_in_sequence : read_in_sequence, mem, i + 1);
	/* On a busy machine it takes the writers a while to begin. */
	for (i = 0; i < 1000 || (i < 100000 && !vt_stat("write_around_pages")); i++)
		ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    vt_random(&state) % PAGES * VT_PAGE, 32 * VT_PAGE), 0);
	for (i = 0; i < 3; i++)
		end(pid[i]);
	EXPECT_GT(vt_stat("write_around_pages"), 0);
	/* What is dirty has a slot, or could have one. */
	EXPECT_EQ(slots - vt_stat("swap_free"), blocks(fd) / 8);
	for (i = 0; i < PAGES; i++)
		if (mem[i * VT_PAGE])
			ASSERT_EQ(lseek(fd, i * VT_PAGE, SEEK_DATA), i * VT_PAGE);
	ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGES * VT_PAGE), 0);
	EXPECT_EQ(blocks(fd), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

static pid_t start_truncating(int fd)
{
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	if (!pid)
		_exit(ftruncate(fd, 8) != 0);
	return pid;
}

/* Milliseconds that it takes somebody to cut it, from his birth on; the best of three. */
static __u64 truncating_takes(int fd, char *mem)
{
	__u64 least = ~0ULL, start;
	int i;

	for (i = 0; i < 3; i++) {
		fill(mem, 0, PAGES, SEED);
		start = vt_now_ms();
		if (vt_reap(start_truncating(fd)))
			vt_fail("the space cannot be truncated");
		start = vt_now_ms() - start;
		least = start < least ? start : least;
		if (ftruncate(fd, PAGES * VT_PAGE))
			vt_fail("the space cannot grow");
	}
	return least + 1;
}

/* Whoever cuts it and is killed: it is cut, or it is not. */
TEST_F(space, killed_while_truncating)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE), round;
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	const __u64 takes = truncating_takes(fd, mem);
	int cut = 0;
	size_t i;

	/* From too early to too late; on a machine that has become slower, later still. */
	for (round = 0; round < 60 || (round < 1000 && !cut); round++) {
		struct stat st;
		pid_t pid;

		fill(mem, 0, PAGES, SEED + round);
		pid = start_truncating(fd);
		usleep(round * takes * 1000 / 30);
		end(pid);
		ASSERT_EQ(fstat(fd, &st), 0);
		if (st.st_size != 8) {
			ASSERT_EQ(st.st_size, PAGES * VT_PAGE);
			for (i = 1; i < PAGES; i++)
				ASSERT_EQ(vt_check(mem + i * VT_PAGE, i, SEED + round), -1);
			continue;
		}
		cut++;
		ASSERT_EQ(ftruncate(fd, PAGES * VT_PAGE), 0);
		for (i = 1; i < PAGES; i++)
			ASSERT_TRUE(vt_is_zero(mem + i * VT_PAGE));
	}
	TH_LOG("takes %llu ms; cut in %d of %d rounds", takes, cut, round);
	EXPECT_GT(cut, 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

static void store_behind(char *mem, __u64 *state)
{
	vt_try_write(mem + (1 + vt_random(state) % 3) * VT_PAGE, NULL);
}

/* A write that grows it and ends early leaves nothing behind its end. */
TEST_F(space, write_cut_short)
{
	int fd = make_space(self->dev, 0), i;
	char *mem = map_space(fd, 0, 4 * VT_PAGE, MAP_SHARED);
	struct iovec parts[2] = { { vt_buffer(1), VT_PAGE }, { (void *)8, 3 * VT_PAGE } };
	siginfo_t info;
	pid_t pid;

	pid = keep_on(store_behind, mem, 1);
	for (i = 0; i < 300 || turns_wanted(i, 500); i++) {
		ASSERT_EQ(pwritev(fd, parts, 2, 0), VT_PAGE);
		ASSERT_EQ(lseek(fd, 0, SEEK_END), VT_PAGE);
		ASSERT_EQ(blocks(fd), 8);
		ASSERT_EQ(ftruncate(fd, 0), 0);
	}
	end(pid);
	EXPECT_GE(*turns, 500);
	ASSERT_EQ(pwritev(fd, parts, 2, 0), VT_PAGE);
	EXPECT_EQ(vt_try_read(mem + VT_PAGE, &info), SIGBUS);
	ASSERT_EQ(ftruncate(fd, 4 * VT_PAGE), 0);
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(vt_is_zero(mem + i * VT_PAGE));
	munmap(parts[0].iov_base, VT_PAGE);
	munmap(mem, 4 * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

/* What a frame held when its memory failed is lost; what is in the slot is older, and is not it. */
TEST_F(space, failed_memory)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED), *hit = mem + 3 * VT_PAGE;
	char *page = vt_buffer(1);
	siginfo_t info;
	__u64 acted;

	fill(mem, 0, 16, SEED);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 3, 1, &acted), 0);
	vt_fill(hit, 3, SEED + 1);
	if (madvise(hit, VT_PAGE, MADV_HWPOISON) && errno == EINVAL)
		SKIP(return, "this kernel handles no memory failures");
	ASSERT_EQ(madvise(mem, PAGES * VT_PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(vt_try_read(hit, &info), SIGBUS);
	EXPECT_EQ(vt_try_read(hit, &info), SIGBUS);
	EXPECT_EQ(pread(fd, page, VT_PAGE, 3 * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(pwrite(fd, "x", 1, 3 * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(vt_stat("pages_lost"), 1);
	EXPECT_EQ(vt_page(fd, 3).slot, 0);
	EXPECT_EQ(vt_count_bad(mem, 0, 3, SEED), 0);
	EXPECT_EQ(vt_check(mem + 4 * VT_PAGE, 4, SEED), -1);
	/* Written as a whole, it is there again. */
	vt_fill(page, 3, SEED + 2);
	ASSERT_EQ(pwrite(fd, page, VT_PAGE, 3 * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(hit, 3, SEED + 2), -1);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 3, 1, &acted), 0);
	EXPECT_EQ(vt_check(hit, 3, SEED + 2), -1);
	/* So it is, being zeros, if it is punched. */
	vt_fill(hit, 3, SEED + 3);
	madvise(hit, VT_PAGE, MADV_HWPOISON);
	ASSERT_EQ(madvise(mem, PAGES * VT_PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(vt_try_read(hit, &info), SIGBUS);
	ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * VT_PAGE, VT_PAGE),
		  0);
	EXPECT_TRUE(vt_is_zero(hit));
	munmap(page, VT_PAGE);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	/* In place of the two that failed there are others. */
	EXPECT_TRUE(vt_wait_stat("frames_free", FRAMES, FRAMES, 20));
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots"));
}

TEST_F(space, read_and_write)
{
	int fd = make_space(self->dev, 0);
	char *page = vt_buffer(1), *mem;
	int i;

	EXPECT_EQ(read(fd, page, VT_PAGE), 0);
	for (i = 0; i < PAGES; i++) {
		vt_fill(page, i, SEED);
		ASSERT_EQ(write(fd, page, VT_PAGE), VT_PAGE);
	}
	EXPECT_EQ(lseek(fd, 0, SEEK_END), PAGES * VT_PAGE);
	mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(pread(fd, page, VT_PAGE, i * VT_PAGE), VT_PAGE);
		ASSERT_EQ(vt_check(page, i, SEED), -1);
	}
	/* Beyond the end: a hole between, and it is longer. */
	ASSERT_EQ(pwrite(fd, "x", 1, 2 * PAGES * VT_PAGE), 1);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 2 * PAGES * VT_PAGE + 1);
	ASSERT_EQ(pread(fd, page, VT_PAGE, (2 * PAGES - 1) * VT_PAGE), VT_PAGE);
	EXPECT_TRUE(vt_is_zero(page));
	EXPECT_EQ(pread(fd, page, VT_PAGE, 2 * PAGES * VT_PAGE), 1);
	EXPECT_EQ(pwrite(fd, "x", 1, VMDEMO_SPACE_MAX), -1);
	EXPECT_EQ(errno, EFBIG);
	munmap(page, VT_PAGE);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* Its own machine code: mov eax, 42; ret. */
TEST_F(space, code_runs)
{
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	int fd = make_space(self->dev, VT_PAGE);
	int (*function)(void);
	__u64 acted;

	ASSERT_EQ(pwrite(fd, code, sizeof(code), 0), sizeof(code));
	function = mmap(NULL, VT_PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	ASSERT_NE((void *)function, MAP_FAILED);
	EXPECT_EQ(function(), 42);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, 1, &acted), 0);
	EXPECT_EQ(acted, 1);
	EXPECT_EQ(function(), 42);
	munmap(function, VT_PAGE);
	close(fd);
}

/* ---- sharing ---- */

TEST_F(space, fork_shares)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	char *private = map_space(fd, 0, PAGES * VT_PAGE, MAP_PRIVATE);
	pid_t pid;

	fill(mem, 0, PAGES, SEED);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		close(fd);
		fill(private, 0, 8, SEED + 9);
		if (vt_count_bad(mem, 0, PAGES, SEED) || vt_count_bad(private, 0, 8, SEED + 9))
			_exit(1);
		fill(mem, 0, PAGES, SEED + 1);
		_exit(0);
	}
	ASSERT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED + 1), 0);
	EXPECT_EQ(vt_count_bad(private, 0, PAGES, SEED + 1), 0);
	munmap(mem, PAGES * VT_PAGE);
	munmap(private, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

static void send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	if (sendmsg(socket, &message, 0) != 1)
		vt_fail("sendmsg: %s", strerror(errno));
}

static int receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))] = { }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		vt_fail("recvmsg: %s", strerror(errno));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* Strangers: who is sent the descriptor, and who opens it anew. The mapping alone keeps it. */
TEST_F(space, passed_on)
{
	int pair[2], fd, again;
	char name[32], *mem;
	pid_t pid;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		fd = make_space(self->dev, PAGES * VT_PAGE);
		mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
		fill(mem, 0, PAGES, SEED);
		send_fd(pair[1], fd);
		_exit(0);
	}
	fd = receive_fd(pair[0]);
	ASSERT_EQ(vt_reap(pid), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	again = open(name, O_RDWR);
	ASSERT_GE(again, 0);
	close(fd);
	mem = map_space(again, 0, PAGES * VT_PAGE, MAP_SHARED);
	close(again);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	/* Neither the device nor the module can go. */
	close(self->dev);
	self->dev = -1;
	EXPECT_EQ(vt_set("swap", "none"), -EBUSY);
	EXPECT_EQ(vt_set("backing", "none"), -EBUSY);
	EXPECT_EQ(vt_try_unload(), -EWOULDBLOCK);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	munmap(mem, PAGES * VT_PAGE);
	EXPECT_TRUE(all_free());
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_try_unload(), 0);
	close(pair[0]);
	close(pair[1]);
}

/* A descriptor alone, without any mapping, keeps it as well. */
TEST_F(space, descriptor_keeps_it)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char byte;

	ASSERT_EQ(pwrite(fd, "x", 1, 5), 1);
	close(self->dev);
	self->dev = -1;
	EXPECT_EQ(vt_set("swap", "none"), -EBUSY);
	EXPECT_EQ(vt_set("backing", "none"), -EBUSY);
	EXPECT_EQ(vt_try_unload(), -EWOULDBLOCK);
	ASSERT_EQ(pread(fd, &byte, 1, 5), 1);
	EXPECT_EQ(byte, 'x');
	close(fd);
	EXPECT_EQ(vt_try_unload(), 0);
}

#define TURN_PAGES	(2 * FRAMES)
#define TURNS		8

/* Two by turns: see what the other stored to every page, and store something else. */
static int exchange(int fd, __u64 who)
{
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	__u64 *turn = (__u64 *)(mem + TURN_PAGES * VT_PAGE), round;

	for (round = who; round < TURNS; round += 2) {
		while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != round)
			sched_yield();
		if (round && vt_count_bad(mem, 0, TURN_PAGES, SEED + round - 1))
			return 1;
		fill(mem, 0, TURN_PAGES, SEED + round);
		__atomic_store_n(turn, round + 1, __ATOMIC_RELEASE);
	}
	return 0;
}

/* Neither is the other's parent, and each has mapped it for himself, where he likes. */
TEST_F(space, strangers_exchange_stores)
{
	int pair[2], who;
	pid_t pid[2];

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	for (who = 0; who < 2; who++) {
		pid[who] = fork();
		ASSERT_GE(pid[who], 0);
		if (!pid[who]) {
			int fd = who ? receive_fd(pair[1]) : make_space(self->dev, PAGES * VT_PAGE);

			alarm(400);
			if (!who)
				send_fd(pair[0], fd);
			close(self->dev);
			_exit(exchange(fd, who));
		}
	}
	EXPECT_EQ(vt_reap(pid[0]), 0);
	EXPECT_EQ(vt_reap(pid[1]), 0);
	EXPECT_GT(vt_stat("pages_in"), TURNS * FRAMES / 2);
	EXPECT_TRUE(all_free());
	close(pair[0]);
	close(pair[1]);
}

/* Spaces and the device's own pages share the frames, and keep apart. */
TEST_F(space, many_beside_each_other)
{
	int fd[8], i, round;
	char *mem[8], *linear = vt_map(self->dev, 0, PAGES, VT_RW, MAP_SHARED);

	for (i = 0; i < 8; i++) {
		fd[i] = make_space(self->dev, PAGES * VT_PAGE);
		mem[i] = map_space(fd[i], 0, PAGES * VT_PAGE, MAP_SHARED);
	}
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 8; i++)
			fill(mem[i], 0, 64, SEED + i + round);
		fill(linear, 0, 64, SEED + 100 + round);
		for (i = 0; i < 8; i++)
			EXPECT_EQ(vt_count_bad(mem[i], 0, 64, SEED + i + round), 0);
		EXPECT_EQ(vt_count_bad(linear, 0, 64, SEED + 100 + round), 0);
	}
	ASSERT_EQ(fsync(self->dev), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 64, SEED + 101));
	for (i = 0; i < 8; i++) {
		munmap(mem[i], PAGES * VT_PAGE);
		close(fd[i]);
	}
	/* What others leave behind is not seen by who comes after. */
	fd[0] = make_space(self->dev, PAGES * VT_PAGE);
	mem[0] = map_space(fd[0], 0, PAGES * VT_PAGE, MAP_SHARED);
	for (i = 0; i < PAGES; i++)
		ASSERT_TRUE(vt_is_zero(mem[0] + i * VT_PAGE));
	munmap(mem[0], PAGES * VT_PAGE);
	close(fd[0]);
	munmap(linear, PAGES * VT_PAGE);
}

/* ---- the end of the slots, and pins ---- */

TEST_F(space, its_share_is_used_up)
{
	int fd = try_space(self->dev, PAGES * VT_PAGE, 10), i;
	char *mem;
	siginfo_t info;

	ASSERT_GE(fd, 0);
	mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	for (i = 0; i < 10; i++)
		ASSERT_EQ(vt_try_write(mem + i * VT_PAGE, &info), 0);
	ASSERT_EQ(vt_try_write(mem + 10 * VT_PAGE, &info), SIGBUS);
	EXPECT_EQ(info.si_addr, mem + 10 * VT_PAGE);
	EXPECT_EQ(vt_stat("swap_full"), 1);
	EXPECT_EQ(vt_try_read(mem + 10 * VT_PAGE, &info), 0);
	EXPECT_EQ(pwrite(fd, "x", 1, 20 * VT_PAGE), -1);
	EXPECT_EQ(errno, ENOSPC);
	/* Those it has can be written at will; what is given back can be used again. */
	ASSERT_EQ(vt_try_write(mem + 5 * VT_PAGE, &info), 0);
	ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, VT_PAGE), 0);
	EXPECT_EQ(vt_try_write(mem + 10 * VT_PAGE, &info), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* What the administrator allows holds for every space made from then on, whatever it asks for. */
TEST_F(space, no_space_takes_all_slots)
{
	static const struct {
		__u64 asked;
		const char *allowed;
		int most;
	} shares[] = {
		{ 0, "10", 10 }, { 20, "10", 10 }, { 5, "10", 5 }, { 20, "0", 20 },
	};
	char page[VT_PAGE] = "x";
	int i, n, fds[ARRAY_SIZE(shares)];

	for (i = 0; i < ARRAY_SIZE(shares); i++) {
		ASSERT_EQ(vt_set("space_max_pages", "%s", shares[i].allowed), 0);
		fds[i] = try_space(self->dev, PAGES * VT_PAGE, shares[i].asked);
		ASSERT_GE(fds[i], 0);
	}
	for (i = 0; i < ARRAY_SIZE(shares); i++) {
		for (n = 0; pwrite(fds[i], page, VT_PAGE, n * VT_PAGE) == VT_PAGE; n++)
			;
		EXPECT_EQ(errno, ENOSPC);
		EXPECT_EQ(n, shares[i].most) TH_LOG("space %d", i);
		close(fds[i]);
	}
}

TEST_F(space, swap_is_full)
{
	const __u64 slots = vt_get("swap_slots");
	const size_t bytes = (slots + 64) * VT_PAGE;
	int fd = make_space(self->dev, bytes), other = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, bytes, MAP_SHARED | MAP_NORESERVE);
	char *theirs = map_space(other, 0, PAGES * VT_PAGE, MAP_SHARED);
	char *linear = vt_map(self->dev, 0, PAGES, VT_RW, MAP_SHARED);
	__u64 i, state = 3;

	ASSERT_EQ(vt_try_write(theirs, NULL), 0);
	for (i = 0; i < slots - 1; i++) {
		mem[i * VT_PAGE] = i % 251;
		mem[i * VT_PAGE + 8] = 1;
	}
	EXPECT_EQ(vt_stat("swap_free"), 0);
	EXPECT_EQ(vt_try_write(mem + i * VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(vt_try_write(theirs + VT_PAGE, NULL), SIGBUS);
	/* Nothing else is disturbed: what has a slot goes and comes, as do the device's pages. */
	for (i = 0; i < 500; i++) {
		__u64 page = vt_random(&state) % (slots - 1);

		ASSERT_EQ((unsigned char)mem[page * VT_PAGE], page % 251);
		mem[page * VT_PAGE + 16] = 2;
	}
	fill(linear, 0, PAGES, SEED);
	EXPECT_EQ(vt_count_bad(linear, 0, PAGES, SEED), 0);
	munmap(mem, bytes);
	close(fd);
	EXPECT_TRUE(vt_wait_stat("swap_free", slots - 1, slots - 1, 60));
	EXPECT_EQ(vt_try_write(theirs + VT_PAGE, NULL), 0);
	munmap(theirs, PAGES * VT_PAGE);
	close(other);
	munmap(linear, PAGES * VT_PAGE);
}

/* A page in a pipe stays what it was, whatever becomes of its space; the pool loses no frame. */
TEST_F(space, pinned_page_outlives_its_space)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE), pipefd[2];
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	struct iovec iov = { mem, VT_PAGE };
	char *page = vt_buffer(1);

	ASSERT_EQ(pipe(pipefd), 0);
	vt_fill(mem, 0, SEED);
	ASSERT_EQ(vmsplice(pipefd[1], &iov, 1, 0), VT_PAGE);
	ASSERT_EQ(ftruncate(fd, 0), 0);
	ASSERT_EQ(ftruncate(fd, PAGES * VT_PAGE), 0);
	EXPECT_TRUE(vt_is_zero(mem));
	fill(mem, 0, PAGES, SEED + 1);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED + 1), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
	EXPECT_EQ(vt_get("frames_actual"), FRAMES);
	ASSERT_EQ(read(pipefd[0], page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, 0, SEED), -1);
	munmap(page, VT_PAGE);
	close(pipefd[0]);
	close(pipefd[1]);
}

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

/* There may be 4,096 at a time; who wants one more is told, and gets it when one has gone. */
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

/* Swap to a device of so many sectors: how many slots there are then, or -errno. */
static int try_swap_to(const char *options, int sectors)
{
	int ret;

	if (!vt_shell("dmsetup create %s " DM " --table '0 %d linear %s 0'; dmsetup mknodes " DM,
		      options, sectors, vt_disk2()))
		vt_fail("dmsetup makes no device of %d sectors", sectors);
	ret = vt_set("swap", "/dev/mapper/" DM);
	if (!ret) {
		ret = vt_get("swap_slots");
		vt_set("swap", "none");
	}
	vt_shell("dmsetup remove --retry " DM "; rm -f /dev/mapper/" DM);
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
	if (vt_shell("modprobe dm-mod && dmsetup version >/dev/null")) {
		EXPECT_EQ(try_swap_to("-r", 800), -EROFS);
		EXPECT_EQ(try_swap_to("", 15), -ENOSPC);
		EXPECT_EQ(try_swap_to("", 16), 1);
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
