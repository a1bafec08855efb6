/* SPDX-License-Identifier: GPL-2.0 */
/*
 * spacefile.h - sparse spaces as the inodes of a file system
 */
#ifndef VMDEMO_SPACEFILE_H
#define VMDEMO_SPACEFILE_H

#include <linux/atomic.h>
#include <linux/fs.h>

struct vmdemo_device;

int vmdemo_spacefile_init_inode(struct inode *inode, struct vmdemo_device *device,
				atomic64_t *room);
void vmdemo_spacefile_evict_inode(struct inode *inode);
void vmdemo_spacefile_replaced(struct inode *inode);
void vmdemo_spacefile_iput(struct dentry *dentry, struct inode *inode);

#endif /* VMDEMO_SPACEFILE_H */
