/* SPDX-License-Identifier: GPL-2.0 */
/*
 * swap.h - places for the pages of sparse spaces
 */
#ifndef VMDEMO_SWAP_H
#define VMDEMO_SWAP_H

#include "frame.h"

/* In place of a slot: the page's data went with the memory of its frame. */
#define VMDEMO_SLOT_LOST	BIT_ULL(60)

int vmdemo_swap_open(struct vmdemo_swap *swap, const char *path, struct device *dev);
void vmdemo_swap_close(struct vmdemo_swap *swap);

int vmdemo_swap_reserve_slot(struct vmdemo_space *space, struct folio *folio);
int vmdemo_swap_reserve_range(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
u64 vmdemo_swap_assign(struct vmdemo_space *space, pgoff_t index);
bool vmdemo_swap_find(struct vmdemo_space *space, pgoff_t index, u64 *slot);
u64 vmdemo_swap_entry(struct vmdemo_space *space, pgoff_t index);
u64 vmdemo_swap_slot(struct vmdemo_space *space, pgoff_t index);
bool vmdemo_swap_written(struct vmdemo_space *space, pgoff_t index);
u32 vmdemo_swap_run(struct vmdemo_space *space, pgoff_t first, u32 most, bool slots);
pgoff_t vmdemo_swap_next_data(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
void vmdemo_swap_lose(struct vmdemo_space *space, pgoff_t index);
pgoff_t vmdemo_swap_part(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
void vmdemo_swap_free(struct vmdemo_space *space, pgoff_t first, pgoff_t last);

/* Take @nr of what is left, if there is enough; nobody else is refused meanwhile. */
static inline bool vmdemo_swap_take_many(atomic64_t *left, s64 nr)
{
	s64 now = atomic64_read(left);

	do {
		if (now < nr)
			return false;
	} while (!atomic64_try_cmpxchg(left, &now, now - nr));
	return true;
}

/* vmdemo_swap_reserve_slot(), for callers that do not know whether the space swaps. */
static inline int vmdemo_swap_reserve(struct vmdemo_space *space, struct folio *folio)
{
	return space->swap ? vmdemo_swap_reserve_slot(space, folio) : 0;
}

/* The page of its backing store that page @index, about to be written, goes to. */
static inline u64 vmdemo_swap_target(struct vmdemo_space *space, pgoff_t index)
{
	return space->swap ? vmdemo_swap_assign(space, index) : index;
}

#endif /* VMDEMO_SWAP_H */
