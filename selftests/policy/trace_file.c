// SPDX-License-Identifier: GPL-2.0
/*
 * trace_file.c - reads traces of references
 *
 * Addresses of a program are scattered over 2^47 bytes, and tables by page number would be as
 * large. So aligned ranges of REPLAY_RANGE pages, which is all that the module looks at around a
 * page, get numbers in the order in which they come. If the pages' own numbers are small they have
 * these again in the end.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "trace_file.h"

#define PAGE_SHIFT	12		/* lackey's addresses; the page of most machines */
#define MAX_ACCESS	0x100000U	/* bytes one instruction can be about */
#define MAX_REFERENCES	VMDEMO_NONE
#define MAX_RANGES	0x80000U	/* pages are below 2^28 */
#define OWN_RANGES	0x10000U	/* page numbers below 2^25 are kept */

/* What is being read. */
struct reader {
	struct trace *trace;
	FILE *file;
	const char *name;
	u32 line;		/* 0: the format has none */
	u32 *table;		/* by hash: a range's number, and 1; or 0 */
	u32 nr_ranges;
	char *error;
	size_t size;
};

/* Say what is wrong; returns false. */
static bool __printf(2, 3) fail(const struct reader *reader, const char *format, ...)
{
	int len = snprintf(reader->error, reader->size, reader->line ? "%s:%u: " : "%s: ",
			   reader->name, reader->line);
	va_list args;

	if (len < 0 || (size_t)len >= reader->size)
		return false;
	va_start(args, format);
	vsnprintf(reader->error + len, reader->size - len, format, args);
	va_end(args);
	return false;
}

/* The array for @nr + 1 elements of @size bytes that has @nr: it is full at each power of two. */
static void *make_room(void *array, u32 nr, size_t size)
{
	void *larger;

	if (nr & (nr - 1))
		return array;
	larger = get_memory((nr ? 2 * (size_t)nr : 1) * size);
	if (nr)
		memcpy(larger, array, nr * size);
	free(array);
	return larger;
}

void trace_add(struct trace *trace, u32 page)
{
	trace->pages = make_room(trace->pages, trace->nr, sizeof(u32));
	trace->pages[trace->nr++] = page;
	if (page >= trace->limit)
		trace->limit = page + 1;
}

void trace_finish(struct trace *trace)
{
	bool *seen = get_memory(trace->limit * sizeof(bool));
	u32 i;

	for (i = 0; i < trace->nr; i++) {
		trace->nr_pages += !seen[trace->pages[i]];
		seen[trace->pages[i]] = true;
	}
	free(seen);
}

u64 trace_page(const struct trace *trace, u32 page)
{
	if (!trace->ranges)
		return page;
	return trace->ranges[page / REPLAY_RANGE] * REPLAY_RANGE + page % REPLAY_RANGE;
}

void trace_free(struct trace *trace)
{
	free(trace->pages);
	free(trace->ranges);
	memset(trace, 0, sizeof(*trace));
}

/* The number that range @range of pages has here; VMDEMO_NONE: there are too many. */
static u32 find_range(struct reader *reader, u64 range)
{
	u64 **ranges = &reader->trace->ranges;
	u32 slots = 2 * MAX_RANGES, slot = range * 0x9e3779b97f4a7c15ULL >> 32 & (slots - 1);

	for (; reader->table[slot]; slot = (slot + 1) & (slots - 1))
		if ((*ranges)[reader->table[slot] - 1] == range)
			return reader->table[slot] - 1;
	if (reader->nr_ranges == MAX_RANGES)
		return VMDEMO_NONE;
	*ranges = make_room(*ranges, reader->nr_ranges, sizeof(u64));
	(*ranges)[reader->nr_ranges] = range;
	reader->table[slot] = ++reader->nr_ranges;
	return reader->nr_ranges - 1;
}

static bool add_page(struct reader *reader, u64 page)
{
	u32 range = find_range(reader, page / REPLAY_RANGE);

	if (range == VMDEMO_NONE)
		return fail(reader, "the pages lie in more than %u ranges of %u: that is too many",
			    MAX_RANGES, REPLAY_RANGE);
	if (reader->trace->nr == MAX_REFERENCES)
		return fail(reader, "there are more than %u references", MAX_REFERENCES);
	trace_add(reader->trace, range * REPLAY_RANGE + page % REPLAY_RANGE);
	return true;
}

/* Page numbers that are small enough are what the file has. */
static void keep_numbers(struct reader *reader)
{
	struct trace *trace = reader->trace;
	u32 i;

	for (i = 0; i < reader->nr_ranges; i++)
		if (trace->ranges[i] >= OWN_RANGES)
			return;
	trace->limit = 0;
	for (i = 0; i < trace->nr; i++) {
		trace->pages[i] = trace_page(trace, trace->pages[i]);
		trace->limit = max(trace->limit, trace->pages[i] + 1);
	}
	free(trace->ranges);
	trace->ranges = NULL;
}

/* A number at @at, which ends before one of @ends or with the line; NULL: there is none. */
static const char *take_number(const char *at, int base, const char *ends, u64 *number)
{
	char *end;

	if (!isxdigit((unsigned char)*at))
		return NULL;
	errno = 0;
	*number = strtoull(at, &end, base);
	return errno || (*end && !strchr(ends, *end)) ? NULL : end;
}

static bool read_text_line(struct reader *reader, char *line)
{
	const char *at = line, *end;
	u64 page;

	line[strcspn(line, "#")] = 0;
	while (at += strspn(at, " \t\r\n,"), *at) {
		end = take_number(at, at[0] == '0' && tolower(at[1]) == 'x' ? 16 : 10, " \t\r\n,",
				  &page);
		if (!end)
			return fail(reader, "'%.*s' is no page number",
				    (int)min(strcspn(at, " \t\r\n,"), (size_t)40), at);
		if (!add_page(reader, page))
			return false;
		at = end;
	}
	return true;
}

/* Is @line about an access? "I  04016b80,3", " L 1ffefffe3c,4": what, where in hex, how long. */
static bool is_access(const char *line)
{
	return !strncmp(line, "I  ", 3) ||
	       (line[0] == ' ' && line[1] && strchr("LSM", line[1]) && line[2] == ' ');
}

static bool read_lackey_line(struct reader *reader, char *line)
{
	u64 address, bytes, page;
	const char *at;

	line[strcspn(line, "\r\n")] = 0;
	/* valgrind's own messages */
	if (!*line || !strncmp(line, "==", 2))
		return true;
	if (!is_access(line))
		return fail(reader, "'%.40s' is no access as lackey writes it: \" L 1ffefffe3c,4\"",
			    line);
	at = take_number(line + 3, 16, ",", &address);
	if (!at || !*at)
		return fail(reader, "'%.40s' has no address, or no size", line);
	if (!take_number(at + 1, 10, "", &bytes) || !bytes || bytes > MAX_ACCESS ||
	    address + bytes - 1 < address)
		return fail(reader, "'%.40s' is no size of an access", at + 1);
	for (page = address >> PAGE_SHIFT; page <= (address + bytes - 1) >> PAGE_SHIFT; page++)
		if (!add_page(reader, page))
			return false;
	return true;
}

static bool read_lines(struct reader *reader, enum trace_format format)
{
	char *line = NULL;
	size_t size = 0;
	bool ok = true;

	while (ok && getline(&line, &size, reader->file) >= 0) {
		reader->line++;
		ok = format == TRACE_TEXT ? read_text_line(reader, line) :
					    read_lackey_line(reader, line);
	}
	free(line);
	if (ok)
		reader->line = 0;
	return ok;
}

static bool read_binary(struct reader *reader)
{
	unsigned char page[4];
	size_t len;

	while ((len = fread(page, 1, sizeof(page), reader->file)) == sizeof(page))
		if (!add_page(reader, page[0] | page[1] << 8 | page[2] << 16 | (u32)page[3] << 24))
			return false;
	if (len)
		return fail(reader, "it is cut short: page number %u has %zu bytes, not 4",
			    reader->trace->nr, len);
	return true;
}

/* Page numbers of four bytes have zeros; lackey's lines are accesses, or messages of valgrind's. */
static enum trace_format detect(FILE *file)
{
	enum trace_format format = TRACE_TEXT;
	char start[64] = "";
	size_t len = fread(start, 1, sizeof(start), file);

	if (memchr(start, 0, len))
		format = TRACE_BINARY;
	else if (is_access(start) || !strncmp(start, "==", 2))
		format = TRACE_LACKEY;
	/* All of it is taken back: the file may be a pipe. */
	while (len)
		ungetc((unsigned char)start[--len], file);
	return format;
}

bool trace_read(struct trace *trace, FILE *file, const char *name, enum trace_format format,
		char *error, size_t size)
{
	struct reader reader = {
		.trace = trace,
		.file = file,
		.name = name,
		.table = get_memory(2 * MAX_RANGES * sizeof(u32)),
		.error = error,
		.size = size,
	};
	bool ok;

	memset(trace, 0, sizeof(*trace));
	if (format == TRACE_DETECT)
		format = detect(file);
	ok = format == TRACE_BINARY ? read_binary(&reader) : read_lines(&reader, format);
	if (ok && ferror(file))
		ok = fail(&reader, "it cannot be read: %s", strerror(errno));
	if (ok && !trace->nr)
		ok = fail(&reader, "it has no references");
	free(reader.table);
	if (!ok) {
		trace_free(trace);
		return false;
	}
	keep_numbers(&reader);
	trace_finish(trace);
	return true;
}

bool trace_open(struct trace *trace, const char *path, enum trace_format format, char *error,
		size_t size)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
	bool ok;

	if (!file) {
		snprintf(error, size, "%s: it cannot be read: %s", path, strerror(errno));
		return false;
	}
	ok = trace_read(trace, file, file == stdin ? "standard input" : path, format, error, size);
	if (file != stdin)
		fclose(file);
	return ok;
}
