"""Figures of the chapter on what came after Adam; every one is given its data.

>>> import numpy as np
>>> from downhill_course.figures import after
>>> after.two_inputs({"Adam": ([4.0, 1.0], [4.0, 3.0])})
<losses on two inputs: Adam>
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, listed, look_of, marks, panels, series

_DOTTED: dict[str, Any] = {"linestyle": (0, (1, 1.4)), "linewidth": 1.8}


def two_inputs(
    runs: Mapping[str, tuple[ArrayLike, ArrayLike]], *, limits: tuple[float, float] = (1e-14, 100.0)
) -> Picture:
    """Losses on the inputs above, on mixed inputs below; there the losses from above are dotted.

    Parameters
    ----------
    runs : name -> losses of two runs, each of shape (n,), the first before any update
    limits : of the losses that are shown

    Raises
    ------
    ValueError : a run whose losses are no two lines of equal length, with its name.
    """
    figure, axes = panels((2, 1), size=(500, 600), sharex=True, sharey=True)
    with house():
        for i, (name, (plain, mixed)) in enumerate(runs.items()):
            pair = np.array([_line(losses, name) for losses in (plain, mixed)])
            style = look_of(name, i)
            step = marks(pair.shape[1])
            for axis, losses in zip(axes, pair, strict=True):
                axis.plot(
                    losses, color=style.colour, linestyle=style.line, marker=style.marker,
                    markevery=(i * step // len(runs), step), label=name, zorder=4,
                )  # fmt: skip
            axes[1].plot(pair[0], color=style.colour, zorder=3, **_DOTTED)
        axes[0].set(yscale="log", ylim=limits)
        for axis, name in zip(axes, ("$X$", "$XQ$"), strict=True):
            axis.grid(True, axis="y")
            axis.set_title(name, loc="left")
            label(axis, "" if axis is axes[0] else "$t$", "$f$")
    legend(figure)
    return picture(figure, f"losses on two inputs: {listed(runs)}")


def _line(losses: ArrayLike, name: str) -> NDArray:
    found = np.asarray(losses, dtype=float)
    if found.ndim != 1:
        raise ValueError(f"run {name!r} has losses of shape {found.shape}: give one loss an update, of shape (n,)")
    return found


def unit_steps(g: ArrayLike, steps: Mapping[str, ArrayLike]) -> Picture:
    """Where a step of length 1 may end, for three lengths, and the end that lowers a gradient's loss most.

    Parameters
    ----------
    g : gradient, of shape (2,)
    steps : "circle", "square" or "diamond" -> the step of length 1, of shape (2,)

    >>> unit_steps([3.0, -1.0], {"square": [-1.0, 1.0]})
    <steps of length 1: square>
    """
    turn = np.linspace(0, 2 * np.pi, 201)
    outlines = {
        "circle": (np.cos(turn), np.sin(turn)),
        "square": ([1, 1, -1, -1, 1], [1, -1, -1, 1, 1]),
        "diamond": ([1, 0, -1, 0, 1], [0, -1, 0, 1, 0]),
    }
    slope = np.asarray(g, dtype=float)
    along = np.array([slope[1], -slope[0]]) / np.linalg.norm(slope)  # a level line's direction
    figure, ax = panels(size=(440, 430))
    with house():
        for i, (name, step) in enumerate(steps.items()):
            end = np.asarray(step, dtype=float)
            ax.plot(*outlines[name], color=series(i), zorder=3)
            ax.plot(*np.transpose([end - 4 * along, end + 4 * along]), color=series(i), linewidth=1, linestyle="--")
            ax.plot(*end, "o", color=series(i), markersize=10, zorder=5, label=_LENGTHS[name])
        tip = -0.6 * slope / np.linalg.norm(slope)
        ax.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "->", "color": GREY, "lw": 1.6})
        ax.annotate("$-g$", tip / 2, (-2, -15), textcoords="offset points", color=GREY, fontsize=12, ha="center")
        ax.set(xlim=(-1.75, 1.35), ylim=(-1.35, 1.6), aspect="equal")
        label(ax, "$s_1$", "$s_2$")
    legend(ax)
    return picture(figure, f"steps of length 1: {listed(steps)}")


_LENGTHS = {"circle": r"$\ell_2$", "square": r"$\ell_\infty$", "diamond": r"$\ell_1$"}


def singular_values(values: Mapping[str, ArrayLike], band: Sequence[float]) -> Picture:
    """Singular values of some matrices, largest first, with a band that they are meant to reach.

    Parameters
    ----------
    values : name -> singular values, of shape (k,)
    band : the lowest and the highest value of the band

    >>> singular_values({"G": [3.0, 0.1]}, band=(0.7, 1.1))
    <singular values: G>
    """
    figure, ax = panels(size=(500, 360))
    with house():
        ax.axhspan(*band, color=GREY, alpha=0.15, linewidth=0)
        ax.axhline(1, color=GREY, **_DOTTED)
        for i, (name, found) in enumerate(values.items()):
            each = np.sort(np.asarray(found, dtype=float))[::-1]
            ax.plot(range(1, each.size + 1), each, marker=look_of("", i).marker, color=series(i), label=name)
        ax.set_yscale("log")
        ax.grid(True, axis="y")
    label(ax, "$i$", r"$\sigma_i$")
    legend(ax)
    return picture(figure, f"singular values: {listed(values)}")


def edges(found: Mapping[float, tuple[ArrayLike, ArrayLike, ArrayLike]]) -> Picture:
    """Largest curvatures above, losses below, against the steps; each run's line at 2/eta is dotted.

    Parameters
    ----------
    found : 2/eta -> steps, largest curvatures and losses there, each of shape (n,)

    >>> edges({8.0: ([0, 10], [5.0, 8.1], [1.0, 0.5])})
    <largest curvature and loss: 8>
    """
    figure, (above, below) = panels((2, 1), size=(500, 520), sharex=True, height_ratios=[2, 1])
    with house():
        for i, (edge, (at, sharpness, losses)) in enumerate(found.items()):
            above.plot(at, sharpness, color=series(i), label=rf"$2/\eta={edge:g}$", zorder=4)
            _edge(above, edge, series(i))
            below.plot(at, losses, color=series(i), linewidth=1.4)
        above.set_ylim(bottom=0)
        below.set_yscale("log")
        for axis, name in ((above, "$S$"), (below, "$f$")):
            axis.grid(True, axis="y")
            label(axis, "$t$" if axis is below else "", name)
    legend(figure)
    return picture(figure, f"largest curvature and loss: {listed(f'{edge:g}' for edge in found)}")


def _edge(ax: Axes, height: float, colour: str) -> None:
    ax.axhline(height, color=colour, **_DOTTED)


def ends(rates: ArrayLike, losses: Mapping[str, ArrayLike], *, ideal: float, most: float = 30.0) -> Picture:
    """Final losses against the rate, with the least that anyone could reach dotted; what diverges is left out.

    Parameters
    ----------
    rates : of shape (k,)
    losses : name -> final losses, of shape (k,)
    ideal : the dotted loss
    most : losses above it are not shown

    >>> ends([0.1, 0.2], {"a": [1.0, np.inf]}, ideal=0.5)
    <final loss over rates: a>
    """
    at = np.asarray(rates, dtype=float)
    figure, ax = panels(size=(500, 380))
    with house():
        ax.axhline(ideal, color=GREY, **_DOTTED)
        for i, (name, found) in enumerate(losses.items()):
            each = np.asarray(found, dtype=float)
            shown = np.where(each <= most, each, np.nan)
            ax.plot(at, shown, marker=look_of("", i).marker, color=series(i), label=name)
        ax.set(xscale="log", yscale="log")
        ax.grid(True, axis="y")
    label(ax, r"$\eta$", "$f$")
    legend(ax)
    return picture(figure, f"final loss over rates: {listed(losses)}")
