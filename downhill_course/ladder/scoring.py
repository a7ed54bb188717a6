"""From curves to places: steps to a target, performance profiles, and whether a lead is more than luck."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

COUNTED = 3  #: fresh members whose median counts
FRESH = 5  #: fresh members that a rule runs on; all five decide whether a lead is more than luck
TAU = 4.0
SHARE = 0.8  #: of the budget, in which the tuned NAdam reaches the target
SURE = 0.01

Times = Mapping[str, Mapping[str, float]]  #: entry -> family -> steps, infinite where the target was not reached


def target_of(curve: ArrayLike) -> float:
    """The least loss that a curve reaches within its first four fifths.

    >>> target_of([5.0, 3.0, 2.0, 2.5, 1.9, 0.1])
    1.9
    """
    losses = np.asarray(curve, dtype=float)
    return float(losses[: int(SHARE * (len(losses) - 1)) + 1].min())


def steps_to(curve: ArrayLike, target: float, every: int) -> float:
    """Steps after which a curve, known every so many steps, is first at the target or below; infinite if never.

    >>> steps_to([5.0, 3.0, 1.0], 3.0, every=10), steps_to([5.0, 3.0, 1.0], 0.5, every=10)
    (10.0, inf)
    """
    there = np.flatnonzero(np.asarray(curve, dtype=float) <= target)
    return float(every * there[0]) if len(there) else math.inf


def counted(steps: Sequence[float]) -> float:
    """What counts of an entry's steps on the fresh members: the median of the first three."""
    return sorted(steps[:COUNTED])[COUNTED // 2]


def _fastest(times: Times) -> dict[str, float]:
    """The least steps that any entry needs, family by family."""
    return {family: min(row[family] for row in times.values()) for family in next(iter(times.values()))}


def profile(times: Times, ratios: ArrayLike) -> dict[str, NDArray]:
    """For each entry the share of families that it solves within `ratios` times the steps of the fastest entry.

    >>> curves = profile({"a": {"p": 10.0, "q": 40.0}, "b": {"p": 20.0, "q": math.inf}}, [1.0, 2.0])
    >>> curves["a"].tolist(), curves["b"].tolist()
    ([1.0, 1.0], [0.0, 0.5])
    """
    best = _fastest(times)
    allowed = np.asarray(ratios, dtype=float)
    found = {}
    for name, row in times.items():
        solved = [np.isfinite(steps) & (steps <= allowed * best[family]) for family, steps in row.items()]
        found[name] = np.mean(solved, axis=0)
    return found


def scores(times: Times, tau: float = TAU) -> dict[str, float]:
    """The area under each entry's profile from 1 to tau, as a share of the whole: 1 is fastest everywhere.

    >>> scores({"a": {"p": 10.0}, "b": {"p": 25.0}, "c": {"p": math.inf}})
    {'a': 1.0, 'b': 0.5, 'c': 0.0}
    """
    best = _fastest(times)
    found = {}
    for name, row in times.items():
        areas = [max(0.0, tau - steps / best[f]) if math.isfinite(steps) else 0.0 for f, steps in row.items()]
        found[name] = sum(areas) / len(areas) / (tau - 1)
    return found


def lead(ours: Mapping[str, Sequence[float]], theirs: Mapping[str, Sequence[float]], tau: float = TAU) -> NDArray:
    """Seed by seed the mean over families of log(their steps / our steps), a factor beyond tau counting as tau.

    >>> lead({"p": [10.0, 20.0]}, {"p": [20.0, math.inf]}).round(3).tolist()
    [0.693, 1.386]
    """
    rows = []
    for family, mine in ours.items():
        with np.errstate(invalid="ignore"):
            logs = np.log(np.asarray(theirs[family], dtype=float)) - np.log(np.asarray(mine, dtype=float))
        rows.append(np.clip(np.nan_to_num(logs, nan=0.0, posinf=np.inf, neginf=-np.inf), -math.log(tau), math.log(tau)))
    return np.mean(rows, axis=0)


def chance(gaps: ArrayLike) -> float:
    """How likely five seeds would show such a lead, or a greater one, if there were none: a one-sided t-test.

    >>> round(chance([1.0, 2.0, 3.0, 2.0, 2.0]), 4), chance([0.0, 0.0, 0.0, 0.0, 0.0])
    (0.0016, 1.0)

    Source: Student (1908); the closed form for four degrees of freedom.
    """
    values = np.asarray(gaps, dtype=float)
    if len(values) != FRESH:
        raise ValueError(f"gaps has {len(values)} numbers: it must have {FRESH}, one for each seed")
    mean, deviation = values.mean(), values.std(ddof=1)
    if not deviation > 1e-12:
        return 0.0 if mean > 0 else 1.0
    t = mean / (deviation / math.sqrt(FRESH))
    x = t / math.sqrt(4 + t * t)
    return float(0.5 - 0.25 * x * (3 - x * x))
