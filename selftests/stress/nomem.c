// SPDX-License-Identifier: GPL-2.0
/*
 * nomem.c - no memory: every allocation of every call fails, in turn; and none is granted at all
 *
 * This takes a kernel with fault injection (scripts/source-kernel). What fails are allocations that
 * have a module on their stack, and in one test the kernel's own as well. The first part counts: a
 * number written to fail-nth in /proc/thread-self makes that allocation of this thread fail, and
 * reads 0 once it has. A call is made again and again, its first allocation failing, then its
 * second, until there are no more; each time it has to succeed or say ENOMEM, and to work
 * afterwards. In the second part all fail, in whatever thread.
 */
#include <sys/rseq.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "nomem.h"

#define DEBUGFS		"/sys/kernel/debug/"

/* Where modules are, as long as nothing is randomised. */
#define MODULES_START	"0xffffffffa0000000"
#define MODULES_END	"0xffffffffff000000"

/* More than any call here allocates: what counts on beyond it does not end. */
#define MOST	2000

typedef int (*vt_call)(void);

static int fail_nth = -1;

static void setting(const char *path, const char *format, ...)
{
	char name[128], value[64];
	va_list args;
	int fd, length;

	va_start(args, format);
	length = vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	snprintf(name, sizeof(name), DEBUGFS "%s", path);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		vt_skip("%s: %s: this kernel injects no faults", name, strerror(errno));
	if (write(fd, value, length) != length)
		vt_fail("%s takes no '%s'", name, value);
	close(fd);
}

/* The same for memory by the object and by the page. */
static void both(const char *name, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "failslab/%s", name);
	setting(path, "%s", value);
	snprintf(path, sizeof(path), "fail_page_alloc/%s", name);
	setting(path, "%s", value);
}

/* What fails: what a module asks for, or whatever it is (by fail-nth only: it is our thread's). */
static void fail_modules(void)
{
	both("require-start", MODULES_START);
	both("require-end", MODULES_END);
}

static void fail_anything(void)
{
	both("require-start", "0");
	both("require-end", "0xffffffffffffffff");
}

static void arm(unsigned int nth)
{
	char number[16];
	int length = snprintf(number, sizeof(number), "%u", nth);

	if (pwrite(fail_nth, number, length, 0) != length)
		vt_fail("fail-nth: %s", strerror(errno));
}

/* Did an allocation fail since? */
static bool disarm(void)
{
	char number[16] = "";

	if (pread(fail_nth, number, sizeof(number) - 1, 0) < 1)
		vt_fail("fail-nth: %s", strerror(errno));
	arm(0);
	return !atoi(number);
}

/*
 * Make a call with its first allocation failing, its second, and so on, and after each time
 * make it once more, undisturbed: then it has to work. Returns how many there were.
 */
static unsigned int every_nth_allocation(const char *name, vt_call prepare, vt_call call,
					 unsigned int step)
{
	unsigned int nth, errors = 0;
	bool failed;
	int error;

	for (nth = 1; nth < MOST; nth += step) {
		if (prepare && prepare())
			vt_fail("%s: cannot be prepared after %u failures", name, nth - 1);
		arm(nth);
		error = call();
		failed = disarm();
		if (error && error != -ENOMEM)
			vt_fail("%s, allocation %u failing: %s", name, nth, strerror(-error));
		if (error && !failed)
			vt_fail("%s: ENOMEM, and no allocation had failed", name);
		if (!failed)
			break;
		errors += !!error;
		if (!error)
			continue;
		error = call();
		if (error)
			vt_fail("%s, after allocation %u failed: %s", name, nth, strerror(-error));
	}
	if (nth >= MOST)
		vt_fail("%s: its allocations do not come to an end", name);
	ksft_print_msg("%s: %u allocations, of each %u. %u are needed\n", name, nth - 1, step,
		       errors);
	return nth - 1;
}

static unsigned int every_allocation(const char *name, vt_call prepare, vt_call call)
{
	return every_nth_allocation(name, prepare, call, 1);
}

/* Where each takes seconds, on this kernel: every 7th, or what the environment says. */
static unsigned int some_allocations(const char *name, vt_call prepare, vt_call call)
{
	const char *step = getenv("VMDEMO_TEST_STEP");

	return every_nth_allocation(name, prepare, call, step ? atoi(step) : 7);
}

/*
 * The kernel tells a task that was preempted its processor in a page of its own (rseq). Where that
 * page is to be copied and the allocation fails, the task gets SIGSEGV: nothing of ours.
 */
static void leave_rseq(void)
{
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;

	if (__rseq_size &&
	    syscall(SYS_rseq, area, sizeof(struct rseq), RSEQ_FLAG_UNREGISTER, RSEQ_SIG))
		vt_fail("rseq is not left: %s", strerror(errno));
}

FIXTURE(nomem) {
};

FIXTURE_SETUP(nomem)
{
	leave_rseq();
	work.disk = vt_disk();
	/* Its pages are there: they are not ours to ask for. */
	work.buffer = vt_buffer(16);
	memset(work.buffer, 1, 16 * VT_PAGE);
	work.page = 300;
	/* Few, where each allocation fails in turn: each is one. */
	work.frames = 8;
	work.space = -1;
	work.ko = open(getenv("VMDEMO_KO") ?: "", O_RDONLY | O_CLOEXEC);
	if (work.ko < 0)
		vt_skip("VMDEMO_KO names no module");
	vt_stop();
	vt_disk_fill(work.disk, 0, PAGES + 8, SEED);
	both("probability", "0");
	both("times", "-1");
	both("verbose", "0");
	both("ignore-gfp-wait", "N");
	both("stacktrace-depth", "32");
	fail_modules();
	setting("failslab/cache-filter", "N");
	setting("fail_page_alloc/ignore-gfp-highmem", "N");
	setting("fail_page_alloc/min-order", "0");
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		vt_skip("/proc/thread-self/fail-nth: %s", strerror(errno));
	vt_start(FRAMES);
	work.fd = vt_open(O_RDWR);
	work.mem = vt_map(work.fd, 0, PAGES, VT_RW, MAP_SHARED);
}

/* Whatever failed, in the end everything is there, and nothing is lost. */
FIXTURE_TEARDOWN(nomem)
{
	both("probability", "0");
	if (work.mem) {
		EXPECT_EQ(vt_count_bad(work.mem, 0, PAGES, SEED), 0);
		EXPECT_TRUE(vt_balanced());
		munmap(work.mem, PAGES * VT_PAGE);
		close(work.fd);
		EXPECT_EQ(vt_try_unload(), 0);
	}
	EXPECT_TRUE(vt_disk_check(work.disk, 0, PAGES, SEED));
	close(fail_nth);
}

/* For what comes before a file is open. */
static void close_all(void)
{
	munmap(work.mem, PAGES * VT_PAGE);
	close(work.fd);
	work.mem = NULL;
}

TEST_F_TIMEOUT(nomem, load, 4000)
{
	close_all();
	EXPECT_GT(some_allocations("load", do_stop, do_load), 20);
	EXPECT_EQ(vt_try_unload(), 0);
}

TEST_F_TIMEOUT(nomem, unload, 4000)
{
	close_all();
	some_allocations("unload", do_start, do_unload);
	EXPECT_FALSE(vt_loaded());
}

TEST_F_TIMEOUT(nomem, open_and_map, 400)
{
	EXPECT_GT(every_allocation("open", NULL, do_open), 1);
	every_allocation("mmap", NULL, do_map);
	every_allocation("fork", NULL, do_fork);
}

/* Nothing of ours goes wrong where the kernel's own allocations fail: page tables, copies. */
TEST_F_TIMEOUT(nomem, kernels_own, 1000)
{
	fail_anything();
	EXPECT_GT(every_allocation("open, all of it", NULL, do_open), 3);
	EXPECT_GT(every_allocation("mmap, all of it", NULL, do_map), 0);
	EXPECT_GT(some_allocations("fork, all of it", NULL, do_fork), 20);
	EXPECT_GT(every_allocation("sequence, all of it", do_evict, do_fresh_sequence), 2);
	EXPECT_GT(every_allocation("private write, all of it", do_evict, do_private_write), 2);
	EXPECT_GT(every_allocation("fsync, all of it", do_dirty, do_fsync), 1);
}

TEST_F_TIMEOUT(nomem, faults, 400)
{
	EXPECT_GT(every_allocation("read fault", do_evict, do_read_fault), 0);
	every_allocation("write fault", do_evict, do_write_fault);
	do_restore();
	every_allocation("sequence", do_evict, do_fresh_sequence);
	every_allocation("private write", do_evict, do_private_write);
}

TEST_F_TIMEOUT(nomem, sync, 400)
{
	EXPECT_GT(every_allocation("msync", do_dirty, do_msync), 0);
	EXPECT_GT(every_allocation("fsync", do_dirty, do_fsync), 0);
	EXPECT_GT(every_allocation("evict", do_dirty, do_evict), 0);
}

TEST_F_TIMEOUT(nomem, read_and_write, 400)
{
	EXPECT_GT(every_allocation("pread", do_evict, do_pread), 0);
	every_allocation("pwrite", do_evict, do_pwrite);
}

TEST_F_TIMEOUT(nomem, ranges, 400)
{
	EXPECT_GT(every_allocation("prefetch", do_evict, do_prefetch), 0);
	EXPECT_GT(every_allocation("discard", NULL, do_discard), 0);
	EXPECT_GT(every_allocation("pagemap", NULL, do_pagemap), 0);
}

TEST_F_TIMEOUT(nomem, settings, 4000)
{
	close_all();
	EXPECT_GT(some_allocations("grow", do_restart, do_grow), 8);
	EXPECT_EQ(vt_get("frames_actual"), 516);
	every_allocation("shrink", do_grow, do_shrink);
	every_allocation("policy", NULL, do_policy);
	EXPECT_EQ(vt_try_unload(), 0);
}

static int do_restart_small(void)
{
	vt_load("backing=%s frames=8", work.disk);
	return 0;
}

static int do_grow_far(void)
{
	return vt_set("frames", "1024");
}

/* What failed half way gives back the frames that it had: of pages kmemleak knows nothing. */
TEST_F_TIMEOUT(nomem, frames_go_back, 4000)
{
	long before, less;

	close_all();
	vt_stop();
	work.frames = 1024;
	ASSERT_EQ(do_load(), 0);
	vt_stop();
	before = vt_memory_free();
	EXPECT_GT(every_nth_allocation("load of 1,024 frames", do_stop, do_load, 97), 1024);
	EXPECT_GT(every_nth_allocation("growth to 1,024 frames", do_restart_small, do_grow_far, 97),
		  900);
	vt_stop();
	less = before - vt_memory_free();
	TH_LOG("%ld kB less are free", less);
	EXPECT_LT(less, 6 * 1024);
}

TEST_F_TIMEOUT(nomem, binding, 4000)
{
	close_all();
	EXPECT_GT(some_allocations("attach", do_detach, do_attach), 2);
	some_allocations("detach", do_attach_if_not, do_detach);
	EXPECT_EQ(vt_try_unload(), 0);
}

TEST_F_TIMEOUT(nomem, spaces, 400)
{
	start_with_swap();
	EXPECT_GT(every_allocation("space", NULL, do_space), 5);
	EXPECT_GT(every_allocation("space with segments", NULL, do_segments), 5 + SEGMENTS);
	every_allocation("release of a space", do_prepare_release, drop_space);
	/* None of those that were not made still counts as one. */
	close_all();
	EXPECT_EQ(do_swap_detach(), 0);
	EXPECT_EQ(vt_try_unload(), 0);
}

TEST_F_TIMEOUT(nomem, pages_of_spaces, 400)
{
	start_with_swap();
	need_space(0);
	EXPECT_GT(every_allocation("first store", do_punch_all, do_first_store), 0);
	EXPECT_GT(every_allocation("first write", do_punch_all, do_first_write), 0);
	EXPECT_GT(every_allocation("swap out", do_fill_space, do_evict_space), 0);
	every_allocation("swap in", do_fill_and_evict, do_swap_in);
	every_allocation("punch", do_fill_and_evict, do_punch);
	EXPECT_EQ(drop_space(), 0);
}

TEST_F_TIMEOUT(nomem, limits, 400)
{
	start_with_swap();
	need_space(SEGMENTS);
	every_allocation("grow a segment", do_cut_heap, do_grow_heap);
	every_allocation("shrink a segment", do_fill_heap, do_cut_heap);
	EXPECT_EQ(drop_space(), 0);
}

TEST_F_TIMEOUT(nomem, binding_swap, 4000)
{
	start_with_swap();
	close_all();
	EXPECT_GT(some_allocations("attach swap", do_swap_detach, do_swap_attach), 2);
	some_allocations("detach swap", do_swap_attach_if_not, do_swap_detach);
	EXPECT_EQ(vt_try_unload(), 0);
}

/*
 * A page that is written for the first time needs memory for its entry. Without it write(2) says
 * so, and a store waits for it, killably, as with any memory; no slot is lost either way.
 */
TEST_F_TIMEOUT(nomem, first_write_refused, 400)
{
	pid_t pid;

	start_with_swap();
	need_space(0);
	both("probability", "100");
	EXPECT_EQ(do_first_write(), -ENOMEM);
	EXPECT_TRUE(vt_is_zero(work.sparse + work.page * VT_PAGE));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(do_first_store() != 0);
	vt_nap(500);
	EXPECT_EQ(waitpid(pid, NULL, WNOHANG), 0);
	both("probability", "0");
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(do_punch_all(), 0);

	both("probability", "100");
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(do_first_store() != 0);
	vt_nap(500);
	kill(pid, SIGKILL);
	EXPECT_EQ(vt_reap(pid), 128 + SIGKILL);
	both("probability", "0");
	EXPECT_TRUE(has_pages(0));
	EXPECT_EQ(drop_space(), 0);
}

/*
 * Nothing at all is granted to the module, in its own thread, in the flusher, in faults: what is
 * mapped goes on being paged, in and out, with no error. The RAM disk has its pages already.
 */
TEST_F_TIMEOUT(nomem, nothing_granted, 400)
{
	__u64 state = 1;
	size_t page;
	int i;

	both("probability", "100");

	/* It does take effect: the tables of a larger pool cannot be had. */
	EXPECT_EQ(do_grow(), -ENOMEM);
	for (i = 0; i < 20000; i++) {
		page = vt_random(&state) % PAGES;
		if (i % 3) {
			ASSERT_EQ(vt_check(work.mem + page * VT_PAGE, page, SEED), -1);
			continue;
		}
		vt_fill(work.mem + page * VT_PAGE, page, SEED);
		if (i % 501 == 0) {
			ASSERT_EQ(do_fsync(), 0);
			ASSERT_EQ(do_pread(), 0);
			ASSERT_EQ(do_pwrite(), 0);
		}
	}
	EXPECT_EQ(vt_count_bad(work.mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(do_evict(), 0);
	both("probability", "0");
	EXPECT_GT(vt_stat("evictions_dirty"), 1000);
	EXPECT_EQ(vt_stat("read_errors"), 0);
	EXPECT_EQ(vt_stat("write_errors"), 0);
}

/*
 * The same for a space, several times as large as the frames: what is written once goes out, also
 * for the first time, and comes in again. Eviction allocates no memory.
 */
TEST_F_TIMEOUT(nomem, nothing_granted_to_a_space, 400)
{
	__u64 state = 2, out, in;
	size_t page;
	int i;

	start_with_swap();
	need_space(0);
	ASSERT_EQ(do_fill_space(), 0);
	/* The last ones have not been out yet. */
	ASSERT_EQ(vt_page(work.space, SPARSE - 1).slot, 0);
	out = vt_stat("pages_out");
	in = vt_stat("pages_in");
	both("probability", "100");
	EXPECT_EQ(do_grow(), -ENOMEM);
	for (i = 0; i < 20000; i++) {
		page = vt_random(&state) % SPARSE;
		if (i % 3) {
			ASSERT_EQ(vt_check(work.sparse + page * VT_PAGE, page, SEED + 1), -1);
			continue;
		}
		vt_fill(work.sparse + page * VT_PAGE, page, SEED + 1);
		if (i % 501 == 0) {
			ASSERT_EQ(do_evict_space(), 0);
			ASSERT_EQ(vt_count_bad(work.mem, 0, 64, SEED), 0);
		}
	}
	EXPECT_EQ(vt_count_bad(work.sparse, 0, SPARSE, SEED + 1), 0);
	EXPECT_EQ(do_evict_space(), 0);
	both("probability", "0");
	for (page = 0; page < SPARSE; page++)
		EXPECT_EQ(vt_page(work.space, page).state, VMDEMO_PAGE_SWAPPED);
	EXPECT_EQ(vt_count_bad(work.sparse, 0, SPARSE, SEED + 1), 0);
	EXPECT_GT(vt_stat("pages_out"), out + 1000);
	EXPECT_GT(vt_stat("pages_in"), in + 1000);
	EXPECT_EQ(vt_stat("read_errors"), 0);
	EXPECT_EQ(vt_stat("write_errors"), 0);
	EXPECT_TRUE(has_pages(SPARSE));
	EXPECT_EQ(drop_space(), 0);
}

TEST_HARNESS_MAIN
