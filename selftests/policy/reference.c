// SPDX-License-Identifier: GPL-2.0
/*
 * reference.c - policies that see each reference: LRU, FIFO, the optimum; and LRU's curve
 *
 * The optimum gives up the page that is needed last (Belady, "A study of replacement algorithms for
 * a virtual-storage computer", 1966), so it has to know the future. All three keep the frames in a
 * heap: they differ in what its key is.
 *
 * LRU is a stack algorithm: what n frames hold, n + 1 hold as well. So the number of different
 * pages since a page was used last tells for all sizes at once where it is a miss (Mattson, Gecsei,
 * Slutz and Traiger, "Evaluation techniques for storage hierarchies", 1970). Those pages are
 * counted by a binary indexed tree over the references (Fenwick, 1994), in which the last use of
 * each page is marked (Bennett and Kruskal, "LRU stack processing", 1975).
 */
#include <stdlib.h>

#include "reference.h"

/* For each reference, the next one to the same page; the number of references if there is none. */
static u32 *find_next(const struct trace *trace)
{
	u32 *next = get_memory(trace->nr * sizeof(u32));
	u32 *seen = get_memory(trace->limit * sizeof(u32));
	u32 i;

	for (i = trace->nr; i-- > 0;) {
		/* 1 more than it is: there may be none. */
		next[i] = seen[trace->pages[i]] ? seen[trace->pages[i]] - 1 : trace->nr;
		seen[trace->pages[i]] = i + 1;
	}
	free(seen);
	return next;
}

void exact_create(struct exact_pool *pool, enum exact how, u32 frames, const struct trace *trace)
{
	u32 i;

	*pool = (struct exact_pool){
		.how = how,
		.trace = trace,
		.frames = frames,
		.page_of = get_memory(frames * sizeof(u32)),
		.frame_of = get_memory(trace->limit * sizeof(u32)),
		.next = how == EXACT_OPT ? find_next(trace) : NULL,
		.key = get_memory(frames * sizeof(u64)),
		.heap = get_memory((frames + 1) * sizeof(u32)),
		.place = get_memory(frames * sizeof(u32)),
	};
	for (i = 0; i < trace->limit; i++)
		pool->frame_of[i] = VMDEMO_NONE;
}

void exact_destroy(struct exact_pool *pool)
{
	free(pool->page_of);
	free(pool->frame_of);
	free(pool->next);
	free(pool->key);
	free(pool->heap);
	free(pool->place);
}

static void put(struct exact_pool *pool, u32 place, u32 frame)
{
	pool->heap[place] = frame;
	pool->place[frame] = place;
}

/* The key of @frame is another one: put it where it belongs. */
static void reorder(struct exact_pool *pool, u32 frame)
{
	u32 place = pool->place[frame], other;
	u64 key = pool->key[frame];

	for (; place > 1; place = other) {
		other = place / 2;
		if (pool->key[pool->heap[other]] <= key)
			break;
		put(pool, place, pool->heap[other]);
	}
	for (;; place = other) {
		other = 2 * place;
		if (other > pool->nr)
			break;
		if (other < pool->nr &&
		    pool->key[pool->heap[other + 1]] < pool->key[pool->heap[other]])
			other++;
		if (pool->key[pool->heap[other]] >= key)
			break;
		put(pool, place, pool->heap[other]);
	}
	put(pool, place, frame);
}

/*
 * What reference @i makes its frame's key. For the optimum: the later the next use, the lower; of
 * pages that are never used again, which are all the same, the one used longest ago goes.
 */
static u64 key_of(const struct exact_pool *pool, u32 i)
{
	u32 nr = pool->trace->nr;

	if (pool->how != EXACT_OPT)
		return i;
	return pool->next[i] == nr ? i : 2 * (u64)nr - pool->next[i];
}

bool exact_access(struct exact_pool *pool, u32 i)
{
	u32 page = pool->trace->pages[i], frame = pool->frame_of[page];
	bool miss = frame == VMDEMO_NONE;

	if (miss) {
		if (pool->nr < pool->frames) {
			frame = pool->nr++;
			put(pool, pool->nr, frame);
		} else {
			frame = pool->heap[1];
			pool->frame_of[pool->page_of[frame]] = VMDEMO_NONE;
		}
		pool->page_of[frame] = page;
		pool->frame_of[page] = frame;
	}
	if (miss || pool->how != EXACT_FIFO) {
		pool->key[frame] = key_of(pool, i);
		reorder(pool, frame);
	}
	return miss;
}

u64 exact_misses(const struct trace *trace, u32 frames, enum exact how)
{
	struct exact_pool pool;
	u64 misses = 0;
	u32 i;

	exact_create(&pool, how, frames, trace);
	for (i = 0; i < trace->nr; i++)
		misses += exact_access(&pool, i);
	exact_destroy(&pool);
	return misses;
}

/* The tree: add @by at place @i of @nr, from 1 on; the sum up to place @i. */
static void tree_add(u32 *tree, u32 nr, u32 i, u32 by)
{
	for (; i <= nr; i += i & -i)
		tree[i] += by;
}

static u32 tree_sum(const u32 *tree, u32 i)
{
	u32 sum = 0;

	for (; i; i -= i & -i)
		sum += tree[i];
	return sum;
}

u64 *lru_curve(const struct trace *trace)
{
	u64 *misses = get_memory((trace->nr_pages + 1) * sizeof(u64));
	u32 *tree = get_memory((trace->nr + 1) * sizeof(u32));
	u32 *last = get_memory(trace->limit * sizeof(u32));
	u32 i, page, distance, different = 0;

	/* At first: how many hits have been at this distance, which is 1 for the newest page. */
	for (i = 1; i <= trace->nr; i++) {
		page = trace->pages[i - 1];
		if (last[page]) {
			distance = different - tree_sum(tree, last[page] - 1);
			misses[distance]++;
			tree_add(tree, trace->nr, last[page], -1);
		} else {
			different++;
		}
		tree_add(tree, trace->nr, i, 1);
		last[page] = i;
	}
	/* In one frame more, what hits at that distance hits as well. */
	misses[0] = trace->nr;
	for (i = 1; i <= trace->nr_pages; i++)
		misses[i] = misses[i - 1] - misses[i];
	free(last);
	free(tree);
	return misses;
}
