// SPDX-License-Identifier: GPL-2.0
/*
 * torture.c - everything at once, for a bounded time, with every byte accounted for
 *
 *	torture [-t seconds] [-s seed] [-f frames] [-z | -g]
 *
 * Processes that each have their own mapping of the device; with -z, of a sparse space that swaps
 * to it; with -g, of a space with segments, the first of which comes from the device:
 *
 *  - writers own every n-th page and keep an exact shadow of it. They store, pwrite, pread, let
 *    direct I/O read into and write out of their pages, reach them by process_vm_*, drop their page
 *    tables, hold them in pipes, sync and compare with the disk, fork children that verify
 *  - in a space they punch holes too, and each has a tail, which it cuts off and lets grow again:
 *    the end of the space, for the last of them, or a segment that grows up or down. When the pages
 *    of a segment are loaded is drawn from the seed
 *  - beside a space there is a tight one, which may have fewer pages written than they want to: it
 *    refuses some, but none that it has, and loses nothing
 *  - a reader verifies the pages nobody writes, through shared and private mappings and pread
 *  - an evictor uses EVICT, PREFETCH and fadvise on ranges, mostly where the writers are just now
 *  - the parent changes the pool's size, the policy and all other settings all the time
 *
 * What this is to catch are races between a page's users and its eviction: a store that is lost
 * because the dirty flag was read too early, old data read back while its writeback is under way,
 * direct I/O into a frame that has become another page. So writers and evictor share a small window
 * that wanders over the device, and most pages are loaded first and then stored to. Disks that
 * answer late make the races wide: virtio disks are better than RAM disks.
 *
 * At the end all pages are compared through a mapping and then, unbound, on the disk itself; of a
 * space, all frames and slots must be free when it is closed, and the device must be as it was. The
 * seed fixes what every process does; how they interleave it cannot.
 */
#include <getopt.h>
#include <linux/falloc.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "kselftest.h"
#include "vmdemo_test.h"

#define WRITERS		3
#define GROUPS		(WRITERS + 1)	/* the last group's pages are only read */
#define PAGES		1024
#define TAIL		64		/* pages of a space that only one writer uses */
#define TAIL_AT(group)	(PAGES + (group) * TAIL)
#define ALL_PAGES	TAIL_AT(WRITERS)
#define SOURCE_SEED	77		/* contents of the second disk's first pages */
#define SOURCE_PAGES	256
#define SEED		55		/* contents of the device at the start */
#define TIGHT		32		/* pages of the tight space, and how many it may have */
#define TIGHT_MOST	10
#define WINDOW		24		/* pages in the window where most happens */
#define VECTOR		8
#define WORDS		(VT_PAGE / sizeof(__u64))

/* What all processes share. Each page of the shadow belongs to the page's owner. */
struct common {
	int stop;
	int failures;
	unsigned int window;
	__u64 operations[WRITERS];
	__u64 refused;			/* stores to the tight space, */
	__u32 tight[TIGHT];		/* and what its pages were filled with; 0: zeros */
	__u64 shadow[ALL_PAGES][WORDS];
};

/* One process and its view of the device. */
struct worker {
	unsigned int group;
	__u64 state;
	int fd;
	int disk;	/* the backing disk, read around us */
	int other;	/* the second disk */
	int pipe[2];
	char *mem;
	char *tail;	/* TAIL pages of a space, mapped by themselves */
	unsigned int tail_pages;	/* so many of them are there, from where it does not grow */
	char *tight;	/* the tight space */
	char *buffer;	/* private memory, VECTOR pages */
};

static struct common *common;
static unsigned int frames = 64;
static int space = -1;	/* the sparse space, if it is one */
static int tight = -1;	/* and the tight one beside it */
static bool segmented;

/* Report what went wrong, once; then everybody stops. */
static void failure(const char *what, size_t page, size_t word, __u64 expected, __u64 seen)
{
	if (__atomic_fetch_add(&common->failures, 1, __ATOMIC_SEQ_CST) < 10) {
		printf("# %s: page %zu word %zu should be %#jx, is %#jx\n", what, page, word,
		       (uintmax_t)expected, (uintmax_t)seen);
		fflush(stdout);
	}
	__atomic_store_n(&common->stop, 1, __ATOMIC_SEQ_CST);
}

static void unexpected(const char *what, size_t page)
{
	int error = errno;

	if (__atomic_fetch_add(&common->failures, 1, __ATOMIC_SEQ_CST) < 10) {
		printf("# %s of page %zu: %s\n", what, page, strerror(error));
		fflush(stdout);
	}
	__atomic_store_n(&common->stop, 1, __ATOMIC_SEQ_CST);
}

static bool stopped(void)
{
	return __atomic_load_n(&common->stop, __ATOMIC_RELAXED);
}

static void compare(const char *what, size_t page, const void *data)
{
	const __u64 *words = data;
	size_t i;

	for (i = 0; i < WORDS; i++)
		if (words[i] != common->shadow[page][i]) {
			failure(what, page, i, common->shadow[page][i], words[i]);
			return;
		}
}

/* A page of the worker's group, mostly inside the window. */
static size_t pick(struct worker *worker)
{
	size_t page = vt_random(&worker->state) % PAGES;

	if (vt_random(&worker->state) % 4)
		page = __atomic_load_n(&common->window, __ATOMIC_RELAXED) +
		       vt_random(&worker->state) % WINDOW;
	return page % PAGES / GROUPS * GROUPS + worker->group;
}

static char *at(struct worker *worker, size_t page)
{
	if (page >= PAGES)
		return worker->tail + (page - TAIL_AT(worker->group)) * VT_PAGE;
	return worker->mem + page * VT_PAGE;
}

/* what writers do */

/* Load a word, compare it, store a new one: a read fault and then one for the store. */
static void do_store(struct worker *worker, size_t page)
{
	size_t i = vt_random(&worker->state) % WORDS;
	__u64 *word = (__u64 *)at(worker, page) + i;
	__u64 value = __atomic_load_n(word, __ATOMIC_RELAXED);

	if (value != common->shadow[page][i])
		failure("load", page, i, common->shadow[page][i], value);
	value = vt_random(&worker->state);
	common->shadow[page][i] = value;
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static void do_verify(struct worker *worker, size_t page)
{
	compare("page", page, at(worker, page));
}

static void do_pwrite(struct worker *worker, size_t page)
{
	size_t first = vt_random(&worker->state) % WORDS;
	size_t n = 1 + vt_random(&worker->state) % (WORDS - first), i;
	size_t bytes = n * sizeof(__u64);

	if (vt_random(&worker->state) % 4 == 0) {
		first = 0;
		n = WORDS;
		bytes = VT_PAGE;
	}
	for (i = first; i < first + n; i++)
		common->shadow[page][i] = vt_random(&worker->state);
	if (pwrite(worker->fd, &common->shadow[page][first], bytes,
		   page * VT_PAGE + first * sizeof(__u64)) != (ssize_t)bytes)
		unexpected("pwrite", page);
}

static void do_pread(struct worker *worker, size_t page)
{
	if (pread(worker->fd, worker->buffer, VT_PAGE, page * VT_PAGE) != (ssize_t)VT_PAGE)
		unexpected("pread", page);
	else
		compare("pread", page, worker->buffer);
}

/* Several own pages, none twice, as an I/O vector into the mapping. */
static int vector(struct worker *worker, size_t page, size_t pages[VECTOR], struct iovec *parts)
{
	int n = 1 + vt_random(&worker->state) % VECTOR, i;

	for (i = 0; i < n; i++) {
		pages[i] = (page + i * GROUPS) % PAGES;
		parts[i] = (struct iovec){ at(worker, pages[i]), VT_PAGE };
	}
	return n;
}

static void do_direct_read(struct worker *worker, size_t page)
{
	size_t pages[VECTOR], from;
	struct iovec parts[VECTOR];
	int n = vector(worker, page, pages, parts), i;

	from = vt_random(&worker->state) % (SOURCE_PAGES - VECTOR);
	for (i = 0; i < n; i++)
		vt_fill(common->shadow[pages[i]], from + i, SOURCE_SEED);
	if (preadv(worker->other, parts, n, from * VT_PAGE) != (ssize_t)(n * VT_PAGE))
		unexpected("direct read into", page);
	for (i = 0; i < n; i++)
		do_verify(worker, pages[i]);
}

static void do_direct_write(struct worker *worker, size_t page)
{
	off_t to = (SOURCE_PAGES + worker->group * VECTOR) * VT_PAGE;
	size_t pages[VECTOR];
	struct iovec parts[VECTOR];
	int n = vector(worker, page, pages, parts), i;

	if (pwritev(worker->other, parts, n, to) != (ssize_t)(n * VT_PAGE))
		unexpected("direct write from", page);
	if (pread(worker->other, worker->buffer, n * VT_PAGE, to) != (ssize_t)(n * VT_PAGE))
		unexpected("read back", page);
	for (i = 0; i < n; i++)
		compare("direct write", pages[i], worker->buffer + i * VT_PAGE);
}

static void do_vm_read(struct worker *worker, size_t page)
{
	struct iovec local = { worker->buffer, VT_PAGE }, remote = { at(worker, page), VT_PAGE };

	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != (ssize_t)VT_PAGE)
		unexpected("process_vm_readv", page);
	else
		compare("process_vm_readv", page, worker->buffer);
}

static void do_vm_write(struct worker *worker, size_t page)
{
	size_t i = vt_random(&worker->state) % (WORDS - 8), j;
	size_t bytes = 8 * sizeof(__u64);
	struct iovec local = { &common->shadow[page][i], bytes };
	struct iovec remote = { at(worker, page) + i * sizeof(__u64), bytes };

	for (j = 0; j < 8; j++)
		common->shadow[page][i + j] = vt_random(&worker->state);
	if (process_vm_writev(getpid(), &local, 1, &remote, 1, 0) != (ssize_t)bytes)
		unexpected("process_vm_writev", page);
}

/* Drop page table entries, which carry the only note of some stores. */
static void do_dontneed(struct worker *worker, size_t page)
{
	size_t n = 1 + vt_random(&worker->state) % 64;

	if (n > PAGES - page)
		n = PAGES - page;
	if (madvise(at(worker, page), n * VT_PAGE, MADV_DONTNEED))
		unexpected("MADV_DONTNEED", page);
}

/* A hole reads as zeros, and can be filled again. */
static void punch(struct worker *worker, size_t page, size_t n)
{
	bool advise = vt_random(&worker->state) % 2;

	if (advise ? madvise(at(worker, page), n * VT_PAGE, MADV_REMOVE) :
		     fallocate(worker->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       page * VT_PAGE, n * VT_PAGE))
		unexpected(advise ? "MADV_REMOVE" : "punching", page);
	memset(common->shadow[page], 0, n * VT_PAGE);
	if (vt_random(&worker->state) % 2)
		do_verify(worker, page + vt_random(&worker->state) % n);
}

/* What comes from the device cannot be punched. */
static void do_punch(struct worker *worker, size_t page)
{
	if (space < 0 || segmented)
		do_store(worker, page);
	else
		punch(worker, page, 1);
}

static bool grows_down(unsigned int group)
{
	return segmented && group % 2;
}

/* The n-th page of the worker's tail, counted from where it does not grow. */
static size_t tail_page(struct worker *worker, unsigned int n)
{
	return TAIL_AT(worker->group) + (grows_down(worker->group) ? TAIL - 1 - n : n);
}

/* What is cut off is gone, and zeros if it comes back. */
static void resize_tail(struct worker *worker, unsigned int pages)
{
	struct vmdemo_segment_limit limit = {
		.number = 1 + worker->group, .limit = pages * VT_PAGE,
	};
	unsigned int i;

	if (!segmented && worker->group != WRITERS - 1)
		return;
	if (segmented ? ioctl(worker->fd, VMDEMO_IOC_LIMIT, &limit) :
			ftruncate(worker->fd, (TAIL_AT(worker->group) + pages) * VT_PAGE))
		unexpected("cutting", tail_page(worker, 0));
	for (i = pages; i < worker->tail_pages; i++)
		memset(common->shadow[tail_page(worker, i)], 0, VT_PAGE);
	worker->tail_pages = pages;
	if (pages == TAIL || grows_down(worker->group))
		return;
	if (vt_try_read(at(worker, tail_page(worker, pages)), NULL) !=
	    (segmented ? SIGSEGV : SIGBUS))
		unexpected("a reference beyond the end", tail_page(worker, pages));
}

/* What a process does to a range of pages that no other has. */
static void do_tail(struct worker *worker, size_t page)
{
	unsigned int first, n, i;

	if (space < 0) {
		do_store(worker, page);
		return;
	}
	if (vt_random(&worker->state) % 8 == 0)
		resize_tail(worker, vt_random(&worker->state) % (TAIL + 1));
	n = grows_down(worker->group) ? TAIL : worker->tail_pages;
	if (!n)
		return;
	first = vt_random(&worker->state) % n;
	n = 1 + vt_random(&worker->state) % (n - first);
	if (first + n > worker->tail_pages)
		worker->tail_pages = first + n;
	switch (vt_random(&worker->state) % 4) {
	case 0:
		punch(worker, tail_page(worker, grows_down(worker->group) ? first + n - 1 : first),
		      n);
		break;
	case 1:
		for (i = first; i < first + n; i++)
			do_verify(worker, tail_page(worker, i));
		break;
	default:
		for (i = first; i < first + n; i++)
			do_store(worker, tail_page(worker, i));
	}
}

static void verify_tight(struct worker *worker, size_t page)
{
	const char *data = worker->tight + page * VT_PAGE;
	__u32 version = common->tight[page];

	if (version ? vt_check(data, page, version) >= 0 : !vt_is_zero(data))
		failure("page of the tight space", page, 0, version, *(const __u64 *)data);
}

/* Fill a page by the mapping or by pwrite; false if there is no room for it. */
static bool fill_tight(struct worker *worker, size_t page, __u32 version)
{
	char *data = worker->tight + page * VT_PAGE;
	ssize_t done;
	int signal;

	if (vt_random(&worker->state) % 2) {
		vt_fill(worker->buffer, page, version);
		done = pwrite(tight, worker->buffer, VT_PAGE, page * VT_PAGE);
		if (done != (ssize_t)VT_PAGE && (done != -1 || errno != ENOSPC))
			unexpected("pwrite to the tight space", page);
		return done == (ssize_t)VT_PAGE;
	}
	signal = vt_try_write(data, NULL);
	if (signal && signal != SIGBUS)
		failure("signal in the tight space", page, 0, SIGBUS, signal);
	/* It has its slot now, and keeps it. */
	if (!signal)
		vt_fill(data, page, version);
	return !signal;
}

/* A page that has been written has its slot: it is never refused. */
static void do_tight(struct worker *worker, size_t page)
{
	if (tight < 0) {
		do_store(worker, page);
		return;
	}
	page = vt_random(&worker->state) % (TIGHT / GROUPS) * GROUPS + worker->group;
	verify_tight(worker, page);
	if (vt_random(&worker->state) % 4 == 0) {
		if (madvise(worker->tight + page * VT_PAGE, VT_PAGE, MADV_REMOVE))
			unexpected("MADV_REMOVE in the tight space", page);
		common->tight[page] = 0;
	} else if (fill_tight(worker, page, common->tight[page] + 1)) {
		common->tight[page]++;
	} else {
		__atomic_add_fetch(&common->refused, 1, __ATOMIC_RELAXED);
		if (common->tight[page])
			failure("a page with a slot was refused", page, 0, 0, 0);
	}
	verify_tight(worker, page);
}

/* After msync or fsync the disk itself holds the page. Nobody else writes to it. */
static void do_sync(struct worker *worker, size_t page)
{
	int error;

	if (vt_random(&worker->state) % 4)
		error = msync(at(worker, page), VT_PAGE, MS_SYNC);
	else
		error = fsync(worker->fd);
	if (error)
		unexpected("sync", page);
	else if (space >= 0)
		do_verify(worker, page);
	else if (pread(worker->disk, worker->buffer, VT_PAGE, page * VT_PAGE) != (ssize_t)VT_PAGE)
		unexpected("read of the disk", page);
	else
		compare("disk after sync", page, worker->buffer);
}

/* A child verifies what it inherited and changes one page, which we must see. */
static void do_fork(struct worker *worker, size_t page)
{
	__u64 value = vt_random(&worker->state);
	size_t i, first = worker->group;
	int status;
	pid_t pid;

	common->shadow[page][0] = value;
	pid = fork();
	if (pid < 0) {
		unexpected("fork", page);
		return;
	}
	if (!pid) {
		__atomic_store_n((__u64 *)at(worker, page), value, __ATOMIC_RELAXED);
		for (i = first; i < PAGES; i += GROUPS * 4)
			compare("child's page", i, at(worker, i));
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		failure("child", page, 0, 0, status);
	do_verify(worker, page);
}

/*
 * Pages in a pipe are held: while others come and go they keep their frames, so that what is stored
 * to them afterwards shows in the pipe.
 */
static void do_pipe(struct worker *worker, size_t page)
{
	size_t pages[VECTOR];
	struct iovec parts[VECTOR];
	int n = vector(worker, page, pages, parts), i;

	if (vmsplice(worker->pipe[1], parts, n, 0) != (ssize_t)(n * VT_PAGE)) {
		unexpected("vmsplice", page);
		return;
	}
	for (i = 0; i < 2 * VECTOR; i++)
		do_store(worker, pick(worker));
	for (i = 0; i < n; i++)
		do_store(worker, pages[i]);
	for (i = 0; i < n; i++)
		if (read(worker->pipe[0], worker->buffer, VT_PAGE) != (ssize_t)VT_PAGE)
			unexpected("read from the pipe", pages[i]);
		else
			compare("page in the pipe", pages[i], worker->buffer);
}

static const struct {
	void (*act)(struct worker *worker, size_t page);
	unsigned int weight;
} acts[] = {
	{ do_store, 600 },
	{ do_verify, 100 },
	{ do_pwrite, 80 },
	{ do_pread, 40 },
	{ do_direct_read, 60 },
	{ do_direct_write, 20 },
	{ do_vm_read, 20 },
	{ do_vm_write, 30 },
	{ do_dontneed, 20 },
	{ do_sync, 29 },
	{ do_pipe, 30 },
	{ do_punch, 20 },
	{ do_tail, 20 },
	{ do_tight, 20 },
	{ do_fork, 1 },
};

#define WEIGHTS	1090

static void write_and_verify(struct worker *worker)
{
	unsigned int draw, i;
	size_t page;

	while (!stopped()) {
		page = pick(worker);
		draw = vt_random(&worker->state) % WEIGHTS;
		for (i = 0; draw >= acts[i].weight; i++)
			draw -= acts[i].weight;
		acts[i].act(worker, page);
		common->operations[worker->group]++;
	}
	for (page = worker->group; page < PAGES; page += GROUPS)
		compare("page at the end", page, at(worker, page));
	for (i = 0; i < worker->tail_pages; i++)
		do_verify(worker, tail_page(worker, i));
	for (i = worker->group; tight >= 0 && i < TIGHT; i += GROUPS)
		verify_tight(worker, i);
}

/* The pages that nobody writes keep what they had. */
static void read_and_verify(struct worker *worker)
{
	const char *private = vt_map(worker->fd, 0, PAGES, PROT_READ, MAP_PRIVATE);
	size_t page, start, i;

	while (!stopped()) {
		page = pick(worker);
		do_verify(worker, page);
		compare("private page", page, private + page * VT_PAGE);
		do_pread(worker, page);
		/* Now and then a sequence, for readahead. */
		if (vt_random(&worker->state) % 64)
			continue;
		start = vt_random(&worker->state) % (PAGES - 100);
		for (i = start; i < start + 100; i++)
			if (i % GROUPS == worker->group)
				do_verify(worker, i);
			else
				vt_try_read(at(worker, i), NULL);
	}
}

/* Throw pages out and bring them in, mostly in the window, which wanders on. */
static void evict(struct worker *worker)
{
	size_t first, all = space < 0 ? PAGES : ALL_PAGES;
	unsigned int window = 0, n;
	int error;

	while (!stopped()) {
		first = window;
		if (vt_random(&worker->state) % 8 == 0)
			first = vt_random(&worker->state) % PAGES;
		else if (space >= 0 && vt_random(&worker->state) % 4 == 0)
			first = PAGES + vt_random(&worker->state) % (WRITERS * TAIL);
		n = 1 + vt_random(&worker->state) % WINDOW;
		if (n > all - first)
			n = all - first;
		switch (vt_random(&worker->state) % 16) {
		case 0:
			error = vt_range(worker->fd, VMDEMO_IOC_PREFETCH, first, n, NULL);
			/* A pool full of pins has no frame for it. */
			if (error == -ENOBUFS)
				error = 0;
			break;
		case 1:
			error = -posix_fadvise(worker->fd, first * VT_PAGE, n * VT_PAGE,
					       POSIX_FADV_DONTNEED);
			break;
		case 2:
			error = -posix_fadvise(worker->fd, first * VT_PAGE, n * VT_PAGE,
					       POSIX_FADV_WILLNEED);
			break;
		default:
			error = vt_range(worker->fd, VMDEMO_IOC_EVICT, first, n, NULL);
		}
		/* The end of a space may be before that just now. */
		if (error && !(first + n > PAGES && error == -EINVAL)) {
			errno = -error;
			unexpected("eviction", first);
		}
		if (vt_random(&worker->state) % 32 == 0) {
			window = vt_random(&worker->state) % (PAGES - WINDOW);
			__atomic_store_n(&common->window, window, __ATOMIC_RELAXED);
		}
	}
}

/* Processes */

/* The device, or the space, opened once more. */
static int open_it(int flags)
{
	char name[32];
	int fd;

	if (space < 0)
		return vt_open(flags);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", space);
	fd = open(name, flags);
	if (fd < 0)
		vt_fail("the space cannot be opened again: %s", strerror(errno));
	return fd;
}

static pid_t start(void (*work)(struct worker *worker), unsigned int group, __u64 seed)
{
	struct worker worker = {
		.group = group, .state = seed * 1000 + group,
		.tail_pages = space < 0 || segmented ? 0 : TAIL,
	};
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(0);
	worker.fd = open_it(O_RDWR);
	worker.mem = vt_map(worker.fd, 0, PAGES, VT_RW, MAP_SHARED);
	if (space >= 0 && group < WRITERS)
		worker.tail = vt_map(worker.fd, TAIL_AT(group), TAIL, VT_RW, MAP_SHARED);
	if (tight >= 0)
		worker.tight = vt_map(tight, 0, TIGHT, VT_RW, MAP_SHARED);
	worker.disk = open(vt_disk(), O_RDONLY | O_DIRECT);
	worker.other = open(vt_disk2(), O_RDWR | O_DIRECT);
	worker.buffer = vt_buffer(VECTOR);
	if (worker.disk < 0 || worker.other < 0 || pipe(worker.pipe))
		vt_fail("the disks or a pipe cannot be opened");
	work(&worker);
	_exit(0);
}

/* Change one setting; the pool may be too full of pins to shrink in time. */
static void change_a_setting(__u64 *state)
{
	unsigned int draw;
	int error = 0;

	switch (vt_random(state) % 8) {
	case 0:
	case 1:
	case 2:
		/* Two workers hold VECTOR pages each in a pipe: those and some more have to fit. */
		draw = frames / 2 + vt_random(state) % frames;
		if (draw < 4 * VECTOR)
			draw = 4 * VECTOR;
		error = vt_set("frames", "%u", draw);
		if (error == -EBUSY)
			error = 0;
		break;
	case 3:
		error = vt_set("policy", vt_random(state) % 2 ? "lru" : "fifo");
		break;
	case 4:
		error = vt_set("read_ahead_pages", "%ju", (uintmax_t)(vt_random(state) % 33));
		break;
	case 5:
		error = vt_set("dirty_pct", "%ju", (uintmax_t)(5 + vt_random(state) % 96));
		break;
	case 6:
		error = vt_set("dirty_age_ms", "%ju", (uintmax_t)(vt_random(state) % 50));
		break;
	case 7:
		error = vt_set("reserve", "%ju", (uintmax_t)(vt_random(state) % (frames / 4)));
		/* Half of a pool that is small just now may be less. */
		if (error == -EINVAL)
			error = 0;
		break;
	}
	if (error) {
		errno = -error;
		unexpected("a setting", 0);
	}
}

static pid_t pids[WRITERS + 2];

/* Tell where in the kernel a process is. */
static void tell_stack(size_t i)
{
	char path[64], stack[4096];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stack", pids[i]);
	fd = open(path, O_RDONLY);
	length = fd < 0 ? 0 : read(fd, stack, sizeof(stack) - 1);
	stack[length > 0 ? length : 0] = 0;
	printf("# process %zu:\n%s", i, stack);
	if (fd >= 0)
		close(fd);
}

static void give_up(int signal)
{
	static const char words[] = "# some process is stuck\nnot ok 1 everybody came to an end\n";
	size_t i;

	(void)signal;
	for (i = 0; i < WRITERS + 2; i++) {
		if (pids[i] <= 0)
			continue;
		tell_stack(i);
		kill(pids[i], SIGKILL);
	}
	fflush(stdout);
	if (write(STDOUT_FILENO, words, sizeof(words) - 1) < 0)
		_exit(KSFT_FAIL);
	_exit(KSFT_FAIL);
}

/* Run everything for so long; true if all processes ended well. */
static __u64 evictions(void)
{
	return vt_stat("evictions_clean") + vt_stat("evictions_dirty");
}

/* Has what the run is for been met? */
static bool enough(void)
{
	return evictions() > 1000 && (space < 0 || common->refused);
}

/* For so many seconds; on a slow machine up to three times as long, until it has been enough. */
static bool run(int seconds, __u64 seed)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	__u64 began = vt_now_ms(), state = seed;
	bool good = true;
	size_t i;

	for (i = 0; i < WRITERS; i++)
		pids[i] = start(write_and_verify, i, seed);
	pids[WRITERS] = start(read_and_verify, WRITERS, seed);
	pids[WRITERS + 1] = start(evict, WRITERS, seed + 1);
	while (!stopped() && (vt_now_ms() < began + seconds * 1000ULL ||
			      (vt_now_ms() < began + 3 * seconds * 1000ULL && !enough()))) {
		change_a_setting(&state);
		nanosleep(&moment, NULL);
	}
	__atomic_store_n(&common->stop, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < WRITERS + 2; i++) {
		int status = vt_reap(pids[i]);

		pids[i] = 0;
		if (status) {
			printf("# process %zu ended with status %d\n", i, status);
			good = false;
		}
	}
	return good;
}

static bool all_equal(const char *what, const char *data)
{
	int before = common->failures;
	size_t page;

	for (page = 0; page < PAGES; page++)
		compare(what, page, data + page * VT_PAGE);
	return common->failures == before;
}

static bool verify_by_mapping(void)
{
	int fd = open_it(O_RDONLY);
	char *mem = vt_map(fd, 0, PAGES, PROT_READ, MAP_SHARED);
	bool good = all_equal("mapping at the end", mem);

	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	return good;
}

static bool verify_on_disk(void)
{
	char *all = vt_buffer(PAGES);
	size_t page;

	if (vt_set("backing", "none"))
		vt_fail("backing cannot be unbound");
	for (page = 0; page < PAGES; page++)
		vt_disk_read(vt_disk(), page, all + page * VT_PAGE);
	return all_equal("disk at the end", all);
}

/* What a space has used is free when it is gone; its origin has not changed. */
static bool verify_gone(void)
{
	__u64 slots = vt_get("swap_slots");
	size_t page;

	close(space);
	close(tight);
	if (segmented) {
		for (page = 0; page < PAGES; page++)
			vt_fill(common->shadow[page], page, SEED);
		space = -1;
		if (!verify_by_mapping() || !verify_on_disk())
			return false;
	}
	return vt_wait_stat("frames_free", vt_get("frames"), vt_get("frames"), 20) &&
	       vt_wait_stat("swap_free", slots, slots, 1) &&
	       vt_get("frames") == vt_get("frames_actual");
}

/* One segment is the device's pages, then each writer has one that grows. */
static void make_segments(struct vmdemo_segment *table, __u64 seed)
{
	unsigned int i;

	table[0] = (struct vmdemo_segment){
		.name = "device", .bound = PAGES * VT_PAGE, .limit = PAGES * VT_PAGE,
		.prot = PROT_READ | PROT_WRITE, .flags = VMDEMO_SEGMENT_ORIGIN,
	};
	for (i = 0; i < WRITERS; i++)
		table[1 + i] = (struct vmdemo_segment){
			.name = "tail", .base = TAIL_AT(i) * VT_PAGE, .bound = TAIL * VT_PAGE,
			.prot = PROT_READ | PROT_WRITE,
			.growth = grows_down(i) ? VMDEMO_GROW_DOWN : VMDEMO_GROW_UP,
		};
	for (i = 0; i < 1 + WRITERS; i++) {
		table[i].loading = vt_random(&seed) % (VMDEMO_LOAD_UPFRONT + 1);
		printf("# segment %u: loading %u\n", i, table[i].loading);
	}
}

/* Without a disk behind it, everything begins with what the disk would hold. */
static void make_space(__u64 seed)
{
	struct vmdemo_segment table[1 + WRITERS];
	struct vmdemo_space_args args = { .size = ALL_PAGES * VT_PAGE };
	struct vmdemo_space_args few = { .size = TIGHT * VT_PAGE, .max_pages = TIGHT_MOST };
	int fd;

	if (segmented) {
		make_segments(table, seed);
		args.segments = (uintptr_t)table;
		args.nr_segments = ARRAY_SIZE(table);
		vt_load("backing=%s swap=%s frames=%u", vt_disk(), vt_disk3(), frames);
	} else {
		vt_load("swap=%s frames=%u", vt_disk(), frames);
	}
	fd = vt_open(O_RDWR);
	space = ioctl(fd, VMDEMO_IOC_SPACE, &args);
	tight = ioctl(fd, VMDEMO_IOC_SPACE, &few);
	if (space < 0 || tight < 0)
		vt_fail("no space: %s", strerror(errno));
	close(fd);
	if (!segmented && write(space, common->shadow, PAGES * VT_PAGE) != PAGES * (ssize_t)VT_PAGE)
		vt_fail("writing to the space: %s", strerror(errno));
}

static void tell_numbers(void)
{
	static const char * const names[] = {
		"faults_hard", "faults_soft", "faults_mkwrite", "pages_in", "pages_out",
		"late_references", "reclaim_waits", "readahead_pages", "rw_pages",
	};
	__u64 operations = 0;
	size_t i;

	for (i = 0; i < WRITERS; i++)
		operations += common->operations[i];
	printf("# %ju operations, %ju evictions of clean pages and %ju of dirty ones, %d errors\n",
	       (uintmax_t)operations, (uintmax_t)vt_stat("evictions_clean"),
	       (uintmax_t)vt_stat("evictions_dirty"), common->failures);
	printf("#");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		printf(" %s %ju", names[i], (uintmax_t)vt_stat(names[i]));
	printf("\n");
}

int main(int argc, char **argv)
{
	__u64 seed = 1;
	int option, seconds = 30;
	size_t page;
	bool good, sparse = false;

	while ((option = getopt(argc, argv, "t:s:f:zg")) != -1) {
		if (option == 't')
			seconds = atoi(optarg);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'f')
			frames = atoi(optarg);
		else if (option == 'z')
			sparse = true;
		else if (option == 'g')
			segmented = true;
		else
			return KSFT_FAIL;
	}
	if (seconds < 1 || frames < 32 || frames > PAGES)
		vt_fail("usage: torture [-t seconds] [-s seed] [-f frames, 32 to %d] [-z | -g]",
			PAGES);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ksft_set_plan(sparse || segmented ? 7 : 6);
	printf("# %d s, seed %ju, %u frames for %d pages\n", seconds, (uintmax_t)seed, frames,
	       PAGES);

	common = mmap(NULL, sizeof(*common), VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (common == MAP_FAILED)
		vt_fail("no memory");
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_disk_fill(vt_disk2(), 0, SOURCE_PAGES, SOURCE_SEED);
	for (page = 0; page < PAGES; page++)
		vt_fill(common->shadow[page], page, SEED);
	if (sparse || segmented)
		make_space(seed);
	else
		vt_load("backing=%s frames=%u", vt_disk(), frames);

	signal(SIGALRM, give_up);
	/* This ends what hangs: a slow kernel may take its time. */
	alarm(3 * seconds + 180);
	good = run(seconds, seed);
	/* Nobody is stuck; on a slow kernel the comparison takes longer. */
	alarm(600);
	ksft_test_result(good, "everybody came to an end\n");
	ksft_test_result(!common->failures, "nobody saw a wrong byte or an error\n");
	ksft_test_result(verify_by_mapping(), "all pages are right through a mapping\n");
	ksft_test_result(vt_balanced(), "the counters balance\n");
	tell_numbers();
	ksft_test_result(evictions() > 1000, "there were enough evictions to mean something\n");
	if (sparse || segmented) {
		printf("# the tight space has refused %ju stores\n", (uintmax_t)common->refused);
		ksft_test_result(common->refused && vt_stat("swap_full") >= common->refused,
				 "a space that is full refuses what has no slot\n");
		ksft_test_result(verify_gone(), "all frames and slots are free in the end\n");
	} else {
		ksft_test_result(verify_on_disk(), "all pages are right on the disk\n");
	}
	if (ksft_get_fail_cnt())
		ksft_exit_fail();
	ksft_exit_pass();
}
