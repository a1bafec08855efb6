// SPDX-License-Identifier: GPL-2.0
/*
 * spaces.c - chapters of the tour: what a program sees, how its memory is laid out, what is shared
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tour.h"

/* ---- 2. the program's view ---- */

#define VIEW_PLACE	((char *)0x100000000)
#define VIEW_PAGES	16

/* Bytes of a space that are looked at. */
static const size_t offsets[] = { 0, 5000, 40000 };

#define NR_OFFSETS	(sizeof(offsets) / sizeof(*offsets))

static void view_text(char *text, size_t size, size_t offset)
{
	snprintf(text, size, "process %d has written this to byte %zu", (int)getpid(), offset);
}

static int write_view(void *arg)
{
	char *mem = map_pages(*(int *)arg, 0, VIEW_PAGES, RW, VIEW_PLACE);
	size_t i;

	for (i = 0; i < NR_OFFSETS; i++)
		view_text(mem + offsets[i], 64, offsets[i]);
	return 0;
}

/* Is it still what this process has written? */
static int read_view(void *arg __attribute__((unused)))
{
	char text[64];
	size_t i;

	for (i = 0; i < NR_OFFSETS; i++) {
		view_text(text, sizeof(text), offsets[i]);
		if (strcmp(VIEW_PLACE + offsets[i], text))
			return 1;
	}
	return 0;
}

static void one_address(int dev)
{
	int fd[2] = { make_space(dev, VIEW_PAGES, NULL, 0), make_space(dev, VIEW_PAGES, NULL, 0) };
	bool together, apart = true;
	struct pair pair;
	size_t i;

	together = begin_pair(&pair, write_view, read_view, &fd[0], &fd[1]);
	printf("  pointer       byte of its space   in process %-5d   in process %d\n", pair.pid[0],
	       pair.pid[1]);
	for (i = 0; i < NR_OFFSETS; i++) {
		unsigned int frames[2] = { page_of(fd[0], offsets[i] / PAGE).frame,
					   page_of(fd[1], offsets[i] / PAGE).frame };

		printf("  %p %18zu         frame %-3u          frame %u\n",
		       (void *)(VIEW_PLACE + offsets[i]), offsets[i], frames[0], frames[1]);
		apart &= frames[0] != frames[1] && frames[0] != VMDEMO_NO_FRAME &&
			 frames[1] != VMDEMO_NO_FRAME;
	}
	check(together && apart, "both are there at once: one pointer, two frames");
	check(!end_pair(&pair), "each reads what it has written itself, though both have written");
	close(fd[0]);
	close(fd[1]);
}

#define WALK_SEGMENTS	3
#define WALK_PAGES	32

static const char *const walk_names[WALK_SEGMENTS] = { "code", "tables", "data" };

/* Some pages of the first and the last segment. */
static void walk_segments(int fd, size_t step)
{
	unsigned int nr, page;

	for (nr = 0; nr < WALK_SEGMENTS; nr += 2) {
		char *mem = map_pages(fd, nr * WALK_PAGES, WALK_PAGES, PROT_READ, NULL);

		for (page = 0; page < WALK_PAGES; page += step)
			*(volatile char *)(mem + page * PAGE);
		munmap(mem, WALK_PAGES * PAGE);
	}
}

/* The same program and the same walk. Returns its space. */
static int walk(int dev, int loading, uint64_t *in, uint64_t *faults)
{
	struct vmdemo_segment table[WALK_SEGMENTS];
	int i, fd;

	for (i = 0; i < WALK_SEGMENTS; i++) {
		table[i] = segment(walk_names[i], i * WALK_PAGES, WALK_PAGES, PROT_READ);
		table[i].flags = VMDEMO_SEGMENT_ORIGIN;
		table[i].origin = (1000 + i * WALK_PAGES) * PAGE;
		table[i].loading = loading;
	}
	fd = make_space(dev, WALK_SEGMENTS * WALK_PAGES, table, WALK_SEGMENTS);
	count_from_here();
	walk_segments(fd, knob(8));
	/* A segment's pages are on their way still. */
	usleep(100000);
	*in = counted("pages_in");
	*faults = counted("faults_hard");
	return fd;
}

static void by_page_and_by_segment(int dev)
{
	size_t touched = 2 * ((WALK_PAGES + knob(8) - 1) / knob(8));
	uint64_t in[2], faults[2];
	int how, i, fd[2];

	set_attribute("read_ahead_pages", "0");
	fd[0] = walk(dev, VMDEMO_LOAD_PAGE, &in[0], &faults[0]);
	fd[1] = walk(dev, VMDEMO_LOAD_WHOLE, &in[1], &faults[1]);
	set_attribute("read_ahead_pages", "128");
	printf("  %-11s %-32s  %s\n", "", "page by page", "segment by segment");
	for (i = 0; i < WALK_SEGMENTS; i++) {
		printf("  %-11s", walk_names[i]);
		for (how = 0; how < 2; how++) {
			printf("%*s", how + 1, "");
			draw_signs(fd[how], i * WALK_PAGES, WALK_PAGES);
		}
		putchar('\n');
	}
	printf("  %-11s %-32llu  %llu\n  %-11s %-32llu  %llu\n", "pages read",
	       (unsigned long long)in[0], (unsigned long long)in[1], "hard faults",
	       (unsigned long long)faults[0], (unsigned long long)faults[1]);
	check(in[0] == touched && faults[0] == touched,
	      "by page: what was touched, %zu pages, each by a fault of its own", touched);
	check(in[1] == 2 * WALK_PAGES && faults[1] <= 2,
	      "by segment: the whole of the two that were touched, without a fault for each page");
	close(fd[0]);
	close(fd[1]);
}

void chapter_view(void)
{
	int dev = open_device();

	say("A program's addresses are its own. They begin wherever it likes, and say nothing "
	    "about where in memory a byte is: each page of its address space is put into some "
	    "page frame, and the page table tells the processor which. So two programs can use "
	    "one address for different things, and neither can even name what belongs to the "
	    "other.");
	claim("the same address in two processes is in two different frames.");
	one_address(dev);
	putchar('\n');
	say("How much comes into memory at a time is a choice. Pages are all of one size, and "
	    "none comes that is not touched. Segments are parts that mean something to the "
	    "program, and can come as a whole. Here is one program, which touches some pages of "
	    "its code and of its data, run both ways (32 pages a line; # is in a frame, . is "
	    "not):");
	by_page_and_by_segment(dev);
	try_this("tour 2 1",
		 "It then touches every page, not one in 8. When is it better to bring a segment?",
		 "When most of it will be used: the same pages come, in a few reads instead of 64.");
	close(dev);
}

/* ---- a library, as a loader maps it ---- */

/* The file that scripts/run has built: libanswer.c, whose entry is its function. */
static int open_library(void)
{
	const char *path = getenv("TOUR_LIBRARY");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		die("the library $TOUR_LIBRARY: scripts/run sets it.");
	return fd;
}

/* Map each part of the library in a file, or in a space, at its place after @place. */
static void *load_library(int fd, char *place)
{
	Elf64_Phdr parts[16];
	Elf64_Ehdr head;
	int i;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || memcmp(head.e_ident, ELFMAG, 4) ||
	    head.e_phnum > 16 || pread(fd, parts, sizeof(parts), head.e_phoff) < 0)
		die("that is no library.");
	for (i = 0; i < head.e_phnum; i++) {
		size_t skew = parts[i].p_vaddr % PAGE;
		char *at = place + parts[i].p_vaddr - skew;
		int prot = (parts[i].p_flags & PF_R ? PROT_READ : 0) |
			   (parts[i].p_flags & PF_W ? PROT_WRITE : 0) |
			   (parts[i].p_flags & PF_X ? PROT_EXEC : 0);

		if (parts[i].p_type == PT_LOAD &&
		    mmap(at, parts[i].p_memsz + skew, prot, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd,
			 parts[i].p_offset - skew) != at)
			die("mapping a part of a library: %s", strerror(errno));
	}
	return place + head.e_entry;
}

static int call(void *function)
{
	return ((int (*)(void))function)();
}

/* ---- 4. layout ---- */

#define HOLE_PAGES	(1UL << 34) /* 64 TiB */
#define LAYOUT_PLACE	((char *)0x200000000)
#define LAYOUT_PAGES	256
#define LAYOUT_LIBRARY	128 /* a page in the hole */

enum { CODE, DATA, HEAP, STACK, LAYOUT_SEGMENTS };

/* A number of some file of /proc. */
static long long proc_number(const char *path, const char *format)
{
	FILE *f = fopen(path, "r");
	long long number = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, format, &number) == 1)
			break;
	if (f)
		fclose(f);
	return number;
}

/* Bytes of the kernel's objects, that entries of pages are in; and of our own page tables. */
static long long slab_bytes(void)
{
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "w");

	/* What each processor has counted for itself must be in the sum. */
	if (f) {
		fputs("1", f);
		fclose(f);
	}
	return 1024 * proc_number("/proc/meminfo", "Slab: %lld");
}

static long long table_bytes(void)
{
	return 1024 * proc_number("/proc/self/status", "VmPTE: %lld");
}

static void hole(int dev)
{
	long long slab = slab_bytes(), tables = table_bytes(), slab_now, tables_now;
	int fd = make_space(dev, HOLE_PAGES, NULL, 0), i;
	char *mem = map_pages(fd, 0, HOLE_PAGES, RW, NULL);

	mem[0] = 1;
	mem[(HOLE_PAGES - 1) * PAGE] = 1;
	slab_now = slab_bytes();
	tables_now = table_bytes();
	printf("  bytes of memory, as the kernel counts it     its objects   page tables\n");
	printf("  a space of 64 TiB, first and last page used   %10lld   %11lld\n", slab_now - slab,
	       tables_now - tables);
	check(slab_now - slab + tables_now - tables < 1 << 20,
	      "the hole of %lu pages between them costs nothing", HOLE_PAGES - 2);
	for (i = 1; i < 100; i++)
		mem[i * (HOLE_PAGES / 100) * PAGE] = 1;
	printf("  99 more pages, scattered                      %10lld   %11lld\n",
	       slab_bytes() - slab_now, table_bytes() - tables_now);
	munmap(mem, HOLE_PAGES * PAGE);
	close(fd);
}

static char *layout_page(size_t page)
{
	return LAYOUT_PLACE + page * PAGE;
}

/* A space with a layout, mapped so that byte n of it is n bytes after LAYOUT_PLACE. */
static int make_layout(int dev)
{
	struct vmdemo_segment table[LAYOUT_SEGMENTS] = {
		[CODE] = segment("code", 0, 16, PROT_READ | PROT_EXEC),
		[DATA] = segment("data", 16, 16, RW),
		[HEAP] = segment("heap", 32, 64, RW),
		[STACK] = segment("stack", 224, 32, RW),
	};
	int fd, i;

	table[CODE].flags = VMDEMO_SEGMENT_ORIGIN;
	table[DATA].flags = VMDEMO_SEGMENT_ORIGIN;
	table[CODE].origin = 1000 * PAGE;
	table[DATA].origin = 1016 * PAGE;
	table[HEAP].limit = 8 * PAGE;
	table[HEAP].growth = VMDEMO_GROW_UP;
	table[STACK].limit = PAGE;
	table[STACK].growth = VMDEMO_GROW_DOWN;
	fd = make_space(dev, LAYOUT_PAGES, table, LAYOUT_SEGMENTS);
	for (i = 0; i < LAYOUT_SEGMENTS; i++)
		map_pages(fd, table[i].base / PAGE, table[i].bound / PAGE, table[i].prot,
			  layout_page(table[i].base / PAGE));
	return fd;
}

static void print_layout(int fd, const char *title)
{
	int i;

	printf("  %-12s %14s %8s %12s\n", title, "from page", "pages", "at most");
	for (i = 0; i < LAYOUT_SEGMENTS; i++) {
		struct vmdemo_segment s = segment_of(fd, i).segment;
		uint64_t from = s.base;

		if (s.growth == VMDEMO_GROW_DOWN)
			from += s.bound - s.limit;
		printf("  %-12s %14llu %8llu %12llu\n", s.name, (unsigned long long)(from / PAGE),
		       (unsigned long long)(s.limit / PAGE), (unsigned long long)(s.bound / PAGE));
	}
}

static void grow(int fd)
{
	int i;

	check(signal_of(layout_page(40), true) == SIGSEGV,
	      "one page beyond the heap's limit: SIGSEGV");
	check(signal_of(layout_page(10), true) == SIGSEGV, "writing to the code: SIGSEGV");
	set_limit(fd, HEAP, 40);
	for (i = 8; i < 40; i++)
		*layout_page(32 + i) = 1;
	for (i = 30; i > 10; i--)
		*layout_page(224 + i) = 1;
	putchar('\n');
	print_layout(fd, "later");
	check(segment_of(fd, HEAP).segment.limit == 40 * PAGE, "the heap has grown on request");
	check(segment_of(fd, STACK).segment.limit == 21 * PAGE,
	      "the stack has grown because it was touched");
}

static void map_library(char *place)
{
	int fd = open_library();

	check(call(load_library(fd, place)) == 42, "a library's file is mapped into the hole, at %p, and runs",
	      (void *)place);
	check(layout_page(32 + 40) < place && place < layout_page(224 + 11),
	      "that is above the heap and below the stack");
	close(fd);
}

static void layout(int dev)
{
	int fd = make_layout(dev), i;

	for (i = 0; i < 3; i++)
		*(volatile char *)layout_page(i * 5);
	for (i = 0; i < 4; i++)
		*layout_page(16 + i) = 1;
	for (i = 0; i < 8; i++)
		*layout_page(32 + i) = 1;
	*layout_page(255) = 1;
	print_layout(fd, "segment");
	draw_pages(fd, "page by page; . is untouched, blank is in no segment:", 0, LAYOUT_PAGES);
	grow(fd);
	draw_pages(fd, "and now:", 0, LAYOUT_PAGES);
	map_library(layout_page(LAYOUT_LIBRARY));
	/* From the first byte to the last: whatever is there. */
	munmap(LAYOUT_PLACE, LAYOUT_PAGES * PAGE);
	close(fd);
}

void chapter_layout(void)
{
	int dev = open_device();

	say("A program is laid out as if it had all memory to itself: code and data low, a heap that "
	    "grows up from there, a stack that grows down from the top, and between them a hole, "
	    "much larger than all the rest. Libraries and shared memory are mapped into it.");
	claim("what is laid out but not used takes no frame, no slot and no page table.");
	layout(dev);
	putchar('\n');
	hole(dev);
	putchar('\n');
	say("A real program that lives wholly in such a space (every address it can name is in "
	    "the space), and what became of each segment:");
	fflush(stdout);
	check(!system("vmrun -a 33554432 layout 300 40 2>&1"),
	      "the program ran, and found all its data right");
	try_this("vmrun -a 33554432 layout 3000 40",
		 "Its heap of 3000 pages is larger than memory. Where does it go, and what is loaded?",
		 "To slots on the disk. What is used again, of the heap and of the code, is loaded "
		 "again.");
	close(dev);
}

/* ---- 5. sharing ---- */

#define LIBRARY_PAGES	16

/* A process that runs a library, and what it has seen of it. */
struct user {
	int fd;
	char *place;
	int answer;
	uint64_t memory[LIBRARY_PAGES]; /* where each of its pages is in the machine, or 0 */
};

/* What a page table says: see the kernel's documentation of pagemap. */
static uint64_t memory_at(const char *place)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)place / PAGE * 8) != 8)
		die("/proc/self/pagemap: %s", strerror(errno));
	close(fd);
	return entry >> 63 ? entry << 9 >> 9 : 0;
}

static int run_library(void *arg)
{
	struct user *u = arg;
	int i;

	u->answer = call(load_library(u->fd, u->place));
	for (i = 0; i < LIBRARY_PAGES; i++)
		u->memory[i] = memory_at(u->place + i * PAGE);
	return u->answer != 42;
}

/* It is where it was mapped, whatever another one has done. */
static int run_again(void *arg)
{
	struct user *u = arg;
	Elf64_Ehdr head;

	if (pread(u->fd, &head, sizeof(head), 0) != sizeof(head))
		return 1;
	return call(u->place + head.e_entry) != 42;
}

static int write_library(void *arg)
{
	struct user *u = arg;

	*(char *)load_library(u->fd, u->place) = 0;
	return 0;
}

/* A space that holds the library, all of it on disk. Returns it, and how many pages. */
static int store_library(int dev, size_t *pages)
{
	int fd = make_space(dev, LIBRARY_PAGES, NULL, 0), file = open_library();
	char image[LIBRARY_PAGES * PAGE];
	ssize_t size = read(file, image, sizeof(image));

	if (size <= 0 || size == sizeof(image) || pwrite(fd, image, size, 0) != size)
		die("storing a library: %s", strerror(errno));
	close(file);
	*pages = (size + PAGE - 1) / PAGE;
	act(fd, VMDEMO_IOC_EVICT, 0, LIBRARY_PAGES);
	return fd;
}

/* Pages that both have, in the same memory; 0 if any is in another. */
static size_t common_pages(const struct user *users)
{
	size_t i, nr = 0;

	for (i = 0; i < LIBRARY_PAGES; i++) {
		if (users[0].memory[i] != users[1].memory[i])
			return 0;
		nr += users[0].memory[i] != 0;
	}
	return nr;
}

static void share_library(int dev)
{
	struct user *users = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	size_t pages, frames = 0, i;
	struct pair pair;
	bool ran;
	int fd;

	if (users == MAP_FAILED)
		die("no memory.");
	fd = store_library(dev, &pages);
	draw_pages(fd, "a library, on disk:", 0, pages);
	for (i = 0; i < 3; i++)
		users[i] = (struct user){ .fd = fd, .place = (char *)((i + 3) << 32) };
	set_attribute("read_ahead_pages", "0");
	count_from_here();
	ran = begin_pair(&pair, run_library, run_again, &users[0], &users[1]);
	for (i = 0; i < 2; i++)
		printf("  process %-6d has it at %p; its answer: %d\n", pair.pid[i],
		       (void *)users[i].place, users[i].answer);
	draw_pages(fd, "and now:", 0, pages);
	for (i = 0; i < pages; i++)
		frames += page_of(fd, i).frame != VMDEMO_NO_FRAME;
	check(ran && common_pages(users) > 3, "both run it, from the same %zu pages of memory",
	      common_pages(users));
	check(counted("pages_in") == frames, "one set of %zu frames; nothing was read twice",
	      frames);
	check(in_child(write_library, &users[2]) == 128 + SIGSEGV,
	      "a third that writes to it is killed by SIGSEGV");
	check(!end_pair(&pair), "and the two still run it");
	print_counted("faults_hard faults_soft pages_in");
	putchar('\n');
	set_attribute("read_ahead_pages", "128");
	munmap(users, PAGE);
	close(fd);
}

static void futex_wait(uint32_t *word, uint32_t value)
{
	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value)
		syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void futex_set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Pages of data that go there, for a byte that comes back; this many times, measured together. */
#define TALK_PAGES	16
#define TRIPS		1000
#define TRIPS_LOT	20

/* The best of the lots, in microseconds for a trip: the others were disturbed. */
struct lots {
	uint64_t start, best;
};

static void trip_begins(struct lots *lots, unsigned int trip)
{
	uint64_t now = now_ns();

	if (trip % TRIPS_LOT)
		return;
	/* The first one warms up. */
	if (trip > TRIPS_LOT && (!lots->best || now - lots->start < lots->best))
		lots->best = now - lots->start;
	lots->start = now;
}

static double by_shared_pages(int dev)
{
	int fd = make_space(dev, 1 + TALK_PAGES, NULL, 0);
	char *mem = map_pages(fd, 0, 1 + TALK_PAGES, RW, NULL), *data = mem + PAGE;
	uint32_t *turn = (uint32_t *)mem, i;
	struct lots lots = {};
	pid_t pid;

	*turn = 0;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		for (i = 0; i < TRIPS; i++) {
			futex_wait(turn, 0);
			data[0]++;
			futex_set(turn, 0);
		}
		_exit(0);
	}
	for (i = 0; i < TRIPS; i++) {
		trip_begins(&lots, i);
		memset(data, i, TALK_PAGES * PAGE);
		futex_set(turn, 1);
		futex_wait(turn, 1);
		if (data[0] != (char)(i + 1))
			die("the other's answer is not there");
	}
	waitpid(pid, NULL, 0);
	munmap(mem, (1 + TALK_PAGES) * PAGE);
	close(fd);
	return lots.best / 1000.0 / TRIPS_LOT;
}

static void transfer(int fd, char *data, size_t size, bool out)
{
	size_t done = 0;
	ssize_t n;

	for (; done < size; done += n) {
		n = out ? write(fd, data + done, size - done) : read(fd, data + done, size - done);
		if (n <= 0)
			die("a pipe: %s", strerror(errno));
	}
}

static double by_pipe(void)
{
	static char data[TALK_PAGES * PAGE];
	struct lots lots = {};
	int there[2], back[2], i;
	pid_t pid;

	if (pipe(there) || pipe(back))
		die("pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		for (i = 0; i < TRIPS; i++) {
			transfer(there[0], data, sizeof(data), false);
			data[0]++;
			transfer(back[1], data, 1, true);
		}
		_exit(0);
	}
	for (i = 0; i < TRIPS; i++) {
		trip_begins(&lots, i);
		memset(data, i, sizeof(data));
		transfer(there[1], data, sizeof(data), true);
		transfer(back[0], data, 1, false);
		if (data[0] != (char)(i + 1))
			die("the other's answer is not there");
	}
	waitpid(pid, NULL, 0);
	for (i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
	return lots.best / 1000.0 / TRIPS_LOT;
}

static void talk(int dev)
{
	double shared = by_shared_pages(dev), piped = by_pipe();

	printf("  %d pages of data there, and an answer back:\n"
	       "  by shared pages and a futex %.0f us, by a pipe %.0f us\n",
	       TALK_PAGES, shared, piped);
	check(shared < piped, "shared pages are %.1f times as fast", piped / shared);
	putchar('\n');
}

/* ---- fork ---- */

/* What a child tells. */
struct forked {
	uint64_t fork_ns, write_ns;
	uint64_t own_before, own_after;
};

/* A child that writes to @writes of the pages, evenly. */
static void fork_and_write(char *mem, size_t writes, struct forked *told)
{
	uint64_t start = now_ns(), end;
	pid_t pid = fork();
	size_t i;

	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		told->fork_ns = now_ns() - start;
		told->own_before = own_pages(mem);
		start = now_ns();
		for (i = 0; i < writes; i++)
			mem[i * FORK_PAGES / writes * PAGE] = 'c';
		end = now_ns();
		told->own_after = own_pages(mem);
		told->write_ns = end - start;
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static uint64_t copy_all(const char *mem)
{
	uint64_t start = now_ns();
	char *copy = mmap(NULL, FORK_PAGES * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	memcpy(copy, mem, FORK_PAGES * PAGE);
	start = now_ns() - start;
	munmap(copy, FORK_PAGES * PAGE);
	return start;
}

/* Both ways, by turns; the best time of each. */
static void time_fork(char *mem, size_t writes, struct forked *told)
{
	uint64_t forked, copied, by_fork = UINT64_MAX, by_copy = UINT64_MAX;
	int i;

	for (i = 0; i < 15; i++) {
		fork_and_write(mem, writes, told);
		forked = told->fork_ns + told->write_ns;
		copied = copy_all(mem);
		by_fork = forked < by_fork ? forked : by_fork;
		by_copy = copied < by_copy ? copied : by_copy;
	}
	printf("  fork and its writes: %llu us; a copy of all: %llu us\n",
	       (unsigned long long)by_fork / 1000, (unsigned long long)by_copy / 1000);
}

static void copy_on_write(int dev)
{
	struct forked *told = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = make_space(dev, FORK_PAGES, NULL, 0);
	char *shared = map_pages(fd, 0, FORK_PAGES, RW, NULL), *mem;
	size_t writes = knob(5), i;

	for (i = 0; i < FORK_PAGES; i++)
		shared[i * PAGE] = 'p';
	mem = mmap(NULL, FORK_PAGES * PAGE, RW, MAP_PRIVATE, fd, 0);
	if (told == MAP_FAILED || mem == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	fflush(stdout);
	count_from_here();
	fork_and_write(mem, writes, told);
	printf("  a child writes to %zu of %d private pages\n", writes, FORK_PAGES);
	check(!told->own_before, "fork has copied nothing: before, it has %llu pages of its own",
	      (unsigned long long)told->own_before);
	check(told->own_after == writes && counted("faults_cow") == writes,
	      "each write has copied one page: afterwards it has %llu",
	      (unsigned long long)told->own_after);
	for (i = 0; i < FORK_PAGES && mem[i * PAGE] == 'p'; i++)
		;
	check(i == FORK_PAGES, "the parent's pages are as they were");
	print_counted("faults_cow");
	time_fork(mem, writes, told);
	munmap(told, PAGE);
	munmap(mem, FORK_PAGES * PAGE);
	munmap(shared, FORK_PAGES * PAGE);
	close(fd);
}

void chapter_sharing(void)
{
	int dev = open_device();

	say("Frames can be in several address spaces at once. A library is in memory once, "
	    "however many programs run it, and nobody can write to it. Memory that two processes "
	    "share for writing is the fastest way to talk: nothing is copied. And fork makes a "
	    "process by sharing all pages with it; a page is copied when one of the two writes "
	    "to it, and not before.");
	claim("what is shared is in one frame, and what is written privately in one more.");
	share_library(dev);
	talk(dev);
	copy_on_write(dev);
	try_this("tour 5 256", "The child then writes to all its pages. Does fork save anything?",
		 "No: each page is copied after a fault of its own, and that takes longer than a copy "
		 "of all in one go.");
	close(dev);
}
