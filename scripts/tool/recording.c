// SPDX-License-Identifier: GPL-2.0
/*
 * recording.c - read a recording
 *
 * It may come from anybody: each line is looked at before it is believed.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "recording.h"
#include "tool.h"

#define MOST_LINE	65536
#define MOST_RUN	65536		/* pages written in one go */
#define MOST_NS		(1ULL << 62)
#define MOST_PAGE	((1ULL << KEY_PAGE_BITS) - 1)
#define MOST_SPACE	((1ULL << 28) - 2)	/* after which there is still one */
#define MOST_FRAME	((1ULL << 32) - 1)

const char *const kinds[NR_KINDS] = { "hard", "ahead", "wait", "soft", "zero", "failed" };

static const struct {
	const char *name;
	enum change change;
} policy_events[] = {
	{ "insert", CHANGE_IN },	{ "refault", CHANGE_IN },
	{ "touch", CHANGE_TOUCHED },	{ "late", CHANGE_LATE },
	{ "hold", CHANGE_ACTIVE },	{ "demote", CHANGE_STANDBY },
	{ "unmap", CHANGE_NOTHING },	{ "rotate", CHANGE_ACTIVE },
	{ "back", CHANGE_ACTIVE },	{ "forget", CHANGE_GONE },
	{ "release", CHANGE_ACTIVE },
};

struct recording rec;

static const char *file;
static uint64_t line_nr;
static bool ended;
/* The last name of each task: a hash table of numbers of names + 1, no more than half full. */
static size_t *last_names, room_names;

/* One more of @size bytes in the array that is at *@array; it grows whenever it is full. */
static void *add(void *array, size_t *nr, size_t size)
{
	char *place;

	memcpy(&place, array, sizeof(place));
	if (!(*nr & (*nr - 1))) {
		place = need_memory(realloc(place, (*nr ? 2 * *nr : 1) * size));
		memcpy(array, &place, sizeof(place));
	}
	return place + (*nr)++ * size;
}

static void add_number(uint64_t **array, size_t *nr, uint64_t value)
{
	uint64_t *place = add(array, nr, sizeof(value));

	*place = value;
}

/* ---- reading ---- */

static void __attribute__((noreturn)) bad(const char *what)
{
	fail("%s is no recording that can be read: line %" PRIu64 ": %s.", file, line_nr, what);
}

/* The next field of a line; it ends the program if there is none. */
static char *next_field(char **line)
{
	char *field = *line, *end = field ? strchr(field, ' ') : NULL;

	if (!field || !*field || *field == ' ')
		bad("a field is missing");
	if (end)
		*end++ = 0;
	*line = end;
	return field;
}

static uint64_t next_number(char **line, uint64_t most)
{
	const char *field = next_field(line);
	uint64_t value = 0;

	for (; *field; field++) {
		if (!isdigit((unsigned char)*field))
			bad("a field is no number");
		if (value > (UINT64_MAX - 9) / 10)
			bad("a number is too large");
		value = 10 * value + *field - '0';
	}
	if (value > most)
		bad("a number is too large");
	return value;
}

/* Of a hexadecimal digit; 16 if it is none. */
static unsigned int digit(char c)
{
	static const char digits[] = "0123456789abcdef";

	return c ? strcspn(digits, (char[]){ tolower((unsigned char)c), 0 }) : 16;
}

/* A text for people to see; what no terminal or font would show becomes a question mark. */
static char *next_text(char **line)
{
	char *field = next_field(line), *text = field, *to = field;
	unsigned int code;

	if (!strcmp(field, "%"))
		*field = 0;
	for (; *field; field++) {
		code = (unsigned char)*field;
		if (code == '%') {
			if (digit(field[1]) > 15 || digit(field[2]) > 15)
				bad("a text is not as it should be");
			code = 16 * digit(field[1]) + digit(field[2]);
			field += 2;
		}
		*to++ = code < ' ' || code > '~' ? '?' : code;
	}
	*to = 0;
	return need_memory(strdup(text));
}

static void end_of_line(const char *line)
{
	if (line)
		bad("it has too many fields");
}

static struct happening *happen(uint64_t ns, uint64_t key, enum change change)
{
	struct happening *h = add(&rec.happenings, &rec.nr_happenings, sizeof(*h));

	/* Processors may differ by a little. */
	if (rec.nr_happenings > 1 && ns < h[-1].ns)
		ns = h[-1].ns;
	*h = (struct happening){ .ns = ns, .key = key, .nr = 1, .change = change };
	return h;
}

static void read_fact(char *line)
{
	struct text_pair *p = add(&rec.facts, &rec.nr_facts, sizeof(*p));

	p->name = next_text(&line);
	p->text = next_text(&line);
	end_of_line(line);
	if (!strcmp(p->name, "pages") && !number(p->text, 0, MOST_PAGE + 1, &rec.nr_pages))
		bad("pages are no number");
	if (!strcmp(p->name, "frames") && !number(p->text, 0, MOST_FRAME, &rec.nr_frames))
		bad("frames are no number");
}

static void read_setting(char *line)
{
	struct text_pair *p = add(&rec.settings, &rec.nr_settings, sizeof(*p));

	p->name = next_text(&line);
	p->text = next_text(&line);
	end_of_line(line);
}

static void read_counters(char *line)
{
	if (rec.nr_counters || rec.nr_samples)
		bad("it names counters too late");
	while (line) {
		if (rec.nr_counters == MOST_COUNTERS)
			bad("it has too many counters");
		rec.counters[rec.nr_counters++] = next_text(&line);
	}
}

static void read_sample(char *line)
{
	size_t i;

	add_number(&rec.samples, &rec.nr_samples, next_number(&line, MOST_NS));
	for (i = 0; i < rec.nr_counters; i++)
		add_number(&rec.samples, &rec.nr_samples, next_number(&line, UINT64_MAX));
	end_of_line(line);
}

static void read_page(char *line, bool first)
{
	uint64_t page = next_number(&line, MOST_PAGE), state, flags;
	struct happening *h;

	next_number(&line, MOST_FRAME);
	state = next_number(&line, 255);
	flags = next_number(&line, 255);
	end_of_line(line);
	if (!first)
		return;
	h = happen(0, page, state == VMDEMO_PAGE_STANDBY ? CHANGE_STANDBY : CHANGE_ACTIVE);
	h->known = true;
	if (flags & VMDEMO_PAGE_DIRTY)
		happen(0, page, CHANGE_DIRTY);
}

static size_t *place_of_name(uint64_t task)
{
	size_t i = (uint32_t)task * 2654435761U & (room_names - 1);

	while (last_names[i] && rec.names[last_names[i] - 1].task != task)
		i = (i + 1) & (room_names - 1);
	return &last_names[i];
}

static void grow_names(void)
{
	size_t i;

	room_names = room_names ? 2 * room_names : 1024;
	free(last_names);
	last_names = need_memory(calloc(room_names, sizeof(*last_names)));
	for (i = 0; i < rec.nr_names; i++)
		*place_of_name(rec.names[i].task) = i + 1;
}

static void read_name(char *line)
{
	struct name *n = add(&rec.names, &rec.nr_names, sizeof(*n));

	*n = (struct name){ .task = next_number(&line, INT32_MAX) };
	n->process = next_number(&line, INT32_MAX);
	n->text = next_text(&line);
	end_of_line(line);
	if (2 * rec.nr_names > room_names)
		grow_names();
	*place_of_name(n->task) = rec.nr_names;
}

/* The last name that was given to @task. */
static size_t name_of_task(uint64_t task)
{
	size_t nr = room_names ? *place_of_name(task) : 0;

	if (!nr)
		bad("a task has no name");
	return nr - 1;
}

static void read_fault(char *line)
{
	struct fault_line f = { .ns = next_number(&line, MOST_NS) }, *place;
	uint64_t space, page;
	const char *word;
	bool write;

	f.took = next_number(&line, MOST_NS);
	f.name = name_of_task(next_number(&line, INT32_MAX));
	space = next_number(&line, MOST_SPACE);
	page = next_number(&line, MOST_PAGE);
	f.key = key_of(space, page);
	word = next_field(&line);
	while (f.kind < NR_KINDS && strcmp(word, kinds[f.kind]))
		f.kind++;
	if (f.kind == NR_KINDS)
		bad("there is no such kind of fault");
	word = next_field(&line);
	write = !strcmp(word, "w");
	if (!write && strcmp(word, "r"))
		bad("it is neither reading nor writing");
	word = next_field(&line);
	if (strcmp(word, "-1") && !isdigit((unsigned char)*word))
		bad("a frame is no number");
	next_number(&line, UINT32_MAX);
	end_of_line(line);
	if (rec.nr_faults && f.ns < rec.faults[rec.nr_faults - 1].ns)
		f.ns = rec.faults[rec.nr_faults - 1].ns;
	place = add(&rec.faults, &rec.nr_faults, sizeof(*place));
	*place = f;
	if (f.kind == KIND_HARD)
		happen(f.ns, f.key, CHANGE_READ);
	if (f.kind != KIND_FAILED && write)
		happen(f.ns, f.key, CHANGE_DIRTY);
}

static void read_policy(char *line)
{
	uint64_t ns = next_number(&line, MOST_NS), space, page;
	const char *event = next_field(&line);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(policy_events); i++)
		if (!strcmp(event, policy_events[i].name))
			break;
	space = next_number(&line, MOST_SPACE);
	page = next_number(&line, MOST_PAGE);
	next_number(&line, MOST_FRAME);
	end_of_line(line);
	/* Of a later module there may be others. */
	if (i < ARRAY_SIZE(policy_events) && policy_events[i].change != CHANGE_NOTHING)
		happen(ns, key_of(space, page), policy_events[i].change);
}

static void read_write(char *line, bool done)
{
	uint64_t ns = next_number(&line, MOST_NS), space = next_number(&line, MOST_SPACE);
	uint64_t page = next_number(&line, MOST_PAGE), nr = next_number(&line, MOST_RUN);
	const char *error = done ? next_field(&line) : "";

	end_of_line(line);
	if (!strcmp(error, "0"))
		happen(ns, key_of(space, page), CHANGE_CLEAN)->nr = nr;
}

static void read_gap(char *line)
{
	add_number(&rec.gaps, &rec.nr_gaps, next_number(&line, MOST_NS));
	next_number(&line, UINT64_MAX);
	end_of_line(line);
}

static void read_end(char *line)
{
	rec.duration = next_number(&line, MOST_NS);
	rec.lost = next_number(&line, UINT64_MAX);
	end_of_line(line);
	ended = true;
}

static void read_line(char *line)
{
	char letter = *line;

	if (ended)
		bad("something comes after the end");
	if (!letter || line[1] != ' ')
		bad("it begins with no letter and blank");
	line += 2;
	switch (letter) {
	case 'i':
		read_fact(line);
		break;
	case 's':
		read_setting(line);
		break;
	case 'c':
		read_counters(line);
		break;
	case 'm':
		read_page(line, true);
		break;
	case 'v':
		read_sample(line);
		break;
	case 'n':
		read_name(line);
		break;
	case 'f':
		read_fault(line);
		break;
	case 'p':
		read_policy(line);
		break;
	case 'w':
		read_write(line, false);
		break;
	case 'd':
		read_write(line, true);
		break;
	case 'l':
		read_gap(line);
		break;
	case 'M':
		read_page(line, false);
		break;
	case 'e':
		read_end(line);
		break;
	default:
		bad("its letter is not known");
	}
}

void recording_read(const char *name)
{
	static char line[MOST_LINE];
	FILE *in = fopen(name, "re");
	size_t length;

	file = name;
	if (!in)
		fail("%s: %s.", file, strerror(errno));
	while (fgets(line, sizeof(line), in)) {
		line_nr++;
		length = strcspn(line, "\n");
		if (line_nr == 1 && strncmp(line, RECORDING_MAGIC "\n", sizeof(line)))
			fail("%s is no recording of this version: its first line is not '%s'.",
			     file, RECORDING_MAGIC);
		if (!line[length] && feof(in))
			bad("it is cut off");
		if (!line[length])
			bad("it is too long, or has a byte 0");
		line[length] = 0;
		if (line_nr > 1)
			read_line(line);
	}
	if (ferror(in))
		fail("%s cannot be read: %s.", file, strerror(errno));
	fclose(in);
	if (!line_nr)
		fail("%s is empty.", file);
	if (!ended)
		fail("%s is cut off: its last line is missing.", file);
}

bool is_reference(enum change change)
{
	return change == CHANGE_IN || change == CHANGE_TOUCHED || change == CHANGE_LATE ||
	       change == CHANGE_READ;
}

/* ---- pages in a row ---- */

int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void recording_sort_keys(bool whole)
{
	size_t i, nr = 0;

	for (i = 0; i < rec.nr_happenings; i++)
		if (rec.happenings[i].change != CHANGE_CLEAN)
			add_number(&rec.keys, &rec.nr_keys, rec.happenings[i].key);
	for (i = 0; whole && i < rec.nr_pages; i++)
		add_number(&rec.keys, &rec.nr_keys, i);
	if (rec.nr_keys)
		qsort(rec.keys, rec.nr_keys, sizeof(*rec.keys), by_number);
	for (i = 0; i < rec.nr_keys; i++)
		if (!i || rec.keys[i] != rec.keys[i - 1])
			rec.keys[nr++] = rec.keys[i];
	rec.nr_keys = nr;
}

size_t index_of(uint64_t key)
{
	size_t low = 0, high = rec.nr_keys, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (rec.keys[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
