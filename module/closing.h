/* SPDX-License-Identifier: GPL-2.0 */
/*
 * closing.h - spaces of a device that nobody has any more, until they have gone
 */
#ifndef VMDEMO_CLOSING_H
#define VMDEMO_CLOSING_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/spinlock.h>

/* A file system of spaces. */
struct vmdemo_mounted {
	struct super_block *sb;		/* immutable */
	struct list_head link;		/* the rest: under the lock of struct vmdemo_closings */
	unsigned int nr_closing;	/* jobs that free files, and keep it for that */
	atomic64_t room;		/* on its own: pages that its files may have yet */
};

/* A device's. */
struct vmdemo_closings {
	spinlock_t lock;		/* a leaf */
	struct list_head mounted;	/* under lock: file systems of the device */
	atomic_t nr;			/* jobs that free spaces */
};

void vmdemo_closings_init(struct vmdemo_closings *closings);
void vmdemo_closings_mount(struct vmdemo_closings *closings, struct vmdemo_mounted *mounted);
void vmdemo_closings_unmount(struct vmdemo_closings *closings, struct vmdemo_mounted *mounted);
void vmdemo_closings_start(struct vmdemo_closings *closings, struct super_block *sb,
			   struct vmdemo_mounted *mounted);
void vmdemo_closings_end(struct vmdemo_closings *closings, struct super_block *sb,
			 struct vmdemo_mounted *mounted);
bool vmdemo_closings_are_all(struct vmdemo_closings *closings, unsigned int unnamed);
int vmdemo_closings_wait(struct vmdemo_closings *closings);

#endif /* VMDEMO_CLOSING_H */
