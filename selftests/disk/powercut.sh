#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# powercut.sh - cut the power of a machine that is writing, and look for what it had acknowledged.
#
#   powercut.sh [CUTS [SEED]]
#
# Boots virtual machines on the supported kernels in turn, in which `powercut write` stores, syncs and says so;
# kills each at a random moment, and has `powercut check` compare the disk with what had been said until then.
# Prints TAP.  The disk is a file behind QEMU's writethrough cache: what the machine thinks is on the disk is in the
# file, and only that.

cd "$(dirname "$0")/../.." || exit
. scripts/lib.sh
cuts=${1:-8} seed=${2:-$RANDOM}
[[ $cuts =~ ^[1-9][0-9]*$ && $seed =~ ^[0-9]+$ ]] || {
	echo "powercut.sh: give a number of cuts and perhaps a seed, not '$*'." >&2
	exit 2
}
program=$(command -v powercut) || {
	echo "powercut.sh: no powercut in PATH: make -C selftests builds it." >&2
	exit 4
}
pages=2048
dir=$(mktemp -d) || exit
vm=''
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	[ -z "$vm" ] || kill "$vm" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

RANDOM=$seed
echo "TAP version 13"
echo "1..$cuts"
echo "# seed $seed"
failed=0
for ((cut = 1; cut <= cuts; cut++)); do
	kernel=$([ $((cut % 2)) -eq 0 ] && echo 6.1 || echo 6.12)
	wait_ms=$((RANDOM % 4000)) their_seed=$RANDOM
	rm -f "$dir"/*
	truncate -s 16M "$dir/disk"
	scripts/vm -k "$kernel" -t 240 --pidfile "$dir/pid" --log "$dir/kernel" -d "file:$dir/disk,cache=writethrough" \
		-p 'backing=/dev/vda frames=256' -- "$program" write /dev/vmdemo $pages "$their_seed" >"$dir/log" 2>"$dir/err" &
	vm=$!
	# From the first acknowledgment on.
	for ((i = 0; i < 2000; i++)); do
		[[ ! -s $dir/log && -d /proc/$vm ]] || break
		sleep 0.1
	done
	sleep "$((wait_ms / 1000)).$(printf %03d $((wait_ms % 1000)))"
	died=''
	kill -KILL "$(cat "$dir/pid")" 2>/dev/null || died=yes
	wait $vm 2>/dev/null
	vm=''
	if ran_stale_code "$dir/kernel"; then
		echo "# $kernel: QEMU ran stale code, once more"
		cut=$((cut - 1))
		continue
	fi
	echo "# $kernel, power cut $wait_ms ms after the first acknowledgment"
	if [ -z "$died" ] && "$program" check "$dir/disk" $pages "$dir/log"; then
		echo "ok $cut cut $cut"
	else
		echo "not ok $cut cut $cut"
		[ -z "$died" ] || sed 's/^/# /' "$dir/err"
		failed=1
	fi
done
exit $failed
