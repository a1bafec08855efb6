/* SPDX-License-Identifier: GPL-2.0 */
/*
 * chardev.h - entry points of the character device
 */
#ifndef VMDEMO_CHARDEV_H
#define VMDEMO_CHARDEV_H

#include <linux/fs.h>

extern const struct file_operations vmdemo_chardev_fops;

#endif /* VMDEMO_CHARDEV_H */
