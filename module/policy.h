/* SPDX-License-Identifier: GPL-2.0 */
/*
 * policy.h - the order in which frames are given up
 *
 * A policy is pure code: frames and events go in, victims come out. It takes no lock (the pool lock
 * is held around every call), does no I/O, allocates nothing and never sees a page, so the same
 * source compiles into the module and into a user-space test or simulator.
 *
 * What a policy can know. A program's hits do not reach us, only its faults. A frame is therefore
 * kept on one of these lists; the arrows are what lru does:
 *
 *      insert                     demote                      victim
 *    ---------> [ active ] --- (unmapping) --> [ standby ] ----------->
 *        ^  ^                                       |    |
 *        |  +---------- touch (soft fault) ---------+    | hold
 *        |                                               v
 *        +------------ release, touch ----------------[ held ]
 *
 * Frames on standby are resident but unmapped: touching one is a cheap soft fault, and that fault
 * is an exact re-reference. Without standby an "LRU" by fault time is FIFO. A policy that tells
 * newcomers from the others has [ first ] for them: they stay mapped there.
 *
 * A frame that is still mapped when it should be demoted is on neither list until it has been
 * unmapped: so several tasks can unmap at the same time, as each finds another frame next.
 *
 * A victim that cannot go, since somebody holds its page or the disk does not take it, is held: it
 * is no victim any more, so that it costs the evictor one look and not one each time. Nothing tells
 * when it could go again, so held frames are looked at a few at a time, in turn.
 *
 * Demotion costs soft faults, so it has to be paid for: every page that comes in earns
 * @demote_pages of credit, every soft fault takes one. Frames are unmapped in ranges; unmapping may
 * start only when the credit covers the frames such a range can hold.
 */
#ifndef VMDEMO_POLICY_H
#define VMDEMO_POLICY_H

#ifdef __KERNEL__
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/types.h>
#else
#include "policy_user.h"
#endif

/* Soft faults in a row after which a pool is calm: see vmdemo_policy_soft_fault(). */
#define VMDEMO_CALM		64U

/* No frame: end of a list, an empty slot. Frame numbers stay below it. */
#define VMDEMO_NONE		0x3fffffffU

/* Pools up to this size keep all frames but the newest on standby: they can afford it. */
#define VMDEMO_SMALL_POOL	256U

/*
 * Default share of standby, in per cent. On loops, scans, Zipf distributions and phases it keeps
 * lru within 2 % of exact LRU's misses, where 25 is up to 3.4 % off; but not on a sweep forward and
 * backward, which takes 90: see the table in README.md.
 */
#define VMDEMO_STANDBY_PCT	40

/* From the first of these up to active, in the order in which they are given up by default. */
enum vmdemo_list_id {
	VMDEMO_LIST_NONE,	/* not in the order: free, or absent */
	VMDEMO_LIST_FIRST,	/* new; empty under policies that have no use for it */
	VMDEMO_LIST_STANDBY,
	VMDEMO_LIST_ACTIVE,
	VMDEMO_LIST_HELD,	/* cannot go for now */
	VMDEMO_LIST_UNMAPPING,	/* between active and standby: a task unmaps it */
	VMDEMO_NR_LISTS
};

/*
 * A frame's place in the order. As struct list_head, but for the checks that distributions' kernels
 * add to each of its operations: these would come to 45 instructions for each page that comes in.
 */
struct vmdemo_node {
	struct vmdemo_node *newer;
	struct vmdemo_node *older;
	u32 list;		/* enum vmdemo_list_id */
	u32 mark;		/* the policy's; a switch clears most of them */
};

struct vmdemo_list {
	struct vmdemo_node ends;	/* no frame's: next to the newest and the oldest */
	u32 nr;
};

struct vmdemo_policy;
struct vmdemo_guard_pool;

/* A name has letters, digits, '-', '_' and '.'; no more than these. */
#define VMDEMO_POLICY_NAME_MAX	31

/**
 * struct vmdemo_policy_ops - what a policy decides; called under the pool lock, must not sleep
 * @name:      as the attribute 'policy' shows it
 * @insert:    put @node, in no list, on one. Its frame was given to a page, which may have to be
 *             read yet. @refault: a ghost remembers the page: it was evicted not long ago. NULL:
 *             it is the newest active one.
 * @touch:     @node's frame, in a list, was referenced: a soft fault, or a read(2) or write(2)
 *             that hit. NULL: it becomes the newest active one.
 * @spare:     the evictor found victim @node mapped again (a late re-reference). True: the policy
 *             has moved it, take another. False: it goes all the same. NULL: false.
 * @victim:    what should go after @after, in the order, cannot go at once, or is about to; with
 *             @after NULL a search begins. It names no frame twice in a search, which does not
 *             leave the pool lock in between, and none that is held or being unmapped. When one
 *             begins it may move frames. NULL in return: no more. It need not come to all frames:
 *             where nothing else will do, all are gone through by list. As that lock is held, a
 *             search looks at no more than 2,048 frames, or numbers of such, beside those that it
 *             names. NULL: the oldest of first, of standby, of active.
 * @remove:    @node, still in its list, is about to leave the order. False: no ghost should
 *             remember its page. NULL: true.
 * @excess:    how many of the oldest active frames should go to standby now. @slack is how many
 *             frames are free. NULL: none.
 *
 * Demotion, rotation and holding are the same for all: what is demoted becomes the newest on
 * standby, what cannot be unmapped stays active, what was held is the oldest active one. So a
 * policy meets frames on each of the lists, also on those that it does not use itself.
 *
 * The defaults of insert, touch, victim and remove are lru's, and inline: under the default policy
 * no page that comes in, is touched or goes pays for a call. Without spare and excess a policy has
 * no standby of its own, as fifo.
 *
 * Nothing but the order keeps a page in its frame until its fault is tried again: a policy that
 * gives up the newest first can make two programs evict each other's page for ever.
 *
 * The answers of a policy that is a module of its own are checked: see policy_guard.c. Its state
 * should be in @mark of the nodes and in @left to @span of struct vmdemo_policy: static variables
 * would be those of all pools, each of which calls it under its own lock.
 */
struct vmdemo_policy_ops {
	const char *name;
	void (*insert)(struct vmdemo_policy *policy, struct vmdemo_node *node, bool refault);
	void (*touch)(struct vmdemo_policy *policy, struct vmdemo_node *node);
	bool (*spare)(struct vmdemo_policy *policy, struct vmdemo_node *node);
	struct vmdemo_node *(*victim)(struct vmdemo_policy *policy, struct vmdemo_node *after);
	bool (*remove)(struct vmdemo_policy *policy, struct vmdemo_node *node);
	u32 (*excess)(const struct vmdemo_policy *policy, u32 slack);
};

/**
 * struct vmdemo_policy - the order of a pool's frames
 * @ops:          the rules
 * @nr_frames:    frames that exist, for the targets
 * @limit:        their numbers are below it, but for a few; some below it do not exist. Set by the
 *                owner
 * @standby_pct:  share of standby
 * @demote_pages: credit that a page that comes in earns
 * @credit:       what demotion may cost yet
 * @soft_faults:  since a page came in
 * @find:         the node of frame @nr, perhaps in no list; NULL: there is none. Set by the owner
 * @number:       the frame number of @node, which may be any pointer; VMDEMO_NONE: it is no node of
 *                a frame of this pool that has a page. Set by the owner, for guards
 * @refused:      the policy was wrong: @op did @what; @op is NULL if it was before. Set by the
 *                owner, for guards
 * @guard:        what a guard remembers of this pool: set by the owner before a guarded policy is;
 *                NULL until then
 * @left:         in a search, what it may do yet: random try numbers, clock pass over frames, 2q
 *                name some of first
 * @chance:       where random's numbers come from
 * @at:           random's search: the frame it has come to, ...
 * @step:         ... what takes it to the next, ...
 * @span:         ... and the power of two that all numbers are below
 * @lists:        by enum vmdemo_list_id
 */
struct vmdemo_policy {
	const struct vmdemo_policy_ops *ops;
	u32 nr_frames;
	u32 limit;
	u32 standby_pct;
	u32 demote_pages;
	s64 credit;
	u32 soft_faults;
	struct vmdemo_node *(*find)(const struct vmdemo_policy *policy, u32 nr);
	u32 (*number)(const struct vmdemo_policy *policy, const struct vmdemo_node *node);
	void (*refused)(const struct vmdemo_policy *policy, const char *op, const char *what);
	struct vmdemo_guard_pool *guard;
	u32 left;
	u64 chance;
	u32 at, step, span;
	struct vmdemo_list lists[VMDEMO_NR_LISTS];
};

extern const struct vmdemo_policy_ops vmdemo_policy_lru;
extern const struct vmdemo_policy_ops vmdemo_policy_fifo;
extern const struct vmdemo_policy_ops vmdemo_policy_clock;
extern const struct vmdemo_policy_ops vmdemo_policy_random;
extern const struct vmdemo_policy_ops vmdemo_policy_2q;

/* Frames that standby and the free list together should hold, of those that are not held. */
static inline u32 vmdemo_policy_target(const struct vmdemo_policy *policy)
{
	u32 held = policy->lists[VMDEMO_LIST_HELD].nr;
	u32 frames = policy->nr_frames - min(held, policy->nr_frames);

	if (frames <= VMDEMO_SMALL_POOL)
		return frames - !!frames;
	return (u64)frames * policy->standby_pct / 100;
}

static inline u32 vmdemo_policy_nr(const struct vmdemo_policy *policy, enum vmdemo_list_id id)
{
	return policy->lists[id].nr;
}

/* The frame after @node in its list, of @policy; the oldest of list @id after NULL. Or NULL. */
static inline struct vmdemo_node *vmdemo_policy_newer(const struct vmdemo_policy *policy,
						      const struct vmdemo_node *node,
						      enum vmdemo_list_id id)
{
	const struct vmdemo_node *ends = &policy->lists[id].ends;
	struct vmdemo_node *newer = node ? node->newer : ends->newer;

	return newer == ends ? NULL : newer;
}

static inline struct vmdemo_node *vmdemo_policy_oldest(const struct vmdemo_policy *policy,
						       enum vmdemo_list_id id)
{
	return vmdemo_policy_newer(policy, NULL, id);
}

static inline void vmdemo_policy_add(struct vmdemo_policy *policy, struct vmdemo_node *node,
				     enum vmdemo_list_id id)
{
	struct vmdemo_node *ends = &policy->lists[id].ends;

	node->list = id;
	node->newer = ends;
	node->older = ends->older;
	node->older->newer = node;
	ends->older = node;
	policy->lists[id].nr++;
}

/*
 * A node that is in no list yet. It is its own neighbour: if it is taken out of the order by
 * mistake, no memory but its own is written.
 */
static inline void vmdemo_policy_init_node(struct vmdemo_node *node)
{
	node->newer = node;
	node->older = node;
	node->list = VMDEMO_LIST_NONE;
	node->mark = 0;
}

/* Take @node, in some list, out of the order. */
static inline void vmdemo_policy_remove(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	node->older->newer = node->newer;
	node->newer->older = node->older;
	policy->lists[node->list].nr--;
	node->list = VMDEMO_LIST_NONE;
}

/* Make @node the newest of list @id, wherever it was. */
static inline void vmdemo_policy_move(struct vmdemo_policy *policy, struct vmdemo_node *node,
				      enum vmdemo_list_id id)
{
	vmdemo_policy_remove(policy, node);
	vmdemo_policy_add(policy, node, id);
}

/*
 * Put the @nr oldest active frames, @last and those before it, on standby, in their order. The
 * caller has set their @list already, on its way to @last.
 */
static inline void vmdemo_policy_demote_to(struct vmdemo_policy *policy, struct vmdemo_node *last,
					   u32 nr)
{
	struct vmdemo_list *active = &policy->lists[VMDEMO_LIST_ACTIVE];
	struct vmdemo_list *standby = &policy->lists[VMDEMO_LIST_STANDBY];
	struct vmdemo_node *first = active->ends.newer;

	/* They leave one list and join the other as a chain. */
	active->ends.newer = last->newer;
	last->newer->older = &active->ends;
	first->older = standby->ends.older;
	first->older->newer = first;
	last->newer = &standby->ends;
	standby->ends.older = last;
	active->nr -= nr;
	standby->nr += nr;
}

/* The same for a caller that has no mappings to look at on its way: a test, a simulator. */
static inline void vmdemo_policy_demote(struct vmdemo_policy *policy, u32 nr)
{
	struct vmdemo_node *last = NULL, *node;
	u32 i;

	for (i = 0; i < nr; i++) {
		node = vmdemo_policy_newer(policy, last, VMDEMO_LIST_ACTIVE);
		if (!node)
			break;
		last = node;
		last->list = VMDEMO_LIST_STANDBY;
	}
	if (last)
		vmdemo_policy_demote_to(policy, last, i);
}

struct vmdemo_node *vmdemo_policy_walk(const struct vmdemo_policy *policy,
				       const struct vmdemo_node *node, u32 last);

/* As vmdemo_policy_victim(), but by list, whatever the policy: this comes to all frames. */
static inline struct vmdemo_node *vmdemo_policy_any(const struct vmdemo_policy *policy,
						    const struct vmdemo_node *node)
{
	/* The common case, inline; the ends of a list are in none. */
	if (node && node->newer->list != VMDEMO_LIST_NONE)
		return node->newer;
	return vmdemo_policy_walk(policy, node, VMDEMO_LIST_ACTIVE);
}

/* As vmdemo_policy_any(), but after all that may go come the held frames. */
static inline struct vmdemo_node *vmdemo_policy_next(const struct vmdemo_policy *policy,
						     const struct vmdemo_node *node)
{
	return vmdemo_policy_walk(policy, node, VMDEMO_LIST_HELD);
}

/* ---- what is asked of the policy: see struct vmdemo_policy_ops ---- */

static inline void vmdemo_policy_insert(struct vmdemo_policy *policy, struct vmdemo_node *node,
					bool refault)
{
	if (unlikely(policy->ops->insert))
		policy->ops->insert(policy, node, refault);
	else
		vmdemo_policy_add(policy, node, VMDEMO_LIST_ACTIVE);
}

static inline void vmdemo_policy_touch(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	if (unlikely(policy->ops->touch))
		policy->ops->touch(policy, node);
	else
		vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE);
}

static inline bool vmdemo_policy_spare(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	return policy->ops->spare && policy->ops->spare(policy, node);
}

static inline struct vmdemo_node *vmdemo_policy_victim(struct vmdemo_policy *policy,
						       struct vmdemo_node *after)
{
	if (unlikely(policy->ops->victim))
		return policy->ops->victim(policy, after);
	return vmdemo_policy_any(policy, after);
}

/* The page in @node's frame goes. Returns whether a ghost should remember it. */
static inline bool vmdemo_policy_forget(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	bool remember = true;

	if (unlikely(policy->ops->remove))
		remember = policy->ops->remove(policy, node);
	vmdemo_policy_remove(policy, node);
	return remember;
}

static inline u32 vmdemo_policy_excess(const struct vmdemo_policy *policy, u32 slack)
{
	return policy->ops->excess ? policy->ops->excess(policy, slack) : 0;
}

/* ---- what is the same for all ---- */

/* @node, in some list, cannot go for now; if it was held already it is the last of these. */
static inline void vmdemo_policy_hold(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	vmdemo_policy_move(policy, node, VMDEMO_LIST_HELD);
}

/* Is @node, where a search has ended, still a place in the order from which it can go on? */
static inline bool vmdemo_policy_ordered(const struct vmdemo_node *node)
{
	return node->list >= VMDEMO_LIST_FIRST && node->list <= VMDEMO_LIST_ACTIVE;
}

/* Is @node where frames stay mapped? Then the first touch of what was read ahead tells nothing. */
static inline bool vmdemo_policy_young(const struct vmdemo_node *node)
{
	return node->list == VMDEMO_LIST_ACTIVE || node->list == VMDEMO_LIST_FIRST;
}

/* A page in pays for demotions to come. The cap keeps a past of misses from funding a storm. */
static inline void vmdemo_policy_earn(struct vmdemo_policy *policy)
{
	s64 cap = 2 * (s64)policy->nr_frames;

	policy->soft_faults = 0;
	policy->credit = policy->credit + policy->demote_pages;
	if (policy->credit > cap)
		policy->credit = cap;
}

/*
 * A soft fault: it uses up credit. True: the pool is calm. Many have come in a row, and no page
 * meanwhile, so it was not demotion that unmapped all these. Then there is nothing to be learnt
 * from each first touch, and a soft fault may map active neighbours, too. While pages come and go
 * that would hide references, and make soft faults where it should save them: what is mapped unseen
 * is old, and soon unmapped again.
 */
static inline bool vmdemo_policy_soft_fault(struct vmdemo_policy *policy)
{
	policy->credit--;
	policy->soft_faults++;
	return policy->soft_faults >= VMDEMO_CALM && policy->nr_frames > VMDEMO_SMALL_POOL;
}

/* May a range that can hold @frames mapped frames be unmapped now? */
static inline bool vmdemo_policy_affords(const struct vmdemo_policy *policy, u32 frames)
{
	return policy->nr_frames <= VMDEMO_SMALL_POOL ||
	       policy->credit >= (s64)(frames < policy->nr_frames ? frames : policy->nr_frames);
}

/* For the tables of several policies; see policy.c. */
bool vmdemo_policy_spare_standby(struct vmdemo_policy *policy, struct vmdemo_node *node);
u32 vmdemo_policy_lack(const struct vmdemo_policy *policy, u32 slack);

bool vmdemo_policy_named(const struct vmdemo_policy_ops *ops);
void vmdemo_policy_clear(struct vmdemo_policy *policy);
void vmdemo_policy_init(struct vmdemo_policy *policy, const struct vmdemo_policy_ops *ops);
void vmdemo_policy_release(struct vmdemo_policy *policy, struct vmdemo_node *node);
void vmdemo_policy_switch(struct vmdemo_policy *policy, const struct vmdemo_policy_ops *ops,
			  u32 most);

/* ---- a policy that is a module of its own: see registry.c ---- */

#ifdef __KERNEL__
int vmdemo_policy_register(const struct vmdemo_policy_ops *ops, struct module *owner);
int vmdemo_policy_unregister(const struct vmdemo_policy_ops *ops);

/**
 * VMDEMO_POLICY_MODULE - make a file with a policy a module, which registers it
 * @table: the policy, a struct vmdemo_policy_ops
 *
 * The last line of the file, and all that the module needs; user space has no use for it.
 */
#define VMDEMO_POLICY_MODULE(table)								\
static int __init vmdemo_policy_module_init(void)						\
{												\
	return vmdemo_policy_register(&(table), THIS_MODULE);					\
}												\
module_init(vmdemo_policy_module_init);								\
												\
static void __exit vmdemo_policy_module_exit(void)						\
{												\
	vmdemo_policy_unregister(&(table));							\
}												\
module_exit(vmdemo_policy_module_exit);								\
												\
MODULE_DESCRIPTION("Replacement policy " #table);						\
MODULE_LICENSE("GPL")
#endif

#endif /* VMDEMO_POLICY_H */
