// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz.c - call every entry of the device with hostile, nearly right and right arguments
 *
 *	fuzz [-t SECONDS] [-s SEED]		a run
 *	fuzz -l [-t SECONDS] [-s SEED]		the same, each call told with its result
 *	fuzz -p N [-n STEPS] [-l] -s SEED	what process N did in that run, STEPS steps of it
 *
 * What a process calls depends on its seed only, not on what the calls return: so its sequence can
 * be had again (with its addresses, under setarch -R), though not the moments at which the others
 * do theirs.
 *
 * Some of their descriptors are sparse spaces, with and without segments.
 *
 * The first CHECKED pages are the checker's: the fuzzers may read, map, evict, prefetch and advise
 * them, and give them to calls that have to be refused, but nobody else writes them. Whatever
 * happens they keep their contents. All else of the device is the fuzzers' to destroy; it lies
 * behind, so that a mapping that grows leaves the device and not its part.
 */
#include <sys/prctl.h>

#include "fuzz.h"

struct common *common;

bool stopped(void)
{
	return __atomic_load_n(&common->stop, __ATOMIC_RELAXED);
}

void failure(const char *what, size_t page)
{
	printf("# %s: page %zu: %s\n", what, page, strerror(errno));
	__atomic_add_fetch(&common->failures, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&common->stop, 1, __ATOMIC_RELAXED);
}

/* ---- processes ---- */

static void act(struct fuzzer *f);

/* A child goes on for a while with the mappings, some are killed. It may not share positions. */
static void do_fork(struct fuzzer *f)
{
	int i, kills = draw(f, 4) == 0;
	__u64 state = vt_random(&f->state);
	pid_t pid;

	if (f->child)
		return;
	pid = CALL(f, fork(), "%#jx", (uintmax_t)state);
	if (pid < 0)
		return;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		f->child = true;
		f->state = state;
		for (i = 0; i < FDS; i++)
			if (f->fd[i] >= 0)
				close(f->fd[i]);
		memset(f->fd, -1, sizeof(f->fd));
		for (i = 0; i < 40 && !stopped(); i++)
			act(f);
		_exit(0);
	}
	if (kills) {
		usleep(2000);
		kill(pid, SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

static const struct {
	void (*call)(struct fuzzer *f);
	unsigned int weight;
} acts[] = {
	{ do_open, 60 }, { do_ioctl, 120 }, { do_segment, 40 }, { do_pagemap, 30 },
	{ do_info, 20 }, { do_read, 80 },
	{ do_write, 80 }, { do_fadvise, 60 }, { do_other_file_calls, 40 }, { do_splice, 60 },
	{ do_direct, 40 }, { do_mmap, 120 }, { do_munmap, 30 }, { do_mremap, 40 },
	{ do_mprotect, 30 }, { do_madvise, 60 }, { do_other_memory_calls, 40 }, { do_touch, 150 },
	{ do_vm_access, 30 }, { do_userfaultfd, 10 }, { do_proc, 10 }, { do_setting, 20 },
	{ do_fork, 6 },
};

static void act(struct fuzzer *f)
{
	unsigned int i, all = 0, which;

	for (i = 0; i < ARRAY_SIZE(acts); i++)
		all += acts[i].weight;
	f->steps++;
	which = draw(f, all);
	for (i = 0; which >= acts[i].weight; i++)
		which -= acts[i].weight;
	acts[i].call(f);
}

/* Memory with nothing behind it. */
static char *guarded_buffer(void)
{
	char *buffer = vt_buffer(BUFFER_PAGES + 1);

	if (mprotect(buffer + BUFFER_PAGES * VT_PAGE, VT_PAGE, PROT_NONE))
		vt_fail("mprotect: %s", strerror(errno));
	return buffer;
}

static void fuzz(struct fuzzer *f)
{
	int i;

	memset(f->fd, -1, sizeof(f->fd));
	f->other = open(vt_disk2(), O_RDWR | O_DIRECT | O_CLOEXEC);
	f->file = memfd_create("fuzz", MFD_CLOEXEC);
	f->buffer = guarded_buffer();
	if (f->other < 0 || f->file < 0 || pipe2(f->pipe, O_NONBLOCK | O_CLOEXEC) ||
	    ftruncate(f->file, BUFFER_PAGES * VT_PAGE))
		vt_fail("a pipe, a file or the second disk cannot be opened");
	for (i = 0; i < 3 * FDS; i++)
		do_open(f);
	while (!stopped() && (!f->most || f->steps < f->most))
		act(f);
	__atomic_add_fetch(&common->steps, f->steps, __ATOMIC_RELAXED);
}

/* The checker's pages: read in every way, now and then changed, never other than they should be. */
static void check(__u64 state)
{
	char *buffer = vt_buffer(1), *mem;
	int fd = vt_open(O_RDWR);

	mem = vt_map(fd, 0, CHECKED, VT_RW, MAP_SHARED);
	while (!stopped()) {
		size_t page = vt_random(&state) % CHECKED;
		char *at = mem + page * VT_PAGE;
		__u64 *version = &common->version[page];

		errno = 0;
		if (vt_try_read(at, NULL) || vt_check(at, page, *version) >= 0)
			failure("mapping", page);
		switch (vt_random(&state) % 16) {
		case 0:
			vt_fill(at, page, ++*version);
			break;
		case 1:
			vt_fill(buffer, page, ++*version);
			if (pwrite(fd, buffer, VT_PAGE, page * VT_PAGE) != (ssize_t)VT_PAGE)
				failure("pwrite", page);
			break;
		case 2:
			if (msync(at, VT_PAGE, MS_SYNC))
				failure("msync", page);
			else if (!vt_disk_check(vt_disk(), page, 1, *version))
				failure("disk", page);
			break;
		default:
			if (pread(fd, buffer, VT_PAGE, page * VT_PAGE) != (ssize_t)VT_PAGE ||
			    vt_check(buffer, page, *version) >= 0)
				failure("pread", page);
		}
	}
}

static pid_t pids[FUZZERS + 1];

static pid_t start(int number, __u64 seed, __u64 most)
{
	struct fuzzer f = { .number = number, .state = seed * 1000 + number, .most = most };
	pid_t pid = fork();

	if (pid < 0)
		vt_fail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGIO, SIG_IGN);
	alarm(0);
	if (number < FUZZERS)
		fuzz(&f);
	else
		check(f.state);
	_exit(0);
}

static void give_up(int signal)
{
	static const char words[] = "not ok 1 everybody came to an end\n";
	int trigger = open("/proc/sysrq-trigger", O_WRONLY);

	(void)signal;
	/* Which tasks wait, and where, goes to the kernel's log. */
	if (write(trigger, "w", 1) < 0)
		_exit(KSFT_FAIL);
	if (write(STDOUT_FILENO, words, sizeof(words) - 1) < 0)
		_exit(KSFT_FAIL);
	_exit(KSFT_FAIL);
}

/* Run everybody, or one fuzzer (only >= 0); true if all ended well. */
static bool run(int seconds, __u64 seed, int only, __u64 most)
{
	__u64 deadline = vt_now_ms() + seconds * 1000ULL;
	int i, status, fd = vt_open(O_RDONLY);	/* keeps the disk from being let go */
	bool good = true;

	for (i = 0; i <= FUZZERS; i++)
		if (only < 0 || i == only || i == FUZZERS)
			pids[i] = start(i, seed, most);
	while (!stopped() && vt_now_ms() < deadline) {
		__u64 used = vt_get("swap_slots") - vt_stat("swap_free");

		if (used > common->slots_used)
			common->slots_used = used;
		usleep(50000);
		if (most && only >= 0 && waitpid(pids[only], &status, WNOHANG) == pids[only]) {
			pids[only] = 0;
			break;
		}
	}
	__atomic_store_n(&common->stop, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i <= FUZZERS; i++) {
		if (!pids[i])
			continue;
		status = vt_reap(pids[i]);
		pids[i] = 0;
		if (status) {
			printf("# process %d ended with status %d\n", i, status);
			good = false;
		}
	}
	close(fd);
	return good;
}

/* The checker's pages, in the frames and then on the disk. */
static bool all_right(const char *pages)
{
	size_t page, bad = 0;

	for (page = 0; page < CHECKED; page++)
		bad += vt_count_bad(pages + page * VT_PAGE, page, 1, common->version[page]);
	return !bad;
}

static bool right_in_frames(void)
{
	int fd = vt_open(O_RDONLY);
	char *mem = vt_map(fd, 0, CHECKED, PROT_READ, MAP_SHARED);
	bool good = all_right(mem);

	munmap(mem, CHECKED * VT_PAGE);
	close(fd);
	return good;
}

static bool right_on_disk(void)
{
	char *all = vt_buffer(CHECKED);
	size_t page;

	for (page = 0; page < CHECKED; page++)
		vt_disk_read(vt_disk(), page, all + page * VT_PAGE);
	return all_right(all);
}

/* Nothing is held by anybody, and nothing was lost. */
static bool all_is_free(void)
{
	/* The flusher may hold what it is about to write. */
	if (!vt_wait_stat("frames_pinned", 0, 0, 10) || vt_set("backing", "none"))
		return false;
	/* The last shrinking may have been given up for want of frames that could go. */
	vt_set("frames", "%d", FRAMES);
	return vt_wait_stat("frames_free", FRAMES, FRAMES, 10) &&
	       vt_get("frames_actual") == FRAMES && !vt_stat("pages_lost") &&
	       vt_stat("swap_free") == vt_get("swap_slots") && !vt_stat("frames_dirty") &&
	       !vt_stat("read_errors") && !vt_stat("write_errors");
}

static void tell_numbers(void)
{
	static const char * const names[] = {
		"faults_hard", "faults_soft", "faults_mkwrite", "faults_cow", "faults_invalid",
		"faults_zero", "rw_pages", "prefetch_pages", "readahead_pages", "pages_copied",
		"pages_out",
		"swap_full", "evictions_clean",
	};
	size_t i;

	printf("# %ju steps; slots %ju", (uintmax_t)common->steps, (uintmax_t)common->slots_used);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		printf(" %s %ju", names[i], (uintmax_t)vt_stat(names[i]));
	printf("\n");
}

/* Calls that do not get anywhere do no harm either: what must have happened in any run of all. */
static bool everything_was_reached(void)
{
	static const char * const names[] = {
		"faults_hard", "faults_soft", "faults_zero", "faults_mkwrite", "faults_cow",
		"faults_invalid", "rw_pages", "prefetch_pages", "readahead_pages",
		"pages_in", "pages_out", "evictions_clean", "evictions_dirty",
	};
	bool good = common->slots_used > 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (vt_stat(names[i]))
			continue;
		printf("# there were no %s\n", names[i]);
		good = false;
	}
	return good;
}

int main(int argc, char **argv)
{
	__u64 seed = 1, most = 0;
	int option, seconds = 30, only = -1;
	size_t page;
	bool good;

	while ((option = getopt(argc, argv, "t:s:p:n:l")) != -1) {
		if (option == 't')
			seconds = atoi(optarg);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'p')
			only = atoi(optarg);
		else if (option == 'n')
			most = strtoull(optarg, NULL, 0);
		else if (option == 'l')
			logging = true;
		else
			return KSFT_FAIL;
	}
	if (seconds < 1 || only >= FUZZERS)
		vt_fail("usage: fuzz [-t seconds] [-s seed] [-p process, below %d] [-n steps] [-l]",
			FUZZERS);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ksft_set_plan(only < 0 ? 7 : 6);
	printf("# seed %ju, %d s\n", (uintmax_t)seed, seconds);

	common = mmap(NULL, sizeof(*common), VT_RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (common == MAP_FAILED)
		vt_fail("no memory");
	vt_stop();
	vt_disk_fill(vt_disk(), 0, CHECKED, SEED);
	for (page = 0; page < CHECKED; page++)
		common->version[page] = SEED;
	vt_load("backing=%s swap=%s frames=%u", vt_disk(), vt_disk3(), FRAMES);
	size_bytes = vt_get("size_bytes");

	signal(SIGALRM, give_up);
	alarm(seconds + 120);
	good = run(seconds, seed, only, most);
	/* What comes now ends as well, but takes its time on a slow machine. */
	alarm(600);
	ksft_test_result(good, "everybody came to an end\n");
	ksft_test_result(!common->failures, "the checker saw no wrong byte and no error\n");
	ksft_test_result(right_in_frames(), "its pages are right\n");
	ksft_test_result(vt_balanced(), "the counters balance\n");
	tell_numbers();
	/* One process alone, whose steps are had again, need not do everything. */
	if (only < 0)
		ksft_test_result(everything_was_reached(), "everything was reached\n");
	ksft_test_result(all_is_free() && right_on_disk(),
			 "all frames are free, and its pages are right on the disk\n");
	ksft_test_result(!vt_try_unload(), "the module unloads\n");
	if (ksft_get_fail_cnt())
		ksft_exit_fail();
	ksft_exit_pass();
}
