// SPDX-License-Identifier: GPL-2.0
/*
 * user.c - what the sparse spaces of each user take, together
 *
 * A space counts as its maker's for as long as it exists, whoever has a descriptor of it or writes
 * to it. Who has CAP_SYS_RESOURCE goes beyond the limits, and is counted all the same.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "user.h"

/*
 * Whose spaces the caller's are. In a user namespace that somebody without privileges has made all
 * users are he, or he would have as many shares as user IDs.
 */
static kuid_t vmdemo_user_uid(void)
{
	const struct user_namespace *ns;
	kuid_t uid = current_uid();

	for (ns = current_user_ns(); ns->parent; ns = ns->parent)
		if (!uid_eq(ns->owner, GLOBAL_ROOT_UID))
			uid = ns->owner;
	return uid;
}

static struct vmdemo_user *vmdemo_user_add(struct vmdemo_users *users, kuid_t uid)
{
	struct vmdemo_user *user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	int err;

	if (!user)
		return ERR_PTR(-ENOMEM);
	user->uid = uid;
	err = xa_err(xa_store(&users->table, __kuid_val(uid), user, GFP_KERNEL_ACCOUNT));
	if (err) {
		kfree(user);
		return ERR_PTR(err);
	}
	return user;
}

/**
 * vmdemo_user_get - the caller makes a space
 * @users: of the device
 * @most:  so many spaces may a user have; 0: as many as he likes
 *
 * May sleep. Returns the user, or ERR_PTR(-EDQUOT) if he has as many, ERR_PTR(-ENOMEM). When the
 * space has gone vmdemo_user_put() is next.
 */
struct vmdemo_user *vmdemo_user_get(struct vmdemo_users *users, u32 most)
{
	kuid_t uid = vmdemo_user_uid();
	struct vmdemo_user *user;

	mutex_lock(&users->lock);
	user = xa_load(&users->table, __kuid_val(uid));
	if (!user)
		user = vmdemo_user_add(users, uid);
	else if (most && user->nr_spaces >= most && !capable(CAP_SYS_RESOURCE))
		user = ERR_PTR(-EDQUOT);
	if (!IS_ERR(user))
		user->nr_spaces++;
	mutex_unlock(&users->lock);
	return user;
}

/**
 * vmdemo_user_put - a space has gone
 * @users: of the device
 * @user:  from vmdemo_user_get()
 *
 * The space has no page any more. May sleep.
 */
void vmdemo_user_put(struct vmdemo_users *users, struct vmdemo_user *user)
{
	mutex_lock(&users->lock);
	if (!--user->nr_spaces) {
		WARN_ON_ONCE(atomic64_read(&user->nr_pages));
		xa_erase(&users->table, __kuid_val(user->uid));
		kfree(user);
	}
	mutex_unlock(&users->lock);
}

/**
 * vmdemo_user_take_pages - pages of a space are to be written for the first time
 * @user: who has made it
 * @nr:   how many
 * @most: so many may he have; 0: as many as he likes
 *
 * Does not sleep. Returns false if he may not have so many more: then he has none of them, and
 * nobody was refused meanwhile.
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
	mutex_init(&users->lock);
	xa_init_flags(&users->table, XA_FLAGS_ACCOUNT);
}
