/* SPDX-License-Identifier: GPL-2.0 */
/*
 * test.h - what the files of the policy test share: verdicts, complaints
 */
#ifndef VMDEMO_POLICY_TEST_H
#define VMDEMO_POLICY_TEST_H

#include "replay.h"

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

/* Insert frames 0, 1, 2...; before each, @demoting makes the demotions that are due. */
void pool_fill(struct pool *pool, bool demoting);

/* The steps of a reclaimer whose pool has @slack free frames and no mappings to undo. */
static inline void demote(struct vmdemo_policy *policy, u32 slack)
{
	vmdemo_policy_demote(policy, vmdemo_policy_excess(policy, slack));
}

/* As expect(): is that how many are active, and on standby? */
bool expect_nr(const struct vmdemo_policy *policy, u32 active, u32 standby);

/* test_others.c: the policies that are not the default */
enum verdict test_clock(u64 seed);
enum verdict test_clock_passes(u64 seed);
enum verdict test_clock_newest(u64 seed);
enum verdict test_2q(u64 seed);
enum verdict test_random(u64 seed);
enum verdict test_random_holes(u64 seed);
enum verdict test_random_looks(u64 seed);

/* The example of a policy of one's own. */
extern const struct vmdemo_policy_ops vmdemo_policy_lfu;

/* test_guard.c: a policy that is not trusted */
enum verdict test_guard_wrong(u64 seed);
enum verdict test_guard_right(u64 seed);

/* test_model.c: random events against a naive model */
enum verdict test_random_events(u64 seed);

/* test_misses.c: the policies under traces, in a simulated pool */
enum verdict test_generated_trace(u64 seed);
enum verdict test_oracle_fifo(u64 seed);
enum verdict test_oracle_lru(u64 seed);
enum verdict test_oracle_others(u64 seed);
enum verdict test_oracle_exact(u64 seed);

/* test_sim.c: the simulator's other parts */
enum verdict test_textbook(u64 seed);
enum verdict test_exact_policies(u64 seed);
enum verdict test_trace_files(u64 seed);
enum verdict test_bad_traces(u64 seed);
enum verdict test_wrong_policies(u64 seed);
enum verdict test_sawtooth(u64 seed);
enum verdict test_program(u64 seed);
enum verdict test_own_policy(u64 seed);

#endif /* VMDEMO_POLICY_TEST_H */
