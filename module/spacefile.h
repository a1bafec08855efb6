/* SPDX-License-Identifier: GPL-2.0 */
/*
 * spacefile.h - sparse spaces as the inodes of a file system
 */
#ifndef VMDEMO_SPACEFILE_H
#define VMDEMO_SPACEFILE_H

#include <linux/fs.h>

struct vmdemo_device;
struct vmdemo_mounted;

int vmdemo_spacefile_init_inode(struct inode *inode, struct vmdemo_device *device,
				struct vmdemo_mounted *mounted);
void vmdemo_spacefile_evict_inode(struct inode *inode);
void vmdemo_spacefile_replaced(struct inode *inode);
void vmdemo_spacefile_iput(struct dentry *dentry, struct inode *inode);

#endif /* VMDEMO_SPACEFILE_H */
