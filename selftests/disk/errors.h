/* SPDX-License-Identifier: GPL-2.0 */
/*
 * errors.h - what the tests begin with whose disk fails: the device on it, bound and mapped
 *
 * Included after kselftest_harness.h, once by each program.
 */
#ifndef VMDEMO_ERRORS_H
#define VMDEMO_ERRORS_H

#include "faulty.h"
#include "vmdemo_test.h"

#define FRAMES	64
#define PAGES	1024
#define SEED	17
#define BAD	10	/* the page that fails, where it is one */

FIXTURE(errors) {
	int fd;
	char *mem;
	char *buffer;	/* private memory, 64 pages */
};

static inline void start(struct _test_data_errors *self, unsigned int frames)
{
	vt_start(frames);
	/* Nothing goes out by age, unless a test wants that. */
	if (vt_set("dirty_age_ms", "0"))
		vt_fail("dirty_age_ms cannot be set");
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

static inline void stop(struct _test_data_errors *self)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

FIXTURE_SETUP(errors)
{
	put_between(PAGES, SEED);
	start(self, FRAMES);
	self->buffer = vt_buffer(64);
}

FIXTURE_TEARDOWN(errors)
{
	stop(self);
	clear_away();
}

/* Store new contents by the mapping. */
static inline void store(struct _test_data_errors *self, size_t first, size_t pages, __u64 seed)
{
	size_t i;

	for (i = first; i < first + pages; i++)
		vt_fill(self->mem + i * VT_PAGE, i, seed);
}

#endif /* VMDEMO_ERRORS_H */
