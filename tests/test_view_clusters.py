"""What chapter 08 measures: maps of springs and of ADMM, the ring, a graph's traffic, a contest that is fair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downhill_course.dataflow import devices
from downhill_course.figures import clusters
from optlib import Optimizer, parallel, rules
from optlib.view import Picture

SGD = Optimizer(rules.sgd, lr=0.3)


def test_the_elastic_round_is_what_the_library_does():
    eta, alpha, workers, rounds = 0.3, 0.2, 3, 5
    state = np.full(workers + 1, 2.0)
    for _ in range(rounds):
        state = clusters.elastic_round(eta, alpha, workers) @ state
    easgd = parallel.EASGD(Optimizer(rules.sgd, lr=eta), alpha=alpha)
    run = parallel.train(easgd, [lambda theta: theta] * workers, [2.0], steps=rounds)
    assert run.theta[0] == pytest.approx(state[-1], abs=1e-14)
    np.testing.assert_allclose([memory["x"][0] for memory in run.workers], state[:-1], rtol=0, atol=1e-14)


def test_the_round_of_admm_by_hand():
    """One worker, from x = centre = 1 and lambda = 0: lambda stays 0, x = (1 - eta + eta rho) / (1 + eta rho)."""
    eta, rho = 0.1, 2.0
    x, dual, centre = clusters.admm_round(eta, rho, 1) @ [1.0, 0.0, 1.0]
    assert (x, dual, centre) == pytest.approx((1.1 / 1.2, 0.0, 1.1 / 1.2))
    x, dual, centre = clusters.admm_round(eta, rho, 1) @ [3.0, 0.5, 1.0]  # lambda = 0.5 - 2
    assert dual == pytest.approx(-1.5)
    assert x == pytest.approx((3 * 0.9 + 0.2 * (-1.5 + 1)) / 1.2)
    assert centre == pytest.approx(x + 1.5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 30), st.integers(0, 10**6))
def test_the_ring_ends_with_the_sum_everywhere(workers, size, seed):
    vectors = np.random.default_rng(seed).normal(size=(workers, size))
    sums, sent = clusters.all_reduce(vectors)
    np.testing.assert_allclose(sums, np.tile(vectors.sum(axis=0), (workers, 1)), rtol=0, atol=1e-12)
    most = -(-size // workers)  # the largest piece
    assert 2 * (workers - 1) * (size // workers) <= sent <= 2 * (workers - 1) * most


def test_the_ring_leaves_its_input_alone():
    vectors = np.ones((3, 6))
    clusters.all_reduce(vectors)
    assert (vectors == 1).all()


def test_the_traffic_of_split_data_and_of_a_split_model():
    """Weights and their gradients; activations and theirs: equal at a batch of 74 (exercise 4)."""
    assert clusters.traffic((8, 74), hidden=32) == {8: (2 * (64 * 32 + 32 * 10), 2 * 32 * 8), 74: (4736, 4736)}


def test_the_chapters_network_steps_as_the_model_does():
    """Through the partition, on threads, against the loss and the gradient without a graph."""
    from optlib import models

    graph, updates, feeds = clusters.network(batch=8, hidden=5)
    start = [graph.evaluate(graph.nodes[name]) for name in "VW"]
    (V, W), _ = devices.run(graph, updates, feeds)
    model = models.MLP([64, 5, 10], "tanh")
    X, y = feeds.values()
    theta = np.concatenate([start[0].ravel(), np.zeros(5), start[1].ravel(), np.zeros(10)])
    g = model.grad(theta, X, y)
    np.testing.assert_allclose(V.ravel(), start[0].ravel() - 0.5 * g[:320], rtol=0, atol=1e-12)
    np.testing.assert_allclose(W.ravel(), start[1].ravel() - 0.5 * g[325:375], rtol=0, atol=1e-12)


def test_replicas_drift_the_longer_they_do_not_fetch():
    found = clusters.spread((1, 5, 20))
    assert found[1] < found[5] < found[20]
    assert found[20] > 5 * found[1]


def test_loose_springs_explore_and_leave_the_centre_on_the_hill():
    found = clusters.explored((0.002, 0.2), runs=10)
    assert found[0.002][0] > 2 > 1.5 > found[0.2][0]
    assert found[0.002][1] > 5 * found[0.2][1]


@pytest.mark.slow
def test_no_contestant_has_its_best_rate_at_the_end_of_the_range():
    """Otherwise the contest would say more about the range than about the algorithm."""
    for name, make in clusters.CONTESTANTS.items():
        for cluster in (clusters.FAST, clusters.SLOW):
            losses = [
                np.median([clusters._end(make(lr), cluster, seed) for seed in (100, 101, 102)]) for lr in clusters.RATES
            ]
            assert 0 < int(np.argmin(losses)) < len(losses) - 1, (name, losses)


def test_who_talks_seldom_loses_least_on_a_slow_network():
    median = {name: float(np.median(clusters.contest(name, False))) for name in clusters.CONTESTANTS}
    often = [median[name] for name in ("synchronous", "asynchronous")]
    assert max(loss for name, loss in median.items() if name.endswith("10")) < min(often)


def test_a_shard_serves_as_many_gradients_as_its_line_carries_vectors():
    cluster = parallel.Cluster(compute=1.0, latency=0.001, server_bandwidth=125e6)
    for shards in (1, 4):
        speed = clusters.speed(parallel.async_sgd(SGD), 128, shards, 1_000_000, cluster)
        assert speed == pytest.approx(shards * 125 / 8, rel=0.08)


@pytest.mark.parametrize("draw", [clusters.anatomy, clusters.centres, lambda: clusters.throughput((1, 4), (1,))])
def test_pictures(draw):
    drawn = draw()
    assert isinstance(drawn, Picture)
    assert len(drawn.png) > 1000


def test_two_time_lines_end_together():
    runs = [parallel.simulate(parallel.async_sgd(SGD), workers=2, steps=n) for n in (3, 5)]
    drawn = clusters.real_and_simulated(*runs)
    first, second = drawn.figure.axes
    assert first.get_xlim() == second.get_xlim()
