/* SPDX-License-Identifier: GPL-2.0 */
/*
 * entry.h - where others come in: the kernel, by files, mappings and attributes
 */
#ifndef VMDEMO_ENTRY_H
#define VMDEMO_ENTRY_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sysfs.h>

struct vmdemo_device;

/* main.c sets these up. */
extern const struct file_operations vmdemo_chardev_fops;
extern const struct attribute_group *vmdemo_sysfs_groups[];
int vmdemo_power_init(struct vmdemo_device **devices, unsigned int nr);
void vmdemo_power_exit(void);
int vmdemo_mounts_init(struct vmdemo_device **devices, unsigned int nr);
void vmdemo_mounts_exit(void);

/* What files of the device and of sparse spaces have in common. */
int vmdemo_vm_mmap(struct file *file, struct vm_area_struct *vma);
ssize_t vmdemo_rw_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t vmdemo_rw_write_iter(struct kiocb *iocb, struct iov_iter *from);
ssize_t vmdemo_rw_write_sparse(struct kiocb *iocb, struct iov_iter *from);
int vmdemo_fadvise(struct file *file, loff_t offset, loff_t len, int advice);
void vmdemo_show_fdinfo(struct seq_file *seq, struct file *file);
long vmdemo_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

long vmdemo_sparse_create(struct file *file, void __user *arg);

#endif /* VMDEMO_ENTRY_H */
