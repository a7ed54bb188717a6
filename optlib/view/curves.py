"""Curves: a function of one coordinate with walks on it, and losses against time."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from .._inputs import finite, numbers
from ..surfaces import Surface
from .pictures import Picture
from .style import (
    GREY,
    GROUND,
    Look,
    figure_of,
    frame,
    house,
    label,
    legend,
    listed,
    look_of,
    named_paths,
    not_drawn,
    panels,
)


def curve(
    surface: Surface, paths: Any = None, *, ax: Axes | None = None, minima: bool = True, start: bool = True,
    domain: tuple[float, float] | None = None, key: bool = True,
) -> Picture:  # fmt: skip
    """The graph of a function of one coordinate, with the points of walks on it.

    Parameters
    ----------
    surface : a surface of one coordinate, such as ``surfaces.waves``
    paths : one walk of shape (steps + 1, 1), or a dict of them by name
    ax : axes to draw into; by default a new figure
    minima, start : whether to mark them
    domain : the range that is shown; by default the surface's
    key : whether there is a legend; of several panels it stands best once above all, with ``view.legend(figure)``

    >>> from optlib import surfaces, view
    >>> view.curve(surfaces.waves, {"sgd": [[4.5], [4.0]]})
    <curve of waves: sgd>
    """
    if surface.dim != 1:
        raise ValueError(not_drawn(surface))
    named = named_paths(paths, 1)
    low, high = frame(surface.domain[0] if domain is None else domain, "domain", (2,)).tolist()
    if ax is None:
        _, ax = panels()
    with house():
        x = np.linspace(low, high, 401)
        f = np.asarray(surface(x[:, None]))
        ax.plot(x, f, color=GROUND, linewidth=1.6, zorder=2)
        ax.fill_between(x, f, f.min() - 0.06 * np.ptp(f), color=GROUND, alpha=0.12, linewidth=0, zorder=1)
        if minima and surface.minima:
            m = np.array([m for m in surface.minima if low <= m[0] <= high])
            ax.plot(m[:, 0], surface(m), "+", color=GREY, markersize=9, markeredgewidth=1.6, zorder=3)
        for i, (name, path) in enumerate(named.items()):
            _draw_walk(ax, surface, path[((path >= low) & (path <= high))[:, 0]], name, i, start)
        ax.set(xlim=(low, high), ylim=(f.min() - 0.06 * np.ptp(f), f.max() + 0.08 * np.ptp(f)))
        label(ax, "$x$", "$f$")
        if key and listed(named):
            legend(ax)
    return Picture(figure_of(ax), f"curve of {surface.name}" + (f": {listed(named)}" if listed(named) else ""))


def _draw_walk(ax: Axes, surface: Surface, path: NDArray, label: str, i: int, start: bool) -> None:
    if not len(path):
        return
    look, z = look_of(label, i), np.asarray(surface(path))
    style: dict[str, Any] = {"color": look.colour, "zorder": 4}
    ax.plot(path[:, 0], z, look.line, linewidth=1.0, alpha=0.7, **style)
    ax.plot(path[:, 0], z, look.marker, markersize=4.2, markeredgewidth=0, label=label or None, **style)
    if start:
        ring: dict[str, Any] = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.6}
        ax.plot(path[0, 0], z[0], "o", **ring, **style)
    ax.plot(path[-1, 0], z[-1], "o", markersize=7, markeredgewidth=0, **style)


def loss_curves(
    losses: Mapping[str, ArrayLike], *, log: bool = True, x: str | NDArray | Sequence[float] = "t",
    ax: Axes | None = None, spread: bool = True, ylabel: str = "$f$", key: bool = True,
) -> Picture:  # fmt: skip
    """Losses against time, one curve for each name.

    Parameters
    ----------
    losses : name -> losses of shape (n,), or (seeds, n), which are drawn as their median and a band from the 10th to
        the 90th percentile; an algorithm's name gives its colour. Infinite and NaN values end a curve
    log : logarithmic height
    x : label of the time axis, which counts from 0; or the times themselves, of shape (n,)
    ax : axes to draw into; by default a new figure
    spread : whether to draw the band
    ylabel : label of the height
    key : whether there is a legend; of several panels it stands best once above all, with ``view.legend(figure)``

    >>> from optlib import view
    >>> view.loss_curves({"sgd": [1.0, 0.5, 0.25], "adam": [1.0, 0.9, 0.8]})
    <losses: sgd, adam>
    """
    if not losses:
        raise ValueError("losses is empty: give at least one name with its values")
    if ax is None:
        _, ax = panels()
    with house():
        for i, (name, values) in enumerate(losses.items()):
            array = np.atleast_2d(numbers(values, f"losses {name!r}"))
            if array.ndim != 2 or not array.size:
                raise ValueError(f"losses {name!r} have shape {np.shape(values)}: they must be (n,) or (seeds, n)")
            times = np.arange(array.shape[1]) if isinstance(x, str) else finite(x, "x")
            if times.shape != array.shape[1:]:
                raise ValueError(f"losses {name!r} have {array.shape[1]} values, but there are {times.size} times in x")
            _draw_losses(ax, times, array, name, i, log, spread)
        if log:
            ax.set_yscale("log")
        ax.margins(x=0.01)
        xlabel = x if isinstance(x, str) else "t"
        label(ax, f"${xlabel}$" if len(xlabel) == 1 else xlabel, ylabel)
        ax.grid(True, axis="y")
        if key and listed(losses):
            legend(ax)
    return Picture(figure_of(ax), f"losses: {listed(losses)}")


def _draw_losses(ax: Axes, times: NDArray, array: NDArray, label: str, i: int, log: bool, spread: bool) -> None:
    look = look_of(label, i)
    array = np.where(np.isfinite(array) & ((array > 0) | (not log)), array, np.nan)
    kept = ~np.isnan(array).all(axis=0)
    times, array = times[kept], array[:, kept]
    if not times.size:
        return
    low, middle, high = np.nanquantile(array, [0.1, 0.5, 0.9], axis=0)
    draw_spread(ax, times, middle, (low, high) if spread and len(array) > 1 else None, look, label)


def draw_spread(
    ax: Axes, times: NDArray, middle: NDArray, band: tuple[NDArray, NDArray] | None, look: Look, label: str
) -> None:
    """A line with its algorithm's markers, and a band around it."""
    mark: dict[str, Any] = {"marker": look.marker, "markevery": max(len(times) // 12, 1)}
    ax.plot(times, middle, color=look.colour, linestyle=look.line, label=label or None, zorder=4, **mark)
    if band is not None:
        ax.fill_between(times, *band, color=look.colour, alpha=0.22, linewidth=0, zorder=3)
