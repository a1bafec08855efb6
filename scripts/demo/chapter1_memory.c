// SPDX-License-Identifier: GPL-2.0
/*
 * chapter1_memory.c - what virtual memory is: more data than the frames that show it
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tour.h"

static int verify_part(void *arg)
{
	size_t *part = arg, i;
	char *mem = map_pages(open_device(), 0, tour_pages, PROT_READ, NULL);

	for (i = part[0]; i < part[1]; i++)
		if (sum_of(mem + i * PAGE) != tour_sums[i])
			return 1;
	return 0;
}

static int verify_at_once(void)
{
	size_t part[2], i;
	int bad = 0, status;

	fflush(stdout);
	for (i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork: %s", strerror(errno));
		part[0] = i * tour_pages / 4;
		part[1] = (i + 2) * tour_pages / 4;
		if (!pid)
			_exit(verify_part(part));
	}
	for (i = 0; i < 3; i++) {
		wait(&status);
		bad += !!status;
	}
	return bad;
}

/* Every page, through the few frames there are. */
static void verify_all(const char *mem)
{
	uint64_t most = 0, used;
	size_t i;

	for (i = 0; i < tour_pages && sum_of(mem + i * PAGE) == tour_sums[i]; i++) {
		if (i % 512)
			continue;
		used = counter("frames_active") + counter("frames_standby");
		most = used > most ? used : most;
	}
	check(i == tour_pages, "all %zu pages are right", i);
	check(most <= attribute("frames"), "never more than %llu of them in frames, at any look",
	      (unsigned long long)most);
}

/* All of it into memory, before anything else: how long does that take? */
static uint64_t load_all(int dev)
{
	uint64_t start = now_ns(), own = own_pages(NULL), grown;
	char *copy = malloc(tour_pages * PAGE);

	if (!copy || pread(dev, copy, tour_pages * PAGE, 0) != (ssize_t)(tour_pages * PAGE))
		die("reading all of it: %s", strerror(errno));
	start = now_ns() - start;
	grown = own_pages(NULL) - own;
	check(grown >= tour_pages, "loading everything takes %llu MiB of memory",
	      (unsigned long long)(grown * PAGE >> 20));
	free(copy);
	return start;
}

void chapter_memory(void)
{
	int dev = open_device();
	uint64_t start, first, all;
	char *mem;

	say("Virtual memory separates the memory that a program uses from the memory that there "
	    "is. The program has an address space of pages, as large as it needs. The machine "
	    "has a fixed number of page frames. A page is in a frame while it is used, and on a "
	    "disk otherwise; the program cannot tell which.");
	claim("a program can use 32 times as much memory as there is, and start at once.");
	printf("  %zu pages in the address space, %llu frames behind it\n", tour_pages,
	       (unsigned long long)attribute("frames"));
	draw_groups(dev, "each character is 256 pages; # some are in frames, . none is:",
		    tour_pages);
	start = now_ns();
	mem = map_pages(dev, 0, tour_pages, PROT_READ, NULL);
	check(sum_of(mem) == tour_sums[0], "the first result is right");
	first = now_ns() - start;
	count_from_here();
	verify_all(mem);
	draw_groups(dev, "and now:", tour_pages);
	print_counted("faults_hard readahead_used pages_in evictions_clean");
	check(!verify_at_once(), "three processes at once, each using half of it: all right");
	all = load_all(dev);
	printf("  first result after %.1f ms; after %.1f ms if everything is loaded first\n",
	       first / 1e6, all / 1e6);
	check(first < all / 4, "on demand the first result takes less than a quarter as long");
	munmap(mem, tour_pages * PAGE);
	close(dev);
	by_hand("tour 1; vmdemo map");
	try_this("echo 64 > /sys/class/vmdemo/vmdemo/frames; tour 1",
		 "With 64 frames: what changes, and what does not?",
		 "Never more than 64 pages are in frames. The results are the same, and hardly any "
		 "more faults wait for the disk: what comes next is read ahead.");
}
