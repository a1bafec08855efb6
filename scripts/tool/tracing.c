// SPDX-License-Identifier: GPL-2.0
/*
 * tracing.c - the module's tracepoints, out of the kernel's ring buffers
 *
 * Read in binary, as trace-cmd does: the kernel need not format each event, and no name of a
 * program can look like one. Each processor has a buffer of its own, in pages: a time and a length,
 * and then events, each with the time since the one before. Where the fields of an event are, its
 * file `format` says.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"
#include "tracing.h"

#define INSTANCE_PREFIX	"vmdemo-tool-"
#define MOST_FIELDS	6
#define PAGE_HEADER	16		/* of a page: its time, and its length */
#define PAGE_LENGTH	0xfffff		/* beyond it: flags */
#define PAGE_MISSED	(1U << 31)	/* events were lost before it */
#define PAGE_STORED	(1U << 30)	/* how many stands at its end */
#define PAGES_A_TIME	1024
#define SETTLE_NS	5000000		/* in which an event that has begun is written */
#define SHARE_PROCESS	0x10000		/* CLONE_THREAD */

/* A field of an event, and where it goes. */
struct field {
	const char *name;
	size_t to;
	unsigned int at;
	unsigned int size;
};

#define FIELD(name, member)	{ name, offsetof(struct event, member), 0, 0 }

static struct source {
	const char *name;
	bool all;	/* needed for a recording only */
	bool optional;
	int type;
	struct field fields[MOST_FIELDS];
} sources[NR_EVENTS] = {
	[EVENT_ENTER] = { "vmdemo/vmdemo_fault_enter", false, false, 0, {
		FIELD("id", id), FIELD("space", space), FIELD("index", page),
		FIELD("flags", value) } },
	[EVENT_LOAD] = { "vmdemo/vmdemo_load", false, false, 0, {
		FIELD("id", id), FIELD("space", space), FIELD("index", page),
		FIELD("nr", value), FIELD("error", frame) } },
	[EVENT_WAIT] = { "vmdemo/vmdemo_wait", false, false, 0, {
		FIELD("id", id), FIELD("index", page), FIELD("for_frame", value) } },
	[EVENT_DONE] = { "vmdemo/vmdemo_load_done", false, false, 0, {
		FIELD("id", id), FIELD("space", space), FIELD("index", page),
		FIELD("nr", value), FIELD("error", frame) } },
	[EVENT_RETURN] = { "vmdemo/vmdemo_fault_return", false, false, 0, {
		FIELD("id", id), FIELD("index", page), FIELD("result", value),
		FIELD("frame", frame) } },
	[EVENT_WRITE] = { "vmdemo/vmdemo_writeback", true, false, 0, {
		FIELD("space", space), FIELD("index", page), FIELD("nr", value),
		FIELD("error", frame) } },
	[EVENT_WRITTEN] = { "vmdemo/vmdemo_writeback_done", true, false, 0, {
		FIELD("space", space), FIELD("index", page), FIELD("nr", value),
		FIELD("error", frame) } },
	[EVENT_POLICY] = { "vmdemo/vmdemo_policy", true, false, 0, {
		FIELD("event", text), FIELD("space", space), FIELD("index", page),
		FIELD("frame", frame) } },
	[EVENT_NEWTASK] = { "task/task_newtask", false, true, 0, {
		FIELD("comm", text), FIELD("pid", task), FIELD("clone_flags", value) } },
	/* Newer kernels leave out pid: then it is the task that was running. */
	[EVENT_RENAME] = { "task/task_rename", false, true, 0, {
		FIELD("newcomm", text), FIELD("pid", task) } },
};

static char instance[300];
static int *buffers;
static int nr_buffers;
static size_t page_size;
static unsigned char *page;

static struct event *pending;
static size_t nr_pending, room_pending, nr_taken;
static uint64_t order, seen_lost;

/* ---- files of the instance ---- */

static bool write_to(const char *name, const char *value)
{
	char path[400];
	ssize_t taken;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", instance, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	taken = write(fd, value, strlen(value));
	close(fd);
	return taken > 0;
}

/* False: there is none, or it is longer. */
static bool read_from(const char *name, char *text, size_t size)
{
	char path[400];
	size_t have = 0;
	ssize_t got = 1;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", instance, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (got > 0 && have < size - 1) {
		got = read(fd, text + have, size - 1 - have);
		have += got > 0 ? got : 0;
	}
	close(fd);
	text[have] = 0;
	return !got;
}

static void remove_instance(void)
{
	int i;

	write_to("events/enable", "0");
	/* A reader that was there a moment ago makes it busy. */
	for (i = 0; rmdir(instance) && errno == EBUSY && i < 100; i++)
		usleep(10000);
}

/* Of those of us that were killed. */
static void remove_old(const char *tracing)
{
	struct dirent *entry;
	DIR *dir = opendir(tracing);
	uint64_t pid;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, INSTANCE_PREFIX, strlen(INSTANCE_PREFIX)) ||
		    !number(entry->d_name + strlen(INSTANCE_PREFIX), 1, INT32_MAX, &pid) ||
		    !kill(pid, 0) || errno != ESRCH)
			continue;
		snprintf(instance, sizeof(instance), "%s/%s", tracing, entry->d_name);
		remove_instance();
	}
	if (dir)
		closedir(dir);
}

static const char *find_tracefs(void)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char path[64];
	size_t i;

	if (geteuid())
		fail("only root may trace: the tracepoints tell of everybody's faults (try sudo).");
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof(path), "%s/instances", places[i]);
		if (!access(path, W_OK))
			return path[12] == 't' ? "/sys/kernel/tracing/instances" :
						 "/sys/kernel/debug/tracing/instances";
	}
	fail("there is no tracefs: mount -t tracefs tracefs /sys/kernel/tracing.");
}

/* ---- formats ---- */

/* Where @name is in a format, "field:u64 name;	offset:8;	size:8;": false: nowhere. */
static bool find_field(const char *format, const char *name, unsigned int *at, unsigned int *size)
{
	size_t length = strlen(name);
	const char *place = format;

	while ((place = strstr(place, name))) {
		if (place[-1] == ' ' && strchr(";[", place[length]))
			break;
		place += length;
	}
	place = place ? strstr(place, "offset:") : NULL;
	return place && sscanf(place, "offset:%u; size:%u;", at, size) == 2;
}

static void read_format(struct source *source)
{
	char name[100], text[8192] = "";
	const char *id;
	struct field *f;

	snprintf(name, sizeof(name), "events/%s/format", source->name);
	id = read_from(name, text, sizeof(text)) ? strstr(text, "ID: ") : NULL;
	if (!id && source->optional)
		return;
	if (!id)
		fail("the module has no tracepoint %s.", source->name);
	source->type = atoi(id + 4);
	for (f = source->fields; f < source->fields + MOST_FIELDS && f->name; f++)
		if (!find_field(text, f->name, &f->at, &f->size) && !source->optional)
			fail("the tracepoint %s has no field %s.", source->name, f->name);
}

static void read_page_format(void)
{
	unsigned int at = 0, size = 0, commit = 0, length = 0;
	char text[4096] = "";

	read_from("events/header_page", text, sizeof(text));
	if (!*text) {
		/* It is not in every instance. */
		char kept[sizeof(instance)];

		memcpy(kept, instance, sizeof(kept));
		*strstr(instance, "/instances") = 0;
		read_from("events/header_page", text, sizeof(text));
		memcpy(instance, kept, sizeof(kept));
	}
	if (!find_field(text, "data", &at, &size) || at != PAGE_HEADER ||
	    !find_field(text, "commit", &commit, &length) || commit != 8)
		fail("the buffers of this kernel's tracing are not as they were known to be.");
	page_size = at + size;
	page = need_memory(malloc(page_size));
}

/* ---- tasks ---- */

static struct task **tasks; /* by number; a hash table, no more than half full */
static size_t nr_tasks, room_tasks;

static struct task **place_of_task(pid_t id)
{
	size_t i = (uint32_t)id * 2654435761U & (room_tasks - 1);

	while (tasks[i] && tasks[i]->id != id)
		i = (i + 1) & (room_tasks - 1);
	return &tasks[i];
}

static void grow_tasks(void)
{
	struct task **old = tasks;
	size_t nr = room_tasks, i;

	room_tasks = nr ? 2 * nr : 1024;
	tasks = need_memory(calloc(room_tasks, sizeof(struct task *)));
	for (i = 0; i < nr; i++)
		if (old[i])
			*place_of_task(old[i]->id) = old[i];
	free(old);
}

struct task *task_with(pid_t id)
{
	struct task **place;

	if (2 * nr_tasks >= room_tasks)
		grow_tasks();
	place = place_of_task(id);
	if (!*place) {
		*place = need_memory(calloc(1, sizeof(struct task)));
		**place = (struct task){ .id = id, .process = id, .name = "?" };
		nr_tasks++;
	}
	return *place;
}

static void name_task(struct task *task, const char *name)
{
	if (!strncmp(task->name, name, EVENT_TEXT - 1))
		return;
	snprintf(task->name, sizeof(task->name), "%.*s", EVENT_TEXT - 1, name);
	task->told = false;
}

static void read_task(pid_t process, pid_t id)
{
	struct task *task = task_with(id);
	char path[64], name[EVENT_TEXT + 1];
	ssize_t got;
	int fd;

	task->process = process;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", process, id);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	got = read(fd, name, sizeof(name) - 1);
	close(fd);
	if (got < 1)
		return;
	name[got - 1] = 0; /* a newline */
	name_task(task, name);
}

/* Names of all tasks that there are; events tell of the others. */
static void read_tasks(void)
{
	struct dirent *entry, *thread;
	DIR *proc = opendir("/proc"), *dir;
	uint64_t process, id;
	char path[64];

	while (proc && (entry = readdir(proc))) {
		if (!number(entry->d_name, 1, INT32_MAX, &process))
			continue;
		snprintf(path, sizeof(path), "/proc/%" PRIu64 "/task", process);
		dir = opendir(path);
		while (dir && (thread = readdir(dir)))
			if (number(thread->d_name, 1, INT32_MAX, &id))
				read_task(process, id);
		if (dir)
			closedir(dir);
	}
	if (proc)
		closedir(proc);
}

void tracing_note_task(const struct event *event)
{
	struct task *task = task_with(event->task);

	if (event->type == EVENT_NEWTASK) {
		task->process = event->value & SHARE_PROCESS ?
					task_with(event->id)->process : event->task;
		task->told = false;
	}
	name_task(task, event->text);
}

/* ---- start and end ---- */

static void open_buffers(void)
{
	char path[400];
	int i;

	nr_buffers = sysconf(_SC_NPROCESSORS_CONF);
	buffers = need_memory(calloc(nr_buffers, sizeof(*buffers)));
	for (i = 0; i < nr_buffers; i++) {
		snprintf(path, sizeof(path), "%s/per_cpu/cpu%d/trace_pipe_raw", instance, i);
		buffers[i] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (buffers[i] < 0 && errno != ENOENT && errno != ENODEV)
			fail("%s: %s.", path, strerror(errno));
	}
}

void tracing_start(const char *device, bool all, unsigned int buffer)
{
	const char *tracing = find_tracefs();
	struct source *source;
	char text[100];

	remove_old(tracing);
	snprintf(instance, sizeof(instance), "%s/" INSTANCE_PREFIX "%d", tracing, (int)getpid());
	if (mkdir(instance, 0700))
		fail("no instance can be made in tracefs: %s.", strerror(errno));
	before_failing = tracing_stop;
	if (!write_to("trace_clock", "mono"))
		fail("tracing has no clock 'mono'.");
	if (buffer) {
		snprintf(text, sizeof(text), "%u", buffer);
		if (!write_to("buffer_size_kb", text))
			fail("there is no memory for buffers of %u KiB: make --buffer less.",
			     buffer);
	}
	read_page_format();
	open_buffers();
	snprintf(text, sizeof(text), "device == %d", device ? device_number(device) : 0);
	if (device && !write_to("events/vmdemo/filter", text))
		fail("the tracepoints do not tell devices apart: the module is not of this version.");
	for (source = sources; source < sources + NR_EVENTS; source++) {
		if (source->all && !all)
			continue;
		read_format(source);
		snprintf(text, sizeof(text), "events/%s/enable", source->name);
		if (!write_to(text, "1") && !source->optional)
			fail("the tracepoint %s cannot be switched on.", source->name);
	}
	read_tasks();
}

bool tracing_is_on(void)
{
	char text[16];

	return read_from("events/vmdemo/vmdemo_fault_enter/enable", text, sizeof(text)) &&
	       *text == '1';
}

void tracing_pause(void)
{
	write_to("tracing_on", "0");
}

void tracing_stop(void)
{
	int i;

	for (i = 0; i < nr_buffers; i++)
		if (buffers[i] >= 0)
			close(buffers[i]);
	nr_buffers = 0;
	remove_instance();
	before_failing = NULL;
}

uint64_t tracing_lost(void)
{
	static const char *const what[] = {
		"\noverrun: ", "commit overrun: ", "dropped events: ",
	};
	char name[64], text[1024];
	uint64_t sum = 0;
	const char *at;
	size_t k;
	int i;

	for (i = 0; i < nr_buffers; i++) {
		snprintf(name, sizeof(name), "per_cpu/cpu%d/stats", i);
		if (!read_from(name, text, sizeof(text)))
			continue;
		for (k = 0; k < ARRAY_SIZE(what); k++) {
			at = strstr(text, what[k]);
			sum += at ? strtoull(at + strlen(what[k]), NULL, 10) : 0;
		}
	}
	/* Those of a module that was unloaded are gone, and so is the account of them. */
	return sum > seen_lost ? sum : seen_lost;
}

/* ---- pages ---- */

static uint64_t get(const unsigned char *data, unsigned int size)
{
	uint64_t value = 0;

	memcpy(&value, data, size < sizeof(value) ? size : sizeof(value));
	return value;
}

static struct event *new_event(enum event_type type, uint64_t ns)
{
	if (nr_pending == room_pending) {
		room_pending = room_pending ? 2 * room_pending : 4096;
		pending = need_memory(realloc(pending, room_pending * sizeof(*pending)));
	}
	pending[nr_pending] = (struct event){ .ns = ns, .order = order++, .type = type };
	return &pending[nr_pending++];
}

static void set_field(struct event *event, const struct field *f, const unsigned char *data)
{
	char *to = (char *)event + f->to;
	uint64_t value = get(data, f->size);

	if (f->to == offsetof(struct event, text)) {
		memcpy(to, data, f->size < EVENT_TEXT - 1 ? f->size : EVENT_TEXT - 1);
		return;
	}
	if (f->to == offsetof(struct event, task))
		event->task = value;
	else if (f->to == offsetof(struct event, frame))
		event->frame = (int32_t)value; /* no frame: -1 */
	else
		memcpy(to, &value, sizeof(value));
}

/* Of an event of @size bytes. Each begins with its type and the task. */
static void take_event(const unsigned char *data, size_t size, uint64_t ns)
{
	const struct source *source;
	const struct field *f;
	struct event *event;

	if (size < 8)
		return;
	for (source = sources; source < sources + NR_EVENTS; source++)
		if (source->type && source->type == (int)get(data, 2))
			break;
	if (source == sources + NR_EVENTS)
		return;
	event = new_event(source - sources, ns);
	event->task = get(data + 4, 4);
	if (event->type == EVENT_NEWTASK)
		event->id = event->task;
	for (f = source->fields; f < source->fields + MOST_FIELDS && f->name; f++)
		if (f->size && f->at + f->size <= size)
			set_field(event, f, data + f->at);
}

/* What the kernel calls struct ring_buffer_event: a type or a length, and 27 bits of time. */
static void take_events(const unsigned char *at, const unsigned char *end, uint64_t ns)
{
	uint32_t head, type, first;
	size_t size;

	for (; at + 8 <= end; at += 4 + size) {
		head = get(at, 4);
		first = get(at + 4, 4);
		type = head & 31;
		size = 4;
		if (type == 29) { /* padding: an event that was given up, or the rest */
			if (!(head >> 5))
				return;
			size = first;
			/* Of one that was given up, unless there had been none. */
			ns += head >> 5 == 1 ? 0 : head >> 5;
		} else if (type == 30) {
			ns += ((uint64_t)first << 27) + (head >> 5);
			continue;
		} else if (type == 31) { /* without the highest bits */
			ns = (ns & ~0ULL << 59) | (uint64_t)first << 27 | head >> 5;
			continue;
		}
		if (type < 29) {
			ns += head >> 5;
			size = type ? 4 * type : first;
		}
		if (size < 4 || size > (size_t)(end - at) - 4)
			return;
		if (type < 29)
			take_event(at + (type ? 4 : 8), size - (type ? 0 : 4), ns);
	}
}

static void take_page(size_t got)
{
	uint64_t ns = get(page, 8);
	uint32_t head = get(page + 8, 4);
	size_t length = head & PAGE_LENGTH, missed;

	if (got < PAGE_HEADER || length > got - PAGE_HEADER)
		return;
	if (head & PAGE_MISSED) {
		missed = head & PAGE_STORED && length + 8 <= got - PAGE_HEADER ?
				 get(page + PAGE_HEADER + length, 8) : 1;
		new_event(EVENT_LOST, ns)->value = missed;
		seen_lost += missed;
	}
	take_events(page + PAGE_HEADER, page + PAGE_HEADER + length, ns);
}

static int by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

size_t tracing_read(const struct event **events, bool last)
{
	struct timespec clock;
	uint64_t until;
	ssize_t got;
	int cpu, n;

	nr_pending -= nr_taken;
	memmove(pending, pending + nr_taken, nr_pending * sizeof(*pending));
	clock_gettime(CLOCK_MONOTONIC, &clock);
	until = clock.tv_sec * 1000000000ULL + clock.tv_nsec - SETTLE_NS;
	for (cpu = 0; cpu < nr_buffers; cpu++) {
		for (n = 0; buffers[cpu] >= 0 && (last || n < PAGES_A_TIME); n++) {
			got = read(buffers[cpu], page, page_size);
			if (got <= 0)
				break;
			take_page(got);
		}
		/* There is more, but not from before this. */
		if (!last && n == PAGES_A_TIME && get(page, 8) < until)
			until = get(page, 8);
	}
	if (nr_pending)
		qsort(pending, nr_pending, sizeof(*pending), by_time);
	for (nr_taken = 0; nr_taken < nr_pending; nr_taken++)
		if (!last && pending[nr_taken].ns > until)
			break;
	*events = pending;
	return nr_taken;
}
