/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - the newest kernel's names on older kernels
 *
 * Included before every source file by Kbuild. The only file that knows kernel versions: a .c file
 * is written for the newest kernel, and what an older one lacks gets its name here. Kbuild asks the
 * kernel's headers what they have (VMDEMO_HAS_...); a version stands only where the same name
 * behaves differently.
 */
#ifndef VMDEMO_COMPAT_H
#define VMDEMO_COMPAT_H

#include <linux/version.h>

/* Also in dkms.conf, for DKMS to leave them alone. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "vmdemo needs Linux 6.1 or later"
#endif

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device/class.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#ifdef VMDEMO_HAS_DEVNODE_CONST
#define VMDEMO_DEVNODE_CONST const
#else
#define VMDEMO_DEVNODE_CONST
#endif

#ifndef VMDEMO_HAS_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* The flags of a folio, for atomic operations on several at once. */
static inline unsigned long *vmdemo_folio_flags(struct folio *folio)
{
#ifdef VMDEMO_HAS_MEMDESC_FLAGS
	return &folio->flags.f;
#else
	return &folio->flags;
#endif
}

/* What maps an inode's ids was a user namespace. */
#ifndef VMDEMO_HAS_MNT_IDMAP
#define mnt_idmap user_namespace
#endif

#ifndef VMDEMO_HAS_FILE_OWNER
static inline bool file_owner_or_capable(struct file *file)
{
#ifdef VMDEMO_HAS_MNT_IDMAP
	return inode_owner_or_capable(file_mnt_idmap(file), file_inode(file));
#else
	return inode_owner_or_capable(file_mnt_user_ns(file), file_inode(file));
#endif
}
#endif

#ifndef VMDEMO_HAS_FILLATTR_MASK
#define generic_fillattr(idmap, mask, inode, stat) generic_fillattr(idmap, inode, stat)
#endif

#ifndef VMDEMO_HAS_INODE_INIT_TS
static inline void simple_inode_init_ts(struct inode *inode)
{
#ifdef VMDEMO_HAS_SET_CTIME
	inode->i_mtime = inode_set_ctime_current(inode);
#else
	inode->i_mtime = current_time(inode);
	inode->i_ctime = inode->i_mtime;
#endif
	inode->i_atime = inode->i_mtime;
}
#endif

#ifndef VMDEMO_HAS_SET_CTIME
static inline struct timespec64 inode_set_ctime_current(struct inode *inode)
{
	inode->i_ctime = current_time(inode);
	return inode->i_ctime;
}
#endif

#ifndef VMDEMO_HAS_SET_MTIME
static inline struct timespec64 inode_set_mtime_to_ts(struct inode *inode, struct timespec64 ts)
{
	inode->i_mtime = ts;
	return ts;
}
#endif

/* What creates a file was told whether it must be new, which the kernel has always made sure of. */
#ifdef VMDEMO_HAS_CREATE_EXCL
#define VMDEMO_CREATE_MODE	umode_t mode, bool excl
#else
#define VMDEMO_CREATE_MODE	umode_t mode
#endif

/* What makes a directory returns an error, or since 6.18 a dentry, if that is another one. */
#ifdef VMDEMO_HAS_MKDIR_DENTRY
#define vmdemo_mkdir_t		struct dentry *
#define VMDEMO_MKDIR(err)	ERR_PTR(err)
#else
#define vmdemo_mkdir_t		int
#define VMDEMO_MKDIR(err)	(err)
#endif

/* A file system without a store keeps its dentries by a reference of its own; now by a flag. */
#ifdef VMDEMO_HAS_D_PERSISTENT
#define vmdemo_kill_tree	kill_anon_super
#else
#define vmdemo_kill_tree	kill_litter_super
static inline void d_make_persistent(struct dentry *dentry, struct inode *inode)
{
	d_instantiate(dentry, inode);
	dget(dentry);
}
#endif

#ifndef VMDEMO_HAS_DEFAULT_D_OP
#define set_default_d_op(sb, ops) ((sb)->s_d_op = (ops))
#endif

#ifndef VMDEMO_HAS_INODE_JUST_DROP
#define inode_just_drop generic_delete_inode
#endif

#ifndef VMDEMO_HAS_COPY_SPLICE_READ
#define copy_splice_read generic_file_splice_read
#endif

#ifndef VMDEMO_HAS_COPY_FOLIO
#define copy_folio_from_iter_atomic(folio, offset, bytes, from) \
	copy_page_from_iter_atomic(&(folio)->page, offset, bytes, from)
#endif

#ifndef VMDEMO_HAS_MKWRITE_NOVMA
#define pte_mkwrite_novma pte_mkwrite
#endif

/*
 * A PTE that is present comes to allow more; the PTE lock is held. arm64 does not export what
 * set_pte_at() calls for the memory tags of a page, which are right since the page was mapped.
 */
static inline void vmdemo_pte_allow(struct mm_struct *mm, unsigned long addr, pte_t *ptep,
				    pte_t pte)
{
#ifdef CONFIG_ARM64
	set_pte(ptep, pte);
#else
	set_pte_at(mm, addr, ptep, pte);
#endif
}

/*
 * A clock that costs an instruction or two where there is one, in ticks that mean the same on all
 * processors; and its ticks in a millisecond.
 */
#if defined(CONFIG_X86_64) || defined(CONFIG_ARM64)
static inline u64 vmdemo_clock(void)
{
	return get_cycles();
}

static inline u32 vmdemo_clock_khz(void)
{
#ifdef CONFIG_X86_64
	return tsc_khz ?: 1;
#else
	return arch_timer_get_cntfrq() / 1000;
#endif
}
#else
static inline u64 vmdemo_clock(void)
{
	return ktime_get_mono_fast_ns();
}

static inline u32 vmdemo_clock_khz(void)
{
	return USEC_PER_SEC;
}
#endif

#ifndef VMDEMO_HAS_DFL_WQ
#define system_dfl_wq system_unbound_wq
#endif

/* Before 6.2 unmapping takes pages out of the rmap first and flushes the TLBs afterwards. */
#define VMDEMO_RMAP_FIRST	(LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0))

/* The per-CPU cache of bios: before 6.2 only for bios that end in process context. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define VMDEMO_REQ_CACHE	0
#define VMDEMO_BIOSET_CACHE	0
#else
#define VMDEMO_REQ_CACHE	REQ_ALLOC_CACHE
#define VMDEMO_BIOSET_CACHE	BIOSET_PERCPU_CACHE
#endif

/* With per-VMA locks a fault runs under one of them alone only where ->map_pages is set. */
#ifndef VMDEMO_HAS_FAULT_LOCK
#define VMDEMO_MAP_PAGES(stub) NULL
static inline void release_fault_lock(struct vm_fault *vmf)
{
	mmap_read_unlock(vmf->vma->vm_mm);
}
#else
#define VMDEMO_MAP_PAGES(stub) (stub)
#endif

/*
 * An exclusively claimed block device. It was opened by its mode, with FMODE_EXCL, until 6.4; by
 * its holder alone, and closed by that, in 6.5 and 6.6; is a handle in 6.7 and 6.8, and a file from
 * 6.9 on.
 */
#ifndef VMDEMO_HAS_BLK_MODE
#define BLK_OPEN_READ	FMODE_READ
#define BLK_OPEN_WRITE	FMODE_WRITE
#define blk_mode_t	fmode_t

struct vmdemo_bdev {
	struct block_device *bdev;
	fmode_t mode;
};

static inline int vmdemo_bdev_open(struct vmdemo_bdev *handle, const char *path, blk_mode_t mode,
				   void *holder)
{
	struct block_device *bdev;

	mode |= FMODE_EXCL;
	bdev = blkdev_get_by_path(path, mode, holder);
	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	handle->bdev = bdev;
	handle->mode = mode;
	return 0;
}

static inline void vmdemo_bdev_close(struct vmdemo_bdev *handle)
{
	blkdev_put(handle->bdev, handle->mode);
	handle->bdev = NULL;
}
#elif !defined(VMDEMO_HAS_BDEV_HANDLE) && !defined(VMDEMO_HAS_BDEV_FILE)
struct vmdemo_bdev {
	struct block_device *bdev;
	void *holder;
};

static inline int vmdemo_bdev_open(struct vmdemo_bdev *handle, const char *path, blk_mode_t mode,
				   void *holder)
{
	struct block_device *bdev = blkdev_get_by_path(path, mode, holder, NULL);

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	handle->bdev = bdev;
	handle->holder = holder;
	return 0;
}

static inline void vmdemo_bdev_close(struct vmdemo_bdev *handle)
{
	blkdev_put(handle->bdev, handle->holder);
	handle->bdev = NULL;
}
#elif !defined(VMDEMO_HAS_BDEV_FILE)
struct vmdemo_bdev {
	struct block_device *bdev;
	struct bdev_handle *handle;
};

static inline int vmdemo_bdev_open(struct vmdemo_bdev *handle, const char *path, blk_mode_t mode,
				   void *holder)
{
	struct bdev_handle *opened = bdev_open_by_path(path, mode, holder, NULL);

	if (IS_ERR(opened))
		return PTR_ERR(opened);
	handle->handle = opened;
	handle->bdev = opened->bdev;
	return 0;
}

static inline void vmdemo_bdev_close(struct vmdemo_bdev *handle)
{
	bdev_release(handle->handle);
	handle->bdev = NULL;
}
#else
struct vmdemo_bdev {
	struct block_device *bdev;
	struct file *file;
};

static inline int vmdemo_bdev_open(struct vmdemo_bdev *handle, const char *path, blk_mode_t mode,
				   void *holder)
{
	struct file *file = bdev_file_open_by_path(path, mode, holder, NULL);

	if (IS_ERR(file))
		return PTR_ERR(file);
	handle->file = file;
	handle->bdev = file_bdev(file);
	return 0;
}

static inline void vmdemo_bdev_close(struct vmdemo_bdev *handle)
{
	bdev_fput(handle->file);
	handle->bdev = NULL;
}
#endif

#endif /* VMDEMO_COMPAT_H */
