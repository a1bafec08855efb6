/* SPDX-License-Identifier: GPL-2.0 */
/*
 * index.h - which page is in which frame
 */
#ifndef VMDEMO_INDEX_H
#define VMDEMO_INDEX_H

#include <vmdemo.h>

#include "hash.h"

/* A lookup without the lock gives up after this many hops, and takes the lock. */
#define VMDEMO_MAX_CHAIN	64

/* What an attempt to put a page into a frame has come to. */
enum vmdemo_inserted {
	VMDEMO_INSERT_DONE,
	VMDEMO_INSERT_PRESENT,		/* it is in one */
	VMDEMO_INSERT_NO_FRAME,	/* none is free */
	VMDEMO_INSERT_CLOSED,		/* it is being discarded: vmdemo_space_wait_open() */
	VMDEMO_INSERT_BEYOND,		/* there is no such page: beyond the end, or in a hole */
};

struct folio *vmdemo_index_lookup_sure(struct vmdemo_pool *pool, u64 key);
struct folio *vmdemo_index_get_frame(struct vmdemo_pool *pool, u32 frame);
struct folio *vmdemo_index_get_page_sure(struct vmdemo_pool *pool, u32 frame, u64 key);
u32 vmdemo_index_sample(struct vmdemo_space *space, pgoff_t index, u32 span, u32 looks, u32 enough);
bool vmdemo_index_describe(struct vmdemo_space *space, pgoff_t index, struct vmdemo_page *page);
bool vmdemo_index_pinned(struct vmdemo_pool *pool, u32 frame);
enum vmdemo_inserted vmdemo_index_insert(struct vmdemo_space *space, pgoff_t index, u32 *spare,
					 bool hard, struct folio **folio);
u32 vmdemo_index_insert_ahead(struct vmdemo_space *space, pgoff_t first, u32 nr, u32 leave_free,
			      struct folio **folios, u32 *done);
u32 vmdemo_index_get_run(struct vmdemo_space *space, pgoff_t first, u32 most, bool write,
			 struct page **pages);
bool vmdemo_index_get_near(struct vmdemo_space *space, pgoff_t first, u32 nr, u32 self,
			   struct page **pages);
bool vmdemo_index_close(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
void vmdemo_index_open(struct vmdemo_space *space);
bool vmdemo_index_closed(struct vmdemo_space *space, pgoff_t first, pgoff_t last);

/*
 * Reference the page in frame @nr if that frame holds page @key, and goes on to hold it; or NULL.
 * Needs no lock; without the pool lock it also fails while an eviction is being tried. Inline:
 * every page that is written passes through here.
 */
static __always_inline struct folio *vmdemo_index_get_page(struct vmdemo_pool *pool, u32 nr,
							   u64 key)
{
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	struct folio *folio = READ_ONCE(frame->folio);

	/* The frame may go just now, and its page with it: then there is no reference to be had. */
	if (!folio || !folio_try_get(folio))
		return NULL;
	/* With a reference it stays where it is, if it was there still. */
	if (READ_ONCE(frame->key) == key && READ_ONCE(frame->folio) == folio)
		return folio;
	folio_put(folio);
	return NULL;
}

/**
 * vmdemo_index_lookup - find a resident page
 * @pool: the pool
 * @key:  of the page
 *
 * Returns the folio with a reference, or NULL: it was not there at some moment, or a race was lost;
 * the insertion that follows tells. The caller locks the folio and checks that it still holds the
 * page. Does not sleep. Inline: every request passes through here.
 */
static __always_inline struct folio *vmdemo_index_lookup(struct vmdemo_pool *pool, u64 key)
{
	u32 nr;

	/* Disabled preemption is an RCU section, too, and unlike rcu_read_lock() always inline. */
	rcu_read_lock_sched();
	nr = vmdemo_hash_find(pool, vmdemo_hash_bucket(rcu_dereference_sched(pool->buckets), key),
			      key, VMDEMO_MAX_CHAIN);
	rcu_read_unlock_sched();
	if (unlikely(nr == VMDEMO_HASH_LOST))
		return vmdemo_index_lookup_sure(pool, key);
	return nr == VMDEMO_NONE ? NULL : vmdemo_index_get_page(pool, nr, key);
}

#endif /* VMDEMO_INDEX_H */
