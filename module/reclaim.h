/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reclaim.h - frames are demoted, evicted and freed
 */
#ifndef VMDEMO_RECLAIM_H
#define VMDEMO_RECLAIM_H

#include "frame.h"

int vmdemo_reclaim_init(struct vmdemo_pool *pool);
void vmdemo_reclaim_exit(struct vmdemo_pool *pool);

int vmdemo_reclaim_try(struct vmdemo_pool *pool, u32 *spare);
int vmdemo_reclaim_wait(struct vmdemo_pool *pool, u32 *spare);
void vmdemo_reclaim_balance(struct vmdemo_pool *pool);
void vmdemo_reclaim_help(struct vmdemo_pool *pool, u32 nr);

long vmdemo_reclaim_range(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
/* What vmdemo_reclaim_drop() does with pages that cannot simply go. */
enum vmdemo_drop {
	VMDEMO_DROP_CLEAN,	/* keep dirty ones, and those that are held */
	VMDEMO_DROP_ALL,	/* drop dirty ones; keep those that are held */
	VMDEMO_DROP_LEAVE,	/* drop dirty ones; leave those that are held to who holds them */
};

int vmdemo_reclaim_drop(struct vmdemo_space *space, pgoff_t first, pgoff_t last,
			enum vmdemo_drop how, unsigned long *lost);
int vmdemo_reclaim_shrink(struct vmdemo_pool *pool, u32 frames);

#endif /* VMDEMO_RECLAIM_H */
