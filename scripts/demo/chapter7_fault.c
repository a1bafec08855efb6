// SPDX-License-Identifier: GPL-2.0
/*
 * chapter7_fault.c - when a page is needed: a fault, step by step, and what it can lead to
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tour.h"

#define TRACING	"/sys/kernel/tracing/"

/* Of several words tracefs takes one at a time. */
static void trace_write(const char *name, const char *value)
{
	ssize_t taken = 0;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), TRACING "%s", name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	while (fd >= 0 && *value && (taken = write(fd, value, strlen(value))) > 0)
		value += taken;
	if (fd < 0 || taken < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

/* When an event of ours, or anybody's, was first or last traced, in microseconds; 0: it was not. */
static double trace_time(const char *event, bool ours, bool last)
{
	FILE *f = fopen(TRACING "trace", "r");
	char line[512], name[32], *at;
	double t = 0;

	snprintf(name, sizeof(name), "tour-%d ", (int)getpid());

	while (f && fgets(line, sizeof(line), f)) {
		at = strstr(line, event);
		if (*line == '#' || !at || (t && !last) || (ours && !strstr(line, name)))
			continue;
		/* ... [000] d..1.  12.345678: event: */
		for (at -= 2; at > line && at[-1] != ' '; at--)
			;
		t = strtod(at, NULL) * 1e6;
	}
	if (f)
		fclose(f);
	return t;
}

static void print_step(const char *what, const char *where, double us)
{
	printf("  %-44s %-14s %6.0f us\n", what, where, us);
}

/* Longer lines would not fit. */
#define CALL_COLUMNS	76

/* Prints the calls that were traced. Was the module asked for the page, and was it mapped then? */
static bool print_calls(void)
{
	FILE *f = fopen(TRACING "trace", "r");
	bool faulted = false, mapped = false;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (*line == '#' || !strchr(line, '|'))
			continue;
		faulted |= !!strstr(line, "vmdemo_vm_fault");
		mapped |= faulted && strstr(line, "finish_fault");
		line[strcspn(line, "\n")] = 0;
		printf("  %.*s\n", CALL_COLUMNS, line);
	}
	if (f)
		fclose(f);
	return mapped;
}

/* The kernel's side of one fault: which functions are called, and for how long. */
static void show_calls(int dev, char *mem)
{
	char pid[16];
	bool mapped;
	size_t page;

	act(dev, VMDEMO_IOC_EVICT, 5999, 2);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	trace_write("set_ftrace_pid", pid);
	trace_write("set_ftrace_filter",
		    "handle_mm_fault vmdemo_vm_fault vmdemo_pager_submit vmdemo_access_wait finish_fault");
	trace_write("current_tracer", "function_graph");
	trace_write("options/funcgraph-cpu", "0");
	trace_write("options/funcgraph-irqs", "0");
	trace_write("options/funcgraph-overhead", "0");
	for (page = 5999; page <= 6000; page++) {
		trace_write("trace", "");
		*(volatile char *)(mem + page * PAGE);
	}
	trace_write("tracing_on", "0");
	printf("\n  what the kernel called for one like it (function_graph):\n");
	mapped = print_calls();
	trace_write("current_tracer", "nop");
	trace_write("set_ftrace_pid", "");
	trace_write("set_ftrace_filter", "");
	trace_write("options/funcgraph-cpu", "1");
	trace_write("options/funcgraph-overhead", "1");
	trace_write("tracing_on", "1");
	putchar('\n');
	check(mapped, "it has asked the module for the page, and then mapped it");
}

/* What the processor's trap calls first: x86 has a tracepoint there, arm64 a function. */
#ifdef __aarch64__
#define TRAP_FUNCTION	" do_mem_abort"
#define TRAP		"do_mem_abort"
#else
#define TRAP_FUNCTION	""
#define TRAP_EVENT	"events/exceptions/page_fault_user/enable"
#define TRAP		"page_fault_user:"
#endif

static void trace_trap(const char *on)
{
#ifdef TRAP_EVENT
	trace_write(TRAP_EVENT, on);
#endif
}

/* One fault, of which the trace is left; tracing is off afterwards. */
static void trace_fault(int dev, char *mem)
{
	size_t page;

	act(dev, VMDEMO_IOC_EVICT, 4999, 2);
	trace_write("set_ftrace_filter", "finish_fault" TRAP_FUNCTION);
	trace_write("current_tracer", "function");
	trace_trap("1");
	trace_write("events/vmdemo/enable", "1");
	/* Once to warm up. */
	for (page = 4999; page <= 5000; page++) {
		trace_write("trace", "");
		trace_write("trace_marker", "before");
		*(volatile char *)(mem + page * PAGE);
		trace_write("trace_marker", "after");
	}
	trace_write("tracing_on", "0");
}

static void five_steps(int dev)
{
	char *mem = map_pages(dev, 0, tour_pages, PROT_READ, NULL);
	double trap, enter, load, loaded, set, done;

	if (access(TRACING "events", F_OK) && system("mount -t tracefs tracefs " TRACING))
		die("there is no tracefs to look with.");
	trace_fault(dev, mem);
	trap = trace_time(TRAP, true, false);
	enter = trace_time("vmdemo_fault_enter:", true, false);
	load = trace_time("vmdemo_load:", true, false);
	loaded = trace_time("vmdemo_load_done:", false, false);
	set = trace_time("finish_fault", true, true);
	done = trace_time("tracing_mark_write: after", true, true);
	trace_write("events/vmdemo/enable", "0");
	trace_trap("0");
	trace_write("current_tracer", "nop");
	trace_write("tracing_on", "1");

	printf("\n  one fault, step by step:\n");
	print_step("1. the access traps; what is mapped there?", "CPU, kernel", enter - trap);
	print_step("2. the page is in no frame: find one", "space.c", load - enter);
	print_step("3. read the page into it", "pager.c, disk", loaded - load);
	print_step("4. the page table gets its entry", "kernel", set - loaded);
	print_step("5. the instruction runs again", "CPU", done - set);
	putchar('\n');
	check(trap && trap <= enter && enter <= load && load < loaded && loaded <= set &&
	      set <= done, "each step was seen, in this order");
	show_calls(dev, mem);
	munmap(mem, tour_pages * PAGE);
}

/* What a program computes of all pages, written and read by turns. */
static uint64_t compute(int dev)
{
	int fd = make_space(dev, 256, NULL, 0);
	char *mem = map_pages(fd, 0, 256, RW, NULL);
	uint64_t sum = 1, i;

	for (i = 0; i < 4096; i++) {
		volatile uint64_t *word = (uint64_t *)(mem + (sum % 256) * PAGE + i % 512 * 8);

		*word += i;
		sum = (sum ^ *word) * 0x100000001b3ULL + 77;
	}
	for (i = 0; i < 256; i++)
		sum = sum * 31 + sum_of(mem + i * PAGE);
	munmap(mem, 256 * PAGE);
	close(fd);
	return sum;
}

/* References that are resident, missing and invalid, each with what it leads to. */
static void three_outcomes(int fd, char *heap, char *other)
{
	const char *moved;

	act(fd, VMDEMO_IOC_EVICT, 7, 1);
	draw_pages(fd, "heap 0-31, which may grow to 63, and another segment, 64-71:", 0, 72);
	count_from_here();
	heap[5 * PAGE] = heap[6 * PAGE];
	moved = what_moved();
	check(!moved, "resident: no counter has moved%s%s", moved ? ", but " : "",
	      moved ? moved : "");
	check(heap[7 * PAGE] == 7 && counted("faults_hard") == 1,
	      "missing: one hard fault, and the page is as it was");
	check(signal_of(heap + 40 * PAGE, true) == SIGSEGV && counted("faults_invalid") == 1,
	      "invalid: SIGSEGV");
	other[0] = 1;
	check(heap[31 * PAGE] == 31 && other[0] == 1, "the pages beside it are untouched");
	draw_pages(fd, "and now:", 0, 72);
	print_counted("faults_hard faults_zero faults_invalid pages_in");
}

static void refer(int dev)
{
	struct vmdemo_segment table[2] = { segment("heap", 0, 64, RW),
					   segment("other", 64, 8, RW) };
	char *heap, *other;
	int fd, i;

	table[0].growth = VMDEMO_GROW_UP;
	table[0].limit = 32 * PAGE;
	fd = make_space(dev, 72, table, 2);
	heap = map_pages(fd, 0, 64, RW, NULL);
	other = map_pages(fd, 64, 8, RW, NULL);
	for (i = 0; i < 32; i++)
		heap[i * PAGE] = i;
	three_outcomes(fd, heap, other);
	munmap(heap, 64 * PAGE);
	munmap(other, 8 * PAGE);
	close(fd);
}

/* Whatever comes and goes meanwhile, the result is the same. */
static void same_result(int dev)
{
	uint64_t large, small;
	char frames[32];

	snprintf(frames, sizeof(frames), "%lu", knob(8));
	large = compute(dev);
	set_attribute("frames", frames);
	count_from_here();
	small = compute(dev);
	printf("  a program's result with 512 frames: %016llx\n",
	       (unsigned long long)large);
	printf("  and with %3s frames:                %016llx\n", frames,
	       (unsigned long long)small);
	check(large == small, "the same, after %llu more hard faults",
	      (unsigned long long)counted("faults_hard"));
	set_attribute("frames", "512");
}

void chapter_fault(void)
{
	int dev = open_device();

	say("A reference to a page has one of three outcomes. The page is in a frame, and its "
	    "entry in the page table says so: the processor goes on, and nobody notices. The "
	    "page is the program's but in no frame: a page fault brings it in. The page is not "
	    "the program's: the reference is aborted, and nothing else is harmed.");
	claim("resident: no fault; missing: a fault; invalid: SIGSEGV, and the neighbour lives on.");
	refer(dev);
	set_attribute("read_ahead_pages", "0");
	five_steps(dev);
	set_attribute("read_ahead_pages", "128");
	same_result(dev);
	close(dev);
	by_hand("tour 7 >/dev/null & vmdemo trace; wait");
	try_this("tour 7 128",
		 "The program has 128 frames rather than 8. What changes, and what does not?",
		 "There are fewer faults, as fewer pages have gone before they are used again. Its "
		 "result is the same.");
}
