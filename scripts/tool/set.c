// SPDX-License-Identifier: GPL-2.0
/*
 * set.c - set, bind and unbind: what is written to sysfs, with sentences instead of errno
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "tool.h"

/* ---- which values a setting takes ---- */

/*
 * As in uapi/ABI.txt. The module decides; this is for the sentence, and to know before the first of
 * several settings is written. A setting that is not here is left to the module.
 */
struct bounds {
	const char *name;
	uint64_t low;
	uint64_t high;
	bool takes_auto;
};

#define HALF_OF_MEMORY	UINT64_MAX
#define HALF_OF_FRAMES	(UINT64_MAX - 1)

static const struct bounds all_bounds[] = {
	{ "frames", 8, HALF_OF_MEMORY, false },
	{ "reserve", 0, HALF_OF_FRAMES, true },
	{ "lend_pages", 0, HALF_OF_MEMORY, true },
	{ "swap_discard", 0, 1, false },
	{ "standby_pct", 0, 90, false },
	{ "demote_pages", 1, 4096, false },
	{ "read_ahead_pages", 0, 512, false },
	{ "dirty_pct", 1, 100, false },
	{ "dirty_age_ms", 0, 3600000, false },
	{ "space_max_pages", 0, INT32_MAX, false },
	{ "user_max_pages", 0, INT32_MAX, false },
	{ "spaces_per_user", 0, 4096, false },
};

static const struct bounds *bounds_of(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all_bounds); i++)
		if (!strcmp(all_bounds[i].name, name))
			return &all_bounds[i];
	return NULL;
}

static uint64_t half_of_memory(const char *device)
{
	uint64_t frame = attribute_number(device, "frame_bytes");
	struct sysinfo info;

	if (sysinfo(&info) || !frame)
		return UINT32_MAX;
	return (uint64_t)info.totalram * info.mem_unit / 2 / frame;
}

/* Why a value is not fit, to be freed; NULL: it is. @frames: how many there will be. */
static char *unfit_value(const char *device, const char *name, const char *value, uint64_t frames)
{
	const struct bounds *b = bounds_of(name);
	uint64_t high, n;

	if (!b || (b->takes_auto && !strcmp(value, "auto")))
		return NULL;
	high = b->high;
	if (high == HALF_OF_MEMORY)
		high = half_of_memory(device);
	else if (high == HALF_OF_FRAMES)
		high = frames / 2 ? frames / 2 - 1 : 0;
	if (number(value, b->low, high, &n))
		return NULL;
	return text_of("%s takes a number from %" PRIu64 " to %" PRIu64 "%s%s, not '%s'", name,
		       b->low, high, b->takes_auto ? ", or auto" : "",
		       b->high == HALF_OF_MEMORY ? " (half of the memory)" :
		       b->high == HALF_OF_FRAMES ? " (less than half of the frames)" : "",
		       value);
}

/* ---- writing one ---- */

/* What an errno of a setting means, to be freed. */
static char *meaning(const char *device, const char *name, const char *value, int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
		return text_of("only root may change %s (sudo vmdemo set ...)", name);
	case EINVAL:
		return text_of("%s does not take '%s'", name, value);
	case ENOMEM:
		return text_of("there is no memory for %s=%s; all devices together may have half of it",
			       name, value);
	case ENODEV:
		return text_of("%s has gone: the module was unloaded", device);
	case ENOENT:
		return text_of("this module has no setting %s", name);
	default:
		return text_of("%s=%s: %s", name, value, strerror(err));
	}
}

char *set_refused(const char *device, const char *name, const char *value, char **told)
{
	char *reason = unfit_value(device, name, value, attribute_number(device, "frames"));
	uint64_t wanted;
	int err;

	*told = NULL;
	if (reason)
		return reason;
	err = -attribute_write(device, name, value);
	if (!err)
		return NULL;
	/* The kernel keeps the target, and lets the rest go when it can. */
	if (err == EBUSY && !strcmp(name, "frames") && number(value, 0, UINT64_MAX, &wanted) &&
	    attribute_number(device, "frames") == wanted) {
		*told = text_of("frames=%s is set, but programs hold frames: there are %" PRIu64
				" now, and the rest go when they can", value,
				attribute_number(device, "frames_actual"));
		return NULL;
	}
	return meaning(device, name, value, err);
}

/* ---- set ---- */

struct change {
	const char *name;
	const char *value;
	char old[4096];
};

static const struct option help_only[] = {
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct attribute *attribute_called(const char *name)
{
	const struct attribute *a;
	const char *last;

	for (a = attributes; a->name; a++) {
		last = strrchr(a->name, '/');
		if (!strcmp(last ? last + 1 : a->name, name))
			return a;
	}
	return NULL;
}

static void check_name(const char *device, const char *name)
{
	const struct attribute *a = attribute_called(name);
	char path[300];

	if (!strcmp(name, "backing") || !strcmp(name, "swap"))
		usage_error("%s is changed by 'vmdemo bind' and 'vmdemo unbind'.", name);
	if (a && a->kind != KIND_SETTING)
		usage_error("%s cannot be set: it is one of the %s.", name,
			    a->kind == KIND_FACT ? "facts" : "statistics");
	snprintf(path, sizeof(path), CLASS_DIR "/%s/%s", device, name);
	if (strchr(name, '/') || (!a && access(path, F_OK)))
		usage_error("there is no setting '%s': 'vmdemo info %s' shows those that there are.",
			    name, device);
}

/* Is it one of the words that the attribute has, one of them in brackets? */
static bool is_policy(const char *device, const char *value)
{
	char words[4096], *rest = words, *word;

	if (attribute_read(device, "policy", words, sizeof(words)))
		return true;
	while ((word = strsep(&rest, " []")))
		if (*word && !strcmp(word, value))
			return true;
	return false;
}

/* What a setting is before it is written. */
static void remember(const char *device, struct change *change)
{
	if (attribute_read(device, change->name, change->old, sizeof(change->old)))
		fail("%s cannot be read.", change->name);
	keep_bracketed(change->old);
}

/* Splits NAME=VALUE, and checks both. */
static void check_change(const char *device, struct change *change, char *argument)
{
	char *equals = strchr(argument, '=');

	if (!equals || equals == argument)
		usage_error("'%s' is no setting: give NAME=VALUE.", argument);
	*equals = 0;
	change->name = argument;
	change->value = equals + 1;
	check_name(device, change->name);
	remember(device, change);
}

/* All values, before the first is written. The bound of one depends on the frames there will be. */
static void check_values(const char *device, const struct change *changes, int nr)
{
	uint64_t frames = attribute_number(device, "frames");
	char *reason;
	int i, k;

	for (i = 0; i < nr; i++) {
		for (k = 0; k < i; k++)
			if (!strcmp(changes[i].name, changes[k].name))
				usage_error("%s is given twice.", changes[i].name);
		if (!strcmp(changes[i].name, "frames"))
			number(changes[i].value, 0, UINT64_MAX, &frames);
	}
	for (i = 0; i < nr; i++) {
		reason = unfit_value(device, changes[i].name, changes[i].value, frames);
		if (!reason && !strcmp(changes[i].name, "policy") &&
		    !is_policy(device, changes[i].value))
			reason = text_of("there is no policy '%s'", changes[i].value);
		if (reason)
			usage_error("%s; nothing was changed.", reason);
	}
}

/* What is so in the end, as the end of a sentence. */
static const char *put_back(const char *device, const struct change *changes, int nr)
{
	const char *end = "nothing was changed";

	while (nr--) {
		if (!attribute_write(device, changes[nr].name, changes[nr].old))
			continue;
		note("%s cannot be put back to %s.", changes[nr].name, changes[nr].old);
		end = "the rest is as it was";
	}
	return end;
}

static int set_run(int argc, char **argv)
{
	struct change *changes, frames;
	char *reason, *told;
	const char *device;
	int nr, i, k;

	while (next_option(argc, argv, "h", help_only) != -1)
		;
	nr = argc - optind - 1;
	if (nr < 0 || !is_device_name(argv[optind]))
		usage_error("say which device: vmdemo, vmdemo1, and so on.");
	if (!nr)
		usage_error("say what to set: NAME=VALUE.");
	device = device_meant(argv[optind]);
	changes = need_memory(calloc(nr, sizeof(*changes)));
	for (i = 0; i < nr; i++)
		check_change(device, &changes[i], argv[optind + 1 + i]);
	check_values(device, changes, nr);
	/* The frames first: others are bounded by them, and they are the likeliest to fail. */
	for (i = 1; i < nr; i++) {
		if (strcmp(changes[i].name, "frames"))
			continue;
		frames = changes[i];
		for (k = i; k > 0; k--)
			changes[k] = changes[k - 1];
		changes[0] = frames;
	}
	for (i = 0; i < nr; i++) {
		reason = set_refused(device, changes[i].name, changes[i].value, &told);
		if (reason)
			fail("%s; %s.", reason, put_back(device, changes, i));
		if (told)
			note("%s.", told);
		free(told);
	}
	free(changes);
	return STATUS_DONE;
}

const struct command command_set = {
	.name = "set",
	.usage = "DEV NAME=VALUE...",
	.summary = "change settings: all of those given, or none",
	.help = "All values are checked before the first is written; if the module refuses one, those\n"
		"before it are put back (what was auto, as a number). 'vmdemo info' shows the settings, and uapi/ABI.txt explains\n"
		"them. For the disks there are 'vmdemo bind' and 'vmdemo unbind'.\n",
	.run = set_run,
};

/* ---- bind ---- */

static const struct option bind_options[] = {
	{ "swap", required_argument, NULL, 's' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* Ends the program unless @what of the device is free, and @path fit. */
static void check_disk(const char *device, const char *what, const char *path)
{
	char bound[4096], *reason;

	if (!path)
		return;
	if (attribute_read(device, what, bound, sizeof(bound)))
		device_gone(device);
	if (strcmp(bound, "none"))
		fail("%s has %s as its %s device: unbind that first.", device, bound, what);
	reason = unfit_block_device(path);
	if (reason)
		fail("%s.", reason);
}

/* Why a disk was not bound or not let go of, to be freed. */
static char *disk_refused(const char *device, const char *path, int err, int log)
{
	char *words = log_words(log, device), *users, *reason;

	if (err == EACCES || err == EPERM)
		return text_of("only root may bind and unbind disks");
	if (err == ENODEV && access("/sys/module/vmdemo", F_OK))
		return text_of("%s has gone: the module was unloaded", device);
	users = err == EBUSY ? users_of(device) : NULL;
	if (users) {
		reason = text_of("/dev/%s is in use by %s", device, users);
		free(users);
	} else if (err == EEXIST) {
		reason = text_of("%s; --force overwrites it",
				 words ? words : "it holds something: see the kernel log");
	} else if (err == EIO && !path) {
		reason = text_of("dirty pages cannot be written to the disk, which stays bound; nothing is lost. If the disk is gone for good, 'vmdemo unbind %s --abandon' gives it up",
				 device);
	} else if (words) {
		reason = text_of("%s", words);
	} else {
		reason = text_of("%s%s%s", path ? path : "", path ? ": " : "", strerror(err));
	}
	free(words);
	return reason;
}

/* NULL, or why not. */
static char *write_disk(const char *device, const char *what, const char *value, const char *path)
{
	int log = log_open();
	int err = -attribute_write(device, what, value);

	if (err)
		return disk_refused(device, path, err, log);
	if (log >= 0)
		close(log);
	return NULL;
}

static void need_root(const char *device)
{
	char path[64];

	snprintf(path, sizeof(path), CLASS_DIR "/%s/backing", device);
	if (access(path, W_OK) && errno == EACCES)
		fail("only root may bind and unbind disks (sudo vmdemo ...).");
}

static int bind_run(int argc, char **argv)
{
	const char *device, *backing, *swap = NULL;
	bool force = false;
	char *reason, *value;
	int option;

	while ((option = next_option(argc, argv, "s:fh", bind_options)) != -1) {
		if (option == 's')
			swap = optarg;
		else
			force = true;
	}
	if (optind == argc || !is_device_name(argv[optind]))
		usage_error("say which device: vmdemo, vmdemo1, and so on.");
	no_more_arguments(argc, argv, 2);
	backing = argv[optind + 1];
	if (!backing && !swap)
		usage_error("say which disk to bind.");
	if (force && !swap)
		usage_error("--force is for --swap: only a swap device is overwritten.");
	if (backing && swap && !strcmp(backing, swap))
		usage_error("one disk cannot be both.");
	device = device_meant(argv[optind]);
	need_root(device);
	check_disk(device, "backing", backing);
	check_disk(device, "swap", swap);
	reason = backing ? write_disk(device, "backing", backing, backing) : NULL;
	if (reason)
		fail("%s.", reason);
	value = swap ? text_of("%s%s", force ? "force " : "", swap) : NULL;
	reason = swap ? write_disk(device, "swap", value, swap) : NULL;
	if (reason && backing && attribute_write(device, "backing", "none"))
		note("%s stays bound.", backing);
	if (reason)
		fail("%s.", reason);
	free(value);
	return STATUS_DONE;
}

const struct command command_bind = {
	.name = "bind",
	.usage = "DEV [BACKING] [--swap DISK [--force]]",
	.summary = "give a device its disk, and one that sparse spaces swap to",
	.help = "Programs see and change the contents of BACKING. All of the swap device is overwritten.\n"
		"Of two disks both are bound or none.\n\n"
		"  -s, --swap DISK  the block device that sparse spaces swap to\n"
		"  -f, --force      overwrite whatever is on it\n",
	.run = bind_run,
};

/* ---- unbind ---- */

static const struct option unbind_options[] = {
	{ "swap", no_argument, NULL, 's' },
	{ "abandon", no_argument, NULL, 'a' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int unbind_run(int argc, char **argv)
{
	bool swap = false, abandon = false;
	const char *device, *what;
	char bound[4096], *reason;
	uint64_t lost;
	int option;

	while ((option = next_option(argc, argv, "sah", unbind_options)) != -1) {
		if (option == 's')
			swap = true;
		else
			abandon = true;
	}
	if (optind == argc || !is_device_name(argv[optind]))
		usage_error("say which device: vmdemo, vmdemo1, and so on.");
	no_more_arguments(argc, argv, 1);
	if (swap && abandon)
		usage_error("--abandon is for the backing device: what is on the swap device goes anyway.");
	device = device_meant(argv[optind]);
	need_root(device);
	what = swap ? "swap" : "backing";
	if (attribute_read(device, what, bound, sizeof(bound)))
		device_gone(device);
	if (!strcmp(bound, "none")) {
		note("%s has no %s device.", device, what);
		return STATUS_DONE;
	}
	lost = attribute_number(device, "stats/pages_lost");
	reason = write_disk(device, what, abandon ? "abandon" : "none", NULL);
	if (reason)
		fail("%s.", reason);
	lost = attribute_number(device, "stats/pages_lost") - lost;
	if (lost)
		note("%" PRIu64 " dirty pages could not be written, and are lost.", lost);
	return STATUS_DONE;
}

const struct command command_unbind = {
	.name = "unbind",
	.usage = "DEV [--swap | --abandon]",
	.summary = "write everything back, and let go of the disk",
	.help = "Nothing may have /dev/DEV open. Without an option nothing is ever lost: it fails instead.\n\n"
		"  -s, --swap     let go of the swap device\n"
		"  -a, --abandon  give up a disk that is gone: what cannot be written within 5 s is lost\n",
	.run = unbind_run,
};
