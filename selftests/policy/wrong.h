/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wrong.h - the ways in which policy_wrong.c can be wrong
 */
#ifndef VMDEMO_POLICY_WRONG_H
#define VMDEMO_POLICY_WRONG_H

/* Each with the function that is wrong. The first kind is right. */
#define WRONG_KINDS(X)		\
	X(nothing)		\
	X(insert_in_no_list)	\
	X(insert_held)		\
	X(insert_unmapping)	\
	X(insert_twice)		\
	X(touch_removes)	\
	X(touch_removes_twice)	\
	X(touch_holds)		\
	X(touch_adds)		\
	X(touch_adds_a_free)	\
	X(touch_moves_a_free)	\
	X(spare_moves_nothing)	\
	X(spare_without_end)	\
	X(spare_removes)	\
	X(victim_held)		\
	X(victim_unmapping)	\
	X(victim_free)		\
	X(victim_stray)		\
	X(victim_wild)		\
	X(victim_the_same)	\
	X(victim_removes)	\
	X(victim_loses)		\
	X(remove_removes)	\
	X(remove_adds)		\
	X(excess_too_many)	\
	X(excess_removes)

#define WRONG_NAME(name) #name,
#define WRONG_ENUM(name) WRONG_##name,
enum wrong {
	WRONG_KINDS(WRONG_ENUM)
	NR_WRONG
};

#ifndef __KERNEL__
struct vmdemo_policy_ops;

/* The policy, and how it should be wrong from now on. */
struct vmdemo_policy_ops *wrong_policy(void);
void wrong_choose(unsigned int kind);
#endif

#endif /* VMDEMO_POLICY_WRONG_H */
