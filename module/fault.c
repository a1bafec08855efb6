// SPDX-License-Identifier: GPL-2.0
/*
 * fault.c - page faults: everything that knows a VMA
 *
 * The steps of a page fault, and where they are taken:
 *   1. the access traps, the kernel finds the VMA            (CPU, kernel)
 *   2. is the page resident? if not, a frame is found        (here, access.c, reclaim.c)
 *   3. the page is read into the frame                       (pager.c, block layer)
 *   4. the page table entry is set                           (kernel, on our return)
 *   5. the instruction is executed again                     (CPU)
 *
 * A fault returns the frame's own struct page, locked and referenced. The kernel maps it as it maps
 * a file's page, so fork, copy-on-write, O_DIRECT, futexes and ptrace work as on a file.
 *
 * Waiting, for a read, a write or a frame, happens without the mmap lock or VMA lock wherever the
 * kernel allows that: it is dropped and the fault tried again, since otherwise munmap() and ps(1)
 * would hang behind a slow disk. Without the lock the page is brought all the way, so that the next
 * attempt finds it. ->page_mkwrite() may never drop the lock: what would have to wait there loses
 * its page table entry instead, and comes by ->fault().
 */
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>

#include "access.h"
#include "device.h"
#include "dirty.h"
#include "entry.h"
#include "evict.h"
#include "freelist.h"
#include "grow.h"
#include "hwpoison.h"
#include "index.h"
#include "latency.h"
#include "range.h"
#include "reclaim.h"
#include "segment.h"
#include "swap.h"
#include "trace.h"
#include "writeback.h"

/* A soft fault in a calm pool brings as many pages as for the kernel's own files: 64 KiB. */
#define VMDEMO_VM_NEAR	(SZ_64K / PAGE_SIZE ?: 1)

static DEFINE_PER_CPU(u64, vmdemo_fault_ids);

/* A number for tracing, different from that of all other faults. */
static u64 vmdemo_fault_id(void)
{
	if (!trace_vmdemo_fault_enter_enabled() && !trace_vmdemo_load_enabled() &&
	    !trace_vmdemo_wait_enabled() && !trace_vmdemo_fault_return_enabled())
		return 0;
	return this_cpu_inc_return(vmdemo_fault_ids) * nr_cpu_ids + raw_smp_processor_id();
}

/* There was no page @index: does the device have it by now? */
static noinline bool vmdemo_vm_grown(struct vmdemo_space *space, pgoff_t index)
{
	vmdemo_grow_look(space, false);
	return index < READ_ONCE(space->nr_pages);
}

/*
 * There is no page @index: mremap() may have grown the mapping, sparse spaces may be mapped beyond
 * their end or be truncated, segments may be mapped beyond their limit.
 */
static noinline vm_fault_t vmdemo_vm_invalid(const struct vmdemo_space *space, pgoff_t index)
{
	vmdemo_stat_inc(space->pool, faults_invalid);
	vmdemo_segment_count(space, index, VMDEMO_SEGMENT_ABORTED);
	return space->segments ? VM_FAULT_SIGSEGV : VM_FAULT_SIGBUS;
}

static enum vmdemo_advice vmdemo_vm_advice(const struct vm_area_struct *vma,
					   const struct vmdemo_file *vf)
{
	if (vma->vm_flags & VM_RAND_READ)
		return VMDEMO_ADVICE_RANDOM;
	if (vma->vm_flags & VM_SEQ_READ)
		return VMDEMO_ADVICE_SEQUENTIAL;
	return READ_ONCE(vf->advice);
}

/* Without the locks of the fault, but with the file, which keeps the space. */
static struct file *vmdemo_vm_unlock(struct vm_fault *vmf)
{
	struct file *file = get_file(vmf->vma->vm_file);

	release_fault_lock(vmf);
	return file;
}

/* A fault is over, or an attempt that has brought its page. The file keeps the space still. */
static __always_inline void vmdemo_vm_record(const struct vmdemo_space *space, pgoff_t index,
					     enum vmdemo_latency_kind kind, u64 began)
{
	vmdemo_latency_add(space->pool, kind, began);
	trace_vmdemo_fault(space, index, kind, began);
}

/* May the locks of the fault be dropped, to wait without them? */
static bool vmdemo_vm_may_unlock(const struct vm_fault *vmf)
{
	return (vmf->flags & FAULT_FLAG_ALLOW_RETRY) && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT);
}

/* Will a page of the linear space become dirty by this access, while too many are? */
static bool vmdemo_vm_crowded(const struct vmdemo_access *acc)
{
	return acc->write && !acc->space->swap && vmdemo_writeback_crowded(acc->space->pool);
}

/*
 * The page is not there yet. Either wait here (0: try again), or without the lock (VM_FAULT_RETRY),
 * or fail (VM_FAULT_SIGBUS).
 */
static vm_fault_t vmdemo_vm_wait(struct vm_fault *vmf, struct vmdemo_access *acc)
{
	struct file *file;

	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	if (!vmdemo_vm_may_unlock(vmf))
		return vmdemo_access_wait(acc) ? VM_FAULT_SIGBUS : 0;
	/* Has the attempt before this one waited for a frame in vain? */
	if (acc->again && acc->lack == VMDEMO_LACK_FRAME &&
	    vmdemo_reclaim_stalled(acc->space->pool))
		return VM_FAULT_SIGBUS;
	file = vmdemo_vm_unlock(vmf);
	vmdemo_access_fetch(acc);
	/* With a spare frame, if there is one. */
	vmdemo_access_end(acc);
	if (vmdemo_vm_crowded(acc))
		vmdemo_writeback_pause(acc->space->pool);
	vmdemo_vm_record(acc->space, acc->index, acc->kind, acc->began);
	fput(file);
	/* MAJOR makes the kernel see the next attempt as the second, also after a VMA lock. */
	return VM_FAULT_RETRY | VM_FAULT_MAJOR;
}

/*
 * Hold up a program that makes pages dirty faster than they are written. Its page comes locked, and
 * is released. Once a fault: the next attempt goes on in any case.
 */
static noinline vm_fault_t vmdemo_vm_throttle(struct vm_fault *vmf, struct vmdemo_access *acc)
{
	struct vmdemo_pool *pool = acc->space->pool;
	struct file *file;

	/* The same reference comes back for it: it has been counted. */
	vmdemo_frame(pool, vmdemo_frame_nr(acc->folio))->flags |= VMDEMO_FRAME_FRESH;
	folio_unlock(acc->folio);
	folio_put(acc->folio);
	file = vmdemo_vm_unlock(vmf);
	vmdemo_writeback_pause(pool);
	vmdemo_vm_record(acc->space, acc->index, acc->kind, acc->began);
	fput(file);
	return VM_FAULT_RETRY | VM_FAULT_MAJOR;
}

/* The page could not be had. 0: try again. */
static vm_fault_t vmdemo_vm_failed(struct vm_fault *vmf, struct vmdemo_access *acc,
				   enum vmdemo_tried tried)
{
	switch (tried) {
	case VMDEMO_TRY_WAIT:
		return vmdemo_vm_wait(vmf, acc);
	case VMDEMO_TRY_BEYOND:
		/* A stack that was cut off meanwhile grows again. */
		if (acc->space->segments && vmdemo_segment_reach(acc->space, acc->index))
			return 0;
		return vmdemo_vm_invalid(acc->space, acc->index);
	case VMDEMO_TRY_LOST:
		return VM_FAULT_HWPOISON;
	default:
		/* Unreadable: perhaps the device has become shorter. */
		vmdemo_grow_look(acc->space, false);
		return VM_FAULT_SIGBUS;
	}
}

/* Get the page: VM_FAULT_LOCKED, and it is acc->folio. */
static vm_fault_t vmdemo_vm_get(struct vm_fault *vmf, struct vmdemo_access *acc)
{
	enum vmdemo_tried tried;
	vm_fault_t result;

	while ((tried = vmdemo_access_try(acc)) != VMDEMO_TRY_DONE) {
		result = vmdemo_vm_failed(vmf, acc, tried);
		if (result)
			return result;
	}
	if (vmdemo_vm_crowded(acc) && !folio_test_dirty(acc->folio) && !acc->again &&
	    vmdemo_vm_may_unlock(vmf))
		return vmdemo_vm_throttle(vmf, acc);
	return VM_FAULT_LOCKED;
}

/*
 * A segment that should come as a whole is touched for the first time: start reading it. Waiting
 * for frames is better done without the lock; then the fault is tried again.
 */
static vm_fault_t vmdemo_vm_load_segment(struct vm_fault *vmf, struct vmdemo_space *space,
					 const struct vmdemo_seg *seg)
{
	pgoff_t limit = READ_ONCE(seg->limit), last = vmdemo_seg_end(seg, limit) - 1;
	struct file *file;

	/* It has lost all of them meanwhile. */
	if (!limit)
		return 0;
	if (!vmdemo_vm_may_unlock(vmf)) {
		vmdemo_range_prefetch(space, vmdemo_seg_start(seg, limit), last);
		return 0;
	}
	file = vmdemo_vm_unlock(vmf);
	vmdemo_range_prefetch(space, vmdemo_seg_start(seg, limit), last);
	fput(file);
	return VM_FAULT_RETRY | VM_FAULT_MAJOR;
}

/* A program refers to a page of a space with segments. 0: go on. */
static noinline vm_fault_t vmdemo_vm_enter_segment(struct vm_fault *vmf, struct vmdemo_space *space)
{
	struct vmdemo_seg *seg = vmdemo_segment_reach(space, vmf->pgoff);

	if (!seg)
		return vmdemo_vm_invalid(space, vmf->pgoff);
	if (!(vmf->flags & FAULT_FLAG_TRIED))
		vmdemo_segment_count(space, vmf->pgoff, VMDEMO_SEGMENT_FAULTS);
	if (seg->about.loading == VMDEMO_LOAD_WHOLE && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT) &&
	    vmdemo_segment_first_touch(seg))
		return vmdemo_vm_load_segment(vmf, space, seg);
	return 0;
}

static int vmdemo_vm_make_writable(pte_t *pte, unsigned long addr, void *data)
{
	struct vm_area_struct *vma = data;
	pte_t entry = ptep_get(pte);

	/* Others may have taken it away again meanwhile, but put no other page there. */
	if (pte_present(entry))
		vmdemo_pte_allow(vma->vm_mm, addr, pte, pte_mkwrite_novma(pte_mkdirty(entry)));
	return 0;
}

/* Release pages that have been mapped, or will not be. */
static void vmdemo_vm_release(struct page **pages, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (!pages[i])
			continue;
		/* The lock keeps the page. Unlocked with this reference it would look held. */
		put_page(pages[i]);
		unlock_page(pages[i]);
	}
}

/*
 * A sequence is proven: map resident pages that follow with the one that faulted. For a sequence of
 * writes they are made dirty and writable, as if each had gone through page_mkwrite: the folio
 * locks are held until the PTEs are set. All within the page table that the fault needs anyway.
 */
static noinline_for_stack void vmdemo_vm_map_around(struct vm_fault *vmf, struct vmdemo_access *acc)
{
	struct vm_area_struct *vma = vmf->vma;
	bool write = acc->write;
	unsigned long addr = (vmf->address & PAGE_MASK) + PAGE_SIZE;
	unsigned long most = (min(vma->vm_end, ALIGN(addr, PMD_SIZE)) - addr) >> PAGE_SHIFT;
	struct vmdemo_pool *pool = acc->space->pool;
	struct page *pages[VMDEMO_AROUND_MAX];
	u32 i, nr, run = VMDEMO_AROUND_MAX;
	unsigned long missed, mapped;

	/* A userfaultfd listener must hear of each page. */
	if (userfaultfd_armed(vma))
		return;
	/* A private page that is written is copied: that needs its own fault. */
	if ((vmf->flags & FAULT_FLAG_WRITE) &&
	    (!write || (!acc->space->swap && vmdemo_writeback_near_limit(pool, acc->plan.around))))
		return;
	most = min_t(unsigned long, most, acc->plan.around);
	nr = vmdemo_index_get_run(acc->space, acc->index + 1, most, write, pages);
	/* What was never written has no slot reserved. Locked, they do not change that. */
	if (write && acc->space->swap)
		run = vmdemo_swap_run(acc->space, acc->index + 1, nr, false);
	if (nr > run) {
		vmdemo_vm_release(pages + run, nr - run);
		nr = run;
	}
	if (!nr)
		return;
	/* For reading, at first. Stops at the first that is mapped already. */
	missed = nr;
	vm_insert_pages(vma, addr, pages, &missed);
	mapped = nr - missed;
	for (i = 0; write && i < mapped; i++)
		vmdemo_dirty_set(pool, page_folio(pages[i]));
	if (write && mapped)
		apply_to_page_range(vma->vm_mm, addr, mapped << PAGE_SHIFT,
				    vmdemo_vm_make_writable, vma);
	vmdemo_vm_release(pages, nr);
	vmdemo_readahead_mapped(acc->streams, acc->plan.stream, acc->index, mapped);
	vmdemo_stat_add(pool, fault_around_pages, mapped);
	if (write)
		vmdemo_stat_add(pool, write_around_pages, mapped);
}

/*
 * A resident page was touched that was not mapped, and so were many before: map the active pages
 * around it as well, for reading. All within the page table, which is there.
 */
static noinline_for_stack void vmdemo_vm_map_near(struct vm_fault *vmf, struct vmdemo_access *acc)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = vmf->address & PAGE_MASK;
	unsigned long window = round_down(addr, VMDEMO_VM_NEAR * PAGE_SIZE);
	unsigned long first = max(window, vma->vm_start);
	unsigned long end = min(window + VMDEMO_VM_NEAR * PAGE_SIZE, vma->vm_end);
	u32 nr = (end - first) >> PAGE_SHIFT, self = (addr - first) >> PAGE_SHIFT, i, run;
	struct page *pages[VMDEMO_VM_NEAR];
	unsigned long left, mapped = 0;
	int err = 0;

	/* A userfaultfd listener must hear of each page. */
	if (userfaultfd_armed(vma) || pmd_none(READ_ONCE(*vmf->pmd)) ||
	    !vmdemo_index_get_near(acc->space, acc->index - self, nr, self, pages))
		return;
	for (i = 0; i < nr && (!err || err == -EBUSY); i++) {
		for (run = 0; i + run < nr && pages[i + run]; run++)
			;
		left = run;
		err = run ? vm_insert_pages(vma, first + i * PAGE_SIZE, pages + i, &left) : 0;
		mapped += run - left;
		/* The next one has no page here, or was mapped already. */
		i += run - left;
	}
	for (run = 0; self + 1 + run < nr && pages[self + 1 + run]; run++)
		;
	if (acc->plan.stream && i >= nr)
		vmdemo_readahead_mapped(acc->streams, acc->plan.stream, acc->index, run);
	vmdemo_vm_release(pages, nr);
	vmdemo_stat_add(acc->space->pool, fault_around_pages, mapped);
}

/* Does the fault map the neighbours of its page? */
static bool vmdemo_vm_brings_near(const struct vm_fault *vmf, const struct vmdemo_access *acc)
{
	const struct vmdemo_pool *pool = acc->space->pool;

	return acc->near && !(vmf->flags & FAULT_FLAG_WRITE) && vmdemo_free_reserve(pool) &&
	       READ_ONCE(pool->set.read_ahead_pages);
}

/* Can there be such a page? 0: go on. */
static vm_fault_t vmdemo_vm_check(struct vm_fault *vmf, struct vmdemo_space *space)
{
	if (vmf->pgoff >= READ_ONCE(space->nr_pages) && !vmdemo_vm_grown(space, vmf->pgoff))
		return vmdemo_vm_invalid(space, vmf->pgoff);
	return unlikely(space->segments) ? vmdemo_vm_enter_segment(vmf, space) : 0;
}

static vm_fault_t vmdemo_vm_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vmdemo_file *vf = vma->vm_file->private_data;
	struct vmdemo_access acc = VMDEMO_ACCESS_INIT(vf->space, vmf->pgoff, VMDEMO_ASK_FAULT);
	u32 frame = VMDEMO_NONE;
	vm_fault_t result;

	acc.began = vmdemo_clock();
	acc.write = (vmf->flags & FAULT_FLAG_WRITE) && (vma->vm_flags & VM_SHARED);
	acc.again = vmf->flags & FAULT_FLAG_TRIED;
	acc.id = vmdemo_fault_id();
	acc.streams = &vf->streams;
	acc.advice = vmdemo_vm_advice(vma, vf);
	trace_vmdemo_fault_enter(vf->space, acc.id, acc.index, vmf->flags);

	result = vmdemo_vm_check(vmf, vf->space);
	if (!result) {
		if ((vmf->flags & FAULT_FLAG_WRITE) && !acc.write && !acc.again)
			vmdemo_stat_inc(vf->space->pool, faults_cow);
		result = vmdemo_vm_get(vmf, &acc);
	}
	if (result == VM_FAULT_LOCKED) {
		vmf->page = folio_page(acc.folio, 0);
		frame = vmdemo_frame_nr(acc.folio);
		if (acc.plan.around)
			vmdemo_vm_map_around(vmf, &acc);
		else if (vmdemo_vm_brings_near(vmf, &acc))
			vmdemo_vm_map_near(vmf, &acc);
	}
	if (acc.loaded && !(result & VM_FAULT_ERROR))
		result |= VM_FAULT_MAJOR;
	trace_vmdemo_fault_return(vf->space, acc.id, acc.index, (__force unsigned int)result,
				  frame);
	vmdemo_access_end(&acc);
	if (!(result & VM_FAULT_RETRY))
		vmdemo_vm_record(vf->space, acc.index, acc.kind, acc.began);
	return result;
}

/*
 * A resident page is about to be written, and the writer has to wait: unmap the page, so that the
 * access comes by ->fault(), which may wait without the lock.
 */
static noinline vm_fault_t vmdemo_vm_come_again(struct vmdemo_space *space, pgoff_t index)
{
	vmdemo_evict_unmap(space, index, index);
	return VM_FAULT_NOPAGE;
}

/* A page of a sparse space is about to be written: it gets a slot, and the file its times. */
static int vmdemo_vm_store_sparse(struct vm_fault *vmf, struct vmdemo_space *space,
				  struct folio *folio)
{
	int err = vmdemo_swap_reserve_slot(space, folio);
	unsigned long now = jiffies;

	/* The clock of file times moves no faster. */
	if (!err && READ_ONCE(space->stamped_at) != now) {
		WRITE_ONCE(space->stamped_at, now);
		file_update_time(vmf->vma->vm_file);
	}
	return err;
}

/*
 * A shared page is about to be written. The folio lock, taken here and held until the PTE is set,
 * keeps writeback from cleaning the page in between.
 */
static vm_fault_t vmdemo_vm_page_mkwrite(struct vm_fault *vmf)
{
	struct vmdemo_file *vf = vmf->vma->vm_file->private_data;
	struct vmdemo_space *space = vf->space;
	struct folio *folio = page_folio(vmf->page);
	/* Mapped nowhere it comes from ->fault(), which has held up the writer and is timed. */
	bool mapped = folio_mapped(folio);
	u64 began = mapped ? vmdemo_clock() : 0;
	int err;

	if (!space->swap && mapped && !folio_test_dirty(folio) &&
	    vmdemo_writeback_crowded(space->pool))
		return vmdemo_vm_come_again(space, vmf->pgoff);
	folio_lock(folio);
	if (!vmdemo_space_owns(space, folio, vmf->pgoff)) {
		folio_unlock(folio);
		return VM_FAULT_NOPAGE;
	}
	/* Stable pages: what is being written does not change. */
	if (vmdemo_frame_writing(space->pool, vmdemo_frame_nr(folio))) {
		folio_unlock(folio);
		return vmdemo_vm_come_again(space, vmf->pgoff);
	}
	vmdemo_stat_inc(space->pool, faults_mkwrite);
	if (vmdemo_folio_poisoned(folio)) {
		bool lost = vmdemo_hwpoison_leave(space->pool, folio);

		folio_unlock(folio);
		return lost ? VM_FAULT_HWPOISON : VM_FAULT_NOPAGE;
	}
	err = space->swap ? vmdemo_vm_store_sparse(vmf, space, folio) : 0;
	if (err) {
		folio_unlock(folio);
		/* As with anonymous memory: the kernel finds some, or kills somebody. */
		return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	}
	vmdemo_dirty_set(space->pool, folio);
	if (mapped)
		vmdemo_vm_record(space, vmf->pgoff, VMDEMO_LATENCY_MKWRITE, began);
	return VM_FAULT_LOCKED;
}

/*
 * Neighbours are not mapped from here, as the first touch of a page must be seen while pages come
 * and go. But from 6.6 on the kernel takes only the VMA lock for a fault where this is set.
 */
static vm_fault_t __maybe_unused vmdemo_vm_map_pages(struct vm_fault *vmf, pgoff_t start,
						     pgoff_t end)
{
	return 0;
}

static const struct vm_operations_struct vmdemo_vm_ops = {
	.fault		= vmdemo_vm_fault,
	.page_mkwrite	= vmdemo_vm_page_mkwrite,
	.map_pages	= VMDEMO_MAP_PAGES(vmdemo_vm_map_pages),
};

/*
 * Does the mapping cover a segment, or a part of one, with no more than its protection? Then it
 * stays so: it does not grow, and mprotect(2) cannot add to its protection.
 */
static bool vmdemo_vm_in_segment(const struct vmdemo_space *space, struct vm_area_struct *vma)
{
	const struct vmdemo_seg *seg = vmdemo_segment_next(space, vma->vm_pgoff);
	vm_flags_t allowed;

	if (!seg || vma->vm_pgoff < seg->first ||
	    vma_pages(vma) > seg->first + seg->bound - vma->vm_pgoff)
		return false;
	/* PROT_READ is VM_READ, and so on. */
	allowed = seg->about.prot;
	if (vma->vm_flags & VM_ACCESS_FLAGS & ~allowed)
		return false;
	vm_flags_clear(vma, (VM_ACCESS_FLAGS & ~allowed) << 4);
	vm_flags_set(vma, VM_DONTEXPAND);
	return true;
}

/**
 * vmdemo_vm_mmap - map part of a space
 * @file: open device, or sparse space
 * @vma:  the new mapping
 *
 * Context: the mmap lock is held for writing. Returns 0, -EINVAL beyond the end of the device,
 * -EACCES for a shared writable mapping of a read-only one, or for more than a segment allows.
 */
int vmdemo_vm_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vmdemo_file *vf = file->private_data;
	struct vmdemo_space *space = vf->space;

	/* A sparse space may grow yet. */
	if (!space->swap) {
		pgoff_t end = vma->vm_pgoff + vma_pages(vma);

		if (end > READ_ONCE(space->nr_pages))
			vmdemo_grow_look(space, false);
		if (end > READ_ONCE(space->nr_pages) || end < vma->vm_pgoff)
			return -EINVAL;
	}
	if (vmdemo_space_readonly(space) && (vma->vm_flags & VM_SHARED)) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		vm_flags_clear(vma, VM_MAYWRITE);
	}
	if (space->segments && !vmdemo_vm_in_segment(space, vma))
		return -EACCES;
	/* Our pages are ordinary pages, but on no LRU list: VM_MIXEDMAP allows that. */
	vm_flags_set(vma, VM_MIXEDMAP);
	vma->vm_ops = &vmdemo_vm_ops;
	return 0;
}
