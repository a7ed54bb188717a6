r"""Models with hand-written gradients: a loss that is the *mean* over examples, and its gradient in the parameters.

A model is an object with ``loss(theta, X, y)`` and ``grad(theta, X, y)``; `theta` has shape (..., d), and leading axes
are independent copies of the model. Nothing is stored: the data are arguments, so a mini-batch is just fewer rows.

>>> from optlib import data
>>> X, y = data.line(n=50, seed=0)
>>> model = LinearRegression()
>>> bool(model.loss([0.0, 0.0], X, y) > model.loss(model.minimum(X, y), X, y))
True
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Model(Protocol):
    """What an oracle needs of a model."""

    def loss(self, theta: ArrayLike, X: NDArray, y: NDArray) -> Any:
        """Mean loss over the rows of X, of shape (...) for theta of shape (..., d)."""

    def grad(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        """Its gradient in theta, of shape (..., d)."""


def checked_data(X: ArrayLike, y: ArrayLike) -> tuple[NDArray, NDArray]:
    """X as floats of shape (n, d) and y with n entries, or an error that says what is wrong.

    >>> checked_data(np.empty((0, 2)), [])
    Traceback (most recent call last):
    ...
    ValueError: the data set is empty: X has shape (0, 2), and at least one row is needed
    """
    X, y = np.asarray(X, dtype=float), np.asarray(y)
    if X.ndim != 2:
        raise ValueError(f"X has shape {X.shape}: it must be a table of shape (n, d), one row an example")
    if not X.shape[0]:
        raise ValueError(f"the data set is empty: X has shape {X.shape}, and at least one row is needed")
    if y.shape[:1] != X.shape[:1]:
        raise ValueError(f"X has {X.shape[0]} rows, but y has shape {y.shape}: each row needs its target")
    for name, array in (("X", X), ("y", y)):
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise ValueError(f"{name} is not finite, first in row {row}: remove or fill such examples")
    return X, y


def _parameters(theta: ArrayLike, X: NDArray, y: NDArray | None = None) -> NDArray:
    if not len(X):
        raise ValueError(f"the data set is empty: X has shape {X.shape}, and at least one row is needed")
    if y is not None and np.shape(y) != X.shape[:1]:  # (n, 1) would broadcast to a table of n x n residuals
        raise ValueError(f"y has shape {np.shape(y)}, but X has {len(X)} rows: y must have shape ({len(X)},)")
    theta = np.asarray(theta, dtype=None if isinstance(theta, np.ndarray) else float)
    if theta.ndim == 0 or theta.shape[-1] != X.shape[-1]:
        raise ValueError(
            f"theta has shape {theta.shape}, but the data have {X.shape[-1]} columns: "
            f"it must have shape (..., {X.shape[-1]})"
        )
    return theta


class LinearRegression:
    r"""Least squares: :math:`\frac1{2n}\sum_i (x_i^\top\theta - y_i)^2`. A constant column in X is the intercept.

    >>> LinearRegression().grad([0.0], np.array([[1.0], [2.0]]), np.array([1.0, 2.0]))
    array([-2.5])
    """

    def loss(self, theta: ArrayLike, X: NDArray, y: NDArray) -> Any:
        """Half the mean squared residual, of shape (...)."""
        residual = _parameters(theta, X, y) @ X.T - y
        return 0.5 * (residual**2).mean(axis=-1)

    def grad(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        r"""Gradient :math:`\frac1n X^\top(X\theta - y)`, of shape (..., d)."""
        return (_parameters(theta, X, y) @ X.T - y) @ X / len(X)

    def predict(self, theta: ArrayLike, X: NDArray) -> NDArray:
        """Predictions, of shape (..., n)."""
        return _parameters(theta, X) @ X.T

    def smoothness(self, X: NDArray) -> float:
        r"""L, the largest eigenvalue of the Hessian :math:`X^\top X/n`: rates below 2/L converge."""
        return float(np.linalg.eigvalsh(X.T @ X / len(X))[-1])

    def minimum(self, X: NDArray, y: NDArray) -> NDArray:
        """The minimiser in closed form (least squares), of shape (d,)."""
        return np.linalg.lstsq(X, y, rcond=None)[0]


class LogisticRegression:
    r"""Two classes, labels 0 and 1: mean cross-entropy of :math:`p_i = \sigma(x_i^\top\theta)`, and a penalty.

    .. math:: \frac1n \sum_i \bigl( \log(1 + e^{x_i^\top\theta}) - y_i x_i^\top\theta \bigr)
        + \frac{l_2}2 \lVert\theta\rVert^2

    Parameters
    ----------
    l2 : weight of the penalty, 0 or more

    >>> round(float(LogisticRegression().loss([0.0], np.array([[3.0]]), np.array([1.0]))), 6)
    0.693147
    """

    def __init__(self, l2: float = 0.0):
        if not (np.isfinite(l2) and l2 >= 0):
            raise ValueError(f"l2={l2!r} is out of range; allowed is [0, inf)")
        self.l2 = float(l2)

    def loss(self, theta: ArrayLike, X: NDArray, y: NDArray) -> Any:
        """Mean cross-entropy, of shape (...)."""
        theta = _parameters(theta, X, y)
        z = theta @ X.T
        # log(1 + exp(z)) - y z, without overflow
        cross_entropy = (np.logaddexp(0.0, z) - y * z).mean(axis=-1)
        return cross_entropy + 0.5 * self.l2 * (theta**2).sum(axis=-1) if self.l2 else cross_entropy

    def grad(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        r"""Gradient :math:`\frac1n X^\top(p - y) + l_2\theta`, of shape (..., d)."""
        theta = _parameters(theta, X, y)
        return (self.predict(theta, X) - y) @ X / len(X) + self.l2 * theta

    def predict(self, theta: ArrayLike, X: NDArray) -> NDArray:
        """Probability of class 1, of shape (..., n)."""
        # the logistic function through tanh: no overflow on either side
        return 0.5 * (1.0 + np.tanh(0.5 * (_parameters(theta, X) @ X.T)))

    def smoothness(self, X: NDArray) -> float:
        r"""A bound on the largest eigenvalue of the Hessian: :math:`\lambda_{\max}(X^\top X)/(4n) + l_2`."""
        return 0.25 * float(np.linalg.eigvalsh(X.T @ X / len(X))[-1]) + self.l2
