// SPDX-License-Identifier: GPL-2.0
/*
 * user.c - what the sparse spaces of each user take, together
 *
 * A space counts for its maker for as long as it exists, no matter which process has a descriptor
 * of it or writes to it. A task with CAP_SYS_RESOURCE goes beyond the limits, and is counted all
 * the same.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "user.h"

/**
 * vmdemo_user_uid - the user to charge for what the caller takes
 *
 * In a user namespace made by somebody without privileges all users are its maker, who would
 * otherwise have as many shares as user IDs. Any context of a task.
 */
kuid_t vmdemo_user_uid(void)
{
	const struct user_namespace *ns;
	kuid_t uid = current_uid();

	for (ns = current_user_ns(); ns->parent; ns = ns->parent)
		if (!uid_eq(ns->owner, GLOBAL_ROOT_UID))
			uid = ns->owner;
	return uid;
}

/* The users' lock is held. */
static struct vmdemo_user *vmdemo_user_find(struct vmdemo_users *users, kuid_t uid)
{
	struct vmdemo_user *user;

	list_for_each_entry(user, &users->list, node)
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

/* The same; @most is 0 if it does not hold. Returns NULL if the user has as many spaces. */
static struct vmdemo_user *vmdemo_user_take_space(struct vmdemo_users *users,
						  struct vmdemo_user *fresh, bool named, u32 most)
{
	struct vmdemo_user *user = vmdemo_user_find(users, fresh->uid);

	if (user && !named && most && user->nr_spaces >= most)
		return NULL;
	if (!user) {
		user = fresh;
		list_add(&user->node, &users->list);
	}
	if (named)
		user->nr_files++;
	else
		user->nr_spaces++;
	return user;
}

/**
 * vmdemo_user_get - the caller makes a space
 * @users: of the device
 * @named: it is a file of a mount, which bounds their number
 * @most:  how many spaces without a name a user may have; 0: any number
 *
 * May sleep. Returns the user, or ERR_PTR(-EDQUOT) if they have as many, ERR_PTR(-ENOMEM). When the
 * space has gone vmdemo_user_put() is next.
 */
struct vmdemo_user *vmdemo_user_get(struct vmdemo_users *users, bool named, u32 most)
{
	struct vmdemo_user *user, *fresh;

	/* Before the lock, which is everybody's: a cgroup may have to wait for memory. */
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->uid = vmdemo_user_uid();
	spin_lock(&users->lock);
	user = vmdemo_user_take_space(users, fresh, named, most);
	spin_unlock(&users->lock);
	if (!user && capable(CAP_SYS_RESOURCE)) {
		spin_lock(&users->lock);
		user = vmdemo_user_take_space(users, fresh, named, 0);
		spin_unlock(&users->lock);
	}
	if (user != fresh)
		kfree(fresh);
	return user ?: ERR_PTR(-EDQUOT);
}

/**
 * vmdemo_user_put - a space has gone
 * @users: of the device
 * @user:  from vmdemo_user_get()
 * @named: as there
 *
 * The space has no page any more. Does not sleep.
 */
void vmdemo_user_put(struct vmdemo_users *users, struct vmdemo_user *user, bool named)
{
	bool last;

	spin_lock(&users->lock);
	if (named)
		user->nr_files--;
	else
		user->nr_spaces--;
	last = !user->nr_spaces && !user->nr_files;
	if (last)
		list_del(&user->node);
	spin_unlock(&users->lock);
	if (!last)
		return;
	WARN_ON_ONCE(atomic64_read(&user->nr_pages));
	kfree(user);
}

/**
 * vmdemo_user_take_pages - pages of a space will be written for the first time
 * @user: its maker
 * @nr:   how many
 * @most: how many they may have; 0: any number
 *
 * Does not sleep. Returns false if that would be too many: then nothing has changed.
 */
bool vmdemo_user_take_pages(struct vmdemo_user *user, s64 nr, u32 most)
{
	s64 now = atomic64_read(&user->nr_pages);

	do {
		if (unlikely(most && now + nr > most) && !capable(CAP_SYS_RESOURCE))
			return false;
	} while (!atomic64_try_cmpxchg(&user->nr_pages, &now, now + nr));
	return true;
}

/**
 * vmdemo_users_init - nobody has a space
 * @users: to set up
 */
void vmdemo_users_init(struct vmdemo_users *users)
{
	spin_lock_init(&users->lock);
	INIT_LIST_HEAD(&users->list);
}
