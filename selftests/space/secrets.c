// SPDX-License-Identifier: GPL-2.0
/*
 * secrets.c - a frame never shows what it held before: another disk's, another page's, lost bytes
 *
 * Every test begins with a pool whose frames are full of a secret. Then something brings other
 * pages into them, or fails to. What can be read afterwards, in whatever way, has to be what it
 * should be, byte for byte, or nothing.
 */
#include <linux/elf.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "dm.h"
#include "vmdemo_test.h"

#define FRAMES	64
#define PAGES	256
#define PIECE	(FRAMES / 4)	/* pages that process_vm_readv() pins together: frames are left */
#define SECRET	31	/* the first disk's contents */
#define OTHER	32	/* the second's */
#define DM	"vmdemo-secrets"
#define FILLER	0xa5

FIXTURE(secrets) {
	int fd;
	char *mem;
	char *buffer;
};

/* Use the device, and have the secret in every frame: by reading, by mapping, and dirty. */
static void use(struct _test_data_secrets *self)
{
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	if (vt_count_bad(self->mem, 0, FRAMES, SECRET))
		vt_fail("the disk is not what it should be");
	vt_fill(self->mem, 0, SECRET);
}

static void leave(struct _test_data_secrets *self)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

FIXTURE_SETUP(secrets)
{
	if (dm_exists(DM)) {
		vt_try_unload();
		dm_remove(DM);
	}
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SECRET);
	vt_disk_fill(vt_disk2(), 0, PAGES, OTHER);
	vt_start(FRAMES);
	use(self);
	ASSERT_EQ(vt_stat("frames_free"), 0);
	self->buffer = vt_buffer(PAGES);
}

FIXTURE_TEARDOWN(secrets)
{
	munmap(self->buffer, PAGES * VT_PAGE);
	leave(self);
	if (dm_exists(DM)) {
		vt_try_unload();
		dm_remove(DM);
	}
}

/* Put a device of the device mapper under vmdemo: a table of lines, disk being the second disk. */
static void bind_table(struct _test_data_secrets *self, const char *table)
{
	leave(self);
	if (vt_set("backing", "none"))
		vt_fail("backing cannot be unbound");
	if (!dm_has("linear"))
		vt_skip("there is no device mapper");
	dm_create(DM, 0, "%s", table);
	if (vt_set("backing", DM_PATH(DM)))
		vt_fail("the device cannot be bound");
	self->fd = vt_open(O_RDWR);
	self->mem = mmap(NULL, PAGES * VT_PAGE, VT_RW, MAP_SHARED, self->fd, 0);
	if (self->mem == MAP_FAILED)
		vt_fail("mmap: %s", strerror(errno));
}

/* Read @pages pages, a multiple of PIECE, into the buffer. False: not all could be read. */
static bool read_by_vm_readv(struct _test_data_secrets *self, char *mem, size_t pages)
{
	struct iovec local = { self->buffer, pages * VT_PAGE }, remote[PAGES / PIECE];
	size_t at, nr = 0;

	for (at = 0; at < pages; at += PIECE)
		remote[nr++] = (struct iovec){ mem + at * VT_PAGE, PIECE * VT_PAGE };
	memset(self->buffer, FILLER, local.iov_len);
	return process_vm_readv(getpid(), &local, 1, remote, nr, 0) == (ssize_t)local.iov_len;
}

static size_t count_bad_by_vm_readv(struct _test_data_secrets *self, size_t pages, __u64 seed)
{
	if (!read_by_vm_readv(self, self->mem, pages))
		return pages;
	return vt_count_bad(self->buffer, 0, pages, seed);
}

/* All pages, in every way that there is to read them; 0 is the number of wrong ones. */
static size_t count_bad_everywhere(struct _test_data_secrets *self, size_t pages, __u64 seed)
{
	char *private = vt_map(self->fd, 0, pages, VT_RW, MAP_PRIVATE);
	size_t i, bad;

	bad = vt_count_bad(self->mem, 0, pages, seed);
	memset(self->buffer, FILLER, pages * VT_PAGE);
	if (pread(self->fd, self->buffer, pages * VT_PAGE, 0) != (ssize_t)(pages * VT_PAGE))
		bad++;
	bad += vt_count_bad(self->buffer, 0, pages, seed);
	/* A copy is made of what was in the frame, before its first byte is stored. */
	for (i = 0; i < pages; i++)
		private[i * VT_PAGE] = self->buffer[i * VT_PAGE];
	bad += vt_count_bad(private, 0, pages, seed);
	bad += count_bad_by_vm_readv(self, pages, seed);
	munmap(private, pages * VT_PAGE);
	return bad;
}

/* Another disk is bound: nothing of the first is left, on standby or anywhere. */
TEST_F(secrets, rebind)
{
	leave(self);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	ASSERT_EQ(vt_set("backing", "%s", vt_disk2()), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	EXPECT_EQ(vt_count_resident(self->fd, 0, PAGES), 0);
	EXPECT_EQ(count_bad_everywhere(self, PAGES, OTHER), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk2(), 0, PAGES, OTHER));
}

/* Readahead and prefetch put pages into many frames at once. */
TEST_F(secrets, rebind_and_read_ahead)
{
	leave(self);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	ASSERT_EQ(vt_set("read_ahead_pages", "32"), 0);
	ASSERT_EQ(vt_set("backing", "%s", vt_disk2()), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_PREFETCH, 0, FRAMES / 2, NULL), 0);
	EXPECT_EQ(count_bad_everywhere(self, PAGES, OTHER), 0);
	EXPECT_GT(vt_stat("readahead_pages"), 0);
}

/* Frames that go and come again with the pool's size. */
TEST_F(secrets, resize)
{
	static const int sizes[] = { 8, 128, 16, 64 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(vt_set("frames", "%d", sizes[i]), 0);
		EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SECRET), 0);
	}
	EXPECT_EQ(count_bad_everywhere(self, PAGES, SECRET), 0);
}

/* What was discarded is gone for everybody at once, from frames and disk. */
TEST_F(secrets, discard)
{
	char *other = vt_map(vt_open(O_RDONLY), 0, PAGES, PROT_READ, MAP_SHARED);
	size_t i;

	ASSERT_EQ(vt_count_bad(other, 0, 32, SECRET), 0);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_DISCARD, 0, 32, NULL), 0);
	memset(self->buffer, FILLER, 32 * VT_PAGE);
	ASSERT_EQ(pread(self->fd, self->buffer, 32 * VT_PAGE, 0), 32 * VT_PAGE);
	for (i = 0; i < 32; i++) {
		EXPECT_TRUE(vt_is_zero(other + i * VT_PAGE));
		EXPECT_TRUE(vt_is_zero(self->mem + i * VT_PAGE));
		EXPECT_TRUE(vt_is_zero(self->buffer + i * VT_PAGE));
		vt_disk_read(vt_disk(), i, self->buffer);
		EXPECT_TRUE(vt_is_zero(self->buffer));
	}
	EXPECT_EQ(vt_count_bad(self->mem + 32 * VT_PAGE, 32, PAGES - 32, SECRET), 0);
	munmap(other, PAGES * VT_PAGE);
}

/* ---- pages that cannot be read ---- */

#define BAD	20	/* four of them */

static bool untouched(const char *buffer, size_t bytes)
{
	while (bytes)
		if (buffer[--bytes] != (char)FILLER)
			return false;
	return true;
}

/* No way to read what should be in that frame returns a byte. */
static void expect_nothing(struct __test_metadata *_metadata, struct _test_data_secrets *self,
			   size_t page)
{
	char *at = self->mem + page * VT_PAGE, *private, *byte = self->buffer;
	struct iovec local = { byte, VT_PAGE }, remote = { at, VT_PAGE };
	int ends[2], memory = open("/proc/self/mem", O_RDONLY);

	ASSERT_EQ(pipe(ends), 0);
	private = vt_map(self->fd, page, 1, VT_RW, MAP_PRIVATE);
	memset(byte, FILLER, VT_PAGE);
	EXPECT_EQ(vt_try_read(at, NULL), SIGBUS);
	EXPECT_EQ(vt_try_write(at, NULL), SIGBUS);
	EXPECT_EQ(vt_try_read(private, NULL), SIGBUS);
	EXPECT_EQ(vt_try_write(private, NULL), SIGBUS);
	EXPECT_EQ(pread(self->fd, byte, VT_PAGE, page * VT_PAGE), -1);
	EXPECT_EQ(errno, EIO);
	EXPECT_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), -1);
	EXPECT_EQ(pread(memory, byte, VT_PAGE, (uintptr_t)at), -1);
	EXPECT_EQ(write(ends[1], at, VT_PAGE), -1);
	EXPECT_EQ(vmsplice(ends[1], &remote, 1, 0), -1);
	EXPECT_TRUE(untouched(byte, VT_PAGE));
	/* Half a write needs the other half. */
	EXPECT_EQ(pwrite(self->fd, byte, VT_PAGE / 2, page * VT_PAGE), -1);
	EXPECT_EQ(vt_try_read(at, NULL), SIGBUS);
	munmap(private, VT_PAGE);
	close(memory);
	close(ends[0]);
	close(ends[1]);
}

/* The disk fails in the middle of what is read at once. */
TEST_F(secrets, read_error)
{
	char table[512];
	size_t i;

	snprintf(table, sizeof(table), "0 %d linear %s 0\n%d 32 error\n%d %d linear %s %d",
		 BAD * 8, vt_disk2(), BAD * 8, BAD * 8 + 32, (PAGES - BAD - 4) * 8, vt_disk2(),
		 BAD * 8 + 32);
	bind_table(self, table);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_PREFETCH, 0, FRAMES / 2, NULL), 0);
	for (i = 0; i < 4; i++)
		expect_nothing(_metadata, self, BAD + i);
	EXPECT_EQ(vt_count_bad(self->mem, 0, BAD, OTHER), 0);
	EXPECT_EQ(vt_count_bad(self->mem + (BAD + 4) * VT_PAGE, BAD + 4, PAGES - BAD - 4, OTHER),
		  0);
	/* A page written as a whole needs no reading, and ends nowhere but in its frame. */
	vt_fill(self->buffer, BAD, OTHER + 1);
	ASSERT_EQ(pwrite(self->fd, self->buffer, VT_PAGE, BAD * VT_PAGE), VT_PAGE);
	EXPECT_EQ(vt_check(self->mem + BAD * VT_PAGE, BAD, OTHER + 1), -1);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_DISCARD, BAD, 1, NULL), -EIO);
	expect_nothing(_metadata, self, BAD);
}

/* A disk that has become smaller than it was when it was bound. */
TEST_F(secrets, shrunken_disk)
{
	char table[256];
	size_t i;

	snprintf(table, sizeof(table), "0 %d linear %s 0", PAGES * 8, vt_disk2());
	bind_table(self, table);
	dm_reload(DM, "0 %d linear %s 0", BAD * 8, vt_disk2());
	for (i = BAD; i < PAGES; i += 40)
		expect_nothing(_metadata, self, i);
	EXPECT_EQ(vt_count_bad(self->mem, 0, BAD, OTHER), 0);
}

/* The source of a write ends in the middle of a page: the rest is what the disk has. */
TEST_F(secrets, write_cut_short)
{
	struct iovec parts[2] = { { self->buffer, 100 }, { (void *)8, VT_PAGE - 100 } };
	size_t page;

	leave(self);
	ASSERT_EQ(vt_set("backing", "none"), 0);
	ASSERT_EQ(vt_set("backing", "%s", vt_disk2()), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	for (page = 0; page < PAGES; page++) {
		vt_fill(self->buffer, page, OTHER);
		EXPECT_LE(pwritev(self->fd, parts, 2, page * VT_PAGE), 100);
		EXPECT_EQ(vt_check(self->mem + page * VT_PAGE, page, OTHER), -1);
	}
}

/* ---- sparse spaces ---- */

static int make_space(int dev)
{
	struct vmdemo_space_args args = { .size = PAGES * VT_PAGE };
	int fd = ioctl(dev, VMDEMO_IOC_SPACE, &args);

	if (fd < 0)
		vt_fail("no space: %s", strerror(errno));
	return fd;
}

/* Give the device a disk to swap to. */
static void bind_swap(struct _test_data_secrets *self, const char *disk)
{
	leave(self);
	if (vt_set("swap", "none") || vt_set("swap", "%s", disk))
		vt_fail("%s cannot be swapped to", disk);
	use(self);
}

/* A device of @sectors sectors to swap to, on the second disk. */
static void swap_to_table(struct _test_data_secrets *self, int sectors)
{
	if (!dm_has("linear"))
		vt_skip("there is no device mapper");
	dm_create(DM, 0, "0 %d linear %s 0", sectors, vt_disk2());
	bind_swap(self, DM_PATH(DM));
}

static size_t count_nonzero(const char *pages, size_t nr)
{
	size_t i, bad = 0;

	for (i = 0; i < nr; i++)
		bad += !vt_is_zero(pages + i * VT_PAGE);
	return bad;
}

/* The same in every way that there is to read a space that is zeros, one way after the other. */
static size_t count_nonzero_everywhere(struct _test_data_secrets *self, int fd)
{
	char *shared = vt_map(fd, 0, PAGES, PROT_READ, MAP_SHARED);
	char *private = vt_map(fd, 0, PAGES, VT_RW, MAP_PRIVATE);
	size_t i, bad;

	memset(self->buffer, FILLER, PAGES * VT_PAGE);
	if (pread(fd, self->buffer, PAGES * VT_PAGE, 0) != (ssize_t)(PAGES * VT_PAGE))
		return PAGES;
	bad = count_nonzero(self->buffer, PAGES) + count_nonzero(shared, PAGES);
	if (!read_by_vm_readv(self, shared, PAGES))
		return PAGES;
	bad += count_nonzero(self->buffer, PAGES);
	/* A copy is made of what was in the frame, before its first byte is stored. */
	for (i = 0; i < PAGES; i++)
		private[i * VT_PAGE] = 0;
	bad += count_nonzero(private, PAGES);
	munmap(shared, PAGES * VT_PAGE);
	munmap(private, PAGES * VT_PAGE);
	return bad;
}

/* One store to each page: what else is in the frame is zeros. Then see it come back from swap. */
static size_t count_nonzero_beside_a_store(int fd)
{
	char *mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	size_t i, bad = 0;
	int round;

	for (i = 0; i < PAGES; i++)
		mem[i * VT_PAGE + i] = 1;
	for (round = 0; round < 2; round++)
		for (i = 0; i < PAGES; i++) {
			bad += mem[i * VT_PAGE + i] != 1;
			mem[i * VT_PAGE + i] = 0;
			bad += !vt_is_zero(mem + i * VT_PAGE);
			mem[i * VT_PAGE + i] = 1;
		}
	munmap(mem, PAGES * VT_PAGE);
	return bad;
}

/* A new space is zeros, whatever the frames and the swap device hold. */
TEST_F(secrets, new_space)
{
	int way, fd;

	bind_swap(self, vt_disk2());
	for (way = 0; way < 2; way++) {
		/* Now the frames have the secret again. */
		ASSERT_EQ(vt_count_bad(self->mem, 0, FRAMES, SECRET), 0);
		ASSERT_EQ(vt_stat("frames_free"), 0);
		fd = make_space(self->fd);
		EXPECT_EQ(way ? count_nonzero_beside_a_store(fd) :
				count_nonzero_everywhere(self, fd), 0);
		close(fd);
	}
	EXPECT_EQ(vt_count_bad(self->mem, 0, PAGES, SECRET), 0);
}

/* A write that ends in the middle of a page, and one whose source ends there. */
TEST_F(secrets, new_space_by_write)
{
	struct iovec parts[2] = { { self->buffer, 100 }, { (void *)8, VT_PAGE - 100 } };
	char page[VT_PAGE];
	size_t i;
	int fd;

	bind_swap(self, vt_disk2());
	fd = make_space(self->fd);
	for (i = 0; i < PAGES; i++) {
		EXPECT_LE(pwritev(fd, parts, 2, i * VT_PAGE), 100);
		ASSERT_EQ(pread(fd, page, VT_PAGE, i * VT_PAGE), VT_PAGE);
		EXPECT_TRUE(vt_is_zero(page));
	}
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(pwrite(fd, self->buffer, 100, i * VT_PAGE + 50), 100);
		ASSERT_EQ(pread(fd, page, VT_PAGE, i * VT_PAGE), VT_PAGE);
		EXPECT_TRUE(vt_is_zero(page));
	}
	close(fd);
}

/* Write a space full of something, and have it all on the swap device. */
static int full_space(int dev, __u64 seed)
{
	int fd = make_space(dev);
	char *mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	size_t i;

	for (i = 0; i < PAGES; i++)
		vt_fill(mem + i * VT_PAGE, i, seed);
	munmap(mem, PAGES * VT_PAGE);
	if (vt_range(fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL) || !vt_page(fd, PAGES - 1).slot)
		vt_fail("the space does not go out");
	return fd;
}

#define DISK_PAGES(n)	((n) * 8)	/* in sectors */

/* Slots that one space gave back and another got, or the next user of the swap device. */
TEST_F(secrets, used_slots)
{
	int fd, way;

	/* As many slots as a space has pages: the second gets those of the first. */
	swap_to_table(self, DISK_PAGES(PAGES + 1));
	ASSERT_EQ(vt_get("swap_slots"), PAGES);
	for (way = 0; way < 4; way++) {
		close(full_space(self->fd, OTHER + 1));
		if (way & 2)
			bind_swap(self, DM_PATH(DM));
		ASSERT_TRUE(vt_wait_stat("swap_free", PAGES, PAGES, 20));
		fd = make_space(self->fd);
		EXPECT_EQ(way & 1 ? count_nonzero_beside_a_store(fd) :
				    count_nonzero_everywhere(self, fd), 0);
		close(fd);
	}
	/* Nor within one space, of pages that were punched. */
	fd = full_space(self->fd, OTHER + 1);
	ASSERT_EQ(vt_range(fd, VMDEMO_IOC_DISCARD, 0, PAGES, NULL), 0);
	EXPECT_EQ(count_nonzero_everywhere(self, fd), 0);
	EXPECT_EQ(count_nonzero_beside_a_store(fd), 0);
	close(fd);
}

/* A slot that cannot be read shows nothing, also not of what its frame held. */
TEST_F(secrets, unreadable_slot)
{
	int fd, was;
	size_t i;

	swap_to_table(self, DISK_PAGES(2 * PAGES));
	was = self->fd;
	fd = full_space(self->fd, OTHER + 1);
	ASSERT_EQ(vt_count_bad(self->mem, 0, FRAMES, SECRET), 0);
	dm_reload(DM, "0 %d error", DISK_PAGES(2 * PAGES));
	munmap(self->mem, PAGES * VT_PAGE);
	self->fd = fd;
	self->mem = vt_map(fd, 0, PAGES, VT_RW, MAP_SHARED);
	for (i = 0; i < PAGES; i += 40)
		expect_nothing(_metadata, self, i);
	close(was);
}

/* ---- the end of the disk is not the end of a page ---- */

static bool zero_from(const char *page, size_t from)
{
	while (from < VT_PAGE)
		if (page[from++])
			return false;
	return true;
}

TEST_F(secrets, last_page_is_short)
{
	const size_t last = PAGES - 1, inside = 3 * 512;
	char table[256], right[VT_PAGE], *page;
	struct iovec local = { self->buffer, VT_PAGE }, remote;

	snprintf(table, sizeof(table), "0 %zu linear %s 0", last * 8 + 3, vt_disk2());
	bind_table(self, table);
	page = self->mem + last * VT_PAGE;
	vt_fill(right, last, OTHER);
	EXPECT_EQ(memcmp(page, right, inside), 0);
	EXPECT_TRUE(zero_from(page, inside));
	memset(self->buffer, FILLER, VT_PAGE);
	EXPECT_EQ(pread(self->fd, self->buffer, VT_PAGE, last * VT_PAGE), inside);
	EXPECT_EQ(memcmp(self->buffer, right, inside), 0);
	EXPECT_TRUE(untouched(self->buffer + inside, VT_PAGE - inside));
	remote = (struct iovec){ page, VT_PAGE };
	ASSERT_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), VT_PAGE);
	EXPECT_TRUE(zero_from(self->buffer, inside));
	/* What is stored beyond the end goes nowhere, and does not come back. */
	memset(page + inside, FILLER, VT_PAGE - inside);
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, last, 1, NULL), 0);
	EXPECT_EQ(vt_count_bad(self->mem, 0, last, OTHER), 0);
	EXPECT_EQ(memcmp(page, right, inside), 0);
	EXPECT_TRUE(zero_from(page, inside));
	EXPECT_TRUE(vt_disk_check(vt_disk2(), last, 1, OTHER));
	/* Written as far as it goes it is not read: the rest of its frame is zero all the same. */
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL), 0);
	ASSERT_EQ(vt_count_bad(self->mem, 0, FRAMES, OTHER), 0);
	ASSERT_EQ(pwrite(self->fd, right, VT_PAGE, last * VT_PAGE), inside);
	EXPECT_EQ(memcmp(page, right, inside), 0);
	EXPECT_TRUE(zero_from(page, inside));
}

/* ---- private copies, and core files ---- */

/* What a process stores to its private copy nobody else sees, nor the disk. */
TEST_F(secrets, private_copies)
{
	char *private = vt_map(self->fd, 0, PAGES, VT_RW, MAP_PRIVATE);
	size_t i;
	pid_t pid;

	for (i = 0; i < PAGES; i++)
		vt_fill(private + i * VT_PAGE, i, OTHER + 1);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		int fd = vt_open(O_RDONLY);
		char *shared = vt_map(fd, 0, PAGES, PROT_READ, MAP_SHARED);
		char *own = vt_map(fd, 0, PAGES, VT_RW, MAP_PRIVATE);

		_exit(vt_count_bad(shared, 0, PAGES, SECRET) ||
		      vt_count_bad(own, 0, PAGES, SECRET));
	}
	EXPECT_EQ(vt_reap(pid), 0);
	munmap(private, PAGES * VT_PAGE);
	EXPECT_EQ(count_bad_everywhere(self, PAGES, SECRET), 0);
	ASSERT_EQ(fsync(self->fd), 0);
	EXPECT_TRUE(vt_disk_check(vt_disk(), 0, PAGES, SECRET));
}

#define PATTERN	"/proc/sys/kernel/core_pattern"
#define CORE	"/tmp/vmdemo-secrets-core"

/* Where the core file has what was at an address; -1: it has it not. */
static off_t find_in_core(int core, uintptr_t address)
{
	struct elf64_hdr head;
	struct elf64_phdr part;
	int i;

	if (pread(core, &head, sizeof(head), 0) != sizeof(head))
		return -1;
	for (i = 0; i < head.e_phnum; i++) {
		if (pread(core, &part, sizeof(part), head.e_phoff + i * sizeof(part)) !=
		    sizeof(part))
			return -1;
		if (part.p_type == PT_LOAD && address >= part.p_vaddr &&
		    address < part.p_vaddr + part.p_filesz)
			return part.p_offset + address - part.p_vaddr;
	}
	return -1;
}

/* A process that has one page it cannot read, and one it has a copy of, dumps core. */
static void dump_core(struct _test_data_secrets *self)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char *private = vt_map(self->fd, 0, 64, VT_RW, MAP_PRIVATE);
	int fd = open("/proc/self/coredump_filter", O_WRONLY);

	setrlimit(RLIMIT_CORE, &unlimited);
	prctl(PR_SET_DUMPABLE, 1);
	if (fd < 0 || write(fd, "0xf", 3) != 3)
		_exit(1);
	vt_fill(private, 0, OTHER + 1);
	*(void **)self->buffer = private;
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* The core of a process that maps the device has the right bytes, or zeros where there are none. */
TEST_F(secrets, core_dump)
{
	char table[512], before[256] = "", page[VT_PAGE];
	int core, pattern = open(PATTERN, O_RDWR), status;
	char *shared, *private;
	size_t i, wrong = 0;
	pid_t pid;

	if (pattern < 0 || read(pattern, before, sizeof(before) - 1) < 0)
		SKIP(return, "this kernel dumps no core");
	snprintf(table, sizeof(table), "0 %d linear %s 0\n%d 32 error\n%d %d linear %s %d",
		 BAD * 8, vt_disk2(), BAD * 8, BAD * 8 + 32, (PAGES - BAD - 4) * 8, vt_disk2(),
		 BAD * 8 + 32);
	bind_table(self, table);
	munmap(self->buffer, PAGES * VT_PAGE);
	self->buffer = mmap(NULL, PAGES * VT_PAGE, VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->buffer, MAP_FAILED);
	ASSERT_GT(pwrite(pattern, CORE, strlen(CORE), 0), 0);
	unlink(CORE);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		dump_core(self);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_GT(pwrite(pattern, before, strlen(before), 0), 0);
	close(pattern);
	EXPECT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status));

	shared = self->mem;
	private = *(char **)self->buffer;
	core = open(CORE, O_RDONLY);
	ASSERT_GE(core, 0);
	unlink(CORE);
	ASSERT_GE(find_in_core(core, (uintptr_t)shared), 0);
	ASSERT_GE(find_in_core(core, (uintptr_t)private), 0);
	for (i = 0; i < PAGES; i++) {
		off_t at = find_in_core(core, (uintptr_t)shared + i * VT_PAGE);
		bool bad = i >= BAD && i < BAD + 4;

		ASSERT_EQ(pread(core, page, VT_PAGE, at), VT_PAGE);
		wrong += bad ? !vt_is_zero(page) : vt_check(page, i, OTHER) >= 0;
	}
	EXPECT_EQ(wrong, 0);
	ASSERT_EQ(pread(core, page, VT_PAGE, find_in_core(core, (uintptr_t)private)), VT_PAGE);
	EXPECT_EQ(vt_check(page, 0, OTHER + 1), -1);
	close(core);
}

TEST_HARNESS_MAIN
