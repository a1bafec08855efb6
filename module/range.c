// SPDX-License-Identifier: GPL-2.0
/*
 * range.c - many pages of a space at once: fetched, made zeros, cut off
 *
 * Getting one page is space.c's. Evicting a range is evict.c's.
 */
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "backing.h"
#include "evict.h"
#include "freelist.h"
#include "index.h"
#include "job.h"
#include "pager.h"
#include "range.h"
#include "reclaim.h"
#include "segment.h"
#include "swap.h"

/* Pages discarded in one go: 32 MiB. */
#define VMDEMO_DISCARD_PART	8192UL

/*
 * The next page of a sparse space that has to be read; more than @last: none, or killed. All that
 * was written and never went out is passed over.
 */
static pgoff_t vmdemo_range_next_stored(struct vmdemo_space *space, pgoff_t index, pgoff_t last)
{
	for (; index <= last; index++) {
		index = vmdemo_swap_next_data(space, index, last);
		if (index > last || vmdemo_space_data_run(space, index, 1, true))
			break;
		if (fatal_signal_pending(current))
			return last + 1;
		cond_resched();
	}
	return index;
}

/**
 * vmdemo_range_prefetch - start reading the absent pages of a range
 * @space: the space
 * @first: first page
 * @last:  last page
 *
 * As many as the pool can take beside its reserve. Sleeps for frames, not for the reads. Returns
 * the number of reads started, -EINTR, or -EBUSY if there were none for want of frames.
 */
long vmdemo_range_prefetch(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	struct vmdemo_pool *pool = space->pool;
	struct vmdemo_io io = { .space = space };
	long room = READ_ONCE(pool->nr_frames) - vmdemo_free_reserve(pool);
	u32 spare = VMDEMO_NONE;
	pgoff_t index = first;
	struct folio *folio;
	long nr = 0;
	int err = 0;

	while (index <= last && nr < room && !err) {
		if (space->swap) {
			index = vmdemo_range_next_stored(space, index, last);
			if (index > last)
				break;
		}
		switch (vmdemo_index_insert(space, index, &spare, false, &folio)) {
		case VMDEMO_INSERT_DONE:
			io.expect = last - index + 1;
			vmdemo_pager_read(&io, folio);
			folio_put(folio);
			nr++;
			fallthrough;
		case VMDEMO_INSERT_PRESENT:
			index++;
			break;
		case VMDEMO_INSERT_NO_FRAME:
			vmdemo_pager_submit(&io);
			if (!vmdemo_reclaim_try(pool, &spare))
				err = vmdemo_reclaim_wait(pool, &spare);
			break;
		case VMDEMO_INSERT_CLOSED:
			/* The discard may be waiting for pages gathered here. */
			vmdemo_pager_submit(&io);
			err = vmdemo_space_wait_open(space, index, index);
			break;
		case VMDEMO_INSERT_BEYOND:
			room = 0;
			break;
		}
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	vmdemo_pager_submit(&io);
	if (spare != VMDEMO_NONE)
		vmdemo_free_put(pool, spare);
	vmdemo_stat_add(pool, prefetch_pages, nr);
	return nr ?: err;
}

/*
 * Pages that have left their frames become zeros on the device: the last step of a discard. If the
 * caller is killed the step goes on, and until it ends the range stays closed. So nobody reads the
 * old contents, and what others write comes after it. The file keeps the space bound.
 */
struct vmdemo_zeroing {
	struct vmdemo_job job;
	struct vmdemo_space *space;
	struct file *file;
	pgoff_t first, nr;
};

static int vmdemo_zeroing_run(struct vmdemo_job *job)
{
	struct vmdemo_zeroing *zeroing = container_of(job, struct vmdemo_zeroing, job);
	struct vmdemo_space *space = zeroing->space;

	return vmdemo_backing_zero(space->backing, zeroing->first, zeroing->nr, space->size_bytes);
}

static void vmdemo_zeroing_drop(struct vmdemo_job *job)
{
	struct vmdemo_zeroing *zeroing = container_of(job, struct vmdemo_zeroing, job);

	vmdemo_index_open(zeroing->space);
	fput(zeroing->file);
	kfree(zeroing);
}

/**
 * vmdemo_range_close - close a range when no other one is closed
 * @space: the space
 * @first: first page
 * @nr:    pages
 *
 * See vmdemo_index_close(). Sleeps, killably. Returns 0, or -EINTR when killed.
 */
int vmdemo_range_close(struct vmdemo_space *space, pgoff_t first, pgoff_t nr)
{
	while (!vmdemo_index_close(space, first, nr)) {
		if (wait_var_event_killable(&space->closed_nr, !READ_ONCE(space->closed_nr)))
			return -EINTR;
	}
	return 0;
}

/* A part of a linear space, which @file has open. */
static int vmdemo_range_zero(struct file *file, struct vmdemo_space *space, pgoff_t first,
			     pgoff_t last)
{
	struct vmdemo_zeroing *zeroing = kzalloc(sizeof(*zeroing), GFP_KERNEL);
	unsigned long dropped = 0;
	int err;

	if (!zeroing)
		return -ENOMEM;
	zeroing->job.run = vmdemo_zeroing_run;
	zeroing->job.drop = vmdemo_zeroing_drop;
	zeroing->space = space;
	zeroing->first = first;
	zeroing->nr = last - first + 1;
	err = vmdemo_range_close(space, first, zeroing->nr);
	if (err) {
		kfree(zeroing);
		return err;
	}
	zeroing->file = get_file(file);
	err = vmdemo_evict_drop(space, first, last, VMDEMO_DROP_ALL, &dropped);
	if (!err) {
		vmdemo_job_start(&zeroing->job);
		if (!vmdemo_job_wait(&zeroing->job))
			return -EINTR;
		err = zeroing->job.err;
	}
	vmdemo_zeroing_drop(&zeroing->job);
	return err;
}

/* A part of a sparse space: its slots are free then. */
static int vmdemo_range_punch(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	unsigned long dropped = 0;
	int err = vmdemo_range_close(space, first, last - first + 1);

	if (err)
		return err;
	err = vmdemo_evict_drop(space, first, last, VMDEMO_DROP_DETACH, &dropped);
	if (!err)
		vmdemo_swap_free(space, first, last);
	vmdemo_index_open(space);
	return err;
}

/**
 * vmdemo_range_discard - make a range read as zeros
 * @file:  by which the space is open
 * @space: the space, writable
 * @first: first page
 * @last:  last page
 *
 * Works in parts: no page of the present part can be filled, and faults do not wait long. May
 * sleep. Returns 0, -EOPNOTSUPP if any of it comes from the linear space, or -EINTR when killed.
 * Linear: also -EBUSY if somebody holds a page for 5 s, -ENOMEM, or the block layer's error; the
 * contents are undefined after an error, and a request for a page of a part that is being made
 * zeros waits until it is. Sparse: pages that somebody holds stay theirs.
 */
int vmdemo_range_discard(struct file *file, struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	int err = vmdemo_segment_origins(space, first, last) ? -EOPNOTSUPP : 0;

	while (!err && first <= last) {
		pgoff_t end = space->swap ? vmdemo_swap_part(space, first, last) :
					    min(last, first + VMDEMO_DISCARD_PART - 1);

		if (fatal_signal_pending(current))
			err = -EINTR;
		else if (space->swap)
			err = vmdemo_range_punch(space, first, end);
		else
			err = vmdemo_range_zero(file, space, first, end);
		first = end + 1;
	}
	return err;
}

/**
 * vmdemo_range_cut - remove pages for good, and from all mappings
 * @space: a sparse space, its inode locked, which has no such pages any more
 * @first: first page
 * @last:  last page, less than @first if there are none
 *
 * As vmdemo_range_discard(), but private copies go as well. May sleep; does not fail.
 */
void vmdemo_range_cut(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	unsigned long dropped = 0;

	while (first <= last) {
		pgoff_t end = vmdemo_swap_part(space, first, last);

		/* As vmdemo_range_punch(), but this does not fail. */
		while (!vmdemo_index_close(space, first, end - first + 1))
			wait_var_event(&space->closed_nr, !READ_ONCE(space->closed_nr));
		vmdemo_evict_drop(space, first, end, VMDEMO_DROP_DETACH, &dropped);
		vmdemo_swap_free(space, first, end);
		/* Not before: a fault that copied a page had it locked until it was mapped. */
		unmap_mapping_pages(space->inode->i_mapping, first, end - first + 1, true);
		vmdemo_index_open(space);
		first = end + 1;
	}
}

/**
 * vmdemo_range_set_limit - let a segment grow or shrink
 * @space:  a space
 * @number: of the segment
 * @limit:  pages it should have
 *
 * An access to what is cut off gets SIGSEGV from now on; in a stack it makes the stack grow again,
 * and what is stored there before this returns may be lost. May sleep. Returns 0, -EINVAL if there
 * is no such segment, -EINTR when killed before it began, or an error of
 * vmdemo_segment_set_limit().
 */
int vmdemo_range_set_limit(struct vmdemo_space *space, u32 number, pgoff_t limit)
{
	struct vmdemo_segments *table = space->segments;
	struct vmdemo_seg *seg;
	pgoff_t first, old;
	int err;

	if (!table || number >= table->nr)
		return -EINVAL;
	seg = &table->seg[number];
	err = vmdemo_space_lock_inode(space);
	if (err)
		return err;
	err = vmdemo_segment_set_limit(seg, limit, &old);
	if (!err && limit < old) {
		first = seg->first + limit;
		if (seg->about.growth == VMDEMO_GROW_DOWN)
			first = vmdemo_seg_start(seg, old);
		vmdemo_range_cut(space, first, first + old - limit - 1);
	}
	inode_unlock(space->inode);
	return err;
}
