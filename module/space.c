// SPDX-License-Identifier: GPL-2.0
/*
 * space.c - an address space of pages: its inode, its size, its pages
 *
 * A space is a private inode on a pseudo file system of ours. Its i_mmap finds every PTE; its
 * i_pages stays empty, since the pool's index knows the pages.
 */
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/wait_bit.h>

#include "dirty.h"
#include "index.h"
#include "segment.h"
#include "space.h"
#include "swap.h"

#define VMDEMO_MAGIC	0x766d646d

/* ---- the pages ---- */

/**
 * vmdemo_space_data_run - how many pages in a row are not just zeros
 * @space:  a sparse space
 * @first:  first page
 * @most:   how many to look at
 * @stored: count only those that have to be read if they are in no frame
 *
 * Within one segment, if there are any. Any context.
 */
u32 vmdemo_space_data_run(struct vmdemo_space *space, pgoff_t first, u32 most, bool stored)
{
	struct vmdemo_seg *seg;

	if (space->segments) {
		seg = vmdemo_segment_find(space, first);
		if (!seg)
			return 0;
		most = min_t(pgoff_t, most, seg->first + seg->bound - first);
		if (vmdemo_seg_has_origin(seg))
			return most;
	}
	return vmdemo_swap_run(space, first, most, stored);
}

/**
 * vmdemo_space_wait_open - wait until no page of a range is being discarded
 * @space: the space
 * @first: first page
 * @last:  last page
 *
 * For callers that make pages durable: what a discard has dropped is on the device neither as it
 * was nor as zeros until the discard ends. Sleeps, killably. Returns 0, or -EINTR when killed.
 */
int vmdemo_space_wait_open(struct vmdemo_space *space, pgoff_t first, pgoff_t last)
{
	if (wait_var_event_killable(&space->closed_nr, !vmdemo_index_closed(space, first, last)))
		return -EINTR;
	return 0;
}

/* ---- the inode ---- */

/*
 * A page of ours became dirty: by page_mkwrite, by the dirty bit of a PTE that is zapped, by the
 * end of a DMA. Called under the PTE lock or the folio lock.
 */
static bool vmdemo_space_dirty_folio(struct address_space *mapping, struct folio *folio)
{
	struct vmdemo_space *space = mapping->host->i_private;

	return vmdemo_dirty_set(space->pool, folio);
}

/*
 * Pages leave by way of the index only. The kernel would take one whose memory has just failed, and
 * that it was about to map, for a page of the page cache, and free it.
 */
static bool vmdemo_space_release_folio(struct folio *folio, gfp_t gfp)
{
	return false;
}

static const struct address_space_operations vmdemo_space_aops = {
	.dirty_folio	= vmdemo_space_dirty_folio,
	.release_folio	= vmdemo_space_release_folio,
};

static int vmdemo_fs_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, VMDEMO_MAGIC) ? 0 : -ENOMEM;
}

/* No .owner: kern_mount() would pin the module for ever. A mapping pins it by its file. */
static struct file_system_type vmdemo_fs = {
	.name			= "vmdemo_linear",
	.init_fs_context	= vmdemo_fs_init_context,
	.kill_sb		= kill_anon_super,
};

static struct vfsmount *vmdemo_mount;

/**
 * vmdemo_space_set_inode - an inode becomes that of a space
 * @space: the space
 * @inode: its own
 */
void vmdemo_space_set_inode(struct vmdemo_space *space, struct inode *inode)
{
	inode->i_private = space;
	inode->i_mapping->a_ops = &vmdemo_space_aops;
	mapping_set_no_writeback_tags(inode->i_mapping);
	mapping_set_release_always(inode->i_mapping);
	space->inode = inode;
}

/**
 * vmdemo_space_init - an empty linear space
 * @space:   to set up
 * @pool:    its frames come from here
 * @backing: where its pages live
 *
 * May sleep. Returns 0 or a negative error.
 */
int vmdemo_space_init(struct vmdemo_space *space, struct vmdemo_pool *pool,
		      struct vmdemo_backing *backing)
{
	struct inode *inode = alloc_anon_inode(vmdemo_mount->mnt_sb);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	vmdemo_space_set_inode(space, inode);
	space->pool = pool;
	space->backing = backing;
	return 0;
}

/**
 * vmdemo_space_exit - undo vmdemo_space_init()
 * @space: all its pages have left the pool, nobody has it open
 *
 * May sleep.
 */
void vmdemo_space_exit(struct vmdemo_space *space)
{
	iput(space->inode);
}

/**
 * vmdemo_space_set_end - give a space its size, but not its pages
 * @space: as for vmdemo_space_set_size()
 * @bytes: its size
 */
void vmdemo_space_set_end(struct vmdemo_space *space, u64 bytes)
{
	WRITE_ONCE(space->size_bytes, bytes);
	i_size_write(space->inode, bytes);
}

/**
 * vmdemo_space_set_size - give a space its size
 * @space: nobody has it open; if it is sparse, its inode is locked
 * @bytes: its size
 *
 * A page that is put into a frame just now may be beyond the end afterwards: a caller that shrinks
 * the space discards then.
 */
void vmdemo_space_set_size(struct vmdemo_space *space, u64 bytes)
{
	vmdemo_space_set_end(space, bytes);
	WRITE_ONCE(space->nr_pages, DIV_ROUND_UP_ULL(bytes, PAGE_SIZE));
}

/**
 * vmdemo_spaces_init() - mount the file system the spaces' inodes live on
 *
 * May sleep. Returns 0 or a negative error.
 */
int vmdemo_spaces_init(void)
{
	vmdemo_mount = kern_mount(&vmdemo_fs);
	return PTR_ERR_OR_ZERO(vmdemo_mount);
}

/**
 * vmdemo_spaces_exit() - unmount it
 *
 * May sleep.
 */
void vmdemo_spaces_exit(void)
{
	kern_unmount(vmdemo_mount);
}
