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
#include <sys/stat.h>
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
/* Of more faults of a kind, and of more changes, the page shows some, so that a browser can. */
#define MOST_SHOWN	50000
#define MOST_CHANGES	1000000

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
	CHANGE_IN,
	CHANGE_ACTIVE,
	CHANGE_STANDBY,
	CHANGE_TOUCHED,
	CHANGE_LATE,
	CHANGE_NOTHING,
	CHANGE_DIRTY,
	CHANGE_CLEAN,
	CHANGE_READ, /* by a hard fault, after it came in */
};

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

struct happening {
	uint64_t ns;
	uint64_t key;
	uint32_t nr; /* pages, in all spaces, if it is CHANGE_CLEAN */
	enum change change : 8;
	bool known; /* from before the recording */
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
static uint64_t *gaps;
static size_t nr_happenings, nr_faults, nr_facts, nr_settings, nr_names, nr_samples, nr_keys;
static size_t nr_gaps;
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

static const char *file;
static uint64_t line_nr, nr_pages, nr_frames, duration, lost;
static char *counters[MOST_NAMES];
static size_t nr_counters;
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

	while (last_names[i] && names[last_names[i] - 1].task != task)
		i = (i + 1) & (room_names - 1);
	return &last_names[i];
}

static void grow_names(void)
{
	size_t i;

	room_names = room_names ? 2 * room_names : 1024;
	free(last_names);
	last_names = need_memory(calloc(room_names, sizeof(*last_names)));
	for (i = 0; i < nr_names; i++)
		*place_of_name(names[i].task) = i + 1;
}

static void read_name(char *line)
{
	struct name *n = add(&names, &nr_names, sizeof(*n));

	*n = (struct name){ .task = next_number(&line, INT32_MAX) };
	n->process = next_number(&line, INT32_MAX);
	n->text = next_text(&line);
	end_of_line(line);
	if (2 * nr_names > room_names)
		grow_names();
	*place_of_name(n->task) = nr_names;
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
	if (nr_faults && f.ns < faults[nr_faults - 1].ns)
		f.ns = faults[nr_faults - 1].ns;
	place = add(&faults, &nr_faults, sizeof(*place));
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

static int by_number(const void *a, const void *b)
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
		qsort(keys, nr_keys, sizeof(*keys), by_number);
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
	case CHANGE_IN:
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

/* Where the changes are played. */
struct player {
	unsigned char *states;	/* as they are */
	unsigned char *told;	/* as the browser was told; WAITS: it is in @pages */
	uint32_t *pages;	/* those that have changed since */
	size_t nr;		/* of these */
	uint64_t before;	/* when it was told last, in us */
	size_t nr_told;
	bool print;
};

#define WAITS	0x80

static void change(struct player *p, size_t page, enum change change)
{
	p->states[page] = changed(p->states[page], change);
	if (p->told[page] & WAITS || p->states[page] == p->told[page])
		return;
	p->told[page] |= WAITS;
	p->pages[p->nr++] = page;
}

/* Tell what has changed up to now. */
static void tell_changes(struct player *p, uint64_t us)
{
	size_t i, page;

	for (i = 0; i < p->nr; i++) {
		page = p->pages[i];
		p->told[page] &= ~WAITS;
		if (p->states[page] == p->told[page])
			continue;
		p->told[page] = p->states[page];
		if (p->print) {
			put_number(!p->nr_told, us - p->before);
			put_number(false, page);
			put_number(false, p->told[page]);
		}
		p->before = us;
		p->nr_told++;
	}
	p->nr = 0;
}

/* Writing does not tell of which space it is. */
static void change_in_spaces(struct player *p, const struct happening *h)
{
	uint64_t space;
	size_t i;

	for (i = 0; i < nr_keys; i = index_of(key_of(space + 1, 0))) {
		space = keys[i] >> KEY_PAGE_BITS;
		for (i = index_of(h->key | key_of(space, 0));
		     i < nr_keys && keys[i] < (h->key | key_of(space, 0)) + h->nr; i++)
			change(p, i, h->change);
	}
}

/* Changes within @step us are told as one. Returns how many there are. */
static size_t play(uint64_t step, bool print)
{
	struct player p = { .print = print };
	const struct happening *h;
	uint64_t us = 0;

	p.states = need_memory(calloc(nr_keys + 1, 1));
	p.told = need_memory(calloc(nr_keys + 1, 1));
	p.pages = need_memory(malloc((nr_keys + 1) * sizeof(*p.pages)));
	for (h = happenings; h < happenings + nr_happenings; h++) {
		if (h->ns / 1000 / step != us / step)
			tell_changes(&p, us);
		us = h->ns / 1000;
		if (h->change == CHANGE_CLEAN)
			change_in_spaces(&p, h);
		else
			change(&p, index_of(h->key), h->change);
	}
	tell_changes(&p, us);
	free(p.states);
	free(p.told);
	free(p.pages);
	return p.nr_told;
}

/* Each change of a page as three numbers: microseconds since the one before, page, state. */
static void put_changes(void)
{
	uint64_t step = 1;

	/* Sixty a second, of a minute: as fine as a screen can show it. */
	while (play(step, false) > MOST_CHANGES && step <= duration / 1000)
		step = step > 1 ? 4 * step : duration / 1000 / 3600 + 2;
	json_number("step", step);
	numbers_open("changes");
	play(step, true);
	json_close(']');
}

/* What half of the faults took at most, and 99 per cent. */
static void put_percentiles(void)
{
	uint64_t *took = need_memory(malloc((nr_faults + 1) * sizeof(*took)));
	size_t i;

	for (i = 0; i < nr_faults; i++)
		took[i] = faults[i].took;
	if (nr_faults)
		qsort(took, nr_faults, sizeof(*took), by_number);
	json_number("p50", nr_faults ? took[nr_faults / 2] : 0);
	json_number("p99", nr_faults ? took[nr_faults - 1 - nr_faults / 100] : 0);
	free(took);
}

/*
 * Of each kind the name, how many there were, and of how many one is told; then of each of these
 * three numbers: microseconds since the one before, its latency in ns, kind.
 */
static void put_faults(void)
{
	uint64_t before = 0, nr[NR_KINDS] = { 0 }, each[NR_KINDS], n[NR_KINDS] = { 0 };
	bool first = true;
	size_t i, kind;

	for (i = 0; i < nr_faults; i++)
		nr[faults[i].kind]++;
	json_open("kinds", '[');
	for (i = 0; i < NR_KINDS; i++) {
		each[i] = nr[i] / MOST_SHOWN + 1;
		json_open(NULL, '{');
		json_string("name", kinds[i]);
		json_number("nr", nr[i]);
		json_number("each", each[i]);
		json_close('}');
	}
	json_close(']');
	put_percentiles();
	numbers_open("faults");
	for (i = 0; i < nr_faults; i++) {
		kind = faults[i].kind;
		if (n[kind]++ % each[kind])
			continue;
		put_number(first, faults[i].ns / 1000 - before);
		put_number(false, faults[i].took);
		put_number(false, kind);
		before = faults[i].ns / 1000;
		first = false;
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
	return sums[0] != sums[1] ? (sums[0] < sums[1] ? 1 : -1) :
	       x->process < y->process ? -1 : x->process > y->process;
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

static bool is_reference(enum change change)
{
	return change == CHANGE_IN || change == CHANGE_TOUCHED || change == CHANGE_LATE ||
	       change == CHANGE_READ;
}

/*
 * References to pages as far as they are seen: when one comes in, read ahead, too; and when the
 * policy is told of a touch. It is the coming that misses if a hard fault follows. Before the first
 * are the pages that were there, unless they came while these were looked for.
 */
static struct reference *references(size_t *nr)
{
	struct reference *r = need_memory(malloc((nr_happenings + 1) * sizeof(*r)));
	size_t *came = need_memory(calloc(nr_keys + 1, sizeof(*came))), page; /* + 1 */
	const struct happening *h, *end = happenings + nr_happenings;

	*nr = 0;
	for (h = happenings; h < end; h++) {
		if (h->change == CHANGE_CLEAN)
			continue;
		page = index_of(h->key);
		if (h->known && !came[page])
			r[(*nr)++] = (struct reference){ page, false };
		came[page] |= is_reference(h->change);
	}
	memset(came, 0, nr_keys * sizeof(*came));
	for (h = happenings; h < end; h++) {
		if (!is_reference(h->change))
			continue;
		page = index_of(h->key);
		if (h->change == CHANGE_READ && came[page])
			r[came[page] - 1].missed = true;
		else
			r[(*nr)++] = (struct reference){ page, h->change == CHANGE_READ };
		came[page] = h->change == CHANGE_IN ? *nr : 0;
	}
	free(came);
	return r;
}

static void put_curve(void)
{
	size_t nr, nr_points, i;
	struct reference *seen = references(&nr);
	struct point *points = curve_of(seen, nr, nr_keys, nr_frames, &nr_points);

	free(seen);
	json_number("frames", nr_frames);
	numbers_open("curve");
	for (i = 0; i < nr_points; i++) {
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

/* Not the recording itself, which would be gone. */
static void open_page(const char *path)
{
	struct stat in, page;

	if (!stat(path, &page) && !stat(file, &in) && in.st_dev == page.st_dev &&
	    in.st_ino == page.st_ino && S_ISREG(in.st_mode))
		fail("%s is the recording: give the page another name.", path);
	if (!freopen(path, "we", stdout))
		fail("%s: %s.", path, strerror(errno));
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
	open_page(path);
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
