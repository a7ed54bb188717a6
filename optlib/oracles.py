r"""Oracles: where gradients come from, and how to check them.

An oracle is any callable ``theta -> gradient``. One that also names a parameter ``t`` is given the number of updates
already made. The stochastic oracles here are such functions of ``(theta, t)``: the batch of step `t` follows from the
seed and `t` alone, so they have no memory, two runs see the same batches, and a resumed run goes on where it stopped.

>>> from optlib import Optimizer, data, descend, models, rules
>>> X, y = data.line(n=100, seed=0)
>>> oracle = minibatch(models.LinearRegression(), X, y, batch_size=10, seed=1)
>>> descend(Optimizer(rules.sgd, lr=0.1), oracle, [0.0, 0.0], steps=3).shape
(4, 2)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._inputs import guard, number, numbers, one_of, scalar, shown, whole
from .models import Model, checked_data
from .optimizer import Oracle, check_oracle, takes_step

Order = Literal["epoch", "once", "iid", "fixed"]


def _step_gradient(model: Model, theta: NDArray, X: Any, y: NDArray, seed: int, t: int) -> NDArray:
    """The model's gradient; one that drops units at random (its `dropout` is above 0) takes a `mask_seed` for that."""
    if getattr(model, "dropout", 0.0):
        # the 1 keeps the draws of the masks apart from those of the batches
        return model.grad(theta, X, y, mask_seed=[seed, t, 1])  # type: ignore[call-arg]
    return model.grad(theta, X, y)


class Examples:
    """A model and the examples it learns from."""

    def __init__(self, model: Model, X: Any, y: ArrayLike):
        if not callable(getattr(model, "grad", None)) or isinstance(model, type):
            raise TypeError(f"model={shown(model)}: it must be an object with grad(theta, X, y), as in optlib.models")
        self.model = model
        self.X, self.y = checked_data(X, y)

    def loss(self, theta: ArrayLike) -> Any:
        """The loss over all examples, of shape (...) for theta of shape (..., d)."""
        return self.model.loss(theta, self.X, self.y)


class full_batch(Examples):
    """The gradient over all examples: batch gradient descent.

    Raises
    ------
    ValueError : an empty data set, rows and targets that do not match, or NaN in them; a model with dropout.

    >>> from optlib.models import LinearRegression
    >>> full_batch(LinearRegression(), [[1.0], [2.0]], [1.0, 2.0])(np.array([0.0]))
    array([-2.5])
    """

    def __init__(self, model: Model, X: ArrayLike, y: ArrayLike):
        super().__init__(model, X, y)
        if getattr(model, "dropout", 0.0):
            raise ValueError(
                f"{model!r} drops other units at every step, so it has no gradient that is the same each time: "
                "use minibatch(model, X, y, batch_size=len(X))"
            )

    def __call__(self, theta: NDArray) -> NDArray:
        return self.model.grad(theta, self.X, self.y)


class minibatch(Examples):
    """The gradient over `batch_size` examples a step: mini-batch gradient descent.

    Parameters
    ----------
    batch_size : examples in a batch, 1 to n
    order : "epoch", a fresh permutation for every epoch (without replacement); "once", one permutation for all;
        "iid", every batch drawn anew (with replacement); "fixed", the order of the data
    seed : of the random order, and of the units that a model with dropout drops

    >>> from optlib.models import LinearRegression
    >>> X, y = np.arange(6.0).reshape(6, 1), np.zeros(6)
    >>> oracle = minibatch(LinearRegression(), X, y, batch_size=2, seed=0)
    >>> sorted(np.concatenate([oracle.indices(t) for t in range(3)]).tolist())
    [0, 1, 2, 3, 4, 5]
    """

    def __init__(
        self, model: Model, X: ArrayLike, y: ArrayLike, batch_size: int, *, order: Order = "epoch", seed: int = 0
    ):
        super().__init__(model, X, y)
        n = len(self.X)
        self.batch_size = whole(batch_size, "batch_size", 1, n)
        self.order, self.seed = one_of(order, "order", get_args(Order)), whole(seed, "seed", 0)
        self._shuffled: tuple[int, NDArray] = (-1, np.arange(n))

    @property
    def batches(self) -> int:
        """Batches in an epoch; the last one is smaller where `batch_size` does not divide the number of examples."""
        return -(-len(self.X) // self.batch_size)

    def indices(self, t: int) -> NDArray:
        """The rows of X that step t uses, of shape (batch_size,)."""
        t = whole(t, "t", 0)
        if self.order == "iid":
            return np.random.default_rng([self.seed, t]).integers(len(self.X), size=self.batch_size)
        epoch, i = divmod(t, self.batches)
        return self._permutation(epoch)[i * self.batch_size : (i + 1) * self.batch_size]

    def _permutation(self, epoch: int) -> NDArray:
        if self.order == "fixed":
            return self._shuffled[1]
        wanted = 0 if self.order == "once" else epoch
        key, permutation = self._shuffled  # a cache only, read at once: threads may share this oracle
        if key != wanted:
            permutation = np.random.default_rng([self.seed, wanted]).permutation(len(self.X))
            self._shuffled = wanted, permutation
        return permutation

    def __call__(self, theta: NDArray, t: int) -> NDArray:
        rows = self.indices(t)
        return _step_gradient(self.model, theta, self.X[rows], self.y[rows], self.seed, t)


def single(model: Model, X: ArrayLike, y: ArrayLike, *, order: Order = "epoch", seed: int = 0) -> minibatch:
    """The gradient of one example a step: stochastic gradient descent in the narrow sense."""
    return minibatch(model, X, y, 1, order=order, seed=seed)


def online(
    model: Model, example: Callable[[int], tuple[ArrayLike, ArrayLike]], *, seed: int = 0
) -> Callable[..., NDArray]:
    """The gradient of an example that arrives at step t and is never seen again: online learning.

    Parameters
    ----------
    example : t -> (X, y), the rows that arrive at step t
    seed : of the units that a model with dropout drops

    >>> from optlib.models import LinearRegression
    >>> oracle = online(LinearRegression(), lambda t: ([[1.0]], [float(t)]))
    >>> oracle(np.array([0.0]), t=3)
    array([-3.])
    """

    def gradient(theta: NDArray, t: int) -> NDArray:
        pair = example(t)
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"example gave {shown(pair)} at t={t}: it must be the pair (X, y)")
        return _step_gradient(model, theta, *checked_data(*pair), seed, t)

    return gradient


# --- which examples of a batch matter -------------------------------------------------------------


class Measured(Model, Protocol):
    """A model that can also tell how well it does on each example."""

    def losses(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        """The loss of each row of X, of shape (..., n)."""


class hard_examples(minibatch):
    r"""Online hard example mining: of every mini-batch only the examples with the largest losses are learnt from.

    .. math:: g = \frac1k \sum_{i \in \text{top}_k} \nabla\ell_i(\theta), \quad
        k = \max(1, \lfloor \text{ratio}\cdot n\rfloor)

    Parameters
    ----------
    model : one with `losses(theta, X, y)`, of shape (n,), besides `grad`
    batch_size : examples in a batch, 1 to N, of which `order` and `seed` decide as in `minibatch`
    ratio : share of a batch to keep, in (0, 1]; at least one example is kept

    Raises
    ------
    ValueError : a ratio or a batch size out of range, data that do not fit. TypeError : a model without `losses`.

    >>> from optlib.models import LinearRegression
    >>> oracle = hard_examples(LinearRegression(), np.eye(4), [0.0, 3.0, 1.0, 2.0], batch_size=4, ratio=0.5)
    >>> oracle.hardest(np.zeros(4), t=0).tolist(), oracle(np.zeros(4), t=0).tolist()
    ([1, 3], [0.0, -1.5, 0.0, -1.0])

    Source: Shrivastava, Gupta & Girshick (2016).
    """

    model: Measured

    def __init__(
        self, model: Measured, X: ArrayLike, y: ArrayLike, batch_size: int, ratio: float, *, order: Order = "epoch",
        seed: int = 0,
    ):  # fmt: skip
        super().__init__(model, X, y, batch_size, order=order, seed=seed)
        self.ratio = number(ratio, "ratio", 0.0, 1.0, open_low=True, closed=True)

    def hardest(self, theta: NDArray, t: int) -> NDArray:
        """The rows of X that step t learns from, of shape (..., k): the k of its batch with the largest losses.

        Raises ValueError where a loss is NaN, as with a theta that is: there is no largest then.
        """
        rows, losses = self._losses(theta, t)
        if unknown := np.isnan(losses).sum():
            told = f"{unknown} of {losses.size} losses at step {t} are NaN: none is the largest"
            raise ValueError(f"theta={shown(theta)}: {told}")
        return self._largest(rows, losses)

    def _losses(self, theta: NDArray, t: int) -> tuple[NDArray, NDArray]:
        rows = self.indices(t)
        return rows, np.asarray(self.model.losses(theta, self.X[rows], self.y[rows]))

    def _largest(self, rows: NDArray, losses: NDArray) -> NDArray:
        # at least one; and 0.29 x 100 = 28.999... means 29
        k = max(1, int(self.ratio * len(rows) + 1e-9))
        kept = np.argpartition(-losses, k - 1, axis=-1)[..., :k]
        return rows[np.sort(kept, axis=-1)]

    def __call__(self, theta: NDArray, t: int) -> NDArray:
        theta = np.asarray(theta, dtype=None if isinstance(theta, np.ndarray) else float)
        hardest = self._largest(*self._losses(theta, t))  # a gradient that is NaN is the walk's to report
        gradient = np.empty(theta.shape, theta.dtype if theta.dtype.kind == "f" else float)
        for i in np.ndindex(theta.shape[:-1]):  # each copy of the model finds other examples hard
            rows = hardest[i]
            gradient[i] = _step_gradient(self.model, theta[i], self.X[rows], self.y[rows], self.seed, t)
        return gradient


# --- oracles made of oracles ----------------------------------------------------------------------


class _Changed:
    """An oracle whose gradient is another one's, changed; it hands the step on to those that ask for it."""

    def __init__(self, oracle: Oracle):
        check_oracle(oracle)
        self.oracle = oracle
        self.clips = getattr(oracle, "clips", False)  #: whether gradients are clipped on their way
        self.gradients: int = getattr(oracle, "gradients", 1)  #: how many gradients one call costs
        self._takes_step = takes_step(oracle)
        #: whether the gradient differs from step to step, so that t must be given
        self.timed = oracle.timed if isinstance(oracle, _Changed) else self._takes_step

    def _gradient(self, theta: NDArray, t: int | None) -> NDArray:
        if not self._takes_step or (t is None and not self.timed):
            return np.asarray(self.oracle(theta))
        if t is None:
            raise TypeError("this oracle differs from step to step: call it as oracle(theta, t)")
        return np.asarray(self.oracle(theta, t=t))

    def loss(self, theta: ArrayLike) -> Any:
        """The loss of the oracle inside, of shape (...) for theta of shape (..., d)."""
        inside = getattr(self.oracle, "loss", None)
        if inside is None:
            raise TypeError(f"{self.oracle!r} has no loss: only oracles made from models and data know theirs")
        return inside(theta)


class noisy(_Changed):
    r"""Gradient noise that fades: what is added has mean 0 and the variance :math:`\eta/(1+t)^\gamma`.

    .. math:: g_t + \mathcal N(0, \sigma_t^2 I), \quad \sigma_t^2 = \frac{\eta}{(1+t)^\gamma}, \quad t = 0, 1, \dots

    Parameters
    ----------
    oracle : theta -> gradient, or (theta, t) -> gradient
    seed : of the noise: it follows from the seed and t, so a resumed run sees the same
    eta : variance at the first step, 0 or more; the paper tried 0.01, 0.3 and 1
    gamma : how fast it fades, 0 (not at all) or more

    >>> from optlib import surfaces
    >>> oracle = noisy(surfaces.bowl.grad, seed=1, eta=0.3)
    >>> theta = np.array([1.0, 2.0])
    >>> bool((oracle(theta, t=5) == oracle(theta, t=5)).all()), bool((oracle(theta, t=5) == oracle(theta, t=6)).any())
    (True, False)

    Source: Neelakantan et al. (2015), equation 1.
    """

    def __init__(self, oracle: Oracle, seed: int = 0, *, eta: float = 0.01, gamma: float = 0.55):
        super().__init__(oracle)
        self.timed = True
        self.seed = whole(seed, "seed", 0)
        self.eta, self.gamma = number(eta, "eta"), number(gamma, "gamma")
        self._drawn: tuple[Any, NDArray] = (None, np.empty(0))

    def noise(self, t: int, shape: tuple[int, ...]) -> NDArray:
        """The noise of step t, in float64."""
        # in blocks, since making a generator takes longer than a few draws; smaller ones for large vectors
        steps = max(1, min(1024, 2**20 // max(1, math.prod(shape))))
        block, row = divmod(t, steps)
        key, normal = self._drawn  # a cache only, read at once: threads may share this oracle
        if key != (block, shape):
            normal = np.random.default_rng([self.seed, block]).standard_normal((steps, *shape))
            self._drawn = (block, shape), normal
        return math.sqrt(self.eta / (1 + t) ** self.gamma) * normal[row]

    def __call__(self, theta: NDArray, t: int) -> NDArray:
        g = self._gradient(theta, t)
        return g + self.noise(int(t), g.shape).astype(g.dtype if g.dtype.kind == "f" else float, copy=False)


class clipped(_Changed):
    r"""A gradient that cannot explode: by norm, its direction stays; by value, each number is cut off by itself.

    .. math:: g \leftarrow \frac{c}{\lVert g\rVert}\,g \ \text{ if } \lVert g\rVert \ge c, \qquad
        g_i \leftarrow \min(\max(g_i, -v), v)

    Parameters
    ----------
    oracle : theta -> gradient, or (theta, t) -> gradient
    norm : c, above 0: limit of the length of the whole gradient, of whatever shape
    value : v, above 0; give one of the two
    rows : whether each row of a theta of shape (..., d) has a length of its own, as where rows are independent runs

    >>> oracle = clipped(lambda theta: np.array([30.0, 40.0]), norm=5.0)
    >>> oracle(np.zeros(2)), clipped(oracle, value=3.5)(np.zeros(2))
    (array([3., 4.]), array([3. , 3.5]))

    Source: Pascanu, Mikolov & Bengio (2013), algorithm 1. PyTorch divides by the norm plus 1e-6; this is exact.
    """

    def __init__(
        self, oracle: Oracle, *, norm: float | None = None, value: float | None = None, rows: bool = False
    ):  # fmt: skip
        super().__init__(oracle)
        self.clips, self.rows = True, rows
        if (norm is None) == (value is None):
            raise TypeError(f"norm={norm!r}, value={value!r}: clip either by norm or by value; for both, clip twice")
        name, limit = ("norm", norm) if norm is not None else ("value", value)
        number(limit, name, open_low=True)
        self.norm, self.value = norm, value

    def __call__(self, theta: NDArray, t: int | None = None) -> NDArray:
        g = self._gradient(theta, t)
        if self.value is not None:
            return np.clip(g, -self.value, self.value)
        length = _length(g if self.rows else g.reshape(-1))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(length >= self.norm, g * (self.norm / length), g)


def _length(g: NDArray) -> NDArray:
    """The length along the last axis, of shape (..., 1), or () for a number; squares too large to hold are avoided."""
    if not g.ndim:
        return np.abs(g)
    with np.errstate(over="ignore"):
        length = np.sqrt((g * g).sum(axis=-1, keepdims=True))
    if np.isinf(length).any() and np.isfinite(g).all():
        largest = np.abs(g).max(axis=-1, keepdims=True)
        largest = np.where(largest > 0, largest, 1)
        length = largest * np.sqrt(((g / largest) ** 2).sum(axis=-1, keepdims=True))
    return length


class l2(_Changed):
    r"""A pull towards zero: the gradient of a loss with :math:`\frac\lambda2\lVert\theta\rVert^2` added.

    .. math:: g + \lambda\theta

    For plain gradient descent this is weight decay; for Adam it is not (see `optlib.rules.adamw`).

    Parameters
    ----------
    oracle : theta -> gradient, or (theta, t) -> gradient
    strength : lambda, 0 or more

    >>> l2(lambda theta: theta, strength=0.5)(np.array([2.0]))
    array([3.])
    """

    def __init__(self, oracle: Oracle, strength: float):
        super().__init__(oracle)
        self.strength = number(strength, "strength")

    def __call__(self, theta: NDArray, t: int | None = None) -> NDArray:
        return self._gradient(theta, t) + self.strength * np.asarray(theta)

    def loss(self, theta: ArrayLike) -> Any:
        """The loss of the oracle inside, and the penalty, of shape (...)."""
        return super().loss(theta) + 0.5 * self.strength * (np.asarray(theta) ** 2).sum(axis=-1)


class sharp(_Changed):
    r"""The gradient from a little uphill, where a sharp valley is already steep: sharpness-aware minimisation (SAM).

    .. math:: \nabla f\Bigl( \theta + \rho\, \frac{g}{\lVert g\rVert} \Bigr), \qquad g = \nabla f(\theta)

    Each call asks twice, at the same step t, so that both gradients see one mini-batch: `gradients` is 2, and a contest
    charges as much. On :math:`\frac L2 x^2` a constant rho ends in a cycle, :math:`|x| = \eta L\rho/(2-\eta L)`.

    Parameters
    ----------
    oracle : theta -> gradient, or (theta, t) -> gradient
    rho : how far uphill, 0 or more, in theta's units
    rows : whether each row of a theta of shape (..., d) has a length of its own, as where rows are independent runs

    >>> from optlib import surfaces
    >>> sharp(surfaces.bowl.grad, rho=0.5)(np.array([3.0, 4.0]))
    array([3.3, 4.4])

    Source: Foret et al. (2021), Algorithm 1.
    """

    def __init__(self, oracle: Oracle, rho: float = 0.05, *, rows: bool = False):
        super().__init__(oracle)
        self.gradients *= 2
        self.rho, self.rows = number(rho, "rho"), rows

    def __call__(self, theta: NDArray, t: int | None = None) -> NDArray:
        theta = np.asarray(theta)
        g = self._gradient(theta, t)
        length = _length(g if self.rows else g.reshape(-1))
        return self._gradient(theta + self.rho * g / np.where(length > 0, length, 1), t)


# --- gradient checking --------------------------------------------------------------------------


@dataclass(frozen=True)
class GradientCheck:
    """The outcome of `check_gradient`: `ok`, and for every coordinate what was claimed and what was measured."""

    coordinates: NDArray
    claimed: NDArray
    measured: NDArray
    error: NDArray  #: relative error of each coordinate
    step: NDArray
    tolerance: float = 1e-6

    @property
    def worst(self) -> float:
        """The largest relative error."""
        return float(self.error.max())

    @property
    def ok(self) -> bool:
        """Whether every coordinate agrees."""
        return bool(self.worst <= self.tolerance)

    def __str__(self) -> str:
        if self.ok:
            return f"gradient agrees: worst relative error {self.worst:.0e} over {len(self.error)} coordinates"
        lines = [f"gradient is wrong in {int((self.error > self.tolerance).sum())} of {len(self.error)} coordinates:"]
        for i in np.argsort(-self.error)[:5]:
            if self.error[i] > self.tolerance:
                lines.append(
                    f"  coordinate {self.coordinates[i]}: claimed {self.claimed[i]:.6g}, "
                    f"measured {self.measured[i]:.6g}, relative error {self.error[i]:.0e}"
                )
        return "\n".join(lines)


def central_difference(f: Callable[[NDArray], Any], theta: ArrayLike, h: float | None = None) -> NDArray:
    r"""The gradient measured: :math:`\frac{f(\theta + h e_i) - f(\theta - h e_i)}{2h}` for each coordinate.

    Parameters
    ----------
    f : function of an array like theta, giving a number
    theta : point, of shape (d,)
    h : step; by default :math:`\sqrt[3]{\varepsilon}\,\max(1, |\theta_i|)`, where truncation (which grows with h²) and
        rounding (which grows with 1/h) balance: about 6e-6 in float64

    >>> central_difference(lambda x: x[0] ** 2 * x[1], [3.0, 2.0]).round(6)
    array([12.,  9.])
    """
    theta = numbers(theta, "theta")
    gradient = np.empty_like(theta)
    for i, step in np.ndenumerate(_steps(theta, h)):
        shift = np.zeros_like(theta)
        shift[i] = step
        up, down = theta + shift, theta - shift
        rise = scalar(f(up), "f(theta)") - scalar(f(down), "f(theta)")
        gradient[i] = rise / (up[i] - down[i])  # the step as it was rounded
    return gradient


def _steps(theta: NDArray, h: float | None) -> NDArray:
    scale = np.finfo(float).eps ** (1 / 3) * np.maximum(1.0, np.abs(theta))
    return scale if h is None else np.full_like(theta, number(h, "h", open_low=True))


def check_gradient(
    f: Callable[[NDArray], Any], gradient: Callable[[NDArray], ArrayLike], theta: ArrayLike, *,
    h: float | None = None, tolerance: float = 1e-6,
) -> GradientCheck:  # fmt: skip
    r"""Compare a hand-written gradient with central differences, by coordinates: a `GradientCheck`, a verdict.

    The relative error is :math:`\frac{|a - n|}{\max(|a|, |n|)}`; where both are so small that only rounding is left, it
    is measured against the size of that rounding instead.

    Parameters
    ----------
    f, gradient : the function and its claimed gradient, both of an array like theta
    theta : point, of shape (d,); take one away from kinks, and not only the initial one
    h : step of the differences; by default chosen by scale (see `central_difference`)
    tolerance : largest relative error that counts as agreement

    Raises
    ------
    ValueError : if the claimed gradient does not have theta's shape.

    >>> print(check_gradient(lambda x: (x**2).sum(), lambda x: 2 * x, [1.0, -2.0]).ok)
    True
    >>> print(check_gradient(lambda x: (x**2).sum(), lambda x: x, [1.0, -2.0]))
    gradient is wrong in 2 of 2 coordinates:
      coordinate 0: claimed 1, measured 2, relative error 5e-01
      coordinate 1: claimed -2, measured -4, relative error 5e-01

    Source: the practice of CS231n, "neural networks 3".
    """
    theta, tolerance = numbers(theta, "theta"), number(tolerance, "tolerance", open_low=True)
    claimed = numbers(gradient(theta), "gradient(theta)")
    if claimed.shape != theta.shape:
        raise ValueError(f"the gradient has shape {claimed.shape}, but theta has shape {theta.shape}")
    measured = central_difference(f, theta, h)
    step = _steps(theta, h)
    value, eps = abs(float(f(theta))), np.finfo(float).eps
    # two values of f that differ by ten units in the last place are the same: so a zero gradient passes
    rounding = np.maximum(1e3 * max(1.0, value), 10.0 * value / tolerance) * eps / step
    size = np.maximum(np.maximum(np.abs(claimed), np.abs(measured)), rounding)
    error = np.abs(claimed - measured) / size
    error = np.where(np.isnan(error), np.inf, error)  # a NaN agrees with nothing
    return GradientCheck(
        np.arange(theta.size), claimed.ravel(), measured.ravel(), error.ravel(), step.ravel(), tolerance
    )


guard(globals())
