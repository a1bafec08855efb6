// SPDX-License-Identifier: GPL-2.0
/*
 * backing.c - the claim on a block device
 *
 * The device is claimed exclusively. That does not keep others from opening it, and what they wrote
 * through its own page cache would later overwrite ours, so that cache is written out and dropped,
 * before we begin and again after we end.
 */
#include <linux/blkdev.h>
#include <linux/slab.h>

#include "backing.h"

/* The device's own page cache: nothing dirty in it, nothing in it. */
static int vmdemo_backing_quiesce(struct vmdemo_backing *backing)
{
	int err = sync_blockdev(backing->handle.bdev);

	invalidate_bdev(backing->handle.bdev);
	return err;
}

/**
 * vmdemo_backing_open - claim a block device
 * @backing: unbound
 * @path:    of the block device's node
 * @holder:  identifies the claim
 *
 * A device that refuses writing is opened for reading. May sleep. Returns 0, an error of the block
 * layer (-ENOENT, -ENOTBLK, -EBUSY, ...), -EINVAL for blocks larger than a page, -ENOSPC for an
 * empty device, or -ENOMEM.
 */
int vmdemo_backing_open(struct vmdemo_backing *backing, const char *path, void *holder)
{
	struct block_device *bdev;
	int err;

	err = vmdemo_bdev_open(&backing->handle, path, BLK_OPEN_READ | BLK_OPEN_WRITE, holder);
	backing->readonly = err == -EACCES || err == -EROFS || err == -EPERM;
	if (backing->readonly)
		err = vmdemo_bdev_open(&backing->handle, path, BLK_OPEN_READ, holder);
	if (err)
		return err;
	bdev = backing->handle.bdev;
	backing->readonly |= bdev_read_only(bdev);
	backing->path = kstrdup(path, GFP_KERNEL);
	if (!backing->path)
		err = -ENOMEM;
	else if (bdev_logical_block_size(bdev) > PAGE_SIZE)
		err = -EINVAL;
	else if (!bdev_nr_bytes(bdev))
		err = -ENOSPC;
	else
		err = vmdemo_backing_quiesce(backing);
	if (err)
		vmdemo_backing_close(backing);
	return err;
}

/**
 * vmdemo_backing_close - give up the claim
 * @backing: bound; no I/O of ours is in flight
 *
 * May sleep.
 */
void vmdemo_backing_close(struct vmdemo_backing *backing)
{
	vmdemo_backing_quiesce(backing);
	vmdemo_bdev_close(&backing->handle);
	kfree(backing->path);
	backing->path = NULL;
	backing->readonly = false;
}

/**
 * vmdemo_backing_zero - make a range of the device read as zeros
 * @backing:    bound, writable
 * @first:      first page
 * @nr:         pages
 * @size_bytes: of the device: the last page may be short
 *
 * May sleep. Returns 0 or the block layer's error.
 */
int vmdemo_backing_zero(struct vmdemo_backing *backing, pgoff_t first, pgoff_t nr, u64 size_bytes)
{
	u64 start = (u64)first << PAGE_SHIFT;
	u64 end = min(start + ((u64)nr << PAGE_SHIFT), size_bytes);

	return blkdev_issue_zeroout(backing->handle.bdev, start >> SECTOR_SHIFT,
				    (end - start) >> SECTOR_SHIFT, GFP_KERNEL, 0);
}
