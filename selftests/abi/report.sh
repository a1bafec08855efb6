#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# report.sh - vmdemo report: whatever is in a recording, there is a page of it or a sentence; and the page plays in a browser.
#
#   report.sh [DIRECTORY]
#
# Runs on the host, on a recording that it makes up.  What the browser shows is what the page's own elements say after a script
# that is put behind them has used them as a person does.  Screenshots are left in DIRECTORY.  Prints TAP.

# shellcheck disable=SC2317 # the tests are called by the names in a list
# shellcheck disable=SC2015 # what is shown when something is false ends in return 1

cd "$(dirname "$0")/../.." || exit
. scripts/lib.sh

command -v python3 >/dev/null || { echo "1..0 # SKIP python3 is not installed" && exit 4; }
command -v chromium >/dev/null || { echo "1..0 # SKIP chromium is not installed" && exit 4; }
tool=$(build_tool host) || exit
# One that checks each of its accesses, for recordings that are bad; it takes longer.
make -s -C scripts/tool O="$tool/checked" CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all' all >&2 || exit
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
pictures=${1:-$work}
vmdemo=$tool/vmdemo checked=$tool/checked/vmdemo
export vmdemo checked work pictures ASAN_OPTIONS=detect_leaks=0

# 5 rounds over 300 pages of a device of 2,000 with 200 frames, and over as many pages of a space; 3 processes; some seconds.
python3 - "$work/good" <<'END' || exit
import random, sys
rng, ns, lines = random.Random(18), 0, []
add = lambda *fields: lines.append(' '.join(str(f) for f in fields))
add('vmdemo-recording 1')
for name, value in ('device', 'vmdemo'), ('version', '0.1.0'), ('kernel', '6.12'), ('began', 1764547769), ('command', 'made%20up'), ('page_size', 4096), ('pages', 2000), ('frames', 200):
    add('i', name, value)
for name, value in ('backing', '/dev/sdb%3c1'), ('policy', 'lru'), ('frames', 200):
    add('s', name, value)
add('c', 'faults_hard', 'faults_soft', 'frames_free', 'frames_active', 'frames_standby', 'frames_dirty')
add('v', 0, 1000000, 5, 200, 0, 0, 0)
for page in range(10):
    add('m', 1990 + page, 190 + page, 1, page % 2)
add('p', 0, 'touch', 0, 1991, 191) # it stays dirty
frames, hard, zero, soft = {(0, 1990 + f): 190 + f for f in range(10)}, 0, 0, 0
for task, name in (100, 'python3'), (101, '%3c/script%3e%3cimg%20src=x%20onerror=console.error(1)%3e'), (102, 'b'):
    add('n', task, task, name)
for k in range(5):
    for i in range(600):
        space, page, task = (0, i, 100 + k % 3) if i < 300 else (1, 5000000 + 7 * i, 101)
        ns += rng.randrange(100000, 2000000)
        kind, took = 'soft', rng.randrange(500, 5000)
        if (space, page) not in frames:
            kind, took = ('hard', rng.randrange(60000, 900000)) if k or not space else ('zero', rng.randrange(1000, 9000))
            if len(frames) == 200:
                victim = next(iter(frames))
                add('p', ns, 'demote', *victim, frames[victim])
                add('p', ns, 'forget', *victim, frames[victim])
                frame = frames.pop(victim)
            else:
                frame = len(frames) - 10
            frames[space, page] = frame
            add('p', ns, 'refault' if k else 'insert', space, page, frame)
        hard += kind == 'hard'
        zero += kind == 'zero'
        soft += kind == 'soft'
        add('f', ns + took, took, task, space, page, kind, 'rw'[i % 3 == 0], frames[space, page], int(kind == 'hard'))
    add('v', ns, 1000000 + hard, 5 + soft, 200 - len(frames), len(frames) - 50, 50, 20)
add('e', ns + 1000000, 0)
open(sys.argv[1], 'w').write('\n'.join(lines) + '\n')
END
sed 's/^e \(.*\) 0$/l 1000000000 77\ne \1 77/' "$work/good" >"$work/lossy"

n=0 failed=0
check() {
	local out
	if out=$("$@" 2>&1); then
		echo "ok $((n += 1)) $1"
	else
		tail -n 20 <<<"$out" | sed 's/^/# /'
		echo "not ok $((n += 1)) $1"
		failed=1
	fi
}

# --- files ---

expect() {
	local status=$1 words=$2 got=0 out
	shift 2
	out=$("$@" 2>&1) || got=$?
	[[ $got -eq $status && $out == *"$words"* ]] || { echo "'$*' ended with $got, not $status and '$words': $out" && return 1; }
}

# Cut off anywhere, or with bytes changed, or made up: a sentence, or a page; never a signal, and no page of half a file.
report_of_bad_files() {
	{ head -n 200 "$work/good" && tail -n 2 "$work/good"; } >"$work/small"
	expect 2 'which recording' "$vmdemo" report && expect 1 'No such file' "$vmdemo" report /nonsense && expect 1 'is empty' "$vmdemo" report /dev/null &&
		expect 1 'no recording of this version' "$vmdemo" report selftests/abi/report.sh && expect 1 'Is a directory' "$vmdemo" report "$work" &&
		expect 1 'cannot be written' "$vmdemo" report -o /dev/full "$work/good" && expect 1 'No such file' "$vmdemo" report -o "$work/a/b" "$work/good" &&
		cp "$work/small" "$work/kept" && expect 1 'another name' "$vmdemo" report -o "$work/../${work##*/}/kept" "$work/kept" && cmp "$work/small" "$work/kept" || return
	python3 - "$work/small" "$work/bad" <<'END'
import os, random, subprocess, sys
good, rng = open(sys.argv[1], 'rb').read(), random.Random(18)
def report(data, checked=True):
    open(sys.argv[2], 'wb').write(data)
    r = subprocess.run([os.environ['checked' if checked else 'vmdemo'], 'report', '-o', '/dev/null', sys.argv[2]], capture_output=True, text=True, timeout=10)
    assert r.returncode in (0, 1) and (r.returncode == 0) == (r.stderr == ''), (r, data[:99])
    return r
for i in range(60):
    r = report(good[:rng.randrange(1, len(good))], i % 6 == 0)
    assert r.returncode == 1 and r.stderr.startswith('vmdemo report: ' + sys.argv[2]), r
assert report(good).returncode == 0
for i in range(150):
    data = bytearray(good)
    for k in range(rng.choice((1, 3, 30))):
        data[rng.randrange(len(data))] = rng.choice(b'0 9\n-%ficsvpM\0\xff')
    report(bytes(data), i % 3 == 0)
lines = good.split(b'\n')
odd = b'0 1 -1 18446744073709551615 4611686018427387904 68719476735 268435454 4294967295 2147483647 % %00 %0x zero insert forget \xff'.split() + [b'', b'x' * 70000]
for i in range(150):
    bad = list(lines)
    for k in range(rng.choice((1, 1, 3))):
        j = rng.randrange(1, len(bad) - 2)
        if rng.random() < .3:
            bad[j] = rng.choice(lines)
        else:
            fields = bad[j].split(b' ')
            fields[rng.randrange(len(fields))] = rng.choice(odd)
            bad[j] = b' '.join(fields)
    report(b'\n'.join(bad), i % 3 == 0)
head, tail = b'vmdemo-recording 1\n', b'e 9 0\n'
assert report(head + tail).returncode == 0
for line in (b'f 1 1 1 0 0 hard r 0 0', b'n 1 1 %4', b'n 1 1 a b', b'p 1 insert 268435455 0 0', b'p 1 insert 0 99999999999999999999999 0',
             b'p 1 insert 0 0', b'i pages x', b'v 1\nc a', b'x 1', b'n 1 1 a\nf 1 1 1 0 0 nonsense r 0 0', b'n 1 1 a\nf 1 1 1 0 0 hard x 0 0',
             b'e 1 0', b'm 1 1 1', b'n ' + b'1' * 70000 + b' 1 a', b'd 1 0 0 65537 0', b'd 1 0 0 1', b'f -1', b'i  a'):
    r = report(head + line + b'\n' + tail)
    assert r.returncode == 1 and ' line ' in r.stderr, (line[:99], r)
for line in (b'n 1 1 a\nf 1 1 1 0 0 hard r 0 1\nm 5 0 1 0', b'i pages 68719476736\ni frames 4294967295', b'p 1 insert 268435454 68719476735 4294967295', b'p 1 later 0 0 0', b'd 1 0 68719476735 65536 0',
             b'p 1 insert 5 5 5\nd 1 0 0 65536 0', b'l 5 9999999999999999999'):
    assert report(head + line + b'\n' + tail).returncode == 0, line
END
}

# made: the page of a recording that Python makes, whose code is on stdin, has what it then looks for.  `add` is as above, and
# page() ends the recording and returns the data of its page; then `heat` has the lines of the drawing.
made() {
	cat >"$work/made.py" && cat - "$work/made.py" <<'END' | python3 - "$work/made"
import json, os, re, subprocess, sys
lines = ['vmdemo-recording 1']
add = lambda *fields: lines.append(' '.join(str(f) for f in fields))
def page():
    open(sys.argv[1], 'w').write('\n'.join(lines) + '\n')
    subprocess.run([os.environ['vmdemo'], 'report', sys.argv[1]], check=True, timeout=60)
    global heat
    heat = subprocess.run([os.environ['vmdemo'], 'heat', sys.argv[1]], check=True, timeout=60, capture_output=True, text=True).stdout.splitlines()
    return json.loads(re.search('id="data">(.*?)</script>', open(sys.argv[1] + '.html').read(), re.S).group(1))
END
}

# Three rounds over 160 pages, of which a fault reads sixteen: LRU with fewer frames would have read all of them each time, though a
# round has only ten faults.
curve_knows_what_is_read_ahead() {
	made <<'END'
add('i', 'frames', 64), add('n', 1, 1, 'a')
for k in range(3):
    for p in range(160):
        add('p', 100 * len(lines), 'refault' if k else 'insert', 0, p, p % 64)
        if p % 16 == 15:
            add('f', 100 * len(lines), 99, 1, 0, p - 15, 'hard', 'r', (p - 15) % 64, 16)
    add('p', 100 * len(lines), 'demote', 0, 159, 31)
add('e', 100 * len(lines), 0)
curve = page()['curve']
curve = dict(zip(curve[::2], curve[1::2]))
assert all(curve[f] == 30 for f in curve if f < 160) and curve[160] == 10 and max(curve) == 160 and min(curve) == 64, curve
END
}

# Pages that were there at first are not new, unless they came while these were looked for.  A touch is a reference.
curve_knows_what_was_there() {
	made <<'END'
add('i', 'frames', 2), add('n', 1, 1, 'a')
for p in 1, 2:
    add('m', p, p, 1, 0)
add('p', 1000, 'insert', 0, 3, 0), add('f', 1001, 1, 1, 0, 3, 'hard', 'r', 0, 1), add('m', 3, 0, 1, 0)
for p in 1, 2, 1:
    add('p', 1000, 'refault', 0, p, 0), add('f', 1001, 1, 1, 0, p, 'hard', 'r', 0, 1)
    add('p', 1000, 'touch', 0, 3, 0)
add('e', 2000, 0)
curve = page()['curve']
assert curve == [2, 4, 3, 1], curve
END
}

# A digit for each time and page that something came in or was touched, with each in its place.
heat_is_right() {
	made <<'END'
add('n', 1, 1, 'a'), add('i', 'pages', 1 << 30), add('m', 5, 5, 1, 0)
for p in range(64):
    ns = 1000000 * p + 500000
    add('p', ns, 'insert', 0, 10 + p, p), add('f', ns + 10, 10, 1, 0, 10 + p, 'hard', 'r', p, 1), add('p', ns + 20, 'demote', 0, 10 + p, p)
for i in range(16):
    add('p', ns + 30, 'touch' if i % 2 else 'late', 2, 7, 3)
add('d', ns + 40, 0, 90, 4, 0), add('e', 64000000, 0)
page()
pages = [5] + list(range(10, 74))
rows = ['%10d  %s' % (pages[i], ''.join('1' if column + 10 in pages[i:i + 3] else '.' for column in range(64))) for i in range(0, 65, 3)]
assert heat[0].startswith('66 pages, up to 3 in a row; 1.00 ms in a column. ') and heat[0].endswith(': . none  1 from 1  2 from 2  3 from 4  4 from 8  5 from 16'), heat[0]
assert heat[1:] == ['the device:'] + rows + ['sparse space 2:', '%10d  %s5' % (7, '.' * 63)], heat
END
	expect 2 'which recording' "$vmdemo" heat && expect 1 'is empty' "$vmdemo" heat /dev/null && expect 0 'events were lost' "$vmdemo" heat "$work/lossy"
}

# A browser gets no more than it can show, and what it gets stands for all of it.
page_of_much() {
	made <<'END'
import collections, random
rng, state, kinds = random.Random(18), {}, collections.Counter()
add('i', 'pages', 3000), add('i', 'frames', 1500), add('s', 'policy', 'lru')
for t in range(2000):
    add('n', 5 + t, 5, 'a')
for i in range(400000):
    ns, p, kind = 10000 * i, rng.randrange(3000), 'soft' if i % 1000 else 'wait'
    event = 'forget' if state.get(p) else 'insert'
    state[p] = event == 'insert'
    add('p', ns, event, 0, p, p % 1500), add('p', ns + 2000, 'demote', 0, (p + 1) % 3000, 0), add('p', ns + 5000, 'forget', 0, (p + 1) % 3000, 0)
    state[(p + 1) % 3000] = False
    add('f', ns + 9000, 1000, 5 + i % 2000, 0, p, kind, 'r', 0, 0)
    kinds[kind] += 1
add('e', 10000 * i + 1000000, 0)
d = page()
n = collections.Counter(d['faults'][2::3])
assert len(d['faults']) < 200000 and len(d['changes']) <= 3000000 and d['step'] > 1, (len(d['faults']), len(d['changes']), d['step'])
for k, kind in enumerate(d['kinds']):
    assert kind['nr'] == kinds[kind['name']] and 0 <= n[k] * kind['each'] - kind['nr'] < kind['each'], (kind, n[k])
assert d['kinds'][2]['each'] == 1, 'those that are few'
assert sum(d['changes'][::3]) <= d['us'] and sum(d['faults'][::3]) <= d['us']
shown = {}
for p, s in zip(d['changes'][1::3], d['changes'][2::3]):
    assert shown.get(p, 0) != s
    shown[p] = s
assert {p for p in shown if shown[p]} == {p for p in state if state[p]}
END
}

# --- the page ---

# browse PAGE [OPTION...]: what the page has become after some seconds of its time, and what it had to complain of.
browse() {
	timeout 100 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$work/profile" --window-size=1280,800 \
		--virtual-time-budget=10000 --enable-logging=stderr "${@:2}" "file://$1" >"$work/dom" 2>"$work/log" </dev/null
	! grep -E 'CONSOLE|net::ERR|Uncaught' "$work/log" || return 1
}

# used PAGE SCRIPT: the page after a script has used it; the script says what is wrong with the element #wrong.
used() {
	{ cat "$1" && printf '<p id="wrong">not run</p><script>\n{\n%s\n}\n</script>\n' "$2"; } >"$work/used.html"
	browse "$work/used.html" --dump-dom && grep -qF '<p id="wrong">nothing</p>' "$work/dom" || {
		grep -o '<p id="wrong">.*' "$work/dom"
		return 1
	}
}

# Time is the browser's own, which runs as fast as it can, but has few frames: so frames are by that time, too.
script="
requestAnimationFrame = then => setTimeout(() => then(performance.now()), 16);
const wrong = [], is = (a, b, what) => { if (String(a) !== String(b)) wrong.push(what + ': ' + a + ', not ' + b); };
const e = id => document.getElementById(id), key = k => document.body.dispatchEvent(new KeyboardEvent('keydown', { key: k, bubbles: true, cancelable: true }));
const done = () => { e('wrong').textContent = wrong.join('; ') || 'nothing'; };
const later = (nr, then) => requestAnimationFrame(() => {
	if (nr > 1)
		return later(nr - 1, then);
	try { then(); } catch (x) { wrong.push(x); done(); }
});
const drag = value => { e('slider').value = value; e('slider').dispatchEvent(new Event('input')); };
const frames = () => [...e('states').children].map(x => +x.textContent.replace(/.* /, '').replace(/,/g, ''));
const colours = id => { const c = e(id), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, s = new Set();
	for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255) s.add(d[i] + ',' + d[i + 1] + ',' + d[i + 2]); return s.size; };
"

# It is all there, and nothing of it is a program's.
page_has_it_all() {
	"$vmdemo" report -o "$work/good.html" "$work/good" && used "$work/good.html" "$script
is(e('lost').hidden, true, 'lost');
is(e('processes').rows.length, 4, 'processes');
is([...e('processes').rows].some(r => r.cells[0].textContent === '<' + '/script><img src=x onerror=console.error(1)>'), true, 'name');
is(document.images.length, 0, 'images');
is(e('settings').rows[0].cells[1].textContent, '/dev/sdb<1', 'setting');
is(e('counters').rows[1].cells[3].textContent, '+' + e('kinds').textContent.match(/hard[^(]*.([0-9,]+)/)[1], 'hard faults');
is(e('curvepart').hidden, false, 'curve');
for (const id of ['map', 'bars', 'dots', 'lines', 'curve']) if (colours(id) < 3) wrong.push(id + ' is empty');
is(document.documentElement.scrollWidth <= innerWidth, true, 'wider than the window');
done();"
}

# The slider, the space bar and the button do what they should, and what is shown is what was recorded.
page_plays() {
	"$vmdemo" report -o "$work/good.html" "$work/good" && used "$work/good.html" "$script
is(frames(), '2290,5,0,5', 'pages at first');
drag(e('slider').max);
is(frames().slice(1).reduce((a, b) => a + b), 200, 'frames in use at the end');
is(frames()[2], 0, 'standby');
const last = frames(), before = colours('map');
drag(0);
is(frames(), '2290,5,0,5', 'pages back at first');
drag(e('slider').max);
is(frames(), last, 'pages at the end again');
drag(0);
key(' ');
is(e('play').textContent, 'Pause', 'the space bar');
later(30, () => {
	const at = +e('slider').value;
	if (!(at > 50000 && at < 3000000)) wrong.push('the slider is at ' + at);
	is(e('clock').textContent.startsWith((at / 1e6).toFixed(3)), true, 'clock');
	key(' ');
	is(e('play').textContent, 'Play', 'the space bar again');
	const stood = e('slider').value;
	later(10, () => {
		is(e('slider').value, stood, 'paused');
		e('speed').value = 100;
		e('play').click();
		const wait = left => later(5, () => {
			if (left && e('play').textContent === 'Pause')
				return wait(left - 1);
			is(e('play').textContent, 'Play', 'at the end');
			is(+e('slider').value, +e('slider').max, 'the slider at the end');
			is(frames(), last, 'pages at the end');
			e('used').click();
			is(frames(), last, 'pages, otherwise drawn');
			done();
		});
		wait(20);
	});
});"
}

page_warns() {
	"$vmdemo" report -o "$work/lossy.html" "$work/lossy" && used "$work/lossy.html" "$script
is(e('lost').hidden, false, 'hidden');
is(e('lost').textContent.slice(0, 20), '77 events were lost ', 'words');
done();"
}

# As small as can be, and as narrow.
page_of_nothing() {
	printf 'vmdemo-recording 1\ne 0 0\n' >"$work/nothing" && "$vmdemo" report "$work/nothing" && browse "$work/nothing.html" --dump-dom &&
		grep -q 'There were none' "$work/dom" && browse "$work/good.html" --window-size=500,900 --screenshot="$pictures/narrow.png" &&
		browse "$work/good.html#1.5" --screenshot="$pictures/wide.png" && browse "$work/good.html#1.5" --blink-settings=preferredColorScheme=0 --screenshot="$pictures/dark.png" &&
		[ "$(head -c 4 "$pictures/wide.png" | tail -c 3)" = PNG ]
}

# It asks nobody for anything.
page_is_alone() {
	! grep -nE "(src|href|action)=|url\(|@import|fetch\(|XMLHttpRequest|import\(|eval\(|innerHTML|document.write" scripts/tool/report.html
}

echo "TAP version 13"
tests=(report_of_bad_files curve_knows_what_is_read_ahead curve_knows_what_was_there heat_is_right page_of_much page_has_it_all page_plays page_warns page_of_nothing page_is_alone)
echo "1..${#tests[@]}"
for t in "${tests[@]}"; do
	check "$t"
done
exit "$failed"
