"""Figures of the chapter on watching and choosing.

>>> from downhill_course.figures import choosing
>>> choosing.pairs({"momentum": [0.12, 0.15], "adam": [0.11, 0.13]})
<pairs: adam against momentum>
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optlib import compare
from optlib.surfaces import Surface
from optlib.view.contours import contour
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, listed, look_of, panels


def valleys(
    rates: ArrayLike, losses: Mapping[str, ArrayLike], *, at: float | Mapping[str, float],
    ends: Mapping[str, ArrayLike] | None = None, marks: ArrayLike = (), top: float = 8.0, y: str = "$J$",
) -> Picture:  # fmt: skip
    r"""Above, where each method ends against its learning rate; below, the ranking at the rates that are marked.

    One rate for all is an upright line, a rate for each method a dot on its curve. Dotted in both panels: the best that
    any method reached at any rate, which is the ideal.

    Parameters
    ----------
    rates : learning rates, of shape (n,), increasing
    losses : name of a method -> where it ends at each rate, of shape (n,); what is not finite or above `top` is drawn
        at the top
    at : the rate of all, or name -> its own rate; each one of `rates`
    ends : name -> ends of repeats at its rate, of any length: the ranking then shows their median and their range.
        By default the ranking shows the curve's own height
    marks : other heights with a dotted line, such as the loss of guessing
    top : the greatest loss that is drawn
    y : what the loss is called

    Raises
    ------
    ValueError : a curve of another length than the rates, or a marked rate that is none of them, with the name.

    >>> valleys([0.1, 1.0], {"sgd": [2.0, 1.0], "adam": [1.0, 9.0]}, at=0.1)
    <loss against rate: sgd, adam; ranking: adam, sgd>
    """
    eta = np.asarray(rates, dtype=float)
    curves = {name: _curve(name, values, eta, top) for name, values in losses.items()}
    own = {name: float(at[name] if isinstance(at, Mapping) else at) for name in curves}
    heights = {name: curves[name][_index(name, eta, own[name])] for name in curves}
    shown = {name: np.atleast_1d(np.asarray((ends or heights)[name], dtype=float)) for name in curves}
    order = sorted(curves, key=lambda name: float(np.median(shown[name])))
    ideal = min(float(curve.min()) for curve in curves.values())
    tall = 64 + 26 * len(curves)
    figure, (above, below) = panels((2, 1), size=(500, 330 + tall), height_ratios=[330, tall])
    dotted = {"color": GREY, "linestyle": (0, (1, 1.6)), "linewidth": 1.4}
    with house():
        for i, (name, curve) in enumerate(curves.items()):
            style = look_of(name, i)
            above.plot(eta, curve, color=style.colour, linestyle=style.line, marker=style.marker, markersize=3.5,
                       label=name, zorder=3)  # fmt: skip
            if isinstance(at, Mapping):
                above.plot(own[name], heights[name], style.marker, color=style.colour, markersize=10, zorder=5)
            middle, row = float(np.median(shown[name])), order.index(name)
            reach = np.minimum([shown[name].min(), shown[name].max()], top)
            below.plot(reach, [row, row], color=style.colour, linewidth=4, alpha=0.4, zorder=3)
            below.plot(min(middle, top), row, style.marker, color=style.colour, markersize=9, zorder=4)
        if not isinstance(at, Mapping):
            above.axvline(float(at), color=GREY, linewidth=2.4, alpha=0.8, zorder=2)
        for height in (ideal, *np.atleast_1d(np.asarray(marks, dtype=float))):
            above.axhline(height, **dotted)
            below.axvline(height, **dotted)
        low = 0.7 * min([ideal, *(float(values.min()) for values in shown.values())])
        above.set(xscale="log", yscale="log", ylim=(low, top * 1.15))
        below.set(xscale="log", xlim=(low, top * 1.15), ylim=(len(curves) - 0.5, -0.5))
        above.set_xscale("log", base=2)
        ticks = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0) if low <= t <= top]
        above.set_yticks(ticks, [f"{t:g}" for t in ticks])
        below.set_xticks(ticks, [f"{t:g}" for t in ticks])
        below.set_yticks(range(len(order)), order)
        for ax in (above, below):
            ax.minorticks_off()
            ax.grid(True, axis="x" if ax is below else "y")
    label(above, r"$\eta$", y)
    label(below, y, "")
    legend(figure)
    return picture(figure, f"loss against rate: {listed(curves)}; ranking: {listed(order)}")


def _curve(name: str, values: ArrayLike, eta: NDArray, top: float) -> NDArray:
    curve = np.asarray(values, dtype=float)
    if curve.shape != eta.shape:
        raise ValueError(f"{name!r} has losses of shape {curve.shape}, but there are rates of shape {eta.shape}")
    return np.where(np.isfinite(curve), np.minimum(curve, top), top)


def _index(name: str, eta: NDArray, rate: float) -> int:
    found = int(np.argmin(np.abs(eta - rate)))
    if not np.isclose(eta[found], rate):
        raise ValueError(f"{name!r} is marked at the rate {rate:g}, which is none of the rates that were tried")
    return found


def pairs(ends: Mapping[str, ArrayLike]) -> Picture:
    """Where two methods end on the same data sets: a dot for each set, below the dotted diagonal if the second wins.

    Parameters
    ----------
    ends : names of two methods -> their ends on the same sets in the same order, of shape (n,)

    Raises
    ------
    ValueError : another number of methods than two, or of ends.

    >>> pairs({"sgd": [1.0, 2.0], "adam": [1.5, 1.0]})
    <pairs: adam against sgd>
    """
    if len(ends) != 2:
        raise ValueError(f"ends of {listed(ends) or 'nobody'}: give those of two methods")
    (one, x), (other, y) = ((name, np.asarray(values, dtype=float)) for name, values in ends.items())
    if x.shape != y.shape:
        raise ValueError(f"{one} has {x.shape} ends and {other} {y.shape}: give as many of each, in the same order")
    figure, ax = panels(size=(440, 400))
    low, high = 0.9 * min(x.min(), y.min()), 1.05 * max(x.max(), y.max())
    style = look_of(other, 0)
    with house():
        ax.plot([low, high], [low, high], color=GREY, linestyle=(0, (1, 1.6)), linewidth=1.4)
        ax.plot(x, y, style.marker, color=style.colour, markersize=7, alpha=0.8)
        ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        ax.grid(True)
    label(ax, f"loss, {one}", f"loss, {other}")
    return picture(figure, f"pairs: {other} against {one}")


def races(walks: Mapping[str, tuple[Surface, Mapping[str, ArrayLike]]]) -> Picture:
    """Several races from above, two in a row.

    Parameters
    ----------
    walks : name -> a surface and each racer's path on it, of shape (steps + 1, 2)

    >>> from optlib import surfaces
    >>> races({"bowl": (surfaces.bowl, {"sgd": [[1.0, 1.0], [0.5, 0.5]]})})
    <races: bowl>
    """
    rows = (len(walks) + 1) // 2
    figure, axes = panels((rows, 2), size=(640, 300 * rows))
    flat = np.ravel(axes)
    for ax, (surface, paths) in zip(flat, walks.values(), strict=False):
        contour(surface, paths, ax=ax, key=False)
    for ax in flat[len(walks) :]:
        ax.set_visible(False)
    legend(figure)
    return picture(figure, f"races: {listed(walks)}")


def behind(result: compare.Contest, floor: float = 1e-6) -> dict[str, dict[str, float]]:
    """How many times the best median each optimizer ends at, problem by problem.

    Medians below `floor` count as `floor`: who has arrived does not lead by arriving twice.

    >>> from optlib import rules, surfaces
    >>> grid = {"lr": [0.1, 0.2]}
    >>> entries = {"sgd": (rules.sgd, grid), "adam": (rules.adam, grid)}
    >>> min(behind(compare.contest(compare.surface(surfaces.bowl), entries, budget=9))["bowl"].values())
    1.0
    """
    found: dict[str, dict[str, float]] = {}
    for problem in result.problems:
        ends = {row.optimizer: max(row.median, floor) for row in result.rows if row.problem == problem}
        best = min(ends.values())
        found[problem] = {name: end / best for name, end in ends.items()}
    return found


def standings(result: compare.Contest, *, floor: float = 1e-6, most: float = 1000.0) -> Picture:
    """Each problem a line, each optimizer a mark: how many times the best median it ends at, from 1 (left) on.

    What is more than `most` times behind, or has failed, stands at the right edge.
    """
    figure, ax = panels(size=(560, 90 + 48 * len(result.problems)))
    lag = behind(result, floor)
    names = sorted({row.optimizer for row in result.rows})
    with house():
        for i, name in enumerate(names):  # the legend's marks, also of who stands at the edge
            style = look_of(name, i)
            ax.plot([], [], style.marker, markersize=8, color=style.colour, label=name)
        for line, problem in enumerate(result.problems):
            for i, name in enumerate(names):
                at = min(lag[problem][name], most)
                height = line + 0.6 * (i / max(1, len(names) - 1) - 0.5)
                style = look_of(name, i)
                ax.plot(at, height, ">" if at >= most else style.marker, markersize=8, color=style.colour)
            if line:
                ax.axhline(line - 0.5, color=GREY, linewidth=0.5, alpha=0.4)
        ax.set_yticks(range(len(result.problems)), result.problems)
        ax.invert_yaxis()
        ax.set_xscale("log")
        ax.set_xlim(0.9, most * 1.2)
        ax.grid(True, axis="x")
    label(ax, r"$f\,/\,f_{\mathrm{best}}$", "")
    legend(ax)
    return picture(figure, f"standings on {', '.join(result.problems)}")
