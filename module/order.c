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
 * Takes the pool lock, does not sleep. Returns true if it is no loss when the fault maps neighbours
 * too: see vmdemo_policy_soft_fault().
 */
bool vmdemo_order_touch(struct vmdemo_pool *pool, u32 frame, bool soft, bool ahead)
{
	struct vmdemo_node *node = &vmdemo_frame(pool, frame)->node;
	bool calm = false;

	spin_lock(&pool->lock);
	if (soft)
		calm = vmdemo_policy_soft_fault(&pool->policy);
	if (!ahead || !vmdemo_policy_young(node)) {
		vmdemo_policy_touch(&pool->policy, node);
		trace_vmdemo_policy(pool, "touch", frame);
	}
	spin_unlock(&pool->lock);
	return calm;
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
	spared = vmdemo_policy_spare(&pool->policy, &vmdemo_frame(pool, frame)->node);
	trace_vmdemo_policy(pool, "late", frame);
	spin_unlock(&pool->lock);
	return spared;
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
	vmdemo_policy_hold(&pool->policy, &vmdemo_frame(pool, frame)->node);
	trace_vmdemo_policy(pool, "hold", frame);
	spin_unlock(&pool->lock);
}

/**
 * vmdemo_order_demote - put the frames the policy wants on standby
 * @pool:   the pool
 * @most:   how many at most; VMDEMO_ORDER_DEMOTE in one go
 * @mapped: out: the folio, with a reference, of the frame that is next but has to be unmapped
 *          before: vmdemo_order_unmapped() is to follow; NULL: none is
 *
 * None, if the tasks that unmap ranges just now will most likely bring as many. Whether a frame is
 * mapped is read without its folio lock here: mapping one that has just gone to standby makes a
 * late re-reference. Takes the pool lock, does not sleep. Returns how many.
 */
u32 vmdemo_order_demote(struct vmdemo_pool *pool, u32 most, struct folio **mapped)
{
	struct vmdemo_policy *policy = &pool->policy;
	struct vmdemo_node *last = NULL, *node;
	u32 done = 0, excess, others;

	*mapped = NULL;
	spin_lock(&pool->lock);
	excess = vmdemo_policy_excess(policy, pool->nr_free);
	others = vmdemo_policy_nr(policy, VMDEMO_LIST_UNMAPPING);
	if (others * VMDEMO_ORDER_UNMAP < excess)
		most = min3(most, VMDEMO_ORDER_DEMOTE, excess);
	else
		most = 0;
	node = vmdemo_policy_oldest(policy, VMDEMO_LIST_ACTIVE);
	for (; done < most; done++) {
		struct folio *folio = vmdemo_node_frame(node)->folio;

		/* What others have just unmapped has a reference until the TLBs are flushed. */
		if (folio_mapped(folio) || (others && folio_ref_count(folio) > 1)) {
			folio_get(folio);
			*mapped = folio;
			break;
		}
		trace_vmdemo_demote(pool, vmdemo_frame_nr(folio));
		trace_vmdemo_policy(pool, "demote", vmdemo_frame_nr(folio));
		node->list = VMDEMO_LIST_STANDBY;
		last = node;
		node = vmdemo_policy_newer(policy, node, VMDEMO_LIST_ACTIVE);
	}
	if (done)
		vmdemo_policy_demote_to(policy, last, done);
	if (*mapped) {
		vmdemo_policy_move(policy, node, VMDEMO_LIST_UNMAPPING);
		trace_vmdemo_policy(pool, "unmap", vmdemo_frame_nr(*mapped));
	}
	spin_unlock(&pool->lock);
	return done;
}

/**
 * vmdemo_order_unmapped - go on with a frame that had to be unmapped
 * @pool:  the pool
 * @folio: from vmdemo_order_demote(); its reference is used up
 * @done:  it was unmapped: it goes to standby, unless another thread has mapped it again.
 *         Otherwise it is the next in turn once more
 *
 * Frames of tasks that give up at the same time come back in any order. Takes the pool lock, does
 * not sleep. Returns whether it went to standby.
 */
bool vmdemo_order_unmapped(struct vmdemo_pool *pool, struct folio *folio, bool done)
{
	u32 nr = vmdemo_frame_nr(folio);
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	bool standby = done && !folio_mapped(folio);

	spin_lock(&pool->lock);
	/* It may have been touched or held meanwhile, or left the pool with its holders. */
	if (frame->folio != folio || frame->node.list != VMDEMO_LIST_UNMAPPING) {
		spin_unlock(&pool->lock);
		folio_put(folio);
		return false;
	}
	if (standby) {
		vmdemo_policy_move(&pool->policy, &frame->node, VMDEMO_LIST_STANDBY);
		trace_vmdemo_demote(pool, nr);
		trace_vmdemo_policy(pool, "demote", nr);
	} else if (done) {
		vmdemo_policy_move(&pool->policy, &frame->node, VMDEMO_LIST_ACTIVE);
		trace_vmdemo_policy(pool, "rotate", nr);
	} else {
		vmdemo_policy_release(&pool->policy, &frame->node);
		trace_vmdemo_policy(pool, "back", nr);
	}
	/* Not the last one, which is the pool's. With it the evictor would take it for held. */
	folio_put(folio);
	spin_unlock(&pool->lock);
	return standby;
}

/**
 * vmdemo_order_chosen - does the policy choose the victims itself?
 * @pool: the pool
 *
 * Takes the pool lock, without which the policy may go at any time; does not sleep.
 */
bool vmdemo_order_chosen(struct vmdemo_pool *pool)
{
	bool chosen;

	spin_lock(&pool->lock);
	chosen = pool->policy.ops->victim;
	spin_unlock(&pool->lock);
	return chosen;
}

/**
 * vmdemo_order_dirty - the next dirty pages in order of eviction, and then those held
 * @pool:   the pool
 * @cursor: where the search begins and ends: a frame; NULL: the oldest
 * @dirty:  out: those dirty, of a linear space, and not being written
 * @most:   how many at most
 *
 * Looks at VMDEMO_ORDER_LOOK frames at most. If the frame at the cursor has left the order
 * meanwhile, the search starts over; if it has become young, it ends early. Takes the pool lock,
 * does not sleep. Returns how many; @cursor is NULL at the end of the order.
 */
u32 vmdemo_order_dirty(struct vmdemo_pool *pool, struct vmdemo_node **cursor,
		       struct vmdemo_dirty *dirty, u32 most)
{
	struct vmdemo_node *node = *cursor;
	u32 nr = 0, looked = 0, frame_nr;

	spin_lock(&pool->lock);
	if (node && (node->list == VMDEMO_LIST_NONE || node->list == VMDEMO_LIST_UNMAPPING))
		node = NULL;
	do {
		const struct vmdemo_frame *frame;

		node = vmdemo_policy_next(&pool->policy, node);
		if (!node)
			break;
		frame = vmdemo_node_frame(node);
		if (!folio_test_dirty(frame->folio) || folio_test_swapbacked(frame->folio))
			continue;
		frame_nr = vmdemo_frame_nr(frame->folio);
		if (!vmdemo_frame_writing(pool, frame_nr))
			dirty[nr++] = (struct vmdemo_dirty){ .key = frame->key, .frame = frame_nr };
	} while (nr < most && ++looked < VMDEMO_ORDER_LOOK);
	*cursor = node;
	spin_unlock(&pool->lock);
	return nr;
}

/**
 * vmdemo_order_set_policy - switch to another policy
 * @pool: the pool
 * @ops:  the policy
 *
 * It starts from the present order; if it is the present policy, nothing changes. When this returns
 * no task is in the old one. Callers are serialised. Takes the pool lock, each time for a few
 * frames. May sleep.
 */
void vmdemo_order_set_policy(struct vmdemo_pool *pool, const struct vmdemo_policy_ops *ops)
{
	u32 left = 0, part;

	spin_lock(&pool->lock);
	if (pool->policy.ops != ops) {
		vmdemo_policy_switch(&pool->policy, ops, 0);
		/* What comes there from now on is the new policy's. */
		left = vmdemo_policy_nr(&pool->policy, VMDEMO_LIST_STANDBY) +
		       vmdemo_policy_nr(&pool->policy, VMDEMO_LIST_FIRST);
	}
	spin_unlock(&pool->lock);
	for (; left; left -= part) {
		part = min(left, VMDEMO_ORDER_SWITCH);
		spin_lock(&pool->lock);
		vmdemo_policy_switch(&pool->policy, ops, part);
		spin_unlock(&pool->lock);
		cond_resched();
	}
}
