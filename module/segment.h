/* SPDX-License-Identifier: GPL-2.0 */
/*
 * segment.h - the segments of a sparse space
 */
#ifndef VMDEMO_SEGMENT_H
#define VMDEMO_SEGMENT_H

#include <linux/percpu.h>
#include <vmdemo.h>

#include "frame.h"

/* What is counted of a segment. */
enum vmdemo_segment_counter {
	VMDEMO_SEGMENT_FAULTS,
	VMDEMO_SEGMENT_ZEROED,
	VMDEMO_SEGMENT_LOADED,
	VMDEMO_SEGMENT_WRITTEN,
	VMDEMO_SEGMENT_ABORTED,
	VMDEMO_SEGMENT_COUNTERS
};

struct vmdemo_segment_counts {
	u64 count[VMDEMO_SEGMENT_COUNTERS];
};

/* All but what says otherwise is immutable. */
struct vmdemo_seg {
	struct vmdemo_segment about;	/* as the user gave it */
	pgoff_t first;			/* pages of the space it may have at most */
	pgoff_t bound;
	pgoff_t limit;			/* pages it has: cmpxchg to raise, inode lock to lower */
	unsigned long touched;		/* bit 0: was touched */
	struct vmdemo_segment_counts __percpu *counts;
};

struct vmdemo_segments {
	u32 nr;
	struct vmdemo_seg seg[];	/* by place */
};

struct vmdemo_segments *vmdemo_segments_create(const struct vmdemo_segment *about, u32 nr, u64 size,
					       u64 origin_size);
void vmdemo_segments_free(struct vmdemo_segments *segments);

struct vmdemo_seg *vmdemo_segment_find(const struct vmdemo_space *space, pgoff_t index);
struct vmdemo_seg *vmdemo_segment_next(const struct vmdemo_space *space, pgoff_t index);
struct vmdemo_seg *vmdemo_segment_reach(const struct vmdemo_space *space, pgoff_t index);
bool vmdemo_segment_first_touch(struct vmdemo_seg *seg);
pgoff_t vmdemo_segment_origin(const struct vmdemo_space *space, pgoff_t index);
int vmdemo_segment_set_limit(struct vmdemo_seg *seg, pgoff_t limit, pgoff_t *old);
bool vmdemo_segment_origins(const struct vmdemo_space *space, pgoff_t first, pgoff_t last);
void vmdemo_segment_add(const struct vmdemo_space *space, pgoff_t index,
			enum vmdemo_segment_counter counter);
u64 vmdemo_segment_counted(const struct vmdemo_seg *seg, enum vmdemo_segment_counter counter);

/* Count something of the segment that has page @index, if there are segments. */
static inline void vmdemo_segment_count(const struct vmdemo_space *space, pgoff_t index,
					enum vmdemo_segment_counter counter)
{
	if (unlikely(space->segments))
		vmdemo_segment_add(space, index, counter);
}

/* No page of the linear space. */
#define VMDEMO_NO_ORIGIN	(~0UL)

static inline bool vmdemo_seg_has_origin(const struct vmdemo_seg *seg)
{
	return seg->about.flags & VMDEMO_SEGMENT_ORIGIN;
}

/* The first page it has when it has @limit of them, and the one after the last. */
static inline pgoff_t vmdemo_seg_start(const struct vmdemo_seg *seg, pgoff_t limit)
{
	return seg->about.growth == VMDEMO_GROW_DOWN ? seg->first + seg->bound - limit : seg->first;
}

static inline pgoff_t vmdemo_seg_end(const struct vmdemo_seg *seg, pgoff_t limit)
{
	return vmdemo_seg_start(seg, limit) + limit;
}

static inline bool vmdemo_seg_has(const struct vmdemo_seg *seg, pgoff_t index)
{
	pgoff_t limit = READ_ONCE(seg->limit);

	return index - vmdemo_seg_start(seg, limit) < limit;
}

/* Can there be a page @index in the space? Under the pool lock the answer holds for insertion. */
static inline bool vmdemo_space_has(const struct vmdemo_space *space, pgoff_t index)
{
	if (index >= READ_ONCE(space->nr_pages))
		return false;
	return likely(!space->segments) || vmdemo_segment_find(space, index);
}

#endif /* VMDEMO_SEGMENT_H */
