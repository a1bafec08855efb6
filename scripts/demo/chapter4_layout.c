// SPDX-License-Identifier: GPL-2.0
/*
 * chapter4_layout.c - the layout of an address space: segments, a hole, a library in it
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tour.h"

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
	by_hand("tour 4; vmdemo list");
	try_this("vmrun -a 33554432 layout 3000 40",
		 "Its heap of 3000 pages is larger than memory. Where does it go, and what is loaded?",
		 "To slots on the disk. What is used again, of the heap and of the code, is loaded "
		 "again.");
	close(dev);
}
