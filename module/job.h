/* SPDX-License-Identifier: GPL-2.0 */
/*
 * job.h - a worker does what waits for a disk and cannot be killed
 */
#ifndef VMDEMO_JOB_H
#define VMDEMO_JOB_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/workqueue.h>

/* Jobs that wait for the same disks, and those of other disks do not wait for them. */
struct vmdemo_jobs {
	struct workqueue_struct *queue;
	atomic_t left;			/* whose waiters have gone */
};

/* Those of no pool: of devices that are about to be bound. */
extern struct vmdemo_jobs vmdemo_binding_jobs;

/* Something to do, part of what it is done to. */
struct vmdemo_job {
	int (*run)(struct vmdemo_job *job);
	void (*drop)(struct vmdemo_job *job);	/* nobody waits any more: it ends here */
	bool brief;			/* is not waited for long: set before the wait */
	bool left;			/* the waiter has gone */
	int err;			/* what run() has returned */
	/* private */
	struct vmdemo_jobs *jobs;
	struct work_struct work;
	struct completion done;
	atomic_t met;			/* one of the two has finished */
};

void vmdemo_job_start(struct vmdemo_jobs *jobs, struct vmdemo_job *job);
bool vmdemo_job_wait(struct vmdemo_job *job);

int vmdemo_jobs_init(struct vmdemo_jobs *jobs);
void vmdemo_jobs_exit(struct vmdemo_jobs *jobs);

#endif /* VMDEMO_JOB_H */
