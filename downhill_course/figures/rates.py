"""Figures of the chapter on schedules; every one is given its data.

>>> from downhill_course.figures import rates
>>> rates.scaling({1: (400.0, 0.25), 2: (200.0, 0.5)})
<updates and rate against batch size>
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter
from numpy.typing import ArrayLike, NDArray

from optlib import tricks
from optlib.tricks import RangeTest
from optlib.view.curves import loss_curves
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, listed, panels, series


def rate_and_loss(
    runs: Mapping[str, tuple[ArrayLike, ArrayLike]], *, ideal: ArrayLike | None = None, every: int = 1,
    limits: tuple[float, float] | None = None, log: bool = True,
) -> Picture:  # fmt: skip
    """The rates of some runs above, their losses below, against the number of updates.

    Parameters
    ----------
    runs : name -> the rates of all updates, of shape (n,), and losses of shape (m,), the first before any update; a
        loss that is NaN is left out
    ideal : losses to compare with, in the steps of `every`, dotted
    every : updates from one loss to the next, 1 or more
    limits : of the losses that are shown
    log : whether the axis of losses is logarithmic

    Raises
    ------
    ValueError : rates or losses that are no line, or more losses than updates, with the run's name.

    >>> rate_and_loss({"a": ([0.2, 0.1], [4.0, 2.0, 1.0])}, ideal=[4.0, 1.0, 0.5])
    <rate and loss: a>
    """
    if every < 1:
        raise ValueError(f"every={every!r}: a loss is measured each update, or each so many")
    figure, (above, below) = panels((2, 1), size=(500, 520), sharex=True, height_ratios=[1, 2])
    with house():
        for i, (name, (given, found)) in enumerate(runs.items()):
            rates, losses = np.asarray(given, dtype=float), np.asarray(found, dtype=float)
            if rates.ndim != 1 or losses.ndim != 1 or (len(losses) - 1) * every > len(rates):
                raise ValueError(
                    f"run {name!r} has rates of shape {rates.shape} and losses of shape {losses.shape}, one each "
                    f"{every} updates: both must be lines, the losses no longer than the run"
                )
            style: dict[str, Any] = {"color": series(i), "zorder": 4}
            above.plot(np.arange(len(rates)), rates, linewidth=1.8, **style)
            below.plot(every * np.arange(len(losses)), losses, linewidth=1.6, label=name, **style)
        if ideal is not None:
            gaps = np.asarray(ideal, dtype=float)
            below.plot(every * np.arange(len(gaps)), gaps, color=GREY, linestyle=(0, (1, 1.4)), linewidth=1.8, zorder=6)
        above.set_ylim(bottom=0)
        above.margins(x=0.01)
        if log:
            below.set_yscale("log")
        if limits is not None:
            below.set_ylim(limits)
        few_decades(below)
        below.grid(True, axis="y")
    label(above, "", r"$\eta$")
    label(below, "$t$", "$f$")
    legend(figure)
    return picture(figure, f"rate and loss: {listed(runs)}")


def few_decades(ax: Any) -> None:
    """Where an upright logarithmic axis has less than two decades, powers of ten alone would be too few, and every
    multiple of them too many: it counts 1, 2, 5."""
    low, high = ax.get_ylim()
    if ax.get_yscale() == "log" and high < 100 * low:
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_locator(NullLocator())


def gallery(shown: Mapping[str, Callable[[float], float]], steps: int) -> Picture:
    """Schedules, each in a panel of its own, from 0 to 1; three in a row.

    >>> gallery({"half": lambda t: 0.5, "whole": lambda t: 1.0}, steps=10)
    <schedules: half, whole>
    """
    rows = -(-len(shown) // 3)
    figure, axes = panels((rows, 3), size=(640, 10 + 130 * rows), sharex=True, sharey=True)
    flat = np.ravel(axes)
    with house():
        for axis, (name, schedule) in zip(flat, shown.items(), strict=False):
            axis.plot(range(steps), [schedule(t) for t in range(steps)], color=series(0))
            axis.set_title(name, fontsize=10)
            axis.set_ylim(0, 1.08)
            axis.set_xticks([])
            axis.set_yticks([0, 1], ["0", r"$\eta$"])
        for axis in flat[len(shown) :]:
            axis.set_axis_off()
        for axis in flat[-3:]:
            axis.set_xlabel("$t$")
    return picture(figure, f"schedules: {listed(shown)}")


def over_rates(rates: ArrayLike, ends: Mapping[str, ArrayLike]) -> Picture:
    """Losses against the rate: medians as a line, the middle half of the seeds as a band.

    Parameters
    ----------
    rates : of shape (k,)
    ends : name -> losses of shape (k, seeds)

    Raises
    ------
    ValueError : losses that do not fit the rates, with their name.

    >>> over_rates([0.1, 0.2], {"a": [[1.0, 2.0], [3.0, 4.0]]})
    <loss over rates: a>
    """
    at = np.asarray(rates, dtype=float)
    figure, ax = panels(size=(500, 360))
    with house():
        for i, (name, losses) in enumerate(ends.items()):
            found = np.asarray(losses, dtype=float)
            if found.ndim != 2 or len(found) != len(at):
                raise ValueError(f"{name!r}: losses of shape {found.shape} for {len(at)} rates; (rates, seeds) fits")
            low, middle, high = np.quantile(found, (0.25, 0.5, 0.75), axis=1)
            ax.fill_between(at, low, high, color=series(i), alpha=0.2, linewidth=0)
            ax.plot(at, middle, "o-", color=series(i), markersize=4, label=name)
        ax.set(xscale="log", yscale="log")
        few_decades(ax)
        ax.grid(True, axis="y")
    label(ax, r"$\eta$", "$f$")
    legend(ax)
    return picture(figure, f"loss over rates: {listed(ends)}")


def scaling(found: Mapping[int, tuple[float, float]]) -> Picture:
    """Updates needed and the best rate against the batch size, with the lines of perfect scaling from the smallest."""
    figure, (above, below) = panels((2, 1), size=(520, 460), sharex=True)
    sizes = np.array(list(found), dtype=float)
    steps, best = np.array(list(found.values()), dtype=float).T
    with house():
        above.plot(sizes, steps[0] * sizes[0] / sizes, color=GREY, ls="--", lw=1, label=r"$\propto 1/B$")
        above.plot(sizes, steps, "o-", color=series(0), label="$S(B)$")
        below.plot(sizes, best[0] * sizes / sizes[0], color=GREY, ls="--", lw=1, label=r"$\propto B$")
        below.plot(sizes, best, "o-", color=series(1), label=r"$\eta(B)$")
        below.set_ylim(best.min() / 2, best.max() * 4)
        for axis, name in ((above, "$S$"), (below, r"$\eta$")):
            axis.set_xscale("log")
            axis.set_yscale("log")
            few_decades(axis)
            label(axis, "$B$" if axis is below else "", name)
            legend(axis)
    return picture(figure, "updates and rate against batch size")


def ranged(test: RangeTest) -> Picture:
    """The loss of a range test against the rate, with the suggested bounds."""
    figure, ax = panels(size=(520, 340))
    with house():
        ax.plot(test.rates, test.losses, color=series(0))
        for bound in (test.low, test.high):
            ax.axvline(bound, color=GREY, ls="--", lw=1)
        ax.set_xscale("log")
        ax.set_ylim(0, 1.5 * float(test.losses[0]))
        label(ax, r"$\eta$", "$f$")
    return picture(figure, "range test")


def stacked(losses: ArrayLike, rates: ArrayLike) -> Picture:
    """Losses above, the rates that led to them below.

    >>> stacked([2.0, 1.0], [0.1, 0.05])
    <loss and rate>
    """
    found = np.asarray(losses, dtype=float)
    figure, (above, below) = panels((2, 1), size=(520, 420), sharex=True, height_ratios=[2, 1])
    with house():
        loss_curves({"$f$": found}, ax=above, key=False, x=np.arange(len(found)))
        above.set_xlabel("")
        below.step(np.arange(len(np.asarray(rates))), np.asarray(rates), where="post", color=series(1))
        below.set_yscale("log")
        few_decades(below)
        label(below, "$t$", r"$\eta$")
    return picture(figure, "loss and rate")


def between(points: Sequence[NDArray], loss: Callable[[NDArray], float], names: str = "123", n: int = 25) -> Picture:
    """The loss in the plane through three points, with them and their mean, marked by a cross."""
    frame = tricks.through(*points)
    corners = frame.corners
    middle = corners.mean(axis=0)
    size = 0.75 * float(np.ptp(corners, axis=0).max())
    low, high = middle - size, middle + size
    plane = tricks.plane(loss, frame.origin, frame.d1, frame.d2, ((low[0], high[0]), (low[1], high[1])), n=n)
    figure, ax = panels(size=(480, 420))
    with house():
        heights = np.geomspace(plane.loss.min() * 1.02, np.quantile(plane.loss, 0.9), 12)
        ax.contour(plane.a, plane.b, plane.loss, levels=np.unique(heights), colors=GREY, linewidths=0.8, alpha=0.7)
        for name, corner in zip(names, corners, strict=True):
            ax.plot(*corner, "o", color=series(0), ms=8)
            ax.annotate(f"${name}$", corner, (8, 6), textcoords="offset points", color=GREY, fontsize=12)
        ax.plot(*middle, "X", color=series(1), ms=11)
        ax.set_aspect("equal")
        label(ax, "$a$", "$b$")
    return picture(figure, "plane through three solutions")
