"""Faults on separate processes, and what each costs each algorithm: updates lost and doubled, seconds, what is said.

    PYTHONPATH=tests python benchmarks/bench_faults.py    # some twenty minutes
        ... --only async,local                            # some of the algorithms
        ... --freeze 60                                   # seconds that a frozen process sleeps
        ... --write                                       # into RESULTS-FAULTS.md

A scheduler and three workers without nanny, two replicas, two shards. Each worker's every step has a coordinate of its
own, where its gradient is 1, and the server adds up: so each coordinate tells how often its step was counted. Elastic
averages do not add up; there the gradient is that of a bowl, and what counts is whether the centre comes to its bottom.

Seconds are counted from the fault: until the server had made one update more than it had at the fault, and until the
end of the run, which without a fault lasts two to three seconds from there. When the scheduler or the client is killed
the run ends, and another goes on from its checkpoint: there the first number is until the workers were told and free.
A partition is between one worker's host and one shard's, each of which reaches everyone else: network namespaces, which
need root on Linux, made by tests/hosts.py. It heals after as many seconds as a frozen process sleeps.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optlib import Optimizer, rules
from optlib.parallel import EASGD, AdaptiveRevision, Downpour, LocalSGD, SyncSGD, async_sgd, eamsgd, train
from optlib.parallel.checkpoints import NAME, read

WORKERS, STEPS, PAUSE = 2, 100, 0.02
ONE, SMALL = Optimizer(rules.sgd, lr=1.0), Optimizer(rules.sgd, lr=0.1)


class _Sum:
    def merge(self, theta: Any, state: Any, payloads: Any) -> Any:
        return theta - sum(payload["g"] for payload in payloads), state, [{}] * len(payloads)


@dataclass(frozen=True)
class Together(_Sum, SyncSGD):
    """Synchronous SGD that adds up instead of averaging."""


@dataclass(frozen=True)
class Periods(_Sum, LocalSGD):
    """Local SGD that adds up instead of averaging."""


#: Updates after which the fault comes.
WHEN = {"local": 4}

#: Each algorithm, and where a step that counted once has brought its coordinate; None: it does not add up.
ALGORITHMS: dict[str, tuple[Any, float | None]] = {
    "sync": (Together(ONE), -1.0),
    "async": (async_sgd(ONE), -1.0),
    "downpour": (Downpour(ONE, n_fetch=3, n_push=2), -1.0),
    "delay-tolerant": (AdaptiveRevision(lr=1.0), -(0.5**0.5)),
    "local": (Periods(ONE, period=5), -1.0),
    "easgd": (EASGD(SMALL, 0.2, 4), None),
    "eamsgd": (eamsgd(0.02, 0.9, 0.2, 4), None),
}


def bowl(theta: np.ndarray) -> np.ndarray:
    """The gradient of half the square."""
    return theta


class Count:
    """The gradient of one worker: 1 where this step is counted, or that of a bowl."""

    def __init__(self, worker: int, bowl: bool):
        self.worker, self.bowl = worker, bowl

    def __call__(self, theta: np.ndarray, t: int) -> np.ndarray:
        time.sleep(PAUSE)
        g = np.zeros_like(theta)
        g[self.worker * STEPS + t] = 1.0
        return bowl(theta) if self.bowl else g


class Cluster:
    """A scheduler and three workers, each a process of its own; with a `net`, each on a host of its own."""

    def __init__(self, net: Any = None) -> None:
        self.net = net
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "scheduler.json"
        self.processes: list[subprocess.Popen] = []
        file = ("--scheduler-file", str(self.file), "--no-dashboard")
        self.scheduler = self._start(1, "dask_scheduler", *file, "--port", "0")
        for host in (2, 3, 4):
            self._start(host, "dask_worker", *file, "--no-nanny")
        while not self.file.exists():
            time.sleep(0.1)

    def _start(self, host: int, program: str, *options: str) -> subprocess.Popen:
        place = "127.0.0.1" if self.net is None else f"10.77.0.{host}"
        command = [sys.executable, "-m", f"distributed.cli.{program}", "--host", place, *options]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        start = subprocess.Popen(command, **quiet) if self.net is None else self.net.start(host, *command)  # type: ignore[call-overload]
        self.processes.append(start)
        return start

    def client(self) -> Any:
        from distributed import Client

        made = Client(scheduler_file=str(self.file), timeout=60)
        made.wait_for_workers(3, timeout=120)
        return made

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.folder.cleanup()


def places(client: Any) -> list[str]:
    """Shards are put on the first of them, replicas on the last."""
    return sorted(client.nthreads())


def send(client: Any, place: str, what: signal.Signals) -> int:
    [pid] = client.run(os.getpid, workers=[place]).values()
    os.kill(pid, what)
    return pid


def kill_worker(client: Any, cluster: Cluster, freeze: float) -> None:
    send(client, places(client)[-1], signal.SIGKILL)


def kill_shard(client: Any, cluster: Cluster, freeze: float) -> None:
    send(client, places(client)[0], signal.SIGKILL)


def _freeze(client: Any, place: str, seconds: float) -> None:
    pid = send(client, place, signal.SIGSTOP)

    def wake() -> None:
        with contextlib.suppress(ProcessLookupError):  # the run ended before, and the cluster with it
            os.kill(pid, signal.SIGCONT)

    threading.Timer(seconds, wake).start()


def freeze_worker(client: Any, cluster: Cluster, freeze: float) -> None:
    _freeze(client, places(client)[-1], freeze)


def freeze_shard(client: Any, cluster: Cluster, freeze: float) -> None:
    _freeze(client, places(client)[0], freeze)


def abort(dask_worker: Any) -> None:
    pool = dask_worker.rpc
    for comms in [*pool.occupied.values(), *pool.available.values()]:
        for comm in list(comms):
            comm.abort()


def cut_lines(client: Any, cluster: Cluster, freeze: float) -> None:
    client.run(abort)


def kill_scheduler(client: Any, cluster: Cluster, freeze: float) -> None:
    cluster.scheduler.kill()


def part(client: Any, cluster: Cluster, freeze: float) -> None:
    cluster.net.cut(2, 4)
    threading.Timer(freeze, cluster.net.heal).start()


def nothing(client: Any, cluster: Cluster, freeze: float) -> None:
    pass


FAULTS: dict[str, Callable[[Any, Cluster, float], None] | None] = {
    "none": nothing, "kill -9 of a worker": kill_worker, "kill -9 of a shard": kill_shard,
    "a worker frozen": freeze_worker, "a shard frozen": freeze_shard, "every connection cut": cut_lines,
    "a partition": part, "kill -9 of the scheduler": kill_scheduler, "kill -9 of the client": None,
}  # fmt: skip


@dataclass
class Clock:
    """A `progress` that strikes once, and notes when the run had come further than it was then."""

    when: int
    strike: Callable[[], None]
    hit: float = 0.0
    at: int = 0
    further: float = 0.0

    def __call__(self, measured: Any) -> None:
        if not self.hit and measured.updates >= self.when:
            self.hit, self.at = time.monotonic(), measured.updates
            self.strike()
        elif self.hit and not self.further and measured.updates > self.at:
            self.further = time.monotonic() - self.hit


def begin(name: str, client: Any, folder: Path, **options: Any) -> Any:
    algorithm, once = ALGORITHMS[name]
    theta = np.zeros(WORKERS * STEPS) if once is not None else np.full(WORKERS * STEPS, 100.0)
    oracles = [Count(w, once is None) for w in range(WORKERS)]
    return train(
        algorithm, oracles, theta, steps=STEPS, shards=2, backend=client, checkpoint=folder, interval=0.2, **options
    )  # fmt: skip


def replicas(dask_worker: Any) -> int:
    """Threads of a worker that still work for somebody."""
    return sum("replica" in str(key) for key in dask_worker.active_threads.values())


def kill_client(name: str, cluster: Cluster, folder: Path) -> tuple[Any, list[str], float, float]:
    """A client in a process of its own is killed in the middle; the workers get free, and another client resumes."""
    child = subprocess.Popen([sys.executable, __file__, "--client", name, str(cluster.file), str(folder)])
    cluster.processes.append(child)
    while not (folder / NAME).exists() or read(folder)[0]["version"] < WHEN.get(name, 20):
        time.sleep(0.05)
    child.kill()
    child.wait()
    began = time.monotonic()
    with cluster.client() as client:
        while any(client.run(replicas).values()) and time.monotonic() - began < 60:
            time.sleep(0.2)
        free = time.monotonic() - began
        run = begin(name, client, folder, resume=folder)
    return run, run.log, free, time.monotonic() - began


def fault(name: str, what: str, freeze: float, net: Any = None) -> tuple[Any, list[str], float, float]:
    """One cell: the run that came to its end, what it said, and seconds from the fault to its going on and its end."""
    cluster, strike = Cluster(net), FAULTS[what]
    try:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            if strike is None:
                return kill_client(name, cluster, folder)
            client = cluster.client()
            clock = Clock(WHEN.get(name, 20), lambda: strike(client, cluster, freeze))
            try:
                run = begin(name, client, folder, progress=clock)
                return run, run.log, clock.further, time.monotonic() - clock.hit
            except ConnectionError as error:  # another scheduler, and on from the checkpoint
                told = time.monotonic() - clock.hit
                other = Cluster(net)
                try:
                    with other.client() as again:
                        run = begin(name, again, folder, resume=folder)
                finally:
                    other.close()
                return run, [str(error), *run.log], told, time.monotonic() - clock.hit
            finally:
                with warnings.catch_warnings(action="ignore"):
                    client.close(timeout=2)
    finally:
        cluster.close()


def parted(name: str, what: str, freeze: float) -> tuple[Any, list[str], float, float]:
    """A cell whose processes are on hosts of their own."""
    import hosts

    why_not = hosts.reason_why_not()
    if why_not:
        raise OSError(why_not)
    with hosts.Hosts(4, delay=0.001) as net, hosts.on(net.names[0]):
        return fault(name, what, freeze, net)


def cell(name: str, what: str, freeze: float) -> str:
    """A line of the table."""
    run, said, further, end = (parted if FAULTS[what] is part else fault)(name, what, freeze)
    algorithm, once = ALGORITHMS[name]
    if once is None:
        calm = train(algorithm, [bowl] * WORKERS, np.full(WORKERS * STEPS, 100.0), steps=STEPS, shards=2).theta
        at, usual = float(np.abs(run.theta).max()), float(np.abs(calm).max())
        counted = ("its own distance, by nature", f"centre {at:.1g} from the bottom, without a fault {usual:.1g}")
    else:
        counts = run.theta / once
        lost, doubled = int((counts < 0.5).sum()), int((counts > 1 + 1e-9).sum())
        counted = (str(lost), str(doubled))
    first = next((line for line in said if not line.startswith("goes on from")), "nothing")
    return f"| {what} | {name} | {counted[0]} | {counted[1]} | {further:.1f} | {end:.1f} | {hidden(first)} |"


def hidden(line: str) -> str:
    """A message without addresses and folders, which differ from run to run."""
    words = ["..." if "://" in word or "/tmp" in word else word for word in line.replace("|", "/").split()]
    return " ".join(words)[:160]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(ALGORITHMS), help="algorithms, with commas between")
    parser.add_argument("--faults", default="", help="a part of the faults' names, with commas between")
    parser.add_argument("--freeze", type=float, default=15.0)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        from distributed import Client

        name, file, folder = options.client
        begin(name, Client(scheduler_file=file, timeout=60), Path(folder))
        return 0
    lines = [
        "| fault | algorithm | lost | doubled | went on after | end after | the first thing said |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    parts = options.faults.split(",")
    for what in (what for what in FAULTS if any(part in what for part in parts)):
        for name in options.only.split(","):
            lines.append(cell(name, what, options.freeze))
            print(lines[-1], flush=True)
    if options.write:
        head = (__doc__ or "").strip().split("\n\n")
        told = "\n\n".join(head[-2:])
        text = f"# Results of `benchmarks/bench_faults.py`\n\n{told}\n\n" + "\n".join(lines) + "\n"
        Path(__file__).with_name("RESULTS-FAULTS.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
