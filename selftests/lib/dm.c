// SPDX-License-Identifier: GPL-2.0
/*
 * dm.c - devices of the device mapper, made by its ioctls; see dm.h
 */
#include <sys/stat.h>

#include "dm.h"

/* Room for a table, or for the names of all targets. */
#define DM_ROOM	16384
#define DM_TABLE	1024	/* as text; short lines take eight times as much as targets */

static struct dm_ioctl *dm_request(const char *name, __u32 flags)
{
	static __u64 room[DM_ROOM / sizeof(__u64)];
	struct dm_ioctl *request = (struct dm_ioctl *)room;

	memset(room, 0, sizeof(room));
	request->version[0] = DM_VERSION_MAJOR;
	request->data_size = sizeof(room);
	request->data_start = sizeof(*request);
	request->flags = flags;
	snprintf(request->name, sizeof(request->name), "%s", name);
	return request;
}

/* Returns 0, or a negative error. */
static int dm_call(unsigned long call, struct dm_ioctl *request)
{
	int control = open(DM_PATH(DM_CONTROL_NODE), O_RDWR | O_CLOEXEC), error = 0;

	if (control < 0)
		return -errno;
	if (ioctl(control, call, request))
		error = -errno;
	close(control);
	return error;
}

static const char *dm_node(const char *name)
{
	static char path[DM_NAME_LEN + 16];

	snprintf(path, sizeof(path), DM_PATH("%s"), name);
	return path;
}

bool dm_exists(const char *name)
{
	return !dm_call(DM_DEV_STATUS, dm_request(name, 0));
}

static bool dm_lists(const char *target)
{
	struct dm_ioctl *request = dm_request("", 0);
	struct dm_target_versions *version;

	if (dm_call(DM_LIST_VERSIONS, request))
		return false;
	if (request->flags & DM_BUFFER_FULL_FLAG)
		vt_fail("no room for the names of all targets");
	version = (void *)request + request->data_start;
	for (;;) {
		if (!strcmp(version->name, target))
			return true;
		if (!version->next)
			return false;
		version = (void *)version + version->next;
	}
}

bool dm_has(const char *target)
{
	if (dm_lists(target))
		return true;
	vt_shell("modprobe -q dm-mod; modprobe -q dm-%s", target);
	return dm_lists(target);
}

/* Add the lines of a table to a request. */
static void dm_add_table(struct dm_ioctl *request, const char *format, va_list args)
{
	char table[DM_TABLE], *line, *rest = table, *at = (void *)request + request->data_start;
	struct dm_target_spec *target;
	unsigned long long start, length;
	int name, end;

	if (vsnprintf(table, sizeof(table), format, args) >= (int)sizeof(table))
		vt_fail("a table is too long: '%s...'", table);
	while ((line = strtok_r(rest, "\n", &rest))) {
		target = (void *)at;
		end = 0;
		if (sscanf(line, "%llu %llu %n%*s%n", &start, &length, &name, &end) != 2 || !end ||
		    end - name >= sizeof(target->target_type))
			vt_fail("not a line of a table: '%s'", line);
		target->sector_start = start;
		target->length = length;
		memcpy(target->target_type, line + name, end - name);
		at = (void *)(target + 1);
		at += sprintf(at, "%s", line + end + !!line[end]) + 1;
		/* The kernel wants each target at a multiple of 8 bytes. */
		at += -(at - (char *)request) & 7;
		target->next = at - (char *)target;
		request->target_count++;
	}
}

/* Load a table, and use it. Returns 0, or a negative error. */
static int dm_load(const char *name, __u32 flags, const char *table, va_list args)
{
	struct dm_ioctl *request = dm_request(name, flags);
	int error;

	dm_add_table(request, table, args);
	error = dm_call(DM_TABLE_LOAD, request);
	return error ?: dm_call(DM_DEV_SUSPEND, dm_request(name, DM_SKIP_LOCKFS_FLAG));
}

void dm_create(const char *name, __u32 flags, const char *table, ...)
{
	struct dm_ioctl *request = dm_request(name, flags);
	int error = dm_call(DM_DEV_CREATE, request);
	dev_t dev = request->dev;
	va_list args;

	if (error)
		vt_fail("%s cannot be created: %s", name, strerror(-error));
	/* One that was left behind has another number. */
	unlink(dm_node(name));
	va_start(args, table);
	error = dm_load(name, flags, table, args);
	va_end(args);
	if (error) {
		dm_remove(name);
		vt_fail("%s does not take a table of the form '%s': %s", name, table,
			strerror(-error));
	}
	/* udev may have been faster. */
	if (mknod(dm_node(name), S_IFBLK | 0600, dev) && errno != EEXIST)
		vt_fail("%s: %s", dm_node(name), strerror(errno));
}

void dm_reload(const char *name, const char *table, ...)
{
	va_list args;
	int error;

	va_start(args, table);
	error = dm_load(name, 0, table, args);
	va_end(args);
	if (error)
		vt_fail("%s does not take a table of the form '%s': %s", name, table,
			strerror(-error));
}

bool dm_suspend(const char *name)
{
	return !dm_call(DM_DEV_SUSPEND,
			dm_request(name, DM_SUSPEND_FLAG | DM_NOFLUSH_FLAG | DM_SKIP_LOCKFS_FLAG));
}

bool dm_resume(const char *name)
{
	return !dm_call(DM_DEV_SUSPEND, dm_request(name, DM_SKIP_LOCKFS_FLAG));
}

bool dm_remove(const char *name)
{
	__u64 deadline = vt_now_ms() + 5000;
	int error;

	while ((error = dm_call(DM_DEV_REMOVE, dm_request(name, 0))) == -EBUSY &&
	       vt_now_ms() < deadline)
		vt_nap(20);
	if (error && error != -ENXIO && error != -ENOENT)
		return false;
	unlink(dm_node(name));
	return true;
}
