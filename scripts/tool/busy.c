// SPDX-License-Identifier: GPL-2.0
/*
 * busy.c - why a block device, or one of ours, cannot be had: who has it
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tool.h"

/* ---- block devices ---- */

/* Is the file at @path the block device @number? */
static bool is_block_device(const char *path, dev_t number)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode) && st.st_rdev == number;
}

/* mountinfo writes blanks and the like as \040. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '\\' && isdigit(text[1]) && isdigit(text[2]) && isdigit(text[3])) {
			*to++ = (text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0';
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = 0;
}

/* Where it is mounted, to be freed; NULL: nowhere. */
static char *mount_point(dev_t number)
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char *line = NULL, *found = NULL, *rest;
	char place[4096], source[4096];
	unsigned int major, minor;
	size_t room = 0;

	while (f && !found && getline(&line, &room, f) > 0) {
		if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &major, &minor, place) != 3)
			continue;
		/*
		 * Some file systems have a number of their own, and name their device behind. Other
		 * paths there are left alone: they may be any user's, and lead into a FUSE mount.
		 */
		rest = strstr(line, " - ");
		if (!rest || sscanf(rest, " - %*s %4095s", source) != 1)
			*source = 0;
		unescape(place);
		unescape(source);
		if (makedev(major, minor) == number ||
		    (!strncmp(source, "/dev/", 5) && is_block_device(source, number)))
			found = text_of("%s", place);
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

static bool is_swapped_to(dev_t number)
{
	FILE *f = fopen("/proc/swaps", "r");
	char *line = NULL;
	char path[4096];
	bool found = false;
	size_t room = 0;

	while (f && !found && getline(&line, &room, f) > 0) {
		if (sscanf(line, "%4095s", path) != 1)
			continue;
		unescape(path);
		found = is_block_device(path, number);
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* The first entry of a directory of sysfs of a block device, to be freed; or NULL. */
static char *first_entry(dev_t number, const char *directory)
{
	char path[128];
	struct dirent *entry;
	char *found = NULL;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(number), minor(number),
		 directory);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			found = text_of("%s", entry->d_name);
	if (dir)
		closedir(dir);
	return found;
}

/* The device of ours that has it, and as what; NULL: none. */
static char *bound_to(dev_t number)
{
	static const char *const as[] = { "backing", "swap" };
	char names[MOST_DEVICES][16], path[4096];
	size_t nr = device_names(names), i, k;

	for (i = 0; i < nr; i++)
		for (k = 0; k < ARRAY_SIZE(as); k++)
			if (!attribute_read(names[i], as[k], path, sizeof(path)) &&
			    is_block_device(path, number))
				return text_of("%s has it already, as its %s device", names[i],
					       as[k]);
	return NULL;
}

static char *use_of(const char *path, dev_t number);

/* A use of one of its partitions. */
static char *use_of_partition(dev_t number)
{
	char path[384], node[280];
	unsigned int major, minor;
	struct dirent *entry;
	char *found = NULL;
	FILE *f;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(number), minor(number));
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s/partition", major(number),
			 minor(number), entry->d_name);
		if (entry->d_name[0] == '.' || access(path, F_OK))
			continue;
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s/dev", major(number),
			 minor(number), entry->d_name);
		f = fopen(path, "r");
		if (f && fscanf(f, "%u:%u", &major, &minor) == 2) {
			snprintf(node, sizeof(node), "/dev/%s", entry->d_name);
			found = use_of(node, makedev(major, minor));
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* What a block device is used for, to be freed; NULL: not known. */
static char *use_of(const char *path, dev_t number)
{
	char *mounted = mount_point(number), *holder = first_entry(number, "holders");
	char *bound = bound_to(number), *use;

	if (mounted)
		use = text_of("%s is mounted on %s", path, mounted);
	else if (is_swapped_to(number))
		use = text_of("%s is swap space of the system", path);
	else if (holder)
		use = text_of("%s is part of /dev/%s", path, holder);
	else if (bound)
		use = text_of("%s cannot be had: %s", path, bound);
	else
		use = use_of_partition(number);
	free(mounted);
	free(holder);
	free(bound);
	return use;
}

char *unfit_block_device(const char *path)
{
	struct stat st;
	char *use = NULL;
	int fd;

	if (*path != '/')
		return text_of("'%s' is no absolute path", path);
	if (stat(path, &st))
		return text_of("%s: %s", path,
			       errno == ENOENT ? "there is no such file" : strerror(errno));
	if (S_ISREG(st.st_mode))
		return text_of("%s is a file: put a loop device on it (losetup --direct-io=on --show -f %s) and bind that",
			       path, path);
	if (!S_ISBLK(st.st_mode))
		return text_of("%s is no block device", path);
	/* Only root gets an answer here; others are told later that they may not. */
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return NULL;
	}
	if (errno == EBUSY) {
		use = use_of(path, st.st_rdev);
		return use ? use : text_of("%s is in use", path);
	}
	if (errno == ENXIO || errno == ENODEV || errno == ENOMEDIUM)
		return text_of("%s: there is no disk behind it", path);
	return NULL;
}

/* ---- our own ---- */

/* Does a link of /proc/PID/fd, or the path in a line of maps, lead to it? */
static bool leads_to(const char *path, const char *device)
{
	return !strcmp(path, SPACE_LINK) ||
	       (!strncmp(path, "/dev/", 5) && !strcmp(path + 5, device));
}

static bool has_open(const char *pid, const char *device)
{
	char path[300], target[300];
	struct dirent *entry;
	bool found = false;
	ssize_t length;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (length > 0) {
			target[length] = 0;
			found = leads_to(target, device);
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool has_mapped(const char *pid, const char *device)
{
	char *line = NULL, *path;
	bool found = false;
	char name[300];
	size_t room = 0;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%s/maps", pid);
	f = fopen(name, "r");
	while (f && !found && getline(&line, &room, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		path = strchr(line, '/');
		found = path && leads_to(path, device);
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

static void name_of(const char *pid, char *name, size_t size)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "r");
	if (!f || !fgets(name, size, f))
		snprintf(name, size, "a program");
	name[strcspn(name, "\n")] = 0;
	if (f)
		fclose(f);
}

char *users_of(const char *device)
{
	DIR *dir = opendir("/proc");
	char *users = NULL, *more;
	struct dirent *entry;
	char name[64];
	int nr = 0;

	while (dir && (entry = readdir(dir))) {
		if (!isdigit(entry->d_name[0]) ||
		    (!has_open(entry->d_name, device) && !has_mapped(entry->d_name, device)))
			continue;
		if (++nr > 5) {
			more = text_of("%s, ...", users);
			free(users);
			users = more;
			break;
		}
		name_of(entry->d_name, name, sizeof(name));
		more = text_of("%s%s%s (%s)", users ? users : "", users ? ", " : "", name,
			       entry->d_name);
		free(users);
		users = more;
	}
	if (dir)
		closedir(dir);
	return users;
}

/* ---- the kernel's log ---- */

int log_open(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (log >= 0)
		lseek(log, 0, SEEK_END);
	return log;
}

/* Without the number of the error, to be freed. */
static char *plain_words(const char *text)
{
	const char *end = strstr(text, " (error ");

	return text_of("%.*s", (int)(end ? (size_t)(end - text) : strlen(text)), text);
}

char *log_words(int log, const char *device)
{
	char line[8192], *text, *words = NULL, *prefix;
	ssize_t got;

	if (log < 0)
		return NULL;
	prefix = text_of("vmdemo %s: ", device);
	/* A read is of one record: "6,1234,5678,-;vmdemo vmdemo: words", and lines of tags. */
	while ((got = read(log, line, sizeof(line) - 1)) > 0 || (got < 0 && errno == EPIPE)) {
		if (got < 0)
			continue;
		line[got] = 0;
		text = strchr(line, ';');
		if (!text || strncmp(text + 1, prefix, strlen(prefix)))
			continue;
		text[strcspn(text, "\n")] = 0;
		free(words);
		words = plain_words(text + 1 + strlen(prefix));
	}
	free(prefix);
	close(log);
	return words;
}
