// SPDX-License-Identifier: GPL-2.0
/*
 * policy_lfu.c - least frequently used, with aging: an example of a policy outside vmdemo.ko
 *
 * How often a page was used says more than when, as long as the past is forgotten: counts are
 * halved in time (Robinson and Devarakonda, "Data cache management using frequency-based
 * replacement", 1990, have both). What counts here are the uses that faults show: the page comes,
 * comes back soon after it went, or is touched while it is on standby. The victim is, of the oldest
 * frames on standby, the one used least; those passed over for it lose half of their count, so that
 * none stays for what it was.
 *
 * The same file is a module (see Kbuild) and part of a program in user space. A policy of your own
 * is a file policy_NAME.c beside this one.
 */
#include "policy.h"

/* Of how many the victim is the one used least; and the largest count: it takes 4 halvings. */
#define LFU_LOOK	32
#define LFU_MOST	15

static void lfu_insert(struct vmdemo_policy *policy, struct vmdemo_node *node, bool refault)
{
	node->mark = refault ? 2 : 0;
	vmdemo_policy_add(policy, node, VMDEMO_LIST_ACTIVE);
}

/* What is active is mapped: a use there is seen by chance only. */
static void lfu_touch(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	if (node->list == VMDEMO_LIST_STANDBY)
		node->mark = min(node->mark + 1, (u32)LFU_MOST);
	vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE);
}

/* A search goes on behind the frame that it has named, so it comes to none twice. */
static struct vmdemo_node *lfu_victim(struct vmdemo_policy *policy, struct vmdemo_node *after)
{
	struct vmdemo_node *first = vmdemo_policy_any(policy, after), *least = first, *node = first;
	u32 i;

	for (i = 0; i < LFU_LOOK && node && node->list == VMDEMO_LIST_STANDBY; i++) {
		if (node->mark < least->mark)
			least = node;
		node = vmdemo_policy_any(policy, node);
	}
	for (node = first; !after && node != least; node = vmdemo_policy_any(policy, node))
		node->mark /= 2;
	return least;
}

const struct vmdemo_policy_ops vmdemo_policy_lfu = {
	.name		= "lfu",
	.insert		= lfu_insert,
	.touch		= lfu_touch,
	.spare		= vmdemo_policy_spare_standby,
	.victim		= lfu_victim,
	.excess		= vmdemo_policy_lack,
};

VMDEMO_POLICY_MODULE(vmdemo_policy_lfu);
