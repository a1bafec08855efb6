// SPDX-License-Identifier: GPL-2.0
/*
 * removal_mapped.c - the disk stands still, shrinks, grows, or wants to hear of free slots
 *
 * The disk is one of the device mapper.
 */
#include "kselftest_harness.h"
#include "dm.h"
#include "removal.h"

#define DM	"vmdemo-removal"
#define FAIL_REQUEST "/sys/kernel/debug/fail_make_request"

/* ---- a disk that stands still, or shrinks ---- */

FIXTURE(dm) {
	struct work work;
	char lower[64];
};

static void set_sectors(const char *lower, size_t sectors)
{
	dm_reload(DM, "0 %zu linear %s 0", sectors, lower);
}

static void set_table(const char *lower, size_t pages)
{
	set_sectors(lower, pages * 8);
}

FIXTURE_SETUP(dm)
{
	unload();
	if (!dm_has("linear"))
		vt_skip("there is no device mapper");
	snprintf(self->lower, sizeof(self->lower), "%s", vt_disk());
	dm_create(DM, 0, "0 131072 linear %s 0", self->lower);
	use_disk(DM_PATH(DM));
	work_init(&self->work, VT_DEV, 0, PAGES, SEED, WORKERS);
}

FIXTURE_TEARDOWN(dm)
{
	dm_resume(DM);
	work_free(&self->work);
	unload();
	EXPECT_TRUE(dm_remove(DM));
	setenv("VMDEMO_TEST_DISK", self->lower, 1);
}

static void silence(void)
{
	if (!dm_suspend(DM))
		vt_fail("the device does not stand still");
}

static void answer(void)
{
	if (!dm_resume(DM))
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
	if (!dm_has("flakey"))
		SKIP(return, "there is no dm-flakey");
	dm_reload(DM, "0 131072 flakey %s 0 2 1 1 error_writes", self->lower);
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

/* Detaching waits, and so does opening meanwhile: both can be killed. */
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
	if (vt_set("backing", DM_PATH(DM)))
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

	/* Whichever comes first: each is the first in one of the rounds. */
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

/* ---- a swap disk that wants to hear what is not needed any more ---- */

#define ZDM	DM_PATH(DM)

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
	if (!dm_has("linear"))
		vt_skip("there is no device mapper");
	dm_create(DM, 0, "0 131072 linear %s 0", self->disk);
	vt_load("swap=" ZDM " frames=%u", FRAMES);
}

FIXTURE_TEARDOWN(thin)
{
	dm_resume(DM);
	unload();
	EXPECT_TRUE(dm_remove(DM));
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
 * The disk does not answer: only unbinding waits for it, and can be killed. Slots that it has been
 * told of are not used meanwhile; others are.
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
