/* SPDX-License-Identifier: GPL-2.0 */
/*
 * faulty.h - a disk that refuses, is slow, or does not answer, as it is told
 *
 * Between vmdemo and the disk stands a device of the device mapper, whose table decides which pages
 * fail. It is changed while vmdemo has the device bound.
 */
#ifndef VMDEMO_FAULTY_H
#define VMDEMO_FAULTY_H

#include "dm.h"

#define FAULTY_NAME	"vmdemo-errors"
#define FAULTY_DISK	DM_PATH(FAULTY_NAME)

/* The disk below. */
extern char lower[256];

/*
 * Put the device between, and have vt_disk() name it; the disk below is filled. clear_away() is for
 * the end, and for a test that failed and may have left module and device in any state.
 */
void put_between(size_t pages, __u64 seed);
void clear_away(void);

/* All pages are right again. */
void heal(void);

/* These pages fail, not those before and behind; first is not 0. */
void break_pages(size_t first, size_t pages);
void break_all(void);

/* Writes go to @disk, and with @reads reads too, but only after @ms milliseconds. */
void slow_down(const char *disk, unsigned int ms, bool reads);

/* Writes fail, and with @reads reads too, but only after @ms milliseconds. */
void break_slowly(unsigned int ms, bool reads);

/* The device has a write cache to be flushed. With @fails writes fail, and flushes. */
void have_write_cache(bool fails);

/* The device takes requests and does not answer; it answers them all after answer(). */
void silence(void);
void answer(void);

#endif /* VMDEMO_FAULTY_H */
