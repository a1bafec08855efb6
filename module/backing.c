// SPDX-License-Identifier: GPL-2.0
/*
 * backing.c - the claim on a block device
 *
 * The device is claimed exclusively. That does not keep others from opening it, and what they wrote
 * through its own page cache would later overwrite ours, so that cache is written out and dropped,
 * before we begin and again after we end.
 */
#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/slab.h>

#include "backing.h"
#include "job.h"

/* A device whose page cache is being written out. */
struct vmdemo_quiesce {
	struct vmdemo_job job;
	struct vmdemo_bdev handle;
};

static int vmdemo_quiesce_run(struct vmdemo_job *job)
{
	struct vmdemo_quiesce *quiesce = container_of(job, struct vmdemo_quiesce, job);
	int err = sync_blockdev(quiesce->handle.bdev);

	invalidate_bdev(quiesce->handle.bdev);
	return err;
}

static void vmdemo_quiesce_drop(struct vmdemo_job *job)
{
	struct vmdemo_quiesce *quiesce = container_of(job, struct vmdemo_quiesce, job);

	vmdemo_bdev_close(&quiesce->handle);
	kfree(quiesce);
}

/*
 * The device's own page cache: nothing dirty in it, nothing in it. Returns 0, the block layer's
 * error, or -EINTR when killed: then the device closes when it has answered, and is not ours now.
 */
static int vmdemo_backing_quiesce(struct vmdemo_backing *backing)
{
	struct vmdemo_quiesce *quiesce = kmalloc(sizeof(*quiesce), GFP_KERNEL | __GFP_NOFAIL);
	int err;

	quiesce->job.run = vmdemo_quiesce_run;
	quiesce->job.drop = vmdemo_quiesce_drop;
	quiesce->handle = backing->handle;
	vmdemo_job_start(&vmdemo_binding_jobs, &quiesce->job);
	if (!vmdemo_job_wait(&quiesce->job)) {
		backing->handle.bdev = NULL;
		return -EINTR;
	}
	err = quiesce->job.err;
	kfree(quiesce);
	return err;
}

/**
 * vmdemo_backing_refuse - say in the log that a device is not bound
 * @dev:  the device that should have got it
 * @path: the path as given
 * @err:  what the caller returns
 * @why:  a reason; NULL: what the error means
 */
void vmdemo_backing_refuse(struct device *dev, const char *path, int err, const char *why)
{
	if (!why && err == -ENOENT)
		why = "there is no such file";
	else if (!why && err == -ENOTBLK)
		why = "it is no block device";
	else if (!why && err == -EBUSY)
		why = "it is mounted, or in use otherwise";
	dev_err(dev, "%s is not bound: %s (error %d)\n", path, why ?: "it cannot be opened", err);
}

/*
 * Can any page be written in place? The block layer makes protection information (T10 PI), and a
 * page is aligned well enough for any device. 0, or an error and the reason.
 */
static int vmdemo_backing_check(const struct vmdemo_backing *backing, const char **why)
{
	struct block_device *bdev = backing->handle.bdev;

	if (bdev_is_zoned(bdev)) {
		*why = "a zoned device cannot be written in place";
		return -EINVAL;
	}
	if (bdev_logical_block_size(bdev) > PAGE_SIZE) {
		*why = "its blocks are larger than a page";
		return -EINVAL;
	}
	if (!vmdemo_backing_bytes(backing)) {
		*why = "it is empty";
		return -ENOSPC;
	}
	return 0;
}

/**
 * vmdemo_backing_open - claim a block device
 * @backing: unbound; identifies the claim
 * @path:    of the block device's node
 * @dev:     named in the log when the device is refused
 *
 * A device that refuses writing is opened for reading. May sleep. Returns 0, an error of the block
 * layer (-ENOENT, -ENOTBLK, -EBUSY, ...), -EINVAL for a device that cannot be written in place, or
 * whose blocks are larger than a page, -ENOSPC for an empty device, -ENOMEM, or -EINTR when killed
 * while it waits for what others wrote.
 */
int vmdemo_backing_open(struct vmdemo_backing *backing, const char *path, struct device *dev)
{
	const char *why = NULL;
	int err;

	err = vmdemo_bdev_open(&backing->handle, path, BLK_OPEN_READ | BLK_OPEN_WRITE, backing);
	backing->readonly = err == -EACCES || err == -EROFS || err == -EPERM;
	if (backing->readonly)
		err = vmdemo_bdev_open(&backing->handle, path, BLK_OPEN_READ, backing);
	if (err)
		goto refuse;
	/* Earlier failures of the disk are not ours to report. */
	backing->retry_at = jiffies - VMDEMO_CAUTION;
	backing->readonly |= bdev_read_only(backing->handle.bdev);
	backing->path = kstrdup(path, GFP_KERNEL);
	err = backing->path ? vmdemo_backing_check(backing, &why) : -ENOMEM;
	if (!err) {
		err = vmdemo_backing_quiesce(backing);
		why = "what others wrote to it cannot be put on it";
	}
	if (!err)
		return 0;
	vmdemo_backing_close(backing);
refuse:
	vmdemo_backing_refuse(dev, path, err, why);
	return err;
}

/**
 * vmdemo_backing_close - give up the claim
 * @backing: bound; no I/O of ours is in flight
 *
 * May sleep, killably: then others can claim the device a little later.
 */
void vmdemo_backing_close(struct vmdemo_backing *backing)
{
	if (backing->handle.bdev)
		vmdemo_backing_quiesce(backing);
	if (backing->handle.bdev)
		vmdemo_bdev_close(&backing->handle);
	kfree(backing->path);
	backing->path = NULL;
	backing->readonly = false;
}

/**
 * vmdemo_backing_zero - make a range of the device read as zeros
 * @backing:    bound, writable
 * @first:      first page
 * @last:       last page
 * @size_bytes: size of the device: the last page may be short
 *
 * May sleep. Returns 0 or the block layer's error.
 */
int vmdemo_backing_zero(struct vmdemo_backing *backing, pgoff_t first, pgoff_t last, u64 size_bytes)
{
	u64 start = (u64)first << PAGE_SHIFT;
	u64 end = min(((u64)last + 1) << PAGE_SHIFT, size_bytes);

	return blkdev_issue_zeroout(backing->handle.bdev, start >> SECTOR_SHIFT,
				    (end - start) >> SECTOR_SHIFT, GFP_KERNEL, 0);
}
