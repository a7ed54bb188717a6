"""Figures of the chapter on one step downhill.

>>> from optlib import data, models
>>> from downhill_course.figures import descent, variants
>>> X, y = data.three_points()
>>> J = variants.loss_surface(models.LinearRegression(), X, y, domain=((-4, 5), (-2, 5)), start=(-1.0, 4.0))
>>> descent.fan(J, J.start)
<fan of directions on loss>
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy.typing import ArrayLike, NDArray

from optlib.surfaces import Surface
from optlib.view.contours import contour, ground, mark_minima
from optlib.view.curves import loss_curves
from optlib.view.pictures import Picture, picture
from optlib.view.relief import surface as relief
from optlib.view.style import GREY, colour, house, label, legend, listed, panels, series


def renamed(drawn: Picture, *symbols: str) -> Picture:
    """The picture with other symbols on the axes of its first panel, such as ``"b", "w", "J"``; before it is shown."""
    ax: Any = drawn.figure.axes[0]
    for axis, symbol in zip((ax.xaxis, ax.yaxis, getattr(ax, "zaxis", None)), symbols, strict=False):
        if axis is not None:
            axis.set_label_text(f"${symbol}$")
    return drawn


def three_models(X: NDArray, y: NDArray, surface: Surface, points: Mapping[str, ArrayLike]) -> Picture:
    """Lines through data above, and the same lines as points (b, w) of the loss surface below.

    Parameters
    ----------
    X, y : examples; X has a column of ones and a column x
    surface : the loss of the line b + w x
    points : letter -> (b, w)
    """
    figure, (above, below) = panels((2, 1), size=(460, 600))
    with house():
        x = X[:, 1]
        ends = np.array([x.min() - 0.7, x.max() + 0.7])
        ground(surface, below, np.asarray(surface.domain, dtype=float))
        for i, (name, theta) in enumerate(points.items()):
            b, w = np.asarray(theta, dtype=float)
            dashes = ("-", (0, (5, 2)), (0, (1, 1.3)))[i % 3]
            above.plot(ends, b + w * ends, color=series(i), linestyle=dashes, label=f"${name}$")
            _letter(below, (b, w), name, series(i))
        above.plot(x, y, "o", color=GREY, markersize=7, zorder=4)
        above.set_ylim(y.min() - 3, y.max() + 3)
        above.grid(True)
    label(above, "$x$", "$y$")
    label(below, "$b$", "$w$")
    legend(above)
    return picture(figure, f"lines and points: {listed(points)}")


def _letter(ax: Axes, at: tuple[float, float], name: str, hue: str) -> None:
    ax.plot(*at, "o", color=hue, markersize=8, zorder=6)
    ax.annotate(f"${name}$", at, (9, 6), textcoords="offset points", color=hue, fontsize=14, zorder=6)


def tangent_plane(
    surface: Surface, at: ArrayLike, *, size: float = 1.3, azim: float = -60, elev: float = 30
) -> Picture:
    """A landscape with the plane that touches it at one point, the steepest way down in it, and that way's shadow.

    Parameters
    ----------
    at : the point, of shape (2,)
    size : half the side of the piece of plane that is drawn, and the length of the arrow's shadow
    azim, elev : direction and height of the eye, in degrees
    """
    at = np.asarray(at, dtype=float)
    drawn = relief(surface, azim=azim, elev=elev)
    ax: Any = drawn.figure.axes[0]
    g, z, bottom = surface.grad(at), float(surface(at)), ax.get_zlim()[0]
    way = at - np.outer(np.linspace(0, size, 2), g / np.linalg.norm(g))
    corners = np.array([-size, size])
    u, v = np.meshgrid(corners, corners)
    with house():
        ax.plot_surface(
            at[0] + u, at[1] + v, z + g[0] * u + g[1] * v, color=to_rgba(series(1), 0.45),
            edgecolor=series(1), linewidth=1.2, shade=False, zorder=3,
        )  # fmt: skip
        for height, width, order in ((z + (way - at) @ g, 2.6, 5), (np.full(2, bottom), 1.8, 1.6)):
            ax.plot(*way.T, height, color=colour("sgd"), linewidth=width, zorder=order)
            ax.plot(*way[1:].T, height[1:], "o", color=colour("sgd"), markersize=5, zorder=order)
        ax.plot(*way[:1].T, [z], "o", color=GREY, markersize=7, zorder=6)
        ax.plot(*np.stack([at, at]).T, [bottom, z], color=GREY, linestyle=(0, (2, 2)), linewidth=1.2, zorder=1.7)
    return picture(drawn.figure, f"tangent plane of {surface.name}")


def fan(surface: Surface, at: ArrayLike, *, n: int = 24, h: float = 1e-3) -> Picture:
    """Equally long steps in n directions from one point, and below the slope of each: measured, and g·u.

    Parameters
    ----------
    at : the point, of shape (2,)
    n : number of directions
    h : length of the step with which a slope is measured, (f(at + h u) - f(at)) / h
    """
    at = np.asarray(at, dtype=float)
    g = surface.grad(at)
    angles = np.arange(n) * 2 * np.pi / n
    units = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    slopes = (np.asarray(surface(at + h * units)) - float(surface(at))) / h
    figure, (above, below) = panels((2, 1), size=(460, 620), height_ratios=[1.35, 1])
    _directions(surface, above, at, units, slopes, g)
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
    label(below, r"$\varphi$", "$J'_u$")
    legend(below)
    return picture(figure, f"fan of directions on {surface.name}")


def _directions(surface: Surface, ax: Axes, at: NDArray, units: NDArray, slopes: NDArray, g: NDArray) -> None:
    box = np.stack([at - 1.35, at + 1.35], axis=-1)
    arrow = {"arrowstyle": "-|>,head_length=0.45,head_width=0.22", "shrinkA": 0, "shrinkB": 0}
    with house():
        ground(surface, ax, box, "linear")
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


def walks_and_losses(
    surface: Surface, paths: Mapping[str, NDArray], *, symbols: tuple[str, str, str] = ("b", "w", "J"),
    floor: float = 0.0,
) -> Picture:  # fmt: skip
    """Walks from above, until they leave the picture, and below the same walks as losses against updates.

    Parameters
    ----------
    paths : label -> walk of shape (steps + 1, 2)
    symbols : names of the two coordinates and of the loss
    floor : least loss; the losses are drawn on a logarithmic scale up to twice the start's above it
    """
    figure, (above, below) = panels((2, 1), size=(480, 640), height_ratios=[1.25, 1])
    contour(surface, {name: _until_out(surface, path) for name, path in paths.items()}, ax=above, key=False)
    with np.errstate(over="ignore"):
        losses = {name: np.asarray(surface(path)) for name, path in paths.items()}
    first = max(float(values[0]) for values in losses.values())
    loss_curves(losses, ax=below, key=False)
    below.set_ylim(0.8 * floor or None, 4 * first)
    label(above, *(f"${s}$" for s in symbols[:2]))
    label(below, "$t$", f"${symbols[2]}$")
    legend(figure)
    return picture(figure, f"walks and losses: {listed(paths)}")


def _until_out(surface: Surface, path: NDArray) -> NDArray:
    """The walk up to its first point outside the surface's domain: what leaps about beyond would hide the others."""
    low, high = np.transpose(surface.domain)
    out = ~((path >= low) & (path <= high)).all(axis=-1)
    return path[: int(out.argmax()) + 1] if out.any() else path


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
