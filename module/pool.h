/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pool.h - a fixed number of page frames, and which page is in which
 */
#ifndef VMDEMO_POOL_H
#define VMDEMO_POOL_H

#include "frame.h"

struct vmdemo_pool *vmdemo_pool_create(void);
void vmdemo_pool_destroy(struct vmdemo_pool *pool);

int vmdemo_pool_resize(struct vmdemo_pool *pool, u32 frames);
u32 vmdemo_pool_excess(struct vmdemo_pool *pool, u32 from, struct folio **folio);
void vmdemo_pool_set_policy(struct vmdemo_pool *pool, const struct vmdemo_policy_ops *ops);

u32 vmdemo_pool_reserve(const struct vmdemo_pool *pool);
u32 vmdemo_pool_low(const struct vmdemo_pool *pool);

struct folio *vmdemo_pool_lookup(struct vmdemo_pool *pool, u64 key);
struct folio *vmdemo_pool_lookup_sure(struct vmdemo_pool *pool, u64 key);
struct folio *vmdemo_pool_insert(struct vmdemo_space *space, pgoff_t index, u32 *spare, bool hard);
int vmdemo_pool_evict(struct vmdemo_pool *pool, struct folio *folio, u32 *keep,
		      unsigned long *lost);
void vmdemo_pool_put_free(struct vmdemo_pool *pool, u32 frame);
void vmdemo_pool_orphan(struct vmdemo_pool *pool, struct folio *folio, unsigned long *lost);
int vmdemo_pool_add_page(struct vmdemo_pool *pool, u32 frame);

void vmdemo_pool_touch(struct vmdemo_pool *pool, u32 frame, bool charge);
bool vmdemo_pool_spare(struct vmdemo_pool *pool, u32 frame);
void vmdemo_pool_rotate(struct vmdemo_pool *pool, u32 frame);
void vmdemo_pool_demote(struct vmdemo_pool *pool, u32 frame);
struct folio *vmdemo_pool_demotable(struct vmdemo_pool *pool);
u32 vmdemo_pool_victims(struct vmdemo_pool *pool, u32 *frames, u32 nr);
struct folio *vmdemo_pool_get_frame(struct vmdemo_pool *pool, u32 frame);

void vmdemo_pool_mark(struct vmdemo_pool *pool, u32 frame);
void vmdemo_pool_unmark(struct vmdemo_pool *pool, u32 frame, struct folio *folio);
u32 vmdemo_pool_next_unwritten(struct vmdemo_pool *pool, u32 frame);

/* The flusher's next look: half the age, so that dirt seen twice is at most that old. */
static inline unsigned long vmdemo_pool_flush_delay(const struct vmdemo_pool *pool)
{
	return msecs_to_jiffies(READ_ONCE(pool->set.dirty_age_ms)) / 2 + 1;
}

/* Which list is @frame on? */
enum vmdemo_list_id vmdemo_pool_where(struct vmdemo_pool *pool, u32 frame);

/*
 * Does somebody besides page tables hold @folio? @own references are the caller's, one is the
 * pool's. A hint: the answer may be old at once.
 */
static inline bool vmdemo_folio_pinned(struct folio *folio, int own)
{
	int mapped = atomic_read(&folio->_mapcount) + 1;

	return folio_maybe_dma_pinned(folio) || folio_ref_count(folio) > 1 + own + mapped;
}

/* A walk over the resident pages of a range of one space, by index or by frame. */
struct vmdemo_walk {
	struct vmdemo_space *space;
	pgoff_t first;
	pgoff_t last;
	u64 pos;
	bool by_frame;
	bool unwritten;
};

void vmdemo_walk_init(struct vmdemo_walk *walk, struct vmdemo_space *space, pgoff_t first,
		      pgoff_t last, bool unwritten);
struct folio *vmdemo_walk_next(struct vmdemo_walk *walk);

#endif /* VMDEMO_POOL_H */
