/* SPDX-License-Identifier: GPL-2.0 */
/*
 * loops.h - stores that are known to all, so that none can be lost unseen
 */
#ifndef VMDEMO_LOOPS_H
#define VMDEMO_LOOPS_H

#include "vmdemo_test.h"

#define PAGES	512
#define SEED	23
#define SEED2	24	/* contents of the second disk: a page of one is none of the other */

/*
 * Each storer has a word of its own in every page, and what it stored there last is known to all,
 * whenever it is killed: so that must be there, or what it was just storing.
 */
#define STORERS	16
#define WORD(storer)	(8 + (storer))

struct known {
	__u64 stored[PAGES];	/* 0: nothing yet */
	__u64 trying[PAGES];
};

struct shared {
	struct known known[2][STORERS];	/* of each disk */
	__u64 mapped, stores;
	__u64 turns[STORERS];	/* how often a wait that should be killed came to its end */
	__u64 wrong;
};

extern struct shared *shared;	/* in memory that the processes share */

/* Of the first contents of a disk: 0 or 1. */
__u64 seed_of(int disk);

/* Something is wrong: it is counted, and told once. */
void wrong(const char *what, size_t page);

/* The number of pages that miss a store, or are not of this disk. Nobody stores meanwhile. */
size_t count_wrong(const char *pages, int disk);
size_t wrong_on_disk(const char *path, int disk);

/* Store a new value into the storer's word of a page: by the mapping, or with @fd by pwrite(2). */
void store_own(char *mem, int fd, int disk, int storer, size_t page, __u64 value);

#endif /* VMDEMO_LOOPS_H */
