"""No server: every worker has parameters of its own, and averages them with its neighbours."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._inputs import numbers, shown, vector, whole
from ..optimizer import NotFinite, Optimizer, Oracle, takes_step
from .engine import checked_oracles, gradient
from .machines import Compute


def ring(workers: int) -> NDArray:
    """The weights by which each of so many workers on a ring averages itself and its two neighbours, of shape (p, p).

    >>> ring(4).round(2)
    array([[0.33, 0.33, 0.  , 0.33],
           [0.33, 0.33, 0.33, 0.  ],
           [0.  , 0.33, 0.33, 0.33],
           [0.33, 0.  , 0.33, 0.33]])
    """
    own = np.eye(whole(workers, "workers"))
    return (own + np.roll(own, 1, axis=0) + np.roll(own, -1, axis=0)) / 3


def pair(workers: int, i: int, j: int) -> NDArray:
    """The weights by which two of so many workers take their average, and the others keep what they have.

    >>> pair(3, 0, 2)
    array([[0.5, 0. , 0.5],
           [0. , 1. , 0. ],
           [0.5, 0. , 0.5]])
    """
    weights = np.eye(whole(workers, "workers", 2))
    i, j = whole(i, "i", 0, workers - 1), whole(j, "j", 0, workers - 1)
    if i == j:
        raise ValueError(f"i={i} and j={j} are one worker: an average is taken by two")
    weights[np.ix_([i, j], [i, j])] = 0.5
    return weights


def contraction(weights: ArrayLike) -> float:
    r"""By what the workers' disagreement shrinks in a round at least: the second largest singular value of the weights.

    On a ring it is :math:`\frac13 + \frac23 \cos \frac{2\pi}p`, for four workers and more.

    >>> round(contraction(ring(8)), 4)
    0.8047
    """
    weights = _weights(weights)
    return float(np.linalg.norm(weights - 1 / len(weights), 2))


def _weights(weights: ArrayLike, workers: int | None = None) -> NDArray:
    """A square matrix of shares whose rows and columns each sum to 1: so nothing is lost, and nothing doubled."""
    array = numbers(weights, "weights")
    if array.ndim != 2 or array.shape[0] != array.shape[1] or len(array) != (workers or len(array)):
        p = workers or "p"
        raise ValueError(f"weights has shape {array.shape}: it must be ({p}, {p}), a row for each worker")
    sums = np.concatenate([array.sum(axis=0), array.sum(axis=1)])
    if (array < 0).any() or not np.allclose(sums, 1.0, rtol=0.0, atol=1e-9):
        raise ValueError(f"weights={shown(array)}: they must be 0 or more, and each row and column must sum to 1")
    return array


def _drawn(weights: Any, t: int) -> Any:
    try:
        return weights(t)
    except (TypeError, ValueError) as error:
        raise type(error)(f"weights={shown(weights)} cannot be called with t={t}, the step: {error}") from error


def gossip(
    optimizer: Optimizer, oracles: Sequence[Oracle], theta: ArrayLike, *, steps: int,
    weights: ArrayLike | Callable[[int], Any] | None = None,
) -> NDArray:  # fmt: skip
    r"""Decentralised SGD: each worker takes a step by itself, then averages with its neighbours.

    .. math:: x^i \leftarrow \sum_j W_{ij}\, \bigl(x^j - \eta\, g^j(x^j)\bigr)

    The mean of all workers walks along the mean of their gradients whatever the weights: no gradient is lost or
    counted twice, even if the weights change with every step and many lines are down.

    Parameters
    ----------
    optimizer : each worker's own; its memory stays with the worker
    oracles : one for each worker, as in :func:`train`
    theta : where all start, floats of shape (d,)
    steps : of each worker, 1 or more
    weights : of shape (p, p), 0 or more, rows and columns summing to 1; or a function of the step t that returns them,
        such as `pair` of two that are drawn; left out, `ring`

    Returns
    -------
    The workers' points, of shape (p, d); their mean is the result

    Raises
    ------
    ValueError : weights that lose or double something; NotFinite : a point that is not finite.

    Source: Lian et al. (2017), averaging after the step; random pairs: Boyd, Ghosh, Prabhakar & Shah (2006).

    >>> from optlib import Optimizer, rules, surfaces
    >>> goals = [lambda x, c=c: x - c for c in (0.0, 1.0, 2.0, 3.0)]
    >>> points = gossip(Optimizer(rules.sgd, lr=0.1), goals, [9.0], steps=200)
    >>> points.mean(axis=0).round(6), points.ravel().round(2)
    (array([1.5]), array([1.47, 1.44, 1.56, 1.53]))
    """
    oracles = checked_oracles(oracles)
    p, start = len(oracles), vector(theta).copy()
    timed = [takes_step(oracle) for oracle in oracles]
    fixed = None if callable(weights) else _weights(ring(p) if weights is None else weights, p)
    points, states = np.tile(start, (p, 1)), [optimizer.init(start) for _ in range(p)]
    for t in range(whole(steps, "steps")):
        for i, oracle in enumerate(oracles):
            g = gradient(oracle, timed[i], Compute(optimizer.ask(points[i], states[i]), t))
            points[i], states[i] = optimizer.tell(points[i], g, states[i])
        points = (_weights(_drawn(weights, t), p) if fixed is None else fixed) @ points
        if not np.isfinite(points).all():
            raise NotFinite("new point", t + 1, "at a worker")
    return points
