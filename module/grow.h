/* SPDX-License-Identifier: GPL-2.0 */
/*
 * grow.h - the backing device becomes larger, or smaller, while it is in use
 */
#ifndef VMDEMO_GROW_H
#define VMDEMO_GROW_H

#include "backing.h"

void vmdemo_grow(struct vmdemo_space *space, bool wait);

/*
 * The end of @space matters now: is its device as long as before? It is bound, and stays so. With
 * @wait this may sleep, killably; without, it may leave that to a caller that can.
 */
static inline void vmdemo_grow_look(struct vmdemo_space *space, bool wait)
{
	/* A task that finds it as it was at the last look sees what vmdemo_grow() has changed. */
	if (!space->swap && space->backing->handle.bdev &&
	    unlikely(vmdemo_backing_bytes(space->backing) !=
		     smp_load_acquire(&space->backing->seen_bytes))) /* before the size */
		vmdemo_grow(space, wait);
}

#endif /* VMDEMO_GROW_H */
