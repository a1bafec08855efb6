// SPDX-License-Identifier: GPL-2.0
/*
 * index.c - which page is in which frame
 *
 * The index is an inverted page table: one hash keyed (space, page) sized by the pool, chained
 * through the frames by number. It allocates nothing on a fault, so a fault cannot fail for want
 * of an index node, and what it takes does not depend on how sparse the pages are. To pop a free
 * frame, check for a duplicate, insert, and enter the order is one section under the pool lock.
 * Lookup runs under RCU. It may meet a chain in motion and end in another one: then it misses, and
 * the insertion that follows finds the duplicate. Who inserts nothing looks up under the lock.
 */
#include <linux/hash.h>
#include <linux/slab.h>

#include "broken.h"
#include "dirty.h"
#include "freelist.h"
#include "index.h"
#include "trace.h"

/* A lookup without the lock gives up after so many hops, and takes the lock. */
#define VMDEMO_MAX_CHAIN	64
#define VMDEMO_LOST		(VMDEMO_NONE - 1)

static u32 vmdemo_index_hash(u64 key, u32 nr)
{
	return reciprocal_scale(hash_64(key, 32), nr);
}

/*
 * Follow a chain. Under the pool lock it is as it is; without, it may be in motion and lead through
 * others: after @most hops the answer is VMDEMO_LOST.
 */
static u32 vmdemo_index_find(struct vmdemo_pool *pool, const struct vmdemo_buckets *buckets,
			     u64 key, u32 most)
{
	u32 nr = READ_ONCE(buckets->head[vmdemo_index_hash(key, buckets->nr)]);

	while (nr != VMDEMO_NONE && READ_ONCE(vmdemo_frame(pool, nr)->key) != key) {
		if (!most--)
			return VMDEMO_LOST;
		nr = READ_ONCE(vmdemo_frame(pool, nr)->next);
	}
	return nr;
}

static struct vmdemo_buckets *vmdemo_index_buckets(struct vmdemo_pool *pool)
{
	return rcu_dereference_protected(pool->buckets, lockdep_is_held(&pool->lock));
}

static void vmdemo_index_link(struct vmdemo_pool *pool, struct vmdemo_buckets *buckets, u32 nr)
{
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	u32 *head = &buckets->head[vmdemo_index_hash(frame->key, buckets->nr)];

	WRITE_ONCE(frame->next, *head);
	/* A reader that sees the frame in the chain sees its key. */
	smp_store_release(head, nr);
}

static void vmdemo_index_unlink(struct vmdemo_pool *pool, u32 nr)
{
	struct vmdemo_buckets *buckets = vmdemo_index_buckets(pool);
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	u32 *link = &buckets->head[vmdemo_index_hash(frame->key, buckets->nr)];

	while (*link != nr)
		link = &vmdemo_frame(pool, *link)->next;
	WRITE_ONCE(*link, frame->next);
	WRITE_ONCE(frame->key, VMDEMO_NO_KEY);
}

/* Reference the page in frame @nr if that frame holds page @key, and goes on to hold it. */
static struct folio *vmdemo_index_try_get(struct vmdemo_pool *pool, u32 nr, u64 key)
{
	struct page *page = READ_ONCE(vmdemo_frame(pool, nr)->page);
	struct folio *folio = page ? page_folio(page) : NULL;

	if (VMDEMO_NO_RECHECK)
		vmdemo_broken_widen_atomic();
	/* The frame may go just now, and its page with it: then there is no reference to be had. */
	if (!folio || !folio_try_get(folio))
		return NULL;
	/* With a reference it stays where it is, if it was there still. */
	if ((READ_ONCE(vmdemo_frame(pool, nr)->key) == key &&
	     READ_ONCE(vmdemo_frame(pool, nr)->page) == page) || VMDEMO_NO_RECHECK)
		return folio;
	folio_put(folio);
	return NULL;
}

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
	nr = vmdemo_index_find(pool, vmdemo_index_buckets(pool), key, U32_MAX);
	if (nr != VMDEMO_NONE)
		folio = vmdemo_index_try_get(pool, nr, key);
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
	nr = vmdemo_index_find(pool, rcu_dereference(pool->buckets), key, VMDEMO_MAX_CHAIN);
	if (nr < VMDEMO_LOST)
		folio = vmdemo_index_try_get(pool, nr, key);
	rcu_read_unlock();
	if (nr == VMDEMO_LOST)
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
		folio = page_folio(vmdemo_frame(pool, frame)->page);
		folio_get(folio);
	}
	spin_unlock(&pool->lock);
	return folio;
}

static u32 *vmdemo_index_ghost(struct vmdemo_pool *pool, u64 key)
{
	return &pool->ghosts[vmdemo_index_hash(key, pool->nr_ghosts)];
}

/* What a ghost remembers of a page: other hash bits than those that chose its place. */
static u32 vmdemo_index_tag(u64 key)
{
	return hash_64(~key * 31, 32) | 1;
}

/**
 * vmdemo_index_insert - put a page that is to be filled into a frame
 * @space: whose page
 * @index: which page
 * @spare: a free frame the caller owns, taken first; VMDEMO_NONE: none
 * @hard:  for a hard fault, which may be a refault
 *
 * Returns the folio locked, not up to date, with a reference for the caller; ERR_PTR(-EEXIST) if
 * the page is in the index, ERR_PTR(-EBUSY) if it is being discarded, ERR_PTR(-EAGAIN) if no frame
 * is free. Wakes the reclaim thread at the
 * low watermark. Takes the pool lock, does not sleep.
 */
struct folio *vmdemo_index_insert(struct vmdemo_space *space, pgoff_t index, u32 *spare, bool hard)
{
	struct vmdemo_pool *pool = space->pool;
	u64 key = space->key + index;
	struct vmdemo_frame *frame;
	struct folio *folio;
	u32 nr, nr_free;

	spin_lock(&pool->lock);
	if (vmdemo_index_find(pool, vmdemo_index_buckets(pool), key, U32_MAX) != VMDEMO_NONE) {
		spin_unlock(&pool->lock);
		return ERR_PTR(-EEXIST);
	}
	if (unlikely(index - space->closed_first < space->closed_nr)) {
		spin_unlock(&pool->lock);
		return ERR_PTR(-EBUSY);
	}
	nr = *spare;
	if (nr != VMDEMO_NONE) {
		*spare = VMDEMO_NONE;
	} else if (pool->nr_free) {
		nr = pool->free;
		pool->free = vmdemo_frame(pool, nr)->next;
		WRITE_ONCE(pool->nr_free, pool->nr_free - 1);
	} else {
		spin_unlock(&pool->lock);
		return ERR_PTR(-EAGAIN);
	}
	nr_free = pool->nr_free;
	frame = vmdemo_frame(pool, nr);
	folio = page_folio(frame->page);
	frame->key = key;
	frame->flags = 0;
	folio->mapping = space->inode->i_mapping;
	folio->index = index;
	vmdemo_index_link(pool, vmdemo_index_buckets(pool), nr);
	/* The pool's reference and the caller's; from here on others can find it. */
	folio_ref_unfreeze(folio, 2);
	vmdemo_policy_earn(&pool->policy);
	if (hard && *vmdemo_index_ghost(pool, key) == vmdemo_index_tag(key))
		vmdemo_stat_inc(pool, refaults);
	pool->policy.ops->insert(&pool->policy, nr);
	trace_vmdemo_policy(pool, "insert", nr);
	spin_unlock(&pool->lock);

	if (nr_free < vmdemo_free_low(pool) && wq_has_sleeper(&pool->reclaim_wait))
		wake_up(&pool->reclaim_wait);
	return folio;
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
	u32 n, nr, ahead = 0;

	spin_lock(&pool->lock);
	for (n = 0; n < most; n++) {
		struct vmdemo_frame *frame;
		struct folio *folio;

		nr = vmdemo_index_find(pool, vmdemo_index_buckets(pool), space->key + first + n,
				       U32_MAX);
		if (nr == VMDEMO_NONE)
			break;
		frame = vmdemo_frame(pool, nr);
		folio = page_folio(frame->page);
		if (!folio_trylock(folio))
			break;
		if (!folio_test_uptodate(folio) || PageHWPoison(frame->page) ||
		    (frame->flags & VMDEMO_FRAME_FRESH) || (write && folio_test_writeback(folio))) {
			folio_unlock(folio);
			break;
		}
		folio_get(folio);
		ahead += !!(frame->flags & VMDEMO_FRAME_AHEAD);
		frame->flags = 0;
		pool->policy.ops->touch(&pool->policy, nr);
		trace_vmdemo_policy(pool, "touch", nr);
		pages[n] = frame->page;
	}
	spin_unlock(&pool->lock);
	vmdemo_stat_add(pool, readahead_used, ahead);
	return n;
}

/* The page in frame @nr leaves the index and the order. */
static void vmdemo_index_forget(struct vmdemo_pool *pool, u32 nr)
{
	u64 key = vmdemo_frame(pool, nr)->key;

	lockdep_assert_held(&pool->lock);
	trace_vmdemo_policy(pool, "forget", nr);
	*vmdemo_index_ghost(pool, key) = vmdemo_index_tag(key);
	vmdemo_index_unlink(pool, nr);
	vmdemo_policy_remove(&pool->policy, nr);
}

/* The page in frame @nr is gone: nobody has a reference, its folio is locked. */
static void vmdemo_index_leave(struct vmdemo_pool *pool, struct folio *folio, u32 nr)
{
	trace_vmdemo_evict(folio, nr);
	vmdemo_index_forget(pool, nr);
	folio->mapping = NULL;
	folio->index = 0;
	/* Not atomic: without a reference nobody touches them. */
	folio->flags &= ~(BIT(PG_uptodate) | BIT(PG_referenced) | BIT(PG_active));
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
	struct page *gone = NULL;

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

/*
 * Take the page in frame @nr out if that needs no more than the pool lock: nobody has it mapped,
 * locked or referenced, and it is clean. The order is that of vmdemo_index_evict().
 */
static bool vmdemo_index_evict_idle(struct vmdemo_pool *pool, struct folio *folio, u32 nr)
{
	const unsigned long busy = BIT(PG_dirty) | BIT(PG_writeback) | BIT(PG_hwpoison);

	/* The pool's reference and no other: so it is not mapped either. */
	if (VMDEMO_BROKEN || (READ_ONCE(folio->flags) & busy) || folio_ref_count(folio) != 1 ||
	    !folio_trylock(folio))
		return false;
	if (folio_ref_freeze(folio, 1)) {
		if (!(READ_ONCE(folio->flags) & busy))
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
 * @skip:    flags of folios to pass over; 0: none, and stop at the first that cannot go at once
 * @victims: out: other victims that cannot go at once, each with a reference: at most
 *           VMDEMO_EVICT_BATCH
 * @nr:      out: how many victims
 *
 * The common case of eviction, clean pages that nobody uses, under one hold of the pool lock.
 * Takes the pool lock, does not sleep. Returns how many frames are free now.
 */
u32 vmdemo_index_evict_oldest(struct vmdemo_pool *pool, u32 want, u32 *keep,
			      unsigned long skip, struct folio **victims, u32 *nr)
{
	u32 frame, next, looked = 0, freed = 0, written = 0;
	struct page *gone = NULL;

	*nr = 0;
	spin_lock(&pool->lock);
	for (frame = vmdemo_policy_victim(&pool->policy, VMDEMO_NONE);
	     frame != VMDEMO_NONE && freed < want && looked < VMDEMO_EVICT_LOOK; frame = next) {
		struct folio *folio = page_folio(vmdemo_frame(pool, frame)->page);

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
		} else if (!(folio->flags & skip)) {
			folio_get(folio);
			victims[(*nr)++] = folio;
			if (!skip || *nr == VMDEMO_EVICT_BATCH)
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
	vmdemo_frame(pool, nr)->page = NULL;
	pool->nr_frames--;
	pool->policy.nr_frames--;
	spin_unlock(&pool->lock);
	folio->mapping = NULL;
	folio->private = NULL;
	folio_put(folio);
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

/* ---- size ---- */

/* Tables sized by the pool; all or none are replaced. */
struct vmdemo_tables {
	struct vmdemo_buckets *buckets;
	struct vmdemo_node *nodes;
	u32 *ghosts;
};

static void vmdemo_index_free_tables(struct vmdemo_tables *tables)
{
	kvfree(tables->nodes);
	kvfree(tables->ghosts);
	kvfree(tables->buckets);
}

static int vmdemo_index_alloc_tables(struct vmdemo_tables *tables, u32 nr)
{
	u32 i;

	tables->buckets = kvmalloc(struct_size(tables->buckets, head, nr), GFP_KERNEL);
	tables->nodes = kvcalloc(nr, sizeof(*tables->nodes), GFP_KERNEL);
	tables->ghosts = kvcalloc(nr, sizeof(*tables->ghosts), GFP_KERNEL);
	if (!tables->buckets || !tables->nodes || !tables->ghosts) {
		vmdemo_index_free_tables(tables);
		return -ENOMEM;
	}
	tables->buckets->nr = nr;
	for (i = 0; i < nr; i++)
		tables->buckets->head[i] = VMDEMO_NONE;
	return 0;
}

/* Move everything to tables for @nr frames, more than there were. */
static void vmdemo_index_swap_tables(struct vmdemo_pool *pool, struct vmdemo_tables *tables, u32 nr)
{
	struct vmdemo_tables old;
	u32 i;

	spin_lock(&pool->lock);
	old.buckets = vmdemo_index_buckets(pool);
	old.nodes = pool->policy.nodes;
	old.ghosts = pool->ghosts;
	if (pool->policy.nr_nodes)
		memcpy(tables->nodes, old.nodes, pool->policy.nr_nodes * sizeof(*old.nodes));
	pool->policy.nodes = tables->nodes;
	pool->policy.nr_nodes = nr;
	pool->ghosts = tables->ghosts;
	pool->nr_ghosts = nr;
	for (i = 0; i < pool->top; i++) {
		if (vmdemo_frame(pool, i)->key != VMDEMO_NO_KEY)
			vmdemo_index_link(pool, tables->buckets, i);
	}
	rcu_assign_pointer(pool->buckets, tables->buckets);
	/* Who sees the number sees the chunks. */
	smp_store_release(&pool->top, nr);
	spin_unlock(&pool->lock);
	if (old.buckets)
		synchronize_rcu();
	vmdemo_index_free_tables(&old);
}

/**
 * vmdemo_index_grow - make room for more frames
 * @pool: the pool; its chunks are there
 * @nr:   frames there can be, more than before
 *
 * May sleep. Returns 0 or -ENOMEM, and nothing has changed.
 */
int vmdemo_index_grow(struct vmdemo_pool *pool, u32 nr)
{
	struct vmdemo_tables tables;
	int err = vmdemo_index_alloc_tables(&tables, nr);

	if (!err)
		vmdemo_index_swap_tables(pool, &tables, nr);
	return err;
}

/**
 * vmdemo_index_free - free the tables
 * @pool: the pool; nobody uses it any more
 */
void vmdemo_index_free(struct vmdemo_pool *pool)
{
	struct vmdemo_tables tables = {
		.buckets = rcu_dereference_protected(pool->buckets, true),
		.nodes = pool->policy.nodes,
		.ghosts = pool->ghosts,
	};

	vmdemo_index_free_tables(&tables);
}
