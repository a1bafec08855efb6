// SPDX-License-Identifier: GPL-2.0
/*
 * devices.c - devices of vmdemo and their attributes
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

const struct attribute attributes[] = {
#define SETTING(name, text)	{ #name, text, KIND_SETTING, NR_STATS },
#define FACT(name, text)	{ #name, text, KIND_FACT, NR_STATS },
#define COUNTER(name, text)	{ "stats/" #name, text, KIND_COUNTER, STAT_##name },
#define GAUGE(name, text)	{ "stats/" #name, text, KIND_GAUGE, STAT_##name },
#include "attributes.h"
#undef SETTING
#undef FACT
#undef COUNTER
#undef GAUGE
	{ NULL, NULL, KIND_SETTING, NR_STATS },
};

/* ---- devices ---- */

/* vmdemo is number 0, vmdemo1 is 1; -1: it is not called like one of ours. */
int device_number(const char *name)
{
	uint64_t nr;

	if (strncmp(name, "vmdemo", 6))
		return -1;
	if (!name[6])
		return 0;
	return number(name + 6, 1, MOST_DEVICES - 1, &nr) && name[6] != '0' ? (int)nr : -1;
}

size_t device_names(char names[MOST_DEVICES][16])
{
	bool there[MOST_DEVICES] = { false };
	struct dirent *entry;
	DIR *dir = opendir(CLASS_DIR);
	size_t nr = 0;
	int i;

	while (dir && (entry = readdir(dir))) {
		i = device_number(entry->d_name);
		if (i >= 0)
			there[i] = true;
	}
	if (dir)
		closedir(dir);
	for (i = 0; i < MOST_DEVICES; i++)
		if (there[i])
			snprintf(names[nr++], 16, i ? "vmdemo%d" : "vmdemo", i);
	return nr;
}

static const char *without_dev(const char *argument)
{
	return strncmp(argument, "/dev/", 5) ? argument : argument + 5;
}

bool is_device_name(const char *argument)
{
	return device_number(without_dev(argument)) >= 0;
}

const char *device_meant(const char *argument)
{
	static char names[MOST_DEVICES][16];
	size_t nr = device_names(names), i;

	if (argument && !is_device_name(argument))
		usage_error("'%s' is no device: DEV is vmdemo, vmdemo1, and so on.", argument);
	if (!nr)
		fail("there is no device: vmdemo is not loaded (modprobe vmdemo).");
	if (!argument)
		return names[0];
	for (i = 0; i < nr; i++)
		if (!strcmp(names[i], without_dev(argument)))
			return names[i];
	fail("there is no device %s: 'vmdemo list' shows those that there are.", argument);
}

void device_gone(const char *device)
{
	fail("%s has gone: the module was unloaded.", device);
}

/* ---- attributes ---- */

/* -ENODEV, which the kernel also says of an attribute that is open while its device goes. */
static int attribute_open(const char *device, const char *name, int flags)
{
	char path[256];
	int fd, err;

	snprintf(path, sizeof(path), CLASS_DIR "/%s/%s", device, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	err = errno;
	snprintf(path, sizeof(path), CLASS_DIR "/%s", device);
	return err == ENOENT && access(path, F_OK) ? -ENODEV : -err;
}

int attribute_read(const char *device, const char *name, char *value, size_t size)
{
	int fd = attribute_open(device, name, O_RDONLY);
	ssize_t got;
	int err;

	*value = 0;
	if (fd < 0)
		return fd;
	got = read(fd, value, size - 1);
	err = errno;
	close(fd);
	if (got < 0)
		return -err;
	value[got] = 0;
	value[strcspn(value, "\n")] = 0;
	return 0;
}

int attribute_write(const char *device, const char *name, const char *value)
{
	ssize_t taken;
	int fd, err;

	/* The kernel cuts off what is longer than a page. */
	if (strlen(value) >= 4096)
		return -EINVAL;
	fd = attribute_open(device, name, O_WRONLY);
	if (fd < 0)
		return fd;
	/* An empty write would not reach the module. */
	taken = write(fd, *value ? value : "\n", *value ? strlen(value) : 1);
	err = errno;
	close(fd);
	return taken < 0 ? -err : 0;
}

void keep_bracketed(char *value)
{
	char *from = strchr(value, '['), *end = strchr(value, ']');

	if (!from || !end || end < from)
		return;
	*end = 0;
	memmove(value, from + 1, end - from);
}

uint64_t attribute_number(const char *device, const char *name)
{
	char text[32];
	int err = attribute_read(device, name, text, sizeof(text));

	if (err == -ENODEV)
		device_gone(device);
	return err ? 0 : strtoull(text, NULL, 10);
}

int stats_read(const char *device, struct stats *stats, bool all)
{
	const struct attribute *a;
	struct timespec now;
	char text[32];
	int err;

	clock_gettime(CLOCK_MONOTONIC, &now);
	stats->ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	for (a = attributes; a->name; a++) {
		if (a->stat == NR_STATS)
			continue;
		stats->known[a->stat] = false;
		stats->value[a->stat] = 0;
		/* The kernel looks at each frame for it. */
		if (!all && a->stat == STAT_frames_pinned)
			continue;
		err = attribute_read(device, a->name, text, sizeof(text));
		if (err == -ENODEV)
			return err;
		stats->known[a->stat] = !err;
		stats->value[a->stat] = strtoull(text, NULL, 10);
	}
	return 0;
}
