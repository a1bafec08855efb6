// SPDX-License-Identifier: GPL-2.0
/*
 * hash.c - the tables whose size depends on the number of frames: the hash and the order
 *
 * They are replaced as a whole when the pool grows; readers of the hash are waited for by RCU.
 */
#include <linux/math64.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "hash.h"

/* Additions in one go. */
#define VMDEMO_HASH_STRIDE	65536

/* Tables sized by the pool; all or none are replaced. */
struct vmdemo_tables {
	struct vmdemo_buckets *buckets;
	struct vmdemo_node *nodes;
};

static void vmdemo_hash_free_tables(struct vmdemo_tables *tables)
{
	kvfree(tables->nodes);
	kvfree(tables->buckets);
}

/*
 * Does the hash spread a run of neighbours as long as the table? Pages i and i + d are so far apart
 * in the table, as a circle of 2^64, as d * @multiplier is: if that is less than the width of a
 * bucket they may share one. Adding that up for all d says with how many of those before it a page
 * shares its bucket on average. A quarter is what the golden ratio comes to, or less; one
 * candidate in nine or so passes, and bad ones are seen at a small d.
 */
static bool vmdemo_hash_spreads(u64 multiplier, u32 nr)
{
	u64 width = div_u64(U64_MAX, nr), shared = 0, apart = 0;
	u32 d;

	for (d = 1; d < nr && shared <= width / 4; d++) {
		apart += multiplier;
		if (min(apart, -apart) < width)
			shared += width - min(apart, -apart);
		if (d % VMDEMO_HASH_STRIDE == 0)
			cond_resched();
	}
	return shared <= width / 4;
}

/* The secret: any of some 2^59 numbers. */
static u64 vmdemo_hash_multiplier(u32 nr)
{
	u64 multiplier;

	do
		multiplier = get_random_u64() | 1;
	while (!vmdemo_hash_spreads(multiplier, nr));
	return multiplier;
}

static int vmdemo_hash_alloc_tables(struct vmdemo_tables *tables, u32 nr)
{
	u32 i;

	tables->nodes = kvcalloc(nr, sizeof(*tables->nodes), GFP_KERNEL);
	/* The few that may be lent as well hardly lengthen a chain. */
	nr -= VMDEMO_LOANS;
	tables->buckets = kvzalloc(struct_size(tables->buckets, bucket, nr), GFP_KERNEL);
	if (!tables->buckets || !tables->nodes) {
		vmdemo_hash_free_tables(tables);
		return -ENOMEM;
	}
	tables->buckets->multiplier = vmdemo_hash_multiplier(nr);
	tables->buckets->nr = nr;
	for (i = 0; i < nr; i++)
		tables->buckets->bucket[i].head = VMDEMO_NONE;
	return 0;
}

/* Move everything to tables for @nr frames, more than there were. */
static void vmdemo_hash_swap_tables(struct vmdemo_pool *pool, struct vmdemo_tables *tables, u32 nr)
{
	struct vmdemo_tables old;
	u32 i;

	spin_lock(&pool->lock);
	old.buckets = vmdemo_hash_buckets(pool);
	old.nodes = pool->policy.nodes;
	if (pool->policy.nr_nodes)
		memcpy(tables->nodes, old.nodes, pool->policy.nr_nodes * sizeof(*old.nodes));
	pool->policy.nodes = tables->nodes;
	pool->policy.nr_nodes = nr;
	for (i = 0; i < pool->top; i++) {
		struct vmdemo_frame *frame = vmdemo_frame(pool, i);
		struct vmdemo_bucket *bucket;

		if (frame->key == VMDEMO_NO_KEY)
			continue;
		bucket = vmdemo_hash_bucket(tables->buckets, frame->key);
		vmdemo_hash_link(bucket, frame, i);
	}
	rcu_assign_pointer(pool->buckets, tables->buckets);
	/* A reader that sees the number sees the chunks. */
	smp_store_release(&pool->top, nr);
	spin_unlock(&pool->lock);
	if (old.buckets)
		synchronize_rcu();
	vmdemo_hash_free_tables(&old);
}

/**
 * vmdemo_hash_grow - make room for more frames
 * @pool: the pool; its chunks are there
 * @nr:   frames there can be, more than before
 *
 * May sleep. Returns 0 or -ENOMEM, and nothing has changed.
 */
int vmdemo_hash_grow(struct vmdemo_pool *pool, u32 nr)
{
	struct vmdemo_tables tables;
	int err = vmdemo_hash_alloc_tables(&tables, nr);

	if (!err)
		vmdemo_hash_swap_tables(pool, &tables, nr);
	return err;
}

/**
 * vmdemo_hash_free - free the tables
 * @pool: the pool; nobody uses it any more
 */
void vmdemo_hash_free(struct vmdemo_pool *pool)
{
	struct vmdemo_tables tables = {
		.buckets = rcu_dereference_protected(pool->buckets, true),
		.nodes = pool->policy.nodes,
	};

	vmdemo_hash_free_tables(&tables);
}
