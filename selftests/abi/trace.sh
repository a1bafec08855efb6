#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# trace.sh - what the tracepoints tell: the steps of one fault, and a policy log that can be replayed.
#
# Loads the module itself, as the other tests do: vmdemo_test.h says with which disks.  Traces into an instance
# of its own.  Prints TAP.

# shellcheck disable=SC2317 # the tests are called by the names in a list

here=$(cd "$(dirname "$0")" && pwd)
PATH=$here:$here/../lib:$PATH # kselftest installs all of them in one place
. script.sh

tracing=/sys/kernel/tracing
ram=/dev/ram0			# answers at once; the disk answers late, if there is one

need python3 dmsetup
[ -d $tracing/events ] || mount -t tracefs tracefs $tracing || skip_all "there is no tracefs"
instance=$tracing/instances/vmdemo-test
[ -d $instance ] || mkdir $instance || skip_all "tracefs has no instances"

# In the order of the events, also where the clocks of processors differ.
echo counter >"$instance/trace_clock"

clean_up() {
	echo 0 >"$instance/events/enable"
	rmdir "$instance"
	rm -rf "$work"
}
trap clean_up EXIT

# load DISK FRAMES: the module afresh; nothing moves but what is asked for.
load() {
	load_module "backing=$1" "frames=$2" || return
	echo 0 >"$class/read_ahead_pages" && echo 0 >"$class/reserve" && echo 0 >"$class/dirty_age_ms" && echo 100 >"$class/dirty_pct"
}

# trace EVENT COMMAND...: run a command, and leave what it did in the file `log`.
trace() {
	local event=$1
	shift
	echo 0 >"$instance/trace"
	echo 1 >"$instance/events/vmdemo/$event" || return
	"$@"
	local status=$?
	echo 0 >"$instance/events/vmdemo/$event"
	grep -h '^overrun: [1-9]' "$instance"/per_cpu/cpu*/stats && return 1 # the log has holes
	grep -v '^#' "$instance/trace" >"$work/log"
	return "$status"
}

# touch_pages WHAT...: as a program would; each is a page number, with w behind it if it is written to.
touch_pages() {
	python3 - "$@" <<'END'
import mmap, sys
with open('/dev/vmdemo', 'r+b') as device, mmap.mmap(device.fileno(), 8 << 20) as memory:
    for what in sys.argv[1:]:
        at = int(what.rstrip('w')) * 4096
        byte = memory[at]
        if what.endswith('w'):
            memory[at] = byte
END
}

# touch_many: 4000 touches of 1500 pages, some often, a quarter of them writes.
touch_many() {
	python3 - <<'END'
import mmap, random
rng = random.Random(5)
with open('/dev/vmdemo', 'r+b') as device, mmap.mmap(device.fileno(), 8 << 20) as memory:
    for i in range(4000):
        at = int(1500 * rng.random() ** 3) * 4096
        byte = memory[at]
        if rng.random() < 0.25:
            memory[at] = byte
END
}

# steps PAGE EVENT...: of the faults on a page one went through these steps, in this order, under one id not 0.
steps() {
	python3 - "$work/log" "$@" <<'END'
import re, sys
log, page, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
faults = {}
for line in open(log):
    m = re.search(r'vmdemo_(fault_enter|load|wait|load_done|fault_return): id=(\d+) page=(\d+)', line)
    if m and m.group(3) == page:
        faults.setdefault(m.group(2), []).append(m.group(1))
if '0' in faults:
    sys.exit('a step has no id: %s' % faults)
if wanted not in faults.values():
    sys.exit('wanted %s, saw %s' % (wanted, faults))
END
}

# replay POLICY: does a model of the policy, fed with the log, choose the same victims?
replay() {
	python3 - "$work/log" "$1" "$(cat "$class/frames")" <<'END'
import re, sys
log, policy, frames = sys.argv[1], sys.argv[2], int(sys.argv[3])
first, active, unmapping, standby, held = {}, {}, {}, {}, {}    # frames, oldest first
page_in = {}
marked = set()    # by clock
forgotten = demoted = 0

def renew(frame, where):
    for place in first, active, unmapping, standby, held:
        place.pop(frame, None)
    where[frame] = True

# The frame that should go now. Clock passes over what is marked; if that is all on standby, the first one goes.
def next_victim():
    passed = []
    if policy == '2q' and len(first) > max(frames // 4, 4):
        return next(iter(first))
    while policy == 'clock' and (standby or active):
        frame = next(iter(standby or active))
        if frame not in marked:
            break
        marked.remove(frame)
        renew(frame, active)
        passed.append(frame)
    if passed and not standby:
        return passed[0]
    return next(iter(standby or active or first))

for number, line in enumerate(open(log), 1):
    m = re.search(r'vmdemo_policy: (\w+) page=(\d+) frame=(\d+)', line)
    if not m:
        continue
    event, page, frame = m.group(1), int(m.group(2)), int(m.group(3))
    known = any(frame in place for place in (first, active, unmapping, standby, held))
    if known != (event not in ('insert', 'refault')):
        sys.exit('line %d: %s of frame %d, which is %sin the order' % (number, event, frame, '' if known else 'not '))
    if known and page_in[frame] != page:
        sys.exit('line %d: %s of page %d, but frame %d holds %d' % (number, event, page, frame, page_in[frame]))
    if event in ('insert', 'refault'):
        page_in[frame] = page
        marked.discard(frame)
        renew(frame, first if policy == '2q' and event == 'insert' else active)
    elif event == 'touch' and (policy == 'lru' or (policy == '2q' and frame not in first)):
        renew(frame, active)
    elif event == 'touch' and policy == 'clock' and frame not in active:
        marked.add(frame)
    elif event == 'late' and policy in ('lru', 'clock', '2q') and frame in standby:
        marked.discard(frame)
        renew(frame, active)
    elif event == 'unmap':
        if frame != next(iter(active)):
            sys.exit('line %d: frame %d is not the oldest active one' % (number, frame))
        renew(frame, unmapping)
    elif event == 'rotate':
        renew(frame, active)
    elif event == 'hold':
        renew(frame, held)
    elif event == 'release':
        if frame not in held:
            sys.exit('line %d: frame %d is not held' % (number, frame))
        held.pop(frame)
        active = {frame: True, **active}
    elif event == 'back':
        unmapping.pop(frame)
        active = {frame: True, **active}
    elif event == 'demote':
        demoted += 1
        renew(frame, standby)
    elif event == 'forget':
        if policy == 'random':
            if frame in held:
                sys.exit('line %d: frame %d went, which is held' % (number, frame))
        else:
            victim = next_victim()
            if frame != victim:
                sys.exit('line %d: frame %d went, but %d is the victim' % (number, frame, victim))
        forgotten += 1
        first.pop(frame, None)
        active.pop(frame, None)
        standby.pop(frame, None)
    elif event not in ('touch', 'late'):
        sys.exit('line %d: what is %s?' % (number, event))
print('%d forgotten, %d demoted' % (forgotten, demoted))
if forgotten < 500 or (policy in ('lru', 'clock', '2q')) != (demoted > 0):
    sys.exit('too little happened')
END
}

# --- the tests: each succeeds or fails; what it prints is shown when it fails ---

steps_at_once() {
	load "$ram" 64 && trace enable touch_pages 7 && steps 7 fault_enter load load_done fault_return
}

# A read that is waited for: the device mapper delays it, since even a late disk may be faster than the next look.
steps_with_wait() {
	local status
	modprobe dm-delay && dmsetup create vmdemo-trace --table "0 32768 delay $disk 0 50" &&
		dmsetup mknodes vmdemo-trace || return
	load /dev/mapper/vmdemo-trace 64 && trace enable touch_pages 7 &&
		steps 7 fault_enter load wait load_done fault_return
	status=$?
	rmmod vmdemo
	dmsetup remove --retry vmdemo-trace
	return "$status"
}

# A page that is there needs no step in between.
steps_soft() {
	load "$ram" 64 && touch_pages 7 && trace enable touch_pages 7 && steps 7 fault_enter fault_return
}

# touch_beyond: the page behind the end, in a mapping that mremap() has grown; the program dies of SIGBUS.
touch_beyond() {
	python3 - "$(cat "$class/size_bytes")" 2>/dev/null <<'END'
import ctypes, os, resource, sys
size = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
libc = ctypes.CDLL(None)
libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
at = libc.mmap(None, ctypes.c_size_t(4096), 1, 1, os.open('/dev/vmdemo', os.O_RDONLY), ctypes.c_long(size - 4096))
at = libc.mremap(ctypes.c_void_p(at), ctypes.c_size_t(4096), ctypes.c_size_t(8192), 1)
ctypes.string_at(at + 4096, 1)
END
	[ $? -eq 135 ]
}

# A fault that fails ends as well.
steps_invalid() {
	load "$ram" 64 && trace enable touch_beyond &&
		steps $(($(cat "$class/size_bytes") / 4096)) fault_enter fault_return
}

# Without readers no fault has an id, and none is traced.
silence() {
	load "$ram" 64 && trace enable true && touch_pages 7 && [ ! -s "$work/log" ]
}

# in_space PAGE...: stores to pages of a sparse space; leaves its number, as /proc has it, in the file `space`.
in_space() {
	python3 - "$work/space" "$@" <<'END'
import fcntl, mmap, os, re, struct, sys
device = os.open('/dev/vmdemo', os.O_RDWR)
space = fcntl.ioctl(device, 0x4020E705, bytearray(struct.pack('<QQQII', 1 << 20, 0, 0, 0, 0)))
about = open('/proc/self/fdinfo/%d' % space).read()
with mmap.mmap(space, 1 << 20) as memory:
    for page in sys.argv[2:]:
        memory[int(page) << 12] = 1
about += open('/proc/self/fdinfo/%d' % space).read()
with open(sys.argv[1], 'w') as file:
    file.write(re.search(r'^vmdemo-space:\t(\d+)$', about, re.M).group(1))
number, written = re.findall(r'^vmdemo-device:\t(\d+)$', about, re.M)[0], re.findall(r'^vmdemo-written:\t(\d+) kB$', about, re.M)
if (number, written) != ('0', ['0', str(4 * len(sys.argv[2:]))]):
    sys.exit(about)
END
}

# faults KIND SPACE: how many whole faults of this kind the log tells of.
faults() {
	grep -c " vmdemo_fault: page=[0-9]* kind=$1 ns=[1-9][0-9]* device=0 space=$2\$" "$work/log"
}

# Each fault is told of once, as the histogram counts it.
whole_faults() {
	local latency=/sys/kernel/debug/vmdemo/vmdemo/latency kind
	[ -e "$latency" ] || mount -t debugfs debugfs /sys/kernel/debug
	load "$ram" 64 && trace vmdemo_fault/enable touch_pages 1 2w 3 {100..299}w 1 || return
	[ "$(grep -c ' vmdemo_fault: ' "$work/log")" -ge 203 ] || return
	for kind in hard soft zero mkwrite; do
		[ "$(faults "$kind" 0)" -eq "$(awk -v kind="$kind" '$1 == kind { sum += $4 } END { print sum + 0 }' "$latency")" ] || {
			echo "$(faults "$kind" 0) faults were $kind, of $(grep "$kind" "$latency")"
			return 1
		}
	done
	[ "$(faults hard 0)" -eq 204 ] && [ "$(faults mkwrite 0)" -ge 200 ]
}

# Each event says of which space it is, by the number in /proc.
which_space() {
	local event space
	load_module "backing=$ram" "swap=\"force /dev/ram1\"" frames=64 && trace enable in_space {0..99} || return
	space=$(cat "$work/space")
	[ "$space" -gt 0 ] && [ "$(faults zero "$space")" -eq 100 ] || return
	for event in fault_enter fault_return policy demote evict writeback writeback_done; do
		grep -q " vmdemo_$event: .* device=0 space=$space\$" "$work/log" || {
			echo "no vmdemo_$event names space $space"
			return 1
		}
	done
	grep ' vmdemo_' "$work/log" | grep -v " device=0 space=$space\$" && return 1
	load "$ram" 64 && trace enable touch_pages 7 && ! grep ' vmdemo_' "$work/log" | grep -v ' device=0 space=0$'
}

# bpftrace_says SCRIPT PATTERN: what bpftrace makes of our faults meanwhile has such a line.
bpftrace_says() {
	local pid
	timeout -s INT 60 bpftrace "$1" >"$work/said" 2>&1 &
	pid=$!
	until grep -q process "$work/said"; do
		kill -0 "$pid" || break
		sleep 0.2
	done
	touch_pages {0..199}w
	sleep 1.5
	kill -INT "$pid"
	wait "$pid"
	grep -q "$2" "$work/said" || {
		cat "$work/said"
		return 1
	}
}

bpftrace_scripts() {
	load "$ram" 64 && bpftrace_says "$scripts/faults.bt" '^@faults\[python3, [0-9]*, 0, 0, hard\]: [1-9]' &&
		grep -q '^@latency_us\[mkwrite\]' "$work/said" &&
		bpftrace_says "$scripts/evictions.bt" '^@lost\[0, 0\]: [1-9]'
}

# pages EVENT: how many pages the log's events of this name tell of; one event may be of several.
pages() {
	awk -v event="vmdemo_$1:" '$0 ~ " " event { n = 1; for (i = 1; i <= NF; i++) if ($i ~ /^nr=/) n = substr($i, 4); sum += n }
		END { print sum + 0 }' "$work/log"
}

pressure() {
	local event
	load "$ram" 64 && trace enable touch_pages {0..199}w || return
	# 64 of 200 pages fit: the others went, each once and each written before.
	[ "$(pages evict)" -eq 136 ] && [ "$(grep -o ' vmdemo_evict: page=[0-9]*' "$work/log" | sort -u | wc -l)" -eq 136 ] || return
	for event in demote writeback writeback_done; do
		[ "$(pages "$event")" -ge 136 ] || {
			echo "vmdemo_$event tells of $(pages "$event") pages only"
			return 1
		}
	done
}

replay_small_pool() {
	load "$ram" 64 && trace vmdemo_policy/enable touch_many && replay lru
}

replay_large_pool() {
	load "$ram" 512 && trace vmdemo_policy/enable touch_many && replay lru
}

# The same log under wrong rules: the model must notice, or the tests above say nothing.
replay_notices() {
	! replay fifo
}

replay_fifo() {
	load "$ram" 512 && echo fifo >"$class/policy" && trace vmdemo_policy/enable touch_many && replay fifo
}

# The others: in a pool where all but the newest are on standby, and in one where some are.
replay_other() {
	load "$ram" "$2" && echo "$1" >"$class/policy" && trace vmdemo_policy/enable touch_many && replay "$1"
}

replay_clock_small() {
	replay_other clock 64
}

replay_clock() {
	replay_other clock 512
}

replay_2q_small() {
	replay_other 2q 64
}

replay_2q() {
	replay_other 2q 512
}

replay_others_notice() {
	! replay lru && ! replay clock
}

replay_random() {
	replay_other random 512
}

replay_late_disk() {
	load "$disk" 512 && trace vmdemo_policy/enable touch_many && replay lru
}

# touch_all N: N processes at once that touch 8192 pages, each in an order of its own.
touch_all() {
	local i pids=()
	for ((i = 0; i < $1; i++)); do
		python3 - "$i" <<'END' &
import mmap, random, sys
with open('/dev/vmdemo', 'rb') as device, mmap.mmap(device.fileno(), 32 << 20, prot=mmap.PROT_READ) as memory:
    memory.madvise(mmap.MADV_RANDOM)
    pages = list(range(8192))
    random.Random(int(sys.argv[1])).shuffle(pages)
    for page in pages:
        memory[page << 12]
END
		pids+=($!)
	done
	wait "${pids[@]}"
}

# With a reserve, a task that unmaps a range for demotion does not keep others from unmapping another one.
unmap_side_by_side() {
	load "$ram" 2048 && echo 64 >"$class/reserve" && echo 8192 >"$instance/buffer_size_kb" &&
		trace vmdemo_policy/enable touch_all 4 || return
	python3 - "$work/log" <<'END'
import re, sys
most = demoted = 0
unmapping = set()
for line in open(sys.argv[1]):
    m = re.search(r'vmdemo_policy: (\w+) page=\d+ frame=(\d+)', line)
    if not m:
        continue
    event, frame = m.groups()
    unmapping.discard(frame)
    if event == 'unmap':
        unmapping.add(frame)
        most = max(most, len(unmapping))
    demoted += event == 'demote'
print('%d demoted, %d being unmapped at once, %d at the end' % (demoted, most, len(unmapping)))
if demoted < 1000 or most < 2 or unmapping:
    sys.exit(1)
END
}

tests=(steps_at_once steps_with_wait steps_soft steps_invalid silence whole_faults which_space pressure replay_small_pool replay_large_pool replay_notices replay_fifo
	replay_clock_small replay_clock replay_2q_small replay_2q replay_others_notice replay_random)
# On one processor it would take a task that is preempted at the right moment.
[ "$(nproc)" -eq 1 ] || tests+=(unmap_side_by_side)
[ "$disk" = "$ram" ] || tests+=(replay_late_disk)

# The scripts are where the sources are.
scripts=$here/../../scripts/trace
if [ -d "$scripts" ] && command -v bpftrace >/dev/null; then tests+=(bpftrace_scripts); fi

run_tests "${tests[@]}"
