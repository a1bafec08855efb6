// SPDX-License-Identifier: GPL-2.0
/*
 * errors_silent.c - the disk does not answer: each waiter can be killed, and holds up nobody else
 */
#include <pthread.h>

#include "kselftest_harness.h"
#include "errors.h"
#include "wait.h"

/* A task that waits for a page, for a write, or for a discard can be killed. */
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
	EXPECT_TRUE(all_wait_killably(waits, ARRAY_SIZE(waits)));
	/* And a fault on what is being discarded. */
	vt_nap(200);
	EXPECT_TRUE(dies_at_once(pid));
	pid = start_waiting(&waits[9]);
	EXPECT_TRUE(vt_comes_to_wait(pid));
	EXPECT_TRUE(all_wait_killably(&behind, 1));
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
	EXPECT_TRUE(all_wait_killably(waits, ARRAY_SIZE(waits)));
	/* The flushes of the killed tasks are still on their way: it stays bound till they end. */
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_wait_killably(&(const struct wait){ in_detach, NULL, -1, 0 }, 1));
	answer();
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, 4, SEED + 1));
	EXPECT_TRUE(vt_balanced());
}

/* Bind it again, when the killed tasks have let go of it. */
static void reopen(struct _test_data_errors *self)
{
	__u64 deadline = vt_now_ms() + 20000;

	while (!strcmp(vt_show("backing"), "none") && vt_now_ms() < deadline &&
	       vt_set("backing", FAULTY_DISK) == -EBUSY)
		vt_nap(5);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

/* What others wrote by the disk's own page cache is waited for before it is ours, and after. */
TEST_F(errors, silent_bind)
{
	const struct wait attach = { in_attach, NULL, -1, 0 }, detach = { in_detach, NULL, -1, 0 };
	int disk = open(FAULTY_DISK, O_RDWR);

	ASSERT_GE(disk, 0);
	stop(self);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	vt_fill(self->buffer, 3, SEED + 1);
	/* Silent before: the kernel may write what is in its cache at any time. */
	silence();
	ASSERT_EQ(pwrite(disk, self->buffer, VT_PAGE, 3 * VT_PAGE), VT_PAGE);
	EXPECT_TRUE(all_wait_killably(&attach, 1));
	EXPECT_STREQ(vt_show("backing"), "none");
	answer();
	reopen(self);
	EXPECT_EQ(vt_check(self->mem + 3 * VT_PAGE, 3, SEED + 1), -1);
	stop(self);
	silence();
	ASSERT_EQ(pwrite(disk, self->buffer, VT_PAGE, 3 * VT_PAGE), VT_PAGE);
	EXPECT_TRUE(all_wait_killably(&detach, 1));
	answer();
	close(disk);
	reopen(self);
	EXPECT_EQ(vt_count_bad(self->mem + 4 * VT_PAGE, 4, 60, SEED), 0);
	EXPECT_TRUE(vt_balanced());
}

/* A disk does not answer while it is given up: the task can be killed, and nothing is lost. */
TEST_F(errors, silent_abandon)
{
	const struct wait abandon = { in_abandon, NULL, -1, 0 };

	store(self, 0, 5, SEED + 1);
	stop(self);
	silence();
	EXPECT_TRUE(all_wait_killably(&abandon, 1));
	answer();
	reopen(self);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 5, SEED + 1), 0);
	EXPECT_EQ(fsync(self->fd), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_TRUE(vt_disk_check(lower, 0, 5, SEED + 1));
	EXPECT_TRUE(vt_balanced());
}

/*
 * The disk is being zeroed by a discard, and does not answer. The discarder can be killed, and so
 * can those that wait for it; what is written afterwards does not become zeros.
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
	EXPECT_TRUE(all_wait_killably(&discard, 1));
	EXPECT_TRUE(all_wait_killably(waits, ARRAY_SIZE(waits)));
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
	/* The waiters have gone: the disk can be given up. */
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	EXPECT_TRUE(all_wait_killably(&(const struct wait){ in_detach, NULL, -1, 0 }, 1));
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

TEST_HARNESS_MAIN
