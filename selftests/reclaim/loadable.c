// SPDX-License-Identifier: GPL-2.0
/*
 * loadable.c - a policy that is a module of its own
 *
 * The example of scripts/demo/policy, and one that gives wrong answers, as scripts/build has put
 * them beside vmdemo.ko. While programs read and write more memory than there are frames, policies
 * come and go, and are wrong in each way that selftests/policy/wrong.h has a name for.
 */
#include <pthread.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"
#include "workload.h"
#include "../policy/wrong.h"

#define FRAMES	320
#define PAGES	1024	/* of the workers, ... */
#define PINNED	8	/* ... and behind those, of a pipe */
#define SEED	17
#define KIND	"/sys/module/policy_wrong/parameters/kind"

static int policy_load(const char *name, const char *params)
{
	const char *ko = getenv("VMDEMO_KO");
	char path[512];
	int fd, err;

	if (!ko || !strrchr(ko, '/'))
		vt_skip("VMDEMO_KO does not name a module, beside which the policies are");
	snprintf(path, sizeof(path), "%.*s/policies/policy_%s.ko", (int)(strrchr(ko, '/') - ko),
		 ko, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		vt_fail("%s: %s", path, strerror(errno));
	err = syscall(SYS_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return err;
}

static int policy_unload(const char *name)
{
	char module[64];

	snprintf(module, sizeof(module), "policy_%s", name);
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? -errno : 0;
}

/* The policies that the attribute shows: those that are always there, and these. */
static bool policies_are(const char *more)
{
	char names[256] = "";
	int i;

	for (i = 0; i < vt_nr_policies; i++) {
		strcat(names, i ? " " : "");
		strcat(names, vt_policies[i]);
	}
	strcat(names, more);
	return !strcmp(vt_show("policy"), names);
}

FIXTURE(loadable) {
	struct work work;
	int pipe[2];
};

FIXTURE_SETUP(loadable)
{
	/* What a test that has failed may have left. */
	if (vt_loaded()) {
		vt_set("policy", "lru");
		policy_unload("lfu");
		policy_unload("wrong");
	}
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES + PINNED, SEED);
	vt_start(FRAMES);
	work_init(&self->work, VT_DEV, 0, PAGES, SEED, 3);
	work_start(&self->work);
	ASSERT_EQ(pipe(self->pipe), 0);
}

/* Whatever the policies did: all data are there, and all frames. */
FIXTURE_TEARDOWN(loadable)
{
	int fd;

	EXPECT_TRUE(work_end(&self->work, 120));
	EXPECT_EQ(work_wrong(&self->work), 0);
	EXPECT_EQ(work_failed(&self->work), 0);
	EXPECT_EQ(work_unsynced(&self->work), 0);
	close(self->pipe[0]);
	close(self->pipe[1]);
	EXPECT_EQ(vt_set("policy", "lru"), 0);
	policy_unload("lfu");
	policy_unload("wrong");
	EXPECT_TRUE(policies_are("") || vt_policy_is("lru"));
	EXPECT_TRUE(vt_balanced());
	/* Every frame can still be emptied: none was lost from the order. */
	fd = vt_open(O_RDWR);
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, PAGES + PINNED, NULL), 0);
	EXPECT_EQ(vt_stat("frames_free"), FRAMES);
	close(fd);
	EXPECT_EQ(vt_stat("pages_lost"), 0);
	EXPECT_EQ(vt_try_unload(), 0);
	work_free(&self->work);
}

/* It is in the list while its module is loaded, and is switched to and from under load. */
TEST_F(loadable, switched_live)
{
	__u64 evicted;

	EXPECT_EQ(vt_set("policy", "lfu"), -EINVAL);
	ASSERT_EQ(policy_load("lfu", ""), 0);
	EXPECT_STREQ(vt_show("policy"), "[lru] fifo clock random 2q lfu");
	ASSERT_EQ(vt_set("policy", "lfu\n"), 0);
	EXPECT_TRUE(policies_are(" [lfu]"));
	evicted = vt_stat("evictions_clean") + vt_stat("evictions_dirty");
	EXPECT_TRUE(work_wait_done(&self->work, 1000, 120));
	EXPECT_GT(vt_stat("evictions_clean") + vt_stat("evictions_dirty"), evicted + 100);
	EXPECT_EQ(vt_stat("policy_errors"), 0);
	ASSERT_EQ(vt_set("policy", "clock"), 0);
	ASSERT_EQ(policy_unload("lfu"), 0);
	EXPECT_STREQ(vt_show("policy"), "lru fifo [clock] random 2q");
	EXPECT_EQ(vt_set("policy", "lfu"), -EINVAL);
	EXPECT_TRUE(work_wait_done(&self->work, 300, 120));
}

/* In use, its module stays, and vmdemo in any case. A second setting is no second reference. */
TEST_F(loadable, in_use)
{
	ASSERT_EQ(policy_load("lfu", ""), 0);
	EXPECT_EQ(vt_try_unload(), -EWOULDBLOCK);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(vt_set("policy", "lfu"), 0);
		ASSERT_EQ(vt_set("policy", "lfu"), 0);
		EXPECT_EQ(policy_unload("lfu"), -EWOULDBLOCK);
		ASSERT_EQ(vt_set("policy", "fifo"), 0);
	}
	EXPECT_EQ(policy_load("wrong", "name=lfu"), -EEXIST);
	EXPECT_EQ(policy_unload("lfu"), 0);
	EXPECT_EQ(policy_load("wrong", "name=lfu"), 0);
	EXPECT_EQ(policy_load("lfu", ""), -EEXIST);
	EXPECT_EQ(policy_unload("wrong"), 0);
}

/* Names that are taken, or that the attribute could not show. */
TEST_F(loadable, names)
{
	static const char * const bad[] = {
		"name=none", "name=\"\"", "name=\"two words\"", "name=[lru]", "name=a\\b",
		"name=\xc3\xa4", "name=a2345678901234567890123456789012",
	};
	static const char * const good[] = {
		"name=a234567890123456789012345678901", "name=My_policy-2.0", "name=lr",
	};

	EXPECT_EQ(policy_load("wrong", "name=lru"), -EEXIST);
	EXPECT_EQ(policy_load("wrong", "name=2q"), -EEXIST);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int err = policy_load("wrong", bad[i]);

		EXPECT_EQ(err, -EINVAL) TH_LOG("%s", bad[i]);
	}
	EXPECT_STREQ(vt_show("policy"), "[lru] fifo clock random 2q");
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		EXPECT_EQ(policy_load("wrong", good[i]), 0) TH_LOG("%s", good[i]);
		EXPECT_EQ(vt_set("policy", "%s", good[i] + 5), 0);
		EXPECT_EQ(vt_set("policy", "lru"), 0);
		EXPECT_EQ(policy_unload("wrong"), 0);
	}
}

static bool choose(unsigned int kind)
{
	return vt_shell("echo %u >" KIND, kind);
}

/* Some pages cannot go: the policy has frames that are held. */
static void pin(int to)
{
	int fd = vt_open(O_RDONLY);
	char *mem = vt_map(fd, PAGES, PINNED, PROT_READ, MAP_SHARED);
	struct iovec part = { .iov_base = mem, .iov_len = PINNED * VT_PAGE };

	if (vmsplice(to, &part, 1, 0) != PINNED * (ssize_t)VT_PAGE)
		vt_fail("vmsplice: %s", strerror(errno));
	munmap(mem, PINNED * VT_PAGE);
	close(fd);
}

/* Each kind of wrong answer is refused and counted; the policy is named once. */
TEST_F(loadable, wrong_answers)
{
	static const char * const names[] = { WRONG_KINDS(WRONG_NAME) };
	int log = vt_log_open(), tries;
	__u64 errors;

	pin(self->pipe[1]);
	ASSERT_EQ(policy_load("wrong", ""), 0);
	ASSERT_EQ(vt_set("policy", "wrong"), 0);
	ASSERT_TRUE(work_wait_done(&self->work, 200, 120));
	EXPECT_EQ(vt_stat("policy_errors"), 0);
	for (unsigned int kind = 1; kind < NR_WRONG; kind++) {
		errors = vt_stat("policy_errors");
		/* Without standby all victims are mapped. */
		ASSERT_EQ(vt_set("standby_pct", strncmp(names[kind], "spare", 5) ? "40" : "0"), 0);
		ASSERT_TRUE(choose(kind));
		/* Nothing can be waited for until a frame is being unmapped: that is not asked. */
		for (tries = 0; tries < (kind == WRONG_victim_unmapping ? 1 : 100); tries++) {
			ASSERT_TRUE(work_wait_done(&self->work, 40, 120)) {
				TH_LOG("%s: the workers stand still", names[kind]);
			}
			if (vt_stat("policy_errors") > errors)
				break;
		}
		EXPECT_TRUE(vt_stat("policy_errors") > errors || kind == WRONG_victim_unmapping) {
			TH_LOG("%s: no answer was refused", names[kind]);
		}
		EXPECT_EQ(work_wrong(&self->work), 0) TH_LOG("%s", names[kind]);
		EXPECT_EQ(work_failed(&self->work), 0) TH_LOG("%s", names[kind]);
	}
	ASSERT_TRUE(choose(WRONG_nothing));
	ASSERT_TRUE(work_wait_done(&self->work, 200, 120));
	errors = vt_stat("policy_errors");
	ASSERT_TRUE(work_wait_done(&self->work, 200, 120));
	EXPECT_EQ(vt_stat("policy_errors"), errors);
	EXPECT_TRUE(vt_log_says(log, "policy wrong is wrong: its insert() left its frame"));
	close(log);
	log = vt_log_open();
	ASSERT_TRUE(choose(WRONG_insert_held));
	ASSERT_TRUE(work_wait_done(&self->work, 100, 120));
	EXPECT_GT(vt_stat("policy_errors"), errors);
	EXPECT_FALSE(vt_log_says(log, "policy wrong"));
	close(log);
}

static bool switching;

/* To policies that may be there, may be on their way out, or not there. */
static void *switch_on(void *unused)
{
	static const char * const names[] = { "lfu", "wrong", "2q", "lfu", "lru", "wrong" };

	for (int i = 0; __atomic_load_n(&switching, __ATOMIC_RELAXED); i++)
		vt_set("policy", "%s", names[i % ARRAY_SIZE(names)]);
	return unused;
}

/* Modules are loaded and unloaded while pools are switched, and programs run. */
TEST_F(loadable, comes_and_goes)
{
	static const char * const names[] = { "lfu", "wrong" };
	pthread_t thread;
	int i, err, busy = 0;

	switching = true;
	ASSERT_EQ(pthread_create(&thread, NULL, switch_on, NULL), 0);
	for (i = 0; i < 16; i++) {
		/* No pool follows a policy before its module's init has ended. */
		if (i % 4 == 3) {
			ASSERT_EQ(policy_load("wrong", "fail=1"), -EIO);
			continue;
		}
		ASSERT_EQ(policy_load(names[i % 2], i % 4 == 1 ? "kind=8" : ""), 0);
		vt_nap(i % 5);
		while ((err = policy_unload(names[i % 2])) == -EWOULDBLOCK)
			vt_nap(busy++ % 2);
		ASSERT_EQ(err, 0);
	}
	__atomic_store_n(&switching, false, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	/* Otherwise nothing was tried. */
	EXPECT_GT(busy, 0);
	EXPECT_EQ(vt_set("policy", "lru"), 0);
	EXPECT_STREQ(vt_show("policy"), "[lru] fifo clock random 2q");
}

TEST_HARNESS_MAIN
