/* SPDX-License-Identifier: GPL-2.0 */
/*
 * workload.h - processes that read, write and sync a device at random, and know what must be there
 *
 * Each has pages of its own, so that it can tell what each of them holds. Every store has a new
 * version; what fsync has acknowledged must be on the disk whatever happened since. Errors are
 * counted: whether there may be any is the test's to say.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include "vmdemo_test.h"

/* What is known of a page, in memory that the processes share. */
struct work_page {
	__u32 written;	/* version of the latest store, or of one that was tried */
	__u32 synced;	/* version that is on the disk, or was when a later one was stored */
	__u32 doubtful;	/* the latest store failed or was cut short: the page may be mixed */
};

struct work {
	const char *device;
	size_t first, pages;
	__u64 seed;		/* version 0 of page n is vt_fill(n, seed) */
	unsigned int workers;
	pid_t *pid;
	__u64 *done;		/* of each worker: operations, */
	__u64 *failed;		/* loads and stores that failed, or got SIGBUS */
	__u64 *unsynced;	/* fsyncs that failed */
	__u64 *wrong;		/* loads that found what nobody wrote, other errors */
	__u64 *syncs;		/* and fsyncs that succeeded */
	bool *stop;
	struct work_page *page;
};

/* The disk holds version 0. work_start() may be called again after work_end() or work_kill(). */
void work_init(struct work *work, const char *device, size_t first, size_t pages, __u64 seed,
	       unsigned int workers);
void work_start(struct work *work);
void work_free(struct work *work);

/* Let them end; false if one is still there after @seconds, which is then killed. */
bool work_end(struct work *work, int seconds);

/* Kill them; false if one is still there after @seconds. */
bool work_kill(struct work *work, int seconds);

/* Wait until nobody does anything for a while: all of them are waiting for something. */
bool work_stands_still(struct work *work, int seconds);

/* Wait until every worker has done @more operations more, or has failed @more times. */
bool work_wait_done(struct work *work, __u64 more, int seconds);
bool work_wait_failed(struct work *work, __u64 more, int seconds);

__u64 work_failed(const struct work *work);
__u64 work_unsynced(const struct work *work);
__u64 work_wrong(const struct work *work);
__u64 work_syncs(const struct work *work);

/* How many pages of the disk hold something older than was acknowledged, or what nobody wrote. */
size_t work_check_disk(const struct work *work, const char *disk);

#endif /* WORKLOAD_H */
