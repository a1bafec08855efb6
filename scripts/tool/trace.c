// SPDX-License-Identifier: GPL-2.0
/*
 * trace.c - faults, step by step, from the module's tracepoints
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"
#include "tracing.h"

/* Between two looks at what has come. */
#define LOOK_US		20000

static const char *const steps[NR_STEPS] = {
	"fault_enter", "load", "wait", "load_done", "fault_return",
};

static volatile sig_atomic_t stop;
static uint64_t lost;

static bool json, stream, one_any;
static const char *device; /* NULL: all of them */
static pid_t only;
static uint64_t told, wanted;

static const char *outcome(const struct fault *f)
{
	if (f->result & RESULT_ERROR)
		return f->result & RESULT_OOM ? "no memory" :
		       f->result & RESULT_SIGSEGV ? "SIGSEGV" : "SIGBUS";
	return f->read ? "hard" : f->at[EVENT_WAIT] ? "waited" : "not read";
}

static double took(const struct fault *f)
{
	return (f->at[EVENT_RETURN] - f->at[EVENT_ENTER]) / 1e3;
}

/* It steers no terminal. */
static const char *name_of(const struct fault *f)
{
	static char name[EVENT_TEXT];
	char *c;

	memcpy(name, task_with(f->task)->name, sizeof(name));
	for (c = name; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return name;
}

static void tell_step(int nr, const char *what, uint64_t from, uint64_t at)
{
	/* The disk may have answered while the task was about to wait. */
	printf("  %d. %-58s %9.0f us\n", nr, what, at > from ? (at - from) / 1e3 : 0);
}

/* One fault in its steps; of those that it did not come to, why not. */
static void tell_steps(const struct fault *f)
{
	uint64_t last = f->at[EVENT_ENTER];
	char what[128];

	printf("%s (%d) %s page %" PRIu64 ":\n", name_of(f), (int)f->task,
	       f->flags & FLAG_WRITE ? "writes to" : "reads", f->page);
	tell_step(1, "the access traps, and the kernel asks the module", last, last);
	if (f->at[EVENT_LOAD]) {
		snprintf(what, sizeof(what), "%s %u page%s asked for",
			 f->read ? "it is in no frame: it gets one, and" : "it was read ahead;",
			 f->nr_read, f->nr_read == 1 ? " is" : "s are");
		tell_step(2, what, last, f->at[EVENT_LOAD]);
		last = f->at[EVENT_LOAD];
	} else {
		puts("  2. no disk is asked: it is in a frame, or is filled without one");
	}
	if (f->at[EVENT_WAIT]) {
		tell_step(3, f->for_frame ? "no frame is free: the task waits for one" :
					    "the task waits", last, f->at[EVENT_WAIT]);
		last = f->at[EVENT_WAIT];
	} else {
		puts("  3. there is nothing to wait for");
	}
	if (f->at[EVENT_DONE]) {
		snprintf(what, sizeof(what), "the disk has answered%s",
			 f->error ? ": it failed" : "");
		tell_step(4, what, last, f->at[EVENT_DONE]);
		last = f->at[EVENT_DONE];
	} else {
		puts("  4. no read has ended");
	}
	if (f->result & RESULT_ERROR)
		snprintf(what, sizeof(what), "it failed: %s", outcome(f));
	else if (f->frame >= 0)
		snprintf(what, sizeof(what), "the kernel maps frame %d; the instruction runs again",
			 (int)f->frame);
	else
		snprintf(what, sizeof(what), "it is mapped; the instruction runs again");
	tell_step(5, what, last, f->at[EVENT_RETURN]);
	printf("     %-58s %9.0f us\n", "in all", took(f));
}

static void tell_json(const struct fault *f)
{
	size_t i;

	json_open(NULL, '{');
	json_string("name", name_of(f));
	json_number("task", f->task);
	json_number("page", f->page);
	json_bool("write", f->flags & FLAG_WRITE);
	json_string("outcome", outcome(f));
	if (f->frame >= 0)
		json_number("frame", f->frame);
	json_number("pages_read", f->nr_read);
	json_open("us", '{');
	for (i = EVENT_LOAD; i < NR_STEPS; i++)
		if (f->at[i])
			json_real(steps[i], (f->at[i] - f->at[EVENT_ENTER]) / 1e3);
	json_close('}');
	json_close('}');
	json_end();
}

static void tell_line(const struct fault *f)
{
	if (!told)
		printf("%-16s %7s %10s %-5s %-9s %5s %9s %9s\n", "PROGRAM", "TASK", "PAGE", "FOR",
		       "OUTCOME", "READ", "DISK us", "ALL us");
	printf("%-16s %7d %10" PRIu64 " %-5s %-9s ", name_of(f), (int)f->task, f->page,
	       f->flags & FLAG_WRITE ? "write" : "read", outcome(f));
	if (f->at[EVENT_LOAD] && f->at[EVENT_DONE])
		printf("%5u %9.0f", f->nr_read, (f->at[EVENT_DONE] - f->at[EVENT_LOAD]) / 1e3);
	else
		printf("%5s %9s", "-", "-");
	printf(" %9.0f\n", took(f));
}

static void tell(const struct fault *f)
{
	/* One that is told in full should be worth it. */
	if (!stream && !one_any && !f->read)
		return;
	if (json)
		tell_json(f);
	else if (stream)
		tell_line(f);
	else
		tell_steps(f);
	told++;
	stop |= told >= wanted && wanted;
	/* Nobody reads on: as if by SIGPIPE, but the instance has to go. */
	stop |= fflush(stdout) || ferror(stdout);
}

/* ---- the loop ---- */

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

static void read_events(void)
{
	const struct event *events;
	const struct fault *fault;
	size_t nr = tracing_read(&events, false), i;

	for (i = 0; i < nr && !stop; i++) {
		if (events[i].type == EVENT_LOST)
			lost += events[i].value;
		fault = follow(&events[i]);
		if (fault && (!only || fault->task == only ||
			      task_with(fault->task)->process == only))
			tell(fault);
	}
}

static void trace_all(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };
	char path[64] = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	tracing_start(device, false, 0);
	if (only)
		snprintf(path, sizeof(path), "/proc/%d", only);
	while (!stop) {
		bool ended = *path && access(path, F_OK);

		usleep(LOOK_US);
		read_events();
		if (ended)
			break;
		if (access(CLASS_DIR, F_OK)) {
			note("the module was unloaded.");
			break;
		}
	}
	tracing_stop();
}

static const struct option options[] = {
	{ "pid", required_argument, NULL, 'p' },
	{ "stream", no_argument, NULL, 's' },
	{ "any", no_argument, NULL, 'a' },
	{ "count", required_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void parse_options(int argc, char **argv)
{
	uint64_t pid;
	int option;

	while ((option = next_option(argc, argv, "p:san:jh", options)) != -1) {
		switch (option) {
		case 'p':
			if (!number(optarg, 1, INT32_MAX, &pid))
				usage_error("'%s' is no process.", optarg);
			only = pid;
			break;
		case 's':
			stream = true;
			break;
		case 'a':
			one_any = true;
			break;
		case 'n':
			if (!number(optarg, 1, UINT32_MAX, &wanted))
				usage_error("'%s' is no count: give a number from 1 on.", optarg);
			break;
		default:
			json = true;
		}
	}
	no_more_arguments(argc, argv, 1);
	if (!stream && !wanted)
		wanted = 1;
}

static int trace_run(int argc, char **argv)
{
	const char *meant;
	char path[64];

	parse_options(argc, argv);
	meant = device_meant(argv[optind]);
	device = argv[optind] ? meant : NULL;
	if (only) {
		snprintf(path, sizeof(path), "/proc/%d", only);
		if (access(path, F_OK))
			fail("there is no process %d.", only);
	}
	trace_all();
	if (lost)
		note("%" PRIu64 " events were lost: they came faster than they were read.", lost);
	if (!stream && told < wanted) {
		note("no such fault was seen.");
		return STATUS_FAILED;
	}
	return STATUS_DONE;
}

const struct command command_trace = {
	.name = "trace",
	.usage = "[--pid PID] [--stream] [--any] [--count N] [--json] [DEV]",
	.summary = "tell a fault in its five steps, or a stream of faults",
	.help = "Waits for a fault that reads its page from the disk, and tells how long each step took.\n"
		"For root. Without DEV, faults of all devices.\n\n"
		"  -p, --pid PID  of this process, until it ends\n"
		"  -s, --stream   all faults, a line each, until Ctrl-C\n"
		"  -a, --any      take a fault that reads nothing, too\n"
		"  -n, --count N  end after N faults\n"
		"  -j, --json     an object a line, with microseconds since the fault began\n",
	.run = trace_run,
};
