/* SPDX-License-Identifier: GPL-2.0 */
/*
 * index.h - which page is in which frame
 */
#ifndef VMDEMO_INDEX_H
#define VMDEMO_INDEX_H

#include <vmdemo.h>

#include "broken.h"
#include "frame.h"

/* Victims handed over, and looked at, by one vmdemo_index_evict_oldest(). */
#define VMDEMO_EVICT_BATCH	32
#define VMDEMO_EVICT_LOOK	256

/* What vmdemo_index_evict_oldest() does with victims that cannot go at once. */
enum vmdemo_slow {
	VMDEMO_SLOW_STOP,	/* hand over the first, and look no further */
	VMDEMO_SLOW_DIRTY,	/* hand them over, but for those that are being written */
	VMDEMO_SLOW_CLEAN,	/* ... and for those that would have to be written */
};

struct folio *vmdemo_index_lookup(struct vmdemo_pool *pool, u64 key);
struct folio *vmdemo_index_lookup_sure(struct vmdemo_pool *pool, u64 key);
struct folio *vmdemo_index_get_frame(struct vmdemo_pool *pool, u32 frame);
struct folio *vmdemo_index_get_page_sure(struct vmdemo_pool *pool, u32 frame, u64 key);
bool vmdemo_index_describe(struct vmdemo_space *space, pgoff_t index, struct vmdemo_page *page);
bool vmdemo_index_pinned(struct vmdemo_pool *pool, u32 frame);
struct folio *vmdemo_index_insert(struct vmdemo_space *space, pgoff_t index, u32 *spare, bool hard);
int vmdemo_index_evict(struct vmdemo_pool *pool, struct folio *folio, u32 *keep,
		       unsigned long *lost);
u32 vmdemo_index_insert_ahead(struct vmdemo_space *space, pgoff_t first, u32 nr, u32 keep,
			      struct folio **folios, u32 *done);
u32 vmdemo_index_get_run(struct vmdemo_space *space, pgoff_t first, u32 most, bool write,
			 struct page **pages);
void vmdemo_index_close(struct vmdemo_space *space, pgoff_t first, pgoff_t nr);
bool vmdemo_index_closed(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
u32 vmdemo_index_evict_oldest(struct vmdemo_pool *pool, u32 want, u32 *keep,
			      enum vmdemo_slow how, struct folio **victims, u32 *nr);
void vmdemo_index_orphan(struct vmdemo_pool *pool, struct folio *folio, unsigned long *lost);
bool vmdemo_index_poisoned(struct vmdemo_pool *pool, struct folio *folio);

/*
 * Reference the page in frame @nr if that frame holds page @key, and goes on to hold it; or NULL.
 * Needs no lock; without the pool lock it also fails while an eviction is being tried. Inline:
 * every page that is written comes by here.
 */
static __always_inline struct folio *vmdemo_index_get_page(struct vmdemo_pool *pool, u32 nr,
							   u64 key)
{
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	struct folio *folio = READ_ONCE(frame->folio);

	if (VMDEMO_NO_RECHECK)
		vmdemo_broken_widen_atomic(64);
	/* The frame may go just now, and its page with it: then there is no reference to be had. */
	if (!folio || !folio_try_get(folio))
		return NULL;
	/* With a reference it stays where it is, if it was there still. */
	if ((READ_ONCE(frame->key) == key && READ_ONCE(frame->folio) == folio) || VMDEMO_NO_RECHECK)
		return folio;
	folio_put(folio);
	return NULL;
}

/*
 * Does somebody besides page tables hold @folio? @own references are the caller's, one is the
 * pool's. A hint: the answer may be old at once.
 */
static inline bool vmdemo_folio_pinned(struct folio *folio, int own)
{
	int mapped = atomic_read(&folio->_mapcount) + 1;

	return folio_maybe_dma_pinned(folio) || folio_ref_count(folio) > 1 + own + mapped;
}

#endif /* VMDEMO_INDEX_H */
