"""The one class, the three ways to let it walk (`run`, `iterates`, `descend`), and checkpoints (`save`, `load`)."""

import difflib
import inspect
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import rules
from ._inputs import floats, guard, numbers, one_of, shown, unmade, whole
from ._written import draft

State = dict[str, NDArray]
Oracle = Callable[..., ArrayLike]


class NotFinite(FloatingPointError):
    """A gradient, a point or a memory became infinite or no number. `step` is the update where it appeared, from 1."""

    def __init__(self, what: str, step: int, where: str, advice: str = ""):
        super().__init__(what, step, where, advice)
        self.step = step

    def __str__(self) -> str:
        what, step, where, advice = self.args
        return f"the {what} is not finite at step {step} ({where}). " + (
            advice or _DIVERGED.format(", clip the gradient")
        )


_DIVERGED = (
    "The run has diverged or the oracle is wrong there: try a smaller lr{}, or check the oracle with "
    "optlib.oracles.check_gradient"
)


class Optimizer:
    """An update rule with its hyper-parameters: immutable, and without memory of its own.

    The memory of a run lives in a *state*, a dict of arrays that also names its rule, so ``np.savez(path, theta=theta,
    **state)`` is a checkpoint (as `save` and `load` keep it), and a run resumed from it equals an uninterrupted one bit
    for bit.

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

    rule: Callable
    hyper: Mapping[str, Any]
    memory: tuple[str, ...]
    given: tuple[str, ...]  #: what the rule is given behind its memory: "loss", "t", both or neither
    _label: NDArray  #: the rule's name, as a state keeps it
    _numbers: dict[str, Any]  #: what `hyper` shows
    _settled: bool  #: whether these are the same numbers at every step, for every theta
    _scheduled: tuple[str, ...]
    _look_ahead: Callable | None
    _asks_for: tuple[tuple[str, int | None], ...]  #: what the look-ahead wants, and where in the memory it stands

    def __init__(self, rule: Callable, **hyper: Any):
        memory, given, defaults = specification(rule)
        for name in hyper:
            if name not in defaults:
                near = difflib.get_close_matches(name, defaults, n=1, cutoff=0.4)
                has = ", ".join(f"{k}={v}" for k, v in defaults.items()) or "none"
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise TypeError(f"{_name(rule)} has no hyper-parameter {name!r}; it has {has}.{hint}")
        values = {name: hyper.get(name, default) for name, default in defaults.items()}
        missing = [name for name, value in values.items() if value is inspect.Parameter.empty]
        if missing:
            raise TypeError(f"{_name(rule)} needs a value for {', '.join(missing)}: it has no default")
        values = {
            name: _scheduled(name, v) if callable(v) else checked_hyper(rule, name, v) for name, v in values.items()
        }
        _check_limits(rule, values)
        look_ahead = rules.LOOK_AHEAD.get(rule)
        wanted = () if look_ahead is None else tuple(inspect.signature(look_ahead).parameters)[1:]
        vars(self).update(
            rule=rule, memory=memory, given=given, hyper=MappingProxyType(values), _numbers=values,
            _label=np.asarray(getattr(rule, "__name__", "")), _look_ahead=look_ahead,
            _settled=all(isinstance(value, (float, str)) for value in values.values()),
            _scheduled=tuple(name for name, value in values.items() if callable(value)),
            _asks_for=tuple((name, memory.index(name) if name in memory else None) for name in wanted),
        )  # fmt: skip

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"an Optimizer is immutable: make a new one, Optimizer({_name(self.rule)}, {name}=...)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("an Optimizer is immutable: nothing of it can be deleted")

    def __reduce__(self) -> tuple:
        return partial(Optimizer, self.rule, **self._numbers), ()  # so that one can be copied, and sent to a worker

    def __repr__(self) -> str:
        hyper = ", ".join(f"{k}={_name(v)}" for k, v in self.hyper.items())
        return f"Optimizer({_name(self.rule)}{', ' if hyper else ''}{hyper})"

    def init(self, theta: ArrayLike) -> State:
        """The state before the first step: one array like theta for each memory, and the step count ``t`` = 0."""
        theta = as_point(theta)
        if not np.isfinite(theta).all():
            floats(theta)
        start = rules.START.get(self.rule, {})
        return self._state([self._begin(name, start.get(name, 0.0), theta) for name in self.memory], 0)

    def _begin(self, name: str, value: float | str, theta: NDArray) -> NDArray:
        """A memory at the start: a number, theta itself, or the value of a hyper-parameter."""
        shape = self.shape_of(name, theta)
        if value == "theta":
            return theta.copy()
        if isinstance(value, str):
            if value in self._scheduled:
                raise TypeError(
                    f"{_name(self.rule)} starts its {name} at {value}, so {value} must be a number, no schedule"
                )
            value = _fitted(self.rule, value, self._numbers[value], theta)
        return np.broadcast_to(np.asarray(value, dtype=theta.dtype), shape).copy()

    def shape_of(self, name: str, theta: NDArray) -> tuple[int, ...]:
        """The shape of a memory: theta's, or what `rules.SHAPES` says of a rule that sees whole vectors or matrices."""
        one_of(name, "name", self.memory)
        sees = rules.WHOLE.get(self.rule, 0)
        if theta.ndim < sees:
            wants = (
                "matrices: theta must have shape (..., a, b)"
                if sees == 2
                else "vectors: theta must have shape (..., d)"
            )
            hint = "; optlib.layered hands it the matrices in a model's theta" * (sees == 2)
            raise ValueError(f"{_name(self.rule)} sees whole {wants}, not {theta.shape}{hint}")
        sides = rules.SHAPES.get(self.rule, {}).get(name)
        if sides is None:
            return theta.shape
        size = dict(zip("ab"[2 - sees :], theta.shape[-sees:], strict=True))
        return (*theta.shape[: theta.ndim - sees], *(size[side] for side in sides))

    @property
    def whole(self) -> bool:
        """Whether the rule must see all of theta at once, so that no piece of it can be updated alone."""
        return self.rule in rules.WHOLE

    def _checked(self, result: Any, theta: NDArray) -> tuple[NDArray, Sequence[Any]]:
        """What the rule returned for this theta, as its point and its memory, or an error that says what is wrong."""
        if type(result) is not tuple or len(result) != 2 or not isinstance(result[1], (tuple, list)):
            raise TypeError(
                f"{_name(self.rule)} returned {' '.join(repr(result).split())[:60]}: a rule returns its new point and "
                "the tuple of its memory, as in `return theta, (m, v)` or `return theta, ()`"
            )
        new, kept = result
        new = new if type(new) is np.ndarray else np.asarray(new)
        if new.shape != theta.shape or len(kept) != len(self.memory):
            raise ValueError(
                f"{_name(self.rule)} returned a point of shape {new.shape} and {len(kept)} memories; "
                f"theta has shape {theta.shape}, and the rule's signature names {len(self.memory)}{self._arrays()}"
            )
        return new, kept

    def _arrays(self) -> str:
        """Which hyper-parameters are arrays, where the shape of what a rule returns has gone astray."""
        shapes = [f"{name} of shape {value.shape}" for name, value in self._numbers.items() if np.ndim(value)]
        return f"; among its hyper-parameters are arrays, {', '.join(shapes)}" if shapes else ""

    def ask(self, theta: ArrayLike, state: State) -> NDArray:
        """The point whose gradient `tell` wants next: theta itself, or where the rule looks ahead. Shape of theta."""
        theta = as_point(theta)
        self._check_state(state, theta)
        point = self._ask(theta, self._memory(state, theta), self._values(int(state["t"]), theta))
        return point.copy() if np.may_share_memory(point, theta) else point

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
        self._check_state(state, theta, strict)
        with np.errstate(all="ignore"):  # what overflows is reported, with its step
            g = as_gradient(g, theta, int(state["t"]) + 1, "the gradient g")
            value = None if loss is None else lambda _: loss
            theta, memory, t, _ = next(_steps(self, lambda _: g, theta, state, value, strict, timed=False))
        return theta, self._state(memory, t)

    def _memory(self, state: State, theta: NDArray) -> list[NDArray]:
        return [np.asarray(state[name], dtype=theta.dtype) for name in self.memory]  # lists, where it comes from JSON

    def _state(self, memory: Iterable[NDArray], t: int) -> State:
        kept = {name: np.asarray(m) for name, m in zip(self.memory, memory, strict=True)}
        return {**kept, "t": np.asarray(t), "rule": self._label}

    # The same without checks, for loops that have checked once.

    def _values(self, t: int, theta: NDArray | None = None) -> dict[str, Any]:
        if self._settled:
            return self._numbers
        now = {
            name: checked_hyper(self.rule, name, _at(name, self._numbers[name], t), f" at t={t}")
            for name in self._scheduled
        }
        now = {**self._numbers, **now}
        _check_limits(self.rule, now)
        return now if theta is None else {name: _fitted(self.rule, name, v, theta) for name, v in now.items()}

    def _ask(self, theta: NDArray, memory: Sequence[NDArray], values: Mapping[str, Any]) -> NDArray:
        if self._look_ahead is None:
            return theta
        return self._look_ahead(theta, **{n: values[n] if i is None else memory[i] for n, i in self._asks_for})

    def _check_kept(self, kept: Sequence[Any], theta: NDArray) -> None:
        """What a rule returned as its memory is as large as theta, or one number."""
        for name, memory in zip(self.memory, kept, strict=True):
            array, shape = numbers(memory, f"{_name(self.rule)}'s memory {name!r}"), self.shape_of(name, theta)
            if array.shape not in (shape, ()):
                raise ValueError(
                    f"{_name(self.rule)} returned a memory {name!r} of shape {array.shape}; it belongs to theta's "
                    f"{theta.shape}, so it must have shape {shape}"
                )

    def _check_rounded(self, theta: NDArray) -> None:
        """No hyper-parameter is 0 in theta's precision that is not 0: an epsilon would no longer do its work."""
        for name, value in self._numbers.items():
            if isinstance(value, float) and value and not theta.dtype.type(value):
                raise ValueError(f"{_name(self.rule)}: {name}={value!r} is 0 in {theta.dtype}: make it larger")

    def _loss(self, theta: NDArray, loss: ArrayLike | None) -> NDArray:
        if loss is None:
            raise TypeError(
                f"{_name(self.rule)} compares losses: give tell(..., loss=...), or run and descend a loss=f"
            )
        value = numbers(loss, "the loss").astype(theta.dtype, copy=False)
        if value.shape != theta.shape[:-1]:
            raise ValueError(
                f"the loss has shape {value.shape}, but theta has shape {theta.shape}: it must be "
                f"{'a single number' if theta.ndim < 2 else f'one number for each start, {theta.shape[:-1]}'}"
            )
        return np.broadcast_to(value[..., None] if theta.ndim else value, theta.shape)

    def _check_state(self, state: State, theta: NDArray, strict: bool = False) -> None:
        names = {*self.memory, "t"}
        if not isinstance(state, Mapping):
            raise TypeError(f"state={shown(state)}: it must be a dict of arrays, as optimizer.init(theta) makes it")
        of = str(state.get("rule", self._label))  # a checkpoint of old names none
        if of != self._label:
            raise ValueError(
                f"this state belongs to {of}, but the optimizer's rule is {_name(self.rule)}: memories of one name "
                "need not be one thing. Start with optimizer.init(theta)"
            )
        if state.keys() - {"rule"} != names:
            raise ValueError(
                f"this state holds {_listed(state.keys() - {'rule'})}, but {_name(self.rule)} keeps {_listed(names)}: "
                "it comes from another optimizer. Start with optimizer.init(theta)"
            )
        for name in self.memory:
            shape, memory = self.shape_of(name, theta), numbers(state[name], f"memory {name!r}")
            if memory.shape != shape:
                raise ValueError(
                    f"memory {name!r} has shape {memory.shape}, but {shape} belongs to theta's {theta.shape}: "
                    "the state belongs to another problem. Start with optimizer.init(theta)"
                )
            kept = np.asarray(state[name]).dtype
            if kept != theta.dtype and isinstance(state[name], np.ndarray):
                raise TypeError(
                    f"memory {name!r} holds {kept} values, but theta {theta.dtype}: the points would change their "
                    "precision. Give both the same, as with state[name].astype(theta.dtype)"
                )
            if strict and not np.isfinite(memory).all():
                raise ValueError(f"memory {name!r} of the state is not finite: start with optimizer.init(theta)")
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
    theta, state = _prepared(optimizer, oracle, theta, state, loss, strict)
    walk = _steps(optimizer, oracle, theta, state, loss, strict, takes_step(oracle))
    return ((point.copy(), optimizer._state([np.array(m) for m in memory], t)) for point, memory, t, _ in _quiet(walk))


def _steps(
    optimizer: Optimizer, oracle: Oracle, theta: NDArray, state: State, loss: Oracle | None, strict: bool, timed: bool
) -> Iterator[tuple[NDArray, Sequence[NDArray], int, NDArray]]:
    """The one loop: point, memory, count and gradient of each update, which are its own and not to be changed.

    What overflows is reported with its step, so whoever goes through it silences NumPy's warnings (`_quiet`).
    """
    rule, given, values, count = optimizer.rule, optimizer.given, optimizer._numbers, len(optimizer.memory)
    checked, settled, ahead, wants_loss = (
        optimizer._checked,
        optimizer._settled,
        optimizer._look_ahead is not None,
        "loss" in given,
    )
    memory: Sequence[NDArray] = optimizer._memory(state, theta)
    theta = theta.copy()  # an oracle that changes its argument changes no caller's
    optimizer._check_rounded(theta)
    pairs = [(i, min(i + 1, count - 1)) for i in range(0, count, 2)]
    first = True
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
            if strict:
                require_finite(told, "loss", t + 1)
            result = rule(theta, g, *memory, told, *([t + 1] if "t" in given else ()), **values)
        new, kept = checked(result, theta)
        if first:
            first = False
            optimizer._check_kept(kept, theta)
            if any(np.shape(m) != shape for m in kept):  # matrices, or numbers: each for itself
                pairs = [(i, i) for i in range(count)]
            inner = product if all(np.shape(m) == shape for m in kept) else np.vdot
        # the oracle may fill its array anew; and a yielded point, kept in memory, would be the caller's too
        for m in kept:
            if m is g or m is theta:
                kept = [m.copy() if m is g or m is theta else m for m in kept]
                break
        theta, memory = new.copy() if new is g else new, kept
        # finite only if every number of both is: one pass where two would cost a tenth of a small step
        if strict:
            found = product(g, theta)
            for i, j in pairs:
                found += inner(memory[i], memory[j])
            if not math.isfinite(found):
                advice = _DIVERGED.format("") if getattr(oracle, "clips", False) else ""
                require_finite(g, "gradient", t + 1, advice)
                require_finite(theta, "new point", t + 1, advice)
                for name, array in zip(optimizer.memory, memory, strict=True):
                    require_finite(array, f"memory {name!r}", t + 1, _TOO_LARGE.format(theta.dtype))
        yield theta, memory, t + 1, g


_TOO_LARGE = "A gradient so large does not fit into a memory of {}, which would stay there: clip it, or scale the loss"


def _prepared(
    optimizer: Optimizer, oracle: Oracle, theta: ArrayLike, state: State | None, loss: Oracle | None, strict: bool
) -> tuple[NDArray, State]:
    """Start and state of a walk, or an error that says what was given in whose place."""
    if not isinstance(optimizer, Optimizer):
        given = _name(optimizer)
        hint = f"write Optimizer({given}, lr=0.01)" if callable(optimizer) else "give an Optimizer(rule, lr=...)"
        raise TypeError(f"optimizer={given} is no Optimizer: {hint}")
    check_oracle(oracle)
    if loss is not None and not callable(loss):
        raise TypeError(f"loss={shown(loss)}: it must be a function, theta -> value")
    theta = as_point(theta)
    if not theta.size:
        raise ValueError(f"theta has shape {theta.shape}: there is nothing in it to move")
    if strict:
        require_finite(theta, "start", 0, "Give theta numbers to begin with")
    state = optimizer.init(theta) if state is None else state
    optimizer._check_state(state, theta, strict)
    return theta, state


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
    theta, state = _prepared(optimizer, oracle, theta, None, loss, strict)
    walk = _quiet(_steps(optimizer, oracle, theta, state, loss, strict, takes_step(oracle)))
    return itertools.chain([theta.copy()], (point.copy() for point, *_ in walk))


class Descent(NamedTuple):
    """How a walk went: what `descend` returns with ``report=True``."""

    path: NDArray  #: the points that were kept, of shape (n, ..., d)
    theta: NDArray  #: the last point
    state: State  #: the optimizer's state there, to go on from
    steps: int  #: updates made
    reason: str  #: why it ended: "steps" if all were made, else what `stop` said
    #: The effective rate of each coordinate at each step, of shape (steps, ..., d): how far it went down its gradient
    #: over that gradient; NaN or infinite where that is 0. None where not every point was kept.
    rates: NDArray | None


def descend(
    optimizer: Optimizer, oracle: Oracle, theta: ArrayLike, steps: int, *,
    loss: Oracle | None = None, strict: bool = True, state: State | None = None,
    keep: Literal["all", "last"] = "all", every: int = 1, stop: Any = None, each: Callable[..., Any] | None = None,
    report: bool = False,
) -> Any:  # fmt: skip
    """The path of a walk: the start and `steps` points after it, stacked, of shape (steps + 1, ..., d).

    Parameters
    ----------
    optimizer, oracle, theta, state, loss, strict : as in `run`
    steps : updates to make, 0 or more
    keep : "all" points, or the "last" alone, of theta's shape: of 1,000 steps in a million dimensions all are 8 GB
    every : keep the start, each so many-th point and the last one
    stop : when to end early. A function of theta, which may also name ``g``, the gradient that led there, and ``t``,
        the updates made; it returns a reason (or True), or nothing to go on. Or a criterion of `optlib.tricks`, such
        as ``Patience(10)``, which is told ``loss(theta)`` after each step
    each : a function like `stop` that is called after each step, for progress or a record; what it returns is ignored
    report : return a `Descent` (path, theta, state, steps, reason, effective rates) rather than the path

    >>> from optlib import rules, surfaces
    >>> descend(Optimizer(rules.sgd, lr=0.5), surfaces.bowl.grad, [4.0, -2.0], steps=2)
    array([[ 4. , -2. ],
           [ 2. , -1. ],
           [ 1. , -0.5]])
    >>> flat = lambda theta, g: "flat" if abs(g).max() < 0.01 else None
    >>> end = descend(Optimizer(rules.sgd, lr=0.5), surfaces.bowl.grad, [4.0, -2.0], 99, stop=flat, report=True)
    >>> end.steps, end.reason, end.rates[0]
    (10, 'flat', array([0.5, 0.5]))
    """
    steps, every = whole(steps, "steps", 0), whole(every, "every")
    if keep not in ("all", "last") or (keep == "last" and every > 1):
        raise ValueError(
            f"keep={shown(keep)}, every={every}: give keep='all' or 'last', or every=k for each k-th point"
        )
    theta, state = _prepared(optimizer, oracle, theta, state, loss, strict)
    judge, watch = _judge(stop, loss), None if each is None else _caller(each, "each")
    path = np.empty((1 if keep == "last" else steps // every + 2, *theta.shape), theta.dtype)
    path[0], count, made, reason = theta, 1, 0, "steps"
    memory: Sequence[NDArray] | None = None
    gradients = np.empty_like(path[1:]) if report and keep == "all" and every == 1 else None
    walk = _steps(optimizer, oracle, theta, state, loss, strict, takes_step(oracle))
    with np.errstate(all="ignore"):
        plain = keep == "all" and every == 1 and watch is None and judge is None
        for made, (theta, memory, t, g) in enumerate(islice(walk, steps), 1):  # noqa: B007
            if gradients is not None:
                gradients[made - 1] = g
            if plain:
                path[made] = theta
                continue
            if keep == "all" and made % every == 0:
                path[count] = theta
                count += 1
            if watch is not None:
                watch(theta, g, t)
            if judge is not None and (said := judge(theta, g, t)):
                reason = said
                break
    count = made + 1 if plain else count
    if keep == "last" or made % every:
        path[count - (keep == "last")] = theta
        count += keep == "all"
    path = path[:count]
    if not report:
        return path[0] if keep == "last" else path
    if memory is not None:
        state = optimizer._state([np.array(m) for m in memory], t)
    with np.errstate(all="ignore"):
        rates = None if gradients is None else (path[:-1] - path[1:]) / gradients[:made]
    return Descent(path, theta.copy(), state, made, reason, rates)


def _caller(f: Callable, what: str) -> Callable[[NDArray, NDArray, int], Any]:
    """A function of theta that is also given g and t if it names them; it gets copies."""
    if not callable(f):
        raise TypeError(f"{what}={shown(f)}: it must be a function of theta, and of g and t if it names them")
    if made := unmade(f):
        raise TypeError(f"{what}={made}")
    named = inspect.signature(f).parameters
    wants_g, wants_t = "g" in named, "t" in named
    try:
        inspect.signature(f).bind(0, **({"g": 0} if wants_g else {}), **({"t": 0} if wants_t else {}))
    except TypeError:
        raise TypeError(
            f"{what}={_name(f)}({', '.join(named)}) cannot be called with theta, and with g and t if it names them"
        ) from None

    def call(theta: NDArray, g: NDArray, t: int) -> Any:
        return f(theta.copy(), **({"g": g.copy()} if wants_g else {}), **({"t": t} if wants_t else {}))

    return call


def _judge(stop: Any, loss: Oracle | None) -> Callable[[NDArray, NDArray, int], str | None] | None:
    """A function that says why to stop, or nothing."""
    if stop is None:
        return None
    if hasattr(stop, "tell") and not isinstance(stop, type):
        if loss is None:
            raise TypeError(f"stop={type(stop).__name__} is told losses: give a loss=f, too")
        progress = stop.init()

        def told(theta: NDArray, g: NDArray, t: int) -> str | None:
            nonlocal progress
            progress = stop.tell(progress, loss(theta))
            return type(stop).__name__ if progress.stop else None

        return told
    ask = _caller(stop, "stop")

    def judge(theta: NDArray, g: NDArray, t: int) -> str | None:
        said = ask(theta, g, t)
        if not (said is None or isinstance(said, (str, bool, np.bool_))):
            raise TypeError(f"stop gave {shown(said)}: it must give True, a reason, or nothing to go on")
        return said if isinstance(said, str) else _name(stop) if said else None

    return judge


# --- checkpoints ----------------------------------------------------------------------------------


def save(path: str | os.PathLike, theta: ArrayLike, state: State) -> None:
    """A checkpoint as one file, whole or not at all: what ``np.savez(path, theta=theta, **state)`` writes.

    >>> from tempfile import TemporaryDirectory
    >>> from optlib import rules
    >>> optimizer, theta = Optimizer(rules.adam), np.array([1.0, 2.0])
    >>> with TemporaryDirectory() as folder:
    ...     save(f"{folder}/run.npz", theta, optimizer.init(theta))
    ...     theta, state = load(f"{folder}/run.npz")
    >>> theta, sorted(state)
    (array([1., 2.]), ['m', 'rule', 't', 'v'])
    """
    if not isinstance(state, Mapping) or "t" not in state:
        raise TypeError(f"state={shown(state)}: it must be an optimizer's state, a dict of arrays with t")
    for name, value in state.items():
        if not isinstance(name, str) or name == "theta" or np.asarray(value).dtype.kind not in "iufU":
            raise TypeError(f"state holds {name!r}: {shown(value)}, which is no array of an optimizer's state")
    if Path(path).is_dir():
        raise ValueError(f"path={shown(str(path))} is a folder: name a file in it, such as run.npz")
    with draft(Path(path)) as new, new.open("wb") as file:
        np.savez(file, **{"theta": floats(as_point(theta)), **state})  # type: ignore[arg-type]


def load(path: str | os.PathLike) -> tuple[NDArray, State]:
    """Theta and state of a checkpoint, for `run` or `descend` to go on from.

    Raises
    ------
    ValueError : a file that is no checkpoint. OSError : none can be read there.
    """
    try:
        with Path(path).open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                raise ValueError("it holds one array")
            state = {name: stored[name] for name in stored.files}
        theta = state.pop("theta")
        state["t"]
    except (ValueError, KeyError, AttributeError, EOFError, BadZipFile) as error:
        raise ValueError(f"path={shown(str(path))} is no checkpoint: optlib.save writes one ({error})") from None
    return theta, state


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
        raise TypeError(f"rule={rule!r} is no rule: give a function such as optlib.rules.adam")
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


def _name(f: Any) -> str:
    return getattr(f, "__name__", None) or repr(f)


def _listed(names: Any) -> str:
    return ", ".join(sorted(map(str, names))) or "nothing"


def _scheduled(name: str, schedule: Callable) -> Callable:
    if made := unmade(schedule):
        raise TypeError(f"{name}={made}")
    return schedule


def _at(name: str, schedule: Callable, t: int) -> Any:
    try:
        return schedule(t)
    except OverflowError:
        raise ValueError(f"{name}={_name(schedule)} grows beyond the largest float at t={t}") from None
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise TypeError(
            f"{name}={_name(schedule)} cannot be called with t={t}, the updates made, as a schedule is: {error}"
        ) from error


def _check_limits(rule: Callable, values: Mapping[str, Any]) -> None:
    low, high = values.get("low"), values.get("high")
    if low is None or high is None or callable(low) or callable(high):
        return
    if np.any(np.asarray(low) > high):
        raise ValueError(f"{_name(rule)}: low={low!r} lies above high={high!r}")


_ANY = rules.Hyper(low=-np.inf)  #: what a hyper-parameter may be that only a rule of your own has


def checked_hyper(rule: Callable, name: str, value: Any, when: str = "") -> Any:
    """The value as a float (or an array of floats) if it lies in the name's range."""
    known = rules.HYPER.get(name) or _ANY
    if known.names is not None:
        if not isinstance(value, str) or value not in known.names:
            allowed = ", ".join(map(repr, known.names))
            raise (ValueError if isinstance(value, str) else TypeError)(
                f"{_name(rule)}: {name}={shown(value)} is unknown; allowed are {allowed}"
            )
        return value
    low, high, closed = known[1:4]
    if type(value) is float and (low <= value < high or (closed and value == high)):
        return value  # what a schedule gives at every step, without arrays
    try:
        array = np.array(numbers(value, name), dtype=float)
        if np.asarray(value).dtype.kind == "b":
            raise TypeError
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{_name(rule)}: {name}={shown(value)}{when} is no number") from None
    inside = (array >= low) & ((array <= high) if closed else (array < high))
    if not inside.all():
        allowed = f"[{low:g}, {high:g}{']' if closed else ')'}"
        raise ValueError(f"{_name(rule)}: {name}={value!r}{when} is out of range; allowed is {allowed}")
    return float(array) if array.ndim == 0 else array


def _fitted(rule: Callable, name: str, value: Any, theta: NDArray) -> Any:
    """A hyper-parameter that is an array, in theta's precision, if it broadcasts against theta."""
    if not isinstance(value, np.ndarray):
        return value
    if rules.WHOLE.get(rule) == 2 and value.shape[-2:] != (1, 1):
        raise ValueError(
            f"{_name(rule)}: {name} is an array of shape {value.shape}, but the rule sees whole matrices: it must be "
            "one number, or one for each matrix, of shape (..., 1, 1)"
        )
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


def check_oracle(oracle: Any, name: str = "oracle") -> None:
    """What is given can be called as oracle(theta), or as oracle(theta, t=...)."""
    if not callable(oracle):
        raise TypeError(
            f"{name}={shown(oracle)} is no oracle: give a function theta -> gradient, such as surfaces.bowl.grad"
        )
    if isinstance(oracle, type):
        hint = unmade(oracle) or f"{shown(oracle)} is a class: give a function theta -> gradient"
        raise TypeError(f"{name}={hint}")
    try:
        signature = inspect.signature(oracle)
    except (TypeError, ValueError):  # some built-in callables have no signature
        return
    try:
        signature.bind(0, **({"t": 0} if "t" in signature.parameters else {}))
    except TypeError:
        raise TypeError(
            f"{name}={_name(oracle)}({', '.join(signature.parameters)}) cannot be called as {name}(theta), or as "
            f"{name}(theta, t=...): its first argument is the point, and one that counts updates must be called t"
        ) from None


def as_point(theta: ArrayLike) -> NDArray:
    if np.ma.is_masked(theta):
        numbers(theta, "theta")
    try:
        array = np.asarray(theta)
    except ValueError:
        raise TypeError(f"theta is {shown(theta)}: its rows differ in length, and it must be one array") from None
    if array.dtype == np.float16:
        raise TypeError("theta is in half precision, in which every eps is 0: take float32")
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(
            f"theta holds {array.dtype} values ({np.array2string(array, threshold=4)}): a point must be floats, "
            "as in [1.0, 2.0], or its steps would be cut to whole numbers"
        )
    return array


def as_gradient(g: ArrayLike, theta: NDArray, step: int, what: str = "the gradient") -> NDArray:
    if g is None:
        raise TypeError(f"the oracle returned None at step {step}: does its function end with `return`?")
    g = numbers(g, f"{what} at step {step}").astype(theta.dtype, copy=False)
    if g.shape != theta.shape:
        raise ValueError(
            f"{what} has shape {g.shape}, but theta has shape {theta.shape} (at step {step}): "
            "an oracle returns one number for every number of theta"
        )
    return g


def require_finite(array: NDArray, what: str, step: int, advice: str = "") -> None:
    # The sum of squares is finite for almost every good array and one cheap pass; only a bad sum is looked into.
    if math.isfinite(np.vdot(array, array)) or np.isfinite(array).all():
        return
    bad = np.argwhere(~np.isfinite(np.atleast_1d(array)))
    first = tuple(int(i) for i in bad[0])
    raise NotFinite(what, step, f"{len(bad)} of {np.size(array)} numbers, the first at index {first}", advice)


guard(globals(), "Optimizer", "run", "iterates", "descend", "save", "load", late=True)
