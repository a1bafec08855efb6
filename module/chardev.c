// SPDX-License-Identifier: GPL-2.0
/*
 * chardev.c - entry points of the character device
 *
 * An open file gets the space's inode as its f_mapping: so all opens, and the kernel's own code for
 * msync and error reporting, see one address space.
 */
#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/uaccess.h>
#include <vmdemo.h>

#include "device.h"
#include "entry.h"
#include "grow.h"

static int vmdemo_chardev_open(struct inode *inode, struct file *file)
{
	struct vmdemo_device *device = container_of(inode->i_cdev, struct vmdemo_device, cdev);
	struct vmdemo_file *vf;
	int err;

	/* The frames are the point: nothing bypasses them. */
	if (file->f_flags & O_DIRECT)
		return -EINVAL;
	vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);
	if (!vf)
		return -ENOMEM;
	err = vmdemo_device_open(device);
	if (err) {
		kfree(vf);
		return err;
	}
	vf->device = device;
	vf->space = &device->space;
	vmdemo_readahead_init(&vf->streams);
	file->private_data = vf;
	file->f_mapping = device->space.inode->i_mapping;
	/* This file reports errors from now on. */
	file->f_wb_err = filemap_sample_wb_err(file->f_mapping);
	return 0;
}

static int vmdemo_chardev_release(struct inode *inode, struct file *file)
{
	struct vmdemo_file *vf = file->private_data;

	vmdemo_device_release(vf->device);
	kfree(vf);
	return 0;
}

static loff_t vmdemo_chardev_llseek(struct file *file, loff_t offset, int whence)
{
	struct vmdemo_file *vf = file->private_data;

	vmdemo_grow_look(vf->space, true);
	return fixed_size_llseek(file, offset, whence, READ_ONCE(vf->space->size_bytes));
}

static int vmdemo_chardev_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct vmdemo_file *vf = file->private_data;
	int err = vmdemo_device_sync(vf->device, start, end);
	int background = file_check_and_advance_wb_err(file);

	return err ?: background;
}

static long vmdemo_chardev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vmdemo_file *vf = file->private_data;

	vmdemo_grow_look(vf->space, true);
	/* Programs that know the size of a disk know that of this one. */
	if (cmd == BLKGETSIZE64)
		return put_user(READ_ONCE(vf->space->size_bytes), (u64 __user *)arg);
	if (cmd == VMDEMO_IOC_SPACE)
		return vmdemo_sparse_create(file, (void __user *)arg);
	return vmdemo_ioctl(file, cmd, arg);
}

/**
 * vmdemo_show_fdinfo - which space a file is, in /proc/<pid>/fdinfo/<fd>
 * @seq:  to print to
 * @file: open device, or sparse space
 *
 * By the numbers that the tracepoints have. Does not sleep.
 */
void vmdemo_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space *space = vf->space;

	seq_printf(seq, "vmdemo-device:\t%u\nvmdemo-space:\t%llu\n", space->pool->device,
		   space->key >> VMDEMO_INDEX_BITS);
	if (space->swap)
		seq_printf(seq, "vmdemo-written:\t%lld kB\n",
			   atomic64_read(&space->nr_written) << (PAGE_SHIFT - 10));
}

const struct file_operations vmdemo_chardev_fops = {
	.owner		= THIS_MODULE,
	.open		= vmdemo_chardev_open,
	.release	= vmdemo_chardev_release,
	.llseek		= vmdemo_chardev_llseek,
	.read_iter	= vmdemo_rw_read_iter,
	.write_iter	= vmdemo_rw_write_iter,
	.splice_read	= copy_splice_read,
	.splice_write	= iter_file_splice_write,
	.mmap		= vmdemo_vm_mmap,
	.fsync		= vmdemo_chardev_fsync,
	.fadvise	= vmdemo_fadvise,
	.show_fdinfo	= vmdemo_show_fdinfo,
	.unlocked_ioctl	= vmdemo_chardev_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};
