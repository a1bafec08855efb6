// SPDX-License-Identifier: GPL-2.0
/*
 * trace.c - faults, step by step, from the module's tracepoints (module/trace.h)
 *
 * Traces into an instance of its own, so that nobody else's tracing is disturbed; it goes at the
 * end. What a thread is at is kept until its fault returns; the end of a read comes in the context
 * of any task, and is found by the fault's id.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

#define INSTANCE_PREFIX	"vmdemo-tool-"
#define FLAG_WRITE	0x01	/* FAULT_FLAG_WRITE */
#define FLAG_TRIED	0x20	/* FAULT_FLAG_TRIED */
#define RESULT_ERROR	0x73	/* VM_FAULT_ERROR: OOM, SIGBUS, HWPOISON, SIGSEGV, ... */
#define RESULT_OOM	0x01
#define RESULT_SIGSEGV	0x40
#define RESULT_RETRY	0x400
#define NR_FAULTS	1024	/* faults under way at a time that are followed */

static const char *const events[] = { "fault_enter", "load", "wait", "load_done", "fault_return" };

enum step {
	STEP_ENTER,
	STEP_LOAD,
	STEP_WAIT,
	STEP_DONE,
	STEP_RETURN,
	NR_STEPS,
};

/* A fault under way. Times are in microseconds; 0: it has not come to that step. */
struct fault {
	pid_t task; /* 0: none */
	char name[32];
	uint64_t id;
	uint64_t page;
	unsigned int flags;
	double at[NR_STEPS];
	bool for_frame;
	unsigned int nr_read;
	int error;
	bool again; /* it waited, and is expected to come again */
	unsigned int result;
	int frame;
};

/* An event, as it stands in a line of trace_pipe. */
struct event {
	char name[32];
	pid_t task;
	double at;
	enum step step;
	const char *fields;
};

static struct fault faults[NR_FAULTS];
static char instance[300];
static volatile sig_atomic_t stop;
static uint64_t lost;

static bool json, stream, one_any;
static pid_t only;
static uint64_t told, wanted;

/* ---- the instance ---- */

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
		fail("only root may trace: the tracepoints tell of everybody's faults (sudo vmdemo trace).");
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof(path), "%s/instances", places[i]);
		if (!access(path, W_OK))
			return path[12] == 't' ? "/sys/kernel/tracing/instances" :
						 "/sys/kernel/debug/tracing/instances";
	}
	fail("there is no tracefs: mount -t tracefs tracefs /sys/kernel/tracing.");
}

static int start_tracing(void)
{
	const char *tracing = find_tracefs();
	char path[400];
	size_t i;
	int fd;

	remove_old(tracing);
	snprintf(instance, sizeof(instance), "%s/" INSTANCE_PREFIX "%d", tracing, (int)getpid());
	if (mkdir(instance, 0700))
		fail("no instance can be made in tracefs: %s.", strerror(errno));
	before_failing = remove_instance;
	write_to("trace_clock", "mono");
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(path, sizeof(path), "events/vmdemo/vmdemo_%s/enable", events[i]);
		if (!write_to(path, "1"))
			fail("the tracepoint vmdemo_%s cannot be switched on.", events[i]);
	}
	snprintf(path, sizeof(path), "%s/trace_pipe", instance);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fail("%s: %s.", path, strerror(errno));
	return fd;
}

/* ---- lines ---- */

/* "   python3-123   [000] ..... 12.345678: vmdemo_load: id=1 ..."; false: it is something else. */
static bool parse(char *line, struct event *event)
{
	char *colon = NULL, *bracket, *dash, *time, *at;
	size_t i, length;

	/* The last one: a program may have such a name, or one with blanks and dashes. */
	for (at = line; (at = strstr(at, ": vmdemo_")); at++)
		colon = at;
	if (!colon)
		return false;
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		length = strlen(events[i]);
		if (!strncmp(colon + 9, events[i], length) && colon[9 + length] == ':')
			break;
	}
	if (i == ARRAY_SIZE(events))
		return false;
	event->step = i;
	event->fields = colon + 9 + length;
	*colon = 0;
	time = strrchr(line, ' ');
	bracket = strrchr(line, '[');
	if (!time || !bracket)
		return false;
	event->at = strtod(time, NULL) * 1e6;
	*bracket = 0;
	dash = strrchr(line, '-');
	if (!dash)
		return false;
	event->task = atoi(dash + 1);
	*dash = 0;
	line += strspn(line, " ");
	snprintf(event->name, sizeof(event->name), "%s", line);
	/* Nor does it steer a terminal. */
	for (at = event->name; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	return true;
}

/* The number after NAME=, which may be hexadecimal, or negative. */
static int64_t field(const struct event *event, const char *name)
{
	const char *at = event->fields;
	size_t length = strlen(name);

	while ((at = strstr(at, name))) {
		if (at[-1] == ' ' && at[length] == '=')
			return strtoll(at + length + 1, NULL, 0);
		at += length;
	}
	return 0;
}

/* ---- following ---- */

static bool is_wanted(pid_t task)
{
	char path[64];

	if (!only || task == only)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/task/%d", only, task);
	return !access(path, F_OK);
}

static struct fault *fault_of_task(pid_t task)
{
	size_t i;

	for (i = 0; i < NR_FAULTS; i++)
		if (faults[i].task == task)
			return &faults[i];
	return NULL;
}

/* A place that is free, or that of the fault that began first: its end was probably lost. */
static struct fault *place_of_fault(void)
{
	struct fault *oldest = faults;
	size_t i;

	for (i = 0; i < NR_FAULTS; i++) {
		if (!faults[i].task)
			return &faults[i];
		if (faults[i].at[STEP_ENTER] < oldest->at[STEP_ENTER])
			oldest = &faults[i];
	}
	lost++;
	return oldest;
}

static struct fault *fault_with_id(uint64_t id)
{
	size_t i;

	for (i = 0; i < NR_FAULTS; i++)
		if (faults[i].task && faults[i].id == id)
			return &faults[i];
	return NULL;
}

static void enter(const struct event *event)
{
	struct fault *fault = fault_of_task(event->task);
	unsigned int flags = field(event, "flags");
	uint64_t page = field(event, "page");

	/* It comes again after it has waited without locks: the same fault. */
	if (fault && fault->again && flags & FLAG_TRIED && fault->page == page) {
		fault->id = field(event, "id");
		fault->again = false;
		return;
	}
	if (!is_wanted(event->task))
		return;
	fault = fault ? fault : place_of_fault();
	*fault = (struct fault){ .task = event->task, .page = page, .flags = flags };
	fault->id = field(event, "id");
	fault->at[STEP_ENTER] = event->at;
	memcpy(fault->name, event->name, sizeof(fault->name));
}

/* ---- telling ---- */

static const char *outcome(const struct fault *f)
{
	if (f->result & RESULT_ERROR)
		return f->result & RESULT_OOM ? "no memory" :
		       f->result & RESULT_SIGSEGV ? "SIGSEGV" : "SIGBUS";
	return f->at[STEP_LOAD] ? "hard" : f->at[STEP_WAIT] ? "waited" : "not read";
}

static double took(const struct fault *f)
{
	return f->at[STEP_RETURN] - f->at[STEP_ENTER];
}

static void tell_step(int nr, const char *what, double from, double at)
{
	/* The disk may have answered while the task was about to wait. */
	printf("  %d. %-58s %9.0f us\n", nr, what, at > from ? at - from : 0);
}

/* One fault in its steps; of those that it did not come to, why not. */
static void tell_steps(const struct fault *f)
{
	double last = f->at[STEP_ENTER];
	char what[128];

	printf("%s (%d) %s page %" PRIu64 ":\n", f->name, (int)f->task,
	       f->flags & FLAG_WRITE ? "writes to" : "reads", f->page);
	tell_step(1, "the access traps, and the kernel asks the module", last, last);
	if (f->at[STEP_LOAD]) {
		snprintf(what, sizeof(what), "it is in no frame: it gets one, and %u page%s asked for",
			 f->nr_read, f->nr_read == 1 ? " is" : "s are");
		tell_step(2, what, last, f->at[STEP_LOAD]);
		last = f->at[STEP_LOAD];
	} else {
		puts("  2. no disk is asked: it is in a frame, or is filled without one");
	}
	if (f->at[STEP_WAIT]) {
		tell_step(3, f->for_frame ? "no frame is free: the task waits for one" :
					    "the task waits", last, f->at[STEP_WAIT]);
		last = f->at[STEP_WAIT];
	} else {
		puts("  3. there is nothing to wait for");
	}
	if (f->at[STEP_DONE]) {
		snprintf(what, sizeof(what), "the disk has answered%s",
			 f->error ? ": it failed" : "");
		tell_step(4, what, last, f->at[STEP_DONE]);
		last = f->at[STEP_DONE];
	} else {
		puts("  4. no read has ended");
	}
	if (f->result & RESULT_ERROR)
		snprintf(what, sizeof(what), "it failed: %s", outcome(f));
	else if (f->frame >= 0)
		snprintf(what, sizeof(what), "the kernel maps frame %d; the instruction runs again",
			 f->frame);
	else
		snprintf(what, sizeof(what), "it is mapped; the instruction runs again");
	tell_step(5, what, last, f->at[STEP_RETURN]);
	printf("     %-58s %9.0f us\n", "in all", took(f));
}

static void tell_json(const struct fault *f)
{
	size_t i;

	json_open(NULL, '{');
	json_string("name", f->name);
	json_number("task", f->task);
	json_number("page", f->page);
	json_bool("write", f->flags & FLAG_WRITE);
	json_string("outcome", outcome(f));
	if (f->frame >= 0)
		json_number("frame", f->frame);
	json_number("pages_read", f->nr_read);
	json_open("us", '{');
	for (i = STEP_LOAD; i < NR_STEPS; i++)
		if (f->at[i])
			json_real(events[i], f->at[i] - f->at[STEP_ENTER]);
	json_close('}');
	json_close('}');
	json_end();
}

static void tell_line(const struct fault *f)
{
	if (!told)
		printf("%-16s %7s %10s %-5s %-9s %5s %9s %9s\n", "PROGRAM", "TASK", "PAGE", "FOR",
		       "OUTCOME", "READ", "DISK us", "ALL us");
	printf("%-16s %7d %10" PRIu64 " %-5s %-9s ", f->name, (int)f->task, f->page,
	       f->flags & FLAG_WRITE ? "write" : "read", outcome(f));
	if (f->at[STEP_LOAD] && f->at[STEP_DONE])
		printf("%5u %9.0f", f->nr_read, f->at[STEP_DONE] - f->at[STEP_LOAD]);
	else
		printf("%5s %9s", "-", "-");
	printf(" %9.0f\n", took(f));
}

static void tell(const struct fault *f)
{
	/* One that is told in full should be worth it. */
	if (!stream && !one_any && !f->at[STEP_LOAD])
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

static void leave(const struct event *event)
{
	struct fault *fault = fault_of_task(event->task);

	if (!fault)
		return;
	fault->result = field(event, "result");
	fault->frame = field(event, "frame");
	fault->at[STEP_RETURN] = event->at;
	fault->again = fault->result & RESULT_RETRY;
	if (fault->again)
		return;
	tell(fault);
	fault->task = 0;
}

/*
 * A step between. Of several reads or waits the first counts; the end is that of the read which
 * brings the page.
 */
static void step(struct fault *fault, const struct event *event)
{
	uint64_t first = field(event, "page");
	unsigned int nr = field(event, "nr");
	bool needed = fault->page - first < nr;

	if (event->step == STEP_LOAD)
		fault->nr_read += nr;
	if (event->step == STEP_WAIT)
		fault->for_frame |= !!strstr(event->fields, "for=frame");
	if (event->step == STEP_DONE && needed)
		fault->error = field(event, "error");
	if (!fault->at[event->step] && (event->step != STEP_DONE || needed))
		fault->at[event->step] = event->at;
}

static void follow(const struct event *event)
{
	uint64_t id = field(event, "id");
	struct fault *fault;

	if (event->step == STEP_ENTER) {
		enter(event);
		return;
	}
	if (event->step == STEP_RETURN) {
		leave(event);
		return;
	}
	fault = id ? fault_with_id(id) : NULL;
	if (fault)
		step(fault, event);
}

static void on_line(char *line)
{
	struct event event;
	unsigned long long nr;

	if (parse(line, &event))
		follow(&event);
	else if (sscanf(line, "CPU:%*d [LOST %llu EVENTS]", &nr) == 1)
		lost += nr;
}

/* ---- the loop ---- */

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

/* False: nothing comes any more. */
static bool read_lines(int pipe)
{
	static char buffer[65536];
	static size_t have;
	char *line, *end;
	ssize_t got = read(pipe, buffer + have, sizeof(buffer) - 1 - have);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	have += got;
	buffer[have] = 0;
	for (line = buffer; !stop && (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		on_line(line);
	}
	have = strlen(line);
	if (have == sizeof(buffer) - 1) /* no line is that long */
		have = 0;
	memmove(buffer, line, have);
	return true;
}

static void trace_all(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };
	struct pollfd input = { .events = POLLIN };
	char path[64] = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	input.fd = start_tracing();
	if (only)
		snprintf(path, sizeof(path), "/proc/%d", only);
	while (!stop) {
		poll(&input, 1, 100);
		if (!read_lines(input.fd))
			break;
		if (access(CLASS_DIR, F_OK)) {
			note("the module was unloaded.");
			break;
		}
		if (*path && access(path, F_OK)) {
			read_lines(input.fd);
			break;
		}
	}
	close(input.fd);
	remove_instance();
	before_failing = NULL;
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
	char names[MOST_DEVICES][16], path[64];

	parse_options(argc, argv);
	device_meant(argv[optind]);
	if (argv[optind] && device_names(names) > 1)
		fail("the tracepoints do not tell devices apart: leave DEV out to see the faults of all.");
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
		"For root. The tracepoints do not tell devices apart.\n\n"
		"  -p, --pid PID  of this process, until it ends\n"
		"  -s, --stream   all faults, a line each, until Ctrl-C\n"
		"  -a, --any      take a fault that reads nothing, too\n"
		"  -n, --count N  end after N faults\n"
		"  -j, --json     an object a line, with microseconds since the fault began\n",
	.run = trace_run,
};
