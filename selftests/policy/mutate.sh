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
	'/fifo_touch(struct/,/^}/s/^{/&vmdemo_policy_move(policy, frame, VMDEMO_LIST_ACTIVE);/'
mutant "a touch does nothing under lru" policy_lru.c \
	'/lru_touch(struct/,/^}/s/vmdemo_policy_move.*//'
mutant "lru inserts on standby" policy_lru.c \
	'/lru_insert(struct/,/^}/s/LIST_ACTIVE/LIST_STANDBY/'
mutant "lru does not spare" policy_lru.c '/lru_spare(struct/,/^}/s/true/false/'
mutant "lru spares frames it did not demote" policy_lru.c \
	'/lru_spare(struct/,/^}/s/return false/(void)0/'
mutant "a demotion starts one frame late" policy.h \
	'/policy_demote(struct/,/^}/s/first = active->oldest/first = policy->nodes[active->oldest].newer/'
mutant "a demotion leaves a link back" policy.h \
	'/policy_demote(struct/,/^}/s/policy->nodes\[active->oldest\].older = VMDEMO_NONE/(void)0/'
mutant "free frames do not count as standby" policy_lru.c 's/slack + vmdemo/vmdemo/'
mutant "one frame too many on standby" policy_lru.c \
	's/min(target - have/min(target - have + 1/'
mutant "a removal is not counted" policy.h '/list->nr--/d'
mutant "a removal leaves the list's end" policy.h 's/list->oldest = node->newer/(void)0/'
mutant "a removal leaves a link back" policy.h \
	's/nodes\[node->newer\].older = node->older/nodes[node->newer].list = node->list/'
mutant "victims come from standby only" policy.h \
	's/frame = policy->lists\[VMDEMO_LIST_ACTIVE\].oldest/frame = VMDEMO_NONE/'
mutant "the newest is the first victim" policy.h \
	'/vmdemo_policy_victim(/,/^}/s/lists\[id\].oldest/lists[id].newest/'
mutant "a held frame is a victim still" policy.h \
	'/policy_hold(/,/^}/s/LIST_HELD/LIST_ACTIVE/'
mutant "held frames count for the target" policy.h 's/policy->nr_frames - min(held, policy->nr_frames)/policy->nr_frames/'
mutant "more held than there are frames" policy.h 's/min(held, policy->nr_frames)/held/'
mutant "held frames are never written" policy.h \
	's/frame = policy->lists\[VMDEMO_LIST_HELD\].oldest/(void)0/'
mutant "the walk of held frames has no end" policy.h 's/VMDEMO_NONE \&\& !held/VMDEMO_NONE/'
mutant "a release makes young" policy.c \
	'/policy_release(/,/^}/s/add_oldest(policy, frame)/add(policy, frame, 1)/'
mutant "credit has no cap" policy.h 's/policy->credit > cap/0/'
mutant "a small pool saves credit" policy.h \
	's/return policy->nr_frames <= VMDEMO_SMALL_POOL ||/return/'
mutant "a target overflows" policy.h 's/(u64)frames \*/frames */'
mutant "a switch reverses standby" policy.c \
	'/vmdemo_policy_switch(/,/^}/s/LIST_STANDBY\].newest/LIST_STANDBY].oldest/'
mutant "a switch makes standby frames young" policy.c \
	'/vmdemo_policy_switch(/,/^}/s/add_oldest(policy, frame)/add(policy, frame, 1)/'
[ -z "$bad" ]
