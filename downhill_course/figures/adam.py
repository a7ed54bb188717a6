r"""Figures of the chapter on Adam and its family, and the small experiments behind them.

>>> from optlib import Optimizer, rules
>>> from downhill_course.figures import adam
>>> adam.bias([1.0, 2.0, 0.5, 1.5], Optimizer(rules.adam))
<moments of 4 gradients: m, v>
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optlib import rules
from optlib.optimizer import Optimizer, descend
from optlib.surfaces import Surface
from optlib.view.contours import contour
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, colour, house, label, legend, listed, panels, series

from .adaptive import memory

_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.3)), (0, (5, 1.5, 1, 1.5)))


def steps(optimizer: Optimizer, gradients: ArrayLike) -> NDArray:
    r"""What an optimizer makes of a stream of gradients: its steps :math:`\theta_{t-1} - \theta_t`.

    Parameters
    ----------
    gradients : one for each update, of shape (n, ...), wherever the walk may be

    Returns
    -------
    Steps of the same shape; positive against a negative gradient, as the gradient counts upwards.

    >>> from optlib import rules
    >>> steps(Optimizer(rules.adam, lr=0.1), [5.0, 5.0]).round(6)
    array([0.1, 0.1])
    """
    g = np.asarray(gradients, dtype=float)
    if not g.ndim or not len(g):
        raise ValueError(f"gradients of shape {g.shape}: give one for each update, an array of shape (n, ...)")
    return -np.diff(descend(optimizer, lambda theta, t: g[t], np.zeros(g.shape[1:]), len(g)), axis=0)


def largest_step(beta1: float, beta2: float, t: ArrayLike = np.inf) -> Any:
    r"""The longest step that Adam can make at update t, in learning rates, with :math:`\epsilon = 0`.

    .. math:: \frac{|\hat m_t|}{\sqrt{\hat v_t}} \le \frac{1-\beta_1}{1-\beta_1^t} \sqrt{\frac{1-\beta_2^t}{1-\beta_2}
        \cdot \frac{1-q^t}{1-q}}, \qquad q = \frac{\beta_1^2}{\beta_2} < 1

    Parameters
    ----------
    beta1, beta2 : decays in [0, 1) with beta1**2 < beta2: otherwise no bound holds for all t
    t : update, 1 or more; infinity is the bound for all of them

    Returns
    -------
    The bound, of t's shape. Gradients that grow like :math:`(\beta_1/\beta_2)^{t-s}` reach it (Cauchy-Schwarz).

    >>> round(float(largest_step(0.9, 0.999)), 3)
    7.27
    """
    q = beta1**2 / beta2 if beta2 else np.inf
    if not (0 <= beta1 < 1 and 0 < beta2 < 1 and q < 1):
        raise ValueError(f"beta1={beta1}, beta2={beta2}: both must lie in [0, 1), beta1**2 below beta2")
    t = np.asarray(t, dtype=float)
    first = (1 - beta1) / (1 - beta1**t)
    return first * np.sqrt((1 - beta2**t) / (1 - beta2) * (1 - q**t) / (1 - q))


def power_mean(gradients: ArrayLike, beta2: float, p: float) -> NDArray:
    r"""Adam's second moment with the power p in place of 2, and its p-th root; AdaMax's u for an infinite p.

    .. math:: v_t = \beta_2^p v_{t-1} + (1-\beta_2^p)\, |g_t|^p, \qquad u_t = v_t^{1/p}

    Parameters
    ----------
    gradients : one for each update, of shape (n,)
    beta2 : decay in [0, 1)
    p : power, positive or ``np.inf``

    Returns
    -------
    u after each update, of shape (n,).

    Source: Kingma & Ba (2015), section 7.1.

    >>> power_mean([3.0, 1.0], 0.5, np.inf)
    array([3. , 1.5])
    """
    if not p > 0:
        raise ValueError(f"p={p}: a power must be positive, or np.inf for the maximum")
    u, found = 0.0, []
    for g in np.abs(np.asarray(gradients, dtype=float)):
        old = beta2 * u
        top = max(old, g)
        if np.isinf(p) or not top:
            u = top
        else:  # scaled by the larger one: large powers of anything else would overflow
            share = beta2**p
            u = top * ((old / top) ** p + (1 - share) * (g / top) ** p) ** (1 / p)
        found.append(u)
    return np.array(found)


def worst_gradients(beta1: float, beta2: float, silence: int = 20_000, n: int = 300) -> NDArray:
    r"""The gradients for which Adam's last step is the longest: silence, then growth by beta2 / beta1 at every update.

    Parameters
    ----------
    beta1, beta2 : decays, as for :func:`largest_step`
    silence : updates with gradients too small to count, after which no correction is left
    n : updates with growing gradients

    Returns
    -------
    Gradients of shape (silence + n,), the last of them 1.

    >>> from optlib import rules
    >>> g = worst_gradients(0.9, 0.99, silence=3000)
    >>> adam_ = Optimizer(rules.adam, lr=1.0, beta2=0.99, eps=0.0)
    >>> steps(adam_, g)[-1].round(3), largest_step(0.9, 0.99).round(3)
    (np.float64(2.345), np.float64(2.345))
    """
    growing = (beta2 / beta1) ** np.arange(1.0 - n, 1.0)
    return np.concatenate([np.full(silence, 1e-150), growing])  # not 0: the first step would be 0/0


def first_steps(gradients: ArrayLike, eps: float) -> dict[str, NDArray]:
    r"""Adam's first step in learning rates, with epsilon in each of the three places where it is used.

    Parameters
    ----------
    gradients : of shape (n,)
    eps : the same number everywhere

    Returns
    -------
    "adam" (outside the root), inside it, and "adam_eps_hat" (on the uncorrected moment) -> steps of shape (n,).

    >>> {name: float(step.round(4)) for name, step in first_steps(1e-8, 1e-8).items()}
    {'adam': 0.5, '$\\sqrt{\\hat v+\\epsilon}$': 0.0001, 'adam_eps_hat': 0.0307}
    """
    start: tuple = (0.0, np.asarray(gradients, dtype=float), 0.0, 0.0, 1)
    points = {
        "adam": rules.adam(*start, lr=1.0, eps=eps),
        r"$\sqrt{\hat v+\epsilon}$": rules.adam(*start, lr=1.0, eps=0.0, eps_root=eps),
        "adam_eps_hat": rules.adam_eps_hat(*start, lr=1.0, eps=eps),
    }
    return {name: -theta for name, (theta, _) in points.items()}


def reddi(optimizer: Optimizer, C: float = 3.0, n: int = 4000) -> tuple[NDArray, float]:
    r"""Online learning on [-1, 1], where one loss in three is :math:`C\theta` and the others are :math:`-\theta`.

    Parameters
    ----------
    optimizer : starts at 0; its learning rate is divided by the root of t, and a step out of the interval ends at its
        border
    C : slope of the first loss and every third after it; above 2 the best point is -1
    n : number of updates

    Returns
    -------
    The point before each update, of shape (n,), and the average regret: the mean loss above that of the best point.

    Source: Reddi, Kale & Kumar (2018), theorem 1.

    >>> from optlib import rules
    >>> points, regret = reddi(Optimizer(rules.adam, lr=0.1, beta1=0.0, beta2=0.1))
    >>> float(points[-1].round(2)), round(regret, 2)
    (1.0, 0.65)
    """
    slopes = np.where(np.arange(n) % 3 == 0, C, -1.0)
    rate = optimizer.hyper["lr"]
    falling = Optimizer(optimizer.rule, **{**optimizer.hyper, "lr": lambda t: rate / np.sqrt(t + 1)})
    theta = np.zeros(1)
    state, points = falling.init(theta), np.empty(n)
    for t in range(n):
        points[t] = theta[0]
        theta, state = falling.tell(theta, slopes[t : t + 1], state)
        theta = np.clip(theta, -1.0, 1.0)
    return points, float((points @ slopes + abs(slopes.sum())) / n)


def creep(C: float, period: int, window: ArrayLike) -> NDArray:
    """Adam's mean move, without momentum and at the rate 1, where one gradient in a period is C and the others are -1.

    Parameters
    ----------
    C : above period - 1, so that the mean gradient is positive and a positive move is the wrong way
    period : number of gradients, 2 or more
    window : 1 / (1 - beta2), the length of Adam's memory, above 1; of shape (n,)

    Returns
    -------
    Mean move of an update, once it has become periodic, of shape (n,).

    >>> creep(3.0, 3, [1.1, 1000.0]).round(2)
    array([ 0.23, -0.17])
    """
    length = np.asarray(window, dtype=float)
    slopes = np.where(np.arange(30 * max(period, 100)) % period == 0, C, -1.0)[:, None]
    optimizer = Optimizer(rules.adam, lr=1.0, beta1=0.0, beta2=1 - 1 / length)
    return -steps(optimizer, slopes + 0 * length)[-period:].mean(axis=0)


def race(rule: Callable, surface: Surface, starts: ArrayLike, *, budget: int = 2000) -> NDArray:
    """Updates until f < 1e-6 at the best of 15 rates: 10th, 50th and 90th percentile over the starts.

    Parameters
    ----------
    starts : of shape (n, 2)
    budget : most updates; a walk that needs more counts as this many

    Returns
    -------
    Three whole numbers. The rates are 0.003 to 10, four to a power of ten; the best has the smallest median.

    >>> from optlib import surfaces
    >>> race(rules.sgd, surfaces.bowl, [[1.0, 1.0], [2.0, 1.0]])
    array([1, 1, 1])
    """
    rates = 10.0 ** np.arange(-2.5, 1.1, 0.25)[:, None, None]
    start = np.asarray(starts, dtype=float) + 0 * rates
    with np.errstate(over="ignore", invalid="ignore"):  # rates that are too large diverge, and count as the budget
        low = surface(descend(Optimizer(rule, lr=rates), surface.grad, start, budget, strict=False)) < 1e-6
    needed = np.where(low.any(axis=0), low.argmax(axis=0), budget)
    best = np.median(needed, axis=-1).argmin()
    return np.quantile(needed[best], [0.1, 0.5, 0.9]).round().astype(int)


def balance(center: ArrayLike, noise: ArrayLike, decay: float) -> NDArray:
    r"""Where AdamW stands still on a round bowl with noise: the gradient against the decay, in Adam's units.

    .. math:: \frac{\theta_i - c_i}{s_i} = -\lambda\theta_i, \qquad s_i = \sqrt{\sigma_i^2 + (\theta_i - c_i)^2}

    Parameters
    ----------
    center : lowest point c of the bowl. noise : standard deviation of each coordinate's gradient
    decay : :math:`\lambda`, as AdamW's ``weight_decay``

    >>> balance([3.0], [0.0], decay=0.0)
    array([3.])
    """
    c, sigma = np.asarray(center, dtype=float), np.asarray(noise, dtype=float)
    theta = c
    for _ in range(200):
        theta = (theta + c / (1 + decay * np.hypot(sigma, theta - c))) / 2
    return theta


def bowl_at(x: float, y: float, *, domain: Any) -> Surface:
    """A round bowl with its minimum at (x, y), and its start at the origin.

    >>> bowl_at(3.0, 2.0, domain=((-1, 4), (-1, 3))).grad([0.0, 0.0])
    array([-3., -2.])
    """
    return Surface(
        "bowl", lambda a, b: 0.5 * ((a - x) ** 2 + (b - y) ** 2), lambda a, b: (a - x, b - y),
        domain, (0.0, 0.0), ((x, y),), "a quadratic with curvature 1",
    )  # fmt: skip


def bias(gradients: ArrayLike, optimizer: Optimizer, *, means: tuple[float, float] | None = None) -> Picture:
    """Adam's two moments against updates, as they are and corrected, above and below the gradients they average.

    Parameters
    ----------
    gradients : one for each update, of shape (n,)
    optimizer : Adam, whose decays count
    means : the true first and second moment, to be marked
    """
    g = np.asarray(gradients, dtype=float)
    seen = memory(optimizer, lambda theta, t: g[t : t + 1], np.zeros(1), len(g))
    t = np.arange(1, len(g) + 1)
    figure, axes = panels((2, 1), size=(480, 520), sharex=True)
    for i, (ax, name, dots) in enumerate(zip(axes, "mv", (g, g**2), strict=True)):
        decay = optimizer.hyper[f"beta{i + 1}"]
        plain = seen[name][:, 0]
        with house():
            if means is not None:
                ax.axhline(means[i], color=GREY, linewidth=1.0, linestyle=(0, (3, 3)))
            ax.plot(t, dots, ".", color=GREY, alpha=0.45, markersize=4)
            ax.plot(t, plain, color=series(1), linestyle=_DASHES[1], label=f"${name}$", zorder=3)
            ax.plot(t, plain / (1 - decay**t), color=colour("adam"), label=rf"$\hat {name}$", zorder=4)
            ax.set_ylim(*np.quantile(dots, [0, 0.97]))
            ax.grid(True, axis="y")
            legend(ax)
        label(ax, "$t$" if i else "", "$g$" if not i else "$g^2$")
    return picture(figure, f"moments of {len(g)} gradients: m, v")


def norms(gradients: ArrayLike, beta2: float, powers: Sequence[float]) -> Picture:
    """The divisors of :func:`power_mean` for several powers against updates, above the gradients' sizes.

    Parameters
    ----------
    gradients : one for each update, of shape (n,)
    powers : from small to large; the last is drawn in AdaMax's colour, the first in Adam's
    """
    g = np.asarray(gradients, dtype=float)
    figure, ax = panels(size=(500, 350))
    t, last = np.arange(1, len(g) + 1), len(powers) - 1
    with house():
        ax.vlines(t, 0, np.abs(g), color=GREY, alpha=0.5, linewidth=1.0)
        for i, p in enumerate(powers):
            hue = colour("adam") if i == 0 else colour("adamax") if i == last else series(i)
            name = r"$p=\infty$" if np.isinf(p) else f"$p={p:g}$"
            ax.plot(t, power_mean(g, beta2, p), color=hue, linestyle=_DASHES[i % 4], label=name, zorder=3 + i)
        ax.set_ylim(0, None)
        ax.grid(True, axis="y")
    label(ax, "$t$", "$u$")
    legend(ax)
    return picture(figure, f"divisors for powers {', '.join(f'{p:g}' for p in powers)}")


def pulled(surface: Surface, paths: Mapping[str, ArrayLike], ends: Mapping[str, ArrayLike]) -> Picture:
    """Walks from above, each with a ring around the point where a formula says that it ends.

    Parameters
    ----------
    paths : name -> walk of shape (n, 2)
    ends : some of these names -> point of shape (2,)
    """
    if stranger := set(ends) - set(paths):
        raise ValueError(f"ends of {listed(sorted(stranger))}, but the walks are {listed(paths)}")
    drawn = contour(surface, paths, width=440)
    ax = drawn.figure.axes[0]
    with house():
        for name, end in ends.items():
            x, y = np.asarray(end, dtype=float)
            ring: dict[str, Any] = {"markersize": 17, "markerfacecolor": "none", "markeredgewidth": 1.8}
            ax.plot(x, y, "o", color=colour(name), zorder=7, **ring)
    label(ax, r"$\theta_1$", r"$\theta_2$")
    return picture(drawn.figure, f"pulled towards zero: {listed(paths)}")
