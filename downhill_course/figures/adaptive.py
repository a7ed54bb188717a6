"""Figures of the chapter on a learning rate for every weight.

>>> from optlib import surfaces
>>> from downhill_course.figures import adaptive
>>> adaptive.drift({"adagrad": [0.0, 1.0, 1.5], "rmsprop": [0.0, 1.0, 2.0]})
<drift: adagrad, rmsprop>
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import numpy as np
from matplotlib.ticker import FormatStrFormatter
from numpy.typing import ArrayLike, NDArray

from optlib import rules
from optlib.optimizer import Optimizer, run
from optlib.surfaces import Surface
from optlib.view.curves import loss_curves
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, listed, look_of, marks, panels

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
    drawn = loss_curves(values, x=x, ylabel=ylabel, log=log)
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
