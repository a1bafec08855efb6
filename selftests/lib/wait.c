// SPDX-License-Identifier: GPL-2.0
/*
 * wait.c - processes that wait for a disk, and are killed; see wait.h
 */
#include <linux/falloc.h>

#include "faulty.h"
#include "wait.h"

#define MOST_WAITS	12

void in_fault(const struct wait *wait)
{
	vt_try_read(wait->mem + wait->page * VT_PAGE, NULL);
}

void in_store(const struct wait *wait)
{
	vt_try_write(wait->mem + wait->page * VT_PAGE, NULL);
}

void in_pread(const struct wait *wait)
{
	char byte;

	pread(wait->fd, &byte, 1, wait->page * VT_PAGE);
}

/* Part of a page: the rest has to be read, or what is being written may not change. */
void in_pwrite(const struct wait *wait)
{
	char byte = 0;

	pwrite(wait->fd, &byte, 1, wait->page * VT_PAGE + 7);
}

void in_fsync(const struct wait *wait)
{
	fsync(wait->fd);
}

void in_msync(const struct wait *wait)
{
	msync(wait->mem + wait->page * VT_PAGE, VT_PAGE, MS_SYNC);
}

void in_detach(const struct wait *wait)
{
	(void)wait;
	vt_set("backing", "none");
}

void in_abandon(const struct wait *wait)
{
	(void)wait;
	vt_set("backing", "abandon");
}

void in_attach(const struct wait *wait)
{
	(void)wait;
	vt_set("backing", FAULTY_DISK);
}

void in_swapoff(const struct wait *wait)
{
	(void)wait;
	vt_set("swap", "none");
}

void in_evict(const struct wait *wait)
{
	vt_range(wait->fd, VMDEMO_IOC_EVICT, wait->page, 1, NULL);
}

void in_dontneed(const struct wait *wait)
{
	posix_fadvise(wait->fd, wait->page * VT_PAGE, VT_PAGE, POSIX_FADV_DONTNEED);
}

/* This page, which is being written, and the one behind it. */
void in_discard(const struct wait *wait)
{
	vt_range(wait->fd, VMDEMO_IOC_DISCARD, wait->page, 2, NULL);
}

void in_punch(const struct wait *wait)
{
	fallocate(wait->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, wait->page * VT_PAGE,
		  2 * VT_PAGE);
}

void in_seek(const struct wait *wait)
{
	lseek(wait->fd, 0, SEEK_DATA);
}

/* The first segment loses all its pages. */
void in_limit(const struct wait *wait)
{
	struct vmdemo_segment_limit limit = {};

	ioctl(wait->fd, VMDEMO_IOC_LIMIT, &limit);
}

pid_t start_waiting(const struct wait *wait)
{
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	if (!pid) {
		wait->in(wait);
		_exit(0);
	}
	return pid;
}

bool becomes(int fd, size_t page, enum vmdemo_page_state state)
{
	__u64 deadline = vt_now_ms() + 20000;

	while (vt_page(fd, page).state != state) {
		if (vt_now_ms() > deadline)
			return false;
		vt_nap(5);
	}
	return true;
}

bool dies_at_once(pid_t pid)
{
	kill(pid, SIGKILL);
	return vt_ends_within(pid, 3000, NULL);
}

bool all_wait_killably(const struct wait *waits, int nr)
{
	pid_t pid[MOST_WAITS];
	bool right = true;
	int i;

	for (i = 0; i < nr; i++)
		pid[i] = start_waiting(&waits[i]);
	vt_nap(500);
	for (i = nr - 1; i >= 0; i--) {
		if (waitpid(pid[i], NULL, WNOHANG)) {
			printf("# number %d does not wait\n", i);
			right = false;
		}
		if (!dies_at_once(pid[i])) {
			printf("# number %d does not die\n", i);
			vt_shell("sed 's/^/# /' /proc/%d/stack", pid[i]);
			right = false;
		}
	}
	return right;
}
