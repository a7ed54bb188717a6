"""Figures of the chapter on one step downhill.

Its map is the loss of a line, b + w T, on three days' measurements.

>>> from downhill_course.figures import descent as pictures
>>> pictures.walks({0.25: [(-1.0, 4.0), (-1.25, 1.75)]})
<map and gap on gutter: $\\eta=0.25$>
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy.typing import ArrayLike, NDArray

from optlib.data import three_points
from optlib.models import LinearRegression
from optlib.surfaces import Surface
from optlib.view.contours import draw_walk, ground, mark_minima
from optlib.view.curves import loss_curves
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, colour, house, label, legend, listed, look_of, named_paths, panels, series

_DAYS, _LITRES = three_points()


def _loss(b: Any, w: Any) -> Any:
    return LinearRegression().loss(np.stack([b, w], axis=-1), _DAYS, _LITRES)


def _slope(b: Any, w: Any) -> tuple:
    return tuple(np.moveaxis(LinearRegression().grad(np.stack([b, w], axis=-1), _DAYS, _LITRES), -1, 0))


#: The chapter's map: half the mean squared error of b + w T on the three days.
GUTTER = Surface("gutter", _loss, _slope, ((-4.0, 4.0), (-2.0, 5.0)), (-1.0, 4.0), ((1.0, 1.0),), "data.three_points")
#: Two points of the valley's floor, through the minimum along the flat direction (3, -1).
_FLOOR = ((-5.0, 3.0), (4.0, 0.0))


def lines_and_map(points: Mapping[str, ArrayLike]) -> Picture:
    """Lines through the three measurements above, and the same lines as points (b, w) of the loss's map below.

    Parameters
    ----------
    points : letter -> (b, w)
    """
    figure, (above, below) = panels((2, 1), size=(460, 600))
    with house():
        x = _DAYS[:, 1]
        ends = np.array([x.min() - 0.7, x.max() + 0.7])
        ground(GUTTER, below, np.asarray(GUTTER.domain, dtype=float))
        for i, (name, theta) in enumerate(points.items()):
            b, w = np.asarray(theta, dtype=float)
            dashes = ("-", (0, (5, 2)), (0, (1, 1.3)))[i % 3]
            above.plot(ends, b + w * ends, color=series(i), linestyle=dashes, label=f"${name}$")
            letter_at(below, (b, w), name, series(i))
        above.plot(x, _LITRES, "o", color=GREY, markersize=7, zorder=4)
        above.set_ylim(_LITRES.min() - 3, _LITRES.max() + 3)
        above.grid(True)
    label(above, "$T$", "$y$")
    label(below, "$b$", "$w$")
    legend(above)
    return picture(figure, f"lines and points: {listed(points)}")


def fan(at: ArrayLike, angles: ArrayLike, slopes: ArrayLike, g: ArrayLike) -> Picture:
    """Equally long steps from one point of the map, and below the slope measured in each direction beside g·u.

    Parameters
    ----------
    at : the point, of shape (2,)
    angles : the directions, in radians from the b axis, of shape (n,)
    slopes : the slope measured in each, of shape (n,)
    g : the gradient at the point, of shape (2,), whose opposite is drawn as a thick arrow
    """
    at, angles, slopes, g = (np.asarray(a, dtype=float) for a in (at, angles, slopes, g))
    units = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    figure, (above, below) = panels((2, 1), size=(460, 620), height_ratios=[1.35, 1])
    _directions(above, at, units, slopes, g)
    with house():
        turn = np.linspace(0, 360, 361)
        wave = g[0] * np.cos(np.radians(turn)) + g[1] * np.sin(np.radians(turn))
        below.axhline(0, color=GREY, linewidth=0.8)
        below.plot(turn, wave, color=GREY, linewidth=1.4, label=r"$g\cdot u$")
        below.scatter(np.degrees(angles), slopes, s=34, c=[_tint(s, slopes) for s in slopes], zorder=4)
        steepest = np.degrees(np.arctan2(-g[1], -g[0])) % 360
        mark: dict[str, Any] = {"color": colour("sgd"), "markersize": 9, "zorder": 5}
        below.plot(steepest, -np.linalg.norm(g), "v", label=r"$u=-g/\|g\|$", **mark)
        below.set(xlim=(-8, 368), xticks=range(0, 361, 90), xticklabels=[f"{k}°" for k in range(0, 361, 90)])
    label(below, r"$\varphi_u$", "$J'_u$")
    legend(below)
    return picture(figure, f"fan of {len(angles)} directions")


def _directions(ax: Axes, at: NDArray, units: NDArray, slopes: NDArray, g: NDArray) -> None:
    box = np.stack([at - 1.35, at + 1.35], axis=-1)
    arrow = {"arrowstyle": "-|>,head_length=0.45,head_width=0.22", "shrinkA": 0, "shrinkB": 0}
    with house():
        ground(GUTTER, ax, box, "linear")
        for u, slope in zip(units, slopes, strict=True):
            style = {**arrow, "color": _tint(slope, slopes), "linewidth": 1.6}
            ax.annotate("", tuple(at + u), tuple(at), arrowprops=style, zorder=4)
        style = {**arrow, "color": colour("sgd"), "linewidth": 3.2}
        ax.annotate("", tuple(at - 1.15 * g / np.linalg.norm(g)), tuple(at), arrowprops=style, zorder=5)
        ax.set_aspect("equal")
    label(ax, "$b$", "$w$")


def _tint(slope: float, slopes: NDArray) -> tuple[float, float, float, float]:
    """Downhill and uphill in two colours, paler where it is flatter."""
    return to_rgba(series(0) if slope < 0 else series(1), 0.25 + 0.75 * abs(slope) / float(np.abs(slopes).max()))


def walks(paths: Mapping[float, ArrayLike], parts: Mapping[float, ArrayLike] | None = None) -> Picture:
    """The picture of the chapter: walks on the map, and how far their loss is above the least one, against the step.

    The dotted line on the map is the floor of the valley, the one below it (5/7)^2t, the best a single rate can do.

    Parameters
    ----------
    paths : learning rate -> walk of shape (steps + 1, 2)
    parts : learning rate -> the steep and the flat part of its gap, of shape (steps + 1, 2)
    """
    names = {rate: rf"$\eta={Fraction(rate).limit_denominator(9) if 7 * rate == 3 else rate}$" for rate in paths}
    named = {names[rate]: path for rate, path in paths.items()}
    split = None if parts is None else {names[rate]: parts[rate] for rate in paths}
    steps = max(len(np.asarray(path)) for path in paths.values())
    return map_and_gap(
        GUTTER, named, parts=split, ideal=12.5 * (5 / 7) ** (2 * np.arange(max(steps, 31))), floor=_FLOOR,
        points={"A": (-1.0, 4.0), "M": (-1.25, 1.75), "B": (1.0, 1.0)}, symbols=("b", "w", "J"),
    )  # fmt: skip


def shares(losses: Mapping[float, ArrayLike], least: float, *, top: float = 10.0) -> Picture:
    """Losses at rates that are shares of 2/L, up to a height, over a dotted line at the least loss there is.

    Parameters
    ----------
    losses : share of 2/L -> losses of shape (steps + 1,)
    least : the least loss
    top : where the picture ends
    """
    drawn = loss_curves({rf"${share}\cdot 2/L$": values for share, values in losses.items()}, ylabel="$J$")
    ax = drawn.figure.axes[0]
    with house():
        ax.axhline(least, color=GREY, linestyle=(0, (1, 1.6)), linewidth=1.5)
        ax.set_ylim(least / 1.4, top)
    return drawn


def basins(surface: Surface, starts: NDArray, ends: NDArray, *, near: float = 0.1) -> Picture:
    """Every start in the colour of the minimum its walk ended at; without colour where it ended at none.

    Parameters
    ----------
    starts, ends : a grid of starts and where each ended, of shape (rows, columns, 2)
    near : how close to a minimum an end belongs to it
    """
    if starts.shape != ends.shape or starts.ndim != 3:
        raise ValueError(f"starts {starts.shape} and ends {ends.shape} must both have shape (rows, columns, 2)")
    box = np.array([[starts[..., k].min(), starts[..., k].max()] for k in (0, 1)])
    which = reached(surface, ends, near=near)
    tints = np.array([to_rgba(series(i), 0.55) for i in range(len(surface.minima))] + [(0, 0, 0, 0)])
    figure, ax = panels(size=(460, 400))
    with house():
        ground(surface, ax, box)
        ax.imshow(tints[which], extent=(*box[0], *box[1]), origin="lower", aspect="auto", zorder=2)
        for i, (x, y) in enumerate(surface.minima):
            ax.plot(x, y, "o", color=series(i), markersize=9, zorder=4)
        mark_minima(surface, ax, box)
    return picture(figure, f"basins of {surface.name}")


def reached(surface: Surface, ends: ArrayLike, *, near: float = 0.1) -> NDArray[np.intp]:
    """For points of shape (..., 2), which minimum each lies at: its number in ``surface.minima``, or -1 for none.

    >>> from optlib import surfaces
    >>> reached(surfaces.himmelblau, [[3.0, 2.0], [0.0, 0.0]])
    array([ 0, -1])
    """
    ends = np.asarray(ends, dtype=float)
    distance = np.linalg.norm(ends[..., None, :] - np.asarray(surface.minima), axis=-1)
    nearest = distance.argmin(axis=-1)
    return np.where(distance.min(axis=-1) <= near, nearest, -1)


# --- walks on a map, and below it how far above the least loss they still are ---------------------


def map_and_gap(
    surface: Surface, paths: Any, *, least: float | None = None, parts: Mapping[str, ArrayLike] | None = None,
    ideal: ArrayLike | None = None, floor: ArrayLike | None = None,
    points: Mapping[str, tuple[float, float]] | None = None,
    symbols: tuple[str, str, str] = ("x", "y", "f"), limits: tuple[float, float] = (1e-6, 1e3),
) -> Picture:  # fmt: skip
    """Walks from above, until they leave the map, and below their losses above the least one, on a logarithmic scale.

    Parameters
    ----------
    surface : a surface of two coordinates with a minimum, which is marked by a star
    paths : one walk of shape (steps + 1, 2), or a dict of them by label
    least : the least loss; by default the value at the surface's first minimum
    parts : label -> the parts of that walk's gap, of shape (steps + 1, k): the first is drawn solid, the others dashed,
        under a broad pale line for their sum
    ideal : gaps to compare with, one for each step from 0 on, dotted
    floor : two points of the map, of shape (2, 2), joined by a dotted line
    points : letter -> a point of the map to name
    symbols : names of the two coordinates and of the loss
    limits : of the gaps that are shown

    Raises
    ------
    ValueError : a path of another shape, parts that do not fit their path, a surface without a minimum.

    >>> from optlib import surfaces
    >>> path = [[4.0, -2.0], [2.0, -1.0], [1.0, -0.5]]
    >>> map_and_gap(surfaces.bowl, {"a": path}, ideal=[10.0, 1.0, 0.1])
    <map and gap on bowl: a>
    """
    named, parts = named_paths(paths, 2), {} if parts is None else parts
    if least is None and not surface.minima:
        raise ValueError(f"surface {surface.name!r} names no minimum: give the least loss")
    low = float(surface(np.asarray(surface.minima[0]))) if least is None else least
    figure, (above, below) = panels((2, 1), size=(480, 660), height_ratios=[1.2, 1])
    with house():
        ground(surface, above, np.asarray(surface.domain, dtype=float))
        if floor is not None:
            above.plot(*np.transpose(floor), color=GREY, linestyle=(0, (1, 1.6)), linewidth=1.5, zorder=3)
        for i, (name, path) in enumerate(named.items()):
            draw_walk(above, _until_out(path, surface), name, i)
            _gap(below, np.asarray(surface(path)) - low, parts.get(name), name, i)
        for letter, at in (points or {}).items():
            letter_at(above, at, letter, GREY, left=at[0] < sum(surface.domain[0]) / 2)
        for minimum in surface.minima:
            above.plot(*minimum, "*", color=colour("sgd"), markersize=13, zorder=7)
        if ideal is not None:
            gaps = np.asarray(ideal, dtype=float)
            below.plot(np.arange(len(gaps)), gaps, color=GREY, linestyle=(0, (1, 1.6)), linewidth=1.8, zorder=3)
        below.set(yscale="log", ylim=limits)
        below.margins(x=0.01)
        below.grid(True, axis="y")
        below.set_title(rf"${symbols[2]}-{symbols[2]}_{{\min}}$", loc="left", color=GREY, fontsize=12)
    label(above, *(f"${s}$" for s in symbols[:2]))
    label(below, "$t$", "")
    if listed(named):
        legend(figure)
    return picture(figure, f"map and gap on {surface.name}" + (f": {listed(named)}" if listed(named) else ""))


def _until_out(path: NDArray, surface: Surface) -> NDArray:
    """The walk up to its first point outside the map: what leaps about beyond would hide the others."""
    low, high = np.transpose(surface.domain)
    out = ~((path >= low) & (path <= high)).all(axis=-1)
    return path[: int(out.argmax()) + 1] if out.any() else path


def _gap(ax: Axes, gap: NDArray, parts: ArrayLike | None, name: str, i: int) -> None:
    """One walk's gap, and its parts over it."""
    look, t = look_of(name, i), np.arange(len(gap))
    gap = np.where(np.isfinite(gap) & (gap > 0), gap, np.nan)
    if parts is None:
        ax.plot(t, gap, color=look.colour, linestyle=look.line, zorder=4)
        return
    split = np.asarray(parts, dtype=float)
    if split.ndim != 2 or len(split) != len(gap):
        raise ValueError(f"the parts of {name!r} have shape {split.shape}, but its path has {len(gap)} points")
    ax.plot(t, gap, color=look.colour, linewidth=4.5, alpha=0.35, zorder=3)
    for k, part in enumerate(split.T):
        dashes: Any = "-" if k == 0 else (0, (4, 2))
        ax.plot(t, np.where(part > 0, part, np.nan), color=look.colour, linestyle=dashes, linewidth=1.3, zorder=4)


def letter_at(ax: Axes, at: ArrayLike, letter: str, hue: str, *, left: bool = False) -> None:
    """A dot on a map with a letter to its right, or to its left."""
    x, y = np.asarray(at, dtype=float)
    ax.plot(x, y, "o", color=hue, markersize=8, zorder=6)
    away: dict[str, Any] = {"xytext": (-8 if left else 8, 6), "ha": "right" if left else "left"}
    ax.annotate(f"${letter}$", (x, y), textcoords="offset points", color=hue, fontsize=14, zorder=6, **away)
