// SPDX-License-Identifier: GPL-2.0
/*
 * resize_load.c - a large pool changes its size under load: nothing is lost, nobody waits for it
 *
 * Threads read pages at random, of a device four times as large as the pool, and one writes, while
 * the pool shrinks to half and grows again, each time by one frame more than it ever had.
 */
#include <pthread.h>

#include "kselftest_harness.h"
#include "nullb.h"

/* The pool is as large as this when it is large, unless VMDEMO_TEST_FRAMES says otherwise. */
#define FRAMES	262144
#define ROUNDS	12
#define READERS	4
#define SEED	12

/* One page of STRIDE holds something, the others are zeros; of those one of OWNED is written. */
#define STRIDE	16
#define OWNED	8

/*
 * ns that an access may take: as long as a fault waits for a frame while nothing moves, after which
 * it would fail. On a busy machine with two processors and seven threads one took 2.8 s.
 */
#define BOUND	5000000000ULL

/* ms: a shorter shrink is not told from a processor that is taken away */
#define LONG		400

struct worker {
	pthread_t thread;
	char *mem;
	size_t pages;
	__u32 *version;	/* of the writer's pages */
	__u64 state;
	__u64 worst;	/* ns of the longest access since this was set to 0 */
	__u64 rounds;
	__u64 bad;
	bool stop;
};

FIXTURE(resize) {
	size_t frames, pages;
	struct worker worker[READERS + 1];	/* the last one writes */
	char *mem;
	int fd;
};

static __u64 now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static void done(struct worker *worker, __u64 began)
{
	__u64 took = now() - began;

	if (took > __atomic_load_n(&worker->worst, __ATOMIC_RELAXED))
		__atomic_store_n(&worker->worst, took, __ATOMIC_RELAXED);
	__atomic_add_fetch(&worker->rounds, 1, __ATOMIC_RELAXED);
}

/* The page's first word and its last are enough to tell whose contents it has. */
static void *read_pages(void *argument)
{
	struct worker *worker = argument;

	while (!__atomic_load_n(&worker->stop, __ATOMIC_RELAXED)) {
		size_t page = vt_random(&worker->state) % worker->pages;
		__u64 began = now(), *words, first, last;

		if (worker->state % 2)
			page -= page % STRIDE;
		if (page % (STRIDE * OWNED) == 0)
			continue;
		words = (__u64 *)(worker->mem + page * VT_PAGE);
		first = words[0];
		last = words[VT_PAGE / sizeof(*words) - 1];
		done(worker, began);
		if (page % STRIDE)
			worker->bad += first || last;
		else
			worker->bad += first != vt_word(page, SEED, 0) ||
				       last != vt_word(page, SEED, VT_PAGE / sizeof(*words) - 1);
	}
	return NULL;
}

static void *write_pages(void *argument)
{
	struct worker *worker = argument;

	while (!__atomic_load_n(&worker->stop, __ATOMIC_RELAXED)) {
		size_t own = vt_random(&worker->state) % (worker->pages / STRIDE / OWNED);
		size_t page = own * STRIDE * OWNED;
		char *mem = worker->mem + page * VT_PAGE;
		__u64 began = now();

		worker->bad += vt_check(mem, page, SEED + worker->version[own]) >= 0;
		vt_fill(mem, page, SEED + ++worker->version[own]);
		done(worker, began);
	}
	return NULL;
}

FIXTURE_SETUP(resize)
{
	const char *frames = getenv("VMDEMO_TEST_FRAMES"), *disk;
	char *buffer = vt_buffer(1);
	size_t page;
	int fd, i;

	nullb_load();
	nullb_remove();
	vt_stop();
	self->frames = frames ? strtoul(frames, NULL, 0) : FRAMES;
	self->pages = 4 * self->frames;
	disk = nullb_make(0, self->pages * VT_PAGE >> 20, true);
	fd = open(disk, O_WRONLY | O_DIRECT | O_CLOEXEC);
	for (page = 0; page < self->pages; page += STRIDE) {
		vt_fill(buffer, page, SEED);
		if (pwrite(fd, buffer, VT_PAGE, page * VT_PAGE) != (ssize_t)VT_PAGE)
			vt_fail("%s: write: %s", disk, strerror(errno));
	}
	close(fd);
	/* What goes at the first shrink is the first to be used, so its pages are the oldest. */
	vt_load("backing=%s frames=%zu", disk, self->frames / 2);
	vt_set("frames", "%zu", self->frames);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, self->pages, VT_RW, MAP_SHARED);
	madvise(self->mem, self->pages * VT_PAGE, MADV_RANDOM);
	for (i = 0; i <= READERS; i++) {
		self->worker[i] = (struct worker){
			.mem = self->mem, .pages = self->pages, .state = i,
		};
	}
	self->worker[READERS].version = calloc(self->pages / STRIDE / OWNED, sizeof(__u32));
}

FIXTURE_TEARDOWN(resize)
{
	munmap(self->mem, self->pages * VT_PAGE);
	close(self->fd);
	nullb_remove();
}

/* Every worker does some more. */
static bool all_go_on(struct _test_data_resize *self, __u64 more)
{
	__u64 deadline = vt_now_ms() + 60000, before[READERS + 1];
	int i;

	for (i = 0; i <= READERS; i++)
		before[i] = __atomic_load_n(&self->worker[i].rounds, __ATOMIC_RELAXED);
	for (i = 0; i <= READERS; i++) {
		while (__atomic_load_n(&self->worker[i].rounds, __ATOMIC_RELAXED) <
		       before[i] + more) {
			if (vt_now_ms() > deadline)
				return false;
			vt_nap(5);
		}
	}
	return true;
}

/* The longest access of any since the last call. */
static __u64 take_worst(struct _test_data_resize *self)
{
	__u64 worst = 0, its;
	int i;

	for (i = 0; i <= READERS; i++) {
		its = __atomic_exchange_n(&self->worker[i].worst, 0, __ATOMIC_RELAXED);
		worst = its > worst ? its : worst;
	}
	return worst;
}

static bool comes_to_have(size_t frames)
{
	__u64 deadline = vt_now_ms() + 300000;

	while (vt_get("frames_actual") != frames) {
		if (vt_now_ms() > deadline)
			return false;
		vt_nap(20);
	}
	return true;
}

TEST_F(resize, up_and_down)
{
	struct worker *worker;
	size_t own, page, frames;
	__u64 began, took, worst, steady;
	int i, error;

	for (i = 0; i <= READERS; i++) {
		worker = &self->worker[i];
		ASSERT_EQ(pthread_create(&worker->thread, NULL,
					 i < READERS ? read_pages : write_pages, worker), 0);
	}
	/* Until the pool is full. */
	EXPECT_TRUE(vt_wait_stat("evictions_clean", 1, UINT64_MAX, 300));
	for (i = 0; i < ROUNDS; i++) {
		frames = i % 2 ? self->frames + i / 2 : self->frames / 2;
		began = vt_now_ms();
		error = vt_set("frames", "%zu", frames);
		/* To shrink may take more than the 5 s that the writer of the size waits. */
		EXPECT_TRUE(!error || (error == -EBUSY && frames == self->frames / 2)) {
			TH_LOG("%zu frames: %s", frames, strerror(-error));
		}
		EXPECT_TRUE(comes_to_have(frames));
		took = vt_now_ms() - began;
		worst = take_worst(self);
		EXPECT_TRUE(all_go_on(self, 200));
		steady = take_worst(self);
		printf("# %zu frames after %llu ms: longest access %llu us, and %llu us then\n",
		       frames, took, worst / 1000, steady / 1000);
		fflush(stdout);
		EXPECT_LE(worst, BOUND);
		/* ... nor for a shrink as such, if that is long enough to tell. */
		if (took > LONG && frames == self->frames / 2)
			EXPECT_LE(worst, took * 1000000 / 2);
		EXPECT_LE(steady, BOUND);
	}
	for (i = 0; i <= READERS; i++) {
		worker = &self->worker[i];
		__atomic_store_n(&worker->stop, true, __ATOMIC_RELAXED);
		ASSERT_EQ(pthread_join(worker->thread, NULL), 0);
		printf("# %s %d: %llu accesses\n", i < READERS ? "reader" : "writer", i,
		       worker->rounds);
		EXPECT_EQ(worker->bad, 0);
	}
	for (own = 0; own < self->pages / STRIDE / OWNED; own++) {
		page = own * STRIDE * OWNED;
		EXPECT_EQ(vt_check(self->mem + page * VT_PAGE, page,
				   SEED + self->worker[READERS].version[own]), -1);
	}
	EXPECT_TRUE(vt_balanced());
}

TEST_HARNESS_MAIN
