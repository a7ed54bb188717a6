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
    ours: dict[str, Any]
    closed: bool = True  #: whether closed loops agree; normalising methods amplify the last bit into another phase
    zeros: bool = True  #: whether the other library survives a coordinate whose first gradients are zero
    start: dict[str, float] = field(default_factory=dict)  #: memory that starts elsewhere than the rule's
    reads: str = "parameter"  #: what of the other library is our theta; "look-ahead": its parameter is what we ask for
    turned: bool = False  #: whether its matrices are the transposed of ours
    shape: tuple[int, int] = (-1, 2)  #: of ours
    recorded: bool = True  #: whether it bears gradients that answer to no point


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
    together: bool = False  #: whether `points` is given both coordinates at once, and gives both

    @property
    def name(self) -> str:
        return self.rule.__name__

    @property
    def matrix(self) -> bool:
        """Whether it wants matrices: its steps are worked out on diagonals, where they act number by number."""
        return rules.WHOLE.get(self.rule) == 2

    def by_hand(self, what: Callable[..., Iterable[Decimal]]) -> np.ndarray:
        """The points as `what` works them out, of shape (steps, 2)."""
        hyper = {k: v if isinstance(v, str) else Decimal(str(v)) for k, v in self.hyper.items()}
        with localcontext(prec=50):
            if self.together:
                starts, steps = [Decimal(x) for x in START], [[Decimal(x) for x in g] for g in self.gradients]
                return np.array([[float(x) for x in point] for point in what(starts, steps, **hyper)])
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


def sgn(x):
    return Decimal((x > 0) - (x < 0))


def signum(theta, g, *, lr, beta, weight_decay):
    return decayed(theta, [lr * sgn(moving(beta, g[:t])) for t in TIMES], lr=lr, weight_decay=weight_decay)


def lion(theta, g, *, lr, beta1, beta2, weight_decay):
    mixed = [beta1 * moving(beta2, g[: t - 1]) + (1 - beta1) * g[t - 1] for t in TIMES]
    return decayed(theta, [lr * sgn(c) for c in mixed], lr=lr, weight_decay=weight_decay)


def schedule_free(theta, g, scale, *, lr, beta, weight_decay):
    """The asked points and the averages; with a constant rate an average is the mean of all points walked."""
    walked, asks, means = [], [], [theta]
    for t in TIMES:
        asks.append((1 - beta) * (walked[-1] if walked else theta) + beta * means[-1])
        walked.append((walked[-1] if walked else theta) - lr * (g[t - 1] / scale(t) + weight_decay * asks[-1]))
        means.append(sum(walked) / t)
    return means[1:], asks


def free_sgd(which):
    return lambda theta, g, **hyper: schedule_free(theta, g, lambda t: Decimal(1), **hyper)[which]


def free_adamw(which):
    def points(theta, g, *, beta1, beta2, eps, **hyper):
        return schedule_free(theta, g, lambda t: mean(beta2, squares(g[:t])).sqrt() + eps, beta=beta1, **hyper)[which]

    return points


def radam(theta, g, *, lr, beta1, beta2, eps, threshold):
    most, moves = 2 / (1 - beta2) - 1, []
    for t in TIMES:
        rho = most - 2 * t * beta2**t / (1 - beta2**t)
        squared = (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)
        rectified = max(squared, Decimal(0)).sqrt() / (mean(beta2, squares(g[:t])).sqrt() + eps)
        moves.append(lr * mean(beta1, g[:t]) * (rectified if rho > threshold else 1))
    return walk(theta, moves)


def adabelief(theta, g, *, lr, beta1, beta2, eps, eps_root):
    surprise = [(1 - beta2) * (g[s] - moving(beta1, g[: s + 1])) ** 2 + eps_root for s in range(len(g))]
    return walk(theta, [
        lr * mean(beta1, g[:t]) / ((total(beta2, surprise[:t]) / (1 - beta2**t)).sqrt() + eps) for t in TIMES
    ])  # fmt: skip


def yogi(theta, g, *, lr, beta1, beta2, eps):
    v = [Decimal("1e-6")]
    for x in g:
        v.append(v[-1] - (1 - beta2) * sgn(v[-1] - x * x) * x * x)
    return walk(theta, [lr * mean(beta1, g[:t]) / ((v[t] / (1 - beta2**t)).sqrt() + eps) for t in TIMES])


def ademamix(theta, g, *, lr, beta1, beta2, beta3, alpha, eps, weight_decay):
    steps = [
        lr * (mean(beta1, g[:t]) + alpha * moving(beta3, g[:t])) / (mean(beta2, squares(g[:t])).sqrt() + eps)
        for t in TIMES
    ]
    return decayed(theta, steps, lr=lr, weight_decay=weight_decay)


def lookahead(theta, g, *, lr, alpha, every, **hyper):
    """A slow point adds up shares of the fast walks between."""
    moves, points, slow = [lr * step for step in adam_steps(g, **hyper)], [], theta
    for t in TIMES:
        since = (t - 1) % int(every) + 1
        fast = slow - sum(moves[t - since : t])
        slow += alpha * (fast - slow) if since == every else 0
        points.append(slow if since == every else fast)
    return points


# --- both coordinates at once: starts and gradients are pairs ------------------------------------------


def columns(g):
    return list(zip(*g, strict=True))


def pairs(theta, steps):
    """Points from pairs of moves."""
    return [[x - sum(s[i] for s in steps[:t]) for i, x in enumerate(theta)] for t in TIMES]


def cautious_adamw(theta, g, *, lr, weight_decay, beta1, beta2, eps):
    directions = [adam_steps(x, beta1=beta1, beta2=beta2, eps=eps) for x in columns(g)]
    steps = []
    for t in TIMES:
        agree = [Decimal(moving(beta1, x[:t]) * x[t - 1] > 0) for x in columns(g)]
        share = max(sum(agree) / 2, Decimal("0.001"))
        steps.append([lr * d[t - 1] * a / share for d, a in zip(directions, agree, strict=True)])
    return columns([
        decayed(x, [s[i] for s in steps], lr=lr, weight_decay=weight_decay) for i, x in enumerate(theta)
    ])  # fmt: skip


def lars(theta, g, *, lr, gamma, weight_decay, trust):
    points, pulls = [theta], []
    for x in g:
        w, s = norm(points[-1]), norm(x)
        rate = lr * (trust * w / (s + weight_decay * w) if w and s else 1)
        pulls.append([rate * (a + weight_decay * p) for a, p in zip(x, points[-1], strict=True)])
        points.append([p - total(gamma, [u[i] for u in pulls]) for i, p in enumerate(points[-1])])
    return points[1:]


def lamb(theta, g, *, lr, weight_decay, **hyper):
    directions, points = columns([adam_steps(x, **hyper) for x in columns(g)]), [theta]
    for d in directions:
        r = [a + weight_decay * p for a, p in zip(d, points[-1], strict=True)]
        points.append([p - lr * norm(points[-1]) / norm(r) * a for p, a in zip(points[-1], r, strict=True)])
    return points[1:]


def dog(theta, g, *, lr, first, eps):
    points, far = [theta], first * (1 + norm(theta))
    for t in TIMES:
        far = max(far, norm([p - x for p, x in zip(points[-1], theta, strict=True)]))
        rate = lr * far / (sum(norm(x) ** 2 for x in g[:t]) + eps).sqrt()
        points.append([p - rate * x for p, x in zip(points[-1], g[t - 1], strict=True)])
    return points[1:]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def adaptation(theta, g, *, lr, d0):
    """Where gradients are wanted, and their means weighted by d."""
    walked, d, inner, s, means = [theta], [d0], Decimal(0), [Decimal(0)] * 2, []
    for t in TIMES:
        lengths = [norm(g[0]) ** 2, *(norm(x) ** 2 for x in g)]
        inner += d[-1] * dot(g[t - 1], s) / sum(lengths[:t]).sqrt()
        s = [a + d[-1] * x for a, x in zip(s, g[t - 1], strict=True)]
        means.append([dot(d, [w[i] for w in walked]) / sum(d) for i in range(2)])
        d.append(max(d[-1], inner / norm(s)))
        walked.append([x - lr * a / sum(lengths[: t + 1]).sqrt() for x, a in zip(theta, s, strict=True)])
    return means, walked[:-1]


def prodigy(theta, g, *, lr, beta1, beta2, eps, weight_decay, d0):
    points, d, root = [theta], [d0], beta2.sqrt()
    for t in TIMES:
        weights = [lr * d[s] ** 2 / d0 for s in range(t)]
        back = [w * dot(x, [a - p for a, p in zip(theta, q, strict=True)]) for w, x, q in zip(weights, g, points)]  # noqa: B905
        one = sum(abs(total(root, [w * x[i] for w, x in zip(weights, g)])) for i in range(2))  # noqa: B905
        d.append(max(d[-1], total(root, back) / one))
        scaled = [[a * x[i] for a, x in zip(d, g[:t])] for i in range(2)]  # noqa: B905
        points.append([
            p - lr * d[-2] * (over(moving(beta1, x), moving(beta2, squares(x)).sqrt() + d[-1] * eps) + weight_decay * p)
            for p, x in zip(points[-1], scaled, strict=True)
        ])  # fmt: skip
    return points[1:]


# --- matrices, worked out on diagonals -----------------------------------------------------------------


def muon(theta, g, *, lr, beta, weight_decay, steps, eps, coefficients, scaling):
    assert (coefficients, scaling) == ("dion", "match_rms_adamw")
    triples = [[Decimal(str(x)) for x in triple] for triple in rules.COEFFICIENTS[coefficients]]
    directions = []
    for t in TIMES:
        mixed = [(1 - beta) * x[t - 1] + beta * moving(beta, x[:t]) for x in columns(g)]
        values = [x / (norm(mixed) + eps) for x in mixed]
        for a, b, c in triples[: int(steps)]:
            values = [a * x + b * x**3 + c * x**5 for x in values]
        directions.append([lr * Decimal("0.2") * Decimal(2).sqrt() * x for x in values])
    return columns([decayed(x, list(d), lr=lr, weight_decay=weight_decay) for x, d in zip(theta, columns(directions))])  # noqa: B905


def shampoo(theta, g, *, lr, eps, weight_decay):
    # the product of two fourth roots of one sum of squares is its square root: Adagrad
    steps = [lr * g[t - 1] / (norm(g[:t]) ** 2 + eps).sqrt() for t in TIMES]
    return decayed(theta, steps, lr=lr, weight_decay=weight_decay)


def soap(theta, g, *, lr, beta1, beta2, eps, weight_decay, every):
    # the eigenvectors of diagonal matrices are the axes, in whatever order; the first gradient makes no step
    later, shrink = g[1:], 1 - lr * weight_decay
    steps = [
        shrink * lr * mean(beta1, later[:n])
        / (mean(beta2, squares(later[:n])).sqrt() + eps / (1 - beta2**n).sqrt())
        for n in TIMES[:-1]
    ]  # fmt: skip
    return [theta, *(shrink**n * theta - total(shrink, steps[:n]) for n in TIMES[:-1])]


def adafactor(theta, g, *, lr, power, eps, least, clip, weight_decay):
    points, R = [theta], [Decimal(0)] * 2
    for t in TIMES:
        share = Decimal(t) ** -power
        R = [r + share * (x * x / 2 - r) for r, x in zip(R, g[t - 1], strict=True)]  # C is the same on a diagonal
        middle = max(sum(R) / 2, eps)
        u = [x / max(r * r / middle, eps * eps).sqrt() for r, x in zip(R, g[t - 1], strict=True)]
        size = max(norm(points[-1]) / 2, least) / max(norm(u) / 2 / clip, Decimal(1))
        rate = min(lr, 1 / Decimal(t).sqrt()) * size
        points.append([p - lr * weight_decay * p - rate * x for p, x in zip(points[-1], u, strict=True)])
    return points[1:]


# --- the table ----------------------------------------------------------------------------------

RATE = {"lr": 0.01}
BALL = {"lr": 0.01, "gamma": 0.9}
RPROP = {"lr": 0.1, "eta_plus": 1.2, "eta_minus": 0.5, "low": 1e-6, "high": 50.0}
ADAM = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 0.001}  # an epsilon so large that its place shows
ROOT = {"eps": 0.001, "eps_root": 0.01}
INSIDE = {"eps": 0.0, "eps_root": 1e-8}
DECAY = {"lr": 0.1, "weight_decay": 10.0}  # so much that a decay that is forgotten, or taken twice, cannot hide


def corrected(t):
    """The epsilon of an uncorrected root, as our corrected one has it."""
    return 1e-8 / (1 - 0.999 ** (t + 1)) ** 0.5


def bias(t):
    """Adam's corrections, as a factor of the rate."""
    return (1 - 0.999 ** (t + 1)) ** 0.5 / (1 - 0.9 ** (t + 1))


def muon_peer(scaling: str, *shape: int) -> Peer:
    return Peer(
        f"Muon {scaling} {shape}", lambda o, p: o.Muon(p, lr=0.1, weight_decay=10.0, eps=1e-30, adjust_lr_fn=scaling),
        DECAY | {"scaling": scaling, "eps": 0.0}, closed=False, turned=True, shape=shape,
    )  # fmt: skip


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
        torch=(Peer("AdamW", lambda o, p: o.AdamW(p, lr=0.1, weight_decay=10.0), DECAY),),
        optax=(Peer("adamw", lambda o: o.adamw(0.1, weight_decay=10.0), DECAY),)),
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
    Row(rules.sign_descent, {"lr": 0.1}, lambda theta, g, *, lr: walk(theta, [lr * sgn(x) for x in g]),
        optax=(Peer("sign_sgd", lambda o: o.sign_sgd(0.01), RATE, closed=False),)),
    Row(rules.signum, {"lr": 0.1, "beta": 0.75, "weight_decay": 0.5}, signum,
        optax=(Peer("signum", lambda o: o.signum(0.01, beta=0.9), RATE, closed=False),)),
    Row(rules.lion, {"lr": 0.1, "beta1": 0.5, "beta2": 0.75, "weight_decay": 0.5}, lion,
        optax=(Peer("lion", lambda o: o.lion(0.1, weight_decay=10.0), DECAY, closed=False),)),
    Row(rules.schedule_free, {"lr": 0.1, "beta": 0.75, "weight_decay": 0.5}, free_sgd(0), free_sgd(1),
        optax=(Peer("schedule_free_sgd", lambda o: o.contrib.schedule_free_sgd(0.02, weight_decay=10.0),
                    {"lr": 0.02, "weight_decay": 10.0}, reads="look-ahead"),)),
    Row(rules.schedule_free_adamw, ADAM | {"weight_decay": 0.5}, free_adamw(0), free_adamw(1),
        optax=(Peer("schedule_free_adamw", lambda o: o.contrib.schedule_free_adamw(0.1, weight_decay=10.0), DECAY,
                    reads="look-ahead", closed=False),)),
    Row(rules.radam, ADAM | {"beta2": 0.75, "threshold": 1.5}, radam,
        torch=(Peer("RAdam", lambda o, p: o.RAdam(p), {"eps": corrected}),),
        optax=(Peer("radam", lambda o: o.radam(0.001), {}),)),
    Row(rules.adabelief, ADAM | {"eps_root": 0.01}, adabelief,
        optax=(Peer("adabelief", lambda o: o.adabelief(0.001, eps=1e-8), {"eps": 1e-8}),)),
    Row(rules.yogi, ADAM, yogi,
        optax=(Peer("yogi", lambda o: o.yogi(0.01), {}, start={"m": 1e-6, "v": 1e-6}),)),
    Row(rules.ademamix, ADAM | {"beta3": 0.75, "alpha": 2.0, "weight_decay": 0.5}, ademamix,
        optax=(Peer("ademamix", lambda o: o.contrib.ademamix(0.1, weight_decay=10.0), DECAY),)),
    Row(rules.lookahead, ADAM | {"every": 2.0, "alpha": 0.25}, lookahead),
    Row(rules.cautious_adamw, ADAM | {"weight_decay": 0.5}, cautious_adamw, together=True),
    Row(rules.lars, {"lr": 2.0, "gamma": 0.75, "weight_decay": 0.5, "trust": 0.125}, lars, together=True,
        optax=(Peer("lars", lambda o: o.lars(1.0), {}, closed=False),)),
    Row(rules.lamb, ADAM | {"weight_decay": 0.5}, lamb, together=True,
        optax=(Peer("lamb", lambda o: o.lamb(0.01, weight_decay=10.0), DECAY | {"lr": 0.01}, closed=False),)),
    Row(rules.adafactor,
        {"lr": 0.6, "power": 0.5, "eps": 1e-3, "least": 0.01, "clip": 0.5, "weight_decay": 0.5}, adafactor,
        together=True,
        torch=(Peer("Adafactor", lambda o, p: o.Adafactor(p, lr=0.1, weight_decay=10.0),
                    DECAY | {"eps": float(np.finfo(float).eps)}, closed=False),)),
    Row(rules.muon,
        {"lr": 0.1, "beta": 0.75, "weight_decay": 0.5, "steps": 3.0, "eps": 0.1, "coefficients": "dion",
         "scaling": "match_rms_adamw"}, muon, together=True,
        torch=tuple(muon_peer(scaling, *shape) for scaling in ("original", "match_rms_adamw")
                    for shape in ((-1, 2), (2, -1)))),
    Row(rules.shampoo, {"lr": 0.1, "eps": 0.01, "weight_decay": 0.5}, shampoo),
    Row(rules.soap, ADAM | {"beta2": 0.75, "weight_decay": 0.5, "every": 2.0}, soap),
    Row(rules.dog, {"lr": 0.5, "first": 0.25, "eps": 0.25}, dog, together=True,
        optax=(Peer("dog", lambda o: o.contrib.dog(), {}),)),
    Row(rules.d_adaptation, {"lr": 0.5, "d0": 0.1}, lambda *a, **h: adaptation(*a, **h)[0],
        lambda *a, **h: adaptation(*a, **h)[1], together=True),
    Row(rules.prodigy, ADAM | {"lr": 0.5, "eps": 0.1, "weight_decay": 0.5, "d0": 0.1}, prodigy, together=True,
        optax=(Peer("prodigy", lambda o: o.contrib.prodigy(weight_decay=0.1), {"lr": bias, "weight_decay": 0.1},
                    recorded=False, closed=False),)),
)  # fmt: skip

BY_NAME = {row.name: row for row in ROWS}
