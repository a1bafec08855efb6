/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pool.h - a fixed number of page frames, and how that number changes
 */
#ifndef VMDEMO_POOL_H
#define VMDEMO_POOL_H

#include "frame.h"

/* Are there fewer frames than there should be? */
static inline bool vmdemo_pool_lacks(const struct vmdemo_pool *pool)
{
	return READ_ONCE(pool->nr_frames) < READ_ONCE(pool->target);
}

struct vmdemo_pool *vmdemo_pool_create(void);
void vmdemo_pool_destroy(struct vmdemo_pool *pool);
void vmdemo_pool_set_reserve(struct vmdemo_pool *pool, u32 reserve);
void vmdemo_pool_set_dirty_pct(struct vmdemo_pool *pool, u32 pct);
int vmdemo_pool_resize(struct vmdemo_pool *pool, u32 frames);
struct folio *vmdemo_pool_new_page(gfp_t how_hard);
int vmdemo_pool_add_page(struct vmdemo_pool *pool, u32 frame);
int vmdemo_pool_mend(struct vmdemo_pool *pool, u32 *next);
void vmdemo_pool_replace(struct vmdemo_pool *pool, struct folio *folio);

#endif /* VMDEMO_POOL_H */
