/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reference.h - policies that see each reference, to measure the others by
 */
#ifndef VMDEMO_POLICY_REFERENCE_H
#define VMDEMO_POLICY_REFERENCE_H

#include "replay.h"

/* Which page goes: the one used longest ago, come longest ago, needed last. */
enum exact { EXACT_LRU, EXACT_FIFO, EXACT_OPT, NR_EXACT };

/**
 * struct exact_pool - a trace on its way through the frames of an exact policy
 * @how:     the policy
 * @trace:   what is referenced
 * @frames:  how many
 * @nr:      of them, those in use; the first ones
 * @page_of: by frame
 * @frame_of: by page; VMDEMO_NONE if absent
 * @next:    for EXACT_OPT, by reference: the next one to its page
 * @key:     by frame: the one with the lowest goes first
 * @heap:    frames, none with a lower key than that at half its place: the next victim is at 1
 * @place:   by frame: its place there
 */
struct exact_pool {
	enum exact how;
	const struct trace *trace;
	u32 frames;
	u32 nr;
	u32 *page_of;
	u32 *frame_of;
	u32 *next;
	u64 *key;
	u32 *heap;
	u32 *place;
};

void exact_create(struct exact_pool *pool, enum exact how, u32 frames, const struct trace *trace);
void exact_destroy(struct exact_pool *pool);

/* Reference @i of the trace, in their order. Returns whether it misses. */
bool exact_access(struct exact_pool *pool, u32 i);

/* How often @trace misses in @frames frames. */
u64 exact_misses(const struct trace *trace, u32 frames, enum exact how);

/*
 * How often exact LRU misses in any number of frames up to @trace->nr_pages, from which on there is
 * no difference. Index 0 has all references. To be freed.
 */
u64 *lru_curve(const struct trace *trace);

#endif /* VMDEMO_POLICY_REFERENCE_H */
