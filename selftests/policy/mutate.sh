#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# mutate.sh - prove that the policy tests can fail: break the policies in a copy, one way at a time
#
# usage: mutate.sh
#
# Exit status: 0 if the tests pass on the unbroken copy and fail on every broken one.
set -eu -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
module=$(cd "$here/../../module" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/module" "$copy/selftests/policy"
cp "$here"/*.[ch] "$here/Makefile" "$copy/selftests/policy"

# The traces of the oracle are not needed for this, and take their time.
export VMDEMO_ORACLE=/nonexistent

# verdict LOG: print passed or failed; die if the tests did not even run, which proves nothing.
verdict() {
	make -s -C "$copy/selftests/policy" O="$copy/build" all >"$copy/log" 2>&1 ||
		{ cat "$copy/log"; echo "mutate.sh: the copy does not compile." >&2; exit 1; }
	# One failure will do. A list without end keeps a test busy for ever: that is one, too.
	if timeout 30 "$copy/build/test_policy" 2>&1 | sed '/^not ok/q' >"$copy/log"; then
		echo passed
	else
		echo failed
	fi
}

# mutant WHAT FILE SED: the tests must fail after SED on FILE.
mutant() {
	cp "$module"/policy*.[ch] "$copy/module"
	sed -i "$3" "$copy/module/$2"
	if cmp -s "$module/$2" "$copy/module/$2"; then
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
cp "$module"/policy*.[ch] "$copy/module"
if [ "$(verdict)" != passed ]; then
	cat "$copy/log"
	exit 1
fi

mutant "a touch moves under fifo" policy_fifo.c \
	'/fifo_touch(struct/,/^}/s/^{/&vmdemo_policy_move(policy, node, VMDEMO_LIST_ACTIVE);/'
mutant "a touch does nothing under lru" policy_lru.c \
	'/lru_touch(struct/,/^}/s/vmdemo_policy_move.*//'
mutant "lru inserts on standby" policy_lru.c \
	'/lru_insert(struct/,/^}/s/LIST_ACTIVE/LIST_STANDBY/'
mutant "lru does not spare" policy_lru.c '/lru_spare(struct/,/^}/s/true/false/'
mutant "lru spares frames it did not demote" policy_lru.c \
	'/lru_spare(struct/,/^}/s/return false/(void)0/'
mutant "a pool is calm at once" policy.h 's/soft_faults >= VMDEMO_CALM/soft_faults/'
mutant "a page that comes in does not end the calm" policy.h '/policy->soft_faults = 0/d'
mutant "a demotion starts one frame late" policy.h \
	'/policy_demote(/,/^}/s/last = NULL/last = vmdemo_policy_oldest(policy, 1)/'
mutant "a demoted frame does not know where it is" policy.h \
	'/policy_demote(/,/^}/s/last->list = VMDEMO_LIST_STANDBY/(void)0/'
mutant "demoted frames are the oldest of standby" policy.h \
	's/first->older = standby->ends.older/last->newer = standby->ends.newer, last->newer->older = last, first->older = \&standby->ends, standby->ends.newer = first, active->nr -= nr, standby->nr += nr; return/'
mutant "what was the newest on standby does not lead on" policy.h '/first->older->newer = first/d'
mutant "a demotion is not counted in active" policy.h '/active->nr -= nr/d'
mutant "a demotion is not counted on standby" policy.h '/standby->nr += nr/d'
mutant "free frames do not count as standby" policy_lru.c 's/slack + vmdemo/vmdemo/'
mutant "frames that are being unmapped do not count as standby" policy_lru.c \
	's/vmdemo_policy_nr(policy, VMDEMO_LIST_UNMAPPING)/0/'
mutant "one frame too many on standby" policy_lru.c \
	's/min(target - have/min(target - have + 1/'
mutant "a removal is not counted" policy.h '/lists\[node->list\].nr--/d'
mutant "a removal leaves the link of the older" policy.h '/node->older->newer = node->newer/d'
mutant "a removal leaves the link of the newer" policy.h '/node->newer->older = node->older/d'
mutant "a removed frame believes it is in its list" policy.h '/node->list = VMDEMO_LIST_NONE/d'
mutant "an addition is not counted" policy.h '/lists\[id\].nr++/d'
mutant "an addition makes old" policy.h \
	'/policy_add(/,/^}/s/node->newer = ends/node->older = ends, node->newer = ends->newer, ends->newer = node->newer->older = node, policy->lists[id].nr++; return/'
mutant "victims come from standby only" policy.h \
	'/policy_victim(/,/^}/s/next = vmdemo_policy_oldest(.*)/next = NULL/'
mutant "the newest is the first victim" policy.h \
	's/node->newer : ends->newer/node->newer : ends->older/'
mutant "a walk has no end" policy.h 's/newer == ends ? NULL :/0 ? NULL :/'
mutant "a held frame is a victim still" policy.h \
	'/policy_hold(/,/^}/s/LIST_HELD/LIST_ACTIVE/'
mutant "held frames count for the target" policy.h \
	's/policy->nr_frames - min(held, policy->nr_frames)/policy->nr_frames/'
mutant "more held than there are frames" policy.h 's/min(held, policy->nr_frames)/held/'
mutant "held frames are never written" policy.h \
	's/next = vmdemo_policy_oldest(policy, VMDEMO_LIST_HELD)/(void)0/'
mutant "the walk of held frames has no end" policy.h 's/!next \&\& !held/!next/'
mutant "a release makes young" policy.c \
	'/policy_release(/,/^}/s/add_oldest(policy, node)/add(policy, node, VMDEMO_LIST_ACTIVE)/'
mutant "a release is not counted" policy.c '/lists\[VMDEMO_LIST_ACTIVE\].nr++/d'
mutant "credit has no cap" policy.h 's/policy->credit > cap/0/'
mutant "a small pool saves credit" policy.h \
	's/return policy->nr_frames <= VMDEMO_SMALL_POOL ||/return/'
mutant "a target overflows" policy.h 's/(u64)frames \*/frames */'
mutant "a switch reverses standby" policy.c \
	'/vmdemo_policy_switch(/,/^}/s/standby->ends.older/standby->ends.newer/'
mutant "a switch makes standby frames young" policy.c \
	's/policy_release(policy, standby->ends.older)/policy_move(policy, standby->ends.older, 1)/'
mutant "a switch takes all of standby at once" policy.c 's/min(most, standby->nr)/standby->nr/'
mutant "a switch takes one frame too many" policy.c 's/min(most, standby/min(most + 1, standby/'
[ -z "$bad" ]
