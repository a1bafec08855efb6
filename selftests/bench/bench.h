/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bench.h - what the parts of the measuring program share
 *
 * bench.c: options, workers. sequence.c: which pages, in which order. access.c: the device, and
 * what is timed. result.c: counters, and the line of JSON.
 */
#ifndef VMDEMO_BENCH_H
#define VMDEMO_BENCH_H

#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../uapi/vmdemo.h"

#define __noreturn	__attribute__((__noreturn__))
#define __printf(a, b)	__attribute__((__format__(printf, a, b)))

#define PAGE		((size_t)VMDEMO_PAGE_SIZE)
#define BLOCK_PAGES	32		/* of sequential O_DIRECT */
#define MAX_WORKERS	16
#define MAX_VMAS	64
#define MAX_REPS	15
#define MAX_PAGES	0x80000000UL	/* of a sequence; a device may be larger */
#define FILL_BYTE	0x5a
#define FILL_WORD	0x5a5a5a5a5a5a5a5aULL

enum kind {
	UNIFORM, SEQUENTIAL, ZIPF, RESIDENT, RESIDENT_RANDOM, MSYNC_SCATTERED, MSYNC_RUN,
	FIRST_BYTE, LATENCY, ZERO_FILL
};

/* The first three: a device. A sparse space, and anonymous memory, which Linux swaps. */
enum target { VMDEMO, MMAP, DIRECT, SPACE, SWAP };

struct row {
	const char *name;
	const char *what;
	enum kind kind;
	unsigned int write_pct;
	unsigned int ops;		/* of each worker in each repetition */
	unsigned int slow_ops;		/* the same for target mmap, if not 0: what takes it long */
	unsigned int threads;
	unsigned int procs;
	unsigned int vmas;
	bool keep_ptes;
};

/* What was asked for; nobody changes it once it is measured. */
struct run {
	struct row row;
	enum target target;
	const char *path;
	const char *cgroup;
	const char *advice;
	size_t pages;
	unsigned int frames;
	unsigned int ops;
	unsigned int warmup;		/* accesses of each worker before the first repetition */
	unsigned int reps;
	unsigned int workers;
	unsigned int vmas;
	int cpu;
	bool pin;
	bool verify;
	bool mark;
	__u64 seed;
};

/* What one worker found; times are of one clock. */
struct worker {
	__u64 begin[MAX_REPS];
	__u64 end[MAX_REPS];
	__u64 ns[MAX_REPS];		/* where timed parts and others take turns; otherwise 0 */
	unsigned int ops[MAX_REPS];
	long minflt[MAX_REPS];
	long majflt[MAX_REPS];
};

/* What workers share, processes too. */
struct shared {
	pthread_barrier_t barrier;
	bool stop;			/* atomic: the reader of a latency row is through */
	struct worker worker[MAX_WORKERS];
};

extern struct run run;
extern struct shared *shared;
extern __u32 *latencies;		/* ns of each read of a latency row */

/* Page << 1 | write, of each worker: for warming up, then for each repetition. */
extern __u32 *sequence[MAX_WORKERS];

/* bench.c */
void __noreturn __printf(1, 2) fail(const char *format, ...);
__u64 now(void);
bool is_memory(void);

/* Memory that is there and stays: pages count for the cgroup that touches them first. */
void *memory(size_t bytes);

/* sequence.c */
void make_sequence(unsigned int worker);
void make_resident_order(void);

/* Exact LRU on the sequence of worker 0: its misses in each repetition. */
void lru_misses(__u64 *misses);

/* access.c */
size_t device_pages(void);
int fill_device(void);
const char *default_advice(void);
void map_target(void);
void access_pages(const __u32 *in, unsigned int n, __u64 *buffer);
void one_repetition(unsigned int number, unsigned int rep, __u64 *buffer);

/* result.c */
extern const char * const target_names[];
void read_stats(unsigned int rep, bool after);
void print_result(void);

#endif /* VMDEMO_BENCH_H */
