// SPDX-License-Identifier: GPL-2.0
/*
 * show.c - list and info: the devices there are, and all of one
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const struct option json_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static bool wants_json(int argc, char **argv)
{
	bool json = false;

	while (next_option(argc, argv, "jh", json_options) != -1)
		json = true;
	return json;
}

/* ---- list ---- */

/* What a line of the list has; false if the device is gone. */
struct line {
	char backing[4096];
	char swap[4096];
	char policy[4096];
	char size[SIZE_TEXT];
	uint64_t size_bytes;
	uint64_t frames;
	uint64_t frames_free;
	uint64_t frame_bytes;
};

static bool read_number(const char *device, const char *name, uint64_t *value)
{
	char text[32];

	if (attribute_read(device, name, text, sizeof(text)))
		return false;
	*value = strtoull(text, NULL, 10);
	return true;
}

static bool read_line(const char *device, struct line *line)
{
	if (attribute_read(device, "backing", line->backing, sizeof(line->backing)) ||
	    attribute_read(device, "swap", line->swap, sizeof(line->swap)) ||
	    attribute_read(device, "policy", line->policy, sizeof(line->policy)) ||
	    !read_number(device, "size_bytes", &line->size_bytes) ||
	    !read_number(device, "frames_actual", &line->frames) ||
	    !read_number(device, "frame_bytes", &line->frame_bytes) ||
	    !read_number(device, "stats/frames_free", &line->frames_free))
		return false;
	keep_bracketed(line->policy);
	size_text(line->size, line->size_bytes);
	return true;
}

static void list_json(const char *device, const struct line *line)
{
	json_open(NULL, '{');
	json_string("name", device);
	json_string("backing", line->backing);
	json_number("size_bytes", line->size_bytes);
	json_string("swap", line->swap);
	json_number("frames_actual", line->frames);
	json_number("frames_free", line->frames_free);
	json_number("frame_bytes", line->frame_bytes);
	json_string("policy", line->policy);
	json_close('}');
}

static int list_run(int argc, char **argv)
{
	static struct line line;
	char names[MOST_DEVICES][16];
	bool json = wants_json(argc, argv);
	size_t nr, i;

	no_more_arguments(argc, argv, 0);
	nr = device_names(names);
	if (json)
		json_open(NULL, '[');
	else if (!nr)
		note("there is no device: vmdemo is not loaded (modprobe vmdemo).");
	else
		printf("%-9s %9s %9s  %-7s %10s  %-16s %s\n", "NAME", "FRAMES", "FREE", "POLICY",
		       "SIZE", "BACKING", "SWAP");
	for (i = 0; i < nr; i++) {
		if (!read_line(names[i], &line))
			continue; /* it has gone meanwhile */
		if (json)
			list_json(names[i], &line);
		else
			printf("%-9s %9" PRIu64 " %9" PRIu64 "  %-7s %10s  %-16s %s\n", names[i],
			       line.frames, line.frames_free, line.policy, line.size, line.backing,
			       line.swap);
	}
	if (json) {
		json_close(']');
		json_end();
	}
	return STATUS_DONE;
}

const struct command command_list = {
	.name = "list",
	.usage = "[--json]",
	.summary = "list the devices: frames, policy, disks",
	.help = "  -j, --json  as an array of objects\n",
	.run = list_run,
};

/* ---- info ---- */

static const char *const kind_names[] = { "settings", "facts", "counters", "gauges" };

static const char *short_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

static int info_run(int argc, char **argv)
{
	bool json = wants_json(argc, argv);
	const struct attribute *a;
	int kind = -1, err;
	const char *device;
	char value[4096];

	no_more_arguments(argc, argv, 1);
	device = device_meant(argv[optind]);
	if (json) {
		json_open(NULL, '{');
		json_string("name", device);
	} else {
		printf("/dev/%s\n", device);
	}
	for (a = attributes; a->name; a++) {
		err = attribute_read(device, a->name, value, sizeof(value));
		if (err == -ENODEV)
			device_gone(device);
		if (err) /* an older module */
			continue;
		if (json && (int)a->kind != kind) {
			if (kind >= 0)
				json_close('}');
			json_open(kind_names[a->kind], '{');
		} else if ((int)a->kind != kind) {
			printf("\n%s:\n", kind_names[a->kind]);
		}
		kind = a->kind;
		if (json)
			json_value(short_name(a->name), value);
		else
			printf("  %-20s %s\n", short_name(a->name), value);
	}
	if (json) {
		if (kind >= 0)
			json_close('}');
		json_close('}');
		json_end();
	}
	return STATUS_DONE;
}

const struct command command_info = {
	.name = "info",
	.usage = "[--json] [DEV]",
	.summary = "show all of a device: settings, facts, counters, gauges",
	.help = "What each means is in uapi/ABI.txt.\n\n"
		"  -j, --json  as an object, with a member for each of these four\n",
	.run = info_run,
};
