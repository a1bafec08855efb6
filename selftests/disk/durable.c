// SPDX-License-Identifier: GPL-2.0
/*
 * durable.c - what msync and fsync acknowledged has been flushed: the log of a disk replayed
 *
 * dm-log-writes keeps what a disk was told, in the order in which flushes made it durable: a write
 * appears in the log when a flush that came after it has completed (or at once, with FUA). Every
 * place in the log is therefore a state in which the disk may be found after a power cut, and the
 * worst one. The test puts a mark into the log after each acknowledgment, and afterwards plays it
 * back, write by write: from a mark on, each acknowledged page must hold what was acknowledged, or
 * something newer. The format is that of drivers/md/dm-log-writes.c.
 */
#include <endian.h>
#include <pthread.h>
#include <sys/sysmacros.h>

#include "kselftest_harness.h"
#include "dm.h"
#include "vmdemo_test.h"

#define DM		"vmdemo-durable"
#define PAGES		4096	/* the disk: 16 MiB */
#define FRAMES		96	/* far fewer: eviction writes as well */
#define THREADS		3
#define ACKS		120	/* of each thread */
#define MOST		10	/* pages an acknowledgment is for */
#define SECTOR		512

#define LOG_MAGIC	0x6a736677736872ULL
#define LOG_FLUSH	1
#define LOG_DISCARD	4
#define LOG_MARK	8

struct log_super {
	__le64 magic, version, nr_entries;
	__le32 sector_size;
};

struct log_entry {
	__le64 sector, nr_sectors, flags, data_len;
};

/* One acknowledgment: these pages were at these versions before it. */
struct ack {
	unsigned int nr;
	__u32 page[MOST];
	__u32 version[MOST];
};

static struct ack acks[THREADS * ACKS];
static __u32 stored[PAGES];	/* the last version of each page, by the thread it belongs to */
static bool discards;		/* zeros are as good as what was stored last */

/*
 * Only one thread at a time makes pages durable: the target takes what is to be logged when a flush
 * begins, and logs it when that flush ends. Of two flushes at once the later one may end first, and
 * its mark comes before the data, although the disk has them.
 */
static pthread_mutex_t flushing = PTHREAD_MUTEX_INITIALIZER;

/* The name of the mark is the number of the acknowledgment. */
static void put_mark(int control, unsigned int number)
{
	union {
		struct dm_ioctl dm;
		char bytes[sizeof(struct dm_ioctl) + sizeof(struct dm_target_msg) + 32];
	} request = { .dm = {
		.version = { DM_VERSION_MAJOR, 0, 0 },
		.data_size = sizeof(request),
		.data_start = sizeof(struct dm_ioctl),
		.name = DM,
	} };
	struct dm_target_msg *message = (void *)(request.bytes + sizeof(struct dm_ioctl));

	sprintf(message->message, "mark %u", number);
	if (ioctl(control, DM_TARGET_MSG, &request))
		vt_fail("the log takes no mark: %s", strerror(errno));
}

/* vt_stop() leaves alone what is bound to a disk that it does not know. */
static void stop(void)
{
	if (vt_loaded())
		vt_set("backing", "none");
	vt_stop();
}

static int open_control(void)
{
	int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		vt_fail("/dev/mapper/control: %s", strerror(errno));
	return control;
}

/* ---- playing back ---- */

struct replay {
	char *log;			/* the whole log disk */
	char *image;			/* what is on the disk by now */
	__u32 version[PAGES];		/* as found there */
	__u32 least[PAGES];		/* as acknowledged by now */
	unsigned int writes, flushes, marks, bad;
};

static char *read_disk(const char *disk, size_t bytes)
{
	char *buffer = vt_buffer(bytes / VT_PAGE);
	int fd = open(disk, O_RDONLY | O_DIRECT | O_CLOEXEC);
	size_t at;

	for (at = 0; at < bytes; at += 1 << 20)
		if (pread(fd, buffer + at, 1 << 20, at) != 1 << 20)
			vt_fail("%s cannot be read: %s", disk, strerror(errno));
	close(fd);
	return buffer;
}

static void complain(struct replay *replay, unsigned int entry, size_t page, const char *what)
{
	if (replay->bad++ < 10)
		ksft_print_msg("entry %u: page %zu holds version %u, %s: should be %u to %u\n",
			       entry, page, replay->version[page], what, replay->least[page],
			       stored[page]);
}

/*
 * The version of the oldest word of a page: one that is written while a program stores into it may
 * be of two versions. Returns -1 if a word is of none.
 */
static int oldest_word(const char *now, size_t page)
{
	const __u64 *words = (const __u64 *)now;
	__u64 as_stored[VT_PAGE / sizeof(__u64)] = {};
	bool known[ARRAY_SIZE(as_stored)] = {};
	size_t left = ARRAY_SIZE(as_stored), i;
	int version;

	for (version = stored[page]; version >= 0; version--) {
		if (version)
			vt_fill(as_stored, page, version);
		else
			memset(as_stored, 0, sizeof(as_stored));
		for (i = 0; i < ARRAY_SIZE(as_stored); i++)
			if (!known[i] && (words[i] == as_stored[i] || (discards && !words[i]))) {
				known[i] = true;
				left--;
			}
		if (!left)
			return version;
	}
	return -1;
}

/* A page was written: each of its words was stored there, and none before what was acknowledged. */
static void replay_page(struct replay *replay, unsigned int entry, size_t page)
{
	int version = oldest_word(replay->image + page * VT_PAGE, page);

	replay->version[page] = version < 0 ? 0 : version;
	if (version < 0)
		complain(replay, entry, page, "something that never was in it");
	else if ((__u32)version < replay->least[page])
		complain(replay, entry, page, "an old one is written");
}

static void replay_mark(struct replay *replay, unsigned int entry, unsigned int number)
{
	const struct ack *ack = &acks[number];
	unsigned int i;

	for (i = 0; i < ack->nr; i++) {
		size_t page = ack->page[i];

		if (replay->least[page] < ack->version[i])
			replay->least[page] = ack->version[i];
		if (replay->version[page] < replay->least[page])
			complain(replay, entry, page, "more was acknowledged");
	}
}

static void replay(struct replay *replay)
{
	const struct log_super *super;
	size_t at = SECTOR, bytes = 64 << 20;
	unsigned int entry, nr;

	replay->log = read_disk(vt_disk2(), bytes);
	replay->image = vt_buffer(PAGES);
	super = (void *)replay->log;
	if (le64toh(super->magic) != LOG_MAGIC || le32toh(super->sector_size) != SECTOR)
		vt_fail("there is no log on %s", vt_disk2());
	nr = le64toh(super->nr_entries);
	for (entry = 0; entry < nr; entry++) {
		const struct log_entry *e = (void *)(replay->log + at);
		__u64 flags = le64toh(e->flags), first = le64toh(e->sector) * SECTOR;
		__u64 length = le64toh(e->nr_sectors) * SECTOR;
		size_t page;

		at += SECTOR;
		if (at + length > bytes)
			vt_fail("the log is full: the disk is too small for it");
		if (flags & LOG_MARK) {
			/* The target itself marks the end. */
			if (strncmp((const char *)(e + 1), "dm-", 3))
				replay_mark(replay, entry, atoi((const char *)(e + 1)));
			replay->marks++;
			continue;
		}
		if (flags & LOG_FLUSH)
			replay->flushes++;
		if (!length || (flags & LOG_DISCARD))
			continue;
		if (first % VT_PAGE || length % VT_PAGE || first + length > PAGES * VT_PAGE)
			vt_fail("entry %u: a write of %llu bytes at %llu", entry, length, first);
		memcpy(replay->image + first, replay->log + at, length);
		for (page = first / VT_PAGE; page < (first + length) / VT_PAGE; page++)
			replay_page(replay, entry, page);
		replay->writes++;
		at += length;
	}
	ksft_print_msg("%u entries: %u writes, %u flushes, %u marks\n", nr, replay->writes,
		       replay->flushes, replay->marks);
}

/* ---- the work ---- */

FIXTURE(durable) {
	int control;
	int fd;
	struct replay *replay;
};

FIXTURE_SETUP(durable)
{
	if (!dm_has("log-writes"))
		vt_skip("this kernel has no dm-log-writes");
	stop();
	dm_remove(DM);
	if (!vt_shell("dd if=/dev/zero of=%s bs=1M count=16 oflag=direct status=none", vt_disk()))
		vt_fail("%s cannot be cleared", vt_disk());
	dm_create(DM, 0, "0 %zu log-writes %s %s", PAGES * VT_PAGE / SECTOR, vt_disk(), vt_disk2());
	self->control = open_control();
	vt_load("backing=" DM_PATH(DM) " frames=%u", FRAMES);
	self->fd = vt_open(O_RDWR);
	self->replay = vt_buffer(sizeof(*self->replay) / VT_PAGE + 1);
}

FIXTURE_TEARDOWN(durable)
{
	close(self->fd);
	stop();
	close(self->control);
	dm_remove(DM);
}

/* End the log and play it back. */
static void finish(int *fd, struct replay *log)
{
	close(*fd);
	*fd = -1;
	stop();
	if (!dm_remove(DM))
		vt_fail(DM " does not go");
	replay(log);
}

static void store(char *mem, size_t page)
{
	vt_fill(mem + page * VT_PAGE, page, ++stored[page]);
}

static void acknowledge(int control, unsigned int number, const __u32 *page, unsigned int nr)
{
	struct ack *ack = &acks[number];
	unsigned int i;

	ack->nr = nr;
	for (i = 0; i < nr; i++) {
		ack->page[i] = page[i];
		ack->version[i] = stored[page[i]];
	}
	put_mark(control, number);
}

struct worker {
	pthread_t thread;
	unsigned int number;
	int fd, control;
	const char *failed;
};

/* Make what was stored durable, in one of the ways, and say so. */
static const char *sync_once(struct worker *worker, char *mem, unsigned int number,
			     unsigned int way, const __u32 *page, unsigned int nr)
{
	unsigned int i;

	switch (way) {
	case 0:
		for (i = 0; i < nr; i++)
			if (msync(mem + page[i] * VT_PAGE, VT_PAGE, MS_SYNC))
				return "msync of a page";
		break;
	case 1:
		if (msync(mem, PAGES * VT_PAGE, MS_SYNC))
			return "msync";
		break;
	case 2:
	case 3:
		if (fsync(worker->fd))
			return "fsync";
		break;
	default:
		if (fdatasync(worker->fd))
			return "fdatasync";
	}
	acknowledge(worker->control, number, page, nr);
	return NULL;
}

/* Store to some pages, or write them, in a pool that cannot hold them; make it durable; say so. */
static const char *work_once(struct worker *worker, char *mem, unsigned int number, __u64 *state)
{
	unsigned int nr = vt_random(state) % MOST + 1, way = vt_random(state) % 5, i;
	char buffer[VT_PAGE];
	const char *failed;
	__u32 page[MOST];

	for (i = 0; i < nr; i++) {
		page[i] = vt_random(state) % (PAGES / THREADS) * THREADS + worker->number;
		if (way < 3) {
			store(mem, page[i]);
			continue;
		}
		vt_fill(buffer, page[i], ++stored[page[i]]);
		if (pwrite(worker->fd, buffer, VT_PAGE, page[i] * VT_PAGE) != VT_PAGE)
			return "pwrite";
	}
	pthread_mutex_lock(&flushing);
	failed = sync_once(worker, mem, number, way, page, nr);
	pthread_mutex_unlock(&flushing);
	return failed;
}

static void *work(void *data)
{
	struct worker *worker = data;
	char *mem = mmap(NULL, PAGES * VT_PAGE, VT_RW, MAP_SHARED, worker->fd, 0);
	__u64 state = worker->number + 1;
	unsigned int i;

	if (mem == MAP_FAILED)
		worker->failed = "mmap";
	for (i = 0; i < ACKS && !worker->failed; i++)
		worker->failed = work_once(worker, mem, worker->number * ACKS + i, &state);
	munmap(mem, PAGES * VT_PAGE);
	return NULL;
}

/* Whatever was acknowledged is on the disk at every moment after. */
TEST_F_TIMEOUT(durable, acknowledged_stays, 400)
{
	struct worker workers[THREADS];
	struct replay *log = self->replay;
	int i;

	ASSERT_EQ(vt_set("dirty_age_ms", "200"), 0);
	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker) {
			.number = i,
			.fd = self->fd,
			.control = self->control,
		};
		ASSERT_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(workers[i].failed, NULL);
	}
	EXPECT_GT(vt_stat("evictions_clean") + vt_stat("evictions_dirty"), THREADS * ACKS);
	finish(&self->fd, log);
	EXPECT_EQ(log->bad, 0);
	EXPECT_GE(log->marks, THREADS * ACKS);
	EXPECT_GE(log->flushes, ACKS);
	EXPECT_GT(log->writes, THREADS * ACKS);
	EXPECT_EQ(memcmp(log->image, read_disk(vt_disk(), PAGES * VT_PAGE), PAGES * VT_PAGE), 0);
}

struct discarder {
	pthread_t thread;
	char *mem;
	int fd, err;
	unsigned int discards;
	bool stop;
};

/* Store to a page and discard it: it becomes zeros, never again what it was before the store. */
static void *store_and_discard(void *data)
{
	struct discarder *d = data;
	__u64 state = 1;

	while (!d->err && !__atomic_load_n(&d->stop, __ATOMIC_SEQ_CST)) {
		__u32 page = vt_random(&state) % MOST, version = stored[page] + 1;

		vt_fill(d->mem + page * VT_PAGE, page, version);
		__atomic_store_n(&stored[page], version, __ATOMIC_SEQ_CST);
		if (vt_random(&state) % 2) {
			d->err = vt_range(d->fd, VMDEMO_IOC_DISCARD, page, 1, NULL);
			__atomic_add_fetch(&d->discards, 1, __ATOMIC_SEQ_CST);
		}
	}
	return NULL;
}

/* What is being discarded while msync runs is on the disk as it was stored, or as zeros. */
TEST_F_TIMEOUT(durable, discard, 400)
{
	struct discarder d = { .fd = self->fd };
	unsigned int number, i;
	struct ack *ack;

	discards = true;
	d.mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	ASSERT_EQ(pthread_create(&d.thread, NULL, store_and_discard, &d), 0);
	for (number = 0; number < ARRAY_SIZE(acks); number++) {
		/* One discard for every three, however slow that thread is. */
		while (__atomic_load_n(&d.discards, __ATOMIC_SEQ_CST) < number / 3 && !d.err)
			sched_yield();
		ack = &acks[number];
		ack->nr = MOST;
		for (i = 0; i < MOST; i++) {
			ack->page[i] = i;
			ack->version[i] = __atomic_load_n(&stored[i], __ATOMIC_SEQ_CST);
		}
		ASSERT_EQ(msync(d.mem, MOST * VT_PAGE, MS_SYNC), 0);
		put_mark(self->control, number);
	}
	__atomic_store_n(&d.stop, true, __ATOMIC_SEQ_CST);
	pthread_join(d.thread, NULL);
	EXPECT_EQ(d.err, 0);
	TH_LOG("%u discards", d.discards);
	munmap(d.mem, PAGES * VT_PAGE);
	finish(&self->fd, self->replay);
	EXPECT_EQ(self->replay->bad, 0);
	EXPECT_GE(self->replay->marks, ARRAY_SIZE(acks));
}

/* Each way to make one page durable ends with a flush, before it returns. */
static void one_page(struct __test_metadata *_metadata, int *fd, int control, struct replay *log,
		     int way)
{
	const __u32 page = 7;
	char *mem = vt_map(*fd, 0, PAGES, VT_RW, MAP_SHARED);
	char *zero = vt_buffer(1);

	store(mem, page);
	/* Evicted, it is on its way already; fsync finds nothing dirty, and has to flush. */
	if (way == 3)
		ASSERT_EQ(vt_range(*fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL), 0);
	switch (way) {
	case 0:
		ASSERT_EQ(msync(mem + page * VT_PAGE, VT_PAGE, MS_SYNC), 0);
		break;
	case 2:
		vt_fill(zero, page, ++stored[page]);
		ASSERT_EQ(pwrite(*fd, zero, VT_PAGE, page * VT_PAGE), VT_PAGE);
		ASSERT_EQ(fdatasync(*fd), 0);
		break;
	default:
		ASSERT_EQ(fsync(*fd), 0);
	}
	acknowledge(control, 0, &page, 1);
	munmap(mem, PAGES * VT_PAGE);
	finish(fd, log);
	EXPECT_EQ(log->bad, 0);
	EXPECT_EQ(log->version[page], stored[page]);
	EXPECT_GT(log->flushes, 0);
}

TEST_F(durable, msync)
{
	one_page(_metadata, &self->fd, self->control, self->replay, 0);
}

TEST_F(durable, fsync)
{
	one_page(_metadata, &self->fd, self->control, self->replay, 1);
}

TEST_F(durable, fdatasync)
{
	one_page(_metadata, &self->fd, self->control, self->replay, 2);
}

TEST_F(durable, fsync_after_eviction)
{
	one_page(_metadata, &self->fd, self->control, self->replay, 3);
}

/* A file opened with O_SYNC acknowledges with every write. */
TEST_F(durable, o_sync)
{
	int fd = vt_open(O_RDWR | O_SYNC);
	char *buffer = vt_buffer(1);
	__u32 page;

	for (page = 0; page < 20; page++) {
		vt_fill(buffer, page, ++stored[page]);
		ASSERT_EQ(pwrite(fd, buffer, VT_PAGE, page * VT_PAGE), VT_PAGE);
		acknowledge(self->control, page, &page, 1);
	}
	close(fd);
	finish(&self->fd, self->replay);
	EXPECT_EQ(self->replay->bad, 0);
	EXPECT_GE(self->replay->flushes, 20);
}

TEST_HARNESS_MAIN
