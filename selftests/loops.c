// SPDX-License-Identifier: GPL-2.0
/*
 * loops.c - a hundred times over: loading, binding, a processor that goes and comes, SIGKILL
 *
 * All of it while processes use the device. Whatever they are told, in the end the data is right
 * and every frame is free.
 */
#include <sys/prctl.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"
#include "workload.h"

#define FRAMES	64
#define PAGES	512
#define SEED	23
#define ROUNDS	100
#define SLOW	60	/* seconds that something may take on a slow machine */
#define LONG_MS	400000	/* a hundred rounds end before, also on a debug kernel */
#define RACERS	3
#define DM	"vmdemo-loops"

FIXTURE(loops) {
	pid_t racer[RACERS];
};

FIXTURE_SETUP(loops)
{
	memset(self->racer, 0, sizeof(self->racer));
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_disk_fill(vt_disk2(), 0, PAGES, SEED);
}

static void end_racers(struct _test_data_loops *self)
{
	int i;

	for (i = 0; i < RACERS; i++) {
		if (self->racer[i] <= 0)
			continue;
		kill(self->racer[i], SIGKILL);
		waitpid(self->racer[i], NULL, 0);
		self->racer[i] = 0;
	}
}

FIXTURE_TEARDOWN(loops)
{
	end_racers(self);
	if (!access("/dev/mapper/" DM, F_OK)) {
		vt_shell("dmsetup resume " DM);
		while (vt_loaded() && vt_try_unload())
			vt_nap(50);
		vt_shell("dmsetup remove --retry " DM);
	}
}

/* Open, map, touch, look at an attribute; be refused or not. */
static void __noreturn race(unsigned int nr)
{
	__u64 random = SEED + nr, start, busy = 5;
	char value[64], *mem;
	int fd, i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		fd = open(VT_CLASS "vmdemo/stats/frames_free", O_RDONLY);
		if (fd >= 0 && read(fd, value, sizeof(value)) < 0 && errno != ENODEV)
			printf("# attribute: %s\n", strerror(errno));
		close(fd);
		/* On a slow kernel somebody would have it open at any moment. */
		vt_nap(vt_random(&random) % (4 * busy));
		start = vt_now_ms();
		fd = open(VT_DEV, O_RDWR);
		if (fd < 0)
			continue;
		mem = mmap(NULL, PAGES * VT_PAGE, VT_RW, MAP_SHARED, fd, 0);
		close(fd);
		if (mem == MAP_FAILED)
			continue;
		for (i = 0; i < 8; i++)
			vt_try_write(mem + vt_random(&random) % PAGES * VT_PAGE, NULL);
		munmap(mem, PAGES * VT_PAGE);
		busy = vt_now_ms() - start + 5;
	}
}

static void start_racers(struct _test_data_loops *self)
{
	int i;

	fflush(stdout);
	for (i = 0; i < RACERS; i++) {
		self->racer[i] = fork();
		if (!self->racer[i])
			race(i);
	}
}

/* The module comes and goes. */
TEST_F(loops, load_and_unload)
{
	__u64 deadline = vt_now_ms() + LONG_MS;
	char params[256];
	int rounds = 0, error;

	snprintf(params, sizeof(params), "backing=%s frames=%u", vt_disk(), FRAMES);
	start_racers(self);
	while (rounds < ROUNDS && vt_now_ms() < deadline) {
		ASSERT_EQ(vt_try_load(params), 0);
		vt_nap(rounds % 8);
		while ((error = vt_try_unload()) == -EWOULDBLOCK && vt_now_ms() < deadline)
			vt_nap(1);
		ASSERT_EQ(error, 0);
		rounds++;
	}
	EXPECT_EQ(rounds, ROUNDS);
	end_racers(self);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED));
}

/* The disk is changed. */
TEST_F(loops, rebind)
{
	__u64 deadline = vt_now_ms() + LONG_MS;
	const char *disk[2] = { strdup(vt_disk()), strdup(vt_disk2()) };
	int rounds = 0, error;

	vt_start(FRAMES);
	start_racers(self);
	while (rounds < ROUNDS && vt_now_ms() < deadline) {
		while ((error = vt_set("backing", "none")) == -EBUSY && vt_now_ms() < deadline)
			vt_nap(1);
		ASSERT_EQ(error, 0);
		rounds++;
		ASSERT_EQ(vt_set("backing", "%s", disk[rounds % 2]), 0);
		vt_nap(rounds % 8);
	}
	EXPECT_EQ(rounds, ROUNDS);
	end_racers(self);
	EXPECT_GT(vt_stat("pages_in"), 0);
	EXPECT_TRUE(vt_balanced());
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), vt_get("frames_actual"));
	EXPECT_TRUE(vt_disk_check(disk[0], 0, PAGES, SEED));
	EXPECT_TRUE(vt_disk_check(disk[1], 0, PAGES, SEED));
}

/* Nothing may have failed, and what was stored is on the disk after fsync. */
static void all_right(struct __test_metadata *_metadata, struct work *work, const char *disk)
{
	int fd;

	EXPECT_TRUE(work_end(work, SLOW));
	EXPECT_EQ(work_wrong(work) + work_failed(work) + work_unsynced(work), 0);
	fd = open(work->device, O_RDWR);
	EXPECT_EQ(fsync(fd), 0);
	close(fd);
	EXPECT_EQ(work_check_disk(work, disk), 0);
	work_free(work);
}

static bool set_cpu(int online)
{
	return vt_shell("echo %d >/sys/devices/system/cpu/cpu1/online", online);
}

/* A processor goes and comes under load. */
TEST_F(loops, cpu_hotplug)
{
	struct work work;
	int round;

	if (access("/sys/devices/system/cpu/cpu1/online", W_OK))
		SKIP(return, "no second processor that could go");
	vt_start(FRAMES);
	work_init(&work, VT_DEV, 0, PAGES, SEED, 3);
	work_start(&work);
	for (round = 0; round < 10; round++) {
		EXPECT_TRUE(set_cpu(0));
		EXPECT_TRUE(work_wait_done(&work, 20, SLOW));
		EXPECT_TRUE(set_cpu(1));
		EXPECT_TRUE(work_wait_done(&work, 20, SLOW));
	}
	all_right(_metadata, &work, vt_disk());
	EXPECT_TRUE(vt_balanced());
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), vt_get("frames_actual"));
}

static void make_dm(const char *target, const char *disk, const char *rest)
{
	if (!vt_shell("modprobe dm-mod; modprobe dm-delay; dmsetup version >/dev/null"))
		vt_skip("the device mapper or dmsetup is missing");
	if (!vt_shell("dmsetup create " DM " --table '0 131072 %s %s %s' && dmsetup mknodes " DM,
		      target, disk, rest))
		vt_fail("dmsetup does not create " DM);
}

/* Two devices work at once; when the disk of one stands still, the other goes on. */
TEST_F(loops, two_devices)
{
	struct work one, two;
	__u64 before;

	make_dm("linear", vt_disk2(), "0");
	vt_load("num_devices=2 backing=%s,/dev/mapper/" DM " frames=%u,%u", vt_disk(), FRAMES,
		FRAMES / 2);
	work_init(&one, VT_DEV, 0, PAGES, SEED, 2);
	work_init(&two, VT_DEV "1", 0, PAGES, SEED, 2);
	work_start(&one);
	work_start(&two);
	EXPECT_TRUE(work_wait_done(&one, 200, SLOW));
	EXPECT_TRUE(work_wait_done(&two, 200, SLOW));
	ASSERT_TRUE(vt_shell("dmsetup suspend --noflush --nolockfs " DM));
	vt_nap(1000);
	before = two.done[0] + two.done[1];
	EXPECT_TRUE(work_wait_done(&one, 500, SLOW));
	/* Some pages are resident, and what needs no disk goes on for a while. */
	EXPECT_LT(two.done[0] + two.done[1] - before, 500);
	ASSERT_TRUE(vt_shell("dmsetup resume " DM));
	EXPECT_TRUE(work_wait_done(&two, 100, SLOW));
	all_right(_metadata, &one, vt_disk());
	all_right(_metadata, &two, vt_disk2());
	EXPECT_EQ(vt_set("../vmdemo1/backing", "none"), 0);
	EXPECT_EQ(vt_get("../vmdemo1/stats/frames_free"), FRAMES / 2);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), FRAMES);
}

/* ---- SIGKILL ---- */

static void wait_in_fault(char *mem, int fd, __u64 *random)
{
	(void)fd;
	vt_try_read(mem + vt_random(random) % PAGES * VT_PAGE, NULL);
}

static void wait_in_pread(char *mem, int fd, __u64 *random)
{
	char byte;

	(void)mem;
	pread(fd, &byte, 1, vt_random(random) % PAGES * VT_PAGE);
}

static void wait_in_fsync(char *mem, int fd, __u64 *random)
{
	vt_try_write(mem + vt_random(random) % PAGES * VT_PAGE, NULL);
	fsync(fd);
}

/* With dirty_pct of 5 who stores waits for who writes. */
static void wait_in_store(char *mem, int fd, __u64 *random)
{
	(void)fd;
	vt_try_write(mem + vt_random(random) % PAGES * VT_PAGE, NULL);
}

static void wait_in_resize(char *mem, int fd, __u64 *random)
{
	vt_try_write(mem + vt_random(random) % PAGES * VT_PAGE, NULL);
	vt_set("frames", "%u", (unsigned int)(FRAMES / 2 + vt_random(random) % FRAMES));
	(void)fd;
}

static void wait_in_ioctl(char *mem, int fd, __u64 *random)
{
	size_t first = vt_random(random) % (PAGES - 16);

	(void)mem;
	vt_range(fd, VMDEMO_IOC_PREFETCH, first, 16, NULL);
	vt_range(fd, VMDEMO_IOC_EVICT, first, 16, NULL);
}

typedef void (*wait_fn)(char *mem, int fd, __u64 *random);

/* One process of each kind at a time, killed after up to 100 ms; true if all die of it. */
static bool kill_them(const wait_fn *waits, int nr, char *mem, int fd, __u64 *random)
{
	__u64 deadline;
	bool gone = true;
	pid_t pid[16];
	int i;

	fflush(stdout);
	for (i = 0; i < nr; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			*random += i;
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				waits[i](mem, fd, random);
		}
	}
	vt_nap(vt_random(random) % 100);
	for (i = 0; i < nr; i++)
		kill(pid[i], SIGKILL);
	deadline = vt_now_ms() + 20000;
	for (i = 0; i < nr; i++) {
		while (waitpid(pid[i], NULL, WNOHANG) != pid[i]) {
			if (vt_now_ms() > deadline) {
				vt_shell("sed 's/^/# /' /proc/%d/stack", pid[i]);
				gone = false;
				break;
			}
			vt_nap(2);
		}
	}
	return gone;
}

/* Killed while they wait for a slow disk, whatever for; and while every frame is pinned. */
TEST_F(loops, killed)
{
	static const wait_fn all[] = {
		wait_in_fault, wait_in_pread, wait_in_fsync, wait_in_store, wait_in_resize,
		wait_in_ioctl,
	};
	__u64 random = SEED;
	struct iovec part;
	int round, fd, ends[2];
	char *mem;

	make_dm("delay", vt_disk(), "0 20");
	vt_load("backing=/dev/mapper/" DM " frames=%u", FRAMES);
	ASSERT_EQ(vt_set("dirty_pct", "5"), 0);
	fd = vt_open(O_RDWR);
	mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	for (round = 0; round < ROUNDS; round++)
		ASSERT_TRUE(kill_them(all, ARRAY_SIZE(all), mem, fd, &random));
	EXPECT_EQ(fsync(fd), 0);
	EXPECT_EQ(vt_set("frames", "16"), 0);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);

	ASSERT_EQ(pipe(ends), 0);
	part.iov_base = mem;
	part.iov_len = 16 * VT_PAGE;
	ASSERT_EQ(vmsplice(ends[1], &part, 1, 0), 16 * VT_PAGE);
	EXPECT_TRUE(vt_wait_stat("frames_pinned", 16, 16, SLOW));
	for (round = 0; round < 20; round++)
		EXPECT_TRUE(kill_them(all, 4, mem, fd, &random));
	close(ends[0]);
	close(ends[1]);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	EXPECT_EQ(fsync(fd), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), vt_get("frames_actual"));
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SEED));
}

TEST_HARNESS_MAIN
