/* SPDX-License-Identifier: GPL-2.0 */
/*
 * removal.h - what the tests share whose disk goes, changes or is unfit
 *
 * What happens with single pages that fail is the subject of the errors_*.c.
 */
#ifndef VMDEMO_REMOVAL_H
#define VMDEMO_REMOVAL_H

#include "vmdemo_test.h"
#include "workload.h"

#define FRAMES	64
#define PAGES	512
#define SEED	19
#define WORKERS	3
#define SLOW	60	/* seconds that something may take on a slow machine */

/* Unload, whatever is bound: vt_stop() wants to see the disks. */
static inline void unload(void)
{
	__u64 deadline = vt_now_ms() + SLOW * 1000;

	while (vt_loaded() && vt_now_ms() < deadline)
		if (vt_try_unload())
			vt_nap(50);
}

static inline void use_disk(const char *disk)
{
	setenv("VMDEMO_TEST_DISK", disk, 1);
	vt_disk_fill(disk, 0, 2 * PAGES, SEED);
	vt_start(FRAMES);
	if (vt_set("dirty_age_ms", "0"))
		vt_fail("dirty_age_ms cannot be set");
}

/* fsync may first tell of what failed in the background. */
static inline bool synced(int fd)
{
	return !fsync(fd) || !fsync(fd);
}

/* Every frame is free once the device lets go of its disk. */
static inline bool pool_is_whole(void)
{
	return vt_stat("frames_free") == vt_get("frames_actual");
}

#endif /* VMDEMO_REMOVAL_H */
