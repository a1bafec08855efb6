// SPDX-License-Identifier: GPL-2.0
/*
 * segment.c - the segments of a sparse space
 *
 * A space with a table of segments has pages only where a segment has them; the rest is a hole, and
 * a reference to it is aborted. The table is given when the space is made and does not change,
 * except for the limits: how many of the pages that it may have each segment has now.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/mman.h>
#include <linux/slab.h>

#include "segment.h"

/* ---- the table ---- */

/* Is segment @about valid by itself? @origin_size: bytes of the linear space, 0: there is none. */
static int vmdemo_segment_check(const struct vmdemo_segment *about, u64 size, u64 origin_size)
{
	if (!IS_ALIGNED(about->base | about->bound | about->limit | about->origin, PAGE_SIZE))
		return -EINVAL;
	if (!about->bound || about->limit > about->bound || about->base > size ||
	    about->bound > size - about->base)
		return -EINVAL;
	if (strnlen(about->name, sizeof(about->name)) == sizeof(about->name))
		return -EINVAL;
	if ((about->prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) || about->reserved ||
	    about->growth > VMDEMO_GROW_DOWN || about->loading > VMDEMO_LOAD_UPFRONT ||
	    (about->flags & ~VMDEMO_SEGMENT_ORIGIN))
		return -EINVAL;
	if (about->growth == VMDEMO_GROW_NONE && about->limit != about->bound)
		return -EINVAL;
	if (!(about->flags & VMDEMO_SEGMENT_ORIGIN))
		return about->origin ? -EINVAL : 0;
	if (!origin_size)
		return -ENXIO;
	if (about->growth != VMDEMO_GROW_NONE || about->origin >= origin_size ||
	    about->bound > round_up(origin_size, PAGE_SIZE) - about->origin)
		return -EINVAL;
	return 0;
}

static int vmdemo_segment_init(struct vmdemo_seg *seg, const struct vmdemo_segment *about)
{
	seg->about = *about;
	seg->first = about->base >> PAGE_SHIFT;
	seg->bound = about->bound >> PAGE_SHIFT;
	seg->limit = about->limit >> PAGE_SHIFT;
	seg->counts = alloc_percpu_gfp(struct vmdemo_segment_counts, GFP_KERNEL_ACCOUNT);
	return seg->counts ? 0 : -ENOMEM;
}

/**
 * vmdemo_segments_create - the table of a space
 * @about:       the segments, by place
 * @nr:          how many, at least one
 * @size:        of the space, in bytes
 * @origin_size: bytes of the linear space; 0: there is none
 *
 * May sleep. Returns the table, or an ERR_PTR: -EINVAL for a segment that is invalid by itself,
 * overlaps the one before, or is beyond the end of the space or of its origin; -ENXIO for an origin
 * without a linear space; -ENOMEM.
 */
struct vmdemo_segments *vmdemo_segments_create(const struct vmdemo_segment *about, u32 nr, u64 size,
					       u64 origin_size)
{
	struct vmdemo_segments *table;
	u64 end = 0;
	int err = 0;
	u32 i;

	for (i = 0; i < nr && !err; i++) {
		err = about[i].base < end ? -EINVAL :
		      vmdemo_segment_check(&about[i], size, origin_size);
		end = about[i].base + about[i].bound;
	}
	if (err)
		return ERR_PTR(err);
	table = kzalloc(struct_size(table, seg, nr), GFP_KERNEL_ACCOUNT);
	if (!table)
		return ERR_PTR(-ENOMEM);
	for (; table->nr < nr && !err; table->nr += !err)
		err = vmdemo_segment_init(&table->seg[table->nr], &about[table->nr]);
	if (err) {
		vmdemo_segments_free(table);
		return ERR_PTR(err);
	}
	return table;
}

/**
 * vmdemo_segments_free - undo vmdemo_segments_create()
 * @table: nobody uses it any more; NULL: none
 *
 * May sleep.
 */
void vmdemo_segments_free(struct vmdemo_segments *table)
{
	u32 i;

	for (i = 0; table && i < table->nr; i++)
		free_percpu(table->seg[i].counts);
	kfree(table);
}

/* ---- questions ---- */

/**
 * vmdemo_segment_next - the segment that may have a page, or the next one above it
 * @space: a space
 * @index: the page
 *
 * Any context. Returns NULL if there is none, or no table.
 */
struct vmdemo_seg *vmdemo_segment_next(const struct vmdemo_space *space, pgoff_t index)
{
	struct vmdemo_segments *table = space->segments;
	u32 i;

	for (i = 0; table && i < table->nr; i++)
		if (index < table->seg[i].first + table->seg[i].bound)
			return &table->seg[i];
	return NULL;
}

/* The segment that may have the page, even if it does not have it now. */
static struct vmdemo_seg *vmdemo_segment_around(const struct vmdemo_space *space, pgoff_t index)
{
	struct vmdemo_seg *seg = vmdemo_segment_next(space, index);

	return seg && index >= seg->first ? seg : NULL;
}

/**
 * vmdemo_segment_find - the segment that has a page
 * @space: a space
 * @index: the page
 *
 * Any context. Returns NULL if none has it, or there is no table.
 */
struct vmdemo_seg *vmdemo_segment_find(const struct vmdemo_space *space, pgoff_t index)
{
	struct vmdemo_seg *seg = vmdemo_segment_around(space, index);

	return seg && vmdemo_seg_has(seg, index) ? seg : NULL;
}

/**
 * vmdemo_segment_reach - the segment of a page that a program refers to
 * @space: a space with a table
 * @index: the page
 *
 * One that grows down grows to reach it. Any context. Returns NULL if the page is in a hole.
 */
struct vmdemo_seg *vmdemo_segment_reach(const struct vmdemo_space *space, pgoff_t index)
{
	struct vmdemo_seg *seg = vmdemo_segment_around(space, index);
	pgoff_t need, limit;

	if (!seg)
		return NULL;
	if (seg->about.growth == VMDEMO_GROW_DOWN) {
		need = seg->first + seg->bound - index;
		limit = READ_ONCE(seg->limit);
		while (limit < need && !try_cmpxchg(&seg->limit, &limit, need))
			;
		return seg;
	}
	return vmdemo_seg_has(seg, index) ? seg : NULL;
}

/**
 * vmdemo_segment_first_touch - is this the first time that a segment is touched?
 * @seg: the segment
 *
 * Any context. Returns true once.
 */
bool vmdemo_segment_first_touch(struct vmdemo_seg *seg)
{
	return !test_bit(0, &seg->touched) && !test_and_set_bit(0, &seg->touched);
}

/**
 * vmdemo_segment_origin - where a page of a sparse space comes from
 * @space: a sparse space
 * @index: the page
 *
 * Any context. Returns the page of the linear space, or VMDEMO_NO_ORIGIN: it is zeros at first.
 */
pgoff_t vmdemo_segment_origin(const struct vmdemo_space *space, pgoff_t index)
{
	struct vmdemo_seg *seg = vmdemo_segment_around(space, index);

	if (!seg || !vmdemo_seg_has_origin(seg))
		return VMDEMO_NO_ORIGIN;
	return (seg->about.origin >> PAGE_SHIFT) + index - seg->first;
}

/**
 * vmdemo_segment_origins - does any page of a range come from the linear space?
 * @space: a sparse space
 * @first: first page
 * @last:  last page
 *
 * Any context.
 */
bool vmdemo_segment_origins(const struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	struct vmdemo_seg *seg = vmdemo_segment_next(space, first);

	for (; seg && seg->first <= last;
	     seg = vmdemo_segment_next(space, seg->first + seg->bound))
		if (vmdemo_seg_has_origin(seg))
			return true;
	return false;
}

/**
 * vmdemo_segment_set_limit - give a segment more pages, or fewer
 * @seg:   the segment
 * @limit: pages it should have
 * @old:   out: pages it had
 *
 * The space's inode is locked. Returns 0, -EPERM if the segment does not grow, or -ENOMEM beyond
 * its bound. The pages it has no more are for the caller to cut off.
 */
int vmdemo_segment_set_limit(struct vmdemo_seg *seg, pgoff_t limit, pgoff_t *old)
{
	if (seg->about.growth == VMDEMO_GROW_NONE)
		return -EPERM;
	if (limit > seg->bound)
		return -ENOMEM;
	*old = xchg(&seg->limit, limit);
	return 0;
}

/**
 * vmdemo_segment_add - something has happened to a page
 * @space:   a space with segments
 * @index:   the page
 * @counter: what
 *
 * Any context.
 */
void vmdemo_segment_add(const struct vmdemo_space *space, pgoff_t index,
			enum vmdemo_segment_counter counter)
{
	struct vmdemo_seg *seg = vmdemo_segment_around(space, index);

	if (seg)
		this_cpu_inc(seg->counts->count[counter]);
}

/**
 * vmdemo_segment_counted - how often something has happened
 * @seg:     the segment
 * @counter: what
 *
 * Any context. Returns the sum over all CPUs.
 */
u64 vmdemo_segment_counted(const struct vmdemo_seg *seg, enum vmdemo_segment_counter counter)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(seg->counts, cpu)->count[counter]);
	return sum;
}
