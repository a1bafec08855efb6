// SPDX-License-Identifier: GPL-2.0
/*
 * bench.c - measure one way of accessing a device: one row of the table, one column
 *
 *	bench --row ROW --target vmdemo|mmap|direct|space|swap --path DEVICE [options]
 *	bench --list			the rows, each with what it does
 *	bench --fill DEVICE [--pages N]	write all of it
 *
 *	--pages N	span, in pages of 4 KiB (the device's size)
 *	--frames N	the pool's size, for warming up, resident rows and exact LRU (4096)
 *	--ops N		accesses of each worker in each repetition (the row's own)
 *	--reps N	repetitions (3)
 *	--threads N, --procs N, --vmas N	instead of the row's
 *	--advice none|random|sequential		instead of the row's
 *	--cgroup DIR	enter this cgroup before the device is mapped
 *	--cpu N		stay on this processor
 *	--pin		worker n stays on processor n
 *	--seed N	of the sequence of pages
 *	--verify	what is read must be what --fill wrote
 *	--mark		tell locks.c, a plugin of the emulator, where repetitions begin and end
 *
 * The result is one line of JSON. vmdemo: DEVICE is /dev/vmdemo, mapped. mmap: a block device,
 * mapped. direct: a block device through O_DIRECT, 4 KiB at a time, or 128 KiB in sequential rows.
 * space: a sparse space of DEVICE, which is /dev/vmdemo. swap: anonymous memory in a cgroup, of
 * which Linux swaps what is too much; DEVICE says nothing. Of both every page is written first.
 *
 * What is accessed is the same for every target, and known before anything is timed: the timed loop
 * is a load or a store of one word of each page that a table names. Before it the same kind of
 * access goes on until twice the pool is through, so that reading includes evicting, and writing
 * includes writing out. Repetitions go on from there in the same sequence. Tables are in memory
 * before the cgroup is entered.
 */
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "bench.h"

static const struct row rows[] = {
	{ "randread", "random read", .kind = UNIFORM, .ops = 60000 },
	{ "randwrite", "random write", .kind = UNIFORM, .write_pct = 100, .ops = 60000 },
	{ "seqread", "sequential read", .kind = SEQUENTIAL, .ops = 60000 },
	{ "seqwrite", "sequential write", .kind = SEQUENTIAL, .write_pct = 100, .ops = 60000 },
	{ "zipfread", "Zipf 0.8 read, no advice", .kind = ZIPF, .ops = 60000, .slow_ops = 6000 },
	{ "mixed", "Zipf 0.8, 30 % writes, no advice",
	  .kind = ZIPF, .write_pct = 30, .ops = 60000, .slow_ops = 6000 },
	{ "resseq", "resident, PTEs gone, sequential", .kind = RESIDENT, .ops = 20000 },
	{ "resrand", "resident, PTEs gone, random", .kind = RESIDENT_RANDOM, .ops = 20000 },
	{ "resmapped", "resident and mapped", .kind = RESIDENT, .ops = 200000, .keep_ptes = true },
	{ "randread2t", "random read, 2 threads", .kind = UNIFORM, .ops = 30000, .threads = 2 },
	{ "randwrite2t", "random write, 2 threads",
	  .kind = UNIFORM, .write_pct = 100, .ops = 30000, .threads = 2 },
	{ "randread2p", "random read, 2 processes", .kind = UNIFORM, .ops = 30000, .procs = 2 },
	{ "randread8v", "random read, span mapped 8 times",
	  .kind = UNIFORM, .ops = 60000, .vmas = 8 },
	{ "msyncscat", "dirty and msync, scattered",
	  .kind = MSYNC_SCATTERED, .write_pct = 100, .ops = 10000 },
	{ "msyncrun", "dirty and msync, contiguous",
	  .kind = MSYNC_RUN, .write_pct = 100, .ops = 10000 },
	{ "firstbyte", "open, map, touch one byte", .kind = FIRST_BYTE, .ops = 200 },
	{ "latency", "read beside a writer", .kind = LATENCY, .ops = 20000, .threads = 2 },
	{ "zerofill", "first touch of fresh memory",
	  .kind = ZERO_FILL, .write_pct = 100, .ops = 20000 },
};

#define ROWS	(sizeof(rows) / sizeof(*rows))

struct run run = { .frames = 4096, .reps = 3, .cpu = -1, .seed = 1 };
struct shared *shared;
__u32 *latencies;

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

__u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

void *memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		fail("there are no %zu bytes left: %s", bytes, strerror(errno));
	return p;
}

/* Two nops that no compiler makes; locks.c knows them. */
static void mark_begin(void)
{
#ifdef __x86_64__
	if (run.mark)
		asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 'v', 'm', 'd', '0'");
#endif
}

static void mark_end(void)
{
#ifdef __x86_64__
	if (run.mark)
		asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 'v', 'm', 'd', '1'");
#endif
}

/* workers */

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("no processor %d: %s", cpu, strerror(errno));
}

static void *work(void *arg)
{
	unsigned int number = (uintptr_t)arg, rep;
	struct worker *w = &shared->worker[number];
	struct rusage before, after;
	__u64 *buffer = run.target == DIRECT ? memory(BLOCK_PAGES * PAGE) : NULL;

	if (run.pin)
		stay_on(number);
	access_pages(sequence[number], run.warmup, buffer);
	for (rep = 0; rep < run.reps; rep++) {
		pthread_barrier_wait(&shared->barrier);
		if (!number) {
			read_stats(rep, false);
			shared->stop = false;
		}
		getrusage(RUSAGE_THREAD, &before);
		pthread_barrier_wait(&shared->barrier);

		w->begin[rep] = now();
		mark_begin();
		one_repetition(number, rep, buffer);
		mark_end();
		w->end[rep] = now();

		getrusage(RUSAGE_THREAD, &after);
		w->minflt[rep] = after.ru_minflt - before.ru_minflt;
		w->majflt[rep] = after.ru_majflt - before.ru_majflt;
		pthread_barrier_wait(&shared->barrier);
		if (!number)
			read_stats(rep, true);
	}
	return NULL;
}

static void run_processes(void)
{
	unsigned int i;
	pid_t pids[MAX_WORKERS];
	int status;

	for (i = 1; i < run.workers; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			fail("fork: %s", strerror(errno));
		if (!pids[i]) {
			work((void *)(uintptr_t)i);
			_exit(0);
		}
	}
	work(NULL);
	for (i = 1; i < run.workers; i++)
		if (waitpid(pids[i], &status, 0) != pids[i] || status)
			fail("a process failed");
}

static void run_threads(void)
{
	pthread_t threads[MAX_WORKERS];
	unsigned int i;

	for (i = 1; i < run.workers; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i))
			fail("no thread: %s", strerror(errno));
	work(NULL);
	for (i = 1; i < run.workers; i++)
		pthread_join(threads[i], NULL);
}

/* setting up */

/* Rows that warm up in a way of their own need no other. */
static void prepare(void)
{
	bool resident = run.row.kind == RESIDENT || run.row.kind == RESIDENT_RANDOM;
	pthread_barrierattr_t attribute;
	unsigned int i;

	shared = memory(sizeof(*shared));
	pthread_barrierattr_init(&attribute);
	pthread_barrierattr_setpshared(&attribute, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &attribute, run.workers);

	if (run.row.kind == LATENCY)
		latencies = memory((size_t)run.reps * run.ops * sizeof(*latencies));
	if (!resident && run.row.kind != FIRST_BYTE && run.row.kind != ZERO_FILL)
		run.warmup = 2 * run.frames / (run.row.kind == LATENCY ? 1 : run.workers);
	run.warmup = run.warmup / BLOCK_PAGES * BLOCK_PAGES;
	if (resident)
		make_resident_order();
	for (i = 0; !resident && i < run.workers; i++)
		make_sequence(i);
}

static unsigned long number(const char *option, const char *text, unsigned long most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (*end || end == text || !value || value > most)
		fail("--%s takes 1 to %lu, not '%s'", option, most, text);
	return value;
}

static void choose_row(const char *name)
{
	unsigned int i;

	for (i = 0; i < ROWS; i++)
		if (!strcmp(rows[i].name, name))
			run.row = rows[i];
	if (!run.row.name)
		fail("there is no row '%s': see --list", name);
}

static void choose_target(const char *name)
{
	for (run.target = VMDEMO; run.target <= SWAP; run.target++)
		if (!strcmp(target_names[run.target], name))
			return;
	fail("--target takes vmdemo, mmap, direct, space or swap, not '%s'", name);
}

static int list(void)
{
	unsigned int i;

	for (i = 0; i < ROWS; i++)
		printf("%-12s %s\n", rows[i].name, rows[i].what);
	return 0;
}

static const struct option options[] = {
	{ "row", required_argument, NULL, 'r' }, { "target", required_argument, NULL, 't' },
	{ "path", required_argument, NULL, 'p' }, { "pages", required_argument, NULL, 'n' },
	{ "frames", required_argument, NULL, 'f' }, { "ops", required_argument, NULL, 'o' },
	{ "reps", required_argument, NULL, 'e' }, { "threads", required_argument, NULL, 'T' },
	{ "procs", required_argument, NULL, 'P' }, { "vmas", required_argument, NULL, 'V' },
	{ "advice", required_argument, NULL, 'a' }, { "cgroup", required_argument, NULL, 'g' },
	{ "cpu", required_argument, NULL, 'c' }, { "seed", required_argument, NULL, 's' },
	{ "fill", required_argument, NULL, 'F' }, { "list", no_argument, NULL, 'l' },
	{ "verify", no_argument, NULL, 'v' }, { "pin", no_argument, NULL, 'i' },
	{ "mark", no_argument, NULL, 'm' },
	{ }
};

/* The options, in their order: those that change a row come after it. */
static bool parse(int argc, char **argv)
{
	bool filling = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'r':
			choose_row(optarg);
			break;
		case 't':
			choose_target(optarg);
			break;
		case 'p':
			run.path = optarg;
			break;
		case 'n':
			run.pages = number("pages", optarg, MAX_PAGES);
			break;
		case 'f':
			run.frames = number("frames", optarg, 1 << 24);
			break;
		case 'o':
			run.ops = number("ops", optarg, 100000000);
			break;
		case 'e':
			run.reps = number("reps", optarg, MAX_REPS);
			break;
		case 'T':
			run.row.threads = number("threads", optarg, MAX_WORKERS);
			break;
		case 'P':
			run.row.procs = number("procs", optarg, MAX_WORKERS);
			break;
		case 'V':
			run.row.vmas = number("vmas", optarg, MAX_VMAS);
			break;
		case 'a':
			run.advice = optarg;
			break;
		case 'g':
			run.cgroup = optarg;
			break;
		case 'c':
			run.cpu = strtol(optarg, NULL, 10);
			break;
		case 's':
			run.seed = number("seed", optarg, 1000000);
			break;
		case 'i':
			run.pin = true;
			break;
		case 'm':
			run.mark = true;
			break;
		case 'v':
			run.verify = true;
			break;
		case 'F':
			filling = true;
			run.path = optarg;
			run.target = MMAP;
			break;
		case 'l':
			exit(list());
		default:
			exit(2);
		}
	}
	if (optind != argc || !run.path || (!filling && !run.row.name))
		fail("see the head of bench.c for what it takes");
	return filling;
}

/* Memory without a file, which has no size of its own. */
bool is_memory(void)
{
	return run.target == SPACE || run.target == SWAP;
}

/* What was not asked for is as the row has it. */
static void complete(void)
{
	unsigned int ops = run.row.ops;

	if (run.target == MMAP && run.row.slow_ops)
		ops = run.row.slow_ops;
	ops = run.ops ?: ops;
	/* These go through this many pages at a time, and do so once at least. */
	if (ops < run.frames / 2 && run.row.kind != FIRST_BYTE)
		ops = run.frames / 2;
	run.ops = (ops + BLOCK_PAGES - 1) / BLOCK_PAGES * BLOCK_PAGES;
	run.vmas = run.row.vmas ?: 1;
	run.workers = run.row.procs ?: run.row.threads ?: 1;
	if (!run.advice)
		run.advice = default_advice();
	if (run.target == DIRECT && (run.row.kind == RESIDENT || run.row.kind == RESIDENT_RANDOM ||
				     run.row.kind == LATENCY))
		fail("row %s needs a mapping", run.row.name);
	if (is_memory() ? run.row.kind > ZIPF && run.row.kind != ZERO_FILL :
			  run.row.kind == ZERO_FILL)
		fail("row %s does not suit target %s", run.row.name, target_names[run.target]);
	if (run.verify && (run.row.write_pct || run.row.kind == LATENCY || is_memory()))
		fail("--verify is for rows that only read a device");
}

int main(int argc, char **argv)
{
	bool filling = parse(argc, argv);

	if (!is_memory() && (!run.pages || run.pages > device_pages()))
		run.pages = device_pages();
	if (run.pages > MAX_PAGES)
		run.pages = MAX_PAGES;
	run.pages = run.pages / 256 * 256;
	if (run.pages < 2 * run.frames)
		fail("%s: %zu pages are less than twice %u frames", run.path, run.pages,
		     run.frames);
	if (filling)
		return fill_device();

	complete();
	if (run.cpu >= 0)
		stay_on(run.cpu);
	prepare();
	map_target();
	if (run.row.procs)
		run_processes();
	else
		run_threads();
	print_result();
	return 0;
}
