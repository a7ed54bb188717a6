"""Figures and small experiments of the chapter on what makes training hard.

>>> from downhill_course.figures import challenges
>>> challenges.profile.grad([-3.0]).round(2)  # the plateau
array([-0.03])
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from optlib.surfaces import Surface
from optlib.tricks import Plane
from optlib.view.contours import draw_walk
from optlib.view.curves import curve, loss_curves
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, GROUND, house, label, legend, listed, look_of, panels, series

_GOAL = "#c02430"  # the curve uv = 1
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))

# --- a profile with everything ------------------------------------------------------------------

#: Where the slope of `profile` changes: place, change, and width of the change.
_BENDS = (
    (-3.9, 0.97, 0.12), (-2.1, -0.97, 0.12),  # a plateau: the slope nearly vanishes
    (-1.45, 1.1033326675, 0.05), (-1.15, -1.1033326675, 0.05),  # a level point that is no valley
    (-0.3, 1.9, 0.1), (0.7, -2.6, 0.1), (2.4, 2.9, 0.1),  # a valley, a hill, a deeper valley
)  # fmt: skip
_MARKS = {"P": -3.0, "S": -1.30026, "L": -0.2894, "G": 2.4348}


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


# --- the map of two factors, and the loss -------------------------------------------------------


def map_and_loss(
    paths: Mapping[str, NDArray], loss: Callable[[NDArray], NDArray], eta: float = 0.1, box: float = 3.0
) -> Picture:
    """Walks of two factors u and v on the map of their loss, and below it their losses against the step.

    On the map a red curve marks uv = 1 and a cross the level place (0, 0). In the lower panel a dotted line is a round
    bowl of curvature 1 at the same rate, (1 - eta)^(2t) / 2.

    Parameters
    ----------
    paths : name -> points of shape (steps + 1, 2)
    loss : what was walked on, for u and v stacked along the first axis, shape (2, ...)
    eta : the rate of the round bowl
    box : the map reaches from -box to box in both directions

    >>> path = np.array([[1.0, -1.0], [0.8, -0.8]])
    >>> map_and_loss({"one": path}, lambda k: (k[0] * k[1] - 1) ** 2 / 2)
    <map and loss: one>
    """
    figure, (left, right) = panels((2, 1), size=(480, 700), height_ratios=[1.6, 1])
    edges = np.array([[-box, box], [-box, box]])
    u, v = np.meshgrid(np.linspace(-box, box, 241), np.linspace(-box, box, 241))
    height = np.log10(loss(np.stack([u, v])) + 1e-3)
    steps = max(len(path) for path in paths.values()) - 1
    with house():
        levels = np.linspace(-3, float(np.quantile(height, 0.97)), 11)
        tint = [to_rgba(GROUND, 0.36 * (1 - i / 10) ** 1.2) for i in range(10)]
        left.contourf(u, v, height, levels, colors=tint, extend="max")
        left.contour(u, v, height, levels[1:], colors=[to_rgba(GROUND, 0.35)], linewidths=0.7, linestyles="solid")
        there = np.geomspace(1 / box, box, 80)
        for sign in (1, -1):
            left.plot(sign * there, sign / there, color=_GOAL, linewidth=1.6, zorder=3)
        left.plot(0, 0, "x", color=GREY, markersize=9, markeredgewidth=2, zorder=3)
        left.set(xlim=edges[0], ylim=edges[1], aspect="equal")
        for i, (name, path) in enumerate(paths.items()):
            draw_walk(left, path, name, i, edges)
            look = look_of(name, i)
            mark: dict[str, Any] = {"marker": look.marker, "markersize": 4, "markevery": (8 * i, max(steps // 12, 1))}
            right.plot(np.maximum(loss(path.T), 1e-12), color=look.colour, linewidth=1.8, zorder=4, **mark)
        right.plot(0.5 * (1 - eta) ** (2.0 * np.arange(steps + 1)), ":", color=GREY, linewidth=1.6)
        right.set(yscale="log", ylim=(1e-8, 1e2), xlim=(0, steps))
        right.grid(True, axis="y")
    label(left, "$u$", "$v$")
    label(right, "$t$", "$J$")
    legend(figure)
    return picture(figure, f"map and loss: {listed(paths)}")


def flat_stretches(losses: Mapping[str, Mapping[float, Sequence[Sequence[float]]]], level: float) -> Picture:
    """How long training stays on a flat stretch: losses from small starts, a panel for each network, one below another.

    The first network's steps are counted on an even axis, those of the others on a logarithmic one.

    Parameters
    ----------
    losses : network -> size of the start -> the losses of each run, which may differ in length
    level : the height of the flat stretch, drawn dotted

    >>> flat_stretches({"one": {0.1: [[2.3, 1.0]], 0.01: [[2.3, 2.3, 1.0]]}}, 2.3)
    <flat stretches: one>
    """
    figure, axes = panels((len(losses), 1), size=(480, 270 * len(losses)))
    for n, (ax, runs) in enumerate(zip(np.atleast_1d(axes), losses.values(), strict=True)):
        with house():
            for i, (size, curves) in enumerate(runs.items()):
                name = f"$\\delta={size:g}$"
                for curve_ in curves:
                    ax.plot(
                        1 + np.arange(len(curve_)), curve_, color=series(i), linestyle=_DASHES[i % 4], linewidth=1.3
                    )
                ax.plot([], [], color=series(i), linestyle=_DASHES[i % 4], label=name)
            ax.axhline(level, linestyle=":", color=GREY, linewidth=1.4)
            ax.set_xscale("log" if n else "linear")
            ax.set_ylim(1.8, level + 0.1)
            ax.grid(True, axis="y")
        label(ax, "$t$", "$J$")
        legend(ax)
    return picture(figure, f"flat stretches: {listed({name: 0 for name in losses})}")


# --- level points -------------------------------------------------------------------------------


def index_and_height(lines: Mapping[str, tuple[ArrayLike, ArrayLike]], dots: ArrayLike) -> Picture:
    """Share of downhill directions at level points against their height.

    Parameters
    ----------
    lines : name -> heights and shares, both of shape (n,)
    dots : heights and shares that were counted, of shape (2, m)

    >>> index_and_height({"N": ([-1, 0, 1], [0.1, 0.5, 0.9])}, [[0.0], [0.5]])
    <index and height: N>
    """
    figure, ax = panels(size=(480, 340))
    with house():
        for i, (name, (height, share)) in enumerate(lines.items()):
            ax.plot(height, share, color=series(i), linestyle=_DASHES[i % 4], linewidth=2, label=name)
        ax.plot(*np.asarray(dots, dtype=float), "o", color=GREY, markersize=6, zorder=4)
        ax.set_ylim(0, 1)
        ax.grid(True, axis="y")
    label(ax, "$f$", r"$\frac{\mathrm{index}}{N}$")
    legend(ax)
    return picture(figure, f"index and height: {listed(lines)}")


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
