// SPDX-License-Identifier: GPL-2.0
/*
 * index.c - which page is in which frame
 *
 * The index is an inverted page table: a hash (hash.h) of the pages that are in frames. It
 * allocates nothing on a fault, so a fault cannot fail for want of an index node, and what it takes
 * does not depend on how sparse the pages are. To pop a free frame, check for a duplicate, insert,
 * and enter the order is one section under the pool lock. A lookup walks a chain under RCU
 * only, and takes its reference afterwards. It may meet a chain in motion and end in another one:
 * then it misses, and the insertion that follows finds the duplicate. A caller that inserts nothing
 * looks up under the lock.
 */
#include "dirty.h"
#include "freelist.h"
#include "hash.h"
#include "index.h"
#include "segment.h"
#include "trace.h"

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
	if (frame < pool->top && vmdemo_frame(pool, frame)->node.list != VMDEMO_LIST_NONE) {
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
 * vmdemo_index_sample - are there others in frames around a page?
 * @space:  the space
 * @index:  the page
 * @span:   a power of two: how long the aligned range is that they are looked for in
 * @looks:  at how many pages to look
 * @enough: stop when this many are found
 *
 * A hint. Needs no lock, does not sleep. Returns how many were found.
 */
u32 vmdemo_index_sample(struct vmdemo_space *space, pgoff_t index, u32 span, u32 looks, u32 enough)
{
	struct vmdemo_pool *pool = space->pool;
	u64 first = space->key + round_down(index, span);
	struct vmdemo_buckets *buckets;
	/* The golden ratio, odd: evenly spread, and no stride of a program is the same. */
	u32 step = (u32)(((u64)span * 0x9e3779b9) >> 32) | 1;
	u32 at = index, found = 0;

	rcu_read_lock();
	buckets = rcu_dereference(pool->buckets);
	while (looks-- && found < enough) {
		u64 key;

		at = (at + step) & (span - 1);
		key = first + at;
		found += vmdemo_hash_find(pool, vmdemo_hash_bucket(buckets, key), key,
					  VMDEMO_MAX_CHAIN) < VMDEMO_HASH_LOST;
	}
	rcu_read_unlock();
	return found;
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
	else if (vmdemo_frame(pool, nr)->node.list == VMDEMO_LIST_STANDBY)
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
	struct folio *folio = READ_ONCE(vmdemo_frame(pool, frame)->folio);
	bool pinned;

	/*
	 * Most are not, and a program may ask for all of them: no lock for these. Without it the
	 * page may have any owner by now, so nothing but its counts is looked at.
	 */
	if (!folio || folio_ref_count(folio) <= atomic_read(&folio->_mapcount) + 2)
		return false;
	spin_lock(&pool->lock);
	pinned = frame < pool->top &&
		 vmdemo_frame(pool, frame)->node.list != VMDEMO_LIST_NONE &&
		 vmdemo_folio_pinned(vmdemo_frame(pool, frame)->folio, 0);
	spin_unlock(&pool->lock);
	return pinned;
}

/*
 * Free frame @nr takes page @key, which belongs in @bucket: from here on others can find it. Its
 * folio is locked and gets @refs references, the pool's among them.
 */
static __always_inline struct folio *
vmdemo_index_enter(struct vmdemo_space *space, u64 key, struct vmdemo_bucket *bucket,
		   struct vmdemo_frame *frame, u32 flags, int refs)
{
	struct vmdemo_pool *pool = space->pool;
	struct folio *folio = frame->folio;
	u32 nr = vmdemo_frame_nr(folio);

	WRITE_ONCE(frame->key, key);
	frame->flags = flags;
	folio->mapping = space->inode->i_mapping;
	folio->index = key - space->key;
	if (space->swap)
		folio_set_swapbacked(folio);
	vmdemo_hash_link(bucket, frame, nr);
	/* A release: vmdemo_index_get_page() gets a reference, and then sees all of this. */
	folio_ref_unfreeze(folio, refs);
	vmdemo_policy_earn(&pool->policy);
	vmdemo_policy_insert(&pool->policy, &frame->node, vmdemo_hash_recalls(bucket, key));
	if (trace_vmdemo_policy_enabled())
		trace_vmdemo_policy(pool, vmdemo_hash_recalls(bucket, key) ? "refault" : "insert",
				    nr);
	return folio;
}

static void vmdemo_index_wake_reclaim(struct vmdemo_pool *pool)
{
	if (READ_ONCE(pool->nr_free) < vmdemo_free_low(pool) && wq_has_sleeper(&pool->reclaim_wait))
		wake_up(&pool->reclaim_wait);
}

/**
 * vmdemo_index_insert - give a frame to a page that will be filled
 * @space: whose page
 * @index: which page
 * @spare: a free frame the caller owns, taken first; VMDEMO_NONE: none
 * @hard:  for a hard fault: the frame is marked fresh, and it may be a refault
 * @folio: out, if it was inserted: locked, not up to date, with a reference for the caller
 *
 * Wakes the reclaim thread at the low watermark. Takes the pool lock, does not sleep.
 */
enum vmdemo_inserted vmdemo_index_insert(struct vmdemo_space *space, pgoff_t index, u32 *spare,
					 bool hard, struct folio **folio)
{
	struct vmdemo_pool *pool = space->pool;
	u64 key = space->key + index;
	struct vmdemo_bucket *bucket;
	struct vmdemo_frame *frame;

	spin_lock(&pool->lock);
	bucket = vmdemo_hash_bucket(vmdemo_hash_buckets(pool), key);
	if (vmdemo_hash_find(pool, bucket, key, U32_MAX) != VMDEMO_NONE) {
		spin_unlock(&pool->lock);
		return VMDEMO_INSERT_PRESENT;
	}
	if (unlikely(index - space->closed_first < space->closed_nr)) {
		spin_unlock(&pool->lock);
		return VMDEMO_INSERT_CLOSED;
	}
	/* A sparse space, or a segment of it, may have been cut since the caller looked. */
	if (unlikely(!vmdemo_space_has(space, index))) {
		spin_unlock(&pool->lock);
		return VMDEMO_INSERT_BEYOND;
	}
	if (likely(*spare == VMDEMO_NONE)) {
		frame = vmdemo_free_pop(pool);
	} else {
		frame = vmdemo_frame(pool, *spare);
		*spare = VMDEMO_NONE;
	}
	if (!frame) {
		spin_unlock(&pool->lock);
		return VMDEMO_INSERT_NO_FRAME;
	}
	*folio = vmdemo_index_enter(space, key, bucket, frame, hard ? VMDEMO_FRAME_FRESH : 0, 2);
	if (hard && vmdemo_hash_recalls(bucket, key))
		vmdemo_stat_inc(pool, refaults);
	spin_unlock(&pool->lock);

	vmdemo_index_wake_reclaim(pool);
	return VMDEMO_INSERT_DONE;
}

/**
 * vmdemo_index_insert_ahead - put the absent pages of a range into frames
 * @space:  the space
 * @first:  first page
 * @nr:     pages
 * @leave_free: frames that must stay free
 * @folios: out: the pages inserted, in order; each locked, not up to date, marked as read ahead,
 *          without a reference for the caller: the lock keeps it
 * @done:   out: how many pages of the range are resident or inserted now, from @first on
 *
 * Wakes the reclaim thread at the low watermark. Takes the pool lock, does not sleep. Returns how
 * many were inserted.
 */
u32 vmdemo_index_insert_ahead(struct vmdemo_space *space, pgoff_t first, u32 nr, u32 leave_free,
			      struct folio **folios, u32 *done)
{
	struct vmdemo_pool *pool = space->pool;
	u64 key = space->key + first;
	struct vmdemo_buckets *buckets;
	struct vmdemo_bucket *bucket;
	struct vmdemo_frame *frame;
	u32 i, n = 0;

	spin_lock(&pool->lock);
	buckets = vmdemo_hash_buckets(pool);
	for (i = 0; i < nr && vmdemo_space_has(space, first + i); i++) {
		bucket = vmdemo_hash_bucket(buckets, key + i);
		if (vmdemo_hash_find(pool, bucket, key + i, U32_MAX) != VMDEMO_NONE)
			continue;
		if (pool->nr_free <= leave_free ||
		    first + i - space->closed_first < space->closed_nr)
			break;
		frame = vmdemo_free_pop(pool);
		if (!frame)
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
 * @write: they will be written
 * @pages: out: the pages, each locked, up to date and with a reference; referenced, for the policy
 *
 * The run ends at the first page that is absent or would have to be waited for: it is locked, being
 * read, or, with @write, on its way to the device. Takes the pool lock, does not sleep. Returns how
 * many.
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
		if (!folio_test_uptodate(folio) || vmdemo_folio_poisoned(folio) ||
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
		if (!ahead_of || !vmdemo_policy_young(&frame->node)) {
			vmdemo_policy_touch(&pool->policy, &frame->node);
			trace_vmdemo_policy(pool, "touch", nr);
		}
		pages[n] = folio_page(folio, 0);
	}
	spin_unlock(&pool->lock);
	vmdemo_stat_add(pool, readahead_used, ahead);
	return n;
}

/*
 * Page @key, locked and with a reference, if it can be mapped without being referenced: it is
 * active, and nothing is noted of it, such as that it was read ahead and not touched yet. NULL: it
 * is not there, or would have to be waited for.
 */
static struct page *vmdemo_index_get_idle(struct vmdemo_pool *pool, u64 key)
{
	u32 nr = vmdemo_hash_find(pool, vmdemo_hash_bucket(vmdemo_hash_buckets(pool), key), key,
				  U32_MAX);
	const struct vmdemo_frame *frame;
	struct folio *folio;

	if (nr == VMDEMO_NONE)
		return NULL;
	frame = vmdemo_frame(pool, nr);
	folio = frame->folio;
	/* What is on standby waits to be referenced. */
	if (!vmdemo_policy_young(&frame->node) || !folio_trylock(folio))
		return NULL;
	if (!folio_test_uptodate(folio) || vmdemo_folio_poisoned(folio) || frame->flags) {
		folio_unlock(folio);
		return NULL;
	}
	folio_get(folio);
	return folio_page(folio, 0);
}

/**
 * vmdemo_index_get_near - active pages around one, to be mapped though nobody has referenced them
 * @space: the space
 * @first: first page
 * @nr:    how many
 * @self:  which of them the one is
 * @pages: out: each, locked, up to date and with a reference; NULL for @self, and for what is
 *         absent or would have to be waited for
 *
 * For the policy they stay what they were. None, if there is none beside the one: a search for the
 * others would most likely be in vain. Takes the pool lock, does not sleep. Returns whether there
 * are any.
 */
bool vmdemo_index_get_near(struct vmdemo_space *space, pgoff_t first, u32 nr, u32 self,
			   struct page **pages)
{
	struct vmdemo_pool *pool = space->pool;
	pgoff_t nr_pages = READ_ONCE(space->nr_pages);
	u32 beside = self ? self - 1 : 1, i;

	memset(pages, 0, nr * sizeof(*pages));
	/* The key after the last one may be another space's. */
	nr = min_t(u64, nr, nr_pages - min(first, nr_pages));
	if (beside >= nr)
		return false;
	spin_lock(&pool->lock);
	pages[beside] = vmdemo_index_get_idle(pool, space->key + first + beside);
	for (i = 0; pages[beside] && i < nr; i++)
		if (i != self && i != beside)
			pages[i] = vmdemo_index_get_idle(pool, space->key + first + i);
	spin_unlock(&pool->lock);
	return pages[beside];
}

/**
 * vmdemo_index_close - let no page of a range into a frame any more
 * @space: the space
 * @first: first page
 * @last:  last page
 *
 * One range at a time. Pages that are there, or whose read is on its way, stay. Takes the pool
 * lock, does not sleep. Returns false if another range is closed: wait on closed_nr then.
 */
bool vmdemo_index_close(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	bool open;

	spin_lock(&space->pool->lock);
	open = !space->closed_nr;
	if (open) {
		space->closed_first = first;
		WRITE_ONCE(space->closed_nr, last - first + 1);
	}
	spin_unlock(&space->pool->lock);
	return open;
}

/**
 * vmdemo_index_open - all pages may come into frames again
 * @space: the space; the caller has closed a range
 *
 * Wakes the tasks that wait for that. Takes the pool lock, does not sleep.
 */
void vmdemo_index_open(struct vmdemo_space *space)
{
	spin_lock(&space->pool->lock);
	WRITE_ONCE(space->closed_nr, 0);
	spin_unlock(&space->pool->lock);
	/* A task about to wait sees that it is open, or is seen here. */
	smp_mb();
	wake_up_var(&space->closed_nr);
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
