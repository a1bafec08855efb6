// SPDX-License-Identifier: GPL-2.0
/*
 * result.c - vmdemo's counters, and the line of JSON
 */
#include <dirent.h>

#include "bench.h"

const char * const target_names[] = { "vmdemo", "mmap", "direct", "space", "swap" };

#define MAX_STATS	64

/* vmdemo's counters, before and after each repetition */
static struct stats {
	unsigned int n;
	char name[MAX_STATS][32];
	__u64 value[MAX_STATS];
	__u64 shootdowns;
} stats[MAX_REPS][2];

/* How often a processor was interrupted to flush its TLB, all of them together. */
static __u64 read_shootdowns(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char *line = NULL, *at, *end;
	size_t size = 0;
	__u64 sum = 0, n;

	while (f && getline(&line, &size, f) > 0) {
		at = line + strspn(line, " ");
		if (strncmp(at, "TLB:", 4))
			continue;
		for (at += 4; n = strtoull(at, &end, 10), end != at; at = end)
			sum += n;
	}
	free(line);
	if (f)
		fclose(f);
	return sum;
}

void read_stats(unsigned int rep, bool after)
{
	struct stats *s = &stats[rep][after];
	const char *device = strrchr(run.path, '/') ? strrchr(run.path, '/') + 1 : run.path;
	char file[512], text[32];
	struct dirent *entry;
	DIR *dir;

	s->n = 0;
	snprintf(file, sizeof(file), "/sys/class/vmdemo/%s/stats", device);
	dir = run.target == VMDEMO || run.target == SPACE ? opendir(file) : NULL;
	while (dir && (entry = readdir(dir)) && s->n < MAX_STATS) {
		int f;

		/* Gauges have no difference. */
		if (entry->d_name[0] == '.' || !strncmp(entry->d_name, "frames_", 7))
			continue;
		f = openat(dirfd(dir), entry->d_name, O_RDONLY);
		memset(text, 0, sizeof(text));
		if (f >= 0 && read(f, text, sizeof(text) - 1) > 0) {
			snprintf(s->name[s->n], sizeof(s->name[0]), "%.31s", entry->d_name);
			s->value[s->n++] = strtoull(text, NULL, 10);
		}
		if (f >= 0)
			close(f);
	}
	if (dir)
		closedir(dir);
	s->shootdowns = read_shootdowns();
}

static __u64 elapsed(unsigned int rep)
{
	__u64 begin = shared->worker[0].begin[rep], end = shared->worker[0].end[rep], ns = 0;
	unsigned int i;

	for (i = 0; i < run.workers; i++) {
		struct worker *w = &shared->worker[i];

		ns += w->ns[rep];
		begin = w->begin[rep] < begin ? w->begin[rep] : begin;
		end = w->end[rep] > end ? w->end[rep] : end;
	}
	return ns ?: end - begin;
}

static int compare(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

static void print_latencies(void)
{
	size_t n = (size_t)run.reps * run.ops;

	qsort(latencies, n, sizeof(*latencies), compare);
	printf(", \"latency_ns\": {\"p50\": %u, \"p99\": %u, \"p99.9\": %u, \"max\": %u}",
	       latencies[n / 2], latencies[n * 99 / 100], latencies[n * 999 / 1000],
	       latencies[n - 1]);
}

/* Misses of all repetitions: what vmdemo read, for whatever reason. */
static void print_misses(void)
{
	__u64 exact[MAX_REPS] = {}, sum = 0, read = 0;
	unsigned int i, rep;

	lru_misses(exact);
	for (rep = 0; rep < run.reps; rep++) {
		sum += exact[rep];
		for (i = 0; i < stats[rep][0].n; i++)
			if (!strcmp(stats[rep][0].name[i], "pages_in"))
				read += stats[rep][1].value[i] - stats[rep][0].value[i];
	}
	printf(", \"lru_misses\": %llu", sum);
	if (run.target == VMDEMO)
		printf(", \"misses\": %llu, \"miss_ratio\": %.4f", read, (double)read / sum);
}

static void print_stats(unsigned int rep)
{
	struct stats *s = stats[rep];
	unsigned int i;

	printf(", \"stats\": {");
	for (i = 0; i < s[0].n; i++)
		printf("%s\"%s\": %llu", i ? ", " : "", s[0].name[i],
		       s[1].value[i] - s[0].value[i]);
	printf("}");
}

void print_result(void)
{
	unsigned int rep, best = 0, i, done = 0;
	long minflt = 0, majflt = 0;

	printf("{\"row\": \"%s\", \"name\": \"%s\", ", run.row.name, run.row.what);
	printf("\"target\": \"%s\", \"path\": \"%s\", \"advice\": \"%s\", ",
	       target_names[run.target], run.path, run.advice);
	printf("\"pages\": %zu, \"frames\": %u, \"workers\": %u, \"ns\": [", run.pages, run.frames,
	       run.workers);
	for (rep = 0; rep < run.reps; rep++) {
		printf("%s%llu", rep ? ", " : "", elapsed(rep));
		if (elapsed(rep) < elapsed(best))
			best = rep;
	}
	for (i = 0; i < run.workers; i++) {
		done += shared->worker[i].ops[best];
		minflt += shared->worker[i].minflt[best];
		majflt += shared->worker[i].majflt[best];
	}
	printf("], \"ops\": %u, \"ns_per_op\": %.1f, \"minflt\": %ld, \"majflt\": %ld", done,
	       (double)elapsed(best) / done, minflt, majflt);
	if (run.row.kind == ZIPF)
		print_misses();
	if (run.row.kind == LATENCY)
		print_latencies();
	printf(", \"shootdowns\": %llu", stats[best][1].shootdowns - stats[best][0].shootdowns);
	if (run.target == VMDEMO)
		print_stats(best);
	printf("}\n");
}
