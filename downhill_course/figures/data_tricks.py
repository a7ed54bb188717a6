r"""Figures of the chapter on tricks with data and model. They take what the chapter has measured.

>>> from downhill_course.figures import data_tricks
>>> data_tricks.shrinking([0.0, 0.5], [[1.0, 2.0], [0.5, 1.0]], [[1.0, 2.0], [0.4, 1.1]])
<weights against the rate of dropout: 2 coordinates>
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, GROUND, house, label, legend, look_of, panels, series

_TOP = 1.2  # of every loss axis: the picture returns
_LIE, _RIGHT = series(1), GREY


def learning(
    train: ArrayLike, test: ArrayLike, *, ideal: float, before: ArrayLike | None = None, every: int = 10
) -> Picture:
    """The chapter's picture: training loss (dashed) and test loss (solid, with its range) against updates.

    Parameters
    ----------
    train, test : losses of each seed, of shape (seeds, looks)
    ideal : a loss to be dotted, such as the best with right labels
    before : the test losses of the run without the change, of shape (seeds, looks); their median is drawn pale
    every : updates from look to look

    Raises
    ------
    ValueError : losses that do not fit together.

    >>> learning([[2.0, 0.5]], [[2.0, 0.8]], ideal=0.2)
    <training and test loss of 1 runs, 2 looks>
    """
    known, new = np.asarray(train, dtype=float), np.asarray(test, dtype=float)
    old = None if before is None else np.asarray(before, dtype=float)
    if known.ndim != 2 or known.shape != new.shape or (old is not None and old.shape[1:] != new.shape[1:]):
        raise ValueError(f"train and test have shapes {known.shape} and {new.shape}: they must be (seeds, looks)")
    figure, ax = panels(size=(500, 340))
    t, middle, hue = every * np.arange(new.shape[1]), np.median(new, axis=0), series(0 if old is None else 2)
    with house():
        ax.axhline(ideal, color=GROUND, linestyle=(0, (1, 1.6)), linewidth=1.6, zorder=2)
        ax.fill_between(t, new.min(axis=0), new.max(axis=0), color=hue, alpha=0.18, linewidth=0, zorder=1)
        if old is not None:
            ax.plot(t, np.median(old, axis=0), color=GREY, linewidth=1.4, alpha=0.8, zorder=3)
        ax.plot(t, np.median(known, axis=0), color=hue, linestyle=(0, (4, 2)), label="$J_{200}$", zorder=4)
        ax.plot(t, middle, color=hue, linewidth=2.2, label="$J_{400}$", zorder=5)
        ax.plot(t[middle.argmin()], middle.min(), "o", color=hue, markersize=7, markeredgecolor=GROUND, zorder=6)
        ax.set(xlim=(0, t[-1]), ylim=(0, _TOP))
        ax.grid(True, axis="y")
    label(ax, "$t$", "$J$")
    legend(ax)
    return picture(figure, f"training and test loss of {len(new)} runs, {len(t)} looks")


def filters(curvatures: ArrayLike, shares: ArrayLike, updates: ArrayLike, losses: ArrayLike) -> Picture:
    r"""Shares of the way that are gone along each direction, against its curvature; below, losses against updates.

    Parameters
    ----------
    curvatures : of shape (n,), above 0
    shares : of t steps and of the ridge, of shape (2, n)
    updates : of shape (m,). losses : of both, of shape (2, m)

    >>> filters([0.1, 1.0], [[0.1, 0.9], [0.1, 0.5]], [1, 10], [[2.0, 1.0], [2.0, 1.1]])
    <shares of 2 directions, losses at 2 updates>
    """
    figure, (above, below) = panels((2, 1), size=(500, 480))
    names = (r"$1-(1-\eta\lambda)^t$", r"$\lambda\,/\,(\lambda+\alpha)$")
    with house():
        for ax, x, lines in ((above, curvatures, shares), (below, updates, losses)):
            for i, height in enumerate(np.asarray(lines, dtype=float)):
                style: Any = (0, (4, 2)) if i else "-"
                ax.plot(x, height, color=series(i), linestyle=style, label=names[i])
                if ax is below:
                    ax.plot(np.asarray(x)[height.argmin()], height.min(), "o", color=series(i), markersize=6)
            ax.set_xscale("log")
            ax.grid(True, axis="y")
        above.set_ylim(-0.03, 1.06)
    label(above, r"$\lambda$", r"$w\,/\,w^\star$")
    label(below, "$t$", "$J$")
    legend(figure)
    return picture(figure, f"shares of {np.size(curvatures)} directions, losses at {np.size(updates)} updates")


def suspects(losses: ArrayLike, lies: ArrayLike, *, first: int = 50) -> Picture:
    """The loss of every example, largest first: examples with a wrong label are full dots.

    Parameters
    ----------
    losses : of shape (n,), above 0. lies : whether the label is wrong, of shape (n,)
    first : how many of the largest stand left of the line

    >>> suspects([0.1, 3.0, 0.2], [False, True, False], first=1)
    <losses of 3 examples, 1 of them wrong>
    """
    order = np.argsort(-np.asarray(losses, dtype=float))
    height, wrong = np.asarray(losses, dtype=float)[order], np.asarray(lies, dtype=bool)[order]
    rank = np.arange(1, len(height) + 1)
    figure, ax = panels(size=(500, 320))
    with house():
        ring: dict[str, Any] = {"markerfacecolor": "none", "markersize": 5, "markeredgewidth": 1.2, "linestyle": "none"}
        ax.plot(rank[~wrong], height[~wrong], "o", color=_RIGHT, **ring)
        ax.plot(rank[wrong], height[wrong], "o", color=_LIE, markersize=7, linestyle="none", zorder=4)
        ax.axvline(first + 0.5, color=GREY, linewidth=1.0, linestyle=(0, (3, 3)))
        ax.set(yscale="log", xlim=(0, len(height) + 1))
        ax.grid(True, axis="y")
    label(ax, "$i$", "$J_i$")
    return picture(figure, f"losses of {len(height)} examples, {wrong.sum()} of them wrong")


def shrinking(rates: ArrayLike, weights: ArrayLike, predicted: ArrayLike) -> Picture:
    """Weights that were found with dropout, as points, on those that a formula predicts, as lines.

    Parameters
    ----------
    rates : of dropout, of shape (n,)
    weights, predicted : of shape (n, d)
    """
    p, dots, lines = (np.asarray(values, dtype=float) for values in (rates, weights, predicted))
    if dots.shape != lines.shape or dots.shape[:1] != p.shape:
        raise ValueError(f"rates, weights and predictions have shapes {p.shape}, {dots.shape} and {lines.shape}")
    figure, ax = panels(size=(500, 340))
    ring: dict[str, Any] = {"markersize": 7, "markerfacecolor": "none", "markeredgewidth": 1.4, "zorder": 4}
    with house():
        ax.axhline(0, color=GREY, linewidth=1.0)
        for i in range(dots.shape[1]):
            look = look_of("", i)
            ax.plot(p, lines[:, i], color=series(i), linestyle=look.line, label=f"$w_{i + 1}$", zorder=3)
            ax.plot(p, dots[:, i], look.marker, color=series(i), **ring)
        ax.grid(True, axis="y")
    label(ax, "$p$", "$w$")
    legend(ax)
    return picture(figure, f"weights against the rate of dropout: {dots.shape[1]} coordinates")
