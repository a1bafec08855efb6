/* SPDX-License-Identifier: GPL-2.0 */
/*
 * freelist.h - frames that hold no page
 */
#ifndef VMDEMO_FREELIST_H
#define VMDEMO_FREELIST_H

#include "frame.h"

u32 vmdemo_free_reserve(const struct vmdemo_pool *pool);
u32 vmdemo_free_low(const struct vmdemo_pool *pool);

struct page *vmdemo_free_push(struct vmdemo_pool *pool, u32 frame);
void vmdemo_free_finish(struct vmdemo_pool *pool, struct page *gone);
void vmdemo_free_release(struct page *page);
void vmdemo_free_put(struct vmdemo_pool *pool, u32 frame);

#endif /* VMDEMO_FREELIST_H */
