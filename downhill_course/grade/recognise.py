"""Which mistake it was: told from the pattern of an answer's values over all cases, in whatever code it was written.

A planted mistake is recognised where the answer is wrong: there the values, or those parts of them that are wrong,
are the mistake's, in at least half of the cases that failed. Then come the slips that any task knows (`SLIPS`): a
sign, a factor, an index off by one, a value in another order or shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from downhill_course.grade import plain
from downhill_course.grade.spec import Failed, Mistake

if TYPE_CHECKING:
    from downhill_course.grade.marking import Judge


def recognise(judge: Judge, values: list) -> tuple[Mistake | None, bool]:
    """The likeliest mistake, and whether it explains every value (then its credit may be given)."""
    if sum(map(_size, values)) > 20_000:  # nobody's slip: it would only cost the grader's time
        return None, False
    rtols = [case.rtol for case in judge.task.cases]
    best, most = None, 0.0
    for mistake, wrong in judge.mistaken:
        if all(map(alike, values, wrong, rtols)):
            return mistake, True
        share = explained(values, judge.wanted, wrong, rtols)
        if share > most:
            best, most = mistake, share
    if most >= 0.5:
        return best, False
    pairs = [(v, w) for v, w, rtol in zip(values, judge.wanted, rtols, strict=True) if not alike(v, w, rtol)]
    return slip(pairs), False


def alike(value: Any, other: Any, rtol: float = plain.RTOL) -> bool:
    """Whether two results of a case are the same, failures included."""
    if isinstance(value, Failed) or isinstance(other, Failed):
        both = isinstance(value, Failed) and isinstance(other, Failed)
        return both and (value.why, value.kind) == (other.why, other.kind)
    try:
        return plain.difference(value, other, rtol) is None
    except Exception:  # values of an answer may be anything
        return False


def explained(values: list, wanted: list, wrong: list, rtols: list[float]) -> float:
    """The share of the failed cases that a mistake explains; a case that it would fail and the answer did not counts
    against it.

    >>> explained([1.0, 5.0, 3.0], [1.0, 2.0, 2.0], [1.0, 5.0, 4.0], [1e-5] * 3)
    0.5
    """
    hits = misses = 0
    for value, right, mistaken, rtol in zip(values, wanted, wrong, rtols, strict=True):
        if alike(value, right, rtol):
            misses += not alike(mistaken, right, rtol)
            continue
        parts = [p for p in zip(*map(pieces, (value, right, mistaken)), strict=False) if not alike(p[0], p[1], rtol)]
        same_length = len({len(pieces(each)) for each in (value, right, mistaken)}) == 1
        hit = same_length and parts and all(alike(part[0], part[2], rtol) for part in parts)
        hits += bool(hit)
        misses += not hit
    return hits / (hits + misses) if hits else 0.0


def pieces(value: Any) -> list:
    """The parts of a value that may be wrong by themselves: what a function returned as a tuple, case by case.

    >>> pieces([1.0, [2.0, 3.0]])
    [1.0, 2.0, 3.0]
    """
    if not isinstance(value, (list, tuple)):
        return [value]
    return [piece for item in value for piece in pieces(item)] if len(value) <= 50 else [value]


def _size(value: Any) -> int:
    """How many parts lists within lists have."""
    return 1 + sum(map(_size, value)) if isinstance(value, (list, tuple)) else 1


def slip(pairs: list[tuple[Any, Any]]) -> Mistake | None:
    """The slip that explains every failed case, given as pairs of the value and the right one.

    >>> slip([(-1.0, 1.0), (np.array([2.0, -3.0]), np.array([-2.0, 3.0]))]).name
    'sign'
    >>> slip([(None, 1.0)]).name, slip([(3, 2), (8, 7)]).name, slip([(1.0, 2.0), (5.0, 9.0)])
    ('nothing', 'one more', None)
    """
    if not pairs or any(isinstance(value, Failed) for value, _ in pairs):
        return None
    for name, (test, en, zh) in SLIPS.items():
        if all(_somewhere(test, value, right) for value, right in pairs):
            return Mistake(name, (), en, zh, 0, "")
    return None


def _somewhere(test: Callable[[Any, Any], bool], value: Any, right: Any) -> bool:
    """Whether the slip is in the whole value, or in each of its parts that is wrong."""
    try:
        if test(value, right):
            return True
    except Exception:  # a test may stumble over what an answer gives: then it is not that slip
        pass
    both = isinstance(value, (list, tuple)) and isinstance(right, (list, tuple))
    if not both or len(value) != len(right):
        return False
    wrong = [(a, b) for a, b in zip(value, right, strict=True) if not alike(a, b)]
    return bool(wrong) and all(_somewhere(test, a, b) for a, b in wrong)


def _numbers(value: Any) -> np.ndarray:
    return np.asarray(value, dtype=float)


def _of(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any, Any], bool]:
    """A test: the value is the right one, changed."""

    def test(value: Any, right: Any) -> bool:
        with np.errstate(all="ignore"):
            made = change(_numbers(right))
        return alike(value, made) and not alike(made, right)

    return test


def _factor(value: Any, right: Any) -> bool:
    """The same factor everywhere, one that a slip makes."""
    a, b = _numbers(value), _numbers(right)
    if a.shape != b.shape or not np.all(np.isfinite(b)) or not np.any(np.abs(b) > 1e-9):
        return False
    factor = a.flat[np.argmax(np.abs(b))] / np.abs(b).max() * np.sign(b.flat[np.argmax(np.abs(b))])
    known = [sign * f for f in (2, 0.5, 4, 0.25) for sign in (1, -1)]
    return any(abs(factor - f) < 1e-4 * abs(f) for f in known) and alike(a, factor * b, 1e-4)


def _other_order(value: Any, right: Any) -> bool:
    both = isinstance(value, (list, tuple)) and isinstance(right, (list, tuple))
    if not both or len(value) != len(right) or len(value) < 2:
        return False
    left = list(right)
    for item in value:
        found = next((n for n, other in enumerate(left) if alike(item, other)), None)
        if found is None:
            return False
        del left[found]
    return True


def _one_of(value: Any, right: Any) -> bool:
    return isinstance(right, list) and len(right) > 1 and any(alike(value, item) for item in right)


def _flat(value: Any, right: Any) -> bool:
    a, b = _numbers(value), _numbers(right)
    return a.shape != b.shape and a.size == b.size and (alike(a.ravel(), b.ravel()) or alike(a.T.ravel(), b.ravel()))


SLIPS: dict[str, tuple[Callable[[Any, Any], bool], str, str]] = {
    "nothing": (
        lambda value, right: value is None,
        "Your function returns None: is there a `return`, or does it only print?",
        "你的函数返回了 None：写了 `return` 吗，还是只是打印了结果？",
    ),
    "sign": (_of(np.negative), "The sign is the other way round.", "符号反了。"),
    "one of several": (
        _one_of,
        "One of the values asked for comes back, and the others do not.",
        "题目要返回几个值，你只返回了其中一个。",
    ),
    "order": (
        _other_order,
        "The values are right, but they come in another order.",
        "数值都对，但返回的次序不对。",
    ),
    "shape": (
        _flat,
        "The numbers are right, but the shape is another: transposed, flattened or one dimension too many.",
        "数都对，但形状不对：转置了、压平了，或多了一维。",
    ),
    "one row less": (
        lambda value, right: alike(value, right[1:]) or alike(value, right[:-1]),
        "One entry is missing, at the beginning or at the end.",
        "少了一项，在开头或结尾。",
    ),
    "one row more": (
        lambda value, right: alike(value[1:], right) or alike(value[:-1], right),
        "There is one entry too many, at the beginning or at the end.",
        "多了一项，在开头或结尾。",
    ),
    "last only": (
        lambda value, right: alike(value, right[-1]),
        "Only the last entry comes back; all of them are asked for.",
        "只返回了最后一项，题目要的是全部。",
    ),
    "one more": (_of(lambda b: b + 1), "It is one too many.", "多了 1。"),
    "one less": (_of(lambda b: b - 1), "It is one too few.", "少了 1。"),
    "backwards": (
        _of(lambda b: b[::-1]),
        "The entries are right, but the order runs the other way.",
        "各项都对，但顺序反了。",
    ),
    "factor": (
        _factor,
        "Every value is the right one times the same factor: look for a 2 that is missing or too many.",
        "所有数值都差同一个倍数：检查是否多了或漏了因子 2。",
    ),
    "root": (
        _of(np.square),
        "This is the square of what was asked for: a root is missing.",
        "这是所求量的平方：漏了开方。",
    ),
    "squared": (_of(np.sqrt), "This is the root of what was asked for.", "这是所求量的平方根。"),
    "inverse": (_of(np.reciprocal), "This is one over what was asked for.", "这是所求量的倒数。"),
    "complement": (_of(lambda b: 1 - b), "This is 1 minus what was asked for.", "这是 1 减去所求的量。"),
    "without sign": (_of(np.abs), "The sign is lost: an absolute value too many.", "符号丢了：多取了一次绝对值。"),
    "rounded": (
        lambda value, right: alike(value, np.floor(_numbers(right))) or alike(value, np.round(_numbers(right))),
        "The number is rounded; the exact one was asked for.",
        "结果被取整了；题目要的是精确值。",
    ),
}
