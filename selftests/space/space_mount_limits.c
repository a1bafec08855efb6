// SPDX-License-Identifier: GPL-2.0
/*
 * space_mount_limits.c - mounted spaces: bounds, rights, options, and what is in use
 */
#include <linux/falloc.h>
#include <sched.h>

#include "kselftest_harness.h"
#include "../abi/permissions.h"
#include "space_mount.h"

/* ---- limits ---- */

TEST_F(mount, size_is_a_bound)
{
	const size_t most = 100;
	char options[64], *mem;
	char buffer[VT_PAGE];
	size_t i;
	int fd;

	snprintf(options, sizeof(options), "device=vmdemo,size=%zu", most * VT_PAGE);
	ASSERT_EQ(try_mount("two", 0, options), 0);
	EXPECT_EQ(statfs_of(where("two")).f_type, VMDEMO_FS_MAGIC);
	EXPECT_EQ(statfs_of(where("two")).f_bsize, VT_PAGE);
	EXPECT_EQ(statfs_of(where("two")).f_blocks, most);
	EXPECT_EQ(statfs_of(where("two")).f_bavail, most);
	make_file(where("two/a"), most - 2, SEED);
	EXPECT_EQ(statfs_of(where("two")).f_bfree, 2);

	/* Over all its files, whichever way they are written. */
	fd = must_open(where("two/b"), O_RDWR | O_CREAT);
	EXPECT_EQ(fallocate(fd, 0, 0, 3 * VT_PAGE), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(statfs_of(where("two")).f_bfree, 2);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(write(fd, buffer, VT_PAGE), VT_PAGE);
	EXPECT_EQ(write(fd, buffer, VT_PAGE), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(statfs_of(where("two")).f_bfree, 0);
	ASSERT_EQ(ftruncate(fd, 4 * VT_PAGE), 0);
	mem = vt_map(fd, 0, 4, VT_RW, MAP_SHARED);
	EXPECT_EQ(vt_try_write(mem + VT_PAGE, NULL), 0);
	EXPECT_EQ(vt_try_write(mem + 3 * VT_PAGE, NULL), SIGBUS);

	/* The other mount is not concerned; nor is this one by less, if its files have more. */
	make_file(where("big/a"), 1, SEED);
	snprintf(options, sizeof(options), "size=%zu", (most - 1) * VT_PAGE);
	EXPECT_EQ(try_mount("two", MS_REMOUNT, options), -EINVAL);
	EXPECT_EQ(statfs_of(where("two")).f_blocks, most);
	snprintf(options, sizeof(options), "size=%zu", (most + 1) * VT_PAGE);
	ASSERT_EQ(try_mount("two", MS_REMOUNT, options), 0);
	EXPECT_EQ(statfs_of(where("two")).f_bfree, 1);
	EXPECT_EQ(vt_try_write(mem + 3 * VT_PAGE, NULL), 0);
	ASSERT_EQ(try_mount("two", MS_REMOUNT, "size=0"), 0);
	EXPECT_EQ(statfs_of(where("two")).f_blocks, self->slots);
	EXPECT_EQ(vt_try_write(mem + 2 * VT_PAGE, NULL), 0);
	munmap(mem, 4 * VT_PAGE);
	close(fd);
	EXPECT_EQ(bad_pages(where("two/a"), most - 2, SEED), 0);
	ASSERT_EQ(unlink(where("two/a")), 0);
	ASSERT_EQ(unlink(where("two/b")), 0);
	snprintf(options, sizeof(options), "size=%zu", 2 * VT_PAGE);
	ASSERT_EQ(try_mount("two", MS_REMOUNT, options), 0);
	EXPECT_EQ(statfs_of(where("two")).f_bfree, 2);
}

/* No bound of its own: the device's. */
TEST_F(mount, swap_is_a_bound)
{
	int fd = must_open(where("big/a"), O_RDWR | O_CREAT);

	EXPECT_EQ(statfs_of(where("big")).f_blocks, self->slots);
	EXPECT_EQ(fallocate(fd, 0, 0, (self->slots + 1) * VT_PAGE), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(fallocate(fd, 0, 0, self->slots * VT_PAGE), 0);
	EXPECT_EQ(statfs_of(where("big")).f_bfree, 0);
	EXPECT_EQ(pwrite(fd, "x", 1, self->slots * VT_PAGE), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(pwrite(fd, "x", 1, (self->slots - 1) * VT_PAGE), 1);
	close(fd);
}

TEST_F(mount, inodes_are_bounded)
{
	int i;

	ASSERT_EQ(try_mount("two", 0, "device=vmdemo,nr_inodes=6"), 0);
	EXPECT_EQ(statfs_of(where("two")).f_files, 6);
	/* The root is one. */
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 5);
	close(must_open(where("two/a"), O_RDWR | O_CREAT));
	ASSERT_EQ(mkdir(where("two/b"), 0700), 0);
	ASSERT_EQ(symlink("a", where("two/c")), 0);
	close(must_open(where("two"), O_RDWR | O_TMPFILE));
	ASSERT_EQ(mkfifo(where("two/d"), 0600), 0);
	/* So is a second name. */
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 1);
	ASSERT_EQ(link(where("two/a"), where("two/b/a")), 0);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 0);
	EXPECT_EQ(link(where("two/a"), where("two/b/b")), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(stat_of(where("two/a")).st_nlink, 2);
	EXPECT_EQ(open(where("two/e"), O_RDWR | O_CREAT, 0600), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(mkdir(where("two/e"), 0700), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(symlink("a", where("two/e")), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(open(where("two"), O_RDWR | O_TMPFILE, 0600), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(try_mount("two", MS_REMOUNT, "nr_inodes=5"), -EINVAL);
	ASSERT_EQ(try_mount("two", MS_REMOUNT, "nr_inodes=7"), 0);
	ASSERT_EQ(mkdir(where("two/e"), 0700), 0);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 0);
	ASSERT_EQ(unlink(where("two/a")), 0);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 1);
	ASSERT_EQ(unlink(where("two/b/a")), 0);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 2);
	ASSERT_EQ(try_mount("two", MS_REMOUNT, "nr_inodes=0"), 0);
	EXPECT_EQ(statfs_of(where("two")).f_files, 0);
	for (i = 0; i < 100; i++)
		close(must_open(where("two/f%d", i), O_RDWR | O_CREAT));
}

/* Whichever way a name comes or goes, all that was counted is given back with the last one. */
TEST_F(mount, names_are_counted)
{
	char a[64], b[64], name[64];
	int fd;

	ASSERT_EQ(try_mount("two", 0, "device=vmdemo,nr_inodes=4"), 0);
	snprintf(a, sizeof(a), "%s", where("two/a"));
	snprintf(b, sizeof(b), "%s", where("two/b"));
	close(must_open(a, O_RDWR | O_CREAT));
	ASSERT_EQ(link(a, b), 0);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 1);
	/* Two names of one file: that changes nothing, and so does an exchange. */
	ASSERT_EQ(rename(a, b), 0);
	close(must_open(where("two/c"), O_RDWR | O_CREAT));
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 0);
	ASSERT_EQ(renameat2(AT_FDCWD, where("two/c"), AT_FDCWD, a, RENAME_EXCHANGE), 0);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 0);
	/* Over one of two names (b is the other), then over the last. */
	ASSERT_EQ(rename(a, where("two/c")), 0);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 1);
	EXPECT_EQ(stat_of(b).st_nlink, 1);
	ASSERT_EQ(rename(where("two/c"), b), 0);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 2);
	/* Over a directory, whose links are others. */
	ASSERT_EQ(mkdir(where("two/d"), 0700), 0);
	ASSERT_EQ(mkdir(where("two/e"), 0700), 0);
	ASSERT_EQ(rename(where("two/d"), where("two/e")), 0);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 1);
	ASSERT_EQ(rmdir(where("two/e")), 0);
	/* The first name of a file that had none. */
	fd = must_open(where("two"), O_RDWR | O_TMPFILE);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 1);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ASSERT_EQ(linkat(AT_FDCWD, name, AT_FDCWD, a, AT_SYMLINK_FOLLOW), 0);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 1);
	close(fd);
	ASSERT_EQ(unlink(a), 0);
	ASSERT_EQ(unlink(b), 0);
	EXPECT_EQ(statfs_of(where("two")).f_ffree, 3);
}

/* ---- rights ---- */

/* What takes from files the bit by which their program runs as their owner. */
static const char * const changes[] = { "written", "punched", "discarded" };

static void change_as_nobody(int fd)
{
	char byte = 1;

	(void)fd;
	fd = open(where("big/written"), O_WRONLY);
	MUST(fd >= 0 && pwrite(fd, &byte, 1, 0) == 1 && !close(fd));
	fd = open(where("big/punched"), O_WRONLY);
	MUST(fd >= 0 && !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, VT_PAGE));
	MUST(!close(fd));
	fd = open(where("big/discarded"), O_WRONLY);
	MUST(fd >= 0 && !vt_range(fd, VMDEMO_IOC_DISCARD, 0, 1, NULL) && !close(fd));
}

TEST_F(mount, privilege_goes)
{
	size_t i;

	ASSERT_EQ(chmod(base, 0755), 0);
	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		make_file(where("big/%s", changes[i]), 2, SEED);
		ASSERT_EQ(chmod(where("big/%s", changes[i]), 04777), 0);
	}
	EXPECT_EQ(let_nobody(change_as_nobody, -1, 0), 0);
	for (i = 0; i < ARRAY_SIZE(changes); i++)
		EXPECT_EQ(stat_of(where("big/%s", changes[i])).st_mode, S_IFREG | 0777)
			TH_LOG("if it is %s", changes[i]);
}

static void work_as_nobody(int fd)
{
	char buffer[VT_PAGE] = "";
	int own, i;

	(void)fd;
	REFUSED(open(where("big/root"), O_RDONLY), EACCES);
	REFUSED(open(where("big/root"), O_WRONLY), EACCES);
	/* The sticky bit. */
	REFUSED(unlink(where("big/root")), EPERM);
	REFUSED(open(where("big/closed/a"), O_WRONLY | O_CREAT, 0600), EACCES);
	REFUSED(chmod(where("big/root"), 0666), EPERM);
	own = open(where("big/mine"), O_RDWR | O_CREAT, 0640);
	MUST(own >= 0);
	/* The attribute user_max_pages: what its user may have, in spaces and in files. */
	for (i = 0; i < 9; i++)
		MUST(write(own, buffer, VT_PAGE) == VT_PAGE);
	REFUSED(write(own, buffer, VT_PAGE), EDQUOT);
	MUST(!close(own));
	/* ... and spaces_per_user is about others. */
	for (i = 0; i < 8; i++) {
		own = open(where("big/mine%d", i), O_RDWR | O_CREAT, 0600);
		MUST(own >= 0 && !close(own));
	}
	REFUSED(chown(where("big/mine"), 0, 0), EPERM);
	REFUSED(mount("none", where("two"), "vmdemo", 0, "device=vmdemo"), EPERM);
	REFUSED(umount(where("big")), EPERM);
	/* As root of a namespace of one's own. */
	if (!unshare(CLONE_NEWUSER | CLONE_NEWNS))
		REFUSED(mount("none", "/tmp", "vmdemo", 0, "device=vmdemo"), EPERM);
}

TEST_F(mount, others)
{
	struct stat st;

	ASSERT_EQ(chmod(base, 0755), 0);
	make_file(where("big/root"), 1, SEED);
	ASSERT_EQ(mkdir(where("big/closed"), 0755), 0);
	ASSERT_EQ(vt_set("user_max_pages", "9"), 0);
	ASSERT_EQ(vt_set("spaces_per_user", "4"), 0);
	EXPECT_EQ(let_nobody(work_as_nobody, -1, 0), 0);
	st = stat_of(where("big/mine"));
	EXPECT_EQ(st.st_uid, NOBODY);
	EXPECT_EQ(st.st_gid, NOBODY);
	EXPECT_EQ(st.st_mode, S_IFREG | 0640);
	EXPECT_EQ(st.st_size, 9 * VT_PAGE);
	/* Where the group is handed down. */
	ASSERT_EQ(chown(where("big/closed"), 0, 4711), 0);
	ASSERT_EQ(chmod(where("big/closed"), 02755), 0);
	close(must_open(where("big/closed/a"), O_RDWR | O_CREAT));
	EXPECT_EQ(stat_of(where("big/closed/a")).st_gid, 4711);
}

/* ---- what is in use ---- */

TEST_F(mount, in_use)
{
	int log = vt_log_open(), fd = must_open(where("big/a"), O_RDWR | O_CREAT);

	EXPECT_EQ(try_umount("big"), -EBUSY);
	close(fd);
	EXPECT_EQ(vt_set("swap", "none"), -EBUSY);
	EXPECT_TRUE(vt_log_says(log, "mounted file systems: 1; "));
	EXPECT_EQ(vt_set("backing", "%s", vt_disk()), -EBUSY);
	EXPECT_TRUE(vt_log_says(log, "findmnt -t vmdemo"));
	EXPECT_EQ(vt_set("backing", "none"), -EBUSY);
	EXPECT_EQ(vt_set("backing", "abandon"), -EBUSY);
	EXPECT_EQ(vt_try_unload(), -EWOULDBLOCK);
	ASSERT_EQ(try_mount("two", 0, "device=vmdemo"), 0);
	EXPECT_EQ(vt_set("swap", "none"), -EBUSY);
	EXPECT_TRUE(vt_log_says(log, "mounted file systems: 2; "));
	ASSERT_EQ(try_umount("big"), 0);
	EXPECT_EQ(vt_set("swap", "none"), -EBUSY);
	ASSERT_EQ(try_umount("two"), 0);
	EXPECT_EQ(vt_set("swap", "none"), 0);

	/* Nowhere to swap to. */
	EXPECT_EQ(try_mount("big", 0, "device=vmdemo"), -ENXIO);
	EXPECT_TRUE(vt_log_says(log, "vmdemo has no swap device"));
	EXPECT_EQ(vt_set("backing", "%s", vt_disk()), 0);
	EXPECT_EQ(try_mount("big", 0, "device=vmdemo"), -ENXIO);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_set("swap", "%s", vt_disk2()), 0);
	/* A detached tree that somebody works in is in use yet. */
	ASSERT_EQ(try_mount("big", 0, "device=vmdemo"), 0);
	fd = must_open(where("big/a"), O_RDWR | O_CREAT);
	ASSERT_EQ(umount2(where("big"), MNT_DETACH), 0);
	EXPECT_EQ(write(fd, "x", 1), 1);
	EXPECT_EQ(vt_set("swap", "none"), -EBUSY);
	EXPECT_TRUE(vt_log_says(log, "systems: 1; see findmnt -t vmdemo, or lsof if detached"));
	EXPECT_EQ(vt_try_unload(), -EWOULDBLOCK);
	close(fd);
	EXPECT_EQ(vt_try_unload(), 0);
	vt_load("swap=%s frames=%d", vt_disk2(), FRAMES);
	close(log);
}

/* A mapping that may be stored to keeps a mount writable. */
TEST_F(mount, readonly)
{
	char *mem;

	make_file(where("big/a"), 2, SEED);
	mem = map_file(where("big/a"), 2, VT_RW);
	EXPECT_EQ(try_mount("big", MS_REMOUNT | MS_RDONLY, ""), -EBUSY);
	vt_fill(mem, 0, SEED + 1);
	munmap(mem, 2 * VT_PAGE);
	ASSERT_EQ(try_mount("big", MS_REMOUNT | MS_RDONLY, ""), 0);
	EXPECT_EQ(open(where("big/a"), O_RDWR), -1);
	EXPECT_EQ(errno, EROFS);
	EXPECT_EQ(open(where("big/b"), O_RDWR | O_CREAT, 0600), -1);
	EXPECT_EQ(errno, EROFS);
	EXPECT_EQ(truncate(where("big/a"), 0), -1);
	EXPECT_EQ(errno, EROFS);
	EXPECT_EQ(unlink(where("big/a")), -1);
	EXPECT_EQ(errno, EROFS);
	mem = map_file(where("big/a"), 2, PROT_READ);
	EXPECT_EQ(vt_check(mem, 0, SEED + 1), -1);
	EXPECT_EQ(vt_check(mem + VT_PAGE, 1, SEED), -1);
	munmap(mem, 2 * VT_PAGE);
	ASSERT_EQ(try_mount("big", MS_REMOUNT, ""), 0);
	EXPECT_EQ(unlink(where("big/a")), 0);
}

/* Nobody gets the module loaded, and a disk overwritten, by naming a file system. */
TEST_F(mount, no_alias)
{
	EXPECT_TRUE(vt_shell("a=$(modinfo -F alias ${VMDEMO_KO:-vmdemo}) && test -z \"$a\""));
}

TEST_F(mount, options)
{
	static const struct {
		const char *options, *words;
		int error;
	} bad[] = {
		{ NULL, "say whose frames", EINVAL },
		{ "size=1m", "say whose frames", EINVAL },
		{ "device=vmdemo7", "no device 'vmdemo7'", ENODEV },
		{ "device=", "Bad value for 'device'", EINVAL },
		{ "device", "device", EINVAL },
		{ "device=vmdemo,size=1x", "size=1x is no number", EINVAL },
		{ "device=vmdemo,size=-1", "is no number", EINVAL },
		{ "device=vmdemo,size=50%", "is no number", EINVAL },
		{ "device=vmdemo,size=", "Bad value for 'size'", EINVAL },
		{ "device=vmdemo,size=k", "size=k is no number", EINVAL },
		{ "device=vmdemo,size=+1", "size=+1 is no number", EINVAL },
		{ "device=vmdemo,size=1 k", "size=1 k is no number", EINVAL },
		{ "device=vmdemo,size=16777216t", "=16777216t is more than there can be", EINVAL },
		{ "device=vmdemo,size=18446744073709551617", "is more than there can be", EINVAL },
		{ "device=vmdemo,nr_inodes=16777217T", "is more than there can be", EINVAL },
		{ "device=vmdemo,nr_inodes=many", "nr_inodes=many is no number", EINVAL },
		{ "device=vmdemo,mode=10777", "mode=10777", EINVAL },
		{ "device=vmdemo,mode=9", "mode", EINVAL },
		{ "device=vmdemo,uid=4294967295", "no uid 4294967295", EINVAL },
		{ "device=vmdemo,gid=somebody", "gid", EINVAL },
		{ "device=vmdemo,huge=always", "huge", EINVAL },
	};
	static const char all[] = "device=vmdemo,size=3g,nr_inodes=2k,mode=2750,uid=4711,gid=4712";
	static const char shown[] = "size=3145728k,nr_inodes=2048,mode=2750,uid=4711,gid=4712";
	int log = vt_log_open();
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(try_mount("two", 0, bad[i].options), -bad[i].error)
			TH_LOG("with %s", bad[i].options);
		EXPECT_TRUE(vt_log_says(log, "%s", bad[i].words))
			TH_LOG("with %s", bad[i].options);
	}
	/* All of them, shown as they were given. */
	ASSERT_EQ(try_mount("two", MS_NOSUID | MS_NODEV, all), 0);
	st = stat_of(where("two"));
	EXPECT_EQ(st.st_mode, S_IFDIR | 02750);
	EXPECT_EQ(st.st_uid, 4711);
	EXPECT_EQ(st.st_gid, 4712);
	EXPECT_EQ(statfs_of(where("two")).f_files, 2048);
	EXPECT_TRUE(vt_shell("grep -q '%s vmdemo rw,nosuid,nodev,.*,%s ' /proc/mounts",
			     where("two"), shown));
	EXPECT_TRUE(vt_shell("grep -q '%s vmdemo rw,[a-z]*,device=vmdemo 0 0' /proc/mounts",
			     where("big")));
	/* What was not said stays; what cannot change is refused. */
	ASSERT_EQ(try_mount("two", MS_REMOUNT, "size=2g"), 0);
	EXPECT_EQ(statfs_of(where("two")).f_files, 2048);
	EXPECT_EQ(try_mount("two", MS_REMOUNT, "device=vmdemo,mode=2750,nr_inodes=1k"), 0);
	EXPECT_EQ(statfs_of(where("two")).f_files, 1024);
	EXPECT_EQ(try_mount("two", MS_REMOUNT, "mode=777"), -EINVAL);
	EXPECT_TRUE(vt_log_says(log, "use chmod and chown"));
	EXPECT_EQ(try_mount("two", MS_REMOUNT, "uid=0"), -EINVAL);
	EXPECT_EQ(try_mount("two", MS_REMOUNT, "size=none"), -EINVAL);
	/* Read-only is the kernel's. */
	ASSERT_EQ(try_mount("two", MS_REMOUNT | MS_RDONLY, ""), 0);
	EXPECT_EQ(open(where("two/a"), O_RDWR | O_CREAT, 0600), -1);
	EXPECT_EQ(errno, EROFS);
	close(log);
}

/*
 * As mount(8) does it from util-linux 2.39 on: the options one by one, and what is wrong with them
 * is told by the descriptor.
 */
TEST_F(mount, by_descriptors)
{
	int fc = fsopen("vmdemo", 0), old, mnt;
	char said[256] = "";

	ASSERT_GE(fc, 0);
	ASSERT_EQ(fsconfig(fc, FSCONFIG_SET_STRING, "device", "vmdemo", 0), 0);
	EXPECT_EQ(fsconfig(fc, FSCONFIG_SET_FLAG, "size", NULL, 0), -1);
	EXPECT_EQ(errno, EINVAL);
	while (read(fc, said, sizeof(said) - 1) > 0)
		;
	EXPECT_EQ(fsconfig(fc, FSCONFIG_SET_STRING, "size", "much", 0), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_GT(read(fc, said, sizeof(said) - 1), 0);
	EXPECT_NE(strstr(said, "size=much is no number"), NULL)
		TH_LOG("it says '%s'", said);
	ASSERT_EQ(fsconfig(fc, FSCONFIG_SET_STRING, "size", "1m", 0), 0);
	ASSERT_EQ(fsconfig(fc, FSCONFIG_SET_STRING, "nr_inodes", "100", 0), 0);
	ASSERT_EQ(fsconfig(fc, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	mnt = fsmount(fc, 0, 0);
	ASSERT_GE(mnt, 0);
	close(fc);
	ASSERT_EQ(move_mount(mnt, "", AT_FDCWD, where("two"), MOVE_MOUNT_F_EMPTY_PATH), 0);
	close(mnt);
	EXPECT_EQ(statfs_of(where("two")).f_blocks, (1 << 20) / VT_PAGE);

	/* What was not said stays as it is by now, not as it was when somebody began to speak. */
	old = fspick(AT_FDCWD, where("two"), 0);
	ASSERT_GE(old, 0);
	ASSERT_EQ(try_mount("two", MS_REMOUNT, "size=2m"), 0);
	ASSERT_EQ(fsconfig(old, FSCONFIG_SET_STRING, "nr_inodes", "50", 0), 0);
	ASSERT_EQ(fsconfig(old, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0), 0);
	EXPECT_EQ(statfs_of(where("two")).f_blocks, (2 << 20) / VT_PAGE);
	EXPECT_EQ(statfs_of(where("two")).f_files, 50);
	close(old);
	/* One that is given up has no effect. */
	fc = fsopen("vmdemo", 0);
	ASSERT_EQ(fsconfig(fc, FSCONFIG_SET_STRING, "device", "vmdemo", 0), 0);
	close(fc);
	EXPECT_EQ(try_umount("two"), 0);
}

/* A second device: its own frames, and its own disk. */
TEST_F(mount, other_device)
{
	ASSERT_EQ(try_umount("big"), 0);
	vt_load("num_devices=2 swap=,%s frames=%d,%d", vt_disk2(), FRAMES, FRAMES);
	EXPECT_EQ(try_mount("big", 0, "device=vmdemo"), -ENXIO);
	ASSERT_EQ(try_mount("big", 0, "device=vmdemo1"), 0);
	EXPECT_EQ(try_mount("big", MS_REMOUNT, "device=vmdemo"), -EINVAL);
	make_file(where("big/a"), BIG, SEED);
	EXPECT_EQ(bad_pages(where("big/a"), BIG, SEED), 0);
	EXPECT_GE(vt_get("../vmdemo1/stats/pages_out"), BIG - FRAMES);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	ASSERT_EQ(try_umount("big"), 0);
	vt_load("swap=%s frames=%d", vt_disk2(), FRAMES);
}

TEST_HARNESS_MAIN
