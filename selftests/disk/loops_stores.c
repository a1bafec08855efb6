// SPDX-License-Identifier: GPL-2.0
/*
 * loops_stores.c - stores that are known to all, so that none can be lost unseen; see loops.h
 */
#include "loops.h"

struct shared *shared;

__u64 seed_of(int disk)
{
	return disk ? SEED2 : SEED;
}

/* Undo all stores in a copy of a page; false: one is missing. */
static bool take_stores_out(__u64 *copy, size_t page, int disk)
{
	__u64 first[VT_PAGE / sizeof(__u64)];
	bool right = true;
	int i;

	vt_fill(first, page, seed_of(disk));
	for (i = 0; i < STORERS; i++) {
		struct known *known = &shared->known[disk][i];
		__u64 value = copy[WORD(i)];

		right &= value == (known->stored[page] ?: first[WORD(i)]) ||
			 (known->trying[page] && value == known->trying[page]);
		copy[WORD(i)] = first[WORD(i)];
	}
	return right;
}

size_t count_wrong(const char *pages, int disk)
{
	char copy[VT_PAGE];
	size_t i, wrong = 0;

	for (i = 0; i < PAGES; i++) {
		bool stores;

		memcpy(copy, pages + i * VT_PAGE, VT_PAGE);
		stores = take_stores_out((__u64 *)copy, i, disk);
		if ((!stores || vt_check(copy, i, seed_of(disk)) >= 0) && !wrong++)
			printf("# disk %d, page %zu: %s\n", disk, i,
			       stores ? "not its own" : "a store is missing");
	}
	return wrong;
}

size_t wrong_on_disk(const char *path, int disk)
{
	char *pages = vt_buffer(PAGES);
	size_t i, wrong;

	for (i = 0; i < PAGES; i++)
		vt_disk_read(path, i, pages + i * VT_PAGE);
	wrong = count_wrong(pages, disk);
	munmap(pages, PAGES * VT_PAGE);
	return wrong;
}

void wrong(const char *what, size_t page)
{
	if (!__atomic_fetch_add(&shared->wrong, 1, __ATOMIC_SEQ_CST)) {
		printf("# %s (page %zu)\n", what, page);
		fflush(stdout);
	}
}

/* What the storer finds in its word of a page: it was killed before or after its latest store. */
static void find_own(int disk, int storer, size_t page, __u64 value)
{
	struct known *known = &shared->known[disk][storer];
	__u64 first[VT_PAGE / sizeof(__u64)];

	vt_fill(first, page, seed_of(disk));
	if (known->trying[page] && value == known->trying[page])
		known->stored[page] = value;
	else if (value != (known->stored[page] ?: first[WORD(storer)]))
		wrong("a store was lost", page);
}

void store_own(char *mem, int fd, int disk, int storer, size_t page, __u64 value)
{
	struct known *known = &shared->known[disk][storer];
	__u64 *word = (__u64 *)(mem + page * VT_PAGE) + WORD(storer);

	value |= 1;
	find_own(disk, storer, page, __atomic_load_n(word, __ATOMIC_RELAXED));
	__atomic_store_n(&known->trying[page], value, __ATOMIC_SEQ_CST);
	if (fd < 0)
		__atomic_store_n(word, value, __ATOMIC_RELAXED);
	else if (pwrite(fd, &value, sizeof(value), (char *)word - mem) != sizeof(value))
		wrong("pwrite failed", page);
	__atomic_store_n(&known->stored[page], value, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&shared->stores, 1, __ATOMIC_RELAXED);
}
