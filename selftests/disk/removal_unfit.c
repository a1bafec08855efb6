// SPDX-License-Identifier: GPL-2.0
/*
 * removal_unfit.c - a disk with bad blocks, or zoned, or with something on it
 *
 * The first two are null_blk.
 */
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "removal.h"

#define NULLB	"/sys/kernel/config/nullb/nullb0"

/* ---- a disk with bad blocks ---- */

FIXTURE(badblocks) {
	struct work work;
};

static void mark(char how, size_t first, size_t pages)
{
	if (!vt_shell("echo %c%zu-%zu >" NULLB "/badblocks", how, first * 8,
		      (first + pages) * 8 - 1))
		vt_fail("null_blk does not take bad blocks");
}

FIXTURE_SETUP(badblocks)
{
	unload();
	if (!vt_shell("modprobe null_blk nr_devices=0"))
		vt_skip("there is no null_blk");
	mount("configfs", "/sys/kernel/config", "configfs", 0, NULL);
	if (!vt_shell("mkdir " NULLB) || !vt_shell("echo 64 >" NULLB "/size") ||
	    !vt_shell("echo 1 >" NULLB "/memory_backed") ||
	    !vt_shell("echo 1 >" NULLB "/power"))
		vt_fail("null_blk makes no disk");
	use_disk("/dev/nullb0");
	work_init(&self->work, VT_DEV, 0, PAGES, SEED, WORKERS);
}

FIXTURE_TEARDOWN(badblocks)
{
	work_free(&self->work);
	unload();
	EXPECT_TRUE(vt_shell("rmdir " NULLB));
	unsetenv("VMDEMO_TEST_DISK");
}

/* Only the pages on bad blocks fail; they are right when the blocks are. */
TEST_F(badblocks, pages)
{
	char *buffer = vt_buffer(1), *mem;
	int fd = vt_open(O_RDWR);
	size_t i;

	mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	mark('+', 10, 1);
	for (i = 0; i < 30; i++) {
		EXPECT_EQ(vt_try_read(mem + i * VT_PAGE, NULL), i == 10 ? SIGBUS : 0);
		EXPECT_EQ(pread(fd, buffer, VT_PAGE, i * VT_PAGE), i == 10 ? -1 : (int)VT_PAGE);
	}
	for (i = 11; i < 30; i++)
		vt_fill(mem + i * VT_PAGE, i, SEED + 1);
	mark('+', 20, 2);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(fsync(fd), -1);
		EXPECT_EQ(errno, EIO);
	}
	EXPECT_EQ(vt_stat("frames_dirty"), 2);
	EXPECT_EQ(vt_count_bad(mem + 11 * VT_PAGE, 11, 19, SEED + 1), 0);
	EXPECT_TRUE(vt_disk_check("/dev/nullb0", 11, 9, SEED + 1));
	EXPECT_TRUE(vt_disk_check("/dev/nullb0", 22, 8, SEED + 1));
	mark('-', 20, 2);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_TRUE(vt_disk_check("/dev/nullb0", 11, 19, SEED + 1));
	EXPECT_EQ(vt_try_read(mem + 10 * VT_PAGE, NULL), SIGBUS);
	mark('-', 10, 1);
	EXPECT_EQ(vt_count_bad(mem, 0, 11, SEED), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* Blocks become bad and good under load. */
TEST_F(badblocks, under_load)
{
	__u64 random = SEED;
	int round, fd;

	work_start(&self->work);
	for (round = 0; round < 15; round++) {
		size_t first = vt_random(&random) % (PAGES - 16);

		mark('+', first, 16);
		ASSERT_TRUE(work_wait_done(&self->work, 20, SLOW));
		mark('-', first, 16);
	}
	EXPECT_TRUE(work_end(&self->work, SLOW));
	EXPECT_EQ(work_wrong(&self->work), 0);
	EXPECT_GT(work_failed(&self->work), 0);
	fd = vt_open(O_RDWR);
	EXPECT_TRUE(synced(fd));
	close(fd);
	EXPECT_EQ(work_check_disk(&self->work, "/dev/nullb0"), 0);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_TRUE(pool_is_whole());
}

/* ---- a disk that cannot be written in place ---- */

FIXTURE(zoned) {
	int unused;
};

FIXTURE_SETUP(zoned)
{
	unload();
	vt_shell("modprobe null_blk nr_devices=0");
	mount("configfs", "/sys/kernel/config", "configfs", 0, NULL);
	if (!vt_shell("mkdir " NULLB) || !vt_shell("echo 64 >" NULLB "/size") ||
	    !vt_shell("echo 4 >" NULLB "/zone_size; echo 1 >" NULLB "/zoned") ||
	    !vt_shell("echo 1 >" NULLB "/memory_backed; echo 1 >" NULLB "/power")) {
		vt_shell("rmdir " NULLB);
		vt_skip("there is no zoned null_blk");
	}
}

FIXTURE_TEARDOWN(zoned)
{
	unload();
	EXPECT_TRUE(vt_shell("rmdir " NULLB));
}

/* It is refused, however it is given, and the log says why. */
TEST_F(zoned, is_refused)
{
	int log = vt_log_open();

	vt_load("frames=%u", FRAMES);
	EXPECT_EQ(vt_set("backing", "/dev/nullb0"), -EINVAL);
	EXPECT_TRUE(vt_log_says(log, "/dev/nullb0 is not bound: a zoned device"));
	EXPECT_STREQ(vt_show("backing"), "none");
	EXPECT_EQ(vt_set("swap", "/dev/nullb0"), -EINVAL);
	EXPECT_TRUE(vt_log_says(log, "/dev/nullb0 is not bound: a zoned device"));
	EXPECT_STREQ(vt_show("swap"), "none");
	vt_stop();
	EXPECT_EQ(vt_try_load("backing=/dev/nullb0"), -EINVAL);
	EXPECT_EQ(vt_try_load("swap=/dev/nullb0"), -EINVAL);
	EXPECT_FALSE(vt_loaded());
	close(log);
}

/* ---- a disk that something is on ---- */

FIXTURE(marked) {
	const char *disk;
};

FIXTURE_SETUP(marked)
{
	unload();
	self->disk = vt_disk2();
	vt_load("frames=%u", FRAMES);
}

FIXTURE_TEARDOWN(marked)
{
	unload();
	vt_shell("dd if=/dev/zero of=%s bs=1M count=1 conv=fsync 2>/dev/null", self->disk);
}

/* What tells others that a disk is theirs; from their documentation, and libblkid. */
struct mark {
	const char *name;
	off_t at;
	const char *magic;
	size_t length;
	off_t at_too;
	const char *magic_too;
};

#define MARK(name, at, magic, ...)	{ name, at, magic, sizeof(magic) - 1, __VA_ARGS__ }

static const struct mark marks[] = {
	MARK("an XFS file system", 0, "XFSB", 0, NULL),
	MARK("a LUKS volume", 0, "LUKS\xba\xbe", 0, NULL),
	MARK("a LUKS volume", 16384, "SKUL\xba\xbe", 0, NULL),
	MARK("a squashfs file system", 0, "hsqs", 0, NULL),
	MARK("a member of an md RAID", 0, "\xfc\x4e\x2b\xa9", 0, NULL),
	MARK("a member of an md RAID", 4096, "\xfc\x4e\x2b\xa9", 0, NULL),
	MARK("an NTFS file system", 3, "NTFS    ", 510, "\x55\xaa"),
	MARK("an exFAT file system", 3, "EXFAT   ", 510, "\x55\xaa"),
	MARK("a FAT file system", 54, "FAT16   ", 510, "\x55\xaa"),
	MARK("a FAT file system", 82, "FAT32   ", 510, "\x55\xaa"),
	MARK("an LVM physical volume", 512, "LABELONE", 0, NULL),
	MARK("an LVM physical volume", 1536, "LABELONE", 0, NULL),
	MARK("an F2FS file system", 1024, "\x10\x20\xf5\xf2", 0, NULL),
	MARK("an ext2, ext3 or ext4 file system", 1080, "\x53\xef", 0, NULL),
	MARK("a swap area of Linux", 4086, "SWAPSPACE2", 0, NULL),
	MARK("a swap area of Linux", 65526, "SWAPSPACE2", 0, NULL),
	MARK("the image of a machine that sleeps", 4086, "S1SUSPEND", 0, NULL),
	MARK("a partition table (GPT)", 512, "EFI PART", 510, "\x55\xaa"),
	MARK("a partition table or a boot sector", 510, "\x55\xaa", 0, NULL),
	MARK("a bcache device", 4120, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca", 0, NULL),
	MARK("an ISO 9660 file system", 32769, "CD001", 0, NULL),
	MARK("a Btrfs file system", 65600, "_BHRfS_M", 0, NULL),
};

#define MARKED_PAGES	17
#define MARKED_BYTES	(MARKED_PAGES * VT_PAGE)

/* Write it past the page cache, over zeros. */
static void put_mark(const char *disk, const struct mark *mark, char *bytes)
{
	int fd = open(disk, O_RDWR | O_DIRECT);

	memset(bytes, 0, MARKED_BYTES);
	memcpy(bytes + mark->at, mark->magic, mark->length);
	if (mark->magic_too)
		memcpy(bytes + mark->at_too, mark->magic_too, 2);
	if (fd < 0 || pwrite(fd, bytes, MARKED_BYTES, 0) != (ssize_t)MARKED_BYTES)
		vt_fail("%s cannot be written", disk);
	close(fd);
}

static void read_start(const char *disk, char *bytes)
{
	int fd = open(disk, O_RDONLY | O_DIRECT);

	if (fd < 0 || pread(fd, bytes, MARKED_BYTES, 0) != (ssize_t)MARKED_BYTES)
		vt_fail("%s cannot be read", disk);
	close(fd);
}

/* Our own mark, and zeros. */
static bool is_ours(const char *disk)
{
	char *bytes = vt_buffer(MARKED_PAGES), *rest = bytes + sizeof(VMDEMO_SWAP_MAGIC);
	bool ours;

	read_start(disk, bytes);
	ours = !memcmp(bytes, VMDEMO_SWAP_MAGIC, sizeof(VMDEMO_SWAP_MAGIC)) && !*rest &&
	       !memcmp(rest, rest + 1, MARKED_BYTES - sizeof(VMDEMO_SWAP_MAGIC) - 1);
	munmap(bytes, MARKED_BYTES);
	return ours;
}

/* Swapping to it is refused, and it stays as it is, unless one insists: then it is nothing else. */
TEST_F(marked, marked_is_refused)
{
	char *bytes = vt_buffer(MARKED_PAGES), *now = vt_buffer(17);
	int log = vt_log_open();

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		const struct mark *mark = &marks[i];

		TH_LOG("%s at %ld", mark->name, mark->at);
		put_mark(self->disk, mark, bytes);
		EXPECT_EQ(vt_set("swap", "%s", self->disk), -EEXIST);
		EXPECT_TRUE(vt_log_says(log, "%s is not bound: there is %s on it", self->disk,
					mark->name));
		EXPECT_STREQ(vt_show("swap"), "none");
		read_start(self->disk, now);
		EXPECT_EQ(memcmp(bytes, now, MARKED_BYTES), 0);
		/* It is not claimed. */
		EXPECT_EQ(vt_set("swap", " force\t%s ", self->disk), 0);
		EXPECT_TRUE(vt_log_says(log, "%s overwritten: there was %s on it", self->disk,
					mark->name));
		EXPECT_STREQ(vt_show("swap"), self->disk);
		EXPECT_EQ(vt_set("swap", "none"), 0);
		EXPECT_TRUE(is_ours(self->disk));
	}
	munmap(now, MARKED_BYTES);
	munmap(bytes, MARKED_BYTES);
	close(log);
}

/* As backing it is what programs should see. */
TEST_F(marked, marked_is_shown)
{
	char *bytes = vt_buffer(MARKED_PAGES);
	int log = vt_log_open(), fd;
	char page[VT_PAGE];

	put_mark(self->disk, &marks[0], bytes);
	EXPECT_EQ(vt_set("backing", "%s", self->disk), 0);
	EXPECT_TRUE(vt_log_says(log, "there is %s on %s", marks[0].name, self->disk));
	fd = vt_open(O_RDONLY);
	ASSERT_EQ(read(fd, page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(memcmp(page, bytes, VT_PAGE), 0);
	close(fd);
	munmap(bytes, MARKED_BYTES);
	close(log);
}

static void used_and_let_go(struct __test_metadata *_metadata, const char *disk)
{
	struct vmdemo_space_args args = { .size = PAGES * VT_PAGE };
	struct vmdemo_page map[PAGES];
	int dev, fd, i, slots = 0;
	char *mem;

	EXPECT_EQ(vt_get("swap_slots"), vt_stat("swap_free"));
	dev = vt_open(O_RDWR);
	fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);
	close(dev);
	ASSERT_GE(fd, 0);
	mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	/* Slots full of all marks at once. */
	for (i = 0; i < PAGES; i++)
		for (size_t j = 0; j < ARRAY_SIZE(marks); j++)
			memcpy(mem + i * VT_PAGE + marks[j].at % VT_PAGE, marks[j].magic,
			       marks[j].length);
	EXPECT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL), 0);
	ASSERT_EQ(vt_pagemap(fd, 0, PAGES, map), 0);
	for (i = 0; i < PAGES; i++)
		slots += map[i].slot != 0;
	EXPECT_EQ(slots, PAGES);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_EQ(vt_set("swap", "none"), 0);
	EXPECT_FALSE(is_ours(disk));
}

/*
 * What was swapped to is known again, whatever programs had in memory. When somebody has made
 * something else of it, it is not.
 */
TEST_F(marked, ours_is_taken)
{
	static const off_t changed[] = { 13, 14, 510, 1024, 4095 };
	char *bytes = vt_buffer(MARKED_PAGES);
	const struct mark nothing = MARK(NULL, 0, "", 0, NULL);
	struct mark mark = MARK(NULL, 0, VMDEMO_SWAP_MAGIC, 0, NULL);

	put_mark(self->disk, &nothing, bytes);
	EXPECT_EQ(vt_set("swap", "%s", self->disk), 0);
	used_and_let_go(_metadata, self->disk);
	EXPECT_EQ(vt_set("swap", "%s", self->disk), 0);
	used_and_let_go(_metadata, self->disk);
	for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
		mark.at_too = changed[i];
		mark.magic_too = changed[i] < 4095 ? "\x01\x01" : "\x01";
		put_mark(self->disk, &mark, bytes);
		EXPECT_EQ(vt_set("swap", "%s", self->disk), -EEXIST) TH_LOG("%ld", changed[i]);
	}
	munmap(bytes, MARKED_BYTES);
}

/* Bytes at a mark's place that are none. */
TEST_F(marked, no_mark)
{
	static const struct mark none[] = {
		MARK("ext's, with blocks of no size", 1080, "\x53\xef", 1048, "\x07\x01"),
		MARK("a boot sector's, of no partitions", 510, "\x55\xaa", 446, "\x01\x01"),
	};
	char *bytes = vt_buffer(MARKED_PAGES);

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		put_mark(self->disk, &none[i], bytes);
		EXPECT_EQ(vt_set("swap", "%s", self->disk), 0) TH_LOG("%s", none[i].name);
		EXPECT_EQ(vt_set("swap", "none"), 0);
	}
	munmap(bytes, MARKED_BYTES);
}

/* What real tools make; the system then no longer sees it. And when the module is loaded. */
TEST_F(marked, by_tools)
{
	static const char * const tools[] = { "mkfs.ext4 -qF", "mkfs.ext2 -qF -b 1024", "mkswap" };
	char params[128];
	int used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		if (!vt_shell("%s %s >/dev/null 2>&1", tools[i], self->disk) ||
		    !vt_shell("blkid -p %s", self->disk)) {
			TH_LOG("%s cannot be run", tools[i]);
			continue;
		}
		used++;
		EXPECT_EQ(vt_set("swap", "%s", self->disk), -EEXIST) TH_LOG("%s", tools[i]);
		EXPECT_EQ(vt_set("swap", "force %s", self->disk), 0);
		EXPECT_EQ(vt_set("swap", "none"), 0);
		EXPECT_FALSE(vt_shell("blkid -p %s", self->disk));
		vt_shell("%s %s >/dev/null 2>&1", tools[i], self->disk);
		vt_stop();
		snprintf(params, sizeof(params), "swap=%s", self->disk);
		EXPECT_EQ(vt_try_load(params), -ENXIO);
		EXPECT_FALSE(vt_loaded());
		snprintf(params, sizeof(params), "swap=\"force %s\"", self->disk);
		EXPECT_EQ(vt_try_load(params), 0);
		EXPECT_STREQ(vt_show("swap"), self->disk);
		EXPECT_EQ(vt_set("swap", "none"), 0);
	}
	if (!used)
		SKIP(return, "mkfs.ext4, mkswap or blkid is missing");
}

TEST_HARNESS_MAIN
