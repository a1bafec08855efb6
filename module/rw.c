// SPDX-License-Identifier: GPL-2.0
/*
 * rw.c - read(2) and write(2)
 *
 * The same frames, the same policy events and the same dirty path as a mapping: one copy of the
 * data, coherent whichever way it is reached.
 *
 * The user's buffer may be a mapping of this very device, of this very page even. So reading copies
 * with a reference but without the folio lock, and writing copies under the lock with page faults
 * off, after faulting the source in.
 */
#include <linux/highmem.h>
#include <linux/mman.h>
#include <linux/uio.h>
#include <vmdemo.h>

#include "access.h"
#include "device.h"
#include "dirty.h"
#include "entry.h"
#include "grow.h"
#include "pager.h"
#include "range.h"
#include "segment.h"
#include "swap.h"
#include "writeback.h"

/* Is the page in a segment that may be read, or written? */
static bool vmdemo_rw_allowed(const struct vmdemo_space *space, pgoff_t index, u32 prot)
{
	const struct vmdemo_seg *seg;

	if (likely(!space->segments))
		return true;
	seg = vmdemo_segment_find(space, index);
	return seg && (seg->about.prot & prot);
}

/* Tell a request what the file knows of its readers: their streams, and their advice. */
static void vmdemo_rw_advise(struct vmdemo_access *acc, struct vmdemo_file *vf)
{
	acc->streams = &vf->streams;
	acc->advice = READ_ONCE(vf->advice);
}

/* The size of a space, for access as far as @end: its device may have grown. */
static u64 vmdemo_rw_size(struct vmdemo_space *space, u64 end)
{
	if (end > READ_ONCE(space->size_bytes))
		vmdemo_grow_look(space, true);
	return READ_ONCE(space->size_bytes);
}

/**
 * vmdemo_rw_read_iter - read(2) and its kin, and splice from the device
 * @iocb: file and position
 * @to:   where to
 *
 * May sleep. Returns bytes read, 0 at the end, or if there are none -EIO, -EFAULT, -EINTR when
 * killed, -EBUSY when no frame can be had, -EAGAIN for IOCB_NOWAIT.
 */
ssize_t vmdemo_rw_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct vmdemo_file *vf = iocb->ki_filp->private_data;
	struct folio *folio;
	ssize_t done = 0;
	int err = 0;
	void *from;
	u64 size;

	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	size = vmdemo_rw_size(vf->space, iocb->ki_pos + iov_iter_count(to));
	while (iov_iter_count(to) && iocb->ki_pos < size) {
		size_t offset = offset_in_page(iocb->ki_pos);
		size_t bytes = min_t(u64, PAGE_SIZE - offset, size - iocb->ki_pos);
		struct vmdemo_access acc = VMDEMO_ACCESS_INIT(vf->space, iocb->ki_pos >> PAGE_SHIFT,
							      VMDEMO_ASK_RW);
		size_t copied;

		if (!vmdemo_rw_allowed(vf->space, acc.index, PROT_READ)) {
			err = -EFAULT;
			break;
		}
		vmdemo_rw_advise(&acc, vf);
		err = vmdemo_access_get(&acc);
		vmdemo_access_end(&acc);
		if (err)
			break;
		folio = acc.folio;
		folio_unlock(folio);
		/* A copy for pipes too: the frame itself must not end up in one. */
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
	/* Cut off meanwhile: that was the end of the space, or of a segment. */
	if (err == -ENXIO)
		err = vf->space->segments ? -EFAULT : 0;
	if (err == -EIO)
		vmdemo_grow_look(vf->space, true);
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

/* Write into one page. Returns bytes copied; 0: fault the source in and come again. */
static ssize_t vmdemo_rw_write_page(struct file *file, loff_t pos, size_t bytes,
				    struct iov_iter *from)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space *space = vf->space;
	struct vmdemo_access acc = VMDEMO_ACCESS_INIT(space, pos >> PAGE_SHIFT, VMDEMO_ASK_RW);
	struct folio *folio;
	size_t copied;
	ssize_t err;

	vmdemo_rw_advise(&acc, vf);
	acc.write = true;
	acc.overwrite = bytes == PAGE_SIZE || pos + bytes >= READ_ONCE(space->size_bytes);
	acc.overwrite &= !offset_in_page(pos);
	err = vmdemo_access_get(&acc);
	vmdemo_access_end(&acc);
	if (err)
		return err;
	folio = acc.folio;
	/* It was the end of the device, and of what had to be read, before the device grew. */
	if (bytes < PAGE_SIZE && pos + bytes < READ_ONCE(space->size_bytes) &&
	    !folio_test_uptodate(folio)) {
		err = vmdemo_rw_undo(space, folio);
		folio_put(folio);
		return err;
	}
	err = vmdemo_swap_reserve(space, folio);
	if (err) {
		/* Nor may it stay unfilled. */
		if (!folio_test_uptodate(folio))
			vmdemo_rw_undo(space, folio);
		else
			folio_unlock(folio);
		folio_put(folio);
		return err;
	}

	copied = copy_folio_from_iter_atomic(folio, offset_in_page(pos), bytes, from);
	flush_dcache_folio(folio);
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

/* Write page by page up to @end, which is in the space. Returns bytes written, or an error. */
static ssize_t vmdemo_rw_write(struct kiocb *iocb, struct iov_iter *from, u64 end)
{
	struct vmdemo_file *vf = iocb->ki_filp->private_data;
	struct vmdemo_space *space = vf->space;
	ssize_t done = 0, ret = 0;

	while (iov_iter_count(from) && iocb->ki_pos < end) {
		size_t bytes = min_t(u64, PAGE_SIZE - offset_in_page(iocb->ki_pos),
				     end - iocb->ki_pos);

		bytes = min(bytes, iov_iter_count(from));
		if (!vmdemo_rw_allowed(space, iocb->ki_pos >> PAGE_SHIFT, PROT_WRITE) ||
		    fault_in_iov_iter_readable(from, bytes) == bytes) {
			ret = -EFAULT;
			break;
		}
		ret = !space->swap && vmdemo_writeback_crowded(space->pool) ?
		      vmdemo_writeback_pause(space->pool) : 0;
		if (!ret)
			ret = vmdemo_rw_write_page(iocb->ki_filp, iocb->ki_pos, bytes, from);
		/* Its segment was cut off meanwhile. */
		if (ret == -ENXIO)
			ret = -EFAULT;
		if (ret < 0)
			break;
		iocb->ki_pos += ret;
		done += ret;
		/* A sparse space grows with its data. */
		if (iocb->ki_pos > space->size_bytes)
			vmdemo_space_set_end(space, iocb->ki_pos);
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		cond_resched();
	}
	return done ?: ret;
}

/**
 * vmdemo_rw_write_iter - write(2) and its kin, and splice, to the linear space
 * @iocb: file and position
 * @from: where from
 *
 * A page written in full is not read first. O_DSYNC and O_SYNC are honoured. May sleep. Returns
 * bytes written, or if there are none -ENOSPC beyond the end, -EROFS, -EFAULT, -EIO, -EINTR when
 * killed, -EBUSY when no frame can be had, -EAGAIN for IOCB_NOWAIT.
 */
ssize_t vmdemo_rw_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct vmdemo_file *vf = iocb->ki_filp->private_data;
	ssize_t done;
	loff_t start;
	u64 size;
	int err;

	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	if (vmdemo_space_readonly(vf->space))
		return -EROFS;
	if (!iov_iter_count(from))
		return 0;
	size = vmdemo_rw_size(vf->space, iocb->ki_flags & IOCB_APPEND ? U64_MAX :
					 iocb->ki_pos + iov_iter_count(from));
	if (iocb->ki_flags & IOCB_APPEND)
		iocb->ki_pos = size;
	start = iocb->ki_pos;
	if (start >= size)
		return -ENOSPC;
	done = vmdemo_rw_write(iocb, from, size);
	if (done > 0 && iocb_is_dsync(iocb)) {
		err = vmdemo_device_sync(vf->device, start, iocb->ki_pos - 1);
		if (err)
			return err;
	}
	return done;
}

/* Write up to @end, which may be beyond that of the space. The inode is locked. */
static ssize_t vmdemo_rw_write_to(struct kiocb *iocb, struct iov_iter *from, u64 end)
{
	struct vmdemo_file *vf = iocb->ki_filp->private_data;
	struct vmdemo_space *space = vf->space;
	u64 size = space->size_bytes;
	ssize_t ret = 0;

	if (iocb->ki_pos > size)
		ret = vmdemo_range_zero_tail(space, size);
	if (ret)
		return ret;
	/* Pages beyond the end cannot come into frames. */
	if (end > size)
		WRITE_ONCE(space->nr_pages, DIV_ROUND_UP_ULL(end, PAGE_SIZE));
	ret = vmdemo_rw_write(iocb, from, end);
	/* Others may have touched what was not written after all. */
	if (end > size && iocb->ki_pos < end)
		vmdemo_range_truncate(space, space->size_bytes);
	return ret;
}

/**
 * vmdemo_rw_write_sparse - the same, to a sparse space, which grows
 * @iocb: file and position
 * @from: where from
 *
 * May sleep. Returns bytes written, or if there are none -EFBIG beyond the largest size, -ENOSPC if
 * the swap device is full, or as vmdemo_rw_write_iter().
 */
ssize_t vmdemo_rw_write_sparse(struct kiocb *iocb, struct iov_iter *from)
{
	struct vmdemo_file *vf = iocb->ki_filp->private_data;
	struct vmdemo_space *space = vf->space;
	ssize_t ret;

	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	ret = vmdemo_space_lock_inode(space);
	if (ret)
		return ret;
	ret = generic_write_checks(iocb, from);
	if (ret > 0 && iocb->ki_pos >= VMDEMO_SPACE_MAX)
		ret = -EFBIG;
	if (ret > 0) {
		u64 end = min_t(u64, iocb->ki_pos + ret, VMDEMO_SPACE_MAX);

		ret = file_modified(iocb->ki_filp) ?: vmdemo_rw_write_to(iocb, from, end);
	}
	inode_unlock(space->inode);
	return ret;
}
