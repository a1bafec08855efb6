// SPDX-License-Identifier: GPL-2.0
/*
 * spacefile.c - what can be done with the file of a sparse space
 *
 * It is a regular file: what users know of such files works here. See sparse.c for where it comes
 * from, and its end.
 */
#include <linux/falloc.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <vmdemo.h>

#include "device.h"
#include "entry.h"
#include "range.h"
#include "segment.h"
#include "spacefile.h"
#include "swap.h"

/* ---- files ---- */

/* Every space of this kind swaps, to the swap device of the one it belongs to. */
static struct vmdemo_device *vmdemo_spacefile_device(struct vmdemo_space *space)
{
	return container_of(space->swap, struct vmdemo_device, swap);
}

/**
 * vmdemo_spacefile_attach - a file is opened
 * @file:  the file
 * @space: the sparse space of its inode
 *
 * vmdemo_spacefile_fops ends it. May sleep. Returns 0 or -ENOMEM.
 */
int vmdemo_spacefile_attach(struct file *file, struct vmdemo_space *space)
{
	struct vmdemo_file *vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);

	if (!vf)
		return -ENOMEM;
	vf->device = vmdemo_spacefile_device(space);
	vf->space = space;
	vmdemo_readahead_init(&vf->streams);
	file->private_data = vf;
	return 0;
}

/* By its name, or again, by /proc/self/fd. */
static int vmdemo_spacefile_open(struct inode *inode, struct file *file)
{
	int err = file->f_flags & O_DIRECT ? -EINVAL : generic_file_open(inode, file);

	return err ?: vmdemo_spacefile_attach(file, inode->i_private);
}

static int vmdemo_spacefile_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static ssize_t vmdemo_spacefile_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	ssize_t done = vmdemo_rw_read_iter(iocb, to);

	if (done >= 0)
		file_accessed(iocb->ki_filp);
	return done;
}

static int vmdemo_spacefile_mmap(struct file *file, struct vm_area_struct *vma)
{
	file_accessed(file);
	return vmdemo_vm_mmap(file, vma);
}

/* The end of what is not just zeros from page @index on; -EINTR when killed. */
static loff_t vmdemo_spacefile_hole(struct vmdemo_space *space, pgoff_t index, pgoff_t nr_pages)
{
	u32 run;

	for (; index < nr_pages; index += run) {
		run = vmdemo_space_data_run(space, index, min_t(pgoff_t, nr_pages - index, 1024),
					    false);
		if (!run)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return (loff_t)index << PAGE_SHIFT;
}

static loff_t vmdemo_spacefile_llseek(struct file *file, loff_t offset, int whence)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space *space = vf->space;
	pgoff_t index, nr_pages;
	loff_t found, size;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek_size(file, offset, whence, VMDEMO_SPACE_MAX,
						READ_ONCE(space->size_bytes));
	found = vmdemo_space_lock_inode(space);
	if (found)
		return found;
	size = space->size_bytes;
	nr_pages = space->nr_pages;
	index = offset >> PAGE_SHIFT;
	if (offset < 0 || offset >= size) {
		found = -ENXIO;
	} else if (whence == SEEK_HOLE) {
		found = vmdemo_spacefile_hole(space, index, nr_pages);
	} else {
		index = vmdemo_swap_next_data(space, index, nr_pages - 1);
		found = index < nr_pages ? (loff_t)index << PAGE_SHIFT : -ENXIO;
	}
	inode_unlock(space->inode);
	if (found < 0)
		return found;
	return vfs_setpos(file, clamp(found, offset, size), VMDEMO_SPACE_MAX);
}

/* Bytes @from..@to-1 become zeros: whole pages go, parts are zeroed. The inode is locked. */
static int vmdemo_spacefile_punch(struct file *file, struct vmdemo_space *space, u64 from, u64 to)
{
	u64 first = round_up(from, PAGE_SIZE), end = round_down(to, PAGE_SIZE);
	int err;

	/* All in one page. */
	if (first > end)
		return vmdemo_range_zero_part(space, from, to - from);
	err = vmdemo_range_zero_part(space, from, first - from);
	if (!err && first < end)
		err = vmdemo_range_discard(file, space, first >> PAGE_SHIFT,
					   (end >> PAGE_SHIFT) - 1);
	return err ?: vmdemo_range_zero_part(space, end, to - end);
}

/* Slots for bytes @from..@to-1, and the size that goes with them. The inode is locked. */
static int vmdemo_spacefile_reserve(struct file *file, int mode, u64 from, u64 to)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space *space = vf->space;
	bool longer = !(mode & FALLOC_FL_KEEP_SIZE) && to > space->size_bytes;
	u64 end = min(to, round_up(space->size_bytes, PAGE_SIZE));
	int err = 0;

	if (longer)
		err = vmdemo_range_zero_tail(space, space->size_bytes);
	if (!err && (mode & FALLOC_FL_ZERO_RANGE) && from < end)
		err = vmdemo_spacefile_punch(file, space, from, end);
	if (!err)
		err = vmdemo_swap_reserve_range(space, from >> PAGE_SHIFT, (to - 1) >> PAGE_SHIFT);
	if (!err && longer)
		vmdemo_space_set_size(space, to);
	return err;
}

/* May it be done? The inode is locked. */
static int vmdemo_spacefile_check(struct vmdemo_space *space, int mode, u64 from, u64 to)
{
	u64 end = min(to, round_up(space->size_bytes, PAGE_SIZE));

	if (mode & FALLOC_FL_PUNCH_HOLE) {
		/* Where there is an origin, zeros would replace its contents. */
		return from < end && vmdemo_segment_origins(space, from >> PAGE_SHIFT,
							    (end - 1) >> PAGE_SHIFT) ?
		       -EOPNOTSUPP : 0;
	}
	/* The table says where its pages are. */
	if (space->segments)
		return -EOPNOTSUPP;
	if (to > VMDEMO_SPACE_MAX)
		return -EFBIG;
	if ((mode & FALLOC_FL_KEEP_SIZE) || to <= space->size_bytes)
		return 0;
	return inode_newsize_ok(space->inode, to);
}

static long vmdemo_spacefile_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space *space = vf->space;
	u64 end = offset + len;
	int err;

	if (mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) &&
	    (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE)))
		return -EOPNOTSUPP;
	err = vmdemo_space_lock_inode(space);
	if (err)
		return err;
	err = vmdemo_spacefile_check(space, mode, offset, end) ?: file_modified(file);
	if (err)
		goto out;
	if (!(mode & FALLOC_FL_PUNCH_HOLE))
		err = vmdemo_spacefile_reserve(file, mode, offset, end);
	else if (offset < round_up(space->size_bytes, PAGE_SIZE))
		err = vmdemo_spacefile_punch(file, space, offset,
					     min(end, round_up(space->size_bytes, PAGE_SIZE)));
out:
	inode_unlock(space->inode);
	return err;
}

/* Anonymous memory: there is nothing to make durable. */
static int vmdemo_spacefile_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	return 0;
}

const struct file_operations vmdemo_spacefile_fops = {
	.owner		= THIS_MODULE,
	.open		= vmdemo_spacefile_open,
	.release	= vmdemo_spacefile_release,
	.llseek		= vmdemo_spacefile_llseek,
	.read_iter	= vmdemo_spacefile_read_iter,
	.write_iter	= vmdemo_rw_write_sparse,
	.splice_read	= copy_splice_read,
	.splice_write	= iter_file_splice_write,
	.mmap		= vmdemo_spacefile_mmap,
	.fsync		= vmdemo_spacefile_fsync,
	.fallocate	= vmdemo_spacefile_fallocate,
	.fadvise	= vmdemo_fadvise,
	.show_fdinfo	= vmdemo_show_fdinfo,
	.unlocked_ioctl	= vmdemo_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/* ---- inodes ---- */

/* The inode is locked. Accesses to what is cut off get SIGBUS from now on. */
static int vmdemo_spacefile_truncate(struct vmdemo_space *space, u64 size)
{
	u64 old = space->size_bytes;
	int err;

	if (size > VMDEMO_SPACE_MAX)
		return -EFBIG;
	if (space->segments)
		return -EPERM;
	/* First what may fail. */
	err = vmdemo_range_zero_tail(space, min(size, old));
	if (err)
		return err;
	if (size < old)
		vmdemo_range_truncate(space, size);
	else
		vmdemo_space_set_size(space, size);
	return 0;
}

static int vmdemo_spacefile_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
				    struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct vmdemo_space *space = inode->i_private;
	u64 old = READ_ONCE(space->size_bytes);
	int err;

	err = setattr_prepare(idmap, dentry, attr);
	if (!err && (attr->ia_valid & ATTR_SIZE))
		err = vmdemo_spacefile_truncate(space, attr->ia_size);
	/* truncate(2) asks for that only if the size changes, others always. */
	if (!err && space->size_bytes != old)
		attr->ia_valid |= ATTR_MTIME | ATTR_CTIME;
	if (!err) {
		setattr_copy(idmap, inode, attr);
		/* The next store changes what utimes(2) has set. */
		WRITE_ONCE(space->stamped_at, jiffies - 1);
	}
	return err;
}

static int vmdemo_spacefile_getattr(struct mnt_idmap *idmap, const struct path *path,
				    struct kstat *stat, u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct vmdemo_space *space = inode->i_private;

	generic_fillattr(idmap, mask, inode, stat);
	stat->blocks = (u64)atomic64_read(&space->nr_written) << (PAGE_SHIFT - SECTOR_SHIFT);
	return 0;
}

const struct inode_operations vmdemo_spacefile_iops = {
	.setattr	= vmdemo_spacefile_setattr,
	.getattr	= vmdemo_spacefile_getattr,
};
