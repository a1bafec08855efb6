// SPDX-License-Identifier: GPL-2.0
/*
 * pager_linear.c - pages of a linear space on their block device: page n is byte 4096 n
 *
 * Owns the claim on the block device, the bios, and what their completion means for a frame. Which
 * pages move, and when, is decided above.
 *
 * Binding: the device is claimed exclusively. That does not keep others from opening it, and what
 * they wrote through its own page cache would later overwrite ours, so that cache is written out
 * and dropped, before we begin and again after we end.
 *
 * Completion runs in any context, also in hard interrupts: it touches flags, bits and counters and
 * takes no lock of ours. Once it has let go of the last folio the space may be torn down, which
 * waits for an RCU grace period: hence the RCU read lock around it.
 */
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "broken.h"
#include "dirty.h"
#include "pager_linear.h"
#include "trace.h"

/* The longest bio of ours. */
#define VMDEMO_BIO_PAGES	64U

/* Our part of a bio, allocated with it. */
struct vmdemo_bio {
	struct vmdemo_space *space;
	struct vmdemo_sync *sync;
	struct folio *bounced;	/* the bio holds a copy of this folio */
	u64 id;
	pgoff_t first;
	u32 nr;
	struct bio bio;
};

static struct vmdemo_bio *vmdemo_bio(struct bio *bio)
{
	return container_of(bio, struct vmdemo_bio, bio);
}

/* ---- the claim ---- */

/* The device's own page cache: nothing dirty in it, nothing in it. */
static int vmdemo_backing_quiesce(struct vmdemo_backing *backing)
{
	int err = sync_blockdev(backing->handle.bdev);

	invalidate_bdev(backing->handle.bdev);
	return err;
}

/**
 * vmdemo_backing_open - claim a block device
 * @backing: unbound
 * @path:    of the block device's node
 * @holder:  identifies the claim
 *
 * A device that refuses writing is opened for reading. May sleep. Returns 0, an error of the block
 * layer (-ENOENT, -ENOTBLK, -EBUSY, ...), -EINVAL for blocks larger than a page, -ENOSPC for an
 * empty device, or -ENOMEM.
 */
int vmdemo_backing_open(struct vmdemo_backing *backing, const char *path, void *holder)
{
	struct block_device *bdev;
	int err;

	err = vmdemo_bdev_open(&backing->handle, path, BLK_OPEN_READ | BLK_OPEN_WRITE, holder);
	backing->readonly = err == -EACCES || err == -EROFS || err == -EPERM;
	if (backing->readonly)
		err = vmdemo_bdev_open(&backing->handle, path, BLK_OPEN_READ, holder);
	if (err)
		return err;
	bdev = backing->handle.bdev;
	backing->readonly |= bdev_read_only(bdev);
	backing->path = kstrdup(path, GFP_KERNEL);
	if (!backing->path)
		err = -ENOMEM;
	else if (bdev_logical_block_size(bdev) > PAGE_SIZE)
		err = -EINVAL;
	else if (!bdev_nr_bytes(bdev))
		err = -ENOSPC;
	else
		err = vmdemo_backing_quiesce(backing);
	if (err)
		vmdemo_backing_close(backing);
	return err;
}

/**
 * vmdemo_backing_close - give up the claim
 * @backing: bound; no I/O of ours is in flight
 *
 * May sleep.
 */
void vmdemo_backing_close(struct vmdemo_backing *backing)
{
	vmdemo_backing_quiesce(backing);
	vmdemo_bdev_close(&backing->handle);
	kfree(backing->path);
	backing->path = NULL;
}

/**
 * vmdemo_backing_flush - make the device put its write cache on stable storage
 * @backing: bound
 *
 * May sleep. Returns 0 or the block layer's error.
 */
int vmdemo_backing_flush(struct vmdemo_backing *backing)
{
	if (backing->readonly || VMDEMO_NO_FLUSH)
		return 0;
	return blkdev_issue_flush(backing->handle.bdev);
}

/**
 * vmdemo_backing_zero - make a range of the device read as zeros
 * @backing:    bound, writable
 * @first:      first page
 * @nr:         pages
 * @size_bytes: of the device: the last page may be short
 *
 * May sleep. Returns 0 or the block layer's error.
 */
int vmdemo_backing_zero(struct vmdemo_backing *backing, pgoff_t first, pgoff_t nr, u64 size_bytes)
{
	u64 start = (u64)first << PAGE_SHIFT;
	u64 end = min(start + ((u64)nr << PAGE_SHIFT), size_bytes);

	return blkdev_issue_zeroout(backing->handle.bdev, start >> SECTOR_SHIFT,
				    (end - start) >> SECTOR_SHIFT, GFP_KERNEL, 0);
}

/* ---- waiting for writes ---- */

static void vmdemo_sync_put(struct vmdemo_sync *sync)
{
	if (refcount_dec_and_test(&sync->refs))
		kfree(sync);
}

static void vmdemo_sync_end(struct vmdemo_sync *sync, int error)
{
	if (error)
		WRITE_ONCE(sync->error, error);
	if (atomic_dec_and_test(&sync->pending))
		complete(&sync->done);
	vmdemo_sync_put(sync);
}

/**
 * vmdemo_sync_create - somebody who waits for writes
 *
 * On the heap, since a killed waiter leaves before the writes end. May sleep until there is memory.
 * vmdemo_sync_wait() frees it.
 */
struct vmdemo_sync *vmdemo_sync_create(void)
{
	struct vmdemo_sync *sync = kzalloc(sizeof(*sync), GFP_NOIO | __GFP_NOFAIL);

	refcount_set(&sync->refs, 1);
	atomic_set(&sync->pending, 1);
	init_completion(&sync->done);
	return sync;
}

/**
 * vmdemo_sync_wait - wait until all writes that carry @sync have ended
 * @sync: from vmdemo_sync_create(); gone afterwards
 *
 * Returns 0, the error of one of the writes, or -EINTR when killed.
 */
int vmdemo_sync_wait(struct vmdemo_sync *sync)
{
	int err = 0;

	if (!atomic_dec_and_test(&sync->pending) && wait_for_completion_killable(&sync->done))
		err = -EINTR;
	if (!err)
		err = READ_ONCE(sync->error);
	vmdemo_sync_put(sync);
	return err;
}

/* ---- completion ---- */

static void vmdemo_read_endio(struct bio *bio)
{
	struct vmdemo_bio *vbio = vmdemo_bio(bio);
	struct vmdemo_pool *pool = vbio->space->pool;
	int err = blk_status_to_errno(bio->bi_status);
	struct bvec_iter_all iter;
	struct bio_vec *bv;

	rcu_read_lock();
	trace_vmdemo_load_done(vbio->id, vbio->first, vbio->nr, err);
	if (err)
		vmdemo_stat_add(pool, read_errors, vbio->nr);
	else
		vmdemo_stat_add(pool, pages_in, vbio->nr);
	bio_for_each_segment_all(bv, bio, iter) {
		struct folio *folio = page_folio(bv->bv_page);

		if (!err)
			folio_mark_uptodate(folio);
		folio_unlock(folio);
	}
	bio_put(bio);
	rcu_read_unlock();
}

/* A page of a write has ended: its frame is clean, or keeps its data and its dirt. */
static void vmdemo_write_end_folio(struct vmdemo_pool *pool, struct folio *folio, int err)
{
	u32 nr = vmdemo_frame_nr(folio);

	if (err) {
		mapping_set_error(folio->mapping, err);
		vmdemo_dirty_set(pool, folio);
	} else {
		vmdemo_dirty_unmark(pool, nr, folio);
	}
	vmdemo_dirty_end_write(pool, nr);
}

static void vmdemo_write_endio(struct bio *bio)
{
	struct vmdemo_bio *vbio = vmdemo_bio(bio);
	struct vmdemo_sync *sync = vbio->sync;
	struct vmdemo_pool *pool = vbio->space->pool;
	int err = blk_status_to_errno(bio->bi_status);
	struct bvec_iter_all iter;
	struct bio_vec *bv;
	u32 nr = vbio->nr;

	rcu_read_lock();
	trace_vmdemo_writeback_done(0, vbio->first, nr, err);
	if (err) {
		vmdemo_stat_add(pool, write_errors, nr);
		WRITE_ONCE(pool->retry_at, jiffies + HZ / 10);
	} else {
		vmdemo_stat_add(pool, pages_out, nr);
		/* A copy that was written leaves its page dirty: that helps nobody. */
		if (!vbio->bounced)
			atomic_long_add(nr, &pool->progress);
	}
	bio_for_each_segment_all(bv, bio, iter) {
		if (vbio->bounced) {
			vmdemo_write_end_folio(pool, vbio->bounced, err);
			__free_page(bv->bv_page);
		} else {
			vmdemo_write_end_folio(pool, page_folio(bv->bv_page), err);
		}
	}
	bio_put(bio);
	if (sync)
		vmdemo_sync_end(sync, err);
	/* Who finds this zero may take the pool away, after a grace period. */
	if (atomic_sub_and_test(nr, &pool->nr_writing) || wq_has_sleeper(&pool->free_wait))
		wake_up_all(&pool->free_wait);
	rcu_read_unlock();
}

/* ---- building bios ---- */

/* Bytes of page @index that the device has; less than a page only at its end. */
static unsigned int vmdemo_pager_bytes(const struct vmdemo_space *space, pgoff_t index)
{
	return min_t(u64, PAGE_SIZE, space->size_bytes - ((u64)index << PAGE_SHIFT));
}

/* A bad sector is to fail its own page only. */
static bool vmdemo_pager_careful(const struct vmdemo_io *io)
{
	return io->write &&
	       time_before(jiffies, READ_ONCE(io->space->pool->retry_at) + VMDEMO_CAUTION);
}

static void vmdemo_pager_start(struct vmdemo_io *io, pgoff_t index, unsigned int vecs)
{
	blk_opf_t opf = (io->write ? REQ_OP_WRITE : REQ_OP_READ) | VMDEMO_REQ_CACHE;
	struct vmdemo_space *space = io->space;
	struct bio *bio;
	struct vmdemo_bio *vbio;

	/* Nor is it to fail what the block layer would put into the same request. */
	if (io->write ? vmdemo_pager_careful(io) : vecs == 1)
		opf |= REQ_NOMERGE;
	/* Does not fail: the bio_set has a reserve, and bios in flight return to it. */
	bio = bio_alloc_bioset(space->backing->handle.bdev, vecs, opf, GFP_NOIO, &space->bios);
	io->expect -= min(io->expect, vecs);
	bio->bi_iter.bi_sector = (sector_t)index << (PAGE_SHIFT - SECTOR_SHIFT);
	bio->bi_end_io = io->write ? vmdemo_write_endio : vmdemo_read_endio;
	vbio = vmdemo_bio(bio);
	vbio->space = space;
	vbio->bounced = NULL;
	vbio->id = io->id;
	vbio->first = index;
	vbio->sync = io->sync;
	if (io->sync) {
		refcount_inc(&io->sync->refs);
		atomic_inc(&io->sync->pending);
	}
	io->bio = bio;
}

/**
 * vmdemo_pager_submit - send what has been gathered
 * @io: may be empty
 *
 * To be called before waiting for anything that the gathered pages may be needed for. May sleep.
 */
void vmdemo_pager_submit(struct vmdemo_io *io)
{
	struct bio *bio = io->bio;
	struct vmdemo_bio *vbio;

	if (!bio)
		return;
	io->bio = NULL;
	vbio = vmdemo_bio(bio);
	vbio->nr = bio->bi_vcnt;
	if (io->write)
		trace_vmdemo_writeback(0, vbio->first, vbio->nr, 0);
	else
		trace_vmdemo_load(vbio->id, vbio->first, vbio->nr, 0);
	submit_bio(bio);
}

static void vmdemo_pager_add(struct vmdemo_io *io, struct folio *folio, unsigned int bytes)
{
	pgoff_t index = folio->index;

	if (io->bio && (io->next != index || io->bio->bi_vcnt == io->bio->bi_max_vecs ||
			vmdemo_pager_careful(io)))
		vmdemo_pager_submit(io);
	if (!io->bio)
		vmdemo_pager_start(io, index, clamp(io->expect, 1U, VMDEMO_BIO_PAGES));
	__bio_add_page(io->bio, folio_page(folio, 0), bytes, 0);
	io->next = index + 1;
}

/**
 * vmdemo_pager_read - read a page into its frame
 * @io:    gathers pages; vmdemo_pager_submit() sends them
 * @folio: locked, not up to date, in the index
 *
 * When the read has ended the folio is unlocked, and up to date if it succeeded. May sleep.
 */
void vmdemo_pager_read(struct vmdemo_io *io, struct folio *folio)
{
	unsigned int bytes = vmdemo_pager_bytes(io->space, folio->index);

	if (bytes < PAGE_SIZE)
		folio_zero_segment(folio, bytes, PAGE_SIZE);
	vmdemo_pager_add(io, folio, bytes);
}

/**
 * vmdemo_pager_write - write a frame to its page
 * @io:     gathers pages; vmdemo_pager_submit() sends them
 * @folio:  under writeback; unlocked is fine
 * @bounce: a copy of the folio to write instead, freed when done; NULL: none
 *
 * When the write has ended writeback has too; a failed one leaves the folio dirty. May sleep.
 */
void vmdemo_pager_write(struct vmdemo_io *io, struct folio *folio, struct page *bounce)
{
	atomic_inc(&io->space->pool->nr_writing);
	if (!bounce) {
		vmdemo_pager_add(io, folio, vmdemo_pager_bytes(io->space, folio->index));
		return;
	}
	vmdemo_pager_submit(io);
	vmdemo_pager_start(io, folio->index, 1);
	vmdemo_bio(io->bio)->bounced = folio;
	__bio_add_page(io->bio, bounce, vmdemo_pager_bytes(io->space, folio->index), 0);
	vmdemo_pager_submit(io);
}

/**
 * vmdemo_pager_init - what a space needs for I/O
 * @space: the space
 *
 * May sleep. Returns 0 or -ENOMEM.
 */
int vmdemo_pager_init(struct vmdemo_space *space)
{
	return bioset_init(&space->bios, 64, offsetof(struct vmdemo_bio, bio),
			   BIOSET_NEED_BVECS | VMDEMO_BIOSET_CACHE);
}

/**
 * vmdemo_pager_exit - undo vmdemo_pager_init()
 * @space: no I/O of it is in flight any more
 *
 * May sleep.
 */
void vmdemo_pager_exit(struct vmdemo_space *space)
{
	/* A completion may still be on its way out. */
	synchronize_rcu();
	bioset_exit(&space->bios);
}
