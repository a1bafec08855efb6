/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fadvise.h - advice on a file
 */
#ifndef VMDEMO_FADVISE_H
#define VMDEMO_FADVISE_H

#include <linux/fs.h>

int vmdemo_fadvise(struct file *file, loff_t offset, loff_t len, int advice);

#endif /* VMDEMO_FADVISE_H */
