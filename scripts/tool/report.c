// SPDX-License-Identifier: GPL-2.0
/*
 * report.c - make a page of HTML of a recording, which plays it in any browser: see report.html
 *
 * No text of the recording gets into the page but as a string of JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recording.h"
#include "tool.h"

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

/* How a page is; DIRTY comes on top. */
enum {
	STATE_NONE,
	STATE_ACTIVE,
	STATE_STANDBY,
	STATE_DIRTY = 4,
};

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

	json_number("pages", rec.nr_keys);
	json_open("regions", '[');
	for (i = 0; i < rec.nr_keys; i = end) {
		space = rec.keys[i] >> KEY_PAGE_BITS;
		end = index_of(key_of(space + 1, 0));
		whole = !space && end - i == rec.nr_pages;
		json_open(NULL, '{');
		json_number("space", space);
		json_number("first", i);
		json_number("pages", end - i);
		json_bool("whole", whole);
		numbers_open("numbers");
		for (k = i, before = key_of(space, 0); !whole && k < end; before = rec.keys[k++])
			put_number(k == i, rec.keys[k] - before);
		json_close(']');
		json_close('}');
	}
	json_close(']');
}

static bool setting_is(const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < rec.nr_settings; i++)
		if (!strcmp(rec.settings[i].name, name))
			return !strcmp(rec.settings[i].text, value);
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

/* Changes within @step us are told as one. Returns how many there are. */
static size_t play(uint64_t step, bool print)
{
	struct player p = { .print = print };
	const struct happening *h;
	uint64_t us = 0;
	size_t i;

	p.states = need_memory(calloc(rec.nr_keys + 1, 1));
	p.told = need_memory(calloc(rec.nr_keys + 1, 1));
	p.pages = need_memory(malloc((rec.nr_keys + 1) * sizeof(*p.pages)));
	for (h = rec.happenings; h < rec.happenings + rec.nr_happenings; h++) {
		if (h->ns / 1000 / step != us / step)
			tell_changes(&p, us);
		us = h->ns / 1000;
		for (i = index_of(h->key); i < rec.nr_keys && rec.keys[i] < h->key + h->nr; i++)
			change(&p, i, h->change);
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
	while (play(step, false) > MOST_CHANGES && step <= rec.duration / 1000)
		step = step > 1 ? 4 * step : rec.duration / 1000 / 3600 + 2;
	json_number("step", step);
	numbers_open("changes");
	play(step, true);
	json_close(']');
}

/* What half of the faults took at most, and 99 per cent. */
static void put_percentiles(void)
{
	uint64_t *took = need_memory(malloc((rec.nr_faults + 1) * sizeof(*took)));
	size_t i;

	for (i = 0; i < rec.nr_faults; i++)
		took[i] = rec.faults[i].took;
	if (rec.nr_faults)
		qsort(took, rec.nr_faults, sizeof(*took), by_number);
	json_number("p50", rec.nr_faults ? took[rec.nr_faults / 2] : 0);
	json_number("p99", rec.nr_faults ? took[rec.nr_faults - 1 - rec.nr_faults / 100] : 0);
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

	for (i = 0; i < rec.nr_faults; i++)
		nr[rec.faults[i].kind]++;
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
	for (i = 0; i < rec.nr_faults; i++) {
		kind = rec.faults[i].kind;
		if (n[kind]++ % each[kind])
			continue;
		put_number(first, rec.faults[i].ns / 1000 - before);
		put_number(false, rec.faults[i].took);
		put_number(false, kind);
		before = rec.faults[i].ns / 1000;
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
	struct name **sorted = need_memory(malloc((rec.nr_names + 1) * sizeof(*sorted))), *first;
	size_t *at = need_memory(malloc((rec.nr_names + 1) * sizeof(*at))), i, k;

	for (i = 0; i < rec.nr_names; i++)
		sorted[i] = &rec.names[i];
	if (rec.nr_names)
		qsort(sorted, rec.nr_names, sizeof(*sorted), by_process);
	for (i = 0; i < rec.nr_names; i++) {
		first = i ? &rec.names[at[sorted[i - 1] - rec.names]] : NULL;
		if (!first || first->process != sorted[i]->process ||
		    strcmp(first->text, sorted[i]->text))
			first = sorted[i];
		at[sorted[i] - rec.names] = first - rec.names;
	}
	for (i = 0; i < rec.nr_faults; i++) {
		first = &rec.names[at[rec.faults[i].name]];
		first->nr[rec.faults[i].kind]++;
		first->took += rec.faults[i].took;
	}
	if (rec.nr_names)
		qsort(rec.names, rec.nr_names, sizeof(*rec.names), by_faults);
	json_open("processes", '[');
	for (i = 0; i < rec.nr_names && i < MOST_PROCESSES; i++) {
		json_open(NULL, '{');
		json_string("name", rec.names[i].text);
		json_number("process", rec.names[i].process);
		json_number("ns", rec.names[i].took);
		json_open("faults", '[');
		for (k = 0; k < NR_KINDS; k++)
			json_number(NULL, rec.names[i].nr[k]);
		json_close(']');
		json_close('}');
	}
	json_close(']');
	free(at);
	free(sorted);
}

static void put_counters(void)
{
	size_t width = rec.nr_counters + 1, nr = rec.nr_samples / width, i, k;
	const char *name;

	json_open("counters", '[');
	for (i = 0; nr && i < rec.nr_counters; i++) {
		json_open(NULL, '[');
		json_string(NULL, rec.counters[i]);
		json_number(NULL, rec.samples[1 + i]);
		json_number(NULL, rec.samples[(nr - 1) * width + 1 + i]);
		json_close(']');
	}
	json_close(']');
	json_open("gauges", '{');
	numbers_open("us");
	for (k = 0; k < nr; k++)
		put_number(!k, rec.samples[k * width] / 1000);
	json_close(']');
	for (i = 0; i < rec.nr_counters; i++) {
		name = rec.counters[i];
		if (strcmp(name, "frames_free") && strcmp(name, "frames_active") &&
		    strcmp(name, "frames_standby") && strcmp(name, "frames_dirty"))
			continue;
		numbers_open(name);
		for (k = 0; k < nr; k++)
			put_number(!k, rec.samples[k * width + 1 + i]);
		json_close(']');
	}
	json_close('}');
}

/*
 * References to pages as far as they are seen: when one comes in, read ahead, too; and when the
 * policy is told of a touch. It is the coming that misses if a hard fault follows. Before the first
 * are the pages that were there, unless they came while these were looked for.
 */
static struct reference *references(size_t *nr)
{
	struct reference *r = need_memory(malloc((rec.nr_happenings + 1) * sizeof(*r)));
	size_t *came = need_memory(calloc(rec.nr_keys + 1, sizeof(*came))), page; /* + 1 */
	const struct happening *h, *end = rec.happenings + rec.nr_happenings;

	*nr = 0;
	for (h = rec.happenings; h < end; h++) {
		if (h->change == CHANGE_CLEAN)
			continue;
		page = index_of(h->key);
		if (h->known && !came[page])
			r[(*nr)++] = (struct reference){ page, false };
		came[page] |= is_reference(h->change);
	}
	memset(came, 0, rec.nr_keys * sizeof(*came));
	for (h = rec.happenings; h < end; h++) {
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
	struct point *points = curve_of(seen, nr, rec.nr_keys, rec.nr_frames, &nr_points);

	free(seen);
	json_number("frames", rec.nr_frames);
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

	json_number("lost", rec.lost);
	numbers_open("gaps");
	for (i = 0; i < rec.nr_gaps; i++)
		put_number(!i, rec.gaps[i] / 1000);
	json_close(']');
}

/* Not the recording itself, which would be gone. */
static void open_page(const char *path, const char *file)
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
	put_pairs("facts", rec.facts, rec.nr_facts);
	put_pairs("settings", rec.settings, rec.nr_settings);
	json_number("us", rec.duration / 1000);
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
	const char *file;
	char *path = NULL;
	int option;

	while ((option = next_option(argc, argv, "o:h", options)) != -1)
		path = optarg;
	no_more_arguments(argc, argv, 1);
	file = argv[optind];
	if (!file)
		usage_error("say which recording: a file that 'vmdemo record' has written.");
	path = path ? path : text_of("%s.html", file);
	recording_read(file);
	recording_sort_keys(rec.nr_pages <= WHOLE);
	open_page(path, file);
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
