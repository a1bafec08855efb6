// SPDX-License-Identifier: GPL-2.0
/*
 * spacefile.c - sparse spaces, and their files
 *
 * A sparse space is a regular file: without a name, as a memfd is, or with names, in a file system
 * of mount.c; what users know of such files works here. It lives as long as its inode, which
 * descriptors and mappings keep, and names. The inodes of those without a name are on a pseudo file
 * system that is mounted while there are any, and that keeps the module loaded.
 */
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <vmdemo.h>

#include "device.h"
#include "entry.h"
#include "job.h"
#include "range.h"
#include "segment.h"
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

/* ---- files ---- */

static int vmdemo_spacefile_attach(struct file *file, struct vmdemo_sparse *sparse)
{
	struct vmdemo_file *vf = kzalloc(sizeof(*vf), GFP_KERNEL_ACCOUNT);

	if (!vf)
		return -ENOMEM;
	vf->device = sparse->device;
	vf->space = &sparse->space;
	vmdemo_readahead_init(&vf->streams);
	file->private_data = vf;
	return 0;
}

/* By its name, or again, by /proc/self/fd. */
static int vmdemo_spacefile_open(struct inode *inode, struct file *file)
{
	int err = file->f_flags & O_DIRECT ? -EINVAL : generic_file_open(inode, file);

	return err ?: vmdemo_spacefile_attach(file, vmdemo_sparse(inode));
}

static int vmdemo_spacefile_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static ssize_t vmdemo_spacefile_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	ssize_t done = vmdemo_rw_read_iter(iocb, to);

	if (done >= 0)
		file_accessed(iocb->ki_filp);
	return done;
}

static int vmdemo_spacefile_mmap(struct file *file, struct vm_area_struct *vma)
{
	file_accessed(file);
	return vmdemo_vm_mmap(file, vma);
}

/* The end of what is not just zeros from page @index on; -EINTR when killed. */
static loff_t vmdemo_spacefile_hole(struct vmdemo_space *space, pgoff_t index, pgoff_t nr_pages)
{
	u32 run;

	for (; index < nr_pages; index += run) {
		run = vmdemo_space_data_run(space, index, min_t(pgoff_t, nr_pages - index, 1024),
					    false);
		if (!run)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return (loff_t)index << PAGE_SHIFT;
}

static loff_t vmdemo_spacefile_llseek(struct file *file, loff_t offset, int whence)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space *space = vf->space;
	pgoff_t index, nr_pages;
	loff_t found, size;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek_size(file, offset, whence, VMDEMO_SPACE_MAX,
						READ_ONCE(space->size_bytes));
	found = vmdemo_space_lock_inode(space);
	if (found)
		return found;
	size = space->size_bytes;
	nr_pages = space->nr_pages;
	index = offset >> PAGE_SHIFT;
	if (offset < 0 || offset >= size) {
		found = -ENXIO;
	} else if (whence == SEEK_HOLE) {
		found = vmdemo_spacefile_hole(space, index, nr_pages);
	} else {
		index = vmdemo_swap_next_data(space, index, nr_pages - 1);
		found = index < nr_pages ? (loff_t)index << PAGE_SHIFT : -ENXIO;
	}
	inode_unlock(space->inode);
	if (found < 0)
		return found;
	return vfs_setpos(file, clamp(found, offset, size), VMDEMO_SPACE_MAX);
}

/* Bytes @from..@to-1 become zeros: whole pages go, parts are zeroed. The inode is locked. */
static int vmdemo_spacefile_punch(struct file *file, struct vmdemo_space *space, u64 from, u64 to)
{
	u64 first = round_up(from, PAGE_SIZE), end = round_down(to, PAGE_SIZE);
	int err;

	/* All in one page. */
	if (first > end)
		return vmdemo_range_zero_part(space, from, to - from);
	err = vmdemo_range_zero_part(space, from, first - from);
	if (!err && first < end)
		err = vmdemo_range_discard(file, space, first >> PAGE_SHIFT,
					   (end >> PAGE_SHIFT) - 1);
	return err ?: vmdemo_range_zero_part(space, end, to - end);
}

/* Slots for bytes @from..@to-1, and the size that goes with them. The inode is locked. */
static int vmdemo_spacefile_reserve(struct file *file, int mode, u64 from, u64 to)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space *space = vf->space;
	bool longer = !(mode & FALLOC_FL_KEEP_SIZE) && to > space->size_bytes;
	u64 end = min(to, round_up(space->size_bytes, PAGE_SIZE));
	int err = 0;

	if (longer)
		err = vmdemo_range_zero_tail(space, space->size_bytes);
	if (!err && (mode & FALLOC_FL_ZERO_RANGE) && from < end)
		err = vmdemo_spacefile_punch(file, space, from, end);
	if (!err)
		err = vmdemo_swap_reserve_range(space, from >> PAGE_SHIFT, (to - 1) >> PAGE_SHIFT);
	if (!err && longer)
		vmdemo_space_set_size(space, to);
	return err;
}

/* May it be done? The inode is locked. */
static int vmdemo_spacefile_check(struct vmdemo_space *space, int mode, u64 from, u64 to)
{
	u64 end = min(to, round_up(space->size_bytes, PAGE_SIZE));

	if (mode & FALLOC_FL_PUNCH_HOLE) {
		/* Where there is an origin, zeros would replace its contents. */
		return from < end && vmdemo_segment_origins(space, from >> PAGE_SHIFT,
							    (end - 1) >> PAGE_SHIFT) ?
		       -EOPNOTSUPP : 0;
	}
	/* The table says where its pages are. */
	if (space->segments)
		return -EOPNOTSUPP;
	if (to > VMDEMO_SPACE_MAX)
		return -EFBIG;
	if ((mode & FALLOC_FL_KEEP_SIZE) || to <= space->size_bytes)
		return 0;
	return inode_newsize_ok(space->inode, to);
}

static long vmdemo_spacefile_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space *space = vf->space;
	u64 end = offset + len;
	int err;

	if (mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) &&
	    (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE)))
		return -EOPNOTSUPP;
	err = vmdemo_space_lock_inode(space);
	if (err)
		return err;
	err = vmdemo_spacefile_check(space, mode, offset, end) ?: file_modified(file);
	if (err)
		goto out;
	if (!(mode & FALLOC_FL_PUNCH_HOLE))
		err = vmdemo_spacefile_reserve(file, mode, offset, end);
	else if (offset < round_up(space->size_bytes, PAGE_SIZE))
		err = vmdemo_spacefile_punch(file, space, offset,
					     min(end, round_up(space->size_bytes, PAGE_SIZE)));
out:
	inode_unlock(space->inode);
	return err;
}

/* Anonymous memory: there is nothing to make durable. */
static int vmdemo_spacefile_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	return 0;
}

static const struct file_operations vmdemo_spacefile_fops = {
	.owner		= THIS_MODULE,
	.open		= vmdemo_spacefile_open,
	.release	= vmdemo_spacefile_release,
	.llseek		= vmdemo_spacefile_llseek,
	.read_iter	= vmdemo_spacefile_read_iter,
	.write_iter	= vmdemo_rw_write_sparse,
	.splice_read	= copy_splice_read,
	.splice_write	= iter_file_splice_write,
	.mmap		= vmdemo_spacefile_mmap,
	.fsync		= vmdemo_spacefile_fsync,
	.fallocate	= vmdemo_spacefile_fallocate,
	.fadvise	= vmdemo_fadvise,
	.show_fdinfo	= vmdemo_show_fdinfo,
	.unlocked_ioctl	= vmdemo_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/* ---- inodes ---- */

/* The inode is locked. Accesses to what is cut off get SIGBUS from now on. */
static int vmdemo_spacefile_truncate(struct vmdemo_space *space, u64 size)
{
	u64 old = space->size_bytes;
	int err;

	if (size > VMDEMO_SPACE_MAX)
		return -EFBIG;
	if (space->segments)
		return -EPERM;
	/* First what may fail. */
	err = vmdemo_range_zero_tail(space, min(size, old));
	if (err)
		return err;
	if (size < old)
		vmdemo_range_truncate(space, size);
	else
		vmdemo_space_set_size(space, size);
	return 0;
}

static int vmdemo_spacefile_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
				    struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct vmdemo_space *space = inode->i_private;
	u64 old = READ_ONCE(space->size_bytes);
	int err;

	err = setattr_prepare(idmap, dentry, attr);
	if (!err && (attr->ia_valid & ATTR_SIZE))
		err = vmdemo_spacefile_truncate(space, attr->ia_size);
	/* truncate(2) asks for that only if the size changes, others always. */
	if (!err && space->size_bytes != old)
		attr->ia_valid |= ATTR_MTIME | ATTR_CTIME;
	if (!err) {
		setattr_copy(idmap, inode, attr);
		/* The next store changes what utimes(2) has set. */
		WRITE_ONCE(space->stamped_at, jiffies - 1);
	}
	return err;
}

static int vmdemo_spacefile_getattr(struct mnt_idmap *idmap, const struct path *path,
				    struct kstat *stat, u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct vmdemo_space *space = inode->i_private;

	generic_fillattr(idmap, mask, inode, stat);
	stat->blocks = (u64)atomic64_read(&space->nr_written) << (PAGE_SHIFT - SECTOR_SHIFT);
	return 0;
}

static const struct inode_operations vmdemo_spacefile_iops = {
	.setattr	= vmdemo_spacefile_setattr,
	.getattr	= vmdemo_spacefile_getattr,
};

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
 * vmdemo_spacefile_evict_inode - the end of an inode, and of the space it may have
 * @inode: nobody has it any more
 *
 * Waits for the disks that pages of the space are on their way to or from. Sleeps.
 */
void vmdemo_spacefile_evict_inode(struct inode *inode)
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
	vmdemo_device_closed(closing->device, sb, closing->mounted);
	return 0;
}

static void vmdemo_closing_drop(struct vmdemo_job *job)
{
	kfree(container_of(job, struct vmdemo_closing, job));
}

/**
 * vmdemo_spacefile_replaced - another file gets the last name that a space had
 * @inode: its inode, locked, of which the caller has a reference
 *
 * The last one lets go of it with directories locked, unless somebody has it open.
 */
void vmdemo_spacefile_replaced(struct inode *inode)
{
	WRITE_ONCE(vmdemo_sparse(inode)->replaced, true);
}

/**
 * vmdemo_spacefile_iput - the last one lets go of a space
 * @dentry: what it was opened by
 * @inode:  its inode, of which the caller's reference is used up
 *
 * Sleeps, killably, until the space has gone; if it was replaced, for a second at most.
 */
void vmdemo_spacefile_iput(struct dentry *dentry, struct inode *inode)
{
	struct vmdemo_closing *closing = kmalloc(sizeof(*closing), GFP_KERNEL | __GFP_NOFAIL);
	struct vmdemo_sparse *sparse = vmdemo_sparse(inode);
	bool replaced = READ_ONCE(sparse->replaced);

	closing->device = sparse->device;
	closing->mounted = sparse->mounted;
	closing->inode = inode;
	/* The file has it mounted yet, and is about to let go. */
	vmdemo_device_closing(closing->device, inode->i_sb, closing->mounted);
	closing->job.run = vmdemo_closing_run;
	closing->job.drop = vmdemo_closing_drop;
	vmdemo_job_start(&closing->job);
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
	.d_iput		= vmdemo_spacefile_iput,
	.d_dname	= vmdemo_sparse_dname,
};

static const struct super_operations vmdemo_sparse_sops = {
	.statfs		= simple_statfs,
	.drop_inode	= inode_just_drop,
	.evict_inode	= vmdemo_spacefile_evict_inode,
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
 * vmdemo_spacefile_init_inode - a new inode becomes that of an empty sparse space
 * @inode:   a regular file
 * @device:  where its frames and slots come from
 * @mounted: the file system that it belongs to
 *
 * The space is the caller's (user.c). vmdemo_spacefile_evict_inode() ends it. May sleep. Returns 0,
 * -ENOMEM, or -ENOSPC if there are too many.
 */
int vmdemo_spacefile_init_inode(struct inode *inode, struct vmdemo_device *device,
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
	err = vmdemo_spacefile_attach(file, sparse);
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
 * vmdemo_spacefile_create - VMDEMO_IOC_SPACE
 * @file: open device
 * @arg:  address of a struct vmdemo_space_args
 *
 * May sleep. Returns a descriptor, or a negative error; see ../uapi/vmdemo.h.
 */
long vmdemo_spacefile_create(struct file *file, void __user *arg)
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
