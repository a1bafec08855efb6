// SPDX-License-Identifier: GPL-2.0
/*
 * locks.c - a plugin of QEMU 7.2 that counts the instructions run under each lock of a Linux kernel
 *
 *	-plugin locks.so,out=FILE,spin=FROM-TO,...,mutex=FROM-TO,...,slow=FROM-TO,...,
 *		give=FROM-TO,...,switch=FROM-TO
 *
 * spin, mutex: the addresses of functions that take a lock; slow: of what mutex functions call when
 * it is held; give: of functions that release one; switch: of __switch_to_asm. For machines with
 * one processor, whose kernel is where it was linked (nokaslr), keeps its LOCK prefixes
 * (noreplace-smp) and releases its spinlocks by a call (UNINLINE_SPIN_UNLOCK).
 *
 * A lock is known by its address. It is taken by the locked instruction of a function that takes
 * one, unless somebody else has it; and released by the first store to that address in a function
 * that releases one. Its instructions are those of the task that holds it, interrupts included.
 * The taker is known by the address of the call.
 *
 * bench --mark brackets what is measured with two nops that nobody else executes. At the second
 * one a record goes to FILE:
 *
 *	run INSTRUCTIONS
 *	node NUMBER PARENT KIND CALLER TIMES INSTRUCTIONS LONGEST
 *	lock NUMBER ADDRESS TIMES
 *
 * A node is a place where locks of a KIND (spin, mutex) are taken, by CALLER under the lock of node
 * PARENT (0: none); its instructions include those under locks taken meanwhile. The lines that
 * follow say which.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin.h"

EXPORT int qemu_plugin_version = 1;

#define MAX_RANGES	64
#define MAX_HELD	64
#define MAX_TASKS	4096
#define MAX_NODES	4096
#define MAX_LOCKS	1048576
#define MARK		"\x0f\x1f\x84\x00vmd"	/* and 0 or 1 */

struct range {
	__u64 from;
	__u64 to;
};

/* In the order of what the arguments call them */
enum part { SPIN, MUTEX, SLOW, GIVE, SWITCH, NR_PARTS };
static const char * const part_names[NR_PARTS] = { "spin=", "mutex=", "slow=", "give=", "switch=" };
static struct range ranges[NR_PARTS][MAX_RANGES];
static unsigned int nr_ranges[NR_PARTS];
static const char * const kinds[] = { "spin", "mutex" };
static const char *out_name;

static __u64 clock_now;	/* instructions since the start */
static __u64 last_call;	/* the last instruction of the last block */
static __u64 this_call;	/* ... and of this one */

struct held {
	__u64 lock;
	__u64 since;		/* in the task's own instructions */
	unsigned int node;
};

static struct task {
	__u64 id;
	__u64 ran;		/* instructions until it was last switched away from */
	__u64 caller[SLOW];	/* of the spinlock function entered last, and the mutex function */
	unsigned int nr_held;
	struct held held[MAX_HELD];
} tasks[MAX_TASKS], *current = tasks;
static __u64 switched_at;

static struct node {
	__u64 caller;
	unsigned int kind;
	unsigned int parent;
	__u64 times;
	__u64 instructions;
	__u64 longest;
} nodes[MAX_NODES];
static unsigned int nr_nodes = 1;

static struct taken {
	__u64 lock;
	unsigned int node;
	__u64 times;
} *locks;

static __u64 marked_at;
static bool marked;

static void give_up(const char *why)
{
	fprintf(stderr, "locks: %s\n", why);
	exit(1);
}

static bool within(enum part part, __u64 address)
{
	unsigned int i;

	for (i = 0; i < nr_ranges[part]; i++)
		if (address >= ranges[part][i].from && address < ranges[part][i].to)
			return true;
	return false;
}

static __u64 task_clock(void)
{
	return current->ran + clock_now - switched_at;
}

static unsigned int node_of(unsigned int kind, __u64 caller, unsigned int parent)
{
	unsigned int i;

	for (i = 1; i < nr_nodes; i++)
		if (nodes[i].caller == caller && nodes[i].parent == parent)
			return i;
	if (nr_nodes == MAX_NODES)
		give_up("too many places where locks are taken");
	nodes[nr_nodes].caller = caller;
	nodes[nr_nodes].kind = kind;
	nodes[nr_nodes].parent = parent;
	return nr_nodes++;
}

static void count_lock(__u64 lock, unsigned int node)
{
	__u64 at = (lock * 0x9e3779b97f4a7c15ULL ^ node * 0xff51afd7ed558ccdULL) % MAX_LOCKS, i;

	for (i = 0; i < MAX_LOCKS; i++, at = (at + 1) % MAX_LOCKS) {
		if (!locks[at].times) {
			locks[at].lock = lock;
			locks[at].node = node;
		}
		if (locks[at].lock == lock && locks[at].node == node) {
			locks[at].times++;
			return;
		}
	}
	give_up("too many locks");
}

static bool is_held(__u64 lock)
{
	unsigned int i, j;

	for (i = 0; i < MAX_TASKS && (!i || tasks[i].id); i++)
		for (j = 0; j < tasks[i].nr_held; j++)
			if (tasks[i].held[j].lock == lock)
				return true;
	return false;
}

static void take(unsigned int kind, __u64 caller, __u64 lock)
{
	struct held *h = &current->held[current->nr_held];

	if (is_held(lock))
		return;
	if (current->nr_held == MAX_HELD)
		give_up("a task holds too many locks: their release is not seen");
	h->lock = lock;
	h->since = task_clock();
	h->node = 0;
	if (marked) {
		h->node = node_of(kind, caller, current->nr_held ? h[-1].node : 0);
		count_lock(lock, h->node);
	}
	current->nr_held++;
}

static void on_take(unsigned int vcpu, qemu_plugin_meminfo_t info, __u64 lock, void *data)
{
	uintptr_t kind = (uintptr_t)data;

	take(kind, current->caller[kind], lock);
}

static bool give(struct task *task, __u64 lock)
{
	__u64 ran = task == current ? task_clock() : task->ran;
	unsigned int i;

	for (i = task->nr_held; i-- > 0; ) {
		struct held h = task->held[i];

		if (h.lock != lock)
			continue;
		task->nr_held--;
		memmove(task->held + i, task->held + i + 1, (task->nr_held - i) * sizeof(h));
		if (marked && h.node) {
			ran -= h.since;
			nodes[h.node].times++;
			nodes[h.node].instructions += ran;
			if (ran > nodes[h.node].longest)
				nodes[h.node].longest = ran;
		}
		return true;
	}
	return false;
}

/* What the scheduler takes, the next task releases. */
static void on_give(unsigned int vcpu, qemu_plugin_meminfo_t info, __u64 lock, void *data)
{
	unsigned int i;

	if (give(current, lock))
		return;
	for (i = 0; i < MAX_TASKS && (!i || tasks[i].id); i++)
		if (give(&tasks[i], lock))
			return;
}

static void on_enter(unsigned int vcpu, void *data)
{
	current->caller[(uintptr_t)data] = last_call;
}

static void on_block(unsigned int vcpu, void *data)
{
	last_call = this_call;
	this_call = (__u64)data;
}

/* The load of the next task's stack pointer: where that lies is as good as the task's address. */
static void on_switch(unsigned int vcpu, qemu_plugin_meminfo_t info, __u64 id, void *data)
{
	unsigned int i;

	current->ran = task_clock();
	switched_at = clock_now;
	for (i = 1; i < MAX_TASKS && tasks[i].id && tasks[i].id != id; i++)
		;
	if (i == MAX_TASKS)
		give_up("too many tasks");
	tasks[i].id = id;
	current = &tasks[i];
}

/* What is held already counts as not held. */
static void on_begin(unsigned int vcpu, void *data)
{
	unsigned int i, j;

	for (i = 0; i < MAX_TASKS; i++)
		for (j = 0; j < tasks[i].nr_held; j++)
			tasks[i].held[j].node = 0;
	memset(nodes, 0, sizeof(nodes));
	nr_nodes = 1;
	memset(locks, 0, MAX_LOCKS * sizeof(*locks));
	marked_at = clock_now;
	marked = true;
}

static void on_end(unsigned int vcpu, void *data)
{
	FILE *f = fopen(out_name, "a");
	unsigned int i;

	if (!f)
		give_up("cannot write what was counted");
	marked = false;
	fprintf(f, "run %llu\n", clock_now - marked_at);
	for (i = 1; i < nr_nodes; i++)
		if (nodes[i].times)
			fprintf(f, "node %u %u %s %llx %llu %llu %llu\n", i, nodes[i].parent,
				kinds[nodes[i].kind], nodes[i].caller, nodes[i].times,
				nodes[i].instructions, nodes[i].longest);
	for (i = 0; i < MAX_LOCKS; i++)
		if (locks[i].times)
			fprintf(f, "lock %u %llx %llu\n", locks[i].node,
				locks[i].lock, locks[i].times);
	fclose(f);
}

static void instrument(struct qemu_plugin_insn *insn)
{
	__u64 address = qemu_plugin_insn_vaddr(insn);
	const __u8 *code = qemu_plugin_insn_data(insn);
	size_t size = qemu_plugin_insn_size(insn);
	uintptr_t part;
	unsigned int i;

	qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &clock_now, 1);
	if (size == 8 && !memcmp(code, MARK, 7)) {
		qemu_plugin_register_vcpu_insn_exec_cb(insn, code[7] == '0' ? on_begin : on_end, 0,
						       NULL);
		return;
	}
	for (part = SPIN; part <= MUTEX; part++)
		for (i = 0; i < nr_ranges[part]; i++)
			if (address == ranges[part][i].from)
				qemu_plugin_register_vcpu_insn_exec_cb(insn, on_enter, 0,
								       (void *)part);
	for (part = SPIN; part <= SLOW; part++)
		if (code[0] == 0xf0 && within(part, address))
			qemu_plugin_register_vcpu_mem_cb(insn, on_take, 0, QEMU_PLUGIN_MEM_W,
							 (void *)(part ? (uintptr_t)MUTEX : SPIN));
	if (within(GIVE, address))
		qemu_plugin_register_vcpu_mem_cb(insn, on_give, 0, QEMU_PLUGIN_MEM_W, NULL);
	/* mov ...(%rsi), %rsp */
	if (within(SWITCH, address) && size >= 3 && !memcmp(code, "\x48\x8b\xa6", 3))
		qemu_plugin_register_vcpu_mem_cb(insn, on_switch, 0, QEMU_PLUGIN_MEM_R, NULL);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	__u64 last = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, n - 1));

	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, 0, (void *)last);
	for (i = 0; i < n; i++)
		instrument(qemu_plugin_tb_get_insn(tb, i));
}

/* NAME=FROM-TO */
static bool parse(const char *text)
{
	enum part part;
	struct range *r;

	for (part = SPIN; part < NR_PARTS; part++) {
		size_t n = strlen(part_names[part]);

		if (strncmp(text, part_names[part], n) || nr_ranges[part] == MAX_RANGES)
			continue;
		r = &ranges[part][nr_ranges[part]++];
		return sscanf(text + n, "%llx-%llx", &r->from, &r->to) == 2;
	}
	return false;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out_name = strdup(argv[i] + 4);
		else if (!parse(argv[i]))
			return 1;
	}
	locks = calloc(MAX_LOCKS, sizeof(*locks));
	if (!out_name || !nr_ranges[SPIN] || !nr_ranges[GIVE] || !nr_ranges[SWITCH] || !locks)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	return 0;
}
