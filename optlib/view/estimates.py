"""One number, learnt from noisy examples by many learners: what one of them says, and how wrong they all are."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .pictures import Picture, picture
from .style import GREY, house, label, legend, listed, panels, series

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
    >>> from optlib import view
    >>> view.promise_and_error({"a": np.full((5, 3), 31.0), "b": (np.full((3, 3), 29.0), 2)})
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
