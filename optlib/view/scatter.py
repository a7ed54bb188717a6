"""Mean and scatter: what several streams of gradients say, beside the steps that a rule makes of them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from .pictures import Picture
from .style import GREY, figure_of, house, label, legend, listed, panels, series


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

    >>> from optlib import view
    >>> g = np.ones((50, 1))
    >>> view.scatter_and_steps({"steady": g}, {"steady": g})
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
        above.set(xlim=(-0.06, 1.06), ylim=(-1.15, 1.5))
        below.set(xscale="log", xlim=(1, len(s)), ylim=(-45, 45))
        below.set_yscale("symlog", linthresh=1.0, linscale=1.0)
        below.set_yticks([-10, -1, 0, 1, 10], ["-10", "-1", "0", "1", "10"])
        below.minorticks_off()
    label(above, r"$\mu\,/\sqrt{\mu^2+\sigma^2}$", r"$\Delta/\eta$")
    label(below, "$t$", r"$\Delta/\eta$")
    legend(figure_of(above))
    return Picture(figure, f"mean and scatter of steps: {listed(steps)}")
