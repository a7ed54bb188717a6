"""Figures and small experiments of the chapter on clusters.

>>> from downhill_course.figures import clusters
>>> clusters.all_reduce([[1.0, 2.0], [3.0, 4.0]])[0]
array([[4., 6.],
       [4., 6.]])
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import ArrayLike, NDArray

from downhill_course.dataflow import devices
from downhill_course.dataflow.graph import Graph, Node
from optlib import data, models, parallel, rules, surfaces
from optlib.optimizer import Optimizer
from optlib.oracles import minibatch
from optlib.parallel import Algorithm, Cluster, Result
from optlib.view.contours import ground
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, panels, series
from optlib.view.timelines import timeline

#: Where a message takes hardly any time, and where it takes two gradients' worth.
FAST = Cluster(compute=parallel.lognormal(1.0, 0.3), latency=parallel.exponential(0.01))
SLOW = Cluster(compute=parallel.lognormal(1.0, 0.3), latency=parallel.exponential(2.0))


def _sgd(lr: float) -> Optimizer:
    return Optimizer(rules.sgd, lr=lr)


# --- the parameter server -------------------------------------------------------------------------------


def anatomy(replicas: int = 4, shards: int = 3) -> Picture:
    r"""Shards of the server above, replicas below: each fetches the parameters of all and pushes to all."""
    figure, ax = panels(size=(600, 280))
    with house():
        ax.set_axis_off()
        ax.set(xlim=(-0.6, 11), ylim=(-0.4, 5.2))
        above = [_box(ax, 2 + 3 * i, 4.0, rf"$\theta_{{{i + 1}}}$", series(0)) for i in range(shards)]
        names = [rf"$X_{{{i + 1}}},\ \theta^{{{i + 1}}}$" for i in range(replicas)]
        below = [_box(ax, 1 + 2.8 * i, 0.6, name, series(1)) for i, name in enumerate(names)]
        for i, bottom in enumerate(below):
            for top in above:
                opacity = 0.9 if i == 0 else 0.35
                style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9, "lw": 0.9, "alpha": opacity}
                ends = (bottom[0], bottom[1] + 0.55), (top[0], top[1] - 0.55)
                ax.add_patch(FancyArrowPatch(*ends, color=series(1), connectionstyle="arc3,rad=0.08", **style))
                ax.add_patch(FancyArrowPatch(*ends[::-1], color=series(0), connectionstyle="arc3,rad=0.08", **style))
        ax.text(-0.5, 2.5, r"$\Delta$", color=series(1), fontsize=12)
        ax.text(0.1, 2.5, r"$\theta$", color=series(0), fontsize=12)
    return picture(figure, f"{replicas} replicas, {shards} shards")


def _box(ax: Any, x: float, y: float, text: str, colour: str) -> tuple[float, float]:
    outline = FancyBboxPatch((x - 0.8, y - 0.4), 1.6, 0.8, boxstyle="round,pad=0.1", fc="none", ec=colour, lw=1.4)
    ax.add_patch(outline)
    ax.text(x, y, text, ha="center", va="center", color=GREY, fontsize=12)
    return x, y


# --- a contest on a simulated cluster -------------------------------------------------------------------


@cache
def digits() -> tuple[NDArray, NDArray]:
    """All handwritten digits."""
    return data.digits()


def oracles(workers: int, seed: int = 0, size: int = 16) -> list[Any]:
    """The digits dealt out, sixteen a step, for softmax regression."""
    return parallel.parts(models.SoftmaxRegression(10), *digits(), workers, size=size, seed=seed)


def loss(theta: NDArray) -> float:
    """The mean loss on all digits."""
    return float(models.SoftmaxRegression(10).loss(theta, *digits()))


#: The contestants, each from a rate alone; talking every step or every tenth.
CONTESTANTS: dict[str, Callable[[float], Algorithm]] = {
    "synchronous": lambda lr: parallel.SyncSGD(_sgd(lr)),
    "asynchronous": lambda lr: parallel.async_sgd(_sgd(lr)),
    "Downpour 10": lambda lr: parallel.Downpour(Optimizer(rules.adagrad, lr=lr / 10), _sgd(lr), n_fetch=10, n_push=10),
    "EASGD 10": lambda lr: parallel.EASGD(_sgd(lr), alpha=0.9 / 8, period=10),
    "EAMSGD 10": lambda lr: parallel.eamsgd(lr / 10, 0.9, alpha=0.9 / 8, period=10),
    "local SGD 10": lambda lr: parallel.LocalSGD(_sgd(lr), period=10),
    "DiLoCo 10": lambda lr: parallel.LocalSGD(_sgd(lr), period=10, outer=Optimizer(rules.nag, lr=0.7, gamma=0.5)),
}
RATES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def run(algorithm: Algorithm, cluster: Cluster, *, seconds: float = 60.0, workers: int = 8, seed: int = 0) -> Result:
    """An algorithm on the digits and a simulated cluster for some virtual seconds."""
    return parallel.simulate(
        algorithm, oracles(workers, seed), np.zeros(10 * digits()[0].shape[1]), steps=int(2 * seconds), cluster=cluster,
        seed=seed, until=seconds,
    )  # fmt: skip


@cache
def contest(name: str, fast: bool, seeds: int = 5) -> tuple[float, ...]:
    """Losses of a contestant at the rate that was best on three other seeds, one for each seed, sorted."""
    cluster = FAST if fast else SLOW
    make = CONTESTANTS[name]
    best = min(RATES, key=lambda lr: float(np.median([_end(make(lr), cluster, seed) for seed in (100, 101, 102)])))
    return tuple(sorted(_end(make(best), cluster, seed) for seed in range(seeds)))


def _end(algorithm: Algorithm, cluster: Cluster, seed: int) -> float:
    try:
        return loss(run(algorithm, cluster, seed=seed).theta)
    except FloatingPointError:
        return np.inf


def race() -> Picture:
    """Losses of all contestants after a virtual minute, on the fast network and on the slow one."""
    figure, axes = panels((1, 2), size=(660, 320), sharey=True, sharex=True)
    names = list(CONTESTANTS)
    with house():
        for axis, fast, title in zip(axes, (True, False), ("0.01", "2"), strict=True):
            for place, name in enumerate(names):
                ends = contest(name, fast)
                axis.plot([ends[0], ends[-1]], [place] * 2, color=series(0), lw=5, alpha=0.35, solid_capstyle="round")
                axis.plot(float(np.median(ends)), place, "o", color=series(0), ms=6)
            axis.set_yticks(range(len(names)), names)
            axis.set_ylim(len(names) - 0.5, -0.5)
            axis.set_xscale("log")
            axis.set_xticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
            axis.set_xticks([], minor=True)
            axis.set_title(title, fontsize=11)
            label(axis, "$f$", "")
    return picture(figure, "contest on a fast and a slow network")


def skewed(workers: int = 4) -> list[Any]:
    """The digits dealt out by class: the first of four workers sees zeros, fours and eights, and so on."""
    X, y = digits()
    rows = [y % workers == w for w in range(workers)]
    return [minibatch(models.SoftmaxRegression(10), X[r], y[r], 16, seed=w) for w, r in enumerate(rows)]


def spread(n_fetch: Iterable[int], steps: int = 60) -> dict[int, float]:
    """How far replicas of Downpour on skewed data stand from their mean when they fetch so seldom, over its length."""
    found = {}
    for period in n_fetch:
        algorithm = parallel.Downpour(_sgd(0.3), n_fetch=period, n_push=1)
        end = parallel.simulate(algorithm, skewed(), np.zeros(640), steps=steps, cluster=FAST)
        places = np.array([memory["theta"] for memory in end.workers if memory is not None])
        middle = places.mean(axis=0)
        found[period] = float(f"{np.linalg.norm(places - middle, axis=1).mean() / np.linalg.norm(middle):.2g}")
    return found


# --- elastic averaging ----------------------------------------------------------------------------------


def admm_round(eta: float, rho: float, workers: int) -> NDArray:
    r"""One round of ADMM on :math:`\frac12x^2`, workers in turn, as a matrix of x, lambda and the centre.

    Source: Zhang, Choromanska & LeCun (2015), section 3.

    >>> round(float(np.abs(np.linalg.eigvals(admm_round(1e-3, 2.5, 3))).max()), 5)
    1.00097
    """
    n = 2 * workers + 1
    whole = np.eye(n)
    for i in range(workers):
        dual, primal, centre = np.eye(n), np.eye(n), np.eye(n)
        dual[workers + i, i], dual[workers + i, -1] = -1.0, 1.0
        primal[i, i] = (1 - eta) / (1 + eta * rho)
        primal[i, workers + i] = primal[i, -1] = eta * rho / (1 + eta * rho)
        centre[-1] = np.concatenate([np.full(workers, 1 / workers), np.full(workers, -1 / workers), [0.0]])
        whole = centre @ primal @ dual @ whole
    return whole


def elastic_round(eta: float, alpha: float, workers: int) -> NDArray:
    r"""One round of EASGD on the same, as a matrix of x and the centre; every factor is symmetric.

    >>> round(float(np.abs(np.linalg.eigvals(elastic_round(1e-3, 2.5e-3, 3))).max()), 5)
    0.99927
    """
    whole = np.eye(workers + 1)
    for i in range(workers):
        turn = np.eye(workers + 1)
        turn[i, i], turn[i, -1], turn[-1, i], turn[-1, -1] = 1 - eta - alpha, alpha, alpha, 1 - alpha
        whole = turn @ whole
    return whole


def radius(matrix: NDArray) -> float:
    """The factor by which a map that is applied again and again lets things grow or shrink in the long run."""
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def unstable(workers: Sequence[int] = (3, 8), n: int = 20) -> dict[int, tuple[float, float]]:
    """Share of a grid of rates and springs on which ADMM grows, and on which EASGD does."""
    grid = [(eta, rho) for eta in np.geomspace(1e-5, 1e-2, n) for rho in np.linspace(0.1, 10.0, n)]
    found = {}
    for p in workers:
        admm = np.mean([radius(admm_round(eta, rho, p)) > 1 + 1e-12 for eta, rho in grid])
        easgd = np.mean([radius(elastic_round(eta, eta * rho, p)) > 1 + 1e-12 for eta, rho in grid])
        found[p] = (round(float(admm), 2), round(float(easgd), 2))
    return found


def centres(workers: int = 8, eta: float = 1e-3, rho: float = 2.5, rounds: int = 8000) -> Picture:
    """The centre over the rounds, from 1000, for both."""
    figure, ax = panels(size=(560, 320))
    walks = {
        "ADMM": (admm_round(eta, rho, workers), np.repeat([1000.0, 0.0, 1000.0], [workers, workers, 1])),
        "EASGD": (elastic_round(eta, eta * rho, workers), np.full(workers + 1, 1000.0)),
    }
    with house():
        for i, (name, (matrix, state)) in enumerate(walks.items()):
            seen = []
            for _ in range(rounds):
                seen.append(state[-1])
                state = matrix @ state
            ax.plot(seen, color=series(i), label=name)
        ax.axhline(0, color=GREY, lw=0.8)
        ax.set_yscale("symlog", linthresh=1000)
        ax.set_yticks([-1e6, -1e4, 0, 1e4, 1e6])
        ax.set_yticks([], minor=True)
        label(ax, "$t$", r"$\tilde{x}$")
        legend(ax)
    return picture(figure, f"centre of {workers} workers: ADMM, EASGD")


def valleys(alpha: float, *, workers: int = 4, noise: float = 60.0, lr: float = 0.01, seed: int = 0) -> Result:
    """EASGD with noisy gradients on a surface with four valleys of equal depth, from the hill between them."""
    return parallel.train(
        parallel.EASGD(_sgd(lr), alpha=alpha, period=1),
        [_Shaken(noise, [seed, w]) for w in range(workers)], [-0.27, -0.92], steps=200,
    )  # fmt: skip


class _Shaken:
    """The gradient of Himmelblau's function with normal noise of its own."""

    def __init__(self, noise: float, seed: Sequence[int]) -> None:
        self.noise, self.rng = noise, np.random.default_rng(seed)

    def __call__(self, theta: NDArray) -> NDArray:
        return surfaces.himmelblau.grad(theta) + self.noise * self.rng.standard_normal(2)


def elastic(alphas: Sequence[float] = (0.002, 0.05, 0.2), seed: int = 1) -> Picture:
    """Where four workers and the centre (a cross) stand after 200 steps, for weak and strong springs."""
    figure, axes = panels((1, len(alphas)), size=(660, 250), sharey=True)
    with house():
        for axis, alpha in zip(axes, alphas, strict=True):
            end = valleys(alpha, seed=seed)
            ground(surfaces.himmelblau, axis, np.array(surfaces.himmelblau.domain))
            for w, memory in enumerate(end.workers):
                assert memory is not None
                axis.plot(*np.transpose([memory["x"], end.theta]), color=GREY, lw=1)
                axis.plot(*memory["x"], "o", color=series(w), ms=7)
            axis.plot(*end.theta, "X", color=GREY, ms=9)
            axis.set_title(rf"$\alpha={alpha:g}$", fontsize=11)
    return picture(figure, "workers and centre for weak and strong springs")


def explored(alphas: Sequence[float] = (0.002, 0.05, 0.2), runs: int = 20) -> dict[float, tuple[float, float]]:
    """Over so many runs: the mean number of valleys in which workers stand, and the median height of the centre."""
    bottoms = np.array(surfaces.himmelblau.minima)
    found = {}
    for alpha in alphas:
        counts, heights = [], []
        for seed in range(runs):
            end = valleys(alpha, seed=seed)
            places = np.array([memory["x"] for memory in end.workers if memory is not None])
            nearest = np.linalg.norm(places[:, None] - bottoms, axis=2).argmin(axis=1)
            counts.append(len(set(nearest.tolist())))
            heights.append(float(surfaces.himmelblau(end.theta)))
        found[alpha] = (round(float(np.mean(counts)), 2), float(f"{np.median(heights):.2g}"))
    return found


# --- the dataflow graph ----------------------------------------------------------------------------------


def network(
    batch: int = 8, hidden: int = 32, *, variables: tuple[str, str] = ("server", "server"),
    layers: tuple[str, str] = ("worker", "worker"),
) -> tuple[Graph, list[Node], dict[Node, NDArray]]:  # fmt: skip
    """A net of two layers for digits: its graph, its two updates, and a batch to feed.

    Parameters
    ----------
    variables, layers : devices of the weights, and of the operations, of the first layer and of the second

    >>> graph, updates, feeds = network()
    >>> devices.partition(graph, updates)
    Partition(server: 8, worker: 18; 4 transfers)
    """
    X, y = digits()
    graph = Graph()
    weights = []
    for name, device, shape in zip("VW", variables, ((64, hidden), (hidden, 10)), strict=True):
        with graph.on(device):
            weights.append(graph.variable(name, np.random.default_rng(0).normal(0, 0.1, shape)))
    with graph.on(layers[0]):
        x = graph.placeholder((batch, 64), "x")
        h = graph.tanh(x @ weights[0])
    with graph.on(layers[1]):
        labels = graph.placeholder((batch,), "y", int)
        error = graph.softmax_cross_entropy(h @ weights[1], labels)
    slopes = graph.gradients(error, weights)
    updates = [graph.update(v, slope, _sgd(0.5)) for v, slope in zip(weights, slopes, strict=True)]
    return graph, updates, {x: X[:batch], labels: y[:batch]}


def traffic(batches: Iterable[int] = (8, 64, 512), hidden: int = 32) -> dict[int, tuple[int, int]]:
    """Numbers that travel in a step of such size: the data split (weights at a server), and the model split.

    >>> traffic([8])
    {8: (4736, 512)}
    """
    found = {}
    for batch in batches:
        ways: tuple[dict[str, Any], ...] = ({}, {"variables": ("a", "b"), "layers": ("a", "b")})
        sent = [devices.run(*network(batch, hidden, **way))[1] for way in ways]
        found[batch] = (sum(t.nbytes for t in sent[0]) // 8, sum(t.nbytes for t in sent[1]) // 8)
    return found


# --- all-reduce -----------------------------------------------------------------------------------------


def all_reduce(vectors: ArrayLike) -> tuple[NDArray, int]:
    """The sum of p vectors, at each of p workers in a ring, and the numbers that each had to send.

    Every vector is cut into p pieces. In the first p - 1 rounds each worker adds what its neighbour sent to a piece, in
    the next p - 1 the finished pieces go once around.

    Source: Patarasuk & Yuan (2009).

    >>> sums, sent = all_reduce(np.arange(12.0).reshape(3, 4))
    >>> sums[0], sent
    (array([12., 15., 18., 21.]), 6)
    """
    parts = [np.array_split(np.asarray(v, dtype=float).copy(), len(np.asarray(vectors))) for v in np.asarray(vectors)]
    p, sent = len(parts), [0] * len(parts)
    for r in range(2 * (p - 1)):
        moving = []
        for w in range(p):  # all send at once, so what is sent is taken before anything arrives
            piece = (w - r) % p if r < p - 1 else (w + 1 - (r - (p - 1))) % p
            moving.append((piece, parts[w][piece].copy()))
            sent[w] += moving[-1][1].size
        for w, (piece, values) in enumerate(moving):
            to = parts[(w + 1) % p]
            to[piece] = to[piece] + values if r < p - 1 else values
    return np.array([np.concatenate(mine) for mine in parts]), max(sent)


# --- a thousand workers ---------------------------------------------------------------------------------


def throughput(
    workers: Sequence[int] = (1, 4, 16, 64, 256, 1024), shards: Sequence[int] = (1, 4, 16), size: int = 1_000_000
) -> Picture:
    """Gradients a second of asynchronous SGD against the workers, for some numbers of shards; dashed: no limit.

    A gradient takes a second, a vector is 8 MB, a shard's line carries 125 MB a second each way (1 Gbit/s).
    """
    cluster = Cluster(compute=parallel.lognormal(1.0, 0.3), latency=0.001, server_bandwidth=125e6)
    figure, ax = panels(size=(560, 360))
    with house():
        ax.plot(workers, workers, color=GREY, ls="--", lw=1)
        for i, count in enumerate(shards):
            speeds = [speed(parallel.async_sgd(_sgd(0.1)), p, count, size, cluster) for p in workers]
            ax.plot(workers, speeds, "o-", color=series(i), ms=5, label=f"$s={count}$")
        ax.set_xscale("log", base=2)
        ax.set_yscale("log", base=2)
        label(ax, "$p$", "")
        legend(ax)
    return picture(figure, f"throughput with {', '.join(map(str, shards))} shards")


def speed(algorithm: Algorithm, workers: int, shards: int, size: int, cluster: Cluster) -> float:
    """Gradients a second on a simulated cluster, from the third second on, when all have started.

    >>> round(speed(parallel.async_sgd(_sgd(0.1)), 4, 1, 1000, Cluster()), 1)
    4.0
    """
    steps = max(6, min(40, 4000 // (workers * shards)))
    result = parallel.simulate(algorithm, workers=workers, steps=steps, size=size, shards=shards, cluster=cluster)
    return len(result.spans) / max(span.end for span in result.spans)


class Slow:
    """An oracle that takes its time, so that a time line has something to show."""

    def __init__(self, oracle: Any, seconds: float = 0.05) -> None:
        self.oracle, self.seconds = oracle, seconds

    def __call__(self, theta: NDArray, t: int) -> NDArray:
        import time

        time.sleep(self.seconds)
        return self.oracle(theta, t)


def real_and_simulated(real: Result, simulated: Result) -> Picture:
    """Two time lines under each other, each from its first gradient on, for as long as the shorter one."""
    figure, axes = panels((2, 1), size=(640, 300), sharex=True)
    both = [_from_its_start(each) for each in (real, simulated)]
    until = min(max(span.end for span in each.spans) for each in both)
    for axis, each in zip(axes, both, strict=True):
        timeline(each, until=until, ax=axis)
    with house():
        axes[0].set_xlabel("")
    return picture(figure, "time lines: real, simulated")


def _from_its_start(result: Result) -> Result:
    """A real run begins with getting ready, which is no part of the comparison."""
    first = min(span.start for span in result.spans)
    return replace(result, spans=[s._replace(start=s.start - first, end=s.end - first) for s in result.spans])
