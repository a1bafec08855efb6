/* SPDX-License-Identifier: GPL-2.0 */
/*
 * registry.h - which policies there are, and which pool follows which
 */
#ifndef VMDEMO_REGISTRY_H
#define VMDEMO_REGISTRY_H

struct vmdemo_pool;

void vmdemo_registry_init(void);
int vmdemo_registry_set(struct vmdemo_pool *pool, const char *name);
ssize_t vmdemo_registry_show(const struct vmdemo_pool *pool, char *buf);

#endif /* VMDEMO_REGISTRY_H */
