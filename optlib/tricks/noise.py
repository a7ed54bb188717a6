r"""Gradient noise: how much the examples disagree, and the batch size beyond which more of them help little."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._inputs import guard, like, number, vector
from ..models import Model, checked_data
from .second_order import Gradient, hessian, hessian_vector


class NoiseScale(NamedTuple):
    r"""Statistics of the gradient at one point, made by `noise_scale`, and what follows for batches of B examples.

    >>> noise = NoiseScale(np.array([2.0]), trace=8.0, weighted_trace=24.0, curvature=12.0)
    >>> noise.simple, noise.critical
    (2.0, 2.0)
    >>> noise.best_rate(batch_size=2), noise.gain(batch_size=2)
    (0.16666666666666666, 0.5)
    """

    gradient: NDArray  #: G, the mean over all examples, of shape (d,)
    trace: float  #: tr Σ, the sum of the variances of one example's gradient
    weighted_trace: float  #: tr(H Σ)
    curvature: float  #: Gᵀ H G

    @property
    def simple(self) -> float:
        r"""The simple noise scale :math:`\mathrm{tr}\,\Sigma / |G|^2`, which needs no curvature; in examples."""
        return _quotient(self.trace, float(self.gradient @ self.gradient))

    @property
    def critical(self) -> float:
        r"""The critical batch size :math:`\mathcal B = \mathrm{tr}(H\Sigma) / G^\top H G`, in examples."""
        self._descends()
        return self.weighted_trace / self.curvature

    @property
    def full_rate(self) -> float:
        r"""The best rate of the exact gradient, :math:`\epsilon_{\max} = G^\top G / G^\top H G`."""
        self._descends()
        return float(self.gradient @ self.gradient) / self.curvature

    def best_rate(self, batch_size: float) -> float:
        r"""The rate that lowers the expected loss most: :math:`\epsilon_{\max} / (1 + \mathcal B / B)`."""
        return self.full_rate * self.gain(batch_size)

    def gain(self, batch_size: float) -> float:
        r"""What that step gains, as a share of what the exact gradient's would: :math:`1 / (1 + \mathcal B / B)`."""
        return 1 / (1 + self.critical / number(batch_size, "batch_size", open_low=True))

    def expected_change(self, rate: ArrayLike, batch_size: float) -> NDArray:
        r"""The expected change of the local quadratic by one step, of the rates' shape.

        .. math:: -\epsilon |G|^2 + \frac{\epsilon^2}2 \Bigl( G^\top H G + \frac{\mathrm{tr}(H\Sigma)}B \Bigr)
        """
        rate = np.asarray(rate, dtype=float)
        bend = self.curvature + self.weighted_trace / number(batch_size, "batch_size", open_low=True)
        return -rate * (self.gradient @ self.gradient) + 0.5 * rate**2 * bend

    def _descends(self) -> None:
        if not self.curvature > 0:
            raise ValueError(
                f"the curvature along the gradient is {self.curvature:g}: with none above 0 the quadratic has no best "
                "rate there. The simple scale does not need it"
            )


def noise_scale(model: Model, theta: ArrayLike, X: ArrayLike, y: ArrayLike, *, curvature: bool = True) -> NoiseScale:
    r"""Measure the gradient's noise over a data set: its covariance over examples, weighed by the Hessian.

    .. math:: \mathcal B_\text{simple} = \frac{\mathrm{tr}\,\Sigma}{|G|^2}, \qquad
        \mathcal B = \frac{\mathrm{tr}(H \Sigma)}{G^\top H G}, \qquad
        \Sigma = \frac1n \sum_i (g_i - G)(g_i - G)^\top

    Parameters
    ----------
    model : with ``grad(theta, X, y)``, the mean over the rows
    theta : point, of shape (d,)
    X, y : the examples; each gives one gradient, so that a few hundred are enough
    curvature : measure what needs the Hessian too, by min(n, d) + 1 Hessian–vector products; where it is False, those
        two numbers are NaN and only the simple scale is there

    Source: McCandlish et al. (2018), section 2.2.

    >>> from optlib.models import LinearRegression
    >>> X, y = np.array([[1.0], [1.0]]), np.array([1.0, 3.0])
    >>> noise = noise_scale(LinearRegression(), [0.0], X, y)
    >>> noise.gradient, round(noise.simple, 9), round(noise.critical, 6)  # gradients -1 and -3, mean -2, variance 1
    (array([-2.]), 0.25, 0.25)
    """
    theta = vector(theta)
    rows, targets = checked_data(X, y)
    n = len(targets)
    each = np.array([model.grad(theta, rows[i : i + 1], targets[i : i + 1]) for i in range(n)])
    mean = like(each.mean(axis=0), theta, "the gradient")
    apart = each - mean
    trace = float((apart**2).sum() / n)
    if not curvature:
        return NoiseScale(mean, trace, float("nan"), float("nan"))
    weighted, along = _weighed(lambda point: model.grad(point, rows, targets), theta, mean, apart)
    return NoiseScale(mean, trace, weighted, along)


def _weighed(grad: Gradient, theta: NDArray, mean: NDArray, apart: NDArray) -> tuple[float, float]:
    """tr(H Σ) and Gᵀ H G, through the Hessian itself where it is the smaller."""
    n, d = apart.shape
    if d <= n:
        H = hessian(grad, theta)
        return float(((apart @ H) * apart).sum() / n), float(mean @ H @ mean)
    weighted = sum(float(v @ hessian_vector(grad, theta, v)) for v in apart) / n
    return weighted, float(mean @ hessian_vector(grad, theta, mean))


def _quotient(noise: float, signal: float) -> float:
    return noise / signal if signal > 0 else float("inf") if noise > 0 else float("nan")


guard(globals())
