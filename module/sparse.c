// SPDX-License-Identifier: GPL-2.0
/*
 * sparse.c - sparse spaces come and go
 *
 * A sparse space is that of a regular file (spacefile.c): without a name, as a memfd is, or with
 * names, in a file system of mount.c. It lives as long as its inode, which descriptors and mappings
 * keep, and names. The inodes of those without a name are on a pseudo file system that is mounted
 * while there are any, and that keeps the module loaded.
 */
#include <linux/file.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>
#include <vmdemo.h>

#include "device.h"
#include "entry.h"
#include "job.h"
#include "range.h"
#include "segment.h"
#include "sparse.h"
#include "spacefile.h"
#include "swap.h"
#include "user.h"

#define VMDEMO_SPACE_MAGIC	0x766d7370

/*
 * Spaces are numbered from 1: number 0 is the linear one. Each without a name has a mount of its
 * own, which takes one of the machine's numbers for such things: a million, for all. Files of a
 * mount have the numbers above, of which the last belongs to VMDEMO_NO_KEY.
 */
#define VMDEMO_SPACE_IDS	4096
#define VMDEMO_SPACE_LAST_ID	((1U << (64 - VMDEMO_INDEX_BITS)) - 2)

struct vmdemo_sparse {
	struct vmdemo_space space;
	struct vmdemo_device *device;
	struct vmdemo_mounted *mounted;	/* NULL: a space without a name */
	bool replaced;		/* the last to let go of it may keep others from their files */
};

static struct vmdemo_sparse *vmdemo_sparse(struct inode *inode)
{
	return container_of((struct vmdemo_space *)inode->i_private, struct vmdemo_sparse, space);
}

/* ---- the end ---- */

/*
 * Nobody has the space any more: its pages leave their frames. What is in a frame was written, or
 * filled with zeros, or comes from the device. If there is none they need not all be looked at,
 * which would take long for a process that leaves thousands of spaces.
 */
static void vmdemo_sparse_empty(struct vmdemo_space *space)
{
	unsigned long dropped = 0;

	if (space->nr_pages &&
	    (space->zeroed || space->segments || atomic64_read(&space->nr_written)))
		vmdemo_range_drop(space, 0, space->nr_pages - 1, VMDEMO_DROP_DETACH, &dropped);
	vmdemo_swap_free(space, 0, (VMDEMO_SPACE_MAX >> PAGE_SHIFT) - 1);
}

/* A space without pages, and its segments. */
static void vmdemo_sparse_free(struct vmdemo_sparse *sparse)
{
	struct vmdemo_device *device = sparse->device;
	bool named = sparse->mounted;

	xa_destroy(&sparse->space.slots);
	vmdemo_segments_free(sparse->space.segments);
	ida_free(&device->spaces, sparse->space.key >> VMDEMO_INDEX_BITS);
	vmdemo_user_put(&device->users, sparse->space.user, named);
	/* The mount has it open for all its files. */
	if (!named)
		vmdemo_device_release(device);
	kfree(sparse);
}

/**
 * vmdemo_sparse_evict_inode - the end of an inode, and of the space it may have
 * @inode: nobody has it any more
 *
 * Waits for the disks that pages of the space are on their way to or from. Sleeps.
 */
void vmdemo_sparse_evict_inode(struct inode *inode)
{
	if (inode->i_private) {
		vmdemo_sparse_empty(inode->i_private);
		vmdemo_sparse_free(vmdemo_sparse(inode));
		inode->i_private = NULL;
	}
	truncate_inode_pages_final(inode->i_mapping);
	clear_inode(inode);
}

/*
 * Nobody has the space any more. Its pages may be on their way to or from a disk, and the inode
 * stays until they have arrived; the process that closed it can be killed meanwhile.
 */
struct vmdemo_closing {
	struct vmdemo_job job;
	struct vmdemo_device *device;
	struct vmdemo_mounted *mounted;
	struct inode *inode;
};

static int vmdemo_closing_run(struct vmdemo_job *job)
{
	struct vmdemo_closing *closing = container_of(job, struct vmdemo_closing, job);
	struct super_block *sb = closing->inode->i_sb;

	iput(closing->inode);
	vmdemo_closings_end(&closing->device->closings, sb, closing->mounted);
	put_device(&closing->device->dev);
	return 0;
}

static void vmdemo_closing_drop(struct vmdemo_job *job)
{
	kfree(container_of(job, struct vmdemo_closing, job));
}

/**
 * vmdemo_sparse_replaced - another file gets the last name that a space had
 * @inode: its inode, locked, of which the caller has a reference
 *
 * The last one lets go of it with directories locked, unless somebody has it open.
 */
void vmdemo_sparse_replaced(struct inode *inode)
{
	WRITE_ONCE(vmdemo_sparse(inode)->replaced, true);
}

/**
 * vmdemo_sparse_iput - the last one lets go of a space
 * @dentry: what it was opened by
 * @inode:  its inode, of which the caller's reference is used up
 *
 * Sleeps, killably, until the space has gone; if it was replaced, for a second at most.
 */
void vmdemo_sparse_iput(struct dentry *dentry, struct inode *inode)
{
	struct vmdemo_closing *closing = kmalloc(sizeof(*closing), GFP_KERNEL | __GFP_NOFAIL);
	struct vmdemo_sparse *sparse = vmdemo_sparse(inode);
	bool replaced = READ_ONCE(sparse->replaced);

	closing->device = sparse->device;
	closing->mounted = sparse->mounted;
	closing->inode = inode;
	get_device(&closing->device->dev);
	/* The file has it mounted yet, and is about to let go. */
	vmdemo_closings_start(&closing->device->closings, inode->i_sb, closing->mounted);
	closing->job.run = vmdemo_closing_run;
	closing->job.drop = vmdemo_closing_drop;
	vmdemo_job_start(&closing->device->pool->jobs, &closing->job);
	closing->job.brief = replaced;
	if (vmdemo_job_wait(&closing->job))
		kfree(closing);
}

/* What such a file is called without operations of its own. */
static char *vmdemo_sparse_dname(struct dentry *dentry, char *buffer, int bytes)
{
	static const char name[] = "/vmdemo_space (deleted)";

	if (bytes < sizeof(name))
		return ERR_PTR(-ENAMETOOLONG);
	return memcpy(buffer + bytes - sizeof(name), name, sizeof(name));
}

static const struct dentry_operations vmdemo_sparse_dops = {
	.d_iput		= vmdemo_sparse_iput,
	.d_dname	= vmdemo_sparse_dname,
};

static const struct super_operations vmdemo_sparse_sops = {
	.statfs		= simple_statfs,
	.drop_inode	= inode_just_drop,
	.evict_inode	= vmdemo_sparse_evict_inode,
};

static int vmdemo_sparse_init_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, VMDEMO_SPACE_MAGIC);

	if (!ctx)
		return -ENOMEM;
	/* A space may hold code, but unnamed files are not executable by default. */
	fc->s_iflags &= ~SB_I_NOEXEC;
	ctx->ops = &vmdemo_sparse_sops;
	ctx->dops = &vmdemo_sparse_dops;
	return 0;
}

static struct file_system_type vmdemo_sparse_fs = {
	.owner			= THIS_MODULE,
	.name			= "vmdemo_space",
	.init_fs_context	= vmdemo_sparse_init_context,
	.kill_sb		= kill_anon_super,
};

/* ---- making one ---- */

static void vmdemo_sparse_set_inode(struct vmdemo_sparse *sparse, struct inode *inode)
{
	inode->i_op = &vmdemo_spacefile_iops;
	inode->i_fop = &vmdemo_spacefile_fops;
	vmdemo_space_set_inode(&sparse->space, inode);
}

static struct inode *vmdemo_sparse_inode(struct vfsmount *mount, struct vmdemo_sparse *sparse)
{
	struct inode *inode = new_inode(mount->mnt_sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode->i_mode = S_IFREG | 0600;
	inode->i_uid = current_fsuid();
	inode->i_gid = current_fsgid();
	simple_inode_init_ts(inode);
	vmdemo_sparse_set_inode(sparse, inode);
	return inode;
}

/*
 * A space without pages; it is its user's, and has a number. With @mounted it is a file there;
 * otherwise it counts as an open of the device.
 */
static struct vmdemo_sparse *vmdemo_sparse_new(struct vmdemo_device *device, u64 max_pages,
					       struct vmdemo_segments *segments,
					       struct vmdemo_mounted *mounted)
{
	struct vmdemo_sparse *sparse = kzalloc(sizeof(*sparse), GFP_KERNEL_ACCOUNT);
	u32 first = mounted ? VMDEMO_SPACE_IDS + 1 : 1;
	u32 last = mounted ? VMDEMO_SPACE_LAST_ID : VMDEMO_SPACE_IDS;
	struct vmdemo_space *space = &sparse->space;
	int id, err;

	if (!sparse)
		return ERR_PTR(-ENOMEM);
	sparse->device = device;
	sparse->mounted = mounted;
	space->linear = &device->space;
	space->segments = segments;
	space->room = mounted ? &mounted->room : NULL;
	space->pool = device->pool;
	space->swap = &device->swap;
	space->backing = &device->swap.backing;
	space->most_written = min(max_pages ?: U64_MAX,
				  READ_ONCE(device->pool->set.space_max_pages) ?: U64_MAX);
	xa_init_flags(&space->slots, XA_FLAGS_ACCOUNT);
	space->user = vmdemo_user_get(&device->users, mounted,
				      READ_ONCE(device->pool->set.spaces_per_user));
	if (IS_ERR(space->user)) {
		err = PTR_ERR(space->user);
		goto err_sparse;
	}
	id = ida_alloc_range(&device->spaces, first, last, GFP_KERNEL);
	if (id < 0) {
		err = id;
		goto err_user;
	}
	space->key = (u64)id << VMDEMO_INDEX_BITS;
	err = mounted ? 0 : vmdemo_device_open(device);
	if (!err)
		return sparse;
	ida_free(&device->spaces, id);
err_user:
	vmdemo_user_put(&device->users, space->user, mounted);
err_sparse:
	kfree(sparse);
	return ERR_PTR(err);
}

/**
 * vmdemo_sparse_init_inode - a new inode becomes that of an empty sparse space
 * @inode:   a regular file
 * @device:  where its frames and slots come from
 * @mounted: the file system that it belongs to
 *
 * The space is the caller's (user.c). vmdemo_sparse_evict_inode() ends it. May sleep. Returns 0,
 * -ENOMEM, or -ENOSPC if there are too many.
 */
int vmdemo_sparse_init_inode(struct inode *inode, struct vmdemo_device *device,
			     struct vmdemo_mounted *mounted)
{
	struct vmdemo_sparse *sparse = vmdemo_sparse_new(device, 0, NULL, mounted);

	if (IS_ERR(sparse))
		return PTR_ERR(sparse);
	vmdemo_sparse_set_inode(sparse, inode);
	return 0;
}

/* From the inode on, that owns the space, and the space its @segments. */
static struct file *vmdemo_sparse_file(struct vfsmount *mount, struct vmdemo_device *device,
				       const struct vmdemo_space_args *args,
				       struct vmdemo_segments *segments)
{
	struct vmdemo_sparse *sparse = vmdemo_sparse_new(device, args->max_pages, segments, NULL);
	struct inode *inode;
	struct file *file;
	int err;

	if (IS_ERR(sparse)) {
		vmdemo_segments_free(segments);
		return ERR_CAST(sparse);
	}
	inode = vmdemo_sparse_inode(mount, sparse);
	if (!inode) {
		vmdemo_sparse_free(sparse);
		return ERR_PTR(-ENOMEM);
	}
	vmdemo_space_set_size(&sparse->space, args->size);
	file = alloc_file_pseudo(inode, mount, "vmdemo_space", O_RDWR | O_LARGEFILE,
				 &vmdemo_spacefile_fops);
	if (IS_ERR(file)) {
		iput(inode);
		return file;
	}
	__module_get(THIS_MODULE);
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	err = vmdemo_spacefile_attach(file, &sparse->space);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	return file;
}

/* The segments to read at once; what does not fit is read when it is touched. */
static void vmdemo_sparse_load(struct vmdemo_space *space)
{
	struct vmdemo_segments *table = space->segments;
	u32 i;

	for (i = 0; table && i < table->nr; i++) {
		struct vmdemo_seg *seg = &table->seg[i];

		if (seg->about.loading == VMDEMO_LOAD_UPFRONT && seg->limit)
			vmdemo_range_prefetch(space, vmdemo_seg_start(seg, seg->limit),
					      vmdemo_seg_end(seg, seg->limit) - 1);
	}
}

/* The table that the user gives; NULL: none. */
static struct vmdemo_segments *vmdemo_sparse_segments(const struct vmdemo_space_args *args,
						      u64 origin_size)
{
	struct vmdemo_segments *table;
	struct vmdemo_segment *about;

	if (!args->nr_segments)
		return NULL;
	if (args->nr_segments > VMDEMO_SEGMENTS_MAX)
		return ERR_PTR(-EINVAL);
	about = memdup_user(u64_to_user_ptr(args->segments), args->nr_segments * sizeof(*about));
	if (IS_ERR(about))
		return ERR_CAST(about);
	table = vmdemo_segments_create(about, args->nr_segments, args->size, origin_size);
	kfree(about);
	return table;
}

/**
 * vmdemo_sparse_create - VMDEMO_IOC_SPACE
 * @file: open device
 * @arg:  address of a struct vmdemo_space_args
 *
 * May sleep. Returns a descriptor, or a negative error; see ../uapi/vmdemo.h.
 */
long vmdemo_sparse_create(struct file *file, void __user *arg)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space_args args;
	struct vmdemo_segments *segments;
	struct vfsmount *mount = NULL;
	struct file *made;
	int fd, pins = 0;
	int err;

	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (args.size > VMDEMO_SPACE_MAX || !IS_ALIGNED(args.size, PAGE_SIZE) ||
	    (args.flags & ~VMDEMO_SPACE_CLOEXEC))
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ) || !(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (!vf->device->swap.nr_slots)
		return -ENXIO;
	segments = vmdemo_sparse_segments(&args, vf->device->space.size_bytes);
	if (IS_ERR(segments))
		return PTR_ERR(segments);
	fd = get_unused_fd_flags(args.flags & VMDEMO_SPACE_CLOEXEC ? O_CLOEXEC : 0);
	if (fd < 0) {
		err = fd;
		goto err_segments;
	}
	/* A mount for each: the file keeps it, and with it the module. */
	err = simple_pin_fs(&vmdemo_sparse_fs, &mount, &pins);
	if (err) {
		put_unused_fd(fd);
		goto err_segments;
	}
	made = vmdemo_sparse_file(mount, vf->device, &args, segments);
	simple_release_fs(&mount, &pins);
	if (IS_ERR(made)) {
		put_unused_fd(fd);
		return PTR_ERR(made);
	}
	vmdemo_sparse_load(file_inode(made)->i_private);
	fd_install(fd, made);
	return fd;

err_segments:
	vmdemo_segments_free(segments);
	return err;
}
