// SPDX-License-Identifier: GPL-2.0
/*
 * removal.c - the disk goes away under load, comes back, stands still, shrinks, grows bad blocks
 *
 * The disks are the kernel's own that can do such a thing: scsi_debug, null_blk, the device mapper.
 * What happens with single pages that fail is the subject of errors.c.
 */
#include <glob.h>
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"
#include "workload.h"

#define FRAMES	64
#define PAGES	512
#define SEED	19
#define WORKERS	3
#define SLOW	60	/* seconds that something may take on a slow machine */
#define DM	"vmdemo-removal"
#define ADAPTERS "/sys/bus/pseudo/drivers/scsi_debug/adapter*"
#define NULLB	"/sys/kernel/config/nullb/nullb0"
#define FAIL_REQUEST "/sys/kernel/debug/fail_make_request"

/* Unload, whatever is bound: vt_stop() wants to see the disks. */
static void unload(void)
{
	__u64 deadline = vt_now_ms() + SLOW * 1000;

	while (vt_loaded() && vt_now_ms() < deadline)
		if (vt_try_unload())
			vt_nap(50);
}

static void use_disk(const char *disk)
{
	setenv("VMDEMO_TEST_DISK", disk, 1);
	vt_disk_fill(disk, 0, 2 * PAGES, SEED);
	vt_start(FRAMES);
	if (vt_set("dirty_age_ms", "0"))
		vt_fail("dirty_age_ms cannot be set");
}

/* fsync may first tell of what failed in the background. */
static bool synced(int fd)
{
	return !fsync(fd) || !fsync(fd);
}

/* Every frame is free once the device lets go of its disk. */
static bool pool_is_whole(void)
{
	return vt_stat("frames_free") == vt_get("frames_actual");
}

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
	char page[VMDEMO_PAGE_SIZE];
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
	 * a larger pool: one full of dirt that stays would have none.
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

/* ---- a disk that stands still, or shrinks ---- */

FIXTURE(dm) {
	struct work work;
	char lower[64];
};

static void set_table(const char *lower, size_t pages)
{
	if (!vt_shell("dmsetup reload " DM " --table '0 %zu linear %s 0'", pages * 8, lower) ||
	    !vt_shell("dmsetup resume --nolockfs " DM))
		vt_fail("dmsetup does not take the table");
}

FIXTURE_SETUP(dm)
{
	unload();
	if (!vt_shell("modprobe dm-mod; dmsetup version >/dev/null"))
		vt_skip("the device mapper or dmsetup is missing");
	snprintf(self->lower, sizeof(self->lower), "%s", vt_disk());
	if (!vt_shell("dmsetup create " DM " --table '0 131072 linear %s 0' && dmsetup mknodes "
			DM, self->lower))
		vt_fail("dmsetup does not create " DM);
	use_disk("/dev/mapper/" DM);
	work_init(&self->work, VT_DEV, 0, PAGES, SEED, WORKERS);
}

FIXTURE_TEARDOWN(dm)
{
	vt_shell("dmsetup resume " DM);
	work_free(&self->work);
	unload();
	EXPECT_TRUE(vt_shell("dmsetup remove --retry " DM));
	setenv("VMDEMO_TEST_DISK", self->lower, 1);
}

static void silence(void)
{
	if (!vt_shell("dmsetup suspend --noflush --nolockfs " DM))
		vt_fail("the device does not stand still");
}

static void answer(void)
{
	if (!vt_shell("dmsetup resume " DM))
		vt_fail("the device does not go on");
}

/* What was stored while the disk refused now and then is all there when it does not any more. */
static void nothing_lost(struct __test_metadata *_metadata, struct _test_data_dm *self)
{
	int fd = vt_open(O_RDWR);

	EXPECT_TRUE(synced(fd));
	close(fd);
	EXPECT_EQ(work_wrong(&self->work), 0);
	EXPECT_EQ(work_check_disk(&self->work, self->lower), 0);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_TRUE(pool_is_whole());
}

/* Writes fail for a second, after two in which they do not, and so on: nobody notices but fsync. */
TEST_F(dm, flakey)
{
	if (!vt_shell("modprobe dm-flakey"))
		SKIP(return, "there is no dm-flakey");
	ASSERT_TRUE(vt_shell("dmsetup reload " DM " --table '0 131072 flakey %s 0 2 1 %s'",
			     self->lower, "1 error_writes"));
	ASSERT_TRUE(vt_shell("dmsetup resume --nolockfs " DM));
	work_start(&self->work);
	vt_nap(12000);
	ASSERT_TRUE(work_wait_done(&self->work, 50, SLOW));
	EXPECT_TRUE(work_end(&self->work, SLOW));
	EXPECT_EQ(work_failed(&self->work), 0);
	EXPECT_GT(work_unsynced(&self->work), 0);
	EXPECT_GT(work_syncs(&self->work), 0);
	EXPECT_GT(vt_stat("write_errors"), 0);
	set_table(self->lower, 131072 / 8);
	nothing_lost(_metadata, self);
}

static bool fail_requests(const char *disk, int percent)
{
	return vt_shell("echo %d >" FAIL_REQUEST "/probability", percent) &&
	       vt_shell("echo -1 >" FAIL_REQUEST "/times; echo 0 >" FAIL_REQUEST "/verbose") &&
	       vt_shell("echo %d >/sys/block/%s/make-it-fail", !!percent, strrchr(disk, '/') + 1);
}

/* One request in ten fails, reads and writes, whichever it is. */
TEST_F(dm, requests_fail)
{
	if (access(FAIL_REQUEST, F_OK))
		SKIP(return, "this kernel does not make requests fail");
	ASSERT_TRUE(fail_requests(self->lower, 10));
	work_start(&self->work);
	EXPECT_TRUE(work_wait_failed(&self->work, 5, SLOW));
	EXPECT_TRUE(work_wait_done(&self->work, 500, SLOW));
	EXPECT_TRUE(work_end(&self->work, SLOW));
	EXPECT_TRUE(fail_requests(self->lower, 0));
	EXPECT_GT(vt_stat("read_errors"), 0);
	EXPECT_GT(vt_stat("write_errors"), 0);
	nothing_lost(_metadata, self);
}

/* It stands still again and again: everybody waits, nobody notices. */
TEST_F(dm, suspended)
{
	int i, fd;

	work_start(&self->work);
	for (i = 0; i < 10; i++) {
		silence();
		EXPECT_TRUE(work_stands_still(&self->work, SLOW));
		answer();
		ASSERT_TRUE(work_wait_done(&self->work, 5, SLOW));
	}
	EXPECT_TRUE(work_end(&self->work, SLOW));
	EXPECT_EQ(work_wrong(&self->work) + work_failed(&self->work), 0);
	EXPECT_EQ(work_unsynced(&self->work), 0);
	fd = vt_open(O_RDWR);
	EXPECT_EQ(fsync(fd), 0);
	close(fd);
	EXPECT_EQ(work_check_disk(&self->work, self->lower), 0);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_TRUE(pool_is_whole());
}

/* Dies within the time, or waits where only the block layer can let it go. */
static bool dies(pid_t pid)
{
	__u64 deadline = vt_now_ms() + 10000;

	kill(pid, SIGKILL);
	while (vt_now_ms() < deadline) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		vt_nap(10);
	}
	if (vt_shell("grep -q 'blkdev_issue_flush\\|submit_bio_wait' /proc/%d/stack", pid))
		return true;
	vt_shell("sed 's/^/# /' /proc/%d/stack", pid);
	return false;
}

/* While it stands still everybody can be killed; then it goes on, and nothing is missing. */
TEST_F(dm, suspended_killed)
{
	int round, fd;
	unsigned int i;

	for (round = 0; round < 3; round++) {
		work_start(&self->work);
		ASSERT_TRUE(work_wait_done(&self->work, 20, SLOW));
		silence();
		EXPECT_TRUE(work_stands_still(&self->work, SLOW));
		for (i = 0; i < WORKERS; i++)
			EXPECT_TRUE(dies(self->work.pid[i]));
		answer();
		/* Those that are gone already are no children any more. */
		for (i = 0; i < WORKERS; i++) {
			waitpid(self->work.pid[i], NULL, 0);
			self->work.pid[i] = 0;
		}
	}
	EXPECT_EQ(work_wrong(&self->work) + work_failed(&self->work), 0);
	fd = vt_open(O_RDWR);
	EXPECT_EQ(fsync(fd), 0);
	close(fd);
	EXPECT_EQ(work_check_disk(&self->work, self->lower), 0);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_TRUE(pool_is_whole());
}

/* Who detaches it waits, and so does who wants to open it meanwhile: both can be killed. */
TEST_F(dm, suspended_detach)
{
	pid_t detach, open_it, look;
	int fd = vt_open(O_RDWR);
	char *buffer = vt_buffer(1);

	vt_fill(buffer, 7, SEED + 1);
	ASSERT_EQ(pwrite(fd, buffer, VT_PAGE, 7 * VT_PAGE), VT_PAGE);
	close(fd);
	silence();
	detach = fork();
	if (!detach) {
		vt_set("backing", "none");
		_exit(0);
	}
	ASSERT_TRUE(vt_comes_to_wait(detach));
	open_it = fork();
	if (!open_it) {
		vt_open(O_RDWR);
		_exit(0);
	}
	look = fork();
	if (!look) {
		vt_show("backing");
		_exit(0);
	}
	EXPECT_TRUE(vt_comes_to_wait(open_it));
	EXPECT_TRUE(vt_comes_to_wait(look));
	EXPECT_EQ(waitpid(detach, NULL, WNOHANG), 0);
	EXPECT_EQ(waitpid(open_it, NULL, WNOHANG), 0);
	EXPECT_EQ(waitpid(look, NULL, WNOHANG), 0);
	EXPECT_TRUE(dies(open_it));
	EXPECT_TRUE(dies(look));
	EXPECT_TRUE(dies(detach));
	answer();
	fd = vt_open(O_RDWR);
	EXPECT_EQ(fsync(fd), 0);
	close(fd);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_TRUE(vt_disk_check(self->lower, 7, 1, SEED + 1));
	EXPECT_TRUE(pool_is_whole());
}

/* The disk becomes shorter: pages beyond its end fail, others do not notice; and it grows again. */
TEST_F(dm, shrinks)
{
	struct work beyond;
	siginfo_t info;
	char *mem;
	int fd;

	ASSERT_EQ(vt_set("frames", "256"), 0);
	work_init(&beyond, VT_DEV, PAGES, PAGES, SEED, 2);
	work_start(&self->work);
	work_start(&beyond);
	ASSERT_TRUE(work_wait_done(&beyond, 200, SLOW));
	ASSERT_TRUE(work_wait_done(&self->work, 50, SLOW));
	set_table(self->lower, PAGES);
	EXPECT_TRUE(work_wait_failed(&beyond, 3, SLOW));
	EXPECT_TRUE(work_end(&beyond, SLOW));
	EXPECT_TRUE(work_wait_done(&self->work, 100, SLOW));
	EXPECT_TRUE(work_end(&self->work, SLOW));
	EXPECT_EQ(work_failed(&self->work), 0);
	EXPECT_EQ(work_wrong(&self->work) + work_wrong(&beyond), 0);

	fd = vt_open(O_RDWR);
	mem = vt_map(fd, 0, 2 * PAGES + 100, VT_RW, MAP_SHARED);
	EXPECT_EQ(vt_try_read(mem + 2 * PAGES * VT_PAGE, &info), SIGBUS);
	EXPECT_EQ(info.si_addr, mem + 2 * PAGES * VT_PAGE);
	EXPECT_EQ(pread(fd, &info, 1, 2 * PAGES * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	ASSERT_EQ(vt_try_write(mem + (PAGES - 1) * VT_PAGE, NULL), 0);
	EXPECT_EQ(msync(mem + (PAGES - 1) * VT_PAGE, VT_PAGE, MS_SYNC), 0);

	set_table(self->lower, 131072 / 8);
	EXPECT_TRUE(synced(fd));
	munmap(mem, (2 * PAGES + 100) * VT_PAGE);
	close(fd);
	EXPECT_EQ(work_check_disk(&self->work, self->lower), 0);
	EXPECT_EQ(work_check_disk(&beyond, self->lower), 0);
	/* What was stored before and after counts alike. */
	work_start(&beyond);
	EXPECT_TRUE(work_wait_done(&beyond, 50, SLOW));
	EXPECT_TRUE(work_end(&beyond, SLOW));
	EXPECT_EQ(work_wrong(&beyond), 0);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_TRUE(pool_is_whole());
	EXPECT_EQ(work_check_disk(&beyond, self->lower), 0);
	work_free(&beyond);
}

/* ---- a disk with bad blocks ---- */

FIXTURE(badblocks) {
	struct work work;
};

static void mark(char how, size_t first, size_t pages)
{
	if (!vt_shell("echo %c%zu-%zu >" NULLB "/badblocks", how, first * 8,
		      (first + pages) * 8 - 1))
		vt_fail("null_blk does not take bad blocks");
}

FIXTURE_SETUP(badblocks)
{
	unload();
	if (!vt_shell("modprobe null_blk nr_devices=0"))
		vt_skip("there is no null_blk");
	mount("configfs", "/sys/kernel/config", "configfs", 0, NULL);
	if (!vt_shell("mkdir " NULLB) || !vt_shell("echo 64 >" NULLB "/size") ||
	    !vt_shell("echo 1 >" NULLB "/memory_backed") ||
	    !vt_shell("echo 1 >" NULLB "/power"))
		vt_fail("null_blk makes no disk");
	use_disk("/dev/nullb0");
	work_init(&self->work, VT_DEV, 0, PAGES, SEED, WORKERS);
}

FIXTURE_TEARDOWN(badblocks)
{
	work_free(&self->work);
	unload();
	EXPECT_TRUE(vt_shell("rmdir " NULLB));
	unsetenv("VMDEMO_TEST_DISK");
}

/* Only the pages on bad blocks fail; they are right when the blocks are. */
TEST_F(badblocks, pages)
{
	char *buffer = vt_buffer(1), *mem;
	int fd = vt_open(O_RDWR);
	size_t i;

	mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	mark('+', 10, 1);
	for (i = 0; i < 30; i++) {
		EXPECT_EQ(vt_try_read(mem + i * VT_PAGE, NULL), i == 10 ? SIGBUS : 0);
		EXPECT_EQ(pread(fd, buffer, VT_PAGE, i * VT_PAGE), i == 10 ? -1 : (int)VT_PAGE);
	}
	for (i = 11; i < 30; i++)
		vt_fill(mem + i * VT_PAGE, i, SEED + 1);
	mark('+', 20, 2);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(fsync(fd), -1);
		EXPECT_EQ(errno, EIO);
	}
	EXPECT_EQ(vt_stat("frames_dirty"), 2);
	EXPECT_EQ(vt_count_bad(mem + 11 * VT_PAGE, 11, 19, SEED + 1), 0);
	EXPECT_TRUE(vt_disk_check("/dev/nullb0", 11, 9, SEED + 1));
	EXPECT_TRUE(vt_disk_check("/dev/nullb0", 22, 8, SEED + 1));
	mark('-', 20, 2);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_TRUE(vt_disk_check("/dev/nullb0", 11, 19, SEED + 1));
	EXPECT_EQ(vt_try_read(mem + 10 * VT_PAGE, NULL), SIGBUS);
	mark('-', 10, 1);
	EXPECT_EQ(vt_count_bad(mem, 0, 11, SEED), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* Blocks become bad and good under load. */
TEST_F(badblocks, under_load)
{
	__u64 random = SEED;
	int round, fd;

	work_start(&self->work);
	for (round = 0; round < 15; round++) {
		size_t first = vt_random(&random) % (PAGES - 16);

		mark('+', first, 16);
		ASSERT_TRUE(work_wait_done(&self->work, 20, SLOW));
		mark('-', first, 16);
	}
	EXPECT_TRUE(work_end(&self->work, SLOW));
	EXPECT_EQ(work_wrong(&self->work), 0);
	EXPECT_GT(work_failed(&self->work), 0);
	fd = vt_open(O_RDWR);
	EXPECT_TRUE(synced(fd));
	close(fd);
	EXPECT_EQ(work_check_disk(&self->work, "/dev/nullb0"), 0);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_TRUE(pool_is_whole());
}

TEST_HARNESS_MAIN
