/* SPDX-License-Identifier: GPL-2.0 */
/*
 * policy_guard.h - a policy whose answers are checked
 */
#ifndef VMDEMO_POLICY_GUARD_H
#define VMDEMO_POLICY_GUARD_H

#include "policy.h"

/* Frames that a search may name; the evictor takes fewer. And places to remember them in. */
#define VMDEMO_GUARD_NAMED	384U
#define VMDEMO_GUARD_SHIFT	9
#define VMDEMO_GUARD_SLOTS	(1U << VMDEMO_GUARD_SHIFT)

/**
 * struct vmdemo_guard - a policy that is not trusted
 * @ops:   what pools are to follow instead of it: asks it, and checks what it answers
 * @asked: the policy itself
 * @told:  that it was wrong has been said
 */
struct vmdemo_guard {
	struct vmdemo_policy_ops ops;
	const struct vmdemo_policy_ops *asked;
	bool told;
};

/**
 * struct vmdemo_guard_pool - what guards remember of a pool; to begin with, all zero
 * @spared: frames spared since one was given up
 * @named:  frames that this search has named, ...
 * @search: ... and its number; never 0
 * @slots:  those frames: a hash table, in which the entries of other searches are empty
 */
struct vmdemo_guard_pool {
	u32 spared;
	u32 named;
	u32 search;
	struct {
		u32 search;
		u32 nr;
	} slots[VMDEMO_GUARD_SLOTS];
};

void vmdemo_guard_init(struct vmdemo_guard *guard, const struct vmdemo_policy_ops *asked);

#endif /* VMDEMO_POLICY_GUARD_H */
