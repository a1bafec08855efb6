/* SPDX-License-Identifier: GPL-2.0 */
/*
 * job.h - a worker does what waits for a disk and cannot be killed
 */
#ifndef VMDEMO_JOB_H
#define VMDEMO_JOB_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/workqueue.h>

/* Something to do, part of what it is done to. */
struct vmdemo_job {
	int (*run)(struct vmdemo_job *job);
	void (*drop)(struct vmdemo_job *job);	/* nobody waits any more: it ends here */
	bool brief;			/* is not waited for long: set before the wait */
	bool left;			/* the waiter has gone */
	int err;			/* what run() has returned */
	/* private */
	struct work_struct work;
	struct completion done;
	atomic_t met;			/* one of the two has finished */
};

void vmdemo_job_start(struct vmdemo_job *job);
bool vmdemo_job_wait(struct vmdemo_job *job);

int vmdemo_jobs_init(void);
void vmdemo_jobs_exit(void);

#endif /* VMDEMO_JOB_H */
