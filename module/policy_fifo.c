// SPDX-License-Identifier: GPL-2.0
/*
 * policy_fifo.c - first in, first out: the order of arrival, whatever is touched in between
 *
 * The baseline. It needs no standby, so frames stay mapped until they are evicted.
 */
#include "policy.h"

static void vmdemo_fifo_insert(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	vmdemo_policy_add(policy, node, VMDEMO_LIST_ACTIVE);
}

static void vmdemo_fifo_touch(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
}

static bool vmdemo_fifo_spare(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	return false;
}

static u32 vmdemo_fifo_excess(const struct vmdemo_policy *policy, u32 slack)
{
	return 0;
}

const struct vmdemo_policy_ops vmdemo_policy_fifo = {
	.name		= "fifo",
	.insert		= vmdemo_fifo_insert,
	.touch		= vmdemo_fifo_touch,
	.spare		= vmdemo_fifo_spare,
	.excess		= vmdemo_fifo_excess,
};
