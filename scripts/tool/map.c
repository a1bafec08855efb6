// SPDX-License-Identifier: GPL-2.0
/*
 * map.c - where the pages of a device are, or those that a process has: drawn as the tour does
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pagemap.h"
#include "tool.h"

/* Signs of one map; more pages share one. */
#define MOST_SIGNS	(32 * MAP_LINE)
/* Where a sparse space is larger than this, only its data is looked for. */
#define MANY_PAGES	(1ULL << 22)
#define NR_STATES	(VMDEMO_PAGE_SWAPPED + 1)

enum view {
	VIEW_PAGES,
	VIEW_FRAMES,
	VIEW_SLOTS,
};

static enum view view;
static bool json;
/* Pages that were asked for. */
static uint64_t first_page, last_page = UINT64_MAX;

/* A space that is being drawn. */
struct space {
	int fd;
	const char *title;
	struct vmdemo_info info;
	uint64_t pages;
	struct map_segments segments;
	uint64_t first;
	uint64_t last;
	uint64_t step;
	struct vmdemo_page *chunk;
};

/* What the views are made of: whatever is in a frame, or has a slot. */
struct place {
	uint64_t page;
	uint64_t slot;
	uint32_t frame;
	uint8_t state;
};

static struct place *places;
static size_t nr_places, room_places;

static void add_place(uint64_t page, const struct vmdemo_page *p)
{
	if (nr_places == room_places) {
		room_places = room_places ? 2 * room_places : 4096;
		places = need_memory(realloc(places, room_places * sizeof(*places)));
	}
	places[nr_places++] = (struct place){ page, p->slot, p->frame, p->state };
}

/* ---- reading ---- */

typedef void (*visit)(const struct space *space, uint64_t page, const struct vmdemo_page *p);

static void read_pages(struct space *space, uint64_t from, uint64_t to, visit visit)
{
	struct vmdemo_pagemap map = { .pages = (uintptr_t)space->chunk };
	uint64_t nr, i;

	for (; from < to; from += nr) {
		nr = to - from < space->info.pagemap_max ? to - from : space->info.pagemap_max;
		map.offset = from * space->info.page_size;
		map.length = nr * space->info.page_size;
		if (ioctl(space->fd, VMDEMO_IOC_PAGEMAP, &map)) {
			if (errno == EPERM)
				fail("%s: to see where its pages are, you must be allowed to write to it.",
				     space->title);
			if (errno == EINVAL) /* it has become shorter */
				return;
			fail("%s: its page map cannot be read: %s.", space->title, strerror(errno));
		}
		for (i = 0; i < nr; i++)
			visit(space, from + i, &space->chunk[i]);
	}
}

/* Whole, or where a sparse space is vast, those parts only in which there is something. */
static void read_space(struct space *space, visit visit)
{
	uint64_t page = space->info.page_size;
	off_t from = space->first * page, to, end = (space->last + 1) * page;

	if (!(space->info.flags & VMDEMO_INFO_SPARSE) ||
	    space->last - space->first < MANY_PAGES) {
		read_pages(space, space->first, space->last + 1, visit);
		return;
	}
	while (from < end && (from = lseek(space->fd, from, SEEK_DATA)) >= 0 && from < end) {
		to = lseek(space->fd, from, SEEK_HOLE);
		if (to <= from || to > end)
			to = end;
		read_pages(space, from / page, (to + page - 1) / page, visit);
		from = to;
	}
}

/* ---- pages ---- */

static uint32_t (*counts)[NR_STATES];

static void count_page(const struct space *space, uint64_t page, const struct vmdemo_page *p)
{
	if (p->state < NR_STATES)
		counts[(page - space->first) / space->step][p->state]++;
}

/* Where most of the pages are that were touched. */
static struct look look_of_counts(const uint32_t *count)
{
	unsigned int best = VMDEMO_PAGE_UNTOUCHED, state;

	for (state = best + 1; state < NR_STATES; state++)
		if (count[state] && (best == VMDEMO_PAGE_UNTOUCHED || count[state] > count[best]))
			best = state;
	return map_look(best);
}

static void draw_pages(struct space *space)
{
	uint64_t nr = (space->last - space->first) / space->step + 1, i;
	struct look *signs = need_memory(calloc(nr, sizeof(*signs)));

	counts = need_memory(calloc(nr, sizeof(*counts)));
	read_space(space, count_page);
	for (i = 0; i < nr; i++) {
		uint64_t page = space->first + i * space->step, k = 0;

		/* Of several pages one is enough. */
		while (k < space->step && k < MAP_LINE &&
		       !map_exists(&space->segments, (page + k) * space->info.page_size))
			k++;
		signs[i] = k == space->step || k == MAP_LINE ? map_nothing :
							       look_of_counts(counts[i]);
	}
	map_put_lines(signs, space->first, space->step, nr);
	free(counts);
	free(signs);
}

/* ---- frames, and slots ---- */

static void keep_place(const struct space *space, uint64_t page, const struct vmdemo_page *p)
{
	(void)space;
	if (p->frame != VMDEMO_NO_FRAME || p->slot)
		add_place(page, p);
}

/* A line of frames or slots from @low on; of several in a sign the first that has a page counts. */
static void draw_places(const struct space *space, uint64_t low, uint64_t nr, bool slots)
{
	uint64_t step = (nr + MOST_SIGNS - 1) / MOST_SIGNS;
	uint64_t signs_nr = (nr + step - 1) / step, i, at;
	struct look *signs = need_memory(calloc(signs_nr, sizeof(*signs)));
	const struct place *p;

	for (i = 0; i < signs_nr; i++)
		signs[i] = map_nobody;
	for (p = places; p < places + nr_places; p++) {
		if (slots ? !p->slot : p->frame == VMDEMO_NO_FRAME)
			continue;
		at = slots ? p->slot : p->frame;
		if (at < low || at - low >= nr)
			continue; /* a frame that is lent */
		at = (at - low) / step;
		if (signs[at].sign == map_nobody.sign)
			signs[at] = map_owner(p->page - space->first, space->step, p->state);
	}
	map_put_lines(signs, low, step, signs_nr);
	free(signs);
}

static void draw_frames(struct space *space)
{
	nr_places = 0;
	read_space(space, keep_place);
	printf("  frames, each with the line of the map of pages that its page is in, its last digit\n"
	       "  (. is free, or of another space):\n");
	if (space->info.frames_actual)
		draw_places(space, 0, space->info.frames_actual, false);
}

static void draw_slots(struct space *space)
{
	uint64_t low = UINT64_MAX, high = 0;
	size_t i;

	nr_places = 0;
	read_space(space, keep_place);
	for (i = 0; i < nr_places; i++) {
		if (!places[i].slot)
			continue;
		low = places[i].slot < low ? places[i].slot : low;
		high = places[i].slot > high ? places[i].slot : high;
	}
	printf("  slots on the swap device, each with the line of the map of pages that its page is in,\n"
	       "  its last digit%s\n", high ? ":" : ": no page has one");
	if (high)
		draw_places(space, low, high - low + 1, true);
}

/* ---- JSON ---- */

static void json_page(const struct space *space, uint64_t page, const struct vmdemo_page *p)
{
	static const char *const states[] = { "untouched", "active",  "standby",
					      "loading",   "writing", "swapped" };

	(void)space;
	if (p->state == VMDEMO_PAGE_UNTOUCHED && !p->slot)
		return;
	json_open(NULL, '{');
	json_number("page", page);
	json_string("state", p->state < ARRAY_SIZE(states) ? states[p->state] : "unknown");
	if (p->frame != VMDEMO_NO_FRAME)
		json_number("frame", p->frame);
	if (p->slot)
		json_number("slot", p->slot);
	json_bool("dirty", p->flags & VMDEMO_PAGE_DIRTY);
	json_bool("pinned", p->flags & VMDEMO_PAGE_PINNED);
	json_bool("mapped", p->flags & VMDEMO_PAGE_MAPPED);
	json_close('}');
}

/* ---- a space ---- */

/* Its size, and what is to be shown of it; false: nothing. */
static bool look_at(struct space *space)
{
	struct stat st;
	uint64_t pages;

	space->info = (struct vmdemo_info){ .size = sizeof(space->info) };
	if (ioctl(space->fd, VMDEMO_IOC_INFO, &space->info))
		fail("%s does not belong to vmdemo: %s.", space->title, strerror(errno));
	if (space->info.flags & VMDEMO_INFO_SPARSE && !fstat(space->fd, &st))
		space->info.size_bytes = st.st_size;
	pages = (space->info.size_bytes + space->info.page_size - 1) / space->info.page_size;
	space->pages = pages;
	if (!pages || first_page >= pages) {
		if (!json)
			printf("%s: %s\n", space->title,
			       pages ? "it has no page of these" : "it has no pages");
		return false;
	}
	space->first = first_page;
	space->last = last_page < pages ? last_page : pages - 1;
	space->step = (space->last - space->first) / MOST_SIGNS + 1;
	map_read_segments(space->fd, &space->segments);
	return true;
}

/* Once, however many spaces there are. */
static void print_key(void)
{
	static bool printed;

	if (!printed && view == VIEW_PAGES)
		printf("    %s\n    >  being read     <  being written\n\n", map_key);
	printed = true;
}

/* An array has been opened: not before something is known to be there. */
static bool begun;

static void draw_space(int fd, const char *title)
{
	struct space space = { .fd = fd, .title = title };
	bool any = look_at(&space);

	if (json && !begun)
		json_open(NULL, '[');
	begun = true;
	space.chunk = need_memory(calloc(space.info.pagemap_max, sizeof(*space.chunk)));
	if (json) {
		json_open(NULL, '{');
		json_string("name", title);
		json_number("page_size", space.info.page_size);
		json_number("pages", space.pages);
		json_number("frames", space.info.frames_actual);
		json_open("map", '[');
		if (any)
			read_space(&space, json_page);
		json_close(']');
		json_close('}');
	} else if (any) {
		print_key();
		printf("%s: %" PRIu64 " pages, of which these are %" PRIu64 " to %" PRIu64 "; %u frames\n",
		       title, space.pages, space.first, space.last, space.info.frames_actual);
		if (view == VIEW_PAGES && space.step > 1)
			printf("  each sign stands for %" PRIu64 " pages: where most of those are that were touched\n",
			       space.step);
		if (view == VIEW_PAGES)
			draw_pages(&space);
		else if (view == VIEW_FRAMES)
			draw_frames(&space);
		else
			draw_slots(&space);
	}
	free(space.chunk);
}

/* ---- a process ---- */

/* Inodes of the spaces that were drawn: a process may have one of them several times. */
static struct stat *seen;
static size_t nr_seen;

static bool is_new(int fd)
{
	struct stat st;
	size_t i;

	if (fstat(fd, &st))
		return false;
	for (i = 0; i < nr_seen; i++)
		if (seen[i].st_dev == st.st_dev && seen[i].st_ino == st.st_ino)
			return false;
	seen = need_memory(realloc(seen, (nr_seen + 1) * sizeof(*seen)));
	seen[nr_seen++] = st;
	return true;
}

/* Draw what a link in /proc leads to, if it is ours. */
static void draw_link(const char *directory, const char *name, const char *what)
{
	char path[600], target[300], *title;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return;
	target[length] = 0;
	if (strcmp(target, SPACE_LINK) &&
	    (strncmp(target, "/dev/vmdemo", 11) || !is_device_name(target)))
		return;
	title = strcmp(target, SPACE_LINK) ? text_of("%s", target) :
					     text_of("a sparse space (%s %s)", what, name);
	/* A process with another root can have a pipe or a terminal whose path looks like ours. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ESRCH)) { /* closed meanwhile */
		free(title);
		return;
	}
	if (fd < 0)
		fail("%s cannot be opened: %s.", title, strerror(errno));
	if (is_new(fd))
		draw_space(fd, title);
	close(fd);
	free(title);
}

/* False: there is no such directory, or it may not be read. */
static bool draw_links(const char *directory, const char *what)
{
	struct dirent *entry;
	DIR *dir = opendir(directory);

	if (!dir)
		return false;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			draw_link(directory, entry->d_name, what);
	closedir(dir);
	return true;
}

static void draw_process(uint64_t pid)
{
	char directory[64];

	snprintf(directory, sizeof(directory), "/proc/%" PRIu64, pid);
	if (access(directory, F_OK))
		fail("there is no process %" PRIu64 ".", pid);
	snprintf(directory, sizeof(directory), "/proc/%" PRIu64 "/fd", pid);
	if (!draw_links(directory, "descriptor"))
		fail("only its user and root may see what process %" PRIu64 " has open.",
		     pid);
	/* Mappings of what it has closed: these links are for root. */
	snprintf(directory, sizeof(directory), "/proc/%" PRIu64 "/map_files", pid);
	draw_links(directory, "mapped at");
	if (!nr_seen)
		fail("process %" PRIu64 " has nothing of vmdemo open.", pid);
}

static void draw_device(const char *argument)
{
	const char *device = device_meant(argument);
	char *path = text_of("/dev/%s", device);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && (errno == EACCES || errno == EPERM))
		fail("you may not open %s: try sudo, or look at its mode.", path);
	if (fd < 0 && errno == ENXIO)
		fail("%s has no disk, and no pages: 'vmdemo bind' gives it one.", path);
	if (fd < 0)
		fail("%s: %s.", path, strerror(errno));
	draw_space(fd, path);
	close(fd);
	free(path);
}

/* FROM-TO, FROM- or PAGE. */
static void parse_range(char *text)
{
	char *dash = strchr(text, '-');
	bool right;

	if (dash)
		*dash = 0;
	right = number(text, 0, UINT64_MAX - 1, &first_page);
	if (right && !dash)
		last_page = first_page;
	else if (right && dash[1])
		right = number(dash + 1, first_page, UINT64_MAX - 1, &last_page);
	if (!right)
		usage_error("--pages takes the numbers of two pages, FIRST-LAST.");
}

static const struct option options[] = {
	{ "frames", no_argument, NULL, 'f' },
	{ "slots", no_argument, NULL, 's' },
	{ "pages", required_argument, NULL, 'p' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int map_run(int argc, char **argv)
{
	bool frames = false, slots = false;
	const char *what;
	uint64_t pid = 0;
	int option;

	while ((option = next_option(argc, argv, "fsp:jh", options)) != -1) {
		if (option == 'j')
			json = true;
		else if (option == 'p')
			parse_range(optarg);
		else if (option == 'f')
			frames = true;
		else
			slots = true;
	}
	if (frames && slots)
		usage_error("--frames and --slots exclude each other.");
	view = frames ? VIEW_FRAMES : slots ? VIEW_SLOTS : VIEW_PAGES;
	no_more_arguments(argc, argv, 1);
	what = argv[optind];
	if (what && isdigit(*what) && !number(what, 1, INT32_MAX, &pid))
		usage_error("'%s' is no process.", what);
	map_coloured = isatty(STDOUT_FILENO);
	if (pid)
		draw_process(pid);
	else
		draw_device(what);
	if (json) {
		json_close(']');
		json_end();
	}
	return STATUS_DONE;
}

const struct command command_map = {
	.name = "map",
	.usage = "[--frames | --slots] [--pages FIRST-LAST] [--json] [DEV | PID]",
	.summary = "draw where each page is: in which frame, in which slot",
	.help = "Of DEV it is the pages of its disk; of a process those of each space that it has open or\n"
		"mapped. There are 64 signs in a line, and 32 lines at most: then a sign stands for\n"
		"several pages. Programs are not held up.\n\n"
		"  -f, --frames            the other way round: of which page each frame is\n"
		"  -s, --slots             likewise each slot of the swap device\n"
		"  -p, --pages FIRST-LAST  these pages only\n"
		"  -j, --json              all that is known of each page that was touched\n",
	.run = map_run,
};
