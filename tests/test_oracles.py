"""Oracles: which examples a step sees, how noisy its gradient is, and gradient checking."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlib import Optimizer, descend, rules, run, schedules
from optlib.data import line, regression, two_classes
from optlib.models import LinearRegression, LogisticRegression
from optlib.oracles import central_difference, check_gradient, full_batch, minibatch, noisy, online, single

MODEL = LinearRegression()


def epoch(oracle, number: int = 0) -> list[int]:
    return np.concatenate(
        [oracle.indices(t) for t in range(number * oracle.batches, (number + 1) * oracle.batches)]
    ).tolist()


# --- which examples -----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 40),
    size=st.integers(1, 40),
    order=st.sampled_from(["epoch", "once", "fixed"]),
    seed=st.integers(0, 9),
)
def test_every_epoch_sees_every_example_once(n, size, order, seed):
    size = min(size, n)
    oracle = minibatch(MODEL, *line(n), batch_size=size, order=order, seed=seed)
    assert oracle.batches == math.ceil(n / size)
    for number in (0, 1, 5):
        assert sorted(epoch(oracle, number)) == list(range(n))
    sizes = [len(oracle.indices(t)) for t in range(oracle.batches)]
    assert sizes == [size] * (n // size) + [n % size] * (n % size > 0)


def test_orders():
    X, y = line(50)
    of = {order: minibatch(MODEL, X, y, batch_size=10, order=order, seed=1) for order in ("epoch", "once", "fixed")}
    assert epoch(of["fixed"]) == epoch(of["fixed"], 3) == list(range(50))
    assert epoch(of["once"]) == epoch(of["once"], 3) != list(range(50))
    assert len({tuple(epoch(of["epoch"], number)) for number in range(10)}) == 10
    assert epoch(minibatch(MODEL, X, y, batch_size=10, seed=2)) != epoch(of["epoch"])


def test_with_replacement_is_uniform():
    """Pearson's chi-square of 20,000 draws from 20 examples has 19 degrees of freedom."""
    oracle = minibatch(MODEL, *line(20), batch_size=20, order="iid", seed=1)
    drawn = [oracle.indices(t) for t in range(1000)]
    counts = np.bincount(np.concatenate(drawn), minlength=20)
    chi = ((counts - 1000) ** 2 / 1000).sum()
    assert abs(chi - 19) < 3 * math.sqrt(2 * 19)
    assert any(len(set(rows.tolist())) < 20 for rows in drawn)
    assert len({tuple(rows) for rows in drawn}) == 1000


def test_each_place_of_an_epoch_is_uniform():
    oracle = minibatch(MODEL, *line(10), batch_size=1, seed=0)
    firsts = Counter(int(oracle.indices(10 * number)[0]) for number in range(2000))
    chi = sum((firsts[i] - 200) ** 2 / 200 for i in range(10))
    assert abs(chi - 9) < 3 * math.sqrt(18)


@pytest.mark.parametrize("order", ["epoch", "once", "iid", "fixed"])
def test_a_step_follows_from_the_seed_and_its_number(order):
    """Whatever was asked before: so a resumed run sees the same batches."""
    X, y = line(30)
    used, fresh = (minibatch(MODEL, X, y, batch_size=7, order=order, seed=4) for _ in range(2))
    for t in range(40):
        used(np.zeros(2), t)
    for t in (17, 3, 39, 3):
        assert np.array_equal(used.indices(t), fresh.indices(t))
        rows = fresh.indices(t)
        assert np.array_equal(used(np.ones(2), t), MODEL.grad(np.ones(2), X[rows], y[rows]))


def test_a_resumed_run_sees_the_same_batches():
    X, y = line(30)
    optimizer = Optimizer(rules.adam, lr=0.05)
    walk = run(optimizer, minibatch(MODEL, X, y, batch_size=7, seed=4), [0.0, 0.0])
    whole = [next(walk) for _ in range(25)]
    resumed = run(optimizer, minibatch(MODEL, X, y, batch_size=7, seed=4), *whole[11])
    for expected, _ in whole[12:]:
        assert np.array_equal(next(resumed)[0], expected)


def test_single_is_a_batch_of_one_and_the_full_batch_their_mean():
    X, y = line(12)
    theta = np.array([0.3, -0.7])
    one, every = single(MODEL, X, y, seed=3), full_batch(MODEL, X, y)
    assert [len(one.indices(t)) for t in range(12)] == [1] * 12
    np.testing.assert_allclose(np.mean([one(theta, t) for t in range(12)], axis=0), every(theta), atol=1e-15)
    whole = minibatch(MODEL, X, y, batch_size=12, order="fixed")
    assert np.array_equal(whole(theta, 0), every(theta))
    assert one.loss(theta) == every.loss(theta) == MODEL.loss(theta, X, y)
    assert one.loss(np.zeros((4, 5, 2))).shape == (4, 5)


# --- what is refused ------------------------------------------------------------------------------------

BAD_DATA = [
    (np.empty((0, 2)), [], r"the data set is empty: X has shape \(0, 2\), and at least one row is needed"),
    ([1.0, 2.0], [1.0, 2.0], r"X has shape \(2,\): it must be a table of shape \(n, d\), one row an example"),
    ([[1.0], [2.0]], [1.0], r"X has 2 rows, but y has shape \(1,\): each row needs its target"),
    ([[1.0], [2.0]], 1.0, r"X has 2 rows, but y has shape \(\)"),
    ([[1.0], [np.nan]], [1.0, 2.0], r"X is not finite, first in row 1: remove or fill such examples"),
    ([[1.0], [2.0]], [np.inf, np.nan], r"y is not finite, first in row 0"),
]


@pytest.mark.parametrize(("X", "y", "message"), BAD_DATA)
@pytest.mark.parametrize("make", [full_batch, single, lambda *a: minibatch(*a, batch_size=1)])
def test_bad_data_are_told(make, X, y, message):
    with pytest.raises(ValueError, match=message):
        make(MODEL, X, y)


def test_bad_data_that_arrive_online_are_told():
    with pytest.raises(ValueError, match="X is not finite, first in row 0"):
        online(MODEL, lambda t: ([[np.nan]], [1.0]))(np.zeros(1), t=0)


@pytest.mark.parametrize("size", [0, 13, -1, 2.5, True, "3", None])
def test_bad_batch_sizes_are_told(size):
    with pytest.raises((TypeError, ValueError), match=r"batch_size=.*: it must be a whole number"):
        minibatch(MODEL, *line(12), batch_size=size)


def test_unknown_orders_are_told():
    with pytest.raises(ValueError, match=r"order='random' is unknown; allowed are 'epoch', 'once', 'iid', 'fixed'"):
        minibatch(MODEL, *line(12), batch_size=3, order="random")


# --- how noisy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 5, 20, 60])
def test_variance_of_a_mini_batch(size):
    """D3: σ²/B with replacement, (σ²/B)(N - B)/(N - 1) without, for every coordinate."""
    n, rounds = 60, 3000
    X, y = regression(n, d=3, seed=2)
    theta = np.array([0.5, -0.5, 1.0])
    examples = (X @ theta - y)[:, None] * X
    sigma2 = examples.var(axis=0)

    def variance(oracle, steps):
        return np.mean([(oracle(theta, t) - examples.mean(axis=0)) ** 2 for t in steps], axis=0)

    replaced = variance(minibatch(MODEL, X, y, batch_size=size, order="iid", seed=1), range(rounds))
    fresh = minibatch(MODEL, X, y, batch_size=size, seed=1)
    kept = variance(fresh, range(0, rounds * fresh.batches, fresh.batches))
    spread = 3 * math.sqrt(
        3 / rounds
    )  # three standard deviations of such a mean; fourth moments are a little above 3 σ⁴
    np.testing.assert_allclose(replaced, sigma2 / size, rtol=spread * 1.5)
    np.testing.assert_allclose(kept, sigma2 / size * (n - size) / (n - 1), rtol=spread * 1.5, atol=1e-28)


def test_reshuffling_ends_nearer_than_drawing_anew():
    """F5, measured: with a constant rate an epoch without replacement leaves less noise."""
    X, y = regression(200, d=5, seed=1)
    best = MODEL.minimum(X, y)

    def distance(order):
        path = descend(Optimizer(rules.sgd, lr=0.02), single(MODEL, X, y, order=order, seed=2), best, 200 * 40)
        return np.linalg.norm(path[200 * 20 :: 200] - best, axis=1).mean()

    assert distance("epoch") < 0.5 * distance("iid")


def test_decay_takes_the_noise_away_and_too_much_stops_early():
    """E31: Robbins-Monro decay comes closest; a constant rate keeps a floor, 2^-t never arrives."""
    X, y = line(100, seed=3)
    best = MODEL.minimum(X, y)

    def distance(lr):
        path = descend(Optimizer(rules.sgd, lr=lr), single(MODEL, X, y, order="iid", seed=5), [-3.0, 5.0], 4000)
        return np.linalg.norm(path[-500:] - best, axis=1).mean()

    decayed = distance(lambda t: 4 / (t + 20))
    assert decayed < 0.5 * distance(0.2)
    assert distance(schedules.exponential(0.5, gamma=0.5)) > 0.9 > 10 * decayed


def test_online_learning_follows_a_moving_target():
    """F15: after a jump at t = 5000 a constant rate is there soon; the rate 1/t is 1000/6000 of the way at t = 6000."""
    rng = np.random.default_rng(1)
    noise = 0.1 * rng.standard_normal(6000)
    oracle = online(MODEL, lambda t: ([[1.0]], [float(t >= 5000) + noise[t]]))
    constant = descend(Optimizer(rules.sgd, lr=0.05), oracle, [0.0], 6000)[-1, 0]
    decayed = descend(Optimizer(rules.sgd, lr=schedules.robbins_monro(1.0)), oracle, [0.0], 6000)[-1, 0]
    assert constant == pytest.approx(1.0, abs=0.1)
    assert decayed == pytest.approx(1000 / 6000, abs=0.01)


# --- gradient checking ----------------------------------------------------------------------------------


def f(x):
    return float(np.sin(x[0]) * x[1] ** 3 + np.exp(0.3 * x[2]))


def gradient(x):
    return np.array([np.cos(x[0]) * x[1] ** 3, 3 * np.sin(x[0]) * x[1] ** 2, 0.3 * np.exp(0.3 * x[2])])


POINT = np.array([0.7, -1.3, 2.1])


def test_a_right_gradient_passes():
    outcome = check_gradient(f, gradient, POINT)
    assert outcome.ok
    assert outcome.worst < 1e-8
    assert str(outcome).startswith("gradient agrees: worst relative error")
    assert str(outcome).endswith("over 3 coordinates")


PLANTED = {
    "wrong sign": lambda g: -g,
    "missing factor": lambda g: g / 2,
    "sum for mean": lambda g: 100 * g,
    "one coordinate": lambda g: g * [1, 1, 1.001],
    "swapped coordinates": lambda g: g[::-1],
    "forgotten term": lambda g: g - [0, 0, 1e-4],
    "forgotten coordinate": lambda g: g * [1, 0, 1],
    "not a number": lambda g: g * [1, np.nan, 1],
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_planted_error_is_caught(mistake):
    outcome = check_gradient(f, lambda x: PLANTED[mistake](gradient(x)), POINT)
    wrong = np.flatnonzero(PLANTED[mistake](gradient(POINT)) != gradient(POINT))
    assert not outcome.ok
    assert np.array_equal(np.flatnonzero(outcome.error > outcome.tolerance), wrong)
    text = str(outcome)
    assert text.startswith(f"gradient is wrong in {len(wrong)} of 3 coordinates:")
    assert all(f"coordinate {i}: claimed" in text for i in wrong)


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1.0, 1e4, 1e8])
@pytest.mark.parametrize("where", [1e-3, 1.0, 1e3])
def test_scales(scale, where):
    """Small and large gradients and points: the right one passes, half of it does not."""

    def g(x):
        return scale * np.sin(x / where).sum()

    def slope(x):
        return scale / where * np.cos(x / where)

    point = where * np.array([0.3, 1.2, -2.0])
    h = 1e-5 * where if where < 1 else None  # the step follows large points by itself; small ones need to be told
    if scale / where >= 1e-6:
        assert check_gradient(g, slope, point, h=h).ok
    assert not check_gradient(g, lambda x: slope(x) / 2, point, h=h).ok


def test_gradients_that_are_nothing_but_rounding_pass():
    assert check_gradient(lambda x: 1e3 + 0 * x[0], lambda x: np.zeros(2), [0.3, 2.0]).ok
    minimum = MODEL.minimum(*line(50))
    X, y = line(50)
    assert check_gradient(lambda t: MODEL.loss(t, X, y), lambda t: MODEL.grad(t, X, y), minimum).ok
    assert check_gradient(lambda x: (x**4).sum(), lambda x: 4 * x**3, [1e-4, 0.0]).ok


@pytest.mark.parametrize("model", [LinearRegression(), LogisticRegression(), LogisticRegression(l2=0.3)])
def test_the_models_pass(model):
    X, y = two_classes(60)
    for theta in np.random.default_rng(1).standard_normal((5, 3)):
        assert check_gradient(lambda t: model.loss(t, X, y), lambda t: model.grad(t, X, y), theta).ok


def test_a_gradient_of_another_shape_is_told():
    with pytest.raises(ValueError, match=r"the gradient has shape \(2,\), but theta has shape \(3,\)"):
        check_gradient(f, lambda x: gradient(x)[:2], POINT)


def test_tolerance_and_step_are_obeyed():
    slightly = lambda x: gradient(x) * 1.001  # noqa: E731
    assert check_gradient(f, slightly, POINT, tolerance=0.01).ok
    assert np.all(check_gradient(f, gradient, POINT, h=1e-2).step == 1e-2)
    assert check_gradient(f, gradient, POINT, h=1e-2).worst > 1e-6


def test_error_falls_with_the_square_of_the_step_then_rises():
    """D5: truncation h²/6 f''' until rounding, which grows as 1/h, takes over near the cube root of epsilon."""
    steps = 10.0 ** -np.arange(1, 10)
    points = np.linspace(0.9, 1.0, 21)  # the largest error among many, since rounding may be kind to one
    errors = [max(abs(central_difference(np.exp, x, h) - np.exp(x)) for x in points) for h in steps]
    np.testing.assert_allclose(errors[:4], math.e * steps[:4] ** 2 / 6, rtol=1e-2)
    assert 1e-6 <= steps[int(np.argmin(errors))] <= 1e-4
    assert errors[8] > 10 * min(errors)
    assert max(abs(central_difference(np.exp, x) - np.exp(x)) for x in points) < 2 * min(errors)


def test_the_default_step_follows_the_point():
    h = np.finfo(float).eps ** (1 / 3)
    np.testing.assert_allclose(
        check_gradient(lambda x: x.sum(), np.ones_like, [0.0, 0.5, 100.0]).step, h * np.array([1, 1, 100])
    )


def test_central_differences_of_a_matrix():
    A = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(central_difference(lambda x: (x**2).sum(), A), 2 * A, atol=1e-8)
    assert check_gradient(lambda x: (x**2).sum(), lambda x: 2 * x, A).ok


@pytest.mark.parametrize("seed", [None, -1, 1.5, "a", True])
def test_a_seed_is_a_whole_number(seed):
    rows, targets = np.ones((4, 1)), np.ones(4)
    for make in (lambda: minibatch(MODEL, rows, targets, 2, seed=seed), lambda: noisy(lambda theta: theta, seed)):
        with pytest.raises((TypeError, ValueError), match=r"seed=.*: it must be a whole number, 0 or more"):
            make()


def test_a_step_before_the_first_is_none():
    with pytest.raises(ValueError, match="t=-1: it must be a whole number, 0 or more"):
        minibatch(MODEL, np.ones((4, 1)), np.ones(4), 2).indices(-1)
