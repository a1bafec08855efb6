// SPDX-License-Identifier: GPL-2.0
/*
 * sysfs.c - attributes of a device: /sys/class/vmdemo/<device>/
 *
 * One value a file; each has its text in uapi/ABI.txt. A new counter is a line in stats.h; a new
 * setting is a line in the table of this file and its bounds.
 */
#include <linux/kstrtox.h>
#include <linux/slab.h>

#include "device.h"
#include "entry.h"
#include "freelist.h"
#include "grow.h"
#include "index.h"
#include "loan.h"
#include "orphan.h"
#include "pool.h"
#include "registry.h"
#include "writeback.h"

static struct vmdemo_device *vmdemo_sysfs_device(struct device *dev)
{
	return container_of(dev, struct vmdemo_device, dev);
}

static struct vmdemo_pool *vmdemo_sysfs_pool(struct device *dev)
{
	return vmdemo_sysfs_device(dev)->pool;
}

/* ---- what changes the device ---- */

static ssize_t vmdemo_sysfs_show_path(struct device *dev, const struct vmdemo_backing *backing,
				      char *buf)
{
	struct vmdemo_device *device = vmdemo_sysfs_device(dev);
	ssize_t len;

	len = mutex_lock_killable(&device->lock);
	if (len)
		return len;
	len = sysfs_emit(buf, "%s\n", backing->path ?: "none");
	mutex_unlock(&device->lock);
	return len;
}

static ssize_t vmdemo_sysfs_store_path(struct device *dev, const char *buf, size_t count,
				       int (*bind)(struct vmdemo_device *device, const char *path),
				       int (*unbind)(struct vmdemo_device *device))
{
	struct vmdemo_device *device = vmdemo_sysfs_device(dev);
	char *copy, *path;
	int err;

	copy = kstrndup(buf, count, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	path = strim(copy);
	if (!*path || !strcmp(path, "none"))
		err = unbind(device);
	else
		err = bind(device, path);
	kfree(copy);
	return err ?: count;
}

static ssize_t backing_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return vmdemo_sysfs_show_path(dev, &vmdemo_sysfs_device(dev)->backing, buf);
}

static int vmdemo_sysfs_bind(struct vmdemo_device *device, const char *path)
{
	if (!strcmp(path, "abandon"))
		return vmdemo_device_abandon(device);
	return vmdemo_device_bind(device, path);
}

static ssize_t backing_store(struct device *dev, struct device_attribute *attr, const char *buf,
			     size_t count)
{
	return vmdemo_sysfs_store_path(dev, buf, count, vmdemo_sysfs_bind, vmdemo_device_unbind);
}
static DEVICE_ATTR_RW(backing);

static ssize_t swap_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return vmdemo_sysfs_show_path(dev, &vmdemo_sysfs_device(dev)->swap.backing, buf);
}

static ssize_t swap_store(struct device *dev, struct device_attribute *attr, const char *buf,
			  size_t count)
{
	return vmdemo_sysfs_store_path(dev, buf, count, vmdemo_device_bind_swap,
				       vmdemo_device_unbind_swap);
}
static DEVICE_ATTR_RW(swap);

static ssize_t swap_discard_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(vmdemo_sysfs_device(dev)->swap.discard));
}

static ssize_t swap_discard_store(struct device *dev, struct device_attribute *attr,
				  const char *buf, size_t count)
{
	unsigned int on;
	int err = kstrtouint(buf, 0, &on);

	if (!err && on > 1)
		err = -EINVAL;
	if (!err)
		err = vmdemo_device_set_discard(vmdemo_sysfs_device(dev), on);
	return err ?: count;
}
static DEVICE_ATTR_RW(swap_discard);

static ssize_t frames_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(vmdemo_sysfs_pool(dev)->target));
}

static ssize_t frames_store(struct device *dev, struct device_attribute *attr, const char *buf,
			    size_t count)
{
	unsigned int frames;
	int err;

	err = kstrtouint(buf, 0, &frames);
	if (!err)
		err = vmdemo_device_resize(vmdemo_sysfs_device(dev), frames);
	return err ?: count;
}
static DEVICE_ATTR_RW(frames);

static ssize_t policy_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return vmdemo_registry_show(vmdemo_sysfs_pool(dev), buf);
}

static ssize_t policy_store(struct device *dev, struct device_attribute *attr, const char *buf,
			    size_t count)
{
	return vmdemo_registry_set(vmdemo_sysfs_pool(dev), buf) ?: count;
}
static DEVICE_ATTR_RW(policy);

static ssize_t reserve_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", vmdemo_free_reserve(vmdemo_sysfs_pool(dev)));
}

static ssize_t reserve_store(struct device *dev, struct device_attribute *attr, const char *buf,
			     size_t count)
{
	struct vmdemo_pool *pool = vmdemo_sysfs_pool(dev);
	unsigned int reserve = VMDEMO_NONE;
	int err;

	if (!sysfs_streq(buf, "auto")) {
		err = kstrtouint(buf, 0, &reserve);
		if (err)
			return err;
		if (reserve >= READ_ONCE(pool->target) / 2)
			return -EINVAL;
	}
	vmdemo_pool_set_reserve(pool, reserve);
	wake_up(&pool->reclaim_wait);
	return count;
}
static DEVICE_ATTR_RW(reserve);

static ssize_t lend_pages_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", vmdemo_orphan_most_lent(vmdemo_sysfs_pool(dev)));
}

static ssize_t lend_pages_store(struct device *dev, struct device_attribute *attr,
				const char *buf, size_t count)
{
	struct vmdemo_pool *pool = vmdemo_sysfs_pool(dev);
	unsigned int pages;
	int err;

	if (sysfs_streq(buf, "auto")) {
		WRITE_ONCE(pool->set.lend_pages, VMDEMO_NONE);
		return count;
	}
	err = kstrtouint(buf, 0, &pages);
	if (err)
		return err;
	if (pages > pool->max_frames)
		return -EINVAL;
	WRITE_ONCE(pool->set.lend_pages, pages);
	return count;
}
static DEVICE_ATTR_RW(lend_pages);

/* ---- plain numbers ---- */

/* Show @field of the pool; store it if it is within @low..@high. */
#define VMDEMO_SETTING(name, field, low, high)							\
static ssize_t name##_show(struct device *dev, struct device_attribute *attr, char *buf)	\
{												\
	return sysfs_emit(buf, "%u\n", READ_ONCE(vmdemo_sysfs_pool(dev)->field));		\
}												\
												\
static ssize_t name##_store(struct device *dev, struct device_attribute *attr,			\
			    const char *buf, size_t count)					\
{												\
	unsigned int value;									\
	int err = kstrtouint(buf, 0, &value);							\
												\
	if (err)										\
		return err;									\
	if (value < (low) || value > (high))							\
		return -EINVAL;									\
	WRITE_ONCE(vmdemo_sysfs_pool(dev)->field, value);					\
	return count;										\
}												\
static DEVICE_ATTR_RW(name)

VMDEMO_SETTING(standby_pct, policy.standby_pct, 0U, 90U);
VMDEMO_SETTING(demote_pages, policy.demote_pages, 1U, 4096U);
VMDEMO_SETTING(read_ahead_pages, set.read_ahead_pages, 0U, 512U);
VMDEMO_SETTING(space_max_pages, set.space_max_pages, 0U, (unsigned int)INT_MAX);
VMDEMO_SETTING(user_max_pages, set.user_max_pages, 0U, (unsigned int)INT_MAX);
VMDEMO_SETTING(spaces_per_user, set.spaces_per_user, 0U, 4096U);

static ssize_t dirty_pct_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(vmdemo_sysfs_pool(dev)->set.dirty_pct));
}

static ssize_t dirty_pct_store(struct device *dev, struct device_attribute *attr,
			       const char *buf, size_t count)
{
	unsigned int pct;
	int err = kstrtouint(buf, 0, &pct);

	if (err)
		return err;
	if (pct < 1 || pct > 100)
		return -EINVAL;
	vmdemo_pool_set_dirty_pct(vmdemo_sysfs_pool(dev), pct);
	return count;
}
static DEVICE_ATTR_RW(dirty_pct);

static ssize_t dirty_age_ms_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(vmdemo_sysfs_pool(dev)->set.dirty_age_ms));
}

static ssize_t dirty_age_ms_store(struct device *dev, struct device_attribute *attr,
				  const char *buf, size_t count)
{
	unsigned int ms;
	int err = kstrtouint(buf, 0, &ms);

	if (err)
		return err;
	if (ms > 3600000)
		return -EINVAL;
	vmdemo_writeback_set_age(vmdemo_sysfs_pool(dev), ms);
	return count;
}
static DEVICE_ATTR_RW(dirty_age_ms);

static ssize_t size_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vmdemo_device *device = vmdemo_sysfs_device(dev);

	/* It may have grown. Does not wait for a task that binds it or lets go of it. */
	if (mutex_trylock(&device->lock)) {
		vmdemo_grow_look(&device->space, false);
		mutex_unlock(&device->lock);
	}
	return sysfs_emit(buf, "%llu\n", READ_ONCE(device->space.size_bytes));
}
static DEVICE_ATTR_RO(size_bytes);

static ssize_t swap_slots_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	u64 slots = vmdemo_sysfs_device(dev)->swap.nr_slots;

	return sysfs_emit(buf, "%llu\n", slots ? slots - 1 : 0);
}
static DEVICE_ATTR_RO(swap_slots);

static ssize_t swap_free_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lld\n",
			  atomic64_read(&vmdemo_sysfs_device(dev)->swap.nr_free));
}
static DEVICE_ATTR_RO(swap_free);

static ssize_t frames_actual_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(vmdemo_sysfs_pool(dev)->nr_frames));
}
static DEVICE_ATTR_RO(frames_actual);

static ssize_t frame_bytes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", PAGE_SIZE);
}
static DEVICE_ATTR_RO(frame_bytes);

static struct attribute *vmdemo_attrs[] = {
	&dev_attr_backing.attr,
	&dev_attr_swap.attr,
	&dev_attr_swap_discard.attr,
	&dev_attr_frames.attr,
	&dev_attr_reserve.attr,
	&dev_attr_policy.attr,
	&dev_attr_standby_pct.attr,
	&dev_attr_demote_pages.attr,
	&dev_attr_read_ahead_pages.attr,
	&dev_attr_dirty_pct.attr,
	&dev_attr_dirty_age_ms.attr,
	&dev_attr_space_max_pages.attr,
	&dev_attr_user_max_pages.attr,
	&dev_attr_spaces_per_user.attr,
	&dev_attr_lend_pages.attr,
	&dev_attr_size_bytes.attr,
	&dev_attr_swap_slots.attr,
	&dev_attr_frames_actual.attr,
	&dev_attr_frame_bytes.attr,
	NULL
};

static const struct attribute_group vmdemo_group = {
	.attrs = vmdemo_attrs,
};

/* ---- stats/ ---- */

#define VMDEMO_COUNTER_ATTR(name)								\
static ssize_t name##_show(struct device *dev, struct device_attribute *attr, char *buf)	\
{												\
	return sysfs_emit(buf, "%llu\n",							\
			  vmdemo_stats_sum(vmdemo_sysfs_pool(dev)->stats, VMDEMO_##name));	\
}												\
static DEVICE_ATTR_RO(name);

VMDEMO_COUNTERS(VMDEMO_COUNTER_ATTR)

/* Counted by looking at each frame: no fault pays for it. */
static u32 vmdemo_sysfs_pinned(struct vmdemo_pool *pool)
{
	u32 nr, pinned = 0;

	for (nr = 0; nr < vmdemo_pool_top(pool); nr++) {
		pinned += vmdemo_index_pinned(pool, nr);
		cond_resched();
	}
	return pinned;
}

/* Show @value, computed from @pool. */
#define VMDEMO_GAUGE(name, value)								\
static ssize_t name##_show(struct device *dev, struct device_attribute *attr, char *buf)	\
{												\
	struct vmdemo_pool *pool = vmdemo_sysfs_pool(dev);					\
												\
	return sysfs_emit(buf, "%u\n", value);							\
}												\
static DEVICE_ATTR_RO(name)

VMDEMO_GAUGE(frames_free, READ_ONCE(pool->nr_free));
VMDEMO_GAUGE(frames_active, READ_ONCE(pool->policy.lists[VMDEMO_LIST_FIRST].nr) +
	     READ_ONCE(pool->policy.lists[VMDEMO_LIST_ACTIVE].nr) +
	     READ_ONCE(pool->policy.lists[VMDEMO_LIST_UNMAPPING].nr) +
	     READ_ONCE(pool->policy.lists[VMDEMO_LIST_HELD].nr));
VMDEMO_GAUGE(frames_standby, READ_ONCE(pool->policy.lists[VMDEMO_LIST_STANDBY].nr));
VMDEMO_GAUGE(frames_held, READ_ONCE(pool->policy.lists[VMDEMO_LIST_HELD].nr));
VMDEMO_GAUGE(frames_dirty, atomic_read(&pool->nr_unwritten));
VMDEMO_GAUGE(frames_pinned, vmdemo_sysfs_pinned(pool));
VMDEMO_GAUGE(frames_lent, vmdemo_loan_nr(pool));
VMDEMO_GAUGE(pages_orphaned, READ_ONCE(pool->nr_orphans));

#define VMDEMO_COUNTER_ENTRY(name)	&dev_attr_##name.attr,
static struct attribute *vmdemo_stats_attrs[] = {
	&dev_attr_frames_free.attr,
	&dev_attr_frames_active.attr,
	&dev_attr_frames_standby.attr,
	&dev_attr_frames_held.attr,
	&dev_attr_frames_dirty.attr,
	&dev_attr_frames_pinned.attr,
	&dev_attr_frames_lent.attr,
	&dev_attr_pages_orphaned.attr,
	&dev_attr_swap_free.attr,
	VMDEMO_COUNTERS(VMDEMO_COUNTER_ENTRY)
	NULL
};

static const struct attribute_group vmdemo_stats_group = {
	.name = "stats",
	.attrs = vmdemo_stats_attrs,
};

const struct attribute_group *vmdemo_sysfs_groups[] = {
	&vmdemo_group,
	&vmdemo_stats_group,
	NULL
};
