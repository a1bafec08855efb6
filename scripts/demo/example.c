// SPDX-License-Identifier: GPL-2.0
/*
 * example.c - thirty lines to edit and run: make run CMD='example'
 *
 * The memory is the disk: change PAGES or the loop, and see what the counters say.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGES	10000UL
#define PAGE	4096UL

int main(void)
{
	int fd = open("/dev/vmdemo", O_RDWR);
	char *mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned long i;

	if (mem == MAP_FAILED) {
		perror("mmap /dev/vmdemo");
		return 1;
	}
	for (i = 0; i < PAGES; i++)
		mem[i * PAGE]++;
	if (msync(mem, PAGES * PAGE, MS_SYNC))
		perror("msync");
	return system("cd /sys/class/vmdemo/vmdemo/stats && grep . faults_* pages_*");
}
