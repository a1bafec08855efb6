/* SPDX-License-Identifier: GPL-2.0 */
/*
 * leave.h - a page leaves the index and the order, and its frame is free
 */
#ifndef VMDEMO_LEAVE_H
#define VMDEMO_LEAVE_H

#include "frame.h"

/* Victims handed over, and looked at, by one vmdemo_leave_oldest(). */
#define VMDEMO_EVICT_BATCH	32
#define VMDEMO_EVICT_LOOK	256

/* What vmdemo_leave_oldest() does with victims that cannot go at once. */
enum vmdemo_slow {
	VMDEMO_SLOW_STOP,	/* hand over the first, and look no further */
	VMDEMO_SLOW_DIRTY,	/* hand them over, but for those that are being written */
	VMDEMO_SLOW_CLEAN,	/* ... and for those that would have to be written */
};

int vmdemo_leave_evict(struct vmdemo_pool *pool, struct folio *folio, u32 *keep,
		       unsigned long *lost);
u32 vmdemo_leave_oldest(struct vmdemo_pool *pool, u32 want, u32 *keep, enum vmdemo_slow how,
			struct folio **victims, u32 *nr);
void vmdemo_leave_orphan(struct vmdemo_pool *pool, struct folio *folio, unsigned long *lost);
bool vmdemo_leave_poisoned(struct vmdemo_pool *pool, struct folio *folio);

#endif /* VMDEMO_LEAVE_H */
