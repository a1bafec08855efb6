// SPDX-License-Identifier: GPL-2.0
/*
 * hwpoison.c - the memory of a frame has failed
 *
 * The kernel marks the page, any time, and has unmapped it. What comes across it next, a fault, an
 * eviction, a write or a discard, gives the frame up: its page leaves the pool and is never used
 * again. One that was free goes when it is taken (freelist.c). The reclaim thread gets the pool
 * another page in its place.
 */
#include "hwpoison.h"
#include "leave.h"
#include "swap.h"

/**
 * vmdemo_hwpoison_leave - a page leaves its frame, whose memory has failed
 * @pool:  the pool, one frame smaller afterwards
 * @folio: locked, in the index, not being written; the caller's reference and lock remain
 *
 * What was not on the device is lost: that is counted, and fsync fails once. The slot of a page of
 * a sparse space, if it has one, is older than what was lost, and does not take its place. What is
 * not lost can be read into another frame. May sleep. Returns whether something was lost.
 */
bool vmdemo_hwpoison_leave(struct vmdemo_pool *pool, struct folio *folio)
{
	struct vmdemo_space *space = vmdemo_folio_space(folio);
	struct address_space *mapping = folio->mapping;
	unsigned long lost = 0;

	if (space->swap && folio_test_dirty(folio))
		vmdemo_swap_lose(space, folio->index);
	unmap_mapping_pages(mapping, folio->index, 1, false);
	/* Now: when the page has left the index its space may go. */
	if (folio_test_dirty(folio))
		mapping_set_error(mapping, -EIO);
	vmdemo_leave_orphan(pool, folio, false, &lost);
	vmdemo_stat_add(pool, pages_lost, lost);
	return lost;
}
