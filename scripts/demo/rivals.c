// SPDX-License-Identifier: GPL-2.0
/*
 * rivals.c - demand paging against what there was before it, with the same program and data
 *
 *   rivals    prints two tables, a line a row, columns parted by |
 *
 * A process has sixteen segments on the device. It works in phases, as programs do, each of which
 * needs parts of a few segments, and some segments it never needs. What it finds is checked. It is
 * run under each way of getting its pages into memory: once alone, then several of it, as many at a
 * time as find room. /dev/vmdemo has to have a backing and a swap device; the first 8 MiB are
 * overwritten.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <vmdemo.h>

#define PAGE	((size_t)VMDEMO_PAGE_SIZE)
#define SEGMENTS	16
#define SEGMENT_PAGES	120UL
#define PAGES	(SEGMENTS * SEGMENT_PAGES)
#define PHASES	4
#define PHASE_SEGMENTS	3 /* of their own; segment 0 is used by all of them */
#define RUNS	6 /* in a segment, of RUN_PAGES pages each */
#define RUN_PAGES	4
#define ROUNDS	3
#define PROCESSES	6
#define FORK_PAGES	1024UL
#define SYSFS	"/sys/class/vmdemo/vmdemo/"

enum way { EVERYTHING, SWAPPING, SEGMENTATION, PAGING, READAHEAD, WAYS };

static const struct {
	const char *name;
	int loading;
	int readahead;
} ways[WAYS] = {
	[EVERYTHING] = { "load everything first", VMDEMO_LOAD_UPFRONT, 0 },
	[SWAPPING] = { "swap processes", VMDEMO_LOAD_PAGE, 0 },
	[SEGMENTATION] = { "demand segmentation", VMDEMO_LOAD_WHOLE, 0 },
	[PAGING] = { "demand paging", VMDEMO_LOAD_PAGE, 0 },
	[READAHEAD] = { "... with readahead", VMDEMO_LOAD_PAGE, 64 },
};

/* What a process tells. */
struct told {
	uint64_t first_ns, done_ns; /* when it had its first result, and all */
	char touched[PAGES];
};

struct process {
	int fd;
	pid_t pid;
	uint64_t start_ns;
	struct told *told;
};

static int dev;

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...)
{
	va_list args;

	fputs("rivals: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static uint64_t value_of(const char *name)
{
	unsigned long long value;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), SYSFS "%s", name);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &value) != 1)
		fail("%s: %s", path, strerror(errno));
	fclose(f);
	return value;
}

static void set(const char *name, unsigned long value)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), SYSFS "%s", name);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%lu", value) < 0 || fclose(f))
		fail("%s: %s", path, strerror(errno));
}

/* ---- the program and its data ---- */

static uint64_t word_of(size_t page)
{
	return (page + 1) * 0x9e3779b97f4a7c15ULL;
}

static void store_data(void)
{
	uint64_t *image = calloc(PAGES, PAGE);
	size_t page, i;

	if (!image)
		fail("no memory for the data.");
	for (page = 0; page < PAGES; page++)
		for (i = 0; i < PAGE / 8; i++)
			image[page * PAGE / 8 + i] = word_of(page) + i;
	if (pwrite(dev, image, PAGES * PAGE, 0) != (ssize_t)(PAGES * PAGE) || fsync(dev) ||
	    posix_fadvise(dev, 0, 0, POSIX_FADV_DONTNEED))
		fail("writing the data to the device: %s", strerror(errno));
	free(image);
}

/* One page: all of it is looked at, and if @write is set one word of it is written. */
static void use_page(char *segment, size_t first, size_t page, bool write, struct told *told)
{
	volatile uint64_t *words = (volatile uint64_t *)(segment + page * PAGE);
	uint64_t sum = 0;
	size_t i;

	for (i = 1; i < PAGE / 8; i++)
		sum += words[i] - i;
	if (sum != word_of(first + page) * (PAGE / 8 - 1)) {
		fprintf(stderr, "rivals: page %zu is not as it should be\n", first + page);
		_exit(1);
	}
	if (write)
		words[0]++;
	told->touched[first + page] = 1;
}

static void use_segment(char **segment, int nr, int phase, struct told *told)
{
	int run, i;

	for (run = 0; run < RUNS; run++) {
		/* Where a run lies differs with the segment, and in the first one with the phase.
		 */
		size_t at = (run * 20 + (nr ? nr : phase * 4)) % (SEGMENT_PAGES - RUN_PAGES);

		for (i = 0; i < RUN_PAGES; i++)
			use_page(segment[nr], nr * SEGMENT_PAGES, at + i, nr && !i, told);
	}
}

static void __attribute__((noreturn)) work(int fd, struct told *told, bool by_turns)
{
	char *segment[SEGMENTS];
	int nr, phase, round;

	for (nr = 0; nr < SEGMENTS; nr++) {
		segment[nr] = mmap(NULL, SEGMENT_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
				   fd, nr * SEGMENT_PAGES * PAGE);
		if (segment[nr] == MAP_FAILED)
			_exit(2);
	}
	for (phase = 0; phase < PHASES; phase++) {
		if (by_turns)
			raise(SIGSTOP);
		for (round = 0; round < ROUNDS; round++) {
			use_segment(segment, 0, phase, told);
			for (nr = 0; nr < PHASE_SEGMENTS; nr++) {
				use_segment(segment, 1 + phase * PHASE_SEGMENTS + nr, phase, told);
				if (!told->first_ns)
					told->first_ns = now_ns();
			}
		}
	}
	told->done_ns = now_ns();
	_exit(0);
}

/* ---- processes ---- */

static int make_space(int loading)
{
	struct vmdemo_segment table[SEGMENTS];
	struct vmdemo_space_args args = {
		.size = PAGES * PAGE,
		.segments = (uintptr_t)table,
		.nr_segments = SEGMENTS,
		.flags = VMDEMO_SPACE_CLOEXEC,
	};
	int i, fd;

	for (i = 0; i < SEGMENTS; i++) {
		table[i] = (struct vmdemo_segment){
			.base = i * SEGMENT_PAGES * PAGE,
			.bound = SEGMENT_PAGES * PAGE,
			.limit = SEGMENT_PAGES * PAGE,
			.prot = PROT_READ | PROT_WRITE,
			.flags = VMDEMO_SEGMENT_ORIGIN,
			.origin = i * SEGMENT_PAGES * PAGE,
			.loading = loading,
		};
		snprintf(table[i].name, sizeof(table[i].name), "segment %d", i);
	}
	fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	if (fd < 0)
		fail("making a space: %s", strerror(errno));
	return fd;
}

static void act(int fd, unsigned long request)
{
	struct vmdemo_range range = { .length = PAGES * PAGE };

	if (ioctl(fd, request, &range))
		fail("prefetching or evicting all of a process: %s", strerror(errno));
}

/* Until all its pages are in frames. */
static void wait_loaded(int fd)
{
	static struct vmdemo_page pages[PAGES];
	struct vmdemo_pagemap map = { .length = PAGES * PAGE, .pages = (uintptr_t)pages };
	size_t i;

	do {
		if (ioctl(fd, VMDEMO_IOC_PAGEMAP, &map))
			fail("PAGEMAP: %s", strerror(errno));
		for (i = 0; i < PAGES && pages[i].state != VMDEMO_PAGE_LOADING; i++)
			if (pages[i].frame == VMDEMO_NO_FRAME)
				fail("the process is not in memory as a whole: are there too few frames?");
	} while (i < PAGES && !usleep(50));
}

static size_t nr_touched(const struct told *told)
{
	size_t i, nr = 0;

	for (i = 0; i < PAGES; i++)
		nr += told->touched[i];
	return nr;
}

static void begin(struct process *p, enum way way)
{
	p->told = mmap(NULL, sizeof(*p->told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (p->told == MAP_FAILED)
		fail("no memory.");
	p->start_ns = now_ns();
	p->fd = make_space(ways[way].loading);
	if (way == EVERYTHING)
		wait_loaded(p->fd);
	p->pid = fork();
	if (p->pid < 0)
		fail("fork: %s", strerror(errno));
	if (!p->pid)
		work(p->fd, p->told, way == SWAPPING);
}

/* Wait for it. @stopped: to stop or to end; true if it has ended. */
static bool await(struct process *p, bool stopped)
{
	int status;

	if (waitpid(p->pid, &status, stopped ? WUNTRACED : 0) != p->pid)
		fail("waitpid: %s", strerror(errno));
	if (stopped && WIFSTOPPED(status))
		return false;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail("a process has failed.");
	return true;
}

static void end(struct process *p)
{
	munmap(p->told, sizeof(*p->told));
	close(p->fd);
}

/* ---- measuring ---- */

struct result {
	uint64_t in, out, unused, held, first_us, total_us;
	unsigned int fit;
};

static struct result alone(enum way way)
{
	struct result r = {};
	struct process p;

	r.in = value_of("stats/pages_in");
	r.held = value_of("stats/frames_free");
	begin(&p, way);
	await(&p, false);
	r.held -= value_of("stats/frames_free");
	r.in = value_of("stats/pages_in") - r.in;
	r.unused = r.in - nr_touched(p.told);
	r.first_us = (p.told->first_ns - p.start_ns) / 1000;
	r.total_us = (p.told->done_ns - p.start_ns) / 1000;
	r.fit = (value_of("frames_actual") - value_of("frames_actual") / 32) / r.held;
	end(&p);
	return r;
}

/* By turns of a phase each, the one whose turn it is wholly in memory, the others wholly on disk.
 */
static void swap_by_turns(struct process *p, struct result *r)
{
	int running = PROCESSES, turn, i;
	bool ended[PROCESSES] = {};
	uint64_t in;

	for (turn = 0; running; turn++) {
		for (i = 0; i < PROCESSES; i++) {
			if (ended[i])
				continue;
			in = value_of("stats/pages_in");
			if (!turn) {
				begin(&p[i], SWAPPING);
				await(&p[i], true);
			}
			act(p[i].fd, VMDEMO_IOC_PREFETCH);
			wait_loaded(p[i].fd);
			memset(p[i].told->touched, 0, sizeof(p[i].told->touched));
			kill(p[i].pid, SIGCONT);
			ended[i] = await(&p[i], true);
			act(p[i].fd, VMDEMO_IOC_EVICT);
			r->unused += value_of("stats/pages_in") - in - nr_touched(p[i].told);
			running -= ended[i];
		}
	}
}

static void at_once(struct process *p, enum way way, unsigned int most, struct result *r)
{
	uint64_t touched = 0, in = value_of("stats/pages_in");
	unsigned int i, begun = 0;

	for (i = 0; i < PROCESSES; i++) {
		for (; begun < PROCESSES && begun < i + most; begun++)
			begin(&p[begun], way);
		await(&p[i], false);
		touched += nr_touched(p[i].told);
		/* The next finds room only when this has gone. */
		close(p[i].fd);
		p[i].fd = -1;
	}
	r->unused = value_of("stats/pages_in") - in - touched;
}

static struct result several(enum way way, unsigned int most)
{
	struct process p[PROCESSES];
	struct result r = {};
	uint64_t start = now_ns(), first = 0;
	int i;

	r.in = value_of("stats/pages_in");
	r.out = value_of("stats/pages_out");
	if (way == SWAPPING)
		swap_by_turns(p, &r);
	else
		at_once(p, way, most, &r);
	r.total_us = (now_ns() - start) / 1000;
	r.in = value_of("stats/pages_in") - r.in;
	r.out = value_of("stats/pages_out") - r.out;
	for (i = 0; i < PROCESSES; i++) {
		first += p[i].told->first_ns - start;
		end(&p[i]);
	}
	r.first_us = first / PROCESSES / 1000;
	return r;
}

static void compare_ways(void)
{
	struct result r, s;
	enum way way;

	printf("pages of the process|%lu\nframes|%ju\nprocesses|%d\n", PAGES,
	       (uintmax_t)value_of("frames_actual"), PROCESSES);
	for (way = 0; way < WAYS; way++) {
		set("read_ahead_pages", ways[way].readahead);
		/* Alone, a process that is swapped is loaded once and never leaves. */
		r = alone(way == SWAPPING ? EVERYTHING : way);
		s = several(way, r.fit);
		printf("way|%s|%ju|%ju|%ju|%ju|%ju|%u|%ju|%ju|%ju|%ju|%ju\n", ways[way].name,
		       (uintmax_t)r.in, (uintmax_t)r.unused, (uintmax_t)r.held,
		       (uintmax_t)r.first_us, (uintmax_t)r.total_us, r.fit, (uintmax_t)s.in,
		       (uintmax_t)s.unused, (uintmax_t)s.out, (uintmax_t)s.first_us,
		       (uintmax_t)s.total_us);
	}
}

/* ---- making a process: by fork, or by copying ---- */

/* Bytes of memory that this process has for itself. */
static uint64_t own_bytes(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	unsigned long long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Anonymous: %llu kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024;
}

static void fork_and_write(char *mem, size_t writes)
{
	uint64_t *told =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t start, forked, copied, own;
	char *copy;
	pid_t pid;
	size_t i;

	if (told == MAP_FAILED)
		fail("no memory.");
	start = now_ns();
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (!pid) {
		forked = now_ns();
		own = own_bytes();
		told[2] = now_ns();
		for (i = 0; i < writes; i++)
			mem[i * FORK_PAGES / writes * PAGE] = 1;
		told[1] = now_ns() - told[2];
		told[2] = own_bytes() - own;
		told[0] = forked - start;
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	start = now_ns();
	copy = mmap(NULL, FORK_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (copy == MAP_FAILED)
		fail("no memory.");
	memcpy(copy, mem, FORK_PAGES * PAGE);
	copied = now_ns() - start;
	munmap(copy, FORK_PAGES * PAGE);
	printf("fork|%zu|%ju|%ju|%ju|%ju|%ju\n", writes, (uintmax_t)(told[0] / 1000),
	       (uintmax_t)(told[1] / 1000), (uintmax_t)told[2], (uintmax_t)(copied / 1000),
	       (uintmax_t)(FORK_PAGES * PAGE));
	munmap(told, PAGE);
}

static void compare_fork(void)
{
	static const size_t writes[] = { 0, 1, 16, 128, FORK_PAGES };
	char *mem = mmap(NULL, FORK_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, dev, 0);
	size_t i;

	if (mem == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
	for (i = 0; i < FORK_PAGES; i++)
		*(volatile char *)(mem + i * PAGE);
	for (i = 0; i < sizeof(writes) / sizeof(*writes); i++)
		fork_and_write(mem, writes[i]);
}

int main(void)
{
	dev = open("/dev/vmdemo", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		fail("/dev/vmdemo: %s", strerror(errno));
	store_data();
	compare_ways();
	compare_fork();
	/* The reader of this sees that nothing is missing. */
	printf("complete\n");
	return 0;
}
