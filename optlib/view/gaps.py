"""Walks on a map, and below it how far their loss still is above the least one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from ..surfaces import Surface
from .contours import draw_walk, ground
from .pictures import Picture, picture
from .style import GREY, colour, house, label, legend, listed, look_of, named_paths, panels


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

    >>> from optlib import surfaces, view
    >>> path = [[4.0, -2.0], [2.0, -1.0], [1.0, -0.5]]
    >>> view.map_and_gap(surfaces.bowl, {"a": path}, ideal=[10.0, 1.0, 0.1])
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
