// SPDX-License-Identifier: GPL-2.0
/*
 * policy_lru.c - least recently used, as far as faults can tell: a lazily demoted segmented list
 *
 * Active frames stand in order of their last fault. The oldest go to standby, in that order, and
 * are unmapped on the way; a touch there brings a frame back to the young end of active. The
 * victim is the oldest standby frame: it was not touched during its whole time there.
 *
 * The scheme is the second-chance segmented FIFO of VMS (Turner and Levy, "Segmented FIFO page
 * replacement", 1981). The larger standby is, the closer to exact LRU and the more soft faults.
 */
#include "policy.h"

static void vmdemo_lru_insert(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	vmdemo_policy_add(policy, node, VMDEMO_LIST_ACTIVE);
}

static void vmdemo_lru_touch(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE);
}

/* A frame taken from active, for want of standby, had no chance to be touched again: it goes. */
static bool vmdemo_lru_spare(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	if (node->list != VMDEMO_LIST_STANDBY)
		return false;
	vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE);
	return true;
}

static u32 vmdemo_lru_excess(const struct vmdemo_policy *policy, u32 slack)
{
	u32 target = vmdemo_policy_target(policy);
	u32 have = slack + vmdemo_policy_nr(policy, VMDEMO_LIST_STANDBY) +
		   vmdemo_policy_nr(policy, VMDEMO_LIST_UNMAPPING);

	return have < target ? min(target - have, vmdemo_policy_nr(policy, VMDEMO_LIST_ACTIVE)) : 0;
}

const struct vmdemo_policy_ops vmdemo_policy_lru = {
	.name		= "lru",
	.insert		= vmdemo_lru_insert,
	.touch		= vmdemo_lru_touch,
	.spare		= vmdemo_lru_spare,
	.excess		= vmdemo_lru_excess,
};
