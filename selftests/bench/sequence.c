// SPDX-License-Identifier: GPL-2.0
/*
 * sequence.c - which pages are accessed, in which order; and what exact LRU would make of it
 *
 * All of it is known before anything is timed, and the same for every target.
 */
#include <math.h>

#include "bench.h"

#define ZIPF_EXPONENT	0.8

__u32 *sequence[MAX_WORKERS];

static __u64 random_next(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static __u32 random_below(__u64 *state, __u32 n)
{
	return (random_next(state) >> 32) * n >> 32;
}

static void permute(__u32 *array, __u32 n, __u64 *state)
{
	__u32 i, j, t;

	for (i = 0; i < n; i++)
		array[i] = i;
	for (i = n - 1; i > 0; i--) {
		j = random_below(state, i + 1);
		t = array[i];
		array[i] = array[j];
		array[j] = t;
	}
}

/* The rank whose part of the distribution function a random number falls into. */
static __u32 zipf_rank(const double *sum, __u64 *state)
{
	double u = (random_next(state) >> 11) / (double)(1ULL << 53) * sum[run.pages - 1];
	__u32 low = 0, high = run.pages - 1, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (sum[middle] > u)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void zipf_sequence(__u32 *out, size_t n, __u64 *state)
{
	double *sum = memory(run.pages * sizeof(*sum)), total = 0;
	__u32 *place = memory(run.pages * sizeof(*place));
	size_t i;

	for (i = 0; i < run.pages; i++) {
		total += pow(i + 1, -ZIPF_EXPONENT);
		sum[i] = total;
	}
	permute(place, run.pages, state);
	for (i = 0; i < n; i++)
		out[i] = place[zipf_rank(sum, state)] << 1;
	munmap(sum, run.pages * sizeof(*sum));
	munmap(place, run.pages * sizeof(*place));
}

static bool is_sequential(void)
{
	return run.row.kind == SEQUENTIAL || run.row.kind == MSYNC_RUN || run.row.kind == ZERO_FILL;
}

static bool is_write(unsigned int worker, __u64 *state)
{
	return random_below(state, 100) < run.row.write_pct || (run.row.kind == LATENCY && worker);
}

void make_sequence(unsigned int worker)
{
	size_t n = run.warmup + (size_t)run.reps * run.ops, i;
	__u64 state = run.seed * 1000 + worker, writes = state + 500;
	__u32 start = run.pages / run.workers * worker;
	__u32 *out = memory(n * sizeof(*out));

	if (run.row.kind == ZIPF)
		zipf_sequence(out, n, &state);
	else
		for (i = 0; i < n; i++)
			out[i] = (is_sequential() ? (start + i) % run.pages :
				  random_below(&state, run.pages)) << 1;
	/* What is synced must be dirty because of what came just before. */
	i = run.row.kind == MSYNC_SCATTERED || run.row.kind == MSYNC_RUN ? run.warmup : 0;
	for (; i < n; i++)
		out[i] |= is_write(worker, &writes);
	sequence[worker] = out;
}

/* Half the pool, each page once. */
void make_resident_order(void)
{
	__u32 n = run.frames / 2, *order = memory(n * sizeof(*order)), i;
	__u64 state = run.seed;

	permute(order, n, &state);
	for (i = 0; i < n; i++)
		order[i] = (run.row.kind == RESIDENT ? i : order[i]) << 1;
	sequence[0] = order;
}

/* A list of page numbers; the number after the last is its head. */
void lru_misses(__u64 *misses)
{
	__u32 *next = memory((run.pages + 1) * sizeof(*next));
	__u32 *prev = memory((run.pages + 1) * sizeof(*prev));
	const __u32 head = run.pages, absent = UINT32_MAX;
	__u32 held = 0, page, oldest, i;

	memset(next, 0xff, run.pages * sizeof(*next));
	next[head] = head;
	prev[head] = head;
	for (i = 0; i < run.warmup + run.reps * run.ops; i++) {
		page = sequence[0][i] >> 1;
		if (next[page] != absent) {
			next[prev[page]] = next[page];
			prev[next[page]] = prev[page];
		} else {
			if (i >= run.warmup)
				misses[(i - run.warmup) / run.ops]++;
			if (held++ == run.frames) {
				oldest = prev[head];
				prev[head] = prev[oldest];
				next[prev[oldest]] = head;
				next[oldest] = absent;
				held--;
			}
		}
		next[page] = next[head];
		prev[page] = head;
		prev[next[page]] = page;
		next[head] = page;
	}
	munmap(next, (run.pages + 1) * sizeof(*next));
	munmap(prev, (run.pages + 1) * sizeof(*prev));
}
