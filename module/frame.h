/* SPDX-License-Identifier: GPL-2.0 */
/*
 * frame.h - the objects: frame, pool, space
 *
 *   process --mmap--> VMA --> space --index--> frame (one struct page) --> pool
 *                              |
 *                              +-- linear: page n is byte 4096 n of the backing block device
 *                              +-- sparse: page n is zeros, or in a slot of the swap device
 *
 * Lock order, outermost first:
 *
 *   device->lock                       binding, resizing
 *   a space's inode lock               its size; held over copies from user memory
 *   mmap_lock or per-VMA lock          held by the kernel on entry to every vm_op
 *     a closed range of a space        one discarder; others wait until it is open
 *       pool->demote_lock, or
 *       pool->reclaim_lock             one task at a time that demotes in order, one evictor; with
 *                                      a folio locked only by trylock
 *         folio lock                   state of a frame and its place in the index; a second
 *                                      one only by trylock
 *           a range being unmapped     nobody waits for it
 *           i_mmap_rwsem, PTE locks    inside unmap_mapping_pages() and folio_mkclean()
 *           pool->lock                 index, order, free list: a leaf, no call out but to wake
 *
 *   the registry of policies           which pool follows which; outside pool->lock only
 *
 * References. A frame in the index has one reference, the pool's. A free frame has none and its
 * folio is locked, so a stale pointer to it can neither be referenced nor locked. Lookup takes a
 * reference, locks, and checks that the folio still belongs to the page it looked for.
 */
#ifndef VMDEMO_FRAME_H
#define VMDEMO_FRAME_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "job.h"
#include "policy.h"
#include "stats.h"

/* A key is the space's number above 36 bits of page index: 2^48 bytes a space. */
#define VMDEMO_INDEX_BITS	36
#define VMDEMO_NO_KEY		(~0ULL)
#define VMDEMO_LINEAR_MAX	(1ULL << (VMDEMO_INDEX_BITS + PAGE_SHIFT))

/* Frame numbers above those that the pool can have: for frames that are lent (loan.c). */
#define VMDEMO_LOANS		256U

#define VMDEMO_CHUNK_SHIFT	9
#define VMDEMO_CHUNK_FRAMES	BIT(VMDEMO_CHUNK_SHIFT)

/*
 * For this long after a failed write, in jiffies, pages are written one by one: only bad ones fail.
 */
#define VMDEMO_CAUTION		(10 * HZ)

/* Of a device: one for linear spaces, one to swap to. */
#define VMDEMO_NR_DISKS		2

/* What we know of a loaded frame beside its folio's flags; under the folio lock. */
#define VMDEMO_FRAME_FRESH	BIT(0)	/* its hard fault has not returned to the program */
#define VMDEMO_FRAME_AHEAD	BIT(1)	/* read ahead and not touched yet */
#define VMDEMO_FRAME_WRITTEN	BIT(2)	/* was dirty when its turn to go came */
#define VMDEMO_FRAME_FAILED	BIT(3)	/* a read of this page alone has failed */
#define VMDEMO_FRAME_ZEROS	BIT(4)	/* zeros, about to be written; no slot was reserved yet */

struct vmdemo_frame {
	struct folio *folio;	/* pool lock to write; NULL: no such frame now */
	u64 key;		/* pool lock to write; read without, under RCU or not */
	u32 next;		/* pool lock to write: next in hash chain or free list */
	u32 flags;		/* folio lock */
	struct vmdemo_node node;	/* pool lock: its place in the order */
};

struct vmdemo_chunk {
	struct vmdemo_frame frames[VMDEMO_CHUNK_FRAMES];
	/* Atomic bit operations. Unwritten: dirty, or its write has not ended. */
	DECLARE_BITMAP(unwritten, VMDEMO_CHUNK_FRAMES);
	/* Its write has not ended; set under the folio lock. */
	DECLARE_BITMAP(writing, VMDEMO_CHUNK_FRAMES);
	/* Unwritten when the flusher last looked; only the flusher sets them. */
	DECLARE_BITMAP(aged, VMDEMO_CHUNK_FRAMES);
};

/* A page seen dirty in a frame, to be written. It may have left since: nothing holds it there. */
struct vmdemo_dirty {
	u64 key;
	u32 frame;
};

/* Where the pages of one hash value are found, or were. */
struct vmdemo_bucket {
	u32 head;		/* pool lock to write: first frame of the chain */
	u32 ghost;		/* pool lock: the page evicted last */
};

/* The index: a bucket per frame. Replaced when the pool grows, bucket by bucket. */
struct vmdemo_buckets {
	u64 multiplier;		/* the secret of the hash: see hash.h */
	u32 nr;
	u32 moved;		/* pool lock to write: buckets below are empty: see @next */
	struct vmdemo_buckets *next;
	struct vmdemo_bucket bucket[] __aligned(8);
};

/* Settings of a pool, each written alone and, but for two, read without a lock. */
struct vmdemo_settings {
	u32 reserve;		/* to keep free, or VMDEMO_NONE: by pool size; under lock */
	u32 read_ahead_pages;
	u32 dirty_pct;		/* under lock */
	u32 dirty_age_ms;
	u32 lend_pages;		/* beyond the frames, or VMDEMO_NONE: by pool size */
	u32 space_max_pages;	/* written pages of each space to come; 0: no limit */
	u32 user_max_pages;	/* the same of all spaces of a user, now */
	u32 spaces_per_user;	/* 0: no limit */
};

/* Of a pool: 2 to this; ranges of pages share them by a hash. */
#define VMDEMO_RANGE_BITS	8

struct vmdemo_pool {
	/* immutable */
	struct vmdemo_stats __percpu *stats;
	struct vmdemo_latency __percpu *latency;
	u32 device;			/* number of the device */
	u32 max_frames;
	struct task_struct *thread;
	struct workqueue_struct *flusher;
	struct vmdemo_jobs jobs;	/* of its spaces */

	struct bio_set bios;
	/* Where pages of linear and of sparse spaces go to: by folio_test_swapbacked(). */
	struct vmdemo_backing *disks[VMDEMO_NR_DISKS];

	struct vmdemo_settings set;
	struct vmdemo_chunk **chunks;		/* entries are set once, freed with the pool */
	struct vmdemo_buckets __rcu *buckets;	/* pool lock to change */

	spinlock_t lock;		/* a leaf; what it guards says "under lock" */
	u32 free;			/* under lock: head of the free list */
	u32 kept;			/* under lock: and of another, used when that is empty */
	u32 nr_free;			/* under lock, in both; read anywhere as a hint */
	u32 nr_waiters;			/* under lock: tasks that wait; read as a hint */
	struct list_head waiters;	/* under lock: these, the longest wait first */
	struct list_head served;	/* under lock: those called, and not yet woken */
	struct vmdemo_waiter *watcher;	/* under lock: it looks after the reclaim thread */
	u64 tickets;			/* under lock: the last one given out */
	unsigned long watched_at;	/* under lock to write: jiffies, when a watcher last left */
	unsigned long served_at;	/* the same: when a waiter last got a frame */
	u32 nr_frames;			/* under lock: frames that exist */
	u32 reserve;			/* under lock to write: free frames to keep */
	u32 dirty_limit;		/* under lock to write: unwritten when writers wait */
	u32 dirty_background;		/* the same: when the flusher starts */
	u32 top;			/* under lock; others: vmdemo_pool_top() */
	u32 target;			/* under lock: frames that should exist */
	struct vmdemo_policy policy;	/* under lock */
	struct list_head lent;		/* under lock: orphans (orphan.c) replaced by new pages */
	struct list_head owed;		/* under lock: orphans whose frame does not exist now */
	u32 nr_orphans;			/* under lock: in both */

	kuid_t borrowers[VMDEMO_LOANS];	/* under lock: of the last frames, if they exist */
	u32 loan_cursor;		/* under lock: the one looked at last */

	struct mutex demote_lock;	/* without a reserve one task at a time demotes */
	/* Atomic bit operations: a task unmaps one of the ranges that share the bit. */
	DECLARE_BITMAP(unmapping, 1 << VMDEMO_RANGE_BITS);
	struct mutex reclaim_lock;	/* one evictor at a time */
	bool besieged;			/* reclaim_lock to write: all frames are held */

	atomic_t nr_unwritten;		/* of linear spaces, as nr_cleaning */
	atomic_t nr_cleaning;		/* of these, how many are being written */
	atomic_t nr_writing;		/* all that are being written */
	atomic_t nr_write_waiters;	/* tasks that wait for the end of a frame's write */
	atomic_long_t progress;		/* frames freed and writes that succeeded */
	unsigned long lap_at;		/* reclaim_lock: the next whole lap in vain, in jiffies */
	unsigned long submitting;	/* since when the thread hands over writes, or 0 */
	long stalled_at;		/* progress when somebody last waited in vain, ... */
	unsigned long stalled_until;	/* ... and until when others need not try, in jiffies */
	kuid_t stalled_by;		/* whose attempt that was */
	wait_queue_head_t reclaim_wait;	/* the reclaim thread sleeps here */
	wait_queue_head_t free_wait;	/* a write ended, or a frame became free */
	wait_queue_head_t clean_wait;	/* nr_unwritten fell, or the pool shrank */
	struct delayed_work flush_work;
	struct vmdemo_dirty *flush_batch;	/* flusher only: what it sorts */
	struct vmdemo_node *clean_cursor;	/* flusher only: how far it has come, or NULL */
	unsigned long age_due;		/* flusher only: when it looks at ages again, in jiffies */
	atomic_t flush_kicked;		/* somebody has asked for flush_work at once */
};

/* A block device that is ours. */
struct vmdemo_backing {
	struct vmdemo_bdev handle;	/* immutable while bound; handle.bdev NULL: unbound */
	char *path;
	bool readonly;
	u64 seen_bytes;			/* linear space's inode lock: its size at the last look */
	atomic_t nr_flushes;		/* that have not ended */

	/* How it takes writes; each read without a lock, as a hint. */
	atomic_t writing;		/* bios that have not ended */
	unsigned long moved_at;		/* jiffies: one has ended, or the first begun */
	unsigned long retry_at;		/* jiffies: reclaim writes again, after a failure */
};

/* Slots in a cluster; divides BITS_PER_LONG. */
#define VMDEMO_CLUSTER		16U

/*
 * Where pages of sparse spaces are when they are in no frame: slot n is byte 4096 n of the device.
 * Slot 0 stands for none. Set up when bound; then nobody has the device open.
 */
struct vmdemo_swap {
	struct vmdemo_backing backing;
	u64 nr_slots;			/* immutable while bound; 0: unbound */
	atomic64_t nr_free;		/* slots that no written page has reserved */

	spinlock_t lock;		/* a leaf */
	unsigned long *used;		/* under lock: a bit per slot */
	unsigned long *begun;		/* under lock: a bit per cluster, zero: no slot is in use */
	u64 nr_empty;			/* under lock: how many of these */
	u64 cursor;			/* under lock: where the search for one goes on, a slot */

	struct vmdemo_pool *pool;	/* immutable: counts */
	unsigned long *freed;		/* under lock: a bit per cluster, to be discarded */
	bool discard;			/* a setting, read without a lock */
	bool discard_stop;		/* the worker must stop */
	bool discard_due;		/* under lock: it has yet to look */
	bool discarding;		/* under lock: it is at work */
	struct delayed_work discard_work;
	wait_queue_head_t discard_wait;	/* for both of these to end */
};

struct vmdemo_space {
	/* immutable */
	struct vmdemo_pool *pool;
	struct inode *inode;		/* its i_mmap finds every PTE of the space */
	u64 key;			/* key of page 0 */
	struct vmdemo_backing *backing;
	struct vmdemo_swap *swap;	/* of a sparse space; NULL: linear */

	/* inode lock, read without; linear: only grows while it is bound */
	u64 size_bytes;
	pgoff_t nr_pages;

	/* sparse, immutable: */
	struct vmdemo_space *linear;	/* where segments come from */
	struct vmdemo_user *user;	/* its maker */
	struct vmdemo_segments *segments;	/* NULL: pages anywhere */

	/* sparse: an entry for each page written, its slot or 0: it has none yet */
	struct xarray slots;
	atomic64_t nr_written;
	u64 most_written;		/* immutable: at most this many */
	atomic64_t *room;		/* immutable: what all files of a mount may yet; NULL */
	unsigned long stamped_at;	/* a hint, in jiffies: a store has changed its times */
	bool zeroed;			/* frames were filled with its zeros; never cleared */

	/* under pool->lock: no page of this range can be put into a frame; nr 0: none is closed */
	pgoff_t closed_first;
	pgoff_t closed_nr;

	u32 vain;	/* a hint, without a lock: searches for dense pages in vain, in a row */
};

/* Frame numbers are below. Their chunks are there for a reader without the lock, too. */
static inline u32 vmdemo_pool_top(const struct vmdemo_pool *pool)
{
	return smp_load_acquire(&pool->top); /* before the chunks */
}

static inline struct vmdemo_frame *vmdemo_frame(const struct vmdemo_pool *pool, u32 nr)
{
	return &pool->chunks[nr >> VMDEMO_CHUNK_SHIFT]->frames[nr & (VMDEMO_CHUNK_FRAMES - 1)];
}

/* The frame that @node is the place of. */
static inline struct vmdemo_frame *vmdemo_node_frame(const struct vmdemo_node *node)
{
	return container_of(node, struct vmdemo_frame, node);
}

/*
 * Is a write of frame @nr on its way? Until it ends the frame keeps its page. After a no the caller
 * sees what the last write has left: if it failed, a dirty page.
 */
static inline bool vmdemo_frame_writing(const struct vmdemo_pool *pool, u32 nr)
{
	return test_bit_acquire(nr & (VMDEMO_CHUNK_FRAMES - 1),
				pool->chunks[nr >> VMDEMO_CHUNK_SHIFT]->writing);
}

/* Work out limits from their settings and the number of frames. The pool lock is held. */
static inline void vmdemo_pool_update_limits(struct vmdemo_pool *pool)
{
	u32 frames = pool->nr_frames, set = pool->set.reserve;
	u32 limit = max((u32)((u64)frames * pool->set.dirty_pct / 100), 1U);

	WRITE_ONCE(pool->dirty_limit, limit);
	/* A bit lower, so that writers need not wait and victims are clean. */
	WRITE_ONCE(pool->dirty_background, limit - DIV_ROUND_UP(limit, 16));

	if (set != VMDEMO_NONE)
		WRITE_ONCE(pool->reserve, min(set, frames / 2));
	else
		WRITE_ONCE(pool->reserve, frames < VMDEMO_SMALL_POOL ? 0 : frames / 32);
}

/* The pool has @more frames than before, or fewer; its policy knows. The pool lock is held. */
static inline void vmdemo_pool_count(struct vmdemo_pool *pool, int more)
{
	WRITE_ONCE(pool->nr_frames, pool->nr_frames + more);
	pool->policy.nr_frames = pool->nr_frames;
	vmdemo_pool_update_limits(pool);
}

/* Has the memory of a frame failed? */
static inline bool vmdemo_folio_poisoned(struct folio *folio)
{
	return PageHWPoison(folio_page(folio, 0));
}

/*
 * The page in a frame is gone: clear what the flags say of it, and @more. At once, since a memory
 * failure may set its own flag any time. By PG_arch_1 arm64 notes that the instruction cache agrees
 * with the page, which it would believe of the next one as well.
 */
static inline void vmdemo_folio_forget(struct folio *folio, unsigned long more)
{
	set_mask_bits(vmdemo_folio_flags(folio), BIT(PG_uptodate) | BIT(PG_referenced) |
		      BIT(PG_active) | BIT(PG_swapbacked) | BIT(PG_arch_1) | more, 0UL);
}

/* Number of the frame that @folio, one of ours, is. */
static inline u32 vmdemo_frame_nr(struct folio *folio)
{
	return (u32)(unsigned long)folio->private;
}

static inline struct vmdemo_space *vmdemo_folio_space(struct folio *folio)
{
	return folio->mapping->host->i_private;
}

/* Is locked @folio page @index of @space? It may have been evicted before we had the lock. */
static inline bool vmdemo_space_owns(const struct vmdemo_space *space, struct folio *folio,
				     pgoff_t index)
{
	return folio->mapping == space->inode->i_mapping && folio->index == index;
}

/*
 * Does somebody besides page tables hold @folio? @own references are the caller's, one is the
 * pool's. A hint: the answer may be old at once.
 */
static inline bool vmdemo_folio_pinned(struct folio *folio, int own)
{
	int mapped = atomic_read(&folio->_mapcount) + 1;

	return folio_maybe_dma_pinned(folio) || folio_ref_count(folio) > 1 + own + mapped;
}

#endif /* VMDEMO_FRAME_H */
