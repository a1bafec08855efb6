/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tracing.h - the module's tracepoints (module/trace.h), and the faults that they tell of
 */
#ifndef TRACING_H
#define TRACING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- tracing.c: events ---- */

enum event_type {
	EVENT_ENTER,
	EVENT_LOAD,
	EVENT_WAIT,
	EVENT_DONE,
	EVENT_RETURN,
	NR_STEPS, /* those of a fault */
	EVENT_WRITE = NR_STEPS,
	EVENT_WRITTEN,
	EVENT_POLICY,
	EVENT_NEWTASK,
	EVENT_RENAME,
	NR_EVENTS,
	EVENT_LOST = NR_EVENTS, /* some are missing before the next: @value, or more */
};

/* Bytes of a name, or of a policy's event, the zero at its end included. */
#define EVENT_TEXT	16

/**
 * struct event - an event, in the order of time
 * @ns:    when, by CLOCK_MONOTONIC
 * @order: of those that came at the same time
 * @id:    of the fault; of a new task, the one that made it
 * @space: number; 0 is that of the device
 * @page:  number in its space
 * @value: flags, result, number of pages, or whether it waits for a frame
 * @frame: number, or error
 * @task:  that was running; of a new task, and of one that gets a name, that one
 * @type:  what happened
 * @text:  the policy's event, or the name of a task
 */
struct event {
	uint64_t ns;
	uint64_t order;
	uint64_t id;
	uint64_t space;
	uint64_t page;
	uint64_t value;
	int64_t frame;
	pid_t task;
	enum event_type type;
	char text[EVENT_TEXT];
};

/*
 * Trace into an instance of our own, which nobody else's tracing disturbs: what @device does, or
 * all of them, if it is NULL. @all: what policies and writing do, too. @buffer: KiB for each
 * processor, or 0. fail() undoes it.
 */
void tracing_start(const char *device, bool all, unsigned int buffer);

/*
 * What has come since the last call, sorted, valid until the next. What came just now is kept for
 * that, since another processor may still have an earlier one, unless this is the @last call.
 */
size_t tracing_read(const struct event **events, bool last);

/* False: the module was unloaded; its tracepoints are off even if it was loaded again. */
bool tracing_is_on(void);

/* No further events come; those that there are can still be read. */
void tracing_pause(void);

/* How many events were lost since the start, by the kernel's own account. */
uint64_t tracing_lost(void);

/* Clear up. */
void tracing_stop(void);

/* ---- tracing.c: tasks ---- */

/**
 * struct task - one that was seen
 * @id:      number of the thread
 * @process: of the process that it belongs to
 * @told:    the caller's: it becomes false when the name changes
 * @name:    as of the event that was read last; may have any bytes
 */
struct task {
	pid_t id;
	pid_t process;
	bool told;
	char name[EVENT_TEXT];
};

struct task *task_with(pid_t id);

/* Take note of EVENT_NEWTASK or EVENT_RENAME. */
void tracing_note_task(const struct event *event);

/* ---- follow.c: faults ---- */

/**
 * struct fault - a fault under way, and then at its end
 * @task:      whose; 0: none
 * @id:        of its last attempt
 * @space:     number
 * @page:      number in its space
 * @flags:     FAULT_FLAG_*
 * @at:        when it came to each step, in ns; 0: it did not
 * @for_frame: it waited for a frame
 * @again:     it waited, and is expected to come again
 * @read:      it asked for the page itself
 * @inserted:  it gave the page a frame
 * @nr_read:   pages that it asked for
 * @error:     of the read
 * @result:    VM_FAULT_*
 * @frame:     that the page is in, or -1
 */
struct fault {
	pid_t task;
	uint64_t id;
	uint64_t space;
	uint64_t page;
	unsigned int flags;
	uint64_t at[NR_STEPS];
	bool for_frame;
	bool again;
	bool read;
	bool inserted;
	unsigned int nr_read;
	int error;
	unsigned int result;
	int64_t frame;
};

#define FLAG_WRITE	0x01	/* FAULT_FLAG_WRITE */
#define RESULT_ERROR	0x73	/* VM_FAULT_ERROR: OOM, SIGBUS, HWPOISON, SIGSEGV, ... */
#define RESULT_OOM	0x01
#define RESULT_SIGSEGV	0x40

/* Take note of an event. A fault that it ends is returned, until the next call; otherwise NULL. */
const struct fault *follow(const struct event *event);

/* The fault of @task that is under way, or NULL. */
const struct fault *fault_of(pid_t task);

#endif /* TRACING_H */
