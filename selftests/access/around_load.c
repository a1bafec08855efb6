// SPDX-License-Identifier: GPL-2.0
/*
 * around_load.c - one fault maps many pages, while others sync, evict and discard them, or frames
 * are few
 */
#include <pthread.h>
#include <sched.h>
#include <sys/utsname.h>

#include "kselftest_harness.h"
#include "around.h"

/* One writes in sequence, one syncs, one evicts: as threads, or as processes. */
struct disturber {
	char *mem;
	int fd;
	bool stop;	/* in shared memory */
	__u64 done;
	int errors;
};

static void *sync_on_and_on(void *argument)
{
	struct disturber *disturber = argument;

	while (!__atomic_load_n(&disturber->stop, __ATOMIC_ACQUIRE)) {
		if (disturber->done++ % 2 ? msync(disturber->mem, PAGES * VT_PAGE, MS_SYNC) :
					    fsync(disturber->fd))
			disturber->errors++;
	}
	return NULL;
}

static void *evict_on_and_on(void *argument)
{
	struct disturber *disturber = argument;
	__u64 state = 3;

	while (!__atomic_load_n(&disturber->stop, __ATOMIC_ACQUIRE)) {
		size_t first = vt_random(&state) % PAGES;
		size_t pages = 1 + vt_random(&state) % (PAGES - first);

		if (vt_range(disturber->fd, VMDEMO_IOC_EVICT, first, pages, NULL))
			disturber->errors++;
		disturber->done++;
		sched_yield();
	}
	return NULL;
}

FIXTURE(disturbed) {
	int fd;
	char *mem;
	struct disturber *disturbers;
};

FIXTURE_VARIANT(disturbed) {
	bool processes;
	unsigned int frames;
};

FIXTURE_VARIANT_ADD(disturbed, threads) { .frames = FRAMES };
FIXTURE_VARIANT_ADD(disturbed, processes) { .frames = FRAMES, .processes = true };
FIXTURE_VARIANT_ADD(disturbed, small_pool) { .frames = 128 };

FIXTURE_SETUP(disturbed)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_load("backing=%s frames=%u", vt_disk(), variant->frames);
	ASSERT_EQ(vt_set("dirty_age_ms", "20"), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = map_at(0, self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	self->disturbers = mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->disturbers, MAP_FAILED);
}

FIXTURE_TEARDOWN(disturbed)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

TEST_F(disturbed, every_store_arrives)
{
	void *(*const jobs[])(void *) = { sync_on_and_on, evict_on_and_on };
	struct disturber *disturbers = self->disturbers;
	pthread_t threads[ARRAY_SIZE(jobs)];
	pid_t pids[ARRAY_SIZE(jobs)];
	int i, round;
	__u64 seed;

	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		disturbers[i].mem = self->mem;
		disturbers[i].fd = vt_open(O_RDWR);
		if (!variant->processes) {
			ASSERT_EQ(pthread_create(&threads[i], NULL, jobs[i], &disturbers[i]), 0);
			continue;
		}
		pids[i] = fork();
		ASSERT_GE(pids[i], 0);
		if (!pids[i]) {
			jobs[i](&disturbers[i]);
			_exit(0);
		}
	}
	for (round = 0; round < 25; round++) {
		seed = SEED + 1 + round;
		write_all(self->mem, 0, PAGES, seed);
		EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, seed), 0);
		ASSERT_EQ(fsync(self->fd), 0);
		EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, seed)) {
			TH_LOG("round %d", round);
		}
	}
	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		__atomic_store_n(&disturbers[i].stop, true, __ATOMIC_RELEASE);
		EXPECT_EQ(variant->processes ? vt_reap(pids[i]) : pthread_join(threads[i], NULL),
			  0);
		EXPECT_EQ(disturbers[i].errors, 0);
		EXPECT_GT(disturbers[i].done, 0);
		close(disturbers[i].fd);
	}
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, seed), 0);
	EXPECT_GT(vt_stat("write_around_pages"), 0);
	EXPECT_GE(vt_stat("fault_around_pages"), vt_stat("write_around_pages"));
	EXPECT_EQ(vt_stat("read_errors") + vt_stat("write_errors"), 0);
	EXPECT_TRUE(vt_balanced());
}

/* Reading in sequence while the pages are discarded: first the old contents, then zeros only. */
struct reader {
	pthread_t thread;
	bool evicts;
	__u64 seed;
	size_t *zeroed;		/* pages before this one have been discarded */
	bool *stop;
	__u64 read;		/* pages so far */
	int bad;
};

/* Old words may be followed by zeros, zeros by nothing else; @gone: there are no old ones. */
static bool old_then_zeros(const char *map, const char *old, bool gone)
{
	size_t i;

	for (i = 0; i < VT_PAGE; i += sizeof(__u64)) {
		__u64 word = __atomic_load_n((const __u64 *)(map + i), __ATOMIC_RELAXED);

		if (!word)
			gone = true;
		else if (gone || memcmp(&word, old + i, sizeof(word)))
			return false;
	}
	return true;
}

static void *read_on_and_on(void *argument)
{
	struct reader *reader = argument;
	char old[VT_PAGE];
	int fd = vt_open(O_RDONLY);
	char *map = map_at(0, fd, 0, PAGES, PROT_READ, MAP_SHARED);
	size_t i, zeroed;

	while (!__atomic_load_n(reader->stop, __ATOMIC_ACQUIRE)) {
		drop(map, PAGES);
		if (reader->evicts && vt_range(fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL))
			reader->bad++;
		for (i = 0; i < PAGES; i++) {
			vt_fill(old, i, reader->seed);
			zeroed = __atomic_load_n(reader->zeroed, __ATOMIC_ACQUIRE);
			if (!old_then_zeros(map + i * VT_PAGE, old, i < zeroed))
				reader->bad++;
			__atomic_fetch_add(&reader->read, 1, __ATOMIC_RELAXED);
		}
	}
	munmap(map, PAGES * VT_PAGE);
	close(fd);
	return NULL;
}

TEST_F(around, discard_under_readers)
{
	char page[VT_PAGE];
	struct reader readers[2];
	__u64 seed, read;
	size_t zeroed, i;
	bool stop;
	int r;

	for (seed = SEED + 1; seed < SEED + 5; seed++) {
		zeroed = 0;
		stop = false;
		write_all(self->mem, 0, PAGES, seed);
		for (r = 0; r < 2; r++) {
			readers[r] = (struct reader){
				.evicts = r, .seed = seed, .zeroed = &zeroed, .stop = &stop,
			};
			ASSERT_EQ(pthread_create(&readers[r].thread, NULL, read_on_and_on,
						 &readers[r]), 0);
		}
		for (i = 0; i < PAGES; i += 32) {
			/* So that they are somewhere in the middle. */
			read = __atomic_load_n(&readers[0].read, __ATOMIC_RELAXED);
			while (__atomic_load_n(&readers[0].read, __ATOMIC_RELAXED) < read + 100)
				sched_yield();
			ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_DISCARD, i, 32, NULL), 0);
			__atomic_store_n(&zeroed, i + 32, __ATOMIC_RELEASE);
		}
		__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
		for (r = 0; r < 2; r++) {
			ASSERT_EQ(pthread_join(readers[r].thread, NULL), 0);
			EXPECT_EQ(readers[r].bad, 0);
		}
		for (i = 0; i < PAGES; i++) {
			ASSERT_TRUE(vt_is_zero(self->mem + i * VT_PAGE));
			vt_disk_read(vt_disk(), i, page);
			ASSERT_TRUE(vt_is_zero(page));
		}
	}
	EXPECT_GT(vt_stat("fault_around_pages"), 0);
	EXPECT_TRUE(vt_balanced());
}

/* More memory than frames: windows come and go with their pages, under any policy. */
FIXTURE(pool) {
	int fd;
	size_t pages;	/* how much of the device is used */
	char *mem;
};

FIXTURE_VARIANT(pool) {
	unsigned int frames;
	const char *policy;
};

FIXTURE_VARIANT_ADD(pool, least) { .frames = 8, .policy = "lru" };
FIXTURE_VARIANT_ADD(pool, least_fifo) { .frames = 8, .policy = "fifo" };
FIXTURE_VARIANT_ADD(pool, least_clock) { .frames = 8, .policy = "clock" };
FIXTURE_VARIANT_ADD(pool, least_random) { .frames = 8, .policy = "random" };
FIXTURE_VARIANT_ADD(pool, least_2q) { .frames = 8, .policy = "2q" };
FIXTURE_VARIANT_ADD(pool, small) { .frames = 64, .policy = "lru" };
FIXTURE_VARIANT_ADD(pool, small_fifo) { .frames = 64, .policy = "fifo" };
FIXTURE_VARIANT_ADD(pool, large) { .frames = 512, .policy = "lru" };
FIXTURE_VARIANT_ADD(pool, large_fifo) { .frames = 512, .policy = "fifo" };
FIXTURE_VARIANT_ADD(pool, large_2q) { .frames = 512, .policy = "2q" };

FIXTURE_SETUP(pool)
{
	self->pages = variant->frames < 64 ? 32 * variant->frames : 2048;
	vt_stop();
	vt_disk_fill(vt_disk(), 0, self->pages, SEED);
	vt_load("backing=%s frames=%u", vt_disk(), variant->frames);
	ASSERT_EQ(vt_set("policy", "%s", variant->policy), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = map_at(0, self->fd, 0, self->pages, VT_RW, MAP_SHARED);
}

FIXTURE_TEARDOWN(pool)
{
	munmap(self->mem, self->pages * VT_PAGE);
	close(self->fd);
}

/* Reads: right, few faults, and never more mapped than there are frames. */
TEST_F(pool, reads)
{
	size_t i, round;
	long faults = minor_faults();

	for (round = 0; round < 2; round++)
		for (i = 0; i < self->pages; i++) {
			ASSERT_EQ(vt_check(self->mem + i * VT_PAGE, i, SEED), -1);
			if (i % 100 == 0)
				ASSERT_LE(count_mapped(self->mem, self->pages), variant->frames);
		}
	faults = minor_faults() - faults;
	EXPECT_GT(vt_stat("fault_around_pages"), 0);
	if (variant->frames >= 64)
		EXPECT_LT(faults, self->pages);
	EXPECT_EQ(vt_stat("write_around_pages"), 0);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_LE(vt_stat("readahead_used"), vt_stat("readahead_pages"));
	EXPECT_TRUE(vt_balanced());
}

/* Ticks while the machine runs us: where there are none it has been busy with others. */
struct ticker {
	pthread_t thread;
	unsigned int ticks;
	bool stop;
};

static void *tick(void *data)
{
	struct ticker *ticker = data;

	while (!__atomic_load_n(&ticker->stop, __ATOMIC_RELAXED)) {
		vt_nap(5);
		__atomic_add_fetch(&ticker->ticks, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static unsigned int ticks(const struct ticker *ticker)
{
	return __atomic_load_n(&ticker->ticks, __ATOMIC_RELAXED);
}

/* Before Linux 6.2 a page that is just being unmapped is written, but counts as dirty still. */
static bool unmapped_stay_dirty(void)
{
	struct utsname name;
	int major, minor;

	uname(&name);
	return sscanf(name.release, "%d.%d", &major, &minor) == 2 && major == 6 && minor < 2;
}

/* Stores: every one survives its page's eviction, and is on the disk after fsync. */
TEST_F(pool, stores)
{
	struct ticker ticker = {};
	int held_up = 0;
	__u64 seed;

	ASSERT_EQ(pthread_create(&ticker.thread, NULL, tick, &ticker), 0);

	for (seed = SEED + 1; seed < SEED + 3; seed++) {
		size_t i;

		for (i = 0; i < self->pages; i++) {
			unsigned int before = ticks(&ticker);
			__u64 start = vt_now_ms();

			vt_fill(self->mem + i * VT_PAGE, i, seed);
			/* Nobody waits in vain for dirty frames to be written. */
			held_up += vt_now_ms() - start >= 400 && ticks(&ticker) - before >= 20;
			ASSERT_LE(held_up, 4);
		}
		EXPECT_LE(count_mapped(self->mem, self->pages), variant->frames);
		ASSERT_EQ(fsync(self->fd), 0);
		EXPECT_TRUE(vt_disk_check(vt_disk(), 0, self->pages, seed));
		for (i = 0; unmapped_stay_dirty() && vt_stat("frames_dirty") && i < 200; i++) {
			vt_nap(20);
			ASSERT_EQ(fsync(self->fd), 0);
		}
		EXPECT_EQ(vt_stat("frames_dirty"), 0);
		EXPECT_EQ(vt_count_bad(self->mem, 0, self->pages, seed), 0);
	}
	__atomic_store_n(&ticker.stop, true, __ATOMIC_RELAXED);
	pthread_join(ticker.thread, NULL);
	EXPECT_GT(vt_stat("write_around_pages"), 0);
	EXPECT_GE(vt_stat("fault_around_pages"), vt_stat("write_around_pages"));
	EXPECT_TRUE(vt_balanced());
}

/* Sequences of all kinds at all places, and between them all that takes pages or entries away. */
TEST_F(pool, anything)
{
	__u64 *seeds = calloc(self->pages, sizeof(*seeds)), state = variant->frames, seed = SEED;
	size_t i, n, step, first, pages;

	ASSERT_NE(seeds, NULL);
	for (i = 0; i < self->pages; i++)
		seeds[i] = SEED;
	for (step = 0; step < 300; step++) {
		first = vt_random(&state) % self->pages;
		pages = 1 + vt_random(&state) % 150;
		n = pages < self->pages - first ? first + pages : self->pages;
		switch (vt_random(&state) % 9) {
		case 0:
			ASSERT_EQ(fsync(self->fd), 0);
			break;
		case 1:
			ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, first, n - first, NULL), 0);
			break;
		case 2:
			drop(self->mem + first * VT_PAGE, n - first);
			break;
		case 3:
			ASSERT_EQ(msync(self->mem + first * VT_PAGE, (n - first) * VT_PAGE,
					MS_SYNC), 0);
			break;
		case 4:
		case 5:
		case 6:
			seed++;
			for (i = first; i < n; i++) {
				vt_fill(self->mem + i * VT_PAGE, i, seed);
				seeds[i] = seed;
			}
			break;
		default:
			for (i = first; i < n; i++)
				ASSERT_EQ(vt_check(self->mem + i * VT_PAGE, i, seeds[i]), -1);
		}
	}
	for (i = 0; i < self->pages; i++)
		EXPECT_EQ(vt_check(self->mem + i * VT_PAGE, i, seeds[i]), -1);
	ASSERT_EQ(fsync(self->fd), 0);
	for (i = 0; i < self->pages; i = n) {
		for (n = i; n < self->pages && seeds[n] == seeds[i]; n++)
			;
		EXPECT_TRUE(vt_disk_check(vt_disk(), i, n - i, seeds[i]));
	}
	EXPECT_GT(vt_stat("fault_around_pages"), vt_stat("write_around_pages"));
	EXPECT_GT(vt_stat("write_around_pages"), 0);
	EXPECT_TRUE(vt_balanced());
	free(seeds);
}

TEST_HARNESS_MAIN
