/* SPDX-License-Identifier: GPL-2.0 */
/*
 * readahead.h - pages are read and mapped before they are asked for, once a sequence is proven
 */
#ifndef VMDEMO_READAHEAD_H
#define VMDEMO_READAHEAD_H

#include <linux/spinlock.h>
#include <linux/types.h>

#define VMDEMO_STREAMS	4

/* Pages mapped around a fault at most: there is a pointer each on the stack. */
#define VMDEMO_AROUND_MAX	64U

enum vmdemo_advice {
	VMDEMO_ADVICE_NORMAL,
	VMDEMO_ADVICE_SEQUENTIAL,
	VMDEMO_ADVICE_RANDOM,
};

/* One sequence somebody seems to follow. */
struct vmdemo_stream {
	pgoff_t next;		/* at most ahead: the page whose reference would continue it */
	pgoff_t ahead;		/* pages before this one have been read ahead, or were resident */
	u32 hits;		/* references that continued it so far */
	u32 window;		/* pages of the last window, 0: none yet */
	u32 around;		/* pages mapped around the last fault */
	u64 used;		/* when it was last continued, for replacement */
};

/* The sequences of one open file. */
struct vmdemo_streams {
	spinlock_t lock;		/* a leaf */
	u64 clock;			/* under lock */
	struct vmdemo_stream stream[VMDEMO_STREAMS];	/* under lock */
};

/* What a reference asks for besides its page. */
struct vmdemo_plan {
	struct vmdemo_stream *stream;	/* that the reference belongs to; NULL: to none */
	u32 around;		/* following pages to map, as far as they are resident */
	pgoff_t start;		/* following pages to read */
	u32 nr;
};

void vmdemo_readahead_init(struct vmdemo_streams *streams);
void vmdemo_readahead_plan(struct vmdemo_streams *streams, pgoff_t index,
			   enum vmdemo_advice advice, u32 most, bool miss,
			   struct vmdemo_plan *plan);
void vmdemo_readahead_read(struct vmdemo_streams *streams, const struct vmdemo_plan *plan,
			   u32 covered, u32 nr);
void vmdemo_readahead_mapped(struct vmdemo_streams *streams, struct vmdemo_stream *stream,
			     pgoff_t index, u32 nr);

#endif /* VMDEMO_READAHEAD_H */
