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

static int by_key(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

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

/* How many misses there are at each distance: @nr_keys and beyond are the first to their page. */
static uint64_t *count_distances(const struct reference *references, size_t nr, size_t known,
				 const uint64_t *keys, size_t nr_keys)
{
	uint64_t *count = need_memory(calloc(nr_keys + 2, sizeof(*count)));
	uint32_t *tree = need_memory(calloc(nr + 1, sizeof(*tree)));
	size_t *last = need_memory(calloc(nr_keys + 1, sizeof(*last))); /* + 1 */
	size_t i, page, distance;

	for (i = 0; i < nr; i++) {
		page = (const uint64_t *)bsearch(&references[i].key, keys, nr_keys, sizeof(*keys),
						 by_key) - keys;
		distance = nr_keys;
		if (last[page]) {
			distance = tree_sum(tree, i) - tree_sum(tree, last[page]);
			tree_add(tree, nr, last[page] - 1, -1);
		}
		if (i >= known && references[i].missed)
			count[distance]++;
		tree_add(tree, nr, i, 1);
		last[page] = i + 1;
	}
	free(last);
	free(tree);
	return count;
}

struct point *curve_of(const struct reference *references, size_t nr, size_t known, size_t frames,
		       size_t *nr_points)
{
	uint64_t *keys = need_memory(malloc((nr + 1) * sizeof(*keys))), *count, left;
	struct point *points = need_memory(calloc(MOST_POINTS + 2, sizeof(*points)));
	size_t i, nr_keys = 0, step, n = 0;

	for (i = 0; i < nr; i++)
		keys[i] = references[i].key;
	if (nr)
		qsort(keys, nr, sizeof(*keys), by_key);
	for (i = 0; i < nr; i++)
		if (!i || keys[i] != keys[i - 1])
			keys[nr_keys++] = keys[i];
	*nr_points = 0;
	if (!frames || nr_keys <= frames) {
		free(keys);
		return points;
	}
	count = count_distances(references, nr, known, keys, nr_keys);
	/* With C frames a distance of C or more misses. */
	left = count[nr_keys];
	step = (nr_keys - frames + MOST_POINTS - 1) / MOST_POINTS;
	for (i = nr_keys; i >= frames; i--) {
		if (i < nr_keys)
			left += count[i];
		if ((i - frames) % step == 0 || i == nr_keys)
			points[n++] = (struct point){ i, left };
	}
	for (i = 0; i < n / 2; i++) {
		struct point other = points[i];

		points[i] = points[n - 1 - i];
		points[n - 1 - i] = other;
	}
	free(count);
	free(keys);
	*nr_points = n;
	return points;
}
