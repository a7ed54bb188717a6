"""Paths on a map beside the rate that each weight was given; the rate of each weight against how often it is met."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..surfaces import Surface
from .contours import draw_walk, ground
from .pictures import Picture, picture
from .style import GREY, colour, figure_of, house, label, legend, listed, look_of, panels


def map_and_rates(
    surface: Surface, runs: Mapping[str, tuple[ArrayLike, ArrayLike]], *, ideal: Sequence[float] = (),
    box: float = 11.0, limits: tuple[float, float] = (5e-7, 30.0),
) -> Picture:  # fmt: skip
    """Walks from above, and below them the rate of each of the two weights at every step, on a logarithmic scale.

    The first weight's rate is drawn solid, the second one's dashed.

    Parameters
    ----------
    surface : a surface of two coordinates
    runs : name -> (path of shape (steps + 1, 2), rates of shape (steps, 2))
    ideal : rates to compare with, dotted
    box : half the side of the square map, whose centre is the origin
    limits : of the rates that are shown

    Raises
    ------
    ValueError : a path and rates that do not fit each other.

    >>> from optlib import surfaces, view
    >>> run = ([[10.0, 10.0], [0.0, 0.0]], [[1.0, 0.01]])
    >>> view.map_and_rates(surfaces.ravine, {"ideal": run}, ideal=(1.0, 0.01))
    <map and rates on ravine: ideal>
    """
    figure, (above, below) = panels((2, 1), size=(480, 700), height_ratios=[1.35, 1])
    with house():
        ground(surface, above, np.array([[-box, box], [-box, box]]))
        for i, (name, (points, given)) in enumerate(runs.items()):
            path, rates = np.asarray(points, dtype=float), np.asarray(given, dtype=float)
            if path.ndim != 2 or path.shape[1] != 2 or rates.shape != (len(path) - 1, 2):
                raise ValueError(
                    f"{name!r}: path of shape {path.shape}, rates of shape {rates.shape}; (n + 1, 2) and (n, 2) fit"
                )
            draw_walk(above, path, name, i)
            dashes: tuple[Any, Any] = ("-", (0, (4, 2)))
            for k in (0, 1):
                hue = look_of(name, i).colour
                below.plot(np.arange(1, len(rates) + 1), rates[:, k], color=hue, linestyle=dashes[k], zorder=4)
        for minimum in surface.minima:
            above.plot(*minimum, "*", color=colour("sgd"), markersize=13, zorder=7)
        for rate in ideal:
            below.axhline(rate, color=GREY, linestyle=(0, (1, 1.6)), linewidth=1.6, zorder=3)
        above.set_aspect("equal")
        below.set(yscale="log", ylim=limits)
        below.margins(x=0.01)
        below.grid(True, axis="y")
    label(below, "$t$", r"$\eta_x,\ \eta_y$")
    legend(figure)
    return picture(figure, f"map and rates on {surface.name}: {listed(runs)}")


def against_frequency(share: ArrayLike, rates: ArrayLike, *, name: str = "adagrad") -> Picture:
    r"""The rate of every weight against the share of the examples in which its feature occurs, and :math:`1/\sqrt p`.

    Parameters
    ----------
    share, rates : of shape (d,); features that never occur are left out
    name : of the rule, for its colour

    Raises
    ------
    ValueError : shapes that differ.

    >>> import numpy as np
    >>> from optlib import view
    >>> p = np.array([0.5, 0.1, 0.01])
    >>> view.against_frequency(p, 0.4 / np.sqrt(p))
    <rate against frequency: adagrad>
    """
    p, eta = np.asarray(share, dtype=float), np.asarray(rates, dtype=float)
    if p.shape != eta.shape or p.ndim != 1:
        raise ValueError(f"share has shape {p.shape} and rates {eta.shape}: both must be (d,)")
    met = (p > 0) & (eta < 1e6)
    _, ax = panels(1, size=(480, 330))
    with house():
        ax.plot(p[met], eta[met], ".", color=look_of(name, 0).colour, markersize=5, alpha=0.6)
        line = np.geomspace(p[met].min(), p.max(), 50)
        scale = np.median(eta[met] * np.sqrt(p[met]))
        ax.plot(line, scale / np.sqrt(line), color=GREY, linestyle=(0, (1, 1.6)), linewidth=1.8)
        ax.set(xscale="log", yscale="log")
    label(ax, "$p$", r"$\eta_i$")
    return Picture(figure_of(ax), f"rate against frequency: {name}")
