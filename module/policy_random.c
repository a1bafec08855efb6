// SPDX-License-Identifier: GPL-2.0
/*
 * policy_random.c - any frame may be the victim
 *
 * The other baseline, and the one with the least to know: Belady, "A study of replacement
 * algorithms for a virtual-storage computer", 1966, has it beside FIFO. Loops a little longer than
 * the pool, of which fifo and lru keep nothing, suffer least from it.
 *
 * A search goes through the frame numbers in an order by chance, so it names no frame twice. The
 * chances are those of a generator with a fixed seed: the same events after loading the module, or
 * in a test, have the same victims.
 */
#include "policy.h"

/*
 * Numbers that a search tries in all: the pool lock is held all the while. If most frames are held,
 * or not there, that may come to nothing.
 */
#define VMDEMO_RANDOM_LOOK	2048U

/* Of the order in which a search goes: 1 more than a multiple of 4. */
#define VMDEMO_RANDOM_MULTIPLIER	0x9e3779b5U

/* The generator splitmix64 (Steele, Lea and Flood, 2014). */
static u32 vmdemo_random_chance(struct vmdemo_policy *policy)
{
	u64 z = policy->chance += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) >> 32;
}

/*
 * A search begins. What it goes through, a power of two, stays the same until it ends, though the
 * frames that are given up may leave the pool meanwhile.
 */
static void vmdemo_random_begin(struct vmdemo_policy *policy)
{
	policy->span = 1;
	while (policy->span < policy->limit)
		policy->span *= 2;
	policy->at = vmdemo_random_chance(policy);
	policy->step = vmdemo_random_chance(policy) | 1;
	policy->left = min(policy->span, VMDEMO_RANDOM_LOOK);
}

static void vmdemo_random_touch(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
}

/*
 * A linear congruential generator with an odd increment comes to all numbers below a power of two
 * before it comes to one again (Hull and Dobell, "Random number generators", 1962).
 */
static struct vmdemo_node *vmdemo_random_victim(struct vmdemo_policy *policy,
						struct vmdemo_node *after)
{
	if (!after)
		vmdemo_random_begin(policy);
	while (policy->left) {
		struct vmdemo_node *node;

		policy->left--;
		policy->at = (policy->at * VMDEMO_RANDOM_MULTIPLIER + policy->step) &
			     (policy->span - 1);
		node = policy->find(policy, policy->at);
		if (node && vmdemo_policy_ordered(node))
			return node;
	}
	return NULL;
}

const struct vmdemo_policy_ops vmdemo_policy_random = {
	.name		= "random",
	.touch		= vmdemo_random_touch,
	.victim		= vmdemo_random_victim,
};
