// SPDX-License-Identifier: GPL-2.0
/*
 * policy_clock.c - second chance: the order of arrival, but what was touched is passed over once
 *
 * The clock of Multics (Corbato, "A paging experiment with the Multics system", 1968), as 3BSD had
 * it on a machine without reference bits (Babaoglu and Joy, "Converting a swap-based system to do
 * paging in an architecture lacking page-referenced bits", 1981), and 4.3BSD with two hands. Where
 * the first hand comes by, a frame is unmapped: that is demotion. A touch behind it, a soft fault,
 * marks the frame, which stays in its place. Where the second hand comes by, what is marked loses
 * its mark and has the whole way before it again; what is not is the victim. So standby is the
 * distance between the hands.
 *
 * In contrast to lru a touch moves nothing, and costs one soft fault in each round at most; how
 * often and how recently a frame was touched in a round is all the same.
 *
 * If all between the hands is marked, the second hand gives up the first frame it has passed, as if
 * it had gone all the way around: what the first hand has not come by yet had no chance, and may
 * be the newest page, whose fault has not been tried again.
 */
#include "policy.h"

/*
 * Frames that a search passes over in all: the pool lock is held all the while. If all of them are
 * marked before there is a victim the next one is it, marked or not. The evictor will find it
 * mapped, and spare it, unless it was touched by read(2) only.
 */
#define VMDEMO_CLOCK_PASS	256

static void vmdemo_clock_insert(struct vmdemo_policy *policy, struct vmdemo_node *node,
				bool refault)
{
	node->mark = 0;
	vmdemo_policy_add(policy, node, VMDEMO_LIST_ACTIVE);
}

/* Before the first hand comes by there is nothing to learn. */
static void vmdemo_clock_touch(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	if (node->list != VMDEMO_LIST_ACTIVE)
		node->mark = 1;
}

static bool vmdemo_clock_spare(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	node->mark = 0;
	return vmdemo_policy_spare_standby(policy, node);
}

/* A search begins: the hand moves. */
static struct vmdemo_node *vmdemo_clock_begin(struct vmdemo_policy *policy)
{
	struct vmdemo_node *node = vmdemo_policy_any(policy, NULL), *passed = NULL;

	for (policy->left = VMDEMO_CLOCK_PASS; node && node->mark && policy->left; policy->left--) {
		passed = passed ?: node;
		node->mark = 0;
		vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE);
		node = vmdemo_policy_any(policy, NULL);
	}
	if (!passed || node->list != VMDEMO_LIST_ACTIVE)
		return node;
	vmdemo_policy_release(policy, passed);
	return passed;
}

/* One that goes on looks ahead of the hand, and ends where that would have passed over too much. */
static struct vmdemo_node *vmdemo_clock_victim(struct vmdemo_policy *policy,
					       struct vmdemo_node *after)
{
	struct vmdemo_node *node;

	if (!after)
		return vmdemo_clock_begin(policy);
	node = vmdemo_policy_any(policy, after);
	for (; node && node->mark && policy->left; policy->left--)
		node = vmdemo_policy_any(policy, node);
	if (node && policy->left < VMDEMO_CLOCK_PASS &&
	    (node->mark || node->list == VMDEMO_LIST_ACTIVE))
		return NULL;
	return node;
}

const struct vmdemo_policy_ops vmdemo_policy_clock = {
	.name		= "clock",
	.insert		= vmdemo_clock_insert,
	.touch		= vmdemo_clock_touch,
	.spare		= vmdemo_clock_spare,
	.victim		= vmdemo_clock_victim,
	.excess		= vmdemo_policy_lack,
};
