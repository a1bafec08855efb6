// SPDX-License-Identifier: GPL-2.0
/*
 * fadvise.c - advice on a file: what will be needed, what not, and how it will be read
 */
#include <linux/fadvise.h>

#include "device.h"
#include "entry.h"
#include "range.h"

static int vmdemo_fadvise_set(struct file *file, enum vmdemo_advice advice)
{
	struct vmdemo_file *vf = file->private_data;

	WRITE_ONCE(vf->advice, advice);
	return 0;
}

/*
 * Only pages that lie wholly in the range: a neighbour's data is not the caller's. It has no effect
 * for a caller that may not evict.
 */
static int vmdemo_fadvise_dontneed(struct file *file, u64 start, u64 end)
{
	struct vmdemo_space *space = ((struct vmdemo_file *)file->private_data)->space;
	pgoff_t first = DIV_ROUND_UP_ULL(start, PAGE_SIZE), nr_pages = READ_ONCE(space->nr_pages);
	pgoff_t last = end >= READ_ONCE(space->size_bytes) ? nr_pages : end >> PAGE_SHIFT;
	long ret;

	if (first >= last || !vmdemo_file_may_look(file))
		return 0;
	ret = vmdemo_range_evict(space, first, last - 1);
	return min(ret, 0L);
}

static int vmdemo_fadvise_willneed(struct vmdemo_space *space, u64 start, u64 end)
{
	pgoff_t end_page = min_t(u64, ((end - 1) >> PAGE_SHIFT) + 1, READ_ONCE(space->nr_pages));
	long ret;

	if (start >> PAGE_SHIFT >= end_page)
		return 0;
	ret = vmdemo_range_prefetch(space, start >> PAGE_SHIFT, end_page - 1);
	return ret == -EINTR ? ret : 0;
}

/**
 * vmdemo_fadvise - posix_fadvise(2), and madvise(2) where it asks the file
 * @file:   open device, or sparse space
 * @offset: first byte
 * @len:    bytes; 0: up to the end
 * @advice: POSIX_FADV_*
 *
 * May sleep. Returns 0, -EINVAL, -EINTR when killed, or the error of a write for DONTNEED.
 */
int vmdemo_fadvise(struct file *file, loff_t offset, loff_t len, int advice)
{
	struct vmdemo_file *vf = file->private_data;
	u64 end = len ? (u64)offset + len : U64_MAX;

	if (offset < 0 || len < 0)
		return -EINVAL;
	switch (advice) {
	case POSIX_FADV_NORMAL:
		return vmdemo_fadvise_set(file, VMDEMO_ADVICE_NORMAL);
	case POSIX_FADV_SEQUENTIAL:
		return vmdemo_fadvise_set(file, VMDEMO_ADVICE_SEQUENTIAL);
	case POSIX_FADV_RANDOM:
		return vmdemo_fadvise_set(file, VMDEMO_ADVICE_RANDOM);
	case POSIX_FADV_WILLNEED:
		return vmdemo_fadvise_willneed(vf->space, offset, end);
	case POSIX_FADV_DONTNEED:
		return vmdemo_fadvise_dontneed(file, offset, end);
	case POSIX_FADV_NOREUSE:
		return 0;
	}
	return -EINVAL;
}
