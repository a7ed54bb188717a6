"""A cluster that exists on paper only: the same servers and workers, under a clock that runs as fast as we can count.

A *distribution* is a number of seconds, always the same, or a function ``(rng, size) -> array`` of seconds. Each worker
draws from random streams of its own, which follow from the seed and its number. So two runs that differ in the
algorithm alone see the same slow gradients and the same late messages.
"""

import contextlib
import functools
import gc
import itertools
import math
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._inputs import number, numbers, shown, vector, whole
from ..optimizer import Oracle
from .engine import Engine, checked_oracles
from .machines import Algorithm, Compute
from .messages import Message, Reply, Shards, new
from .result import Result, Span

Distribution = float | Callable[[np.random.Generator, int], NDArray]


def exponential(mean: float) -> Distribution:
    """Seconds without memory, of this mean: a few are many times as long as most.

    >>> exponential(2.0)(np.random.default_rng(0), 3).round(2)
    array([1.36, 2.04, 0.04])
    """
    return lambda rng, size: rng.exponential(mean, size)


def lognormal(median: float, sigma: float = 0.3) -> Distribution:
    """Seconds about a median, with a longer tail above: what measured times of computation often look like.

    >>> lognormal(1.0, 0.5)(np.random.default_rng(0), 3).round(2)
    array([1.06, 0.94, 1.38])
    """
    return lambda rng, size: median * np.exp(sigma * rng.standard_normal(size))


def stragglers(usual: Distribution, share: float, factor: float) -> Distribution:
    """The usual seconds, but a share of them (0 to 1) is `factor` times as long.

    >>> stragglers(1.0, share=0.5, factor=10.0)(np.random.default_rng(0), 5)
    array([ 1., 10., 10., 10.,  1.])
    """
    if not 0 <= share <= 1 or factor < 0:
        raise ValueError(f"share={share!r} must be 0 to 1, and factor={factor!r} 0 or more")

    def seconds(rng: np.random.Generator, size: int) -> NDArray:
        slow = rng.random(size) < share
        drawn = usual(rng, size) if callable(usual) else np.full(size, float(usual))
        return np.where(slow, factor * drawn, drawn)

    return seconds


@dataclass(frozen=True)
class Cluster:
    """What a simulated cluster is like. `calibrate` measures a real one; what is left out here is free.

    Parameters
    ----------
    compute : seconds for a gradient (a distribution)
    latency : seconds that a message is under way, either direction (a distribution)
    bandwidth : bytes a second on a worker's line, each direction
    server_bandwidth : bytes a second on a shard's line, each direction: its messages queue for it
    service : seconds that a shard spends on a message; they queue for that too
    speeds : by worker, by how much its computing is slower: ``{3: 10.0}`` makes worker 3 a lasting straggler
    joins : by worker, the time at which it begins, if not 0
    lifetime : seconds after which a worker dies (a distribution), or None: never
    notice : seconds until the servers notice that
    restart : seconds after its death until another takes over its part, or None: never

    >>> Cluster(latency=exponential(0.1)).slowest(3)
    1.0
    """

    compute: Distribution = 1.0
    latency: Distribution = 0.0
    bandwidth: float = math.inf
    server_bandwidth: float = math.inf
    service: float = 0.0
    speeds: Mapping[int, float] = field(default_factory=dict)
    joins: Mapping[int, float] = field(default_factory=dict)
    lifetime: Distribution | None = None
    notice: float = 1.0
    restart: float | None = 1.0

    def __post_init__(self) -> None:
        for name in ("compute", "latency", "service", "notice", "restart", "lifetime"):
            if not (callable(value := getattr(self, name)) or (name in ("restart", "lifetime") and value is None)):
                number(value, name)
        for name in ("bandwidth", "server_bandwidth"):
            if (value := getattr(self, name)) != math.inf:
                number(value, name, open_low=True)
        for name in ("speeds", "joins"):
            for worker, value in getattr(self, name).items():
                number(value, f"{name}[{worker}]")

    def slowest(self, worker: int) -> float:
        """By how much this worker computes more slowly than usual."""
        return float(self.speeds.get(worker, 1.0))


def _draws(distribution: Callable[..., NDArray], key: list[int], factor: float) -> Iterator[array]:
    """Numbers from one distribution for one worker, a block at a time."""
    rng = np.random.default_rng(key)
    while True:
        block = factor * numbers(distribution(rng, 64), "what a distribution returned")
        if block.shape != (64,) or not (block.min() >= 0 and block.max() < math.inf):
            raise ValueError("a distribution returns as many finite numbers of seconds, 0 or more, as it is asked for")
        yield array("d", block)


_always = functools.lru_cache(itertools.repeat)  # one for all workers


def _drawing(distribution: Distribution, key: list[int], factor: float = 1.0) -> Callable[[], float]:
    if callable(distribution):
        return itertools.chain.from_iterable(_draws(distribution, key, factor)).__next__
    return _always(factor * float(distribution)).__next__


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Without Python's search for cycles: here there are none, but millions of events to look through for them."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # what is young now becomes old, or it would be looked through at once
            gc.freeze()
            gc.unfreeze()
        if before:
            gc.enable()


class Simulation(Engine):
    """The engine under a virtual clock. Everything that will happen is an entry (time, number, what to do, with what).

    Most of it comes about in order: where messages take equally long, who left first is there first. So what arrives,
    is handled and is answered stands in a queue each, and what overtakes stands with the gradients: the next of those
    in a heap, the others on a ladder of lists, sorted only when their turn comes. A heap of thousands does not stay in
    the cache, nor do numbers that are objects; what happens when is the same.
    """

    def __init__(
        self, algorithm: Algorithm, oracles: Sequence[Oracle] | None, theta: NDArray | None, steps: int,
        workers: int, shards: int, cluster: Cluster, seed: int, size: int, **options: Any,
    ):  # fmt: skip
        super().__init__(algorithm, oracles, theta, steps, workers, shards, **options)
        self.cluster, self.events = cluster, 0
        self._soon, self._last_soon = list[tuple](), (-math.inf, 0)
        self._ladder, self._ends = [list[tuple]()], list[tuple[float, int]]()  # the last list has no end
        self._arriving, self._handling, self._answering = deque[tuple](), deque[tuple](), deque[tuple]()
        self._number = itertools.count()
        self._computing = [_drawing(cluster.compute, [seed, w, 0], cluster.slowest(w)) for w in range(workers)]
        self._latency = [_drawing(cluster.latency, [seed, w, 1]) for w in range(workers)]
        self._living = [_drawing(cluster.lifetime or 0.0, [seed, w, 2]) for w in range(workers)]
        numbers = 8 * size / self.shards.count
        ask, give, answer = (numbers * vectors for vectors in algorithm.vectors)
        sizes = {"ask": ask, "give": give, "start": 0.0}
        self._sending = {kind: size / cluster.bandwidth for kind, size in sizes.items()}
        self._service = {kind: cluster.service + size / cluster.server_bandwidth for kind, size in sizes.items()}
        self._reply_time, self._reply_service = answer / cluster.bandwidth, answer / cluster.server_bandwidth
        self._line = array("d", [0.0]) * workers  # when a worker's line is free again
        self._last = [array("d", self._line) for _ in self.servers]  # by shard, when its last message arrives there
        self._free = [0.0] * self.shards.count  # when a shard is free again
        self._out = [0.0] * self.shards.count  # when its line is
        self._going = 0  # workers that still have something to do
        for w in range(workers):
            self._at(float(cluster.joins.get(w, 0.0)), Simulation._joins, w, self.lives[w])

    def _at(self, time: float, do: Callable[..., None], *what: Any) -> None:
        entry = (time, next(self._number), do, what)
        if entry < self._last_soon:
            heappush(self._soon, entry)
        else:
            self._ladder[bisect_left(self._ends, entry)].append(entry)

    def _in_turn(self, queue: deque[tuple], time: float, do: Callable[..., None], *what: Any) -> None:
        """As `_at`, for what seldom overtakes what stands in the queue."""
        if queue and time < queue[-1][0]:
            self._at(time, do, *what)
        else:
            queue.append((time, next(self._number), do, what))

    def _climb(self) -> None:
        """The next list of the ladder comes soon; of a long one, its first part. (A sorted list is a heap.)"""
        ladder, ends = self._ladder, self._ends
        while not self._soon and any(ladder):
            due = sorted(ladder.pop(0))
            size = 1 + len(due) // min(8, 1 + len(due) // 1000)
            parts = [due[i : i + size] for i in range(0, len(due), size)]
            bounds = [part[-1][:2] for part in parts]
            if ends:
                bounds[-1:] = [ends.pop(0)]
            else:
                ladder.append([])
            self._soon[:], self._last_soon = parts[0] if parts else [], bounds[0]
            ladder[0:0], ends[0:0] = parts[1:], bounds[1:]

    def run(self, until: float) -> Result:
        """Let everything happen, up to a time."""
        with _no_collection() if self._oracles is None else contextlib.nullcontext():
            self._happen(until)
            finished = all(worker is not None and worker.done for worker in self.workers)
            if not finished and math.isfinite(until):
                self.now = until
            result = self.result("simulate", finished)
        result.events = self.events
        return result

    def _happen(self, until: float) -> None:
        soon, queues, nothing = self._soon, (self._arriving, self._handling, self._answering), (math.inf,)
        self._going = len(self.workers)
        while self._going:
            if not soon:
                self._climb()
            first, found = soon[0] if soon else nothing, None
            for queue in queues:
                if queue and queue[0] < first:
                    first, found = queue[0], queue
            if first[0] > until or first is nothing:
                return
            if found is None:
                heappop(soon)
            else:
                found.popleft()
            self.now, _, do, what = first
            self.events += 1
            do(self, *what)

    # --- what can happen

    def _computed(self, w: int, life: int, g: NDArray | None) -> None:
        """A gradient is there: the worker takes its step, and says what it has to say."""
        worker = self.workers[w]
        if worker is None or life != self.lives[w]:
            return
        self.spans.append(new(Span, (w, worker.t, self._starts[w], self.now, self._versions[w])))
        self._proceed(w, g)

    def _proceed(self, w: int, given: Any) -> None:
        worker = self.workers[w]
        assert worker is not None
        wanted = worker.advance(given)
        while isinstance(wanted, Message):
            self.send(w, wanted)
            if wanted.kind != "give":
                return
            wanted = worker.advance()
        if wanted is None:
            for shard in range(self.shards.count):
                self._post(w, shard, None, 0.0)
        else:
            self._begin_gradient(w, wanted)

    def _begin_gradient(self, w: int, wanted: Compute) -> None:
        self._starts[w] = self.now
        self._at(self.now + self._computing[w](), Simulation._computed, w, self.lives[w], self.compute(w, wanted))

    def send(self, w: int, message: Message) -> None:
        """A message leaves, a part to each shard, one after the other on the worker's line."""
        if message.kind != "give":
            self.inboxes[w], self._asked[w] = {}, message.seq
        if self.shards.count == 1:
            self._post(w, 0, message, self._sending[message.kind])
            return
        for shard, part in enumerate(self.shards.split(message.payload)):
            self._post(w, shard, message._replace(payload=part), self._sending[message.kind])

    def _post(self, w: int, shard: int, message: Message | None, seconds: float) -> None:
        """Put something on the line. Messages from one to another keep their order. None says goodbye."""
        line, last = self._line, self._last[shard]
        line[w] = gone = (line[w] if line[w] > self.now else self.now) + seconds
        there = gone + self._latency[w]()
        if there < last[w]:
            there = last[w]
        last[w] = there
        self._in_turn(self._arriving, there, Simulation._arrived, w, shard, message, self.lives[w])

    def _arrived(self, w: int, shard: int, message: Message | None, life: int) -> None:
        """A message is at a shard, and is handled at once or queues."""
        seconds, free = self._service[message.kind] if message is not None else 0.0, self._free[shard]
        if seconds == 0.0 and free <= self.now:
            self._handled(w, shard, message, life)
            return
        self._free[shard] = done = (free if free > self.now else self.now) + seconds
        self._in_turn(self._handling, done, Simulation._handled, w, shard, message, life)

    def _handled(self, w: int, shard: int, message: Message | None, life: int) -> None:
        if message is not None:
            self.handle(shard, message)
        elif self.servers[shard].knows(w, life):
            self.leave(w, [shard])
            self._going -= shard == self.shards.count - 1

    def answers(self, shard: int, replies: Iterable[tuple[int, Reply]]) -> None:
        """Answers leave for those who wait for one."""
        for w, reply in replies:
            if self.inboxes[w] is None or reply.seq != self._asked[w]:
                continue
            self._out[shard] = max(self.now, self._out[shard]) + self._reply_service
            time = self._out[shard] + self._reply_time + self._latency[w]()
            self._in_turn(self._answering, time, Simulation._answered, w, shard, reply, self.lives[w])

    def _answered(self, w: int, shard: int, reply: Reply, life: int) -> None:
        inbox = self.inboxes[w]
        if inbox is None or life != self.lives[w]:
            return
        inbox[shard] = reply
        if len(inbox) == self.shards.count:
            self._proceed(w, self.read(w))

    def _joins(self, w: int, life: int) -> None:
        self.join(w)
        worker = self.workers[w]
        assert worker is not None
        if life:
            self.log.append(f"at {self.now:.6g} s another worker took over part {w}, from step {worker.t}")
        for last in self._last:
            last[w] = self.now
        if self.cluster.lifetime is not None:
            self._at(self.now + self._living[w](), Simulation._dies, w, life)
        self._proceed(w, None)

    def _dies(self, w: int, life: int) -> None:
        worker = self.workers[w]
        if life != self.lives[w] or worker is None or worker.done:
            return
        self.log.append(f"at {self.now:.6g} s worker {w} died in its step {worker.t}")
        self.workers[w] = self.inboxes[w] = None
        self.lives[w] += 1
        self._at(self.now + self.cluster.notice, Simulation._noticed, w, life)
        if self.cluster.restart is None:
            return
        self._at(self.now + self.cluster.restart, Simulation._joins, w, self.lives[w])

    def _noticed(self, w: int, life: int) -> None:
        for shard, server in enumerate(self.servers):
            if server.knows(w, life):
                self.leave(w, [shard])
        self._going -= self.cluster.restart is None


def simulate(
    algorithm: Algorithm, oracles: Sequence[Oracle] | None = None, theta: Any = None, *, steps: int,
    workers: int | None = None, size: int = 1, cluster: Cluster | None = None, shards: int = 1, seed: int = 0,
    until: float = math.inf, loss: Callable[[NDArray], Any] | None = None, every: int = 1, tolerance: int = 3,
) -> Result:  # fmt: skip
    """Run an algorithm on a simulated cluster: what it learns, and at what virtual time.

    Without oracles nothing is computed, and only who says what when is found out: thousands of workers take seconds.

    Parameters
    ----------
    oracles, theta, steps, shards, loss, every, tolerance : as in :func:`train`
    workers, size : without oracles, how many workers, and how many numbers theta is thought to have
    cluster : what it is like; left out, every gradient takes one second and a message none
    seed : of all that is drawn, 0 or more
    until : virtual seconds after which the run ends, finished or not

    >>> from optlib import Optimizer, rules
    >>> from optlib.parallel import SyncSGD, async_sgd
    >>> slow = Cluster(compute=exponential(1.0), latency=0.01)
    >>> sgd = Optimizer(rules.sgd, lr=0.1)
    >>> waits, goes_on = (simulate(make(sgd), workers=100, steps=20, cluster=slow) for make in (SyncSGD, async_sgd))
    >>> round(waits.time / goes_on.time, 1)
    3.1
    """
    counts = {"steps": steps, "size": size, "every": every, "tolerance": tolerance}
    for name, value in counts.items():
        whole(value, name)
    whole(seed, "seed", 0)
    if (oracles is None) != (theta is None) or (oracles is None) != (workers is not None):
        raise TypeError("give oracles and theta, or, for a run without numbers, workers and size")
    if workers is not None:
        whole(workers, "workers")
        if loss is not None:
            raise TypeError(f"loss={shown(loss)}: a run without numbers has none. Give oracles and theta, too")
    oracles = None if oracles is None else checked_oracles(oracles)
    cluster = Cluster() if cluster is None else cluster
    if math.isnan(until) or until <= 0:
        raise ValueError(f"until={until!r} must be a time above 0")
    start = None if theta is None else vector(theta).copy()
    Shards(size if start is None else start.size, shards)
    count = len(oracles) if oracles is not None else workers or 0
    run = Simulation(
        algorithm, oracles, start, steps, count, shards, cluster, seed, size if start is None else start.size,
        tolerance=tolerance, loss=loss, every=every,
    )  # fmt: skip
    return run.run(until)
