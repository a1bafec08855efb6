// SPDX-License-Identifier: GPL-2.0
/*
 * stats.c - summing the per-CPU counters
 */
#include <linux/cpumask.h>

#include "stats.h"

/**
 * vmdemo_stats_sum - a counter's value over all CPUs
 * @stats:   the per-CPU counters
 * @counter: which one
 *
 * Events that happen meanwhile may or may not be in the sum. Any context.
 */
u64 vmdemo_stats_sum(const struct vmdemo_stats __percpu *stats, enum vmdemo_counter counter)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(stats, cpu)->count[counter]);
	return sum;
}
