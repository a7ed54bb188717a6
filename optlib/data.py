"""The data sets: generated from a seed, nothing downloaded.

>>> X, y = line(n=5, seed=1)
>>> X.shape, y.shape
((5, 2), (5,))
"""

import numpy as np
from numpy.typing import NDArray

Data = tuple[NDArray, NDArray]


def _rng(n: int, seed: int) -> np.random.Generator:
    if n < 1:
        raise ValueError(f"n={n}: a data set needs at least one row")
    return np.random.default_rng(seed)


def three_points() -> Data:
    """Three examples for sums by hand: a column of ones, x = -1, 1, 3, and y = 0.5, 1, 4.5.

    The best line is 1 + x, with a loss of exactly 0.25; the loss has the curvatures 4 and 2/3.

    >>> X, y = three_points()
    >>> y - X @ [1.0, 1.0]
    array([ 0.5, -1. ,  0.5])
    """
    return np.array([[1.0, -1.0], [1.0, 1.0], [1.0, 3.0]]), np.array([0.5, 1.0, 4.5])


def line(n: int = 100, *, slope: float = 2.0, intercept: float = 1.0, noise: float = 0.5, seed: int = 0) -> Data:
    """Points around a line: X of shape (n, 2), a column of ones and x in [-1, 1]; y = intercept + slope x + noise."""
    rng = _rng(n, seed)
    x = rng.uniform(-1.0, 1.0, n)
    X = np.column_stack([np.ones(n), x])
    return X, X @ [intercept, slope] + noise * rng.standard_normal(n)


def regression(n: int = 200, d: int = 10, *, condition: float = 10.0, noise: float = 0.5, seed: int = 0) -> Data:
    """Linear regression in d dimensions whose columns' scales span the given condition number of the Hessian."""
    rng = _rng(n, seed)
    X = rng.standard_normal((n, d)) * np.sqrt(np.geomspace(1.0, 1.0 / condition, d))
    return X, X @ rng.standard_normal(d) + noise * rng.standard_normal(n)


def two_classes(n: int = 200, d: int = 2, *, distance: float = 2.0, seed: int = 0) -> Data:
    """Two round clouds, their centres `distance` apart along the diagonal; a column of ones first, labels 0 and 1."""
    rng = _rng(n, seed)
    y = (np.arange(n) % 2).astype(float)
    X = rng.standard_normal((n, d)) + np.outer(y - 0.5, np.full(d, distance / np.sqrt(d)))
    return np.column_stack([np.ones(n), X]), y
