// SPDX-License-Identifier: GPL-2.0
/*
 * tour.c - virtual memory, chapter by chapter, as it happens in this machine
 *
 *   tour sums IMAGE   print a checksum of every page of a disk image
 *   tour [CHAPTER]    all chapters, or one; /dev/vmdemo's disk holds the image whose checksums
 *                     are in the file $TOUR_SUMS
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

static void coloured_text(const char *colour, const char *text)
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
	"demotions",   "refaults",	  "pages_copied",
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

void print_counted(const char *names)
{
	char *copy = strdup(names), *rest = copy, *name;

	while ((name = strsep(&rest, " ")))
		printf("  %-18s %8llu\n", name, (unsigned long long)counted(name));
	putchar('\n');
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

static void pagemap(int fd, size_t first, size_t nr, struct vmdemo_page *pages)
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

	pagemap(fd, page, 1, &answer);
	return answer;
}

void set_limit(int fd, unsigned int number, size_t pages)
{
	struct vmdemo_segment_limit limit = { .number = number, .limit = pages * PAGE };

	if (ioctl(fd, VMDEMO_IOC_LIMIT, &limit))
		die("the limit of segment %u: %s", number, strerror(errno));
}

void draw_key(void)
{
	printf("    .  nowhere yet    #  in a frame    -  in a frame, next to go    d  on disk\n\n");
}

void draw_pages(int fd, const char *title, size_t first, size_t nr)
{
	static const struct {
		char sign;
		const char *colour;
	} looks[] = {
		[VMDEMO_PAGE_UNTOUCHED] = { '.', "2" }, [VMDEMO_PAGE_ACTIVE] = { '#', "32" },
		[VMDEMO_PAGE_STANDBY] = { '-', "33" },	[VMDEMO_PAGE_LOADING] = { '>', "36" },
		[VMDEMO_PAGE_WRITING] = { '<', "36" },	[VMDEMO_PAGE_SWAPPED] = { 'd', "34" },
	};
	struct vmdemo_page *pages = calloc(nr, sizeof(*pages));
	size_t i;

	if (!pages)
		die("no memory.");
	pagemap(fd, first, nr, pages);
	printf("  %s\n", title);
	for (i = 0; i < nr; i++) {
		char sign[2] = { looks[pages[i].state].sign };

		if (i % 64 == 0)
			printf("  %8zu  ", first + i);
		coloured_text(looks[pages[i].state].colour, sign);
		if (i % 64 == 63 || i == nr - 1)
			putchar('\n');
	}
	fflush(stdout);
	free(pages);
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

static const struct {
	const char *title;
	void (*tell)(void);
} chapters[] = {
	{ "What virtual memory is", chapter_memory },
	{ "The program's view", chapter_view },
	{ "Larger than memory", chapter_larger },
	{ "The layout of an address space", chapter_layout },
	{ "Sharing", chapter_sharing },
	{ "Demand paging", chapter_demand },
	{ "When a page is needed", chapter_fault },
	{ "Paging against swapping", chapter_swapping },
};

#define NR_CHAPTERS	(sizeof(chapters) / sizeof(chapters[0]))

static void tell(unsigned int nr)
{
	const char *title = chapters[nr - 1].title;
	uint64_t start = now_ns();
	char heading[80];

	snprintf(heading, sizeof(heading), "%u. %s", nr, title);
	putchar('\n');
	coloured_text("1;4", heading);
	printf("\n\n");
	chapters[nr - 1].tell();
	printf("\n(chapter %u took %.1f s)\n", nr, (now_ns() - start) / 1e9);
	fflush(stdout);
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

int main(int argc, char **argv)
{
	unsigned int nr;
	char *end;

	/* The machine's output is no terminal, but may end up on one. */
	coloured = isatty(STDOUT_FILENO) || (getenv("TOUR_COLOUR") && *getenv("TOUR_COLOUR"));
	if (argc == 3 && !strcmp(argv[1], "sums")) {
		print_sums(argv[2]);
		return 0;
	}
	if (argc > 2)
		die("usage: tour [CHAPTER], or: tour sums IMAGE");
	read_sums(getenv("TOUR_SUMS"));
	if (argc == 2) {
		nr = strtoul(argv[1], &end, 10);
		if (*end || nr < 1 || nr > NR_CHAPTERS)
			die("there are chapters 1 to %zu, not '%s'.", NR_CHAPTERS, argv[1]);
		tell(nr);
	} else {
		for (nr = 1; nr <= NR_CHAPTERS; nr++)
			tell(nr);
	}
	if (failed)
		die("something was not as it should be: look for [WRONG].");
	return 0;
}
