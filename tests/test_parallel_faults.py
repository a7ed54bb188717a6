"""Nothing is lost and nothing doubled: a counting problem whose answer is known, under thousands of random schedules.

Every worker's every step has a coordinate of its own, and its gradient is 1 there. The server of each algorithm adds up
what it is given. So at the end each coordinate tells how often its step was counted.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optlib import Optimizer, rules, surfaces
from optlib.parallel import (
    EASGD,
    Cluster,
    Downpour,
    LocalSGD,
    Server,
    StreamingDiLoCo,
    SyncEASGD,
    SyncSGD,
    async_sgd,
    eamsgd,
    train,
)
from optlib.parallel.engine import Engine

ONE = Optimizer(rules.sgd, lr=1.0)
SMALL = Optimizer(rules.sgd, lr=0.1)


class _Sum:
    """A server that adds up instead of averaging: whoever else was in the round, a step counts 1."""

    def merge(self, theta, state, payloads):
        return theta - sum(payload["g"] for payload in payloads), state, [{}] * len(payloads)


@dataclass(frozen=True)
class Together(_Sum, SyncSGD):
    pass


@dataclass(frozen=True)
class Periods(_Sum, LocalSGD):
    pass


COUNTS = {
    "sync": Together(ONE),
    "async": async_sgd(ONE),
    "downpour": Downpour(ONE, n_fetch=3, n_push=2),
    "downpour that pushes rarely": Downpour(ONE, n_fetch=2, n_push=5, warm_start=3),
    "local": Periods(ONE, period=3),
}


@dataclass(frozen=True)
class Streams(StreamingDiLoCo):
    """It adds up, fragment by fragment."""

    lr: float = 1.0
    momentum: float = 0.0

    def merge(self, theta, state, payloads):
        gave = Counter(f for payload in payloads for f in payload)
        return super().merge(theta, state, [{f: gave[f] * g for f, g in payload.items()} for payload in payloads])


STREAMS = {
    "one fragment": Streams(ONE, period=3, fragments=1), "in turn": Streams(ONE, period=4, fragments=2),
    "uneven": Streams(ONE, period=7, fragments=3), "overlapping": Streams(ONE, period=6, fragments=2, overlap=2),
}  # fmt: skip


class Count:
    """The gradient of one worker's steps."""

    def __init__(self, worker, steps):
        self.worker, self.steps = worker, steps

    def __call__(self, theta, t):
        g = np.zeros_like(theta)
        g[self.worker * self.steps + t] = 1.0
        return g


class Chaos:
    """An engine whose messages arrive in any order, twice or never, whose workers die and whose shards are lost."""

    def __init__(self, algorithm, workers, steps, shards, rng, faults):
        oracles = [Count(w, steps) for w in range(workers)]
        self.engine = Engine(algorithm, oracles, np.zeros(workers * steps), steps, workers, shards)
        self.rng, self.faults, self.workers = rng, faults, range(workers)
        self.saved = [server.snapshot() for server in self.engine.servers]
        self.marks = None  # of a cut that is being made
        for w in self.workers:
            self.engine.join(w)

    def deliver(self, shard, w):
        queue, server = self.engine.queues[w][shard], self.engine.servers[shard]
        if not queue or server.holds_back(queue[0]):
            return
        if server.knows(w, queue[0].life) and self.rng.random() < 0.2:
            self.engine.answers(shard, server.receive(queue[0]))  # once more than the engine does
        self.engine.deliver(shard, w)

    def dies(self, w):
        """Unnoticed or not; its last messages arrive or do not; the next life joins one shard after the other."""
        engine = self.engine
        for shard in self.rng.permutation(len(engine.servers)):
            for _ in range(self.rng.integers(3)):
                self.deliver(shard, w)
        engine.workers[w] = engine.inboxes[w] = None
        if self.rng.random() < 0.5:
            engine.leave(w)
        engine.lives[w] += 1
        for shard in self.rng.permutation(len(engine.servers)):
            engine.join(w, [shard])
            self.deliver(shard, int(self.rng.choice(self.workers)))

    def cut(self):
        """Begin a cut of all shards, or look whether the one begun is done; given up when somebody dies."""
        servers = self.engine.servers
        if self.marks is None:
            held = [server.hold() for server in servers]
            self.marks = {w: max(marks.get(w, (0, 0)) for marks in held) for w in set().union(*held)}
            for server in servers:
                server.go_to(self.marks)
        elif all(server.at_cut for server in servers):
            self.saved = [server.snapshot() for server in servers]
            for saved in self.saved:  # of one moment
                np.testing.assert_array_equal(saved["progress"], self.saved[0]["progress"])
            self.release()

    def release(self):
        self.marks = None
        for server in self.engine.servers:
            server.go_to(None)

    def lose_a_shard(self):
        """All go back to the last cut, and everyone begins a new life."""
        self.marks = None
        engine = self.engine
        engine.servers = [Server.restored(engine.algorithm, saved) for saved in self.saved]
        for w in self.workers:
            engine.lives[w] += 1
            engine.leave(w)
            engine.join(w)

    def run(self):
        engine, rng = self.engine, self.rng
        for moment in range(100_000):
            over = all(worker is not None and worker.done for worker in engine.workers)
            if over and not any(any(queues) for queues in engine.queues):
                return engine.point()
            w, shard = int(rng.choice(self.workers)), int(rng.integers(len(engine.servers)))
            engine.step(w) if rng.random() < 0.5 else self.deliver(shard, w)
            worker = engine.workers[w]
            if worker is not None and worker.done and not any(engine.queues[w]):
                engine.leave(w)
            fate = rng.random()
            if moment > 2000 or fate > self.faults:
                if self.marks is not None and rng.random() < 0.02:
                    self.release()
                continue
            if fate < 0.3 * self.faults:
                self.dies(w)
            elif fate < 0.36 * self.faults:
                self.lose_a_shard()
            else:
                self.cut()
        raise AssertionError("the run never ended")


def counted(name, seed, workers, steps, shards, faults):
    shards = min(shards, workers * steps)
    theta = Chaos(COUNTS[name], workers, steps, shards, np.random.default_rng(seed), faults).run()
    np.testing.assert_array_equal(theta, -1.0)


SCHEDULES = given(
    seed=st.integers(0, 2**32 - 1), workers=st.integers(1, 4), steps=st.integers(1, 12), shards=st.integers(1, 3),
    faults=st.sampled_from([0.0, 0.02, 0.1, 0.3]),
)  # fmt: skip
OPTIONS = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.parametrize("name", COUNTS)
@settings(max_examples=20, **OPTIONS)
@SCHEDULES
def test_every_step_counts_once(name, seed, workers, steps, shards, faults):
    counted(name, seed, workers, steps, shards, faults)


def streamed(name, seed, workers, steps, faults):
    """Nothing twice; lost is what a life had walked in fragments whose turn did not come before it ended."""
    algorithm = STREAMS[name]
    chaos = Chaos(algorithm, workers, max(steps, 3), 1, np.random.default_rng(seed), faults)
    counts = -chaos.run().reshape(workers, -1)
    assert np.isin(counts, [0.0, 1.0]).all()
    most = algorithm.period - algorithm.period // algorithm.fragments
    assert ((counts == 0.0).sum(axis=1) <= most * np.array(chaos.engine.lives)).all()


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=20, **OPTIONS)
@SCHEDULES
def test_a_stream_counts_nothing_twice(name, seed, workers, steps, shards, faults):
    streamed(name, seed, workers, steps, faults)


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=400, **OPTIONS)
@SCHEDULES
def test_a_stream_counts_nothing_twice_in_thousands_of_schedules(name, seed, workers, steps, shards, faults):
    streamed(name, seed, workers, steps, faults)


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
@settings(max_examples=1000, **OPTIONS)
@SCHEDULES
def test_every_step_counts_once_in_thousands_of_schedules(name, seed, workers, steps, shards, faults):
    counted(name, seed, workers, steps, shards, faults)


@pytest.mark.parametrize("algorithm", [EASGD(SMALL, 0.2, 4), SyncEASGD(SMALL, 0.2), eamsgd(0.02, 0.9, 0.2, 4)], ids=str)
def test_a_later_life_begins_at_the_servers_point(algorithm):
    """One that began where the first did would drag the centre back: from 1e4 it would never come near zero."""
    mortal = Cluster(lifetime=lambda rng, size: rng.uniform(20.0, 60.0, size), joins={3: 200.0}, restart=1.0)
    run = train(algorithm, [surfaces.bowl.grad] * 4, [1e4, -1e4], steps=800, backend="simulate", cluster=mortal)
    assert run.finished
    assert sum("died" in line for line in run.log) > 40
    assert np.abs(run.theta).max() < 1e-3
