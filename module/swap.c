// SPDX-License-Identifier: GPL-2.0
/*
 * swap.c - places for the pages of sparse spaces
 *
 * A page that was never written is zeros and needs no place. Its first write reserves a slot:
 * somewhere on the swap device there is room for it, and if there is none the write fails, while
 * the program can still be told. Which slot it is turns out when the page goes out for the first
 * time; the entry that records it has been there since the reservation. So eviction allocates no
 * memory, and never lacks a slot. A page keeps its slot until it is discarded.
 *
 * Slots come in clusters. The first page to go out of VMDEMO_CLUSTER neighbours takes its place in
 * an empty cluster, the others join it there: so neighbours go out and come back in one bio, in
 * whatever order they are evicted. The rest of a cluster is not reserved for them; when no cluster
 * is empty any more, others take it.
 */
#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "backing.h"
#include "discard.h"
#include "segment.h"
#include "signature.h"
#include "swap.h"
#include "user.h"

/* Entries freed in one go. */
#define VMDEMO_FREE_PART	16384

/* May a device be overwritten whatever is on it? Then a word precedes its path. */
static bool vmdemo_swap_forced(const char **path)
{
	size_t word = str_has_prefix(*path, "force");

	if (!word || !isspace((*path)[word]))
		return false;
	*path = skip_spaces(*path + word);
	return true;
}

/*
 * Before the device is overwritten: make sure that nothing else uses what is on it, and that it no
 * longer looks as if something did. The log says why a device is refused.
 */
static int vmdemo_swap_mark(struct vmdemo_swap *swap, const char *path, struct device *dev,
			    bool force)
{
	const char *what, *why = "what is on it cannot be read";
	char text[128];
	int err;

	err = vmdemo_signature_find(&swap->backing, &what);
	if (what && !force) {
		err = -EEXIST;
		why = text;
		snprintf(text, sizeof(text),
			 "there is %s on it: wipefs -a, or \"force\" before its path", what);
	}
	if (!err || (force && err != -EINTR && err != -ENOMEM)) {
		if (what)
			dev_warn(dev, "%s overwritten: there was %s on it\n", path, what);
		err = vmdemo_signature_put(&swap->backing, force);
		why = "it cannot be written";
	}
	if (err)
		vmdemo_backing_refuse(dev, path, err, why);
	return err;
}

/**
 * vmdemo_swap_open - claim a block device to swap to
 * @swap: unbound
 * @path: of the block device's node; after "force", it is overwritten whatever is on it
 * @dev:  named in the log when the device is refused
 *
 * All that is on the device is overwritten. May sleep, killably. Returns 0, an error of
 * vmdemo_backing_open(), -EROFS, -ENOSPC for a device of less than two pages, -EFBIG beyond some
 * 60 TiB, -EEXIST for one that something is on, -EIO, or -ENOMEM.
 */
int vmdemo_swap_open(struct vmdemo_swap *swap, const char *path, struct device *dev)
{
	bool force = vmdemo_swap_forced(&path);
	const char *why = "it is read-only";
	u64 nr, nr_clusters;
	int err;

	err = vmdemo_backing_open(&swap->backing, path, dev);
	if (err)
		return err;
	nr = vmdemo_backing_bytes(&swap->backing) >> PAGE_SHIFT;
	nr_clusters = DIV_ROUND_UP_ULL(nr, VMDEMO_CLUSTER);
	if (swap->backing.readonly) {
		err = -EROFS;
	} else if (nr < 2) {
		err = -ENOSPC;
		why = "it is shorter than two pages";
	} else if (BITS_TO_LONGS(nr + 2 * nr_clusters) >= INT_MAX / sizeof(long)) {
		err = -EFBIG;
		why = "it is too large to swap to";
	} else {
		swap->used = kvcalloc(BITS_TO_LONGS(nr) + 2 * BITS_TO_LONGS(nr_clusters),
				      sizeof(long), GFP_KERNEL);
		why = "no memory for its slots";
	}
	if (!err && !swap->used)
		err = -ENOMEM;
	if (err) {
		vmdemo_backing_close(&swap->backing);
		vmdemo_backing_refuse(dev, path, err, why);
		return err;
	}
	err = vmdemo_swap_mark(swap, path, dev, force);
	if (err) {
		vmdemo_backing_close(&swap->backing);
		kvfree(swap->used);
		swap->used = NULL;
		return err;
	}
	swap->begun = swap->used + BITS_TO_LONGS(nr);
	swap->freed = swap->begun + BITS_TO_LONGS(nr_clusters);
	__set_bit(0, swap->used);
	/* Never empty: the first cluster, which has slot 0, and a last one that is incomplete. */
	__set_bit(0, swap->begun);
	if (nr % VMDEMO_CLUSTER)
		__set_bit(nr_clusters - 1, swap->begun);
	atomic64_set(&swap->nr_free, nr - 1);
	swap->nr_slots = nr;
	swap->nr_empty = max_t(u64, nr / VMDEMO_CLUSTER, 1) - 1;
	swap->cursor = 0;
	vmdemo_discard_start(swap);
	return 0;
}

/**
 * vmdemo_swap_close - give up the claim
 * @swap: bound; there is no sparse space any more
 *
 * May sleep.
 */
void vmdemo_swap_close(struct vmdemo_swap *swap)
{
	vmdemo_discard_stop(swap);
	vmdemo_backing_close(&swap->backing);
	swap->nr_slots = 0;
	atomic64_set(&swap->nr_free, 0);
	kvfree(swap->used);
	swap->used = NULL;
}

/* ---- slots ---- */

/* Has the cluster of slot @slot, if it is one, no slot in use any more? */
static bool vmdemo_swap_emptied(const struct vmdemo_swap *swap, u64 slot)
{
	u64 base = round_down(slot, VMDEMO_CLUSTER);
	unsigned long word = swap->used[BIT_WORD(base)] >> (base % BITS_PER_LONG);

	return base + VMDEMO_CLUSTER <= swap->nr_slots && !(word & GENMASK(VMDEMO_CLUSTER - 1, 0));
}

/* The first slot of the next empty cluster. There is one. */
static u64 vmdemo_swap_find_empty(struct vmdemo_swap *swap)
{
	u64 nr = DIV_ROUND_UP_ULL(swap->nr_slots, VMDEMO_CLUSTER), found;

	found = find_next_zero_bit(swap->begun, nr, swap->cursor / VMDEMO_CLUSTER);
	if (found >= nr)
		found = find_first_zero_bit(swap->begun, nr);
	swap->cursor = found * VMDEMO_CLUSTER;
	return swap->cursor;
}

/* Take slot @wanted; if it cannot be had, another one for page @index. One has been reserved. */
static u64 vmdemo_swap_take(struct vmdemo_swap *swap, u64 wanted, pgoff_t index)
{
	spin_lock(&swap->lock);
	if (wanted >= swap->nr_slots || test_bit(wanted, swap->used)) {
		if (swap->nr_empty) {
			wanted = vmdemo_swap_find_empty(swap) + index % VMDEMO_CLUSTER;
		} else {
			wanted = find_next_zero_bit(swap->used, swap->nr_slots, swap->cursor);
			if (wanted >= swap->nr_slots)
				wanted = find_first_zero_bit(swap->used, swap->nr_slots);
			/* Each has reserved one. If not, no other page may suffer. */
			if (WARN_ON_ONCE(wanted >= swap->nr_slots))
				wanted = 0;
			swap->cursor = round_down(wanted, VMDEMO_CLUSTER);
		}
	}
	__set_bit(wanted, swap->used);
	swap->nr_empty -= !__test_and_set_bit(wanted / VMDEMO_CLUSTER, swap->begun);
	spin_unlock(&swap->lock);
	return wanted;
}

static void vmdemo_swap_give_back(struct vmdemo_swap *swap, u64 slot)
{
	bool emptied;

	spin_lock(&swap->lock);
	__clear_bit(slot, swap->used);
	emptied = vmdemo_swap_emptied(swap, slot);
	if (emptied) {
		__clear_bit(slot / VMDEMO_CLUSTER, swap->begun);
		swap->nr_empty++;
	}
	spin_unlock(&swap->lock);
	if (emptied)
		vmdemo_discard_freed(swap, slot);
}

/* ---- pages ---- */

/* Undo vmdemo_swap_charge(). */
static void vmdemo_swap_uncharge(struct vmdemo_space *space, s64 nr)
{
	vmdemo_user_give_pages(space->user, nr);
	if (space->room)
		atomic64_add(nr, space->room);
}

/* May the maker of a space, and the mount it is in, have @nr more pages? If so, takes them. */
static int vmdemo_swap_charge(struct vmdemo_space *space, s64 nr)
{
	if (space->room && !vmdemo_swap_take_many(space->room, nr))
		return -ENOSPC;
	if (vmdemo_user_take_pages(space->user, nr, READ_ONCE(space->pool->set.user_max_pages)))
		return 0;
	if (space->room)
		atomic64_add(nr, space->room);
	return -EDQUOT;
}

/* What was reserved for @nr pages is not needed, or no longer. */
static void vmdemo_swap_give_room(struct vmdemo_space *space, s64 nr)
{
	atomic64_add(nr, &space->swap->nr_free);
	vmdemo_swap_uncharge(space, nr);
	atomic64_sub(nr, &space->nr_written);
}

/**
 * vmdemo_swap_reserve_slot - a page will be written: see that there is a slot for it
 * @space: a sparse space
 * @folio: the page, resident and locked
 *
 * May sleep. Returns 0; -ENOSPC if the device is full, or the space or its mount may have no more;
 * -EDQUOT if its maker may not; -ENOMEM.
 */
int vmdemo_swap_reserve_slot(struct vmdemo_space *space, struct folio *folio)
{
	struct vmdemo_frame *frame = vmdemo_frame(space->pool, vmdemo_frame_nr(folio));
	struct vmdemo_swap *swap = space->swap;
	pgoff_t index = folio->index;
	int err = -ENOSPC;

	/* Its fault has looked already. */
	if (frame->flags & VMDEMO_FRAME_ZEROS)
		frame->flags &= ~VMDEMO_FRAME_ZEROS;
	else if (vmdemo_swap_written(space, index))
		return 0;
	if (atomic64_inc_return(&space->nr_written) > space->most_written)
		goto err_space;
	err = vmdemo_swap_charge(space, 1);
	if (err)
		goto err_space;
	err = -ENOSPC;
	if (atomic64_dec_if_positive(&swap->nr_free) < 0)
		goto err_charge;
	err = xa_insert(&space->slots, index, xa_mk_value(0), GFP_NOFS);
	if (!err) {
		vmdemo_segment_count(space, index, VMDEMO_SEGMENT_WRITTEN);
		return 0;
	}
	atomic64_inc(&swap->nr_free);
err_charge:
	vmdemo_swap_uncharge(space, 1);
err_space:
	atomic64_dec(&space->nr_written);
	/* vmdemo_swap_reserve_range() does not lock the pages. */
	if (err == -EBUSY || vmdemo_swap_written(space, index))
		return 0;
	if (err != -ENOMEM)
		vmdemo_stat_inc(space->pool, swap_full);
	return err;
}

/* Room for @nr pages more, in the space, for its maker and on the device, or for none. */
static int vmdemo_swap_reserve_many(struct vmdemo_space *space, s64 nr)
{
	s64 most = min_t(u64, space->most_written, S64_MAX);
	s64 written = atomic64_read(&space->nr_written);
	int err = -ENOSPC;

	do {
		if (nr > most - written)
			goto err_full;
	} while (!atomic64_try_cmpxchg(&space->nr_written, &written, written + nr));
	err = vmdemo_swap_charge(space, nr);
	if (err)
		goto err_space;
	if (vmdemo_swap_take_many(&space->swap->nr_free, nr))
		return 0;
	err = -ENOSPC;
	vmdemo_swap_uncharge(space, nr);
err_space:
	atomic64_sub(nr, &space->nr_written);
err_full:
	vmdemo_stat_inc(space->pool, swap_full);
	return err;
}

/* Pages of a range that have none reserved; -EINTR when killed. */
static s64 vmdemo_swap_count_absent(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	s64 nr = last - first + 1;
	unsigned long index;
	void *entry;

	xa_for_each_range(&space->slots, index, entry, first, last) {
		nr--;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return nr;
}

/**
 * vmdemo_swap_reserve_range - see that there are slots for pages that may be written some day
 * @space: a sparse space, its inode locked
 * @first: first page
 * @last:  last page
 *
 * A page that has one reserved stays zeros until it is written. Sleeps, killably. Returns 0;
 * -ENOSPC if the device, the space or its mount has not room for all of them, -EDQUOT if its maker
 * may not have as many: then none is reserved; -ENOMEM or -EINTR: then some are, as other file
 * systems leave them.
 */
int vmdemo_swap_reserve_range(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	s64 absent = vmdemo_swap_count_absent(space, first, last);
	int err;

	if (absent < 0)
		return absent;
	err = vmdemo_swap_reserve_many(space, absent);
	if (err)
		return err;
	for (; absent && first <= last && !err; first++) {
		cond_resched();
		if (fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
		err = xa_insert(&space->slots, first, xa_mk_value(0), GFP_NOFS);
		absent -= !err;
		/* It has been reserved, perhaps just now. */
		if (err == -EBUSY)
			err = 0;
	}
	vmdemo_swap_give_room(space, absent);
	return err;
}

/* Where page @index would be if it were with a neighbour that has a slot; U64_MAX: none has. */
static u64 vmdemo_swap_near(struct vmdemo_space *space, pgoff_t index)
{
	pgoff_t first = round_down(index, VMDEMO_CLUSTER);
	unsigned long i;
	void *entry;

	xa_for_each_range(&space->slots, i, entry, first, first + VMDEMO_CLUSTER - 1) {
		if (xa_to_value(entry) && xa_to_value(entry) != VMDEMO_SLOT_LOST)
			return xa_to_value(entry) + index - i;
	}
	return U64_MAX;
}

/**
 * vmdemo_swap_assign - the slot that a page will be written to
 * @space: a sparse space
 * @index: the page, reserved; locked, and about to be written
 *
 * Allocates no memory: the entry exists. Does not sleep. Returns the slot.
 */
u64 vmdemo_swap_assign(struct vmdemo_space *space, pgoff_t index)
{
	u64 slot = vmdemo_swap_slot(space, index);

	if (slot)
		return slot;
	slot = vmdemo_swap_take(space->swap, vmdemo_swap_near(space, index), index);
	WARN_ON_ONCE(xa_is_err(xa_store(&space->slots, index, xa_mk_value(slot), GFP_NOWAIT)));
	return slot;
}

/**
 * vmdemo_swap_find - was a page ever written, and where is it?
 * @space: a sparse space
 * @index: the page
 * @slot:  out: as vmdemo_swap_entry() returns it
 *
 * Any context. Returns true if a slot is reserved for it at least.
 */
bool vmdemo_swap_find(struct vmdemo_space *space, pgoff_t index, u64 *slot)
{
	void *entry = xa_load(&space->slots, index);

	*slot = entry ? xa_to_value(entry) : 0;
	return entry;
}

/**
 * vmdemo_swap_entry - the slot of a page, or that its data was lost
 * @space: a sparse space
 * @index: the page
 *
 * Any context. Returns the slot; 0: it has none; VMDEMO_SLOT_LOST until the page is overwritten as
 * a whole, or discarded.
 */
u64 vmdemo_swap_entry(struct vmdemo_space *space, pgoff_t index)
{
	u64 slot;

	vmdemo_swap_find(space, index, &slot);
	return slot;
}

/**
 * vmdemo_swap_slot - the slot of a page
 * @space: a sparse space
 * @index: the page
 *
 * Any context. Returns the slot, or 0: it has none.
 */
u64 vmdemo_swap_slot(struct vmdemo_space *space, pgoff_t index)
{
	u64 slot = vmdemo_swap_entry(space, index);

	return slot == VMDEMO_SLOT_LOST ? 0 : slot;
}

/**
 * vmdemo_swap_lose - a written page is lost
 * @space: a sparse space
 * @index: the page; its slot, if it has one, is free afterwards
 *
 * Does not sleep, and allocates nothing.
 */
void vmdemo_swap_lose(struct vmdemo_space *space, pgoff_t index)
{
	u64 slot = vmdemo_swap_slot(space, index);

	/* There is an entry. */
	xa_store(&space->slots, index, xa_mk_value(VMDEMO_SLOT_LOST), GFP_NOWAIT);
	if (slot)
		vmdemo_swap_give_back(space->swap, slot);
}

/**
 * vmdemo_swap_written - was a page ever written?
 * @space: a sparse space
 * @index: the page
 *
 * Any context.
 */
bool vmdemo_swap_written(struct vmdemo_space *space, pgoff_t index)
{
	return xa_load(&space->slots, index);
}

/**
 * vmdemo_swap_run - how many pages in a row were written
 * @space: a sparse space
 * @first: first page
 * @most:  how many to look at
 * @slots: count those that have a slot only
 *
 * Any context.
 */
u32 vmdemo_swap_run(struct vmdemo_space *space, pgoff_t first, u32 most, bool slots)
{
	unsigned long next = first, i;
	void *entry;

	if (!most)
		return 0;
	xa_for_each_range(&space->slots, i, entry, first, first + most - 1) {
		if (i != next || (slots && !vmdemo_swap_slot(space, i)))
			break;
		next++;
	}
	return next - first;
}

/**
 * vmdemo_swap_next_data - the next page that is not just zeros
 * @space: a sparse space
 * @first: first page to look at
 * @last:  last one
 *
 * It was written, or comes from the linear space. Any context. Returns its index, or more than
 * @last.
 */
pgoff_t vmdemo_swap_next_data(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	struct vmdemo_seg *seg = vmdemo_segment_next(space, first);
	unsigned long written = first;

	if (!xa_find(&space->slots, &written, last, XA_PRESENT))
		written = last + 1;
	while (seg && seg->first < written && !vmdemo_seg_has_origin(seg))
		seg = vmdemo_segment_next(space, seg->first + seg->bound);
	if (seg && seg->first < written)
		return max(first, seg->first);
	return written;
}

/**
 * vmdemo_swap_part - as much of a range as is freed in one go
 * @space: a sparse space
 * @first: first page
 * @last:  last page
 *
 * Any context. Returns the last page of the part.
 */
pgoff_t vmdemo_swap_part(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	unsigned long index;
	u32 nr = 0;
	void *entry;

	xa_for_each_range(&space->slots, index, entry, first, last)
		if (++nr == VMDEMO_FREE_PART)
			return index;
	return last;
}

/**
 * vmdemo_swap_free - pages are zeros again, and give back their slots
 * @space: a sparse space
 * @first: first page
 * @last:  last page; none of the range is in a frame, nor can it be put into one meanwhile
 *
 * May sleep.
 */
void vmdemo_swap_free(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	unsigned long index;
	void *entry;

	xa_for_each_range(&space->slots, index, entry, first, last) {
		u64 slot = vmdemo_swap_slot(space, index);

		xa_erase(&space->slots, index);
		if (slot)
			vmdemo_swap_give_back(space->swap, slot);
		vmdemo_swap_give_room(space, 1);
		cond_resched();
	}
}
