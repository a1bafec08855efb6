#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What locks leave of many processors: a discrete-event model of tasks that access pages.

    model.py FILE [PROCESSORS...]   accesses per million units of time, of the model in FILE (JSON, see below)
    model.py --test                 the model against answers that are known; TAP

Each processor runs one task, which makes one access after the other. An access is work that no other processor minds, in
exponentially distributed pieces, after each of which it visits a lock, first come, first served. A model:

    {"work": W,             units (instructions) of an access under no lock
     "visits": [VISIT...],
     "locks": {LOCK: N},    how many there are of it: a visit goes to any one of them
     "handover": H,         units more if another processor had the lock last
     "shootdown": {"calls": C, "send": S, "latency": L, "receive": R}}

C of an access are shootdowns: S for each other processor, then L and R until all have answered; R of each other one.

    VISIT: {"lock": LOCK, "times": T, "work": W, "visits": [VISIT...]}

T visits in each access, or in each visit of the lock around it; W units under the lock and no other one in each.
Optional: "spread": "exponential", for work under locks that is not always the same.
"""
import collections, heapq, json, math, random, sys

CURVE = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128]


class Regular:
    """Whole numbers with a given mean, as regular as that can be: what happens now and then does so every so often."""
    def __init__(self, rng):
        self.rng, self.left = rng, {}

    def times(self, key, mean):
        n, self.left[key] = divmod(self.left.get(key, self.rng.random()) + mean, 1)
        return int(n)

    def choose(self, visits):
        """What one access, or one visit, does in turn."""
        chosen = [v for v in visits for _ in range(self.times(id(v), v['times']))]
        self.rng.shuffle(chosen)
        return chosen


def visit_steps(model, visit, rng, regular):
    lock = visit['lock'], rng.randrange(max(1, round(model['locks'][visit['lock']])))
    work = visit['work']
    if model.get('spread') == 'exponential':
        work = rng.expovariate(1 / work)
    inner = regular.choose(visit.get('visits', []))
    yield 'take', lock
    for v in inner:
        yield 'work', work / (len(inner) + 1)
        yield from visit_steps(model, v, rng, regular)
    yield 'work', work / (len(inner) + 1)
    yield 'give', lock


def task_steps(model, rng):
    """All that a task does, without end."""
    regular = Regular(rng)
    calls = model.get('shootdown', {}).get('calls', 0)
    while True:
        chosen = regular.choose(model['visits'])
        piece = model['work'] / max(1, len(chosen))
        for v in chosen or [None]:
            yield 'work', rng.expovariate(1 / piece)
            if v:
                yield from visit_steps(model, v, rng, regular)
        for _ in range(regular.times('shootdown', calls)):
            yield 'shootdown', None
        yield 'done', None


class Run:
    def __init__(self, model, processors, seed):
        rng = random.Random(seed)
        self.model, self.n, self.now, self.done = model, processors, 0.0, 0
        self.tasks = [task_steps(model, rng) for _ in range(processors)]
        self.holder, self.last = {}, {}
        self.waiting = collections.defaultdict(collections.deque)
        self.queued = set()
        self.owed = [0.0] * processors
        self.events = [(rng.random(), p) for p in range(processors)]    # one for each that is not queued
        heapq.heapify(self.events)

    def later(self, p, units):
        heapq.heappush(self.events, (self.now + units, p))

    def hold(self, p, lock):
        units = self.model.get('handover', 0) if self.last.get(lock, p) != p else 0
        self.holder[lock] = self.last[lock] = p
        self.later(p, units)

    def shoot(self, p):
        s = self.model['shootdown']
        for other in range(self.n):
            if other != p and other not in self.queued:     # a task that spins loses nothing
                self.owed[other] += s['receive']
        self.later(p, s['send'] * (self.n - 1) + s['latency'] + s['receive'] if self.n > 1 else 0)

    def advance(self, p):
        """The task goes on to where time passes."""
        for what, about in self.tasks[p]:
            if what == 'done':
                self.done += 1
            elif what == 'work':
                return self.later(p, about)
            elif what == 'shootdown':
                return self.shoot(p)
            elif what == 'give':
                del self.holder[about]
                if self.waiting[about]:
                    first = self.waiting[about].popleft()
                    self.queued.discard(first)
                    self.hold(first, about)
            elif about in self.holder:
                self.waiting[about].append(p)
                return self.queued.add(p)
            else:
                return self.hold(p, about)

    def until(self, accesses):
        while self.done < accesses:
            if not self.events:
                sys.exit('model: all tasks wait for each other')
            self.now, p = heapq.heappop(self.events)
            if self.owed[p]:
                units, self.owed[p] = self.owed[p], 0.0
                self.later(p, units)
            else:
                self.advance(p)


def throughput(model, processors, accesses=None, seed=1):
    """Accesses for each unit of time. The first ones do not count."""
    accesses = accesses or 4000 + 400 * processors
    run = Run(model, processors, seed)
    run.until(accesses // 4)
    begin, done = run.now, run.done
    run.until(done + accesses)
    return (run.done - done) / (run.now - begin)


def bounds(model, processors):
    """What no schedule can exceed: all processors at work, and each lock held all the time."""
    total, held = model['work'], collections.Counter()

    def add(visits, times, around):
        nonlocal total
        for v in visits:
            n = times * v['times']
            total += n * v['work']
            for lock in around | {v['lock']}:
                held[lock] += n * v['work']
            add(v.get('visits', []), n, around | {v['lock']})
    add(model['visits'], 1, frozenset())
    limits = {lock: max(1, round(model['locks'][lock])) / h for lock, h in held.items() if h}
    return min([processors / total] + list(limits.values())), limits


# --- its own test ---

def one_lock(z, s, **more):
    return dict({'work': z, 'visits': [{'lock': 'a', 'times': 1, 'work': s}], 'locks': {'a': 1}}, **more)


def repairmen(n, z, s):
    """M/M/1//N: exponential work with and without the lock."""
    p, weights = 1.0, [1.0]
    for k in range(n):
        p *= (n - k) * s / z
        weights.append(p)
    return (1 - weights[0] / sum(weights)) / s


def two(z, s):
    """M/D/1//2: the other one comes while the lock is held, or the first of both does afterwards."""
    return 1 / (s + math.exp(-s / z) * z / 2)


def check(say):
    def near(name, value, right, percent):
        say(abs(value / right - 1) * 100 <= percent, '%s: %.6f, right is %.6f within %g %%' % (name, value, right, percent))

    free = {'work': 1000, 'visits': [], 'locks': {}}
    for n in (1, 7, 128):
        near('no lock, %d processors' % n, throughput(free, n, 40000), n / 1000, 1)
    near('one processor never waits', throughput(one_lock(900, 100), 1, 40000), 1 / 1000, 1)
    for n in (2, 8, 11, 32):
        near('one lock, all exponential, %d processors' % n,
             throughput(one_lock(900, 100, spread='exponential'), n, 60000), repairmen(n, 900, 100), 1)
    near('one lock, always as long, 2 processors', throughput(one_lock(100, 100), 2, 60000), two(100, 100), 1)
    near('one lock, always as long, saturated', throughput(one_lock(900, 100), 128, 40000), 1 / 100, 0.1)
    say(throughput(one_lock(900, 100), 9, 60000) > repairmen(9, 900, 100) * 1.02, 'work that is always as long waits less')
    # Closed, balanced and without thinking: N / (N + K - 1) of K servers are busy.
    shards = one_lock(0.01, 100, spread='exponential')
    for k, n in ((4, 4), (16, 32)):
        shards['locks']['a'] = k
        near('%d shards, %d processors' % (k, n), throughput(shards, n, 60000), k / 100 * n / (n + k - 1), 1.5)
    # The outer lock is held throughout: one at a time, whatever the inner ones are.
    nested = {'work': 500, 'locks': {'out': 1, 'in': 8}, 'visits': [
        {'lock': 'out', 'times': 0.5, 'work': 100, 'visits': [{'lock': 'in', 'times': 3, 'work': 20}]}]}
    near('nested, one processor', throughput(nested, 1, 40000), 1 / (500 + 0.5 * 160), 1)
    near('nested, saturated', throughput(nested, 64, 40000), 1 / (0.5 * 160), 1)
    near('handover, saturated', throughput(one_lock(900, 100, handover=50), 64, 40000), 1 / 150, 1)
    near('handover, one processor', throughput(one_lock(900, 100, handover=50), 1, 40000), 1 / 1000, 1)
    ipi = dict(free, shootdown={'calls': 0.25, 'send': 10, 'latency': 100, 'receive': 40})
    near('shootdown, one processor', throughput(ipi, 1, 40000), 1 / 1000, 1)
    # Each of eight makes a quarter call of 70 + 140 an access, and is interrupted by seven quarters.
    near('shootdowns, 8 processors', throughput(ipi, 8, 60000), 8 / (1000 + 0.25 * 210 + 7 * 0.25 * 40), 1)
    for n in CURVE:
        for name, model in (('one lock', one_lock(900, 100)), ('nested', nested)):
            most = bounds(model, n)[0]
            value = throughput(model, n, 20000)
            say(value <= most * 1.02, '%s, %d processors: %.6f, at most %.6f' % (name, n, value, most))


def test():
    results = []
    check(lambda good, what: results.append((good, what)))
    print('TAP version 13\n1..%d' % len(results))
    for n, (good, what) in enumerate(results, 1):
        print('%s %d %s' % ('ok' if good else 'not ok', n, what))
    return 0 if all(good for good, _ in results) else 1


def main(arguments):
    if arguments == ['--test']:
        return test()
    if not arguments or arguments[0].startswith('-'):
        sys.exit(__doc__)
    with open(arguments[0]) as f:
        model = json.load(f)
    for n in map(int, arguments[1:] or CURVE):
        print('%4d %10.1f  at most %10.1f' % (n, throughput(model, n) * 1e6, bounds(model, n)[0] * 1e6))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
