"""Who computed what, when, and with which version of the parameters."""

from typing import TYPE_CHECKING, Union

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from .._inputs import number, numbers
from .pictures import Picture
from .style import CSS_PIXELS, GREY, INK, figure_of, house, label, least, panels, tile

if TYPE_CHECKING:
    from ..parallel.result import Result

#: How much colour a fresh gradient has, what an age adds to it, and from which age on it adds no more.
SHADES = 0.12, 0.14, 6


def timeline(run: Union["Result", ArrayLike], *, until: float | None = None, ax: Axes | None = None) -> Picture:
    """A row for each worker, a bar for each gradient, and in it the version of the parameters at which it was taken.

    The more colour a bar has, the more versions old the gradient was when it was applied; one that was not applied by
    itself has none. A thin line marks where all workers begin together, with one version. `optlib.widget.Timeline` is
    the same, live.

    Parameters
    ----------
    run : of `optlib.parallel.train` on a simulated or a real cluster; or rows (worker from 0, begin, end, version, age)
        of shape (n, 5), as `Result.bars` has them
    until : the time at which the picture ends; left out, the whole run
    ax : axes to draw into; by default a new figure

    Raises
    ------
    ValueError : the run has no times, since it was made in order in one process; rows that are no gradients.

    >>> from optlib import Optimizer, rules
    >>> from optlib.parallel import SyncSGD, simulate
    >>> timeline(simulate(SyncSGD(Optimizer(rules.sgd, lr=0.1)), workers=3, steps=4))
    <12 gradients of 3 workers>
    """
    rows = rows_of(run, "run")
    workers = int(rows[:, 0].max()) + 1
    end = float(rows[:, 2].max()) if until is None else number(until, "until", open_low=True)
    shown = rows[rows[:, 1] < end]
    if ax is None:
        _, ax = panels(size=(640, 70 + 30 * workers))
    palest, shade, oldest = SHADES
    figure = figure_of(ax)
    room = 1.06 * ax.get_position().width * figure.get_figwidth() * CSS_PIXELS  # once it is laid out
    digit = 0.64 * max(9.0, least(figure)) * CSS_PIXELS / 72  # in pixels, as `pictures` will raise it
    with house():
        for worker, begin, stop, version, age in shown:
            share = 0.0 if np.isnan(age) else palest + shade * min(age, oldest)
            fill, wide = tile(1, share), stop - begin
            ax.barh(worker, wide, left=begin, height=0.74, color=fill, edgecolor=GREY, linewidth=0.8)
            seen, told = min(stop, end) - begin, f"{version:g}"
            if seen > (4 + digit * len(told)) / room * end:
                ax.text(begin + seen / 2, worker, told, color=INK, fontsize=9, ha="center", va="center")
        for start in np.unique(shown[:, 1]):
            versions = shown[shown[:, 1] == start, 3]
            if start > 0 and len(versions) == workers and len({*versions}) == 1:
                ax.axvline(start, color=GREY, linewidth=1.2)
        ax.set(xlim=(0, end), ylim=(workers - 0.45, -0.55))
        ax.set_yticks(range(workers), [str(w + 1) for w in range(workers)])
        ax.grid(False)
        label(ax, "s", "")
    return Picture(figure, f"{len(shown)} gradients of {len(np.unique(shown[:, 0]))} workers")


def rows_of(run: Union["Result", ArrayLike], name: str) -> NDArray:
    """The rows (worker, begin, end, version, age) of a run or a table, checked; shape (n, 5)."""
    rows = numbers(getattr(run, "bars", run), name)
    if rows.ndim != 2 or rows.shape[1] != 5 or not len(rows):
        raise ValueError(
            f"{name} has shape {rows.shape}: give what optlib.parallel.train or simulate returned, or one row or more "
            "of (worker, begin, end, version, age)"
        )
    worker, begin, end, version, age = rows.T
    sound = [np.isfinite(rows[:, :4]).all(axis=1), end >= begin, begin >= 0, np.isnan(age) | (age >= 0)]
    sound += [each >= 0 for each in (worker, version)]
    sound += [(each % 1 == 0) | np.isnan(each) for each in (worker, version, age)]
    wrong = np.flatnonzero(~np.all(sound, axis=0))
    if wrong.size:
        raise ValueError(
            f"{name} has in row {wrong[0]} {rows[wrong[0]].tolist()}: it must be worker (0, 1, ...), begin, end (not "
            "earlier), version (0, 1, ...), and age (0, 1, ..., or NaN)"
        )
    return rows
