// SPDX-License-Identifier: GPL-2.0
/*
 * powercut.c - what was acknowledged is on the disk, whenever the power went
 *
 *   powercut write DEVICE PAGES SEED	store, sync, and say so, for ever
 *   powercut check DISK PAGES LOG	compare a disk with what was said
 *
 * Every worker has pages of its own, each PAGES/WORKERS-th. In each round it stores the round's
 * number into some of them, all over the page, makes them durable in one of the ways there are, and
 * then prints `ack WORKER ROUND PAGE...`. A page on the disk must therefore hold the round that was
 * last acknowledged for it, or a later one, whose acknowledgment was still on its way out of the
 * machine; in each of its words, as somebody else's fsync may write a page that is half stored.
 * powercut.sh cuts the power.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	4096
#define WORKERS	4
#define MOST	12	/* pages a round */

/* Each word of a page says which page it is of, and when it was stored: no two are alike. */
#define WORDS	(PAGE / sizeof(__u64))
#define MIX	0x9e3779b97f4a7c15ULL
#define UNMIX	0xf1de83e19937733dULL	/* its inverse modulo 2^64 */

static __u64 stamp(__u32 page, __u32 round, size_t place)
{
	return ((__u64)page << 32 | round) * MIX + place;
}

static void stamped(__u64 word, size_t place, __u32 *page, __u32 *round)
{
	__u64 both = (word - place) * UNMIX;

	*page = both >> 32;
	*round = both;
}

static void fill(void *buffer, __u32 page, __u32 round)
{
	__u64 *words = buffer;
	size_t i;

	for (i = 0; i < WORDS; i++)
		words[i] = stamp(page, round, i);
}

static __u64 next_random(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* ---- in the machine whose power goes ---- */

/* Store the pages through the mapping, or write them, and make that durable. */
static int store(int fd, char *mem, size_t pages, const __u32 *page, unsigned int nr,
		 __u32 round, unsigned int way)
{
	static char buffer[PAGE];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (way == 3) {
			fill(buffer, page[i], round);
			if (pwrite(fd, buffer, PAGE, (off_t)page[i] * PAGE) != PAGE)
				return -1;
			continue;
		}
		fill(mem + (size_t)page[i] * PAGE, page[i], round);
		if (way == 0 && msync(mem + (size_t)page[i] * PAGE, PAGE, MS_SYNC))
			return -1;
	}
	switch (way) {
	case 0: return 0;
	case 1: return msync(mem, pages * PAGE, MS_SYNC);
	case 2: return fsync(fd);
	}
	return fdatasync(fd);
}

static void work(unsigned int worker, const char *device, size_t pages, __u64 seed)
{
	__u64 state = (seed * WORKERS + worker + 1) * 0x9e3779b97f4a7c15ULL;
	int fd = open(device, O_RDWR);
	char *mem, line[256];
	__u32 round;

	if (fd < 0)
		err(1, "%s", device);
	mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		err(1, "mmap");
	for (round = 1;; round++) {
		unsigned int nr = next_random(&state) % MOST + 1, way = next_random(&state) % 4, i;
		__u32 page[MOST];
		int length;

		for (i = 0; i < nr; i++)
			page[i] = next_random(&state) % (pages / WORKERS) * WORKERS + worker;
		if (store(fd, mem, pages, page, nr, round, way))
			err(1, "worker %u, round %u", worker, round);
		length = sprintf(line, "ack %u %u", worker, round);
		for (i = 0; i < nr; i++)
			length += sprintf(line + length, " %u", page[i]);
		line[length++] = '\n';
		/* In one piece, at once. */
		if (write(STDOUT_FILENO, line, length) != length)
			err(1, "standard output");
	}
}

static int write_for_ever(const char *device, size_t pages, __u64 seed)
{
	unsigned int worker;
	int status;

	for (worker = 0; worker < WORKERS; worker++)
		if (!fork())
			work(worker, device, pages, seed);
	wait(&status);
	errx(1, "a worker ended");
}

/* ---- afterwards ---- */

struct said {
	__u32 *acked;		/* of each page */
	unsigned long acks;
};

static void read_log(const char *name, size_t pages, struct said *said)
{
	FILE *log = fopen(name, "r");
	char line[256], *word;

	if (!log)
		err(2, "%s", name);
	while (fgets(line, sizeof(line), log)) {
		unsigned int worker, round, page;

		/* The last one may not be whole: then nobody was told. */
		if (sscanf(line, "ack %u %u", &worker, &round) != 2 || !strchr(line, '\n'))
			continue;
		if (worker >= WORKERS)
			errx(2, "%s: what worker is %u?", name, worker);
		said->acks++;
		strtok(line, " ");
		strtok(NULL, " ");
		strtok(NULL, " ");
		while ((word = strtok(NULL, "\n "))) {
			page = atoi(word);
			if (page >= pages)
				errx(2, "%s: what page is %u?", name, page);
			said->acked[page] = round;
		}
	}
	fclose(log);
}

/* Is each word of @page as it was stored in round @least or later? */
static bool page_is_good(const __u64 *words, size_t page, __u32 least)
{
	__u32 which, round;
	size_t i;

	for (i = 0; i < WORDS; i++) {
		if (!least && !words[i])
			continue;
		stamped(words[i], i, &which, &round);
		if (which == page && round >= least)
			continue;
		printf("# page %zu, word %zu: round %u of page %u, not %u\n", page, i, round,
		       which, least);
		return false;
	}
	return true;
}

static int check(const char *disk, size_t pages, const char *log)
{
	struct said said = { .acked = calloc(pages, sizeof(*said.acked)) };
	int fd = open(disk, O_RDONLY);
	unsigned long bad = 0, sure = 0;
	static __u64 words[WORDS];
	size_t page;

	if (!said.acked || fd < 0)
		err(2, "%s", disk);
	read_log(log, pages, &said);
	for (page = 0; page < pages; page++) {
		__u32 least = said.acked[page];

		if (pread(fd, words, PAGE, page * PAGE) != PAGE)
			err(2, "%s", disk);
		sure += !!least;
		bad += !page_is_good(words, page, least);
	}
	printf("# %lu acknowledgments, %lu pages, %lu of them wrong\n", said.acks, sure, bad);
	return bad || !said.acks;
}

int main(int argc, char **argv)
{
	size_t pages = argc == 5 ? strtoul(argv[3], NULL, 0) : 0;

	if (pages >= WORKERS && !strcmp(argv[1], "write"))
		return write_for_ever(argv[2], pages, strtoull(argv[4], NULL, 0));
	if (pages >= WORKERS && !strcmp(argv[1], "check"))
		return check(argv[2], pages, argv[4]);
	errx(2, "usage: powercut write DEVICE PAGES SEED | check DISK PAGES LOG");
}
