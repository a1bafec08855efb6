// SPDX-License-Identifier: GPL-2.0
/*
 * leave.c - a page leaves the index and the order, and its frame is free
 *
 * What can be decided under the pool lock: whether anybody holds the page, whether it is dirty.
 * Unmapping it before, and writing it, are the callers'.
 */
#include "dirty.h"
#include "freelist.h"
#include "hash.h"
#include "leave.h"
#include "trace.h"

/* The page in frame @nr leaves the index and the order. Inline: every eviction comes by here. */
static __always_inline void vmdemo_leave_index(struct vmdemo_pool *pool, u32 nr)
{
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	struct vmdemo_bucket *bucket;

	lockdep_assert_held(&pool->lock);
	trace_vmdemo_policy(pool, "forget", nr);
	bucket = vmdemo_hash_bucket(vmdemo_hash_buckets(pool), frame->key);
	if (vmdemo_policy_forget(&pool->policy, &frame->node))
		bucket->ghost = vmdemo_hash_ghost(frame->key);
	else if (vmdemo_hash_recalls(bucket, frame->key))
		bucket->ghost = 0;
	vmdemo_hash_unlink(pool, bucket, frame, nr);
}

/* The page in frame @nr is gone: nobody has a reference, its folio is locked. */
static __always_inline void vmdemo_leave_frame(struct vmdemo_pool *pool, struct folio *folio,
					       u32 nr)
{
	trace_vmdemo_evict(pool, nr);
	vmdemo_leave_index(pool, nr);
	folio->mapping = NULL;
	folio->index = 0;
	vmdemo_folio_forget(folio, 0);
}

/* Pages that do not go without more ado: dirty ones, and those whose memory must not be reused. */
#define VMDEMO_LEAVE_STAY	(BIT(PG_dirty) | BIT(PG_hwpoison))

/*
 * The one way out of a frame: freeze the references of a page, and only then look whether it is
 * clean. With none left nobody can make it dirty any more. The pool lock is held, so that what is
 * in the order always has the pool's reference, and a walk misses nothing. @refs: those that the
 * page has if nobody holds it; @stay: flags with which it stays. VMDEMO_FREED: it can go, frozen.
 */
static __always_inline enum vmdemo_evicted
vmdemo_leave_freeze(const struct vmdemo_pool *pool, struct folio *folio, u32 nr, int refs,
		    unsigned long stay)
{
	if (!folio_ref_freeze(folio, refs))
		return VMDEMO_HELD;
	/* In this order: a write that fails makes the page dirty again before it ends. */
	if (!vmdemo_frame_writing(pool, nr) && !(READ_ONCE(*vmdemo_folio_flags(folio)) & stay))
		return VMDEMO_FREED;
	folio_ref_unfreeze(folio, refs);
	return VMDEMO_DIRTY;
}

/**
 * vmdemo_leave_evict - free the frame of a page that nobody else holds
 * @pool:  the pool
 * @folio: the page: locked, unmapped, in the index, not being written; one reference is ours
 * @spare: the free frame's number goes here; NULL: it goes to the free list
 * @lost:  NULL, or a dirty page goes too and is counted here
 *
 * Takes the pool lock, does not sleep. Returns VMDEMO_FREED, and @folio is no longer the caller's;
 * VMDEMO_HELD or VMDEMO_DIRTY, and nothing has changed.
 */
enum vmdemo_evicted vmdemo_leave_evict(struct vmdemo_pool *pool, struct folio *folio, u32 *spare,
				       unsigned long *lost)
{
	u32 nr = vmdemo_frame_nr(folio);
	struct folio *gone = NULL;
	enum vmdemo_evicted evicted;

	if (folio_test_dirty(folio) && !lost)
		return folio_ref_count(folio) > 2 ? VMDEMO_HELD : VMDEMO_DIRTY;
	spin_lock(&pool->lock);
	evicted = vmdemo_leave_freeze(pool, folio, nr, 2, lost ? 0 : BIT(PG_dirty));
	if (evicted != VMDEMO_FREED) {
		spin_unlock(&pool->lock);
		return evicted;
	}
	if (lost && folio_test_clear_dirty(folio)) {
		vmdemo_dirty_unmark(pool, nr, folio);
		(*lost)++;
	}
	vmdemo_leave_frame(pool, folio, nr);
	if (spare)
		*spare = nr;
	else
		vmdemo_free_push(pool, nr, &gone);
	spin_unlock(&pool->lock);
	atomic_long_inc(&pool->progress);
	if (!spare)
		vmdemo_free_finish(pool, gone);
	return VMDEMO_FREED;
}

/*
 * Can the page in frame @nr leave with no more than the pool lock? Nobody has it mapped, locked or
 * referenced, and it is clean. Then it is locked, and frozen.
 */
static bool vmdemo_leave_idle(struct vmdemo_pool *pool, struct folio *folio, u32 nr)
{
	/* The pool's reference and no other: so it is not mapped either. */
	if ((READ_ONCE(*vmdemo_folio_flags(folio)) & VMDEMO_LEAVE_STAY) ||
	    folio_ref_count(folio) != 1 || !folio_trylock(folio))
		return false;
	if (vmdemo_leave_freeze(pool, folio, nr, 1, VMDEMO_LEAVE_STAY) == VMDEMO_FREED)
		return true;
	folio_unlock(folio);
	return false;
}

/*
 * A frame cannot go: will that last? It is being read, or somebody holds its page, or its disk, one
 * of @refused, takes no writes.
 */
static bool vmdemo_leave_stuck(struct folio *folio, bool writing, u32 refused)
{
	if (folio_test_locked(folio) && !writing)
		return !folio_test_uptodate(folio);
	/* The kernel holds one whose memory has failed, but eviction gives it up. */
	if (vmdemo_folio_poisoned(folio))
		return false;
	if (folio_ref_count(folio) > 1 && vmdemo_folio_pinned(folio, 0))
		return true;
	return refused && (refused & BIT(folio_test_swapbacked(folio))) &&
	       (writing || folio_test_dirty(folio));
}

/**
 * vmdemo_leave_release - see which of the held frames can go again
 * @pool:    the pool
 * @refused: disks that take no writes for now, a bit each
 * @most:    how many to look at, those not looked at for longest first
 *
 * Takes the pool lock, does not sleep. Returns how many are in the order again.
 */
u32 vmdemo_leave_release(struct vmdemo_pool *pool, u32 refused, u32 most)
{
	struct vmdemo_policy *policy = &pool->policy;
	u32 released = 0;

	spin_lock(&pool->lock);
	for (most = min(most, vmdemo_policy_nr(policy, VMDEMO_LIST_HELD)); most; most--) {
		struct vmdemo_node *node = vmdemo_policy_oldest(policy, VMDEMO_LIST_HELD);
		struct folio *folio = vmdemo_node_frame(node)->folio;

		if (vmdemo_frame_writing(pool, vmdemo_frame_nr(folio)) ||
		    vmdemo_leave_stuck(folio, false, refused)) {
			vmdemo_policy_hold(policy, node);
		} else {
			vmdemo_policy_release(policy, node);
			trace_vmdemo_policy(pool, "release", vmdemo_frame_nr(folio));
			released++;
		}
	}
	spin_unlock(&pool->lock);
	return released;
}

/*
 * Where a search begins. One that is to go on where the last one ended comes to all frames, by list
 * and from the oldest if the frame it has come to has left the order.
 */
static noinline struct vmdemo_node *vmdemo_leave_first(struct vmdemo_policy *policy,
						       const struct vmdemo_hunt *hunt)
{
	struct vmdemo_node *cursor = hunt->cursor;

	if (!hunt->on)
		return vmdemo_policy_victim(policy, NULL);
	if (cursor && !vmdemo_policy_ordered(cursor))
		cursor = NULL;
	return vmdemo_policy_any(policy, cursor);
}

/* The victim after @node: by list, or the policy's choice. */
static __always_inline struct vmdemo_node *vmdemo_leave_next(struct vmdemo_policy *policy,
							     bool by_list,
							     struct vmdemo_node *node)
{
	return likely(by_list) ? vmdemo_policy_any(policy, node) :
				 policy->ops->victim(policy, node);
}

/**
 * vmdemo_leave_oldest - free the frames of the next victims
 * @pool:  the pool
 * @want:  how many
 * @spare: the free frame's number goes here, and @want is 1; NULL: they go to the free list
 * @hunt:  what to do with victims that cannot go at once, and those handed over
 *
 * The common case of eviction, clean pages that nobody uses, under one hold of the pool lock. Looks
 * at VMDEMO_EVICT_LOOK victims at most; the frame after which to go on is in @hunt->cursor. Takes
 * the pool lock, does not sleep. Returns how many frames are free now.
 */
u32 vmdemo_leave_oldest(struct vmdemo_pool *pool, u32 want, u32 *spare, struct vmdemo_hunt *hunt)
{
	u32 looked = 0, freed = 0, written = 0;
	struct vmdemo_policy *policy = &pool->policy;
	struct vmdemo_node *node, *next;
	struct folio *gone = NULL;
	bool by_list;

	hunt->nr = 0;
	hunt->held = false;
	spin_lock(&pool->lock);
	by_list = hunt->on || !policy->ops->victim;
	node = vmdemo_leave_first(policy, hunt);
	for (; node && freed < want && looked < VMDEMO_EVICT_LOOK; node = next) {
		struct vmdemo_frame *frame = vmdemo_node_frame(node);
		struct folio *folio = frame->folio;
		u32 nr = vmdemo_frame_nr(folio);
		bool writing;

		looked++;
		next = vmdemo_leave_next(policy, by_list, node);
		if (vmdemo_leave_idle(pool, folio, nr)) {
			written += !!(frame->flags & VMDEMO_FRAME_WRITTEN);
			vmdemo_leave_frame(pool, folio, nr);
			if (spare)
				*spare = nr;
			else
				vmdemo_free_push(pool, nr, &gone);
			freed++;
			continue;
		}
		writing = vmdemo_frame_writing(pool, nr);
		if (vmdemo_leave_stuck(folio, writing, hunt->refused)) {
			vmdemo_policy_hold(policy, node);
			trace_vmdemo_policy(pool, "hold", nr);
			hunt->held = true;
			continue;
		}
		hunt->cursor = node;
		/* Locked for a moment. */
		if (folio_test_locked(folio) && !writing)
			continue;
		if (hunt->how == VMDEMO_SLOW_STOP ||
		    (!writing &&
		     !(hunt->how == VMDEMO_SLOW_CLEAN && folio_test_dirty(folio)))) {
			folio_get(folio);
			hunt->victims[hunt->nr++] = folio;
			if (hunt->how == VMDEMO_SLOW_STOP || hunt->nr == VMDEMO_EVICT_BATCH)
				break;
		}
	}
	if (!node)
		hunt->cursor = NULL;
	spin_unlock(&pool->lock);
	if (!freed)
		return 0;
	vmdemo_leave_count(pool, freed, written);
	atomic_long_add(freed, &pool->progress);
	if (!spare)
		vmdemo_free_finish(pool, gone);
	return freed;
}

/**
 * vmdemo_leave_orphan - let go of a page that somebody else holds and will not return
 * @pool:  the pool, one frame smaller afterwards
 * @folio: locked, unmapped, in the index; the caller's reference and lock remain
 * @known: the pool keeps its reference, and takes it back when it is let go (orphan.c); otherwise
 *         the last holder frees it
 * @lost:  incremented if it was dirty; NULL: it is not
 *
 * The page belongs to its holders from now on. Wakes those who wait for the pool to shrink. Takes
 * the pool lock, does not sleep.
 */
void vmdemo_leave_orphan(struct vmdemo_pool *pool, struct folio *folio, bool known,
			 unsigned long *lost)
{
	u32 nr = vmdemo_frame_nr(folio);

	if (folio_test_clear_dirty(folio) && lost)
		(*lost)++;
	vmdemo_dirty_unmark(pool, nr, folio);
	spin_lock(&pool->lock);
	vmdemo_leave_index(pool, nr);
	WRITE_ONCE(vmdemo_frame(pool, nr)->folio, NULL);
	vmdemo_pool_count(pool, -1);
	folio->mapping = NULL;
	if (known) {
		list_add_tail(&folio->lru, &pool->owed);
		WRITE_ONCE(pool->nr_orphans, pool->nr_orphans + 1);
	}
	spin_unlock(&pool->lock);
	wake_up_all(&pool->clean_wait);
	/* The thread sees to it that the frame, or the page, comes back. */
	wake_up(&pool->reclaim_wait);
	if (known)
		return;
	folio->private = NULL;
	folio_put(folio);
}
