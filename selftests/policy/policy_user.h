/* SPDX-License-Identifier: GPL-2.0 */
/*
 * policy_user.h - what policy.h takes from the kernel, for a program in user space
 */
#ifndef VMDEMO_POLICY_USER_H
#define VMDEMO_POLICY_USER_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#endif /* VMDEMO_POLICY_USER_H */
