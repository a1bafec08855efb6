// SPDX-License-Identifier: GPL-2.0
/*
 * grow.c - the backing device becomes larger, or smaller, while it is in use
 *
 * The block layer does not announce that. So the device is asked, which costs a comparison, when
 * the end of a linear space matters: to a program that asks for it, or refers to what is beyond.
 *
 * A space grows with its device. It does not shrink with it: what is in frames is the only copy of
 * what was stored beyond the new end, and perhaps the device is made as long again. Until then
 * reads and writes there fail as on a bad sector. The log tells of both, once.
 */
#include "dirty.h"
#include "grow.h"
#include "index.h"
#include "range.h"
#include "space.h"
#include "writeback.h"

/* Attempts to clean a page that programs are writing. */
#define VMDEMO_GROW_TRIES	3

/* The inode is locked. No page beyond the old end gets a frame before the new size can be seen. */
static void vmdemo_grow_set(struct vmdemo_space *space, u64 bytes)
{
	pr_info("vmdemo: %s has grown from %llu to %llu bytes\n", space->backing->path,
		space->size_bytes, bytes);
	vmdemo_space_set_end(space, bytes);
	spin_lock(&space->pool->lock);
	WRITE_ONCE(space->nr_pages, DIV_ROUND_UP_ULL(bytes, PAGE_SIZE));
	spin_unlock(&space->pool->lock);
}

/* Take a page out of its frame, if it is in one. Its range is closed. */
static int vmdemo_grow_drop(struct vmdemo_space *space, pgoff_t page, bool wait)
{
	struct folio *folio;

	if (wait)
		return vmdemo_range_drop(space, page, page, VMDEMO_DROP_CLEAN, NULL);
	folio = vmdemo_index_lookup_sure(space->pool, space->key + page);
	if (!folio)
		return 0;
	folio_put(folio);
	return -EAGAIN;
}

/*
 * The last page was a short one. Behind its end its frame holds zeros, or what a program has stored
 * there; now the device has something there. So it leaves its frame, written as far as it went, and
 * cannot come back before the space has its new size.
 */
static int vmdemo_grow_short(struct vmdemo_space *space, u64 bytes, bool wait)
{
	pgoff_t last = space->nr_pages - 1;
	int err = wait ? vmdemo_writeback_range(space, last, last) : 0;

	if (err)
		return err;
	if (wait ? vmdemo_range_close(space, last, last) : !vmdemo_index_close(space, last, last))
		return -EINTR;
	err = vmdemo_grow_drop(space, last, wait);
	if (!err)
		vmdemo_grow_set(space, bytes);
	vmdemo_index_open(space);
	return err;
}

/**
 * vmdemo_grow - the device of a space has another size than when it was looked at last
 * @space: a linear space, bound, and it stays so
 * @wait:  sleep for the disk, killably, if need be; otherwise just for locks
 *
 * If the last page, a short one, cannot be written, or is held by somebody, or without @wait is in
 * a frame, the space grows some other time.
 */
void vmdemo_grow(struct vmdemo_space *space, bool wait)
{
	struct vmdemo_backing *backing = space->backing;
	int tries = 0, err = 0;
	u64 now, bytes;

	if (wait ? vmdemo_space_lock_inode(space) : !inode_trylock(space->inode))
		return;
	now = vmdemo_backing_bytes(backing);
	bytes = min(now, VMDEMO_LINEAR_MAX);
	if (bytes < space->size_bytes && now != backing->seen_bytes)
		pr_warn("vmdemo: %s has shrunk from %llu to %llu bytes, what is beyond fails\n",
			backing->path, space->size_bytes, bytes);
	else if (bytes > space->size_bytes && IS_ALIGNED(space->size_bytes, PAGE_SIZE))
		vmdemo_grow_set(space, bytes);
	else if (bytes > space->size_bytes)
		do
			err = vmdemo_grow_short(space, bytes, wait);
		while (err == -EAGAIN && wait && ++tries < VMDEMO_GROW_TRIES);
	if (!err)
		smp_store_release(&backing->seen_bytes, now); /* after the size */
	inode_unlock(space->inode);
}
