// SPDX-License-Identifier: GPL-2.0
/*
 * sysfs.c - the attributes: names, defaults, what each takes and refuses
 */
#include <dirent.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	512
#define SEED	11

FIXTURE(sysfs) {
	int unused;
};

FIXTURE_SETUP(sysfs)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, 16, SEED);
	vt_load("backing=%s frames=%u", vt_disk(), FRAMES);
}

FIXTURE_TEARDOWN(sysfs)
{
}

/* What uapi/ABI.txt has a text about in stats/; the Makefile makes the list from it. */
static const char * const documented[] = {
#include "abi_stats.h"
};

static bool is_documented(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(documented); i++)
		if (!strcmp(documented[i], name))
			return true;
	return false;
}

/*
 * Every counter and gauge has its text, and every text its file, which is a number, starts at zero
 * and can only be read.
 */
TEST_F(sysfs, counters)
{
	DIR *stats = opendir(VT_CLASS "vmdemo/stats");
	struct dirent *entry;
	char path[256];
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(documented); i++) {
		const char *name = documented[i];

		snprintf(path, sizeof(path), VT_CLASS "vmdemo/stats/%s", name);
		ASSERT_EQ(stat(path, &st), 0) {
			TH_LOG("there is no stats/%s, which uapi/ABI.txt describes", name);
		}
		EXPECT_EQ(st.st_mode & 0777, 0444);
		EXPECT_EQ(vt_stat(name), strcmp(name, "frames_free") ? 0 : FRAMES) {
			TH_LOG("stats/%s", name);
		}
	}
	ASSERT_NE(stats, NULL);
	while ((entry = readdir(stats))) {
		EXPECT_TRUE(*entry->d_name == '.' || is_documented(entry->d_name)) {
			TH_LOG("uapi/ABI.txt does not describe stats/%s", entry->d_name);
		}
	}
	closedir(stats);
}

/* What cannot be set cannot be written. */
TEST_F(sysfs, read_only_attributes)
{
	static const char * const names[] = { "size_bytes", "frames_actual", "frame_bytes" };
	char path[256];
	struct stat st;

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), VT_CLASS "vmdemo/%s", names[i]);
		ASSERT_EQ(stat(path, &st), 0);
		EXPECT_EQ(st.st_mode & 0777, 0444);
		EXPECT_LT(vt_set(names[i], "1"), 0);
	}
	EXPECT_EQ(vt_get("frames_actual"), FRAMES);
	EXPECT_EQ(vt_get("frame_bytes"), VT_PAGE);
}

/* The defaults are those that are documented. */
TEST_F(sysfs, defaults)
{
	EXPECT_STREQ(vt_show("backing"), vt_disk());
	EXPECT_TRUE(vt_policy_is("lru"));
	EXPECT_EQ(vt_get("frames"), FRAMES);
	EXPECT_EQ(vt_get("reserve"), FRAMES / 32);
	EXPECT_EQ(vt_get("lend_pages"), 64);
	EXPECT_EQ(vt_get("user_max_pages"), 0);
	EXPECT_EQ(vt_get("spaces_per_user"), 256);
	EXPECT_GT(vt_get("standby_pct"), 0);
	EXPECT_LE(vt_get("standby_pct"), 90);
	EXPECT_EQ(vt_set("frames", "64"), 0);
	EXPECT_EQ(vt_get("reserve"), 0);
	vt_load("%s", "");
	EXPECT_STREQ(vt_show("backing"), "none");
	EXPECT_EQ(vt_get("frames"), 1024);
	EXPECT_EQ(vt_get("size_bytes"), 0);
}

/* Every number takes its bounds, refuses what is beyond them and what is no number. */
TEST_F(sysfs, bounds)
{
	static const struct {
		const char *name;
		long least, most;
	} bounds[] = {
		{ "standby_pct", 0, 90 },
		{ "demote_pages", 1, 4096 },
		{ "read_ahead_pages", 0, 512 },
		{ "dirty_pct", 1, 100 },
		{ "dirty_age_ms", 0, 3600000 },
		{ "space_max_pages", 0, 2147483647 },
		{ "user_max_pages", 0, 2147483647 },
		{ "spaces_per_user", 0, 4096 },
		{ "swap_discard", 0, 1 },
		{ "reserve", 0, FRAMES / 2 - 1 },
	};
	static const char * const nonsense[] = {
		"x", "-1", "1x", "99999999999999999999", " ", "1 2", "1\n1", "1 ", "-4294967295",
		"1,2", "1\n\n", "0x", "1e3", "--1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		const char *name = bounds[i].name;

		EXPECT_EQ(vt_set(name, "%ld", bounds[i].least), 0);
		EXPECT_EQ(vt_get(name), bounds[i].least);
		EXPECT_EQ(vt_set(name, "%ld\n", bounds[i].most), 0);
		EXPECT_EQ(vt_get(name), bounds[i].most);
		EXPECT_EQ(vt_set(name, "%ld", bounds[i].most + 1), -EINVAL) {
			TH_LOG("%s took %ld", name, bounds[i].most + 1);
		}
		if (bounds[i].least)
			EXPECT_EQ(vt_set(name, "%ld", bounds[i].least - 1), -EINVAL);
		/* Valid if the upper bits were dropped: of 32, of 64 bits; and below zero. */
		EXPECT_LT(vt_set(name, "%lld", (1LL << 32) + bounds[i].most), 0);
		EXPECT_LT(vt_set(name, "18446744073%ld", 709551616 + bounds[i].most), 0);
		EXPECT_LT(vt_set(name, "%lld", bounds[i].most - (1LL << 32)), 0);
		for (size_t j = 0; j < ARRAY_SIZE(nonsense); j++) {
			EXPECT_LT(vt_set(name, "%s", nonsense[j]), 0) {
				TH_LOG("%s took '%s'", name, nonsense[j]);
			}
		}
		EXPECT_EQ(vt_get(name), bounds[i].most);
	}
}

/* The number of frames is bounded as well, and by no wrapping. */
TEST_F(sysfs, bounds_of_frames)
{
	static const char * const bad[] = {
		"0", "7", "-64", "4294967360", "18446744073709551680", "-4294967232", "1000000000",
		"64 64", "64k", "64\n64", "0x", "",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		/* Nothing at all is not a write. */
		EXPECT_EQ(vt_set("frames", "%s", bad[i]) < 0, *bad[i] != 0) {
			TH_LOG("frames took '%s'", bad[i]);
		}
		EXPECT_EQ(vt_get("frames"), FRAMES);
		EXPECT_EQ(vt_get("frames_actual"), FRAMES);
	}
	EXPECT_EQ(vt_set("frames", "8\n"), 0);
	EXPECT_EQ(vt_get("frames"), 8);
}

/* With every setting at either end the device still works. */
TEST_F(sysfs, extremes_work)
{
	static const char * const settings[][6] = {
		{ "0", "1", "0", "1", "0", "0" },
		{ "90", "4096", "512", "100", "1", "255" },
		{ "90", "1", "512", "1", "1", "1" },
	};
	static const char * const names[6] = {
		"standby_pct", "demote_pages", "read_ahead_pages", "dirty_pct", "dirty_age_ms",
		"reserve",
	};
	int fd = vt_open(O_RDWR);
	char *mem = vt_map(fd, 0, 2048, VT_RW, MAP_SHARED);

	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 6; j++)
			ASSERT_EQ(vt_set(names[j], "%s", settings[i][j]), 0);
		for (int page = 0; page < 2048; page++)
			vt_fill(mem + page * VT_PAGE, page, SEED + i);
		EXPECT_EQ(vt_count_bad(mem, 0, 2048, SEED + i), 0);
		EXPECT_LE(vt_count_resident(fd, 0, 2048), FRAMES);
	}
	ASSERT_EQ(fsync(fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 2048, SEED + 2));
}

/* policy takes the names it shows, and no other. */
TEST_F(sysfs, policy)
{
	EXPECT_EQ(vt_set("policy", "fifo\n"), 0);
	EXPECT_TRUE(vt_policy_is("fifo"));
	EXPECT_EQ(vt_set("policy", "lr"), -EINVAL);
	EXPECT_EQ(vt_set("policy", "lruu"), -EINVAL);
	EXPECT_EQ(vt_set("policy", "[lru]"), -EINVAL);
	EXPECT_EQ(vt_set("policy", "\n"), -EINVAL);
	EXPECT_TRUE(vt_policy_is("fifo"));
	for (int i = 0; i < vt_nr_policies; i++) {
		EXPECT_EQ(vt_set("policy", "%s", vt_policies[i]), 0);
		EXPECT_TRUE(vt_policy_is(vt_policies[i]));
	}
	EXPECT_EQ(vt_set("policy", "lru"), 0);
	EXPECT_TRUE(vt_policy_is("lru"));
}

/* backing is changed while nobody has the device open, and only then. */
TEST_F(sysfs, backing_needs_a_closed_device)
{
	int fd = vt_open(O_RDONLY);
	char *map = vt_map(fd, 0, 1, PROT_READ, MAP_SHARED);

	EXPECT_EQ(vt_set("backing", "none"), -EBUSY);
	EXPECT_EQ(vt_set("backing", "%s", vt_disk2()), -EBUSY);
	close(fd);
	EXPECT_EQ(vt_set("backing", "none"), -EBUSY);
	EXPECT_EQ(vt_check(map, 0, SEED), -1);
	EXPECT_STREQ(vt_show("backing"), vt_disk());
	munmap(map, VT_PAGE);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_STREQ(vt_show("backing"), "none");
	EXPECT_EQ(vt_get("size_bytes"), 0);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_set("backing", "%s\n", vt_disk()), 0);
	EXPECT_STREQ(vt_show("backing"), vt_disk());
}

/* Without a backing there is nothing to open. */
TEST_F(sysfs, unbound_enxio)
{
	ASSERT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(open(VT_DEV, O_RDWR), -1);
	EXPECT_EQ(errno, ENXIO);
	ASSERT_EQ(vt_set("backing", "%s", vt_disk()), 0);
	EXPECT_GE(open(VT_DEV, O_RDWR), 0);
}

/* What is no usable block device is refused with the block layer's reason; none is bound then. */
TEST_F(sysfs, bad_backing)
{
	char file[] = "/tmp/vmdemo-test-XXXXXX";
	int fd = mkstemp(file), claimed;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_set("backing", "/dev/nonexistent"), -ENOENT);
	EXPECT_EQ(vt_set("backing", "/dev/null"), -ENOTBLK);
	EXPECT_EQ(vt_set("backing", "%s", file), -ENOTBLK);
	EXPECT_LT(vt_set("backing", "/"), 0);
	EXPECT_LT(vt_set("backing", "/dev/null/x"), 0);
	EXPECT_LT(vt_set("backing", "%04000d", 0), 0);
	claimed = open(vt_disk(), O_RDWR | O_EXCL);
	ASSERT_GE(claimed, 0);
	EXPECT_EQ(vt_set("backing", "%s", vt_disk()), -EBUSY);
	close(claimed);
	EXPECT_STREQ(vt_show("backing"), "none");
	EXPECT_EQ(vt_set("backing", "%s", vt_disk()), 0);
	unlink(file);
}

/* A bound disk is claimed: nobody else gets it exclusively, until it is let go. */
TEST_F(sysfs, backing_is_claimed)
{
	int fd;

	EXPECT_EQ(open(vt_disk(), O_RDWR | O_EXCL), -1);
	EXPECT_EQ(errno, EBUSY);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	fd = open(vt_disk(), O_RDWR | O_EXCL);
	EXPECT_GE(fd, 0);
	close(fd);
}

/* Another disk can be bound when the first is let go; no frame shows the first one's bytes. */
TEST_F(sysfs, another_backing)
{
	char *mem;
	int fd, round;

	vt_disk_fill(vt_disk2(), 0, 16, SEED + 1);
	for (round = 0; round < 3; round++) {
		fd = vt_open(O_RDWR);
		mem = vt_map(fd, 0, 16, VT_RW, MAP_SHARED);
		EXPECT_EQ(vt_count_bad(mem, 0, 16, SEED + round % 2), 0);
		EXPECT_EQ(vt_try_write(mem, NULL), 0);
		munmap(mem, 16 * VT_PAGE);
		close(fd);
		EXPECT_EQ(vt_set("backing", "%s", vt_disk2()), -EBUSY);
		ASSERT_EQ(vt_set("backing", "none"), 0);
		ASSERT_EQ(vt_set("backing", "%s", round % 2 ? vt_disk() : vt_disk2()), 0);
	}
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 16, SEED));
	EXPECT_TRUE(vt_disk_check(vt_disk2(), 0, 16, SEED + 1));
}

/* Unbinding writes back what is dirty. */
TEST_F(sysfs, unbinding_writes_back)
{
	int fd = vt_open(O_RDWR);
	char *mem = vt_map(fd, 0, 16, VT_RW, MAP_SHARED);

	for (int i = 0; i < 16; i++)
		vt_fill(mem + i * VT_PAGE, i, SEED + 1);
	munmap(mem, 16 * VT_PAGE);
	close(fd);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, 16, SEED + 1));
	EXPECT_EQ(vt_stat("pages_lost"), 0);
}

/* Reading attributes is free of effects, however often it is done. */
TEST_F(sysfs, reading_changes_nothing)
{
	int fd = vt_open(O_RDWR);
	char *mem = vt_map(fd, 0, 16, VT_RW, MAP_SHARED);

	EXPECT_EQ(vt_set("read_ahead_pages", "0"), 0);
	EXPECT_EQ(vt_count_bad(mem, 0, 16, SEED), 0);
	for (int i = 0; i < 100; i++)
		EXPECT_TRUE(vt_balanced());
	EXPECT_EQ(vt_count_resident(fd, 0, 16), 16);
	EXPECT_EQ(vt_stat("pages_in"), 16);
	EXPECT_EQ(vt_stat("pages_out"), 0);
}

TEST_HARNESS_MAIN
