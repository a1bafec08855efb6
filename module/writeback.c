// SPDX-License-Identifier: GPL-2.0
/*
 * writeback.c - dirty frames go to the backing store: on fsync, by age, and when there are many
 *
 * A frame is unwritten from the moment it becomes dirty until a write that began later has ended
 * well; the pool's bitmap knows. So fsync finds frames that are dirty and frames whose write is on
 * its way with one look, and a failed write leaves its frame where the next fsync finds it.
 *
 * Writing write-protects the page first (folio_mkclean), clears the dirty flag, marks its frame as
 * being written (dirty.c; PG_writeback is not used) and drops the folio lock: readers go on,
 * writers come to vmdemo_vm_page_mkwrite() and have to wait for the write to end (stable pages). A
 * page under DMA cannot be stopped from changing: a copy of it is written, and it stays dirty. So
 * does, on kernels before 6.2, one that is just being unmapped.
 *
 * The flusher looks at all unwritten frames twice in every dirty_age_ms: what it sees a second time
 * goes out. It is armed by the first page to become dirty and sleeps while none is.
 */
#include <linux/highmem.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "dirty.h"
#include "hwpoison.h"
#include "index.h"
#include "order.h"
#include "swap.h"
#include "walk.h"
#include "writeback.h"

#define VMDEMO_BATCH	256

/* Pages no further from each other may end up in one bio. */
#define VMDEMO_NEAR	64

/* Frames that the flusher takes from the order at a time. */
#define VMDEMO_OLDEST	64

/* The longest a writer is held up at a time, in jiffies. */
#define VMDEMO_PAUSE	(HZ / 2)

/*
 * Is somebody about to unmap a page, with processors that still know the way to it? Its entry is
 * gone then, and on an old kernel its place in the rmap, so that folio_mkclean() does not wait for
 * that task; but it lets go of the page only when the TLBs are flushed. Other holders look the
 * same.
 */
static bool vmdemo_writeback_stale(struct folio *folio)
{
	return VMDEMO_RMAP_FIRST && vmdemo_folio_pinned(folio, 0);
}

/**
 * vmdemo_writeback_folio - start writing a dirty page
 * @io:    gathers pages; the caller submits
 * @folio: locked, dirty, in the index, not being written; unlocked on return. The caller has no
 *         reference, or it would look like a task that unmaps the page: the lock keeps it here
 *
 * If its memory has failed there is nothing to write, and the frame leaves the pool. Returns 0, or
 * -ENOMEM if it is pinned and there is no memory for a copy. May sleep.
 */
int vmdemo_writeback_folio(struct vmdemo_io *io, struct folio *folio)
{
	struct vmdemo_space *space = vmdemo_folio_space(folio);
	struct page *bounce = NULL;
	u64 target;

	if (vmdemo_folio_poisoned(folio)) {
		folio_get(folio);
		vmdemo_hwpoison_leave(space->pool, folio);
		folio_unlock(folio);
		folio_put(folio);
		return 0;
	}
	if (folio_mapped(folio))
		folio_mkclean(folio);
	/*
	 * No new pin for writing can come now: it would fault, and wait for the folio lock. Seen
	 * to be unmapped, the page is seen to be pinned: a fast pin takes its reference before it
	 * looks at the PTE again, which goes before the page is unmapped.
	 */
	smp_rmb();
	if (folio_maybe_dma_pinned(folio)) {
		bounce = alloc_page(GFP_NOIO | __GFP_NOWARN);
		if (!bounce) {
			folio_unlock(folio);
			return -ENOMEM;
		}
		copy_highpage(bounce, folio_page(folio, 0));
	} else if (!vmdemo_writeback_stale(folio)) {
		folio_test_clear_dirty(folio);
	}
	/* A task that sees that it is being written sees where to. */
	target = vmdemo_swap_target(space, folio->index);
	vmdemo_dirty_start_write(space->pool, vmdemo_frame_nr(folio));
	folio_unlock(folio);
	if (io->space != space) {
		vmdemo_pager_submit(io);
		io->space = space;
	}
	vmdemo_pager_write(io, folio, target, bounce);
	return 0;
}

/* Are pages near each other neighbours in the batch as well, so that sorting makes longer bios? */
static bool vmdemo_writeback_scattered(const struct vmdemo_dirty *batch, u32 nr)
{
	u32 i, near = 0;

	for (i = 1; i < nr; i++)
		near += batch[i].key - batch[i - 1].key + VMDEMO_NEAR < 2 * VMDEMO_NEAR;
	return near < nr / 8;
}

/*
 * Sort by place, if that gains anything: what was written at random stays so, and the block layer
 * orders the requests. Shell's method, with Ciura's gaps: sort() takes three times as long, more
 * than all else that a write needs here.
 */
static void vmdemo_writeback_sort(struct vmdemo_dirty *batch, u32 nr)
{
	static const u8 gaps[] = { 132, 57, 23, 10, 4, 1 };
	u32 g, i, j;

	for (i = 1; i < nr && batch[i - 1].key < batch[i].key;)
		i++;
	if (i >= nr || vmdemo_writeback_scattered(batch, nr))
		return;
	for (g = 0; g < ARRAY_SIZE(gaps); g++) {
		for (i = gaps[g]; i < nr; i++) {
			struct vmdemo_dirty page = batch[i];

			for (j = i; j >= gaps[g] && batch[j - gaps[g]].key > page.key; j -= gaps[g])
				batch[j] = batch[j - gaps[g]];
			batch[j] = page;
		}
	}
}

/* Lock a page to write it, when its last write has ended. Nothing of ours may hold it up. */
static int vmdemo_writeback_lock(struct vmdemo_io *io, struct vmdemo_pool *pool,
				 struct folio *folio, u32 nr)
{
	int err;

	for (;;) {
		if (!folio_trylock(folio)) {
			vmdemo_pager_submit(io);
			err = folio_lock_killable(folio);
			if (err)
				return err;
		}
		if (!vmdemo_frame_writing(pool, nr))
			return 0;
		folio_unlock(folio);
		vmdemo_pager_submit(io);
		err = vmdemo_dirty_wait_write(pool, nr, TASK_KILLABLE);
		if (err)
			return err;
	}
}

/* How many pages from batch[0] on follow each other. */
static u32 vmdemo_writeback_run(const struct vmdemo_dirty *batch, u32 nr)
{
	u32 run = 1;

	while (run < nr && batch[run].key == batch[0].key + run)
		run++;
	return run;
}

/*
 * Has somebody locked the page in a frame, as far as can be seen without a reference? Asked only
 * where our reference would spoil that task's write.
 */
static bool vmdemo_writeback_locked(struct vmdemo_pool *pool, u32 nr)
{
	struct folio *folio;

	if (!VMDEMO_RMAP_FIRST)
		return false;
	folio = READ_ONCE(vmdemo_frame(pool, nr)->folio);
	/* Not folio_test_locked(): if the frame goes just now it may be anything. */
	return folio && test_bit(PG_locked, vmdemo_folio_flags(folio));
}

/*
 * Reference a page whose turn it is. NULL: it was evicted meanwhile, so it is on the device; or
 * without @wait, it is not to be had at once.
 */
static __always_inline struct folio *vmdemo_writeback_get(struct vmdemo_pool *pool,
							  const struct vmdemo_dirty *dirty,
							  bool wait)
{
	struct folio *folio;

	if (!wait && vmdemo_writeback_locked(pool, dirty->frame))
		return NULL;
	folio = vmdemo_index_get_page(pool, dirty->frame, dirty->key);
	if (!folio && wait)
		folio = vmdemo_index_get_page_sure(pool, dirty->frame, dirty->key);
	return folio;
}

/*
 * Write the pages of a batch, in order of their place. @wait: also those that are locked or being
 * written now; otherwise these are left out. None is held before its turn: a page that is held is
 * in the way of others.
 */
static int vmdemo_writeback_batch(struct vmdemo_io *io, struct vmdemo_pool *pool,
				  struct vmdemo_dirty *batch, u32 nr, bool wait)
{
	u32 i, run = 0;
	int err = 0;

	vmdemo_writeback_sort(batch, nr);
	for (i = 0; i < nr && !err; i++, run--) {
		struct folio *folio;

		if (!run) {
			run = vmdemo_writeback_run(batch + i, nr - i);
			io->expect = run;
		}
		folio = vmdemo_writeback_get(pool, batch + i, wait);
		if (!folio)
			continue;
		if (wait)
			err = vmdemo_writeback_lock(io, pool, folio, batch[i].frame);
		if (err || (!wait && !folio_trylock(folio))) {
			folio_put(folio);
			continue;
		}
		if (folio->mapping && folio_test_dirty(folio) &&
		    !vmdemo_frame_writing(pool, batch[i].frame)) {
			folio_put(folio);
			err = vmdemo_writeback_folio(io, folio);
		} else {
			folio_unlock(folio);
			folio_put(folio);
		}
		if (!wait)
			err = 0;
	}
	return err;
}

/**
 * vmdemo_writeback_range - write what is unwritten in a range, and wait for it
 * @space: the space
 * @first: first page
 * @last:  last page
 *
 * Everything that was dirty when the call began is on the device when it returns 0, in its cache
 * perhaps: flushing that is the caller's. May sleep. Returns the error of a failed write, -ENOMEM
 * if there is none for a copy of a pinned page, or -EINTR when killed.
 */
int vmdemo_writeback_range(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	struct vmdemo_io io = { .space = space, .write = true };
	struct vmdemo_pool *pool = space->pool;
	struct vmdemo_dirty *batch;
	struct vmdemo_walk walk;
	struct blk_plug plug;
	struct folio *folio;
	int err = 0, ret;
	u32 nr = 0;

	/*
	 * In this order: see vmdemo_dirty_next_sure(). What the caller asks next, whether pages
	 * were lost and whether some are being discarded, comes after both: pairs with
	 * vmdemo_dirty_unmark().
	 */
	if (!space->swap && !atomic_read_acquire(&pool->nr_cleaning) &&
	    !atomic_read_acquire(&pool->nr_unwritten))
		return 0;
	/* Data is not left unwritten for want of a page: nobody waits for memory of ours. */
	batch = kmalloc_array(VMDEMO_BATCH, sizeof(*batch), GFP_NOIO | __GFP_NOFAIL);
	io.sync = vmdemo_sync_create();
	vmdemo_walk_init(&walk, space, first, last, !space->swap);
	blk_start_plug(&plug);
	do {
		folio = vmdemo_walk_next(&walk);
		if (folio) {
			const struct vmdemo_frame *frame;

			batch[nr].frame = vmdemo_frame_nr(folio);
			frame = vmdemo_frame(pool, batch[nr].frame);
			batch[nr].key = READ_ONCE(frame->key);
			/* It has no frame any more if its memory has just failed. */
			nr += READ_ONCE(frame->folio) == folio;
			folio_put(folio);
		}
		if (nr == VMDEMO_BATCH || !folio) {
			err = vmdemo_writeback_batch(&io, pool, batch, nr, true);
			nr = 0;
		}
	} while (folio && !err);
	vmdemo_pager_submit(&io);
	blk_finish_plug(&plug);
	kfree(batch);
	ret = vmdemo_sync_wait(io.sync);
	return err ?: ret;
}

/* ---- the flusher ---- */

/*
 * Write the oldest dirty frames, those that reclaim will come to next: until the device has so much
 * to do that not too many will be dirty when it is done. They are on standby mostly, unmapped, so
 * that a program that is still writing them is not disturbed.
 */
static void vmdemo_writeback_oldest(struct vmdemo_pool *pool, struct vmdemo_io *io)
{
	struct vmdemo_dirty *batch = pool->flush_batch;
	u32 background = READ_ONCE(pool->dirty_background);
	int target = background - DIV_ROUND_UP(background, 16);
	bool whole = false;
	u32 nr;

	/* From where the last one ended; from there to the end there may be little. */
	do {
		int excess = atomic_read(&pool->nr_unwritten) - atomic_read(&pool->nr_cleaning) -
			     target;

		if (excess <= 0)
			break;
		whole |= !pool->clean_cursor;
		nr = vmdemo_order_dirty(pool, &pool->clean_cursor, batch,
					min(excess, VMDEMO_OLDEST));
		vmdemo_writeback_batch(io, pool, batch, nr, false);
		cond_resched();
	} while (pool->clean_cursor || !whole);
}

/* Write frames that were dirty at the last look already. */
static void vmdemo_writeback_aged(struct vmdemo_pool *pool, struct vmdemo_io *io)
{
	struct vmdemo_dirty *batch = pool->flush_batch;
	u32 frame = 0, nr = 0;

	while (frame != VMDEMO_NONE) {
		frame = vmdemo_dirty_next(pool, frame);
		if (frame != VMDEMO_NONE) {
			struct vmdemo_chunk *chunk = pool->chunks[frame >> VMDEMO_CHUNK_SHIFT];

			if (test_and_set_bit(frame & (VMDEMO_CHUNK_FRAMES - 1), chunk->aged)) {
				batch[nr].key = READ_ONCE(vmdemo_frame(pool, frame)->key);
				batch[nr++].frame = frame;
			}
			frame++;
		}
		if (nr == VMDEMO_BATCH || (nr && frame == VMDEMO_NONE)) {
			vmdemo_writeback_batch(io, pool, batch, nr, false);
			nr = 0;
			cond_resched();
		}
	}
}

static void vmdemo_writeback_work(struct work_struct *work)
{
	struct vmdemo_pool *pool = container_of(work, struct vmdemo_pool, flush_work.work);
	struct vmdemo_io io = { .write = true };
	struct blk_plug plug;

	atomic_set(&pool->flush_kicked, 0);
	/* A task that finds it kicked already has counted no more than is counted here. */
	smp_mb();
	blk_start_plug(&plug);
	vmdemo_writeback_oldest(pool, &io);
	/* Two looks at ages are half an age apart, however often the flusher is kicked. */
	if (READ_ONCE(pool->set.dirty_age_ms) && time_after_eq(jiffies, READ_ONCE(pool->age_due))) {
		WRITE_ONCE(pool->age_due, jiffies + vmdemo_dirty_flush_delay(pool));
		vmdemo_writeback_aged(pool, &io);
	}
	vmdemo_pager_submit(&io);
	blk_finish_plug(&plug);
	if (READ_ONCE(pool->set.dirty_age_ms) && atomic_read(&pool->nr_unwritten))
		queue_delayed_work(pool->flusher, &pool->flush_work,
				   max_t(long, READ_ONCE(pool->age_due) - jiffies, 1));
}

/**
 * vmdemo_writeback_near_limit - would more dirty frames hold up writers?
 * @pool: the pool
 * @nr:   how many more
 *
 * Any context.
 */
bool vmdemo_writeback_near_limit(const struct vmdemo_pool *pool, u32 nr)
{
	return atomic_read(&pool->nr_unwritten) + (int)nr >= (int)READ_ONCE(pool->dirty_limit);
}

/* The slow path of vmdemo_writeback_crowded(): start the flusher. */
bool vmdemo_writeback_press(struct vmdemo_pool *pool)
{
	if (!atomic_xchg(&pool->flush_kicked, 1))
		mod_delayed_work(pool->flusher, &pool->flush_work, 0);
	return atomic_read(&pool->nr_unwritten) >= (int)READ_ONCE(pool->dirty_limit);
}

/**
 * vmdemo_writeback_pause - hold up a program that dirties pages faster than they are written
 * @pool: the pool, crowded
 *
 * With no folio locked and, if possible, no other lock either: waits for writes to end, killably
 * and for VMDEMO_PAUSE at most, since the waiter may itself hold the pages that cannot become
 * clean, by a DMA it is setting up. Returns 0, or -EINTR when killed.
 */
int vmdemo_writeback_pause(struct vmdemo_pool *pool)
{
	int limit = READ_ONCE(pool->dirty_limit);
	long left;

	left = wait_event_killable_timeout(pool->clean_wait,
					   atomic_read(&pool->nr_unwritten) < limit, VMDEMO_PAUSE);
	return left < 0 ? -EINTR : 0;
}

/**
 * vmdemo_writeback_set_age - set the age at which dirty data is written
 * @pool: the pool
 * @ms:   the age in milliseconds; 0: not by age
 *
 * Does not sleep.
 */
void vmdemo_writeback_set_age(struct vmdemo_pool *pool, u32 ms)
{
	WRITE_ONCE(pool->set.dirty_age_ms, ms);
	WRITE_ONCE(pool->age_due, jiffies);
	/* A task that makes the first page dirty sees the new age, or is seen here. */
	smp_mb();
	if (ms && atomic_read(&pool->nr_unwritten))
		mod_delayed_work(pool->flusher, &pool->flush_work, 1);
}

/**
 * vmdemo_writeback_init - a pool's flusher
 * @pool: the pool
 *
 * May sleep. Returns 0 or -ENOMEM.
 */
int vmdemo_writeback_init(struct vmdemo_pool *pool)
{
	INIT_DELAYED_WORK(&pool->flush_work, vmdemo_writeback_work);
	pool->age_due = jiffies;
	/* Not when it runs: it runs when memory is short. */
	pool->flush_batch = kmalloc_array(VMDEMO_BATCH, sizeof(*pool->flush_batch), GFP_KERNEL);
	if (!pool->flush_batch)
		return -ENOMEM;
	pool->flusher = alloc_workqueue("vmdemo", WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_HIGHPRI |
					WQ_FREEZABLE, 0);
	if (!pool->flusher) {
		kfree(pool->flush_batch);
		return -ENOMEM;
	}
	return 0;
}

/**
 * vmdemo_writeback_exit - stop a pool's flusher
 * @pool: no page of it is dirty any more, so nothing re-arms it
 *
 * May sleep.
 */
void vmdemo_writeback_exit(struct vmdemo_pool *pool)
{
	cancel_delayed_work_sync(&pool->flush_work);
	destroy_workqueue(pool->flusher);
	kfree(pool->flush_batch);
}
