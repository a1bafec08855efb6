// SPDX-License-Identifier: GPL-2.0
/*
 * closing.c - spaces of a device that nobody has any more, until they have gone
 *
 * A job frees each, since its pages may be on their way to or from a disk that is slow. Until it
 * has ended the device cannot be unbound: that waits for it, unless the device is in use otherwise,
 * which is told apart here. A job keeps the super block of its inode, and so may be the last user
 * of a file system that was unmounted.
 */
#include <linux/wait_bit.h>

#include "closing.h"

/* Before all else. Does not sleep. */
void vmdemo_closings_init(struct vmdemo_closings *closings)
{
	spin_lock_init(&closings->lock);
	INIT_LIST_HEAD(&closings->mounted);
}

/* A file system of spaces comes. Does not sleep. */
void vmdemo_closings_mount(struct vmdemo_closings *closings, struct vmdemo_mounted *mounted)
{
	mounted->nr_closing = 0;
	spin_lock(&closings->lock);
	list_add(&mounted->link, &closings->mounted);
	spin_unlock(&closings->lock);
}

/* It goes; none of its files is left. Does not sleep. */
void vmdemo_closings_unmount(struct vmdemo_closings *closings, struct vmdemo_mounted *mounted)
{
	spin_lock(&closings->lock);
	list_del(&mounted->link);
	spin_unlock(&closings->lock);
}

/**
 * vmdemo_closings_start - a space that nobody has any more is about to go
 * @closings: of its device, of which the caller has a reference until the end
 * @sb:       where its inode is; in use yet, and stays until the end
 * @mounted:  its file system, unless the space has no name
 *
 * vmdemo_closings_end() is next. Does not sleep.
 */
void vmdemo_closings_start(struct vmdemo_closings *closings, struct super_block *sb,
			   struct vmdemo_mounted *mounted)
{
	spin_lock(&closings->lock);
	atomic_inc(&sb->s_active);
	if (mounted)
		mounted->nr_closing++;
	atomic_inc(&closings->nr);
	spin_unlock(&closings->lock);
}

/**
 * vmdemo_closings_end - that space has gone
 * @closings: as before
 * @sb:       as before; it may go now
 * @mounted:  as before
 *
 * May sleep.
 */
void vmdemo_closings_end(struct vmdemo_closings *closings, struct super_block *sb,
			 struct vmdemo_mounted *mounted)
{
	bool last;

	/* A job that is the last counts as closing to the end. Until we unlock, @mounted stays. */
	spin_lock(&closings->lock);
	last = atomic_fetch_add_unless(&sb->s_active, -1, 1) == 1;
	if (!last && mounted)
		mounted->nr_closing--;
	spin_unlock(&closings->lock);
	if (last)
		deactivate_super(sb);
	if (atomic_dec_and_test(&closings->nr))
		wake_up_var(&closings->nr);
}

/**
 * vmdemo_closings_are_all - does nothing else keep the device in use?
 * @closings: its closings
 * @unnamed:  how many files and spaces without a name have it open, those that are going as well
 *
 * File systems that only their closings keep are about to go, too. The device's lock is held, so
 * that no others come. Does not sleep.
 */
bool vmdemo_closings_are_all(struct vmdemo_closings *closings, unsigned int unnamed)
{
	struct vmdemo_mounted *mounted;
	unsigned int closing;
	bool all = true;

	spin_lock(&closings->lock);
	closing = atomic_read(&closings->nr);
	list_for_each_entry(mounted, &closings->mounted, link) {
		all &= atomic_read(&mounted->sb->s_active) <= mounted->nr_closing;
		closing -= mounted->nr_closing;
	}
	spin_unlock(&closings->lock);
	return all && unnamed <= closing;
}

/* Until there are none. Returns 0, or a negative error if killed. */
int vmdemo_closings_wait(struct vmdemo_closings *closings)
{
	return wait_var_event_killable(&closings->nr, !atomic_read(&closings->nr));
}
