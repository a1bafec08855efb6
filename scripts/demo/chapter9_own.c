// SPDX-License-Identifier: GPL-2.0
/*
 * chapter9_own.c - the reader's turn: a program, and a policy
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tour.h"

/* Pages of example.c. */
#define EXAMPLE_PAGES	10000UL

/* The disk is as it was, so that other chapters find their data. */
static void undo(char *mem, unsigned long rounds)
{
	unsigned long i;

	for (i = 0; i < EXAMPLE_PAGES; i++)
		mem[i * PAGE] -= rounds;
	check(!msync(mem, EXAMPLE_PAGES * PAGE, MS_SYNC), "all of it was undone");
}

void chapter_own(void)
{
	int dev = open_device();
	char *mem = map_pages(dev, 0, EXAMPLE_PAGES, RW, NULL);
	unsigned long rounds = knob(1), round, right;
	uint64_t pages = 0;
	unsigned char first = mem[0];

	say("Now it is your turn. scripts/demo/example.c is thirty lines of C: it maps the device, adds "
	    "one to the first byte of each of 10000 pages, and has them written to the disk. Change "
	    "it, and make run CMD=example compiles and runs it in this machine.");
	claim("thirty lines are enough for a memory of which a twentieth fits into frames.");
	count_from_here();
	for (round = 1, right = 0; round <= rounds; round++) {
		pages = counter("pages_in");
		right += !system("example >/dev/null");
		pages = counter("pages_in") - pages;
		printf("  round %lu: %llu pages read\n", round, (unsigned long long)pages);
	}
	check(right == rounds, "the example has run to its end");
	print_counted("faults_hard readahead_used pages_in pages_out");
	check((unsigned char)mem[0] == (unsigned char)(first + rounds),
	      "the first byte is larger by %lu", rounds);
	check(pages >= EXAMPLE_PAGES * 9 / 10 && pages <= EXAMPLE_PAGES * 11 / 10,
	      "each page was read once in a round, and most of them before they were touched");
	putchar('\n');
	say("Which page goes is decided by a policy, which is one file as well. The one in "
	    "scripts/README.md, A policy of your own, has twenty lines. make run POLICY=mru.c tries it in "
	    "the simulator and then in the module, and says how often it misses beside lru, fifo and the "
	    "best that is possible.");
	undo(mem, rounds);
	munmap(mem, EXAMPLE_PAGES * PAGE);
	close(dev);
	by_hand("example; vmdemo stat");
	try_this("tour 9 2",
		 "The example runs twice. Why is no page of the first round still there for the second?",
		 "What has not been used for longest goes first, and in a loop that is what comes next. A "
		 "policy that lets the newest page go keeps a part of the loop.");
}
