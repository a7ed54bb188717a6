"""A time line that answers: who computed what with which version, and which updates made a gradient old meanwhile.

A cluster is simulated, or really run, while the notebook runs; its bars are stored in the cell. `optlib.view.timeline`
draws the same rows where nothing can move.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._inputs import number, whole
from .chart import Words, pair_of
from .explorer import Figure, spoken

MOST = 1000  #: bars that a figure may hold: a page carries them


class Timeline(Figure):
    """A row of bars for each worker; a chosen one tells its version, its age, and which updates came in between.

    Parameters
    ----------
    runs : what `optlib.parallel.simulate` or `train` returned, or rows (worker from 0, begin, end, version, age) of
        shape (n, 5); or, with `over`, a dict of those for each value of the slider
    over : name of the slider, such as "slow" or "workers"
    begin : the value of the slider that the figure begins with; by default the first
    until : the time at which the picture ends, in seconds; by default when the shortest run does
    worker, nth : the bar that is chosen at first: of which worker, and which of its bars, both from 1
    who : what a worker is called, one text or a pair (English, Chinese)
    label : what the slider is called, one text or a pair; by default its name
    lang : "en", "zh", or "auto" for the page's own language

    Raises
    ------
    ValueError : a run without times or without a bar that is seen, other rows, a worker, bar or value that is not
        there, more bars than a page should carry.

    >>> from optlib import Optimizer, rules
    >>> from optlib.parallel import Cluster, async_sgd, simulate
    >>> sgd = async_sgd(Optimizer(rules.sgd, lr=0.1))
    >>> runs = {k: simulate(sgd, workers=2, steps=8, cluster=Cluster(speeds={1: k})) for k in (1.0, 3.0)}
    >>> figure = Timeline(runs, over="slow", worker=2)
    >>> figure
    <time line: 2 workers over 8 s, 2 values of slow>
    >>> figure.bar(slow=3.0)
    {'worker': 2, 'begin': 0.0, 'end': 3.0, 'version': 0, 'age': 2}
    """

    part = "timeline"

    def __init__(
        self, runs: Any, *, over: str | None = None, begin: float | None = None, until: float | None = None,
        worker: int = 1, nth: int = 1, who: Words = ("worker", "节点"), label: Words | None = None,
        lang: str = "auto",
    ):  # fmt: skip
        from ..view.timelines import rows_of  # Matplotlib is needed to read it

        if over is not None and (not isinstance(runs, Mapping) or not runs):
            raise ValueError(f"over={over!r} wants runs as a dict, a run for each value of the slider")
        if over in ("worker", "nth", "version", "made", "age", "mean", "says"):
            raise ValueError(f"over={over!r}: a text asks the figure for something else by it; take another name")
        variants = runs if over is not None else {0.0: runs}
        self.over, self.slider = over, [number(value, f"a value of {over}", -np.inf) for value in variants]
        if begin is not None and begin not in self.slider:
            raise ValueError(f"begin={begin!r}: {over} has the values {', '.join(map('{:g}'.format, self.slider))}")
        told = [f"runs[{value:g}]" if over else "runs" for value in self.slider]
        tables = [rows_of(each, name) for each, name in zip(variants.values(), told, strict=True)]
        #: of each value of the slider all rows (worker from 0, begin, end, version, age), by worker and time
        self.rows: list[NDArray] = [each[np.lexsort((each[:, 1], each[:, 0]))] for each in tables]
        last = min(each[:, 2].max() for each in self.rows)
        self.until = float(last) if until is None else number(until, "until", open_low=True)
        self.workers = int(max(each[:, 0].max() for each in self.rows)) + 1
        for each, name in zip(self.rows, told, strict=True):
            idle = set(range(self.workers)) - set(self._seen(each)[:, 0].astype(int))
            if idle:
                raise ValueError(f"{name} has no bar of worker {min(idle) + 1} before until={self.until:g}")
        count = sum(len(self._seen(each)) for each in self.rows)
        if count > MOST:
            raise ValueError(f"{count} bars before until={self.until:g}, more than {MOST}: take an earlier end")
        self.who, self.label, self.lang = pair_of(who), pair_of(over or "" if label is None else label), spoken(lang)
        self.state = {
            "over": 0 if begin is None else self.slider.index(begin),
            "worker": whole(worker, "worker", 1, self.workers),
            "nth": whole(nth, "nth"),
        }
        whole(nth, "nth", 1, len(self._of_worker(self.state["over"])))

    def _seen(self, rows: NDArray) -> NDArray:
        """Those that begin before the picture ends."""
        return rows[rows[:, 1] < self.until]

    def _of_worker(self, which: int) -> NDArray:
        rows = self._seen(self.rows[which])
        return rows[rows[:, 0] == self.state.get("worker", 1) - 1]

    def bar(self, **value: float) -> dict[str, Any]:
        """The chosen bar, at the slider's first value or at another, such as ``bar(slow=3.0)``."""
        which = self.state["over"]
        for name, given in value.items():
            if name != self.over or given not in self.slider:
                have = f"{self.over} with {', '.join(map('{:g}'.format, self.slider))}" if self.over else "no slider"
                raise ValueError(f"{name}={given!r}: the figure has {have}")
            which = self.slider.index(given)
        bars = self._of_worker(which)
        worker, begin, end, version, age = bars[min(self.state["nth"], len(bars)) - 1].tolist()
        age = None if np.isnan(age) else int(age)
        return {"worker": int(worker) + 1, "begin": begin, "end": end, "version": int(version), "age": age}

    def __repr__(self) -> str:
        over = f", {len(self.slider)} values of {self.over}" if self.over else ""
        return f"<time line: {self.workers} workers over {self.until:g} s{over}>"

    @property
    def data(self) -> dict[str, Any]:
        """The bars that are seen, as the page reads them, and the mean ages of the whole runs."""
        from ..view.timelines import SHADES

        over = {"name": self.over, "label": self.label, "values": self.slider} if self.over else None
        most = max(np.unique(self._seen(each)[:, 0], return_counts=True)[1].max() for each in self.rows)
        return {
            "who": self.who, "over": over, "until": self.until, "workers": self.workers, "most": int(most),
            "shades": SHADES, "runs": [self._told(each) for each in self.rows],
        }  # fmt: skip

    def _told(self, rows: NDArray) -> dict[str, Any]:
        bars = [
            [int(worker), _short(begin), _short(end), int(version), None if np.isnan(age) else int(age)]
            for worker, begin, end, version, age in self._seen(rows).tolist()
        ]
        means = [_mean(rows[rows[:, 0] == w, 4]) for w in range(self.workers)]
        return {
            "rows": bars, "mean": _mean(rows[:, 4]), "means": means, "count": int(np.isfinite(rows[:, 4]).sum())
        }  # fmt: skip

    @cached_property
    def picture(self) -> Any:
        """The picture that stands for the figure where nothing can move: the bars at the slider's first value."""
        from ..view import timeline

        return timeline(self.rows[self.state["over"]], until=self.until)


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _mean(ages: NDArray) -> float | None:
    known = ages[np.isfinite(ages)]
    return _short(known.mean()) if known.size else None
