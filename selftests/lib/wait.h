/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wait.h - processes that wait for a disk that does not answer, and have to die of SIGKILL
 */
#ifndef VMDEMO_WAIT_H
#define VMDEMO_WAIT_H

#include "vmdemo_test.h"

/* What a process can wait for; each returns when the wait has ended. */
struct wait {
	void (*in)(const struct wait *wait);
	char *mem;
	int fd;
	size_t page;
};

void in_fault(const struct wait *wait);
void in_store(const struct wait *wait);
void in_pread(const struct wait *wait);
void in_pwrite(const struct wait *wait);
void in_fsync(const struct wait *wait);
void in_msync(const struct wait *wait);
void in_detach(const struct wait *wait);
void in_abandon(const struct wait *wait);
void in_attach(const struct wait *wait);
void in_swapoff(const struct wait *wait);
void in_evict(const struct wait *wait);
void in_dontneed(const struct wait *wait);
void in_discard(const struct wait *wait);
void in_punch(const struct wait *wait);
void in_seek(const struct wait *wait);
void in_limit(const struct wait *wait);

pid_t start_waiting(const struct wait *wait);

/*
 * Wait until a page is being read or written: by somebody who has to wait for that, as the disk
 * does not answer.
 */
bool becomes(int fd, size_t page, enum vmdemo_page_state state);

/* Send SIGKILL; true if the process ends long before anything else would end its wait. */
bool dies_at_once(pid_t pid);

/*
 * One process for each: half a second later all are still waiting. The last is killed first. Tells
 * which does not wait, or does not die.
 */
bool all_wait_killably(const struct wait *waits, int nr);

#endif /* VMDEMO_WAIT_H */
