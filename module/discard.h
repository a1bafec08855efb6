/* SPDX-License-Identifier: GPL-2.0 */
/*
 * discard.h - tell the swap device of slots that nobody uses any more
 */
#ifndef VMDEMO_DISCARD_H
#define VMDEMO_DISCARD_H

#include "frame.h"

void vmdemo_discard_init(struct vmdemo_swap *swap, struct vmdemo_pool *pool);
void vmdemo_discard_start(struct vmdemo_swap *swap);
int vmdemo_discard_finish(struct vmdemo_swap *swap, long timeout);
void vmdemo_discard_stop(struct vmdemo_swap *swap);
void vmdemo_discard_set(struct vmdemo_swap *swap, bool on);
void vmdemo_discard_freed(struct vmdemo_swap *swap, u64 slot);

#endif /* VMDEMO_DISCARD_H */
