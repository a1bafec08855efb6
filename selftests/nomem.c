// SPDX-License-Identifier: GPL-2.0
/*
 * nomem.c - no memory: every allocation of every call fails, in turn; and none is granted at all
 *
 * This takes a kernel with fault injection (scripts/debug-kernel). What fails are allocations that
 * have a module on their stack. The first part counts: a number written to fail-nth in
 * /proc/thread-self makes that allocation of this thread fail, and reads 0 once it has. A call is
 * made again and again, its first allocation failing, then its second, until there are no more;
 * each time it has to succeed or say ENOMEM, and to work afterwards. In the second part all fail,
 * in whatever thread.
 */
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	128
#define PAGES	1024
#define SEED	70
#define DEBUGFS	"/sys/kernel/debug/"

/* Where modules are, as long as nothing is randomised. */
#define MODULES_START	"0xffffffffa0000000"
#define MODULES_END	"0xffffffffff000000"

/* More than any call here allocates: what counts on beyond it does not end. */
#define MOST	2000

/* What the calls work on. */
static struct {
	int fd;
	char *mem;
	size_t page;
	int ko;
	const char *disk;
	char *buffer;
} work;

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

/* what is called */

static int do_stop(void)
{
	vt_stop();
	return 0;
}

static int do_load(void)
{
	char params[128];

	/* Few frames: each is an allocation. */
	snprintf(params, sizeof(params), "backing=%s frames=8", work.disk);
	return syscall(SYS_finit_module, work.ko, params, 0) ? -errno : 0;
}

static int do_start(void)
{
	if (vt_loaded())
		return 0;
	return do_load();
}

static int do_unload(void)
{
	return vt_try_unload();
}

static int do_open(void)
{
	int fd = open(VT_DEV, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int do_map(void)
{
	char *mem = mmap(NULL, PAGES * VT_PAGE, VT_RW, MAP_SHARED, work.fd, 0);

	if (mem == MAP_FAILED)
		return -errno;
	munmap(mem, PAGES * VT_PAGE);
	return 0;
}

static int do_evict(void)
{
	return vt_range(work.fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL);
}

/* SIGBUS is what says ENOMEM here. */
static int do_read_fault(void)
{
	if (vt_try_read(work.mem + work.page * VT_PAGE, NULL))
		return -ENOMEM;
	return vt_check(work.mem + work.page * VT_PAGE, work.page, SEED) < 0 ? 0 : -EILSEQ;
}

static int do_write_fault(void)
{
	return vt_try_write(work.mem + work.page * VT_PAGE, NULL) ? -ENOMEM : 0;
}

static int do_restore(void)
{
	vt_fill(work.mem + work.page * VT_PAGE, work.page, SEED);
	return 0;
}

/* A page table of its own, and a fault that maps others around it. */
static int do_fresh_sequence(void)
{
	char *mem = mmap(NULL, PAGES * VT_PAGE, VT_RW, MAP_SHARED, work.fd, 0);
	int error = 0, i;

	if (mem == MAP_FAILED)
		return -errno;
	for (i = 0; i < 40 && !error; i++) {
		error = vt_try_write(mem + i * VT_PAGE, NULL) ? -ENOMEM : 0;
		if (!error)
			vt_fill(mem + i * VT_PAGE, i, SEED);
	}
	munmap(mem, PAGES * VT_PAGE);
	return error;
}

static int do_private_write(void)
{
	char *mem = mmap(NULL, VT_PAGE, VT_RW, MAP_PRIVATE, work.fd, 0);
	int error;

	if (mem == MAP_FAILED)
		return -errno;
	error = vt_try_write(mem, NULL) ? -ENOMEM : 0;
	munmap(mem, VT_PAGE);
	return error;
}

static int do_dirty(void)
{
	int i;

	for (i = 0; i < 32; i++)
		vt_fill(work.mem + i * 3 * VT_PAGE, i * 3, SEED);
	return 0;
}

static int do_msync(void)
{
	return msync(work.mem, PAGES * VT_PAGE, MS_SYNC) ? -errno : 0;
}

static int do_fsync(void)
{
	return fsync(work.fd) ? -errno : 0;
}

static int do_pread(void)
{
	ssize_t got = pread(work.fd, work.buffer, 8 * VT_PAGE, 5 * VT_PAGE + 100);

	return got < 0 ? -errno : got ? 0 : -ENODATA;
}

static int do_pwrite(void)
{
	ssize_t put;

	vt_fill(work.buffer, work.page, SEED);
	put = pwrite(work.fd, work.buffer, VT_PAGE, work.page * VT_PAGE);
	return put < 0 ? -errno : put == VT_PAGE ? 0 : -ENODATA;
}

static int do_prefetch(void)
{
	return vt_range(work.fd, VMDEMO_IOC_PREFETCH, 0, 64, NULL);
}

static int do_discard(void)
{
	return vt_range(work.fd, VMDEMO_IOC_DISCARD, PAGES, 8, NULL);
}

static int do_pagemap(void)
{
	static struct vmdemo_page map[PAGES];

	return vt_pagemap(work.fd, 0, PAGES, map);
}

static int do_restart(void)
{
	vt_load("backing=%s frames=508", work.disk);
	return 0;
}

/* Beyond 512 it takes another chunk of frames, and larger tables: what a pool has, it keeps. */
static int do_grow(void)
{
	return vt_set("frames", "516");
}

static int do_shrink(void)
{
	return vt_set("frames", "508");
}

static int do_policy(void)
{
	return vt_set("policy", strstr(vt_show("policy"), "[lru]") ? "fifo" : "lru");
}

static int do_detach(void)
{
	return vt_set("backing", "none");
}

static int do_attach(void)
{
	return vt_set("backing", "%s", work.disk);
}

static int do_attach_if_not(void)
{
	return strcmp(vt_show("backing"), "none") ? 0 : do_attach();
}

static int do_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(vt_check(work.mem, 0, SEED) >= 0);
	return vt_reap(pid) ? -EILSEQ : 0;
}

FIXTURE(nomem) {
};

FIXTURE_SETUP(nomem)
{
	work.disk = vt_disk();
	/* Its pages are there: they are not ours to ask for. */
	work.buffer = vt_buffer(16);
	memset(work.buffer, 1, 16 * VT_PAGE);
	work.page = 300;
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
	both("require-start", MODULES_START);
	both("require-end", MODULES_END);
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

TEST_F_TIMEOUT(nomem, faults, 400)
{
	every_allocation("read fault", do_evict, do_read_fault);
	every_allocation("write fault", do_evict, do_write_fault);
	do_restore();
	every_allocation("sequence", do_evict, do_fresh_sequence);
	every_allocation("private write", do_evict, do_private_write);
}

TEST_F_TIMEOUT(nomem, sync, 400)
{
	every_allocation("msync", do_dirty, do_msync);
	every_allocation("fsync", do_dirty, do_fsync);
	every_allocation("evict", do_dirty, do_evict);
}

TEST_F_TIMEOUT(nomem, read_and_write, 400)
{
	every_allocation("pread", do_evict, do_pread);
	every_allocation("pwrite", do_evict, do_pwrite);
}

TEST_F_TIMEOUT(nomem, ranges, 400)
{
	every_allocation("prefetch", do_evict, do_prefetch);
	every_allocation("discard", NULL, do_discard);
	every_allocation("pagemap", NULL, do_pagemap);
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

TEST_F_TIMEOUT(nomem, binding, 4000)
{
	close_all();
	EXPECT_GT(some_allocations("attach", do_detach, do_attach), 2);
	some_allocations("detach", do_attach_if_not, do_detach);
	EXPECT_EQ(vt_try_unload(), 0);
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

TEST_HARNESS_MAIN
