// SPDX-License-Identifier: GPL-2.0
/*
 * holds.c - nothing that is done to a whole pool keeps other programs from the processor for long
 *
 * A thread of the highest priority sleeps until one moment after the other, as cyclictest does, and
 * notes how late it wakes. On one processor, and under a kernel that can be preempted wherever that
 * is not forbidden, it is late by as long as interrupts or preemption were off. With a clock that
 * counts instructions (scripts/vm --icount) a nanosecond is an instruction, and runs repeat.
 *
 * The kernel has long sections of its own, which are measured first and taken off. Where frames are
 * allocated or freed that is what ordinary memory comes to: the kernel moves pages between a zone
 * and a processor's own list under the zone's lock, with interrupts off: up to 2,016 at a time, in
 * 680 us (free_pcppages_bulk, rmqueue_bulk), and still 189 when that list is as short as can be.
 */
#include <pthread.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "nullb.h"

/* A clock that counts instructions runs ahead while the machine waits for its host's files. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	36000

#define PERIOD	50000ULL	/* ns between two moments: what is twice as long cannot hide */
#define BOUND	50000ULL	/* ns, beyond the kernel's own */
#define SHORT_LISTS	"/proc/sys/vm/percpu_pagelist_high_fraction"
#define HELD	8		/* pages in a pipe */

/* The pool is at most this large, unless VMDEMO_TEST_FRAMES says otherwise. */
#define FRAMES	262144

struct watch {
	pthread_t thread;
	bool stop;
	__u64 worst;	/* the longest delay, in ns, since this was set to 0 */
};

static __u64 ns(const struct timespec *time)
{
	return time->tv_sec * 1000000000ULL + time->tv_nsec;
}

static void *watch(void *argument)
{
	struct watch *watch = argument;
	struct timespec time;
	__u64 next, late;

	clock_gettime(CLOCK_MONOTONIC, &time);
	next = ns(&time);
	while (!__atomic_load_n(&watch->stop, __ATOMIC_RELAXED)) {
		next += PERIOD;
		time.tv_sec = next / 1000000000;
		time.tv_nsec = next % 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
		clock_gettime(CLOCK_MONOTONIC, &time);
		late = ns(&time) - next;
		if (late > __atomic_load_n(&watch->worst, __ATOMIC_RELAXED))
			__atomic_store_n(&watch->worst, late, __ATOMIC_RELAXED);
		/* Moments that have passed are no delay of their own. */
		next += late / PERIOD * PERIOD;
	}
	return NULL;
}

static void watch_start(struct watch *watcher)
{
	const struct sched_param highest = { .sched_priority = 99 };
	pthread_attr_t attr;
	int error;

	/* Not what will be mapped: pages of the device must come and go. */
	mlockall(MCL_CURRENT);
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &highest);
	error = pthread_create(&watcher->thread, &attr, watch, watcher);
	if (error)
		vt_fail("no thread of the highest priority: %s", strerror(error));
	pthread_attr_destroy(&attr);
}

FIXTURE(holds) {
	struct watch watch;
	const char *disk;	/* four times the pool; what is read does not matter */
	size_t frames;
	__u64 idle;	/* the longest delay, in ns, when nothing happens, */
	__u64 memory;	/* and when ordinary memory is allocated and freed */
	int fd;
};

static void begin(struct _test_data_holds *self)
{
	__atomic_store_n(&self->watch.worst, 0, __ATOMIC_RELAXED);
}

/* The longest delay since begin(), in ns. */
static __u64 end(struct _test_data_holds *self, const char *what)
{
	__u64 worst;

	usleep(2 * PERIOD / 1000);
	worst = __atomic_load_n(&self->watch.worst, __ATOMIC_RELAXED);
	printf("# %s: longest delay %llu.%llu us\n", what, worst / 1000, worst / 100 % 10);
	fflush(stdout);
	return worst;
}

#define EXPECT_SHORT(what, own)	EXPECT_LE(end(self, what), (own) + BOUND)

/* Ordinary memory, page by page, as the pool's comes and goes. */
static void use_memory(size_t pages)
{
	void *memory = vt_buffer(pages);

	madvise(memory, pages * VT_PAGE, MADV_NOHUGEPAGE);
	if (madvise(memory, pages * VT_PAGE, MADV_POPULATE_WRITE))
		vt_fail("no memory for %zu pages: %s", pages, strerror(errno));
	munmap(memory, pages * VT_PAGE);
}

FIXTURE_SETUP(holds)
{
	const char *frames = getenv("VMDEMO_TEST_FRAMES");

	if (sysconf(_SC_NPROCESSORS_ONLN) != 1 ||
	    !vt_shell("grep -q '(full)' /sys/kernel/debug/sched/preempt"))
		vt_skip("needs one processor, and a kernel booted with preempt=full");
	nullb_load();
	nullb_remove();
	vt_stop();
	self->fd = -1;
	self->frames = frames ? strtoul(frames, NULL, 0) : FRAMES;
	self->disk = nullb_make(0, 4 * self->frames * VT_PAGE >> 20, false);
	setenv("VMDEMO_TEST_DISK", self->disk, true);
	/* More than there are pages: as short as can be. */
	if (!vt_shell("echo 2147483647 >" SHORT_LISTS))
		vt_skip("there is no " SHORT_LISTS);
	watch_start(&self->watch);
	begin(self);
	usleep(100000);
	self->idle = end(self, "nothing");
	begin(self);
	use_memory(self->frames / 4);
	self->memory = end(self, "ordinary memory");
}

FIXTURE_TEARDOWN(holds)
{
	self->watch.stop = true;
	pthread_join(self->watch.thread, NULL);
	close(self->fd);
	nullb_remove();
	vt_shell("echo 0 >" SHORT_LISTS);
}

static void start(struct _test_data_holds *self, size_t frames)
{
	vt_load("backing=%s frames=%zu", self->disk, frames);
	self->fd = vt_open(O_RDWR);
}

/* Have pages read; if they are more than the pool holds, those read first go. */
static void bring(struct _test_data_holds *self, size_t first, size_t pages)
{
	size_t page, nr = 1024;
	int error;

	for (page = first; page < first + pages; page += nr) {
		error = vt_range(self->fd, VMDEMO_IOC_PREFETCH, page, nr, NULL);
		if (error)
			vt_fail("PREFETCH: %s", strerror(-error));
	}
}

static void stop(struct _test_data_holds *self)
{
	close(self->fd);
	self->fd = -1;
	vt_stop();
}

/* The module comes with a large pool, and goes when all of it is full, as with a small one. */
TEST_F(holds, loading)
{
	__u64 load, unload;

	begin(self);
	start(self, 8);
	load = end(self, "load, 8 frames");
	begin(self);
	stop(self);
	unload = end(self, "unload, 8 frames");
	begin(self);
	start(self, self->frames);
	EXPECT_SHORT("load, all frames", load > self->memory ? load : self->memory);
	bring(self, 0, self->frames);
	begin(self);
	stop(self);
	EXPECT_SHORT("unload, all frames", unload > self->memory ? unload : self->memory);
}

/* Pages come, are demoted, and go. */
TEST_F(holds, reading)
{
	start(self, self->frames);
	begin(self);
	bring(self, 0, self->frames);
	EXPECT_SHORT("read into free frames", self->idle);
	begin(self);
	bring(self, self->frames, self->frames);
	EXPECT_SHORT("read into others' frames", self->idle);
}

TEST_F(holds, growing)
{
	start(self, self->frames / 2);
	bring(self, 0, self->frames / 2);
	begin(self);
	ASSERT_EQ(vt_set("frames", "%zu", self->frames / 2 + 1), 0);
	EXPECT_SHORT("grow by one frame", self->memory);
	begin(self);
	ASSERT_EQ(vt_set("frames", "%zu", self->frames), 0);
	EXPECT_SHORT("grow to the double", self->memory);
	EXPECT_EQ(vt_get("frames_actual"), self->frames);
}

TEST_F(holds, shrinking_free)
{
	start(self, self->frames);
	begin(self);
	ASSERT_EQ(vt_set("frames", "%zu", self->frames / 2), 0);
	EXPECT_SHORT("shrink to half, all free", self->memory);
	EXPECT_EQ(vt_get("frames_actual"), self->frames / 2);
}

TEST_F(holds, shrinking_full)
{
	start(self, self->frames);
	bring(self, 0, self->frames);
	begin(self);
	ASSERT_EQ(vt_set("frames", "%zu", self->frames / 2), 0);
	EXPECT_SHORT("shrink to half, all full", self->memory);
	EXPECT_EQ(vt_get("frames_actual"), self->frames / 2);
}

TEST_F(holds, policy)
{
	start(self, self->frames);
	ASSERT_EQ(vt_set("standby_pct", "90"), 0);
	bring(self, 0, 2 * self->frames);
	ASSERT_GT(vt_stat("frames_standby"), self->frames / 2);
	begin(self);
	ASSERT_EQ(vt_set("policy", "fifo"), 0);
	EXPECT_SHORT("policy lru to fifo", self->idle);
	EXPECT_EQ(vt_stat("frames_standby"), 0);
	begin(self);
	ASSERT_EQ(vt_set("policy", "lru"), 0);
	EXPECT_SHORT("policy fifo to lru", self->idle);
}

/* Map pages whose frames are the pool's last, and put them into a pipe; the end to read from. */
static int hold_last(struct _test_data_holds *self, struct vmdemo_page *map)
{
	size_t page, held = 0;
	struct iovec part;
	int ends[2];

	if (pipe(ends))
		vt_fail("pipe: %s", strerror(errno));
	for (page = 0; page < self->frames && held < HELD; page++) {
		if (map[page].frame == VMDEMO_NO_FRAME || map[page].frame < self->frames / 4 * 3)
			continue;
		part.iov_base = vt_map(self->fd, page, 1, PROT_READ, MAP_SHARED);
		part.iov_len = VT_PAGE;
		vt_touch(part.iov_base);
		if (vmsplice(ends[1], &part, 1, 0) != VT_PAGE)
			vt_fail("vmsplice: %s", strerror(errno));
		munmap(part.iov_base, VT_PAGE);
		held++;
	}
	close(ends[1]);
	if (held < HELD)
		vt_fail("only %zu pages are in the last frames", held);
	return ends[0];
}

static struct vmdemo_page *page_map(struct _test_data_holds *self)
{
	struct vmdemo_page *map = vt_buffer(self->frames * sizeof(*map) / VT_PAGE + 1);
	size_t page, nr;
	int error;

	for (page = 0; page < self->frames; page += nr) {
		nr = self->frames - page < VMDEMO_PAGEMAP_MAX ?
			self->frames - page : VMDEMO_PAGEMAP_MAX;
		error = vt_pagemap(self->fd, page, nr, map + page);
		if (error)
			vt_fail("PAGEMAP: %s", strerror(-error));
	}
	return map;
}

/* Nanoseconds that the reclaim thread has been running. */
static __u64 thread_time(void)
{
	FILE *f = popen("cat /proc/$(pgrep -x vmdemo_reclaim)/schedstat", "r");
	__u64 time;

	if (!f || fscanf(f, "%llu", &time) != 1)
		vt_fail("the reclaim thread is not to be found");
	pclose(f);
	return time;
}

/* What looks at every page or frame. */
TEST_F(holds, looking)
{
	int end_to_read;

	start(self, self->frames);
	bring(self, 0, self->frames);
	begin(self);
	end_to_read = hold_last(self, page_map(self));
	EXPECT_SHORT("the whole page map", self->idle);
	begin(self);
	EXPECT_EQ(vt_stat("frames_pinned"), HELD);
	EXPECT_SHORT("frames_pinned", self->idle);
	close(end_to_read);
}

/* A shrink that cannot end, since some of the frames in excess are held. */
TEST_F(holds, excess)
{
	int end_to_read, tries;
	__u64 time;

	start(self, self->frames);
	bring(self, 0, self->frames);
	end_to_read = hold_last(self, page_map(self));
	begin(self);
	EXPECT_EQ(vt_set("frames", "%zu", self->frames / 2), -EBUSY);
	EXPECT_SHORT("shrink to half, some held", self->memory);
	begin(self);
	time = thread_time();
	sleep(1);
	time = thread_time() - time;
	EXPECT_SHORT("some in excess are held", self->idle);
	printf("# the thread ran for %llu us of a second\n", time / 1000);
	EXPECT_LE(time, 1000000000 / 20);
	close(end_to_read);
	for (tries = 0; tries < 100 && vt_get("frames_actual") > self->frames / 2; tries++)
		vt_nap(100);
	EXPECT_EQ(vt_get("frames_actual"), self->frames / 2);
}

TEST_HARNESS_MAIN
