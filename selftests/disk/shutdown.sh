#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shutdown.sh - the machine goes down while a disk with dirty data does not answer.
#
#   shutdown.sh
#
# Boots a virtual machine of each supported kernel, stores pages, suspends the disk below them and has the machine
# reboot or power off.  It has to, before long by its own clock, and its log to tell how many pages are lost; and with
# a disk that answers none.  Prints TAP.

cd "$(dirname "$0")/../.." || exit
. scripts/lib.sh
most=20 # seconds, of the 5 that are waited, with a disk that is silent
dir=$(mktemp -d) || exit
trap 'rm -rf "$dir"' EXIT

# What happens in the machine: $1 is suspend or nothing, $2 reboot or poweroff.
cat >"$dir/inside" <<'END'
set -e
cd /sys/class/vmdemo/vmdemo
modprobe brd rd_nr=1 rd_size=65536
modprobe dm-mod
dmsetup create disk --table '0 131072 linear /dev/ram0 0'
dmsetup mknodes disk
echo /dev/mapper/disk >backing
echo 0 >dirty_age_ms
dd if=/dev/urandom of=/dev/vmdemo bs=4096 count=16 conv=notrunc status=none
[ -z "$1" ] || dmsetup suspend --noflush --nolockfs disk
echo "going down with $(cat stats/frames_dirty) dirty pages" >/dev/kmsg
busybox "$2" -n -f
END

# stamp REGEX: the machine's clock, in ms, when it logged this; nothing if it did not.
stamp() {
	sed -nE "s/^.*\[ *([0-9]+)\.([0-9]{3})[0-9]*\].*$1.*/\1\2/p" "$dir/kernel" | head -n 1
}

# goes_down NUMBER KERNEL SUSPEND HOW END: END is what the kernel says last.
goes_down() {
	local from to took lost=''
	while :; do
		scripts/vm -k "$2" -t 200 --log "$dir/kernel" -- sh "$dir/inside" "$3" "$4" >"$dir/out" 2>&1
		ran_stale_code "$dir/kernel" || break
		echo "# $2: QEMU ran stale code, once more"
	done
	from=$(stamp 'going down with 16 dirty pages') to=$(stamp "$5")
	took=$((${to:-0} - ${from:-0}))
	grep -q 'lost when the machine goes down: 16 pages not written' "$dir/kernel" && lost=yes
	echo "# $2, $4, ${3:-with a disk that answers}: $took ms"
	if [[ -n $from && -n $to && $took -lt ${most}000 && $lost == "${3:+yes}" ]]; then
		echo "ok $1 $2 $4 ${3:-answers}"
	else
		echo "not ok $1 $2 $4 ${3:-answers}"
		tail -n 20 "$dir/out" "$dir/kernel" | sed 's/^/# /'
		failed=1
	fi
}

failed=0
echo "TAP version 13"
echo "1..3"
goes_down 1 6.12 suspend poweroff 'reboot: Power down'
goes_down 2 6.1 suspend reboot 'reboot: Restarting system'
goes_down 3 6.12 '' poweroff 'reboot: Power down'
exit $failed
