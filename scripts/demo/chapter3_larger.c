// SPDX-License-Identifier: GPL-2.0
/*
 * chapter3_larger.c - memory larger than memory: a sparse space, and where its pages are
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tour.h"

#define LARGER_PAGES	192UL
#define LARGER_WRITTEN	160UL

static void draw_places(int fd, const char *title, size_t frames)
{
	draw_pages(fd, title, 0, LARGER_PAGES);
	draw_frames(fd, LARGER_PAGES, frames);
	draw_slots(fd, LARGER_PAGES);
	putchar('\n');
}

static size_t nr_on_disk(int fd)
{
	size_t i, nr = 0;

	for (i = 0; i < LARGER_PAGES; i++)
		nr += page_of(fd, i).state == VMDEMO_PAGE_SWAPPED;
	return nr;
}

static void write_larger(int fd, char *mem, size_t frames)
{
	uint64_t free = counter("swap_free");
	size_t i;

	for (i = 0; i < LARGER_WRITTEN; i++)
		memset(mem + i * PAGE, 'a' + i % 26, PAGE);
	draw_places(fd, "160 of them have been written, one after the other:", frames);
	free -= counter("swap_free");
	check(nr_on_disk(fd) == LARGER_WRITTEN - frames,
	      "what does not fit into frames is on disk: %zu pages", nr_on_disk(fd));
	check(free == LARGER_WRITTEN, "a slot is set aside for each page written: %llu of %llu",
	      (unsigned long long)free, (unsigned long long)attribute("swap_slots"));
}

/* Touch a page that is on disk: it comes, and another goes. */
static void bring_back(int fd, const char *mem, size_t nr)
{
	struct vmdemo_page page = page_of(fd, nr);
	size_t old = 0;

	while (old < LARGER_PAGES && page_of(fd, old).frame == VMDEMO_NO_FRAME)
		old++;
	check(page.state == VMDEMO_PAGE_SWAPPED, "page %zu is on disk, in slot %llu", nr,
	      (unsigned long long)page.slot);
	check(mem[nr * PAGE] == (char)('a' + nr % 26), "touching it: it has its contents");
	page = page_of(fd, nr);
	check(page.frame != VMDEMO_NO_FRAME && counted("faults_hard") == 1,
	      "it is in frame %u now, after %llu hard fault", page.frame,
	      (unsigned long long)counted("faults_hard"));
	page = page_of(fd, old);
	check(page.state == VMDEMO_PAGE_SWAPPED, "page %zu, the oldest, has gone to slot %llu for it",
	      old, (unsigned long long)page.slot);
}

void chapter_larger(void)
{
	size_t frames = knob(64), came = 0, i;
	int dev = open_device(), fd;
	char text[32], *mem;

	say("Memory that belongs to no file has to go somewhere too when frames are short: to a "
	    "slot on the swap disk. So there are three places: virtual pages, which are only "
	    "names; frames, which are few; and slots. A page that was never written is zeros, "
	    "and needs no place.");
	claim("touch a page that is on disk, and it comes in; another one goes out.");
	snprintf(text, sizeof(text), "%zu", frames);
	set_attribute("frames", text);
	fd = make_space(dev, LARGER_PAGES, NULL, 0);
	mem = map_pages(fd, 0, LARGER_PAGES, RW, NULL);
	draw_key();
	draw_places(fd, "192 virtual pages; nothing was touched yet:", frames);
	write_larger(fd, mem, frames);
	count_from_here();
	bring_back(fd, mem, 10);
	putchar('\n');
	draw_places(fd, "and now:", frames);
	for (i = 0; i < LARGER_WRITTEN; i++)
		came += mem[i * PAGE + 99] == (char)('a' + i % 26);
	check(came == LARGER_WRITTEN && !mem[170 * PAGE],
	      "all 160 pages are as they were written, the others are zeros");
	print_counted("faults_hard faults_zero pages_in pages_out");
	munmap(mem, LARGER_PAGES * PAGE);
	close(fd);
	set_attribute("frames", "512");
	close(dev);
	by_hand("tour 3; vmdemo stat");
	try_this("tour 3 128", "With 128 frames rather than 64: how many pages are on disk?",
		 "32: those of the 160 that do not fit into frames. It is still the oldest that "
		 "goes when page 10 comes.");
}
