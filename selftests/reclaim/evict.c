// SPDX-License-Identifier: GPL-2.0
/*
 * evict.c - more memory than frames: the bound holds, data survives, what fits is left in peace
 */
#include <pthread.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define SEED	5

FIXTURE(evict) {
	int fd;
	size_t pages;	/* how much of the device is used: 32 times the pool */
	char *mem;
};

FIXTURE_VARIANT(evict) {
	unsigned int frames;
};

FIXTURE_VARIANT_ADD(evict, least) { .frames = 8 };
FIXTURE_VARIANT_ADD(evict, small) { .frames = 64 };
FIXTURE_VARIANT_ADD(evict, large) { .frames = 512 };

FIXTURE_SETUP(evict)
{
	self->pages = 32 * variant->frames;
	vt_stop();
	vt_disk_fill(vt_disk(), 0, self->pages, SEED);
	vt_start(variant->frames);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, self->pages, VT_RW, MAP_SHARED);
}

FIXTURE_TEARDOWN(evict)
{
	munmap(self->mem, self->pages * VT_PAGE);
	close(self->fd);
}

/* Resident memory of the mapping that starts at 'mem', as the kernel accounts it. */
static size_t rss_pages(const char *mem)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long start, end, kib = 0;
	char line[512];
	bool ours = false;

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			ours = start == (unsigned long)mem;
		else if (ours && sscanf(line, "Rss: %lu kB", &kib) == 1)
			break;
	}
	fclose(file);
	return kib * 1024 / VT_PAGE;
}

/* However much is used, never are more pages resident than there are frames. */
TEST_F(evict, bound_holds)
{
	size_t i, sample = self->pages / 40;

	for (i = 0; i < self->pages; i++) {
		if (i % 2)
			vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
		else
			ASSERT_EQ(vt_check(self->mem + i * VT_PAGE, i, SEED), -1);
		if (i % sample)
			continue;
		ASSERT_LE(vt_count_resident(self->fd, 0, self->pages), variant->frames);
		ASSERT_LE(rss_pages(self->mem), variant->frames);
		ASSERT_EQ(vt_get("frames_actual"), variant->frames);
	}
	EXPECT_EQ(vt_stat("faults_hard"), self->pages);
	EXPECT_EQ(vt_stat("pages_in"), self->pages);
	EXPECT_GE(vt_stat("evictions_clean") + vt_stat("evictions_dirty"),
		  self->pages - variant->frames);
	EXPECT_TRUE(vt_balanced());
}

/* All pages in a random order, every one changed: each change survives its eviction. */
TEST_F(evict, data_survives)
{
	__u64 state = 1;
	size_t i, page, step = 2 * (vt_random(&state) % self->pages) + 1;

	/* An odd step visits every page of a power of two exactly once. */
	for (i = 0; i < self->pages; i++) {
		page = i * step % self->pages;
		ASSERT_EQ(vt_check(self->mem + page * VT_PAGE, page, SEED), -1);
		vt_fill(self->mem + page * VT_PAGE, page, SEED + 1);
	}
	EXPECT_GE(vt_stat("evictions_clean") + vt_stat("evictions_dirty"),
		  self->pages - variant->frames);
	EXPECT_GE(vt_stat("pages_out"), self->pages - variant->frames);
	EXPECT_EQ(vt_count_bad(self->mem, 0, self->pages, SEED + 1), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_EQ(vt_stat("write_errors"), 0);
}

/* After an orderly close, an unload and a load everything is there; the disk holds it all. */
TEST_F(evict, data_survives_unload)
{
	size_t i;

	for (i = 0; i < self->pages; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	munmap(self->mem, self->pages * VT_PAGE);
	close(self->fd);
	ASSERT_EQ(vt_try_unload(), 0);
	for (i = 0; i < self->pages; i += 64)
		EXPECT_TRUE(vt_disk_check(vt_disk(), i, 64, SEED + 1));
	vt_start(variant->frames);
	EXPECT_EQ(vt_stat("pages_in"), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, self->pages, VT_RW, MAP_SHARED);
	EXPECT_EQ(vt_count_bad(self->mem, 0, self->pages, SEED + 1), 0);
}

/* What is only read is never written, and its frames go clean. */
TEST_F(evict, reading_writes_nothing)
{
	size_t n = 4 * variant->frames;

	EXPECT_EQ(vt_count_bad(self->mem, 0, n, SEED), 0);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_EQ(vt_stat("evictions_dirty"), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_GE(vt_stat("evictions_clean"), n - variant->frames);
}

/* A dirty page is written once per change, not at every eviction. */
TEST_F(evict, written_once_per_change)
{
	size_t n = 4 * variant->frames, i;
	__u64 out;
	int round;

	for (i = 0; i < n; i++)
		self->mem[i * VT_PAGE] = 1;
	EXPECT_EQ(fsync(self->fd), 0);
	out = vt_stat("pages_out");
	EXPECT_GE(out, n);
	/* A page may be written between the fault that made it dirty and the store: then twice. */
	EXPECT_LE(out, n + n / 8);
	for (round = 0; round < 2; round++)
		for (i = 0; i < n; i++)
			ASSERT_EQ(self->mem[i * VT_PAGE], 1);
	EXPECT_EQ(vt_stat("pages_out"), out);
}

/* The flusher is no reason for fsync to leave a page dirty: it holds none before its turn. */
TEST_F(evict, flusher_beside_fsync)
{
	__u64 deadline = vt_now_ms() + 5000;
	size_t n = variant->frames / 2, i;
	int round, dirty = 0;

	/* The last stores wake it. */
	ASSERT_EQ(vt_set("dirty_pct", "50"), 0);
	for (round = 0; round < 2000 || vt_now_ms() < deadline; round++) {
		for (i = 0; i < n - 1; i++)
			self->mem[i * VT_PAGE] = round;
		ASSERT_EQ(fsync(self->fd), 0);
		dirty += !!vt_stat("frames_dirty");
	}
	TH_LOG("pages are dirty after %d of %d fsyncs", dirty, round);
	/* It may stand still just at its turn, on a busy machine as often as once in 2,000. */
	EXPECT_LE(dirty, round / 400);
}

/* A hard fault on a page that went not long ago is a refault, the first one on a page never is. */
TEST_F(evict, refaults)
{
	size_t n = variant->frames + variant->frames / 4;

	EXPECT_EQ(vt_count_bad(self->mem, 0, self->pages, SEED), 0);
	EXPECT_EQ(vt_stat("refaults"), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, n, SEED), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, n, SEED), 0);
	EXPECT_GT(vt_stat("refaults"), 0);
	EXPECT_LE(vt_stat("refaults"), n);
}

/* Resident pages sit in different frames, whose numbers lie below the pool's size. */
TEST_F(evict, frame_numbers)
{
	struct vmdemo_page *map = calloc(self->pages, sizeof(*map));
	bool *seen = calloc(variant->frames, sizeof(*seen));
	__u64 free_before, in_use;
	size_t i, n = 0;

	ASSERT_NE(map, NULL);
	ASSERT_NE(seen, NULL);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 3 * variant->frames, SEED), 0);
	EXPECT_TRUE(vt_balanced());
	/* The reclaim thread of a large pool may still be at it; nothing comes in any more. */
	do {
		free_before = vt_stat("frames_free");
		ASSERT_EQ(vt_pagemap(self->fd, 0, self->pages, map), 0);
		in_use = vt_stat("frames_active") + vt_stat("frames_standby");
	} while (vt_stat("frames_free") != free_before);
	for (i = 0; i < self->pages; i++) {
		EXPECT_EQ(map[i].reserved, 0);
		EXPECT_EQ(map[i].slot, 0);
		if (map[i].frame == VMDEMO_NO_FRAME) {
			EXPECT_EQ(map[i].state, VMDEMO_PAGE_UNTOUCHED);
			EXPECT_EQ(map[i].flags, 0);
			continue;
		}
		ASSERT_LT(map[i].frame, variant->frames);
		EXPECT_FALSE(seen[map[i].frame]);
		seen[map[i].frame] = true;
		EXPECT_TRUE(map[i].state == VMDEMO_PAGE_ACTIVE ||
			    map[i].state == VMDEMO_PAGE_STANDBY);
		n++;
	}
	EXPECT_EQ(n, in_use);
	EXPECT_LE(n, variant->frames);
	EXPECT_GE(n, variant->frames / 2);
	free(seen);
	free(map);
}

/* A program that fits the pool stops faulting altogether, even after it did not fit. */
TEST_F(evict, program_that_fits_stops_faulting)
{
	size_t n = variant->frames / 2, i;
	__u64 hard, soft;
	int round;

	EXPECT_EQ(vt_count_bad(self->mem, 0, self->pages, SEED), 0);
	for (round = 0; round < 3; round++)
		for (i = 0; i < n; i++)
			ASSERT_EQ(vt_try_read(self->mem + i * VT_PAGE, NULL), 0);
	/* The credit of the hard faults before may still demote a few; it is finite. */
	hard = vt_stat("faults_hard");
	for (round = 0; round < 50; round++) {
		soft = vt_stat("faults_soft");
		for (i = 0; i < n; i++)
			ASSERT_EQ(vt_try_read(self->mem + i * VT_PAGE, NULL), 0);
		if (vt_stat("faults_soft") == soft)
			break;
	}
	EXPECT_LT(round, 50);
	for (round = 0; round < 5; round++)
		for (i = 0; i < n; i++)
			ASSERT_EQ(vt_try_read(self->mem + i * VT_PAGE, NULL), 0);
	EXPECT_EQ(vt_stat("faults_soft"), soft);
	EXPECT_EQ(vt_stat("faults_hard"), hard);
}

/* Threads that share the mapping fault and evict at once; every page keeps what its owner wrote. */
struct worker {
	char *mem;
	size_t pages, first;
	int rounds, bad;
};

#define WORKERS	4

static void *work(void *argument)
{
	struct worker *worker = argument;
	__u64 *last = calloc(worker->pages, sizeof(*last));
	__u64 state = worker->first, seed = 100;
	size_t page;
	int i;

	for (i = 0; i < worker->rounds; i++) {
		page = vt_random(&state) % (worker->pages / WORKERS) * WORKERS + worker->first;
		if (vt_check(worker->mem + page * VT_PAGE, page, last[page] ?: SEED) >= 0)
			worker->bad++;
		if (vt_random(&state) % 2) {
			last[page] = ++seed;
			vt_fill(worker->mem + page * VT_PAGE, page, seed);
		}
	}
	free(last);
	return NULL;
}

TEST_F(evict, threads)
{
	struct worker workers[WORKERS];
	pthread_t threads[WORKERS];
	int i;

	for (i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ self->mem, self->pages, i, 1500, 0 };
		ASSERT_EQ(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (i = 0; i < WORKERS; i++) {
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
		EXPECT_EQ(workers[i].bad, 0);
	}
	EXPECT_LE(vt_count_resident(self->fd, 0, self->pages), variant->frames);
	EXPECT_TRUE(vt_balanced());
}

/*
 * One instruction may need several pages: a copy across page borders never loops for ever, whatever
 * the policy.
 */
TEST_F(evict, copy_across_borders)
{
	size_t n = self->pages / 2 - 1, i;
	int policy;

	for (policy = 0; policy < vt_nr_policies; policy++) {
		ASSERT_EQ(vt_set("policy", "%s", vt_policies[policy]), 0);
		for (i = 0; i < n; i += 7) {
			vt_fill(self->mem + i * VT_PAGE, i, SEED + policy);
			memcpy(self->mem + (self->pages / 2 + i) * VT_PAGE + 2048,
			       self->mem + i * VT_PAGE + 2040, VT_PAGE);
		}
		for (i = 0; i < n; i += 7)
			ASSERT_EQ(memcmp(self->mem + (self->pages / 2 + i) * VT_PAGE + 2048,
					 self->mem + i * VT_PAGE + 2040, VT_PAGE), 0);
	}
}

/* What is left needs a pool beyond the small ones, which keep an exact order. */
FIXTURE(pool) {
	int fd;
	char *mem;
};

#define POOL	512
#define SPAN	4096

FIXTURE_SETUP(pool)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, SPAN, SEED);
	vt_start(POOL);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, SPAN, VT_RW, MAP_SHARED);
}

FIXTURE_TEARDOWN(pool)
{
	munmap(self->mem, SPAN * VT_PAGE);
	close(self->fd);
}

/* Soft faults are paid for by hard ones: never more than demote_pages of them for each. */
TEST_F(pool, soft_faults_are_bounded)
{
	static const int credits[] = { 1, 4, 16 };
	__u64 state = 9, hard, soft;
	int i, round;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(vt_set("demote_pages", "%d", credits[i]), 0);
		hard = vt_stat("faults_hard");
		soft = vt_stat("faults_soft");
		/* Three of four uses go to pages that fit. */
		for (round = 0; round < 12000; round++) {
			size_t hot = vt_random(&state) % 4;
			size_t page = vt_random(&state) % (hot ? POOL / 2 : SPAN);

			ASSERT_EQ(vt_try_read(self->mem + page * VT_PAGE, NULL), 0);
		}
		hard = vt_stat("faults_hard") - hard;
		soft = vt_stat("faults_soft") - soft;
		EXPECT_GT(hard, 1000);
		EXPECT_GT(soft, 0);
		/* What was demoted before the setting changed may still be touched. */
		EXPECT_LE(soft, credits[i] * hard + (i ? 0 : POOL));
	}
}

/* Misses of a skewed load under a policy: three of four uses go to pages that fit. */
static __u64 skewed_misses(struct __test_metadata *_metadata, int fd, const char *mem,
			   const char *policy)
{
	__u64 state = 11, misses;
	int round;

	ASSERT_EQ(vt_set("policy", "%s", policy), 0);
	ASSERT_TRUE(vt_policy_is(policy));
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, SPAN, NULL), 0);
	misses = vt_stat("faults_hard");
	for (round = 0; round < 20000; round++) {
		size_t hot = vt_random(&state) % 4;
		size_t page = vt_random(&state) % (hot ? POOL / 2 : SPAN);

		ASSERT_EQ(vt_try_read(mem + page * VT_PAGE, NULL), 0);
	}
	return vt_stat("faults_hard") - misses;
}

/*
 * The hot part stays under the policies that learn what is hot, and best under 2q, where what comes
 * once does not drive it out; the others miss as often as each other.
 */
TEST_F(pool, policies_differ)
{
	__u64 lru, fifo, clock, random, two;

	lru = skewed_misses(_metadata, self->fd, self->mem, "lru");
	fifo = skewed_misses(_metadata, self->fd, self->mem, "fifo");
	clock = skewed_misses(_metadata, self->fd, self->mem, "clock");
	random = skewed_misses(_metadata, self->fd, self->mem, "random");
	two = skewed_misses(_metadata, self->fd, self->mem, "2q");
	TH_LOG("lru %ju, fifo %ju, clock %ju, random %ju, 2q %ju", (uintmax_t)lru,
	       (uintmax_t)fifo, (uintmax_t)clock, (uintmax_t)random, (uintmax_t)two);
	EXPECT_LT(lru * 10, fifo * 9);
	EXPECT_LT(clock * 10, fifo * 9);
	EXPECT_LT(two * 20, lru * 19);
	EXPECT_LT(random * 20, fifo * 21);
	EXPECT_GT(random * 20, fifo * 19);
}

/* From each policy to each other in the middle of a run: all pages stay what they are. */
TEST_F(pool, switched_while_in_use)
{
	__u64 state = 3;
	int i, round;

	for (i = 0; i < SPAN; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED);
	for (i = 0; i < vt_nr_policies * vt_nr_policies; i++) {
		ASSERT_EQ(vt_set("policy", "%s", vt_policies[i / vt_nr_policies]), 0);
		for (round = 0; round < 400; round++) {
			size_t page = vt_random(&state) % (round % 2 ? POOL / 2 : SPAN);

			ASSERT_EQ(vt_check(self->mem + page * VT_PAGE, page, SEED), -1);
		}
		ASSERT_EQ(vt_set("policy", "%s", vt_policies[i % vt_nr_policies]), 0);
		for (round = 0; round < 400; round++) {
			size_t page = vt_random(&state) % (round % 2 ? POOL / 2 : SPAN);

			ASSERT_EQ(vt_check(self->mem + page * VT_PAGE, page, SEED), -1);
		}
		ASSERT_LE(vt_count_resident(self->fd, 0, SPAN), POOL);
		ASSERT_TRUE(vt_balanced());
	}
	/* No frame is left where nothing takes it any more. */
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, SPAN, NULL), 0);
	EXPECT_EQ(vt_stat("frames_free"), POOL);
}

/*
 * All frames but one are held, and two pages want that one. A search of random comes to half of the
 * frames; what it does not find is found by list, before anybody is lent a frame.
 */
TEST_F(pool, last_frame_is_found)
{
	struct iovec part = { .iov_base = self->mem };
	size_t held = 0, i;
	int ends[4][2];

	ASSERT_EQ(vt_set("frames", "%d", SPAN - 1), 0);
	ASSERT_EQ(vt_set("reserve", "0"), 0);
	ASSERT_EQ(vt_set("policy", "random"), 0);
	for (i = 0; i < 4; i++, held += part.iov_len / VT_PAGE) {
		ASSERT_EQ(pipe(ends[i]), 0);
		ASSERT_EQ(fcntl(ends[i][1], F_SETPIPE_SZ, SPAN / 4 * VT_PAGE), SPAN / 4 * VT_PAGE);
		part.iov_base = self->mem + held * VT_PAGE;
		part.iov_len = (SPAN / 4 - (i == 3) * 2) * VT_PAGE;
		ASSERT_EQ(vmsplice(ends[i][1], &part, 1, 0), (ssize_t)part.iov_len);
	}
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(vt_try_read(self->mem + (held + i % 2) * VT_PAGE, NULL), 0);
		ASSERT_EQ(vt_stat("frames_lent"), 0) {
			TH_LOG("after %zu pages", i);
		}
	}
	EXPECT_EQ(vt_stat("frames_pinned"), held);
	for (i = 0; i < 4; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
}

/* Dirty frames beyond dirty_pct make writers wait. */
TEST_F(pool, dirty_share_is_bounded)
{
	size_t i;

	ASSERT_EQ(vt_set("dirty_pct", "10"), 0);
	for (i = 0; i < SPAN; i++) {
		self->mem[(i * 1237 % SPAN) * VT_PAGE] = 1;
		if (i % 32 == 0)
			ASSERT_LE(vt_stat("frames_dirty"), POOL / 4);
	}
}

/* Dirty data older than dirty_age_ms goes to the disk by itself, and stays resident. */
TEST_F(pool, dirty_age)
{
	int i;

	ASSERT_EQ(vt_set("dirty_age_ms", "100"), 0);
	for (i = 0; i < 10; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	EXPECT_TRUE(vt_wait_stat("frames_dirty", 0, 0, 15));
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 10, SEED + 1));
	EXPECT_EQ(vt_count_resident(self->fd, 0, 10), 10);
	/* And again: the page must have become read-only to be noticed. */
	vt_fill(self->mem, 0, SEED + 2);
	EXPECT_TRUE(vt_wait_stat("pages_out", 11, UINT64_MAX, 15));
	EXPECT_TRUE(vt_wait_stat("frames_dirty", 0, 0, 15));
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 1, SEED + 2));
}

TEST_HARNESS_MAIN
