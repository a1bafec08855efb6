/* SPDX-License-Identifier: GPL-2.0 */
/*
 * torture.h - what all processes of torture share, and what they do
 */
#ifndef VMDEMO_TORTURE_H
#define VMDEMO_TORTURE_H

#include "vmdemo_test.h"

#define WRITERS		3
#define GROUPS		(WRITERS + 1)	/* the last group's pages are only read */
#define PAGES		1024
#define TAIL		64		/* pages of a space that only one writer uses */
#define TAIL_AT(group)	(PAGES + (group) * TAIL)
#define ALL_PAGES	TAIL_AT(WRITERS)
#define SOURCE_SEED	77		/* contents of the second disk's first pages */
#define SOURCE_PAGES	256
#define SEED		55		/* contents of the device at the start */
#define TIGHT		32		/* pages of the tight space, and how many it may have */
#define TIGHT_MOST	10
#define WINDOW		24		/* pages in the window where most happens */
#define VECTOR		8
#define WORDS		(VT_PAGE / sizeof(__u64))

/* What all processes share. Each page of the shadow belongs to the page's owner. */
struct common {
	int stop;
	int failures;
	unsigned int window;
	__u64 operations[WRITERS];
	__u64 refused;			/* stores to the tight space, */
	__u32 tight[TIGHT];		/* and what its pages were filled with; 0: zeros */
	__u64 shadow[ALL_PAGES][WORDS];
};

/* One process and its view of the device. */
struct worker {
	unsigned int group;
	__u64 state;
	int fd;
	int disk;	/* the backing disk, read around us */
	int other;	/* the second disk */
	int pipe[2];
	char *mem;
	char *tail;	/* TAIL pages of a space, mapped by themselves */
	unsigned int tail_pages;	/* how many are there, from where it does not grow */
	char *tight;	/* the tight space */
	char *buffer;	/* private memory, VECTOR pages */
};

extern struct common *common;
extern int space;	/* the sparse space, if it is one, or -1 */
extern int tight;	/* and the tight one beside it */
extern bool segmented;

/* What goes wrong is told, a few times; then everybody stops. */
void unexpected(const char *what, size_t page);
bool stopped(void);
void compare(const char *what, size_t page, const void *data);
bool grows_down(unsigned int group);

/* What a process does until it is told to stop. */
void write_and_verify(struct worker *worker);
void read_and_verify(struct worker *worker);
void evict(struct worker *worker);

#endif /* VMDEMO_TORTURE_H */
