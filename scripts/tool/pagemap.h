/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pagemap.h - where pages are, drawn: 64 signs in a line, for the tour and for vmdemo map
 */
#ifndef PAGEMAP_H
#define PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmdemo.h>

/* Signs in a line. */
#define MAP_LINE	64

/**
 * struct look - how something is drawn
 * @sign:   a character
 * @colour: SGR parameters
 */
struct look {
	char sign;
	const char *colour;
};

/* Are there to be colours? None until it is set. */
extern bool map_coloured;

/* What the signs of map_look() mean, in a line. */
extern const char map_key[];

struct look map_look(uint8_t state);
/* No such page; and a frame or a slot that is nobody's. */
extern const struct look map_nothing, map_nobody;

void map_put(struct look look);

/* Lines of signs, each after the number of its first; sign i is number @first + @step * i. */
void map_put_lines(const struct look *signs, size_t first, size_t step, size_t nr);

/*
 * A frame or a slot, where its page's place is told: the last digit of the line that the page has
 * in the map of pages, in which each sign is of @step pages.
 */
struct look map_owner(size_t page, size_t step, uint8_t state);

/* The segments of a space; @nr is 0 if it has none, and then there are all pages. */
struct map_segments {
	unsigned int nr;
	struct vmdemo_segment table[VMDEMO_SEGMENTS_MAX];
};

void map_read_segments(int fd, struct map_segments *segments);
/* Is there a page at that byte of the space? */
bool map_exists(const struct map_segments *segments, uint64_t byte);

#endif /* PAGEMAP_H */
