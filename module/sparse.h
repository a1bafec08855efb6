/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sparse.h - sparse spaces as the inodes of a file system
 */
#ifndef VMDEMO_SPARSE_H
#define VMDEMO_SPARSE_H

#include <linux/fs.h>

struct vmdemo_device;
struct vmdemo_mounted;

int vmdemo_sparse_init_inode(struct inode *inode, struct vmdemo_device *device,
			     struct vmdemo_mounted *mounted);
void vmdemo_sparse_evict_inode(struct inode *inode);
void vmdemo_sparse_replaced(struct inode *inode);
void vmdemo_sparse_iput(struct dentry *dentry, struct inode *inode);

#endif /* VMDEMO_SPARSE_H */
