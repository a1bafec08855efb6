// SPDX-License-Identifier: GPL-2.0
/*
 * sim.c - the simulator: how often do policies miss on a trace?
 *
 * The policies are the module's own sources, and see what they see there: faults only. Beside them
 * are exact ones, which see each reference. --help has the options; trace_file.h the formats.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <unistd.h>

#include "reference.h"
#include "trace_file.h"

#define MAX_FRAMES	0x4000000U
#define MAX_SETTINGS	256	/* in a list of an option */
#define MAX_STEPS	1000	/* references that --steps shows */
#define MAX_COLUMNS	64	/* frames that it shows */
#define TIME_LIMIT	10	/* seconds for one reference: one's own policy may have no end */

/* A policy of the module, or an exact one. */
struct choice {
	const char *name;
	const struct vmdemo_policy_ops *ops;	/* NULL: exact */
	enum exact how;
};

static struct choice choices[] = {
	{ "lru", &vmdemo_policy_lru, 0 },
	{ "fifo", &vmdemo_policy_fifo, 0 },
	{ "clock", &vmdemo_policy_clock, 0 },
	{ "random", &vmdemo_policy_random, 0 },
	{ "2q", &vmdemo_policy_2q, 0 },
	{ "exact-lru", NULL, EXACT_LRU },
	{ "exact-fifo", NULL, EXACT_FIFO },
	{ "opt", NULL, EXACT_OPT },
	{ },	/* one's own */
};

static u32 nr_choices = ARRAY_SIZE(choices) - 1;

static struct {
	const struct choice *policies[ARRAY_SIZE(choices)];
	u32 nr_policies;
	u32 frames[MAX_SETTINGS];	/* or per cent of the pages, and PER_CENT */
	u32 nr_frames;
	u32 standby[MAX_SETTINGS];
	u32 nr_standby;
	enum trace_format format;
	bool json, curve, steps, print;
} options;

#define PER_CENT	0x80000000U

static struct sim *running;	/* the run that a signal ends */
static const char *running_name;
static bool any_wrong;		/* some policy's answers */

static noreturn void __printf(1, 2) usage_error(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "sim: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(2);
}

static void show_help(void)
{
	const char *name, *what;
	u32 i;

	printf("usage: sim [options] TRACE...\n\n"
	       "How often do replacement policies miss on a trace of references to pages?\n\n"
	       "TRACE is a file, - for standard input, or one of the loads below. Files are text\n"
	       "(page numbers; # begins a comment), binary (32 bits each, little-endian), or what\n"
	       "valgrind --tool=lackey --trace-mem=yes writes.\n\n"
	       "  -f, --frames LIST     sizes of the pool: 3,4 or 1-8, or 10%%,50%% of the trace's pages\n"
	       "                        (10%%,25%%,50%%,75%%,90%%)\n"
	       "  -p, --policy LIST     of those below (all)\n"
	       "  -s, --standby LIST    share of standby, in per cent (%u); pools of up to %u frames\n"
	       "                        have all but one there\n"
	       "  -F, --format FORMAT   text, binary or lackey, if the file's beginning does not tell\n"
	       "      --steps           what is in the frames after each reference of a short trace;\n"
	       "                        * is a miss, s a soft fault\n"
	       "      --curve           exact LRU's misses at each size, by stack distances (Mattson);\n"
	       "                        with --frames at those sizes only\n"
	       "      --print           the trace's page numbers, and nothing else\n"
	       "      --json            an array of objects instead of a table\n\n"
	       "The module's policies, which see faults only:\n ", VMDEMO_STANDBY_PCT,
	       VMDEMO_SMALL_POOL);
	for (i = 0; i < nr_choices; i++) {
		if (!choices[i].ops && choices[i - 1].ops)
			printf("\nExact ones, which see each reference:\n ");
		if (choices[i].ops && i && !choices[i - 1].ops)
			printf("\nYours, which sees faults only:\n ");
		printf(" %s", choices[i].name);
	}
	printf("\n\nLoads, always the same:\n");
	for (i = 0; (name = trace_load(i, &what)); i++)
		printf("  @%-11s%s\n", name, what);
	printf("  @LOAD/N     the same, smaller: an Nth of its pages, and of its references\n");
	printf("\nExit status: 1 if a policy gives wrong answers, 2 if something is wrong with\n"
	       "the options or a trace.\n");
}

/* ---- options ---- */

static u32 number_of(const char *text, char **end, u32 least, u32 most, const char *option)
{
	unsigned long number;

	errno = 0;
	number = strtoul(text, end, 10);
	if (*end == text || *text == '-' || errno || number < least || number > most)
		usage_error("--%s: '%s' is not a number from %u to %u", option, text, least, most);
	return number;
}

static void add_setting(u32 *list, u32 *nr, u32 setting, const char *option)
{
	if (*nr == MAX_SETTINGS)
		usage_error("--%s: more than %u numbers", option, MAX_SETTINGS);
	list[(*nr)++] = setting;
}

static void take_frames(char *list)
{
	char *item, *end;
	u32 number, last;

	for (item = strtok(list, ","); item; item = strtok(NULL, ",")) {
		number = number_of(item, &end, 1, MAX_FRAMES, "frames");
		if (!strcmp(end, "%")) {
			if (number > 100)
				usage_error("--frames: '%s' is more than all pages", item);
			number |= PER_CENT;
			add_setting(options.frames, &options.nr_frames, number, "frames");
			continue;
		}
		last = number;
		if (*end == '-')
			last = number_of(end + 1, &end, number, MAX_FRAMES, "frames");
		if (*end)
			usage_error("--frames: '%s' is no size: say 64, 1-8 or 50%%", item);
		for (; number <= last; number++)
			add_setting(options.frames, &options.nr_frames, number, "frames");
	}
}

static void take_standby(char *list)
{
	char *item, *end;

	for (item = strtok(list, ","); item; item = strtok(NULL, ",")) {
		add_setting(options.standby, &options.nr_standby,
			    number_of(item, &end, 0, 100, "standby"), "standby");
		if (*end)
			usage_error("--standby: '%s' is no number of per cent", item);
	}
}

static void take_policies(char *list)
{
	char *item;
	u32 i;

	for (item = strtok(list, ","); item; item = strtok(NULL, ",")) {
		for (i = 0; i < nr_choices && strcmp(choices[i].name, item); i++)
			;
		if (i == nr_choices)
			usage_error("--policy: there is no '%s'; see --help", item);
		if (options.nr_policies == ARRAY_SIZE(choices))
			usage_error("--policy: more than there are");
		options.policies[options.nr_policies++] = &choices[i];
	}
}

static void take_format(const char *name)
{
	if (!strcmp(name, "text"))
		options.format = TRACE_TEXT;
	else if (!strcmp(name, "binary"))
		options.format = TRACE_BINARY;
	else if (!strcmp(name, "lackey"))
		options.format = TRACE_LACKEY;
	else
		usage_error("--format: '%s' is not text, binary or lackey", name);
}

static void take_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "frames", required_argument, NULL, 'f' },
		{ "policy", required_argument, NULL, 'p' },
		{ "standby", required_argument, NULL, 's' },
		{ "format", required_argument, NULL, 'F' },
		{ "steps", no_argument, NULL, 'S' },
		{ "curve", no_argument, NULL, 'c' },
		{ "print", no_argument, NULL, 'P' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	char frames[] = "10%,25%,50%,75%,90%", others[] = "lru,fifo,exact-lru,opt";
	int option;
	u32 i;

	while ((option = getopt_long(argc, argv, "f:p:s:F:h", known, NULL)) != -1) {
		switch (option) {
		case 'f':
			take_frames(optarg);
			break;
		case 'p':
			take_policies(optarg);
			break;
		case 's':
			take_standby(optarg);
			break;
		case 'F':
			take_format(optarg);
			break;
		case 'S':
			options.steps = true;
			break;
		case 'c':
			options.curve = true;
			break;
		case 'P':
			options.print = true;
			break;
		case 'j':
			options.json = true;
			break;
		case 'h':
			show_help();
			exit(0);
		default:
			exit(2);	/* getopt has said why */
		}
	}
	if (optind == argc)
		usage_error("name a trace: a file, - or a load; see --help");
	if (options.steps + options.curve + options.print + options.json > 1)
		usage_error("--steps, --curve, --print and --json are outputs: choose one");
	if (!options.nr_frames && !options.curve)
		take_frames(frames);
	if (!options.nr_standby)
		options.standby[options.nr_standby++] = VMDEMO_STANDBY_PCT;
	if (!options.nr_policies && &own_policy) {
		options.policies[options.nr_policies++] = &choices[nr_choices - 1];
		take_policies(others);
	}
	for (i = 0; !options.nr_policies && i < nr_choices; i++)
		options.policies[i] = &choices[i];
	if (!options.nr_policies)
		options.nr_policies = i;
}

/* How many frames setting @i is, for @trace. */
static u32 frames_of(u32 i, const struct trace *trace)
{
	u32 setting = options.frames[i];

	if (!(setting & PER_CENT))
		return setting;
	return max((u32)((u64)trace->nr_pages * (setting & ~PER_CENT) / 100), 1U);
}

/* ---- a policy of one's own may be wrong ---- */

static void say_wrong(const char *name, const char *sentence)
{
	fflush(stdout);
	fprintf(stderr, "sim: policy %s is wrong: %s.\n", name, sentence);
	any_wrong = true;
}

/* There is no way back from here, so it does not matter what else was being printed. */
static void on_signal(int signal)
{
	const char *doing = running ? running->doing : NULL;
	const char *what = signal == SIGALRM ? "comes to no end" :
			   signal == SIGFPE ? "divides by zero" :
			   signal == SIGSEGV || signal == SIGBUS ?
			   "uses a pointer to nothing, or calls itself without end" :
			   "ends the program";
	static u64 seen;
	char text[256];
	int len;

	/* A long trace takes its time: is there a reference more than the last time? */
	if (signal == SIGALRM && running && running->references != seen) {
		seen = running->references;
		alarm(TIME_LIMIT);
		return;
	}
	if (doing)
		len = snprintf(text, sizeof(text), "sim: policy %s is wrong: %s() %s.\n",
			       running_name, doing, what);
	else if (running)
		len = snprintf(text, sizeof(text), "sim: policy %s is wrong: %s\n", running_name,
			       "it has written to memory that is not its own.");
	else
		len = snprintf(text, sizeof(text), "sim: signal %d, by a mistake of ours.\n",
			       signal);
	if (write(STDERR_FILENO, text, len) != len)
		_exit(2);
	_exit(1);
}

static void catch_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM };
	static char stack[65536];
	stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
	u32 i;

	sigaltstack(&other, NULL);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
}

static void begin(struct sim *sim, const struct choice *choice, u32 frames, u32 standby_pct,
		  u32 limit)
{
	sim_create(sim, choice->ops, frames, limit);
	sim->pool.policy.standby_pct = standby_pct;
	running_name = choice->name;
	running = sim;
	alarm(TIME_LIMIT);
}

static bool end(struct sim *sim, const struct choice *choice)
{
	alarm(0);
	running = NULL;
	sim_destroy(sim);
	if (sim->wrong[0])
		say_wrong(choice->name, sim->wrong);
	return !sim->wrong[0];
}

/* Frames are held, searches go to their end: before a policy's misses count its answers must. */
static bool try_policy(const struct choice *choice)
{
	static const u32 sizes[] = { 1, 2, 8, 100, 300, 700 };
	u64 seed = 1;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct sim sim;

		begin(&sim, choice, sizes[i], VMDEMO_STANDBY_PCT, 1024);
		sim.trial = true;
		for (j = 0; j < 10000 && !sim.wrong[0]; j++)
			sim_access(&sim, chance_below(&seed, chance_below(&seed, 1023) + 1));
		if (!end(&sim, choice))
			return false;
	}
	return true;
}

/* It joins the others under the name that its table has. */
static void take_own(void)
{
	u32 i;

	if (!vmdemo_policy_named(own_policy))
		usage_error("the table must have a .name, of at most %u letters, digits and -_.",
			    VMDEMO_POLICY_NAME_MAX);
	for (i = 0; i < nr_choices; i++)
		if (!strcmp(choices[i].name, own_policy->name))
			usage_error("the policy's .name is '%s', which is taken: choose another",
				    own_policy->name);
	choices[nr_choices++] = (struct choice){ own_policy->name, own_policy, 0 };
}

/* ---- the table ---- */

static void print_string(const char *string)
{
	putchar('"');
	for (; *string; string++) {
		if ((unsigned char)*string < ' ')
			printf("\\u%04x", *string);
		else
			printf(*string == '"' || *string == '\\' ? "\\%c" : "%c", *string);
	}
	putchar('"');
}

static void print_result(const char *trace_name, const struct trace *trace, const struct sim *sim,
			 const struct choice *choice, u32 frames, u32 standby, u64 lru)
{
	static bool any;

	if (options.json) {
		printf("%s\n  {\"trace\": ", any ? "," : "");
		print_string(trace_name);
		printf(", \"references\": %u, \"pages\": %u, \"frames\": %u, \"policy\": ",
		       trace->nr, trace->nr_pages, frames);
		print_string(choice->name);
		if (choice->ops)
			printf(", \"standby_pct\": %u, \"soft_faults\": %llu, \"unmaps\": %llu",
			       standby, sim->soft, sim->unmaps);
		printf(", \"misses\": %llu, \"exact_lru\": %llu}", sim->hard, lru);
		any = true;
		return;
	}
	if (!any)
		printf("%-14s %8s %-10s %7s %10s %8s %8s %10s\n", "trace", "frames", "policy",
		       "standby", "misses", "per ref", "to LRU", "soft/miss");
	any = true;
	printf("%-14s %8u %-10s ", trace_name, frames, choice->name);
	if (choice->ops)
		printf("%6u%%", standby);
	else
		printf("%7s", "-");
	printf(" %10llu %8.4f %+7.2f%% ", sim->hard, (double)sim->hard / trace->nr,
	       ((double)sim->hard / lru - 1) * 100);
	if (choice->ops)
		printf("%10.3f\n", (double)sim->soft / sim->hard);
	else
		printf("%10s\n", "-");
}

static void run_choice(const char *name, const struct trace *trace, const struct choice *choice,
		       u32 frames, u64 lru)
{
	struct sim sim = { .hard = lru };
	u32 i, j;

	if (!choice->ops) {
		if (choice->how != EXACT_LRU)
			sim.hard = exact_misses(trace, frames, choice->how);
		print_result(name, trace, &sim, choice, frames, 0, lru);
		return;
	}
	for (i = 0; i < options.nr_standby; i++) {
		/* Where nothing is demoted, or all is, the share makes no difference. */
		if (i && (!choice->ops->excess || frames <= VMDEMO_SMALL_POOL))
			return;
		begin(&sim, choice, frames, options.standby[i], trace->limit);
		for (j = 0; j < trace->nr && !sim.wrong[0]; j++)
			sim_access(&sim, trace->pages[j]);
		if (!end(&sim, choice))
			return;
		print_result(name, trace, &sim, choice, frames, options.standby[i], lru);
	}
}

static void run_trace(const char *name, const struct trace *trace)
{
	u64 *curve = lru_curve(trace);
	u32 i, j, frames;

	for (i = 0; i < options.nr_frames; i++) {
		frames = frames_of(i, trace);
		for (j = 0; j < options.nr_policies && !any_wrong; j++)
			run_choice(name, trace, options.policies[j], frames,
				   curve[min(frames, trace->nr_pages)]);
	}
	free(curve);
}

static void print_curve(const char *name, const struct trace *trace)
{
	u64 *curve = lru_curve(trace);
	u32 i, frames;

	printf("# %s: exact LRU, %u references to %u pages\n", name, trace->nr, trace->nr_pages);
	printf("%8s %10s %8s\n", "frames", "misses", "per ref");
	for (i = 1; i <= (options.nr_frames ?: trace->nr_pages); i++) {
		frames = options.nr_frames ? frames_of(i - 1, trace) : i;
		printf("%8u %10llu %8.4f\n", frames, curve[min(frames, trace->nr_pages)],
		       (double)curve[min(frames, trace->nr_pages)] / trace->nr);
	}
	free(curve);
}

static void print_trace(const struct trace *trace)
{
	u32 i;

	for (i = 0; i < trace->nr; i++)
		printf("%llu\n", trace_page(trace, trace->pages[i]));
}

/* ---- step by step ---- */

/* What --steps shows of one reference. */
struct step {
	enum reference_outcome outcome;
	u32 nr;		/* frames in use, */
	u32 *page_of;	/* and their pages */
};

static void keep_step(struct step *step, enum reference_outcome outcome, u32 nr, const u32 *page_of)
{
	step->outcome = outcome;
	step->nr = nr;
	step->page_of = get_memory(nr * sizeof(u32));
	memcpy(step->page_of, page_of, nr * sizeof(u32));
}

/* As many references side by side as fit into a line. */
static void print_steps(const struct step *steps, const struct trace *trace, u32 frames)
{
	u32 first, i, frame, width = 2, columns;
	char page[24];

	for (i = 0; i < trace->nr; i++) {
		snprintf(page, sizeof(page), "%llu", trace_page(trace, trace->pages[i]));
		width = max(width, (u32)strlen(page) + 1);
	}
	columns = 66 / width;
	for (first = 0; first < trace->nr; first += columns) {
		u32 last = min(first + columns, trace->nr);

		printf("\n%-10s", "reference");
		for (i = first; i < last; i++)
			printf("%*llu", width, trace_page(trace, trace->pages[i]));
		for (frame = 0; frame < frames; frame++) {
			printf("\nframe %-4u", frame);
			for (i = first; i < last; i++) {
				snprintf(page, sizeof(page), "%llu", frame < steps[i].nr ?
					 trace_page(trace, steps[i].page_of[frame]) : 0);
				printf("%*s", width, frame < steps[i].nr ? page : ".");
			}
		}
		printf("\n%-10s", "fault");
		for (i = first; i < last; i++)
			printf("%*c", width, " s*"[steps[i].outcome]);
		printf("\n");
	}
}

static void step_choice(const char *name, const struct trace *trace, const struct choice *choice,
			u32 frames)
{
	struct step *steps = get_memory(trace->nr * sizeof(*steps));
	u32 i, hard = 0, soft = 0;
	enum reference_outcome outcome;
	struct exact_pool pool;
	struct sim sim;
	bool ok = true;

	if (choice->ops) {
		begin(&sim, choice, frames, options.standby[0], trace->limit);
		for (i = 0; i < trace->nr && !sim.wrong[0]; i++) {
			outcome = sim_access(&sim, trace->pages[i]);
			keep_step(&steps[i], outcome, frames - sim.free, sim.page_of);
		}
		ok = end(&sim, choice);
	} else {
		exact_create(&pool, choice->how, frames, trace);
		for (i = 0; i < trace->nr; i++) {
			outcome = exact_access(&pool, i) ? REFERENCE_HARD : REFERENCE_HIT;
			keep_step(&steps[i], outcome, pool.nr, pool.page_of);
		}
		exact_destroy(&pool);
	}
	if (ok) {
		printf("%s: %s, %u frames\n", name, choice->name, frames);
		print_steps(steps, trace, frames);
	}
	for (i = 0; i < trace->nr; i++) {
		hard += steps[i].outcome == REFERENCE_HARD;
		soft += steps[i].outcome == REFERENCE_SOFT;
		free(steps[i].page_of);
	}
	free(steps);
	if (!ok)
		return;
	printf("\n%u references, %u misses", trace->nr, hard);
	if (choice->ops)
		printf(", %u soft faults", soft);
	printf("\n\n");
}

static void run_steps(const char *name, const struct trace *trace)
{
	u32 i, j;

	if (trace->nr > MAX_STEPS)
		usage_error("--steps is for short traces: %s has %u references, more than %u", name,
			    trace->nr, MAX_STEPS);
	for (i = 0; i < options.nr_frames; i++) {
		if (frames_of(i, trace) > MAX_COLUMNS)
			usage_error("--steps is for small pools: at most %u frames", MAX_COLUMNS);
		for (j = 0; j < options.nr_policies && !any_wrong; j++)
			step_choice(name, trace, options.policies[j], frames_of(i, trace));
	}
}

int main(int argc, char **argv)
{
	struct trace trace;
	char error[300];

	if (&own_policy)
		take_own();
	take_options(argc, argv);
	catch_signals();
	if (&own_policy && !try_policy(&choices[nr_choices - 1]))
		return 1;
	if (options.json)
		printf("[");
	for (; optind < argc && !any_wrong; optind++) {
		const char *name = argv[optind];

		if (*name == '@' && !trace_generate(&trace, name + 1))
			usage_error("there is no load %s; see --help", name);
		if (*name != '@' &&
		    !trace_open(&trace, name, options.format, error, sizeof(error)))
			usage_error("%s", error);
		if (options.print)
			print_trace(&trace);
		else if (options.curve)
			print_curve(name, &trace);
		else if (options.steps)
			run_steps(name, &trace);
		else
			run_trace(name, &trace);
		trace_free(&trace);
	}
	if (options.json)
		printf("\n]\n");
	return any_wrong;
}
