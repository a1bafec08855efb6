/* SPDX-License-Identifier: GPL-2.0 */
/*
 * thread.h - the reclaim thread of a pool
 */
#ifndef VMDEMO_THREAD_H
#define VMDEMO_THREAD_H

#include "frame.h"

int vmdemo_thread_init(struct vmdemo_pool *pool);
void vmdemo_thread_exit(struct vmdemo_pool *pool);
int vmdemo_thread_shrink(struct vmdemo_pool *pool, u32 frames);

#endif /* VMDEMO_THREAD_H */
