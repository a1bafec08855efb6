// SPDX-License-Identifier: GPL-2.0
/*
 * prometheus.c - all numbers in the text exposition format, for node_exporter's textfile collector
 *
 * A family for each counter, gauge and fact, with the text of uapi/ABI.txt as its help.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tool.h"

/* The value of a label. */
static void print_label(const char *name, const char *value)
{
	printf("%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n') {
			fputs("\\n", stdout);
			continue;
		}
		if (*value == '"' || *value == '\\')
			putchar('\\');
		putchar(*value);
	}
	putchar('"');
}

/* A family's name: counters end in _total, and times are in seconds. */
static void family_name(char name[64], const struct attribute *a, bool *seconds)
{
	const char *last = strrchr(a->name, '/');
	size_t length;

	last = last ? last + 1 : a->name;
	length = strlen(last);
	*seconds = length > 3 && !strcmp(last + length - 3, "_ns");
	snprintf(name, 64, "vmdemo_%.*s%s%s", (int)(*seconds ? length - 3 : length), last,
		 *seconds ? "_seconds" : "", a->kind == KIND_COUNTER ? "_total" : "");
}

/* What ABI.txt says, but for the unit. */
static const char *help_of(const struct attribute *a, bool seconds)
{
	static const char unit[] = "Nanoseconds ";
	static char text[256];

	if (!seconds || strncmp(a->text, unit, sizeof(unit) - 1))
		return a->text;
	snprintf(text, sizeof(text), "Seconds %s", a->text + sizeof(unit) - 1);
	return text;
}

static void print_head(const char *name, const char *help, const char *type)
{
	printf("# HELP %s ", name);
	for (; *help; help++)
		fputs(*help == '\\' ? "\\\\" : (char[]){ *help, 0 }, stdout);
	printf("\n# TYPE %s %s\n", name, type);
}

static void print_family(const struct attribute *a, char names[][16], size_t nr)
{
	bool seconds, begun = false;
	char name[64], text[64];
	uint64_t value;
	size_t i;

	family_name(name, a, &seconds);
	for (i = 0; i < nr; i++) {
		/* An older module lacks it, or the device has gone meanwhile. */
		if (attribute_read(names[i], a->name, text, sizeof(text)) ||
		    !number(text, 0, UINT64_MAX, &value))
			continue;
		if (!begun)
			print_head(name, help_of(a, seconds),
				   a->kind == KIND_COUNTER ? "counter" : "gauge");
		begun = true;
		printf("%s{", name);
		print_label("device", names[i]);
		if (seconds)
			printf("} %" PRIu64 ".%09" PRIu64 "\n", value / 1000000000,
			       value % 1000000000);
		else
			printf("} %" PRIu64 "\n", value);
	}
}

/* What is no number. */
static void print_disks(char names[][16], size_t nr)
{
	static const char *const disks[] = { "backing", "swap" };
	char paths[ARRAY_SIZE(disks)][4096];
	size_t i, k;

	print_head("vmdemo_info", "The disks of each device, always 1.", "gauge");
	for (i = 0; i < nr; i++) {
		for (k = 0; k < ARRAY_SIZE(disks); k++)
			if (attribute_read(names[i], disks[k], paths[k], sizeof(paths[k])))
				device_gone(names[i]);
		printf("vmdemo_info{");
		print_label("device", names[i]);
		for (k = 0; k < ARRAY_SIZE(disks); k++) {
			putchar(',');
			print_label(disks[k], paths[k]);
		}
		puts("} 1");
	}
}

int print_prometheus(const char *device)
{
	char names[MOST_DEVICES][16];
	const struct attribute *a;
	size_t nr;

	if (device) {
		snprintf(names[0], sizeof(names[0]), "%s", device_meant(device));
		nr = 1;
	} else {
		nr = device_names(names);
		if (!nr)
			device_meant(NULL); /* says that there is none */
	}
	print_disks(names, nr);
	for (a = attributes; a->name; a++)
		if (a->kind != KIND_SETTING)
			print_family(a, names, nr);
	return STATUS_DONE;
}
