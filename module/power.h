/* SPDX-License-Identifier: GPL-2.0 */
/*
 * power.h - the machine goes down, or to sleep
 */
#ifndef VMDEMO_POWER_H
#define VMDEMO_POWER_H

struct vmdemo_device;

int vmdemo_power_init(struct vmdemo_device **devices, unsigned int nr);
void vmdemo_power_exit(void);

#endif /* VMDEMO_POWER_H */
