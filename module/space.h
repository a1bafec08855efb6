/* SPDX-License-Identifier: GPL-2.0 */
/*
 * space.h - an address space of pages: get a page into a frame, for any caller
 */
#ifndef VMDEMO_SPACE_H
#define VMDEMO_SPACE_H

#include "frame.h"
#include "readahead.h"

/* What asks for a page. */
enum vmdemo_asker {
	VMDEMO_ASK_FAULT,
	VMDEMO_ASK_RW,		/* read(2), write(2) */
};

/*
 * One request for a page, from the first attempt to the last. On the stack of the caller; begin
 * with vmdemo_access_begin(), end with vmdemo_access_end().
 */
struct vmdemo_access {
	struct vmdemo_space *space;
	struct vmdemo_streams *streams;	/* NULL: no readahead */
	pgoff_t index;
	enum vmdemo_asker asker;
	enum vmdemo_advice advice;
	struct vmdemo_plan plan;	/* out: what the reference asks for besides its page */
	bool write;			/* the page will be changed: not while it is written */
	bool overwrite;			/* all of it will be: do not read it */
	bool fetch;			/* bring it for another attempt: see vmdemo_space_fetch() */
	bool again;			/* this is one: see VMDEMO_FRAME_FAILED */
	bool zeroed;			/* out: it was nowhere yet, and is zeros now */
	bool loaded;			/* out: a read of ours was submitted */
	bool alone;			/* the last one was for this page only */
	bool closed;			/* the page is being discarded: wait for the end of that */
	bool writing;			/* wait for the end of its write, not for its lock */
	u32 spare;			/* a free frame that is ours */
	struct folio *wait;		/* the folio whose lock to wait for, referenced */
	u64 id;				/* for tracing */
};

static inline void vmdemo_access_begin(struct vmdemo_access *acc, struct vmdemo_space *space,
				       pgoff_t index, enum vmdemo_asker asker)
{
	*acc = (struct vmdemo_access){
		.space = space, .index = index, .asker = asker, .spare = VMDEMO_NONE,
	};
}

void vmdemo_access_end(struct vmdemo_access *acc);

int vmdemo_space_get(struct vmdemo_access *acc, struct folio **folio);
int vmdemo_space_wait(struct vmdemo_access *acc);
int vmdemo_space_get_wait(struct vmdemo_access *acc, struct folio **folio);
void vmdemo_space_fetch(struct vmdemo_access *acc);
int vmdemo_space_wait_open(struct vmdemo_space *space, pgoff_t first, pgoff_t last);
u32 vmdemo_space_data_run(struct vmdemo_space *space, pgoff_t first, u32 most, bool stored);

/* As inode_lock(), or -EINTR when killed: its holder may be waiting for a device. */
static inline int __must_check vmdemo_space_lock_inode(struct vmdemo_space *space)
{
	return down_write_killable(&space->inode->i_rwsem);
}

static inline bool vmdemo_space_readonly(const struct vmdemo_space *space)
{
	return space->backing->readonly;
}

void vmdemo_space_set_inode(struct vmdemo_space *space, struct inode *inode);
int vmdemo_space_init(struct vmdemo_space *space, struct vmdemo_pool *pool,
		      struct vmdemo_backing *backing);
void vmdemo_space_exit(struct vmdemo_space *space);
void vmdemo_space_set_end(struct vmdemo_space *space, u64 bytes);
void vmdemo_space_set_size(struct vmdemo_space *space, u64 bytes);

int vmdemo_spaces_init(void);
void vmdemo_spaces_exit(void);

#endif /* VMDEMO_SPACE_H */
