// SPDX-License-Identifier: GPL-2.0
/*
 * resize.c - the pool grows and shrinks while it is mapped and in use
 */
#include <pthread.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define PAGES	2048
#define SEED	8

FIXTURE(resize) {
	int fd;
	char *mem;
};

FIXTURE_SETUP(resize)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_start(512);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

FIXTURE_TEARDOWN(resize)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

/* A larger pool holds more at once; what was resident stays so. */
TEST_F(resize, grows)
{
	ASSERT_EQ(vt_count_bad(self->mem, 0, 400, SEED), 0);
	ASSERT_EQ(vt_set("frames", "1024"), 0);
	EXPECT_EQ(vt_get("frames"), 1024);
	EXPECT_EQ(vt_get("frames_actual"), 1024);
	EXPECT_EQ(vt_count_resident(self->fd, 0, 400), 400);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 900, SEED), 0);
	EXPECT_GE(vt_count_resident(self->fd, 0, PAGES), 900);
	EXPECT_EQ(vt_stat("pages_in"), 900);
	EXPECT_TRUE(vt_balanced());
}

/* A smaller pool writes back and gives up what no longer fits, and loses nothing. */
TEST_F(resize, shrinks)
{
	size_t i;

	for (i = 0; i < 500; i++)
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
	ASSERT_EQ(vt_set("frames", "16"), 0);
	EXPECT_EQ(vt_get("frames"), 16);
	EXPECT_EQ(vt_get("frames_actual"), 16);
	EXPECT_LE(vt_count_resident(self->fd, 0, PAGES), 16);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 500, SEED + 1), 0);
	EXPECT_LE(vt_count_resident(self->fd, 0, PAGES), 16);
	EXPECT_TRUE(vt_balanced());
}

/* A pool of which half is free gives up that half, and no page goes. */
TEST_F(resize, gives_up_what_is_free)
{
	ASSERT_EQ(vt_count_bad(self->mem, 0, 200, SEED), 0);
	ASSERT_EQ(vt_set("frames", "256"), 0);
	EXPECT_EQ(vt_get("frames_actual"), 256);
	EXPECT_EQ(vt_count_resident(self->fd, 0, 200), 200);
	EXPECT_EQ(vt_stat("evictions_clean"), 0);
	EXPECT_TRUE(vt_balanced());
}

/* INFO tells the size that was asked for and the one there is. */
TEST_F(resize, info_follows)
{
	struct vmdemo_info info = { .size = sizeof(info) };

	ASSERT_EQ(vt_set("frames", "64"), 0);
	ASSERT_EQ(ioctl(self->fd, VMDEMO_IOC_INFO, &info), 0);
	EXPECT_EQ(info.frames, 64);
	EXPECT_EQ(info.frames_actual, 64);
}

/* Frame numbers stay below the pool's new size. */
TEST_F(resize, frame_numbers_follow)
{
	struct vmdemo_page *map = calloc(PAGES, sizeof(*map));
	size_t i;

	ASSERT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	ASSERT_EQ(vt_set("frames", "32"), 0);
	ASSERT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	ASSERT_EQ(vt_pagemap(self->fd, 0, PAGES, map), 0);
	for (i = 0; i < PAGES; i++)
		EXPECT_TRUE(map[i].frame == VMDEMO_NO_FRAME || map[i].frame < 32);
	EXPECT_LE(vt_count_resident(self->fd, 0, PAGES), 32);
}

/* Sizes out of range are refused, and the pool stays as it was. */
TEST_F(resize, bad_sizes)
{
	static const char * const bad[] = {
		"0", "1", "7", "-1", "", "x", "12x", "0x", "4294967296", "18446744073709551616",
		"1000000000",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		int error = vt_set("frames", "%s", bad[i]);

		EXPECT_TRUE(error == -EINVAL || error == -ERANGE || (!*bad[i] && !error)) {
			TH_LOG("'%s' gave %d", bad[i], error);
		}
	}
	EXPECT_EQ(vt_get("frames"), 512);
	EXPECT_EQ(vt_get("frames_actual"), 512);
	EXPECT_EQ(vt_set("frames", "8"), 0);
	EXPECT_EQ(vt_get("frames_actual"), 8);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 64, SEED), 0);
}

/* Pins hold a shrink up: EBUSY after some seconds, the target stays; when they go it is reached. */
TEST_F(resize, pins_hold_a_shrink_up)
{
	struct iovec part = { self->mem, 32 * VT_PAGE };
	char page[VT_PAGE];
	__u64 start;
	int ends[2], i;

	ASSERT_EQ(pipe(ends), 0);
	ASSERT_GE(fcntl(ends[1], F_SETPIPE_SZ, 32 * VT_PAGE), 0);
	ASSERT_EQ(vmsplice(ends[1], &part, 1, 0), 32 * VT_PAGE);
	start = vt_now_ms();
	EXPECT_EQ(vt_set("frames", "8"), -EBUSY);
	EXPECT_GE(vt_now_ms() - start, 4000);
	EXPECT_LT(vt_now_ms() - start, 20000);
	EXPECT_EQ(vt_get("frames"), 8);
	EXPECT_GE(vt_get("frames_actual"), 32);
	EXPECT_LE(vt_get("frames_actual"), 40);
	for (i = 0; i < 32; i++) {
		ASSERT_EQ(read(ends[0], page, VT_PAGE), VT_PAGE);
		EXPECT_EQ(vt_check(page, i, SEED), -1);
	}
	/* Faults go on meanwhile, and the pool arrives at its target by itself. */
	EXPECT_EQ(vt_count_bad(self->mem, 0, 256, SEED), 0);
	start = vt_now_ms();
	while (vt_get("frames_actual") != 8 && vt_now_ms() - start < 15000)
		ASSERT_EQ(vt_try_read(self->mem + vt_now_ms() % PAGES * VT_PAGE, NULL), 0);
	EXPECT_EQ(vt_get("frames_actual"), 8);
	EXPECT_TRUE(vt_balanced());
}

/* Threads verify and change their pages while the size goes up and down. */
struct worker {
	char *mem;
	size_t first;
	int stop;
	int bad;
	__u64 rounds;
};

#define WORKERS	3

static void *work(void *argument)
{
	struct worker *worker = argument;
	__u64 *last = calloc(PAGES, sizeof(*last)), state = worker->first, seed = 100;

	while (!__atomic_load_n(&worker->stop, __ATOMIC_RELAXED)) {
		size_t page = vt_random(&state) % (PAGES / WORKERS) * WORKERS + worker->first;

		if (vt_check(worker->mem + page * VT_PAGE, page, last[page] ?: SEED) >= 0)
			worker->bad++;
		if (vt_random(&state) % 2) {
			last[page] = ++seed;
			vt_fill(worker->mem + page * VT_PAGE, page, seed);
		}
		worker->rounds++;
	}
	free(last);
	return NULL;
}

TEST_F(resize, under_load)
{
	static const int sizes[] = { 16, 700, 8, 300, 64, 1024, 24, 512 };
	struct worker workers[WORKERS] = { 0 };
	pthread_t threads[WORKERS];
	int i, round;

	for (i = 0; i < WORKERS; i++) {
		workers[i].mem = self->mem;
		workers[i].first = i;
		ASSERT_EQ(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (round = 0; round < 24; round++) {
		__u64 in = vt_stat("pages_in");

		EXPECT_EQ(vt_set("frames", "%d", sizes[round % 8]), 0);
		EXPECT_EQ(vt_get("frames_actual"), sizes[round % 8]);
		/* The load must have gone on at this size before the next one. */
		EXPECT_TRUE(vt_wait_stat("pages_in", in + 20, UINT64_MAX, 20));
	}
	for (i = 0; i < WORKERS; i++)
		__atomic_store_n(&workers[i].stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < WORKERS; i++) {
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
		EXPECT_EQ(workers[i].bad, 0);
		EXPECT_GT(workers[i].rounds, 0);
	}
	EXPECT_TRUE(vt_balanced());
}

TEST_HARNESS_MAIN
