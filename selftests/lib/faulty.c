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

/* All pages are right again. */
void heal(void)
{
	dm_reload(DM, "0 %llu linear %s 0", lower_sectors, lower);
}

/* These pages fail, not those before and behind; first is not 0. */
void break_pages(size_t first, size_t pages)
{
	__u64 start = first * 8, end = (first + pages) * 8;

	dm_reload(DM, "0 %llu linear %s 0\n%llu %llu error\n%llu %llu linear %s %llu", start, lower,
		  start, end - start, end, lower_sectors - end, lower, end);
}

void break_all(void)
{
	dm_reload(DM, "0 %llu error", lower_sectors);
}

/* Writes go to @disk, and with @reads reads too, but only after @ms milliseconds. */
void slow_down(const char *disk, unsigned int ms, bool reads)
{
	char at_once[280];

	if (!dm_has("delay"))
		vt_skip("there is no dm-delay");
	snprintf(at_once, sizeof(at_once), "%s 0 0 ", lower);
	dm_reload(DM, "0 %llu delay %s%s 0 %u", lower_sectors, reads ? "" : at_once, disk, ms);
}

/* Writes fail, and with @reads reads too, but only after @ms milliseconds. */
void break_slowly(unsigned int ms, bool reads)
{
	dm_create(DM_DEAD, 0, "0 %llu error", lower_sectors);
	slow_down(DM_PATH(DM_DEAD), ms, reads);
}

/*
 * The device has a write cache, which is there to be flushed: that of dm-log-writes, for RAM disks
 * have none. With @fails writes fail, and flushes.
 */
void have_write_cache(bool fails)
{
	if (!dm_exists(DM_CACHE)) {
		if (!dm_has("log-writes") || !dm_has("flakey"))
			vt_skip("there is no dm-log-writes, or no dm-flakey");
		dm_create(DM_CACHE, 0, "0 %llu log-writes %s %s", lower_sectors, lower, vt_disk2());
	}
	dm_reload(DM, "0 %llu %s " DM_PATH(DM_CACHE) " 0 %s", lower_sectors,
		  fails ? "flakey" : "linear", fails ? "0 1000 1 error_writes" : "");
}

/* The device takes requests and does not answer; it answers them all after answer(). */
void silence(void)
{
	if (!dm_suspend(DM))
		vt_fail(DM " does not stand still");
}

void answer(void)
{
	if (!dm_resume(DM))
		vt_fail(DM " does not go on");
}

/* A test that failed may have left module and device in any state. */
void clear_away(void)
{
	if (dm_exists(DM)) {
		setenv("VMDEMO_TEST_DISK", FAULTY_DISK, 1);
		heal();
		vt_stop();
		dm_remove(DM);
	}
	dm_remove(DM_DEAD);
	dm_remove(DM_CACHE);
}

void put_between(size_t pages, __u64 seed)
{
	__u64 bytes;
	int disk;

	if (!dm_has("linear"))
		vt_skip("there is no device mapper");
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
	dm_create(DM, 0, "0 %llu linear %s 0", lower_sectors, lower);
	setenv("VMDEMO_TEST_DISK", FAULTY_DISK, 1);
}
