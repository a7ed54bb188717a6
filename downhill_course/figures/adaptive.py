"""Figures of the chapter on a learning rate for every weight.

>>> from optlib import surfaces
>>> from downhill_course.figures import adaptive
>>> adaptive.drift({"adagrad": [0.0, 1.0, 1.5], "rmsprop": [0.0, 1.0, 2.0]})
<drift: adagrad, rmsprop>
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from matplotlib.ticker import FormatStrFormatter
from numpy.typing import ArrayLike, NDArray

from optlib import rules
from optlib.optimizer import Optimizer, run
from optlib.surfaces import Surface
from optlib.view.contours import draw_walk, ground
from optlib.view.curves import loss_curves
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, colour, figure_of, house, label, legend, listed, look_of, marks, panels

PLAIN = FormatStrFormatter("%.3g")  # for scales that span less than a power of ten


def memory(
    optimizer: Optimizer, oracle: Callable[..., ArrayLike], theta: ArrayLike, steps: int
) -> dict[str, NDArray]:  # fmt: skip
    """What an optimizer remembers after each update: memory's name -> array of shape (steps, ...).

    Parameters
    ----------
    oracle, theta : gradient and start, as for :func:`optlib.run`
    steps : number of updates

    >>> from optlib import rules
    >>> memory(Optimizer(rules.adagrad), lambda theta: np.array([3.0, 1.0]), [0.0, 0.0], 2)["G"]
    array([[ 9.,  1.],
           [18.,  2.]])
    """
    states = [state for _, state in islice(run(optimizer, oracle, theta), steps)]
    return {name: np.array([state[name] for state in states]) for name in optimizer.memory}


def regret(choose: Callable[[NDArray, int], ArrayLike], steps: int, d: int) -> tuple[NDArray, NDArray]:
    r"""Adagrad's regret on linear losses over the box [-1, 1]^d, and the bound on it, after each of some steps.

    .. math:: R_T \le \sqrt2\, D_\infty \sum_i \sqrt{G_{T,i}}, \qquad D_\infty = 2, \quad \eta = D_\infty/\sqrt2

    Parameters
    ----------
    choose : (theta, t) -> the gradient of step t, of shape (d,); it may look at theta first. t counts from 0

    Returns
    -------
    Regret and bound, each of shape (steps,).

    Source: Duchi, Hazan & Singer (2011), the diagonal form of mirror descent, each point brought back into the box.

    >>> lost, bound = regret(lambda theta, t: [1.0], steps=3, d=1)
    >>> lost.round(3), bound.round(3)
    (array([1., 1., 1.]), array([2.828, 4.   , 4.899]))
    """
    theta, G, paid, total = np.zeros(d), np.zeros(d), 0.0, np.zeros(d)
    lost, bound = np.empty(steps), np.empty(steps)
    for t in range(steps):
        g = np.asarray(choose(theta, t), dtype=float)
        paid, total = paid + float(g @ theta), total + g
        theta, (G,) = rules.adagrad(theta, g, G, lr=np.sqrt(2.0))
        theta = np.clip(theta, -1.0, 1.0)
        lost[t] = paid + np.abs(total).sum()  # the best fixed point is a corner of the box
        bound[t] = 2 * np.sqrt(2.0) * np.sqrt(G).sum()
    return lost, bound


def drift(paths: Mapping[str, ArrayLike], *, target: ArrayLike | None = None, linear: float | None = None) -> Picture:
    """One coordinate against updates for several algorithms.

    Parameters
    ----------
    paths : name -> positions of shape (n,)
    target : where the coordinate should be, of shape (n,), in grey
    linear : if given, the scale is logarithmic to both sides of zero, and linear up to this distance from it
    """
    figure, ax = panels(size=(480, 340))
    with house():
        if target is not None:
            ax.plot(np.asarray(target), color=GREY, linewidth=1.4, linestyle=(0, (5, 3)), label=r"$\theta^\star$")
        for i, (name, values) in enumerate(paths.items()):
            look, line = look_of(name, i), np.asarray(values, dtype=float)
            mark: dict[str, Any] = {"marker": look.marker, "markevery": marks(len(line))}
            ax.plot(line, color=look.colour, linestyle=look.line, label=name, zorder=4, **mark)
        if linear is not None:
            ax.set_yscale("symlog", linthresh=linear)
        ax.grid(True, axis="y")
    label(ax, "$t$", r"$\theta$")
    legend(ax)
    return picture(figure, f"drift: {listed(paths)}")


def against(
    x: ArrayLike, values: Mapping[str, ArrayLike], *, xlabel: str, ylabel: str, log_x: bool = False,
    top: float | None = None, log: bool = True,
) -> Picture:  # fmt: skip
    """Something measured for each algorithm against a number that was varied.

    Parameters
    ----------
    x : the numbers tried, of shape (n,)
    values : name -> results of shape (n,), or (seeds, n), drawn as their median and a band from the 10th to the 90th
        percentile
    log_x : whether x is logarithmic too
    top : height at which the picture ends; what lies above is cut off
    log : whether the height is logarithmic
    """
    drawn = loss_curves(values, x=np.asarray(x, dtype=float), ylabel=ylabel, log=log)
    ax = drawn.figure.axes[0]
    with house():
        if log_x:
            ax.set_xscale("log")
        if top is not None:
            low = min(float(np.nanmin(np.asarray(result, dtype=float))) for result in values.values())
            ax.set_ylim(0.9 * low, top)
            ax.yaxis.set_minor_formatter(PLAIN)
            ax.yaxis.set_major_formatter(PLAIN)
    label(ax, xlabel, ylabel)
    return picture(drawn.figure, f"{ylabel} against {xlabel}: {listed(values)}")


def turned(surface: Surface, degrees: float, *, domain: Any = None) -> Surface:
    """A surface of two coordinates turned about the origin, with its start and its minima.

    Parameters
    ----------
    degrees : angle, counter-clockwise
    domain : the part of the plane that is shown; by default a square that holds the old domain's longer side

    >>> from optlib import surfaces
    >>> f = turned(surfaces.ravine, 90.0)
    >>> f([0.0, 2.0]).round(9), f.grad([0.0, 2.0]).round(9) + 0.0
    (np.float64(2.0), array([0., 2.]))
    """
    if surface.dim != 2:
        raise ValueError(f"surface {surface.name!r} has {surface.dim} coordinate(s): only a plane can be turned")
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))

    def value(x: Any, y: Any) -> Any:
        return surface.value(c * x + s * y, c * y - s * x, **surface.constants)

    def gradient(x: Any, y: Any) -> tuple:
        u, v = surface.gradient(c * x + s * y, c * y - s * x, **surface.constants)
        return c * u - s * v, s * u + c * v

    side = max(abs(end) for sides in surface.domain for end in sides)
    box = ((-side, side),) * 2 if domain is None else domain
    start, *minima = (tuple(turn(point, degrees).tolist()) for point in (surface.start, *surface.minima))
    name = f"{surface.name} turned by {degrees:g}°"
    return Surface(name, value, gradient, box, start, tuple(minima), surface.source)


def turn(points: ArrayLike, degrees: float) -> NDArray:
    """Points of shape (..., 2) turned about the origin, counter-clockwise.

    >>> turn([1.0, 0.0], 90.0).round(9)
    array([0., 1.])
    """
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(points, dtype=float) @ np.array([[c, s], [-s, c]])


# --- paths on a map beside each weight's rate; its rate against how often it is met ---------------


def map_and_rates(
    surface: Surface, runs: Mapping[str, tuple[ArrayLike, ArrayLike]], *, ideal: Sequence[float] = (),
    box: float = 11.0, limits: tuple[float, float] = (5e-7, 30.0),
) -> Picture:  # fmt: skip
    """Walks from above, and below them the rate of each of the two weights at every step, on a logarithmic scale.

    The first weight's rate is drawn solid, the second one's dashed.

    Parameters
    ----------
    surface : a surface of two coordinates
    runs : name -> (path of shape (steps + 1, 2), rates of shape (steps, 2))
    ideal : rates to compare with, dotted
    box : half the side of the square map, whose centre is the origin
    limits : of the rates that are shown

    Raises
    ------
    ValueError : a path and rates that do not fit each other.

    >>> from optlib import surfaces
    >>> run = ([[10.0, 10.0], [0.0, 0.0]], [[1.0, 0.01]])
    >>> map_and_rates(surfaces.ravine, {"ideal": run}, ideal=(1.0, 0.01))
    <map and rates on ravine: ideal>
    """
    figure, (above, below) = panels((2, 1), size=(480, 700), height_ratios=[1.35, 1])
    with house():
        ground(surface, above, np.array([[-box, box], [-box, box]]))
        for i, (name, (points, given)) in enumerate(runs.items()):
            path, rates = np.asarray(points, dtype=float), np.asarray(given, dtype=float)
            if path.ndim != 2 or path.shape[1] != 2 or rates.shape != (len(path) - 1, 2):
                raise ValueError(
                    f"{name!r}: path of shape {path.shape}, rates of shape {rates.shape}; (n + 1, 2) and (n, 2) fit"
                )
            draw_walk(above, path, name, i)
            dashes: tuple[Any, Any] = ("-", (0, (4, 2)))
            for k in (0, 1):
                hue = look_of(name, i).colour
                below.plot(np.arange(1, len(rates) + 1), rates[:, k], color=hue, linestyle=dashes[k], zorder=4)
        for minimum in surface.minima:
            above.plot(*minimum, "*", color=colour("sgd"), markersize=13, zorder=7)
        for rate in ideal:
            below.axhline(rate, color=GREY, linestyle=(0, (1, 1.6)), linewidth=1.6, zorder=3)
        above.set_aspect("equal")
        below.set(yscale="log", ylim=limits)
        below.margins(x=0.01)
        below.grid(True, axis="y")
    label(below, "$t$", r"$\eta_x,\ \eta_y$")
    legend(figure)
    return picture(figure, f"map and rates on {surface.name}: {listed(runs)}")


def against_frequency(share: ArrayLike, rates: ArrayLike, *, name: str = "adagrad") -> Picture:
    r"""The rate of every weight against the share of the examples in which its feature occurs, and :math:`1/\sqrt p`.

    Parameters
    ----------
    share, rates : of shape (d,); features that never occur are left out
    name : of the rule, for its colour

    Raises
    ------
    ValueError : shapes that differ.

    >>> import numpy as np
    >>> p = np.array([0.5, 0.1, 0.01])
    >>> against_frequency(p, 0.4 / np.sqrt(p))
    <rate against frequency: adagrad>
    """
    p, eta = np.asarray(share, dtype=float), np.asarray(rates, dtype=float)
    if p.shape != eta.shape or p.ndim != 1:
        raise ValueError(f"share has shape {p.shape} and rates {eta.shape}: both must be (d,)")
    met = (p > 0) & (eta < 1e6)
    _, ax = panels(1, size=(480, 330))
    with house():
        ax.plot(p[met], eta[met], ".", color=look_of(name, 0).colour, markersize=5, alpha=0.6)
        line = np.geomspace(p[met].min(), p.max(), 50)
        scale = np.median(eta[met] * np.sqrt(p[met]))
        ax.plot(line, scale / np.sqrt(line), color=GREY, linestyle=(0, (1, 1.6)), linewidth=1.8)
        ax.set(xscale="log", yscale="log")
    label(ax, "$p$", r"$\eta_i$")
    return Picture(figure_of(ax), f"rate against frequency: {name}")
