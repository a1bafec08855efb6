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

#include "tour.h"

#define LINE	64

struct look {
	char sign;
	const char *colour;
};

static const struct look looks[] = {
	[VMDEMO_PAGE_UNTOUCHED] = { '.', "2" }, [VMDEMO_PAGE_ACTIVE] = { '#', "32" },
	[VMDEMO_PAGE_STANDBY] = { '-', "33" },	[VMDEMO_PAGE_LOADING] = { '>', "36" },
	[VMDEMO_PAGE_WRITING] = { '<', "36" },	[VMDEMO_PAGE_SWAPPED] = { 'd', "34" },
};

static const struct look nothing = { ' ', "0" };

static const struct look nobody = { '.', "2" };

void draw_key(void)
{
	printf("    .  nowhere yet    #  in a frame    -  in a frame, next to go    d  on disk\n\n");
}

static struct vmdemo_page *get_pages(int fd, size_t first, size_t nr)
{
	struct vmdemo_page *pages = calloc(nr, sizeof(*pages));

	if (!pages)
		die("no memory.");
	page_states(fd, first, nr, pages);
	return pages;
}

static void put_look(struct look look)
{
	char text[2] = { look.sign };

	coloured_text(look.colour, text);
}

/* Signs, a number of them in each line, after the number of the first. */
static void put_lines(const struct look *signs, size_t first, size_t nr)
{
	size_t from, end, i;

	for (from = 0; from < nr; from += LINE) {
		/* What is blank at the end of a line is left out. */
		for (end = nr < from + LINE ? nr : from + LINE; end > from; end--)
			if (signs[end - 1].sign != ' ')
				break;
		printf("  %8zu%s", first + from, end > from ? "  " : "");
		for (i = from; i < end; i++)
			put_look(signs[i]);
		putchar('\n');
	}
	fflush(stdout);
}

/* Is there such a page? Of a space without segments all are. */
static bool exists(int fd, size_t page)
{
	struct vmdemo_segment_state state = { .number = 0 };
	const struct vmdemo_segment *s = &state.segment;
	uint64_t from;

	for (; !ioctl(fd, VMDEMO_IOC_SEGMENT, &state); state.number++) {
		from = s->base;
		if (s->growth == VMDEMO_GROW_DOWN)
			from += s->bound - s->limit;
		if (page * PAGE - from < s->limit)
			return true;
	}
	return !state.number;
}

void draw_pages(int fd, const char *title, size_t first, size_t nr)
{
	struct vmdemo_page *pages = get_pages(fd, first, nr);
	struct look *signs = calloc(nr, sizeof(*signs));
	size_t i;

	if (!signs)
		die("no memory.");
	for (i = 0; i < nr; i++)
		signs[i] = exists(fd, first + i) ? looks[pages[i].state] : nothing;
	printf("  %s\n", title);
	put_lines(signs, first, nr);
	free(signs);
	free(pages);
}

void draw_signs(int fd, size_t first, size_t nr)
{
	struct vmdemo_page *pages = get_pages(fd, first, nr);
	size_t i;

	for (i = 0; i < nr; i++)
		put_look(looks[pages[i].state]);
	free(pages);
}

void draw_groups(int fd, const char *title, size_t nr)
{
	struct vmdemo_page *pages = get_pages(fd, 0, nr);
	struct look signs[LINE];
	size_t i, at, resident;

	for (i = 0; i < LINE; i++) {
		resident = 0;
		for (at = i * nr / LINE; at < (i + 1) * nr / LINE; at++)
			resident += pages[at].frame != VMDEMO_NO_FRAME;
		signs[i] = looks[resident ? VMDEMO_PAGE_ACTIVE : VMDEMO_PAGE_UNTOUCHED];
	}
	printf("  %s\n", title);
	put_lines(signs, 0, LINE);
	free(pages);
}

/* A page, where its place is drawn: the number of the line that it is in itself. */
static struct look owner(size_t page, uint8_t state)
{
	return (struct look){ '0' + page / LINE % 10, looks[state].colour };
}

void draw_frames(int fd, size_t nr, size_t frames)
{
	struct look *signs = calloc(frames, sizeof(*signs));
	struct vmdemo_page *pages = get_pages(fd, 0, nr);
	size_t i;

	if (!signs)
		die("no memory.");
	for (i = 0; i < frames; i++)
		signs[i] = nobody;
	for (i = 0; i < nr; i++)
		if (pages[i].frame < frames)
			signs[pages[i].frame] = owner(i, pages[i].state);
	printf("  frames, each with the line above that its page is in (0, 1, 2; . is free):\n");
	put_lines(signs, 0, frames);
	free(signs);
	free(pages);
}

void draw_slots(int fd, size_t nr)
{
	struct vmdemo_page *pages = get_pages(fd, 0, nr);
	struct look signs[4 * LINE];
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
		signs[i] = nobody;
	for (i = 0; i < nr; i++)
		if (pages[i].slot && pages[i].slot - low < slots)
			signs[pages[i].slot - low] = owner(i, pages[i].state);
	printf("  slots on the disk, likewise%s\n", slots ? ":" : ": no page has one");
	put_lines(signs, low, slots);
	free(pages);
}
