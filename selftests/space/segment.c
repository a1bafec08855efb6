// SPDX-License-Identifier: GPL-2.0
/*
 * segment.c - spaces with segments: code, data, heap, hole and stack, each with its own rules
 */
#include <linux/falloc.h>
#include <pthread.h>
#include <sys/random.h>

#include "kselftest_harness.h"
#include "segment.h"

/* ---- demand segmentation ---- */

TEST_F(segment, comes_from_the_device)
{
	int fd = make_space(self->dev, self->table);
	char *code = map_segment(fd, SEG_CODE), *data = map_segment(fd, SEG_DATA);
	struct vmdemo_segment_state state;
	__u64 acted;

	EXPECT_EQ(vt_stat("pages_in"), 0);
	EXPECT_EQ(vt_check(code + 7 * VT_PAGE, CODE_FROM + 7, SEED), -1);
	EXPECT_EQ(vt_stat("pages_in"), 1);
	EXPECT_EQ(vt_count_bad(code, CODE_FROM, CODE_PAGES, SEED), 0);
	EXPECT_EQ(vt_count_bad(data, DATA_FROM, DATA_PAGES, SEED), 0);
	EXPECT_EQ(vt_stat("pages_in"), CODE_PAGES + DATA_PAGES);
	EXPECT_EQ(vt_stat("faults_zero"), 0);
	/* What was not written goes without a slot, and comes from where it came from. */
	vt_fill(data + 3 * VT_PAGE, 3, SEED + 1);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_EVICT, 0, DATA + DATA_PAGES, &acted), 0);
	EXPECT_EQ(acted, CODE_PAGES + DATA_PAGES);
	EXPECT_EQ(vt_stat("pages_out"), 1);
	EXPECT_EQ(vt_page(fd, DATA + 3).state, VMDEMO_PAGE_SWAPPED);
	EXPECT_EQ(vt_page(fd, DATA + 4).state, VMDEMO_PAGE_UNTOUCHED);
	EXPECT_EQ(vt_count_bad(code, CODE_FROM, CODE_PAGES, SEED), 0);
	EXPECT_EQ(vt_check(data + 3 * VT_PAGE, 3, SEED + 1), -1);
	EXPECT_EQ(vt_check(data + 4 * VT_PAGE, DATA_FROM + 4, SEED), -1);
	/* It is the space's own. */
	ASSERT_EQ(fsync(self->dev), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), DATA_FROM, DATA_PAGES, SEED));
	state = state_of(fd, SEG_DATA);
	EXPECT_STREQ(state.segment.name, "data");
	EXPECT_EQ(state.segment.limit, DATA_PAGES * VT_PAGE);
	EXPECT_EQ(state.faults, DATA_PAGES + 2);
	EXPECT_EQ(state.loaded, DATA_PAGES + 2);
	EXPECT_EQ(state.written, 1);
	EXPECT_EQ(state.zeroed, 0);
	EXPECT_EQ(state.aborted, 0);
	EXPECT_EQ(state_of(fd, SEG_CODE).loaded, 2 * CODE_PAGES);
	EXPECT_TRUE(vt_balanced());
	close(fd);
}

/* The device's own page may be newer in its frame than on the disk. */
TEST_F(segment, comes_from_the_frame)
{
	char *linear = vt_map(self->dev, DATA_FROM, DATA_PAGES, VT_RW, MAP_SHARED);
	int fd = make_space(self->dev, self->table);
	char *data = map_segment(fd, SEG_DATA);
	size_t i;

	for (i = 0; i < 8; i++)
		vt_fill(linear + i * VT_PAGE, i, SEED + 5);
	EXPECT_EQ(vt_count_bad(data, 0, 8, SEED + 5), 0);
	EXPECT_EQ(vt_stat("pages_copied"), 8);
	EXPECT_EQ(vt_check(data + 8 * VT_PAGE, DATA_FROM + 8, SEED), -1);
	/* A copy: what either writes the other does not see. */
	vt_fill(data, 0, SEED + 6);
	vt_fill(linear + VT_PAGE, 1, SEED + 7);
	EXPECT_EQ(vt_check(linear, 0, SEED + 5), -1);
	EXPECT_EQ(vt_check(data + VT_PAGE, 1, SEED + 5), -1);
	EXPECT_TRUE(vt_balanced());
	close(fd);
}

/* Read requests that the disk has had; none if it does not count them. */
static __u64 disk_reads(void)
{
	unsigned long long reads = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", strrchr(vt_disk(), '/') + 1);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%llu", &reads) != 1)
		vt_fail("no counts in %s", path);
	fclose(f);
	return reads;
}

TEST_F(segment, loaded_as_a_whole)
{
	__u64 before;
	char *code;
	int fd;

	self->table[SEG_CODE].loading = VMDEMO_LOAD_WHOLE;
	fd = make_space(self->dev, self->table);
	code = map_segment(fd, SEG_CODE);
	EXPECT_EQ(vt_stat("pages_in"), 0);
	before = disk_reads();
	EXPECT_EQ(vt_check(code + 77 * VT_PAGE, CODE_FROM + 77, SEED), -1);
	ASSERT_TRUE(vt_wait_stat("pages_in", CODE_PAGES, CODE_PAGES, 10));
	EXPECT_EQ(vt_count_resident(fd, CODE, CODE_PAGES), CODE_PAGES);
	EXPECT_EQ(vt_stat("faults_hard"), 0);
	EXPECT_EQ(vt_count_bad(code, CODE_FROM, CODE_PAGES, SEED), 0);
	EXPECT_EQ(vt_stat("pages_in"), CODE_PAGES);
	EXPECT_EQ(vt_stat("faults_hard"), 0);
	if (disk_reads() != before)
		EXPECT_LE(disk_reads() - before, CODE_PAGES / 64);
	close(fd);
}

TEST_F(segment, loaded_up_front)
{
	int fd;

	self->table[SEG_CODE].loading = VMDEMO_LOAD_UPFRONT;
	fd = make_space(self->dev, self->table);
	ASSERT_TRUE(vt_wait_stat("pages_in", CODE_PAGES, CODE_PAGES, 10));
	EXPECT_EQ(vt_count_resident(fd, CODE, CODE_PAGES), CODE_PAGES);
	EXPECT_EQ(vt_count_bad(map_segment(fd, SEG_CODE), CODE_FROM, CODE_PAGES, SEED), 0);
	EXPECT_EQ(vt_stat("faults_hard"), 0);
	close(fd);
}

/* Readahead stays in its segment. */
TEST_F(segment, readahead_ends_with_it)
{
	int fd = make_space(self->dev, self->table);
	char *code = map_segment(fd, SEG_CODE);
	size_t i;

	ASSERT_EQ(vt_set("read_ahead_pages", "64"), 0);
	for (i = 0; i < CODE_PAGES; i++)
		ASSERT_EQ(vt_check(code + i * VT_PAGE, CODE_FROM + i, SEED), -1);
	EXPECT_GT(vt_stat("readahead_pages"), CODE_PAGES / 2);
	EXPECT_EQ(vt_count_resident(fd, DATA, DATA_PAGES), 0);
	EXPECT_EQ(vt_stat("pages_in"), CODE_PAGES);
	EXPECT_TRUE(vt_balanced());
	close(fd);
}

/* ---- limits ---- */

TEST_F(segment, stack_grows_when_touched)
{
	int fd = make_space(self->dev, self->table);
	char *stack = map_segment(fd, SEG_STACK);
	siginfo_t info;

	EXPECT_EQ(state_of(fd, SEG_STACK).segment.limit, VT_PAGE);
	EXPECT_EQ(vt_try_write(stack + 255 * VT_PAGE, &info), 0);
	EXPECT_EQ(state_of(fd, SEG_STACK).segment.limit, VT_PAGE);
	EXPECT_EQ(vt_try_write(stack + 200 * VT_PAGE, &info), 0);
	EXPECT_EQ(state_of(fd, SEG_STACK).segment.limit, 56 * VT_PAGE);
	stack[255 * VT_PAGE] = 1;
	stack[200 * VT_PAGE] = 1;
	EXPECT_EQ(vt_try_write(stack, &info), 0);
	EXPECT_EQ(state_of(fd, SEG_STACK).segment.limit, STACK_BOUND * VT_PAGE);
	EXPECT_EQ(state_of(fd, SEG_STACK).written, 3);
	EXPECT_EQ(state_of(fd, SEG_STACK).zeroed, 3);
	/* Not by read(2) and write(2), though. */
	ASSERT_EQ(set_limit(fd, SEG_STACK, 1), 0);
	EXPECT_EQ(pwrite(fd, "x", 1, STACK * VT_PAGE), -1);
	EXPECT_EQ(errno, EFAULT);
	/* What it lost is gone. */
	EXPECT_TRUE(vt_is_zero(stack + 200 * VT_PAGE));
	EXPECT_FALSE(vt_is_zero(stack + 255 * VT_PAGE));
	close(fd);
}

TEST_F(segment, heap_grows_on_request)
{
	int fd = make_space(self->dev, self->table);
	char *heap = map_segment(fd, SEG_HEAP);
	const __u64 slots = vt_get("swap_slots");
	siginfo_t info;
	size_t i;

	EXPECT_EQ(vt_try_write(heap, &info), SIGSEGV);
	EXPECT_EQ(info.si_addr, heap);
	ASSERT_EQ(set_limit(fd, SEG_HEAP, 400), 0);
	for (i = 0; i < 400; i++)
		vt_fill(heap + i * VT_PAGE, i, SEED);
	EXPECT_EQ(vt_try_read(heap + 400 * VT_PAGE + 123, &info), SIGSEGV);
	EXPECT_EQ(info.si_addr, heap + 400 * VT_PAGE + 123);
	EXPECT_EQ(vt_count_bad(heap, 0, 400, SEED), 0);
	EXPECT_EQ(vt_stat("swap_free"), slots - 400);
	ASSERT_EQ(set_limit(fd, SEG_HEAP, 100), 0);
	EXPECT_EQ(vt_stat("swap_free"), slots - 100);
	EXPECT_EQ(vt_try_write(heap + 100 * VT_PAGE, &info), SIGSEGV);
	EXPECT_EQ(vt_try_read(heap + 399 * VT_PAGE, &info), SIGSEGV);
	EXPECT_EQ(vt_count_bad(heap, 0, 100, SEED), 0);
	ASSERT_EQ(set_limit(fd, SEG_HEAP, HEAP_BOUND), 0);
	EXPECT_TRUE(vt_is_zero(heap + 100 * VT_PAGE));
	EXPECT_TRUE(vt_is_zero(heap + 399 * VT_PAGE));
	EXPECT_EQ(state_of(fd, SEG_HEAP).aborted, 4);
	EXPECT_EQ(vt_stat("faults_invalid"), 4);
	EXPECT_EQ(set_limit(fd, SEG_HEAP, HEAP_BOUND + 1), -ENOMEM);
	EXPECT_EQ(set_limit(fd, SEG_HEAP, 0), 0);
	EXPECT_EQ(vt_stat("swap_free"), slots);
	EXPECT_EQ(set_limit(fd, SEG_DATA, 1), -EPERM);
	close(fd);
}

/* A private copy of what a segment has lost goes as well, as with truncate. */
TEST_F(segment, private_copies_go_too)
{
	int fd = make_space(self->dev, self->table);
	siginfo_t info;
	char *heap;

	ASSERT_EQ(set_limit(fd, SEG_HEAP, 2), 0);
	heap = try_map(fd, HEAP, HEAP_BOUND, VT_RW, MAP_PRIVATE);
	ASSERT_NE(heap, MAP_FAILED);
	ASSERT_EQ(vt_try_write(heap + VT_PAGE, &info), 0);
	ASSERT_EQ(set_limit(fd, SEG_HEAP, 1), 0);
	EXPECT_EQ(vt_try_read(heap + VT_PAGE, &info), SIGSEGV);
	EXPECT_EQ(vt_try_read(heap, &info), 0);
	close(fd);
}

struct toucher {
	char *mem;
	size_t pages;
	bool stop;
};

static void *touch(void *arg)
{
	struct toucher *t = arg;
	__u64 state = (uintptr_t)&state;

	/* The kernel writes for us: EFAULT where an access of ours would be aborted. */
	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED))
		getrandom(t->mem + vt_random(&state) % t->pages * VT_PAGE, 1, 0);
	return NULL;
}

/* Growing and shrinking while threads touch: nothing stays beyond the limit, or leaks. */
TEST_F(segment, limits_under_load)
{
	int fd = make_space(self->dev, self->table), i;
	char *heap = map_segment(fd, SEG_HEAP);
	/* Two where it comes and goes, one where it mostly stays. */
	struct toucher t[3] = {
		{ .mem = heap + 64 * VT_PAGE, .pages = 64 },
		{ .mem = heap + 64 * VT_PAGE, .pages = 64 },
		{ .mem = heap, .pages = HEAP_BOUND },
	};
	const __u64 slots = vt_get("swap_slots"), enough = vt_now_ms() + 40000;
	pthread_t thread[3];
	__u64 state = 5;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(pthread_create(&thread[i], NULL, touch, &t[i]), 0);
	/* On a debug kernel each round takes 50 ms. */
	for (i = 0; i < 3000 && (i < 500 || vt_now_ms() < enough); i++) {
		size_t limit = vt_random(&state) % 64;

		ASSERT_EQ(set_limit(fd, SEG_HEAP, HEAP_BOUND), 0);
		if (i % 10 == 0)
			vt_nap(1);
		ASSERT_EQ(set_limit(fd, SEG_HEAP, limit), 0);
		ASSERT_EQ(vt_count_resident(fd, HEAP + limit, 128 - limit), 0)
			TH_LOG("limit %zu, round %d", limit, i);
		EXPECT_GE(vt_stat("swap_free"), slots - limit);
	}
	for (i = 0; i < 3; i++)
		__atomic_store_n(&t[i].stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	ASSERT_EQ(set_limit(fd, SEG_HEAP, 0), 0);
	EXPECT_EQ(vt_stat("swap_free"), slots);
	EXPECT_EQ(vt_count_resident(fd, HEAP, HEAP_BOUND), 0);
	EXPECT_GT(state_of(fd, SEG_HEAP).written, 300);
	EXPECT_GT(state_of(fd, SEG_HEAP).aborted, 0);
	close(fd);
}

/* ---- protection ---- */

TEST_F(segment, mappings_keep_to_it)
{
	int fd = make_space(self->dev, self->table);
	char *code, *data;
	siginfo_t info;

	/* More than one segment, a hole, both. */
	EXPECT_EQ(try_map(fd, CODE, CODE_PAGES + 1, PROT_READ, MAP_SHARED), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(try_map(fd, DATA + DATA_PAGES, 1, PROT_READ, MAP_SHARED), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(try_map(fd, HEAP - 1, 2, PROT_READ, MAP_SHARED), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(try_map(fd, STACK, STACK_BOUND + 1, PROT_READ, MAP_SHARED), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	/* More than its protection. */
	EXPECT_EQ(try_map(fd, CODE, 1, VT_RW, MAP_SHARED), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(try_map(fd, CODE, 1, VT_RW, MAP_PRIVATE), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(try_map(fd, DATA, 1, PROT_READ | PROT_EXEC, MAP_SHARED), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	/* Less is fine, and so is part of it; but it does not get more later. */
	code = try_map(fd, CODE + 5, 3, PROT_READ, MAP_SHARED);
	ASSERT_NE(code, MAP_FAILED);
	data = map_segment(fd, SEG_DATA);
	EXPECT_EQ(mprotect(code, VT_PAGE, VT_RW), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(mprotect(code, VT_PAGE, PROT_READ | PROT_EXEC), 0);
	EXPECT_EQ(mprotect(data, VT_PAGE, PROT_READ | PROT_EXEC), -1);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(vt_try_write(code, &info), SIGSEGV);
	EXPECT_EQ(info.si_addr, code);
	EXPECT_EQ(info.si_code, SEGV_ACCERR);
	EXPECT_EQ(mremap(data, DATA_PAGES * VT_PAGE, (DATA_PAGES + 1) * VT_PAGE, MREMAP_MAYMOVE),
		  MAP_FAILED);
	EXPECT_EQ(mremap(code, 0, 200 * VT_PAGE, MREMAP_MAYMOVE), MAP_FAILED);
	EXPECT_EQ(vt_check(code, CODE_FROM + 5, SEED), -1);
	close(fd);
}

TEST_F(segment, read_and_write_keep_to_it)
{
	int fd = make_space(self->dev, self->table), pipefd[2];
	char *page = vt_buffer(1), *heap = map_segment(fd, SEG_HEAP);

	ASSERT_EQ(pread(fd, page, VT_PAGE, 3 * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, CODE_FROM + 3, SEED), -1);
	EXPECT_EQ(pwrite(fd, page, VT_PAGE, 3 * VT_PAGE), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(pread(fd, page, VT_PAGE, (DATA + DATA_PAGES) * VT_PAGE), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(pread(fd, page, VT_PAGE, HEAP * VT_PAGE), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(pwrite(fd, "xyz", 3, DATA * VT_PAGE + 100), 3);
	EXPECT_EQ(pread(fd, page, VT_PAGE, DATA * VT_PAGE), VT_PAGE);
	EXPECT_EQ(memcmp(page + 100, "xyz", 3), 0);
	EXPECT_EQ(vt_check(page, DATA_FROM, SEED), 12);
	/* A system call with a buffer beyond the limit. */
	ASSERT_EQ(pipe(pipefd), 0);
	EXPECT_EQ(write(pipefd[1], heap, 1), -1);
	EXPECT_EQ(errno, EFAULT);
	ASSERT_EQ(write(pipefd[1], "x", 1), 1);
	EXPECT_EQ(read(pipefd[0], heap, 1), -1);
	EXPECT_EQ(errno, EFAULT);
	/* No more than its segments, and its origin stays. */
	EXPECT_EQ(pwrite(fd, "x", 1, PAGES * VT_PAGE), -1);
	EXPECT_EQ(ftruncate(fd, VT_PAGE), -1);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 10), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	EXPECT_EQ(fallocate(fd, 0, HEAP * VT_PAGE, VT_PAGE), -1);
	EXPECT_EQ(errno, EOPNOTSUPP);
	EXPECT_EQ(vt_range(fd, VMDEMO_IOC_DISCARD, DATA, 1, NULL), -EOPNOTSUPP);
	EXPECT_EQ(vt_range(fd, VMDEMO_IOC_DISCARD, HEAP, 8, NULL), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_DATA), 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), (DATA + DATA_PAGES) * VT_PAGE);
	EXPECT_EQ(lseek(fd, HEAP * VT_PAGE, SEEK_DATA), -1);
	EXPECT_EQ(errno, ENXIO);
	munmap(page, VT_PAGE);
	close(fd);
}

/* Machine code comes from the device, runs in two processes, and a third cannot overwrite it. */
TEST_F(segment, code_runs)
{
	static const char machine_code[] = VT_RETURN_42;
	int fd, i;
	char *code;

	ASSERT_EQ(pwrite(self->dev, machine_code, sizeof(machine_code), CODE_FROM * VT_PAGE),
		  sizeof(machine_code));
	fd = make_space(self->dev, self->table);
	code = map_segment(fd, SEG_CODE);
	for (i = 0; i < 2; i++) {
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid)
			_exit(((int (*)(void))code)() != 42);
		EXPECT_EQ(vt_reap(pid), 0);
	}
	EXPECT_EQ(vt_count_resident(fd, CODE, CODE_PAGES), 1);
	EXPECT_EQ(vt_try_write(code, NULL), SIGSEGV);
	EXPECT_EQ(((int (*)(void))code)(), 42);
	close(fd);
}

/* A descriptor is good for what it was opened for, and nobody else opens it again. */
TEST_F(segment, who_may)
{
	int fd = make_space(self->dev, self->table), reader, writer;
	struct vmdemo_segment_state state = { .number = SEG_HEAP };
	char name[32], byte;
	pid_t pid;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	reader = open(name, O_RDONLY);
	writer = open(name, O_WRONLY);
	ASSERT_GE(reader, 0);
	ASSERT_GE(writer, 0);
	EXPECT_EQ(set_limit(reader, SEG_HEAP, 8), -EBADF);
	EXPECT_EQ(vt_range(reader, VMDEMO_IOC_DISCARD, HEAP, 1, NULL), -EBADF);
	EXPECT_EQ(fallocate(reader, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, HEAP * VT_PAGE,
			    VT_PAGE), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(pwrite(reader, "x", 1, DATA * VT_PAGE), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(try_map(reader, DATA, 1, VT_RW, MAP_SHARED), MAP_FAILED);
	EXPECT_EQ(errno, EACCES);
	EXPECT_EQ(ioctl(reader, VMDEMO_IOC_SEGMENT, &state), 0);
	EXPECT_EQ(ioctl(writer, VMDEMO_IOC_SEGMENT, &state), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(pread(writer, &byte, 1, 0), -1);
	EXPECT_EQ(errno, EBADF);
	EXPECT_EQ(vt_range(writer, VMDEMO_IOC_EVICT, 0, 1, NULL), -EBADF);
	EXPECT_EQ(set_limit(writer, SEG_HEAP, 8), 0);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(setgid(65534) || setuid(65534) || open(name, O_RDWR) >= 0 ||
		      open(name, O_RDONLY) >= 0);
	EXPECT_EQ(vt_reap(pid), 0);
	close(reader);
	close(writer);
	close(fd);
}

TEST_HARNESS_MAIN
