// SPDX-License-Identifier: GPL-2.0
/*
 * readahead.c - pages are read before they are asked for, once a sequence is proven
 *
 * Decides only; space.c reads. A miss alone brings its page and no other. Three misses in a row of
 * one stream prove it: then a window of VMDEMO_WINDOW_MIN pages is read with the page, and the next
 * one, twice as long, when the program touches the page marked in the middle of the present one, so
 * that it should never wait again. A stream that is left costs at most the window in flight.
 *
 * An open file has VMDEMO_STREAMS streams, so that as many readers of one file, or as many arrays
 * walked by one loop, do not destroy each other's sequence; the one least recently continued makes
 * room.
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "readahead.h"

#define VMDEMO_PROOF		3
#define VMDEMO_WINDOW_MIN	4U

/* The stream that page @index continues, or the one to give up; @found tells which. */
static struct vmdemo_stream *vmdemo_readahead_find(struct vmdemo_streams *streams, pgoff_t index,
						   bool *found)
{
	struct vmdemo_stream *victim = &streams->stream[0];
	int i;

	lockdep_assert_held(&streams->lock);
	for (i = 0; i < VMDEMO_STREAMS; i++) {
		struct vmdemo_stream *stream = &streams->stream[i];

		if (stream->hits && stream->next == index) {
			*found = true;
			return stream;
		}
		if (stream->used < victim->used)
			victim = stream;
	}
	*found = false;
	return victim;
}

/* The next window of @stream, from @start on. */
static void vmdemo_readahead_grow(struct vmdemo_stream *stream, pgoff_t start, u32 most,
				  struct vmdemo_window *window)
{
	stream->window = clamp(stream->window * 2, min(VMDEMO_WINDOW_MIN, most), most);
	stream->next = start + stream->window;
	window->start = start;
	window->nr = stream->window;
	window->mark = stream->window / 2;
}

/**
 * vmdemo_readahead_miss - a page is about to be read: what else?
 * @streams: of the open file
 * @index:   the page
 * @advice:  what the program said about its accesses
 * @most:    longest window, in pages; 0: no readahead
 * @window:  the answer; nr is 0 for nothing
 *
 * Does not sleep.
 */
void vmdemo_readahead_miss(struct vmdemo_streams *streams, pgoff_t index, enum vmdemo_advice advice,
			   u32 most, struct vmdemo_window *window)
{
	struct vmdemo_stream *stream;
	bool found;

	window->nr = 0;
	if (!most || advice == VMDEMO_ADVICE_RANDOM)
		return;
	spin_lock(&streams->lock);
	stream = vmdemo_readahead_find(streams, index, &found);
	if (!found)
		*stream = (struct vmdemo_stream){};
	stream->used = ++streams->clock;
	stream->next = index + 1;
	stream->hits++;
	if (stream->hits >= VMDEMO_PROOF || advice == VMDEMO_ADVICE_SEQUENTIAL)
		vmdemo_readahead_grow(stream, index + 1, most, window);
	spin_unlock(&streams->lock);
}

/**
 * vmdemo_readahead_mark - a marked page was touched: what comes next?
 * @streams: of the open file
 * @index:   the page
 * @most:    longest window, in pages; 0: no readahead
 * @window:  the answer; nr is 0 if no stream of this file runs there
 *
 * Does not sleep.
 */
void vmdemo_readahead_mark(struct vmdemo_streams *streams, pgoff_t index, u32 most,
			   struct vmdemo_window *window)
{
	int i;

	window->nr = 0;
	if (!most)
		return;
	spin_lock(&streams->lock);
	for (i = 0; i < VMDEMO_STREAMS; i++) {
		struct vmdemo_stream *stream = &streams->stream[i];

		if (!stream->window || index >= stream->next ||
		    index < stream->next - stream->window)
			continue;
		stream->used = ++streams->clock;
		vmdemo_readahead_grow(stream, stream->next, most, window);
		break;
	}
	spin_unlock(&streams->lock);
}

/**
 * vmdemo_readahead_init - a file was opened: no streams yet
 * @streams: of the file
 */
void vmdemo_readahead_init(struct vmdemo_streams *streams)
{
	memset(streams, 0, sizeof(*streams));
	spin_lock_init(&streams->lock);
}
