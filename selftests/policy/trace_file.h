/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace_file.h - where traces come from: files in three formats, and loads that are made up
 */
#ifndef VMDEMO_POLICY_TRACE_FILE_H
#define VMDEMO_POLICY_TRACE_FILE_H

#include <stdio.h>

#include "replay.h"

/**
 * enum trace_format - how references are written
 * @TRACE_DETECT: by what the file begins with
 * @TRACE_TEXT:   page numbers, decimal or 0x..., between blanks, commas or new lines; # begins a
 *                comment
 * @TRACE_BINARY: page numbers of four bytes each, the lowest first
 * @TRACE_LACKEY: what valgrind --tool=lackey --trace-mem=yes writes
 */
enum trace_format { TRACE_DETECT, TRACE_TEXT, TRACE_BINARY, TRACE_LACKEY };

/**
 * trace_read - read all references of @file
 * @trace:  to be filled in; trace_free() it
 * @file:   to its end
 * @name:   for complaints
 * @format: how it is written
 * @error:  of @size bytes: gets a sentence if something is wrong
 *
 * Returns whether there is a trace.
 */
bool trace_read(struct trace *trace, FILE *file, const char *name, enum trace_format format,
		char *error, size_t size);

/* The same for a file that must be opened first; - is standard input. */
bool trace_open(struct trace *trace, const char *path, enum trace_format format, char *error,
		size_t size);

/* Add to @trace, which has no @ranges, a reference to page @page, which is below 2^28. */
void trace_add(struct trace *trace, u32 page);

/* All have been added: count the pages. */
void trace_finish(struct trace *trace);

/* The number that page @page has in the file. */
u64 trace_page(const struct trace *trace, u32 page);

void trace_free(struct trace *trace);

/*
 * generate.c: the load that is called @name, always the same; with /N behind the name an Nth of its
 * pages, and of its references. False: there is none.
 */
bool trace_generate(struct trace *trace, const char *name);

/* Load @i's name, and what it is like; NULL: there are no more. */
const char *trace_load(u32 i, const char **what);

#endif /* VMDEMO_POLICY_TRACE_FILE_H */
