"""The one class, and the three ways to let it walk: `run`, `iterates` and `descend`."""

import difflib
import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import rules
from ._inputs import whole

State = dict[str, NDArray]
Oracle = Callable[..., ArrayLike]


class NotFinite(FloatingPointError):
    """A gradient or a point became infinite or not a number. `step` is the update at which it appeared, from 1."""

    def __init__(self, what: str, step: int, where: str):
        self.step = step
        super().__init__(
            f"the {what} is not finite at step {step} ({where}). The run has diverged or the oracle is wrong there: "
            "try a smaller lr, clip the gradient, or check the oracle with optlib.oracles.check_gradient"
        )


class Optimizer:
    """An update rule with its hyper-parameters: immutable, and without memory of its own.

    The memory of a run lives in a *state*, a dict of arrays, so ``np.savez(path, theta=theta, **state)`` is a
    checkpoint, and a run resumed from it equals an uninterrupted one bit for bit.

    Parameters
    ----------
    rule : a function of :mod:`optlib.rules`, or your own of the same form
    **hyper : its hyper-parameters; what is left out has the paper's default. A value may be a number, an array that
        broadcasts against theta, or a schedule: a callable of the number of updates already made (0, 1, 2, ...).

    Raises
    ------
    TypeError : an unknown name, or a value that is no number; ValueError : a value out of range.

    >>> from optlib.rules import momentum
    >>> optimizer = Optimizer(momentum, lr=0.1)
    >>> optimizer
    Optimizer(momentum, lr=0.1, gamma=0.9)
    >>> theta = np.array([1.0, 2.0])
    >>> state = optimizer.init(theta)
    >>> theta, state = optimizer.tell(theta, np.array([1.0, 0.0]), state)
    >>> theta, state["u"], int(state["t"])
    (array([0.9, 2. ]), array([0.1, 0. ]), 1)
    """

    __slots__ = ("_asks_for", "_given", "_look_ahead", "_numbers", "_scheduled", "_settled", "hyper", "memory", "rule")

    rule: Callable
    hyper: Mapping[str, Any]
    memory: tuple[str, ...]
    _given: tuple[str, ...]
    _numbers: dict[str, Any]  #: what `hyper` shows
    _settled: bool  #: whether these are the same numbers at every step, for every theta
    _scheduled: tuple[str, ...]
    _look_ahead: Callable | None
    _asks_for: tuple[tuple[str, int | None], ...]  #: what the look-ahead wants, and where in the memory it stands

    def __init__(self, rule: Callable, **hyper: Any):
        memory, given, defaults = specification(rule)
        for name in hyper:
            if name not in defaults:
                raise TypeError(_unknown(rule, name, defaults))
        values = {name: hyper.get(name, default) for name, default in defaults.items()}
        missing = [name for name, value in values.items() if value is inspect.Parameter.empty]
        if missing:
            raise TypeError(f"{_name(rule)} needs a value for {', '.join(missing)}: it has no default")
        values = {
            name: _scheduled(name, v) if callable(v) else checked_hyper(rule, name, v) for name, v in values.items()
        }
        low, high = values.get("low"), values.get("high")
        if isinstance(low, float) and isinstance(high, float) and low > high:
            raise ValueError(f"{_name(rule)}: low={low!r} lies above high={high!r}")
        put = object.__setattr__
        put(self, "rule", rule)
        put(self, "_numbers", values)
        put(self, "_settled", all(isinstance(value, float) for value in values.values()))
        put(self, "hyper", MappingProxyType(values))
        put(self, "memory", memory)
        put(self, "_given", given)
        put(self, "_scheduled", tuple(name for name, value in values.items() if callable(value)))
        look_ahead = rules.LOOK_AHEAD.get(rule)
        put(self, "_look_ahead", look_ahead)
        wanted = () if look_ahead is None else tuple(inspect.signature(look_ahead).parameters)[1:]
        put(self, "_asks_for", tuple((name, memory.index(name) if name in memory else None) for name in wanted))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"an Optimizer is immutable: make a new one, Optimizer({_name(self.rule)}, {name}=...)")

    def __reduce__(self) -> tuple:
        return _made, (self.rule, self._numbers)  # so that one can be copied, and sent to a worker

    def __repr__(self) -> str:
        hyper = ", ".join(f"{k}={_name(v)}" for k, v in self.hyper.items())
        return f"Optimizer({_name(self.rule)}{', ' if hyper else ''}{hyper})"

    def init(self, theta: ArrayLike) -> State:
        """The state before the first step: one array like theta for each memory, and the step count ``t`` = 0."""
        theta = as_point(theta)
        start = rules.START.get(self.rule, {})
        return {**{name: self._begin(name, start.get(name, 0.0), theta) for name in self.memory}, "t": np.asarray(0)}

    def _begin(self, name: str, value: float | str, theta: NDArray) -> NDArray:
        """A memory at the start: a number, theta itself, or the value of a hyper-parameter."""
        shape = self._shape(name, theta)
        if value == "theta":
            return theta.copy()
        if isinstance(value, str):
            if value in self._scheduled:
                raise TypeError(
                    f"{_name(self.rule)} starts its {name} at {value}, so {value} must be a number, no schedule"
                )
            value = _fitted(self.rule, value, self._numbers[value], theta)
        return np.broadcast_to(np.asarray(value, dtype=theta.dtype), shape).copy()

    def _shape(self, name: str, theta: NDArray) -> tuple[int, ...]:
        """The shape of a memory: theta's, or (..., d, d) for the matrices of a rule that sees whole vectors."""
        if name not in rules.WHOLE.get(self.rule, ()):
            return theta.shape
        if not theta.ndim:
            raise ValueError(f"{_name(self.rule)} sees whole vectors: theta must have shape (..., d), not ()")
        return (*theta.shape, theta.shape[-1])

    def ask(self, theta: ArrayLike, state: State) -> NDArray:
        """The point whose gradient `tell` wants next: theta itself, or where the rule looks ahead. Shape of theta."""
        theta = as_point(theta)
        self._check_state(state, theta)
        return self._ask(theta, self._memory(state), self._values(int(state["t"]), theta))

    def tell(
        self, theta: ArrayLike, g: ArrayLike, state: State, loss: ArrayLike | None = None, *, strict: bool = True
    ) -> tuple[NDArray, State]:
        """One update with the gradient g, of theta's shape: the new point and the new state. Changes nothing in place.

        `loss`, the function's value at theta, of shape (...), is needed by the rules that name it (`irprop_plus`).
        `strict` is as in `run`.

        Raises
        ------
        NotFinite : g or the new point holds NaN or infinity, with the step; ValueError : shapes that do not fit, or a
        state that belongs to another optimizer; TypeError : whole numbers where floats are needed.
        """
        theta = as_point(theta)
        self._check_state(state, theta)
        with np.errstate(all="ignore"):  # what overflows is reported, with its step
            g = as_gradient(g, theta, int(state["t"]) + 1)
            value = None if loss is None else lambda _: loss
            theta, memory, t = next(_steps(self, lambda _: g, theta, state, value, strict, timed=False))
        return theta, self._state(memory, t)

    def _memory(self, state: State) -> list[NDArray]:
        return [np.asarray(state[name]) for name in self.memory]  # lists, where it comes from JSON

    def _state(self, memory: Iterable[NDArray], t: int) -> State:
        return {**{name: np.asarray(m) for name, m in zip(self.memory, memory, strict=True)}, "t": np.asarray(t)}

    # The same without checks, for loops that have checked once.

    def _values(self, t: int, theta: NDArray | None = None) -> dict[str, Any]:
        if self._settled:
            return self._numbers
        now = {
            name: checked_hyper(self.rule, name, _at(name, self._numbers[name], t), f" at t={t}")
            for name in self._scheduled
        }
        now = {**self._numbers, **now}
        return now if theta is None else {name: _fitted(self.rule, name, v, theta) for name, v in now.items()}

    def _ask(self, theta: NDArray, memory: Sequence[NDArray], values: Mapping[str, Any]) -> NDArray:
        if self._look_ahead is None:
            return theta
        return self._look_ahead(theta, **{n: values[n] if i is None else memory[i] for n, i in self._asks_for})

    def _fitting(self, new: Any, kept: Any, theta: NDArray) -> NDArray:
        """What a rule returned as its point, as an array of theta's shape."""
        if not isinstance(kept, (tuple, list)):
            raise _no_step(self.rule, (new, kept))
        if np.shape(new) != theta.shape or len(kept) != len(self.memory):
            raise ValueError(
                f"{_name(self.rule)} returned a point of shape {np.shape(new)} and {len(kept)} memories; "
                f"theta has shape {theta.shape}, and the rule's signature names {len(self.memory)}"
            )
        return np.asarray(new)

    def _loss(self, theta: NDArray, loss: ArrayLike | None) -> NDArray:
        if loss is None:
            raise TypeError(
                f"{_name(self.rule)} compares losses: give tell(..., loss=...), or run and descend a loss=f"
            )
        value = np.asarray(loss, dtype=theta.dtype)
        return np.broadcast_to(value[..., None] if theta.ndim else value, theta.shape)

    def _check_state(self, state: State, theta: NDArray) -> None:
        names = {*self.memory, "t"}
        if not isinstance(state, Mapping) or state.keys() != names:
            raise ValueError(
                f"this state holds {_listed(state or ())}, but {_name(self.rule)} keeps {_listed(names)}: "
                "it comes from another optimizer. Start with optimizer.init(theta)"
            )
        for name in self.memory:
            shape = self._shape(name, theta)
            if np.shape(state[name]) != shape:
                raise ValueError(
                    f"memory {name!r} has shape {np.shape(state[name])}, but {shape} belongs to theta's {theta.shape}: "
                    "the state belongs to another problem. Start with optimizer.init(theta)"
                )
            kept = np.asarray(state[name]).dtype
            if kept.kind != "f":
                raise TypeError(f"memory {name!r} holds {kept} values: a memory is an array of floats")
            if kept != theta.dtype and isinstance(state[name], np.ndarray):
                raise TypeError(
                    f"memory {name!r} holds {kept} values, but theta {theta.dtype}: the points would change their "
                    "precision. Give both the same, as with state[name].astype(theta.dtype)"
                )
        t = np.asarray(state["t"])
        if t.ndim or t.dtype.kind not in "iuf" or not t >= 0 or t % 1:
            raise ValueError(f"t={state['t']!r} in the state is no count of updates: a whole number, 0 or more")


def run(
    optimizer: Optimizer, oracle: Oracle, theta: ArrayLike, state: State | None = None, *,
    loss: Oracle | None = None, strict: bool = True,
) -> Iterator[tuple[NDArray, State]]:  # fmt: skip
    """Walk without end, yielding `(theta, state)` after each update.

    Parameters
    ----------
    oracle : gradient at a point, ``theta -> g`` of the same shape; one that also names a parameter ``t`` is given the
        number of updates already made (so a stochastic oracle needs no memory, and a resumed run sees the same batches)
    theta : start, floats of shape (..., d); leading axes are independent runs
    state : where to resume from; by default the beginning
    loss : the function itself, theta -> value of shape (...), for the rules that compare losses
    strict : raise :class:`NotFinite` at the first NaN or infinity (True), or walk on through it (False), which many
        starts at once may want

    >>> from optlib import rules, surfaces
    >>> for theta, state in islice(run(Optimizer(rules.sgd, lr=0.5), surfaces.bowl.grad, [4.0, -2.0]), 3):
    ...     print(theta)
    [ 2. -1.]
    [ 1.  -0.5]
    [ 0.5  -0.25]
    """
    theta = _prepared(optimizer, oracle, theta)
    state = optimizer.init(theta) if state is None else state
    optimizer._check_state(state, theta)
    for point, memory, t in _quiet(_steps(optimizer, oracle, theta, state, loss, strict, takes_step(oracle))):
        yield point.copy(), optimizer._state([np.array(m) for m in memory], t)


def _steps(
    optimizer: Optimizer, oracle: Oracle, theta: NDArray, state: State, loss: Oracle | None, strict: bool, timed: bool
) -> Iterator[tuple[NDArray, Sequence[NDArray], int]]:
    """The one loop: point, memory and count after each update, which are its own and not to be changed.

    What overflows is reported with its step, so whoever goes through it silences NumPy's warnings (`_quiet`).
    """
    rule, given, values, count = optimizer.rule, optimizer._given, optimizer._numbers, len(optimizer.memory)
    settled, ahead, wants_loss = optimizer._settled, optimizer._look_ahead is not None, "loss" in given
    memory: Sequence[NDArray] = optimizer._memory(state)
    theta = theta.copy()  # an oracle that changes its argument changes no caller's
    shape, dtype, product = theta.shape, theta.dtype, np.ndarray.dot if theta.ndim == 1 else np.vdot
    for t in itertools.count(int(state["t"])):
        if not settled:
            values = optimizer._values(t, theta)
        point = optimizer._ask(theta, memory, values) if ahead else theta
        g = oracle(point, t=t) if timed else oracle(point)
        if type(g) is not np.ndarray or g.shape != shape or g.dtype != dtype:
            g = as_gradient(g, theta, t + 1)
        if not given:
            result = rule(theta, g, *memory, **values)
        elif not wants_loss:
            result = rule(theta, g, *memory, t + 1, **values)
        else:
            told = optimizer._loss(theta, None if loss is None else loss(point))
            result = rule(theta, g, *memory, told, *([t + 1] if "t" in given else ()), **values)
        if type(result) is not tuple or len(result) != 2:
            raise _no_step(rule, result)
        new, kept = result
        if type(new) is not np.ndarray or new.shape != shape or len(kept) != count:
            new = optimizer._fitting(new, kept, theta)
        # the oracle may fill its array anew; and a yielded point, kept in memory, would be the caller's too
        for m in kept:
            if m is g or m is theta:
                kept = [m.copy() if m is g or m is theta else m for m in kept]
                break
        theta, memory = new.copy() if new is g else new, kept
        # finite only if every number of both is: one pass where two would cost a tenth of a small step
        if strict and not math.isfinite(product(g, theta)):
            require_finite(g, "gradient", t + 1)
            require_finite(theta, "new point", t + 1)
        yield theta, memory, t + 1


def _prepared(optimizer: Optimizer, oracle: Oracle, theta: ArrayLike) -> NDArray:
    """The start of a walk as an array, or an error that says what was given in an optimizer's or oracle's place."""
    if not isinstance(optimizer, Optimizer):
        given = _name(optimizer)
        hint = f"write Optimizer({given}, lr=0.01)" if callable(optimizer) else "give an Optimizer(rule, lr=...)"
        raise TypeError(f"{given} is no Optimizer: {hint}")
    if not callable(oracle):
        raise TypeError(f"{oracle!r} is no oracle: give a function theta -> gradient, such as surfaces.bowl.grad")
    return as_point(theta)


def _quiet(steps: Iterator[Any]) -> Iterator[Any]:
    """The same items, each made without NumPy's warnings; the caller's own code between them keeps its settings."""
    while True:
        with np.errstate(all="ignore"):
            item = next(steps)
        yield item


def iterates(
    optimizer: Optimizer, oracle: Oracle, theta: ArrayLike, *, loss: Oracle | None = None, strict: bool = True
) -> Iterator[NDArray]:
    """The points of a walk, the start first, without end.

    >>> from optlib import rules, surfaces
    >>> walk = iterates(Optimizer(rules.sgd, lr=0.5), surfaces.bowl.grad, [4.0, -2.0])
    >>> next(walk), next(walk)
    (array([ 4., -2.]), array([ 2., -1.]))
    """
    theta = _prepared(optimizer, oracle, theta)
    yield theta.copy()
    state = optimizer.init(theta)
    for point, _, _ in _quiet(_steps(optimizer, oracle, theta, state, loss, strict, takes_step(oracle))):
        yield point.copy()


def descend(
    optimizer: Optimizer, oracle: Oracle, theta: ArrayLike, steps: int, *,
    loss: Oracle | None = None, strict: bool = True,
) -> NDArray:  # fmt: skip
    """The whole path of a walk: the start and `steps` points after it, stacked, of shape (steps + 1, ..., d).

    Parameters are those of `run`. The path is kept whole: of 1,000 steps in a million dimensions that is 8 GB, where
    `run` keeps one point (and `optlib.compile.kernel` makes its update one pass over memory).

    >>> from optlib import rules, surfaces
    >>> descend(Optimizer(rules.sgd, lr=0.5), surfaces.bowl.grad, [4.0, -2.0], steps=2)
    array([[ 4. , -2. ],
           [ 2. , -1. ],
           [ 1. , -0.5]])
    """
    steps = whole(steps, "steps", 0)
    theta = _prepared(optimizer, oracle, theta)
    if strict:
        require_finite(theta, "start", 0)
    path = np.empty((steps + 1, *theta.shape), theta.dtype)
    path[0] = theta
    walk = _steps(optimizer, oracle, theta, optimizer.init(theta), loss, strict, takes_step(oracle))
    with np.errstate(all="ignore"):
        for point, _, t in islice(walk, steps):
            path[t] = point
    return path


# --- reading a rule's signature -----------------------------------------------------------------


#: Positional names that are handed over behind the memory, if a rule has them, in this order.
GIVEN = ("loss", "t")


@cache
def specification(rule: Callable) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, Any]]:
    """What a rule's signature says: the names of its memory, which of `GIVEN` it takes, its hyper-parameters' defaults.

    >>> specification(rules.adam)[:2]
    (('m', 'v'), ('t',))
    """
    if not callable(rule):
        raise TypeError(f"{rule!r} is no rule: give a function such as optlib.rules.adam")
    parameters = inspect.signature(rule).parameters.values()
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    memory = [name for name in positional[2:] if name not in GIVEN]
    given = [name for name in GIVEN if name in positional]
    if positional != ["theta", "g", *memory, *given]:
        raise TypeError(
            f"{_name(rule)}({', '.join(positional)}) is no rule: its positional names must be theta, g, then its "
            "memory, then loss and t if it needs them; hyper-parameters stand behind a *"
        )
    return tuple(memory), tuple(given), {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def _made(rule: Callable, hyper: dict[str, Any]) -> Optimizer:
    return Optimizer(rule, **hyper)


def _no_step(rule: Callable, result: Any) -> TypeError:
    return TypeError(
        f"{_name(rule)} returned {' '.join(repr(result).split())[:60]}: a rule returns its new point and the tuple of "
        "its memory, as in `return theta, (m, v)` or `return theta, ()`"
    )


def _name(f: Any) -> str:
    return getattr(f, "__name__", None) or repr(f)


def _listed(names: Any) -> str:
    return ", ".join(sorted(map(str, names))) or "nothing"


def _unknown(rule: Callable, name: str, defaults: dict[str, Any]) -> str:
    near = difflib.get_close_matches(name, defaults, n=1, cutoff=0.4)
    has = ", ".join(f"{k}={v}" for k, v in defaults.items()) or "none"
    return f"{_name(rule)} has no hyper-parameter {name!r}; it has {has}." + (
        f" Did you mean {near[0]!r}?" if near else ""
    )


def _scheduled(name: str, schedule: Callable) -> Callable:
    if hasattr(schedule, "formula") and not hasattr(schedule, "constants"):  # a maker of schedules.TABLE itself
        call = f"{_name(schedule)}({', '.join(inspect.signature(schedule).parameters)})"
        raise TypeError(f"{name}={_name(schedule)} is a schedule without its constants: call it, as {call}")
    return schedule


def _at(name: str, schedule: Callable, t: int) -> Any:
    try:
        return schedule(t)
    except OverflowError:
        raise ValueError(f"{name}={_name(schedule)} grows beyond the largest float at t={t}") from None


_ANY = rules.Hyper(low=-np.inf)  #: what a hyper-parameter may be that only a rule of your own has


def checked_hyper(rule: Callable, name: str, value: Any, when: str = "") -> Any:
    """The value as a float (or an array of floats) if it lies in the name's range."""
    low, high, closed = (rules.HYPER.get(name) or _ANY)[1:4]
    if type(value) is float and (low <= value < high or (closed and value == high)):
        return value  # what a schedule gives at every step, without arrays
    try:
        array = _floats(value)
    except (TypeError, ValueError):
        raise TypeError(f"{_name(rule)}: {name}={value!r}{when} is no number") from None
    inside = (array >= low) & ((array <= high) if closed else (array < high))
    if not inside.all():
        allowed = f"[{low:g}, {high:g}{']' if closed else ')'}"
        raise ValueError(f"{_name(rule)}: {name}={value!r}{when} is out of range; allowed is {allowed}")
    return float(array) if array.ndim == 0 else array


def _floats(value: Any) -> NDArray:
    """A copy of the value as floats; what only looks like a number ("0.1", True, None) is refused."""
    array = np.asarray(value)
    if array.dtype.kind == "O":  # fractions, decimals
        return np.array([float(x) for x in array.ravel()]).reshape(array.shape)
    if array.dtype.kind not in "iuf":
        raise TypeError
    return np.array(array, dtype=float)


def _fitted(rule: Callable, name: str, value: Any, theta: NDArray) -> Any:
    """A hyper-parameter that is an array, in theta's precision, if it broadcasts against theta."""
    if not isinstance(value, np.ndarray):
        return value
    try:
        fits = np.broadcast_shapes(value.shape, theta.shape) == theta.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{_name(rule)}: {name} is an array of shape {value.shape}, "
            f"which does not broadcast to theta's {theta.shape}"
        )
    return value.astype(theta.dtype, copy=False)


# --- points and gradients -----------------------------------------------------------------------


def takes_step(oracle: Oracle) -> bool:
    """Whether an oracle names a parameter `t`, and so is to be given the number of updates already made."""
    try:
        return "t" in inspect.signature(oracle).parameters
    except (TypeError, ValueError):  # some built-in callables have no signature
        return False


def as_point(theta: ArrayLike) -> NDArray:
    array = np.asarray(theta)
    if array.dtype == np.float16:
        raise TypeError("theta is in half precision, in which every eps is 0: take float32")
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(
            f"theta holds {array.dtype} values ({np.array2string(array, threshold=4)}): a point must be floats, "
            "as in [1.0, 2.0], or its steps would be cut to whole numbers"
        )
    return array


def as_gradient(g: ArrayLike, theta: NDArray, step: int) -> NDArray:
    g = np.asarray(g)
    if g.dtype != theta.dtype:
        try:
            g = g.astype(theta.dtype, casting="unsafe" if g.dtype.kind in "iufO" else "safe")
        except (TypeError, ValueError):
            raise TypeError(f"the gradient holds {g.dtype} values at step {step}: an oracle returns numbers") from None
    if g.shape != theta.shape:
        raise ValueError(
            f"the gradient has shape {g.shape}, but theta has shape {theta.shape} (at step {step}): "
            "an oracle returns one number for every number of theta"
        )
    return g


def require_finite(array: NDArray, what: str, step: int) -> None:
    # The sum of squares is finite for almost every good array and one cheap pass; only a bad sum is looked into.
    if math.isfinite(np.vdot(array, array)) or np.isfinite(array).all():
        return
    bad = np.argwhere(~np.isfinite(np.atleast_1d(array)))
    first = tuple(int(i) for i in bad[0])
    raise NotFinite(what, step, f"{len(bad)} of {np.size(array)} numbers, the first at index {first}")
