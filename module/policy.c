// SPDX-License-Identifier: GPL-2.0
/*
 * policy.c - what all policies share beyond the list helpers of policy.h
 *
 * Pure code: see policy.h.
 */
#include "policy.h"

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

void vmdemo_policy_adopt(struct vmdemo_policy *to, struct vmdemo_policy *from)
{
	u32 frame;

	while ((frame = vmdemo_policy_victim(from, VMDEMO_NONE)) != VMDEMO_NONE) {
		vmdemo_policy_remove(from, frame);
		to->ops->insert(to, frame);
	}
}
