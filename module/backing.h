/* SPDX-License-Identifier: GPL-2.0 */
/*
 * backing.h - the claim on a block device
 */
#ifndef VMDEMO_BACKING_H
#define VMDEMO_BACKING_H

#include <linux/blkdev.h>

#include "frame.h"

/* A device is silent when it has writes to do and has done none for this long, in jiffies. */
#define VMDEMO_SILENT	HZ

/* Has a write failed lately? Then the next one may well fail too. */
static inline bool vmdemo_backing_failing(const struct vmdemo_backing *backing)
{
	return time_before(jiffies, READ_ONCE(backing->retry_at) + VMDEMO_CAUTION);
}

/*
 * Would reclaim write to it in vain for now? Yes if a write has just failed, if the one that tests
 * whether others still fail has not ended, or if none has ended for @patience jiffies. fsync writes
 * all the same.
 */
static inline bool vmdemo_backing_refuses(const struct vmdemo_backing *backing,
					  unsigned long patience)
{
	if (time_before(jiffies, READ_ONCE(backing->retry_at)))
		return true;
	return atomic_read(&backing->writing) &&
	       (time_after(jiffies, READ_ONCE(backing->moved_at) + patience) ||
		vmdemo_backing_failing(backing));
}

/* A write to it begins. If it had none to do, the wait for it starts now. */
static inline void vmdemo_backing_start_write(struct vmdemo_backing *backing)
{
	if (atomic_inc_return(&backing->writing) == 1)
		WRITE_ONCE(backing->moved_at, jiffies);
}

/* A write to it has ended. Any context. */
static inline void vmdemo_backing_end_write(struct vmdemo_backing *backing, bool failed)
{
	if (failed)
		WRITE_ONCE(backing->retry_at, jiffies + HZ / 10);
	WRITE_ONCE(backing->moved_at, jiffies);
	atomic_dec(&backing->writing);
}

int vmdemo_backing_open(struct vmdemo_backing *backing, const char *path, struct device *dev);
void vmdemo_backing_refuse(struct device *dev, const char *path, int err, const char *why);
void vmdemo_backing_close(struct vmdemo_backing *backing);
int vmdemo_backing_zero(struct vmdemo_backing *backing, pgoff_t first, pgoff_t last,
			u64 size_bytes);

/*
 * The size of a bound device, in whole blocks of it: a loop device may end within one. It changes:
 * devices grow and shrink while they are in use.
 */
static inline u64 vmdemo_backing_bytes(const struct vmdemo_backing *backing)
{
	struct block_device *bdev = backing->handle.bdev;

	return round_down(bdev_nr_bytes(bdev), bdev_logical_block_size(bdev));
}

#endif /* VMDEMO_BACKING_H */
