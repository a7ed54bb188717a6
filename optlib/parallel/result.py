"""What every way to run an algorithm returns."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .machines import Memory


class Event(NamedTuple):
    """Something that a server handled: the entries of `Result.order`, from which a run can be repeated.

    `what` is "message", "join" or "leave"; `number` is the message's sequence number, or the life that begins.
    """

    shard: int
    what: str
    worker: int
    number: int


class Span(NamedTuple):
    """One gradient: who computed it for which step, from when to when, at which version of the parameters."""

    worker: int
    step: int
    start: float
    end: float
    version: int


class Applied(NamedTuple):
    """What the first shard took: whose, which of its steps was the last in it, and how many versions old it was."""

    worker: int
    step: int
    age: int


class Measured(NamedTuple):
    """The loss at the server's point after `updates` updates, at a time."""

    time: float
    updates: int
    loss: float


@dataclass
class Result:
    """A run of `optlib.parallel.train`, whatever the backend.

    Times are messages handled ("inline"), virtual seconds ("simulate") or seconds (on a cluster).

    >>> from optlib import Optimizer, rules, surfaces
    >>> from optlib.parallel import async_sgd, train
    >>> run = train(async_sgd(Optimizer(rules.sgd, lr=0.1)), [surfaces.bowl.grad] * 2, [4.0, -2.0], steps=3)
    >>> run
    Result(6 updates by 2 workers to 1 shard, backend='inline', finished)
    >>> run.spans[0]
    Span(worker=0, step=0, start=1.0, end=1.0, version=0)
    """

    theta: NDArray  #: the server's point: parameters, or the centre
    states: list[dict[str, NDArray]]  #: the optimizer's state on each shard
    workers: list[Memory | None]  #: the memory of each worker at the end, None where it is not known
    versions: list[int]  #: updates made by each shard
    applied: list[Applied]  #: every contribution to the first shard, in the order in which they were applied
    order: list[Event]  #: what was handled, by which `train(..., order=run.order)` repeats the run
    backend: str
    spans: list[Span] = field(default_factory=list)
    losses: list[Measured] = field(default_factory=list)
    rejected: dict[int, int] = field(default_factory=dict)  #: by worker, contributions with NaN or infinity
    log: list[str] = field(default_factory=list)  #: what went wrong and what was done about it
    finished: bool = True  #: False if the order ended, time was up or the user interrupted
    time: float = 0.0
    events: int = 0  #: handled by the simulator
    checkpoints: list[Any] = field(default_factory=list)  #: what was saved, the last one last

    @property
    def updates(self) -> int:
        """Updates of the first shard."""
        return self.versions[0]

    @property
    def staleness(self) -> NDArray:
        """How many versions old each contribution to the first shard was, in the order in which they were applied."""
        return np.array([age for _, _, age in self.applied], dtype=int)

    @property
    def bars(self) -> NDArray:
        """Rows (worker, begin, end, version, age) of the gradients, of shape (n, 5), for `optlib.view.timeline`.

        The age of one that was not applied by itself is NaN, as of a step between two exchanges. A run of the backend
        "inline" has no times, and raises ValueError.

        >>> from optlib import Optimizer, rules
        >>> from optlib.parallel import async_sgd, simulate
        >>> simulate(async_sgd(Optimizer(rules.sgd, lr=0.1)), workers=2, steps=2).bars
        array([[0., 0., 1., 0., 0.],
               [1., 0., 1., 0., 1.],
               [0., 1., 2., 1., 1.],
               [1., 1., 2., 2., 1.]])
        """
        if self.backend == "inline":
            raise ValueError("a run of the backend 'inline' has no times: draw one of 'simulate' or of a cluster")
        ages = {(worker, step): age for worker, step, age in self.applied}
        rows = [(s.worker, s.start, s.end, s.version, ages.get((s.worker, s.step), np.nan)) for s in self.spans]
        return np.array(rows, dtype=float).reshape(-1, 5)

    def __repr__(self) -> str:
        shards = len(self.versions)
        return (
            f"Result({self.updates} updates by {len(self.workers)} workers to {shards} shard{'s' * (shards > 1)}, "
            f"backend={self.backend!r}, {'finished' if self.finished else 'not finished'})"
        )


def curve(result: Result) -> tuple[NDArray, NDArray]:
    """Times and losses of a run as two arrays, to draw one against the other.

    >>> from optlib import Optimizer, rules, surfaces
    >>> from optlib.parallel import async_sgd, train
    >>> sgd = async_sgd(Optimizer(rules.sgd, lr=0.5))
    >>> curve(train(sgd, [surfaces.bowl.grad], [4.0, 0.0], steps=2, loss=surfaces.bowl))[1]
    array([8. , 2. , 0.5])
    """
    return np.array([m.time for m in result.losses]), np.array([m.loss for m in result.losses])
