// SPDX-License-Identifier: GPL-2.0
/*
 * space.c - sparse spaces: memory without a file, larger than the frames, the rest on a swap device
 */
#include <linux/falloc.h>
#include <sys/prctl.h>
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

FIXTURE(space) {
	int dev;
};

FIXTURE_SETUP(space)
{
	vt_load("backing=%s swap=%s frames=%d", vt_disk(), vt_disk2(), FRAMES);
	self->dev = vt_open(O_RDWR);
}

FIXTURE_TEARDOWN(space)
{
	if (self->dev >= 0)
		close(self->dev);
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

/* Read requests that the swap device has had; always the same if it does not count them. */
static __u64 swap_reads(void)
{
	unsigned long long reads = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", strrchr(vt_disk2(), '/') + 1);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &reads) != 1)
		vt_fail("no counts in %s", path);
	fclose(f);
	return reads;
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
	requests = swap_reads();
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_PREFETCH, 0, 16, &acted), 0);
	EXPECT_EQ(vt_count_bad(mem, 0, 16, SEED), 0);
	EXPECT_EQ(vt_stat("pages_in"), 16);
	EXPECT_LE(swap_reads() - requests, 1);
	munmap(mem, 16 * VT_PAGE);
	close(fd);
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
	EXPECT_EQ(fallocate(fd, 0, 0, VT_PAGE), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	munmap(mem, PAGES * VT_PAGE);
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

/* A child that does the same thing again and again, until it is killed. */
static pid_t keep_on(void (*work)(char *mem, __u64 *state), char *mem, __u64 seed)
{
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	prctl(PR_SET_PDEATHSIG, pid ? 0 : SIGKILL);
	while (!pid)
		work(mem, &seed);
	return pid;
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
	for (i = 0; i < 200; i++) {
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

/* Whoever cuts it and is killed: it is cut, or it is not. */
TEST_F(space, killed_while_truncating)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE), round;
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	int cut = 0;
	size_t i;

	for (round = 0; round < 60; round++) {
		struct stat st;
		pid_t pid;

		fill(mem, 0, PAGES, SEED + round);
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(ftruncate(fd, 8) != 0);
		usleep(round * 100);
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
	for (i = 0; i < 300; i++) {
		ASSERT_EQ(pwritev(fd, parts, 2, 0), VT_PAGE);
		ASSERT_EQ(lseek(fd, 0, SEEK_END), VT_PAGE);
		ASSERT_EQ(blocks(fd), 8);
		ASSERT_EQ(ftruncate(fd, 0), 0);
	}
	end(pid);
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
	EXPECT_TRUE(vt_wait_stat("frames_free", FRAMES - 2, FRAMES - 2, 20));
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

/* Strangers: who is sent the descriptor, and who opens it anew. The mapping alone keeps it. */
TEST_F(space, passed_on)
{
	char control[CMSG_SPACE(sizeof(int))] = { }, byte, name[32];
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int pair[2], fd, again;
	struct cmsghdr *cmsg;
	char *mem;
	pid_t pid;

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		fd = make_space(self->dev, PAGES * VT_PAGE);
		mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
		fill(mem, 0, PAGES, SEED);
		cmsg = CMSG_FIRSTHDR(&message);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
		_exit(sendmsg(pair[1], &message, 0) != 1);
	}
	ASSERT_EQ(recvmsg(pair[0], &message, 0), 1);
	ASSERT_EQ(vt_reap(pid), 0);
	cmsg = CMSG_FIRSTHDR(&message);
	ASSERT_NE(cmsg, NULL);
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
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
		ASSERT_EQ(vt_set("space_max_pages", shares[i].allowed), 0);
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

TEST_HARNESS_MAIN
