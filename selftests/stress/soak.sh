#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# soak.sh - everything at once for long, under pressure, and then the accounts.
#
#   soak.sh [SECONDS]
#
# fio writes and verifies, through a mapping and through write and read by turns; processes fork with mappings, shared
# and private, and with a sparse space that is several times as large as its share of the frames; pool, policy and
# settings change all the while; stress-ng wants memory and processors.  At the end every page is compared, on the disk
# too, the identities between counters hold, every frame and slot is free, and the kernel's memory has not grown.
# Loads the module itself; vmdemo_test.h says with which disks.  Prints TAP.

seconds=${1:-120}
frames=2048     # 8 MiB
fio_mib=40      # fio's part of the disk, from its beginning
kept_mib=8      # what follows is written once, and compared ever after
space_pages=4096

here=$(cd "$(dirname "$0")" && pwd)
PATH=$here:$here/../lib:$PATH # kselftest installs all of them in one place
. script.sh
swap=$disk2
trap 'pkill -P $$; wait; rm -rf "$work"' EXIT

[[ $seconds =~ ^[1-9][0-9]{1,5}$ ]] || skip_all "it takes a number of seconds from 10 on, not '$seconds'"
need fio stress-ng python3 cmp

# set_to NAME VALUE: one setting.
set_to() {
	echo "$2" >"$class/$1"
}

# --- what goes on at the same time: each until $end, and each leaves a file failed-* at the first thing that is wrong ---

# fio 3.33 works on a character device from its beginning only.
verify() {
	local fio_failed='' ways=("--ioengine=mmap --rw=randwrite --bs=512 --io_size=8m" "--ioengine=psync --rw=randwrite --bsrange=512-64k --fsync=64"
		"--ioengine=mmap --rw=randrw" "--ioengine=psync --rw=write --bs=64k" "--ioengine=mmap --rw=write")
	while ((SECONDS < end)); do
		# shellcheck disable=SC2086 # a way is several words
		fio --name=soak --filename=/dev/vmdemo --size="${fio_mib}m" --bs=4k --verify=crc32c --verify_fatal=1 --do_verify=1 \
			--thread --fallocate=none --randseed="$rounds" --output="$work/fio" ${ways[rounds % ${#ways[@]}]} || fio_failed=yes
		if [ -n "$fio_failed" ] || grep -E 'verify:|err= *[1-9]' "$work/fio"; then
			mv "$work/fio" "$work/failed-fio"
			return
		fi
		rounds=$((rounds + 1))
	done
}

# EBUSY is no failure: a shrinking pool may meet frames that are held.
resize() {
	local words
	if words=$( (set_to frames $((256 + RANDOM % 4096))) 2>&1); then
		echo >>"$work/resizes"
	elif [[ $words == *busy* ]]; then
		echo >>"$work/busy"
	else
		echo "frames: $words" >"$work/failed-resize"
	fi
}

turn() {
	local policies
	read -ra policies <<<"$(tr -d '[]' <"$class/policy")"
	while ((SECONDS < end)); do
		resize
		if set_to policy "${policies[RANDOM % ${#policies[@]}]}" && set_to read_ahead_pages $((RANDOM % 129)) &&
			set_to dirty_pct $((5 + RANDOM % 96)) && set_to standby_pct $((RANDOM % 91)); then
			echo >>"$work/turns"
		else
			echo "a setting was refused" >"$work/failed-settings"
		fi
		sleep 1
	done
}

# Children see through the mappings what their parent sees; in the private one their own stores, and nobody else's.
fork_and_look() {
	python3 - "$work/kept" "$1" "$work/forks" $((fio_mib << 20)) <<'END' 2>"$work/fork" || mv "$work/fork" "$work/failed-forks"
import mmap, os, random, sys, time
kept = open(sys.argv[1], 'rb').read()
until = time.time() + int(sys.argv[2])
fd = os.open('/dev/vmdemo', os.O_RDWR)
shared = mmap.mmap(fd, len(kept), mmap.MAP_SHARED, mmap.PROT_READ, offset=int(sys.argv[4]))
private = mmap.mmap(fd, len(kept), mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE, offset=int(sys.argv[4]))

def child(number):
    r = random.Random(number)
    for _ in range(200):
        at = r.randrange(0, len(kept), 4096)
        if not kept[at:at + 4096] == shared[at:at + 4096] == private[at:at + 4096]:
            sys.exit('page %d is wrong' % (at // 4096))
        if r.randrange(8) == 0:
            private[at:at + 4096] = own = bytes([number % 256]) * 4096
            if private[at:at + 4096] != own or shared[at:at + 4096] != kept[at:at + 4096]:
                sys.exit('page %d is wrong after a store' % (at // 4096))
            private[at:at + 4096] = kept[at:at + 4096]

forks = 0
while time.time() < until:
    children = []
    for forks in range(forks + 1, forks + 4):
        pid = os.fork()
        if not pid:
            child(forks)
            os._exit(0)
        children.append(pid)
    if any([os.waitpid(pid, 0)[1] for pid in children]):
        sys.exit('a child failed')
open(sys.argv[3], 'a').write('%d\n' % forks)
END
}

# A space that is shared: two children store into every second page each, their parent finds all that they have stored.
fork_in_a_space() {
	python3 - "$space_pages" "$1" "$work/space-forks" <<'END' 2>"$work/space" || mv "$work/space" "$work/failed-space"
import fcntl, mmap, os, random, struct, sys, time
pages, until = int(sys.argv[1]), time.time() + int(sys.argv[2])
dev = os.open('/dev/vmdemo', os.O_RDWR)
# VMDEMO_IOC_SPACE with a struct vmdemo_space_args
fd = fcntl.ioctl(dev, 0x4020e705, bytearray(struct.pack('<QQQII', pages * 4096, 0, 0, 0, 0)))
mem = mmap.mmap(fd, pages * 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
version = [0] * pages

def content(page):
    return struct.pack('<QQ', page, version[page]) * 256

def look(page):
    if mem[page * 4096:page * 4096 + 4096] != content(page):
        sys.exit('page %d of the space is not version %d' % (page, version[page]))

def store(page, to):
    version[page] = to
    mem[page * 4096:page * 4096 + 4096] = content(page)

def own_pages(which, to):
    r = random.Random(2 * to + which)
    return [r.randrange(which, pages, 2) for _ in range(100)]

for page in range(pages):
    store(page, 1)
forks = 0
while time.time() < until:
    forks += 1
    children = []
    for which in (0, 1):
        pid = os.fork()
        if not pid:
            for page in own_pages(which, forks + 1):
                look(page)
                store(page, forks + 1)
            os._exit(0)
        children.append(pid)
    if any([os.waitpid(pid, 0)[1] for pid in children]):
        sys.exit('a child failed')
    for which in (0, 1):
        for page in own_pages(which, forks + 1):
            version[page] = forks + 1
            look(page)
for page in range(pages):
    look(page)
open(sys.argv[3], 'a').write('%d\n' % (2 * forks))
END
}

# press SECONDS: on memory and processors.  It yields, or nothing else would come about on a slow machine.
press() {
	if nice -n 10 stress-ng --quiet --vm 1 --vm-bytes 60% --vm-keep --cpu 1 --timeout "$1" >"$work/stress" 2>&1; then
		echo >>"$work/pressed"
	else
		echo "stress-ng ended with $?" >>"$work/stress"
		mv "$work/stress" "$work/failed-stress"
	fi
}

# phase SECONDS: all of it.
phase() {
	end=$((SECONDS + $1))
	turn &
	fork_and_look "$1" &
	fork_in_a_space "$1" &
	press "$1" &
	verify
	wait
	set_to frames "$frames"
}

# --- what is looked at ---

# evict_all: nothing is mapped any more, so every frame can go.
evict_all() {
	python3 -c "
import os
fd = os.open('/dev/vmdemo', os.O_RDWR)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
os.fsync(fd)"
}

# kernel_memory FILE: KiB that cannot be reclaimed, after what can has been, and after each slab cache has parted with what
# is free in it (and KASAN with what it keeps of freed objects).  FILE: the KiB of each cache.
kernel_memory() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	find /sys/kernel/slab -mindepth 2 -maxdepth 2 -name shrink -exec sh -c 'for f; do echo 1 >"$f"; done' shrink {} +
	awk 'NR > 2 { print $1, $15 * $6 * 4 }' /proc/slabinfo >"$1"
	awk '/^SUnreclaim:/ { print $2 }' /proc/meminfo
}

# equal NAME VALUE VALUE, at_least NAME VALUE VALUE: tell if it is not so.
equal() {
	[ "$2" -eq "$3" ] && return
	echo "# $1: $2, not $3"
	return 1
}
at_least() {
	[ "$2" -ge "$3" ] && return
	echo "# $1: $2, at least $3 were expected"
	return 1
}

nothing_failed() {
	local f
	for f in "$work"/failed-*; do
		[ -e "$f" ] || return 0
		tail -n 20 "$f" | sed 's/^/# /'
	done
	return 1
}

enough_happened() {
	at_least "rounds of fio" "$rounds" 2 &&
		equal "halves under pressure" "$(wc -l <"$work/pressed")" 2 &&
		at_least "changes of settings" "$(wc -l <"$work/turns")" $((seconds / 20)) &&
		at_least "changes of the pool's size" "$(wc -l <"$work/resizes")" $((seconds / 20)) &&
		at_least forks "$(awk '{ n += $1 } END { print n }' "$work/forks")" 6 &&
		at_least "forks with a space" "$(awk '{ n += $1 } END { print n }' "$work/space-forks")" 8 &&
		at_least "pages filled with zeros" "$(stat faults_zero)" $((2 * space_pages)) &&
		at_least "pages out" "$(stat pages_out)" $((rounds * (fio_mib << 8) / 2)) &&
		at_least evictions $(($(stat evictions_clean) + $(stat evictions_dirty))) $((rounds * (fio_mib << 8) / 2))
}

# store_all FILE: the whole of fio's part anew, by a mapping; the last pages are in frames then.
store_all() {
	python3 - "$1" <<'END'
import mmap, os, sys
data = open(sys.argv[1], 'rb').read()
mem = mmap.mmap(os.open('/dev/vmdemo', os.O_RDWR), len(data), mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
for at in range(0, len(data), 4096):
    mem[at:at + 4096] = data[at:at + 4096]
END
}

# First as the frames have them, then on the disk itself, past every cache.
every_page_is_right() {
	head -c "${fio_mib}M" /dev/urandom >"$work/last" && store_all "$work/last" &&
		at_least "frames in use" $(($(stat frames_active) + $(stat frames_standby))) $((frames / 2)) &&
		cat "$work/last" "$work/kept" | cmp - <(dd if=/dev/vmdemo bs=1M count=$((fio_mib + kept_mib)) status=none) &&
		sync /dev/vmdemo &&
		cat "$work/last" "$work/kept" | cmp - <(dd if="$disk" bs=1M count=$((fio_mib + kept_mib)) iflag=direct status=none)
}

# The identities of uapi/ABI.txt, and what no counter may have counted.
accounts_balance() {
	local s
	for s in read_errors write_errors pages_lost pages_copied faults_invalid swap_full; do
		equal "$s" "$(stat "$s")" 0 || return
	done
	equal frames $(($(stat frames_free) + $(stat frames_active) + $(stat frames_standby))) "$(cat "$class/frames_actual")" &&
		equal pages_in "$(stat pages_in)" \
			$(($(stat faults_hard) + $(stat readahead_pages) + $(stat prefetch_pages) + $(stat rw_pages))) &&
		at_least readahead_pages "$(stat readahead_pages)" "$(stat readahead_used)" &&
		at_least fault_around_pages "$(stat fault_around_pages)" "$(stat write_around_pages)" &&
		at_least "faults_hard and faults_zero" $(($(stat faults_hard) + $(stat faults_zero))) "$(stat refaults)"
}

every_frame_and_slot_is_free() {
	equal swap_free "$(stat swap_free)" "$(cat "$class/swap_slots")" && evict_all && equal frames_actual "$(cat "$class/frames_actual")" "$frames" && equal frames_free "$(stat frames_free)" "$frames" &&
		equal frames_dirty "$(stat frames_dirty)" 0 && equal frames_pinned "$(stat frames_pinned)" 0
}

# What the first half filled may stay; 2 MiB is by how much the kernel's own needs move.
kernel_memory_stays() {
	at_least "KiB, after $memory_half at half time" $((memory_half + 2048)) "$(kernel_memory "$work/slabs-end")" && return
	awk 'NR == FNR { half[$1] = $2; next } $2 > half[$1] { print "# KiB more in " $1 ": " $2 - half[$1] }' \
		"$work/slabs-half" "$work/slabs-end" | sort -t : -k 2 -nr | head -n 8
	return 1
}

# --- the run ---

params=("backing=$disk" "swap=$swap" "frames=$frames")
load_module "${params[@]}" || exit 1
head -c "${kept_mib}M" /dev/urandom >"$work/kept"
dd if="$work/kept" of=/dev/vmdemo bs=1M seek="$fio_mib" conv=fsync,notrunc status=none || exit 1
echo "TAP version 13"
echo "1..7"
rounds=0 tests=0 failed=0
phase $((seconds / 2))
evict_all
memory_half=$(kernel_memory "$work/slabs-half")
phase $((seconds / 2))
touch "$work/busy"
echo "# $rounds rounds of fio, $(wc -l <"$work/turns") changes of settings, $(stat pages_in) pages in, $(stat pages_out) pages out"
echo "# $(wc -l <"$work/resizes") changes of the pool's size, $(wc -l <"$work/busy") not at once"
for result in nothing_failed enough_happened every_page_is_right accounts_balance every_frame_and_slot_is_free kernel_memory_stays "rmmod vmdemo"; do
	ok=ok
	$result 2>&1 || ok='not ok' failed=1
	tests=$((tests + 1))
	echo "$ok $tests ${result//_/ }"
done
exit $failed
