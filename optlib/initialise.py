r"""Where a network starts: weights drawn so that signals neither fade nor grow from layer to layer.

Each scheme is a function ``(shape, rng) -> weights`` with shape (fan_in, fan_out): how many numbers a unit adds up, and
how many units a layer has. What differs is the variance, which the "uniform" and the "normal" form share.

>>> rng = np.random.default_rng(0)
>>> W = he((400, 300), rng)
>>> round(float(W.var() * 400), 1)
2.0
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ._inputs import guard, one_of

Distribution = Literal["uniform", "normal"]
Shape = tuple[int, int]


def _drawn(shape: Shape, rng: np.random.Generator, variance: float, distribution: Distribution) -> NDArray:
    if one_of(distribution, "distribution", ("uniform", "normal")) == "normal":
        return np.sqrt(variance) * rng.standard_normal(shape)
    return rng.uniform(-1.0, 1.0, shape) * np.sqrt(3.0 * variance)


def _fans(shape: Shape) -> Shape:
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"shape={tuple(shape)!r}: weights have the shape (fan_in, fan_out), each at least 1")
    return shape


def zeros(shape: Shape, rng: np.random.Generator | None = None) -> NDArray:
    """All weights 0: the units of a layer stay the same for ever, and a hidden layer's gradient is zero.

    >>> zeros((2, 3)).sum()
    np.float64(0.0)
    """
    return np.zeros(_fans(shape))


def lecun(shape: Shape, rng: np.random.Generator, distribution: Distribution = "uniform") -> NDArray:
    r"""Variance :math:`1/\text{fan in}`: a unit's sum has the variance of its inputs.

    Parameters
    ----------
    shape : (fan_in, fan_out). rng : a generator
    distribution : "uniform" or "normal", with the same variance

    >>> bool(np.abs(lecun((12, 5), np.random.default_rng(0))).max() <= 0.5)
    True

    Source: LeCun, Bottou, Orr & Müller (1998), Efficient BackProp, section 4.6.
    """
    return _drawn(shape, rng, 1.0 / _fans(shape)[0], distribution)


def glorot(shape: Shape, rng: np.random.Generator, distribution: Distribution = "uniform") -> NDArray:
    r"""Variance :math:`2/(\text{fan in} + \text{fan out})`: a compromise between the way forward and the way back.

    Parameters are those of `lecun`.

    >>> bool(np.abs(glorot((3, 3), np.random.default_rng(0))).max() <= 1.0)
    True

    Source: Glorot & Bengio (2010), equation 16.
    """
    return _drawn(shape, rng, 2.0 / sum(_fans(shape)), distribution)


def he(shape: Shape, rng: np.random.Generator, distribution: Distribution = "normal") -> NDArray:
    r"""Variance :math:`2/\text{fan in}`: twice LeCun's, since a rectifier silences half of its inputs.

    Parameters are those of `lecun`.

    >>> he((2, 3), np.random.default_rng(0)).shape
    (2, 3)

    Source: He, Zhang, Ren & Sun (2015), equation 10.
    """
    return _drawn(shape, rng, 2.0 / _fans(shape)[0], distribution)


def orthogonal(shape: Shape, rng: np.random.Generator, gain: float = 1.0) -> NDArray:
    r"""A random orthogonal matrix times `gain`: lengths stay, :math:`W^\top W = I` (or :math:`WW^\top = I` if wider).

    >>> W = orthogonal((3, 2), np.random.default_rng(0))
    >>> bool(np.allclose(W.T @ W, np.eye(2)))
    True

    Source: Saxe, McClelland & Ganguli (2014).
    """
    rows, columns = _fans(shape)
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)  # or the draw would not be uniform over the orthogonal matrices
    return gain * (q if rows >= columns else q.T)


#: What `optlib.models.MLP.init` takes as its scheme.
SCHEMES = {"zeros": zeros, "lecun": lecun, "glorot": glorot, "he": he, "orthogonal": orthogonal}


guard(globals())
