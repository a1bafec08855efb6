/* SPDX-License-Identifier: GPL-2.0 */
/*
 * program.h - for a program that lives wholly in a sparse space: code, data, heap and stack
 *
 * Instead of a C library it has the kernel's nolibc, all in headers. Compile with
 *
 *   gcc -static -nostdlib -no-pie -fno-stack-protector -include .../tools/include/nolibc/nolibc.h
 *       -Wl,-z,separate-code -Wl,-z,max-page-size=4096 program.c -lgcc
 *
 * and run it with vmrun. selftests/Makefile does so for layout.c. More memory comes from
 * heap_sbrk(): nolibc's own sbrk() and malloc() take theirs from the kernel, outside of the space.
 */
#ifndef VMDEMO_PROGRAM_H
#define VMDEMO_PROGRAM_H

#include <vmdemo.h>

/* The descriptor of the space, from vmrun. */
#define SPACE_FD	100

static struct vmdemo_segment_state segment_named(const char *name)
{
	struct vmdemo_segment_state state = { 0 };

	while (!ioctl(SPACE_FD, VMDEMO_IOC_SEGMENT, &state) && strcmp(state.segment.name, name))
		state.number++;
	return state;
}

/*
 * sbrk(2), on the heap segment: @bytes more, or fewer. Returns where the heap ended before,
 * or (void *)-1.
 */
static void *heap_sbrk(long bytes)
{
	static struct vmdemo_segment_state heap;
	static __u64 end;
	struct vmdemo_segment_limit limit = { 0 };
	__u64 old;

	if (!end) {
		heap = segment_named("heap");
		end = heap.segment.base + heap.segment.limit;
	}
	old = end;
	limit.number = heap.number;
	limit.limit = (old + bytes - heap.segment.base + VMDEMO_PAGE_SIZE - 1) &
		      ~(VMDEMO_PAGE_SIZE - 1ULL);
	if (ioctl(SPACE_FD, VMDEMO_IOC_LIMIT, &limit))
		return (void *)-1;
	end += bytes;
	return (void *)old;
}

/* Does a line of /proc/self/maps tell of a segment of the space, or of something of the kernel's?
 */
static int line_is_ours(const char *line)
{
	const char *name = strchr(line, '/'), *special = strchr(line, '[');

	return (name && !strncmp(name, "/vmdemo_space", 13)) || (special && special[1] == 'v');
}

/*
 * What is still there of vmrun goes: from here on every address of the program is one of its space,
 * but for what the kernel itself provides. Call it once, first thing.
 */
static void live_in_space(void)
{
	static char maps[16384];
	int fd = open("/proc/self/maps", O_RDONLY), got, size = 0;
	char *line, *next;

	while ((got = read(fd, maps + size, sizeof(maps) - 1 - size)) > 0)
		size += got;
	close(fd);
	for (line = maps; *line; line = next) {
		unsigned long from, to;
		char *end;

		next = strchr(line, '\n');
		*next++ = 0;
		if (line_is_ours(line))
			continue;
		from = strtoul(line, &end, 16);
		to = strtoul(end + 1, &end, 16);
		munmap((void *)from, to - from);
	}
}

#endif /* VMDEMO_PROGRAM_H */
