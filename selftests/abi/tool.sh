#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tool.sh - the command vmdemo: each subcommand is right, against sysfs, and answers what is wrong with a sentence.
#
#   tool.sh [TEST...]
#
# Loads the module itself, as the other tests do: vmdemo_test.h says with which disks.  `top` runs in tmux.  Prints TAP.

# shellcheck disable=SC2317 # the tests are called by the names in a list
# shellcheck disable=SC2015 # what is shown when something is false ends in return 1

here=$(cd "$(dirname "$0")" && pwd)
PATH=$here:$here/../lib:$PATH # kselftest installs all of them in one place
. script.sh
. command.sh

need python3 dmsetup tmux setpriv vmdemo
python3() { /usr/bin/python3 "$@"; } # Debian's, which has the parser
python3 -c 'import prometheus_client.parser' 2>/dev/null || skip_all "python3-prometheus-client is not installed"
debugfs=/sys/kernel/debug
[ -d $debugfs/bdi ] || mount -t debugfs debugfs $debugfs || skip_all "there is no debugfs"
export LC_ALL=C.UTF-8 TMUX_TMPDIR=$work TERM=xterm-256color
other=$class/../vmdemo1

clean_up() {
	end_workers
	tmux kill-server
	rm -rf "$work"
}
trap clean_up EXIT
# One server for all tests: one that is told to end ends some time later, and would still take a new session.
tmux start-server \; set-option -g exit-empty off || skip_all "tmux does not start"

# --- the frame ---

each_has_help() {
	local name n=0
	expect 0 'Usage: vmdemo COMMAND' vmdemo --help || return
	while read -r name; do
		expect 0 "Usage: vmdemo $name" vmdemo "$name" --help && expect 2 "Try 'vmdemo $name --help'" vmdemo "$name" --nonsense &&
			expect 2 '' vmdemo "$name" a b c d || return
		n=$((n + 1))
	done < <(vmdemo --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
	[ "$n" -eq 13 ] && expect 0 'vmdemo 0.' vmdemo --version && expect 2 'say what to do' vmdemo &&
		expect 2 "no command 'nonsense'" vmdemo nonsense
}

without_module() {
	local command
	end_workers
	rmmod vmdemo
	expect 0 'not loaded' vmdemo list && [ "$(vmdemo list --json)" = '[]' ] || return
	for command in info stat 'stat --prometheus' latency map 'set vmdemo frames=64' 'bind vmdemo /dev/null' 'unbind vmdemo' top trace; do
		# shellcheck disable=SC2086 # words
		expect 1 'vmdemo is not loaded' vmdemo $command || return
	done
}

without_device() {
	load 64 || return
	local command
	for command in info stat latency map 'stat --prometheus' top trace; do
		# shellcheck disable=SC2086 # words
		expect 1 'there is no device vmdemo7' vmdemo $command vmdemo7 || return
	done
	for command in info stat latency map top trace 'set sda' 'bind sda' unbind; do
		# shellcheck disable=SC2086 # words
		expect 2 vmdemo1 vmdemo $command sda || return
	done
	expect 0 /dev/vmdemo1 vmdemo info /dev/vmdemo1
}

# A full disk is told of, at once, and a reader that goes ends it.
output_that_fails() {
	local command
	load 64 || return
	for command in --help list 'list --json' info stat 'stat --prometheus' 'stat 0.1' 'latency --json' map; do
		# shellcheck disable=SC2086 # words
		expect 1 'cannot be written' sh -c "vmdemo $command >/dev/full" || return
	done
	timeout 60 sh -c 'vmdemo stat 0.05 | head -n 3' >"$work/lines" && [ "$(wc -l <"$work/lines")" -eq 3 ] &&
		timeout 60 sh -c 'vmdemo map | head -n 1' | grep -q nowhere &&
		timeout 60 sh -c 'vmdemo info | head -n 1' | grep -qx /dev/vmdemo
}

# What anybody may see, and what not.
without_permission() {
	local command
	local nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups "$work/vmdemo")
	load 64 && cp "$(command -v vmdemo)" "$work/vmdemo" && chmod 755 "$work" || return
	for command in list info stat 'stat --json' 'stat --prometheus'; do
		# shellcheck disable=SC2086 # words
		expect 0 '' "${nobody[@]}" $command || return
	done
	expect 1 'only root may change dirty_pct' "${nobody[@]}" set vmdemo dirty_pct=50 &&
		expect 1 'only root may bind and unbind' "${nobody[@]}" bind vmdemo1 "$disk2" &&
		expect 1 'only root may bind and unbind' "${nobody[@]}" unbind vmdemo &&
		expect 1 'only root may trace' "${nobody[@]}" trace && expect 1 'only root may see' "${nobody[@]}" latency &&
		expect 1 'you may not open /dev/vmdemo' "${nobody[@]}" map &&
		expect 1 'only its user and root may see' "${nobody[@]}" map 1
}
# --- list, info ---

list_is_right() {
	load 64 && vmdemo list --json >"$work/list" && vmdemo list >"$work/text" || return
	python3 - "$work/list" "$disk" <<'END' || return
import json, sys
a, b = json.load(open(sys.argv[1]))
def attr(device, name):
    return open('/sys/class/vmdemo/%s/%s' % (device, name)).read().strip()
for o in a, b:
    for name in 'backing', 'swap':
        assert o[name] == attr(o['name'], name), (name, o)
    for name in 'size_bytes', 'frames_actual', 'frame_bytes':
        assert o[name] == int(attr(o['name'], name)), (name, o)
    assert o['policy'] == 'lru', o
assert a['name'] == 'vmdemo' and a['backing'] == sys.argv[2] and b['name'] == 'vmdemo1' and b['backing'] == 'none'
END
	[ "$(wc -l <"$work/text")" -eq 3 ] && grep -qE "^vmdemo +64 +64 +lru .* $disk +none$" "$work/text"
}

# All that is in sysfs, and nothing else.
info_is_right() {
	load 64 && worker 'touch(range(100), True); ready(); time.sleep(1000)' || return
	vmdemo info --json >"$work/info" && vmdemo info >"$work/text" || return
	python3 - "$work/info" "$class" <<'END' || return
import glob, json, os, sys
info = json.load(open(sys.argv[1]))
seen = {}
for kind in 'settings', 'facts', 'counters', 'gauges':
    seen.update(info[kind])
files = {os.path.basename(f): f for f in glob.glob(sys.argv[2] + '/*') + glob.glob(sys.argv[2] + '/stats/*')
         if os.path.isfile(f) and os.path.basename(f) not in ('dev', 'uevent')}
assert set(seen) == set(files), set(seen) ^ set(files)
for name, path in files.items():
    assert str(seen[name]) == open(path).read().strip(), name
END
	grep -qE '^  faults_hard +100$' "$work/text"
}

# --- set ---

sets_all_or_none() {
	load 64 || return
	expect 0 '' vmdemo set vmdemo frames=128 dirty_pct=50 policy=fifo reserve=60 && [ "$(cat "$class"/frames)" -eq 128 ] &&
		[ "$(cat "$class"/dirty_pct)" -eq 50 ] && grep -q '\[fifo\]' "$class"/policy && [ "$(cat "$class"/reserve)" -eq 60 ] || return
	expect 2 'nothing was changed' vmdemo set vmdemo dirty_pct=60 dirty_age_ms=9999999 &&
		expect 2 "no policy 'nonsense'" vmdemo set vmdemo dirty_pct=60 policy=nonsense &&
		expect 2 'given twice' vmdemo set vmdemo dirty_pct=60 dirty_pct=61 &&
		expect 2 "no setting 'nonsense'" vmdemo set vmdemo dirty_pct=60 nonsense=1 &&
		expect 2 "no setting '../vmdemo1/frames'" vmdemo set vmdemo ../vmdemo1/frames=80 &&
		expect 2 'one of the facts' vmdemo set vmdemo dirty_pct=60 size_bytes=1 &&
		expect 2 'one of the statistics' vmdemo set vmdemo faults_hard=1 &&
		expect 2 'vmdemo bind' vmdemo set vmdemo "backing=$disk2" &&
		expect 2 'give NAME=VALUE' vmdemo set vmdemo dirty_pct && expect 2 'NAME=VALUE' vmdemo set vmdemo &&
		expect 2 'which device' vmdemo set && expect 2 'which device' vmdemo set dirty_pct=60 || return
	[ "$(cat "$class"/dirty_pct)" -eq 50 ]
}

# What the module refuses is put back: a setting that cannot be written stands behind another.
puts_back() {
	local status=0
	load 64 && cat "$class"/dirty_pct >"$work/pct" && mount --bind "$work/pct" "$class"/dirty_pct &&
		mount -o remount,bind,ro "$work/pct" "$class"/dirty_pct || return
	expect 1 'nothing was changed' vmdemo set vmdemo demote_pages=99 dirty_pct=50 && [ "$(cat "$class"/demote_pages)" -ne 99 ] || status=1
	umount "$class"/dirty_pct
	return "$status"
}

# The bounds that it knows are the module's.
bounds_are_the_modules() {
	local name low high n=0
	load 64 || return
	for name in frames reserve lend_pages swap_discard standby_pct demote_pages read_ahead_pages dirty_pct dirty_age_ms \
		space_max_pages user_max_pages spaces_per_user; do
		expect 2 'takes a number' vmdemo set vmdemo "$name=nonsense" || return
		[[ $(<"$work/printed") =~ from\ ([0-9]+)\ to\ ([0-9]+) ]] && low=${BASH_REMATCH[1]} high=${BASH_REMATCH[2]} || return
		expect 0 '' vmdemo set vmdemo "$name=$low" && [ "$(<"$class/$name")" -eq "$low" ] || return
		[ "$name" = frames ] || expect 0 '' vmdemo set vmdemo "$name=$high" || return
		! echo $((high + 1)) 2>/dev/null >"$class/$name" || { echo "$name takes $((high + 1))" && return 1; }
		[ "$low" -eq 0 ] || ! echo $((low - 1)) 2>/dev/null >"$class/$name" || { echo "$name takes $((low - 1))" && return 1; }
		[ "$name" != frames ] || echo 64 >"$class"/frames
		n=$((n + 1))
	done
	# All settings but for the policy and the disks.
	[ "$n" -eq $(($(find "$class"/ -maxdepth 1 -type f -perm -u+w ! -name uevent | wc -l) - 3)) ]
}

# More frames than there may be are no memory; of others nothing is written then.
refuses_for_want_of_memory() {
	local most
	load 64 || return
	vmdemo set vmdemo frames=1 2>"$work/says"
	most=$(sed -n 's/.* to \([0-9]*\).*/\1/p' "$work/says")
	expect 1 'nothing was changed' vmdemo set vmdemo dirty_pct=33 "frames=$most" && [ "$(cat "$class"/dirty_pct)" -ne 33 ] && [ "$(cat "$class"/frames)" -eq 64 ]
}

# Programs that hold frames: they are fewer when those let go.
tells_of_held_frames() {
	load 64 && worker '
touch(range(12))
libc = ctypes.CDLL(None)
place = (ctypes.c_char * len(mem)).from_buffer(mem)
class iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]
r, w = os.pipe()
assert libc.vmsplice(w, ctypes.byref(iovec(ctypes.addressof(place), 12 * mmap.PAGESIZE)), ctypes.c_ulong(1), 0) > 0
ready()
time.sleep(1000)' || return
	expect 0 'the rest go when they can' vmdemo set vmdemo frames=8 dirty_pct=40 && [ "$(cat "$class"/frames)" -eq 8 ] && [ "$(cat "$class"/dirty_pct)" -eq 40 ]
}

# --- bind, unbind ---

binds() {
	start frames=64,64 num_devices=2 || return
	wipefs -qa "$disk2"
	expect 0 '' vmdemo bind vmdemo "$disk" && [ "$(cat "$class"/backing)" = "$disk" ] &&
		expect 0 '' vmdemo bind vmdemo1 --swap "$disk2" && [ "$(cat "$other"/swap)" = "$disk2" ] &&
		expect 1 'unbind that first' vmdemo bind vmdemo "$disk2" &&
		expect 1 'vmdemo has it already, as its backing device' vmdemo bind vmdemo1 "$disk" &&
		expect 1 'vmdemo1 has it already, as its swap device' vmdemo bind vmdemo --swap "$disk2" &&
		expect 0 '' vmdemo unbind vmdemo1 --swap && [ "$(cat "$other"/swap)" = none ] &&
		expect 0 '' vmdemo unbind vmdemo && [ "$(cat "$class"/backing)" = none ] &&
		expect 0 'has no backing device' vmdemo unbind vmdemo && expect 0 'has no swap device' vmdemo unbind vmdemo --swap &&
		expect 0 '' vmdemo bind vmdemo "$disk" --swap "$disk2" && expect 0 '' vmdemo unbind vmdemo --abandon &&
		expect 2 'exclude' sh -c 'vmdemo unbind vmdemo --swap --abandon || { echo exclude; exit 2; }'
}

bind_says_what_is_wrong() {
	start frames=64,64 num_devices=2 || return
	expect 1 'no such file' vmdemo bind vmdemo /dev/nonsense && expect 1 'no block device' vmdemo bind vmdemo /dev/null &&
		expect 1 'losetup' vmdemo bind vmdemo "$0" && expect 1 'no absolute path' vmdemo bind vmdemo vda &&
		expect 2 'say which disk' vmdemo bind vmdemo && expect 2 'which device' vmdemo bind "$disk" &&
		expect 2 '--force is for --swap' vmdemo bind vmdemo "$disk" --force &&
		expect 2 'cannot be both' vmdemo bind vmdemo "$disk" --swap "$disk" && [ "$(cat "$class"/backing)" = none ]
}

bind_says_who_has_it() {
	local status=0
	start frames=64,64 num_devices=2 && mkfs.ext2 -q "$disk2" && mkdir -p "$work/a b" && mount "$disk2" "$work/a b" || return
	expect 1 "$disk2 is mounted on $work/a b." vmdemo bind vmdemo "$disk2" || status=1
	umount "$work/a b"
	# What is on a swap device is not overwritten, and then the other is not bound either.
	expect 1 'ext2' vmdemo bind vmdemo "$disk" --swap "$disk2" && expect 1 '--force' vmdemo bind vmdemo "$disk" --swap "$disk2" &&
		[ "$(cat "$class"/backing)" = none ] || status=1
	dmsetup create vmdemo-tool --table "0 8192 linear $disk2 0" || return
	expect 1 "$disk2 is part of /dev/dm-" vmdemo bind vmdemo "$disk2" || status=1
	dmsetup remove --retry vmdemo-tool
	mkswap "$disk2" && swapon "$disk2" || return
	expect 1 'swap space of the system' vmdemo bind vmdemo "$disk2" || status=1
	swapoff "$disk2"
	expect 0 '' vmdemo bind vmdemo "$disk" --swap "$disk2" --force && [ "$(cat "$class"/swap)" = "$disk2" ] || status=1
	return "$status"
}

# Of a device that programs have open, and of one that they have only mapped, of which the pages are seen as well.
unbind_says_who_uses_it() {
	load 64 && worker 'ready(); time.sleep(1000)' &&
		expect 1 "in use by python3 (${workers[0]})" vmdemo unbind vmdemo && end_workers || return
	worker '
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
ctypes.string_at(libc.mmap(None, ctypes.c_size_t(mmap.PAGESIZE), 1, 1, dev, ctypes.c_long(0)), 1)
mem.close()
os.close(dev)
open("/proc/self/comm", "w").write("a\33[31m")
ready()
time.sleep(1000)' || return
	expect 0 '/dev/vmdemo: 16384 pages' vmdemo map "${workers[0]}" && expect 1 "in use by a?[31m (${workers[0]})" vmdemo unbind vmdemo && [ "$(cat "$class"/backing)" = "$disk" ] &&
		end_workers && wait_for vmdemo unbind vmdemo
}

# --- stat ---

# column NAME FILE: of the last line of it.
column() {
	awk -v name="$1" '$1 == "hard" { for (i = 1; i <= NF; i++) if ($i == name) at = i } { last = $at } END { print last }' "$2"
}

stat_is_right() {
	local name
	load 64 && worker 'touch(range(200), True); touch(range(150, 200)); ready(); time.sleep(1000)' || return
	vmdemo stat >"$work/text" && [ "$(wc -l <"$work/text")" -eq 3 ] && ! grep -q '.\{80\}' "$work/text" || return
	for name in hard:faults_hard soft:faults_soft zero:faults_zero mkwr:faults_mkwrite cow:faults_cow in:pages_in out:pages_out \
		refau:refaults free:frames_free activ:frames_active stdby:frames_standby dirty:frames_dirty; do
		[ "$(column "${name%:*}" "$work/text")" -eq "$(stat "${name#*:}")" ] || { echo "$name" && cat "$work/text" && return 1; }
	done
	[ "$(column evict "$work/text")" -eq $(($(stat evictions_clean) + $(stat evictions_dirty))) ] && [ "$(stat faults_hard)" -ge 200 ]
}

# Rates of a steady load add up to what was counted, and the header comes once where nobody scrolls.
stat_counts_by_the_second() {
	local before after
	load 64 && worker '
ready()
while True:
    for page in range(0, 2048, 5):
        touch([page])
        time.sleep(0.002)' || return
	before=$(stat faults_hard)
	timeout 60 vmdemo stat 0.5 5 >"$work/text" || return
	after=$(stat faults_hard)
	[ "$(wc -l <"$work/text")" -eq 7 ] || { cat "$work/text" && return 1; }
	awk -v counted=$((after - before)) 'NR > 2 { sum += $1 / 2 }
		END { print sum, counted; exit !(counted > 20 && sum > 0.6 * counted && sum < 1.4 * counted) }' "$work/text"
}

stat_as_json() {
	load 64 && worker 'touch(range(100)); ready(); time.sleep(1000)' && vmdemo stat --json vmdemo 0.1 3 >"$work/lines" || return
	python3 - "$work/lines" "$class" <<'END'
import json, os, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert len(lines) == 3 and lines[0]['time'] < lines[2]['time'], lines
for name in os.listdir(sys.argv[2] + '/stats'):
    assert lines[2][name] == int(open(sys.argv[2] + '/stats/' + name).read()), name
END
}

stat_of_bad_input() {
	load 64 || return
	expect 2 'no interval' vmdemo stat 0 && expect 2 'no interval' vmdemo stat 1x && expect 2 'no count' vmdemo stat 1 0 &&
		expect 2 'no count' vmdemo stat 1 x && expect 2 'one argument too many' vmdemo stat vmdemo 1 2 3 &&
		expect 2 'is no device' vmdemo stat x && expect 2 'exclude each other' vmdemo stat --json --prometheus &&
		expect 2 'without an interval' vmdemo stat --prometheus 1
}

# A disk that goes, and comes back, does not end it; the module does.
stat_while_things_go() {
	local status=0
	load 64 || return
	vmdemo stat 0.1 >"$work/text" 2>&1 &
	workers+=($!)
	wait_for test -s "$work/text" && vmdemo unbind vmdemo && vmdemo bind vmdemo "$disk" && kill -0 "${workers[0]}" && rmmod vmdemo || return
	wait "${workers[0]}" || status=$?
	workers=()
	[ "$status" -eq 1 ] && grep -q 'vmdemo has gone: the module was unloaded' "$work/text"
}

# A time is in seconds: one that is known lies over the counter.
prometheus_is_parsed() {
	local status=0
	load 64 && worker 'touch(range(300), True); ready(); time.sleep(1000)' && echo 12000000345 >"$work/ns" &&
		mount --bind "$work/ns" "$class/stats/reclaim_wait_ns" || return
	vmdemo stat --prometheus >"$work/text" && check_prometheus || status=1
	umount "$class/stats/reclaim_wait_ns"
	return "$status"
}

check_prometheus() {
	python3 - "$work/text" <<'END'
import os, sys
from prometheus_client.parser import text_string_to_metric_families
families = {f.name: f for f in text_string_to_metric_families(open(sys.argv[1]).read())}
def value(family, device):
    return [s.value for s in family.samples if s.labels['device'] == device][0]
seen = set()
for device in 'vmdemo', 'vmdemo1':
    place = '/sys/class/vmdemo/%s/stats/' % device
    for name in os.listdir(place):
        number = int(open(place + name).read())
        gauge = name.startswith('frames_') or name in ('pages_orphaned', 'swap_free')
        if name.endswith('_ns'):
            name, number = name[:-3] + '_seconds', number / 1e9
        family = families['vmdemo_' + name]
        assert family.type == ('gauge' if gauge else 'counter'), family
        assert len(family.documentation) > 10, family
        assert abs(value(family, device) - number) < 1e-6, (name, family, number)
        seen.add(family.name)
disks = families['vmdemo_info'].samples
assert [s.labels['device'] for s in disks] == ['vmdemo', 'vmdemo1'] and disks[1].labels['backing'] == 'none', disks
assert value(families['vmdemo_size_bytes'], 'vmdemo') == int(open('/sys/class/vmdemo/vmdemo/size_bytes').read())
assert value(families['vmdemo_faults_hard'], 'vmdemo') >= 300
assert value(families['vmdemo_reclaim_wait_seconds'], 'vmdemo') == 12.000000345
END
}

# --- latency ---

# What it makes of the file, by another way of counting; and the counts are those of sysfs.
latency_is_right() {
	load 64 && worker 'touch(range(100)); touch(range(50, 100), True); ready(); time.sleep(1000)' || return
	vmdemo latency --json >"$work/json" && vmdemo latency --histogram >"$work/text" || return
	python3 - "$work/json" "$work/text" "$debugfs"/vmdemo/vmdemo/latency "$class" <<'END' || { cat "$work/text" && return 1; }
import json, sys
made = json.load(open(sys.argv[1]))
text = open(sys.argv[2]).read().split('\n\n')
lines = {words[0]: words[1:] for words in map(str.split, text[0].splitlines()[1:])}
bars = {part.splitlines()[0]: part.splitlines()[1:] for part in text[1:]}
kinds = {}
for line in open(sys.argv[3]):
    kind, *numbers = line.split()
    kinds.setdefault(kind, []).append([int(n) for n in numbers])
assert made['name'] == 'vmdemo' and 'hard' in kinds and list(kinds) == list(made['kinds']) == list(lines), made
for kind in 'hard', 'soft':
    counter = int(open(sys.argv[4] + '/stats/faults_' + kind).read())
    assert counter > 0 and sum(count for _, _, count in kinds[kind]) == counter, kind
for kind, buckets in kinds.items():
    of = made['kinds'][kind]
    ends = sorted(to for _, to, count in buckets for _ in range(count))
    assert of['count'] == len(ends) == int(lines[kind][0]), kind
    assert [[b['from_ns'], b['to_ns'], b['count']] for b in of['buckets']] == buckets, kind
    told = [float(n) * {'ns': 1, 'us': 1e3, 'ms': 1e6, 's': 1e9}[unit] for n, unit in zip(lines[kind][1::2], lines[kind][2::2])]
    for i, (key, permille) in enumerate((('p50_ns', 500), ('p90_ns', 900), ('p99_ns', 990), ('p999_ns', 999), ('max_ns', 1000))):
        right = ends[-(-len(ends) * permille // 1000) - 1]
        assert of[key] == right and abs(told[i] - right) <= right / 150, (kind, key, right, told)
    counts = [line.split() for line in bars[kind + ':'] if ' to ' in line]
    most = max(count for _, _, count in buckets)
    assert [(int(words[5]), len(words[6])) for words in counts] == [(n, max(1, 40 * n // most)) for _, _, n in buckets], kind
END
	expect 0 'has had no faults yet' vmdemo latency vmdemo1 && expect 0 '"kinds": {}' vmdemo latency --json vmdemo1 &&
		expect 2 'one argument too many' vmdemo latency vmdemo 1
}

# Without debugfs, and with an older module: something lies over either.
latency_of_nothing() {
	local status=0
	load 64 && mount -t tmpfs tmpfs "$debugfs" || return
	expect 1 'debugfs is not mounted' vmdemo latency || status=1
	umount "$debugfs"
	mount -t tmpfs tmpfs "$debugfs"/vmdemo || return
	expect 1 'older than this command' vmdemo latency || status=1
	umount "$debugfs"/vmdemo
	return "$status"
}

# --- map ---

# signs REGEX FILE: how many signs of a map are of this kind.
signs() {
	sed -n 's/^  *[0-9][0-9]*  //p' "$2" | grep -o "$1" | wc -l
}

map_is_right() {
	load 64 && worker 'touch(range(0, 100)); ready(); time.sleep(1000)' || return
	vmdemo map --pages 0-191 >"$work/text" && [ "$(signs '[-#]' "$work/text")" -eq $(($(stat frames_active) + $(stat frames_standby))) ] &&
		[ "$(signs '\.' "$work/text")" -eq $((192 - $(signs '[-#]' "$work/text"))) ] && [ "$(signs '#' "$work/text")" -gt 0 ] || return
	# The same by the process, and the other way round.
	vmdemo map "${workers[0]}" --pages 0-191 | tail -n 3 | diff - <(tail -n 3 "$work/text") &&
		vmdemo map --frames --pages 0-191 >"$work/frames" && [ "$(signs '[0-9]' "$work/frames")" -eq $((64 - $(stat frames_free))) ] &&
		vmdemo map --json --pages 0-191 >"$work/json" || return
	python3 - "$work/json" "$work/text" <<'END' || return
import json, sys
space, = json.load(open(sys.argv[1]))
pages = {p['page']: p for p in space['map']}
signs = ''.join(line[12:].rstrip('\n') for line in open(sys.argv[2]) if line[:10].strip().isdigit() and line[10:12] == '  ')
assert len(signs) == 192 and space['frames'] == 64, space
for page, sign in enumerate(signs):
    assert (sign in '#-') == (page in pages), page
    assert sign == '.' or {'active': '#', 'standby': '-'}[pages[page]['state']] == sign, page
assert len(set(p['frame'] for p in space['map'])) == len(pages)
END
	# All of it fits on a screen; one page; the last ones.
	vmdemo map >"$work/text" && [ "$(wc -l <"$work/text")" -le 40 ] && [ "$(signs . "$work/text")" -eq 2048 ] &&
		vmdemo map --pages 99 >"$work/text" && [ "$(signs '[-#]' "$work/text")" -eq 1 ] &&
		vmdemo map --pages 16380- >"$work/text" && [ "$(signs '\.' "$work/text")" -eq 4 ]
}

# A space of 200 pages, with a hole of a segment, that has swapped; its descriptor is closed later.
map_of_a_space() {
	local words=("frames=64" "backing=$disk" "swap=\"force $disk2\"")
	start "${words[@]}" && worker '
os.close(dev)
dev = os.open("/dev/vmdemo", os.O_RDWR)
P = mmap.PAGESIZE
table = b"".join(struct.pack("16sQQQQBBBBI", name, first * P, 100 * P, 100 * P, 0, 3, 0, 0, 0, 0) for name, first in ((b"low", 0), (b"high", 128)))
place = ctypes.create_string_buffer(table)
args = bytearray(struct.pack("QQQII", 256 * P, 0, ctypes.addressof(place), 2, 0))
fd = fcntl.ioctl(dev, 0x4000e705 | 32 << 16, args) # VMDEMO_IOC_SPACE
low, high = mmap.mmap(fd, 100 * P), mmap.mmap(fd, 100 * P, offset=128 * P)
for m in low, high:
    for page in range(100):
        m[page * P] = 1
ready()
time.sleep(1000)' || return
	vmdemo map "${workers[0]}" >"$work/text" && sed -n '/a sparse space/,$p' "$work/text" >"$work/space" || return
	[ "$(signs '[-#<>d]' "$work/space")" -eq 200 ] && [ "$(signs d "$work/space")" -ge 136 ] && grep -qE '^ +64  .{36}$' "$work/space" || { cat "$work/text" && return 1; }
	vmdemo map --slots "${workers[0]}" | sed -n '/a sparse space/,$p' >"$work/slots" && [ "$(signs '[0-9]' "$work/slots")" -ge 136 ] || { cat "$work/slots" && return 1; }
	vmdemo map --json "${workers[0]}" | python3 -c 'import json, sys; assert len(json.load(sys.stdin)) == 2'
}

map_of_bad_input() {
	load 64 || return
	expect 1 'no process 99999999' vmdemo map 99999999 && expect 1 'nothing of vmdemo open' vmdemo map $$ &&
		expect 2 'exclude each other' vmdemo map --frames --slots && expect 2 'two pages' vmdemo map --pages 5-3 &&
		expect 2 'two pages' vmdemo map --pages x && expect 2 'is no process' vmdemo map 1x &&
		expect 0 'no page of these' vmdemo map --pages 99999999 && expect 1 'has no disk' vmdemo map vmdemo1 &&
		expect 2 'one argument too many' vmdemo map vmdemo 1
}

# --- top ---

on_screen() {
	[[ $(tmux capture-pane -p -t top) == *"$1"* ]]
}

# shows WORDS: does it come to show them?
shows() {
	wait_for on_screen "$1" || { tmux capture-pane -p -t top && return 1; }
}

keys() {
	tmux send-keys -t top "$@"
}

start_top() {
	tmux kill-session -t top 2>/dev/null
	# Its status is the last line.
	tmux new-session -d -s top -x 80 -y 24 "vmdemo top -i 0.2; echo status \$?; sleep 1000"
}

top_shows_the_device() {
	load 256 && start_top && shows "/dev/vmdemo  disk $disk (64.0 MiB)" && shows 'free 256' && worker '
ready()
while True:
    touch(range(0, 2048, 3), True)' || return
	shows '# active' && shows 'dirty_pct 80' && shows '█' && shows 'q quit' || return
	tmux capture-pane -p -t top >"$work/screen"
	# Nothing is wider, the bar ends at the edge, and hard faults have a rate.
	[ "$(grep -c . "$work/screen")" -ge 20 ] && grep -qE '^frames \[[#.-]{71}\]$' "$work/screen" && grep -qE '^hard faults +[1-9]' "$work/screen" || { cat "$work/screen" && return 1; }
	keys s && shows 'highest now first' && keys s && shows 'highest peak first' && keys s && shows 'as listed' &&
		keys + && shows 'every  0.5 s' && keys - && shows 'every  0.2 s' && keys p && shows PAUSED && keys p && keys h && shows 'this help' && keys h &&
		keys d && shows '/dev/vmdemo1  disk none' && keys d && shows "disk $disk" && keys q && shows 'status 0'
}

top_changes_the_frames() {
	load 256 && start_top && shows 'frames 256' && keys f && shows 'Enter: set' && keys 3 0 9 BSpace 0 Enter && shows 'There are 300 frames now.' &&
		[ "$(cat "$class"/frames)" -eq 300 ] && keys f 7 Enter && shows 'frames takes a number from 8' && keys f 9 Escape && shows 'frames 300' &&
		[ "$(cat "$class"/frames)" -eq 300 ] && keys q && shows 'status 0'
}

# Whatever goes meanwhile; and any size of the terminal.
top_survives() {
	load 256 && start_top && shows "disk $disk" && vmdemo unbind vmdemo && shows 'disk none' && vmdemo bind vmdemo "$disk" && shows "disk $disk" || return
	tmux resize-window -t top -x 60 -y 14 && shows 'hard faults' && tmux resize-window -t top -x 30 -y 6 && shows 'too small' &&
		tmux resize-window -t top -x 132 -y 40 && shows 'lend_pages' || return
	rmmod vmdemo && shows 'the module is not loaded' && keys f 9 Enter && shows 'There is no vmdemo.' && load 64 && shows '64: # active' && keys q && shows 'status 0'
}

top_without_a_terminal() {
	load 64 && expect 1 'needs a terminal' vmdemo top && expect 2 'no interval' vmdemo top -i 0 || return
	tmux kill-session -t top 2>/dev/null
	tmux new-session -d -s top "TERM=nonsense vmdemo top; echo status \$?; sleep 1000" && shows 'is not known here' && shows 'status 1'
}

# --- trace ---

# A worker that faults once for each line that it gets on a pipe; what the line has is its name from then on.
faulting_worker() {
	rm -f "$work/pipe"
	mkfifo "$work/pipe" && worker '
page = 1000
pipe = os.fdopen(os.open(os.path.dirname(sys.argv[1]) + "/pipe", os.O_RDWR))
ready()
for line in pipe:
    if line.strip():
        open("/proc/self/comm", "w").write(line.strip())
    touch([page])
    page += 2'
}

# start_trace ARGUMENT...: leaves what it prints in the file `told`; its process is the last worker.
start_trace() {
	vmdemo trace "$@" >"$work/told" 2>&1 &
	workers+=($!)
	wait_for grep -qx 1 "$instances/vmdemo-tool-${workers[-1]}/events/vmdemo/vmdemo_fault_return/enable"
}

trace_tells_the_steps() {
	load 64 && faulting_worker && start_trace --pid "${workers[0]}" && echo >"$work/pipe" && last_ends 0 || return
	grep -qx "python3 (${workers[0]}) reads page 1000:" "$work/told" && [ "$(grep -cE '^  [1-5]\. ' "$work/told")" -eq 5 ] &&
		grep -qE '^  2\. it is in no frame: .* us$' "$work/told" && grep -qE '^  4\. the disk has answered .* us$' "$work/told" &&
		grep -qE '^  5\. the kernel maps frame [0-9]+; .* us$' "$work/told" || { cat "$work/told" && return 1; }
	# The steps add up to the whole.
	awk '/ us$/ { if (/in all/) all = $(NF - 1); else sum += $(NF - 1) } END { exit !(all > 0 && sum >= all - 3 && sum <= all + 3) }' "$work/told"
}

trace_streams() {
	load 64 && faulting_worker && start_trace --stream --count 3 && printf '\n\n\n' >"$work/pipe" && last_ends 0 || return
	[ "$(grep -cE "^python3 +${workers[0]} +100[024] read +hard +1 +[0-9]+ +[0-9]+$" "$work/told")" -eq 3 ] || { cat "$work/told" && return 1; }
	start_trace --json --any -n 2 && printf '\n\n' >"$work/pipe" && last_ends 0 &&
		python3 -c 'import json, sys
a, b = [json.loads(line) for line in open(sys.argv[1])]
assert (a["page"], b["page"]) == (1006, 1008) and 0 < a["us"]["load"] < a["us"]["load_done"] <= a["us"]["fault_return"], a' "$work/told"
}

# What a fault asks for ahead is not its page: as many are hard as the module counts.
trace_of_a_sequence() {
	local hard
	rm -f "$work/pipe"
	mkfifo "$work/pipe" && load 512 && vmdemo set vmdemo read_ahead_pages=64 && worker '
pipe = os.open(os.path.dirname(sys.argv[1]) + "/pipe", os.O_RDWR)
ready()
os.read(pipe, 1)
touch(range(400))
os.read(pipe, 1)' && start_trace --stream --pid "${workers[0]}" || return
	hard=$(cat /sys/class/vmdemo/vmdemo/stats/faults_hard)
	printf 'xy' >"$work/pipe" && last_ends 0 || return
	hard=$(($(cat /sys/class/vmdemo/vmdemo/stats/faults_hard) - hard))
	[ "$hard" -gt 0 ] && [ "$(grep -cE ' read +hard ' "$work/told")" -eq "$hard" ] || { echo "$hard hard" && cat "$work/told" && return 1; }
}

# Any user may give a program a name that looks like an event, and one that steers a terminal.
trace_of_names_that_lie() {
	load 64 && faulting_worker && start_trace --stream --count 2 && echo $'\33: vmdemo_load:' >"$work/pipe" && wait_for grep -q 1000 "$work/told" &&
		echo '[LOST 7 EVENTS]' >"$work/pipe" && last_ends 0 || return
	grep -qE '^\?: vmdemo_load: +[0-9]+ +1000 read +hard ' "$work/told" && grep -qE '^\[LOST 7 EVENTS\] +[0-9]+ +1002 read +hard ' "$work/told" &&
		! grep -q 'were lost' "$work/told" || { cat -v "$work/told" && return 1; }
}

# It goes when it is told to, with its reader, with its process, with the module; and clears up after one that was killed.
trace_leaves_nothing() {
	load 64 && faulting_worker && start_trace --stream && kill "${workers[-1]}" && last_ends 0 && start_trace --stream && kill -9 "${workers[-1]}" && ! last_ends 0 && ! no_instance || return
	start_trace && kill -INT "${workers[-1]}" && last_ends 1 && grep -q 'no such fault' "$work/told" || return
	(vmdemo trace --stream; :) | head -n 2 >"$work/told" &
	workers+=($!)
	wait_for sh -c "grep -qx 1 $instances/*/events/vmdemo/vmdemo_fault_return/enable" && printf '\n\n\n\n' >"$work/pipe" && wait_for no_instance || return
	start_trace --pid "${workers[0]}" && kill -9 "${workers[0]}" && last_ends 1 && end_workers &&
		start_trace --stream && wait_for rmmod vmdemo && last_ends 0 && grep -q 'was unloaded' "$work/told"
}

# With a device, the faults of that only.
trace_of_one_device() {
	load 64 && vmdemo bind vmdemo1 "$disk2" && faulting_worker && start_trace --stream --count 1 vmdemo1 && printf '\n\n' >"$work/pipe" || return
	python3 -c 'import mmap, os
with mmap.mmap(os.open("/dev/vmdemo1", os.O_RDONLY), 8 << 12, prot=mmap.PROT_READ) as memory:
    memory[7 << 12]'
	last_ends 0 && grep -qE '^python3 +[0-9]+ +7 read +hard ' "$work/told" && ! grep -q ' 100[02] ' "$work/told" || { cat "$work/told" && return 1; }
	start_trace --stream --count 1 vmdemo && echo >"$work/pipe" && last_ends 0 && grep -qE '^python3 +[0-9]+ +1004 read +hard ' "$work/told"
}

trace_of_bad_input() {
	load 64 && expect 1 'no process 99999999' vmdemo trace --pid 99999999 && expect 2 'is no process' vmdemo trace --pid x &&
		expect 2 'no count' vmdemo trace -n 0
}

# --- completion ---

# completed WORD...: what may follow, with the last word begun.
completed() {
	# shellcheck disable=SC2034 # read by the function
	bash -c '. "$1"; shift; compopt() { :; }; COMP_WORDS=(vmdemo "$@") COMP_CWORD=$#; _vmdemo; printf "%s\n" "${COMPREPLY[@]}"' - \
		"$here/../../scripts/tool/completion.bash" "$@"
}

# It knows each command, and each option that the help has.
completes() {
	local command
	load 64 && diff <(completed '' | grep -v -e -- -e help | sort) <(vmdemo --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort) || return
	for command in $(completed '' | grep -v -e -- -e help); do
		diff <(vmdemo "$command" --help | grep -oE -- '--[a-z]+' | sort -u) <(completed "$command" -- | grep -vx -- --help | sort) || {
			echo "$command" && return 1
		}
	done
	[ "$(completed info '' | tr '\n' ' ')" = 'vmdemo vmdemo1 ' ] && completed set vmdemo dirty_p | grep -qx dirty_pct= &&
		! completed set vmdemo '' | grep -q backing && completed bind vmdemo1 /dev/ | grep -qx "$disk"
}

tests=(each_has_help without_module without_device output_that_fails without_permission list_is_right info_is_right sets_all_or_none
	puts_back bounds_are_the_modules refuses_for_want_of_memory tells_of_held_frames binds bind_says_what_is_wrong
	bind_says_who_has_it unbind_says_who_uses_it stat_is_right stat_counts_by_the_second stat_as_json stat_of_bad_input
	stat_while_things_go prometheus_is_parsed latency_is_right latency_of_nothing map_is_right map_of_a_space map_of_bad_input top_shows_the_device
	top_changes_the_frames top_survives top_without_a_terminal trace_tells_the_steps trace_streams trace_of_a_sequence trace_of_one_device trace_of_names_that_lie
	trace_leaves_nothing trace_of_bad_input completes)
[ $# -eq 0 ] || tests=("$@")
run_tests "${tests[@]}"
