// SPDX-License-Identifier: GPL-2.0
/*
 * latency.c - the histogram of how long page faults take
 */
#include <sys/mount.h>

#include "kselftest_harness.h"
#include "dm.h"

#define FILE_NAME	"/sys/kernel/debug/vmdemo/vmdemo/latency"
#define FRAMES		256
#define PAGES		64
#define DELAY_MS	40

/* What the histogram says of one kind; times in ns. */
struct sum {
	__u64 count;
	__u64 least, most;	/* all of them together take no less, and less than that */
	__u64 fastest;		/* none is faster */
};

static FILE *open_file(void)
{
	FILE *file = fopen(FILE_NAME, "r");

	if (!file && errno == ENOENT && !mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL))
		file = fopen(FILE_NAME, "r");
	return file;
}

static struct sum sum_of(const char *kind)
{
	struct sum sum = { .fastest = ~0ULL };
	unsigned long long from, to, count;
	FILE *file = open_file();
	char name[16];

	if (!file)
		vt_fail("%s: %s", FILE_NAME, strerror(errno));
	while (fscanf(file, "%15s %llu %llu %llu", name, &from, &to, &count) == 4) {
		if (strcmp(name, kind))
			continue;
		if (from < sum.fastest)
			sum.fastest = from;
		sum.count += count;
		sum.least += count * from;
		sum.most += count * to;
	}
	fclose(file);
	return sum;
}

static void touch_all(const char *mem)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		vt_touch(mem + i * VT_PAGE);
}

FIXTURE(latency) {
	int fd;
	char *mem;
};

FIXTURE_SETUP(latency)
{
	vt_start(FRAMES);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

FIXTURE_TEARDOWN(latency)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

/* Each fault is counted once, as what the counter of that name takes it for. */
TEST_F(latency, agrees_with_the_counters)
{
	size_t i;

	touch_all(self->mem);
	EXPECT_EQ(sum_of("hard").count, PAGES);
	EXPECT_EQ(vt_stat("faults_hard"), PAGES);
	EXPECT_EQ(sum_of("soft").count, 0);
	EXPECT_EQ(sum_of("mkwrite").count, 0);

	/* Mapped for reading. */
	for (i = 0; i < PAGES; i++)
		self->mem[i * VT_PAGE] = i;
	EXPECT_EQ(sum_of("mkwrite").count, PAGES);
	EXPECT_EQ(vt_stat("faults_mkwrite"), PAGES);

	ASSERT_EQ(madvise(self->mem, PAGES * VT_PAGE, MADV_DONTNEED), 0);
	touch_all(self->mem);
	EXPECT_EQ(sum_of("soft").count, vt_stat("faults_soft"));
	EXPECT_GT(vt_stat("faults_soft"), 0);
	EXPECT_EQ(sum_of("hard").count, PAGES);
	EXPECT_EQ(sum_of("wait").count, 0);
}

TEST_F(latency, of_fresh_memory)
{
	struct vmdemo_space_args args = { .size = PAGES * VT_PAGE };
	char *mem;
	int fd;

	close(self->fd);
	munmap(self->mem, PAGES * VT_PAGE);
	ASSERT_EQ(vt_set("swap", "force %s", vt_disk2()), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	fd = ioctl(self->fd, VMDEMO_IOC_SPACE, &args);
	ASSERT_GE(fd, 0);
	mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	touch_all(mem);
	EXPECT_EQ(sum_of("zero").count, PAGES);
	EXPECT_EQ(vt_stat("faults_zero"), PAGES);
	EXPECT_EQ(sum_of("hard").count, 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* Buckets follow each other, each an eighth wide at most. */
TEST_F(latency, buckets)
{
	unsigned long long from, to, count, end = 0;
	char name[16], last[16] = "";
	FILE *file;

	touch_all(self->mem);
	touch_all(self->mem);
	file = open_file();
	ASSERT_NE(file, NULL);
	while (fscanf(file, "%15s %llu %llu %llu\n", name, &from, &to, &count) == 4) {
		EXPECT_LT(from, to);
		/* In whole nanoseconds. */
		EXPECT_LE(to - from, from / 8 + 1);
		EXPECT_GT(count, 0);
		if (!strcmp(name, last))
			EXPECT_GE(from, end);
		snprintf(last, sizeof(last), "%s", name);
		end = to;
	}
	EXPECT_TRUE(feof(file));
	fclose(file);
}

/* The time that a fault waits for its disk counts, also without the locks of the fault. */
TEST_F(latency, of_a_late_disk)
{
	struct sum sum;

	if (!dm_has("delay"))
		vt_skip("there is no dm-delay");
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	dm_create("vmdemo-late", 0, "0 %zu delay %s 0 %d", PAGES * VT_PAGE / 512, vt_disk(),
		  DELAY_MS);
	ASSERT_EQ(vt_set("backing", DM_PATH("vmdemo-late")), 0);
	ASSERT_EQ(vt_set("frames", "8"), 0);
	ASSERT_EQ(vt_set("dirty_pct", "100"), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	touch_all(self->mem);
	sum = sum_of("hard");
	EXPECT_EQ(sum.count, PAGES);
	/* On an emulated processor that was away the kernel's own time catches up. */
	EXPECT_GT(sum.fastest, DELAY_MS * 1000000ULL / 4);
	EXPECT_LT(sum.least, PAGES * 10000000000ULL);

	/* Frames become free when what is in them has been written. The clocks agree. */
	for (size_t i = 0; i < PAGES; i++)
		self->mem[i * VT_PAGE] = i;
	sum = sum_of("wait");
	EXPECT_GT(sum.count, 0);
	EXPECT_GT(vt_stat("reclaim_wait_ns"), sum.least * 9 / 10);
	EXPECT_LT(vt_stat("reclaim_wait_ns"), sum.most * 11 / 10);

	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	EXPECT_TRUE(dm_remove("vmdemo-late"));
	ASSERT_EQ(vt_set("backing", "%s", vt_disk()), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

/* When users fault, and how often, is nobody else's business. */
TEST_F(latency, is_for_root)
{
	FILE *file = open_file();
	pid_t child;

	ASSERT_NE(file, NULL);
	fclose(file);
	child = fork();
	if (!child) {
		if (setgid(65534) || setuid(65534))
			_exit(1);
		_exit(open(FILE_NAME, O_RDONLY) != -1 || errno != EACCES);
	}
	EXPECT_EQ(vt_reap(child), 0);
}

TEST_HARNESS_MAIN
