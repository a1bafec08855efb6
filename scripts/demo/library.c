// SPDX-License-Identifier: GPL-2.0
/*
 * library.c - a library, as a loader maps it
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tour.h"

int open_library(void)
{
	const char *path = getenv("TOUR_LIBRARY");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		die("the library $TOUR_LIBRARY: scripts/run sets it.");
	return fd;
}

void *load_library(int fd, char *place)
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

int call(void *function)
{
	return ((int (*)(void))function)();
}
