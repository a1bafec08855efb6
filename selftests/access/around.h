/* SPDX-License-Identifier: GPL-2.0 */
/*
 * around.h - mappings whose page tables are looked at, and what the tests of fault-around begin
 * with
 *
 * Included after kselftest_harness.h, once by each program.
 */
#ifndef VMDEMO_AROUND_H
#define VMDEMO_AROUND_H

#include <sys/resource.h>

#include "vmdemo_test.h"

#define FRAMES	1024
#define SEED	20

/* Pages that one page table maps; all of them fit the pool beside much else. */
#define TABLE	512
#define PAGES	TABLE

/* Write pages one after the other; the mapping starts at page 'first'. */
static inline void write_all(char *map, size_t first, size_t pages, __u64 seed)
{
	size_t i;

	for (i = 0; i < pages; i++)
		vt_fill(map + i * VT_PAGE, first + i, seed);
}

/* Drop the page table entries of a shared mapping; the pages stay. */
static inline void drop(char *map, size_t pages)
{
	if (madvise(map, pages * VT_PAGE, MADV_DONTNEED))
		vt_fail("MADV_DONTNEED: %s", strerror(errno));
}

/* Bring pages into frames through another open file: none is mapped, no sequence begins. */
static inline void fetch(size_t first, size_t pages)
{
	char page[VT_PAGE];
	int fd = vt_open(O_RDONLY);
	size_t i;

	if (posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM))
		vt_fail("POSIX_FADV_RANDOM is refused");
	for (i = first; i < first + pages; i++)
		if (pread(fd, page, VT_PAGE, i * VT_PAGE) != (ssize_t)VT_PAGE)
			vt_fail("page %zu: %s", i, strerror(errno));
	close(fd);
}

/* Soft faults after which a pool is calm; and the pages that one of them maps then at most. */
#define CALM	64
#define NEAR	(65536 / VT_PAGE ?: 1)

/* A page comes in, for a pool in which pages come and go is not calm. */
static inline void stir(int fd)
{
	if (vt_range(fd, VMDEMO_IOC_EVICT, 2 * PAGES - 1, 1, NULL))
		vt_fail("EVICT: %s", strerror(errno));
	fetch(2 * PAGES - 1, 1);
}

/* A mapping whose first page has entry 'slot' of a page table; nothing else is near it. */
static inline char *map_at(size_t slot, int fd, size_t first, size_t pages, int prot, int flags)
{
	size_t table = TABLE * VT_PAGE;
	char *area = mmap(NULL, slot * VT_PAGE + pages * VT_PAGE + 3 * table, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *place, *map;

	if (area == MAP_FAILED)
		vt_fail("no room for a mapping of %zu pages", pages);
	place = area + table - (uintptr_t)area % table + slot * VT_PAGE;
	map = mmap(place, pages * VT_PAGE, prot, flags | MAP_FIXED, fd, first * VT_PAGE);
	if (map != place)
		vt_fail("mmap of %zu pages from %zu: %s", pages, first, strerror(errno));
	return map;
}

/* How many pages from 'map' on have a page table entry. */
static inline size_t count_mapped(const char *map, size_t pages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t i, n = 0;
	__u64 entry;

	if (fd < 0)
		vt_skip("no /proc/self/pagemap");
	for (i = 0; i < pages; i++) {
		if (pread(fd, &entry, sizeof(entry), ((uintptr_t)map / VT_PAGE + i) * 8) != 8)
			vt_fail("/proc/self/pagemap: %s", strerror(errno));
		n += entry >> 63;
	}
	close(fd);
	return n;
}

static inline long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* 512 pages in frames, and a page table for them without any entry. Nothing is written by age. */
FIXTURE(around) {
	int fd;
	char *mem;
};

FIXTURE_SETUP(around)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, 2 * PAGES, SEED);
	vt_load("backing=%s frames=%u", vt_disk(), FRAMES);
	ASSERT_EQ(vt_set("dirty_age_ms", "0"), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = map_at(0, self->fd, 0, PAGES, VT_RW, MAP_SHARED);
	fetch(0, PAGES);
	ASSERT_EQ(vt_count_resident(self->fd, 0, PAGES), PAGES);
}

FIXTURE_TEARDOWN(around)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

#endif /* VMDEMO_AROUND_H */
