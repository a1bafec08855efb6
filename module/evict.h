/* SPDX-License-Identifier: GPL-2.0 */
/*
 * evict.h - a page leaves its frame
 */
#ifndef VMDEMO_EVICT_H
#define VMDEMO_EVICT_H

#include "frame.h"

struct vmdemo_io;

enum vmdemo_evicted {
	VMDEMO_FREED,		/* the frame is free */
	VMDEMO_WRITING,		/* it is being written */
	VMDEMO_DIRTY,		/* it would have to be written */
	VMDEMO_KEPT,		/* it could not go */
};

void vmdemo_evict_unmap(struct vmdemo_space *space, pgoff_t first, pgoff_t nr);
enum vmdemo_evicted vmdemo_evict_folio(struct vmdemo_pool *pool, struct folio *folio,
				       struct vmdemo_io *io, bool force, u32 *keep);

long vmdemo_evict_range(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
/* What vmdemo_evict_drop() does with pages that cannot simply go. */
enum vmdemo_drop {
	VMDEMO_DROP_CLEAN,	/* keep dirty ones, and those that are held */
	VMDEMO_DROP_ALL,	/* drop dirty ones; keep those that are held */
	VMDEMO_DROP_LEAVE,	/* drop dirty ones; leave those that are held to their holders */
	VMDEMO_DROP_DETACH,	/* the same, at once; the pool replaces some, and waits for all */
};

int vmdemo_evict_drop(struct vmdemo_space *space, pgoff_t first, pgoff_t last,
		      enum vmdemo_drop how, unsigned long *lost);

#endif /* VMDEMO_EVICT_H */
