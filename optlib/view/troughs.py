"""How far each weight is from its goal, and where its curvature lies on the curve of factors: the V and the trough."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from .. import rules
from .pictures import Picture, picture
from .style import GREY, colour, house, label, legend, panels, series

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
