"""Who computed what, when, and with which version of the parameters."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from .._inputs import number
from .._inputs import shown as written
from .pictures import Picture
from .style import GREY, figure_of, house, label, panels, series

if TYPE_CHECKING:
    from ..parallel.result import Result


def timeline(result: "Result", *, until: float | None = None, ax: Axes | None = None, numbers: bool = True) -> Picture:
    """A row for each worker, a bar for each gradient, and in it the version of the parameters at which it was taken.

    Parameters
    ----------
    result : of `optlib.parallel.train` on a simulated or a real cluster
    until : the time at which the picture ends; left out, the whole run
    ax : axes to draw into; by default a new figure
    numbers : whether to write the versions; bars that are too short for them stay empty

    Raises
    ------
    ValueError : the run has no times, since it was made in order in one process.

    >>> from optlib import Optimizer, rules
    >>> from optlib.parallel import SyncSGD, simulate
    >>> timeline(simulate(SyncSGD(Optimizer(rules.sgd, lr=0.1)), workers=3, steps=4))
    <12 gradients of 3 workers>
    """
    if not hasattr(result, "spans"):
        raise TypeError(f"result={written(result)}: give what optlib.parallel.train or simulate returned")
    if result.backend == "inline":
        raise ValueError("a run of the backend 'inline' has no times: draw one of 'simulate' or of a cluster")
    end = (
        float(max((span.end for span in result.spans), default=1.0))
        if until is None
        else number(until, "until", open_low=True)
    )
    shown = [span for span in result.spans if span.start < end]
    workers = len(result.workers)
    if ax is None:
        _, ax = panels(size=(640, 70 + 30 * workers))
    with house():
        for span in shown:
            ax.barh(
                span.worker, span.end - span.start, left=span.start, height=0.62, color=series(span.worker), alpha=0.3,
                edgecolor=series(span.worker), linewidth=1,
            )  # fmt: skip
            middle = (span.start + min(span.end, end)) / 2
            if numbers and span.end - span.start > 0.022 * end and middle < 0.99 * end:
                ax.text(middle, span.worker, str(span.version), color=GREY, fontsize=9, ha="center", va="center")
        ax.set(xlim=(0, end), ylim=(workers - 0.4, -0.6))
        ax.set_yticks(range(workers), [str(w + 1) for w in range(workers)])
        ax.grid(False)
        label(ax, "$t$", "")
    return Picture(figure_of(ax), f"{len(shown)} gradients of {len({s.worker for s in shown})} workers")
