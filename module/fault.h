/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fault.h - what the kernel calls for a mapping of ours
 */
#ifndef VMDEMO_FAULT_H
#define VMDEMO_FAULT_H

#include <linux/mm.h>

int vmdemo_vm_mmap(struct file *file, struct vm_area_struct *vma);

#endif /* VMDEMO_FAULT_H */
