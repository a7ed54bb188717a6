"""The ladder's problems: families, whose members are drawn from a seed that a submitted rule does not know.

A member hides its minimiser: directions, scales, the order of pixels and of classes and the place of the valley are
drawn anew. What was learnt on one member is therefore of no use on another, and numbers written into a rule are of no
use on any. A member is made for one run and asked for one gradient a step, so its noise is the same for every rule.

>>> member = member_of("rotated", secret("public"), 0)
>>> member.start.shape, round(member.loss(member.start), 1) > 1.0, [part.name for part in member.parts]
((128,), True, ['W'])
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optlib import data, models, surfaces
from optlib.transformer import Transformer

Generator = np.random.Generator

#: The seed that everyone knows: `downhill ladder run` and the reference scores use it.
PUBLIC = "public"


class Part(NamedTuple):
    """Where a matrix or vector lies in theta: numbers `start` to `stop`, its shape, and what it is."""

    name: str
    start: int
    stop: int
    shape: tuple[int, ...]
    kind: str  #: hidden, input, output, bias, gain; rest where a problem is no model


@dataclass(frozen=True)
class Member:
    """One problem, for one run.

    start : floats of shape (d,). gradient : (theta, t) -> gradient of shape (d,), t the updates already made.
    loss : theta -> the number that is to fall, without noise. parts : how theta is made of matrices.
    """

    start: NDArray
    gradient: Callable[[NDArray, int], NDArray]
    loss: Callable[[NDArray], float]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Family:
    """A kind of problem: its name in both languages, the steps a run has, and how a member is drawn."""

    name: str
    title: tuple[str, str]
    steps: int
    make: Callable[[Generator], Member]
    scored: bool = True

    @property
    def every(self) -> int:
        """Steps from one look at the loss to the next: fifty looks in a run."""
        return self.steps // 50


def secret(text: str) -> tuple[int, ...]:
    """A seed from a text, for `member_of`.

    >>> len(secret("public")), secret("public") == secret("Public")
    (8, False)
    """
    return tuple(np.frombuffer(hashlib.sha256(text.encode()).digest(), "<u4").tolist())


def member_of(family: str, seed: tuple[int, ...], number: int) -> Member:
    """Member `number` of a family. The same seed and number give the same member, with the same noise."""
    order = list(FAMILIES).index(family)
    return FAMILIES[family].make(np.random.default_rng([*seed, order, number]))


def _one(d: int) -> tuple[Part, ...]:
    return (Part("x", 0, d, (d,), "rest"),)


def _layout(*parts: tuple[str, tuple[int, ...], str]) -> tuple[Part, ...]:
    found, start = [], 0
    for name, shape, kind in parts:
        stop = start + int(np.prod(shape))
        found.append(Part(name, start, stop, shape, kind))
        start = stop
    return tuple(found)


# --- the families ---------------------------------------------------------------------------------

_ROWS, _COLUMNS, _NOISE = 16, 8, 0.02


def _quadratic(rng: Generator, rotated: bool) -> Member:
    """Least squares for a matrix W: curvatures over three decades, along the axes or along hidden directions."""
    curvatures = rng.permutation(np.logspace(0, -2.5, _ROWS))
    H = np.diag(curvatures)
    if rotated:
        Q = np.linalg.qr(rng.standard_normal((_ROWS, _ROWS)))[0]
        H = Q @ H @ Q.T
    best = rng.standard_normal((_ROWS, _COLUMNS))

    def gradient(theta: NDArray, t: int) -> NDArray:
        g = H @ (theta.reshape(best.shape) - best) + _NOISE * rng.standard_normal(best.shape)
        return g.ravel()

    def loss(theta: NDArray) -> float:
        off = theta.reshape(best.shape) - best
        return float(0.5 * (off * (H @ off)).sum())

    return Member(np.zeros(best.size), gradient, loss, _layout(("W", best.shape, "hidden")))


def _axis(rng: Generator) -> Member:
    return _quadratic(rng, rotated=False)


def _rotated(rng: Generator) -> Member:
    return _quadratic(rng, rotated=True)


_WORDS, _DRAWN, _SURE = 40, 256, 0.95


def _zipf(rng: Generator) -> Member:
    """Which word follows a word, mostly, where words are as frequent as Zipf says: a softmax with rare rows.

    The loss is what is lost beyond the language's own uncertainty.
    """
    p = 1 / np.arange(1, _WORDS + 1)
    p = rng.permutation(p / p.sum())
    rows, follows = np.arange(_WORDS), rng.permutation(_WORDS)
    q = np.full((_WORDS, _WORDS), (1 - _SURE) / _WORDS)
    q[rows, follows] += _SURE
    certain = p @ (q * np.log(q)).sum(axis=1)

    def gradient(theta: NDArray, t: int) -> NDArray:
        words = rng.choice(_WORDS, _DRAWN, p=p)
        after = np.where(rng.random(_DRAWN) < _SURE, follows[words], rng.integers(_WORDS, size=_DRAWN))
        W = theta.reshape(_WORDS, _WORDS)[words]
        share = np.exp(W - W.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        share[np.arange(_DRAWN), after] -= 1
        g = np.zeros((_WORDS, _WORDS))
        np.add.at(g, words, share / _DRAWN)
        return g.ravel()

    def loss(theta: NDArray) -> float:
        W = theta.reshape(_WORDS, _WORDS)
        top = W.max(axis=1, keepdims=True)
        logs = W - top - np.log(np.exp(W - top).sum(axis=1, keepdims=True))
        return float(certain - p @ (q * logs).sum(axis=1))

    return Member(np.zeros(_WORDS * _WORDS), gradient, loss, _layout(("W", (_WORDS, _WORDS), "output")))


@cache
def _digits() -> tuple[NDArray, NDArray]:
    return data.digits()


def _examples(rng: Generator, model: Any, theta: NDArray, parts: tuple[Part, ...]) -> Member:
    """Digits with pixels and classes in an order of the member's own; a third is held out, and is what counts."""
    X, y = _digits()
    X, y = X[:, rng.permutation(X.shape[1])], rng.permutation(10)[y]
    order = rng.permutation(len(X))
    learnt, held_out = order[:1200], order[1200:]
    Xh, yh = X[held_out], y[held_out]

    def gradient(theta: NDArray, t: int) -> NDArray:
        batch = learnt[rng.integers(len(learnt), size=32)]
        return model.grad(theta, X[batch], y[batch])

    return Member(theta, gradient, lambda theta: float(model.loss(theta, Xh, yh)), parts)


def _softmax(rng: Generator) -> Member:
    model = models.SoftmaxRegression(10)
    return _examples(rng, model, np.zeros(640), _layout(("W", (64, 10), "output")))


def _network(rng: Generator) -> Member:
    sizes = (64, 24, 10)
    model = models.MLP(sizes)
    theta = model.init(int(rng.integers(2**31)))
    names = ("W1", (64, 24), "input"), ("b1", (24,), "bias"), ("W2", (24, 10), "output"), ("b2", (10,), "bias")
    return _examples(rng, model, theta, _layout(*names))


def _completion(rng: Generator) -> Member:
    """A matrix of rank three, of which a third is known; a few of the known entries are seen at each step."""
    rows, columns, rank = 30, 24, 3
    model = models.MatrixCompletion(rows, columns, rank)
    M = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns)) / np.sqrt(rank)
    pairs = np.argwhere(np.ones(M.shape))[rng.permutation(rows * columns)[:300]]
    known = M[pairs[:, 0], pairs[:, 1]]
    theta = 0.3 * rng.standard_normal(model.size)

    def gradient(theta: NDArray, t: int) -> NDArray:
        batch = rng.integers(len(pairs), size=50)
        return model.grad(theta, pairs[batch], known[batch])

    shapes = ("U", (rows, rank), "hidden"), ("V", (columns, rank), "hidden")
    return Member(theta, gradient, lambda theta: float(model.loss(theta, pairs, known)), _layout(*shapes))


def _chain(rng: Generator) -> Member:
    """Rosenbrock's valley in ten dimensions, each link with a steepness of its own, moved to a hidden place."""
    d = 10
    steep, place, side = rng.uniform(5.0, 20.0, d - 1), rng.standard_normal(d), rng.choice([-1.0, 1.0], d)
    theta = place + side * (np.tile([-1.2, 1.0], d // 2) + 0.1 * rng.standard_normal(d))

    def loss(theta: NDArray) -> float:
        x = side * (theta - place)
        return float((steep * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())

    def gradient(theta: NDArray, t: int) -> NDArray:
        x = side * (theta - place)
        link = 2 * steep * (x[1:] - x[:-1] ** 2)
        g = np.zeros(d)
        g[1:] += link
        g[:-1] -= 2 * x[:-1] * link + 2 * (1 - x[:-1])
        return side * g

    return Member(theta, gradient, loss, _one(d))


@cache
def _letters() -> tuple[NDArray, int]:
    """A book as numbers, one for each letter and one for the space, and how many there are."""
    text = np.array(list(" ".join(data.alice().tolist())))
    letters, numbers = np.unique(text, return_inverse=True)
    return numbers, len(letters)


_WINDOW = 16


def _transformer(rng: Generator) -> Member:
    """The next letter of a book, by one layer of attention; which number a letter has is drawn anew."""
    text, count = _letters()
    text = rng.permutation(count)[text]
    model = Transformer(count, context=_WINDOW, width=16, heads=2, layers=1)
    cut = int(0.9 * len(text))

    def windows(low: int, high: int, n: int) -> tuple[NDArray, NDArray]:
        at = rng.integers(low, high - _WINDOW - 1, n)[:, None] + np.arange(_WINDOW + 1)
        return text[at[:, :-1]], text[at[:, 1:]]

    held_out = windows(cut, len(text), 64)
    layout = tuple(Part(name, w.start, w.stop, shape, kind) for name, (w, shape, kind) in model.parts().items())
    return Member(
        model.init(int(rng.integers(2**31))),
        lambda theta, t: model.grad(theta, *windows(0, cut, 16)),
        lambda theta: float(model.loss(theta, *held_out)),
        layout,
    )


def _drawn(surface: surfaces.Surface) -> Callable[[Generator], Member]:
    """A surface of two dimensions as it stands in the book: for the picture of a path, not for the score."""

    def make(rng: Generator) -> Member:
        start = np.array(surface.start, dtype=float)
        return Member(start, lambda theta, t: surface.grad(theta), lambda theta: float(surface(theta)), _one(2))

    return make


#: Every family by name; members depend on the place in this order, so new ones go to the end of the scored ones.
FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("axis", ("Quadratic along the axes", "沿坐标轴的二次函数"), 300, _axis),
        Family("rotated", ("Quadratic, rotated", "旋转后的二次函数"), 300, _rotated),
        Family("zipf", ("Zipf softmax", "齐普夫 softmax"), 300, _zipf),
        Family("softmax", ("Digits, softmax", "手写数字 softmax"), 200, _softmax),
        Family("network", ("Digits, network", "手写数字神经网络"), 200, _network),
        Family("completion", ("Matrix completion", "矩阵补全"), 300, _completion),
        Family("chain", ("Rosenbrock chain", "Rosenbrock 链"), 500, _chain),
        Family("transformer", ("Small transformer", "小型 Transformer"), 200, _transformer),
        Family("ravine", ("Ravine", "峡谷"), 100, _drawn(surfaces.ravine), scored=False),
        Family("rosenbrock", ("Rosenbrock", "Rosenbrock 函数"), 200, _drawn(surfaces.rosenbrock), scored=False),
    )
}

#: The families that count.
SCORED: tuple[str, ...] = tuple(name for name, family in FAMILIES.items() if family.scored)
