// SPDX-License-Identifier: GPL-2.0
/*
 * discard.c - tell the swap device of slots that nobody uses any more
 *
 * A thin volume, zram or an SSD keeps what was in a slot until it is told that it need not. That is
 * off unless asked for, as with swapon: there are disks on which it costs more than it brings.
 *
 * Freeing a slot only marks its cluster; a worker comes a second later, and discards what is marked
 * and still unused, in long runs. Meanwhile nobody may write there: the slots of a run are taken,
 * like any others, until the device has answered. So only a task that unbinds the device waits for
 * that; and if the device never answers, one run of slots is missing. A run is a fraction of what
 * is free, so that no first write fails for want of slots that are only being discarded.
 */
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/blkdev.h>

#include "discard.h"

/* The longest run: 1 GiB; and the clusters that are searched in one go. */
#define VMDEMO_DISCARD_MOST	16384UL
#define VMDEMO_DISCARD_SEARCH	BIT(20)

/* A run takes at most one in this many of the free slots. */
#define VMDEMO_DISCARD_SHARE	4

struct vmdemo_run {
	u64 first;		/* clusters */
	u64 nr;
};

static u64 vmdemo_discard_clusters(const struct vmdemo_swap *swap)
{
	return swap->nr_slots / VMDEMO_CLUSTER;
}

static bool vmdemo_discard_wanted(const struct vmdemo_swap *swap)
{
	return READ_ONCE(swap->discard) && bdev_max_discard_sectors(swap->backing.handle.bdev);
}

/* bitmap_set() and bitmap_clear(), beyond 2^32 bits as well. */
static void vmdemo_discard_fill(unsigned long *map, u64 first, u64 nr, bool set)
{
	map += BIT_WORD(first);
	if (set)
		bitmap_set(map, first % BITS_PER_LONG, nr);
	else
		bitmap_clear(map, first % BITS_PER_LONG, nr);
}

/* ---- the worker ---- */

/* In clusters; of no help for devices whose parts are larger and no power of two. */
static u64 vmdemo_discard_unit(const struct vmdemo_swap *swap)
{
	u64 bytes = bdev_discard_granularity(swap->backing.handle.bdev);
	u64 unit = bytes / (VMDEMO_CLUSTER * PAGE_SIZE);

	return is_power_of_2(unit) ? unit : 1;
}

/*
 * What can be discarded around marked cluster @at: whole units of the device, nothing of which is
 * in use, at most @most clusters. The mark is gone then. Returns where to look next.
 */
static u64 vmdemo_discard_run(struct vmdemo_swap *swap, u64 at, u64 unit, u64 most,
			      struct vmdemo_run *run)
{
	u64 nr = vmdemo_discard_clusters(swap), first = round_down(at, unit), end, used;

	lockdep_assert_held(&swap->lock);
	end = find_next_zero_bit(swap->freed, min(nr, first + most), at);
	end = min(round_up(end, unit), first + most);
	used = find_next_bit(swap->used, min(end, nr) * VMDEMO_CLUSTER, first * VMDEMO_CLUSTER);
	end = round_down(used / VMDEMO_CLUSTER, unit);
	run->first = first;
	run->nr = max(end, first) - first;
	end = max(end, min(nr, first + unit));
	vmdemo_discard_fill(swap->freed, first, end - first, false);
	return end;
}

/* Take all slots of the run, or give them back. */
static void vmdemo_discard_use(struct vmdemo_swap *swap, const struct vmdemo_run *run, bool take)
{
	lockdep_assert_held(&swap->lock);
	vmdemo_discard_fill(swap->used, run->first * VMDEMO_CLUSTER, run->nr * VMDEMO_CLUSTER,
			    take);
	vmdemo_discard_fill(swap->begun, run->first, run->nr, take);
	swap->nr_empty += take ? -run->nr : run->nr;
}

/* As a page that is written for the first time does. */
static bool vmdemo_discard_reserve(struct vmdemo_swap *swap, u64 nr)
{
	if (atomic64_sub_return(nr, &swap->nr_free) >= 0)
		return true;
	atomic64_add(nr, &swap->nr_free);
	return false;
}

/* The next run from cluster *@next on; false: there is none, or too little is free. */
static bool vmdemo_discard_next(struct vmdemo_swap *swap, u64 *next, struct vmdemo_run *run)
{
	u64 nr = vmdemo_discard_clusters(swap), unit = vmdemo_discard_unit(swap), most, stop, at;

	for (run->nr = 0; *next < nr && !run->nr; cond_resched()) {
		most = max(atomic64_read(&swap->nr_free), 0LL) /
		       (VMDEMO_DISCARD_SHARE * VMDEMO_CLUSTER);
		most = round_down(min_t(u64, most, VMDEMO_DISCARD_MOST), unit);
		if (!most)
			break;
		stop = min(nr, *next + VMDEMO_DISCARD_SEARCH);
		spin_lock(&swap->lock);
		at = find_next_bit(swap->freed, stop, *next);
		*next = at < stop ? vmdemo_discard_run(swap, at, unit, most, run) : stop;
		if (run->nr && !vmdemo_discard_reserve(swap, run->nr * VMDEMO_CLUSTER))
			run->nr = 0;
		if (run->nr)
			vmdemo_discard_use(swap, run, true);
		spin_unlock(&swap->lock);
	}
	return run->nr;
}

static void vmdemo_discard_work(struct work_struct *work)
{
	struct vmdemo_swap *swap = container_of(to_delayed_work(work), struct vmdemo_swap,
						discard_work);
	const sector_t per = VMDEMO_CLUSTER << (PAGE_SHIFT - SECTOR_SHIFT);
	struct vmdemo_run run;
	u64 next = 0;
	int err = 0;

	spin_lock(&swap->lock);
	swap->discard_due = false;
	swap->discarding = true;
	spin_unlock(&swap->lock);
	while (!err && !READ_ONCE(swap->discard_stop) && vmdemo_discard_wanted(swap) &&
	       vmdemo_discard_next(swap, &next, &run)) {
		err = blkdev_issue_discard(swap->backing.handle.bdev, run.first * per,
					   run.nr * per, GFP_NOIO);
		if (!err)
			vmdemo_stat_add(swap->pool, slots_discarded, run.nr * VMDEMO_CLUSTER);
		spin_lock(&swap->lock);
		vmdemo_discard_use(swap, &run, false);
		spin_unlock(&swap->lock);
		atomic64_add(run.nr * VMDEMO_CLUSTER, &swap->nr_free);
	}
	spin_lock(&swap->lock);
	swap->discarding = false;
	spin_unlock(&swap->lock);
	wake_up_all(&swap->discard_wait);
}

static bool vmdemo_discard_idle(struct vmdemo_swap *swap)
{
	bool idle;

	spin_lock(&swap->lock);
	idle = !swap->discard_due && !swap->discarding;
	spin_unlock(&swap->lock);
	return idle;
}

/* ---- what there is to do ---- */

/* Mark all clusters: what is in use is passed over. The device is bound, and stays so. */
static void vmdemo_discard_mark_all(struct vmdemo_swap *swap)
{
	u64 nr = vmdemo_discard_clusters(swap), first, part;

	for (first = 0; first < nr; first += part) {
		part = min(nr - first, VMDEMO_DISCARD_SEARCH);
		spin_lock(&swap->lock);
		vmdemo_discard_fill(swap->freed, first, part, true);
		swap->discard_due = true;
		spin_unlock(&swap->lock);
		cond_resched();
	}
	mod_delayed_work(system_dfl_wq, &swap->discard_work, 0);
}

/**
 * vmdemo_discard_freed - a slot is free, and with it its cluster
 * @swap: bound
 * @slot: the slot
 *
 * Takes the lock of the slots, does not sleep.
 */
void vmdemo_discard_freed(struct vmdemo_swap *swap, u64 slot)
{
	bool due;

	if (!vmdemo_discard_wanted(swap))
		return;
	spin_lock(&swap->lock);
	__set_bit(slot / VMDEMO_CLUSTER, swap->freed);
	due = swap->discard_due;
	swap->discard_due = true;
	spin_unlock(&swap->lock);
	if (!due)
		queue_delayed_work(system_dfl_wq, &swap->discard_work, HZ);
}

/**
 * vmdemo_discard_set - discard free slots, those free now included, or stop doing so
 * @swap: bound or not, and stays so
 * @on:   which
 *
 * Does not wait for the device. May sleep.
 */
void vmdemo_discard_set(struct vmdemo_swap *swap, bool on)
{
	WRITE_ONCE(swap->discard, on);
	if (swap->nr_slots && vmdemo_discard_wanted(swap))
		vmdemo_discard_mark_all(swap);
}

/* ---- binding ---- */

/**
 * vmdemo_discard_init - what a device needs for discarding, before it has a swap device
 * @swap: unbound
 * @pool: counts
 */
void vmdemo_discard_init(struct vmdemo_swap *swap, struct vmdemo_pool *pool)
{
	swap->pool = pool;
	INIT_DELAYED_WORK(&swap->discard_work, vmdemo_discard_work);
	init_waitqueue_head(&swap->discard_wait);
}

/**
 * vmdemo_discard_start - the device has been bound: nothing on it is needed
 * @swap: bound, all slots free
 *
 * May sleep, but not for the device.
 */
void vmdemo_discard_start(struct vmdemo_swap *swap)
{
	swap->discard_stop = false;
	vmdemo_discard_set(swap, swap->discard);
}

/**
 * vmdemo_discard_finish - do what is due before the device is let go
 * @swap:    bound, and nobody uses it
 * @timeout: how long to wait, in jiffies
 *
 * Sleeps, killably. Returns 0, also when the time is up, or -EINTR when killed.
 */
int vmdemo_discard_finish(struct vmdemo_swap *swap, long timeout)
{
	if (vmdemo_discard_idle(swap))
		return 0;
	mod_delayed_work(system_dfl_wq, &swap->discard_work, 0);
	timeout = wait_event_killable_timeout(swap->discard_wait, vmdemo_discard_idle(swap),
					      timeout);
	return timeout < 0 ? -EINTR : 0;
}

/**
 * vmdemo_discard_stop - leave undone what is due
 * @swap: bound, and nobody uses it
 *
 * Sleeps until the device has answered what it has been told.
 */
void vmdemo_discard_stop(struct vmdemo_swap *swap)
{
	WRITE_ONCE(swap->discard_stop, true);
	cancel_delayed_work_sync(&swap->discard_work);
	swap->discard_due = false;
}
