// SPDX-License-Identifier: GPL-2.0
/*
 * evict.c - frames are freed, in the policy's order, and nobody waits for what cannot go
 *
 * One way for all who want frames: lock, unmap if mapped, freeze the reference count, and only then
 * look whether the page is dirty (leave.c). A dirty page is written instead, and is a victim again
 * when the write has ended. A page that somebody holds, or whose disk takes no writes for now, is
 * no victim until a look at it shows that it can go: each eviction looks at a few of these, and at
 * all of them before a waiter goes to sleep. So programs that hold pages, or a disk that fails or
 * hangs, do not hold up the others.
 */
#include "backing.h"
#include "evict.h"
#include "hwpoison.h"
#include "index.h"
#include "loan.h"
#include "order.h"
#include "pager.h"
#include "writeback.h"

/* Attempts at the oldest victims in one go. */
#define VMDEMO_EVICT_ROUNDS	8

/* Held frames that are looked at to see whether their disk takes them again. */
#define VMDEMO_EVICT_PROBES	2

/*
 * How many pages around one are unmapped with it: that depends on how many a few looks in the index
 * find in frames there. In instructions, on one processor, a call costs 700 beside what it unmaps,
 * an empty entry of a page table 6, a look 28: where fewer than one page in 120 is mapped it is
 * cheaper to unmap each alone. Each processor that has to be interrupted is taken to cost as much
 * again; so the more there are, the longer is the search, and the sparser what it finds.
 */
#define VMDEMO_SPAN_CLOSE	64U	/* a record, a window of readahead */
#define VMDEMO_SPAN_CLOSE_LOOKS	4U
#define VMDEMO_SPAN_NEAR	512U	/* a page table */
#define VMDEMO_SPAN_NEAR_LOOKS	8U
#define VMDEMO_SPAN_NEAR_DENSE	3U	/* of these: some 192 pages are in frames */
#define VMDEMO_SPAN_FAR		128U	/* pages for each look, and some more */
#define VMDEMO_SPAN_FAR_LOOKS	24U	/* for each processor, ... */
#define VMDEMO_SPAN_FAR_MOST	96U	/* ... up to this */
#define VMDEMO_SPAN_VAIN	16U	/* searches in vain: then a quarter is enough */

/* ---- how much to unmap ---- */

/*
 * How many processors does an unmapping interrupt, this one included? One mapping, whichever is at
 * hand, speaks for all: to go through them would cost more than the answer is worth. 1 where TLBs
 * need no interrupts, as on arm64.
 */
static u32 vmdemo_evict_processors(struct vmdemo_space *space)
{
	struct address_space *mapping = space->inode->i_mapping;
	struct rb_node *root;
	u32 nr = 1;

	i_mmap_lock_read(mapping);
	root = mapping->i_mmap.rb_root.rb_node;
	if (root)
		nr = cpumask_weight(mm_cpumask(rb_entry(root, struct vm_area_struct,
							shared.rb)->vm_mm));
	i_mmap_unlock_read(mapping);
	return max(nr, 1U);
}

/* Is it dense enough in a longer range? Its length, or 0. */
static u32 vmdemo_evict_span_far(struct vmdemo_space *space, pgoff_t index)
{
	u32 looks = min(VMDEMO_SPAN_FAR_LOOKS * vmdemo_evict_processors(space),
			VMDEMO_SPAN_FAR_MOST);
	u32 span = roundup_pow_of_two(VMDEMO_SPAN_FAR * looks);
	u32 vain = READ_ONCE(space->vain);

	if (vain >= VMDEMO_SPAN_VAIN)
		looks /= 4;
	else
		WRITE_ONCE(space->vain, vain + 1);
	if (!vmdemo_index_sample(space, index, span, looks, 1))
		return 0;
	WRITE_ONCE(space->vain, 0);
	return span;
}

/**
 * vmdemo_evict_span - how many pages to unmap around one
 * @space: the space
 * @index: the page, mapped
 *
 * By how dense the pages in frames are there, however large the space is. Takes i_mmap_rwsem; may
 * sleep. Returns a power of two: the aligned range of that length around the page.
 */
u32 vmdemo_evict_span(struct vmdemo_space *space, pgoff_t index)
{
	u32 near = 0, far;

	/* A small pool has no more than its newest page mapped, or a window. */
	if (READ_ONCE(space->pool->nr_frames) > VMDEMO_SMALL_POOL) {
		near = vmdemo_index_sample(space, index, VMDEMO_SPAN_NEAR, VMDEMO_SPAN_NEAR_LOOKS,
					   VMDEMO_SPAN_NEAR_DENSE);
		if (near == VMDEMO_SPAN_NEAR_DENSE)
			return VMDEMO_SPAN_NEAR;
		far = vmdemo_evict_span_far(space, index);
		if (far)
			return far;
	}
	if (near)
		return VMDEMO_SPAN_NEAR;
	return vmdemo_index_sample(space, index, VMDEMO_SPAN_CLOSE, VMDEMO_SPAN_CLOSE_LOOKS, 1) ?
	       VMDEMO_SPAN_CLOSE : 1;
}

/* ---- one page ---- */

/**
 * vmdemo_evict_unmap - remove the page table entries of a range, in all processes
 * @space: the space
 * @first: first page
 * @last:  last page
 *
 * Takes i_mmap_rwsem and PTE locks: a folio lock may be held. May sleep.
 */
void vmdemo_evict_unmap(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	unmap_mapping_pages(space->inode->i_mapping, first, last - first + 1, false);
	vmdemo_stat_inc(space->pool, unmap_calls);
	vmdemo_stat_add(space->pool, unmap_pages, last - first + 1);
}

/* Lock a victim and unmap it. VMDEMO_FREED: done; otherwise it is not locked, and stays. */
static enum vmdemo_evicted vmdemo_evict_prepare(struct vmdemo_pool *pool, struct folio *folio,
						bool force)
{
	enum vmdemo_evicted result = VMDEMO_KEPT;
	u32 nr = vmdemo_frame_nr(folio);

	if (!folio_trylock(folio))
		return VMDEMO_KEPT;
	if (!folio->mapping)
		goto unlock;
	if (vmdemo_frame_writing(pool, nr)) {
		result = VMDEMO_WRITING;
		goto unlock;
	}
	if (folio_mapped(folio)) {
		if (!force && vmdemo_order_spare(pool, nr)) {
			vmdemo_stat_inc(pool, late_references);
			goto unlock;
		}
		vmdemo_evict_unmap(vmdemo_folio_space(folio), folio->index, folio->index);
	}
	if (!vmdemo_folio_poisoned(folio))
		return VMDEMO_FREED;
	vmdemo_hwpoison_leave(pool, folio);
unlock:
	folio_unlock(folio);
	return result;
}

/*
 * The victim, locked, is dirty: start writing it, if its disk takes writes. Its reference and its
 * lock are used up.
 */
static enum vmdemo_evicted vmdemo_evict_write(struct vmdemo_pool *pool, struct folio *folio,
					      struct vmdemo_io *io, bool force)
{
	const struct vmdemo_backing *disk = pool->disks[folio_test_swapbacked(folio)];
	bool failing = vmdemo_backing_failing(disk), again;
	u32 nr = vmdemo_frame_nr(folio);

	/* A silent disk has been noticed before, when victims were looked for. */
	if ((force || failing) && vmdemo_backing_refuses(disk, VMDEMO_SILENT)) {
		if (!force)
			vmdemo_order_hold(pool, nr);
		folio_unlock(folio);
		folio_put(folio);
		return VMDEMO_KEPT;
	}
	/* Its last write was in vain, or this one may be: no other victim waits for it. */
	again = (vmdemo_frame(pool, nr)->flags & VMDEMO_FRAME_WRITTEN) || failing;
	vmdemo_frame(pool, nr)->flags |= VMDEMO_FRAME_WRITTEN;
	if (again && !force)
		vmdemo_order_hold(pool, nr);
	folio_put(folio);
	return !vmdemo_writeback_folio(io, folio) && !again ? VMDEMO_WRITING : VMDEMO_KEPT;
}

/**
 * vmdemo_evict_folio - free the frame of a page, or start writing it
 * @pool:  the pool
 * @folio: the page; one reference is the caller's, and is used up
 * @io:    gathers dirty pages, the caller submits; NULL: dirty ones are left alone
 * @force: also if the policy would spare it; what cannot go keeps its place in the order
 * @spare: the freed frame's number goes here; NULL: to the free list
 *
 * May sleep. Returns what became of it.
 */
enum vmdemo_evicted vmdemo_evict_folio(struct vmdemo_pool *pool, struct folio *folio,
				       struct vmdemo_io *io, bool force, u32 *spare)
{
	enum vmdemo_evicted result = vmdemo_evict_prepare(pool, folio, force);
	u32 nr = vmdemo_frame_nr(folio);
	bool written;

	if (result == VMDEMO_FREED) {
		written = vmdemo_frame(pool, nr)->flags & VMDEMO_FRAME_WRITTEN;
		result = vmdemo_leave_evict(pool, folio, spare, NULL);
		if (result == VMDEMO_FREED) {
			vmdemo_leave_count(pool, 1, written);
			return VMDEMO_FREED;
		}
		if (result == VMDEMO_DIRTY && io)
			return vmdemo_evict_write(pool, folio, io, force);
		if (result == VMDEMO_HELD && !force)
			vmdemo_order_hold(pool, nr);
		folio_unlock(folio);
	}
	folio_put(folio);
	return result;
}

/* ---- victims in the order of the policy ---- */

/* Which disks take no writes for now, a bit each; and which have failed lately. */
static u32 vmdemo_evict_refused(const struct vmdemo_pool *pool, unsigned long patience,
				u32 *failing)
{
	u32 i, refused = 0;

	*failing = 0;
	for (i = 0; i < VMDEMO_NR_DISKS; i++) {
		refused |= vmdemo_backing_refuses(pool->disks[i], patience) << i;
		*failing |= vmdemo_backing_failing(pool->disks[i]) << i;
	}
	return refused;
}

/*
 * Look at @most held frames, and at as many again while all of them can go. Of what a disk in
 * @failing has not taken, a few are enough to see whether it takes writes again.
 */
static void vmdemo_evict_release(struct vmdemo_pool *pool, u32 refused, u32 failing, u32 most)
{
	u32 left = min(most, READ_ONCE(pool->policy.lists[VMDEMO_LIST_HELD].nr));
	u32 again = VMDEMO_EVICT_ROUNDS, part;

	if (failing & ~refused) {
		vmdemo_leave_release(pool, refused, VMDEMO_EVICT_PROBES);
		refused |= failing;
	}
	while (left) {
		part = min(left, VMDEMO_EVICT_LOOK);
		left -= part;
		if (vmdemo_leave_release(pool, refused, part) == part && !left && again--)
			left = part;
		if (left)
			cond_resched();
	}
}

/*
 * Evict the victims handed over; *@freed frames are free already, *@sent are being written. Returns
 * false: take no others.
 */
static bool vmdemo_evict_victims(struct vmdemo_pool *pool, const struct vmdemo_want *want,
				 const struct vmdemo_hunt *hunt, struct vmdemo_io *io,
				 u32 *freed, u32 *sent)
{
	bool blocked = false;
	u32 i;

	for (i = 0; i < hunt->nr; i++) {
		/* What is not submitted yet must leave some of the bio_set's reserve to others. */
		blocked |= io->nr_later >= VMDEMO_EVICT_BATCH;
		if (blocked || (want->spare && *freed)) {
			folio_put(hunt->victims[i]);
			continue;
		}
		if (i + 1 < hunt->nr && hunt->victims[i + 1]->index == hunt->victims[i]->index + 1)
			io->expect = hunt->nr - i;
		switch (vmdemo_evict_folio(pool, hunt->victims[i], io->later ? io : NULL, false,
					   want->spare)) {
		case VMDEMO_FREED:
			(*freed)++;
			break;
		case VMDEMO_WRITING:
			(*sent)++;
			fallthrough;
		case VMDEMO_DIRTY:
			blocked = want->exact;
			break;
		default:
			break;
		}
	}
	return !blocked && io->nr_later < VMDEMO_EVICT_BATCH;
}

/*
 * Free frames, in the policy's order. With @want->exact it is kept exactly: the search stops at a
 * victim that has to be written, or is being written, and takes no other instead. @lap: look at all
 * that is held, and come to the end of the order. Returns frames freed.
 */
static u32 vmdemo_evict_order(struct vmdemo_pool *pool, const struct vmdemo_want *want, bool lap)
{
	struct vmdemo_io io = { .write = true, .later = want->bios };
	u32 rounds = lap ? READ_ONCE(pool->nr_frames) : VMDEMO_EVICT_ROUNDS;
	u32 freed = 0, sent = 0, failing;
	struct vmdemo_hunt hunt;
	bool on = true;

	lockdep_assert_held(&pool->reclaim_lock);
	hunt.how = want->exact ? VMDEMO_SLOW_STOP :
		   want->bios ? VMDEMO_SLOW_DIRTY : VMDEMO_SLOW_CLEAN;
	hunt.refused = vmdemo_evict_refused(pool, want->patience, &failing);
	/* A policy that chooses need not name all: by list, then. The default order stays exact. */
	hunt.on = lap && (!want->exact || vmdemo_order_chosen(pool));
	hunt.cursor = NULL;
	if (READ_ONCE(pool->policy.lists[VMDEMO_LIST_HELD].nr))
		vmdemo_evict_release(pool, hunt.refused, failing,
				     lap ? U32_MAX : 2 * want->frames + 2);
	while (freed + sent < want->frames && rounds && on) {
		freed += vmdemo_leave_oldest(pool, want->frames - freed, want->spare, &hunt);
		if (!hunt.nr && !hunt.held && (!hunt.on || !hunt.cursor))
			break;
		if (hunt.nr) {
			on = vmdemo_evict_victims(pool, want, &hunt, &io, &freed, &sent);
			if (io.nr_later || io.bio)
				hunt.refused |= failing;
		}
		/* Each frame comes to be held once. */
		if (!hunt.held)
			rounds--;
		if (lap || hunt.held)
			cond_resched();
	}
	if (io.bio)
		vmdemo_pager_submit(&io);
	return freed;
}

/**
 * vmdemo_evict_frames - free frames, and look at all there are rather than let anybody wait
 * @pool: the pool, its reclaim lock held
 * @want: how many, and how
 *
 * Writes of dirty victims are gathered in @want->bios, at most VMDEMO_EVICT_BATCH and one more:
 * vmdemo_evict_submit() is next, after the lock. May sleep, but not for a disk. Returns how many
 * are free.
 */
u32 vmdemo_evict_frames(struct vmdemo_pool *pool, const struct vmdemo_want *want)
{
	u32 freed = vmdemo_evict_order(pool, want, false);

	/* Others may want the same: it makes no sense to look again for each. */
	if (freed || !want->bios || vmdemo_evict_sent(want->bios) ||
	    time_before(jiffies, pool->lap_at))
		return freed;
	freed = vmdemo_evict_order(pool, want, true);
	if (freed)
		return freed;
	pool->lap_at = jiffies + VMDEMO_SOON;
	if (!vmdemo_evict_sent(want->bios) && vmdemo_loan_besieged(pool)) {
		WRITE_ONCE(pool->besieged, true);
		wake_up(&pool->reclaim_wait);
	}
	return 0;
}

/**
 * vmdemo_evict_relieve - the pool is besieged: is it still?
 * @pool: the pool, its reclaim lock held
 * @most: how many held frames to look at
 *
 * May sleep.
 */
void vmdemo_evict_relieve(struct vmdemo_pool *pool, u32 most)
{
	u32 failing, refused = vmdemo_evict_refused(pool, VMDEMO_SOON, &failing);

	lockdep_assert_held(&pool->reclaim_lock);
	vmdemo_evict_release(pool, refused, failing, most);
	if (vmdemo_loan_relieved(pool))
		WRITE_ONCE(pool->besieged, false);
}

/**
 * vmdemo_evict_submit - submit gathered writes
 * @pool: the pool, its reclaim lock not held
 * @bios: by disk; empty afterwards
 *
 * Those to the disk that has answered last go first: the other one may take its time. Sleeps, for
 * as long as a disk does not take a request.
 */
void vmdemo_evict_submit(struct vmdemo_pool *pool, struct bio_list *bios)
{
	u32 first = time_after(READ_ONCE(pool->disks[1]->moved_at),
			       READ_ONCE(pool->disks[0]->moved_at));
	struct blk_plug plug;
	struct bio *bio;
	u32 i;

	for (i = 0; i < VMDEMO_NR_DISKS; i++) {
		if (bio_list_empty(&bios[i ^ first]))
			continue;
		blk_start_plug(&plug);
		while ((bio = bio_list_pop(&bios[i ^ first])))
			submit_bio(bio);
		blk_finish_plug(&plug);
	}
}
