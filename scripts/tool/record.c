// SPDX-License-Identifier: GPL-2.0
/*
 * record.c - write down all that a device does for a time: see recording.h
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "recording.h"
#include "tool.h"
#include "tracing.h"

#define LOOK_US		20000		/* between two looks at what has come */
#define MANY		10000		/* events, after which there is no time to sleep */
#define SAMPLE_NS	100000000	/* between two looks at the counters */
#define BUFFER_KB	8192
#define LEAST_BUFFER_KB	4
#define MOST_BUFFER_KB	(1U << 20)
#define MOST_FRAMES	(1U << 28)

/* By frame: what is in it was read ahead, and nobody has touched it yet, as far as is known. */
static bool *ahead;
static uint64_t nr_frames;

static FILE *out;
static const char *file, *device;
static uint64_t began, sampled;
static volatile sig_atomic_t stop;

static uint64_t now(void)
{
	struct timespec clock;

	clock_gettime(CLOCK_MONOTONIC, &clock);
	return clock.tv_sec * 1000000000ULL + clock.tv_nsec;
}

/* ---- lines ---- */

static void put_text(const char *text)
{
	if (!*text)
		fputs(" %", out);
	else
		putc(' ', out);
	for (; *text; text++) {
		if (*text > ' ' && *text <= '~' && *text != '%')
			putc(*text, out);
		else
			fprintf(out, "%%%02x", (unsigned char)*text);
	}
}

static void put_fact(char letter, const char *name, const char *value)
{
	fprintf(out, "%c %s", letter, name);
	put_text(value);
	putc('\n', out);
}

static void put_number(const char *name, uint64_t value)
{
	fprintf(out, "i %s %" PRIu64 "\n", name, value);
}

static void put_settings(void)
{
	const struct attribute *a;
	char value[4096];

	for (a = attributes; a->name; a++) {
		if (a->stat != NR_STATS || attribute_read(device, a->name, value, sizeof(value)))
			continue;
		keep_bracketed(value);
		put_fact('s', a->name, value);
	}
	fputc('c', out);
	for (a = attributes; a->name; a++)
		if (a->stat != NR_STATS)
			fprintf(out, " %s", strchr(a->name, '/') + 1);
	putc('\n', out);
}

/* False: the device has gone. */
static bool put_counters(void)
{
	const struct attribute *a;
	struct stats stats;

	if (stats_read(device, &stats, false))
		return false;
	sampled = stats.ns;
	errno = 0;
	fprintf(out, "v %" PRIu64, stats.ns - began);
	for (a = attributes; a->name; a++)
		if (a->stat != NR_STATS)
			fprintf(out, " %" PRIu64, stats.value[a->stat]);
	putc('\n', out);
	return true;
}

/* ---- events ---- */

/* NULL: it is none, or there is no end to them. */
static bool *ahead_in(int64_t nr)
{
	uint64_t room = nr_frames;

	if (nr < 0 || nr >= MOST_FRAMES)
		return NULL;
	if ((uint64_t)nr >= nr_frames) {
		while (room <= (uint64_t)nr)
			room = room ? 2 * room : 1024;
		ahead = need_memory(realloc(ahead, room * sizeof(*ahead)));
		memset(ahead + nr_frames, 0, (room - nr_frames) * sizeof(*ahead));
		nr_frames = room;
	}
	return &ahead[nr];
}

static const char *kind_of(const struct fault *f)
{
	bool *at = ahead_in(f->frame), was_ahead = at && *at;

	if (at)
		*at = false;
	if (f->result & RESULT_ERROR)
		return "failed";
	if (f->read)
		return "hard";
	if (f->inserted)
		return "zero";
	if (was_ahead)
		return "ahead";
	return f->at[EVENT_WAIT] && !f->for_frame ? "wait" : "soft";
}

static void put_fault(const struct fault *f)
{
	struct task *task = task_with(f->task);

	if (!task->told) {
		fprintf(out, "n %d %d", (int)task->id, (int)task->process);
		put_text(task->name);
		putc('\n', out);
		task->told = true;
	}
	fprintf(out, "f %" PRIu64 " %" PRIu64 " %d %" PRIu64 " %" PRIu64 " %s %c %" PRId64 " %u\n",
		f->at[EVENT_RETURN] - began, f->at[EVENT_RETURN] - f->at[EVENT_ENTER], (int)f->task,
		f->space, f->page, kind_of(f), f->flags & FLAG_WRITE ? 'w' : 'r',
		f->frame, f->nr_read);
}

static void put_policy(const struct event *event)
{
	const struct fault *fault = fault_of(event->task);
	bool own = fault && fault->space == event->space && fault->page == event->page;
	bool *at = ahead_in(event->frame);

	if (at && (!strcmp(event->text, "insert") || !strcmp(event->text, "refault")))
		*at = !own;
	else if (at && (!strcmp(event->text, "unmap") ||
			(!own && !strcmp(event->text, "touch"))))
		*at = false; /* it has been mapped with another one */
	fprintf(out, "p %" PRIu64, event->ns - began);
	put_text(event->text);
	fprintf(out, " %" PRIu64 " %" PRIu64 " %" PRId64 "\n", event->space, event->page,
		event->frame);
}

static void put_event(const struct event *event)
{
	const struct fault *fault = follow(event);
	uint64_t ns = event->ns - began;

	if (fault)
		put_fault(fault);
	else if (event->type == EVENT_POLICY)
		put_policy(event);
	else if (event->type == EVENT_WRITE)
		fprintf(out, "w %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", ns,
			event->space, event->page, event->value);
	else if (event->type == EVENT_WRITTEN)
		fprintf(out, "d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 "\n", ns,
			event->space, event->page, event->value, event->frame);
	else if (event->type == EVENT_LOST)
		fprintf(out, "l %" PRIu64 " %" PRIu64 "\n", ns, event->value);
}

/* After errno was made 0 and something was printed: nothing but a write can have changed it. */
static void __attribute__((noreturn)) write_failed(void)
{
	fail("%s cannot be written: %s.", file, strerror(errno ? errno : EIO));
}

static void write_out(void)
{
	if (fflush(out) || ferror(out))
		write_failed();
}

/* How many there were. */
static size_t put_events(bool last)
{
	const struct event *events;
	size_t nr = tracing_read(&events, last), i;

	errno = 0;
	for (i = 0; i < nr; i++)
		put_event(&events[i]);
	write_out();
	return nr;
}

/* ---- where pages are ---- */

/* -1: the device has no disk. */
static int open_device(struct vmdemo_info *info)
{
	char *path = text_of("/dev/%s", device);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*info = (struct vmdemo_info){ .size = sizeof(*info) };
	if (fd < 0 && errno != ENXIO && errno != ENOENT)
		fail("%s: %s.", path, strerror(errno));
	if (fd >= 0 && ioctl(fd, VMDEMO_IOC_INFO, info))
		fail("%s does not belong to vmdemo: %s.", path, strerror(errno));
	free(path);
	return fd;
}

/* Events are read meanwhile: a large device takes its time. */
static void put_map(char letter, int fd, const struct vmdemo_info *info)
{
	struct vmdemo_page *chunk = need_memory(calloc(info->pagemap_max, sizeof(*chunk)));
	uint64_t pages = info->size_bytes / info->page_size, from, nr, i;
	struct vmdemo_pagemap map = { .pages = (uintptr_t)chunk };

	for (from = 0; from < pages && (!stop || letter == 'M'); from += nr) {
		nr = pages - from < info->pagemap_max ? pages - from : info->pagemap_max;
		map.offset = from * info->page_size;
		map.length = nr * info->page_size;
		if (ioctl(fd, VMDEMO_IOC_PAGEMAP, &map))
			break; /* it has become shorter */
		errno = 0;
		for (i = 0; i < nr; i++) {
			if (chunk[i].frame == VMDEMO_NO_FRAME)
				continue;
			fprintf(out, "%c %" PRIu64 " %u %u %u\n", letter, from + i, chunk[i].frame,
				chunk[i].state, chunk[i].flags);
		}
		write_out();
		if (letter == 'm')
			put_events(false);
	}
	free(chunk);
}

/* ---- the whole ---- */

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

static void put_header(char **command)
{
	struct utsname kernel;
	char *line = text_of("%s", *command ? *command : ""), *longer;

	uname(&kernel);
	fputs(RECORDING_MAGIC "\n", out);
	put_fact('i', "device", device);
	put_fact('i', "version", VMDEMO_VERSION);
	put_fact('i', "kernel", kernel.release);
	put_number("began", time(NULL));
	for (; *command && command[1]; command++) {
		longer = text_of("%s %s", line, command[1]);
		free(line);
		line = longer;
	}
	put_fact('i', "command", line);
	free(line);
	put_settings();
}

/*
 * It tells of everybody's programs: for its owner only. A file that is there may be for others, or
 * be written by another recording, and is replaced.
 */
static void open_file(void)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
	struct stat old;
	int fd;

	if (!lstat(file, &old) && S_ISREG(old.st_mode)) {
		flags |= O_EXCL;
		unlink(file);
	}
	fd = open(file, flags, 0600);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out)
		fail("%s: %s.", file, strerror(errno));
	setvbuf(out, need_memory(malloc(1 << 20)), _IOFBF, 1 << 20);
}

static pid_t start_command(char **command)
{
	posix_spawnattr_t attributes;
	sigset_t defaults;
	pid_t pid;
	int err;

	posix_spawnattr_init(&attributes);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGXFSZ);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	err = posix_spawnp(&pid, *command, NULL, &attributes, command, environ);
	posix_spawnattr_destroy(&attributes);
	if (err)
		fail("%s cannot be run: %s.", *command, strerror(err));
	return pid;
}

/* True: it has ended, by itself or because the recording does. */
static bool end_command(pid_t pid, int *status)
{
	int i;

	if (waitpid(pid, status, WNOHANG) == pid)
		return true;
	if (!stop)
		return false;
	kill(pid, SIGTERM);
	*status = 0;
	for (i = 0; i < 100 && !waitpid(pid, status, WNOHANG); i++)
		usleep(10000);
	if (i == 100)
		note("the command, process %d, has not ended yet: it goes on.", (int)pid);
	if (WIFSIGNALED(*status) && WTERMSIG(*status) == SIGTERM)
		*status = 0;
	return true;
}

/* False: no more events come, and a note says why. */
static bool goes_on(void)
{
	if (!put_counters() || !tracing_is_on()) {
		note("the module was unloaded: what it did last is missing.");
		return false;
	}
	write_out();
	return true;
}

/* Until the time is over, or the command. False: it had to end before. */
static bool record_on(double seconds, pid_t pid, int *status)
{
	uint64_t end = now() + seconds * 1e9;
	bool on = true;
	size_t nr;

	while (on && !stop && (!seconds || now() < end)) {
		nr = put_events(false);
		if (now() - sampled >= SAMPLE_NS)
			on = goes_on();
		if (pid && end_command(pid, status))
			return on;
		if (nr < MANY)
			usleep(LOOK_US);
	}
	if (pid) {
		stop = 1;
		end_command(pid, status);
	}
	return on;
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
	/* It is told by write(2). */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	/* A parent may have left it ignored; then nothing could be waited for. */
	signal(SIGCHLD, SIG_DFL);
}

static int record(double seconds, unsigned int buffer, char **command)
{
	struct vmdemo_info info;
	int fd, status = 0;
	uint64_t lost;
	bool there;

	catch_signals();
	began = now();
	tracing_start(device, true, buffer);
	fd = open_device(&info);
	open_file();
	put_header(command);
	put_number("page_size", info.page_size ? info.page_size : (uint64_t)getpagesize());
	put_number("pages", fd < 0 ? 0 : info.size_bytes / info.page_size);
	put_number("frames", attribute_number(device, "frames_actual"));
	there = goes_on();
	if (fd >= 0) {
		put_map('m', fd, &info);
		close(fd);
	}
	write_out();
	there = there && record_on(seconds, *command ? start_command(command) : 0, &status) &&
		goes_on();
	tracing_pause();
	put_events(true);
	lost = tracing_lost();
	fd = there ? open_device(&info) : -1;
	if (fd >= 0) {
		put_map('M', fd, &info);
		close(fd);
	}
	errno = 0;
	fprintf(out, "e %" PRIu64 " %" PRIu64 "\n", now() - began, lost);
	write_out();
	if (fclose(out))
		write_failed();
	tracing_stop();

	if (lost)
		note("%" PRIu64 " events were lost: they came faster than they were written. Make --buffer more than %u.",
		     lost, buffer);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		note("%s ended with status %d.", *command, WEXITSTATUS(status));
	if (WIFSIGNALED(status))
		note("%s was ended by signal %d.", *command, WTERMSIG(status));
	return there && !lost && !status ? STATUS_DONE : STATUS_FAILED;
}

static double seconds_in(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 0.01 && value <= 1e6))
		usage_error("'%s' is no time: give seconds, from 0.01 to 1000000.", text);
	return value;
}

/* What is behind "--", cut off; points to NULL if there is none. getopt_long(3) would drop it. */
static char **cut_command(int *argc, char **argv)
{
	int i;

	for (i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		if (!argv[i + 1])
			usage_error("say which command to run.");
		argv[i] = NULL;
		*argc = i;
		return argv + i + 1;
	}
	return argv + *argc;
}

static const struct option options[] = {
	{ "duration", required_argument, NULL, 'd' },
	{ "buffer", required_argument, NULL, 'b' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int record_run(int argc, char **argv)
{
	char **command = cut_command(&argc, argv);
	uint64_t buffer = BUFFER_KB;
	double seconds = 0;
	int option;

	while ((option = next_option(argc, argv, "d:b:h", options)) != -1) {
		if (option == 'd')
			seconds = seconds_in(optarg);
		else if (!number(optarg, LEAST_BUFFER_KB, MOST_BUFFER_KB, &buffer))
			usage_error("'%s' is no buffer: give KiB, from %u to %u.", optarg,
				    LEAST_BUFFER_KB, MOST_BUFFER_KB);
	}
	no_more_arguments(argc, argv, 2);
	if (*command && seconds)
		usage_error("it ends with the command, or after a time: give one of them.");
	device = argc - optind == 2 ? argv[optind++] : NULL;
	file = argv[optind];
	/* A device alone: not the name of a file. */
	if (!file || (!device && is_device_name(file)))
		usage_error("say which file to write.");
	device = device_meant(device);
	return record(seconds, buffer, command);
}

const struct command command_record = {
	.name = "record",
	.usage = "[--duration SECONDS] [--buffer KIB] [DEV] FILE [-- COMMAND...]",
	.summary = "write down all that a device does, for a report",
	.help = "Page faults with process, page, kind and latency; what the policy sees; writing; counters ten\n"
		"times a second; and where the pages are at first. Until COMMAND ends, or the time is over,\n"
		"or Ctrl-C. For root. The status is 1 if an event was lost, too.\n\n"
		"  -d, --duration SECONDS  end after this time\n"
		"  -b, --buffer KIB        memory of each processor for what is not written yet: 8192\n",
	.run = record_run,
};
