/* SPDX-License-Identifier: GPL-2.0 */
/*
 * replay.h - a trace of references run through a policy, as the module would see it
 *
 * The unit tests and the simulator share this: a pool of frames without memory, and the steps that
 * the module takes for a reference. See replay.c for what the model leaves out.
 */
#ifndef VMDEMO_POLICY_REPLAY_H
#define VMDEMO_POLICY_REPLAY_H

#include "policy.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define __printf(a, b)		__attribute__((format(printf, a, b)))

#define REPLAY_RANGE	512	/* pages one unmapping covers */
#define REPLAY_NEAR	16	/* pages one soft fault maps in a calm pool */

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

/* Zeros; the program ends if there is no memory. */
void *get_memory(size_t size);

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

/* The ghosts of the index, one for each bucket: 0, or the page that is remembered, and 1. */
bool ghost_recalls(const u32 *ghost, u32 nr, u32 page);

/* @page goes, and is remembered or not. */
void ghost_remember(u32 *ghost, u32 nr, u32 page, bool does);

/**
 * struct trace - references to pages, in their order
 * @pages:    which page each one is to
 * @nr:       how many there are
 * @limit:    pages are below it
 * @nr_pages: different pages
 * @ranges:   NULL: pages have the numbers that the file has. Else what is page i here is page
 *            @ranges[i / REPLAY_RANGE] * REPLAY_RANGE + i % REPLAY_RANGE there.
 */
struct trace {
	u32 *pages;
	u32 nr;
	u32 limit;
	u32 nr_pages;
	u64 *ranges;
};

enum reference_outcome { REFERENCE_HIT, REFERENCE_SOFT, REFERENCE_HARD };

/**
 * struct sim - a trace on its way through a pool
 * @pool:    what is asked
 * @page_of: by frame
 * @frame_of: by page; VMDEMO_NONE if absent
 * @ghost:   see ghost_recalls()
 * @mapped:  by frame
 * @free:    frames never used yet: the last ones
 * @limit:   pages are below it
 * @alone:   a page comes alone, also in a calm pool
 * @trial:   frames are held now and then, as if somebody used them, which changes the misses
 * @held:    in a trial, the frame that is; VMDEMO_NONE
 * @references, @hard, @soft, @unmaps, @evictions: what there has been
 * @doing:   the policy's function that runs now, for somebody whom a signal brings; NULL
 * @wrong:   what the policy has done wrong first, a sentence; nothing happens any more. Or empty
 */
struct sim {
	struct pool pool;
	u32 *page_of;
	u32 *frame_of;
	u32 *ghost;
	bool *mapped;
	u32 free;
	u32 limit;
	bool alone;
	bool trial;
	u32 held;
	u64 references, hard, soft, unmaps, evictions;
	const char *doing;
	char wrong[200];
};

void sim_create(struct sim *sim, const struct vmdemo_policy_ops *ops, u32 frames, u32 limit);
void sim_destroy(struct sim *sim);
enum reference_outcome sim_access(struct sim *sim, u32 page);

/*
 * Run @trace through @frames frames; the numbers stay in @sim, its memory is gone. False: the
 * policy has done something wrong.
 */
bool sim_run(struct sim *sim, const struct vmdemo_policy_ops *ops, u32 frames, u32 standby_pct,
	     bool alone, const struct trace *trace);

/* Of the file that the Makefile's OWN= names; without one there is no such variable. */
extern const struct vmdemo_policy_ops *const own_policy __attribute__((weak));

#endif /* VMDEMO_POLICY_REPLAY_H */
