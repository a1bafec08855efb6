// SPDX-License-Identifier: GPL-2.0
/*
 * top.c - a device live: its frames by state, rates with sparklines, settings
 *
 * All is read from sysfs at each interval, so that the device may be unbound meanwhile, and the
 * module unloaded and loaded again.
 */
#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

#define HISTORY		256
#define LEAST_COLUMNS	40
#define LEAST_LINES	8
/* Title, bar, legend, header, message, keys, and what is blank between them. */
#define OTHER_LINES	9

/* What is counted, per second; @unit: how much of a counter makes one. */
static struct row {
	const char *title;
	enum stat_nr from;
	double unit;
	double past[HISTORY]; /* a ring; all rows have as many */
} rows[] = {
	{ "hard faults", STAT_faults_hard, 1, { 0 } },
	{ "soft faults", STAT_faults_soft, 1, { 0 } },
	{ "faults for zeros", STAT_faults_zero, 1, { 0 } },
	{ "first writes", STAT_faults_mkwrite, 1, { 0 } },
	{ "private copies", STAT_faults_cow, 1, { 0 } },
	{ "refaults", STAT_refaults, 1, { 0 } },
	{ "pages in", STAT_pages_in, 1, { 0 } },
	{ "... read ahead", STAT_readahead_pages, 1, { 0 } },
	{ "pages out", STAT_pages_out, 1, { 0 } },
	{ "evicted clean", STAT_evictions_clean, 1, { 0 } },
	{ "evicted dirty", STAT_evictions_dirty, 1, { 0 } },
	{ "waits for frames", STAT_reclaim_waits, 1, { 0 } },
	{ "... in ms", STAT_reclaim_wait_ns, 1e6, { 0 } },
};

static unsigned int nr_past;	/* intervals there have been */

enum order {
	ORDER_GIVEN,
	ORDER_NOW,
	ORDER_MOST,
	NR_ORDERS,
};

static const char *const order_names[] = { "as listed", "highest now first", "highest peak first" };

static const double intervals[] = { 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60 };

static char device[16];
static struct stats stats;
static bool there;		/* stats are of the last interval */
static double interval = 1;
static enum order order;
static bool paused, helping, asking, blocks;
static char entry[12];		/* the number of frames that is being typed */
static char message[256];

/* ---- reading ---- */

static void forget_past(void)
{
	nr_past = 0;
}

/* Loaded anew meanwhile, it counts from zero. */
static uint64_t grown(uint64_t now, uint64_t before)
{
	return now < before ? 0 : now - before;
}

static void sample(void)
{
	static struct stats now;
	double seconds;
	size_t i;

	if (stats_read(device, &now, false)) {
		there = false;
		forget_past();
		return;
	}
	if (there) {
		seconds = (now.ns - stats.ns) / 1e9;
		for (i = 0; i < ARRAY_SIZE(rows); i++)
			rows[i].past[nr_past % HISTORY] =
				grown(now.value[rows[i].from], stats.value[rows[i].from]) /
				rows[i].unit / seconds;
		nr_past++;
	}
	stats = now;
	there = true;
}

/* ---- drawing ---- */

enum colour {
	COLOUR_ACTIVE = 1,
	COLOUR_STANDBY,
	COLOUR_FREE,
	COLOUR_RATE,
	COLOUR_WARNING,
};

/* What does not fit is cut off. */
static void __attribute__((format(printf, 3, 4))) put(int y, int x, const char *format, ...)
{
	char text[512];
	va_list args;

	if (y < 0 || y >= LINES || x >= COLS)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	mvaddnstr(y, x, text, COLS - x);
}

static void draw_title(void)
{
	char backing[300] = "none", swap[300] = "none", size[SIZE_TEXT], text[32] = "";

	attribute_read(device, "backing", backing, sizeof(backing));
	attribute_read(device, "swap", swap, sizeof(swap));
	attribute_read(device, "size_bytes", text, sizeof(text));
	attron(A_REVERSE);
	mvhline(0, 0, ' ', COLS);
	put(0, 0, " /dev/%s  disk %s (%s)  swap %s", device, backing,
	    size_text(size, strtoull(text, NULL, 10)), swap);
	put(0, COLS - 16, paused ? "  PAUSED        " : "  every %4g s   ", interval);
	attroff(A_REVERSE);
}

/* Part of a bar of @width signs; returns where it ends. */
static int draw_part(int y, int x, int width, uint64_t part, uint64_t all, chtype sign, int colour)
{
	int signs = all ? (part * width + all / 2) / all : 0;

	if (signs > width + 8 - x)
		signs = width + 8 - x;
	attron(COLOR_PAIR(colour));
	for (; signs > 0; signs--)
		mvaddch(y, x++, sign);
	attroff(COLOR_PAIR(colour));
	return x;
}

static void draw_frames(int y)
{
	uint64_t active = stats.value[STAT_frames_active];
	uint64_t standby = stats.value[STAT_frames_standby];
	uint64_t unused = stats.value[STAT_frames_free], all = active + standby + unused;
	int width = COLS - 9, x;

	put(y, 0, "frames [");
	x = draw_part(y, 8, width, active, all, '#', COLOUR_ACTIVE);
	x = draw_part(y, x, width, standby, all, '-', COLOUR_STANDBY);
	draw_part(y, x, width, unused, all, '.', COLOUR_FREE);
	put(y, COLS - 1, "]");
	put(y + 1, 0,
	    "  %llu: # active %llu  - standby %llu  . free %llu   of them dirty %llu, held %llu, lent %llu",
	    (unsigned long long)all, (unsigned long long)active, (unsigned long long)standby,
	    (unsigned long long)unused, (unsigned long long)stats.value[STAT_frames_dirty],
	    (unsigned long long)stats.value[STAT_frames_held],
	    (unsigned long long)stats.value[STAT_frames_lent]);
}

static unsigned int in_ring(void)
{
	return nr_past < HISTORY ? nr_past : HISTORY;
}

static double rate_now(const struct row *row)
{
	return nr_past ? row->past[(nr_past - 1) % HISTORY] : 0;
}

static double rate_most(const struct row *row)
{
	double most = 0;
	unsigned int i;

	for (i = 0; i < in_ring(); i++)
		most = row->past[i] > most ? row->past[i] : most;
	return most;
}

static double rate_mean(const struct row *row)
{
	double sum = 0;
	unsigned int i;

	for (i = 0; i < in_ring(); i++)
		sum += row->past[i];
	return in_ring() ? sum / in_ring() : 0;
}

static void draw_spark(int y, int x, const struct row *row)
{
	static const char *const signs[] = {
		" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"
	};
	static const char plain[] = " .:-=+*#@";
	unsigned int nr = in_ring(), level;
	double most = rate_most(row), rate;

	if (x >= COLS)
		return;
	if (nr > (unsigned int)(COLS - x))
		nr = COLS - x;
	attron(COLOR_PAIR(COLOUR_RATE));
	for (; nr; nr--, x++) {
		rate = row->past[(nr_past - nr) % HISTORY];
		level = most > 0 ? rate / most * 8 : 0;
		level += rate > 0 && !level; /* what has happened is seen */
		if (blocks)
			mvaddstr(y, x, signs[level]);
		else
			mvaddch(y, x, plain[level]);
	}
	attroff(COLOR_PAIR(COLOUR_RATE));
}

static int by_order(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
	double dx = 0, dy = 0;

	if (order == ORDER_NOW) {
		dx = rate_now(x);
		dy = rate_now(y);
	} else if (order == ORDER_MOST) {
		dx = rate_most(x);
		dy = rate_most(y);
	}
	if (dx != dy)
		return dx < dy ? 1 : -1;
	return (x > y) - (x < y);
}

/* As many rows as fit above line @end; returns the line after them. */
static int draw_rates(int y, int end)
{
	char now[SHORT_NUMBER], mean[SHORT_NUMBER], most[SHORT_NUMBER];
	const struct row *sorted[ARRAY_SIZE(rows)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		sorted[i] = &rows[i];
	qsort(sorted, ARRAY_SIZE(sorted), sizeof(sorted[0]), by_order);
	attron(A_BOLD);
	put(y++, 0, "%-17s %6s %6s %6s  %s", "per second", "now", "mean", "most",
	    order_names[order]);
	attroff(A_BOLD);
	for (i = 0; i < ARRAY_SIZE(rows) && y < end; i++, y++) {
		put(y, 0, "%-17s %6s %6s %6s", sorted[i]->title,
		    short_number(now, rate_now(sorted[i])),
		    short_number(mean, rate_mean(sorted[i])),
		    short_number(most, rate_most(sorted[i])));
		draw_spark(y, 40, sorted[i]);
	}
	return y;
}

/* Settings one after the other, up to line @end. */
static void draw_settings(int y, int end)
{
	const struct attribute *a;
	char text[128], value[80];
	int x = 0, length;

	for (a = attributes; a->name && y < end; a++) {
		if (a->kind != KIND_SETTING || !strcmp(a->name, "backing") ||
		    !strcmp(a->name, "swap") || attribute_read(device, a->name, value,
								     sizeof(value)))
			continue;
		length = snprintf(text, sizeof(text), "%s %s", a->name, value);
		if (x && x + length > COLS) {
			x = 0;
			if (++y >= end)
				return;
		}
		put(y, x, "%s", text);
		x += length + 2;
	}
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"q      quit",
		"h, ?   this help",
		"p      pause, and go on",
		"+, -   a longer, a shorter interval",
		"s      sort the rates: as listed, by now, by most",
		"f      change the number of frames",
		"d      the next device",
		"",
		"active: mapped by programs; standby: in a frame, unmapped, next to go;",
		"held: its turn to go has come, but somebody has it. Many refaults mean",
		"that the pool is too small. vmdemo(1) says more.",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++)
		put(2 + i, 2, "%s", lines[i]);
}

static void draw_message(void)
{
	int y = LINES - 2;

	if (asking) {
		put(y, 0, "frames (Enter: set, Esc: cancel): %s_", entry);
	} else if (*message) {
		attron(COLOR_PAIR(COLOUR_WARNING));
		put(y, 0, "%s", message);
		attroff(COLOR_PAIR(COLOUR_WARNING));
	}
}

static void draw(void)
{
	int settings, end;

	erase();
	if (COLS < LEAST_COLUMNS || LINES < LEAST_LINES) {
		put(0, 0, "too small: %dx%d", LEAST_COLUMNS, LEAST_LINES);
		refresh();
		return;
	}
	draw_title();
	/* Settings give way to rates. */
	settings = LINES - OTHER_LINES - (int)ARRAY_SIZE(rows);
	settings = settings < 0 ? 0 : settings > 4 ? 4 : settings;
	if (helping) {
		draw_help();
	} else if (!there) {
		put(2, 0, "%s has gone: the module is not loaded. Waiting for it.", device);
	} else {
		draw_frames(2);
		end = draw_rates(5, LINES - 3 - settings);
		if (settings)
			draw_settings(end + 1, LINES - 2);
	}
	draw_message();
	attron(A_REVERSE);
	mvhline(LINES - 1, 0, ' ', COLS);
	put(LINES - 1, 0, " q quit  h help  p pause  +/- interval  s sort  f frames  d device");
	attroff(A_REVERSE);
	refresh();
}

/* ---- keys ---- */

static void __attribute__((format(printf, 1, 2))) tell(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
}

static void set_frames(void)
{
	char *reason, *told, text[32];

	asking = false;
	if (!*entry)
		return;
	if (attribute_read(device, "frames", text, sizeof(text))) {
		tell("There is no %s.", device);
		return;
	}
	tell("frames=%s ...", entry); /* making it smaller may take 5 s */
	draw();
	reason = set_refused(device, "frames", entry, &told);
	if (reason || told)
		tell("%s.", reason ? reason : told);
	else
		tell("There are %llu frames now.",
		     (unsigned long long)attribute_number(device, "frames_actual"));
	free(reason);
	free(told);
}

/* A key, while a number is being typed. */
static void key_of_entry(int key)
{
	size_t length = strlen(entry);

	if (key == '\n' || key == '\r' || key == KEY_ENTER)
		set_frames();
	else if (key == 27)
		asking = false;
	else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && length)
		entry[length - 1] = 0;
	else if (key >= '0' && key <= '9' && length + 1 < sizeof(entry))
		snprintf(entry + length, 2, "%c", key);
}

static void next_device(void)
{
	char names[MOST_DEVICES][16];
	size_t nr = device_names(names), i;

	for (i = 0; i < nr; i++)
		if (!strcmp(names[i], device))
			break;
	if (nr < 2 && i < nr) {
		tell("There is no other device.");
		return;
	}
	if (nr)
		memcpy(device, names[i < nr ? (i + 1) % nr : 0], sizeof(device));
	there = false;
	forget_past();
}

static void other_interval(int step)
{
	int i = 0, last = ARRAY_SIZE(intervals) - 1;

	while (i < last && intervals[i] < interval)
		i++;
	/* Between two of them, the lower is behind already. */
	if (step < 0 || intervals[i] <= interval)
		i += step;
	interval = intervals[i < 0 ? 0 : i > last ? last : i];
}

/* False: the end. */
static bool on_key(int key)
{
	if (asking) {
		key_of_entry(key);
		return true;
	}
	*message = 0;
	if (helping && key != 'q') {
		helping = false;
		return true;
	}
	switch (key) {
	case 'q':
		return false;
	case 'h':
	case '?':
		helping = true;
		break;
	case 'p':
	case ' ':
		paused = !paused;
		break;
	case '+':
	case '=':
		other_interval(1);
		break;
	case '-':
		other_interval(-1);
		break;
	case 's':
		order = (order + 1) % NR_ORDERS;
		break;
	case 'f':
		asking = true;
		*entry = 0;
		break;
	case 'd':
		next_device();
		break;
	}
	return true;
}

/* ---- the loop ---- */

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Wait for keys until it is @next; false: the end. */
static bool keys_until(double next)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	double left = next - now_s();
	int key;

	if (poll(&input, 1, left > 0 ? left * 1000 + 1 : 0) < 0 && errno != EINTR)
		return false;
	/* Other than ERR, of a terminal that has gone nothing more comes. */
	if (input.revents & (POLLHUP | POLLERR | POLLNVAL))
		return false;
	while ((key = getch()) != ERR)
		if (key != KEY_RESIZE && !on_key(key))
			return false;
	return true;
}

static void loop(void)
{
	double next = now_s();

	do {
		if (now_s() >= next) {
			if (!paused)
				sample();
			next = now_s() + interval;
		}
		/* A shorter interval holds at once. */
		if (next > now_s() + interval)
			next = now_s() + interval;
		draw();
	} while (keys_until(next));
}

static void leave_screen(void)
{
	endwin();
}

static void enter_screen(void)
{
	const char *terminal = getenv("TERM");

	if (!newterm(NULL, stdout, stdin))
		fail("the terminal '%s' is not known here: set TERM.", terminal ? terminal : "");
	before_failing = leave_screen;
	blocks = !strcmp(nl_langinfo(CODESET), "UTF-8");
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(COLOUR_ACTIVE, COLOR_GREEN, -1);
		init_pair(COLOUR_STANDBY, COLOR_YELLOW, -1);
		init_pair(COLOUR_FREE, -1, -1);
		init_pair(COLOUR_RATE, COLOR_CYAN, -1);
		init_pair(COLOUR_WARNING, COLOR_RED, -1);
	}
}

static const struct option options[] = {
	{ "interval", required_argument, NULL, 'i' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int top_run(int argc, char **argv)
{
	char *end;

	while (next_option(argc, argv, "i:h", options) != -1) {
		interval = strtod(optarg, &end);
		if (end == optarg || *end || !(interval >= 0.1 && interval <= 3600))
			usage_error("'%s' is no interval: give seconds, from 0.1 to 3600.", optarg);
	}
	no_more_arguments(argc, argv, 1);
	snprintf(device, sizeof(device), "%s", device_meant(argv[optind]));
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		fail("this needs a terminal; 'vmdemo stat 1' prints lines.");
	enter_screen();
	loop();
	leave_screen();
	return STATUS_DONE;
}

const struct command command_top = {
	.name = "top",
	.usage = "[--interval SECONDS] [DEV]",
	.summary = "watch a device live: frames, rates, settings",
	.help = "Keys: q quit, h help, p pause, + and - interval, s sort, f change the number of frames,\n"
		"d next device.\n\n"
		"  -i, --interval SECONDS  from 0.1 to 3600; 1 by default\n",
	.run = top_run,
};
