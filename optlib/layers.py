r"""What a network is made of: activations, batch normalisation, dropout, and the softmax with its cross-entropy.

Each is a function of arrays with its gradient beside it. Examples stand in the last axis but one, features in the last
one; leading axes are independent copies. `optlib.models.MLP` is built from these.

>>> y, memory = batch_norm(np.array([[1.0], [3.0]]), gamma=np.array([2.0]), beta=np.array([5.0]))
>>> y.round(3)
array([[3.],
       [7.]])
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._inputs import guard, number, numbers, whole

# --- activations ----------------------------------------------------------------------------------


class Activation(NamedTuple):
    """A function applied to every number, and its derivative, which all of these can tell from the output alone."""

    apply: Callable[[NDArray], NDArray]  #: z -> a, written over z
    backward: Callable[[NDArray, NDArray], NDArray]  #: (d loss/d a, a) -> d loss/d z, written over the first


def _sigmoid(z: NDArray) -> NDArray:
    np.tanh(np.multiply(z, 0.5, out=z), out=z)  # through tanh: no overflow on either side
    z += 1.0
    z *= 0.5
    return z


def _tanh_backward(da: NDArray, a: NDArray) -> NDArray:
    slope = a * a
    return np.multiply(da, np.subtract(1.0, slope, out=slope), out=da)


_A, _S = 1.7159, 2.0 / 3.0

#: "relu", max(0, z); "tanh"; "sigmoid", 1/(1 + exp(-z)); "lecun_tanh", 1.7159 tanh(2z/3) (LeCun et al. 1998);
#: "identity", for deep linear networks.
ACTIVATIONS = {
    "relu": Activation(lambda z: np.maximum(z, 0.0, out=z), lambda da, a: np.multiply(da, a > 0.0, out=da)),
    "tanh": Activation(lambda z: np.tanh(z, out=z), _tanh_backward),
    "sigmoid": Activation(_sigmoid, lambda da, a: np.multiply(da, (1.0 - a) * a, out=da)),
    "lecun_tanh": Activation(
        lambda z: np.multiply(np.tanh(np.multiply(z, _S, out=z), out=z), _A, out=z),
        lambda da, a: np.multiply(da, a * a * (-_S / _A) + _S * _A, out=da),
    ),
    "identity": Activation(lambda z: z, lambda da, a: da),
}

# --- batch normalisation --------------------------------------------------------------------------

#: What `batch_norm` hands to `batch_norm_backward`: the normalised input, one over the deviation, and gamma.
Normalised = tuple[NDArray, NDArray, NDArray]


def batch_statistics(x: ArrayLike, *, unbiased: bool = False) -> tuple[NDArray, NDArray]:
    """Mean and variance of each feature over the examples, of shape (..., 1, features) each.

    Parameters
    ----------
    x : of shape (..., n, features), n at least 2
    unbiased : whether the variance is divided by n - 1 (as for inference) or by n (as in training)

    Raises
    ------
    ValueError : fewer than two examples, whose variance says nothing.

    >>> mean, variance = batch_statistics([[1.0], [3.0]])
    >>> float(mean[0, 0]), float(variance[0, 0])
    (2.0, 1.0)
    """
    x = numbers(x, "x")
    if x.ndim < 2 or x.shape[-2] < 2:
        raise ValueError(
            f"batch normalisation of an array of shape {x.shape}: it needs shape (..., n, features) with at least "
            "two examples. Choose a batch size that leaves no remainder of one, or give statistics"
        )
    n = x.shape[-2]
    mean = x.sum(axis=-2, keepdims=True)
    mean /= n
    centred = x - mean
    variance = np.einsum("...ni,...ni->...i", centred, centred)[..., None, :]
    variance /= n - 1 if unbiased else n
    return mean, variance


def batch_norm(x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, *, eps: float = 1e-5) -> tuple[NDArray, Normalised]:
    r"""Batch normalisation in training: each feature gets mean beta and deviation gamma over the batch.

    .. math:: \hat x = \frac{x - \mu_B}{\sqrt{\sigma_B^2 + \epsilon}}, \quad y = \gamma\hat x + \beta, \quad
        \sigma_B^2 = \tfrac1n \textstyle\sum (x - \mu_B)^2

    Parameters
    ----------
    x : of shape (..., n, features), n at least 2
    gamma, beta : scale and shift, of shape (..., features)
    eps : above 0; 1e-5 as in PyTorch (Keras has 1e-3)

    Returns
    -------
    y, like x; and what `batch_norm_backward` needs.

    Raises
    ------
    ValueError : fewer than two examples.

    >>> y, _ = batch_norm([[1.0, 5.0], [3.0, 5.0]], gamma=[1.0, 1.0], beta=[0.0, 7.0])
    >>> y.round(4)
    array([[-1.,  7.],
           [ 1.,  7.]])

    Source: Ioffe & Szegedy (2015), algorithm 1.
    """
    x, gamma, beta = numbers(x, "x"), numbers(gamma, "gamma")[..., None, :], numbers(beta, "beta")[..., None, :]
    mean, variance = batch_statistics(x)
    variance += number(eps, "eps")
    inverse = 1.0 / np.sqrt(variance)
    normal = x - mean
    normal *= inverse
    return gamma * normal + beta, (normal, inverse, gamma)


def batch_norm_backward(dy: ArrayLike, memory: Normalised) -> tuple[NDArray, NDArray, NDArray]:
    r"""The gradients in x, gamma and beta, from that in y.

    .. math:: \partial x = \frac{\gamma}{n\sqrt{\sigma^2 + \epsilon}}
        \Bigl(n\,\partial y - \sum\partial y - \hat x\sum\partial y\,\hat x\Bigr), \quad
        \partial\gamma = \sum\partial y\,\hat x, \quad \partial\beta = \sum\partial y

    Parameters
    ----------
    dy : of shape (..., n, features). memory : from `batch_norm`

    >>> _, memory = batch_norm([[1.0], [2.0], [6.0]], [1.0], [0.0])
    >>> dx, dgamma, dbeta = batch_norm_backward([[1.0], [0.0], [0.0]], memory)
    >>> bool(abs(dx.sum()) < 1e-15), dbeta
    (True, array([1.]))

    Source: Ioffe & Szegedy (2015), section 3, its sums put together.
    """
    normal, inverse, gamma = memory
    dy = numbers(dy, "dy")
    dbeta = dy.sum(axis=-2)
    dgamma = np.einsum("...ni,...ni->...i", dy, normal)
    n = dy.shape[-2]
    dx = normal * (dgamma / -n)[..., None, :]
    dx += dy
    dx -= (dbeta / n)[..., None, :]
    dx *= gamma * inverse
    return dx, dgamma, dbeta


def batch_norm_inference(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, mean: ArrayLike, variance: ArrayLike, *, eps: float = 1e-5
) -> NDArray:
    r"""Batch normalisation after training: an affine map with fixed statistics, one example at a time.

    .. math:: y = \frac{\gamma}{\sqrt{\mathrm{Var} + \epsilon}}\,(x - \mathrm E) + \beta

    Parameters
    ----------
    x : of shape (..., n, features)
    gamma, beta : of shape (..., features)
    mean, variance : of the population, of shape (..., features), or (..., 1, features) as `batch_statistics` gives

    >>> batch_norm_inference([[3.0]], gamma=[2.0], beta=[1.0], mean=[1.0], variance=[4.0], eps=0.0)
    array([[3.]])

    Source: Ioffe & Szegedy (2015), algorithm 2.
    """
    scale = numbers(gamma, "gamma")[..., None, :] / np.sqrt(_row(variance, "variance") + number(eps, "eps"))
    return scale * (numbers(x, "x") - _row(mean, "mean")) + numbers(beta, "beta")[..., None, :]


def _row(statistic: ArrayLike, name: str) -> NDArray:
    statistic = numbers(statistic, name)
    return statistic if statistic.ndim >= 2 and statistic.shape[-2] == 1 else statistic[..., None, :]


def moving_statistics(
    running: tuple[ArrayLike, ArrayLike], x: ArrayLike, *, momentum: float = 0.1, unbiased: bool = True
) -> tuple[NDArray, NDArray]:
    """Running mean and variance after one more batch: new = (1 - momentum) old + momentum batch.

    Parameters
    ----------
    running : mean and variance so far, of shape (..., 1, features) or (features,); usually 0 and 1 at the start
    x : the batch, of shape (..., n, features)
    momentum : weight of the *batch*, 0 to 1, as PyTorch means it; Keras calls the weight of the old value so, 0.99
    unbiased : whether the batch's variance is divided by n - 1 (PyTorch) or by n (Keras)

    >>> mean, variance = moving_statistics((np.zeros((1, 1)), np.ones((1, 1))), [[1.0], [3.0]])
    >>> round(float(mean[0, 0]), 3), round(float(variance[0, 0]), 3)
    (0.2, 1.1)
    """
    momentum = number(momentum, "momentum", 0.0, 1.0, closed=True)
    mean, variance = batch_statistics(x, unbiased=unbiased)
    old_mean, old_variance = _row(running[0], "running"), _row(running[1], "running")
    return (1 - momentum) * old_mean + momentum * mean, (1 - momentum) * old_variance + momentum * variance


# --- dropout --------------------------------------------------------------------------------------


def dropout(x: ArrayLike, rate: float, rng: np.random.Generator | int) -> tuple[NDArray, NDArray]:
    r"""Inverted dropout: each number is set to zero with probability `rate`, the others grow by 1/(1 - rate).

    .. math:: y = \frac{m \odot x}{1 - p}, \quad m \sim \mathrm{Bernoulli}(1 - p)

    The mean stays, so nothing is scaled after training. The gradient in x is the gradient in y times the mask.

    Parameters
    ----------
    x : any shape
    rate : p, the probability to *drop*, in [0, 1)
    rng : a generator, or a seed for one

    Returns
    -------
    y, and the mask: 0 or 1/(1 - p), like x.

    >>> y, mask = dropout(np.ones(4), 0.5, rng=0)
    >>> sorted(set(y.tolist())), bool((y == mask).all())
    ([0.0, 2.0], True)

    Source: Srivastava et al. (2014), in the inverted form of section 10.
    """
    x = numbers(x, "x")
    mask = dropout_mask(x.shape, rate, _generator(rng), x.dtype if x.dtype.kind == "f" else float)
    return x * mask, mask


def _generator(rng: np.random.Generator | int) -> np.random.Generator:
    return rng if isinstance(rng, np.random.Generator) else np.random.default_rng(whole(rng, "rng", 0))


def dropout_mask(shape: tuple[int, ...], rate: float, rng: np.random.Generator, dtype: Any = float) -> NDArray:
    """The mask of `dropout`, of the given shape: 0 with probability `rate`, else 1/(1 - rate)."""
    keep = 1.0 - number(rate, "rate", high=1.0)
    mask = (rng.random(shape, np.float32) < keep).astype(dtype)
    mask /= keep
    return mask


# --- softmax --------------------------------------------------------------------------------------


def softmax(z: ArrayLike) -> NDArray:
    r"""Probabilities :math:`p_k = e^{z_k}/\sum_j e^{z_j}` along the last axis, without overflow.

    >>> softmax([0.0, np.log(3.0)])
    array([0.25, 0.75])
    """
    z = numbers(z, "z")
    if not z.ndim or not z.shape[-1]:
        raise ValueError(f"z has shape {z.shape}: it must be (..., classes), with at least one")
    p = z - z.max(axis=-1, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=-1, keepdims=True)
    return p


def cross_entropy(z: ArrayLike, labels: ArrayLike) -> NDArray:
    r"""Loss :math:`\log\sum_j e^{z_j} - z_y` of each example, of shape (..., n).

    Parameters
    ----------
    z : logits, of shape (..., n, classes)
    labels : of shape (n,), see `checked_labels`

    >>> cross_entropy([[0.0, 0.0]], [1]).round(6)
    array([0.693147])
    """
    z = numbers(z, "z")
    y = checked_labels(labels, z)
    top = z.max(axis=-1)
    return np.log(np.exp(z - top[..., None]).sum(axis=-1)) + (top - z[..., np.arange(len(y)), y])


def cross_entropy_gradient(z: ArrayLike, labels: ArrayLike) -> NDArray:
    r"""Its gradient in the logits, :math:`p - e_y` for each example, of z's shape.

    >>> cross_entropy_gradient([[0.0, 0.0]], [1])
    array([[ 0.5, -0.5]])
    """
    p = softmax(z)
    y = checked_labels(labels, p)
    p[..., np.arange(len(y)), y] -= 1.0
    return p


def checked_labels(labels: ArrayLike, z: NDArray) -> NDArray:
    """Labels as whole numbers from 0 that fit logits of shape (..., n, classes), or an error that says what is wrong.

    >>> checked_labels([0, 3], np.zeros((2, 3)))
    Traceback (most recent call last):
    ...
    ValueError: the labels run from 0 to 3; with 3 classes allowed are the whole numbers 0 to 2
    """
    given = np.asarray(labels)
    n, classes = z.shape[-2:]
    if given.shape != (n,):
        raise ValueError(
            f"y has shape {given.shape}, but z, of shape {z.shape}, has {n} examples: labels must have shape ({n},)"
        )
    # labels that are whole numbers but stored as floats are as good; negative ones become huge when unsigned
    y = given if given.dtype.kind in "iu" else _whole(given)
    if y.astype(np.uintp, copy=False).max() >= classes:
        raise ValueError(
            f"the labels run from {y.min()} to {y.max()}; with {classes} classes "
            f"allowed are the whole numbers 0 to {classes - 1}"
        )
    return y


def _whole(labels: NDArray) -> NDArray:
    if labels.dtype.kind not in "fb" or not (labels == np.floor(labels)).all():
        raise ValueError(f"y holds {labels.dtype} values that are no labels: give whole numbers, 0 for the first class")
    return labels.astype(np.intp)


guard(globals(), late=True)
