r"""Models with hand-written gradients: a loss that is the *mean* over examples, and its gradient in the parameters.

A model is an object with ``loss(theta, X, y)`` and ``grad(theta, X, y)``; `theta` has shape (..., d), and leading axes
are independent copies of the model. Nothing is stored: the data are arguments, so a mini-batch is just fewer rows.

>>> from optlib import data
>>> X, y = data.line(n=50, seed=0)
>>> model = LinearRegression()
>>> bool(model.loss([0.0, 0.0], X, y) > model.loss(model.minimum(X, y), X, y))
True
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import initialise, layers
from ._inputs import guard, number, numbers, one_of, whole
from .data import SparseRows
from .parts import Part


class Model(Protocol):
    """What an oracle needs of a model."""

    def loss(self, theta: ArrayLike, X: NDArray, y: NDArray) -> Any:
        """Mean loss over the rows of X, of shape (...) for theta of shape (..., d)."""

    def grad(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        """Its gradient in theta, of shape (..., d)."""


def checked_data(X: Any, y: ArrayLike) -> tuple[Any, NDArray]:
    """X as floats of shape (n, d) and y with n entries, or an error that says what is wrong.

    Numbers in single precision stay so, and sparse rows stay sparse.

    >>> checked_data(np.empty((0, 2)), [])
    Traceback (most recent call last):
    ...
    ValueError: the data set is empty: X has shape (0, 2), and at least one row is needed
    """
    if not isinstance(X, SparseRows):
        X = numbers(X, "X")
        X = X if X.dtype == np.float32 else X.astype(float, copy=False)
    y = y if type(y) is np.ndarray and y.dtype.kind in "iuf" else _targets(y)
    if X.ndim != 2:
        raise ValueError(f"X has shape {X.shape}: it must be a table of shape (n, d), one row an example")
    if not X.shape[0]:
        raise ValueError(f"the data set is empty: X has shape {X.shape}, and at least one row is needed")
    if y.shape[:1] != X.shape[:1]:
        raise ValueError(f"X has {X.shape[0]} rows, but y has shape {y.shape}: each row needs its target")
    for name, array in (("X", X.values if isinstance(X, SparseRows) else X), ("y", y)):
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            if array is not X and array is not y:  # an entry of sparse rows: the row that holds it
                row = int(np.searchsorted(X.indptr, row, side="right")) - 1
            raise ValueError(f"{name} is not finite, first in row {row}: remove or fill such examples")
    return X, y


def _targets(y: ArrayLike) -> NDArray:
    """Targets or labels as numbers; whole ones stay so."""
    array = numbers(y, "y")
    return array if array.dtype.kind == np.asarray(y).dtype.kind else np.asarray(y)


def _parameters(theta: ArrayLike, X: NDArray, y: NDArray | None = None) -> NDArray:
    if not len(X):
        raise ValueError(f"the data set is empty: X has shape {X.shape}, and at least one row is needed")
    if y is not None:
        _column(y, len(X))
    return _fitting(theta, X.shape[-1], f"the data have {X.shape[-1]} columns")


def _column(y: ArrayLike, n: int) -> None:
    if np.shape(y) != (n,):  # (n, 1) would broadcast to a table of n x n residuals
        raise ValueError(f"y has shape {np.shape(y)}, but X has {n} rows: y must have shape ({n},)")


def _fitting(theta: ArrayLike, size: int, because: str) -> NDArray:
    """Theta as an array of shape (..., size)."""
    theta = numbers(theta, "theta")
    if theta.ndim == 0 or theta.shape[-1] != size:
        raise ValueError(f"theta has shape {theta.shape}, but {because}: it must have shape (..., {size})")
    return theta


class _Mean:
    """A model whose loss is the mean of its `losses`; theta is one vector, unless the model says otherwise."""

    l2: float = 0.0

    def loss(self, theta: ArrayLike, X: NDArray, y: NDArray) -> Any:
        r"""The mean over the rows of X, and the penalty :math:`\frac{l_2}2 \lVert\theta\rVert^2`, of shape (...)."""
        mean = self.losses(theta, X, y).mean(axis=-1)
        return mean + 0.5 * self.l2 * (np.asarray(theta) ** 2).sum(axis=-1) if self.l2 else mean

    def losses(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        """The loss of each example, of shape (..., n), without the penalty."""
        raise NotImplementedError

    def parts(self) -> dict[str, Part]:
        """The one part of theta, a vector of weights w."""
        return {"w": Part(slice(0, None), (-1,), "output")}


class LinearRegression(_Mean):
    r"""Least squares: :math:`\frac1{2n}\sum_i (x_i^\top\theta - y_i)^2`. A constant column in X is the intercept.

    >>> LinearRegression().grad([0.0], np.array([[1.0], [2.0]]), np.array([1.0, 2.0]))
    array([-2.5])
    """

    def losses(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        """Half the squared residual of each example, of shape (..., n)."""
        residual = _parameters(theta, X, y) @ X.T - y
        return 0.5 * residual**2

    def grad(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        r"""Gradient :math:`\frac1n X^\top(X\theta - y)`, of shape (..., d)."""
        return (_parameters(theta, X, y) @ X.T - y) @ X / len(X)

    def predict(self, theta: ArrayLike, X: NDArray) -> NDArray:
        """Predictions, of shape (..., n)."""
        return _parameters(theta, X) @ X.T

    def smoothness(self, X: NDArray) -> float:
        r"""L, the largest eigenvalue of the Hessian :math:`X^\top X/n`: rates below 2/L converge."""
        return float(np.linalg.eigvalsh(X.T @ X / len(X))[-1])

    def minimum(self, X: NDArray, y: NDArray) -> NDArray:
        """The minimiser in closed form (least squares), of shape (d,)."""
        return np.linalg.lstsq(X, y, rcond=None)[0]


class LogisticRegression(_Mean):
    r"""Two classes, labels 0 and 1: mean cross-entropy of :math:`p_i = \sigma(x_i^\top\theta)`, and a penalty.

    .. math:: \frac1n \sum_i \bigl( \log(1 + e^{x_i^\top\theta}) - y_i x_i^\top\theta \bigr)
        + \frac{l_2}2 \lVert\theta\rVert^2

    Parameters
    ----------
    l2 : weight of the penalty, 0 or more

    >>> round(float(LogisticRegression().loss([0.0], np.array([[3.0]]), np.array([1.0]))), 6)
    0.693147
    """

    def __init__(self, l2: float = 0.0):
        self.l2 = number(l2, "l2")

    def losses(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        """The cross-entropy of each example, of shape (..., n), without the penalty."""
        z = _parameters(theta, X, y) @ X.T
        return np.logaddexp(0.0, z) - _two_classes(y) * z  # log(1 + exp(z)) - y z, without overflow

    def grad(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        r"""Gradient :math:`\frac1n X^\top(p - y) + l_2\theta`, of shape (..., d)."""
        theta = _parameters(theta, X, y)
        return (self.predict(theta, X) - _two_classes(y)) @ X / len(X) + self.l2 * theta

    def predict(self, theta: ArrayLike, X: NDArray) -> NDArray:
        """Probability of class 1, of shape (..., n)."""
        # the logistic function through tanh: no overflow on either side
        return 0.5 * (1.0 + np.tanh(0.5 * (_parameters(theta, X) @ X.T)))

    def smoothness(self, X: NDArray) -> float:
        r"""A bound on the largest eigenvalue of the Hessian: :math:`\lambda_{\max}(X^\top X)/(4n) + l_2`."""
        return 0.25 * float(np.linalg.eigvalsh(X.T @ X / len(X))[-1]) + self.l2


def _two_classes(y: NDArray) -> NDArray:
    """Labels 0 and 1: with any others the loss has no least value, and falls for ever."""
    y = np.asarray(y)
    if not ((y == 0) | (y == 1)).all():
        found = np.unique(y)
        raise ValueError(f"y holds {', '.join(map(str, found[:4]))}: the labels of a logistic regression are 0 and 1")
    return y


class SoftmaxRegression(_Mean):
    r"""Several classes, labels 0 to k - 1: mean cross-entropy of :math:`p = \mathrm{softmax}(W^\top x)`, and a penalty.

    .. math:: \frac1n \sum_i \Bigl( \log\sum_j e^{w_j^\top x_i} - w_{y_i}^\top x_i \Bigr)
        + \frac{l_2}2 \lVert W\rVert^2

    `theta` is W, of shape (columns of X, classes), row by row. A constant column in X is the intercept.

    Parameters
    ----------
    classes : number of classes k, 2 or more
    l2 : weight of the penalty, 0 or more

    >>> model = SoftmaxRegression(3)
    >>> X, y = np.array([[1.0, 2.0]]), np.array([2])
    >>> round(float(model.loss(np.zeros(6), X, y)), 6)
    1.098612
    >>> model.grad(np.zeros(6), X, y).round(3)
    array([ 0.333,  0.333, -0.667,  0.667,  0.667, -1.333])
    """

    def __init__(self, classes: int, l2: float = 0.0):
        self.classes = whole(classes, "classes", 2)
        self.l2 = number(l2, "l2")

    def unpack(self, theta: ArrayLike) -> NDArray:
        """W as a view of theta, of shape (..., columns, classes)."""
        theta = numbers(theta, "theta")
        return theta.reshape(*theta.shape[:-1], -1, self.classes)

    def parts(self) -> dict[str, Part]:
        """The one part of theta, the matrix W; its number of rows is that of the data's columns."""
        return {"W": Part(slice(0, None), (-1, self.classes), "output")}

    def _logits(self, theta: ArrayLike, X: NDArray, y: NDArray | None = None) -> NDArray:
        _parameters(np.empty(X.shape[-1]), X, y)
        columns = X.shape[-1]
        theta = _fitting(theta, columns * self.classes, f"{columns} columns and {self.classes} classes need as many")
        return (self.unpack(theta).swapaxes(-1, -2) @ X.T).swapaxes(-1, -2)

    def losses(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        """The cross-entropy of each example, of shape (..., n), without the penalty."""
        return layers.cross_entropy(self._logits(theta, X, y), y)

    def grad(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        r"""Gradient :math:`\frac1n X^\top(P - Y) + l_2 W`, of shape (..., d)."""
        error = layers.cross_entropy_gradient(self._logits(theta, X, y), y)
        error /= len(X)
        slope = (error.swapaxes(-1, -2) @ X).swapaxes(-1, -2)
        theta = numbers(theta, "theta")
        return slope.reshape(theta.shape) + self.l2 * theta

    def predict(self, theta: ArrayLike, X: NDArray) -> NDArray:
        """Probability of each class, of shape (..., n, classes)."""
        return layers.softmax(self._logits(theta, X))

    def accuracy(self, theta: ArrayLike, X: NDArray, y: NDArray) -> Any:
        """Share of the examples whose likeliest class is the right one, of shape (...)."""
        z = self._logits(theta, X, y)
        return (z.argmax(axis=-1) == layers.checked_labels(y, z)).mean(axis=-1)


# --- networks -------------------------------------------------------------------------------------


class Layer(NamedTuple):
    """The parameters of one layer, as views of theta."""

    W: NDArray  #: weights, of shape (..., fan_in, fan_out): a column holds the incoming weights of one unit
    b: NDArray  #: shift, of shape (..., fan_out): the bias, or the beta of batch normalisation
    gamma: NDArray | None = None  #: scale of batch normalisation, of shape (..., fan_out)


#: Mean and variance of each hidden layer's sums, for batch normalisation after training.
Statistics = list[tuple[NDArray, NDArray]]


class _Pass(NamedTuple):
    """What the way forward through a layer leaves for the way back."""

    inputs: NDArray
    outputs: NDArray  #: before dropout
    normal: layers.Normalised | None
    mask: NDArray | None


class MLP:
    r"""A multi-layer perceptron of any depth: :math:`a_l = \phi(a_{l-1} W_l + b_l)`, the last one without :math:`\phi`.

    With batch normalisation a hidden layer is :math:`\phi(\mathrm{BN}(a_{l-1} W_l))`, its beta in the bias's place.

    Parameters
    ----------
    sizes : numbers of inputs, of units in each hidden layer, and of outputs (two or more numbers, each at least 1)
    activation : "relu", "tanh", "sigmoid", "lecun_tanh" (1.7159 tanh(2z/3)) or "identity"
    batch_norm : whether hidden layers are normalised over the batch
    dropout : probability to drop a hidden unit in training, in [0, 1). Units are dropped where a `mask_seed` is given;
        the stochastic oracles give one that follows from their own seed and the step
    loss : "softmax", mean cross-entropy of labels 0 to sizes[-1] - 1; or "squared", half the mean squared error of
        targets of shape (n, sizes[-1]), or (n,) for one output
    eps : of batch normalisation, above 0

    `theta` holds, for each layer, W row by row, then b, then gamma if the layer is normalised (see `unpack`): `size`
    numbers in all.

    Raises
    ------
    ValueError : sizes, an activation, a rate or a loss that are not allowed.

    >>> from optlib import Optimizer, data, descend, oracles, rules
    >>> X, y = data.digits()
    >>> model = MLP([64, 32, 10])
    >>> batches = oracles.minibatch(model, X, y, batch_size=32, seed=0)
    >>> theta = descend(Optimizer(rules.adam, lr=0.01), batches, model.init(seed=0), steps=200)[-1]
    >>> bool(model.accuracy(theta, X, y) > 0.9)
    True

    Source: Rumelhart, Hinton & Williams (1986); Ioffe & Szegedy (2015); Srivastava et al. (2014).
    """

    def __init__(
        self, sizes: Sequence[int], activation: str = "relu", *, batch_norm: bool = False, dropout: float = 0.0,
        loss: Literal["softmax", "squared"] = "softmax", eps: float = 1e-5,
    ):  # fmt: skip
        self.sizes = tuple(whole(size, "a size of the network") for size in sizes)
        if len(self.sizes) < 2:
            raise ValueError(f"sizes={sizes!r}: name the inputs, the hidden layers and the outputs, as in [64, 32, 10]")
        one_of(activation, "activation", layers.ACTIVATIONS)
        one_of(loss, "loss", ("softmax", "squared"))
        if loss == "softmax" and self.sizes[-1] < 2:
            raise ValueError(f"sizes={sizes!r}: the softmax needs two outputs or more; or choose loss='squared'")
        self.activation, self.batch_norm, self.kind = activation, bool(batch_norm), loss
        self.eps, self.dropout = number(eps, "eps", open_low=True), number(dropout, "dropout", high=1.0)
        self._parts = self._layout()
        self.size = self._parts[-1]["b"].where.stop

    def __repr__(self) -> str:
        return (
            f"MLP({list(self.sizes)}, {self.activation!r}, batch_norm={self.batch_norm}, "
            f"dropout={self.dropout}, loss={self.kind!r})"
        )

    def _layout(self) -> list[dict[str, Part]]:
        """The parts of each layer, by their names in `Layer`."""
        start, last = 0, len(self.sizes) - 2
        found: list[dict[str, Part]] = []
        for i, (fan_in, fan_out) in enumerate(pairwise(self.sizes)):
            shapes: dict[str, tuple[int, ...]] = {"W": (fan_in, fan_out), "b": (fan_out,)}
            kinds = {"W": "output" if i == last else "hidden" if i else "input", "b": "bias", "gamma": "gain"}
            if self.batch_norm and i < last:
                shapes["gamma"] = (fan_out,)
            found.append({})
            for name, shape in shapes.items():
                found[-1][name] = Part(slice(start, start + math.prod(shape)), shape, kinds[name])
                start += math.prod(shape)
        return found

    def init(
        self, seed: int = 0, scheme: str | Callable[[tuple[int, int], np.random.Generator], NDArray] | None = None,
        dtype: Any = float,
    ) -> NDArray:  # fmt: skip
        """A start: random weights, shifts 0, scales 1; of shape (d,).

        Parameters
        ----------
        seed : of the draw
        scheme : a name in `optlib.initialise.SCHEMES`, or a function ``(shape, rng) -> weights``; by default "he" for
            "relu", "lecun" for "lecun_tanh" and "glorot" for the others
        dtype : float32 or float64

        >>> MLP([2, 3, 2]).init(seed=0).shape
        (17,)
        """
        if scheme is None:
            scheme = {"relu": "he", "lecun_tanh": "lecun"}.get(self.activation, "glorot")
        draw: Any = scheme if callable(scheme) else initialise.SCHEMES[one_of(scheme, "scheme", initialise.SCHEMES)]
        rng, theta = np.random.default_rng(seed), np.zeros(self.size, dtype)
        for layer in self.unpack(theta):
            layer.W[...] = draw(layer.W.shape, rng)
            if layer.gamma is not None:
                layer.gamma[...] = 1.0
        return theta

    def unpack(self, theta: ArrayLike) -> list[Layer]:
        """The layers' parameters as views of theta: what is written into them is written into theta."""
        theta = self._theta(theta)
        lead = theta.shape[:-1]
        return [
            Layer(*(theta[..., at].reshape(lead + shape) for at, shape, _ in part.values())) for part in self._parts
        ]

    def parts(self) -> dict[str, Part]:
        """Where each weight matrix, bias and gain stands in theta: W1, b1, gamma1 and so on, for `optlib.layered`.

        The first matrix is "input", the last "output", those between "hidden"; beta of batch normalisation is a "bias".

        >>> MLP([2, 3, 3, 2]).parts()["W2"]
        Part(where=slice(9, 18, None), shape=(3, 3), kind='hidden')
        """
        return {f"{name}{i}": part for i, layer in enumerate(self._parts, 1) for name, part in layer.items()}

    def _theta(self, theta: ArrayLike) -> NDArray:
        theta = _fitting(theta, self.size, f"the network {'-'.join(map(str, self.sizes))} has {self.size} parameters")
        return theta if theta.dtype.kind == "f" else theta.astype(float)

    def _inputs(self, theta: NDArray, X: ArrayLike) -> NDArray:
        if isinstance(X, SparseRows):
            raise TypeError("a network takes dense examples: give X.dense()")
        X = np.asarray(X, dtype=theta.dtype)
        if X.ndim != 2 or X.shape[1] != self.sizes[0]:
            raise ValueError(f"X has shape {X.shape}, but the network has {self.sizes[0]} inputs: (n, {self.sizes[0]})")
        if not len(X):
            raise ValueError(f"the data set is empty: X has shape {X.shape}, and at least one row is needed")
        return X

    def _forward(
        self, parameters: list[Layer], X: NDArray, mask_seed: Any = None, statistics: Statistics | None = None,
        seen: list[NDArray] | None = None,
    ) -> tuple[NDArray, list[_Pass]]:  # fmt: skip
        """The outputs, and what each layer leaves for the way back; `seen` collects the sums before normalisation."""
        masks = self._masks(X.shape[-2], mask_seed, X.dtype)
        activate, last = layers.ACTIVATIONS[self.activation].apply, len(parameters) - 1
        a, passes = X, []
        for i, (W, b, gamma) in enumerate(parameters):
            inputs, normal, mask = a, None, None
            a = inputs @ W
            if gamma is None:
                a += b[..., None, :]
            else:
                if seen is not None:
                    seen.append(a)
                if statistics is None:
                    a, normal = layers.batch_norm(a, gamma, b, eps=self.eps)
                else:
                    a = layers.batch_norm_inference(a, gamma, b, *statistics[i], eps=self.eps)
            if i < last:
                a = activate(a)
            outputs = a
            if masks is not None and i < last:
                mask = next(masks)
                a = a * mask
            passes.append(_Pass(inputs, outputs, normal, mask))
        return a, passes

    def _masks(self, n: int, mask_seed: Any, dtype: Any) -> Iterator[NDArray] | None:
        """The dropout mask of each hidden layer for n examples: the same for all copies, as each would draw alone."""
        if mask_seed is None or not self.dropout:
            return None
        rng = np.random.default_rng(mask_seed)
        return (layers.dropout_mask((n, width), self.dropout, rng, dtype) for width in self.sizes[1:-1])

    def _outputs(self, theta: ArrayLike, X: ArrayLike, mask_seed: Any, statistics: Statistics | None) -> NDArray:
        theta = self._theta(theta)
        if statistics is not None:
            self._check_statistics(statistics)
        return self._forward(self.unpack(theta), self._inputs(theta, X), mask_seed, statistics)[0]

    def _check_statistics(self, statistics: Statistics) -> None:
        hidden = len(self.sizes) - 2 if self.batch_norm else 0
        if len(statistics) != hidden:
            raise ValueError(
                f"statistics of {len(statistics)} layers, but this network normalises {hidden}: "
                "make them with model.statistics(theta, X)"
            )

    def _targets(self, y: ArrayLike, outputs: NDArray) -> NDArray:
        n, k = outputs.shape[-2:]
        y = np.asarray(y)
        if y.shape == (n,) and k == 1:
            y = y[:, None]
        if y.shape != (n, k):
            allowed = f"({n}, {k})" + (f" or ({n},)" if k == 1 else "")
            raise ValueError(f"y has shape {y.shape}, but {n} examples and {k} outputs need targets of shape {allowed}")
        return y

    def loss(
        self, theta: ArrayLike, X: ArrayLike, y: ArrayLike, *,
        mask_seed: Any = None, statistics: Statistics | None = None,
    ) -> Any:  # fmt: skip
        """Mean loss, of shape (...).

        Parameters
        ----------
        theta : of shape (..., d). X : of shape (n, inputs). y : labels, or targets
        mask_seed : seed of the dropout masks (anything that `numpy.random.default_rng` takes); None: nothing is dropped
        statistics : from `statistics`, for batch normalisation as after training; None: those of the batch
        """
        return self.losses(theta, X, y, mask_seed=mask_seed, statistics=statistics).mean(axis=-1)

    def losses(
        self, theta: ArrayLike, X: ArrayLike, y: ArrayLike, *,
        mask_seed: Any = None, statistics: Statistics | None = None,
    ) -> NDArray:  # fmt: skip
        """The loss of each example, of shape (..., n); parameters are those of `loss`."""
        outputs = self._outputs(theta, X, mask_seed, statistics)
        if self.kind == "softmax":
            return layers.cross_entropy(outputs, y)
        return 0.5 * ((outputs - self._targets(y, outputs)) ** 2).sum(axis=-1)

    def grad(self, theta: ArrayLike, X: ArrayLike, y: ArrayLike, *, mask_seed: Any = None) -> NDArray:
        """Gradient of `loss` by the chain rule, backwards through the layers (with the batch's own statistics)."""
        theta = self._theta(theta)
        parameters, X = self.unpack(theta), self._inputs(theta, X)
        outputs, passes = self._forward(parameters, X, mask_seed)
        if self.kind == "softmax":
            error = layers.cross_entropy_gradient(outputs, y)
        else:
            error = (outputs - self._targets(y, outputs)).astype(theta.dtype, copy=False)
        error /= len(X)
        gradient = np.empty(theta.shape, error.dtype)
        self._backward(parameters, passes, error, self.unpack(gradient))
        return gradient

    def _backward(self, parameters: list[Layer], passes: list[_Pass], error: NDArray, out: list[Layer]) -> None:
        """Fill `out` with the gradient, from that in the outputs."""
        undo, last = layers.ACTIVATIONS[self.activation].backward, len(parameters) - 1
        for i in range(last, -1, -1):
            inputs, outputs, normal, mask = passes[i]
            slope = out[i]
            if i < last:
                if mask is not None:
                    error *= mask
                error = undo(error, outputs)
            if normal is None:
                np.add.reduce(error, axis=-2, out=slope.b)
            else:
                error, gamma, slope.b[...] = layers.batch_norm_backward(error, normal)
                if slope.gamma is not None:
                    slope.gamma[...] = gamma
            np.matmul(inputs.swapaxes(-1, -2), error, out=slope.W)
            if i:
                error = error @ parameters[i].W.swapaxes(-1, -2)

    def predict(
        self, theta: ArrayLike, X: ArrayLike, *, mask_seed: Any = None, statistics: Statistics | None = None
    ) -> NDArray:
        """Probabilities of the classes, of shape (..., n, classes); or the outputs, (..., n) if there is only one."""
        outputs = self._outputs(theta, X, mask_seed, statistics)
        if self.kind == "softmax":
            return layers.softmax(outputs)
        return outputs[..., 0] if self.sizes[-1] == 1 else outputs

    def accuracy(self, theta: ArrayLike, X: ArrayLike, y: ArrayLike, *, statistics: Statistics | None = None) -> Any:
        """Share of the examples whose likeliest class is the right one, of shape (...)."""
        if self.kind != "softmax":
            raise TypeError("accuracy counts right classes, but this network has loss='squared': use loss")
        outputs = self._outputs(theta, X, None, statistics)
        return (outputs.argmax(axis=-1) == layers.checked_labels(y, outputs)).mean(axis=-1)

    def layer_norms(self, theta: ArrayLike, X: ArrayLike, y: ArrayLike, *, mask_seed: Any = None) -> NDArray:
        """Length of each layer's gradient, the first layer's first, of shape (..., layers): does it vanish or explode?

        >>> model = MLP([2, 3, 3, 2], "sigmoid")
        >>> first, second, third = model.layer_norms(model.init(), np.eye(2), [0, 1])
        >>> bool(first < second < third)
        True
        """
        gradient = self.grad(theta, X, y, mask_seed=mask_seed)
        ends = [(parts[0].where.start, parts[-1].where.stop) for parts in ([*layer.values()] for layer in self._parts)]
        return np.stack([np.linalg.norm(gradient[..., a:b], axis=-1) for a, b in ends], axis=-1)

    def statistics(self, theta: ArrayLike, X: ArrayLike, batch_size: int | None = None) -> Statistics:
        r"""Mean and unbiased variance of each normalised layer's sums over the data, for predictions after training.

        .. math:: \mathrm E = \mathrm E_B[\mu_B], \quad \mathrm{Var} = \tfrac{m}{m-1}\,\mathrm E_B[\sigma_B^2]

        Parameters
        ----------
        theta : of shape (..., d). X : the training examples
        batch_size : rows m normalised together, as in training; a remainder is left out. None: all rows

        Returns
        -------
        A list with a pair for each hidden layer, for the argument `statistics` of `loss`, `predict` and `accuracy`;
        empty for a network without batch normalisation.

        Source: Ioffe & Szegedy (2015), algorithm 2, steps 7 to 11.
        """
        theta = self._theta(theta)
        parameters, X = self.unpack(theta), self._inputs(theta, X)
        m = len(X) if batch_size is None else whole(batch_size, "batch_size", 2)
        if m > len(X):
            raise ValueError(f"batch_size={m}: X has only {len(X)} rows")
        batches = []
        for start in range(0, len(X) - m + 1, m):
            seen: list[NDArray] = []
            self._forward(parameters, X[start : start + m], seen=seen)
            batches.append([layers.batch_statistics(sums, unbiased=True) for sums in seen])
        hidden = zip(*batches, strict=True)
        return [(np.mean([a for a, _ in each], axis=0), np.mean([v for _, v in each], axis=0)) for each in hidden]


class MatrixCompletion(_Mean):
    r"""Fill the gaps of a matrix by one of low rank: :math:`M_{ij} \approx u_i^\top v_j` at the known entries.

    .. math:: \frac1{2n} \sum_{(i, j)} (u_i^\top v_j - M_{ij})^2 + \frac{l_2}2 \lVert\theta\rVert^2

    An example is a pair (i, j), so a gradient over a few is zero almost everywhere: what Hogwild! lives on.

    Parameters
    ----------
    rows, columns : of the matrix. rank : of the approximation. l2 : weight of the penalty, 0 or more
        theta holds U, of shape (rows, rank), then V, of shape (columns, rank)

    >>> from optlib import data
    >>> X, y = data.low_rank(6, 5, rank=1)
    >>> model = MatrixCompletion(6, 5, rank=1)
    >>> model.grad(model.init(seed=0), X, y).shape
    (11,)

    Source: Koren, Bell & Volinsky (2009), equation 2.
    """

    def __init__(self, rows: int, columns: int, rank: int, l2: float = 0.0):
        sizes = {"rows": rows, "columns": columns, "rank": rank}
        self.rows, self.columns, self.rank = (whole(value, name) for name, value in sizes.items())
        self.l2, self.size = number(l2, "l2"), (self.rows + self.columns) * self.rank

    def unpack(self, theta: ArrayLike) -> tuple[NDArray, NDArray]:
        """U, of shape (..., rows, rank), and V, of shape (..., columns, rank), as views of theta."""
        theta = _fitting(theta, self.size, f"U and V have {self.size} entries together")
        factors = theta.reshape(*theta.shape[:-1], self.rows + self.columns, self.rank)
        return factors[..., : self.rows, :], factors[..., self.rows :, :]

    def parts(self) -> dict[str, Part]:
        """U, a table that the row looks into, and V, which makes the output."""
        middle = self.rows * self.rank
        return {
            "U": Part(slice(0, middle), (self.rows, self.rank), "input"),
            "V": Part(slice(middle, self.size), (self.columns, self.rank), "output"),
        }

    def init(self, seed: int = 0, scale: float = 0.1) -> NDArray:
        """A small random start, normal with deviation `scale`, of shape (d,); 0 itself is a saddle."""
        return scale * np.random.default_rng(seed).standard_normal(self.size)

    def _pairs(self, X: NDArray) -> tuple[NDArray, NDArray]:
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != 2 or not len(X):
            raise ValueError(f"X has shape {X.shape}: it must be (n, 2), a pair (row, column) for each known entry")
        pairs = X.astype(np.intp)
        allowed = ((pairs >= 0) & (pairs < [self.rows, self.columns]) & (pairs == X)).all(axis=1)
        if not allowed.all():
            bad = int(np.argmin(allowed))
            raise ValueError(
                f"row {bad} of X is {X[bad].tolist()}: it must name an entry of a matrix of shape "
                f"({self.rows}, {self.columns}), counted from 0"
            )
        return pairs[:, 0], pairs[:, 1]

    def _residual(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        predicted = self.predict(theta, X)
        _column(y, len(X))
        return predicted - numbers(y, "y")

    def losses(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        """The loss of each entry, of shape (..., n), without the penalty."""
        return 0.5 * self._residual(theta, X, y) ** 2

    def grad(self, theta: ArrayLike, X: NDArray, y: NDArray) -> NDArray:
        r"""Gradient: :math:`\frac1n r_{ij} v_j` for :math:`u_i`, :math:`\frac1n r_{ij} u_i` for :math:`v_j`, summed."""
        residual = self._residual(theta, X, y)[..., None] / len(X)
        i, j = self._pairs(X)
        U, V = self.unpack(theta)
        gradient = self.l2 * np.asarray(theta)
        slope_u, slope_v = self.unpack(gradient)
        for slope, at, part in ((slope_u, i, residual * V[..., j, :]), (slope_v, j, residual * U[..., i, :])):
            np.add.at(slope.swapaxes(0, -2), at, part.swapaxes(0, -2))
        return gradient

    def predict(self, theta: ArrayLike, X: NDArray) -> NDArray:
        """The approximation at the given entries, of shape (..., n)."""
        i, j = self._pairs(X)
        U, V = self.unpack(theta)
        return (U[..., i, :] * V[..., j, :]).sum(axis=-1)

    def matrix(self, theta: ArrayLike) -> NDArray:
        r"""The whole matrix :math:`UV^\top`, of shape (..., rows, columns)."""
        U, V = self.unpack(theta)
        return U @ V.swapaxes(-1, -2)


guard(globals())
