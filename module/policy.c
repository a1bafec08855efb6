// SPDX-License-Identifier: GPL-2.0
/*
 * policy.c - what all policies share beyond the list helpers of policy.h
 *
 * Pure code: see policy.h.
 */
#include "policy.h"

/**
 * vmdemo_policy_named - has a policy a name that the attribute 'policy' can show?
 * @ops: the policy
 *
 * See VMDEMO_POLICY_NAME_MAX.
 */
bool vmdemo_policy_named(const struct vmdemo_policy_ops *ops)
{
	u32 i;

	for (i = 0; ops->name && ops->name[i]; i++) {
		char c = ops->name[i];

		if (i == VMDEMO_POLICY_NAME_MAX ||
		    !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_' || c == '.'))
			return false;
	}
	return i;
}

/**
 * vmdemo_policy_clear - empty all lists
 * @policy: whose
 *
 * The nodes that were there do not know it.
 */
void vmdemo_policy_clear(struct vmdemo_policy *policy)
{
	u32 i;

	for (i = 0; i < VMDEMO_NR_LISTS; i++) {
		policy->lists[i].ends.newer = &policy->lists[i].ends;
		policy->lists[i].ends.older = &policy->lists[i].ends;
		policy->lists[i].ends.list = VMDEMO_LIST_NONE;
		policy->lists[i].nr = 0;
	}
}

/**
 * vmdemo_policy_init - start with an empty order
 * @policy: to set up
 * @ops:    its rules
 *
 * The nodes are the caller's; to begin with, each is in VMDEMO_LIST_NONE, its mark 0.
 */
void vmdemo_policy_init(struct vmdemo_policy *policy, const struct vmdemo_policy_ops *ops)
{
	policy->ops = ops;
	policy->credit = 0;
	policy->soft_faults = 0;
	policy->chance = 0;
	vmdemo_policy_clear(policy);
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
EXPORT_SYMBOL_GPL(vmdemo_policy_release);

/**
 * vmdemo_policy_walk - all frames, list by list
 * @policy: in use
 * @node:   a frame in the order, or held; NULL: the walk begins
 * @last:   of the lists, which come in the order of enum vmdemo_list_id
 *
 * Returns the frame after @node, or NULL.
 */
struct vmdemo_node *vmdemo_policy_walk(const struct vmdemo_policy *policy,
				       const struct vmdemo_node *node, u32 last)
{
	u32 id = node ? node->list : VMDEMO_LIST_FIRST;
	struct vmdemo_node *next = vmdemo_policy_newer(policy, node, (enum vmdemo_list_id)id);

	while (!next && id < last) {
		id++;
		next = vmdemo_policy_oldest(policy, (enum vmdemo_list_id)id);
	}
	return next;
}
EXPORT_SYMBOL_GPL(vmdemo_policy_walk);

/**
 * vmdemo_policy_spare_standby - spare a late reference where it is one
 * @policy: in use
 * @node:   the victim, found mapped
 *
 * For the table of a policy. A frame that was not on standby, for want of which it is the victim,
 * had no chance to be touched again: it goes.
 */
bool vmdemo_policy_spare_standby(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	if (node->list != VMDEMO_LIST_STANDBY)
		return false;
	vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE);
	return true;
}
EXPORT_SYMBOL_GPL(vmdemo_policy_spare_standby);

/**
 * vmdemo_policy_lack - how many frames standby lacks of its target
 * @policy: in use
 * @slack:  frames that are free; they count as standby, as do those on their way there
 *
 * For the table of a policy that wants a share of all frames on standby.
 */
u32 vmdemo_policy_lack(const struct vmdemo_policy *policy, u32 slack)
{
	u32 target = vmdemo_policy_target(policy);
	u32 have = slack + vmdemo_policy_nr(policy, VMDEMO_LIST_STANDBY) +
		   vmdemo_policy_nr(policy, VMDEMO_LIST_UNMAPPING);

	return have < target ? min(target - have, vmdemo_policy_nr(policy, VMDEMO_LIST_ACTIVE)) : 0;
}
EXPORT_SYMBOL_GPL(vmdemo_policy_lack);

/**
 * vmdemo_policy_switch - follow other rules from now on
 * @policy: in use
 * @ops:    the new rules
 * @most:   how many frames to take from standby and, when that is empty, from first; to be called
 *          until all have been
 *
 * The present order, list by list, is what they start from, all of it active: what was first was
 * not unmapped, and may be in use. What is held, or being unmapped, stays so and keeps its mark; of
 * the others no reference is known any more.
 */
void vmdemo_policy_switch(struct vmdemo_policy *policy, const struct vmdemo_policy_ops *ops,
			  u32 most)
{
	const struct vmdemo_list *standby = &policy->lists[VMDEMO_LIST_STANDBY];
	const struct vmdemo_list *first = &policy->lists[VMDEMO_LIST_FIRST];

	policy->ops = ops;
	for (most = min(most, standby->nr + first->nr); most; most--) {
		/* From the newest on, so that each is older than the one before. */
		struct vmdemo_node *node = standby->nr ? standby->ends.older : first->ends.older;

		node->mark = 0;
		vmdemo_policy_release(policy, node);
	}
}
