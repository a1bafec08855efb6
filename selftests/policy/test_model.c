// SPDX-License-Identifier: GPL-2.0
/*
 * test_model.c - random events against a naive model
 *
 * The model has no lists. It remembers of each frame which list it should be in and when it came
 * there; whatever else is asked, it finds by looking at all frames:
 *
 *  - the oldest frame of a list is the one that came there first;
 *  - victims are the frames of standby, then those of active, each in order of their coming; those
 *    held are none, and follow when all are asked for;
 *  - what is released comes to active before all others there;
 *  - under lru a touch is a coming to active, under fifo it is nothing;
 *  - lru demotes the oldest active frame while free and standby frames are fewer than the target,
 *    a share of the frames that are not held.
 */
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#define MIDDLE		0x10000000000ULL	/* of time: before all others has its place, too */
#define EVENTS		120000	/* per pool size and seed */
#define CHECK_INTERVAL	499	/* events between two checks of all links */

struct model_frame {
	enum vmdemo_list_id list;
	u64 since;
};

struct model {
	struct pool pool;	/* what is tested */
	bool lru;
	struct model_frame *frames;
	u32 nr[VMDEMO_NR_LISTS];
	u64 now;
	u64 first;
	s64 credit;
	u64 chance;
};

struct rank {
	u64 key;
	u32 frame;
};

/* Frame @frame comes to list @list, or leaves all. */
static void model_put(struct model *model, u32 frame, enum vmdemo_list_id list)
{
	model->nr[model->frames[frame].list]--;
	model->frames[frame].list = list;
	model->frames[frame].since = ++model->now;
	model->nr[list]++;
}

/* Frame @frame comes to active, and is older there than all others. */
static void model_put_first(struct model *model, u32 frame)
{
	model_put(model, frame, VMDEMO_LIST_ACTIVE);
	model->frames[frame].since = --model->first;
}

static u32 model_oldest(const struct model *model, enum vmdemo_list_id list)
{
	u32 i, oldest = VMDEMO_NONE;

	for (i = 0; i < model->pool.nr_nodes; i++) {
		if (model->frames[i].list != list)
			continue;
		if (oldest == VMDEMO_NONE || model->frames[i].since < model->frames[oldest].since)
			oldest = i;
	}
	return oldest;
}

static u32 model_victim(const struct model *model)
{
	u32 frame = model_oldest(model, VMDEMO_LIST_STANDBY);

	return frame != VMDEMO_NONE ? frame : model_oldest(model, VMDEMO_LIST_ACTIVE);
}

static u32 model_excess(const struct model *model, u32 slack)
{
	u64 frames = model->pool.policy.nr_frames, target, held = model->nr[VMDEMO_LIST_HELD];

	if (!model->lru)
		return 0;
	/* The test changes the number of frames as it likes. */
	frames = held < frames ? frames - held : 0;
	if (frames > 256)
		target = frames * model->pool.policy.standby_pct / 100;
	else
		target = frames ? frames - 1 : 0;
	slack += model->nr[VMDEMO_LIST_STANDBY] + model->nr[VMDEMO_LIST_UNMAPPING];
	if (slack >= target)
		return 0;
	target -= slack;
	return target < model->nr[VMDEMO_LIST_ACTIVE] ? target : model->nr[VMDEMO_LIST_ACTIVE];
}

/* A frame by chance, in a list or, if not @resident, in none; VMDEMO_NONE if there is none. */
static u32 model_pick(struct model *model, bool resident)
{
	u32 i, nr = model->pool.nr_nodes, start = chance_below(&model->chance, nr);

	for (i = 0; i < nr; i++) {
		u32 frame = (start + i) % nr;

		if (resident != !model->frames[frame].list)
			return frame;
	}
	return VMDEMO_NONE;
}

static int rank_compare(const void *a, const void *b)
{
	u64 x = ((const struct rank *)a)->key, y = ((const struct rank *)b)->key;

	return (x > y) - (x < y);
}

/*
 * All resident frames in order of eviction, and then those held, without those that are being
 * unmapped; the caller frees them.
 */
static struct rank *model_order(const struct model *model, u32 *nr)
{
	struct rank *order = calloc(model->pool.nr_nodes, sizeof(*order));
	const struct model_frame *frame;
	u32 i;

	if (!order)
		abort();
	*nr = 0;
	for (i = 0; i < model->pool.nr_nodes; i++) {
		frame = &model->frames[i];
		if (frame->list == VMDEMO_LIST_NONE || frame->list == VMDEMO_LIST_UNMAPPING)
			continue;
		order[*nr].key = (u64)(frame->list == VMDEMO_LIST_ACTIVE) << 62 |
				 (u64)(frame->list == VMDEMO_LIST_HELD) << 63 | frame->since;
		order[(*nr)++].frame = i;
	}
	qsort(order, *nr, sizeof(*order), rank_compare);
	return order;
}

static bool check_victims(const struct model *model, const struct rank *order, u32 nr, u32 held)
{
	const struct vmdemo_policy *policy = &model->pool.policy;
	const struct vmdemo_node *node = NULL;
	u32 i, frame;

	for (i = 0; i < nr + held; i++) {
		node = vmdemo_policy_next(policy, node);
		frame = pool_frame(&model->pool, node);
		if (!expect(frame == order[i].frame, "frame %u of %u is %u, not %u", i, nr + held,
			    frame, order[i].frame))
			return false;
	}
	if (!expect(!vmdemo_policy_next(policy, node), "the walk of all goes on after the last"))
		return false;
	node = NULL;
	for (i = 0; i < nr; i++) {
		node = vmdemo_policy_victim(policy, node);
		frame = pool_frame(&model->pool, node);
		if (!expect(frame == order[i].frame, "victim %u of %u is frame %u, not %u",
			    i, nr, frame, order[i].frame))
			return false;
	}
	return expect(!vmdemo_policy_victim(policy, node),
		      "the walk of victims goes on after the last");
}

/* The frame of @node, of list @id; VMDEMO_NONE at the list's end. */
static u32 frame_at(const struct pool *pool, enum vmdemo_list_id id,
		    const struct vmdemo_node *node)
{
	return pool_frame(pool, node == &pool->policy.lists[id].ends ? NULL : node);
}

/* The links of list @id hold @order, the model's frames of this list, both ways. */
static bool check_links(const struct model *model, enum vmdemo_list_id id,
			const struct rank *order, u32 nr)
{
	const struct pool *pool = &model->pool;
	const struct vmdemo_list *list = &pool->policy.lists[id];
	u32 newer = frame_at(pool, id, list->ends.newer);
	u32 older = frame_at(pool, id, list->ends.older);
	u32 i;

	for (i = 0; i < nr; i++) {
		if (!expect(newer == order[i].frame && older == order[nr - 1 - i].frame,
			    "list %u: step %u of %u finds %u upwards and %u downwards, not %u, %u",
			    id, i, nr, newer, older, order[i].frame, order[nr - 1 - i].frame))
			return false;
		newer = frame_at(pool, id, pool->nodes[newer].newer);
		older = frame_at(pool, id, pool->nodes[older].older);
	}
	return expect(newer == VMDEMO_NONE && older == VMDEMO_NONE && list->nr == nr,
		      "list %u: of %u frames, counted as %u, the links end in %u and %u", id, nr,
		      list->nr, newer, older);
}

/* Compare everything. */
static bool check_all(const struct model *model)
{
	u32 i, nr, standby = model->nr[VMDEMO_LIST_STANDBY], held = model->nr[VMDEMO_LIST_HELD];
	struct rank *order = model_order(model, &nr);
	bool ok = true;

	nr -= held;
	for (i = 0; ok && i < model->pool.nr_nodes; i++)
		ok = expect(model->pool.nodes[i].list == model->frames[i].list,
			    "frame %u is in list %u, not %u", i,
			    model->pool.nodes[i].list, model->frames[i].list);
	ok = ok && check_links(model, VMDEMO_LIST_NONE, order, 0);
	ok = ok && check_links(model, VMDEMO_LIST_STANDBY, order, standby);
	ok = ok && check_links(model, VMDEMO_LIST_ACTIVE, order + standby, nr - standby);
	ok = ok && check_links(model, VMDEMO_LIST_HELD, order + nr, held);
	ok = ok && check_victims(model, order, nr, held);
	free(order);
	return ok;
}

/* Compare what takes no loop, after every event. */
static bool check_counts(const struct model *model)
{
	const struct vmdemo_policy *policy = &model->pool.policy;

	return expect(vmdemo_policy_nr(policy, VMDEMO_LIST_ACTIVE) ==
		      model->nr[VMDEMO_LIST_ACTIVE], "a wrong number of active frames") &&
	       expect(vmdemo_policy_nr(policy, VMDEMO_LIST_STANDBY) ==
		      model->nr[VMDEMO_LIST_STANDBY], "a wrong number of standby frames") &&
	       expect(vmdemo_policy_nr(policy, VMDEMO_LIST_UNMAPPING) ==
		      model->nr[VMDEMO_LIST_UNMAPPING], "a wrong number of frames unmapped") &&
	       expect(vmdemo_policy_nr(policy, VMDEMO_LIST_HELD) ==
		      model->nr[VMDEMO_LIST_HELD], "a wrong number of held frames") &&
	       expect(policy->credit == model->credit, "credit is %lld, not %lld",
		      policy->credit, model->credit);
}

/* Take the first victim out, as an eviction does. */
static bool event_evict(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;
	u32 frame = pool_victim(&model->pool);

	if (!expect(frame == model_victim(model), "the victim is %u, not %u", frame,
		    model_victim(model)))
		return false;
	if (frame != VMDEMO_NONE) {
		vmdemo_policy_remove(policy, &model->pool.nodes[frame]);
		model_put(model, frame, VMDEMO_LIST_NONE);
	}
	return true;
}

static bool event_insert(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;
	s64 cap = 2 * (s64)policy->nr_frames;
	u32 frame;

	if (!model->nr[VMDEMO_LIST_NONE] && !event_evict(model))
		return false;
	/* All are held. */
	if (!model->nr[VMDEMO_LIST_NONE])
		return true;
	model->credit += policy->demote_pages;
	if (model->credit > cap)
		model->credit = cap;
	vmdemo_policy_earn(policy);
	frame = model_pick(model, false);
	policy->ops->insert(policy, &model->pool.nodes[frame]);
	model_put(model, frame, VMDEMO_LIST_ACTIVE);
	return true;
}

static bool event_touch(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;
	u32 frame = model_pick(model, true);

	if (frame == VMDEMO_NONE)
		return true;
	policy->ops->touch(policy, &model->pool.nodes[frame]);
	if (model->lru)
		model_put(model, frame, VMDEMO_LIST_ACTIVE);
	return true;
}

static bool event_remove(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;
	u32 frame = model_pick(model, true);

	if (frame == VMDEMO_NONE)
		return true;
	vmdemo_policy_remove(policy, &model->pool.nodes[frame]);
	model_put(model, frame, VMDEMO_LIST_NONE);
	return true;
}

/* A late re-reference, which only a frame on standby can have; others are not spared. */
static bool event_spare(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;
	u32 frame = chance_below(&model->chance, 2) ? model_victim(model) : model_pick(model, true);
	bool spared;

	if (frame == VMDEMO_NONE)
		return true;
	spared = model->lru && model->frames[frame].list == VMDEMO_LIST_STANDBY;
	if (!expect(policy->ops->spare(policy, &model->pool.nodes[frame]) == spared,
		    "spare() is not %u", spared))
		return false;
	if (spared)
		model_put(model, frame, VMDEMO_LIST_ACTIVE);
	return true;
}

/* A victim, or any frame, cannot go for now. */
static bool event_hold(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;
	u32 frame = chance_below(&model->chance, 2) ? model_victim(model) : model_pick(model, true);

	if (frame == VMDEMO_NONE)
		return true;
	vmdemo_policy_hold(policy, &model->pool.nodes[frame]);
	model_put(model, frame, VMDEMO_LIST_HELD);
	return true;
}

/* A look at the frame that was held first: it can go again, or not. */
static bool event_release(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;
	u32 frame = model_oldest(model, VMDEMO_LIST_HELD);

	if (!expect(pool_oldest(&model->pool, VMDEMO_LIST_HELD) == frame,
		    "the frame held first is not %u", frame))
		return false;
	if (frame == VMDEMO_NONE)
		return true;
	if (chance_below(&model->chance, 2)) {
		vmdemo_policy_hold(policy, &model->pool.nodes[frame]);
		model_put(model, frame, VMDEMO_LIST_HELD);
	} else {
		vmdemo_policy_release(policy, &model->pool.nodes[frame]);
		model_put_first(model, frame);
	}
	return true;
}

/* A few steps of a reclaimer. */
static bool event_demote(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;
	u32 slack = chance_below(&model->chance, model->nr[VMDEMO_LIST_NONE] + 1);
	u32 excess = policy->ops->excess(policy, slack);
	u32 steps = 1 + chance_below(&model->chance, 8);

	if (!expect(excess == model_excess(model, slack), "excess() is %u, not %u", excess,
		    model_excess(model, slack)))
		return false;
	if (steps > excess)
		steps = excess;
	vmdemo_policy_demote(policy, steps);
	while (steps--)
		model_put(model, model_oldest(model, VMDEMO_LIST_ACTIVE), VMDEMO_LIST_STANDBY);
	return true;
}

/* The oldest active frame is mapped: a task takes it out of the order to unmap it. */
static bool event_unmap(struct model *model)
{
	u32 frame = model_oldest(model, VMDEMO_LIST_ACTIVE);

	if (frame == VMDEMO_NONE)
		return true;
	vmdemo_policy_move(&model->pool.policy, &model->pool.nodes[frame],
			   VMDEMO_LIST_UNMAPPING);
	model_put(model, frame, VMDEMO_LIST_UNMAPPING);
	return true;
}

/* That has ended for any of them: it is unmapped, or mapped again, or could not be unmapped. */
static bool event_unmapped(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;
	u32 outcome = chance_below(&model->chance, 3), frame = model_pick(model, true);
	enum vmdemo_list_id list = outcome ? VMDEMO_LIST_STANDBY : VMDEMO_LIST_ACTIVE;

	if (frame == VMDEMO_NONE || model->frames[frame].list != VMDEMO_LIST_UNMAPPING)
		frame = model_oldest(model, VMDEMO_LIST_UNMAPPING);
	if (frame == VMDEMO_NONE)
		return true;
	if (outcome == 2) {
		vmdemo_policy_release(policy, &model->pool.nodes[frame]);
		model_put_first(model, frame);
	} else {
		vmdemo_policy_move(policy, &model->pool.nodes[frame], list);
		model_put(model, frame, list);
	}
	return true;
}

/*
 * Somebody changes a setting. The number of frames may differ from the number of nodes here, so
 * that few nodes serve to test a large pool, and soft faults cost credit.
 */
static bool event_set(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;

	switch (chance_below(&model->chance, 4)) {
	case 0:
		policy->nr_frames = chance_below(&model->chance, 2 * model->pool.nr_nodes + 1);
		break;
	case 1:
		policy->nr_frames = chance_below(&model->chance, 600);
		break;
	case 2:
		policy->standby_pct = chance_below(&model->chance, 101);
		break;
	case 3:
		policy->demote_pages = chance_below(&model->chance, 20);
		policy->credit -= policy->demote_pages;
		model->credit -= policy->demote_pages;
		break;
	}
	return true;
}

/* Rarely, the policy is switched live: all frames come to active anew, in order of eviction. */
static bool event_switch(struct model *model)
{
	struct rank *order;
	u32 i, nr;

	if (chance_below(&model->chance, 16))
		return true;
	model->lru = chance_below(&model->chance, 2);
	order = model_order(model, &nr);
	for (i = 0; i < nr; i++)
		if (model->frames[order[i].frame].list != VMDEMO_LIST_HELD)
			model_put(model, order[i].frame, VMDEMO_LIST_ACTIVE);
	free(order);
	/* In pieces, as in the module. */
	do
		vmdemo_policy_switch(&model->pool.policy,
				     model->lru ? &vmdemo_policy_lru : &vmdemo_policy_fifo,
				     1 + chance_below(&model->chance, 16));
	while (vmdemo_policy_nr(&model->pool.policy, VMDEMO_LIST_STANDBY));
	return check_all(model);
}

static const struct {
	const char *name;
	bool (*happen)(struct model *model);
	u32 weight;
} events[] = {
	{ "insert", event_insert, 26 },
	{ "touch", event_touch, 20 },
	{ "demote", event_demote, 18 },
	{ "unmap", event_unmap, 2 },
	{ "unmapped", event_unmapped, 2 },
	{ "hold", event_hold, 5 },
	{ "release", event_release, 7 },
	{ "spare", event_spare, 8 },
	{ "remove", event_remove, 6 },
	{ "evict", event_evict, 2 },
	{ "set", event_set, 2 },
	{ "switch", event_switch, 2 },
};

#define WEIGHTS		100	/* their sum */

static u32 draw_event(u64 *state)
{
	u32 i = 0, draw = chance_below(state, WEIGHTS);

	while (draw >= events[i].weight)
		draw -= events[i++].weight;
	return i;
}

/* One pool of @nr_nodes frames. */
static bool run_pool(u64 seed, u32 nr_nodes)
{
	struct model model = {
		.chance = seed + nr_nodes, .lru = true, .now = MIDDLE, .first = MIDDLE,
	};
	u32 i, event = 0;
	bool ok = true;

	pool_create(&model.pool, &vmdemo_policy_lru, nr_nodes);
	model.frames = calloc(nr_nodes, sizeof(*model.frames));
	if (!model.frames)
		abort();
	model.nr[VMDEMO_LIST_NONE] = nr_nodes;
	for (i = 0; ok && i < EVENTS; i++) {
		event = draw_event(&model.chance);
		ok = events[event].happen(&model) && check_counts(&model);
		if (i % CHECK_INTERVAL == 0 || nr_nodes <= 8)
			ok = ok && check_all(&model);
	}
	expect(ok, "in event %u, %s, of seed %llu with %u frames under %s", i - 1,
	       events[event].name, seed, nr_nodes, model.pool.policy.ops->name);
	free(model.frames);
	pool_destroy(&model.pool);
	return ok;
}

enum verdict test_random_events(u64 seed)
{
	static const u32 sizes[] = { 1, 2, 3, 8, 64, 300, 1000 };
	bool ok = true;
	u32 i;

	printf("# seed %llu\n", seed);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		ok &= run_pool(seed, sizes[i]);
	return verdict_of(ok);
}
