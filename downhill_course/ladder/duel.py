"""Two rules on hidden problems, for a graded task: whose losses are lower at the end, each with its best rate?

A hidden-test cell of an assignment plays it with an answer, one call a step:

    from downhill_course.ladder.duel import beats

    @case("it beats NAdam on problems drawn for you", "在为你抽取的题目上胜过 NAdam", points=3)
    def _(answer, rng):
        return beats(answer.rule, answer.value("rates"), rng, "nadam")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from downhill_course.ladder.families import member_of
from downhill_course.ladder.reference import TABLE
from optlib import rules

PROBLEMS = ("axis", "rotated", "softmax")  # small ones: each step is a call behind the wall
STEPS, FRESH = 120, 5

#: (theta, g, m, v, t, steps, lr=...) -> (theta, (m, v)): a rule with two memories, which knows how long it runs.
Rule = Callable[..., tuple]


def beats(rule: Rule, rates: Sequence[float], rng: np.random.Generator, other: str, margin: float = 0.98) -> bool:
    """Whether a rule's losses at the end are lower than a reference entry's: `margin` times, in the geometric mean.

    Both are tuned alike: each of at most five rates runs once on a member of its own, the best runs on five fresh
    ones, whose median counts. The members are drawn from `rng`.

    Raises
    ------
    ValueError : more than five rates, or none, or one that is no positive number.
    """
    listed = [float(rate) for rate in np.ravel(np.asarray(rates, dtype=float))]
    if not 0 < len(listed) <= 5 or not all(0 < rate < np.inf for rate in listed):
        raise ValueError(f"rates={listed[:6]!r}: it must hold one to five positive numbers")
    seed = tuple(int(word) for word in rng.integers(2**32, size=4))
    entry = TABLE[other]
    theirs = _as_rule(rules.TABLE[str(entry.rules)])
    logs = []
    for family in PROBLEMS:
        ours, reference = (_end(r, tried, family, seed) for r, tried in ((rule, listed), (theirs, entry.rates)))
        logs.append(np.log(ours) - np.log(reference))
    return bool(np.mean(logs) < np.log(margin))


def _end(rule: Rule, rates: Sequence[float], family: str, seed: tuple[int, ...]) -> float:
    """The median loss at the end, with the best rate."""
    tried = [_loss(rule, rate, family, seed, 0) for rate in rates]
    best = rates[int(np.argmin(tried))]
    return float(np.median([_loss(rule, best, family, seed, number) for number in range(1, 1 + FRESH)]))


def _loss(rule: Rule, rate: float, family: str, seed: tuple[int, ...], number: int) -> float:
    """The loss of one run at its end; a large number for one that fails."""
    member = member_of(family, seed, number)
    theta = member.start
    m, v, failed = np.zeros_like(theta), np.zeros_like(theta), 1e6
    with np.errstate(all="ignore"):
        for t in range(1, STEPS + 1):
            new, memory = rule(theta, member.gradient(theta, t - 1), m, v, t, STEPS, lr=rate)
            theta, (m, v) = np.asarray(new, dtype=float), memory
            if theta.shape != member.start.shape or not np.isfinite(theta).all():
                return failed
        value = member.loss(theta)
    return min(failed, max(1e-12, value)) if np.isfinite(value) else failed


def _as_rule(function: Callable) -> Rule:
    """A rule of the library in the form of the task."""
    names = list(function.__code__.co_varnames[: function.__code__.co_argcount])
    kept = [name for name in names if name not in ("theta", "g", "t")]

    def rule(theta, g, m, v, t, steps, *, lr):
        memory = [m, v][: len(kept)]
        new, after = function(theta, g, *memory, *[t] * ("t" in names), lr=lr)
        return new, (*after, *[m, v][len(after) :])

    return rule
