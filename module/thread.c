// SPDX-License-Identifier: GPL-2.0
/*
 * thread.c - the reclaim thread of a pool
 *
 * It works from the low watermark up to `reserve` free frames, evicts what a smaller pool has no
 * room for, and looks now and then for what no event tells: whether orphans have been let go, and
 * whether there is memory for frames that are missing.
 */
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched/mm.h>

#include "backing.h"
#include "evict.h"
#include "freelist.h"
#include "loan.h"
#include "orphan.h"
#include "pager.h"
#include "pool.h"
#include "reclaim.h"
#include "thread.h"
#include "walk.h"

/* Frames that are freed between demotions. */
#define VMDEMO_THREAD_REFILL	64

/* After this many writing batches in a row that free nothing, wait for a write to end. */
#define VMDEMO_THREAD_VAIN	8

/* Batches between looks for frames in excess. */
#define VMDEMO_THREAD_TURN	8

/* After an attempt to replace a missing frame failed for want of memory: wait this long. */
#define VMDEMO_THREAD_MEND	(2 * HZ)

/* At most one VMDEMO_THREAD_CUTth of the time goes into the search for frames that cannot go. */
#define VMDEMO_THREAD_CUT	32

/* The thread submits writes: others can see if that takes long. */
static void vmdemo_thread_hand_over(struct vmdemo_pool *pool, struct bio_list *bios)
{
	if (!vmdemo_evict_sent(bios))
		return;
	WRITE_ONCE(pool->submitting, jiffies ?: 1);
	vmdemo_evict_submit(pool, bios);
	WRITE_ONCE(pool->submitting, 0);
}

static bool vmdemo_thread_shrinking(const struct vmdemo_pool *pool)
{
	u32 lent = READ_ONCE(pool->besieged) ? vmdemo_loan_nr(pool) : 0;

	return READ_ONCE(pool->nr_frames) > READ_ONCE(pool->target) + lent;
}

/* Is there less than the low watermark? */
static bool vmdemo_thread_low(const struct vmdemo_pool *pool)
{
	return READ_ONCE(pool->nr_free) < vmdemo_free_low(pool);
}

static bool vmdemo_thread_needed(const struct vmdemo_pool *pool)
{
	return vmdemo_thread_low(pool) || vmdemo_thread_shrinking(pool);
}

/*
 * Work until the reserve is there, or in @most batches; in VMDEMO_THREAD_TURN if the pool has to
 * shrink, which programs that take each frame at once must not hold up. Returns false if nothing
 * could be done.
 */
static bool vmdemo_thread_refill(struct vmdemo_pool *pool, u32 most)
{
	u32 vain = 0, batches;
	bool moved = false;

	for (batches = 0; !kthread_should_stop() && batches < most; batches++) {
		u32 reserve = vmdemo_free_reserve(pool);
		u32 nr_free = READ_ONCE(pool->nr_free);
		struct bio_list bios[VMDEMO_NR_DISKS] = {};
		struct vmdemo_want want = { .bios = bios, .patience = VMDEMO_SILENT };
		u32 freed;

		if (nr_free >= reserve ||
		    (batches >= VMDEMO_THREAD_TURN && vmdemo_thread_shrinking(pool)))
			return true;
		/* Lent frames are not taken away for it. */
		if (READ_ONCE(pool->besieged))
			return moved;
		want.frames = min_t(u32, reserve - nr_free + READ_ONCE(pool->nr_waiters),
				    VMDEMO_THREAD_REFILL);
		vmdemo_reclaim_demote(pool, 2 * want.frames, want.frames);
		mutex_lock(&pool->reclaim_lock);
		freed = vmdemo_evict_frames(pool, &want);
		mutex_unlock(&pool->reclaim_lock);
		vain = freed ? 0 : vain + 1;
		if (!vmdemo_evict_sent(bios) && !freed)
			return moved;
		vmdemo_thread_hand_over(pool, bios);
		if (vain == VMDEMO_THREAD_VAIN)
			return moved;
		moved |= freed;
		cond_resched();
	}
	return true;
}

/* Work to do now and then, since no event tells when it can be done. */
struct vmdemo_chores {
	unsigned long look_at;	/* pages that are held: have they been let go? */
	unsigned long mend_at;	/* frames that are missing: is there memory, and may we? */
	u64 cut_at;		/* frames in excess: can they go? In ns; */
	u32 cut_target;		/* ... if this is the target still */
	u32 mend_next;
};

static bool vmdemo_thread_has_chores(const struct vmdemo_pool *pool)
{
	return READ_ONCE(pool->nr_orphans) || READ_ONCE(pool->besieged) || vmdemo_pool_lacks(pool);
}

/* Have those who hold all frames let go? */
static void vmdemo_thread_relieve(struct vmdemo_pool *pool)
{
	mutex_lock(&pool->reclaim_lock);
	vmdemo_evict_relieve(pool, VMDEMO_ORPHAN_LOOK);
	mutex_unlock(&pool->reclaim_lock);
}

/* A pass over the frames in excess. */
struct vmdemo_cut {
	struct bio_list bios[VMDEMO_NR_DISKS];
	struct vmdemo_io io;
	bool freed;
	bool started;	/* a write: its frame can go when that has ended */
	unsigned long refill_at;	/* in jiffies: no use to refill the free list before */
	u64 searched;	/* ns */
};

/*
 * Evict one, which leaves the pool; and if programs need some, a batch for them. What is gathered
 * does not wait for it.
 */
static void vmdemo_thread_cut_one(struct vmdemo_pool *pool, struct vmdemo_cut *cut,
				  struct folio *folio)
{
	enum vmdemo_evicted evicted;
	u32 frame;

	mutex_lock(&pool->reclaim_lock);
	evicted = vmdemo_evict_folio(pool, folio, &cut->io, true, &frame);
	mutex_unlock(&pool->reclaim_lock);
	if (evicted == VMDEMO_FREED)
		vmdemo_free_give_up(pool, frame);
	cut->freed |= evicted == VMDEMO_FREED;
	cut->started |= evicted == VMDEMO_WRITING;
	vmdemo_thread_hand_over(pool, cut->bios);
	if (!vmdemo_thread_low(pool) || time_before(jiffies, cut->refill_at))
		return;
	vmdemo_pager_submit(&cut->io);
	vmdemo_thread_hand_over(pool, cut->bios);
	if (!vmdemo_thread_refill(pool, 1))
		cut->refill_at = jiffies + VMDEMO_SOON;
}

/*
 * Evict frames whose number is above the target. If none can go, since programs hold them, the next
 * pass is put off, so that the search in a large pool takes a small part of a processor; but not if
 * the target is another one by then. Returns true if some were freed.
 */
static bool vmdemo_thread_cut(struct vmdemo_pool *pool, struct vmdemo_chores *chores)
{
	u32 target = READ_ONCE(pool->target), frames = READ_ONCE(pool->nr_frames), nr = 0;
	struct vmdemo_cut cut = {
		.io = { .write = true, .later = cut.bios }, .refill_at = jiffies,
	};
	struct folio *folio;
	u64 now;

	if (target == chores->cut_target && ktime_get_ns() < chores->cut_at)
		return false;
	for (;; nr++) {
		now = ktime_get_ns();
		nr = vmdemo_walk_excess(pool, nr, &folio);
		cut.searched += ktime_get_ns() - now;
		if (nr == VMDEMO_NONE)
			break;
		vmdemo_thread_cut_one(pool, &cut, folio);
		cond_resched();
	}
	vmdemo_pager_submit(&cut.io);
	vmdemo_thread_hand_over(pool, cut.bios);
	/* Those that were kept for programs. */
	now = ktime_get_ns();
	if (vmdemo_thread_shrinking(pool))
		vmdemo_free_trim_all(pool);
	cut.searched += ktime_get_ns() - now;
	chores->cut_target = target;
	chores->cut_at = 0;
	cut.freed |= READ_ONCE(pool->nr_frames) < frames;
	if (!cut.freed && !cut.started)
		chores->cut_at = ktime_get_ns() + VMDEMO_THREAD_CUT * cut.searched;
	return cut.freed;
}

static void vmdemo_thread_do_chores(struct vmdemo_pool *pool, struct vmdemo_chores *chores)
{
	if (time_after_eq(jiffies, chores->look_at)) {
		if (READ_ONCE(pool->nr_orphans))
			vmdemo_orphan_look(pool, VMDEMO_ORPHAN_LOOK);
		if (READ_ONCE(pool->besieged))
			vmdemo_thread_relieve(pool);
		chores->look_at = jiffies + VMDEMO_ORPHAN_TICK;
	}
	if (vmdemo_pool_lacks(pool) && time_after_eq(jiffies, chores->mend_at)) {
		bool vain = vmdemo_pool_mend(pool, &chores->mend_next);

		chores->mend_at = jiffies + (vain ? VMDEMO_THREAD_MEND : VMDEMO_ORPHAN_TICK);
	}
}

/* Until there is work, or it is time to look whether there is. */
static void vmdemo_thread_sleep(struct vmdemo_pool *pool, struct vmdemo_chores *chores)
{
	try_to_freeze();
	if (!vmdemo_thread_has_chores(pool))
		wait_event_freezable(pool->reclaim_wait, kthread_should_stop() ||
				     vmdemo_thread_needed(pool) ||
				     vmdemo_thread_has_chores(pool));
	else
		wait_event_freezable_timeout(pool->reclaim_wait, kthread_should_stop() ||
					     vmdemo_thread_needed(pool), VMDEMO_ORPHAN_TICK);
	vmdemo_thread_do_chores(pool, chores);
}

static int vmdemo_thread_run(void *data)
{
	struct vmdemo_pool *pool = data;
	unsigned int noio = memalloc_noio_save();
	struct vmdemo_chores chores = { .look_at = jiffies, .mend_at = jiffies };

	set_user_nice(current, MIN_NICE / 4 * 3);
	set_freezable();
	while (!kthread_should_stop()) {
		long progress = atomic_long_read(&pool->progress);
		bool moved;

		vmdemo_thread_sleep(pool, &chores);
		moved = vmdemo_thread_refill(pool, U32_MAX);
		if (vmdemo_thread_shrinking(pool))
			moved &= vmdemo_thread_cut(pool, &chores);
		/* Until a write ends. If none is on its way all is pinned: no event tells. */
		if (!moved)
			wait_event_freezable_timeout(pool->free_wait, kthread_should_stop() ||
						     atomic_long_read(&pool->progress) != progress,
						     VMDEMO_SOON);
	}
	memalloc_noio_restore(noio);
	return 0;
}

/**
 * vmdemo_thread_shrink - wait until the pool has shrunk
 * @pool:   the pool; its target has been lowered
 * @frames: the number to wait for
 *
 * Returns 0, -EINTR when killed, or -EBUSY after 5 s: then the frames in excess go later.
 */
int vmdemo_thread_shrink(struct vmdemo_pool *pool, u32 frames)
{
	long left;

	wake_up(&pool->reclaim_wait);
	left = wait_event_killable_timeout(pool->clean_wait,
					   READ_ONCE(pool->nr_frames) <= frames, 5 * HZ);
	if (left < 0)
		return -EINTR;
	return left ? 0 : -EBUSY;
}

/**
 * vmdemo_thread_init - start a pool's reclaim thread
 * @pool: the pool
 *
 * May sleep. Returns 0, -ENOMEM or -EINTR.
 */
int vmdemo_thread_init(struct vmdemo_pool *pool)
{
	struct task_struct *thread;

	thread = kthread_run(vmdemo_thread_run, pool, "vmdemo_reclaim");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	pool->thread = thread;
	return 0;
}

/**
 * vmdemo_thread_exit - stop a pool's reclaim thread
 * @pool: nobody needs frames of it any more
 *
 * May sleep.
 */
void vmdemo_thread_exit(struct vmdemo_pool *pool)
{
	kthread_stop(pool->thread);
}
