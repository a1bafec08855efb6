/* SPDX-License-Identifier: GPL-2.0 */
/*
 * spacefile.h - the file of a sparse space
 */
#ifndef VMDEMO_SPACEFILE_H
#define VMDEMO_SPACEFILE_H

#include <linux/fs.h>

struct vmdemo_space;

extern const struct file_operations vmdemo_spacefile_fops;
extern const struct inode_operations vmdemo_spacefile_iops;
int vmdemo_spacefile_attach(struct file *file, struct vmdemo_space *space);

#endif /* VMDEMO_SPACEFILE_H */
