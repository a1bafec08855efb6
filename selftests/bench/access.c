// SPDX-License-Identifier: GPL-2.0
/*
 * access.c - the device that is measured, and what is timed
 */
#include <linux/fs.h>

#include "bench.h"

static char *maps[MAX_VMAS];
static int fd = -1;
__u64 sink;		/* what is read must be used */

static int open_device(void)
{
	int f = open(run.path, O_RDWR | O_CLOEXEC | (run.target == DIRECT ? O_DIRECT : 0));

	if (f < 0)
		fail("%s: %s", run.path, strerror(errno));
	return f;
}

/* A new space in place of the device. */
static int open_space(void)
{
	struct vmdemo_space_args args = { .size = run.pages * PAGE, .flags = VMDEMO_SPACE_CLOEXEC };
	int dev = open_device(), f = ioctl(dev, VMDEMO_IOC_SPACE, &args);

	if (f < 0)
		fail("%s: no space: %s", run.path, strerror(errno));
	close(dev);
	return f;
}

static char *map_device(int f)
{
	int kind = run.target == SWAP ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	char *map = mmap(NULL, run.pages * PAGE, PROT_READ | PROT_WRITE, kind | MAP_NORESERVE,
			 f, 0);

	if (map == MAP_FAILED)
		fail("%s: mmap of %zu pages: %s", run.path, run.pages, strerror(errno));
	return map;
}

static int madvice(void)
{
	if (!strcmp(run.advice, "random"))
		return MADV_RANDOM;
	if (!strcmp(run.advice, "sequential"))
		return MADV_SEQUENTIAL;
	if (strcmp(run.advice, "none"))
		fail("--advice takes none, random or sequential, not '%s'", run.advice);
	return MADV_NORMAL;
}

/* Each target's best, found by trying. Zipf rows are about what happens without advice. */
const char *default_advice(void)
{
	if (run.row.kind == UNIFORM || run.row.kind == RESIDENT_RANDOM || run.row.kind == LATENCY ||
	    run.row.kind == MSYNC_SCATTERED)
		return "random";
	if (run.target == MMAP && (run.row.kind == SEQUENTIAL || run.row.kind == MSYNC_RUN))
		return "sequential";
	return "none";
}

/* Nothing is resident at first. A block device's cache goes when its last user closes it, too. */
static void forget_residents(void)
{
	struct vmdemo_range range = { .offset = 0, .length = run.pages * PAGE };

	if (run.target == VMDEMO && ioctl(fd, VMDEMO_IOC_EVICT, &range))
		fail("%s: EVICT: %s", run.path, strerror(errno));
	if (run.target == MMAP)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void enter_cgroup(void)
{
	char file[512];
	int f;

	snprintf(file, sizeof(file), "%s/cgroup.procs", run.cgroup);
	f = open(file, O_WRONLY);
	if (f < 0 || write(f, "0", 1) != 1)
		fail("%s: %s", file, strerror(errno));
	close(f);
}

size_t device_pages(void)
{
	__u64 bytes = 0;
	int f = open(run.path, O_RDONLY | O_CLOEXEC);

	if (f < 0)
		fail("%s: %s", run.path, strerror(errno));
	if (run.target == VMDEMO) {
		struct vmdemo_info info = { .size = sizeof(info) };

		if (ioctl(f, VMDEMO_IOC_INFO, &info))
			fail("%s: INFO: %s", run.path, strerror(errno));
		bytes = info.size_bytes;
	} else if (ioctl(f, BLKGETSIZE64, &bytes)) {
		fail("%s: %s", run.path, strerror(errno));
	}
	close(f);
	return bytes / PAGE;
}

int fill_device(void)
{
	size_t chunk = 256, page;
	char *buffer = memory(chunk * PAGE);
	int f = open(run.path, O_WRONLY | O_DIRECT | O_EXCL | O_CLOEXEC);

	if (f < 0 && errno == EBUSY)
		fail("%s is in use: something is mounted from it, or has claimed it", run.path);
	if (f < 0)
		fail("%s: %s", run.path, strerror(errno));
	memset(buffer, FILL_BYTE, chunk * PAGE);
	for (page = 0; page < run.pages; page += chunk)
		if (pwrite(f, buffer, chunk * PAGE, page * PAGE) != (ssize_t)(chunk * PAGE))
			fail("%s: write: %s", run.path, strerror(errno));
	return fsync(f);
}

/* Memory that was never written is nowhere. */
static void write_all(void)
{
	size_t page;

	for (page = 0; page < run.pages; page++)
		__atomic_store_n((__u64 *)(maps[0] + page * PAGE), page + 1, __ATOMIC_RELAXED);
}

void map_target(void)
{
	int advice = madvice();
	unsigned int i;

	if (run.cgroup)
		enter_cgroup();
	if (!is_memory())
		fd = open_device();
	else if (run.target == SPACE)
		fd = open_space();
	forget_residents();
	for (i = 0; i < run.vmas && run.target != DIRECT; i++) {
		maps[i] = map_device(fd);
		if (advice != MADV_NORMAL && madvise(maps[i], run.pages * PAGE, advice))
			fail("%s: madvise: %s", run.path, strerror(errno));
	}
	/* Large pages are another matter. */
	if (run.target == SWAP)
		madvise(maps[0], run.pages * PAGE, MADV_NOHUGEPAGE);
	if (is_memory() && run.row.kind != ZERO_FILL)
		write_all();
}

static void access_mapped(const __u32 *in, unsigned int n)
{
	unsigned int vmas = run.vmas, i;
	__u64 sum = 0;

	for (i = 0; i < n; i++) {
		__u64 *word = (__u64 *)(maps[i % vmas] + (in[i] >> 1) * PAGE);

		if (in[i] & 1)
			__atomic_store_n(word, i, __ATOMIC_RELAXED);
		else
			sum += __atomic_load_n(word, __ATOMIC_RELAXED);
	}
	if (run.verify && sum != n * FILL_WORD)
		fail("%s: not what was written there", run.path);
	sink = sum;
}

static void access_direct(const __u32 *in, unsigned int n, __u64 *buffer)
{
	bool blocks = run.row.kind == SEQUENTIAL || run.row.kind == MSYNC_RUN;
	size_t step = PAGE / sizeof(*buffer);
	unsigned int block = blocks ? BLOCK_PAGES : 1, i, j;
	__u64 sum = 0;
	ssize_t done;

	for (i = 0; i < n; i += block) {
		off_t at = (in[i] >> 1) * PAGE;

		if (in[i] & 1) {
			for (j = 0; j < block; j++)
				__atomic_store_n(buffer + j * step, i, __ATOMIC_RELAXED);
			done = pwrite(fd, buffer, block * PAGE, at);
		} else {
			done = pread(fd, buffer, block * PAGE, at);
			for (j = 0; j < block; j++)
				sum += __atomic_load_n(buffer + j * step, __ATOMIC_RELAXED);
		}
		if (done != (ssize_t)(block * PAGE))
			fail("%s: at %lld: %s", run.path, (long long)at, strerror(errno));
	}
	sink = sum;
}

void access_pages(const __u32 *in, unsigned int n, __u64 *buffer)
{
	if (run.target == DIRECT)
		access_direct(in, n, buffer);
	else
		access_mapped(in, n);
}

/* A region of half the pool, again and again; dropping the PTEs is not timed. */
static void resident(struct worker *w, unsigned int rep)
{
	unsigned int region = run.frames / 2, pass;
	__u32 *order = sequence[0];
	__u64 begin;

	if (!rep)
		access_mapped(order, region);
	for (pass = 0; pass < run.ops / region; pass++) {
		if (!run.row.keep_ptes && madvise(maps[0], region * PAGE, MADV_DONTNEED))
			fail("MADV_DONTNEED: %s", strerror(errno));
		begin = now();
		access_mapped(order, region);
		w->ns[rep] += now() - begin;
		w->ops[rep] += region;
	}
}

static void read_mapped(const __u32 *in, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		sink = __atomic_load_n(maps[0] + (in[i] >> 1) * PAGE, __ATOMIC_RELAXED);
}

/*
 * A quarter of the pool is made resident, which is not timed; then made dirty and synced. Both are
 * timed together, as what is written in between by somebody in the background costs as much.
 */
static void sync_dirty(struct worker *w, unsigned int rep, __u64 *buffer)
{
	unsigned int dirty = run.frames / 4 / BLOCK_PAGES * BLOCK_PAGES, pass;
	__u64 begin;

	for (pass = 0; pass < run.ops / dirty; pass++) {
		const __u32 *in = sequence[0] + run.warmup + rep * run.ops + pass * dirty;

		if (run.target != DIRECT)
			read_mapped(in, dirty);
		begin = now();
		if (run.target == DIRECT) {
			access_direct(in, dirty, buffer);
			if (fdatasync(fd))
				fail("%s: fdatasync: %s", run.path, strerror(errno));
		} else {
			access_mapped(in, dirty);
			if (msync(maps[0], run.pages * PAGE, MS_SYNC))
				fail("%s: msync: %s", run.path, strerror(errno));
		}
		w->ns[rep] += now() - begin;
		w->ops[rep] += dirty;
	}
}

/* A region of half the pool, again and again; forgetting it is not timed. */
static void zero_fill(struct worker *w, unsigned int rep)
{
	int forget = run.target == SPACE ? MADV_REMOVE : MADV_DONTNEED;
	unsigned int region = run.frames / 2, pass;
	__u64 begin;

	for (pass = 0; pass < run.ops / region; pass++) {
		const __u32 *in = sequence[0] + rep * run.ops + pass * region;

		if (madvise(maps[0], run.pages * PAGE, forget))
			fail("forgetting pages: %s", strerror(errno));
		begin = now();
		access_mapped(in, region);
		w->ns[rep] += now() - begin;
		w->ops[rep] += region;
	}
}

static void first_byte(struct worker *w, unsigned int rep, __u64 *buffer)
{
	const __u32 *in = sequence[0] + run.warmup + rep * run.ops;
	unsigned int i;

	for (i = 0; i < run.ops; i++) {
		__u64 begin = now();
		int f = open_device();
		char *map = NULL;

		if (run.target == DIRECT) {
			if (pread(f, buffer, PAGE, (in[i] >> 1) * PAGE) != (ssize_t)PAGE)
				fail("%s: %s", run.path, strerror(errno));
			sink = *buffer;
		} else {
			map = map_device(f);
			sink = __atomic_load_n(map + (in[i] >> 1) * PAGE, __ATOMIC_RELAXED);
		}
		w->ns[rep] += now() - begin;
		w->ops[rep]++;
		if (map)
			munmap(map, run.pages * PAGE);
		close(f);
	}
}

/* Worker 0 reads, and times each; the others write until it is through. */
static void read_beside_writers(unsigned int number, unsigned int rep)
{
	const __u32 *in = sequence[number] + run.warmup + rep * run.ops;
	unsigned int i;

	if (number) {
		for (i = 0; !__atomic_load_n(&shared->stop, __ATOMIC_RELAXED); i++)
			access_mapped(in + i % run.ops, 1);
		return;
	}
	for (i = 0; i < run.ops; i++) {
		__u64 begin = now();

		access_mapped(in + i, 1);
		latencies[rep * run.ops + i] = now() - begin;
	}
	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
}

void one_repetition(unsigned int number, unsigned int rep, __u64 *buffer)
{
	struct worker *w = &shared->worker[number];

	switch (run.row.kind) {
	case RESIDENT:
	case RESIDENT_RANDOM:
		resident(w, rep);
		break;
	case MSYNC_SCATTERED:
	case MSYNC_RUN:
		sync_dirty(w, rep, buffer);
		break;
	case FIRST_BYTE:
		first_byte(w, rep, buffer);
		break;
	case ZERO_FILL:
		zero_fill(w, rep);
		break;
	case LATENCY:
		read_beside_writers(number, rep);
		w->ops[rep] = number ? 0 : run.ops;
		break;
	default:
		access_pages(sequence[number] + run.warmup + rep * run.ops, run.ops, buffer);
		w->ops[rep] = run.ops;
	}
}
