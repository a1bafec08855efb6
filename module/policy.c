// SPDX-License-Identifier: GPL-2.0
/*
 * policy.c - what all policies share beyond the list helpers of policy.h
 *
 * Pure code: see policy.h.
 */
#include "policy.h"

/**
 * vmdemo_policy_init - start with an empty order
 * @policy:   to set up
 * @ops:      its rules
 * @nodes:    one per frame number, owned by the caller
 * @nr_nodes: how many
 */
void vmdemo_policy_init(struct vmdemo_policy *policy, const struct vmdemo_policy_ops *ops,
			struct vmdemo_node *nodes, u32 nr_nodes)
{
	u32 i;

	policy->ops = ops;
	policy->nodes = nodes;
	policy->nr_nodes = nr_nodes;
	policy->credit = 0;
	for (i = 0; i < nr_nodes; i++)
		nodes[i].list = VMDEMO_LIST_NONE;
	for (i = 0; i < VMDEMO_NR_LISTS; i++) {
		policy->lists[i].newest = VMDEMO_NONE;
		policy->lists[i].oldest = VMDEMO_NONE;
		policy->lists[i].nr = 0;
	}
}

/* Make @frame, in no list, the oldest active one. */
static void vmdemo_policy_add_oldest(struct vmdemo_policy *policy, u32 frame)
{
	struct vmdemo_list *list = &policy->lists[VMDEMO_LIST_ACTIVE];
	struct vmdemo_node *node = &policy->nodes[frame];

	if (list->oldest == VMDEMO_NONE) {
		vmdemo_policy_add(policy, frame, VMDEMO_LIST_ACTIVE);
		return;
	}
	node->newer = list->oldest;
	node->older = VMDEMO_NONE;
	node->list = VMDEMO_LIST_ACTIVE;
	policy->nodes[list->oldest].older = frame;
	list->oldest = frame;
	list->nr++;
}

/**
 * vmdemo_policy_release - a held frame can go again
 * @policy: in use
 * @frame:  the frame
 *
 * It is the oldest active one: next to be demoted, or with an empty standby, next to go.
 */
void vmdemo_policy_release(struct vmdemo_policy *policy, u32 frame)
{
	vmdemo_policy_remove(policy, frame);
	vmdemo_policy_add_oldest(policy, frame);
}

/**
 * vmdemo_policy_switch - follow other rules from now on
 * @policy: in use
 * @ops:    the new rules
 *
 * The present order of eviction is what they start from. What is held stays so.
 */
void vmdemo_policy_switch(struct vmdemo_policy *policy, const struct vmdemo_policy_ops *ops)
{
	u32 frame;

	policy->ops = ops;
	while ((frame = policy->lists[VMDEMO_LIST_STANDBY].newest) != VMDEMO_NONE) {
		vmdemo_policy_remove(policy, frame);
		vmdemo_policy_add_oldest(policy, frame);
	}
}
