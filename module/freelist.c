// SPDX-License-Identifier: GPL-2.0
/*
 * freelist.c - frames that hold no page
 *
 * A free frame is in no list of the policy and not in the index; its folio is locked and has no
 * references. Frames whose number is above the pool's target leave the pool here, but not at once
 * if they are the last free ones: the oldest pages may all be in such frames, and then there would
 * be none for programs until the pool has shrunk.
 *
 * Tasks that wait for a frame stand in a queue. A frame that becomes free belongs to the first of
 * them at once: no newcomer takes it, and no other task is woken except those whose page has come
 * into a frame meanwhile. Without a reserve few tasks wait here: each evicts for itself.
 */
#include "freelist.h"
#include "hash.h"

/* Free frames looked at under one hold of the pool lock. */
#define VMDEMO_FREE_LOOK	64U

/* Free frames that a pool with a reserve keeps at first: as many as are evicted in one go. */
#define VMDEMO_FREE_LAST	32U

/* At most this many tasks whose page has come are let go each time a frame becomes free. */
#define VMDEMO_FREE_PASS	8

/* ---- tasks that wait for a frame ---- */

/*
 * A task leaves the queue. If it was the watcher, the last in the queue takes over: it will stay
 * the longest, so that handovers are few.
 */
static void vmdemo_free_unqueue(struct vmdemo_pool *pool, struct vmdemo_waiter *waiter)
{
	list_del_init(&waiter->list);
	waiter->queued = false;
	WRITE_ONCE(pool->nr_waiters, pool->nr_waiters - 1);
	if (pool->watcher != waiter)
		return;
	pool->watcher = pool->nr_waiters ? list_last_entry(&pool->waiters, typeof(*waiter), list) :
					   NULL;
	WRITE_ONCE(pool->watched_at, jiffies);
	if (pool->watcher)
		complete(&pool->watcher->called);
}

/*
 * A task joins the queue: at its end or, if it has been away, where its ticket belongs, before
 * those that have come meanwhile.
 */
static void vmdemo_free_queue(struct vmdemo_pool *pool, struct vmdemo_waiter *waiter)
{
	struct vmdemo_waiter *other;

	if (!waiter->ticket)
		waiter->ticket = ++pool->tickets;
	list_for_each_entry_reverse(other, &pool->waiters, list)
		if (other->ticket < waiter->ticket)
			break;
	list_add(&waiter->list, &other->list);
	waiter->queued = true;
	WRITE_ONCE(pool->nr_waiters, pool->nr_waiters + 1);
	if (!pool->watcher)
		pool->watcher = waiter;
}

/* A task leaves the queue, to be woken by vmdemo_free_finish(). */
static void vmdemo_free_call(struct vmdemo_pool *pool, struct vmdemo_waiter *waiter)
{
	vmdemo_free_unqueue(pool, waiter);
	WRITE_ONCE(waiter->over, true);
	list_add_tail(&waiter->list, &pool->served);
}

static bool vmdemo_free_has_page(struct vmdemo_pool *pool, u64 key)
{
	return vmdemo_hash_find(pool, vmdemo_hash_bucket(vmdemo_hash_buckets(pool), key), key,
				U32_MAX) != VMDEMO_NONE;
}

/**
 * vmdemo_free_serve - a frame has become free, and tasks wait for one
 * @pool: the pool; its lock is held
 * @nr:   the frame
 *
 * vmdemo_free_finish() is next. Returns whether a task has got it.
 */
bool vmdemo_free_serve(struct vmdemo_pool *pool, u32 nr)
{
	struct vmdemo_waiter *waiter;
	u32 passed = 0;

	lockdep_assert_held(&pool->lock);
	if (vmdemo_folio_poisoned(vmdemo_frame(pool, nr)->folio))
		return false;
	while (pool->nr_waiters) {
		waiter = list_first_entry(&pool->waiters, struct vmdemo_waiter, list);
		vmdemo_free_call(pool, waiter);
		/* Many may have waited for the same page. */
		if (passed++ < VMDEMO_FREE_PASS && vmdemo_free_has_page(pool, waiter->key))
			continue;
		waiter->frame = nr;
		WRITE_ONCE(pool->served_at, jiffies);
		return true;
	}
	return false;
}

/*
 * Wake the tasks that were called. The lock is taken anew for each: a waiter is on the stack of its
 * task, and may be gone as soon as the lock is let go of.
 */
static void vmdemo_free_wake(struct vmdemo_pool *pool)
{
	struct vmdemo_waiter *waiter;

	do {
		spin_lock(&pool->lock);
		waiter = list_first_entry_or_null(&pool->served, struct vmdemo_waiter, list);
		if (waiter) {
			list_del_init(&waiter->list);
			complete(&waiter->called);
		}
		spin_unlock(&pool->lock);
	} while (waiter);
}

/**
 * vmdemo_free_wait - take a free frame, or wait in turn for one
 * @pool:   the pool
 * @waiter: the task's; it may be in the queue already
 * @spare:  out: the number of the frame, which is the caller's, or VMDEMO_NONE
 *
 * Does not wait itself: @waiter->called is completed when another call makes sense. Takes the pool
 * lock, does not sleep. Returns true if there is a frame, or the task's page has come meanwhile;
 * otherwise @waiter->watches says whether the task is to look after the reclaim thread.
 */
bool vmdemo_free_wait(struct vmdemo_pool *pool, struct vmdemo_waiter *waiter, u32 *spare)
{
	bool over;

	spin_lock(&pool->lock);
	if (!waiter->over) {
		struct vmdemo_frame *frame = vmdemo_free_pop(pool);

		waiter->frame = frame ? vmdemo_frame_nr(frame->folio) : VMDEMO_NONE;
		waiter->over = frame ||
			       vmdemo_free_has_page(pool, waiter->key);
	}
	if (!waiter->over && !waiter->queued)
		vmdemo_free_queue(pool, waiter);
	waiter->watches = pool->watcher == waiter;
	*spare = waiter->frame;
	over = waiter->over;
	spin_unlock(&pool->lock);
	return over;
}

/**
 * vmdemo_free_wait_end - the task waits no longer
 * @pool:   the pool
 * @waiter: the task's
 * @spare:  the task's frame, or VMDEMO_NONE: then set to the frame that it was served, if any
 *
 * A second frame goes to the next task, or to the free list. If the task waits again, it takes its
 * old place. Takes the pool lock, does not sleep.
 */
void vmdemo_free_wait_end(struct vmdemo_pool *pool, struct vmdemo_waiter *waiter, u32 *spare)
{
	u32 frame;

	spin_lock(&pool->lock);
	if (waiter->queued)
		vmdemo_free_unqueue(pool, waiter);
	/* It may have been called, and not yet woken: then it is in ->served. */
	list_del_init(&waiter->list);
	frame = waiter->frame;
	waiter->frame = VMDEMO_NONE;
	spin_unlock(&pool->lock);
	if (*spare == VMDEMO_NONE)
		*spare = frame;
	else if (frame != VMDEMO_NONE && frame != *spare)
		vmdemo_free_put(pool, frame);
}

/* ---- frames ---- */

/* Frame @nr, its number above the target, leaves the pool. */
static void vmdemo_free_leave(struct vmdemo_pool *pool, u32 nr, struct folio **gone)
{
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);

	frame->folio->lru.next = (struct list_head *)*gone;
	*gone = frame->folio;
	WRITE_ONCE(frame->folio, NULL);
	vmdemo_pool_count(pool, -1);
}

/**
 * vmdemo_free_excess - a frame has become free that a smaller pool has no room for
 * @pool: the pool; its lock is held
 * @nr:   the frame, its number above the target
 * @gone: if it leaves the pool its page is put before these: for vmdemo_free_finish()
 *
 * The frame leaves, unless it is one of the last that are free: then a waiting task gets it, or it
 * goes to the list that is used when the other is empty, and leaves when vmdemo_free_trim_all()
 * finds it. While tasks wait, every other frame leaves all the same. A lent frame always does.
 */
void vmdemo_free_excess(struct vmdemo_pool *pool, u32 nr, struct folio **gone)
{
	lockdep_assert_held(&pool->lock);
	/* While tasks wait, every other frame goes all the same, or the pool would not shrink. */
	if (pool->nr_free >= min(VMDEMO_FREE_LAST, vmdemo_free_low(pool)) ||
	    nr >= pool->top - VMDEMO_LOANS || (pool->nr_waiters && (nr & 1))) {
		vmdemo_free_leave(pool, nr, gone);
		return;
	}
	if (pool->nr_waiters && vmdemo_free_serve(pool, nr))
		return;
	WRITE_ONCE(vmdemo_frame(pool, nr)->next, pool->kept);
	pool->kept = nr;
	WRITE_ONCE(pool->nr_free, pool->nr_free + 1);
}

/**
 * vmdemo_free_poisoned - a frame that was free leaves the pool: its memory has failed
 * @pool: the pool; its lock is held
 * @nr:   the frame
 *
 * Wakes tasks that wait for the pool to shrink, and the thread, which gets a page in its place.
 */
void vmdemo_free_poisoned(struct vmdemo_pool *pool, u32 nr)
{
	lockdep_assert_held(&pool->lock);
	WRITE_ONCE(vmdemo_frame(pool, nr)->folio, NULL);
	vmdemo_pool_count(pool, -1);
	wake_up_all(&pool->clean_wait);
	wake_up(&pool->reclaim_wait);
}

/* Give pages of frames that left the pool back to the kernel. */
static void vmdemo_free_release(struct folio *folio)
{
	while (folio) {
		struct folio *next = (struct folio *)folio->lru.next;

		folio->private = NULL;
		folio_unlock(folio);
		folio_ref_unfreeze(folio, 1);
		folio_put(folio);
		folio = next;
	}
}

/**
 * vmdemo_free_finish - what follows vmdemo_free_push(), after the pool lock
 * @pool: the pool
 * @gone: pages that left the pool, or NULL
 *
 * Wakes the tasks that were called, those that evict for themselves, and those that wait for the
 * pool to shrink. Does not sleep.
 */
void vmdemo_free_finish(struct vmdemo_pool *pool, struct folio *gone)
{
	if (gone) {
		vmdemo_free_release(gone);
		wake_up_all(&pool->clean_wait);
	}
	if (unlikely(!list_empty(&pool->served)))
		vmdemo_free_wake(pool);
	if (wq_has_sleeper(&pool->free_wait))
		wake_up_all(&pool->free_wait);
}

/**
 * vmdemo_free_put - return a frame that eviction handed over
 * @pool:  the pool
 * @frame: number of the frame; still locked and without references
 *
 * Wakes tasks that wait for a frame. Takes the pool lock, does not sleep.
 */
void vmdemo_free_put(struct vmdemo_pool *pool, u32 frame)
{
	struct folio *gone = NULL;

	spin_lock(&pool->lock);
	vmdemo_free_push(pool, frame, &gone);
	spin_unlock(&pool->lock);
	vmdemo_free_finish(pool, gone);
}

/**
 * vmdemo_free_give_up - take from the pool a frame that eviction handed over
 * @pool:  the pool
 * @frame: number of the frame; still locked and without references
 *
 * Unless the pool has room for it again. Wakes tasks that wait for the pool to shrink. Takes the
 * pool lock, does not sleep.
 */
void vmdemo_free_give_up(struct vmdemo_pool *pool, u32 frame)
{
	struct folio *gone = NULL;

	spin_lock(&pool->lock);
	if (frame >= pool->target)
		vmdemo_free_leave(pool, frame, &gone);
	else
		vmdemo_free_push(pool, frame, &gone);
	spin_unlock(&pool->lock);
	vmdemo_free_finish(pool, gone);
}

/*
 * Look at some free frames: those whose number is above the target go, the others are kept, in a
 * list that is used when there are no others. Returns false when all have been looked at.
 */
static bool vmdemo_free_trim_some(struct vmdemo_pool *pool)
{
	struct folio *gone = NULL;
	u32 nr, looked;

	spin_lock(&pool->lock);
	for (looked = 0; looked < VMDEMO_FREE_LOOK && pool->free != VMDEMO_NONE; looked++) {
		nr = pool->free;
		pool->free = vmdemo_frame(pool, nr)->next;
		if (nr >= pool->target) {
			vmdemo_free_leave(pool, nr, &gone);
			WRITE_ONCE(pool->nr_free, pool->nr_free - 1);
		} else {
			WRITE_ONCE(vmdemo_frame(pool, nr)->next, pool->kept);
			pool->kept = nr;
		}
	}
	spin_unlock(&pool->lock);
	if (gone)
		vmdemo_free_finish(pool, gone);
	cond_resched();
	return looked == VMDEMO_FREE_LOOK;
}

/**
 * vmdemo_free_trim_all - free frames above the target leave the pool
 * @pool: the pool; its target has been lowered
 *
 * What becomes free from now on is seen to by vmdemo_free_excess(). What that keeps, and what two
 * callers at once miss, are found by the reclaim thread's next call. Takes the pool lock, each time
 * for a few frames. May sleep.
 */
void vmdemo_free_trim_all(struct vmdemo_pool *pool)
{
	bool again;

	spin_lock(&pool->lock);
	again = pool->kept != VMDEMO_NONE;
	spin_unlock(&pool->lock);
	while (vmdemo_free_trim_some(pool))
		;
	if (again) {
		spin_lock(&pool->lock);
		swap(pool->free, pool->kept);
		spin_unlock(&pool->lock);
		while (vmdemo_free_trim_some(pool))
			;
	}
	/* What stays is used before what vmdemo_free_excess() will keep. */
	spin_lock(&pool->lock);
	if (pool->free == VMDEMO_NONE)
		swap(pool->free, pool->kept);
	spin_unlock(&pool->lock);
}
