// SPDX-License-Identifier: GPL-2.0
/*
 * heat.c - when which pages of a recording were used, in digits
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "recording.h"
#include "tool.h"

#define COLUMNS		64
#define MOST_ROWS	32

/* A row is of @nr pages from rec.keys[@first] on, all of one space. */
struct row {
	size_t first;
	size_t nr;
	uint32_t count[COLUMNS];
};

static struct row *rows;
static size_t nr_rows;

static uint64_t space_of(size_t i)
{
	return rec.keys[i] >> KEY_PAGE_BITS;
}

static uint64_t page_of(size_t i)
{
	return rec.keys[i] - key_of(space_of(i), 0);
}

static size_t most_in_row(void)
{
	return (rec.nr_keys + MOST_ROWS - 1) / MOST_ROWS;
}

static void make_rows(void)
{
	size_t i, nr_spaces = 1;

	for (i = 1; i < rec.nr_keys; i++)
		nr_spaces += space_of(i) != space_of(i - 1);
	rows = need_memory(calloc(MOST_ROWS + nr_spaces, sizeof(*rows)));
	for (i = 0; i < rec.nr_keys; i++) {
		if (!i || rows[nr_rows - 1].nr == most_in_row() || space_of(i) != space_of(i - 1))
			rows[nr_rows++].first = i;
		rows[nr_rows - 1].nr++;
	}
}

static struct row *row_of(size_t page)
{
	size_t low = 0, high = nr_rows, middle;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (rows[middle].first <= page)
			low = middle;
		else
			high = middle;
	}
	return &rows[low];
}

/* Each touch that the policy saw, and each time that a page came in. */
static void count(void)
{
	const struct happening *h;
	size_t column;

	for (h = rec.happenings; h < rec.happenings + rec.nr_happenings; h++) {
		if (!is_reference(h->change) || h->change == CHANGE_READ)
			continue;
		column = (double)h->ns / (rec.duration + 1) * COLUMNS;
		row_of(index_of(h->key))->count[column < COLUMNS ? column : COLUMNS - 1]++;
	}
}

/* The digit grows by one where the count doubles, for most of the range or all of it. */
static unsigned int digit_of(uint32_t n, unsigned int most)
{
	unsigned int bits = n ? 32 - __builtin_clz(n) : 0;

	return most <= 9 || !bits ? bits : 1 + (bits - 1) * 8 / (most - 1);
}

static unsigned int most_bits(void)
{
	uint32_t most = 0;
	size_t i, k;

	for (i = 0; i < nr_rows; i++)
		for (k = 0; k < COLUMNS; k++)
			most = rows[i].count[k] > most ? rows[i].count[k] : most;
	return most ? 32 - __builtin_clz(most) : 0;
}

static void print_legend(unsigned int most)
{
	unsigned int bits, digit, last = 0;
	char took[TIME_TEXT];

	printf("%zu pages, up to %zu in a row; %s in a column. References that were seen: . none",
	       rec.nr_keys, most_in_row(), time_text(took, rec.duration / COLUMNS));
	for (bits = 1; bits <= most; bits++) {
		digit = digit_of(1U << (bits - 1), most);
		if (digit != last)
			printf("  %u from %u", digit, 1U << (bits - 1));
		last = digit;
	}
	putchar('\n');
}

/* Where there are several spaces, each begins with a line of its own. */
static void print_rows(unsigned int most)
{
	bool several = nr_rows && space_of(rows[0].first) != space_of(rows[nr_rows - 1].first);
	uint64_t space, last = UINT64_MAX;
	unsigned int digit;
	size_t i, k;

	for (i = 0; i < nr_rows; i++) {
		space = space_of(rows[i].first);
		if (several && space != last && space)
			printf("sparse space %" PRIu64 ":\n", space);
		else if (several && space != last)
			puts("the device:");
		last = space;
		printf("%10" PRIu64 "  ", page_of(rows[i].first));
		for (k = 0; k < COLUMNS; k++) {
			digit = digit_of(rows[i].count[k], most);
			putchar(digit ? '0' + digit : '.');
		}
		putchar('\n');
	}
}

static const struct option options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int heat_run(int argc, char **argv)
{
	unsigned int most;

	while (next_option(argc, argv, "h", options) != -1)
		;
	no_more_arguments(argc, argv, 1);
	if (!argv[optind])
		usage_error("say which recording: a file that 'vmdemo record' has written.");
	recording_read(argv[optind]);
	recording_sort_keys(false);
	make_rows();
	count();
	most = most_bits();
	print_legend(most);
	print_rows(most);
	if (rec.lost || rec.nr_gaps)
		note("events were lost while this was recorded: there were more references than shown.");
	return STATUS_DONE;
}

const struct command command_heat = {
	.name = "heat",
	.usage = "FILE",
	.summary = "draw when which pages of a recording were used, in digits",
	.help = "FILE is what 'vmdemo record' has written. A row is of pages that follow each other, without those\n"
		"that nothing happens to; a column is a part of the time. References are pages that came in,\n"
		"and touches that the policy saw: of pages that stay mapped none are seen.\n",
	.run = heat_run,
};
