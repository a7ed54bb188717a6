"""Checks of what is given, the same in every room: what it was, what is allowed."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def floats(value: ArrayLike, name: str = "theta") -> NDArray:
    """An array of floats of any shape, all finite."""
    array = np.asarray(value)
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(f"{name} holds {array.dtype} values: it must be floats, as in [1.0, 2.0]")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite, first at entry {int(np.argmin(np.isfinite(array)))}")
    return array


def vector(value: ArrayLike, name: str = "theta") -> NDArray:
    """An array of floats of shape (d,), d > 0, all finite."""
    if np.ndim(value) != 1 or not np.size(value):
        raise ValueError(f"{name} has shape {np.shape(value)}: it must be one vector, of shape (d,)")
    return floats(value, name)


def like(value: ArrayLike, theta: NDArray, name: str) -> NDArray:
    """An array of theta's shape, all finite."""
    array = np.asarray(value, dtype=theta.dtype)
    if array.shape != theta.shape:
        raise ValueError(f"{name} has shape {array.shape}, but theta has shape {theta.shape}: they must be equal")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite: check the function that gives it at {np.array2string(theta)[:60]}")
    return array


def whole(value: Any, name: str, low: int = 1, high: int | None = None) -> int:
    """A whole number in [low, high]."""
    inside = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not inside or value < low or (high is not None and value > high):
        allowed = f"{low} or more" if high is None else f"{low} to {high}"
        raise ValueError(f"{name}={value!r}: it must be a whole number, {allowed}")
    return int(value)


def number(value: Any, name: str, low: float = 0.0, high: float = np.inf, *, open_low: bool = False) -> float:
    """A finite number in [low, high), or in (low, high) where `open_low`."""
    try:
        x = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}={value!r}: it must be a number") from None
    if not np.isfinite(x) or x < low or x >= high or (open_low and x == low):
        raise ValueError(f"{name}={value!r} is out of range; allowed is {'(' if open_low else '['}{low:g}, {high:g})")
    return x
