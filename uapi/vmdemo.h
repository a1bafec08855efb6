/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * vmdemo.h - what a program can ask of an open /dev/vmdemo besides mmap, read and write
 *
 * Every structure has explicit padding. Padding, and every flag not named here, must be zero:
 * anything else is EINVAL. Offsets and lengths are bytes of the space that the descriptor is of:
 * the device's linear space, or a sparse one. They must be multiples of the page size, which
 * VMDEMO_IOC_INFO tells; a range that ends beyond the last page is EINVAL.
 */
#ifndef _UAPI_VMDEMO_H
#define _UAPI_VMDEMO_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * VMDEMO_PAGE_SIZE - bytes in the smallest page there is
 *
 * A page, and a frame, is as large as the kernel's: more on arm64 kernels with pages of 16 or 64
 * KiB. Programs that should run there ask VMDEMO_IOC_INFO, or sysconf(_SC_PAGESIZE); others get
 * EINVAL, as from mmap(2).
 */
#define VMDEMO_PAGE_SIZE	4096

/**
 * VMDEMO_SWAP_MAGIC - the first bytes of a device that sparse spaces swap to
 *
 * The zero at its end included. The rest of the first page is zeros; the slots follow, whose
 * contents mean nothing once vmdemo has let go of the device.
 */
#define VMDEMO_SWAP_MAGIC	"vmdemo swap 1"

/**
 * struct vmdemo_info - what this device is (VMDEMO_IOC_INFO)
 * @size:           (in) bytes the caller has room for, at least VMDEMO_INFO_SIZE_VER0 and at most
 *                  4096; (out) bytes this module knows. What lies beyond those is zeroed.
 * @flags:          (in) must be zero; (out) VMDEMO_INFO_*
 * @size_bytes:     (out) size of the linear space in bytes
 * @page_size:      (out) bytes in a page
 * @frames:         (out) the size of the pool that was asked for, in frames
 * @frames_actual:  (out) the size of the pool now, in frames
 * @pagemap_max:    (out) most pages that VMDEMO_IOC_PAGEMAP takes in one call
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
/** VMDEMO_INFO_SPARSE - a sparse space, made by VMDEMO_IOC_SPACE */
#define VMDEMO_INFO_SPARSE	(1U << 1)

/**
 * enum vmdemo_growth - which way a segment grows
 * @VMDEMO_GROW_NONE: not at all: it has all its pages
 * @VMDEMO_GROW_UP:   as a heap does, on request (VMDEMO_IOC_LIMIT)
 * @VMDEMO_GROW_DOWN: as a stack does, when a page below is touched; and on request
 */
enum vmdemo_growth {
	VMDEMO_GROW_NONE,
	VMDEMO_GROW_UP,
	VMDEMO_GROW_DOWN,
};

/**
 * enum vmdemo_loading - when the pages of a segment are read
 * @VMDEMO_LOAD_PAGE:    each when it is touched
 * @VMDEMO_LOAD_WHOLE:   all at the first page fault on one, as far as there are frames; once
 * @VMDEMO_LOAD_UPFRONT: all when the space is made, as far as there are frames
 */
enum vmdemo_loading {
	VMDEMO_LOAD_PAGE,
	VMDEMO_LOAD_WHOLE,
	VMDEMO_LOAD_UPFRONT,
};

/** VMDEMO_SEGMENT_NAME - bytes of a segment's name, the zero at its end included */
#define VMDEMO_SEGMENT_NAME	16

/** VMDEMO_SEGMENT_ORIGIN - the segment comes from the linear space */
#define VMDEMO_SEGMENT_ORIGIN	(1U << 0)

/**
 * struct vmdemo_segment - a segment of a sparse space
 * @name:     for people; ends with a zero
 * @base:     first byte of the space that may be in the segment
 * @bound:    bytes it may have, not zero
 * @limit:    bytes it has: the first ones, or the last if it grows down; @bound if it does not grow
 * @origin:   with VMDEMO_SEGMENT_ORIGIN: where in the linear space its first contents are. Written
 *            pages are its own; others, once in no frame, are read from there again, as it is then.
 *            All of it must lie within that space, and the segment must not grow. Otherwise zero
 * @prot:     PROT_READ, PROT_WRITE, PROT_EXEC: what mappings of it may ask for
 * @growth:   enum vmdemo_growth
 * @loading:  enum vmdemo_loading
 * @reserved: must be zero
 * @flags:    VMDEMO_SEGMENT_ORIGIN or 0
 *
 * Places and lengths are multiples of the page size.
 */
struct vmdemo_segment {
	char name[VMDEMO_SEGMENT_NAME];
	__u64 base;
	__u64 bound;
	__u64 limit;
	__u64 origin;
	__u8 prot;
	__u8 growth;
	__u8 loading;
	__u8 reserved;
	__u32 flags;
};

/** VMDEMO_SEGMENTS_MAX - segments a space may have */
#define VMDEMO_SEGMENTS_MAX	64

/**
 * struct vmdemo_space_args - a sparse space to make (VMDEMO_IOC_SPACE)
 * @size:        (in) bytes, a multiple of the page size, 0 to VMDEMO_SPACE_MAX; ftruncate(2)
 *               changes it, unless there are segments
 * @max_pages:   (in) most pages of it that may be written at a time; space_max_pages of the device,
 *               in sysfs, still holds. 0: as many as that allows, or as there are slots
 * @segments:    (in) address of @nr_segments struct vmdemo_segment, by place, none overlapping
 * @nr_segments: (in) at most VMDEMO_SEGMENTS_MAX; 0: pages may be anywhere, and @segments is not
 *               read
 * @flags:       (in) VMDEMO_SPACE_CLOEXEC or 0
 */
struct vmdemo_space_args {
	__u64 size;
	__u64 max_pages;
	__u64 segments;
	__u32 nr_segments;
	__u32 flags;
};

/**
 * struct vmdemo_segment_state - what became of a segment (VMDEMO_IOC_SEGMENT)
 * @number:   (in) of the segment, from 0
 * @reserved: (in) must be zero
 * @segment:  (out) the segment, with its limit now
 * @faults:   (out) page faults in it
 * @zeroed:   (out) pages filled with zeros
 * @loaded:   (out) pages read, from the linear space or from the swap device
 * @written:  (out) pages that were written for the first time
 * @aborted:  (out) references beyond its limit
 */
struct vmdemo_segment_state {
	__u32 number;
	__u32 reserved;
	struct vmdemo_segment segment;
	__u64 faults;
	__u64 zeroed;
	__u64 loaded;
	__u64 written;
	__u64 aborted;
};

/**
 * struct vmdemo_segment_limit - argument of VMDEMO_IOC_LIMIT
 * @number:   (in) of the segment, from 0
 * @reserved: (in) must be zero
 * @limit:    (in) bytes it should have, a multiple of the page size
 */
struct vmdemo_segment_limit {
	__u32 number;
	__u32 reserved;
	__u64 limit;
};

/** VMDEMO_SPACE_MAX - the largest sparse space, in bytes */
#define VMDEMO_SPACE_MAX	(1ULL << 47)

/** VMDEMO_FS_MAGIC - f_type of a file system of spaces, by statfs(2) */
#define VMDEMO_FS_MAGIC		0x766d6673

/** VMDEMO_SPACE_CLOEXEC - close the descriptor on exec */
#define VMDEMO_SPACE_CLOEXEC	(1U << 0)

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
 * @VMDEMO_PAGE_UNTOUCHED: not in the pool: the next touch is a hard fault or, for a page of a
 *                         sparse space without contents, one that fills a frame with zeros
 * @VMDEMO_PAGE_ACTIVE:    in a frame, not demoted since its last fault, or not to be evicted now
 * @VMDEMO_PAGE_STANDBY:   in a frame, unmapped and waiting to be evicted or touched
 * @VMDEMO_PAGE_LOADING:   in a frame whose read has not ended, or has failed
 * @VMDEMO_PAGE_WRITING:   in a frame that is being written to the backing store
 * @VMDEMO_PAGE_SWAPPED:   not in the pool, but in a slot of the swap device
 */
enum vmdemo_page_state {
	VMDEMO_PAGE_UNTOUCHED,
	VMDEMO_PAGE_ACTIVE,
	VMDEMO_PAGE_STANDBY,
	VMDEMO_PAGE_LOADING,
	VMDEMO_PAGE_WRITING,
	VMDEMO_PAGE_SWAPPED,
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
 * @slot:     the page's slot, which begins at byte page_size * @slot of the swap device; 0: it has
 *            none. A page gets it before it is first written there, and keeps it while it is in a
 *            frame
 * @frame:    frame number, or VMDEMO_NO_FRAME; 0..frames-1, except for a frame that is lent
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

/** VMDEMO_PAGEMAP_MAX - most pages that one VMDEMO_IOC_PAGEMAP may ask for */
#define VMDEMO_PAGEMAP_MAX	65536

/** VMDEMO_IOC_MAGIC - type of all our ioctls */
#define VMDEMO_IOC_MAGIC	0xE7

/**
 * VMDEMO_IOC_INFO - describe the device
 *
 * The size encoded in the number is ignored: @size in the structure counts, so that old programs
 * run on new modules and new programs on old ones. Errors: EFAULT, EINVAL, E2BIG (size over 4096).
 */
#define VMDEMO_IOC_INFO		_IOWR(VMDEMO_IOC_MAGIC, 0, struct vmdemo_info)

/**
 * VMDEMO_IOC_PREFETCH - start reading the absent pages of a range, without waiting for them
 *
 * Reads at most as many as the pool can take without evicting what this call brought in. May sleep
 * for a free frame. Errors: EFAULT, EINVAL, EBADF (not open for reading), EINTR (killed), ENOBUFS.
 */
#define VMDEMO_IOC_PREFETCH	_IOWR(VMDEMO_IOC_MAGIC, 1, struct vmdemo_range)

/**
 * VMDEMO_IOC_EVICT - write back and free the frames of a range
 *
 * For callers that have it open for writing, could open it so, or own it, as with mincore(2):
 * others could see what is touched again. Pinned pages stay. Errors: EFAULT, EINVAL, EBADF (not
 * open for reading), EPERM, EINTR, EIO (a page could not be written; it stays).
 */
#define VMDEMO_IOC_EVICT	_IOWR(VMDEMO_IOC_MAGIC, 2, struct vmdemo_range)

/**
 * VMDEMO_IOC_DISCARD - forget the contents of a range: it reads as zeros afterwards
 *
 * Waits up to 5 s for pinned pages; those of a sparse space stay with their holders, unchanged. Of
 * a sparse space it is what fallocate(2) does when it punches a hole: the file's times change, too.
 * Errors: EFAULT, EINVAL, EBADF (not open for writing), EROFS, EOPNOTSUPP (it comes from the
 * device), ENOMEM; and where the range's contents are then undefined EINTR (killed: the device may
 * still be busy with it, and accesses to its pages wait for that), EBUSY (pinned), EIO.
 */
#define VMDEMO_IOC_DISCARD	_IOWR(VMDEMO_IOC_MAGIC, 3, struct vmdemo_range)

/**
 * VMDEMO_IOC_PAGEMAP - tell where each page of a range is
 *
 * A snapshot page by page, which stops nobody. For the same callers as VMDEMO_IOC_EVICT. Errors:
 * EFAULT, EINVAL, EBADF (not open for reading), EPERM, EINTR.
 */
#define VMDEMO_IOC_PAGEMAP	_IOW(VMDEMO_IOC_MAGIC, 4, struct vmdemo_pagemap)

/**
 * VMDEMO_IOC_SPACE - make a sparse space, and return a descriptor of it
 *
 * Only on /dev/vmdemo, which must have a swap device. The space is a file like a memfd: mmap, read,
 * write, ftruncate, fallocate(PUNCH_HOLE), madvise(MADV_REMOVE), SEEK_DATA and SEEK_HOLE,
 * st_blocks; and the other ioctls. Its pages are zeros until they are written; the first write to
 * each reserves a slot on the swap device. If there is none, the write is SIGBUS or ENOSPC; if the
 * user has used their share, SIGBUS or EDQUOT. A space shares the device's frames. It is gone with
 * its last descriptor and mapping.
 *
 * With segments it has pages only in those. A mapping must lie in one segment and ask for no more
 * than its protection: otherwise it is EACCES, as is mprotect(2) later. A reference beyond a limit
 * is SIGSEGV; read(2) and write(2) on the descriptor fail with EFAULT outside of segments and
 * against their protection; a segment with an origin cannot be punched or discarded (EOPNOTSUPP).
 * Errors: EFAULT, EINVAL, EBADF (not open for reading and writing), ENXIO (no swap device, or an
 * origin and nothing bound), ENOMEM, EMFILE, ENFILE, ENOSPC (too many spaces), EDQUOT (too many of
 * the caller's).
 */
#define VMDEMO_IOC_SPACE	_IOW(VMDEMO_IOC_MAGIC, 5, struct vmdemo_space_args)

/**
 * VMDEMO_IOC_SEGMENT - describe a segment of a space, and what was counted in it
 *
 * Errors: EFAULT, EINVAL (no such segment), EBADF (not open for reading).
 */
#define VMDEMO_IOC_SEGMENT	_IOWR(VMDEMO_IOC_MAGIC, 6, struct vmdemo_segment_state)

/**
 * VMDEMO_IOC_LIMIT - let a segment grow or shrink
 *
 * Pages it loses are gone from every mapping; if they come back they are zeros. What is stored
 * there before this returns may be lost, even where the store has made a stack grow again. Errors:
 * EFAULT, EINVAL, EBADF (not open for writing), EPERM (it does not grow), ENOMEM (beyond its
 * bound).
 */
#define VMDEMO_IOC_LIMIT	_IOW(VMDEMO_IOC_MAGIC, 7, struct vmdemo_segment_limit)

#endif /* _UAPI_VMDEMO_H */
