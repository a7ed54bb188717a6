"""How many pushes a second a shard on Dask takes, how many events a second the simulated cluster, and if it is true.

    python benchmarks/bench_parallel.py              # ten minutes on idle cores, and more with peers
    python benchmarks/bench_parallel.py --quick      # fewer repeats
    python benchmarks/bench_parallel.py --json FILE --write

A push is what a worker of Downpour sends: a gradient in a numbered message, which the shard checks, applies and
answers. The peer is an actor that is handed the same array and does nothing: what Dask itself takes for the way there
and back. Both are called the same way from a task in another process, in turn, with two calls on their way at a time:
a worker waits for no answer to a push, but for that to the last but two, and so does the peer's caller here. A cycle is
a push with the parameters as its answer, for which the worker waits; the peer's is an array there and one back.

The same cycle from one, two, four and eight processes at once, beside what a user could write by hand, where it is
installed: an actor of Ray whose one method adds the gradient and returns the parameters, and torch's gloo.

The last rows compare a cluster simulated as `calibrate` measured this one with this one, for gradients that sleep and
so need no cores: what the slower of the two makes in a second, as a share of the faster.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable
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


def rally(links: list[tuple[str, str]], size: int, count: int, life: int) -> tuple[float, float]:
    """On a worker: seconds for `count` pushes to the shard and to the bare actor."""
    shard, bare = (Line(*link) for link in links)
    link, g = _Link([shard], Shards(size), 10.0), np.ones(size)
    start = time.perf_counter()
    for seq in range(count):
        link.give(Message(0, life, seq, "give", life * 10**6 + seq, {"g": g}))
        link.flush()
    link.flush(0)
    middle = time.perf_counter()
    waiting: deque = deque()
    for _ in range(count):
        waiting.append(bare.call("take", g))
        if len(waiting) > 2:
            waiting.popleft().result()
    for call in waiting:
        call.result()
    return middle - start, time.perf_counter() - middle


def cycles(shard: tuple[str, str], size: int, count: int, worker: int, life: int) -> tuple[float, float]:
    """On a worker: when `count` cycles with the shard began and ended."""
    link, g = _Link([Line(*shard)], Shards(size), 10.0), np.ones(size)
    start = time.time()
    for t in range(count):
        link.give(Message(worker, life, 2 * t, "give", life * 10**6 + t, {"g": g}))
        link.ask(Message(worker, life, 2 * t + 1, "ask", t, {}))
    return start, time.time()


def swaps(bare: tuple[str, str], size: int, count: int) -> tuple[float, float]:
    """On a worker: when `count` cycles with the bare actor began and ended."""
    line, g = Line(*bare), np.ones(size)
    start = time.time()
    for _ in range(count):
        line.call("swap", g).result()
    return start, time.time()


class OnDask:
    """A shard and a bare actor in one process, called from `callers` others."""

    def __init__(self, callers: int):
        self.client = connect(workers=callers + 1)
        self.server, *self.callers = sorted(self.client.scheduler_info(n_workers=-1)["workers"])
        self.life = 0

    def begin(self, size: int) -> None:
        where = {"actor": True, "workers": [self.server], "pure": False}
        shard = self.client.submit(ShardActor, async_sgd(SGD), np.zeros(size), 3, 10.0, **where)
        self.actors = [shard.result(), self.client.submit(Bare, **where).result()]
        self.actors[0].open().result()
        self.links = [(actor._address, actor._key) for actor in self.actors]

    def _joined(self, callers: int) -> list[tuple[int, str]]:
        self.life += 1
        for w in range(callers):
            self.actors[0].join(w, self.life).result()
        return list(enumerate(self.callers[:callers]))

    def pushes(self, size: int, count: int) -> tuple[float, float]:
        [(_, where)] = self._joined(1)
        return self.client.submit(rally, self.links, size, count, self.life, workers=[where], pure=False).result()

    def cycles(self, size: int, count: int, callers: int) -> float:
        return _spent(self.client.gather([
            self.client.submit(cycles, self.links[0], size, count, w, self.life, workers=[where], pure=False)
            for w, where in self._joined(callers)
        ]))  # fmt: skip

    def swaps(self, size: int, count: int, callers: int) -> float:
        return _spent(self.client.gather([
            self.client.submit(swaps, self.links[1], size, count, workers=[where], pure=False)
            for where in self.callers[:callers]
        ]))  # fmt: skip

    def end(self) -> None:
        disconnect(self.client)


def _spent(times: list[tuple[float, float]]) -> float:
    """From the first's beginning to the last's end."""
    return max(end for _, end in times) - min(start for start, _ in times)


class OnRay:
    """An actor of Ray that adds a gradient and returns the parameters, and others that call it."""

    def __init__(self, callers: int):
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        import ray

        class Holder:
            def __init__(self, size: int):
                self.theta = np.zeros(size)

            def cycle(self, g: np.ndarray) -> np.ndarray:
                self.theta -= 1e-3 * g
                return self.theta

        class Caller:
            def cycles(self, holder: Any, size: int, count: int) -> tuple[float, float]:
                g, start = np.ones(size), time.time()
                for _ in range(count):
                    ray.get(holder.cycle.remote(g))
                return start, time.time()

        ray.init(num_cpus=callers + 1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        self.name = f"Ray {ray.__version__}, one call of an actor"
        self.ray, self.holding = ray, ray.remote(Holder)
        self.callers = [ray.remote(Caller).remote() for _ in range(callers)]

    def begin(self, size: int) -> None:
        self.holder = self.holding.remote(size)

    def cycles(self, size: int, count: int, callers: int) -> float:
        return _spent(self.ray.get([c.cycles.remote(self.holder, size, count) for c in self.callers[:callers]]))

    def end(self) -> None:
        self.ray.shutdown()


def by_gloo(rank: int, processes: int, meet: str, orders: Any) -> None:
    """A process that holds the parameters (rank 0), or one that sends it gradients; until an order of None."""
    import torch
    from torch import distributed

    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=processes)
    while (order := orders.recv()) is not None:
        size, count = order
        g, theta, start = torch.ones(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64), time.time()
        for _ in range(count):
            if rank:
                distributed.send(g, 0)
                distributed.recv(theta, 0)
            else:
                source = distributed.recv(g)
                theta.sub_(g, alpha=1e-3)
                distributed.send(theta, source)
        orders.send((start, time.time()))
    distributed.destroy_process_group()


class OnGloo:
    """Processes that send a gradient and receive the parameters, by hand."""

    def __init__(self, callers: int):
        self.name = "gloo by hand"
        new = multiprocessing.get_context("spawn")
        self.pipes, ends = zip(*[new.Pipe() for _ in range(callers + 1)], strict=True)
        self.folder = tempfile.TemporaryDirectory()
        self.processes = [
            new.Process(target=by_gloo, args=(rank, callers + 1, f"{self.folder.name}/meet", end), daemon=True)
            for rank, end in enumerate(ends)
        ]
        for process in self.processes:
            process.start()

    def begin(self, size: int) -> None:
        pass

    def cycles(self, size: int, count: int, callers: int) -> float:
        for rank, pipe in enumerate(self.pipes[: callers + 1]):
            pipe.send((size, count if rank else count * callers))
        return _spent([pipe.recv() for pipe in self.pipes[: callers + 1]][1:])

    def end(self) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join()
        self.folder.cleanup()


SIZES = {10**3: 200, 10**5: 100, 10**6: 20}  #: doubles, and cycles in a turn
PROCESSES = (1, 2, 4, 8)


def pushes(quick: bool) -> list[Row]:
    if not has("distributed"):
        return []
    dask, rows = OnDask(1), []
    try:
        for size, count in SIZES.items():
            dask.begin(size)
            times = np.array([dask.pushes(size, count) for _ in range(4 if quick else 10)][1:])
            ours = f"{count / np.median(times[:, 0]):.0f} a second"
            rows.append(row(f"push of {size:.0e} doubles", "bare actor", times[:, 1] / times[:, 0], 0.8, ours))
    finally:
        dask.end()
    return rows


#: The peers, what each needs, and the share of its speed that is asked for at the sizes above.
PEERS = (
    (OnRay, "ray", (0.7, 0.9, 0.9)),
    (OnGloo, "torch", (None, None, None)),
)


def peers(quick: bool) -> list[Row]:
    """Cycles in turns: ours, the bare actor, and each peer that is installed."""
    if not has("distributed"):
        return []
    rows, others = [], []
    dask = OnDask(max(PROCESSES))
    try:
        for peer, module, bars in PEERS:
            if not has(module):
                print(f"{peer.__name__}: {module} is not installed, so it is left out")
                continue
            try:
                others.append((peer(max(PROCESSES)), bars))
            except Exception as error:  # Ray gives up where the cores are busy
                print(f"{peer.__name__} does not start here, so it is left out: {error}")
        for at, (size, count) in enumerate(SIZES.items()):
            for each in (dask, *(other for other, _ in others)):
                each.begin(size)
            turns: list[tuple[str, float | None, Callable[..., float]]] = [("bare actor", 0.8, dask.swaps)]
            turns += [(other.name, bars[at], other.cycles) for other, bars in others]
            for callers in PROCESSES:
                times = np.array([
                    [dask.cycles(size, count, callers), *(cycle(size, count, callers) for *_, cycle in turns)]
                    for _ in range(4 if quick else 8)
                ])[1:]  # fmt: skip
                rate = callers * count / np.median(times, axis=0)
                for i, (name, bar, _) in enumerate(turns, 1):
                    job = f"cycle of {size:.0e} doubles, {callers} process{'es' * (callers > 1)}"
                    said = f"{rate[0]:.0f} a second, the peer {rate[i]:.0f}"
                    rows.append(row(job, name, times[:, i] / times[:, 0], bar, said))
    finally:
        for each in (dask, *(other for other, _ in others)):
            each.end()
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


PARTS = {"pushes": pushes, "peers": peers, "simulation": simulation, "truth": truth}


def main() -> int:
    options = asked(__doc__ or "", "RESULTS-PARALLEL.md", PARTS)
    rows = [row for part in options.only or PARTS for row in PARTS[part](options.quick)]
    report(rows, options, "bench_parallel.py", "RESULTS-PARALLEL.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
