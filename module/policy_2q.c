// SPDX-License-Identifier: GPL-2.0
/*
 * policy_2q.c - two queues: a page has to come back before it counts
 *
 * Johnson and Shasha, "2Q: a low overhead high performance buffer management replacement
 * algorithm", 1994, in its full version. A new page comes to the first queue (their A1in), which is
 * FIFO: touches there are taken to be parts of one use. When that queue is longer than its share,
 * its oldest frame goes, and a ghost remembers the page (A1out). A page that is remembered when it
 * comes back joins the main queue (Am), which is active and standby, ordered as under lru; what
 * goes from there is not remembered. So a scan passes through the first queue and leaves the main
 * one alone.
 *
 * What differs: A1out is the ghosts of the index. There is one for each bucket, a bucket for each
 * frame, and a later page in the same bucket displaces it: half of them last for 0.7 pools of
 * evictions, where A1out holds the last 0.5 pools' exactly. Am is in order of use as far as soft
 * faults tell. Frames that were held, and those there were before the policy was chosen, count as
 * Am's. While Am is empty the first queue has all frames. A page that is discarded while it is in
 * the first queue is remembered like one that was evicted.
 */
#include "policy.h"

/* The first queue's share of the frames, in per cent: Johnson and Shasha's. */
#define VMDEMO_2Q_FIRST_PCT	25

/* An instruction may need as many pages at once, all of them new. */
#define VMDEMO_2Q_FIRST_LEAST	4U

static void vmdemo_2q_insert(struct vmdemo_policy *policy, struct vmdemo_node *node, bool refault)
{
	vmdemo_policy_add(policy, node, refault ? VMDEMO_LIST_ACTIVE : VMDEMO_LIST_FIRST);
}

static void vmdemo_2q_touch(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	if (node->list != VMDEMO_LIST_FIRST)
		vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE);
}

static bool vmdemo_2q_remove(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	return node->list == VMDEMO_LIST_FIRST;
}

/* How many frames the first queue has beyond its share. */
static u32 vmdemo_2q_over(const struct vmdemo_policy *policy)
{
	u32 share = max((u32)((u64)policy->nr_frames * VMDEMO_2Q_FIRST_PCT / 100),
			VMDEMO_2Q_FIRST_LEAST);
	u32 first = vmdemo_policy_nr(policy, VMDEMO_LIST_FIRST);

	return first - min(first, share);
}

/*
 * From the first queue what it has too much, then from the main one. That is counted when the
 * search begins: of the frames it has named some are gone, and some about to go.
 */
static struct vmdemo_node *vmdemo_2q_victim(struct vmdemo_policy *policy,
					    struct vmdemo_node *after)
{
	struct vmdemo_node *first;

	if (!after)
		policy->left = vmdemo_2q_over(policy);
	else if (after->list != VMDEMO_LIST_FIRST)
		return vmdemo_policy_any(policy, after);
	first = vmdemo_policy_newer(policy, after, VMDEMO_LIST_FIRST);
	if (first && policy->left) {
		policy->left--;
		return first;
	}
	/* With the main queue empty, or all of it held, what is new goes all the same. */
	return vmdemo_policy_oldest(policy, VMDEMO_LIST_STANDBY) ?:
	       vmdemo_policy_oldest(policy, VMDEMO_LIST_ACTIVE) ?: first;
}

/* A share of the main queue, as lru has one of all frames; what is free is in neither queue. */
static u32 vmdemo_2q_excess(const struct vmdemo_policy *policy, u32 slack)
{
	u32 active = vmdemo_policy_nr(policy, VMDEMO_LIST_ACTIVE);
	u32 have = vmdemo_policy_nr(policy, VMDEMO_LIST_STANDBY) +
		   vmdemo_policy_nr(policy, VMDEMO_LIST_UNMAPPING);
	u32 main = active + have;
	u32 target = (u64)main * policy->standby_pct / 100;

	if (policy->nr_frames <= VMDEMO_SMALL_POOL)
		target = main - !!main;
	return have < target ? min(target - have, active) : 0;
}

const struct vmdemo_policy_ops vmdemo_policy_2q = {
	.name		= "2q",
	.insert		= vmdemo_2q_insert,
	.touch		= vmdemo_2q_touch,
	.spare		= vmdemo_policy_spare_standby,
	.victim		= vmdemo_2q_victim,
	.remove		= vmdemo_2q_remove,
	.excess		= vmdemo_2q_excess,
};
