// SPDX-License-Identifier: GPL-2.0
/*
 * chapter5_sharing.c - sharing: a library, pages to talk by, and copy on write
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
	by_hand("tour 5; vmdemo info");
	try_this("tour 5 256", "The child then writes to all its pages. Does fork save anything?",
		 "No: each page is copied after a fault of its own, and that takes longer than a copy "
		 "of all in one go.");
	close(dev);
}
