/* SPDX-License-Identifier: GPL-2.0 */
/*
 * space_mount.h - what the tests of mounted spaces begin with: a directory, and what is in it
 *
 * Included after kselftest_harness.h, once by each program. where() names big, where a file system
 * is mounted, and two, where a test may mount another.
 */
#ifndef VMDEMO_SPACE_MOUNT_H
#define VMDEMO_SPACE_MOUNT_H

#include <dirent.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "vmdemo_test.h"

#define FRAMES		64
#define BIG		512	/* pages: much more than the frames */
#define SEED		23

/* The directory of the test. */
static char base[32];

/* A path in there, for the next few calls. */
static inline const char *__printf(1, 2) where(const char *format, ...)
{
	static char paths[8][256];
	static unsigned int turn;
	char *path = paths[turn++ % 8];
	int used = snprintf(path, sizeof(paths[0]), "%s/", base);
	va_list args;

	va_start(args, format);
	vsnprintf(path + used, sizeof(paths[0]) - used, format, args);
	va_end(args);
	return path;
}

/* 0 or -errno */
static inline int try_mount(const char *name, unsigned long flags, const char *options)
{
	return mount("none", where("%s", name), "vmdemo", flags, options) ? -errno : 0;
}

static inline int try_umount(const char *name)
{
	return umount(where("%s", name)) ? -errno : 0;
}

static inline int must_open(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		vt_fail("%s: %s", path, strerror(errno));
	return fd;
}

/* Map a file of the mount by its name; it need not be open any longer. */
static inline char *map_file(const char *path, size_t pages, int prot)
{
	int fd = must_open(path, prot & PROT_WRITE ? O_RDWR : O_RDONLY);
	char *mem = vt_map(fd, 0, pages, prot, MAP_SHARED);

	close(fd);
	return mem;
}

/* A new file, stored by a mapping. */
static inline void make_file(const char *path, size_t pages, __u64 seed)
{
	int fd = must_open(path, O_RDWR | O_CREAT | O_EXCL);
	size_t i;
	char *mem;

	if (ftruncate(fd, pages * VT_PAGE))
		vt_fail("ftruncate: %s", strerror(errno));
	mem = vt_map(fd, 0, pages, VT_RW, MAP_SHARED);
	close(fd);
	for (i = 0; i < pages; i++)
		vt_fill(mem + i * VT_PAGE, i, seed);
	munmap(mem, pages * VT_PAGE);
}

static inline size_t bad_pages(const char *path, size_t pages, __u64 seed)
{
	char *mem = map_file(path, pages, PROT_READ);
	size_t bad = vt_count_bad(mem, 0, pages, seed);

	munmap(mem, pages * VT_PAGE);
	return bad;
}

static inline struct stat stat_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		vt_fail("%s: %s", path, strerror(errno));
	return st;
}

static inline struct statfs statfs_of(const char *path)
{
	struct statfs st;

	if (statfs(path, &st))
		vt_fail("statfs of %s: %s", path, strerror(errno));
	return st;
}

/* Names in a directory, or -1 if one is not as it should be. */
static inline long count_names(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	long nr = 0;

	if (!dir)
		vt_fail("%s: %s", path, strerror(errno));
	while ((entry = readdir(dir)))
		nr += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(dir);
	return nr;
}

/* Every frame and every slot is free. */
static inline bool all_free(void)
{
	return vt_wait_stat("frames_free", FRAMES, FRAMES, 20) &&
	       vt_wait_stat("swap_free", vt_get("swap_slots"), vt_get("swap_slots"), 20);
}

FIXTURE(mount) {
	__u64 slots;
};

FIXTURE_SETUP(mount)
{
	vt_load("swap=%s frames=%d", vt_disk2(), FRAMES);
	self->slots = vt_get("swap_slots");
	snprintf(base, sizeof(base), "/tmp/vmdemo-mount.XXXXXX");
	ASSERT_NE(mkdtemp(base), NULL);
	ASSERT_EQ(mkdir(where("big"), 0700), 0);
	ASSERT_EQ(mkdir(where("two"), 0700), 0);
	ASSERT_EQ(try_mount("big", 0, "device=vmdemo"), 0);
}

/* Whatever a test has left: it holds nothing after it has ended. */
FIXTURE_TEARDOWN(mount)
{
	while (!try_umount("two") || !try_umount("big"))
		;
	EXPECT_TRUE(all_free());
	rmdir(where("two"));
	rmdir(where("big"));
	rmdir(base);
}

#endif /* VMDEMO_SPACE_MOUNT_H */
