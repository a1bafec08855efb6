// SPDX-License-Identifier: GPL-2.0
/*
 * order.c - which page goes
 *
 * Small pools keep the exact order of use under lru, and the order of arrival under fifo; under
 * clock, too, but each use of what is not the newest page is known, and gives it a second chance.
 * Which pages are resident is asked with PAGEMAP, which must not count as a use.
 */
#include "kselftest_harness.h"
#include "vmdemo_test.h"

#define FRAMES	16
#define PAGES	48
#define SEED	4

FIXTURE(order) {
	int fd;
	char *mem;
};

FIXTURE_VARIANT(order) {
	const char *policy;
	bool by_read;	/* use pages by read() instead of through the mapping */
};

FIXTURE_VARIANT_ADD(order, lru) { .policy = "lru" };
FIXTURE_VARIANT_ADD(order, fifo) { .policy = "fifo" };
FIXTURE_VARIANT_ADD(order, clock) { .policy = "clock" };
FIXTURE_VARIANT_ADD(order, lru_by_read) { .policy = "lru", .by_read = true };
FIXTURE_VARIANT_ADD(order, fifo_by_read) { .policy = "fifo", .by_read = true };
FIXTURE_VARIANT_ADD(order, clock_by_read) { .policy = "clock", .by_read = true };

FIXTURE_SETUP(order)
{
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_start(FRAMES);
	ASSERT_EQ(vt_set("policy", "%s", variant->policy), 0);
	ASSERT_EQ(vt_get("reserve"), 0);
	self->fd = vt_open(O_RDWR);
	self->mem = vt_map(self->fd, 0, PAGES, VT_RW, MAP_SHARED);
}

FIXTURE_TEARDOWN(order)
{
	munmap(self->mem, PAGES * VT_PAGE);
	close(self->fd);
}

/* Use one page, checking the word in its middle. */
static bool use(int fd, const char *mem, int page, bool by_read)
{
	char expected[VT_PAGE];
	__u64 word;

	vt_fill(expected, page, SEED);
	if (!by_read)
		word = __atomic_load_n((__u64 *)(mem + page * VT_PAGE + 2048), __ATOMIC_RELAXED);
	else if (pread(fd, &word, sizeof(word), page * VT_PAGE + 2048) != sizeof(word))
		return false;
	return !memcmp(&word, expected + 2048, sizeof(word));
}

/* Pages 0..N-1, page 0 again, page N: lru and clock give up page 1, fifo page 0. */
TEST_F(order, textbook_example)
{
	bool uses_count = strcmp(variant->policy, "fifo");
	int i;

	for (i = 0; i < FRAMES; i++)
		ASSERT_TRUE(use(self->fd, self->mem, i, variant->by_read));
	EXPECT_EQ(vt_count_resident(self->fd, 0, FRAMES), FRAMES);
	ASSERT_TRUE(use(self->fd, self->mem, 0, variant->by_read));
	ASSERT_TRUE(use(self->fd, self->mem, FRAMES, variant->by_read));
	EXPECT_EQ(vt_resident(self->fd, 0), uses_count);
	EXPECT_EQ(vt_resident(self->fd, 1), !uses_count);
	EXPECT_EQ(vt_count_resident(self->fd, 0, PAGES), FRAMES);
	EXPECT_EQ(vt_stat("pages_in"), FRAMES + 1);
	EXPECT_TRUE(vt_balanced());
}

/*
 * A list of pages, newest first: the definition of the policies. Through a mapping, they learn of
 * a use by its fault; every miss unmaps all other pages, so that their next use is a fault.
 */
struct model {
	struct {
		int page;
		bool mapped;
		bool used;	/* of clock: since it came, or was passed over */
	} list[FRAMES];
	int n;
};

/* Make what is in place @i the newest. */
static void model_renew(struct model *model, int i)
{
	__typeof__(model->list[0]) renewed = model->list[i];

	memmove(model->list + 1, model->list, i * sizeof(model->list[0]));
	model->list[0] = renewed;
}

/* Use a page; true if it was resident. */
static bool model_use(struct model *model, int page, const char *policy, bool by_read)
{
	bool lru = !strcmp(policy, "lru"), clock = !strcmp(policy, "clock");
	int i, passed;
	bool hit;

	for (i = 0; i < model->n && model->list[i].page != page; i++)
		;
	hit = i < model->n;
	if (hit && clock && i)
		model->list[i].used = true;
	if (hit && (!lru || (model->list[i].mapped && !by_read)))
		return true;
	for (passed = 0; !hit && i == FRAMES && model->list[FRAMES - 1].used; passed++) {
		model->list[FRAMES - 1].used = false;
		model_renew(model, FRAMES - 1);
	}
	/* The newest is not on standby: if all others were passed over the first of them goes. */
	if (!hit && i == FRAMES)
		i -= passed == FRAMES - 1 ? 2 : 1;
	else if (!hit)
		model->n++;
	model_renew(model, i);
	model->list[0].page = page;
	model->list[0].mapped = true;
	model->list[0].used = false;
	for (i = 1; !hit && i < model->n; i++)
		model->list[i].mapped = false;
	return hit;
}

/* After every use in a long random run exactly those pages are resident that the model names. */
TEST_F(order, follows_the_model)
{
	bool resident;
	struct model model = { .n = 0 };
	struct vmdemo_page map[PAGES];
	__u64 state = 5, misses = 0;
	int round, page, i, j;

	for (round = 0; round < 1500; round++) {
		/* Half of the uses go to a third of the pages. */
		page = vt_random(&state) % (vt_random(&state) % 2 ? PAGES / 3 : PAGES);
		misses += !model_use(&model, page, variant->policy, variant->by_read);
		ASSERT_TRUE(use(self->fd, self->mem, page, variant->by_read));
		ASSERT_EQ(vt_pagemap(self->fd, 0, PAGES, map), 0);
		for (i = 0; i < PAGES; i++) {
			for (j = 0; j < model.n && model.list[j].page != i; j++)
				;
			resident = map[i].frame != VMDEMO_NO_FRAME;
			ASSERT_EQ(resident, j < model.n) {
				TH_LOG("round %d, use of page %d: page %d", round, page, i);
			}
		}
	}
	EXPECT_EQ(vt_stat("pages_in"), misses);
	EXPECT_EQ(vt_stat("evictions_clean"), misses - FRAMES);
	EXPECT_EQ(vt_stat("evictions_dirty"), 0);
}

/* All pages but the newest were used again: under lru that one goes, otherwise the first. */
TEST_F(order, all_but_the_newest_used_again)
{
	bool lru = !strcmp(variant->policy, "lru");
	int i;

	for (i = 0; i < FRAMES; i++)
		ASSERT_TRUE(use(self->fd, self->mem, i, variant->by_read));
	for (i = 0; i < FRAMES - 1; i++)
		ASSERT_TRUE(use(self->fd, self->mem, i, variant->by_read));
	ASSERT_TRUE(use(self->fd, self->mem, FRAMES, variant->by_read));
	EXPECT_EQ(vt_resident(self->fd, 0), lru);
	EXPECT_EQ(vt_resident(self->fd, FRAMES - 1), !lru);
	EXPECT_EQ(vt_count_resident(self->fd, 0, PAGES), FRAMES);
}

/* Of any two pages the one used last stays longer, also if they are the newest. */
TEST_F(order, newest_two)
{
	bool uses_count = strcmp(variant->policy, "fifo");
	int i;

	for (i = 0; i < FRAMES; i++)
		ASSERT_TRUE(use(self->fd, self->mem, i, variant->by_read));
	ASSERT_TRUE(use(self->fd, self->mem, FRAMES - 2, variant->by_read));
	for (i = FRAMES; i < 2 * FRAMES - 1; i++)
		ASSERT_TRUE(use(self->fd, self->mem, i, variant->by_read));
	EXPECT_EQ(vt_resident(self->fd, FRAMES - 2), uses_count);
	EXPECT_EQ(vt_resident(self->fd, FRAMES - 1), !uses_count);
}

/* Stores count as uses as loads do, and dirty pages leave in the same order. */
TEST_F(order, stores_count_as_uses)
{
	bool uses_count = strcmp(variant->policy, "fifo");
	int i;

	if (variant->by_read)
		SKIP(return, "the mapping's variant covers it");
	for (i = 0; i < FRAMES; i++)
		self->mem[i * VT_PAGE] = i;
	self->mem[0]++;
	for (i = FRAMES; i < FRAMES + 3; i++)
		self->mem[i * VT_PAGE] = i;
	EXPECT_EQ(vt_resident(self->fd, 0), uses_count);
	EXPECT_FALSE(vt_resident(self->fd, 1));
	EXPECT_FALSE(vt_resident(self->fd, 2));
	EXPECT_EQ(vt_resident(self->fd, 3), !uses_count);
	EXPECT_TRUE(vt_resident(self->fd, 4));
}

/* A page that was evicted by command is forgotten: the frame it leaves is used first. */
TEST_F(order, forgets_evicted_pages)
{
	int i;

	for (i = 0; i < FRAMES; i++)
		ASSERT_TRUE(use(self->fd, self->mem, i, variant->by_read));
	ASSERT_EQ(vt_range(self->fd, VMDEMO_IOC_EVICT, 5, 1, NULL), 0);
	ASSERT_TRUE(use(self->fd, self->mem, FRAMES, variant->by_read));
	for (i = 0; i <= FRAMES; i++)
		EXPECT_EQ(vt_resident(self->fd, i), i != 5);
	ASSERT_TRUE(use(self->fd, self->mem, FRAMES + 1, variant->by_read));
	EXPECT_FALSE(vt_resident(self->fd, 0));
}

/* The policy that is set already goes on as if nothing had been set. */
TEST_F(order, set_again)
{
	bool standby = strcmp(variant->policy, "fifo");
	int i;

	for (i = 0; i <= FRAMES; i++)
		ASSERT_TRUE(use(self->fd, self->mem, i, variant->by_read));
	EXPECT_EQ(vt_stat("frames_standby") > 0, standby);
	i = vt_stat("frames_standby");
	ASSERT_EQ(vt_set("policy", "%s", variant->policy), 0);
	EXPECT_EQ(vt_stat("frames_standby"), i);
}

/* A policy that is switched live takes over the order it finds, and goes on in its own way. */
TEST_F(order, switched_live)
{
	bool was_lru = !strcmp(variant->policy, "lru");
	int oldest = was_lru ? 1 : 0, i;

	for (i = 0; i < FRAMES; i++)
		ASSERT_TRUE(use(self->fd, self->mem, i, variant->by_read));
	ASSERT_TRUE(use(self->fd, self->mem, 0, variant->by_read));
	ASSERT_EQ(vt_set("policy", "%s", was_lru ? "fifo" : "lru"), 0);
	EXPECT_TRUE(vt_policy_is(was_lru ? "fifo" : "lru"));
	EXPECT_EQ(vt_count_resident(self->fd, 0, PAGES), FRAMES);
	ASSERT_TRUE(use(self->fd, self->mem, FRAMES, variant->by_read));
	EXPECT_FALSE(vt_resident(self->fd, oldest));
	/* From the first miss on, a use of the oldest page saves it under lru alone. */
	ASSERT_TRUE(use(self->fd, self->mem, oldest + 1, variant->by_read));
	ASSERT_TRUE(use(self->fd, self->mem, FRAMES + 1, variant->by_read));
	EXPECT_EQ(vt_resident(self->fd, oldest + 1), !was_lru);
	EXPECT_EQ(vt_resident(self->fd, oldest + 2), was_lru);
	EXPECT_EQ(vt_count_resident(self->fd, 0, PAGES), FRAMES);
}

TEST_HARNESS_MAIN
