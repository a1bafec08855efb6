// SPDX-License-Identifier: GPL-2.0
/*
 * chapter6_demand.c - demand paging, against loading everything first
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tour.h"

#define DEMAND_PAGES	4096UL
#define DEMAND_FRAMES	8192UL

struct demand {
	uint64_t pages, by_fault, ahead, hinted, frames, sum;
	double first_ms, all_ms;
};

/* A program's run: it needs one of @step pages. */
static uint64_t use_some(const char *mem, size_t step)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < DEMAND_PAGES; i += step)
		sum ^= sum_of(mem + i * PAGE) * (i + 1);
	return sum;
}

static int make_program(int dev, int loading)
{
	struct vmdemo_segment table = segment("program", 0, DEMAND_PAGES, PROT_READ);

	table.flags = VMDEMO_SEGMENT_ORIGIN;
	table.origin = 4000 * PAGE;
	table.loading = loading;
	return make_space(dev, DEMAND_PAGES, &table, 1);
}

static struct demand run_demand(int dev, int loading, bool draw)
{
	uint64_t start = now_ns(), held = counter("frames_free");
	struct demand d;
	char *mem;
	int fd;

	count_from_here();
	fd = make_program(dev, loading);
	/* Loaded up front means that it starts when all of it is there. */
	while (loading == VMDEMO_LOAD_UPFRONT && counted("pages_in") < DEMAND_PAGES)
		usleep(100);
	mem = map_pages(fd, 0, DEMAND_PAGES, PROT_READ, NULL);
	sum_of(mem);
	d.first_ms = (now_ns() - start) / 1e6;
	d.sum = use_some(mem, knob(8));
	d.all_ms = (now_ns() - start) / 1e6;
	d.pages = counted("pages_in");
	d.by_fault = counted("faults_hard");
	d.ahead = counted("readahead_pages");
	d.hinted = counted("prefetch_pages");
	d.frames = held - counter("frames_free");
	if (draw)
		draw_pages(fd,
			   loading == VMDEMO_LOAD_UPFRONT ?
				   "load everything first; its first 128 pages then:" :
				   "on demand; its first 128 pages then:",
			   0, 128);
	munmap(mem, DEMAND_PAGES * PAGE);
	close(fd);
	return d;
}

/* The best of several runs: the first of all also warms up. */
static struct demand best_demand(int dev, int loading)
{
	struct demand best = run_demand(dev, loading, false), d;
	int i;

	for (i = 2; i; i--) {
		d = run_demand(dev, loading, i == 1);
		if (d.first_ms > best.first_ms)
			d.first_ms = best.first_ms;
		if (d.all_ms > best.all_ms)
			d.all_ms = best.all_ms;
		best = d;
	}
	return best;
}

static void print_demand(const char *what, uint64_t all, uint64_t some)
{
	printf("  %-33s %10llu %12llu\n", what, (unsigned long long)all, (unsigned long long)some);
}

static void print_demands(const struct demand *all, const struct demand *some)
{
	printf("\n  %-33s %10s %12s\n", "", "load all", "on demand");
	print_demand("pages read (pages_in)", all->pages, some->pages);
	print_demand("  ... by faults (faults_hard)", all->by_fault, some->by_fault);
	print_demand("  ... ahead (readahead_pages)", all->ahead, some->ahead);
	print_demand("  ... by a hint (prefetch_pages)", all->hinted, some->hinted);
	print_demand("frames held", all->frames, some->frames);
	print_demand("programs that fit into 8192 frames", DEMAND_FRAMES / all->frames,
		     DEMAND_FRAMES / some->frames);
	printf("  %-33s %10.1f %12.1f\n", "first result, ms", all->first_ms, some->first_ms);
	printf("  %-33s %10.1f %12.1f\n\n", "all results, ms", all->all_ms, some->all_ms);
}

void chapter_demand(void)
{
	size_t step = knob(8), used = (DEMAND_PAGES + step - 1) / step;
	struct demand all, some;
	int dev = open_device();

	say("A program seldom needs all of itself: not every routine runs, not every table is read. "
	    "A lazy swapper brings a page in when it is needed and not before. As it deals with "
	    "pages, not whole processes, it is called a pager. Here it is pager.c; what it has "
	    "brought in is counted in pages_in, and for what reason: a fault, readahead, a hint.");
	claim("on demand a program takes less I/O and fewer frames, answers sooner, and more fit in.");
	printf("  A program of %lu pages uses one of %zu.\n\n", DEMAND_PAGES, step);
	set_attribute("frames", "8192");
	set_attribute("read_ahead_pages", "0");
	act(dev, VMDEMO_IOC_EVICT, 0, tour_pages);
	all = best_demand(dev, VMDEMO_LOAD_UPFRONT);
	some = best_demand(dev, VMDEMO_LOAD_PAGE);
	print_demands(&all, &some);
	check(all.sum == some.sum, "both have computed the same result");
	check(some.pages == used && some.by_fault == used && all.pages == DEMAND_PAGES &&
	      all.hinted == DEMAND_PAGES,
	      "on demand what is read is what is used, each page by a fault of its own");
	check(some.first_ms < all.first_ms, "on demand the first result comes sooner");
	check(some.frames == used && all.frames == DEMAND_PAGES,
	      "on demand only what is used is in frames, so %zu times as many fit in", step);
	set_attribute("read_ahead_pages", "128");
	set_attribute("frames", "512");
	close(dev);
	by_hand("tour 6; vmdemo latency");
	try_this("tour 6 1",
		 "It then uses all of its pages. What does paging on demand still win?",
		 "The first result only. As many pages are read and held, and as each is waited "
		 "for by itself, all results come later than after a few large reads.");
}
