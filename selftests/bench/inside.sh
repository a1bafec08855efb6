#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# inside.sh - the part of scripts/bench that runs in the machine that is measured: makes the devices, runs each
# row against each target, and prints one line of JSON for each at the end, when printing disturbs nothing.
#
#   inside.sh icount|nullblk|latency|swap|space|wall|fio|ratio|pools|cpus|locks|symbols|host
#
# scripts/bench says what each mode is; space is the half of swap whose disks answer at once.  What to do stands in
# the environment:
#   BENCH           the built bench.c; without it `bench` is looked for in PATH
#   ROWS, TARGETS   lists
#   FRAMES, PAGES   the pool, and the span: 4096 of 65536
#   OPS             accesses of each repetition, if not the row's own
#   POOLS           numbers of frames, for mode pools
#   DEV             the block device of mode host, which is written over
#   VMDEMO_KO       the module's file

here=$(dirname "$0")
results=$(mktemp /tmp/vmdemo-bench.XXXXXX) || exit
BENCH=${BENCH:-bench} FRAMES=${FRAMES:-4096} PAGES=${PAGES:-65536}
ROWS=${ROWS-} TARGETS=${TARGETS:-vmdemo mmap direct}
background=/proc/sys/vm/dirty_background_bytes
limited=/sys/fs/cgroup/vmdemo-bench
rival='' what=''

die() {
	echo "bench: $*" >&2
	exit 1
}

# wanted TARGET...: should one of them be measured?
wanted() {
	local target
	for target in "$@"; do
		[[ " $TARGETS " != *" $target "* ]] || return 0
	done
	return 1
}

# --- surroundings; a real machine gets its own back ---

# change FILE VALUE: and remember what was there.
restore=()
change() {
	[ -w "$1" ] || return 0
	restore+=("$1" "$(cat "$1")")
	echo "$2" >"$1"
}

clean_up() {
	local i
	[ ! -d /sys/module/vmdemo ] || rmmod vmdemo
	for ((i = ${#restore[@]} - 2; i >= 0; i -= 2)); do
		echo "${restore[i + 1]}" >"${restore[i]}"
	done 2>/dev/null # a setting of 0 cannot always be written
	[ ! -d $limited ] || rmdir $limited
	rm -f "$results"
}
trap clean_up EXIT

# Linux's page cache gets the pool, and a MiB for what else the process has: its page tables.
limit_memory() {
	local root=/sys/fs/cgroup
	[ -e $root/cgroup.controllers ] || mount -t cgroup2 cgroup2 $root || die "there is no cgroup v2."
	if ! { echo +memory >$root/cgroup.subtree_control && mkdir -p $limited &&
		echo $((FRAMES * 4096 + (1 << 20))) >$limited/memory.max; }; then
		die "the memory of a cgroup cannot be limited."
	fi
	# It begins to write at a sixteenth of the pool: later, and too often all it may have is dirty, for which the
	# process is killed. Of the two settings for this one is 0, and writing the other one brings it back.
	[ "$(<$background)" -ne 0 ] || change ${background%bytes}ratio "$(<${background%bytes}ratio)"
	change $background $((FRAMES * 256))
}

# load DISK [PARAMETER]: the module afresh; the disk is its backing device, or what the parameter says.
load() {
	[ ! -d /sys/module/vmdemo ] || rmmod vmdemo || die "the module does not unload."
	if [ -n "$VMDEMO_KO" ]; then
		insmod "$VMDEMO_KO" "${2:-backing}=$1" "frames=$FRAMES"
	else
		modprobe vmdemo "${2:-backing}=$1" "frames=$FRAMES"
	fi || die "the module does not load on $1."
}

# ready DISK RIVAL: both hold data, vmdemo has the one, and the others have the other.
ready() {
	rival=$2
	if wanted vmdemo; then
		"$BENCH" --fill "$1" --pages "$PAGES" --frames "$FRAMES" || exit
		load "$1"
	fi
	if wanted mmap direct; then
		"$BENCH" --fill "$2" --pages "$PAGES" --frames "$FRAMES" || exit
		limit_memory
	fi
}

# --- runs ---

# measure ROW TARGET [option...]: one line of JSON. Linux may kill the process of target mmap all the same.
measure() {
	local row=$1 target=$2 line try
	shift 2
	case $target in
	vmdemo) set -- --path /dev/vmdemo "$@" ;;
	mmap) set -- --path "$rival" --cgroup $limited "$@" ;;
	space) set -- --path /dev/vmdemo "$@" ;;
	swap) set -- --path none --cgroup $limited "$@" ;;
	direct)
		[[ $row != @(res*|latency) ]] || return 0
		set -- --path "$rival" "$@"
		;;
	esac
	for try in 1 2 3; do
		if line=$("$BENCH" --row "$row" --target "$target" --frames "$FRAMES" --pages "$PAGES" "$@" ${OPS:+--ops "$OPS"}); then
			echo "{$what${line#\{}"
			return
		fi
	done
	echo "bench: row $row of $target failed $try times" >&2
	return 1
}

# run_rows [option...]: all that are asked for. The first run after the boot is thrown away.
run_rows() {
	local row target
	for target in $TARGETS; do
		measure randread "$target" --ops 10016 --reps 1 >/dev/null || die "$target does not work."
	done
	for row in $ROWS; do
		for target in $TARGETS; do
			measure "$row" "$target" "$@" >>"$results"
		done
	done
}

# make_brd PAGES: two disks, empty.
make_brd() {
	[ ! -d /sys/module/brd ] || rmmod brd || die "brd is in use."
	modprobe brd rd_nr=2 rd_size=$(($1 * 4)) max_part=0 || die "brd does not load."
}

mode_icount() {
	make_brd "$PAGES"
	ready /dev/ram0 /dev/ram1
	run_rows
}

load_null_blk() {
	modprobe configfs && { mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config; }
	modprobe null_blk nr_devices=0 || die "null_blk does not load."
}

# make_null_blk NAME NS [ATTRIBUTE=VALUE...]: a disk in memory that answers after NS nanoseconds.
make_null_blk() {
	local dir=/sys/kernel/config/nullb/$1 attribute
	mkdir "$dir" || die "there is no null_blk that can be configured."
	for attribute in memory_backed=1 irqmode=2 completion_nsec="$2" blocksize=4096 size=$((PAGES / 256)) max_sectors=1024 "${@:3}"; do
		[ ! -e "$dir/${attribute%%=*}" ] || echo "${attribute#*=}" >"$dir/${attribute%%=*}"
	done
	echo 1 >"$dir/power" || die "null_blk $1 cannot be made."
	echo none >"/sys/block/$1/queue/scheduler"
}

mode_nullblk() {
	local us
	load_null_blk
	for us in 10 80; do
		make_null_blk nullb-a ${us}000
		make_null_blk nullb-b ${us}000
		what="\"us\": $us, "
		ready /dev/nullb-a /dev/nullb-b
		run_rows --ops 8000 # the emulator takes long for each wait
		[ ! -d /sys/module/vmdemo ] || rmmod vmdemo
		rmdir /sys/kernel/config/nullb/nullb-{a,b} || die "null_blk is in use."
	done
}

# swap_rows DISK RIVAL [option...]: target vmdemo is a space that swaps to the one, mmap anonymous memory that swaps to
# the other. Linux reads 2 to the power of page-cluster pages at a time, 8 by default.
swap_rows() {
	local row cluster
	load "$1" swap
	{ mkswap -q "$2" >&2 && swapon "$2"; } || die "$2 is no place to swap to."
	shift 2
	limit_memory
	for row in $ROWS; do
		! wanted vmdemo || measure "$row" space "$@" >>"$results"
		wanted mmap || continue
		for cluster in 0 3; do
			change /proc/sys/vm/page-cluster $cluster
			measure "$row" swap "$@" | sed "s/\"target\": \"swap\"/\"target\": \"swap$cluster\"/" >>"$results"
		done
	done
	swapoff -a
	rmmod vmdemo
}

mode_space() {
	make_brd $((PAGES + 1024))
	what='"us": 0, '
	swap_rows /dev/ram0 /dev/ram1
}

mode_swap() {
	mode_space
	load_null_blk
	PAGES=$((PAGES + 1024)) make_null_blk nullb-a 80000
	PAGES=$((PAGES + 1024)) make_null_blk nullb-b 80000
	what='"us": 80, '
	swap_rows /dev/nullb-a /dev/nullb-b --ops 8000
	rmdir /sys/kernel/config/nullb/nullb-{a,b} || die "null_blk is in use."
}

# Each write takes 10 ms, reads nothing. A device mapper's name is no device in /dev yet.
mode_latency() {
	local n
	make_brd "$PAGES"
	modprobe dm-delay || die "dm-delay does not load."
	for n in 0 1; do
		"$BENCH" --fill /dev/ram$n --pages "$PAGES" || exit
		dmsetup create "slow$n" --table "0 $((PAGES * 8)) delay /dev/ram$n 0 0 /dev/ram$n 0 10" || die "there is no slow$n."
		dmsetup mknodes "slow$n"
	done
	rival=/dev/mapper/slow1
	limit_memory
	load /dev/mapper/slow0
	run_rows
	rmmod vmdemo
	dmsetup remove slow0
}

# confine CPUS: where what works in the background may run: the reclaim thread, and what the kernel writes with.
confine() {
	local pid
	pid=$(pgrep -x vmdemo_reclaim) && taskset -p "$1" "$pid" >/dev/null
	change /sys/devices/virtual/workqueue/cpumask "$1"
}

# burn: a fixed amount of work, twice on one processor, then at once: print what two are worth.
burn() {
	local i
	for ((i = 0; i < 200000; i++)); do :; done
}
worth() {
	local begin=$EPOCHREALTIME middle
	burn && burn
	middle=$EPOCHREALTIME
	burn &
	burn
	wait $!
	echo "$begin $middle $EPOCHREALTIME" | awk '{ printf "%.2f", ($2 - $1) / ($3 - $2) }'
}

# One thread with all its help on one processor, then two threads on two; by turns, as the machine's speed drifts.
mode_wall() {
	local round row target
	[ "$(nproc)" -ge 2 ] || die "this takes two processors."
	make_brd "$PAGES"
	ready /dev/ram0 /dev/ram1
	run_rows --reps 2
	for round in 1 2 3 4 5; do
		what="\"round\": $round, \"worth\": $(worth), "
		for row in $PAIRS; do
			for target in $TARGETS; do
				[ "$target" != direct ] || continue
				confine 1
				measure "$row" "$target" --cpu 0 --reps 1 --ops 30016 >>"$results"
				confine 3
				measure "${row}2t" "$target" --reps 1 --ops 15008 >>"$results"
			done
		done
	done
}

# --- scale ---

# A disk of 16 TiB that keeps nothing and answers at once.
make_vast() {
	load_null_blk
	make_null_blk vast 0 memory_backed=0 irqmode=0 size=$((16 << 20))
}

# The span is 16 to 65,536 times as large as the pool: 8 TiB.
mode_ratio() {
	local ratio
	FRAMES=32768
	make_vast
	load /dev/vast
	rival=/dev/vast
	for ratio in 16 32 64 128 256 512 1024 4096 16384 65536; do
		PAGES=$((FRAMES * ratio))
		what="\"at\": $ratio, "
		measure randread vmdemo --reps 1 --ops 30016 >>"$results" || exit
	done
	rmmod vmdemo
	measure randread direct --reps 1 --ops 30016 >>"$results" || exit
}

# The pool is larger and larger, and so is the span.
mode_pools() {
	make_vast
	for FRAMES in $POOLS; do
		PAGES=$((FRAMES * 16))
		what="\"at\": $FRAMES, "
		load /dev/vast
		measure randread vmdemo --reps 1 --ops 30016 >>"$results" || exit
		echo 0 >/sys/class/vmdemo/vmdemo/read_ahead_pages # a soft fault is to map its own page only
		measure resrand vmdemo --reps 1 --ops 30016 >>"$results" || exit
	done
}

# As many threads as processors, each on one of its own; together they do as much as one does alone.
mode_cpus() {
	local round cpus target
	TARGETS=${TARGETS/direct/}
	make_brd "$PAGES"
	ready /dev/ram0 /dev/ram1
	ROWS="" run_rows
	for round in 1 2 3; do
		for cpus in 1 2 4 8; do
			confine "$(printf %x $(((1 << cpus) - 1)))"
			what="\"round\": $round, \"at\": $cpus, "
			for target in $TARGETS; do
				measure randread "$target" --threads "$cpus" --pin --verify --reps 1 --ops $((48000 / cpus)) >>"$results" || exit
			done
		done
	done
}

# For a machine whose emulator runs locks.c, which says what it saw: here is only what its addresses mean. Where the
# kernel's own functions are, does not change (symbols).
mode_locks() {
	TARGETS=${TARGETS/direct/}
	make_brd "$PAGES"
	ready /dev/ram0 /dev/ram1
	run_rows --mark --reps 1
	awk '$4 == "[vmdemo]" && $2 ~ /[tT]/ { s = s " " $1 " " $3 } END { print "{\"symbols\": \"" substr(s, 2) "\"}" }' \
		/proc/kallsyms >>"$results"
}

mode_symbols() {
	awk 'NF == 3 && $2 ~ /[tTwW]/ { print $1, $3 }' /proc/kallsyms >>"$results"
}

# One device, in turn.
mode_host() {
	local all=$TARGETS
	rival=$DEV
	limit_memory
	"$BENCH" --fill "$DEV" --pages "$PAGES" --frames "$FRAMES" || exit
	for TARGETS in $all; do
		[ "$TARGETS" != vmdemo ] || load "$DEV"
		run_rows
		[ ! -d /sys/module/vmdemo ] || rmmod vmdemo
	done
}

# fio's own count: requests a second in fio's clock. It enters the cgroup itself, when it has its memory.
fio_row() {
	local row=$1 target=$2 engine
	case $target in
	vmdemo) export DEVICE=/dev/vmdemo enter=true ;;
	*) export DEVICE=$rival enter=true ;;
	esac
	[ "$target" != mmap ] || enter="sh -c \"echo \$PPID >$limited/cgroup.procs\""
	[ "$target" = direct ] && engine=direct || engine=mapped
	(cd /tmp && BYTES=$((PAGES * 4096)) ENTER=$enter fio --section="$row" --output-format=json "$here/$engine.fio") |
		python3 -c '
import json, sys
text = sys.stdin.read()
job = json.loads(text[text.index("{\n"):])["jobs"][0]
side = max(job["read"], job["write"], key=lambda s: s["total_ios"])
print(json.dumps({"row": sys.argv[1], "name": sys.argv[3], "target": sys.argv[2], "ops": side["io_bytes"] // 4096,
                  "ns_per_op": round(4096e9 / (side["io_bytes"] / (side["runtime"] / 1e3)), 1)}))' "$row" "$target" \
		"$("$BENCH" --list | sed -n "s/^$row  *//p")" >>"$results"
}

mode_fio() {
	local row target
	here=$(realpath "$here")
	make_brd "$PAGES"
	ready /dev/ram0 /dev/ram1
	for row in $ROWS; do
		for target in $TARGETS; do
			fio_row "$row" "$target"
		done
	done
}

# Without a report of the machine's end there must be no gap in the results either.
"mode_$1" || die "mode '$1' failed."
cat "$results"
