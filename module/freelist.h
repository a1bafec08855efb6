/* SPDX-License-Identifier: GPL-2.0 */
/*
 * freelist.h - frames that hold no page
 */
#ifndef VMDEMO_FREELIST_H
#define VMDEMO_FREELIST_H

#include <linux/completion.h>

#include "frame.h"

/* A task that waits for a frame; lives on the task's stack. */
struct vmdemo_waiter {
	struct list_head list;		/* pool lock: in pool->waiters or ->served, or empty */
	bool queued;			/* pool lock: in ->waiters */
	u64 ticket;			/* pool lock: its place in the queue; 0: none yet */
	bool watches;			/* it was pool->watcher when it looked last */
	bool over;			/* pool lock to write: it has a frame, or needs none now */
	struct completion called;	/* when it is over, or has become the watcher */
	u64 key;			/* of the page that needs the frame */
	u32 frame;			/* pool lock: VMDEMO_NONE, or its frame */
};

/* Free frames to keep. */
static inline u32 vmdemo_free_reserve(const struct vmdemo_pool *pool)
{
	return READ_ONCE(pool->reserve);
}

/* Below this many free frames the reclaim thread starts. */
static inline u32 vmdemo_free_low(const struct vmdemo_pool *pool)
{
	u32 reserve = vmdemo_free_reserve(pool);

	return reserve - reserve / 2;
}

void vmdemo_free_poisoned(struct vmdemo_pool *pool, u32 nr);

/*
 * Take a free frame; NULL: there is none. The pool lock is held. A frame whose memory has failed
 * leaves the pool, and its page stays as it is: nobody can get at it.
 */
static inline struct vmdemo_frame *vmdemo_free_pop(struct vmdemo_pool *pool)
{
	struct vmdemo_frame *frame;
	u32 *head, nr;

	lockdep_assert_held(&pool->lock);
	for (;;) {
		/* The lists change places nowhere but in vmdemo_free_trim_all(). */
		head = likely(pool->free != VMDEMO_NONE) ? &pool->free : &pool->kept;
		nr = *head;
		if (nr == VMDEMO_NONE)
			return NULL;
		frame = vmdemo_frame(pool, nr);
		*head = frame->next;
		WRITE_ONCE(pool->nr_free, pool->nr_free - 1);
		if (likely(!vmdemo_folio_poisoned(frame->folio)))
			return frame;
		vmdemo_free_poisoned(pool, nr);
	}
}

void vmdemo_free_excess(struct vmdemo_pool *pool, u32 nr, struct folio **gone);
bool vmdemo_free_serve(struct vmdemo_pool *pool, u32 nr);

/*
 * Frame @nr, not in the index, its folio locked and without references, becomes free. The pool lock
 * is held. A task that waits for one gets it. If the frame goes, its page is put before those of
 * @gone: for vmdemo_free_finish().
 */
static inline void vmdemo_free_push(struct vmdemo_pool *pool, u32 nr, struct folio **gone)
{
	lockdep_assert_held(&pool->lock);
	if (unlikely(nr >= pool->target)) {
		vmdemo_free_excess(pool, nr, gone);
		return;
	}
	if (unlikely(pool->nr_waiters) && vmdemo_free_serve(pool, nr))
		return;
	WRITE_ONCE(vmdemo_frame(pool, nr)->next, pool->free);
	pool->free = nr;
	WRITE_ONCE(pool->nr_free, pool->nr_free + 1);
}

void vmdemo_free_finish(struct vmdemo_pool *pool, struct folio *gone);
void vmdemo_free_put(struct vmdemo_pool *pool, u32 frame);
/* The same for a spare frame, if there is one, that was not needed after all. */
static inline void vmdemo_free_put_spare(struct vmdemo_pool *pool, u32 *spare)
{
	if (*spare != VMDEMO_NONE)
		vmdemo_free_put(pool, *spare);
	*spare = VMDEMO_NONE;
}

void vmdemo_free_give_up(struct vmdemo_pool *pool, u32 frame);
void vmdemo_free_trim_all(struct vmdemo_pool *pool);

bool vmdemo_free_wait(struct vmdemo_pool *pool, struct vmdemo_waiter *waiter, u32 *spare);
void vmdemo_free_wait_end(struct vmdemo_pool *pool, struct vmdemo_waiter *waiter, u32 *spare);

#endif /* VMDEMO_FREELIST_H */
