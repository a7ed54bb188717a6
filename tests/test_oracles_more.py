"""Oracles made of oracles: noise, clipping, a penalty, hard examples, and dropout's seeds."""

import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlib import Optimizer, data, descend, rules, run, surfaces
from optlib.models import MLP, LinearRegression, LogisticRegression, SoftmaxRegression
from optlib.oracles import check_gradient, clipped, full_batch, hard_examples, l2, minibatch, noisy, online, single

X, Y = data.regression(40, d=3, seed=1)
MODEL = LinearRegression()
THETA = np.array([0.5, -1.0, 2.0])


def flat(theta):
    return np.zeros_like(theta)


# --- noise ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("t", "deviation"), [(0, 1.0), (9, 0.53088), (99, 0.28184), (999, 0.14962), (9999, 0.07943)])
def test_the_deviation_of_the_noise(t, deviation):
    """D11, within three standard errors of a deviation from so many draws; the mean is 0."""
    draws = noisy(flat, seed=3, eta=1.0)(np.zeros(50_000), t)
    assert draws.std() == pytest.approx(deviation, abs=3.5 * deviation / np.sqrt(2 * 50_000) + 1e-5)
    assert abs(draws.mean()) < 3.5 * deviation / np.sqrt(50_000)


def test_noise_of_many_steps():
    """Each step has its own draws, independent of the last one's, across the borders of blocks too."""
    oracle = noisy(flat, seed=1, eta=2.0, gamma=0.0)
    draws = np.array([oracle(np.zeros(3), t) for t in range(3000)])
    assert draws.var() == pytest.approx(2.0, rel=0.05)
    assert len(np.unique(draws)) == draws.size
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 3.5 / np.sqrt(9000)


@pytest.mark.parametrize("shape", [(), (2,), (4, 3), (3000,), (2_000_000,)])
def test_noise_follows_from_the_seed_and_the_step(shape):
    used, fresh = noisy(flat, seed=5, eta=0.3), noisy(flat, seed=5, eta=0.3)
    steps = (1500, 0, 1023, 1024, 0)[: 5 if np.prod(shape) < 1e4 else 2]
    for t in steps:
        once = used(np.zeros(shape), t)
        assert once.shape == shape
        assert np.array_equal(once, fresh(np.zeros(shape), t))
    assert not np.array_equal(noisy(flat, seed=6, eta=0.3)(np.zeros(shape), 0), used(np.zeros(shape), 0))


def test_noise_is_drawn_as_documented():
    draw = np.random.default_rng([7, 2]).standard_normal((1024, 2))[5]
    expected = np.sqrt(0.3 / (1 + 2053) ** 0.55) * draw
    np.testing.assert_allclose(noisy(flat, seed=7, eta=0.3)(np.zeros(2), 2053), expected, rtol=1e-15)


def test_no_noise_and_single_precision():
    assert np.array_equal(noisy(surfaces.bowl.grad, eta=0.0)(THETA[:2], 3), surfaces.bowl.grad(THETA[:2]))
    assert noisy(flat, eta=1.0)(np.zeros(4, np.float32), 0).dtype == np.float32


def test_a_resumed_run_sees_the_same_noise_and_the_same_batches():
    oracle = noisy(clipped(minibatch(MODEL, X, Y, batch_size=7, seed=4), norm=0.7), seed=9, eta=0.3)
    optimizer = Optimizer(rules.adam, lr=0.05)
    walk = run(optimizer, oracle, THETA)
    whole = [next(walk) for _ in range(25)]
    again = noisy(clipped(minibatch(MODEL, X, Y, batch_size=7, seed=4), norm=0.7), seed=9, eta=0.3)
    resumed = run(optimizer, pickle.loads(pickle.dumps(again)), *whole[11])
    for expected, _ in whole[12:]:
        assert np.array_equal(next(resumed)[0], expected)


# --- clipping -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    g=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6).map(np.array),
    limit=st.floats(1e-3, 1e3),
)
def test_clipping_by_norm(g, limit):
    """D13: never longer than c, the same direction, and untouched below c."""
    kept = clipped(lambda theta: g, norm=limit)(np.zeros_like(g))
    length = np.linalg.norm(g)
    assert np.linalg.norm(kept) <= limit * (1 + 1e-15 * len(g)) + 1e-300
    if length < limit * (1 - 1e-12):
        assert np.array_equal(kept, g)
    elif length:
        np.testing.assert_allclose(kept, g * (limit / length), rtol=1e-14)


def test_clipping_is_exact_where_torch_is_not():
    """D13: |(5, 12)| = 13 becomes c, not c (1 - 7.7e-8)."""
    kept = clipped(lambda theta: np.array([5.0, 12.0]), norm=1.0)(np.zeros(2))
    assert abs(np.linalg.norm(kept) - 1.0) < 1e-15
    torch = np.array([5.0, 12.0]) / (13.0 + 1e-6)
    assert 1 - np.linalg.norm(torch) == pytest.approx(7.7e-8, rel=0.01)


def test_clipping_of_many_copies_and_of_numbers():
    g = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    whole = clipped(lambda theta: 2 * g, norm=1.0)(np.zeros((3, 2)))
    assert abs(np.linalg.norm(whole) - 1) < 1e-15
    np.testing.assert_allclose(whole / np.linalg.norm(g), g / np.linalg.norm(g) ** 2, rtol=1e-14)
    kept = clipped(lambda theta: g, norm=1.0, rows=True)(np.zeros((3, 2)))
    np.testing.assert_allclose(kept, [[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]], rtol=1e-15)
    assert clipped(lambda theta: np.array(-4.0), norm=1.0)(np.array(0.0)) == -1.0
    assert clipped(lambda theta: g.astype(np.float32), norm=1.0)(np.zeros((3, 2))).dtype == np.float32


def test_clipping_of_what_cannot_be_squared():
    kept = clipped(lambda theta: np.array([3e200, -4e200]), norm=10.0)(np.zeros(2))
    np.testing.assert_allclose(kept, [6.0, -8.0], rtol=1e-14)
    assert np.isnan(clipped(lambda theta: np.array([np.inf, 1.0]), norm=10.0)(np.zeros(2))).any()
    assert np.isnan(clipped(lambda theta: np.array([np.nan, 1.0]), norm=10.0)(np.zeros(2))).any()


def test_clipping_by_value():
    kept = clipped(lambda theta: np.array([-3.0, 0.5, 7.0]), value=2.0)(np.zeros(3))
    assert kept.tolist() == [-2.0, 0.5, 2.0]


def test_clipping_keeps_a_step_from_a_cliff_small():
    cliff = clipped(lambda theta: np.array([1e12]), norm=1.0)
    path = descend(Optimizer(rules.sgd, lr=0.1), cliff, [0.0], 1)
    assert path[1, 0] == pytest.approx(-0.1)


# --- the penalty, and composition -----------------------------------------------------------------


def test_the_penalty_is_that_of_the_model():
    rows, labels = data.two_classes(30, seed=2)
    plain, built_in = full_batch(LogisticRegression(), rows, labels), full_batch(LogisticRegression(0.3), rows, labels)
    pulled = l2(plain, 0.3)
    np.testing.assert_allclose(pulled(THETA), built_in(THETA), rtol=1e-13)
    assert pulled.loss(THETA) == pytest.approx(built_in.loss(THETA), rel=1e-14)
    assert check_gradient(pulled.loss, pulled, THETA).ok
    many = np.stack([THETA, 2 * THETA])
    np.testing.assert_allclose(pulled(many), built_in(many), rtol=1e-13)
    assert pulled.loss(many).shape == (2,)


WRAPPERS = {
    "noisy": lambda oracle: noisy(oracle, seed=2, eta=0.1),
    "clipped": lambda oracle: clipped(oracle, norm=0.5),
    "cut": lambda oracle: clipped(oracle, value=0.4),
    "l2": lambda oracle: l2(oracle, 0.1),
}


@pytest.mark.parametrize("names", list(itertools.permutations(WRAPPERS, 3)), ids="-".join)
@pytest.mark.parametrize("inside", ["full", "batch"])
def test_any_order_composes(names, inside):
    """Each order gives what its parts give one after the other."""
    base = full_batch(MODEL, X, Y) if inside == "full" else minibatch(MODEL, X, Y, batch_size=8, seed=1)
    oracle = base
    for name in names:
        oracle = WRAPPERS[name](oracle)
    for t in (0, 3, 1030):
        g = base(THETA) if inside == "full" else base(THETA, t)
        for name in names:
            g = WRAPPERS[name](lambda theta, g=g: g)(THETA, t)
        assert np.array_equal(oracle(THETA, t), g)
    # the optimizer hands the number of updates already made to the innermost one
    path = descend(Optimizer(rules.sgd, lr=0.1), oracle, THETA, 2)
    second = path[1] - 0.1 * oracle(path[1], t=1)
    assert np.array_equal(path[2], second)


def test_noise_after_clipping_is_not_clipped():
    outside = noisy(clipped(surfaces.bowl.grad, norm=0.1), seed=1, eta=100.0)
    inside = clipped(noisy(surfaces.bowl.grad, seed=1, eta=100.0), norm=0.1)
    assert np.linalg.norm(outside(np.ones(2), 0)) > 1
    assert np.linalg.norm(inside(np.ones(2), 0)) == pytest.approx(0.1)


def test_oracles_without_steps_need_none():
    oracle = clipped(l2(full_batch(MODEL, X, Y), 0.1), norm=1.0)
    assert np.array_equal(oracle(THETA), oracle(THETA, t=7))


@pytest.mark.parametrize(
    "inner",
    [minibatch(MODEL, X, Y, batch_size=8), clipped(noisy(full_batch(MODEL, X, Y)), norm=1.0)],
    ids=["batch", "noise"],
)
def test_a_forgotten_step_is_told(inner):
    with pytest.raises(TypeError, match=r"differs from step to step: call it as oracle\(theta, t\)"):
        l2(inner, 0.1)(THETA)


def test_losses_of_composed_oracles():
    inner = minibatch(MODEL, X, Y, batch_size=8)
    assert noisy(clipped(inner, norm=1.0)).loss(THETA) == MODEL.loss(THETA, X, Y)
    assert l2(noisy(inner), 2.0).loss(THETA) == pytest.approx(MODEL.loss(THETA, X, Y) + THETA @ THETA)
    with pytest.raises(TypeError, match="has no loss: only oracles made from models and data know theirs"):
        clipped(surfaces.bowl.grad, norm=1.0).loss(THETA)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: clipped(flat), TypeError, r"norm=None, value=None: clip either by norm or by value"),
        (lambda: clipped(flat, norm=1.0, value=1.0), TypeError, r"norm=1.0, value=1.0: clip either"),
        (lambda: clipped(flat, norm=0.0), ValueError, r"norm=0.0 is out of range; allowed is \(0, inf\)"),
        (lambda: clipped(flat, value=-1.0), ValueError, r"value=-1.0 is out of range"),
        (lambda: clipped(flat, norm="1"), TypeError, r"clipped: norm='1': it must be a number or None"),
        (lambda: clipped(flat, norm=True), ValueError, r"norm=True: it must be a number"),
        (lambda: noisy(flat, eta=None), TypeError, r"eta=None: it must be a number"),
        (lambda: clipped(flat, norm=np.nan), ValueError, r"norm=nan: it must be a number"),
        (lambda: noisy(flat, eta=-0.1), ValueError, r"eta=-0.1 is out of range; allowed is \[0, inf\)"),
        (lambda: noisy(flat, gamma=np.inf), ValueError, r"gamma=inf is out of range"),
        (lambda: l2(flat, -1.0), ValueError, r"strength=-1.0 is out of range; allowed is \[0, inf\)"),
        (lambda: l2(3.0, 1.0), TypeError, r"l2: oracle=3.0: it must be a function"),
    ],
)
def test_what_oracles_refuse(make, error, message):
    with pytest.raises(error, match=message):
        make()


# --- hard examples --------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 40), ratio=st.floats(0.01, 1.0), seed=st.integers(0, 5), t=st.integers(0, 50))
def test_the_hardest_are_learnt_from(size, ratio, seed, t):
    """D15: the gradient is the mean over the k largest losses of the batch, k = max(1, int(ratio n))."""
    oracle = hard_examples(MODEL, X, Y, size, ratio, seed=seed)
    rows = oracle.indices(t)
    assert np.array_equal(rows, minibatch(MODEL, X, Y, batch_size=size, seed=seed).indices(t))
    losses = MODEL.losses(THETA, X[rows], Y[rows])
    kept = rows[np.argsort(-losses)[: max(1, int(ratio * len(rows) + 1e-9))]]
    assert sorted(oracle.hardest(THETA, t)) == sorted(kept)
    np.testing.assert_allclose(oracle(THETA, t), MODEL.grad(THETA, X[kept], Y[kept]), rtol=1e-11, atol=1e-13)
    assert MODEL.losses(THETA, X[kept], Y[kept]).mean() >= losses.mean() - 1e-12


def test_all_examples_are_a_mini_batch():
    every, plain = hard_examples(MODEL, X, Y, 9, 1.0, seed=2), minibatch(MODEL, X, Y, batch_size=9, seed=2)
    assert np.array_equal(every(THETA, 3), plain(THETA, 3))


@pytest.mark.parametrize(("n", "ratio", "k"), [(100, 0.29, 29), (10, 0.3, 3), (10, 0.05, 1), (1, 0.5, 1), (7, 0.5, 3)])
def test_how_many_are_kept(n, ratio, k):
    rows, targets = data.line(n)
    assert len(hard_examples(MODEL, rows, targets, n, ratio).hardest(np.zeros(2), 0)) == k


def test_copies_find_their_own_examples_hard():
    oracle = hard_examples(MODEL, X, Y, 10, 0.3)
    many = np.random.default_rng(0).standard_normal((2, 3, 3))
    assert oracle.hardest(many, 1).shape == (2, 3, 3)
    for i in np.ndindex(2, 3):
        assert np.array_equal(oracle(many, 1)[i], oracle(many[i], 1))


def test_no_example_is_the_hardest_where_losses_are_no_numbers():
    oracle = hard_examples(MODEL, X, Y, 10, 0.3)
    for theta in (np.full(3, np.nan), np.array([np.nan, 1.0, 1.0]), np.stack([THETA, THETA * np.nan])):
        with pytest.raises(ValueError, match=r"theta=array.* of .* losses at step 1 are NaN"):
            oracle.hardest(theta, 1)
        assert np.isnan(oracle(theta, 1)).any()  # which a walk reports, with its step


def test_hard_examples_of_a_network_and_of_sparse_rows():
    digits, labels = (part[:64] for part in data.digits())
    model = MLP([64, 8, 10], dropout=0.3)
    oracle = hard_examples(model, digits, labels, 32, 0.25)
    theta = model.init(0)
    rows = oracle.hardest(theta, 1)
    expected = model.grad(theta, digits[rows], labels[rows], mask_seed=[0, 1, 1])
    assert np.array_equal(oracle(theta, 1), expected)
    words, classes = data.zipf(50, d=20)
    sparse = hard_examples(SoftmaxRegression(2), words, classes, 10, 0.5)
    dense = hard_examples(SoftmaxRegression(2), words.dense(), classes, 10, 0.5)
    np.testing.assert_allclose(sparse(np.ones(40), 2), dense(np.ones(40), 2), atol=1e-14)


def test_threads_may_share_an_oracle():
    """Its caches are read at once, so another thread's step does not slip in."""
    oracle = noisy(minibatch(MODEL, X, Y, batch_size=10, seed=3), seed=1, eta=0.5)
    expected = [
        noisy(minibatch(MODEL, X, Y, batch_size=10, seed=3), seed=1, eta=0.5)(THETA, t) for t in range(0, 4096, 128)
    ]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda t: oracle(THETA, t), list(range(0, 4096, 128)) * 8))
    assert all(np.array_equal(g, expected[i % 32]) for i, g in enumerate(found))


def test_whole_numbers_are_points_too():
    oracle = hard_examples(MODEL, X, Y, 10, 0.3)
    assert np.array_equal(oracle(np.array([1, 2, 3]), 0), oracle(np.array([1.0, 2.0, 3.0]), 0))
    assert np.array_equal(oracle([1, 2, 3], 0), oracle(np.array([1.0, 2.0, 3.0]), 0))


@pytest.mark.parametrize("ratio", [0.0, -0.1, 1.01, np.nan, "1"])
def test_ratios_out_of_range(ratio):
    with pytest.raises((TypeError, ValueError), match=r"hard_examples: ratio=|ratio=.* is out of range; allowed is"):
        hard_examples(MODEL, X, Y, 10, ratio)


def test_other_mistakes_with_hard_examples():
    class Bare:
        def loss(self, theta, X, y):
            return 0.0

        def grad(self, theta, X, y):
            return theta

    with pytest.raises(TypeError, match=r"model=.*: it must be an object with the method losses"):
        hard_examples(Bare(), X, Y, 10, 0.5)
    with pytest.raises(ValueError, match="size=0: it must be a whole number, 1 to"):
        hard_examples(MODEL, X, Y, 0, 0.5)
    with pytest.raises(ValueError, match="the data set is empty"):
        hard_examples(MODEL, X[:0], Y[:0], 1, 0.5)


# --- dropout --------------------------------------------------------------------------------------

NETWORK = MLP([3, 6, 1], "tanh", dropout=0.5, loss="squared")


def test_dropped_units_follow_from_the_seed_and_the_step():
    theta = NETWORK.init(1)
    used, fresh = (minibatch(NETWORK, X, Y, batch_size=40, order="fixed", seed=3) for _ in range(2))
    seen = [used(theta, t) for t in range(6)]
    assert np.array_equal(fresh(theta, 4), seen[4])
    assert len({g.tobytes() for g in seen}) == 6  # the same rows, but other units dropped
    other = minibatch(NETWORK, X, Y, batch_size=40, order="fixed", seed=4)
    assert not np.array_equal(other(theta, 4), seen[4])
    arriving = online(NETWORK, lambda t: (X, Y), seed=3)
    assert np.array_equal(arriving(theta, 4), seen[4])
    one = single(NETWORK, X, Y, order="fixed", seed=3)
    assert np.array_equal(one(theta, 4), NETWORK.grad(theta, X[4:5], Y[4:5], mask_seed=[3, 4, 1]))


def test_a_full_batch_with_dropout_is_told():
    with pytest.raises(ValueError, match=r"other units at every step.*: use minibatch\(model, X, y, batch_size=len"):
        full_batch(NETWORK, X, Y)


def test_sparse_and_single_precision_data_go_through():
    words, labels = data.zipf(30, d=10)
    model = LogisticRegression()
    sparse, dense = (minibatch(model, part, labels, batch_size=7, seed=1) for part in (words, words.dense()))
    np.testing.assert_allclose(sparse(np.ones(10), 2), dense(np.ones(10), 2), atol=1e-15)
    single_precision = minibatch(MODEL, X.astype(np.float32), Y.astype(np.float32), batch_size=7)
    assert single_precision(THETA.astype(np.float32), 0).dtype == np.float32
    with pytest.raises(ValueError, match="X is not finite, first in row 2"):
        full_batch(model, data.SparseRows([0, 1, 1, 3], [0, 1, 2], [1.0, 2.0, np.nan], 3), [0, 1, 0])


def test_a_gradient_of_zero_passes_the_check():
    """Rounding of the loss itself is no error of the gradient: here the loss is near 1000 and does not depend on x."""
    f = lambda x: float(np.sum(np.sin(x) ** 2 + np.cos(x) ** 2) * 333.3)  # noqa: E731
    for point in np.random.default_rng(0).standard_normal((20, 3)):
        assert check_gradient(f, np.zeros_like, point).ok
    assert not check_gradient(f, lambda x: np.full(3, 1e-4), np.ones(3)).ok
