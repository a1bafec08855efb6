/* SPDX-License-Identifier: GPL-2.0 */
/*
 * backing.h - the claim on a block device
 */
#ifndef VMDEMO_BACKING_H
#define VMDEMO_BACKING_H

#include "frame.h"

/* A device is silent when it has writes to do and has done none for so long, in jiffies. */
#define VMDEMO_SILENT	HZ

/* Has a write failed lately? Then the next one may well fail too. */
static inline bool vmdemo_backing_failing(const struct vmdemo_backing *backing)
{
	return time_before(jiffies, READ_ONCE(backing->retry_at) + VMDEMO_CAUTION);
}

/*
 * Would reclaim write to it in vain for now? A write has just failed; or the one that is to show
 * whether others still do has not ended; or none has for @patience jiffies. Who wants data to be
 * durable writes all the same.
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

/* A write to it begins. If it had none to do it has been waited for from now on. */
static inline void vmdemo_backing_start_write(struct vmdemo_backing *backing)
{
	if (!atomic_read(&backing->writing))
		WRITE_ONCE(backing->moved_at, jiffies);
	atomic_inc(&backing->writing);
}

/* A write to it has ended. Any context. */
static inline void vmdemo_backing_end_write(struct vmdemo_backing *backing, bool failed)
{
	if (failed)
		WRITE_ONCE(backing->retry_at, jiffies + HZ / 10);
	WRITE_ONCE(backing->moved_at, jiffies);
	atomic_dec(&backing->writing);
}

int vmdemo_backing_open(struct vmdemo_backing *backing, const char *path, void *holder);
void vmdemo_backing_close(struct vmdemo_backing *backing);
int vmdemo_backing_zero(struct vmdemo_backing *backing, pgoff_t first, pgoff_t nr, u64 size_bytes);

#endif /* VMDEMO_BACKING_H */
