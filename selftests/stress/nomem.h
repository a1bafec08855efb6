/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nomem.h - the calls whose allocations fail, and what they work on
 *
 * Each returns 0 or -errno.
 */
#ifndef VMDEMO_NOMEM_H
#define VMDEMO_NOMEM_H

#include "vmdemo_test.h"

#define FRAMES		128
#define PAGES		1024
#define SWAP_PAGES	16384
#define SEED		70

/* What the calls work on. */
struct work {
	int fd;
	char *mem;
	size_t page;
	int ko;
	const char *disk;
	int frames;	/* for loading */
	char *buffer;
	int space;	/* -1: none */
	char *sparse;	/* its mapping */
};

extern struct work work;

int do_stop(void);
int do_load(void);
int do_start(void);
int do_unload(void);
int do_open(void);
int do_map(void);
int do_evict(void);
int do_read_fault(void);
int do_write_fault(void);
int do_restore(void);
int do_fresh_sequence(void);
int do_private_write(void);
int do_dirty(void);
int do_msync(void);
int do_fsync(void);
int do_pread(void);
int do_pwrite(void);
int do_prefetch(void);
int do_discard(void);
int do_pagemap(void);
int do_restart(void);
int do_grow(void);
int do_shrink(void);
int do_policy(void);
int do_detach(void);
int do_attach(void);
int do_attach_if_not(void);
int do_fork(void);

/* With sparse spaces: */
#define SPARSE		(4 * FRAMES)	/* pages of one */
#define SPARSE_BYTES	(SPARSE * VT_PAGE)

enum { SEG_DATA, SEG_HEAP, SEG_STACK, SEGMENTS };

int drop_space(void);
void need_space(__u32 nr_segments);
void start_with_swap(void);
int do_space(void);
int do_segments(void);
bool has_pages(__u64 nr);
int do_punch_all(void);
int do_first_store(void);
int do_first_write(void);
int do_fill_space(void);
int do_evict_space(void);
int do_fill_and_evict(void);
int do_swap_in(void);
int do_punch(void);
int do_prepare_release(void);
int do_grow_heap(void);
int do_cut_heap(void);
int do_fill_heap(void);
int do_swap_detach(void);
int do_swap_attach(void);
int do_swap_attach_if_not(void);

#endif /* VMDEMO_NOMEM_H */
