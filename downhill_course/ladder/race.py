"""Races: an entry's runs on members of a family. Gradients and losses are computed on this side of the wall."""

from __future__ import annotations

import inspect
import math
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from downhill_course.grade.sandbox import Answered, Gone, Limits, Sandbox, Worker
from downhill_course.ladder import rider
from downhill_course.ladder.families import FAMILIES, Member

#: What a race may use. A rule that needs longer than `call` for one step of its five runs is stopped.
LIMITS = Limits(call=5.0, total=60.0, memory=600_000_000)

_WHY = {
    "time": "it took too long, and was stopped",
    "memory": "it used too much memory, and was stopped",
    "died": "it ended its own process",
    "protocol": "it answered with something that is no answer",
}


class Out(Exception):
    """The entry is out of the ladder: `why`, one sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def cleaned(text: Any, limit: int = 300) -> str:
    """A text from the other side, fit for a table: printable, on one line, not long."""
    line = " ".join(str(text)[: 4 * limit].split())
    return "".join(c if c.isprintable() else "?" for c in line)[:limit]


class Local:
    """The rule in this process: for one's own rule, and for the reference entries."""

    def __init__(self) -> None:
        self.riders, self.seconds = rider.Riders(), 0.0

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def call(self, name: str, *args: Any) -> Any:
        began = time.process_time()
        try:
            return getattr(self.riders, name)(*args)
        except rider.Bad as bad:
            raise Out(str(bad)) from None
        finally:
            self.seconds += time.process_time() - began


class Boxed:
    """The rule in a sandbox of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.began = sandbox, 0.0

    def __enter__(self) -> Boxed:
        self.worker: Worker = self.sandbox.open()
        try:
            if self.worker.run(_rider_source(), "rider") is not None:
                raise Out("the sandbox cannot run the ladder's own code: is NumPy there?")
            self.began = self.worker.used()
        except (Gone, Out):
            self.worker.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.worker.close()

    @property
    def seconds(self) -> float:
        """Processor time that the sandbox has used since its start."""
        return self.worker.used() - self.began

    def call(self, name: str, *args: Any) -> Any:
        try:
            return self.worker.call(name, args)
        except Gone as gone:
            raise Out(_WHY[gone.why]) from None
        except Answered as answered:
            raise Out(f"it raised {cleaned(answered.kind, 60)}") from None


@cache
def _rider_source() -> str:
    return (
        inspect.getsource(rider)
        + "\n\n_riders = Riders()\nexamine, begin, step = _riders.examine, _riders.begin, _riders.step\n"
    )


@dataclass
class Outcome:
    """What a race came to: losses of shape (runs, looks), infinite once a run has failed, and how each failed."""

    curves: NDArray
    failures: list[str]
    points: NDArray  #: where the runs stood at each look, of shape (looks, runs, 2); empty in more dimensions
    seconds: float  #: of the rule for one update of one run


def race(riders: Local | Boxed, source: str, family: str, members: list[Member], settings: list[dict]) -> Outcome:
    """Run an entry on several members at once, each with a setting; one gradient a step, none more.

    Raises
    ------
    Out : the entry broke the rules or its own process.
    """
    steps, every = FAMILIES[family].steps, FAMILIES[family].every
    starts = np.array([member.start for member in members])
    curves = np.full((len(members), steps // every + 1), math.inf)
    curves[:, 0] = [_loss(member, start) for member, start in zip(members, starts, strict=True)]
    failures, points = [""] * len(members), [starts]
    layout = [[*part[:3], list(part.shape), part.kind] for part in members[0].parts]
    before = riders.seconds
    asks, _, failures = _read(riders.call("begin", source, starts, settings, layout, steps), starts.shape, failures)
    done = 0
    for t in range(steps):
        gradients = np.zeros(starts.shape)
        with np.errstate(all="ignore"):
            for i, member in enumerate(members):
                if not failures[i]:
                    gradients[i] = member.gradient(asks[i], t)
                    if not np.isfinite(gradients[i]).all():
                        failures[i] = f"it has diverged at step {t + 1}"
        if all(failures):
            break
        look = (t + 1) % every == 0
        asks, at, failures = _read(riders.call("step", gradients, look), starts.shape, failures)
        done += sum(not failure for failure in failures)
        if look:
            for i, member in enumerate(members):
                if not failures[i]:
                    curves[i, (t + 1) // every] = value = _loss(member, at[i])
                    if math.isinf(value):
                        failures[i] = f"it has diverged at step {t + 1}"
            points.append(at)
    path = np.array(points) if starts.shape[1] == 2 else np.zeros((0, len(members), 2))
    return Outcome(curves, failures, path, (riders.seconds - before) / max(1, done))


def _loss(member: Member, theta: NDArray) -> float:
    with np.errstate(all="ignore"):
        value = member.loss(theta)
    return value if math.isfinite(value) else math.inf


def _read(answer: Any, shape: tuple[int, ...], failures: list[str]) -> tuple[NDArray, NDArray, list[str]]:
    """Points of an answer that may hold anything, and who failed."""
    if not isinstance(answer, dict):
        raise Out(_WHY["protocol"])
    asks: Any = answer.get("ask")
    at: Any = answer.get("at")
    dead: Any = answer.get("dead")
    at = asks if at is None else at
    dead = [""] * len(failures) if dead is None else dead
    if not all(isinstance(a, np.ndarray) and a.shape == shape and a.dtype == np.float64 for a in (asks, at)):
        raise Out(_WHY["protocol"])
    if not isinstance(dead, list) or len(dead) != len(failures):
        raise Out(_WHY["protocol"])
    new = []
    for i, failure in enumerate(failures):
        told = cleaned(dead[i]) if dead[i] else ""
        sound = np.isfinite(asks[i]).all() and np.isfinite(at[i]).all()
        new.append(failure or told or ("" if sound else "its point is not finite"))
    return asks, at, new
