/* SPDX-License-Identifier: GPL-2.0 */
/*
 * broken.h - widens the races that the shortcuts of this folder open
 *
 * Each patch here takes a shortcut known to lose data, or to hide dirty data. `scripts/build KERNEL
 * BREAK=name` applies it to a copy of the sources, and tests show that the result is caught.
 */
#ifndef VMDEMO_BROKEN_H
#define VMDEMO_BROKEN_H

#include <linux/atomic.h>
#include <linux/delay.h>

/* Give the race that a shortcut opens the time to happen. */
static inline void vmdemo_broken_widen(void)
{
	usleep_range(50, 200);
}

/*
 * The same where sleeping is not allowed: once in @one_in calls, and long, for while everybody
 * waits nobody gets into the window.
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
