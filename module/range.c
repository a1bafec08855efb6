// SPDX-License-Identifier: GPL-2.0
/*
 * range.c - many pages of a space at once: fetched, evicted, dropped, made zeros, cut off
 */
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "access.h"
#include "backing.h"
#include "dirty.h"
#include "evict.h"
#include "freelist.h"
#include "hwpoison.h"
#include "index.h"
#include "job.h"
#include "pager.h"
#include "pool.h"
#include "range.h"
#include "reclaim.h"
#include "segment.h"
#include "swap.h"
#include "walk.h"
#include "writeback.h"

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
				err = vmdemo_reclaim_wait(pool, space->key + index, &spare);
			break;
		case VMDEMO_INSERT_CLOSED:
			vmdemo_free_put_spare(pool, &spare);
			/* The discard may be waiting for pages gathered here. */
			vmdemo_pager_submit(&io);
			err = vmdemo_space_wait_open(space, index, index);
			break;
		case VMDEMO_INSERT_BEYOND:
			/* Cut off meanwhile. */
			room = 0;
			break;
		}
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	vmdemo_pager_submit(&io);
	vmdemo_free_put_spare(pool, &spare);
	vmdemo_stat_add(pool, prefetch_pages, nr);
	return nr ?: err;
}

/**
 * vmdemo_range_evict - evict the resident pages of a range
 * @space: the space
 * @first: first page
 * @last:  last page
 *
 * Dirty pages are written; those somebody holds, or that are dirtied meanwhile, stay. May sleep.
 * Returns the number of frames freed or a negative error: -EIO, -ENOMEM, -EINTR.
 */
long vmdemo_range_evict(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	struct vmdemo_pool *pool = space->pool;
	struct vmdemo_walk walk;
	struct folio *folio;
	long freed = 0;
	int err;

	vmdemo_evict_unmap(space, first, last);
	err = vmdemo_writeback_range(space, first, last);
	if (err)
		return err;
	vmdemo_walk_init(&walk, space, first, last, false);
	while ((folio = vmdemo_walk_next(&walk))) {
		if (fatal_signal_pending(current)) {
			folio_put(folio);
			return -EINTR;
		}
		freed += vmdemo_evict_folio(pool, folio, NULL, true, NULL) == VMDEMO_FREED;
	}
	return freed;
}

/* Lock a page that is not being written. What must not fail waits as long as the disk. */
static int vmdemo_range_drop_lock(struct vmdemo_pool *pool, struct folio *folio,
				  enum vmdemo_drop how)
{
	unsigned int mode = how == VMDEMO_DROP_DETACH ? TASK_UNINTERRUPTIBLE : TASK_KILLABLE;
	u32 nr = vmdemo_frame_nr(folio);
	int err = 0;

	for (;;) {
		if (mode == TASK_KILLABLE)
			err = folio_lock_killable(folio);
		else
			folio_lock(folio);
		if (err || !vmdemo_frame_writing(pool, nr))
			return err;
		folio_unlock(folio);
		err = vmdemo_dirty_wait_write(pool, nr, mode);
		if (err)
			return err;
	}
}

/* One attempt to drop a page, which is locked. */
static enum vmdemo_evicted vmdemo_range_drop_locked(struct vmdemo_space *space, struct folio *folio,
						    unsigned long *lost)
{
	struct vmdemo_pool *pool = space->pool;
	enum vmdemo_evicted evicted;

	if (folio->mapping != space->inode->i_mapping)
		return VMDEMO_KEPT;
	if (vmdemo_folio_poisoned(folio)) {
		vmdemo_hwpoison_leave(pool, folio);
		return VMDEMO_KEPT;
	}
	if (folio_mapped(folio))
		vmdemo_evict_unmap(space, folio->index, folio->index);
	evicted = vmdemo_leave_evict(pool, folio, NULL, lost);
	/* Dirtied without telling us, as KVM does: let searches for dirty pages find it. */
	if (evicted == VMDEMO_DIRTY)
		vmdemo_dirty_set(pool, folio);
	return evicted;
}

/* Drop one page; @folio's reference is used up. See vmdemo_range_drop(). */
static int vmdemo_range_drop_one(struct vmdemo_space *space, struct folio *folio,
				 enum vmdemo_drop how, unsigned long until, unsigned long *lost)
{
	struct vmdemo_pool *pool = space->pool;
	enum vmdemo_evicted evicted;
	bool detached = false, late;
	int err;

	for (;;) {
		err = vmdemo_range_drop_lock(pool, folio, how);
		if (err)
			break;
		evicted = vmdemo_range_drop_locked(space, folio,
						   how == VMDEMO_DROP_CLEAN ? NULL : lost);
		if (evicted == VMDEMO_FREED)
			return 0;
		/* A fork may have just mapped it again: that is no reason to give up. */
		late = time_after(jiffies, until) && !folio_mapped(folio);
		if (evicted == VMDEMO_HELD && late && how >= VMDEMO_DROP_LEAVE) {
			detached = how == VMDEMO_DROP_DETACH;
			vmdemo_leave_orphan(pool, folio, detached, lost);
			evicted = VMDEMO_KEPT;
		}
		folio_unlock(folio);
		if (evicted == VMDEMO_DIRTY)
			err = -EAGAIN;
		else if (evicted == VMDEMO_HELD && late)
			err = -EBUSY;
		else if (evicted == VMDEMO_HELD && how != VMDEMO_DROP_DETACH &&
			 fatal_signal_pending(current))
			err = -EINTR;
		if (err || evicted != VMDEMO_HELD)
			break;
		schedule_timeout_uninterruptible(1);
	}
	if (detached)
		vmdemo_pool_replace(pool, folio);
	folio_put(folio);
	return err;
}

/**
 * vmdemo_range_drop - take the pages of a range out of the pool without writing them
 * @space: the space; the range is closed (vmdemo_index_close()), or nobody has it open
 * @first: first page
 * @last:  last page
 * @how:   what happens to dirty pages and to those that somebody holds
 * @lost:  counts dirty pages dropped; not for VMDEMO_DROP_CLEAN
 *
 * Waits for the holders of pages, up to 5 s in all; for VMDEMO_DROP_DETACH, which does not fail,
 * only a moment. May sleep. Returns 0, -EINTR when killed, -EBUSY if a page is still held, -EAGAIN
 * if one is dirty and may not be dropped.
 */
int vmdemo_range_drop(struct vmdemo_space *space, pgoff_t first, pgoff_t last,
		      enum vmdemo_drop how, unsigned long *lost)
{
	unsigned long until = jiffies + (how == VMDEMO_DROP_DETACH ? 1 : VMDEMO_STALL);
	struct vmdemo_walk walk;
	struct folio *folio;
	int err = 0;

	vmdemo_evict_unmap(space, first, last);
	vmdemo_walk_init(&walk, space, first, last, false);
	while (!err && (folio = vmdemo_walk_next(&walk)))
		err = vmdemo_range_drop_one(space, folio, how, until, lost);
	return err;
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
	pgoff_t first, last;
};

static int vmdemo_zeroing_run(struct vmdemo_job *job)
{
	struct vmdemo_zeroing *zeroing = container_of(job, struct vmdemo_zeroing, job);
	struct vmdemo_space *space = zeroing->space;

	return vmdemo_backing_zero(space->backing, zeroing->first, zeroing->last,
				   space->size_bytes);
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
 * @last:  last page
 *
 * See vmdemo_index_close(). Sleeps, killably. Returns 0, or -EINTR when killed.
 */
int vmdemo_range_close(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	while (!vmdemo_index_close(space, first, last)) {
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
	zeroing->last = last;
	err = vmdemo_range_close(space, first, last);
	if (err) {
		kfree(zeroing);
		return err;
	}
	zeroing->file = get_file(file);
	err = vmdemo_range_drop(space, first, last, VMDEMO_DROP_ALL, &dropped);
	if (!err) {
		vmdemo_job_start(&space->pool->jobs, &zeroing->job);
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
	int err = vmdemo_range_close(space, first, last);

	if (err)
		return err;
	err = vmdemo_range_drop(space, first, last, VMDEMO_DROP_DETACH, &dropped);
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
		while (!vmdemo_index_close(space, first, end))
			wait_var_event(&space->closed_nr, !READ_ONCE(space->closed_nr));
		vmdemo_range_drop(space, first, end, VMDEMO_DROP_DETACH, &dropped);
		vmdemo_swap_free(space, first, end);
		/* Not before: a fault that copied a page had it locked until it was mapped. */
		unmap_mapping_pages(space->inode->i_mapping, first, end - first + 1, true);
		vmdemo_index_open(space);
		first = end + 1;
	}
}

/**
 * vmdemo_range_zero_part - zero a part of a page of a sparse space
 * @space: the space
 * @pos:   first byte
 * @bytes: how many, all in one page
 *
 * May sleep. Returns 0 or a negative error as vmdemo_access_get().
 */
int vmdemo_range_zero_part(struct vmdemo_space *space, u64 pos, size_t bytes)
{
	pgoff_t index = pos >> PAGE_SHIFT;
	struct vmdemo_access acc = VMDEMO_ACCESS_INIT(space, index, VMDEMO_ASK_RW);
	struct folio *folio;
	int err;

	/* It is zeros. */
	if (!bytes || !vmdemo_swap_written(space, index))
		return 0;
	acc.write = true;
	err = vmdemo_access_get(&acc);
	vmdemo_access_end(&acc);
	if (err)
		return err;
	folio = acc.folio;
	/* Discarded as a whole meanwhile, it is zeros as well. */
	if (vmdemo_swap_written(space, index)) {
		folio_zero_range(folio, offset_in_page(pos), bytes);
		flush_dcache_folio(folio);
		folio_mark_dirty(folio);
	}
	folio_unlock(folio);
	folio_put(folio);
	return 0;
}

/**
 * vmdemo_range_zero_tail - zero what follows a byte in its page
 * @space: a sparse space
 * @pos:   the byte
 *
 * What mappings store beyond the end of a space must not show when that moves. May sleep. Returns 0
 * or a negative error as vmdemo_range_zero_part().
 */
int vmdemo_range_zero_tail(struct vmdemo_space *space, u64 pos)
{
	return vmdemo_range_zero_part(space, pos, round_up(pos, PAGE_SIZE) - pos);
}

/**
 * vmdemo_range_truncate - whole pages beyond the new end of a sparse space go
 * @space: the space, its inode locked
 * @size:  its size from now on, in bytes
 *
 * An access to them by a mapping gets SIGBUS. As far as the old end they are looked for in frames
 * one by one, if there are not more of them than frames. May sleep.
 */
void vmdemo_range_truncate(struct vmdemo_space *space, u64 size)
{
	pgoff_t first = DIV_ROUND_UP_ULL(size, PAGE_SIZE), end = max(first, space->nr_pages);

	vmdemo_space_set_size(space, size);
	if (first < end)
		vmdemo_range_cut(space, first, end - 1);
	/* What fallocate(2) has reserved beyond the end is in no frame. */
	vmdemo_swap_free(space, end, (VMDEMO_SPACE_MAX >> PAGE_SHIFT) - 1);
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
