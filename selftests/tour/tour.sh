#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tour.sh - the tour of virtual memory (scripts/run) is as it says: every check of it, its form, the copy in
# scripts/README.md, and what it proposes to try.
#
#   tour.sh [-k KERNEL]    on another kernel than 6.12 the tour itself only
#
# Runs on the host, and boots machines.  Prints TAP.

# shellcheck disable=SC2317 # the tests are called by the names in a list

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$top/selftests/lib/script.sh"

kernel=6.12
[ "${1-}" != -k ] || kernel=$2
tour=$work/tour

# --- the tour ---

# All of it, from building to the end, in the time that a reader is promised: 3 minutes.
it_succeeds() {
	local start=$SECONDS
	"$top/scripts/run" -k "$kernel" >"$tour" || return
	echo "$((SECONDS - start)) s"
	[ $((SECONDS - start)) -le 180 ]
}

# Each chapter says how long it took, each ends with something to try, and nothing is wrong.
all_chapters_are_right() {
	grep -F '[WRONG]' "$tour" && return 1
	[ "$(grep -cE '^[1-9]\. ' "$tour")" -eq 9 ] && [ "$(grep -c '^Try: ' "$tour")" -eq 9 ] && [ "$(grep -c '^By hand: ' "$tour")" -eq 9 ] &&
		[ "$(grep -cE '^  \[right\] chapter [1-9] took' "$tour")" -eq 9 ] && grep -q '^  \[right\] all of them took' "$tour" &&
		[ "$(grep -cF '[right]' "$tour")" -ge 63 ]
}

no_line_is_wide() {
	! grep -nE '.{81}' "$tour"
}

no_escape_in_a_pipe() {
	! grep -n $'\033' "$tour"
}

# What differs from run to run: numbers and addresses, which page is in which frame, which calls the kernel makes.
normalised() {
	sed -E -e '/^ .*[|] /d' -e 's/0x[0-9a-f]+/N/g' -e '/^[ 0-9a-f]*-[0-9a-f]+ [r-]/s/^.*$/MAP/' \
		-e 's/^( *)[0-9]+  [-.#<>d0-9 ]+$/\1N ROW/' -e 's/\b[0-9a-f]*[0-9][0-9a-f]*\b/N/g' -e 's/N\.N/N/g' -e 's/ -N/ N/g' -e 's/ +/ /g' -e 's/ *$//'
}

readme_shows_it() {
	sed -n '/^<details><summary>The whole tour/,/^<\/details>/p' "$top/scripts/README.md" | sed '1,/^```$/d;/^```$/,$d' | normalised >"$work/readme"
	[ -s "$work/readme" ] && tail -n +3 "$tour" | normalised | diff "$work/readme" -
}

# --- what it proposes to try ---

# printed WORD N: the command after `Try:` or `By hand:` of chapter N as a shell and make leave it, for the machine's shell.
# shellcheck disable=SC2016 # the variables are others
printed() {
	local line show='make -s --no-print-directory --eval "show: ; @printf %s \"\$\$CMD\"" show'
	line=$(sed -n "s/^$1:  *//p" "$tour" | sed -n "$2p")
	[[ $line == 'make run CMD='* ]] && (cd "$top" && eval "$show ${line#make run}")
}

# All in one machine, with the same surroundings for each.
try_all() {
	local n command
	for n in 1 2 3 4 5 6 7 8 9; do
		command=$(printed Try "$n") && [ -n "$command" ] || return
		echo 'cd /sys/class/vmdemo/vmdemo && echo 512 >frames && echo 128 >read_ahead_pages && echo lru >policy || exit'
		echo 'cd - >/dev/null'
		echo "echo '== $n'; ($command) 2>&1; echo \"== status \$?\""
	done >"$work/all"
	for n in 1 2 3 4 5 6 7 8 9; do
		# Not the chapter itself again, but for what the command says then.
		command=$(printed 'By hand' "$n" | sed "s/^tour $n; //") && [[ $command == *vmdemo* ]] || return
		echo "echo '== hand $n'; ($command) 2>&1; echo \"== status \$?\""
	done >>"$work/all"
	"$top/scripts/run" -- sh "$work/all" >"$work/tried" && [ "$(grep -c '^== status' "$work/tried")" -eq 18 ]
}

# tried N: what the command of chapter N printed.
tried() {
	sed -n "/^== $1\$/,/^== status/p" "$work/tried"
}

# number N PATTERN [FIELD]: of the first line of tried N like this, a field; the second is the usual one.
number() {
	tried "$1" | grep -E -m 1 "$2" | awk -v field="${3:-2}" '{ print $field }'
}

# went_well N: it succeeded, and nothing in it is wrong.
went_well() {
	tried "$1"
	! tried "$1" | grep -qF '[WRONG]' && tried "$1" | tail -n 1 | grep -qx '== status 0'
}

# "Never more than 64 pages are in frames. The results are the same, and hardly any more faults wait for the disk."
few_frames_are_enough() {
	went_well 1 && [ "$(number 1 'never more than' 5)" -eq 64 ] && [ "$(grep -m 1 'never more than' "$tour" | awk '{ print $5 }')" -gt 64 ] &&
		[ "$(number 1 '^  faults_hard')" -lt 200 ]
}

# "The same pages come, in a few reads instead of 64."
segments_are_better_when_all_is_used() {
	went_well 2 && [ "$(number 2 '^  pages read' 3)" -eq 64 ] && [ "$(number 2 '^  pages read' 4)" -eq 64 ] &&
		[ "$(number 2 '^  hard faults' 3)" -eq 64 ] && [ "$(number 2 '^  hard faults' 4)" -le 2 ]
}

# "32: those of the 160 that do not fit into frames."
with_128_frames_32_are_on_disk() {
	went_well 3 && tried 3 | grep -q 'is on disk: 32 pages'
}

# "To slots on the disk. What is used again, of the heap and of the code, is loaded again."
a_large_heap_is_loaded_again() {
	went_well 4 && [ "$(number 4 '^heap .* .* .* .* .*' 3)" -eq 3000 ] && [ "$(number 4 '^heap .* .* .* .* .*' 5)" -gt 2000 ] &&
		[ "$(number 4 '^code  ' 5)" -gt "$(grep -m 1 '^code  ' "$tour" | awk '{ print $5 }')" ]
}

# "That takes longer than a copy of all in one go."
writing_all_costs_more_than_a_copy() {
	went_well 5 && [ "$(number 5 '^  fork and its writes:' 5)" -gt "$(number 5 '^  fork and its writes:' 11)" ]
}

# "The first result only."
loading_all_wins_when_all_is_used() {
	went_well 6 && [ "$(number 6 '^  pages read' 4)" -eq "$(number 6 '^  pages read' 5)" ] &&
		tried 6 | awk 'BEGIN { n = 0 } /^  (first|all) results?, ms/ { all[n] = $4; some[n++] = $5 }
			END { exit !(n == 2 && some[0] < all[0] && some[1] > all[1]) }'
}

# "There are fewer faults."
more_frames_mean_fewer_faults() {
	local faults='s/.*the same, after ([0-9]+) more.*/\1/p'
	went_well 7 && [ "$(tried 7 | sed -nE "$faults")" -lt "$(sed -nE "$faults" "$tour")" ]
}

# "0-3 go first": the one line that is wrong then.
fifo_is_wrong() {
	tried 8
	[ "$(tried 8 | grep -c '^  \[WRONG\]')" -eq 1 ] && tried 8 | grep -q '^  \[WRONG\] least recently used' &&
		tried 8 | tail -n 1 | grep -qx '== status 1'
}

# "What has not been used for longest goes first, and in a loop that is what comes next."
the_second_round_reads_all_again() {
	went_well 9 && [ "$(tried 9 | grep -cE '^  round [12]: (9|10)[0-9]{3} pages read$')" -eq 2 ]
}

# What the command is said to show, it shows.
by_hand_works() {
	local n
	for n in 1 2 3 4 5 6 7 8 9; do
		went_well "hand $n" || return
	done
	tried 'hand 1' | grep -q '^/dev/vmdemo: 16384 pages' && tried 'hand 2' | grep -q 'frames, each with' && tried 'hand 3' | grep -q ' evict ' &&
		tried 'hand 4' | grep -q '/dev/vdb' && tried 'hand 5' | grep -qE '^ +pages_copied +[0-9]' && tried 'hand 9' | grep -q ' evict ' &&
		tried 'hand 6' | grep -qE '^hard +[0-9]' && tried 'hand 7' | grep -q '  1. the access traps' && tried 'hand 8' | grep -q '\[fifo\]'
}

# --- a chapter alone, and what else there is ---

# A boot for the one that `make run CHAPTER=3` asks for; others by the same program. What does not exist is refused.
chapters_alone() {
	make -s -n -C "$top" run CHAPTER=3 | grep -q '^scripts/run 3 ' || return
	"$top/scripts/run" 3 >"$work/out3" && grep -q '^3\. ' "$work/out3" && [ "$(grep -cE '^[1-9]\. ' "$work/out3")" -eq 1 ] || return
	! "$top/scripts/run" 10 || return
	"$top/scripts/run" -- sh -c 'tour 5 && tour 4 && tour 8 && ! tour 0 && ! tour 3 1000 && ! tour 10 && ! tour 1 9' >"$work/out5" &&
		[ "$(grep -cE '^[1-9]\. ' "$work/out5")" -eq 3 ]
}

# What fails in rivals is not lost on its way to the table.
failed_rivals_are_noticed() {
	local table=$top/scripts/demo/rivals-table
	printf 'processes|6\nway|demand paging|1|0|1|1|1|1|1|1|1|1|1\n' >"$work/part"
	! "$table" pages <"$work/part" && ! "$table" </dev/null && { cat "$work/part" && echo complete; } | "$table" pages | grep '^demand paging'
}

# make rivals: a table with all ways, and a drawing.
rivals_measures() {
	local way
	mkdir "$work/rivals" && "$top/scripts/rivals" -o "$work/rivals" >"$work/table" || return
	cat "$work/table"
	for way in 'load everything first' 'swap processes' 'demand segmentation' 'demand paging' '... with readahead'; do
		[ "$(grep -cF -- "$way " "$work/table")" -eq 2 ] || return
	done
	[ "$(grep -cE '^ +[0-9]+( +[0-9.]+){5}$' "$work/table")" -eq 5 ] || return
	! command -v gnuplot >/dev/null || grep -q '</svg>' "$work/rivals/$kernel-rivals.svg"
}

tests=(it_succeeds all_chapters_are_right no_line_is_wide no_escape_in_a_pipe)
[ "$kernel" != 6.12 ] || tests+=(readme_shows_it try_all few_frames_are_enough segments_are_better_when_all_is_used
	with_128_frames_32_are_on_disk a_large_heap_is_loaded_again writing_all_costs_more_than_a_copy loading_all_wins_when_all_is_used
	more_frames_mean_fewer_faults fifo_is_wrong the_second_round_reads_all_again by_hand_works chapters_alone failed_rivals_are_noticed rivals_measures)
run_tests "${tests[@]}"
