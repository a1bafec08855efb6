// SPDX-License-Identifier: GPL-2.0
/*
 * demo.c - a program that uses more memory than it may have, and says what happens
 *
 *   demo sums IMAGE        print a checksum of every page of a disk image
 *   demo run SUMS          use /dev/vmdemo, whose disk holds that image
 *   demo check IMAGE SUMS  afterwards: is everything that the program wrote in the image?
 *
 * Also an example of how to use the device: open it, map it, use it as memory; msync makes it last.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vmdemo.h>

#define PAGE	VMDEMO_PAGE_SIZE
#define SYSFS	"/sys/class/vmdemo/vmdemo/"

/* A page as the demo sees it: the last word is ours to write, the rest is the disk's real data. */
struct page {
	uint64_t data[PAGE / 8 - 1];
	uint64_t stamp;
};

static void fail(const char *what, uint64_t page)
{
	fprintf(stderr, "demo: %s (page %llu): %s\n", what, (unsigned long long)page,
		errno ? strerror(errno) : "wrong data");
	exit(1);
}

static uint64_t sum_of(const struct page *page)
{
	uint64_t sum = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < PAGE / 8 - 1; i++)
		sum = (sum ^ page->data[i]) * 0x100000001b3ULL;
	return sum;
}

static uint64_t stamp_of(uint64_t page)
{
	return page * 0x9e3779b97f4a7c15ULL + 1;
}

static void *map_file(const char *path, int mode, size_t *size)
{
	int fd = open(path, mode);
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	void *map = MAP_FAILED;

	if (end > 0)
		map = mmap(NULL, end, mode == O_RDWR ? PROT_READ | PROT_WRITE : PROT_READ,
			   MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		fprintf(stderr, "demo: cannot map %s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(fd);
	*size = end;
	return map;
}

static unsigned long long counter(const char *name)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), SYSFS "%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		fail(path, 0);
	close(fd);
	return strtoull(text, NULL, 10);
}

static const char *const shown[] = {
	"faults_hard", "faults_soft", "faults_mkwrite", "readahead_used", "pages_in", "pages_out",
	"evictions_clean", "evictions_dirty", "demotions", "unmap_calls",
};

#define NR_SHOWN (sizeof(shown) / sizeof(shown[0]))

static void read_counters(unsigned long long *values)
{
	char name[64];
	size_t i;

	for (i = 0; i < NR_SHOWN; i++) {
		snprintf(name, sizeof(name), "stats/%s", shown[i]);
		values[i] = counter(name);
	}
}

static unsigned long long most_resident;

static void watch_pool(uint64_t page)
{
	unsigned long long now;

	if (page % 1024)
		return;
	now = counter("stats/frames_active") + counter("stats/frames_standby");
	if (now > most_resident)
		most_resident = now;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void step(const char *what)
{
	static double last;
	double now = seconds();

	if (last)
		printf("      done in %.1f s\n", now - last);
	last = now;
	if (*what)
		printf("  %s\n", what);
	fflush(stdout);
}

/* Read every page and compare it with the disk's data; write a stamp into it. */
static void use_all(struct page *mem, uint64_t nr, const uint64_t *sums)
{
	uint64_t i;

	for (i = 0; i < nr; i++) {
		if (sum_of(&mem[i]) != sums[i])
			fail("the disk's data is not in memory", i);
		mem[i].stamp = stamp_of(i);
		watch_pool(i);
	}
}

static void verify(const struct page *mem, uint64_t from, uint64_t to, const uint64_t *sums)
{
	uint64_t i;

	for (i = from; i < to; i++) {
		if (mem[i].stamp != stamp_of(i))
			fail("what was written is not there", i);
		if (sum_of(&mem[i]) != sums[i])
			fail("what was not written has changed", i);
	}
}

static void describe(int fd, uint64_t index, struct vmdemo_page *page)
{
	struct vmdemo_pagemap map = {
		.offset = index * PAGE, .length = PAGE, .pages = (uintptr_t)page,
	};

	if (ioctl(fd, VMDEMO_IOC_PAGEMAP, &map))
		fail("PAGEMAP", index);
}

/* Two processes, each with an open and a mapping of its own, verify a half each. */
static void share(struct page *mem, uint64_t nr, const uint64_t *sums)
{
	struct vmdemo_page before, after;
	int fd = open("/dev/vmdemo", O_RDWR);
	struct page *other;
	pid_t child;
	int status;

	child = fork();
	if (child < 0)
		fail("fork", 0);
	if (!child) {
		other = mmap(NULL, nr * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (other == MAP_FAILED)
			fail("mmap", 0);
		verify(other, nr / 2, nr, sums);
		other[0].stamp = 42;
		describe(fd, 0, &before);
		_exit(before.frame == VMDEMO_NO_FRAME);
	}
	verify(mem, 1, nr / 2, sums);
	if (waitpid(child, &status, 0) < 0 || status)
		fail("the second process", 0);
	if (mem[0].stamp != 42)
		fail("the second process' store is not seen", 0);
	describe(fd, 0, &after);
	printf("      page 0, written by the other process, is in frame %u for both\n",
	       after.frame);
	mem[0].stamp = stamp_of(0);
	close(fd);
}

static void run(const char *sums_path)
{
	unsigned long long before[NR_SHOWN], after[NR_SHOWN], frames = counter("frames");
	size_t size, sums_size, i;
	struct page *mem;
	uint64_t *sums, nr;

	sums = map_file(sums_path, O_RDONLY, &sums_size);
	read_counters(before);
	mem = map_file("/dev/vmdemo", O_RDWR, &size);
	nr = size / PAGE;
	if (sums_size < nr * sizeof(*sums))
		fail("too few checksums", nr);
	printf("A program maps %zu MiB of memory. The pool behind it has %llu page frames: %llu MiB.\n",
	       size >> 20, frames, frames * PAGE >> 20);
	printf("Mapping it has read %llu pages: nothing comes before it is touched.\n\n",
	       counter("stats/pages_in") - before[4]);

	step("It reads all of it, compares every page, and writes into every page ...");
	use_all(mem, nr, sums);
	step("Two processes verify a half each; both see one copy ...");
	share(mem, nr, sums);
	step("msync: everything is to be on the disk ...");
	if (msync(mem, size, MS_SYNC))
		fail("msync", 0);
	step("");
	read_counters(after);

	printf("\n  %-18s %10s %10s\n", "", "before", "after");
	for (i = 0; i < NR_SHOWN; i++)
		printf("  %-18s %10llu %10llu\n", shown[i], before[i], after[i]);
	printf("\nThe program dreamed of %llu pages; at most %llu of %llu frames were resident at any look.\n",
	       (unsigned long long)nr, most_resident, frames);
	printf("%llu hard faults, %llu soft faults, %llu evictions, %llu pages in, %llu pages out.\n",
	       after[0] - before[0], after[1] - before[1], after[6] + after[7] - before[6] - before[7],
	       after[4] - before[4], after[5] - before[5]);
	if (most_resident > frames || after[4] - before[4] < nr || after[5] - before[5] < nr)
		fail("the counters do not fit the story", 0);
	printf("Every page verified.\n");
}

static void print_sums(const char *image)
{
	size_t size, i;
	struct page *mem = map_file(image, O_RDONLY, &size);

	for (i = 0; i < size / PAGE; i++) {
		uint64_t sum = sum_of(&mem[i]);

		if (fwrite(&sum, sizeof(sum), 1, stdout) != 1)
			fail("writing checksums", i);
	}
}

int main(int argc, char **argv)
{
	size_t size, sums_size;

	if (argc == 3 && !strcmp(argv[1], "sums")) {
		print_sums(argv[2]);
	} else if (argc == 3 && !strcmp(argv[1], "run")) {
		run(argv[2]);
	} else if (argc == 4 && !strcmp(argv[1], "check")) {
		struct page *mem = map_file(argv[2], O_RDONLY, &size);

		verify(mem, 0, size / PAGE, map_file(argv[3], O_RDONLY, &sums_size));
		printf("The machine is gone; its disk holds all %zu pages as they were written.\n",
		       size / PAGE);
	} else {
		fprintf(stderr, "usage: demo sums IMAGE | run SUMS | check IMAGE SUMS\n");
		return 2;
	}
	return 0;
}
