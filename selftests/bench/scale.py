# SPDX-License-Identifier: GPL-2.0
"""The tables of section scale, for report.py: lists of lists of strings, the first of which is the heading."""
import bisect, collections, json, math, os, re, statistics, subprocess, sys

from model import CURVE, throughput

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ['ratio', 'pools', 'cpus', 'locks']
LEAST_WORTH = 1.3    # of two processors, for times with two of them to say anything
TITLES = {'vmdemo': 'vmdemo', 'mmap': 'Linux mmap'}


def whole(n):
    return '{:,}'.format(n)


def evictions(result):
    return result['stats']['evictions_clean'] + result['stats']['evictions_dirty']


def ratio(lines, number):
    """A span that becomes larger and larger before the same pool."""
    ours = [r for r in lines if r['target'] == 'vmdemo']
    direct = [r['ns_per_op'] for r in lines if r['target'] == 'direct']
    head = 'random read; pages of the span for each of %s frames, on a disk of 16 TiB' % number(ours[0]['frames'])
    out = [[head, 'span, GiB', 'instructions', 'unmap calls an eviction', 'pages unmapped an eviction']]
    for r in ours:
        out.append([whole(r['at']), whole(r['pages'] >> 18), number(r['ns_per_op']),
                    '%.3f' % (r['stats']['unmap_calls'] / evictions(r)),
                    number(r['stats']['unmap_pages'] / evictions(r))])
    for ns in direct:
        out.append(['O_DIRECT', '', number(ns), '', ''])
    return out


def pools(lines, number):
    """Larger and larger pools, each before a span of 16 times its size."""
    out = [['frames, before a span of 16 times as many pages', 'MiB', 'instructions a random read',
            'instructions a soft fault', 'unmap calls an eviction', 'pages unmapped an eviction']]
    for at in sorted({r['at'] for r in lines}):
        r, soft = ({x['row']: x for x in lines if x['at'] == at}[row] for row in ('randread', 'resrand'))
        out.append([whole(at), whole(at >> 8), number(r['ns_per_op']), number(soft['ns_per_op']),
                    '%.3f' % (r['stats']['unmap_calls'] / evictions(r)),
                    number(r['stats']['unmap_pages'] / evictions(r))])
    return out


def medians(lines):
    """{(target, processors): {what: median over the rounds}}"""
    seen = {}
    for r in lines:
        per = seen.setdefault((r['target'], r['at']), {'faults': [], 'misses': [], 'shootdowns': [], 'unmap': [], 'errors': []})
        stats = r.get('stats', {})
        per['faults'].append((r['minflt'] + r['majflt']) / r['ops'])
        per['misses'].append(r['majflt'] / r['ops'])
        per['shootdowns'].append(r['shootdowns'] / r['ops'])
        per['unmap'].append(stats.get('unmap_calls', 0) / r['ops'])
        per['errors'].append(sum(stats.get(e, 0) for e in ('read_errors', 'write_errors', 'pages_lost', 'faults_invalid')))
    return {key: {what: statistics.median(v) if what != 'errors' else sum(v) for what, v in per.items()}
            for key, per in seen.items()}


def cpus(lines, number):
    """Time is not shown: most of these processors are not real. Mode wall has two that are."""
    found = medians(lines)
    out = [['random read; as many threads, each on a processor of its own', 'faults an access', 'misses',
            'unmap calls', 'shootdowns', 'errors']]
    for (target, at), m in sorted(found.items(), key=lambda f: (f[0][0] != 'vmdemo', f[0][1])):
        out.append(['%s, %d' % (TITLES[target], at), '%.3f' % m['faults'], '%.3f' % m['misses'],
                    '%.4f' % m['unmap'] if target == 'vmdemo' else '-', '%.4f' % m['shootdowns'],
                    str(m['errors']) if target == 'vmdemo' else '-'])
    return out


# --- locks: what locks.c saw, by the names that locks.table gives ---

class Node:
    """A place where locks are taken, under the locks around it."""
    def __init__(self, path, times, instructions, longest):
        self.path, self.times, self.instructions, self.longest = path, times, instructions, longest
        self.locks, self.inner, self.name = {}, [], None


def read_symbols(files):
    """A function that names an address."""
    symbols = sorted((int(address, 16), name) for text in files for address, name in
                     zip(text.split()[::2], text.split()[1::2]) if not name.startswith('__pfx_'))
    addresses = [s[0] for s in symbols]
    return lambda address: symbols[bisect.bisect_right(addresses, address) - 1][1].split('.')[0]


def read_counts(text, name_of):
    """[(instructions, {number: Node})], of each run."""
    runs = []
    for line in text.splitlines():
        word, *rest = line.split()
        if word == 'run':
            runs.append((int(rest[0]), {0: Node('', 1, int(rest[0]), 0)}))
            continue
        nodes = runs[-1][1]
        if word == 'node':
            number, parent, times, instructions, longest = (int(rest[i]) for i in (0, 1, 4, 5, 6))
            kind = '' if rest[2] == 'spin' else '[%s]' % rest[2]
            # Parents come first. One that was not released before the end is missing.
            around = nodes.get(parent, nodes[0])
            nodes[number] = Node('%s/%s%s' % (around.path, name_of(int(rest[3], 16)), kind),
                                 times, instructions, longest)
            around.inner.append(nodes[number])
        elif int(rest[0]) in nodes:
            nodes[int(rest[0])].locks[rest[1]] = int(rest[2])
    return runs


def read_table(target):
    """The lines for that target, and what is assumed."""
    lines, assumed = [], {}
    with open(os.path.join(HERE, 'locks.table')) as f:
        for line in f:
            fields = [x.strip() for x in line.split('|', 3)]
            if fields[0] == 'assume':
                assumed[fields[1]] = float(fields[2])
            elif fields[0] in (target, '*'):
                lines.append((fields[1], fields[2], re.compile(fields[3])))
    return lines, assumed


def name_nodes(root, lines):
    """Gives nodes their names: {lock: (how many, [Node...])}."""
    found = {}

    def visit(node, around):
        for inner in node.inner:
            name, many = next(((n, m) for n, m, where in lines if where.search(inner.path)), ('others', 'cpu'))
            # Another lock of the same name counts as work under the first: the model would let them block each other.
            inner.name = name if many != 'cpu' and name not in around else None
            found.setdefault(name, (many, []))[1].append(inner)
            visit(inner, around | {inner.name})
    visit(root, set())
    return {name: (how_many(many, nodes), nodes) for name, (many, nodes) in found.items()}


def how_many(many, nodes):
    if many != 'counted':
        return float(many) if many != 'cpu' else None
    taken = collections.Counter()
    for node in nodes:
        taken.update(node.locks)
    return sum(taken.values()) ** 2 / sum(n * n for n in taken.values())


def outermost(nodes):
    """Those of the nodes that are not under another one, where their instructions count."""
    return [n for n in nodes if not any(o is not n and n.path.startswith(o.path + '/') for o in nodes)]


def model_of(root, ops, locks):
    """What model.py takes; what is under no named lock is work."""
    def visits(node, times):
        out, work = [], node.instructions
        for inner in node.inner:
            if not inner.name:
                more, own = visits(inner, times)
                out += more
                work -= inner.instructions - own
                continue
            deeper, own = visits(inner, inner.times)
            out.append({'lock': inner.name, 'times': inner.times / times, 'work': max(own, 1) / inner.times, 'visits': deeper})
            work -= inner.instructions
        return out, work
    visited, work = visits(root, ops)
    return {'work': work / ops, 'visits': visited, 'locks': {n: m for n, (m, _) in locks.items() if m}}


def read_json(directory, kernel, mode, part):
    try:
        with open(os.path.join(directory, '%s-%s.json' % (kernel, mode))) as f:
            return json.load(f)[part]
    except OSError:
        return []


def shootdown_calls(lines, target):
    """Calls in an access, by the most processors that were tried: each call interrupts all others."""
    found = {at: m for (t, at), m in medians(lines).items() if t == target and at > 1}
    return found[max(found)]['shootdowns'] / (max(found) - 1) if found else 0


def locks(lines, number, directory, kernel):
    with open(os.path.join(directory, kernel + '-locks.counts')) as f:
        counts = f.read()
    with open(os.path.join(directory, kernel + '-locks.symbols')) as f:
        name_of = read_symbols([f.read()] + [r['symbols'] for r in lines if 'symbols' in r])
    lines = [r for r in lines if 'row' in r]
    runs = read_counts(counts, name_of)
    if len(runs) != len(lines):
        sys.exit('report: %d runs were measured, and %d counted' % (len(lines), len(runs)))
    seen, models = [['random read, instructions under a lock', 'there are', 'times an access', 'an access', 'a hold',
                     'longest hold', 'if always held, M accesses/s']], {}
    measured = read_json(directory, kernel, 'cpus', 'results')
    rounds = [{(r['row'], r['target']): r for r in of} for of in read_json(directory, kernel, 'wall', 'rounds')]
    for result, (instructions, nodes) in zip(lines, runs):
        if abs(instructions / result['ns'][0] - 1) > 0.01:
            sys.exit('report: the plugin counted %d instructions, the clock %d' % (instructions, result['ns'][0]))
        target, ops = result['target'], result['ops']
        table, assumed = read_table(target)
        found = name_nodes(nodes[0], table)
        for name, (many, places) in sorted(found.items(), key=lambda f: -sum(n.instructions for n in outermost(f[1][1]))):
            outer = outermost(places)
            times, total = sum(n.times for n in outer), sum(n.instructions for n in outer)
            if name == 'others':
                most = sorted(outer, key=lambda n: -n.instructions)[:3]
                name += ', most by ' + ', '.join(dict.fromkeys(n.path.split('/')[-1] for n in most))
            seen.append(['%s: %s' % (TITLES[target], name), whole(round(many)) if many else '-', '%.4f' % (times / ops),
                         number(total / ops), number(total / times), number(max(n.longest for n in outer)),
                         number(round(many) * 1000 * ops / total) if many else '-'])
        model = model_of(nodes[0], ops, found)
        seen.append(['%s: under none of these' % TITLES[target], '', '', number(model['work']), '', '', ''])
        seen.append(['%s: all' % TITLES[target], '', '', number(instructions / ops), '', '', ''])
        models[target, 'only'] = model
        models[target, 'assumed'] = dict(model, handover=assumed['handover'], shootdown={
            'calls': shootdown_calls(measured, target), **{k: assumed[k] for k in ('send', 'latency', 'receive')}})
        with open(os.path.join(directory, '%s-model-%s.json' % (kernel, target)), 'w') as f:
            json.dump(models[target, 'assumed'], f, indent=1)
    computed = {key: {n: throughput(m, n) for n in CURVE} for key, m in models.items()}
    draw(computed, os.path.join(directory, kernel + '-locks.svg'))
    return [seen, curve(computed, number)] + validate(computed, rounds, number)


def curve(computed, number):
    """At one instruction a nanosecond."""
    keys = [k for k in [('vmdemo', 'assumed'), ('mmap', 'assumed'), ('vmdemo', 'only'), ('mmap', 'only')] if k in computed]
    out = [['computed, not measured: M accesses/s at 1 ns an instruction'] +
           [TITLES[t] + (', instructions only' if how == 'only' else '') for t, how in keys]]
    for n in CURVE:
        out.append(['%d processors' % n if n > 1 else '1 processor'] + ['%.2f' % (computed[k][n] * 1000) for k in keys])
    return out


def validate(computed, rounds, number):
    """Against mode wall, with one processor and with two: more of them are only computed."""
    targets = [t for t in ('vmdemo', 'mmap') if (t, 'only') in computed and
               rounds and all((row, t) in rounds[0] for row in ('randread', 'randread2t'))]
    if not targets:
        print('report: there are no results of mode wall: the curve is compared with nothing', file=sys.stderr)
        return []
    worth = statistics.median(next(iter(r.values()))['worth'] for r in rounds)
    wall = {(t, row): statistics.median(r[row, t]['ns_per_op'] for r in rounds) for t in targets for row in ('randread', 'randread2t')}
    speedup = {t: statistics.median(r['randread', t]['ns_per_op'] / r['randread2t', t]['ns_per_op'] for r in rounds) for t in targets}
    # The emulator's speed: one for all targets.
    ns = math.exp(statistics.mean(math.log(wall[t, 'randread'] * computed[t, 'only'][1]) for t in targets))
    out = [['computed and measured; %.1f ns an instruction, two processors worth %.2f of one' % (ns, worth),
            'computed', 'measured', 'deviation']]
    for t in targets:
        one = ns / computed[t, 'only'][1], wall[t, 'randread']
        two = computed[t, 'assumed'][2] / computed[t, 'assumed'][1] * worth / 2, speedup[t]
        for what, (c, m) in (('1 processor, ns an access', one), ('2 processors, of one', two)):
            # Where others use the processors, there are no two.
            says = worth >= LEAST_WORTH or what.startswith('1')
            out.append(['%s: %s' % (TITLES[t], what), number(c), number(m),
                        '%+.0f %%' % ((c / m - 1) * 100) if says else 'busy: says nothing'])
    return [out]


def draw(computed, path):
    keys = [k for k in [('vmdemo', 'assumed'), ('mmap', 'assumed'), ('vmdemo', 'only'), ('mmap', 'only')] if k in computed]
    data = '\n'.join(' '.join([str(n)] + ['%.4f' % (computed[k][n] * 1000) for k in keys]) for n in CURVE)
    colours = {'vmdemo': '#1b6ca8', 'mmap': '#c8553d'}
    plots = ', '.join("$data using 1:%d with linespoints pt 7 ps 0.4 lw 2 dt %d lc rgb '%s' title '%s%s'" % (
        i + 2, 2 if how == 'only' else 1, colours[t], TITLES[t], ', instructions only' if how == 'only' else '')
        for i, (t, how) in enumerate(keys))
    program = '''
set terminal svg size 900,480 font "sans,12" background "white"
set output "%s"
set title "Random reads: computed from counted instructions, not measured"
set logscale xy
set xrange [1:128]
set xtics nomirror (1, 2, 4, 8, 16, 32, 64, 128)
set ytics nomirror
set grid lc rgb "#dddddd"
set xlabel "processors (log)"
set ylabel "M accesses/s at 1 ns an instruction (log)"
set key bottom right
set border 3
$data << END
%s
END
plot %s
''' % (path, data, plots)
    try:
        subprocess.run(['gnuplot'], input=program, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        print('report: no drawing: gnuplot is missing or failed (scripts/setup bench installs it)', file=sys.stderr)


def tables(mode, lines, number, directory, kernel):
    if mode == 'locks':
        return locks(lines, number, directory, kernel)
    return [globals()[mode](lines, number)]
