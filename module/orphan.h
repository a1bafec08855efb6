/* SPDX-License-Identifier: GPL-2.0 */
/*
 * orphan.h - pages that outlived their place, because somebody holds them
 */
#ifndef VMDEMO_ORPHAN_H
#define VMDEMO_ORPHAN_H

#include "frame.h"

/* How many the reclaim thread looks at in one go, and how often, in jiffies. */
#define VMDEMO_ORPHAN_LOOK	16384
#define VMDEMO_ORPHAN_TICK	(HZ / 10)

/* Pages that may be lent: by setting, or by the size of the pool. */
static inline u32 vmdemo_orphan_most_lent(const struct vmdemo_pool *pool)
{
	u32 most = READ_ONCE(pool->set.lend_pages);

	return most == VMDEMO_NONE ? max(READ_ONCE(pool->target) / 16, 64U) : most;
}

/* May the pool have one page more? Some are for loans (loan.c). A hint without the pool lock. */
static inline bool vmdemo_orphan_room(const struct vmdemo_pool *pool)
{
	u32 most = vmdemo_orphan_most_lent(pool);

	return (u64)READ_ONCE(pool->nr_frames) + READ_ONCE(pool->nr_orphans) <
	       (u64)READ_ONCE(pool->target) + most - min(most / 2, VMDEMO_LOANS);
}

u32 vmdemo_orphan_look(struct vmdemo_pool *pool, u32 most);
void vmdemo_orphan_forget(struct vmdemo_pool *pool);

#endif /* VMDEMO_ORPHAN_H */
