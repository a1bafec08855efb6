/* SPDX-License-Identifier: GPL-2.0 */
/*
 * evict.h - frames are freed, in the policy's order, and nobody waits for what cannot go
 */
#ifndef VMDEMO_EVICT_H
#define VMDEMO_EVICT_H

#include "leave.h"

struct vmdemo_io;

/* How long, in jiffies, to wait for what raises no event before looking again. */
#define VMDEMO_SOON		(HZ / 10)

/* What an evictor wants, and how. */
struct vmdemo_want {
	u32 frames;
	u32 *spare;		/* where the one frame wanted goes; NULL: to the free list */
	struct bio_list *bios;	/* by disk: writes of dirty victims; NULL: clean ones only */
	unsigned long patience;	/* with a disk that does not answer, in jiffies */
	bool exact;		/* keep the order, though a write has to be waited for */
};

static inline bool vmdemo_evict_sent(const struct bio_list *bios)
{
	return !bio_list_empty(&bios[0]) || !bio_list_empty(&bios[1]);
}

u32 vmdemo_evict_span(struct vmdemo_space *space, pgoff_t index);
void vmdemo_evict_unmap(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
enum vmdemo_evicted vmdemo_evict_folio(struct vmdemo_pool *pool, struct folio *folio,
				       struct vmdemo_io *io, bool force, u32 *spare);

u32 vmdemo_evict_frames(struct vmdemo_pool *pool, const struct vmdemo_want *want);
void vmdemo_evict_relieve(struct vmdemo_pool *pool, u32 most);
void vmdemo_evict_submit(struct vmdemo_pool *pool, struct bio_list *bios);

#endif /* VMDEMO_EVICT_H */
