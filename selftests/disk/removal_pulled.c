// SPDX-License-Identifier: GPL-2.0
/*
 * removal_pulled.c - the disk is pulled out under load, and given up
 *
 * The disk is of scsi_debug.
 */
#include <glob.h>

#include "kselftest_harness.h"
#include "removal.h"

#define ADAPTERS "/sys/bus/pseudo/drivers/scsi_debug/adapter*"

/* ---- a disk that is pulled out ---- */

FIXTURE(scsi) {
	struct work work;
	char disk[64], host[64];
};

/* The disk, once the kernel has found it; the test waits for that. */
static bool find_disk(char *disk, size_t size, char *host, size_t host_size)
{
	__u64 deadline = vt_now_ms() + SLOW * 1000;
	glob_t found;
	int fd;

	do {
		if (!glob(ADAPTERS "/host*/target*/*/block/*", 0, NULL, &found)) {
			const char *path = found.gl_pathv[0];
			int at = strstr(path, "/host") - path + 1;

			snprintf(disk, size, "/dev/%s", strrchr(path, '/') + 1);
			snprintf(host, host_size, "%.*s", (int)strcspn(path + at, "/"), path + at);
			globfree(&found);
			/* The node is there a moment before the disk is. */
			fd = open(disk, O_RDONLY);
			if (fd >= 0)
				return !close(fd);
		}
		vt_nap(50);
	} while (vt_now_ms() < deadline);
	return false;
}

static void pull_out(const char *disk)
{
	if (!vt_shell("echo 1 >/sys/block/%s/device/delete", disk + strlen("/dev/")))
		vt_fail("%s cannot be deleted", disk);
}

FIXTURE_SETUP(scsi)
{
	unload();
	if (!vt_shell("modprobe sd_mod; modprobe scsi_debug dev_size_mb=64 delay=1"))
		vt_skip("there is no scsi_debug");
	if (!find_disk(self->disk, sizeof(self->disk), self->host, sizeof(self->host)))
		vt_fail("scsi_debug makes no disk");
	use_disk(self->disk);
	work_init(&self->work, VT_DEV, 0, PAGES, SEED, WORKERS);
}

FIXTURE_TEARDOWN(scsi)
{
	work_free(&self->work);
	unload();
	/* The kernel closes a file for a kernel thread a moment later. */
	EXPECT_TRUE(vt_shell("rmmod scsi_debug || { sleep 2; rmmod scsi_debug; }"));
	unsetenv("VMDEMO_TEST_DISK");
}

/* What is resident stays, readable and writable; what is not is an error; fsync fails. */
static void stays_usable(struct __test_metadata *_metadata)
{
	static struct vmdemo_page map[PAGES];
	char page[VT_PAGE];
	size_t i, resident = 0, gone = 0;
	int fd = vt_open(O_RDWR);
	siginfo_t info;
	__u64 dirty;
	char *mem;

	ASSERT_EQ(vt_set("frames", "%u", 2 * FRAMES), 0);
	mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	ASSERT_EQ(vt_pagemap(fd, 0, PAGES, map), 0);
	/*
	 * First all that is there, since a page that fails takes a frame as well. These come out of
	 * a larger pool: one full of dirty pages that stay would have none.
	 */
	for (i = 0; i < PAGES; i++) {
		if (map[i].state != VMDEMO_PAGE_ACTIVE && map[i].state != VMDEMO_PAGE_STANDBY)
			continue;
		EXPECT_EQ(vt_try_read(mem + i * VT_PAGE, NULL), 0);
		if (resident++ % 4 == 0)
			EXPECT_EQ(vt_try_write(mem + i * VT_PAGE, NULL), 0);
	}
	EXPECT_GT(resident, 0);
	dirty = vt_stat("frames_dirty");
	EXPECT_GE(dirty, resident / 4);
	for (i = 0; i < PAGES && gone < 20; i++) {
		char *at = mem + i * VT_PAGE + 5;

		if (map[i].frame != VMDEMO_NO_FRAME)
			continue;
		gone++;
		EXPECT_EQ(vt_try_read(at, &info), SIGBUS);
		EXPECT_EQ(info.si_addr, at);
		EXPECT_EQ(pread(fd, page, VT_PAGE, i * VT_PAGE), -1);
		EXPECT_EQ(errno, EIO);
	}
	EXPECT_EQ(gone, 20);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(fsync(fd), -1);
		EXPECT_EQ(errno, EIO);
	}
	EXPECT_EQ(vt_stat("frames_dirty"), dirty);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/*
 * The disk goes under load. Letting go of it fails while it would lose data; told to lose it, the
 * device counts what it loses. The disk comes back, as another one, with all that was acknowledged.
 */
TEST_F(scsi, pulled_out)
{
	__u64 dirty;

	work_start(&self->work);
	ASSERT_TRUE(work_wait_done(&self->work, 200, SLOW));
	pull_out(self->disk);
	EXPECT_TRUE(work_wait_failed(&self->work, 10, SLOW));
	EXPECT_TRUE(work_end(&self->work, SLOW));
	EXPECT_EQ(work_wrong(&self->work), 0);
	EXPECT_GT(work_syncs(&self->work), 0);
	stays_usable(_metadata);
	dirty = vt_stat("frames_dirty");
	EXPECT_EQ(vt_set("backing", "none"), -EIO);
	EXPECT_EQ(vt_stat("frames_dirty"), dirty);
	EXPECT_EQ(vt_set("backing", "abandon"), 0);
	EXPECT_EQ(vt_stat("pages_lost"), dirty);
	EXPECT_TRUE(pool_is_whole());

	ASSERT_TRUE(vt_shell("echo '- - -' >/sys/class/scsi_host/%s/scan", self->host));
	ASSERT_TRUE(find_disk(self->disk, sizeof(self->disk), self->host, sizeof(self->host)));
	EXPECT_EQ(work_check_disk(&self->work, self->disk), 0);
	/* Anew, with the same module. */
	work_free(&self->work);
	work_init(&self->work, VT_DEV, 0, PAGES, SEED, WORKERS);
	vt_disk_fill(self->disk, 0, PAGES, SEED);
	ASSERT_EQ(vt_set("backing", "%s", self->disk), 0);
	work_start(&self->work);
	EXPECT_TRUE(work_wait_done(&self->work, 100, SLOW));
	EXPECT_TRUE(work_end(&self->work, SLOW));
	EXPECT_EQ(work_wrong(&self->work) + work_failed(&self->work), 0);
	EXPECT_EQ(work_unsynced(&self->work), 0);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_TRUE(pool_is_whole());
	EXPECT_EQ(work_check_disk(&self->work, self->disk), 0);
	EXPECT_EQ(vt_stat("pages_lost"), dirty);
}

/* Without anything dirty nothing is lost, whichever way. */
TEST_F(scsi, pulled_out_clean)
{
	char *mem;
	int fd;

	fd = vt_open(O_RDWR);
	mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	EXPECT_EQ(vt_count_bad(mem, 0, 32, SEED), 0);
	pull_out(self->disk);
	EXPECT_EQ(vt_count_bad(mem, 0, 32, SEED), 0);
	EXPECT_EQ(vt_try_read(mem + 100 * VT_PAGE, NULL), SIGBUS);
	/* Not while it is open. */
	EXPECT_EQ(vt_set("backing", "abandon"), -EBUSY);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_EQ(vt_set("backing", "abandon"), 0);
	EXPECT_STREQ(vt_show("backing"), "none");
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_TRUE(pool_is_whole());
}

/* A disk that a space swaps to: what was only there is gone, and what the space used is free. */
TEST_F(scsi, pulled_out_swap)
{
	struct vmdemo_space_args args = { .size = PAGES * VT_PAGE };
	struct vmdemo_page map[PAGES];
	size_t i, gone = 0;
	int dev, fd;
	char *mem;

	unload();
	vt_load("swap=%s frames=%u", self->disk, FRAMES);
	dev = vt_open(O_RDWR);
	fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	ASSERT_GE(fd, 0);
	close(dev);
	mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	for (i = 0; i < PAGES; i++)
		vt_fill(mem + i * VT_PAGE, i, SEED);
	pull_out(self->disk);
	ASSERT_EQ(vt_pagemap(fd, 0, PAGES, map), 0);
	for (i = 0; i < PAGES; i++) {
		if (map[i].state == VMDEMO_PAGE_SWAPPED)
			gone++;
		else
			EXPECT_EQ(vt_check(mem + i * VT_PAGE, i, SEED), -1);
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(vt_try_read(mem + i * VT_PAGE, NULL), SIGBUS);
	EXPECT_GE(gone, PAGES - FRAMES);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_TRUE(pool_is_whole());
}

/* Unloading the module is as good a way to leave: it says in the log how much is lost. */
TEST_F(scsi, pulled_out_unload)
{
	int log = vt_log_open();
	__u64 dirty;

	work_start(&self->work);
	ASSERT_TRUE(work_wait_done(&self->work, 100, SLOW));
	pull_out(self->disk);
	EXPECT_TRUE(work_wait_failed(&self->work, 1, SLOW));
	EXPECT_TRUE(work_kill(&self->work, SLOW));
	dirty = vt_stat("frames_dirty");
	EXPECT_GT(dirty, 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_EQ(vt_try_unload(), 0);
	EXPECT_TRUE(vt_log_says(log, ": %llu pages lost: writing %s failed", dirty, self->disk));
	EXPECT_EQ(work_wrong(&self->work), 0);
	close(log);
}

#define MEDIUM	582	/* the disk's sectors 4660 to 4669 are in this page and the next */

static void set_medium_errors(int on)
{
	if (!vt_shell("echo %d >/sys/bus/pseudo/drivers/scsi_debug/opts", on ? 2 : 0))
		vt_fail("scsi_debug takes no options");
}

/* A disk that says itself what it cannot read, in the middle of a request: those pages fail. */
TEST_F(scsi, medium_errors)
{
	char *buffer = vt_buffer(1), *mem;
	int fd = vt_open(O_RDWR);
	size_t i;

	mem = vt_map(fd, 0, 2 * PAGES, VT_RW, MAP_SHARED);
	work_start(&self->work);
	ASSERT_TRUE(work_wait_done(&self->work, 20, SLOW));
	set_medium_errors(1);
	EXPECT_EQ(vt_range(fd, VMDEMO_IOC_PREFETCH, MEDIUM - 4, 10, NULL), 0);
	for (i = MEDIUM - 4; i < MEDIUM + 6; i++) {
		bool bad = i == MEDIUM || i == MEDIUM + 1;

		EXPECT_EQ(vt_try_read(mem + i * VT_PAGE, NULL), bad ? SIGBUS : 0);
		EXPECT_EQ(pread(fd, buffer, VT_PAGE, i * VT_PAGE), bad ? -1 : (int)VT_PAGE);
		if (!bad)
			EXPECT_EQ(vt_check(buffer, i, SEED), -1);
	}
	EXPECT_GE(vt_stat("read_errors"), 4);
	EXPECT_TRUE(work_wait_done(&self->work, 20, SLOW));
	set_medium_errors(0);
	EXPECT_EQ(vt_count_bad(mem + (MEDIUM - 4) * VT_PAGE, MEDIUM - 4, 10, SEED), 0);
	EXPECT_TRUE(work_end(&self->work, SLOW));
	EXPECT_EQ(work_wrong(&self->work) + work_failed(&self->work), 0);
	EXPECT_EQ(work_unsynced(&self->work), 0);
	munmap(mem, 2 * PAGES * VT_PAGE);
	close(fd);
}

TEST_HARNESS_MAIN
