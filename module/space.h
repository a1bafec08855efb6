/* SPDX-License-Identifier: GPL-2.0 */
/*
 * space.h - an address space of pages
 */
#ifndef VMDEMO_SPACE_H
#define VMDEMO_SPACE_H

#include "frame.h"

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
