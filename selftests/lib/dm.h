/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dm.h - devices of the device mapper, made by its ioctls
 *
 * dmsetup(8) makes the same calls, but on a debug kernel to start a process takes longer than many
 * a test.
 */
#ifndef VMDEMO_DM_H
#define VMDEMO_DM_H

#include <linux/dm-ioctl.h>

#include "vmdemo_test.h"

#define DM_PATH(name)	"/dev/" DM_DIR "/" name

/* Does the kernel have this target, such as "linear"? Loads its module. */
bool dm_has(const char *target);

bool dm_exists(const char *name);

/*
 * Make a device, and its node. A table is what dmsetup(8) takes: lines of first sector, sectors,
 * target and the target's arguments. Flags: 0 or DM_READONLY_FLAG. Ends the test if the device
 * cannot be made.
 */
void dm_create(const char *name, __u32 flags, const char *table, ...) __printf(3, 4);

/* Give it another table. Requests on their way end first; a suspended device is resumed. */
void dm_reload(const char *name, const char *table, ...) __printf(2, 3);

/* Suspend it: requests wait until dm_resume(). False: there is no such device, or it refuses. */
bool dm_suspend(const char *name);
bool dm_resume(const char *name);

/* Waits up to 5 s until nobody has it open. True if it is gone, or never was. */
bool dm_remove(const char *name);

#endif /* VMDEMO_DM_H */
