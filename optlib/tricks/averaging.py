r"""Averages of a walk's points: Polyak–Ruppert, exponential, and stochastic weight averaging.

An average keeps no memory of its own. ``init(theta)`` gives a state, ``tell(state, theta)`` the next one, and
``value(state)`` the average; a state is a dict of arrays, so ``np.savez(path, **state)`` is a checkpoint.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._inputs import floats, guard, like, number, one_of, whole
from ..optimizer import State
from ..schedules import Schedule


class Average:
    """What `averages` needs of an average, and how a mean keeps it that points enter one by one."""

    def init(self, theta: ArrayLike) -> State:
        """The state before the first step of a walk from theta."""
        return {"average": floats(theta).copy(), "t": np.asarray(0)}

    def tell(self, state: State, theta: ArrayLike) -> State:
        """The state after a step to theta."""
        average, t = _read(state), int(state["t"]) + 1
        return {"average": self._next(average, like(theta, average, "theta"), t), "t": np.asarray(t)}

    def value(self, state: State) -> NDArray:
        """The average, of theta's shape."""
        return _read(state)

    def _next(self, average: NDArray, theta: NDArray, t: int) -> NDArray:
        raise NotImplementedError


class PolyakRuppert(Average):
    r"""The mean of all points of a walk, the start apart: :math:`\bar\theta_t = \frac1t \sum_{i=1}^t \theta_i`.

    .. math:: \bar\theta_t = \bar\theta_{t-1} + \frac{\theta_t - \bar\theta_{t-1}}{t}

    Noise averages out, so the walk may keep larger steps: rates :math:`\propto t^{-a}` with :math:`\frac12 < a < 1`.

    Parameters
    ----------
    after : steps at the beginning that are left out, 0 or more: the way down says little about the bottom

    Source: Ruppert (1988); Polyak & Juditsky (1992).

    >>> [mean.tolist() for mean in averages(PolyakRuppert(), [[9.0], [1.0], [3.0]])]
    [[9.0], [1.0], [2.0]]
    """

    def __init__(self, after: int = 0):
        self.after = whole(after, "after", 0)

    def _next(self, average: NDArray, theta: NDArray, t: int) -> NDArray:
        return average + (theta - average) / max(1, t - self.after)  # what does not count yet is replaced


class EMA(Average):
    r"""An exponential moving average of the points, with memory of about 1/(1 - decay) steps.

    .. math:: a_t = \beta\,a_{t-1} + (1 - \beta)\,\theta_t

    Parameters
    ----------
    decay : :math:`\beta`, in [0, 1)
    begin : "corrected", from :math:`a_0 = 0` and divided by :math:`1 - \beta^t`, as Adam corrects its moments; "theta",
        from :math:`a_0 = \theta_0`, as most libraries average weights (the start then weighs :math:`\beta^t`); "zero",
        from 0 and not corrected, which is too small by the factor :math:`1 - \beta^t`

    Source: Kingma & Ba (2015), section 7.2 on averages of the parameters; section 3 on the correction.

    >>> for begin in ("corrected", "theta", "zero"):
    ...     print([round(float(a), 3) for a in averages(EMA(0.9, begin), [4.0, 2.0, 2.0])])
    [4.0, 2.0, 2.0]
    [4.0, 3.8, 3.62]
    [0.0, 0.2, 0.38]
    """

    def __init__(self, decay: float = 0.999, begin: Literal["corrected", "theta", "zero"] = "corrected"):
        self.decay = number(decay, "decay", high=1.0)
        self.begin = one_of(begin, "begin", ("corrected", "theta", "zero"))

    def init(self, theta: ArrayLike) -> State:
        """The sum at the start, and the start, which stands for the average before the first step."""
        theta = floats(theta)
        first = theta.copy() if self.begin == "theta" else np.zeros_like(theta)
        return {"average": first, "start": theta.copy(), "t": np.asarray(0)}

    def tell(self, state: State, theta: ArrayLike) -> State:
        """One more point."""
        average = _read(state, "start")
        average = self.decay * average + (1 - self.decay) * like(theta, average, "theta")
        return {**state, "average": average, "t": np.asarray(int(state["t"]) + 1)}

    def value(self, state: State) -> NDArray:
        """The average, of theta's shape."""
        average, t = _read(state, "start"), int(state["t"])
        if self.begin != "corrected":
            return average
        return average / (1 - self.decay**t) if t else state["start"]


class SWA(Average):
    r"""Stochastic weight averaging: the start of the averaging phase, and the point at the end of each cycle.

    .. math:: \text{if } i \bmod c = 0: \quad n_m = i/c, \qquad
        w_\text{SWA} \leftarrow \frac{w_\text{SWA}\,n_m + w}{n_m + 1}

    Parameters
    ----------
    cycle : c, steps from one point that counts to the next, 1 or more: the cycle of the rate, or an epoch

    The means and variances that batch normalisation kept on the way belong to the walk, not to its average: measure
    them anew, as with ``model.statistics(average, X)``.

    Source: Izmailov et al. (2018), algorithm 1; the start is the pretrained point there, and counts as one.

    >>> [w.tolist() for w in averages(SWA(cycle=2), [[0.0], [5.0], [3.0], [7.0], [6.0]])]
    [[0.0], [0.0], [1.5], [1.5], [3.0]]
    """

    def __init__(self, cycle: int = 1):
        self.cycle = whole(cycle, "cycle")

    def _next(self, average: NDArray, theta: NDArray, t: int) -> NDArray:
        n = t // self.cycle
        return average if t % self.cycle else (average * n + theta) / (n + 1)


def averages(average: Average, points: Iterable[ArrayLike]) -> Iterator[NDArray]:
    """The average after each point of a walk, the start first: of `iterates`, which is endless, or of a path.

    >>> from optlib import Optimizer, iterates, rules, surfaces
    >>> walk = iterates(Optimizer(rules.sgd, lr=0.5), surfaces.bowl.grad, [4.0, -2.0])
    >>> [mean.tolist() for mean in islice(averages(PolyakRuppert(), walk), 3)]
    [[4.0, -2.0], [2.0, -1.0], [1.5, -0.75]]
    """
    walk = iter(points)
    for start in islice(walk, 1):
        state = average.init(start)
        yield average.value(state)
    for point in walk:
        state = average.tell(state, point)
        yield average.value(state)


def swa_rate(high: float, low: float, cycle: int) -> Schedule:
    r"""SWA's cyclical rate: from just below `high` straight down to `low`, then up again at once.

    .. math:: \alpha(i) = (1 - x)\,\alpha_1 + x\,\alpha_2, \quad x = \tfrac1c \bigl( (i - 1) \bmod c + 1 \bigr)

    A cycle of 1 is the constant rate `high`. The schedule is given the updates already made, t = i - 1.

    Source: Izmailov et al. (2018), section 3.1.

    >>> [round(swa_rate(0.1, 0.02, cycle=4)(t), 3) for t in range(5)]
    [0.08, 0.06, 0.04, 0.02, 0.08]
    """
    cycle = whole(cycle, "cycle")
    return Schedule(_swa, high=number(high, "high", open_low=True), low=number(low, "low"), cycle=cycle)


def _swa(t: float, *, high: float, low: float, cycle: int) -> float:
    x = (t % cycle + 1) / cycle
    return high if cycle == 1 else (1 - x) * high + x * low


_swa.__name__ = "swa_rate"  # as it is printed


def _read(state: State, *more: str) -> NDArray:
    names = {"average", "t", *more}
    if state.keys() != names:
        raise ValueError(
            f"this state holds {', '.join(sorted(state))}, but {', '.join(sorted(names))} are kept here: it comes from "
            "another kind of average. Start with init(theta)"
        )
    return np.asarray(state["average"])


guard(globals())
