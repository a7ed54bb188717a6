r"""Schedules: a hyper-parameter as a function of time, as data. Each name here makes a `Schedule`.

`t` is the number of updates already made, so the first update sees ``t = 0`` and the start value, as in
PyTorch and optax.

>>> from optlib import Optimizer, descend, rules, surfaces
>>> lr = exponential(0.5, gamma=0.5)
>>> [lr(t) for t in range(3)]
[0.5, 0.25, 0.125]
>>> Optimizer(rules.sgd, lr=lr)
Optimizer(sgd, lr=exponential(start=0.5, gamma=0.5))
>>> descend(Optimizer(rules.sgd, lr=lr), surfaces.bowl.grad, [4.0, 0.0], steps=2)[-1]
array([1.5, 0. ])

A schedule is a formula and its constants, as a surface is: it can be compared, printed, sent to another process, and
compiled. What decorates a formula here says which of its constants must be positive.
Any other callable ``t -> value`` serves as a schedule too. One that looks at the loss has a state of its own and is
told the loss: `Plateau`.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import cos, floor, inf, isfinite, log, pi, sqrt
from typing import Any

import numpy as np

from ._inputs import guard, number, refused, scalar, shown, whole


@dataclass(frozen=True, init=False)
class Schedule:
    """A formula ``(t, *, constants) -> value`` with its constants; calling it with t gives the value there.

    Parameters
    ----------
    formula : a plain function of the clock t, its constants keyword-only
    **constants : their values; what is left out has the formula's default. One may be another schedule.

    Raises
    ------
    TypeError : a constant that is missing or that the formula does not have.

    >>> def wave(t, *, high, period):
    ...     return high * (1 + cos(2 * pi * t / period)) / 2
    >>> lr = Schedule(wave, high=0.1, period=100)
    >>> lr, lr(50), lr == Schedule(wave, high=0.1, period=100)
    (wave(high=0.1, period=100), 0.0, True)
    """

    formula: Callable[..., Any]
    constants: tuple[tuple[str, Any], ...]
    _values: dict[str, Any] = field(repr=False, compare=False)

    def __init__(self, formula: Callable[..., Any], **constants: Any):
        clock, *wanted = inspect.signature(formula).parameters.values()
        if clock.name != "t" or any(p.kind is not p.KEYWORD_ONLY for p in wanted):
            raise TypeError(f"{formula.__name__} is no formula of a schedule: write it as f(t, *, constants)")
        values = {p.name: constants.pop(p.name, p.default) for p in wanted}
        missing = [name for name, value in values.items() if value is inspect.Parameter.empty]
        if constants or missing:
            raise TypeError(
                f"{formula.__name__} has the constants {', '.join(values) or 'none'}: "
                + (f"there is no {', '.join(constants)}" if constants else f"{', '.join(missing)} is missing")
            )
        values = {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
        put = object.__setattr__
        put(self, "formula", formula)
        put(self, "constants", tuple(values.items()))
        put(self, "_values", values)

    def __call__(self, t: float) -> Any:
        try:
            if not t >= 0:
                raise ValueError(f"t={t!r}: it must be a time, 0 or more")
            return self.formula(t, **self._values)
        except (TypeError, ValueError, ArithmeticError) as error:
            if wrong := refused(self.formula, {"t": t}):
                raise wrong[1] from None
            raise type(error)(f"{self!r} has no value at t={t!r}: {error}") from None

    def __repr__(self) -> str:
        return f"{self.formula.__name__}({', '.join(f'{name}={value!r}' for name, value in self.constants)})"


#: The maker of each schedule, by name: ``TABLE["cosine"](high=0.1, steps=100)``.
TABLE: dict[str, Callable[..., Schedule]] = {}


def _length(value: Any) -> Any:
    """A length in steps as a whole number, if it is one but for rounding, as 0.1 * 30 is."""
    if not isinstance(value, (float, np.floating)) or not isfinite(value):
        return value
    x = float(value)
    return round(x) if abs(x - round(x)) < 1e-9 * abs(x) else value


def _positive(**values: float) -> None:
    for name, value in values.items():
        number(value, name, open_low=True)


def _maker(*positive: str, check: Callable[..., Any] | None = None) -> Callable[[Callable], Callable[..., Schedule]]:
    """A formula's name becomes the maker of its schedules: the constants in order, without t."""

    def decorate(formula: Callable[..., Any]) -> Callable[..., Schedule]:
        signature = inspect.signature(formula)
        constants = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in [*signature.parameters.values()][1:]]
        signature = signature.replace(parameters=constants, return_annotation=Schedule)
        whole = [p.name for p in constants if p.annotation is int]

        def make(*args: Any, **kwargs: Any) -> Schedule:
            given = signature.bind(*args, **kwargs)
            given.apply_defaults()
            given.arguments.update({name: _length(given.arguments[name]) for name in whole})
            if wrong := refused(formula, given.arguments):
                raise wrong[1]
            _positive(**{name: given.arguments[name] for name in positive})
            if check is not None:
                check(**given.arguments)
            return Schedule(formula, **given.arguments)

        make.__name__, make.__qualname__, make.__doc__ = formula.__name__, formula.__name__, formula.__doc__
        make.__signature__, make.__wrapped__, make.formula = signature, formula, formula  # type: ignore[attr-defined]
        formula.__qualname__ = f"{formula.__name__}.formula"  # where pickle finds it
        TABLE[formula.__name__] = make
        return make

    return decorate


def _check_rise(rise: float, steps: float, **_: float) -> None:
    if number(rise, "rise", 0.0, 1.0, open_low=True) * steps < 1:
        raise ValueError(f"rise={rise!r} of steps={steps!r} is less than one step: make the run or the rise longer")


def _check_fit(steps: float, warm: float, decay: float, **_: float) -> None:
    if warm + decay > steps:
        raise ValueError(f"warm={warm} and decay={decay} do not fit into steps={steps}")


# --- decay --------------------------------------------------------------------------------------


@_maker()
def constant(t: float, *, value: Any) -> Any:
    """Always the same value.

    >>> constant(0.1)(1000)
    0.1
    """
    return value


@_maker()
def inverse_time(t: float, *, start: float, k: float) -> float:
    r"""Time decay :math:`\eta_0 / (1 + k t)`.

    >>> inverse_time(1.0, k=0.5)(2)
    0.5
    """
    return start / (1 + k * t)


@_maker("tau")
def search_then_converge(t: float, *, start: float, tau: float) -> float:
    r"""Search, then converge: :math:`\eta_0 / (1 + t/\tau)`, nearly constant before tau, like 1/t after it.

    Source: Darken & Moody (1990).

    >>> search_then_converge(1.0, tau=100.0)(100)
    0.5
    """
    return start / (1 + t / tau)


@_maker("every")
def step(t: float, *, start: float, gamma: float, every: int) -> float:
    r"""Stairs: :math:`\eta_0 \gamma^{\lfloor t/s \rfloor}`.

    >>> [step(1.0, gamma=0.5, every=2)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return start * gamma ** floor(t / every)


@_maker()
def exponential(t: float, *, start: float, gamma: float) -> float:
    r"""Exponential decay :math:`\eta_0 \gamma^t`.

    >>> exponential(1.0, gamma=0.5)(3)
    0.125
    """
    return start * gamma**t


@_maker("steps")
def polynomial(t: float, *, start: float, steps: int, end: float = 0.0, power: float = 1.0) -> float:
    r"""From start to end in a number of steps: :math:`\eta_1 + (\eta_0 - \eta_1)(1 - t/T)^p`, then constant.

    >>> [polynomial(1.0, steps=4)(t) for t in (0, 1, 4, 9)]
    [1.0, 0.75, 0.0, 0.0]
    """
    return end + (start - end) * (1 - min(t, steps) / steps) ** power


@_maker()
def robbins_monro(t: float, *, c: float, a: float = 1.0) -> float:
    r"""Polynomial decay :math:`c / (t+1)^a`; for :math:`\frac12 < a \le 1` the sum of the rates diverges while that
    of their squares converges, which is what Robbins & Monro (1951) ask for.

    >>> robbins_monro(1.0)(3), robbins_monro(1.0, a=0.5)(3)
    (0.25, 0.5)
    """
    return c / (t + 1) ** a


@_maker("steps")
def cosine(t: float, *, high: float, steps: int, low: float = 0.0) -> float:
    r"""Half a cosine from high to low, then low.

    .. math:: \eta_t = \eta_{\min} + \tfrac12 (\eta_{\max} - \eta_{\min}) \bigl( 1 + \cos\tfrac{\pi t}{T} \bigr)

    Source: Loshchilov & Hutter (2017), without restarts.

    >>> [round(cosine(1.0, steps=4)(t), 3) for t in (0, 2, 4, 9)]
    [1.0, 0.5, 0.0, 0.0]
    """
    return low + 0.5 * (high - low) * (1 + cos(pi * min(t, steps) / steps))


# --- cycles -------------------------------------------------------------------------------------


@_maker("first", check=lambda factor, **_: whole(factor, "factor"))
def warm_restarts(t: float, *, high: float, first: int, factor: int = 1, low: float = 0.0) -> float:
    r"""Cosine with warm restarts (SGDR): a cycle of `first` steps, each later one `factor` times as long.

    Source: Loshchilov & Hutter (2017), equation 5.

    >>> lr = warm_restarts(1.0, first=10, factor=2)
    >>> [t for t in range(1, 200) if lr(t) == 1.0]
    [10, 30, 70, 150]
    """
    n = floor(t / first if factor == 1 else log(1 + t * (factor - 1) / first) / log(factor) + 1e-12)  # cycles so far
    begin = first * n if factor == 1 else first * (factor**n - 1) / (factor - 1)
    length = first * factor**n
    return low + 0.5 * (high - low) * (1 + cos(pi * (t - begin) / length))


@_maker("half")
def triangular(t: float, *, low: float, high: float, half: int) -> float:
    r"""Cyclical rate: up in `half` steps, down in as many, for ever.

    .. math:: \eta_t = \eta_b + (\eta_m - \eta_b) \max(0, 1 - x), \quad x = |t/s - 2c + 1|, \quad
        c = \lfloor 1 + t/2s \rfloor

    Source: Smith (2017).

    >>> [triangular(0.0, 1.0, half=2)(t) for t in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """
    return low + (high - low) * _triangle(t, half)


@_maker("half")
def triangular2(t: float, *, low: float, high: float, half: int) -> float:
    """Cyclical rate whose *amplitude* (high - low), not the rate, halves with every cycle.

    Source: Smith (2017).

    >>> lr = triangular2(0.001, 0.006, half=2000)
    >>> [round(lr(t), 5) for t in (2000, 6000, 10000)]
    [0.006, 0.0035, 0.00225]
    """
    return low + (high - low) * _triangle(t, half) * 0.5 ** floor(t / (2 * half))


@_maker("half")
def exp_range(t: float, *, low: float, high: float, half: int, gamma: float) -> float:
    """Cyclical rate whose amplitude falls exponentially, by gamma at each step.

    Source: Smith (2017).

    >>> exp_range(0.0, 1.0, half=1, gamma=0.5)(1)
    0.5
    """
    return low + (high - low) * _triangle(t, half) * gamma**t


def _triangle(t: float, half: float) -> float:
    """1 at the middle of each cycle of 2 half, 0 at its ends."""
    return max(0.0, 1 - abs(t / half - 2 * floor(1 + t / (2 * half)) + 1))


@_maker("steps", "start_ratio", "end_ratio", check=_check_rise)
def one_cycle(
    t: float, *, high: float, steps: int, rise: float = 0.3, start_ratio: float = 25.0, end_ratio: float = 1e4
) -> float:
    """One cycle: a cosine up from high/start_ratio in the first part of the run, then one down to far below it.

    Parameters
    ----------
    high : largest rate. steps : length of the run. rise : share of it that goes up.
    start_ratio : high / first rate. end_ratio : first / last rate.

    Source: Smith & Topin (2019), in the form of torch's OneCycleLR.

    >>> lr = one_cycle(1.0, steps=102, rise=0.5)
    >>> round(lr(0), 6), max(range(102), key=lr), round(lr(101), 9)
    (0.04, 50, 4e-06)
    """
    first = high / start_ratio
    end = first / end_ratio
    top, last = rise * steps - 1, steps - 1
    up = high + 0.5 * (first - high) * (1 + cos(pi * t / top)) if top > 0 else high
    down = end + 0.5 * (high - end) * (1 + cos(pi * (min(t, last) - top) / (last - top)))
    return up if t <= top else down


# --- warm-up ------------------------------------------------------------------------------------


@_maker("steps")
def warm_up(t: float, *, then: Callable[[float], float] | float, steps: int) -> float:
    r"""A linear start: :math:`\frac{t+1}{T_w}` of what comes `then`, for the first :math:`T_w` steps.

    For Adam, :math:`T_w = 2/(1-\beta_2)` is a rule of thumb (Ma & Yarats 2021).

    Source: Goyal et al. (2017).

    >>> [warm_up(1.0, steps=4)(t) for t in (0, 1, 3, 9)]
    [0.25, 0.5, 1.0, 1.0]
    """
    return (then(t) if callable(then) else then) * min(1.0, (t + 1) / steps)


@_maker("warm")
def inverse_sqrt(t: float, *, high: float, warm: int) -> float:
    r"""A linear start of `warm` steps to high, then like :math:`1/\sqrt t`.

    Source: Vaswani et al. (2017), equation 3.

    >>> [inverse_sqrt(1.0, warm=4)(t) for t in (0, 3, 15)]
    [0.25, 1.0, 0.5]
    """
    return high * min((t + 1) / warm, sqrt(warm / (t + 1)))


@_maker("warm", "decay", check=_check_fit)
def warm_up_stable_decay(t: float, *, high: float, steps: int, warm: int, decay: int, low: float = 0.0) -> float:
    """Linear start, a long constant stretch, and a linear end of `decay` steps.

    Source: Hu et al. (2024), MiniCPM.

    >>> [warm_up_stable_decay(1.0, steps=10, warm=2, decay=4)(t) for t in (0, 1, 5, 8, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    fallen = min(max(t - (steps - decay), 0), decay) / decay
    return (low + (high - low) * (1 - fallen)) if fallen > 0 else high * min(1.0, (t + 1) / warm)


def joined(*pieces: tuple[Callable[[float], float] | float, float]) -> Schedule:
    """Schedules one after the other: (schedule, length in steps) pairs, each on a clock of its own.

    The last length may be inf; behind the last piece it goes on.

    >>> lr = joined((1.0, 2), (exponential(0.5, gamma=0.5), float("inf")))
    >>> [lr(t) for t in range(4)]
    [1.0, 1.0, 0.5, 0.25]
    """
    if not pieces:
        raise ValueError("joined needs at least one (schedule, length) pair")
    kept = []
    for i, piece in enumerate(pieces):
        if not isinstance(piece, (tuple, list)) or len(piece) != 2:
            raise TypeError(f"piece {i + 1} is {shown(piece)}: pieces are pairs (schedule, length), as in (0.1, 100)")
        then, length = piece[0], _length(piece[1])
        if not callable(then) and refused(_joined, {"t": then}):
            raise TypeError(f"piece {i + 1} begins with {shown(then)}: give a schedule or a number")
        if not (length == inf and i == len(pieces) - 1):
            try:
                length = whole(length, "length")
            except ValueError as error:
                raise ValueError(f"{error}; the last or inf") from None
        kept.append((then, length))
    return Schedule(_joined, pieces=tuple(kept))


def _joined(t: float, *, pieces: tuple[tuple[Any, float], ...]) -> float:
    for _, length in pieces[:-1]:
        if t < length:
            break
        t, pieces = t - length, pieces[1:]
    then = pieces[0][0]
    return then(t) if callable(then) else then


_joined.__name__ = "joined"  # as it is printed


# --- what looks at the loss -----------------------------------------------------------------------


@_maker("low", "high", "steps")
def ramp(t: float, *, low: float, high: float, steps: int) -> float:
    """Exponential growth from low to high: the schedule of a learning-rate range test.

    Source: Smith (2017), section 3.3.

    >>> [round(ramp(0.001, 1.0, steps=3)(t), 6) for t in range(4)]
    [0.001, 0.01, 0.1, 1.0]
    """
    return low * (high / low) ** (t / steps)


class Plateau:
    """Reduce on plateau: the rate is cut when the loss has not improved for a while.

    This looks at the loss and so is no function of time: it is told each loss by `update`, and as a hyper-parameter it
    gives its present rate. `state` and `restore` carry it through a checkpoint.

    Parameters
    ----------
    start : first rate. factor : what it is multiplied with, in (0, 1). patience : updates without improvement that are
    forgiven. threshold : relative improvement that counts. low : least rate.

    Source: the threshold-triggered schedules of Darken, Chang & Moody (1992); torch's ReduceLROnPlateau.

    >>> lr = Plateau(1.0, factor=0.5, patience=1)
    >>> for loss in (3.0, 3.0, 3.0, 2.0):
    ...     lr.update(loss)
    >>> lr(4)
    0.5
    """

    def __init__(
        self, start: float, *, factor: float = 0.1, patience: int = 10, threshold: float = 1e-4, low: float = 0.0
    ):
        _positive(start=start)
        number(factor, "factor", 0.0, 1.0, open_low=True)
        whole(patience, "patience", 0)
        number(threshold, "threshold")
        if number(low, "low") > start:
            raise ValueError(f"low={low!r} lies above start={start!r}")
        self.factor, self.patience, self.threshold, self.low = factor, patience, threshold, low
        self.rate, self.best, self.waited = start, inf, 0

    def __call__(self, t: int) -> float:
        return self.rate

    def update(self, loss: float) -> None:
        """Take note of a loss, once an epoch or whenever it is measured; one that is no number is no improvement."""
        loss = scalar(loss, "loss")
        if loss < (self.best - self.threshold * abs(self.best) if isfinite(self.best) else self.best):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.rate, self.waited = max(self.rate * self.factor, self.low), 0

    @property
    def state(self) -> tuple[float, float, int]:
        """Rate, best loss and updates waited: what `restore` wants."""
        return self.rate, self.best, self.waited

    def restore(self, state: Sequence[float]) -> None:
        """Go on from a `state`."""
        if len(state) != 3:
            raise ValueError(f"state={shown(state)}: it must be rate, best loss and updates waited")
        for value, name in zip((state[0], state[2]), ("rate", "count of updates waited"), strict=True):
            number(value, f"the {name} in state")
        self.rate, self.best, self.waited = float(state[0]), float(state[1]), int(state[2])


guard(globals())
