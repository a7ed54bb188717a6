"""Figures and small experiments of the chapter on schedules.

>>> from downhill_course.figures import rates
>>> sorted(rates.family(1.0, 100))[:3]
['constant', 'cosine', 'exponential']
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optlib import compare, data, models, oracles, rules, schedules, surfaces, tricks
from optlib.optimizer import Optimizer, run
from optlib.schedules import Schedule
from optlib.tricks import RangeTest
from optlib.view.curves import loss_curves
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, panels, series

#: The least and the greatest of the rates that are tried, two a decade.
PEAKS = (0.003, 0.01, 0.032, 0.1, 0.32, 1.0)


def family(high: float, steps: int) -> dict[str, Schedule]:
    """Eleven schedules with the same highest rate, laid out for a run of so many steps.

    >>> round(family(1.0, 100)["cosine"](50), 3)
    0.5
    """
    return {
        "constant": schedules.constant(high),
        "step": schedules.step(high, gamma=0.1, every=steps // 3),
        "exponential": schedules.exponential(high, gamma=0.01 ** (1 / steps)),
        "linear": schedules.polynomial(high, steps),
        "cosine": schedules.cosine(high, steps),
        "warm restarts": schedules.warm_restarts(high, steps // 7, factor=2),
        "triangular": schedules.triangular(high / 10, high, steps // 8),
        "triangular2": schedules.triangular2(high / 10, high, steps // 8),
        "one cycle": schedules.one_cycle(high, steps),
        "inverse root": schedules.inverse_sqrt(high, steps // 20),
        "warm, stable, decay": schedules.warm_up_stable_decay(high, steps, warm=steps // 20, decay=steps // 5),
    }


def gallery(steps: int = 280) -> Picture:
    """Every schedule of `family`, and an exponential range, each in a panel of its own, from 0 to the highest rate."""
    shown = {**family(1.0, steps), "exp range": schedules.exp_range(0.1, 1.0, steps // 8, 0.01 ** (1 / steps))}
    figure, axes = panels((4, 3), size=(640, 520), sharex=True, sharey=True)
    with house():
        for axis, (name, schedule) in zip(np.ravel(axes), shown.items(), strict=True):
            axis.plot(range(steps), [schedule(t) for t in range(steps)], color=series(0))
            axis.set_title(name, fontsize=10)
            axis.set_ylim(0, 1.08)
            axis.set_xticks([])
            axis.set_yticks([0, 1], ["0", r"$\eta$"])
        for axis in axes[-1]:
            axis.set_xlabel("$t$")
    return picture(figure, f"schedules: {', '.join(shown)}")


def entries(rule: Callable, steps: int) -> dict[str, Any]:
    """For a contest: each schedule of the family with six highest rates to choose from."""
    made = [family(high, steps) for high in PEAKS]
    return {name: (rule, {"lr": [each[name] for each in made]}) for name in made[0]}


@cache
def noisy() -> compare.Problem:
    """Least squares of condition number 30 with four examples a step; what counts is the loss above the least."""
    X, y = data.regression(2000, 10, condition=30.0, noise=1.0, seed=0)
    model = models.LinearRegression()
    least = model.loss(np.linalg.lstsq(X, y, rcond=None)[0], X, y)
    return compare.examples(
        model, X, y, batch=4, metric=lambda theta, X, y: model.loss(theta, X, y) - least, name="noisy"
    )


@cache
def digits() -> tuple[tuple[NDArray, NDArray], tuple[NDArray, NDArray]]:
    """Handwritten digits, seven tenths to learn from and the rest held out."""
    return data.split(*data.digits(), test=0.3, seed=0)


def network(batch_norm: bool = False) -> models.MLP:
    """A net with two hidden layers of 24 units for the digits."""
    return models.MLP([64, 24, 24, 10], batch_norm=batch_norm)


def net() -> compare.Problem:
    """That net, 32 examples a step; the loss on held-out digits counts."""
    seen, unseen = digits()
    return compare.examples(network(), *seen, batch=32, held_out=unseen, name="net")


def ends(result: compare.Contest) -> Picture:
    """Median and quartiles of each entry of a contest on one problem, the best above."""
    rows = sorted(result.rows, key=lambda row: row.median)
    figure, ax = panels(size=(520, 60 + 26 * len(rows)))
    with house():
        for place, row in enumerate(rows):
            ax.plot([row.low, row.high], [place, place], color=series(0), lw=5, alpha=0.35, solid_capstyle="round")
            ax.plot(row.median, place, "o", color=series(0), ms=6)
        ax.set_yticks(range(len(rows)), [row.optimizer for row in rows])
        ax.invert_yaxis()
        ax.set_xscale("log")
        ax.grid(True, axis="x")
        label(ax, "$f$", "")
    return picture(figure, f"ends on {rows[0].problem}")


def last(walk: Iterator[tuple[NDArray, Any]], steps: int) -> NDArray:
    """The point after so many more steps of a walk."""
    return deque(islice(walk, steps), maxlen=1)[0][0]


# --- range test, plateau ----------------------------------------------------------------------------


def ranged(test: RangeTest) -> Picture:
    """The loss of a range test against the rate, with the suggested bounds."""
    figure, ax = panels(size=(520, 340))
    with house():
        ax.plot(test.rates, test.losses, color=series(0))
        for bound in (test.low, test.high):
            ax.axvline(bound, color=GREY, ls="--", lw=1)
        ax.set_xscale("log")
        ax.set_ylim(0, 1.5 * float(test.losses[0]))
        label(ax, r"$\eta$", "$f$")
    return picture(figure, "range test")


def plateau(epochs: int = 40, seed: int = 0, **settings: Any) -> tuple[NDArray, NDArray]:
    """SGD on `noisy` with a rate that is cut when the loss stays: loss and rate after each epoch of 50 steps."""
    problem = noisy()
    lr = schedules.Plateau(0.3, **settings)
    theta: NDArray = np.asarray(problem.start(seed))
    walk = run(Optimizer(rules.sgd, lr=lr), problem.oracle(seed), theta)
    losses, seen = [float(problem.metric(theta))], [lr(0)]
    for _ in range(epochs):
        theta = last(walk, 50)
        losses.append(float(problem.metric(theta)))
        lr.update(losses[-1])
        seen.append(lr(0))
    return np.array(losses), np.array(seen)


def stacked(losses: NDArray, rates: NDArray) -> Picture:
    """Losses above, the rates that led to them below."""
    figure, (above, below) = panels((2, 1), size=(520, 420), sharex=True, height_ratios=[2, 1])
    with house():
        loss_curves({"$f$": losses}, ax=above, key=False, x=np.arange(len(losses)))
        above.set_xlabel("")
        below.step(np.arange(len(rates)), rates, where="post", color=series(1))
        below.set_yscale("log")
        label(below, "$t$", r"$\eta$")
    return picture(figure, "loss and rate")


# --- warm-up ------------------------------------------------------------------------------------------


def strides(steps: int = 300, seed: int = 0) -> NDArray:
    """Mean length of a coordinate's step of Adam over the rate, on the net, update by update."""
    (X, y), _ = digits()
    model = network()
    before: NDArray = model.init(seed)
    found = []
    for theta, _ in islice(
        run(Optimizer(rules.adam, lr=1e-3), oracles.minibatch(model, X, y, 32, seed=seed), before), steps
    ):
        found.append(float(np.abs(theta - before).mean()) / 1e-3)
        before = theta
    return np.array(found)


def warmed(lr: float, warm: int, seeds: int = 8, steps: int = 300) -> NDArray:
    """Training losses of the net after Adam at a high rate with so many steps of warm-up, one for each seed, sorted."""
    (X, y), _ = digits()
    model = network()
    found = []
    for seed in range(seeds):
        rate = schedules.warm_up(lr, warm) if warm else lr
        walk = run(Optimizer(rules.adam, lr=rate), oracles.minibatch(model, X, y, 32, seed=seed), model.init(seed))
        theta = last(walk, steps)
        found.append(float(model.loss(theta, X, y)))
    return np.sort(found)


# --- averaged weights ---------------------------------------------------------------------------------


def walked(model: models.MLP, theta: NDArray, optimizer: Optimizer, steps: int, seed: int, batch: int = 4) -> NDArray:
    """The last point of a walk on the digits."""
    (X, y), _ = digits()
    return last(run(optimizer, oracles.minibatch(model, X, y, batch, seed=seed), theta), steps)


@cache
def three_ends(lr: float = 0.1, batch_norm: bool = False) -> tuple[NDArray, NDArray, NDArray]:
    """Three walks of 160 noisy steps at a constant rate from one pretrained net, with other batches each."""
    model = network(batch_norm)
    start = walked(model, model.init(0), Optimizer(rules.momentum, lr=0.05), 400, seed=0, batch=32)
    one, two, three = (walked(model, start, Optimizer(rules.sgd, lr=lr), 160, seed) for seed in (5, 6, 7))
    return one, two, three


def between(points: Sequence[NDArray], loss: Callable[[NDArray], float], names: str = "123", n: int = 25) -> Picture:
    """The loss in the plane through three points, with them and their mean, marked by a cross."""
    frame = tricks.through(*points)
    corners = frame.corners
    middle = corners.mean(axis=0)
    size = 0.75 * float(np.ptp(corners, axis=0).max())
    low, high = middle - size, middle + size
    plane = tricks.plane(loss, frame.origin, frame.d1, frame.d2, ((low[0], high[0]), (low[1], high[1])), n=n)
    figure, ax = panels(size=(480, 420))
    with house():
        heights = np.geomspace(plane.loss.min() * 1.02, np.quantile(plane.loss, 0.9), 12)
        ax.contour(plane.a, plane.b, plane.loss, levels=np.unique(heights), colors=GREY, linewidths=0.8, alpha=0.7)
        for name, corner in zip(names, corners, strict=True):
            ax.plot(*corner, "o", color=series(0), ms=8)
            ax.annotate(f"${name}$", corner, (8, 6), textcoords="offset points", color=GREY, fontsize=12)
        ax.plot(*middle, "X", color=series(1), ms=11)
        ax.set_aspect("equal")
        label(ax, "$a$", "$b$")
    return picture(figure, "plane through three solutions")


# --- batch size ------------------------------------------------------------------------------------


def needed(batch: int, target: float = 0.25, seeds: int = 2, most: int = 1500) -> tuple[float, float]:
    """Updates of SGD until softmax regression on the digits reaches a loss, at the best of five rates; and that rate.

    The median over seeds; a rate at which it is not reached in `most` updates counts as infinite.
    """
    (X, y), _ = digits()
    model = models.SoftmaxRegression(10)
    found = []
    for lr in (0.1, 0.32, 1.0, 3.2, 10.0):
        found.append(
            (float(np.median([_until(model, X, y, batch, lr, target, seed, most) for seed in range(seeds)])), lr)
        )
    return min(found)


def _until(model: Any, X: NDArray, y: NDArray, batch: int, lr: float, target: float, seed: int, most: int) -> float:
    oracle = oracles.full_batch(model, X, y) if batch >= len(y) else oracles.minibatch(model, X, y, batch, seed=seed)
    every = 10 if batch < 16 else 1  # small steps change little
    try:
        walk = run(Optimizer(rules.sgd, lr=lr), oracle, np.zeros(10 * X.shape[1]))
        for t, (theta, _) in enumerate(islice(walk, most), 1):
            if t % every == 0 and model.loss(theta, X, y) <= target:
                return float(t)
    except FloatingPointError:
        pass
    return np.inf


def scaling(found: Mapping[int, tuple[float, float]]) -> Picture:
    """Updates needed and the best rate against the batch size, with the lines of perfect scaling from the smallest."""
    figure, (above, below) = panels((2, 1), size=(520, 460), sharex=True)
    sizes = np.array(list(found), dtype=float)
    steps, best = np.array(list(found.values()), dtype=float).T
    with house():
        above.plot(sizes, steps[0] * sizes[0] / sizes, color=GREY, ls="--", lw=1, label=r"$\propto 1/B$")
        above.plot(sizes, steps, "o-", color=series(0), label="$S(B)$")
        below.plot(sizes, best[0] * sizes / sizes[0], color=GREY, ls="--", lw=1, label=r"$\propto B$")
        below.plot(sizes, best, "o-", color=series(1), label=r"$\eta(B)$")
        below.set_ylim(best.min() / 2, best.max() * 4)
        for axis, name in ((above, "$S$"), (below, r"$\eta$")):
            axis.set_xscale("log")
            axis.set_yscale("log")
            label(axis, "$B$" if axis is below else "", name)
            legend(axis)
    return picture(figure, "updates and rate against batch size")


# --- annealing -------------------------------------------------------------------------------------


def metropolis(
    f: Callable[[float], float], x: float, temperature: Schedule, steps: int, *, width: float = 1.0, seed: int = 0
) -> NDArray:
    r"""Simulated annealing: a random move is kept if it goes down, else with probability :math:`e^{-\Delta f/T}`.

    It asks for heights only, never for a gradient; the temperature, not a rate, is what falls.

    Source: Kirkpatrick, Gelatt & Vecchi (1983).

    >>> path = metropolis(lambda x: x * x, 3.0, lambda t: 1e-6, 200, seed=1)
    >>> bool(np.all(np.diff(path**2) <= 1e-4))
    True
    """
    rng = np.random.default_rng(seed)
    path = [x]
    for t in range(steps):
        new = x + width * rng.standard_normal()
        rise = float(f(new)) - float(f(x))
        if rise <= 0 or rng.uniform() < np.exp(-rise / temperature(t)):
            x = new
        path.append(x)
    return np.array(path)


def found_lowest(seeds: int = 40, steps: int = 400) -> dict[str, int]:
    """How many of the walks on the waves end in the lowest of five valleys, from a start two valleys away.

    Gradient descent with a falling rate always ends in the same valley, so one walk stands for all.
    """
    f = surfaces.waves
    cool = schedules.exponential(4.0, 0.985)
    annealed = [
        metropolis(lambda x: float(f(np.array([x]))), float(f.start[0]), cool, steps, seed=s)[-1] for s in range(seeds)
    ]
    decayed = last(run(Optimizer(rules.sgd, lr=schedules.exponential(0.2, 0.985)), f.grad, np.array(f.start)), steps)
    return {
        "simulated annealing": sum(bool(abs(x) < 1.5) for x in annealed),
        "falling rate": seeds * (abs(float(decayed[0])) < 1.5),
    }
