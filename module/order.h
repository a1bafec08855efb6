/* SPDX-License-Identifier: GPL-2.0 */
/*
 * order.h - the policy's events and questions, under the pool lock
 */
#ifndef VMDEMO_ORDER_H
#define VMDEMO_ORDER_H

#include "frame.h"

/* Frames that vmdemo_order_dirty() looks at in one go. */
#define VMDEMO_ORDER_LOOK	128

/* Frames that vmdemo_order_demote() demotes in one go, and a new policy takes over. */
#define VMDEMO_ORDER_DEMOTE	256U
#define VMDEMO_ORDER_SWITCH	256U

/* Frames that a task that unmaps a range will most likely demote before it is done. */
#define VMDEMO_ORDER_UNMAP	64U

bool vmdemo_order_touch(struct vmdemo_pool *pool, u32 frame, bool soft, bool ahead);
bool vmdemo_order_spare(struct vmdemo_pool *pool, u32 frame);
void vmdemo_order_hold(struct vmdemo_pool *pool, u32 frame);
u32 vmdemo_order_demote(struct vmdemo_pool *pool, u32 most, struct folio **mapped);
bool vmdemo_order_unmapped(struct vmdemo_pool *pool, struct folio *folio, bool done);
bool vmdemo_order_chosen(struct vmdemo_pool *pool);
u32 vmdemo_order_dirty(struct vmdemo_pool *pool, struct vmdemo_node **cursor,
		       struct vmdemo_dirty *dirty, u32 most);
void vmdemo_order_set_policy(struct vmdemo_pool *pool, const struct vmdemo_policy_ops *ops);

#endif /* VMDEMO_ORDER_H */
