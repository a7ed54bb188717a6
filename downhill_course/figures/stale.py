"""Figures of the chapter on many cores and stale gradients.

>>> from downhill_course.figures import stale
>>> stale.lost([1, 100], [[0.4, 0.0], [0.1, 0.2]])
<lost additions on 1 to 100 weights>
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from downhill_course.figures.rates import few_decades
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, listed, panels, series
from optlib.view.timelines import timeline

_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.6, 1.2)), (0, (6, 1.4, 1, 1.4)))


def bars_and_loss(
    bars: ArrayLike, runs: Mapping[str, ArrayLike], *, ideal: ArrayLike | None = None, until: float | None = None,
    limits: tuple[float, float] = (1e-3, 1e6), symbol: str = "f",
) -> Picture:  # fmt: skip
    """Two panels: a row of bars for each worker against seconds, and below it losses against seconds.

    A bar is one gradient. The number in it is the version of the parameters at which it was taken; the darker it is,
    the more versions old it was when it was applied. A thin line marks where all workers begin together.

    Parameters
    ----------
    bars : rows (worker from 0, begin, end, version, age), of shape (n, 5); only the drawing needs them in seconds
    runs : label -> rows (seconds, loss), of shape (m, 2); the panel ends with the longest
    ideal : such rows to be compared with, dotted
    until : the second at which the upper panel ends; left out, the last bar's
    limits : of the losses that are shown
    symbol : name of the loss

    Raises
    ------
    ValueError : bars, a run or the ideal have another number of columns.

    >>> bars = [[0, 0.0, 1.0, 0, 0], [1, 0.0, 1.5, 0, 1]]
    >>> bars_and_loss(bars, {"$p=2$": [[0.0, 9.0], [1.0, 3.0], [1.5, 1.0]]})
    <2 gradients of 2 workers, and losses: $p=2$>
    """
    rows = _table(bars, 5, "bars")
    end = float(rows[:, 2].max()) if until is None else float(until)
    workers = int(rows[:, 0].max()) + 1
    figure, (above, below) = panels((2, 1), size=(500, 380 + 28 * workers), height_ratios=[28 * workers + 40, 300])
    shown = rows[rows[:, 1] < end]
    timeline(rows, until=end, ax=above)
    with house():
        for i, (name, run) in enumerate(runs.items()):
            seconds, loss = _table(run, 2, name).T
            drawn = np.where(np.isfinite(loss) & (loss < 1e6 * limits[1]), loss, np.nan)
            below.plot(seconds, drawn, color=series(i), linestyle=_DASHES[i % 4], label=name, zorder=4)
        if ideal is not None:
            below.plot(*_table(ideal, 2, "ideal").T, color=GREY, linestyle=(0, (1, 1.6)), linewidth=1.8, zorder=3)
        below.set(yscale="log", ylim=limits, xlim=(0, max(float(_table(run, 2, k)[-1, 0]) for k, run in runs.items())))
        below.grid(True, axis="y")
        few_decades(below)
    label(below, "s", f"${symbol}$")
    legend(below)
    return picture(figure, f"{len(shown)} gradients of {workers} workers, and losses: {listed(runs)}")


def _table(rows: ArrayLike, columns: int, name: str) -> NDArray:
    table = np.asarray(rows, dtype=float)
    if table.ndim != 2 or table.shape[1] != columns or not len(table):
        raise ValueError(f"{name!r} has shape {table.shape}: it wants rows of {columns} numbers")
    return table


def mean_walks(walks: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Picture:
    """Mean walks (lines), each beside the walk that was predicted for it (dots).

    Parameters
    ----------
    walks : label -> the mean walk and the predicted one, both of shape (updates + 1,)

    >>> mean_walks({"$p=2$": ([1.0, 0.5], [1.0, 0.4])})
    <mean and predicted walks: $p=2$>
    """
    figure, ax = panels(size=(480, 320))
    with house():
        for i, (name, (mean, predicted)) in enumerate(walks.items()):
            ax.plot(np.asarray(mean), color=series(i), label=name)
            points = np.asarray(predicted)
            ax.plot(range(0, len(points), 3), points[::3], ".", color=series(i), markersize=7)
        ax.axhline(0, color=GREY, linewidth=0.8)
        ax.margins(x=0.02)
    label(ax, "$t$", "$x$")
    legend(ax)
    return picture(figure, f"mean and predicted walks: {listed(walks)}")


def lost(weights: ArrayLike, shares: ArrayLike) -> Picture:
    """Share of additions that were lost against the number of weights: a dot for each try, a line through the most.

    Parameters
    ----------
    weights : numbers of weights, of shape (n,). shares : of shape (n, tries)

    >>> lost([1, 100], [[0.4, 0.0], [0.1, 0.2]])
    <lost additions on 1 to 100 weights>
    """
    x, tries = np.asarray(weights), np.asarray(shares, dtype=float)
    figure, ax = panels(size=(480, 342))
    with house():
        ax.plot(np.repeat(x, tries.shape[1]), tries.ravel(), "o", color=series(0), alpha=0.5, markersize=6)
        ax.plot(x, tries.max(axis=1), color=series(0), linewidth=1.2)
        ax.set_xscale("log")
        ax.set_yscale("symlog", linthresh=1e-5)
        ax.set_ylim(-3e-6, 1)
        ax.grid(True, axis="y")
        ax.set_title("share lost", loc="left")
    label(ax, "$n$", "")
    return picture(figure, f"lost additions on {x.min()} to {x.max()} weights")


def ages(shares: Mapping[str, ArrayLike], *, mean: float, law: ArrayLike) -> Picture:
    """Histograms of ages, one panel below the other; a dashed line at the mean, dots for a law in the last one.

    Parameters
    ----------
    shares : name -> share of the gradients of age 0, 1, ...
    law : predicted shares of age 0, 1, ... for the last panel

    >>> ages({"$a$": [0.2, 0.8], "$b$": [0.5, 0.5]}, mean=1, law=[0.5, 0.25])
    <shares of ages: $a$, $b$>
    """
    figure, axes = panels((len(shares), 1), size=(480, 60 + 130 * len(shares)), sharex=True)
    with house():
        for i, (ax, (name, share)) in enumerate(zip(axes, shares.items(), strict=True)):
            heights = np.asarray(share)
            ax.bar(range(len(heights)), heights, width=0.9, color=series(i), alpha=0.6, linewidth=0)
            ax.axvline(mean, color=GREY, linestyle="--", linewidth=1)
            ax.set_title(name, loc="left", fontsize=11)
        axes[-1].plot(np.asarray(law), "o", color=GREY, markersize=4)
    label(axes[-1], r"$\tau$", "")
    return picture(figure, f"shares of ages: {listed(shares)}")


def against(
    x: ArrayLike, lines: Mapping[str, ArrayLike], *, xlabel: str, ylabel: str, log_x: bool = False, top: float
) -> Picture:
    """Lines on a logarithmic axis, the least value of each ringed; what is above `top` is not drawn.

    Parameters
    ----------
    x : of shape (n,). lines : label -> values of shape (n,)

    >>> against([0.0, 1.0], {"$p=1$": [1.0, 0.1]}, xlabel="$x$", ylabel="$f$", top=10.0)
    <ringed least values: $p=1$>
    """
    figure, ax = panels(size=(480, 340))
    with house():
        _lines(ax, np.asarray(x), lines, top)
        if log_x:
            ax.set_xscale("log")
    label(ax, xlabel, ylabel)
    legend(ax)
    return picture(figure, f"ringed least values: {listed(lines)}")


def regrets(rates: ArrayLike, found: Mapping[str, Mapping[str, ArrayLike]], *, top: float) -> Picture:
    r"""Regret against the rate :math:`\alpha`, a panel for each delay, the least value of each line ringed.

    Parameters
    ----------
    rates : of shape (n,). found : title of a panel -> label -> regrets of shape (n,)

    >>> regrets([0.1, 1.0], {"$a$": {"AsyncAdaGrad": [9.0, 5.0]}, "$b$": {"AsyncAdaGrad": [9.0, 7.0]}}, top=100.0)
    <regret against the rate: $a$, $b$>
    """
    figure, axes = panels((len(found), 1), size=(480, 60 + 150 * len(found)), sharex=True, sharey=True)
    with house():
        for ax, (title, lines) in zip(axes, found.items(), strict=True):
            _lines(ax, np.asarray(rates), lines, top)
            ax.set_xscale("log")
            ax.set_title(title, loc="left", fontsize=11)
            label(ax, "", "$R$")
    label(axes[-1], r"$\alpha$", "$R$")
    legend(figure)
    return picture(figure, f"regret against the rate: {listed(found)}")


def _lines(ax: Axes, x: ArrayLike, lines: Mapping[str, ArrayLike], top: float) -> None:
    for i, (name, values) in enumerate(lines.items()):
        y = np.asarray(values, dtype=float)
        ax.plot(
            x, np.where(y < top, y, np.nan), color=series(i), linestyle=_DASHES[i % 4], marker="os^D"[i % 4], label=name
        )
        best = int(np.nanargmin(y))
        ax.plot(np.asarray(x)[best], y[best], "o", color=series(i), markersize=12, markerfacecolor="none", mew=1.6)
    ax.set_yscale("log")
    ax.grid(True, axis="y")
