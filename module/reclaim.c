// SPDX-License-Identifier: GPL-2.0
/*
 * reclaim.c - frames are demoted, evicted and freed
 *
 * A thread per device keeps free frames between two watermarks: below the low one it wakes, and
 * works until `reserve` are free. With reserve 0, the case of small pools, every fault frees the
 * one frame it needs and keeps it.
 *
 * Demotion unmaps lazily and in place. Before frames are evicted the policy names the oldest active
 * one. If it is mapped, one call unmaps an aligned range of pages around it, as long as pays there
 * (vmdemo_evict_span()); the others of that range stay where they are in the order, only unmapped,
 * and a touch of any of them is a soft fault. The victims of an LRU order are scattered, so
 * unmapping them one by one would cost a TLB shootdown each, and with two CPUs those shootdowns are
 * what everything waits for.
 *
 * One task at a time demotes, and one evicts, each under a lock of its own: to unmap is most of the
 * work, and what is on standby can go meanwhile.
 *
 * Which victims go is evict.c's. The writes that it gathers are submitted when the reclaim lock has
 * been let go of: that may take as long as the disk.
 */
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "backing.h"
#include "evict.h"
#include "freelist.h"
#include "loan.h"
#include "order.h"
#include "orphan.h"
#include "pool.h"
#include "reclaim.h"
#include "user.h"
#include "walk.h"
#include "writeback.h"

/* Frames that are freed in one go: by a faulter that helps; by the thread, between demotions. */
#define VMDEMO_RECLAIM_BATCH	32
#define VMDEMO_RECLAIM_REFILL	64

/* After this many writing batches in a row that free nothing, wait for a write to end. */
#define VMDEMO_RECLAIM_VAIN	8

/* After an attempt to replace a missing frame failed for want of memory: wait this long. */
#define VMDEMO_MEND_PAUSE	(2 * HZ)

/* At most one VMDEMO_CUT_PARTth of the time goes into the search for frames that cannot go. */
#define VMDEMO_CUT_PART		32

/* How often to look for a free frame while another evicts: about as long as a batch takes. */
#define VMDEMO_RECLAIM_SPINS	256

/* ---- demotion ---- */

/*
 * Unmap @folio, and with it all of the range around it. The others stay where they are in the
 * order: they go to standby when it is their turn, and need no call then. False: not now.
 */
static bool vmdemo_reclaim_unmap(struct vmdemo_pool *pool, struct folio *folio)
{
	struct vmdemo_space *space;
	pgoff_t span, first;
	bool done = false;

	if (!folio_trylock(folio))
		return false;
	if (!folio->mapping)
		goto out;
	space = vmdemo_folio_space(folio);
	span = vmdemo_evict_span(space, folio->index);
	if (!vmdemo_policy_affords(&pool->policy, span))
		goto out;
	first = round_down(folio->index, span);
	vmdemo_evict_unmap(space, first, first + span - 1);
	/* Mapped again by another thread, from a fault that had it locked before us. */
	if (folio_mapped(folio))
		vmdemo_order_rotate(pool, vmdemo_frame_nr(folio));
	done = true;
out:
	folio_unlock(folio);
	return done;
}

/*
 * Put up to @most of the oldest active frames on standby, as the policy wants it; unless another
 * task is at it. An evictor need not wait for that: it takes what is on standby meanwhile.
 */
static void vmdemo_reclaim_demote(struct vmdemo_pool *pool, u32 most)
{
	struct folio *mapped;
	u32 done;

	if (!mutex_trylock(&pool->demote_lock))
		return;
	do {
		done = vmdemo_order_demote(pool, most, &mapped);
		vmdemo_stat_add(pool, demotions, done);
		most -= done;
		if (mapped) {
			most = vmdemo_reclaim_unmap(pool, mapped) && most ? most - 1 : 0;
			folio_put(mapped);
		}
		cond_resched();
	} while (most && (mapped || done == VMDEMO_ORDER_DEMOTE));
	mutex_unlock(&pool->demote_lock);
}

/**
 * vmdemo_reclaim_balance - a page is being filled and there is no reserve: see to standby
 * @pool: the pool
 *
 * At most demote_pages frames, or all of them in a small pool; none, if another task is at it. May
 * sleep, briefly.
 */
void vmdemo_reclaim_balance(struct vmdemo_pool *pool)
{
	u32 most = READ_ONCE(pool->policy.demote_pages);

	if (READ_ONCE(pool->nr_frames) <= VMDEMO_SMALL_POOL)
		most = VMDEMO_SMALL_POOL;
	vmdemo_reclaim_demote(pool, most);
}

/* ---- for a caller that needs a frame ---- */

/* Somebody else is evicting, and soon done unless they have to wait. Are frames free now? */
static bool vmdemo_reclaim_spin(struct vmdemo_pool *pool)
{
	int i;

	for (i = 0; i < VMDEMO_RECLAIM_SPINS && !need_resched(); i++) {
		if (READ_ONCE(pool->nr_free))
			return true;
		cpu_relax();
	}
	return false;
}

/*
 * The pool is besieged: others hold its frames. Lend the caller one; or evict a page that it was
 * lent a frame for before. Returns whether it has one now.
 */
static bool vmdemo_reclaim_besieged(struct vmdemo_pool *pool, u32 *spare, struct vmdemo_io *io)
{
	struct folio *folio;
	u32 tries;

	if (vmdemo_loan_take(pool, spare))
		return true;
	for (tries = 0; tries < VMDEMO_LOANS; tries++) {
		folio = vmdemo_loan_next(pool);
		if (!folio)
			return false;
		if (vmdemo_evict_folio(pool, folio, io, true, spare) == VMDEMO_FREED)
			return true;
		if (io && io->nr_later >= VMDEMO_RECLAIM_BATCH)
			return false;
		cond_resched();
	}
	return false;
}

/**
 * vmdemo_reclaim_try - free frames without waiting for anything
 * @pool:  the pool
 * @spare: without a reserve, or lent, set to the number of a frame, which is the caller's
 *
 * With a reserve a batch of frames goes to the free list: the reclaim thread has not kept up, and a
 * caller that helps it once should not have to again soon. May sleep, briefly. Returns whether
 * there are frames now; if not vmdemo_reclaim_wait() is next.
 */
bool vmdemo_reclaim_try(struct vmdemo_pool *pool, u32 *spare)
{
	bool exact = !vmdemo_free_reserve(pool);
	struct vmdemo_want want = {
		.frames		= exact ? 1 : VMDEMO_RECLAIM_BATCH,
		.spare		= exact ? spare : NULL,
		.exact		= exact,
		.patience	= VMDEMO_SILENT,
	};
	u32 freed;

	vmdemo_stat_inc(pool, reclaim_waits);
	if (!READ_ONCE(pool->besieged))
		vmdemo_reclaim_demote(pool, 2 * VMDEMO_RECLAIM_BATCH);
	if (!mutex_trylock(&pool->reclaim_lock))
		return vmdemo_reclaim_spin(pool);
	if (READ_ONCE(pool->besieged))
		freed = vmdemo_reclaim_besieged(pool, spare, NULL);
	else
		freed = vmdemo_evict_frames(pool, &want);
	mutex_unlock(&pool->reclaim_lock);
	return freed;
}

/**
 * vmdemo_reclaim_help - free clean frames for a readahead window
 * @pool: the pool
 * @nr:   frames wanted in all, free ones included
 *
 * Windows must not shrink because the reclaim thread has not run yet. Takes the locks of reclaim
 * only if they are free, so it may be called with a folio locked. May sleep, briefly.
 */
void vmdemo_reclaim_help(struct vmdemo_pool *pool, u32 nr)
{
	u32 nr_free = READ_ONCE(pool->nr_free);
	struct vmdemo_want want = {
		.exact		= !vmdemo_free_reserve(pool),
		.patience	= VMDEMO_SILENT,
	};

	if (nr_free >= nr || READ_ONCE(pool->besieged))
		return;
	vmdemo_reclaim_demote(pool, 2 * nr);
	if (!mutex_trylock(&pool->reclaim_lock))
		return;
	want.frames = nr - nr_free;
	vmdemo_evict_frames(pool, &want);
	mutex_unlock(&pool->reclaim_lock);
}

/**
 * vmdemo_reclaim_stalled - has a waiter given up a moment ago, and has nothing moved since?
 * @pool: the pool
 *
 * Another one need not wait as long to find the same. Any context.
 */
bool vmdemo_reclaim_stalled(const struct vmdemo_pool *pool)
{
	/* Until when comes first: who it was, and at what, is no older. */
	if (!time_before(jiffies, smp_load_acquire(&pool->stalled_until)) ||
	    atomic_long_read(&pool->progress) != READ_ONCE(pool->stalled_at))
		return false;
	/* In a besieged pool each user finds what their own share has to offer. */
	return !READ_ONCE(pool->besieged) ||
	       uid_eq(READ_ONCE(pool->stalled_by), vmdemo_user_uid());
}

/* How long somebody has been waiting in vain. */
struct vmdemo_patience {
	unsigned long began;
	unsigned long since;	/* when something last moved */
	long progress;
};

/* Does the reclaim thread get nowhere, since a disk does not take what it hands over? */
static bool vmdemo_reclaim_stuck(const struct vmdemo_pool *pool)
{
	unsigned long since = READ_ONCE(pool->submitting);

	return since && time_after(jiffies, since + VMDEMO_SOON);
}

/*
 * One attempt of a waiter that may sleep. With a reserve it is the thread's work, as long as that
 * gets on; a waiter that does it in its place keeps away from the disk that the thread may be stuck
 * at. Without a reserve the order is kept, but no waiter waits for a single write for long. Returns
 * frames freed, or -EINTR.
 */
static int vmdemo_reclaim_direct(struct vmdemo_pool *pool, u32 *spare,
				 const struct vmdemo_patience *patience)
{
	bool reserve = vmdemo_free_reserve(pool);
	struct bio_list bios[VMDEMO_NR_DISKS] = {};
	struct vmdemo_want want = {
		.frames		= reserve ? VMDEMO_RECLAIM_BATCH : 1,
		.spare		= reserve ? NULL : spare,
		.bios		= bios,
		.patience	= reserve ? VMDEMO_SOON : VMDEMO_SILENT,
		.exact		= !reserve && time_before(jiffies,
							  patience->began + VMDEMO_SILENT),
	};
	struct vmdemo_io io = { .write = true, .later = bios };
	u32 freed;

	if (reserve && !READ_ONCE(pool->besieged) && !vmdemo_reclaim_stuck(pool) &&
	    time_before(jiffies, patience->began + VMDEMO_SOON)) {
		wake_up(&pool->reclaim_wait);
		return 0;
	}
	if (mutex_lock_killable(&pool->reclaim_lock))
		return -EINTR;
	freed = READ_ONCE(pool->besieged) ? 0 : vmdemo_evict_frames(pool, &want);
	/* It may have turned out just now. */
	if (!freed && READ_ONCE(pool->besieged)) {
		freed = vmdemo_reclaim_besieged(pool, spare, &io);
		vmdemo_pager_submit(&io);
	}
	mutex_unlock(&pool->reclaim_lock);
	vmdemo_evict_submit(pool, bios);
	return freed;
}

/* Is a write on its way to a disk that has not begun to fail since? */
static bool vmdemo_reclaim_writing(const struct vmdemo_pool *pool, unsigned long since)
{
	u32 i;

	for (i = 0; i < VMDEMO_NR_DISKS; i++)
		if (atomic_read(&pool->disks[i]->writing) &&
		    !time_after(READ_ONCE(pool->disks[i]->retry_at), since))
			return true;
	return false;
}

/*
 * Is there still hope for a frame? As long as frames are freed and writes succeed; and as long as a
 * write is on its way, unless writes to that disk have begun to fail. A waiter that has given up
 * spares the others, and itself in the second attempt at the same fault, the same wait.
 */
static bool vmdemo_reclaim_hope(struct vmdemo_pool *pool, struct vmdemo_patience *patience)
{
	long progress = atomic_long_read(&pool->progress);

	if (progress != patience->progress || vmdemo_reclaim_writing(pool, patience->began)) {
		patience->progress = progress;
		patience->since = jiffies;
		return true;
	}
	if (vmdemo_reclaim_stalled(pool))
		return false;
	if (time_before(jiffies, patience->since + VMDEMO_STALL))
		return true;
	WRITE_ONCE(pool->stalled_by, vmdemo_user_uid());
	WRITE_ONCE(pool->stalled_at, progress);
	/* Last: pairs with vmdemo_reclaim_stalled(). */
	smp_store_release(&pool->stalled_until, jiffies + HZ);
	return false;
}

/**
 * vmdemo_reclaim_wait - wait for a frame
 * @pool:  the pool
 * @spare: set to the number of a frame freed for the caller; VMDEMO_NONE: look in the free list
 *
 * Sleeps, killably, for as long as there is hope. Returns 0 when another attempt makes sense,
 * -EINTR when killed, -EBUSY when nothing moved for VMDEMO_STALL: all frames are pinned, or dirty
 * and the device does not take them.
 */
int vmdemo_reclaim_wait(struct vmdemo_pool *pool, u32 *spare)
{
	struct vmdemo_patience patience = {
		.began		= jiffies,
		.since		= jiffies,
		.progress	= atomic_long_read(&pool->progress),
	};
	ktime_t start = ktime_get();
	long nap = 1;
	int ret;

	/* Nothing tells that a page that was being read can go now: look soon, then less often. */
	for (;; nap = min(2 * nap, VMDEMO_SOON)) {
		long seen = atomic_long_read(&pool->progress);

		ret = READ_ONCE(pool->nr_free) ?: vmdemo_reclaim_direct(pool, spare, &patience);
		if (ret)
			break;
		if (wait_event_killable_timeout(pool->free_wait, READ_ONCE(pool->nr_free) ||
						seen != atomic_long_read(&pool->progress),
						nap) < 0) {
			ret = -EINTR;
			break;
		}
		if (!vmdemo_reclaim_hope(pool, &patience)) {
			ret = -EBUSY;
			break;
		}
	}
	vmdemo_stat_add(pool, reclaim_wait_ns, ktime_to_ns(ktime_sub(ktime_get(), start)));
	return min(ret, 0);
}

/* ---- the thread ---- */

/* The thread submits writes: others can see if that takes long. */
static void vmdemo_reclaim_hand_over(struct vmdemo_pool *pool, struct bio_list *bios)
{
	if (!vmdemo_evict_sent(bios))
		return;
	WRITE_ONCE(pool->submitting, jiffies ?: 1);
	vmdemo_evict_submit(pool, bios);
	WRITE_ONCE(pool->submitting, 0);
}

static bool vmdemo_reclaim_shrinking(const struct vmdemo_pool *pool)
{
	u32 lent = READ_ONCE(pool->besieged) ? vmdemo_loan_nr(pool) : 0;

	return READ_ONCE(pool->nr_frames) > READ_ONCE(pool->target) + lent;
}

/* Is there less than the low watermark? */
static bool vmdemo_reclaim_low(const struct vmdemo_pool *pool)
{
	return READ_ONCE(pool->nr_free) < vmdemo_free_low(pool);
}

static bool vmdemo_reclaim_needed(const struct vmdemo_pool *pool)
{
	return vmdemo_reclaim_low(pool) || vmdemo_reclaim_shrinking(pool);
}

/* Work until the reserve is there, or in @most batches. Returns false if nothing could be done. */
static bool vmdemo_reclaim_refill(struct vmdemo_pool *pool, u32 most)
{
	u32 vain = 0;
	bool moved = false;

	while (!kthread_should_stop() && most--) {
		u32 reserve = vmdemo_free_reserve(pool);
		u32 nr_free = READ_ONCE(pool->nr_free);
		struct bio_list bios[VMDEMO_NR_DISKS] = {};
		struct vmdemo_want want = { .bios = bios, .patience = VMDEMO_SILENT };
		u32 freed;

		if (nr_free >= reserve)
			return true;
		/* Lent frames are not taken away for it. */
		if (READ_ONCE(pool->besieged))
			return moved;
		want.frames = min_t(u32, reserve - nr_free, VMDEMO_RECLAIM_REFILL);
		vmdemo_reclaim_demote(pool, 2 * want.frames);
		mutex_lock(&pool->reclaim_lock);
		freed = vmdemo_evict_frames(pool, &want);
		mutex_unlock(&pool->reclaim_lock);
		vain = freed ? 0 : vain + 1;
		if (!vmdemo_evict_sent(bios) && !freed)
			return moved;
		vmdemo_reclaim_hand_over(pool, bios);
		if (vain == VMDEMO_RECLAIM_VAIN)
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

static bool vmdemo_reclaim_has_chores(const struct vmdemo_pool *pool)
{
	return READ_ONCE(pool->nr_orphans) || READ_ONCE(pool->besieged) || vmdemo_pool_lacks(pool);
}

/* Have those who hold all frames let go? */
static void vmdemo_reclaim_relieve(struct vmdemo_pool *pool)
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

/* Evict one, and if programs need some, a batch for them. What is gathered does not wait for it. */
static void vmdemo_reclaim_cut_one(struct vmdemo_pool *pool, struct vmdemo_cut *cut,
				   struct folio *folio)
{
	enum vmdemo_evicted evicted;

	mutex_lock(&pool->reclaim_lock);
	evicted = vmdemo_evict_folio(pool, folio, &cut->io, true, NULL);
	mutex_unlock(&pool->reclaim_lock);
	cut->freed |= evicted == VMDEMO_FREED;
	cut->started |= evicted == VMDEMO_WRITING;
	vmdemo_reclaim_hand_over(pool, cut->bios);
	if (!vmdemo_reclaim_low(pool) || time_before(jiffies, cut->refill_at))
		return;
	vmdemo_pager_submit(&cut->io);
	vmdemo_reclaim_hand_over(pool, cut->bios);
	if (!vmdemo_reclaim_refill(pool, 1))
		cut->refill_at = jiffies + VMDEMO_SOON;
}

/*
 * Evict frames whose number is above the target. If none can go, since programs hold them, the next
 * pass is put off, so that the search in a large pool takes a small part of a processor; but not if
 * the target is another one by then. Returns true if some were freed.
 */
static bool vmdemo_reclaim_cut(struct vmdemo_pool *pool, struct vmdemo_chores *chores)
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
		vmdemo_reclaim_cut_one(pool, &cut, folio);
		cond_resched();
	}
	vmdemo_pager_submit(&cut.io);
	vmdemo_reclaim_hand_over(pool, cut.bios);
	chores->cut_target = target;
	chores->cut_at = 0;
	if (!cut.freed && !cut.started && READ_ONCE(pool->nr_frames) >= frames)
		chores->cut_at = ktime_get_ns() + VMDEMO_CUT_PART * cut.searched;
	return cut.freed;
}

static void vmdemo_reclaim_do_chores(struct vmdemo_pool *pool, struct vmdemo_chores *chores)
{
	if (time_after_eq(jiffies, chores->look_at)) {
		if (READ_ONCE(pool->nr_orphans))
			vmdemo_orphan_look(pool, VMDEMO_ORPHAN_LOOK);
		if (READ_ONCE(pool->besieged))
			vmdemo_reclaim_relieve(pool);
		chores->look_at = jiffies + VMDEMO_ORPHAN_TICK;
	}
	if (vmdemo_pool_lacks(pool) && time_after_eq(jiffies, chores->mend_at)) {
		bool vain = vmdemo_pool_mend(pool, &chores->mend_next);

		chores->mend_at = jiffies + (vain ? VMDEMO_MEND_PAUSE : VMDEMO_ORPHAN_TICK);
	}
}

/* Until there is work, or it is time to look whether there is. */
static void vmdemo_reclaim_sleep(struct vmdemo_pool *pool, struct vmdemo_chores *chores)
{
	try_to_freeze();
	if (!vmdemo_reclaim_has_chores(pool))
		wait_event_freezable(pool->reclaim_wait, kthread_should_stop() ||
				     vmdemo_reclaim_needed(pool) ||
				     vmdemo_reclaim_has_chores(pool));
	else
		wait_event_freezable_timeout(pool->reclaim_wait, kthread_should_stop() ||
					     vmdemo_reclaim_needed(pool), VMDEMO_ORPHAN_TICK);
	vmdemo_reclaim_do_chores(pool, chores);
}

static int vmdemo_reclaim_thread(void *data)
{
	struct vmdemo_pool *pool = data;
	unsigned int noio = memalloc_noio_save();
	struct vmdemo_chores chores = { .look_at = jiffies, .mend_at = jiffies };

	set_user_nice(current, MIN_NICE / 4 * 3);
	set_freezable();
	while (!kthread_should_stop()) {
		long progress = atomic_long_read(&pool->progress);
		bool moved;

		vmdemo_reclaim_sleep(pool, &chores);
		moved = vmdemo_reclaim_refill(pool, U32_MAX);
		if (vmdemo_reclaim_shrinking(pool))
			moved &= vmdemo_reclaim_cut(pool, &chores);
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
 * vmdemo_reclaim_shrink - wait until the pool has shrunk
 * @pool:   the pool; its target has been lowered
 * @frames: the number to wait for
 *
 * Returns 0, -EINTR when killed, or -EBUSY after 5 s: then the frames in excess go later.
 */
int vmdemo_reclaim_shrink(struct vmdemo_pool *pool, u32 frames)
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
 * vmdemo_reclaim_init - start a pool's reclaim thread
 * @pool: the pool
 *
 * May sleep. Returns 0, -ENOMEM or -EINTR.
 */
int vmdemo_reclaim_init(struct vmdemo_pool *pool)
{
	struct task_struct *thread;

	thread = kthread_run(vmdemo_reclaim_thread, pool, "vmdemo_reclaim");
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	pool->thread = thread;
	return 0;
}

/**
 * vmdemo_reclaim_exit - stop a pool's reclaim thread
 * @pool: nobody needs frames of it any more
 *
 * May sleep.
 */
void vmdemo_reclaim_exit(struct vmdemo_pool *pool)
{
	kthread_stop(pool->thread);
}
