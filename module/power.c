// SPDX-License-Identifier: GPL-2.0
/*
 * power.c - the machine goes down, or to sleep: what programs wrote must not be lost
 *
 * A disk that does not answer must not keep the machine up either. Each device is synced by a
 * thread of its own, all at the same time. One that is not done after VMDEMO_STALL is killed, which
 * ends its wait as it ends that of any fsync, and the log says what was not written. So a shutdown
 * waits for a bounded time, and not for locks or I/O of ours.
 *
 * While the machine sleeps nothing of ours writes: the flusher and the reclaim thread are frozen.
 */
#include <linux/kthread.h>
#include <linux/reboot.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/suspend.h>

#include "device.h"
#include "entry.h"
#include "writeback.h"

/* The thread that syncs a device. */
struct vmdemo_syncer {
	struct vmdemo_device *device;
	struct task_struct *thread;	/* NULL: none; with a reference */
	struct completion done;
	int err;			/* valid when done */
};

static struct vmdemo_syncer *vmdemo_syncers;
static unsigned int vmdemo_nr_syncers;
/* One sync of all at a time; held for a bounded time. */
static DEFINE_MUTEX(vmdemo_power_lock);

static int vmdemo_power_thread(void *data)
{
	struct vmdemo_syncer *syncer = data;
	struct vmdemo_device *device = syncer->device;
	int err;

	allow_signal(SIGKILL);
	/* Nobody takes the disk away meanwhile. */
	err = vmdemo_device_open(device);
	if (!err) {
		err = vmdemo_device_sync(device, 0, U64_MAX);
		vmdemo_device_release(device);
	} else if (err == -ENXIO || err == -ENODEV) {
		err = 0;
	}
	syncer->err = err;
	complete(&syncer->done);
	return 0;
}

static void vmdemo_power_start(struct vmdemo_syncer *syncer)
{
	struct task_struct *thread;

	/* The last one is held up where no signal reaches it: in the queue of a disk that hangs. */
	if (syncer->thread)
		return;
	init_completion(&syncer->done);
	thread = kthread_create(vmdemo_power_thread, syncer, "vmdemo_sync");
	if (IS_ERR(thread)) {
		syncer->err = PTR_ERR(thread);
		complete(&syncer->done);
		return;
	}
	syncer->thread = get_task_struct(thread);
	wake_up_process(thread);
}

/* The thread has ended, or will in a moment. */
static void vmdemo_power_reap(struct vmdemo_syncer *syncer)
{
	if (!syncer->thread)
		return;
	kthread_stop(syncer->thread);
	put_task_struct(syncer->thread);
	syncer->thread = NULL;
}

/* Wait for the sync of a device up to @until, end it then, and tell what it has not done. */
static void vmdemo_power_finish(struct vmdemo_syncer *syncer, unsigned long until, bool down)
{
	struct vmdemo_device *device = syncer->device;
	long left = max_t(long, until - jiffies, 1);
	int err = -ETIMEDOUT;

	if (!wait_for_completion_timeout(&syncer->done, left)) {
		send_sig(SIGKILL, syncer->thread, 1);
		left = wait_for_completion_timeout(&syncer->done, HZ);
	}
	if (left) {
		vmdemo_power_reap(syncer);
		err = syncer->err == -EINTR ? -ETIMEDOUT : syncer->err;
	}
	if (err)
		dev_err(&device->dev, "%s: %d pages not written, the disk's cache not flushed: error %d\n",
			down ? "lost when the machine goes down" : "before the machine sleeps",
			atomic_read(&device->pool->nr_unwritten), err);
}

/* Sync all devices, in no more than VMDEMO_STALL and a moment for each that hangs. */
static void vmdemo_power_sync(bool down)
{
	unsigned long until = jiffies + VMDEMO_STALL;
	unsigned int i;

	mutex_lock(&vmdemo_power_lock);
	for (i = 0; i < vmdemo_nr_syncers; i++)
		vmdemo_power_start(&vmdemo_syncers[i]);
	for (i = 0; i < vmdemo_nr_syncers; i++)
		vmdemo_power_finish(&vmdemo_syncers[i], until, down);
	mutex_unlock(&vmdemo_power_lock);
}

static int vmdemo_power_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	vmdemo_power_sync(true);
	return NOTIFY_DONE;
}

static struct notifier_block vmdemo_power_reboot_nb = {
	.notifier_call = vmdemo_power_reboot,
};

/* As the kernel does with file systems then: the machine may not wake up again. */
static int vmdemo_power_sleep(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action == PM_SUSPEND_PREPARE || action == PM_HIBERNATION_PREPARE ||
	    action == PM_RESTORE_PREPARE)
		vmdemo_power_sync(false);
	return NOTIFY_DONE;
}

static struct notifier_block vmdemo_power_sleep_nb = {
	.notifier_call = vmdemo_power_sleep,
};

/**
 * vmdemo_power_init - look after devices when the machine goes down, or to sleep
 * @devices: an array of them, which must stay until vmdemo_power_exit()
 * @nr:      how many
 *
 * May sleep. Returns 0 or -ENOMEM.
 */
int vmdemo_power_init(struct vmdemo_device **devices, unsigned int nr)
{
	unsigned int i;
	int err;

	vmdemo_syncers = kcalloc(nr, sizeof(*vmdemo_syncers), GFP_KERNEL);
	if (!vmdemo_syncers)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		vmdemo_syncers[i].device = devices[i];
	vmdemo_nr_syncers = nr;
	err = register_reboot_notifier(&vmdemo_power_reboot_nb);
	if (err)
		goto err_syncers;
	err = register_pm_notifier(&vmdemo_power_sleep_nb);
	if (err)
		goto err_reboot;
	return 0;

err_reboot:
	unregister_reboot_notifier(&vmdemo_power_reboot_nb);
err_syncers:
	kfree(vmdemo_syncers);
	return err;
}

/**
 * vmdemo_power_exit - undo vmdemo_power_init()
 *
 * Sleeps; if the machine has not gone down after all, for as long as a thread is still held up.
 */
void vmdemo_power_exit(void)
{
	unsigned int i;

	unregister_pm_notifier(&vmdemo_power_sleep_nb);
	unregister_reboot_notifier(&vmdemo_power_reboot_nb);
	for (i = 0; i < vmdemo_nr_syncers; i++)
		vmdemo_power_reap(&vmdemo_syncers[i]);
	kfree(vmdemo_syncers);
}
