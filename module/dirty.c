// SPDX-License-Identifier: GPL-2.0
/*
 * dirty.c - which frames hold data that is not on the device yet
 *
 * A bit per frame: set when the frame becomes dirty, cleared when a write that began later has
 * ended well. So one look finds what is dirty and what is being written. A second bit says that a
 * write is on its way: what PG_writeback says of other pages, without its accounting, which costs
 * more than all the rest of a write here.
 */
#include <linux/wait_bit.h>

#include "dirty.h"

/* The first frame has become unwritten: have the flusher look before it is too old. Rare. */
static noinline void vmdemo_dirty_arm_flusher(struct vmdemo_pool *pool)
{
	if (READ_ONCE(pool->set.dirty_age_ms))
		queue_delayed_work(pool->flusher, &pool->flush_work,
				   vmdemo_dirty_flush_delay(pool));
}

static __always_inline void vmdemo_dirty_mark(struct vmdemo_pool *pool, u32 frame)
{
	struct vmdemo_chunk *chunk = pool->chunks[frame >> VMDEMO_CHUNK_SHIFT];

	if (test_and_set_bit(frame & (VMDEMO_CHUNK_FRAMES - 1), chunk->unwritten))
		return;
	/* Counted before the age is read: pairs with vmdemo_writeback_set_age(). */
	if (atomic_inc_return(&pool->nr_unwritten) == 1)
		vmdemo_dirty_arm_flusher(pool);
}

/**
 * vmdemo_dirty_set - a page becomes dirty
 * @pool:  the pool
 * @folio: the page, in a frame
 *
 * Any context: it is called under the PTE lock. Returns whether it was clean.
 */
bool vmdemo_dirty_set(struct vmdemo_pool *pool, struct folio *folio)
{
	bool was_clean = !folio_test_set_dirty(folio);

	/* Pages of sparse spaces need not become durable: they go out when they have to. */
	if (!folio_test_swapbacked(folio))
		vmdemo_dirty_mark(pool, vmdemo_frame_nr(folio));
	return was_clean;
}

/**
 * vmdemo_dirty_unmark - what a frame held is on the device, or given up
 * @pool:  the pool
 * @frame: its number
 * @folio: its folio, still ours (being written, or locked)
 *
 * The order against the dirty flag: a writer sets the flag, then the bit; here the bit goes first
 * and the flag is read after, so a page dirtied meanwhile keeps its bit. For a moment it has none:
 * then it is still being written, and vmdemo_dirty_unwritten() sees that. Any context.
 */
void vmdemo_dirty_unmark(struct vmdemo_pool *pool, u32 frame, struct folio *folio)
{
	struct vmdemo_chunk *chunk = pool->chunks[frame >> VMDEMO_CHUNK_SHIFT];
	u32 bit = frame & (VMDEMO_CHUNK_FRAMES - 1);

	/* Dirty again already, or all the while: it remains as it is. */
	if (folio_test_dirty(folio))
		return;
	if (test_bit(bit, chunk->aged))
		clear_bit(bit, chunk->aged);
	if (!test_and_clear_bit(bit, chunk->unwritten))
		return;
	/* After all that made it clean, or lost: pairs with vmdemo_writeback_range(). */
	atomic_dec(&pool->nr_unwritten);
	if (folio_test_dirty(folio))
		vmdemo_dirty_mark(pool, frame);
	if (wq_has_sleeper(&pool->clean_wait))
		wake_up_all(&pool->clean_wait);
}

/**
 * vmdemo_dirty_next - the first unwritten frame
 * @pool:  the pool
 * @frame: number to begin with
 *
 * A snapshot. Any context. Returns its number, or VMDEMO_NONE.
 */
u32 vmdemo_dirty_next(struct vmdemo_pool *pool, u32 frame)
{
	u32 top = vmdemo_pool_top(pool);

	while (frame < top) {
		struct vmdemo_chunk *chunk = pool->chunks[frame >> VMDEMO_CHUNK_SHIFT];
		u32 bit = frame & (VMDEMO_CHUNK_FRAMES - 1);

		/* Bits come and go meanwhile. */
		bit = data_race(find_next_bit(chunk->unwritten, VMDEMO_CHUNK_FRAMES, bit));
		frame = (frame & ~(VMDEMO_CHUNK_FRAMES - 1)) + bit;
		if (bit < VMDEMO_CHUNK_FRAMES)
			return frame;
	}
	return VMDEMO_NONE;
}

/**
 * vmdemo_dirty_next_sure - the first frame that is unwritten or being written
 * @pool:  the pool
 * @frame: number to begin with
 *
 * Misses no frame that was unwritten when it was called, unless it is on the device when this
 * returns: a write that ends takes the one bit away, gives it back if the page is dirty again, and
 * only then takes away the other, which is read first here. Any context. Returns the frame's
 * number, or VMDEMO_NONE.
 */
u32 vmdemo_dirty_next_sure(struct vmdemo_pool *pool, u32 frame)
{
	u32 top = vmdemo_pool_top(pool);

	while (frame < top) {
		struct vmdemo_chunk *chunk = pool->chunks[frame >> VMDEMO_CHUNK_SHIFT];
		u32 word = BIT_WORD(frame & (VMDEMO_CHUNK_FRAMES - 1));
		/* Before the other: see above. */
		unsigned long bits = smp_load_acquire(&chunk->writing[word]);

		bits |= READ_ONCE(chunk->unwritten[word]);
		bits &= BITMAP_FIRST_WORD_MASK(frame);
		frame = round_down(frame, BITS_PER_LONG);
		if (bits)
			return frame + __ffs(bits);
		frame += BITS_PER_LONG;
	}
	return VMDEMO_NONE;
}

/**
 * vmdemo_dirty_unwritten - may a frame hold data that is not on the device?
 * @pool:  the pool
 * @frame: its number
 *
 * As vmdemo_dirty_next_sure(). Any context.
 */
bool vmdemo_dirty_unwritten(struct vmdemo_pool *pool, u32 frame)
{
	/* In this order. */
	return vmdemo_frame_writing(pool, frame) ||
	       test_bit(frame & (VMDEMO_CHUNK_FRAMES - 1),
			pool->chunks[frame >> VMDEMO_CHUNK_SHIFT]->unwritten);
}

/* The word of the writing bitmap that @frame's bit is in, and the bit's number there. */
static unsigned long *vmdemo_dirty_word(struct vmdemo_pool *pool, u32 frame, int *bit)
{
	struct vmdemo_chunk *chunk = pool->chunks[frame >> VMDEMO_CHUNK_SHIFT];

	*bit = frame % BITS_PER_LONG;
	return &chunk->writing[BIT_WORD(frame & (VMDEMO_CHUNK_FRAMES - 1))];
}

/**
 * vmdemo_dirty_start_write - a frame is about to be written
 * @pool:  the pool
 * @frame: its number; its folio is locked, the flag says that no write is on its way
 *
 * Until the write ends the frame keeps its page, and nobody may change it. Any context.
 */
void vmdemo_dirty_start_write(struct vmdemo_pool *pool, u32 frame)
{
	unsigned long *word;
	int bit;

	word = vmdemo_dirty_word(pool, frame, &bit);
	/* Where to is known before: pairs with vmdemo_frame_writing(). */
	smp_mb__before_atomic();
	set_bit(bit, word);
}

/**
 * vmdemo_dirty_end_write - the write has ended, well or not
 * @pool:  the pool
 * @frame: its number
 *
 * Wakes the tasks that wait for that. The frame may be evicted at once. Any context.
 */
void vmdemo_dirty_end_write(struct vmdemo_pool *pool, u32 frame)
{
	unsigned long *word;
	int bit;

	word = vmdemo_dirty_word(pool, frame, &bit);
	clear_bit_unlock(bit, word);
	/* Pairs with vmdemo_dirty_wait_write(). Hardly ever is there one to look for. */
	smp_mb__after_atomic();
	if (unlikely(atomic_read(&pool->nr_write_waiters)))
		wake_up_bit(word, bit);
}

/**
 * vmdemo_dirty_wait_write - wait for the end of a frame's write
 * @pool:  the pool
 * @frame: its number; the caller has a reference to its folio, and not its lock
 * @mode:  TASK_KILLABLE or TASK_UNINTERRUPTIBLE
 *
 * Sleeps. Returns 0, or -EINTR when killed.
 */
int vmdemo_dirty_wait_write(struct vmdemo_pool *pool, u32 frame, unsigned int mode)
{
	unsigned long *word;
	int bit, err;

	word = vmdemo_dirty_word(pool, frame, &bit);
	atomic_inc(&pool->nr_write_waiters);
	/* The end of the write finds us counted, or we find it ended. */
	smp_mb__after_atomic();
	err = wait_on_bit(word, bit, mode);
	atomic_dec(&pool->nr_write_waiters);
	return err;
}
