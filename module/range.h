/* SPDX-License-Identifier: GPL-2.0 */
/*
 * range.h - many pages of a space at once: fetched, made zeros, cut off
 */
#ifndef VMDEMO_RANGE_H
#define VMDEMO_RANGE_H

#include "space.h"

long vmdemo_range_prefetch(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
int vmdemo_range_discard(struct file *file, struct vmdemo_space *space, pgoff_t first,
			 pgoff_t last);
int vmdemo_range_close(struct vmdemo_space *space, pgoff_t first, pgoff_t nr);
void vmdemo_range_cut(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
int vmdemo_range_set_limit(struct vmdemo_space *space, u32 number, pgoff_t limit);

#endif /* VMDEMO_RANGE_H */
