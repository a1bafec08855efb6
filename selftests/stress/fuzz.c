// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz.c - call every entry of the device with hostile, nearly right and right arguments
 *
 *	fuzz [-t SECONDS] [-s SEED]		a run
 *	fuzz -l [-t SECONDS] [-s SEED]		the same, each call told with its result
 *	fuzz -p N [-n STEPS] [-l] -s SEED	what process N did in that run, so many steps of it
 *
 * What a process calls depends on its seed only, not on what the calls return: so its sequence can
 * be had again (with its addresses, under setarch -R), though not the moments at which the others
 * do theirs.
 *
 * Some of their descriptors are sparse spaces, with and without segments.
 *
 * The first CHECKED pages are the checker's: the fuzzers may read, map, evict, prefetch and advise
 * them, and give them to calls that have to be refused, but nobody else writes them. Whatever
 * happens they keep their contents. All else of the device is the fuzzers' to destroy; it lies
 * behind, so that a mapping that grows leaves the device and not its part.
 */
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "vmdemo_test.h"

#define FRAMES		256
#define CHECKED		512	/* pages of the checker */
#define FUZZERS		4
#define SEED		1	/* of the contents at first */

/* Descriptors: the first third to read, the second to write, the last for both. */
#define FDS		9
#define SLOTS		16	/* places for mappings */
#define SLOT_BYTES	(256UL << 20)
#define ARENA		((char *)0x100000000000UL)
#define MAPPED		512	/* pages of a mapping: private copies of all must fit into memory */
#define BUFFER_PAGES	64

/* Frames that remain in the smallest pool: the pages in all pipes fit several times. */
#define LEAST_FRAMES	224

static struct common {
	int stop;
	int failures;
	__u64 steps;
	__u64 slots_used;		/* at a time, at most */
	__u64 version[CHECKED];		/* seed of each page of the checker */
} *common;

struct fuzzer {
	int number;
	__u64 state;
	__u64 steps;
	__u64 most;		/* steps; 0: until told to stop */
	int fd[FDS];
	int pipe[2];
	int other;		/* second disk, O_DIRECT */
	int file;		/* an ordinary file */
	char *buffer;		/* BUFFER_PAGES, and nothing behind */
	bool child;
};

static __u64 size_bytes;
static bool logging;
static struct fuzzer *teller;	/* who made the last call */

static bool stopped(void)
{
	return __atomic_load_n(&common->stop, __ATOMIC_RELAXED);
}

static void failure(const char *what, size_t page)
{
	printf("# %s: page %zu: %s\n", what, page, strerror(errno));
	__atomic_add_fetch(&common->failures, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&common->stop, 1, __ATOMIC_RELAXED);
}

/* ---- telling what is called ---- */

static void __printf(2, 3) tell(struct fuzzer *f, const char *format, ...)
{
	char line[512];
	va_list args;
	int length;

	teller = f;
	if (!logging)
		return;
	length = snprintf(line, sizeof(line), "# p%d%s %ju ", f->number, f->child ? "c" : "",
			  (uintmax_t)f->steps);
	va_start(args, format);
	length += vsnprintf(line + length, sizeof(line) - length, format, args);
	va_end(args);
	if (length > (int)sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	/* At once and whole, before the call: it may be the last. */
	if (write(STDOUT_FILENO, line, length) < 0)
		_exit(1);
}

static long told(long result)
{
	const struct fuzzer *f = teller;

	if (logging)
		printf("# p%d%s %ju = %ld (%s)\n", f->number, f->child ? "c" : "",
		       (uintmax_t)f->steps, result, result < 0 ? strerror(errno) : "ok");
	return result;
}

#define CALL(f, call, format, ...)						\
	(tell(f, "%s " format, #call, ##__VA_ARGS__), told((long)(call)))

/* ---- arguments ---- */

static __u64 draw(struct fuzzer *f, __u64 below)
{
	return vt_random(&f->state) % below;
}

/* A number that is likely to be handled wrong, if any is. */
static __u64 hostile(struct fuzzer *f)
{
	const __u64 numbers[] = {
		0, 1, 2, 7, 511, 512, 4095, 4096, 4097, 8192, size_bytes - 4096, size_bytes - 1,
		size_bytes, size_bytes + 1, size_bytes + 4096, INT32_MAX, 1ULL << 31, UINT32_MAX,
		1ULL << 32, (1ULL << 32) + 4096, 1ULL << 43, 1ULL << 44, (1ULL << 44) - 4096,
		1ULL << 48, (1ULL << 62) + 4096, INT64_MAX - 4095, INT64_MAX - 1, INT64_MAX,
		1ULL << 63, (1ULL << 63) + 4096, -8192ULL, -4097ULL, -4096ULL, -4095ULL, -1ULL,
	};
	__u64 any = vt_random(&f->state), number = numbers[draw(f, ARRAY_SIZE(numbers))];

	return any % 8 ? number : any >> draw(f, 64);
}

/* A place in the device for who does not change it. */
static __u64 anywhere(struct fuzzer *f)
{
	__u64 number = hostile(f), inside = draw(f, size_bytes);

	switch (draw(f, 4)) {
	case 0:
		return number;
	case 1:
		return inside;
	default:
		return inside & ~(VT_PAGE - 1);
	}
}

/* A place that may be written from on: in the fuzzers' part, or outside the device. */
static __u64 writable(struct fuzzer *f)
{
	__u64 place = anywhere(f);

	return place < CHECKED * VT_PAGE ? place + CHECKED * VT_PAGE : place;
}

static size_t some_bytes(struct fuzzer *f)
{
	size_t any = draw(f, BUFFER_PAGES * VT_PAGE), page = draw(f, 8) * VT_PAGE;

	return draw(f, 2) ? any : page;
}

static char *slot(struct fuzzer *f)
{
	return ARENA + draw(f, SLOTS) * SLOT_BYTES;
}

/* In a mapping, most likely. */
static char *mapped(struct fuzzer *f)
{
	char *at = slot(f) + draw(f, MAPPED) * VT_PAGE;

	return draw(f, 8) ? at : at + draw(f, VT_PAGE);
}

/* Where a call may write to, and read from: memory, a mapping, or nothing good. */
static void *memory(struct fuzzer *f)
{
	static void * const bad[] = {
		NULL, (void *)1, (void *)-1, (void *)-4096, (void *)0xffff888000000000,
		(void *)0x8000000000000000, (void *)0x7ffffffff000, (void *)0x1000,
	};
	char *near_end = f->buffer + (BUFFER_PAGES - 1) * VT_PAGE + draw(f, VT_PAGE);
	void *nothing = bad[draw(f, ARRAY_SIZE(bad))];
	char *in_mapping = mapped(f);

	switch (draw(f, 8)) {
	case 0:
		return nothing;
	case 1:
		return near_end;
	case 2:
	case 3:
	case 4:
		return in_mapping;
	default:
		return f->buffer;
	}
}

/* A length of mapped memory: none that is valid reaches beyond the slot. */
static size_t span(struct fuzzer *f)
{
	size_t wraps = -(1 + draw(f, 3)) * VT_PAGE, pages = draw(f, MAPPED) * VT_PAGE;

	return draw(f, 16) ? pages : wraps;
}

static int any_fd(struct fuzzer *f)
{
	return f->fd[draw(f, FDS)];
}

static int fd_to_read(struct fuzzer *f)
{
	return f->fd[draw(f, FDS / 3)];
}

/* ---- calls: files ---- */

/* Segments that are right, but for one in sixteen; where they are not, in one thing. */
static void draw_segments(struct fuzzer *f, struct vmdemo_segment *table, unsigned int nr)
{
	__u64 at = 0;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct vmdemo_segment *s = &table[i];
		__u64 number = hostile(f);

		*s = (struct vmdemo_segment){ .name = "fuzz", .prot = draw(f, 8) };
		at += draw(f, 4) * VT_PAGE;
		s->base = at;
		s->bound = (1 + draw(f, 256)) * VT_PAGE;
		at += s->bound;
		s->growth = draw(f, 3);
		s->loading = draw(f, 3);
		s->limit = s->growth ? draw(f, s->bound / VT_PAGE + 1) * VT_PAGE : s->bound;
		if (!s->growth && draw(f, 2)) {
			s->flags = VMDEMO_SEGMENT_ORIGIN;
			s->origin = draw(f, (size_bytes - s->bound) / VT_PAGE) * VT_PAGE;
		}
		switch (draw(f, 16 * 7)) {
		case 0:
			s->base = number;
			break;
		case 1:
			s->bound = number;
			break;
		case 2:
			s->limit = number;
			break;
		case 3:
			s->origin = number;
			break;
		case 4:
			s->flags = number;
			break;
		case 5:
			s->growth = number;
			s->loading = number >> 8;
			break;
		case 6:
			memset(s->name, number, sizeof(s->name));
			break;
		}
	}
}

/* By way of a descriptor for both, if that is one of the device. */
static int make_space(struct fuzzer *f)
{
	struct vmdemo_space_args args = { 0 };
	__u64 number = hostile(f);
	unsigned int nr = draw(f, 6);
	int fd = f->fd[FDS - 1 - draw(f, FDS / 3)];

	draw_segments(f, (struct vmdemo_segment *)f->buffer, nr);
	args.segments = (uintptr_t)f->buffer;
	args.nr_segments = draw(f, 2) ? nr : 0;
	args.size = (1 + draw(f, 2048)) * VT_PAGE;
	args.max_pages = draw(f, 4) ? 0 : draw(f, 512);
	args.flags = VMDEMO_SPACE_CLOEXEC;
	switch (draw(f, 32)) {
	case 0:
		args.nr_segments = number;
		break;
	case 1:
		args.segments = (uintptr_t)memory(f);
		break;
	case 2:
		args.flags = number;
		break;
	case 3:
	case 4:
		args.size = number;
		break;
	case 5:
		args.size = VMDEMO_SPACE_MAX;
		break;
	}
	return CALL(f, ioctl(fd, VMDEMO_IOC_SPACE, &args), "%d {%#jx %#jx %#jx %u %#x}", fd,
		    (uintmax_t)args.size, (uintmax_t)args.max_pages, (uintmax_t)args.segments,
		    args.nr_segments, args.flags);
}

static void do_segment(struct fuzzer *f)
{
	struct vmdemo_segment_limit limit = { .number = draw(f, 6) };
	struct vmdemo_segment_state state = { .number = draw(f, 6) };
	unsigned int odd = draw(f, 32);
	__u64 number = hostile(f);
	int fd = any_fd(f);

	limit.limit = draw(f, 257) * VT_PAGE;
	if (odd == 0)
		limit.number = number;
	if (odd == 0)
		state.number = number;
	if (odd == 1)
		limit.reserved = number;
	if (odd == 1)
		state.reserved = number;
	if (odd == 2)
		limit.limit = number;
	if (draw(f, 4))
		CALL(f, ioctl(fd, VMDEMO_IOC_LIMIT, &limit), "%d {%u %#jx}", fd, limit.number,
		     (uintmax_t)limit.limit);
	else
		CALL(f, ioctl(fd, VMDEMO_IOC_SEGMENT, &state), "%d {%u}", fd, state.number);
}

static void do_open(struct fuzzer *f)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	static const int flags[] = {
		0, 0, 0, 0, O_APPEND, O_SYNC, O_DSYNC, O_NONBLOCK, O_TRUNC, O_DIRECT, O_NOFOLLOW,
		O_EXCL, O_CREAT, O_DIRECTORY, O_PATH, O_NOATIME, O_ASYNC,
	};
	int i = draw(f, FDS), more = flags[draw(f, ARRAY_SIZE(flags))];

	if (f->fd[i] >= 0)
		CALL(f, close(f->fd[i]), "%d", f->fd[i]);
	if (draw(f, 3) == 0) {
		f->fd[i] = make_space(f);
		return;
	}
	f->fd[i] = CALL(f, open(VT_DEV, modes[i / (FDS / 3)] | more | O_CLOEXEC, 0600), "%#x",
			more);
}

static void do_ioctl(struct fuzzer *f)
{
	static const unsigned long other[] = {
		BLKDISCARD, BLKZEROOUT, BLKGETSIZE64, BLKFLSBUF, FIBMAP, FIGETBSZ,
		_IO(VMDEMO_IOC_MAGIC, 5), 0, ~0UL, 0x5401, 0x541b, 0x5421, 0x5452,
	};
	static const unsigned long ours[] = {
		VMDEMO_IOC_PREFETCH, VMDEMO_IOC_EVICT, VMDEMO_IOC_DISCARD,
	};
	struct vmdemo_range range = { 0 };
	unsigned long request = ours[draw(f, 3)];
	bool discard = request == VMDEMO_IOC_DISCARD;
	unsigned int odd = draw(f, 16);
	void *arg = memory(f);
	int fd = any_fd(f);

	range.offset = discard ? writable(f) : anywhere(f);
	range.length = draw(f, 4) ? (1 + draw(f, 64)) * VT_PAGE : hostile(f);
	if (odd == 0)
		range.flags = hostile(f);
	if (odd == 1)
		range.reserved = hostile(f);
	if (odd == 2)
		range.pages = hostile(f);
	/* What reaches beyond the device has to be refused, wherever it begins. */
	if (discard && odd == 3) {
		range.offset = draw(f, CHECKED) * VT_PAGE;
		range.length = size_bytes + draw(f, 2) * VT_PAGE + (draw(f, 2) ? 1ULL << 63 : 0);
		if (range.offset + range.length == size_bytes)
			range.length += VT_PAGE;
	}
	if (odd == 4)
		request = other[draw(f, ARRAY_SIZE(other))];
	/* One bit is all that is between EVICT and DISCARD. */
	if (odd == 5) {
		request ^= 1UL << draw(f, 32);
		range.offset = writable(f);
	}
	if (odd < 6 || request == VMDEMO_IOC_DISCARD)
		arg = odd == 4 && draw(f, 2) ? arg : &range;
	else if (draw(f, 4))
		arg = &range;
	else if (((uintptr_t)arg & 7) == 0 && arg == f->buffer)
		memcpy(arg, &range, sizeof(range));
	CALL(f, ioctl(fd, request, arg), "%d %#lx %p {%#jx %#jx %#x %#x}", fd, request, arg,
	     (uintmax_t)range.offset, (uintmax_t)range.length, range.flags, range.reserved);
}

static void do_pagemap(struct fuzzer *f)
{
	struct vmdemo_pagemap map = {
		.offset = anywhere(f),
		.length = draw(f, 4) ? (1 + draw(f, 1024)) * VT_PAGE : hostile(f),
		.pages = (uintptr_t)memory(f),
	};
	int fd = any_fd(f);

	/* The buffer takes so many. */
	if (map.length > 1024 * VT_PAGE)
		map.pages = (uintptr_t)mapped(f);
	CALL(f, ioctl(fd, VMDEMO_IOC_PAGEMAP, &map), "%d {%#jx %#jx %#jx}", fd,
	     (uintmax_t)map.offset, (uintmax_t)map.length, (uintmax_t)map.pages);
}

static void do_info(struct fuzzer *f)
{
	struct vmdemo_info *info = (struct vmdemo_info *)f->buffer;
	unsigned int size = draw(f, 2) ? sizeof(*info) : hostile(f);
	void *arg = memory(f);
	int fd = any_fd(f);

	info->size = size;
	info->flags = draw(f, 8) ? 0 : hostile(f);
	CALL(f, ioctl(fd, VMDEMO_IOC_INFO, arg), "%d %p {%u}", fd, arg, size);
}

static void do_read(struct fuzzer *f)
{
	struct iovec parts[4];
	int fd = any_fd(f), flags = draw(f, 8) ? 0 : 1 << draw(f, 8), i;
	size_t bytes = some_bytes(f);
	__u64 from = anywhere(f);
	void *to = memory(f);

	switch (draw(f, 4)) {
	case 0:
		CALL(f, lseek(fd, from, draw(f, 8)), "%d %#jx", fd, (uintmax_t)from);
		CALL(f, read(fd, to, bytes), "%d %p %zu", fd, to, bytes);
		break;
	case 1:
		CALL(f, pread(fd, to, bytes, from), "%d %p %zu %#jx", fd, to, bytes,
		     (uintmax_t)from);
		break;
	default:
		for (i = 0; i < 4; i++)
			parts[i] = (struct iovec){ memory(f), some_bytes(f) };
		CALL(f, preadv2(fd, parts, 1 + draw(f, 4), from, flags), "%d %#jx %#x", fd,
		     (uintmax_t)from, flags);
	}
}

static void do_write(struct fuzzer *f)
{
	struct iovec parts[4];
	int fd = any_fd(f), flags = draw(f, 8) ? 0 : 1 << draw(f, 8), i;
	size_t bytes = some_bytes(f);
	__u64 to = writable(f);
	void *from = memory(f);

	switch (draw(f, 4)) {
	case 0:
		if (CALL(f, lseek(fd, to, SEEK_SET), "%d %#jx", fd, (uintmax_t)to) >= 0)
			CALL(f, write(fd, from, bytes), "%d %p %zu", fd, from, bytes);
		break;
	case 1:
		CALL(f, pwrite(fd, from, bytes, to), "%d %p %zu %#jx", fd, from, bytes,
		     (uintmax_t)to);
		break;
	default:
		/* The offset -1 means the position. */
		if (to == -1ULL)
			to--;
		for (i = 0; i < 4; i++)
			parts[i] = (struct iovec){ memory(f), some_bytes(f) };
		CALL(f, pwritev2(fd, parts, 1 + draw(f, 4), to, flags), "%d %#jx %#x", fd,
		     (uintmax_t)to, flags);
	}
}

static void do_fadvise(struct fuzzer *f)
{
	__u64 from = anywhere(f), length = draw(f, 2) ? draw(f, 64) * VT_PAGE : hostile(f);
	int fd = any_fd(f), advice = draw(f, 9) - 1;

	CALL(f, posix_fadvise(fd, from, length, advice), "%d %#jx %#jx %d", fd, (uintmax_t)from,
	     (uintmax_t)length, advice);
}

static void do_other_file_calls(struct fuzzer *f)
{
	int fd = any_fd(f), flags = 1 << draw(f, 22);
	struct pollfd pollfd = { .fd = fd, .events = POLLIN | POLLOUT };
	__u64 from = writable(f), length = hostile(f);

	switch (draw(f, 8)) {
	case 0:
		CALL(f, fsync(fd), "%d", fd);
		break;
	case 1:
		CALL(f, fdatasync(fd), "%d", fd);
		break;
	case 2:
		CALL(f, sync_file_range(fd, from, length, draw(f, 8)), "%d", fd);
		break;
	case 3:
		CALL(f, fallocate(fd, draw(f, 64), from, length), "%d", fd);
		break;
	case 4:
		CALL(f, ftruncate(fd, length), "%d %#jx", fd, (uintmax_t)length);
		break;
	case 5:
		CALL(f, fcntl(fd, F_SETFL, flags), "%d %#x", fd, flags);
		break;
	case 6:
		CALL(f, poll(&pollfd, 1, 0), "%d", fd);
		break;
	case 7:
		CALL(f, flock(fd, LOCK_UN | LOCK_NB), "%d", fd);
		break;
	}
}

/* What has gone into the pipe is not to hold frames for long, nor to block. */
static void drain(struct fuzzer *f)
{
	while (CALL(f, read(f->pipe[0], f->buffer, 16 * VT_PAGE), "pipe") > 0)
		;
}

static void do_splice(struct fuzzer *f)
{
	struct iovec part = { memory(f), draw(f, 8) * VT_PAGE };
	loff_t from = anywhere(f), to = writable(f);
	size_t bytes = some_bytes(f);
	int fd = any_fd(f), flags = draw(f, 16);

	switch (draw(f, 6)) {
	case 0:
		CALL(f, splice(fd, &from, f->pipe[1], NULL, bytes, flags | SPLICE_F_NONBLOCK),
		     "%d %#jx %zu", fd, (uintmax_t)from, bytes);
		break;
	case 1:
		CALL(f, splice(f->pipe[0], NULL, fd, &to, bytes, flags | SPLICE_F_NONBLOCK),
		     "%d %#jx %zu", fd, (uintmax_t)to, bytes);
		break;
	case 2:
		CALL(f, vmsplice(f->pipe[1], &part, 1, flags | SPLICE_F_NONBLOCK), "%p %zu",
		     part.iov_base, part.iov_len);
		break;
	case 3:
		CALL(f, vmsplice(f->pipe[0], &part, 1, flags | SPLICE_F_NONBLOCK), "%p %zu",
		     part.iov_base, part.iov_len);
		break;
	case 4:
		CALL(f, sendfile(f->file, fd, &from, bytes), "%d %#jx %zu", fd, (uintmax_t)from,
		     bytes);
		CALL(f, lseek(f->file, 0, SEEK_SET), "file");
		break;
	case 5:
		from = 0;
		if (CALL(f, lseek(fd, to, SEEK_SET), "%d %#jx", fd, (uintmax_t)to) >= 0)
			CALL(f, sendfile(fd, f->file, &from, bytes), "%d %zu", fd, bytes);
		break;
	}
	drain(f);
}

/* The second disk reads and writes the mapping, by DMA as it were. */
static void do_direct(struct fuzzer *f)
{
	off_t at = draw(f, 4096) * VT_PAGE;
	size_t bytes = draw(f, 32) * VT_PAGE;
	void *with = memory(f);

	if (draw(f, 2))
		CALL(f, pread(f->other, with, bytes, at), "%p %zu", with, bytes);
	else
		CALL(f, pwrite(f->other, with, bytes, at), "%p %zu", with, bytes);
}

/* ---- calls: memory ---- */

static void do_mmap(struct fuzzer *f)
{
	bool private = draw(f, 3) == 0, inside = draw(f, 4), low = draw(f, 2);
	size_t length = span(f), populate = draw(f, 8) ? 0 : MAP_POPULATE;
	__u64 offset = writable(f), from = anywhere(f);
	int prot = draw(f, 8), fd = any_fd(f), reader = fd_to_read(f);
	int flags = MAP_FIXED | populate | (private ? MAP_PRIVATE : MAP_SHARED);
	char *at = slot(f);

	if (inside)
		length = (1 + draw(f, MAPPED)) * VT_PAGE;
	/* mprotect() may make it writable later: not the checker's pages, unless copied. */
	if (low) {
		offset = from;
		fd = private ? fd : reader;
	}
	if (inside)
		offset &= ~(VT_PAGE - 1);
	if (draw(f, 32) == 0)
		flags |= 1 << (4 + draw(f, 16));
	CALL(f, mmap(at, length, prot, flags, fd, offset), "%p %#zx %d %#x %d %#jx", at, length,
	     prot, flags, fd, (uintmax_t)offset);
}

static void do_munmap(struct fuzzer *f)
{
	char *at = mapped(f);
	size_t length = span(f);

	CALL(f, munmap(at, length), "%p %#zx", at, length);
}

static void do_mremap(struct fuzzer *f)
{
	size_t old = draw(f, 8) ? span(f) : 0, length = span(f);
	char *at = mapped(f), *to = slot(f), *got;
	int flags = draw(f, 8);

	got = (char *)CALL(f, mremap(at, old, length, flags, to), "%p %#zx %#zx %d %p", at, old,
			   length, flags, to);
	/* Where we would not find it again it does no good. */
	if (got != MAP_FAILED && (got < ARENA || got >= ARENA + SLOTS * SLOT_BYTES))
		munmap(got, length);
}

static void do_mprotect(struct fuzzer *f)
{
	int prot = draw(f, 16) ? draw(f, 8) : hostile(f);
	char *at = mapped(f);
	size_t length = span(f);

	CALL(f, mprotect(at, length, prot), "%p %#zx %#x", at, length, prot);
}

/* Not MADV_HWPOISON (100) and MADV_SOFT_OFFLINE: this is about calls that anybody may do. */
static void do_madvise(struct fuzzer *f)
{
	int advice = draw(f, 32);
	char *at = mapped(f);
	size_t length = span(f);

	CALL(f, madvise(at, length, advice), "%p %#zx %d", at, length, advice);
}

static void do_other_memory_calls(struct fuzzer *f)
{
	unsigned char *vector = (unsigned char *)memory(f);
	char *at = mapped(f), *page = at;
	int flags = draw(f, 16), node = 0, status;
	size_t length = span(f);

	switch (draw(f, 8)) {
	case 0:
		CALL(f, mlock(at, length), "%p %#zx", at, length);
		break;
	case 1:
		CALL(f, mlock2(at, length, flags), "%p %#zx %d", at, length, flags);
		break;
	case 2:
	case 3:
		CALL(f, munlock(at, length), "%p %#zx", at, length);
		break;
	case 4:
		CALL(f, mincore(at, length, vector), "%p %#zx %p", at, length, vector);
		break;
	case 5:
	case 6:
		CALL(f, msync(at, length, flags), "%p %#zx %d", at, length, flags);
		break;
	case 7:
		CALL(f, syscall(SYS_move_pages, 0, 1UL, &page, &node, &status, 2), "%p", at);
		break;
	}
}

static void do_touch(struct fuzzer *f)
{
	char *at = mapped(f);
	int i, n = 1 + draw(f, 16), write = draw(f, 2);

	for (i = 0; i < n; i++)
		if (write)
			CALL(f, vt_try_write(at + i * VT_PAGE, NULL), "%p", at + i * VT_PAGE);
		else
			CALL(f, vt_try_read(at + i * VT_PAGE, NULL), "%p", at + i * VT_PAGE);
}

static void do_vm_access(struct fuzzer *f)
{
	struct iovec local = { memory(f), some_bytes(f) }, remote = { mapped(f), local.iov_len };

	if (draw(f, 2))
		CALL(f, process_vm_readv(getpid(), &local, 1, &remote, 1, 0), "%p %p %zu",
		     local.iov_base, remote.iov_base, local.iov_len);
	else
		CALL(f, process_vm_writev(getpid(), &local, 1, &remote, 1, 0), "%p %p %zu",
		     local.iov_base, remote.iov_base, local.iov_len);
}

/* Write protection that resolves itself: the one kind that our mappings may have, from 6.7 on. */
static void do_userfaultfd(struct fuzzer *f)
{
	/* UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC */
	struct uffdio_api api = { .api = UFFD_API, .features = 1 << 13 | 1 << 15 };
	struct uffdio_register range = { .range = { (uintptr_t)slot(f), span(f) }, .mode = 2 };
	struct uffdio_writeprotect protect = { .range = range.range, .mode = 1 };
	int fd = CALL(f, syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), "open"), i;

	if (fd < 0)
		return;
	if (!CALL(f, ioctl(fd, UFFDIO_API, &api), "api")) {
		CALL(f, ioctl(fd, UFFDIO_REGISTER, &range), "%#jx", (uintmax_t)range.range.start);
		CALL(f, ioctl(fd, UFFDIO_WRITEPROTECT, &protect), "protect");
		for (i = 0; i < 8; i++)
			vt_try_write((char *)(uintptr_t)range.range.start + i * VT_PAGE, NULL);
	}
	CALL(f, close(fd), "userfaultfd");
}

static void do_proc(struct fuzzer *f)
{
	static const char * const files[] = {
		"/proc/self/smaps", "/proc/self/numa_maps", "/proc/self/maps",
		VT_CLASS "vmdemo/stats/frames_pinned", VT_CLASS "vmdemo/policy",
	};
	const char *name = files[draw(f, ARRAY_SIZE(files))];
	char what = '1' + draw(f, 5);
	int fd;

	if (draw(f, 2)) {
		fd = open("/proc/self/clear_refs", O_WRONLY);
		CALL(f, write(fd, &what, 1), "clear_refs %c", what);
	} else {
		fd = open(name, O_RDONLY);
		while (CALL(f, read(fd, f->buffer, VT_PAGE), "%s", name) > 0)
			;
	}
	close(fd);
}

/* ---- settings ---- */

static void do_setting(struct fuzzer *f)
{
	static const struct {
		const char *name;
		unsigned int least, most;
	} settings[] = {
		{ "frames", LEAST_FRAMES, 2 * FRAMES }, { "reserve", 0, FRAMES / 3 },
		{ "standby_pct", 0, 90 }, { "demote_pages", 1, 4096 },
		{ "read_ahead_pages", 0, 512 }, { "dirty_pct", 1, 100 }, { "dirty_age_ms", 0, 100 },
		{ "space_max_pages", 0, 4 * FRAMES },
	};
	/* None of these is a valid number of anything. */
	static const char * const nonsense[] = {
		"", "\n", " ", "-1", "-0x1", "4294967296", "4294967295", "18446744073709551615",
		"18446744073709551616", "9223372036854775808", "x", "0x", "1 2", "64k", "1e3",
		"2147483648", "[lru]", "../x", "%s%n", "\001", "none none",
	};
	static const char * const names[] = {
		"frames", "reserve", "policy", "standby_pct", "demote_pages", "read_ahead_pages",
		"dirty_pct", "dirty_age_ms", "backing", "swap", "size_bytes", "frames_actual",
		"swap_slots", "space_max_pages", "stats/pages_in", "stats/frames_pinned",
	};
	/* It is open, so none of these may succeed, neither as backing nor as swap. */
	const char * const disks[] = {
		"none", "\n", "abandon", "/dev/null", "/", "relative", vt_disk(), vt_disk2(),
		vt_disk3(), "/dev/vmdemo",
	};
	const char *name = names[draw(f, ARRAY_SIZE(names))];
	const char *value = nonsense[draw(f, ARRAY_SIZE(nonsense))];
	unsigned int i = draw(f, ARRAY_SIZE(settings)), number;

	number = settings[i].least + draw(f, settings[i].most - settings[i].least + 1);
	switch (draw(f, 8)) {
	case 0:
		CALL(f, vt_set(name, "%s", value), "%s '%s'", name, value);
		break;
	case 1:
		CALL(f, vt_set(name, "%0*d", (int)draw(f, 4000), 0), "%s 0...", name);
		break;
	case 2:
		name = draw(f, 2) ? "backing" : "swap";
		value = disks[draw(f, ARRAY_SIZE(disks))];
		if (!CALL(f, vt_set(name, "%s", value), "%s '%s'", name, value))
			failure(name, 0);
		break;
	case 3:
		value = draw(f, 2) ? "lru" : "fifo";
		CALL(f, vt_set("policy", "%s", value), "%s", value);
		break;
	default:
		CALL(f, vt_set(settings[i].name, "%u", number), "%s %u", settings[i].name, number);
	}
}

/* ---- processes ---- */

static void act(struct fuzzer *f);

/* A child goes on for a while with the mappings, some are killed. It may not share positions. */
static void do_fork(struct fuzzer *f)
{
	int i, kills = draw(f, 4) == 0;
	__u64 state = vt_random(&f->state);
	pid_t pid;

	if (f->child)
		return;
	pid = CALL(f, fork(), "%#jx", (uintmax_t)state);
	if (pid < 0)
		return;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		f->child = true;
		f->state = state;
		for (i = 0; i < FDS; i++)
			if (f->fd[i] >= 0)
				close(f->fd[i]);
		memset(f->fd, -1, sizeof(f->fd));
		for (i = 0; i < 40 && !stopped(); i++)
			act(f);
		_exit(0);
	}
	if (kills) {
		usleep(2000);
		kill(pid, SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

static const struct {
	void (*call)(struct fuzzer *f);
	unsigned int weight;
} acts[] = {
	{ do_open, 60 }, { do_ioctl, 120 }, { do_segment, 40 }, { do_pagemap, 30 },
	{ do_info, 20 }, { do_read, 80 },
	{ do_write, 80 }, { do_fadvise, 60 }, { do_other_file_calls, 40 }, { do_splice, 60 },
	{ do_direct, 40 }, { do_mmap, 120 }, { do_munmap, 30 }, { do_mremap, 40 },
	{ do_mprotect, 30 }, { do_madvise, 60 }, { do_other_memory_calls, 40 }, { do_touch, 150 },
	{ do_vm_access, 30 }, { do_userfaultfd, 10 }, { do_proc, 10 }, { do_setting, 20 },
	{ do_fork, 6 },
};

static void act(struct fuzzer *f)
{
	unsigned int i, all = 0, which;

	for (i = 0; i < ARRAY_SIZE(acts); i++)
		all += acts[i].weight;
	f->steps++;
	which = draw(f, all);
	for (i = 0; which >= acts[i].weight; i++)
		which -= acts[i].weight;
	acts[i].call(f);
}

/* Memory with nothing behind it. */
static char *guarded_buffer(void)
{
	char *buffer = vt_buffer(BUFFER_PAGES + 1);

	if (mprotect(buffer + BUFFER_PAGES * VT_PAGE, VT_PAGE, PROT_NONE))
		vt_fail("mprotect: %s", strerror(errno));
	return buffer;
}

static void fuzz(struct fuzzer *f)
{
	int i;

	memset(f->fd, -1, sizeof(f->fd));
	f->other = open(vt_disk2(), O_RDWR | O_DIRECT | O_CLOEXEC);
	f->file = memfd_create("fuzz", MFD_CLOEXEC);
	f->buffer = guarded_buffer();
	if (f->other < 0 || f->file < 0 || pipe2(f->pipe, O_NONBLOCK | O_CLOEXEC) ||
	    ftruncate(f->file, BUFFER_PAGES * VT_PAGE))
		vt_fail("a pipe, a file or the second disk cannot be opened");
	for (i = 0; i < 3 * FDS; i++)
		do_open(f);
	while (!stopped() && (!f->most || f->steps < f->most))
		act(f);
	__atomic_add_fetch(&common->steps, f->steps, __ATOMIC_RELAXED);
}

/* The checker's pages: read in every way, now and then changed, never other than they should be. */
static void check(__u64 state)
{
	char *buffer = vt_buffer(1), *mem;
	int fd = vt_open(O_RDWR);

	mem = vt_map(fd, 0, CHECKED, VT_RW, MAP_SHARED);
	while (!stopped()) {
		size_t page = vt_random(&state) % CHECKED;
		char *at = mem + page * VT_PAGE;
		__u64 *version = &common->version[page];

		errno = 0;
		if (vt_try_read(at, NULL) || vt_check(at, page, *version) >= 0)
			failure("mapping", page);
		switch (vt_random(&state) % 16) {
		case 0:
			vt_fill(at, page, ++*version);
			break;
		case 1:
			vt_fill(buffer, page, ++*version);
			if (pwrite(fd, buffer, VT_PAGE, page * VT_PAGE) != (ssize_t)VT_PAGE)
				failure("pwrite", page);
			break;
		case 2:
			if (msync(at, VT_PAGE, MS_SYNC))
				failure("msync", page);
			else if (!vt_disk_check(vt_disk(), page, 1, *version))
				failure("disk", page);
			break;
		default:
			if (pread(fd, buffer, VT_PAGE, page * VT_PAGE) != (ssize_t)VT_PAGE ||
			    vt_check(buffer, page, *version) >= 0)
				failure("pread", page);
		}
	}
}

static pid_t pids[FUZZERS + 1];

static pid_t start(int number, __u64 seed, __u64 most)
{
	struct fuzzer f = { .number = number, .state = seed * 1000 + number, .most = most };
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGIO, SIG_IGN);
	alarm(0);
	if (number < FUZZERS)
		fuzz(&f);
	else
		check(f.state);
	_exit(0);
}

static void give_up(int signal)
{
	static const char words[] = "not ok 1 everybody came to an end\n";
	int trigger = open("/proc/sysrq-trigger", O_WRONLY);

	(void)signal;
	/* Who waits, and where, goes to the kernel's log. */
	if (write(trigger, "w", 1) < 0)
		_exit(KSFT_FAIL);
	if (write(STDOUT_FILENO, words, sizeof(words) - 1) < 0)
		_exit(KSFT_FAIL);
	_exit(KSFT_FAIL);
}

/* Run everybody, or one fuzzer (only >= 0); true if all ended well. */
static bool run(int seconds, __u64 seed, int only, __u64 most)
{
	__u64 deadline = vt_now_ms() + seconds * 1000ULL;
	int i, status, fd = vt_open(O_RDONLY);	/* keeps the disk from being let go */
	bool good = true;

	for (i = 0; i <= FUZZERS; i++)
		if (only < 0 || i == only || i == FUZZERS)
			pids[i] = start(i, seed, most);
	while (!stopped() && vt_now_ms() < deadline) {
		__u64 used = vt_get("swap_slots") - vt_stat("swap_free");

		if (used > common->slots_used)
			common->slots_used = used;
		usleep(50000);
		if (most && only >= 0 && waitpid(pids[only], &status, WNOHANG) == pids[only]) {
			pids[only] = 0;
			break;
		}
	}
	__atomic_store_n(&common->stop, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i <= FUZZERS; i++) {
		if (!pids[i])
			continue;
		status = vt_reap(pids[i]);
		pids[i] = 0;
		if (status) {
			printf("# process %d ended with status %d\n", i, status);
			good = false;
		}
	}
	close(fd);
	return good;
}

/* The checker's pages, in the frames and then on the disk. */
static bool all_right(const char *pages)
{
	size_t page, bad = 0;

	for (page = 0; page < CHECKED; page++)
		bad += vt_count_bad(pages + page * VT_PAGE, page, 1, common->version[page]);
	return !bad;
}

static bool right_in_frames(void)
{
	int fd = vt_open(O_RDONLY);
	char *mem = vt_map(fd, 0, CHECKED, PROT_READ, MAP_SHARED);
	bool good = all_right(mem);

	munmap(mem, CHECKED * VT_PAGE);
	close(fd);
	return good;
}

static bool right_on_disk(void)
{
	char *all = vt_buffer(CHECKED);
	size_t page;

	for (page = 0; page < CHECKED; page++)
		vt_disk_read(vt_disk(), page, all + page * VT_PAGE);
	return all_right(all);
}

/* Nothing is held by anybody, and nothing was lost. */
static bool all_is_free(void)
{
	/* The flusher may hold what it is about to write. */
	if (!vt_wait_stat("frames_pinned", 0, 0, 10) || vt_set("backing", "none"))
		return false;
	/* The last shrinking may have been given up for want of frames that could go. */
	vt_set("frames", "%d", FRAMES);
	return vt_wait_stat("frames_free", FRAMES, FRAMES, 10) &&
	       vt_get("frames_actual") == FRAMES && !vt_stat("pages_lost") &&
	       vt_stat("swap_free") == vt_get("swap_slots") && !vt_stat("frames_dirty") &&
	       !vt_stat("read_errors") && !vt_stat("write_errors");
}

static void tell_numbers(void)
{
	static const char * const names[] = {
		"faults_hard", "faults_soft", "faults_mkwrite", "faults_cow", "faults_invalid",
		"faults_zero", "rw_pages", "prefetch_pages", "readahead_pages", "pages_copied",
		"pages_out",
		"swap_full", "evictions_clean",
	};
	size_t i;

	printf("# %ju steps; slots %ju", (uintmax_t)common->steps, (uintmax_t)common->slots_used);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		printf(" %s %ju", names[i], (uintmax_t)vt_stat(names[i]));
	printf("\n");
}

/* Calls that do not get anywhere do no harm either: what must have happened in any run of all. */
static bool everything_was_reached(void)
{
	static const char * const names[] = {
		"faults_hard", "faults_soft", "faults_zero", "faults_mkwrite", "faults_cow",
		"faults_invalid", "rw_pages", "prefetch_pages", "readahead_pages",
		"pages_in", "pages_out", "evictions_clean", "evictions_dirty",
	};
	bool good = common->slots_used > 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (vt_stat(names[i]))
			continue;
		printf("# there were no %s\n", names[i]);
		good = false;
	}
	return good;
}

int main(int argc, char **argv)
{
	__u64 seed = 1, most = 0;
	int option, seconds = 30, only = -1;
	size_t page;
	bool good;

	while ((option = getopt(argc, argv, "t:s:p:n:l")) != -1) {
		if (option == 't')
			seconds = atoi(optarg);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'p')
			only = atoi(optarg);
		else if (option == 'n')
			most = strtoull(optarg, NULL, 0);
		else if (option == 'l')
			logging = true;
		else
			return KSFT_FAIL;
	}
	if (seconds < 1 || only >= FUZZERS)
		vt_fail("usage: fuzz [-t seconds] [-s seed] [-p process, below %d] [-n steps] [-l]",
			FUZZERS);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ksft_set_plan(only < 0 ? 7 : 6);
	printf("# seed %ju, %d s\n", (uintmax_t)seed, seconds);

	common = mmap(NULL, sizeof(*common), VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (common == MAP_FAILED)
		vt_fail("no memory");
	vt_stop();
	vt_disk_fill(vt_disk(), 0, CHECKED, SEED);
	for (page = 0; page < CHECKED; page++)
		common->version[page] = SEED;
	vt_load("backing=%s swap=%s frames=%u", vt_disk(), vt_disk3(), FRAMES);
	size_bytes = vt_get("size_bytes");

	signal(SIGALRM, give_up);
	alarm(seconds + 120);
	good = run(seconds, seed, only, most);
	/* What comes now ends as well, but takes its time on a slow machine. */
	alarm(600);
	ksft_test_result(good, "everybody came to an end\n");
	ksft_test_result(!common->failures, "the checker saw no wrong byte and no error\n");
	ksft_test_result(right_in_frames(), "its pages are right\n");
	ksft_test_result(vt_balanced(), "the counters balance\n");
	tell_numbers();
	/* One process alone, whose steps are had again, need not do everything. */
	if (only < 0)
		ksft_test_result(everything_was_reached(), "everything was reached\n");
	ksft_test_result(all_is_free() && right_on_disk(),
			 "all frames are free, and its pages are right on the disk\n");
	ksft_test_result(!vt_try_unload(), "the module unloads\n");
	if (ksft_get_fail_cnt())
		ksft_exit_fail();
	ksft_exit_pass();
}
