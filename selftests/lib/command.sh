# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# command.sh - what the tests of the command vmdemo share, beyond script.sh: what it prints, and programs that fault.
#
# To be sourced after script.sh.  A test calls end_workers at its end.

instances=/sys/kernel/tracing/instances
[ -d $instances ] || mount -t tracefs tracefs ${instances%/*} || skip_all "there is no tracefs"
workers=()

# expect STATUS WORDS COMMAND...: the command ends with this status, and what it prints has these words.
expect() {
	local status=$1 words=$2 got=0
	shift 2
	timeout 60 "$@" >"$work/printed" 2>&1 </dev/null || got=$?
	[[ $got -eq $status && $(<"$work/printed") == *"$words"* ]] && return
	echo "'$*' ended with $got, not $status and '$words':"
	cat "$work/printed"
	return 1
}

# start PARAMETER...: the module afresh, and nobody who uses it.
start() {
	end_workers
	load_module "$@"
}

# load FRAMES: with a disk, and a second device without.
load() {
	start "backing=$disk" "frames=$1,64" num_devices=2 &&
		echo 0 >"$class/read_ahead_pages" && echo 0 >"$class/reserve" && echo 0 >"$class/dirty_age_ms"
}

# worker NAME CODE: Python that runs beside us, until end_workers; its `ready()` is waited for.  It has the device as `dev`,
# its pages 0 to 2047 as `mem`.
worker() {
	rm -f "$work/ready"
	/usr/bin/python3 - "$work/ready" >"$work/worker" 2>&1 <<END &
import ctypes, fcntl, mmap, os, struct, sys, time
def ready():
    open(sys.argv[1], 'w').close()
dev = os.open('/dev/vmdemo', os.O_RDWR)
mem = mmap.mmap(dev, 2048 * mmap.PAGESIZE)
def touch(pages, write=False):
    for page in pages:
        if write:
            mem[page * mmap.PAGESIZE] = 1
        else:
            mem[page * mmap.PAGESIZE]
$1
END
	workers+=($!)
	wait_for test -e "$work/ready" || { cat "$work/worker" && return 1; }
}

end_workers() {
	local pid
	for pid in "${workers[@]}"; do
		kill -9 "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	workers=()
}

# wait_for COMMAND...: until it succeeds.
wait_for() {
	local i
	for ((i = 0; i < 600; i++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	echo "waited in vain for: $*"
	return 1
}

# No instance in tracefs was left behind.
no_instance() {
	[ -z "$(ls "$instances")" ]
}

# last_ends STATUS: of the last worker, a command that has left what it printed in the file `told`.
last_ends() {
	local status=0
	wait "${workers[-1]}" || status=$?
	unset 'workers[-1]'
	[ "$status" -eq "$1" ] && no_instance || { echo "status $status" && cat "$work/told" && return 1; }
}
