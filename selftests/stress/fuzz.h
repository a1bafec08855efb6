/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fuzz.h - a fuzzer, what it calls, and with what
 */
#ifndef VMDEMO_FUZZ_H
#define VMDEMO_FUZZ_H

#include "vmdemo_test.h"

#define FRAMES		256
#define CHECKED		512	/* pages of the checker */
#define FUZZERS		4
#define SEED		1	/* of the contents at first */

/* Descriptors: the first third to read, the second to write, the last for both. */
#define FDS		9
#define SLOTS		16	/* places for mappings */
#define SLOT_BYTES	(256UL << 20)
#define ARENA		((char *)0x100000000000UL)
#define MAPPED		512	/* pages of a mapping: private copies of all must fit into memory */
#define BUFFER_PAGES	64

/* Frames that remain in the smallest pool: the pages in all pipes fit several times. */
#define LEAST_FRAMES	224

struct common {
	int stop;
	int failures;
	__u64 steps;
	__u64 slots_used;		/* at a time, at most */
	__u64 version[CHECKED];		/* seed of each page of the checker */
};

struct fuzzer {
	int number;
	__u64 state;
	__u64 steps;
	__u64 most;		/* steps; 0: until told to stop */
	int fd[FDS];
	int pipe[2];
	int other;		/* second disk, O_DIRECT */
	int file;		/* an ordinary file */
	char *buffer;		/* BUFFER_PAGES, and nothing behind */
	bool child;
};

extern struct common *common;
extern __u64 size_bytes;	/* of the device */
extern bool logging;

bool stopped(void);
void failure(const char *what, size_t page);

/* A call is told before it is made, with what it is called with, and after it. */
void __printf(2, 3) tell(struct fuzzer *f, const char *format, ...);
long told(long result);

#define CALL(f, call, format, ...)						\
	(tell(f, "%s " format, #call, ##__VA_ARGS__), told((long)(call)))

__u64 draw(struct fuzzer *f, __u64 below);

/* A number that is likely to be handled wrong, if any is. */
__u64 hostile(struct fuzzer *f);

/* A place in the device for calls that do not change it. */
__u64 anywhere(struct fuzzer *f);

/* A place that may be written from on: in the fuzzers' part, or outside the device. */
__u64 writable(struct fuzzer *f);

size_t some_bytes(struct fuzzer *f);
char *slot(struct fuzzer *f);

/* In a mapping, most likely. */
char *mapped(struct fuzzer *f);

/* Where a call may write to, and read from: memory, a mapping, or nothing good. */
void *memory(struct fuzzer *f);

/* A length of mapped memory: none that is valid reaches beyond the slot. */
size_t span(struct fuzzer *f);

int any_fd(struct fuzzer *f);
int fd_to_read(struct fuzzer *f);

/* The calls. */
void do_segment(struct fuzzer *f);
void do_open(struct fuzzer *f);
void do_ioctl(struct fuzzer *f);
void do_pagemap(struct fuzzer *f);
void do_info(struct fuzzer *f);
void do_read(struct fuzzer *f);
void do_write(struct fuzzer *f);
void do_fadvise(struct fuzzer *f);
void do_other_file_calls(struct fuzzer *f);
void do_splice(struct fuzzer *f);
void do_direct(struct fuzzer *f);
void do_setting(struct fuzzer *f);
void do_mmap(struct fuzzer *f);
void do_munmap(struct fuzzer *f);
void do_mremap(struct fuzzer *f);
void do_mprotect(struct fuzzer *f);
void do_madvise(struct fuzzer *f);
void do_other_memory_calls(struct fuzzer *f);
void do_touch(struct fuzzer *f);
void do_vm_access(struct fuzzer *f);
void do_userfaultfd(struct fuzzer *f);
void do_proc(struct fuzzer *f);

#endif /* VMDEMO_FUZZ_H */
