#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mutate.sh - prove that the policy tests can fail: break the policies in a copy, one way at a time
#
# usage: mutate.sh [WORDS]    WORDS: only the mutants that have these in their description
#
# Exit status: 0 if the tests pass on the unbroken copy and fail on every broken one.
set -eu -o pipefail

only=${1-}
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
module=$top/module
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/module" "$copy/selftests/policy"
cp "$here"/*.[ch] "$here/Makefile" "$copy/selftests/policy"

# The traces of the oracle are not needed for this, and take their time.
export VMDEMO_ORACLE=/nonexistent

# verdict LOG: print passed or failed; die if the tests did not even run, which proves nothing.
verdict() {
	make -s -C "$copy/selftests/policy" O="$copy/build" example="$here/../../scripts/demo/policy" "$copy/build/test_policy" \
		>"$copy/log" 2>&1 ||
		{ cat "$copy/log"; echo "mutate.sh: the copy does not compile." >&2; exit 1; }
	# One failure will do. A list without end keeps a test busy for ever: that is one, too.
	if timeout 60 "$copy/build/test_policy" 2>&1 | sed '/^not ok/q' >"$copy/log"; then
		echo passed
	else
		echo failed
	fi
}

# restore: the unbroken files; those that are so already keep their time, and need not be compiled again.
restore() {
	local file
	for file in "$module"/policy*.[ch] "$here"/*.[ch]; do
		cmp -s "$file" "$copy/${file#"$top/"}" || cp "$file" "$copy/${file#"$top/"}"
	done
}

# mutant WHAT FILE SED: the tests must fail after SED on FILE, which is the module's, or the simulator's.
mutant() {
	local file=module/$2
	[[ $1 == *"$only"* ]] || return 0
	[ -e "$top/$file" ] || file=selftests/policy/$2
	restore
	sed -i "$3" "$copy/$file"
	if cmp -s "$top/$file" "$copy/$file"; then
		echo "stale: $1: the sed script changes nothing"
		bad=1
	elif [ "$(verdict)" = failed ]; then
		echo "found: $1"
	else
		echo "missed: $1"
		bad=1
	fi
}

bad=
restore
if [ "$(verdict)" != passed ]; then
	cat "$copy/log"
	exit 1
fi

mutant "a touch moves under fifo" policy_fifo.c \
	'/fifo_touch(struct/,/^}/s/^{/&vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE);/'
mutant "a touch does nothing under lru" policy.h \
	'/policy_touch(struct/,/^}/s/vmdemo_policy_move.*/;/'
mutant "lru inserts on standby" policy.h \
	'/policy_insert(struct/,/^}/s/LIST_ACTIVE/LIST_STANDBY/'
mutant "lru does not spare" policy.c '/spare_standby(struct/,/^}/s/true/false/'
mutant "lru spares frames it did not demote" policy.c \
	'/spare_standby(struct/,/^}/s/return false/(void)0/'
mutant "a policy is not asked whom to spare" policy.h 's/return policy->ops->spare \&\&/return 0 \&\&/'
mutant "a policy is not asked for victims" policy.h 's/if (unlikely(policy->ops->victim))/if (0)/'
mutant "a policy does not hear of removals" policy.h 's/if (unlikely(policy->ops->remove))/if (0)/'
mutant "clock: a touch moves" policy_clock.c \
	'/clock_touch(struct/,/^}/s/node->mark = 1/vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE)/'
mutant "clock: an active frame is marked" policy_clock.c 's/node->list != VMDEMO_LIST_ACTIVE/1/'
mutant "clock: a mark stays for ever" policy_clock.c '/clock_begin(struct/,/^}/s/node->mark = 0;//'
mutant "clock: a mark goes, and the frame too" policy_clock.c \
	'/clock_begin(struct/,/^}/s/node = vmdemo_policy_any(policy, NULL);/break;/'
mutant "clock: the hand moves in the middle of a search" policy_clock.c 's/if (!after)/if (1)/'
mutant "clock: the hand never moves" policy_clock.c \
	's/if (!after)/if (0)/; s/node = vmdemo_policy_any(policy, after)/if (!after) policy->left = VMDEMO_CLOCK_PASS; &/'
mutant "clock: a new page has the mark of an old one" policy_clock.c \
	'/clock_insert(struct/,/^}/s/node->mark = 0;//'
mutant "clock: a late reference leaves a mark" policy_clock.c \
	'/clock_spare(struct/,/^}/s/node->mark = 0;//'
mutant "clock: the hand passes over all" policy_clock.c '/clock_begin(struct/,/^}/s/ && policy->left;/;/'
mutant "clock: a search looks ahead over all" policy_clock.c '/clock_victim(struct/,/^}/s/ && policy->left;/;/'
mutant "clock: 256 frames for each victim" policy_clock.c \
	'/clock_victim(struct/,/^}/s/for (;/for (policy->left = VMDEMO_CLOCK_PASS;/'
mutant "clock: a search goes on with what is marked" policy_clock.c 's/(node->mark || node->list/(node->list/'
mutant "clock: a search goes on to the newest" policy_clock.c 's/ || node->list == VMDEMO_LIST_ACTIVE//'
mutant "clock: what is passed stays behind" policy_clock.c \
	'/clock_begin(struct/,/^}/s/move(policy, node, VMDEMO_LIST_ACTIVE)/move(policy, node, VMDEMO_LIST_STANDBY)/'
mutant "clock: the newest goes when all are marked" policy_clock.c 's/if (!passed ||/if (1 ||/'
mutant "clock: the last one passed goes" policy_clock.c 's/passed = passed ?: node/passed = node/'
mutant "clock: the first one passed is young" policy_clock.c '/policy_release(policy, passed)/d'
mutant "clock: nothing is demoted" policy_clock.c '/\.excess/d'
mutant "random: a touch moves" policy_random.c \
	'/random_touch(struct/,/^}/s/^{/&vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE);/'
mutant "random: always the same numbers" policy_random.c 's/policy->chance +=/policy->chance +/'
mutant "random: an even increment" policy_random.c 's/(policy) | 1;/(policy) << 1;/'
mutant "random: a search without end" policy_random.c 's/policy->left--/(void)0/'
mutant "random: a search comes to half of the frames" policy_random.c 's/left = min(policy->span/left = min(policy->span \/ 2/'
mutant "random: a step instead of an order" policy_random.c 's/0x9e3779b5U/1U/'
mutant "random: held frames, too" policy_random.c 's/node && vmdemo_policy_ordered(node)/node \&\& node->list/'
mutant "random: a search goes through other numbers when the pool shrinks" policy_random.c \
	's/while (policy->left) {/&for (policy->span = 1; policy->span < policy->limit;) policy->span *= 2;/'
mutant "random: no number is beyond the number of frames" policy_random.c 's/policy->limit/policy->nr_frames/'
mutant "random: a search tries all numbers" policy_random.c 's/min(policy->span, VMDEMO_RANDOM_LOOK)/policy->span/'
mutant "2q: all pages are new" policy_2q.c 's/refault ?/0 ?/'
mutant "2q: none is new" policy_2q.c 's/refault ?/1 ?/'
mutant "2q: a touch promotes what is new" policy_2q.c \
	'/2q_touch(struct/,/^}/s/node->list != VMDEMO_LIST_FIRST/1/'
mutant "2q: all are remembered" policy_2q.c 's/return node->list == VMDEMO_LIST_FIRST/return true/'
mutant "2q: first has half" policy_2q.c 's/FIRST_PCT	25/FIRST_PCT	50/'
mutant "2q: first has three frames of a small pool" policy_2q.c 's/FIRST_LEAST	4U/FIRST_LEAST	3U/'
mutant "2q: a search in first goes one too far" policy_2q.c 's/left = vmdemo_2q_over(policy)/& + 1/'
mutant "2q: what was named of first counts on" policy_2q.c '/policy->left--/d'
mutant "2q: first never goes before the others" policy_2q.c 's/if (first \&\& policy->left/if (0 \&\& policy->left/'
mutant "2q: first never goes" policy_2q.c 's/VMDEMO_LIST_ACTIVE) ?: first;/VMDEMO_LIST_ACTIVE);/'
mutant "2q: active goes before standby" policy_2q.c \
	'/return vmdemo_policy_oldest(/s/STANDBY/ACTIVE/; /2q_victim(/,/^}/s/LIST_ACTIVE) ?: first/LIST_STANDBY) ?: first/'
mutant "2q: a share of all frames is demoted" policy_2q.c 's/main = active + have/main = policy->nr_frames/'
mutant "2q: a small pool demotes a share" policy_2q.c 's/nr_frames <= VMDEMO_SMALL_POOL/nr_frames == 0/'
mutant "a pool is calm at once" policy.h 's/soft_faults >= VMDEMO_CALM/soft_faults/'
mutant "a page that comes in does not end the calm" policy.h '/policy->soft_faults = 0/d'
mutant "a demotion starts one frame late" policy.h \
	'/policy_demote(/,/^}/s/last = NULL/last = vmdemo_policy_oldest(policy, VMDEMO_LIST_ACTIVE)/'
mutant "a demoted frame does not know where it is" policy.h \
	'/policy_demote(/,/^}/s/last->list = VMDEMO_LIST_STANDBY/(void)0/'
mutant "demoted frames are the oldest of standby" policy.h \
	's/first->older = standby->ends.older/last->newer = standby->ends.newer, last->newer->older = last, first->older = \&standby->ends, standby->ends.newer = first, active->nr -= nr, standby->nr += nr; return/'
mutant "what was the newest on standby does not lead on" policy.h '/first->older->newer = first/d'
mutant "a demotion is not counted in active" policy.h '/active->nr -= nr/d'
mutant "a demotion is not counted on standby" policy.h '/standby->nr += nr/d'
mutant "free frames do not count as standby" policy.c 's/slack + vmdemo/vmdemo/'
mutant "frames that are being unmapped do not count as standby" policy.c \
	's/vmdemo_policy_nr(policy, VMDEMO_LIST_UNMAPPING)/0/'
mutant "one frame too many on standby" policy.c \
	's/min(target - have/min(target - have + 1/'
mutant "a removal is not counted" policy.h '/lists\[node->list\].nr--/d'
mutant "a removal leaves the link of the older" policy.h '/node->older->newer = node->newer/d'
mutant "a removal leaves the link of the newer" policy.h '/node->newer->older = node->older/d'
mutant "a removed frame believes it is in its list" policy.h '/node->list = VMDEMO_LIST_NONE/d'
mutant "an addition is not counted" policy.h '/lists\[id\].nr++/d'
mutant "an addition makes old" policy.h \
	'/policy_add(/,/^}/s/node->newer = ends/node->older = ends, node->newer = ends->newer, ends->newer = node->newer->older = node, policy->lists[id].nr++; return/'
mutant "victims come from standby only" policy.h \
	'/policy_any(/,/^}/s/VMDEMO_LIST_ACTIVE/VMDEMO_LIST_STANDBY/'
mutant "what is first is no victim" policy.c \
	'/policy_walk(/,/^}/s/: VMDEMO_LIST_FIRST/: VMDEMO_LIST_STANDBY/'
mutant "the ends of a list are a frame" policy.c 's/ends.list = VMDEMO_LIST_NONE/ends.list = i/'
mutant "a frame in first is not in the order" policy.h 's/list >= VMDEMO_LIST_FIRST/list > VMDEMO_LIST_FIRST/'
mutant "the newest is the first victim" policy.h \
	's/node->newer : ends->newer/node->newer : ends->older/'
mutant "a walk has no end" policy.h 's/newer == ends ? NULL :/0 ? NULL :/'
mutant "a held frame is a victim still" policy.h \
	'/policy_hold(/,/^}/s/LIST_HELD/LIST_ACTIVE/'
mutant "held frames count for the target" policy.h \
	's/policy->nr_frames - min(held, policy->nr_frames)/policy->nr_frames/'
mutant "more held than there are frames" policy.h 's/min(held, policy->nr_frames)/held/'
mutant "held frames are never written" policy.h \
	'/policy_next(/,/^}/s/VMDEMO_LIST_HELD/VMDEMO_LIST_ACTIVE/'
mutant "the walk goes on to what is being unmapped" policy.c '/policy_walk(/,/^}/s/id < last/id <= last/'
mutant "a release makes young" policy.c \
	'/policy_release(/,/^}/s/add_oldest(policy, node)/add(policy, node, VMDEMO_LIST_ACTIVE)/'
mutant "a release is not counted" policy.c '/lists\[VMDEMO_LIST_ACTIVE\].nr++/d'
mutant "credit has no cap" policy.h 's/policy->credit > cap/0/'
mutant "a small pool saves credit" policy.h \
	's/return policy->nr_frames <= VMDEMO_SMALL_POOL ||/return/'
mutant "a target overflows" policy.h 's/(u64)frames \*/frames */'
mutant "a switch reverses standby" policy.c \
	'/vmdemo_policy_switch(/,/^}/s/standby->ends.older/standby->ends.newer/'
mutant "a switch reverses first" policy.c '/vmdemo_policy_switch(/,/^}/s/first->ends.older/first->ends.newer/'
mutant "a switch makes frames young" policy.c \
	'/vmdemo_policy_switch(/,/^}/s/policy_release(policy, node)/policy_move(policy, node, VMDEMO_LIST_ACTIVE)/'
mutant "a switch takes all at once" policy.c 's/min(most, standby->nr + first->nr)/standby->nr + first->nr/'
mutant "a switch takes one frame too many" policy.c 's/min(most, standby/min(most + 1, standby/'
mutant "a switch leaves what is first" policy.c 's/standby->nr + first->nr)/standby->nr)/'
mutant "a switch takes first before standby" policy.c \
	's/standby->nr ? standby->ends.older : first->ends.older/first->nr ? first->ends.older : standby->ends.older/'
mutant "a switch leaves marks" policy.c '/vmdemo_policy_switch(/,/^}/s/node->mark = 0;//'
mutant "sim: lru goes by arrival" reference.c 's/pool->how != EXACT_FIFO/pool->how == EXACT_OPT/'
mutant "sim: the optimum keeps what is needed last" reference.c 's/2 \* (u64)nr - pool->next/(u64)nr + pool->next/'
mutant "sim: a stack distance without the page itself" reference.c \
	's/tree_sum(tree, last\[page\] - 1)/tree_sum(tree, last[page])/'
mutant "sim: the heap only rises" reference.c 's/if (other > pool->nr)/if (other)/'
mutant "sim: an access across a border is to one page" trace_file.c \
	's/page <= (address + bytes - 1) >> PAGE_SHIFT/page <= address >> PAGE_SHIFT/'
mutant "sim: page numbers are those of the ranges" trace_file.c '/^u64 trace_page(/,/^}/s/!trace->ranges/1/'
mutant "sim: a wrong line is blamed" trace_file.c 's/reader->line++/reader->line += 2/'
mutant "sim: a policy may name what is held" replay.c 's/else if (!vmdemo_policy_ordered(node))/else if (0)/'
mutant "sim: a damaged list goes unseen" replay.c 's/return nr == list->nr \&\& list->ends.older == older/return true/; s/|| node->older != older/|| 0/'
mutant "sim: what is unmapped is a hit" replay.c 's/if (sim->mapped\[frame\])/if (1)/'
mutant "guard: any pointer is a victim" policy_guard.c 's/nr == VMDEMO_NONE/0/'
mutant "guard: a held frame is a victim" policy_guard.c 's/!vmdemo_policy_ordered(node)/0/'
mutant "guard: a victim is named twice" policy_guard.c 's/return vmdemo_guard_name(policy->guard, nr) ? NULL/return 1 ? NULL/'
mutant "guard: no list is looked at" policy_guard.c '/guard_settle(struct/,/^}/s/^	const char .what = NULL;/&return;/'
mutant "guard: lost frames stay lost" policy_guard.c '/vmdemo_guard_rebuild(policy);/d'
mutant "guard: frames stay held" policy_guard.c 's/held = vmdemo_guard_back(.*);/held = 0;/'
mutant "guard: frames stay unmapping" policy_guard.c 's/unmapping = vmdemo_guard_back(.*);/unmapping = 0;/'
mutant "guard: all are spared for ever" policy_guard.c 's/++policy->guard->spared > 4/0 \& 4/'
mutant "guard: a policy removes a frame itself" policy_guard.c '/settle(policy, "remove"/d'
mutant "guard: excess may lose frames" policy_guard.c '/settle((struct/d'
mutant "guard: a node that was in no list points nowhere" policy.h 's/^	node->newer = node;/	node->newer = NULL;/'
mutant "guard: any excess will do" policy_guard.c 's/excess <= active/1/'
mutant "guard: the number of a search overflows" policy_guard.c 's/^	own->search = 1;/&own->search = 0;/'
mutant "guard: a policy is named each time" policy_guard.c 's/READ_ONCE(guard->told) ? NULL : op/op/'
[ -z "$bad" ]
