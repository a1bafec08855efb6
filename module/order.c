// SPDX-License-Identifier: GPL-2.0
/*
 * order.c - the policy's events and questions, under the pool lock
 *
 * The policy itself is pure code (policy.h) and knows no lock; frames are in its order from their
 * insertion in the index to their eviction, which index.c tells it.
 */
#include "order.h"
#include "trace.h"

/**
 * vmdemo_order_touch - a page in a frame was referenced
 * @pool:   the pool
 * @frame:  of a folio that the caller has locked
 * @soft:   by a soft fault: it uses up credit
 * @ahead:  for the first time since it was read ahead: it is young if it is active
 *
 * Takes the pool lock, does not sleep.
 */
void vmdemo_order_touch(struct vmdemo_pool *pool, u32 frame, bool soft, bool ahead)
{
	spin_lock(&pool->lock);
	if (soft)
		pool->policy.credit--;
	if (!ahead || vmdemo_policy_where(&pool->policy, frame) != VMDEMO_LIST_ACTIVE) {
		pool->policy.ops->touch(&pool->policy, frame);
		trace_vmdemo_policy(pool, "touch", frame);
	}
	spin_unlock(&pool->lock);
}

/**
 * vmdemo_order_spare - the evictor found a victim mapped: does the policy want to keep it?
 * @pool:  the pool
 * @frame: the victim, locked
 *
 * Takes the pool lock, does not sleep. Returns true if it stays.
 */
bool vmdemo_order_spare(struct vmdemo_pool *pool, u32 frame)
{
	bool spared;

	spin_lock(&pool->lock);
	spared = pool->policy.ops->spare(&pool->policy, frame);
	trace_vmdemo_policy(pool, "late", frame);
	spin_unlock(&pool->lock);
	return spared;
}

/**
 * vmdemo_order_rotate - a frame about to be demoted is mapped again
 * @pool:  the pool
 * @frame: locked
 *
 * Takes the pool lock, does not sleep.
 */
void vmdemo_order_rotate(struct vmdemo_pool *pool, u32 frame)
{
	spin_lock(&pool->lock);
	vmdemo_policy_move(&pool->policy, frame, VMDEMO_LIST_ACTIVE);
	trace_vmdemo_policy(pool, "rotate", frame);
	spin_unlock(&pool->lock);
}

/**
 * vmdemo_order_hold - a victim cannot go now: out of the evictor's way
 * @pool:  the pool
 * @frame: pinned or unwritable, locked
 *
 * vmdemo_leave_release() looks at it again. Takes the pool lock, does not sleep.
 */
void vmdemo_order_hold(struct vmdemo_pool *pool, u32 frame)
{
	spin_lock(&pool->lock);
	vmdemo_policy_hold(&pool->policy, frame);
	trace_vmdemo_policy(pool, "hold", frame);
	spin_unlock(&pool->lock);
}

/**
 * vmdemo_order_demote - put the frames the policy wants on standby
 * @pool:   the pool
 * @most:   how many at most; VMDEMO_ORDER_DEMOTE in one go
 * @mapped: out: the folio, with a reference, of the frame that is next but has to be unmapped
 *          before; NULL: none is
 *
 * Whether a frame is mapped is read without its folio lock here: mapping one that has just gone to
 * standby makes a late re-reference. Takes the pool lock, does not sleep. Returns how many.
 */
u32 vmdemo_order_demote(struct vmdemo_pool *pool, u32 most, struct folio **mapped)
{
	u32 done, nr;

	*mapped = NULL;
	spin_lock(&pool->lock);
	most = min3(most, VMDEMO_ORDER_DEMOTE,
		    pool->policy.ops->excess(&pool->policy, pool->nr_free));
	nr = pool->policy.lists[VMDEMO_LIST_ACTIVE].oldest;
	for (done = 0; done < most; done++) {
		struct folio *folio = vmdemo_frame(pool, nr)->folio;

		if (folio_mapped(folio)) {
			folio_get(folio);
			*mapped = folio;
			break;
		}
		trace_vmdemo_demote(folio, nr);
		trace_vmdemo_policy(pool, "demote", nr);
		nr = pool->policy.nodes[nr].newer;
	}
	vmdemo_policy_demote(&pool->policy, done);
	spin_unlock(&pool->lock);
	return done;
}

/**
 * vmdemo_order_dirty - the next dirty pages in order of eviction, and then those held
 * @pool:   the pool
 * @cursor: where the search begins and ends: a frame; VMDEMO_NONE: the oldest
 * @dirty:  out: those dirty, of a linear space, and not being written
 * @most:   how many at most
 *
 * Looks at VMDEMO_ORDER_LOOK frames at most. If the frame at the cursor has become free meanwhile,
 * the search starts over; if it has become young, it ends early. Takes the pool lock, does not
 * sleep. Returns how many; @cursor is VMDEMO_NONE at the end of the order.
 */
u32 vmdemo_order_dirty(struct vmdemo_pool *pool, u32 *cursor, struct vmdemo_dirty *dirty, u32 most)
{
	u32 nr = 0, looked = 0;

	spin_lock(&pool->lock);
	if (*cursor != VMDEMO_NONE &&
	    vmdemo_policy_where(&pool->policy, *cursor) == VMDEMO_LIST_NONE)
		*cursor = VMDEMO_NONE;
	do {
		const struct vmdemo_frame *frame;

		*cursor = vmdemo_policy_next(&pool->policy, *cursor);
		if (*cursor == VMDEMO_NONE)
			break;
		frame = vmdemo_frame(pool, *cursor);
		if (!folio_test_dirty(frame->folio) || folio_test_swapbacked(frame->folio) ||
		    vmdemo_frame_writing(pool, *cursor))
			continue;
		dirty[nr++] = (struct vmdemo_dirty){ .key = frame->key, .frame = *cursor };
	} while (nr < most && ++looked < VMDEMO_ORDER_LOOK);
	spin_unlock(&pool->lock);
	return nr;
}

/**
 * vmdemo_order_set_policy - switch to another policy
 * @pool: the pool
 * @ops:  the policy
 *
 * It starts from the present order. Takes the pool lock, does not sleep.
 */
void vmdemo_order_set_policy(struct vmdemo_pool *pool, const struct vmdemo_policy_ops *ops)
{
	spin_lock(&pool->lock);
	vmdemo_policy_switch(&pool->policy, ops);
	spin_unlock(&pool->lock);
}
