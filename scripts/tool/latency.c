// SPDX-License-Identifier: GPL-2.0
/*
 * latency.c - how long page faults took: percentiles and histograms, from debugfs
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tool.h"

#define DEBUGFS		"/sys/kernel/debug"
#define DEBUGFS_TYPE	0x64626720	/* DEBUGFS_MAGIC */
#define BAR		40

/* Latencies in ns, from @from to less than @to. */
struct bucket {
	uint64_t from;
	uint64_t to;
	uint64_t count;
};

/* One kind of fault, as the module calls it. */
struct histogram {
	char kind[16];
	uint64_t count;
	struct bucket *buckets; /* in their order, without empty ones */
	size_t nr;
};

static struct histogram *kinds;
static size_t nr_kinds;

static const struct {
	const char *title;
	const char *key;
	unsigned int permille;
} percentiles[] = {
	{ "P50", "p50_ns", 500 },
	{ "P90", "p90_ns", 900 },
	{ "P99", "p99_ns", 990 },
	{ "P99.9", "p999_ns", 999 },
	{ "MAX", "max_ns", 1000 },
};

/* ---- reading ---- */

/* Why the file cannot be read. */
static void __attribute__((noreturn)) unreadable(const char *device, int err)
{
	struct statfs fs;

	if ((err == EACCES || err == EPERM) && geteuid())
		fail("only root may see how long faults took (sudo vmdemo latency).");
	if (access(text_of(CLASS_DIR "/%s", device), F_OK))
		device_gone(device);
	if (err == ENOENT && (statfs(DEBUGFS, &fs) || fs.f_type != DEBUGFS_TYPE))
		fail("debugfs is not mounted: mount -t debugfs debugfs " DEBUGFS ".");
	if (err == ENOENT)
		fail("this module does not measure how long faults take: it is older than this command.");
	fail(DEBUGFS "/vmdemo/%s/latency: %s.", device, strerror(err));
}

static struct histogram *histogram_of(const char *kind)
{
	size_t i;

	for (i = 0; i < nr_kinds; i++)
		if (!strcmp(kinds[i].kind, kind))
			return &kinds[i];
	kinds = need_memory(realloc(kinds, (nr_kinds + 1) * sizeof(*kinds)));
	kinds[nr_kinds] = (struct histogram){ .count = 0 };
	snprintf(kinds[nr_kinds].kind, sizeof(kinds[nr_kinds].kind), "%s", kind);
	return &kinds[nr_kinds++];
}

static void add_bucket(struct histogram *h, const struct bucket *bucket)
{
	h->buckets = need_memory(realloc(h->buckets, (h->nr + 1) * sizeof(*bucket)));
	h->buckets[h->nr++] = *bucket;
	h->count += bucket->count;
}

/* The kernel makes all of the file when the first of it is read. */
static void read_latencies(const char *device)
{
	char *path = text_of(DEBUGFS "/vmdemo/%s/latency", device);
	FILE *f = fopen(path, "re");
	char *line = NULL, kind[16];
	struct bucket b;
	size_t room = 0;

	if (!f)
		unreadable(device, errno);
	errno = 0;
	while (getline(&line, &room, f) > 0)
		if (sscanf(line, "%15s %" SCNu64 " %" SCNu64 " %" SCNu64, kind, &b.from, &b.to,
			   &b.count) == 4)
			add_bucket(histogram_of(kind), &b);
	if (ferror(f))
		unreadable(device, errno);
	free(line);
	fclose(f);
	free(path);
}

/* What @permille of a thousand took less than, in ns: the end of a bucket. */
static uint64_t percentile(const struct histogram *h, unsigned int permille)
{
	uint64_t rank = (h->count * permille + 999) / 1000, sum = 0;
	size_t i;

	for (i = 0; i + 1 < h->nr; i++) {
		sum += h->buckets[i].count;
		if (sum >= rank)
			break;
	}
	return h->buckets[i].to;
}

/* ---- telling ---- */

static void print_percentiles(void)
{
	const struct histogram *h;
	char text[TIME_TEXT];
	size_t i;

	printf("%-9s %12s", "KIND", "COUNT");
	for (i = 0; i < ARRAY_SIZE(percentiles); i++)
		printf(" %8s", percentiles[i].title);
	putchar('\n');
	for (h = kinds; h < kinds + nr_kinds; h++) {
		printf("%-9s %12" PRIu64, h->kind, h->count);
		for (i = 0; i < ARRAY_SIZE(percentiles); i++)
			printf(" %8s", time_text(text, percentile(h, percentiles[i].permille)));
		putchar('\n');
	}
}

/* A line for each bucket; where empty ones are left out, that is seen. */
static void print_histogram(const struct histogram *h)
{
	const struct bucket *b;
	char from[TIME_TEXT], to[TIME_TEXT];
	uint64_t most = 0;
	int bar;

	for (b = h->buckets; b < h->buckets + h->nr; b++)
		most = b->count > most ? b->count : most;
	printf("\n%s:\n", h->kind);
	for (b = h->buckets; b < h->buckets + h->nr; b++) {
		if (b > h->buckets && b->from != b[-1].to)
			printf("       ...\n");
		bar = (double)b->count / most * BAR;
		printf("  %8s to %8s %12" PRIu64 "  %.*s\n", time_text(from, b->from),
		       time_text(to, b->to), b->count, bar ? bar : 1,
		       "########################################");
	}
}

static void print_json(const char *device)
{
	const struct histogram *h;
	const struct bucket *b;
	size_t i;

	json_open(NULL, '{');
	json_string("name", device);
	json_open("kinds", '{');
	for (h = kinds; h < kinds + nr_kinds; h++) {
		json_open(h->kind, '{');
		json_number("count", h->count);
		for (i = 0; i < ARRAY_SIZE(percentiles); i++)
			json_number(percentiles[i].key, percentile(h, percentiles[i].permille));
		json_open("buckets", '[');
		for (b = h->buckets; b < h->buckets + h->nr; b++) {
			json_open(NULL, '{');
			json_number("from_ns", b->from);
			json_number("to_ns", b->to);
			json_number("count", b->count);
			json_close('}');
		}
		json_close(']');
		json_close('}');
	}
	json_close('}');
	json_close('}');
	json_end();
}

static const struct option options[] = {
	{ "histogram", no_argument, NULL, 'H' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int latency_run(int argc, char **argv)
{
	bool json = false, histogram = false;
	const char *device;
	int option;
	size_t i;

	while ((option = next_option(argc, argv, "Hjh", options)) != -1) {
		if (option == 'j')
			json = true;
		else
			histogram = true;
	}
	no_more_arguments(argc, argv, 1);
	device = device_meant(argv[optind]);
	read_latencies(device);
	if (json) {
		print_json(device);
		return STATUS_DONE;
	}
	if (!nr_kinds)
		note("%s has had no faults yet.", device);
	else
		print_percentiles();
	for (i = 0; histogram && i < nr_kinds; i++)
		print_histogram(&kinds[i]);
	return STATUS_DONE;
}

const struct command command_latency = {
	.name = "latency",
	.usage = "[--histogram | --json] [DEV]",
	.summary = "show how long faults took, by kind: percentiles, a histogram",
	.help = "Since the module was loaded; for root, from debugfs. Each time is rounded up to the end of\n"
		"its bucket, by an eighth at most. A kind that has not occurred is left out.\n\n"
		"  hard, soft, zero  the faults that 'vmdemo stat' counts\n"
		"  mkwrite           first writes to a page that was mapped for reading only\n"
		"  wait              waits for a frame, by a fault, a read or a write\n\n"
		"  -H, --histogram  a bar for each bucket, too\n"
		"  -j, --json       percentiles and buckets, in nanoseconds\n",
	.run = latency_run,
};
