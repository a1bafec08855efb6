// SPDX-License-Identifier: GPL-2.0
/*
 * permissions.c - who may open, map, configure and discard: each line of the README's table
 */
#include <grp.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "permissions.h"

#define FRAMES	64
#define SEED	21
#define GROUP	4711	/* what the udev rule gives the node to */

static const char * const settings[][2] = {
	{ "backing", "none" }, { "swap", "none" },
	{ "frames", "32" }, { "reserve", "1" }, { "policy", "fifo" },
	{ "standby_pct", "10" }, { "demote_pages", "2" }, { "read_ahead_pages", "8" },
	{ "space_max_pages", "9" }, { "lend_pages", "9" }, { "swap_discard", "1" },
	{ "user_max_pages", "9" }, { "spaces_per_user", "9" },
	{ "dirty_pct", "50" }, { "dirty_age_ms", "100" }
};

/* What the holder of a space may do to it: everything. */
static void use_space(int fd)
{
	char *mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);

	for (int i = 0; i < PAGES; i++)
		vt_fill(mem + i * VT_PAGE, i, SEED + 2);
	MUST(!vt_count_bad(mem, 0, PAGES, SEED + 2));
	MUST(pwrite(fd, "x", 1, 0) == 1);
	MUST(!vt_range(fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL));
	MUST(!vt_range(fd, VMDEMO_IOC_DISCARD, 0, 1, NULL));
	MUST(vt_is_zero(mem));
	MUST(!ftruncate(fd, 0));
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

static void settings_are_refused(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		MUST(vt_set(settings[i][0], "%s", settings[i][1]) == -EACCES);
}

FIXTURE(permissions) {
	int fd;
};

FIXTURE_SETUP(permissions)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_load("backing=%s swap=%s frames=%d", vt_disk(), vt_disk2(), FRAMES);
	ASSERT_EQ(vt_set("read_ahead_pages", "0"), 0);
	self->fd = vt_open(O_RDWR);
}

FIXTURE_TEARDOWN(permissions)
{
	close(self->fd);
}

/* The whole device is as it was, in the frames and on the disk. */
static bool untouched(int fd)
{
	char *mem = vt_map(fd, 0, PAGES, PROT_READ, MAP_SHARED);
	bool good = !vt_count_bad(mem, 0, PAGES, SEED) && !vt_stat("frames_dirty");

	munmap(mem, PAGES * VT_PAGE);
	return good && vt_disk_check(vt_disk(), 0, PAGES, SEED);
}

/* ---- without a descriptor ---- */

static void open_and_configure(int fd)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };

	(void)fd;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		REFUSED(open(VT_DEV, modes[i]), EACCES);
	REFUSED(chmod(VT_DEV, 0666), EPERM);
	REFUSED(chown(VT_DEV, NOBODY, NOBODY), EPERM);
	settings_are_refused();
}

/* The node is root's, mode 0600; settings can be written by root only. */
TEST_F(permissions, nobody)
{
	struct stat st;

	ASSERT_EQ(stat(VT_DEV, &st), 0);
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(st.st_mode & 0777, 0600);
	EXPECT_EQ(st.st_uid, 0);
	EXPECT_EQ(st.st_gid, 0);
	EXPECT_EQ(let_nobody(open_and_configure, -1, 0), 0);
	EXPECT_EQ(vt_get("frames"), FRAMES);
	EXPECT_TRUE(untouched(self->fd));
}

static void read_attributes(int fd)
{
	(void)fd;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		MUST(*vt_show(settings[i][0]));
	MUST(vt_get("size_bytes") > 0);
	MUST(vt_stat("frames_free") > 0);
	MUST(vt_stat("pages_in") == 0);
}

/* Everybody may read the settings and the counters; there are no others than those tested here. */
TEST_F(permissions, everybody_reads_attributes)
{
	char path[256];
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), VT_CLASS "vmdemo/%s", settings[i][0]);
		ASSERT_EQ(stat(path, &st), 0);
		EXPECT_EQ(st.st_mode & 0777, 0644);
		EXPECT_EQ(st.st_uid, 0);
	}
	snprintf(path, sizeof(path),
		 "test $(find %s/ -type f -perm /222 | grep -cvE '/(power|uevent)') = %zu",
		 VT_CLASS "vmdemo", i);
	EXPECT_EQ(system(path), 0);
	EXPECT_EQ(let_nobody(read_attributes, -1, 0), 0);
}

static void load_and_unload(int fd)
{
	const char *ko = getenv("VMDEMO_KO");
	int module;

	(void)fd;
	MUST(vt_try_unload() == -EPERM);
	REFUSED(open("/sys/module/vmdemo/parameters/frames", O_WRONLY), EACCES);
	module = ko ? open(ko, O_RDONLY) : -1;
	if (module >= 0)
		REFUSED(syscall(SYS_finit_module, module, "", 0), EPERM);
}

/* Loading and unloading need CAP_SYS_MODULE; the parameters are nobody's to write later. */
TEST_F(permissions, module)
{
	static const char * const names[] = { "backing", "swap", "frames", "num_devices" };
	char path[256];
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "/sys/module/vmdemo/parameters/%s", names[i]);
		ASSERT_EQ(stat(path, &st), 0);
		EXPECT_EQ(st.st_mode & 0777, 0444);
		EXPECT_EQ(open(path, O_WRONLY), -1);
	}
	EXPECT_EQ(let_nobody(load_and_unload, -1, 0), 0);
	EXPECT_TRUE(vt_loaded());
}

/* ---- with a descriptor that somebody passed on ---- */

/* Everything that reads, and what brings pages in. */
static void read_everything(int fd)
{
	struct vmdemo_info info = { .size = sizeof(info) };
	char *mem = vt_map(fd, 0, PAGES, PROT_READ, MAP_SHARED), *private;
	char page[VT_PAGE];
	__u64 acted_on;

	MUST(!vt_count_bad(mem, 0, PAGES, SEED));
	MUST(pread(fd, page, VT_PAGE, VT_PAGE) == (ssize_t)VT_PAGE && vt_check(page, 1, SEED) < 0);
	MUST(!ioctl(fd, VMDEMO_IOC_INFO, &info));
	MUST(!vt_range(fd, VMDEMO_IOC_PREFETCH, 8, 4, &acted_on) && acted_on == 4);
	MUST(!posix_fadvise(fd, 0, 8 * VT_PAGE, POSIX_FADV_WILLNEED));
	MUST(!fsync(fd));
	MUST(!msync(mem, PAGES * VT_PAGE, MS_SYNC));
	/* A private copy is the process's own. */
	private = vt_map(fd, 5, 1, VT_RW, MAP_PRIVATE);
	vt_fill(private, 5, SEED + 1);
	MUST(vt_check(mem + 5 * VT_PAGE, 5, SEED) < 0);
}

/* What tells, or would tell, which pages others have touched. */
static void watching_is_refused(int fd)
{
	struct vmdemo_page entry;

	MUST(vt_pagemap(fd, 0, 1, &entry) == -EPERM);
	MUST(vt_range(fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL) == -EPERM);
	MUST(!posix_fadvise(fd, 0, PAGES * VT_PAGE, POSIX_FADV_DONTNEED));
}

/* The same, for its owner or a user who could write it. */
static void watch(int fd)
{
	struct vmdemo_page entry;
	__u64 acted_on;
	char byte;

	MUST(pread(fd, &byte, 1, 0) == 1);
	MUST(!vt_pagemap(fd, 0, 1, &entry) && entry.frame != VMDEMO_NO_FRAME);
	MUST(!vt_range(fd, VMDEMO_IOC_EVICT, 0, PAGES, &acted_on) && acted_on);
	MUST(!vt_resident(fd, 0));
	MUST(pread(fd, &byte, 1, 0) == 1 && vt_resident(fd, 0));
	MUST(!posix_fadvise(fd, 0, VT_PAGE, POSIX_FADV_DONTNEED));
	MUST(!vt_resident(fd, 0));
}

/* Everything that would change the device, or make more of the descriptor than it is. */
static void change_is_refused(int fd)
{
	char *mem = vt_map(fd, 0, PAGES, PROT_READ, MAP_SHARED), path[64];
	struct vmdemo_range range = { .length = VT_PAGE };
	__u64 whole[2] = { 0, PAGES * VT_PAGE };
	int memory;

	REFUSED(write(fd, "x", 1), EBADF);
	REFUSED(pwrite(fd, "x", 1, VT_PAGE), EBADF);
	REFUSED(ioctl(fd, VMDEMO_IOC_DISCARD, &range), EBADF);
	REFUSED(make_space(fd), EBADF);
	REFUSED(ioctl(fd, BLKDISCARD, whole), ENOTTY);
	REFUSED(ioctl(fd, BLKZEROOUT, whole), ENOTTY);
	REFUSED(ftruncate(fd, 0), EINVAL);
	REFUSED(fallocate(fd, 0, 0, VT_PAGE), EBADF);
	REFUSED(mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED, fd, 0), EACCES);
	REFUSED(mmap(NULL, VT_PAGE, PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
	REFUSED(mprotect(mem, VT_PAGE, VT_RW), EACCES);
	MUST(vt_try_write(mem, NULL) == SIGSEGV);
	MUST(madvise(mem, VT_PAGE, MADV_REMOVE));
	MUST(madvise(mem, VT_PAGE, MADV_POPULATE_WRITE));
	/* The way debuggers write to memory that is read-only. */
	memory = open("/proc/self/mem", O_RDWR);
	MUST(memory < 0 || pwrite(memory, "x", 1, (uintptr_t)mem) < 0);
	/* The descriptor names the node, and there the node's mode counts again. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	REFUSED(open(path, O_RDWR), EACCES);
	REFUSED(open(path, O_RDONLY), EACCES);
	REFUSED(fchmod(fd, 0666), EPERM);
	REFUSED(fchown(fd, NOBODY, NOBODY), EPERM);
	MUST(!vt_count_bad(mem, 0, PAGES, SEED));
}

/* A reader may read, copy and bring in, and change nothing. */
TEST_F(permissions, descriptor_for_reading)
{
	int fd = vt_open(O_RDONLY);

	EXPECT_EQ(let_nobody(read_everything, fd, 0), 0);
	EXPECT_EQ(let_nobody(change_is_refused, fd, 0), 0);
	/* Root's capabilities do not come along with the descriptor. */
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_PREFETCH, 0, 8, NULL), 0);
	ASSERT_TRUE(vt_resident(self->fd, 3));
	EXPECT_EQ(let_nobody(watching_is_refused, fd, 0), 0);
	EXPECT_TRUE(vt_resident(self->fd, 3));
	watch(fd);
	ASSERT_EQ(chown(VT_DEV, 0, GROUP), 0);
	ASSERT_EQ(chmod(VT_DEV, 0640), 0);
	EXPECT_EQ(let_nobody(watching_is_refused, fd, GROUP), 0);
	ASSERT_EQ(chmod(VT_DEV, 0660), 0);
	EXPECT_EQ(let_nobody(watch, fd, GROUP), 0);
	ASSERT_EQ(chmod(VT_DEV, 0400), 0);
	ASSERT_EQ(chown(VT_DEV, NOBODY, 0), 0);
	EXPECT_EQ(let_nobody(watch, fd, 0), 0);
	EXPECT_TRUE(untouched(self->fd));
}

static void only_write(int fd)
{
	struct vmdemo_pagemap map = { .length = VT_PAGE };
	struct vmdemo_page entry;
	char byte;

	map.pages = (uintptr_t)&entry;
	MUST(pwrite(fd, "x", 1, 0) == 1);
	MUST(!vt_range(fd, VMDEMO_IOC_DISCARD, 1, 1, NULL));
	REFUSED(pread(fd, &byte, 1, 0), EBADF);
	REFUSED(mmap(NULL, VT_PAGE, PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
	REFUSED(mmap(NULL, VT_PAGE, PROT_READ, MAP_PRIVATE, fd, 0), EACCES);
	MUST(vt_range(fd, VMDEMO_IOC_PREFETCH, 0, 1, NULL) == -EBADF);
	MUST(vt_range(fd, VMDEMO_IOC_EVICT, 0, 1, NULL) == -EBADF);
	REFUSED(ioctl(fd, VMDEMO_IOC_PAGEMAP, &map), EBADF);
	REFUSED(make_space(fd), EBADF);
}

/* A writer may write and discard, and sees nothing of it. */
TEST_F(permissions, descriptor_for_writing)
{
	int fd = vt_open(O_WRONLY);
	char page[VT_PAGE];

	EXPECT_EQ(let_nobody(only_write, fd, 0), 0);
	ASSERT_EQ(pread(self->fd, page, VT_PAGE, 0), VT_PAGE);
	EXPECT_EQ(page[0], 'x');
	ASSERT_EQ(pread(self->fd, page, VT_PAGE, VT_PAGE), VT_PAGE);
	EXPECT_TRUE(vt_is_zero(page));
	ASSERT_EQ(pread(self->fd, page, VT_PAGE, 2 * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, 2, SEED), -1);
}

static void read_and_write(int fd)
{
	char *mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);

	MUST(!vt_count_bad(mem, 0, PAGES, SEED));
	for (int i = 0; i < PAGES; i++)
		vt_fill(mem + i * VT_PAGE, i, SEED + 1);
	MUST(!vt_range(fd, VMDEMO_IOC_DISCARD, 0, 1, NULL));
	MUST(!msync(mem, PAGES * VT_PAGE, MS_SYNC));
	use_space(make_space(fd));
	settings_are_refused();
}

/* Both together is everything the device offers; the settings stay root's. */
TEST_F(permissions, descriptor_for_both)
{
	EXPECT_EQ(let_nobody(read_and_write, self->fd, 0), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 1, PAGES - 1, SEED + 1));
	EXPECT_EQ(vt_get("frames"), FRAMES);
}

static void use_path_descriptor(int fd)
{
	struct vmdemo_info info = { .size = sizeof(info) };
	char byte;

	REFUSED(ioctl(fd, VMDEMO_IOC_INFO, &info), EBADF);
	REFUSED(read(fd, &byte, 1), EBADF);
	REFUSED(mmap(NULL, VT_PAGE, PROT_READ, MAP_SHARED, fd, 0), EBADF);
}

/* A descriptor that is none (O_PATH) opens nothing. */
TEST_F(permissions, descriptor_of_the_path)
{
	int fd = vt_open(O_PATH);

	EXPECT_EQ(let_nobody(use_path_descriptor, fd, 0), 0);
}

/* ---- the udev rule of the README, and root ---- */

static void open_as_member(int fd)
{
	(void)fd;
	read_and_write(vt_open(O_RDWR));
	REFUSED(chmod(VT_DEV, 0666), EPERM);
	MUST(vt_try_unload() == -EPERM);
}

static void open_as_stranger(int fd)
{
	(void)fd;
	REFUSED(open(VT_DEV, O_RDONLY), EACCES);
	REFUSED(open(VT_DEV, O_RDWR), EACCES);
}

/* A group that the node is given to may use it, strangers may not; the settings stay root's. */
TEST_F(permissions, udev_rule)
{
	ASSERT_EQ(chown(VT_DEV, 0, GROUP), 0);
	ASSERT_EQ(chmod(VT_DEV, 0660), 0);
	EXPECT_EQ(let_nobody(open_as_stranger, -1, 0), 0);
	EXPECT_EQ(let_nobody(open_as_stranger, -1, GROUP + 1), 0);
	EXPECT_EQ(let_nobody(open_as_member, -1, GROUP), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 1, PAGES - 1, SEED + 1));
}

/* With the right to: open the node, bind disks when nobody has it open, and all other settings. */
static void configure(int fd)
{
	(void)fd;
	MUST(!vt_set("backing", "none") && !vt_set("swap", "none"));
	MUST(!vt_set("backing", "%s", vt_disk()) && !vt_set("swap", "%s", vt_disk2()));
	MUST(close(vt_open(O_RDWR)) == 0);
	for (size_t i = 2; i < ARRAY_SIZE(settings); i++)
		MUST(!vt_set(settings[i][0], "%s", settings[i][1]));
	MUST(vt_try_unload() == -EPERM);
	_exit(0);
}

/* Root owns node and settings, so needs no capability for them; only for the module. */
TEST_F(permissions, root_without_capabilities)
{
	pid_t pid;

	close(self->fd);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		drop_capabilities();
		configure(-1);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_get("frames"), 32);
	self->fd = vt_open(O_RDWR);
}

/* Nobody, but with this capability. */
static void become_capable(unsigned int capability)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = { 0 };

	sets[capability / 32].effective = 1U << capability % 32;
	sets[capability / 32].permitted = 1U << capability % 32;
	MUST(!setgroups(0, NULL));
	MUST(!prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	MUST(!setresgid(NOBODY, NOBODY, NOBODY));
	MUST(!setresuid(NOBODY, NOBODY, NOBODY));
	MUST(!syscall(SYS_capset, &head, sets));
}

/* With CAP_DAC_OVERRIDE it is the same for any user; other capabilities do not help. */
TEST_F(permissions, capability_without_root)
{
	pid_t pid;

	close(self->fd);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		become_capable(CAP_SYS_ADMIN);
		open_and_configure(-1);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		become_capable(CAP_DAC_OVERRIDE);
		configure(-1);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_get("frames"), 32);
	self->fd = vt_open(O_RDWR);
}

/* ---- a backing device that cannot be written ---- */

static void set_readonly(int value)
{
	int disk = open(vt_disk(), O_RDONLY);

	if (disk < 0 || ioctl(disk, BLKROSET, &value))
		vt_fail("BLKROSET: %s", strerror(errno));
	close(disk);
}

static void change_what_is_readonly(int fd)
{
	char *mem = vt_map(fd, 0, PAGES, PROT_READ, MAP_SHARED);
	struct vmdemo_range range = { .length = VT_PAGE };

	REFUSED(write(fd, "x", 1), EROFS);
	REFUSED(ioctl(fd, VMDEMO_IOC_DISCARD, &range), EROFS);
	REFUSED(mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED, fd, 0), EACCES);
	REFUSED(mprotect(mem, VT_PAGE, VT_RW), EACCES);
	MUST(vt_try_write(mem, NULL) == SIGSEGV);
	MUST(!vt_count_bad(mem, 0, PAGES, SEED));
	/* What is swapped is written elsewhere. */
	use_space(make_space(fd));
}

/* It is as if all had opened it for reading only, root too; but it does not hold for spaces. */
TEST_F(permissions, read_only_backing)
{
	pid_t pid;
	int fd;

	close(self->fd);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	set_readonly(1);
	ASSERT_EQ(vt_set("backing", "%s", vt_disk()), 0) {
		set_readonly(0);
	}
	fd = vt_open(O_RDWR);
	EXPECT_EQ(let_nobody(change_what_is_readonly, fd, 0), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		change_what_is_readonly(fd);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	close(fd);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	set_readonly(0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED));
	ASSERT_EQ(vt_set("backing", "%s", vt_disk()), 0);
	self->fd = vt_open(O_RDWR);
}

TEST_HARNESS_MAIN
