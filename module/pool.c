// SPDX-License-Identifier: GPL-2.0
/*
 * pool.c - a fixed number of page frames, and which page is in which
 *
 * Owns the frames' pages, the free list, the index and the order of eviction. Does no I/O, unmaps
 * nothing, and waits for nobody: that is reclaim.c's and writeback.c's work.
 *
 * The index is an inverted page table: one hash keyed (space, page) sized by the pool, chained
 * through the frames by number. It allocates nothing on a fault, so a fault cannot fail for want
 * of an index node, and what it takes does not depend on how sparse the pages are. To pop a free
 * frame, check for a duplicate, insert, and enter the order is one section under the pool lock.
 * Lookup runs under RCU. It may meet a chain in motion and end in another one: then it misses, and
 * the insertion that follows finds the duplicate.
 *
 * Frames exist by number, in chunks that never move. Shrinking takes away the high numbers.
 */
#include <linux/hash.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "broken.h"
#include "pool.h"
#include "trace.h"

/* A lookup without the lock gives up after so many hops, and takes the lock. */
#define VMDEMO_MAX_CHAIN	64
#define VMDEMO_LOST		(VMDEMO_NONE - 1)

static u32 vmdemo_pool_hash(u64 key, u32 nr)
{
	return reciprocal_scale(hash_64(key, 32), nr);
}

/* The settings' idea of how many frames to keep free. */
u32 vmdemo_pool_reserve(const struct vmdemo_pool *pool)
{
	u32 reserve = READ_ONCE(pool->set.reserve);
	u32 frames = READ_ONCE(pool->nr_frames);

	if (reserve == VMDEMO_NONE)
		return frames < VMDEMO_SMALL_POOL ? 0 : frames / 32;
	return min(reserve, frames / 2);
}

/* Below this many free frames the reclaim thread starts. */
u32 vmdemo_pool_low(const struct vmdemo_pool *pool)
{
	u32 reserve = vmdemo_pool_reserve(pool);

	return reserve - reserve / 2;
}

/* ---- free list ---- */

/*
 * Give @frame, free (not in the index, its folio locked, no references), back to the free list or,
 * if it is to go, out of the pool. Returns the page to release, if any.
 */
static struct page *vmdemo_pool_push(struct vmdemo_pool *pool, u32 nr)
{
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	struct page *page = frame->page;

	lockdep_assert_held(&pool->lock);
	if (nr >= pool->target) {
		frame->page = NULL;
		pool->nr_frames--;
		pool->policy.nr_frames--;
		return page;
	}
	frame->next = pool->free;
	pool->free = nr;
	pool->nr_free++;
	return NULL;
}

static void vmdemo_pool_release(struct page *page)
{
	if (!page)
		return;
	page->private = 0;
	folio_unlock(page_folio(page));
	set_page_count(page, 1);
	__free_page(page);
}

/* ---- index ---- */

/*
 * Follow a chain. Under the pool lock it is as it is; without, it may be in motion and lead through
 * others: after @most hops the answer is VMDEMO_LOST.
 */
static u32 vmdemo_pool_find(struct vmdemo_pool *pool, const struct vmdemo_buckets *buckets, u64 key,
			    u32 most)
{
	u32 nr = READ_ONCE(buckets->head[vmdemo_pool_hash(key, buckets->nr)]);

	while (nr != VMDEMO_NONE && READ_ONCE(vmdemo_frame(pool, nr)->key) != key) {
		if (!most--)
			return VMDEMO_LOST;
		nr = READ_ONCE(vmdemo_frame(pool, nr)->next);
	}
	return nr;
}

static struct vmdemo_buckets *vmdemo_pool_buckets(struct vmdemo_pool *pool)
{
	return rcu_dereference_protected(pool->buckets, lockdep_is_held(&pool->lock));
}

static void vmdemo_pool_link(struct vmdemo_pool *pool, struct vmdemo_buckets *buckets, u32 nr)
{
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	u32 *head = &buckets->head[vmdemo_pool_hash(frame->key, buckets->nr)];

	WRITE_ONCE(frame->next, *head);
	/* A reader that sees the frame in the chain sees its key. */
	smp_store_release(head, nr);
}

static void vmdemo_pool_unlink(struct vmdemo_pool *pool, u32 nr)
{
	struct vmdemo_buckets *buckets = vmdemo_pool_buckets(pool);
	struct vmdemo_frame *frame = vmdemo_frame(pool, nr);
	u32 *link = &buckets->head[vmdemo_pool_hash(frame->key, buckets->nr)];

	while (*link != nr)
		link = &vmdemo_frame(pool, *link)->next;
	WRITE_ONCE(*link, frame->next);
	WRITE_ONCE(frame->key, VMDEMO_NO_KEY);
}

/* Reference the page in frame @nr if that frame holds page @key, and goes on to hold it. */
static struct folio *vmdemo_pool_try_get(struct vmdemo_pool *pool, u32 nr, u64 key)
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
 * vmdemo_pool_lookup_sure - find a resident page; no race makes it miss
 * @pool: the pool
 * @key:  of the page
 *
 * Returns the folio with a reference, or NULL. Takes the pool lock, does not sleep.
 */
struct folio *vmdemo_pool_lookup_sure(struct vmdemo_pool *pool, u64 key)
{
	struct folio *folio = NULL;
	u32 nr;

	spin_lock(&pool->lock);
	nr = vmdemo_pool_find(pool, vmdemo_pool_buckets(pool), key, U32_MAX);
	if (nr != VMDEMO_NONE)
		folio = vmdemo_pool_try_get(pool, nr, key);
	spin_unlock(&pool->lock);
	return folio;
}

/**
 * vmdemo_pool_lookup - find a resident page
 * @pool: the pool
 * @key:  of the page
 *
 * Returns the folio with a reference, or NULL: it was not there at some moment, or a race was lost;
 * the insertion that follows tells. The caller locks the folio and checks that it still holds the
 * page. Does not sleep.
 */
struct folio *vmdemo_pool_lookup(struct vmdemo_pool *pool, u64 key)
{
	struct folio *folio = NULL;
	u32 nr;

	rcu_read_lock();
	nr = vmdemo_pool_find(pool, rcu_dereference(pool->buckets), key, VMDEMO_MAX_CHAIN);
	if (nr < VMDEMO_LOST)
		folio = vmdemo_pool_try_get(pool, nr, key);
	rcu_read_unlock();
	if (nr == VMDEMO_LOST)
		return vmdemo_pool_lookup_sure(pool, key);
	return folio;
}

/**
 * vmdemo_pool_get_frame - reference the page in a frame
 * @pool:  the pool
 * @frame: number, below pool->top
 *
 * Returns the folio if the frame holds a page now, NULL otherwise. Does not sleep.
 */
struct folio *vmdemo_pool_get_frame(struct vmdemo_pool *pool, u32 frame)
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

static u32 *vmdemo_pool_ghost(struct vmdemo_pool *pool, u64 key)
{
	return &pool->ghosts[vmdemo_pool_hash(key, pool->nr_ghosts)];
}

/* What a ghost remembers of a page: other hash bits than those that chose its place. */
static u32 vmdemo_pool_tag(u64 key)
{
	return hash_64(~key * 31, 32) | 1;
}

/**
 * vmdemo_pool_insert - put a page that is to be filled into a frame
 * @space: whose page
 * @index: which page
 * @spare: a free frame the caller owns, taken first; VMDEMO_NONE: none
 * @hard:  for a hard fault, which may be a refault
 *
 * Returns the folio locked, not up to date, with a reference for the caller; ERR_PTR(-EEXIST) if
 * the page is in the index, ERR_PTR(-EAGAIN) if no frame is free. Wakes the reclaim thread at the
 * low watermark. Takes the pool lock, does not sleep.
 */
struct folio *vmdemo_pool_insert(struct vmdemo_space *space, pgoff_t index, u32 *spare, bool hard)
{
	struct vmdemo_pool *pool = space->pool;
	u64 key = space->key + index;
	struct vmdemo_frame *frame;
	struct folio *folio;
	u32 nr, nr_free;

	spin_lock(&pool->lock);
	if (vmdemo_pool_find(pool, vmdemo_pool_buckets(pool), key, U32_MAX) != VMDEMO_NONE) {
		spin_unlock(&pool->lock);
		return ERR_PTR(-EEXIST);
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
	vmdemo_pool_link(pool, vmdemo_pool_buckets(pool), nr);
	/* The pool's reference and the caller's; from here on others can find it. */
	folio_ref_unfreeze(folio, 2);
	vmdemo_policy_earn(&pool->policy);
	if (hard && *vmdemo_pool_ghost(pool, key) == vmdemo_pool_tag(key))
		vmdemo_stat_inc(pool, refaults);
	pool->policy.ops->insert(&pool->policy, nr);
	trace_vmdemo_policy(pool, "insert", nr);
	spin_unlock(&pool->lock);

	if (nr_free < vmdemo_pool_low(pool) && wq_has_sleeper(&pool->reclaim_wait))
		wake_up(&pool->reclaim_wait);
	return folio;
}

/* The page in frame @nr leaves the index and the order. */
static void vmdemo_pool_forget(struct vmdemo_pool *pool, u32 nr)
{
	u64 key = vmdemo_frame(pool, nr)->key;

	lockdep_assert_held(&pool->lock);
	trace_vmdemo_policy(pool, "forget", nr);
	*vmdemo_pool_ghost(pool, key) = vmdemo_pool_tag(key);
	vmdemo_pool_unlink(pool, nr);
	vmdemo_policy_remove(&pool->policy, nr);
}

/* After the pool lock: release the page of a frame that left the pool, wake who waits. */
static void vmdemo_pool_freed(struct vmdemo_pool *pool, struct page *gone)
{
	if (gone) {
		vmdemo_pool_release(gone);
		wake_up_all(&pool->clean_wait);
	}
	if (wq_has_sleeper(&pool->free_wait))
		wake_up(&pool->free_wait);
}

/**
 * vmdemo_pool_put_free - return a frame that vmdemo_pool_evict() handed over
 * @pool:  the pool
 * @frame: number of the frame; still locked and without references
 *
 * Wakes who waits for a frame. Takes the pool lock, does not sleep.
 */
void vmdemo_pool_put_free(struct vmdemo_pool *pool, u32 frame)
{
	struct page *gone;

	spin_lock(&pool->lock);
	gone = vmdemo_pool_push(pool, frame);
	spin_unlock(&pool->lock);
	vmdemo_pool_freed(pool, gone);
}

/**
 * vmdemo_pool_evict - free the frame of a page that nobody else holds
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
int vmdemo_pool_evict(struct vmdemo_pool *pool, struct folio *folio, u32 *keep,
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
		vmdemo_pool_unmark(pool, nr, folio);
		(*lost)++;
	}
	trace_vmdemo_evict(folio, nr);
	vmdemo_pool_forget(pool, nr);
	folio->mapping = NULL;
	folio->index = 0;
	folio_clear_uptodate(folio);
	folio_clear_referenced(folio);
	folio_clear_active(folio);
	if (keep)
		*keep = nr;
	else
		gone = vmdemo_pool_push(pool, nr);
	spin_unlock(&pool->lock);
	atomic_long_inc(&pool->progress);
	if (!keep)
		vmdemo_pool_freed(pool, gone);
	return 0;
}

/**
 * vmdemo_pool_orphan - let go of a page that somebody else holds and will not return
 * @pool:  the pool, one frame smaller afterwards
 * @folio: locked, unmapped, in the index; the caller's reference and lock remain
 * @lost:  incremented if it was dirty; NULL: it is not
 *
 * The page belongs to its holders from now on and is freed by the last. Takes the pool lock, does
 * not sleep.
 */
void vmdemo_pool_orphan(struct vmdemo_pool *pool, struct folio *folio, unsigned long *lost)
{
	u32 nr = vmdemo_frame_nr(folio);

	if (folio_test_clear_dirty(folio) && lost)
		(*lost)++;
	vmdemo_pool_unmark(pool, nr, folio);
	spin_lock(&pool->lock);
	vmdemo_pool_forget(pool, nr);
	vmdemo_frame(pool, nr)->page = NULL;
	pool->nr_frames--;
	pool->policy.nr_frames--;
	spin_unlock(&pool->lock);
	folio->mapping = NULL;
	folio->private = NULL;
	folio_put(folio);
}

/* ---- order ---- */

/**
 * vmdemo_pool_touch - a page in a frame was referenced
 * @pool:   the pool
 * @frame:  of a folio that the caller has locked
 * @charge: for a soft fault: it uses up credit
 *
 * Takes the pool lock, does not sleep.
 */
void vmdemo_pool_touch(struct vmdemo_pool *pool, u32 frame, bool charge)
{
	spin_lock(&pool->lock);
	if (charge)
		pool->policy.credit--;
	pool->policy.ops->touch(&pool->policy, frame);
	trace_vmdemo_policy(pool, "touch", frame);
	spin_unlock(&pool->lock);
}

/* The evictor found @frame, locked, mapped: does the policy want to keep it? */
bool vmdemo_pool_spare(struct vmdemo_pool *pool, u32 frame)
{
	bool spared;

	spin_lock(&pool->lock);
	spared = pool->policy.ops->spare(&pool->policy, frame);
	trace_vmdemo_policy(pool, "late", frame);
	spin_unlock(&pool->lock);
	return spared;
}

/* @frame, locked, cannot go now (pinned, unwritable): out of the evictor's way. */
void vmdemo_pool_rotate(struct vmdemo_pool *pool, u32 frame)
{
	spin_lock(&pool->lock);
	vmdemo_policy_move(&pool->policy, frame, VMDEMO_LIST_ACTIVE);
	trace_vmdemo_policy(pool, "rotate", frame);
	spin_unlock(&pool->lock);
}

/* @frame, locked and unmapped, goes to standby, unless it was touched meanwhile. */
void vmdemo_pool_demote(struct vmdemo_pool *pool, u32 frame)
{
	spin_lock(&pool->lock);
	if (vmdemo_policy_where(&pool->policy, frame) == VMDEMO_LIST_ACTIVE) {
		vmdemo_policy_move(&pool->policy, frame, VMDEMO_LIST_STANDBY);
		trace_vmdemo_policy(pool, "demote", frame);
	}
	spin_unlock(&pool->lock);
}

enum vmdemo_list_id vmdemo_pool_where(struct vmdemo_pool *pool, u32 frame)
{
	enum vmdemo_list_id id;

	spin_lock(&pool->lock);
	id = vmdemo_policy_where(&pool->policy, frame);
	spin_unlock(&pool->lock);
	return id;
}

/* The frame the policy wants on standby next, with a reference, or NULL. */
struct folio *vmdemo_pool_demotable(struct vmdemo_pool *pool)
{
	struct folio *folio = NULL;
	u32 nr;

	spin_lock(&pool->lock);
	nr = pool->policy.ops->demotable(&pool->policy, pool->nr_free);
	if (nr != VMDEMO_NONE) {
		folio = page_folio(vmdemo_frame(pool, nr)->page);
		folio_get(folio);
	}
	spin_unlock(&pool->lock);
	return folio;
}

/* The next @nr victims in order, without references: look each up by vmdemo_pool_get_frame(). */
u32 vmdemo_pool_victims(struct vmdemo_pool *pool, u32 *frames, u32 nr)
{
	u32 frame = VMDEMO_NONE;
	u32 i;

	spin_lock(&pool->lock);
	for (i = 0; i < nr; i++) {
		frame = vmdemo_policy_victim(&pool->policy, frame);
		if (frame == VMDEMO_NONE)
			break;
		frames[i] = frame;
	}
	spin_unlock(&pool->lock);
	return i;
}

/* Switch to another policy; it starts from the present order. */
void vmdemo_pool_set_policy(struct vmdemo_pool *pool, const struct vmdemo_policy_ops *ops)
{
	spin_lock(&pool->lock);
	vmdemo_policy_switch(&pool->policy, ops);
	spin_unlock(&pool->lock);
}

/* ---- what is not on the device yet ---- */

/**
 * vmdemo_pool_mark - a frame has become dirty
 * @pool:  the pool
 * @frame: its number; the caller has set the folio's dirty flag
 *
 * Any context: it is called under the PTE lock.
 */
void vmdemo_pool_mark(struct vmdemo_pool *pool, u32 frame)
{
	struct vmdemo_chunk *chunk = pool->chunks[frame >> VMDEMO_CHUNK_SHIFT];

	if (test_and_set_bit(frame & (VMDEMO_CHUNK_FRAMES - 1), chunk->unwritten))
		return;
	if (atomic_inc_return(&pool->nr_unwritten) == 1 && READ_ONCE(pool->set.dirty_age_ms))
		queue_delayed_work(pool->flusher, &pool->flush_work, vmdemo_pool_flush_delay(pool));
}

/**
 * vmdemo_pool_unmark - what a frame held is on the device, or given up
 * @pool:  the pool
 * @frame: its number
 * @folio: its folio, still ours (under writeback or locked)
 *
 * The order against the dirty flag: a writer sets the flag, then the bit; here the bit goes first
 * and the flag is read after, so a page dirtied meanwhile keeps its bit. Any context.
 */
void vmdemo_pool_unmark(struct vmdemo_pool *pool, u32 frame, struct folio *folio)
{
	struct vmdemo_chunk *chunk = pool->chunks[frame >> VMDEMO_CHUNK_SHIFT];
	u32 bit = frame & (VMDEMO_CHUNK_FRAMES - 1);

	/* Dirty again already, or all the while: it remains as it is. */
	if (folio_test_dirty(folio))
		return;
	if (test_bit(bit, chunk->aged))
		clear_bit(bit, chunk->aged);
	if (!test_and_clear_bit(bit, chunk->unwritten))
		return;
	atomic_dec(&pool->nr_unwritten);
	if (folio_test_dirty(folio))
		vmdemo_pool_mark(pool, frame);
	if (wq_has_sleeper(&pool->clean_wait))
		wake_up_all(&pool->clean_wait);
}

/* The first unwritten frame from @frame on, or VMDEMO_NONE. A snapshot. */
u32 vmdemo_pool_next_unwritten(struct vmdemo_pool *pool, u32 frame)
{
	u32 top = READ_ONCE(pool->top);

	while (frame < top) {
		struct vmdemo_chunk *chunk = pool->chunks[frame >> VMDEMO_CHUNK_SHIFT];
		u32 bit = find_next_bit(chunk->unwritten, VMDEMO_CHUNK_FRAMES,
					frame & (VMDEMO_CHUNK_FRAMES - 1));

		frame = (frame & ~(VMDEMO_CHUNK_FRAMES - 1)) + bit;
		if (bit < VMDEMO_CHUNK_FRAMES)
			return frame;
	}
	return VMDEMO_NONE;
}

static bool vmdemo_pool_unwritten(struct vmdemo_pool *pool, u32 frame)
{
	return test_bit(frame & (VMDEMO_CHUNK_FRAMES - 1),
			pool->chunks[frame >> VMDEMO_CHUNK_SHIFT]->unwritten);
}

/* ---- walking a range ---- */

/**
 * vmdemo_walk_init - prepare to visit the resident pages of a range
 * @walk:      the walk
 * @space:     of which space
 * @first:     first page
 * @last:      last page, at least @first
 * @unwritten: only those whose data is not on the device
 *
 * Small ranges are looked up page by page, in order; large ones are found by going through the
 * frames, in any order. Every page that is resident all the while is visited.
 */
void vmdemo_walk_init(struct vmdemo_walk *walk, struct vmdemo_space *space, pgoff_t first,
		      pgoff_t last, bool unwritten)
{
	u32 cost = READ_ONCE(space->pool->top) / (unwritten ? BITS_PER_LONG : 1);

	walk->space = space;
	walk->first = first;
	walk->last = last;
	walk->unwritten = unwritten;
	walk->by_frame = last - first >= cost;
	walk->pos = walk->by_frame ? 0 : first;
}

static struct folio *vmdemo_walk_next_frame(struct vmdemo_walk *walk)
{
	struct vmdemo_space *space = walk->space;
	struct vmdemo_pool *pool = space->pool;

	for (; walk->pos < READ_ONCE(pool->top); walk->pos++) {
		struct folio *folio;
		u64 key;

		if (walk->unwritten) {
			walk->pos = vmdemo_pool_next_unwritten(pool, walk->pos);
			if (walk->pos == VMDEMO_NONE)
				break;
		}
		key = READ_ONCE(vmdemo_frame(pool, walk->pos)->key);
		if (key < space->key + walk->first || key > space->key + walk->last)
			continue;
		folio = vmdemo_pool_get_frame(pool, walk->pos);
		if (!folio)
			continue;
		walk->pos++;
		return folio;
	}
	return NULL;
}

/**
 * vmdemo_walk_next - the next page of a walk
 * @walk: the walk
 *
 * Returns a folio with a reference, or NULL at the end. It may have become another page's:
 * lock it and check that its mapping is the space's and its index in the range. May sleep.
 */
struct folio *vmdemo_walk_next(struct vmdemo_walk *walk)
{
	struct vmdemo_pool *pool = walk->space->pool;

	cond_resched();
	if (walk->by_frame)
		return vmdemo_walk_next_frame(walk);
	while (walk->pos <= walk->last) {
		struct folio *folio = vmdemo_pool_lookup_sure(pool, walk->space->key + walk->pos);

		walk->pos++;
		if (!folio)
			continue;
		if (!walk->unwritten || vmdemo_pool_unwritten(pool, vmdemo_frame_nr(folio)))
			return folio;
		folio_put(folio);
	}
	return NULL;
}

/* ---- size ---- */

/* Give frame number @nr, which does not exist, a page. May sleep. Returns 0 or -ENOMEM. */
int vmdemo_pool_add_page(struct vmdemo_pool *pool, u32 nr)
{
	struct page *page = alloc_page(GFP_HIGHUSER | __GFP_ZERO | __GFP_RETRY_MAYFAIL |
				       __GFP_NOWARN);

	if (!page)
		return -ENOMEM;
	/* Free frames are locked and have no references: see frame.h. */
	folio_lock(page_folio(page));
	/* Who speculates on what the page was before may hold it for an instant. */
	while (!folio_ref_freeze(page_folio(page), 1))
		cpu_relax();
	page->private = nr;
	spin_lock(&pool->lock);
	vmdemo_frame(pool, nr)->page = page;
	pool->nr_frames++;
	pool->policy.nr_frames++;
	vmdemo_pool_push(pool, nr);
	spin_unlock(&pool->lock);
	return 0;
}

static int vmdemo_pool_add_chunks(struct vmdemo_pool *pool, u32 frames)
{
	u32 i, nr = DIV_ROUND_UP(frames, VMDEMO_CHUNK_FRAMES);

	for (i = 0; i < nr; i++) {
		struct vmdemo_chunk *chunk;
		u32 j;

		if (pool->chunks[i])
			continue;
		chunk = kvzalloc(sizeof(*chunk), GFP_KERNEL);
		if (!chunk)
			return -ENOMEM;
		for (j = 0; j < VMDEMO_CHUNK_FRAMES; j++)
			chunk->frames[j].key = VMDEMO_NO_KEY;
		/* Before the frames in it are published by pool->top or the index. */
		smp_store_release(&pool->chunks[i], chunk);
	}
	return 0;
}

/* Tables sized by the pool; all or none are replaced. */
struct vmdemo_tables {
	struct vmdemo_buckets *buckets;
	struct vmdemo_node *nodes;
	u32 *ghosts;
};

static void vmdemo_pool_free_tables(struct vmdemo_tables *tables)
{
	kvfree(tables->nodes);
	kvfree(tables->ghosts);
	kvfree(tables->buckets);
}

static int vmdemo_pool_alloc_tables(struct vmdemo_tables *tables, u32 nr)
{
	u32 i;

	tables->buckets = kvmalloc(struct_size(tables->buckets, head, nr), GFP_KERNEL);
	tables->nodes = kvcalloc(nr, sizeof(*tables->nodes), GFP_KERNEL);
	tables->ghosts = kvcalloc(nr, sizeof(*tables->ghosts), GFP_KERNEL);
	if (!tables->buckets || !tables->nodes || !tables->ghosts) {
		vmdemo_pool_free_tables(tables);
		return -ENOMEM;
	}
	tables->buckets->nr = nr;
	for (i = 0; i < nr; i++)
		tables->buckets->head[i] = VMDEMO_NONE;
	return 0;
}

/* Move everything to tables for @nr frames, more than there were. */
static void vmdemo_pool_swap_tables(struct vmdemo_pool *pool, struct vmdemo_tables *tables, u32 nr)
{
	struct vmdemo_tables old;
	u32 i;

	spin_lock(&pool->lock);
	old.buckets = vmdemo_pool_buckets(pool);
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
			vmdemo_pool_link(pool, tables->buckets, i);
	}
	rcu_assign_pointer(pool->buckets, tables->buckets);
	/* Who sees the number sees the chunks. */
	smp_store_release(&pool->top, nr);
	spin_unlock(&pool->lock);
	if (old.buckets)
		synchronize_rcu();
	vmdemo_pool_free_tables(&old);
}

static int vmdemo_pool_grow(struct vmdemo_pool *pool, u32 frames)
{
	struct vmdemo_tables tables;
	u32 nr;
	int err;

	if (frames > pool->top) {
		err = vmdemo_pool_add_chunks(pool, frames);
		if (!err)
			err = vmdemo_pool_alloc_tables(&tables, frames);
		if (err)
			return err;
		vmdemo_pool_swap_tables(pool, &tables, frames);
	}
	for (nr = 0; nr < frames; nr++) {
		if (READ_ONCE(vmdemo_frame(pool, nr)->page))
			continue;
		err = vmdemo_pool_add_page(pool, nr);
		if (err)
			return err;
		cond_resched();
	}
	wake_up_all(&pool->free_wait);
	return 0;
}

/* Frames that are to go and are free go now. */
static void vmdemo_pool_trim_free(struct vmdemo_pool *pool)
{
	struct page *page, *gone = NULL;
	u32 nr, next;

	spin_lock(&pool->lock);
	nr = pool->free;
	pool->free = VMDEMO_NONE;
	WRITE_ONCE(pool->nr_free, 0);
	for (; nr != VMDEMO_NONE; nr = next) {
		next = vmdemo_frame(pool, nr)->next;
		page = vmdemo_pool_push(pool, nr);
		if (page) {
			page->lru.next = (struct list_head *)gone;
			gone = page;
		}
	}
	spin_unlock(&pool->lock);
	while (gone) {
		page = gone;
		gone = (struct page *)page->lru.next;
		vmdemo_pool_release(page);
	}
}

/**
 * vmdemo_pool_resize - set the number of frames
 * @pool:   the pool
 * @frames: how many there are to be, at most pool->max_frames
 *
 * Grows at once; shrinks by what is free, the rest is the reclaim thread's work and goes as it is
 * freed. Callers are serialised. May sleep. Returns 0, or -ENOMEM with as many frames as could be
 * had.
 */
int vmdemo_pool_resize(struct vmdemo_pool *pool, u32 frames)
{
	u32 target;
	int err;

	spin_lock(&pool->lock);
	target = pool->target;
	pool->target = frames;
	spin_unlock(&pool->lock);
	if (frames > target) {
		err = vmdemo_pool_grow(pool, frames);
		if (err) {
			spin_lock(&pool->lock);
			pool->target = target;
			spin_unlock(&pool->lock);
			vmdemo_pool_trim_free(pool);
			wake_up(&pool->reclaim_wait);
			return err;
		}
		return 0;
	}
	vmdemo_pool_trim_free(pool);
	return 0;
}

/* The next frame that is to go and holds a page, from number @from on; *@folio is referenced. */
u32 vmdemo_pool_excess(struct vmdemo_pool *pool, u32 from, struct folio **folio)
{
	u32 nr;

	for (nr = max(from, READ_ONCE(pool->target)); nr < READ_ONCE(pool->top); nr++) {
		*folio = vmdemo_pool_get_frame(pool, nr);
		if (*folio)
			return nr;
	}
	return VMDEMO_NONE;
}

/**
 * vmdemo_pool_create - a pool without frames
 *
 * May sleep. Returns the pool or ERR_PTR(-ENOMEM). vmdemo_pool_resize() gives it frames.
 */
struct vmdemo_pool *vmdemo_pool_create(void)
{
	struct vmdemo_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);

	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->max_frames = min_t(unsigned long, totalram_pages() / 2, VMDEMO_NONE);
	pool->stats = alloc_percpu(struct vmdemo_stats);
	pool->chunks = kvcalloc(DIV_ROUND_UP(pool->max_frames, VMDEMO_CHUNK_FRAMES),
				sizeof(*pool->chunks), GFP_KERNEL);
	if (!pool->stats || !pool->chunks) {
		vmdemo_pool_destroy(pool);
		return ERR_PTR(-ENOMEM);
	}
	spin_lock_init(&pool->lock);
	mutex_init(&pool->reclaim_lock);
	init_waitqueue_head(&pool->reclaim_wait);
	init_waitqueue_head(&pool->free_wait);
	init_waitqueue_head(&pool->clean_wait);
	pool->free = VMDEMO_NONE;
	vmdemo_policy_init(&pool->policy, &vmdemo_policy_lru, NULL, 0);
	pool->policy.standby_pct = VMDEMO_STANDBY_PCT;
	pool->policy.demote_pages = 16;
	pool->set.reserve = VMDEMO_NONE;
	pool->set.read_ahead_pages = 64;
	pool->set.dirty_pct = 80;
	pool->set.dirty_age_ms = 5000;
	pool->retry_at = jiffies - VMDEMO_CAUTION;
	return pool;
}

/**
 * vmdemo_pool_destroy - free a pool whose frames are all free, or that has none
 * @pool: the pool; nobody uses it any more
 */
void vmdemo_pool_destroy(struct vmdemo_pool *pool)
{
	struct vmdemo_tables tables = { .nodes = pool->policy.nodes, .ghosts = pool->ghosts };
	u32 i;

	if (pool->chunks && pool->top) {
		vmdemo_pool_resize(pool, 0);
		WARN_ON_ONCE(pool->nr_frames);
	}
	for (i = 0; pool->chunks && i < DIV_ROUND_UP(pool->max_frames, VMDEMO_CHUNK_FRAMES); i++)
		kvfree(pool->chunks[i]);
	tables.buckets = rcu_dereference_protected(pool->buckets, true);
	vmdemo_pool_free_tables(&tables);
	kvfree(pool->chunks);
	free_percpu(pool->stats);
	kfree(pool);
}
