// SPDX-License-Identifier: GPL-2.0
/*
 * policy_fifo.c - first in, first out: the order of arrival, whatever is touched in between
 *
 * The baseline. It needs no standby, so frames stay mapped until they are evicted.
 */
#include "policy.h"

static void vmdemo_fifo_touch(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
}

const struct vmdemo_policy_ops vmdemo_policy_fifo = {
	.name		= "fifo",
	.touch		= vmdemo_fifo_touch,
};
