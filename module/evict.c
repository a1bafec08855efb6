// SPDX-License-Identifier: GPL-2.0
/*
 * evict.c - a page leaves its frame
 *
 * Lock, unmap if mapped, freeze the reference count, and only then read the dirty flag: with no
 * references left nobody can set it any more. A dirty page is written instead, a page that somebody
 * holds is no victim for a while. Which page goes is decided elsewhere: by reclaim.c when frames
 * are short, by a user for a range.
 */
#include <linux/sched/signal.h>

#include "backing.h"
#include "dirty.h"
#include "evict.h"
#include "freelist.h"
#include "leave.h"
#include "order.h"
#include "pool.h"
#include "swap.h"
#include "walk.h"
#include "writeback.h"

/**
 * vmdemo_evict_unmap - remove the page table entries of a range, in all processes
 * @space: the space
 * @first: first page
 * @nr:    pages
 *
 * Takes i_mmap_rwsem and PTE locks: a folio lock may be held. May sleep.
 */
void vmdemo_evict_unmap(struct vmdemo_space *space, pgoff_t first, pgoff_t nr)
{
	unmap_mapping_pages(space->inode->i_mapping, first, nr, false);
	vmdemo_stat_inc(space->pool, unmap_calls);
}

/**
 * vmdemo_evict_folio - free the frame of a page, or start writing it
 * @pool:  the pool
 * @folio: the page; one reference is the caller's, and is used up
 * @io:    gathers dirty pages, the caller submits; NULL: dirty ones are left alone
 * @force: also if the policy would spare it; what cannot go keeps its place in the order
 * @keep:  the freed frame's number goes here; NULL: to the free list
 *
 * May sleep. Returns what became of it.
 */
enum vmdemo_evicted vmdemo_evict_folio(struct vmdemo_pool *pool, struct folio *folio,
				       struct vmdemo_io *io, bool force, u32 *keep)
{
	enum vmdemo_evicted result = VMDEMO_KEPT;
	const struct vmdemo_backing *disk;
	u32 nr = vmdemo_frame_nr(folio);
	bool written, failing;
	int err;

	if (!folio_trylock(folio))
		goto put;
	if (!folio->mapping)
		goto unlock;
	if (vmdemo_frame_writing(pool, nr)) {
		result = VMDEMO_WRITING;
		goto unlock;
	}
	if (folio_mapped(folio)) {
		if (!force && vmdemo_order_spare(pool, nr)) {
			vmdemo_stat_inc(pool, late_references);
			goto unlock;
		}
		vmdemo_evict_unmap(vmdemo_folio_space(folio), folio->index, 1);
	}
	if (PageHWPoison(folio_page(folio, 0))) {
		vmdemo_swap_poisoned(pool, folio);
		goto unlock;
	}
	written = vmdemo_frame(pool, nr)->flags & VMDEMO_FRAME_WRITTEN;
	err = vmdemo_leave_evict(pool, folio, keep, NULL);
	if (!err) {
		if (written)
			vmdemo_stat_inc(pool, evictions_dirty);
		else
			vmdemo_stat_inc(pool, evictions_clean);
		return VMDEMO_FREED;
	}
	disk = pool->disks[folio_test_swapbacked(folio)];
	failing = vmdemo_backing_failing(disk);
	/* A silent disk has been noticed before, by the search for victims. */
	if (err == -EAGAIN && io &&
	    !((force || failing) && vmdemo_backing_refuses(disk, VMDEMO_SILENT))) {
		vmdemo_frame(pool, nr)->flags |= VMDEMO_FRAME_WRITTEN;
		/* Its last write was in vain, or this one may be: nothing waits for it. */
		written |= failing;
		if (written && !force)
			vmdemo_order_hold(pool, nr);
		folio_put(folio);
		if (!vmdemo_writeback_folio(io, folio) && !written)
			result = VMDEMO_WRITING;
		return result;
	}
	if (err == -EAGAIN && !io)
		result = VMDEMO_DIRTY;
	else if (!force)
		/* Held by somebody, or unwritable for now. */
		vmdemo_order_hold(pool, nr);
unlock:
	folio_unlock(folio);
put:
	folio_put(folio);
	return result;
}

/* ---- ranges, for ioctls and for leaving ---- */

/**
 * vmdemo_evict_range - evict the resident pages of a range
 * @space: the space
 * @first: first page
 * @last:  last page
 *
 * Dirty pages are written; those somebody holds, or that are dirtied meanwhile, stay. May sleep.
 * Returns the number of frames freed or a negative error: -EIO, -ENOMEM, -EINTR.
 */
long vmdemo_evict_range(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	struct vmdemo_pool *pool = space->pool;
	struct vmdemo_walk walk;
	struct folio *folio;
	long freed = 0;
	int err;

	vmdemo_evict_unmap(space, first, last - first + 1);
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
static int vmdemo_evict_drop_lock(struct vmdemo_pool *pool, struct folio *folio,
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

/* Drop one page; @folio's reference is used up. See vmdemo_evict_drop(). */
static int vmdemo_evict_drop_one(struct vmdemo_space *space, struct folio *folio,
				 enum vmdemo_drop how, unsigned long until, unsigned long *lost)
{
	struct vmdemo_pool *pool = space->pool;
	bool detached = false;
	int err;

	for (;;) {
		bool late = false;

		err = vmdemo_evict_drop_lock(pool, folio, how);
		if (err)
			break;
		if (folio->mapping != space->inode->i_mapping)
			goto unlock;
		if (PageHWPoison(folio_page(folio, 0))) {
			vmdemo_swap_poisoned(pool, folio);
			goto unlock;
		}
		if (folio_mapped(folio))
			vmdemo_evict_unmap(space, folio->index, 1);
		/* A fork may have just mapped it again: that is no reason to give up. */
		late = time_after(jiffies, until) && !folio_mapped(folio);
		err = vmdemo_leave_evict(pool, folio, NULL, how == VMDEMO_DROP_CLEAN ? NULL : lost);
		if (!err)
			return 0;
		if (err == -EBUSY && late && how >= VMDEMO_DROP_LEAVE) {
			detached = how == VMDEMO_DROP_DETACH;
			vmdemo_leave_orphan(pool, folio, detached, lost);
			err = 0;
		}
		/* Dirtied without telling us, as KVM does: let searches for dirty pages find it. */
		if (err == -EAGAIN)
			vmdemo_dirty_set(pool, folio);
unlock:
		folio_unlock(folio);
		if (err != -EBUSY || late)
			break;
		if (how != VMDEMO_DROP_DETACH && fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
		schedule_timeout_uninterruptible(1);
	}
	if (detached)
		vmdemo_pool_replace(pool, folio);
	folio_put(folio);
	return err;
}

/**
 * vmdemo_evict_drop - take the pages of a range out of the pool without writing them
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
int vmdemo_evict_drop(struct vmdemo_space *space, pgoff_t first, pgoff_t last,
		      enum vmdemo_drop how, unsigned long *lost)
{
	unsigned long until = jiffies + (how == VMDEMO_DROP_DETACH ? 1 : VMDEMO_STALL);
	struct vmdemo_walk walk;
	struct folio *folio;
	int err = 0;

	vmdemo_evict_unmap(space, first, last - first + 1);
	vmdemo_walk_init(&walk, space, first, last, false);
	while (!err && (folio = vmdemo_walk_next(&walk)))
		err = vmdemo_evict_drop_one(space, folio, how, until, lost);
	return err;
}
