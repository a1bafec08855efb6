// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - module parameters, the devices, init and exit
 */
#include <linux/module.h>

#include "device.h"
#include "entry.h"
#include "job.h"
#include "latency.h"
#include "registry.h"

#define VMDEMO_MAX_DEVICES	16

static unsigned int num_devices = 1;
module_param(num_devices, uint, 0444);
MODULE_PARM_DESC(num_devices, "Number of devices (1-16, default 1)");

static char *backing[VMDEMO_MAX_DEVICES];
static unsigned int num_backing;
module_param_array(backing, charp, &num_backing, 0444);
MODULE_PARM_DESC(backing, "Backing block device, one per device, separated by commas");

static char *swap[VMDEMO_MAX_DEVICES];
static unsigned int num_swap;
module_param_array(swap, charp, &num_swap, 0444);
MODULE_PARM_DESC(swap, "Block device to swap to, one per device, separated by commas");

static unsigned int frames[VMDEMO_MAX_DEVICES];
static unsigned int num_frames;
module_param_array(frames, uint, &num_frames, 0444);
MODULE_PARM_DESC(frames, "Page frames in the pool, one number per device (default 1024 each)");

static struct vmdemo_device *vmdemo_devices[VMDEMO_MAX_DEVICES];
static dev_t vmdemo_devt;

static struct class vmdemo_class = {
	.name		= "vmdemo",
	.dev_groups	= vmdemo_sysfs_groups,
};

/* Nobody can open the device any more, and nobody has it open. */
static void vmdemo_destroy(unsigned int id)
{
	vmdemo_device_leave(vmdemo_devices[id]);
	vmdemo_device_destroy(vmdemo_devices[id]);
}

/*
 * The error for a disk that is refused when the module is loaded. insmod takes some errors for the
 * loader's own: ENOENT is "Unknown symbol in module" to it, ENOEXEC and ESRCH are of that kind, and
 * modprobe takes EEXIST for success.
 */
static int vmdemo_load_error(int err)
{
	return err == -ENOENT || err == -ENOEXEC || err == -ESRCH || err == -EEXIST ? -ENXIO : err;
}

static int vmdemo_create(unsigned int id)
{
	struct vmdemo_device *device;
	int err;

	device = vmdemo_device_create(id, id < num_frames ? frames[id] : 1024);
	if (IS_ERR(device)) {
		pr_err("vmdemo: device %u with frames=%u: error %ld\n", id,
		       id < num_frames ? frames[id] : 1024, PTR_ERR(device));
		return PTR_ERR(device);
	}
	device->dev.class = &vmdemo_class;
	device->dev.devt = vmdemo_devt + id;
	cdev_init(&device->cdev, &vmdemo_chardev_fops);
	device->cdev.owner = THIS_MODULE;
	if (id)
		err = dev_set_name(&device->dev, "vmdemo%u", id);
	else
		err = dev_set_name(&device->dev, "vmdemo");
	if (err)
		goto err_device;
	if (id < num_backing && *backing[id]) {
		err = vmdemo_device_bind(device, backing[id]);
		if (err) {
			pr_err("vmdemo: not loaded with backing=%s\n", backing[id]);
			goto err_device;
		}
	}
	if (id < num_swap && *swap[id]) {
		err = vmdemo_device_bind_swap(device, swap[id]);
		if (err) {
			pr_err("vmdemo: not loaded with swap=%s\n", swap[id]);
			vmdemo_device_leave(device);
			goto err_device;
		}
	}
	vmdemo_devices[id] = device;
	return 0;

err_device:
	vmdemo_device_destroy(device);
	return vmdemo_load_error(err);
}

/* Let user space see all devices; only when all are there may any be opened. */
static int vmdemo_publish(void)
{
	unsigned int id;
	int err;

	for (id = 0; id < num_devices; id++) {
		struct vmdemo_device *device = vmdemo_devices[id];

		err = cdev_device_add(&device->cdev, &device->dev);
		if (err)
			goto err_devices;
		dev_info(&device->dev, "%u frames, backing %s\n",
			 READ_ONCE(device->pool->nr_frames), device->backing.path ?: "none");
	}
	err = vmdemo_mounts_init(vmdemo_devices, num_devices);
	if (err)
		goto err_devices;
	vmdemo_latency_init();
	for (id = 0; id < num_devices; id++) {
		struct vmdemo_device *device = vmdemo_devices[id];

		vmdemo_latency_publish(device->pool, dev_name(&device->dev));
		vmdemo_device_set_live(device);
	}
	return 0;

err_devices:
	while (id--)
		cdev_device_del(&vmdemo_devices[id]->cdev, &vmdemo_devices[id]->dev);
	return err;
}

static int __init vmdemo_init(void)
{
	unsigned int id;
	int err;

	if (!num_devices || num_devices > VMDEMO_MAX_DEVICES || num_backing > num_devices ||
	    num_frames > num_devices || num_swap > num_devices) {
		pr_err("vmdemo: num_devices is 1-%u, and no list may be longer\n",
		       VMDEMO_MAX_DEVICES);
		return -EINVAL;
	}
	vmdemo_registry_init();
	err = vmdemo_jobs_init(&vmdemo_binding_jobs);
	if (err)
		return err;
	err = vmdemo_spaces_init();
	if (err)
		goto err_jobs;
	err = alloc_chrdev_region(&vmdemo_devt, 0, num_devices, "vmdemo");
	if (err)
		goto err_spaces;
	err = class_register(&vmdemo_class);
	if (err)
		goto err_region;
	for (id = 0; id < num_devices; id++) {
		err = vmdemo_create(id);
		if (err)
			goto err_devices;
	}
	err = vmdemo_power_init(vmdemo_devices, num_devices);
	if (err)
		goto err_devices;
	err = vmdemo_publish();
	if (err)
		goto err_power;
	return 0;

err_power:
	vmdemo_power_exit();
err_devices:
	while (id--)
		vmdemo_destroy(id);
	class_unregister(&vmdemo_class);
err_region:
	unregister_chrdev_region(vmdemo_devt, num_devices);
err_spaces:
	vmdemo_spaces_exit();
err_jobs:
	vmdemo_jobs_exit(&vmdemo_binding_jobs);
	return err;
}

static void __exit vmdemo_exit(void)
{
	unsigned int id;

	vmdemo_mounts_exit();
	/* No new opens and no attributes after this; open files keep the module from leaving. */
	for (id = 0; id < num_devices; id++)
		cdev_device_del(&vmdemo_devices[id]->cdev, &vmdemo_devices[id]->dev);
	vmdemo_latency_exit();
	vmdemo_power_exit();
	for (id = 0; id < num_devices; id++)
		vmdemo_destroy(id);
	class_unregister(&vmdemo_class);
	unregister_chrdev_region(vmdemo_devt, num_devices);
	vmdemo_spaces_exit();
	vmdemo_jobs_exit(&vmdemo_binding_jobs);
}

module_init(vmdemo_init);
module_exit(vmdemo_exit);

MODULE_DESCRIPTION("Demand-paged virtual memory over a block device");
MODULE_AUTHOR("The vmdemo developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(VMDEMO_VERSION);
