#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# rivals.sh - demand paging against its rivals, on disks that answer after 80 us: what must come out, whatever the machine.
#
#   rivals.sh            check it, in TAP
#   rivals.sh --lines    print what the program `rivals` says, for scripts/rivals

# shellcheck disable=SC2317 # the tests are called by the names in a list

here=$(cd "$(dirname "$0")" && pwd)
PATH=$here:$here/../lib:$PATH # kselftest installs all of them in one place
. script.sh

frames=4096
need rivals

# make_disk NAME MIB: in memory, late.
make_disk() {
	local dir=/sys/kernel/config/nullb/$1 attribute
	mkdir "$dir" || return
	for attribute in memory_backed=1 irqmode=2 completion_nsec=80000 blocksize=4096 size="$2" max_sectors=1024; do
		[ ! -e "$dir/${attribute%%=*}" ] || echo "${attribute#*=}" >"$dir/${attribute%%=*}"
	done
	echo 1 >"$dir/power" && echo none >"/sys/block/$1/queue/scheduler"
}

modprobe configfs && { mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config; }
{ modprobe null_blk nr_devices=0 && make_disk vmdemo-a 64 && make_disk vmdemo-b 128; } || skip_all "there is no null_blk"
clean_up() {
	rmmod vmdemo
	rmdir /sys/kernel/config/nullb/vmdemo-{a,b}
	rm -rf "$work"
}
trap clean_up EXIT
load_module backing=/dev/vmdemo-a swap=/dev/vmdemo-b frames=$frames || exit
if [ "${1-}" = --lines ]; then
	rivals
	exit
fi

# value WAY COLUMN: 3 pages read, 4 of these never used, 5 frames held, 6 first result, 7 all, 8 fit in memory; of
# several processes 9 pages read, 10 never used, 11 written, 12 first result, 13 all.
value() {
	awk -F'|' -v way="$1" -v column="$2" '$1 == "way" && $2 == way { print $column }' "$work/lines"
}

# than WAY COLUMN OPERATOR WAY FACTOR: compare two ways.
than() {
	awk -v a="$(value "$1" "$2")" -v op="$3" -v b="$(value "$4" "$2")" -v f="$5" 'BEGIN {
		ok = op == "<" ? a < b * f : a > b * f
		if (!ok) print a, "is not", op, b, "*", f
		exit !ok
	}'
}

all='load everything first' swap='swap processes' segments='demand segmentation' paging='demand paging' ahead='... with readahead'

it_runs() {
	rivals >"$work/lines" && cat "$work/lines"
}

paging_reads_what_is_used() {
	[ "$(value "$paging" 4)" -eq 0 ] && [ "$(value "$paging" 10)" -eq 0 ] && than "$paging" 3 '<' "$all" 0.25
}

segments_read_less_than_all() {
	than "$segments" 3 '<' "$all" 0.9 && than "$segments" 3 '>' "$paging" 3
}

more_fit_in_memory() {
	than "$paging" 8 '>' "$all" 3 && than "$paging" 5 '<' "$segments" 0.5
}

swapping_reads_most() {
	than "$swap" 9 '>' "$all" 3 && than "$swap" 9 '>' "$ahead" 3
}

fork_copies_what_is_written() {
	awk -F'|' '$1 == "fork" { n++; if ($5 != $2 * 4096) bad++ } END { exit n != 5 || bad }' "$work/lines"
}

run_tests it_runs paging_reads_what_is_used segments_read_less_than_all more_fit_in_memory swapping_reads_most \
	fork_copies_what_is_written
