"""The one table of rules that all laws walk: each rule's steps worked out by hand, and its peers in other libraries.

The steps are worked out with 50 decimal digits and written as sums over the past, not as the recursions that the rules
are: a velocity is a sum of powers, a bias-corrected moment is a weighted mean, and so on. Where a rule switches on
signs, its gains or moves are written out as numbers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from itertools import accumulate
from math import prod
from operator import sub
from typing import Any

import numpy as np

from optlib import rules

Number = Decimal
Numbers = Sequence[Decimal]

#: Gradients of four steps in two coordinates: signs stay and change, sizes grow and shrink, and one starts with zero.
GRADIENTS = (("1", "0"), ("0.5", "3"), ("-0.25", "3"), ("-2", "-1"))
START = ("2", "-1")
LOSSES = (4.0, 3.0, 5.0, 2.0)  #: for the rules that compare losses: it rises at the third step only
TIMES = range(1, len(GRADIENTS) + 1)


@dataclass(frozen=True)
class Peer:
    """The same algorithm in another library: how it is made there, and our hyper-parameters for the same path."""

    label: str
    make: Callable[..., Any]  #: of torch.optim and the parameters, or of optax
    ours: dict[str, float]
    closed: bool = True  #: whether closed loops agree; normalising methods amplify the last bit into another phase
    zeros: bool = True  #: whether the other library survives a coordinate whose first gradients are zero
    start: dict[str, float] = field(default_factory=dict)  #: memory that starts elsewhere than the rule's
    reads: str = "parameter"  #: what of the other library is our theta; "look-ahead": its parameter is what we ask for


@dataclass(frozen=True)
class Row:
    """A rule, hyper-parameters that let every term of its formula count, and what it must do with them."""

    rule: Callable
    hyper: dict[str, float]
    points: Callable[..., Iterable[Decimal]]  #: start, gradients and hyper-parameters of one coordinate -> its points
    asks: Callable[..., Iterable[Decimal]] | None = None  #: the same -> where each gradient is wanted, if not at theta
    torch: tuple[Peer, ...] = ()
    optax: tuple[Peer, ...] = ()
    gradients: tuple[tuple[str, ...], ...] = GRADIENTS
    coordinates: bool = False  #: whether `points` is also told which coordinate it works on

    @property
    def name(self) -> str:
        return self.rule.__name__

    def by_hand(self, what: Callable[..., Iterable[Decimal]]) -> np.ndarray:
        """The points as `what` works them out, of shape (steps, 2)."""
        hyper = {name: Decimal(str(value)) for name, value in self.hyper.items()}
        with localcontext(prec=50):
            columns = []
            for i, start in enumerate(START):
                which = (i,) if self.coordinates else ()
                g = [Decimal(step[i]) for step in self.gradients]
                columns.append([float(x) for x in what(*which, Decimal(start), g, **hyper)])
        return np.array(columns).T


# --- arithmetic over the past ---------------------------------------------------------------------


def total(b: Number, xs: Numbers) -> Decimal:
    """The sum of x_s b^(t-s)."""
    return sum((b ** (len(xs) - 1 - s) * x for s, x in enumerate(xs)), Decimal(0))


def moving(b: Number, xs: Numbers) -> Decimal:
    """A moving average that starts at zero."""
    return (1 - b) * total(b, xs)


def mean(b: Number, xs: Numbers) -> Decimal:
    """A moving average corrected for its start: the mean with weights b^(t-s)."""
    return total(b, xs) / total(b, [Decimal(1)] * len(xs))


def squares(xs: Numbers) -> list[Decimal]:
    return [x * x for x in xs]


def norm(xs: Numbers) -> Decimal:
    return sum(squares(xs), Decimal(0)).sqrt()


def over(a: Number, b: Number) -> Decimal:
    """a / b with 0/0 = 0."""
    return a / b if b else a


def walk(theta: Number, moves: Iterable[Decimal]) -> list[Decimal]:
    return list(accumulate(moves, sub, initial=theta))[1:]


def written(*moves: str) -> Callable[..., Iterable[Decimal]]:
    """Moves that are written out: one string for each coordinate."""
    return lambda i, theta, g, **hyper: walk(theta, [-Decimal(x) for x in moves[i].split()])


def gained(*gains: str) -> Callable[..., Iterable[Decimal]]:
    """Each coordinate's rates, written out, times the gradient and, if there is one, the common rate."""

    def points(i, theta, g, *, lr, common, **hyper):
        rates = [Decimal(x) * (lr if common else 1) for x in gains[i].split()]
        return walk(theta, [rate * x for rate, x in zip(rates, g, strict=True)])

    return points


# --- one function for each formula ------------------------------------------------------------------


def sgd(theta, g, *, lr):
    return [theta - lr * sum(g[:t]) for t in TIMES]


def momentum(theta, g, *, lr, gamma):
    # gradient s has been used up to the share 1 + gamma + ... + gamma^(t-s), a geometric sum
    return [theta - lr * sum(g[s] * (1 - gamma ** (t - s)) / (1 - gamma) for s in range(t)) for t in TIMES]


def momentum_ema(theta, g, *, lr, beta):
    return [theta - lr * sum(g[s] * (1 - beta ** (t - s)) for s in range(t)) for t in TIMES]


def momentum_torch(theta, g, *, lr, gamma, dampening):
    damped = [g[0], *((1 - dampening) * x for x in g[1:])]
    return momentum(theta, damped, lr=lr, gamma=gamma)


def heavy_ball(theta, g, *, lr, beta):
    return momentum(theta, g, lr=lr, gamma=beta)


def nag_asks(theta, g, *, lr, gamma):
    points = [theta, theta, *momentum(theta, g, lr=lr, gamma=gamma)]
    return [points[t] + gamma * (points[t] - points[t - 1]) for t in TIMES]


def nag_shifted(theta, g, *, lr, gamma):
    return walk(theta, [lr * (g[t - 1] + gamma * total(gamma, g[:t])) for t in TIMES])


def nesterov(theta, g, lr):
    a = [Decimal(1)]
    for _ in TIMES:
        a.append((1 + (4 * a[-1] ** 2 + 1).sqrt()) / 2)
    asks, points = [theta], [theta]
    for k in TIMES:
        points.append(asks[-1] - lr * g[k - 1])
        asks.append(points[-1] + (a[k - 1] - 1) / a[k] * (points[-1] - points[-2]))
    return points[1:], asks[:-1]


def averaged(theta, g, *, lr):
    walked = sgd(theta, g, lr=lr)
    return [sum(walked[:t]) / t for t in TIMES]


def adagrad(theta, g, *, lr, eps=Decimal(0), eps_root=Decimal(0)):
    return walk(theta, [lr * over(g[t - 1], (norm(g[:t]) ** 2 + eps_root).sqrt() + eps) for t in TIMES])


def adagrad_full(i, theta, g, *, lr, eps):
    # (3, 4), then a right angle to it, (4, -3), then (5, 0): the roots of the sums of outer products are known.
    # G_1 has the one eigenvalue 25 along the gradient; G_2 = 25 I; G_3 = diag(50, 25).
    roots = [Decimal(5), Decimal(5), Decimal(50).sqrt(), Decimal(5)]
    if i == 1:
        roots[2] = Decimal(5)
    else:
        roots[3] = Decimal(50).sqrt()
    return walk(theta, [lr * x / (root + eps) for x, root in zip(g, roots, strict=True)])


def adadelta(theta, g, *, lr, rho, eps):
    deltas: list[Decimal] = []
    for t in TIMES:
        last, now = moving(rho, squares(deltas)), moving(rho, squares(g[:t]))
        deltas.append(((last + eps) / (now + eps)).sqrt() * g[t - 1])
    return walk(theta, [lr * delta for delta in deltas])


def scaled(g, t, *, rho, eps, eps_root):
    """The gradient over its running root mean square."""
    return g[t - 1] / ((moving(rho, squares(g[:t])) + eps_root).sqrt() + eps)


def rmsprop(theta, g, *, lr, **hyper):
    return walk(theta, [lr * scaled(g, t, **hyper) for t in TIMES])


def rmsprop_centred(theta, g, *, lr, rho, eps, eps_root):
    def variance(t):
        return moving(rho, squares(g[:t])) - moving(rho, g[:t]) ** 2

    return walk(theta, [lr * g[t - 1] / ((variance(t) + eps_root).sqrt() + eps) for t in TIMES])


def rmsprop_momentum(theta, g, *, lr, gamma, **hyper):
    return momentum(theta, [scaled(g, t, **hyper) for t in TIMES], lr=lr, gamma=gamma)


def adam_steps(g, *, beta1, beta2, eps, eps_root=Decimal(0)):
    return [mean(beta1, g[:t]) / ((mean(beta2, squares(g[:t])) + eps_root).sqrt() + eps) for t in TIMES]


def adam(theta, g, *, lr, **hyper):
    return walk(theta, [lr * step for step in adam_steps(g, **hyper)])


def adam_uncorrected(theta, g, *, lr, beta1, beta2, eps):
    return walk(theta, [lr * moving(beta1, g[:t]) / (moving(beta2, squares(g[:t])).sqrt() + eps) for t in TIMES])


def adam_eps_hat(theta, g, *, lr, beta1, beta2, eps):
    # Algorithm 1 with an epsilon that falls: eps / sqrt(1 - beta2^t)
    return walk(theta, [
        lr * mean(beta1, g[:t]) / (mean(beta2, squares(g[:t])).sqrt() + eps / (1 - beta2**t).sqrt()) for t in TIMES
    ])  # fmt: skip


def decayed(theta, steps, *, lr, weight_decay):
    """Each step shrinks the point by 1 - lr weight_decay: decay that is no part of the moments."""
    shrink = 1 - lr * weight_decay
    return [shrink**t * theta - total(shrink, steps[:t]) for t in TIMES]


def adamw(theta, g, *, lr, weight_decay, **hyper):
    return decayed(theta, [lr * step for step in adam_steps(g, **hyper)], lr=lr, weight_decay=weight_decay)


def sgdw(theta, g, *, lr, gamma, weight_decay):
    return decayed(theta, [lr * total(gamma, g[:t]) for t in TIMES], lr=lr, weight_decay=weight_decay)


def adamax(theta, g, *, lr, beta1, beta2, eps):
    def largest(t):
        return max(beta2 ** (t - 1 - s) * (abs(g[s]) + eps) for s in range(t))

    return walk(theta, [lr * over(mean(beta1, g[:t]), largest(t)) for t in TIMES])


def nadam_step(g, t, moment, mu, *, beta2, eps):
    m_hat = mu(t + 1) * moment / (1 - prod(map(mu, range(1, t + 2)))) + (1 - mu(t)) * g[t - 1] / (
        1 - prod(map(mu, range(1, t + 1)))
    )
    return m_hat / (mean(beta2, squares(g[:t])).sqrt() + eps)


def nadam(theta, g, *, lr, beta1, decay, **hyper):
    def mu(t):
        return beta1 * (1 - Decimal("0.5") * Decimal("0.96") ** (t * decay))

    def moment(t):
        return sum((1 - mu(s)) * g[s - 1] * prod(map(mu, range(s + 1, t + 1))) for s in range(1, t + 1))

    return walk(theta, [lr * nadam_step(g, t, moment(t), mu, **hyper) for t in TIMES])


def nadam_torch(theta, g, *, lr, beta1, decay, **hyper):
    def mu(t):
        return beta1 * (1 - Decimal("0.5") * Decimal("0.96") ** (t * decay))

    return walk(theta, [lr * nadam_step(g, t, moving(beta1, g[:t]), mu, **hyper) for t in TIMES])


def nadam_constant(theta, g, *, lr, beta1, **hyper):
    return walk(theta, [lr * nadam_step(g, t, moving(beta1, g[:t]), lambda s: beta1, **hyper) for t in TIMES])


def amsgrad(theta, g, *, lr, beta1, beta2, eps):
    def largest(t):
        return max(moving(beta2, squares(g[:s])) for s in range(1, t + 1))

    return walk(theta, [lr * moving(beta1, g[:t]) / (largest(t).sqrt() + eps) for t in TIMES])


def amsgrad_torch(theta, g, *, lr, beta1, beta2, eps):
    def largest(t):
        return max(moving(beta2, squares(g[:s])) for s in range(1, t + 1)) / (1 - beta2**t)

    return walk(theta, [lr * mean(beta1, g[:t]) / (largest(t).sqrt() + eps) for t in TIMES])


def amsgrad_optax(theta, g, *, lr, beta1, beta2, eps):
    def largest(t):
        return max(mean(beta2, squares(g[:s])) for s in range(1, t + 1))

    return walk(theta, [lr * mean(beta1, g[:t]) / (largest(t).sqrt() + eps) for t in TIMES])


# --- the table ----------------------------------------------------------------------------------

RATE = {"lr": 0.01}
BALL = {"lr": 0.01, "gamma": 0.9}
RPROP = {"lr": 0.1, "eta_plus": 1.2, "eta_minus": 0.5, "low": 1e-6, "high": 50.0}
ADAM = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 0.001}  # an epsilon so large that its place shows
ROOT = {"eps": 0.001, "eps_root": 0.01}
INSIDE = {"eps": 0.0, "eps_root": 1e-8}

ROWS = (
    Row(rules.sgd, {"lr": 0.1}, sgd,
        torch=(Peer("SGD", lambda o, p: o.SGD(p, lr=0.01), RATE),),
        optax=(Peer("sgd", lambda o: o.sgd(0.01), RATE),)),
    Row(rules.momentum, {"lr": 0.1, "gamma": 0.75}, momentum,
        torch=(Peer("SGD", lambda o, p: o.SGD(p, lr=0.01, momentum=0.9), BALL),),
        optax=(Peer("sgd", lambda o: o.sgd(0.01, momentum=0.9), BALL),)),
    Row(rules.momentum_ema, {"lr": 0.1, "beta": 0.75}, momentum_ema,
        torch=(Peer("SGD", lambda o, p: o.SGD(p, lr=0.1 * (1 - 0.9), momentum=0.9), {"lr": 0.1, "beta": 0.9}),),
        optax=(Peer("ema", lambda o: o.chain(o.ema(0.9, debias=False), o.scale(-0.1)), {"lr": 0.1, "beta": 0.9}),)),
    Row(rules.momentum_torch, {"lr": 0.1, "gamma": 0.75, "dampening": 0.5}, momentum_torch,
        torch=(Peer("SGD dampened", lambda o, p: o.SGD(p, lr=0.01, momentum=0.9, dampening=0.5),
                    BALL | {"dampening": 0.5}),)),
    Row(rules.heavy_ball, {"lr": 0.1, "beta": 0.75}, heavy_ball,
        torch=(Peer("SGD", lambda o, p: o.SGD(p, lr=0.01, momentum=0.9), {"lr": 0.01, "beta": 0.9}),)),
    Row(rules.nag, {"lr": 0.1, "gamma": 0.75}, momentum, nag_asks,
        torch=(Peer("SGD nesterov", lambda o, p: o.SGD(p, lr=0.01, momentum=0.9, nesterov=True), BALL,
                    reads="look-ahead"),),
        optax=(Peer("sgd nesterov", lambda o: o.sgd(0.01, momentum=0.9, nesterov=True), BALL, reads="look-ahead"),)),
    Row(rules.nag_shifted, {"lr": 0.1, "gamma": 0.75}, nag_shifted,
        torch=(Peer("SGD nesterov", lambda o, p: o.SGD(p, lr=0.01, momentum=0.9, nesterov=True), BALL),),
        optax=(Peer("sgd nesterov", lambda o: o.sgd(0.01, momentum=0.9, nesterov=True), BALL),)),
    Row(rules.nesterov_1983, {"lr": 0.1}, lambda *a, **h: nesterov(*a, **h)[0], lambda *a, **h: nesterov(*a, **h)[1]),
    Row(rules.averaged_sgd, {"lr": 0.1}, averaged, lambda theta, g, **h: [theta, *sgd(theta, g, **h)[:-1]],
        torch=(Peer("ASGD, its average", lambda o, p: o.ASGD(p, lr=0.01, lambd=0.0, alpha=0.0, t0=-1), RATE,
                    reads="ax"),)),
    Row(rules.local_gains, {"lr": 0.1, "delta": 0.05, "low": 0.1, "high": 10.0},
        lambda *a, **h: gained("1 1.05 0.9975 1.0475", "1 1 1.05 0.9975")(*a, common=True, **h), coordinates=True),
    Row(rules.delta_bar_delta, {"lr": 0.1, "kappa": 0.05, "phi": 0.2, "beta": 0.7},
        lambda *a, **h: gained("0.1 0.15 0.12 0.096", "0.1 0.1 0.15 0.12")(*a, common=False, **h), coordinates=True),
    Row(rules.rprop_minus, RPROP, written("-0.1 -0.12 0.06 0.072", "0 -0.1 -0.12 0.06"), coordinates=True),
    Row(rules.rprop_plus, RPROP, written("-0.1 -0.12 0.12 0.06", "0 -0.1 -0.12 0.12"), coordinates=True),
    Row(rules.irprop_minus, RPROP, written("-0.1 -0.12 0 0.06", "0 -0.1 -0.12 0"), coordinates=True,
        torch=(Peer("Rprop", lambda o, p: o.Rprop(p, lr=0.01), RATE),)),
    Row(rules.irprop_plus, RPROP, written("-0.1 -0.12 0.12 0.06", "0 -0.1 -0.12 0"), coordinates=True),
    Row(rules.adagrad, {"lr": 0.1, **ROOT}, adagrad,
        torch=(Peer("Adagrad", lambda o, p: o.Adagrad(p), {"lr": 0.01, "eps": 1e-10}),
               Peer("Adagrad from 0.5", lambda o, p: o.Adagrad(p, initial_accumulator_value=0.5),
                    {"lr": 0.01, "eps": 1e-10}, start={"G": 0.5})),
        optax=(Peer("adagrad", lambda o: o.adagrad(0.01), {"lr": 0.01, "eps": 0.0, "eps_root": 1e-7}, start={"G": 0.1}),
               Peer("adagrad bare", lambda o: o.adagrad(0.01, initial_accumulator_value=0.0, eps=0.0),
                    {"lr": 0.01, "eps": 0.0}, zeros=False))),
    Row(rules.adagrad_sigma, {"lr": 0.1}, adagrad,
        torch=(Peer("Adagrad bare", lambda o, p: o.Adagrad(p, eps=0.0), RATE, zeros=False),)),
    Row(rules.adagrad_full, {"lr": 0.1, "eps": 0.001}, adagrad_full, coordinates=True,
        gradients=(("3", "4"), ("4", "-3"), ("5", "0"), ("0", "0"))),
    Row(rules.adadelta, {"lr": 0.5, "rho": 0.75, "eps": 0.01}, adadelta,
        torch=(Peer("Adadelta", lambda o, p: o.Adadelta(p, lr=1.0, rho=0.95, eps=1e-6), {}, closed=False),),
        optax=(Peer("adadelta", lambda o: o.adadelta(1.0, rho=0.95, eps=1e-6), {}, closed=False),)),
    Row(rules.rmsprop, {"lr": 0.1, "rho": 0.75, **ROOT}, rmsprop,
        torch=(Peer("RMSprop", lambda o, p: o.RMSprop(p, lr=0.01, alpha=0.9), RATE, closed=False),),
        optax=(Peer("rmsprop outside", lambda o: o.rmsprop(0.01, eps_in_sqrt=False), RATE, closed=False),
               Peer("rmsprop", lambda o: o.rmsprop(0.01), RATE | INSIDE, closed=False))),
    Row(rules.rmsprop_centred, {"lr": 0.1, "rho": 0.75, **ROOT}, rmsprop_centred,
        torch=(Peer("RMSprop", lambda o, p: o.RMSprop(p, lr=0.01, alpha=0.9, centered=True), RATE, closed=False),),
        optax=(Peer("rmsprop", lambda o: o.rmsprop(0.01, centered=True), RATE | INSIDE, closed=False),)),
    Row(rules.rmsprop_momentum, {"lr": 0.1, "rho": 0.75, "gamma": 0.5, **ROOT}, rmsprop_momentum,
        torch=(Peer("RMSprop", lambda o, p: o.RMSprop(p, lr=0.01, alpha=0.9, momentum=0.9), RATE, closed=False),),
        optax=(Peer("rmsprop", lambda o: o.rmsprop(0.01, momentum=0.9), RATE | INSIDE, closed=False),)),
    Row(rules.adam, ADAM | {"eps_root": 0.01}, adam,
        torch=(Peer("Adam", lambda o, p: o.Adam(p), {}),),
        optax=(Peer("adam", lambda o: o.adam(0.001), {}),
               Peer("adam inside", lambda o: o.adam(0.001, eps=0.0, eps_root=1e-8), INSIDE))),
    Row(rules.adam_uncorrected, ADAM, adam_uncorrected),
    Row(rules.adam_eps_hat, ADAM, adam_eps_hat),
    Row(rules.adamw, ADAM | {"weight_decay": 0.5}, adamw,
        torch=(Peer("AdamW", lambda o, p: o.AdamW(p), {}),),
        optax=(Peer("adamw", lambda o: o.adamw(0.001, weight_decay=0.01), {}),)),
    Row(rules.sgdw, {"lr": 0.1, "gamma": 0.75, "weight_decay": 0.5}, sgdw),
    Row(rules.adamax, ADAM, adamax,
        torch=(Peer("Adamax", lambda o, p: o.Adamax(p), {"eps": 1e-8}),
               Peer("Adamax bare", lambda o, p: o.Adamax(p, eps=0.0), {}, zeros=False)),
        optax=(Peer("adamax", lambda o: o.adamax(0.002), {"eps": 1e-8}),
               Peer("adamax bare", lambda o: o.adamax(0.002, eps=0.0), {}, zeros=False))),
    Row(rules.nadam, ADAM | {"decay": 0.5}, nadam),
    Row(rules.nadam_torch, ADAM | {"decay": 0.5}, nadam_torch,
        torch=(Peer("NAdam", lambda o, p: o.NAdam(p), {}),
               Peer("NAdam of keras", lambda o, p: o.NAdam(p, momentum_decay=1.0), {"decay": 1.0}))),
    Row(rules.nadam_constant, ADAM, nadam_constant,
        torch=(Peer("NAdam constant", lambda o, p: o.NAdam(p, momentum_decay=1e6), {}),),
        optax=(Peer("nadam", lambda o: o.nadam(0.002), {}),)),
    Row(rules.amsgrad, ADAM, amsgrad,
        optax=(Peer("amsgrad of the paper", lambda o: o.chain(
            o.scale_by_amsgrad(bias_correction_mu=False, bias_correction_nu=False), o.scale(-0.001)), {}),)),
    Row(rules.amsgrad_torch, ADAM, amsgrad_torch,
        torch=(Peer("Adam amsgrad", lambda o, p: o.Adam(p, amsgrad=True), {}),)),
    Row(rules.amsgrad_optax, ADAM, amsgrad_optax,
        optax=(Peer("amsgrad", lambda o: o.amsgrad(0.001), {}),)),
)  # fmt: skip

BY_NAME = {row.name: row for row in ROWS}
