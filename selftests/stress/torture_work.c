// SPDX-License-Identifier: GPL-2.0
/*
 * torture_work.c - what each process does, and the shadow that it compares with; see torture.c
 */
#include <linux/falloc.h>
#include <sys/uio.h>

#include "torture.h"

struct common *common;
int space = -1;
int tight = -1;
bool segmented;

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

void unexpected(const char *what, size_t page)
{
	int error = errno;

	if (__atomic_fetch_add(&common->failures, 1, __ATOMIC_SEQ_CST) < 10) {
		printf("# %s of page %zu: %s\n", what, page, strerror(error));
		fflush(stdout);
	}
	__atomic_store_n(&common->stop, 1, __ATOMIC_SEQ_CST);
}

bool stopped(void)
{
	return __atomic_load_n(&common->stop, __ATOMIC_RELAXED);
}

void compare(const char *what, size_t page, const void *data)
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

bool grows_down(unsigned int group)
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

void write_and_verify(struct worker *worker)
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
void read_and_verify(struct worker *worker)
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
void evict(struct worker *worker)
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
