// SPDX-License-Identifier: GPL-2.0
/*
 * rw.c - read(2) and write(2) on the linear space
 *
 * The same frames, the same policy events and the same dirty path as a mapping: one copy of the
 * data, coherent whichever way it is reached.
 *
 * The user's buffer may be a mapping of this very device, of this very page even. So reading copies
 * with a reference but without the folio lock, and writing copies under the lock with page faults
 * off, after faulting the source in.
 */
#include <linux/highmem.h>
#include <linux/uio.h>

#include "device.h"
#include "dirty.h"
#include "pager_linear.h"
#include "rw.h"
#include "writeback.h"

static void vmdemo_rw_begin(struct vmdemo_access *acc, struct file *file, pgoff_t index)
{
	struct vmdemo_file *vf = file->private_data;

	vmdemo_access_begin(acc, &vf->device->space, index, VMDEMO_ASK_RW);
	acc->streams = &vf->streams;
	acc->advice = READ_ONCE(vf->advice);
}

/**
 * vmdemo_rw_read_iter - read(2) and its kin, and splice from the device
 * @iocb: file and position
 * @to:   where to
 *
 * May sleep. Returns bytes read, 0 at the end, or if there are none -EIO, -EFAULT, -EINTR when
 * killed, -EBUSY when no frame is to be had, -EAGAIN for IOCB_NOWAIT.
 */
ssize_t vmdemo_rw_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct vmdemo_file *vf = iocb->ki_filp->private_data;
	u64 size = vf->device->space.size_bytes;
	struct vmdemo_access acc;
	struct folio *folio;
	ssize_t done = 0;
	int err = 0;
	void *from;

	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	while (iov_iter_count(to) && iocb->ki_pos < size) {
		size_t offset = offset_in_page(iocb->ki_pos);
		size_t bytes = min_t(u64, PAGE_SIZE - offset, size - iocb->ki_pos);
		size_t copied;

		vmdemo_rw_begin(&acc, iocb->ki_filp, iocb->ki_pos >> PAGE_SHIFT);
		err = vmdemo_space_get_wait(&acc, &folio);
		vmdemo_access_end(&acc);
		if (err)
			break;
		folio_unlock(folio);
		/* A copy for pipes too: the frame itself is not to end up in one. */
		from = kmap_local_folio(folio, offset);
		copied = copy_to_iter(from, min(bytes, iov_iter_count(to)), to);
		kunmap_local(from);
		folio_put(folio);
		if (!copied) {
			err = -EFAULT;
			break;
		}
		iocb->ki_pos += copied;
		done += copied;
		cond_resched();
	}
	return done ?: err;
}

/* An overwritten page turned out not to be overwritten in full: its old contents are needed. */
static int vmdemo_rw_undo(struct vmdemo_space *space, struct folio *folio)
{
	struct vmdemo_io io = { .space = space };
	int err;

	vmdemo_stat_inc(space->pool, rw_pages);
	vmdemo_pager_read(&io, folio);
	vmdemo_pager_submit(&io);
	err = folio_wait_locked_killable(folio);
	if (!err && !folio_test_uptodate(folio))
		err = -EIO;
	return err;
}

/* Wait until a locked folio is not being written to the device; it is locked again after. */
static int vmdemo_rw_stable(struct vmdemo_pool *pool, struct folio *folio)
{
	u32 nr = vmdemo_frame_nr(folio);
	int err;

	if (!vmdemo_frame_writing(pool, nr))
		return 0;
	folio_unlock(folio);
	err = vmdemo_dirty_wait_write(pool, nr);
	return err ?: -EAGAIN;
}

/* Write into one page. Returns bytes copied; 0: fault the source in and come again. */
static ssize_t vmdemo_rw_write_page(struct file *file, loff_t pos, size_t bytes,
				    struct iov_iter *from)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space *space = &vf->device->space;
	struct vmdemo_access acc;
	struct folio *folio;
	size_t copied;
	ssize_t err;

	do {
		vmdemo_rw_begin(&acc, file, pos >> PAGE_SHIFT);
		acc.overwrite = bytes == PAGE_SIZE || pos + bytes == space->size_bytes;
		acc.overwrite &= !offset_in_page(pos);
		err = vmdemo_space_get_wait(&acc, &folio);
		vmdemo_access_end(&acc);
		if (err)
			return err;
		err = vmdemo_rw_stable(space->pool, folio);
		if (err)
			folio_put(folio);
	} while (err == -EAGAIN);
	if (err)
		return err;

	copied = copy_page_from_iter_atomic(folio_page(folio, 0), offset_in_page(pos), bytes, from);
	if (!folio_test_uptodate(folio)) {
		if (copied < bytes) {
			iov_iter_revert(from, copied);
			err = vmdemo_rw_undo(space, folio);
			folio_put(folio);
			return err;
		}
		if (bytes < PAGE_SIZE)
			folio_zero_segment(folio, bytes, PAGE_SIZE);
		folio_mark_uptodate(folio);
	}
	if (copied)
		folio_mark_dirty(folio);
	folio_unlock(folio);
	folio_put(folio);
	return copied;
}

/**
 * vmdemo_rw_write_iter - write(2) and its kin, and splice to the device
 * @iocb: file and position
 * @from: where from
 *
 * A page written in full is not read first. O_DSYNC and O_SYNC are honoured. May sleep. Returns
 * bytes written, or if there are none -ENOSPC beyond the end, -EROFS, -EFAULT, -EIO, -EINTR when
 * killed, -EBUSY when no frame is to be had, -EAGAIN for IOCB_NOWAIT.
 */
ssize_t vmdemo_rw_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct vmdemo_file *vf = iocb->ki_filp->private_data;
	struct vmdemo_device *device = vf->device;
	u64 size = device->space.size_bytes;
	ssize_t done = 0, ret = 0;
	loff_t start;

	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	if (vmdemo_device_readonly(device))
		return -EROFS;
	if (!iov_iter_count(from))
		return 0;
	if (iocb->ki_flags & IOCB_APPEND)
		iocb->ki_pos = size;
	start = iocb->ki_pos;
	if (start >= size)
		return -ENOSPC;
	while (iov_iter_count(from) && iocb->ki_pos < size) {
		size_t bytes = min_t(u64, PAGE_SIZE - offset_in_page(iocb->ki_pos),
				     size - iocb->ki_pos);

		bytes = min(bytes, iov_iter_count(from));
		if (fault_in_iov_iter_readable(from, bytes) == bytes) {
			ret = -EFAULT;
			break;
		}
		ret = vmdemo_writeback_throttle(device->pool);
		if (!ret)
			ret = vmdemo_rw_write_page(iocb->ki_filp, iocb->ki_pos, bytes, from);
		if (ret < 0)
			break;
		iocb->ki_pos += ret;
		done += ret;
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		cond_resched();
	}
	if (done && iocb_is_dsync(iocb)) {
		ret = vmdemo_device_sync(device, start, iocb->ki_pos - 1);
		if (ret)
			return ret;
	}
	return done ?: ret;
}
