/* SPDX-License-Identifier: GPL-2.0 */
/*
 * writeback.h - dirty frames go to the backing store
 */
#ifndef VMDEMO_WRITEBACK_H
#define VMDEMO_WRITEBACK_H

#include "pager.h"

int vmdemo_writeback_init(struct vmdemo_pool *pool);
void vmdemo_writeback_exit(struct vmdemo_pool *pool);

int vmdemo_writeback_folio(struct vmdemo_io *io, struct folio *folio);
int vmdemo_writeback_range(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
bool vmdemo_writeback_near_limit(const struct vmdemo_pool *pool, u32 nr);
bool vmdemo_writeback_press(struct vmdemo_pool *pool);
int vmdemo_writeback_pause(struct vmdemo_pool *pool);
void vmdemo_writeback_set_age(struct vmdemo_pool *pool, u32 ms);

/*
 * Are so many frames dirty that a writer should be held up? To be asked before a page is made
 * dirty; a little below that it starts the flusher. Any context.
 */
static inline bool vmdemo_writeback_crowded(struct vmdemo_pool *pool)
{
	return unlikely(atomic_read(&pool->nr_unwritten) >=
			(int)READ_ONCE(pool->dirty_background)) && vmdemo_writeback_press(pool);
}

/* No fault waits longer than this, in jiffies, while nothing at all moves. */
#define VMDEMO_STALL	(5 * HZ)

#endif /* VMDEMO_WRITEBACK_H */
