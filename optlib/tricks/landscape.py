r"""Cuts through a loss of many parameters: directions worth cutting along, and the loss on a line or a plane."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._inputs import finite, guard, like, number, scalar, vector, whole

Loss = Callable[[NDArray], Any]
Unpack = Callable[[NDArray], Any]
Extent = float | tuple[tuple[float, float], tuple[float, float]]


class Plane(NamedTuple):
    """A loss on a plane, made by `plane`: ``loss[i, j]`` is at ``theta + a[j] d1 + b[i] d2``, as contours want it."""

    a: NDArray  #: coordinates along the first direction, of shape (n,)
    b: NDArray  #: along the second, of shape (n,)
    loss: NDArray  #: of shape (n, n)


class Frame(NamedTuple):
    """A plane through three points, made by `through`."""

    origin: NDArray  #: the first point
    d1: NDArray  #: unit vector towards the second
    d2: NDArray  #: unit vector at a right angle to it, towards the third's side
    corners: NDArray  #: the three points' coordinates in the plane, of shape (3, 2)


def unpacked(shapes: Sequence[Sequence[int]]) -> Unpack:
    """A function that cuts theta into arrays of the given shapes, as views: for a model without an ``unpack``.

    >>> W, b = unpacked([(2, 3), (3,)])(np.arange(9.0))
    >>> W.shape, b
    ((2, 3), array([6., 7., 8.]))
    """
    shapes = [tuple(whole(n, "shapes", 0) for n in shape) for shape in shapes]
    sizes = [int(np.prod(shape)) for shape in shapes]
    ends = [0, *np.cumsum(sizes).tolist()]

    def unpack(theta: NDArray) -> list[NDArray]:
        if theta.shape != (ends[-1],):
            raise ValueError(f"theta has shape {theta.shape}, but the shapes {list(shapes)} hold {ends[-1]} numbers")
        return [theta[i:j].reshape(shape) for (i, j), shape in zip(pairwise(ends), shapes, strict=True)]

    return unpack


def random_direction(theta: ArrayLike, seed: int = 0) -> NDArray:
    """A direction with independent standard Gaussian entries, of theta's shape.

    Source: Goodfellow, Vinyals & Saxe (2015); why it must be normalised: Li et al. (2018), section 4.

    >>> random_direction([0.0, 0.0], seed=1).round(3)
    array([0.346, 0.822])
    """
    theta = vector(theta)
    return np.random.default_rng(seed).standard_normal(theta.size).astype(theta.dtype)


def filter_normalised(
    unpack: Unpack | Sequence[Sequence[int]], theta: ArrayLike, seed: int = 0, *, direction: ArrayLike | None = None
) -> NDArray:
    r"""A random direction, of shape (d,), in which each filter has the length of the trained filter in its place.

    .. math:: d_{i,j} \leftarrow \frac{d_{i,j}}{\lVert d_{i,j} \rVert} \lVert \theta_{i,j} \rVert

    A filter is what enters one unit: a column of a weight matrix of shape (fan_in, fan_out). Biases and the parameters
    of batch normalisation, which are no matrices, get direction 0. A plot along it does not change when a ReLU layer is
    scaled up and the next one down, which changes nothing in the function.

    Parameters
    ----------
    unpack : theta -> arrays (or tuples of arrays) that are views of it, such as ``MLP.unpack``; or the shapes of the
        arrays in theta, in order. The last axis of an array of two or more counts its filters
    theta : the trained parameters, of shape (d,)
    seed : of the direction
    direction : one to normalise instead of a random one, of shape (d,)

    Raises
    ------
    ValueError : shapes that do not fill theta, an unpack that copies, or no weight matrix to normalise.

    Source: Li et al. (2018), section 4.

    >>> d = filter_normalised([(2, 2), (2,)], [3.0, 0.0, 4.0, 1.0, 9.0, 9.0])
    >>> np.linalg.norm(d[:4].reshape(2, 2), axis=0), d[4:]
    (array([5., 1.]), array([0., 0.]))
    """
    theta = np.ascontiguousarray(vector(theta))
    cut = unpack if callable(unpack) else unpacked(unpack)
    raw = random_direction(theta, seed) if direction is None else like(direction, theta, "direction").copy()
    normal = np.zeros_like(theta)
    found = list(zip(_matrices(cut(normal)), _matrices(cut(raw)), _matrices(cut(theta)), strict=True))
    if not found:
        raise ValueError("unpack gives no array of two or more axes: there is no filter to normalise")
    for out, d, trained in found:
        if not np.shares_memory(out, normal):
            raise ValueError("unpack copies theta: it must return views, such as theta[a:b].reshape(shape)")
        length = _lengths(d)
        out[...] = d * np.divide(_lengths(trained), length, out=np.zeros_like(length), where=length > 0)
    return normal


def _matrices(parts: Any) -> Iterator[NDArray]:
    """The arrays with two or more axes among nested tuples and lists of arrays."""
    if isinstance(parts, np.ndarray):
        if parts.ndim >= 2:
            yield parts
    elif isinstance(parts, (tuple, list)):
        for part in parts:
            yield from _matrices(part)


def _lengths(weights: NDArray) -> NDArray:
    return np.sqrt((weights**2).sum(axis=tuple(range(weights.ndim - 1))))


def line(
    loss: Loss, theta: ArrayLike, direction: ArrayLike, extent: float | tuple[float, float] = 1.0, n: int = 51
) -> tuple[NDArray, NDArray]:
    """The loss along a line through theta: positions a, and the values at ``theta + a * direction``, both (n,).

    Parameters
    ----------
    loss : theta -> number. direction : of theta's shape
    extent : from -extent to extent, or a pair (from, to)
    n : number of points, 2 or more

    Source: Goodfellow, Vinyals & Saxe (2015).

    >>> a, values = line(lambda x: (x**2).sum(), [0.0, 0.0], [1.0, 0.0], extent=2.0, n=3)
    >>> a, values
    (array([-2.,  0.,  2.]), array([4., 0., 4.]))
    """
    theta = vector(theta)
    d = like(direction, theta, "direction")
    a = _positions(extent, whole(n, "n", 2))
    return a, np.array([_value(loss, theta + step * d) for step in a])


def plane(loss: Loss, theta: ArrayLike, d1: ArrayLike, d2: ArrayLike, extent: Extent = 1.0, n: int = 51) -> Plane:
    r"""The loss on a plane through theta: :math:`f(a, b) = L(\theta + a\,d_1 + b\,d_2)`.

    Parameters
    ----------
    loss : theta -> number; it is called n² times with theta of shape (d,)
    d1, d2 : directions of theta's shape, not parallel
    extent : both coordinates from -extent to extent, or the pairs ((a from, to), (b from, to))
    n : points on each side, 2 or more

    Returns
    -------
    Plane : `a`, `b` and ``loss[i, j]`` at ``(a[j], b[i])``; a loss that overflows stands there as infinity or NaN.

    Source: Goodfellow, Vinyals & Saxe (2015); Li et al. (2018), section 3.

    >>> cut = plane(lambda x: x[0] + 10 * x[1], [0.0, 0.0, 0.0], [1.0, 0, 0], [0, 1.0, 0], n=3)
    >>> cut.loss
    array([[-11., -10.,  -9.],
           [ -1.,   0.,   1.],
           [  9.,  10.,  11.]])
    """
    theta = vector(theta)
    d1, d2 = like(d1, theta, "d1"), like(d2, theta, "d2")
    if np.linalg.matrix_rank(np.array([d1, d2], dtype=float)) < 2:
        raise ValueError("d1 and d2 are parallel (or zero): they span no plane. Take another seed or another point")
    n = whole(n, "n", 2)
    a, b = (_positions(e, n) for e in (extent if isinstance(extent, (tuple, list)) else (extent, extent)))
    return Plane(a, b, np.array([[_value(loss, theta + s * d1 + t * d2) for s in a] for t in b]))


def through(first: ArrayLike, second: ArrayLike, third: ArrayLike) -> Frame:
    """The plane through three points, with an orthonormal `Frame`: for pictures of two walks' ends and their mean.

    Source: Garipov et al. (2018), appendix on visualisation; Izmailov et al. (2018), figure 3.

    >>> frame = through([1.0, 1.0, 0.0], [3.0, 1.0, 0.0], [1.0, 5.0, 0.0])
    >>> frame.corners
    array([[0., 0.],
           [2., 0.],
           [0., 4.]])
    """
    origin = vector(first, "first")
    u = like(second, origin, "second", "first") - origin
    w = like(third, origin, "third", "first") - origin
    reach = float(np.linalg.norm(u))
    d1 = u / reach if reach else u
    v = w - (w @ d1) * d1
    v -= (v @ d1) * d1
    height = float(np.linalg.norm(v))
    if not reach or height <= 1e-12 * float(np.linalg.norm(w)):
        raise ValueError("first, second and third lie on one line: they span no plane. Choose another third point")
    corners = np.array([[0.0, 0.0], [reach, 0.0], [w @ d1, height]])
    return Frame(origin, d1, v / height, corners)


def _positions(extent: Any, n: int) -> NDArray:
    if np.shape(extent) == ():
        reach = number(extent, "extent", open_low=True)
        return np.linspace(-reach, reach, n)
    ends = finite(extent, "extent").tolist()
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise ValueError(f"extent={extent!r}: a range is two numbers, the lower one first")
    return np.linspace(ends[0], ends[1], n)


def _value(loss: Loss, point: NDArray) -> float:
    with np.errstate(all="ignore"):  # far from the minimum a loss may overflow; the plot shows where
        return scalar(loss(point), "the loss")


guard(globals())
