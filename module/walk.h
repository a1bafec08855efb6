/* SPDX-License-Identifier: GPL-2.0 */
/*
 * walk.h - visit the resident pages of a range, or the frames in excess
 */
#ifndef VMDEMO_WALK_H
#define VMDEMO_WALK_H

#include "frame.h"

/* A walk over the resident pages of a range of one space, by index or by frame. */
struct vmdemo_walk {
	struct vmdemo_space *space;
	pgoff_t first;
	pgoff_t last;
	u64 pos;
	bool by_frame;
	bool unwritten;
};

void vmdemo_walk_init(struct vmdemo_walk *walk, struct vmdemo_space *space, pgoff_t first,
		      pgoff_t last, bool unwritten);
struct folio *vmdemo_walk_next(struct vmdemo_walk *walk);
u32 vmdemo_walk_excess(struct vmdemo_pool *pool, u32 from, struct folio **folio);

#endif /* VMDEMO_WALK_H */
