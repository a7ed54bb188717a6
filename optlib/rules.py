r"""The update rules, in order of difficulty. Each is its paper's formula and nothing else.

*A rule is a plain function, and its signature is its specification.*

- ``theta`` is the point and ``g`` the gradient: floats, or arrays of shape (..., d), updated coordinate by coordinate.
- ``t``, where a rule has it, is the number of this update, 1 for the first; ``loss`` is the function's value at theta.
- Every other positional name is memory: an array like theta, zero at the start unless :data:`ROWS` says otherwise.
- Keyword-only names are hyper-parameters, with the paper's defaults; :data:`HYPER` says which values make sense.
- It returns the new point and the tuple of new memory. It raises nothing: :class:`optlib.Optimizer` checks.
- An ``eps`` keeps 0/0 away where a coordinate had no gradient yet; at 0 that happens, and the Optimizer says so.

The gradient is taken at theta unless its row in :data:`ROWS` names another point. Letters are those of the course:
learning rate ``lr`` (:math:`\eta`), velocity ``u``, moments ``m`` and ``v``; so are the names under which the same
number goes in different papers. Only arithmetic and a handful of ufuncs are used, so the same source runs on floats and
arrays, and compiles. Rules that see a whole vector or matrix at once stand in `optlib.matrices`, and here by name.

A rule of your own needs no registration: any function of this form works with :class:`optlib.Optimizer`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy import abs, floor, maximum, minimum, sign, sqrt, where

from .matrices import (
    COEFFICIENTS,
    SCALINGS,
    adafactor,
    cautious_adamw,
    d_adaptation,
    d_adaptation_look_ahead,
    dog,
    lamb,
    lars,
    muon,
    prodigy,
    shampoo,
    soap,
)

Array = Any  #: a float, or an array of shape (..., d); rules do not care which
Step = tuple[Array, tuple]  #: the new point, and the new memory


def ratio(a: Array, b: Array) -> Array:
    """a / b for b >= 0, and 0 for 0/0: for rules without an epsilon, where a coordinate had no gradient yet.

    >>> ratio(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([0.25, 0.  ])
    """
    return a / (b + (b == 0))


# --- one rate for all coordinates ---------------------------------------------------------------


def sgd(theta: Array, g: Array, *, lr: float = 0.01) -> Step:
    r"""Gradient descent: a step against the gradient. Batch, stochastic or mini-batch is the oracle's affair.

    .. math:: \theta_t = \theta_{t-1} - \eta\, g_t

    lr : learning rate :math:`\eta \ge 0`. On a function of smoothness L it converges below 2/L.

    Source: Cauchy (1847); with a random gradient Robbins & Monro (1951).

    >>> sgd(1.0, 4.0, lr=0.1)
    (0.6, ())
    """
    theta = theta - lr * g
    return theta, ()


def momentum(theta: Array, g: Array, u: Array, *, lr: float = 0.01, gamma: float = 0.9) -> Step:
    r"""Momentum: the step is a velocity that remembers earlier gradients. The rate stands inside the velocity.

    .. math:: u_t = \gamma u_{t-1} + \eta\, g_t, \qquad \theta_t = \theta_{t-1} - u_t

    u : velocity. lr : learning rate :math:`\eta \ge 0`.
    gamma : share of the velocity that is kept, :math:`0 \le \gamma \le 1`; 0 is :func:`sgd`.

    Source: Polyak (1964); in neural networks Rumelhart, Hinton & Williams (1986).

    >>> momentum(1.0, 4.0, 0.5, lr=0.1, gamma=0.5)
    (0.35, (0.65,))
    """
    u = gamma * u + lr * g
    theta = theta - u
    return theta, (u,)


def momentum_ema(theta: Array, g: Array, m: Array, *, lr: float = 0.1, beta: float = 0.9) -> Step:
    r"""Momentum as a moving average of gradients: :func:`momentum` with a rate of :math:`\eta(1-\beta)`.

    .. math:: m_t = \beta m_{t-1} + (1-\beta)\, g_t, \qquad \theta_t = \theta_{t-1} - \eta\, m_t

    m : moving average. lr : :math:`\eta \ge 0`, 1/(1 - beta) times that of :func:`momentum` for the same path.
    beta : :math:`0 \le \beta \le 1`.

    Source: the form taught with exponentially weighted averages; Ng (2017), lecture notes.

    >>> momentum_ema(1.0, 4.0, 0.0, lr=1.0, beta=0.75)
    (0.0, (1.0,))
    """
    m = beta * m + (1 - beta) * g
    theta = theta - lr * m
    return theta, (m,)


def momentum_torch(
    theta: Array, g: Array, u: Array, t: float, *, lr: float = 0.001, gamma: float = 0.9, dampening: float = 0.0
) -> Step:
    r"""Momentum as PyTorch has it: the rate outside the velocity, whose first value is the undamped gradient.

    .. math:: u_t = \gamma u_{t-1} + (1-\tau)\, g_t \quad (u_1 = g_1), \qquad \theta_t = \theta_{t-1} - \eta\, u_t

    u : velocity. lr : :math:`\eta \ge 0`; with a constant rate and no dampening the path is that of :func:`momentum`,
    with a schedule it is not. gamma : :math:`0 \le \gamma \le 1`. dampening : :math:`0 \le \tau \le 1`.

    Source: torch.optim.SGD.

    >>> momentum_torch(1.0, 4.0, 0.0, 1, lr=0.1, dampening=0.9)
    (0.6, (4.0,))
    """
    u = gamma * u + (1 - dampening * (t > 1)) * g
    theta = theta - lr * u
    return theta, (u,)


def heavy_ball(theta: Array, g: Array, previous: Array, *, lr: float = 0.01, beta: float = 0.9) -> Step:
    r"""Polyak's heavy ball, written with two points and no velocity: the same path as :func:`momentum`.

    .. math:: \theta_{t+1} = \theta_t - \eta\, g + \beta\,(\theta_t - \theta_{t-1})

    previous : the point before, theta at the start. lr : :math:`\eta \ge 0`. beta : :math:`0 \le \beta \le 1`.
    On a quadratic with curvatures in [mu, L] it is stable iff :math:`\eta L < 2(1+\beta)`.

    Source: Polyak (1964), equation 9.

    >>> heavy_ball(1.0, 4.0, 1.5, lr=0.1, beta=0.5)
    (0.35, (1.0,))
    """
    new = theta - lr * g + beta * (theta - previous)
    return new, (theta,)


def nag(theta: Array, g: Array, u: Array, *, lr: float = 0.01, gamma: float = 0.9) -> Step:
    r"""Nesterov's accelerated gradient with constant momentum: first jump, then measure, then correct.

    .. math:: u_t = \gamma u_{t-1} + \eta\, \nabla f(\theta_{t-1} - \gamma u_{t-1}), \qquad
        \theta_t = \theta_{t-1} - u_t

    The formula is that of :func:`momentum`; what differs is where the gradient g comes from (:func:`nag_look_ahead`).

    u : velocity. lr : :math:`\eta \ge 0`. gamma : :math:`0 \le \gamma \le 1`; 0 is :func:`sgd`.

    Source: Sutskever, Martens, Dahl & Hinton (2013), after Nesterov (1983).

    >>> nag(1.0, 4.0, 0.5, lr=0.1, gamma=0.5)
    (0.35, (0.65,))
    """
    u = gamma * u + lr * g
    theta = theta - u
    return theta, (u,)


def nag_look_ahead(theta: Array, u: Array, *, gamma: float) -> Array:
    r"""Where :func:`nag` measures the gradient: :math:`\theta_{t-1} - \gamma u_{t-1}`.

    >>> nag_look_ahead(1.0, 0.5, gamma=0.5)
    0.75
    """
    return theta - gamma * u


def nag_shifted(theta: Array, g: Array, u: Array, *, lr: float = 0.01, gamma: float = 0.9) -> Step:
    r"""Nesterov's momentum in the libraries' form: theta *is* the look-ahead point of :func:`nag`.

    .. math:: u_t = \gamma u_{t-1} + g_t, \qquad \theta_t = \theta_{t-1} - \eta\,(g_t + \gamma u_t)

    u : velocity without the rate. lr : :math:`\eta \ge 0`. gamma : :math:`0 \le \gamma \le 1`.

    Source: Bengio, Boulanger-Lewandowski & Pascanu (2013); torch, optax and keras (nesterov=True).

    >>> nag_shifted(1.0, 4.0, 0.0, lr=0.125, gamma=0.5)
    (0.25, (4.0,))
    """
    u = gamma * u + g
    theta = theta - lr * (g + gamma * u)
    return theta, (u,)


def nesterov_1983(theta: Array, g: Array, y: Array, a: Array, *, lr: float = 0.01) -> Step:
    r"""Nesterov's method of 1983, with momentum that grows by its own sequence.

    .. math::

        \theta_k &= y_k - \eta\, \nabla f(y_k), \qquad a_{k+1} = \tfrac12 \bigl(1 + \sqrt{4 a_k^2 + 1}\bigr) \\
        y_{k+1} &= \theta_k + \frac{a_k - 1}{a_{k+1}}\, (\theta_k - \theta_{k-1})

    y : the point whose gradient is wanted, theta at the start. a : the sequence, 1 at the start.
    lr : :math:`\eta = 1/L` gives, for convex f,
    :math:`f(\theta_k) - f^\star \le 2L\lVert\theta_0-\theta^\star\rVert^2/(k+1)^2`.

    Source: Nesterov (1983).

    >>> theta, (y, a) = nesterov_1983(1.0, 4.0, 1.0, 1.0, lr=0.1)
    >>> theta, round(float(a), 6)
    (0.6, 1.618034)
    """
    new = y - lr * g
    a_next = (1 + sqrt(4 * a**2 + 1)) / 2
    y = new + (a - 1) / a_next * (new - theta)
    return new, (y, a_next)


def nesterov_1983_look_ahead(theta: Array, y: Array) -> Array:
    """Where :func:`nesterov_1983` measures the gradient: y.

    >>> nesterov_1983_look_ahead(1.0, 0.5)
    0.5
    """
    return y


def averaged_sgd(theta: Array, g: Array, z: Array, t: float, *, lr: float = 0.01) -> Step:
    r"""Polyak-Ruppert averaging: SGD walks, the mean of its points is reported.

    .. math:: z_t = z_{t-1} - \eta\, \nabla f(z_{t-1}), \qquad \theta_t = \theta_{t-1} + \tfrac1t (z_t - \theta_{t-1})

    z : the walking point, theta at the start.
    lr : :math:`\eta \ge 0`; a decay of :math:`t^{-a}`, 1/2 < a < 1, is optimal.

    Source: Ruppert (1988); Polyak & Juditsky (1992).

    >>> averaged_sgd(1.0, 4.0, 1.0, 1, lr=0.1)
    (0.6, (0.6,))
    """
    z = z - lr * g
    theta = theta + (z - theta) / t
    return theta, (z,)


def averaged_sgd_look_ahead(theta: Array, z: Array) -> Array:
    """Where :func:`averaged_sgd` measures the gradient: at the walking point, not at the mean.

    >>> averaged_sgd_look_ahead(1.0, 0.5)
    0.5
    """
    return z


# --- a rate for every coordinate, from the sign of the gradient -----------------------------------


def local_gains(
    theta: Array, g: Array, gain: Array, previous: Array, *,
    lr: float = 0.01, delta: float = 0.05, low: float = 0.1, high: float = 10.0,
) -> Step:  # fmt: skip
    r"""Hinton's local gains: small additive increases while the sign stays, multiplicative decreases when it changes.

    .. math::

        \mathrm{gain}_t = \begin{cases} \mathrm{gain}_{t-1} + \delta & g_t g_{t-1} > 0 \\
        \mathrm{gain}_{t-1} (1-\delta) & g_t g_{t-1} < 0 \end{cases}, \qquad
        \theta_t = \theta_{t-1} - \eta\, \mathrm{gain}_t\, g_t

    gain : starts at 1. previous : gradient before. lr : :math:`\eta \ge 0`. delta : in [0, 1].
    low, high : limits of the gain, such as [0.1, 10] or [0.01, 100]. For full batches or big mini-batches.

    Source: Hinton, Srivastava & Swersky (2012), lecture 6d, whose gain also falls where the product is zero; here it
    stays, since a coordinate without a gradient has said nothing.

    >>> theta, (gain, _) = local_gains(1.0, 2.0, 1.0, 3.0, lr=0.1)
    >>> round(float(theta), 6), round(float(gain), 6)
    (0.79, 1.05)
    """
    agree = sign(g) * sign(previous)
    gain = where(agree > 0, gain + delta, where(agree < 0, gain * (1 - delta), gain))
    gain = minimum(maximum(gain, low), high)
    theta = theta - lr * gain * g
    return theta, (gain, g)


def delta_bar_delta(
    theta: Array, g: Array, rate: Array, g_bar: Array, *,
    lr: float = 0.01, kappa: float = 0.001, phi: float = 0.2, beta: float = 0.7,
) -> Step:  # fmt: skip
    r"""Delta-bar-delta: each coordinate's rate grows while the gradient agrees with its own past average.

    .. math::

        \Delta\lambda_t = \begin{cases} \kappa & \bar g_{t-1} g_t > 0 \\ -\phi\lambda_{t-1} & \bar g_{t-1} g_t < 0 \\
        0 & \text{else} \end{cases}, \qquad
        \bar g_t = (1-\beta) g_t + \beta \bar g_{t-1}, \qquad \theta_t = \theta_{t-1} - \lambda_t g_t

    rate : :math:`\lambda`, which starts at lr. g_bar : average of past gradients.
    lr : start of the rates, a constant. kappa : :math:`\ge 0`. phi : in [0, 1].
    beta : in [0, 1], the paper's :math:`\theta`.

    Source: Jacobs (1988).

    >>> theta, (rate, _) = delta_bar_delta(1.0, 2.0, 0.1, 3.0, kappa=0.05)
    >>> round(float(theta), 6), round(float(rate), 6)
    (0.7, 0.15)
    """
    agree = sign(g_bar) * sign(g)
    rate = rate + where(agree > 0, kappa, where(agree < 0, -phi * rate, 0.0))
    g_bar = (1 - beta) * g + beta * g_bar
    theta = theta - rate * g
    return theta, (rate, g_bar)


def rprop_step(agree: Array, step: Array, *, eta_plus: float, eta_minus: float, low: float, high: float) -> Array:
    r"""What the Rprop family shares: the step grows while the gradient keeps its sign and shrinks when it changes.

    .. math:: \Delta_t = \begin{cases} \min(\eta^+ \Delta_{t-1}, \Delta_{\max}) & g_t g_{t-1} > 0 \\
        \max(\eta^- \Delta_{t-1}, \Delta_{\min}) & g_t g_{t-1} < 0 \end{cases}

    >>> print(rprop_step(-1.0, 0.1, eta_plus=1.2, eta_minus=0.5, low=1e-6, high=50.0))
    0.05
    """
    grown = minimum(eta_plus * step, high)
    shrunk = maximum(eta_minus * step, low)
    return where(agree > 0, grown, where(agree < 0, shrunk, step))


def rprop_minus(
    theta: Array, g: Array, step: Array, previous: Array, *,
    lr: float = 0.1, eta_plus: float = 1.2, eta_minus: float = 0.5, low: float = 1e-6, high: float = 50.0,
) -> Step:  # fmt: skip
    r"""Rprop-: only the sign of the gradient counts; no step is taken back. For full batches.

    .. math:: \theta_t = \theta_{t-1} - \operatorname{sgn}(g_t)\, \Delta_t \qquad (\Delta_t: \text{see rprop\_step})

    step : :math:`\Delta`, which starts at lr. previous : gradient before. lr : :math:`\Delta_0 \ge 0`, a constant.
    eta_plus : :math:`\ge 1`. eta_minus : in [0, 1]. low, high : limits of the step.

    Source: Riedmiller (1994).

    >>> theta, (step, _) = rprop_minus(1.0, 2.0, 0.1, 3.0)
    >>> round(float(theta), 6), round(float(step), 6)
    (0.88, 0.12)
    """
    step = rprop_step(sign(g) * sign(previous), step, eta_plus=eta_plus, eta_minus=eta_minus, low=low, high=high)
    theta = theta - sign(g) * step
    return theta, (step, g)


def rprop_plus(
    theta: Array, g: Array, step: Array, previous: Array, move: Array, *,
    lr: float = 0.1, eta_plus: float = 1.2, eta_minus: float = 0.5, low: float = 1e-6, high: float = 50.0,
) -> Step:  # fmt: skip
    r"""Rprop+: where the gradient changes its sign, the last move is taken back.

    .. math:: \theta_t = \theta_{t-1} + \begin{cases} -\text{last move}, \text{ then } g_t := 0 & g_t g_{t-1} < 0 \\
        -\operatorname{sgn}(g_t)\, \Delta_t & \text{else} \end{cases}

    step : :math:`\Delta`, which starts at lr. previous : gradient before. move : last move.
    The rest as in :func:`rprop_minus`.

    Source: Riedmiller & Braun (1993).

    >>> theta, memory = rprop_plus(1.0, -2.0, 0.1, 3.0, 0.25)
    >>> print(theta)
    0.75
    """
    agree = sign(g) * sign(previous)
    step = rprop_step(agree, step, eta_plus=eta_plus, eta_minus=eta_minus, low=low, high=high)
    move = where(agree < 0, -move, -sign(g) * step)
    theta = theta + move
    return theta, (step, where(agree < 0, 0.0, g), move)


def irprop_minus(
    theta: Array, g: Array, step: Array, previous: Array, *,
    lr: float = 0.1, eta_plus: float = 1.2, eta_minus: float = 0.5, low: float = 1e-6, high: float = 50.0,
) -> Step:  # fmt: skip
    r"""iRprop-: where the gradient changes its sign, stand still once. The form of torch.optim.Rprop.

    .. math:: g_t := 0 \text{ where } g_t g_{t-1} < 0, \qquad
        \theta_t = \theta_{t-1} - \operatorname{sgn}(g_t)\, \Delta_t

    Memory and hyper-parameters as in :func:`rprop_minus`; torch starts at lr = 0.01.

    Source: Igel & Hüsken (2000).

    >>> theta, memory = irprop_minus(1.0, -2.0, 0.1, 3.0)
    >>> print(theta)
    1.0
    """
    agree = sign(g) * sign(previous)
    step = rprop_step(agree, step, eta_plus=eta_plus, eta_minus=eta_minus, low=low, high=high)
    g = where(agree < 0, 0.0, g)
    theta = theta - sign(g) * step
    return theta, (step, g)


def irprop_plus(
    theta: Array, g: Array, step: Array, previous: Array, move: Array, last: Array, loss: Array, *,
    lr: float = 0.1, eta_plus: float = 1.2, eta_minus: float = 0.5, low: float = 1e-6, high: float = 50.0,
) -> Step:  # fmt: skip
    r"""iRprop+: a move is taken back only where the sign changed *and* the loss rose.

    .. math:: \theta_t = \theta_{t-1} + \begin{cases} -\text{last move if } E_t > E_{t-1} \text{ else } 0,
        \text{ then } g_t := 0 & g_t g_{t-1} < 0 \\ -\operatorname{sgn}(g_t)\, \Delta_t & \text{else} \end{cases}

    last : loss before. loss : the function's value at theta, the same for every coordinate.
    The rest as in :func:`rprop_plus`.

    Source: Igel & Hüsken (2000).

    >>> theta, memory = irprop_plus(1.0, -2.0, 0.1, 3.0, 0.25, 5.0, 4.0)
    >>> print(theta)
    1.0
    """
    agree = sign(g) * sign(previous)
    step = rprop_step(agree, step, eta_plus=eta_plus, eta_minus=eta_minus, low=low, high=high)
    back = where(loss > last, -move, 0.0)
    move = where(agree < 0, back, -sign(g) * step)
    theta = theta + move
    return theta, (step, where(agree < 0, 0.0, g), move, loss)


# --- a rate for every coordinate, from the size of the gradient -----------------------------------


def adagrad(theta: Array, g: Array, G: Array, *, lr: float = 0.01, eps: float = 1e-8, eps_root: float = 0.0) -> Step:
    r"""Adagrad: each coordinate's rate shrinks with all the gradient it has seen.

    .. math:: G_t = G_{t-1} + g_t^2, \qquad
        \theta_t = \theta_{t-1} - \frac{\eta}{\sqrt{G_t + \epsilon'} + \epsilon}\, g_t

    G : sum of the squared gradients, the present one included. lr : :math:`\eta \ge 0`, the length of the first step.
    eps : :math:`\epsilon \ge 0` outside the root, the paper's :math:`\delta`.
    eps_root : :math:`\epsilon' \ge 0` inside it.

    Source: Duchi, Hazan & Singer (2011), the diagonal form.

    >>> theta, (G,) = adagrad(1.0, 4.0, 9.0, lr=0.5, eps=0.0)
    >>> round(float(theta), 6), G
    (0.6, 25.0)
    """
    G = G + g**2
    theta = theta - lr * g / (sqrt(G + eps_root) + eps)
    return theta, (G,)


def adagrad_sigma(theta: Array, g: Array, G: Array, t: float, *, lr: float = 0.01) -> Step:
    r"""Adagrad in the form of the root mean square: a decaying rate over sigma. The same path; the roots of t cancel.

    .. math:: \sigma_t = \sqrt{\tfrac1t \textstyle\sum_{s\le t} g_s^2}, \qquad
        \theta_t = \theta_{t-1} - \frac{\eta/\sqrt t}{\sigma_t}\, g_t

    G : sum of the squared gradients. lr : :math:`\eta \ge 0`.

    Source: Lee (2017), lecture "Tips for deep learning".

    >>> theta, memory = adagrad_sigma(1.0, 4.0, 9.0, 2, lr=0.5)
    >>> round(float(theta), 6)
    0.6
    """
    G = G + g**2
    sigma = sqrt(G / t)
    theta = theta - lr / t**0.5 * ratio(g, sigma)
    return theta, (G,)


def adagrad_full(theta: Array, g: Array, G: Array, *, lr: float = 0.01, eps: float = 1e-8) -> Step:
    r"""Adagrad with the full matrix: it sees rotated curvature, and pays for it with :math:`O(d^3)` a step.

    .. math:: G_t = G_{t-1} + g_t g_t^\top, \qquad \theta_t = \theta_{t-1} - \eta\,(\epsilon I + G_t^{1/2})^{-1} g_t

    G : sum of outer products, of shape (..., d, d). lr : :math:`\eta \ge 0`. eps : :math:`\epsilon \ge 0`.
    The inverse is taken where the matrix has one: directions that no gradient has had stay as they are, and what
    rounding leaves in them is dropped. Sees whole vectors, so theta must be an array of shape (..., d).

    Source: Duchi, Hazan & Singer (2011), the full form.

    >>> theta, memory = adagrad_full(np.zeros(2), np.array([3.0, 4.0]), np.zeros((2, 2)), lr=0.1, eps=0.0)
    >>> theta.round(6)
    array([-0.06, -0.08])
    """
    G = G + g[..., :, None] * g[..., None, :]
    values, vectors = np.linalg.eigh(G)
    scale = sqrt(maximum(values, 0.0))
    least = 10 * sqrt(np.finfo(scale.dtype).eps) * scale[..., -1:]  # below lies rounding, not curvature
    scale = where(scale > least, scale + eps, np.inf)
    along = (vectors * g[..., :, None]).sum(axis=-2)
    theta = theta - lr * (vectors * (along / scale)[..., None, :]).sum(axis=-1)
    return theta, (G,)


def adadelta(
    theta: Array, g: Array, Eg2: Array, Ed2: Array, *, lr: float = 1.0, rho: float = 0.95, eps: float = 1e-6
) -> Step:
    r"""Adadelta: a step in the units of the parameter, from the running size of its own steps.

    .. math::

        E[g^2]_t &= \rho E[g^2]_{t-1} + (1-\rho)\, g_t^2 \\
        \Delta_t &= \frac{\sqrt{E[\Delta^2]_{t-1} + \epsilon}}{\sqrt{E[g^2]_t + \epsilon}}\, g_t \\
        E[\Delta^2]_t &= \rho E[\Delta^2]_{t-1} + (1-\rho)\, \Delta_t^2, \qquad \theta_t = \theta_{t-1} - \eta \Delta_t

    Eg2, Ed2 : running means of the squared gradient and of the squared step.
    lr : :math:`\eta \ge 0`; the paper has none, which is 1. rho : in [0, 1).
    eps : inside both roots, > 0 or nothing moves; the hidden learning rate, since the first step is
    about :math:`\sqrt{\epsilon/(1-\rho)}`.

    Source: Zeiler (2012), Algorithm 1.

    >>> theta, memory = adadelta(1.0, 4.0, 0.0, 0.0)
    >>> round(1.0 - float(theta), 6)
    0.004472
    """
    Eg2 = rho * Eg2 + (1 - rho) * g**2
    delta = sqrt(Ed2 + eps) / sqrt(Eg2 + eps) * g
    Ed2 = rho * Ed2 + (1 - rho) * delta**2
    theta = theta - lr * delta
    return theta, (Eg2, Ed2)


def rmsprop(
    theta: Array, g: Array, v: Array, *, lr: float = 0.001, rho: float = 0.9, eps: float = 1e-8, eps_root: float = 0.0
) -> Step:
    r"""RMSprop: divide the gradient by the running root mean square of its own coordinate.

    .. math:: v_t = \rho v_{t-1} + (1-\rho)\, g_t^2, \qquad
        \theta_t = \theta_{t-1} - \frac{\eta}{\sqrt{v_t + \epsilon'} + \epsilon}\, g_t

    v : running mean of the squared gradient.
    lr : :math:`\eta \ge 0`; the lecture gives none, 0.001 is the libraries' habit.
    rho : in [0, 1). eps, eps_root : outside the root as in PyTorch, inside as in optax; the lecture has neither.

    Source: Hinton, Srivastava & Swersky (2012), lecture 6e.

    >>> theta, memory = rmsprop(1.0, 4.0, 0.0, lr=0.1)
    >>> round(1.0 - float(theta), 6)
    0.316228
    """
    v = rho * v + (1 - rho) * g**2
    theta = theta - lr * g / (sqrt(v + eps_root) + eps)
    return theta, (v,)


def rmsprop_centred(
    theta: Array, g: Array, v: Array, m: Array, *,
    lr: float = 0.001, rho: float = 0.9, eps: float = 1e-8, eps_root: float = 0.0,
) -> Step:  # fmt: skip
    r"""RMSprop with the variance in place of the mean square.

    .. math:: m_t = \rho m_{t-1} + (1-\rho)\, g_t, \qquad
        \theta_t = \theta_{t-1} - \frac{\eta}{\sqrt{v_t - m_t^2 + \epsilon'} + \epsilon}\, g_t

    v, m : running means of the squared gradient and of the gradient. Hyper-parameters as in :func:`rmsprop`.

    Source: Graves (2013), equations 38 to 45, which add momentum.

    >>> theta, memory = rmsprop_centred(1.0, 4.0, 0.0, 0.0, lr=0.3)
    >>> round(float(theta), 6)
    0.0
    """
    v = rho * v + (1 - rho) * g**2
    m = rho * m + (1 - rho) * g
    theta = theta - lr * g / (sqrt(maximum(v - m**2, 0.0) + eps_root) + eps)
    return theta, (v, m)


def rmsprop_momentum(
    theta: Array, g: Array, v: Array, u: Array, *,
    lr: float = 0.001, rho: float = 0.9, gamma: float = 0.9, eps: float = 1e-8, eps_root: float = 0.0,
) -> Step:  # fmt: skip
    r"""RMSprop whose scaled gradient feeds a velocity, as in PyTorch and TensorFlow.

    .. math:: u_t = \gamma u_{t-1} + \frac{g_t}{\sqrt{v_t + \epsilon'} + \epsilon}, \qquad
        \theta_t = \theta_{t-1} - \eta\, u_t

    v : running mean of the squared gradient. u : velocity. gamma : in [0, 1]. The rest as in :func:`rmsprop`.

    Source: torch.optim.RMSprop.

    >>> theta, memory = rmsprop_momentum(1.0, 4.0, 0.0, 0.0, lr=0.1)
    >>> round(1.0 - float(theta), 6)
    0.316228
    """
    v = rho * v + (1 - rho) * g**2
    u = gamma * u + g / (sqrt(v + eps_root) + eps)
    theta = theta - lr * u
    return theta, (v, u)


# --- Adam and its family ------------------------------------------------------------------------


def adam(
    theta: Array, g: Array, m: Array, v: Array, t: float, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, eps_root: float = 0.0,
) -> Step:  # fmt: skip
    r"""Adam: a running mean of the gradient, divided by the root of a running mean of its square.

    .. math::

        m_t &= \beta_1 m_{t-1} + (1-\beta_1)\, g_t, & \hat m_t &= m_t / (1-\beta_1^t) \\
        v_t &= \beta_2 v_{t-1} + (1-\beta_2)\, g_t^2, & \hat v_t &= v_t / (1-\beta_2^t) \\
        \theta_t &= \theta_{t-1} - \eta\, \hat m_t / (\sqrt{\hat v_t + \epsilon'} + \epsilon)

    m, v : first moment and uncentred second moment. lr : :math:`\eta \ge 0`, the paper's :math:`\alpha`.
    beta1, beta2 : in [0, 1). eps, eps_root : outside the root as in the paper; inside it as some slides have it.

    Source: Kingma & Ba (2015), Algorithm 1.

    >>> theta, memory = adam(1.0, 4.0, 0.0, 0.0, 1, lr=0.1)
    >>> round(1.0 - float(theta), 6)
    0.1
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    theta = theta - lr * m_hat / (sqrt(v_hat + eps_root) + eps)
    return theta, (m, v)


def adam_uncorrected(
    theta: Array, g: Array, m: Array, v: Array, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
) -> Step:  # fmt: skip
    r"""Adam without bias correction, to see what the correction does.

    .. math:: \theta_t = \theta_{t-1} - \eta\, m_t / (\sqrt{v_t} + \epsilon)

    Memory and hyper-parameters as in :func:`adam`.
    Its first steps are :math:`(1-\beta_1)/\sqrt{1-\beta_2}` times Adam's.

    Source: Kingma & Ba (2015), section 6.4.

    >>> theta, memory = adam_uncorrected(1.0, 4.0, 0.0, 0.0, lr=0.1)
    >>> round(1.0 - float(theta), 6)
    0.316228
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    theta = theta - lr * m / (sqrt(v) + eps)
    return theta, (m, v)


def adam_eps_hat(
    theta: Array, g: Array, m: Array, v: Array, t: float, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-7,
) -> Step:  # fmt: skip
    r"""Adam with both corrections moved into the rate, the form of keras: epsilon then weighs less as time goes on.

    .. math:: \eta_t = \eta \sqrt{1-\beta_2^t} / (1-\beta_1^t), \qquad
        \theta_t = \theta_{t-1} - \eta_t\, m_t / (\sqrt{v_t} + \hat\epsilon)

    Memory and hyper-parameters as in :func:`adam`; eps is :math:`\hat\epsilon`, which is
    :math:`\epsilon_t = \hat\epsilon/\sqrt{1-\beta_2^t}` of :func:`adam`.

    Source: Kingma & Ba (2015), end of section 2.

    >>> theta, memory = adam_eps_hat(1.0, 4.0, 0.0, 0.0, 1, lr=0.1)
    >>> round(1.0 - float(theta), 6)
    0.1
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    lr_t = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    theta = theta - lr_t * m / (sqrt(v) + eps)
    return theta, (m, v)


def adamw(
    theta: Array, g: Array, m: Array, v: Array, t: float, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.01,
) -> Step:  # fmt: skip
    r"""AdamW: Adam whose weight decay does not pass through the moments.

    .. math:: \theta_t = \theta_{t-1}
        - \eta\, \bigl( \hat m_t / (\sqrt{\hat v_t} + \epsilon) + \lambda\, \theta_{t-1} \bigr)

    Memory as in :func:`adam`. weight_decay : :math:`\lambda \ge 0` in the libraries' sense, multiplied by the rate; the
    paper's own is :math:`\eta\lambda`.

    Source: Loshchilov & Hutter (2019), Algorithm 2.

    >>> theta, memory = adamw(1.0, 4.0, 0.0, 0.0, 1, lr=0.1, weight_decay=0.5)
    >>> round(1.0 - float(theta), 6)
    0.15
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    theta = theta - lr * (m_hat / (sqrt(v_hat) + eps) + weight_decay * theta)
    return theta, (m, v)


def sgdw(theta: Array, g: Array, u: Array, *, lr: float = 0.01, gamma: float = 0.9, weight_decay: float = 0.01) -> Step:
    r"""SGD with momentum and decoupled weight decay.

    .. math:: u_t = \gamma u_{t-1} + \eta\, g_t, \qquad \theta_t = \theta_{t-1} - u_t - \eta\lambda\, \theta_{t-1}

    u : velocity. Hyper-parameters as in :func:`momentum`; weight_decay : :math:`\lambda \ge 0`, multiplied by the rate.

    Source: Loshchilov & Hutter (2019), Algorithm 1.

    >>> sgdw(1.0, 4.0, 0.0, lr=0.125, gamma=0.5, weight_decay=2.0)
    (0.25, (0.5,))
    """
    u = gamma * u + lr * g
    theta = theta - u - lr * weight_decay * theta
    return theta, (u,)


def adamax(
    theta: Array, g: Array, m: Array, u: Array, t: float, *,
    lr: float = 0.002, beta1: float = 0.9, beta2: float = 0.999, eps: float = 0.0,
) -> Step:  # fmt: skip
    r"""AdaMax: Adam with the maximum norm in place of the root mean square.

    .. math:: u_t = \max(\beta_2 u_{t-1},\, |g_t| + \epsilon), \qquad
        \theta_t = \theta_{t-1} - \frac{\eta}{1-\beta_1^t} \cdot \frac{m_t}{u_t}

    m : first moment. u : decaying maximum, which needs no correction. lr : :math:`\eta \ge 0`, a bound on each step.
    beta1, beta2 : in [0, 1). eps : none in the paper (0/0 counts as 0); 1e-8 in PyTorch and optax.

    Source: Kingma & Ba (2015), Algorithm 2.

    >>> theta, memory = adamax(1.0, 4.0, 0.0, 0.0, 1, lr=0.1)
    >>> round(1.0 - float(theta), 6)
    0.1
    """
    m = beta1 * m + (1 - beta1) * g
    u = maximum(beta2 * u, abs(g) + eps)
    theta = theta - lr / (1 - beta1**t) * ratio(m, u)
    return theta, (m, u)


def nadam(
    theta: Array, g: Array, m: Array, v: Array, product: Array, t: float, *,
    lr: float = 0.002, beta1: float = 0.975, beta2: float = 0.999, eps: float = 1e-8, decay: float = 0.004,
) -> Step:  # fmt: skip
    r"""Nadam: Adam with Nesterov's look-ahead, and momentum that grows by a schedule.

    .. math::

        \mu_t &= \beta_1 (1 - \tfrac12\, 0.96^{t\,\text{decay}}), \qquad m_t = \mu_t m_{t-1} + (1-\mu_t)\, g_t \\
        \hat m_t &= \frac{\mu_{t+1}\, m_t}{1 - \prod_{i\le t+1} \mu_i}
        + \frac{(1-\mu_t)\, g_t}{1 - \prod_{i\le t} \mu_i}, \qquad
        \theta_t = \theta_{t-1} - \eta\, \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon}

    m, v : moments as in :func:`adam`. product : of the :math:`\mu_i` so far, 1 at the start.
    decay : :math:`\ge 0`, 1/250.

    Source: Dozat (2016).

    >>> theta, memory = nadam(1.0, 4.0, 0.0, 0.0, 1.0, 1, lr=0.1, beta1=0.0)
    >>> round(1.0 - float(theta), 6)
    0.1
    """
    mu = beta1 * (1 - 0.5 * 0.96 ** (t * decay))
    mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * decay))
    product = maximum(product * mu, 1e-30)  # nothing beside 1; a subnormal would be slow
    m = mu * m + (1 - mu) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
    v_hat = v / (1 - beta2**t)
    theta = theta - lr * m_hat / (sqrt(v_hat) + eps)
    return theta, (m, v, product)


def nadam_torch(
    theta: Array, g: Array, m: Array, v: Array, product: Array, t: float, *,
    lr: float = 0.002, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, decay: float = 0.004,
) -> Step:  # fmt: skip
    r"""Nadam as PyTorch and keras have it: the moment decays by a constant, only the look-ahead follows the schedule.

    .. math:: m_t = \beta_1 m_{t-1} + (1-\beta_1)\, g_t \qquad (\text{the rest as in nadam})

    Memory and hyper-parameters as in :func:`nadam`; decay is torch's momentum_decay, and keras behaves like 1.0.

    Source: torch.optim.NAdam.

    >>> theta, memory = nadam_torch(1.0, 4.0, 0.0, 0.0, 1.0, 1, lr=0.1, beta1=0.0)
    >>> round(1.0 - float(theta), 6)
    0.1
    """
    mu = beta1 * (1 - 0.5 * 0.96 ** (t * decay))
    mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * decay))
    product = maximum(product * mu, 1e-30)  # nothing beside 1; a subnormal would be slow
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
    v_hat = v / (1 - beta2**t)
    theta = theta - lr * m_hat / (sqrt(v_hat) + eps)
    return theta, (m, v, product)


def nadam_constant(
    theta: Array, g: Array, m: Array, v: Array, t: float, *,
    lr: float = 0.002, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
) -> Step:  # fmt: skip
    r"""Nadam with constant momentum, the form of optax.

    .. math:: \hat m_t = \frac{\beta_1 m_t}{1-\beta_1^{t+1}} + \frac{(1-\beta_1)\, g_t}{1-\beta_1^t}, \qquad
        \theta_t = \theta_{t-1} - \eta\, \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon}

    Memory and hyper-parameters as in :func:`adam`.

    Source: Dozat (2016), without the schedule; optax.nadam.

    >>> theta, memory = nadam_constant(1.0, 4.0, 0.0, 0.0, 1, lr=0.1, beta1=0.0)
    >>> round(1.0 - float(theta), 6)
    0.1
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = beta1 * m / (1 - beta1 ** (t + 1)) + (1 - beta1) * g / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    theta = theta - lr * m_hat / (sqrt(v_hat) + eps)
    return theta, (m, v)


def amsgrad(
    theta: Array, g: Array, m: Array, v: Array, v_max: Array, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
) -> Step:  # fmt: skip
    r"""AMSGrad: the second moment may only grow. Without bias correction, as in the paper.

    .. math:: \hat v_t = \max(\hat v_{t-1}, v_t), \qquad
        \theta_t = \theta_{t-1} - \eta\, m_t / (\sqrt{\hat v_t} + \epsilon)

    m, v : moments as in :func:`adam`. v_max : greatest second moment so far.
    The paper has eps = 0, and its proof a rate that falls with the root of t.

    Source: Reddi, Kale & Kumar (2018), Algorithm 2.

    >>> theta, memory = amsgrad(1.0, 4.0, 0.0, 0.0, 0.0, lr=0.1)
    >>> round(1.0 - float(theta), 6)
    0.316228
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_max = maximum(v_max, v)
    theta = theta - lr * m / (sqrt(v_max) + eps)
    return theta, (m, v, v_max)


def amsgrad_torch(
    theta: Array, g: Array, m: Array, v: Array, v_max: Array, t: float, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
) -> Step:  # fmt: skip
    r"""AMSGrad as PyTorch and keras have it: the maximum is taken first, then corrected.

    .. math:: \theta_t = \theta_{t-1}
        - \eta\, \hat m_t \Big/ \Bigl( \sqrt{\max_{s\le t} v_s / (1-\beta_2^t)} + \epsilon \Bigr)

    Memory and hyper-parameters as in :func:`amsgrad`.

    Source: torch.optim.Adam(amsgrad=True).

    >>> theta, memory = amsgrad_torch(1.0, 4.0, 0.0, 0.0, 0.0, 1, lr=0.1)
    >>> round(1.0 - float(theta), 6)
    0.1
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_max = maximum(v_max, v)
    m_hat = m / (1 - beta1**t)
    v_hat = v_max / (1 - beta2**t)
    theta = theta - lr * m_hat / (sqrt(v_hat) + eps)
    return theta, (m, v, v_max)


def amsgrad_optax(
    theta: Array, g: Array, m: Array, v: Array, v_max: Array, t: float, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
) -> Step:  # fmt: skip
    r"""AMSGrad as optax has it: the moment is corrected first, then the maximum is taken.

    .. math:: \theta_t = \theta_{t-1}
        - \eta\, \hat m_t \Big/ \Bigl( \sqrt{\max_{s\le t} v_s/(1-\beta_2^s)} + \epsilon \Bigr)

    Memory and hyper-parameters as in :func:`amsgrad`.

    Source: optax.amsgrad.

    >>> theta, memory = amsgrad_optax(1.0, 4.0, 0.0, 0.0, 0.0, 1, lr=0.1)
    >>> round(1.0 - float(theta), 6)
    0.1
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_max = maximum(v_max, v / (1 - beta2**t))
    theta = theta - lr * m_hat / (sqrt(v_max) + eps)
    return theta, (m, v, v_max)


# --- the sign alone ---------------------------------------------------------------------------------


def sign_descent(theta: Array, g: Array, *, lr: float = 0.001) -> Step:
    r"""Sign descent: every coordinate moves by the rate, whatever the size of its gradient.

    .. math:: \theta_t = \theta_{t-1} - \eta\, \operatorname{sgn}(g_t)

    Steepest descent in the maximum norm, without the length of the gradient. lr : :math:`\eta \ge 0`; with a constant
    rate it ends in a cycle as long as the rate.

    Source: Bernstein et al. (2018), signSGD.

    >>> sign_descent(np.array([1.0, 1.0]), np.array([4.0, -0.1]), lr=0.5)[0]
    array([0.5, 1.5])
    """
    theta = theta - lr * sign(g)
    return theta, ()


def signum(
    theta: Array, g: Array, m: Array, *, lr: float = 0.001, beta: float = 0.9, weight_decay: float = 0.0
) -> Step:
    r"""Signum: the sign of the momentum.

    .. math:: m_t = \beta m_{t-1} + (1-\beta)\, g_t, \qquad
        \theta_t = \theta_{t-1} - \eta\, (\operatorname{sgn}(m_t) + \lambda\theta_{t-1})

    m : moving average. lr : :math:`\eta \ge 0`. beta : in [0, 1]; 0 is :func:`sign_descent`.
    weight_decay : :math:`\lambda \ge 0`, multiplied by the rate; above 0 it keeps every coordinate within
    :math:`\pm 1/\lambda`.

    Source: Bernstein et al. (2018), Algorithm 2.

    >>> theta, (m,) = signum(1.0, 4.0, -1.0, lr=0.5, beta=0.75)
    >>> round(float(theta), 6), m
    (0.5, 0.25)
    """
    m = beta * m + (1 - beta) * g
    theta = theta - lr * (sign(m) + weight_decay * theta)
    return theta, (m,)


def lion(
    theta: Array, g: Array, m: Array, *,
    lr: float = 0.0001, beta1: float = 0.9, beta2: float = 0.99, weight_decay: float = 0.0,
) -> Step:  # fmt: skip
    r"""Lion: the sign of one moving average, which is kept as another, slower one.

    .. math:: c_t = \beta_1 m_{t-1} + (1-\beta_1)\, g_t, \qquad
        \theta_t = \theta_{t-1} - \eta\, (\operatorname{sgn}(c_t) + \lambda\theta_{t-1}), \qquad
        m_t = \beta_2 m_{t-1} + (1-\beta_2)\, g_t

    m : moving average, half of Adam's memory. lr : :math:`\eta \ge 0`, three to ten times smaller than AdamW's.
    beta1, beta2 : in [0, 1); equal ones make :func:`signum`. weight_decay : :math:`\lambda \ge 0`, multiplied by the
    rate, three to ten times larger than AdamW's; it keeps every coordinate within :math:`\pm 1/\lambda`.

    Source: Chen et al. (2023), Algorithm 2.

    >>> theta, (m,) = lion(1.0, 4.0, -0.25, lr=0.5, beta1=0.5, beta2=0.75)
    >>> float(theta), m
    (0.5, 0.8125)
    """
    c = beta1 * m + (1 - beta1) * g
    theta = theta - lr * (sign(c) + weight_decay * theta)
    m = beta2 * m + (1 - beta2) * g
    return theta, (m,)


# --- an average in place of a schedule ---------------------------------------------------------------


def schedule_free(
    theta: Array, g: Array, z: Array, top: Array, total: Array, *,
    lr: float = 1.0, beta: float = 0.9, weight_decay: float = 0.0,
) -> Step:  # fmt: skip
    r"""Schedule-Free SGD: a point walks, its average is reported, and gradients are taken between the two.

    .. math::

        y &= (1-\beta)\, z_{t-1} + \beta\, \theta_{t-1}, \qquad
        z_t = z_{t-1} - \eta_t \bigl( \nabla f(y) + \lambda y \bigr) \\
        \theta_t &= (1-c_t)\, \theta_{t-1} + c_t z_t, \qquad
        c_t = \max_{s\le t} \eta_s^2 \Big/ \textstyle\sum_{i\le t} \max_{s\le i} \eta_s^2

    theta : the average, which is what to use. z : the walking point, theta at the start. top, total : the greatest rate
    so far, and the sum of its squares. lr : :math:`\eta \ge 0`, or a warm-up that ends constant; stable below
    :math:`2/((1-\beta)L)`. With a constant rate :math:`c_t = 1/t`. beta : in [0, 1]; 0 is :func:`averaged_sgd`.
    weight_decay : :math:`\lambda \ge 0`, of y.

    Source: Defazio et al. (2024), equations 3 to 5, weights as in their code.

    >>> theta, (z, *_) = schedule_free(1.0, 4.0, 1.0, 0.0, 0.0, lr=0.1)
    >>> float(theta), z
    (0.6, 0.6)
    """
    y = schedule_free_look_ahead(theta, z, beta=beta)
    top = maximum(top, lr)
    total = total + top**2
    c = ratio(top**2, total)
    z = z - lr * (g + weight_decay * y)
    theta = theta + c * (z - theta)
    return theta, (z, top, total)


def schedule_free_look_ahead(theta: Array, z: Array, *, beta: float) -> Array:
    r"""Where :func:`schedule_free` measures the gradient: :math:`y = (1-\beta) z + \beta\theta`.

    >>> schedule_free_look_ahead(1.0, 0.0, beta=0.75)
    0.75
    """
    return z + beta * (theta - z)


def schedule_free_adamw(
    theta: Array, g: Array, z: Array, v: Array, top: Array, total: Array, t: float, *,
    lr: float = 0.0025, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, weight_decay: float = 0.0,
) -> Step:  # fmt: skip
    r"""Schedule-Free AdamW: the same with Adam's second moment; the place of the first one is taken by the average.

    .. math:: z_t = z_{t-1} - \eta_t \Bigl( \frac{\nabla f(y)}{\sqrt{\hat v_t} + \epsilon} + \lambda y \Bigr)
        \qquad (y, \theta_t, c_t \text{ as in schedule\_free})

    v : second moment. beta1 : the share of theta in y, in [0, 1). The rest as in :func:`schedule_free` and
    :func:`adamw`.

    Source: Defazio et al. (2024), Algorithm 1.

    >>> theta, memory = schedule_free_adamw(1.0, 4.0, 1.0, 0.0, 0.0, 0.0, 1, lr=0.1)
    >>> round(float(theta), 6)
    0.9
    """
    y = schedule_free_look_ahead(theta, z, beta=beta1)
    v = beta2 * v + (1 - beta2) * g**2
    v_hat = v / (1 - beta2**t)
    top = maximum(top, lr)
    total = total + top**2
    c = ratio(top**2, total)
    z = z - lr * (g / (sqrt(v_hat) + eps) + weight_decay * y)
    theta = theta + c * (z - theta)
    return theta, (z, v, top, total)


def schedule_free_adamw_look_ahead(theta: Array, z: Array, *, beta1: float) -> Array:
    r"""Where :func:`schedule_free_adamw` measures the gradient: :math:`y = (1-\beta_1) z + \beta_1\theta`.

    >>> schedule_free_adamw_look_ahead(1.0, 0.0, beta1=0.75)
    0.75
    """
    return schedule_free_look_ahead(theta, z, beta=beta1)


# --- Adam's younger relatives -------------------------------------------------------------------------


def radam(
    theta: Array, g: Array, m: Array, v: Array, t: float, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, threshold: float = 5.0,
) -> Step:  # fmt: skip
    r"""RAdam: Adam that trusts its second moment only as far as enough gradients stand behind it.

    .. math::

        \rho_\infty &= \tfrac2{1-\beta_2} - 1, \qquad \rho_t = \rho_\infty - \frac{2t\beta_2^t}{1-\beta_2^t}, \qquad
        r_t = \sqrt{\frac{(\rho_t-4)(\rho_t-2)\,\rho_\infty}{(\rho_\infty-4)(\rho_\infty-2)\,\rho_t}} \\
        \theta_t &= \theta_{t-1} - \eta\, \hat m_t\, \frac{r_t}{\sqrt{\hat v_t} + \epsilon} \quad\text{if }
        \rho_t > \text{threshold, else}\quad \theta_{t-1} - \eta\, \hat m_t

    Memory and hyper-parameters as in :func:`adam`. threshold : 4 in the paper, 5 in its code, PyTorch and optax.

    Source: Liu et al. (2020), Algorithm 2.

    >>> theta, memory = radam(1.0, 4.0, 0.0, 0.0, 1, lr=0.1)
    >>> round(1.0 - float(theta), 6)
    0.4
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    most = 2 / (1 - beta2) - 1
    rho = most - 2 * t * beta2**t / (1 - beta2**t)
    squared = (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho + 0 * v)  # an array, so 0/0 is no error
    rectified = sqrt(maximum(squared, 0.0)) * m_hat / (sqrt(v_hat) + eps)
    theta = theta - lr * where(rho > threshold, rectified, m_hat)
    return theta, (m, v)


def adabelief(
    theta: Array, g: Array, m: Array, s: Array, t: float, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-16, eps_root: float = 1e-16,
) -> Step:  # fmt: skip
    r"""AdaBelief: the step is divided by how far the gradient is from what was expected, not by its size.

    .. math:: s_t = \beta_2 s_{t-1} + (1-\beta_2)\, (g_t - m_t)^2 + \epsilon', \qquad
        \theta_t = \theta_{t-1} - \eta\, \hat m_t / (\sqrt{\hat s_t} + \epsilon)

    m : first moment. s : mean squared surprise. eps_root : :math:`\epsilon'`, added at every step; under a gradient
    that never changes it decides everything. The rest as in :func:`adam`.

    Source: Zhuang et al. (2020), Algorithm 2.

    >>> theta, memory = adabelief(1.0, 4.0, 0.0, 0.0, 1, lr=0.9)
    >>> round(1.0 - float(theta), 6)
    1.0
    """
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * (g - m) ** 2 + eps_root
    m_hat = m / (1 - beta1**t)
    s_hat = s / (1 - beta2**t)
    theta = theta - lr * m_hat / (sqrt(s_hat) + eps)
    return theta, (m, s)


def yogi(
    theta: Array, g: Array, m: Array, v: Array, t: float, *,
    lr: float = 0.01, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-3,
) -> Step:  # fmt: skip
    r"""Yogi: Adam whose second moment changes by a bounded amount, so it forgets large gradients slowly.

    .. math:: v_t = v_{t-1} - (1-\beta_2)\, \operatorname{sgn}(v_{t-1} - g_t^2)\, g_t^2
        \qquad (\text{the rest as in adam})

    m : first moment. v : second moment, 1e-6 at the start. lr, eps : the paper's, larger than Adam's.

    Source: Zaheer et al. (2018), Algorithm 2, with bias correction as in optax.

    >>> theta, memory = yogi(1.0, 4.0, 0.0, 0.0, 1, lr=0.1, eps=0.0)
    >>> round(1.0 - float(theta), 6)
    0.1
    """
    m = beta1 * m + (1 - beta1) * g
    v = v - (1 - beta2) * sign(v - g**2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    theta = theta - lr * m_hat / (sqrt(v_hat) + eps)
    return theta, (m, v)


def ademamix(
    theta: Array, g: Array, m: Array, slow: Array, v: Array, t: float, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, beta3: float = 0.9999, alpha: float = 5.0,
    eps: float = 1e-8, weight_decay: float = 0.0,
) -> Step:  # fmt: skip
    r"""AdEMAMix: AdamW with a second, very slow moving average of the gradient beside the first.

    .. math:: n_t = \beta_3 n_{t-1} + (1-\beta_3)\, g_t, \qquad \theta_t = \theta_{t-1}
        - \eta \Bigl( \frac{\hat m_t + \alpha\, n_t}{\sqrt{\hat v_t} + \epsilon} + \lambda\theta_{t-1} \Bigr)

    m, v : as in :func:`adam`. slow : n, which is not corrected for its start. alpha : its weight; 0 is :func:`adamw`.
    The authors let alpha and beta3 grow by schedules. The rest as in :func:`adamw`.

    Source: Pagliardini, Ablin & Grangier (2025), equation 1.

    >>> theta, memory = ademamix(1.0, 4.0, 0.0, 0.0, 0.0, 1, lr=0.1, beta3=0.5, alpha=2.0)
    >>> round(1.0 - float(theta), 6)
    0.2
    """
    m = beta1 * m + (1 - beta1) * g
    slow = beta3 * slow + (1 - beta3) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    theta = theta - lr * ((m_hat + alpha * slow) / (sqrt(v_hat) + eps) + weight_decay * theta)
    return theta, (m, slow, v)


def lookahead(
    theta: Array, g: Array, slow: Array, m: Array, v: Array, t: float, *,
    lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, alpha: float = 0.5,
    every: float = 5,
) -> Step:  # fmt: skip
    r"""Lookahead around Adam: after some fast steps a slow point follows part of the way, and both go on from there.

    .. math:: \text{every } k \text{ steps:} \quad \phi \leftarrow \phi + \alpha\, (\theta - \phi), \qquad
        \theta \leftarrow \phi \qquad (\theta \text{ by adam})

    slow : :math:`\phi`, theta at the start. every : k, a whole number, 1 or more. alpha : :math:`\alpha \ge 0`; 1 is
    :func:`adam`. Adam's moments go on. The rest as in :func:`adam`.

    Source: Zhang, Lucas, Hinton & Ba (2019), Algorithm 1.

    >>> theta, (slow, *_) = lookahead(1.0, 4.0, 1.0, 0.0, 0.0, 5, lr=0.0, alpha=0.5)
    >>> float(theta), float(slow)
    (1.0, 1.0)
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    theta = theta - lr * m_hat / (sqrt(v_hat) + eps)
    rest = t - every * floor(t / every)
    slow = where(rest == 0, slow + alpha * (theta - slow), slow)
    theta = where(rest == 0, slow, theta)
    return theta, (slow, m, v)


# --- what a signature cannot say ----------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What the signature of one of the course's rules does not say. A new rule needs a row here and in tests/table.py.

    Parameters
    ----------
    rule : the function
    title : what it is called in both languages
    rate : a first lr that suits the test surfaces, where the paper's default is made for networks
    line : "solid", "dash", "dot", "dashdot" or "long"
    colour, marker : "#rrggbb" and a Matplotlib marker; a variant has its `kin`'s, so lines tell kin apart
    kin : the name of the rule that this one is a variant of
    same : whether it is its kin's algorithm under another convention, rather than a relative
    ahead : where it wants its gradient, if not at theta: a function of theta, of memory and hyper-parameters by name
    start : memory that does not start at zero: {name: a number, "theta", or the name of a hyper-parameter}
    whole : how many of theta's last axes it sees at once: 1 a vector, 2 a matrix; such a rule is not compiled
    shapes : memory that is not like theta: {name: sides}, each letter one, "a" rows and "b" columns or length; "" is
        one number
    each : whether it wants each part of a model for itself, as all that see matrices do

    Raises
    ------
    ValueError : a field is missing; it says which, of which row.

    >>> Row(sgd, title="SGD", rate=0.01, line="solid")
    Traceback (most recent call last):
    ValueError: optlib/rules.py: the row of sgd lacks colour and marker, or its kin
    """

    rule: Callable
    title: str = ""
    rate: float | None = None
    line: str = ""
    colour: str = ""
    marker: str = ""
    kin: str = ""
    same: bool = False
    ahead: Callable | None = None
    start: Mapping[str, float | str] = field(default_factory=dict)
    whole: int = 0
    shapes: Mapping[str, str] = field(default_factory=dict)
    each: bool = False

    def __post_init__(self) -> None:
        lacks = [name for name in ("title", "rate", "line") if not getattr(self, name)]
        if not (self.kin or (self.colour and self.marker)):
            lacks.append("colour and marker, or its kin")
        if lacks:
            raise ValueError(f"optlib/rules.py: the row of {self.name} lacks {', '.join(lacks)}")
        unknown = [name for name in self.rule.__kwdefaults__ or () if name not in HYPER]
        if unknown:
            raise ValueError(f"optlib/rules.py: HYPER lacks {', '.join(unknown)}, of which {self.name} makes use")

    @property
    def name(self) -> str:
        """The function's name."""
        return self.rule.__name__


class Hyper(NamedTuple):
    """What a number may be, and how a slider runs through it.

    >>> HYPER["beta1"].high, HYPER["beta1"].closed, HYPER["beta1"].symbol
    (1.0, False, 'β₁')
    """

    symbol: str = ""  #: its letter; by default its name
    low: float = 0.0  #: least value
    high: float = inf
    closed: bool = False  #: whether `high` itself is allowed
    scale: str = "log"  #: "log"; "linear"; or "share", on which 0.9, 0.99 and 0.999 are equally far apart
    shown: tuple[float, float] | None = None  #: ends of the slider; by default `reach` decades about its usual value
    reach: float = 2.0
    usual: float = 0.01  #: the middle of the slider where the default is 0
    whole: bool = False
    step: float = 0.01  #: of the slider; on a log scale in decades
    names: Mapping[str, Any] | None = None  #: where it is a name: those it may be


#: The hyper-parameters of the rules, by name.
HYPER: dict[str, Hyper] = {
    "lr": Hyper("η"), "eps": Hyper("ε", reach=6, usual=1e-6), "eps_root": Hyper("ε′", reach=6, usual=1e-6),
    "weight_decay": Hyper("λ"), "kappa": Hyper("κ"), "decay": Hyper(), "low": Hyper(), "high": Hyper(),
    "gamma": Hyper("γ", high=1.0, closed=True, scale="share"), "beta": Hyper("β", high=1.0, closed=True, scale="share"),
    "rho": Hyper("ρ", high=1.0, scale="share"), "beta1": Hyper("β₁", high=1.0, scale="share"),
    "beta2": Hyper("β₂", high=1.0, scale="share"),
    "dampening": Hyper("τ", high=1.0, closed=True, scale="linear", shown=(0.0, 1.0)),
    "delta": Hyper("δ", high=1.0, closed=True, scale="linear", shown=(0.0, 1.0)),
    "phi": Hyper("φ", high=1.0, closed=True, scale="linear", shown=(0.0, 1.0)),
    "eta_minus": Hyper("η⁻", high=1.0, closed=True, scale="linear", shown=(0.0, 1.0)),
    "eta_plus": Hyper("η⁺", low=1.0, scale="linear", shown=(1.0, 2.0)),
    "beta3": Hyper("β₃", high=1.0, scale="share"), "alpha": Hyper("α"), "trust": Hyper("τ"), "d0": Hyper("d₀", reach=6),
    "threshold": Hyper(scale="linear", shown=(4.0, 6.0)), "every": Hyper("k", low=1.0, whole=True, step=0.1, reach=1.0),
    "steps": Hyper(whole=True), "first": Hyper(), "least": Hyper(), "clip": Hyper(), "power": Hyper(),
    "coefficients": Hyper(names=COEFFICIENTS), "scaling": Hyper(names=SCALINGS),
}  # fmt: skip

# The colours of sgd, momentum, nag, adagrad, adadelta, rmsprop and adam are the farthest apart that a search found with
# a double limit: contrast of 3 : 1 with white and with #131416, and the largest least distance in CIELAB as seen with
# full, deuteranope and protanope vision. The others are compared within a chapter; dashes and markers tell them apart.
ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row(sgd, "SGD", 0.01, "solid", "#c02430", "o"),
        Row(momentum, "Momentum", 0.002, "solid", "#0090fc", "s"),
        Row(momentum_ema, "Momentum (EMA)", 0.02, "long", kin="momentum", same=True),
        Row(momentum_torch, "Momentum (PyTorch)", 0.002, "dot", kin="momentum", same=True),
        Row(heavy_ball, "Heavy ball", 0.002, "dashdot", kin="momentum", same=True, start={"previous": "theta"}),
        Row(nag, "NAG", 0.002, "solid", "#8418fc", "D", ahead=nag_look_ahead),
        Row(nag_shifted, "NAG (PyTorch)", 0.002, "long", kin="nag", same=True),
        Row(
            nesterov_1983, "Nesterov 1983", 0.005, "dot", kin="nag",
            ahead=nesterov_1983_look_ahead, start={"y": "theta", "a": 1.0},
        ),
        Row(averaged_sgd, "Averaged SGD", 0.01, "long", kin="sgd", ahead=averaged_sgd_look_ahead, start={"z": "theta"}),
        Row(local_gains, "Local gains", 0.01, "long", kin="delta_bar_delta", start={"gain": 1.0}),
        Row(delta_bar_delta, "Delta-bar-delta", 0.01, "dashdot", "#b07040", "p", start={"rate": "lr"}),
        Row(rprop_minus, "Rprop−", 0.1, "long", "#309c54", "d", start={"step": "lr"}),
        Row(rprop_plus, "Rprop+", 0.1, "dot", kin="rprop_minus", same=True, start={"step": "lr"}),
        Row(irprop_minus, "iRprop−", 0.1, "dashdot", kin="rprop_minus", same=True, start={"step": "lr"}),
        Row(irprop_plus, "iRprop+", 0.1, "dash", kin="rprop_minus", same=True, start={"step": "lr"}),
        Row(adagrad, "Adagrad", 0.5, "solid", "#a89000", "^"),
        Row(adagrad_sigma, "Adagrad (σ)", 0.5, "long", kin="adagrad", same=True),
        Row(adagrad_full, "Adagrad (full matrix)", 0.5, "dot", kin="adagrad", whole=1, shapes={"G": "bb"}),
        Row(adadelta, "Adadelta", 1.0, "solid", "#78606c", "v"),
        Row(rmsprop, "RMSprop", 0.05, "solid", "#18a86c", "P"),
        Row(rmsprop_centred, "RMSprop (centred)", 0.02, "long", kin="rmsprop", same=True),
        Row(rmsprop_momentum, "RMSprop + momentum", 0.01, "dot", kin="rmsprop"),
        Row(adam, "Adam", 0.1, "solid", "#c030a8", "X"),
        Row(adam_uncorrected, "Adam (uncorrected)", 0.1, "long", kin="adam", same=True),
        Row(adam_eps_hat, "Adam (ε̂)", 0.1, "dot", kin="adam", same=True),
        Row(adamw, "AdamW", 0.1, "dot", "#a80cc0", "o"),
        Row(sgdw, "SGDW", 0.002, "dot", kin="sgd"),
        Row(adamax, "AdaMax", 0.1, "dash", "#cc6c9c", "^"),
        Row(nadam, "Nadam", 0.1, "dashdot", "#8454fc", "D", start={"product": 1.0}),
        Row(nadam_torch, "Nadam (PyTorch)", 0.1, "long", kin="nadam", same=True, start={"product": 1.0}),
        Row(nadam_constant, "Nadam (optax)", 0.1, "dot", kin="nadam", same=True),
        Row(amsgrad, "AMSGrad", 0.1, "dash", "#fc3c54", "s"),
        Row(amsgrad_torch, "AMSGrad (PyTorch)", 0.1, "long", kin="amsgrad", same=True),
        Row(amsgrad_optax, "AMSGrad (optax)", 0.1, "dot", kin="amsgrad", same=True),
        Row(sign_descent, "Sign descent", 0.02, "dash", "#8c7020", "v"),
        Row(signum, "Signum", 0.02, "dot", kin="sign_descent"),
        Row(lion, "Lion", 0.02, "solid", "#d06018", "D"),
        Row(schedule_free, "Schedule-Free SGD", 0.01, "solid", "#188c9c", "p", ahead=schedule_free_look_ahead,
            start={"z": "theta"}),
        Row(schedule_free_adamw, "Schedule-Free AdamW", 0.1, "dash", kin="schedule_free",
            ahead=schedule_free_adamw_look_ahead, start={"z": "theta"}),
        Row(radam, "RAdam", 0.1, "dashdot", kin="adam"),
        Row(adabelief, "AdaBelief", 0.1, "dash", kin="adam"),
        Row(yogi, "Yogi", 0.1, "dash", "#7c58a0", "P", start={"v": 1e-6}),
        Row(ademamix, "AdEMAMix", 0.05, "dashdot", kin="adamw"),
        Row(lookahead, "Lookahead (Adam)", 0.1, "long", kin="adamw", start={"slow": "theta"}),
        Row(cautious_adamw, "Cautious AdamW", 0.1, "dash", kin="adamw", whole=1),
        Row(lars, "LARS", 1.0, "dot", kin="lamb", whole=1, each=True),
        Row(lamb, "LAMB", 0.05, "dash", "#5c7c34", "s", whole=1, each=True),
        Row(adafactor, "Adafactor", 0.1, "long", "#986878", "^", whole=2, shapes={"R": "a", "C": "b"}),
        Row(muon, "Muon", 0.05, "solid", "#2868d8", "P", whole=2),
        Row(shampoo, "Shampoo", 0.5, "long", "#b84878", "o", whole=2, shapes={"L": "aa", "R": "bb"}),
        Row(soap, "SOAP", 0.1, "dash", "#38862c", "v", whole=2,
            shapes={"L": "aa", "R": "bb", "Q_L": "aa", "Q_R": "bb"}),
        Row(dog, "DoG", 1.0, "solid", "#507890", "d", whole=1, start={"origin": "theta"}, shapes={"r": "", "G": ""}),
        Row(d_adaptation, "D-Adaptation", 1.0, "dot", kin="dog", whole=1, ahead=d_adaptation_look_ahead,
            start={"x": "theta", "origin": "theta", "d": "d0"},
            shapes={"d": "", "first": "", "G": "", "inner": "", "total": ""}),
        Row(prodigy, "Prodigy", 1.0, "dash", kin="dog", whole=1, start={"origin": "theta", "d": "d0"},
            shapes={"d": "", "inner": ""}),
    )
}  # fmt: skip

#: Every rule of the course, in order of difficulty, by name.
TABLE: dict[str, Callable] = {name: row.rule for name, row in ROWS.items()}

#: Where a rule wants its gradient, if not at theta.
LOOK_AHEAD: dict[Callable, Callable] = {row.rule: row.ahead for row in ROWS.values() if row.ahead is not None}

#: Memory that does not start at zero.
START: dict[Callable, Mapping[str, float | str]] = {row.rule: row.start for row in ROWS.values() if row.start}

#: Rules that see whole vectors (1) or matrices (2): none is compiled by coordinates.
WHOLE: dict[Callable, int] = {row.rule: row.whole for row in ROWS.values() if row.whole}

#: Memory that is not like theta, by its sides.
SHAPES: dict[Callable, Mapping[str, str]] = {row.rule: row.shapes for row in ROWS.values() if row.shapes}

#: Rules that want each part of a model for itself.
EACH: frozenset[Callable] = frozenset(row.rule for row in ROWS.values() if row.each or row.whole == 2)
