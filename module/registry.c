// SPDX-License-Identifier: GPL-2.0
/*
 * registry.c - which policies there are, and which pool follows which
 *
 * The policies in vmdemo.ko are in the list from the beginning, those of other modules while these
 * are loaded. A pool that follows one has a reference to its module, which stays that long. The
 * pool lock is held around every call of a policy: so when a switch has taken it no task is in the
 * old one any more.
 *
 * vmdemo itself cannot go before such a module, which needs the functions that it exports, nor can
 * one come before vmdemo is set up.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "order.h"
#include "policy_guard.h"
#include "registry.h"

/* So that the names of all fit into one attribute. */
#define VMDEMO_REGISTRY_MOST	100

struct vmdemo_entry {
	/* immutable */
	const struct vmdemo_policy_ops *ops;	/* what pools follow: the policy, or its guard */
	struct module *owner;			/* NULL: vmdemo itself */
	struct vmdemo_guard guard;

	/* under the registry's lock */
	struct list_head list;
	u32 pools;				/* that follow it */
};

static struct vmdemo_entry vmdemo_built_in[] = {
	{ .ops = &vmdemo_policy_lru },
	{ .ops = &vmdemo_policy_fifo },
	{ .ops = &vmdemo_policy_clock },
	{ .ops = &vmdemo_policy_random },
	{ .ops = &vmdemo_policy_2q },
};

/* A leaf but for the pool locks. Guards the list, and which policy a pool follows. */
static DEFINE_MUTEX(vmdemo_registry_lock);
static LIST_HEAD(vmdemo_registry);
static u32 vmdemo_registry_nr;

static struct vmdemo_entry *vmdemo_registry_find(const char *name)
{
	struct vmdemo_entry *entry;

	lockdep_assert_held(&vmdemo_registry_lock);
	list_for_each_entry(entry, &vmdemo_registry, list)
		if (sysfs_streq(name, entry->ops->name))
			return entry;
	return NULL;
}

static struct vmdemo_entry *vmdemo_registry_of(const struct vmdemo_pool *pool)
{
	struct vmdemo_entry *entry;

	lockdep_assert_held(&vmdemo_registry_lock);
	list_for_each_entry(entry, &vmdemo_registry, list)
		if (entry->ops == READ_ONCE(pool->policy.ops))
			return entry;
	return NULL;
}

static void vmdemo_registry_add(struct vmdemo_entry *entry)
{
	list_add_tail(&entry->list, &vmdemo_registry);
	vmdemo_registry_nr++;
}

/**
 * vmdemo_registry_init - the policies that are always there
 *
 * Before there is any pool: these follow lru to begin with.
 */
void vmdemo_registry_init(void)
{
	int i;

	mutex_lock(&vmdemo_registry_lock);
	for (i = 0; i < ARRAY_SIZE(vmdemo_built_in); i++)
		vmdemo_registry_add(&vmdemo_built_in[i]);
	mutex_unlock(&vmdemo_registry_lock);
}

/* ---- pools ---- */

/* A guard needs a place to remember things in; a pool that has got one keeps it. */
static int vmdemo_registry_prepare(struct vmdemo_pool *pool, const struct vmdemo_entry *entry)
{
	if (!entry->owner || pool->policy.guard)
		return 0;
	pool->policy.guard = kvzalloc(sizeof(*pool->policy.guard), GFP_KERNEL);
	return pool->policy.guard ? 0 : -ENOMEM;
}

static int vmdemo_registry_follow(struct vmdemo_pool *pool, struct vmdemo_entry *entry)
{
	struct vmdemo_entry *old = vmdemo_registry_of(pool);
	int err;

	if (entry == old)
		return 0;
	err = vmdemo_registry_prepare(pool, entry);
	if (err)
		return err;
	/*
	 * Its module may be on its way out, and wait for the lock to unregister; or its init may
	 * not have ended, and yet fail: a reference would not keep it then.
	 */
	if (entry->owner && READ_ONCE(entry->owner->state) != MODULE_STATE_LIVE)
		return -EINVAL;
	if (!try_module_get(entry->owner))
		return -EINVAL;
	entry->pools++;
	vmdemo_order_set_policy(pool, entry->ops);
	/* Only lru has pools that did not come by here. */
	if (old->owner)
		old->pools--;
	module_put(old->owner);
	return 0;
}

/**
 * vmdemo_registry_set - let a pool follow the policy of a name
 * @pool: the pool
 * @name: perhaps with a newline behind it
 *
 * May sleep. Returns 0; -EINVAL: there is none of that name; or -ENOMEM.
 */
int vmdemo_registry_set(struct vmdemo_pool *pool, const char *name)
{
	struct vmdemo_entry *entry;
	int err = -EINVAL;

	mutex_lock(&vmdemo_registry_lock);
	entry = vmdemo_registry_find(name);
	if (entry)
		err = vmdemo_registry_follow(pool, entry);
	mutex_unlock(&vmdemo_registry_lock);
	return err;
}

/**
 * vmdemo_registry_show - the names of all policies, the one that a pool follows in brackets
 * @pool: the pool
 * @buf:  a page
 *
 * May sleep. Returns the length.
 */
ssize_t vmdemo_registry_show(const struct vmdemo_pool *pool, char *buf)
{
	const struct vmdemo_entry *now, *entry;
	ssize_t len = 0;

	mutex_lock(&vmdemo_registry_lock);
	now = vmdemo_registry_of(pool);
	list_for_each_entry(entry, &vmdemo_registry, list)
		len += sysfs_emit_at(buf, len, entry == now ? "%s[%s]" : "%s%s", len ? " " : "",
				     entry->ops->name);
	mutex_unlock(&vmdemo_registry_lock);
	return len + sysfs_emit_at(buf, len, "\n");
}

/* ---- policies of other modules ---- */

/**
 * vmdemo_policy_register - a policy that pools may follow from now on
 * @ops:   the policy; stays as it is until it is unregistered
 * @owner: the module that it is in, THIS_MODULE
 *
 * Pools may follow it once the module's init has ended; if that fails after this, it has to
 * unregister. The policy's answers are checked: see policy_guard.c. May sleep. Returns 0; -EINVAL:
 * it has no name, or a bad one, see VMDEMO_POLICY_NAME_MAX, or no owner; -EEXIST: the name is
 * taken; -ENOSPC: there are too many; or -ENOMEM.
 */
int vmdemo_policy_register(const struct vmdemo_policy_ops *ops, struct module *owner)
{
	struct vmdemo_entry *entry;
	int err = 0;

	if (!ops || !vmdemo_policy_named(ops) || !owner)
		return -EINVAL;
	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	vmdemo_guard_init(&entry->guard, ops);
	entry->ops = &entry->guard.ops;
	entry->owner = owner;
	mutex_lock(&vmdemo_registry_lock);
	if (vmdemo_registry_find(ops->name))
		err = -EEXIST;
	else if (vmdemo_registry_nr >= VMDEMO_REGISTRY_MOST)
		err = -ENOSPC;
	else
		vmdemo_registry_add(entry);
	mutex_unlock(&vmdemo_registry_lock);
	if (err)
		kfree(entry);
	return err;
}
EXPORT_SYMBOL_GPL(vmdemo_policy_register);

/**
 * vmdemo_policy_unregister - a policy goes
 * @ops: as registered
 *
 * From a module's exit this succeeds, for no pool follows it any more. May sleep. Returns 0;
 * -EBUSY: a pool does; or -ENOENT: it is not registered.
 */
int vmdemo_policy_unregister(const struct vmdemo_policy_ops *ops)
{
	struct vmdemo_entry *entry, *found = NULL;
	int err = -ENOENT;

	mutex_lock(&vmdemo_registry_lock);
	list_for_each_entry(entry, &vmdemo_registry, list)
		if (entry->owner && entry->guard.asked == ops)
			found = entry;
	if (found)
		err = found->pools ? -EBUSY : 0;
	if (!err) {
		list_del(&found->list);
		vmdemo_registry_nr--;
		kfree(found);
	}
	mutex_unlock(&vmdemo_registry_lock);
	return err;
}
EXPORT_SYMBOL_GPL(vmdemo_policy_unregister);
