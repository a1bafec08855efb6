// SPDX-License-Identifier: GPL-2.0
/*
 * mount.c - a file system of spaces
 *
 *   mount -t vmdemo -o device=vmdemo,size=64G none /mnt/big
 *
 * As in ramfs the names are nowhere but in the dentry cache, where the kernel's own functions for
 * such file systems keep them. A regular file is a sparse space (sparse.c) and lives as long as
 * its inode. Here are the tree, its limits, and the options of the mount.
 */
#include <linux/ctype.h>
#include <linux/dcache.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <vmdemo.h>

#include "device.h"
#include "entry.h"
#include "sparse.h"
#include "swap.h"

/* What is left of something that has no bound: more than there can be. */
#define VMDEMO_MOUNT_ALL	BIT_ULL(62)

/* As they are given; of these, size and nr_inodes can change while it is mounted. */
struct vmdemo_mount_options {
	unsigned int said;	/* which were given by words, a bit for each parameter */
	struct vmdemo_device *device;
	u64 pages;		/* of all files; 0: as many as the swap device has slots */
	u64 inodes;		/* the root is one; 0: any number */
	kuid_t uid;		/* of the root */
	kgid_t gid;
	umode_t mode;
};

/* A mounted file system. */
struct vmdemo_mount {
	struct vmdemo_mount_options set;	/* s_umount to change; pages and inodes: a hint */
	struct vmdemo_mounted mounted;		/* with the pages that may be written yet */
	atomic64_t inodes;			/* that may be made yet, and further names */
	atomic64_t last_ino;			/* the number given out last */
};

static struct vmdemo_device **vmdemo_mount_devices;
static unsigned int vmdemo_mount_nr_devices;

static struct vmdemo_mount *vmdemo_mount(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static u64 vmdemo_mount_most(u64 set)
{
	return set ?: VMDEMO_MOUNT_ALL;
}

/* ---- the tree ---- */

static const struct inode_operations vmdemo_mount_dir_iops;

/* An inode, as the mode says; a directory has its link to itself. */
static struct inode *vmdemo_mount_inode(struct super_block *sb, umode_t mode, dev_t dev)
{
	struct vmdemo_mount *mount = vmdemo_mount(sb);
	struct inode *inode;
	int err = 0;

	if (!vmdemo_swap_take_many(&mount->inodes, 1))
		return ERR_PTR(-ENOSPC);
	inode = new_inode(sb);
	if (!inode) {
		atomic64_inc(&mount->inodes);
		return ERR_PTR(-ENOMEM);
	}
	inode->i_ino = atomic64_inc_return(&mount->last_ino);
	inode->i_mode = mode;
	simple_inode_init_ts(inode);
	switch (mode & S_IFMT) {
	case S_IFREG:
		err = vmdemo_sparse_init_inode(inode, mount->set.device, &mount->mounted);
		break;
	case S_IFDIR:
		inode->i_op = &vmdemo_mount_dir_iops;
		inode->i_fop = &simple_dir_operations;
		inc_nlink(inode);
		break;
	case S_IFLNK:
		inode->i_op = &simple_symlink_inode_operations;
		break;
	default:
		init_special_inode(inode, mode, dev);
	}
	if (!err)
		return inode;
	/* Its end gives back what it has taken. */
	iput(inode);
	return ERR_PTR(err);
}

/* The same as @dir wants it, for @name in there; NULL: for none. A security module labels it. */
static struct inode *vmdemo_mount_new(struct mnt_idmap *idmap, struct inode *dir,
				      const struct qstr *name, umode_t mode, dev_t dev)
{
	struct inode *inode = vmdemo_mount_inode(dir->i_sb, mode, dev);
	int err;

	if (IS_ERR(inode))
		return inode;
	inode_init_owner(idmap, inode, dir, mode);
	err = security_inode_init_security(inode, dir, name, NULL, NULL);
	if (!err || err == -EOPNOTSUPP)
		return inode;
	iput(inode);
	return ERR_PTR(err);
}

/* The directory is locked. */
static void vmdemo_mount_add(struct inode *dir, struct dentry *dentry, struct inode *inode)
{
	d_make_persistent(dentry, inode);
	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
}

static int vmdemo_mount_mknod(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
			      umode_t mode, dev_t dev)
{
	struct inode *inode = vmdemo_mount_new(idmap, dir, &dentry->d_name, mode, dev);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	vmdemo_mount_add(dir, dentry, inode);
	return 0;
}

static int vmdemo_mount_create(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
			       VMDEMO_CREATE_MODE)
{
	return vmdemo_mount_mknod(idmap, dir, dentry, mode | S_IFREG, 0);
}

static vmdemo_mkdir_t vmdemo_mount_mkdir(struct mnt_idmap *idmap, struct inode *dir,
					 struct dentry *dentry, umode_t mode)
{
	int err = vmdemo_mount_mknod(idmap, dir, dentry, mode | S_IFDIR, 0);

	if (!err)
		inc_nlink(dir);
	return VMDEMO_MKDIR(err);
}

static int vmdemo_mount_symlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
				const char *target)
{
	struct inode *inode = vmdemo_mount_new(idmap, dir, &dentry->d_name, S_IFLNK | 0777, 0);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	inode->i_link = kstrdup(target, GFP_KERNEL_ACCOUNT);
	if (!inode->i_link) {
		iput(inode);
		return -ENOMEM;
	}
	inode->i_size = strlen(target);
	vmdemo_mount_add(dir, dentry, inode);
	return 0;
}

static int vmdemo_mount_tmpfile(struct mnt_idmap *idmap, struct inode *dir, struct file *file,
				umode_t mode)
{
	struct inode *inode = vmdemo_mount_new(idmap, dir, NULL, mode, 0);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	d_tmpfile(file, inode);
	return finish_open_simple(file, 0);
}

/*
 * A name is memory that stays, as an inode is: each beyond the first counts as one. That of a file
 * which had none, by O_TMPFILE, has been counted with it.
 */
static int vmdemo_mount_link(struct dentry *old, struct inode *dir, struct dentry *dentry)
{
	if (d_inode(old)->i_nlink &&
	    !vmdemo_swap_take_many(&vmdemo_mount(dir->i_sb)->inodes, 1))
		return -ENOSPC;
	return simple_link(old, dir, dentry);
}

/* Does the inode, which is locked, have a name that counts beside this one? */
static bool vmdemo_mount_linked(const struct inode *inode)
{
	return inode && !S_ISDIR(inode->i_mode) && inode->i_nlink > 1;
}

static int vmdemo_mount_unlink(struct inode *dir, struct dentry *dentry)
{
	if (vmdemo_mount_linked(d_inode(dentry)))
		atomic64_inc(&vmdemo_mount(dir->i_sb)->inodes);
	return simple_unlink(dir, dentry);
}

static int vmdemo_mount_rename(struct mnt_idmap *idmap, struct inode *old_dir,
			       struct dentry *old, struct inode *new_dir, struct dentry *new,
			       unsigned int flags)
{
	struct inode *target = flags & RENAME_EXCHANGE ? NULL : d_inode(new);
	bool linked = vmdemo_mount_linked(target);
	int err = simple_rename(idmap, old_dir, old, new_dir, new, flags);

	if (err || !target)
		return err;
	if (linked)
		atomic64_inc(&vmdemo_mount(new_dir->i_sb)->inodes);
	else if (target->i_private)
		vmdemo_sparse_replaced(target);
	return 0;
}

static const struct inode_operations vmdemo_mount_dir_iops = {
	.create		= vmdemo_mount_create,
	.lookup		= simple_lookup,
	.link		= vmdemo_mount_link,
	.unlink		= vmdemo_mount_unlink,
	.symlink	= vmdemo_mount_symlink,
	.mkdir		= vmdemo_mount_mkdir,
	.rmdir		= simple_rmdir,
	.mknod		= vmdemo_mount_mknod,
	.rename		= vmdemo_mount_rename,
	.tmpfile	= vmdemo_mount_tmpfile,
};

/* ---- the end of inodes ---- */

/* A process that closes a file as the last one, after it was unlinked, can be killed. */
static void vmdemo_mount_iput(struct dentry *dentry, struct inode *inode)
{
	if (inode->i_private && !inode->i_nlink && atomic_read(&inode->i_count) == 1)
		vmdemo_sparse_iput(dentry, inode);
	else
		iput(inode);
}

static const struct dentry_operations vmdemo_mount_dops = {
	.d_delete	= always_delete_dentry,
	.d_iput		= vmdemo_mount_iput,
};

static void vmdemo_mount_evict_inode(struct inode *inode)
{
	vmdemo_sparse_evict_inode(inode);
	atomic64_inc(&vmdemo_mount(inode->i_sb)->inodes);
}

/* After a grace period: paths are walked under RCU. */
static void vmdemo_mount_free_inode(struct inode *inode)
{
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	free_inode_nonrcu(inode);
}

/* ---- the file system ---- */

/*
 * What the files could have if all else left the swap device, and what they can have now. Others
 * may use it as well: files of another mount, and spaces without a name.
 */
static int vmdemo_mount_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct vmdemo_mount *mount = vmdemo_mount(dentry->d_sb);
	const struct vmdemo_swap *swap = &mount->set.device->swap;
	u64 pages = READ_ONCE(mount->set.pages), inodes = READ_ONCE(mount->set.inodes);
	s64 room = min(atomic64_read(&mount->mounted.room), atomic64_read(&swap->nr_free));

	buf->f_type = VMDEMO_FS_MAGIC;
	buf->f_bsize = PAGE_SIZE;
	buf->f_namelen = NAME_MAX;
	/* Slot 0 stands for none. */
	buf->f_blocks = min(pages ?: U64_MAX, swap->nr_slots - 1);
	buf->f_bfree = clamp_t(s64, room, 0, buf->f_blocks);
	buf->f_bavail = buf->f_bfree;
	if (inodes) {
		buf->f_files = inodes;
		buf->f_ffree = atomic64_read(&mount->inodes);
	}
	buf->f_fsid = u64_to_fsid(huge_encode_dev(dentry->d_sb->s_dev));
	return 0;
}

static u64 vmdemo_mount_default_inodes(void)
{
	/* As tmpfs: so many that they would take half of the memory if they were pages. */
	return totalram_pages() / 2;
}

static const struct vmdemo_mount_options vmdemo_mount_defaults = {
	.uid	= KUIDT_INIT(0),
	.gid	= KGIDT_INIT(0),
	.mode	= 0777 | S_ISVTX,
};

static int vmdemo_mount_show_options(struct seq_file *seq, struct dentry *root)
{
	const struct vmdemo_mount_options *set = &vmdemo_mount(root->d_sb)->set;

	seq_show_option(seq, "device", dev_name(&set->device->dev));
	if (set->pages)
		seq_printf(seq, ",size=%lluk", set->pages << (PAGE_SHIFT - 10));
	if (set->inodes != vmdemo_mount_default_inodes())
		seq_printf(seq, ",nr_inodes=%llu", set->inodes);
	if (set->mode != vmdemo_mount_defaults.mode)
		seq_printf(seq, ",mode=%03o", set->mode);
	if (!uid_eq(set->uid, GLOBAL_ROOT_UID))
		seq_printf(seq, ",uid=%u", from_kuid_munged(&init_user_ns, set->uid));
	if (!gid_eq(set->gid, GLOBAL_ROOT_GID))
		seq_printf(seq, ",gid=%u", from_kgid_munged(&init_user_ns, set->gid));
	return 0;
}

static const struct super_operations vmdemo_mount_sops = {
	.statfs		= vmdemo_mount_statfs,
	.show_options	= vmdemo_mount_show_options,
	.drop_inode	= inode_just_drop,
	.evict_inode	= vmdemo_mount_evict_inode,
	.free_inode	= vmdemo_mount_free_inode,
};

static int vmdemo_mount_fill(struct super_block *sb, struct fs_context *fc)
{
	const struct vmdemo_mount_options *set = fc->fs_private;
	struct vmdemo_mount *mount;
	struct inode *root;
	int err;

	mount = kzalloc(sizeof(*mount), GFP_KERNEL);
	if (!mount)
		return -ENOMEM;
	mount->set = *set;
	atomic64_set(&mount->mounted.room, vmdemo_mount_most(set->pages));
	atomic64_set(&mount->inodes, vmdemo_mount_most(set->inodes));
	mount->mounted.sb = sb;
	err = vmdemo_device_mount(set->device, &mount->mounted);
	if (err) {
		if (err == -ENXIO)
			errorfc(fc, "%s has no swap device: write a disk's path to attribute swap",
				dev_name(&set->device->dev));
		kfree(mount);
		return err;
	}
	/* From here on vmdemo_mount_kill() ends it. */
	sb->s_fs_info = mount;
	sb->s_magic = VMDEMO_FS_MAGIC;
	sb->s_op = &vmdemo_mount_sops;
	set_default_d_op(sb, &vmdemo_mount_dops);
	sb->s_maxbytes = VMDEMO_SPACE_MAX;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_time_gran = 1;
	root = vmdemo_mount_inode(sb, S_IFDIR | set->mode, 0);
	if (IS_ERR(root))
		return PTR_ERR(root);
	root->i_uid = set->uid;
	root->i_gid = set->gid;
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static void vmdemo_mount_kill(struct super_block *sb)
{
	struct vmdemo_mount *mount = vmdemo_mount(sb);

	vmdemo_kill_tree(sb);
	if (!mount)
		return;
	vmdemo_device_unmount(mount->set.device, &mount->mounted);
	kfree(mount);
}

/* ---- options ---- */

enum vmdemo_mount_param {
	VMDEMO_MOUNT_DEVICE,
	VMDEMO_MOUNT_SIZE,
	VMDEMO_MOUNT_NR_INODES,
	VMDEMO_MOUNT_MODE,
	VMDEMO_MOUNT_UID,
	VMDEMO_MOUNT_GID,
};

static const struct fs_parameter_spec vmdemo_mount_params[] = {
	fsparam_string("device", VMDEMO_MOUNT_DEVICE),
	fsparam_string("size", VMDEMO_MOUNT_SIZE),
	fsparam_string("nr_inodes", VMDEMO_MOUNT_NR_INODES),
	fsparam_u32oct("mode", VMDEMO_MOUNT_MODE),
	fsparam_u32("uid", VMDEMO_MOUNT_UID),
	fsparam_u32("gid", VMDEMO_MOUNT_GID),
	{}
};

static int vmdemo_mount_find(struct fs_context *fc, const char *name,
			     struct vmdemo_device **device)
{
	unsigned int i;

	for (i = 0; i < vmdemo_mount_nr_devices; i++) {
		*device = vmdemo_mount_devices[i];
		if (!strcmp(dev_name(&(*device)->dev), name))
			return 0;
	}
	errorfc(fc, "there is no device '%s': see /sys/class/vmdemo", name);
	return -ENODEV;
}

/* A number, perhaps with k, m, g, t. memparse() would not see that it is too large. */
static int vmdemo_mount_number(struct fs_context *fc, const struct fs_parameter *param, u64 *number)
{
	static const char units[] = "kmgt";
	size_t len = strlen(param->string);
	const char *unit = len ? strchr(units, tolower(param->string[len - 1])) : NULL;
	char digits[24];
	int err = -EINVAL;

	len -= unit ? 1 : 0;
	if (len && len < sizeof(digits) && strspn(param->string, "0123456789") >= len) {
		memcpy(digits, param->string, len);
		digits[len] = '\0';
		err = kstrtou64(digits, 10, number);
	}
	if (!err && unit && check_shl_overflow(*number, 10 * (unit - units + 1), number))
		err = -ERANGE;
	if (err == -ERANGE)
		return invalfc(fc, "%s=%s is more than there can be", param->key, param->string);
	if (err)
		return invalfc(fc, "%s=%s is no number: write it as in 64G or 4096", param->key,
			       param->string);
	return 0;
}

static int vmdemo_mount_parse(struct fs_context *fc, struct fs_parameter *param)
{
	struct vmdemo_mount_options *set = fc->fs_private;
	struct fs_parse_result result;
	int opt = fs_parse(fc, vmdemo_mount_params, param, &result);
	u64 number;
	int err;

	if (opt >= 0)
		set->said |= BIT(opt);
	switch (opt) {
	case VMDEMO_MOUNT_DEVICE:
		return vmdemo_mount_find(fc, param->string, &set->device);
	case VMDEMO_MOUNT_SIZE:
		err = vmdemo_mount_number(fc, param, &number);
		if (!err)
			set->pages = DIV_ROUND_UP_ULL(min(number, U64_MAX - PAGE_SIZE), PAGE_SIZE);
		return err;
	case VMDEMO_MOUNT_NR_INODES:
		err = vmdemo_mount_number(fc, param, &number);
		if (!err)
			set->inodes = min(number, VMDEMO_MOUNT_ALL);
		return err;
	case VMDEMO_MOUNT_MODE:
		if (result.uint_32 & ~07777)
			return invalfc(fc, "mode=%s is more than 7777", param->string);
		set->mode = result.uint_32;
		return 0;
	case VMDEMO_MOUNT_UID:
		set->uid = make_kuid(current_user_ns(), result.uint_32);
		return uid_valid(set->uid) ? 0 : invalfc(fc, "there is no uid %s", param->string);
	case VMDEMO_MOUNT_GID:
		set->gid = make_kgid(current_user_ns(), result.uint_32);
		return gid_valid(set->gid) ? 0 : invalfc(fc, "there is no gid %s", param->string);
	}
	return opt;
}

static int vmdemo_mount_get_tree(struct fs_context *fc)
{
	const struct vmdemo_mount_options *set = fc->fs_private;

	if (!set->device)
		return invalfc(fc, "say whose frames: -o device=vmdemo, or as in /sys/class");
	return get_tree_nodev(fc, vmdemo_mount_fill);
}

/* A bound becomes another; @left is what nobody has. False: others have more than it allows. */
static bool vmdemo_mount_rebound(atomic64_t *left, u64 old, u64 new)
{
	s64 more = vmdemo_mount_most(new) - vmdemo_mount_most(old);

	if (more < 0)
		return vmdemo_swap_take_many(left, -more);
	atomic64_add(more, left);
	return true;
}

/* What was not said is as it is. */
static int vmdemo_mount_reconfigure(struct fs_context *fc)
{
	struct vmdemo_mount *mount = vmdemo_mount(fc->root->d_sb);
	const struct vmdemo_mount_options *set = fc->fs_private, *old = &mount->set;
	u64 pages = set->said & BIT(VMDEMO_MOUNT_SIZE) ? set->pages : old->pages;
	u64 inodes = set->said & BIT(VMDEMO_MOUNT_NR_INODES) ? set->inodes : old->inodes;

	if ((set->said & BIT(VMDEMO_MOUNT_DEVICE)) && set->device != old->device)
		return invalfc(fc, "it is mounted with device=%s, and stays so",
			       dev_name(&old->device->dev));
	if (((set->said & BIT(VMDEMO_MOUNT_MODE)) && set->mode != old->mode) ||
	    ((set->said & BIT(VMDEMO_MOUNT_UID)) && !uid_eq(set->uid, old->uid)) ||
	    ((set->said & BIT(VMDEMO_MOUNT_GID)) && !gid_eq(set->gid, old->gid)))
		return invalfc(fc, "mode=, uid= and gid= are for mounting: use chmod and chown");
	if (!vmdemo_mount_rebound(&mount->mounted.room, old->pages, pages))
		return invalfc(fc, "size= is less than its files have");
	if (!vmdemo_mount_rebound(&mount->inodes, old->inodes, inodes)) {
		/* If files have taken more meanwhile it is owed until they give it back. */
		atomic64_add(vmdemo_mount_most(old->pages) - vmdemo_mount_most(pages),
			     &mount->mounted.room);
		return invalfc(fc, "nr_inodes= is less than there are");
	}
	WRITE_ONCE(mount->set.pages, pages);
	WRITE_ONCE(mount->set.inodes, inodes);
	return 0;
}

static void vmdemo_mount_free_context(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations vmdemo_mount_context_ops = {
	.parse_param	= vmdemo_mount_parse,
	.get_tree	= vmdemo_mount_get_tree,
	.reconfigure	= vmdemo_mount_reconfigure,
	.free		= vmdemo_mount_free_context,
};

static int vmdemo_mount_init_context(struct fs_context *fc)
{
	struct vmdemo_mount_options *set = kmalloc(sizeof(*set), GFP_KERNEL);

	if (!set)
		return -ENOMEM;
	*set = vmdemo_mount_defaults;
	set->inodes = vmdemo_mount_default_inodes();
	fc->fs_private = set;
	fc->ops = &vmdemo_mount_context_ops;
	return 0;
}

/*
 * Not for user namespaces: to mount it is to say whose disk is filled. Nor is there an alias by
 * which anybody could have the module loaded, with what modprobe.d says of disks to overwrite.
 */
static struct file_system_type vmdemo_mount_fs = {
	.owner			= THIS_MODULE,
	.name			= "vmdemo",
	.init_fs_context	= vmdemo_mount_init_context,
	.parameters		= vmdemo_mount_params,
	.kill_sb		= vmdemo_mount_kill,
};

/**
 * vmdemo_mounts_init - from now on devices can be mounted, if they are live
 * @devices: all of them; stays
 * @nr:      how many
 *
 * Nothing that loads the module may fail after this: somebody may be about to mount one. May sleep.
 * Returns 0 or a negative error.
 */
int vmdemo_mounts_init(struct vmdemo_device **devices, unsigned int nr)
{
	vmdemo_mount_devices = devices;
	vmdemo_mount_nr_devices = nr;
	return register_filesystem(&vmdemo_mount_fs);
}

/**
 * vmdemo_mounts_exit - undo vmdemo_mounts_init()
 *
 * None is mounted. May sleep.
 */
void vmdemo_mounts_exit(void)
{
	unregister_filesystem(&vmdemo_mount_fs);
	/* Inodes of the last mount may have yet to come to vmdemo_mount_free_inode(). */
	rcu_barrier();
}
