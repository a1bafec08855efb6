/* SPDX-License-Identifier: GPL-2.0 */
/*
 * leave.h - a page leaves the index and the order, and its frame is free
 */
#ifndef VMDEMO_LEAVE_H
#define VMDEMO_LEAVE_H

#include "frame.h"

/* What has become of a page that should leave its frame. */
enum vmdemo_evicted {
	VMDEMO_FREED,		/* the frame is free */
	VMDEMO_WRITING,		/* it is being written */
	VMDEMO_DIRTY,		/* it would have to be written */
	VMDEMO_HELD,		/* somebody has a reference */
	VMDEMO_KEPT,		/* it could not go for another reason, or has gone already */
};

/* Frames were freed for others; of these, @written were dirty when their turn came. Any context. */
static inline void vmdemo_leave_count(struct vmdemo_pool *pool, u32 freed, u32 written)
{
	vmdemo_stat_add(pool, evictions_dirty, written);
	vmdemo_stat_add(pool, evictions_clean, freed - written);
}

/* Victims handed over, and looked at, by one vmdemo_leave_oldest(). */
#define VMDEMO_EVICT_BATCH	32
#define VMDEMO_EVICT_LOOK	256

/* What vmdemo_leave_oldest() does with victims that cannot go at once, unless it holds them. */
enum vmdemo_slow {
	VMDEMO_SLOW_STOP,	/* hand over the first, and look no further */
	VMDEMO_SLOW_DIRTY,	/* hand them over, but for those that are being written */
	VMDEMO_SLOW_CLEAN,	/* ... and for those that would have to be written */
};

/**
 * struct vmdemo_hunt - a search for victims
 * @how:     what to do with those that cannot go at once
 * @refused: disks that take no writes for now, a bit each: what is dirty there is held
 * @on:      each look goes on where the last one ended, at @cursor, rather than at the oldest
 * @cursor:  a frame; NULL: at the oldest
 * @held:    out: whether frames were found that cannot go for now
 * @nr:      out: how many victims are handed over
 * @victims: out: these, each with a reference
 */
struct vmdemo_hunt {
	enum vmdemo_slow how;
	u32 refused;
	bool on;
	struct vmdemo_node *cursor;
	bool held;
	u32 nr;
	struct folio *victims[VMDEMO_EVICT_BATCH];
};

enum vmdemo_evicted vmdemo_leave_evict(struct vmdemo_pool *pool, struct folio *folio, u32 *spare,
				       unsigned long *lost);
u32 vmdemo_leave_oldest(struct vmdemo_pool *pool, u32 want, u32 *spare, struct vmdemo_hunt *hunt);
u32 vmdemo_leave_release(struct vmdemo_pool *pool, u32 refused, u32 most);
void vmdemo_leave_orphan(struct vmdemo_pool *pool, struct folio *folio, bool known,
			 unsigned long *lost);

#endif /* VMDEMO_LEAVE_H */
