// SPDX-License-Identifier: GPL-2.0
/*
 * readahead.c - pages are read and mapped before they are asked for, once a sequence is proven
 *
 * Decides only; access.c reads, fault.c maps. A single reference has no page read but its own.
 * Three in a row of one stream prove it. From then on
 *
 *   a fault maps the resident pages that follow it as well (fault-around), twice as many each time,
 *   so that a sequence costs one fault in VMDEMO_AROUND_MAX pages;
 *   a miss reads a window of VMDEMO_WINDOW_MIN pages with its page, and the next one, twice as
 *   long, is read when half of the present one is behind: the program should never wait again.
 *
 * A stream that is left costs at most the windows in flight. Where a window finds all its pages
 * resident, reading stops until the next miss.
 *
 * An open file has VMDEMO_STREAMS streams, so that as many readers of one file, or as many arrays
 * walked by one loop, do not destroy each other's sequence; the one least recently continued makes
 * room, an unproven one rather than a proven. Pages mapped without a fault need not be used: so a
 * stream is continued by a reference anywhere from its next page to the end of what was read ahead.
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "readahead.h"

#define VMDEMO_PROOF		3

/* A proven sequence keeps its place through this many references that follow none. */
#define VMDEMO_PROVEN		256
#define VMDEMO_WINDOW_MIN	4U

/*
 * The stream that page @index continues, or the one to give up, emptied. NULL if it continues none
 * and is the page last referenced in one, which says nothing new.
 */
static struct vmdemo_stream *vmdemo_readahead_find(struct vmdemo_streams *streams, pgoff_t index)
{
	struct vmdemo_stream *victim = &streams->stream[0];
	bool again = false;
	int i;

	lockdep_assert_held(&streams->lock);
	for (i = 0; i < VMDEMO_STREAMS; i++) {
		struct vmdemo_stream *stream = &streams->stream[i];
		pgoff_t last = stream->next - 1;

		if (index - last <= stream->ahead - last) {
			if (index != last)
				return stream;
			again = true;
		}
		if (stream->used < victim->used)
			victim = stream;
	}
	if (again)
		return NULL;
	victim->ahead = index;
	victim->hits = 0;
	victim->window = 0;
	victim->around = 0;
	return victim;
}

/**
 * vmdemo_readahead_plan - a page was referenced: which others will be?
 * @streams: of the open file
 * @index:   the page
 * @advice:  what the program said about its accesses; not VMDEMO_ADVICE_RANDOM
 * @most:    longest window, in pages; 0: no readahead
 * @miss:    the page has to be read
 * @plan:    the answer; empty before
 *
 * Does not sleep. vmdemo_readahead_read() and vmdemo_readahead_mapped() tell what became of it.
 */
void vmdemo_readahead_plan(struct vmdemo_streams *streams, pgoff_t index,
			   enum vmdemo_advice advice, u32 most, bool miss,
			   struct vmdemo_plan *plan)
{
	struct vmdemo_stream *stream;

	if (!most)
		return;
	spin_lock(&streams->lock);
	stream = vmdemo_readahead_find(streams, index);
	if (!stream)
		goto out;
	plan->stream = stream;
	stream->used = ++streams->clock;
	stream->hits++;
	stream->next = index + 1;
	if (miss || stream->ahead < stream->next)
		stream->ahead = stream->next;
	if (stream->hits < VMDEMO_PROOF && advice != VMDEMO_ADVICE_SEQUENTIAL)
		goto out;
	stream->used += VMDEMO_PROVEN;
	stream->around = clamp(stream->around * 2, min(VMDEMO_WINDOW_MIN, most),
			       min(VMDEMO_AROUND_MAX, most));
	plan->around = stream->around;
	if (!miss && (!stream->window ||
		      stream->ahead - stream->next >= stream->window / 2 + stream->around))
		goto out;
	stream->window = clamp(stream->window * 2, min(VMDEMO_WINDOW_MIN, most), most);
	plan->start = stream->ahead;
	plan->nr = stream->window;
	stream->ahead += stream->window;
out:
	spin_unlock(&streams->lock);
}

/**
 * vmdemo_readahead_read - what became of a window
 * @streams: of the open file
 * @plan:    from vmdemo_readahead_plan()
 * @covered: pages of it that are resident now, or being read
 * @nr:      those of them that were read for it
 *
 * Does not sleep.
 */
void vmdemo_readahead_read(struct vmdemo_streams *streams, const struct vmdemo_plan *plan,
			   u32 covered, u32 nr)
{
	struct vmdemo_stream *stream = plan->stream;

	if (covered == plan->nr && nr)
		return;
	spin_lock(&streams->lock);
	/* Unless another stream has taken its place meanwhile. */
	if (stream->ahead == plan->start + plan->nr) {
		stream->ahead = max(stream->next, plan->start + covered);
		if (!nr)
			stream->window = 0;
	}
	spin_unlock(&streams->lock);
}

/**
 * vmdemo_readahead_mapped - pages after a referenced one were mapped: their faults will not come
 * @streams: of the open file
 * @stream:  from vmdemo_readahead_plan()
 * @index:   the page that was referenced
 * @nr:      how many after it
 *
 * Does not sleep.
 */
void vmdemo_readahead_mapped(struct vmdemo_streams *streams, struct vmdemo_stream *stream,
			     pgoff_t index, u32 nr)
{
	spin_lock(&streams->lock);
	if (stream->next == index + 1) {
		stream->next += nr;
		stream->ahead = max(stream->ahead, stream->next);
	}
	spin_unlock(&streams->lock);
}

/**
 * vmdemo_readahead_init - a file was opened: no streams yet
 * @streams: of the file
 */
void vmdemo_readahead_init(struct vmdemo_streams *streams)
{
	int i;

	memset(streams, 0, sizeof(*streams));
	spin_lock_init(&streams->lock);
	/* No page continues these. */
	for (i = 0; i < VMDEMO_STREAMS; i++) {
		streams->stream[i].next = ULONG_MAX;
		streams->stream[i].ahead = ULONG_MAX;
	}
}
