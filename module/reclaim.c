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
 * To unmap is most of the work, so several tasks demote at the same time if much is wanted: each
 * takes the next frame out of the way of the others, and they hardly ever unmap the same range.
 * What is on standby can go meanwhile, but one task at a time evicts. A fault that finds too little
 * on standby does not evict while another task unmaps what would be next: what it took instead
 * would be mapped, and cost a shootdown each.
 *
 * Which victims go is evict.c's. The writes that it gathers are submitted when the reclaim lock has
 * been let go of: that may take as long as the disk.
 */
#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/ktime.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "backing.h"
#include "evict.h"
#include "freelist.h"
#include "latency.h"
#include "loan.h"
#include "order.h"
#include "reclaim.h"
#include "user.h"
#include "writeback.h"

/* Frames that a faulter that helps frees in one go. */
#define VMDEMO_RECLAIM_BATCH	32

/* How often to look for a free frame while another evicts: about as long as a batch takes. */
#define VMDEMO_RECLAIM_SPINS	256

/* How often the thread looks whether others have unmapped enough, before it goes on without. */
#define VMDEMO_RECLAIM_TRIES	8

/* ---- demotion ---- */

/*
 * Unmap @folio, and with it all of the range around it. The others stay where they are in the
 * order: they go to standby when it is their turn, and need no call then. False: not now.
 */
static bool vmdemo_reclaim_unmap(struct vmdemo_pool *pool, struct folio *folio)
{
	struct vmdemo_policy *policy = &pool->policy;
	struct vmdemo_space *space;
	pgoff_t span, first;
	bool done = false;
	u32 tasks, range;

	if (!folio_trylock(folio))
		return false;
	if (!folio->mapping)
		goto out;
	space = vmdemo_folio_space(folio);
	span = vmdemo_evict_span(space, folio->index);
	/* Others may be about to unmap as much: the credit is for all. */
	tasks = max(READ_ONCE(policy->lists[VMDEMO_LIST_UNMAPPING].nr), 1U);
	if (!vmdemo_policy_affords(policy, span * tasks))
		goto out;
	first = round_down(folio->index, span);
	range = hash_64(space->key + first, VMDEMO_RANGE_BITS);
	if (test_and_set_bit_lock(range, pool->unmapping))
		goto out;
	/* Another task may have unmapped the range just now. */
	if (folio_mapped(folio))
		vmdemo_evict_unmap(space, first, first + span - 1);
	clear_bit_unlock(range, pool->unmapping);
	done = true;
out:
	folio_unlock(folio);
	return done;
}

/* Put at most @most of the oldest active frames on standby. */
static void vmdemo_reclaim_demote_some(struct vmdemo_pool *pool, u32 most)
{
	bool unmapped = true;
	struct folio *mapped;
	u32 done;

	do {
		done = vmdemo_order_demote(pool, most, &mapped);
		most -= done;
		if (mapped) {
			unmapped = vmdemo_reclaim_unmap(pool, mapped);
			done += vmdemo_order_unmapped(pool, mapped, unmapped);
			most--;
		}
		vmdemo_stat_add(pool, demotions, done);
		cond_resched();
	} while (most && unmapped && (mapped || done == VMDEMO_ORDER_DEMOTE));
}

/*
 * The same. Without a reserve the order is exact, which takes one task at a time. A faulter with
 * its locks does not wait for others. False: others are at it, and fewer than @enough are on
 * standby.
 */
static bool vmdemo_reclaim_try_demote(struct vmdemo_pool *pool, u32 most, u32 enough)
{
	struct vmdemo_list *lists = pool->policy.lists;
	bool alone = true;

	if (vmdemo_free_reserve(pool)) {
		vmdemo_reclaim_demote_some(pool, most);
	} else {
		alone = mutex_trylock(&pool->demote_lock);
		if (alone) {
			vmdemo_reclaim_demote_some(pool, most);
			mutex_unlock(&pool->demote_lock);
		}
	}
	return (alone && !READ_ONCE(lists[VMDEMO_LIST_UNMAPPING].nr)) ||
	       READ_ONCE(lists[VMDEMO_LIST_STANDBY].nr) >= enough;
}

/**
 * vmdemo_reclaim_demote - put the oldest active frames on standby, as the policy wants it
 * @pool:   the pool
 * @most:   how many at most
 * @enough: while other tasks unmap: wait a moment until this many are on standby
 *
 * For the reclaim thread. May sleep, briefly.
 */
void vmdemo_reclaim_demote(struct vmdemo_pool *pool, u32 most, u32 enough)
{
	u32 tries = VMDEMO_RECLAIM_TRIES;

	while (!vmdemo_reclaim_try_demote(pool, most, enough) && --tries)
		usleep_range(50, 100);
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
	vmdemo_reclaim_try_demote(pool, most, 0);
}

/* ---- for a caller that needs a frame ---- */

/* Somebody else evicts or demotes, and is soon done unless they have to wait. Are frames free? */
static bool vmdemo_reclaim_spin(struct vmdemo_pool *pool)
{
	int i;

	for (i = 0; i < VMDEMO_RECLAIM_SPINS && !need_resched(); i++) {
		if (READ_ONCE(pool->nr_free))
			return true;
		/* Tasks in the queue come first. */
		if (READ_ONCE(pool->nr_waiters))
			break;
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

	vmdemo_stat_inc(pool, reclaim_waits);
	if ((!READ_ONCE(pool->besieged) &&
	     !vmdemo_reclaim_try_demote(pool, 2 * VMDEMO_RECLAIM_BATCH, want.frames)) ||
	    !mutex_trylock(&pool->reclaim_lock))
		return vmdemo_reclaim_spin(pool);
	if (READ_ONCE(pool->besieged))
		vmdemo_reclaim_besieged(pool, spare, NULL);
	else
		vmdemo_evict_frames(pool, &want);
	mutex_unlock(&pool->reclaim_lock);
	/* Tasks in the queue are served first: there may be nothing left. */
	return *spare != VMDEMO_NONE || READ_ONCE(pool->nr_free);
}

/**
 * vmdemo_reclaim_help - free clean frames for a readahead window
 * @pool: the pool
 * @nr:   frames wanted in all, free ones included
 *
 * Windows must not shrink because the reclaim thread has not run yet; but tasks that wait for a
 * frame come first. Takes the locks of reclaim only if they are free, so it may be called with a
 * folio locked. May sleep, briefly.
 */
void vmdemo_reclaim_help(struct vmdemo_pool *pool, u32 nr)
{
	u32 nr_free = READ_ONCE(pool->nr_free);
	struct vmdemo_want want = {
		.exact		= !vmdemo_free_reserve(pool),
		.patience	= VMDEMO_SILENT,
	};

	if (nr_free >= nr || READ_ONCE(pool->besieged) || READ_ONCE(pool->nr_waiters))
		return;
	want.frames = nr - nr_free;
	if (!vmdemo_reclaim_try_demote(pool, 2 * nr, want.frames) ||
	    !mutex_trylock(&pool->reclaim_lock))
		return;
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
 * Does a waiter leave it to the reclaim thread to free frames? Where there is a reserve it does.
 * Only the watcher looks after the thread: if that is stuck, or serves nobody for a while, the
 * watcher does its work for all. If all waiters did, every write would wake them all. A watcher
 * that submits writes may be away for a long time: its successor waits a moment, so as not to
 * follow it to the same disk at once.
 */
static bool vmdemo_reclaim_by_thread(const struct vmdemo_pool *pool,
				     const struct vmdemo_waiter *waiter,
				     const struct vmdemo_patience *patience)
{
	if (!vmdemo_free_reserve(pool) || READ_ONCE(pool->besieged))
		return false;
	if (!waiter->watches || time_before(jiffies, READ_ONCE(pool->watched_at) + VMDEMO_SOON))
		return true;
	return !vmdemo_reclaim_stuck(pool) &&
	       (time_before(jiffies, patience->began + VMDEMO_SOON) ||
		time_before(jiffies, READ_ONCE(pool->served_at) + VMDEMO_SOON));
}

/*
 * One attempt by a waiter that may sleep. A waiter that does the thread's work keeps away from the
 * disk that the thread may be stuck at. Without a reserve the order is kept, but no waiter waits
 * long for a single write. Returns more than 0 if it makes sense to look for a frame at once, 0 if
 * not, -EINTR when killed.
 */
static int vmdemo_reclaim_direct(struct vmdemo_pool *pool, struct vmdemo_waiter *waiter, u32 *spare,
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

	if (mutex_lock_killable(&pool->reclaim_lock))
		return -EINTR;
	/* Others have freed frames while this task waited for the lock. */
	if (READ_ONCE(waiter->over) || READ_ONCE(pool->nr_free)) {
		mutex_unlock(&pool->reclaim_lock);
		return 1;
	}
	freed = READ_ONCE(pool->besieged) ? 0 : vmdemo_evict_frames(pool, &want);
	/* It may have turned out just now. */
	if (!freed && READ_ONCE(pool->besieged)) {
		freed = vmdemo_reclaim_besieged(pool, spare, &io);
		vmdemo_pager_submit(&io);
	}
	mutex_unlock(&pool->reclaim_lock);
	/* A disk may take no request for long: no more frames must wait for this task then. */
	if (vmdemo_evict_sent(bios))
		vmdemo_free_wait_end(pool, waiter, spare);
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

/*
 * Sleep until the waiter is called, or for a while: VMDEMO_SOON if it is the watcher, otherwise the
 * longer the more tasks wait, up to half a second. A waiter that frees frames itself, not the
 * @thread, also wakes when something has moved since @seen, and sleeps for @nap jiffies at most.
 * Returns -EINTR when killed.
 */
static int vmdemo_reclaim_nap(struct vmdemo_pool *pool, struct vmdemo_waiter *waiter, bool thread,
			      long seen, long nap)
{
	long left;

	if (thread) {
		nap = VMDEMO_SOON;
		if (!waiter->watches)
			nap = clamp_t(long, READ_ONCE(pool->nr_waiters) * HZ / 100, nap, HZ / 2);
		left = wait_for_completion_killable_timeout(&waiter->called, nap);
	} else {
		left = wait_event_killable_timeout(pool->free_wait,
						   READ_ONCE(waiter->over) ||
						   READ_ONCE(pool->nr_free) ||
						   seen != atomic_long_read(&pool->progress), nap);
	}
	return left < 0 ? -EINTR : 0;
}

/**
 * vmdemo_reclaim_wait - wait for a frame
 * @pool:  the pool
 * @key:   of the page that needs the frame
 * @spare: set to the number of the caller's frame; VMDEMO_NONE: the page may be there by now
 *
 * Queues behind the tasks that wait already. Sleeps, killably, for as long as there is hope.
 * Returns 0 when another attempt makes sense, -EINTR when killed, -EBUSY when nothing moved for
 * VMDEMO_STALL: all frames are pinned, or dirty and the device does not take them.
 */
int vmdemo_reclaim_wait(struct vmdemo_pool *pool, u64 key, u32 *spare)
{
	struct vmdemo_patience patience = {
		.began		= jiffies,
		.since		= jiffies,
		.progress	= atomic_long_read(&pool->progress),
	};
	struct vmdemo_waiter waiter = { .key = key, .frame = VMDEMO_NONE };
	ktime_t start = ktime_get();
	u64 ticks = vmdemo_clock();
	long nap = 1;
	int ret = 0;

	INIT_LIST_HEAD(&waiter.list);
	init_completion(&waiter.called);
	while (!vmdemo_free_wait(pool, &waiter, spare)) {
		long seen = atomic_long_read(&pool->progress);
		bool thread = vmdemo_reclaim_by_thread(pool, &waiter, &patience);

		ret = 0;
		if (thread)
			wake_up(&pool->reclaim_wait);
		else
			ret = vmdemo_reclaim_direct(pool, &waiter, spare, &patience);
		if (ret < 0 || *spare != VMDEMO_NONE)
			break;
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		/* What was freed may have gone to tasks that have waited longer. */
		if (ret > 0) {
			cond_resched();
			continue;
		}
		ret = vmdemo_reclaim_nap(pool, &waiter, thread, seen, nap);
		if (ret)
			break;
		if (READ_ONCE(waiter.over))
			continue;
		/* Nothing tells that a page that was being read can go now: look often at first. */
		if (!thread)
			nap = min(2 * nap, VMDEMO_SOON);
		if (!vmdemo_reclaim_hope(pool, &patience)) {
			ret = -EBUSY;
			break;
		}
	}
	vmdemo_free_wait_end(pool, &waiter, spare);
	vmdemo_stat_add(pool, reclaim_wait_ns, ktime_to_ns(ktime_sub(ktime_get(), start)));
	vmdemo_latency_add(pool, VMDEMO_LATENCY_WAIT, ticks);
	/* What came at the last moment counts. */
	return ret == -EBUSY && waiter.over ? 0 : min(ret, 0);
}
