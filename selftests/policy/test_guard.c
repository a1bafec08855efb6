// SPDX-License-Identifier: GPL-2.0
/*
 * test_guard.c - wrong answers are refused and counted, and no frame is lost
 *
 * Random events, on a policy behind a guard. After each of them every frame that has a page is in
 * one list, and no other is; whatever the policy does.
 */
#include <stdlib.h>

#include "policy_guard.h"
#include "test.h"
#include "wrong.h"

#define FRAMES	48U
#define EVENTS	2000

struct guarded {
	struct pool pool;
	struct vmdemo_guard guard;
	struct vmdemo_guard_pool own;
	bool has_page[FRAMES];
	u32 refused;
	u32 named;
};

static u32 guarded_number(const struct vmdemo_policy *policy, const struct vmdemo_node *node)
{
	const struct guarded *guarded = (const struct guarded *)policy;
	u32 i;

	for (i = 0; i < FRAMES; i++)
		if (node == &guarded->pool.nodes[i])
			return guarded->has_page[i] ? i : VMDEMO_NONE;
	return VMDEMO_NONE;
}

static void guarded_refused(const struct vmdemo_policy *policy, const char *op, const char *what)
{
	struct guarded *guarded = (struct guarded *)policy;

	guarded->refused++;
	guarded->named += !!op;
}

static struct guarded *guarded_create(const struct vmdemo_policy_ops *asked)
{
	struct guarded *guarded = calloc(1, sizeof(*guarded));

	if (!guarded)
		abort();
	vmdemo_guard_init(&guarded->guard, asked);
	pool_create(&guarded->pool, &guarded->guard.ops, FRAMES);
	guarded->pool.policy.number = guarded_number;
	guarded->pool.policy.refused = guarded_refused;
	guarded->pool.policy.guard = &guarded->own;
	/* The number of a search overflows on the way. */
	guarded->own.search = ~0U - 100;
	return guarded;
}

static void guarded_destroy(struct guarded *guarded)
{
	pool_destroy(&guarded->pool);
	free(guarded);
}

/* Is every frame that has a page in one list, in both directions, and no other? */
static bool guarded_sound(const struct guarded *guarded)
{
	const struct vmdemo_policy *policy = &guarded->pool.policy;
	u32 seen[FRAMES] = { 0 }, id, i, nr;

	if (vmdemo_policy_nr(policy, VMDEMO_LIST_NONE))
		return expect(false, "frames are in a list of those that are in none");
	for (id = VMDEMO_LIST_FIRST; id < VMDEMO_NR_LISTS; id++) {
		const struct vmdemo_node *ends = &policy->lists[id].ends, *node;

		for (node = ends->newer, nr = 0; node != ends && nr <= FRAMES; node = node->newer) {
			if (node->newer->older != node || node->list != id)
				return expect(false, "list %u is damaged", id);
			seen[node - guarded->pool.nodes]++;
			nr++;
		}
		if (nr != policy->lists[id].nr)
			return expect(false, "list %u has %u frames, not %u", id, nr,
				      policy->lists[id].nr);
	}
	for (i = 0; i < FRAMES; i++)
		if (seen[i] != guarded->has_page[i] ||
		    !guarded->pool.nodes[i].list == guarded->has_page[i])
			return expect(false, "frame %u is in %u lists", i, seen[i]);
	return true;
}

static void guarded_forget(struct guarded *guarded, u32 nr)
{
	vmdemo_policy_forget(&guarded->pool.policy, &guarded->pool.nodes[nr]);
	guarded->has_page[nr] = false;
}

/* As the evictor: the next victim is asked for before this one goes. */
static bool guarded_evict(struct guarded *guarded, u64 *state)
{
	struct vmdemo_policy *policy = &guarded->pool.policy;
	struct vmdemo_node *node = vmdemo_policy_victim(policy, NULL), *next;
	bool named[FRAMES] = { 0 };
	u32 nr;

	for (; node; node = next) {
		nr = guarded_number(policy, node);
		if (nr == VMDEMO_NONE || !vmdemo_policy_ordered(node) || named[nr])
			return expect(false, "frame %u was named, in list %u", nr,
				      nr == VMDEMO_NONE ? 0 : node->list);
		named[nr] = true;
		next = vmdemo_policy_victim(policy, node);
		switch (chance_below(state, 5)) {
		case 0:
			guarded_forget(guarded, nr);
			break;
		case 1:
			vmdemo_policy_hold(policy, node);
			break;
		case 2:
			return guarded_sound(guarded);
		default:
			break;
		}
	}
	return guarded_sound(guarded);
}

/* What the evictor finds mapped; a frame must go some time. */
static bool guarded_spare_all(struct guarded *guarded)
{
	struct vmdemo_policy *policy = &guarded->pool.policy;
	struct vmdemo_node *node;
	u32 i;

	for (i = 0; i < 6 * FRAMES; i++) {
		node = vmdemo_policy_victim(policy, NULL);
		if (!node)
			return true;
		if (!vmdemo_policy_spare(policy, node)) {
			guarded_forget(guarded, node - guarded->pool.nodes);
			return true;
		}
	}
	return expect(false, "frames are spared without end");
}

/* One that should be demoted has to be unmapped before, or what is unmapped is done. */
static void guarded_unmap(struct guarded *guarded)
{
	struct vmdemo_policy *policy = &guarded->pool.policy;
	struct vmdemo_node *node = vmdemo_policy_oldest(policy, VMDEMO_LIST_UNMAPPING);

	if (node && vmdemo_policy_nr(policy, VMDEMO_LIST_UNMAPPING) > 3)
		vmdemo_policy_move(policy, node, VMDEMO_LIST_STANDBY);
	node = vmdemo_policy_oldest(policy, VMDEMO_LIST_ACTIVE);
	if (node && vmdemo_policy_excess(policy, 0))
		vmdemo_policy_move(policy, node, VMDEMO_LIST_UNMAPPING);
}

static bool guarded_event(struct guarded *guarded, u64 *state)
{
	struct vmdemo_policy *policy = &guarded->pool.policy;
	u32 nr = chance_below(state, FRAMES), what = chance_below(state, 16);
	struct vmdemo_node *node = &guarded->pool.nodes[nr];

	if (what < 8 && !guarded->has_page[nr]) {
		guarded->has_page[nr] = true;
		vmdemo_policy_insert(policy, node, chance_below(state, 2));
	} else if (what < 8) {
		vmdemo_policy_touch(policy, node);
	} else if (what < 9 && guarded->has_page[nr]) {
		guarded_forget(guarded, nr);
	} else if (what < 11) {
		demote(policy, 0);
	} else if (what < 12) {
		guarded_unmap(guarded);
	} else if (what < 13) {
		node = vmdemo_policy_oldest(policy, VMDEMO_LIST_HELD);
		if (node)
			vmdemo_policy_release(policy, node);
	} else if (what < 14) {
		return guarded_spare_all(guarded);
	} else {
		return guarded_evict(guarded, state);
	}
	return true;
}

/* The events; returns how many answers were refused, or -1: something was wrong afterwards. */
static long guarded_run(const struct vmdemo_policy_ops *asked, u64 seed)
{
	struct guarded *guarded = guarded_create(asked);
	long refused;
	bool ok = true;
	u32 i;

	for (i = 0; i < EVENTS && ok; i++)
		ok = guarded_event(guarded, &seed) && guarded_sound(guarded);
	refused = guarded->refused;
	ok &= expect(guarded->named == !!refused, "it was named %u times", guarded->named);
	guarded_destroy(guarded);
	return ok ? refused : -1;
}

enum verdict test_guard_wrong(u64 seed)
{
	static const char *const names[] = { WRONG_KINDS(WRONG_NAME) };
	bool ok = true;
	long refused;
	u32 kind;

	for (kind = 0; kind < NR_WRONG; kind++) {
		wrong_choose(kind);
		refused = guarded_run(wrong_policy(), seed);
		ok &= expect(refused >= 0 && !refused == (kind == WRONG_nothing),
			     "%s: %ld answers refused", names[kind], refused);
	}
	return verdict_of(ok);
}

enum verdict test_guard_right(u64 seed)
{
	static const struct vmdemo_policy_ops *const right[] = {
		&vmdemo_policy_lru, &vmdemo_policy_fifo, &vmdemo_policy_clock,
		&vmdemo_policy_random, &vmdemo_policy_2q, &vmdemo_policy_lfu,
	};
	bool ok = true;
	long refused;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(right); i++) {
		refused = guarded_run(right[i], seed);
		ok &= expect(!refused, "%s: %ld answers refused", right[i]->name, refused);
	}
	return verdict_of(ok);
}
