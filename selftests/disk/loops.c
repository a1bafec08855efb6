// SPDX-License-Identifier: GPL-2.0
/*
 * loops.c - a hundred times over: loading, binding, a processor that goes and comes, SIGKILL
 *
 * All of it while processes use the device. Whatever they are told, in the end the data is right
 * and every frame is free.
 */
#include <linux/falloc.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "dm.h"
#include "loops.h"
#include "vmdemo_test.h"
#include "workload.h"

#define FRAMES	64
#define SPARE	PAGES	/* pages from here on are discarded and held, and nobody looks at them */
#define SPARES	64
#define ROUNDS	100
#define SLOW	60	/* seconds that something may take on a slow machine */
#define LONG_MS	400000	/* a hundred rounds end before, also on a debug kernel */
#define RACERS	3
#define DM	"vmdemo-loops"
#define DM_SWAP	DM "-swap"

FIXTURE(loops) {
	pid_t racer[RACERS];
};

FIXTURE_SETUP(loops)
{
	memset(self->racer, 0, sizeof(self->racer));
	shared = mmap(NULL, sizeof(*shared), VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		vt_fail("no memory");
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_disk_fill(vt_disk2(), 0, PAGES, SEED2);
}

/* They race until they are killed: one that has ended otherwise has found something wrong. */
static void end_racers(struct _test_data_loops *self)
{
	int i, status;

	for (i = 0; i < RACERS; i++) {
		if (self->racer[i] <= 0)
			continue;
		kill(self->racer[i], SIGKILL);
		status = vt_reap(self->racer[i]);
		if (status != 128 + SIGKILL)
			wrong("a racer ended by itself", status);
		self->racer[i] = 0;
	}
}

FIXTURE_TEARDOWN(loops)
{
	end_racers(self);
	if (dm_exists(DM)) {
		dm_resume(DM);
		while (vt_loaded() && vt_try_unload())
			vt_nap(50);
		dm_remove(DM);
		dm_remove(DM_SWAP);
	}
	munmap(shared, sizeof(*shared));
}

/* The attribute is there, or it is not: then there is no module. */
static void look(void)
{
	int fd = open(VT_CLASS "vmdemo/stats/frames_free", O_RDONLY);
	char value[64];

	if (fd < 0) {
		if (errno != ENOENT && errno != ENODEV)
			wrong(strerror(errno), 0);
		return;
	}
	if (read(fd, value, sizeof(value)) <= 0 && errno != ENODEV)
		wrong(strerror(errno), 0);
	close(fd);
}

/* While somebody has the device open its disk stays: by its first word it is known which. */
static void store_some(char *mem, int nr, __u64 *random)
{
	__u64 first[VT_PAGE / sizeof(__u64)];
	int i, disk;

	vt_fill(first, 0, SEED);
	disk = *(__u64 *)mem != first[0];
	for (i = 0; i < 8; i++) {
		size_t page = vt_random(random) % PAGES;

		store_own(mem, -1, disk, nr, page, vt_random(random));
		vt_fill(first, page, seed_of(disk));
		if (*(__u64 *)(mem + page * VT_PAGE) != first[0])
			wrong("a page of another disk", page);
	}
}

/* Open, map, store, look at an attribute; be refused or not. */
static void __noreturn race(unsigned int nr)
{
	__u64 random = SEED + nr, start, busy = 5;
	char *mem;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		look();
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
		__atomic_add_fetch(&shared->mapped, 1, __ATOMIC_RELAXED);
		store_some(mem, nr, &random);
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
	int rounds = 0, refused = 0, error;
	char params[256];

	snprintf(params, sizeof(params), "backing=%s frames=%u", vt_disk(), FRAMES);
	start_racers(self);
	while (rounds < ROUNDS && vt_now_ms() < deadline) {
		ASSERT_EQ(vt_try_load(params), 0);
		vt_nap(rounds % 8);
		while ((error = vt_try_unload()) == -EWOULDBLOCK && vt_now_ms() < deadline) {
			refused++;
			vt_nap(1);
		}
		ASSERT_EQ(error, 0);
		rounds++;
	}
	EXPECT_EQ(rounds, ROUNDS);
	end_racers(self);
	EXPECT_GT(shared->mapped, 20);
	EXPECT_GT(shared->stores, 0);
	EXPECT_GT(refused, 0);
	EXPECT_EQ(shared->wrong, 0);
	EXPECT_EQ(wrong_on_disk(vt_disk(), 0), 0);
	printf("# mapped %llu times, %llu stores, unloading was refused %d times\n", shared->mapped,
	       shared->stores, refused);
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
	EXPECT_GT(shared->stores, 0);
	EXPECT_TRUE(vt_balanced());
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), vt_get("frames_actual"));
	EXPECT_EQ(shared->wrong, 0);
	EXPECT_EQ(wrong_on_disk(disk[0], 0), 0);
	EXPECT_EQ(wrong_on_disk(disk[1], 1), 0);
	printf("# mapped %llu times, %llu stores\n", shared->mapped, shared->stores);
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

static void make_dm(const char *name, const char *target, const char *disk, const char *rest)
{
	if (!dm_has(target))
		vt_skip("there is no dm-%s", target);
	dm_create(name, 0, "0 131072 %s %s %s", target, disk, rest);
}

/* Two devices work at once; when the disk of one stands still, the other goes on. */
TEST_F(loops, two_devices)
{
	struct work one, two;
	__u64 before;

	make_dm(DM, "linear", vt_disk2(), "0");
	vt_load("num_devices=2 backing=%s," DM_PATH(DM) " frames=%u,%u", vt_disk(), FRAMES,
		FRAMES / 2);
	work_init(&one, VT_DEV, 0, PAGES, SEED, 2);
	work_init(&two, VT_DEV "1", 0, PAGES, SEED2, 2);
	work_start(&one);
	work_start(&two);
	EXPECT_TRUE(work_wait_done(&one, 200, SLOW));
	EXPECT_TRUE(work_wait_done(&two, 200, SLOW));
	ASSERT_TRUE(dm_suspend(DM));
	vt_nap(1000);
	before = two.done[0] + two.done[1];
	EXPECT_TRUE(work_wait_done(&one, 500, SLOW));
	/* Some pages are resident, and what needs no disk goes on for a while. */
	EXPECT_LT(two.done[0] + two.done[1] - before, 500);
	ASSERT_TRUE(dm_resume(DM));
	EXPECT_TRUE(work_wait_done(&two, 100, SLOW));
	all_right(_metadata, &one, vt_disk());
	all_right(_metadata, &two, vt_disk2());
	EXPECT_EQ(vt_set("../vmdemo1/backing", "none"), 0);
	EXPECT_EQ(vt_get("../vmdemo1/stats/frames_free"), FRAMES / 2);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), FRAMES);
}

/* ---- SIGKILL ---- */

/* A waiter: what it has mapped and opened, and the words it may store to. */
struct victim {
	char *mem;
	int fd;
	int dev;	/* if fd is a space: the device */
	int limited;	/* and another space, with a segment that grows */
	int nr;
	__u64 random;
};

static size_t any_page(struct victim *victim)
{
	return vt_random(&victim->random) % PAGES;
}

static void store_any(struct victim *victim)
{
	store_own(victim->mem, -1, 0, victim->nr, any_page(victim), vt_random(&victim->random));
}

static void wait_in_fault(struct victim *victim)
{
	vt_try_read(victim->mem + any_page(victim) * VT_PAGE, NULL);
}

static void wait_in_pread(struct victim *victim)
{
	char byte;

	pread(victim->fd, &byte, 1, any_page(victim) * VT_PAGE);
}

static void wait_in_pwrite(struct victim *victim)
{
	store_own(victim->mem, victim->fd, 0, victim->nr, any_page(victim),
		  vt_random(&victim->random));
}

static void wait_in_fsync(struct victim *victim)
{
	store_any(victim);
	fsync(victim->fd);
}

/* With dirty_pct of 5 a store waits for writeback. */
static void wait_in_store(struct victim *victim)
{
	store_any(victim);
}

/* These two are at the same few pages: what one of them writes the other has to wait for. */
static void wait_in_msync(struct victim *victim)
{
	size_t page = vt_random(&victim->random) % 2;

	store_own(victim->mem, -1, 0, victim->nr, page, vt_random(&victim->random));
	msync(victim->mem + page * VT_PAGE, VT_PAGE, MS_SYNC);
}

static void wait_in_mkwrite(struct victim *victim)
{
	store_own(victim->mem, -1, 0, victim->nr, vt_random(&victim->random) % 2,
		  vt_random(&victim->random));
}

static void wait_in_resize(struct victim *victim)
{
	unsigned int frames = FRAMES / 2 + vt_random(&victim->random) % FRAMES;

	store_any(victim);
	vt_set("frames", "%u", frames);
}

static void wait_in_ioctl(struct victim *victim)
{
	size_t first = vt_random(&victim->random) % (PAGES - 16);

	vt_range(victim->fd, VMDEMO_IOC_PREFETCH, first, 16, NULL);
	vt_range(victim->fd, VMDEMO_IOC_EVICT, first, 16, NULL);
}

static void wait_in_dontneed(struct victim *victim)
{
	store_any(victim);
	posix_fadvise(victim->fd, 0, PAGES * VT_PAGE, POSIX_FADV_DONTNEED);
}

static void wait_in_discard(struct victim *victim)
{
	size_t page = SPARE + vt_random(&victim->random) % SPARES;

	vt_try_write(victim->mem + page * VT_PAGE, NULL);
	vt_range(victim->fd, VMDEMO_IOC_DISCARD, SPARE, SPARES, NULL);
}

/* The same, of pages that are held. */
static void wait_in_discard_of_pins(struct victim *victim)
{
	vt_range(victim->fd, VMDEMO_IOC_DISCARD, SPARE, 16, NULL);
}

static void wait_in_shrink(struct victim *victim)
{
	(void)victim;
	vt_set("frames", "8");
}

typedef void (*wait_fn)(struct victim *victim);

static bool gone_within(pid_t pid, int seconds)
{
	__u64 deadline = vt_now_ms() + seconds * 1000;

	while (waitpid(pid, NULL, WNOHANG) != pid) {
		if (vt_now_ms() > deadline) {
			vt_shell("sed 's/^/# /' /proc/%d/stack", pid);
			return false;
		}
		vt_nap(2);
	}
	return true;
}

/* One process of each kind at a time, killed after up to 100 ms; true if all die of it. */
static bool kill_them(const wait_fn *waits, int nr, struct victim *victim)
{
	bool gone = true;
	pid_t pid[STORERS];
	int i;

	fflush(stdout);
	for (i = 0; i < nr; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			victim->random += i;
			victim->nr = i;
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;) {
				waits[i](victim);
				__atomic_add_fetch(&shared->turns[i], 1, __ATOMIC_RELAXED);
			}
		}
	}
	vt_nap(vt_random(&victim->random) % 100);
	for (i = 0; i < nr; i++)
		kill(pid[i], SIGKILL);
	for (i = 0; i < nr; i++)
		gone &= gone_within(pid[i], 20);
	return gone;
}

static __u64 all_turns(void)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < STORERS; i++)
		sum += shared->turns[i];
	return sum;
}

/*
 * While every frame is pinned nothing of this comes to an end. These waits end by themselves after
 * 5 s, so a round in which one could not be killed takes that long. A busy machine may once do so.
 */
static void killed_while_pinned(struct __test_metadata *_metadata, struct victim *victim)
{
	static const wait_fn all[] = {
		wait_in_fault, wait_in_pread, wait_in_fsync, wait_in_store, wait_in_pwrite,
		wait_in_discard_of_pins, wait_in_shrink,
	};
	struct iovec part = { victim->mem + SPARE * VT_PAGE, 16 * VT_PAGE };
	int round, slow = 0, ends[2];
	__u64 turns, begin;

	ASSERT_EQ(vt_set("frames", "16"), 0);
	/* Otherwise others are lent frames, and go on. */
	ASSERT_EQ(vt_set("lend_pages", "0"), 0);
	ASSERT_EQ(pipe(ends), 0);
	ASSERT_EQ(vmsplice(ends[1], &part, 1, 0), 16 * VT_PAGE);
	EXPECT_TRUE(vt_wait_stat("frames_pinned", 16, 16, SLOW));
	for (round = 0; round < 20; round++) {
		begin = vt_now_ms();
		turns = all_turns();
		EXPECT_TRUE(kill_them(all, ARRAY_SIZE(all), victim));
		if (vt_now_ms() - begin > 4000)
			slow++;
		else
			EXPECT_EQ(all_turns(), turns);
	}
	EXPECT_LE(slow, 2);
	close(ends[0]);
	close(ends[1]);
	EXPECT_EQ(count_wrong(victim->mem, 0), 0);
}

/* Killed while they wait for a slow disk, whatever for; and while every frame is pinned. */
TEST_F(loops, killed)
{
	static const wait_fn all[] = {
		wait_in_fault, wait_in_pread, wait_in_fsync, wait_in_store, wait_in_resize,
		wait_in_ioctl, wait_in_pwrite, wait_in_msync, wait_in_mkwrite, wait_in_dontneed,
		wait_in_discard,
	};
	struct victim victim = { .random = SEED };
	int round, i;

	make_dm(DM, "delay", vt_disk(), "0 20");
	vt_load("backing=" DM_PATH(DM) " frames=%u", FRAMES);
	ASSERT_EQ(vt_set("dirty_pct", "5"), 0);
	victim.fd = vt_open(O_RDWR);
	victim.mem = vt_map(victim.fd, 0, SPARE + SPARES, VT_RW, MAP_SHARED);
	for (round = 0; round < ROUNDS; round++)
		ASSERT_TRUE(kill_them(all, ARRAY_SIZE(all), &victim));
	EXPECT_EQ(fsync(victim.fd), 0);
	EXPECT_EQ(count_wrong(victim.mem, 0), 0);
	EXPECT_EQ(vt_range(victim.fd, VMDEMO_IOC_DISCARD, SPARE, SPARES, NULL), 0);
	for (i = SPARE; i < SPARE + SPARES; i++)
		EXPECT_TRUE(vt_is_zero(victim.mem + i * VT_PAGE));
	killed_while_pinned(_metadata, &victim);
	EXPECT_EQ(fsync(victim.fd), 0);
	munmap(victim.mem, (SPARE + SPARES) * VT_PAGE);
	close(victim.fd);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_EQ(vt_stat("frames_free"), vt_get("frames_actual"));
	EXPECT_GT(shared->stores, 0);
	EXPECT_EQ(shared->wrong, 0);
	EXPECT_EQ(wrong_on_disk(vt_disk(), 0), 0);
}

/* ---- and in a space ---- */

static void wait_in_punch(struct victim *victim)
{
	int i;

	for (i = SPARE; i < SPARE + 16; i++)
		vt_try_write(victim->mem + i * VT_PAGE, NULL);
	vt_range(victim->fd, VMDEMO_IOC_EVICT, SPARE, 8, NULL);
	fallocate(victim->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, SPARE * VT_PAGE,
		  16 * VT_PAGE);
}

static void wait_in_seek(struct victim *victim)
{
	lseek(victim->fd, any_page(victim) * VT_PAGE, SEEK_HOLE);
}

/* A segment that comes from the slow disk and is loaded as a whole, in a space of its own. */
static void wait_in_whole_load(struct victim *victim)
{
	struct vmdemo_segment part = {
		.name = "part", .bound = PAGES * VT_PAGE, .limit = PAGES * VT_PAGE,
		.prot = PROT_READ, .loading = VMDEMO_LOAD_WHOLE, .flags = VMDEMO_SEGMENT_ORIGIN,
	};
	struct vmdemo_space_args args = {
		.size = part.bound, .segments = (uintptr_t)&part, .nr_segments = 1,
	};
	int space = ioctl(victim->dev, VMDEMO_IOC_SPACE, &args);
	size_t page = any_page(victim);
	char *mem;

	if (space < 0) {
		wrong("no space of its own", 0);
		return;
	}
	mem = vt_map(space, 0, PAGES, PROT_READ, MAP_SHARED);
	if (vt_check(mem + page * VT_PAGE, page, SEED2) >= 0)
		wrong("not what its origin has", page);
	munmap(mem, PAGES * VT_PAGE);
	close(space);
}

/* The segment loses pages that are just being written. */
static void wait_in_limit(struct victim *victim)
{
	struct vmdemo_segment_limit limit = { .limit = 32 * VT_PAGE };
	char *mem = vt_map(victim->limited, 0, 32, VT_RW, MAP_SHARED);
	int i;

	ioctl(victim->limited, VMDEMO_IOC_LIMIT, &limit);
	for (i = 0; i < 32; i++)
		vt_try_write(mem + i * VT_PAGE, NULL);
	vt_range(victim->limited, VMDEMO_IOC_PREFETCH, 0, 32, NULL);
	limit.limit = 0;
	ioctl(victim->limited, VMDEMO_IOC_LIMIT, &limit);
	munmap(mem, 32 * VT_PAGE);
}

static int growing_space(int dev)
{
	struct vmdemo_segment heap = {
		.name = "heap", .bound = 32 * VT_PAGE, .limit = 32 * VT_PAGE,
		.prot = PROT_READ | PROT_WRITE, .growth = VMDEMO_GROW_UP,
	};
	struct vmdemo_space_args args = {
		.size = heap.bound, .segments = (uintptr_t)&heap, .nr_segments = 1,
	};

	return ioctl(dev, VMDEMO_IOC_SPACE, &args);
}

/* Killed while they wait for the disk that a space swaps to, and for each other. */
TEST_F(loops, killed_in_a_space)
{
	static const wait_fn all[] = {
		wait_in_fault, wait_in_pread, wait_in_store, wait_in_pwrite, wait_in_ioctl,
		wait_in_dontneed, wait_in_punch, wait_in_seek, wait_in_whole_load, wait_in_limit,
	};
	struct vmdemo_space_args args = { .size = (SPARE + SPARES) * VT_PAGE };
	struct vmdemo_segment_limit none = {};
	struct victim victim = { .random = SEED };
	int round, i;

	make_dm(DM, "delay", vt_disk2(), "0 10");
	make_dm(DM_SWAP, "delay", vt_disk(), "0 10");
	vt_load("backing=" DM_PATH(DM) " swap=" DM_PATH(DM_SWAP) " frames=%u", FRAMES);
	victim.dev = vt_open(O_RDWR);
	victim.fd = ioctl(victim.dev, VMDEMO_IOC_SPACE, &args);
	ASSERT_GE(victim.fd, 0);
	victim.limited = growing_space(victim.dev);
	ASSERT_GE(victim.limited, 0);
	victim.mem = vt_map(victim.fd, 0, SPARE + SPARES, VT_RW, MAP_SHARED);
	for (i = 0; i < PAGES; i++)
		vt_fill(victim.mem + i * VT_PAGE, i, SEED);
	for (round = 0; round < ROUNDS; round++)
		ASSERT_TRUE(kill_them(all, ARRAY_SIZE(all), &victim));
	EXPECT_EQ(count_wrong(victim.mem, 0), 0);
	EXPECT_GT(shared->stores, 0);
	EXPECT_EQ(shared->wrong, 0);
	EXPECT_EQ(fallocate(victim.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, SPARE * VT_PAGE,
			    SPARES * VT_PAGE), 0);
	EXPECT_EQ(ioctl(victim.limited, VMDEMO_IOC_LIMIT, &none), 0);
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots") - PAGES);
	munmap(victim.mem, (SPARE + SPARES) * VT_PAGE);
	close(victim.fd);
	close(victim.limited);
	close(victim.dev);
	EXPECT_EQ(vt_set("backing", "none"), 0);
	EXPECT_TRUE(vt_wait_stat("frames_free", FRAMES, FRAMES, SLOW));
	EXPECT_TRUE(vt_wait_stat("swap_free", vt_get("swap_slots"), vt_get("swap_slots"), SLOW));
}

TEST_HARNESS_MAIN
