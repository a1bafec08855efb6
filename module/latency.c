// SPDX-License-Identifier: GPL-2.0
/*
 * latency.c - how long page faults take: the file in debugfs
 *
 * In debugfs since it has many lines, which are to be read in one go, and are root's.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "latency.h"

static struct dentry *vmdemo_latency_root;

static const char * const vmdemo_latency_names[VMDEMO_NR_LATENCIES] = {
	[VMDEMO_LATENCY_HARD]		= "hard",
	[VMDEMO_LATENCY_SOFT]		= "soft",
	[VMDEMO_LATENCY_ZERO]		= "zero",
	[VMDEMO_LATENCY_MKWRITE]	= "mkwrite",
	[VMDEMO_LATENCY_WAIT]		= "wait",
};

/* Nanoseconds from which on a latency is in @bucket. */
static u64 vmdemo_latency_from(u32 bucket)
{
	u32 shift = max(bucket >> VMDEMO_LATENCY_SUB, 1U) - 1;

	return vmdemo_clock_ns((u64)(bucket - (shift << VMDEMO_LATENCY_SUB)) << shift);
}

/* What is recorded meanwhile may or may not be in the sums. */
static int vmdemo_latency_show(struct seq_file *seq, void *unused)
{
	const struct vmdemo_pool *pool = seq->private;
	u32 kind, bucket;
	int cpu;

	for (kind = VMDEMO_LATENCY_NONE + 1; kind < VMDEMO_NR_LATENCIES; kind++) {
		for (bucket = 0; bucket < VMDEMO_LATENCY_BUCKETS; bucket++) {
			unsigned long sum = 0;

			for_each_possible_cpu(cpu)
				sum += READ_ONCE(per_cpu_ptr(pool->latency,
							     cpu)->count[kind][bucket]);
			if (sum)
				seq_printf(seq, "%s %llu %llu %lu\n", vmdemo_latency_names[kind],
					   vmdemo_latency_from(bucket),
					   vmdemo_latency_from(bucket + 1), sum);
		}
		cond_resched();
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vmdemo_latency);

/**
 * vmdemo_latency_publish - let user space read the histogram of a device
 * @pool: its pool
 * @name: of the device
 *
 * May sleep. Without debugfs there is nothing to read.
 */
void vmdemo_latency_publish(struct vmdemo_pool *pool, const char *name)
{
	struct dentry *dir = debugfs_create_dir(name, vmdemo_latency_root);

	debugfs_create_file("latency", 0444, dir, pool, &vmdemo_latency_fops);
}

/* To be called before vmdemo_latency_publish(). May sleep. */
void vmdemo_latency_init(void)
{
	vmdemo_latency_root = debugfs_create_dir("vmdemo", NULL);
}

/* Undo both; waits for readers. May sleep. */
void vmdemo_latency_exit(void)
{
	debugfs_remove_recursive(vmdemo_latency_root);
}
