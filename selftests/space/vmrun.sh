#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# vmrun.sh - a program that lives wholly in a sparse space: code, data, heap, hole and stack, each a segment.
#
# Loads the module itself, as the other tests do: vmdemo_test.h says with which disks.  Prints TAP.

# shellcheck disable=SC2317 # the tests are called by the names in a list

here=$(cd "$(dirname "$0")" && pwd)
PATH=$here:$here/../lib:$PATH # kselftest installs all of them in one place
. script.sh

frames=256 # 1 MiB
need vmrun layout

# run STATUS ARGUMENT...: the program ends so; what it and vmrun say is in the files `said` and `report`.
run() {
	local want=$1 status
	shift
	vmrun -a 65536 "$@" >"$work/said" 2>"$work/report"
	status=$?
	cat "$work/said" "$work/report"
	[ "$status" -eq "$want" ] || {
		echo "ended with $status, not $want"
		return 1
	}
}

# of SEGMENT COLUMN: of the report; 3 pages, 4 faults, 5 loaded, 6 zeroed, 7 written, 8 aborted.  The largest of that name;
# no number if there is none.
of() {
	sed -n "s/^$1  *//p" "$work/report" | sort -k2n | awk -v n="$(($2 - 1))" '{ found = $n } END { print NR ? found : "missing" }'
}

# expect SEGMENT COLUMN OPERATOR NUMBER: as test(1) compares.
expect() {
	test "$(of "$1" "$2")" "$3" "$4" || {
		echo "$1: column $2 is $(of "$1" "$2"), not $3 $4"
		return 1
	}
}

layout=$(command -v layout)

# comes_to COUNTER NUMBER: within 20 s; a space that was closed may be going still.
comes_to() {
	local i
	for ((i = 0; i < 200; i++)); do
		[ "$(stat "$1")" -ne "$2" ] || return 0
		sleep 0.1
	done
	echo "$1 is $(stat "$1"), not $2"
	return 1
}

fits() {
	run 0 "$layout" 100 20 && expect heap 3 -eq 100 && expect heap 6 -eq 100 && expect heap 7 -eq 100 &&
		expect stack 3 -ge 20 && expect stack 3 -le 22 &&
		# Most of code and constants is never needed.
		expect code 5 -lt "$(($(of code 3) / 2))" && expect constants 5 -lt "$(($(of constants 3) / 2))" &&
		expect data 7 -eq 1
}

# Heap and stack are ten times the frames.
larger_than_memory() {
	run 0 "$layout" 2000 500 && expect heap 3 -eq 2000 && expect heap 5 -ge $((2000 - frames)) && expect stack 7 -ge 500 &&
		comes_to frames_free "$frames" && comes_to swap_free "$(cat "$class/swap_slots")"
}

segments_as_a_whole() {
	run 0 -l whole "$layout" 10 10 && expect code 5 -ge "$(of code 3)" && expect constants 5 -ge "$(of constants 3)" &&
		expect data 5 -ge "$(of data 3)"
}

up_front() {
	run 0 -l upfront "$layout" 10 10 && expect code 5 -ge "$(of code 3)" && expect data 5 -ge "$(of data 3)"
}

stored() {
	dd if=/dev/vmdemo bs=64K skip=1 count=16 status=none | sha256sum
}

# The device's pages of the program are never written, whatever becomes of its data: they are as after a run that has
# written none.
program_is_not_changed() {
	local before
	run 139 "$layout" null && expect data 7 -eq 0 && before=$(stored) &&
		run 0 "$layout" 2000 500 && expect data 7 -ge 1 && [ "$(stored)" = "$before" ]
}

# A name without a slash is looked for where the shell looks.
found_in_the_path() {
	run 0 layout 10 10 && expect heap 3 -eq 10 && run 126 no-such-program && grep -q "no program 'no-such-program'" "$work/report"
}

# What a heap has given back is beyond its limit.
heap_shrinks() {
	run 139 "$layout" shrunk && expect heap 3 -eq 16 && expect heap 8 -eq 1
}

aborted_in_the_hole() {
	run 139 "$layout" hole
}

aborted_by_protection() {
	run 139 "$layout" code && expect code 7 -eq 0
}

aborted_beyond_the_limit() {
	run 139 "$layout" beyond && expect heap 8 -eq 1
}

aborted_at_null() {
	run 139 "$layout" null
}

# 2 GiB of heap are more than it may have; and the stack ends at its bound.
bounds_hold() {
	run 2 "$layout" 524288 && expect heap 3 -eq 0 && run 139 "$layout" 10 3000 && expect stack 3 -eq 2048
}

# Two at once, by turns in the same frames.
beside_each_other() {
	local other
	vmrun -a 65536 "$layout" 1500 100 >"$work/other" 2>&1 &
	other=$!
	# The program on the disk is the other's as well, and the same.
	{ run 0 "$layout" 1500 100 && wait "$other"; } || {
		cat "$work/other"
		return 1
	}
}

needs_a_static_program() {
	run 126 "$(command -v sh)" && grep -q static "$work/report" && run 126 /nowhere && run 126 "$0"
}

load_module "backing=$disk" "swap=$disk2" "frames=$frames" || exit
run_tests fits larger_than_memory segments_as_a_whole up_front program_is_not_changed aborted_in_the_hole aborted_by_protection \
	aborted_beyond_the_limit heap_shrinks aborted_at_null bounds_hold found_in_the_path beside_each_other needs_a_static_program
