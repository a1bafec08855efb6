// SPDX-License-Identifier: GPL-2.0
/*
 * stale.c - a page is unmapped and written while a processor still has the way to it in its TLB
 *
 * Unmapping many pages flushes the TLBs once, at the end. Until then a processor may store to a
 * page that no page table maps any more; when it is written just then, that store must not be lost.
 * Each page is stored to once a round: another store would take a fault, and mend it.
 */
#include <pthread.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define PAGES	512ULL	/* what one page table maps: it is locked until the TLBs are flushed */
#define TABLE	(PAGES * VT_PAGE)
#define STRIDE	17	/* so few that an emulated TLB has them all, each in its own place */
#define FRAMES	1024
#define SEED	6

static struct {
	pthread_barrier_t begin, end;
	char *mem;
	int fd;
	int error;
	bool stop;
} race;

/* For a while, on kernels of any speed. */
static void spin(__u64 *state)
{
	unsigned int spins = vt_random(state) % (2000 << vt_random(state) % 10);
	unsigned int done = 0;

	while (__atomic_add_fetch(&done, 1, __ATOMIC_RELAXED) < spins)
		;
}

static void store(__u64 value, unsigned int stride)
{
	for (size_t i = 0; i < PAGES; i += stride)
		__atomic_store_n((__u64 *)(race.mem + i * VT_PAGE), value, __ATOMIC_RELAXED);
}

static void *unmap(void *unused)
{
	__u64 state = 1;

	for (;;) {
		pthread_barrier_wait(&race.begin);
		if (race.stop)
			return unused;
		spin(&state);
		if (madvise(race.mem, TABLE, MADV_DONTNEED))
			race.error = errno;
		pthread_barrier_wait(&race.end);
	}
}

/* A little later, perhaps: writing a page that is still mapped waits until all are unmapped. */
static void *sync_all(void *unused)
{
	__u64 state = 2;

	for (;;) {
		pthread_barrier_wait(&race.begin);
		if (race.stop)
			return unused;
		spin(&state);
		if (fsync(race.fd))
			race.error = errno;
		pthread_barrier_wait(&race.end);
	}
}

FIXTURE(stale) {
	pthread_t thread[2];
	char *room;	/* that one page table's worth fits in, wherever it begins */
};

FIXTURE_SETUP(stale)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_start(FRAMES);
	race.fd = vt_open(O_RDWR);
	self->room = vt_buffer(2 * PAGES);
	race.mem = mmap((char *)(((unsigned long)self->room + TABLE - 1) / TABLE * TABLE), TABLE,
			VT_RW, MAP_SHARED | MAP_FIXED, race.fd, 0);
	if (race.mem == MAP_FAILED)
		vt_fail("mmap: %s", strerror(errno));
	race.stop = false;
	race.error = 0;
	pthread_barrier_init(&race.begin, NULL, 3);
	pthread_barrier_init(&race.end, NULL, 3);
	if (pthread_create(&self->thread[0], NULL, unmap, NULL) ||
	    pthread_create(&self->thread[1], NULL, sync_all, NULL))
		vt_fail("no threads");
}

FIXTURE_TEARDOWN(stale)
{
	race.stop = true;
	pthread_barrier_wait(&race.begin);
	pthread_join(self->thread[0], NULL);
	pthread_join(self->thread[1], NULL);
	munmap(self->room, 2 * TABLE);
	close(race.fd);
}

/* What is stored while others unmap the page and write it is on the disk after fsync. */
TEST_F_TIMEOUT(stale, stores_during_an_unmapping, 200)
{
	__u64 deadline = vt_now_ms() + 30000, value = 0, state = 3;
	int disk = open(vt_disk(), O_RDONLY | O_DIRECT);
	char *buffer = vt_buffer(PAGES);
	size_t i, lost = 0;

	ASSERT_GE(disk, 0);
	while (vt_now_ms() < deadline) {
		store(++value, 1);
		pthread_barrier_wait(&race.begin);
		/* So that this processor knows the way. */
		store(value, STRIDE);
		spin(&state);
		store(++value, STRIDE);
		pthread_barrier_wait(&race.end);
		ASSERT_EQ(fsync(race.fd), 0);
		ASSERT_EQ(pread(disk, buffer, TABLE, 0), TABLE);
		for (i = 0; i < PAGES; i += STRIDE)
			lost += *(__u64 *)(buffer + i * VT_PAGE) != value;
	}
	EXPECT_EQ(race.error, 0);
	EXPECT_EQ(lost, 0)
		TH_LOG("what is on the disk differs from what was stored in %zu pages", lost);
	TH_LOG("%llu rounds", value / 2);
	munmap(buffer, TABLE);
	close(disk);
}

TEST_HARNESS_MAIN
