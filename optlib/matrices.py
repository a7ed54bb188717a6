r"""Rules that see a whole matrix, or a whole vector, at once. They stand in `optlib.rules` beside the others.

The form is that of every rule (see `optlib.rules`), but theta is an array, and the last axes belong together: of shape
(..., a, b) where a matrix W is wanted, (..., d) where a vector is; axes before those are independent runs. A model's
theta is one vector: `optlib.layered` hands each matrix in it to the rule that is to have it.

Our models multiply from the left, :math:`xW`, so a is fan_in and b fan_out; PyTorch's layers are transposed.

>>> from optlib import Optimizer, descend, rules
>>> path = descend(Optimizer(rules.muon, lr=0.5), lambda W: W - np.eye(2), np.zeros((2, 2)), steps=3)
>>> path.shape
(4, 2, 2)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import abs, maximum, sqrt, where
from numpy.typing import NDArray

from ._inputs import guard, number, shown, whole

Step = tuple[NDArray, tuple]  #: the new point, and the new memory

#: Coefficients (a, b, c) of the odd polynomial a x + b x³ + c x⁵ that each step applies to the singular values; the
#: last triple is used again for all further steps. "jordan" is Muon's, steep at 0 and no projection; "dion" five
#: polynomials that come closer; "quintic" and "cubic" are the classical ones, which converge to 1.
COEFFICIENTS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "jordan": ((3.4445, -4.7750, 2.0315),),
    "dion": (
        (4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046),
        (2.8366, -3.0525, 1.2012),
    ),
    "quintic": ((15 / 8, -10 / 8, 3 / 8),),
    "cubic": ((1.5, -0.5, 0.0),),
}  # fmt: skip

#: How long Muon's step is for a matrix of `fan_in` rows and `fan_out` columns, by PyTorch's names (and "none"):
#: "original" keeps the effect on the outputs, "match_rms_adamw" makes each entry as large as AdamW's usual step.
SCALINGS: dict[str, Callable[[int, int], float]] = {
    "original": lambda fan_in, fan_out: max(1.0, fan_out / fan_in) ** 0.5,
    "match_rms_adamw": lambda fan_in, fan_out: 0.2 * max(fan_in, fan_out) ** 0.5,
    "spectral_unclamped": lambda fan_in, fan_out: (fan_out / fan_in) ** 0.5,
    "none": lambda fan_in, fan_out: 1.0,
}


# --- what they share ------------------------------------------------------------------------------


def _turned(W: NDArray) -> NDArray:
    """The transpose of each matrix."""
    return np.swapaxes(W, -1, -2)


def _flat(W: NDArray) -> NDArray:
    """Each matrix as one row, of shape (..., a b): sums along it are the same alone and in a batch."""
    return W.reshape(*W.shape[:-2], -1)


def _length(x: NDArray) -> NDArray:
    """The Euclidean norm along the last axis, of shape (...)."""
    return sqrt((x * x).sum(axis=-1))


def _over(a: Any, b: Any) -> Any:
    """a / b, and 0 for 0/0."""
    return a / (b + (b == 0))


def newton_schulz(G: NDArray, *, steps: float = 5, coefficients: str = "jordan", eps: float = 1e-7) -> NDArray:
    r"""A matrix with the singular vectors of G and singular values near 1, by products of matrices alone.

    .. math:: X_0 = G/(\lVert G\rVert_F + \epsilon), \qquad A = XX^\top, \qquad X \leftarrow aX + (bA + cA^2)X

    Parameters
    ----------
    G : of shape (..., a, b), the larger side is never squared
    steps : how often, a whole number, 0 or more
    coefficients : a name in `COEFFICIENTS`. With "jordan", singular values of X_0 in [0.01, 1] end in [0.68, 1.14]
        after five steps; the polar factor :math:`UV^\top`, all of them 1, is what "cubic" converges to
    eps : 0 or more; the norm of a zero matrix counts as 1

    Raises
    ------
    ValueError : G is no matrix, or the name is none of those.

    Source: Jordan et al. (2024), Muon; Higham (2008), chapter 8, for the classical polynomials.

    >>> newton_schulz(np.diag([3.0, 1.0]), steps=40, coefficients="cubic").round(6)
    array([[1., 0.],
           [0., 1.]])
    """
    if np.ndim(G) < 2 or coefficients not in COEFFICIENTS:
        known = ", ".join(map(repr, COEFFICIENTS))
        raise ValueError(
            f"G has shape {np.shape(G)}, coefficients={coefficients!r}: it takes matrices (..., a, b), and {known}"
        )
    number(steps, "steps", high=1000.0)
    eps = number(eps, "eps")
    X = G.swapaxes(-1, -2) if G.shape[-2] > G.shape[-1] else G
    X = _over(X, _length(_flat(X))[..., None, None] + eps)
    triples = COEFFICIENTS[coefficients]
    for k in range(int(steps)):
        a, b, c = triples[min(k, len(triples) - 1)]
        A = X @ _turned(X)
        X = a * X + (b * A + c * (A @ A)) @ X
    return _turned(X) if G.shape[-2] > G.shape[-1] else X


def inverse_root(M: NDArray, root: int, eps: float) -> NDArray:
    r""":math:`(M + \epsilon I)^{-1/p}` of symmetric matrices (..., n, n) without negative eigenvalues.

    Directions in which nothing but rounding is left, as those that no gradient has had where eps is 0, are dropped.

    >>> inverse_root(np.diag([16.0, 81.0, 0.0]), 4, 0.0).round(6).diagonal()
    array([0.5     , 0.333333, 0.      ])
    """
    whole(root, "root")
    eps = number(eps, "eps")
    values, vectors = np.linalg.eigh(M)
    most = 0.01 * np.abs(values).max(axis=-1, keepdims=True)  # what is less is rounding
    if (np.abs(M - _turned(M)) > most[..., None]).any() or (values < -most).any():
        raise ValueError(f"M={shown(M)}: it must be symmetric, without negative eigenvalues")
    values = maximum(values, 0.0) + eps
    least = 10 * np.finfo(values.dtype).eps * values[..., -1:]  # below lies rounding, not curvature
    kept = values > least
    scale = where(kept, where(kept, values, 1.0) ** (-1 / root), 0.0)
    return (vectors * scale[..., None, :]) @ _turned(vectors)


# --- a matrix at once -----------------------------------------------------------------------------


def muon(
    theta: NDArray, g: NDArray, m: NDArray, *,
    lr: float = 0.02, beta: float = 0.95, weight_decay: float = 0.0, steps: float = 5, eps: float = 1e-7,
    coefficients: str = "jordan", scaling: str = "original",
) -> Step:  # fmt: skip
    r"""Muon: the momentum with its singular values made equal, so that no direction of the matrix is left behind.

    .. math::

        m_t &= \beta m_{t-1} + (1-\beta)\, g_t, \qquad u_t = (1-\beta)\, g_t + \beta m_t \\
        \theta_t &= (1 - \eta\lambda)\, \theta_{t-1} - \eta\, s\, \mathrm{NS}(u_t), \qquad
        s = \sqrt{\max(1, \text{fan\_out}/\text{fan\_in})}

    NS is :func:`newton_schulz`: steepest descent in the spectral norm, without the length of the gradient. Meant for
    hidden matrices; give inputs, outputs, biases and gains another rule (`optlib.layered`).

    theta : of shape (..., fan_in, fan_out). m : moving average. lr : :math:`\eta \ge 0`; it must fall for convergence.
    beta : in [0, 1]. weight_decay : :math:`\lambda \ge 0`, multiplied by the rate. steps, coefficients, eps : of NS;
    PyTorch does not add eps but takes it for the least norm. scaling : s, a name in `optlib.matrices.SCALINGS`.

    Source: Jordan et al. (2024), with their defaults. torch.optim.Muon starts at lr 0.001 and weight_decay 0.1.

    >>> theta, memory = muon(np.zeros((2, 2)), np.diag([3.0, 3.0]), np.zeros((2, 2)), lr=1.0)
    >>> theta.round(3)
    array([[-1.108,  0.   ],
           [ 0.   , -1.108]])
    """
    m = beta * m + (1 - beta) * g
    u = (1 - beta) * g + beta * m
    scale = SCALINGS[scaling](theta.shape[-2], theta.shape[-1])
    u = newton_schulz(u, steps=steps, coefficients=coefficients, eps=eps)
    theta = theta - lr * (scale * u + weight_decay * theta)
    return theta, (m,)


def shampoo(
    theta: NDArray, g: NDArray, L: NDArray, R: NDArray, *, lr: float = 0.1, eps: float = 1e-6, weight_decay: float = 0.0
) -> Step:
    r"""Shampoo: full-matrix Adagrad, with one matrix for the rows and one for the columns in place of the whole.

    .. math:: L_t = L_{t-1} + g_t g_t^\top, \quad R_t = R_{t-1} + g_t^\top g_t, \qquad
        \theta_t = (1-\eta\lambda)\,\theta_{t-1} - \eta\, (L_t + \epsilon I)^{-1/4} g_t\, (R_t + \epsilon I)^{-1/4}

    theta : of shape (..., a, b). L, R : of shape (..., a, a) and (..., b, b). lr : :math:`\eta \ge 0`.
    eps : :math:`\ge 0`, the paper's start :math:`\epsilon I`; where it is 0, directions without gradients stay.
    With eps near 0 the first step is the polar factor of the gradient, which is Muon's direction.

    Source: Gupta, Koren & Singer (2018), Algorithm 1.

    >>> theta, memory = shampoo(np.zeros((2, 2)), np.diag([3.0, 0.1]), np.zeros((2, 2)), np.zeros((2, 2)), lr=1.0)
    >>> theta.round(3)
    array([[-1.,  0.],
           [ 0., -1.]])
    """
    L = L + g @ _turned(g)
    R = R + _turned(g) @ g
    u = inverse_root(L, 4, eps) @ g @ inverse_root(R, 4, eps)
    theta = theta - lr * (u + weight_decay * theta)
    return theta, (L, R)


def soap(
    theta: NDArray, g: NDArray, m: NDArray, v: NDArray, L: NDArray, R: NDArray, Q_L: NDArray, Q_R: NDArray, t: float, *,
    lr: float = 0.003, beta1: float = 0.95, beta2: float = 0.95, eps: float = 1e-8, weight_decay: float = 0.01,
    every: float = 10,
) -> Step:  # fmt: skip
    r"""SOAP: Adam in the eigenbasis of Shampoo, where curvature lies along the axes.

    .. math::

        g' &= Q_L^\top g_t Q_R, \qquad (m, v) \text{ as Adam's, of } g', \qquad
        \theta_t = (1-\eta\lambda) \Bigl( \theta_{t-1}
        - \eta\, Q_L \frac{\hat m}{\sqrt{v/(1-\beta_2^t)} + \epsilon} Q_R^\top \Bigr) \\
        L_t &= \beta_2 L_{t-1} + (1-\beta_2)\, g_t g_t^\top, \qquad R_t = \beta_2 R_{t-1} + (1-\beta_2)\, g_t^\top g_t

    The first gradient makes the bases and no step. Each `every` steps the bases are refreshed by one product and a QR
    decomposition, their columns sorted by what L and R hold along them; v is sorted alike, m is turned with them.

    theta : of shape (..., a, b). m, v : moments in the eigenbasis. L, Q_L : of shape (..., a, a). R, Q_R : (..., b, b).
    lr : :math:`\eta \ge 0`. beta1, beta2 : in [0, 1). eps : the authors put it beside the uncorrected root, as
    :func:`optlib.rules.adam_eps_hat` does, and so does this. weight_decay : multiplied by the rate, after the step.
    every : a whole number, 1 or more.

    Source: Vyas et al. (2024), and their code.

    >>> W, square = np.zeros((2, 2)), [np.zeros((2, 2))] * 4
    >>> W, memory = soap(W, np.diag([3.0, 0.1]), W, W, *square, 1)
    >>> W, _ = soap(W, np.diag([3.0, 0.1]), *memory, 2, lr=1.0, weight_decay=0.0)
    >>> W.round(3)
    array([[-1.,  0.],
           [ 0., -1.]])
    """
    if t == 1:
        L, R = (1 - beta2) * (g @ _turned(g)), (1 - beta2) * (_turned(g) @ g)
        # laid out as a checkpoint gives them back: a product of another layout may differ in the last bit
        Q_L = np.ascontiguousarray(np.linalg.eigh(L)[1][..., ::-1])
        Q_R = np.ascontiguousarray(np.linalg.eigh(R)[1][..., ::-1])
        return theta + 0.0, (m, v, L, R, Q_L, Q_R)
    n = t - 1
    turned = _turned(Q_L) @ g @ Q_R
    m = beta1 * m + (1 - beta1) * turned
    v = beta2 * v + (1 - beta2) * turned**2
    lr_t = lr * (1 - beta2**n) ** 0.5 / (1 - beta1**n)
    u = Q_L @ (m / (sqrt(v) + eps)) @ _turned(Q_R)
    theta = theta - lr_t * u
    theta = theta - lr * weight_decay * theta
    L = beta2 * L + (1 - beta2) * (g @ _turned(g))
    R = beta2 * R + (1 - beta2) * (_turned(g) @ g)
    if n % int(every) == 0:
        m = Q_L @ m @ _turned(Q_R)
        Q_L, rows = _refreshed(Q_L, L)
        Q_R, columns = _refreshed(Q_R, R)
        v = np.take_along_axis(np.take_along_axis(v, rows[..., :, None], -2), columns[..., None, :], -1)
        m = _turned(Q_L) @ m @ Q_R
    return theta, (m, v, L, R, Q_L, Q_R)


def _refreshed(Q: NDArray, M: NDArray) -> tuple[NDArray, NDArray]:
    """A basis closer to the eigenvectors of M, the largest first, and the order in which its columns were taken."""
    along = (Q * (M @ Q)).sum(axis=-2)
    order = np.argsort(-along, axis=-1, kind="stable")
    return np.linalg.qr(M @ np.take_along_axis(Q, order[..., None, :], -1))[0], order


def adafactor(
    theta: NDArray, g: NDArray, R: NDArray, C: NDArray, t: float, *,
    lr: float = 0.01, power: float = 0.8, eps: float = 1e-30, least: float = 1e-3, clip: float = 1.0,
    weight_decay: float = 0.0,
) -> Step:  # fmt: skip
    r"""Adafactor: the second moment of a matrix from its sums over rows and columns: a + b numbers, not a b.

    .. math::

        R_t &= (1-t^{-p}) R_{t-1} + t^{-p}\, \overline{g_t^2}^{\,\text{row}}, \qquad
        C_t \text{ likewise}, \qquad \hat v = \frac{R_t C_t^\top}{\overline{R_t}} \\
        u &= g_t/\sqrt{\hat v}, \qquad
        \theta_t = (1-\eta\lambda)\,\theta_{t-1} - \min(\eta, \tfrac1{\sqrt t})\,
        \frac{\max(\epsilon_2, \mathrm{RMS}(\theta_{t-1}))}{\max(1, \mathrm{RMS}(u)/d)}\, u

    theta : of shape (..., a, b). R, C : of shape (..., a) and (..., b). lr : the greatest relative step.
    power : p. eps : least value of the mean of R (PyTorch: the machine's precision), squared that of v; the paper adds
    it to each :math:`g^2` instead. least : :math:`\epsilon_2`. clip : d, the greatest root mean square of u, above 0.

    Source: Shazeer & Stern (2018), Algorithm 4, in the form of torch.optim.Adafactor.

    >>> theta, memory = adafactor(np.ones((2, 2)), np.ones((2, 2)), np.zeros(2), np.zeros(2), 1)
    >>> theta
    array([[0.99, 0.99],
           [0.99, 0.99]])
    """
    share = t**-power
    R = R + share * ((g * g).mean(axis=-1) - R)
    C = C + share * ((g * g).mean(axis=-2) - C)
    v = R[..., :, None] * C[..., None, :] / maximum(R.mean(axis=-1), eps)[..., None, None]
    u = _over(g, sqrt(maximum(v, eps * eps)))
    size = theta.shape[-2] * theta.shape[-1]
    rms = _length(_flat(u)) / size**0.5
    relative = maximum(_length(_flat(theta)) / size**0.5, least)
    lr_t = np.minimum(lr, t**-0.5) * relative / maximum(1.0, rms / clip)
    theta = theta - lr * weight_decay * theta - lr_t[..., None, None].astype(theta.dtype, copy=False) * u
    return theta, (R, C)


# --- a vector at once -----------------------------------------------------------------------------


def lars(
    theta: NDArray, g: NDArray, u: NDArray, *,
    lr: float = 1.0, gamma: float = 0.9, weight_decay: float = 0.0, trust: float = 0.001,
) -> Step:  # fmt: skip
    r"""LARS: momentum whose rate for each layer follows the length of its weights.

    .. math:: \eta_t = \eta\, \frac{\tau\, \lVert\theta\rVert}{\lVert g_t\rVert + \lambda \lVert\theta\rVert}, \qquad
        u_t = \gamma u_{t-1} + \eta_t\, (g_t + \lambda\theta_{t-1}), \qquad \theta_t = \theta_{t-1} - u_t

    theta : of shape (..., d), the weights of one layer. u : velocity. lr : :math:`\eta \ge 0`. gamma : in [0, 1].
    weight_decay : :math:`\lambda \ge 0`, part of the gradient. trust : :math:`\tau`. Where either length is 0 the ratio
    is 1. optax divides by the length of :math:`g + \lambda\theta`.

    Source: You, Gitman & Ginsburg (2017), Algorithm 1.

    >>> theta, memory = lars(np.array([3.0, 4.0]), np.array([1.0, 0.0]), np.zeros(2))
    >>> theta
    array([2.995, 4.   ])
    """
    w, s = _length(theta), _length(g)
    ratio = where((w > 0) & (s > 0), _over(trust * w, s + weight_decay * w), 1.0).astype(theta.dtype, copy=False)
    u = gamma * u + lr * ratio[..., None] * (g + weight_decay * theta)
    theta = theta - u
    return theta, (u,)


def lamb(
    theta: NDArray, g: NDArray, m: NDArray, v: NDArray, t: float, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-6, weight_decay: float = 0.01,
) -> Step:  # fmt: skip
    r"""LAMB: AdamW's direction, as long as the weights of the layer times the rate.

    .. math:: r_t = \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon} + \lambda\theta_{t-1}, \qquad
        \theta_t = \theta_{t-1} - \eta\, \frac{\lVert\theta_{t-1}\rVert}{\lVert r_t\rVert}\, r_t

    theta : of shape (..., d), the weights of one layer. Memory as in :func:`optlib.rules.adam`. lr : the relative
    length of each step, :math:`\eta \ge 0`. Where either length is 0 the ratio is 1.

    Source: You et al. (2020), Algorithm 2.

    >>> theta, memory = lamb(np.array([3.0, 4.0]), np.array([1.0, 1.0]), np.zeros(2), np.zeros(2), 1, lr=0.1)
    >>> bool(np.isclose(np.linalg.norm(theta - [3.0, 4.0]), 0.1 * 5))
    True
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    r = m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + eps) + weight_decay * theta
    w, s = _length(theta), _length(r)
    ratio = where((w > 0) & (s > 0), _over(w, s), 1.0).astype(theta.dtype, copy=False)
    theta = theta - lr * ratio[..., None] * r
    return theta, (m, v)


def cautious_adamw(
    theta: NDArray, g: NDArray, m: NDArray, v: NDArray, t: float, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.0,
) -> Step:  # fmt: skip
    r"""Cautious AdamW: coordinates whose momentum points against the present gradient stand still.

    .. math:: \phi = [m_t g_t > 0], \qquad \theta_t = \theta_{t-1}
        - \eta \Bigl( \frac{\phi}{\max(\bar\phi, 10^{-3})} \cdot \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon}
        + \lambda\theta_{t-1} \Bigr)

    theta : of shape (..., d); the mean of the mask is taken over it. The rest as in :func:`optlib.rules.adamw`.

    Source: Liang et al. (2024), Algorithm 2.

    >>> theta, _ = cautious_adamw(np.zeros(2), np.array([1.0, 1.0]), np.array([0.0, -1.0]), np.ones(2), 1, lr=0.1)
    >>> theta[1], bool(theta[0] < 0)
    (np.float64(0.0), True)
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    mask = (m * g > 0).astype(theta.dtype)
    mask = mask / maximum(mask.mean(axis=-1, keepdims=True), 1e-3)
    u = mask * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)
    theta = theta - lr * (u + weight_decay * theta)
    return theta, (m, v)


# --- no rate to choose ----------------------------------------------------------------------------


def dog(
    theta: NDArray, g: NDArray, origin: NDArray, r: NDArray, G: NDArray, *,
    lr: float = 1.0, first: float = 1e-6, eps: float = 1e-8,
) -> Step:  # fmt: skip
    r"""DoG, distance over gradients: the rate is the farthest that one has come, over the length of all gradients.

    .. math:: r_t = \max(r_{t-1}, \lVert\theta_{t-1} - \theta_0\rVert), \quad
        r_0 = \epsilon_r (1 + \lVert\theta_0\rVert), \qquad
        \theta_t = \theta_{t-1} - \eta\, \frac{r_t}{\sqrt{\sum_{s\le t} \lVert g_s\rVert^2 + \epsilon}}\, g_t

    theta : of shape (..., d). origin : where it began. r, G : the distance and the sum of squares, of shape (...).
    lr : a factor, 1 in the paper. first : :math:`\epsilon_r`, the first step's relative length. The paper reports an
    average of the points (`optlib.tricks.averaging`).

    Source: Ivgi, Hinder & Carmon (2023), equation 4, and their code.

    >>> theta, (_, r, G) = dog(np.zeros(2), np.array([3.0, 4.0]), np.zeros(2), np.zeros(()), np.zeros(()))
    >>> theta, G
    (array([-6.e-07, -8.e-07]), np.float64(25.0))
    """
    r = maximum(maximum(r, first * (1 + _length(origin))), _length(theta - origin))
    G = G + (g * g).sum(axis=-1)
    theta = theta - (lr * r / sqrt(G + eps))[..., None] * g
    return theta, (origin, r, G)


def d_adaptation(
    theta: NDArray, g: NDArray, x: NDArray, origin: NDArray, s: NDArray, d: NDArray, first: NDArray, G: NDArray,
    inner: NDArray, total: NDArray, *, lr: float = 1.0, d0: float = 1e-6,
) -> Step:  # fmt: skip
    r"""D-Adaptation: dual averaging with a lower bound d of the distance to the minimum in the place of the rate.

    .. math::

        s_{k+1} &= s_k + d_k g_k, \qquad
        \gamma_k = \Bigl( \lVert g_0\rVert^2 + \textstyle\sum_{i<k} \lVert g_i\rVert^2 \Bigr)^{-1/2} \\
        d_{k+1} &= \max\Bigl( d_k,\;
        \frac{\sum_{i\le k} \gamma_i d_i \langle g_i, s_i\rangle}{\lVert s_{k+1}\rVert} \Bigr), \qquad
        x_{k+1} = \theta_0 - \eta\, \gamma_{k+1} s_{k+1}

    theta : of shape (..., d), the mean of the points x weighted by d. x : where the gradient is wanted.
    origin : where it began. s : weighted sum. d, first, G, inner, total : numbers, of shape (...).
    lr : a factor. d0 : first guess of the distance, above 0 and below the true one.

    Source: Defazio & Mishchenko (2023), Algorithm 1.

    >>> one = np.ones(1)
    >>> theta, memory = d_adaptation(one, one, one, one, 0 * one, np.array(0.5), *np.zeros((4, 1))[:, 0])
    >>> theta, memory[0].round(3)
    (array([1.]), array([0.646]))
    """
    square = (g * g).sum(axis=-1)
    first = where(first > 0, first, square)
    inner = inner + d * _over((g * s).sum(axis=-1), sqrt(first + G))
    G = G + square
    s = s + d[..., None] * g
    total = total + d
    theta = theta + (d / total)[..., None] * (x - theta)
    d = maximum(d, _over(inner, _length(s)))
    x = origin - _over(lr * s, sqrt(first + G)[..., None])
    return theta, (x, origin, s, d, first, G, inner, total)


def d_adaptation_look_ahead(theta: NDArray, x: NDArray) -> NDArray:
    """Where :func:`d_adaptation` measures the gradient: at the walking point, not at the mean.

    >>> d_adaptation_look_ahead(np.zeros(1), np.ones(1))
    array([1.])
    """
    return x


def prodigy(
    theta: NDArray, g: NDArray, origin: NDArray, m: NDArray, v: NDArray, s: NDArray, d: NDArray, inner: NDArray, *,
    lr: float = 1.0, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.0,
    d0: float = 1e-6,
) -> Step:  # fmt: skip
    r"""Prodigy: Adam with a rate d that grows by itself, from how far the gradients point back to the start.

    .. math::

        m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, d\, g_t, \qquad
        v_t = \beta_2 v_{t-1} + (1-\beta_2)\, d^2 g_t^2, \qquad \beta_3 = \sqrt{\beta_2} \\
        r_t &= \beta_3 r_{t-1} + \tfrac{\eta d^2}{d_0} \langle g_t, \theta_0 - \theta_{t-1}\rangle, \qquad
        s_t = \beta_3 s_{t-1} + \tfrac{\eta d^2}{d_0}\, g_t, \qquad d' = \max(d, r_t/\lVert s_t\rVert_1) \\
        \theta_t &= \theta_{t-1} - \eta\, d\, \bigl( m_t/(\sqrt{v_t} + d'\epsilon) + \lambda\theta_{t-1} \bigr)

    theta : of shape (..., d). origin : where it began. m, v : moments. s : weighted sum. d, inner : the rate and r, of
    shape (...). lr : a factor or a schedule of greatest value 1. beta1, beta2 : in [0, 1). d0 : the first rate.
    Without bias correction, as in the authors' code; optax has it.

    Source: Mishchenko & Defazio (2023), Algorithm 4, as in prodigyopt.

    >>> zero, one = np.zeros(1), np.ones(1)
    >>> theta, memory = prodigy(one, one, one, zero, zero, zero, np.array(0.1), np.array(0.0))
    >>> theta.round(6)
    array([0.683772])
    """
    weight = lr * d * d / d0
    inner = beta2**0.5 * inner + weight * (g * (origin - theta)).sum(axis=-1)
    m = beta1 * m + (1 - beta1) * (d[..., None] * g)
    v = beta2 * v + (1 - beta2) * (d[..., None] * g) ** 2
    s = beta2**0.5 * s + weight[..., None] * g
    new = maximum(d, _over(inner, abs(s).sum(axis=-1)))
    u = _over(m, sqrt(v) + eps * new[..., None]) + weight_decay * theta
    theta = theta - (lr * d)[..., None] * u
    return theta, (origin, m, v, s, new, inner)


guard(globals(), "newton_schulz", "inverse_root", late=True)
