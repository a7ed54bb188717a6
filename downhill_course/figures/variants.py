"""Figures of the chapter on batch, stochastic and mini-batch descent.

>>> from downhill_course.figures import variants
>>> variants.progress([1, 10, 100], {"$e=3$": [0.08, 0.47, 0.9]}, critical=[11.1])
<progress of one update: $e=3$>
"""

from collections.abc import Callable, Mapping, Sequence
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


# --- one number, learnt from noisy examples by many learners --------------------------------------


_DOTS = 250  # examples that are shown, evenly spread over the axis


def promise_and_error(
    walks: Mapping[str, Any], *, truth: float | Callable[[float], float] = 30.0, spread: float = 10.0,
    seen: ArrayLike | None = None, log: bool = True,
) -> Picture:  # fmt: skip
    r"""What one learner promises (above) and the typical error of all of them (below), against the examples read.

    The typical error is the root of the mean square. Dotted: above the truth, below :math:`\sigma/\sqrt{n}`, the
    error of the mean of the n examples read since the truth last changed.

    Parameters
    ----------
    walks : label -> promises of shape (updates + 1, learners); or a pair of them and B, the examples read for each
        update, 1 by default
    truth : what is to be learnt: a number, or a function of the examples read
    spread : sigma, the standard deviation of one example
    seen : examples in the order in which the first learner reads them, of shape (n,): grey dots
    log : whether the axis of examples is logarithmic

    Raises
    ------
    ValueError : promises that are not of two axes, or a B below 1, with the label.

    >>> import numpy as np
    >>> promise_and_error({"a": np.full((5, 3), 31.0), "b": (np.full((3, 3), 29.0), 2)})
    <promises and errors: a, b>
    """
    figure, (above, below) = panels((2, 1), size=(500, 520), sharex=True)
    last = 1
    with house():
        for i, (name, walk) in enumerate(walks.items()):
            path, read = _path(name, walk)
            target = _truth(truth, read)
            last = max(last, int(read[-1]))
            style: dict[str, Any] = {"where": "post", "color": series(i), "zorder": 3}
            at = np.maximum(read, 0.8) if log else read
            above.step(at, path[:, 0], linewidth=1.1, alpha=0.85, **style)
            below.step(at, np.sqrt(((path - target[:, None]) ** 2).mean(axis=1)), linewidth=2.0, label=name, **style)
        _ideals(above, below, truth, spread, last, log)
        if seen is not None:
            dots = np.asarray(seen, dtype=float)[:last]
            n = np.unique(np.geomspace(1, len(dots), _DOTS).astype(int)) if log else np.arange(1, len(dots) + 1)[::20]
            above.plot(n, dots[n - 1], ".", color=GREY, markersize=3.5, alpha=0.5, zorder=1)
        below.set(yscale="log", xlim=(0.8 if log else 0, last))
        if log:
            below.set_xscale("log")
        below.grid(True, axis="y")
    label(above, "", r"$\theta$")
    label(below, "$n$", "$e$")
    legend(figure)
    return picture(figure, f"promises and errors: {listed(walks)}")


def _path(name: str, walk: Any) -> tuple[NDArray, NDArray]:
    """The promises of a walk and how many examples had been read for each."""
    path, size = walk if isinstance(walk, tuple) else (walk, 1)
    path = np.asarray(path, dtype=float)
    if path.ndim != 2 or not path.size or size < 1:
        raise ValueError(
            f"walk {name!r} has shape {path.shape} and B = {size!r}: it must be (updates + 1, learners), B at least 1"
        )
    return path, np.arange(len(path)) * size


def _truth(truth: float | Callable[[float], float], read: NDArray) -> NDArray:
    return np.array([truth(n) if callable(truth) else truth for n in read], dtype=float)


def _ideals(above: Any, below: Any, truth: Any, spread: float, last: int, log: bool) -> None:
    n = np.unique(np.geomspace(1, last, 400).astype(int)) if log else np.arange(1, last + 1)
    target = _truth(truth, n - 1)
    changed = np.flatnonzero(np.diff(target)) + 1  # where another number is to be learnt
    since = n - n[0] + 1
    for k in changed:
        since[k:] = n[k:] - n[k] + 1
    dotted: dict[str, Any] = {"color": GREY, "linestyle": (0, (1, 1.4)), "linewidth": 1.8, "zorder": 6}
    above.plot(n, target, **dotted)
    below.plot(n, spread / np.sqrt(since), label=r"$\sigma/\sqrt{n}$", **dotted)
