// SPDX-License-Identifier: GPL-2.0
/*
 * space_file.c - a sparse space as a file: holes, its size, read and write
 */
#include <linux/falloc.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "space.h"

#define TIB	(1024ULL << 30)

/* ---- holes ---- */

/* Bytes of the kernel's memory that the entries of pages, among others, are in. */
static long long node_bytes(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	long long objects = -1, bytes = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "radix_tree_node %lld %*d %lld", &objects, &bytes) == 2)
			break;
	if (f)
		fclose(f);
	if (objects < 0)
		vt_fail("no radix_tree_node in /proc/slabinfo");
	return objects * bytes;
}

TEST_F(space, holes_cost_nothing)
{
	int fd = make_space(self->dev, 64 * TIB);
	__u64 state = 1, place[1000];
	long long before, after;
	char *mem;
	int i;

	before = node_bytes();
	mem = map_space(fd, 0, 64 * TIB, MAP_SHARED | MAP_NORESERVE);
	for (i = 0; i < 1000; i++) {
		/* A page of each 64 GiB, somewhere. */
		place[i] = (__u64)i * (64 * TIB / 1000) / VT_PAGE +
			   vt_random(&state) % (TIB / 32 / VT_PAGE);
		vt_fill(mem + place[i] * VT_PAGE, place[i], SEED);
	}
	after = node_bytes();
	TH_LOG("1000 pages, scattered over 64 TiB: %lld bytes of kernel memory, page tables aside",
	       after - before);
	/* Each has a branch of entries of its own: five nodes of 576 bytes at worst. */
	EXPECT_GT(after - before, 1000 * 576);
	EXPECT_LT(after - before, 1000 * 6 * 576);
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(vt_check(mem + place[i] * VT_PAGE, place[i], SEED), -1);
	EXPECT_EQ(blocks(fd), 8000);
	munmap(mem, 64 * TIB);
	close(fd);
	EXPECT_TRUE(all_free());
}

TEST_F(space, punch)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	const __u64 slots = vt_get("swap_slots");
	size_t i;

	fill(mem, 0, PAGES, SEED);
	EXPECT_EQ(vt_stat("swap_free"), slots - PAGES);
	/* Pages 8 to 15 as a whole, parts of 7 and 16. */
	ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8 * VT_PAGE - 100,
			    8 * VT_PAGE + 200), 0);
	for (i = 8; i < 16; i++)
		EXPECT_TRUE(vt_is_zero(mem + i * VT_PAGE));
	for (i = 1; i <= 100; i++) {
		ASSERT_EQ(mem[8 * VT_PAGE - i], 0);
		ASSERT_EQ(mem[16 * VT_PAGE + i - 1], 0);
	}
	EXPECT_LT(vt_check(mem + 16 * VT_PAGE, 16, SEED), 20);
	EXPECT_GT(vt_check(mem + 7 * VT_PAGE, 7, SEED), 400);
	EXPECT_EQ(vt_stat("swap_free"), slots - PAGES + 8);
	EXPECT_EQ(blocks(fd), (PAGES - 8) * 8);
	ASSERT_EQ(madvise(mem + 32 * VT_PAGE, 64 * VT_PAGE, MADV_REMOVE), 0);
	EXPECT_TRUE(vt_is_zero(mem + 32 * VT_PAGE));
	EXPECT_EQ(blocks(fd), (PAGES - 72) * 8);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_DISCARD, 100, 28, NULL), 0);
	EXPECT_EQ(blocks(fd), (PAGES - 100) * 8);
	EXPECT_EQ(vt_count_bad(mem + 128 * VT_PAGE, 128, PAGES - 128, SEED), 0);
	EXPECT_EQ(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, VT_PAGE), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

/* Room is kept for pages that are still zeros: what was promised can be written, come what may. */
TEST_F(space, reserved)
{
	const __u64 slots = vt_get("swap_slots");
	int fd = make_space(self->dev, 4 * VT_PAGE), other, bounded;
	char *mem, *rest;
	size_t i;

	EXPECT_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, VT_PAGE, 3 * VT_PAGE), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 4 * VT_PAGE);
	EXPECT_EQ(vt_stat("swap_free"), slots - 3);
	/* Those that have it already do not count twice; the size grows. */
	EXPECT_EQ(posix_fallocate(fd, 0, PAGES * VT_PAGE), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), PAGES * VT_PAGE);
	EXPECT_EQ(vt_stat("swap_free"), slots - PAGES);
	EXPECT_EQ(blocks(fd), PAGES * 8);
	mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	for (i = 0; i < PAGES; i++)
		EXPECT_TRUE(vt_is_zero(mem + i * VT_PAGE));
	EXPECT_EQ(vt_stat("pages_out"), 0);

	/* More than there is: nothing stays behind of it. */
	other = make_space(self->dev, (slots + 64) * VT_PAGE);
	EXPECT_EQ(posix_fallocate(other, 0, (slots - PAGES + 1) * VT_PAGE), ENOSPC);
	EXPECT_EQ(fallocate(other, 0, 0, 64 * TIB), -1);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_EQ(lseek(other, 0, SEEK_END), (slots + 64) * VT_PAGE);
	EXPECT_EQ(vt_stat("swap_free"), slots - PAGES);
	EXPECT_EQ(blocks(other), 0);
	bounded = try_space(self->dev, PAGES * VT_PAGE, 10);
	ASSERT_GE(bounded, 0);
	EXPECT_EQ(posix_fallocate(bounded, 0, 11 * VT_PAGE), ENOSPC);
	EXPECT_EQ(posix_fallocate(bounded, 0, 10 * VT_PAGE), 0);
	EXPECT_EQ(posix_fallocate(bounded, 5 * VT_PAGE, 5 * VT_PAGE), 0);
	close(bounded);
	/* All the rest is another's. */
	EXPECT_EQ(posix_fallocate(other, 0, (slots - PAGES) * VT_PAGE), 0);
	rest = map_space(other, 0, (slots + 64) * VT_PAGE, MAP_SHARED);
	EXPECT_EQ(vt_try_write(rest + (slots - PAGES) * VT_PAGE, NULL), SIGBUS);
	EXPECT_EQ(vt_try_write(rest, NULL), 0);
	fill(mem, 0, PAGES, SEED);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	/* A hole gives it back; zeros keep it. */
	EXPECT_EQ(fallocate(fd, FALLOC_FL_ZERO_RANGE, VT_PAGE + 100, 8 * VT_PAGE), 0);
	EXPECT_EQ(vt_stat("swap_free"), 0);
	for (i = 2; i < 9; i++)
		EXPECT_TRUE(vt_is_zero(mem + i * VT_PAGE));
	EXPECT_EQ(mem[VT_PAGE + 100] | mem[9 * VT_PAGE + 99], 0);
	EXPECT_GT(vt_check(mem + VT_PAGE, 1, SEED), 10);
	EXPECT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * VT_PAGE), 0);
	EXPECT_EQ(vt_stat("swap_free"), 4);
	EXPECT_EQ(fallocate(fd, FALLOC_FL_ZERO_RANGE, (PAGES + 10) * VT_PAGE + 5, 100), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), (PAGES + 10) * VT_PAGE + 105);
	EXPECT_EQ(vt_stat("swap_free"), 3);
	munmap(rest, (slots + 64) * VT_PAGE);
	munmap(mem, PAGES * VT_PAGE);
	close(other);
	close(fd);
	EXPECT_TRUE(all_free());
}

TEST_F(space, seek)
{
	int fd = make_space(self->dev, 64 * TIB);
	char byte = 1;

	EXPECT_EQ(lseek(fd, 0, SEEK_DATA), -1);
	EXPECT_EQ(errno, ENXIO);
	EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), 0);
	ASSERT_EQ(pwrite(fd, &byte, 1, 32 * TIB + 5), 1);
	ASSERT_EQ(pwrite(fd, &byte, 1, 32 * TIB + VT_PAGE), 1);
	EXPECT_EQ(lseek(fd, 0, SEEK_DATA), 32 * TIB);
	EXPECT_EQ(lseek(fd, 32 * TIB + 77, SEEK_DATA), 32 * TIB + 77);
	EXPECT_EQ(lseek(fd, 32 * TIB, SEEK_HOLE), 32 * TIB + 2 * VT_PAGE);
	EXPECT_EQ(lseek(fd, 32 * TIB + 2 * VT_PAGE, SEEK_DATA), -1);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 64 * TIB);
	EXPECT_EQ(lseek(fd, 64 * TIB, SEEK_HOLE), -1);
	EXPECT_EQ(errno, ENXIO);
	close(fd);
}

/* ---- a file ---- */

TEST_F(space, truncate)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	char *private = map_space(fd, 0, PAGES * VT_PAGE, MAP_PRIVATE);
	siginfo_t info;

	fill(mem, 0, PAGES, SEED);
	private[200 * VT_PAGE] = 1;
	ASSERT_EQ(ftruncate(fd, 100 * VT_PAGE + 8), 0);
	EXPECT_EQ(vt_count_bad(mem, 0, 100, SEED), 0);
	EXPECT_EQ(vt_check(mem + 100 * VT_PAGE, 100, SEED), 1);
	EXPECT_EQ(mem[100 * VT_PAGE + 8], 0);
	EXPECT_EQ(vt_try_read(mem + 101 * VT_PAGE, &info), SIGBUS);
	EXPECT_EQ(vt_try_write(private + 200 * VT_PAGE, &info), SIGBUS);
	EXPECT_EQ(blocks(fd), 101 * 8);
	/* What was cut off does not come back. */
	ASSERT_EQ(ftruncate(fd, PAGES * VT_PAGE), 0);
	EXPECT_TRUE(vt_is_zero(mem + 101 * VT_PAGE));
	EXPECT_TRUE(vt_is_zero(mem + (PAGES - 1) * VT_PAGE));
	EXPECT_EQ(mem[100 * VT_PAGE + 4000], 0);
	EXPECT_EQ(ftruncate(fd, VMDEMO_SPACE_MAX + VT_PAGE), -1);
	EXPECT_EQ(errno, EFBIG);
	/* Nor what was stored beyond the end, in its page. */
	ASSERT_EQ(ftruncate(fd, 50 * VT_PAGE + 8), 0);
	mem[50 * VT_PAGE + 100] = 7;
	ASSERT_EQ(ftruncate(fd, 50 * VT_PAGE + 200), 0);
	EXPECT_EQ(mem[50 * VT_PAGE + 100], 0);
	mem[50 * VT_PAGE + 300] = 7;
	ASSERT_EQ(pwrite(fd, "x", 1, 50 * VT_PAGE + 400), 1);
	EXPECT_EQ(mem[50 * VT_PAGE + 300], 0);
	ASSERT_EQ(ftruncate(fd, VMDEMO_SPACE_MAX), 0);
	ASSERT_EQ(ftruncate(fd, 0), 0);
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots"));
	munmap(mem, PAGES * VT_PAGE);
	munmap(private, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

static __u64 *turns;	/* that all children have had */

/* A child that does the same thing again and again, until it is killed. */
static pid_t keep_on(void (*work)(char *mem, __u64 *state), char *mem, __u64 seed)
{
	pid_t pid;

	if (!turns)
		turns = mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (turns == MAP_FAILED)
		vt_fail("no memory");
	pid = fork();
	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	prctl(PR_SET_PDEATHSIG, pid ? 0 : SIGKILL);
	while (!pid) {
		work(mem, &seed);
		__atomic_add_fetch(turns, 1, __ATOMIC_RELAXED);
	}
	return pid;
}

/* On a busy machine it takes the children a while to begin: is there any use in going on? */
static bool turns_wanted(int round, __u64 least)
{
	return round < 100000 && __atomic_load_n(turns, __ATOMIC_RELAXED) < least;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Processor time, in microseconds, of writing a page and cutting it off again, many times. */
static long cutting(int fd)
{
	struct timespec from, to;
	int i;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (i = 0; i < 200; i++)
		if (pwrite(fd, "x", 1, 0) != 1 || ftruncate(fd, 0))
			vt_fail("cut: %s", strerror(errno));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	return (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
}

/* What a truncation costs does not depend on how many frames there are. */
TEST_F(space, truncate_looks_at_few)
{
	int fd = make_space(self->dev, 0);
	long few, many;

	cutting(fd);
	few = cutting(fd);
	ASSERT_EQ(vt_set("frames", "32768"), 0);
	cutting(fd);
	many = cutting(fd);
	TH_LOG("200 times: %ld us, and with many frames %ld us", few, many);
	EXPECT_LT(many, 3 * few);
	close(fd);
}

static void write_somewhere(char *mem, __u64 *state)
{
	vt_try_write(mem + vt_random(state) % (PAGES / 2) * VT_PAGE, NULL);
}

/* Also while others touch it: the first half of it. */
TEST_F(space, truncate_under_load)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE), i;
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	__u64 state = 7;
	pid_t pid[2];

	for (i = 0; i < 2; i++)
		pid[i] = keep_on(write_somewhere, mem, i + 1);
	for (i = 0; i < 200 || turns_wanted(i, 500); i++) {
		size_t mark = PAGES / 2 + vt_random(&state) % (PAGES / 2), end;

		mem[mark * VT_PAGE] = 1;
		end = vt_random(&state) % (mark * VT_PAGE);
		ASSERT_EQ(ftruncate(fd, end), 0);
		ASSERT_EQ(ftruncate(fd, PAGES * VT_PAGE), 0);
		ASSERT_EQ(mem[mark * VT_PAGE], 0);
		ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    vt_random(&state) % (PAGES * VT_PAGE),
				    vt_random(&state) % (64 * VT_PAGE) + 1), 0);
	}
	for (i = 0; i < 2; i++)
		end(pid[i]);
	EXPECT_GE(*turns, 500);
	ASSERT_EQ(ftruncate(fd, 0), 0);
	EXPECT_EQ(blocks(fd), 0);
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots"));
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

static void write_in_sequence(char *mem, __u64 *state)
{
	size_t i, from = vt_random(state) % (PAGES - 64);

	for (i = from; i < from + 64; i++)
		mem[i * VT_PAGE] = i;
}

static void read_in_sequence(char *mem, __u64 *state)
{
	size_t i, from = vt_random(state) % (PAGES - 64);

	for (i = from; i < from + 64; i++)
		vt_try_read(mem + i * VT_PAGE, NULL);
}

/* A fault maps the pages that follow for writing only as far as they have a slot reserved. */
TEST_F(space, punch_under_sequential_writers)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE), i;
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	const __u64 slots = vt_get("swap_slots");
	__u64 state = 9;
	pid_t pid[3];

	for (i = 0; i < 3; i++)
		pid[i] = keep_on(i < 2 ? write_in_sequence : read_in_sequence, mem, i + 1);
	/* On a busy machine it takes the writers a while to begin. */
	for (i = 0; i < 1000 || (i < 100000 && !vt_stat("write_around_pages")); i++)
		ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    vt_random(&state) % PAGES * VT_PAGE, 32 * VT_PAGE), 0);
	for (i = 0; i < 3; i++)
		end(pid[i]);
	EXPECT_GT(vt_stat("write_around_pages"), 0);
	/* What is dirty has a slot, or could have one. */
	EXPECT_EQ(slots - vt_stat("swap_free"), blocks(fd) / 8);
	for (i = 0; i < PAGES; i++)
		if (mem[i * VT_PAGE])
			ASSERT_EQ(lseek(fd, i * VT_PAGE, SEEK_DATA), i * VT_PAGE);
	ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGES * VT_PAGE), 0);
	EXPECT_EQ(blocks(fd), 0);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

static pid_t start_truncating(int fd)
{
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	if (!pid)
		_exit(ftruncate(fd, 8) != 0);
	return pid;
}

/* Milliseconds that it takes a process to cut it, from its fork on; the best of three. */
static __u64 truncating_takes(int fd, char *mem)
{
	__u64 least = ~0ULL, start;
	int i;

	for (i = 0; i < 3; i++) {
		fill(mem, 0, PAGES, SEED);
		start = vt_now_ms();
		if (vt_reap(start_truncating(fd)))
			vt_fail("the space cannot be truncated");
		start = vt_now_ms() - start;
		least = start < least ? start : least;
		if (ftruncate(fd, PAGES * VT_PAGE))
			vt_fail("the space cannot grow");
	}
	return least + 1;
}

/* A process that cuts it is killed: it is cut, or it is not. */
TEST_F(space, killed_while_truncating)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE), round;
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	const __u64 takes = truncating_takes(fd, mem);
	bool whole = false;
	int cut = 0;
	size_t i;

	/* From too early to too late, in small steps: most of what it takes comes after the cut. */
	for (round = 0; round < 1000 && cut < 12; round++) {
		struct stat st;
		pid_t pid;

		if (!whole)
			fill(mem, 0, PAGES, SEED + cut);
		pid = start_truncating(fd);
		usleep(round * takes * 1000 / 200);
		end(pid);
		ASSERT_EQ(fstat(fd, &st), 0);
		whole = st.st_size != 8;
		if (whole) {
			ASSERT_EQ(st.st_size, PAGES * VT_PAGE);
			for (i = 1; i < PAGES; i++)
				ASSERT_EQ(vt_check(mem + i * VT_PAGE, i, SEED + cut), -1);
			continue;
		}
		cut++;
		ASSERT_EQ(ftruncate(fd, PAGES * VT_PAGE), 0);
		for (i = 1; i < PAGES; i++)
			ASSERT_TRUE(vt_is_zero(mem + i * VT_PAGE));
	}
	TH_LOG("takes %llu ms; cut in %d of %d rounds", takes, cut, round);
	EXPECT_EQ(cut, 12);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

static void store_behind(char *mem, __u64 *state)
{
	vt_try_write(mem + (1 + vt_random(state) % 3) * VT_PAGE, NULL);
}

/* A write that grows it and ends early leaves nothing behind its end. */
TEST_F(space, write_cut_short)
{
	int fd = make_space(self->dev, 0), i;
	char *mem = map_space(fd, 0, 4 * VT_PAGE, MAP_SHARED);
	struct iovec parts[2] = { { vt_buffer(1), VT_PAGE }, { (void *)8, 3 * VT_PAGE } };
	siginfo_t info;
	pid_t pid;

	pid = keep_on(store_behind, mem, 1);
	for (i = 0; i < 300 || turns_wanted(i, 500); i++) {
		ASSERT_EQ(pwritev(fd, parts, 2, 0), VT_PAGE);
		ASSERT_EQ(lseek(fd, 0, SEEK_END), VT_PAGE);
		ASSERT_EQ(blocks(fd), 8);
		ASSERT_EQ(ftruncate(fd, 0), 0);
	}
	end(pid);
	EXPECT_GE(*turns, 500);
	ASSERT_EQ(pwritev(fd, parts, 2, 0), VT_PAGE);
	EXPECT_EQ(vt_try_read(mem + VT_PAGE, &info), SIGBUS);
	ASSERT_EQ(ftruncate(fd, 4 * VT_PAGE), 0);
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(vt_is_zero(mem + i * VT_PAGE));
	munmap(parts[0].iov_base, VT_PAGE);
	munmap(mem, 4 * VT_PAGE);
	close(fd);
	EXPECT_TRUE(all_free());
}

/* What a frame held when its memory failed is lost; what is in the slot is older, and is not it. */
TEST_F(space, failed_memory)
{
	int fd = make_space(self->dev, PAGES * VT_PAGE);
	char *mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED), *hit = mem + 3 * VT_PAGE;
	char *page = vt_buffer(1);
	siginfo_t info;
	__u64 acted;

	fill(mem, 0, 16, SEED);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 3, 1, &acted), 0);
	vt_fill(hit, 3, SEED + 1);
	if (madvise(hit, VT_PAGE, MADV_HWPOISON) && errno == EINVAL)
		SKIP(return, "this kernel handles no memory failures");
	ASSERT_EQ(madvise(mem, PAGES * VT_PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(vt_try_read(hit, &info), SIGBUS);
	EXPECT_EQ(vt_try_read(hit, &info), SIGBUS);
	EXPECT_EQ(pread(fd, page, VT_PAGE, 3 * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(pwrite(fd, "x", 1, 3 * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(vt_stat("pages_lost"), 1);
	EXPECT_EQ(vt_page(fd, 3).slot, 0);
	EXPECT_EQ(vt_count_bad(mem, 0, 3, SEED), 0);
	EXPECT_EQ(vt_check(mem + 4 * VT_PAGE, 4, SEED), -1);
	/* Written as a whole, it is there again. */
	vt_fill(page, 3, SEED + 2);
	ASSERT_EQ(pwrite(fd, page, VT_PAGE, 3 * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(hit, 3, SEED + 2), -1);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 3, 1, &acted), 0);
	EXPECT_EQ(vt_check(hit, 3, SEED + 2), -1);
	/* So it is, being zeros, if it is punched. */
	vt_fill(hit, 3, SEED + 3);
	madvise(hit, VT_PAGE, MADV_HWPOISON);
	ASSERT_EQ(madvise(mem, PAGES * VT_PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(vt_try_read(hit, &info), SIGBUS);
	ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * VT_PAGE, VT_PAGE),
		  0);
	EXPECT_TRUE(vt_is_zero(hit));
	munmap(page, VT_PAGE);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	/* In place of the two that failed there are others. */
	EXPECT_TRUE(vt_wait_stat("frames_free", FRAMES, FRAMES, 20));
	EXPECT_EQ(vt_stat("swap_free"), vt_get("swap_slots"));
}

/* When its contents last changed, in nanoseconds; waits until the clock of files has moved. */
static __u64 changed(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		vt_fail("fstat: %s", strerror(errno));
	vt_nap(30);
	return st.st_mtim.tv_sec * 1000000000ULL + st.st_mtim.tv_nsec;
}

TEST_F(space, times)
{
	static const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	int fd = make_space(self->dev, 32 * VT_PAGE), i;
	char *mem = map_space(fd, 0, 32 * VT_PAGE, MAP_SHARED);
	__u64 last = changed(fd);
	struct stat st;

	vt_touch(mem);
	EXPECT_EQ(changed(fd), last);
	mem[0] = 1;
	EXPECT_GT(changed(fd), last);
	last = changed(fd);
	ASSERT_EQ(pwrite(fd, "x", 1, 0), 1);
	EXPECT_GT(changed(fd), last);
	last = changed(fd);
	ASSERT_EQ(ftruncate(fd, 33 * VT_PAGE), 0);
	EXPECT_GT(changed(fd), last);
	last = changed(fd);
	ASSERT_EQ(madvise(mem, VT_PAGE, MADV_REMOVE), 0);
	EXPECT_GT(changed(fd), last);
	/* Set to something else just after a store, it moves with the next one. */
	for (i = 1; i < 31; i += 2) {
		mem[i * VT_PAGE] = 1;
		ASSERT_EQ(futimens(fd, old), 0);
		mem[(i + 1) * VT_PAGE] = 1;
		ASSERT_EQ(fstat(fd, &st), 0);
		EXPECT_GT(st.st_mtim.tv_sec, 1);
	}
	munmap(mem, 32 * VT_PAGE);
	close(fd);
}

TEST_F(space, read_and_write)
{
	int fd = make_space(self->dev, 0);
	char *page = vt_buffer(1), *mem;
	int i;

	EXPECT_EQ(read(fd, page, VT_PAGE), 0);
	for (i = 0; i < PAGES; i++) {
		vt_fill(page, i, SEED);
		ASSERT_EQ(write(fd, page, VT_PAGE), VT_PAGE);
	}
	EXPECT_EQ(lseek(fd, 0, SEEK_END), PAGES * VT_PAGE);
	mem = map_space(fd, 0, PAGES * VT_PAGE, MAP_SHARED);
	EXPECT_EQ(vt_count_bad(mem, 0, PAGES, SEED), 0);
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(pread(fd, page, VT_PAGE, i * VT_PAGE), VT_PAGE);
		ASSERT_EQ(vt_check(page, i, SEED), -1);
	}
	/* Beyond the end: a hole between, and it is longer. */
	ASSERT_EQ(pwrite(fd, "x", 1, 2 * PAGES * VT_PAGE), 1);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), 2 * PAGES * VT_PAGE + 1);
	ASSERT_EQ(pread(fd, page, VT_PAGE, (2 * PAGES - 1) * VT_PAGE), VT_PAGE);
	EXPECT_TRUE(vt_is_zero(page));
	EXPECT_EQ(pread(fd, page, VT_PAGE, 2 * PAGES * VT_PAGE), 1);
	EXPECT_EQ(pwrite(fd, "x", 1, VMDEMO_SPACE_MAX), -1);
	EXPECT_EQ(errno, EFBIG);
	munmap(page, VT_PAGE);
	munmap(mem, PAGES * VT_PAGE);
	close(fd);
}

/* Its own machine code: mov eax, 42; ret. */
TEST_F(space, code_runs)
{
	static const char code[] = VT_RETURN_42;
	int fd = make_space(self->dev, VT_PAGE);
	int (*function)(void);
	__u64 acted;

	ASSERT_EQ(pwrite(fd, code, sizeof(code), 0), sizeof(code));
	function = mmap(NULL, VT_PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	ASSERT_NE((void *)function, MAP_FAILED);
	EXPECT_EQ(function(), 42);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, 1, &acted), 0);
	EXPECT_EQ(acted, 1);
	EXPECT_EQ(function(), 42);
	munmap(function, VT_PAGE);
	close(fd);
}

#ifdef __aarch64__
/* By this flag of a page arm64 knows that its instruction caches agree with it. */
#define KPF_ARCH	38

/* Reads pages of zeros from @from on: how many are in a frame that has the flag? */
static int count_executable(struct __test_metadata *_metadata, const char *from, int nr)
{
	int pages = open("/proc/self/pagemap", O_RDONLY);
	int flags = open("/proc/kpageflags", O_RDONLY), i, count = 0;

	for (i = 0; i < nr; i++, from += VT_PAGE) {
		__u64 entry = 0, kpf = 0;

		ASSERT_TRUE(vt_is_zero(from));
		ASSERT_EQ(pread(pages, &entry, 8, (uintptr_t)from / VT_PAGE * 8), 8);
		ASSERT_EQ(pread(flags, &kpf, 8, (entry & ((1ULL << 55) - 1)) * 8), 8);
		count += kpf >> KPF_ARCH & 1;
	}
	close(pages);
	close(flags);
	return count;
}

/* The caches do not agree with what comes into the frame of a page that was executed. */
TEST_F(space, executed_frame_is_reused)
{
	const int nr = FRAMES / 2;
	int fd = make_space(self->dev, 4 * FRAMES * VT_PAGE);
	char *text = vt_map(fd, 0, nr, PROT_READ | PROT_EXEC, MAP_SHARED);
	char *data = vt_map(fd, FRAMES, 2 * FRAMES, PROT_READ, MAP_SHARED);

	EXPECT_EQ(count_executable(_metadata, text, nr), nr);
	EXPECT_EQ(count_executable(_metadata, data, 2 * FRAMES), 0);
	munmap(text, nr * VT_PAGE);
	munmap(data, 2 * FRAMES * VT_PAGE);
	close(fd);
}
#endif

TEST_HARNESS_MAIN
