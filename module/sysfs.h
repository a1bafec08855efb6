/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sysfs.h - attributes of a device
 */
#ifndef VMDEMO_SYSFS_H
#define VMDEMO_SYSFS_H

#include <linux/sysfs.h>

extern const struct attribute_group *vmdemo_sysfs_groups[];

#endif /* VMDEMO_SYSFS_H */
