// SPDX-License-Identifier: GPL-2.0
/*
 * test_model.c - random events against a naive model
 *
 * The model has no lists. It remembers of each frame which list it should be in and when it came
 * there; whatever else is asked, it finds by looking at all frames:
 *
 *  - the oldest frame of a list is the one that came there first;
 *  - by list, the frames of first come before those of standby, and these before those of active,
 *    each in order of their coming; those held follow when all are asked for;
 *  - what is released comes to active before all others there;
 *  - under lru a touch is a coming to active, and victims come by list; the oldest active frame is
 *    demoted while free and standby frames are fewer than the target, a share of the frames that
 *    are not held;
 *  - under clock a touch of a frame that is not active is remembered; what would be the victim, but
 *    has such a touch to its name, loses it and comes to active, or if the search has begun before,
 *    is left out, at most 256 in a search; one that has left out some and comes to active has the
 *    first of these for its victim, older than all others there, or ends; demotion is lru's;
 *  - under 2q a page comes to first, but to active if it is remembered: it is if it last left from
 *    first; touches there are nothing, others lru's; what first has beyond a quarter of all frames,
 *    and beyond 4, when the search begins is named first, then the others; of these a share is
 *    demoted;
 *  - under fifo and random a touch is nothing, and nothing is demoted. Of random's victims only the
 *    frames that could be are known;
 *  - a switch makes active, in the order by list, what comes before active there, and forgets the
 *    touches of these.
 */
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#define MIDDLE		0x10000000000ULL	/* of time: before all others has its place, too */
#define EVENTS		120000	/* per pool size and seed */
#define PASS		256	/* frames that clock passes over in a search */
#define CHECK_INTERVAL	499	/* events between two checks of all links */

struct model_frame {
	enum vmdemo_list_id list;
	u64 since;
	bool marked;
	bool ghost;	/* in no list: the page that left is remembered */
};

enum rule { LRU, FIFO, CLOCK, RANDOM, TWO_Q, NR_RULES };

static const struct vmdemo_policy_ops *const rules[NR_RULES] = {
	[LRU] = &vmdemo_policy_lru,
	[FIFO] = &vmdemo_policy_fifo,
	[CLOCK] = &vmdemo_policy_clock,
	[RANDOM] = &vmdemo_policy_random,
	[TWO_Q] = &vmdemo_policy_2q,
};

struct model {
	struct pool pool;	/* what is tested */
	enum rule rule;
	struct model_frame *frames;
	u32 nr[VMDEMO_NR_LISTS];
	u64 now;
	u64 first;
	u32 passed;	/* by clock, in this search */
	s64 over;	/* of first, that 2q may name yet in this search */
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

static bool model_ordered(const struct model_frame *frame)
{
	return frame->list == VMDEMO_LIST_FIRST || frame->list == VMDEMO_LIST_STANDBY ||
	       frame->list == VMDEMO_LIST_ACTIVE;
}

static u64 model_key(const struct model_frame *frame)
{
	return (u64)frame->list << 48 | frame->since;
}

/* The frame after @after by list, the first one after VMDEMO_NONE. */
static u32 model_any(const struct model *model, u32 after)
{
	u64 from = after == VMDEMO_NONE ? 0 : model_key(&model->frames[after]), key, best = 0;
	u32 i, next = VMDEMO_NONE;

	for (i = 0; i < model->pool.nr_nodes; i++) {
		key = model_key(&model->frames[i]);
		if (!model_ordered(&model->frames[i]) || key <= from ||
		    (next != VMDEMO_NONE && key > best))
			continue;
		next = i;
		best = key;
	}
	return next;
}

static u32 model_victim_2q(struct model *model, u32 after)
{
	u32 next = model_any(model, after), share = model->pool.policy.nr_frames / 4, frame;

	if (after != VMDEMO_NONE && model->frames[after].list != VMDEMO_LIST_FIRST)
		return next;
	if (after == VMDEMO_NONE)
		model->over = (s64)model->nr[VMDEMO_LIST_FIRST] - (share > 4 ? share : 4);
	if (next != VMDEMO_NONE && model->frames[next].list == VMDEMO_LIST_FIRST &&
	    model->over > 0) {
		model->over--;
		return next;
	}
	frame = model_oldest(model, VMDEMO_LIST_STANDBY);
	if (frame == VMDEMO_NONE)
		frame = model_oldest(model, VMDEMO_LIST_ACTIVE);
	return frame == VMDEMO_NONE ? next : frame;
}

static u32 model_victim_clock(struct model *model, u32 after)
{
	u32 frame = model_any(model, after), first = VMDEMO_NONE;

	if (after == VMDEMO_NONE)
		model->passed = 0;
	for (; frame != VMDEMO_NONE && model->frames[frame].marked && model->passed < PASS;
	     model->passed++) {
		if (after == VMDEMO_NONE) {
			if (first == VMDEMO_NONE)
				first = frame;
			model->frames[frame].marked = false;
			model_put(model, frame, VMDEMO_LIST_ACTIVE);
			frame = model_any(model, VMDEMO_NONE);
		} else {
			frame = model_any(model, frame);
		}
	}
	if (frame == VMDEMO_NONE || !model->passed)
		return frame;
	if (after != VMDEMO_NONE && model->frames[frame].marked)
		return VMDEMO_NONE;
	if (model->frames[frame].list != VMDEMO_LIST_ACTIVE)
		return frame;
	if (first != VMDEMO_NONE)
		model_put_first(model, first);
	return first;
}

/* The victim after @after, not under random; frames move on the way as they should. */
static u32 model_victim(struct model *model, u32 after)
{
	if (model->rule == TWO_Q)
		return model_victim_2q(model, after);
	if (model->rule == CLOCK)
		return model_victim_clock(model, after);
	return model_any(model, after);
}

static u32 model_excess(const struct model *model, u32 slack)
{
	u64 frames = model->pool.policy.nr_frames, target, held = model->nr[VMDEMO_LIST_HELD];
	u32 have = model->nr[VMDEMO_LIST_STANDBY] + model->nr[VMDEMO_LIST_UNMAPPING];
	bool small = frames <= 256;

	if (model->rule == FIFO || model->rule == RANDOM)
		return 0;
	if (model->rule == TWO_Q) {
		frames = have + model->nr[VMDEMO_LIST_ACTIVE];
	} else {
		/* The test changes the number of frames as it likes. */
		frames = held < frames ? frames - held : 0;
		small = frames <= 256;
		have += slack;
	}
	target = small ? frames - !!frames : frames * model->pool.policy.standby_pct / 100;
	if (have >= target)
		return 0;
	target -= have;
	return target < model->nr[VMDEMO_LIST_ACTIVE] ? target : model->nr[VMDEMO_LIST_ACTIVE];
}

/* A victim as the policy says, after @after; VMDEMO_NONE - 1 if it is not the model's. */
static u32 model_check_victim(struct model *model, u32 after)
{
	struct vmdemo_node *node = after == VMDEMO_NONE ? NULL : &model->pool.nodes[after];
	u32 expected, frame;

	if (model->rule == RANDOM) {
		frame = pool_frame(&model->pool, vmdemo_policy_victim(&model->pool.policy, node));
		if (expect(frame == VMDEMO_NONE || model_ordered(&model->frames[frame]),
			   "random's victim %u is not in the order", frame))
			return frame;
		return VMDEMO_NONE - 1;
	}
	expected = model_victim(model, after);
	frame = pool_frame(&model->pool, vmdemo_policy_victim(&model->pool.policy, node));
	if (expect(frame == expected, "the victim after %u is %u, not %u", after, frame, expected))
		return frame;
	return VMDEMO_NONE - 1;
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

/* All resident frames by list, at last those held, but for those being unmapped; to be freed. */
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
		order[(*nr)++] = (struct rank){ .key = model_key(frame), .frame = i };
	}
	qsort(order, *nr, sizeof(*order), rank_compare);
	return order;
}

static bool check_walks(const struct model *model, const struct rank *order, u32 nr, u32 held)
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
		node = vmdemo_policy_any(policy, node);
		frame = pool_frame(&model->pool, node);
		if (!expect(frame == order[i].frame, "by list, %u of %u is frame %u, not %u",
			    i, nr, frame, order[i].frame))
			return false;
	}
	return expect(!vmdemo_policy_any(policy, node), "the walk by list goes on after the last");
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
	u32 first = model->nr[VMDEMO_LIST_FIRST];
	struct rank *order = model_order(model, &nr);
	bool ok = true;

	nr -= held;
	for (i = 0; ok && i < model->pool.nr_nodes; i++)
		ok = expect(model->pool.nodes[i].list == model->frames[i].list,
			    "frame %u is in list %u, not %u", i,
			    model->pool.nodes[i].list, model->frames[i].list);
	ok = ok && check_links(model, VMDEMO_LIST_NONE, order, 0);
	ok = ok && check_links(model, VMDEMO_LIST_FIRST, order, first);
	ok = ok && check_links(model, VMDEMO_LIST_STANDBY, order + first, standby);
	ok = ok && check_links(model, VMDEMO_LIST_ACTIVE, order + first + standby,
			       nr - first - standby);
	ok = ok && check_links(model, VMDEMO_LIST_HELD, order + nr, held);
	ok = ok && check_walks(model, order, nr, held);
	free(order);
	return ok;
}

/* Compare what takes no loop, after every event. */
static bool check_counts(const struct model *model)
{
	const struct vmdemo_policy *policy = &model->pool.policy;
	bool ok = true;
	u32 id;

	for (id = VMDEMO_LIST_FIRST; id < VMDEMO_NR_LISTS; id++)
		ok &= expect(vmdemo_policy_nr(policy, id) == model->nr[id],
			     "list %u has a wrong number of frames", id);
	return ok && expect(policy->credit == model->credit, "credit is %lld, not %lld",
			    policy->credit, model->credit);
}

/* The page in @frame goes. */
static bool model_forget(struct model *model, u32 frame)
{
	bool ghost = model->rule != TWO_Q || model->frames[frame].list == VMDEMO_LIST_FIRST;

	model->frames[frame].ghost = ghost;
	model_put(model, frame, VMDEMO_LIST_NONE);
	return expect(vmdemo_policy_forget(&model->pool.policy, &model->pool.nodes[frame]) == ghost,
		      "a ghost remembers it: that is not %u", ghost);
}

/* Take the first victim out, as an eviction does. */
static bool event_evict(struct model *model)
{
	u32 frame = model_check_victim(model, VMDEMO_NONE);

	/* Random finds only frames below the limit, and the test says what that is. */
	if (frame == VMDEMO_NONE && model->rule == RANDOM)
		frame = model_any(model, VMDEMO_NONE);
	return frame == VMDEMO_NONE || (frame != VMDEMO_NONE - 1 && model_forget(model, frame));
}

/* A search for victims, of which none goes: each is named once, though the pool shrinks. */
static bool event_search(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;
	u32 steps = chance_below(&model->chance, 2 * model->pool.nr_nodes + 2), nr = 0;
	bool *seen = calloc(model->pool.nr_nodes, sizeof(*seen));
	u32 frame = VMDEMO_NONE;
	bool ok = true;

	if (!seen)
		abort();
	do {
		frame = model_check_victim(model, frame);
		if (frame == VMDEMO_NONE || frame == VMDEMO_NONE - 1)
			break;
		ok = expect(!seen[frame], "frame %u is named twice", frame);
		seen[frame] = true;
		nr++;
		policy->nr_frames -= policy->nr_frames && !chance_below(&model->chance, 4);
		policy->limit -= policy->limit && !chance_below(&model->chance, 16);
	} while (ok && --steps);
	/* Random leaves out what is beyond the limit. */
	if (ok && frame == VMDEMO_NONE && model->rule == RANDOM)
		for (frame = 0; frame < model->pool.nr_nodes; frame++)
			ok = ok && expect(seen[frame] || !model_ordered(&model->frames[frame]) ||
					  frame >= policy->limit,
					  "the search for %u ends without frame %u", nr, frame);
	free(seen);
	return ok && frame != VMDEMO_NONE - 1;
}

static bool event_insert(struct model *model)
{
	struct vmdemo_policy *policy = &model->pool.policy;
	s64 cap = 2 * (s64)policy->nr_frames;
	enum vmdemo_list_id list = VMDEMO_LIST_ACTIVE;
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
	/* The same page that left the frame, which may be remembered. */
	vmdemo_policy_insert(policy, &model->pool.nodes[frame], model->frames[frame].ghost);
	if (model->rule == TWO_Q && !model->frames[frame].ghost)
		list = VMDEMO_LIST_FIRST;
	if (model->rule == CLOCK)
		model->frames[frame].marked = false;
	model_put(model, frame, list);
	return true;
}

static bool event_touch(struct model *model)
{
	u32 frame = model_pick(model, true);

	if (frame == VMDEMO_NONE)
		return true;
	vmdemo_policy_touch(&model->pool.policy, &model->pool.nodes[frame]);
	if (model->rule == LRU ||
	    (model->rule == TWO_Q && model->frames[frame].list != VMDEMO_LIST_FIRST))
		model_put(model, frame, VMDEMO_LIST_ACTIVE);
	if (model->rule == CLOCK && model->frames[frame].list != VMDEMO_LIST_ACTIVE)
		model->frames[frame].marked = true;
	return true;
}

static bool event_remove(struct model *model)
{
	u32 frame = model_pick(model, true);

	return frame == VMDEMO_NONE || model_forget(model, frame);
}

/* A late re-reference, which only a frame on standby can have; others are not spared. */
static bool event_spare(struct model *model)
{
	u32 frame = chance_below(&model->chance, 2) ? model_oldest(model, VMDEMO_LIST_STANDBY) :
						      model_pick(model, true);
	bool spared;

	if (frame == VMDEMO_NONE)
		return true;
	spared = model->rule != FIFO && model->rule != RANDOM &&
		 model->frames[frame].list == VMDEMO_LIST_STANDBY;
	if (!expect(vmdemo_policy_spare(&model->pool.policy, &model->pool.nodes[frame]) == spared,
		    "spare() is not %u", spared))
		return false;
	if (model->rule == CLOCK)
		model->frames[frame].marked = false;
	if (spared)
		model_put(model, frame, VMDEMO_LIST_ACTIVE);
	return true;
}

/* A victim, or any frame, cannot go for now. */
static bool event_hold(struct model *model)
{
	u32 frame = chance_below(&model->chance, 2) ? model_check_victim(model, VMDEMO_NONE) :
						      model_pick(model, true);

	if (frame == VMDEMO_NONE || frame == VMDEMO_NONE - 1)
		return frame == VMDEMO_NONE;
	vmdemo_policy_hold(&model->pool.policy, &model->pool.nodes[frame]);
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
	u32 excess = vmdemo_policy_excess(policy, slack);
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

	switch (chance_below(&model->chance, 5)) {
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
	case 4:
		policy->limit = chance_below(&model->chance, 2 * model->pool.nr_nodes + 1);
		break;
	}
	return true;
}

/* Rarely, the policy is switched live: what is not active comes there, before the others. */
static bool event_switch(struct model *model)
{
	struct rank *order;
	u32 nr;

	if (chance_below(&model->chance, 16))
		return true;
	model->rule = chance_below(&model->chance, NR_RULES);
	order = model_order(model, &nr);
	while (nr--) {
		struct model_frame *frame = &model->frames[order[nr].frame];

		if (model_ordered(frame) && frame->list != VMDEMO_LIST_ACTIVE) {
			frame->marked = false;
			model_put_first(model, order[nr].frame);
		}
	}
	free(order);
	/* In pieces, as in the module. */
	do
		vmdemo_policy_switch(&model->pool.policy, rules[model->rule],
				     1 + chance_below(&model->chance, 16));
	while (vmdemo_policy_nr(&model->pool.policy, VMDEMO_LIST_STANDBY) ||
	       vmdemo_policy_nr(&model->pool.policy, VMDEMO_LIST_FIRST));
	return check_all(model);
}

static const struct {
	const char *name;
	bool (*happen)(struct model *model);
	u32 weight;
} events[] = {
	{ "insert", event_insert, 26 },
	{ "touch", event_touch, 19 },
	{ "demote", event_demote, 18 },
	{ "unmap", event_unmap, 2 },
	{ "unmapped", event_unmapped, 2 },
	{ "hold", event_hold, 5 },
	{ "release", event_release, 7 },
	{ "spare", event_spare, 8 },
	{ "remove", event_remove, 6 },
	{ "evict", event_evict, 2 },
	{ "search", event_search, 1 },
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
	struct model model = { .chance = seed + nr_nodes, .now = MIDDLE, .first = MIDDLE };
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
