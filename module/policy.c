// SPDX-License-Identifier: GPL-2.0
/*
 * policy.c - what all policies share beyond the list helpers of policy.h
 *
 * Pure code: see policy.h.
 */
#include "policy.h"

/**
 * vmdemo_policy_init - start with an empty order
 * @policy: to set up
 * @ops:    its rules
 *
 * The nodes are the caller's; to begin with, each is in VMDEMO_LIST_NONE.
 */
void vmdemo_policy_init(struct vmdemo_policy *policy, const struct vmdemo_policy_ops *ops)
{
	u32 i;

	policy->ops = ops;
	policy->credit = 0;
	policy->soft_faults = 0;
	for (i = 0; i < VMDEMO_NR_LISTS; i++) {
		policy->lists[i].ends.newer = &policy->lists[i].ends;
		policy->lists[i].ends.older = &policy->lists[i].ends;
		policy->lists[i].nr = 0;
	}
}

/* Make @node, in no list, the oldest active one. */
static void vmdemo_policy_add_oldest(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	struct vmdemo_node *ends = &policy->lists[VMDEMO_LIST_ACTIVE].ends;

	node->list = VMDEMO_LIST_ACTIVE;
	node->older = ends;
	node->newer = ends->newer;
	node->newer->older = node;
	ends->newer = node;
	policy->lists[VMDEMO_LIST_ACTIVE].nr++;
}

/**
 * vmdemo_policy_release - a held frame can go again, or one could not be unmapped now
 * @policy: in use
 * @node:   the frame
 *
 * It is the oldest active one: next to be demoted, or with an empty standby, next to go.
 */
void vmdemo_policy_release(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	vmdemo_policy_remove(policy, node);
	vmdemo_policy_add_oldest(policy, node);
}

/**
 * vmdemo_policy_switch - follow other rules from now on
 * @policy: in use
 * @ops:    the new rules
 * @most:   how many frames to take from standby; to be called until all have been
 *
 * The present order of eviction is what they start from. What is held stays so.
 */
void vmdemo_policy_switch(struct vmdemo_policy *policy, const struct vmdemo_policy_ops *ops,
			  u32 most)
{
	const struct vmdemo_list *standby = &policy->lists[VMDEMO_LIST_STANDBY];

	policy->ops = ops;
	for (most = min(most, standby->nr); most; most--)
		vmdemo_policy_release(policy, standby->ends.older);
}
