"""What chapter 07 measures: its own loops do what the library does, and its claims hold where it does not look."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from downhill_course.figures import stale
from downhill_course.notebook.cells import read, text_of
from optlib import Optimizer, parallel, rules, surfaces

BOOK = Path(__file__).parents[1] / "book"
f = surfaces.ravine


def page(name: str, *ids: str) -> dict:
    """What the cells of a page define, typed in order."""
    sources = {cell["id"]: text_of(cell) for cell in read(BOOK / f"{name}.ipynb")["cells"]}
    names: dict = {}
    for cell in ids:
        exec(sources[cell], names)
    return names


@pytest.mark.parametrize("cores", [1, 2, 5])
@pytest.mark.parametrize("scheme", ["waiting", "free"])
def test_the_pages_cores_do_what_the_library_does(cores, scheme):
    run = page("07-parallel", "waiting", "free")[scheme]
    bars, curve = run(cores, 0.003, 19.5, lambda: 1.0)
    server = (parallel.SyncSGD if scheme == "waiting" else parallel.async_sgd)(Optimizer(rules.sgd, lr=0.003))
    steps = 20 if scheme == "waiting" else 19
    with np.errstate(over="ignore"):
        theirs = parallel.train(server, [f.grad] * cores, [10.0, 10.0], steps=steps, backend="simulate")
    assert curve[-1, 1] == pytest.approx(f(theirs.theta), rel=1e-9)
    assert list(bars[:, 4]) == list(theirs.staleness)


def test_random_ages_shrink_on_average_as_the_page_computes():
    """The mean square over all orders of two cores, one update after the other, against the largest eigenvalue."""
    growth = page("07-parallel-deeper", "deeper-setup", "square-run")["growth"]
    orders, h = np.array(list(product((0, 1), repeat=15))), 1.2
    x, reads, squares = np.ones(len(orders)), np.ones((len(orders), 2)), []
    for core in orders.T:
        x = x - h * reads[np.arange(len(x)), core]
        reads[np.arange(len(x)), core] = x
        squares.append(np.mean(x**2))
    assert (squares[-1] / squares[-3]) ** 0.5 == pytest.approx(growth(2, h), rel=0.01)
    assert growth(4, 0.84) < 1 < growth(4, 0.85)


@pytest.mark.parametrize(("cores", "gamma"), [(2, 0.5), (4, 0.9)])
def test_own_momentum_stands_in_series_with_that_of_the_ages(cores, gamma):
    """Exercise 6: the mean of many walks against the recursion of second order."""
    rng, runs, eta, mu = np.random.default_rng(0), 40_000, 0.05, 1 - 1 / cores
    x, u, reads, mean = np.full(runs, 10.0), np.zeros(runs), np.full((runs, cores), 10.0), [10.0]
    for _ in range(25):
        core = rng.integers(cores, size=runs)
        u = gamma * u + eta * reads[np.arange(runs), core]
        x = x - u
        reads[np.arange(runs), core] = x
        mean.append(x.mean())
    walk = mean[:3]
    for _ in range(23):
        s, before = walk[-1] - walk[-2], walk[-2] - walk[-3]
        walk.append(walk[-1] + (gamma + mu) * s - gamma * mu * before - eta / cores * walk[-1])
    np.testing.assert_allclose(mean, walk, rtol=0, atol=0.15)


def test_a_spare_core_saves_the_wait_for_the_last():
    """Exercise 4."""
    times = np.sort(np.random.default_rng(0).exponential(size=(100_000, 5)), axis=1)
    assert times[:, 3].mean() == pytest.approx(1 / 5 + 1 / 4 + 1 / 3 + 1 / 2, rel=0.01)


def test_delays_cost_nothing_on_sparse_rows_and_everything_on_dense_ones():
    """C8: at most a tenth more steps with a delay of 50 on 4 of 400; with 20 of 20 it never arrives."""
    steps = page("07-parallel-deeper", "deeper-setup", "delayed-run")["steps_needed"]
    assert steps(400, 4, 50, seed=9) <= 1.1 * steps(400, 4, 0, seed=9)
    assert steps(20, 20, 10, seed=9) < np.inf
    assert steps(20, 20, 50, seed=9) == np.inf


@pytest.mark.parametrize("revise", [False, True])
def test_the_regrets_are_those_of_the_librarys_servers(revise):
    """The loop over all rates at once against a server that is told the same late gradients."""
    delay, steps = 3, 60
    names = page("07-parallel-deeper", "deeper-setup", "regret-run")
    targets = names["targets"][:steps, :1]
    names.update(targets=targets, best=0.0, alphas=np.array([1.0]))
    late = _Late(targets[:, 0, 0])
    server = parallel.AdaptiveRevision(lr=1.0) if revise else parallel.async_adagrad(lr=1.0)
    parallel.train(server, [late] * (delay + 1), [0.0], steps=steps // (delay + 1), backend="simulate")
    assert names["regret"](delay, revise) == pytest.approx([late.paid], abs=1e-9)


class _Late:
    """The gradient of |x - z_t| for the t-th question, and what was paid."""

    def __init__(self, targets):
        self.targets, self.asked, self.paid = targets, 0, 0.0

    def __call__(self, theta):
        target = self.targets[self.asked]
        self.asked += 1
        self.paid += abs(float(theta[0]) - target)
        return np.sign(theta - target)


def test_the_least_value_of_a_line_is_ringed():
    axes = stale.against([0.0, 1.0, 2.0], {"a": [3.0, 1.0, 1e9]}, xlabel="", ylabel="", top=10.0).figure.axes[0]
    line, ring = axes.lines
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (1.0, 1.0)
    assert np.isnan(line.get_ydata()[2])
