"""Checks of what is given, the same in every room: what it was, what is allowed.

A public function says in its annotations what each argument is; `guard`, the last line of a module, holds callers to
them, so that a function itself checks only what no annotation can say: ranges, and shapes that must fit.
"""

import builtins
import collections.abc
import functools
import inspect
import re
import traceback
import types
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

# --- single values --------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """The value on one short line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def numbers(value: Any, name: str) -> NDArray:
    """An array of real numbers of any shape, whole ones as floats; nothing is hidden behind a mask."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{name} is masked in {np.ma.count_masked(value)} places: fill or remove what is missing")
    try:
        array = np.asarray(value)
        if array.dtype.kind == "b" and not array.ndim:
            raise TypeError  # a comparison in the place of a number
        if array.dtype.kind in "iub" or (array.dtype.kind == "O" and not any(x is None for x in array.ravel())):
            array = array.astype(float)  # fractions and decimals, too
    except (TypeError, ValueError, OverflowError):  # rows of several lengths, things, and whole numbers without end
        raise TypeError(f"{name}={shown(value)}: it must be an array of numbers") from None
    if array.dtype.kind != "f":
        raise TypeError(f"{name}={shown(value)} holds {array.dtype} values: it must be an array of numbers")
    return array


def floats(value: ArrayLike, name: str = "theta") -> NDArray:
    """An array of floats of any shape, all finite."""
    array = numbers(value, name)
    if not np.issubdtype(np.asarray(value).dtype, np.floating):
        raise TypeError(f"{name} holds {np.asarray(value).dtype} values: it must be floats, as in [1.0, 2.0]")
    return _all_finite(array, name)


def finite(value: ArrayLike, name: str) -> NDArray:
    """An array of real numbers of any shape, whole ones as floats, all finite."""
    return _all_finite(numbers(value, name), name)


def _all_finite(array: NDArray, name: str) -> NDArray:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite, first at entry {int(np.argmin(np.isfinite(array)))}")
    return array


def vector(value: ArrayLike, name: str = "theta") -> NDArray:
    """An array of floats of shape (d,), d > 0, all finite."""
    array = floats(value, name)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}: it must be one vector, of shape (d,)")
    return array


def like(value: ArrayLike, theta: NDArray, name: str, to: str = "theta") -> NDArray:
    """An array of theta's shape, all finite; `to` is what theta is called."""
    array = numbers(value, name).astype(theta.dtype, copy=False)
    if array.shape != theta.shape:
        raise ValueError(f"{name} has shape {array.shape}, but {to} has shape {theta.shape}: they must be equal")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite: check the function that gives it at {np.array2string(theta)[:60]}")
    return array


def whole(value: Any, name: str, low: int = 1, high: int | None = None) -> int:
    """A whole number in [low, high]."""
    if not _whole(value) or value < low or (high is not None and value > high):
        allowed = f"{low} or more" if high is None else f"{low} to {high}"
        raise ValueError(f"{name}={shown(value)}: it must be a whole number, {allowed}")
    return int(value)


def one_of(value: Any, name: str, allowed: Iterable[str]) -> Any:
    """One of some names."""
    names = [*allowed]
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"{name}={shown(value)} is unknown; allowed are {', '.join(map(repr, names))}")
    return value


def number(
    value: Any, name: str, low: float = 0.0, high: float = np.inf, *, open_low: bool = False, closed: bool = False
) -> float:
    """A finite number in [low, high), or without `low` where `open_low`, with `high` where `closed`."""
    if not _real(value):
        raise TypeError(f"{name}={shown(value)}: it must be a number")
    x = float(value)
    if not np.isfinite(x) or x < low or x > high or (open_low and x == low) or (x == high and not closed):
        allowed = f"{'(' if open_low else '['}{low:g}, {high:g}{']' if closed else ')'}"
        raise ValueError(f"{name}={value!r} is out of range; allowed is {allowed}")
    return x


def scalar(value: Any, name: str) -> float:
    """One number; it may be infinite or NaN."""
    array = numbers(value, name)
    if array.shape != ():
        raise ValueError(f"{name} has shape {array.shape}: it must be a single number")
    return float(array)


def _whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and abs(int(value)) < 2**62


_NO_REAL = (str, bytes, bool, np.bool_, np.complexfloating, np.ma.core.MaskedConstant)


def _real(value: Any) -> bool:
    if isinstance(value, _NO_REAL) or getattr(value, "shape", ()) != ():
        return False
    try:
        return not np.isnan(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def unmade(value: Any) -> str:
    """What to do with a maker that stands where what it makes should: it can be called, but not as is wanted."""
    if isinstance(value, type) and value.__module__.startswith(__package__):
        call, what = value.__name__, "a class"
    elif hasattr(value, "formula") and not hasattr(value, "constants"):  # of schedules.TABLE
        call, what = value.__name__, "a schedule without its constants"
    else:
        return ""
    return f"{call} is {what}: call it, as {call}({', '.join(inspect.signature(value).parameters)})"


def _function(value: Any) -> bool:
    return callable(value) and not unmade(value)


def _sequence(value: Any) -> bool:
    return np.iterable(value) and not isinstance(value, (str, bytes, dict))


def _array(value: Any) -> bool:
    try:
        return hasattr(value, "indptr") or numbers(value, "").dtype.kind == "f"  # sparse rows are an array, too
    except (TypeError, ValueError):
        return False


# --- arguments, by their annotations ---------------------------------------------------------------

_Kind = tuple[Callable[[Any], bool], str]  # whether a value is of the kind, and what the kind is called
_ARRAYS = set(get_args(ArrayLike))
_ARRAY: _Kind = (_array, "an array of numbers")
_SEED: _Kind = (lambda v: _whole(v) and v >= 0, "a whole number, 0 or more")
_KINDS: dict[Any, _Kind] = {
    int: (_whole, "a whole number"),
    float: (_real, "a number"),
    bool: (lambda v: isinstance(v, (bool, np.bool_)), "True or False"),
    str: (lambda v: isinstance(v, str), "text"),
    type(None): (lambda v: v is None, "None"),
    Any: (lambda v: True, "anything"),
}
#: How the things are made that a call is most often given something else for.
_MADE = {
    "Optimizer": "Optimizer(rules.sgd, lr=0.1)", "Algorithm": "SyncSGD(optimizer)", "Code": "Largest(share=0.01)",
    "Cluster": "Cluster(latency=0.01)", "SparseRows": "data.SparseRows.from_dense(X)",
}  # fmt: skip


_NUMBERS = {_KINDS[int], _KINDS[float], _SEED}


def _kinds(hint: Any) -> list[_Kind]:
    """The kinds of value that an annotation allows."""
    of = get_origin(hint)
    if of in (Union, types.UnionType):
        parts = list(get_args(hint))
        arrays = [_ARRAY] if set(parts) >= _ARRAYS else []
        return arrays + [kind for part in parts if not (arrays and part in _ARRAYS) for kind in _kinds(part)]
    if hint in _KINDS:
        return [_KINDS[hint]]
    if of is Literal:  # which of them it is, the function itself says better
        return [(lambda v: isinstance(v, str), f"one of {', '.join(map(repr, get_args(hint)))}")]
    if of is np.ndarray:
        return [_ARRAY]
    if collections.abc.Callable in (of, hint):
        return [(_function, "a function")]
    if of in (tuple, list, collections.abc.Sequence, collections.abc.Iterable):
        inside = [] if of is collections.abc.Iterable else [part for part in get_args(hint) if part is not Ellipsis]
        items = _kinds(inside[0]) if len(set(inside)) == 1 else [_KINDS[Any]]
        words = f"a sequence, each of it {items[0][1]}" if items != [_KINDS[Any]] else "a sequence"
        fits = items[0][0] if len(items) == 1 else lambda x: any(fits(x) for fits, _ in items)
        looked = lambda v: not inside or iter(v) is v or all(map(fits, v))  # noqa: E731
        return [(lambda v: _sequence(v) and looked(v), words)]  # an iterator is not used up by looking
    kind = of or hint
    if getattr(kind, "_is_protocol", False) and not issubclass(kind, collections.abc.Sized):
        wanted = [name for name in vars(kind) if not name.startswith("_")]
        methods = f"an object with the method{'s' * (len(wanted) > 1)} {' and '.join(wanted)}"
        return [(lambda v: not isinstance(v, type) and all(callable(getattr(v, n, None)) for n in wanted), methods)]
    if isinstance(kind, type):
        word = "dictionary" if kind is collections.abc.Mapping else kind.__name__
        made = f", as in {_MADE[word]}" if word in _MADE else ""
        return [(lambda v: isinstance(v, kind), f"a{'n' * (word[0] in 'AEIOU')} {word}{made}")]
    return [_KINDS[Any]]


class _Names(dict):
    """What annotations may name; a name that only type checkers import stands for anything."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, Any)


@functools.cache
def _expected(function: Callable) -> dict[str, list[_Kind]]:
    """The kinds of each argument, by name, as far as annotations say."""
    hints = get_type_hints(function, localns=_Names(function.__globals__))
    expected = {name: _kinds(hint) for name, hint in hints.items() if name != "return"}
    for name in expected.keys() & {"seed", "rng"}:
        expected[name] = [_SEED if kind is _KINDS[int] else kind for kind in expected[name]]
    return expected


def refused(function: Callable, given: dict[str, Any]) -> tuple[str, Exception] | None:
    """The first argument that is not what its annotation says, by name, and an error about it."""
    for name, kinds in _expected(function).items():
        if name in given and not any(fits(given[name]) for fits, _ in kinds):
            value, where = given[name], function.__qualname__.removesuffix(".__init__").removesuffix(".formula")
            if made := unmade(value):
                return name, TypeError(f"{where}: {name}={made}")
            counted = isinstance(value, (int, float, np.number)) and not _NUMBERS.isdisjoint(kinds)
            listed = _sequence(value) and any(words.startswith("a sequence") for _, words in kinds)
            error = ValueError if counted or listed else TypeError
            return name, error(f"{where}: {name}={shown(value)}: it must be {' or '.join(words for _, words in kinds)}")
    return None


def explained(function: Callable, given: dict[str, Any], error: Exception) -> Exception | None:
    """A better error, where one says nothing about the arguments and no code of the caller's raised it."""
    if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # the call itself, not what it began
        parameters = [str(p).partition(":")[0] for p in inspect.signature(function).parameters.values()]
        called = function.__qualname__.removesuffix(".__init__")
        return TypeError(f"{error}: call it as {called}({', '.join(p for p in parameters if p != 'self')})")
    wrong = refused(function, given)
    if type(error).__module__.partition(".")[0] not in ("builtins", "numpy"):
        return None
    if any(re.search(rf"\b{name}\b", str(error)) for name in ([wrong[0]] if wrong else given)):
        return None
    if wrong:
        return wrong[1]
    files = [step.filename for step in traceback.extract_tb(error.__traceback__, -20)]
    if not all(file.startswith(_OURS) or file.endswith(".pyx") for file in files):
        return None
    told = ", ".join(f"{name}={shown(value)}" for name, value in given.items() if name != "self")
    kind = next(kind for kind in _RAW if isinstance(error, kind))
    said = error.args[0] if isinstance(error, KeyError) and error.args else error
    return kind(f"{function.__qualname__}: {said} (given {told})") if told else None


_ROOT = Path(np.__file__).parent
_OURS = (str(Path(__file__).parent), str(_ROOT), str(_ROOT.with_name("matplotlib")), inspect.__file__, "<")
_RAW = (TypeError, ValueError, AttributeError, KeyError, LookupError, OverflowError, ZeroDivisionError)


def guard(room: dict[str, Any], *names: str, late: bool = False, methods: bool = True) -> None:
    """Hold the callers of a module's public functions and classes to their annotations. It is called in the last line.

    Functions and makers of objects check before they begin. Methods without a seed, and with `late` everything, stand
    in loops: they look at their arguments only once they have failed, which costs a call nearly nothing; where even
    that is too much, `methods` leaves them alone.
    """
    for name, thing in list(room.items()):
        if (
            name.startswith("_")
            or not str(getattr(thing, "__module__", "")).startswith(room["__name__"])
            or (names and name not in names)
        ):
            continue
        if inspect.isfunction(thing):
            room[name] = _guarded(thing, late)
        elif inspect.isclass(thing) and not issubclass(thing, (tuple, BaseException)):
            for kind in (kind for kind in thing.__mro__ if kind.__module__.startswith(room["__name__"])):
                for method, call in list(vars(kind).items()):
                    known = not inspect.isfunction(call) or hasattr(call, "__wrapped__")
                    if not known and (method == "__init__" or (methods and not method.startswith("_"))):
                        begins = method == "__init__" or "seed" in call.__code__.co_varnames
                        setattr(kind, method, _guarded(call, late or not begins))


def _as_floats(function: Callable, names: tuple[str, ...], args: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """Arguments in which the fractions and decimals, which NumPy does not know, are the floats that they are."""

    def settled(name: str, value: Any) -> Any:
        exact = isinstance(value, (Fraction, Decimal)) and _KINDS[float] in _expected(function).get(name, ())
        return float(value) if exact else value

    found = [settled(name, value) for name, value in zip(names, args)]  # noqa: B905
    return (*found, *args[len(found) :]), {name: settled(name, value) for name, value in kwargs.items()}


def _guarded(function: Callable, late: bool) -> Callable:
    flags = [name for name, hint in function.__annotations__.items() if late and hint is bool]
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    check, explain, raw, floated, exact = refused, explained, _RAW, _as_floats, {Fraction, Decimal}

    def call(*args: Any, **kwargs: Any) -> Any:
        if not late and (wrong := check(function, dict(zip(names, args)) | kwargs)):  # noqa: B905
            raise wrong[1]
        if not late and not exact.isdisjoint(map(type, (*args, *kwargs.values()))):
            args, kwargs = floated(function, names, args, kwargs)
        for flag in flags:  # any thing is true or false: this is never found out later
            if flag in kwargs and (wrong := check(function, {flag: kwargs[flag]})):
                raise wrong[1]
        try:
            return function(*args, **kwargs)
        except raw as error:
            better = explain(function, dict(zip(names, args)) | kwargs, error)  # noqa: B905
            if better is None:
                raise
            raise better from error

    # made as a function of its own module, where doctest, pickle and readers look for it
    here = types.FunctionType(call.__code__, function.__globals__, function.__name__, None, call.__closure__)
    return functools.wraps(function)(here)
