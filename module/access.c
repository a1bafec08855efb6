// SPDX-License-Identifier: GPL-2.0
/*
 * access.c - get a page into a frame, for any caller
 *
 * An attempt never waits for I/O, frames or a discard: it says what it lacks. So a page fault can
 * let go of its locks before it waits, while read(2) simply does one after the other.
 *
 *   look up the page in the index
 *     absent: take a free frame, and start the read          vmdemo_access_fill()
 *     there, or on its way: lock it, and see what it is      vmdemo_access_settle()
 */
#include "access.h"
#include "dirty.h"
#include "freelist.h"
#include "hwpoison.h"
#include "index.h"
#include "order.h"
#include "pager.h"
#include "reclaim.h"
#include "segment.h"
#include "space.h"
#include "swap.h"
#include "trace.h"

/* Pages put into frames for readahead under one hold of the pool lock. */
#define VMDEMO_AHEAD_BATCH	32U

/* ---- readahead ---- */

/* The longest window for now: a stream must not have the pool to itself. */
static u32 vmdemo_access_most_ahead(const struct vmdemo_pool *pool)
{
	return min(READ_ONCE(pool->set.read_ahead_pages), READ_ONCE(pool->nr_frames) / 4);
}

/* Ask readahead what a reference to the page means. */
static void vmdemo_access_plan(struct vmdemo_access *acc, bool miss)
{
	if (acc->streams && acc->advice != VMDEMO_ADVICE_RANDOM)
		vmdemo_readahead_plan(acc->streams, acc->index, acc->advice,
				      vmdemo_access_most_ahead(acc->space->pool), miss, &acc->plan);
}

/* Read what readahead asks for beyond the page itself; stop where frames become scarce. */
static void vmdemo_access_read_ahead(struct vmdemo_access *acc, struct vmdemo_io *io)
{
	struct vmdemo_space *space = acc->space;
	struct vmdemo_pool *pool = space->pool;
	struct vmdemo_plan *plan = &acc->plan;
	u32 leave_free = vmdemo_free_reserve(pool) / 4;
	struct folio *folios[VMDEMO_AHEAD_BATCH];
	u32 covered = 0, nr = 0, want = plan->nr, i, n, done, part;

	/* Pages that are nowhere are not read, nor is another segment. */
	if (space->swap)
		want = vmdemo_segment_find(space, plan->start) ==
		       vmdemo_segment_find(space, acc->index) ?
		       vmdemo_space_data_run(space, plan->start, want, true) : 0;
	vmdemo_reclaim_help(pool, want + leave_free);
	do {
		part = min(want - covered, VMDEMO_AHEAD_BATCH);
		n = vmdemo_index_insert_ahead(space, plan->start + covered, part, leave_free,
					      folios, &done);
		for (i = 0; i < n; i++)
			vmdemo_pager_read(io, folios[i]);
		covered += done;
		nr += n;
	} while (done == part && covered < want);
	vmdemo_stat_add(pool, readahead_pages, nr);
	vmdemo_readahead_read(acc->streams, plan, covered, nr);
}

/* A stream of references has come near the end of what was read for it: read on. */
static noinline void vmdemo_access_read_on(struct vmdemo_access *acc)
{
	struct vmdemo_io io = { .space = acc->space, .id = acc->id, .expect = acc->plan.nr };

	vmdemo_access_read_ahead(acc, &io);
	vmdemo_pager_submit(&io);
}

/* ---- the page is there, or on its way ---- */

static void vmdemo_access_count(struct vmdemo_access *acc)
{
	struct vmdemo_pool *pool = acc->space->pool;

	if (acc->asker == VMDEMO_ASK_FAULT) {
		vmdemo_stat_inc(pool, faults_hard);
		acc->kind = VMDEMO_LATENCY_HARD;
	} else {
		vmdemo_stat_inc(pool, rw_pages);
	}
}

/* Tell the counters and the policy that a resident page was referenced. Its folio is locked. */
static void vmdemo_access_hit(struct vmdemo_access *acc)
{
	struct vmdemo_pool *pool = acc->space->pool;
	u32 nr = vmdemo_frame_nr(acc->folio);
	u32 flags = vmdemo_frame(pool, nr)->flags;
	bool ahead = flags & VMDEMO_FRAME_AHEAD;
	bool soft = !ahead && acc->asker == VMDEMO_ASK_FAULT;

	vmdemo_frame(pool, nr)->flags = 0;
	if (flags & VMDEMO_FRAME_FRESH)
		return;
	if (ahead)
		vmdemo_stat_inc(pool, readahead_used);
	if (soft) {
		vmdemo_stat_inc(pool, faults_soft);
		acc->kind = VMDEMO_LATENCY_SOFT;
	}
	acc->near = vmdemo_order_touch(pool, nr, soft, ahead);
	/* A page that this request has read has been planned for. */
	if (acc->loaded)
		return;
	vmdemo_access_plan(acc, false);
	if (acc->plan.nr)
		vmdemo_access_read_on(acc);
}

static void vmdemo_access_drop(struct vmdemo_access *acc)
{
	folio_unlock(acc->folio);
	folio_put(acc->folio);
}

/* The memory of the page has failed: read it again, into another frame, unless it is lost. */
static enum vmdemo_tried vmdemo_access_poisoned(struct vmdemo_access *acc)
{
	struct vmdemo_pool *pool = acc->space->pool;
	bool lost = true;

	/* On its way to the device it stays where it is until that has ended. */
	if (!vmdemo_frame_writing(pool, vmdemo_frame_nr(acc->folio)))
		lost = vmdemo_hwpoison_leave(pool, acc->folio);
	vmdemo_access_drop(acc);
	return lost ? VMDEMO_TRY_LOST : VMDEMO_TRY_AGAIN;
}

/*
 * The page is not up to date: its read has failed. The next request reads it again, and so does
 * this one, once, if other pages were read with it: the bad sector may be theirs.
 */
static enum vmdemo_tried vmdemo_access_reread(struct vmdemo_access *acc)
{
	struct vmdemo_frame *frame = vmdemo_frame(acc->space->pool, vmdemo_frame_nr(acc->folio));
	struct vmdemo_io io = { .space = acc->space, .id = acc->id };
	bool failed = acc->loaded && acc->alone;

	if (failed || (acc->again && (frame->flags & VMDEMO_FRAME_FAILED))) {
		if (failed)
			frame->flags |= VMDEMO_FRAME_FAILED;
		else
			frame->flags &= ~VMDEMO_FRAME_FAILED;
		vmdemo_access_drop(acc);
		return VMDEMO_TRY_UNREADABLE;
	}
	frame->flags &= ~VMDEMO_FRAME_FAILED;
	if (!acc->loaded)
		vmdemo_access_count(acc);
	acc->loaded = true;
	acc->alone = true;
	/* The end of the read unlocks it. */
	vmdemo_pager_read(&io, acc->folio);
	vmdemo_pager_submit(&io);
	folio_put(acc->folio);
	return VMDEMO_TRY_AGAIN;
}

/*
 * Lock the page, if that is a matter of moments: the holder of the lock of an up-to-date page does
 * not wait for I/O meanwhile.
 */
static bool vmdemo_access_lock(struct folio *folio)
{
	if (folio_trylock(folio))
		return true;
	if (!folio_test_uptodate(folio))
		return false;
	folio_lock(folio);
	return true;
}

/* acc->folio was the page a moment ago. Lock it, and see whether it can be used now. */
static enum vmdemo_tried vmdemo_access_settle(struct vmdemo_access *acc)
{
	struct vmdemo_space *space = acc->space;

	if (!vmdemo_access_lock(acc->folio)) {
		acc->lack = VMDEMO_LACK_PAGE;
		return VMDEMO_TRY_WAIT;
	}
	if (!vmdemo_space_owns(space, acc->folio, acc->index)) {
		vmdemo_access_drop(acc);
		return VMDEMO_TRY_AGAIN;
	}
	if (vmdemo_folio_poisoned(acc->folio) && !acc->fetch)
		return vmdemo_access_poisoned(acc);
	if (!folio_test_uptodate(acc->folio) && !acc->overwrite)
		return vmdemo_access_reread(acc);
	if (acc->fetch)
		return VMDEMO_TRY_DONE;
	/*
	 * Stable pages: a page does not change while it is being written. What a fault has just
	 * read is not, most likely; ->page_mkwrite() looks again.
	 */
	if (acc->write && !(acc->loaded && acc->asker == VMDEMO_ASK_FAULT) &&
	    vmdemo_frame_writing(space->pool, vmdemo_frame_nr(acc->folio))) {
		folio_unlock(acc->folio);
		acc->lack = VMDEMO_LACK_WRITE;
		return VMDEMO_TRY_WAIT;
	}
	vmdemo_access_hit(acc);
	return VMDEMO_TRY_DONE;
}

/* ---- the page is absent ---- */

/*
 * A page of a sparse space that is nowhere yet is zeros. Only once it is in its frame is that
 * certain: then it cannot go somewhere meanwhile. Otherwise *@slot says where it is.
 */
static bool vmdemo_access_zero(struct vmdemo_access *acc, u64 *slot)
{
	struct vmdemo_space *space = acc->space;
	bool written;

	if (!space->swap)
		return false;
	written = vmdemo_swap_find(space, acc->index, slot);
	if (!vmdemo_pager_zero(space, acc->folio, *slot))
		return false;
	vmdemo_frame(space->pool, vmdemo_frame_nr(acc->folio))->flags =
		acc->write && !written ? VMDEMO_FRAME_ZEROS : 0;
	if (acc->asker == VMDEMO_ASK_FAULT) {
		vmdemo_stat_inc(space->pool, faults_zero);
		acc->kind = VMDEMO_LATENCY_ZERO;
	}
	acc->zeroed = true;
	return true;
}

/* The page is in a frame now, and locked: read it, and its window. */
static void vmdemo_access_read(struct vmdemo_access *acc, u64 slot)
{
	struct vmdemo_io io = { .space = acc->space, .id = acc->id };

	vmdemo_access_count(acc);
	acc->loaded = true;
	vmdemo_access_plan(acc, true);
	acc->alone = !acc->plan.nr;
	io.expect = 1 + acc->plan.nr;
	vmdemo_pager_read_slot(&io, acc->folio, slot);
	if (acc->plan.nr)
		vmdemo_access_read_ahead(acc, &io);
	vmdemo_pager_submit(&io);
}

/* The page could not be put into a frame. */
static enum vmdemo_tried vmdemo_access_kept_out(struct vmdemo_access *acc,
						enum vmdemo_inserted why)
{
	switch (why) {
	case VMDEMO_INSERT_BEYOND:
		return VMDEMO_TRY_BEYOND;
	case VMDEMO_INSERT_CLOSED:
		acc->lack = VMDEMO_LACK_OPEN;
		return VMDEMO_TRY_WAIT;
	case VMDEMO_INSERT_NO_FRAME:
		if (vmdemo_reclaim_try(acc->space->pool, &acc->spare))
			return VMDEMO_TRY_AGAIN;
		acc->lack = VMDEMO_LACK_FRAME;
		return VMDEMO_TRY_WAIT;
	default:
		/* Another request was faster. */
		cpu_relax();
		return VMDEMO_TRY_AGAIN;
	}
}

/* Put the page into a frame, and see to its contents. */
static enum vmdemo_tried vmdemo_access_fill(struct vmdemo_access *acc)
{
	struct vmdemo_pool *pool = acc->space->pool;
	enum vmdemo_inserted inserted;
	u64 slot = 0;
	bool filled;

	inserted = vmdemo_index_insert(acc->space, acc->index, &acc->spare,
				       acc->asker == VMDEMO_ASK_FAULT, &acc->folio);
	if (inserted != VMDEMO_INSERT_DONE)
		return vmdemo_access_kept_out(acc, inserted);
	filled = acc->overwrite || vmdemo_access_zero(acc, &slot);
	if (!filled)
		vmdemo_access_read(acc, slot);
	if (!vmdemo_free_reserve(pool))
		vmdemo_reclaim_balance(pool);
	return filled ? VMDEMO_TRY_DONE : VMDEMO_TRY_SETTLE;
}

/* ---- what others call ---- */

/**
 * vmdemo_access_try - an attempt to get a page into a frame
 * @acc: the request
 *
 * If it is VMDEMO_TRY_DONE, @acc->folio is the page: locked, with a reference, up to date unless
 * @acc->overwrite, and for @acc->write not being written to the device. Sleeps for locks at most.
 */
enum vmdemo_tried vmdemo_access_try(struct vmdemo_access *acc)
{
	struct vmdemo_space *space = acc->space;
	enum vmdemo_tried tried;

	do {
		acc->folio = vmdemo_index_lookup(space->pool, space->key + acc->index);
		tried = acc->folio ? VMDEMO_TRY_SETTLE : vmdemo_access_fill(acc);
		if (tried == VMDEMO_TRY_SETTLE)
			tried = vmdemo_access_settle(acc);
	} while (tried == VMDEMO_TRY_AGAIN);
	return tried;
}

/**
 * vmdemo_access_wait - wait for what an attempt has lacked
 * @acc: the request
 *
 * Sleeps, killably. Returns 0: try again; -EINTR when killed; -EBUSY: no frame can be had.
 */
int vmdemo_access_wait(struct vmdemo_access *acc)
{
	struct vmdemo_pool *pool = acc->space->pool;
	enum vmdemo_lack lack = acc->lack;
	int err;

	acc->lack = VMDEMO_LACK_NOTHING;
	/* Others may need a spare frame meanwhile. */
	if (lack != VMDEMO_LACK_FRAME)
		vmdemo_free_put_spare(pool, &acc->spare);
	trace_vmdemo_wait(acc->space, acc->id, acc->index, lack == VMDEMO_LACK_FRAME);
	if (lack == VMDEMO_LACK_OPEN)
		return vmdemo_space_wait_open(acc->space, acc->index, acc->index);
	if (lack == VMDEMO_LACK_FRAME)
		return vmdemo_reclaim_wait(pool, acc->space->key + acc->index, &acc->spare);
	if (lack == VMDEMO_LACK_WRITE)
		err = vmdemo_dirty_wait_write(pool, vmdemo_frame_nr(acc->folio), TASK_KILLABLE);
	else
		err = folio_wait_locked_killable(acc->folio);
	folio_put(acc->folio);
	return err;
}

/**
 * vmdemo_access_fetch - wait for what an attempt has lacked, and then for the page
 * @acc: the request, not to overwrite
 *
 * For a fault that has let go of its locks, and has to begin anew afterwards: so that it will not
 * have to wait then, with the locks held. It will look at the page itself, so no reference is
 * counted here, the policy hears of none, and what went wrong is found again: a frame marked
 * VMDEMO_FRAME_FAILED, failed memory, or a pool that has given up. Sleeps, killably.
 */
void vmdemo_access_fetch(struct vmdemo_access *acc)
{
	enum vmdemo_tried tried = VMDEMO_TRY_WAIT;

	acc->fetch = true;
	acc->again = false;
	while (tried == VMDEMO_TRY_WAIT) {
		/* If it is being written it is there. */
		bool there = acc->lack == VMDEMO_LACK_WRITE;

		if (vmdemo_access_wait(acc) || there)
			return;
		tried = vmdemo_access_try(acc);
	}
	if (tried != VMDEMO_TRY_DONE)
		return;
	/* Zeros are fresh as what was read is: the same fault comes back for them. */
	if (acc->zeroed)
		vmdemo_frame(acc->space->pool, vmdemo_frame_nr(acc->folio))->flags =
			VMDEMO_FRAME_FRESH;
	vmdemo_access_drop(acc);
}

/**
 * vmdemo_access_get - get a page into a frame, for a caller that may wait
 * @acc: the request
 *
 * @acc->folio is as vmdemo_access_try() leaves it. Sleeps, killably. Returns 0, -EIO, -ENXIO beyond
 * the end, -EINTR when killed, -EBUSY when no frame can be had.
 */
int vmdemo_access_get(struct vmdemo_access *acc)
{
	enum vmdemo_tried tried;
	int err;

	while ((tried = vmdemo_access_try(acc)) == VMDEMO_TRY_WAIT) {
		err = vmdemo_access_wait(acc);
		if (err)
			return err;
	}
	switch (tried) {
	case VMDEMO_TRY_DONE:
		return 0;
	case VMDEMO_TRY_BEYOND:
		return -ENXIO;
	default:
		return -EIO;
	}
}

/**
 * vmdemo_access_give_back - give back what a request still holds
 * @acc: the request
 *
 * The slow path of vmdemo_access_end(). The page itself is the caller's. Does not sleep.
 */
void vmdemo_access_give_back(struct vmdemo_access *acc)
{
	if (acc->lack == VMDEMO_LACK_PAGE || acc->lack == VMDEMO_LACK_WRITE)
		folio_put(acc->folio);
	acc->lack = VMDEMO_LACK_NOTHING;
	vmdemo_free_put_spare(acc->space->pool, &acc->spare);
}
