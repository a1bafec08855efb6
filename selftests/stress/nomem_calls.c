// SPDX-License-Identifier: GPL-2.0
/*
 * nomem_calls.c - the calls whose allocations fail: each returns 0 or -errno; see nomem.h
 */
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "nomem.h"

struct work work;

/* the linear space */

int do_stop(void)
{
	vt_stop();
	return 0;
}

int do_load(void)
{
	char params[128];

	snprintf(params, sizeof(params), "backing=%s frames=%d", work.disk, work.frames);
	return syscall(SYS_finit_module, work.ko, params, 0) ? -errno : 0;
}

int do_start(void)
{
	if (vt_loaded())
		return 0;
	return do_load();
}

int do_unload(void)
{
	return vt_try_unload();
}

int do_open(void)
{
	int fd = open(VT_DEV, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Unmapping can fail as well, where anything can; but not twice. */
static int unmap(char *mem, size_t pages)
{
	int error = munmap(mem, pages * VT_PAGE) ? -errno : 0;

	if (error && munmap(mem, pages * VT_PAGE))
		vt_fail("munmap: %s", strerror(errno));
	return error;
}

int do_map(void)
{
	char *mem = mmap(NULL, PAGES * VT_PAGE, VT_RW, MAP_SHARED, work.fd, 0);

	if (mem == MAP_FAILED)
		return -errno;
	return unmap(mem, PAGES);
}

int do_evict(void)
{
	return vt_range(work.fd, VMDEMO_IOC_EVICT, 0, PAGES, NULL);
}

/* SIGBUS is what says ENOMEM here. */
int do_read_fault(void)
{
	if (vt_try_read(work.mem + work.page * VT_PAGE, NULL))
		return -ENOMEM;
	return vt_check(work.mem + work.page * VT_PAGE, work.page, SEED) < 0 ? 0 : -EILSEQ;
}

int do_write_fault(void)
{
	return vt_try_write(work.mem + work.page * VT_PAGE, NULL) ? -ENOMEM : 0;
}

int do_restore(void)
{
	vt_fill(work.mem + work.page * VT_PAGE, work.page, SEED);
	return 0;
}

/* A page table of its own, and a fault that maps others around it. */
int do_fresh_sequence(void)
{
	char *mem = mmap(NULL, PAGES * VT_PAGE, VT_RW, MAP_SHARED, work.fd, 0);
	int error = 0, i;

	if (mem == MAP_FAILED)
		return -errno;
	for (i = 0; i < 40 && !error; i++) {
		error = vt_try_write(mem + i * VT_PAGE, NULL) ? -ENOMEM : 0;
		if (!error)
			vt_fill(mem + i * VT_PAGE, i, SEED);
	}
	return unmap(mem, PAGES) ?: error;
}

int do_private_write(void)
{
	char *mem = mmap(NULL, VT_PAGE, VT_RW, MAP_PRIVATE, work.fd, 0);
	int error;

	if (mem == MAP_FAILED)
		return -errno;
	error = vt_try_write(mem, NULL) ? -ENOMEM : 0;
	return unmap(mem, 1) ?: error;
}

int do_dirty(void)
{
	int i;

	for (i = 0; i < 32; i++)
		vt_fill(work.mem + i * 3 * VT_PAGE, i * 3, SEED);
	return 0;
}

int do_msync(void)
{
	return msync(work.mem, PAGES * VT_PAGE, MS_SYNC) ? -errno : 0;
}

int do_fsync(void)
{
	return fsync(work.fd) ? -errno : 0;
}

int do_pread(void)
{
	ssize_t got = pread(work.fd, work.buffer, 8 * VT_PAGE, 5 * VT_PAGE + 100);

	return got < 0 ? -errno : got ? 0 : -ENODATA;
}

int do_pwrite(void)
{
	ssize_t put;

	vt_fill(work.buffer, work.page, SEED);
	put = pwrite(work.fd, work.buffer, VT_PAGE, work.page * VT_PAGE);
	return put < 0 ? -errno : put == VT_PAGE ? 0 : -ENODATA;
}

int do_prefetch(void)
{
	return vt_range(work.fd, VMDEMO_IOC_PREFETCH, 0, 64, NULL);
}

int do_discard(void)
{
	return vt_range(work.fd, VMDEMO_IOC_DISCARD, PAGES, 8, NULL);
}

int do_pagemap(void)
{
	static struct vmdemo_page map[PAGES];

	return vt_pagemap(work.fd, 0, PAGES, map);
}

int do_restart(void)
{
	vt_load("backing=%s frames=508", work.disk);
	return 0;
}

/* Beyond 512 it takes another chunk of frames, and larger tables: what a pool has, it keeps. */
int do_grow(void)
{
	return vt_set("frames", "516");
}

int do_shrink(void)
{
	return vt_set("frames", "508");
}

int do_policy(void)
{
	static int next;

	return vt_set("policy", "%s", vt_policies[++next % vt_nr_policies]);
}

int do_detach(void)
{
	return vt_set("backing", "none");
}

int do_attach(void)
{
	return vt_set("backing", "%s", work.disk);
}

int do_attach_if_not(void)
{
	return strcmp(vt_show("backing"), "none") ? 0 : do_attach();
}

int do_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(vt_check(work.mem, 0, SEED) >= 0);
	return vt_reap(pid) ? -EILSEQ : 0;
}

/* sparse spaces */

/* Some of the pages come with the space, some grow. */
static const struct vmdemo_segment table[SEGMENTS] = {
	[SEG_DATA] = {
		.name = "data", .bound = 32 * VT_PAGE, .limit = 32 * VT_PAGE,
		.prot = VT_RW, .loading = VMDEMO_LOAD_UPFRONT, .flags = VMDEMO_SEGMENT_ORIGIN,
	},
	[SEG_HEAP] = {
		.name = "heap", .base = 64 * VT_PAGE, .bound = 256 * VT_PAGE,
		.prot = VT_RW, .growth = VMDEMO_GROW_UP,
	},
	[SEG_STACK] = {
		.name = "stack", .base = 448 * VT_PAGE, .bound = 64 * VT_PAGE,
		.prot = VT_RW, .growth = VMDEMO_GROW_DOWN,
	},
};

static int make_space(__u32 nr_segments)
{
	struct vmdemo_space_args args = {
		.size = SPARSE_BYTES,
		.segments = (uintptr_t)table,
		.nr_segments = nr_segments,
		.flags = VMDEMO_SPACE_CLOEXEC,
	};

	work.space = ioctl(work.fd, VMDEMO_IOC_SPACE, &args);
	return work.space < 0 ? -errno : 0;
}

/* Whatever failed meanwhile, a space that has gone has left nothing. */
int drop_space(void)
{
	const __u64 slots = vt_get("swap_slots");

	if (work.sparse)
		munmap(work.sparse, SPARSE_BYTES);
	work.sparse = NULL;
	if (work.space >= 0)
		close(work.space);
	work.space = -1;
	return vt_wait_stat("swap_free", slots, slots, 20) ? 0 : -EUCLEAN;
}

void need_space(__u32 nr_segments)
{
	if (make_space(nr_segments))
		vt_fail("no space: %s", strerror(errno));
	if (!nr_segments)
		work.sparse = vt_map(work.space, 0, SPARSE, VT_RW, MAP_SHARED);
}

/* A module that has swap as well. The RAM disk gets its pages now: they are not ours to ask for. */
void start_with_swap(void)
{
	munmap(work.mem, PAGES * VT_PAGE);
	close(work.fd);
	vt_stop();
	vt_disk_fill(vt_disk2(), 0, SWAP_PAGES, SEED);
	vt_load("backing=%s swap=%s frames=%d", work.disk, vt_disk2(), FRAMES);
	work.fd = vt_open(O_RDWR);
	work.mem = vt_map(work.fd, 0, PAGES, VT_RW, MAP_SHARED);
}

int do_space(void)
{
	int error = make_space(0);

	return error ?: drop_space();
}

int do_segments(void)
{
	int error = make_space(SEGMENTS);

	return error ?: drop_space();
}

bool has_pages(__u64 nr)
{
	struct stat st;

	return !fstat(work.space, &st) && st.st_blocks == (blkcnt_t)nr * 8 &&
	       vt_stat("swap_free") == vt_get("swap_slots") - nr;
}

/* Page @page should be one that was never written, far from any that was. */
int do_punch_all(void)
{
	if (fallocate(work.space, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SPARSE_BYTES))
		return -errno;
	return has_pages(0) ? 0 : -EUCLEAN;
}

int do_first_store(void)
{
	if (vt_try_write(work.sparse + work.page * VT_PAGE, NULL))
		return -ENOMEM;
	return has_pages(1) ? 0 : -EUCLEAN;
}

int do_first_write(void)
{
	int error = pwrite(work.space, "x", 1, work.page * VT_PAGE) == 1 ? 0 : -errno;

	return has_pages(error ? 0 : 1) ? error : -EUCLEAN;
}

/* All of it written, most of it out. */
int do_fill_space(void)
{
	size_t i;

	for (i = 0; i < SPARSE; i++)
		vt_fill(work.sparse + i * VT_PAGE, i, SEED + 1);
	return has_pages(SPARSE) ? 0 : -EUCLEAN;
}

int do_evict_space(void)
{
	return vt_range(work.space, VMDEMO_IOC_EVICT, 0, SPARSE, NULL);
}

int do_fill_and_evict(void)
{
	return do_fill_space() ?: do_evict_space();
}

int do_swap_in(void)
{
	if (vt_try_read(work.sparse + work.page * VT_PAGE, NULL))
		return -ENOMEM;
	return vt_check(work.sparse + work.page * VT_PAGE, work.page, SEED + 1) < 0 ? 0 : -EILSEQ;
}

/* From the middle of a page to the middle of another: both come in for it. */
int do_punch(void)
{
	if (fallocate(work.space, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100,
		      300 * VT_PAGE))
		return -errno;
	return has_pages(SPARSE - 299) ? 0 : -EUCLEAN;
}

int do_prepare_release(void)
{
	need_space(0);
	return do_fill_space();
}

static int set_limit(__u64 pages)
{
	struct vmdemo_segment_limit limit = { .number = SEG_HEAP, .limit = pages * VT_PAGE };

	return ioctl(work.space, VMDEMO_IOC_LIMIT, &limit) ? -errno : 0;
}

int do_grow_heap(void)
{
	return set_limit(256);
}

int do_cut_heap(void)
{
	return set_limit(0) ?: has_pages(0) ? 0 : -EUCLEAN;
}

int do_fill_heap(void)
{
	size_t i;

	if (do_grow_heap())
		return -1;
	for (i = 64; i < 64 + 256; i++)
		if (pwrite(work.space, work.buffer, VT_PAGE, i * VT_PAGE) != (ssize_t)VT_PAGE)
			return -1;
	return has_pages(256) ? 0 : -EUCLEAN;
}

int do_swap_detach(void)
{
	return vt_set("swap", "none");
}

int do_swap_attach(void)
{
	return vt_set("swap", "%s", vt_disk2());
}

int do_swap_attach_if_not(void)
{
	return strcmp(vt_show("swap"), "none") ? 0 : do_swap_attach();
}
