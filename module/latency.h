/* SPDX-License-Identifier: GPL-2.0 */
/*
 * latency.h - how long page faults take: a histogram for each kind, always on
 *
 * Powers of two, eight buckets each, in ticks of vmdemo_clock(). To record one takes some 30
 * instructions and no other processor's cache line; a reader converts to nanoseconds.
 */
#ifndef VMDEMO_LATENCY_H
#define VMDEMO_LATENCY_H

#include <linux/bitops.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/percpu.h>

#include "frame.h"

/* What takes time; in uapi/ABI.txt. */
enum vmdemo_latency_kind {
	VMDEMO_LATENCY_NONE,	/* recorded, since a test would cost as much, but not shown */
	VMDEMO_LATENCY_HARD,
	VMDEMO_LATENCY_SOFT,
	VMDEMO_LATENCY_ZERO,
	VMDEMO_LATENCY_MKWRITE,
	VMDEMO_LATENCY_WAIT,	/* for a frame, by a fault or another request */
	VMDEMO_NR_LATENCIES
};

#define VMDEMO_LATENCY_SUB	3	/* 2 to this: buckets of a power of two */
#define VMDEMO_LATENCY_BITS	42	/* ticks beyond: in the last bucket */
#define VMDEMO_LATENCY_BUCKETS	\
	((VMDEMO_LATENCY_BITS - VMDEMO_LATENCY_SUB + 1) << VMDEMO_LATENCY_SUB)

struct vmdemo_latency {
	unsigned long count[VMDEMO_NR_LATENCIES][VMDEMO_LATENCY_BUCKETS];
};

/* The bucket of a latency of @ticks: of 0 to 15 each has its own. */
static inline u32 vmdemo_latency_bucket(u64 ticks)
{
	u32 shift;

	ticks = min(ticks, BIT_ULL(VMDEMO_LATENCY_BITS) - 1);
	shift = fls64(ticks | (BIT(VMDEMO_LATENCY_SUB + 1) - 1)) - VMDEMO_LATENCY_SUB - 1;
	return (shift << VMDEMO_LATENCY_SUB) + (u32)(ticks >> shift);
}

/* Of ticks of vmdemo_clock(): nanoseconds. */
static inline u64 vmdemo_clock_ns(u64 ticks)
{
	return mul_u64_u32_div(ticks, USEC_PER_SEC, vmdemo_clock_khz());
}

/* Something of @kind ends, that began at @began by vmdemo_clock(). Any context. */
static inline void vmdemo_latency_add(struct vmdemo_pool *pool, enum vmdemo_latency_kind kind,
				      u64 began)
{
	this_cpu_inc(pool->latency->count[kind][vmdemo_latency_bucket(vmdemo_clock() - began)]);
}

void vmdemo_latency_init(void);
void vmdemo_latency_exit(void);
void vmdemo_latency_publish(struct vmdemo_pool *pool, const char *name);

#endif /* VMDEMO_LATENCY_H */
