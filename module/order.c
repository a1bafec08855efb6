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
 * @charge: for a soft fault: it uses up credit
 *
 * Takes the pool lock, does not sleep.
 */
void vmdemo_order_touch(struct vmdemo_pool *pool, u32 frame, bool charge)
{
	spin_lock(&pool->lock);
	if (charge)
		pool->policy.credit--;
	pool->policy.ops->touch(&pool->policy, frame);
	trace_vmdemo_policy(pool, "touch", frame);
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
 * vmdemo_order_rotate - a frame cannot go now: out of the evictor's way
 * @pool:  the pool
 * @frame: pinned or unwritable, locked
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
 * vmdemo_order_where - which list is a frame on?
 * @pool:  the pool
 * @frame: its number
 *
 * Takes the pool lock, does not sleep.
 */
enum vmdemo_list_id vmdemo_order_where(struct vmdemo_pool *pool, u32 frame)
{
	enum vmdemo_list_id id;

	spin_lock(&pool->lock);
	id = vmdemo_policy_where(&pool->policy, frame);
	spin_unlock(&pool->lock);
	return id;
}

/**
 * vmdemo_order_demote - put the frames the policy wants on standby
 * @pool:   the pool
 * @most:   how many at most
 * @mapped: out: the folio, with a reference, of the frame that is next but has to be unmapped
 *          before; NULL: none is
 *
 * A frame is unmapped or not without its folio lock here: who maps one that has just gone to
 * standby makes it a late re-reference. Takes the pool lock, does not sleep. Returns how many.
 */
u32 vmdemo_order_demote(struct vmdemo_pool *pool, u32 most, struct folio **mapped)
{
	u32 done, nr;

	*mapped = NULL;
	spin_lock(&pool->lock);
	most = min(most, pool->policy.ops->excess(&pool->policy, pool->nr_free));
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
 * vmdemo_order_victims - the next victims, in order
 * @pool:   the pool
 * @frames: their numbers go here
 * @nr:     how many at most
 *
 * Without references: get each by vmdemo_index_get_frame(). Takes the pool lock, does not sleep.
 * Returns how many there are.
 */
u32 vmdemo_order_victims(struct vmdemo_pool *pool, u32 *frames, u32 nr)
{
	u32 frame = VMDEMO_NONE;
	u32 i;

	spin_lock(&pool->lock);
	for (i = 0; i < nr; i++) {
		frame = vmdemo_policy_victim(&pool->policy, frame);
		if (frame == VMDEMO_NONE)
			break;
		frames[i] = frame;
	}
	spin_unlock(&pool->lock);
	return i;
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
