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

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

/* What makes a part of the module, or a module of its own, makes nothing here. */
#define EXPORT_SYMBOL_GPL(symbol)	extern __typeof__(symbol) symbol
#define VMDEMO_POLICY_MODULE(table)	extern __typeof__(table) table

#endif /* VMDEMO_POLICY_USER_H */
