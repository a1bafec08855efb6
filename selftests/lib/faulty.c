// SPDX-License-Identifier: GPL-2.0
/*
 * faulty.c - a disk that refuses, is slow, or does not answer, as it is told; see faulty.h
 */
#include <linux/fs.h>

#include "faulty.h"

#define DM	FAULTY_NAME
#define DM_DEAD	DM "-dead"
#define DM_CACHE	DM "-cache"

char lower[256];
static __u64 lower_sectors;

/* Without udev dmsetup has to be told to make the node. */
static void make_device(const char *name, const char *table)
{
	if (!vt_shell("dmsetup create %s --table '%s' && dmsetup mknodes %s", name, table, name))
		vt_fail("dmsetup does not create %s", name);
}

static const char *node(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	return path;
}

/* By its node: on a debug kernel, asking dmsetup takes longer than many a test. */
static bool exists(const char *name)
{
	return !access(node(name), F_OK);
}

static void remove_device(const char *name)
{
	if (exists(name) && vt_shell("dmsetup remove --retry %s", name))
		unlink(node(name));
}

static void set_table(const char *table)
{
	if (!vt_shell("dmsetup reload " DM " <<END\n%s\nEND\ndmsetup resume --nolockfs " DM, table))
		vt_fail("dmsetup does not take the table: %s", table);
}

/* All pages are right again. */
void heal(void)
{
	char table[512];

	snprintf(table, sizeof(table), "0 %llu linear %s 0", lower_sectors, lower);
	set_table(table);
}

/* These pages fail, not those before and behind; first is not 0. */
void break_pages(size_t first, size_t pages)
{
	__u64 start = first * 8, end = (first + pages) * 8;
	char table[1024];

	snprintf(table, sizeof(table),
		 "0 %llu linear %s 0\n%llu %llu error\n%llu %llu linear %s %llu",
		 start, lower, start, end - start, end, lower_sectors - end, lower, end);
	set_table(table);
}

void break_all(void)
{
	char table[128];

	snprintf(table, sizeof(table), "0 %llu error", lower_sectors);
	set_table(table);
}

/* Writes go to @disk, and with @reads reads too, but only after @ms milliseconds. */
void slow_down(const char *disk, unsigned int ms, bool reads)
{
	char table[640], at_once[280];

	if (!vt_shell("modprobe dm-delay"))
		vt_skip("there is no dm-delay");
	snprintf(at_once, sizeof(at_once), "%s 0 0 ", lower);
	snprintf(table, sizeof(table), "0 %llu delay %s%s 0 %u", lower_sectors,
		 reads ? "" : at_once, disk, ms);
	set_table(table);
}

/* Writes fail, and with @reads reads too, but only after @ms milliseconds. */
void break_slowly(unsigned int ms, bool reads)
{
	char dead[64];

	snprintf(dead, sizeof(dead), "0 %llu error", lower_sectors);
	make_device(DM_DEAD, dead);
	slow_down("/dev/mapper/" DM_DEAD, ms, reads);
}

/*
 * The device has a write cache, which is there to be flushed: that of dm-log-writes, for RAM disks
 * have none. With @fails writes fail, and flushes.
 */
void have_write_cache(bool fails)
{
	char table[512];

	if (!exists(DM_CACHE)) {
		if (!vt_shell("modprobe dm-log-writes && modprobe dm-flakey"))
			vt_skip("there is no dm-log-writes, or no dm-flakey");
		snprintf(table, sizeof(table), "0 %llu log-writes %s %s", lower_sectors, lower,
			 vt_disk2());
		make_device(DM_CACHE, table);
	}
	snprintf(table, sizeof(table), "0 %llu %s /dev/mapper/" DM_CACHE " 0 %s", lower_sectors,
		 fails ? "flakey" : "linear", fails ? "0 1000 1 error_writes" : "");
	set_table(table);
}

/* The device takes requests and does not answer; it answers them all after answer(). */
void silence(void)
{
	if (!vt_shell("dmsetup suspend --noflush --nolockfs " DM))
		vt_fail("dmsetup suspend fails");
}

void answer(void)
{
	if (!vt_shell("dmsetup resume " DM))
		vt_fail("dmsetup resume fails");
}

/* A test that failed may have left module and device in any state. */
void clear_away(void)
{
	if (exists(DM)) {
		setenv("VMDEMO_TEST_DISK", FAULTY_DISK, 1);
		heal();
		vt_stop();
		remove_device(DM);
	}
	remove_device(DM_DEAD);
	remove_device(DM_CACHE);
}

void put_between(size_t pages, __u64 seed)
{
	char table[512];
	__u64 bytes;
	int disk;

	if (!exists("control") && !vt_shell("modprobe dm-mod; dmsetup version >/dev/null"))
		vt_skip("the device mapper or dmsetup is missing");
	snprintf(lower, sizeof(lower), "%s", vt_disk());
	disk = open(lower, O_RDONLY);
	if (disk < 0 || ioctl(disk, BLKGETSIZE64, &bytes))
		vt_fail("%s: %s", lower, strerror(errno));
	close(disk);
	lower_sectors = bytes / 4096 * 8;
	clear_away();
	setenv("VMDEMO_TEST_DISK", lower, 1);
	vt_stop();
	vt_disk_fill(lower, 0, pages, seed);
	snprintf(table, sizeof(table), "0 %llu linear %s 0", lower_sectors, lower);
	make_device(DM, table);
	setenv("VMDEMO_TEST_DISK", FAULTY_DISK, 1);
}
