/* SPDX-License-Identifier: GPL-2.0 */
/*
 * spacefile.h - sparse spaces, and their files
 */
#ifndef VMDEMO_SPACEFILE_H
#define VMDEMO_SPACEFILE_H

#include <linux/fs.h>

long vmdemo_spacefile_create(struct file *file, void __user *arg);

#endif /* VMDEMO_SPACEFILE_H */
