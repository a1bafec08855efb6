/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nullb.h - disks of any size, which take memory for what they are to keep, if for anything
 */
#ifndef NULLB_H
#define NULLB_H

#include "vmdemo_test.h"

/*
 * Before the first disk, and after the last: nullb_remove() unloads vmdemo, and removes all, those
 * that a failed test has left too. nullb_load() ends the test if there is no null_blk.
 */
void nullb_load(void);
void nullb_remove(void);

/*
 * Make disk number @i, 0 or 1, of @mib MiB; its path. What is written to it is lost, unless it
 * @keeps it: then whatever was never written is zeros.
 */
const char *nullb_make(int i, __u64 mib, bool keeps);

#endif /* NULLB_H */
