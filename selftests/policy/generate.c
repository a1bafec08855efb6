// SPDX-License-Identifier: GPL-2.0
/*
 * generate.c - loads that are made up: the same references on each machine
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trace_file.h"

#define REFERENCES	1000000
#define MAX_PART	1000

/* All that a load consists of is divided by this. */
static u32 part;

/* Pages of which number r in popularity is used in proportion to 1 / r^alpha, and lies anywhere. */
struct zipf {
	u32 pages;
	double *sum;	/* by popularity: the share of this one and of all before it */
	u32 *page;	/* by popularity */
	u64 chance;
};

static void zipf_create(struct zipf *zipf, u32 pages, double alpha, u64 seed)
{
	double sum = 0;
	u32 i;

	zipf->pages = pages;
	zipf->sum = get_memory(pages * sizeof(*zipf->sum));
	zipf->page = get_memory(pages * sizeof(u32));
	zipf->chance = seed;
	for (i = 0; i < pages; i++) {
		u32 other = chance_below(&zipf->chance, i + 1);

		sum += pow(i + 1, -alpha);
		zipf->sum[i] = sum;
		zipf->page[i] = zipf->page[other];
		zipf->page[other] = i;
	}
	for (i = 0; i < pages; i++)
		zipf->sum[i] /= sum;
}

static void zipf_destroy(struct zipf *zipf)
{
	free(zipf->sum);
	free(zipf->page);
}

static u32 zipf_next(struct zipf *zipf)
{
	double at = (chance(&zipf->chance) >> 11) / 9007199254740992.0;
	u32 low = 0, high = zipf->pages - 1, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (zipf->sum[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return zipf->page[low];
}

static void add_zipf(struct trace *trace, double alpha)
{
	struct zipf zipf;
	u32 i;

	zipf_create(&zipf, 32768 / part, alpha, 1);
	for (i = 0; i < REFERENCES / part; i++)
		trace_add(trace, zipf_next(&zipf));
	zipf_destroy(&zipf);
}

static void add_zipf08(struct trace *trace)
{
	add_zipf(trace, 0.8);
}

static void add_zipf10(struct trace *trace)
{
	add_zipf(trace, 1.0);
}

static void add_zipf12(struct trace *trace)
{
	add_zipf(trace, 1.2);
}

static void add_loop(struct trace *trace)
{
	u32 i;

	for (i = 0; i < REFERENCES / part; i++)
		trace_add(trace, i % (11000 / part));
}

static void add_scanhot(struct trace *trace)
{
	struct zipf hot;
	u64 seed = 2;
	u32 i, scan = 0;

	zipf_create(&hot, 4000 / part, 0.8, 3);
	for (i = 0; i < REFERENCES / part; i++) {
		if (chance_below(&seed, 10) < 3)
			trace_add(trace, 4096 / part + scan++ % (60000 / part));
		else
			trace_add(trace, zipf_next(&hot));
	}
	zipf_destroy(&hot);
}

static void add_phases(struct trace *trace)
{
	struct zipf zipf;
	u32 i;

	zipf_create(&zipf, 3000 / part, 0.6, 4);
	for (i = 0; i < REFERENCES / part; i++)
		trace_add(trace, i / (50000 / part) % 16 * (1500 / part) + zipf_next(&zipf));
	zipf_destroy(&zipf);
}

static void add_sawtooth(struct trace *trace)
{
	u32 i, at, pages = 6000 / part;

	for (i = 0; i < 960000 / part; i++) {
		at = i % (2 * pages);
		trace_add(trace, at < pages ? at : 2 * pages - 1 - at);
	}
}

static const struct {
	const char *name, *what;
	void (*add)(struct trace *trace);
} loads[] = {
	{ "loop", "11,000 pages, again and again", add_loop },
	{ "scanhot", "4,000 pages as in zipf0.8, and 3 references of 10 to a scan of 60,000",
	  add_scanhot },
	{ "zipf0.8", "32,768 pages, the r-th in popularity in proportion to 1 / r^0.8",
	  add_zipf08 },
	{ "zipf1.0", "the same with 1 / r", add_zipf10 },
	{ "zipf1.2", "the same with 1 / r^1.2", add_zipf12 },
	{ "phases", "3,000 pages by 1 / r^0.6, and 1,500 further each 50,000 references",
	  add_phases },
	{ "sawtooth", "6,000 pages forward, then backward", add_sawtooth },
};

const char *trace_load(u32 i, const char **what)
{
	if (i >= ARRAY_SIZE(loads))
		return NULL;
	*what = loads[i].what;
	return loads[i].name;
}

bool trace_generate(struct trace *trace, const char *name)
{
	size_t len = strcspn(name, "/");
	char *end = "";
	u32 i;

	memset(trace, 0, sizeof(*trace));
	part = name[len] ? strtoul(name + len + 1, &end, 10) : 1;
	if (*end || !part || part > MAX_PART)
		return false;
	for (i = 0; i < ARRAY_SIZE(loads); i++) {
		if (strlen(loads[i].name) != len || strncmp(loads[i].name, name, len))
			continue;
		loads[i].add(trace);
		trace_finish(trace);
		return true;
	}
	return false;
}
