"""Hogwild!: with one thread plain SGD, nothing lost where nothing may be, real races elsewhere."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from optlib import data
from optlib.parallel import complete, conflicts, hogwild, lost
from optlib.parallel.threads import LOSSES, VARIANTS

X, Y = data.zipf(300, d=400, words=8, seed=1)


def apart(n=200, width=3):
    """Examples that share no weight at all."""
    return data.SparseRows(np.arange(n + 1) * width, np.arange(n * width), np.ones(n * width), n * width)


def slope(loss, z, y):
    if loss == "logistic":
        return 1 / (1 + math.exp(-z)) - y
    if loss == "hinge":
        sign = 2 * y - 1
        return -sign if sign * z < 1 else 0.0
    return z - y


def by_hand(X, y, loss, lr, epochs, l2, decay, seed):
    """The paper's loop in plain Python."""
    theta, rng, rows = np.zeros(X.shape[1]), np.random.default_rng([seed, 7]), X.dense()
    share = np.bincount(X.indices, minlength=X.shape[1]) / len(y)
    for epoch in range(epochs):
        for e in rng.permutation(len(y)):
            touched = X.indices[X.indptr[e] : X.indptr[e + 1]]
            g = slope(loss, float(rows[e] @ theta), y[e])
            theta[touched] -= lr * decay**epoch * (g * rows[e, touched] + l2 / share[touched] * theta[touched])
    return theta


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("l2", [0.0, 1e-3])
def test_one_thread_is_plain_sgd(loss, variant, l2):
    run = hogwild(
        X, Y, loss=loss, lr=0.173, epochs=2, threads=1, variant=variant, l2=l2, decay=0.7, seed=3, hot=5, merge=7
    )
    np.testing.assert_allclose(run.theta, by_hand(X, Y, loss, 0.173, 2, l2, 0.7, 3), rtol=0, atol=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
def test_threads_that_cannot_meet_agree_with_one(variant):
    rows, y = apart(), np.arange(200) % 2
    one, four = (hogwild(rows, y, lr=0.3, epochs=3, threads=n, variant=variant, hot=4) for n in (1, 4))
    np.testing.assert_allclose(four.theta, one.theta, rtol=0, atol=1e-12)


def test_the_loss_is_the_models_own():
    from optlib.models import LogisticRegression

    run = hogwild(X, Y, lr=0.2, epochs=2, threads=1, l2=1e-3)
    model = LogisticRegression(l2=1e-3)
    assert run.losses[-1] == pytest.approx(model.loss(run.theta, X, Y), rel=1e-12)
    assert run.losses[0] == pytest.approx(math.log(2))
    assert len(run.losses) == 3
    assert len(run.seconds) == 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_threads_end_within_a_percent_of_one_on_low_conflict_data(variant):
    rng = np.random.default_rng(0)
    n, d, k = 20_000, 200_000, 10
    rows = data.SparseRows(np.arange(n + 1) * k, rng.integers(0, d, n * k), np.ones(n * k), d)
    y = (rng.standard_normal(d) @ rows.T > 0).astype(float)
    one, two = (hogwild(rows, y, lr=0.2, epochs=3, threads=n, variant=variant) for n in (1, 2))
    assert two.losses[-1] == pytest.approx(one.losses[-1], rel=0.01)


def test_indivisible_additions_are_never_lost():
    assert lost(4, 200_000, 3, variant="atomic") == 0
    assert lost(1, 200_000, 3) == 0


def test_plain_additions_are_lost_only_where_threads_meet():
    crowded = [lost(2, 4_000_000, 1, seed=seed) for seed in range(3)]
    spread = [lost(2, 1_000_000, 1_000_000, seed=seed) for seed in range(3)]
    assert max(crowded) >= 0
    assert max(spread) <= 0.01 * 2_000_000
    if max(crowded):  # on a single core threads take turns, and seldom in the middle of an addition
        assert max(spread) < max(crowded)


@pytest.mark.parametrize("name", ["uniform", "zipf", "apart", "dense"])
def test_conflict_parameters_against_counting(name):
    rng = np.random.default_rng(2)
    n, d, k = 60, 40, 4
    tables = {
        "uniform": data.SparseRows(np.arange(n + 1) * k, rng.integers(0, d, n * k), np.ones(n * k), d),
        "zipf": data.zipf(60, d=40, words=5, seed=2)[0],
        "apart": apart(20, 3),
        "dense": data.SparseRows(np.arange(n + 1) * 3, np.tile(np.arange(3), n), np.ones(3 * n), 3),
    }
    table = tables[name]
    sets = [set(table.indices[a:b].tolist()) for a, b in zip(table.indptr[:-1], table.indptr[1:], strict=True)]
    found = conflicts(table)
    assert found.omega == np.diff(table.indptr).max()
    if name != "uniform":  # there a weight may stand twice in a row
        most = max(sum(v in one for one in sets) for v in range(table.shape[1]))
        assert found.delta == pytest.approx(most / len(sets))
    assert found.rho == pytest.approx(max(sum(bool(one & other) for other in sets) for one in sets) / len(sets))
    assert found.delta <= found.rho + 1e-12 or name == "uniform"
    assert found.rho <= min(1.0, found.omega * found.delta) + 1e-12


def test_completion_with_one_thread_is_plain_sgd():
    pairs, values = data.low_rank(12, 9, rank=2, observed=0.6, seed=0)
    L, R, run = complete(pairs, values, (12, 9), 2, lr=0.1, epochs=3, threads=1, l2=0.01, decay=0.8, seed=5)
    rng = np.random.default_rng([5, 7])
    both = 0.5 * rng.standard_normal((21, 2))
    often = np.bincount((pairs.astype(int) + np.array([0, 12])).ravel(), minlength=21) / len(values)
    for epoch in range(3):
        for e in rng.permutation(len(values)):
            i, j = int(pairs[e, 0]), 12 + int(pairs[e, 1])
            error, left, right = both[i] @ both[j] - values[e], both[i].copy(), both[j].copy()
            both[i] -= 0.1 * 0.8**epoch * (error * right + 0.01 / often[i] * left)
            both[j] -= 0.1 * 0.8**epoch * (error * left + 0.01 / often[j] * right)
    np.testing.assert_allclose(np.vstack([L, R]), both, rtol=0, atol=1e-12)
    assert run.losses[-1] < run.losses[0]


def test_completion_with_threads_finds_the_matrix():
    pairs, values = data.low_rank(60, 50, rank=2, observed=0.6, seed=1)
    for variant in ("lock-free", "atomic"):
        _, _, run = complete(pairs, values, (60, 50), 2, threads=2, epochs=40, decay=1.0, variant=variant)
        assert run.losses[-1] < 0.05 * run.losses[0]


def test_progress_is_told_after_each_epoch():
    told = []
    run = hogwild(X, Y, lr=0.2, epochs=3, threads=1, progress=lambda epoch, loss: told.append((epoch, loss)))
    assert told == [(i + 1, loss) for i, loss in enumerate(run.losses[1:])]
    assert "threads=1" in repr(run)


WRONG = {
    "no sparse rows": ({"X": np.ones((3, 2))}, TypeError, "SparseRows"),
    "labels": ({"y": np.arange(300)}, ValueError, "0 and 1"),
    "too few labels": ({"y": Y[:5]}, ValueError, "300 rows"),
    "loss": ({"loss": "huber"}, ValueError, "'logistic', 'hinge', 'squared'"),
    "variant": ({"variant": "wild"}, ValueError, "lock-free"),
    "lr": ({"lr": 0.0}, ValueError, r"lr=0.0 is out of range; allowed is \(0, inf\)"),
    "threads": ({"threads": 0}, ValueError, "1 or more"),
    "decay": ({"decay": 1.5}, ValueError, r"allowed is \(0, 1\]"),
    "l2": ({"l2": -1.0}, ValueError, "out of range"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name):
    given, kind, said = WRONG[name]
    with pytest.raises(kind, match=said):
        hogwild(**{"X": X, "y": Y, "threads": 1, **given})


def test_divergence_is_an_error_and_not_a_result():
    rows = data.SparseRows([0, 1, 2], [0, 0], [1e3, 1e3], 1)
    with pytest.raises(FloatingPointError, match="smaller lr"):
        hogwild(rows, [1.0, 2.0], loss="squared", lr=1e10, epochs=40, threads=1)


def test_completion_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="outside"):
        complete([[0, 5]], [1.0], (2, 2), 1)
    with pytest.raises(ValueError, match="'lock-free', 'atomic'"):
        complete([[0, 1]], [1.0], (2, 2), 1, variant="private")


WITHOUT_COMPILER = """
import numpy as np
from optlib import Optimizer, compile, data, parallel, rules

X, y = data.zipf(60, d=40, words=4)
kernel, adam = compile.kernel(Optimizer(rules.adam)), Optimizer(rules.adam)
theta, g = np.linspace(1, 2, 5), np.ones(5)
state = adam.init(theta)
kernel(theta, g, state)
assert np.array_equal(theta, adam.tell(np.linspace(1, 2, 5), g, adam.init(theta))[0])
assert parallel.conflicts(X).omega == 4 and parallel.lost(1, 50) == 0
run = parallel.hogwild(X, y, lr=0.5, threads=1)
assert run.losses[-1] < run.losses[0]
for variant in ("atomic", "locked", "private"):
    try:
        parallel.hogwild(X, y, variant=variant)
    except RuntimeError as error:
        print(error)
"""


def test_with_numbas_compiler_switched_off():
    """What Python can run runs; what it cannot is refused, with what to do."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_COMPILER], env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, text=True,
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stdout.count("NUMBA_DISABLE_JIT switches the compiler off: unset it") == 3
