// SPDX-License-Identifier: GPL-2.0
/*
 * draw.c - where pages are, drawn from what PAGEMAP says: pages in frames and slots, and the other
 * way round
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../tool/pagemap.h"
#include "tour.h"

void draw_key(void)
{
	printf("    %s\n\n", map_key);
}

static struct vmdemo_page *get_pages(int fd, size_t first, size_t nr)
{
	struct vmdemo_page *pages = calloc(nr, sizeof(*pages));

	if (!pages)
		die("no memory.");
	page_states(fd, first, nr, pages);
	return pages;
}

void draw_pages(int fd, const char *title, size_t first, size_t nr)
{
	struct vmdemo_page *pages = get_pages(fd, first, nr);
	struct look *signs = calloc(nr, sizeof(*signs));
	struct map_segments segments;
	size_t i;

	if (!signs)
		die("no memory.");
	map_read_segments(fd, &segments);
	for (i = 0; i < nr; i++)
		signs[i] = map_exists(&segments, (first + i) * PAGE) ? map_look(pages[i].state) :
								       map_nothing;
	printf("  %s\n", title);
	map_put_lines(signs, first, 1, nr);
	free(signs);
	free(pages);
}

void draw_signs(int fd, size_t first, size_t nr)
{
	struct vmdemo_page *pages = get_pages(fd, first, nr);
	size_t i;

	for (i = 0; i < nr; i++)
		map_put(map_look(pages[i].state));
	free(pages);
}

void draw_groups(int fd, const char *title, size_t nr)
{
	struct vmdemo_page *pages = get_pages(fd, 0, nr);
	struct look signs[MAP_LINE];
	size_t i, at, resident;

	for (i = 0; i < MAP_LINE; i++) {
		resident = 0;
		for (at = i * nr / MAP_LINE; at < (i + 1) * nr / MAP_LINE; at++)
			resident += pages[at].frame != VMDEMO_NO_FRAME;
		signs[i] = map_look(resident ? VMDEMO_PAGE_ACTIVE : VMDEMO_PAGE_UNTOUCHED);
	}
	printf("  %s\n", title);
	map_put_lines(signs, 0, 1, MAP_LINE);
	free(pages);
}

void draw_frames(int fd, size_t nr, size_t frames)
{
	struct look *signs = calloc(frames, sizeof(*signs));
	struct vmdemo_page *pages = get_pages(fd, 0, nr);
	size_t i;

	if (!signs)
		die("no memory.");
	for (i = 0; i < frames; i++)
		signs[i] = map_nobody;
	for (i = 0; i < nr; i++)
		if (pages[i].frame < frames)
			signs[pages[i].frame] = map_owner(i, 1, pages[i].state);
	printf("  frames, each with the line above that its page is in (0, 1, 2; . is free):\n");
	map_put_lines(signs, 0, 1, frames);
	free(signs);
	free(pages);
}

void draw_slots(int fd, size_t nr)
{
	struct vmdemo_page *pages = get_pages(fd, 0, nr);
	struct look signs[4 * MAP_LINE];
	uint64_t low = UINT64_MAX, high = 0;
	size_t i, slots;

	for (i = 0; i < nr; i++) {
		if (!pages[i].slot)
			continue;
		low = pages[i].slot < low ? pages[i].slot : low;
		high = pages[i].slot > high ? pages[i].slot : high;
	}
	slots = high ? high - low + 1 : 0;
	if (slots > sizeof(signs) / sizeof(*signs))
		slots = sizeof(signs) / sizeof(*signs);
	for (i = 0; i < slots; i++)
		signs[i] = map_nobody;
	for (i = 0; i < nr; i++)
		if (pages[i].slot && pages[i].slot - low < slots)
			signs[pages[i].slot - low] = map_owner(i, 1, pages[i].state);
	printf("  slots on the disk, likewise%s\n", slots ? ":" : ": no page has one");
	map_put_lines(signs, low, 1, slots);
	free(pages);
}
