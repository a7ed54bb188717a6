"""Two rules on hidden problems, for a graded task: whose losses are lower at the end, each with its best rate?

A hidden-test cell of an assignment plays it with an answer, one call a step:

    from downhill_course.ladder.duel import beats

    @case("lower than NAdam", "低于 NAdam", points=2)
    def _(answer, rng):
        return beats(answer.climb, RATES, rng, "nadam")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from downhill_course.ladder.families import member_of
from downhill_course.ladder.reference import TABLE
from optlib import rules

PROBLEMS = ("axis", "rotated", "softmax")  # small ones: each step is a call behind the wall
STEPS, FRESH = 120, 5
RATES = TABLE["nadam"].rates  # which an assignment may give to everyone
_FAILED = 1e6  # the loss of a run that fails

#: (theta, g, m, v, t, steps, lr=...) -> (theta, (m, v)): a rule with two memories, which knows how long it runs.
Rule = Callable[..., tuple]


def beats(rule: Rule, rates: Sequence[float], rng: np.random.Generator, other: str, margin: float = 0.98) -> list[int]:
    """[1, n] if a rule's losses at the end are lower than a reference entry's, n belonging to `rng`; else [0, k].

    Lower is `margin` times, in the geometric mean over the problems. Both are tuned alike: each of at most five rates
    runs once on a member of its own, the best runs on five fresh ones, whose median counts. Members are drawn from
    `rng`, and n with them, so that one student's answer is of no use to another; k tells failures apart: a thousand
    times the mean logarithm of the ratio of losses, or 0 for a rule that diverges or returns no step.

    Raises
    ------
    ValueError : more than five rates, or none, or one that is no positive number.
    """
    listed = [float(rate) for rate in np.ravel(np.asarray(rates, dtype=float))]
    if not 0 < len(listed) <= 5 or not all(0 < rate < np.inf for rate in listed):
        raise ValueError(f"rates={listed[:6]!r}: it must hold one to five positive numbers")
    *seed, token = (int(word) for word in rng.integers(1, 2**31, size=5))
    logs = []
    for family in PROBLEMS:
        ours = _end(rule, listed, family, tuple(seed))
        if ours >= _FAILED:
            return [0, 0]
        logs.append(np.log(ours) - np.log(_reference(other, family, tuple(seed))))
    ratio = float(np.mean(logs))
    return [1, token] if ratio < np.log(margin) else [0, round(1000 * ratio)]


@lru_cache(64)
def _reference(name: str, family: str, seed: tuple[int, ...]) -> float:
    entry = TABLE[name]
    return _end(_as_rule(rules.TABLE[str(entry.rules)]), entry.rates, family, seed)


def _end(rule: Rule, rates: Sequence[float], family: str, seed: tuple[int, ...]) -> float:
    """The median loss at the end, with the best rate."""
    tried = [_loss(rule, rate, family, seed, 0) for rate in rates]
    if min(tried) >= _FAILED:
        return _FAILED
    best = rates[int(np.argmin(tried))]
    return float(np.median([_loss(rule, best, family, seed, number) for number in range(1, 1 + FRESH)]))


def _loss(rule: Rule, rate: float, family: str, seed: tuple[int, ...], number: int) -> float:
    """The loss of one run at its end; a large number for one that fails or returns no step."""
    member = member_of(family, seed, number)
    theta = member.start
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    with np.errstate(all="ignore"):
        for t in range(1, STEPS + 1):
            told = rule(theta, member.gradient(theta, t - 1), m, v, t, STEPS, lr=rate)
            try:
                new, (m, v) = told
                theta = np.asarray(new, dtype=float)
            except (TypeError, ValueError):
                return _FAILED
            if theta.shape != member.start.shape or not np.isfinite(theta).all():
                return _FAILED
        value = member.loss(theta)
    return min(_FAILED, max(1e-12, value)) if np.isfinite(value) else _FAILED


def _as_rule(function: Callable) -> Rule:
    """A rule of the library in the form of the task."""
    names = list(function.__code__.co_varnames[: function.__code__.co_argcount])
    kept = [name for name in names if name not in ("theta", "g", "t")]

    def rule(theta, g, m, v, t, steps, *, lr):
        memory = [m, v][: len(kept)]
        new, after = function(theta, g, *memory, *[t] * ("t" in names), lr=lr)
        return new, (*after, *[m, v][len(after) :])

    return rule
