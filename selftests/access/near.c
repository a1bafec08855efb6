// SPDX-License-Identifier: GPL-2.0
/*
 * near.c - in a calm pool a soft fault maps the resident pages around its own, too
 *
 * Calm: many soft faults, and no page has come in meanwhile, as when a program starts and finds in
 * frames the pages that others have left there. The policy must not be deceived by it, nor any
 * store be missed.
 */
#include <pthread.h>

#include "kselftest_harness.h"
#include "around.h"

static void touch(const char *map, size_t page)
{
	__atomic_load_n(map + page * VT_PAGE, __ATOMIC_RELAXED);
}

/* Page i of a walk that is no sequence, and comes to every page. */
static size_t scattered(size_t i)
{
	return i * 37 % PAGES;
}

/* Touch pages one by one until the pool is as good as calm: each comes alone. */
static void calm_down(char *map)
{
	size_t i;

	for (i = 0; i < CALM - 1; i++)
		touch(map, scattered(i));
	drop(map, PAGES);
}

/* The 64th soft fault in a row brings the pages of its 64 KiB, until another page has come in. */
TEST_F(around, from_the_64th_on)
{
	size_t i, page = scattered(CALM - 1), first = page / NEAR * NEAR;
	int round;

	for (round = 0; round < 2; round++) {
		__u64 soft = vt_stat("faults_soft"), around = vt_stat("fault_around_pages");

		for (i = 0; i < CALM - 1; i++)
			touch(self->mem, scattered(i));
		EXPECT_EQ(count_mapped(self->mem, PAGES), CALM - 1);
		EXPECT_EQ(vt_stat("fault_around_pages"), around);
		touch(self->mem, page);
		EXPECT_EQ(count_mapped(self->mem + first * VT_PAGE, NEAR), NEAR);
		for (i = 0; i < PAGES; i++)
			touch(self->mem, scattered(i));
		EXPECT_EQ(count_mapped(self->mem, PAGES), PAGES);
		soft = vt_stat("faults_soft") - soft;
		EXPECT_LE(soft, CALM + PAGES / NEAR);
		/* Each page came by a fault of its own, or with another one. */
		EXPECT_EQ(soft + vt_stat("fault_around_pages") - around, PAGES);
		drop(self->mem, PAGES);
		stir(self->fd);
	}
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_TRUE(vt_balanced());
}

/* Where some are mapped already the others come all the same. */
TEST_F(around, between_mapped_ones)
{
	static const size_t mapped[] = { 1, 2, 5, 9, 15 };
	size_t i;

	for (i = 0; i < CALM - 1 - ARRAY_SIZE(mapped); i++)
		touch(self->mem, PAGES / 2 + scattered(i) / 2);
	for (i = 0; i < ARRAY_SIZE(mapped); i++)
		touch(self->mem, mapped[i]);
	ASSERT_EQ(count_mapped(self->mem, NEAR), ARRAY_SIZE(mapped));
	touch(self->mem, 7);
	EXPECT_EQ(count_mapped(self->mem, NEAR), NEAR);
	EXPECT_EQ(vt_stat("fault_around_pages"), NEAR - 1 - ARRAY_SIZE(mapped));
}

/* A sequence is one still, though most of its pages make no fault. */
TEST_F(around, sequence_is_seen)
{
	__u64 soft;
	size_t i;

	calm_down(self->mem);
	soft = vt_stat("faults_soft");
	for (i = 0; i < PAGES; i++)
		touch(self->mem, i);
	/* One fault in 65 pages, but for the beginning. */
	EXPECT_LT(vt_stat("faults_soft") - soft, PAGES / NEAR / 2);
}

/* What is mapped so is not writable, and a store brings no others. */
TEST_F(around, makes_nothing_writable)
{
	size_t i;

	calm_down(self->mem);
	for (i = 0; i < PAGES; i++)
		touch(self->mem, scattered(i));
	EXPECT_GT(vt_stat("fault_around_pages"), PAGES / 2);
	for (i = 0; i < PAGES; i++)
		vt_fill(self->mem + scattered(i) * VT_PAGE, scattered(i), SEED + 1);
	EXPECT_EQ(vt_stat("faults_mkwrite"), PAGES);
	EXPECT_EQ(vt_stat("frames_dirty"), PAGES);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED + 1));
	drop(self->mem, PAGES);
	self->mem[100 * VT_PAGE] = 1;
	EXPECT_EQ(count_mapped(self->mem, PAGES), 1);
}

/* A private page that is written is copied; its neighbours are the device's. */
TEST_F(around, private_mapping)
{
	char *map = map_at(0, self->fd, 0, PAGES, VT_RW, MAP_PRIVATE);
	size_t i;

	calm_down(self->mem);
	for (i = 0; i < PAGES; i++)
		touch(map, scattered(i));
	EXPECT_GT(vt_stat("fault_around_pages"), PAGES / 2);
	for (i = 0; i < PAGES; i += 2)
		vt_fill(map + i * VT_PAGE, i, SEED + 1);
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(vt_check(map + i * VT_PAGE, i, SEED + !(i % 2)), -1);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	munmap(map, PAGES * VT_PAGE);
}

/* Nothing beyond either end of the mapping is mapped. */
TEST_F(around, ends_with_the_mapping)
{
	char *map = map_at(4, self->fd, 4, 6, VT_RW, MAP_SHARED);

	calm_down(self->mem);
	/* The first one has to make a page table. */
	touch(map, 0);
	EXPECT_EQ(count_mapped(map, 6), 1);
	touch(map, 2);
	EXPECT_EQ(count_mapped(map, 6), 6);
	EXPECT_EQ(vt_stat("fault_around_pages"), 4);
	EXPECT_EQ(vt_try_read(map - VT_PAGE, NULL), SIGSEGV);
	EXPECT_EQ(vt_try_read(map + 6 * VT_PAGE, NULL), SIGSEGV);
	EXPECT_EQ(vt_count_bad(map, 4, 6, SEED), 0);
	munmap(map, 6 * VT_PAGE);
}

/* Not where each fault counts, or is to be counted: in an exact or small pool, by the setting. */
TEST_F(around, not_everywhere)
{
	static const char *const settings[][3] = {
		{ "read_ahead_pages", "0", "64" },
		{ "reserve", "0", "auto" },
		{ "frames", "256", "1024" },
	};
	size_t i, k;

	for (k = 0; k < ARRAY_SIZE(settings); k++) {
		ASSERT_EQ(vt_set(settings[k][0], "%s", settings[k][1]), 0);
		drop(self->mem, PAGES);
		for (i = 0; i < PAGES; i++)
			if (vt_page(self->fd, scattered(i)).frame != VMDEMO_NO_FRAME)
				touch(self->mem, scattered(i));
		EXPECT_EQ(vt_stat("fault_around_pages"), 0) {
			TH_LOG("%s %s", settings[k][0], settings[k][1]);
		}
		ASSERT_EQ(vt_set(settings[k][0], "%s", settings[k][2]), 0);
	}
}

/* What is on standby is left alone: that it is not touched there is what the policy goes by. */
TEST_F(around, not_from_standby)
{
	struct vmdemo_page *map = calloc(2 * PAGES, sizeof(*map));
	char *mem = map_at(0, self->fd, 0, 2 * PAGES, VT_RW, MAP_SHARED);
	size_t i, page, standby = 0, moved = 0, state[2 * PAGES];

	ASSERT_NE(map, NULL);
	ASSERT_EQ(vt_set("frames", "%u", PAGES), 0);
	madvise(mem, 2 * PAGES * VT_PAGE, MADV_RANDOM);
	for (i = 0; i < 4 * PAGES; i++)
		touch(mem, i * 37 % (2 * PAGES));
	drop(mem, 2 * PAGES);
	ASSERT_EQ(vt_pagemap(self->fd, 0, 2 * PAGES, map), 0);
	for (i = 0; i < 2 * PAGES; i++)
		state[i] = map[i].state;
	for (i = 0; i < 2 * PAGES; i++) {
		page = i * 37 % (2 * PAGES);
		if (state[page] == VMDEMO_PAGE_ACTIVE)
			touch(mem, page);
	}
	EXPECT_GT(vt_stat("fault_around_pages"), 0);
	ASSERT_EQ(vt_pagemap(self->fd, 0, 2 * PAGES, map), 0);
	for (i = 0; i < 2 * PAGES; i++) {
		if (state[i] != VMDEMO_PAGE_STANDBY)
			continue;
		standby++;
		/* It may have gone: the reclaim thread may still be at it. */
		moved += map[i].state == VMDEMO_PAGE_ACTIVE || (map[i].flags & VMDEMO_PAGE_MAPPED);
	}
	EXPECT_EQ(moved, 0);
	EXPECT_GT(standby, PAGES / 8);
	EXPECT_EQ(vt_count_bad(mem, 0, 2 * PAGES, SEED), 0);
	munmap(mem, 2 * PAGES * VT_PAGE);
	free(map);
}

struct helper {
	pthread_t thread;
	char *mem;
	int fd;
	bool stop;
	__u64 done;
};

/* Every other page begins with a number that only grows. */
static void *write_on(void *argument)
{
	struct helper *helper = argument;
	__u64 state = 1;

	while (!__atomic_load_n(&helper->stop, __ATOMIC_ACQUIRE)) {
		__u64 *page = (__u64 *)(helper->mem +
					(vt_random(&state) % (PAGES / 2) * 2 + 1) * VT_PAGE);

		__atomic_store_n(page, ++helper->done, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *sync_and_evict(void *argument)
{
	struct helper *helper = argument;
	__u64 state = 2;

	while (!__atomic_load_n(&helper->stop, __ATOMIC_ACQUIRE)) {
		if (fsync(helper->fd))
			vt_fail("fsync: %s", strerror(errno));
		vt_range(helper->fd, VMDEMO_IOC_EVICT, vt_random(&state) % PAGES, 1, NULL);
		helper->done++;
		vt_nap(5);
	}
	return NULL;
}

/* While others write, sync and evict the same pages nothing old comes back. */
TEST_F(around, under_load)
{
	struct helper writer = { .mem = self->mem }, other = { .fd = self->fd };
	char *map = map_at(0, self->fd, 0, PAGES, PROT_READ, MAP_SHARED);
	__u64 *seen = calloc(PAGES, sizeof(*seen)), deadline = vt_now_ms() + 6000, number;
	size_t i, bad = 0;

	ASSERT_NE(seen, NULL);
	for (i = 1; i < PAGES; i += 2)
		memset(self->mem + i * VT_PAGE, 0, VT_PAGE);
	ASSERT_EQ(pthread_create(&writer.thread, NULL, write_on, &writer), 0);
	ASSERT_EQ(pthread_create(&other.thread, NULL, sync_and_evict, &other), 0);
	while (vt_now_ms() < deadline) {
		for (i = 0; i < PAGES; i++) {
			const __u64 *page = (__u64 *)(map + scattered(i) * VT_PAGE);

			number = __atomic_load_n(page, __ATOMIC_RELAXED);
			if (scattered(i) % 2 == 0) {
				bad += number != vt_word(scattered(i), SEED, 0);
			} else {
				bad += number < seen[scattered(i)];
				seen[scattered(i)] = number;
			}
		}
		drop(map, PAGES);
	}
	__atomic_store_n(&writer.stop, true, __ATOMIC_RELEASE);
	__atomic_store_n(&other.stop, true, __ATOMIC_RELEASE);
	ASSERT_EQ(pthread_join(writer.thread, NULL), 0);
	ASSERT_EQ(pthread_join(other.thread, NULL), 0);
	TH_LOG("%llu stores, %llu syncs, %llu pages mapped around others", writer.done, other.done,
	       vt_stat("fault_around_pages"));
	EXPECT_EQ(bad, 0);
	EXPECT_GT(vt_stat("fault_around_pages"), PAGES);
	EXPECT_TRUE(vt_balanced());
	munmap(map, PAGES * VT_PAGE);
	free(seen);
}

TEST_HARNESS_MAIN
