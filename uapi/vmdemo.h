/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * vmdemo.h - what a program may ask of an open /dev/vmdemo besides mmap and read/write
 *
 * Every structure has explicit padding. Padding, and every flag not named here, must be zero:
 * anything else is EINVAL. Offsets and lengths are bytes in the device's linear space and must be
 * multiples of VMDEMO_PAGE_SIZE; a range that ends beyond the last page is EINVAL.
 */
#ifndef _UAPI_VMDEMO_H
#define _UAPI_VMDEMO_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** VMDEMO_PAGE_SIZE - bytes in a page, and in a frame */
#define VMDEMO_PAGE_SIZE	4096

/**
 * struct vmdemo_info - what this device is (VMDEMO_IOC_INFO)
 * @size:           (in) bytes the caller has room for, at least VMDEMO_INFO_SIZE_VER0 and at most
 *                  4096; (out) bytes this module knows. What lies beyond those is zeroed.
 * @flags:          (in) must be zero; (out) VMDEMO_INFO_*
 * @size_bytes:     (out) size of the linear space in bytes
 * @page_size:      (out) bytes in a page
 * @frames:         (out) the pool's size that was asked for, in frames
 * @frames_actual:  (out) the pool's size now, in frames
 * @pagemap_max:    (out) pages VMDEMO_IOC_PAGEMAP takes in one call
 */
struct vmdemo_info {
	__u32 size;
	__u32 flags;
	__u64 size_bytes;
	__u32 page_size;
	__u32 frames;
	__u32 frames_actual;
	__u32 pagemap_max;
};

/** VMDEMO_INFO_SIZE_VER0 - size of struct vmdemo_info in the first release */
#define VMDEMO_INFO_SIZE_VER0	32

/** VMDEMO_INFO_READONLY - the backing device cannot be written */
#define VMDEMO_INFO_READONLY	(1U << 0)

/**
 * struct vmdemo_range - a range of pages to act on
 * @offset:   (in) first byte
 * @length:   (in) bytes, not zero
 * @flags:    (in) must be zero
 * @reserved: (in) must be zero
 * @pages:    (in) must be zero; (out) pages acted on: reads started, frames freed, pages discarded
 */
struct vmdemo_range {
	__u64 offset;
	__u64 length;
	__u32 flags;
	__u32 reserved;
	__u64 pages;
};

/**
 * enum vmdemo_page_state - where a page is
 * @VMDEMO_PAGE_UNTOUCHED: not in the pool: the next touch is a hard fault
 * @VMDEMO_PAGE_ACTIVE:    in a frame, not demoted since its last fault
 * @VMDEMO_PAGE_STANDBY:   in a frame, unmapped and waiting to be evicted or touched
 * @VMDEMO_PAGE_LOADING:   in a frame whose read has not ended, or has failed
 * @VMDEMO_PAGE_WRITING:   in a frame that is being written to the backing store
 */
enum vmdemo_page_state {
	VMDEMO_PAGE_UNTOUCHED,
	VMDEMO_PAGE_ACTIVE,
	VMDEMO_PAGE_STANDBY,
	VMDEMO_PAGE_LOADING,
	VMDEMO_PAGE_WRITING,
};

/** VMDEMO_PAGE_DIRTY - the frame holds data the backing store does not have yet */
#define VMDEMO_PAGE_DIRTY	(1U << 0)
/** VMDEMO_PAGE_PINNED - somebody besides page tables holds the frame; it cannot be evicted */
#define VMDEMO_PAGE_PINNED	(1U << 1)
/** VMDEMO_PAGE_MAPPED - some page table maps the frame */
#define VMDEMO_PAGE_MAPPED	(1U << 2)

/** VMDEMO_NO_FRAME - @frame of a page that is in no frame */
#define VMDEMO_NO_FRAME		0xffffffffU

/**
 * struct vmdemo_page - one page of VMDEMO_IOC_PAGEMAP's answer
 * @slot:     zero: reserved for the page's place in a swap area
 * @frame:    frame number, 0..frames-1, or VMDEMO_NO_FRAME
 * @state:    enum vmdemo_page_state
 * @flags:    VMDEMO_PAGE_DIRTY, VMDEMO_PAGE_PINNED, VMDEMO_PAGE_MAPPED
 * @reserved: zero
 */
struct vmdemo_page {
	__u64 slot;
	__u32 frame;
	__u8 state;
	__u8 flags;
	__u16 reserved;
};

/**
 * struct vmdemo_pagemap - argument of VMDEMO_IOC_PAGEMAP
 * @offset:   (in) first byte
 * @length:   (in) bytes, not zero, at most VMDEMO_PAGEMAP_MAX pages
 * @pages:    (in) address of an array of struct vmdemo_page, one per page of the range
 * @flags:    (in) must be zero
 * @reserved: (in) must be zero
 */
struct vmdemo_pagemap {
	__u64 offset;
	__u64 length;
	__u64 pages;
	__u32 flags;
	__u32 reserved;
};

/** VMDEMO_PAGEMAP_MAX - pages one VMDEMO_IOC_PAGEMAP may ask for */
#define VMDEMO_PAGEMAP_MAX	65536

/** VMDEMO_IOC_MAGIC - type of all our ioctls */
#define VMDEMO_IOC_MAGIC	0xE7

/**
 * VMDEMO_IOC_INFO - describe the device
 *
 * The size encoded in the number is not looked at: @size in the structure is, so that old programs
 * run on new modules and new programs on old ones. Errors: EFAULT, EINVAL, E2BIG (size over 4096).
 */
#define VMDEMO_IOC_INFO		_IOWR(VMDEMO_IOC_MAGIC, 0, struct vmdemo_info)

/**
 * VMDEMO_IOC_PREFETCH - start reading the absent pages of a range, without waiting for them
 *
 * At most as many as the pool can take without evicting what this call brought. May sleep for a
 * free frame. Errors: EFAULT, EINVAL, EBADF (not open for reading), EINTR (killed), ENOBUFS.
 */
#define VMDEMO_IOC_PREFETCH	_IOWR(VMDEMO_IOC_MAGIC, 1, struct vmdemo_range)

/**
 * VMDEMO_IOC_EVICT - write back and free the frames of a range
 *
 * Pinned pages stay. Errors: EFAULT, EINVAL, EBADF (not open for reading), EINTR, EIO (a page
 * could not be written; it stays).
 */
#define VMDEMO_IOC_EVICT	_IOWR(VMDEMO_IOC_MAGIC, 2, struct vmdemo_range)

/**
 * VMDEMO_IOC_DISCARD - forget the contents of a range: it reads as zeros afterwards
 *
 * Waits up to 5 s for pinned pages. Errors: EFAULT, EINVAL, EBADF (not open for writing), EROFS,
 * EINTR, EBUSY (pinned: the range's contents are then undefined), EIO.
 */
#define VMDEMO_IOC_DISCARD	_IOWR(VMDEMO_IOC_MAGIC, 3, struct vmdemo_range)

/**
 * VMDEMO_IOC_PAGEMAP - tell where each page of a range is
 *
 * A snapshot page by page, without stopping anybody. Errors: EFAULT, EINVAL, EBADF (not open for
 * reading), EINTR.
 */
#define VMDEMO_IOC_PAGEMAP	_IOW(VMDEMO_IOC_MAGIC, 4, struct vmdemo_pagemap)

#endif /* _UAPI_VMDEMO_H */
