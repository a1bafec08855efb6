// SPDX-License-Identifier: GPL-2.0
/*
 * tour.c - virtual memory, chapter by chapter, as it happens in this machine
 *
 *   tour sums IMAGE            print a checksum of every page of a disk image
 *   tour [CHAPTER [NUMBER]]    all chapters, or one, in which NUMBER changes something; it asks at
 *                              its end what
 *
 * /dev/vmdemo's disk holds the image whose checksums are in the file $TOUR_SUMS.
 *
 * The status is 1 if anything was not as the text says.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tool/pagemap.h"
#include "tour.h"

#define SYSFS	"/sys/class/vmdemo/vmdemo/"
#define COLUMNS	79

const uint64_t *tour_sums;
size_t tour_pages;

static bool coloured;
static int failed;

void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("tour: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* ---- telling ---- */

void coloured_text(const char *colour, const char *text)
{
	if (coloured)
		printf("\033[%sm%s\033[0m", colour, text);
	else
		fputs(text, stdout);
}

/* Words in lines of at most COLUMNS; what follows the first line is indented. */
static void print_words(const char *text, int column, int indent)
{
	bool spaced = false;

	while (*text) {
		int length = strcspn(text, " ");

		if (column + 1 + length > COLUMNS) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (spaced) {
			putchar(' ');
			column++;
		}
		printf("%.*s", length, text);
		column += length;
		text += length;
		text += *text == ' ';
		spaced = true;
	}
	putchar('\n');
	fflush(stdout);
}

void say(const char *text)
{
	print_words(text, 0, 0);
	putchar('\n');
}

void claim(const char *text)
{
	coloured_text("1", "Claim: ");
	print_words(text, 7, 7);
	putchar('\n');
}

void check(bool right, const char *format, ...)
{
	char text[256];
	va_list args;

	coloured_text(right ? "32" : "1;31", right ? "  [right] " : "  [WRONG] ");
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print_words(text, 10, 10);
	failed |= !right;
}

void by_hand(const char *command)
{
	printf("\nBy hand:  make run CMD='%s'", command);
}

void try_this(const char *command, const char *question, const char *answer)
{
	printf("\nTry:      make run CMD='%s'\nQuestion: ", command);
	print_words(question, 10, 10);
	printf("Answer:   ");
	print_words(answer, 10, 10);
}

/* ---- counters ---- */

uint64_t attribute(const char *name)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), SYSFS "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
	return strtoull(text, NULL, 10);
}

uint64_t counter(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "stats/%s", name);
	return attribute(path);
}

void set_attribute(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), SYSFS "%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die("%s = %s: %s", path, value, strerror(errno));
	close(fd);
}

static const char *const known[] = {
	"faults_hard", "faults_soft",	  "faults_zero",    "faults_invalid",  "pages_in",
	"pages_out",   "readahead_pages", "readahead_used", "evictions_clean", "evictions_dirty",
	"demotions",   "refaults",	  "pages_copied",   "faults_cow",      "prefetch_pages",
};

#define NR_KNOWN	(sizeof(known) / sizeof(known[0]))

static uint64_t before[NR_KNOWN];

void count_from_here(void)
{
	size_t i;

	for (i = 0; i < NR_KNOWN; i++)
		before[i] = counter(known[i]);
}

uint64_t counted(const char *name)
{
	size_t i;

	for (i = 0; i < NR_KNOWN; i++)
		if (!strcmp(name, known[i]))
			return counter(name) - before[i];
	die("nobody counts %s.", name);
}

const char *what_moved(void)
{
	size_t i;

	for (i = 0; i < NR_KNOWN; i++)
		if (counter(known[i]) != before[i])
			return known[i];
	return NULL;
}

void print_counted(const char *names)
{
	char *copy = strdup(names), *rest = copy, *name;

	while ((name = strsep(&rest, " ")))
		printf("  %-18s %8llu\n", name, (unsigned long long)counted(name));
	free(copy);
}

/* ---- spaces ---- */

int open_device(void)
{
	int fd = open("/dev/vmdemo", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/vmdemo: %s", strerror(errno));
	return fd;
}

int make_space(int dev, size_t pages, const struct vmdemo_segment *segments, unsigned int nr)
{
	struct vmdemo_space_args args = {
		.size = pages * PAGE,
		.segments = (uintptr_t)segments,
		.nr_segments = nr,
		.flags = VMDEMO_SPACE_CLOEXEC,
	};
	int fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);

	if (fd < 0)
		die("a space of %zu pages: %s", pages, strerror(errno));
	return fd;
}

struct vmdemo_segment segment(const char *name, size_t first, size_t pages, int prot)
{
	struct vmdemo_segment s = {
		.base = first * PAGE,
		.bound = pages * PAGE,
		.limit = pages * PAGE,
		.prot = prot,
	};

	snprintf(s.name, sizeof(s.name), "%s", name);
	return s;
}

char *map_pages(int fd, size_t first, size_t pages, int prot, void *place)
{
	int flags = MAP_SHARED | MAP_NORESERVE | (place ? MAP_FIXED_NOREPLACE : 0);
	char *mem = mmap(place, pages * PAGE, prot, flags, fd, first * PAGE);

	if (mem == MAP_FAILED)
		die("mapping %zu pages from page %zu on: %s", pages, first, strerror(errno));
	return mem;
}

size_t act(int fd, unsigned long request, size_t first, size_t pages)
{
	struct vmdemo_range range = { .offset = first * PAGE, .length = pages * PAGE };

	if (ioctl(fd, request, &range))
		die("prefetching or evicting %zu pages: %s", pages, strerror(errno));
	return range.pages;
}

void page_states(int fd, size_t first, size_t nr, struct vmdemo_page *pages)
{
	struct vmdemo_pagemap map = {
		.offset = first * PAGE,
		.length = nr * PAGE,
		.pages = (uintptr_t)pages,
	};

	if (ioctl(fd, VMDEMO_IOC_PAGEMAP, &map))
		die("where %zu pages are: %s", nr, strerror(errno));
}

struct vmdemo_page page_of(int fd, size_t page)
{
	struct vmdemo_page answer;

	page_states(fd, page, 1, &answer);
	return answer;
}

struct vmdemo_segment_state segment_of(int fd, unsigned int number)
{
	struct vmdemo_segment_state state = { .number = number };

	if (ioctl(fd, VMDEMO_IOC_SEGMENT, &state))
		die("what became of segment %u: %s", number, strerror(errno));
	return state;
}

void set_limit(int fd, unsigned int number, size_t pages)
{
	struct vmdemo_segment_limit limit = { .number = number, .limit = pages * PAGE };

	if (ioctl(fd, VMDEMO_IOC_LIMIT, &limit))
		die("the limit of segment %u: %s", number, strerror(errno));
}

/* ---- other things ---- */

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

uint64_t sum_of(const char *page)
{
	const uint64_t *words = (const uint64_t *)page;
	uint64_t sum = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < PAGE / 8; i++)
		sum = (sum ^ words[i]) * 0x100000001b3ULL;
	return sum;
}

uint64_t own_pages(const char *place)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long long kib, own = 0, from, to;
	bool here = false;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
			here = !place || from == (uintptr_t)place;
		else if (here && sscanf(line, "Anonymous: %llu kB", &kib) == 1)
			own += kib;
	}
	if (f)
		fclose(f);
	return own * 1024 / PAGE;
}

int in_child(int (*work)(void *), void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		status = work(arg);
		fflush(stdout);
		_exit(status);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid: %s", strerror(errno));
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* One of a pair: it does the one thing, and the other when it is let go. */
static void __attribute__((noreturn)) be_of_pair(int (*first)(void *), int (*second)(void *),
						 void *arg, const int *here, const int *on)
{
	char byte;
	int status;

	close(here[0]);
	close(on[1]);
	status = first(arg);
	if (write(here[1], "", 1) != 1 || read(on[0], &byte, 1) < 0)
		status = 1;
	_exit(status ? status : second(arg));
}

bool begin_pair(struct pair *pair, int (*first)(void *), int (*second)(void *), void *arg0,
		void *arg1)
{
	int here[2], on[2], i, came = 0;
	char byte;

	if (pipe(here) || pipe(on))
		die("pipe: %s", strerror(errno));
	fflush(stdout);
	for (i = 0; i < 2; i++) {
		pair->pid[i] = fork();
		if (pair->pid[i] < 0)
			die("fork: %s", strerror(errno));
		if (!pair->pid[i])
			be_of_pair(first, second, i ? arg1 : arg0, here, on);
	}
	close(here[1]);
	close(on[0]);
	pair->on = on[1];
	/* One that has died tells nothing. */
	while (came < 2 && read(here[0], &byte, 1) == 1)
		came++;
	close(here[0]);
	return came == 2;
}

int end_pair(struct pair *pair)
{
	int i, status, bad = 0;

	close(pair->on);
	for (i = 0; i < 2; i++)
		bad += waitpid(pair->pid[i], &status, 0) != pair->pid[i] || status;
	return bad;
}

static int read_byte(void *place)
{
	*(volatile char *)place;
	return 0;
}

static int write_byte(void *place)
{
	*(volatile char *)place = 1;
	return 0;
}

int signal_of(char *place, bool write)
{
	int status = in_child(write ? write_byte : read_byte, place);

	return status > 128 ? status - 128 : 0;
}

/* ---- the chapters ---- */

/* What a chapter's second number changes, and between which bounds. */
static const struct {
	const char *title;
	void (*tell)(void);
	unsigned long least, most;
} chapters[] = {
	{ "What virtual memory is", chapter_memory, 0, 0 },
	{ "The program's view", chapter_view, 1, 32 },
	{ "Larger than memory", chapter_larger, 16, 128 },
	{ "The layout of an address space", chapter_layout, 0, 0 },
	{ "Sharing", chapter_sharing, 1, FORK_PAGES },
	{ "Demand paging", chapter_demand, 1, 64 },
	{ "When a page is needed", chapter_fault, 8, 512 },
	{ "Paging against swapping", chapter_swapping, 0, 0 },
	{ "Your own", chapter_own, 1, 4 },
};

#define NR_CHAPTERS	(sizeof(chapters) / sizeof(chapters[0]))

static unsigned long knob_turned;

unsigned long knob(unsigned long usual)
{
	return knob_turned ? knob_turned : usual;
}

/* Seconds that a chapter may take, and all of them. */
#define CHAPTER_SECONDS	20
#define TOUR_SECONDS	180

static void tell(unsigned int nr)
{
	const char *title = chapters[nr - 1].title;
	uint64_t start = now_ns();
	char heading[80];
	double seconds;

	snprintf(heading, sizeof(heading), "%u. %s", nr, title);
	putchar('\n');
	coloured_text("1;4", heading);
	printf("\n\n");
	chapters[nr - 1].tell();
	seconds = (now_ns() - start) / 1e9;
	putchar('\n');
	check(seconds <= CHAPTER_SECONDS, "chapter %u took %.1f s, of the %d it may take", nr,
	      seconds, CHAPTER_SECONDS);
}

static void tell_all(void)
{
	uint64_t start = now_ns();
	unsigned int nr;
	double seconds;

	for (nr = 1; nr <= NR_CHAPTERS; nr++)
		tell(nr);
	seconds = (now_ns() - start) / 1e9;
	check(seconds <= TOUR_SECONDS, "all of them took %.1f s, of the %d they may take", seconds,
	      TOUR_SECONDS);
}

static void print_sums(const char *image)
{
	int fd = open(image, O_RDONLY);
	struct stat st;
	char *mem;
	off_t at;

	if (fd < 0 || fstat(fd, &st))
		die("%s: %s", image, strerror(errno));
	mem = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mem == MAP_FAILED)
		die("%s: %s", image, strerror(errno));
	for (at = 0; at < st.st_size; at += PAGE) {
		uint64_t sum = sum_of(mem + at);

		if (fwrite(&sum, sizeof(sum), 1, stdout) != 1)
			die("writing checksums: %s", strerror(errno));
	}
}

static void read_sums(const char *path)
{
	int fd = path ? open(path, O_RDONLY) : -1;
	struct stat st;

	if (!path)
		die("TOUR_SUMS is not set: scripts/run does so.");
	if (fd < 0 || fstat(fd, &st) || !st.st_size)
		die("%s: %s", path, strerror(errno));
	tour_pages = st.st_size / sizeof(*tour_sums);
	tour_sums = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (tour_sums == MAP_FAILED)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

/* A number from the command line. */
static unsigned long number(const char *text, unsigned long least, unsigned long most,
			    const char *what)
{
	unsigned long n;
	char *end;

	n = strtoul(text, &end, 10);
	if (*end || !*text || n < least || n > most)
		die("%s is a number from %lu to %lu, not '%s'.", what, least, most, text);
	return n;
}

int main(int argc, char **argv)
{
	unsigned int nr = 0;

	/* The machine's output is no terminal, but may end up on one. */
	coloured = isatty(STDOUT_FILENO) || (getenv("TOUR_COLOUR") && *getenv("TOUR_COLOUR"));
	map_coloured = coloured;
	if (argc == 3 && !strcmp(argv[1], "sums")) {
		print_sums(argv[2]);
		return 0;
	}
	if (argc > 3)
		die("usage: tour [CHAPTER [NUMBER]], or: tour sums IMAGE");
	if (argc > 1)
		nr = number(argv[1], 1, NR_CHAPTERS, "a chapter");
	if (argc == 3 && !chapters[nr - 1].most)
		die("chapter %u takes no number.", nr);
	if (argc == 3)
		knob_turned = number(argv[2], chapters[nr - 1].least, chapters[nr - 1].most,
				     "what this chapter takes");
	read_sums(getenv("TOUR_SUMS"));
	if (nr)
		tell(nr);
	else
		tell_all();
	if (failed)
		die("something was not as it should be: look for [WRONG].");
	return 0;
}
