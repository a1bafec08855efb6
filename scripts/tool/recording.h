/* SPDX-License-Identifier: GPL-2.0 */
/*
 * recording.h - the file that `vmdemo record` writes and `vmdemo report` reads
 *
 * Lines of text. The first is RECORDING_MAGIC; each other one begins with a letter that says what
 * it is, and has fields with a blank between. Numbers are decimal. A text has each byte that is not
 * from ! to ~, and each %, as % and two hexadecimal digits; an empty one is a single %. NS is
 * nanoseconds since the recording began.
 *
 * First what things were like before:
 *   i NAME TEXT      a fact of the recording: device, version, kernel, began (seconds since 1970),
 *                    page_size, pages (of the device), frames, command
 *   s NAME TEXT      a setting or a fact of the device
 *   c NAME...        names of the counters and gauges that lines v have
 * Then what happened, nearly in the order of NS: it may be some microseconds off, and v more:
 *   m PAGE FRAME STATE FLAGS
 *                    a page of the device that was in a frame (enum vmdemo_page_state); these
 *                    stand at the beginning, and other lines between them if there are many
 *   v NS NUMBER...   the counters and gauges
 *   n TASK PROCESS NAME
 *                    the name that a task has in the lines that follow
 *   f NS TOOK TASK SPACE PAGE KIND ACCESS FRAME READ
 *                    a page fault that ended, and took TOOK ns: hard (it read the page), ahead (the
 *                    page had been read ahead, as far as events tell), wait (for a read that
 *                    another had begun), soft (the page was in a frame), zero (filled with
 *                    zeros), failed; by a read (r) or a write (w); FRAME is -1 if it failed; READ
 *                    is how many pages it asked the disk for. SPACE is 0 for the device itself,
 *                    others are sparse spaces
 *   p NS EVENT SPACE PAGE FRAME
 *                    what a policy saw, as by the tracepoint vmdemo_policy
 *   w NS SPACE PAGE NR
 *                    pages are being written to the disk
 *   d NS SPACE PAGE NR ERROR
 *                    they have been
 *   l NS NR          at least NR events before the next are missing
 * And at last:
 *   M PAGE FRAME STATE FLAGS
 *                    as m, at the end, if the device still had a disk
 *   e NS LOST        the end, and how many events were lost in all
 */
#ifndef RECORDING_H
#define RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORDING_MAGIC	"vmdemo-recording 1"

/* Of a key, as of events of policies: the page; above are those of the space. */
#define KEY_PAGE_BITS	36

/* report.html, which is part of the program. */
extern const char report_template[];

enum fault_kind {
	KIND_HARD,
	KIND_AHEAD,
	KIND_WAITED,
	KIND_SOFT,
	KIND_ZERO,
	KIND_FAILED,
	NR_KINDS
};

/* ---- recording.c: what was recorded ---- */

extern const char *const kinds[NR_KINDS];

/* What may happen to a page. */
enum change {
	CHANGE_GONE,
	CHANGE_IN,
	CHANGE_ACTIVE,
	CHANGE_STANDBY,
	CHANGE_TOUCHED,
	CHANGE_LATE,
	CHANGE_NOTHING,
	CHANGE_DIRTY,
	CHANGE_CLEAN,
	CHANGE_READ, /* by a hard fault, after it came in */
};

/* Of a page, or of several. */
struct happening {
	uint64_t ns;
	uint64_t key;
	uint32_t nr; /* pages from that one on, if it is CHANGE_CLEAN */
	enum change change : 8;
	bool known; /* from before the recording */
};

struct fault_line {
	uint64_t ns;
	uint64_t took;
	uint64_t key;
	enum fault_kind kind;
	size_t name;
};

struct text_pair {
	char *name;
	char *text;
};

struct name {
	uint64_t task;
	uint64_t process;
	char *text;
	/* For the reader: of a process, at the first name that it has. */
	uint64_t nr[NR_KINDS];
	uint64_t took;
};

#define MOST_COUNTERS	512

/**
 * struct recording - all that a file says
 * @keys:    the pages, sorted, once recording_sort_keys() was called
 * @samples: one after the other, of a time and all counters
 * @gaps:    when events were missing
 */
extern struct recording {
	struct happening *happenings;
	struct fault_line *faults;
	struct text_pair *facts, *settings;
	struct name *names;
	uint64_t *samples, *keys, *gaps;
	size_t nr_happenings, nr_faults, nr_facts, nr_settings, nr_names, nr_samples, nr_keys;
	size_t nr_gaps, nr_counters;
	char *counters[MOST_COUNTERS];
	uint64_t nr_pages, nr_frames, duration, lost;
} rec;

/* Ends the program if it is none, or cut off. */
void recording_read(const char *file);

/* What anything happens to, and if @whole all pages of the device, too. */
void recording_sort_keys(bool whole);

/* Of the first in rec.keys that is not less. */
size_t index_of(uint64_t key);

static inline uint64_t key_of(uint64_t space, uint64_t page)
{
	return space << KEY_PAGE_BITS | page;
}

/* For qsort(3), of numbers of 64 bits. */
int by_number(const void *a, const void *b);

/* Something that a page is referred to by; a hard fault only if its page did not come in before. */
bool is_reference(enum change change);

/* ---- curve.c ---- */

/* A reference to a page, by a number of its own; @missed: the page had to be read. */
struct reference {
	uint32_t page;
	bool missed;
};

/* A point of the curve: with @frames this many of the misses would have been left. */
struct point {
	uint64_t frames;
	uint64_t misses;
};

/*
 * What LRU with more frames than there were would have saved. Pages have numbers below
 * @nr_pages. Returns the points, by frames, and *@nr_points.
 */
struct point *curve_of(const struct reference *references, size_t nr, size_t nr_pages,
		       size_t frames, size_t *nr_points);

#endif /* RECORDING_H */
