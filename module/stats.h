/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stats.h - per-CPU event counters
 *
 * One line here is one counter: an enum entry, and a file of that name under stats/ in sysfs. Each
 * has its text in uapi/ABI.txt. Counters only grow; reading sums them without disturbing anybody.
 */
#ifndef VMDEMO_STATS_H
#define VMDEMO_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>

#define VMDEMO_COUNTERS(X)	\
	X(faults_hard)		\
	X(faults_soft)		\
	X(faults_zero)		\
	X(faults_mkwrite)	\
	X(faults_cow)		\
	X(faults_invalid)	\
	X(pages_in)		\
	X(pages_out)		\
	X(pages_copied)		\
	X(readahead_pages)	\
	X(readahead_used)	\
	X(fault_around_pages)	\
	X(write_around_pages)	\
	X(prefetch_pages)	\
	X(rw_pages)		\
	X(evictions_clean)	\
	X(evictions_dirty)	\
	X(demotions)		\
	X(unmap_calls)		\
	X(unmap_pages)		\
	X(refaults)		\
	X(late_references)	\
	X(policy_errors)	\
	X(reclaim_waits)	\
	X(reclaim_wait_ns)	\
	X(read_errors)		\
	X(write_errors)		\
	X(pages_lost)		\
	X(swap_full)		\
	X(slots_discarded)

#define VMDEMO_COUNTER_ENUM(name) VMDEMO_##name,
enum vmdemo_counter {
	VMDEMO_COUNTERS(VMDEMO_COUNTER_ENUM)
	VMDEMO_NR_COUNTERS
};

struct vmdemo_stats {
	u64 count[VMDEMO_NR_COUNTERS];
};

/* Add to a counter, from any context. */
#define vmdemo_stat_add(pool, name, nr) \
	this_cpu_add((pool)->stats->count[VMDEMO_##name], nr)
#define vmdemo_stat_inc(pool, name)	vmdemo_stat_add(pool, name, 1)

u64 vmdemo_stats_sum(const struct vmdemo_stats __percpu *stats, enum vmdemo_counter counter);

#endif /* VMDEMO_STATS_H */
