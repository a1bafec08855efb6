/* SPDX-License-Identifier: GPL-2.0 */
/*
 * device.h - one pool, one backing block device, one linear space
 */
#ifndef VMDEMO_DEVICE_H
#define VMDEMO_DEVICE_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/idr.h>

#include "closing.h"
#include "readahead.h"
#include "space.h"
#include "user.h"

struct vmdemo_device {
	/* immutable */
	struct device dev;
	struct cdev cdev;
	struct vmdemo_pool *pool;
	struct vmdemo_space space;	/* the linear one */
	struct ida spaces;		/* numbers of the sparse ones */
	struct vmdemo_users users;	/* their makers */
	u32 id;

	struct mutex lock;		/* binding, opening, resizing */
	struct vmdemo_backing backing;	/* under lock to change; then nobody has the device open */
	struct vmdemo_swap swap;	/* the same */
	unsigned int opens;		/* under lock; a sparse space, or a mount, counts as one */
	unsigned int mounts;		/* under lock: of these, file systems of spaces */
	struct vmdemo_closings closings;
	bool live;			/* under lock: may be opened */
	struct work_struct leave_work;
};

/* An open file. */
struct vmdemo_file {
	struct vmdemo_device *device;
	struct vmdemo_space *space;
	struct vmdemo_streams streams;
	enum vmdemo_advice advice;
};

/*
 * As with mincore(2), a caller that may only read a file is not told how others use it: which pages
 * are in frames shows what others have touched, and evicting them would show when.
 */
static inline bool vmdemo_file_may_look(struct file *file)
{
	return (file->f_mode & FMODE_WRITE) || file_owner_or_capable(file) ||
	       !file_permission(file, MAY_WRITE);
}

/* The smallest pool: one instruction may touch this many pages, and then some. */
#define VMDEMO_MIN_FRAMES	8

struct vmdemo_device *vmdemo_device_create(u32 id, u32 frames);
void vmdemo_device_destroy(struct vmdemo_device *device);
int vmdemo_device_bind(struct vmdemo_device *device, const char *path);
int vmdemo_device_unbind(struct vmdemo_device *device);
int vmdemo_device_abandon(struct vmdemo_device *device);
int vmdemo_device_bind_swap(struct vmdemo_device *device, const char *path);
int vmdemo_device_unbind_swap(struct vmdemo_device *device);
int vmdemo_device_set_discard(struct vmdemo_device *device, bool on);
void vmdemo_device_leave(struct vmdemo_device *device);
void vmdemo_device_set_live(struct vmdemo_device *device);
int vmdemo_device_open(struct vmdemo_device *device);
void vmdemo_device_release(struct vmdemo_device *device);
int vmdemo_device_mount(struct vmdemo_device *device, struct vmdemo_mounted *mounted);
void vmdemo_device_unmount(struct vmdemo_device *device, struct vmdemo_mounted *mounted);
int vmdemo_device_resize(struct vmdemo_device *device, u32 frames);
int vmdemo_device_sync(struct vmdemo_device *device, u64 start, u64 end);

#endif /* VMDEMO_DEVICE_H */
