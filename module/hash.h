/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hash.h - the hash of the index: frame numbers, found by the page they hold
 *
 * Keyed (space, page), sized by the pool, chained through the frames by number: nothing is ever
 * allocated but the table of buckets. What is written here is written under the pool lock. When the
 * pool grows, the pages move to a larger table, a few buckets at a time.
 *
 * The hash is one multiplication, by a secret number that is drawn anew for each table: a program
 * that chooses which pages it touches cannot choose their buckets, and so cannot make everybody
 * walk long chains under the pool lock. Neighbours spread as evenly as by the golden ratio, as
 * vmdemo_hash_spreads() ensures: a stronger hash would do worse there, and cost more.
 */
#ifndef VMDEMO_HASH_H
#define VMDEMO_HASH_H

#include "frame.h"

/* No answer: the chain was in motion. */
#define VMDEMO_HASH_LOST	(VMDEMO_NONE - 1)

struct vmdemo_bucket *vmdemo_hash_bucket_next(struct vmdemo_buckets *buckets, u64 key);

/*
 * Where page @key is, if it is in a frame. Without the pool lock it may have moved just now: that
 * looks like a miss.
 */
static inline struct vmdemo_bucket *vmdemo_hash_bucket(struct vmdemo_buckets *buckets, u64 key)
{
	u32 nr = reciprocal_scale((key * buckets->multiplier) >> 32, buckets->nr);

	/* An acquire: the larger table was there before. */
	if (unlikely(nr < smp_load_acquire(&buckets->moved)))
		return vmdemo_hash_bucket_next(buckets, key);
	return &buckets->bucket[nr];
}

static inline struct vmdemo_buckets *vmdemo_hash_buckets(struct vmdemo_pool *pool)
{
	return rcu_dereference_protected(pool->buckets, lockdep_is_held(&pool->lock));
}

/*
 * Follow a chain. Under the pool lock it is as it is; without, it may be in motion and lead through
 * others: after @most hops the answer is VMDEMO_HASH_LOST.
 */
static inline u32 vmdemo_hash_find(struct vmdemo_pool *pool,
				   const struct vmdemo_bucket *bucket, u64 key, u32 most)
{
	u32 nr = READ_ONCE(bucket->head);

	while (nr != VMDEMO_NONE) {
		const struct vmdemo_frame *frame = vmdemo_frame(pool, nr);

		if (READ_ONCE(frame->key) == key)
			break;
		if (!most--)
			return VMDEMO_HASH_LOST;
		nr = READ_ONCE(frame->next);
	}
	return nr;
}

static inline void vmdemo_hash_link(struct vmdemo_bucket *bucket, struct vmdemo_frame *frame,
				    u32 nr)
{
	/* What it leads to was linked under the lock before: a reader that gets there sees it. */
	WRITE_ONCE(frame->next, bucket->head);
	/* A reader that sees the frame in the chain sees its key. */
	smp_store_release(&bucket->head, nr);
}

static inline void vmdemo_hash_unlink(struct vmdemo_pool *pool, struct vmdemo_bucket *bucket,
				      struct vmdemo_frame *frame, u32 nr)
{
	u32 *link = &bucket->head;

	while (*link != nr)
		link = &vmdemo_frame(pool, *link)->next;
	WRITE_ONCE(*link, frame->next);
	WRITE_ONCE(frame->key, VMDEMO_NO_KEY);
}

/*
 * What a ghost remembers of a page that was evicted: enough to tell it from others in its bucket.
 * Zero stands for nothing.
 */
static inline u32 vmdemo_hash_ghost(u64 key)
{
	return ~(u32)key;
}

/* Does the ghost in @bucket remember page @key? */
static inline bool vmdemo_hash_recalls(const struct vmdemo_bucket *bucket, u64 key)
{
	return bucket->ghost == vmdemo_hash_ghost(key);
}

int vmdemo_hash_grow(struct vmdemo_pool *pool, u32 nr);
void vmdemo_hash_free(struct vmdemo_pool *pool);

#endif /* VMDEMO_HASH_H */
