// SPDX-License-Identifier: GPL-2.0
/*
 * workload.c - processes that read, write and sync a device at random; see workload.h
 */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "workload.h"

static void *shared(size_t bytes)
{
	void *memory = mmap(NULL, bytes, VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		vt_fail("no memory for %zu bytes", bytes);
	return memory;
}

/* ---- one worker ---- */

struct worker {
	struct work *work;
	unsigned int nr;
	size_t first, pages;	/* its own, counted from work->first */
	int fd;
	char *mem;		/* work->first is at its beginning */
	char *buffer;
	__u64 random;
	__u32 *before;		/* versions when an fsync began */
};

static sigjmp_buf escape;

static void on_signal(int signal)
{
	siglongjmp(escape, signal);
}

/*
 * The disk did not do it, is being taken away, or every frame is full of what it does not take:
 * these are counted.
 */
static bool failed(struct worker *worker, __u64 *count, const char *what)
{
	count[worker->nr]++;
	if (errno != EIO && errno != ENODEV && errno != EBUSY) {
		printf("# %s: %s\n", what, strerror(errno));
		worker->work->wrong[worker->nr]++;
	}
	return false;
}

static bool load(struct worker *worker, size_t i, bool map)
{
	size_t page = worker->work->first + i;

	if (!map) {
		if (pread(worker->fd, worker->buffer, VT_PAGE, page * VT_PAGE) != VT_PAGE)
			return failed(worker, worker->work->failed, "pread");
		return true;
	}
	if (sigsetjmp(escape, 1)) {
		worker->work->failed[worker->nr]++;
		return false;
	}
	memcpy(worker->buffer, worker->mem + i * VT_PAGE, VT_PAGE);
	return true;
}

static void check(struct worker *worker, size_t i, bool map)
{
	struct work *work = worker->work;
	struct work_page *known = &work->page[i];

	if (!load(worker, i, map) || known->doubtful)
		return;
	if (vt_check(worker->buffer, work->first + i, work->seed + known->written) < 0)
		return;
	work->wrong[worker->nr]++;
	printf("# page %zu does not hold version %u\n", work->first + i, known->written);
	fflush(stdout);
}

static void store(struct worker *worker, size_t i, bool map)
{
	struct work *work = worker->work;
	struct work_page *known = &work->page[i];
	size_t page = work->first + i;

	__atomic_store_n(&known->doubtful, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&known->written, known->written + 1, __ATOMIC_SEQ_CST);
	if (!map) {
		vt_fill(worker->buffer, page, work->seed + known->written);
		if (pwrite(worker->fd, worker->buffer, VT_PAGE, page * VT_PAGE) != VT_PAGE) {
			failed(worker, work->failed, "pwrite");
			return;
		}
	} else {
		if (sigsetjmp(escape, 1)) {
			work->failed[worker->nr]++;
			return;
		}
		vt_fill(worker->mem + i * VT_PAGE, page, work->seed + known->written);
	}
	__atomic_store_n(&known->doubtful, 0, __ATOMIC_SEQ_CST);
}

static void sync_all(struct worker *worker)
{
	struct work_page *known = &worker->work->page[worker->first];
	size_t i;

	for (i = 0; i < worker->pages; i++)
		worker->before[i] = known[i].doubtful ? known[i].synced : known[i].written;
	if (fsync(worker->fd)) {
		failed(worker, worker->work->unsynced, "fsync");
		return;
	}
	for (i = 0; i < worker->pages; i++)
		__atomic_store_n(&known[i].synced, worker->before[i], __ATOMIC_SEQ_CST);
	worker->work->syncs[worker->nr]++;
}

static void __noreturn work_on(struct work *work, unsigned int nr)
{
	struct sigaction action = { .sa_handler = on_signal };
	size_t share = work->pages / work->workers;
	struct worker worker = {
		.work = work, .nr = nr, .first = nr * share, .pages = share,
		.random = work->seed + nr + work->done[nr],
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGBUS, &action, NULL);
	worker.fd = open(work->device, O_RDWR | O_CLOEXEC);
	if (worker.fd < 0)
		vt_fail("%s: %s", work->device, strerror(errno));
	worker.mem = vt_map(worker.fd, work->first, work->pages, VT_RW, MAP_SHARED);
	worker.buffer = vt_buffer(1);
	worker.before = calloc(share, sizeof(*worker.before));
	while (!__atomic_load_n(work->stop, __ATOMIC_RELAXED)) {
		__u64 dice = vt_random(&worker.random);
		size_t i = worker.first + (dice >> 16) % worker.pages;
		bool map = dice & 64;

		if (dice % 64 == 0)
			sync_all(&worker);
		else if (dice % 3)
			check(&worker, i, map);
		else
			store(&worker, i, map);
		__atomic_add_fetch(&work->done[nr], 1, __ATOMIC_RELAXED);
	}
	_exit(0);
}

/* ---- all of them ---- */

void work_init(struct work *work, const char *device, size_t first, size_t pages, __u64 seed,
	       unsigned int workers)
{
	*work = (struct work){
		.device = device, .first = first, .pages = pages, .seed = seed,
		.workers = workers,
	};
	work->pid = calloc(workers, sizeof(*work->pid));
	work->done = shared(workers * sizeof(__u64));
	work->failed = shared(workers * sizeof(__u64));
	work->unsynced = shared(workers * sizeof(__u64));
	work->wrong = shared(workers * sizeof(__u64));
	work->syncs = shared(workers * sizeof(__u64));
	work->stop = shared(sizeof(bool));
	work->page = shared(pages * sizeof(*work->page));
}

void work_start(struct work *work)
{
	unsigned int i;

	*work->stop = false;
	fflush(stdout);
	for (i = 0; i < work->workers; i++) {
		work->pid[i] = fork();
		if (work->pid[i] < 0)
			vt_fail("fork: %s", strerror(errno));
		if (!work->pid[i])
			work_on(work, i);
	}
}

void work_free(struct work *work)
{
	work_kill(work, 10);
	free(work->pid);
	munmap(work->done, work->workers * sizeof(__u64));
	munmap(work->failed, work->workers * sizeof(__u64));
	munmap(work->unsynced, work->workers * sizeof(__u64));
	munmap(work->wrong, work->workers * sizeof(__u64));
	munmap(work->syncs, work->workers * sizeof(__u64));
	munmap(work->stop, sizeof(bool));
	munmap(work->page, work->pages * sizeof(*work->page));
}

static bool all_gone(struct work *work, int seconds)
{
	__u64 deadline = vt_now_ms() + seconds * 1000ULL;
	unsigned int i;

	for (i = 0; i < work->workers; i++) {
		while (work->pid[i] > 0 && waitpid(work->pid[i], NULL, WNOHANG) != work->pid[i]) {
			if (vt_now_ms() > deadline)
				return false;
			vt_nap(5);
		}
		work->pid[i] = 0;
	}
	return true;
}

bool work_kill(struct work *work, int seconds)
{
	unsigned int i;

	for (i = 0; i < work->workers; i++)
		if (work->pid[i] > 0)
			kill(work->pid[i], SIGKILL);
	return all_gone(work, seconds);
}

bool work_end(struct work *work, int seconds)
{
	__atomic_store_n(work->stop, true, __ATOMIC_SEQ_CST);
	if (all_gone(work, seconds))
		return true;
	work_kill(work, seconds);
	return false;
}

static bool wait_counts(struct work *work, const __u64 *count, __u64 more, int seconds)
{
	__u64 deadline = vt_now_ms() + seconds * 1000ULL, *goal;
	bool reached = true;
	unsigned int i;

	goal = calloc(work->workers, sizeof(*goal));
	if (!goal)
		vt_fail("no memory");
	for (i = 0; i < work->workers; i++)
		goal[i] = __atomic_load_n(&count[i], __ATOMIC_RELAXED) + more;
	for (i = 0; i < work->workers && reached; i++) {
		while (__atomic_load_n(&count[i], __ATOMIC_RELAXED) < goal[i] && reached) {
			vt_nap(5);
			reached = vt_now_ms() < deadline;
		}
	}
	free(goal);
	return reached;
}

bool work_wait_done(struct work *work, __u64 more, int seconds)
{
	return wait_counts(work, work->done, more, seconds);
}

bool work_wait_failed(struct work *work, __u64 more, int seconds)
{
	return wait_counts(work, work->failed, more, seconds);
}

static __u64 sum(const struct work *work, const __u64 *count)
{
	__u64 all = 0;
	unsigned int i;

	for (i = 0; i < work->workers; i++)
		all += __atomic_load_n(&count[i], __ATOMIC_RELAXED);
	return all;
}

bool work_stands_still(struct work *work, int seconds)
{
	__u64 deadline = vt_now_ms() + seconds * 1000ULL, before;

	do {
		before = sum(work, work->done);
		vt_nap(300);
		if (sum(work, work->done) == before)
			return true;
	} while (vt_now_ms() < deadline);
	return false;
}

__u64 work_failed(const struct work *work)
{
	return sum(work, work->failed);
}

__u64 work_unsynced(const struct work *work)
{
	return sum(work, work->unsynced);
}

__u64 work_wrong(const struct work *work)
{
	return sum(work, work->wrong);
}

__u64 work_syncs(const struct work *work)
{
	return sum(work, work->syncs);
}

/*
 * Is each word of a page of a version that is no older than acknowledged? They may be of several:
 * somebody else's fsync writes a page that is half stored, and then the disk goes.
 */
static bool words_are_good(const struct work *work, size_t page, const __u64 *words)
{
	const struct work_page *known = &work->page[page];
	__u32 version;
	unsigned int i;

	for (i = 0; i < VT_PAGE / sizeof(*words); i++) {
		version = known->synced;
		while (version <= known->written &&
		       words[i] != vt_word(work->first + page, work->seed + version, i))
			version++;
		if (version > known->written)
			return false;
	}
	return true;
}

size_t work_check_disk(const struct work *work, const char *disk)
{
	void *buffer = vt_buffer(1);
	size_t i, bad = 0;

	for (i = 0; i < work->pages; i++) {
		struct work_page *known = &work->page[i];

		vt_disk_read(disk, work->first + i, buffer);
		/* Unless a store was cut short. */
		if (known->doubtful || words_are_good(work, i, buffer) || bad++)
			continue;
		printf("# on disk, page %zu holds a word of no version from %u to %u\n",
		       work->first + i, known->synced, known->written);
	}
	munmap(buffer, VT_PAGE);
	return bad;
}
