// SPDX-License-Identifier: GPL-2.0
/*
 * coherence.c - read, write and splice show the same copy of the data as every mapping
 */
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	16
#define PAGES	64
#define SEED	2

FIXTURE(coherence) {
	int fd;
	char *mem;
	char *buffer;	/* private memory, eight pages */
};

FIXTURE_SETUP(coherence)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_start(FRAMES);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	self->buffer = vt_buffer(8);
}

FIXTURE_TEARDOWN(coherence)
{
	munmap(self->buffer, 8 * VT_PAGE);
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

/* Bring all but the first few pages in, so that those are evicted. */
static void press(const char *mem)
{
	int i;

	for (i = PAGES - 2 * FRAMES; i < PAGES; i++)
		if (vt_try_read(mem + i * VT_PAGE, NULL))
			vt_fail("page %d cannot be read", i);
}

/* read() returns what was stored through a mapping a moment ago. */
TEST_F(coherence, read_sees_stores)
{
	vt_fill(self->mem + 3 * VT_PAGE, 3, SEED + 1);
	ASSERT_EQ(pread(self->fd, self->buffer, VT_PAGE, 3 * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(self->buffer, 3, SEED + 1), -1);
	EXPECT_EQ(vt_stat("pages_in"), 1);
}

/* A mapping shows what was written by write() a moment ago, whether it had the page or not. */
TEST_F(coherence, mapping_sees_writes)
{
	ASSERT_EQ(vt_check(self->mem + 3 * VT_PAGE, 3, SEED), -1);
	vt_fill(self->buffer, 3, SEED + 1);
	vt_fill(self->buffer + VT_PAGE, 4, SEED + 1);
	ASSERT_EQ(pwrite(self->fd, self->buffer, 2 * VT_PAGE, 3 * VT_PAGE), 2 * VT_PAGE);
	EXPECT_EQ(vt_count_bad(self->mem + 3 * VT_PAGE, 3, 2, SEED + 1), 0);
	EXPECT_EQ(vt_check(self->mem + 5 * VT_PAGE, 5, SEED), -1);
}

/* Written data survives the eviction of its frame, dirty as it was. */
TEST_F(coherence, writes_survive_eviction)
{
	vt_fill(self->buffer, 0, SEED + 1);
	ASSERT_EQ(pwrite(self->fd, self->buffer, VT_PAGE, 0), VT_PAGE);
	press(self->mem);
	ASSERT_FALSE(vt_resident(self->fd, 0));
	EXPECT_EQ(vt_check(self->mem, 0, SEED + 1), -1);
	EXPECT_GE(vt_stat("evictions_dirty"), 1);
}

/* A write of a whole page to an absent page does not read it first. */
TEST_F(coherence, whole_page_write_reads_nothing)
{
	vt_fill(self->buffer, 6, SEED + 1);
	ASSERT_EQ(pwrite(self->fd, self->buffer, VT_PAGE, 6 * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_stat("pages_in"), 0);
	EXPECT_TRUE(vt_page(self->fd, 6).flags & VMDEMO_PAGE_DIRTY);
	EXPECT_EQ(vt_check(self->mem + 6 * VT_PAGE, 6, SEED + 1), -1);
	EXPECT_EQ(vt_stat("pages_in"), 0);
}

/* A write of a part keeps the rest of the page. */
TEST_F(coherence, partial_write_keeps_the_rest)
{
	char expected[2 * VT_PAGE];

	vt_fill(expected, 6, SEED);
	vt_fill(expected + VT_PAGE, 7, SEED);
	memset(expected + VT_PAGE - 10, 'x', 25);
	memset(self->buffer, 'x', 25);
	ASSERT_EQ(pwrite(self->fd, self->buffer, 25, 7 * VT_PAGE - 10), 25);
	EXPECT_EQ(vt_stat("rw_pages"), 2);
	EXPECT_EQ(memcmp(self->mem + 6 * VT_PAGE, expected, sizeof(expected)), 0);
	EXPECT_EQ(vt_stat("pages_in"), 2);
	EXPECT_TRUE(vt_balanced());
}

/* Odd offsets and lengths over many pages agree with a model byte by byte. */
TEST_F(coherence, random_reads_and_writes)
{
	size_t size = PAGES * VT_PAGE, offset, length, i;
	unsigned char *model = vt_buffer(PAGES);
	__u64 state = 1;
	int round;

	for (i = 0; i < PAGES; i++)
		vt_fill(model + i * VT_PAGE, i, SEED);
	for (round = 0; round < 2000; round++) {
		length = 1 + vt_random(&state) % (round % 8 ? 300 : 6 * VT_PAGE);
		offset = vt_random(&state) % (size - length);
		switch (vt_random(&state) % 4) {
		case 0:
			memset(self->buffer, round, length);
			ASSERT_EQ(pwrite(self->fd, self->buffer, length, offset), length);
			memset(model + offset, round, length);
			break;
		case 1:
			memset(self->mem + offset, round, length);
			memset(model + offset, round, length);
			break;
		case 2:
			ASSERT_EQ(pread(self->fd, self->buffer, length, offset), length);
			ASSERT_EQ(memcmp(self->buffer, model + offset, length), 0);
			break;
		case 3:
			ASSERT_EQ(memcmp(self->mem + offset, model + offset, length), 0);
			break;
		}
	}
	EXPECT_EQ(memcmp(self->mem, model, size), 0);
	EXPECT_GT(vt_stat("evictions_dirty"), 0);
	EXPECT_TRUE(vt_balanced());
}

/* readv and writev go through several buffers and several pages in one call. */
TEST_F(coherence, vectors)
{
	struct iovec parts[3] = {
		{ self->buffer, 100 },
		{ self->buffer + VT_PAGE, 2 * VT_PAGE },
		{ self->buffer + 4 * VT_PAGE, 2 * VT_PAGE - 100 },
	};
	char *at = self->mem + 10 * VT_PAGE;
	int i;

	memset(self->buffer, 'a', 100);
	memset(self->buffer + VT_PAGE, 'b', 2 * VT_PAGE);
	memset(self->buffer + 4 * VT_PAGE, 'c', 2 * VT_PAGE);
	ASSERT_EQ(pwritev(self->fd, parts, 3, 10 * VT_PAGE), 4 * VT_PAGE);
	for (i = 0; i < 4 * (int)VT_PAGE; i++)
		ASSERT_EQ(at[i], i < 100 ? 'a' : i < 100 + 2 * (int)VT_PAGE ? 'b' : 'c');
	memset(at, 'd', 4 * VT_PAGE);
	ASSERT_EQ(preadv(self->fd, parts, 3, 10 * VT_PAGE), 4 * VT_PAGE);
	for (i = 0; i < 2 * (int)VT_PAGE - 100; i++)
		ASSERT_EQ(self->buffer[4 * VT_PAGE + i], 'd');
}

/* read() into the mapped page that is being read: the page keeps its contents, nothing hangs. */
TEST_F(coherence, read_into_the_page_itself)
{
	int resident;

	for (resident = 0; resident < 2; resident++) {
		char *page = self->mem + (20 + resident) * VT_PAGE;

		if (resident)
			ASSERT_EQ(vt_try_write(page, NULL), 0);
		ASSERT_EQ(pread(self->fd, page, VT_PAGE, (20 + resident) * VT_PAGE), VT_PAGE);
		EXPECT_EQ(vt_check(page, 20 + resident, SEED), -1);
	}
	ASSERT_EQ(pread(self->fd, self->mem + 22 * VT_PAGE + 2048, 2048, 22 * VT_PAGE), 2048);
	EXPECT_EQ(memcmp(self->mem + 22 * VT_PAGE, self->mem + 22 * VT_PAGE + 2048, 2048), 0);
}

/* write() from the mapped page that is being written, present or absent, does not deadlock. */
TEST_F(coherence, write_from_the_page_itself)
{
	int resident;

	for (resident = 0; resident < 2; resident++) {
		char *page = self->mem + (24 + resident) * VT_PAGE;

		if (resident)
			ASSERT_EQ(vt_try_read(page, NULL), 0);
		ASSERT_EQ(pwrite(self->fd, page, VT_PAGE, (24 + resident) * VT_PAGE), VT_PAGE);
		EXPECT_EQ(vt_check(page, 24 + resident, SEED), -1);
	}
	ASSERT_EQ(pwrite(self->fd, self->mem + 26 * VT_PAGE, 2048, 26 * VT_PAGE + 2048), 2048);
	EXPECT_EQ(memcmp(self->mem + 26 * VT_PAGE, self->mem + 26 * VT_PAGE + 2048, 2048), 0);
}

/* A write whose source is another page of the device, while both are being evicted. */
TEST_F(coherence, copy_between_pages_under_pressure)
{
	int i;

	for (i = 0; i < PAGES / 2; i++)
		ASSERT_EQ(pwrite(self->fd, self->mem + i * VT_PAGE, VT_PAGE,
				 (PAGES - 1 - i) * VT_PAGE), VT_PAGE);
	for (i = 0; i < PAGES / 2; i++)
		EXPECT_EQ(vt_check(self->mem + (PAGES - 1 - i) * VT_PAGE, i, SEED), -1);
	ASSERT_EQ(pread(self->fd, self->mem + 4 * VT_PAGE, 4 * VT_PAGE, 0), 4 * VT_PAGE);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(vt_check(self->mem + (4 + i) * VT_PAGE, i, SEED), -1);
}

/* A bad buffer is EFAULT or a short count; the pages involved are unharmed. */
TEST_F(coherence, bad_buffer_efault)
{
	char *hole = mmap(NULL, 2 * VT_PAGE, VT_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_EQ(munmap(hole + VT_PAGE, VT_PAGE), 0);
	EXPECT_EQ(pread(self->fd, hole + VT_PAGE, VT_PAGE, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(pwrite(self->fd, hole + VT_PAGE, VT_PAGE, 0), -1);
	EXPECT_EQ(errno, EFAULT);
	EXPECT_EQ(pread(self->fd, hole, 2 * VT_PAGE, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(hole, 1, SEED), -1);
	/* A whole-page write that fails must not leave a page that was never read. */
	EXPECT_EQ(pwrite(self->fd, hole + VT_PAGE, VT_PAGE, 9 * VT_PAGE), -1);
	EXPECT_EQ(vt_check(self->mem + 9 * VT_PAGE, 9, SEED), -1);
	EXPECT_EQ(vt_check(self->mem, 0, SEED), -1);
}

/* A whole-page write whose source ends in the middle keeps what it could not overwrite. */
TEST_F(coherence, half_a_source)
{
	char *hole = mmap(NULL, 2 * VT_PAGE, VT_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char expected[VT_PAGE];
	ssize_t written;

	ASSERT_EQ(munmap(hole + VT_PAGE, VT_PAGE), 0);
	memset(hole, 'h', VT_PAGE);
	written = pwrite(self->fd, hole + VT_PAGE / 2, VT_PAGE, 12 * VT_PAGE);
	ASSERT_LE(written, (ssize_t)VT_PAGE / 2);
	vt_fill(expected, 12, SEED);
	if (written > 0)
		memset(expected, 'h', written);
	EXPECT_EQ(memcmp(self->mem + 12 * VT_PAGE, expected, VT_PAGE), 0);
}

/* A private mapping shows writes to the device until it has copied the page. */
TEST_F(coherence, private_mapping_follows_until_copied)
{
	char *private = vt_map(self->fd, 0, 2, VT_RW, MAP_PRIVATE);

	ASSERT_EQ(vt_count_bad(private, 0, 2, SEED), 0);
	private[VT_PAGE] = 'p';
	vt_fill(self->buffer, 0, SEED + 1);
	vt_fill(self->buffer + VT_PAGE, 1, SEED + 1);
	ASSERT_EQ(pwrite(self->fd, self->buffer, 2 * VT_PAGE, 0), 2 * VT_PAGE);
	EXPECT_EQ(vt_check(private, 0, SEED + 1), -1);
	EXPECT_EQ(private[VT_PAGE], 'p');
	EXPECT_EQ(vt_check(self->mem + VT_PAGE, 1, SEED + 1), -1);
}

/* splice from the device to a pipe and back onto another place of the device. */
TEST_F(coherence, splice)
{
	loff_t from = 30 * VT_PAGE, to = 40 * VT_PAGE;
	ssize_t moved;
	size_t done = 0;
	int ends[2], i;

	ASSERT_EQ(pipe(ends), 0);
	while (done < 4 * VT_PAGE) {
		moved = splice(self->fd, &from, ends[1], NULL, 4 * VT_PAGE - done, 0);
		ASSERT_GT(moved, 0);
		done += moved;
		while (moved > 0) {
			ssize_t put = splice(ends[0], NULL, self->fd, &to, moved, 0);

			ASSERT_GT(put, 0);
			moved -= put;
		}
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(vt_check(self->mem + (40 + i) * VT_PAGE, 30 + i, SEED), -1);
	EXPECT_EQ(vt_stat("frames_pinned"), 0);
}

/* sendfile takes dirty pages from the device into a file, and a file's onto the device. */
TEST_F(coherence, sendfile)
{
	int file = memfd_create("sendfile", 0);
	off_t from = 50 * VT_PAGE;

	vt_fill(self->mem + 50 * VT_PAGE, 50, SEED + 1);
	ASSERT_EQ(sendfile(file, self->fd, &from, 2 * VT_PAGE), 2 * VT_PAGE);
	ASSERT_EQ(pread(file, self->buffer, 2 * VT_PAGE, 0), 2 * VT_PAGE);
	EXPECT_EQ(vt_check(self->buffer, 50, SEED + 1), -1);
	EXPECT_EQ(vt_check(self->buffer + VT_PAGE, 51, SEED), -1);
	from = 0;
	ASSERT_EQ(lseek(self->fd, 55 * VT_PAGE, SEEK_SET), 55 * VT_PAGE);
	ASSERT_EQ(sendfile(self->fd, file, &from, VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(self->mem + 55 * VT_PAGE, 50, SEED + 1), -1);
}

/* Binding drops what the block device's own cache holds, and unbinding leaves nothing stale. */
TEST_F(coherence, block_device_cache)
{
	char page[VT_PAGE];
	int disk;

	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	/* Dirty in the block device's cache, not yet on the disk. */
	disk = open(vt_disk(), O_RDWR);
	ASSERT_GE(disk, 0);
	vt_fill(page, 5, SEED + 1);
	ASSERT_EQ(pwrite(disk, page, VT_PAGE, 5 * VT_PAGE), VT_PAGE);
	ASSERT_EQ(pread(disk, page, VT_PAGE, 6 * VT_PAGE), VT_PAGE);
	ASSERT_EQ(vt_set("backing", "%s", vt_disk()), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	EXPECT_EQ(vt_check(self->mem + 5 * VT_PAGE, 5, SEED + 1), -1);
	vt_fill(self->mem + 6 * VT_PAGE, 6, SEED + 2);
	/* Somebody reads the disk beside us, and its cache now holds the old page 6. */
	ASSERT_EQ(pread(disk, page, VT_PAGE, 6 * VT_PAGE), VT_PAGE);
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	ASSERT_EQ(pread(disk, page, VT_PAGE, 6 * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(page, 6, SEED + 2), -1);
	close(disk);
	ASSERT_EQ(vt_set("backing", "%s", vt_disk()), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

TEST_HARNESS_MAIN
