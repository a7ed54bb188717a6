r"""The learning-rate range test: one short run whose rate grows, and the loss that it sees."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._inputs import floats, guard, number, whole
from ..optimizer import Optimizer, Oracle, run
from ..schedules import ramp
from .criteria import single_loss


class RangeTest(NamedTuple):
    """The outcome of `range_test`."""

    rates: NDArray  #: the rate of each step made
    losses: NDArray  #: the loss after it; the last may be infinite
    low: float  #: the rate at which the loss begins to fall
    high: float  #: the rate at which the smoothed loss is lowest; above it the loss rises, so stay below


def range_test(
    rule: Callable, oracle: Oracle, loss: Callable[[NDArray], Any], theta: ArrayLike, low: float = 1e-5,
    high: float = 10.0, steps: int = 100, *, begin: float = 0.05, explode: float = 4.0, window: int = 5, **hyper: Any,
) -> RangeTest:  # fmt: skip
    """Let the rate grow from low to high, a factor a step, and see from where to where the loss falls.

    The run ends early once the loss is not finite, or has risen above the first one by `explode` times the whole fall
    or the first loss's size, whichever is more.

    Parameters
    ----------
    rule : an update rule with a rate `lr`
    oracle, theta : as in `optlib.run`
    loss : theta -> number; on a noisy problem, over more examples than a batch
    low, high : first and last rate, positive, low < high
    steps : 3 or more
    begin : share of the whole fall at which the loss counts as falling, in (0, 1)
    explode : above 0
    window : steps over which a centred median smooths the losses, odd
    **hyper : the rule's other hyper-parameters

    Returns
    -------
    RangeTest : `rates`, `losses`, and the suggested bounds `low` and `high`, of a cyclical rate for instance.

    Raises
    ------
    ValueError : a loss that never falls (then no rate can be suggested), or a range that is none; TypeError : a rule
    without a rate.

    Source: Smith (2017), section 3.3; where to read the bounds off is a choice, there made by eye.

    >>> from optlib import rules, surfaces
    >>> f = surfaces.bowl  # curvature 1: rates above 2 diverge
    >>> test = range_test(rules.sgd, f.grad, f, [4.0, -2.0], low=1e-4, high=100.0, steps=60)
    >>> bool(test.low < test.high < 4.0), len(test.rates) < 60
    (True, True)
    """
    low, high = number(low, "low", open_low=True), number(high, "high", open_low=True)
    if low >= high:
        raise ValueError(f"low={low:g}, high={high:g}: the rate grows, so low must be below high")
    steps, window = whole(steps, "steps", 3), whole(window, "window")
    if window % 2 == 0:
        raise ValueError(f"window={window}: a centred median needs an odd number of steps")
    begin = number(begin, "begin", high=1.0, open_low=True)
    explode = number(explode, "explode", open_low=True)
    if "lr" in hyper:
        raise TypeError("lr is what the test varies: give low and high instead")
    schedule = ramp(low, high, steps - 1)
    theta = floats(theta)
    start = _value(loss, theta)
    if not np.isfinite(start):
        raise ValueError(f"the loss at the start is {start}: a range test needs a finite one to compare with")
    losses = _walked(Optimizer(rule, lr=schedule, **hyper), oracle, loss, theta, steps, start, explode)
    rates = np.array([schedule(t) for t in range(len(losses))])
    return RangeTest(rates, losses, *_bounds(rates, losses, start, begin, window))


def _walked(
    optimizer: Optimizer, oracle: Oracle, loss: Callable, theta: ArrayLike, steps: int, start: float, explode: float
) -> NDArray:
    losses: list[float] = []
    least = start
    for point, _ in run(optimizer, oracle, theta, strict=False):
        losses.append(_value(loss, point))
        least = min(least, losses[-1])
        worst = start + explode * max(start - least, abs(start))
        if len(losses) == steps or losses[-1] == np.inf or losses[-1] > worst:
            break
    return np.array(losses)


def _value(loss: Callable[[NDArray], Any], point: NDArray) -> float:
    with np.errstate(all="ignore"):  # where the rate is too high the loss may overflow
        return single_loss(loss(point), "loss(theta)")


def _bounds(rates: NDArray, losses: NDArray, start: float, begin: float, window: int) -> tuple[float, float]:
    half = window // 2  # centred: a trailing median would see a rise too late, and suggest a rate that diverges
    smooth = np.array([np.median(losses[max(0, i - half) : i + half + 1]) for i in range(len(losses))])
    bottom = int(np.argmin(smooth))
    fall = start - smooth[bottom]
    if not fall > 0:
        raise ValueError(
            f"the loss never fell below its start, {start:g}, between rates {rates[0]:g} and {rates[-1]:g}: "
            "begin lower, take more steps, or check the oracle with optlib.oracles.check_gradient"
        )
    falling = int(np.argmax(smooth <= start - begin * fall))
    return float(rates[min(falling, bottom)]), float(rates[bottom])


guard(globals())
