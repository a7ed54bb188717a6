r"""Early stopping: walk until a criterion says stop, take the best point; and why that regularises."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._inputs import guard, number, shown, whole
from ..optimizer import State
from .criteria import Criterion, single_loss


class EarlyStopped(NamedTuple):
    """The outcome of `early_stopped`."""

    theta: NDArray  #: the best point
    state: State  #: the optimizer's state there
    step: int  #: its step, from 1: how long to train on all data
    loss: float  #: its validation loss
    history: NDArray  #: rows of step and validation loss
    stopped: bool  #: whether the criterion stopped the run, or the limit did


def early_stopped(
    walk: Iterable[tuple[NDArray, State]], validation: Callable[[NDArray], Any], criterion: Criterion, *,
    training: Callable[[NDArray], Any] | None = None, every: int = 1, limit: int = 10_000,
) -> EarlyStopped:  # fmt: skip
    """Walk until a criterion says stop, and return the best point seen, not the last.

    Parameters
    ----------
    walk : pairs of theta and state, as `optlib.run` yields
    validation : theta -> loss on the validation set
    criterion : `Patience`, `GL`, `PQ` or `UP`
    training : theta -> loss on the training set, which `PQ` wants
    every : steps between evaluations, 1 or more
    limit : most steps, at least `every`

    Raises
    ------
    ValueError : a walk or a limit without a single evaluation. What the walk itself raises passes through.

    Source: Goodfellow, Bengio & Courville (2016), algorithm 7.1.

    >>> from optlib import Optimizer, rules, run, surfaces
    >>> from optlib.tricks import Patience
    >>> walk = run(Optimizer(rules.sgd, lr=0.1), surfaces.bowl.grad, [4.0, 0.0])
    >>> result = early_stopped(walk, lambda theta: (theta[0] - 1) ** 2 + 1, Patience(3))
    >>> result.step, result.theta.round(2), len(result.history)
    (13, array([1.02, 0.  ]), 16)
    """
    every = whole(every, "every")
    limit = whole(limit, "limit", every)
    progress, history = criterion.init(), []
    kept: tuple[NDArray, State, int] | None = None
    for step, pair in enumerate(islice(walk, limit), start=1):
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"walk gave {shown(pair)}: it must be pairs of theta and state, as optlib.run yields")
        theta, state = pair
        if step % every:
            continue
        loss = single_loss(validation(theta))
        history.append((step, loss))
        progress = criterion.tell(progress, loss, None if training is None else float(training(theta)))
        if kept is None or progress.best_at == progress.evaluations:
            kept = theta.copy(), state, step
        if progress.stop:
            break
    if kept is None:
        raise ValueError(f"the walk ended before its first evaluation, at step {every}: nothing can be chosen")
    return EarlyStopped(*kept, progress.best, np.array(history), progress.stop)


def equivalent_ridge(curvatures: ArrayLike, lr: float, steps: int) -> NDArray:
    r"""The ridge penalty of each direction that shrinks it as much as stopping after t steps does.

    .. math:: \alpha_i = \frac{\lambda_i (1 - \eta\lambda_i)^t}{1 - (1 - \eta\lambda_i)^t} \;\to\; \frac1{\eta t}
        \quad (\eta\lambda_i t \to 0)

    Parameters
    ----------
    curvatures : :math:`\lambda_i`, 0 or more, of any shape, which is that of the result
    lr : :math:`\eta`, above 0. steps : t, 1 or more

    Source: Goodfellow, Bengio & Courville (2016), section 7.8.

    >>> equivalent_ridge([0.0, 1e-6, 1.0], lr=0.1, steps=10).round(3)
    array([1.   , 1.   , 0.535])
    """
    lam = np.asarray(curvatures, dtype=float)
    if not (np.isfinite(lam).all() and (lam >= 0).all()):
        raise ValueError("curvatures must be finite and 0 or more: the filter is that of a convex quadratic")
    lr, steps = number(lr, "lr", open_low=True), whole(steps, "steps")
    left = (1 - lr * lam) ** steps
    small = lr * lam * steps < 1e-6  # the quotient loses its digits there: its limit and the next term of the series
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(small, 1 / (lr * steps) - lam * (steps + 1) / (2 * steps), lam * left / (1 - left))


guard(globals())
