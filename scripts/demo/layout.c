// SPDX-License-Identifier: GPL-2.0
/*
 * layout.c - a program that shows its layout, and uses all of it
 *
 *   vmrun -a 0 layout [HEAP [STACK]]          print where things are, use that many pages of both
 *   vmrun -a 0 layout hole|code|beyond|null   refer to what it may not: it is ended by SIGSEGV
 *   vmrun -a 0 layout shrunk                  the same, beyond a heap that was larger before
 */
#include "program.h"

#define BIG	(256 * 1024)

static const char constants[BIG] = { 1 };
/* In pages of its own: no zeroed data is on its last one. */
static char data[BIG] __attribute__((aligned(VMDEMO_PAGE_SIZE))) = { 1 };
static char zeroed[BIG];

/* Code of some size, of which little is used. */
static int __attribute__((noinline)) much_code(int n)
{
	if (n < 0)
		__asm__ volatile(".rept 50000\n\tnop\n\t.endr");
	return n + 1;
}

static int __attribute__((noinline)) use_stack(int pages)
{
	volatile char frame[VMDEMO_PAGE_SIZE];

	frame[0] = pages;
	return pages <= 1 ? frame[0] : use_stack(pages - 1) + frame[0] * 0 + 1;
}

static int show_maps(void)
{
	static char text[4096];
	int fd = open("/proc/self/maps", O_RDONLY), got, foreign = 0;
	char *line, *next, *special;

	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return -1;
	for (line = text; *line; line = next) {
		next = strchr(line, '\n');
		if (!next)
			break;
		*next++ = 0;
		foreign += !line_is_ours(line);
		/* Where, and what is allowed. */
		special = strchr(line, '[');
		strchr(line, ' ')[5] = 0;
		printf("  %s%s%s\n", line, special ? " " : "", special ? special : "");
	}
	return foreign;
}

/* The heap grows and shrinks on request: what it loses is gone. Returns whether that is so. */
static int shrink(void)
{
	char *heap = heap_sbrk(64 * VMDEMO_PAGE_SIZE);

	if (heap == (void *)-1)
		return 0;
	heap[15 * VMDEMO_PAGE_SIZE] = 1;
	heap[16 * VMDEMO_PAGE_SIZE] = 1;
	if (heap_sbrk(-48 * VMDEMO_PAGE_SIZE) != heap + 64 * VMDEMO_PAGE_SIZE ||
	    segment_named("heap").segment.limit != 16 * VMDEMO_PAGE_SIZE)
		return 0;
	/* What comes back is zeros; and there is no heap below its begin. */
	if (heap_sbrk(48 * VMDEMO_PAGE_SIZE) != heap + 16 * VMDEMO_PAGE_SIZE ||
	    heap[15 * VMDEMO_PAGE_SIZE] != 1 || heap[16 * VMDEMO_PAGE_SIZE] ||
	    heap_sbrk(-65 * VMDEMO_PAGE_SIZE) != (void *)-1)
		return 0;
	return heap_sbrk(-48 * VMDEMO_PAGE_SIZE) != (void *)-1;
}

static void refer(const char *where)
{
	struct vmdemo_segment_state stack = segment_named("stack"), heap;

	if (!strcmp(where, "shrunk") && !shrink())
		return;
	heap = segment_named("heap");
	if (!strcmp(where, "hole"))
		*(volatile char *)(stack.segment.base / 2) = 1;
	else if (!strcmp(where, "code"))
		*(volatile char *)much_code = 1;
	else if (!strcmp(where, "beyond") || !strcmp(where, "shrunk"))
		*(volatile char *)(heap.segment.base + heap.segment.limit) = 1;
	else if (!strcmp(where, "null"))
		*(volatile char *)8 = 1;
}

int main(int argc, char **argv)
{
	int pages = argc > 1 ? atoi(argv[1]) : 100, deep = argc > 2 ? atoi(argv[2]) : 20, i,
	    bad = 0;
	char *heap;

	live_in_space();
	if (argc > 1 && !pages) {
		refer(argv[1]);
		return 1;
	}
	printf("code %p, constants %p, data %p,\nzeroed data %p, stack %p\n", (void *)main,
	       (void *)constants, (void *)data, (void *)zeroed, (void *)&argc);
	if (show_maps()) {
		printf("there is something that is not in the space\n");
		return 1;
	}
	heap = heap_sbrk((long)pages * VMDEMO_PAGE_SIZE);
	if (heap == (void *)-1) {
		printf("the heap does not grow to %d pages\n", pages);
		return 2;
	}
	printf("heap %p, %d pages\n", heap, pages);
	for (i = 0; i < pages; i++)
		*(int *)(heap + (long)i * VMDEMO_PAGE_SIZE) = i;
	for (i = 0; i < pages; i++)
		bad += *(int *)(heap + (long)i * VMDEMO_PAGE_SIZE) != i;
	data[BIG / 2] = 2;
	zeroed[BIG / 2] = constants[0];
	if (bad || data[0] != 1 || data[BIG / 2] != 2 || zeroed[BIG / 2] != 1 || zeroed[0] ||
	    much_code(1) != 2 || use_stack(deep) < deep) {
		printf("wrong data, in %d pages of the heap or elsewhere\n", bad);
		return 3;
	}
	printf("all of it is as it should be\n");
	return 0;
}
