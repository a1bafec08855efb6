// SPDX-License-Identifier: GPL-2.0
/*
 * follow.c - faults, out of the events that they are made of
 *
 * What a thread is at is kept until its fault returns; the end of a read comes in the context of
 * any task, and is found by the fault's id.
 */
#include <stddef.h>
#include <string.h>

#include "tracing.h"

#define FLAG_TRIED	0x20	/* FAULT_FLAG_TRIED */
#define RESULT_RETRY	0x400	/* VM_FAULT_RETRY */
#define NR_FAULTS	1024	/* faults under way at a time that are followed */

static struct fault faults[NR_FAULTS];
/* Only as many of them are looked at as there ever were at a time. */
static size_t nr_faults;

static struct fault *find_task(pid_t task)
{
	size_t i;

	for (i = 0; i < nr_faults; i++)
		if (faults[i].task == task)
			return &faults[i];
	return NULL;
}

const struct fault *fault_of(pid_t task)
{
	return find_task(task);
}

static struct fault *find_id(uint64_t id)
{
	size_t i;

	for (i = 0; id && i < nr_faults; i++)
		if (faults[i].task && faults[i].id == id)
			return &faults[i];
	return NULL;
}

/* A place that is free, or that of the fault that began first: its end was lost. */
static struct fault *find_place(void)
{
	struct fault *oldest = faults;
	size_t i;

	for (i = 0; i < nr_faults; i++) {
		if (!faults[i].task)
			return &faults[i];
		if (faults[i].at[EVENT_ENTER] < oldest->at[EVENT_ENTER])
			oldest = &faults[i];
	}
	return nr_faults < NR_FAULTS ? &faults[nr_faults++] : oldest;
}

static void enter(const struct event *event)
{
	struct fault *fault = find_task(event->task);

	/* It comes again after it has waited without locks: the same fault. */
	if (fault && fault->again && event->value & FLAG_TRIED &&
	    fault->space == event->space && fault->page == event->page) {
		fault->id = event->id;
		fault->again = false;
		return;
	}
	fault = fault ? fault : find_place();
	*fault = (struct fault){
		.task = event->task,
		.id = event->id,
		.space = event->space,
		.page = event->page,
	};
	fault->flags = event->value;
	fault->at[EVENT_ENTER] = event->ns;
}

static const struct fault *leave(const struct event *event)
{
	struct fault *fault = find_task(event->task);
	static struct fault ended;

	if (!fault)
		return NULL;
	fault->result = event->value;
	fault->frame = event->frame;
	fault->at[EVENT_RETURN] = event->ns;
	fault->again = fault->result & RESULT_RETRY;
	if (fault->again)
		return NULL;
	ended = *fault;
	fault->task = 0;
	return &ended;
}

/*
 * A step between. Of several reads or waits the first counts; the end is that of the read which
 * brings the page.
 */
static void step(struct fault *fault, const struct event *event)
{
	bool needed = fault->page - event->page < event->value;

	if (event->type == EVENT_LOAD) {
		fault->nr_read += event->value;
		fault->read |= needed;
	}
	if (event->type == EVENT_WAIT)
		fault->for_frame |= event->value;
	if (event->type == EVENT_DONE && needed)
		fault->error = event->frame;
	if (!fault->at[event->type] && (event->type != EVENT_DONE || needed))
		fault->at[event->type] = event->ns;
}

/* A page gets a frame. */
static void note_insert(const struct event *event)
{
	struct fault *fault = find_task(event->task);

	if (fault && event->space == fault->space && event->page == fault->page &&
	    (!strcmp(event->text, "insert") || !strcmp(event->text, "refault")))
		fault->inserted = true;
}

const struct fault *follow(const struct event *event)
{
	struct fault *fault;

	if (event->type == EVENT_ENTER) {
		enter(event);
	} else if (event->type == EVENT_RETURN) {
		return leave(event);
	} else if (event->type == EVENT_POLICY) {
		note_insert(event);
	} else if (event->type == EVENT_NEWTASK || event->type == EVENT_RENAME) {
		tracing_note_task(event);
	} else if (event->type < NR_STEPS) {
		fault = find_id(event->id);
		if (fault)
			step(fault, event);
	}
	return NULL;
}
