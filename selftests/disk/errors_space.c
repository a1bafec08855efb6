// SPDX-License-Identifier: GPL-2.0
/*
 * errors_space.c - the disk that a sparse space swaps to or comes from fails, or does not answer
 */
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "errors.h"
#include "wait.h"

/* ---- segments that come from the disk ---- */

/* A space with one segment: the first 16 pages of the device. */
static int space_with_origin(struct _test_data_errors *self, int loading)
{
	struct vmdemo_segment part = {
		.name = "part", .bound = 16 * VT_PAGE, .limit = 16 * VT_PAGE,
		.prot = VT_RW, .loading = loading, .flags = VMDEMO_SEGMENT_ORIGIN,
	};
	struct vmdemo_space_args args = {
		.size = part.bound, .segments = (uintptr_t)&part, .nr_segments = 1,
	};
	int space = ioctl(self->fd, VMDEMO_IOC_SPACE, &args);

	if (space < 0)
		vt_fail("no space: %s", strerror(errno));
	return space;
}

static void start_with_swap(struct _test_data_errors *self)
{
	stop(self);
	vt_load("backing=%s swap=%s frames=%d", vt_disk(), vt_disk2(), FRAMES);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	if (vt_set("dirty_age_ms", "0"))
		vt_fail("dirty_age_ms cannot be set");
}

/*
 * A page of a segment whose origin cannot be read is SIGBUS, and no other of it, however it is
 * loaded; it is right once its origin is, and what the others have been given stays theirs.
 */
static void read_origin(struct __test_metadata *_metadata, struct _test_data_errors *self,
			int loading)
{
	int space = space_with_origin(self, loading);
	char *mem = vt_map(space, 0, 16, VT_RW, MAP_SHARED), byte;
	size_t i;

	for (i = 0; i < 16; i++)
		EXPECT_EQ(vt_try_read(mem + i * VT_PAGE, NULL), i == BAD ? SIGBUS : 0);
	EXPECT_EQ(vt_count_bad(mem, 0, BAD, SEED), 0);
	EXPECT_EQ(vt_count_bad(mem + (BAD + 1) * VT_PAGE, BAD + 1, 15 - BAD, SEED), 0);
	EXPECT_EQ(vt_try_write(mem + BAD * VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(pread(space, &byte, 1, BAD * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	vt_fill(mem + 3 * VT_PAGE, 3, SEED + 1);
	heal();
	EXPECT_EQ(vt_check(mem + BAD * VT_PAGE, BAD, SEED), -1);
	EXPECT_EQ(vt_check(mem + 3 * VT_PAGE, 3, SEED + 1), -1);
	EXPECT_EQ(vt_check(self->mem + 3 * VT_PAGE, 3, SEED), -1);
	munmap(mem, 16 * VT_PAGE);
	close(space);
}

TEST_F(errors, unreadable_origin)
{
	int loading;

	start_with_swap(self);
	for (loading = VMDEMO_LOAD_PAGE; loading <= VMDEMO_LOAD_UPFRONT; loading++) {
		ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, 16, NULL), 0);
		break_pages(BAD, 1);
		read_origin(_metadata, self, loading);
	}
	EXPECT_GE(vt_stat("read_errors"), 3);
}

static void in_shrink(const struct wait *wait)
{
	(void)wait;
	vt_set("frames", "%d", FRAMES / 2);
}

/* A segment comes from a silent disk as a whole, and a pool has to write before it shrinks. */
TEST_F(errors, silent_load)
{
	struct wait waits[] = {
		{ in_fault, NULL, -1, 0 }, { in_shrink, NULL, -1, 0 },
	};
	char *mem;

	start_with_swap(self);
	waits[0].fd = space_with_origin(self, VMDEMO_LOAD_WHOLE);
	mem = vt_map(waits[0].fd, 0, 16, PROT_READ, MAP_SHARED);
	waits[0].mem = mem;
	store(self, 200, FRAMES, SEED + 1);
	silence();
	EXPECT_TRUE(all_wait_killably(waits, ARRAY_SIZE(waits)));
	answer();
	EXPECT_EQ(vt_count_bad(mem, 0, 16, SEED), 0);
	munmap(mem, 16 * VT_PAGE);
	close(waits[0].fd);
	EXPECT_EQ(vt_set("frames", "%d", FRAMES), 0);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, 200, FRAMES, SEED + 1));
	EXPECT_TRUE(vt_balanced());
}

/* What is being discarded is zeros for a segment that comes from there, whatever the disk has. */
TEST_F(errors, silent_discard)
{
	pid_t discarder, reader, ended = 0;
	__u64 deadline;
	int space;
	char *mem;

	start_with_swap(self);
	space = space_with_origin(self, VMDEMO_LOAD_PAGE);
	mem = vt_map(space, 0, 16, PROT_READ, MAP_SHARED);
	store(self, BAD, 1, SEED + 1);
	silence();
	discarder = fork();
	if (!discarder)
		_exit(vt_range(self->fd, VMDEMO_IOC_DISCARD, BAD, 1, NULL) != 0);
	deadline = vt_now_ms() + 20000;
	while (vt_resident(self->fd, BAD) && vt_now_ms() < deadline)
		vt_nap(5);
	reader = fork();
	if (!reader)
		_exit(!vt_is_zero(mem + BAD * VT_PAGE));
	while (!ended && vt_now_ms() < deadline) {
		int status = 1;

		ended = waitpid(reader, &status, WNOHANG);
		if (ended)
			EXPECT_EQ(status, 0);
		vt_nap(5);
	}
	EXPECT_EQ(ended, reader);
	answer();
	if (!ended)
		vt_reap(reader);
	EXPECT_EQ(vt_reap(discarder), 0);
	EXPECT_TRUE(vt_is_zero(mem + BAD * VT_PAGE));
	munmap(mem, 16 * VT_PAGE);
	close(space);
}

/* ---- the disk that sparse spaces swap to ---- */

#define SWAPPED	256	/* pages of a space, four times the frames */

FIXTURE(swap) {
	int fd;
	char *mem;
};

FIXTURE_SETUP(swap)
{
	struct vmdemo_space_args args = { .size = SWAPPED * VT_PAGE };
	size_t i;
	int dev;

	put_between(PAGES, SEED);
	vt_load("swap=%s frames=%u", vt_disk(), FRAMES);
	dev = vt_open(O_RDWR);
	self->fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	if (self->fd < 0)
		vt_fail("no space: %s", strerror(errno));
	close(dev);
	self->mem = vt_map(self->fd, 0, SWAPPED, VT_RW, MAP_SHARED);
	for (i = 0; i < SWAPPED; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED);
}

static void leave_space(struct _test_data_swap *self)
{
	if (self->fd < 0)
		return;
	munmap(self->mem, SWAPPED * VT_PAGE);
	close(self->fd);
	self->fd = -1;
}

FIXTURE_TEARDOWN(swap)
{
	leave_space(self);
	clear_away();
}

/* Some page that is on the disk only, and its slot, so that there are others before and behind. */
static size_t swapped_page(struct _test_data_swap *self, size_t *slot)
{
	struct vmdemo_page map[SWAPPED];
	size_t i;

	if (vt_pagemap(self->fd, 0, SWAPPED, map))
		vt_fail("PAGEMAP: %s", strerror(errno));
	for (i = 20; i < SWAPPED - 20; i++) {
		*slot = map[i].slot;
		if (map[i].state == VMDEMO_PAGE_SWAPPED && *slot > 0)
			return i;
	}
	vt_fail("no page is on the disk");
}

static size_t bad_pages(struct _test_data_swap *self, size_t first, size_t pages, __u64 seed)
{
	return vt_count_bad(self->mem + first * VT_PAGE, first, pages, seed);
}

/* A slot that cannot be read is SIGBUS for its page alone, which is right once the disk is. */
TEST_F(swap, unreadable_slot)
{
	size_t slot, bad = swapped_page(self, &slot), i;
	char byte;

	break_pages(slot, 1);
	for (i = bad - 16; i < bad + 16; i++)
		EXPECT_EQ(vt_try_read(self->mem + i * VT_PAGE, NULL), i == bad ? SIGBUS : 0);
	EXPECT_EQ(bad_pages(self, bad - 16, 16, SEED), 0);
	EXPECT_EQ(bad_pages(self, bad + 1, 15, SEED), 0);
	EXPECT_EQ(vt_try_write(self->mem + bad * VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(pread(self->fd, &byte, 1, bad * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_GE(vt_stat("read_errors"), 3);
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots") - SWAPPED);
	heal();
	EXPECT_EQ(vt_count_bad(self->mem, 0, SWAPPED, SEED), 0);
}

/* Punching it gives zeros, and no error. */
TEST_F(swap, unreadable_hole)
{
	size_t slot, bad = swapped_page(self, &slot);

	break_pages(slot, 1);
	EXPECT_EQ(vt_try_read(self->mem + bad * VT_PAGE, NULL), SIGBUS);
	ASSERT_EQ(madvise(self->mem + bad * VT_PAGE, VT_PAGE, MADV_REMOVE), 0);
	EXPECT_TRUE(vt_is_zero(self->mem + bad * VT_PAGE));
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots") - SWAPPED + 1);
}

/* What cannot be swapped out stays, and what is clean makes room. */
TEST_F(swap, stays_in_frames)
{
	size_t i, held = FRAMES / 4;

	for (i = 0; i < held; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	break_all();
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, held, NULL), -EIO);
	EXPECT_TRUE(vt_wait_stat("write_errors", 1, ~0ULL, 10));
	EXPECT_EQ(vt_count_bad(self->mem, 0, held, SEED + 1), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	heal();
	EXPECT_EQ(bad_pages(self, held, SWAPPED - held, SEED), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, held, SEED + 1), 0);
}

/* No page can go: a fault waits 5 s and ends in SIGBUS, and nothing is lost. */
TEST_F(swap, dead_swap)
{
	__u64 begin;
	int signal;
	size_t i;

	for (i = 0; i < FRAMES; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	break_all();
	i = 0;
	do {
		begin = vt_now_ms();
		signal = vt_try_write(self->mem + i * VT_PAGE, NULL);
	} while (!signal && ++i < SWAPPED);
	EXPECT_EQ(signal, SIGBUS);
	EXPECT_GE(i, FRAMES);
	EXPECT_GE(vt_now_ms() - begin, 4000);
	EXPECT_LT(vt_now_ms() - begin, 20000);
	heal();
	EXPECT_EQ(vt_count_bad(self->mem, 0, FRAMES, SEED + 1), 0);
	EXPECT_EQ(bad_pages(self, FRAMES, SWAPPED - FRAMES, SEED), 0);
}

/* A space whose disk is dead goes as any other, and with it all it has used. */
TEST_F(swap, space_goes)
{
	ASSERT_EQ(vt_page(self->fd, 0).state, VMDEMO_PAGE_SWAPPED);
	break_all();
	EXPECT_EQ(vt_try_read(self->mem, NULL), SIGBUS);
	leave_space(self);
	EXPECT_TRUE(vt_wait_stat("frames_free", FRAMES, FRAMES, 20));
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots"));
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_try_unload(), 0);
}

/* Everything is as it was, and accounted for. */
static void as_before(struct __test_metadata *_metadata, struct _test_data_swap *self)
{
	EXPECT_EQ(vt_count_bad(self->mem, 0, SWAPPED, SEED), 0);
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots") - SWAPPED);
	EXPECT_EQ(vt_stat("pages_lost") + vt_stat("read_errors") + vt_stat("write_errors"), 0);
	EXPECT_TRUE(vt_balanced());
}

/* The swap device does not answer: waiters for its pages, or for such a waiter, can be killed. */
TEST_F(swap, silent_swap)
{
	char *mem = self->mem;
	int fd = self->fd;
	const struct wait waits[] = {
		{ in_fault, mem, fd, 10 }, { in_store, mem, fd, 11 }, { in_pread, mem, fd, 12 },
		{ in_pwrite, mem, fd, 14 }, { in_punch, mem, fd, 15 }, { in_seek, mem, fd, 0 },
	};
	/* What the last three wait for. */
	const struct wait write = { in_pwrite, mem, fd, 13 };
	pid_t writer;
	size_t i;

	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, SWAPPED, NULL), 0);
	for (i = 10; i < 17; i++)
		ASSERT_EQ(vt_page(fd, i).state, VMDEMO_PAGE_SWAPPED);
	ASSERT_EQ(vt_stat("frames_free"), FRAMES);
	silence();
	writer = start_waiting(&write);
	ASSERT_TRUE(becomes(fd, 13, VMDEMO_PAGE_LOADING));
	EXPECT_TRUE(all_wait_killably(waits, ARRAY_SIZE(waits)));
	EXPECT_TRUE(dies_at_once(writer));
	answer();
	as_before(_metadata, self);
}

/* A task that waits for a page is killed, and the space goes with it: its end waits for no disk. */
TEST_F(swap, silent_close)
{
	const struct wait fault = { in_fault, self->mem, self->fd, 10 };
	const struct wait swapoff = { in_swapoff, NULL, -1, 0 };
	int dev, status = -1;
	pid_t reader, pid;

	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, SWAPPED, NULL), 0);
	silence();
	reader = start_waiting(&fault);
	ASSERT_TRUE(becomes(self->fd, 10, VMDEMO_PAGE_LOADING));
	dev = vt_open(O_RDWR);
	leave_space(self);
	EXPECT_TRUE(dies_at_once(reader));
	/* The device is open otherwise: to know that, nobody has to wait for the space. */
	pid = fork();
	if (!pid)
		_exit(vt_set("swap", "none") != -EBUSY);
	EXPECT_TRUE(vt_ends_within(pid, 10000, &status));
	EXPECT_EQ(status, 0);
	close(dev);
	EXPECT_TRUE(all_wait_killably(&swapoff, 1));
	answer();
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), FRAMES);
}

/* In place of the space a file of a mount, all of it swapped out. */
static void mount_file(struct _test_data_swap *self, char *place, char *path)
{
	size_t i;

	leave_space(self);
	if (!mkdtemp(place) || mount("none", place, "vmdemo", 0, "device=vmdemo"))
		vt_fail("mount at %s: %s", place, strerror(errno));
	sprintf(path, "%s/file", place);
	self->fd = open(path, O_RDWR | O_CREAT, 0600);
	if (self->fd < 0 || ftruncate(self->fd, SWAPPED * VT_PAGE))
		vt_fail("%s: %s", path, strerror(errno));
	self->mem = vt_map(self->fd, 0, SWAPPED, VT_RW, MAP_SHARED);
	for (i = 0; i < SWAPPED; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED);
	if (vt_range(self->fd, VMDEMO_IOC_EVICT, 0, SWAPPED, NULL))
		vt_fail("%s cannot be swapped out", path);
}

/* Let go of the file while a page of it is on its way from a disk that has fallen silent. */
static bool leave_file_waiting(struct _test_data_swap *self)
{
	const struct wait fault = { in_fault, self->mem, self->fd, 10 };
	pid_t reader;
	bool loads;

	silence();
	reader = start_waiting(&fault);
	loads = becomes(self->fd, 10, VMDEMO_PAGE_LOADING);
	leave_space(self);
	return dies_at_once(reader) && loads;
}

/* The same of a file that was unlinked, whose mount goes meanwhile: the device is in use yet. */
TEST_F(swap, silent_file)
{
	const struct wait swapoff = { in_swapoff, NULL, -1, 0 };
	char place[] = "/tmp/vmdemo-mount.XXXXXX", path[64];

	mount_file(self, place, path);
	ASSERT_EQ(unlink(path), 0);
	EXPECT_TRUE(leave_file_waiting(self));
	EXPECT_EQ(umount(place), 0);
	EXPECT_TRUE(all_wait_killably(&swapoff, 1));
	answer();
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), FRAMES);
	rmdir(place);
}

/* A file is replaced, as programs do that save; its directory is others' as well. */
TEST_F(swap, silent_rename)
{
	char place[] = "/tmp/vmdemo-mount.XXXXXX", path[64], other[64], third[64];
	int status = -1;
	pid_t pid;

	mount_file(self, place, path);
	snprintf(other, sizeof(other), "%s/other", place);
	snprintf(third, sizeof(third), "%s/third", place);
	close(open(other, O_WRONLY | O_CREAT, 0600));
	EXPECT_TRUE(leave_file_waiting(self));
	pid = fork();
	if (!pid)
		_exit(rename(other, path) != 0);
	EXPECT_TRUE(vt_ends_within(pid, 10000, &status));
	EXPECT_EQ(status, 0);
	pid = fork();
	if (!pid)
		_exit(open(third, O_WRONLY | O_CREAT, 0600) < 0);
	EXPECT_TRUE(vt_ends_within(pid, 10000, &status));
	EXPECT_EQ(status, 0);
	/* The device is mounted: to know that, nobody has to wait for the file. */
	pid = fork();
	if (!pid)
		_exit(vt_set("swap", "none") != -EBUSY);
	EXPECT_TRUE(vt_ends_within(pid, 10000, &status));
	EXPECT_EQ(status, 0);
	answer();
	EXPECT_TRUE(vt_wait_stat("swap_free", vt_get("swap_slots"), vt_get("swap_slots"), 20));
	EXPECT_EQ(umount(place), 0);
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), FRAMES);
	rmdir(place);
}

/* The same when it is frames that all wait for, which have to be written first. */
TEST_F(swap, silent_swap_full)
{
	char *mem = self->mem;
	int fd = self->fd;
	const struct wait waits[] = {
		{ in_fault, mem, fd, 100 }, { in_store, mem, fd, 101 }, { in_pread, mem, fd, 102 },
		{ in_pwrite, mem, fd, 103 },
	};
	size_t i;

	for (i = 0; i < FRAMES; i++)
		vt_fill(mem + i * VT_PAGE, i, SEED);
	ASSERT_EQ(vt_stat("frames_free"), 0);
	silence();
	EXPECT_TRUE(all_wait_killably(waits, ARRAY_SIZE(waits)));
	answer();
	as_before(_metadata, self);
}

/*
 * A page that is just being written is punched. Punching waits for the disk, as in any file system;
 * but others that want the same pages, or the same inode, can be killed meanwhile.
 */
TEST_F(swap, silent_punch)
{
	char *mem = self->mem;
	int fd = self->fd;
	const struct wait evict = { in_evict, mem, fd, 20 }, punch = { in_punch, mem, fd, 20 };
	const struct wait waits[] = {
		{ in_pwrite, mem, fd, 30 }, { in_punch, mem, fd, 40 }, { in_seek, mem, fd, 0 },
		{ in_fault, mem, fd, 21 },
	};
	pid_t evicter, puncher;

	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, SWAPPED, NULL), 0);
	vt_fill(mem + 20 * VT_PAGE, 20, SEED);
	silence();
	evicter = start_waiting(&evict);
	ASSERT_TRUE(becomes(fd, 20, VMDEMO_PAGE_WRITING));
	puncher = start_waiting(&punch);
	ASSERT_TRUE(vt_comes_to_wait(puncher));
	EXPECT_TRUE(all_wait_killably(waits, ARRAY_SIZE(waits)));
	EXPECT_EQ(waitpid(puncher, NULL, WNOHANG), 0);
	EXPECT_TRUE(dies_at_once(evicter));
	answer();
	EXPECT_EQ(vt_reap(puncher), 0);
	EXPECT_TRUE(vt_is_zero(mem + 20 * VT_PAGE));
	EXPECT_TRUE(vt_is_zero(mem + 21 * VT_PAGE));
	vt_fill(mem + 20 * VT_PAGE, 20, SEED);
	vt_fill(mem + 21 * VT_PAGE, 21, SEED);
	as_before(_metadata, self);
}

/* The same for a segment that shrinks. */
TEST_F(swap, silent_limit)
{
	struct vmdemo_segment heap = {
		.name = "heap", .bound = 16 * VT_PAGE, .limit = 16 * VT_PAGE,
		.prot = VT_RW, .growth = VMDEMO_GROW_UP,
	};
	struct vmdemo_space_args args = {
		.size = heap.bound, .segments = (uintptr_t)&heap, .nr_segments = 1,
	};
	int dev = vt_open(O_RDWR), fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	struct wait evict = { in_evict, NULL, fd, 3 }, limit = { in_limit, NULL, fd, 0 };
	struct wait waits[] = { limit, { in_pwrite, NULL, fd, 0 }, { in_seek, NULL, fd, 0 } };
	pid_t evicter, limiter;
	char *mem;

	ASSERT_GE(fd, 0);
	mem = vt_map(fd, 0, 16, VT_RW, MAP_SHARED);
	memset(mem + 3 * VT_PAGE, 1, VT_PAGE);
	silence();
	evicter = start_waiting(&evict);
	ASSERT_TRUE(becomes(fd, 3, VMDEMO_PAGE_WRITING));
	limiter = start_waiting(&limit);
	ASSERT_TRUE(vt_comes_to_wait(limiter));
	EXPECT_TRUE(all_wait_killably(waits, ARRAY_SIZE(waits)));
	EXPECT_EQ(waitpid(limiter, NULL, WNOHANG), 0);
	EXPECT_TRUE(dies_at_once(evicter));
	answer();
	EXPECT_EQ(vt_reap(limiter), 0);
	EXPECT_EQ(vt_try_read(mem, NULL), SIGSEGV);
	munmap(mem, 16 * VT_PAGE);
	close(fd);
	close(dev);
	as_before(_metadata, self);
}

TEST_HARNESS_MAIN
