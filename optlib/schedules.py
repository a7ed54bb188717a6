r"""Schedules: a hyper-parameter as a function of time. Each name here makes a plain function ``t -> value``.

`t` is the number of updates already made, so the first update sees ``t = 0`` and the start value, as in
PyTorch and optax.

>>> from optlib import Optimizer, descend, rules, surfaces
>>> lr = exponential(0.5, gamma=0.5)
>>> [lr(t) for t in range(3)]
[0.5, 0.25, 0.125]
>>> descend(Optimizer(rules.sgd, lr=lr), surfaces.bowl.grad, [4.0, 0.0], steps=2)[-1]
array([1.5, 0. ])

A schedule looks at the clock alone. One that looks at the loss has a state of its own and is told the loss: `Plateau`.
"""

from collections.abc import Callable, Sequence
from math import cos, floor, inf, isfinite, pi, sqrt

Schedule = Callable[[int], float]


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (isfinite(value) and value > 0):
            raise ValueError(f"{name}={value!r} is out of range; it must be a positive number")


# --- decay --------------------------------------------------------------------------------------


def constant(value: float) -> Schedule:
    """Always the same value.

    >>> constant(0.1)(1000)
    0.1
    """
    return lambda t: value


def inverse_time(start: float, k: float) -> Schedule:
    r"""Time decay :math:`\eta_0 / (1 + k t)`.

    >>> inverse_time(1.0, k=0.5)(2)
    0.5
    """
    return lambda t: start / (1 + k * t)


def search_then_converge(start: float, tau: float) -> Schedule:
    r"""Search, then converge: :math:`\eta_0 / (1 + t/\tau)`, nearly constant before tau, like 1/t after it.

    Source: Darken & Moody (1990).

    >>> search_then_converge(1.0, tau=100.0)(100)
    0.5
    """
    _positive(tau=tau)
    return lambda t: start / (1 + t / tau)


def step(start: float, gamma: float, every: int) -> Schedule:
    r"""Stairs: :math:`\eta_0 \gamma^{\lfloor t/s \rfloor}`.

    >>> [step(1.0, gamma=0.5, every=2)(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    _positive(every=every)
    return lambda t: start * gamma ** floor(t / every)


def exponential(start: float, gamma: float) -> Schedule:
    r"""Exponential decay :math:`\eta_0 \gamma^t`.

    >>> exponential(1.0, gamma=0.5)(3)
    0.125
    """
    return lambda t: start * gamma**t


def polynomial(start: float, steps: int, *, end: float = 0.0, power: float = 1.0) -> Schedule:
    r"""From start to end in a number of steps: :math:`\eta_1 + (\eta_0 - \eta_1)(1 - t/T)^p`, then constant.

    >>> [polynomial(1.0, steps=4)(t) for t in (0, 1, 4, 9)]
    [1.0, 0.75, 0.0, 0.0]
    """
    _positive(steps=steps)
    if power == 1:  # a power costs as much as a step in two dimensions
        return lambda t: end + (start - end) * (1 - min(t, steps) / steps)
    return lambda t: end + (start - end) * (1 - min(t, steps) / steps) ** power


def robbins_monro(c: float, a: float = 1.0) -> Schedule:
    r"""Polynomial decay :math:`c / (t+1)^a`; for :math:`\frac12 < a \le 1` the sum of the rates diverges while that
    of their squares converges, which is what Robbins & Monro (1951) ask for.

    >>> robbins_monro(1.0)(3), robbins_monro(1.0, a=0.5)(3)
    (0.25, 0.5)
    """
    if a == 1:
        return lambda t: c / (t + 1)
    return lambda t: c / (t + 1) ** a


def cosine(high: float, steps: int, *, low: float = 0.0) -> Schedule:
    r"""Half a cosine from high to low, then low.

    .. math:: \eta_t = \eta_{\min} + \tfrac12 (\eta_{\max} - \eta_{\min}) \bigl( 1 + \cos\tfrac{\pi t}{T} \bigr)

    Source: Loshchilov & Hutter (2017), without restarts.

    >>> [round(cosine(1.0, steps=4)(t), 3) for t in (0, 2, 4, 9)]
    [1.0, 0.5, 0.0, 0.0]
    """
    _positive(steps=steps)
    return lambda t: low + 0.5 * (high - low) * (1 + cos(pi * min(t, steps) / steps))


# --- cycles -------------------------------------------------------------------------------------


def warm_restarts(high: float, first: int, *, factor: int = 1, low: float = 0.0) -> Schedule:
    r"""Cosine with warm restarts (SGDR): a cycle of `first` steps, each later one `factor` times as long.

    Source: Loshchilov & Hutter (2017), equation 5.

    >>> lr = warm_restarts(1.0, first=10, factor=2)
    >>> [t for t in range(1, 200) if lr(t) == 1.0]
    [10, 30, 70, 150]
    """
    _positive(first=first)
    if factor < 1 or factor != int(factor):
        raise ValueError(f"factor={factor!r} is out of range; it must be a whole number, 1 or more")

    if factor == 1:
        return lambda t: low + 0.5 * (high - low) * (1 + cos(pi * (t - first * floor(t / first)) / first))

    def schedule(t: int) -> float:
        begin, length = 0, first
        while t - begin >= length:
            begin, length = begin + length, length * factor
        return low + 0.5 * (high - low) * (1 + cos(pi * (t - begin) / length))

    return schedule


def triangular(low: float, high: float, half: int) -> Schedule:
    r"""Cyclical rate: up in `half` steps, down in as many, for ever.

    .. math:: \eta_t = \eta_b + (\eta_m - \eta_b) \max(0, 1 - x), \quad x = |t/s - 2c + 1|, \quad
        c = \lfloor 1 + t/2s \rfloor

    Source: Smith (2017).

    >>> [triangular(0.0, 1.0, half=2)(t) for t in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """
    return _cyclical(low, high, half, lambda cycle, t: 1.0)


def triangular2(low: float, high: float, half: int) -> Schedule:
    """Cyclical rate whose *amplitude* (high - low), not the rate, halves with every cycle.

    Source: Smith (2017).

    >>> lr = triangular2(0.001, 0.006, half=2000)
    >>> [round(lr(t), 5) for t in (2000, 6000, 10000)]
    [0.006, 0.0035, 0.00225]
    """
    return _cyclical(low, high, half, lambda cycle, t: 0.5 ** (cycle - 1))


def exp_range(low: float, high: float, half: int, gamma: float) -> Schedule:
    """Cyclical rate whose amplitude falls exponentially, by gamma at each step.

    Source: Smith (2017).

    >>> exp_range(0.0, 1.0, half=1, gamma=0.5)(1)
    0.5
    """
    return _cyclical(low, high, half, lambda cycle, t: gamma**t)


def _cyclical(low: float, high: float, half: int, amplitude: Callable[[int, int], float]) -> Schedule:
    _positive(half=half)

    def schedule(t: int) -> float:
        cycle = floor(1 + t / (2 * half))
        x = abs(t / half - 2 * cycle + 1)
        return low + (high - low) * max(0.0, 1 - x) * amplitude(cycle, t)

    return schedule


def one_cycle(
    high: float, steps: int, *, rise: float = 0.3, start_ratio: float = 25.0, end_ratio: float = 1e4
) -> Schedule:
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
    if not 0 < rise < 1:
        raise ValueError(f"rise={rise!r} is out of range; allowed is (0, 1)")
    _positive(steps=steps, start_ratio=start_ratio, end_ratio=end_ratio)
    top, last = rise * steps - 1, steps - 1
    first = high / start_ratio

    def schedule(t: int) -> float:
        if t <= top:
            return high + 0.5 * (first - high) * (1 + cos(pi * t / top)) if top else high
        end = first / end_ratio
        return end + 0.5 * (high - end) * (1 + cos(pi * (min(t, last) - top) / (last - top)))

    return schedule


# --- warm-up ------------------------------------------------------------------------------------


def warm_up(then: Schedule | float, steps: int) -> Schedule:
    r"""A linear start: :math:`\frac{t+1}{T_w}` of what comes `then`, for the first :math:`T_w` steps.

    For Adam, :math:`T_w = 2/(1-\beta_2)` is a rule of thumb (Ma & Yarats 2021).

    Source: Goyal et al. (2017).

    >>> [warm_up(1.0, steps=4)(t) for t in (0, 1, 3, 9)]
    [0.25, 0.5, 1.0, 1.0]
    """
    _positive(steps=steps)
    after = then if callable(then) else constant(then)
    return lambda t: after(t) * min(1.0, (t + 1) / steps)


def inverse_sqrt(high: float, warm: int) -> Schedule:
    r"""A linear start of `warm` steps to high, then like :math:`1/\sqrt t`.

    Source: Vaswani et al. (2017), equation 3.

    >>> [inverse_sqrt(1.0, warm=4)(t) for t in (0, 3, 15)]
    [0.25, 1.0, 0.5]
    """
    _positive(warm=warm)
    return lambda t: high * min((t + 1) / warm, sqrt(warm / (t + 1)))


def warm_up_stable_decay(high: float, steps: int, *, warm: int, decay: int, low: float = 0.0) -> Schedule:
    """Linear start, a long constant stretch, and a linear end of `decay` steps.

    Source: Hu et al. (2024), MiniCPM.

    >>> [warm_up_stable_decay(1.0, steps=10, warm=2, decay=4)(t) for t in (0, 1, 5, 8, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    if warm + decay > steps:
        raise ValueError(f"warm={warm} and decay={decay} do not fit into steps={steps}")
    return joined((warm_up(high, warm), steps - decay), (polynomial(high, decay, end=low), inf))


def joined(*pieces: tuple[Schedule | float, float]) -> Schedule:
    """Schedules one after the other: (schedule, length in steps) pairs, each on a clock of its own.

    The last length may be inf; behind the last piece it goes on.

    >>> [joined((1.0, 2), (exponential(0.5, gamma=0.5), float("inf")))(t) for t in range(4)]
    [1.0, 1.0, 0.5, 0.25]
    """
    if not pieces:
        raise ValueError("joined needs at least one (schedule, length) pair")
    (first, length), *rest = pieces
    now = first if callable(first) else constant(first)
    if not rest:
        return now
    then, spent = joined(*rest), int(length) if isfinite(length) else 0
    return lambda t: now(t) if t < length else then(t - spent)


# --- what looks at the loss -----------------------------------------------------------------------


def ramp(low: float, high: float, steps: int) -> Schedule:
    """Exponential growth from low to high: the schedule of a learning-rate range test.

    Source: Smith (2017), section 3.3.

    >>> [round(ramp(0.001, 1.0, steps=3)(t), 6) for t in range(4)]
    [0.001, 0.01, 0.1, 1.0]
    """
    _positive(low=low, high=high, steps=steps)
    return lambda t: low * (high / low) ** (t / steps)


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
        if not 0 < factor < 1:
            raise ValueError(f"factor={factor!r} is out of range; allowed is (0, 1)")
        self.factor, self.patience, self.threshold, self.low = factor, patience, threshold, low
        self.rate, self.best, self.waited = start, inf, 0

    def __call__(self, t: int) -> float:
        return self.rate

    def update(self, loss: float) -> None:
        """Take note of a loss, once an epoch or whenever it is measured."""
        if loss < self.best * (1 - self.threshold) if isfinite(self.best) else loss < self.best:
            self.best, self.waited = float(loss), 0
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
        self.rate, self.best, self.waited = float(state[0]), float(state[1]), int(state[2])
