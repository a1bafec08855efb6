// SPDX-License-Identifier: GPL-2.0
/*
 * test_policy.c - unit tests of the replacement policies, in user space
 *
 * usage: test_policy [SEED]    SEED starts one more run of random events; it is printed
 *
 * The report is TAP; the exit status is 1 if a test failed. This file has the tests that follow one
 * promise of policy.h each, and main(). What the policies beside lru and fifo decide is in
 * test_others.c; random events are in test_model.c, traces in test_misses.c, and the simulator in
 * test_sim.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#define TIME_LIMIT	300	/* seconds a test may take: a list bent into a ring has no end */

/* The first two are those that keep an exact order. */
static const struct vmdemo_policy_ops *const policies[] = {
	&vmdemo_policy_lru, &vmdemo_policy_fifo, &vmdemo_policy_clock, &vmdemo_policy_random,
	&vmdemo_policy_2q
};

#define NR_POLICIES	ARRAY_SIZE(policies)

static char skip_reason[256];

bool expect(bool ok, const char *format, ...)
{
	va_list args;

	if (ok)
		return true;
	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	return false;
}

enum verdict skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(skip_reason, sizeof(skip_reason), format, args);
	va_end(args);
	return SKIP;
}

void pool_fill(struct pool *pool, bool demoting)
{
	struct vmdemo_policy *policy = &pool->policy;
	u32 i;

	for (i = 0; i < pool->nr_nodes; i++) {
		if (demoting)
			demote(policy, pool->nr_nodes - i);
		vmdemo_policy_insert(policy, &pool->nodes[i], false);
	}
}

/* The victims are, in order, @first, @first + 1... modulo the number of frames: all of them. */
static bool expect_victims_from(struct pool *pool, u32 first)
{
	struct vmdemo_policy *policy = &pool->policy;
	struct vmdemo_node *node = NULL;
	u32 i, frame;

	for (i = 0; i < pool->nr_nodes; i++) {
		node = vmdemo_policy_victim(policy, node);
		frame = (first + i) % pool->nr_nodes;
		if (!expect(node == &pool->nodes[frame],
			    "%s, %u frames: victim %u is frame %u, not %u", policy->ops->name,
			    pool->nr_nodes, i, pool_frame(pool, node), frame))
			return false;
	}
	return expect(!vmdemo_policy_victim(policy, node),
		      "%s: the walk does not end after the last frame", policy->ops->name);
}

bool expect_nr(const struct vmdemo_policy *policy, u32 active, u32 standby)
{
	u32 is_active = vmdemo_policy_nr(policy, VMDEMO_LIST_ACTIVE);
	u32 is_standby = vmdemo_policy_nr(policy, VMDEMO_LIST_STANDBY);

	return expect(is_active == active && is_standby == standby,
		      "%s: %u active and %u on standby, not %u and %u", policy->ops->name,
		      is_active, is_standby, active, standby);
}

static enum verdict test_empty(u64 seed)
{
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i, frame;

	for (i = 0; i < NR_POLICIES; i++) {
		pool_create(&pool, policies[i], 3);
		ok &= expect_nr(policy, 0, 0);
		ok &= expect(pool_victim(&pool) == VMDEMO_NONE,
			     "%s: an empty order has a victim", policy->ops->name);
		ok &= expect(vmdemo_policy_excess(policy, 0) == 0,
			     "%s: an empty order has a frame to demote", policy->ops->name);
		ok &= expect(policy->credit == 0, "%s: credit before any miss", policy->ops->name);
		for (frame = 0; frame < 3; frame++)
			ok &= expect(pool.nodes[frame].list == VMDEMO_LIST_NONE,
				     "%s: frame %u starts in a list", policy->ops->name, frame);
		pool_destroy(&pool);
	}
	return verdict_of(ok);
}

static enum verdict test_node_size(u64 seed)
{
	return verdict_of(expect(sizeof(struct vmdemo_node) == 24, "a node takes %zu bytes",
				 sizeof(struct vmdemo_node)));
}

/* Insert all, touch the first: lru gives it up last, fifo first. Demotions on the way or not. */
static enum verdict test_order(u64 seed)
{
	static const u32 sizes[] = { 2, 3, 8, 64, 256, 257, 1000 };
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < 4; j++) {
			pool_create(&pool, policies[j / 2], sizes[i]);
			pool_fill(&pool, j % 2);
			ok &= expect_victims_from(&pool, 0);
			vmdemo_policy_touch(policy, &pool.nodes[0]);
			if (j % 2)
				demote(policy, 0);
			ok &= expect_victims_from(&pool, policy->ops == &vmdemo_policy_lru);
			pool_destroy(&pool);
		}
	}
	return verdict_of(ok);
}

/* How many lru puts on standby: all but the newest of a small pool, a share of a large one. */
static enum verdict test_excess(u64 seed)
{
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;

	pool_create(&pool, &vmdemo_policy_lru, 256);
	pool_fill(&pool, false);
	demote(policy, 200);
	ok &= expect_nr(policy, 201, 55);
	demote(policy, 0);
	ok &= expect_nr(policy, 1, 255);
	ok &= expect(pool.nodes[255].list == VMDEMO_LIST_ACTIVE,
		     "the newest frame of a small pool is on standby");
	pool_destroy(&pool);

	pool_create(&pool, &vmdemo_policy_lru, 1000);
	pool_fill(&pool, false);
	demote(policy, 250);
	ok &= expect_nr(policy, 1000, 0);
	demote(policy, 249);
	ok &= expect_nr(policy, 999, 1);
	demote(policy, 0);
	ok &= expect_nr(policy, 750, 250);
	policy->standby_pct = 100;
	demote(policy, 0);
	ok &= expect_nr(policy, 0, 1000);
	pool_destroy(&pool);

	pool_create(&pool, &vmdemo_policy_fifo, 256);
	pool_fill(&pool, false);
	ok &= expect(vmdemo_policy_excess(policy, 0) == 0, "fifo demotes");
	pool_destroy(&pool);
	return verdict_of(ok);
}

/* A victim found mapped again: young again to lru, gone all the same to fifo. */
static enum verdict test_late_reference(u64 seed)
{
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;

	pool_create(&pool, &vmdemo_policy_lru, 8);
	pool_fill(&pool, true);
	demote(policy, 0);
	ok &= expect(vmdemo_policy_spare(policy, &pool.nodes[0]),
		     "lru does not spare a late reference");
	ok &= expect(pool.nodes[0].list == VMDEMO_LIST_ACTIVE,
		     "lru leaves a late reference on standby");
	ok &= expect_nr(policy, 2, 6);
	ok &= expect_victims_from(&pool, 1);
	/* Active frames were never demoted: mapped still, not again. Sparing them would not end. */
	ok &= expect(!vmdemo_policy_spare(policy, &pool.nodes[7]),
		     "lru spares a frame it did not demote");
	ok &= expect_victims_from(&pool, 1);
	pool_destroy(&pool);

	pool_create(&pool, &vmdemo_policy_fifo, 8);
	pool_fill(&pool, true);
	ok &= expect(!vmdemo_policy_spare(policy, &pool.nodes[0]), "fifo spares a late reference");
	ok &= expect_victims_from(&pool, 0);
	pool_destroy(&pool);
	return verdict_of(ok);
}

/* The walk goes on at any frame: first standby, oldest first, then active, oldest first. */
static enum verdict test_victim_walk(u64 seed)
{
	static const u32 order[] = { 5, 2, 7, 0, 6, 1, 4 };	/* 5, 2 and 7 are on standby */
	struct vmdemo_node *node = NULL;
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i;

	pool_create(&pool, &vmdemo_policy_lru, 8);
	for (i = 3; i < 7; i++)
		vmdemo_policy_insert(policy, &pool.nodes[order[i]], false);
	for (i = 0; i < 3; i++) {
		vmdemo_policy_insert(policy, &pool.nodes[order[i]], false);
		vmdemo_policy_move(policy, &pool.nodes[order[i]], VMDEMO_LIST_STANDBY);
	}
	for (i = 0; i < 7; i++) {
		node = vmdemo_policy_victim(policy, node);
		if (!expect(node == &pool.nodes[order[i]], "victim %u is frame %u, not %u", i,
			    pool_frame(&pool, node), order[i]))
			break;
	}
	ok = i == 7 && expect(!vmdemo_policy_victim(policy, node), "no end");
	for (i = 0; ok && i < 7; i++) {
		ok &= expect(pool_victim(&pool) == order[i],
			     "after %u evictions frame %u is not next", i, order[i]);
		vmdemo_policy_remove(policy, &pool.nodes[order[i]]);
		ok &= expect(pool.nodes[order[i]].list == VMDEMO_LIST_NONE,
			     "frame %u is in a list after its removal", order[i]);
	}
	ok &= expect_nr(policy, 0, 0);
	pool_destroy(&pool);
	return verdict_of(ok);
}

/* All switches of policy, with and without standby: the new order of eviction is the old one. */
static enum verdict test_switch(u64 seed)
{
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i, standby;

	for (i = 0; i < 8; i++) {
		pool_create(&pool, policies[i & 1], 64);
		pool_fill(&pool, false);
		if (i >> 2)
			demote(policy, 32);
		policy->credit = 5;
		/* In pieces, as in the module; the new rules hold from the first on. */
		standby = vmdemo_policy_nr(policy, VMDEMO_LIST_STANDBY);
		vmdemo_policy_switch(policy, policies[i >> 1 & 1], 10);
		ok &= expect(policy->ops == policies[i >> 1 & 1], "the policy is still %s",
			     policy->ops->name);
		standby -= min(standby, 10U);
		ok &= expect_nr(policy, 64 - standby, standby);
		ok &= expect_victims_from(&pool, 0);
		vmdemo_policy_switch(policy, policies[i >> 1 & 1], VMDEMO_NONE);
		ok &= expect(policy->credit == 5, "the switch changes the credit");
		ok &= expect_nr(policy, 64, 0);
		ok &= expect_victims_from(&pool, 0);
		vmdemo_policy_touch(policy, &pool.nodes[0]);
		ok &= expect_victims_from(&pool, policy->ops == &vmdemo_policy_lru);
		pool_destroy(&pool);
	}
	return verdict_of(ok);
}

/*
 * From each policy to each: no frame is lost, what comes by list is the order it was also after a
 * part, and of what the old one has kept, newcomers apart and marks, nothing is left.
 */
static enum verdict test_switch_all(u64 seed)
{
	struct vmdemo_node *before[64], *node;
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i, nr, part;

	for (i = 0; i < NR_POLICIES * NR_POLICIES; i++) {
		pool_create(&pool, policies[i / NR_POLICIES], 64);
		for (nr = 0; nr < 64; nr++)
			vmdemo_policy_insert(policy, &pool.nodes[nr], nr % 3 == 0);
		demote(policy, 32);
		vmdemo_policy_touch(policy, &pool.nodes[0]);
		for (nr = 0, node = NULL; (node = vmdemo_policy_any(policy, node)); nr++) {
			before[nr] = node;
			node->mark = node->list != VMDEMO_LIST_ACTIVE;
		}
		for (part = 0; part < 7; part++) {
			vmdemo_policy_switch(policy, policies[i % NR_POLICIES], 10);
			for (nr = 0, node = NULL; (node = vmdemo_policy_any(policy, node)); nr++)
				ok &= expect(node == before[nr],
					     "from %s to %s: frame %u is in place %u",
					     policies[i / NR_POLICIES]->name, policy->ops->name,
					     pool_frame(&pool, node), nr);
			ok &= expect(nr == 64, "of 64 frames %u are left", nr);
		}
		ok &= expect_nr(policy, 64, 0);
		for (nr = 0; nr < 64; nr++)
			ok &= expect(!pool.nodes[nr].mark, "from %s to %s: a mark stays",
				     policies[i / NR_POLICIES]->name, policy->ops->name);
		/* All can go, whatever list they are on. */
		for (nr = 0; nr < 64 && pool_victim(&pool) != VMDEMO_NONE; nr++)
			vmdemo_policy_forget(policy, &pool.nodes[pool_victim(&pool)]);
		ok &= expect(nr == 64, "from %s to %s: after %u frames none goes",
			     policies[i / NR_POLICIES]->name, policy->ops->name, nr);
		pool_destroy(&pool);
	}
	return verdict_of(ok);
}

/*
 * Held frames are no victims, and count neither for standby's target nor for what can be demoted;
 * a touch or a release makes them active, the youngest or the oldest.
 */
static enum verdict test_hold(u64 seed)
{
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i;

	pool_create(&pool, &vmdemo_policy_lru, 300);
	pool_fill(&pool, false);
	for (i = 0; i < 100; i++)
		vmdemo_policy_hold(policy, &pool.nodes[i]);
	ok &= expect_nr(policy, 200, 0);
	ok &= expect(vmdemo_policy_nr(policy, VMDEMO_LIST_HELD) == 100, "there are not 100 held");
	ok &= expect(pool_victim(&pool) == 100, "a held frame is next");
	/* Of 200 frames all but one. */
	ok &= expect(vmdemo_policy_excess(policy, 0) == 199, "the target counts held frames");
	demote(policy, 0);
	ok &= expect_nr(policy, 1, 199);
	vmdemo_policy_touch(policy, &pool.nodes[50]);
	ok &= expect(pool.nodes[50].list == VMDEMO_LIST_ACTIVE &&
		     !vmdemo_policy_newer(policy, &pool.nodes[50], VMDEMO_LIST_ACTIVE),
		     "a touch does not let go");
	vmdemo_policy_release(policy, &pool.nodes[0]);
	ok &= expect(pool_oldest(&pool, VMDEMO_LIST_ACTIVE) == 0, "a release makes young");
	ok &= expect_nr(policy, 3, 199);
	pool_destroy(&pool);
	return verdict_of(ok);
}

static enum verdict test_target(u64 seed)
{
	static const struct {
		u32 frames, pct, target;
	} cases[] = {
		/* small: all but one, whatever the percentage */
		{ 0, 25, 0 }, { 1, 25, 0 }, { 2, 25, 1 }, { 8, 0, 7 }, { 8, 100, 7 },
		{ 256, 25, 255 },
		/* large: the percentage, rounded down */
		{ 257, 25, 64 }, { 1000, 25, 250 }, { 1000, 0, 0 }, { 1000, 100, 1000 },
		{ 300, 1, 3 }, { 399, 1, 3 }, { 0x3ffffffe, 90, 0x39999997 },
		{ 0x3ffffffe, 100, 0x3ffffffe },
	};
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i;

	pool_create(&pool, &vmdemo_policy_lru, 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		policy->nr_frames = cases[i].frames;
		policy->standby_pct = cases[i].pct;
		ok &= expect(vmdemo_policy_target(policy) == cases[i].target,
			     "target of %u frames at %u %% is %u, not %u", cases[i].frames,
			     cases[i].pct, vmdemo_policy_target(policy), cases[i].target);
	}
	pool_destroy(&pool);
	return verdict_of(ok);
}

/* Let @policy earn @times, then compare its credit. */
static bool expect_earned(struct vmdemo_policy *policy, u32 times, s64 credit)
{
	while (times--)
		vmdemo_policy_earn(policy);
	return expect(policy->credit == credit, "credit is %lld, not %lld",
		      policy->credit, credit);
}

static enum verdict test_earn(u64 seed)
{
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;

	pool_create(&pool, &vmdemo_policy_lru, 1000);
	ok &= expect_earned(policy, 1, 16);
	ok &= expect_earned(policy, 124, 2000);
	ok &= expect_earned(policy, 1, 2000);
	policy->credit = 1999;
	ok &= expect_earned(policy, 1, 2000);
	policy->credit = -40;	/* more soft faults than were paid for: a debt, not a wrap */
	ok &= expect_earned(policy, 1, -24);
	policy->nr_frames = 10;	/* a pool that shrinks takes its cap along */
	policy->credit = 2000;
	ok &= expect_earned(policy, 1, 20);
	policy->demote_pages = 0;
	policy->credit = 7;
	ok &= expect_earned(policy, 5, 7);
	policy->nr_frames = 0x3ffffffe;
	policy->demote_pages = 0xffffffff;
	policy->credit = 0;
	ok &= expect_earned(policy, 1, 0x7ffffffc);
	pool_destroy(&pool);
	return verdict_of(ok);
}

static enum verdict test_affords(u64 seed)
{
	static const struct {
		u32 frames, range;
		s64 credit;
		bool affords;
	} cases[] = {
		{ 256, 512, 0, true }, { 256, 512, -100, true }, { 1, 1, 0, true },
		{ 257, 1, 0, false }, { 257, 1, 1, true }, { 257, 1, -1, false },
		{ 1000, 512, 511, false }, { 1000, 512, 512, true },
		/* a range cannot hold more than all frames */
		{ 300, 512, 299, false }, { 300, 512, 300, true },
		{ 0x3ffffffe, 0xffffffff, 0x3ffffffd, false },
		{ 0x3ffffffe, 0xffffffff, 0x3ffffffe, true },
	};
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i;

	pool_create(&pool, &vmdemo_policy_lru, 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		policy->nr_frames = cases[i].frames;
		policy->credit = cases[i].credit;
		ok &= expect(vmdemo_policy_affords(policy, cases[i].range) == cases[i].affords,
			     "%u frames, credit %lld: affords(%u) is %u",
			     cases[i].frames, cases[i].credit, cases[i].range, !cases[i].affords);
	}
	pool_destroy(&pool);
	return verdict_of(ok);
}

#define TEST(what, how)	{ .name = (what), .run = (how) }

static struct test tests[] = {
	TEST("a node takes 24 bytes", test_node_size),
	TEST("a new order is empty", test_empty),
	TEST("a touch makes a frame the last victim of lru, and nothing of fifo", test_order),
	TEST("lru demotes up to its target, fifo nothing", test_excess),
	TEST("a late reference is spared by lru, not by fifo", test_late_reference),
	TEST("victims come from standby, then from active, oldest first", test_victim_walk),
	TEST("a frame that cannot go is out of the order until it can", test_hold),
	TEST("a switch of policy keeps the order of eviction", test_switch),
	TEST("a switch between any two policies loses no frame", test_switch_all),
	TEST("clock gives a second chance", test_clock),
	TEST("clock passes over 256 frames at most", test_clock_passes),
	TEST("clock does not give up the newest when all others are marked", test_clock_newest),
	TEST("2q lets pages wait in a first queue until they come back", test_2q),
	TEST("random comes to each frame once, in an order that can be repeated", test_random),
	TEST("random comes to all numbers that may exist, also if frames leave", test_random_holes),
	TEST("random tries 2,048 numbers at most", test_random_looks),
	{ "wrong answers are refused, and no frame is lost", test_guard_wrong, 1 },
	{ "the same, seed as given", test_guard_wrong, 3 },
	{ "no right answer is refused", test_guard_right, 1 },
	{ "the same, seed as given", test_guard_right, 3 },
	TEST("the target is all but one of a small pool, a share of a large one", test_target),
	TEST("misses earn credit up to twice the pool", test_earn),
	TEST("a range is affordable if the credit covers it, or the pool is small", test_affords),
	{ "random events agree with a naive model, seed 1", test_random_events, 1 },
	{ "random events agree with a naive model, seed 2", test_random_events, 2 },
	{ "random events agree with a naive model, seed as given", test_random_events, 3 },
	{ "a generated trace misses as often as exact policies do", test_generated_trace, 4 },
	TEST("exact policies, and fifo, miss as often as in textbooks", test_textbook),
	{ "exact policies agree with naive ones, and with LRU's curve", test_exact_policies, 5 },
	TEST("traces are read in three formats", test_trace_files),
	TEST("what is wrong with a trace is said, and where", test_bad_traces),
	TEST("what is wrong with a policy is said, and nothing of one that is right",
	     test_wrong_policies),
	TEST("a sweep forward and backward takes lru a standby of 90", test_sawtooth),
	TEST("the simulator prints what it should, and refuses what is wrong", test_program),
	TEST("one's own policy joins the simulator, or what is wrong is said", test_own_policy),
	TEST("exact policies miss exactly what the oracle says", test_oracle_exact),
	TEST("fifo misses exactly what the oracle says", test_oracle_fifo),
	TEST("lru misses about what the oracle says", test_oracle_lru),
	TEST("the others miss no less than the oracle's optimum", test_oracle_others),
};

#define NR_TESTS	ARRAY_SIZE(tests)

static void take_seed(const char *arg)
{
	u64 seed;
	char *end;
	u32 i;

	errno = 0;
	seed = strtoull(arg, &end, 0);
	if (errno || end == arg || *end) {
		fprintf(stderr, "test_policy: %s is not a seed: give a number.\n", arg);
		exit(2);
	}
	for (i = 0; i < NR_TESTS; i++)
		if (tests[i].seed == 3)
			tests[i].seed = seed;
}

int main(int argc, char **argv)
{
	static const char *const directive[] = { "ok", "not ok", "ok" };
	enum verdict verdict;
	u32 i, failed = 0;

	if (argc > 2) {
		fprintf(stderr, "usage: test_policy [SEED]\n");
		return 2;
	}
	if (argc == 2)
		take_seed(argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%zu\n", NR_TESTS);
	for (i = 0; i < NR_TESTS; i++) {
		alarm(TIME_LIMIT);
		verdict = tests[i].run(tests[i].seed);
		printf("%s %u %s%s%s\n", directive[verdict], i + 1, tests[i].name,
		       verdict == SKIP ? " # SKIP " : "", verdict == SKIP ? skip_reason : "");
		failed += verdict == FAIL;
	}
	return !!failed;
}
