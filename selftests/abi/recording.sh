#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# recording.sh - vmdemo record: what it writes down is what happened; vmdemo report: the page says so, whatever is in the file.
#
#   recording.sh [TEST...]
#
# Loads the module itself, as the other tests do: vmdemo_test.h says with which disks.  How the page looks in a browser is
# for report.sh.  Prints TAP.

# shellcheck disable=SC2317 # the tests are called by the names in a list
# shellcheck disable=SC2015 # what is shown when something is false ends in return 1

here=$(cd "$(dirname "$0")" && pwd)
PATH=$here:$here/../lib:$PATH # kselftest installs all of them in one place
. script.sh
. command.sh

need python3 setpriv vmdemo
python3() { /usr/bin/python3 "$@"; }
export PYTHONPATH=$work
rec=$work/rec

clean_up() {
	end_workers
	rm -rf "$work"
}
trap clean_up EXIT

# What a recording has: facts, settings, counters before and after, lines by their letters, names of tasks; and the page's data.
cat >"$work/recording.py" <<'END'
import collections, json, re, urllib.parse

def text(field):
    return '' if field == '%' else urllib.parse.unquote(field)

class Recording:
    def __init__(self, path):
        lines = open(path, encoding='ascii').read().split('\n')
        assert lines[0] == 'vmdemo-recording 1' and lines[-1] == '', lines[:1]
        self.lines = collections.defaultdict(list)
        self.names, self.named = {}, []
        for line in lines[1:-1]:
            letter, *fields = line.split(' ')
            self.lines[letter].append(fields)
            if letter == 'n':
                self.names[fields[0]] = text(fields[2])
            if letter == 'f':
                self.named.append(self.names[fields[2]])
        self.facts = {k: text(v) for k, v in self.lines['i']}
        self.settings = {k: text(v) for k, v in self.lines['s']}
        names, samples = self.lines['c'][0], [[int(x) for x in v] for v in self.lines['v']]
        self.before, self.after = [dict(zip(names, s[1:])) for s in (samples[0], samples[-1])]
        self.times = [s[0] for s in samples]
        (self.end, self.lost), = [[int(x) for x in e] for e in self.lines['e']]

    def more(self, name):
        return self.after[name] - self.before[name]

    # (page, kind, access) of each fault of a task of this name
    def faults(self, name=None):
        return [(int(f[4]), f[5], f[6]) for f, n in zip(self.lines['f'], self.named) if name in (None, n)]

def data_of(page):
    text = open(page, encoding='utf-8').read()
    assert text.count('</script>') == 2 and len(re.findall('<script', text)) == 2, 'scripts'
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1))
END

# start_record ARGUMENT...: into the file $rec, until it is told to end; its process is the last worker.
start_record() {
	vmdemo record "$@" >"$work/told" 2>&1 &
	workers+=($!)
	wait_for sh -c "grep -qx 1 $instances/vmdemo-tool-${workers[-1]}/events/vmdemo/vmdemo_policy/enable && grep -q ^v '$rec'" ||
		{ cat "$work/told" && return 1; }
}

# A worker that does a line of Python for each line that it gets on a pipe.
told_worker() {
	rm -f "$work/pipe"
	mkfifo "$work/pipe" && worker '
pipe = os.fdopen(os.open(os.path.dirname(sys.argv[1]) + "/pipe", os.O_RDWR))
place = os.path.dirname(sys.argv[1])
def name(text):
    open("/proc/self/comm", "w").write(text)
ready()
for line in pipe:
    exec(line)
    open(place + "/done", "w").close()'
}

tell_worker() {
	rm -f "$work/done"
	echo "$*" >"$work/pipe" && wait_for test -e "$work/done"
}

# --- record ---

# A known load: each fault is there, once, with its page, kind, access and process; and what was before and after.
records_each_fault() {
	load 64 && told_worker && tell_worker 'touch(range(8))' && start_record "$rec" &&
		tell_worker 'touch(range(100, 140)); touch(range(300, 310), True); name("other"); touch(range(500, 520, 2)); touch(range(8))' || return
	sleep 0.3 # some samples
	kill -INT "${workers[-1]}" && last_ends 0 && [ ! -s "$work/told" ] && [ "$(command stat -c %a "$rec")" = 600 ] || return
	python3 - "$rec" "$class" "${workers[0]}" "$disk" <<'END'
import sys
from recording import Recording
r = Recording(sys.argv[1])
hard = [(p, 'hard', 'r') for p in range(100, 140)] + [(p, 'hard', 'w') for p in range(300, 310)]
assert r.faults('python3') == hard, r.faults('python3')
other = r.faults('other')
assert other[:10] == [(p, 'hard', 'r') for p in range(500, 520, 2)], other
assert {p for p, k, a in other[10:]} <= set(range(8)), other
assert r.faults() == hard + other and all(n[:2] == [sys.argv[3]] * 2 for n in r.lines['n']), r.lines['n']
assert len([f for f in r.faults() if f[1] == 'hard']) == r.more('faults_hard') and r.more('faults_hard') >= 60
assert len([f for f in r.faults() if f[1] == 'soft']) == r.more('faults_soft')
assert all(int(f[7]) in range(64) and int(f[8]) == (f[5] == 'hard') and 0 < int(f[1]) < int(f[0]) for f in r.lines['f']), r.lines['f']
assert r.lost == 0 and not r.lines['l'] and r.facts['device'] == 'vmdemo' and r.facts['pages'] == '16384'
for name, value in r.settings.items():
    text = open(sys.argv[2] + '/' + name).read().strip()
    assert value == text or '[%s]' % value in text, (name, value, text)
assert r.settings['backing'] == sys.argv[4] and r.settings['frames'] == '64'
assert sorted(int(m[0]) for m in r.lines['m']) == list(range(8)), r.lines['m']
assert r.times == sorted(r.times) and len(r.times) >= 4 and r.end >= r.times[-1]
for name in r.after:
    if name != 'frames_pinned':
        assert r.after[name] == int(open('%s/stats/%s' % (sys.argv[2], name)).read()), name
END
}

# From the pages at first, and by the events, one gets to the pages at the end; of each kind there are as many as were counted.
can_be_replayed() {
	start "backing=$disk" "swap=$disk2" frames=256 && echo 0 >"$class/read_ahead_pages" && echo 0 >"$class/dirty_age_ms" && told_worker &&
		tell_worker 'touch(range(0, 2048, 3), True)' && start_record "$rec" || return
	tell_worker 'args = bytearray(struct.pack("=QQQII", 400 << 12, 0, 0, 0, 0)); space = mmap.mmap(fcntl.ioctl(dev, 1 << 30 | 32 << 16 | 0xe705, args), 400 << 12)' &&
		tell_worker '[space.__setitem__(p << 12, 1) for p in range(400)]; [space[p << 12] for p in range(400)]' &&
		tell_worker 'import random; rng = random.Random(5); [touch([int(2048 * rng.random() ** 3)], rng.random() < 0.3) for i in range(1500)]' &&
		kill -INT "${workers[-1]}" && last_ends 0 || return
	python3 - "$rec" <<'END'
import sys
from recording import Recording
r = Recording(sys.argv[1])
assert len(r.lines['m']) > 200 and len(r.lines['M']) > 30 and r.lost == 0
pages = {(0, int(p)): (int(f), int(s)) for p, f, s, flags in r.lines['m']}
for ns, event, space, page, frame in r.lines['p']:
    key = int(space), int(page)
    if event == 'forget':
        pages.pop(key, None)
    elif event in ('insert', 'refault', 'touch', 'late', 'hold', 'rotate', 'back', 'release'):
        pages[key] = int(frame), 1
    elif event == 'demote':
        pages[key] = int(frame), 2
end = {(0, int(p)): (int(f), int(s)) for p, f, s, flags in r.lines['M']}
here = {k: v for k, v in pages.items() if k[0] == 0}
assert here == end, set(here.items()) ^ set(end.items())
assert all(e[1] in ('insert refault touch late hold demote unmap rotate back forget release').split() for e in r.lines['p'])
kinds = [f[5] for f in r.lines['f']]
for kind in 'hard', 'soft', 'zero':
    assert kinds.count(kind) == r.more('faults_' + kind), (kind, kinds.count(kind), r.more('faults_' + kind))
assert kinds.count('zero') == 400 and {f[3] for f in r.lines['f'] if f[5] == 'zero'} - {'0'}, 'spaces'
assert sum(int(w[3]) for w in r.lines['w']) == r.more('pages_out') > 0
END
}

# It ends with the command, or in time, and the status is that of what was asked for.
records_a_command() {
	load 64 || return
	expect 0 '' vmdemo record "$rec" -- /usr/bin/python3 -c 'import mmap, os
m = mmap.mmap(os.open("/dev/vmdemo", os.O_RDWR), 1 << 20)
[m[p << 12] for p in range(20)]' && python3 - "$rec" <<'END' || return
import sys
from recording import Recording
r = Recording(sys.argv[1])
assert r.faults() == r.faults('python3') == [(p, 'hard', 'r') for p in range(20)], r.faults()
assert r.facts['command'].startswith('/usr/bin/python3 -c import mmap, os\nm = '), r.facts
END
	expect 1 'sh ended with status 3' vmdemo record "$rec" -- sh -c 'exit 3' && expect 1 'ended by signal 9' vmdemo record "$rec" -- sh -c 'kill -9 $$' &&
		expect 1 'cannot be run' vmdemo record "$rec" -- /nonsense && no_instance && expect 0 '' vmdemo record --duration 0.3 vmdemo "$rec" && no_instance &&
		python3 -c 'import sys; from recording import Recording; assert 3e8 < Recording(sys.argv[1]).end < 5e9' "$rec" || return
	# Interrupted, it does not leave the command behind, unless that refuses; then it says so.
	start_record "$rec" -- sleep 1000 && kill -INT "${workers[-1]}" && last_ends 0 && ! pgrep -x sleep &&
		start_record "$rec" -- sh -c "trap '' TERM; while [ -e '$rec' ]; do sleep 0.1; done" && sleep 0.2 && kill -INT "${workers[-1]}" && last_ends 0 &&
		grep -q 'process [0-9]*, has not ended yet' "$work/told" && rm "$rec" || return
	# A parent that ignores SIGCHLD leaves it so.
	expect 0 '' python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp("vmdemo", ["vmdemo", "record", sys.argv[1], "--", "true"])' "$rec"
}

# A file that is there is replaced: nobody else may read the new one, and two recordings do not get mixed up.
replaces_its_file() {
	load 64 && rm -f "$rec" "$work/old" && echo old >"$rec" && ln "$rec" "$work/old" && start_record "$rec" && [ "$(command stat -c %a "$rec")" = 600 ] &&
		[ "$(<"$work/old")" = old ] && rm "$work/old" && ln "$rec" "$work/old" && vmdemo record -d 0.5 "$rec" && vmdemo report "$rec" &&
		kill -INT "${workers[-1]}" && last_ends 0 && vmdemo report "$work/old" && vmdemo report "$rec"
}

# No room: a sentence with the reason, and the tracing goes.
tells_why_it_cannot_write() {
	load 64 && expect 1 'cannot be written: No space left' vmdemo record -d 0.1 /dev/full && no_instance && told_worker || return
	(ulimit -f 100 && exec vmdemo record "$rec") >"$work/told" 2>&1 &
	wait_for sh -c "grep -q ^v '$rec'" && tell_worker 'touch(list(range(2000)) * 5)' || return
	wait $! && return 1
	grep -q 'cannot be written: File too large' "$work/told" && no_instance && expect 1 'is cut off' vmdemo report "$rec" &&
		expect 1 'cannot be written: Broken pipe' bash -c 'set -o pipefail; vmdemo record -d 5 /dev/stdout | true' && no_instance
}

# While it stands still a small buffer overflows: that is told by the file, on the terminal, by the status, and by the page.
tells_what_is_lost() {
	load 64 && told_worker && start_record --buffer 8 "$rec" && kill -STOP "${workers[-1]}" && tell_worker 'touch(range(2000))' &&
		kill -CONT "${workers[-1]}" && sleep 0.2 && tell_worker 'touch([2040])' && kill -INT "${workers[-1]}" && last_ends 1 || return
	grep -qE '^vmdemo record: [0-9]+ events were lost: .*--buffer more than 8' "$work/told" && vmdemo report "$rec" && python3 - "$rec" <<'END'
import sys
from recording import Recording, data_of
r, data = Recording(sys.argv[1]), data_of(sys.argv[1] + '.html')
assert r.lost > 2000 and r.lines['l'] and r.lost == data['lost'] and len(data['gaps']) == len(r.lines['l']), (r.lost, r.lines['l'])
assert 0 < len(r.lines['f']) < r.more('faults_hard') and r.faults()[-1][0] == 2040, r.faults()[-1]
END
}

# Any user may give a program any name: it makes no line of the file, and no part of the page.
records_names_that_lie() {
	load 64 && told_worker && start_record "$rec" && tell_worker 'name("x\ne 1 0"); touch([100]); name("</script><b>\"%"); touch([102]); name("\0"); touch([104])' &&
		tell_worker 'name("\x1b[31m%41&lt;"); touch([106])' && kill -INT "${workers[-1]}" && last_ends 0 && vmdemo report "$rec" && python3 - "$rec" <<'END'
import sys
from recording import Recording, data_of
r, data = Recording(sys.argv[1]), data_of(sys.argv[1] + '.html')
names = ['x\ne 1 0', '</script><b>"%', '', '\x1b[31m%41&lt;']
assert r.named == names, r.named
shown = {p['name'] for p in data['processes']}
assert shown == {n.replace('\n', '?').replace('\x1b', '?') for n in names}, shown
assert '<b>' not in open(sys.argv[1] + '.html').read()
END
}

# What other devices do is not in it.
records_one_device() {
	load 64 && vmdemo bind vmdemo1 "$disk2" && told_worker && start_record vmdemo "$rec" && tell_worker 'touch(range(20))' || return
	python3 -c 'import mmap, os
with mmap.mmap(os.open("/dev/vmdemo1", os.O_RDONLY), 40 << 12, prot=mmap.PROT_READ) as memory:
    for page in range(20, 40):
        memory[page << 12]'
	kill -INT "${workers[-1]}" && last_ends 0 && python3 -c 'import sys
from recording import Recording
r = Recording(sys.argv[1])
pages = [{int(line[at]) for line in r.lines[letter]} for letter, at in (("f", 4), ("p", 3))]
assert pages == [set(range(20))] * 2, pages' "$rec"
}

# Faults, the policy and writing say of which space they are.
records_a_space() {
	load 64 && echo "force $disk2" >"$class/swap" && told_worker || return
	tell_worker 'm = mmap.mmap(fcntl.ioctl(dev, 0x4020E705, bytearray(struct.pack("<QQQII", 1 << 20, 0, 0, 0, 0))), 1 << 20)'
	start_record "$rec" && tell_worker '[m.__setitem__(page << 12, 1) for page in range(200)]' && kill -INT "${workers[-1]}" && last_ends 0 &&
		python3 -c 'import sys
from recording import Recording
r = Recording(sys.argv[1])
spaces = [{line[at] for line in r.lines[letter]} for letter, at in (("f", 3), ("p", 2), ("w", 1), ("d", 1))]
assert spaces == [{"1"}] * 4, spaces
assert sum(int(line[3]) for line in r.lines["w"]) >= 136' "$rec" && vmdemo report "$rec" || return
	end_workers
}

# The disk goes, and comes back; the module goes.
records_while_things_go() {
	load 64 && told_worker && tell_worker 'touch(range(50))' && start_record "$rec" && kill -9 "${workers[0]}" && wait_for vmdemo unbind vmdemo &&
		vmdemo bind vmdemo "$disk" && vmdemo unbind vmdemo && kill -INT "${workers[-1]}" && last_ends 0 || return
	python3 -c 'import sys; from recording import Recording
r = Recording(sys.argv[1])
assert {e[3] for e in r.lines["p"] if e[1] == "forget"} == {str(p) for p in range(50)} and not r.lines["M"]' "$rec" && vmdemo report "$rec" || return
	end_workers
	start_record "$rec" && wait_for rmmod vmdemo && last_ends 1 && grep -q 'was unloaded' "$work/told" && vmdemo report "$rec" || return
	# It has come back before one looks.
	load 64 && start_record "$rec" -- sleep 1000 && kill -STOP "${workers[-1]}" && wait_for rmmod vmdemo && load_module "backing=$disk" num_devices=2 &&
		kill -CONT "${workers[-1]}" && last_ends 1 && grep -q 'was unloaded' "$work/told" && ! pgrep -x sleep && vmdemo report "$rec"
}

record_of_bad_input() {
	load 64 && cp "$(command -v vmdemo)" "$work/vmdemo" && chmod 755 "$work" || return
	local nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups "$work/vmdemo")
	expect 2 'which file' vmdemo record && expect 2 'which file' vmdemo record vmdemo && expect 2 'is no device' vmdemo record sda "$rec" &&
		expect 1 'no device vmdemo7' vmdemo record vmdemo7 "$rec" && expect 2 'is no time' vmdemo record -d 0 "$rec" &&
		expect 2 'is no buffer' vmdemo record -b 1 "$rec" && expect 2 'which command' vmdemo record "$rec" -- &&
		expect 2 'one of them' vmdemo record -d 1 "$rec" -- true && expect 2 'too many' vmdemo record vmdemo a b -- true || return
	rm -f "$rec"
	expect 1 'only root may trace' "${nobody[@]}" record "$rec" && [ ! -e "$rec" ] && expect 1 'No such file' vmdemo record "$work/a/b" &&
		rmmod vmdemo && expect 1 'not loaded' vmdemo record "$rec"
}

# --- report ---

# What the page is given is what the file has.
report_is_right() {
	load 64 && told_worker && start_record "$rec" && tell_worker '[touch(range(100), True) for i in range(3)]' && kill -INT "${workers[-1]}" && last_ends 0 &&
		(cd / && vmdemo report -o "$work/page.html" "$rec") && python3 - "$rec" "$work/page.html" "${workers[0]}" <<'END'
import sys
from recording import Recording, data_of
r, d = Recording(sys.argv[1]), data_of(sys.argv[2])
assert d['facts'] == [list(x) for x in r.facts.items()] and d['settings'] == [list(x) for x in r.settings.items()]
assert {n: (a, b) for n, a, b in d['counters']} == {n: (r.before[n], r.after[n]) for n in r.before}
kinds = [d['kinds'][k]['name'] for k in d['faults'][2::3]]
assert kinds == [f[5] for f in r.lines['f']] and d['faults'][1::3] == [int(f[1]) for f in r.lines['f']]
assert sum(d['faults'][::3]) == int(r.lines['f'][-1][0]) // 1000 and d['us'] == r.end // 1000
(p,) = d['processes']
assert p['process'] == int(sys.argv[3]) and sum(p['faults']) == len(kinds) and p['ns'] == sum(d['faults'][1::3])
assert [(g['space'], g['pages'], g['whole']) for g in d['regions']] == [(0, 16384, True)]
state = {}
for page, s in zip(d['changes'][1::3], d['changes'][2::3]):
    state[page] = s
assert {p for p, s in state.items() if s} == {int(m[0]) for m in r.lines['M']}
assert {p for p, s in state.items() if s & 3 == 2} == {int(m[0]) for m in r.lines['M'] if m[2] == '2'}
assert {p for p, s in state.items() if s & 4} == {int(m[0]) for m in r.lines['M'] if int(m[3]) & 1}
# With 100 frames each page would have been read once; with fewer, and LRU, each time.
curve = dict(zip(d['curve'][::2], d['curve'][1::2]))
assert d['frames'] == 64 and curve[100] == 100 and curve[64] == curve[99] == 300 == kinds.count('hard'), curve
END
}

tests=(records_each_fault can_be_replayed records_a_command replaces_its_file tells_why_it_cannot_write tells_what_is_lost records_names_that_lie records_one_device records_a_space records_while_things_go record_of_bad_input report_is_right)
[ $# -eq 0 ] || tests=("$@")
run_tests "${tests[@]}"
