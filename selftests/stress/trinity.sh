#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# trinity.sh - Debian's trinity calls the kernel at random, with /dev/vmdemo as its only file.
#
#   trinity.sh [SECONDS [SEED]]
#
# It runs as user nobody, who may open the device, in rounds: the calls on files, those on memory, all.  Another
# device of the module, which nobody may not open, must keep its contents.  Loads the module itself, as the other
# tests do: vmdemo_test.h says with which disks.  Prints TAP.

seconds=${1:-300} seed=${2:-1}

here=$(cd "$(dirname "$0")" && pwd)
PATH=$here:$here/../lib:$PATH # kselftest installs all of them in one place
. script.sh
disk3=${VMDEMO_TEST_DISK3:-/dev/ram2}
trap 'cd / && rm -rf "$work"' EXIT

need trinity setpriv
[ -b "$disk3" ] || skip_all "there is no $disk3"

echo "TAP version 13"
echo "1..5"
tests=0 failed=0

# result NAME COMMAND...
result() {
	local name=$1 ok=ok
	shift
	"$@" || ok='not ok' failed=1
	tests=$((tests + 1))
	echo "$ok $tests $name"
}

# --- the machine: what trinity starts must not use up all memory, since the kernel would tell of that ---

dd if=/dev/urandom of="$disk2" bs=1M count=16 status=none
right=$(head -c 16M "$disk2" | sha256sum)
params=("backing=$disk,$disk2" "swap=$disk3" num_devices=2 "frames=512,64")
load_module "${params[@]}" || exit 1
# Not its own, or it would soon take its permissions away from itself.
chgrp 65534 /dev/vmdemo
chmod 0660 /dev/vmdemo
chown nobody "$work"
cd "$work" || exit 1

# round GROUP SECONDS SEED: one run of trinity; what is left of its processes is ended with their session.
round() {
	local options=(-q -l off -C 4 -s "$3" -V /dev/vmdemo --enable-fds=pseudo) pid until i
	# It stops when the kernel is tainted, which fanotify does.
	options+=(-x fanotify_init -x fanotify_mark)
	[ "$1" = all ] || options+=(-g "$1")
	setsid setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
		prlimit --as=$((512 << 20)) --fsize=$((1 << 20)) --nproc=200 --core=0 \
		trinity "${options[@]}" >"$work.out" 2>&1 </dev/null &
	pid=$! until=$((SECONDS + $2))
	while ((SECONDS < until)) && kill -0 "$pid" 2>/dev/null; do
		sleep 1
	done
	for ((i = 0; i < 20; i++)); do
		kill -KILL -- "-$pid" 2>/dev/null
		pkill -KILL -s "$pid" || break
		sleep 1
	done
	wait "$pid" 2>/dev/null
	grep -aoE 'Ran [0-9]+ syscalls.*|[0-9]+ iterations.*' "$work.out" | tail -n 1
}

# Each round has to make enough system calls a second, or trinity did not really run.
least=100

play() {
	local end=$((SECONDS + seconds)) n=$seed calls=0 group name said
	while ((SECONDS < end)); do
		for group in vfs vm all; do
			((SECONDS < end)) || break
			said=$(round "$group" 40 "$n")
			echo "# round $n: $group, $said"
			[[ $said =~ ^([0-9]+)' iterations'|'Ran '([0-9]+)' syscalls' ]] &&
				calls=$((calls + ${BASH_REMATCH[1]:-0} + ${BASH_REMATCH[2]:-0}))
			n=$((n + 1))
		done
	done
	rm -f "$work.out"
	for name in faults_hard faults_mkwrite faults_cow faults_invalid rw_pages prefetch_pages pages_out; do
		echo "# $name $(stat "$name")"
	done
	echo "# $calls system calls"
	((calls >= least * seconds && $(stat pages_in) > 0))
}

balanced() {
	local i
	for ((i = 0; i < 20; i++)); do
		(($(stat frames_free) + $(stat frames_active) + $(stat frames_standby) ==
			$(cat "$class/frames_actual"))) && return
		sleep 1
	done
	return 1
}

# Processes that still have the device: some have made a session of their own.
end_users() {
	local process
	for process in /proc/[0-9]*; do
		if find "$process/fd" "$process/map_files" -lname /dev/vmdemo 2>/dev/null | grep -q .; then
			echo "# $(cat "$process/comm") has it open"
			kill -KILL "${process#/proc/}"
		fi
	done
}

let_go() {
	local i
	# The last of trinity's processes may be ending still.
	for ((i = 0; i < 20; i++)); do
		echo none 2>/dev/null >"$class/backing" && break
		end_users
		sleep 1
	done
	[ "$(stat frames_free)" -eq 512 ]
}

the_other_is_untouched() {
	[ "$(head -c 16M /dev/vmdemo1 | sha256sum)" = "$right" ]
}

result "trinity for $seconds s, from seed $seed on, called enough, and got pages in" play
result "the counters balance" balanced
result "another device has kept its contents" the_other_is_untouched
result "all frames are free when the disk is let go" let_go
result "the module unloads" rmmod vmdemo
exit $failed
