// SPDX-License-Identifier: GPL-2.0
/*
 * segment_input.c - tables and limits that are refused, and what lies at the end of a segment
 */
#include <sched.h>
#include <sys/prctl.h>

#include "kselftest_harness.h"
#include "segment.h"

/* ---- input nobody should give ---- */

/* One field of the table, of @bytes bytes, is something else for once. */
static int try_with(int dev, struct vmdemo_segment *table, void *field, size_t bytes, __u64 value)
{
	__u64 old;
	int ret;

	memcpy(&old, field, bytes);
	memcpy(field, &value, bytes);
	ret = try_table(dev, table, SEGMENTS);
	memcpy(field, &old, bytes);
	return ret;
}

#define BAD(field, bytes, value, error)						\
	EXPECT_EQ(try_with(self->dev, t, field, bytes, value), -(error))

TEST_F(segment, bad_tables)
{
	struct vmdemo_segment *t = self->table;
	struct vmdemo_segment_state state = { .number = SEGMENTS };
	struct vmdemo_segment many[VMDEMO_SEGMENTS_MAX + 1];
	struct vmdemo_segment_limit limit = { .limit = 1 };
	size_t i;
	int fd;

	BAD(&t[SEG_DATA].base, 8, DATA * VT_PAGE - 1, EINVAL);
	BAD(&t[SEG_DATA].base, 8, (DATA - 1) * VT_PAGE, EINVAL);
	BAD(&t[SEG_DATA].base, 8, ~0ULL * VT_PAGE, EINVAL);
	BAD(&t[SEG_CODE].base, 8, HEAP * VT_PAGE, EINVAL);
	BAD(&t[SEG_HEAP].bound, 8, 0, EINVAL);
	BAD(&t[SEG_HEAP].bound, 8, HEAP_BOUND * VT_PAGE + 5, EINVAL);
	BAD(&t[SEG_HEAP].limit, 8, (HEAP_BOUND + 1) * VT_PAGE, EINVAL);
	BAD(&t[SEG_HEAP].limit, 8, 1, EINVAL);
	BAD(&t[SEG_STACK].bound, 8, (STACK_BOUND + 1) * VT_PAGE, EINVAL);
	BAD(&t[SEG_STACK].bound, 8, ~0ULL * VT_PAGE, EINVAL);
	BAD(&t[SEG_CODE].limit, 8, VT_PAGE, EINVAL);
	BAD(&t[SEG_CODE].prot, 1, 8, EINVAL);
	BAD(&t[SEG_CODE].growth, 1, VMDEMO_GROW_UP, EINVAL);
	BAD(&t[SEG_HEAP].growth, 1, VMDEMO_GROW_DOWN + 1, EINVAL);
	BAD(&t[SEG_HEAP].loading, 1, VMDEMO_LOAD_UPFRONT + 1, EINVAL);
	BAD(&t[SEG_HEAP].reserved, 1, 1, EINVAL);
	BAD(&t[SEG_HEAP].flags, 4, 2, EINVAL);
	BAD(&t[SEG_HEAP].origin, 8, VT_PAGE, EINVAL);
	BAD(&t[SEG_DATA].origin, 8, 1, EINVAL);
	BAD(&t[SEG_DATA].origin, 8, vt_get("size_bytes"), EINVAL);
	BAD(&t[SEG_DATA].origin, 8, vt_get("size_bytes") - (DATA_PAGES - 1) * VT_PAGE, EINVAL);
	BAD(&t[SEG_DATA].origin, 8, ~0ULL * VT_PAGE, EINVAL);
	memset(t[SEG_HEAP].name, 'x', sizeof(t[SEG_HEAP].name));
	EXPECT_EQ(try_table(self->dev, t, SEGMENTS), -EINVAL);
	memcpy(t, layout, sizeof(layout));
	EXPECT_EQ(try_table(self->dev, (void *)8, SEGMENTS), -EFAULT);

	for (i = 0; i <= VMDEMO_SEGMENTS_MAX; i++)
		many[i] = (struct vmdemo_segment){
			.base = 2 * i * VT_PAGE, .bound = VT_PAGE, .limit = VT_PAGE,
		};
	EXPECT_EQ(try_table(self->dev, many, VMDEMO_SEGMENTS_MAX + 1), -EINVAL);
	EXPECT_EQ(try_table(self->dev, many, ~0U), -EINVAL);
	fd = try_table(self->dev, many, VMDEMO_SEGMENTS_MAX);
	ASSERT_GE(fd, 0);
	close(fd);
	/* The end of the device is no reason to refuse. */
	t[SEG_DATA].origin = vt_get("size_bytes") - DATA_PAGES * VT_PAGE;
	fd = make_space(self->dev, t);
	EXPECT_EQ(ioctl(fd, VMDEMO_IOC_SEGMENT, &state), -1);
	EXPECT_EQ(errno, EINVAL);
	state.number = 0;
	state.reserved = 1;
	EXPECT_EQ(ioctl(fd, VMDEMO_IOC_SEGMENT, &state), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(ioctl(fd, VMDEMO_IOC_SEGMENT, (void *)8), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(ioctl(fd, VMDEMO_IOC_LIMIT, &limit), -1);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(set_limit(fd, SEGMENTS, 0), -EINVAL);
	EXPECT_EQ(set_limit(self->dev, 0, 0), -EINVAL);
	close(fd);
}

/* What a limit takes away are the pages beyond it, and no others. */
TEST_F(segment, growing_takes_nothing_away)
{
	int fd = make_space(self->dev, self->table);
	char *heap = map_segment(fd, SEG_HEAP);
	siginfo_t info;
	__u64 calls;

	ASSERT_EQ(set_limit(fd, SEG_HEAP, 8), 0);
	vt_fill(heap + 7 * VT_PAGE, 7, SEED);
	calls = vt_stat("unmap_calls");
	ASSERT_EQ(set_limit(fd, SEG_HEAP, 16), 0);
	ASSERT_EQ(set_limit(fd, SEG_HEAP, 16), 0);
	EXPECT_EQ(vt_stat("unmap_calls"), calls);
	EXPECT_EQ(vt_check(heap + 7 * VT_PAGE, 7, SEED), -1);
	ASSERT_EQ(set_limit(fd, SEG_HEAP, 4), 0);
	EXPECT_GT(vt_stat("unmap_calls"), calls);
	EXPECT_EQ(vt_try_read(heap + 7 * VT_PAGE, &info), SIGSEGV);
	close(fd);
}

struct copies {
	int phase;
	size_t made;
	size_t old;
};

/* Copy private pages in phase 1; in phase 2 tell how many of them are not zeros. */
static void copy_in_private(char *private, size_t pages, struct copies *copies)
{
	__u64 state = 5;
	size_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		switch (__atomic_load_n(&copies->phase, __ATOMIC_ACQUIRE)) {
		case 1:
			/* Not the byte that is looked at, which it may have loaded before. */
			i = vt_random(&state) % pages * VT_PAGE + 1;
			if (!vt_try_write(private + i, NULL))
				__atomic_add_fetch(&copies->made, 1, __ATOMIC_RELAXED);
			break;
		case 2:
			for (i = 0; i < pages; i++)
				copies->old += private[i * VT_PAGE] != 0;
			__atomic_store_n(&copies->phase, 0, __ATOMIC_RELEASE);
			break;
		}
	}
}

/* Wait until the copies have been looked at; false: the process that looks is dead. */
static bool looked_at(struct copies *copies, pid_t pid)
{
	__atomic_store_n(&copies->phase, 2, __ATOMIC_RELEASE);
	while (__atomic_load_n(&copies->phase, __ATOMIC_ACQUIRE)) {
		if (waitpid(pid, NULL, WNOHANG))
			return false;
		sched_yield();
	}
	return true;
}

/* What is cut off is gone for a task that copies it at that moment, too. */
TEST_F(segment, private_copies_are_cut_off)
{
	struct copies *shared = mmap(NULL, VT_PAGE, VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = make_space(self->dev, self->table), round;
	char *heap = map_segment(fd, SEG_HEAP), *private;
	const size_t pages = FRAMES / 2;
	size_t i;
	pid_t pid;

	ASSERT_NE(shared, MAP_FAILED);
	private = vt_map(fd, layout[SEG_HEAP].base / VT_PAGE, pages, VT_RW, MAP_PRIVATE);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		copy_in_private(private, pages, shared);
	/* On a busy machine it takes the other a while to begin. */
	for (round = 0; round < 300 || (round < 100000 && shared->made < 1000); round++) {
		ASSERT_EQ(set_limit(fd, SEG_HEAP, pages), 0);
		for (i = 0; i < pages; i++)
			heap[i * VT_PAGE] = 7;
		__atomic_store_n(&shared->phase, 1, __ATOMIC_RELEASE);
		usleep(500);
		ASSERT_EQ(set_limit(fd, SEG_HEAP, 0), 0);
		ASSERT_EQ(set_limit(fd, SEG_HEAP, pages), 0);
		ASSERT_TRUE(looked_at(shared, pid));
		EXPECT_EQ(shared->old, 0) break;
		ASSERT_EQ(set_limit(fd, SEG_HEAP, 0), 0);
	}
	EXPECT_GE(shared->made, 1000);
	kill(pid, SIGKILL);
	vt_reap(pid);
	close(fd);
}

/* What of a read or a write is in the segment is read or written; what is beyond is not. */
TEST_F(segment, cut_short_at_the_limit)
{
	int fd = make_space(self->dev, self->table);
	const size_t end = (HEAP + 8) * VT_PAGE, half = VT_PAGE / 2;
	char *buffer = vt_buffer(4), page[VT_PAGE];

	ASSERT_EQ(set_limit(fd, SEG_HEAP, 8), 0);
	memset(buffer, 7, 4 * VT_PAGE);
	EXPECT_EQ(pwrite(fd, buffer, 4 * VT_PAGE, end - VT_PAGE - half), VT_PAGE + half);
	EXPECT_EQ(state_of(fd, SEG_HEAP).written, 2);
	EXPECT_EQ(pread(fd, buffer + VT_PAGE, 3 * VT_PAGE, end - half), half);
	EXPECT_EQ(pwrite(fd, buffer, VT_PAGE, end), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(vt_count_resident(fd, HEAP + 8, HEAP_BOUND - 8), 0);
	ASSERT_EQ(set_limit(fd, SEG_HEAP, 16), 0);
	ASSERT_EQ(pread(fd, page, VT_PAGE, end), VT_PAGE);
	EXPECT_TRUE(vt_is_zero(page));
	/* From one segment into the next it goes on; in a hole it ends. */
	EXPECT_EQ(pread(fd, buffer, 4 * VT_PAGE, (DATA - 2) * VT_PAGE), 4 * VT_PAGE);
	EXPECT_EQ(vt_count_bad(buffer, CODE_FROM + CODE_PAGES - 2, 2, SEED), 0);
	EXPECT_EQ(vt_count_bad(buffer + 2 * VT_PAGE, DATA_FROM, 2, SEED), 0);
	EXPECT_EQ(pread(fd, buffer, 4 * VT_PAGE, (DATA + DATA_PAGES - 1) * VT_PAGE), VT_PAGE);
	EXPECT_EQ(pwrite(fd, buffer, 4 * VT_PAGE, (DATA + DATA_PAGES - 1) * VT_PAGE), VT_PAGE);
	munmap(buffer, 4 * VT_PAGE);
	close(fd);
}

/* In a sequence one fault maps what follows: as far as the segment goes, and its limit. */
TEST_F(segment, fault_around_ends_with_it)
{
	int fd = make_space(self->dev, self->table);
	char *code = map_segment(fd, SEG_CODE), *heap = map_segment(fd, SEG_HEAP);
	char *buffer = vt_buffer(CODE_PAGES);
	siginfo_t info;
	__u64 before;
	size_t i;

	ASSERT_EQ(vt_set("read_ahead_pages", "64"), 0);
	/* All in frames, those of the next segment too. */
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_PREFETCH, CODE, CODE_PAGES + 32, NULL), 0);
	ASSERT_EQ(pread(fd, buffer, 32 * VT_PAGE, DATA * VT_PAGE), 32 * VT_PAGE);
	for (i = 0; i < CODE_PAGES; i++)
		ASSERT_EQ(vt_check(code + i * VT_PAGE, CODE_FROM + i, SEED), -1);
	EXPECT_GT(vt_stat("fault_around_pages"), CODE_PAGES / 4);
	for (i = DATA; i < DATA + 32; i++)
		EXPECT_FALSE(vt_page(fd, i).flags & VMDEMO_PAGE_MAPPED) TH_LOG("page %zu", i);

	/* The pages beyond the new limit were there a moment before. */
	ASSERT_EQ(set_limit(fd, SEG_HEAP, 96), 0);
	memset(buffer, 7, 96 * VT_PAGE);
	ASSERT_EQ(pwrite(fd, buffer, 96 * VT_PAGE, HEAP * VT_PAGE), 96 * VT_PAGE);
	ASSERT_EQ(set_limit(fd, SEG_HEAP, 70), 0);
	before = vt_stat("fault_around_pages");
	for (i = 0; i < 70; i++)
		heap[i * VT_PAGE] = 8;
	EXPECT_GT(vt_stat("fault_around_pages"), before);
	for (i = 70; i < 96; i++)
		EXPECT_FALSE(vt_resident(fd, HEAP + i));
	EXPECT_EQ(vt_try_read(heap + 70 * VT_PAGE, &info), SIGSEGV);
	EXPECT_EQ(vt_try_write(heap + 95 * VT_PAGE, &info), SIGSEGV);
	EXPECT_EQ(state_of(fd, SEG_HEAP).aborted, 2);
	munmap(buffer, CODE_PAGES * VT_PAGE);
	close(fd);
}

/* Limits that wrap, or are just too large, change nothing. */
TEST_F(segment, limits_that_wrap)
{
	static const __u64 bad[] = {
		~0ULL << 12, 1ULL << 63, 1ULL << 62, 1ULL << 52, 1ULL << 44, 1ULL << 32,
		-VT_PAGE, -2 * VT_PAGE, VT_PAGE * (HEAP_BOUND + 1),
	};
	static const int grow[] = { SEG_HEAP, SEG_STACK };
	static const __u64 beyond[] = {
		VMDEMO_SPACE_MAX, 1ULL << 62, (1ULL << 63) - VT_PAGE, 1ULL << 63, PAGES * VT_PAGE,
	};
	int fd = make_space(self->dev, self->table);
	size_t i, j;

	ASSERT_EQ(set_limit(fd, SEG_HEAP, 4), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		for (j = 0; j < ARRAY_SIZE(grow); j++) {
			struct vmdemo_segment_limit limit = { .number = grow[j], .limit = bad[i] };

			EXPECT_EQ(ioctl(fd, VMDEMO_IOC_LIMIT, &limit), -1) TH_LOG("%llx", bad[i]);
			EXPECT_EQ(errno, ENOMEM);
			limit.number = ~0U;
			EXPECT_EQ(ioctl(fd, VMDEMO_IOC_LIMIT, &limit), -1);
			EXPECT_EQ(errno, EINVAL);
		}
	EXPECT_EQ(state_of(fd, SEG_HEAP).segment.limit, 4 * VT_PAGE);
	EXPECT_EQ(state_of(fd, SEG_STACK).segment.limit, VT_PAGE);
	/* Nor are there segments where they would be if an offset were cut short. */
	for (i = 0; i < ARRAY_SIZE(beyond); i++)
		EXPECT_EQ(mmap(NULL, VT_PAGE, PROT_READ, MAP_SHARED, fd, beyond[i]), MAP_FAILED);
	close(fd);
}

TEST_F(segment, origin_needs_a_device)
{
	close(self->dev);
	self->dev = -1;
	ASSERT_EQ(vt_set("backing", "none"), 0);
	self->dev = vt_open(O_RDWR);
	EXPECT_EQ(try_table(self->dev, self->table, SEGMENTS), -ENXIO);
	EXPECT_GE(try_table(self->dev, &self->table[SEG_HEAP], 2), 0);
}

TEST_HARNESS_MAIN
