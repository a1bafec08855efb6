// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz_draw.c - numbers, places and lengths to call with, and telling what is called
 */
#include "fuzz.h"

__u64 size_bytes;
bool logging;
static struct fuzzer *teller;	/* the process that made the last call */

/* ---- telling what is called ---- */

void __printf(2, 3) tell(struct fuzzer *f, const char *format, ...)
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

long told(long result)
{
	const struct fuzzer *f = teller;

	if (logging)
		printf("# p%d%s %ju = %ld (%s)\n", f->number, f->child ? "c" : "",
		       (uintmax_t)f->steps, result, result < 0 ? strerror(errno) : "ok");
	return result;
}

/* ---- arguments ---- */

__u64 draw(struct fuzzer *f, __u64 below)
{
	return vt_random(&f->state) % below;
}

/* A number that is likely to be handled wrong, if any is. */
__u64 hostile(struct fuzzer *f)
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

/* A place in the device for calls that do not change it. */
__u64 anywhere(struct fuzzer *f)
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
__u64 writable(struct fuzzer *f)
{
	__u64 place = anywhere(f);

	return place < CHECKED * VT_PAGE ? place + CHECKED * VT_PAGE : place;
}

size_t some_bytes(struct fuzzer *f)
{
	size_t any = draw(f, BUFFER_PAGES * VT_PAGE), page = draw(f, 8) * VT_PAGE;

	return draw(f, 2) ? any : page;
}

char *slot(struct fuzzer *f)
{
	return ARENA + draw(f, SLOTS) * SLOT_BYTES;
}

/* In a mapping, most likely. */
char *mapped(struct fuzzer *f)
{
	char *at = slot(f) + draw(f, MAPPED) * VT_PAGE;

	return draw(f, 8) ? at : at + draw(f, VT_PAGE);
}

/* Where a call may write to, and read from: memory, a mapping, or nothing good. */
void *memory(struct fuzzer *f)
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
size_t span(struct fuzzer *f)
{
	size_t wraps = -(1 + draw(f, 3)) * VT_PAGE, pages = draw(f, MAPPED) * VT_PAGE;

	return draw(f, 16) ? pages : wraps;
}

int any_fd(struct fuzzer *f)
{
	return f->fd[draw(f, FDS)];
}

int fd_to_read(struct fuzzer *f)
{
	return f->fd[draw(f, FDS / 3)];
}
