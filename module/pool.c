// SPDX-License-Identifier: GPL-2.0
/*
 * pool.c - a fixed number of page frames, and how that number changes
 *
 * Frames exist by number, in chunks that never move. Growing adds the numbers that are missing;
 * shrinking takes away the high ones: at once those that are free, the others when reclaim has
 * evicted them. Does no I/O, unmaps nothing, and waits for nobody.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "freelist.h"
#include "latency.h"
#include "hash.h"
#include "index.h"
#include "orphan.h"
#include "pool.h"

/* Frame numbers looked at when some lack a page, and pages added, in one go. */
#define VMDEMO_MEND_LOOK	262144U
#define VMDEMO_MEND_MOST	1024

/* Frames claimed by the pools of all devices. */
static atomic_long_t vmdemo_pool_frames;

static unsigned long vmdemo_pool_most_frames(void)
{
	return min(totalram_pages() / 2, (unsigned long)VMDEMO_NONE);
}

/* Change a pool's claim from @before to @frames: false if that is too many for the machine. */
static bool vmdemo_pool_claim(u32 before, u32 frames)
{
	long more = (long)frames - before;

	if (atomic_long_add_return(more, &vmdemo_pool_frames) <= vmdemo_pool_most_frames() ||
	    more <= 0)
		return true;
	atomic_long_sub(more, &vmdemo_pool_frames);
	return false;
}

/**
 * vmdemo_pool_new_page - a page for a frame
 * @how_hard: to look for memory
 *
 * May sleep. Returns it as that of a free frame, or NULL.
 */
struct folio *vmdemo_pool_new_page(gfp_t how_hard)
{
	struct page *page = alloc_page(GFP_HIGHUSER | __GFP_ZERO | __GFP_NOWARN | how_hard);

	if (!page)
		return NULL;
	/* Free frames are locked and have no references: see frame.h. */
	folio_lock(page_folio(page));
	/*
	 * A speculative lookup of what the page was before may hold it for an instant. Afterwards,
	 * this is a full barrier, a lookup that finds it in a frame gets no reference.
	 */
	while (!folio_ref_freeze(page_folio(page), 1))
		cpu_relax();
	return page_folio(page);
}

static int vmdemo_pool_add(struct vmdemo_pool *pool, u32 nr, gfp_t how_hard)
{
	struct folio *gone = NULL, *folio;
	int err = 0;

	if (!vmdemo_orphan_room(pool))
		return -EBUSY;
	folio = vmdemo_pool_new_page(how_hard);
	if (!folio)
		return -ENOMEM;
	folio->private = (void *)(unsigned long)nr;
	spin_lock(&pool->lock);
	if (vmdemo_frame(pool, nr)->folio || !vmdemo_orphan_room(pool)) {
		/* Somebody else has been faster. */
		err = vmdemo_frame(pool, nr)->folio ? 0 : -EBUSY;
		gone = folio;
		gone->lru.next = NULL;
	} else {
		WRITE_ONCE(vmdemo_frame(pool, nr)->folio, folio);
		vmdemo_pool_count(pool, 1);
		/* It goes again, in time, if its number is above a target lowered meanwhile. */
		vmdemo_free_push(pool, nr, &gone);
	}
	spin_unlock(&pool->lock);
	vmdemo_free_finish(pool, gone);
	return err;
}

/**
 * vmdemo_pool_add_page - give a frame number a page
 * @pool: the pool
 * @nr:   a number below pool->top whose frame does not exist, or has just come to
 *
 * May sleep. Returns 0, -ENOMEM, or -EBUSY if the pool may have no more until some of the discarded
 * pages that are still held are let go.
 */
int vmdemo_pool_add_page(struct vmdemo_pool *pool, u32 nr)
{
	return vmdemo_pool_add(pool, nr, __GFP_RETRY_MAYFAIL);
}

/**
 * vmdemo_pool_mend - give pages to frame numbers that have lost theirs, if there is memory now
 * @pool: the pool, perhaps being resized
 * @next: where the search goes on; any number at first
 *
 * Does a bounded amount of work; nobody else has to give up memory for it. May sleep, briefly.
 * Returns 0, or an error of vmdemo_pool_add_page(): then it is no use going on just now.
 */
int vmdemo_pool_mend(struct vmdemo_pool *pool, u32 *next)
{
	/* A target that is being raised is ahead of the numbers that exist. */
	u32 end = min(READ_ONCE(pool->target), vmdemo_pool_top(pool));
	u32 looked, added = 0;
	int err;

	for (looked = 0; looked < min(end, VMDEMO_MEND_LOOK) && added < VMDEMO_MEND_MOST &&
	     vmdemo_pool_lacks(pool); looked++, ++*next) {
		cond_resched();
		if (*next >= end)
			*next = 0;
		if (READ_ONCE(vmdemo_frame(pool, *next)->folio))
			continue;
		err = vmdemo_pool_add(pool, *next, __GFP_NORETRY);
		if (err)
			return err;
		added++;
	}
	return 0;
}

/**
 * vmdemo_pool_replace - a page has been discarded, but somebody holds it
 * @pool:  the pool
 * @folio: the page, left to its holders by vmdemo_leave_orphan(); one reference is the caller's
 *
 * Its frame gets a new page, if the pool may have one and there is memory; otherwise the pool is
 * one frame smaller until a page comes back or can be had. May sleep.
 */
void vmdemo_pool_replace(struct vmdemo_pool *pool, struct folio *folio)
{
	/* For each that comes four are looked at: what was let go does not pile up. */
	vmdemo_orphan_look(pool, 4);
	if (vmdemo_pool_add_page(pool, vmdemo_frame_nr(folio)))
		return;
	spin_lock(&pool->lock);
	list_move_tail(&folio->lru, &pool->lent);
	spin_unlock(&pool->lock);
}

static u32 vmdemo_pool_nr_chunks(const struct vmdemo_pool *pool)
{
	return DIV_ROUND_UP(pool->max_frames + VMDEMO_LOANS, VMDEMO_CHUNK_FRAMES);
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
		for (j = 0; j < VMDEMO_CHUNK_FRAMES; j++) {
			chunk->frames[j].key = VMDEMO_NO_KEY;
			vmdemo_policy_init_node(&chunk->frames[j].node);
		}
		/* Before the frames in it are published by pool->top or the index. */
		smp_store_release(&pool->chunks[i], chunk);
		cond_resched();
	}
	return 0;
}

static int vmdemo_pool_grow(struct vmdemo_pool *pool, u32 frames)
{
	u32 nr;
	int err;

	if (frames + VMDEMO_LOANS > pool->top) {
		err = vmdemo_pool_add_chunks(pool, frames + VMDEMO_LOANS);
		if (!err)
			err = vmdemo_hash_grow(pool, frames);
		if (err)
			return err;
		spin_lock(&pool->lock);
		/* A reader that sees the number sees the chunks. */
		smp_store_release(&pool->top, frames + VMDEMO_LOANS);
		spin_unlock(&pool->lock);
	}
	/* The last to become free is the first to be used: a low number, which a shrink spares. */
	for (nr = frames; nr--;) {
		if (READ_ONCE(vmdemo_frame(pool, nr)->folio))
			continue;
		err = vmdemo_pool_add_page(pool, nr);
		/* The rest comes when it is let go, or may be lent. */
		if (err == -EBUSY)
			break;
		if (err)
			return err;
		cond_resched();
	}
	wake_up_all(&pool->free_wait);
	return 0;
}

/* The pool should have @frames from now on; its policy knows. */
static void vmdemo_pool_set_target(struct vmdemo_pool *pool, u32 frames)
{
	spin_lock(&pool->lock);
	pool->target = frames;
	pool->policy.limit = frames;
	spin_unlock(&pool->lock);
}

/**
 * vmdemo_pool_resize - set the number of frames
 * @pool:   the pool
 * @frames: how many there should be, at most pool->max_frames
 *
 * Grows at once; shrinks by what is free, the rest is the reclaim thread's work and goes as it is
 * freed. Callers are serialised. May sleep. Returns 0; or -ENOMEM, also if the pools of all devices
 * would have more than half of the memory, and the target is what it was.
 */
int vmdemo_pool_resize(struct vmdemo_pool *pool, u32 frames)
{
	u32 target = READ_ONCE(pool->target);
	int err;

	if (!vmdemo_pool_claim(target, frames))
		return -ENOMEM;
	vmdemo_pool_set_target(pool, frames);
	if (frames > target) {
		err = vmdemo_pool_grow(pool, frames);
		if (err) {
			vmdemo_pool_set_target(pool, target);
			vmdemo_pool_claim(frames, target);
			vmdemo_free_trim_all(pool);
			wake_up(&pool->reclaim_wait);
			return err;
		}
		return 0;
	}
	vmdemo_free_trim_all(pool);
	return 0;
}

/* Frame @nr's place in the order; NULL: there is no such number. The pool lock is held. */
static struct vmdemo_node *vmdemo_pool_find(const struct vmdemo_policy *policy, u32 nr)
{
	const struct vmdemo_pool *pool = container_of(policy, struct vmdemo_pool, policy);

	return nr < pool->top ? &vmdemo_frame(pool, nr)->node : NULL;
}

/*
 * The number of the frame that @node is of, if it is one of the pool's with a page. A policy from
 * elsewhere may have made it up: so whatever it points to is read with care, and what that says is
 * believed only if the frame of that number is this one.
 */
static u32 vmdemo_pool_number(const struct vmdemo_policy *policy, const struct vmdemo_node *node)
{
	const struct vmdemo_pool *pool = container_of(policy, struct vmdemo_pool, policy);
	const struct vmdemo_frame *frame = vmdemo_node_frame(node);
	struct folio *folio;
	void *private;
	u32 nr;

	if (get_kernel_nofault(folio, &frame->folio))
		return VMDEMO_NONE;
	if (get_kernel_nofault(private, &folio->private))
		return VMDEMO_NONE;
	nr = (u32)(unsigned long)private;
	if (nr >= pool->top || frame != vmdemo_frame(pool, nr) || frame->key == VMDEMO_NO_KEY)
		return VMDEMO_NONE;
	return nr;
}

/* A policy was wrong: @op did @what. It is named the first time, then @op is NULL. */
static void vmdemo_pool_refused(const struct vmdemo_policy *policy, const char *op,
				const char *what)
{
	struct vmdemo_pool *pool = container_of(policy, struct vmdemo_pool, policy);

	vmdemo_stat_inc(pool, policy_errors);
	if (op)
		pr_warn_ratelimited("vmdemo: policy %s is wrong: its %s() %s; stats/policy_errors counts more\n",
				    policy->ops->name, op, what);
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
	pool->max_frames = vmdemo_pool_most_frames();
	pool->stats = alloc_percpu(struct vmdemo_stats);
	pool->latency = alloc_percpu(struct vmdemo_latency);
	pool->chunks = kvcalloc(vmdemo_pool_nr_chunks(pool),
				sizeof(*pool->chunks), GFP_KERNEL);
	if (!pool->stats || !pool->latency || !pool->chunks || vmdemo_jobs_init(&pool->jobs)) {
		vmdemo_pool_destroy(pool);
		return ERR_PTR(-ENOMEM);
	}
	spin_lock_init(&pool->lock);
	mutex_init(&pool->demote_lock);
	mutex_init(&pool->reclaim_lock);
	init_waitqueue_head(&pool->reclaim_wait);
	INIT_LIST_HEAD(&pool->waiters);
	INIT_LIST_HEAD(&pool->served);
	pool->served_at = jiffies;
	pool->watched_at = jiffies;
	init_waitqueue_head(&pool->free_wait);
	init_waitqueue_head(&pool->clean_wait);
	INIT_LIST_HEAD(&pool->lent);
	INIT_LIST_HEAD(&pool->owed);
	pool->free = VMDEMO_NONE;
	pool->kept = VMDEMO_NONE;
	vmdemo_policy_init(&pool->policy, &vmdemo_policy_lru);
	pool->policy.find = vmdemo_pool_find;
	pool->policy.number = vmdemo_pool_number;
	pool->policy.refused = vmdemo_pool_refused;
	pool->policy.standby_pct = VMDEMO_STANDBY_PCT;
	pool->policy.demote_pages = 16;
	pool->set.reserve = VMDEMO_NONE;
	pool->set.read_ahead_pages = 64;
	pool->set.dirty_pct = 80;
	pool->set.dirty_age_ms = 5000;
	pool->set.lend_pages = VMDEMO_NONE;
	pool->set.spaces_per_user = 256;
	pool->lap_at = jiffies;
	pool->stalled_until = jiffies;
	return pool;
}

/**
 * vmdemo_pool_set_reserve - set how many frames the reclaim thread keeps free
 * @pool:    the pool
 * @reserve: how many; the pool keeps no more than half of its frames free. VMDEMO_NONE: by its size
 *
 * Takes the pool lock, does not sleep.
 */
void vmdemo_pool_set_reserve(struct vmdemo_pool *pool, u32 reserve)
{
	spin_lock(&pool->lock);
	pool->set.reserve = reserve;
	vmdemo_pool_update_limits(pool);
	spin_unlock(&pool->lock);
}

/**
 * vmdemo_pool_set_dirty_pct - set how many frames may be dirty before writers are held up
 * @pool: the pool
 * @pct:  1 to 100 per cent of its frames
 *
 * Takes the pool lock, does not sleep.
 */
void vmdemo_pool_set_dirty_pct(struct vmdemo_pool *pool, u32 pct)
{
	spin_lock(&pool->lock);
	WRITE_ONCE(pool->set.dirty_pct, pct);
	vmdemo_pool_update_limits(pool);
	spin_unlock(&pool->lock);
}

/**
 * vmdemo_pool_destroy - free a pool whose frames are all free, or that has none
 * @pool: the pool; nobody uses it any more, but for the ends of jobs
 *
 * May sleep.
 */
void vmdemo_pool_destroy(struct vmdemo_pool *pool)
{
	u32 i;

	if (pool->jobs.queue)
		vmdemo_jobs_exit(&pool->jobs);
	if (pool->chunks && pool->top) {
		vmdemo_orphan_forget(pool);
		vmdemo_pool_resize(pool, 0);
		WARN_ON_ONCE(pool->nr_frames);
	}
	for (i = 0; pool->chunks && i < vmdemo_pool_nr_chunks(pool); i++)
		kvfree(pool->chunks[i]);
	vmdemo_hash_free(pool);
	kvfree(pool->chunks);
	kvfree(pool->policy.guard);
	free_percpu(pool->latency);
	free_percpu(pool->stats);
	kfree(pool);
}
