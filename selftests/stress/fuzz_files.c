// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz_files.c - the calls on files, and the settings
 */
#include <linux/fs.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "fuzz.h"

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

void do_segment(struct fuzzer *f)
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

void do_open(struct fuzzer *f)
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

void do_ioctl(struct fuzzer *f)
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

void do_pagemap(struct fuzzer *f)
{
	struct vmdemo_pagemap map = {
		.offset = anywhere(f),
		.length = draw(f, 4) ? (1 + draw(f, 1024)) * VT_PAGE : hostile(f),
		.pages = (uintptr_t)memory(f),
	};
	int fd = any_fd(f);

	/* The buffer takes this many. */
	if (map.length > 1024 * VT_PAGE)
		map.pages = (uintptr_t)mapped(f);
	CALL(f, ioctl(fd, VMDEMO_IOC_PAGEMAP, &map), "%d {%#jx %#jx %#jx}", fd,
	     (uintmax_t)map.offset, (uintmax_t)map.length, (uintmax_t)map.pages);
}

void do_info(struct fuzzer *f)
{
	struct vmdemo_info *info = (struct vmdemo_info *)f->buffer;
	unsigned int size = draw(f, 2) ? sizeof(*info) : hostile(f);
	void *arg = memory(f);
	int fd = any_fd(f);

	info->size = size;
	info->flags = draw(f, 8) ? 0 : hostile(f);
	CALL(f, ioctl(fd, VMDEMO_IOC_INFO, arg), "%d %p {%u}", fd, arg, size);
}

void do_read(struct fuzzer *f)
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

void do_write(struct fuzzer *f)
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

void do_fadvise(struct fuzzer *f)
{
	__u64 from = anywhere(f), length = draw(f, 2) ? draw(f, 64) * VT_PAGE : hostile(f);
	int fd = any_fd(f), advice = draw(f, 9) - 1;

	CALL(f, posix_fadvise(fd, from, length, advice), "%d %#jx %#jx %d", fd, (uintmax_t)from,
	     (uintmax_t)length, advice);
}

void do_other_file_calls(struct fuzzer *f)
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

void do_splice(struct fuzzer *f)
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
void do_direct(struct fuzzer *f)
{
	off_t at = draw(f, 4096) * VT_PAGE;
	size_t bytes = draw(f, 32) * VT_PAGE;
	void *with = memory(f);

	if (draw(f, 2))
		CALL(f, pread(f->other, with, bytes, at), "%p %zu", with, bytes);
	else
		CALL(f, pwrite(f->other, with, bytes, at), "%p %zu", with, bytes);
}

/* ---- settings ---- */

void do_setting(struct fuzzer *f)
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
		value = vt_policies[draw(f, vt_nr_policies)];
		CALL(f, vt_set("policy", "%s", value), "%s", value);
		break;
	default:
		CALL(f, vt_set(settings[i].name, "%u", number), "%s %u", settings[i].name, number);
	}
}
