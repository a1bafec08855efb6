// SPDX-License-Identifier: GPL-2.0
/*
 * paging.c - chapters of the tour: memory larger than memory, pages on demand, faults, and what
 * goes out
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tour.h"

/* ---- 1. what virtual memory is ---- */

static int verify_part(void *arg)
{
	size_t *part = arg, i;
	char *mem = map_pages(open_device(), 0, tour_pages, PROT_READ, NULL);

	for (i = part[0]; i < part[1]; i++)
		if (sum_of(mem + i * PAGE) != tour_sums[i])
			return 1;
	return 0;
}

static int verify_at_once(void)
{
	size_t part[2], i;
	int bad = 0, status;

	fflush(stdout);
	for (i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork: %s", strerror(errno));
		part[0] = i * tour_pages / 4;
		part[1] = (i + 2) * tour_pages / 4;
		if (!pid)
			_exit(verify_part(part));
	}
	for (i = 0; i < 3; i++) {
		wait(&status);
		bad += !!status;
	}
	return bad;
}

/* Every page, through the few frames there are. */
static void verify_all(const char *mem)
{
	uint64_t most = 0, used;
	size_t i;

	for (i = 0; i < tour_pages && sum_of(mem + i * PAGE) == tour_sums[i]; i++) {
		if (i % 512)
			continue;
		used = counter("frames_active") + counter("frames_standby");
		most = used > most ? used : most;
	}
	check(i == tour_pages, "all %zu pages are right", i);
	check(most <= attribute("frames"), "never more than %llu of them in frames, at any look",
	      (unsigned long long)most);
}

/* All of it into memory, before anything else: how long does that take? */
static uint64_t load_all(int dev)
{
	uint64_t start = now_ns(), own = own_pages(NULL), grown;
	char *copy = malloc(tour_pages * PAGE);

	if (!copy || pread(dev, copy, tour_pages * PAGE, 0) != (ssize_t)(tour_pages * PAGE))
		die("reading all of it: %s", strerror(errno));
	start = now_ns() - start;
	grown = own_pages(NULL) - own;
	check(grown >= tour_pages, "loading everything takes %llu MiB of memory",
	      (unsigned long long)(grown * PAGE >> 20));
	free(copy);
	return start;
}

void chapter_memory(void)
{
	int dev = open_device();
	uint64_t start, first, all;
	char *mem;

	say("Virtual memory separates the memory that a program uses from the memory that there "
	    "is. The program has an address space of pages, as large as it needs. The machine "
	    "has a fixed number of page frames. A page is in a frame while it is used, and on a "
	    "disk otherwise; the program cannot tell which.");
	claim("a program can use 32 times as much memory as there is, and start at once.");
	printf("  %zu pages in the address space, %llu frames behind it\n", tour_pages,
	       (unsigned long long)attribute("frames"));
	draw_groups(dev, "each character is 256 pages; # some are in frames, . none is:",
		    tour_pages);
	start = now_ns();
	mem = map_pages(dev, 0, tour_pages, PROT_READ, NULL);
	check(sum_of(mem) == tour_sums[0], "the first result is right");
	first = now_ns() - start;
	count_from_here();
	verify_all(mem);
	draw_groups(dev, "and now:", tour_pages);
	print_counted("faults_hard readahead_used pages_in evictions_clean");
	check(!verify_at_once(), "three processes at once, each using half of it: all right");
	all = load_all(dev);
	printf("  first result after %.1f ms; after %.1f ms if everything is loaded first\n",
	       first / 1e6, all / 1e6);
	check(first < all / 4, "on demand the first result takes less than a quarter as long");
	munmap(mem, tour_pages * PAGE);
	close(dev);
	try_this("echo 64 > /sys/class/vmdemo/vmdemo/frames; tour 1",
		 "With 64 frames: what changes, and what does not?",
		 "Never more than 64 pages are in frames. The results are the same, and hardly any "
		 "more faults wait for the disk: what comes next is read ahead.");
}

/* ---- 3. larger than memory ---- */

#define LARGER_PAGES	192UL
#define LARGER_WRITTEN	160UL

static void draw_places(int fd, const char *title, size_t frames)
{
	draw_pages(fd, title, 0, LARGER_PAGES);
	draw_frames(fd, LARGER_PAGES, frames);
	draw_slots(fd, LARGER_PAGES);
	putchar('\n');
}

static size_t nr_on_disk(int fd)
{
	size_t i, nr = 0;

	for (i = 0; i < LARGER_PAGES; i++)
		nr += page_of(fd, i).state == VMDEMO_PAGE_SWAPPED;
	return nr;
}

static void write_larger(int fd, char *mem, size_t frames)
{
	uint64_t free = counter("swap_free");
	size_t i;

	for (i = 0; i < LARGER_WRITTEN; i++)
		memset(mem + i * PAGE, 'a' + i % 26, PAGE);
	draw_places(fd, "160 of them have been written, one after the other:", frames);
	free -= counter("swap_free");
	check(nr_on_disk(fd) == LARGER_WRITTEN - frames,
	      "what does not fit into frames is on disk: %zu pages", nr_on_disk(fd));
	check(free == LARGER_WRITTEN, "a slot is set aside for each page written: %llu of %llu",
	      (unsigned long long)free, (unsigned long long)attribute("swap_slots"));
}

/* Touch a page that is on disk: it comes, and another goes. */
static void bring_back(int fd, const char *mem, size_t nr)
{
	struct vmdemo_page page = page_of(fd, nr);
	size_t old = 0;

	while (old < LARGER_PAGES && page_of(fd, old).frame == VMDEMO_NO_FRAME)
		old++;
	check(page.state == VMDEMO_PAGE_SWAPPED, "page %zu is on disk, in slot %llu", nr,
	      (unsigned long long)page.slot);
	check(mem[nr * PAGE] == (char)('a' + nr % 26), "touching it: it has its contents");
	page = page_of(fd, nr);
	check(page.frame != VMDEMO_NO_FRAME && counted("faults_hard") == 1,
	      "it is in frame %u now, after %llu hard fault", page.frame,
	      (unsigned long long)counted("faults_hard"));
	page = page_of(fd, old);
	check(page.state == VMDEMO_PAGE_SWAPPED, "page %zu, the oldest, has gone to slot %llu for it",
	      old, (unsigned long long)page.slot);
}

void chapter_larger(void)
{
	size_t frames = knob(64), came = 0, i;
	int dev = open_device(), fd;
	char text[32], *mem;

	say("Memory that belongs to no file has to go somewhere too when frames are short: to a "
	    "slot on the swap disk. So there are three places: virtual pages, which are only "
	    "names; frames, which are few; and slots. A page that was never written is zeros, "
	    "and needs no place.");
	claim("touch a page that is on disk, and it comes in; another one goes out.");
	snprintf(text, sizeof(text), "%zu", frames);
	set_attribute("frames", text);
	fd = make_space(dev, LARGER_PAGES, NULL, 0);
	mem = map_pages(fd, 0, LARGER_PAGES, RW, NULL);
	draw_key();
	draw_places(fd, "192 virtual pages; nothing was touched yet:", frames);
	write_larger(fd, mem, frames);
	count_from_here();
	bring_back(fd, mem, 10);
	putchar('\n');
	draw_places(fd, "and now:", frames);
	for (i = 0; i < LARGER_WRITTEN; i++)
		came += mem[i * PAGE + 99] == (char)('a' + i % 26);
	check(came == LARGER_WRITTEN && !mem[170 * PAGE],
	      "all 160 pages are as they were written, the others are zeros");
	print_counted("faults_hard faults_zero pages_in pages_out");
	munmap(mem, LARGER_PAGES * PAGE);
	close(fd);
	set_attribute("frames", "512");
	close(dev);
	try_this("tour 3 128", "With 128 frames rather than 64: how many pages are on disk?",
		 "32: those of the 160 that do not fit into frames. It is still the oldest that "
		 "goes when page 10 comes.");
}

/* ---- 6. demand paging ---- */

#define DEMAND_PAGES	4096UL
#define DEMAND_FRAMES	8192UL

struct demand {
	uint64_t pages, by_fault, ahead, hinted, frames, sum;
	double first_ms, all_ms;
};

/* A program's run: it needs one of @step pages. */
static uint64_t use_some(const char *mem, size_t step)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < DEMAND_PAGES; i += step)
		sum ^= sum_of(mem + i * PAGE) * (i + 1);
	return sum;
}

static int make_program(int dev, int loading)
{
	struct vmdemo_segment table = segment("program", 0, DEMAND_PAGES, PROT_READ);

	table.flags = VMDEMO_SEGMENT_ORIGIN;
	table.origin = 4000 * PAGE;
	table.loading = loading;
	return make_space(dev, DEMAND_PAGES, &table, 1);
}

static struct demand run_demand(int dev, int loading, bool draw)
{
	uint64_t start = now_ns(), held = counter("frames_free");
	struct demand d;
	char *mem;
	int fd;

	count_from_here();
	fd = make_program(dev, loading);
	/* Loaded up front means that it starts when all of it is there. */
	while (loading == VMDEMO_LOAD_UPFRONT && counted("pages_in") < DEMAND_PAGES)
		usleep(100);
	mem = map_pages(fd, 0, DEMAND_PAGES, PROT_READ, NULL);
	sum_of(mem);
	d.first_ms = (now_ns() - start) / 1e6;
	d.sum = use_some(mem, knob(8));
	d.all_ms = (now_ns() - start) / 1e6;
	d.pages = counted("pages_in");
	d.by_fault = counted("faults_hard");
	d.ahead = counted("readahead_pages");
	d.hinted = counted("prefetch_pages");
	d.frames = held - counter("frames_free");
	if (draw)
		draw_pages(fd,
			   loading == VMDEMO_LOAD_UPFRONT ?
				   "load everything first; its first 128 pages then:" :
				   "on demand; its first 128 pages then:",
			   0, 128);
	munmap(mem, DEMAND_PAGES * PAGE);
	close(fd);
	return d;
}

/* The best of several runs: the first of all also warms up. */
static struct demand best_demand(int dev, int loading)
{
	struct demand best = run_demand(dev, loading, false), d;
	int i;

	for (i = 2; i; i--) {
		d = run_demand(dev, loading, i == 1);
		if (d.first_ms > best.first_ms)
			d.first_ms = best.first_ms;
		if (d.all_ms > best.all_ms)
			d.all_ms = best.all_ms;
		best = d;
	}
	return best;
}

static void print_demand(const char *what, uint64_t all, uint64_t some)
{
	printf("  %-33s %10llu %12llu\n", what, (unsigned long long)all, (unsigned long long)some);
}

static void print_demands(const struct demand *all, const struct demand *some)
{
	printf("\n  %-33s %10s %12s\n", "", "load all", "on demand");
	print_demand("pages read (pages_in)", all->pages, some->pages);
	print_demand("  ... by faults (faults_hard)", all->by_fault, some->by_fault);
	print_demand("  ... ahead (readahead_pages)", all->ahead, some->ahead);
	print_demand("  ... by a hint (prefetch_pages)", all->hinted, some->hinted);
	print_demand("frames held", all->frames, some->frames);
	print_demand("programs that fit into 8192 frames", DEMAND_FRAMES / all->frames,
		     DEMAND_FRAMES / some->frames);
	printf("  %-33s %10.1f %12.1f\n", "first result, ms", all->first_ms, some->first_ms);
	printf("  %-33s %10.1f %12.1f\n\n", "all results, ms", all->all_ms, some->all_ms);
}

void chapter_demand(void)
{
	size_t step = knob(8), used = (DEMAND_PAGES + step - 1) / step;
	struct demand all, some;
	int dev = open_device();

	say("A program seldom needs all of itself: not every routine runs, not every table is read. "
	    "A lazy swapper brings a page in when it is needed and not before. As it deals with "
	    "pages, not whole processes, it is called a pager. Here it is pager.c; what it has "
	    "brought in is counted in pages_in, and for what reason: a fault, readahead, a hint.");
	claim("on demand a program takes less I/O and fewer frames, answers sooner, and more fit in.");
	printf("  A program of %lu pages uses one of %zu.\n\n", DEMAND_PAGES, step);
	set_attribute("frames", "8192");
	set_attribute("read_ahead_pages", "0");
	act(dev, VMDEMO_IOC_EVICT, 0, tour_pages);
	all = best_demand(dev, VMDEMO_LOAD_UPFRONT);
	some = best_demand(dev, VMDEMO_LOAD_PAGE);
	print_demands(&all, &some);
	check(all.sum == some.sum, "both have computed the same result");
	check(some.pages == used && some.by_fault == used && all.pages == DEMAND_PAGES &&
	      all.hinted == DEMAND_PAGES,
	      "on demand what is read is what is used, each page by a fault of its own");
	check(some.first_ms < all.first_ms, "on demand the first result comes sooner");
	check(some.frames == used && all.frames == DEMAND_PAGES,
	      "on demand only what is used is in frames, so %zu times as many fit in", step);
	set_attribute("read_ahead_pages", "128");
	set_attribute("frames", "512");
	close(dev);
	try_this("tour 6 1",
		 "It then uses all of its pages. What does paging on demand still win?",
		 "The first result only. As many pages are read and held, and as each is waited "
		 "for by itself, all results come later than after a few large reads.");
}

/* ---- 7. when a page is needed ---- */

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

/* One fault, of which the trace is left; tracing is off afterwards. */
static void trace_fault(int dev, char *mem)
{
	size_t page;

	act(dev, VMDEMO_IOC_EVICT, 4999, 2);
	trace_write("set_ftrace_filter", "finish_fault");
	trace_write("current_tracer", "function");
	trace_write("events/exceptions/page_fault_user/enable", "1");
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
	trap = trace_time("page_fault_user:", true, false);
	enter = trace_time("vmdemo_fault_enter:", true, false);
	load = trace_time("vmdemo_load:", true, false);
	loaded = trace_time("vmdemo_load_done:", false, false);
	set = trace_time("finish_fault", true, true);
	done = trace_time("tracing_mark_write: after", true, true);
	trace_write("events/vmdemo/enable", "0");
	trace_write("events/exceptions/page_fault_user/enable", "0");
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
	try_this("tour 7 128",
		 "The program has 128 frames rather than 8. What changes, and what does not?",
		 "There are fewer faults, as fewer pages have gone before they are used again. Its "
		 "result is the same.");
}

/* ---- 8. paging against swapping ---- */

/* Which page goes, and why. */
static void who_goes(int dev)
{
	int fd = make_space(dev, 64, NULL, 0), i;
	char *mem = map_pages(fd, 0, 64, RW, NULL);

	/* Nothing but what is touched may be mapped. */
	set_attribute("read_ahead_pages", "0");
	set_attribute("frames", "16");
	for (i = 0; i < 16; i++)
		mem[i * PAGE] = i;
	/* The first ones are used again: they are not the oldest any more. */
	for (i = 0; i < 4; i++)
		mem[i * PAGE] = i;
	draw_pages(fd, "16 frames; pages 0-15 were used, then 0-3 again:", 0, 64);
	for (i = 16; i < 20; i++)
		mem[i * PAGE] = i;
	draw_pages(fd, "then 16-19:", 0, 64);
	check(page_of(fd, 0).frame != VMDEMO_NO_FRAME && page_of(fd, 4).frame == VMDEMO_NO_FRAME,
	      "least recently used: 4-7 have gone, 0-3 have stayed");
	munmap(mem, 64 * PAGE);
	close(fd);
}

/* A loop over more pages than there are frames, and a pool that cures it. */
static void thrash(int dev)
{
	int fd = make_space(dev, 96, NULL, 0), round, i;
	char *mem = map_pages(fd, 0, 96, RW, NULL);
	uint64_t faults[2];

	for (i = 0; i < 96; i++)
		mem[i * PAGE] = i;
	for (round = 0; round < 2; round++) {
		set_attribute("frames", round ? "112" : "64");
		set_attribute("read_ahead_pages", "0");
		for (i = 0; i < 96; i++)
			mem[i * PAGE]++;
		count_from_here();
		for (i = 0; i < 5 * 96; i++)
			mem[i % 96 * PAGE]++;
		faults[round] = counted("faults_hard");
		printf("  five rounds over 96 pages, %3d frames: %3llu hard faults, %3llu refaults\n",
		       round ? 112 : 64, (unsigned long long)faults[round],
		       (unsigned long long)counted("refaults"));
	}
	check(faults[0] > 300 && faults[1] < 10,
	      "thrashing: every page is evicted before its turn; 48 more frames cure it");
	set_attribute("frames", "512");
	set_attribute("read_ahead_pages", "128");
	munmap(mem, 96 * PAGE);
	close(fd);
}

#define RIVALS	"/run/tour-rivals"

/* What rivals has told of a way: of several processes pages read, and how many fit in. */
static void read_way(const char *way, unsigned long *pages, unsigned long *fit)
{
	FILE *f = fopen(RIVALS, "r");
	char line[256], *field;
	int nr;

	*pages = 0;
	*fit = 0;
	while (f && fgets(line, sizeof(line), f)) {
		char *rest = line;

		if (strncmp(line, "way|", 4) || strncmp(line + 4, way, strlen(way)))
			continue;
		for (nr = 1; (field = strsep(&rest, "|")); nr++) {
			if (nr == 8)
				*fit = strtoul(field, NULL, 10);
			if (nr == 9)
				*pages = strtoul(field, NULL, 10);
		}
	}
	if (f)
		fclose(f);
}

static void against_swapping(void)
{
	unsigned long swapped, paged, swapped_fit, paged_fit;

	fflush(stdout);
	check(!system("rivals >" RIVALS " && rivals-table pages <" RIVALS),
	      "each process has checked all that it read");
	read_way("swap processes|", &swapped, &swapped_fit);
	read_way("demand paging|", &paged, &paged_fit);
	unlink(RIVALS);
	check(paged && paged * 4 < swapped, "paging reads a fraction of what swapping reads: %.0f %%",
	      swapped ? paged * 100.0 / swapped : 0);
	check(paged_fit > swapped_fit, "%lu processes fit in, instead of %lu", paged_fit,
	      swapped_fit);
	putchar('\n');
}

void chapter_swapping(void)
{
	int dev;

	say("Before paging, processes were swapped: all of a process was read in for its turn, "
	    "and written out again after it. That takes the I/O of whole processes for each "
	    "turn, and as many frames as the largest one has pages.");
	claim("paging reads a fraction of what swapping reads, and more processes fit in.");
	set_attribute("frames", "4096");
	against_swapping();
	say("(How long each takes, and a drawing: make rivals, whose clock counts instructions. The clock of an "
	    "emulated machine says more about the emulator.)");
	set_attribute("frames", "512");
	set_attribute("read_ahead_pages", "128");
	dev = open_device();
	say("Which page goes out decides how often one has to come in. A module sees faults, not "
	    "references, so older pages are unmapped: touching one is a fault without I/O, and "
	    "shows that it is in use.");
	draw_key();
	who_goes(dev);
	putchar('\n');
	thrash(dev);
	close(dev);
	try_this("echo fifo > /sys/class/vmdemo/vmdemo/policy; tour 8",
		 "Which line is wrong then, and why?",
		 "0-3 go first: FIFO does not ask what was used again.");
}
