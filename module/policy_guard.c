// SPDX-License-Identifier: GPL-2.0
/*
 * policy_guard.c - a policy whose answers are checked
 *
 * A policy that is a module of its own may be a first attempt. Between it and the pool stands a
 * guard, a policy itself, which asks it and refuses wrong answers: in their place comes what lru
 * would do, and each is counted. The policies in vmdemo.ko have no guard, and pay nothing for this.
 *
 * What is checked after each call is the number of frames in each list. If their sum is wrong a
 * frame was lost, or is in two lists: then the lists are made anew from the frames that have pages.
 * That costs a look at each frame under the pool lock, and the order.
 *
 * What cannot be checked: two wrongs in one call that leave all numbers as they were; pointers and
 * memory that the policy writes by itself, rather than with the helpers of policy.h; and a call
 * that does not return.
 *
 * Pure code: see policy.h.
 */
#include "policy_guard.h"

/* What the lists held before a call. */
struct vmdemo_guard_before {
	u32 all;
	u32 held;
	u32 unmapping;
};

static struct vmdemo_guard *vmdemo_guard_of(const struct vmdemo_policy *policy)
{
	return (struct vmdemo_guard *)policy->ops; /* its first member */
}

static const struct vmdemo_policy_ops *vmdemo_guard_asked(const struct vmdemo_policy *policy)
{
	return vmdemo_guard_of(policy)->asked;
}

static void vmdemo_guard_refuse(const struct vmdemo_policy *policy, const char *op,
				const char *what)
{
	struct vmdemo_guard *guard = vmdemo_guard_of(policy);

	/* Pools that follow it have locks of their own: two may say it at the same time. */
	policy->refused(policy, READ_ONCE(guard->told) ? NULL : op, what);
	WRITE_ONCE(guard->told, true);
}

/* ---- the lists ---- */

static u32 vmdemo_guard_all(const struct vmdemo_policy *policy)
{
	u32 i, all = 0;

	for (i = 0; i < VMDEMO_NR_LISTS; i++)
		all += policy->lists[i].nr;
	return all;
}

static struct vmdemo_guard_before vmdemo_guard_look(const struct vmdemo_policy *policy)
{
	return (struct vmdemo_guard_before){
		.all = vmdemo_guard_all(policy),
		.held = vmdemo_policy_nr(policy, VMDEMO_LIST_HELD),
		.unmapping = vmdemo_policy_nr(policy, VMDEMO_LIST_UNMAPPING),
	};
}

/*
 * Make the lists anew: all frames that have pages are active, by their numbers, but for those that
 * are held. A task that unmaps a frame finds out that this is not needed any more.
 */
static void vmdemo_guard_rebuild(struct vmdemo_policy *policy)
{
	struct vmdemo_node *node;
	u32 nr, was;

	vmdemo_policy_clear(policy);
	for (nr = 0; (node = policy->find(policy, nr)) || nr < policy->limit; nr++) {
		if (!node)
			continue;
		was = node->list;
		node->list = VMDEMO_LIST_NONE;
		if (policy->number(policy, node) == nr)
			vmdemo_policy_add(policy, node, was == VMDEMO_LIST_HELD ?
					  VMDEMO_LIST_HELD : VMDEMO_LIST_ACTIVE);
	}
}

/* List @id may have @most frames: the newest ones beyond these were put there by the policy. */
static bool vmdemo_guard_back(struct vmdemo_policy *policy, enum vmdemo_list_id id, u32 most)
{
	bool any = vmdemo_policy_nr(policy, id) > most;

	while (vmdemo_policy_nr(policy, id) > most)
		vmdemo_policy_move(policy, policy->lists[id].ends.older, VMDEMO_LIST_ACTIVE);
	return any;
}

/*
 * After a call: are all frames, @all of them, in a list, and none held or being unmapped that was
 * not? @node, unless it is NULL, is the one that the call was about.
 */
static void vmdemo_guard_settle(struct vmdemo_policy *policy, const char *op,
				const struct vmdemo_guard_before *before, u32 all,
				struct vmdemo_node *node)
{
	const char *what = NULL;
	bool held, unmapping;

	if (node && node->list == VMDEMO_LIST_NONE) {
		vmdemo_policy_add(policy, node, VMDEMO_LIST_ACTIVE);
		what = "left its frame in no list";
	}
	if (vmdemo_policy_nr(policy, VMDEMO_LIST_NONE) || vmdemo_guard_all(policy) != all) {
		vmdemo_guard_rebuild(policy);
		what = what ?: "lost a frame, or put one in two lists";
	} else {
		held = vmdemo_guard_back(policy, VMDEMO_LIST_HELD, before->held);
		unmapping = vmdemo_guard_back(policy, VMDEMO_LIST_UNMAPPING, before->unmapping);
		if (held || unmapping)
			what = "made a frame one that is held, or being unmapped";
	}
	if (what)
		vmdemo_guard_refuse(policy, op, what);
}

/* ---- events ---- */

static void vmdemo_guard_insert(struct vmdemo_policy *policy, struct vmdemo_node *node,
				bool refault)
{
	struct vmdemo_guard_before before = vmdemo_guard_look(policy);

	vmdemo_guard_asked(policy)->insert(policy, node, refault);
	vmdemo_guard_settle(policy, "insert", &before, before.all + 1, node);
}

static void vmdemo_guard_touch(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	struct vmdemo_guard_before before = vmdemo_guard_look(policy);

	vmdemo_guard_asked(policy)->touch(policy, node);
	vmdemo_guard_settle(policy, "touch", &before, before.all, node);
}

/* A frame that is spared must not be the next victim again, nor all frames be spared for ever. */
static bool vmdemo_guard_spare(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	struct vmdemo_guard_before before = vmdemo_guard_look(policy);
	const struct vmdemo_node was = *node;

	if (!vmdemo_guard_asked(policy)->spare(policy, node)) {
		vmdemo_guard_settle(policy, "spare", &before, before.all, node);
		return false;
	}
	vmdemo_guard_settle(policy, "spare", &before, before.all, node);
	if (node->newer == was.newer && node->older == was.older) {
		vmdemo_guard_refuse(policy, "spare", "spared a frame that it did not move");
		return false;
	}
	if (++policy->guard->spared > 4 * before.all) {
		vmdemo_guard_refuse(policy, "spare", "spared all frames, again and again");
		return false;
	}
	return true;
}

static bool vmdemo_guard_remove(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	struct vmdemo_guard_before before = vmdemo_guard_look(policy);
	bool remember = true;

	policy->guard->spared = 0;
	if (vmdemo_guard_asked(policy)->remove) {
		remember = vmdemo_guard_asked(policy)->remove(policy, node);
		vmdemo_guard_settle(policy, "remove", &before, before.all, node);
	}
	return remember;
}

/* ---- questions ---- */

/* This search names frame @nr. False: it has before. */
static bool vmdemo_guard_name(struct vmdemo_guard_pool *own, u32 nr)
{
	u32 i = nr * 0x9e3779b9U >> (32 - VMDEMO_GUARD_SHIFT);

	for (; own->slots[i].search == own->search; i = (i + 1) % VMDEMO_GUARD_SLOTS)
		if (own->slots[i].nr == nr)
			return false;
	own->slots[i].search = own->search;
	own->slots[i].nr = nr;
	own->named++;
	return true;
}

static void vmdemo_guard_begin(struct vmdemo_guard_pool *own)
{
	u32 i;

	own->named = 0;
	if (++own->search)
		return;
	for (i = 0; i < VMDEMO_GUARD_SLOTS; i++)
		own->slots[i].search = 0;
	own->search = 1;
}

/* What is wrong with @node as a victim? NULL: nothing, and it is named now. */
static const char *vmdemo_guard_unfit(struct vmdemo_policy *policy, const struct vmdemo_node *node)
{
	u32 nr = policy->number(policy, node);

	if (nr == VMDEMO_NONE)
		return "named what is no frame of the pool, or a free one";
	if (!vmdemo_policy_ordered(node))
		return "named a frame that is held, or being unmapped";
	return vmdemo_guard_name(policy->guard, nr) ? NULL : "named a frame twice in a search";
}

/* In place of a wrong one comes the next by list that was not named yet. */
static struct vmdemo_node *vmdemo_guard_victim(struct vmdemo_policy *policy,
					       struct vmdemo_node *after)
{
	struct vmdemo_guard_before before = vmdemo_guard_look(policy);
	struct vmdemo_node *node;
	const char *what;

	if (!after)
		vmdemo_guard_begin(policy->guard);
	else if (policy->guard->named >= VMDEMO_GUARD_NAMED)
		return NULL;
	node = vmdemo_guard_asked(policy)->victim(policy, after);
	vmdemo_guard_settle(policy, "victim", &before, before.all, after);
	what = node ? vmdemo_guard_unfit(policy, node) : NULL;
	if (!what)
		return node;
	vmdemo_guard_refuse(policy, "victim", what);
	do
		after = vmdemo_policy_any(policy, after);
	while (after && vmdemo_guard_unfit(policy, after));
	return after;
}

/* It gets the order to read; a policy that changes it all the same is found out here, too. */
static u32 vmdemo_guard_excess(const struct vmdemo_policy *policy, u32 slack)
{
	struct vmdemo_guard_before before = vmdemo_guard_look(policy);
	u32 excess = vmdemo_guard_asked(policy)->excess(policy, slack), active;

	vmdemo_guard_settle((struct vmdemo_policy *)policy, "excess", &before, before.all, NULL);
	active = vmdemo_policy_nr(policy, VMDEMO_LIST_ACTIVE);
	if (excess <= active)
		return excess;
	vmdemo_guard_refuse(policy, "excess", "named more frames than are active");
	return active;
}

/**
 * vmdemo_guard_init - put a guard before a policy
 * @guard: to set up
 * @asked: the policy
 *
 * What the policy leaves to the defaults is not checked.
 */
void vmdemo_guard_init(struct vmdemo_guard *guard, const struct vmdemo_policy_ops *asked)
{
	*guard = (struct vmdemo_guard){
		.asked = asked,
		.ops = {
			.name	= asked->name,
			.insert	= asked->insert ? vmdemo_guard_insert : NULL,
			.touch	= asked->touch ? vmdemo_guard_touch : NULL,
			.spare	= asked->spare ? vmdemo_guard_spare : NULL,
			.victim	= asked->victim ? vmdemo_guard_victim : NULL,
			.remove	= vmdemo_guard_remove,
			.excess	= asked->excess ? vmdemo_guard_excess : NULL,
		},
	};
}
