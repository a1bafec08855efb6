// SPDX-License-Identifier: GPL-2.0
/*
 * permissions.c - who may open, map, configure and discard: each line of the README's table; and
 * what a user who may open the node cannot do to others with it
 *
 * What an unprivileged user may do is tried by a child that is user nobody, in no group, without
 * any capability. It answers with the line of this file that surprised it.
 */
#include <grp.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	64
#define PAGES	128
#define SEED	21

#define NOBODY	65534
#define GROUP	4711	/* what the udev rule gives the node to */

/* In a child: end here if it is not so, and tell where. */
#define MUST(condition)									\
	do {										\
		if (!(condition))							\
			tell_and_exit(__LINE__, #condition);				\
	} while (0)

static void __noreturn tell_and_exit(int line, const char *condition)
{
	printf("# line %d: not so: %s (errno: %s)\n", line, condition, strerror(errno));
	fflush(stdout);
	_exit(1);
}

/* A call that has to fail, and how. */
#define REFUSED(call, error)								\
	do {										\
		errno = 0;								\
		MUST((long)(call) == -1 && errno == (error));				\
	} while (0)

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	MUST(!syscall(SYS_capset, &head, none));
}

/* Become nobody, a member of one group or of none (0). */
static void become_nobody(gid_t group)
{
	MUST(!setgroups(group ? 1 : 0, &group));
	MUST(!setresgid(NOBODY, NOBODY, NOBODY));
	MUST(!setresuid(NOBODY, NOBODY, NOBODY));
	drop_capabilities();
	MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* Let nobody work with a descriptor that he was given, or -1; 0 if all was as expected. */
static int let_nobody(void (*work)(int fd), int fd, gid_t group)
{
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	if (!pid) {
		become_nobody(group);
		work(fd);
		_exit(0);
	}
	return vt_reap(pid);
}

static const char * const settings[][2] = {
	{ "backing", "none" }, { "swap", "none" },
	{ "frames", "32" }, { "reserve", "1" }, { "policy", "fifo" },
	{ "standby_pct", "10" }, { "demote_pages", "2" }, { "read_ahead_pages", "8" },
	{ "space_max_pages", "9" }, { "lend_pages", "9" }, { "swap_discard", "1" },
	{ "user_max_pages", "9" }, { "spaces_per_user", "9" },
	{ "dirty_pct", "50" }, { "dirty_age_ms", "100" }
};

static int make_space(int fd)
{
	struct vmdemo_space_args args = { .size = PAGES * VT_PAGE };

	return ioctl(fd, VMDEMO_IOC_SPACE, &args);
}

/* What may be done to a space by who has it: everything. */
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
	char page[VMDEMO_PAGE_SIZE];
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

/* The same, for who owns it or could write it. */
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

/* Who has it open for reading may read, copy and bring in, and change nothing. */
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

/* Who has it open for writing may write and discard, and sees nothing of it. */
TEST_F(permissions, descriptor_for_writing)
{
	int fd = vt_open(O_WRONLY);
	char page[VMDEMO_PAGE_SIZE];

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

/* Whoever may: open the node, and bind disks when nobody has it open, and all other settings. */
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

/* Root owns node and settings, so needs no capability for them; for the module he does. */
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

/* With CAP_DAC_OVERRIDE it is the same, whoever one is; other capabilities are none for this. */
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

/* ---- what one user's calls do to others ---- */

#define MANY	8192	/* frames */

FIXTURE(attack) {
	int fd;
};

FIXTURE_SETUP(attack)
{
	vt_stop();
	vt_load("backing=%s swap=%s frames=%d", vt_disk(), vt_disk2(), MANY);
	self->fd = vt_open(O_RDWR);
}

FIXTURE_TEARDOWN(attack)
{
	close(self->fd);
}

/* The bucket of a page of the first space if the index were hashed by a number that all know. */
static __u32 guess_bucket(__u64 page)
{
	return (((1ULL << 36) + page) * 0x61c8864680b583ebULL >> 32) * MANY >> 32;
}

/* The shortest of 50 reads of a byte: what it costs when nothing else happens. */
static __u64 read_ns(int fd, __u64 page)
{
	__u64 least = ~0ULL, took;
	struct timespec began, ended;
	char byte;
	int i;

	for (i = 0; i < 50; i++) {
		clock_gettime(CLOCK_MONOTONIC, &began);
		if (pread(fd, &byte, 1, page * VT_PAGE) != 1)
			vt_fail("pread: %s", strerror(errno));
		clock_gettime(CLOCK_MONOTONIC, &ended);
		took = (ended.tv_sec - began.tv_sec) * 1000000000ULL + ended.tv_nsec -
		       began.tv_nsec;
		if (took < least)
			least = took;
	}
	return least;
}

/* Who chooses his pages does not choose their buckets: no chain is long, no lookup takes long. */
TEST_F(attack, flooded_bucket)
{
	struct vmdemo_space_args args = { .size = VMDEMO_SPACE_MAX };
	int space = ioctl(self->fd, VMDEMO_IOC_SPACE, &args), n = 0;
	__u64 page, oldest, newest;
	char byte;

	ASSERT_GE(space, 0);
	for (page = 0; n < MANY * 7 / 8; page++) {
		if (guess_bucket(page) != guess_bucket(0))
			continue;
		ASSERT_EQ(pread(space, &byte, 1, page * VT_PAGE), 1);
		n++;
	}
	newest = read_ns(space, page - 1);
	oldest = read_ns(space, 0);
	printf("# a read of the newest page %ju ns, of the oldest %ju\n", (uintmax_t)newest,
	       (uintmax_t)oldest);
	EXPECT_LT(oldest, 10 * newest);
	close(space);
}

/* How long the end of a space of so many pages takes: unused, or with one page read. */
static __u64 end_ns(int dev, __u64 pages, bool used)
{
	struct vmdemo_space_args args = { .size = pages * VT_PAGE };
	int space = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	struct timespec began, ended;
	char byte;

	if (space < 0 || (used && pread(space, &byte, 1, VT_PAGE) != 1))
		vt_fail("a space of %ju pages: %s", (uintmax_t)pages, strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &began);
	close(space);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	return (ended.tv_sec - began.tv_sec) * 1000000000ULL + ended.tv_nsec - began.tv_nsec;
}

/* The end of a space that has no frames, or of a small one, is not paid for with all frames. */
TEST_F(attack, spaces_end_soon)
{
	static const struct {
		const char *what;
		__u64 pages;
		bool used;
	} kinds[] = {
		{ "large", VMDEMO_SPACE_MAX / VT_PAGE, true },
		{ "small", 16, true },
		{ "unused", VMDEMO_SPACE_MAX / VT_PAGE, false },
	};
	__u64 least[] = { ~0ULL, ~0ULL, ~0ULL }, took;
	int i, kind;

	ASSERT_EQ(vt_set("frames", "65536"), 0);
	/* In turn, and often: a worker does it, who may have to wait for a processor. */
	for (i = 0; i < 100; i++) {
		for (kind = 0; kind < 3; kind++) {
			took = end_ns(self->fd, kinds[kind].pages, kinds[kind].used);
			if (took < least[kind])
				least[kind] = took;
		}
	}
	for (kind = 0; kind < 3; kind++) {
		printf("# the end of a space that is %s takes %ju ns\n", kinds[kind].what,
		       (uintmax_t)least[kind]);
		if (kind)
			EXPECT_LT(least[kind], least[0] / 2);
	}
	EXPECT_TRUE(vt_balanced());
}

#define SHARE	8	/* spaces that a user may have */

/* As many spaces as there are to be had, one more, and one instead of another. */
static void take_spaces(int dev)
{
	int fds[SHARE], i;

	for (i = 0; i < SHARE; i++)
		MUST((fds[i] = make_space(dev)) >= 0);
	REFUSED(make_space(dev), EDQUOT);
	MUST(pwrite(fds[0], "x", 1, 0) == 1);
	close(fds[3]);
	MUST((fds[3] = make_space(dev)) >= 0);
	REFUSED(make_space(dev), EDQUOT);
}

/* In a user namespace of his own, somebody has all the IDs there that root has given to it. */
static void take_spaces_as_others(int dev)
{
	int fds[SHARE], ready[2], go[2], i;
	char byte, path[64];
	pid_t child;

	MUST(!pipe(ready) && !pipe(go));
	child = fork();
	MUST(child >= 0);
	if (!child) {
		become_nobody(0);
		/* Otherwise his files in /proc are root's. */
		MUST(!prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
		MUST(write(ready[1], unshare(CLONE_NEWUSER) ? "n" : "y", 1) == 1);
		MUST(read(go[0], &byte, 1) == 1);
		for (i = 0; i < SHARE; i++) {
			MUST(!setresuid(i + 1, 0, 0));
			MUST((fds[i] = make_space(dev)) >= 0);
		}
		MUST(!setresuid(SHARE + 1, 0, 0));
		REFUSED(make_space(dev), EDQUOT);
		_exit(0);
	}
	MUST(read(ready[0], &byte, 1) == 1);
	if (byte == 'y') {
		snprintf(path, sizeof(path), "/proc/%d/uid_map", child);
		i = open(path, O_WRONLY);
		MUST(i >= 0 && write(i, "0 100000 1000", 13) == 13 && write(go[1], "x", 1) == 1);
		MUST(!vt_reap(child));
	} else {
		printf("# no user namespaces for users: not tried\n");
		kill(child, SIGKILL);
		vt_reap(child);
	}
}

/* No user has more spaces than his share, by whatever name, and others have theirs. */
TEST_F(attack, spaces_of_one_user)
{
	int mine[2 * SHARE], i;
	pid_t pid;

	ASSERT_EQ(vt_set("spaces_per_user", "%d", SHARE), 0);
	EXPECT_EQ(let_nobody(take_spaces, self->fd, 0), 0);
	/* They have gone with him. */
	EXPECT_EQ(let_nobody(take_spaces, self->fd, 0), 0);
	for (i = 0; i < 2 * SHARE; i++) {
		mine[i] = make_space(self->fd);
		EXPECT_GE(mine[i], 0) TH_LOG("root's space %d: %s", i, strerror(errno));
	}
	EXPECT_EQ(let_nobody(take_spaces, self->fd, 0), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		take_spaces_as_others(self->fd);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	/* Root is somebody with a share as well, when he has no capabilities. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		drop_capabilities();
		REFUSED(make_space(self->fd), EDQUOT);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	for (i = 0; i < 2 * SHARE; i++)
		close(mine[i]);
	EXPECT_EQ(vt_set("spaces_per_user", "0"), 0);
	EXPECT_EQ(vt_set("swap", "none"), -EBUSY);
	close(self->fd);
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_EQ(vt_set("swap", "%s", vt_disk2()), 0);
	self->fd = vt_open(O_RDWR);
}

/* Pages of two spaces, by a store, a write and a reservation: together no more than SHARE. */
static void take_slots(int dev)
{
	int one = make_space(dev), two = make_space(dev), i;
	char *mem = vt_map(one, 0, PAGES, VT_RW, MAP_SHARED);

	for (i = 0; i < SHARE - 3; i++)
		MUST(!vt_try_write(mem + i * VT_PAGE, NULL));
	REFUSED(fallocate(two, 0, 0, 4 * VT_PAGE), EDQUOT);
	MUST(!fallocate(two, 0, 0, 2 * VT_PAGE));
	MUST(pwrite(two, "x", 1, 2 * VT_PAGE) == 1);
	for (i = 0; i < 3; i++) {
		/* What has a slot can be written again. */
		MUST(pwrite(two, "y", 1, 2 * VT_PAGE) == 1 && pwrite(two, "z", 1, 0) == 1);
		REFUSED(pwrite(two, "x", 1, 3 * VT_PAGE), EDQUOT);
		MUST(vt_try_write(mem + SHARE * VT_PAGE, NULL) == SIGBUS);
		MUST(vt_is_zero(mem + SHARE * VT_PAGE));
		REFUSED(fallocate(two, 0, 3 * VT_PAGE, VT_PAGE), EDQUOT);
		/* Somebody else's slot becomes free, and is his to have. */
		MUST(!vt_range(one, VMDEMO_IOC_DISCARD, i, 1, NULL));
		MUST(!vt_try_write(mem + i * VT_PAGE, NULL));
	}
	MUST(!ftruncate(two, 0));
	for (i = 0; i < 3; i++)
		MUST(!vt_try_write(mem + (SHARE + i) * VT_PAGE, NULL));
	MUST(vt_try_write(mem + 2 * SHARE * VT_PAGE, NULL) == SIGBUS);
}

/* The limit comes while he has more. */
static void keep_slots(int dev)
{
	int space = make_space(dev), i;

	for (i = 0; i < 2 * SHARE; i++)
		MUST(pwrite(space, "x", 1, i * VT_PAGE) == 1);
	MUST(!kill(getpid(), SIGSTOP));
	MUST(pwrite(space, "y", 1, 0) == 1);
	REFUSED(pwrite(space, "x", 1, i * VT_PAGE), EDQUOT);
	MUST(!vt_range(space, VMDEMO_IOC_DISCARD, 0, SHARE, NULL));
	REFUSED(pwrite(space, "x", 1, i * VT_PAGE), EDQUOT);
	MUST(!vt_range(space, VMDEMO_IOC_DISCARD, SHARE, 1, NULL));
	MUST(pwrite(space, "x", 1, i * VT_PAGE) == 1);
}

/* No user has more slots than his share, in all his spaces together, whenever it was set. */
TEST_F(attack, slots_of_one_user)
{
	__u64 slots = vt_get("stats/swap_free");
	int space, status, i;
	pid_t pid;

	ASSERT_EQ(vt_set("user_max_pages", "%d", SHARE), 0);
	EXPECT_EQ(let_nobody(take_slots, self->fd, 0), 0);
	EXPECT_EQ(vt_stat("swap_full"), 1 + 3 * 3 + 1);
	EXPECT_EQ(let_nobody(take_slots, self->fd, 0), 0);
	space = make_space(self->fd);
	for (i = 0; i < 2 * SHARE; i++)
		EXPECT_EQ(pwrite(space, "x", 1, i * VT_PAGE), 1);
	close(space);
	EXPECT_EQ(vt_set("user_max_pages", "0"), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		become_nobody(0);
		keep_slots(self->fd);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(vt_set("user_max_pages", "%d", SHARE), 0);
	ASSERT_EQ(kill(pid, SIGCONT), 0);
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_TRUE(vt_wait_stat("swap_free", slots, slots, 60));
}

#define BURST	64	/* pages of a space that are held at a time */

/* Put the pages of a burst into sockets that nobody reads; they hold them. False: no more. */
static bool hold_burst(char *mem, int pipefd[2], int sockets[2])
{
	struct iovec part = { mem, BURST * VT_PAGE };
	ssize_t left, moved;

	for (left = 0; left < (ssize_t)(BURST * VT_PAGE); left += moved) {
		moved = vmsplice(pipefd[1], &part, 1, SPLICE_F_NONBLOCK);
		if (moved <= 0)
			return false;
		part.iov_base = (char *)part.iov_base + moved;
		part.iov_len -= moved;
	}
	while (left > 0) {
		moved = splice(pipefd[0], NULL, sockets[0], NULL, left, SPLICE_F_NONBLOCK);
		if (moved > 0) {
			left -= moved;
			continue;
		}
		/* This one is full. */
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets))
			return false;
	}
	return true;
}

/* Hold pages of a space and punch them, again and again, as many as it goes. */
static void pile_up_pages(int fd)
{
	struct vmdemo_space_args args = { .size = BURST * VT_PAGE };
	int space = ioctl(fd, VMDEMO_IOC_SPACE, &args), pipefd[2], sockets[2], i, page;
	char *mem = vt_map(space, 0, BURST, VT_RW, MAP_SHARED);

	MUST(!pipe(pipefd) && fcntl(pipefd[1], F_SETPIPE_SZ, BURST * VT_PAGE) >= 0);
	MUST(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets));
	for (i = 0; i < 3 * MANY / BURST; i++) {
		for (page = 0; page < BURST && !vt_try_write(mem + page * VT_PAGE, NULL);)
			page++;
		if (page < BURST || !hold_burst(mem, pipefd, sockets) ||
		    fallocate(space, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			      BURST * VT_PAGE))
			break;
	}
	/* What it holds it holds until it is killed. */
	MUST(!kill(getpid(), SIGSTOP));
	pause();
}

/* Pages that are held and discarded are not replaced without end, and all come back. */
TEST_F(attack, held_and_punched)
{
	const struct rlimit files = { 8192, 8192 };
	long before = vt_memory_free(), used;
	__u64 orphaned, actual, lend;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		MUST(!setrlimit(RLIMIT_NOFILE, &files));
		become_nobody(0);
		pile_up_pages(self->fd);
		_exit(1);
	}
	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	used = before - vt_memory_free();
	printf("# %ld KiB of memory used\n", used);
	EXPECT_LT(used, 32 << 10);
	lend = vt_get("lend_pages");
	EXPECT_EQ(lend, MANY / 16);
	orphaned = vt_stat("pages_orphaned");
	actual = vt_get("frames_actual");
	printf("# %ju pages outside the pool, %ju frames\n", (uintmax_t)orphaned,
	       (uintmax_t)actual);
	EXPECT_GT(orphaned, lend);
	EXPECT_LE(orphaned + actual, MANY + lend);
	/* More frames are no way around it. */
	EXPECT_EQ(vt_set("frames", "%d", MANY + 256), 0);
	EXPECT_LE(vt_stat("pages_orphaned") + vt_get("frames_actual"),
		  MANY + 256 + vt_get("lend_pages"));
	EXPECT_EQ(vt_set("frames", "%d", MANY), 0);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	EXPECT_EQ(vt_reap(pid), 128 + SIGKILL);
	EXPECT_TRUE(vt_wait_stat("pages_orphaned", 0, 0, 60));
	EXPECT_EQ(vt_get("frames_actual"), MANY);
	EXPECT_TRUE(vt_balanced());
}

#define FEW	1024	/* frames */

/* Hold all frames, and some of those that are lent when there are no others. */
static void hold_frames(int fd)
{
	char *mem = vt_map(fd, 0, FEW + 16, PROT_READ, MAP_SHARED);
	struct iovec part = { mem, VT_PAGE };
	int pipefd[2], i;

	for (i = 0; i < FEW + 16; i++) {
		if (i % 256 == 0)
			MUST(!pipe(pipefd) && fcntl(pipefd[1], F_SETPIPE_SZ, 256 * VT_PAGE) >= 0);
		part.iov_base = mem + i * VT_PAGE;
		if (vt_try_read(part.iov_base, NULL)) {
			MUST(i >= FEW);
			break;
		}
		MUST(vmsplice(pipefd[1], &part, 1, SPLICE_F_NONBLOCK) == (ssize_t)VT_PAGE);
	}
	MUST(!kill(getpid(), SIGSTOP));
}

/* Use pages in turn, more than are lent at a time; how long the slowest takes, in milliseconds. */
static __u64 use_pages(char *mem, int pages, int *failed)
{
	__u64 began, slowest = 0;
	int i;

	for (i = 0; i < pages; i++) {
		began = vt_now_ms();
		*failed += !!vt_try_write(mem + i * VT_PAGE, NULL);
		if (vt_now_ms() - began > slowest)
			slowest = vt_now_ms() - began;
	}
	return slowest;
}

static bool two_at_once(char *mem, int pages)
{
	int i;

	for (i = 0; i < pages; i++)
		if (memcmp(mem + i * VT_PAGE, mem + (pages - 1 - i) * VT_PAGE, 64))
			return false;
	return true;
}

/* A user who holds all frames does not keep another one from theirs: that one is lent some. */
TEST_F(attack, all_frames_held)
{
	struct vmdemo_space_args args = { .size = PAGES * VT_PAGE };
	char *mem, *linear;
	int space, status, failed = 0, i;
	__u64 slowest = 0, took, lent;
	pid_t pid;

	ASSERT_EQ(vt_set("frames", "%d", FEW), 0);
	ASSERT_EQ(vt_set("read_ahead_pages", "0"), 0);
	space = ioctl(self->fd, VMDEMO_IOC_SPACE, &args);
	mem = vt_map(space, 0, PAGES, VT_RW, MAP_SHARED);
	linear = vt_map(self->fd, 8192, PAGES, VT_RW, MAP_SHARED);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		become_nobody(0);
		hold_frames(self->fd);
		_exit(1);
	}
	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_GE(vt_stat("frames_pinned"), FEW);
	for (i = 0; i < 4; i++) {
		took = use_pages(i % 2 ? mem : linear, PAGES, &failed);
		slowest = took > slowest ? took : slowest;
		if (failed)
			break;
	}
	printf("# slowest of %d stores %ju ms, %d failed\n", i * PAGES, (uintmax_t)slowest,
	       failed);
	EXPECT_EQ(failed, 0);
	lent = vt_stat("frames_lent");
	EXPECT_GT(lent, 16);
	EXPECT_LE(lent, vt_get("lend_pages"));
	EXPECT_LT(slowest, 4000);
	EXPECT_LE(vt_get("frames_actual"), FEW + vt_get("lend_pages"));
	if (!failed)
		EXPECT_TRUE(two_at_once(mem, PAGES));
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	EXPECT_EQ(vt_reap(pid), 128 + SIGKILL);
	EXPECT_TRUE(vt_wait_stat("frames_lent", 0, 0, 60));
	EXPECT_EQ(vt_get("frames_actual"), FEW);
	EXPECT_EQ(vt_stat("frames_pinned"), 0);
	munmap(mem, PAGES * VT_PAGE);
	munmap(linear, PAGES * VT_PAGE);
	close(space);
	EXPECT_TRUE(vt_balanced());
}

TEST_HARNESS_MAIN
