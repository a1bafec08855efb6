// SPDX-License-Identifier: GPL-2.0
/*
 * refer.c - refer to the pages of a device in the order of a trace, as scripts/policy wants it
 *
 *   refer DEVICE <TRACE
 *
 * TRACE has page numbers, in decimal. They are all read before the first page is touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "refer: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	size_t nr = 0, room = 0, pages = 0, page_size = sysconf(_SC_PAGESIZE), i;
	uint32_t *trace = NULL, page;
	const volatile char *mem;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: refer DEVICE <TRACE\n");
		return 2;
	}
	while (scanf("%u", &page) == 1) {
		if (nr == room) {
			room = 2 * room + 1024;
			trace = realloc(trace, room * sizeof(*trace));
			if (!trace)
				fail("the trace");
		}
		trace[nr++] = page;
		if (page >= pages)
			pages = page + (size_t)1;
	}
	if (!nr || !feof(stdin)) {
		fprintf(stderr, "refer: standard input is no trace\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		fail(argv[1]);
	mem = mmap(NULL, pages * page_size, PROT_READ, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		fail("mmap");
	for (i = 0; i < nr; i++)
		(void)mem[trace[i] * page_size];
	return 0;
}
