"""The ladder's two public problems in the plane, which the page climbs too when a reader has changed a rule there.

They do not count: everyone sees where they lie. They tell at once whether a rule is worth a run on the others.
The page's twin is ``pages/js/ladder/climb.js``; both try each setting and keep the one that ends lowest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from downhill_course.ladder import reference, scoring
from downhill_course.ladder.families import FAMILIES, PUBLIC, SCORED, member_of, secret
from downhill_course.ladder.judge import Entry, infinite, plain
from downhill_course.ladder.race import Local, race

PROBLEMS = tuple(name for name in FAMILIES if name not in SCORED)


def climb(entry: Entry, problem: str) -> tuple[dict[str, Any], NDArray]:
    """The setting that ends lowest, the first of equals, and its losses at fifty looks and the start.

    >>> setting, losses = climb(reference.entries()["momentum"], "ravine")
    >>> sorted(setting), losses.shape, bool(losses[-1] < losses[0])
    (['lr'], (51,), True)
    """
    members = [member_of(problem, secret(PUBLIC), 0) for _ in entry.settings]
    with Local() as riders:
        curves = race(riders, entry.source, problem, members, entry.settings).curves
    at = int(np.argmin(curves[:, -1]))
    return entry.settings[at], curves[at]


def steps(entry: Entry, targets: dict[str, float]) -> dict[str, float]:
    """Steps to the target on each problem, infinite where an entry never gets there."""
    return {p: scoring.steps_to(climb(entry, p)[1], targets[p], FAMILIES[p].every) for p in PROBLEMS}


def measured() -> dict[str, Any]:
    """The targets, which the tuned NAdam sets as everywhere, and the reference entries' steps; for reference.json."""
    entries = reference.entries()
    goals = {p: 1.00001 * scoring.target_of(climb(entries[reference.TARGET], p)[1]) for p in PROBLEMS}
    targets = {p: float(f"{goal:.6g}") for p, goal in goals.items()}
    rows = {name: dict(zip(PROBLEMS, plain(list(steps(one, targets).values())), strict=True))
            for name, one in entries.items()}  # fmt: skip
    return {"targets": targets, "steps": rows}


def known() -> dict[str, dict[str, float]]:
    """The reference entries' steps on each problem."""
    found = reference.published()["plane"]["steps"]
    return {name: dict(zip(row, infinite(list(row.values())), strict=True)) for name, row in found.items()}


def scored(entry: Entry) -> tuple[float, int, dict[str, float]]:
    """An entry's score among the reference entries, its place, and its steps.

    >>> score, place, _ = scored(reference.entries()["sgd"])
    >>> 0 <= score < 0.5, place > 3
    (True, True)
    """
    mine = steps(entry, reference.published()["plane"]["targets"])
    found = scoring.scores({**known(), "": mine})
    return found[""], 1 + sum(score > found[""] for score in found.values()), mine


def for_the_page() -> dict[str, Any]:
    """What the page's twin must know: each problem with its start and its target, and who needed how many steps."""
    told = reference.published()["plane"]
    return {
        "tau": scoring.TAU,
        "problems": [
            {
                "surface": p, "title": dict(zip(("en", "zh"), FAMILIES[p].title, strict=True)),
                "start": member_of(p, secret(PUBLIC), 0).start.tolist(), "steps": FAMILIES[p].steps,
                "every": FAMILIES[p].every, "target": told["targets"][p],
                "others": {name: row[p] for name, row in told["steps"].items()},
            }
            for p in PROBLEMS
        ],
    }  # fmt: skip
