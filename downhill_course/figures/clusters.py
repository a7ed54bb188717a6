"""Drawings of the chapter on clusters, which take data and hold no experiment.

>>> import numpy as np
>>> from downhill_course.figures import clusters
>>> clusters.ring(np.ones((3, 2, 2)))
<2 machines, 3 states>
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import ArrayLike, NDArray

from optlib import surfaces
from optlib.parallel import Result
from optlib.view.contours import ground
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, INK, house, label, legend, listed, look_of, panels, series, tile
from optlib.view.timelines import timeline


def schools(X: ArrayLike, *deals: Sequence[NDArray]) -> Picture:
    """Six digits of every school's share, a block of rows for each way to deal them out.

    Parameters
    ----------
    X : images of 64 pixels, of shape (n, 64)
    deals : for each way the schools' shares: arrays of rows of X, at least six in each

    >>> import numpy as np
    >>> schools(np.zeros((24, 64)), np.array_split(np.arange(24), 4))
    <digits of 4 schools, 1 deal>
    """
    pixels = np.asarray(X, dtype=float).reshape(-1, 8, 8)
    many = len(deals[0])
    figure, axes = panels((len(deals), many), size=(600, 118 * len(deals)), squeeze=False)
    with house():
        for row, shares in zip(axes, deals, strict=True):
            for w, (ax, share) in enumerate(zip(row, shares, strict=True)):
                shown = share[np.linspace(0, len(share) - 1, 6).astype(int)]
                sheet = np.block([[np.pad(pixels[i], 1) for i in pair] for pair in shown.reshape(3, 2)])
                ax.imshow(_ink(sheet), interpolation="nearest")
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set(visible=True, linewidth=0.6)
                if row is axes[0]:
                    ax.set_title(str(w + 1), fontsize=11)
    deal = "1 deal" if len(deals) == 1 else f"{len(deals)} deals"
    return picture(figure, f"digits of {many} schools, {deal}")


def _ink(sheet: NDArray) -> NDArray:
    """Grey strokes on a transparent ground, which are read on white and in the dark."""
    image = np.empty((*sheet.shape, 4))
    image[..., :3] = [int(GREY[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    image[..., 3] = sheet / max(sheet.max(), 1e-9)
    return image


def seconds_and_numbers(
    runs: Mapping[str, ArrayLike], *, ideal: ArrayLike | None = None, limits: tuple[float, float] = (0.1, 3.0),
    seconds: float | None = None, numbers: float | None = None,
) -> Picture:  # fmt: skip
    """Losses against seconds (above) and, for the same runs, against thousands of numbers sent (below).

    Parameters
    ----------
    runs : label -> an array of shape (points, 3), whose rows are seconds, numbers sent, loss
    ideal : a run of the same form to compare with: dotted above; below, where it has its own price, its last loss is a
        dotted line
    limits : of the losses that are shown, on a logarithmic scale
    seconds, numbers : where the axes end; by default with the longest run

    Raises
    ------
    ValueError : a run of another shape, with its label; no run.

    >>> seconds_and_numbers({"a": [(0, 0, 2.0), (5, 100, 1.0)], "b": [(0, 0, 2.0), (8, 50, 0.8)]})
    <seconds and numbers: a, b>
    """
    if not runs:
        raise ValueError("runs must hold at least one run, of shape (points, 3)")
    named = {name: _run(name, run) for name, run in runs.items()}
    figure, (above, below) = panels((2, 1), size=(500, 560), sharey=True)
    with house():
        for i, (name, run) in enumerate(named.items()):
            look = look_of(name, i)
            style = {"color": look.colour, "marker": look.marker, "markersize": 3.5, "label": name}
            above.plot(run[:, 0], run[:, 2], zorder=4, **style)
            below.plot(run[:, 1] / 1000, run[:, 2], zorder=4, **style)
        if ideal is not None:
            best = _run("ideal", ideal)
            dots = {"color": GREY, "linestyle": (0, (1, 1.4)), "linewidth": 1.8, "zorder": 2}
            above.plot(best[:, 0], best[:, 2], **dots)
            below.axhline(best[-1, 2], **dots)
        above.set(xlim=(0, seconds or max(run[-1, 0] for run in named.values())))
        below.set(xlim=(0, (numbers or max(run[-1, 1] for run in named.values())) / 1000))
        for ax in (above, below):
            ax.set(yscale="log", ylim=limits)
            ticks = [tick for tick in (0.1, 0.2, 0.5, 1.0, 2.0) if limits[0] <= tick <= limits[1]]
            ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.set_yticks([], minor=True)
            ax.grid(True, axis="y")
    label(above, "s", "$f$")
    label(below, "1000 numbers", "$f$")
    legend(figure)
    return picture(figure, f"seconds and numbers: {listed(named)}")


def _run(name: str, run: ArrayLike) -> NDArray:
    array = np.asarray(run, dtype=float)
    if array.ndim != 2 or array.shape[1] != 3 or not len(array):
        raise ValueError(f"run {name!r} has shape {array.shape}, but its rows must be seconds, numbers sent, loss")
    return array


def ring(states: ArrayLike) -> Picture:
    """How complete each piece is at each machine of a ring, at the start and after each round.

    Parameters
    ----------
    states : of shape (rounds + 1, p, p): how many machines' numbers are in a piece; a row for each machine

    Raises
    ------
    ValueError : states of another shape.
    """
    counts = np.asarray(states, dtype=float)
    if counts.ndim != 3 or counts.shape[1] != counts.shape[2]:
        raise ValueError(f"states have shape {counts.shape}, not (rounds + 1, p, p)")
    rounds, p = len(counts), counts.shape[1]
    columns = -(-rounds // 2) if rounds > 4 else rounds
    figure, axes = panels((-(-rounds // columns), columns), size=(500, 290), squeeze=False)
    with house():
        for r, ax in enumerate(axes.flat):
            ax.set_axis_off()
            if r >= rounds:
                continue
            ax.set(xlim=(-0.55, p - 0.45), ylim=(p - 0.45, -0.55), aspect="equal")
            ax.set_title(f"{r}", fontsize=11)
            for w, k in np.ndindex(p, p):
                full = counts[r, w, k] == p
                ax.add_patch(FancyBboxPatch(
                    (k - 0.38, w - 0.38), 0.76, 0.76, boxstyle="round,pad=0.04", lw=0,
                    fc=tile(1 if full else 0, 0.9 if full else 0.8 * counts[r, w, k] / p),
                ))  # fmt: skip
                ax.text(k, w, f"{counts[r, w, k]:g}", ha="center", va="center", color=INK, fontsize=9.5)
    return picture(figure, f"{p} machines, {rounds} states")


# --- the parameter server -------------------------------------------------------------------------------


def anatomy(replicas: int, shards: int) -> Picture:
    r"""Shards of the server above, replicas below: each fetches the parameters of all and pushes to all."""
    figure, ax = panels(size=(600, 280))
    with house():
        ax.set_axis_off()
        ax.set(xlim=(-0.6, 11), ylim=(-0.4, 5.2))
        above = [_box(ax, 2 + 3 * i, 4.0, rf"$\theta_{{{i + 1}}}$", series(0)) for i in range(shards)]
        names = [rf"$X_{{{i + 1}}},\ \theta^{{{i + 1}}}$" for i in range(replicas)]
        below = [_box(ax, 1 + 2.8 * i, 0.6, name, series(1)) for i, name in enumerate(names)]
        for i, bottom in enumerate(below):
            for top in above:
                opacity = 0.9 if i == 0 else 0.35
                style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9, "lw": 0.9, "alpha": opacity}
                ends = (bottom[0], bottom[1] + 0.55), (top[0], top[1] - 0.55)
                ax.add_patch(FancyArrowPatch(*ends, color=series(1), connectionstyle="arc3,rad=0.08", **style))
                ax.add_patch(FancyArrowPatch(*ends[::-1], color=series(0), connectionstyle="arc3,rad=0.08", **style))
        ax.text(-0.5, 2.5, r"$\Delta$", color=series(1), fontsize=12)
        ax.text(0.1, 2.5, r"$\theta$", color=series(0), fontsize=12)
    return picture(figure, f"{replicas} replicas, {shards} shards")


def _box(ax: Any, x: float, y: float, text: str, colour: str) -> tuple[float, float]:
    outline = FancyBboxPatch((x - 0.8, y - 0.4), 1.6, 0.8, boxstyle="round,pad=0.1", fc="none", ec=colour, lw=1.4)
    ax.add_patch(outline)
    ax.text(x, y, text, ha="center", va="center", color=GREY, fontsize=12)
    return x, y


# --- elastic averaging ----------------------------------------------------------------------------------


def centres(walks: Mapping[str, ArrayLike]) -> Picture:
    """Where a centre stands after each round; logarithmic beyond the first height.

    Parameters
    ----------
    walks : label -> the centre at the start and after each round, of shape (rounds + 1,)

    >>> centres({"a": [1000.0, -2000.0, 5000.0]})
    <centre: a>
    """
    figure, ax = panels(size=(560, 320))
    with house():
        for i, (name, seen) in enumerate(walks.items()):
            ax.plot(seen, color=series(i), label=name)
        ax.axhline(0, color=GREY, lw=0.8)
        ax.set_yscale("symlog", linthresh=1000)
        ax.set_yticks([-1e6, -1e4, 0, 1e4, 1e6])
        ax.set_yticks([], minor=True)
        label(ax, "$t$", r"$\tilde{x}$")
        legend(ax)
    return picture(figure, f"centre: {', '.join(walks)}")


def elastic(ends: Mapping[float, tuple[NDArray, NDArray]]) -> Picture:
    """Where workers and centre (a cross) end on Himmelblau's function, for springs of several strengths.

    Parameters
    ----------
    ends : alpha -> the workers' places of shape (workers, 2), and the centre's of shape (2,)
    """
    figure, axes = panels((1, len(ends)), size=(660, 250), sharey=True, squeeze=False)
    with house():
        for axis, (alpha, (places, centre)) in zip(axes[0], ends.items(), strict=True):
            ground(surfaces.himmelblau, axis, np.array(surfaces.himmelblau.domain))
            for w, place in enumerate(places):
                axis.plot(*np.transpose([place, centre]), color=GREY, lw=1)
                axis.plot(*place, "o", color=series(w), ms=7)
            axis.plot(*centre, "X", color=GREY, ms=9)
            axis.set_title(rf"$\alpha={alpha:g}$", fontsize=11)
    return picture(figure, "workers and centre for weak and strong springs")


# --- a thousand workers ---------------------------------------------------------------------------------


def throughput(workers: Sequence[int], speeds: Mapping[int, Sequence[float]]) -> Picture:
    """Gradients a second against the workers, for some numbers of shards; dashed: no limit.

    Parameters
    ----------
    workers : of shape (n,)
    speeds : shards -> gradients a second, of shape (n,)

    >>> throughput((1, 4), {1: (1.0, 3.8)})
    <throughput with 1 shards>
    """
    figure, ax = panels(size=(560, 360))
    with house():
        ax.plot(workers, workers, color=GREY, ls="--", lw=1)
        for i, (count, seen) in enumerate(speeds.items()):
            ax.plot(workers, seen, "o-", color=series(i), ms=5, label=f"$s={count}$")
        ax.set_xscale("log", base=2)
        ax.set_yscale("log", base=2)
        label(ax, "$p$", "")
        legend(ax)
    return picture(figure, f"throughput with {', '.join(map(str, speeds))} shards")


def real_and_simulated(real: Result, simulated: Result) -> Picture:
    """Two time lines under each other, each from its first gradient on, for as long as the shorter one."""
    figure, axes = panels((2, 1), size=(640, 300), sharex=True)
    both = [_from_its_start(each) for each in (real, simulated)]
    until = min(max(span.end for span in each.spans) for each in both)
    for axis, each in zip(axes, both, strict=True):
        timeline(each, until=until, ax=axis)
    with house():
        axes[0].set_xlabel("")
    return picture(figure, "time lines: real, simulated")


def _from_its_start(result: Result) -> Result:
    """A real run begins with getting ready, which is no part of the comparison."""
    first = min(span.start for span in result.spans)
    return replace(result, spans=[s._replace(start=s.start - first, end=s.end - first) for s in result.spans])
