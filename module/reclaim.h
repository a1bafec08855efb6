/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reclaim.h - frames are demoted, evicted and freed
 */
#ifndef VMDEMO_RECLAIM_H
#define VMDEMO_RECLAIM_H

#include "frame.h"

bool vmdemo_reclaim_try(struct vmdemo_pool *pool, u32 *spare);
int vmdemo_reclaim_wait(struct vmdemo_pool *pool, u64 key, u32 *spare);
bool vmdemo_reclaim_stalled(const struct vmdemo_pool *pool);
void vmdemo_reclaim_demote(struct vmdemo_pool *pool, u32 most, u32 enough);
void vmdemo_reclaim_balance(struct vmdemo_pool *pool);
void vmdemo_reclaim_help(struct vmdemo_pool *pool, u32 nr);

#endif /* VMDEMO_RECLAIM_H */
