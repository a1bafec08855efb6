// SPDX-License-Identifier: GPL-2.0
/*
 * pager.c - pages on their way between frames and block devices
 *
 * Owns the bios, and what their completion means for a frame. Page n of a linear space is byte
 * 4096 n of its device; a page of a sparse space is in the slot that swap.c gives it when it is
 * written for the first time, and before that what its segment says: zeros, or a page of the linear
 * space. Which pages move, and when, is decided above.
 *
 * Completion runs in any context, also in hard interrupts: it touches flags, bits and counters and
 * takes no lock of ours. Once it has let go of the last folio the pool may be torn down, which
 * waits for an RCU grace period: hence the RCU read lock around it. The space may go before that.
 */
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "backing.h"
#include "dirty.h"
#include "index.h"
#include "pager.h"
#include "segment.h"
#include "swap.h"
#include "trace.h"

/* The longest bio of ours. */
#define VMDEMO_BIO_PAGES	64U

/* Our part of a bio, allocated with it. */
struct vmdemo_bio {
	struct vmdemo_pool *pool;
	struct vmdemo_backing *backing;
	struct vmdemo_sync *sync;
	struct folio *bounced;	/* the bio holds a copy of this folio */
	struct vmdemo_space *flushed;	/* of a flush only: what it makes durable */
	u64 id;
	u64 key;	/* of its first page */
	u32 nr;
	struct bio bio;
};

static struct vmdemo_bio *vmdemo_bio(struct bio *bio)
{
	return container_of(bio, struct vmdemo_bio, bio);
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
 * vmdemo_sync_create - begin to wait for writes
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

/*
 * ---- completion ----
 *
 * Each vector of a bio of ours is one page: __bio_add_page() merges none.
 */

/* The error of a bio, or 0. Looked up only if there is one: hardly any bio fails. */
static int vmdemo_bio_error(const struct bio *bio)
{
	return unlikely(bio->bi_status) ? blk_status_to_errno(bio->bi_status) : 0;
}

static void vmdemo_read_endio(struct bio *bio)
{
	struct vmdemo_bio *vbio = vmdemo_bio(bio);
	struct vmdemo_pool *pool = vbio->pool;
	int err = vmdemo_bio_error(bio);
	struct bio_vec *bv;
	unsigned int i;

	rcu_read_lock();
	trace_vmdemo_load_done(pool, vbio->id, vbio->key, vbio->nr, err);
	if (err)
		vmdemo_stat_add(pool, read_errors, vbio->nr);
	else
		vmdemo_stat_add(pool, pages_in, vbio->nr);
	bio_for_each_bvec_all(bv, bio, i) {
		struct folio *folio = page_folio(bv->bv_page);

		if (!err)
			folio_mark_uptodate(folio);
		folio_unlock(folio);
	}
	bio_put(bio);
	rcu_read_unlock();
}

/* A page of a write has ended. Returns whether its frame is clean; if not it keeps its data. */
static __always_inline bool vmdemo_write_end_folio(struct vmdemo_pool *pool, struct folio *folio,
						   int err)
{
	u32 nr = vmdemo_frame_nr(folio);
	bool clean;

	if (err) {
		mapping_set_error(folio->mapping, err);
		vmdemo_dirty_set(pool, folio);
	} else {
		vmdemo_dirty_unmark(pool, nr, folio);
	}
	if (!folio_test_swapbacked(folio)) {
		/* A task that sees no write in flight sees this page unwritten, if it is. */
		smp_mb__before_atomic();
		atomic_dec(&pool->nr_cleaning);
	}
	clean = !folio_test_dirty(folio);
	vmdemo_dirty_end_write(pool, nr);
	return clean;
}

static void vmdemo_write_endio(struct bio *bio)
{
	struct vmdemo_bio *vbio = vmdemo_bio(bio);
	struct vmdemo_sync *sync = vbio->sync;
	struct vmdemo_pool *pool = vbio->pool;
	int err = vmdemo_bio_error(bio);
	struct bio_vec *bv;
	u32 nr = vbio->nr, clean = 0;
	unsigned int i;

	rcu_read_lock();
	trace_vmdemo_writeback_done(pool, 0, vbio->key, nr, err);
	if (err)
		vmdemo_stat_add(pool, write_errors, nr);
	else
		vmdemo_stat_add(pool, pages_out, nr);
	vmdemo_backing_end_write(vbio->backing, err);
	bio_for_each_bvec_all(bv, bio, i) {
		if (vbio->bounced) {
			clean += vmdemo_write_end_folio(pool, vbio->bounced, err);
			__free_page(bv->bv_page);
		} else {
			clean += vmdemo_write_end_folio(pool, page_folio(bv->bv_page), err);
		}
	}
	/* Pages that stay dirty are no progress. */
	if (clean)
		atomic_long_add(clean, &pool->progress);
	bio_put(bio);
	if (sync)
		vmdemo_sync_end(sync, err);
	/*
	 * A task that finds this zero may let go of the backing, which was left before the barrier
	 * of vmdemo_dirty_end_write(), and free the pool, after a grace period.
	 */
	atomic_sub(nr, &pool->nr_writing);
	if (wq_has_sleeper(&pool->free_wait))
		wake_up_all(&pool->free_wait);
	rcu_read_unlock();
}

/*
 * What has been written and not flushed may be lost, no matter through which file: each open file
 * reports that once, like any failure in the background.
 */
static void vmdemo_flush_endio(struct bio *bio)
{
	struct vmdemo_bio *vbio = vmdemo_bio(bio);
	struct vmdemo_space *space = vbio->flushed;
	struct vmdemo_sync *sync = vbio->sync;
	struct vmdemo_pool *pool = vbio->pool;
	int err = vmdemo_bio_error(bio);

	rcu_read_lock();
	if (err)
		mapping_set_error(space->inode->i_mapping, err);
	bio_put(bio);
	vmdemo_sync_end(sync, err);
	/* As at the end of a write. */
	if (atomic_dec_and_test(&space->backing->nr_flushes))
		wake_up_all(&pool->free_wait);
	rcu_read_unlock();
}

/* ---- building bios ---- */

/* Where a page is on a device. */
struct vmdemo_place {
	struct block_device *bdev;
	sector_t sector;
	unsigned int bytes;	/* that the device has; less than a page only at its end */
};

static __always_inline struct vmdemo_place
vmdemo_place(const struct vmdemo_space *space, u64 place, u64 size_bytes)
{
	return (struct vmdemo_place){
		.bdev	= space->backing->handle.bdev,
		.sector	= place << (PAGE_SHIFT - SECTOR_SHIFT),
		.bytes	= min_t(u64, PAGE_SIZE, size_bytes - (place << PAGE_SHIFT)),
	};
}

/*
 * Where page @index is: in @slot, if it has one. It must be somewhere. Inline, like what follows:
 * every page of a read comes by here.
 */
static __always_inline struct vmdemo_place
vmdemo_pager_place(struct vmdemo_space *space, pgoff_t index, u64 slot)
{
	if (!space->swap)
		return vmdemo_place(space, index, space->size_bytes);
	if (slot)
		return vmdemo_place(space, slot, U64_MAX);
	return vmdemo_place(space->linear, vmdemo_segment_origin(space, index),
			    space->linear->size_bytes);
}

/* A bad sector must fail only its own page. */
static bool vmdemo_pager_careful(const struct vmdemo_io *io)
{
	return io->write && vmdemo_backing_failing(io->space->backing);
}

static __always_inline void vmdemo_pager_start(struct vmdemo_io *io, pgoff_t index,
					       struct block_device *bdev, sector_t sector,
					       unsigned int vecs)
{
	blk_opf_t opf = (io->write ? REQ_OP_WRITE : REQ_OP_READ) | VMDEMO_REQ_CACHE;
	struct vmdemo_space *space = io->space;
	struct bio *bio;
	struct vmdemo_bio *vbio;

	/* Nor may it fail what the block layer would put into the same request. */
	if (io->write ? vmdemo_pager_careful(io) : vecs == 1)
		opf |= REQ_NOMERGE;
	/* Does not fail: the bio_set has a reserve, and bios in flight return to it. */
	bio = bio_alloc_bioset(bdev, vecs, opf, GFP_NOIO, &space->pool->bios);
	io->expect -= min(io->expect, vecs);
	bio->bi_iter.bi_sector = sector;
	bio->bi_end_io = io->write ? vmdemo_write_endio : vmdemo_read_endio;
	vbio = vmdemo_bio(bio);
	vbio->pool = space->pool;
	vbio->bounced = NULL;
	vbio->id = io->id;
	vbio->key = space->key | index;
	vbio->sync = io->sync;
	if (io->write) {
		vbio->backing = space->backing;
		vmdemo_backing_start_write(space->backing);
	}
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
		trace_vmdemo_writeback(vbio->pool, 0, vbio->key, vbio->nr, 0);
	else
		trace_vmdemo_load(vbio->pool, vbio->id, vbio->key, vbio->nr, 0);
	if (io->later) {
		bio_list_add(&io->later[!!io->space->swap], bio);
		io->nr_later++;
	} else {
		submit_bio(bio);
	}
}

static __always_inline void vmdemo_pager_add(struct vmdemo_io *io, struct folio *folio,
					     struct vmdemo_place place)
{
	pgoff_t index = folio->index;

	if (!io->write && place.bytes < PAGE_SIZE)
		folio_zero_segment(folio, place.bytes, PAGE_SIZE);
	/* Neighbours of a linear space are neighbours on its device. */
	if (io->bio && (io->next != index ||
			(io->space->swap && (io->bio->bi_bdev != place.bdev ||
					     bio_end_sector(io->bio) != place.sector)) ||
			io->bio->bi_vcnt == io->bio->bi_max_vecs || vmdemo_pager_careful(io)))
		vmdemo_pager_submit(io);
	if (!io->bio)
		vmdemo_pager_start(io, index, place.bdev, place.sector,
				   clamp(io->expect, 1U, VMDEMO_BIO_PAGES));
	__bio_add_page(io->bio, folio_page(folio, 0), place.bytes, 0);
	io->next = index + 1;
}

/**
 * vmdemo_pager_zero - fill the frame of a page that is nowhere yet
 * @space: whose page, a sparse one
 * @folio: locked, not up to date
 * @slot:  its entry, from vmdemo_swap_entry()
 *
 * Any context that may take a spinlock. Returns true if the folio is up to date now, false if the
 * page has to be read.
 */
bool vmdemo_pager_zero(struct vmdemo_space *space, struct folio *folio, u64 slot)
{
	pgoff_t index = folio->index;

	if (slot || vmdemo_segment_origin(space, index) != VMDEMO_NO_ORIGIN)
		return false;
	clear_highpage(folio_page(folio, 0));
	WRITE_ONCE(space->zeroed, true);
	folio_mark_uptodate(folio);
	vmdemo_segment_count(space, index, VMDEMO_SEGMENT_ZEROED);
	return true;
}

/*
 * The origin of a page without a slot may be in a frame itself, newer than on the device: then copy
 * that. An origin in no frame is on the device, unless it is being discarded: then it is zeros,
 * perhaps before the device has them. Returns 1 if the folio is up to date now, 0 if the page has
 * to be read, -EIO if it was lost with the memory of the frame.
 */
static int vmdemo_pager_copy(struct vmdemo_space *space, struct folio *folio)
{
	pgoff_t origin = vmdemo_segment_origin(space, folio->index);
	unsigned int bytes;
	struct folio *from;
	int ret = 0;

	if (origin == VMDEMO_NO_ORIGIN)
		return 0;
	from = vmdemo_index_lookup_sure(space->pool, space->linear->key + origin);
	if (!from) {
		/* In this order: if the discard has dropped it, it goes on, or is on the device. */
		if (!vmdemo_index_closed(space->linear, origin, origin))
			return 0;
		clear_highpage(folio_page(folio, 0));
		folio_mark_uptodate(folio);
		return 1;
	}
	if (vmdemo_folio_poisoned(from)) {
		ret = folio_test_dirty(from) ? -EIO : 0;
	} else if (folio_test_uptodate(from)) {
		copy_highpage(folio_page(folio, 0), folio_page(from, 0));
		/* What programs have stored beyond the end of the device stays theirs. */
		bytes = vmdemo_place(space->linear, origin, space->linear->size_bytes).bytes;
		if (bytes < PAGE_SIZE)
			folio_zero_segment(folio, bytes, PAGE_SIZE);
		folio_mark_uptodate(folio);
		ret = 1;
	}
	folio_put(from);
	return ret;
}

/* Inline: every page of a read comes by here. */
static __always_inline void vmdemo_pager_read_from(struct vmdemo_io *io, struct folio *folio,
						   u64 slot)
{
	struct vmdemo_space *space = io->space;
	int there = 0;

	if (space->swap) {
		if (slot == VMDEMO_SLOT_LOST)
			there = -EIO;
		else if (!slot)
			there = vmdemo_pager_zero(space, folio, slot) ? 1 :
				vmdemo_pager_copy(space, folio);
		if (there < 0)
			vmdemo_stat_inc(space->pool, read_errors);
		else if (there)
			vmdemo_stat_inc(space->pool, pages_copied);
		if (there) {
			folio_unlock(folio);
			return;
		}
		vmdemo_segment_count(space, folio->index, VMDEMO_SEGMENT_LOADED);
	}
	vmdemo_pager_add(io, folio, vmdemo_pager_place(space, folio->index, slot));
}

/**
 * vmdemo_pager_read_slot - read a page into its frame
 * @io:    gathers pages; vmdemo_pager_submit() sends them
 * @folio: locked, not up to date, in the index
 * @slot:  of a sparse space: its entry, from vmdemo_swap_entry(), when it was in its frame already
 *
 * When the read has ended the folio is unlocked, and up to date if it succeeded; at once if there
 * is nothing to read, or what there was is lost. May sleep.
 */
void vmdemo_pager_read_slot(struct vmdemo_io *io, struct folio *folio, u64 slot)
{
	vmdemo_pager_read_from(io, folio, slot);
}

/**
 * vmdemo_pager_read - read a page into its frame, wherever it is
 * @io:    as for vmdemo_pager_read_slot()
 * @folio: the same
 */
void vmdemo_pager_read(struct vmdemo_io *io, struct folio *folio)
{
	u64 slot = io->space->swap ? vmdemo_swap_entry(io->space, folio->index) : 0;

	vmdemo_pager_read_from(io, folio, slot);
}

/**
 * vmdemo_pager_write - write a frame to its page
 * @io:     gathers pages; vmdemo_pager_submit() sends them
 * @folio:  marked as being written; unlocked is fine
 * @target: the page of its backing store that it goes to, from vmdemo_swap_target()
 * @bounce: a copy of the folio to write instead, freed when done; NULL: none
 *
 * When the write has ended writeback has too; a failed one leaves the folio dirty. May sleep.
 */
void vmdemo_pager_write(struct vmdemo_io *io, struct folio *folio, u64 target,
			struct page *bounce)
{
	struct vmdemo_space *space = io->space;
	struct vmdemo_place place = vmdemo_place(space, target,
						 space->swap ? U64_MAX : space->size_bytes);

	atomic_inc(&space->pool->nr_writing);
	if (!space->swap)
		atomic_inc(&space->pool->nr_cleaning);
	if (!bounce) {
		vmdemo_pager_add(io, folio, place);
		return;
	}
	vmdemo_pager_submit(io);
	vmdemo_pager_start(io, folio->index, place.bdev, place.sector, 1);
	vmdemo_bio(io->bio)->bounced = folio;
	__bio_add_page(io->bio, bounce, place.bytes, 0);
	vmdemo_pager_submit(io);
}

/**
 * vmdemo_pager_flush - make the device put its write cache on stable storage
 * @space: a linear one, bound
 *
 * May sleep. Returns 0, the block layer's error, or -EINTR when killed: then the flush goes on, and
 * the space stays bound until it has ended.
 */
int vmdemo_pager_flush(struct vmdemo_space *space)
{
	struct vmdemo_backing *backing = space->backing;
	struct block_device *bdev = backing->handle.bdev;
	struct vmdemo_sync *sync;
	struct vmdemo_bio *vbio;
	struct bio *bio;

	if (backing->readonly || !bdev_write_cache(bdev))
		return 0;
	sync = vmdemo_sync_create();
	bio = bio_alloc_bioset(bdev, 0, REQ_OP_WRITE | REQ_SYNC | REQ_PREFLUSH, GFP_NOIO,
			       &space->pool->bios);
	bio->bi_end_io = vmdemo_flush_endio;
	vbio = vmdemo_bio(bio);
	vbio->pool = space->pool;
	vbio->flushed = space;
	vbio->sync = sync;
	refcount_inc(&sync->refs);
	atomic_inc(&sync->pending);
	atomic_inc(&backing->nr_flushes);
	submit_bio(bio);
	return vmdemo_sync_wait(sync);
}

/**
 * vmdemo_pager_init - what a pool needs for I/O
 * @pool: the pool
 *
 * May sleep. Returns 0 or -ENOMEM.
 */
int vmdemo_pager_init(struct vmdemo_pool *pool)
{
	return bioset_init(&pool->bios, 64, offsetof(struct vmdemo_bio, bio),
			   BIOSET_NEED_BVECS | VMDEMO_BIOSET_CACHE);
}

/**
 * vmdemo_pager_exit - undo vmdemo_pager_init()
 * @pool: no I/O of it is in flight any more
 *
 * May sleep.
 */
void vmdemo_pager_exit(struct vmdemo_pool *pool)
{
	/* A completion may still be on its way out. */
	synchronize_rcu();
	bioset_exit(&pool->bios);
}
