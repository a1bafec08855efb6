// SPDX-License-Identifier: GPL-2.0
/*
 * map.c - mapping the device: demand paging, sharing, what mmap and its relatives do to a mapping
 */
#include <dlfcn.h>
#include <libgen.h>
#include <linux/elf.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	64
#define PAGES	256
#define SEED	1

FIXTURE(map) {
	int fd;
	size_t size;	/* bytes of the device */
	char *mem;	/* its first PAGES pages, shared */
};

FIXTURE_SETUP(map)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_start(FRAMES);
	self->fd = vt_open(O_RDWR);
	self->size = lseek(self->fd, 0, SEEK_END);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

FIXTURE_TEARDOWN(map)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

/* A mapping of the whole device reads nothing and takes no frame until it is touched. */
TEST_F(map, fresh_map_reads_nothing)
{
	char *all = mmap(NULL, self->size, VT_RW, MAP_SHARED, self->fd, 0);

	ASSERT_NE(all, MAP_FAILED);
	EXPECT_EQ(vt_stat("pages_in"), 0);
	EXPECT_EQ(vt_stat("faults_hard"), 0);
	EXPECT_EQ(vt_stat("frames_free"), FRAMES);
	ASSERT_EQ(munmap(all, self->size), 0);
	EXPECT_EQ(vt_stat("pages_in"), 0);
}

/* Touching k pages reads k pages, by k hard faults, however often they are touched. */
TEST_F(map, touching_k_pages_reads_k)
{
	int round, i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 20; i++)
			ASSERT_EQ(vt_check(self->mem + i * 7 * VT_PAGE, i * 7, SEED), -1);
		EXPECT_EQ(vt_stat("pages_in"), 20);
		EXPECT_EQ(vt_stat("faults_hard"), 20);
	}
	EXPECT_EQ(vt_stat("pages_out"), 0);
	EXPECT_EQ(vt_count_resident(self->fd, 0, PAGES), 20);
	EXPECT_TRUE(vt_balanced());
}

/* A hard fault counts as a major one for the process, a second mapping's fault on it does not. */
TEST_F(map, hard_faults_are_major)
{
	struct rusage before, after;
	char *again = vt_map(self->fd, 0, PAGES, PROT_READ, MAP_SHARED);
	int i;

	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < 10; i++)
		ASSERT_EQ(vt_try_read(self->mem + i * 3 * VT_PAGE, NULL), 0);
	getrusage(RUSAGE_SELF, &after);
	EXPECT_GE(after.ru_majflt - before.ru_majflt, 10);
	before = after;
	for (i = 0; i < 10; i++)
		ASSERT_EQ(vt_try_read(again + i * 3 * VT_PAGE, NULL), 0);
	getrusage(RUSAGE_SELF, &after);
	EXPECT_EQ(after.ru_majflt, before.ru_majflt);
}

/* The offset of a mapping is the page of the device it starts at. */
TEST_F(map, offset_is_honoured)
{
	char *part = vt_map(self->fd, 37, 5, VT_RW, MAP_SHARED);
	char *last = vt_map(self->fd, self->size / VT_PAGE - 1, 1, VT_RW, MAP_SHARED);

	EXPECT_EQ(vt_count_bad(part, 37, 5, SEED), 0);
	part[0] = ~part[0];
	EXPECT_EQ(self->mem[37 * VT_PAGE], part[0]);
	EXPECT_EQ(vt_try_write(last, NULL), 0);
	EXPECT_TRUE(vt_resident(self->fd, self->size / VT_PAGE - 1));
}

/* Two mappings of one page in one process are one frame. */
TEST_F(map, two_mappings_one_frame)
{
	char *other = vt_map(self->fd, 9, 1, VT_RW, MAP_SHARED);

	vt_fill(self->mem + 9 * VT_PAGE, 9, SEED + 1);
	EXPECT_EQ(vt_check(other, 9, SEED + 1), -1);
	vt_fill(other, 9, SEED + 2);
	EXPECT_EQ(vt_check(self->mem + 9 * VT_PAGE, 9, SEED + 2), -1);
	EXPECT_EQ(vt_stat("pages_in"), 1);
}

/* A mapping that would reach beyond the device is EINVAL, one that ends with it is not. */
TEST_F(map, beyond_the_device_einval)
{
	size_t end = self->size;
	const struct {
		size_t offset, length;
	} bad[] = {
		{ 0, end + VT_PAGE },
		{ end, VT_PAGE },
		{ end - VT_PAGE, 2 * VT_PAGE },
		{ end + VT_PAGE, VT_PAGE },
		{ end + (1ULL << 40), VT_PAGE },
		{ 1ULL << 44, VT_PAGE },
		{ (1ULL << 44) - VT_PAGE, 2 * VT_PAGE },
		{ 1ULL << 48, VT_PAGE },
	};
	char *map;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		map = mmap(NULL, bad[i].length, PROT_READ, MAP_SHARED, self->fd, bad[i].offset);
		EXPECT_EQ(map, MAP_FAILED);
		EXPECT_EQ(errno, EINVAL);
		map = mmap(NULL, bad[i].length, VT_RW, MAP_PRIVATE, self->fd, bad[i].offset);
		EXPECT_EQ(map, MAP_FAILED);
		EXPECT_EQ(errno, EINVAL);
	}
	/* An offset near 2^63 must not wrap. */
	map = mmap(NULL, 2 * VT_PAGE, PROT_READ, MAP_SHARED, self->fd, INT64_MAX & ~(VT_PAGE - 1));
	EXPECT_EQ(map, MAP_FAILED);
	map = mmap(NULL, 2 * VT_PAGE, PROT_READ, MAP_SHARED, self->fd, -VT_PAGE);
	EXPECT_EQ(map, MAP_FAILED);
	map = mmap(NULL, end, PROT_READ, MAP_SHARED, self->fd, 0);
	EXPECT_NE(map, MAP_FAILED);
}

/* A mapping must not allow more than the open did. */
TEST_F(map, open_mode_bounds_protection)
{
	int ro = vt_open(O_RDONLY), wo = vt_open(O_WRONLY);
	char *map;

	EXPECT_EQ(mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED, ro, 0), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(mmap(NULL, VT_PAGE, PROT_WRITE, MAP_SHARED, wo, 0), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	map = vt_map(ro, 0, 1, PROT_READ, MAP_SHARED);
	EXPECT_EQ(mprotect(map, VT_PAGE, VT_RW), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(vt_check(map, 0, SEED), -1);
}

/* A touch past the end of the device, by a mapping that grew, is SIGBUS at that very address. */
TEST_F(map, past_the_end_sigbus)
{
	size_t pages = self->size / VT_PAGE;
	char *map = vt_map(self->fd, pages - 2, 2, VT_RW, MAP_SHARED);
	siginfo_t info;

	map = mremap(map, 2 * VT_PAGE, 4 * VT_PAGE, MREMAP_MAYMOVE);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(vt_try_write(map + VT_PAGE, NULL), 0);
	EXPECT_EQ(vt_try_read(map + 2 * VT_PAGE + 123, &info), SIGBUS);
	EXPECT_EQ(info.si_addr, map + 2 * VT_PAGE + 123);
	EXPECT_EQ(info.si_code, BUS_ADRERR);
	EXPECT_EQ(vt_try_write(map + 3 * VT_PAGE + 5, &info), SIGBUS);
	EXPECT_EQ(info.si_addr, map + 3 * VT_PAGE + 5);
	EXPECT_EQ(vt_try_read(map + 2 * VT_PAGE - 1, NULL), 0);
	EXPECT_GE(vt_stat("faults_invalid"), 2);
	EXPECT_EQ(vt_stat("pages_in"), 1);
}

#if VMDEMO_TEST_PAGE < 65536 /* otherwise that is all addresses there are */
/* Page numbers of a mapping that grew beyond 32 bits do not wrap: page 2^32 is not page 0. */
TEST_F(map, grown_beyond_all_numbers)
{
	const size_t pages = self->size / VT_PAGE, large = (1ULL << 32) + 16;
	char *map = vt_map(self->fd, pages - 1, 1, VT_RW, MAP_SHARED), *page0;

	map = mremap(map, VT_PAGE, large * VT_PAGE, MREMAP_MAYMOVE);
	if (map == MAP_FAILED)
		SKIP(return, "no room for 16 TiB of addresses");
	page0 = map + ((1ULL << 32) - (pages - 1)) * VT_PAGE;
	EXPECT_EQ(vt_try_read(map, NULL), 0);
	EXPECT_EQ(vt_try_read(page0, NULL), SIGBUS);
	EXPECT_EQ(vt_try_write(page0 + 3 * VT_PAGE, NULL), SIGBUS);
	/* What is said of all of it concerns what there is. */
	EXPECT_EQ(madvise(map, large * VT_PAGE, MADV_WILLNEED), 0);
	EXPECT_EQ(msync(page0, 8 * VT_PAGE, MS_SYNC), 0);
	EXPECT_EQ(madvise(page0, 8 * VT_PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(madvise(page0, 8 * VT_PAGE, 22 /* MADV_POPULATE_READ */), -1);
	EXPECT_EQ(vt_stat("pages_in"), 1);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 8, SEED), 0);
	munmap(map, large * VT_PAGE);
}
#endif

/* An invalid reference ends the process that made it, and nobody else notices. */
TEST_F(map, invalid_reference_kills_only_its_process)
{
	size_t pages = self->size / VT_PAGE;
	pid_t pid;

	ASSERT_EQ(vt_count_bad(self->mem, 0, 8, SEED), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		char *map = vt_map(self->fd, pages - 1, 1, VT_RW, MAP_SHARED);

		signal(SIGBUS, SIG_DFL);
		map = mremap(map, VT_PAGE, 2 * VT_PAGE, MREMAP_MAYMOVE);
		__atomic_store_n(map + VT_PAGE, 1, __ATOMIC_RELAXED);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 128 + SIGBUS);
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SEED), 0);
	EXPECT_TRUE(vt_balanced());
}

/* Protection holds: a store to a read-only mapping is SIGSEGV at its address. */
TEST_F(map, store_to_read_only_sigsegv)
{
	char *map = vt_map(self->fd, 0, 2, PROT_READ, MAP_SHARED);
	siginfo_t info;

	EXPECT_EQ(vt_try_write(map + VT_PAGE + 77, &info), SIGSEGV);
	EXPECT_EQ(info.si_addr, map + VT_PAGE + 77);
	EXPECT_EQ(info.si_code, SEGV_ACCERR);
	EXPECT_EQ(vt_stat("faults_mkwrite"), 0);
	EXPECT_EQ(vt_count_bad(map, 0, 2, SEED), 0);
	EXPECT_EQ(vt_stat("frames_dirty"), 0);
}

/* mprotect of the middle splits the area; each part keeps its protection and its contents. */
TEST_F(map, mprotect_splits)
{
	siginfo_t info;
	char *middle = self->mem + 4 * VT_PAGE;

	ASSERT_EQ(vt_count_bad(self->mem, 0, 12, SEED), 0);
	vt_fill(middle, 4, SEED + 1);
	ASSERT_EQ(mprotect(middle, 4 * VT_PAGE, PROT_NONE), 0);
	EXPECT_EQ(vt_try_read(middle + 1, &info), SIGSEGV);
	EXPECT_EQ(info.si_addr, middle + 1);
	EXPECT_EQ(vt_try_write(self->mem + 3 * VT_PAGE, NULL), 0);
	EXPECT_EQ(vt_try_write(self->mem + 8 * VT_PAGE, NULL), 0);
	ASSERT_EQ(mprotect(middle, 4 * VT_PAGE, PROT_READ), 0);
	EXPECT_EQ(vt_check(middle, 4, SEED + 1), -1);
	EXPECT_EQ(vt_try_write(middle, NULL), SIGSEGV);
	ASSERT_EQ(mprotect(middle, 4 * VT_PAGE, VT_RW), 0);
	EXPECT_EQ(vt_try_write(middle, NULL), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, 4, SEED), 0);
	EXPECT_EQ(vt_count_bad(self->mem + 5 * VT_PAGE, 5, 7, SEED), 0);
	EXPECT_EQ(vt_stat("faults_hard"), 12);
}

/* Unmapping a part leaves the rest mapped and the frames where they are; nothing is written. */
TEST_F(map, munmap_of_a_part)
{
	char *part = vt_map(self->fd, 100, 9, VT_RW, MAP_SHARED);
	siginfo_t info;
	int i;

	for (i = 0; i < 9; i++)
		vt_fill(part + i * VT_PAGE, 100 + i, SEED + 1);
	ASSERT_EQ(munmap(part + 3 * VT_PAGE, 3 * VT_PAGE), 0);
	EXPECT_EQ(vt_try_read(part + 4 * VT_PAGE, &info), SIGSEGV);
	EXPECT_EQ(info.si_addr, part + 4 * VT_PAGE);
	EXPECT_EQ(info.si_code, SEGV_MAPERR);
	EXPECT_EQ(vt_count_bad(part, 100, 3, SEED + 1), 0);
	EXPECT_EQ(vt_count_bad(part + 6 * VT_PAGE, 106, 3, SEED + 1), 0);
	EXPECT_EQ(vt_count_resident(self->fd, 100, 9), 9);
	EXPECT_EQ(vt_stat("pages_out"), 0);
	/* What was stored through the part that went is still there. */
	EXPECT_EQ(vt_count_bad(self->mem + 100 * VT_PAGE, 100, 9, SEED + 1), 0);
	EXPECT_EQ(vt_stat("faults_hard"), 9);
}

/* mremap moves a mapping with its contents; the old address is gone. */
TEST_F(map, mremap_moves)
{
	char *old = vt_map(self->fd, 20, 4, VT_RW, MAP_SHARED);
	char *place = mmap(NULL, 4 * VT_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *new;
	int i;

	for (i = 0; i < 4; i++)
		vt_fill(old + i * VT_PAGE, 20 + i, SEED + 1);
	new = mremap(old, 4 * VT_PAGE, 4 * VT_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	ASSERT_EQ(new, place);
	EXPECT_EQ(vt_count_bad(new, 20, 4, SEED + 1), 0);
	EXPECT_EQ(vt_try_read(old, NULL), SIGSEGV);
	vt_fill(new, 20, SEED + 2);
	EXPECT_EQ(vt_check(self->mem + 20 * VT_PAGE, 20, SEED + 2), -1);
	/* Eviction must find the page table entries at the new place. */
	EXPECT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 20, 4, NULL), 0);
	EXPECT_EQ(vt_count_resident(self->fd, 20, 4), 0);
	EXPECT_EQ(vt_check(new, 20, SEED + 2), -1);
}

/* mremap grows a mapping into the device's next pages, and shrinks it. */
TEST_F(map, mremap_grows_and_shrinks)
{
	char *map = vt_map(self->fd, 20, 2, VT_RW, MAP_SHARED);

	ASSERT_EQ(vt_count_bad(map, 20, 2, SEED), 0);
	map = mremap(map, 2 * VT_PAGE, 6 * VT_PAGE, MREMAP_MAYMOVE);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(vt_count_bad(map, 20, 6, SEED), 0);
	map = mremap(map, 6 * VT_PAGE, VT_PAGE, 0);
	ASSERT_NE(map, MAP_FAILED);
	EXPECT_EQ(vt_check(map, 20, SEED), -1);
	EXPECT_EQ(vt_try_read(map + VT_PAGE, NULL), SIGSEGV);
	EXPECT_EQ(vt_stat("faults_hard"), 6);
}

/* MAP_POPULATE brings all pages in at once; no touch faults hard afterwards. */
TEST_F(map, populate)
{
	char *map = vt_map(self->fd, 40, 16, PROT_READ, MAP_SHARED | MAP_POPULATE);
	__u64 hard = vt_stat("faults_hard");

	EXPECT_EQ(vt_stat("pages_in"), 16);
	EXPECT_EQ(vt_count_resident(self->fd, 40, 16), 16);
	EXPECT_EQ(vt_count_bad(map, 40, 16, SEED), 0);
	EXPECT_EQ(vt_stat("faults_hard"), hard);
}

/* mlock succeeds and brings the pages in, munlock and a failing range behave as anywhere. */
TEST_F(map, mlock)
{
	char *map = vt_map(self->fd, 40, 8, VT_RW, MAP_SHARED);

	ASSERT_EQ(mlock(map, 8 * VT_PAGE), 0);
	EXPECT_EQ(vt_count_resident(self->fd, 40, 8), 8);
	EXPECT_EQ(vt_count_bad(map, 40, 8, SEED), 0);
	EXPECT_EQ(munlock(map, 8 * VT_PAGE), 0);
	EXPECT_EQ(vt_stat("pages_in"), 8);
}

static long futex(__u32 *word, int op, __u32 value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

/* A futex in the mapping wakes a waiter of another process that mapped the device for itself. */
TEST_F(map, futex_between_processes)
{
	__u32 *word = (__u32 *)(self->mem + 50 * VT_PAGE);
	__u64 deadline;
	pid_t pid;

	*word = 0;
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		const struct timespec limit = { .tv_sec = 20 };
		int fd = vt_open(O_RDWR);
		char *mine = vt_map(fd, 50, 1, VT_RW, MAP_SHARED);

		_exit(futex((__u32 *)mine, FUTEX_WAIT, 0, &limit) ? 1 : 0);
	}
	/* The word never changes, so only a wake ends the wait well. */
	deadline = vt_now_ms() + 15000;
	while (futex(word, FUTEX_WAKE, 1, NULL) == 0 && vt_now_ms() < deadline)
		sched_yield();
	EXPECT_EQ(vt_reap(pid), 0);
}

/* Two processes, each with its own open, see one copy: one frame, read once. */
TEST_F(map, two_processes_one_frame)
{
	__u32 frame;
	pid_t pid;

	vt_fill(self->mem + 60 * VT_PAGE, 60, SEED + 1);
	frame = vt_page(self->fd, 60).frame;
	ASSERT_LT(frame, FRAMES);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		int fd = vt_open(O_RDWR);
		char *mine = vt_map(fd, 60, 1, VT_RW, MAP_SHARED);

		if (vt_check(mine, 60, SEED + 1) >= 0)
			_exit(1);
		if (vt_page(fd, 60).frame != frame)
			_exit(2);
		vt_fill(mine, 60, SEED + 2);
		_exit(0);
	}
	EXPECT_EQ(vt_reap(pid), 0);
	EXPECT_EQ(vt_check(self->mem + 60 * VT_PAGE, 60, SEED + 2), -1);
	EXPECT_EQ(vt_page(self->fd, 60).frame, frame);
	EXPECT_EQ(vt_stat("pages_in"), 1);
}

/* A mapping outlives the descriptor it was made from. */
TEST_F(map, mapping_outlives_descriptor)
{
	int fd = vt_open(O_RDWR);
	char *map = vt_map(fd, 70, 2, VT_RW, MAP_SHARED);

	close(fd);
	EXPECT_EQ(vt_count_bad(map, 70, 2, SEED), 0);
	vt_fill(map, 70, SEED + 1);
	ASSERT_EQ(munmap(map, 2 * VT_PAGE), 0);
	EXPECT_EQ(vt_check(self->mem + 70 * VT_PAGE, 70, SEED + 1), -1);
}

/* MADV_DONTNEED on a shared mapping drops page table entries, never data. */
TEST_F(map, dontneed_keeps_shared_data)
{
	vt_fill(self->mem + 80 * VT_PAGE, 80, SEED + 1);
	ASSERT_EQ(madvise(self->mem + 80 * VT_PAGE, VT_PAGE, MADV_DONTNEED), 0);
	EXPECT_EQ(vt_page(self->fd, 80).flags & VMDEMO_PAGE_MAPPED, 0);
	EXPECT_EQ(vt_check(self->mem + 80 * VT_PAGE, 80, SEED + 1), -1);
	/* The store must not have been forgotten with the entry that recorded it. */
	ASSERT_EQ(madvise(self->mem + 80 * VT_PAGE, VT_PAGE, MADV_DONTNEED), 0);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 80, 1, NULL), 0);
	EXPECT_EQ(vt_check(self->mem + 80 * VT_PAGE, 80, SEED + 1), -1);
}

/* What a character device cannot do is refused and does no harm. */
TEST_F(map, madvise_limits)
{
	ASSERT_EQ(vt_check(self->mem, 0, SEED), -1);
	EXPECT_EQ(madvise(self->mem, VT_PAGE, MADV_REMOVE), -1);
	EXPECT_EQ(madvise(self->mem, VT_PAGE, MADV_DODUMP), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(vt_check(self->mem, 0, SEED), -1);
}

/* Load the library image on the device and let it work; the exit status says how it went. */
static int run_image(void)
{
	int (*answer)(void);
	void *library = dlopen(VT_DEV, RTLD_NOW | RTLD_LOCAL);

	if (!library) {
		printf("# %s\n", dlerror());
		return 1;
	}
	answer = (int (*)(void))dlsym(library, "vmdemo_answer");
	return answer && answer() == 42 ? 0 : 2;
}

/* Copy libanswer.so, which lies beside this program, onto the disk. */
static bool copy_image(size_t *pages)
{
	char program[4000] = "", path[4096], *page = vt_buffer(1);
	int from, to, disk_pages = 0;

	if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		return false;
	snprintf(path, sizeof(path), "%s/libanswer.so", dirname(program));
	from = open(path, O_RDONLY);
	to = open(vt_disk(), O_WRONLY | O_DIRECT);
	if (from < 0 || to < 0)
		return false;
	while (read(from, page, VT_PAGE) > 0) {
		if (pwrite(to, page, VT_PAGE, disk_pages * VT_PAGE) != (ssize_t)VT_PAGE)
			return false;
		memset(page, 0, VT_PAGE);
		disk_pages++;
	}
	close(from);
	close(to);
	*pages = disk_pages;
	return disk_pages > 4;
}

/* A library image is executed from the device by two processes and read once. */
TEST_F(map, library_image_read_once)
{
	__u64 in;
	size_t pages;
	pid_t pid;
	int i;

	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	vt_stop();
	ASSERT_TRUE(copy_image(&pages));
	vt_start(FRAMES);
	for (i = 0; i < 2; i++) {
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(run_image());
		ASSERT_EQ(vt_reap(pid), 0);
		if (!i) {
			in = vt_stat("pages_in");
			EXPECT_GE(in, 5);
			EXPECT_LE(in, pages);
		}
	}
	EXPECT_EQ(vt_stat("pages_in"), in);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

/* Code is executed through a shared mapping, too, and comes back after its eviction. */
TEST_F(map, execute_after_eviction)
{
	static const char code[] = VT_RETURN_42;
	char *text = vt_map(self->fd, 90, 1, PROT_READ | PROT_EXEC, MAP_SHARED);
	int (*function)(void) = (int (*)(void))text;

	memcpy(self->mem + 90 * VT_PAGE, code, sizeof(code));
	__builtin___clear_cache(text, text + sizeof(code));
	EXPECT_EQ(function(), 42);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 90, 1, NULL), 0);
	ASSERT_FALSE(vt_resident(self->fd, 90));
	EXPECT_EQ(function(), 42);
}

/* Where a core file holds the contents of an address; 0 if it does not. */
static off_t core_offset(int core, const char *address)
{
	struct elf64_hdr head;
	struct elf64_phdr part;
	int i;

	if (pread(core, &head, sizeof(head), 0) != sizeof(head))
		return 0;
	for (i = 0; i < head.e_phnum; i++) {
		off_t at = head.e_phoff + i * sizeof(part);

		if (pread(core, &part, sizeof(part), at) != sizeof(part))
			return 0;
		if (part.p_type == PT_LOAD && (__u64)address - part.p_vaddr < part.p_filesz)
			return part.p_offset + (__u64)address - part.p_vaddr;
	}
	return 0;
}

/* A process that crashes; bits as in /proc/self/coredump_filter. */
static void crash(const char *filter)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	int fd = open("/proc/self/coredump_filter", O_WRONLY);

	if (write(fd, filter, strlen(filter)) > 0 && !setrlimit(RLIMIT_CORE, &unlimited))
		abort();
	_exit(1);
}

/* The number of bad pages in a core file, of a mapping that starts with page 0. */
static int bad_in_core(int core, const char *map, int changed)
{
	off_t at = core_offset(core, map);
	char page[VT_PAGE];
	int i, bad = 0;

	for (i = 0; i < PAGES; i++)
		bad += pread(core, page, VT_PAGE, at + i * VT_PAGE) != VT_PAGE ||
		       vt_check(page, i, i < changed ? SEED + 1 : SEED) >= 0;
	return bad;
}

/*
 * A core file holds all pages of a shared mapping, absent ones too, if bit 3 of coredump_filter is
 * set, which it is not by default; and of a private mapping that was stored to by bit 0, which is.
 */
TEST_F(map, core_dump)
{
	static const char * const filters[] = { "0x9", "0x33" };
	char *private = vt_map(self->fd, 0, PAGES, VT_RW, MAP_PRIVATE);
	char dir[] = "/tmp/vmdemo-core.XXXXXX", path[64], pattern[128];
	int setting = open("/proc/sys/kernel/core_pattern", O_RDWR);
	ssize_t length = read(setting, pattern, sizeof(pattern));
	size_t i;

	ASSERT_GT(length, 0);
	ASSERT_NE(mkdtemp(dir), NULL);
	snprintf(path, sizeof(path), "%s/core", dir);
	for (i = 0; i < 8; i++) {
		vt_fill(self->mem + i * VT_PAGE, i, SEED + 1);
		vt_fill(private + i * VT_PAGE, i, SEED + 1);
	}
	for (i = 0; i < ARRAY_SIZE(filters); i++) {
		int status = 0, core;
		pid_t pid;

		ASSERT_GT(pwrite(setting, path, strlen(path), 0), 0);
		pid = fork();
		if (!pid)
			crash(filters[i]);
		waitpid(pid, &status, 0);
		ASSERT_EQ(pwrite(setting, pattern, length, 0), length);
		EXPECT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status));
		core = open(path, O_RDONLY);
		ASSERT_GE(core, 0);
		unlink(path);
		EXPECT_EQ(bad_in_core(core, private, 8), 0);
		/* The other pages are absent, or their frames go while the rest is dumped. */
		EXPECT_EQ(!!core_offset(core, self->mem), !i);
		EXPECT_EQ(i ? 0 : bad_in_core(core, self->mem, 8), 0);
		close(core);
	}
	EXPECT_TRUE(vt_balanced());
	rmdir(dir);
	close(setting);
	munmap(private, PAGES * VT_PAGE);
}

TEST_HARNESS_MAIN
