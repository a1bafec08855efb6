/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pager.h - pages on their way between frames and block devices
 */
#ifndef VMDEMO_PAGER_H
#define VMDEMO_PAGER_H

#include <linux/completion.h>
#include <linux/refcount.h>

#include "frame.h"

/* A waiter for a number of writes, and whether all of them succeeded. */
struct vmdemo_sync {
	refcount_t refs;
	atomic_t pending;
	int error;
	struct completion done;
};

/* A bio under construction: pages that follow each other share one. */
struct vmdemo_io {
	struct vmdemo_space *space;
	struct bio *bio;
	struct vmdemo_sync *sync;	/* writes: the waiter to tell; may be NULL */
	u64 id;				/* reads: the fault they are for */
	pgoff_t next;
	u32 expect;			/* pages that will follow each other, as far as is known */
	struct bio_list *later;		/* by disk: the caller submits, later; NULL: at once */
	u32 nr_later;			/* bios there */
	bool write;
};

struct vmdemo_sync *vmdemo_sync_create(void);
int vmdemo_sync_wait(struct vmdemo_sync *sync);

int vmdemo_pager_init(struct vmdemo_pool *pool);
void vmdemo_pager_exit(struct vmdemo_pool *pool);
bool vmdemo_pager_zero(struct vmdemo_space *space, struct folio *folio, u64 slot);
void vmdemo_pager_read_slot(struct vmdemo_io *io, struct folio *folio, u64 slot);
void vmdemo_pager_read(struct vmdemo_io *io, struct folio *folio);
void vmdemo_pager_write(struct vmdemo_io *io, struct folio *folio, u64 target,
			struct page *bounce);
void vmdemo_pager_submit(struct vmdemo_io *io);
int vmdemo_pager_flush(struct vmdemo_space *space);

#endif /* VMDEMO_PAGER_H */
