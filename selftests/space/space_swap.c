// SPDX-License-Identifier: GPL-2.0
/*
 * space_swap.c - memory without a file, larger than the frames: pages begin as zeros, go to slots
 * of the swap device, and come back
 */
#include <linux/falloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "space.h"

/* ---- pages come as zeros, go to slots, and come back ---- */

TEST_F(space, zeros_at_first)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	struct vmdemo_info info = { .size = sizeof(info) };
	size_t i;

	for (i = 0; i < PAGES; i++)
		ASSERT_TRUE(vt_is_zero(mem + i * VT_PAGE)) TH_LOG("page %zu", i);
	EXPECT_GE(vt_stat("faults_zero"), PAGES);
	/* What was only read has no place anywhere. */
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_EQ(vt_stat("pages_in"), 0);
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots"));
	EXPECT_EQ(blocks(fd), 0);
	ASSERT_EQ(ioctl(fd, VMDEMO_IOC_INFO, &info), 0);
	EXPECT_EQ(info.flags, VMDEMO_INFO_SPARSE);
	EXPECT_EQ(info.size_bytes, PAGES * VT_PAGE);
	EXPECT_EQ(info.frames, FRAMES);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

TEST_F(space, larger_than_memory)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE), round;
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	__u64 out;

	fill(mem, 0, PAGES, SEED);
	EXPECT_GE(vt_stat("pages_out"), PAGES - FRAMES);
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots") - PAGES);
	EXPECT_EQ(blocks(fd), PAGES * 8);
	for (round = 0; round < 3; round++)
		ASSERT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	EXPECT_GE(vt_stat("pages_in"), 3 * (PAGES - FRAMES));
	/* Clean pages that have a slot go without being written again. */
	out = vt_stat("pages_out");
	ASSERT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	EXPECT_LE(vt_stat("pages_out"), out + FRAMES);
	EXPECT_TRUE(vt_balanced());
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

/* Dirty data of spaces is not written by age: it goes out when its frame is needed. */
TEST_F(space, goes_out_only_when_it_must)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);

	ASSERT_EQ(vt_set("dirty_age_ms", "50"), 0);
	ASSERT_EQ(vt_set("dirty_pct", "10"), 0);
	fill(mem, 0, FRAMES / 2, SEED);
	vt_nap(500);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
	EXPECT_TRUE(vt_page(fd, 0).flags & VMDEMO_PAGE_DIRTY);
	EXPECT_EQ(vt_page(fd, 0).slot, 0);
	ASSERT_EQ(fsync(fd), 0);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	/* Nor when it is not needed any more. */
	EXPECT_TRUE(all_free());
	EXPECT_EQ(vt_stat("pages_out"), 0);
}

TEST_F(space, pagemap)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	struct vmdemo_page page = vt_page(fd, 3);
	__u64 acted;

	EXPECT_EQ(page.state, VMDEMO_PAGE_UNTOUCHED);
	EXPECT_EQ(page.frame, VMDEMO_NO_FRAME);
	vt_fill(mem + 3 * VT_PAGE, 3, SEED);
	page = vt_page(fd, 3);
	EXPECT_EQ(page.state, VMDEMO_PAGE_ACTIVE);
	EXPECT_LT(page.frame, FRAMES);
	EXPECT_EQ(page.flags, VMDEMO_PAGE_DIRTY | VMDEMO_PAGE_MAPPED);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, PAGES, &acted), 0);
	EXPECT_EQ(acted, 1);
	page = vt_page(fd, 3);
	EXPECT_EQ(page.state, VMDEMO_PAGE_SWAPPED);
	EXPECT_EQ(page.frame, VMDEMO_NO_FRAME);
	EXPECT_GT(page.slot, 0);
	EXPECT_LE(page.slot, vt_get("swap_slots"));
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_PREFETCH, 0, PAGES, &acted), 0);
	EXPECT_EQ(acted, 1);
	EXPECT_EQ(vt_check(mem + 3 * VT_PAGE, 3, SEED), -1);
	/* It keeps its slot, and is where the slot says. */
	EXPECT_EQ(vt_page(fd, 3).slot, page.slot);
	EXPECT_EQ(vt_stat("faults_hard"), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* Read or write requests that the swap device has had; always the same if it counts none. */
static __u64 swap_requests(bool write)
{
	unsigned long long reads = 0, writes = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", strrchr(vt_disk2(), '/') + 1);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu %*u %*u %*u %llu", &reads, &writes) != 2)
		vt_fail("no counts in %s", path);
	fclose(f);
	return write ? writes : reads;
}

/* Neighbours are neighbours on the device as well, whatever the order they went out in. */
TEST_F(space, neighbours_stay_together)
{
	int fd = make_space(self->dev, 16 * VT_PAGE);
	char *mem = map_space(fd, 0, 16 * VT_PAGE, MAP_SHARED);
	struct vmdemo_page map[16];
	__u64 acted, requests;
	int i;

	for (i = 0; i < 16; i++) {
		int p = i * 7 % 16;

		vt_fill(mem + p * VT_PAGE, p, SEED);
		ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, p, 1, &acted), 0);
		ASSERT_EQ(acted, 1);
	}
	ASSERT_EQ(vt_pagemap(fd, 0, 16, map), 0);
	for (i = 1; i < 16; i++)
		EXPECT_EQ(map[i].slot, map[0].slot + i);
	requests = swap_requests(false);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_PREFETCH, 0, 16, &acted), 0);
	EXPECT_EQ(vt_count_bad(mem, 0, 16, SEED), 0);
	EXPECT_EQ(vt_stat("pages_in"), 16);
	EXPECT_LE(swap_requests(false) - requests, 1);
	munmap(mem, 16 * VT_PAGE);
	close(fd);
}

/* Those that go out together go in one request, whatever the order they were written in. */
TEST_F(space, neighbours_go_out_together)
{
	int fd = make_space(self->dev, 32 * VT_PAGE), round, i;
	char *mem = map_space(fd, 0, 32 * VT_PAGE, MAP_SHARED);
	__u64 acted, requests;

	/* The first time they get slots, the second they have them. */
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 16; i++) {
			int p = i * 7 % 16;

			vt_fill(mem + (16 + p) * VT_PAGE, 16 + p, SEED + round);
		}
		requests = swap_requests(true);
		ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, 32, &acted), 0);
		EXPECT_EQ(acted, 16);
		EXPECT_EQ(vt_stat("pages_out"), 16 * (round + 1));
		EXPECT_LE(swap_requests(true) - requests, 1);
		/* A virtio disk counts. */
		if (strstr(vt_disk2(), "/vd"))
			EXPECT_EQ(swap_requests(true) - requests, 1);
	}
	EXPECT_EQ(vt_count_bad(mem + 16 * VT_PAGE, 16, 16, SEED + 1), 0);
	munmap(mem, 32 * VT_PAGE);
	close(fd);
}

/* Wait until a page is in that state, which lasts as long as the slow swap device takes. */
static bool becomes(int fd, size_t page, int state, struct vmdemo_page *seen)
{
	__u64 deadline = vt_now_ms() + 20000;

	do {
		*seen = vt_page(fd, page);
		if (seen->state == state)
			return true;
	} while (vt_now_ms() < deadline);
	return false;
}

/*
 * Swap to a device with @slots slots that dm-@target makes from the second disk; @more is the end
 * of its table. The header takes the space of one more slot.
 */
static void swap_by(struct _test_data_space *self, __u64 slots, const char *target,
		    const char *more)
{
	const __u64 sectors = (slots + 1) * (VT_PAGE / 512);

	close(self->dev);
	self->dev = -1;
	if (!dm_has(target))
		vt_skip("there is no dm-%s", target);
	if (vt_set("swap", "none"))
		vt_fail("swap cannot be unbound");
	dm_create(DM, 0, "0 %llu %s %s 0%s", sectors, target, vt_disk2(), more);
	if (vt_set("swap", DM_PATH(DM)))
		vt_fail("there is no dm-%s device to swap to", target);
	self->dev = vt_open(O_RDWR);
}

/* What a page is while it waits, goes out, and comes in. */
TEST_F(space, pagemap_on_the_way)
{
	struct vmdemo_page page;
	__u64 acted;
	char *mem;
	pid_t pid;
	int fd, i;

	/* Each request takes two seconds. */
	swap_by(self, vt_get("swap_slots"), "delay", " 2000");
	fd = make_space(self->dev, PAGES * VT_PAGE);
	mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	fill(mem, 0, 8, SEED);
	/* A small pool keeps all but the newest on standby. */
	ASSERT_TRUE(becomes(fd, 3, VMDEMO_PAGE_STANDBY, &page));
	EXPECT_LT(page.frame, FRAMES);
	EXPECT_EQ(page.flags, VMDEMO_PAGE_DIRTY);
	EXPECT_EQ(page.slot, 0);

	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(vt_range(fd, VMDEMO_IOC_EVICT, 0, 8, &acted) || acted != 8);
	ASSERT_TRUE(becomes(fd, 3, VMDEMO_PAGE_WRITING, &page));
	EXPECT_LT(page.frame, FRAMES);
	EXPECT_GT(page.slot, 0);
	EXPECT_EQ(page.flags, 0);
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_page(fd, 3).state, VMDEMO_PAGE_SWAPPED);
	EXPECT_EQ(vt_page(fd, 3).slot, page.slot);

	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_PREFETCH, 0, 8, &acted), 0);
	ASSERT_EQ(acted, 8);
	ASSERT_TRUE(becomes(fd, 3, VMDEMO_PAGE_LOADING, &page));
	EXPECT_LT(page.frame, FRAMES);
	EXPECT_EQ(page.flags, 0);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(vt_check(mem + i * VT_PAGE, i, SEED), -1);
	EXPECT_NE(vt_page(fd, 3).state, VMDEMO_PAGE_LOADING);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/*
 * A look while pages go out sees each of them somewhere, and written only to a slot; and no page
 * stays because it is looked at.
 */
TEST_F(space, pagemap_meets_eviction)
{
	struct vmdemo_page pages[32];
	struct vmdemo_pagemap map = {
		.length = sizeof(pages) / sizeof(*pages) * VT_PAGE,
		.pages = (__u64)(unsigned long)pages,
	};
	__u64 acted, deadline = vt_now_ms() + 3000;
	int fd, status, nowhere = 0, slotless = 0, writing = 0;
	unsigned int i;
	char *mem;
	pid_t pid;

	while (vt_now_ms() < deadline) {
		/* A new space each time: a page keeps its slot. */
		fd = make_space(self->dev, map.length);
		mem = map_space(fd, 0, map.length, MAP_SHARED);
		fill(mem, 0, map.length / VT_PAGE, SEED);
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(vt_range(fd, VMDEMO_IOC_EVICT, 0, map.length / VT_PAGE, &acted) ||
			      acted != map.length / VT_PAGE);
		do {
			ASSERT_EQ(ioctl(fd, VMDEMO_IOC_PAGEMAP, &map), 0);
			for (i = 0; i < map.length / VT_PAGE; i++) {
				nowhere += pages[i].state == VMDEMO_PAGE_UNTOUCHED;
				writing += pages[i].state == VMDEMO_PAGE_WRITING;
				slotless += pages[i].state == VMDEMO_PAGE_WRITING && !pages[i].slot;
			}
			vt_stat("frames_pinned");
		} while (!waitpid(pid, &status, WNOHANG));
		ASSERT_EQ(status, 0);
		munmap(mem, map.length);
		close(fd);
	}
	TH_LOG("saw %d pages being written", writing);
	EXPECT_GT(writing, 0);
	EXPECT_EQ(nowhere, 0);
	EXPECT_EQ(slotless, 0);
}

/* The bytes on the swap device are the page's, in its slot. */
TEST_F(space, slot_is_the_place)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	void *buffer = vt_buffer(1);
	__u64 acted;

	vt_fill(mem + 5 * VT_PAGE, 5, SEED);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 5, 1, &acted), 0);
	vt_disk_read(vt_disk2(), vt_page(fd, 5).slot, buffer);
	EXPECT_EQ(vt_check(buffer, 5, SEED), -1);
	munmap(buffer, VT_PAGE);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* ---- the end of the slots, and pins ---- */

TEST_F(space, its_share_is_used_up)
{
	int fd = try_space(self->dev, PAGES * VT_PAGE, 10), i;
	char *mem;
	siginfo_t info;

	ASSERT_GE(fd, 0);
	mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	for (i = 0; i < 10; i++)
		ASSERT_EQ(vt_try_write(mem + i * VT_PAGE, &info), 0);
	ASSERT_EQ(vt_try_write(mem + 10 * VT_PAGE, &info), SIGBUS);
	EXPECT_EQ(info.si_addr, mem + 10 * VT_PAGE);
	EXPECT_EQ(vt_stat("swap_full"), 1);
	EXPECT_EQ(vt_try_read(mem + 10 * VT_PAGE, &info), 0);
	EXPECT_EQ(pwrite(fd, "x", 1, 20 * VT_PAGE), -1);
	EXPECT_EQ(errno, ENOSPC);
	/* Those it has can be written at will; what is given back can be used again. */
	ASSERT_EQ(vt_try_write(mem + 5 * VT_PAGE, &info), 0);
	ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, VT_PAGE), 0);
	EXPECT_EQ(vt_try_write(mem + 10 * VT_PAGE, &info), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* What the administrator allows holds for every space made from then on, whatever it asks for. */
TEST_F(space, no_space_takes_all_slots)
{
	static const struct {
		__u64 asked;
		const char *allowed;
		int most;
	} shares[] = {
		{ 0, "10", 10 }, { 20, "10", 10 }, { 5, "10", 5 }, { 20, "0", 20 },
	};
	char page[VT_PAGE] = "x";
	int i, n, fds[ARRAY_SIZE(shares)];

	for (i = 0; i < ARRAY_SIZE(shares); i++) {
		ASSERT_EQ(vt_set("space_max_pages", "%s", shares[i].allowed), 0);
		fds[i] = try_space(self->dev, PAGES * VT_PAGE, shares[i].asked);
		ASSERT_GE(fds[i], 0);
	}
	for (i = 0; i < ARRAY_SIZE(shares); i++) {
		for (n = 0; pwrite(fds[i], page, VT_PAGE, n * VT_PAGE) == VT_PAGE; n++)
			;
		EXPECT_EQ(errno, ENOSPC);
		EXPECT_EQ(n, shares[i].most) TH_LOG("space %d", i);
		close(fds[i]);
	}
}

TEST_F(space, swap_is_full)
{
	const __u64 slots = 32 * FRAMES;
	const size_t bytes = (slots + 64) * VT_PAGE;
	char *mem, *theirs, *linear;
	__u64 i, state = 3;
	int fd, other;

	swap_by(self, slots, "linear", "");
	ASSERT_EQ(vt_get("swap_slots"), slots);
	fd = make_space(self->dev, bytes);
	other = make_space(self->dev, PAGES * VT_PAGE);
	mem = map_space(fd, 0, bytes, MAP_SHARED | MAP_NORESERVE);
	theirs = map_space(other, 0, PAGES * VT_PAGE, MAP_SHARED);
	linear = vt_map(self->dev, 0, PAGES, VT_RW, MAP_SHARED);
	ASSERT_EQ(vt_try_write(theirs, NULL), 0);
	for (i = 0; i < slots - 1; i++) {
		mem[i * VT_PAGE] = i % 251;
		mem[i * VT_PAGE + 8] = 1;
	}
	EXPECT_EQ(vt_stat("swap_free"), 0);
	EXPECT_EQ(vt_try_write(mem + i * VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(vt_try_write(theirs + VT_PAGE, NULL), SIGBUS);
	/* Nothing else is disturbed: what has a slot goes and comes, as do the device's pages. */
	for (i = 0; i < 500; i++) {
		__u64 page = vt_random(&state) % (slots - 1);

		ASSERT_EQ((unsigned char)mem[page * VT_PAGE], page % 251);
		mem[page * VT_PAGE + 16] = 2;
	}
	fill(linear, 0, PAGES, SEED);
	EXPECT_EQ(vt_count_bad(linear, 0, PAGES, SEED), 0);
	munmap(mem, bytes);
	close(fd);
	EXPECT_TRUE(vt_wait_stat("swap_free", slots - 1, slots - 1, 60));
	EXPECT_EQ(vt_try_write(theirs + VT_PAGE, NULL), 0);
	munmap(theirs, PAGES * VT_PAGE);
	close(other);
	munmap(linear, PAGES * VT_PAGE);
}

#define TASKS	256
#define EACH	16	/* pages of a task; together eight times the frames */

#define FAULTS	32	/* page faults of a task, on average, unless that takes too long */

struct together {
	__u64 faults[TASKS];
	__u64 idle[TASKS];
	bool enough;
};

static __u64 own_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/*
 * Store to the task's own pages over and over, and count its page faults. A task whose pages are
 * there leaves the processor to others.
 */
static void store_until_enough(char *mem, struct together *all, int task)
{
	const __u64 begun = own_faults();
	__u64 faults;
	size_t i;

	for (i = 0; !__atomic_load_n(&all->enough, __ATOMIC_RELAXED); i++) {
		mem[i * 7 % EACH * VT_PAGE] = i;
		faults = own_faults() - begun;
		if (faults == all->faults[task]) {
			all->idle[task]++;
			usleep(1000);
		}
		all->faults[task] = faults;
	}
}

/* Until there are enough of them; after 30 s half of that will do, after 90 s any number. */
static __u64 wait_for_faults(struct together *all, __u64 enough)
{
	__u64 sum, begin = vt_now_ms(), ms;
	int i;

	do {
		usleep(1000);
		for (i = 0, sum = 0; i < TASKS; i++)
			sum += __atomic_load_n(&all->faults[i], __ATOMIC_RELAXED);
		ms = vt_now_ms() - begin;
	} while (sum < (ms < 30000 ? enough : enough / 2) && ms < 90000);
	__atomic_store_n(&all->enough, true, __ATOMIC_RELAXED);
	return sum;
}

/*
 * Many tasks wait for frames whose pages have to be written first. A task is woken when it has a
 * frame, so there are few wakeups, and no task is passed over. When many wait, each checks twice a
 * second how things stand.
 */
TEST_F(space, waiters_in_turn)
{
	struct together *all = mmap(NULL, sizeof(*all), VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	__u64 start, ms, faults, waits, least = ~0ULL;
	struct rusage before, after;
	pid_t pids[TASKS];
	int fd, i, gate[2];
	char *mem, go;

	ASSERT_NE(all, MAP_FAILED);
	swap_by(self, vt_get("swap_slots"), "delay", " 30");
	ASSERT_EQ(vt_set("frames", "%d", TASKS * EACH / 8), 0);
	fd = make_space(self->dev, TASKS * EACH * VT_PAGE);
	mem = map_space(fd, 0, TASKS * EACH * VT_PAGE, MAP_SHARED);
	ASSERT_EQ(pipe(gate), 0);
	getrusage(RUSAGE_CHILDREN, &before);
	for (i = 0; i < TASKS; i++) {
		pids[i] = fork();
		ASSERT_GE(pids[i], 0);
		if (pids[i])
			continue;
		close(gate[1]);
		if (read(gate[0], &go, 1))
			_exit(1);
		store_until_enough(mem + i * EACH * VT_PAGE, all, i);
		_exit(0);
	}
	start = vt_now_ms();
	close(gate[1]);
	faults = wait_for_faults(all, TASKS * FAULTS);
	for (i = 0; i < TASKS; i++)
		least = all->faults[i] < least ? all->faults[i] : least;
	for (i = 0; i < TASKS; i++)
		ASSERT_EQ(vt_reap(pids[i]), 0);
	ms = vt_now_ms() - start;
	getrusage(RUSAGE_CHILDREN, &after);
	waits = after.ru_nvcsw - before.ru_nvcsw;
	for (i = 0; i < TASKS; i++)
		waits -= all->idle[i];
	TH_LOG("%llu faults in %llu ms, at least %llu of each; %llu waits", faults, ms, least,
	       waits);
	/* A debug kernel is slow. */
	EXPECT_GE(faults, TASKS * FAULTS / 8);
	EXPECT_LT(waits, 2 * faults + TASKS * ms / 500);
	EXPECT_GT(least, 0);
	close(gate[0]);
	munmap(mem, TASKS * EACH * VT_PAGE);
	close(fd);
	munmap(all, sizeof(*all));
}

/* A page in a pipe stays what it was, whatever becomes of its space; the pool loses no frame. */
TEST_F(space, pinned_page_outlives_its_space)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE), pipefd[2];
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	struct iovec iov = { mem, VT_PAGE };
	char *page = vt_buffer(1);

	ASSERT_EQ(pipe(pipefd), 0);
	vt_fill(mem, 0, SEED);
	ASSERT_EQ(vmsplice(pipefd[1], &iov, 1, 0), VT_PAGE);
	ASSERT_EQ(ftruncate(fd, 0), 0);
	ASSERT_EQ(ftruncate(fd, PAGES * VT_PAGE), 0);
	EXPECT_TRUE(vt_is_zero(mem));
	fill(mem, 0, PAGES, SEED + 1);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED + 1), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
	EXPECT_EQ(vt_get("frames_actual"), FRAMES);
	ASSERT_EQ(read(pipefd[0], page, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, 0, SEED), -1);
	munmap(page, VT_PAGE);
	close(pipefd[0]);
	close(pipefd[1]);
}

TEST_HARNESS_MAIN
