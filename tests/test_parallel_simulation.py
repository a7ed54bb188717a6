"""The simulated cluster: its clock, its queues, its deaths, and that it runs the very algorithms."""

import math

import numpy as np
import pytest
from crowd import TABLE

from optlib import Optimizer, data, models, rules
from optlib.parallel import (
    Cluster,
    LocalSGD,
    Server,
    SyncSGD,
    Worker,
    async_sgd,
    exponential,
    lognormal,
    parts,
    simulate,
    stragglers,
    train,
)

SGD = Optimizer(rules.sgd, lr=0.05)
X, Y = data.regression(n=120, d=6, seed=3)
ROUGH = Cluster(
    compute=lognormal(1.0, 0.6), latency=exponential(0.2), bandwidth=500.0, server_bandwidth=900.0, service=0.02
)
MORTAL = Cluster(compute=lognormal(1.0, 0.6), latency=exponential(0.3), lifetime=exponential(20.0), restart=2.0)


def dealt(workers):
    return parts(models.LinearRegression(), X, Y, workers, batch_size=5, seed=1)


def by_shard(run):
    return [[event for event in run.order if event.shard == shard] for shard in range(len(run.versions))]


# --- the same objects --------------------------------------------------------------------------------


@pytest.mark.parametrize("cluster", [ROUGH, MORTAL], ids=["rough", "mortal"])
@pytest.mark.parametrize("name", TABLE)
def test_its_order_repeated_in_one_process_gives_the_same_numbers(name, cluster):
    algorithm, workers = TABLE[name](0.02), dealt(4)
    run = train(
        algorithm, workers, np.ones(6), steps=15, shards=2, backend="simulate", cluster=cluster, seed=7
    )  # fmt: skip
    again = train(algorithm, workers, np.ones(6), steps=15, shards=2, order=run.order)
    assert run.finished
    assert by_shard(again) == by_shard(run)
    np.testing.assert_array_equal(again.theta, run.theta)
    np.testing.assert_array_equal(again.staleness, run.staleness)
    assert again.versions == run.versions
    if cluster is MORTAL:
        assert any("died" in line for line in run.log)


@pytest.mark.parametrize("name", TABLE)
def test_without_numbers_the_same_happens_at_the_same_times(name):
    algorithm = TABLE[name](0.01)
    for cluster in (ROUGH, MORTAL):
        full = simulate(algorithm, dealt(4), np.ones(6), steps=12, shards=2, cluster=cluster)
        dry = simulate(algorithm, workers=4, size=6, steps=12, shards=2, cluster=cluster)
        assert dry.order == full.order
        assert dry.spans == full.spans
        assert (dry.time, dry.events, dry.versions) == (full.time, full.events, full.versions)


@pytest.mark.parametrize("name", TABLE)
def test_the_sizes_of_messages_are_those_that_are_sent(name):
    algorithm, ask, give, answer = TABLE[name](0.01), {}, {}, {}
    server, worker = Server(algorithm, np.ones(6)), Worker(algorithm, 0, np.ones(6), steps=1)
    server.join(0)
    ask = worker.advance()
    answer = server.receive(ask)[0][1].payload
    give = worker.advance(worker.advance(server._answers[0]).point)
    sizes = [
        sum(map(np.size, payload.values())) // 6 for payload in (ask.payload, give.payload if give else {}, answer)
    ]
    assert tuple(sizes) == algorithm.vectors


def test_the_seed_decides():
    runs = [simulate(async_sgd(SGD), workers=5, steps=9, cluster=ROUGH, seed=seed) for seed in (1, 1, 2)]
    assert runs[0].spans == runs[1].spans != runs[2].spans


def test_two_algorithms_see_the_same_slow_gradients():
    runs = [simulate(make(SGD), workers=5, steps=9, cluster=ROUGH, seed=1) for make in (async_sgd, SyncSGD)]
    lengths = [{(s.worker, s.step): s.end - s.start for s in run.spans} for run in runs]
    assert lengths[0] == pytest.approx(lengths[1])


# --- the clock -----------------------------------------------------------------------------------------


def test_a_round_takes_a_gradient_and_two_messages():
    run = simulate(SyncSGD(SGD), workers=3, steps=10, cluster=Cluster(compute=1.0, latency=0.1))
    assert run.time == pytest.approx(10 * 1.2 + 0.1)
    assert [s.start for s in run.spans[:3]] == pytest.approx([0.2] * 3)


@pytest.mark.parametrize("workers", [1, 10, 100])
def test_waiting_for_the_slowest_costs_a_logarithm(workers):
    """With times of no memory the slowest of p takes the harmonic number of p, so that efficiency falls as 1 / ln p."""
    cluster = Cluster(compute=exponential(1.0))
    steps = 20000 // workers
    waiting = simulate(SyncSGD(SGD), workers=workers, steps=steps, cluster=cluster).time / steps
    assert waiting == pytest.approx(sum(1 / k for k in range(1, workers + 1)), rel=0.05)
    going_on = simulate(async_sgd(SGD), workers=workers, steps=steps, cluster=cluster)
    assert np.mean([s.end - s.start for s in going_on.spans]) == pytest.approx(1.0, rel=0.05)
    assert len(going_on.spans) / going_on.time > 0.7 * workers  # the end, when few are left, included


def test_one_straggler_holds_up_only_those_who_wait():
    cluster = Cluster(compute=1.0, speeds={3: 10.0})
    waits = simulate(SyncSGD(SGD), workers=4, steps=20, cluster=cluster)
    assert waits.time == pytest.approx(200.0)
    goes_on = simulate(async_sgd(SGD), workers=4, steps=20, cluster=cluster, until=20.5)
    assert goes_on.updates == 3 * 20 + 2
    assert not goes_on.finished


def test_stragglers_now_and_then():
    draws = stragglers(exponential(1.0), share=0.1, factor=20.0)(np.random.default_rng(0), 20000)
    assert draws.mean() == pytest.approx(0.9 + 0.1 * 20, rel=0.05)


def test_messages_take_their_bytes_over_the_bandwidth():
    """1000 numbers, 8000 bytes: a second each way, a gradient in between."""
    run = simulate(async_sgd(SGD), workers=1, size=1000, steps=5, cluster=Cluster(compute=3.0, bandwidth=8000.0))
    # the next question stands behind the gift on the worker's line
    assert run.time == pytest.approx(5 * (1 + 3 + 1))


def test_shards_share_the_load_of_a_server():
    """A server whose line is the bottleneck is relieved by more shards, each with a line of its own."""
    cluster = Cluster(compute=0.1, server_bandwidth=8000.0)
    times = [
        simulate(async_sgd(SGD), workers=20, size=1000, shards=k, steps=5, cluster=cluster).time for k in (1, 2, 4)
    ]
    assert times[0] > 1.8 * times[1] > 3.2 * times[2]
    assert times[0] >= 100.0  # a hundred gifts of a second each


def test_messages_queue_for_the_server():
    run = simulate(async_sgd(SGD), workers=50, steps=10, cluster=Cluster(compute=1.0, service=0.1))
    assert run.time >= 99.9  # two messages for each of 500 gradients
    alone = simulate(async_sgd(SGD), workers=1, steps=10, cluster=Cluster(compute=1.0, service=0.1))
    assert alone.time == pytest.approx(10 * (1.0 + 2 * 0.1))


def test_messages_between_two_keep_their_order():
    run = simulate(async_sgd(SGD), workers=3, steps=50, cluster=Cluster(latency=exponential(5.0)))
    for w in range(3):
        assert [e.number for e in run.order if e.worker == w and e.what == "message"] == list(range(100))


def test_staleness_grows_with_the_workers():
    """When all are equally fast, everyone else makes an update between a fetch and its push: p - 1 of them."""
    for p in (1, 2, 8, 32):
        run = simulate(async_sgd(SGD), workers=p, steps=60, cluster=Cluster(compute=lognormal(1.0, 0.1)))
        middle = run.staleness[p * 5 : -p * 5]
        assert middle.mean() == pytest.approx(p - 1, abs=0.05 * p)


def test_local_sgd_talks_less():
    cluster = Cluster(compute=1.0, latency=2.0)
    often, seldom = (simulate(LocalSGD(SGD, period=k), workers=4, steps=40, cluster=cluster).time for k in (1, 10))
    assert often == pytest.approx(40 * 5 + 2)
    assert seldom == pytest.approx(40 + 4 * 4 + 2)


def test_a_worker_may_come_later():
    run = simulate(async_sgd(SGD), workers=2, steps=5, cluster=Cluster(joins={1: 3.5}))
    assert min(s.start for s in run.spans if s.worker == 1) == 3.5
    assert run.time == pytest.approx(8.5)


# --- deaths ----------------------------------------------------------------------------------------------


def counting(theta, t):
    """A gradient that says which step it was for."""
    g = np.zeros_like(theta)
    g[t] = 1.0
    return g


@pytest.mark.parametrize("name", ["async_sgd", "sync_sgd"])
def test_no_update_is_lost_or_doubled_when_workers_die(name):
    """Each worker's every step counts once, whoever finished it: what a dead worker had not delivered is done anew."""
    workers, steps = 5, 30
    run = train(
        TABLE[name](1.0), [counting] * workers, np.zeros(steps), steps=steps, backend="simulate", cluster=MORTAL, seed=3
    )
    assert run.finished
    deaths = sum("died" in line for line in run.log)
    assert deaths >= 3
    assert sum("took over" in line for line in run.log) == deaths
    if name == "async_sgd":
        np.testing.assert_allclose(run.theta, -workers * np.ones(steps))
    else:  # the mean of those who are there; a few rounds are made with fewer
        assert run.updates >= steps
        assert (run.theta < 0).all()


def test_nobody_waits_for_the_dead():
    cluster = Cluster(compute=1.0, lifetime=lambda rng, size: rng.uniform(3.0, 60.0, size), restart=None, notice=0.5)
    run = simulate(SyncSGD(SGD), workers=6, steps=20, cluster=cluster)
    assert not run.finished
    assert any("died" in line for line in run.log)
    assert max(s.step for s in run.spans) == 19


def test_all_may_die():
    run = simulate(async_sgd(SGD), workers=3, steps=20, cluster=Cluster(lifetime=5.5, restart=None))
    assert not run.finished
    assert run.updates == 15
    assert len(run.log) == 3


# --- size ------------------------------------------------------------------------------------------------


def test_ten_thousand_workers():
    run = simulate(async_sgd(SGD), workers=10_000, steps=2, cluster=Cluster(compute=exponential(1.0), latency=0.01))
    assert run.finished
    assert run.updates == 20_000
    assert run.staleness.max() > 5_000


@pytest.mark.parametrize("make", [async_sgd, SyncSGD])
def test_events_grow_with_the_work_alone(make):
    """As many events for a gradient with 1000 workers as with 10: nobody polls."""
    each = [simulate(make(SGD), workers=w, steps=10, cluster=ROUGH).events / w for w in (10, 1000)]
    assert each[0] == pytest.approx(each[1], rel=0.01)


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cluster(compute=-1.0), "compute=-1.0 is out of range"),
        (lambda: Cluster(latency=math.nan), "latency=nan"),
        (lambda: Cluster(bandwidth=0.0), r"bandwidth=0.0 is out of range; allowed is \(0, inf\)"),
        (lambda: Cluster(service=math.inf), "service=inf is out of range"),
        (lambda: Cluster(speeds={1: -2.0}), r"speeds\[1\]=-2.0"),
        (lambda: stragglers(1.0, share=2.0, factor=1.0), "share=2.0"),
        (lambda: simulate(async_sgd(SGD), workers=0, steps=1), "workers=0"),
        (lambda: simulate(async_sgd(SGD), steps=1), "give oracles and theta, or"),
        (lambda: simulate(async_sgd(SGD), [lambda x, n: x], [1.0], steps=1), "updates must be called t"),
        (lambda: simulate(async_sgd(SGD), workers=1, steps=1, until=0.0), "until=0.0"),
        (lambda: simulate(async_sgd(SGD), workers=1, steps=1, seed=-1), "seed=-1"),
        (lambda: simulate(async_sgd(SGD), workers=1, steps=1, shards=2), "theta has only 1 number"),
        (lambda: simulate(async_sgd(SGD), workers=1, steps=1, cluster=3), "must be a Cluster"),
        (
            lambda: simulate(
                async_sgd(SGD), workers=1, steps=1, cluster=Cluster(compute=lambda rng, size: [-1] * size)
            ),
            "a distribution returns",
        ),
    ],
)
def test_what_does_not_fit_is_said(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
