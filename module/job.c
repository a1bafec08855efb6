// SPDX-License-Identifier: GPL-2.0
/*
 * job.c - a worker does what waits for a disk and cannot be killed
 *
 * Some of what the block layer and the page cache do waits until a disk has answered, and no signal
 * ends that. A worker does it; the caller waits for the worker, and can be killed. The job goes on
 * then, and the later of the two frees what they shared. Unloading the module waits for all of
 * them: a worker runs our code. Each pool has a queue of its own.
 */
#include <linux/sched/signal.h>

#include "job.h"

struct vmdemo_jobs vmdemo_binding_jobs;

static void vmdemo_job_work(struct work_struct *work)
{
	struct vmdemo_job *job = container_of(work, struct vmdemo_job, work);

	job->err = job->run(job);
	/* After complete() it may be gone. */
	if (!atomic_xchg(&job->met, 1)) {
		complete(&job->done);
	} else {
		atomic_dec(&job->jobs->left);
		job->drop(job);
	}
}

/**
 * vmdemo_job_start - have something done
 * @jobs: those that wait for the same disk; must stay until vmdemo_jobs_exit() has ended
 * @job:  run() and drop() are set; must stay until it has ended
 *
 * Does not sleep. vmdemo_job_wait() is next.
 */
void vmdemo_job_start(struct vmdemo_jobs *jobs, struct vmdemo_job *job)
{
	job->jobs = jobs;
	job->brief = false;
	job->left = false;
	atomic_set(&job->met, 0);
	init_completion(&job->done);
	INIT_WORK(&job->work, vmdemo_job_work);
	queue_work(jobs->queue, &job->work);
}

/*
 * No signal reaches a task that exits, and a kernel thread gets none: these wait only a moment, so
 * that what usually takes less has happened when a process has gone; once somebody has waited in
 * vain, not even that. Nor do those that others wait for.
 */
static bool vmdemo_job_done(struct vmdemo_job *job)
{
	if (!job->brief && !(current->flags & (PF_EXITING | PF_KTHREAD)))
		return !wait_for_completion_killable(&job->done);
	return wait_for_completion_timeout(&job->done, atomic_read(&job->jobs->left) ? 1 : HZ);
}

/**
 * vmdemo_job_wait - wait for the end of a job
 * @job: the job
 *
 * Sleeps. Returns true: it has ended, and is the caller's again, with its result in err. False: the
 * caller was killed, or exits or is to be @job->brief, and has waited for long enough; the job is
 * no longer the caller's. It goes on, sees that in @job->left, with all that was done before, and
 * ends in drop().
 */
bool vmdemo_job_wait(struct vmdemo_job *job)
{
	if (vmdemo_job_done(job))
		return true;
	WRITE_ONCE(job->left, true);
	atomic_inc(&job->jobs->left);
	if (!atomic_xchg(&job->met, 1))
		return false;
	/* It has ended just now. */
	atomic_dec(&job->jobs->left);
	wait_for_completion(&job->done);
	return true;
}

/**
 * vmdemo_jobs_init - before there are any jobs
 * @jobs: to set up
 *
 * May sleep. Returns 0 or -ENOMEM.
 */
int vmdemo_jobs_init(struct vmdemo_jobs *jobs)
{
	atomic_set(&jobs->left, 0);
	jobs->queue = alloc_workqueue("vmdemo_jobs", WQ_UNBOUND, WQ_MAX_ACTIVE);
	return jobs->queue ? 0 : -ENOMEM;
}

/**
 * vmdemo_jobs_exit - undo vmdemo_jobs_init()
 * @jobs: as before
 *
 * Waits for all of them, as long as their disks take.
 */
void vmdemo_jobs_exit(struct vmdemo_jobs *jobs)
{
	destroy_workqueue(jobs->queue);
}
