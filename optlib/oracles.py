r"""Oracles: where gradients come from, and how to check them.

An oracle is any callable ``theta -> gradient``. One that also names a parameter ``t`` is given the number of updates
already made. The stochastic oracles here are such functions of ``(theta, t)``: the batch of step `t` follows from the
seed and `t` alone, so they have no memory, two runs see the same batches, and a resumed run goes on where it stopped.

>>> from optlib import Optimizer, data, descend, models, rules
>>> X, y = data.line(n=100, seed=0)
>>> oracle = minibatch(models.LinearRegression(), X, y, size=10, seed=1)
>>> descend(Optimizer(rules.sgd, lr=0.1), oracle, [0.0, 0.0], steps=3).shape
(4, 2)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .models import Model, checked_data

Order = Literal["epoch", "once", "iid", "fixed"]

_ORDERS = {
    "epoch": "a fresh permutation for every epoch: without replacement",
    "once": "one permutation, kept for all epochs",
    "iid": "every batch drawn anew: with replacement",
    "fixed": "the order of the data, never shuffled",
}


class _Examples:
    """A model and the examples it learns from."""

    def __init__(self, model: Model, X: ArrayLike, y: ArrayLike):
        self.model = model
        self.X, self.y = checked_data(X, y)

    def loss(self, theta: ArrayLike) -> Any:
        """The loss over all examples, of shape (...) for theta of shape (..., d)."""
        return self.model.loss(theta, self.X, self.y)


class FullBatch(_Examples):
    """The exact gradient: all examples at every step. Made by `full_batch`.

    >>> from optlib.models import LinearRegression
    >>> FullBatch(LinearRegression(), [[1.0], [2.0]], [1.0, 2.0])(np.array([0.0]))
    array([-2.5])
    """

    def __call__(self, theta: NDArray) -> NDArray:
        return self.model.grad(theta, self.X, self.y)


class MiniBatch(_Examples):
    """The gradient over a few examples, another few at each step. Made by `minibatch` and `single`."""

    def __init__(self, model: Model, X: ArrayLike, y: ArrayLike, size: int, order: Order, seed: int):
        super().__init__(model, X, y)
        n = len(self.X)
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 1 <= size <= n:
            raise ValueError(f"size={size!r}: a mini-batch holds a whole number of examples, 1 to {n} here")
        if order not in _ORDERS:
            listed = "; ".join(f"{name!r}, {what}" for name, what in _ORDERS.items())
            raise ValueError(f"order={order!r} is unknown; allowed are {listed}")
        self.size, self.order, self.seed = int(size), order, seed
        self._shuffled: tuple[int, NDArray] = (-1, np.arange(n))

    @property
    def batches(self) -> int:
        """Batches in an epoch; the last one is smaller where `size` does not divide the number of examples."""
        return -(-len(self.X) // self.size)

    def indices(self, t: int) -> NDArray:
        """The rows of X that step t uses, of shape (size,)."""
        if self.order == "iid":
            return np.random.default_rng([self.seed, t]).integers(len(self.X), size=self.size)
        epoch, i = divmod(t, self.batches)
        return self._permutation(epoch)[i * self.size : (i + 1) * self.size]

    def _permutation(self, epoch: int) -> NDArray:
        if self.order == "fixed":
            return self._shuffled[1]
        key = 0 if self.order == "once" else epoch
        if self._shuffled[0] != key:  # a cache only: it follows from the seed and the epoch
            self._shuffled = key, np.random.default_rng([self.seed, key]).permutation(len(self.X))
        return self._shuffled[1]

    def __call__(self, theta: NDArray, t: int) -> NDArray:
        rows = self.indices(t)
        return self.model.grad(theta, self.X[rows], self.y[rows])


def full_batch(model: Model, X: ArrayLike, y: ArrayLike) -> FullBatch:
    """The gradient over all examples: batch gradient descent.

    Raises
    ------
    ValueError : an empty data set, rows and targets that do not match, or NaN in them.
    """
    return FullBatch(model, X, y)


def minibatch(
    model: Model, X: ArrayLike, y: ArrayLike, size: int, *, order: Order = "epoch", seed: int = 0
) -> MiniBatch:
    """The gradient over `size` examples a step: mini-batch gradient descent.

    Parameters
    ----------
    size : examples in a batch, 1 to n
    order : "epoch", a fresh permutation for every epoch (without replacement); "once", one permutation for all;
        "iid", every batch drawn anew (with replacement); "fixed", the order of the data
    seed : of the random order

    >>> from optlib.models import LinearRegression
    >>> X, y = np.arange(6.0).reshape(6, 1), np.zeros(6)
    >>> oracle = minibatch(LinearRegression(), X, y, size=2, seed=0)
    >>> sorted(np.concatenate([oracle.indices(t) for t in range(3)]).tolist())
    [0, 1, 2, 3, 4, 5]
    """
    return MiniBatch(model, X, y, size, order, seed)


def single(model: Model, X: ArrayLike, y: ArrayLike, *, order: Order = "epoch", seed: int = 0) -> MiniBatch:
    """The gradient of one example a step: stochastic gradient descent in the narrow sense."""
    return MiniBatch(model, X, y, 1, order, seed)


def online(model: Model, example: Callable[[int], tuple[ArrayLike, ArrayLike]]) -> Callable[..., NDArray]:
    """The gradient of an example that arrives at step t and is never seen again: online learning.

    Parameters
    ----------
    example : t -> (X, y), the rows that arrive at step t

    >>> from optlib.models import LinearRegression
    >>> oracle = online(LinearRegression(), lambda t: ([[1.0]], [float(t)]))
    >>> oracle(np.array([0.0]), t=3)
    array([-3.])
    """

    def gradient(theta: NDArray, t: int) -> NDArray:
        return model.grad(theta, *checked_data(*example(t)))

    return gradient


# --- gradient checking --------------------------------------------------------------------------


@dataclass(frozen=True)
class GradientCheck:
    """The outcome of `check_gradient`: `ok`, and for every coordinate what was claimed and what was measured."""

    coordinates: NDArray
    claimed: NDArray
    measured: NDArray
    error: NDArray  #: relative error of each coordinate
    step: NDArray
    tolerance: float = 1e-6

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return float(self.error.max())

    @property
    def ok(self) -> bool:
        """Whether every coordinate agrees."""
        return bool(self.worst <= self.tolerance)

    def __str__(self) -> str:
        if self.ok:
            return f"gradient agrees: worst relative error {self.worst:.0e} over {len(self.error)} coordinates"
        lines = [f"gradient is wrong in {int((self.error > self.tolerance).sum())} of {len(self.error)} coordinates:"]
        for i in np.argsort(-self.error)[:5]:
            if self.error[i] > self.tolerance:
                lines.append(
                    f"  coordinate {self.coordinates[i]}: claimed {self.claimed[i]:.6g}, "
                    f"measured {self.measured[i]:.6g}, relative error {self.error[i]:.0e}"
                )
        return "\n".join(lines)


def central_difference(f: Callable[[NDArray], Any], theta: ArrayLike, h: float | None = None) -> NDArray:
    r"""The gradient measured: :math:`\frac{f(\theta + h e_i) - f(\theta - h e_i)}{2h}` for each coordinate.

    Parameters
    ----------
    f : function of an array like theta, giving a number
    theta : point, of shape (d,)
    h : step; by default :math:`\sqrt[3]{\varepsilon}\,\max(1, |\theta_i|)`, where truncation (which grows with h²) and
        rounding (which grows with 1/h) balance: about 6e-6 in float64

    >>> central_difference(lambda x: x[0] ** 2 * x[1], [3.0, 2.0]).round(6)
    array([12.,  9.])
    """
    theta = np.asarray(theta, dtype=float)
    gradient = np.empty_like(theta)
    for i, step in np.ndenumerate(_steps(theta, h)):
        shift = np.zeros_like(theta)
        shift[i] = step
        up, down = theta + shift, theta - shift
        gradient[i] = (f(up) - f(down)) / (up[i] - down[i])  # the step as it was rounded
    return gradient


def _steps(theta: NDArray, h: float | None) -> NDArray:
    scale = np.finfo(float).eps ** (1 / 3) * np.maximum(1.0, np.abs(theta))
    return scale if h is None else np.full_like(theta, h)


def check_gradient(
    f: Callable[[NDArray], Any], gradient: Callable[[NDArray], ArrayLike], theta: ArrayLike, *,
    h: float | None = None, tolerance: float = 1e-6,
) -> GradientCheck:  # fmt: skip
    r"""Compare a hand-written gradient with central differences, coordinate by coordinate.

    The relative error is :math:`\frac{|a - n|}{\max(|a|, |n|)}`; where both are so small that only rounding is left, it
    is measured against the size of that rounding instead.

    Parameters
    ----------
    f, gradient : the function and its claimed gradient, both of an array like theta
    theta : point, of shape (d,); take one away from kinks, and not only the initial one
    h : step of the differences; by default chosen by scale (see `central_difference`)
    tolerance : largest relative error that counts as agreement

    Returns
    -------
    GradientCheck, which prints as a verdict.

    Raises
    ------
    ValueError : if the claimed gradient does not have theta's shape.

    >>> print(check_gradient(lambda x: (x**2).sum(), lambda x: 2 * x, [1.0, -2.0]).ok)
    True
    >>> print(check_gradient(lambda x: (x**2).sum(), lambda x: x, [1.0, -2.0]))
    gradient is wrong in 2 of 2 coordinates:
      coordinate 0: claimed 1, measured 2, relative error 5e-01
      coordinate 1: claimed -2, measured -4, relative error 5e-01

    Source: the practice of CS231n, "neural networks 3".
    """
    theta = np.asarray(theta, dtype=float)
    claimed = np.asarray(gradient(theta), dtype=float)
    if claimed.shape != theta.shape:
        raise ValueError(f"the gradient has shape {claimed.shape}, but theta has shape {theta.shape}")
    measured = central_difference(f, theta, h)
    step = _steps(theta, h)
    rounding = 1e3 * np.finfo(float).eps * max(1.0, abs(float(f(theta)))) / step
    size = np.maximum(np.maximum(np.abs(claimed), np.abs(measured)), rounding)
    error = np.abs(claimed - measured) / size
    error = np.where(np.isnan(error), np.inf, error)  # a NaN agrees with nothing
    return GradientCheck(
        np.arange(theta.size), claimed.ravel(), measured.ravel(), error.ravel(), step.ravel(), tolerance
    )
