// SPDX-License-Identifier: GPL-2.0
/*
 * test_sim.c - the simulator: exact policies, traces, and what it says of policies that are wrong
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reference.h"
#include "test.h"
#include "trace_file.h"

/* Of the textbooks: the string that Silberschatz has for all policies, and Belady's anomaly. */
#define TEXTBOOK	"7 0 1 2 0 3 0 4 2 3 0 3 2 1 2 0 1 7 0 1"
#define ANOMALY		"1 2 3 4 1 2 5 1 2 3 4 5"

/* The trace that @text is, as @format; false with @error in words. */
static bool parse(struct trace *trace, const void *text, size_t len, enum trace_format format,
		  char error[300])
{
	FILE *file = fmemopen((void *)text, len, "r");
	bool ok;

	if (!file)
		abort();
	ok = trace_read(trace, file, "x", format, error, 300);
	fclose(file);
	return ok;
}

static void parse_text(struct trace *trace, const char *text)
{
	char error[300];

	if (!parse(trace, text, strlen(text), TRACE_TEXT, error))
		abort();
}

static bool expect_exact(const struct trace *trace, u32 frames, u64 lru, u64 fifo, u64 opt)
{
	u64 is_lru = exact_misses(trace, frames, EXACT_LRU);
	u64 is_fifo = exact_misses(trace, frames, EXACT_FIFO);
	u64 is_opt = exact_misses(trace, frames, EXACT_OPT);

	return expect(is_lru == lru && is_fifo == fifo && is_opt == opt,
		      "%u frames: lru %llu, fifo %llu, opt %llu misses, not %llu, %llu, %llu",
		      frames, is_lru, is_fifo, is_opt, lru, fifo, opt);
}

static bool expect_module(const struct vmdemo_policy_ops *ops, const struct trace *trace,
			  u32 frames, u64 misses)
{
	struct sim sim;

	return expect(sim_run(&sim, ops, frames, VMDEMO_STANDBY_PCT, false, trace), "%s: %s",
		      ops->name, sim.wrong) &&
	       expect(sim.hard == misses, "%s, %u frames: %llu misses, not %llu", ops->name, frames,
		      sim.hard, misses);
}

/*
 * What the textbooks have. The module's lru happens to miss as often here, with other pages in its
 * frames: a page that is mapped is used unseen, until the next fault demotes it.
 */
enum verdict test_textbook(u64 seed)
{
	struct trace trace;
	bool ok = true;

	parse_text(&trace, TEXTBOOK);
	ok &= expect_exact(&trace, 3, 12, 15, 9);
	ok &= expect_module(&vmdemo_policy_fifo, &trace, 3, 15);
	ok &= expect_module(&vmdemo_policy_lru, &trace, 3, 12);
	trace_free(&trace);
	parse_text(&trace, ANOMALY);
	ok &= expect_exact(&trace, 3, 10, 9, 7);
	ok &= expect_exact(&trace, 4, 8, 10, 6);
	ok &= expect_module(&vmdemo_policy_fifo, &trace, 3, 9);
	ok &= expect_module(&vmdemo_policy_fifo, &trace, 4, 10);
	trace_free(&trace);
	return verdict_of(ok);
}

/* Which of the @nr pages goes when reference @i has come? The place of it in @pages. */
static u32 naive_choice(const struct trace *trace, u32 i, const u32 *pages, u32 nr,
			enum exact how)
{
	u32 place, at, chosen = 0, best = 0;

	for (place = 0; place < nr; place++) {
		/* How far away its last use is, or its next; pages are in order of arrival. */
		at = 1;
		while (how == EXACT_LRU && trace->pages[i - at] != pages[place])
			at++;
		while (how == EXACT_OPT && i + at < trace->nr &&
		       trace->pages[i + at] != pages[place])
			at++;
		if (at > best) {
			best = at;
			chosen = place;
		}
	}
	return chosen;
}

static u64 naive_misses(const struct trace *trace, u32 frames, enum exact how)
{
	u32 i, place, nr = 0, *pages = get_memory((frames + 1) * sizeof(u32));
	u64 misses = 0;

	for (i = 0; i < trace->nr; i++) {
		for (place = 0; place < nr && pages[place] != trace->pages[i]; place++)
			;
		if (place < nr)
			continue;
		misses++;
		if (nr == frames) {
			place = naive_choice(trace, i, pages, nr--, how);
			memmove(&pages[place], &pages[place + 1], (nr - place) * sizeof(u32));
		}
		pages[nr++] = trace->pages[i];
	}
	free(pages);
	return misses;
}

/* Random strings: each exact policy agrees with its definition, and the curve with LRU. */
enum verdict test_exact_policies(u64 seed)
{
	u32 round, i, frames;
	bool ok = true;

	for (round = 0; ok && round < 200; round++) {
		u32 nr = 1 + chance_below(&seed, 150), pages = 1 + chance_below(&seed, 20);
		struct trace trace = { };
		u64 *curve;

		for (i = 0; i < nr; i++)
			trace_add(&trace, chance_below(&seed, 1 + chance_below(&seed, pages)));
		trace_finish(&trace);
		curve = lru_curve(&trace);
		ok &= expect(curve[0] == nr, "without frames not all references miss");
		for (frames = 1; ok && frames <= trace.nr_pages; frames++) {
			ok &= expect_exact(&trace, frames, naive_misses(&trace, frames, EXACT_LRU),
					   naive_misses(&trace, frames, EXACT_FIFO),
					   naive_misses(&trace, frames, EXACT_OPT));
			ok &= expect(curve[frames] == exact_misses(&trace, frames, EXACT_LRU),
				     "%u frames: the curve has %llu misses", frames, curve[frames]);
		}
		ok &= expect(curve[trace.nr_pages] == trace.nr_pages, "a page misses twice");
		free(curve);
		trace_free(&trace);
	}
	return verdict_of(ok);
}

#define LACKEY	"==7== Lackey\nI  04000ffe,3\n L 7fff00001000,8\n S 04001008,4\n M 04002fff,1\n"

enum verdict test_trace_files(u64 seed)
{
	static const struct {
		const char *text;
		size_t len;	/* 0: the text's */
		enum trace_format format;
		u32 nr, nr_pages;
		u64 first, last;
	} files[] = {
		{ TEXTBOOK, 0, TRACE_DETECT, 20, 6, 7, 1 },
		{ "# of a book\n3\n0x10\n\n 5, 3 # again\n", 0, TRACE_DETECT, 4, 3, 3, 3 },
		{ "18446744073709551615\n0\n", 0, TRACE_TEXT, 2, 2, ~0ULL, 0 },
		{ "1 40000000000 40000000001 1", 0, TRACE_DETECT, 4, 3, 1, 1 },
		{ "\1\0\0\0\0\1\0\0\1\0\0\0", 12, TRACE_DETECT, 3, 2, 1, 1 },
		{ "abcd\1\0\0\xff", 8, TRACE_BINARY, 2, 2, 0x64636261, 0xff000001 },
		{ LACKEY, 0, TRACE_DETECT, 5, 4, 0x4000, 0x4002 },
		{ "I  04000fff,1\n", 0, TRACE_DETECT, 1, 1, 0x4000, 0x4000 },
	};
	char error[300];
	bool ok = true;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		struct trace trace;

		if (!expect(parse(&trace, files[i].text, files[i].len ?: strlen(files[i].text),
				  files[i].format, error), "file %u: %s", i, error)) {
			ok = false;
			continue;
		}
		ok &= expect(trace.nr == files[i].nr && trace.nr_pages == files[i].nr_pages,
			     "file %u: %u references to %u pages", i, trace.nr, trace.nr_pages);
		ok &= expect(trace_page(&trace, trace.pages[0]) == files[i].first &&
			     trace_page(&trace, trace.pages[trace.nr - 1]) == files[i].last,
			     "file %u has other pages", i);
		trace_free(&trace);
	}
	return verdict_of(ok);
}

enum verdict test_bad_traces(u64 seed)
{
	static const struct {
		const char *text;
		size_t len;
		enum trace_format format;
		const char *error;
	} files[] = {
		{ "1\n2\nthree\n", 0, TRACE_DETECT, "x:3: 'three' is no page number" },
		{ "1\n-2\n", 0, TRACE_TEXT, "x:2: '-2' is no page number" },
		{ "1 2x 3", 0, TRACE_TEXT, "x:1: '2x' is no page number" },
		{ "18446744073709551616\n", 0, TRACE_TEXT,
		  "x:1: '18446744073709551616' is no page number" },
		{ "# nothing\n", 0, TRACE_DETECT, "x: it has no references" },
		{ "\1\0\0\0\2\0", 6, TRACE_DETECT,
		  "x: it is cut short: page number 1 has 2 bytes, not 4" },
		{ "I  04000000,3\nhello\n", 0, TRACE_DETECT,
		  "x:2: 'hello' is no access as lackey writes it: \" L 1ffefffe3c,4\"" },
		{ "I  04000000,3\n L zz,8\n", 0, TRACE_DETECT,
		  "x:2: ' L zz,8' has no address, or no size" },
		{ " L 1000\n", 0, TRACE_DETECT, "x:1: ' L 1000' has no address, or no size" },
		{ " S 1000,0\n", 0, TRACE_DETECT, "x:1: '0' is no size of an access" },
		{ " S ffffffffffffffff,2\n", 0, TRACE_DETECT, "x:1: '2' is no size of an access" },
		{ "7 0 1", 0, TRACE_LACKEY,
		  "x:1: '7 0 1' is no access as lackey writes it: \" L 1ffefffe3c,4\"" },
	};
	char error[300];
	bool ok = true;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		struct trace trace;

		if (parse(&trace, files[i].text, files[i].len ?: strlen(files[i].text),
			  files[i].format, error)) {
			ok = expect(false, "file %u is read, without: %s", i, files[i].error);
			trace_free(&trace);
			continue;
		}
		ok &= expect(!strcmp(error, files[i].error), "\"%s\", not: %s", error,
			     files[i].error);
	}
	return verdict_of(ok);
}

/* ---- policies that are wrong, each in one way ---- */

static struct vmdemo_node *last_touched;

static void insert_nowhere(struct vmdemo_policy *policy, struct vmdemo_node *node, bool refault)
{
}

static void insert_twice(struct vmdemo_policy *policy, struct vmdemo_node *node, bool refault)
{
	vmdemo_policy_add(policy, node, VMDEMO_LIST_ACTIVE);
	vmdemo_policy_add(policy, node, VMDEMO_LIST_ACTIVE);
}

static void insert_held(struct vmdemo_policy *policy, struct vmdemo_node *node, bool refault)
{
	vmdemo_policy_add(policy, node, VMDEMO_LIST_HELD);
}

static void touch_removes(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	vmdemo_policy_remove(policy, node);
}

static void touch_breaks(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	node->newer = node;
}

static bool spare_all(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	return true;
}

static bool remove_itself(struct vmdemo_policy *policy, struct vmdemo_node *node)
{
	vmdemo_policy_remove(policy, node);
	return true;
}

static struct vmdemo_node *victim_none(struct vmdemo_policy *policy, struct vmdemo_node *after)
{
	return NULL;
}

static struct vmdemo_node *victim_same(struct vmdemo_policy *policy, struct vmdemo_node *after)
{
	return vmdemo_policy_any(policy, NULL);
}

static struct vmdemo_node *victim_last(struct vmdemo_policy *policy, struct vmdemo_node *after)
{
	last_touched = last_touched ?: policy->find(policy, 1);
	return after ? NULL : last_touched;
}

static struct vmdemo_node *victim_ends(struct vmdemo_policy *policy, struct vmdemo_node *after)
{
	return &policy->lists[VMDEMO_LIST_ACTIVE].ends;
}

static struct vmdemo_node *victim_removes(struct vmdemo_policy *policy, struct vmdemo_node *after)
{
	struct vmdemo_node *node = vmdemo_policy_any(policy, after);

	if (node)
		vmdemo_policy_remove(policy, node);
	return node;
}

/* What is wrong is said in these words; a policy that is right is not called wrong. */
enum verdict test_wrong_policies(u64 seed)
{
	const struct {
		struct vmdemo_policy_ops ops;
		const char *says;
	} policies[] = {
		{ { .insert = insert_nowhere }, "insert() leaves frame 0 in no list" },
		{ { .insert = insert_twice }, "after insert() 2 frames are in lists, of 1" },
		{ { .insert = insert_held }, "insert() leaves frame 0 held" },
		{ { .touch = touch_removes, .excess = vmdemo_policy_lack },
		  "touch() leaves frame" },
		{ { .touch = touch_breaks, .excess = vmdemo_policy_lack }, "is damaged" },
		{ { .spare = spare_all }, "spare() spares all 20 frames" },
		{ { .remove = remove_itself }, "or removes it itself" },
		{ { .victim = victim_none }, "victim() finds none of 20 frames" },
		{ { .victim = victim_same }, "twice in a search" },
		{ { .victim = victim_last }, "victim() names frame 1, which is held" },
		{ { .victim = victim_ends }, "victim() names something that is no frame" },
		{ { .victim = victim_removes }, "after victim() 19 frames are in lists, of 20" },
		{ vmdemo_policy_lru, "" },
		{ vmdemo_policy_fifo, "" },
		{ vmdemo_policy_clock, "" },
		{ vmdemo_policy_random, "" },
		{ vmdemo_policy_2q, "" },
	};
	bool ok = true;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct sim sim;

		last_touched = NULL;
		sim_create(&sim, &policies[i].ops, 20, 64);
		sim.trial = true;
		for (j = 0; j < 100000 && !sim.wrong[0]; j++)
			sim_access(&sim, chance_below(&seed, 40));
		ok &= expect(policies[i].says[0] ? !!strstr(sim.wrong, policies[i].says) :
						   !sim.wrong[0],
			     "policy %u: \"%s\", not \"%s\"", i, sim.wrong, policies[i].says);
		sim_destroy(&sim);
	}
	return verdict_of(ok);
}

/* What module/README.md says of a sweep forward and backward. */
enum verdict test_sawtooth(u64 seed)
{
	struct trace trace;
	struct sim sim;
	bool ok = true;

	if (!trace_generate(&trace, "sawtooth"))
		abort();
	ok &= expect(exact_misses(&trace, 5400, EXACT_LRU) == 101400, "exact lru misses otherwise");
	sim_run(&sim, &vmdemo_policy_lru, 5400, 40, false, &trace);
	ok &= expect(sim.hard > 4 * 101400, "at standby 40 lru misses only %llu times", sim.hard);
	sim_run(&sim, &vmdemo_policy_lru, 5400, 90, false, &trace);
	ok &= expect(sim.hard <= 101400 * 102 / 100, "at standby 90 lru misses %llu times",
		     sim.hard);
	trace_free(&trace);
	return verdict_of(ok);
}

/* ---- the program ---- */

/* FIFO with three frames, as textbooks print it. */
static const char steps[] =
"reference  7 0 1 2 0 3 0 4 2 3 0 3 2 1 2 0 1 7 0 1\n"
"frame 0    7 7 7 2 2 2 2 4 4 4 0 0 0 0 0 0 0 7 7 7\n"
"frame 1    . 0 0 0 0 3 3 3 2 2 2 2 2 1 1 1 1 1 0 0\n"
"frame 2    . . 1 1 1 1 0 0 0 3 3 3 3 3 2 2 2 2 2 1\n"
"fault      * * * *   * * * * * *     * *     * * *\n"
"\n"
"20 references, 15 misses\n";

/* What @command prints, with its exit status in the first character. */
static void run_shell(const char *command, char output[4000])
{
	size_t len;
	FILE *pipe;
	int status;

	fflush(stdout);
	pipe = popen(command, "r");
	if (!pipe)
		abort();
	len = fread(output + 1, 1, 3998, pipe);
	output[len + 1] = 0;
	status = pclose(pipe);
	output[0] = status & 0xff ? '?' : '0' + (status >> 8);
}

enum verdict test_program(u64 seed)
{
	static const struct {
		const char *args, *input, *says;
	} runs[] = {
		{ "--steps -p exact-fifo -f 3 -", TEXTBOOK,
		  steps },
		{ "--curve -", TEXTBOOK, "\n       3         12   0.6000\n" },
		{ "--json -p opt,lru -f 3 -", TEXTBOOK,
		  "\"frames\": 3, \"policy\": \"opt\", \"misses\": 9, \"exact_lru\": 12},\n" },
		{ "--print -", TEXTBOOK, "7\n0\n1\n2\n0\n3\n0\n4\n" },
		{ "-p opt -f 50% @loop/100", "",
		  "\n@loop/100            55 opt              -       5086" },
		{ "-p fifo -f 50%,1-2 -", TEXTBOOK, "       3 fifo           40%         15" },
		{ "-", "one", "sim: standard input:1: 'one' is no page number\n" },
		{ "/nonexistent", "",
		  "sim: /nonexistent: it cannot be read: No such file or directory\n" },
		{ "@loop/0", "", "sim: there is no load @loop/0; see --help\n" },
		{ "@nothing", "", "sim: there is no load @nothing; see --help\n" },
		{ "-p mru @loop", "", "sim: --policy: there is no 'mru'; see --help\n" },
		{ "-f 0 @loop", "", "sim: --frames: '0' is not a number from 1 to" },
		{ "-f 101% @loop", "", "sim: --frames: '101%' is more than all pages\n" },
		{ "-f 3- @loop", "", "sim: --frames: '' is not a number from 3 to" },
		{ "-s 101 @loop", "", "sim: --standby: '101' is not a number from 0 to 100\n" },
		{ "--steps @loop", "",
		  "sim: --steps is for short traces: @loop has 1000000 references" },
		{ "", "", "sim: name a trace" },
	};
	char command[1000], output[4000];
	bool ok = true;
	u32 i;

	if (!getenv("VMDEMO_SIM"))
		return skip("VMDEMO_SIM does not name the simulator");
	for (i = 0; i < ARRAY_SIZE(runs); i++) {
		snprintf(command, sizeof(command), "echo '%s' | %s %s 2>&1", runs[i].input,
			 getenv("VMDEMO_SIM"), runs[i].args);
		run_shell(command, output);
		ok &= expect(output[0] == (i < 6 ? '0' : '2'), "sim %s: status %c", runs[i].args,
			     output[0]);
		ok &= expect(strstr(output + 1, runs[i].says), "sim %s: \"%s\", not \"%s\"",
			     runs[i].args, output + 1, runs[i].says);
	}
	return verdict_of(ok);
}

/* A policy that gives up the newest page but one, in a file of its own, in pieces. */
#define OWN_HEAD "#include \"policy.h\"\n"						\
	"static struct vmdemo_node *own_victim(struct vmdemo_policy *policy,\n"		\
	"struct vmdemo_node *after) {\n"						\
	"struct vmdemo_node *ends = &policy->lists[VMDEMO_LIST_ACTIVE].ends;\n"		\
	"struct vmdemo_node *node = after ? after->older : ends->older;\n"
#define OWN_BODY "if (!after && node->older != ends) node = node->older;\n"		\
	"return node == ends ? NULL : node; }\n"
#define OWN_TABLE "const struct vmdemo_policy_ops vmdemo_policy_own = {\n"		\
	".name = \"own\", .victim = own_victim };\n"
#define OWN_TAIL "VMDEMO_POLICY_MODULE(vmdemo_policy_own);\n"

/* scripts/policy: a policy of one's own, and what is said of some that are wrong. */
enum verdict test_own_policy(u64 seed)
{
	static const struct {
		const char *text;
		char status;
		const char *says;
	} files[] = {
		{ OWN_HEAD OWN_BODY OWN_TABLE OWN_TAIL, '0', "own            40%         13" },
		{ OWN_HEAD "return NULL; }\n" OWN_TABLE OWN_TAIL, '1',
		  "policy own is wrong: victim() finds none of 1 frames" },
		{ OWN_HEAD "return *(struct vmdemo_node **)8; }\n" OWN_TABLE OWN_TAIL, '1',
		  "policy own is wrong: victim() uses a pointer to nothing" },
		{ OWN_HEAD "return nothing; }\n" OWN_TABLE OWN_TAIL, '2',
		  "own.c does not compile" },
		{ OWN_HEAD OWN_BODY "static " OWN_TABLE OWN_TAIL, '2',
		  "own.c has no vmdemo_policy_own that others can see" },
		{ OWN_HEAD OWN_BODY OWN_TABLE, '2', "own.c does not say which policy it has" },
	};
	const char *script = getenv("VMDEMO_POLICY_SCRIPT");
	char dir[] = "/tmp/vmdemo-own-XXXXXX", command[2000], output[4000];
	bool ok = true;
	FILE *file;
	u32 i;

	if (!script)
		return skip("VMDEMO_POLICY_SCRIPT does not name scripts/policy");
	if (!mkdtemp(dir))
		return skip("no folder can be made in /tmp");
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(command, sizeof(command), "%s/own.c", dir);
		file = fopen(command, "w");
		if (!file)
			abort();
		fputs(files[i].text, file);
		fclose(file);
		snprintf(command, sizeof(command),
			 "echo '%s' | VMDEMO_CACHE=%s %s %s/own.c -f 3 - 2>&1", TEXTBOOK, dir,
			 script, dir);
		run_shell(command, output);
		ok &= expect(output[0] == files[i].status, "file %u: status %c", i, output[0]);
		ok &= expect(strstr(output + 1, files[i].says), "file %u: \"%s\", not \"%s\"", i,
			     output + 1, files[i].says);
	}
	snprintf(command, sizeof(command), "rm -r %s", dir);
	run_shell(command, output);
	return verdict_of(ok);
}
