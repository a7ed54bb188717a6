r"""Figures and small experiments of the chapter on many cores and stale gradients.

>>> from downhill_course.figures import stale
>>> stale.limit(0), round(stale.limit(3), 3)
(2.0, 0.445)
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optlib import data, parallel, rules
from optlib.optimizer import Optimizer
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, panels, series
from optlib.view.timelines import staleness, timeline

#: A gradient takes a second in the median; one in six takes more than 1.6.
OFFICE = parallel.Cluster(compute=parallel.lognormal(1.0, 0.5), latency=0.04)


def _sgd(lr: float = 0.1) -> Optimizer:
    return Optimizer(rules.sgd, lr=lr)


# --- to wait or not to wait ---------------------------------------------------------------------------


def two_offices(workers: int = 4, until: float = 10.0) -> Picture:
    """The same workers under the same clock, synchronous above and asynchronous below."""
    figure, axes = panels((2, 1), size=(640, 420), sharex=True)
    for axis, algorithm in zip(axes, (parallel.SyncSGD(_sgd()), parallel.async_sgd(_sgd())), strict=True):
        run = parallel.simulate(algorithm, workers=workers, steps=40, cluster=OFFICE, seed=3)
        timeline(run, until=until, ax=axis)
    with house():
        axes[0].set_xlabel("")
    return picture(figure, "time lines: synchronous, asynchronous")


def waiting(workers: Iterable[int], rounds: int = 500) -> dict[int, tuple[float, float]]:
    r"""Seconds of a synchronous round when gradients take exponential times of mean 1; and :math:`H_p`, what is due.

    >>> waiting([1, 2], rounds=2000)
    {1: (1.01, 1.0), 2: (1.5, 1.5)}
    """
    cluster = parallel.Cluster(compute=parallel.exponential(1.0))
    found = {}
    for p in workers:
        run = parallel.simulate(parallel.SyncSGD(_sgd()), workers=p, steps=rounds, cluster=cluster)
        found[p] = (round(run.time / rounds, 2), round(float(np.sum(1 / np.arange(1, p + 1))), 2))
    return found


# --- staleness ------------------------------------------------------------------------------------------


def ages(workers: int = 8, steps: int = 800) -> Picture:
    r"""How stale gradients are when they arrive, for three laws of computing time; dots are :math:`q^k/p`, q = 1 - 1/p.

    >>> ages(workers=4, steps=50)
    <staleness of 4 workers>
    """
    laws = {r"$\sigma=0$": 1.0, "lognormal": parallel.lognormal(1.0, 0.5), "exponential": parallel.exponential(1.0)}
    figure, axes = panels((1, 3), size=(660, 260), sharey=True)
    top = 4 * workers
    with house():
        for i, (axis, (name, law)) in enumerate(zip(axes, laws.items(), strict=True)):
            share = aged(law, workers, steps)
            axis.bar(range(len(share[:top])), share[:top], width=1.0, color=series(i), alpha=0.5, lw=0)
            if name == "exponential":
                k = np.arange(top)
                axis.plot(k, (1 - 1 / workers) ** k / workers, ".", color=GREY, ms=5)
            axis.axvline(workers - 1, color=GREY, ls="--", lw=1)
            axis.set_ylim(0, 0.35)
            axis.set_title(name, fontsize=11)
            label(axis, r"$\tau$", "")
    return picture(figure, f"staleness of {workers} workers")


def aged(law: Any, workers: int, steps: int = 800) -> NDArray:
    """Share of the gradients of each staleness when computing takes these seconds."""
    cluster = parallel.Cluster(compute=law)
    return staleness(parallel.simulate(parallel.async_sgd(_sgd()), workers=workers, steps=steps, cluster=cluster))


def limit(delay: int) -> float:
    r"""The largest :math:`\eta h` at which :math:`x_{t+1} = x_t - \eta h\, x_{t-\tau}` stays bounded.

    .. math:: \eta h < 2 \sin \frac{\pi}{2(2\tau + 1)}

    Source: Levin & May (1976), equation 3.

    >>> [round(limit(delay), 3) for delay in (0, 1, 2)]
    [2.0, 1.0, 0.618]
    """
    return float(2 * np.sin(np.pi / (2 * (2 * delay + 1))))


def radius(rate: float, delay: int) -> float:
    """Factor by which that walk grows or shrinks in the long run: the largest root of its polynomial.

    >>> round(radius(0.5, 0), 12), radius(1.01, 1) > 1 > radius(0.99, 1)
    (0.5, True)
    """
    return float(np.abs(np.roots([1.0, -1.0, *[0.0] * (delay - 1), rate] if delay else [1.0, rate - 1.0])).max())


# --- staleness is momentum ------------------------------------------------------------------------------


def asynchronous(
    optimizer: Optimizer, curvatures: NDArray, start: NDArray, workers: int, updates: int, seed: int = 0
) -> Iterator[NDArray]:
    r"""Many runs of asynchronous SGD on a quadratic at once: after each update any worker may be the next to push.

    It does what `optlib.parallel.train` does with `async_sgd`, for arrays of runs; a test holds the two together.

    Parameters
    ----------
    optimizer : the server's. curvatures : of shape (d,)
    start : of shape (..., runs, d); every run has a random order of its own
    """
    rng, runs = np.random.default_rng(seed), start.shape[-2]
    reads = np.repeat(start[None], workers, axis=0)
    theta, state = start, optimizer.init(start)
    for _ in range(updates):
        who = rng.integers(workers, size=runs)
        which = (who, Ellipsis, np.arange(runs), slice(None))
        stale = np.moveaxis(reads[which], 0, -2)
        theta, state = optimizer.tell(theta, curvatures * stale, state)
        reads[which] = np.moveaxis(theta, -2, 0)
        yield theta


def mean_walk(workers: int, lr: float, updates: int = 60, runs: int = 4000) -> NDArray:
    """Mean over many random orders of asynchronous SGD on half the square of x, from 1, after each update."""
    walk = asynchronous(_sgd(lr), np.ones(1), np.ones((runs, 1)), workers, updates)
    return np.array([1.0, *(float(theta.mean()) for theta in walk)])


def predicted(workers: int, lr: float, updates: int = 60) -> NDArray:
    r"""The walk with momentum :math:`1 - 1/p` and rate :math:`\eta/p` that the mean is to follow.

    >>> predicted(1, 0.5, 2)
    array([1.  , 0.5 , 0.25])
    """
    path = [1.0, 1.0 - lr]
    while len(path) <= updates:
        path.append(path[-1] + (1 - 1 / workers) * (path[-1] - path[-2]) - lr / workers * path[-1])
    return np.array(path)


def implicit(workers: Sequence[int] = (1, 4, 16), lr: float = 0.5, runs: int = 4000) -> Picture:
    """Means of asynchronous walks (lines) and momentum as predicted (dots).

    >>> implicit((1, 2), runs=3)
    <mean walks of 1, 2 workers>
    """
    figure, ax = panels(size=(560, 340))
    with house():
        for i, p in enumerate(workers):
            ax.plot(mean_walk(p, lr, runs=runs), color=series(i), label=f"$p={p}$")
            foreseen = predicted(p, lr)
            ax.plot(range(0, len(foreseen), 3), foreseen[::3], ".", color=series(i), ms=6)
        ax.axhline(0, color=GREY, lw=0.8)
        label(ax, "$t$", "$x$")
        legend(ax)
    return picture(figure, f"mean walks of {', '.join(map(str, workers))} workers")


#: Momenta that are tried.
MOMENTA = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9)


@cache
def tuned(workers: int, updates: int = 240, orders: int = 41) -> dict[float, float]:
    """For each momentum the loss on a quadratic of condition 300 after so many updates, at the best of 30 rates.

    The median over random orders; the same number of gradients for every number of workers.

    >>> found = tuned(1, updates=60, orders=1)
    >>> found[0.8] < found[0.0]
    True
    """
    curvatures = np.geomspace(1 / 300, 1.0, 8)
    rates, found = np.geomspace(0.005, 2.0, 30), {}
    for gamma in MOMENTA:
        optimizer = Optimizer(rules.momentum, lr=rates[:, None, None], gamma=gamma)
        *_, theta = asynchronous(optimizer, curvatures, np.ones((len(rates), orders, 8)), workers, updates, seed=1)
        losses = 0.5 * (curvatures * theta**2).sum(axis=-1)
        found[gamma] = float(np.median(losses, axis=1).min())
    return found


def best_momenta(workers: Sequence[int] = (1, 2, 4, 16)) -> Picture:
    """The tuned losses of `tuned` against the momentum, a curve for each number of workers."""
    figure, ax = panels(size=(560, 340))
    with house():
        for i, p in enumerate(workers):
            losses = tuned(p)
            ax.plot(list(losses), list(losses.values()), "o-", color=series(i), ms=4, label=f"$p={p}$")
            at = min(losses, key=losses.__getitem__)
            ax.plot(at, losses[at], "o", color=series(i), ms=10, mfc="none", mew=1.6)
        ax.set_yscale("log")
        label(ax, r"$\gamma$", "$f$")
        legend(ax)
    return picture(figure, f"tuned momentum for {', '.join(map(str, workers))} workers")


# --- Hogwild! -------------------------------------------------------------------------------------------


def crowds(n: int = 2000) -> dict[str, tuple[int, float, float]]:
    r""":math:`\Omega`, :math:`\Delta` and :math:`\rho` of five data sets of so many examples."""
    pairs, _ = data.low_rank(300, 200, rank=2, observed=n / 60_000)
    offsets = np.arange(0, 2 * len(pairs) + 1, 2)
    columns = (pairs + np.array([0, 300])).ravel()
    everywhere = np.tile(np.arange(20), n)
    sets = {
        "uniform, 5 of 1000": data.zipf(n, 1000, words=5, exponent=0.0)[0],
        "uniform, 50 of 1000": data.zipf(n, 1000, words=50, exponent=0.0)[0],
        "Zipf, 5 of 1000": data.zipf(n, 1000, words=5)[0],
        "matrix, 300 x 200": data.SparseRows(offsets, columns, np.ones(len(columns)), 500),
        "dense, 20 of 20": data.SparseRows(np.arange(0, 20 * n + 1, 20), everywhere, np.ones(20 * n), 20),
    }
    found = {name: parallel.conflicts(rows) for name, rows in sets.items()}
    return {name: (c.omega, round(c.delta, 4), round(c.rho, 4)) for name, c in found.items()}


def vanished(updates: int = 3_000_000, threads: int = 2) -> Picture:
    """Share of plain additions that are lost, against the number of weights that the threads draw from.

    The most of three runs: threads that do not run at the same time lose nothing.
    """
    weights = 4 ** np.arange(9)
    most = [max(parallel.lost(threads, updates, int(w)) for _ in range(3)) for w in weights]
    shares = np.array(most) / (threads * updates)
    figure, ax = panels(size=(520, 320))
    with house():
        ax.plot(weights, shares, "o-", color=series(0))
        ax.set_xscale("log")
        ax.set_yscale("symlog", linthresh=1e-5)
        ax.set_ylim(0, 1)
        label(ax, "$d$", "")
    return picture(figure, f"lost additions of {threads} threads")


@cache
def sparse_and_crowded(n: int = 50_000, words: int = 20) -> dict[str, tuple[Any, NDArray]]:
    """Two data sets that differ in one thing: whether all words are equally frequent or some are in every text."""
    return {
        "uniform": data.zipf(n, 1_000_000, words=words, exponent=0.0),
        "Zipf": data.zipf(n, 1_000_000, words=words),
    }


def race(epochs: int = 9) -> Picture:
    """Epochs a second of Hogwild! on two threads over one, for its variants, on sparse and on crowded data.

    A bar is the ratio of the shortest of several epochs, since other programs can only lengthen them.
    """
    figure, axes = panels((1, 2), size=(640, 280), sharey=True)
    with house():
        for axis, (name, (X, y)) in zip(axes, sparse_and_crowded().items(), strict=True):
            alone = _epoch(X, y, epochs, threads=1)
            gains = [alone / _epoch(X, y, epochs, threads=2, variant=v) for v in parallel.threads.VARIANTS]
            axis.barh(range(len(gains)), gains, height=0.6, color=[series(i) for i in range(len(gains))], alpha=0.7)
            axis.axvline(1, color=GREY, ls="--", lw=1)
            axis.set_yticks(range(len(gains)), parallel.threads.VARIANTS)
            axis.set_ylim(len(gains) - 0.4, -0.6)
            axis.set_title(name, fontsize=11)
            label(axis, r"$\times$", "")
    return picture(figure, "two threads over one: " + ", ".join(parallel.threads.VARIANTS))


def _epoch(X: Any, y: NDArray, epochs: int, **how: Any) -> float:
    return float(parallel.hogwild(X, y, lr=0.1, epochs=epochs, **how).seconds.min())


def delayed_steps(n: int, k: int, delay: int, *, tolerance: float = 1e-2, most: int = 20_000, seed: int = 0) -> float:
    r"""Steps until stale SGD has solved a linear system to a relative error; infinite if it does not.

    .. math:: x_{t+1} = x_t - \tfrac12 a_t \bigl(a_t^\top x_{t-\tau} - b_t\bigr)

    Each row :math:`a_t` has length 1 and k entries that are not zero, anywhere among n. Checked every 20 steps.

    >>> delayed_steps(20, 20, 0)
    260.0
    """
    rng = np.random.default_rng(seed)
    goal = rng.standard_normal(n)
    past = np.zeros((delay + 1, n))
    for t in range(most):
        columns = rng.permutation(n)[:k]
        a = rng.standard_normal(k)
        a /= np.linalg.norm(a)
        now = past[t % (delay + 1)]
        old = past[(t + 1) % (delay + 1)] if t >= delay else past[0] * 0
        new = now.copy()
        new[columns] -= 0.5 * a * (a @ (old[columns] - goal[columns]))
        past[(t + 1) % (delay + 1)] = new
        if (t + 1) % 20 == 0:
            error = float(np.linalg.norm(new - goal) / np.linalg.norm(goal))
            if error < tolerance:
                return float(t + 1)
            if not error < 1e6:
                break
    return np.inf


def penalty(omega: float, delta: float, rho: float, delay: float) -> float:
    r"""By how much the paper's step must be smaller: :math:`1 + 6\rho\tau + 4\tau^2\Omega\sqrt\Delta`.

    Source: Niu, Recht, Ré & Wright (2011), proposition 4.1.

    >>> penalty(1, 0, 0, 10), penalty(1000, 1.0, 1.0, 10)
    (1.0, 400061.0)
    """
    return float(1 + 6 * rho * delay + 4 * delay**2 * omega * np.sqrt(delta))


# --- delay-tolerant AdaGrad -----------------------------------------------------------------------------

#: The rates that may be chosen.
ALPHAS = tuple(float(a) for a in np.geomspace(0.01, 100.0, 13))


def regrets(delay: int, steps: int = 20_000, seed: int = 0) -> dict[str, NDArray]:
    r"""Regret of learning :math:`|x - z_t|` online with late gradients, for each rate in `ALPHAS`.

    :math:`z_t` are normal about 1, the start is 0. Each gradient is taken at the point that was current `delay` updates
    before it is applied, and the loss is paid there.

    >>> found = regrets(0, steps=500)
    >>> bool(np.allclose(found["AsyncAdaGrad"], found["AdaptiveRevision"]))
    True
    """
    targets = 1.0 + np.random.default_rng(seed).standard_normal(steps)
    lr, best = np.array(ALPHAS), float(np.abs(targets - np.median(targets)).sum())
    return {
        "AsyncAdaGrad": _paid(_unaware(lr), targets, delay) - best,
        "AdaptiveRevision": _paid(_revised(lr), targets, delay) - best,
    }


def _unaware(lr: Any) -> Any:
    def step(theta: NDArray, g: NDArray, memory: Any, _old: Any) -> tuple[NDArray, Any]:
        z = memory[0] + g * g
        return theta - lr / np.sqrt(z) * g, (z, z)

    return step, (np.ones_like(lr), np.ones_like(lr))


def _revised(lr: Any) -> Any:
    def step(theta: NDArray, g: NDArray, memory: Any, old: Any) -> tuple[NDArray, Any]:
        z, z_max, g_bar, _ = memory
        return parallel.adaptive_revision(theta, g, z, z_max, g_bar, old, lr=lr, initial=1.0)

    zero = np.zeros_like(lr)
    return step, (zero, zero, zero, zero)


def _paid(learner: Any, targets: NDArray, delay: int) -> NDArray:
    """The losses added up; what was read is remembered until its gradient is applied."""
    step, memory = learner
    theta = np.zeros(len(ALPHAS))
    revises = len(memory) == 4
    reads = [(theta, memory[2] if revises else None)] * (delay + 1)
    total = np.zeros(len(ALPHAS))
    for t, target in enumerate(targets):
        read, bar = reads[t % (delay + 1)]
        total += np.abs(read - target)
        theta, memory = step(theta, np.sign(read - target), memory, bar)
        reads[t % (delay + 1)] = (theta, memory[2] if revises else None)
    return total


@cache
def _late(delays: tuple[int, ...]) -> dict[int, dict[str, NDArray]]:
    return {delay: regrets(delay) for delay in delays}


def late(delays: Sequence[int] = (0, 10, 100, 1000)) -> Picture:
    """Regret against the rate, a panel for each delay; AsyncAdaGrad dashed, the best rates ringed."""
    found = _late(tuple(delays))
    figure, axes = panels((2, 2), size=(640, 460), sharex=True, sharey=True)
    with house():
        for axis, (delay, both) in zip(np.ravel(axes), found.items(), strict=True):
            for i, (name, values) in enumerate(both.items()):
                axis.plot(ALPHAS, values, "-" if i else "--", color=series(i), label=name, lw=1.8)
                axis.plot(ALPHAS[int(values.argmin())], values.min(), "o", color=series(i), ms=9, mfc="none", mew=1.6)
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.set_title(rf"$\tau={delay}$", fontsize=11)
            label(axis, r"$\alpha$" if axis in axes[-1] else "", "$R$" if axis in axes[:, 0] else "")
        legend(figure)
    return picture(figure, "regret against the rate: AsyncAdaGrad, AdaptiveRevision")


def untuned(delays: Sequence[int] = (0, 10, 100, 1000), alpha: float = 1.0) -> dict[int, dict[str, float]]:
    """Regrets at one rate for all delays, to two digits."""
    at = int(np.argmin(np.abs(np.log(np.array(ALPHAS) / alpha))))
    found = _late(tuple(delays))
    return {d: {name: float(f"{values[at]:.2g}") for name, values in both.items()} for d, both in found.items()}
