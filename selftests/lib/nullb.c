// SPDX-License-Identifier: GPL-2.0
/*
 * nullb.c - disks of any size; see nullb.h
 */
#include <sys/mount.h>

#include "nullb.h"

#define CONFIG	"/sys/kernel/config/nullb/"

void nullb_load(void)
{
	if (!vt_shell("modprobe null_blk nr_devices=0"))
		vt_skip("there is no null_blk");
	mount("configfs", "/sys/kernel/config", "configfs", 0, NULL);
}

void nullb_remove(void)
{
	vt_try_unload();
	vt_shell("cd " CONFIG " && for d in nullb*; do [ ! -d $d ] || rmdir $d; done");
}

const char *nullb_make(int i, __u64 mib, bool keeps)
{
	static const char * const path[] = { "/dev/nullb0", "/dev/nullb1" };

	if (!vt_shell("mkdir " CONFIG "nullb%d", i) ||
	    !vt_shell("cd " CONFIG "nullb%d && echo %llu >size && echo %d >memory_backed", i, mib,
		      keeps) ||
	    !vt_shell("echo 1 >" CONFIG "nullb%d/power", i) || access(path[i], F_OK))
		vt_fail("null_blk makes no disk of %llu MiB", mib);
	return path[i];
}
