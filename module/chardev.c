// SPDX-License-Identifier: GPL-2.0
/*
 * chardev.c - entry points of the character device
 *
 * An open file gets the space's inode as its f_mapping: so all opens, and the kernel's own code for
 * msync and error reporting, see one address space.
 */
#include <linux/fadvise.h>
#include <linux/slab.h>
#include <linux/splice.h>

#include "chardev.h"
#include "device.h"
#include "evict.h"
#include "fault.h"
#include "ioctl.h"
#include "rw.h"

static int vmdemo_chardev_open(struct inode *inode, struct file *file)
{
	struct vmdemo_device *device = container_of(inode->i_cdev, struct vmdemo_device, cdev);
	struct vmdemo_file *vf;
	int err;

	/* The frames are the point: there is no way past them. */
	if (file->f_flags & O_DIRECT)
		return -EINVAL;
	vf = kzalloc(sizeof(*vf), GFP_KERNEL);
	if (!vf)
		return -ENOMEM;
	err = vmdemo_device_open(device);
	if (err) {
		kfree(vf);
		return err;
	}
	vf->device = device;
	vmdemo_readahead_init(&vf->streams);
	file->private_data = vf;
	file->f_mapping = device->space.inode->i_mapping;
	/* Errors from now on are this file's to hear of. */
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

	return fixed_size_llseek(file, offset, whence, vf->device->space.size_bytes);
}

static int vmdemo_chardev_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct vmdemo_file *vf = file->private_data;
	int err = vmdemo_device_sync(vf->device, start, end);
	int background = file_check_and_advance_wb_err(file);

	return err ?: background;
}

static int vmdemo_chardev_advise(struct file *file, enum vmdemo_advice advice)
{
	struct vmdemo_file *vf = file->private_data;

	WRITE_ONCE(vf->advice, advice);
	return 0;
}

/* Only pages that lie in the range as a whole: a neighbour's data is none of the caller's. */
static int vmdemo_chardev_dontneed(struct vmdemo_space *space, u64 start, u64 end)
{
	pgoff_t first = DIV_ROUND_UP_ULL(start, PAGE_SIZE);
	pgoff_t last = end >= space->size_bytes ? space->nr_pages : end >> PAGE_SHIFT;
	long ret;

	if (first >= last)
		return 0;
	ret = vmdemo_evict_range(space, first, last - 1);
	return min(ret, 0L);
}

static int vmdemo_chardev_willneed(struct vmdemo_space *space, u64 start, u64 end)
{
	pgoff_t last = min_t(u64, (end - 1) >> PAGE_SHIFT, space->nr_pages - 1);
	long ret;

	if (start >> PAGE_SHIFT > last)
		return 0;
	ret = vmdemo_space_prefetch(space, start >> PAGE_SHIFT, last);
	return ret == -EINTR ? ret : 0;
}

static int vmdemo_chardev_fadvise(struct file *file, loff_t offset, loff_t len, int advice)
{
	struct vmdemo_file *vf = file->private_data;
	u64 end = len ? (u64)offset + len : U64_MAX;

	if (offset < 0 || len < 0)
		return -EINVAL;
	switch (advice) {
	case POSIX_FADV_NORMAL:
		return vmdemo_chardev_advise(file, VMDEMO_ADVICE_NORMAL);
	case POSIX_FADV_SEQUENTIAL:
		return vmdemo_chardev_advise(file, VMDEMO_ADVICE_SEQUENTIAL);
	case POSIX_FADV_RANDOM:
		return vmdemo_chardev_advise(file, VMDEMO_ADVICE_RANDOM);
	case POSIX_FADV_WILLNEED:
		return vmdemo_chardev_willneed(&vf->device->space, offset, end);
	case POSIX_FADV_DONTNEED:
		return vmdemo_chardev_dontneed(&vf->device->space, offset, end);
	case POSIX_FADV_NOREUSE:
		return 0;
	}
	return -EINVAL;
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
	.fadvise	= vmdemo_chardev_fadvise,
	.unlocked_ioctl	= vmdemo_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};
