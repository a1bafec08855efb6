// SPDX-License-Identifier: GPL-2.0
/*
 * chapter8_swapping.c - paging against swapping: who goes, thrashing, and the rivals
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tour.h"

/* Which page goes, and why. */
static void who_goes(int dev)
{
	int fd = make_space(dev, 64, NULL, 0), i;
	char *mem = map_pages(fd, 0, 64, RW, NULL);

	/* Nothing but what is touched may be mapped. */
	set_attribute("read_ahead_pages", "0");
	set_attribute("frames", "16");
	for (i = 0; i < 16; i++)
		mem[i * PAGE] = i;
	/* The first ones are used again: they are not the oldest any more. */
	for (i = 0; i < 4; i++)
		mem[i * PAGE] = i;
	draw_pages(fd, "16 frames; pages 0-15 were used, then 0-3 again:", 0, 64);
	for (i = 16; i < 20; i++)
		mem[i * PAGE] = i;
	draw_pages(fd, "then 16-19:", 0, 64);
	check(page_of(fd, 0).frame != VMDEMO_NO_FRAME && page_of(fd, 4).frame == VMDEMO_NO_FRAME,
	      "least recently used: 4-7 have gone, 0-3 have stayed");
	munmap(mem, 64 * PAGE);
	close(fd);
}

/* A loop over more pages than there are frames, and a pool that cures it. */
static void thrash(int dev)
{
	int fd = make_space(dev, 96, NULL, 0), round, i;
	char *mem = map_pages(fd, 0, 96, RW, NULL);
	uint64_t faults[2];

	for (i = 0; i < 96; i++)
		mem[i * PAGE] = i;
	for (round = 0; round < 2; round++) {
		set_attribute("frames", round ? "112" : "64");
		set_attribute("read_ahead_pages", "0");
		for (i = 0; i < 96; i++)
			mem[i * PAGE]++;
		count_from_here();
		for (i = 0; i < 5 * 96; i++)
			mem[i % 96 * PAGE]++;
		faults[round] = counted("faults_hard");
		printf("  five rounds over 96 pages, %3d frames: %3llu hard faults, %3llu refaults\n",
		       round ? 112 : 64, (unsigned long long)faults[round],
		       (unsigned long long)counted("refaults"));
	}
	check(faults[0] > 300 && faults[1] < 10,
	      "thrashing: every page is evicted before its turn; 48 more frames cure it");
	set_attribute("frames", "512");
	set_attribute("read_ahead_pages", "128");
	munmap(mem, 96 * PAGE);
	close(fd);
}

#define RIVALS	"/run/tour-rivals"

/* What rivals has told of a way: of several processes pages read, and how many fit in. */
static void read_way(const char *way, unsigned long *pages, unsigned long *fit)
{
	FILE *f = fopen(RIVALS, "r");
	char line[256], *field;
	int nr;

	*pages = 0;
	*fit = 0;
	while (f && fgets(line, sizeof(line), f)) {
		char *rest = line;

		if (strncmp(line, "way|", 4) || strncmp(line + 4, way, strlen(way)))
			continue;
		for (nr = 1; (field = strsep(&rest, "|")); nr++) {
			if (nr == 8)
				*fit = strtoul(field, NULL, 10);
			if (nr == 9)
				*pages = strtoul(field, NULL, 10);
		}
	}
	if (f)
		fclose(f);
}

static void against_swapping(void)
{
	unsigned long swapped, paged, swapped_fit, paged_fit;

	fflush(stdout);
	check(!system("rivals >" RIVALS " && rivals-table pages <" RIVALS),
	      "each process has checked all that it read");
	read_way("swap processes|", &swapped, &swapped_fit);
	read_way("demand paging|", &paged, &paged_fit);
	unlink(RIVALS);
	check(paged && paged * 4 < swapped, "paging reads a fraction of what swapping reads: %.0f %%",
	      swapped ? paged * 100.0 / swapped : 0);
	check(paged_fit > swapped_fit, "%lu processes fit in, instead of %lu", paged_fit,
	      swapped_fit);
	putchar('\n');
}

void chapter_swapping(void)
{
	int dev;

	say("Before paging, processes were swapped: all of a process was read in for its turn, "
	    "and written out again after it. That takes the I/O of whole processes for each "
	    "turn, and as many frames as the largest one has pages.");
	claim("paging reads a fraction of what swapping reads, and more processes fit in.");
	set_attribute("frames", "4096");
	against_swapping();
	say("(How long each takes, and a drawing: make rivals, whose clock counts instructions. The clock of an "
	    "emulated machine says more about the emulator.)");
	set_attribute("frames", "512");
	set_attribute("read_ahead_pages", "128");
	dev = open_device();
	say("Which page goes out decides how often one has to come in. A module sees faults, not "
	    "references, so older pages are unmapped: touching one is a fault without I/O, and "
	    "shows that it is in use.");
	draw_key();
	who_goes(dev);
	putchar('\n');
	thrash(dev);
	close(dev);
	by_hand("vmdemo set vmdemo frames=64 policy=fifo; vmdemo info");
	try_this("echo fifo > /sys/class/vmdemo/vmdemo/policy; tour 8",
		 "Which line is wrong then, and why?",
		 "0-3 go first: FIFO does not ask what was used again.");
}
