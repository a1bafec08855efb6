/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmdemo_test.h - what the tests share: loading the module, its counters, patterns, signals
 *
 * Every test loads the module afresh, so all counters start at zero and all settings at their
 * defaults. The helpers end the test, saying why, when something fails that is not the test's
 * subject; vt_try_* and vt_set() return 0 or -errno instead, for tests whose subject it is.
 *
 * The tests overwrite their disks. These are RAM disks (brd), unless the environment names others:
 * VMDEMO_TEST_DISK, VMDEMO_TEST_DISK2, VMDEMO_TEST_DISK3. VMDEMO_KO is the module's file; without
 * it modprobe finds the module. A module that is in use with other disks is left alone.
 */
#ifndef VMDEMO_TEST_H
#define VMDEMO_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "../../uapi/vmdemo.h"

/*
 * An emulated processor, shared with others, is slow: this ends what hangs, nothing else. It counts
 * if the harness is included before this file.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	600

/* The page of the kernel that the tests are built for. */
#define VT_PAGE		((size_t)VMDEMO_TEST_PAGE)
/* Machine code: return 42 */
#ifdef __aarch64__
#define VT_RETURN_42	"\x40\x05\x80\x52\xc0\x03\x5f\xd6"
#else
#define VT_RETURN_42	"\xb8\x2a\0\0\0\xc3"
#endif
#define VT_DEV		"/dev/vmdemo"
#define VT_CLASS	"/sys/class/vmdemo/"
#define VT_RW		(PROT_READ | PROT_WRITE)

/* End the test: it failed, or something is missing that it needs. */
void __noreturn __printf(1, 2) vt_fail(const char *format, ...);
void __noreturn __printf(1, 2) vt_skip(const char *format, ...);

/* The disk to bind and, where a test needs more, others. Each holds 16,384 pages or more. */
const char *vt_disk(void);
const char *vt_disk2(void);
const char *vt_disk3(void);

/*
 * vt_stop() unloads the module: before the disks are filled, or what is dirty would be written over
 * it. vt_load() calls it first. Parameters are as for insmod.
 */
void vt_stop(void);
void __printf(1, 2) vt_load(const char *format, ...);
int vt_try_load(const char *params);
int vt_try_unload(void);
bool vt_loaded(void);

/* The usual start: the module with vt_disk() and this many frames, no readahead. */
void vt_start(unsigned int frames);

/* Attributes of /dev/vmdemo, or with "../vmdemo1/" before the name of another device. */
int __printf(2, 3) vt_set(const char *name, const char *format, ...);
const char *vt_show(const char *name);
/* All policies. Is it the one in brackets? The attribute lists all of them, in this order. */
extern const char *const vt_policies[];
extern const int vt_nr_policies;
bool vt_policy_is(const char *name);
__u64 vt_get(const char *name);
__u64 vt_stat(const char *name);

/* Wait, under a timeout in seconds, until a counter or gauge is what it should become. */
bool vt_wait_stat(const char *name, __u64 least, __u64 most, int seconds);
__u64 vt_now_ms(void);
void vt_nap(unsigned int ms);

/* The kernel log from now on; does it hold these words since it was opened, or looked at last? */
int vt_log_open(void);
bool __printf(2, 3) vt_log_says(int log, const char *format, ...);

/* Run a shell command; false if it fails. */
bool __printf(1, 2) vt_shell(const char *format, ...);

/* Read a byte, whatever it is. */
static inline void vt_touch(const char *from)
{
	__asm__ __volatile__("" : : "r"(*from));
}

int vt_open(int flags);
char *vt_map(int fd, size_t first, size_t pages, int prot, int flags);

/* Contents that tell seed, page and place of every word. vt_check() returns the first bad one. */
__u64 vt_word(__u64 page, __u64 seed, unsigned int i);
void vt_fill(void *buffer, __u64 page, __u64 seed);
long vt_check(const void *buffer, __u64 page, __u64 seed);
bool vt_is_zero(const void *buffer);

/* The same on a disk itself, around the page cache. */
void vt_disk_fill(const char *disk, size_t first, size_t pages, __u64 seed);
void vt_disk_read(const char *disk, size_t page, void *buffer);
bool vt_disk_check(const char *disk, size_t first, size_t pages, __u64 seed);
void *vt_buffer(size_t pages);

/* Touch a byte; 0, or the signal, with its code and address in *info if that is not NULL. */
int vt_try_read(const void *address, siginfo_t *info);
int vt_try_write(void *address, siginfo_t *info);

/* ioctls: 0 or -errno */
int vt_range(int fd, unsigned long request, size_t first, size_t pages, __u64 *acted_on);
struct vmdemo_page vt_page(int fd, size_t page);
int vt_pagemap(int fd, size_t first, size_t pages, struct vmdemo_page *map);
bool vt_resident(int fd, size_t page);
size_t vt_count_resident(int fd, size_t first, size_t pages);

/* Read every page of a mapping that starts at page 'first'; the number of wrong ones. */
size_t vt_count_bad(const char *map, size_t first, size_t pages, __u64 seed);

/* Wait for a child; 0 if it ended well. */
int vt_reap(pid_t pid);

/*
 * Wait for a child for this long, but count our own naps instead of looking at a clock: when the
 * machine is too busy to run it, it is too busy to run us. True if it has ended.
 */
bool vt_ends_within(pid_t pid, unsigned int ms, int *status);

/* Does a process come to wait where a signal does not wake it, but perhaps SIGKILL? Up to 20 s. */
bool vt_comes_to_wait(pid_t pid);

/* The accounts that must balance when nothing moves, which is waited for; tells which do not. */
bool vt_balanced(void);

/* Kilobytes of the machine's memory that are free, when nothing is on its way to be. */
long vt_memory_free(void);

/* A small generator, so that tests repeat. */
__u64 vt_random(__u64 *state);

#endif /* VMDEMO_TEST_H */
