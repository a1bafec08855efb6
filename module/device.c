// SPDX-License-Identifier: GPL-2.0
/*
 * device.c - one pool, one backing block device and its linear space, one swap device
 *
 * The backing device changes only while nobody has the device open, so an open file can rely on it.
 * Unbinding never drops data: what cannot be written keeps the device bound. Only leaving for good
 * (rmmod), or being told to, gives up after a while, and says what was lost.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "backing.h"
#include "device.h"
#include "discard.h"
#include "grow.h"
#include "pager.h"
#include "pool.h"
#include "range.h"
#include "signature.h"
#include "swap.h"
#include "thread.h"
#include "writeback.h"

static void vmdemo_device_free(struct device *dev)
{
	kfree(container_of(dev, struct vmdemo_device, dev));
}

/**
 * vmdemo_device_create - a device with a pool and nothing bound
 * @id:     number of the device, from 0
 * @frames: size of the pool
 *
 * May sleep. Returns the device, not registered, or an ERR_PTR: -ENOMEM, -EINVAL for a pool that
 * is too small or larger than half the memory.
 */
struct vmdemo_device *vmdemo_device_create(u32 id, u32 frames)
{
	struct vmdemo_device *device = kzalloc(sizeof(*device), GFP_KERNEL);
	int err;

	if (!device)
		return ERR_PTR(-ENOMEM);
	device->id = id;
	mutex_init(&device->lock);
	vmdemo_closings_init(&device->closings);
	spin_lock_init(&device->swap.lock);
	ida_init(&device->spaces);
	vmdemo_users_init(&device->users);
	device->pool = vmdemo_pool_create();
	if (IS_ERR(device->pool)) {
		err = PTR_ERR(device->pool);
		goto err_device;
	}
	device->pool->device = id;
	device->pool->disks[0] = &device->backing;
	device->pool->disks[1] = &device->swap.backing;
	vmdemo_discard_init(&device->swap, device->pool);
	err = vmdemo_device_resize(device, frames);
	if (err)
		goto err_pool;
	err = vmdemo_pager_init(device->pool);
	if (err)
		goto err_pool;
	err = vmdemo_space_init(&device->space, device->pool, &device->backing);
	if (err)
		goto err_pager;
	err = vmdemo_writeback_init(device->pool);
	if (err)
		goto err_space;
	err = vmdemo_thread_init(device->pool);
	if (err)
		goto err_writeback;
	device_initialize(&device->dev);
	device->dev.release = vmdemo_device_free;
	return device;

err_writeback:
	vmdemo_writeback_exit(device->pool);
err_space:
	vmdemo_space_exit(&device->space);
err_pager:
	vmdemo_pager_exit(device->pool);
err_pool:
	vmdemo_pool_destroy(device->pool);
err_device:
	kfree(device);
	return ERR_PTR(err);
}

/**
 * vmdemo_device_destroy - undo vmdemo_device_create()
 * @device: unbound, not registered
 *
 * May sleep. The memory goes with the last reference to the struct device.
 */
void vmdemo_device_destroy(struct vmdemo_device *device)
{
	vmdemo_thread_exit(device->pool);
	vmdemo_writeback_exit(device->pool);
	vmdemo_space_exit(&device->space);
	vmdemo_pager_exit(device->pool);
	vmdemo_pool_destroy(device->pool);
	ida_destroy(&device->spaces);
	put_device(&device->dev);
}

/*
 * Say so if the backing device is in use for something. That is no reason to refuse it: only what
 * programs write there changes, and some users bind it to look at its contents. Returns 0, or
 * -EINTR.
 */
static int vmdemo_device_look(struct vmdemo_device *device)
{
	struct vmdemo_backing *backing = &device->backing;
	const char *what;

	if (backing->readonly)
		return 0;
	if (vmdemo_signature_find(backing, &what) == -EINTR) {
		vmdemo_backing_close(backing);
		return -EINTR;
	}
	if (what)
		dev_notice(&device->dev, "there is %s on %s, and programs can change it\n", what,
			   backing->path);
	return 0;
}

/*
 * Does nobody have the device open? The lock is held. Returns 0 or -EBUSY; what no open file shows
 * is in the log.
 */
static int vmdemo_device_check_closed(struct vmdemo_device *device)
{
	if (device->mounts)
		dev_notice(&device->dev,
			   "mounted file systems: %u; see findmnt -t vmdemo, or lsof if detached\n",
			   device->mounts);
	return device->opens ? -EBUSY : 0;
}

/**
 * vmdemo_device_bind - give the device its backing store
 * @device: unbound
 * @path:   of a block device
 *
 * May sleep. Returns 0, -EBUSY if something is bound or the device is open, -EFBIG for one of more
 * than 2^48 bytes, -EINTR when killed, or an error of vmdemo_backing_open().
 */
int vmdemo_device_bind(struct vmdemo_device *device, const char *path)
{
	int err;

	err = mutex_lock_killable(&device->lock);
	if (err)
		return err;
	err = vmdemo_device_check_closed(device);
	if (!err && device->backing.handle.bdev)
		err = -EBUSY;
	if (!err)
		err = vmdemo_backing_open(&device->backing, path, &device->dev);
	if (!err && vmdemo_backing_bytes(&device->backing) > VMDEMO_LINEAR_MAX) {
		vmdemo_backing_close(&device->backing);
		err = -EFBIG;
		vmdemo_backing_refuse(&device->dev, path, err, "it is larger than 2^48 bytes");
	}
	if (!err)
		err = vmdemo_device_look(device);
	/* Files opened from now on do not report earlier failures of the disk. */
	if (!err)
		WRITE_ONCE(device->space.inode->i_mapping->wb_err, 0);
	if (!err) {
		device->backing.seen_bytes = vmdemo_backing_bytes(&device->backing);
		vmdemo_space_set_size(&device->space, device->backing.seen_bytes);
	}
	mutex_unlock(&device->lock);
	return err;
}

/*
 * Lock the device to unbind something. What is about to go does not count as open: it is waited
 * for, unless the device is open otherwise.
 */
static int vmdemo_device_lock_closed(struct vmdemo_device *device)
{
	int err = mutex_lock_killable(&device->lock);

	while (!err && atomic_read(&device->closings.nr) &&
	       vmdemo_closings_are_all(&device->closings, device->opens - device->mounts)) {
		mutex_unlock(&device->lock);
		err = vmdemo_closings_wait(&device->closings) ?:
		      mutex_lock_killable(&device->lock);
	}
	return err;
}

static bool vmdemo_device_quiet(struct vmdemo_device *device)
{
	return !atomic_read(&device->pool->nr_writing) &&
	       !atomic_read(&device->backing.nr_flushes);
}

/* Nobody has the device open and the pool is empty. Returns 0, or -EINTR: it stays bound. */
static int vmdemo_device_close_backing(struct vmdemo_device *device)
{
	if (wait_event_killable(device->pool->free_wait, vmdemo_device_quiet(device)))
		return -EINTR;
	vmdemo_backing_close(&device->backing);
	vmdemo_space_set_size(&device->space, 0);
	return 0;
}

/*
 * Write everything and take it out of the pool. -EAGAIN: a page has become dirty meanwhile, as by
 * the end of a DMA, and is written by the next attempt.
 */
static int vmdemo_device_empty(struct vmdemo_device *device)
{
	struct vmdemo_space *space = &device->space;
	int err;

	if (fatal_signal_pending(current))
		return -EINTR;
	err = vmdemo_device_sync(device, 0, U64_MAX);
	return err ?: vmdemo_range_drop(space, 0, space->nr_pages - 1, VMDEMO_DROP_CLEAN, NULL);
}

/**
 * vmdemo_device_unbind - write everything and let go of the backing store
 * @device: may be unbound already
 *
 * May sleep. Returns 0; -EBUSY while it is open, or while somebody holds a page; -EIO if something
 * cannot be written, -EINTR when killed: then it stays bound and nothing is lost.
 */
int vmdemo_device_unbind(struct vmdemo_device *device)
{
	int err = vmdemo_device_lock_closed(device);

	if (err)
		return err;
	err = vmdemo_device_check_closed(device);
	if (!err && device->backing.handle.bdev) {
		while ((err = vmdemo_device_empty(device)) == -EAGAIN)
			cond_resched();
		err = err ?: vmdemo_device_close_backing(device);
	}
	mutex_unlock(&device->lock);
	return err;
}

/*
 * Let go of the backing store, with the data for as long as there is hope, then without. A pool
 * that lives on does not leave held frames to their holders: it stays bound instead.
 */
static void vmdemo_device_give_up(struct vmdemo_device *device)
{
	unsigned long until = jiffies + VMDEMO_STALL;
	struct vmdemo_space *space = &device->space;
	unsigned long lost = 0;
	int err, held = 0;

	while ((err = vmdemo_device_empty(device)) && err != -EINTR && time_before(jiffies, until))
		schedule_timeout_killable(err == -EAGAIN ? 1 : HZ / 10);
	if (err == -EINTR)
		return;
	if (err && device->live)
		held = vmdemo_range_drop(space, 0, space->nr_pages - 1, VMDEMO_DROP_ALL, &lost);
	else
		while (err && vmdemo_range_drop(space, 0, space->nr_pages - 1,
						VMDEMO_DROP_LEAVE, &lost))
			;
	if (lost)
		dev_err(&device->dev, "%lu pages lost: writing %s failed with %d\n", lost,
			device->backing.path, err);
	vmdemo_stat_add(device->pool, pages_lost, lost);
	if (!held)
		vmdemo_device_close_backing(device);
}

/* In a worker, since its waits are killable, and a killed rmmod is no reason to lose data. */
static void vmdemo_device_leave_work(struct work_struct *work)
{
	vmdemo_device_give_up(container_of(work, struct vmdemo_device, leave_work));
}

/**
 * vmdemo_device_leave - unbind for good, with or without the data
 * @device: not open, and it cannot be opened again
 *
 * Tries to write for 5 s. What cannot be written is dropped, counted in pages_lost and logged. May
 * sleep.
 */
void vmdemo_device_leave(struct vmdemo_device *device)
{
	mutex_lock(&device->lock);
	device->live = false;
	if (device->backing.handle.bdev) {
		INIT_WORK(&device->leave_work, vmdemo_device_leave_work);
		queue_work(system_dfl_wq, &device->leave_work);
		flush_work(&device->leave_work);
	}
	if (device->swap.nr_slots) {
		vmdemo_discard_finish(&device->swap, VMDEMO_STALL);
		vmdemo_swap_close(&device->swap);
	}
	mutex_unlock(&device->lock);
}

/**
 * vmdemo_device_abandon - let go of the backing store, with or without the data
 * @device: may be unbound already
 *
 * For a disk that is gone: otherwise only unloading the module would get rid of it. As
 * vmdemo_device_leave(), but the device can be bound again. May sleep. Returns 0, -EBUSY while it
 * is open or somebody holds a page, or -EINTR when killed: then it may be bound yet. What is lost
 * is counted.
 */
int vmdemo_device_abandon(struct vmdemo_device *device)
{
	int err = vmdemo_device_lock_closed(device);

	if (err)
		return err;
	if (!vmdemo_device_check_closed(device) && device->backing.handle.bdev)
		vmdemo_device_give_up(device);
	/* It is open, or a page that somebody holds keeps it bound. */
	if (device->opens || device->backing.handle.bdev)
		err = fatal_signal_pending(current) ? -EINTR : -EBUSY;
	mutex_unlock(&device->lock);
	return err;
}

/**
 * vmdemo_device_bind_swap - give the device somewhere to swap to
 * @device: without
 * @path:   of a block device, perhaps after "force"
 *
 * May sleep. Returns 0, -EBUSY while the device is open or has a swap device, -EINTR when killed,
 * or an error of vmdemo_swap_open().
 */
int vmdemo_device_bind_swap(struct vmdemo_device *device, const char *path)
{
	int err = mutex_lock_killable(&device->lock);

	if (err)
		return err;
	err = vmdemo_device_check_closed(device);
	if (!err && device->swap.nr_slots)
		err = -EBUSY;
	if (!err)
		err = vmdemo_swap_open(&device->swap, path, &device->dev);
	mutex_unlock(&device->lock);
	return err;
}

/**
 * vmdemo_device_unbind_swap - let go of the swap device
 * @device: may have none already
 *
 * May sleep. Returns 0, -EBUSY while the device is open, so that there may be sparse spaces, or
 * -EINTR when killed.
 */
int vmdemo_device_unbind_swap(struct vmdemo_device *device)
{
	int err = vmdemo_device_lock_closed(device);

	if (err)
		return err;
	err = vmdemo_device_check_closed(device);
	if (!err && device->swap.nr_slots)
		err = vmdemo_discard_finish(&device->swap, MAX_SCHEDULE_TIMEOUT);
	if (!err && device->swap.nr_slots)
		vmdemo_swap_close(&device->swap);
	mutex_unlock(&device->lock);
	return err;
}

/**
 * vmdemo_device_set_discard - discard slots of the swap device that are free, or do not
 * @device: with a swap device or without
 * @on:     which
 *
 * May sleep. Returns 0, or -EINTR when killed.
 */
int vmdemo_device_set_discard(struct vmdemo_device *device, bool on)
{
	int err = mutex_lock_killable(&device->lock);

	if (err)
		return err;
	vmdemo_discard_set(&device->swap, on);
	mutex_unlock(&device->lock);
	return 0;
}

/**
 * vmdemo_device_set_live - from now on the device may be opened
 * @device: registered, like all others of the module
 *
 * No later failure takes it away again. May sleep.
 */
void vmdemo_device_set_live(struct vmdemo_device *device)
{
	mutex_lock(&device->lock);
	device->live = true;
	mutex_unlock(&device->lock);
}

/* May the device be opened? The lock is held. */
static int vmdemo_device_may_open(const struct vmdemo_device *device)
{
	if (!device->live)
		return -ENODEV;
	return device->backing.handle.bdev || device->swap.nr_slots ? 0 : -ENXIO;
}

/**
 * vmdemo_device_open - one more open file
 * @device: the device
 *
 * May sleep. Returns 0, -ENXIO without backing and swap, -ENODEV while the module comes or goes,
 * or -EINTR when killed while it waits for an unbinding.
 */
int vmdemo_device_open(struct vmdemo_device *device)
{
	int err = mutex_lock_killable(&device->lock);

	if (err)
		return err;
	err = vmdemo_device_may_open(device);
	if (!err)
		device->opens++;
	mutex_unlock(&device->lock);
	return err;
}

/**
 * vmdemo_device_release - one open file less
 * @device: the device
 *
 * The data stays in the pool. May sleep.
 */
void vmdemo_device_release(struct vmdemo_device *device)
{
	mutex_lock(&device->lock);
	device->opens--;
	mutex_unlock(&device->lock);
}

/**
 * vmdemo_device_mount - one more file system of spaces
 * @device:  the device
 * @mounted: its part in this, with its super block
 *
 * Until vmdemo_device_unmount() its swap device stays. May sleep. Returns 0, -ENXIO without a swap
 * device, or an error of vmdemo_device_open().
 */
int vmdemo_device_mount(struct vmdemo_device *device, struct vmdemo_mounted *mounted)
{
	int err = mutex_lock_killable(&device->lock);

	if (err)
		return err;
	err = vmdemo_device_may_open(device);
	if (!err && !device->swap.nr_slots)
		err = -ENXIO;
	if (!err) {
		device->opens++;
		device->mounts++;
		vmdemo_closings_mount(&device->closings, mounted);
	}
	mutex_unlock(&device->lock);
	return err;
}

/**
 * vmdemo_device_unmount - one less
 * @device:  the device
 * @mounted: which
 *
 * None of its files is left. May sleep.
 */
void vmdemo_device_unmount(struct vmdemo_device *device, struct vmdemo_mounted *mounted)
{
	mutex_lock(&device->lock);
	vmdemo_closings_unmount(&device->closings, mounted);
	device->mounts--;
	device->opens--;
	mutex_unlock(&device->lock);
}

/**
 * vmdemo_device_resize - set the size of the pool
 * @device: the device, in use or not
 * @frames: new size
 *
 * May sleep, killably, up to 5 s when it shrinks. Returns 0, -EINVAL, -ENOMEM, -EINTR, or -EBUSY if
 * programs hold frames, or take them at once: then the rest goes when it can.
 */
int vmdemo_device_resize(struct vmdemo_device *device, u32 frames)
{
	int err;

	if (frames < VMDEMO_MIN_FRAMES || frames > device->pool->max_frames)
		return -EINVAL;
	err = mutex_lock_killable(&device->lock);
	if (err)
		return err;
	err = vmdemo_pool_resize(device->pool, frames);
	mutex_unlock(&device->lock);
	if (!err)
		err = vmdemo_thread_shrink(device->pool, frames);
	return err;
}

/**
 * vmdemo_device_sync - put what was written on stable storage
 * @device: without backing there is nothing to do
 * @start:  first byte
 * @end:    last byte, or beyond the end
 *
 * May sleep. Returns 0 only if everything dirty in the range when the call began is on the device
 * and its cache is flushed; the error of a write otherwise, -ENOMEM, or -EINTR when killed.
 */
int vmdemo_device_sync(struct vmdemo_device *device, u64 start, u64 end)
{
	struct vmdemo_space *space = &device->space;
	pgoff_t first = start >> PAGE_SHIFT;
	pgoff_t last = min_t(u64, end >> PAGE_SHIFT, space->nr_pages - 1);
	int err = 0;

	if (!device->backing.handle.bdev)
		return 0;
	if (first <= last) {
		err = vmdemo_writeback_range(space, first, last);
		err = err ?: vmdemo_space_wait_open(space, first, last);
	}
	err = err ?: vmdemo_pager_flush(space);
	/* Does it fail for want of a device that is as long as it was? */
	if (err)
		vmdemo_grow_look(space, true);
	return err;
}
