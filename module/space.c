// SPDX-License-Identifier: GPL-2.0
/*
 * space.c - an address space of pages: get a page into a frame, for any caller
 *
 * A space is a private inode on a pseudo file system of ours. Its i_mmap finds every PTE; its
 * i_pages stays empty, since the pool's index knows the pages.
 *
 * vmdemo_space_get() never waits for I/O, frames or a discard. It answers -EAGAIN, and what to wait
 * for stands in the access: so that a fault can let go of its locks before vmdemo_space_wait(),
 * while read(2) simply calls one after the other.
 */
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/wait_bit.h>

#include "dirty.h"
#include "freelist.h"
#include "index.h"
#include "order.h"
#include "pager.h"
#include "reclaim.h"
#include "segment.h"
#include "space.h"
#include "swap.h"
#include "trace.h"

/* Pages put into frames for readahead under one hold of the pool lock. */
#define VMDEMO_AHEAD_BATCH	32U

#define VMDEMO_MAGIC	0x766d646d

/* ---- getting a page ---- */

/* The longest window for now: a stream must not have the pool to itself. */
static u32 vmdemo_space_most_ahead(const struct vmdemo_pool *pool)
{
	return min(READ_ONCE(pool->set.read_ahead_pages), READ_ONCE(pool->nr_frames) / 4);
}

/* Ask readahead what a reference to the page means. */
static void vmdemo_space_plan(struct vmdemo_access *acc, bool miss)
{
	if (acc->streams && acc->advice != VMDEMO_ADVICE_RANDOM)
		vmdemo_readahead_plan(acc->streams, acc->index, acc->advice,
				      vmdemo_space_most_ahead(acc->space->pool), miss, &acc->plan);
}

/**
 * vmdemo_space_data_run - how many pages in a row are not just zeros
 * @space:  a sparse space
 * @first:  first page
 * @most:   how many to look at
 * @stored: count only those that have to be read if they are in no frame
 *
 * Within one segment, if there are any. Any context.
 */
u32 vmdemo_space_data_run(struct vmdemo_space *space, pgoff_t first, u32 most, bool stored)
{
	struct vmdemo_seg *seg;

	if (space->segments) {
		seg = vmdemo_segment_find(space, first);
		if (!seg)
			return 0;
		most = min_t(pgoff_t, most, seg->first + seg->bound - first);
		if (vmdemo_seg_has_origin(seg))
			return most;
	}
	return vmdemo_swap_run(space, first, most, stored);
}

/* Read what readahead asks for beyond the page itself; stop where frames become scarce. */
static void vmdemo_space_read_ahead(struct vmdemo_access *acc, struct vmdemo_io *io)
{
	struct vmdemo_space *space = acc->space;
	struct vmdemo_pool *pool = space->pool;
	struct vmdemo_plan *plan = &acc->plan;
	u32 keep = vmdemo_free_reserve(pool) / 4;
	struct folio *folios[VMDEMO_AHEAD_BATCH];
	u32 covered = 0, nr = 0, want = plan->nr, i, n, done, part;

	/* Pages that are nowhere are not read, nor is another segment. */
	if (space->swap)
		want = vmdemo_segment_find(space, plan->start) ==
		       vmdemo_segment_find(space, acc->index) ?
		       vmdemo_space_data_run(space, plan->start, want, true) : 0;
	vmdemo_reclaim_help(pool, want + keep);
	do {
		part = min(want - covered, VMDEMO_AHEAD_BATCH);
		n = vmdemo_index_insert_ahead(space, plan->start + covered, part, keep, folios,
					      &done);
		for (i = 0; i < n; i++)
			vmdemo_pager_read(io, folios[i]);
		covered += done;
		nr += n;
	} while (done == part && covered < want);
	vmdemo_stat_add(pool, readahead_pages, nr);
	vmdemo_readahead_read(acc->streams, plan, covered, nr);
}

/*
 * A page of a sparse space that is nowhere yet is zeros. To be asked when it is in its frame: then
 * it cannot go somewhere meanwhile. Otherwise *@slot says where it is.
 */
static bool vmdemo_space_zero(struct vmdemo_access *acc, struct folio *folio, u64 *slot)
{
	struct vmdemo_space *space = acc->space;

	if (!space->swap)
		return false;
	*slot = vmdemo_swap_entry(space, acc->index);
	if (!vmdemo_pager_zero(space, folio, *slot))
		return false;
	vmdemo_frame(space->pool, vmdemo_frame_nr(folio))->flags = 0;
	if (acc->asker == VMDEMO_ASK_FAULT)
		vmdemo_stat_inc(space->pool, faults_zero);
	acc->zeroed = true;
	return true;
}

static void vmdemo_space_count(struct vmdemo_access *acc)
{
	struct vmdemo_pool *pool = acc->space->pool;

	if (acc->asker == VMDEMO_ASK_FAULT)
		vmdemo_stat_inc(pool, faults_hard);
	else
		vmdemo_stat_inc(pool, rw_pages);
}

/*
 * Put the page into a frame and start reading it, and its window. 0: *@folio is referenced; it is
 * locked until the read ends or, for @overwrite and zeros, by us. -EEXIST: somebody was faster.
 * -EBUSY: it is being discarded. -EAGAIN: no frame. -ENXIO: it is beyond the end.
 */
static int vmdemo_space_fill(struct vmdemo_access *acc, struct folio **folio)
{
	struct vmdemo_space *space = acc->space;
	struct vmdemo_io io = { .space = space, .id = acc->id };
	u64 slot = 0;

	*folio = vmdemo_index_insert(space, acc->index, &acc->spare,
				     acc->asker == VMDEMO_ASK_FAULT);
	if (IS_ERR(*folio))
		return PTR_ERR(*folio);
	if (acc->overwrite || vmdemo_space_zero(acc, *folio, &slot))
		return 0;
	vmdemo_space_count(acc);
	acc->loaded = true;
	vmdemo_space_plan(acc, true);
	acc->alone = !acc->plan.nr;
	io.expect = 1 + acc->plan.nr;
	vmdemo_pager_read_slot(&io, *folio, slot);
	if (acc->plan.nr)
		vmdemo_space_read_ahead(acc, &io);
	vmdemo_pager_submit(&io);
	return 0;
}

/*
 * A failed read is tried again by the next request, and once by the same request if other pages
 * were read with it: the bad sector may be theirs. The folio is locked; the read unlocks it.
 */
static void vmdemo_space_reread(struct vmdemo_access *acc, struct folio *folio)
{
	struct vmdemo_io io = { .space = acc->space, .id = acc->id };

	vmdemo_frame(acc->space->pool, vmdemo_frame_nr(folio))->flags &= ~VMDEMO_FRAME_FAILED;
	if (!acc->loaded)
		vmdemo_space_count(acc);
	acc->loaded = true;
	acc->alone = true;
	vmdemo_pager_read(&io, folio);
	vmdemo_pager_submit(&io);
}

/* A stream of references has come near the end of what was read for it: read on. */
static noinline void vmdemo_space_read_on(struct vmdemo_access *acc)
{
	struct vmdemo_io io = { .space = acc->space, .id = acc->id, .expect = acc->plan.nr };

	vmdemo_space_read_ahead(acc, &io);
	vmdemo_pager_submit(&io);
}

/* A resident page was referenced: tell the counters and the policy. The folio is locked. */
static void vmdemo_space_hit(struct vmdemo_access *acc, struct folio *folio)
{
	struct vmdemo_pool *pool = acc->space->pool;
	u32 nr = vmdemo_frame_nr(folio);
	u32 flags = vmdemo_frame(pool, nr)->flags;
	bool ahead = flags & VMDEMO_FRAME_AHEAD;
	bool soft = !ahead && acc->asker == VMDEMO_ASK_FAULT;

	vmdemo_frame(pool, nr)->flags = 0;
	if (flags & VMDEMO_FRAME_FRESH)
		return;
	if (ahead)
		vmdemo_stat_inc(pool, readahead_used);
	if (soft)
		vmdemo_stat_inc(pool, faults_soft);
	vmdemo_order_touch(pool, nr, soft, ahead);
	/* A page that this request has read has been planned for. */
	if (acc->loaded)
		return;
	vmdemo_space_plan(acc, false);
	if (acc->plan.nr)
		vmdemo_space_read_on(acc);
}

/*
 * Lock a resident page, if that is a matter of moments: the holder of the lock of an up-to-date
 * page does not wait for I/O meanwhile.
 */
static int vmdemo_space_lock(struct vmdemo_access *acc, struct folio *folio)
{
	if (folio_trylock(folio))
		return 0;
	if (folio_test_uptodate(folio)) {
		folio_lock(folio);
		return 0;
	}
	acc->wait = folio;
	return -EAGAIN;
}

/*
 * The memory of a resident page, locked, has failed. 0: it can be read again, into another frame;
 * -EHWPOISON: what it was is lost. Its reference is used up.
 */
static int vmdemo_space_poisoned(struct vmdemo_pool *pool, struct folio *folio)
{
	int err = -EHWPOISON;

	/* On its way to the device it stays where it is until that has ended. */
	if (!vmdemo_frame_writing(pool, vmdemo_frame_nr(folio)) &&
	    !vmdemo_swap_poisoned(pool, folio))
		err = 0;
	folio_unlock(folio);
	folio_put(folio);
	return err;
}

/**
 * vmdemo_space_wait_open - wait until no page of a range is being discarded
 * @space: the space
 * @first: first page
 * @last:  last page
 *
 * For callers that make pages durable: what a discard has dropped is on the device neither as it
 * was nor as zeros until the discard ends. Sleeps, killably. Returns 0, or -EINTR when killed.
 */
int vmdemo_space_wait_open(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	if (wait_var_event_killable(&space->closed_nr, !vmdemo_index_closed(space, first, last)))
		return -EINTR;
	return 0;
}

/*
 * The page, locked, is not up to date: read it. -EIO: that was in vain, for us just now or for the
 * attempt before this one. Its reference is used up.
 */
static int vmdemo_space_read(struct vmdemo_access *acc, struct folio *folio)
{
	struct vmdemo_frame *frame = vmdemo_frame(acc->space->pool, vmdemo_frame_nr(folio));
	bool failed = acc->loaded && acc->alone;

	if (failed || (acc->again && (frame->flags & VMDEMO_FRAME_FAILED))) {
		if (failed)
			frame->flags |= VMDEMO_FRAME_FAILED;
		else
			frame->flags &= ~VMDEMO_FRAME_FAILED;
		folio_unlock(folio);
		folio_put(folio);
		return -EIO;
	}
	vmdemo_space_reread(acc, folio);
	folio_put(folio);
	return 0;
}

/**
 * vmdemo_space_get - get a page into a frame
 * @acc:   the request
 * @folio: the page: locked, with a reference, up to date unless @acc->overwrite, and for
 *         @acc->write not being written to the device
 *
 * Sleeps for locks at most. Returns 0; -EAGAIN: call vmdemo_space_wait(), then again; -EIO: the
 * page could not be read; -ENXIO: it is beyond the end; -EHWPOISON: it was lost with the memory of
 * its frame.
 */
int vmdemo_space_get(struct vmdemo_access *acc, struct folio **folio)
{
	struct vmdemo_space *space = acc->space;
	struct vmdemo_pool *pool = space->pool;
	int err;

	for (;;) {
		*folio = vmdemo_index_lookup(pool, space->key + acc->index);
		if (!*folio) {
			err = vmdemo_space_fill(acc, folio);
			if (err == -EEXIST) {
				cpu_relax();
				continue;
			}
			if (err == -EBUSY) {
				acc->closed = true;
				return -EAGAIN;
			}
			if (err == -EAGAIN)
				err = vmdemo_reclaim_try(pool, &acc->spare) ?: 1;
			if (err > 0)
				continue;
			if (err)
				return err;
			if (!vmdemo_free_reserve(pool))
				vmdemo_reclaim_balance(pool);
			if (acc->overwrite || acc->zeroed)
				return 0;
		}
		if (vmdemo_space_lock(acc, *folio))
			return -EAGAIN;
		if (!vmdemo_space_owns(space, *folio, acc->index)) {
			folio_unlock(*folio);
			folio_put(*folio);
			continue;
		}
		if (PageHWPoison(folio_page(*folio, 0)) && !acc->fetch) {
			err = vmdemo_space_poisoned(pool, *folio);
		} else {
			if (folio_test_uptodate(*folio) || acc->overwrite)
				break;
			err = vmdemo_space_read(acc, *folio);
		}
		if (err)
			return err;
	}
	if (acc->fetch)
		return 0;
	/*
	 * Stable pages: what is being written does not change. What a fault has just read is not
	 * being written, most likely; ->page_mkwrite() looks again.
	 */
	if (acc->write && !(acc->loaded && acc->asker == VMDEMO_ASK_FAULT) &&
	    vmdemo_frame_writing(pool, vmdemo_frame_nr(*folio))) {
		folio_unlock(*folio);
		acc->wait = *folio;
		acc->writing = true;
		return -EAGAIN;
	}
	vmdemo_space_hit(acc, *folio);
	return 0;
}

/**
 * vmdemo_space_wait - wait for what vmdemo_space_get() lacked
 * @acc: the request
 *
 * Sleeps, killably. Returns 0: try again; -EINTR when killed; -EBUSY: no frame to be had.
 */
int vmdemo_space_wait(struct vmdemo_access *acc)
{
	struct vmdemo_pool *pool = acc->space->pool;
	struct folio *folio = acc->wait;
	int err;

	trace_vmdemo_wait(acc->id, acc->index, !folio && !acc->closed);
	if (acc->closed) {
		acc->closed = false;
		return vmdemo_space_wait_open(acc->space, acc->index, acc->index);
	}
	if (!folio)
		return vmdemo_reclaim_wait(pool, &acc->spare);
	acc->wait = NULL;
	if (acc->writing)
		err = vmdemo_dirty_wait_write(pool, vmdemo_frame_nr(folio), TASK_KILLABLE);
	else
		err = folio_wait_locked_killable(folio);
	acc->writing = false;
	folio_put(folio);
	return err;
}

/**
 * vmdemo_space_fetch - wait for what vmdemo_space_get() lacked, and then for the page
 * @acc: the request, not to overwrite
 *
 * For a fault that has let go of its locks, and has to begin anew afterwards: so that it will not
 * have to wait then, with the locks held. It will look at the page itself, so no reference is
 * counted here, the policy hears of none, and what went wrong is found again: a frame marked
 * VMDEMO_FRAME_FAILED, failed memory, or a pool that has given up. Sleeps, killably.
 */
void vmdemo_space_fetch(struct vmdemo_access *acc)
{
	bool writing = acc->writing;
	struct folio *folio;
	int err;

	acc->fetch = true;
	acc->again = false;
	do {
		err = vmdemo_space_wait(acc);
		/* It was there. */
		if (writing)
			return;
		if (!err)
			err = vmdemo_space_get(acc, &folio);
	} while (err == -EAGAIN);
	if (err)
		return;
	/* Zeros are fresh as what was read is: the same fault comes back for them. */
	if (acc->zeroed)
		vmdemo_frame(acc->space->pool, vmdemo_frame_nr(folio))->flags = VMDEMO_FRAME_FRESH;
	folio_unlock(folio);
	folio_put(folio);
}

/**
 * vmdemo_space_get_wait - get a page into a frame, for a caller that may wait
 * @acc:   the request
 * @folio: as vmdemo_space_get()
 *
 * Sleeps, killably. Returns 0, -EIO, -EINTR when killed, -EBUSY when no frame can be had.
 */
int vmdemo_space_get_wait(struct vmdemo_access *acc, struct folio **folio)
{
	int err;

	while ((err = vmdemo_space_get(acc, folio)) == -EAGAIN) {
		err = vmdemo_space_wait(acc);
		if (err)
			break;
	}
	return err == -EHWPOISON ? -EIO : err;
}

/**
 * vmdemo_access_end - a request is done, or given up
 * @acc: the request
 *
 * Returns what it still holds. Does not sleep.
 */
void vmdemo_access_end(struct vmdemo_access *acc)
{
	if (acc->wait)
		folio_put(acc->wait);
	if (acc->spare != VMDEMO_NONE)
		vmdemo_free_put(acc->space->pool, acc->spare);
}

/* ---- the inode ---- */

/*
 * A page of ours became dirty: by page_mkwrite, by the dirty bit of a PTE that is zapped, by the
 * end of a DMA. Called under the PTE lock or the folio lock.
 */
static bool vmdemo_space_dirty_folio(struct address_space *mapping, struct folio *folio)
{
	struct vmdemo_space *space = mapping->host->i_private;

	return vmdemo_dirty_set(space->pool, folio);
}

/*
 * Pages leave by way of the index only. The kernel would take one whose memory has just failed, and
 * that it was about to map, for a page of the page cache, and free it.
 */
static bool vmdemo_space_release_folio(struct folio *folio, gfp_t gfp)
{
	return false;
}

static const struct address_space_operations vmdemo_space_aops = {
	.dirty_folio	= vmdemo_space_dirty_folio,
	.release_folio	= vmdemo_space_release_folio,
};

static int vmdemo_fs_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, VMDEMO_MAGIC) ? 0 : -ENOMEM;
}

/* No .owner: kern_mount() would pin the module for ever. A mapping pins it by its file. */
static struct file_system_type vmdemo_fs = {
	.name			= "vmdemo",
	.init_fs_context	= vmdemo_fs_init_context,
	.kill_sb		= kill_anon_super,
};

static struct vfsmount *vmdemo_mount;

/**
 * vmdemo_space_set_inode - an inode becomes that of a space
 * @space: the space
 * @inode: its own
 */
void vmdemo_space_set_inode(struct vmdemo_space *space, struct inode *inode)
{
	inode->i_private = space;
	inode->i_mapping->a_ops = &vmdemo_space_aops;
	mapping_set_no_writeback_tags(inode->i_mapping);
	mapping_set_release_always(inode->i_mapping);
	space->inode = inode;
}

/**
 * vmdemo_space_init - an empty linear space
 * @space:   to set up
 * @pool:    its frames come from here
 * @backing: where its pages live
 *
 * May sleep. Returns 0 or a negative error.
 */
int vmdemo_space_init(struct vmdemo_space *space, struct vmdemo_pool *pool,
		      struct vmdemo_backing *backing)
{
	struct inode *inode = alloc_anon_inode(vmdemo_mount->mnt_sb);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	vmdemo_space_set_inode(space, inode);
	space->pool = pool;
	space->backing = backing;
	return 0;
}

/**
 * vmdemo_space_exit - undo vmdemo_space_init()
 * @space: all its pages have left the pool, nobody has it open
 *
 * May sleep.
 */
void vmdemo_space_exit(struct vmdemo_space *space)
{
	iput(space->inode);
}

/**
 * vmdemo_space_set_end - give a space its size, but not its pages
 * @space: as for vmdemo_space_set_size()
 * @bytes: its size
 */
void vmdemo_space_set_end(struct vmdemo_space *space, u64 bytes)
{
	WRITE_ONCE(space->size_bytes, bytes);
	i_size_write(space->inode, bytes);
}

/**
 * vmdemo_space_set_size - give a space its size
 * @space: nobody has it open; if it is sparse, its inode is locked
 * @bytes: its size
 *
 * A page that is put into a frame just now may be beyond the end afterwards: a caller that shrinks
 * the space discards then.
 */
void vmdemo_space_set_size(struct vmdemo_space *space, u64 bytes)
{
	vmdemo_space_set_end(space, bytes);
	WRITE_ONCE(space->nr_pages, DIV_ROUND_UP_ULL(bytes, PAGE_SIZE));
}

/**
 * vmdemo_spaces_init() - mount the file system the spaces' inodes live on
 *
 * May sleep. Returns 0 or a negative error.
 */
int vmdemo_spaces_init(void)
{
	vmdemo_mount = kern_mount(&vmdemo_fs);
	return PTR_ERR_OR_ZERO(vmdemo_mount);
}

/**
 * vmdemo_spaces_exit() - unmount it
 *
 * May sleep.
 */
void vmdemo_spaces_exit(void)
{
	kern_unmount(vmdemo_mount);
}
