/* SPDX-License-Identifier: GPL-2.0 */
/*
 * user.h - what the sparse spaces of each user take, together
 */
#ifndef VMDEMO_USER_H
#define VMDEMO_USER_H

#include "frame.h"

/* Those who have sparse spaces of a device, or made files of its mounts. */
struct vmdemo_users {
	spinlock_t lock;		/* a leaf */
	struct list_head list;		/* under lock */
};

/* One of them, for as long as there are spaces of theirs. */
struct vmdemo_user {
	struct list_head node;		/* users' lock */
	kuid_t uid;			/* immutable */
	u32 nr_spaces;			/* users' lock: those without a name */
	u32 nr_files;			/* users' lock: those that are files of a mount */
	atomic64_t nr_pages;		/* that have a slot reserved, of all their spaces */
};

kuid_t vmdemo_user_uid(void);
void vmdemo_users_init(struct vmdemo_users *users);
struct vmdemo_user *vmdemo_user_get(struct vmdemo_users *users, bool named, u32 most);
void vmdemo_user_put(struct vmdemo_users *users, struct vmdemo_user *user, bool named);
bool vmdemo_user_take_pages(struct vmdemo_user *user, s64 nr, u32 most);

static inline void vmdemo_user_give_pages(struct vmdemo_user *user, s64 nr)
{
	atomic64_sub(nr, &user->nr_pages);
}

#endif /* VMDEMO_USER_H */
