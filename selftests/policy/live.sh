#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# live.sh - a policy of one's own in the module (scripts/policy --live): the one that scripts/README.md shows misses as often
# as in the simulator, and what is wrong with others is said.
#
# Runs on the host, and boots two machines.  Prints TAP.

# shellcheck disable=SC2317 # the tests are called by the names in a list

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$top/selftests/lib/script.sh"

# live FILE: in the folder of this run; what it says is in said. All of a short loop.
live() {
	"$top/scripts/policy" --live "$work/$1" 50% @loop/100 >"$work/said" 2>&1
	status=$?
	cat "$work/said"
}

# changed FILE SED: the policy of the README, changed.
changed() {
	sed "$2" "$work/mru.c" >"$work/$1" && ! cmp -s "$work/mru.c" "$work/$1"
}

readme_shows_a_policy_that_runs() {
	# shellcheck disable=SC2016 # that is sed's
	sed -n '/^## A policy of your own/,/^## /p' "$top/scripts/README.md" | sed -n '/^```c$/,/^```$/{/^```/!p}' >"$work/mru.c"
	live mru.c
	# trace, frames, mru, lru, fifo, optimum
	[ "$status" -eq 0 ] && awk '$1 == "@loop/100" { ok = $2 == 55 && $3 < 1.05 * $6 && $4 == 10000 && $5 == 10000 } END { exit !ok }' "$work/said"
}

# In the simulator it is right.
wrong_answers_of_the_module_count() {
	changed wrong.c 's/^\treturn node == ends/#ifdef __KERNEL__\n\treturn ends;\n#endif\n&/' && live wrong.c
	[ "$status" -eq 1 ] && grep -q "mru is wrong: its victim() named what is no frame" "$work/said" &&
		grep -q "answers were wrong, and lru answered for it" "$work/said"
}

what_the_kernel_lacks_is_said() {
	changed libc.c '1i #include <stdio.h>' && live libc.c
	[ "$status" -eq 2 ] && grep -q "libc.c:1:10: fatal error: stdio.h" "$work/said" &&
		grep -q "libc.c compiles as a program, but not as a part of the kernel" "$work/said"
}

what_is_not_exported_is_said() {
	changed switch.c 's/if (!after/if (!policy) vmdemo_policy_switch(policy, NULL, 0);\n\t&/' && live switch.c
	[ "$status" -eq 2 ] && grep -q "switch.c calls what a module cannot have: vmdemo_policy_switch. What" "$work/said"
}

names_are_words() {
	changed name.c 's/"mru"/"two words"/' && live name.c
	[ "$status" -eq 2 ] && grep -q "must have a .name, of at most 31 letters" "$work/said" || return
	changed name.c 's/"mru"/"lru"/' && live name.c
	[ "$status" -eq 2 ] && grep -q "'lru', which is taken" "$work/said"
}

run_tests readme_shows_a_policy_that_runs wrong_answers_of_the_module_count what_the_kernel_lacks_is_said what_is_not_exported_is_said \
	names_are_words
