/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test.h - what the files of the policy test share: verdicts, complaints, chance, a pool to test on
 */
#ifndef VMDEMO_POLICY_TEST_H
#define VMDEMO_POLICY_TEST_H

#include "policy.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define __printf(a, b)		__attribute__((format(printf, a, b)))

enum verdict {
	PASS,
	FAIL,
	SKIP	/* the reason has been given to skip() */
};

/**
 * struct test - one line of the report
 * @name: what must hold
 * @run:  the test; gets @seed, which most have no use for
 * @seed: where chance starts
 */
struct test {
	const char *name;
	enum verdict (*run)(u64 seed);
	u64 seed;
};

/* Complain, as a comment in the report, unless @ok; returns @ok. */
__printf(2, 3) bool expect(bool ok, const char *format, ...);

/* Remember why a test cannot run; returns SKIP. */
__printf(1, 2) enum verdict skip(const char *format, ...);

static inline enum verdict verdict_of(bool ok)
{
	return ok ? PASS : FAIL;
}

/* The splitmix64 generator: small, and the same on every machine. */
static inline u64 chance(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline u32 chance_below(u64 *state, u32 limit)
{
	return (chance(state) >> 32) * limit >> 32;
}

/**
 * struct pool - a policy and the frames it orders
 * @policy:   what is tested; comes first
 * @nodes:    one for each frame. The tests speak of frames by number: that of the node here.
 * @nr_nodes: how many
 */
struct pool {
	struct vmdemo_policy policy;
	struct vmdemo_node *nodes;
	u32 nr_nodes;
};

/* Set up @pool with @nr_nodes frames in no list, all existing, and settings that suit the tests. */
void pool_create(struct pool *pool, const struct vmdemo_policy_ops *ops, u32 nr_nodes);
void pool_destroy(struct pool *pool);

/* What pool_create() has as the policy's find(). */
struct vmdemo_node *pool_find(const struct vmdemo_policy *policy, u32 nr);

/* Insert frames 0, 1, 2...; before each, @demoting makes the demotions that are due. */
void pool_fill(struct pool *pool, bool demoting);

/* The steps of a reclaimer whose pool has @slack free frames and no mappings to undo. */
static inline void demote(struct vmdemo_policy *policy, u32 slack)
{
	vmdemo_policy_demote(policy, vmdemo_policy_excess(policy, slack));
}

/* As expect(): is that how many are active, and on standby? */
bool expect_nr(const struct vmdemo_policy *policy, u32 active, u32 standby);

/* The number of @node's frame; VMDEMO_NONE if @node is NULL. */
static inline u32 pool_frame(const struct pool *pool, const struct vmdemo_node *node)
{
	return node ? node - pool->nodes : VMDEMO_NONE;
}

/* The oldest frame of list @id, or VMDEMO_NONE. */
static inline u32 pool_oldest(const struct pool *pool, enum vmdemo_list_id id)
{
	return pool_frame(pool, vmdemo_policy_oldest(&pool->policy, id));
}

/* The first victim, or VMDEMO_NONE. */
static inline u32 pool_victim(struct pool *pool)
{
	return pool_frame(pool, vmdemo_policy_victim(&pool->policy, NULL));
}

/* test_others.c: the policies that are not the default */
enum verdict test_clock(u64 seed);
enum verdict test_clock_passes(u64 seed);
enum verdict test_clock_newest(u64 seed);
enum verdict test_2q(u64 seed);
enum verdict test_random(u64 seed);
enum verdict test_random_holes(u64 seed);
enum verdict test_random_looks(u64 seed);

/* test_model.c: random events against a naive model */
enum verdict test_random_events(u64 seed);

/* test_misses.c: the policies under traces, in a simulated pool */
enum verdict test_generated_trace(u64 seed);
enum verdict test_oracle_fifo(u64 seed);
enum verdict test_oracle_lru(u64 seed);
enum verdict test_oracle_others(u64 seed);

#endif /* VMDEMO_POLICY_TEST_H */
