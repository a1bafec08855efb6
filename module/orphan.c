// SPDX-License-Identifier: GPL-2.0
/*
 * orphan.c - pages that outlived their place, because somebody holds them
 *
 * When pages of a sparse space are discarded, or the space goes, a pipe, a socket or a DMA may hold
 * some of them. They keep their contents for as long as they are held, and are in no frame:
 *
 *   frame ---- discarded while held ----> orphan ---- let go ----> a frame again, or freed
 *
 * Nobody is charged for them, so their number must be bounded. The pool keeps a reference to each,
 * by which it sees that the others have gone, and lends a new page in its place only while
 *
 *   frames + orphans < target + lend_pages - what is for loans (loan.c).
 *
 * Beyond that, or without memory, the pool is smaller until somebody lets go, more may be lent or
 * there is memory again: holding such pages costs frames, as holding pages that have not been
 * discarded does.
 *
 * An orphan keeps the number of the frame it was. The number is owed a page, or the pool has lent
 * it one. What comes back goes to a number that is owed one.
 */
#include "freelist.h"
#include "orphan.h"

/* Pages looked at under one hold of the pool lock. */
#define VMDEMO_ORPHAN_BATCH	64U

/* The number that page @folio, whose holders have let go, gets; VMDEMO_NONE: none lacks a page. */
static u32 vmdemo_orphan_number(struct vmdemo_pool *pool, struct folio *folio)
{
	u32 nr = vmdemo_frame_nr(folio);

	if (!vmdemo_frame(pool, nr)->folio)
		return nr;
	while (!list_empty(&pool->owed)) {
		folio = list_first_entry(&pool->owed, struct folio, lru);
		list_move_tail(&folio->lru, &pool->lent);
		nr = vmdemo_frame_nr(folio);
		/* Otherwise the pool has grown meanwhile, and given it one. */
		if (!vmdemo_frame(pool, nr)->folio)
			return nr;
	}
	return VMDEMO_NONE;
}

/* A page with no references is no orphan any more: a free frame, or it goes to @gone. */
static void vmdemo_orphan_return(struct vmdemo_pool *pool, struct folio *folio,
				 struct folio **gone)
{
	u32 nr = VMDEMO_NONE;

	list_del(&folio->lru);
	WRITE_ONCE(pool->nr_orphans, pool->nr_orphans - 1);
	/* Nobody has a reference by which it could be locked. */
	WARN_ON_ONCE(!folio_trylock(folio));
	vmdemo_folio_forget(folio, BIT(PG_dirty));
	if (!vmdemo_folio_poisoned(folio))
		nr = vmdemo_orphan_number(pool, folio);
	if (nr == VMDEMO_NONE) {
		folio->lru.next = (struct list_head *)*gone;
		*gone = folio;
		return;
	}
	folio->private = (void *)(unsigned long)nr;
	WRITE_ONCE(vmdemo_frame(pool, nr)->folio, folio);
	vmdemo_pool_count(pool, 1);
	/* It goes, in time, if its number is above the target now. */
	vmdemo_free_push(pool, nr, gone);
}

/* Look at @most of a list, those not seen for longest first. Returns how many came back. */
static u32 vmdemo_orphan_look_at(struct vmdemo_pool *pool, struct list_head *list, u32 most,
				 struct folio **gone)
{
	struct folio *folio;
	u32 back = 0;

	while (most-- && !list_empty(list)) {
		folio = list_first_entry(list, struct folio, lru);
		if (folio_ref_freeze(folio, 1)) {
			vmdemo_orphan_return(pool, folio, gone);
			back++;
		} else {
			list_move_tail(&folio->lru, list);
		}
	}
	return back;
}

/**
 * vmdemo_orphan_look - take back pages that nobody holds any more
 * @pool: the pool
 * @most: how many to look at
 *
 * Takes the pool lock, wakes those who wait for a frame. May sleep. Returns how many came back.
 */
u32 vmdemo_orphan_look(struct vmdemo_pool *pool, u32 most)
{
	u32 back = 0;

	for (most = min(most, READ_ONCE(pool->nr_orphans)); most;) {
		u32 part = min(most, VMDEMO_ORPHAN_BATCH);
		struct folio *gone = NULL;
		u32 now;

		spin_lock(&pool->lock);
		now = vmdemo_orphan_look_at(pool, &pool->owed, part, &gone);
		now += vmdemo_orphan_look_at(pool, &pool->lent, part, &gone);
		spin_unlock(&pool->lock);
		most -= part;
		back += now;
		atomic_long_add(now, &pool->progress);
		if (now)
			vmdemo_free_finish(pool, gone);
		cond_resched();
	}
	return back;
}

/**
 * vmdemo_orphan_forget - leave all of them to those who hold them
 * @pool: the pool, which goes
 *
 * Nothing of ours stays in them. May sleep.
 */
void vmdemo_orphan_forget(struct vmdemo_pool *pool)
{
	struct folio *folio, *next;

	list_splice_tail_init(&pool->owed, &pool->lent);
	list_for_each_entry_safe(folio, next, &pool->lent, lru) {
		list_del(&folio->lru);
		folio->private = NULL;
		folio_put(folio);
		cond_resched();
	}
	pool->nr_orphans = 0;
}
