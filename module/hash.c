// SPDX-License-Identifier: GPL-2.0
/*
 * hash.c - how the hash of the index grows
 *
 *   1. The larger table is hung behind the present one, where everybody begins to look.
 *   2. Bucket by bucket, what is in the present one moves there. For buckets that have moved,
 *      everybody goes on to the larger one. A reader without the lock who walks along a chain
 *      meanwhile may be led astray: a miss, which an inserter makes certain of under the lock.
 *   3. Everybody begins with the larger one. The other is freed when RCU says that nobody is there.
 */
#include <linux/math64.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "hash.h"

/* Additions in one go. */
#define VMDEMO_HASH_STRIDE	65536

/* Buckets moved under one hold of the pool lock. */
#define VMDEMO_HASH_MOVE	32U

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

/**
 * vmdemo_hash_bucket_next - where a page is whose bucket has moved
 * @buckets: the table it has moved from
 * @key:     of the page
 *
 * Under the pool lock, or RCU. Out of line: pools seldom grow.
 */
struct vmdemo_bucket *vmdemo_hash_bucket_next(struct vmdemo_buckets *buckets, u64 key)
{
	return vmdemo_hash_bucket(buckets->next, key);
}

static struct vmdemo_buckets *vmdemo_hash_alloc(u32 nr)
{
	struct vmdemo_buckets *buckets;
	u32 i;

	buckets = kvzalloc(struct_size(buckets, bucket, nr), GFP_KERNEL);
	if (!buckets)
		return NULL;
	buckets->multiplier = vmdemo_hash_multiplier(nr);
	buckets->nr = nr;
	for (i = 0; i < nr; i++) {
		buckets->bucket[i].head = VMDEMO_NONE;
		if (i % VMDEMO_HASH_STRIDE == 0)
			cond_resched();
	}
	return buckets;
}

/* Move the pages of a bucket to the next table. The pool lock is held. */
static void vmdemo_hash_move(struct vmdemo_pool *pool, struct vmdemo_bucket *from,
			     struct vmdemo_buckets *next)
{
	u32 nr, then;

	for (nr = from->head; nr != VMDEMO_NONE; nr = then) {
		struct vmdemo_frame *frame = vmdemo_frame(pool, nr);

		then = frame->next;
		vmdemo_hash_link(vmdemo_hash_bucket(next, frame->key), frame, nr);
	}
	WRITE_ONCE(from->head, VMDEMO_NONE);
}

/* Move all of them. */
static void vmdemo_hash_move_all(struct vmdemo_pool *pool, struct vmdemo_buckets *from,
				 struct vmdemo_buckets *next)
{
	u32 nr = 0, end;

	from->next = next;
	while (nr < from->nr) {
		end = min(nr + VMDEMO_HASH_MOVE, from->nr);
		spin_lock(&pool->lock);
		for (; nr < end; nr++)
			vmdemo_hash_move(pool, &from->bucket[nr], next);
		/* A release: the next table is there, and the pages are. */
		smp_store_release(&from->moved, end);
		spin_unlock(&pool->lock);
		cond_resched();
	}
}

/**
 * vmdemo_hash_grow - make room for more frames
 * @pool: the pool
 * @nr:   frames there can be, more than before; the few that may be lent hardly lengthen a chain
 *
 * Callers are serialised. Takes the pool lock, each time for a few buckets. May sleep. Returns 0 or
 * -ENOMEM, and nothing has changed.
 */
int vmdemo_hash_grow(struct vmdemo_pool *pool, u32 nr)
{
	struct vmdemo_buckets *old = rcu_dereference_protected(pool->buckets, true);
	struct vmdemo_buckets *next = vmdemo_hash_alloc(nr);

	if (!next)
		return -ENOMEM;
	if (old)
		vmdemo_hash_move_all(pool, old, next);
	spin_lock(&pool->lock);
	rcu_assign_pointer(pool->buckets, next);
	spin_unlock(&pool->lock);
	if (old)
		synchronize_rcu();
	kvfree(old);
	return 0;
}

/**
 * vmdemo_hash_free - free the table
 * @pool: the pool; nobody uses it any more
 */
void vmdemo_hash_free(struct vmdemo_pool *pool)
{
	kvfree(rcu_dereference_protected(pool->buckets, true));
}
