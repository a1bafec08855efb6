// SPDX-License-Identifier: GPL-2.0
/*
 * errors_write.c - pages that cannot be written, now or ever: each failure is reported, nothing is
 *                  lost
 */
#include "kselftest_harness.h"
#include "errors.h"
#include "wait.h"

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

/* What fsync has acknowledged is on a slow disk, even if others wrote it or try to evict it. */
TEST_F(errors, acknowledged_under_pressure)
{
	__u64 deadline;
	pid_t pids[2];
	int i, round;

	slow_down(lower, 300, false);
	/* So the flusher is at it already. */
	ASSERT_EQ(vt_set("dirty_age_ms", "5"), 0);
	/* Not before: on a machine that is busy a new table alone may take as long. */
	deadline = vt_now_ms() + 5000;
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

/* A failure in the background: fsync of every file that was open reports it, once. */
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

/* A fault that needs a frame waits, fails after some 5 s, and can be killed before. */
static void starve(struct __test_metadata *_metadata, struct _test_data_errors *self)
{
	__u64 begin = vt_now_ms();
	pid_t pid = toucher(self, 900);
	int status = 0;
	bool ended;

	/* If the machine stands still just when it is about to fail, it waits once more. */
	ended = vt_ends_within(pid, 16000, &status);
	EXPECT_GE(vt_now_ms() - begin, 4000);
	EXPECT_TRUE(ended) {
		TH_LOG("SIGBUS does not come");
		EXPECT_TRUE(dies_at_once(pid));
	}
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), SIGBUS);

	/* For a second a request fails at once; then one waits again. */
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

/*
 * The flush fails: what was written may be lost with the cache. Each open file reports that once,
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
	/* A writer is held up in vain for half a second: 120 times would be a minute. */
	EXPECT_LT(held_up, 120);
	/* It then makes a page dirty all the same. */
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

TEST_HARNESS_MAIN
