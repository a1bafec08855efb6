// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl.c - the ioctls of ../uapi/vmdemo.h
 *
 * Every argument is checked in full before anything happens.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <vmdemo.h>

#include "device.h"
#include "entry.h"
#include "index.h"
#include "range.h"
#include "segment.h"
#include "swap.h"

#define VMDEMO_PAGEMAP_CHUNK	128

/* A range of whole pages inside the space. Returns 0 or -EINVAL. */
static int vmdemo_ioctl_check_range(const struct vmdemo_space *space, u64 offset, u64 length,
				    pgoff_t *first, pgoff_t *last)
{
	u64 pages = length >> PAGE_SHIFT, nr_pages = READ_ONCE(space->nr_pages);

	if (!length || !IS_ALIGNED(offset, PAGE_SIZE) || !IS_ALIGNED(length, PAGE_SIZE))
		return -EINVAL;
	*first = offset >> PAGE_SHIFT;
	if (*first >= nr_pages || pages > nr_pages - *first)
		return -EINVAL;
	*last = *first + pages - 1;
	return 0;
}

/* Most bytes that a caller may have for struct vmdemo_info. */
#define VMDEMO_INFO_ROOM	4096

static long vmdemo_ioctl_info(struct vmdemo_space *space, void __user *arg)
{
	struct vmdemo_info info = {
		.size		= sizeof(info),
		.flags		= (vmdemo_space_readonly(space) ? VMDEMO_INFO_READONLY : 0) |
				  (space->swap ? VMDEMO_INFO_SPARSE : 0),
		.size_bytes	= READ_ONCE(space->size_bytes),
		.page_size	= PAGE_SIZE,
		.frames		= READ_ONCE(space->pool->target),
		.frames_actual	= READ_ONCE(space->pool->nr_frames),
		.pagemap_max	= VMDEMO_PAGEMAP_MAX,
	};
	u32 head[2];	/* size, flags */
	u32 known;

	BUILD_BUG_ON(offsetofend(struct vmdemo_info, pagemap_max) != VMDEMO_INFO_SIZE_VER0);
	if (copy_from_user(head, arg, sizeof(head)))
		return -EFAULT;
	if (head[0] < VMDEMO_INFO_SIZE_VER0 || head[1])
		return -EINVAL;
	if (head[0] > VMDEMO_INFO_ROOM)
		return -E2BIG;
	known = min_t(u32, head[0], sizeof(info));
	info.size = known;
	if (copy_to_user(arg, &info, known) || clear_user(arg + known, head[0] - known))
		return -EFAULT;
	return 0;
}

/* To a sparse space it is what fallocate(2) does when it punches a hole. */
static int vmdemo_ioctl_discard(struct file *file, struct vmdemo_space *space, pgoff_t first,
				pgoff_t last)
{
	int err;

	if (vmdemo_space_readonly(space))
		return -EROFS;
	if (!space->swap)
		return vmdemo_range_discard(file, space, first, last);
	err = vmdemo_space_lock_inode(space);
	if (err)
		return err;
	err = file_modified(file) ?: vmdemo_range_discard(file, space, first, last);
	inode_unlock(space->inode);
	return err;
}

static long vmdemo_ioctl_range(struct file *file, unsigned int cmd, struct vmdemo_range __user *arg)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space *space = vf->space;
	struct vmdemo_range range;
	pgoff_t first, last;
	long ret;

	if (copy_from_user(&range, arg, sizeof(range)))
		return -EFAULT;
	if (range.flags || range.reserved || range.pages)
		return -EINVAL;
	ret = vmdemo_ioctl_check_range(space, range.offset, range.length, &first, &last);
	if (ret)
		return ret;
	if (!(file->f_mode & (cmd == VMDEMO_IOC_DISCARD ? FMODE_WRITE : FMODE_READ)))
		return -EBADF;
	if (cmd == VMDEMO_IOC_EVICT && !vmdemo_file_may_look(file))
		return -EPERM;
	switch (cmd) {
	case VMDEMO_IOC_PREFETCH:
		ret = vmdemo_range_prefetch(space, first, last);
		if (ret == -EBUSY)
			ret = -ENOBUFS;
		break;
	case VMDEMO_IOC_EVICT:
		ret = vmdemo_range_evict(space, first, last);
		break;
	case VMDEMO_IOC_DISCARD:
		ret = vmdemo_ioctl_discard(file, space, first, last);
		if (!ret)
			ret = last - first + 1;
		break;
	}
	if (ret < 0)
		return ret;
	return put_user((u64)ret, &arg->pages) ? -EFAULT : 0;
}

static void vmdemo_ioctl_describe(struct vmdemo_space *space, pgoff_t index,
				  struct vmdemo_page *page)
{
	bool resident;

	*page = (struct vmdemo_page){ .frame = VMDEMO_NO_FRAME };
	resident = vmdemo_index_describe(space, index, page);
	/* The slot is read last: a page has it before it is written, and before it leaves. */
	if (space->swap)
		page->slot = vmdemo_swap_slot(space, index);
	if (!resident && page->slot)
		page->state = VMDEMO_PAGE_SWAPPED;
}

static long vmdemo_ioctl_pagemap(struct file *file, struct vmdemo_pagemap __user *arg)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_page __user *out;
	struct vmdemo_pagemap map;
	struct vmdemo_page *chunk;
	pgoff_t first, last;
	u32 nr, i;
	long ret;

	if (copy_from_user(&map, arg, sizeof(map)))
		return -EFAULT;
	if (map.flags || map.reserved || map.length > (u64)VMDEMO_PAGEMAP_MAX * PAGE_SIZE)
		return -EINVAL;
	ret = vmdemo_ioctl_check_range(vf->space, map.offset, map.length, &first, &last);
	if (ret)
		return ret;
	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	if (!vmdemo_file_may_look(file))
		return -EPERM;
	chunk = kmalloc_array(VMDEMO_PAGEMAP_CHUNK, sizeof(*chunk), GFP_KERNEL);
	if (!chunk)
		return -ENOMEM;
	for (out = u64_to_user_ptr(map.pages); first <= last && !ret; first += nr, out += nr) {
		nr = min_t(pgoff_t, last - first + 1, VMDEMO_PAGEMAP_CHUNK);
		for (i = 0; i < nr; i++)
			vmdemo_ioctl_describe(vf->space, first + i, &chunk[i]);
		if (copy_to_user(out, chunk, nr * sizeof(*chunk)))
			ret = -EFAULT;
		else if (fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	kfree(chunk);
	return ret;
}

static long vmdemo_ioctl_segment(struct file *file, struct vmdemo_segment_state __user *arg)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_segments *table = vf->space->segments;
	struct vmdemo_segment_state state;
	const struct vmdemo_seg *seg;

	if (copy_from_user(&state, arg, offsetof(struct vmdemo_segment_state, segment)))
		return -EFAULT;
	if (state.reserved || !table || state.number >= table->nr)
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	seg = &table->seg[state.number];
	state.segment = seg->about;
	state.segment.limit = (u64)READ_ONCE(seg->limit) << PAGE_SHIFT;
	state.faults = vmdemo_segment_counted(seg, VMDEMO_SEGMENT_FAULTS);
	state.zeroed = vmdemo_segment_counted(seg, VMDEMO_SEGMENT_ZEROED);
	state.loaded = vmdemo_segment_counted(seg, VMDEMO_SEGMENT_LOADED);
	state.written = vmdemo_segment_counted(seg, VMDEMO_SEGMENT_WRITTEN);
	state.aborted = vmdemo_segment_counted(seg, VMDEMO_SEGMENT_ABORTED);
	return copy_to_user(arg, &state, sizeof(state)) ? -EFAULT : 0;
}

static long vmdemo_ioctl_limit(struct file *file, struct vmdemo_segment_limit __user *arg)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_segment_limit args;

	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (args.reserved || !IS_ALIGNED(args.limit, PAGE_SIZE))
		return -EINVAL;
	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	return vmdemo_range_set_limit(vf->space, args.number, args.limit >> PAGE_SHIFT);
}

/* INFO's size may be another version's; its number and direction are the same in all. */
static bool vmdemo_ioctl_is_info(unsigned int cmd)
{
	return _IOC_TYPE(cmd) == VMDEMO_IOC_MAGIC && _IOC_NR(cmd) == _IOC_NR(VMDEMO_IOC_INFO) &&
	       _IOC_DIR(cmd) == _IOC_DIR(VMDEMO_IOC_INFO);
}

/**
 * vmdemo_ioctl - what any open file of ours can be asked
 * @file: open device, or sparse space
 * @cmd:  VMDEMO_IOC_*
 * @arg:  address of the argument
 *
 * May sleep. Returns 0 or a negative error; see ../uapi/vmdemo.h. -ENOTTY for an unknown command.
 */
long vmdemo_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vmdemo_file *vf = file->private_data;
	void __user *user = (void __user *)arg;

	if (vmdemo_ioctl_is_info(cmd))
		return vmdemo_ioctl_info(vf->space, user);
	switch (cmd) {
	case VMDEMO_IOC_PREFETCH:
	case VMDEMO_IOC_EVICT:
	case VMDEMO_IOC_DISCARD:
		return vmdemo_ioctl_range(file, cmd, user);
	case VMDEMO_IOC_PAGEMAP:
		return vmdemo_ioctl_pagemap(file, user);
	case VMDEMO_IOC_SEGMENT:
		return vmdemo_ioctl_segment(file, user);
	case VMDEMO_IOC_LIMIT:
		return vmdemo_ioctl_limit(file, user);
	}
	return -ENOTTY;
}
