// SPDX-License-Identifier: GPL-2.0
/*
 * writeback.c - dirty frames go to the backing store: on fsync, by age, and when there are many
 *
 * A frame is unwritten from the moment it becomes dirty until a write that began later has ended
 * well; the pool's bitmap knows. So fsync finds frames that are dirty and frames whose write is on
 * its way with one look, and a failed write leaves its frame where the next fsync finds it.
 *
 * Writing write-protects the page first (folio_mkclean), clears the dirty flag, sets writeback and
 * drops the folio lock: readers go on, writers come to vmdemo_vm_page_mkwrite() and wait there for
 * the write to end (stable pages). A page under DMA cannot be stopped from changing: a copy of it
 * is written, and it stays dirty.
 *
 * The flusher looks at all unwritten frames twice in every dirty_age_ms: what it sees a second time
 * goes out. It is armed by the first page to become dirty and sleeps while none is.
 */
#include <linux/highmem.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "dirty.h"
#include "index.h"
#include "walk.h"
#include "writeback.h"

#define VMDEMO_BATCH	256

/* The longest a writer is held up at a time, in jiffies. */
#define VMDEMO_PAUSE	(HZ / 2)

/* Frames gathered to be written in order of their place. */
struct vmdemo_dirty {
	u64 key;
	struct folio *folio;
};

/**
 * vmdemo_writeback_folio - start writing a dirty page
 * @io:    gathers pages; the caller submits
 * @folio: locked, dirty, in the index, not under writeback; unlocked on return
 *
 * Returns 0, or -ENOMEM if it is pinned and there is no memory for a copy. May sleep.
 */
int vmdemo_writeback_folio(struct vmdemo_io *io, struct folio *folio)
{
	struct vmdemo_space *space = vmdemo_folio_space(folio);
	struct page *bounce = NULL;

	folio_mkclean(folio);
	/* No new pin for writing can come now: it would fault, and wait for the folio lock. */
	if (folio_maybe_dma_pinned(folio)) {
		bounce = alloc_page(GFP_NOIO | __GFP_NOWARN);
		if (!bounce) {
			folio_unlock(folio);
			return -ENOMEM;
		}
		copy_highpage(bounce, folio_page(folio, 0));
	} else {
		folio_test_clear_dirty(folio);
	}
	folio_start_writeback(folio);
	folio_unlock(folio);
	if (io->space != space) {
		vmdemo_pager_submit(io);
		io->space = space;
	}
	vmdemo_pager_write(io, folio, bounce);
	return 0;
}

static int vmdemo_writeback_cmp(const void *a, const void *b)
{
	const struct vmdemo_dirty *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

/* Lock a page to write it, when its last write has ended. Nothing of ours may hold it up. */
static int vmdemo_writeback_lock(struct vmdemo_io *io, struct folio *folio)
{
	int err;

	for (;;) {
		if (!folio_trylock(folio)) {
			vmdemo_pager_submit(io);
			err = folio_lock_killable(folio);
			if (err)
				return err;
		}
		if (!folio_test_writeback(folio))
			return 0;
		folio_unlock(folio);
		vmdemo_pager_submit(io);
		err = folio_wait_writeback_killable(folio);
		if (err)
			return err;
	}
}

/*
 * Write the pages of a batch, and drop the references to them. @wait: also those that are locked
 * or being written now; otherwise these are left out.
 */
static int vmdemo_writeback_batch(struct vmdemo_io *io, struct vmdemo_dirty *batch, u32 nr,
				  bool wait)
{
	int err = 0;
	u32 i;

	sort(batch, nr, sizeof(*batch), vmdemo_writeback_cmp, NULL);
	for (i = 0; i < nr; i++) {
		struct folio *folio = batch[i].folio;
		int ret = 0;

		if (wait && !err)
			ret = vmdemo_writeback_lock(io, folio);
		else if (!folio_trylock(folio))
			ret = -EAGAIN;
		if (!ret) {
			/* Evicted meanwhile: then it is on the device. */
			if (folio->mapping && folio_test_dirty(folio) &&
			    !folio_test_writeback(folio))
				ret = vmdemo_writeback_folio(io, folio);
			else
				folio_unlock(folio);
		}
		folio_put(folio);
		if (wait && ret && !err)
			err = ret;
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
 * perhaps: flushing that is the caller's. May sleep. Returns the error of a failed write, -ENOMEM,
 * or -EINTR when killed.
 */
int vmdemo_writeback_range(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	struct vmdemo_io io = { .space = space, .write = true };
	struct vmdemo_dirty *batch;
	struct vmdemo_walk walk;
	struct blk_plug plug;
	struct folio *folio;
	int err = 0, ret;
	u32 nr = 0;

	if (!atomic_read(&space->pool->nr_unwritten))
		return 0;
	batch = kmalloc_array(VMDEMO_BATCH, sizeof(*batch), GFP_NOIO);
	io.sync = vmdemo_sync_create();
	if (!batch || !io.sync) {
		kfree(batch);
		kfree(io.sync);
		return -ENOMEM;
	}
	vmdemo_walk_init(&walk, space, first, last, true);
	blk_start_plug(&plug);
	do {
		folio = vmdemo_walk_next(&walk);
		if (folio) {
			batch[nr].key = READ_ONCE(folio->index);
			batch[nr++].folio = folio;
		}
		if (nr == VMDEMO_BATCH || !folio) {
			err = vmdemo_writeback_batch(&io, batch, nr, true);
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

static u32 vmdemo_writeback_limit(const struct vmdemo_pool *pool)
{
	u64 limit = (u64)READ_ONCE(pool->nr_frames) * READ_ONCE(pool->set.dirty_pct) / 100;

	return max_t(u32, limit, 1);
}

/* Above this many the flusher starts, so that writers need not wait. */
static u32 vmdemo_writeback_background(const struct vmdemo_pool *pool)
{
	u32 limit = vmdemo_writeback_limit(pool);

	return limit - limit / 4;
}

static void vmdemo_writeback_work(struct work_struct *work)
{
	struct vmdemo_pool *pool = container_of(work, struct vmdemo_pool, flush_work.work);
	struct vmdemo_io io = { .write = true };
	int background = vmdemo_writeback_background(pool);
	bool over = atomic_read(&pool->nr_unwritten) >= background;
	int excess = atomic_read(&pool->nr_unwritten) - background / 2;
	bool age = READ_ONCE(pool->set.dirty_age_ms) &&
		   time_after_eq(jiffies, READ_ONCE(pool->age_due));
	struct vmdemo_dirty *batch;
	u32 frame = 0, nr = 0;

	atomic_set(&pool->flush_kicked, 0);
	/* Two looks at ages are half an age apart, however often the flusher is kicked. */
	if (age)
		WRITE_ONCE(pool->age_due, jiffies + vmdemo_dirty_flush_delay(pool));
	batch = kmalloc_array(VMDEMO_BATCH, sizeof(*batch), GFP_NOIO);
	while (batch && frame != VMDEMO_NONE) {
		frame = vmdemo_dirty_next(pool, frame);
		if (frame != VMDEMO_NONE) {
			u32 bit = frame & (VMDEMO_CHUNK_FRAMES - 1);
			struct vmdemo_chunk *chunk = pool->chunks[frame >> VMDEMO_CHUNK_SHIFT];
			bool old = age && test_and_set_bit(bit, chunk->aged);

			if (old || (over && excess-- > 0)) {
				batch[nr].folio = vmdemo_index_get_frame(pool, frame);
				batch[nr].key = READ_ONCE(vmdemo_frame(pool, frame)->key);
				nr += !!batch[nr].folio;
			}
			frame++;
		}
		if (nr == VMDEMO_BATCH || (nr && frame == VMDEMO_NONE)) {
			vmdemo_writeback_batch(&io, batch, nr, false);
			nr = 0;
			cond_resched();
		}
	}
	if (io.bio)
		vmdemo_pager_submit(&io);
	kfree(batch);
	if (READ_ONCE(pool->set.dirty_age_ms) && atomic_read(&pool->nr_unwritten))
		queue_delayed_work(pool->flusher, &pool->flush_work,
				   max_t(long, READ_ONCE(pool->age_due) - jiffies, 1));
}

/**
 * vmdemo_writeback_near_limit - are so many frames dirty that writers should go step by step?
 * @pool: the pool
 *
 * Any context.
 */
bool vmdemo_writeback_near_limit(const struct vmdemo_pool *pool)
{
	return atomic_read(&pool->nr_unwritten) >= (int)vmdemo_writeback_background(pool);
}

/**
 * vmdemo_writeback_throttle - hold up who dirties pages faster than they are written
 * @pool: the pool
 *
 * To be called before a page is made dirty, with no folio lock held. Above dirty_pct it waits for
 * writes to end, killably and for VMDEMO_PAUSE at most: the waiter may itself hold the pages that
 * cannot become clean, by a DMA it is setting up. Below it costs a comparison. Returns 0, or -EINTR
 * when killed.
 */
int vmdemo_writeback_throttle(struct vmdemo_pool *pool)
{
	int nr = atomic_read(&pool->nr_unwritten);
	int limit = vmdemo_writeback_limit(pool);

	if (likely(nr < (int)vmdemo_writeback_background(pool)))
		return 0;
	if (!atomic_xchg(&pool->flush_kicked, 1))
		mod_delayed_work(pool->flusher, &pool->flush_work, 0);
	if (nr < limit)
		return 0;
	if (wait_event_killable_timeout(pool->clean_wait,
					atomic_read(&pool->nr_unwritten) < limit, VMDEMO_PAUSE) < 0)
		return -EINTR;
	return 0;
}

/**
 * vmdemo_writeback_set_age - set the age at which dirt is written
 * @pool: the pool
 * @ms:   the age in milliseconds; 0: not by age
 *
 * Does not sleep.
 */
void vmdemo_writeback_set_age(struct vmdemo_pool *pool, u32 ms)
{
	WRITE_ONCE(pool->set.dirty_age_ms, ms);
	WRITE_ONCE(pool->age_due, jiffies);
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
	pool->flusher = alloc_workqueue("vmdemo", WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	return pool->flusher ? 0 : -ENOMEM;
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
}
