// SPDX-License-Identifier: GPL-2.0
/*
 * loan.c - frames for those who find all of them held by others
 *
 * A user who may map a page may hold it, by a pipe or a DMA, for as long as they like, and nothing
 * tells which user it is. When somebody holds all frames the pool is besieged: it has none for
 * anybody. Then it lends frames beyond its own:
 *
 *   - No user has more of them than are left to others: one has half of them, the next one half of
 *     the rest, and so on. So a user who holds everything, loans included, does not have them all.
 *   - A user who has their full share evicts a page of their own for the next one, and nobody
 *     else's.
 *   - They come out of lend_pages, of which orphans leave some: that bounds the memory in all.
 *   - Their numbers are the last VMDEMO_LOANS ones, above the target: a page that leaves such a
 *     frame takes it along (freelist.c).
 *
 * The siege ends when frames can be evicted again. What is lent then is in excess, and goes.
 */
#include <linux/sched/mm.h>

#include "freelist.h"
#include "loan.h"
#include "orphan.h"
#include "pool.h"
#include "user.h"

/* Held frames that are looked at to see who holds them. */
#define VMDEMO_LOAN_LOOK	256U

static u32 vmdemo_loan_first(const struct vmdemo_pool *pool)
{
	return vmdemo_pool_top(pool) - VMDEMO_LOANS;
}

/**
 * vmdemo_loan_nr - how many frames are lent
 * @pool: the pool
 *
 * Any context; a hint without the pool lock.
 */
u32 vmdemo_loan_nr(const struct vmdemo_pool *pool)
{
	u32 first = vmdemo_loan_first(pool), i, nr = 0;

	for (i = 0; i < VMDEMO_LOANS; i++)
		nr += !!READ_ONCE(vmdemo_frame(pool, first + i)->folio);
	return nr;
}

/* Pages that can be lent yet. */
static u32 vmdemo_loan_left(const struct vmdemo_pool *pool, u32 lent)
{
	u64 most = (u64)pool->target + vmdemo_orphan_most_lent(pool);
	u64 have = (u64)pool->nr_frames + pool->nr_orphans;

	return most > have ? min_t(u64, most - have, VMDEMO_LOANS - lent) : 0;
}

/* The pool lock is held. */
static bool vmdemo_loan_give(struct vmdemo_pool *pool, struct folio *folio, kuid_t uid, u32 *nr)
{
	u32 first = vmdemo_loan_first(pool), i, lent = 0, mine = 0;

	*nr = VMDEMO_NONE;
	for (i = 0; i < VMDEMO_LOANS; i++) {
		if (!vmdemo_frame(pool, first + i)->folio) {
			*nr = first + i;
			continue;
		}
		lent++;
		mine += uid_eq(pool->borrowers[i], uid);
	}
	if (mine >= vmdemo_loan_left(pool, lent))
		return false;
	pool->borrowers[*nr - first] = uid;
	folio->private = (void *)(unsigned long)*nr;
	WRITE_ONCE(vmdemo_frame(pool, *nr)->folio, folio);
	vmdemo_pool_count(pool, 1);
	return true;
}

/**
 * vmdemo_loan_take - lend the caller a frame
 * @pool:  the pool, besieged; its reclaim lock is held
 * @spare: set to its number: the frame is the caller's
 *
 * May sleep. Returns false if the caller has a full share, or there is no memory.
 */
bool vmdemo_loan_take(struct vmdemo_pool *pool, u32 *spare)
{
	kuid_t uid = vmdemo_user_uid();
	struct folio *folio;
	unsigned int noio;
	bool lent;
	u32 nr;

	/* Nobody can evict meanwhile: the allocation must not do I/O, which may need our frames. */
	noio = memalloc_noio_save();
	folio = vmdemo_pool_new_page(__GFP_NORETRY);
	memalloc_noio_restore(noio);
	if (!folio)
		return false;
	spin_lock(&pool->lock);
	lent = vmdemo_loan_give(pool, folio, uid, &nr);
	spin_unlock(&pool->lock);
	if (lent) {
		*spare = nr;
	} else {
		folio->lru.next = NULL;
		vmdemo_free_finish(pool, folio);
	}
	return lent;
}

/**
 * vmdemo_loan_next - a page that the caller was lent a frame for
 * @pool: the pool
 *
 * Takes one that nobody seems to hold, each in turn. Takes the pool lock, does not sleep. Returns
 * it with a reference, or NULL.
 */
struct folio *vmdemo_loan_next(struct vmdemo_pool *pool)
{
	kuid_t uid = vmdemo_user_uid();
	struct folio *folio, *found = NULL;
	u32 first, i, nr;

	spin_lock(&pool->lock);
	first = vmdemo_loan_first(pool);
	for (i = 0; i < VMDEMO_LOANS && !found; i++) {
		pool->loan_cursor = (pool->loan_cursor + 1) % VMDEMO_LOANS;
		nr = first + pool->loan_cursor;
		folio = vmdemo_frame(pool, nr)->folio;
		if (!folio || vmdemo_frame(pool, nr)->node.list == VMDEMO_LIST_NONE ||
		    !uid_eq(pool->borrowers[pool->loan_cursor], uid) ||
		    vmdemo_frame_writing(pool, nr) || vmdemo_folio_pinned(folio, 0))
			continue;
		folio_get(folio);
		found = folio;
	}
	spin_unlock(&pool->lock);
	return found;
}

/**
 * vmdemo_loan_besieged - a search for victims has come to nothing: do others hold all frames?
 * @pool: the pool
 *
 * And not a disk that takes no writes: then lent frames would go the same way. Takes the pool lock,
 * does not sleep.
 */
bool vmdemo_loan_besieged(struct vmdemo_pool *pool)
{
	u32 looked = 0, pinned = 0, held;
	struct vmdemo_node *node;

	if (!vmdemo_orphan_most_lent(pool))
		return false;
	spin_lock(&pool->lock);
	held = vmdemo_policy_nr(&pool->policy, VMDEMO_LIST_HELD) + pool->nr_orphans;
	node = vmdemo_policy_oldest(&pool->policy, VMDEMO_LIST_HELD);
	for (; node && looked < VMDEMO_LOAN_LOOK; looked++) {
		pinned += vmdemo_folio_pinned(vmdemo_node_frame(node)->folio, 0);
		node = vmdemo_policy_newer(&pool->policy, node, VMDEMO_LIST_HELD);
	}
	spin_unlock(&pool->lock);
	return held >= READ_ONCE(pool->target) / 2 && 2 * pinned >= looked;
}

/**
 * vmdemo_loan_relieved - can frames be evicted again?
 * @pool: the pool, besieged; those of its held frames that can go have been released
 *
 * Any context.
 */
bool vmdemo_loan_relieved(struct vmdemo_pool *pool)
{
	u32 can = READ_ONCE(pool->nr_free) +
		  READ_ONCE(pool->policy.lists[VMDEMO_LIST_FIRST].nr) +
		  READ_ONCE(pool->policy.lists[VMDEMO_LIST_ACTIVE].nr) +
		  READ_ONCE(pool->policy.lists[VMDEMO_LIST_STANDBY].nr);

	return can > vmdemo_loan_nr(pool) + READ_ONCE(pool->target) / 64;
}
