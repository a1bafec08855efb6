#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What the measurements say: tables, bounds, a drawing.

    report.py DIR KERNEL MODE       read DIR/KERNEL-MODE.lines, print its table, write .json, .md and .svg
    report.py --tap KERNEL          read lines of modes icount and space from standard input, judge them by the bounds
    report.py --readme DIR          put DIR's tables between the markers <!-- bench:KERNEL begin --> and end of the
                                    README.md beside this file, and some rows of the first one into the main README.md
"""
import json, os, re, statistics, subprocess, sys

sys.dont_write_bytecode = True
import scale

HERE = os.path.dirname(os.path.abspath(__file__))
TARGETS = ['vmdemo', 'mmap', 'direct']
SHORT = ['random read', 'sequential write', 'Zipf 0.8 read, no advice', 'resident, PTEs gone, random']    # in the main README.md
TITLES = {'vmdemo': 'vmdemo', 'mmap': 'Linux mmap', 'direct': 'O_DIRECT'}
NAMES = {}     # of rows, as bench.c calls them
WHAT = {
    'icount': 'instructions per access of 4 KiB',
    'nullblk-10': 'ns per access of 4 KiB, disk that answers after 10 us',
    'nullblk-80': 'ns per access of 4 KiB, disk that answers after 80 us',
    'wall': 'ratios of time, two processors',
    'host': 'ns per access of 4 KiB',
    'swap-0': 'instructions per access of 4 KiB, memory without a file; swap in memory',
    'swap-80': 'ns per access of 4 KiB, memory without a file; swap that answers after 80 us',
    'fio': 'instructions per access of 4 KiB, fio and its own work included',
}


class Bound:
    """One line of the file bounds."""
    def __init__(self, line):
        self.kernel, self.mode, self.row, self.what, limit = (f.strip() for f in line.split('|'))
        self.sense, number = limit.split()
        self.limit = float(number)

    def judge(self, value):
        met = value <= self.limit if self.sense == '<=' else value >= self.limit
        distance = abs(value / self.limit - 1) * 100
        return met, 'met' if met else 'MISSED by %.1f %%' % distance

    def __str__(self):
        return '%s %s %s' % (self.what, self.sense, number(self.limit))


def read_bounds(kernel, mode):
    release = re.match(r'\d+\.\d+', kernel).group()
    with open(os.path.join(HERE, 'bounds')) as f:
        bounds = [Bound(line) for line in f if line.strip() and not line.startswith('#')]
    return [b for b in bounds if b.kernel in ('*', release) and b.mode == mode]


def number(value):
    """As many digits as say something."""
    if value is None:
        return '-'
    if value >= 100:
        return '{:,.0f}'.format(value)
    return '%.2f' % value if value < 20 else '%.1f' % value


# --- from lines to sections: a mode may hold several tables, and rounds ---

def sections(lines, mode):
    """{table's name: {row: {target: result}}}, and the rounds: [{(row, target): result}]"""
    tables, rounds = {}, {}
    for r in lines:
        NAMES[r['row']] = r['name']
        if 'round' in r:
            rounds.setdefault(r['round'], {})[r['row'], r['target']] = r
        else:
            name = '%s-%d' % (mode, r['us']) if 'us' in r else mode
            tables.setdefault(name, {}).setdefault(r['row'], {})[r['target']] = r
    # A round in which Linux killed a process is none.
    most = max((len(r) for r in rounds.values()), default=0)
    return tables, [rounds[n] for n in sorted(rounds) if len(rounds[n]) == most]


def value_of(bound, results):
    """What a bound is about, from one row of a table; None if that was not measured."""
    ours, direct = results.get('vmdemo') or results.get('space'), results.get('direct')
    if not ours:
        return None
    if bound.what == 'ns':
        return ours['ns_per_op']
    if bound.what == 'misses':
        return ours['miss_ratio']
    if bound.what == 'p99.9':
        return ours['latency_ns']['p99.9']
    if bound.what == 'swap':
        return swapped(results) and swapped(results) / ours['ns_per_op']
    if bound.what == 'direct':
        return direct and direct['ns_per_op'] / ours['ns_per_op']
    return None


def swapped(results):
    """Linux's own swap, the better of two settings; None if that was not measured."""
    return min((results[t]['ns_per_op'] for t in ('swap0', 'swap3') if t in results), default=None)


def pair_values(rounds, row):
    """Medians over the rounds of a row with two threads: what the bounds of mode wall are about."""
    one = row[:-2]
    def median(f):
        return statistics.median(f(r) for r in rounds)
    ns = lambda r, row, target: r[row, target]['ns_per_op']
    out = {}
    for target in ('vmdemo', 'mmap'):
        if all((row, target) in r and (one, target) in r for r in rounds):
            out['speedup', target] = median(lambda r: ns(r, one, target) / ns(r, row, target))
    if all((row, 'vmdemo') in r for r in rounds):
        def per_unmap(r):
            s = r[row, 'vmdemo']['stats']
            return (s['evictions_clean'] + s['evictions_dirty']) / max(s['unmap_calls'], 1)
        out['evictions', 'vmdemo'] = median(per_unmap)
        if all((row, 'mmap') in r for r in rounds):
            out['mmap', 'vmdemo'] = median(lambda r: ns(r, row, 'mmap') / ns(r, row, 'vmdemo'))
            out['mmap one', 'vmdemo'] = median(lambda r: ns(r, one, 'mmap') / ns(r, one, 'vmdemo'))
    return out


# --- tables: lists of lists of strings; the first is the heading ---

def main_table(name, table, bounds, verdicts):
    ratios_only = name == 'wall'
    head = ['' if ratios_only else WHAT.get(name, name)] + ([] if ratios_only else [TITLES[t] for t in TARGETS])
    out = [head + ['mmap / vmdemo', 'vmdemo / O_DIRECT', 'bound', '']]
    for row, results in table.items():
        ns = {t: results[t]['ns_per_op'] if t in results else None for t in TARGETS}
        ratio = lambda a, b: '%.2f' % (ns[a] / ns[b]) if ns[a] and ns[b] else '-'
        line = [NAMES[row]] + ([] if ratios_only else [number(ns[t]) for t in TARGETS])
        line += [ratio('mmap', 'vmdemo'), ratio('vmdemo', 'direct')]
        mine = [b for b in bounds if b.row == row and value_of(b, results) is not None]
        said = []
        for b in mine:
            value = value_of(b, results)
            met, words = b.judge(value)
            verdicts.append({'row': row, 'what': b.what, 'limit': b.limit, 'value': value, 'met': met})
            said.append(words if b.what == 'ns' else '%s %s: %s' % (b.what, number(value), words))
        line += ['; '.join('%s %s' % (b.sense, number(b.limit)) if b.what == 'ns' else str(b) for b in mine), '; '.join(said)]
        out.append(line)
    return out


def swap_table(name, table, bounds, verdicts):
    out = [[WHAT[name], 'space', 'Linux swap, cluster 0', 'cluster 3', 'Linux / space', 'bound', '']]
    for row, results in table.items():
        line = [NAMES[row]] + [number(results[t]['ns_per_op']) if t in results else '-' for t in ('space', 'swap0', 'swap3')]
        ours = results.get('space')
        line += ['%.2f' % (swapped(results) / ours['ns_per_op']) if ours and swapped(results) else '-', '', '']
        for b in bounds:
            value = value_of(b, results) if b.row == row else None
            if value is not None:
                met, words = b.judge(value)
                verdicts.append({'row': row, 'what': b.what, 'limit': b.limit, 'value': value, 'met': met})
                line[-2:] = ['%s %s' % (b.sense, number(b.limit)), words]
        out.append(line)
    return out


def latency_table(table, bounds, verdicts):
    out = [['reads beside a writer, us', 'p50', 'p99', 'p99.9', 'max', 'bound', '']]
    for target, r in table['latency'].items():
        l = r['latency_ns']
        line = [TITLES[target]] + ['{:,.1f}'.format(l[k] / 1000) for k in ('p50', 'p99', 'p99.9', 'max')] + ['', '']
        for b in bounds:
            if target == 'vmdemo':
                met, words = b.judge(l['p99.9'])
                verdicts.append({'row': b.row, 'what': b.what, 'limit': b.limit, 'value': l['p99.9'], 'met': met})
                line[-2:] = ['p99.9 <= {:,.0f}'.format(b.limit / 1000), words]
        out.append(line)
    return out


def pairs_table(rounds, bounds, verdicts):
    """Two threads can be judged only if there were two processors: where others use them, there are not."""
    worth = statistics.median(next(iter(r.values()))['worth'] for r in rounds)
    title = 'two processors, worth %.2f of one; medians of %d pairs' % (worth, len(rounds))
    out = [[title, 'vmdemo', 'Linux mmap', 'bound', '']]
    for row in ('randread2t', 'randwrite2t'):
        values = pair_values(rounds, row)
        for what, title in (('speedup', 'two threads, of one'), ('mmap', "two threads, of Linux mmap's two"),
                            ('mmap one', "one thread, of Linux mmap's one"), ('evictions', 'evictions for each unmap call')):
            if (what, 'vmdemo') not in values:
                continue
            value, other = values[what, 'vmdemo'], values.get((what, 'mmap'))
            line = ['%s: %s' % (NAMES[row].split(',')[0], title), '%.2f' % value, '%.2f' % other if other else '-', '', '']
            for b in bounds:
                if b.row == row and b.what == what:
                    met, words = b.judge(value)
                    verdicts.append({'row': row, 'what': what, 'limit': b.limit, 'value': value, 'met': met})
                    line[-2:] = ['%s %s' % (b.sense, number(b.limit)), words]
            out.append(line)
    return out


def fio_table(table, directory, kernel):
    """fio's ratios beside ours: it adds its own work to each access, so its ratios are nearer to one."""
    try:
        with open(os.path.join(directory, kernel + '-icount.json')) as f:
            ours = json.load(f)['tables']['icount']
    except (OSError, KeyError):
        ours = {}
    out = [[WHAT['fio']] + [TITLES[t] for t in TARGETS] + ['mmap / vmdemo', 'bench says', 'vmdemo / O_DIRECT', 'bench says']]
    for row, results in table.items():
        line = [NAMES[row]] + [number(results[t]['ns_per_op']) if t in results else '-' for t in TARGETS]
        for a, b in (('mmap', 'vmdemo'), ('vmdemo', 'direct')):
            for source in (results, ours.get(row, {})):
                known = a in source and b in source
                line.append('%.2f' % (source[a]['ns_per_op'] / source[b]['ns_per_op']) if known else '-')
        out.append(line)
    return out


def plain(table):
    table = [[str(c) for c in line] for line in table]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    aligned = lambda line: [c.ljust(w) if i == 0 or i >= len(line) - 2 else c.rjust(w)
                            for i, (c, w) in enumerate(zip(line, widths))]
    return '\n'.join('  '.join(aligned(line)).rstrip() for line in table)


def markdown(table):
    """Columns that say nothing are left out."""
    keep = [i for i in range(len(table[0])) if any(line[i] not in ('', '-') for line in table[1:])]
    rows = ['| ' + ' | '.join(line[i] for i in keep) + ' |' for line in table]
    return '\n'.join([rows[0], '|' + ' --- |' + ' ---: |' * (len(keep) - 1)] + rows[1:])


# --- the drawing ---

def draw(table, path):
    rows = [row for row, results in table.items() if 'mmap' in results and row != 'resmapped']
    if len(rows) < 2:
        return
    data = '\n'.join('"%s" %s' % (NAMES[row], ' '.join(
        str(table[row][t]['ns_per_op']) if t in table[row] else '?' for t in TARGETS)) for row in rows)
    program = '''
set terminal svg size 1200,520 font "sans,12" background "white"
set output "%s"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set boxwidth 0.9
set logscale y
set datafile missing "?"
set yrange [100:*]
set format y "%%'.0f"
set grid ytics lc rgb "#dddddd"
set ylabel "instructions per access (log)"
set xtics rotate by -35 left nomirror scale 0
set key top left horizontal
set border 3
$data << END
%s
END
plot $data using 2:xtic(1) title "vmdemo" lc rgb "#1b6ca8", '' using 3 title "Linux mmap" lc rgb "#c8553d", \\
     '' using 4 title "O_DIRECT" lc rgb "#9a9a9a"
''' % (path, data)
    try:
        subprocess.run(['gnuplot'], input=program, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        print('report: no drawing: gnuplot is missing or failed (scripts/setup bench installs it)', file=sys.stderr)


# --- the three uses ---

def report(directory, kernel, mode):
    base = os.path.join(directory, '%s-%s' % (kernel, mode))
    with open(base + '.lines') as f:
        lines = [json.loads(line) for line in f if line.strip()]
    if mode in scale.PARTS:
        return report_scale(base, kernel, mode, lines)
    tables, rounds = sections(lines, mode)
    verdicts, drawn = [], []
    for name, table in tables.items():
        bounds = read_bounds(kernel, name)
        if mode == 'latency':
            drawn.append(latency_table(table, bounds, verdicts))
        elif mode == 'swap':
            drawn.append(swap_table(name, table, bounds, verdicts))
        elif mode == 'fio':
            drawn.append(fio_table(table, directory, kernel))
        else:
            drawn.append(main_table(name, table, bounds, verdicts))
    if rounds:
        drawn.append(pairs_table(rounds, read_bounds(kernel, mode), verdicts))
    print('\n\n'.join(plain(t) for t in drawn) + '\n')
    with open(base + '.json', 'w') as f:
        json.dump({'kernel': kernel, 'mode': mode, 'tables': tables,
                   'rounds': [list(r.values()) for r in rounds], 'bounds': verdicts}, f, indent=1)
    with open(base + '.md', 'w') as f:
        f.write('\n\n'.join(markdown(t) for t in drawn) + '\n')
    if mode == 'icount':
        draw(tables[mode], base + '.svg')
    missed = [v for v in verdicts if not v['met']]
    print('%d bounds met, %d missed' % (len(verdicts) - len(missed), len(missed)))
    return 1 if missed else 0


def report_scale(base, kernel, mode, lines):
    drawn = scale.tables(mode, lines, number, os.path.dirname(base), kernel)
    print('\n\n'.join(plain(t) for t in drawn) + '\n')
    with open(base + '.json', 'w') as f:
        json.dump({'kernel': kernel, 'mode': mode, 'results': lines}, f, indent=1)
    with open(base + '.md', 'w') as f:
        f.write('\n\n'.join(markdown(t) for t in drawn) + '\n')
    return 0


def tap(kernel):
    tables, _ = sections([json.loads(line) for line in sys.stdin if line.strip()], 'gate')
    bounds = [(mode, b) for mode in ('gate', 'gate-0') for b in read_bounds(kernel, mode)]
    failed = 0
    print('TAP version 13\n1..%d' % len(bounds))
    for n, (mode, b) in enumerate(bounds, 1):
        value = value_of(b, tables.get(mode, {}).get(b.row, {}))
        met, words = b.judge(value) if value is not None else (False, 'was not measured')
        failed += not met
        print('%s %d %s%s: %s %s, bound %s' % ('ok' if met else 'not ok', n, 'space, ' if mode == 'gate-0' else '',
                                               NAMES.get(b.row, b.row), b.what, number(value),
                                               number(b.limit)) + ('' if met else ', ' + words))
    return 1 if failed else 0


def replace(path, mark, new):
    """Put text between two markers of a file."""
    with open(path) as f:
        text = f.read()
    begin, end = '<!-- bench:%s begin -->\n' % mark, '<!-- bench:%s end -->' % mark
    if begin not in text or end not in text:
        sys.exit('report: %s has no markers %s' % (path, mark))
    with open(path, 'w') as f:
        f.write(text[:text.index(begin)] + begin + '\n' + new + '\n' + text[text.index(end):])


def readme(directory):
    path = os.path.join(HERE, 'README.md')
    with open(path) as f:
        text = f.read()
    known = 0
    for mark in sorted(set(re.findall(r'<!-- bench:(\S+) begin -->', text))):
        kernel, _, section = mark.partition('-')
        parts = []
        for mode in scale.PARTS if section else ('icount', 'nullblk', 'latency', 'swap', 'wall', 'fio'):
            try:
                with open(os.path.join(directory, '%s-%s.md' % (kernel, mode))) as f:
                    parts.append(f.read())
            except OSError:
                pass
        if not parts:
            print('report: %s has no results of %s: its tables stay' % (directory, mark), file=sys.stderr)
            continue
        known += 1
        replace(path, mark, '\n'.join(parts))
        if section:
            continue
        lines = parts[0].splitlines()
        short = lines[:2] + [line for name in SHORT for line in lines[2:] if line.startswith('| %s |' % name)]
        if len(short) == 2 + len(SHORT) and kernel == '6.12':
            replace(os.path.join(HERE, '../../README.md'), 'short', '\n'.join(short) + '\n')
    if not known:
        sys.exit('report: there are no results in %s' % directory)
    return 0


def main(arguments):
    if len(arguments) == 2 and arguments[0] == '--tap':
        return tap(arguments[1])
    if len(arguments) == 2 and arguments[0] == '--readme':
        return readme(arguments[1])
    if len(arguments) == 3:
        return report(*arguments)
    sys.exit(__doc__)


sys.exit(main(sys.argv[1:]))
