// SPDX-License-Identifier: GPL-2.0
/*
 * chapter2_view.c - the program's view: addresses, and segments
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tour.h"

#define VIEW_PLACE	((char *)0x100000000)
#define VIEW_PAGES	16

/* Bytes of a space that are looked at. */
static const size_t offsets[] = { 0, 5000, 40000 };

#define NR_OFFSETS	(sizeof(offsets) / sizeof(*offsets))

static void view_text(char *text, size_t size, size_t offset)
{
	snprintf(text, size, "process %d has written this to byte %zu", (int)getpid(), offset);
}

static int write_view(void *arg)
{
	char *mem = map_pages(*(int *)arg, 0, VIEW_PAGES, RW, VIEW_PLACE);
	size_t i;

	for (i = 0; i < NR_OFFSETS; i++)
		view_text(mem + offsets[i], 64, offsets[i]);
	return 0;
}

/* Is it still what this process has written? */
static int read_view(void *arg __attribute__((unused)))
{
	char text[64];
	size_t i;

	for (i = 0; i < NR_OFFSETS; i++) {
		view_text(text, sizeof(text), offsets[i]);
		if (strcmp(VIEW_PLACE + offsets[i], text))
			return 1;
	}
	return 0;
}

static void one_address(int dev)
{
	int fd[2] = { make_space(dev, VIEW_PAGES, NULL, 0), make_space(dev, VIEW_PAGES, NULL, 0) };
	bool together, apart = true;
	struct pair pair;
	size_t i;

	together = begin_pair(&pair, write_view, read_view, &fd[0], &fd[1]);
	printf("  pointer       byte of its space   in process %-5d   in process %d\n", pair.pid[0],
	       pair.pid[1]);
	for (i = 0; i < NR_OFFSETS; i++) {
		unsigned int frames[2] = { page_of(fd[0], offsets[i] / PAGE).frame,
					   page_of(fd[1], offsets[i] / PAGE).frame };

		printf("  %p %18zu         frame %-3u          frame %u\n",
		       (void *)(VIEW_PLACE + offsets[i]), offsets[i], frames[0], frames[1]);
		apart &= frames[0] != frames[1] && frames[0] != VMDEMO_NO_FRAME &&
			 frames[1] != VMDEMO_NO_FRAME;
	}
	check(together && apart, "both are there at once: one pointer, two frames");
	check(!end_pair(&pair), "each reads what it has written itself, though both have written");
	close(fd[0]);
	close(fd[1]);
}

#define WALK_SEGMENTS	3
#define WALK_PAGES	32

static const char *const walk_names[WALK_SEGMENTS] = { "code", "tables", "data" };

/* Some pages of the first and the last segment. */
static void walk_segments(int fd, size_t step)
{
	unsigned int nr, page;

	for (nr = 0; nr < WALK_SEGMENTS; nr += 2) {
		char *mem = map_pages(fd, nr * WALK_PAGES, WALK_PAGES, PROT_READ, NULL);

		for (page = 0; page < WALK_PAGES; page += step)
			*(volatile char *)(mem + page * PAGE);
		munmap(mem, WALK_PAGES * PAGE);
	}
}

/* The same program and the same walk. Returns its space. */
static int walk(int dev, int loading, uint64_t *in, uint64_t *faults)
{
	struct vmdemo_segment table[WALK_SEGMENTS];
	int i, fd;

	for (i = 0; i < WALK_SEGMENTS; i++) {
		table[i] = segment(walk_names[i], i * WALK_PAGES, WALK_PAGES, PROT_READ);
		table[i].flags = VMDEMO_SEGMENT_ORIGIN;
		table[i].origin = (1000 + i * WALK_PAGES) * PAGE;
		table[i].loading = loading;
	}
	fd = make_space(dev, WALK_SEGMENTS * WALK_PAGES, table, WALK_SEGMENTS);
	count_from_here();
	walk_segments(fd, knob(8));
	/* A segment's pages are on their way still. */
	usleep(100000);
	*in = counted("pages_in");
	*faults = counted("faults_hard");
	return fd;
}

static void by_page_and_by_segment(int dev)
{
	size_t touched = 2 * ((WALK_PAGES + knob(8) - 1) / knob(8));
	uint64_t in[2], faults[2];
	int how, i, fd[2];

	set_attribute("read_ahead_pages", "0");
	fd[0] = walk(dev, VMDEMO_LOAD_PAGE, &in[0], &faults[0]);
	fd[1] = walk(dev, VMDEMO_LOAD_WHOLE, &in[1], &faults[1]);
	set_attribute("read_ahead_pages", "128");
	printf("  %-11s %-32s  %s\n", "", "page by page", "segment by segment");
	for (i = 0; i < WALK_SEGMENTS; i++) {
		printf("  %-11s", walk_names[i]);
		for (how = 0; how < 2; how++) {
			printf("%*s", how + 1, "");
			draw_signs(fd[how], i * WALK_PAGES, WALK_PAGES);
		}
		putchar('\n');
	}
	printf("  %-11s %-32llu  %llu\n  %-11s %-32llu  %llu\n", "pages read",
	       (unsigned long long)in[0], (unsigned long long)in[1], "hard faults",
	       (unsigned long long)faults[0], (unsigned long long)faults[1]);
	check(in[0] == touched && faults[0] == touched,
	      "by page: what was touched, %zu pages, each by a fault of its own", touched);
	check(in[1] == 2 * WALK_PAGES && faults[1] <= 2,
	      "by segment: the whole of the two that were touched, without a fault for each page");
	close(fd[0]);
	close(fd[1]);
}

void chapter_view(void)
{
	int dev = open_device();

	say("A program's addresses are its own. They begin wherever it likes, and say nothing "
	    "about where in memory a byte is: each page of its address space is put into some "
	    "page frame, and the page table tells the processor which. So two programs can use "
	    "one address for different things, and neither can even name what belongs to the "
	    "other.");
	claim("the same address in two processes is in two different frames.");
	one_address(dev);
	putchar('\n');
	say("How much comes into memory at a time is a choice. Pages are all of one size, and "
	    "none comes that is not touched. Segments are parts that mean something to the "
	    "program, and can come as a whole. Here is one program, which touches some pages of "
	    "its code and of its data, run both ways (32 pages a line; # is in a frame, . is "
	    "not):");
	by_page_and_by_segment(dev);
	by_hand("tour 2; vmdemo map --frames");
	try_this("tour 2 1",
		 "It then touches every page, not one in 8. When is it better to bring a segment?",
		 "When most of it will be used: the same pages come, in a few reads instead of 64.");
	close(dev);
}
