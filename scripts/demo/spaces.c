// SPDX-License-Identifier: GPL-2.0
/*
 * spaces.c - chapters of the tour: what a program sees, how its memory is laid out, what is shared
 */
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

/* Use its first page at the same address as the other does, and tell where that page is. */
static int use_view(void *arg)
{
	int fd = *(int *)arg;
	char *mem = map_pages(fd, 0, 16, RW, VIEW_PLACE);

	snprintf(mem, PAGE, "written by process %d", (int)getpid());
	printf("  process %-6d  address %p  is byte %d of its space  in frame %u\n", (int)getpid(),
	       (void *)mem, 0, page_of(fd, 0).frame);
	return 0;
}

/* Touch every eighth page of each of three segments of 32 pages. */
static void walk_segments(int fd, const struct vmdemo_segment *table)
{
	unsigned int nr, page;

	for (nr = 0; nr < 3; nr += 2) {
		char *mem = map_pages(fd, table[nr].base / PAGE, 32, PROT_READ, NULL);

		for (page = 0; page < 32; page += 8)
			*(volatile char *)(mem + page * PAGE);
		munmap(mem, 32 * PAGE);
	}
}

static void by_page_and_by_segment(int dev)
{
	static const char *const names[] = { "code", "tables", "data" };
	static const char *const titles[] = { "page by page:", "segment by segment:" };
	struct vmdemo_segment table[3];
	uint64_t in[2];
	int how, i, fd;

	for (how = 0; how < 2; how++) {
		for (i = 0; i < 3; i++) {
			table[i] = segment(names[i], i * 32, 32, PROT_READ);
			table[i].flags = VMDEMO_SEGMENT_ORIGIN;
			table[i].origin = (1000 + i * 32) * PAGE;
			table[i].loading = how ? VMDEMO_LOAD_WHOLE : VMDEMO_LOAD_PAGE;
		}
		fd = make_space(dev, 96, table, 3);
		count_from_here();
		walk_segments(fd, table);
		/* A segment's pages are on their way still. */
		usleep(100000);
		in[how] = counted("pages_in");
		draw_pages(fd, titles[how], 0, 96);
		printf("  pages read: %llu\n\n", (unsigned long long)in[how]);
		close(fd);
	}
	check(in[0] == 8 && in[1] == 64,
	      "8 pages by page, the whole of two segments by segment; the third by neither");
}

void chapter_view(void)
{
	int dev = open_device(), first = make_space(dev, 16, NULL, 0),
	    second = make_space(dev, 16, NULL, 0);
	char *one, *other;

	say("A program's addresses are its own. They begin where it likes, and say nothing about "
	    "where in memory a byte is: each page of its address space is put into some page frame, "
	    "and the page table tells the processor which. So two programs can use one address for "
	    "different things, and neither can even name what belongs to the other.");
	claim("the same address in two processes is in two different frames.");
	check(!in_child(use_view, &first) && !in_child(use_view, &second),
	      "both have written to %p", (void *)VIEW_PLACE);
	one = map_pages(first, 0, 1, PROT_READ, NULL);
	other = map_pages(second, 0, 1, PROT_READ, NULL);
	printf("  afterwards:  \"%s\"  and  \"%s\"\n", one, other);
	check(page_of(first, 0).frame != page_of(second, 0).frame && strcmp(one, other),
	      "two frames, two texts");
	close(first);
	close(second);

	putchar('\n');
	say("How much comes into memory at a time is a choice. Pages are all of one size, and none "
	    "comes that is not touched. Segments are parts that mean something to the program, and "
	    "can come as a whole. The same program, which touches 4 pages of its code and 4 of its "
	    "data, both ways (64 pages a line; # is in a frame, . is not):");
	by_page_and_by_segment(dev);
	try_this("echo 16 > /sys/class/vmdemo/vmdemo/read_ahead_pages; tour 2",
		 "When is it better to bring a whole segment?",
		 "When most of it will be used: few large reads are quicker than many small ones.");
	close(dev);
}

/* ---- 4. layout ---- */

#define HOLE_PAGES	(1UL << 34) /* 64 TiB */

/* Bytes of kernel memory, that entries of pages are in. */
static long long kernel_memory(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	long long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %lld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024;
}

static void hole(int dev)
{
	long long before, after;
	int fd, i;
	char *mem;

	before = kernel_memory();
	fd = make_space(dev, HOLE_PAGES, NULL, 0);
	mem = map_pages(fd, 0, HOLE_PAGES, RW, NULL);
	mem[0] = 1;
	mem[(HOLE_PAGES - 1) * PAGE] = 1;
	after = kernel_memory();
	printf("  a space of 64 TiB, first and last page written: %lld bytes of kernel memory\n",
	       after - before);
	check(after - before < 1 << 20, "the hole of %lu pages between them costs nothing",
	      HOLE_PAGES - 2);
	for (i = 1; i < 100; i++)
		mem[i * (HOLE_PAGES / 100) * PAGE] = 1;
	printf("  98 pages more, scattered: %lld bytes more\n", kernel_memory() - after);
	munmap(mem, HOLE_PAGES * PAGE);
	close(fd);
}

static void grow(int dev)
{
	enum { CODE, DATA, HEAP, STACK };
	struct vmdemo_segment table[] = {
		[CODE] = segment("code", 0, 16, PROT_READ | PROT_EXEC),
		[DATA] = segment("data", 16, 16, RW),
		[HEAP] = segment("heap", 32, 64, RW),
		[STACK] = segment("stack", 224, 32, RW),
	};
	char *code, *data, *heap, *stack, *library;
	int fd, libc, i;

	table[CODE].flags = VMDEMO_SEGMENT_ORIGIN;
	table[DATA].flags = VMDEMO_SEGMENT_ORIGIN;
	table[CODE].origin = 1000 * PAGE;
	table[DATA].origin = 1016 * PAGE;
	table[HEAP].limit = 8 * PAGE;
	table[HEAP].growth = VMDEMO_GROW_UP;
	table[STACK].limit = PAGE;
	table[STACK].growth = VMDEMO_GROW_DOWN;
	fd = make_space(dev, 256, table, 4);
	code = map_pages(fd, 0, 16, PROT_READ | PROT_EXEC, NULL);
	data = map_pages(fd, 16, 16, RW, NULL);
	heap = map_pages(fd, 32, 64, RW, NULL);
	stack = map_pages(fd, 224, 32, RW, NULL);
	for (i = 0; i < 3; i++)
		*(volatile char *)(code + i * 5 * PAGE);
	for (i = 0; i < 4; i++)
		data[i * PAGE] = 1;
	for (i = 0; i < 8; i++)
		heap[i * PAGE] = 1;
	stack[31 * PAGE] = 1;
	draw_pages(fd, "code 0-15, data 16-31, heap from 32 up, a hole, stack from 255 down:", 0,
		   256);
	check(signal_of(heap + 8 * PAGE, true) == SIGSEGV,
	      "one page beyond the heap's limit: SIGSEGV");
	set_limit(fd, HEAP, 40);
	for (i = 8; i < 40; i++)
		heap[i * PAGE] = 1;
	for (i = 30; i > 10; i--)
		stack[i * PAGE] = 1;
	draw_pages(fd, "the heap has grown on request, the stack because it was touched:", 0, 256);
	check(signal_of(code, true) == SIGSEGV, "writing to the code: SIGSEGV");

	/* Something else's file, at an address between ours. */
	libc = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	library = mmap(NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE, libc, 0);
	if (libc < 0 || library == MAP_FAILED)
		die("mapping a library: %s", strerror(errno));
	check(!memcmp(library, "\177ELF", 4),
	      "a library's file is mapped between heap and stack, at %p", (void *)library);
	munmap(library, 16 * PAGE);
	close(libc);
	munmap(code, 16 * PAGE);
	munmap(data, 16 * PAGE);
	munmap(heap, 64 * PAGE);
	munmap(stack, 32 * PAGE);
	close(fd);
}

void chapter_layout(void)
{
	int dev = open_device();

	say("A program is laid out as if it had all memory to itself: code and data low, a heap that "
	    "grows up from there, a stack that grows down from the top, and between them a hole, "
	    "much larger than all the rest. Libraries and shared memory are mapped into it.");
	claim("what is laid out but not used takes no frame, no slot and no table.");
	grow(dev);
	putchar('\n');
	hole(dev);
	putchar('\n');
	say("A real program, all of which is in such a space (every address it can name is one of "
	    "the space), and what became of each segment:");
	fflush(stdout);
	check(!system("vmrun -a 33554432 $(command -v layout) 300 40 2>&1"),
	      "the program ran, and found all its data right");
	try_this("vmrun -l whole -a 33554432 $(command -v layout) 3000 500",
		 "Its heap is larger than memory now. Why are more pages of the code loaded?",
		 "Code goes out of memory as well when the heap needs frames, and comes back when it runs.");
	close(dev);
}

/* ---- 5. sharing ---- */

struct library {
	int fd;
	char *code;
};

static int run_library(void *arg)
{
	struct library *l = arg;
	char *code = map_pages(l->fd, 0, 1, PROT_READ | PROT_EXEC, NULL);
	int answer = ((int (*)(void))code)();

	printf("  process %-6d runs it at %p, in frame %u: %d\n", (int)getpid(), (void *)code,
	       page_of(l->fd, 0).frame, answer);
	fflush(stdout);
	return answer != 42;
}

static int write_library(void *arg)
{
	struct library *l = arg;

	l->code[0] = 0;
	return 0;
}

static void share_library(int dev)
{
	static const unsigned char machine_code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov eax, 42; ret
										  */
	struct library l;
	uint32_t frame;
	int space;
	char *mem;

	space = make_space(dev, 1, NULL, 0);
	if (pwrite(space, machine_code, sizeof(machine_code), 0) != sizeof(machine_code))
		die("writing a library: %s", strerror(errno));
	l.fd = space;
	count_from_here();
	check(!in_child(run_library, &l) && !in_child(run_library, &l),
	      "two processes have run it");
	frame = page_of(space, 0).frame;
	check(frame != VMDEMO_NO_FRAME && !counted("pages_in"),
	      "one frame, number %u, for all; nothing was read twice", frame);
	l.code = map_pages(space, 0, 1, PROT_READ | PROT_EXEC, NULL);
	check(in_child(write_library, &l) == 128 + SIGSEGV,
	      "a third that writes to it is ended by SIGSEGV");
	check(!in_child(run_library, &l), "and it still runs");
	mem = l.code;
	munmap(mem, PAGE);
	close(space);
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

#define TRIPS	1000

/* Microseconds for a round trip of a whole page of data, by shared page and by pipe. */
static double by_shared_page(int dev)
{
	int fd = make_space(dev, 2, NULL, 0);
	char *mem = map_pages(fd, 0, 2, RW, NULL);
	uint32_t *turn = (uint32_t *)mem, i;
	uint64_t start;
	pid_t pid;

	*turn = 0;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		for (i = 0; i < TRIPS; i++) {
			futex_wait(turn, 0);
			mem[PAGE]++;
			futex_set(turn, 0);
		}
		_exit(0);
	}
	start = now_ns();
	for (i = 0; i < TRIPS; i++) {
		memset(mem + PAGE, i, PAGE);
		futex_set(turn, 1);
		futex_wait(turn, 1);
		if (mem[PAGE] != (char)(i + 1))
			die("the other's answer is not there");
	}
	start = now_ns() - start;
	waitpid(pid, NULL, 0);
	munmap(mem, 2 * PAGE);
	close(fd);
	return start / 1000.0 / TRIPS;
}

static void transfer(int fd, char *page, bool out)
{
	size_t done = 0;
	ssize_t n;

	for (; done < PAGE; done += n) {
		n = out ? write(fd, page + done, PAGE - done) : read(fd, page + done, PAGE - done);
		if (n <= 0)
			die("a pipe: %s", strerror(errno));
	}
}

static double by_pipe(void)
{
	int there[2], back[2], i;
	char page[PAGE];
	uint64_t start;
	pid_t pid;

	if (pipe(there) || pipe(back))
		die("pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		for (i = 0; i < TRIPS; i++) {
			transfer(there[0], page, false);
			page[0]++;
			transfer(back[1], page, true);
		}
		_exit(0);
	}
	start = now_ns();
	for (i = 0; i < TRIPS; i++) {
		memset(page, i, PAGE);
		transfer(there[1], page, true);
		transfer(back[0], page, false);
	}
	start = now_ns() - start;
	waitpid(pid, NULL, 0);
	for (i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
	return start / 1000.0 / TRIPS;
}

/* What of this process's memory is its own. */
static uint64_t own_pages(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	unsigned long long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Anonymous: %llu kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024 / PAGE;
}

static int write_some(void *arg)
{
	char *mem = arg;
	uint64_t before = own_pages();
	int i;

	for (i = 0; i < 5; i++)
		mem[i * 10 * PAGE] = 'c';
	return own_pages() - before;
}

static void copy_on_write(int dev)
{
	int copies, i, fd = make_space(dev, 64, NULL, 0);
	char *shared = map_pages(fd, 0, 64, RW, NULL), *mem;

	for (i = 0; i < 64; i++)
		shared[i * PAGE] = 'p';
	mem = mmap(NULL, 64 * PAGE, RW, MAP_PRIVATE, fd, 0);
	if (mem == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	for (i = 0; i < 64; i++)
		*(volatile char *)(mem + i * PAGE);
	copies = in_child(write_some, mem);
	printf("  the child writes to 5 of 64 private pages: %d pages have become its own\n",
	       copies);
	for (i = 0; i < 64 && mem[i * PAGE] == 'p'; i++)
		;
	check(copies == 5 && i == 64,
	      "fork has copied nothing; each write copied one page; the parent has its own still");
	munmap(mem, 64 * PAGE);
	munmap(shared, 64 * PAGE);
	close(fd);
}

void chapter_sharing(void)
{
	int dev = open_device();
	double shared, piped;

	say("Frames can be in several address spaces at once. A library is in memory once, however "
	    "many run it, and nobody can write to it. Memory that two share for writing is the "
	    "fastest way to talk: nothing is copied. And fork makes a process by sharing all pages "
	    "with it; a page is copied when one of the two writes to it, and not before.");
	claim("what is shared is in one frame, and what is written privately in one more.");
	share_library(dev);
	shared = by_shared_page(dev);
	piped = by_pipe();
	printf("\n  a page of data there and an answer back: %.0f us by a shared page, %.0f us by a pipe\n",
	       shared, piped);
	check(shared < piped, "the shared page is %.1f times as fast", piped / shared);
	putchar('\n');
	copy_on_write(dev);
	try_this("rivals", "What does fork cost when the child writes to every page?",
		 "More than a copy in one go: each page is copied after a fault of its own.");
	close(dev);
}
