"""Figures and small experiments of the chapter on what makes training hard.

>>> from downhill_course.figures import challenges
>>> challenges.profile.grad([-3.0]).round(2)  # the plateau
array([-0.03])
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from optlib.surfaces import Surface
from optlib.tricks import Plane
from optlib.view.contours import draw_walk, ground
from optlib.view.curves import curve, loss_curves
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, listed, look_of, panels, series

# --- a profile with everything ------------------------------------------------------------------

#: Where the slope of `profile` changes: place, change, and width of the change.
_BENDS = (
    (-3.9, 0.97, 0.12), (-2.1, -0.97, 0.12),  # a plateau: the slope nearly vanishes
    (-1.45, 1.1033, 0.05), (-1.15, -1.1033, 0.05),  # a level point that is no valley
    (-0.3, 1.9, 0.1), (0.7, -2.6, 0.1), (2.4, 2.9, 0.1),  # a valley, a hill, a deeper valley
)  # fmt: skip
_MARKS = {"P": -3.0, "S": -1.3, "L": -0.2894, "G": 2.4348}


def _height(x: Any) -> Any:
    return 4.0 - x + sum(a * w * np.logaddexp(0.0, (x - c) / w) for c, a, w in _BENDS)


def _slope(x: Any) -> tuple:
    return (-1.0 + sum(0.5 * a * (1.0 + np.tanh(0.5 * (x - c) / w)) for c, a, w in _BENDS),)


#: One coordinate with a plateau, a level point, a local and a global minimum.
profile = Surface("profile", _height, _slope, ((-5.4, 3.6),), (-5.0,), ((2.4348,), (-0.2894,)), "smooth stairs")


def on_profile(paths: Mapping[str, NDArray]) -> Picture:
    """Walks on the profile, whose plateau, level point, local and global minimum are marked P, S, L and G."""
    figure, ax = panels(size=(540, 360))
    curve(profile, paths, ax=ax, minima=False, start=True, key=False)
    with house():
        for letter, x in _MARKS.items():
            at = (x, float(profile(np.array([x]))))
            ax.annotate(f"${letter}$", at, (0, 12), textcoords="offset points", ha="center", color=GREY, fontsize=13)
    legend(ax)
    return picture(figure, f"profile: {listed(paths)}")


# --- critical points ----------------------------------------------------------------------------


def positive_share(n: int, samples: int, seed: int = 0) -> float:
    """How often a random symmetric n x n matrix has positive eigenvalues only.

    The matrix is (A + A') / sqrt(2) with independent standard normal entries in A, the Gaussian orthogonal ensemble.

    >>> round(positive_share(1, 1000), 1)
    0.5
    """
    if n < 1 or samples < 1:
        raise ValueError(f"n={n}, samples={samples}: both must be 1 or more")
    A = np.random.default_rng([seed, n]).standard_normal((samples, n, n))
    return float((np.linalg.eigvalsh((A + A.swapaxes(1, 2)) / np.sqrt(2))[:, 0] > 0).mean())


def shares(n: ArrayLike, points: Mapping[str, ArrayLike], lines: Mapping[str, ArrayLike]) -> Picture:
    """Shares on a logarithmic height against a whole number: measured as points, predicted as lines."""
    figure, ax = panels(size=(480, 320))
    with house():
        for i, (name, values) in enumerate(points.items()):
            look = look_of(name, i)
            ax.plot(n, values, look.marker, color=look.colour, label=name, markersize=7, linestyle="none", zorder=4)
        for i, (name, values) in enumerate(lines.items()):
            ax.plot(n, values, color=series(i + len(points) - 1), linestyle=["-", (0, (5, 2))][i % 2], label=name)
        ax.set_yscale("log")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(True, axis="y")
    label(ax, "$N$", "$P$")
    legend(ax)
    return picture(figure, f"shares: {listed(points)}")


def final_losses(ends: Mapping[int, ArrayLike]) -> Picture:
    """The losses at which runs from several starts end, as dots above the width of their network."""
    figure, ax = panels(size=(480, 320))
    with house():
        for i, values in enumerate(ends.values()):
            dots = np.sort(np.asarray(values, dtype=float))
            x = i + 0.25 * np.linspace(-1, 1, len(dots))
            ax.plot(x, dots, "o", color=series(0), markersize=6, alpha=0.75)
        ax.set_yscale("log")
        ax.set_xticks(range(len(ends)), [str(width) for width in ends])
        ax.grid(True, axis="y")
    label(ax, "$n$", "$J$")
    return picture(figure, f"final losses for widths {', '.join(map(str, ends))}")


# --- a cliff ------------------------------------------------------------------------------------

_STEPS, _FIRST, _TARGET = 50, 0.5, 0.7


def _unrolled(w: Any, b: Any) -> tuple[Any, Any, Any]:
    """A recurrent unit x <- sigmoid(w x + b) after 50 steps, and its derivatives by w and b."""
    x = _FIRST + 0.0 * (w + b)
    by_w = by_b = 0.0 * x
    for _ in range(_STEPS):
        new = 0.5 * (1.0 + np.tanh(0.5 * (w * x + b)))
        steep = new * (1.0 - new)
        by_w, by_b = steep * (x + w * by_w), steep * (1.0 + w * by_b)
        x = new
    return x, by_w, by_b


def _recurrent(w: Any, b: Any) -> Any:
    return (_unrolled(w, b)[0] - _TARGET) ** 2


def _recurrent_gradient(w: Any, b: Any) -> tuple:
    x, by_w, by_b = _unrolled(w, b)
    return 2.0 * (x - _TARGET) * by_w, 2.0 * (x - _TARGET) * by_b


#: The squared error of a recurrent unit with weight w and bias b after 50 steps: a plain that ends at a cliff.
recurrent = Surface(
    "recurrent", _recurrent, _recurrent_gradient, ((3.9, 5.6), (-2.75, -1.75)), (4.6, -2.29), (),
    "after Pascanu, Mikolov & Bengio (2013), figure 6",
)  # fmt: skip


# --- two valleys of equal depth -----------------------------------------------------------------


def _pull(x: Any, sharp: float, flat: float, apart: float) -> tuple[Any, Any, Any]:
    near, far = -0.5 * sharp * x * x, -0.5 * flat * (x - apart) ** 2
    top = np.maximum(near, far)
    return top, np.exp(near - top), np.exp(far - top)


def _valleys(x: Any, *, sharp: float, flat: float, apart: float) -> Any:
    top, a, b = _pull(x, sharp, flat, apart)
    return -top - np.log(a + b)


def _valleys_gradient(x: Any, *, sharp: float, flat: float, apart: float) -> tuple:
    _, a, b = _pull(x, sharp, flat, apart)
    return ((a * sharp * x + b * flat * (x - apart)) / (a + b),)


#: Two valleys of the same depth, a narrow one at 0 and a wide one at 4.
valleys = Surface(
    "valleys", _valleys, _valleys_gradient, ((-2.0, 7.0),), (0.01,), ((0.0,), (4.0,)),
    "soft minimum of two parabolas", MappingProxyType({"sharp": 18.0, "flat": 1.0, "apart": 4.0}),
)  # fmt: skip


# --- slices of a loss ---------------------------------------------------------------------------


def sampled(cut: Plane) -> Surface:
    """A plane cut out of a loss, as a surface to draw: between the sampled points it is bilinear.

    >>> from optlib import tricks
    >>> cut = tricks.plane(lambda x: float(x @ x), [0.0, 0.0], [1.0, 0.0], [0.0, 1.0], n=3)
    >>> float(sampled(cut)([0.5, 1.0]))
    1.5
    """
    heights = np.asarray(cut.loss, dtype=float)
    slopes = np.gradient(heights, cut.b, cut.a)[::-1]

    def value(a: Any, b: Any) -> Any:
        return _between(cut, heights, a, b)

    def gradient(a: Any, b: Any) -> tuple:
        return tuple(_between(cut, slope, a, b) for slope in slopes)

    box = ((float(cut.a[0]), float(cut.a[-1])), (float(cut.b[0]), float(cut.b[-1])))
    return Surface("slice", value, gradient, box, (0.0, 0.0), (), "a plane through a loss")


def _between(cut: Plane, grid: NDArray, a: Any, b: Any) -> Any:
    """Bilinear interpolation; grid[i, j] stands at (a[j], b[i]), both evenly spaced."""
    j, u = _cell(cut.a, a)
    i, v = _cell(cut.b, b)
    lower = (1 - u) * grid[i, j] + u * grid[i, j + 1]
    upper = (1 - u) * grid[i + 1, j] + u * grid[i + 1, j + 1]
    return (1 - v) * lower + v * upper


def _cell(at: NDArray, x: Any) -> tuple[Any, Any]:
    place = np.clip((x - at[0]) / (at[1] - at[0]), 0, len(at) - 1)
    cell = np.minimum(place.astype(int), len(at) - 2)
    return cell, place - cell


def slices(cuts: Mapping[tuple[str, str], ArrayLike], at: ArrayLike) -> Picture:
    """Losses along lines, a panel for each kind of direction, one curve for each network; later ones dashed.

    Parameters
    ----------
    cuts : (kind, name) -> losses of shape (n,)
    at : the places on the line, of shape (n,)
    """
    kinds = list(dict.fromkeys(kind for kind, _ in cuts))
    figure, axes = panels((len(kinds), 1), size=(480, 250 * len(kinds)), sharex=True)
    for ax, kind in zip(np.atleast_1d(axes), kinds, strict=True):
        curves = {name: values for (k, name), values in cuts.items() if k == kind}
        with house():
            for i, (name, values) in enumerate(curves.items()):
                style: dict[str, Any] = {"linestyle": ["-", (0, (4, 2))][i % 2], "linewidth": 3.2 - i}
                ax.plot(at, values, color=series(i), label=name, zorder=3 + i, **style)
            ax.set_yscale("log")
            ax.grid(True, axis="y")
        label(ax, "$a$", "$J$")
    legend(figure)
    return picture(figure, f"slices: {listed({name: 0 for _, name in cuts})}")


# --- deep nets ----------------------------------------------------------------------------------


def layers(norms: Mapping[str, ArrayLike]) -> Picture:
    """Sizes of the gradient in each layer of deep nets, the first layer on the left.

    Parameters
    ----------
    norms : label -> norms of shape (layers,), or (seeds, layers), drawn as median and band
    """
    figure, ax = panels(size=(500, 340))
    depth = max(np.shape(values)[-1] for values in norms.values())
    loss_curves(norms, x=np.arange(1, depth + 1), ax=ax, key=False, ylabel=r"$\|g_l\|$")
    with house():
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    label(ax, "$l$", r"$\|g_l\|$")
    legend(ax)
    return picture(figure, f"gradients by layer: {listed(norms)}")


def two_walks(surface: Surface, left: Mapping[str, NDArray], right: Mapping[str, NDArray]) -> Picture:
    """Walks of a weight and a bias on the contours of one surface, in two panels, one above the other."""
    figure, axes = panels((2, 1), size=(480, 620))
    box = np.asarray(surface.domain, dtype=float)
    for ax, paths in zip(axes, (left, right), strict=True):
        with house():
            ground(surface, ax, box)
            for i, (name, path) in enumerate(paths.items()):
                draw_walk(ax, path, name, i, box)
        label(ax, "$w$", "$b$")
        legend(ax)
    return picture(figure, f"{surface.name}: {listed(left)}; {listed(right)}")
