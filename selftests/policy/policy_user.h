/* SPDX-License-Identifier: GPL-2.0 */
/*
 * policy_user.h - what policy.h takes from the kernel, for a program in user space
 */
#ifndef VMDEMO_POLICY_USER_H
#define VMDEMO_POLICY_USER_H

#include <stdbool.h>
#include <stddef.h>

typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define unlikely(x) __builtin_expect(!!(x), 0)
#define min(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a < _b ? _a : _b; })
#define max(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a > _b ? _a : _b; })

/* The last line of a policy that is a module of its own. */
#ifndef VMDEMO_POLICY_MODULE
#define VMDEMO_POLICY_MODULE(ops)	extern const struct vmdemo_policy_ops ops
#endif

#endif /* VMDEMO_POLICY_USER_H */
