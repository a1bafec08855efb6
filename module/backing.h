/* SPDX-License-Identifier: GPL-2.0 */
/*
 * backing.h - the claim on a block device
 */
#ifndef VMDEMO_BACKING_H
#define VMDEMO_BACKING_H

#include "frame.h"

int vmdemo_backing_open(struct vmdemo_backing *backing, const char *path, void *holder);
void vmdemo_backing_close(struct vmdemo_backing *backing);
int vmdemo_backing_zero(struct vmdemo_backing *backing, pgoff_t first, pgoff_t nr, u64 size_bytes);

#endif /* VMDEMO_BACKING_H */
