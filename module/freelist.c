// SPDX-License-Identifier: GPL-2.0
/*
 * freelist.c - frames that hold no page
 *
 * A free frame is in no list of the policy and not in the index; its folio is locked and has no
 * references. Frames whose number is above the pool's target leave the pool here.
 */
#include "freelist.h"

/**
 * vmdemo_free_reserve - free frames to keep
 * @pool: the pool
 *
 * By setting or by size. Any context.
 */
u32 vmdemo_free_reserve(const struct vmdemo_pool *pool)
{
	u32 reserve = READ_ONCE(pool->set.reserve);
	u32 frames = READ_ONCE(pool->nr_frames);

	if (reserve == VMDEMO_NONE)
		return frames < VMDEMO_SMALL_POOL ? 0 : frames / 32;
	return min(reserve, frames / 2);
}

/**
 * vmdemo_free_low - below this many free frames the reclaim thread starts
 * @pool: the pool
 *
 * Any context.
 */
u32 vmdemo_free_low(const struct vmdemo_pool *pool)
{
	u32 reserve = vmdemo_free_reserve(pool);

	return reserve - reserve / 2;
}

/**
 * vmdemo_free_push - a frame becomes free
 * @pool: the pool; its lock is held
 * @nr:   the frame: not in the index, its folio locked, no references
 *
 * Returns NULL, or its page if the frame is to go: vmdemo_free_release() it after the lock.
 */
struct page *vmdemo_free_push(struct vmdemo_pool *pool, u32 nr)
{
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	struct page *page = frame->page;

	lockdep_assert_held(&pool->lock);
	if (nr >= pool->target) {
		frame->page = NULL;
		pool->nr_frames--;
		pool->policy.nr_frames--;
		return page;
	}
	frame->next = pool->free;
	pool->free = nr;
	pool->nr_free++;
	return NULL;
}

/**
 * vmdemo_free_release - give a page back to the kernel
 * @page: of a frame that left the pool, or NULL
 *
 * Does not sleep.
 */
void vmdemo_free_release(struct page *page)
{
	if (!page)
		return;
	page->private = 0;
	folio_unlock(page_folio(page));
	set_page_count(page, 1);
	__free_page(page);
}

/**
 * vmdemo_free_finish - what follows vmdemo_free_push(), after the pool lock
 * @pool: the pool
 * @gone: what it returned
 *
 * Wakes who waits for a frame, or for the pool to shrink. Does not sleep.
 */
void vmdemo_free_finish(struct vmdemo_pool *pool, struct page *gone)
{
	if (gone) {
		vmdemo_free_release(gone);
		wake_up_all(&pool->clean_wait);
	}
	if (wq_has_sleeper(&pool->free_wait))
		wake_up(&pool->free_wait);
}

/**
 * vmdemo_free_put - return a frame that vmdemo_index_evict() handed over
 * @pool:  the pool
 * @frame: number of the frame; still locked and without references
 *
 * Wakes who waits for a frame. Takes the pool lock, does not sleep.
 */
void vmdemo_free_put(struct vmdemo_pool *pool, u32 frame)
{
	struct page *gone;

	spin_lock(&pool->lock);
	gone = vmdemo_free_push(pool, frame);
	spin_unlock(&pool->lock);
	vmdemo_free_finish(pool, gone);
}
