// SPDX-License-Identifier: GPL-2.0
/*
 * index.c - which page is in which frame
 *
 * The index is an inverted page table: a hash (hash.h) of the pages that are in frames. It
 * allocates nothing on a fault, so a fault cannot fail for want of an index node, and what it takes
 * does not depend on how sparse the pages are. To pop a free frame, check for a duplicate, insert,
 * and enter the order is one section under the pool lock. Lookup runs under RCU. It may meet a
 * chain in motion and end in another one: then it misses, and the insertion that follows finds the
 * duplicate. Who inserts nothing looks up under the lock.
 */
#include "dirty.h"
#include "freelist.h"
#include "hash.h"
#include "index.h"
#include "segment.h"
#include "trace.h"

/* A lookup without the lock gives up after so many hops, and takes the lock. */
#define VMDEMO_MAX_CHAIN	64

/**
 * vmdemo_index_lookup_sure - find a resident page; no race makes it miss
 * @pool: the pool
 * @key:  of the page
 *
 * Returns the folio with a reference, or NULL. Takes the pool lock, does not sleep.
 */
struct folio *vmdemo_index_lookup_sure(struct vmdemo_pool *pool, u64 key)
{
	struct folio *folio = NULL;
	u32 nr;

	spin_lock(&pool->lock);
	nr = vmdemo_hash_find(pool, vmdemo_hash_bucket(vmdemo_hash_buckets(pool), key), key,
			      U32_MAX);
	if (nr != VMDEMO_NONE)
		folio = vmdemo_index_get_page(pool, nr, key);
	spin_unlock(&pool->lock);
	return folio;
}

/**
 * vmdemo_index_lookup - find a resident page
 * @pool: the pool
 * @key:  of the page
 *
 * Returns the folio with a reference, or NULL: it was not there at some moment, or a race was lost;
 * the insertion that follows tells. The caller locks the folio and checks that it still holds the
 * page. Does not sleep.
 */
struct folio *vmdemo_index_lookup(struct vmdemo_pool *pool, u64 key)
{
	struct folio *folio = NULL;
	u32 nr;

	rcu_read_lock();
	nr = vmdemo_hash_find(pool, vmdemo_hash_bucket(rcu_dereference(pool->buckets), key), key,
			      VMDEMO_MAX_CHAIN);
	if (nr < VMDEMO_HASH_LOST)
		folio = vmdemo_index_get_page(pool, nr, key);
	rcu_read_unlock();
	if (nr == VMDEMO_HASH_LOST)
		return vmdemo_index_lookup_sure(pool, key);
	return folio;
}

/**
 * vmdemo_index_get_frame - reference the page in a frame
 * @pool:  the pool
 * @frame: number, below pool->top
 *
 * Returns the folio if the frame holds a page now, NULL otherwise. Does not sleep.
 */
struct folio *vmdemo_index_get_frame(struct vmdemo_pool *pool, u32 frame)
{
	struct folio *folio = NULL;

	spin_lock(&pool->lock);
	if (frame < pool->top && vmdemo_policy_where(&pool->policy, frame) != VMDEMO_LIST_NONE) {
		folio = vmdemo_frame(pool, frame)->folio;
		folio_get(folio);
	}
	spin_unlock(&pool->lock);
	return folio;
}

/**
 * vmdemo_index_get_page_sure - reference a page that was seen in a frame
 * @pool:  the pool
 * @frame: number, below pool->top
 * @key:   of the page
 *
 * As vmdemo_index_get_page(), but NULL means that the page has left the frame. Takes the pool lock,
 * does not sleep.
 */
struct folio *vmdemo_index_get_page_sure(struct vmdemo_pool *pool, u32 frame, u64 key)
{
	struct folio *folio;

	spin_lock(&pool->lock);
	folio = vmdemo_index_get_page(pool, frame, key);
	spin_unlock(&pool->lock);
	return folio;
}

/**
 * vmdemo_index_describe - what a page is just now
 * @space: the space
 * @index: which page
 * @page:  out: state, frame and flags of a resident page; otherwise as it was
 *
 * Without a reference, which would keep the page from leaving just then. Takes the pool lock, does
 * not sleep. Returns whether the page is resident.
 */
bool vmdemo_index_describe(struct vmdemo_space *space, pgoff_t index, struct vmdemo_page *page)
{
	struct vmdemo_pool *pool = space->pool;
	u64 key = space->key + index;
	struct folio *folio;
	u32 nr;

	spin_lock(&pool->lock);
	nr = vmdemo_hash_find(pool, vmdemo_hash_bucket(vmdemo_hash_buckets(pool), key), key,
			      U32_MAX);
	if (nr == VMDEMO_NONE) {
		spin_unlock(&pool->lock);
		return false;
	}
	folio = vmdemo_frame(pool, nr)->folio;
	page->frame = nr;
	if (vmdemo_frame_writing(pool, nr))
		page->state = VMDEMO_PAGE_WRITING;
	else if (!folio_test_uptodate(folio))
		page->state = VMDEMO_PAGE_LOADING;
	else if (vmdemo_policy_where(&pool->policy, nr) == VMDEMO_LIST_STANDBY)
		page->state = VMDEMO_PAGE_STANDBY;
	else
		page->state = VMDEMO_PAGE_ACTIVE;
	if (folio_test_dirty(folio))
		page->flags |= VMDEMO_PAGE_DIRTY;
	if (vmdemo_folio_pinned(folio, 0))
		page->flags |= VMDEMO_PAGE_PINNED;
	if (folio_mapped(folio))
		page->flags |= VMDEMO_PAGE_MAPPED;
	spin_unlock(&pool->lock);
	return true;
}

/**
 * vmdemo_index_pinned - does somebody besides page tables hold the page in a frame?
 * @pool:  the pool
 * @frame: number
 *
 * As vmdemo_index_describe(), without a reference. Takes the pool lock, does not sleep.
 */
bool vmdemo_index_pinned(struct vmdemo_pool *pool, u32 frame)
{
	bool pinned;

	spin_lock(&pool->lock);
	pinned = frame < pool->top &&
		 vmdemo_policy_where(&pool->policy, frame) != VMDEMO_LIST_NONE &&
		 vmdemo_folio_pinned(vmdemo_frame(pool, frame)->folio, 0);
	spin_unlock(&pool->lock);
	return pinned;
}

/*
 * Free frame @nr takes page @key, which belongs in @bucket: from here on others can find it. Its
 * folio is locked and gets @refs references, the pool's among them.
 */
static struct folio *vmdemo_index_enter(struct vmdemo_space *space, u64 key,
					struct vmdemo_bucket *bucket, u32 nr, u32 flags, int refs)
{
	struct vmdemo_pool *pool = space->pool;
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	struct folio *folio = frame->folio;

	frame->key = key;
	frame->flags = flags;
	folio->mapping = space->inode->i_mapping;
	folio->index = key - space->key;
	if (space->swap)
		folio_set_swapbacked(folio);
	vmdemo_hash_link(bucket, frame, nr);
	folio_ref_unfreeze(folio, refs);
	vmdemo_policy_earn(&pool->policy);
	pool->policy.ops->insert(&pool->policy, nr);
	trace_vmdemo_policy(pool, "insert", nr);
	return folio;
}

static void vmdemo_index_wake_reclaim(struct vmdemo_pool *pool)
{
	if (READ_ONCE(pool->nr_free) < vmdemo_free_low(pool) && wq_has_sleeper(&pool->reclaim_wait))
		wake_up(&pool->reclaim_wait);
}

/**
 * vmdemo_index_insert - put a page that is to be filled into a frame
 * @space: whose page
 * @index: which page
 * @spare: a free frame the caller owns, taken first; VMDEMO_NONE: none
 * @hard:  for a hard fault: the frame is marked fresh, and it may be a refault
 *
 * Returns the folio locked, not up to date, with a reference for the caller; ERR_PTR(-EEXIST) if
 * the page is in the index, ERR_PTR(-EBUSY) if it is being discarded, ERR_PTR(-EAGAIN) if no frame
 * is free, ERR_PTR(-ENXIO) if it is beyond the end, or in a hole. Wakes the reclaim thread at the
 * low watermark. Takes the pool lock, does not sleep.
 */
struct folio *vmdemo_index_insert(struct vmdemo_space *space, pgoff_t index, u32 *spare, bool hard)
{
	struct vmdemo_pool *pool = space->pool;
	u64 key = space->key + index;
	struct vmdemo_bucket *bucket;
	struct folio *folio;
	u32 nr;

	spin_lock(&pool->lock);
	bucket = vmdemo_hash_bucket(vmdemo_hash_buckets(pool), key);
	if (vmdemo_hash_find(pool, bucket, key, U32_MAX) != VMDEMO_NONE) {
		spin_unlock(&pool->lock);
		return ERR_PTR(-EEXIST);
	}
	if (unlikely(index - space->closed_first < space->closed_nr)) {
		spin_unlock(&pool->lock);
		return ERR_PTR(-EBUSY);
	}
	/* A sparse space may have been truncated since who asks has looked, or a segment of it. */
	if (unlikely(!vmdemo_space_has(space, index))) {
		spin_unlock(&pool->lock);
		return ERR_PTR(-ENXIO);
	}
	nr = *spare;
	*spare = VMDEMO_NONE;
	if (nr == VMDEMO_NONE)
		nr = vmdemo_free_pop(pool);
	if (nr == VMDEMO_NONE) {
		spin_unlock(&pool->lock);
		return ERR_PTR(-EAGAIN);
	}
	folio = vmdemo_index_enter(space, key, bucket, nr, hard ? VMDEMO_FRAME_FRESH : 0, 2);
	if (hard && bucket->ghost == vmdemo_hash_ghost(key))
		vmdemo_stat_inc(pool, refaults);
	spin_unlock(&pool->lock);

	vmdemo_index_wake_reclaim(pool);
	return folio;
}

/**
 * vmdemo_index_insert_ahead - put those pages of a range into frames that are not there yet
 * @space:  the space
 * @first:  first page
 * @nr:     pages
 * @keep:   so many frames are to stay free
 * @folios: out: the pages inserted, in order; each locked, not up to date, marked as read ahead,
 *          without a reference for the caller: the lock keeps it
 * @done:   out: how many pages of the range are resident or inserted now, from @first on
 *
 * Wakes the reclaim thread at the low watermark. Takes the pool lock, does not sleep. Returns how
 * many were inserted.
 */
u32 vmdemo_index_insert_ahead(struct vmdemo_space *space, pgoff_t first, u32 nr, u32 keep,
			      struct folio **folios, u32 *done)
{
	struct vmdemo_pool *pool = space->pool;
	u64 key = space->key + first;
	struct vmdemo_buckets *buckets;
	struct vmdemo_bucket *bucket;
	u32 i, frame, n = 0;

	spin_lock(&pool->lock);
	buckets = vmdemo_hash_buckets(pool);
	for (i = 0; i < nr && vmdemo_space_has(space, first + i); i++) {
		bucket = vmdemo_hash_bucket(buckets, key + i);
		if (vmdemo_hash_find(pool, bucket, key + i, U32_MAX) != VMDEMO_NONE)
			continue;
		if (pool->nr_free <= keep || first + i - space->closed_first < space->closed_nr)
			break;
		frame = vmdemo_free_pop(pool);
		if (frame == VMDEMO_NONE)
			break;
		folios[n++] = vmdemo_index_enter(space, key + i, bucket, frame,
						 VMDEMO_FRAME_AHEAD, 1);
	}
	spin_unlock(&pool->lock);

	*done = i;
	vmdemo_index_wake_reclaim(pool);
	return n;
}

/**
 * vmdemo_index_get_run - resident pages that follow each other and are about to be mapped
 * @space: the space
 * @first: first page
 * @most:  how many at most
 * @write: they are to be written
 * @pages: out: the pages, each locked, up to date and with a reference; referenced, for the policy
 *
 * The run ends at the first page that is absent or would have to be waited for: it is locked, being
 * read, or, to be written, on its way to the device. Takes the pool lock, does not sleep. Returns
 * how many.
 */
u32 vmdemo_index_get_run(struct vmdemo_space *space, pgoff_t first, u32 most, bool write,
			 struct page **pages)
{
	struct vmdemo_pool *pool = space->pool;
	u64 key = space->key + first;
	struct vmdemo_buckets *buckets;
	pgoff_t nr_pages = READ_ONCE(space->nr_pages);
	u32 n, nr, ahead = 0;

	spin_lock(&pool->lock);
	buckets = vmdemo_hash_buckets(pool);
	/* The key after the last one may be another space's. */
	for (n = 0; n < most && first + n < nr_pages; n++) {
		struct vmdemo_frame *frame;
		struct folio *folio;
		bool ahead_of;

		nr = vmdemo_hash_find(pool, vmdemo_hash_bucket(buckets, key + n), key + n,
				      U32_MAX);
		if (nr == VMDEMO_NONE)
			break;
		frame = vmdemo_frame(pool, nr);
		folio = frame->folio;
		if (!folio_trylock(folio))
			break;
		if (!folio_test_uptodate(folio) || PageHWPoison(folio_page(folio, 0)) ||
		    (frame->flags & VMDEMO_FRAME_FRESH) ||
		    (write && vmdemo_frame_writing(pool, nr))) {
			folio_unlock(folio);
			break;
		}
		folio_get(folio);
		ahead_of = frame->flags & VMDEMO_FRAME_AHEAD;
		ahead += ahead_of;
		frame->flags = 0;
		/* What was just read ahead is young already. */
		if (!ahead_of || vmdemo_policy_where(&pool->policy, nr) == VMDEMO_LIST_STANDBY) {
			pool->policy.ops->touch(&pool->policy, nr);
			trace_vmdemo_policy(pool, "touch", nr);
		}
		pages[n] = folio_page(folio, 0);
	}
	spin_unlock(&pool->lock);
	vmdemo_stat_add(pool, readahead_used, ahead);
	return n;
}

/* The page in frame @nr leaves the index and the order. */
static inline void vmdemo_index_forget(struct vmdemo_pool *pool, u32 nr)
{
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	struct vmdemo_bucket *bucket;

	lockdep_assert_held(&pool->lock);
	trace_vmdemo_policy(pool, "forget", nr);
	bucket = vmdemo_hash_bucket(vmdemo_hash_buckets(pool), frame->key);
	bucket->ghost = vmdemo_hash_ghost(frame->key);
	vmdemo_hash_unlink(pool, bucket, frame, nr);
	vmdemo_policy_remove(&pool->policy, nr);
}

/* The page in frame @nr is gone: nobody has a reference, its folio is locked. */
static inline void vmdemo_index_leave(struct vmdemo_pool *pool, struct folio *folio, u32 nr)
{
	trace_vmdemo_evict(folio, nr);
	vmdemo_index_forget(pool, nr);
	folio->mapping = NULL;
	folio->index = 0;
	/* At once: a memory failure may set its own flag any time. */
	set_mask_bits(&folio->flags, BIT(PG_uptodate) | BIT(PG_referenced) | BIT(PG_active) |
		      BIT(PG_swapbacked), 0UL);
}

/**
 * vmdemo_index_evict - free the frame of a page that nobody else holds
 * @pool:  the pool
 * @folio: the page: locked, unmapped, in the index, not under writeback; one reference is ours
 * @keep:  the free frame's number goes here; NULL: it goes to the free list
 * @lost:  NULL, or a dirty page goes too and is counted here
 *
 * The reference count is frozen first, then the dirty flag read: with no references left nobody
 * can set it any more. All of it under the pool lock, so that what is in the order always has the
 * pool's reference, and a walk misses nothing. Returns 0, and @folio is no longer the caller's;
 * -EBUSY if somebody holds it, -EAGAIN if it is dirty, and nothing has changed. Does not sleep.
 */
int vmdemo_index_evict(struct vmdemo_pool *pool, struct folio *folio, u32 *keep,
		       unsigned long *lost)
{
	u32 nr = vmdemo_frame_nr(folio);
	struct folio *gone = NULL;

	if (folio_test_dirty(folio) && !lost)
		return folio_ref_count(folio) > 2 ? -EBUSY : -EAGAIN;
	spin_lock(&pool->lock);
	if (!folio_ref_freeze(folio, 2)) {
		spin_unlock(&pool->lock);
		return -EBUSY;
	}
	if (folio_test_dirty(folio)) {
		if (!lost) {
			folio_ref_unfreeze(folio, 2);
			spin_unlock(&pool->lock);
			return -EAGAIN;
		}
		folio_test_clear_dirty(folio);
		vmdemo_dirty_unmark(pool, nr, folio);
		(*lost)++;
	}
	vmdemo_index_leave(pool, folio, nr);
	if (keep)
		*keep = nr;
	else
		vmdemo_free_push(pool, nr, &gone);
	spin_unlock(&pool->lock);
	atomic_long_inc(&pool->progress);
	if (!keep)
		vmdemo_free_finish(pool, gone);
	return 0;
}

/* Dirty, or not to be used again. */
static bool vmdemo_index_must_stay(const struct folio *folio)
{
	return READ_ONCE(folio->flags) & (BIT(PG_dirty) | BIT(PG_hwpoison));
}

/* In this order: a write that fails makes the page dirty again before it ends. */
static bool vmdemo_index_may_go(const struct vmdemo_pool *pool, const struct folio *folio, u32 nr)
{
	if (VMDEMO_DIRTY_FIRST && !vmdemo_index_must_stay(folio)) {
		if (vmdemo_frame_writing(pool, nr))
			vmdemo_broken_widen_atomic(2);
		return !vmdemo_frame_writing(pool, nr);
	}
	return !vmdemo_frame_writing(pool, nr) && !vmdemo_index_must_stay(folio);
}

/*
 * Take the page in frame @nr out if that needs no more than the pool lock: nobody has it mapped,
 * locked or referenced, and it is clean. The order is that of vmdemo_index_evict().
 */
static bool vmdemo_index_evict_idle(struct vmdemo_pool *pool, struct folio *folio, u32 nr)
{
	/* The pool's reference and no other: so it is not mapped either. */
	if ((VMDEMO_BROKEN && !VMDEMO_DIRTY_FIRST && !VMDEMO_FROZEN) ||
	    vmdemo_index_must_stay(folio) ||
	    folio_ref_count(folio) != 1 || !folio_trylock(folio))
		return false;
	if (folio_ref_freeze(folio, 1)) {
		if (VMDEMO_FROZEN && vmdemo_frame_writing(pool, nr))
			vmdemo_broken_widen_atomic(2);
		if (vmdemo_index_may_go(pool, folio, nr))
			return true;
		folio_ref_unfreeze(folio, 1);
	}
	folio_unlock(folio);
	return false;
}

/**
 * vmdemo_index_evict_oldest - free the frames of the next victims
 * @pool:    the pool
 * @want:    how many
 * @keep:    the free frame's number goes here, @want is 1; NULL: they go to the free list
 * @how:     what to do with victims that cannot go at once
 * @victims: out: those handed over, each with a reference: at most VMDEMO_EVICT_BATCH
 * @nr:      out: how many victims
 *
 * The common case of eviction, clean pages that nobody uses, under one hold of the pool lock.
 * Takes the pool lock, does not sleep. Returns how many frames are free now.
 */
u32 vmdemo_index_evict_oldest(struct vmdemo_pool *pool, u32 want, u32 *keep,
			      enum vmdemo_slow how, struct folio **victims, u32 *nr)
{
	u32 frame, next, looked = 0, freed = 0, written = 0;
	struct folio *gone = NULL;

	*nr = 0;
	spin_lock(&pool->lock);
	for (frame = vmdemo_policy_victim(&pool->policy, VMDEMO_NONE);
	     frame != VMDEMO_NONE && freed < want && looked < VMDEMO_EVICT_LOOK; frame = next) {
		struct folio *folio = vmdemo_frame(pool, frame)->folio;

		looked++;
		next = vmdemo_policy_victim(&pool->policy, frame);
		if (vmdemo_index_evict_idle(pool, folio, frame)) {
			written += !!(vmdemo_frame(pool, frame)->flags & VMDEMO_FRAME_WRITTEN);
			vmdemo_index_leave(pool, folio, frame);
			if (keep)
				*keep = frame;
			else
				vmdemo_free_push(pool, frame, &gone);
			freed++;
		} else if (folio_test_locked(folio) && !vmdemo_frame_writing(pool, frame)) {
			/* Being read, most likely: nobody can say when it may go. */
			continue;
		} else if (how == VMDEMO_SLOW_STOP ||
			   (!vmdemo_frame_writing(pool, frame) &&
			    !(how == VMDEMO_SLOW_CLEAN && folio_test_dirty(folio)))) {
			folio_get(folio);
			victims[(*nr)++] = folio;
			if (how == VMDEMO_SLOW_STOP || *nr == VMDEMO_EVICT_BATCH)
				break;
		}
	}
	spin_unlock(&pool->lock);
	if (!freed)
		return 0;
	vmdemo_stat_add(pool, evictions_dirty, written);
	vmdemo_stat_add(pool, evictions_clean, freed - written);
	atomic_long_add(freed, &pool->progress);
	if (!keep)
		vmdemo_free_finish(pool, gone);
	return freed;
}

/**
 * vmdemo_index_orphan - let go of a page that somebody else holds and will not return
 * @pool:  the pool, one frame smaller afterwards
 * @folio: locked, unmapped, in the index; the caller's reference and lock remain
 * @lost:  incremented if it was dirty; NULL: it is not
 *
 * The page belongs to its holders from now on and is freed by the last. Takes the pool lock, does
 * not sleep.
 */
void vmdemo_index_orphan(struct vmdemo_pool *pool, struct folio *folio, unsigned long *lost)
{
	u32 nr = vmdemo_frame_nr(folio);

	if (folio_test_clear_dirty(folio) && lost)
		(*lost)++;
	vmdemo_dirty_unmark(pool, nr, folio);
	spin_lock(&pool->lock);
	vmdemo_index_forget(pool, nr);
	vmdemo_frame(pool, nr)->folio = NULL;
	pool->nr_frames--;
	pool->policy.nr_frames--;
	spin_unlock(&pool->lock);
	folio->mapping = NULL;
	folio->private = NULL;
	folio_put(folio);
}

/**
 * vmdemo_index_poisoned - the memory of a frame has failed: it is never used again
 * @pool:  the pool, one frame smaller afterwards
 * @folio: locked, in the index, not under writeback; the caller's reference and lock remain
 *
 * What was not on the device is lost: that is counted, and fsync fails once. Its page can be read
 * into another frame. May sleep. Returns whether something was lost.
 */
bool vmdemo_index_poisoned(struct vmdemo_pool *pool, struct folio *folio)
{
	struct address_space *mapping = folio->mapping;
	unsigned long lost = 0;

	unmap_mapping_pages(mapping, folio->index, 1, false);
	/* Now: when the page has left the index its space may go. */
	if (folio_test_dirty(folio))
		mapping_set_error(mapping, -EIO);
	vmdemo_index_orphan(pool, folio, &lost);
	vmdemo_stat_add(pool, pages_lost, lost);
	return lost;
}

/**
 * vmdemo_index_close - let no page of a range into a frame any more
 * @space: the space; its invalidate lock is held for writing
 * @first: first page
 * @nr:    pages; 0: all may come again
 *
 * One range at a time. Pages that are there, or whose read is on its way, stay. Takes the pool
 * lock, does not sleep.
 */
void vmdemo_index_close(struct vmdemo_space *space, pgoff_t first, pgoff_t nr)
{
	spin_lock(&space->pool->lock);
	space->closed_first = first;
	space->closed_nr = nr;
	spin_unlock(&space->pool->lock);
}

/**
 * vmdemo_index_closed - is any page of a range kept out of the frames just now?
 * @space: the space
 * @first: first page
 * @last:  last page
 *
 * Takes the pool lock, does not sleep.
 */
bool vmdemo_index_closed(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	bool closed;

	spin_lock(&space->pool->lock);
	closed = space->closed_nr && first < space->closed_first + space->closed_nr &&
		 last >= space->closed_first;
	spin_unlock(&space->pool->lock);
	return closed;
}
