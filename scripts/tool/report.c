// SPDX-License-Identifier: GPL-2.0
/*
 * report.c - make a page of HTML of a recording, which plays it in any browser: see report.html
 *
 * A recording may come from anybody: each line is looked at before it is believed, and no text of
 * it gets into the page but as a string of JSON.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "recording.h"
#include "tool.h"

#define MOST_LINE	65536
#define MOST_NAMES	512
#define MOST_RUN	65536		/* pages written in one go */
#define MOST_NS		(1ULL << 62)
#define MOST_PAGE	((1ULL << KEY_PAGE_BITS) - 1)
#define MOST_SPACE	((1ULL << 28) - 2)	/* after which there is still one */
#define MOST_FRAME	((1ULL << 32) - 1)
/* A device that is larger is shown without pages that nothing happens to. */
#define WHOLE		65536
#define MOST_PROCESSES	20

/* The template has it where the data goes. */
#define MARK		"@DATA@"

__asm__(".pushsection .rodata\n"
	".global report_template\n"
	"report_template:\n"
	".incbin \"" REPORT_TEMPLATE "\"\n"
	".byte 0\n"
	".popsection\n");

static const char *const kinds[NR_KINDS] = { "hard", "ahead", "wait", "soft", "zero", "failed" };

/* How a page is; DIRTY comes on top. */
enum {
	STATE_NONE,
	STATE_ACTIVE,
	STATE_STANDBY,
	STATE_DIRTY = 4,
};

/* What may happen to a page. */
enum change {
	CHANGE_GONE,
	CHANGE_ACTIVE,
	CHANGE_STANDBY,
	CHANGE_TOUCHED,
	CHANGE_LATE,
	CHANGE_NOTHING,
	CHANGE_DIRTY,
	CHANGE_CLEAN,
};

static const struct {
	const char *name;
	enum change change;
} policy_events[] = {
	{ "insert", CHANGE_ACTIVE },	{ "refault", CHANGE_ACTIVE },
	{ "touch", CHANGE_TOUCHED },	{ "late", CHANGE_LATE },
	{ "hold", CHANGE_ACTIVE },	{ "demote", CHANGE_STANDBY },
	{ "unmap", CHANGE_NOTHING },	{ "rotate", CHANGE_ACTIVE },
	{ "back", CHANGE_ACTIVE },	{ "forget", CHANGE_GONE },
	{ "release", CHANGE_ACTIVE },
};

struct happening {
	uint64_t ns;
	uint64_t key;
	uint32_t nr; /* pages, in all spaces, if it is CHANGE_CLEAN */
	enum change change;
};

struct fault_line {
	uint64_t ns;
	uint64_t took;
	uint64_t key;
	enum fault_kind kind;
	size_t name;
};

struct text_pair {
	char *name;
	char *text;
};

struct name {
	uint64_t task;
	uint64_t process;
	char *text;
	/* Of a process, at the first name that it has. */
	uint64_t nr[NR_KINDS];
	uint64_t took;
};

static struct happening *happenings;
static struct fault_line *faults;
static struct text_pair *facts;
static struct text_pair *settings;
static struct name *names;
static uint64_t *samples;
static uint64_t *keys;
static struct reference *references;
static uint64_t *gaps;
static size_t nr_happenings, nr_faults, nr_facts, nr_settings, nr_names, nr_samples, nr_keys;
static size_t nr_references, nr_gaps;

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

static void add_reference(uint64_t key, bool missed)
{
	struct reference *place = add(&references, &nr_references, sizeof(*place));

	*place = (struct reference){ key, missed };
}

static const char *file;
static uint64_t line_nr, nr_pages, nr_frames, duration, lost;
static char *counters[MOST_NAMES];
static size_t nr_counters, nr_known;
static bool ended;

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

/* A text for people to see; what no terminal or font would show becomes a question mark. */
static char *next_text(char **line)
{
	char *field = next_field(line), *text = field, *to = field;
	unsigned int code;
	int used;

	if (!strcmp(field, "%"))
		*field = 0;
	for (; *field; field++) {
		code = (unsigned char)*field;
		if (code == '%') {
			used = 0;
			if (!isxdigit((unsigned char)field[1]) ||
			    sscanf(field + 1, "%2x%n", &code, &used) != 1 || used != 2)
				bad("a text is not as it should be");
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

static uint64_t key_of(uint64_t space, uint64_t page)
{
	return space << KEY_PAGE_BITS | page;
}

static struct happening *happen(uint64_t ns, uint64_t key, enum change change)
{
	struct happening *h = add(&happenings, &nr_happenings, sizeof(*h));

	/* Processors may differ by a little. */
	if (nr_happenings > 1 && ns < h[-1].ns)
		ns = h[-1].ns;
	*h = (struct happening){ .ns = ns, .key = key, .nr = 1, .change = change };
	return h;
}

static void read_fact(char *line)
{
	struct text_pair *p = add(&facts, &nr_facts, sizeof(*p));

	p->name = next_text(&line);
	p->text = next_text(&line);
	end_of_line(line);
	if (!strcmp(p->name, "pages") && !number(p->text, 0, MOST_PAGE + 1, &nr_pages))
		bad("pages are no number");
	if (!strcmp(p->name, "frames") && !number(p->text, 0, MOST_FRAME, &nr_frames))
		bad("frames are no number");
}

static void read_setting(char *line)
{
	struct text_pair *p = add(&settings, &nr_settings, sizeof(*p));

	p->name = next_text(&line);
	p->text = next_text(&line);
	end_of_line(line);
}

static void read_counters(char *line)
{
	if (nr_counters || nr_samples)
		bad("it names counters too late");
	while (line) {
		if (nr_counters == MOST_NAMES)
			bad("it has too many counters");
		counters[nr_counters++] = next_text(&line);
	}
}

static void read_sample(char *line)
{
	size_t i;

	add_number(&samples, &nr_samples, next_number(&line, MOST_NS));
	for (i = 0; i < nr_counters; i++)
		add_number(&samples, &nr_samples, next_number(&line, UINT64_MAX));
	end_of_line(line);
}

static void read_page(char *line, bool first)
{
	uint64_t page = next_number(&line, MOST_PAGE), state, flags;

	next_number(&line, MOST_FRAME);
	state = next_number(&line, 255);
	flags = next_number(&line, 255);
	end_of_line(line);
	if (!first)
		return;
	if (nr_faults)
		bad("a page comes too late");
	add_reference(page, false);
	nr_known++;
	happen(0, page, state == VMDEMO_PAGE_STANDBY ? CHANGE_STANDBY : CHANGE_ACTIVE);
	if (flags & VMDEMO_PAGE_DIRTY)
		happen(0, page, CHANGE_DIRTY);
}

static void read_name(char *line)
{
	struct name *n = add(&names, &nr_names, sizeof(*n));

	*n = (struct name){ .task = next_number(&line, INT32_MAX) };
	n->process = next_number(&line, INT32_MAX);
	n->text = next_text(&line);
	end_of_line(line);
}

/* The last name that was given to @task. There are few. */
static size_t name_of_task(uint64_t task)
{
	static size_t last;
	size_t i;

	/* Most often it is that of the line before. */
	if (last < nr_names && names[last].task == task && last == nr_names - 1)
		return last;
	for (i = nr_names; i; i--)
		if (names[i - 1].task == task)
			return last = i - 1;
	bad("a task has no name");
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
	if (nr_faults && f.ns < faults[nr_faults - 1].ns)
		f.ns = faults[nr_faults - 1].ns;
	place = add(&faults, &nr_faults, sizeof(*place));
	*place = f;
	if (f.kind == KIND_FAILED)
		return;
	add_reference(f.key, f.kind == KIND_HARD);
	if (write)
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
	uint64_t ns = next_number(&line, MOST_NS), page = next_number(&line, MOST_PAGE);
	uint64_t nr = next_number(&line, MOST_RUN);
	const char *error = done ? next_field(&line) : "";

	end_of_line(line);
	if (!strcmp(error, "0"))
		happen(ns, page, CHANGE_CLEAN)->nr = nr;
}

static void read_gap(char *line)
{
	add_number(&gaps, &nr_gaps, next_number(&line, MOST_NS));
	next_number(&line, UINT64_MAX);
	end_of_line(line);
}

static void read_end(char *line)
{
	duration = next_number(&line, MOST_NS);
	lost = next_number(&line, UINT64_MAX);
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

static void read_recording(void)
{
	static char line[MOST_LINE];
	FILE *in = fopen(file, "re");
	size_t length;

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

/* ---- pages in a row ---- */

static int by_key(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* All of the device, unless it is large; then, and of spaces, only what anything happens to. */
static void sort_keys(void)
{
	bool whole = nr_pages <= WHOLE;
	size_t i, nr = 0;

	for (i = 0; i < nr_happenings; i++)
		if (happenings[i].change != CHANGE_CLEAN)
			add_number(&keys, &nr_keys, happenings[i].key);
	for (i = 0; whole && i < nr_pages; i++)
		add_number(&keys, &nr_keys, i);
	if (nr_keys)
		qsort(keys, nr_keys, sizeof(*keys), by_key);
	for (i = 0; i < nr_keys; i++)
		if (!i || keys[i] != keys[i - 1])
			keys[nr++] = keys[i];
	nr_keys = nr;
}

/* The first that is not less. */
static size_t index_of(uint64_t key)
{
	size_t low = 0, high = nr_keys, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (keys[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- writing ---- */

/* An array of numbers, close together. */
static void numbers_open(const char *name)
{
	json_open(name, '[');
}

static void put_number(bool first, uint64_t value)
{
	printf("%s%" PRIu64, first ? "" : ",", value);
}

static void put_pairs(const char *name, const struct text_pair *pairs, size_t nr)
{
	size_t i;

	json_open(name, '[');
	for (i = 0; i < nr; i++) {
		json_open(NULL, '[');
		json_string(NULL, pairs[i].name);
		json_string(NULL, pairs[i].text);
		json_close(']');
	}
	json_close(']');
}

/* A region of the row is a space; if not all its pages are in it, each one's distance is given. */
static void put_regions(void)
{
	uint64_t space, before;
	size_t i, end, k;
	bool whole;

	json_number("pages", nr_keys);
	json_open("regions", '[');
	for (i = 0; i < nr_keys; i = end) {
		space = keys[i] >> KEY_PAGE_BITS;
		end = index_of(key_of(space + 1, 0));
		whole = !space && end - i == nr_pages;
		json_open(NULL, '{');
		json_number("space", space);
		json_number("first", i);
		json_number("pages", end - i);
		json_bool("whole", whole);
		numbers_open("numbers");
		for (k = i, before = key_of(space, 0); !whole && k < end; before = keys[k++])
			put_number(k == i, keys[k] - before);
		json_close(']');
		json_close('}');
	}
	json_close(']');
}

static bool setting_is(const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < nr_settings; i++)
		if (!strcmp(settings[i].name, name))
			return !strcmp(settings[i].text, value);
	return false;
}

/* What a page that has @state becomes. */
static unsigned int changed(unsigned int state, enum change change)
{
	/* These sort pages without regard for the touch of one that stands by, or of a late one. */
	static int by_touch = -1, by_late;
	unsigned int dirty = state & STATE_DIRTY;

	if (by_touch < 0) {
		by_late = !setting_is("policy", "fifo") && !setting_is("policy", "random");
		by_touch = by_late && !setting_is("policy", "clock");
	}
	switch (change) {
	case CHANGE_GONE:
		return STATE_NONE;
	case CHANGE_ACTIVE:
		return STATE_ACTIVE | dirty;
	case CHANGE_STANDBY:
		return STATE_STANDBY | dirty;
	case CHANGE_TOUCHED:
		return by_touch || !(state & ~STATE_DIRTY) ? STATE_ACTIVE | dirty : state;
	case CHANGE_LATE:
		return by_late || !(state & ~STATE_DIRTY) ? STATE_ACTIVE | dirty : state;
	case CHANGE_DIRTY:
		return state ? state | STATE_DIRTY : state;
	case CHANGE_CLEAN:
		return state & ~STATE_DIRTY;
	default:
		return state;
	}
}

static bool put_change(bool first, uint64_t *before, uint64_t ns, unsigned char *states, size_t i,
		       enum change change)
{
	unsigned int state = changed(states[i], change);
	uint64_t us = ns / 1000;

	if (state == states[i])
		return first;
	states[i] = state;
	put_number(first, us - *before);
	put_number(false, i);
	put_number(false, state);
	*before = us;
	return false;
}

/* Each change of a page as three numbers: microseconds since the one before, page, state. */
static void put_changes(void)
{
	unsigned char *states = need_memory(calloc(nr_keys + 1, 1));
	const struct happening *h;
	uint64_t before = 0, space;
	bool first = true;
	size_t i;

	numbers_open("changes");
	for (h = happenings; h < happenings + nr_happenings; h++) {
		if (h->change != CHANGE_CLEAN) {
			i = index_of(h->key);
			first = put_change(first, &before, h->ns, states, i, h->change);
			continue;
		}
		/* Writing does not tell of which space it is. */
		for (i = 0; i < nr_keys; i = index_of(key_of(space + 1, 0))) {
			space = keys[i] >> KEY_PAGE_BITS;
			for (i = index_of(h->key | key_of(space, 0));
			     i < nr_keys && keys[i] < (h->key | key_of(space, 0)) + h->nr; i++)
				first = put_change(first, &before, h->ns, states, i, h->change);
		}
	}
	json_close(']');
	free(states);
}

/* Each fault as three numbers: microseconds since the one before, its latency in ns, kind. */
static void put_faults(void)
{
	uint64_t before = 0;
	size_t i;

	json_open("kinds", '[');
	for (i = 0; i < NR_KINDS; i++)
		json_string(NULL, kinds[i]);
	json_close(']');
	numbers_open("faults");
	for (i = 0; i < nr_faults; i++) {
		put_number(!i, faults[i].ns / 1000 - before);
		put_number(false, faults[i].took);
		put_number(false, faults[i].kind);
		before = faults[i].ns / 1000;
	}
	json_close(']');
}

static int by_faults(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	uint64_t sums[2] = { 0, 0 };
	int i;

	for (i = 0; i < NR_KINDS; i++) {
		sums[0] += x->nr[i];
		sums[1] += y->nr[i];
	}
	return sums[0] != sums[1] ? (sums[0] < sums[1] ? 1 : -1) : x->process < y->process ? -1 : 1;
}

static int by_process(const void *a, const void *b)
{
	const struct name *x = *(struct name *const *)a, *y = *(struct name *const *)b;
	int names = strcmp(x->text, y->text);

	return x->process != y->process ? (x->process < y->process ? -1 : 1) :
	       names ? names : x < y ? -1 : x > y;
}

/* Threads of a process that have the same name count together, at the first of them. */
static void put_processes(void)
{
	struct name **sorted = need_memory(malloc((nr_names + 1) * sizeof(*sorted))), *first;
	size_t *at = need_memory(malloc((nr_names + 1) * sizeof(*at))), i, k;

	for (i = 0; i < nr_names; i++)
		sorted[i] = &names[i];
	if (nr_names)
		qsort(sorted, nr_names, sizeof(*sorted), by_process);
	for (i = 0; i < nr_names; i++) {
		first = i ? &names[at[sorted[i - 1] - names]] : NULL;
		if (!first || first->process != sorted[i]->process ||
		    strcmp(first->text, sorted[i]->text))
			first = sorted[i];
		at[sorted[i] - names] = first - names;
	}
	for (i = 0; i < nr_faults; i++) {
		first = &names[at[faults[i].name]];
		first->nr[faults[i].kind]++;
		first->took += faults[i].took;
	}
	if (nr_names)
		qsort(names, nr_names, sizeof(*names), by_faults);
	json_open("processes", '[');
	for (i = 0; i < nr_names && i < MOST_PROCESSES; i++) {
		json_open(NULL, '{');
		json_string("name", names[i].text);
		json_number("process", names[i].process);
		json_number("ns", names[i].took);
		json_open("faults", '[');
		for (k = 0; k < NR_KINDS; k++)
			json_number(NULL, names[i].nr[k]);
		json_close(']');
		json_close('}');
	}
	json_close(']');
	free(at);
	free(sorted);
}

static void put_counters(void)
{
	size_t width = nr_counters + 1, nr = nr_samples / width, i, k;

	json_open("counters", '[');
	for (i = 0; nr && i < nr_counters; i++) {
		json_open(NULL, '[');
		json_string(NULL, counters[i]);
		json_number(NULL, samples[1 + i]);
		json_number(NULL, samples[(nr - 1) * width + 1 + i]);
		json_close(']');
	}
	json_close(']');
	json_open("gauges", '{');
	numbers_open("us");
	for (k = 0; k < nr; k++)
		put_number(!k, samples[k * width] / 1000);
	json_close(']');
	for (i = 0; i < nr_counters; i++) {
		if (strcmp(counters[i], "frames_free") && strcmp(counters[i], "frames_active") &&
		    strcmp(counters[i], "frames_standby") && strcmp(counters[i], "frames_dirty"))
			continue;
		numbers_open(counters[i]);
		for (k = 0; k < nr; k++)
			put_number(!k, samples[k * width + 1 + i]);
		json_close(']');
	}
	json_close('}');
}

static void put_curve(void)
{
	struct point *points;
	size_t nr, i;

	points = curve_of(references, nr_references, nr_known, nr_frames, &nr);
	json_number("frames", nr_frames);
	numbers_open("curve");
	for (i = 0; i < nr; i++) {
		put_number(!i, points[i].frames);
		put_number(false, points[i].misses);
	}
	json_close(']');
	free(points);
}

static void put_gaps(void)
{
	size_t i;

	json_number("lost", lost);
	numbers_open("gaps");
	for (i = 0; i < nr_gaps; i++)
		put_number(!i, gaps[i] / 1000);
	json_close(']');
}

static void put_report(void)
{
	const char *mark = strstr(report_template, MARK);

	fwrite(report_template, 1, mark - report_template, stdout);
	json_open(NULL, '{');
	put_pairs("facts", facts, nr_facts);
	put_pairs("settings", settings, nr_settings);
	json_number("us", duration / 1000);
	put_gaps();
	put_regions();
	put_changes();
	put_faults();
	put_processes();
	put_counters();
	put_curve();
	json_close('}');
	fputs(mark + strlen(MARK), stdout);
}

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int report_run(int argc, char **argv)
{
	char *path = NULL;
	int option;

	while ((option = next_option(argc, argv, "o:h", options)) != -1)
		path = optarg;
	no_more_arguments(argc, argv, 1);
	file = argv[optind];
	if (!file)
		usage_error("say which recording: a file that 'vmdemo record' has written.");
	path = path ? path : text_of("%s.html", file);
	read_recording();
	sort_keys();
	if (!freopen(path, "we", stdout))
		fail("%s: %s.", path, strerror(errno));
	put_report();
	errno = 0;
	if (fflush(stdout) || ferror(stdout))
		fail("%s cannot be written: %s.", path, strerror(errno ? errno : EIO));
	return STATUS_DONE;
}

const struct command command_report = {
	.name = "report",
	.usage = "[--output OUT] FILE",
	.summary = "make a page of HTML of a recording, which plays it",
	.help = "FILE is what 'vmdemo record' has written. The page needs no network, and any browser opens\n"
		"it: where the pages are, as an animation; faults and their latencies; which processes have\n"
		"them; what more frames would save; settings and counters.\n\n"
		"  -o, --output OUT  the page; FILE.html if it is left out\n",
	.run = report_run,
};
