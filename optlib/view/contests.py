"""The curves of a contest."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compare import Contest
from .curves import draw_spread
from .pictures import Picture
from .style import GREY, figure_of, house, label, legend, look_of, panels


def contest(
    result: Contest, *, log: bool = True, ax: Any = None, ylabel: str = "$f$",
    spread: tuple[float, float] = (0.1, 0.9), flips: bool = False,
) -> Picture:  # fmt: skip
    """Metric against gradient evaluations: median and spread of the repeats, one panel a problem.

    Runs that failed count as infinite: a band that is open above has lost runs, and a line ends where half have failed.

    Parameters
    ----------
    result : what `optlib.compare.contest` returned
    log : logarithmic height; values that are not positive are then left out
    ax : axes to draw into, as many as there are problems; by default a new figure
    ylabel : label of the height
    spread : the two quantiles between which the band lies, in [0, 1]
    flips : whether to mark on the lower edge where the ranking changes on the way (`Contest.flips`)

    Raises
    ------
    ValueError : a number of axes that is not that of the problems.

    >>> from optlib import compare, rules, surfaces, view
    >>> grid = {"lr": [0.01, 0.1]}
    >>> problem = compare.surface(surfaces.bowl)
    >>> view.contest(compare.contest(problem, {"sgd": (rules.sgd, grid), "adam": (rules.adam, grid)}, budget=20))
    <contest on bowl: adam, sgd>
    """
    problems = result.problems
    if ax is None:  # one above the other, so that a phone shows them
        _, ax = panels((len(problems), 1), size=(480.0, 320.0 * len(problems)))
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(axes) != len(problems):
        raise ValueError(f"{len(axes)} axes were given for {len(problems)} problems: give one a problem")
    names = sorted({row.optimizer for row in result.rows})
    with house():
        for panel, problem in zip(axes, problems, strict=True):
            for i, name in enumerate(names):
                _draw(panel, result.evaluations, result.curves[problem, name], name, i, log, spread)
            if flips and (at := sorted({t for t, *_ in result.flips(problem)})):
                panel.plot(at, [0.0] * len(at), "|", color=GREY, transform=panel.get_xaxis_transform(), clip_on=False)
            if log:
                panel.set_yscale("log")
            panel.margins(x=0.01)
            panel.grid(True, axis="y")
            label(panel, "$t$", ylabel)
            if len(problems) > 1:
                panel.set_title(problem, color=GREY)
        legend(axes[0])
    return Picture(figure_of(axes[0]), f"contest on {', '.join(problems)}: {', '.join(names)}")


def _draw(ax: Any, times: NDArray, runs: NDArray, name: str, i: int, log: bool, spread: tuple[float, float]) -> None:
    # quantiles that are one of the runs: between a number and infinity there is nothing to interpolate
    middle = np.quantile(runs, 0.5, axis=0, method="inverted_cdf")
    if not len(spread) == 2 or not 0 <= spread[0] < spread[1] <= 1:
        raise ValueError(f"spread={spread!r}: it must be two quantiles in [0, 1], the lower one first")
    low, high = (np.quantile(runs, q, axis=0, method="inverted_cdf") for q in spread)
    good = np.isfinite(middle) & ((middle > 0) | (not log))
    if not good.any():
        return
    roof = np.where(np.isfinite(high), high, runs[np.isfinite(runs)].max())
    floor = np.where((low > 0) | (not log), low, middle)
    band = (floor[good], roof[good]) if len(runs) > 1 else None
    draw_spread(ax, times[good], middle[good], band, look_of(name, i), name)
