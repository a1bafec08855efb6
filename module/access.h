/* SPDX-License-Identifier: GPL-2.0 */
/*
 * access.h - one request for a page of a space
 */
#ifndef VMDEMO_ACCESS_H
#define VMDEMO_ACCESS_H

#include "frame.h"
#include "latency.h"
#include "readahead.h"

/* Where a request comes from. */
enum vmdemo_asker {
	VMDEMO_ASK_FAULT,
	VMDEMO_ASK_RW,		/* read(2), write(2) */
};

/* What an attempt has come to. */
enum vmdemo_tried {
	VMDEMO_TRY_DONE,	/* acc->folio is the page */
	VMDEMO_TRY_WAIT,	/* vmdemo_access_wait() is next, then another attempt */
	VMDEMO_TRY_BEYOND,	/* there is no such page: beyond the end, or in a hole */
	VMDEMO_TRY_UNREADABLE,	/* its disk has not given it */
	VMDEMO_TRY_LOST,	/* it is gone with the memory of its frame */
	/* Inside access.c only: */
	VMDEMO_TRY_AGAIN,	/* what was looked at has changed */
	VMDEMO_TRY_SETTLE,	/* the page is in a frame, and may be locked by its read */
};

/* What a request lacks. */
enum vmdemo_lack {
	VMDEMO_LACK_NOTHING,
	VMDEMO_LACK_PAGE,	/* acc->folio is being read, or locked */
	VMDEMO_LACK_WRITE,	/* acc->folio is being written, and must not change meanwhile */
	VMDEMO_LACK_FRAME,
	VMDEMO_LACK_OPEN,	/* the page is being discarded */
};

/*
 * A request, from the first attempt to the last, on its caller's stack:
 *
 *   VMDEMO_ACCESS_INIT()
 *   vmdemo_access_try()	until it is no longer VMDEMO_TRY_WAIT; in between, without locks,
 *   vmdemo_access_wait()
 *   vmdemo_access_end()
 */
struct vmdemo_access {
	/* The question. */
	struct vmdemo_space *space;
	struct vmdemo_streams *streams;	/* NULL: no readahead */
	pgoff_t index;
	enum vmdemo_asker asker : 8;
	enum vmdemo_advice advice : 8;
	bool write;			/* the page changes: not while it is written out */
	bool overwrite;			/* all of it will be: do not read it */
	bool again;			/* the second attempt of a fault: see VMDEMO_FRAME_FAILED */
	u64 id;				/* for tracing */
	u64 began;			/* of a fault, by vmdemo_clock() */

	/* The answer. */
	struct folio *folio;		/* the page: locked, referenced; or what to wait for */
	struct vmdemo_plan plan;	/* what the reference asks for besides its page */
	bool loaded;			/* a read was submitted */
	bool zeroed;			/* the page was nowhere yet, and is zeros now */
	bool near;			/* a fault may map its neighbours, too */
	enum vmdemo_latency_kind kind : 8;	/* as what the fault was counted */

	/* On the way. */
	enum vmdemo_lack lack : 8;
	bool alone;			/* the last read was for this page only */
	bool fetch;			/* see vmdemo_access_fetch() */
	u32 spare;			/* a free frame of this request, or VMDEMO_NONE */
};

/*
 * Initializes a request where it is declared. An assignment later would fill it a second time: with
 * CONFIG_INIT_STACK_ALL_ZERO the compiler zeroes a variable that has no initializer.
 */
#define VMDEMO_ACCESS_INIT(_space, _index, _asker) \
	{ .space = (_space), .index = (_index), .asker = (_asker), .spare = VMDEMO_NONE }

enum vmdemo_tried vmdemo_access_try(struct vmdemo_access *acc);
int vmdemo_access_wait(struct vmdemo_access *acc);
int vmdemo_access_get(struct vmdemo_access *acc);
void vmdemo_access_fetch(struct vmdemo_access *acc);
void vmdemo_access_give_back(struct vmdemo_access *acc);

/* A request is done, or given up: give back what it still holds. The page is the caller's. */
static inline void vmdemo_access_end(struct vmdemo_access *acc)
{
	if (unlikely(acc->lack != VMDEMO_LACK_NOTHING || acc->spare != VMDEMO_NONE))
		vmdemo_access_give_back(acc);
}

#endif /* VMDEMO_ACCESS_H */
