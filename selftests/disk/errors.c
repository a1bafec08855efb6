// SPDX-License-Identifier: GPL-2.0
/*
 * errors.c - the disk refuses, is slow to refuse, or does not answer: what is lost, who is told
 *
 * Between vmdemo and the disk stands a device of the device mapper, whose table decides which pages
 * fail. dmsetup(8) changes it while vmdemo has it bound.
 */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdarg.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	64
#define PAGES	1024
#define SEED	17
#define BAD	10	/* the page that fails, where it is one */
#define DM	"vmdemo-errors"
#define DM_DEAD	DM "-dead"
#define DM_CACHE	DM "-cache"

static char lower[256];		/* the disk below */
static __u64 lower_sectors;

/* ---- the device between ---- */

/* Without udev dmsetup has to be told to make the node. */
static void make_device(const char *name, const char *table)
{
	if (!vt_shell("dmsetup create %s --table '%s' && dmsetup mknodes %s", name, table, name))
		vt_fail("dmsetup does not create %s", name);
}

static const char *node(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	return path;
}

/* By its node: on a debug kernel, asking dmsetup takes longer than many a test. */
static bool exists(const char *name)
{
	return !access(node(name), F_OK);
}

static void remove_device(const char *name)
{
	if (exists(name) && vt_shell("dmsetup remove --retry %s", name))
		unlink(node(name));
}

static void set_table(const char *table)
{
	if (!vt_shell("dmsetup reload " DM " <<END\n%s\nEND\ndmsetup resume --nolockfs " DM, table))
		vt_fail("dmsetup does not take the table: %s", table);
}

/* All pages are right again. */
static void heal(void)
{
	char table[512];

	snprintf(table, sizeof(table), "0 %llu linear %s 0", lower_sectors, lower);
	set_table(table);
}

/* These pages fail, not those before and behind; first is not 0. */
static void break_pages(size_t first, size_t pages)
{
	__u64 start = first * 8, end = (first + pages) * 8;
	char table[1024];

	snprintf(table, sizeof(table),
		 "0 %llu linear %s 0\n%llu %llu error\n%llu %llu linear %s %llu",
		 start, lower, start, end - start, end, lower_sectors - end, lower, end);
	set_table(table);
}

static void break_all(void)
{
	char table[128];

	snprintf(table, sizeof(table), "0 %llu error", lower_sectors);
	set_table(table);
}

/* Writes go to @disk, and with @reads reads too, but only after so many milliseconds. */
static void slow_down(const char *disk, unsigned int ms, bool reads)
{
	char table[640], at_once[280];

	if (!vt_shell("modprobe dm-delay"))
		vt_skip("there is no dm-delay");
	snprintf(at_once, sizeof(at_once), "%s 0 0 ", lower);
	snprintf(table, sizeof(table), "0 %llu delay %s%s 0 %u", lower_sectors,
		 reads ? "" : at_once, disk, ms);
	set_table(table);
}

/* Writes fail, and with @reads reads too, but only after so many milliseconds. */
static void break_slowly(unsigned int ms, bool reads)
{
	char dead[64];

	snprintf(dead, sizeof(dead), "0 %llu error", lower_sectors);
	make_device(DM_DEAD, dead);
	slow_down("/dev/mapper/" DM_DEAD, ms, reads);
}

/*
 * The device has a write cache, which is there to be flushed: that of dm-log-writes, for RAM disks
 * have none. With @fails writes fail, and flushes.
 */
static void have_write_cache(bool fails)
{
	char table[512];

	if (!exists(DM_CACHE)) {
		if (!vt_shell("modprobe dm-log-writes && modprobe dm-flakey"))
			vt_skip("there is no dm-log-writes, or no dm-flakey");
		snprintf(table, sizeof(table), "0 %llu log-writes %s %s", lower_sectors, lower,
			 vt_disk2());
		make_device(DM_CACHE, table);
	}
	snprintf(table, sizeof(table), "0 %llu %s /dev/mapper/" DM_CACHE " 0 %s", lower_sectors,
		 fails ? "flakey" : "linear", fails ? "0 1000 1 error_writes" : "");
	set_table(table);
}

/* The device takes requests and does not answer; it answers them all after answer(). */
static void silence(void)
{
	if (!vt_shell("dmsetup suspend --noflush --nolockfs " DM))
		vt_fail("dmsetup suspend fails");
}

static void answer(void)
{
	if (!vt_shell("dmsetup resume " DM))
		vt_fail("dmsetup resume fails");
}

/* A test that failed may have left module and device in any state. */
static void clear_away(void)
{
	if (exists(DM)) {
		setenv("VMDEMO_TEST_DISK", "/dev/mapper/" DM, 1);
		heal();
		vt_stop();
		remove_device(DM);
	}
	remove_device(DM_DEAD);
	remove_device(DM_CACHE);
}

static void put_between(void)
{
	char table[512];
	__u64 bytes;
	int disk;

	if (!exists("control") && !vt_shell("modprobe dm-mod; dmsetup version >/dev/null"))
		vt_skip("the device mapper or dmsetup is missing");
	snprintf(lower, sizeof(lower), "%s", vt_disk());
	disk = open(lower, O_RDONLY);
	if (disk < 0 || ioctl(disk, BLKGETSIZE64, &bytes))
		vt_fail("%s: %s", lower, strerror(errno));
	close(disk);
	lower_sectors = bytes / 4096 * 8;
	clear_away();
	setenv("VMDEMO_TEST_DISK", lower, 1);
	vt_stop();
	vt_disk_fill(lower, 0, PAGES, SEED);
	snprintf(table, sizeof(table), "0 %llu linear %s 0", lower_sectors, lower);
	make_device(DM, table);
	setenv("VMDEMO_TEST_DISK", "/dev/mapper/" DM, 1);
}

/* ---- the tests ---- */

FIXTURE(errors) {
	int fd;
	char *mem;
	char *buffer;	/* private memory, 64 pages */
};

static void start(struct _test_data_errors *self, unsigned int frames)
{
	vt_start(frames);
	/* Nothing goes out by age, unless a test wants that. */
	if (vt_set("dirty_age_ms", "0"))
		vt_fail("dirty_age_ms cannot be set");
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

static void stop(struct _test_data_errors *self)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

FIXTURE_SETUP(errors)
{
	put_between();
	start(self, FRAMES);
	self->buffer = vt_buffer(64);
}

FIXTURE_TEARDOWN(errors)
{
	stop(self);
	clear_away();
}

/* Store new contents by the mapping. */
static void store(struct _test_data_errors *self, size_t first, size_t pages, __u64 seed)
{
	size_t i;

	for (i = first; i < first + pages; i++)
		vt_fill(self->mem + i * VT_PAGE, i, seed);
}

/* Touch pages one by one; the number of those that failed or were wrong, but for BAD. */
static size_t touch_around_bad(struct _test_data_errors *self, size_t first, size_t pages)
{
	size_t i, wrong = 0;
	siginfo_t info;

	for (i = first; i < first + pages; i++) {
		char *at = self->mem + i * VT_PAGE + 123;
		int signal = vt_try_read(at, &info);
		bool right = i == BAD ? signal == SIGBUS && info.si_addr == at &&
					info.si_code == BUS_ADRERR :
					!signal && vt_check(self->mem + i * VT_PAGE, i, SEED) < 0;

		if (!right && !wrong++)
			printf("# page %zu: signal %d, code %d, address %+td\n", i, signal,
			       info.si_code, (char *)info.si_addr - at);
	}
	return wrong;
}

/* Send SIGKILL; true if the process ends long before anything else would end its wait. */
static bool dies_at_once(pid_t pid)
{
	kill(pid, SIGKILL);
	return vt_ends_within(pid, 3000, NULL);
}

/* ---- reading ---- */

/* A page that cannot be read is SIGBUS at its address, each time, and that page alone. */
TEST_F(errors, read_by_fault)
{
	break_pages(BAD, 1);
	EXPECT_EQ(vt_stat("read_errors"), 0);
	EXPECT_EQ(touch_around_bad(self, BAD - 4, 8), 0);
	EXPECT_GT(vt_stat("read_errors"), 0);
	EXPECT_EQ(vt_try_write(self->mem + BAD * VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(touch_around_bad(self, 0, 20), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
}

/* It is right again when the device is, without anything being done. */
TEST_F(errors, read_recovers)
{
	__u64 errors;

	break_pages(BAD, 1);
	EXPECT_EQ(touch_around_bad(self, 0, 20), 0);
	heal();
	errors = vt_stat("read_errors");
	EXPECT_EQ(vt_count_bad(self->mem, 0, 20, SEED), 0);
	EXPECT_EQ(vt_stat("read_errors"), errors);
}

/* The kernel's own accesses to such a page fail as on any memory that is not there. */
TEST_F(errors, read_by_kernel)
{
	int ends[2];

	ASSERT_EQ(pipe(ends), 0);
	break_pages(BAD, 1);
	EXPECT_EQ(write(ends[1], self->mem + BAD * VT_PAGE, 100), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(write(ends[1], self->mem + (BAD + 1) * VT_PAGE, 100), 100);
}

/* read(2) returns what is before the page, then EIO. */
TEST_F(errors, read_by_pread)
{
	break_pages(BAD, 1);
	EXPECT_EQ(pread(self->fd, self->buffer, 20 * VT_PAGE, 0), BAD * VT_PAGE);
	EXPECT_EQ(vt_count_bad(self->buffer, 0, BAD, SEED), 0);
	EXPECT_EQ(pread(self->fd, self->buffer, 20 * VT_PAGE, BAD * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(pread(self->fd, self->buffer, VT_PAGE, (BAD + 1) * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(self->buffer, BAD + 1, SEED), -1);
	heal();
	EXPECT_EQ(pread(self->fd, self->buffer, 20 * VT_PAGE, 0), 20 * VT_PAGE);
	EXPECT_EQ(vt_count_bad(self->buffer, 0, 20, SEED), 0);
}

/* A write of part of such a page needs the rest: EIO. A write of all of it does not. */
TEST_F(errors, write_over_unreadable)
{
	break_pages(BAD, 1);
	EXPECT_EQ(pwrite(self->fd, "x", 1, BAD * VT_PAGE + 7), -1);
	EXPECT_EQ(errno, EIO);
	vt_fill(self->buffer, BAD, SEED + 1);
	EXPECT_EQ(pwrite(self->fd, self->buffer, VT_PAGE, BAD * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(self->mem + BAD * VT_PAGE, BAD, SEED + 1), -1);
	heal();
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, BAD, 1, SEED + 1));
}

/* Neighbours that readahead or prefetch read in the same request are fine. */
TEST_F(errors, read_ahead)
{
	break_pages(BAD, 1);
	ASSERT_EQ(vt_set("read_ahead_pages", "32"), 0);
	ASSERT_EQ(madvise(self->mem, PAGES * VT_PAGE, MADV_SEQUENTIAL), 0);
	EXPECT_EQ(touch_around_bad(self, 0, 48), 0);
	EXPECT_GT(vt_stat("readahead_pages"), 8);
	/* The request failed as a whole: otherwise this test has not seen what it is for. */
	EXPECT_GT(vt_stat("read_errors"), 8);
	heal();
	EXPECT_EQ(vt_count_bad(self->mem, 0, 48, SEED), 0);
}

TEST_F(errors, prefetch)
{
	__u64 started = 0;

	break_pages(BAD, 1);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_PREFETCH, 0, 32, &started), 0);
	EXPECT_EQ(started, 32);
	EXPECT_TRUE(vt_wait_stat("read_errors", 32, 32, 5));
	EXPECT_EQ(touch_around_bad(self, 0, 32), 0);
	heal();
	EXPECT_EQ(vt_count_bad(self->mem, 0, 32, SEED), 0);
}

/* Pages that failed take part in replacement like others. */
TEST_F(errors, unreadable_pages_go)
{
	size_t i;

	break_pages(BAD, FRAMES);
	for (i = BAD; i < BAD + FRAMES; i++)
		EXPECT_EQ(vt_try_read(self->mem + i * VT_PAGE, NULL), SIGBUS);
	for (i = 200; i < 400; i++)
		EXPECT_EQ(vt_check(self->mem + i * VT_PAGE, i, SEED), -1);
	EXPECT_EQ(vt_count_resident(self->fd, BAD, FRAMES), 0);
}

/* ---- writing ---- */

/*
 * fsync and msync fail each time while a page cannot be written; its data stays, readable and
 * dirty. The others get to the disk. When the device recovers it is all there.
 */
TEST_F(errors, write)
{
	int i;

	store(self, 0, 20, SEED + 1);
	break_pages(BAD, 1);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(fsync(self->fd), -1);
		EXPECT_EQ(errno, EIO);
		EXPECT_EQ(msync(self->mem, 20 * VT_PAGE, MS_SYNC), -1);
		EXPECT_EQ(errno, EIO);
		EXPECT_EQ(fdatasync(self->fd), -1);
		EXPECT_EQ(errno, EIO);
	}
	EXPECT_GE(vt_stat("write_errors"), 9);
	EXPECT_EQ(vt_stat("frames_dirty"), 1);
	EXPECT_TRUE(vt_page(self->fd, BAD).flags & VMDEMO_PAGE_DIRTY);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 20, SEED + 1), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, BAD, SEED + 1));
	EXPECT_TRUE(vt_disk_check(lower, BAD, 1, SEED));
	EXPECT_TRUE(vt_disk_check(lower, BAD + 1, 9, SEED + 1));
	/* What it does not concern succeeds. */
	EXPECT_EQ(msync(self->mem, BAD * VT_PAGE, MS_SYNC), 0);
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, BAD, 1, NULL), -EIO);
	EXPECT_EQ(vt_check(self->mem + BAD * VT_PAGE, BAD, SEED + 1), -1);
	EXPECT_EQ(fsync(self->fd), -1);
	heal();
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	stop(self);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, 20, SEED + 1));
	start(self, FRAMES);
}

/* write(2) with O_SYNC, and RWF_DSYNC's like, tell too. */
TEST_F(errors, write_synchronous)
{
	int fd = vt_open(O_RDWR | O_SYNC);

	break_pages(BAD, 1);
	vt_fill(self->buffer, BAD, SEED + 1);
	EXPECT_EQ(pwrite(fd, self->buffer, VT_PAGE, BAD * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	heal();
	EXPECT_EQ(pwrite(fd, self->buffer, VT_PAGE, BAD * VT_PAGE), VT_PAGE);
	EXPECT_TRUE(vt_disk_check(lower, BAD, 1, SEED + 1));
	close(fd);
}

/* One unwritable page does not stop replacement, and outlasts it. */
TEST_F(errors, write_under_pressure)
{
	__u64 begin = vt_now_ms();
	size_t i;

	store(self, BAD, 1, SEED + 1);
	break_pages(BAD, 1);
	for (i = 100; i < 900; i++) {
		ASSERT_EQ(vt_try_read(self->mem + i * VT_PAGE, NULL), 0);
		ASSERT_EQ(vt_check(self->mem + i * VT_PAGE, i, SEED), -1);
		if (i % 3 == 0)
			vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	}
	EXPECT_LT(vt_now_ms() - begin, 20000);
	EXPECT_TRUE(vt_resident(self->fd, BAD));
	EXPECT_EQ(vt_check(self->mem + BAD * VT_PAGE, BAD, SEED + 1), -1);
	EXPECT_EQ(fsync(self->fd), -1);
	EXPECT_EQ(errno, EIO);
	heal();
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, BAD, 1, SEED + 1));
	for (i = 100; i < 900; i++)
		EXPECT_TRUE(vt_disk_check(lower, i, 1, i % 3 ? SEED : SEED + 1));
}

/* Until the deadline: whether all pages of the range were right. */
static bool read_on(struct _test_data_errors *self, size_t first, size_t pages, __u64 deadline)
{
	while (vt_now_ms() < deadline) {
		if (vt_count_bad(self->mem + first * VT_PAGE, first, pages, SEED))
			return false;
	}
	return true;
}

/* Pages whose write fails while others look for frames stay, whatever is evicted just then. */
TEST_F(errors, refused_under_pressure)
{
	__u64 deadline;
	pid_t pids[2];
	int i;

	ASSERT_EQ(vt_set("dirty_pct", "100"), 0);
	store(self, 0, FRAMES / 2, SEED + 1);
	break_slowly(3, false);
	deadline = vt_now_ms() + 5000;
	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		ASSERT_GE(pids[i], 0);
		if (!pids[i])
			_exit(!read_on(self, 100 + 400 * i, 400, deadline));
	}
	while (vt_now_ms() < deadline) {
		EXPECT_EQ(fsync(self->fd), -1);
		EXPECT_EQ(errno, EIO);
	}
	for (i = 0; i < 2; i++)
		EXPECT_EQ(vt_reap(pids[i]), 0);
	EXPECT_GT(vt_stat("evictions_clean"), 100);
	EXPECT_GT(vt_stat("write_errors"), 100);
	EXPECT_EQ(vt_stat("frames_dirty"), FRAMES / 2);
	heal();
	EXPECT_EQ(vt_count_bad(self->mem, 0, FRAMES / 2, SEED + 1), 0);
	/* It may first tell of the failures in the background. */
	if (fsync(self->fd))
		EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, FRAMES / 2, SEED + 1));
}

/* What fsync has acknowledged is on a slow disk, whoever else wrote it or tries to evict it. */
TEST_F(errors, acknowledged_under_pressure)
{
	__u64 deadline = vt_now_ms() + 5000;
	pid_t pids[2];
	int i, round;

	slow_down(lower, 300, false);
	/* So the flusher is at it already. */
	ASSERT_EQ(vt_set("dirty_age_ms", "5"), 0);
	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		ASSERT_GE(pids[i], 0);
		if (!pids[i])
			_exit(!read_on(self, 100 + 400 * i, 400, deadline));
	}
	for (round = 1; vt_now_ms() < deadline; round++) {
		/* One page: to wait for a neighbour would be to wait for its write as well. */
		vt_fill(self->buffer, 7, SEED + round);
		ASSERT_EQ(pwrite(self->fd, self->buffer, VT_PAGE, 7 * VT_PAGE), VT_PAGE);
		/* Soon it is next to be evicted, again and again. */
		vt_nap(20);
		ASSERT_EQ(fsync(self->fd), 0);
		ASSERT_TRUE(vt_disk_check(lower, 7, 1, SEED + round));
	}
	EXPECT_GT(round, 3);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(vt_reap(pids[i]), 0);
}

/* A failure in the background: every file that was open hears of it by fsync, once. */
TEST_F(errors, background)
{
	int other = vt_open(O_RDONLY), later;

	store(self, BAD, 1, SEED + 1);
	break_pages(BAD, 1);
	ASSERT_EQ(vt_set("dirty_age_ms", "200"), 0);
	ASSERT_TRUE(vt_wait_stat("write_errors", 1, UINT64_MAX, 10));
	heal();
	ASSERT_TRUE(vt_wait_stat("frames_dirty", 0, 0, 10));
	EXPECT_TRUE(vt_disk_check(lower, BAD, 1, SEED + 1));
	EXPECT_EQ(fsync(self->fd), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(self->fd), 0);
	later = vt_open(O_RDWR);
	EXPECT_EQ(fsync(later), 0);
	EXPECT_EQ(fsync(other), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(other), 0);
	EXPECT_EQ(fsync(self->fd), 0);
	close(other);
	close(later);
}

/* ---- leaving ---- */

/* Unbinding fails rather than drop data, as often as it is tried; the device remains usable. */
TEST_F(errors, detach)
{
	store(self, 0, 20, SEED + 1);
	stop(self);
	break_pages(BAD, 1);
	EXPECT_EQ(vt_set("backing", "none"), -EIO);
	EXPECT_EQ(vt_set("backing", "none"), -EIO);
	EXPECT_STREQ(vt_show("backing"), vt_disk());
	EXPECT_EQ(vt_stat("frames_dirty"), 1);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 20, SEED + 1), 0);
	stop(self);
	heal();
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, 20, SEED + 1));
	EXPECT_TRUE(vt_disk_check(lower, 20, 20, SEED));
	start(self, FRAMES);
}

/* Unloading gives up after some 5 s, and says how much is lost. What could be written was. */
TEST_F(errors, unload)
{
	int log = vt_log_open();
	__u64 begin;

	store(self, 0, 20, SEED + 1);
	stop(self);
	break_pages(BAD, 3);
	begin = vt_now_ms();
	EXPECT_EQ(vt_try_unload(), 0);
	EXPECT_GE(vt_now_ms() - begin, 4000);
	EXPECT_LT(vt_now_ms() - begin, 12000);
	EXPECT_TRUE(vt_log_says(log, ": 3 pages lost"));
	heal();
	EXPECT_TRUE(vt_disk_check(lower, 0, BAD, SEED + 1));
	EXPECT_TRUE(vt_disk_check(lower, BAD, 3, SEED));
	EXPECT_TRUE(vt_disk_check(lower, BAD + 3, 7, SEED + 1));
	start(self, FRAMES);
	EXPECT_EQ(vt_check(self->mem + BAD * VT_PAGE, BAD, SEED), -1);
	close(log);
}

/* If the device recovers while unloading tries, nothing is lost. */
TEST_F(errors, unload_recovers)
{
	pid_t pid;

	store(self, 0, 20, SEED + 1);
	stop(self);
	break_pages(BAD, 3);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		vt_nap(1000);
		heal();
		_exit(0);
	}
	EXPECT_EQ(vt_try_unload(), 0);
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, 20, SEED + 1));
	start(self, FRAMES);
}

/* ---- a pool full of what cannot be written ---- */

static void fill_with_dirt(struct __test_metadata *_metadata, struct _test_data_errors *self,
			   int frames)
{
	int i;

	ASSERT_EQ(vt_set("dirty_pct", "100"), 0);
	for (i = 0; i < frames; i++) {
		vt_fill(self->buffer, i, SEED + 1);
		ASSERT_EQ(pwrite(self->fd, self->buffer, VT_PAGE, i * VT_PAGE), VT_PAGE);
	}
	ASSERT_EQ(vt_stat("frames_free"), 0);
	ASSERT_EQ(vt_stat("frames_dirty"), frames);
}

/* A process that touches a page for which there is no frame; its status is the signal it gets. */
static pid_t toucher(struct _test_data_errors *self, size_t page)
{
	pid_t pid = fork();

	if (!pid)
		_exit(vt_try_read(self->mem + page * VT_PAGE, NULL));
	return pid;
}

/* Who needs a frame waits, is told after some 5 s, and can be killed before. */
static void starve(struct __test_metadata *_metadata, struct _test_data_errors *self)
{
	__u64 begin = vt_now_ms();
	pid_t pid = toucher(self, 900);
	int status = 0;
	bool ended;

	/* If the machine stands still just when it is about to be told, it waits once more. */
	ended = vt_ends_within(pid, 16000, &status);
	EXPECT_GE(vt_now_ms() - begin, 4000);
	EXPECT_TRUE(ended) {
		TH_LOG("SIGBUS does not come");
		EXPECT_TRUE(dies_at_once(pid));
	}
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), SIGBUS);

	/* For a second who asks is told at once; then one waits again. */
	vt_nap(1500);
	pid = toucher(self, 901);
	vt_nap(1000);
	EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
	EXPECT_TRUE(dies_at_once(pid)) {
		heal();
		vt_reap(pid);
	}
}

/* Then the device recovers: nothing is lost. */
static void thrive(struct __test_metadata *_metadata, struct _test_data_errors *self, int frames)
{
	heal();
	EXPECT_EQ(vt_check(self->mem + 902 * VT_PAGE, 902, SEED), -1);
	EXPECT_EQ(vt_count_bad(self->mem, 0, frames, SEED + 1), 0);
	/* It may first tell of the failures in the background. */
	if (fsync(self->fd))
		EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, frames, SEED + 1));
	EXPECT_TRUE(vt_balanced());
}

TEST_F(errors, dead_pool)
{
	break_all();
	fill_with_dirt(_metadata, self, FRAMES);
	starve(_metadata, self);
	thrive(_metadata, self, FRAMES);
}

/* The same with a reclaim thread that keeps a reserve. */
TEST_F(errors, dead_pool_with_reserve)
{
	stop(self);
	start(self, 512);
	ASSERT_GT(vt_get("reserve"), 0);
	break_all();
	fill_with_dirt(_metadata, self, 512);
	starve(_metadata, self);
	thrive(_metadata, self, 512);
}

/* The same with a disk that takes its time to refuse: writes under way are no progress for ever. */
TEST_F(errors, dying_pool)
{
	break_slowly(300, true);
	fill_with_dirt(_metadata, self, FRAMES);
	starve(_metadata, self);
	thrive(_metadata, self, FRAMES);
}

/* ---- a device that does not answer ---- */

/* What a process can wait for; each returns when the wait has ended. */
struct wait {
	void (*in)(const struct wait *wait);
	char *mem;
	int fd;
	size_t page;
};

static void in_fault(const struct wait *wait)
{
	vt_try_read(wait->mem + wait->page * VT_PAGE, NULL);
}

static void in_store(const struct wait *wait)
{
	vt_try_write(wait->mem + wait->page * VT_PAGE, NULL);
}

static void in_pread(const struct wait *wait)
{
	char byte;

	pread(wait->fd, &byte, 1, wait->page * VT_PAGE);
}

/* Part of a page: the rest has to be read, or what is being written may not change. */
static void in_pwrite(const struct wait *wait)
{
	char byte = 0;

	pwrite(wait->fd, &byte, 1, wait->page * VT_PAGE + 7);
}

static void in_fsync(const struct wait *wait)
{
	fsync(wait->fd);
}

static void in_msync(const struct wait *wait)
{
	msync(wait->mem + wait->page * VT_PAGE, VT_PAGE, MS_SYNC);
}

static void in_detach(const struct wait *wait)
{
	(void)wait;
	vt_set("backing", "none");
}

static void in_abandon(const struct wait *wait)
{
	(void)wait;
	vt_set("backing", "abandon");
}

static void in_attach(const struct wait *wait)
{
	(void)wait;
	vt_set("backing", "/dev/mapper/" DM);
}

static void in_swapoff(const struct wait *wait)
{
	(void)wait;
	vt_set("swap", "none");
}

static void in_evict(const struct wait *wait)
{
	vt_range(wait->fd, VMDEMO_IOC_EVICT, wait->page, 1, NULL);
}

static void in_dontneed(const struct wait *wait)
{
	posix_fadvise(wait->fd, wait->page * VT_PAGE, VT_PAGE, POSIX_FADV_DONTNEED);
}

/* This page, which is being written, and the one behind it. */
static void in_discard(const struct wait *wait)
{
	vt_range(wait->fd, VMDEMO_IOC_DISCARD, wait->page, 2, NULL);
}

static void in_punch(const struct wait *wait)
{
	fallocate(wait->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, wait->page * VT_PAGE,
		  2 * VT_PAGE);
}

static void in_seek(const struct wait *wait)
{
	lseek(wait->fd, 0, SEEK_DATA);
}

/* The first segment loses all its pages. */
static void in_limit(const struct wait *wait)
{
	struct vmdemo_segment_limit limit = {};

	ioctl(wait->fd, VMDEMO_IOC_LIMIT, &limit);
}

#define MOST_WAITS	12

static pid_t start_waiting(const struct wait *wait)
{
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	if (!pid) {
		wait->in(wait);
		_exit(0);
	}
	return pid;
}

/*
 * Wait until a page is being read or written: by somebody who has to wait for that, as the disk
 * does not answer.
 */
static bool becomes(int fd, size_t page, enum vmdemo_page_state state)
{
	__u64 deadline = vt_now_ms() + 20000;

	while (vt_page(fd, page).state != state) {
		if (vt_now_ms() > deadline)
			return false;
		vt_nap(5);
	}
	return true;
}

/* One process for each: half a second later all are still waiting. The last is killed first. */
static void all_wait_killably(struct __test_metadata *_metadata, const struct wait *waits, int nr)
{
	pid_t pid[MOST_WAITS];
	int i;

	for (i = 0; i < nr; i++)
		pid[i] = start_waiting(&waits[i]);
	vt_nap(500);
	for (i = nr - 1; i >= 0; i--) {
		EXPECT_EQ(waitpid(pid[i], NULL, WNOHANG), 0) {
			TH_LOG("number %d does not wait", i);
		}
		EXPECT_TRUE(dies_at_once(pid[i])) {
			TH_LOG("number %d does not die", i);
			vt_shell("sed 's/^/# /' /proc/%d/stack", pid[i]);
		}
	}
}

/* Who waits for a page, for a write, or for who discards can be killed. */
TEST_F(errors, silent_killable)
{
	char *mem = self->mem;
	int fd = self->fd;
	const struct wait waits[] = {
		{ in_fault, mem, fd, 100 }, { in_pread, mem, fd, 101 }, { in_pwrite, mem, fd, 102 },
		{ in_fsync, mem, fd, 0 }, { in_msync, mem, fd, 0 }, { in_evict, mem, fd, 1 },
		{ in_dontneed, mem, fd, 2 }, { in_store, mem, fd, 2 }, { in_pwrite, mem, fd, 3 },
		{ in_discard, mem, fd, 4 },
	};
	const struct wait behind = { in_fault, mem, fd, 5 };
	pid_t pid;

	store(self, 0, 5, SEED + 1);
	silence();
	pid = start_waiting(&waits[3]);
	ASSERT_TRUE(becomes(fd, 4, VMDEMO_PAGE_WRITING));
	all_wait_killably(_metadata, waits, ARRAY_SIZE(waits));
	/* And a fault on what is being discarded. */
	vt_nap(200);
	EXPECT_TRUE(dies_at_once(pid));
	pid = start_waiting(&waits[9]);
	EXPECT_TRUE(vt_comes_to_wait(pid));
	all_wait_killably(_metadata, &behind, 1);
	EXPECT_TRUE(dies_at_once(pid));
	answer();
	EXPECT_EQ(vt_count_bad(mem + 100 * VT_PAGE, 100, 3, SEED), 0);
	EXPECT_EQ(vt_count_bad(mem, 0, 4, SEED + 1), 0);
	EXPECT_EQ(vt_check(mem + 5 * VT_PAGE, 5, SEED), -1);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, 4, SEED + 1));
	EXPECT_TRUE(vt_disk_check(lower, 5, 200, SEED));
	EXPECT_TRUE(vt_balanced());
}

/* All is written, and the disk does not say that its write cache is flushed. */
TEST_F(errors, silent_flush)
{
	char *mem = self->mem;
	int fd = self->fd;
	const struct wait waits[] = {
		{ in_fsync, mem, fd, 0 }, { in_msync, mem, fd, 0 },
	};

	have_write_cache(false);
	store(self, 0, 4, SEED + 1);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, 4, NULL), 0);
	silence();
	all_wait_killably(_metadata, waits, ARRAY_SIZE(waits));
	/* The flushes of those who are dead are on their way yet: it stays bound till they end. */
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	all_wait_killably(_metadata, &(const struct wait){ in_detach, NULL, -1, 0 }, 1);
	answer();
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, 4, SEED + 1));
	EXPECT_TRUE(vt_balanced());
}

/*
 * The flush fails: what was written may be lost with the cache. Each open file hears of that once,
 * also one whose own flush succeeds, later.
 */
TEST_F(errors, flush_fails)
{
	int other = vt_open(O_RDWR), late;

	have_write_cache(false);
	store(self, 0, 4, SEED + 1);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, 4, NULL), 0);
	have_write_cache(true);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_EQ(fsync(self->fd), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(self->fd), -1);
	EXPECT_EQ(errno, EIO);
	have_write_cache(false);
	late = vt_open(O_RDWR);
	EXPECT_EQ(fsync(other), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(other), 0);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(fsync(late), 0);
	EXPECT_EQ(vt_stat("write_errors"), 0);
	close(late);
	close(other);
	EXPECT_TRUE(vt_disk_check(lower, 0, 4, SEED + 1));
}

/* Bind it again, when those who were killed have let go of it. */
static void reopen(struct _test_data_errors *self)
{
	__u64 deadline = vt_now_ms() + 20000;

	while (!strcmp(vt_show("backing"), "none") && vt_now_ms() < deadline &&
	       vt_set("backing", "/dev/mapper/" DM) == -EBUSY)
		vt_nap(5);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

/* What others wrote by the disk's own page cache is waited for before it is ours, and after. */
TEST_F(errors, silent_bind)
{
	const struct wait attach = { in_attach, NULL, -1, 0 }, detach = { in_detach, NULL, -1, 0 };
	int disk = open("/dev/mapper/" DM, O_RDWR);

	ASSERT_GE(disk, 0);
	stop(self);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	vt_fill(self->buffer, 3, SEED + 1);
	ASSERT_EQ(pwrite(disk, self->buffer, VT_PAGE, 3 * VT_PAGE), VT_PAGE);
	silence();
	all_wait_killably(_metadata, &attach, 1);
	EXPECT_STREQ(vt_show("backing"), "none");
	answer();
	reopen(self);
	EXPECT_EQ(vt_check(self->mem + 3 * VT_PAGE, 3, SEED + 1), -1);
	stop(self);
	ASSERT_EQ(pwrite(disk, self->buffer, VT_PAGE, 3 * VT_PAGE), VT_PAGE);
	silence();
	all_wait_killably(_metadata, &detach, 1);
	answer();
	close(disk);
	reopen(self);
	EXPECT_EQ(vt_count_bad(self->mem + 4 * VT_PAGE, 4, 60, SEED), 0);
	EXPECT_TRUE(vt_balanced());
}

/* A disk that is to be given up does not answer: whoever does so can be killed, losing nothing. */
TEST_F(errors, silent_abandon)
{
	const struct wait abandon = { in_abandon, NULL, -1, 0 };

	store(self, 0, 5, SEED + 1);
	stop(self);
	silence();
	all_wait_killably(_metadata, &abandon, 1);
	answer();
	reopen(self);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 5, SEED + 1), 0);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, 5, SEED + 1));
	EXPECT_TRUE(vt_balanced());
}

/*
 * The disk is being zeroed by a discard, and does not answer. Who discards can be killed, and who
 * waits for him; what is written afterwards does not become zeros.
 */
TEST_F(errors, silent_zeroing)
{
	char *mem = self->mem;
	int fd = self->fd;
	const struct wait discard = { in_discard, mem, fd, 8 };
	const struct wait waits[] = {
		{ in_fault, mem, fd, 8 }, { in_pread, mem, fd, 9 }, { in_discard, mem, fd, 9 },
		{ in_fsync, mem, fd, 0 }, { in_pwrite, mem, fd, 8 },
	};
	pid_t writer;

	silence();
	all_wait_killably(_metadata, &discard, 1);
	all_wait_killably(_metadata, waits, ARRAY_SIZE(waits));
	writer = fork();
	if (!writer) {
		vt_fill(self->buffer, 9, SEED + 1);
		_exit(pwrite(fd, self->buffer, VT_PAGE, 9 * VT_PAGE) != VT_PAGE);
	}
	EXPECT_TRUE(vt_comes_to_wait(writer));
	stop(self);
	EXPECT_EQ(vt_set("backing", "none"), -EBUSY);
	answer();
	EXPECT_EQ(vt_reap(writer), 0);
	reopen(self);
	EXPECT_TRUE(vt_is_zero(self->mem + 8 * VT_PAGE));
	EXPECT_EQ(vt_check(self->mem + 9 * VT_PAGE, 9, SEED + 1), -1);
	EXPECT_EQ(vt_check(self->mem + 10 * VT_PAGE, 10, SEED), -1);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, 9, 1, SEED + 1));
	EXPECT_TRUE(vt_balanced());
}

/* Send the machine to sleep, as far as that its processes are frozen. True if that succeeds. */
static bool sleep_a_moment(void)
{
	bool slept;

	if (!vt_shell("echo freezer >/sys/power/pm_test") ||
	    !vt_shell("echo 0 >/sys/module/suspend/parameters/pm_test_delay"))
		vt_fail("the machine does not sleep on trial");
	slept = vt_shell("echo freeze >/sys/power/state");
	vt_shell("echo none >/sys/power/pm_test");
	return slept;
}

/* The machine goes to sleep: what is dirty is written before, if the disk answers. */
TEST_F(errors, sleep)
{
	int log = vt_log_open();

	/* The debug kernel never sleeps; Debian's do, and can on trial. */
	if (access("/sys/power/state", F_OK))
		return;
	store(self, 0, 5, SEED + 1);
	EXPECT_TRUE(sleep_a_moment());
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, 5, SEED + 1));
	EXPECT_FALSE(vt_log_says(log, "before the machine sleeps"));
	/* Nothing of ours writes meanwhile: its thread is one that is frozen (not PF_NOFREEZE). */
	EXPECT_TRUE(vt_shell("flags=$(cut -d\\  -f9 /proc/$(pgrep -o vmdemo_recl)/stat); "
			     "[ $((flags & 0x8000)) = 0 ]"));
	close(log);
}

/* If it does not answer the machine sleeps all the same, before long, and says so. */
TEST_F(errors, silent_sleep)
{
	int log = vt_log_open();
	__u64 begin;

	/* The debug kernel never sleeps; Debian's do, and can on trial. */
	if (access("/sys/power/state", F_OK))
		return;
	store(self, 0, 5, SEED + 1);
	silence();
	begin = vt_now_ms();
	EXPECT_TRUE(sleep_a_moment());
	EXPECT_LT(vt_now_ms() - begin, 30000);
	EXPECT_TRUE(vt_log_says(log, "before the machine sleeps: 5 pages not written"));
	/* Whoever waited has gone: the disk can be given up. */
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	all_wait_killably(_metadata, &(const struct wait){ in_detach, NULL, -1, 0 }, 1);
	answer();
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, 5, SEED + 1));
	close(log);
}

struct waiter {
	char *page;
	long bad;	/* vt_check()'s answer */
	bool begun, done;
};

/* Memory that processes share. */
static bool *shared_flag(void)
{
	bool *flag = mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (flag == MAP_FAILED)
		vt_fail("no memory");
	return flag;
}

static void *wait_for_page(void *argument)
{
	struct waiter *waiter = argument;

	__atomic_store_n(&waiter->begun, true, __ATOMIC_SEQ_CST);
	waiter->bad = vt_check(waiter->page, 100, SEED);
	__atomic_store_n(&waiter->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* A thread waits for its page: other threads of it map and unmap meanwhile, and ps sees it. */
TEST_F(errors, silent_mmap_lock)
{
	struct waiter waiter = { .page = self->mem + 100 * VT_PAGE };
	bool *finished = shared_flag();
	char line[4096];
	pthread_t thread;
	pid_t watchdog;
	char *map;
	FILE *maps;

	silence();
	/* If the lock is held after all the process cannot end this, but another can. */
	watchdog = fork();
	ASSERT_GE(watchdog, 0);
	if (!watchdog) {
		int naps;

		for (naps = 0; naps < 4000 && !__atomic_load_n(finished, __ATOMIC_SEQ_CST); naps++)
			vt_nap(5);
		answer();
		_exit(naps == 4000);
	}
	ASSERT_EQ(pthread_create(&thread, NULL, wait_for_page, &waiter), 0);
	while (!__atomic_load_n(&waiter.begun, __ATOMIC_SEQ_CST))
		vt_nap(1);
	EXPECT_TRUE(becomes(self->fd, 100, VMDEMO_PAGE_LOADING));
	map = vt_buffer(16);
	memset(map, 1, 16 * VT_PAGE);
	EXPECT_EQ(mprotect(map, VT_PAGE, PROT_READ), 0);
	EXPECT_EQ(munmap(map, 16 * VT_PAGE), 0);
	map = vt_map(self->fd, 0, 16, VT_RW, MAP_SHARED);
	EXPECT_EQ(munmap(map, 16 * VT_PAGE), 0);
	maps = fopen("/proc/self/maps", "r");
	ASSERT_NE(maps, NULL);
	while (fgets(line, sizeof(line), maps))
		;
	fclose(maps);
	EXPECT_FALSE(__atomic_load_n(&waiter.done, __ATOMIC_SEQ_CST));
	/* All that was done before the device answers; now it does, and the thread goes on. */
	__atomic_store_n(finished, true, __ATOMIC_SEQ_CST);
	EXPECT_EQ(vt_reap(watchdog), 0);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(waiter.bad, -1);
	munmap(finished, VT_PAGE);
}

/*
 * Map, and unmap the end of the mapping that the waiter waits in, until it is done. The slowest of
 * it, in ms.
 */
static __u64 slowest_mapping(struct _test_data_errors *self, struct waiter *waiter)
{
	char *end = self->mem + PAGES * VT_PAGE;
	__u64 begin, slowest = 0;

	while (!__atomic_load_n(&waiter->done, __ATOMIC_SEQ_CST)) {
		begin = vt_now_ms();
		munmap(vt_map(self->fd, 0, 1, PROT_READ, MAP_SHARED), VT_PAGE);
		if (end > self->mem + PAGES / 2 * VT_PAGE) {
			end -= VT_PAGE;
			munmap(end, VT_PAGE);
		}
		if (vt_now_ms() - begin > slowest)
			slowest = vt_now_ms() - begin;
		vt_nap(20);
	}
	return slowest;
}

/*
 * A thread waits for a frame, for which a dirty page has to be written, and then for its page.
 * Writing and reading take 3 s each, and in none of them does another thread wait that maps and
 * unmaps.
 */
TEST_F(errors, dirty_mmap_lock)
{
	struct waiter waiter = { .page = self->mem + 100 * VT_PAGE };
	__u64 slowest, begin;
	pthread_t thread;

	ASSERT_EQ(vt_set("dirty_pct", "100"), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, FRAMES, SEED), 0);
	slow_down(lower, 3000, true);
	/* The flusher begins with the oldest before all are dirty. */
	store(self, 0, FRAMES, SEED + 1);
	begin = vt_now_ms();
	ASSERT_EQ(pthread_create(&thread, NULL, wait_for_page, &waiter), 0);
	slowest = slowest_mapping(self, &waiter);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_EQ(waiter.bad, -1);
	EXPECT_GE(vt_now_ms() - begin, 4500);
	EXPECT_LT(slowest, 2000);
	heal();
}

static void *wait_to_store(void *arg)
{
	struct waiter *waiter = arg;

	vt_fill(waiter->page, 20, SEED + 2);
	__atomic_store_n(&waiter->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *wait_for_sync(void *arg)
{
	struct waiter *waiter = arg;

	waiter->bad = fsync(*(int *)waiter->page);
	return NULL;
}

/* A thread stores to a page that is being written, and waits for the end of that: it alone. */
TEST_F(errors, written_mmap_lock)
{
	struct waiter waiter = { .page = self->mem + 20 * VT_PAGE };
	struct waiter syncer = { .page = (void *)&self->fd };
	pthread_t thread, sync;
	__u64 slowest, begin;

	store(self, 20, 1, SEED + 1);
	slow_down(lower, 3000, false);
	begin = vt_now_ms();
	ASSERT_EQ(pthread_create(&sync, NULL, wait_for_sync, &syncer), 0);
	EXPECT_TRUE(becomes(self->fd, 20, VMDEMO_PAGE_WRITING));
	ASSERT_EQ(pthread_create(&thread, NULL, wait_to_store, &waiter), 0);
	slowest = slowest_mapping(self, &waiter);
	EXPECT_EQ(pthread_join(thread, NULL), 0);
	EXPECT_GE(vt_now_ms() - begin, 2500);
	EXPECT_LT(slowest, 2000);
	EXPECT_EQ(pthread_join(sync, NULL), 0);
	EXPECT_EQ(syncer.bad, 0);
	/* What was on its way is what was acknowledged, and what came after it is there as well. */
	EXPECT_TRUE(vt_disk_check(lower, 20, 1, SEED + 1));
	EXPECT_EQ(vt_count_bad(self->mem + 20 * VT_PAGE, 20, 1, SEED + 2), 0);
	heal();
}

/* The mapping may go altogether while a thread waits for a page of it. */
TEST_F(errors, silent_munmap)
{
	struct waiter waiter = {};
	struct vmdemo_page page;
	int status = -1;
	pid_t pid;

	silence();
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		pthread_t thread;

		waiter.page = vt_map(self->fd, 100, 1, PROT_READ, MAP_SHARED);
		pthread_create(&thread, NULL, wait_for_page, &waiter);
		if (!becomes(self->fd, 100, VMDEMO_PAGE_LOADING))
			_exit(2);
		munmap(waiter.page, VT_PAGE);
		_exit(__atomic_load_n(&waiter.done, __ATOMIC_SEQ_CST) ? 1 : 0);
	}
	/* The device does not answer before. */
	EXPECT_TRUE(vt_ends_within(pid, 30000, &status));
	EXPECT_EQ(status, 0);
	page = vt_page(self->fd, 100);
	EXPECT_EQ(page.state, VMDEMO_PAGE_LOADING);
	answer();
	EXPECT_EQ(vt_check(self->mem + 100 * VT_PAGE, 100, SEED), -1);
}

/* ---- dirty pages by number and by age ---- */

/* Writers far beyond dirty_pct get on, and the number of dirty pages stays near it. */
TEST_F(errors, dirty_pct)
{
	__u64 state = SEED, most = 0, dirty, begin;
	size_t i, held_up = 0;

	ASSERT_EQ(vt_set("dirty_pct", "5"), 0);
	for (i = 0; i < 2000; i++) {
		size_t page = vt_random(&state) % PAGES;

		begin = vt_now_ms();
		vt_fill(self->mem + page * VT_PAGE, page, SEED);
		held_up += vt_now_ms() - begin >= 450;
		if (i % 10)
			continue;
		dirty = vt_stat("frames_dirty");
		if (dirty > most)
			most = dirty;
	}
	/* Who is held up in vain is so for half a second: that would be a minute in all. */
	EXPECT_LT(held_up, 120);
	/* He then makes a page dirty all the same. */
	EXPECT_LE(most, 2 * FRAMES * 5 / 100 + held_up);
	EXPECT_GT(most, 0);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, PAGES, SEED));
}

/* The same while nothing can be written: slowly, but not for ever, and killably. */
TEST_F(errors, dirty_pct_dead)
{
	__u64 begin = vt_now_ms();
	pid_t pid;

	vt_count_bad(self->mem, 0, 16, SEED);
	break_all();
	ASSERT_EQ(vt_set("dirty_pct", "5"), 0);
	store(self, 0, 8, SEED + 1);
	EXPECT_LT(vt_now_ms() - begin, 20000);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		for (;;)
			pwrite(self->fd, self->buffer, VT_PAGE, 9 * VT_PAGE);
	}
	vt_nap(700);
	EXPECT_TRUE(dies_at_once(pid));
	heal();
	if (fsync(self->fd))
		EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, 8, SEED + 1));
}

/*
 * A dirty page gets to the disk by itself within twice dirty_age_ms, and not at all with 0. It
 * should be there after once that: the rest, three seconds here, is for a machine that is busy; so
 * busy at times that seconds are counted by our own naps.
 */
TEST_F(errors, dirty_age)
{
	int round, naps;
	__u64 begin;

	store(self, 0, 1, SEED + 1);
	vt_nap(1000);
	EXPECT_EQ(vt_stat("frames_dirty"), 1);
	ASSERT_EQ(vt_set("dirty_age_ms", "3000"), 0);
	EXPECT_TRUE(vt_wait_stat("frames_dirty", 0, 0, 6));
	for (round = 2; round < 5; round++) {
		begin = vt_now_ms();
		store(self, 0, 8, SEED + round);
		for (naps = 0; naps < 2000 && vt_stat("frames_dirty"); naps++)
			vt_nap(5);
		EXPECT_GE(vt_now_ms() - begin, 1200);
		EXPECT_LE(naps, 6000 / 5);
		EXPECT_TRUE(vt_disk_check(lower, 0, 8, SEED + round));
	}
}

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
	all_wait_killably(_metadata, waits, ARRAY_SIZE(waits));
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

	put_between();
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

/* Who punches it has zeros, and no error. */
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

/* The swap device does not answer: who waits for a page of it, or for who does, can be killed. */
TEST_F(swap, silent_swap)
{
	char *mem = self->mem;
	int fd = self->fd;
	const struct wait waits[] = {
		{ in_fault, mem, fd, 10 }, { in_store, mem, fd, 11 }, { in_pread, mem, fd, 12 },
		{ in_pwrite, mem, fd, 14 }, { in_punch, mem, fd, 15 }, { in_seek, mem, fd, 0 },
	};
	/* Whom the last three wait for. */
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
	all_wait_killably(_metadata, waits, ARRAY_SIZE(waits));
	EXPECT_TRUE(dies_at_once(writer));
	answer();
	as_before(_metadata, self);
}

/* Who waits for a page is killed, and with it the space goes: its end waits for no disk. */
TEST_F(swap, silent_close)
{
	const struct wait fault = { in_fault, self->mem, self->fd, 10 };
	const struct wait swapoff = { in_swapoff, NULL, -1, 0 };
	pid_t reader;

	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, SWAPPED, NULL), 0);
	silence();
	reader = start_waiting(&fault);
	ASSERT_TRUE(becomes(self->fd, 10, VMDEMO_PAGE_LOADING));
	leave_space(self);
	EXPECT_TRUE(dies_at_once(reader));
	all_wait_killably(_metadata, &swapoff, 1);
	answer();
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), FRAMES);
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
	all_wait_killably(_metadata, waits, ARRAY_SIZE(waits));
	answer();
	as_before(_metadata, self);
}

/*
 * A page that is just being written is punched. Who does that waits for the disk, as in any file
 * system; but others who want the same pages, or the same inode, can be killed meanwhile.
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
	all_wait_killably(_metadata, waits, ARRAY_SIZE(waits));
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
	all_wait_killably(_metadata, waits, ARRAY_SIZE(waits));
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

/* ---- one disk is in trouble, the other one is not ---- */

/*
 * Four frames of five are dirty, and the disk they belong to fails, or does not answer. That is
 * nothing to who needs neither: who stores to a space that swaps to another disk, or reads what the
 * failing one can still read.
 */
FIXTURE(trouble) {
	int fd, space;
	char *mem, *others;
	size_t dirty;
	__u64 *slowest;			/* of each round, in ms */
};

FIXTURE_VARIANT(trouble) {
	unsigned int frames;
	bool silent;
	bool reads;	/* of the disk in trouble, instead of stores to a space */
};

FIXTURE_VARIANT_ADD(trouble, silent) { .frames = 64, .silent = true };
FIXTURE_VARIANT_ADD(trouble, silent_reserve) { .frames = 512, .silent = true };
FIXTURE_VARIANT_ADD(trouble, failing) { .frames = 64 };
FIXTURE_VARIANT_ADD(trouble, failing_reserve) { .frames = 512 };
FIXTURE_VARIANT_ADD(trouble, reader) { .frames = 64, .reads = true };
FIXTURE_VARIANT_ADD(trouble, reader_reserve) { .frames = 512, .reads = true };

#define ROUNDS		4
#define ROUND_MS	800
#define SLOW_MS		250	/* more than 400, or no end, when the two had one fate */

FIXTURE_SETUP(trouble)
{
	struct vmdemo_space_args args = { .size = 4 * variant->frames * VT_PAGE };
	size_t i;

	put_between();
	vt_load("backing=%s swap=%s frames=%u", vt_disk(), vt_disk2(), variant->frames);
	ASSERT_EQ(vt_set("dirty_age_ms", "0") + vt_set("dirty_pct", "100") +
		  vt_set("read_ahead_pages", "0"), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	self->space = ioctl(self->fd, VMDEMO_IOC_SPACE, &args);
	ASSERT_GE(self->space, 0);
	self->others = vt_map(self->space, 0, 4 * variant->frames, VT_RW, MAP_SHARED);
	self->slowest = mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->slowest, MAP_FAILED);
	self->dirty = variant->frames / 5 * 4;
	for (i = 0; i < self->dirty; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
}

FIXTURE_TEARDOWN(trouble)
{
	munmap(self->mem, PAGES * VT_PAGE);
	munmap(self->others, 4 * variant->frames * VT_PAGE);
	munmap(self->slowest, VT_PAGE);
	close(self->space);
	close(self->fd);
	clear_away();
}

/* Touch page after page, for a round; the longest that one took. */
static __u64 slowest_touch(char *mem, size_t pages, bool write)
{
	__u64 begin = vt_now_ms(), last = begin, now, slowest = 0;
	static size_t next;

	do {
		char *at = mem + next++ % pages * VT_PAGE;

		if (write ? vt_try_write(at, NULL) : vt_try_read(at, NULL))
			_exit(1);
		now = vt_now_ms();
		if (now - last > slowest)
			slowest = now - last;
		last = now;
	} while (now - begin < ROUND_MS);
	return slowest;
}

TEST_F(trouble, is_not_others)
{
	size_t first = variant->reads ? self->dirty : 0;
	char *mem = variant->reads ? self->mem + first * VT_PAGE : self->others;
	size_t pages = variant->reads ? PAGES - first : 4 * variant->frames;
	__u64 least = ~0ULL, most = 0;
	pid_t syncer, user;
	int i, status = -1;
	bool ended;

	if (variant->silent)
		silence();
	else
		break_slowly(300, false);
	syncer = fork();
	ASSERT_GE(syncer, 0);
	if (!syncer)
		_exit(!!fsync(self->fd));
	user = fork();
	ASSERT_GE(user, 0);
	if (!user) {
		for (i = 0; i < ROUNDS; i++)
			self->slowest[i] = slowest_touch(mem, pages, !variant->reads);
		_exit(0);
	}
	/* First silence has to be noticed; and a machine stands still in one round, not in all. */
	ended = vt_ends_within(user, 20000, &status);
	EXPECT_TRUE(ended);
	EXPECT_EQ(status, 0);
	for (i = 0; i < ROUNDS && ended; i++) {
		printf("# slowest page of round %d: %llu ms\n", i, self->slowest[i]);
		if (i && self->slowest[i] < least)
			least = self->slowest[i];
		if (self->slowest[i] > most)
			most = self->slowest[i];
	}
	EXPECT_LT(least, SLOW_MS);
	EXPECT_LT(most, 5000);
	if (variant->silent)
		answer();
	else
		heal();
	if (!ended) {
		kill(user, SIGKILL);
		vt_reap(user);
	}
	EXPECT_EQ(vt_reap(syncer), variant->silent ? 0 : 1);
	EXPECT_EQ(vt_count_bad(self->mem, 0, self->dirty, SEED + 1), 0);
	if (fsync(self->fd))
		EXPECT_EQ(errno, EIO);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, self->dirty, SEED + 1));
	EXPECT_TRUE(vt_balanced());
}

TEST_HARNESS_MAIN
