/* SPDX-License-Identifier: GPL-2.0 */
/*
 * space.h - what the tests of sparse spaces begin with: a swap device and few frames
 *
 * Included after kselftest_harness.h, once by each program.
 */
#ifndef VMDEMO_SPACE_TEST_H
#define VMDEMO_SPACE_TEST_H

#include <sys/stat.h>

#include "dm.h"
#include "vmdemo_test.h"

#define FRAMES	64
#define PAGES	512
#define SEED	21
#define DM	"vmdemo-space"

FIXTURE(space) {
	int dev;
};

static inline void remove_dm(void)
{
	if (!dm_exists(DM))
		return;
	vt_try_unload();
	dm_remove(DM);
}

FIXTURE_SETUP(space)
{
	remove_dm();
	vt_load("backing=%s swap=%s frames=%d", vt_disk(), vt_disk2(), FRAMES);
	self->dev = vt_open(O_RDWR);
}

FIXTURE_TEARDOWN(space)
{
	if (self->dev >= 0)
		close(self->dev);
	remove_dm();
}

/* A descriptor of a new space, or -errno. */
static inline int try_space(int dev, __u64 bytes, __u64 max_pages)
{
	struct vmdemo_space_args args = { .size = bytes, .max_pages = max_pages };
	int fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);

	return fd < 0 ? -errno : fd;
}

static inline int make_space(int dev, __u64 bytes)
{
	int fd = try_space(dev, bytes, 0);

	if (fd < 0)
		vt_fail("no space of %llu bytes: %s", bytes, strerror(-fd));
	return fd;
}

static inline char *map_space(int fd, __u64 offset, size_t bytes, int flags)
{
	char *mem = mmap(NULL, bytes, VT_RW, flags, fd, offset);

	if (mem == MAP_FAILED)
		vt_fail("mmap of a space at %llu: %s", offset, strerror(errno));
	return mem;
}

static inline void fill(char *mem, size_t first, size_t pages, __u64 seed)
{
	size_t i;

	for (i = first; i < first + pages; i++)
		vt_fill(mem + i * VT_PAGE, i, seed);
}

static inline __u64 blocks(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		vt_fail("fstat: %s", strerror(errno));
	return st.st_blocks;
}

/* Every frame is free: what there was has gone with its last user. */
static inline bool all_free(void)
{
	return vt_wait_stat("frames_free", FRAMES, FRAMES, 20) &&
	       vt_wait_stat("swap_free", vt_get("swap_slots"), vt_get("swap_slots"), 20);
}

#endif /* VMDEMO_SPACE_TEST_H */
