// SPDX-License-Identifier: GPL-2.0
/*
 * pagemap.c - where pages are, drawn: how each state looks, and lines of signs
 */
#include <stdio.h>
#include <sys/ioctl.h>

#include "pagemap.h"

bool map_coloured;

const char map_key[] = ".  nowhere yet    #  in a frame    -  in a frame, next to go    d  on disk";

static const struct look looks[] = {
	[VMDEMO_PAGE_UNTOUCHED] = { '.', "2" }, [VMDEMO_PAGE_ACTIVE] = { '#', "32" },
	[VMDEMO_PAGE_STANDBY] = { '-', "33" },	[VMDEMO_PAGE_LOADING] = { '>', "36" },
	[VMDEMO_PAGE_WRITING] = { '<', "36" },	[VMDEMO_PAGE_SWAPPED] = { 'd', "34" },
};

const struct look map_nothing = { ' ', "0" };

const struct look map_nobody = { '.', "2" };

static const struct look unknown = { '?', "31" };

struct look map_look(uint8_t state)
{
	return state < sizeof(looks) / sizeof(looks[0]) ? looks[state] : unknown;
}

void map_put(struct look look)
{
	if (map_coloured)
		printf("\033[%sm%c\033[0m", look.colour, look.sign);
	else
		putchar(look.sign);
}

void map_put_lines(const struct look *signs, size_t first, size_t step, size_t nr)
{
	size_t from, end, i;

	for (from = 0; from < nr; from += MAP_LINE) {
		/* What is blank at the end of a line is left out. */
		for (end = nr < from + MAP_LINE ? nr : from + MAP_LINE; end > from; end--)
			if (signs[end - 1].sign != ' ')
				break;
		printf("  %8zu%s", first + step * from, end > from ? "  " : "");
		for (i = from; i < end; i++)
			map_put(signs[i]);
		putchar('\n');
	}
	fflush(stdout);
}

struct look map_owner(size_t page, size_t step, uint8_t state)
{
	return (struct look){ '0' + page / step / MAP_LINE % 10, map_look(state).colour };
}

void map_read_segments(int fd, struct map_segments *segments)
{
	struct vmdemo_segment_state state = { .number = 0 };

	while (state.number < VMDEMO_SEGMENTS_MAX && !ioctl(fd, VMDEMO_IOC_SEGMENT, &state))
		segments->table[state.number++] = state.segment;
	segments->nr = state.number;
}

bool map_exists(const struct map_segments *segments, uint64_t byte)
{
	const struct vmdemo_segment *s;
	uint64_t from;

	for (s = segments->table; s < segments->table + segments->nr; s++) {
		from = s->base;
		if (s->growth == VMDEMO_GROW_DOWN)
			from += s->bound - s->limit;
		if (byte - from < s->limit)
			return true;
	}
	return !segments->nr;
}
