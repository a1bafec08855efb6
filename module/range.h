/* SPDX-License-Identifier: GPL-2.0 */
/*
 * range.h - many pages of a space at once: fetched, evicted, dropped, made zeros, cut off
 */
#ifndef VMDEMO_RANGE_H
#define VMDEMO_RANGE_H

#include "space.h"

/* What vmdemo_range_drop() does with pages that cannot simply go. */
enum vmdemo_drop {
	VMDEMO_DROP_CLEAN,	/* keep dirty ones, and those that are held */
	VMDEMO_DROP_ALL,	/* drop dirty ones; keep those that are held */
	VMDEMO_DROP_LEAVE,	/* drop dirty ones; leave those that are held to their holders */
	VMDEMO_DROP_DETACH,	/* the same, at once; the pool replaces some, and waits for all */
};

long vmdemo_range_prefetch(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
long vmdemo_range_evict(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
int vmdemo_range_drop(struct vmdemo_space *space, pgoff_t first, pgoff_t last,
		      enum vmdemo_drop how, unsigned long *lost);
int vmdemo_range_discard(struct file *file, struct vmdemo_space *space, pgoff_t first,
			 pgoff_t last);
int vmdemo_range_close(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
void vmdemo_range_cut(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
int vmdemo_range_zero_part(struct vmdemo_space *space, u64 pos, size_t bytes);
int vmdemo_range_zero_tail(struct vmdemo_space *space, u64 pos);
void vmdemo_range_truncate(struct vmdemo_space *space, u64 size);
int vmdemo_range_set_limit(struct vmdemo_space *space, u32 number, pgoff_t limit);

#endif /* VMDEMO_RANGE_H */
