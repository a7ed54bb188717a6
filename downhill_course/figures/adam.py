"""Figures of the chapter on Adam and its family.

>>> from downhill_course.figures import adam
>>> adam.after_silence({100: [0.98, 1.4]}, marks=[7.27])
<steps after silences of 100>
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from optlib.surfaces import Surface
from optlib.view.contours import contour
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, colour, figure_of, house, label, legend, listed, look_of, panels, series

_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.3)), (0, (5, 1.5, 1, 1.5)))


_WORDS = {"free": series(6), "the": series(7), "lottery": series(3)}  # the same in all chapters


def words(gradients: Mapping[str, ArrayLike], steps: Mapping[str, ArrayLike], **kw: Any) -> Picture:
    """The chapter's picture: :func:`scatter_and_steps` in the colours of the three words.

    Parameters
    ----------
    gradients, steps : name of a word -> array of shape (n, runs)
    **kw : as for `scatter_and_steps`, such as ``marks=[1.0, 7.27]``

    >>> g = np.ones((50, 1))
    >>> words({"free": g}, {"free": g})
    <mean and scatter of steps: free>
    """
    return scatter_and_steps(gradients, steps, colours=_WORDS, **kw)


def after_silence(steps: Mapping[int, ArrayLike], *, marks: ArrayLike) -> Picture:
    """Steps in learning rates against the updates since a silence ended, a line for each length of it.

    Parameters
    ----------
    steps : number of silent updates -> the steps from then on, of shape (n,)
    marks : heights of dotted lines

    >>> after_silence({100: [0.98, 1.4]}, marks=[7.27])
    <steps after silences of 100>
    """
    figure, ax = panels(size=(480, 340))
    with house():
        for height in np.atleast_1d(np.asarray(marks, dtype=float)):
            ax.axhline(height, color=GREY, linestyle=(0, (1, 2)), linewidth=1.2)
        for i, (silence, line) in enumerate(steps.items()):
            t = np.arange(1, len(np.asarray(line)) + 1)
            shade = 0.4 + 0.6 * (i + 1) / len(steps)
            ax.plot(t, line, color=_WORDS["lottery"], alpha=shade, linestyle=_DASHES[-1 - i % 4], marker="osD^"[i % 4],
                    markevery=5, label=f"$k={silence}$", zorder=3)  # fmt: skip
        ax.set(xlim=(0, None), ylim=(0, None))
        ax.grid(True, axis="y")
    label(ax, "$t-k$", r"$\Delta/\eta$")
    legend(ax)
    return picture(figure, f"steps after silences of {', '.join(str(k) for k in steps)}")


def by_share(share: ArrayLike, losses: Mapping[str, ArrayLike]) -> Picture:
    """What is left to learn of each word against how frequent it is, both logarithmic, a cloud for each method.

    Parameters
    ----------
    share : of all occurrences, of shape (n,)
    losses : label -> loss above the best possible, of shape (n,), at least 1e-6 as drawn; a label may begin with an
        algorithm's name

    >>> by_share([0.1, 0.01], {"sgd, 4": [1.0, 2.0], "adam, 1": [0.1, 0.1]})
    <loss against frequency: sgd, 4, adam, 1>
    """
    figure, ax = panels(size=(480, 380))
    with house():
        for i, (name, left) in enumerate(losses.items()):
            style = look_of(name.split(",")[0].split()[0], i)
            seen = sum(other.split(",")[0] == name.split(",")[0] for other in list(losses)[:i])
            ax.plot(share, np.maximum(np.asarray(left, dtype=float), 1e-6), linestyle="none", color=style.colour,
                    markerfacecolor="none" if seen else style.colour, markeredgewidth=0.8 if seen else 0.0,
                    marker=("o", "^", "s")[seen % 3], markersize=4, alpha=0.7, label=name, zorder=3 + i)  # fmt: skip
        ax.set(xscale="log", yscale="log")
        ax.grid(True)
    label(ax, "$p$", "$J-J^*$")
    legend(ax)
    return picture(figure, f"loss against frequency: {listed(losses)}")


def norms(gradients: ArrayLike, divisors: Mapping[float, ArrayLike]) -> Picture:
    """What Adam's kin divide by, against updates, above the gradients' sizes.

    Parameters
    ----------
    gradients : one for each update, of shape (n,)
    divisors : power, from small to large -> divisor after each update, of shape (n,); the first is drawn in Adam's
        colour, the last in AdaMax's

    >>> norms([1.0, -2.0], {2: [1.0, 1.6], np.inf: [1.0, 2.0]})
    <divisors for powers 2, inf>
    """
    g = np.asarray(gradients, dtype=float)
    figure, ax = panels(size=(500, 350))
    t, last = np.arange(1, len(g) + 1), len(divisors) - 1
    with house():
        ax.vlines(t, 0, np.abs(g), color=GREY, alpha=0.5, linewidth=1.0)
        for i, (p, divisor) in enumerate(divisors.items()):
            hue = colour("adam") if i == 0 else colour("adamax") if i == last else series(i)
            name = r"$p=\infty$" if np.isinf(p) else f"$p={p:g}$"
            ax.plot(t, divisor, color=hue, linestyle=_DASHES[i % 4], label=name, zorder=3 + i)
        ax.set_ylim(0, None)
        ax.grid(True, axis="y")
    label(ax, "$t$", "$u$")
    legend(ax)
    return picture(figure, f"divisors for powers {', '.join(f'{p:g}' for p in divisors)}")


def pulled(goal: ArrayLike, paths: Mapping[str, ArrayLike], ends: Mapping[str, ArrayLike]) -> Picture:
    """Walks on a round bowl from above, each with a ring around the point where a formula says that it ends.

    Parameters
    ----------
    goal : lowest point of the bowl, of shape (2,)
    paths : name -> walk of shape (n, 2)
    ends : some of these names -> point of shape (2,)

    Raises
    ------
    ValueError : an end of a walk that is not there.

    >>> pulled([3.0, 2.0], {"adamw": [[0.0, 0.0], [1.0, 1.0]]}, {"adamw": [1.5, 1.0]})
    <pulled towards zero: adamw>
    """
    if stranger := set(ends) - set(paths):
        raise ValueError(f"ends of {listed(sorted(stranger))}, but the walks are {listed(paths)}")
    x, y = (float(c) for c in np.asarray(goal, dtype=float))
    bowl = Surface(
        "bowl", lambda a, b: 0.5 * ((a - x) ** 2 + (b - y) ** 2), lambda a, b: (a - x, b - y),
        ((-0.1 * x, 1.2 * x), (-0.15 * y, 1.25 * y)), (0.0, 0.0), ((x, y),), "a quadratic with curvature 1",
    )  # fmt: skip
    drawn = contour(bowl, paths, width=440)
    ax = drawn.figure.axes[0]
    with house():
        for name, end in ends.items():
            ring: dict[str, Any] = {"markersize": 17, "markerfacecolor": "none", "markeredgewidth": 1.8}
            ax.plot(*np.asarray(end, dtype=float), "o", color=colour(name), zorder=7, **ring)
    label(ax, r"$\theta_1$", r"$\theta_2$")
    return picture(drawn.figure, f"pulled towards zero: {listed(paths)}")


# --- mean and scatter of several streams of gradients ---------------------------------------------


def scatter_and_steps(
    gradients: Mapping[str, ArrayLike], steps: Mapping[str, ArrayLike], *, late: int = 1000,
    marks: ArrayLike = (1.0,), colours: Mapping[str, str] | None = None,
) -> Picture:  # fmt: skip
    r"""Above, how far gradients agree against the step; below, the steps of one run against the update.

    How far they agree is their mean over their root mean square, :math:`\mu / \sqrt{\mu^2 + \sigma^2}`, from 0 to 1.
    A dot is the mean step, a bar reaches one standard deviation to both sides. The dotted diagonal is a step that is
    exactly as long as the gradients agree.

    Parameters
    ----------
    gradients : name -> gradients of shape (n, runs)
    steps : the same names -> steps in learning rates, of the same shape; the picture below shows run 0
    late : so many of the last steps count for dot and bar: a rule has then forgotten its start
    marks : heights of dotted lines in the picture below
    colours : name -> ``#rrggbb``; by default :func:`optlib.view.series`

    Raises
    ------
    ValueError : names that differ, or shapes that do.

    >>> g = np.ones((50, 1))
    >>> scatter_and_steps({"steady": g}, {"steady": g})
    <mean and scatter of steps: steady>
    """
    if list(gradients) != list(steps):
        raise ValueError(f"gradients of {listed(gradients)}, but steps of {listed(steps)}: give the same names")
    figure, (above, below) = panels((2, 1), size=(480, 560), height_ratios=[1.0, 1.0])
    hues = dict(colours or {})
    with house():
        above.plot([0, 1], [0, 1], color=GREY, linestyle=(0, (1, 2)), linewidth=1.4)
        above.axhline(0, color=GREY, linewidth=0.6)
        for i, name in enumerate(steps):
            g, s = np.asarray(gradients[name], dtype=float), np.asarray(steps[name], dtype=float)
            if g.ndim != 2 or g.shape != s.shape:
                raise ValueError(f"{name!r}: gradients of shape {g.shape}, steps of {s.shape}; both must be (n, runs)")
            hue = hues.get(name, series(i))
            mean, scatter = s[-late:].mean(), s[-late:].std()
            bar = {"fmt": "o", "markersize": 9, "elinewidth": 4.0, "alpha": 0.9, "zorder": 4}
            above.errorbar(g.mean() / np.sqrt((g**2).mean()), mean, yerr=scatter, color=hue, label=name, **bar)
            below.plot(np.arange(1, len(s) + 1), s[:, 0], color=hue, linewidth=1.1, zorder=3 + i)
        for height in np.atleast_1d(np.asarray(marks, dtype=float)):
            below.axhline(height, color=GREY, linestyle=(0, (1, 2)), linewidth=1.2)
        above.set(xlim=(-0.06, 1.06), ylim=(-1.15, 1.5), yticks=[-1, 0, 1])
        below.set(xscale="log", xlim=(1, len(s)), ylim=(-45, 45))
        below.set_yscale("symlog", linthresh=1.0, linscale=1.0)
        below.set_yticks([-10, -1, 0, 1, 10], ["-10", "-1", "0", "1", "10"])
        below.minorticks_off()
    label(above, r"$\mu\,/\sqrt{\mu^2+\sigma^2}$", r"$\Delta/\eta$")
    label(below, "$t$", r"$\Delta/\eta$")
    legend(figure_of(above))
    return Picture(figure, f"mean and scatter of steps: {listed(steps)}")
