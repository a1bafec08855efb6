// SPDX-License-Identifier: GPL-2.0
/*
 * load.c - loading and unloading: parameters, several devices, a module that is in use
 */
#include <sys/stat.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "dm.h"
#include "vmdemo_test.h"

#define SEED	12
#define DM_RO	"vmdemo-load-ro"
#define DM_SMALL	"vmdemo-load-small"

FIXTURE(load) {
	int unused;
};

FIXTURE_SETUP(load)
{
	/* vt_load() refuses to take the module from somebody who uses it. */
	vt_load("%s", "");
	ASSERT_EQ(vt_try_unload(), 0);
}

FIXTURE_TEARDOWN(load)
{
}

/* Loading makes the node and the class directory, unloading takes them away. */
TEST_F(load, node_comes_and_goes)
{
	for (int i = 0; i < 5; i++) {
		vt_load("backing=%s frames=64", vt_disk());
		EXPECT_EQ(access(VT_DEV, F_OK), 0);
		EXPECT_EQ(access(VT_CLASS "vmdemo/frames", F_OK), 0);
		EXPECT_EQ(access(VT_DEV "1", F_OK), -1);
		ASSERT_EQ(vt_try_unload(), 0);
		EXPECT_EQ(access(VT_DEV, F_OK), -1);
		EXPECT_EQ(access(VT_CLASS, F_OK), -1);
	}
}

/* Parameters that make no sense keep the module from loading, and leave nothing behind. */
TEST_F(load, bad_parameters)
{
	static const char * const bad[] = {
		"frames=0", "frames=7", "frames=-5", "frames=x", "frames=4000000000",
		"num_devices=0", "num_devices=-1", "num_devices=1000000", "num_devices=x",
		"frames=4294967360", "frames=18446744073709551680", "frames=-4294967232",
		"frames=64,64", "num_devices=4294967297", "num_devices=17", "frames=64x",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_LT(vt_try_load(bad[i]), 0) {
			TH_LOG("%s was taken", bad[i]);
			vt_try_unload();
		}
		EXPECT_FALSE(vt_loaded());
		EXPECT_EQ(access(VT_CLASS, F_OK), -1);
		EXPECT_EQ(access(VT_DEV, F_OK), -1);
	}
	EXPECT_EQ(vt_try_load("frames=8"), 0);
}

/* An open file keeps the module. */
TEST_F(load, open_file_keeps_it)
{
	int fd;

	vt_load("backing=%s frames=64", vt_disk());
	fd = vt_open(O_RDONLY);
	EXPECT_EQ(vt_try_unload(), -EWOULDBLOCK);
	close(fd);
	EXPECT_EQ(vt_try_unload(), 0);
}

/* A mapping keeps the module, when its file is long closed. */
TEST_F(load, mapping_keeps_it)
{
	char *mem;
	int fd;

	vt_disk_fill(vt_disk(), 0, 4, SEED);
	vt_load("backing=%s frames=64", vt_disk());
	fd = vt_open(O_RDWR);
	mem = vt_map(fd, 0, 4, VT_RW, MAP_SHARED);
	close(fd);
	EXPECT_EQ(vt_try_unload(), -EWOULDBLOCK);
	EXPECT_EQ(vt_count_bad(mem, 0, 4, SEED), 0);
	munmap(mem, 4 * VT_PAGE);
	EXPECT_EQ(vt_try_unload(), 0);
}

/* A page of ours that sits in a pipe when the module goes is no use after free. */
TEST_F(load, page_in_a_pipe)
{
	char page[VT_PAGE];
	struct iovec part;
	int fd, ends[2];
	char *mem;

	vt_disk_fill(vt_disk(), 0, 4, SEED);
	vt_load("backing=%s frames=8", vt_disk());
	fd = vt_open(O_RDWR);
	mem = vt_map(fd, 0, 4, VT_RW, MAP_SHARED);
	ASSERT_EQ(pipe(ends), 0);
	part.iov_base = mem;
	part.iov_len = VT_PAGE;
	ASSERT_EQ(vmsplice(ends[1], &part, 1, 0), VT_PAGE);
	munmap(mem, 4 * VT_PAGE);
	close(fd);
	/* Unloading may wait for the page or leave it to its holder. */
	if (!vt_try_unload())
		EXPECT_FALSE(vt_loaded());
	ASSERT_EQ(read(ends[0], page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, 0, SEED), -1);
	if (vt_loaded())
		EXPECT_EQ(vt_try_unload(), 0);
}

/* Nor one that its space left there: the pool waits for it, and need not wait to go. */
TEST_F(load, page_of_a_space_in_a_pipe)
{
	struct vmdemo_space_args args = { .size = VT_PAGE };
	char page[VT_PAGE], *mem;
	struct iovec part;
	int fd, space, ends[2];

	vt_load("swap=%s frames=8", vt_disk());
	fd = vt_open(O_RDWR);
	space = ioctl(fd, VMDEMO_IOC_SPACE, &args);
	ASSERT_GE(space, 0);
	mem = vt_map(space, 0, 1, VT_RW, MAP_SHARED);
	vt_fill(mem, 0, SEED);
	ASSERT_EQ(pipe(ends), 0);
	part.iov_base = mem;
	part.iov_len = VT_PAGE;
	ASSERT_EQ(vmsplice(ends[1], &part, 1, 0), VT_PAGE);
	munmap(mem, VT_PAGE);
	close(space);
	close(fd);
	EXPECT_EQ(vt_stat("pages_orphaned"), 1);
	EXPECT_EQ(vt_get("frames_actual"), 8);
	/* Its files go a moment after they are closed. */
	for (int i = 0; i < 100 && vt_try_unload(); i++)
		vt_nap(50);
	EXPECT_FALSE(vt_loaded());
	ASSERT_EQ(read(ends[0], page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, 0, SEED), -1);
}

/* Devices share the half of the memory that one may have. */
TEST_F(load, no_more_than_half_of_memory)
{
	long most = sysconf(_SC_PHYS_PAGES) / 2, frames = most * 3 / 5;

	vt_load("num_devices=2 frames=64,64");
	ASSERT_EQ(vt_set("frames", "%ld", frames), 0);
	EXPECT_EQ(vt_set("../vmdemo1/frames", "%ld", frames), -ENOMEM);
	EXPECT_EQ(vt_get("../vmdemo1/frames"), 64);
	EXPECT_EQ(vt_get("../vmdemo1/frames_actual"), 64);
	EXPECT_EQ(vt_set("../vmdemo1/frames", "%ld", most / 5), 0);
	EXPECT_EQ(vt_set("frames", "64"), 0);
	EXPECT_EQ(vt_set("../vmdemo1/frames", "%ld", frames), 0);
	/* What a module had that has gone counts no more. */
	vt_load("num_devices=2 frames=64,64");
	EXPECT_EQ(vt_set("../vmdemo1/frames", "%ld", frames), 0);
}

/* Two devices are two: their own disk, pool, settings and counters. */
TEST_F(load, two_devices)
{
	char *mem, *mem1;
	int fd, fd1;

	vt_disk_fill(vt_disk(), 0, 64, SEED);
	vt_disk_fill(vt_disk2(), 0, 64, SEED + 1);
	vt_load("num_devices=2 backing=%s,%s frames=32,16", vt_disk(), vt_disk2());
	EXPECT_EQ(vt_get("frames"), 32);
	EXPECT_EQ(vt_get("../vmdemo1/frames"), 16);
	EXPECT_EQ(vt_set("read_ahead_pages", "0"), 0);
	EXPECT_EQ(vt_set("../vmdemo1/read_ahead_pages", "0"), 0);
	fd = vt_open(O_RDWR);
	fd1 = open(VT_DEV "1", O_RDWR);
	ASSERT_GE(fd1, 0);
	mem = vt_map(fd, 0, 64, VT_RW, MAP_SHARED);
	mem1 = vt_map(fd1, 0, 64, VT_RW, MAP_SHARED);
	EXPECT_EQ(vt_count_bad(mem, 0, 64, SEED), 0);
	EXPECT_EQ(vt_stat("pages_in"), 64);
	EXPECT_EQ(vt_get("../vmdemo1/stats/pages_in"), 0);
	EXPECT_EQ(vt_count_bad(mem1, 0, 64, SEED + 1), 0);
	EXPECT_EQ(vt_get("../vmdemo1/stats/pages_in"), 64);
	EXPECT_EQ(vt_count_resident(fd, 0, 64), 32);
	EXPECT_EQ(vt_count_resident(fd1, 0, 64), 16);
	/* Pages of one are copied onto the other, through read and write and the mappings. */
	for (int i = 0; i < 64; i += 2)
		ASSERT_EQ(pwrite(fd1, mem + i * VT_PAGE, VT_PAGE, i * VT_PAGE), VT_PAGE);
	for (int i = 0; i < 64; i++)
		EXPECT_EQ(vt_check(mem1 + i * VT_PAGE, i, i % 2 ? SEED + 1 : SEED), -1);
	EXPECT_EQ(vt_count_bad(mem, 0, 64, SEED), 0);
}

/* One disk cannot serve two devices. */
TEST_F(load, one_disk_one_device)
{
	vt_load("num_devices=2");
	EXPECT_EQ(vt_set("backing", "%s", vt_disk()), 0);
	EXPECT_EQ(vt_set("../vmdemo1/backing", "%s", vt_disk()), -EBUSY);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_set("../vmdemo1/backing", "%s", vt_disk()), 0);
}

/*
 * A disk that cannot be bound leaves the module unloaded. The log says why; the error is none that
 * insmod takes for one of the module's file, as it does ENOENT.
 */
TEST_F(load, bad_backing_parameter)
{
	int log = vt_log_open();

	EXPECT_EQ(vt_try_load("backing=/dev/nonexistent"), -ENXIO);
	EXPECT_TRUE(vt_log_says(log, "/dev/nonexistent is not bound: there is no such file"));
	EXPECT_EQ(vt_try_load("backing=/dev/null"), -ENOTBLK);
	EXPECT_TRUE(vt_log_says(log, "/dev/null is not bound: it is no block device"));
	EXPECT_FALSE(vt_loaded());
	EXPECT_EQ(access(VT_CLASS, F_OK), -1);
	close(log);
}

/* The same of a disk that cannot be swapped to; the backing device is let go again. */
TEST_F(load, bad_swap_parameter)
{
	static const struct {
		const char *path;
		int error;
	} bad[] = {
		{ "/dev/nonexistent", -ENXIO }, { "/", -ENOTBLK }, { "/dev/null", -ENOTBLK },
		{ DM_PATH(DM_RO), -EROFS }, { DM_PATH(DM_SMALL), -ENOSPC },
	};
	char params[256];
	int claimed;

	if (!dm_has("linear"))
		SKIP(return, "there is no device mapper");
	dm_remove(DM_RO);
	dm_remove(DM_SMALL);
	dm_create(DM_RO, DM_READONLY_FLAG, "0 800 linear %s 0", vt_disk2());
	dm_create(DM_SMALL, 0, "0 15 linear %s 0", vt_disk2());
	for (size_t i = 0; i <= ARRAY_SIZE(bad); i++) {
		bool same = i == ARRAY_SIZE(bad);

		snprintf(params, sizeof(params), "backing=%s swap=%s frames=64", vt_disk(),
			 same ? vt_disk() : bad[i].path);
		EXPECT_EQ(vt_try_load(params), same ? -EBUSY : bad[i].error) TH_LOG("%s", params);
		EXPECT_FALSE(vt_loaded());
		EXPECT_EQ(access(VT_CLASS, F_OK), -1);
		claimed = open(vt_disk(), O_RDWR | O_EXCL);
		EXPECT_GE(claimed, 0);
		close(claimed);
	}
	EXPECT_EQ(vt_try_load("swap=a,b"), -EINVAL);
	EXPECT_TRUE(dm_remove(DM_RO));
	EXPECT_TRUE(dm_remove(DM_SMALL));
}

/* Pages of a space and of the device, more than there are frames. */
static void use_pages(size_t pages)
{
	struct vmdemo_space_args args = { .size = pages * VT_PAGE };
	int fd = vt_open(O_RDWR), space = ioctl(fd, VMDEMO_IOC_SPACE, &args);
	char *mem;
	size_t i;

	if (space < 0)
		vt_fail("no space: %s", strerror(errno));
	mem = vt_map(space, 0, pages, VT_RW, MAP_SHARED);
	for (i = 0; i < pages; i++)
		mem[i * VT_PAGE] = 1;
	munmap(mem, pages * VT_PAGE);
	close(space);
	mem = vt_map(fd, 0, pages, PROT_READ, MAP_SHARED);
	for (i = 0; i < pages; i++)
		vt_try_read(mem + i * VT_PAGE, NULL);
	munmap(mem, pages * VT_PAGE);
	close(fd);
}

/* Frames are pages, of which kmemleak knows nothing: they go back to where they came from. */
TEST_F(load, frames_go_back)
{
	const size_t frames = 4096, pages = 512;
	const int times = 24;
	long before = 0, after;

	/* The RAM disks get their pages now. */
	vt_disk_fill(vt_disk(), 0, pages, SEED);
	vt_disk_fill(vt_disk2(), 0, 4 * pages, SEED);
	for (int i = -2; i < times; i++) {
		if (!i)
			before = vt_memory_free();
		vt_load("backing=%s swap=%s frames=%zu", vt_disk(), vt_disk2(), frames);
		ASSERT_EQ(vt_set("frames", "%zu", pages / 2), 0);
		use_pages(pages);
		ASSERT_GT(vt_stat("pages_out"), 0);
		ASSERT_EQ(vt_set("frames", "%zu", frames), 0);
		ASSERT_EQ(vt_try_unload(), 0);
	}
	after = vt_memory_free();
	TH_LOG("%ld kB less are free after %d times %zu kB", before - after, times, frames * 4);
	/* A sixteenth of them. */
	EXPECT_LT(before - after, times * (long)frames * 4 / 16);
}

/* An attribute that is open when the module goes is no way into freed memory. */
TEST_F(load, open_attribute)
{
	char value[64];
	int fd;

	vt_load("backing=%s frames=64", vt_disk());
	fd = open(VT_CLASS "vmdemo/stats/pages_in", O_RDONLY);
	ASSERT_GE(fd, 0);
	ASSERT_GT(read(fd, value, sizeof(value)), 0);
	ASSERT_EQ(vt_try_unload(), 0);
	EXPECT_EQ(pread(fd, value, sizeof(value), 0), -1);
	EXPECT_EQ(errno, ENODEV);
}

TEST_HARNESS_MAIN
