"""How many pushes a second a shard on Dask takes, how many events a second the simulated cluster, and if it is true.

    python benchmarks/bench_parallel.py              # about a minute
    python benchmarks/bench_parallel.py --quick      # fewer repeats
    python benchmarks/bench_parallel.py --json FILE --write

A push is what a worker of Downpour sends: a gradient in a numbered message, which the shard checks, applies and
answers. The peer is an actor that is handed the same array and does nothing: what Dask itself takes for the way there
and back. Both are called the same way from a task in another process, in turn, with two calls on their way at a time:
a worker waits for no answer to a push, but for that to the last but two, and so does the peer's caller here. A cycle is
a push with the parameters as its answer, for which the worker waits; the peer's is an array there and one back.

The last rows compare a cluster simulated as `calibrate` measured this one with this one, for gradients that sleep and
so need no cores: what the slower of the two makes in a second, as a share of the faster.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np
from rows import Row, asked, has, report, row

from optlib import Optimizer, rules
from optlib.parallel import (
    Cluster,
    Message,
    Result,
    Shards,
    SyncSGD,
    async_sgd,
    calibrate,
    connect,
    disconnect,
    exponential,
    simulate,
    train,
)
from optlib.parallel.remote import Line, ShardActor, _Link

SGD = Optimizer(rules.sgd, lr=1e-3)


class Bare:
    """An actor that takes an array and does nothing."""

    async def take(self, array: np.ndarray) -> None:
        return None

    async def swap(self, array: np.ndarray) -> np.ndarray:
        """An array there, one back."""
        return array.copy()


def rally(links: list[tuple[str, str]], size: int, count: int, repeats: int, life: int) -> np.ndarray:
    """On a worker: seconds for `count` pushes to the shard and to the bare actor, in turn."""
    shard, bare = (Line(*link) for link in links)
    link, g, seq, times = _Link([shard], Shards(size), 10.0), np.ones(size), 0, []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        for _ in range(count):
            link.give(Message(0, life, seq, "give", life * 10**6 + seq, {"g": g}))
            link.flush()
            seq += 1
        link.flush(0)
        middle = time.perf_counter()
        waiting: deque = deque()
        for _ in range(count):
            waiting.append(bare.call("take", g))
            if len(waiting) > 2:
                waiting.popleft().result()
        for call in waiting:
            call.result()
        times.append((middle - start, time.perf_counter() - middle))
    return np.array(times[1:])


def cycles(links: list[tuple[str, str]], size: int, count: int, repeats: int, life: int) -> np.ndarray:
    """On a worker: seconds for `count` cycles with the shard and with the bare actor, in turn."""
    shard, bare = (Line(*link) for link in links)
    link, g, seq, times = _Link([shard], Shards(size), 10.0), np.ones(size), 0, []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        for _ in range(count):
            link.give(Message(0, life, seq, "give", life * 10**6 + seq, {"g": g}))
            link.ask(Message(0, life, seq + 1, "ask", seq, {}))
            seq += 2
        middle = time.perf_counter()
        for _ in range(count):
            bare.call("swap", g).result()
        times.append((middle - start, time.perf_counter() - middle))
    return np.array(times[1:])


def pushes(quick: bool) -> list[Row]:
    if not has("distributed"):
        return []
    client, rows = connect(workers=2), []
    server, worker = sorted(client.scheduler_info(n_workers=-1)["workers"])
    try:
        for size in (10**3, 10**5, 10**6):
            shard = client.submit(
                ShardActor, async_sgd(SGD), np.zeros(size), 3, 10.0, actor=True, workers=[server], pure=False
            )  # fmt: skip
            bare = client.submit(Bare, actor=True, workers=[server], pure=False)
            actors = [shard.result(), bare.result()]
            actors[0].open().result()
            links, count, repeats = (
                [(a._address, a._key) for a in actors],
                (20 if size > 10**5 else 100),
                3 if quick else 9,
            )
            for life, (job, what) in enumerate((("push", rally), ("cycle", cycles))):
                actors[0].join(0, life).result()
                task = client.submit(what, links, size, count, repeats, life, workers=[worker], pure=False)
                times = task.result()
                ours = f"{count / np.median(times[:, 0]):.0f} a second"
                rows.append(row(f"{job} of {size:.0e} doubles", "bare actor", times[:, 1] / times[:, 0], 0.8, ours))
    finally:
        disconnect(client)
    return rows


def rate(workers: int, make: Any, gradients: int) -> tuple[float, int]:
    cluster = Cluster(compute=exponential(1.0), latency=0.01, service=1e-5)
    start = time.process_time()
    run = simulate(make(SGD), workers=workers, steps=gradients // workers, cluster=cluster)
    return time.process_time() - start, run.events


def simulation(quick: bool) -> list[Row]:
    """Events a second, and what an event costs with many workers beside what it costs with ten."""
    rows, gradients, repeats = [], 50_000 if quick else 200_000, 2 if quick else 3
    for make in (async_sgd, SyncSGD):
        costs = {}
        for workers in (10, 100, 1_000, 10_000):
            found = np.array([rate(workers, make, gradients) for _ in range(repeats)])
            speeds = found[:, 1] / found[:, 0]
            costs[workers] = 1 / float(np.median(speeds))
            job = f"simulated {make.__name__}, {workers} workers"
            rows.append(row(job, "200,000 events/s", speeds / 2e5, 1.0, f"{np.median(speeds):.0f} events/s"))
        growth = np.log(10_000) / np.log(10) * costs[10] / costs[10_000]
        rows.append(
            Row(f"simulated {make.__name__}, cost of an event", "n log n, no peer", growth, growth, growth, 1.0, "")
        )
    return rows


class Sleeping:
    """A gradient that takes its time, but no core."""

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        time.sleep(0.03)
        return np.zeros_like(theta)


def per_second(run: Result) -> float:
    return len(run.spans) / (max(s.end for s in run.spans) - min(s.start for s in run.spans))


def truth(quick: bool) -> list[Row]:
    """Gradients a second of a calibrated simulation beside those of the cluster, measured anew for each repeat."""
    if not has("distributed"):
        return []
    client, rows, sgd, theta = connect(workers=5), [], async_sgd(SGD), np.ones(1000)
    try:
        found: dict[int, list[tuple[float, float]]] = {1: [], 2: [], 4: []}
        for _ in range(3 if quick else 7):
            like = calibrate(client, Sleeping(), theta)
            for workers, speeds in found.items():
                real = train(sgd, [Sleeping()] * workers, theta, steps=40, backend=client, interval=1e9)
                dry = simulate(sgd, workers=workers, size=theta.size, steps=40, cluster=like)
                speeds.append((per_second(real), per_second(dry)))
        for workers, speeds in found.items():
            here, there = np.array(speeds).T
            said = f"{np.median(here):.0f} a second, simulated {np.median(there):.0f}"
            job = f"calibrated simulation, {workers} asleep"
            rows.append(row(job, "this cluster", np.minimum(here / there, there / here), 0.9, said))
    finally:
        disconnect(client)
    return rows


PARTS = {"pushes": pushes, "simulation": simulation, "truth": truth}


def main() -> int:
    options = asked(__doc__ or "", "RESULTS-PARALLEL.md", PARTS)
    rows = [row for part in options.only or PARTS for row in PARTS[part](options.quick)]
    report(rows, options, "bench_parallel.py", "RESULTS-PARALLEL.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
