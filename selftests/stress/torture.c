// SPDX-License-Identifier: GPL-2.0
/*
 * torture.c - everything at once, for a bounded time, with every byte accounted for
 *
 *	torture [-t seconds] [-s seed] [-f frames] [-z | -g]
 *
 * Processes that each have their own mapping of the device; with -z, of a sparse space that swaps
 * to it; with -g, of a space with segments, the first of which comes from the device:
 *
 *  - writers own every n-th page and keep an exact shadow of it. They store, pwrite, pread, let
 *    direct I/O read into and write out of their pages, reach them by process_vm_*, drop their page
 *    tables, hold them in pipes, sync and compare with the disk, fork children that verify
 *  - in a space they punch holes too, and each has a tail, which it cuts off and lets grow again:
 *    the end of the space, for the last of them, or a segment that grows up or down. When the pages
 *    of a segment are loaded is drawn from the seed
 *  - beside a space there is a tight one, which may have fewer pages written than they want to: it
 *    refuses some, but none that it has, and loses nothing
 *  - a reader verifies the pages nobody writes, through shared and private mappings and pread
 *  - an evictor uses EVICT, PREFETCH and fadvise on ranges, mostly where the writers are just now
 *  - the parent changes the pool's size, the policy and all other settings all the time
 *
 * What this should catch are races between a page's users and its eviction: a store that is lost
 * because the dirty flag was read too early, old data read back while its writeback is under way,
 * direct I/O into a frame that has become another page. So writers and evictor share a small window
 * that wanders over the device, and most pages are loaded first and then stored to. Disks that
 * answer late make the races wide: virtio disks are better than RAM disks.
 *
 * At the end all pages are compared through a mapping and then, unbound, on the disk itself; of a
 * space, all frames and slots must be free when it is closed, and the device must be as it was. The
 * seed fixes what every process does; how they interleave it cannot.
 */
#include <getopt.h>
#include <sys/prctl.h>

#include "kselftest.h"
#include "torture.h"

static unsigned int frames = 64;

/* The device, or the space, opened once more. */
static int open_it(int flags)
{
	char name[32];
	int fd;

	if (space < 0)
		return vt_open(flags);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", space);
	fd = open(name, flags);
	if (fd < 0)
		vt_fail("the space cannot be opened again: %s", strerror(errno));
	return fd;
}

static pid_t start(void (*work)(struct worker *worker), unsigned int group, __u64 seed)
{
	struct worker worker = {
		.group = group, .state = seed * 1000 + group,
		.tail_pages = space < 0 || segmented ? 0 : TAIL,
	};
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(0);
	worker.fd = open_it(O_RDWR);
	worker.mem = vt_map(worker.fd, 0, PAGES, VT_RW, MAP_SHARED);
	if (space >= 0 && group < WRITERS)
		worker.tail = vt_map(worker.fd, TAIL_AT(group), TAIL, VT_RW, MAP_SHARED);
	if (tight >= 0)
		worker.tight = vt_map(tight, 0, TIGHT, VT_RW, MAP_SHARED);
	worker.disk = open(vt_disk(), O_RDONLY | O_DIRECT);
	worker.other = open(vt_disk2(), O_RDWR | O_DIRECT);
	worker.buffer = vt_buffer(VECTOR);
	if (worker.disk < 0 || worker.other < 0 || pipe(worker.pipe))
		vt_fail("the disks or a pipe cannot be opened");
	work(&worker);
	_exit(0);
}

/* Change one setting; the pool may be too full of pins to shrink in time. */
static void change_a_setting(__u64 *state)
{
	unsigned int draw;
	int error = 0;

	switch (vt_random(state) % 8) {
	case 0:
	case 1:
	case 2:
		/* Two workers hold VECTOR pages each in a pipe: those and some more have to fit. */
		draw = frames / 2 + vt_random(state) % frames;
		if (draw < 4 * VECTOR)
			draw = 4 * VECTOR;
		error = vt_set("frames", "%u", draw);
		if (error == -EBUSY)
			error = 0;
		break;
	case 3:
		error = vt_set("policy", "%s", vt_policies[vt_random(state) % vt_nr_policies]);
		break;
	case 4:
		error = vt_set("read_ahead_pages", "%ju", (uintmax_t)(vt_random(state) % 33));
		break;
	case 5:
		error = vt_set("dirty_pct", "%ju", (uintmax_t)(5 + vt_random(state) % 96));
		break;
	case 6:
		error = vt_set("dirty_age_ms", "%ju", (uintmax_t)(vt_random(state) % 50));
		break;
	case 7:
		error = vt_set("reserve", "%ju", (uintmax_t)(vt_random(state) % (frames / 4)));
		/* Half of a pool that is small just now may be less. */
		if (error == -EINVAL)
			error = 0;
		break;
	}
	if (error) {
		errno = -error;
		unexpected("a setting", 0);
	}
}

static pid_t pids[WRITERS + 2];

static int stacks[WRITERS + 2];	/* where each is in the kernel: /proc/PID/stack */

/* Tell it, in a signal handler, which may read and write, and not much else. */
static void tell_stack(size_t i)
{
	char text[4096] = { '#', ' ', '0' + i, ':', '\n' };
	size_t length = strlen(text);
	ssize_t more;

	more = read(stacks[i], text + length, sizeof(text) - length);
	if (more > 0)
		length += more;
	if (write(STDOUT_FILENO, text, length) < 0)
		_exit(KSFT_FAIL);
}

static void give_up(int signal)
{
	static const char words[] = "# some process is stuck\nnot ok 1 everybody came to an end\n";
	size_t i;

	(void)signal;
	for (i = 0; i < WRITERS + 2; i++) {
		if (pids[i] <= 0)
			continue;
		tell_stack(i);
		kill(pids[i], SIGKILL);
	}
	if (write(STDOUT_FILENO, words, sizeof(words) - 1) < 0)
		_exit(KSFT_FAIL);
	_exit(KSFT_FAIL);
}

/* Run everything for this long; true if all processes ended well. */
static __u64 evictions(void)
{
	return vt_stat("evictions_clean") + vt_stat("evictions_dirty");
}

/* Has what the run is for been met? */
static bool enough(void)
{
	return evictions() > 1000 && (space < 0 || common->refused);
}

/* For @seconds; on a slow machine up to three times as long, until it has been enough. */
static bool run(int seconds, __u64 seed)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	__u64 began = vt_now_ms(), state = seed;
	bool good = true;
	size_t i;

	for (i = 0; i < WRITERS; i++)
		pids[i] = start(write_and_verify, i, seed);
	pids[WRITERS] = start(read_and_verify, WRITERS, seed);
	pids[WRITERS + 1] = start(evict, WRITERS, seed + 1);
	for (i = 0; i < WRITERS + 2; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/stack", pids[i]);
		stacks[i] = open(path, O_RDONLY | O_CLOEXEC);
	}
	while (!stopped() && (vt_now_ms() < began + seconds * 1000ULL ||
			      (vt_now_ms() < began + 3 * seconds * 1000ULL && !enough()))) {
		change_a_setting(&state);
		nanosleep(&moment, NULL);
	}
	__atomic_store_n(&common->stop, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < WRITERS + 2; i++) {
		int status = vt_reap(pids[i]);

		pids[i] = 0;
		if (status) {
			printf("# process %zu ended with status %d\n", i, status);
			good = false;
		}
	}
	return good;
}

static bool all_equal(const char *what, const char *data)
{
	int before = common->failures;
	size_t page;

	for (page = 0; page < PAGES; page++)
		compare(what, page, data + page * VT_PAGE);
	return common->failures == before;
}

static bool verify_by_mapping(void)
{
	int fd = open_it(O_RDONLY);
	char *mem = vt_map(fd, 0, PAGES, PROT_READ, MAP_SHARED);
	bool good = all_equal("mapping at the end", mem);

	munmap(mem, PAGES * VT_PAGE);
	close(fd);
	return good;
}

static bool verify_on_disk(void)
{
	char *all = vt_buffer(PAGES);
	size_t page;

	if (vt_set("backing", "none"))
		vt_fail("backing cannot be unbound");
	for (page = 0; page < PAGES; page++)
		vt_disk_read(vt_disk(), page, all + page * VT_PAGE);
	return all_equal("disk at the end", all);
}

/* What a space has used is free when it is gone; its origin has not changed. */
static bool verify_gone(void)
{
	__u64 slots = vt_get("swap_slots");
	size_t page;

	close(space);
	close(tight);
	if (segmented) {
		for (page = 0; page < PAGES; page++)
			vt_fill(common->shadow[page], page, SEED);
		space = -1;
		if (!verify_by_mapping() || !verify_on_disk())
			return false;
	}
	return vt_wait_stat("frames_free", vt_get("frames"), vt_get("frames"), 20) &&
	       vt_wait_stat("swap_free", slots, slots, 1) &&
	       vt_get("frames") == vt_get("frames_actual");
}

/* One segment is the device's pages, then each writer has one that grows. */
static void make_segments(struct vmdemo_segment *table, __u64 seed)
{
	unsigned int i;

	table[0] = (struct vmdemo_segment){
		.name = "device", .bound = PAGES * VT_PAGE, .limit = PAGES * VT_PAGE,
		.prot = PROT_READ | PROT_WRITE, .flags = VMDEMO_SEGMENT_ORIGIN,
	};
	for (i = 0; i < WRITERS; i++)
		table[1 + i] = (struct vmdemo_segment){
			.name = "tail", .base = TAIL_AT(i) * VT_PAGE, .bound = TAIL * VT_PAGE,
			.prot = PROT_READ | PROT_WRITE,
			.growth = grows_down(i) ? VMDEMO_GROW_DOWN : VMDEMO_GROW_UP,
		};
	for (i = 0; i < 1 + WRITERS; i++) {
		table[i].loading = vt_random(&seed) % (VMDEMO_LOAD_UPFRONT + 1);
		printf("# segment %u: loading %u\n", i, table[i].loading);
	}
}

/* Without a disk behind it, everything begins with what the disk would hold. */
static void make_space(__u64 seed)
{
	struct vmdemo_segment table[1 + WRITERS];
	struct vmdemo_space_args args = { .size = ALL_PAGES * VT_PAGE };
	struct vmdemo_space_args few = { .size = TIGHT * VT_PAGE, .max_pages = TIGHT_MOST };
	int fd;

	if (segmented) {
		make_segments(table, seed);
		args.segments = (uintptr_t)table;
		args.nr_segments = ARRAY_SIZE(table);
		vt_load("backing=%s swap=%s frames=%u", vt_disk(), vt_disk3(), frames);
	} else {
		vt_load("swap=%s frames=%u", vt_disk(), frames);
	}
	fd = vt_open(O_RDWR);
	space = ioctl(fd, VMDEMO_IOC_SPACE, &args);
	tight = ioctl(fd, VMDEMO_IOC_SPACE, &few);
	if (space < 0 || tight < 0)
		vt_fail("no space: %s", strerror(errno));
	close(fd);
	if (!segmented && write(space, common->shadow, PAGES * VT_PAGE) != PAGES * (ssize_t)VT_PAGE)
		vt_fail("writing to the space: %s", strerror(errno));
}

static void tell_numbers(void)
{
	static const char * const names[] = {
		"faults_hard", "faults_soft", "faults_mkwrite", "pages_in", "pages_out",
		"late_references", "reclaim_waits", "readahead_pages", "rw_pages",
	};
	__u64 operations = 0;
	size_t i;

	for (i = 0; i < WRITERS; i++)
		operations += common->operations[i];
	printf("# %ju operations, %ju evictions of clean pages and %ju of dirty ones, %d errors\n",
	       (uintmax_t)operations, (uintmax_t)vt_stat("evictions_clean"),
	       (uintmax_t)vt_stat("evictions_dirty"), common->failures);
	printf("#");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		printf(" %s %ju", names[i], (uintmax_t)vt_stat(names[i]));
	printf("\n");
}

int main(int argc, char **argv)
{
	__u64 seed = 1;
	int option, seconds = 30;
	size_t page;
	bool good, sparse = false;

	while ((option = getopt(argc, argv, "t:s:f:zg")) != -1) {
		if (option == 't')
			seconds = atoi(optarg);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'f')
			frames = atoi(optarg);
		else if (option == 'z')
			sparse = true;
		else if (option == 'g')
			segmented = true;
		else
			return KSFT_FAIL;
	}
	if (seconds < 1 || frames < 32 || frames > PAGES)
		vt_fail("usage: torture [-t seconds] [-s seed] [-f frames, 32 to %d] [-z | -g]",
			PAGES);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ksft_set_plan(sparse || segmented ? 7 : 6);
	printf("# %d s, seed %ju, %u frames for %d pages\n", seconds, (uintmax_t)seed, frames,
	       PAGES);

	common = mmap(NULL, sizeof(*common), VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (common == MAP_FAILED)
		vt_fail("no memory");
	vt_stop();
	vt_disk_fill(vt_disk(), 0, PAGES, SEED);
	vt_disk_fill(vt_disk2(), 0, SOURCE_PAGES, SOURCE_SEED);
	for (page = 0; page < PAGES; page++)
		vt_fill(common->shadow[page], page, SEED);
	if (sparse || segmented)
		make_space(seed);
	else
		vt_load("backing=%s frames=%u", vt_disk(), frames);

	signal(SIGALRM, give_up);
	/* This ends what hangs: a slow kernel may take its time. */
	alarm(3 * seconds + 180);
	good = run(seconds, seed);
	/* Nobody is stuck; on a slow kernel the comparison takes longer. */
	alarm(600);
	ksft_test_result(good, "everybody came to an end\n");
	ksft_test_result(!common->failures, "nobody saw a wrong byte or an error\n");
	ksft_test_result(verify_by_mapping(), "all pages are right through a mapping\n");
	ksft_test_result(vt_balanced(), "the counters balance\n");
	tell_numbers();
	ksft_test_result(evictions() > 1000, "there were enough evictions to mean something\n");
	if (sparse || segmented) {
		printf("# the tight space has refused %ju stores\n", (uintmax_t)common->refused);
		ksft_test_result(common->refused && vt_stat("swap_full") >= common->refused,
				 "a space that is full refuses what has no slot\n");
		ksft_test_result(verify_gone(), "all frames and slots are free in the end\n");
	} else {
		ksft_test_result(verify_on_disk(), "all pages are right on the disk\n");
	}
	if (ksft_get_fail_cnt())
		ksft_exit_fail();
	ksft_exit_pass();
}
