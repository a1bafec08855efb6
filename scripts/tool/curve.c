// SPDX-License-Identifier: GPL-2.0
/*
 * curve.c - the misses that LRU would have with more frames, by the method of Mattson et al. (1970)
 *
 * A reference hits where the pages referenced since the last reference to the same page are fewer
 * than the frames. What a tree of sums over the references counts are those that are the last ones
 * to their pages yet.
 */
#include <stdlib.h>
#include <string.h>

#include "recording.h"
#include "tool.h"

#define MOST_POINTS	200

static void tree_add(uint32_t *tree, size_t nr, size_t at, int value)
{
	for (at++; at <= nr; at += at & -at)
		tree[at] += value;
}

/* Of all before @at. */
static uint32_t tree_sum(const uint32_t *tree, size_t at)
{
	uint32_t sum = 0;

	for (; at; at -= at & -at)
		sum += tree[at];
	return sum;
}

/*
 * How many misses there are at each distance, and *@never to pages that had not been referenced;
 * *@nr_used: how many pages are referenced at all.
 */
static uint64_t *count_distances(const struct reference *references, size_t nr, size_t nr_pages,
				 uint64_t *never, size_t *nr_used)
{
	uint64_t *count = need_memory(calloc(nr_pages + 1, sizeof(*count)));
	uint32_t *tree = need_memory(calloc(nr + 1, sizeof(*tree)));
	size_t *last = need_memory(calloc(nr_pages + 1, sizeof(*last))); /* + 1 */
	size_t i, page;

	*never = *nr_used = 0;
	for (i = 0; i < nr; i++) {
		page = references[i].page;
		if (last[page]) {
			if (references[i].missed)
				count[tree_sum(tree, i) - tree_sum(tree, last[page])]++;
			tree_add(tree, nr, last[page] - 1, -1);
		} else {
			*never += references[i].missed;
			++*nr_used;
		}
		tree_add(tree, nr, i, 1);
		last[page] = i + 1;
	}
	free(last);
	free(tree);
	return count;
}

struct point *curve_of(const struct reference *references, size_t nr, size_t nr_pages,
		       size_t frames, size_t *nr_points)
{
	struct point *points = need_memory(calloc(MOST_POINTS + 2, sizeof(*points)));
	size_t i, nr_used, step, n = 0;
	uint64_t left, *count = count_distances(references, nr, nr_pages, &left, &nr_used);

	/* With C frames a distance of C or more misses. */
	step = nr_used > frames ? (nr_used - frames + MOST_POINTS - 1) / MOST_POINTS : 1;
	for (i = nr_used; frames && nr_used > frames && i >= frames; i--) {
		left += count[i];
		if ((i - frames) % step == 0 || i == nr_used)
			points[n++] = (struct point){ i, left };
	}
	for (i = 0; i < n / 2; i++) {
		struct point other = points[i];

		points[i] = points[n - 1 - i];
		points[n - 1 - i] = other;
	}
	free(count);
	*nr_points = n;
	return points;
}
