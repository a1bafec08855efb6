// SPDX-License-Identifier: GPL-2.0
/*
 * test_others.c - what the policies decide that are not the default: clock, 2q and random
 */
#include <string.h>

#include "test.h"

/* A touch on standby is a second chance, one and not more; an untouched frame has none. */
enum verdict test_clock(u64 seed)
{
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i;

	pool_create(&pool, &vmdemo_policy_clock, 8);
	pool_fill(&pool, true);
	demote(policy, 0);
	ok &= expect_nr(policy, 1, 7);
	vmdemo_policy_touch(policy, &pool.nodes[0]);
	vmdemo_policy_touch(policy, &pool.nodes[2]);
	vmdemo_policy_touch(policy, &pool.nodes[2]);
	vmdemo_policy_touch(policy, &pool.nodes[7]);
	ok &= expect_nr(policy, 1, 7);
	ok &= expect(pool_victim(&pool) == 1, "the first victim is not 1");
	ok &= expect_nr(policy, 2, 6);
	vmdemo_policy_forget(policy, &pool.nodes[1]);
	ok &= expect(pool_victim(&pool) == 3, "the second victim is not 3");
	demote(policy, 1);
	for (i = 3; i < 8; i++) {
		ok &= expect(pool_victim(&pool) == i, "%u is not next", i);
		vmdemo_policy_forget(policy, &pool.nodes[i]);
	}
	/* The chance is used up; a frame that is inserted anew has none either. */
	ok &= expect(pool_victim(&pool) == 0, "what had a second chance has a third");
	pool.nodes[3].mark = 1;
	vmdemo_policy_insert(policy, &pool.nodes[3], false);
	vmdemo_policy_forget(policy, &pool.nodes[0]);
	vmdemo_policy_forget(policy, &pool.nodes[2]);
	vmdemo_policy_insert(policy, &pool.nodes[4], false);
	ok &= expect(pool_victim(&pool) == 3, "a new page is marked");
	pool_destroy(&pool);
	return verdict_of(ok);
}

/* All have been touched: the hand passes over 256, and then the lock is held long enough. */
enum verdict test_clock_passes(u64 seed)
{
	struct vmdemo_node *node = NULL;
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i;

	pool_create(&pool, &vmdemo_policy_clock, 1000);
	policy->standby_pct = 100;
	pool_fill(&pool, false);
	demote(policy, 0);
	for (i = 0; i < 1000; i++)
		vmdemo_policy_touch(policy, &pool.nodes[i]);
	i = pool_victim(&pool);
	ok &= expect(i == 256, "the victim is %u, not 256", i);
	ok &= expect_nr(policy, 256, 744);
	/* The evictor finds it mapped. */
	ok &= expect(vmdemo_policy_spare(policy, &pool.nodes[256]) && !pool.nodes[256].mark,
		     "it is not spared, or not for the last time");
	pool_destroy(&pool);

	/* 9 of 10 have: with 28 named the search has passed over 252, and would over 261 next. */
	pool_create(&pool, &vmdemo_policy_clock, 1000);
	policy->standby_pct = 100;
	pool_fill(&pool, false);
	demote(policy, 0);
	for (i = 0; i < 1000; i++)
		if (i % 10 != 9)
			vmdemo_policy_touch(policy, &pool.nodes[i]);
	for (i = 0; (node = vmdemo_policy_victim(policy, node)); i++)
		ok &= expect(pool_frame(&pool, node) == i * 10 + 9, "victim %u is frame %u", i,
			     pool_frame(&pool, node));
	ok &= expect(i == 28, "the search names %u, not 28", i);
	pool_destroy(&pool);
	return verdict_of(ok);
}

/* A search that has passed over frames ends where it comes to the newest, and begins there anew. */
enum verdict test_clock_newest(u64 seed)
{
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i;

	pool_create(&pool, &vmdemo_policy_clock, 8);
	pool_fill(&pool, true);
	demote(policy, 0);
	ok &= expect_nr(policy, 1, 7);
	for (i = 1; i < 7; i++)
		vmdemo_policy_touch(policy, &pool.nodes[i]);
	ok &= expect(pool_victim(&pool) == 0, "what is not marked is not the first victim");
	ok &= expect(!vmdemo_policy_victim(policy, &pool.nodes[0]), "the newest is the second");
	vmdemo_policy_touch(policy, &pool.nodes[0]);
	ok &= expect(pool_victim(&pool) == 0, "the first one passed is not the victim");
	ok &= expect(!vmdemo_policy_victim(policy, &pool.nodes[0]), "there is another one");
	ok &= expect_nr(policy, 8, 0);
	/* It cannot go at once. */
	ok &= expect(pool_victim(&pool) == 0, "the next search has another victim");
	vmdemo_policy_forget(policy, &pool.nodes[0]);
	ok &= expect(pool_victim(&pool) == 7, "what was passed is older than the newest");
	pool_destroy(&pool);
	return verdict_of(ok);
}

/* New pages wait in first, a quarter of the frames; what was remembered does not. */
enum verdict test_2q(u64 seed)
{
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	struct vmdemo_node *node = NULL;
	bool ok = true;
	u32 i;

	pool_create(&pool, &vmdemo_policy_2q, 40);
	/* While the main queue is empty first has all frames. */
	for (i = 0; i < 10; i++)
		vmdemo_policy_insert(policy, &pool.nodes[i], false);
	ok &= expect(pool_victim(&pool) == 0, "the only queue has no victim");
	for (i = 10; i < 20; i++)
		vmdemo_policy_insert(policy, &pool.nodes[i], true);
	ok &= expect(vmdemo_policy_nr(policy, VMDEMO_LIST_FIRST) == 10, "not 10 are first");
	ok &= expect(vmdemo_policy_ordered(&pool.nodes[0]), "what is first is not in the order");
	ok &= expect_nr(policy, 10, 0);
	/* First has its share, and not more. */
	ok &= expect(pool_victim(&pool) == 10, "the victim is not the main queue's");
	for (i = 20; i < 25; i++)
		vmdemo_policy_insert(policy, &pool.nodes[i], false);
	vmdemo_policy_touch(policy, &pool.nodes[0]);
	vmdemo_policy_touch(policy, &pool.nodes[10]);
	/* Then the rest are the main queue's, in order of use. */
	for (i = 0; i < 15; i++) {
		u32 frame = i < 5 ? i : i < 14 ? i + 6 : 10;
		struct vmdemo_node *next = vmdemo_policy_victim(policy, node);

		ok &= expect(pool_frame(&pool, next) == frame, "victim %u is frame %u, not %u", i,
			     pool_frame(&pool, next), frame);
		/* What goes from first is gone by then, or is about to go. */
		if (node && node->list == VMDEMO_LIST_FIRST && i % 2)
			ok &= expect(vmdemo_policy_forget(policy, node), "it is forgotten");
		node = next;
	}
	ok &= expect(!vmdemo_policy_victim(policy, node), "the search has no end");
	/* All but the newest of the main queue, since the pool is small. */
	ok &= expect(vmdemo_policy_excess(policy, 30) == 9, "the main queue lacks not 9");
	ok &= expect(vmdemo_policy_forget(policy, &pool.nodes[5]), "what was first is forgotten");
	ok &= expect(!vmdemo_policy_forget(policy, &pool.nodes[11]),
		     "what goes from the main queue is remembered");
	pool_destroy(&pool);

	/* Four at least, however small the pool. */
	pool_create(&pool, &vmdemo_policy_2q, 8);
	for (i = 0; i < 8; i++)
		vmdemo_policy_insert(policy, &pool.nodes[i], i >= 4);
	ok &= expect(pool_victim(&pool) == 4, "first has not four frames of eight");
	pool_destroy(&pool);
	return verdict_of(ok);
}

/* A search comes to each frame once; the next one to others first, and two pools to the same. */
enum verdict test_random(u64 seed)
{
	static const u32 sizes[] = { 1, 2, 3, 8, 100, 1000, 1025, 2048 };
	struct pool pool, again;
	struct vmdemo_node *node, *twin;
	bool ok = true;
	u32 i, j, nr, same;

	for (i = 0; ok && i < ARRAY_SIZE(sizes); i++) {
		pool_create(&pool, &vmdemo_policy_random, sizes[i]);
		pool_create(&again, &vmdemo_policy_random, sizes[i]);
		pool_fill(&pool, false);
		pool_fill(&again, false);
		same = 0;
		for (j = 0; j < 100; j++) {
			node = vmdemo_policy_victim(&pool.policy, NULL);
			twin = vmdemo_policy_victim(&again.policy, NULL);
			ok &= expect(pool_frame(&pool, node) == pool_frame(&again, twin),
				     "search %u begins in two ways", j);
			same += pool_frame(&pool, node) == 0;
		}
		ok &= expect(sizes[i] < 8 || same < 50, "%u of 100 begin with frame 0", same);
		for (nr = 0, node = NULL; nr <= sizes[i]; nr++) {
			node = vmdemo_policy_victim(&pool.policy, node);
			if (!node)
				break;
			ok &= expect(!node->mark, "frame %u again", pool_frame(&pool, node));
			node->mark = 1;
		}
		ok &= expect(nr == sizes[i], "%u of %u frames", nr, sizes[i]);
		pool_destroy(&pool);
		pool_destroy(&again);
	}
	return verdict_of(ok);
}

/*
 * Numbers are missing, others are beyond the number of frames: a search comes to all. Frames leave
 * meanwhile: it comes to none twice, nor to those.
 */
enum verdict test_random_holes(u64 seed)
{
	struct vmdemo_node *node = NULL;
	struct pool pool;
	struct vmdemo_policy *policy = &pool.policy;
	bool ok = true;
	u32 i, nr = 0;

	pool_create(&pool, &vmdemo_policy_random, 1000);
	pool_fill(&pool, false);
	for (i = 0; i < 400; i++)
		vmdemo_policy_forget(policy, &pool.nodes[i]);
	policy->nr_frames = 600;
	for (; nr <= 600 && (node = vmdemo_policy_victim(policy, node)); nr++)
		;
	ok &= expect(nr == 600, "%u of 600 frames", nr);
	pool_destroy(&pool);

	pool_create(&pool, &vmdemo_policy_random, 1000);
	pool_fill(&pool, false);
	node = vmdemo_policy_victim(policy, NULL);
	for (nr = 1; ok && node && nr <= 1000; nr++) {
		struct vmdemo_node *next;

		/* As the evictor does: it knows the next before this one goes. */
		policy->nr_frames--;
		policy->limit--;
		next = vmdemo_policy_victim(policy, node);
		ok &= expect(next != node, "frame %u follows itself", pool_frame(&pool, node));
		node->mark = 1;
		vmdemo_policy_forget(policy, node);
		ok &= expect(!next || !next->mark, "frame %u again", pool_frame(&pool, next));
		node = next;
	}
	ok &= expect(nr > 600, "the search ends after %u", nr);
	pool_destroy(&pool);
	return verdict_of(ok);
}

static u32 looks;

static struct vmdemo_node *count_look(const struct vmdemo_policy *policy, u32 nr)
{
	looks++;
	return pool_find(policy, nr);
}

/* However few can go, and however many are wanted, the lock is held for 2,048 numbers. */
enum verdict test_random_looks(u64 seed)
{
	static const u32 every[] = { 1, 20, 100000 };	/* one frame of each of these can go */
	struct vmdemo_node *node;
	struct pool pool;
	bool ok = true;
	u32 i, j, nr;

	for (i = 0; i < ARRAY_SIZE(every); i++) {
		pool_create(&pool, &vmdemo_policy_random, 65536);
		pool_fill(&pool, false);
		pool.policy.find = count_look;
		for (j = 0; j < 65536; j++)
			if (j % every[i])
				vmdemo_policy_hold(&pool.policy, &pool.nodes[j]);
		looks = 0;
		for (nr = 0, node = NULL; (node = vmdemo_policy_victim(&pool.policy, node)); nr++)
			;
		ok &= expect(looks == 2048, "1 of %u can go: %u looks", every[i], looks);
		ok &= expect(every[i] > 20 || (nr > 1600 / every[i] && nr < 2500 / every[i]),
			     "1 of %u can go: %u found", every[i], nr);
		pool_destroy(&pool);
	}
	return verdict_of(ok);
}
