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

void chapter_memory(void)
{
	uint64_t frames = attribute("frames"), start, first, all, most = 0, used;
	int dev = open_device();
	char *mem, *copy;
	size_t i;

	say("Virtual memory keeps apart what a program uses as memory and what memory there is. "
	    "The program has an address space of pages, as large as it needs. The machine has page "
	    "frames, as many as there are. A page is in a frame while it is used, and on a disk "
	    "otherwise; the program does not see which.");
	claim("a program can use 32 times as much memory as there is, and start at once.");
	start = now_ns();
	mem = map_pages(dev, 0, tour_pages, PROT_READ, NULL);
	check(sum_of(mem) == tour_sums[0], "the first result is right");
	first = now_ns() - start;
	printf("  %zu pages in the address space, %llu frames behind it\n", tour_pages,
	       (unsigned long long)frames);
	count_from_here();
	for (i = 0; i < tour_pages && sum_of(mem + i * PAGE) == tour_sums[i]; i++) {
		if (i % 512)
			continue;
		used = counter("frames_active") + counter("frames_standby");
		most = used > most ? used : most;
	}
	check(i == tour_pages, "all %zu pages are right", i);
	check(most <= frames, "never more than %llu of them in frames, at any look",
	      (unsigned long long)most);
	print_counted("faults_hard readahead_used pages_in evictions_clean");
	check(!verify_at_once(), "three processes at once, each half of it: all right");

	start = now_ns();
	copy = malloc(tour_pages * PAGE);
	if (!copy || pread(dev, copy, tour_pages * PAGE, 0) != (ssize_t)(tour_pages * PAGE))
		die("reading all of it: %s", strerror(errno));
	all = now_ns() - start;
	printf("  first result after %.1f ms; after %.1f ms if everything is loaded first\n",
	       first / 1e6, all / 1e6);
	check(first < all / 4, "and loading everything takes %zu MiB of memory",
	      tour_pages * PAGE >> 20);
	free(copy);
	munmap(mem, tour_pages * PAGE);
	close(dev);
	try_this("echo 64 > /sys/class/vmdemo/vmdemo/frames; tour 1",
		 "With 64 frames: what changes, and what does not?",
		 "More pages come and go, so it takes longer. The results are the same.");
}

/* ---- 3. larger than memory ---- */

void chapter_larger(void)
{
	struct vmdemo_page page;
	int dev = open_device(), fd;
	size_t i, came = 0, old;
	char *mem;

	say("Memory that is no file's has to go somewhere too when frames are short: to a slot on "
	    "the swap disk. So there are three places: virtual pages, which are only names; frames, "
	    "which are few; and slots. A page that was never written is zeros, and needs no place.");
	claim("touch a page that is on disk, and it comes; and another one goes.");
	set_attribute("frames", "64");
	fd = make_space(dev, 192, NULL, 0);
	mem = map_pages(fd, 0, 192, RW, NULL);
	draw_key();
	draw_pages(fd, "192 virtual pages, 64 frames; nothing was touched yet:", 0, 192);
	for (i = 0; i < 160; i++)
		memset(mem + i * PAGE, 'a' + i % 26, PAGE);
	draw_pages(fd, "160 of them have been written, one after the other:", 0, 192);
	printf("  slots taken: %llu of %llu\n",
	       (unsigned long long)(attribute("swap_slots") - counter("swap_free")),
	       (unsigned long long)attribute("swap_slots"));
	page = page_of(fd, 10);
	check(page.state == VMDEMO_PAGE_SWAPPED, "page 10 is on disk, in slot %llu",
	      (unsigned long long)page.slot);
	for (old = 0; old < 192 && page_of(fd, old).frame == VMDEMO_NO_FRAME; old++)
		;
	count_from_here();
	check(mem[10 * PAGE] == 'a' + 10, "touching it: it has its contents");
	page = page_of(fd, 10);
	check(page.frame != VMDEMO_NO_FRAME, "it is in frame %u now, after %llu hard fault",
	      page.frame, (unsigned long long)counted("faults_hard"));
	check(page_of(fd, old).frame == VMDEMO_NO_FRAME,
	      "page %zu, the oldest, has gone to slot %llu for it", old,
	      (unsigned long long)page_of(fd, old).slot);
	draw_pages(fd, "and now:", 0, 192);
	for (i = 0; i < 160; i++)
		came += mem[i * PAGE + 99] == (char)('a' + i % 26);
	check(came == 160 && !mem[170 * PAGE],
	      "all 160 pages are as they were written, the others are zeros");
	print_counted("faults_hard faults_zero pages_in pages_out");
	munmap(mem, 192 * PAGE);
	close(fd);
	set_attribute("frames", "512");
	close(dev);
	try_this("echo fifo > /sys/class/vmdemo/vmdemo/policy; tour 3",
		 "Why is the oldest page the one that goes?",
		 "Nobody knows the future. Who was not used for long will hardly be used soon.");
}

/* ---- 6. demand paging ---- */

#define DEMAND_PAGES	256UL

/* A program's run: it needs an eighth of its pages. */
static uint64_t use_some(int fd)
{
	char *mem = map_pages(fd, 0, DEMAND_PAGES, PROT_READ, NULL);
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < DEMAND_PAGES; i += 8)
		sum ^= sum_of(mem + i * PAGE) * (i + 1);
	munmap(mem, DEMAND_PAGES * PAGE);
	return sum;
}

struct demand {
	uint64_t pages, frames, sum;
	double first_ms;
};

static struct demand run_demand(int dev, int loading)
{
	struct vmdemo_segment table = segment("program", 0, DEMAND_PAGES, PROT_READ);
	uint64_t start = now_ns(), held = counter("frames_free");
	struct demand d;
	char *mem;
	int fd;

	table.flags = VMDEMO_SEGMENT_ORIGIN;
	table.origin = 4000 * PAGE;
	table.loading = loading;
	count_from_here();
	fd = make_space(dev, DEMAND_PAGES, &table, 1);
	/* Loaded up front means that it starts when all of it is there. */
	while (loading == VMDEMO_LOAD_UPFRONT && counted("pages_in") < DEMAND_PAGES)
		usleep(100);
	mem = map_pages(fd, 0, 1, PROT_READ, NULL);
	sum_of(mem);
	d.first_ms = (now_ns() - start) / 1e6;
	munmap(mem, PAGE);
	d.sum = use_some(fd);
	d.pages = counted("pages_in");
	d.frames = held - counter("frames_free");
	draw_pages(fd, loading == VMDEMO_LOAD_UPFRONT ? "load everything first:" : "on demand:", 0,
		   DEMAND_PAGES);
	close(fd);
	return d;
}

void chapter_demand(void)
{
	int dev = open_device();
	struct demand all, some;

	say("A program seldom needs all of itself: not every routine runs, not every table is read. "
	    "A lazy swapper brings a page in when it is needed and not before. As it deals with "
	    "pages, not whole processes, it is called a pager. Here it is pager.c; what it has "
	    "brought in is counted in pages_in, and by what reason: a fault, readahead, a wish.");
	claim("on demand a program takes less I/O and fewer frames, answers sooner, and more fit in.");
	set_attribute("read_ahead_pages", "0");
	act(dev, VMDEMO_IOC_EVICT, 0, tour_pages);
	all = run_demand(dev, VMDEMO_LOAD_UPFRONT);
	some = run_demand(dev, VMDEMO_LOAD_PAGE);
	printf("\n  %-24s %12s %12s\n  %-24s %12llu %12llu\n  %-24s %12llu %12llu\n  %-24s %12.1f %12.1f\n"
	       "  %-24s %12llu %12llu\n\n",
	       "", "load all", "on demand", "pages read", (unsigned long long)all.pages,
	       (unsigned long long)some.pages, "frames held", (unsigned long long)all.frames,
	       (unsigned long long)some.frames, "first result, ms", all.first_ms, some.first_ms,
	       "programs that fit in", (unsigned long long)(attribute("frames") / all.frames),
	       (unsigned long long)(attribute("frames") / some.frames));
	check(all.sum == some.sum, "both have computed the same");
	check(some.pages == DEMAND_PAGES / 8 && all.pages == DEMAND_PAGES,
	      "on demand, what is read is what is used");
	check(some.frames * 4 < all.frames, "more than four times as many fit in");
	set_attribute("read_ahead_pages", "128");
	close(dev);
	try_this("rivals", "When does loading everything win?",
		 "When everything will be used: then it comes in few large reads, without faults.");
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

static void print_step(const char *what, const char *who, double us)
{
	printf("  %-44s %-14s %6.0f us\n", what, who, us);
}

/* The kernel's side of one fault: who calls whom, and for how long. */
static void show_calls(int dev, char *mem)
{
	bool faulted = false, mapped = false;
	char line[256], pid[16];
	size_t page;
	FILE *f;

	act(dev, VMDEMO_IOC_EVICT, 5999, 2);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	trace_write("set_ftrace_pid", pid);
	trace_write("set_ftrace_filter",
		    "handle_mm_fault vmdemo_vm_fault vmdemo_pager_submit vmdemo_space_wait finish_fault");
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
	f = fopen(TRACING "trace", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (*line == '#' || !strchr(line, '|'))
			continue;
		faulted |= !!strstr(line, "vmdemo_vm_fault");
		mapped |= faulted && strstr(line, "finish_fault");
		printf("  %s", line);
	}
	if (f)
		fclose(f);
	trace_write("current_tracer", "nop");
	trace_write("set_ftrace_pid", "");
	trace_write("set_ftrace_filter", "");
	trace_write("options/funcgraph-cpu", "1");
	trace_write("options/funcgraph-overhead", "1");
	trace_write("tracing_on", "1");
	putchar('\n');
	check(faulted && mapped, "it has asked the module for the page, and mapped it then");
}

static void five_steps(int dev)
{
	char *mem = map_pages(dev, 0, tour_pages, PROT_READ, NULL);
	double trap, enter, load, loaded, set, done;
	size_t page;

	if (access(TRACING "events", F_OK) && system("mount -t tracefs tracefs " TRACING))
		die("there is no tracefs to look with.");
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

void chapter_fault(void)
{
	struct vmdemo_segment table[2] = { segment("heap", 0, 64, RW),
					   segment("other", 64, 8, RW) };
	uint64_t large, small;
	int dev = open_device(), fd;
	char *mem, *other;
	size_t i;

	say("A reference to a page has one of three outcomes. The page is in a frame, and its entry "
	    "in the page table says so: the processor goes on, and nobody notices. The page is the "
	    "program's but in no frame: a page fault, which brings it. The page is none of the "
	    "program's: it is aborted, and nothing else is harmed.");
	claim("resident: no fault; missing: a fault; invalid: SIGSEGV, and the neighbour lives on.");
	table[0].growth = VMDEMO_GROW_UP;
	table[0].limit = 32 * PAGE;
	fd = make_space(dev, 72, table, 2);
	mem = map_pages(fd, 0, 64, RW, NULL);
	other = map_pages(fd, 64, 8, RW, NULL);
	for (i = 0; i < 32; i++)
		mem[i * PAGE] = i;
	count_from_here();
	mem[5 * PAGE] = mem[6 * PAGE];
	check(!counted("faults_hard") && !counted("faults_soft") && !counted("faults_zero"),
	      "resident: no counter has moved");
	act(fd, VMDEMO_IOC_EVICT, 7, 1);
	check(mem[7 * PAGE] == 7 && counted("faults_hard") == 1,
	      "missing: one hard fault, and the page is as it was");
	check(signal_of(mem + 40 * PAGE, true) == SIGSEGV && counted("faults_invalid") == 1,
	      "invalid: SIGSEGV");
	other[0] = 1;
	check(mem[31 * PAGE] == 31 && other[0] == 1, "the pages beside it are untouched");
	munmap(mem, 64 * PAGE);
	munmap(other, 8 * PAGE);
	close(fd);
	set_attribute("read_ahead_pages", "0");
	five_steps(dev);
	set_attribute("read_ahead_pages", "128");
	large = compute(dev);
	set_attribute("frames", "8");
	count_from_here();
	small = compute(dev);
	printf("  a program's result with 512 frames: %016llx\n  and with 8 frames:                  %016llx\n",
	       (unsigned long long)large, (unsigned long long)small);
	check(large == small, "the same, after %llu faults more",
	      (unsigned long long)counted("faults_hard"));
	set_attribute("frames", "512");
	close(dev);
	try_this("tour 7", "Which step takes longest, and what follows from it?",
		 "The read. So the frame is better found beforehand, and neighbours read along.");
}

/* ---- 8. paging against swapping ---- */

/* Who goes, and why. */
static void who_goes(int dev)
{
	int fd = make_space(dev, 64, NULL, 0), i;
	char *mem = map_pages(fd, 0, 64, RW, NULL);

	/* Nothing is to be mapped but what is touched. */
	set_attribute("read_ahead_pages", "0");
	set_attribute("frames", "16");
	for (i = 0; i < 16; i++)
		mem[i * PAGE] = i;
	/* The first ones are used again: they are not the oldest any more. */
	for (i = 0; i < 4; i++)
		mem[i * PAGE] = i;
	for (i = 16; i < 20; i++)
		mem[i * PAGE] = i;
	draw_pages(fd, "16 frames; pages 0-15 were used, then 0-3 again, then 16-19:", 0, 64);
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
	      "thrashing: every page is evicted before its turn; 48 frames more cure it");
	set_attribute("frames", "512");
	set_attribute("read_ahead_pages", "128");
	munmap(mem, 96 * PAGE);
	close(fd);
}

void chapter_swapping(void)
{
	int dev = open_device();

	say("Before paging, processes were swapped: all of one was read in for its turn, and all of "
	    "it written out again. That takes the I/O of whole processes for each turn, and as many "
	    "frames as the largest one has pages.");
	claim("paging reads a fraction of what swapping reads, and more processes fit in.");
	close(dev);
	set_attribute("frames", "4096");
	fflush(stdout);
	check(!system("rivals | rivals-table pages"), "each process has checked all that it read");
	say("(How long each takes, and a drawing: make rivals, whose clock counts instructions. The clock of an "
	    "emulated machine says more about the emulator.)");
	set_attribute("frames", "512");
	set_attribute("read_ahead_pages", "128");
	dev = open_device();
	say("Which page goes decides how often one comes. A module sees faults, not references, so "
	    "older pages are unmapped: touching one is a fault without I/O, and tells.");
	who_goes(dev);
	putchar('\n');
	thrash(dev);
	close(dev);
	try_this("echo fifo > /sys/class/vmdemo/vmdemo/policy; tour 8",
		 "Which line is wrong then, and why?",
		 "0-3 go first: FIFO does not ask what was used again.");
}
