"""Figures of the chapter on batch, stochastic and mini-batch descent.

>>> from downhill_course.figures import variants
>>> variants.progress([1, 10, 100], {"$e=3$": [0.08, 0.47, 0.9]}, critical=[11.1])
<progress of one update: $e=3$>
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from optlib.surfaces import Surface
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, listed, look_of, panels, series


def measured(
    x: ArrayLike, points: Mapping[str, ArrayLike], lines: Mapping[str, ArrayLike], *, xlabel: str, ylabel: str,
    mark: float | None = None,
) -> Picture:  # fmt: skip
    """What was measured, as points, on what a formula predicts, as lines; both scales logarithmic.

    Parameters
    ----------
    x : positive numbers, of shape (n,)
    points, lines : label -> values of shape (n,); a line has the colour of the points at the same place
    mark : a place on the x axis to be marked by a vertical line
    """
    figure, ax = panels(size=(500, 340))
    _measured(ax, np.asarray(x, dtype=float), points, lines)
    if mark is not None:
        ax.axvline(mark, color=GREY, linewidth=1.0, linestyle=(0, (3, 3)), zorder=1)
    label(ax, xlabel, ylabel)
    legend(ax)
    return picture(figure, f"measured: {listed(points)}")


def _measured(ax: Axes, x: NDArray, points: Mapping[str, ArrayLike], lines: Mapping[str, ArrayLike]) -> None:
    def positive(values: ArrayLike) -> NDArray:
        array = np.asarray(values, dtype=float)
        return np.where(array > 1e-15 * np.nanmax(array), array, np.nan)  # rounding is drawn as the zero it stands for

    with house():
        for i, (name, values) in enumerate(points.items()):
            look = look_of(name, i)
            style: dict[str, Any] = {"markersize": 6.5, "markeredgewidth": 1.4, "markerfacecolor": "none"}
            ax.plot(x, positive(values), look.marker, color=look.colour, label=name, linestyle="none", **style)
        for i, (name, values) in enumerate(lines.items()):
            dashes = ["-", (0, (5, 2)), (0, (1, 1.5))][i % 3]
            ax.plot(x, positive(values), color=look_of(name, i).colour, linestyle=dashes, label=name, zorder=3)
        ax.set(xscale="log", yscale="log")
        ax.grid(True, axis="y")


def one_sample_losses(surface: Surface, b: float, at: float) -> Picture:
    """A function of one coordinate as the mean of two, f + b (x - at) and f - b (x - at), with their ways down."""
    figure, ax = panels(size=(500, 330))
    ((low, high),) = surface.domain
    x = np.linspace(low, high, 401)
    f = np.asarray(surface(x[:, None]))
    here = float(surface(np.array([at])))
    with house():
        ax.plot(x, f, color=GREY, linewidth=2.2, label="$f$", zorder=3)
        for i, sign in enumerate((1, -1)):
            name = f"$f {'+' if sign > 0 else '-'} b(x-x_0)$"
            ax.plot(x, f + sign * b * (x - at), color=series(i), linestyle=["-", (0, (5, 2))][i], label=name, zorder=2)
            arrow = {"arrowstyle": "-|>,head_length=0.6,head_width=0.3", "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", (at - sign * 1.3, here), (at, here), arrowprops={**arrow, "color": series(i)}, zorder=5)
        ax.plot(at, here, "o", color=GREY, markersize=8, zorder=6)
    ax.set(xlim=(low, high), ylim=(f.min() - 1.2, f.max() + 1.0))
    label(ax, "$x$", "$f$")
    legend(ax)
    return picture(figure, f"one-sample losses of {surface.name}")


def progress(sizes: ArrayLike, shares: Mapping[str, ArrayLike], critical: Sequence[float]) -> Picture:
    """The share of the squared error that one update removes, against the batch size: measured and by the law.

    The law is 1 / (1 + C/B), with the critical batch size C; a ring marks where it is one half.

    Parameters
    ----------
    sizes : batch sizes B, of shape (n,)
    shares : label -> measured shares, of shape (n,)
    critical : the critical batch size for each label, in the same order
    """
    if len(shares) != len(critical):
        raise ValueError(f"{len(shares)} curves have {len(critical)} critical sizes: give one for each")
    figure, ax = panels(size=(500, 330))
    B = np.asarray(sizes, dtype=float)
    fine = np.geomspace(B.min(), B.max(), 200)
    with house():
        ax.axhline(1.0, color=GREY, linestyle=(0, (1, 1.4)), linewidth=1.8)
        for i, ((name, share), size) in enumerate(zip(shares.items(), critical, strict=True)):
            ax.plot(fine, 1 / (1 + size / fine), color=series(i), zorder=2)
            ax.plot(B, np.asarray(share), "os^D"[i % 4], color=series(i), markersize=6, label=name, zorder=3)
            if B.min() <= size <= B.max():
                ring: dict[str, Any] = {"markersize": 13, "markerfacecolor": "none", "markeredgewidth": 1.8}
                ax.plot(size, 0.5, "o", color=series(i), zorder=4, **ring)
        ax.set(xscale="log", ylim=(0, 1.05))
        ax.grid(True, axis="y")
    label(ax, "$B$", "$s$")
    legend(ax)
    return picture(figure, f"progress of one update: {listed(shares)}")


def losses_by_batch(found: Mapping[str, Mapping[int, ArrayLike]]) -> Picture:
    """Losses against the batch size, one curve for each budget: the median of several runs, with their whole range.

    Parameters
    ----------
    found : label -> batch size -> losses of shape (runs,)
    """
    figure, ax = panels(size=(500, 340))
    with house():
        for i, (name, losses) in enumerate(found.items()):
            sizes = np.array(list(losses), dtype=float)
            runs = np.array([np.asarray(each, dtype=float) for each in losses.values()])
            middle = np.median(runs, axis=1)
            bars = np.abs(np.stack([runs.min(axis=1), runs.max(axis=1)]) - middle)
            style: dict[str, Any] = {"color": series(i), "marker": "os^D"[i % 4], "markersize": 6, "capsize": 4}
            dashes: Any = "-" if i == 0 else (0, (5, 2))
            ax.errorbar(sizes, middle, yerr=bars, label=name, linestyle=dashes, elinewidth=1.4, **style)
        ax.set(xscale="log", yscale="log")
        ax.set_xticks(sizes, [f"{int(size)}" for size in sizes])
        low, high = ax.get_ylim()
        ticks = [tick for k in range(-4, 4) for tick in (10.0**k, 2 * 10.0**k, 5 * 10.0**k) if low <= tick <= high]
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.grid(True, axis="y")
    label(ax, "$B$", "$J$")
    legend(ax)
    return picture(figure, f"losses by batch size: {listed(found)}")
