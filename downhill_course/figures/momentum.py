"""Figures of the chapter on momentum and Nesterov's method, and the two functions of one coordinate they are drawn on.

>>> from downhill_course.figures import momentum
>>> momentum.damped({2.0: [1.0, 0.99, 0.97]}, h=0.1)
<damped oscillations: 2>
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy import where
from numpy.typing import ArrayLike, NDArray

from optlib import rules
from optlib.surfaces import Surface
from optlib.view.contours import contour
from optlib.view.curves import curve, loss_curves
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, GROUND, colour, house, label, legend, listed, look_of, panels, series

# --- two functions of one coordinate --------------------------------------------------------------


def _ledge_gradient(x: Any) -> tuple:
    return (0.02 * (x - 1) * (x - 1) * (x - 3) * (x - 4) * (x - 5.5),)


_LEDGE = np.polynomial.Polynomial.fromroots([1, 1, 3, 4, 5.5]).integ(lbnd=5.5) * 0.02

#: A slope with a ledge at 1, where it is level, a pit at 3, a wall at 4, and the valley at 5.5.
ledge = Surface(
    "ledge", _LEDGE, _ledge_gradient, ((-0.3, 6.4),), (-0.1,), ((5.5,), (3.0,)),
    "a slope with a ledge, a pit and a valley, of degree six",
)  # fmt: skip


def _kinked(x: Any) -> Any:
    middle = x * x / 2 + 24 * x - 12
    return where(x < 1, 12.5 * x * x, where(x < 2, middle, 12.5 * x * x - 24 * x + 36))


def _kinked_gradient(x: Any) -> tuple:
    return (where(x < 1, 25 * x, where(x < 2, x + 24, 25 * x - 24)),)


#: Convex, with curvatures 25, 1 and 25: heavy ball at its best pair for quadratics can go round in it for ever.
kinked = Surface(
    "kinked", _kinked, _kinked_gradient, ((-2.6, 3.6),), (3.3,), ((0.0,),),
    "strongly convex, with a slope of three pieces: Lessard, Recht and Packard (2016)",
)  # fmt: skip


# --- rates on quadratics --------------------------------------------------------------------------


def worst_radius(lr: ArrayLike, gamma: ArrayLike, kappa: float, rule: Callable = rules.momentum) -> Any:
    """The largest :func:`radius` over curvatures from 1/kappa to 1.

    >>> round(float(worst_radius(1.0, 0.0, 10)), 6)
    0.9
    """
    if not kappa >= 1:
        raise ValueError(f"kappa={kappa!r}: a condition number is 1 or more")
    curvatures = np.geomspace(1 / kappa, 1, 41)
    lr, gamma = np.asarray(lr, dtype=float)[..., None], np.asarray(gamma, dtype=float)[..., None]
    return radius(lr, gamma, curvatures, rule).max(axis=-1)


def best_pair(kappa: float, rule: Callable = rules.momentum) -> tuple[float, float]:
    """The rate, times L, and the momentum with the smallest :func:`worst_radius`.

    >>> [round(x, 3) for x in best_pair(100)], [round(x, 3) for x in best_pair(100, rules.nag)]
    ([3.306, 0.669], [1.329, 0.793])
    """
    if rule is rules.nag:
        root = np.sqrt(3 * kappa + 1)
        return float(4 / (3 + 1 / kappa)), float((root - 2) / (root + 2))
    root = np.sqrt(kappa)
    return float(4 / (1 + 1 / root) ** 2), float(((root - 1) / (root + 1)) ** 2)


_TURNS = (10, 15, 20, 30, 50, 100, 200, 500)  # updates for a factor of ten; the last two lines are not labelled


def maps(lr: ArrayLike, gamma: ArrayLike, turns: Mapping[str, ArrayLike], best: Mapping[str, Any]) -> Picture:
    """How many updates a pair of rate and momentum needs, as a map for each rule.

    Lines join pairs that need equally many; where none is drawn the walk diverges or needs very many.

    Parameters
    ----------
    lr, gamma : the grid, each of shape (m, n); the rate is a multiple of 1/L
    turns : "momentum" or "nag" -> updates for a factor of ten, of shape (m, n); infinite where it diverges
    best : the same names -> the pair that gets a cross
    """
    figure, axes = panels((len(turns), 1), size=(500, 30 + 265 * len(turns)))
    for ax, (name, values) in zip(np.atleast_1d(axes), turns.items(), strict=True):
        steps = np.nan_to_num(np.asarray(values, dtype=float), posinf=1e9)
        levels = [t for t in _TURNS if t > steps.min()]
        shades = [to_rgba(GROUND, 0.62 * 0.72**i) for i in range(len(levels))]
        with house():
            ax.contourf(lr, gamma, steps, [0, *levels], colors=shades)
            lines = ax.contour(lr, gamma, steps, levels, colors=[to_rgba(GREY, 0.8)], linewidths=0.8)
            ax.clabel(lines, [t for t in levels if t <= 100], fmt="%g", fontsize=8.5, colors=[GREY], inline=True)
            edge = np.linspace(0, 1, 101)
            limit = 2 * (1 + edge) / (1 + 2 * edge) if name == "nag" else 2 * (1 + edge)
            ax.plot(limit, edge, color=colour(name), linewidth=2.4, zorder=5)
            ax.plot(*best[name], "+", color=GREY, markersize=13, markeredgewidth=2.4, zorder=6)
            ax.set(xlim=(0, 4.2), ylim=(0, 1))
            ax.set_title(name, color=colour(name), fontsize=11)
        label(ax, r"$\eta L$", r"$\gamma$")
    return picture(figure, f"rate and momentum: {listed(turns)}")


def reached(path: ArrayLike) -> Picture:
    """Which coordinates a walk has reached after each step; what is still exactly 0 is left blank.

    Parameters
    ----------
    path : of shape (steps + 1, d)
    """
    size = np.abs(np.asarray(path, dtype=float))
    figure, ax = panels(size=(480, 380))
    depth = np.log10(np.where(size > 0, size, np.nan))
    shade = np.clip(1 + depth / 6, 0.12, 1)  # six powers of ten
    image = np.zeros((*size.shape, 4))
    image[..., :3] = to_rgba(GROUND)[:3]
    image[..., 3] = np.nan_to_num(shade, nan=0.0)
    with house():
        extent = (0.5, size.shape[1] + 0.5, size.shape[0] - 0.5, -0.5)
        ax.imshow(image, extent=extent, aspect="auto", interpolation="nearest")
    label(ax, "$i$", "$k$")
    return picture(figure, f"coordinates reached in {len(size) - 1} steps")


def modes(curvature: ArrayLike, share: ArrayLike, runs: Mapping[str, tuple[float, float]]) -> Picture:
    """Many directions as dots on the curves of the factors of some methods.

    Parameters
    ----------
    curvature : of each direction, of shape (d,)
    share : what each direction holds of the loss at the start, of shape (d,), with sum 1; a dot's area
    runs : "sgd" or "momentum" -> rate and momentum
    """
    curvatures, shares = np.asarray(curvature, dtype=float), np.asarray(share, dtype=float)
    figure, ax = panels(size=(520, 340))
    for name, (lr, gamma) in runs.items():
        draw_factor(ax, gamma, left=1e-4, label=name)
        with house():
            hue = {"facecolor": to_rgba(colour(name), 0.65), "edgecolor": colour(name), "linewidth": 0.7}
            height = radius(lr * curvatures, gamma, 1.0)
            ax.scatter(lr * curvatures, height, s=10 + 700 * shares, zorder=6, **hue)
    legend(ax)
    return picture(figure, f"factors of {len(curvatures)} directions: {listed(runs)}")


# --- walks ----------------------------------------------------------------------------------------


def oscillation(friction: float, s: ArrayLike) -> NDArray:
    r"""Where a ball of mass 1 is at times s that was let go at 1 in the bowl :math:`x^2/2`.

    .. math:: \ddot x + \mu\dot x = -x, \qquad x(0) = 1,\quad \dot x(0) = 0

    >>> oscillation(0.0, [0.0, np.pi]).round(6)
    array([ 1., -1.])
    """
    s = np.asarray(s, dtype=float)
    half = friction / 2
    if half == 1:
        return (1 + s) * np.exp(-s)
    w = np.sqrt(complex(1 - half**2))  # imaginary where friction wins: cosine and sine become hyperbolic by themselves
    return np.real(np.exp(-half * s) * (np.cos(w * s) + half / w * np.sin(w * s)))


def damped(walks: Mapping[float, ArrayLike], h: float) -> Picture:
    """A ball with friction: the exact motion as a line, and the points of a walk of time step h on it.

    Parameters
    ----------
    walks : friction -> positions of shape (n,), from 1 in the bowl of curvature 1
    """
    figure, ax = panels(size=(520, 330))
    with house():
        ax.axhline(0, color=GREY, linewidth=0.8, alpha=0.6)
        for i, (friction, walk) in enumerate(walks.items()):
            s = h * np.arange(len(np.asarray(walk)))
            fine = np.linspace(0, s[-1], 300)
            look = look_of("", i)
            name = rf"$c={friction:g},\ \gamma={1 - friction * h:.3g}$"
            ax.plot(fine, oscillation(friction, fine), color=look.colour, linewidth=1.4, zorder=3)
            ax.plot(s[::3], np.asarray(walk)[::3], look.marker, color=look.colour, markersize=4.2, label=name, zorder=4)
    label(ax, "$th$", "$x$")
    legend(ax)
    return picture(figure, f"damped oscillations: {listed(f'{friction:g}' for friction in walks)}")


def four_points(surface: Surface, path: NDArray, at: Sequence[int]) -> Picture:
    """A walk on a curve, and at some of its steps two arrows: what the slope asks for and what the velocity brings.

    Parameters
    ----------
    surface : of one coordinate
    path : a walk of shape (n, 1)
    at : the steps, which are numbered from 1 in the picture
    """
    drawn = curve(surface, path, minima=False, key=False, start=False)
    ax = drawn.figure.axes[0]
    velocity = np.diff(path[:, 0], prepend=path[0, 0])
    slope = -surface.grad(path)[:, 0]
    rise = np.ptp(ax.get_ylim())
    with house():
        for i, t in enumerate(at, 1):
            x, y = float(path[t, 0]), float(surface(path[t]))
            ax.plot(x, y, "o", color=GREY, markersize=10, zorder=6)
            ax.annotate(f"{i}", (x, y), (0, -19), textcoords="offset points", color=GREY, ha="center", fontsize=12)
            for j, (push, scale, hue) in enumerate(((slope[t], 0.9, "sgd"), (velocity[t], 5.5, "momentum"))):
                _push(ax, x, y + rise * (0.06 + 0.055 * j), scale * push, colour(hue))
        for name, hue in ((r"$-\nabla f$", "sgd"), ("$-u$", "momentum")):
            ax.plot([], [], color=colour(hue), linewidth=2.4, label=name)
        ax.set_ylim(top=ax.get_ylim()[1] + 0.1 * rise)
    legend(ax)
    return picture(drawn.figure, f"slope and velocity at {len(at)} points of {surface.name}")


def _push(ax: Axes, x: float, y: float, length: float, hue: str) -> None:
    """A horizontal arrow; a dot where there is nothing to be drawn."""
    if abs(length) < 0.03:
        ax.plot(x, y, ".", color=hue, markersize=7, zorder=7)
        return
    arrow = {"arrowstyle": "-|>,head_length=0.5,head_width=0.25", "linewidth": 2.4, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (x + length, y), (x, y), arrowprops={**arrow, "color": hue}, zorder=7)


def averages(signal: ArrayLike, curves: Mapping[str, ArrayLike]) -> Picture:
    """A noisy signal as dots, and averages of it as lines.

    Parameters
    ----------
    signal : of shape (n,)
    curves : label -> values of shape (n,), solid and dashed in turn, a colour for each two
    """
    figure, ax = panels(size=(520, 340))
    with house():
        dots = np.asarray(signal)
        ax.plot(np.arange(1, len(dots) + 1), dots, ".", color=GREY, markersize=4.5, alpha=0.6)
        for i, (name, values) in enumerate(curves.items()):
            line: Any = (0, (2, 1.3)) if i % 2 else "-"
            ax.plot(np.arange(1, len(dots) + 1), np.asarray(values), color=series(i // 2), linestyle=line, label=name)
    ax.grid(True, axis="y")
    label(ax, "$t$", "$m_t$")
    legend(ax)
    return picture(figure, f"moving averages: {listed(curves)}")


def round_and_round(surface: Surface, paths: Mapping[str, NDArray]) -> Picture:
    """Walks of one coordinate on their curve and, below, the coordinate against updates.

    Of the first walk only the last four points are drawn on the curve, of the others the first eight.
    """
    figure, (above, below) = panels((2, 1), size=(500, 520))
    ends = {name: path[-4:] if i == 0 else path[:8] for i, (name, path) in enumerate(paths.items())}
    curve(surface, ends, ax=above, key=False, start=False)
    loss_curves({name: path[:, 0] for name, path in paths.items()}, log=False, ax=below, key=False, ylabel="$x$")
    legend(figure)
    return picture(figure, f"round and round in {surface.name}: {listed(paths)}")


def outcomes(x0: ArrayLike, gamma: ArrayLike, ends: Mapping[str, NDArray], minima: Sequence[float]) -> Picture:
    """Where walks end, as a map over start and momentum, one panel for each rule.

    Parameters
    ----------
    x0, gamma : of shape (n,) and (m,)
    ends : rule's name -> final coordinates of shape (m, n)
    minima : the distances from 0 at which the minima lie, the lowest minimum first; a darker shade is a lower one
    """
    figure, axes = panels((len(ends), 1), size=(500, 30 + 220 * len(ends)))
    shades = [to_rgba(GROUND, alpha) for alpha in np.linspace(0.85, 0.12, len(minima))]
    for ax, (name, values) in zip(np.atleast_1d(axes), ends.items(), strict=True):
        which = np.abs(np.abs(values)[..., None] - np.asarray(minima)).argmin(axis=-1)
        with house():
            ax.pcolormesh(np.asarray(x0), np.asarray(gamma), np.array(shades)[which], shading="nearest")
            ax.set_title(name, color=colour(name), fontsize=11)
        label(ax, "$x_0$", r"$\gamma$")
    return picture(figure, f"where walks end: {listed(ends)}")


def bounded(gaps: Mapping[str, ArrayLike], bound: ArrayLike) -> Picture:
    """Distances in value to the minimum from update 1 on, both scales logarithmic, and a bound as a grey line.

    Parameters
    ----------
    gaps : label -> values of shape (n,)
    bound : of shape (n,)
    """
    figure, ax = panels(size=(520, 350))
    line = np.asarray(bound, dtype=float)
    loss_curves(gaps, x=np.arange(1, len(line) + 1), ax=ax, key=False)
    with house():
        ax.plot(np.arange(1, len(line) + 1), line, color=GREY, linewidth=2.2, label=r"$2LD^2/(k+1)^2$", zorder=3)
        ax.set(xscale="log", ylim=(None, 5 * max(float(np.max(values)) for values in gaps.values())))
    label(ax, "$k$", r"$f-f^\star$")
    legend(ax)
    return picture(figure, f"gaps and their bound: {listed(gaps)}")


def vectors(surface: Surface, theta: ArrayLike, u: ArrayLike, *, lr: float, gamma: float, domain: Any) -> Picture:
    """One update by momentum and one by Nesterov's rule, from the same point and with the same velocity.

    Both jump by the old velocity (dashed); momentum adds the gradient of where it was, Nesterov's rule that of where
    it has come to, at the ring.
    """
    theta, u = np.asarray(theta, dtype=float), np.asarray(u, dtype=float)
    ahead = rules.nag_look_ahead(theta, u, gamma=gamma)
    drawn = contour(surface, domain=domain, width=520)
    ax = drawn.figure.axes[0]
    _arrow(ax, theta, ahead, GREY, (0, (3, 1.5)))
    for i, (name, point) in enumerate((("momentum", theta), ("nag", ahead))):
        g = surface.grad(point)
        new = ahead - lr * g
        hue = colour(name)
        _arrow(ax, theta, theta - lr * g if i == 0 else theta, hue, (0, (1, 1.2)))
        _arrow(ax, ahead, new, hue, (0, (1, 1.2)))
        _arrow(ax, theta, new, hue, "-")
        ax.plot([], [], color=hue, linewidth=2.2, label=name)
    with house():
        ax.plot(*theta, "o", color=GREY, markersize=8, zorder=7)
        ax.plot(*ahead, "o", color=GREY, markersize=10, markerfacecolor="none", markeredgewidth=1.8, zorder=7)
        ax.plot([], [], color=GREY, linestyle=(0, (3, 1.5)), linewidth=1.8, label=r"$-\gamma u$")
        ax.plot([], [], color=GREY, linestyle=(0, (1, 1.2)), linewidth=1.8, label=r"$-\eta\nabla f$")
    legend(ax)
    return picture(drawn.figure, "vectors of one update: momentum, nag")


def _arrow(ax: Axes, a: NDArray, b: NDArray, hue: str, line: Any) -> None:
    if np.allclose(a, b):
        return
    style: dict[str, Any] = {"arrowstyle": "-|>,head_length=0.5,head_width=0.25", "shrinkA": 0, "shrinkB": 0}
    style |= {"color": hue, "linewidth": 2.2, "linestyle": line}
    ax.annotate("", tuple(b), tuple(a), arrowprops=style, zorder=6)


# --- distances from the goal, and the curve of factors: the V and the trough ----------------------


_SHADES = (3, 6, 7, 0, 1, 2, 4, 5)  # ochre, green and purple first
_LEFT, _RIGHT, _TOP = 3e-3, 6.0, 1.25  # the frame of the lower panel


def radius(lr: ArrayLike, gamma: ArrayLike, curvature: ArrayLike, rule: Callable = rules.momentum) -> Any:
    r"""The factor by which a step of momentum shrinks the distance on a quadratic, once many steps are made.

    .. math:: z^2 - (1 + c - \eta\lambda)\, z + c = 0, \qquad c = \gamma \text{ or, for nag, } \gamma(1 - \eta\lambda)

    It is the larger absolute value of the two roots, the spectral radius of one update.

    Parameters
    ----------
    lr, gamma, curvature : numbers or arrays that fit together
    rule : ``rules.momentum`` (with ``gamma=0`` plain descent) or ``rules.nag``

    Raises
    ------
    ValueError : another rule.

    Source: Polyak (1964); for nag Lessard, Recht and Packard (2016).

    >>> round(float(radius(0.5, 0.25, 1.0)), 6)
    0.5
    """
    if rule not in (rules.momentum, rules.nag):
        raise ValueError(f"rule is {rule!r}: the factor is known for rules.momentum and rules.nag")
    h = np.asarray(lr, dtype=float) * np.asarray(curvature, dtype=float)
    c = np.asarray(gamma, dtype=float) * (1 - h if rule is rules.nag else 1.0)
    b = 1 + c - h
    under = b * b - 4 * c
    return np.where(under < 0, np.sqrt(np.abs(c)), (np.abs(b) + np.sqrt(np.maximum(under, 0))) / 2)


def trough(
    path: ArrayLike, curvature: ArrayLike, lr: float, gamma: float = 0.0, rule: Callable = rules.momentum, *,
    pale: Sequence[tuple[float, Callable]] = (), ideal: float | None = None, goal: float = 0.01,
) -> Picture:  # fmt: skip
    """Two panels: the weights' distances from their goals against steps, and a step's factor against rate × curvature.

    A hollow mark is a weight beyond its goal. Below, a weight is a bead on the curve; in the red zone it diverges.

    Parameters
    ----------
    path : a walk of shape (steps + 1, d) on a quadratic whose minimum is 0
    curvature : of each weight, of shape (d,)
    lr, gamma, rule : what the walk was made with, as for :func:`radius`
    pale : pairs of momentum and rule whose curves are drawn thin, for comparison
    ideal : a factor to be dotted into both panels
    goal : a distance at which a weight counts as arrived, a thin line

    Raises
    ------
    ValueError : path and curvature do not fit.

    >>> trough([[1.0, 1.0], [0.9, 0.0]], [1.0, 10.0], lr=0.1)
    <distances and factors of 2 weights: sgd>
    """
    walk, curvatures = np.asarray(path, dtype=float), np.asarray(curvature, dtype=float)
    if walk.ndim != 2 or curvatures.shape != walk.shape[1:]:
        raise ValueError(f"a path of shape {walk.shape} wants a curvature for each column, not {curvatures.shape}")
    figure, (above, below) = panels((2, 1), size=(500, 540))
    names = [rf"$\lambda={x:g}$" for x in curvatures]
    _distances(above, walk, names, ideal)
    with house():
        above.axhline(goal, color=GREY, linewidth=0.8, alpha=0.6, zorder=1)
    for other_gamma, other in pale:
        draw_factor(below, other_gamma, other, linewidth=1.2, alpha=0.55)
    draw_factor(below, gamma, rule)
    for i, x in enumerate(lr * curvatures):
        y = min(float(radius(x, gamma, 1.0, rule)), _TOP - 0.04)
        with house():
            below.plot(x, y, "o", color=_shade(i), markersize=11, zorder=6, clip_on=False)
            if ideal is not None:
                below.axhline(ideal, color=GREY, linestyle=(0, (1, 1.4)), linewidth=1.5, zorder=2)
    legend(above)
    kind = f"{rule.__name__} {gamma:.3g}" if gamma else "sgd"
    return picture(figure, f"distances and factors of {len(names)} weights: {kind}")


def draw_factor(ax: Axes, gamma: float, rule: Callable = rules.momentum, *, left: float = _LEFT, **kw: Any) -> None:
    """Draw the curve of :func:`radius` against rate × curvature into axes, with the zone in which weights diverge.

    Parameters
    ----------
    ax : axes, which get the scales of the trough
    gamma, rule : as for :func:`radius`
    left : where the axis begins
    **kw : of the line, as for Matplotlib's ``plot``; its colour is the algorithm's
    """
    products = np.geomspace(left, _RIGHT, 1500)
    line = {"color": colour(rule if gamma else "sgd"), "linewidth": 2.4, "zorder": 4, **kw}
    with house():
        ax.plot(products, np.minimum(radius(products, gamma, 1.0, rule), 2 * _TOP), **line)
        if not ax.patches:
            ax.axhspan(1, _TOP, color=colour("sgd"), alpha=0.12, linewidth=0)
        ax.set(xscale="log", xlim=(left, _RIGHT), ylim=(0, _TOP))
    label(ax, r"$\eta\lambda$", r"$|z|$")


def _distances(ax: Axes, walk: NDArray, names: Sequence[str], ideal: float | None) -> None:
    steps = np.arange(len(walk))
    with house():
        for i, name in enumerate(names):
            size, hue = np.abs(walk[:, i]), _shade(i)
            size = np.where(size > 0, size, np.nan)
            ax.plot(steps, size, color=hue, linewidth=0.9, alpha=0.6, zorder=3)
            for there, face in ((walk[:, i] > 0, hue), (walk[:, i] < 0, "none")):
                style: dict[str, Any] = {
                    "color": hue,
                    "markersize": 4,
                    "markerfacecolor": face,
                    "markeredgewidth": 0.9,
                    "zorder": 4,
                }
                ax.plot(steps[there], size[there], "o", label=name if face == hue else None, **style)
        if ideal is not None:
            ax.plot(steps, np.abs(walk[0]).max() * ideal**steps, color=GREY, linestyle=(0, (1, 1.4)), linewidth=1.5)
        ax.set(yscale="log", ylim=(1e-4, 1e2), xlim=(0, len(walk) - 1))
    label(ax, "$t$", r"$|\theta|$")


def _shade(i: int) -> str:
    return series(_SHADES[i % len(_SHADES)])
