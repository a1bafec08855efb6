/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ioctl.h - the ioctls of ../uapi/vmdemo.h
 */
#ifndef VMDEMO_IOCTL_H
#define VMDEMO_IOCTL_H

#include <linux/fs.h>

long vmdemo_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* VMDEMO_IOCTL_H */
