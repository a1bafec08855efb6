// SPDX-License-Identifier: GPL-2.0
/*
 * policy_wrong.c - a policy that gives wrong answers, one kind at a time
 *
 * For the tests of what refuses them, in the module and in user space. Otherwise it does what lru
 * does.
 */
#include "policy.h"
#include "wrong.h"

static unsigned int wrong_kind;

#ifdef __KERNEL__
#include <linux/delay.h>

static char *wrong_name = "wrong";
static bool wrong_fail;
module_param_named(kind, wrong_kind, uint, 0644);
module_param_named(name, wrong_name, charp, 0444);
module_param_named(fail, wrong_fail, bool, 0444);
#else
void wrong_choose(unsigned int kind)
{
	wrong_kind = kind;
}
#endif

static bool wrong(enum wrong kind)
{
	return wrong_kind == kind;
}

/* A frame that has no page, or NULL. */
static struct vmdemo_node *wrong_free(struct vmdemo_policy *policy)
{
	struct vmdemo_node *node;
	u32 nr;

	for (nr = 0; nr < policy->limit; nr++) {
		node = policy->find(policy, nr);
		if (node && node->list == VMDEMO_LIST_NONE)
			return node;
	}
	return NULL;
}

static void wrong_insert(struct vmdemo_policy *policy, struct vmdemo_node *node, bool refault)
{
	if (wrong(WRONG_insert_held))
		vmdemo_policy_add(policy, node, VMDEMO_LIST_HELD);
	else if (wrong(WRONG_insert_unmapping))
		vmdemo_policy_add(policy, node, VMDEMO_LIST_UNMAPPING);
	else if (!wrong(WRONG_insert_in_no_list))
		vmdemo_policy_add(policy, node, VMDEMO_LIST_ACTIVE);
	if (wrong(WRONG_insert_twice))
		vmdemo_policy_add(policy, node, VMDEMO_LIST_STANDBY);
}

static void wrong_touch(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	struct vmdemo_node *free = wrong_free(policy);

	if (wrong(WRONG_touch_removes) || wrong(WRONG_touch_removes_twice))
		vmdemo_policy_remove(policy, node);
	if (wrong(WRONG_touch_removes_twice))
		vmdemo_policy_remove(policy, node);
	else if (wrong(WRONG_touch_holds))
		vmdemo_policy_move(policy, node, VMDEMO_LIST_HELD);
	else if (wrong(WRONG_touch_adds))
		vmdemo_policy_add(policy, node, VMDEMO_LIST_ACTIVE);
	else if (!wrong(WRONG_touch_removes))
		vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE);
	if (wrong(WRONG_touch_adds_a_free) && free)
		vmdemo_policy_add(policy, free, VMDEMO_LIST_STANDBY);
	if (wrong(WRONG_touch_moves_a_free) && free)
		vmdemo_policy_move(policy, free, VMDEMO_LIST_STANDBY);
}

static bool wrong_spare(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	if (wrong(WRONG_spare_removes)) {
		vmdemo_policy_remove(policy, node);
		return false;
	}
	if (wrong(WRONG_spare_without_end))
		vmdemo_policy_move(policy, node, node->list == VMDEMO_LIST_STANDBY ?
				   VMDEMO_LIST_FIRST : VMDEMO_LIST_STANDBY);
	return wrong(WRONG_spare_moves_nothing) || wrong(WRONG_spare_without_end) ||
	       vmdemo_policy_spare_standby(policy, node);
}

/* The victim of a kind that names one; another kind, or for want of one, NULL. */
static struct vmdemo_node *wrong_name_one(struct vmdemo_policy *policy, struct vmdemo_node *after)
{
	static struct vmdemo_node stray = { .list = VMDEMO_LIST_STANDBY };

	switch (wrong_kind) {
	case WRONG_victim_held:
		return vmdemo_policy_oldest(policy, VMDEMO_LIST_HELD);
	case WRONG_victim_unmapping:
		return vmdemo_policy_oldest(policy, VMDEMO_LIST_UNMAPPING);
	case WRONG_victim_free:
		return wrong_free(policy);
	case WRONG_victim_stray:
		return &stray;
	case WRONG_victim_wild:
		return (struct vmdemo_node *)-4096L;
	case WRONG_victim_the_same:
		return after;
	default:
		return NULL;
	}
}

static struct vmdemo_node *wrong_victim(struct vmdemo_policy *policy, struct vmdemo_node *after)
{
	struct vmdemo_node *node = wrong_name_one(policy, after);

	if (node)
		return node;
	node = vmdemo_policy_any(policy, after);
	if (wrong(WRONG_victim_removes) && after)
		vmdemo_policy_remove(policy, after);
	if (wrong(WRONG_victim_loses) && vmdemo_policy_oldest(policy, VMDEMO_LIST_ACTIVE))
		vmdemo_policy_remove(policy, vmdemo_policy_oldest(policy, VMDEMO_LIST_ACTIVE));
	return node;
}

static bool wrong_remove(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	if (wrong(WRONG_remove_removes))
		vmdemo_policy_remove(policy, node);
	if (wrong(WRONG_remove_adds))
		vmdemo_policy_add(policy, node, VMDEMO_LIST_STANDBY);
	return true;
}

static u32 wrong_excess(const struct vmdemo_policy *policy, u32 slack)
{
	struct vmdemo_node *oldest = vmdemo_policy_oldest(policy, VMDEMO_LIST_ACTIVE);

	if (wrong(WRONG_excess_removes) && oldest)
		vmdemo_policy_remove((struct vmdemo_policy *)policy, oldest);
	return wrong(WRONG_excess_too_many) ? ~0U : vmdemo_policy_lack(policy, slack);
}

static struct vmdemo_policy_ops vmdemo_policy_wrong = {
	.name		= "wrong",
	.insert		= wrong_insert,
	.touch		= wrong_touch,
	.spare		= wrong_spare,
	.victim		= wrong_victim,
	.remove		= wrong_remove,
	.excess		= wrong_excess,
};

#ifdef __KERNEL__
/*
 * The name, which is a parameter here, is wrong as well, if the test wants it. Or the module fails,
 * and goes, after it has registered.
 */
static int __init wrong_init(void)
{
	int err;

	vmdemo_policy_wrong.name = strcmp(wrong_name, "none") ? wrong_name : NULL;
	err = vmdemo_policy_register(&vmdemo_policy_wrong, THIS_MODULE);
	if (err || !wrong_fail)
		return err;
	msleep(50);
	return vmdemo_policy_unregister(&vmdemo_policy_wrong) ?: -EIO;
}
module_init(wrong_init);

static void __exit wrong_exit(void)
{
	vmdemo_policy_unregister(&vmdemo_policy_wrong);
}
module_exit(wrong_exit);

MODULE_DESCRIPTION("A replacement policy that gives wrong answers");
MODULE_LICENSE("GPL");
#else
struct vmdemo_policy_ops *wrong_policy(void)
{
	return &vmdemo_policy_wrong;
}
#endif
