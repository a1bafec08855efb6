/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dirty.h - which frames hold data that is not on the device yet
 */
#ifndef VMDEMO_DIRTY_H
#define VMDEMO_DIRTY_H

#include "frame.h"

bool vmdemo_dirty_set(struct vmdemo_pool *pool, struct folio *folio);
void vmdemo_dirty_unmark(struct vmdemo_pool *pool, u32 frame, struct folio *folio);
bool vmdemo_dirty_unwritten(struct vmdemo_pool *pool, u32 frame);
u32 vmdemo_dirty_next(struct vmdemo_pool *pool, u32 frame);
u32 vmdemo_dirty_next_sure(struct vmdemo_pool *pool, u32 frame);

void vmdemo_dirty_start_write(struct vmdemo_pool *pool, u32 frame);
void vmdemo_dirty_end_write(struct vmdemo_pool *pool, u32 frame);
int vmdemo_dirty_wait_write(struct vmdemo_pool *pool, u32 frame, unsigned int mode);

/* The flusher's next look: half the age, so that a page seen dirty twice is at most that old. */
static inline unsigned long vmdemo_dirty_flush_delay(const struct vmdemo_pool *pool)
{
	return msecs_to_jiffies(READ_ONCE(pool->set.dirty_age_ms)) / 2 + 1;
}

#endif /* VMDEMO_DIRTY_H */
