// SPDX-License-Identifier: GPL-2.0
/*
 * stat.c - what a device does: a line an interval, as of vmstat(8); or as JSON, or for Prometheus
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

/* A column: the sum of up to two counters, per second; or a gauge. */
static const struct column {
	const char *title;
	enum stat_nr from;
	enum stat_nr and;
	bool gauge;
} columns[] = {
	{ "hard", STAT_faults_hard, NR_STATS, false },
	{ "soft", STAT_faults_soft, NR_STATS, false },
	{ "zero", STAT_faults_zero, NR_STATS, false },
	{ "mkwr", STAT_faults_mkwrite, NR_STATS, false },
	{ "cow", STAT_faults_cow, NR_STATS, false },
	{ "in", STAT_pages_in, NR_STATS, false },
	{ "out", STAT_pages_out, NR_STATS, false },
	{ "evict", STAT_evictions_clean, STAT_evictions_dirty, false },
	{ "refau", STAT_refaults, NR_STATS, false },
	{ "free", STAT_frames_free, NR_STATS, true },
	{ "activ", STAT_frames_active, NR_STATS, true },
	{ "stdby", STAT_frames_standby, NR_STATS, true },
	{ "dirty", STAT_frames_dirty, NR_STATS, true },
};

static void print_header(void)
{
	size_t i;

	printf("------------faults----------- ---pages--- --reclaim-- --------frames---------\n");
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		printf("%s%5s", i ? " " : "", columns[i].title);
	putchar('\n');
}

static uint64_t column_value(const struct column *c, const struct stats *s)
{
	return s->value[c->from] + (c->and == NR_STATS ? 0 : s->value[c->and]);
}

/* What has been counted since @before, per second; or in all, if that is NULL. */
static void print_line(const struct stats *before, const struct stats *now)
{
	double seconds = before ? (now->ns - before->ns) / 1e9 : 1, value;
	char text[SHORT_NUMBER];
	const struct column *c;

	for (c = columns; c < columns + ARRAY_SIZE(columns); c++) {
		value = column_value(c, now);
		if (!c->gauge && before)
			value = (value - column_value(c, before)) / seconds;
		/* Loaded anew meanwhile, it counts from zero. */
		printf("%s%5s", c == columns ? "" : " ", short_number(text, value < 0 ? 0 : value));
	}
	putchar('\n');
	fflush(stdout);
}

static void print_json(const char *device, const struct stats *now)
{
	const struct attribute *a;
	struct timespec clock;

	clock_gettime(CLOCK_REALTIME, &clock);
	json_open(NULL, '{');
	json_string("name", device);
	json_real("time", clock.tv_sec + clock.tv_nsec / 1e9);
	for (a = attributes; a->name; a++)
		if (a->stat != NR_STATS && now->known[a->stat])
			json_number(strchr(a->name, '/') + 1, now->value[a->stat]);
	json_close('}');
	json_end();
}

/* Lines between two headers; 0: there is no second, since nobody scrolls. */
static unsigned int lines_of_screen(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 5)
		return 0;
	return size.ws_row - 3;
}

/* Sleep until one interval after @next, which it becomes. */
static void sleep_interval(struct timespec *next, double interval)
{
	long nanoseconds = next->tv_nsec + (long)((interval - (long)interval) * 1e9);
	struct timespec now;

	next->tv_sec += (long)interval + nanoseconds / 1000000000;
	next->tv_nsec = nanoseconds % 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR)
		;
	/* After a stop (Ctrl-Z) the intervals that were missed are not made up for. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - next->tv_sec > interval + 1)
		*next = now;
}

/* @interval 0: once, what has been counted in all. @count 0: without end. */
static int watch(const char *device, bool json, double interval, uint64_t count)
{
	struct stats stats[2];
	struct timespec next;
	unsigned int line = 0, screen;
	uint64_t i;

	clock_gettime(CLOCK_MONOTONIC, &next);
	if (stats_read(device, &stats[0], json))
		device_gone(device);
	if (!interval && json) {
		print_json(device, &stats[0]);
		return STATUS_DONE;
	}
	/* An output that cannot be written ends it. */
	for (i = 0; !ferror(stdout) && (interval ? !count || i < count : !i); i++) {
		if (interval)
			sleep_interval(&next, interval);
		if (stats_read(device, &stats[(i + 1) % 2], json))
			device_gone(device);
		if (json) {
			print_json(device, &stats[(i + 1) % 2]);
			continue;
		}
		screen = lines_of_screen();
		if (!line || (screen && line >= screen)) {
			print_header();
			line = 0;
		}
		line++;
		print_line(interval ? &stats[i % 2] : NULL, &stats[(i + 1) % 2]);
	}
	return STATUS_DONE;
}

static double seconds_in(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0.01 && value <= 86400))
		usage_error("'%s' is no interval: give seconds, from 0.01 to 86400.", text);
	return value;
}

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "prometheus", no_argument, NULL, 'p' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int stat_run(int argc, char **argv)
{
	bool json = false, prometheus = false;
	const char *device = NULL;
	double interval = 0;
	uint64_t count = 0;
	int option;

	while ((option = next_option(argc, argv, "jph", options)) != -1) {
		if (option == 'j')
			json = true;
		else
			prometheus = true;
	}
	/* A device first, if it does not look like a number. */
	if (argv[optind] && !strchr("0123456789.", argv[optind][0]))
		device = argv[optind++];
	if (prometheus) {
		if (json)
			usage_error("--json and --prometheus exclude each other.");
		if (argv[optind])
			usage_error("--prometheus prints once, without an interval.");
		return print_prometheus(device);
	}
	no_more_arguments(argc, argv, 2);
	if (argv[optind])
		interval = seconds_in(argv[optind]);
	if (argv[optind] && argv[optind + 1] && !number(argv[optind + 1], 1, UINT32_MAX, &count))
		usage_error("'%s' is no count: give a number from 1 on.", argv[optind + 1]);
	return watch(device_meant(device), json, interval, count);
}

const struct command command_stat = {
	.name = "stat",
	.usage = "[--json | --prometheus] [DEV] [INTERVAL [COUNT]]",
	.summary = "count faults, pages and frames: a line an interval",
	.help = "Faults, pages and reclaim are per second, or without an INTERVAL the totals since the module\n"
		"was loaded; frames are what they are at the moment. Numbers of more than five digits are\n"
		"in thousands (k) or millions (M).\n\n"
		"  faults   hard: read from the disk; soft: the page was in a frame; zero: filled with\n"
		"           zeros; mkwr: first write to a clean page; cow: a private copy was made\n"
		"  pages    read, written\n"
		"  reclaim  evict: frames freed; refau: faults on a page evicted not long ago\n"
		"  frames   free, active, on standby; dirty ones are among those two\n\n"
		"  -j, --json        all counters and gauges, an object a line\n"
		"  -p, --prometheus  once, of all devices, as Prometheus' text exposition format\n",
	.run = stat_run,
};
