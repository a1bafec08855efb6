// SPDX-License-Identifier: GPL-2.0
/*
 * replay.c - a trace of references run through a policy, as the module would see it
 *
 * This does what the module does, one access at a time and without a reserve of free frames: a
 * resident, mapped page is a hit nobody sees; a resident, unmapped one a soft fault that costs one
 * credit; anything else is a hard fault, which earns credit, demotes what is due and evicts one
 * frame if none is free. Mapped frames are unmapped by aligned ranges of REPLAY_RANGE pages, and in
 * a calm pool mapped by aligned ranges of REPLAY_NEAR pages. Ghosts are the index's in the module,
 * one for each of as many buckets as there are frames.
 *
 * The policy may be somebody's first: each of its answers is checked, and the first wrong one ends
 * the run with a sentence.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

#define HELD_EVERY	16	/* evictions, in a trial: each time one frame is held, until then */

void *get_memory(size_t size)
{
	void *memory = calloc(1, size ?: 1);

	if (!memory) {
		fprintf(stderr, "There is no memory for %zu bytes.\n", size);
		exit(1);
	}
	return memory;
}

struct vmdemo_node *pool_find(const struct vmdemo_policy *policy, u32 nr)
{
	const struct pool *pool = (const struct pool *)policy;

	return nr < pool->nr_nodes ? &pool->nodes[nr] : NULL;
}

void pool_create(struct pool *pool, const struct vmdemo_policy_ops *ops, u32 nr_nodes)
{
	u32 i;

	/* What memory held before must not matter. */
	memset(pool, 0xa5, sizeof(*pool));
	pool->nodes = get_memory(nr_nodes * sizeof(*pool->nodes));
	memset(pool->nodes, 0xa5, nr_nodes * sizeof(*pool->nodes));
	for (i = 0; i < nr_nodes; i++)
		vmdemo_policy_init_node(&pool->nodes[i]);
	pool->nr_nodes = nr_nodes;
	vmdemo_policy_init(&pool->policy, ops);
	pool->policy.nr_frames = nr_nodes;
	pool->policy.limit = nr_nodes;
	pool->policy.standby_pct = 25;
	pool->policy.demote_pages = 16;
	pool->policy.find = pool_find;
}

void pool_destroy(struct pool *pool)
{
	free(pool->nodes);
}

/* The bucket of @page, of @nr. */
static u32 bucket_of(u32 page, u32 nr)
{
	return (page * 0x9e3779b97f4a7c15ULL >> 32) * nr >> 32;
}

bool ghost_recalls(const u32 *ghost, u32 nr, u32 page)
{
	return ghost[bucket_of(page, nr)] == page + 1;
}

void ghost_remember(u32 *ghost, u32 nr, u32 page, bool does)
{
	if (does)
		ghost[bucket_of(page, nr)] = page + 1;
	else if (ghost_recalls(ghost, nr, page))
		ghost[bucket_of(page, nr)] = 0;
}

void sim_create(struct sim *sim, const struct vmdemo_policy_ops *ops, u32 frames, u32 limit)
{
	u32 i;

	memset(sim, 0, sizeof(*sim));
	pool_create(&sim->pool, ops, frames);
	sim->page_of = get_memory(frames * sizeof(u32));
	sim->mapped = get_memory(frames * sizeof(bool));
	sim->frame_of = get_memory(limit * sizeof(u32));
	sim->ghost = get_memory(frames * sizeof(u32));
	for (i = 0; i < limit; i++)
		sim->frame_of[i] = VMDEMO_NONE;
	sim->free = frames;
	sim->limit = limit;
	sim->held = VMDEMO_NONE;
}

void sim_destroy(struct sim *sim)
{
	free(sim->ghost);
	free(sim->frame_of);
	free(sim->mapped);
	free(sim->page_of);
	pool_destroy(&sim->pool);
}

/* ---- are the answers right? ---- */

/* Remember the first complaint. */
static void __printf(2, 3) complain(struct sim *sim, const char *format, ...)
{
	va_list args;

	if (sim->wrong[0])
		return;
	va_start(args, format);
	vsnprintf(sim->wrong, sizeof(sim->wrong), format, args);
	va_end(args);
}

static const char *list_name(u32 list)
{
	static const char *const names[] = {
		"in no list", "new", "on standby", "active", "held", "being unmapped"
	};

	return list < VMDEMO_NR_LISTS ? names[list] : "in a list that does not exist";
}

/* Is @node, which a policy has named, that of a frame? */
static bool is_frame(const struct sim *sim, const struct vmdemo_node *node)
{
	size_t offset = (const char *)node - (const char *)sim->pool.nodes;

	return offset < sim->pool.nr_nodes * sizeof(*node) && offset % sizeof(*node) == 0;
}

/* After @function: is @frame where a victim can be found? */
static void check_placed(struct sim *sim, const char *function, u32 frame)
{
	const struct vmdemo_node *node = &sim->pool.nodes[frame];

	if (!vmdemo_policy_ordered(node))
		complain(sim, "%s() leaves frame %u %s: it belongs on first, standby or active",
			 function, frame, list_name(node->list));
}

/* Walk list @id; returns whether its links and its number of frames are right. */
static bool check_list(const struct sim *sim, u32 id)
{
	const struct vmdemo_list *list = &sim->pool.policy.lists[id];
	const struct vmdemo_node *node, *older = &list->ends;
	u32 nr = 0;

	for (node = list->ends.newer; node != &list->ends; node = node->newer) {
		if (!is_frame(sim, node) || node->list != id || node->older != older)
			return false;
		if (++nr > sim->pool.nr_nodes)
			return false;
		older = node;
	}
	return nr == list->nr && list->ends.older == older;
}

/*
 * After @function: are as many frames in the lists as have pages, but for @less? At intervals,
 * is all of the order in order?
 */
static void check_order(struct sim *sim, const char *function, u32 less)
{
	const struct vmdemo_policy *policy = &sim->pool.policy;
	u32 id, nr = 0, resident = sim->pool.nr_nodes - sim->free - less;

	for (id = VMDEMO_LIST_FIRST; id < VMDEMO_NR_LISTS; id++)
		nr += policy->lists[id].nr;
	if (policy->lists[VMDEMO_LIST_NONE].nr)
		complain(sim, "%s() removes a frame that is in no list, or removes it itself",
			 function);
	if (nr != resident)
		complain(sim, "after %s() %u frames are in lists, of %u that have a page", function,
			 nr, resident);
	/* At powers of two, so that short runs are looked at, too; then every 65,536. */
	if ((sim->references & (sim->references - 1)) && sim->references % 65536)
		return;
	for (id = VMDEMO_LIST_FIRST; id < VMDEMO_NR_LISTS && !sim->wrong[0]; id++)
		if (!check_list(sim, id))
			complain(sim, "after %s() the list of what is %s is damaged", function,
				 list_name(id));
}

/* ---- the policy is asked ---- */

static void ask_insert(struct sim *sim, u32 frame, bool refault)
{
	sim->doing = "insert";
	vmdemo_policy_insert(&sim->pool.policy, &sim->pool.nodes[frame], refault);
	sim->doing = NULL;
	check_placed(sim, "insert", frame);
	check_order(sim, "insert", 0);
}

static void ask_touch(struct sim *sim, u32 frame)
{
	sim->doing = "touch";
	vmdemo_policy_touch(&sim->pool.policy, &sim->pool.nodes[frame]);
	sim->doing = NULL;
	/* A held frame may stay so. */
	if (frame != sim->held || sim->pool.nodes[frame].list != VMDEMO_LIST_HELD)
		check_placed(sim, "touch", frame);
	check_order(sim, "touch", 0);
}

static bool ask_spare(struct sim *sim, u32 frame)
{
	bool spared;

	sim->doing = "spare";
	spared = vmdemo_policy_spare(&sim->pool.policy, &sim->pool.nodes[frame]);
	sim->doing = NULL;
	check_placed(sim, "spare", frame);
	check_order(sim, "spare", 0);
	return spared;
}

/* Returns the victim after frame @after, or NULL. */
static struct vmdemo_node *ask_victim(struct sim *sim, struct vmdemo_node *after)
{
	struct vmdemo_node *node;

	sim->doing = "victim";
	node = vmdemo_policy_victim(&sim->pool.policy, after);
	sim->doing = NULL;
	check_order(sim, "victim", 0);
	if (sim->wrong[0] || !node)
		return NULL;
	if (!is_frame(sim, node))
		complain(sim, "victim() names something that is no frame");
	else if (!vmdemo_policy_ordered(node))
		complain(sim, "victim() names frame %u, which is %s",
			 pool_frame(&sim->pool, node), list_name(node->list));
	return sim->wrong[0] ? NULL : node;
}

/* A search that has named @node goes on to its end: it comes to no frame twice. */
static void try_search(struct sim *sim, struct vmdemo_node *node)
{
	bool *named = get_memory(sim->pool.nr_nodes * sizeof(bool));

	while (node) {
		u32 frame = pool_frame(&sim->pool, node);

		if (named[frame])
			complain(sim, "victim() names frame %u twice in a search", frame);
		named[frame] = true;
		node = sim->wrong[0] ? NULL : ask_victim(sim, node);
	}
	free(named);
}

/* The first victim, or VMDEMO_NONE. In a trial one is held before, and let go the next time. */
static u32 find_victim(struct sim *sim)
{
	struct vmdemo_policy *policy = &sim->pool.policy;
	struct vmdemo_node *node = ask_victim(sim, NULL);

	if (!node) {
		complain(sim, "victim() finds none of %u frames that have a page",
			 sim->pool.nr_nodes - sim->free);
		return VMDEMO_NONE;
	}
	if (!sim->trial)
		return pool_frame(&sim->pool, node);
	try_search(sim, node);
	if (sim->evictions % HELD_EVERY || sim->wrong[0] || sim->pool.nr_nodes < 2)
		return pool_frame(&sim->pool, node);
	if (sim->held != VMDEMO_NONE && sim->pool.nodes[sim->held].list == VMDEMO_LIST_HELD)
		vmdemo_policy_release(policy, &sim->pool.nodes[sim->held]);
	sim->held = pool_frame(&sim->pool, node);
	vmdemo_policy_hold(policy, node);
	node = ask_victim(sim, NULL);
	if (!node)
		complain(sim, "victim() finds no frame beside one that is held");
	return pool_frame(&sim->pool, node);
}

/* ---- the steps of the module ---- */

/* Unmap all resident pages of the aligned range around @page; they keep their places. */
static void sim_unmap(struct sim *sim, u32 page)
{
	u32 i, frame, first = page / REPLAY_RANGE * REPLAY_RANGE;

	for (i = first; i < first + REPLAY_RANGE && i < sim->limit; i++) {
		frame = sim->frame_of[i];
		if (frame != VMDEMO_NONE)
			sim->mapped[frame] = false;
	}
	sim->unmaps++;
}

static void sim_demote(struct sim *sim)
{
	struct vmdemo_policy *policy = &sim->pool.policy;
	u32 frame;

	sim->doing = "excess";
	while (vmdemo_policy_excess(policy, sim->free)) {
		frame = pool_oldest(&sim->pool, VMDEMO_LIST_ACTIVE);
		if (frame == VMDEMO_NONE)
			break;
		if (sim->mapped[frame]) {
			if (!vmdemo_policy_affords(policy, REPLAY_RANGE))
				break;
			sim_unmap(sim, sim->page_of[frame]);
		}
		vmdemo_policy_demote(policy, 1);
	}
	sim->doing = NULL;
}

/* Free one frame. If standby is empty, for want of credit, the oldest active frame goes. */
static u32 sim_evict(struct sim *sim)
{
	struct vmdemo_policy *policy = &sim->pool.policy;
	u32 page, spared = 0, frame = find_victim(sim);
	bool remember;

	while (!sim->wrong[0] && sim->mapped[frame] && ask_spare(sim, frame)) {
		if (++spared > sim->pool.nr_nodes)
			complain(sim, "spare() spares all %u frames, again and again",
				 sim->pool.nr_nodes);
		frame = find_victim(sim);
	}
	if (sim->wrong[0])
		return VMDEMO_NONE;
	sim->evictions++;
	page = sim->page_of[frame];
	sim->doing = "remove";
	remember = vmdemo_policy_forget(policy, &sim->pool.nodes[frame]);
	sim->doing = NULL;
	check_order(sim, "remove", 1);
	ghost_remember(sim->ghost, sim->pool.nr_nodes, page, remember);
	sim->frame_of[page] = VMDEMO_NONE;
	return frame;
}

static void sim_hard_fault(struct sim *sim, u32 page)
{
	u32 frame;

	sim->hard++;
	vmdemo_policy_earn(&sim->pool.policy);
	sim_demote(sim);
	if (sim->free)
		frame = sim->pool.nr_nodes - sim->free--;
	else
		frame = sim_evict(sim);
	if (sim->wrong[0])
		return;
	sim->page_of[frame] = page;
	sim->frame_of[page] = frame;
	sim->mapped[frame] = true;
	ask_insert(sim, frame, ghost_recalls(sim->ghost, sim->pool.nr_nodes, page));
}

/* Map the active pages around @page, and tell nobody. */
static void sim_map_near(struct sim *sim, u32 page)
{
	u32 i, frame, first = page / REPLAY_NEAR * REPLAY_NEAR;

	for (i = first; i < first + REPLAY_NEAR && i < sim->limit; i++) {
		frame = sim->frame_of[i];
		if (frame != VMDEMO_NONE && sim->pool.nodes[frame].list == VMDEMO_LIST_ACTIVE)
			sim->mapped[frame] = true;
	}
}

/* One reference, to @page. */
enum reference_outcome sim_access(struct sim *sim, u32 page)
{
	u32 frame = sim->frame_of[page];
	bool calm;

	sim->references++;
	if (frame == VMDEMO_NONE) {
		sim_hard_fault(sim, page);
		return REFERENCE_HARD;
	}
	if (sim->mapped[frame])
		return REFERENCE_HIT;
	sim->soft++;
	calm = vmdemo_policy_soft_fault(&sim->pool.policy);
	sim->mapped[frame] = true;
	ask_touch(sim, frame);
	if (calm && !sim->alone)
		sim_map_near(sim, page);
	return REFERENCE_SOFT;
}

bool sim_run(struct sim *sim, const struct vmdemo_policy_ops *ops, u32 frames, u32 standby_pct,
	     bool alone, const struct trace *trace)
{
	u32 i;

	sim_create(sim, ops, frames, trace->limit);
	sim->alone = alone;
	sim->pool.policy.standby_pct = standby_pct;
	for (i = 0; i < trace->nr && !sim->wrong[0]; i++)
		sim_access(sim, trace->pages[i]);
	sim_destroy(sim);
	return !sim->wrong[0];
}
