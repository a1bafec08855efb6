// SPDX-License-Identifier: GPL-2.0
/*
 * walk.c - visit the resident pages of a range, or the frames in excess
 *
 * Nothing is stopped meanwhile; what is resident all the while is visited.
 */
#include "dirty.h"
#include "index.h"
#include "walk.h"

/**
 * vmdemo_walk_init - prepare to visit the resident pages of a range
 * @walk:      the walk
 * @space:     of which space
 * @first:     first page
 * @last:      last page, at least @first
 * @unwritten: only those whose data is not on the device
 *
 * Small ranges are looked up page by page, in order; large ones are found by going through the
 * frames, in any order. Every page that is resident all the while is visited.
 */
void vmdemo_walk_init(struct vmdemo_walk *walk, struct vmdemo_space *space, pgoff_t first,
		      pgoff_t last, bool unwritten)
{
	u32 cost = vmdemo_pool_top(space->pool) / (unwritten ? BITS_PER_LONG : 1);

	walk->space = space;
	walk->first = first;
	walk->last = last;
	walk->unwritten = unwritten;
	walk->by_frame = last - first >= cost;
	walk->pos = walk->by_frame ? 0 : first;
}

static struct folio *vmdemo_walk_next_frame(struct vmdemo_walk *walk)
{
	struct vmdemo_space *space = walk->space;
	struct vmdemo_pool *pool = space->pool;

	for (; walk->pos < vmdemo_pool_top(pool); walk->pos++) {
		struct folio *folio;
		u64 key;

		if (walk->pos % VMDEMO_CHUNK_FRAMES == 0)
			cond_resched();
		if (walk->unwritten) {
			walk->pos = vmdemo_dirty_next_sure(pool, walk->pos);
			if (walk->pos == VMDEMO_NONE)
				break;
		}
		key = READ_ONCE(vmdemo_frame(pool, walk->pos)->key);
		if (key < space->key + walk->first || key > space->key + walk->last)
			continue;
		folio = vmdemo_index_get_frame(pool, walk->pos);
		if (!folio)
			continue;
		/* It may have taken another page since; with a reference it keeps what it has. */
		key = READ_ONCE(vmdemo_frame(pool, walk->pos)->key);
		if (key < space->key + walk->first || key > space->key + walk->last) {
			folio_put(folio);
			continue;
		}
		walk->pos++;
		return folio;
	}
	return NULL;
}

/**
 * vmdemo_walk_next - the next page of a walk
 * @walk: the walk
 *
 * Returns a folio with a reference, or NULL at the end. It may have become another page's:
 * lock it and check that its mapping is the space's and its index in the range. May sleep.
 */
struct folio *vmdemo_walk_next(struct vmdemo_walk *walk)
{
	struct vmdemo_pool *pool = walk->space->pool;

	cond_resched();
	if (walk->by_frame)
		return vmdemo_walk_next_frame(walk);
	while (walk->pos <= walk->last) {
		struct folio *folio = vmdemo_index_lookup_sure(pool, walk->space->key + walk->pos);

		if (walk->pos++ % VMDEMO_CHUNK_FRAMES == 0)
			cond_resched();
		if (!folio)
			continue;
		if (!walk->unwritten || vmdemo_dirty_unwritten(pool, vmdemo_frame_nr(folio)))
			return folio;
		folio_put(folio);
	}
	return NULL;
}

/**
 * vmdemo_walk_excess - the next frame in excess that holds a page
 * @pool:  the pool
 * @from:  number to begin with
 * @folio: the page, with a reference
 *
 * Only a frame that seems to hold a page costs more than a look: most are gone already, for as long
 * as the last is held. What is lent does not go while the pool is besieged. Takes the pool lock,
 * may sleep. Returns its number, or VMDEMO_NONE.
 */
u32 vmdemo_walk_excess(struct vmdemo_pool *pool, u32 from, struct folio **folio)
{
	u32 end = vmdemo_pool_top(pool) - (READ_ONCE(pool->besieged) ? VMDEMO_LOANS : 0);
	u32 nr;

	for (nr = max(from, READ_ONCE(pool->target)); nr < end; nr++) {
		if (nr % VMDEMO_CHUNK_FRAMES == 0)
			cond_resched();
		if (READ_ONCE(vmdemo_frame(pool, nr)->key) == VMDEMO_NO_KEY)
			continue;
		*folio = vmdemo_index_get_frame(pool, nr);
		if (*folio)
			return nr;
	}
	return VMDEMO_NONE;
}
