"""Plain values: all that may pass between an answer and the one who examines it.

Numbers, text, lists, dictionaries and numeric arrays, as JSON. Nothing that arrives this way can carry code or a
verdict: what is not plain is refused. The exercises' checks and the grader's two sides of the wall read and write
with these.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import Any

import numpy as np

DEPTH = 12  # of lists in lists
TEXT = 10_000  # characters
ITEMS = 200_000  # in all lists and dictionaries of one value
BYTES = 4_000_000  # of one array
RTOL = 1e-5  # how far numbers may differ where precision is not what a task teaches: float32 passes
KINDS = {"float64", "float32", "int64", "int32", "bool"}
_KNOWN = {np.dtype(kind): kind for kind in KINDS}  # NumPy makes a dtype's name anew whenever it is asked


class NotPlain(TypeError):
    """Something that is no number, text, list, dictionary or numeric array, or is too large."""


def encode(value: Any, other: Callable[[Any], Any] | None = None, depth: int = 0, left: list[int] | None = None) -> Any:
    """`value` as something JSON can hold; `other` is asked for what is not plain, and may raise.

    >>> encode((1, 2.5, None))
    [1, 2.5, None]
    >>> encode(np.ones((2, 1)))
    {'array': ['float64', [2, 1], 'AAAAAAAA8D8AAAAAAADwPw==']}
    >>> encode(object())
    Traceback (most recent call last):
    ...
    downhill_course.grade.plain.NotPlain: a value of type object: give numbers, text, lists, ...
    """
    if depth > DEPTH:
        raise NotPlain(f"lists nested more than {DEPTH} deep: give a flatter value")
    left = [ITEMS] if left is None else left
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(int(value)) >= 2**63:
            raise NotPlain("an integer beyond 64 bits: give a float")
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        if len(value) > TEXT:
            raise NotPlain(f"a text of {len(value)} characters: at most {TEXT} are read")
        return str(value)
    if isinstance(value, np.ndarray):
        return {"array": _pack(value)}
    if isinstance(value, (list, tuple, dict)):
        _spend(left, len(value))
        if isinstance(value, dict):
            return {"dict": [[str(key), encode(item, other, depth + 1, left)] for key, item in value.items()]}
        return [encode(item, other, depth + 1, left) for item in value]
    if other is not None:
        return other(value)
    raise NotPlain(f"a value of type {type(value).__name__}: give numbers, text, lists, dictionaries or numeric arrays")


def _spend(left: list[int], count: int) -> None:
    left[0] -= count
    if left[0] < 0:
        raise NotPlain(f"more than {ITEMS} items in lists and dictionaries: give an array")


def _pack(array: np.ndarray) -> list:
    array = np.asarray(array)
    kind = _KNOWN.get(array.dtype) or array.dtype.name
    if kind not in KINDS:
        raise NotPlain(f"an array of {kind}: give real numbers (float64)")
    if array.nbytes > BYTES:
        raise NotPlain(f"an array of {array.nbytes} bytes: at most {BYTES} are read")
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
    return [kind, list(array.shape), data]


def decode(
    value: Any, other: Callable[[dict], Any] | None = None, depth: int = 0, left: list[int] | None = None
) -> Any:
    """The inverse of `encode`, for values from an untrusted side: every size and shape is checked.

    >>> decode(encode({"theta": np.arange(3.0)}))
    {'theta': array([0., 1., 2.])}
    >>> decode({"array": ["float64", [3], ""]})
    Traceback (most recent call last):
    ...
    downhill_course.grade.plain.NotPlain: an array whose data does not fit its shape
    """
    if depth > DEPTH:
        raise NotPlain(f"lists nested more than {DEPTH} deep")
    left = [ITEMS] if left is None else left
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        if len(value) > TEXT:
            raise NotPlain(f"a text of {len(value)} characters: at most {TEXT} are read")
        return value
    if isinstance(value, list):
        _spend(left, len(value))
        return [decode(item, other, depth + 1, left) for item in value]
    if isinstance(value, dict) and set(value) == {"array"}:
        return _unpack(value["array"])
    if isinstance(value, dict) and set(value) == {"dict"} and isinstance(value["dict"], list):
        pairs = value["dict"]
        _spend(left, len(pairs))
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise NotPlain("a dictionary that is none")
        return {str(key)[:TEXT]: decode(item, other, depth + 1, left) for key, item in pairs}
    if isinstance(value, dict) and other is not None:
        return other(value)
    raise NotPlain("a value that is neither number, text, list, dictionary nor array")


def _unpack(parts: Any) -> np.ndarray:
    if not (isinstance(parts, list) and len(parts) == 3):
        raise NotPlain("an array that is none")
    kind, shape, data = parts
    if kind not in KINDS or not isinstance(shape, list) or len(shape) > 8 or not isinstance(data, str):
        raise NotPlain("an array that is none")
    if not all(type(n) is int and 0 <= n <= BYTES for n in shape):
        raise NotPlain("an array whose shape is none")
    dtype = np.dtype(kind)
    if math.prod(shape) * dtype.itemsize > BYTES or len(data) > 2 * BYTES:
        raise NotPlain("an array whose data does not fit its shape" if len(data) < BYTES else "an array too large")
    try:
        raw = base64.b64decode(data, validate=True)
    except ValueError:
        raise NotPlain("an array whose data is none") from None
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise NotPlain("an array whose data does not fit its shape")
    return np.frombuffer(raw, dtype).reshape(shape).copy()


def difference(given: Any, wanted: Any, rtol: float = RTOL) -> str | None:
    """None if two plain values agree, else in what they differ: `type`, `shape`, `nan`, `keys` or `value`.

    A list of numbers counts as the array it spells, and a number as an array of no dimension, so that an answer is not
    marked down for its container. Beside `rtol`, a tenth of it of the array's largest number may differ: what is
    computed in float32 loses digits where numbers cancel.

    >>> difference([1, 2], np.array([1.0, 2.0]))
    >>> difference(1.0, [1.0]), difference(float("nan"), 1.0), difference("1", 1), difference(2.0, 1.0)
    ('shape', 'nan', 'type', 'value')
    """
    if isinstance(wanted, dict):
        if not isinstance(given, dict):
            return "type"
        if set(map(str, given)) != set(map(str, wanted)):
            return "keys"
        given = {str(key): value for key, value in given.items()}
        return next(filter(None, (difference(given[str(k)], v, rtol) for k, v in wanted.items())), None)
    if wanted is None or isinstance(wanted, (str, bool)):
        same_kind = isinstance(given, type(wanted)) or (isinstance(wanted, bool) and isinstance(given, np.bool_))
        return "type" if not same_kind else (None if given == wanted else "value")
    several = isinstance(wanted, (list, tuple)) and not all(isinstance(item, (int, float)) for item in wanted)
    a, b = (None, None) if several else (_numbers(given), _numbers(wanted))
    if b is not None:
        if a is None:
            return "type"
        if a.shape != b.shape:
            return "shape"
        if np.any(np.isnan(a) & ~np.isnan(b)):
            return "nan"
        finite = np.abs(b[np.isfinite(b)])
        atol = 1e-12 + 0.1 * rtol * (finite.max() if finite.size else 0.0)
        return None if np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True) else "value"
    if not isinstance(given, (list, tuple, np.ndarray)):
        return "type"
    if isinstance(given, np.ndarray) and given.ndim == 0:
        return "shape"
    if len(given) != len(wanted):
        return "shape"
    return next(filter(None, (difference(x, y, rtol) for x, y in zip(given, wanted, strict=True))), None)


def _numbers(value: Any) -> np.ndarray | None:
    """`value` as an array of floats if it is one number, an array, or a rectangular list of numbers; else None."""
    if isinstance(value, (dict, str)) or value is None:
        return None
    try:
        array = np.asarray(value)
        return array.astype(float) if array.dtype.kind in "biuf" else None
    except (ValueError, TypeError, OverflowError):
        return None
