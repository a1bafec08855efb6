/* SPDX-License-Identifier: GPL-2.0 */
/*
 * readahead.h - pages are read before they are asked for, once a sequence is proven
 */
#ifndef VMDEMO_READAHEAD_H
#define VMDEMO_READAHEAD_H

#include <linux/spinlock.h>
#include <linux/types.h>

#define VMDEMO_STREAMS	4

enum vmdemo_advice {
	VMDEMO_ADVICE_NORMAL,
	VMDEMO_ADVICE_SEQUENTIAL,
	VMDEMO_ADVICE_RANDOM,
};

/* One sequence somebody seems to follow. */
struct vmdemo_stream {
	pgoff_t next;		/* the page whose miss would continue it */
	u32 hits;		/* misses that continued it so far */
	u32 window;		/* pages of the last window, 0: none yet */
	u64 used;		/* when it was last continued, for replacement */
};

/* The sequences of one open file. */
struct vmdemo_streams {
	spinlock_t lock;		/* a leaf */
	u64 clock;			/* under lock */
	struct vmdemo_stream stream[VMDEMO_STREAMS];	/* under lock */
};

/* What to read besides the page asked for. */
struct vmdemo_window {
	pgoff_t start;
	u32 nr;
	u32 mark;	/* touching page start + mark asks for the next window */
};

void vmdemo_readahead_init(struct vmdemo_streams *streams);
void vmdemo_readahead_miss(struct vmdemo_streams *streams, pgoff_t index, enum vmdemo_advice advice,
			   u32 most, struct vmdemo_window *window);
void vmdemo_readahead_mark(struct vmdemo_streams *streams, pgoff_t index, u32 most,
			   struct vmdemo_window *window);

#endif /* VMDEMO_READAHEAD_H */
