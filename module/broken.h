/* SPDX-License-Identifier: GPL-2.0 */
/*
 * broken.h - shortcuts known to lose data, for a test build that shows the tests catch them
 *
 * `make BREAK=name` takes one of these shortcuts, widens its race window, and gives a module that
 * says so when it is loaded. Ordinary builds define nothing here and compile none of it.
 */
#ifndef VMDEMO_BROKEN_H
#define VMDEMO_BROKEN_H

#include <linux/atomic.h>
#include <linux/delay.h>

/* Decide that a page is clean before it is unmapped: stores in between are lost. */
#ifdef VMDEMO_BREAK_dirty_early
#define VMDEMO_DIRTY_EARLY	1
#else
#define VMDEMO_DIRTY_EARLY	0
#endif

/* Ask whether a page is dirty, and then whether it is being written: it may just have failed. */
#ifdef VMDEMO_BREAK_dirty_first
#define VMDEMO_DIRTY_FIRST	1
#else
#define VMDEMO_DIRTY_FIRST	0
#endif

/* Take a page for gone because it cannot be referenced: its eviction may just be given up. */
#ifdef VMDEMO_BREAK_frozen
#define VMDEMO_FROZEN		1
#else
#define VMDEMO_FROZEN		0
#endif

/* Free the frame while its write is still on the way: it is read back too early. */
#ifdef VMDEMO_BREAK_index_early
#define VMDEMO_INDEX_EARLY	1
#else
#define VMDEMO_INDEX_EARLY	0
#endif

/* Evict pages that somebody holds: what DMA brings afterwards is lost. */
#ifdef VMDEMO_BREAK_no_refcheck
#define VMDEMO_NO_REFCHECK	1
#else
#define VMDEMO_NO_REFCHECK	0
#endif

/* Take a frame that was found for the one that was looked for: it may hold another page by now. */
#ifdef VMDEMO_BREAK_no_recheck
#define VMDEMO_NO_RECHECK	1
#else
#define VMDEMO_NO_RECHECK	0
#endif

/* Leave what was written in the cache of the device, where it is lost when the power goes. */
#ifdef VMDEMO_BREAK_no_flush
#define VMDEMO_NO_FLUSH		1
#else
#define VMDEMO_NO_FLUSH		0
#endif

/* Take a page for unmapped while a processor may still store to it (before Linux 6.2). */
#ifdef VMDEMO_BREAK_stale_tlb
#define VMDEMO_STALE_TLB	1
#else
#define VMDEMO_STALE_TLB	0
#endif

/* Mark a page dirty that was read, and tell nobody, as KVM does: nothing is lost, one hopes. */
#ifdef VMDEMO_BREAK_hidden_dirty
#define VMDEMO_HIDDEN_DIRTY	1
#else
#define VMDEMO_HIDDEN_DIRTY	0
#endif

#define VMDEMO_BROKEN	(VMDEMO_DIRTY_EARLY || VMDEMO_DIRTY_FIRST || VMDEMO_INDEX_EARLY || \
			 VMDEMO_NO_REFCHECK || VMDEMO_NO_RECHECK || VMDEMO_NO_FLUSH || \
			 VMDEMO_STALE_TLB || VMDEMO_FROZEN || VMDEMO_HIDDEN_DIRTY)

/* Give the race that a shortcut opens the time to happen. */
static inline void vmdemo_broken_widen(void)
{
	usleep_range(50, 200);
}

/*
 * The same where sleeping is not allowed: one time in so many, and long, for while everybody waits
 * nobody gets into the window.
 */
static inline void vmdemo_broken_widen_atomic(int one_in)
{
	static atomic_t calls;

	if (atomic_inc_return(&calls) % one_in == 0)
		mdelay(10);
}

/* The same when all pages of a page table have been taken out of it but the last one, this. */
static inline void vmdemo_broken_widen_unmapping(pgoff_t index)
{
	if (index % PTRS_PER_PTE == PTRS_PER_PTE - 1)
		mdelay(40);
}

#endif /* VMDEMO_BROKEN_H */
