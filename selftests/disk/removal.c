// SPDX-License-Identifier: GPL-2.0
/*
 * removal.c - the disk goes away under load, comes back, stands still, shrinks, grows, has bad
 * blocks, is unfit, or wants to hear what is not needed any more
 *
 * The disks are the kernel's own that can do such a thing: scsi_debug, null_blk, the device mapper.
 * What happens with single pages that fail is the subject of the errors_*.c.
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

static void set_sectors(const char *lower, size_t sectors)
{
	if (!vt_shell("dmsetup reload " DM " --table '0 %zu linear %s 0'", sectors, lower) ||
	    !vt_shell("dmsetup resume --nolockfs " DM))
		vt_fail("dmsetup does not take the table");
}

static void set_table(const char *lower, size_t pages)
{
	set_sectors(lower, pages * 8);
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
	int fd, log = vt_log_open();
	struct work beyond;
	siginfo_t info;
	char *mem;

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
	/* The log tells of it, once; the space does not shrink with it. */
	EXPECT_TRUE(vt_log_says(log, DM " has shrunk from 67108864 to %zu bytes", PAGES * VT_PAGE));
	EXPECT_EQ(vt_try_read(mem + (2 * PAGES + 1) * VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(vt_get("size_bytes"), 67108864);
	EXPECT_FALSE(vt_log_says(log, "has shrunk"));
	close(log);

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

/* Let go of the disk, give it another length, and bind it again. */
static void rebind(const char *lower, size_t sectors)
{
	if (vt_set("backing", "none"))
		vt_fail("the disk is not let go of");
	set_sectors(lower, sectors);
	if (vt_set("backing", "/dev/mapper/" DM))
		vt_fail("the disk is not bound again");
}

/* The disk becomes longer while it is open and mapped: all of it is there at once. */
TEST_F(dm, grows)
{
	size_t more = 2 * PAGES, bytes = more * VT_PAGE;
	int fd, log = vt_log_open();
	char *mem, *beyond, *buffer = vt_buffer(1);

	rebind(self->lower, PAGES * 8);
	fd = vt_open(O_RDWR);
	mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	EXPECT_EQ(mmap(NULL, bytes, VT_RW, MAP_SHARED, fd, 0), MAP_FAILED);
	EXPECT_EQ(vt_get("size_bytes"), PAGES * VT_PAGE);
	mem = mremap(mem, PAGES * VT_PAGE, bytes, MREMAP_MAYMOVE);
	ASSERT_NE(mem, MAP_FAILED);
	EXPECT_EQ(vt_try_read(mem + PAGES * VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(pread(fd, buffer, VT_PAGE, PAGES * VT_PAGE), 0);
	EXPECT_EQ(pwrite(fd, buffer, VT_PAGE, PAGES * VT_PAGE), -1);
	EXPECT_EQ(errno, ENOSPC);

	/* Whoever comes first: each is the first in one of the rounds. */
	set_table(self->lower, PAGES + 1);
	EXPECT_EQ(vt_try_read(mem + PAGES * VT_PAGE, NULL), 0);
	set_table(self->lower, PAGES + 2);
	EXPECT_EQ(pread(fd, buffer, VT_PAGE, (PAGES + 1) * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(buffer, PAGES + 1, SEED), -1);
	set_table(self->lower, PAGES + 3);
	vt_fill(buffer, PAGES + 2, SEED + 1);
	EXPECT_EQ(pwrite(fd, buffer, VT_PAGE, (PAGES + 2) * VT_PAGE), VT_PAGE);
	set_table(self->lower, PAGES + 4);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), (PAGES + 4) * VT_PAGE);
	set_table(self->lower, PAGES + 5);
	EXPECT_EQ(vt_get("size_bytes"), (PAGES + 5) * VT_PAGE);
	set_table(self->lower, PAGES + 6);
	EXPECT_EQ(vt_range(fd, VMDEMO_IOC_PREFETCH, PAGES + 5, 1, NULL), 0);
	set_table(self->lower, more);
	beyond = vt_map(fd, PAGES, PAGES, VT_RW, MAP_SHARED);
	EXPECT_TRUE(vt_log_says(log, DM " has grown from %zu to %zu bytes",
				(PAGES + 6) * VT_PAGE, bytes));
	EXPECT_EQ(vt_check(beyond + 2 * VT_PAGE, PAGES + 2, SEED + 1), -1);
	EXPECT_EQ(vt_count_bad(beyond + 3 * VT_PAGE, PAGES + 3, PAGES - 3, SEED), 0);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(vt_get("size_bytes"), bytes);
	vt_fill(beyond + (PAGES - 1) * VT_PAGE, more - 1, SEED + 1);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_TRUE(vt_disk_check(self->lower, more - 1, 1, SEED + 1));
	EXPECT_TRUE(vt_disk_check(self->lower, PAGES + 2, 1, SEED + 1));
	munmap(beyond, PAGES * VT_PAGE);
	munmap(mem, bytes);
	close(fd);
	close(log);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_TRUE(pool_is_whole());
}

#define SHORT	(5 * 512)	/* bytes of its last page that the disk has */

/*
 * The last page is a short one, in a frame, with something stored on both sides of the end. When
 * the disk is longer, what it has behind the old end is there, and stays on it.
 */
TEST_F(dm, grows_within_a_page)
{
	char *mem, *page = vt_buffer(1), *was = vt_buffer(1);
	size_t end = PAGES * VT_PAGE + SHORT;
	siginfo_t info;
	int fd;

	vt_disk_read(self->lower, PAGES, was);
	rebind(self->lower, end / 512);
	fd = vt_open(O_RDWR);
	EXPECT_EQ(vt_get("size_bytes"), end);
	mem = vt_map(fd, 0, PAGES + 1, VT_RW, MAP_SHARED);
	memset(mem + PAGES * VT_PAGE, 0x5a, VT_PAGE);
	/* Without waiting it may not be possible; lseek waits. */
	set_table(self->lower, 2 * PAGES);
	EXPECT_EQ(vt_try_read(mem + PAGES * VT_PAGE, &info), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 2 * PAGES * VT_PAGE);
	EXPECT_EQ(mem[PAGES * VT_PAGE + SHORT - 1], 0x5a);
	EXPECT_EQ(memcmp(mem + PAGES * VT_PAGE + SHORT, was + SHORT, VT_PAGE - SHORT), 0);
	EXPECT_EQ(fsync(fd), 0);
	vt_disk_read(self->lower, PAGES, page);
	EXPECT_EQ(page[0], 0x5a);
	EXPECT_EQ(page[SHORT - 1], 0x5a);
	EXPECT_EQ(memcmp(page + SHORT, was + SHORT, VT_PAGE - SHORT), 0);
	munmap(mem, (PAGES + 1) * VT_PAGE);
	close(fd);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_TRUE(pool_is_whole());
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

/* ---- a disk that cannot be written in place ---- */

FIXTURE(zoned) {
	int unused;
};

FIXTURE_SETUP(zoned)
{
	unload();
	vt_shell("modprobe null_blk nr_devices=0");
	mount("configfs", "/sys/kernel/config", "configfs", 0, NULL);
	if (!vt_shell("mkdir " NULLB) || !vt_shell("echo 64 >" NULLB "/size") ||
	    !vt_shell("echo 4 >" NULLB "/zone_size; echo 1 >" NULLB "/zoned") ||
	    !vt_shell("echo 1 >" NULLB "/memory_backed; echo 1 >" NULLB "/power")) {
		vt_shell("rmdir " NULLB);
		vt_skip("there is no zoned null_blk");
	}
}

FIXTURE_TEARDOWN(zoned)
{
	unload();
	EXPECT_TRUE(vt_shell("rmdir " NULLB));
}

/* It is refused, however it is given, and the log says why. */
TEST_F(zoned, is_refused)
{
	int log = vt_log_open();

	vt_load("frames=%u", FRAMES);
	EXPECT_EQ(vt_set("backing", "/dev/nullb0"), -EINVAL);
	EXPECT_TRUE(vt_log_says(log, "/dev/nullb0 is not bound: a zoned device"));
	EXPECT_STREQ(vt_show("backing"), "none");
	EXPECT_EQ(vt_set("swap", "/dev/nullb0"), -EINVAL);
	EXPECT_TRUE(vt_log_says(log, "/dev/nullb0 is not bound: a zoned device"));
	EXPECT_STREQ(vt_show("swap"), "none");
	vt_stop();
	EXPECT_EQ(vt_try_load("backing=/dev/nullb0"), -EINVAL);
	EXPECT_EQ(vt_try_load("swap=/dev/nullb0"), -EINVAL);
	EXPECT_FALSE(vt_loaded());
	close(log);
}

/* ---- a disk that something is on ---- */

FIXTURE(marked) {
	const char *disk;
};

FIXTURE_SETUP(marked)
{
	unload();
	self->disk = vt_disk2();
	vt_load("frames=%u", FRAMES);
}

FIXTURE_TEARDOWN(marked)
{
	unload();
	vt_shell("dd if=/dev/zero of=%s bs=1M count=1 conv=fsync 2>/dev/null", self->disk);
}

/* What tells others that a disk is theirs; from their documentation, and libblkid. */
struct mark {
	const char *name;
	off_t at;
	const char *magic;
	size_t length;
	off_t at_too;
	const char *magic_too;
};

#define MARK(name, at, magic, ...)	{ name, at, magic, sizeof(magic) - 1, __VA_ARGS__ }

static const struct mark marks[] = {
	MARK("an XFS file system", 0, "XFSB", 0, NULL),
	MARK("a LUKS volume", 0, "LUKS\xba\xbe", 0, NULL),
	MARK("a LUKS volume", 16384, "SKUL\xba\xbe", 0, NULL),
	MARK("a squashfs file system", 0, "hsqs", 0, NULL),
	MARK("a member of an md RAID", 0, "\xfc\x4e\x2b\xa9", 0, NULL),
	MARK("a member of an md RAID", 4096, "\xfc\x4e\x2b\xa9", 0, NULL),
	MARK("an NTFS file system", 3, "NTFS    ", 510, "\x55\xaa"),
	MARK("an exFAT file system", 3, "EXFAT   ", 510, "\x55\xaa"),
	MARK("a FAT file system", 54, "FAT16   ", 510, "\x55\xaa"),
	MARK("a FAT file system", 82, "FAT32   ", 510, "\x55\xaa"),
	MARK("an LVM physical volume", 512, "LABELONE", 0, NULL),
	MARK("an LVM physical volume", 1536, "LABELONE", 0, NULL),
	MARK("an F2FS file system", 1024, "\x10\x20\xf5\xf2", 0, NULL),
	MARK("an ext2, ext3 or ext4 file system", 1080, "\x53\xef", 0, NULL),
	MARK("a swap area of Linux", 4086, "SWAPSPACE2", 0, NULL),
	MARK("a swap area of Linux", 65526, "SWAPSPACE2", 0, NULL),
	MARK("the image of a machine that sleeps", 4086, "S1SUSPEND", 0, NULL),
	MARK("a partition table (GPT)", 512, "EFI PART", 510, "\x55\xaa"),
	MARK("a partition table or a boot sector", 510, "\x55\xaa", 0, NULL),
	MARK("a bcache device", 4120, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca", 0, NULL),
	MARK("an ISO 9660 file system", 32769, "CD001", 0, NULL),
	MARK("a Btrfs file system", 65600, "_BHRfS_M", 0, NULL),
};

#define MARKED_PAGES	17
#define MARKED_BYTES	(MARKED_PAGES * VT_PAGE)

/* Write it past the page cache, over zeros. */
static void put_mark(const char *disk, const struct mark *mark, char *bytes)
{
	int fd = open(disk, O_RDWR | O_DIRECT);

	memset(bytes, 0, MARKED_BYTES);
	memcpy(bytes + mark->at, mark->magic, mark->length);
	if (mark->magic_too)
		memcpy(bytes + mark->at_too, mark->magic_too, 2);
	if (fd < 0 || pwrite(fd, bytes, MARKED_BYTES, 0) != (ssize_t)MARKED_BYTES)
		vt_fail("%s cannot be written", disk);
	close(fd);
}

static void read_start(const char *disk, char *bytes)
{
	int fd = open(disk, O_RDONLY | O_DIRECT);

	if (fd < 0 || pread(fd, bytes, MARKED_BYTES, 0) != (ssize_t)MARKED_BYTES)
		vt_fail("%s cannot be read", disk);
	close(fd);
}

/* Our own mark, and zeros. */
static bool is_ours(const char *disk)
{
	char *bytes = vt_buffer(MARKED_PAGES), *rest = bytes + sizeof(VMDEMO_SWAP_MAGIC);
	bool ours;

	read_start(disk, bytes);
	ours = !memcmp(bytes, VMDEMO_SWAP_MAGIC, sizeof(VMDEMO_SWAP_MAGIC)) && !*rest &&
	       !memcmp(rest, rest + 1, MARKED_BYTES - sizeof(VMDEMO_SWAP_MAGIC) - 1);
	munmap(bytes, MARKED_BYTES);
	return ours;
}

/* Swapping to it is refused, and it stays as it is, unless one insists: then it is nothing else. */
TEST_F(marked, marked_is_refused)
{
	char *bytes = vt_buffer(MARKED_PAGES), *now = vt_buffer(17);
	int log = vt_log_open();

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		const struct mark *mark = &marks[i];

		TH_LOG("%s at %ld", mark->name, mark->at);
		put_mark(self->disk, mark, bytes);
		EXPECT_EQ(vt_set("swap", "%s", self->disk), -EEXIST);
		EXPECT_TRUE(vt_log_says(log, "%s is not bound: there is %s on it", self->disk,
					mark->name));
		EXPECT_STREQ(vt_show("swap"), "none");
		read_start(self->disk, now);
		EXPECT_EQ(memcmp(bytes, now, MARKED_BYTES), 0);
		/* It is not claimed. */
		EXPECT_EQ(vt_set("swap", " force\t%s ", self->disk), 0);
		EXPECT_TRUE(vt_log_says(log, "%s overwritten: there was %s on it", self->disk,
					mark->name));
		EXPECT_STREQ(vt_show("swap"), self->disk);
		EXPECT_EQ(vt_set("swap", "none"), 0);
		EXPECT_TRUE(is_ours(self->disk));
	}
	munmap(now, MARKED_BYTES);
	munmap(bytes, MARKED_BYTES);
	close(log);
}

/* As backing it is what programs are to see. */
TEST_F(marked, marked_is_shown)
{
	char *bytes = vt_buffer(MARKED_PAGES);
	int log = vt_log_open(), fd;
	char page[VMDEMO_PAGE_SIZE];

	put_mark(self->disk, &marks[0], bytes);
	EXPECT_EQ(vt_set("backing", "%s", self->disk), 0);
	EXPECT_TRUE(vt_log_says(log, "there is %s on %s", marks[0].name, self->disk));
	fd = vt_open(O_RDONLY);
	ASSERT_EQ(read(fd, page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(memcmp(page, bytes, VT_PAGE), 0);
	close(fd);
	munmap(bytes, MARKED_BYTES);
	close(log);
}

static void used_and_let_go(struct __test_metadata *_metadata, const char *disk)
{
	struct vmdemo_space_args args = { .size = PAGES * VT_PAGE };
	struct vmdemo_page map[PAGES];
	int dev, fd, i, slots = 0;
	char *mem;

	EXPECT_EQ(vt_get("swap_slots"), vt_stat("swap_free"));
	dev = vt_open(O_RDWR);
	fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	close(dev);
	ASSERT_GE(fd, 0);
	mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	/* Slots full of all marks at once. */
	for (i = 0; i < PAGES; i++)
		for (size_t j = 0; j < ARRAY_SIZE(marks); j++)
			memcpy(mem + i * VT_PAGE + marks[j].at % VT_PAGE, marks[j].magic,
			       marks[j].length);
	EXPECT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL), 0);
	ASSERT_EQ(vt_pagemap(fd, 0, PAGES, map), 0);
	for (i = 0; i < PAGES; i++)
		slots += map[i].slot != 0;
	EXPECT_EQ(slots, PAGES);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_FALSE(is_ours(disk));
}

/*
 * What was swapped to is known again, whatever programs had in memory. When somebody has made
 * something else of it, it is not.
 */
TEST_F(marked, ours_is_taken)
{
	static const off_t changed[] = { 13, 14, 510, 1024, 4095 };
	char *bytes = vt_buffer(MARKED_PAGES);
	const struct mark nothing = MARK(NULL, 0, "", 0, NULL);
	struct mark mark = MARK(NULL, 0, VMDEMO_SWAP_MAGIC, 0, NULL);

	put_mark(self->disk, &nothing, bytes);
	EXPECT_EQ(vt_set("swap", "%s", self->disk), 0);
	used_and_let_go(_metadata, self->disk);
	EXPECT_EQ(vt_set("swap", "%s", self->disk), 0);
	used_and_let_go(_metadata, self->disk);
	for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
		mark.at_too = changed[i];
		mark.magic_too = changed[i] < 4095 ? "\x01\x01" : "\x01";
		put_mark(self->disk, &mark, bytes);
		EXPECT_EQ(vt_set("swap", "%s", self->disk), -EEXIST) TH_LOG("%ld", changed[i]);
	}
	munmap(bytes, MARKED_BYTES);
}

/* Bytes at a mark's place that are none. */
TEST_F(marked, no_mark)
{
	static const struct mark none[] = {
		MARK("ext's, with blocks of no size", 1080, "\x53\xef", 1048, "\x07\x01"),
		MARK("a boot sector's, of no partitions", 510, "\x55\xaa", 446, "\x01\x01"),
	};
	char *bytes = vt_buffer(MARKED_PAGES);

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		put_mark(self->disk, &none[i], bytes);
		EXPECT_EQ(vt_set("swap", "%s", self->disk), 0) TH_LOG("%s", none[i].name);
		EXPECT_EQ(vt_set("swap", "none"), 0);
	}
	munmap(bytes, MARKED_BYTES);
}

/* What real tools make; the system then no longer sees it. And when the module is loaded. */
TEST_F(marked, by_tools)
{
	static const char * const tools[] = { "mkfs.ext4 -qF", "mkfs.ext2 -qF -b 1024", "mkswap" };
	char params[128];
	int used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		if (!vt_shell("%s %s >/dev/null 2>&1", tools[i], self->disk) ||
		    !vt_shell("blkid -p %s", self->disk)) {
			TH_LOG("%s cannot be run", tools[i]);
			continue;
		}
		used++;
		EXPECT_EQ(vt_set("swap", "%s", self->disk), -EEXIST) TH_LOG("%s", tools[i]);
		EXPECT_EQ(vt_set("swap", "force %s", self->disk), 0);
		EXPECT_EQ(vt_set("swap", "none"), 0);
		EXPECT_FALSE(vt_shell("blkid -p %s", self->disk));
		vt_shell("%s %s >/dev/null 2>&1", tools[i], self->disk);
		vt_stop();
		snprintf(params, sizeof(params), "swap=%s", self->disk);
		EXPECT_EQ(vt_try_load(params), -ENXIO);
		EXPECT_FALSE(vt_loaded());
		snprintf(params, sizeof(params), "swap=\"force %s\"", self->disk);
		EXPECT_EQ(vt_try_load(params), 0);
		EXPECT_STREQ(vt_show("swap"), self->disk);
		EXPECT_EQ(vt_set("swap", "none"), 0);
	}
	if (!used)
		SKIP(return, "mkfs.ext4, mkswap or blkid is missing");
}

/* ---- a swap disk that wants to hear what is not needed any more ---- */

#define ZDM	"/dev/mapper/" DM

FIXTURE(thin) {
	char disk[32];
	char stat[64];
};

/* Pages that the disk has memory for. */
static long stored(const char *stat)
{
	FILE *f = fopen(stat, "r");
	long bytes;

	if (!f || fscanf(f, "%ld", &bytes) != 1)
		vt_fail("%s cannot be read", stat);
	fclose(f);
	return bytes / VT_PAGE;
}

static bool stored_falls_to(const char *stat, long most)
{
	__u64 deadline = vt_now_ms() + SLOW * 1000;

	while (stored(stat) > most && vt_now_ms() < deadline)
		vt_nap(50);
	return stored(stat) <= most;
}

FIXTURE_SETUP(thin)
{
	unload();
	if (!vt_shell("modprobe zram && echo 64M >/sys/block/zram0/disksize"))
		vt_skip("there is no zram");
	snprintf(self->disk, sizeof(self->disk), "/dev/zram0");
	snprintf(self->stat, sizeof(self->stat), "/sys/block/zram0/mm_stat");
	if (!vt_shell("modprobe dm-mod && dmsetup create " DM
		      " --table '0 131072 linear %s 0' && dmsetup mknodes " DM, self->disk))
		vt_skip("the device mapper or dmsetup is missing");
	vt_load("swap=" ZDM " frames=%u", FRAMES);
}

FIXTURE_TEARDOWN(thin)
{
	vt_shell("dmsetup resume " DM);
	unload();
	EXPECT_TRUE(vt_shell("dmsetup remove --retry " DM));
	EXPECT_TRUE(vt_shell("for i in 1 2 3 4 5 6 7 8 9; do rmmod zram && break; sleep 1; done"));
}

/* A space all of whose pages have been written, and are in slots but for the last ones. */
static int used_space(char **mem)
{
	struct vmdemo_space_args args = { .size = PAGES * VT_PAGE };
	int dev = vt_open(O_RDWR), fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	size_t i;

	close(dev);
	if (fd < 0)
		vt_fail("no space: %s", strerror(errno));
	*mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	for (i = 0; i < PAGES; i++)
		vt_fill(*mem + i * VT_PAGE, i, SEED);
	return fd;
}

static void end_space(int fd, char *mem)
{
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* What is freed is discarded a little later, if that is asked for; what is in use stays. */
TEST_F(thin, freed_slots)
{
	char *mem, *other;
	int fd, fd2;
	long before;

	EXPECT_EQ(vt_get("swap_discard"), 0);
	fd = used_space(&mem);
	before = stored(self->stat);
	EXPECT_GE(before, PAGES - FRAMES);
	end_space(fd, mem);
	vt_nap(2500);
	EXPECT_EQ(stored(self->stat), before);
	EXPECT_EQ(vt_stat("slots_discarded"), 0);
	/* Switched on, it is about what is free already. The first cluster is not quite. */
	EXPECT_EQ(vt_set("swap_discard", "1"), 0);
	EXPECT_TRUE(stored_falls_to(self->stat, 16));

	fd = used_space(&mem);
	fd2 = used_space(&other);
	EXPECT_GE(stored(self->stat), 2 * PAGES - FRAMES);
	end_space(fd, mem);
	EXPECT_TRUE(stored_falls_to(self->stat, PAGES + 16));
	EXPECT_GE(stored(self->stat), PAGES - FRAMES);
	EXPECT_EQ(vt_count_bad(other, 0, PAGES, SEED), 0);
	/* A hole is as good. */
	EXPECT_EQ(vt_range(fd2, VMDEMO_IOC_DISCARD, 0, PAGES / 2, NULL), 0);
	EXPECT_TRUE(stored_falls_to(self->stat, PAGES / 2 + 32));
	EXPECT_EQ(vt_count_bad(other + PAGES / 2 * VT_PAGE, PAGES / 2, PAGES / 2, SEED), 0);
	end_space(fd2, other);
	EXPECT_GE(vt_stat("slots_discarded"), 2 * (PAGES - FRAMES));
	EXPECT_TRUE(vt_wait_stat("swap_free", vt_get("swap_slots"), vt_get("swap_slots"), SLOW));
}

/* Letting go of the disk does not wait for the little later; binding keeps nothing there. */
TEST_F(thin, let_go)
{
	char *mem;
	int fd;

	EXPECT_EQ(vt_set("swap_discard", "1"), 0);
	fd = used_space(&mem);
	end_space(fd, mem);
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_LE(stored(self->stat), 16);
	vt_disk_fill(ZDM, PAGES, PAGES, SEED);
	EXPECT_GE(stored(self->stat), PAGES);
	EXPECT_EQ(vt_set("swap", ZDM), 0);
	EXPECT_TRUE(stored_falls_to(self->stat, 16));
}

/*
 * The disk does not answer: nobody waits for it but who lets go of it, and can be killed. Slots
 * that it has been told of are not used meanwhile; others are.
 */
TEST_F(thin, does_not_answer)
{
	pid_t pid;
	char *mem;
	int fd;

	fd = used_space(&mem);
	silence();
	EXPECT_EQ(vt_set("swap_discard", "1"), 0);
	/* So many free slots are taken by the run that hangs. */
	EXPECT_TRUE(vt_wait_stat("swap_free", 1, vt_get("swap_slots") - PAGES - 1024, SLOW));
	end_space(fd, mem);
	EXPECT_TRUE(vt_wait_stat("frames_free", FRAMES, FRAMES, SLOW));
	pid = fork();
	if (!pid) {
		vt_set("swap", "none");
		_exit(0);
	}
	ASSERT_TRUE(vt_comes_to_wait(pid));
	EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
	EXPECT_TRUE(dies(pid));
	EXPECT_STREQ(vt_show("swap"), ZDM);
	answer();
	fd = used_space(&mem);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	end_space(fd, mem);
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_LE(stored(self->stat), 16);
}

TEST_HARNESS_MAIN
