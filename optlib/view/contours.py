"""Two coordinates seen from above: contour lines, walks, minima."""

from itertools import pairwise
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy.typing import ArrayLike, NDArray

from ..surfaces import Range, Surface
from .pictures import Picture
from .style import (
    GREY,
    GROUND,
    figure_of,
    frame,
    house,
    label,
    legend,
    listed,
    look_of,
    marks,
    named_paths,
    not_drawn,
    panels,
)

Levels = Literal["auto", "log", "linear"]

#: How a ground is drawn, here and by the explorer's JavaScript: grid points a side, contour lines, the opacity of the
#: tint at the bottom and how it fades upwards; then, as quantiles or shares of the range, what is next to nothing when
#: heights are chosen; then the tint of a map where a loss falls by 10**fall a step:
#: faint + full * (1 - exp(quick * fall)).
DRAWING = {
    "grid": 161, "lines": 12, "tint": 0.34, "fade": 1.3,
    "low": 0.002, "floor": 1e-5, "middle": 1e-4, "crumb": 0.006,
    "faint": 0.06, "full": 0.7, "quick": 7.0,
}  # fmt: skip


def contour(
    surface: Surface, paths: Any = None, *, levels: Levels = "auto", ax: Axes | None = None, minima: bool = True,
    start: bool = True, domain: tuple[Range, Range] | None = None, arrows: bool = False, key: bool = True,
    width: float = 480,
) -> Picture:  # fmt: skip
    """A surface from above, with walks on it.

    Parameters
    ----------
    surface : a surface of two coordinates
    paths : one walk of shape (steps + 1, 2), or a dict of them by name; an algorithm's name gives its colour.
        What leaves the domain is cut at the frame, and a walk that ends outside gets an arrow there
    levels : heights of the lines: ``"linear"``, ``"log"``, or ``"auto"``, which spreads them evenly over the picture
    ax : axes to draw into; by default a new figure
    minima, start : whether to mark them
    domain : the part of the plane that is shown; by default the surface's
    arrows : whether each step is an arrow, for walks of few steps
    key : whether there is a legend; of several panels it stands best once above all, with ``view.legend(figure)``
    width : in CSS pixels, of a new figure

    Raises
    ------
    ValueError : a surface that has not two coordinates, a path of another shape, unknown levels.

    >>> from optlib import surfaces, view
    >>> view.contour(surfaces.bowl, {"sgd": [[3.0, 2.0], [1.5, 1.0]]})
    <contour of bowl: sgd>
    """
    if surface.dim != 2:
        raise ValueError(not_drawn(surface))
    named = named_paths(paths, 2)
    box = frame(surface.domain if domain is None else domain, "domain")
    if ax is None:
        _, ax = panels(size=(width, height_for(box, width)))
    with house():
        ground(surface, ax, box, levels)
        if minima:
            mark_minima(surface, ax, box)
        for i, (name, path) in enumerate(named.items()):
            draw_walk(ax, path, name, i, box, start=start, arrows=arrows)
        if key and listed(named):
            legend(ax)
    return Picture(figure_of(ax), f"contour of {surface.name}" + (f": {listed(named)}" if listed(named) else ""))


def height_for(box: NDArray, width: float) -> float:
    """A figure's height for its width, after the shape of the box."""
    span = np.ptp(box, axis=1)
    return width * float(np.clip(span[1] / span[0], 0.45, 0.85))


def grid(surface: Surface, box: NDArray, n: int) -> tuple[NDArray, NDArray, NDArray]:
    """Coordinates and values of a surface on n by n points of a box, each of shape (n, n)."""
    x, y = np.meshgrid(np.linspace(box[0, 0], box[0, 1], n), np.linspace(box[1, 0], box[1, 1], n))
    return x, y, np.asarray(surface(np.stack([x, y], axis=-1)), dtype=float)


def ground(surface: Surface, ax: Axes, box: ArrayLike, levels: Levels = "auto") -> None:
    """Contour lines and tint of a surface of two coordinates over a box ((x0, x1), (y0, y1)); sets the axes' limits."""
    box = frame(box, "box")
    x, y, z = grid(surface, box, int(DRAWING["grid"]))
    heights = heights_of(z, levels)
    shade = np.linspace(1, 0, len(heights) - 1)
    tint = [to_rgba(GROUND, DRAWING["tint"] * s ** DRAWING["fade"]) for s in shade]
    ax.contourf(x, y, z, heights, colors=tint, antialiased=True)
    lines = [to_rgba(GROUND, 0.5)]
    ax.contour(x, y, z, heights[1:-1], colors=lines, linewidths=0.8, linestyles="solid")
    ax.set(xlim=box[0], ylim=box[1])
    label(ax, "$x$", "$y$")
    ax.locator_params(nbins=6)


def heights_of(z: NDArray, levels: Levels, n: int = int(DRAWING["lines"])) -> NDArray:
    """Heights for n - 1 contour lines of the values z, with their lowest and highest at the ends."""
    low, high = float(z.min()), float(z.max())
    if high <= low:
        return np.array([low - 1, low, low + 1])
    if levels == "linear":
        power = 1.0
    elif levels == "log":
        floor = max((np.quantile(z, DRAWING["low"]) - low) / (high - low), DRAWING["floor"])
        steps = np.concatenate([[0], np.geomspace(floor, 1, n)])
        return low + (high - low) * steps
    elif levels == "auto":  # the power for which half of the picture lies below the middle line
        middle = np.clip((np.median(z) - low) / (high - low), DRAWING["middle"], 0.5)
        power = float(np.log(middle) / np.log(0.5))
    else:
        raise ValueError(f"levels is {levels!r}: it must be 'auto', 'log' or 'linear'")
    heights = low + (high - low) * np.linspace(0, 1, n + 1) ** power
    # A line round next to nothing would only show the grid it was computed on.
    return np.concatenate([[low], heights[1:][heights[1:] > np.quantile(z, DRAWING["crumb"])]])


def mark_minima(surface: Surface, ax: Axes, box: NDArray) -> None:
    """A cross at each minimum that lies in the box."""
    inside = [m for m in surface.minima if all(a <= v <= b for v, (a, b) in zip(m, box, strict=True))]
    if inside:
        ax.plot(*np.transpose(inside), "+", color=GREY, markersize=9, markeredgewidth=1.6, zorder=3, clip_on=False)


def draw_walk(
    ax: Axes, path: ArrayLike, label: str = "", i: int = 0, box: ArrayLike | None = None, *, start: bool = True,
    arrows: bool = False, **style: Any,
) -> None:  # fmt: skip
    """One walk of shape (n, 2): its line within the box, some of its points, its start (ring) and end (dot)."""
    look, path = look_of(label, i), named_paths(path, 2)[""]
    box = np.array([ax.get_xlim(), ax.get_ylim()]) if box is None else frame(box, "box")
    inside, exit_ = within(path, box)
    base = {"color": look.colour, "linewidth": 1.8, "zorder": 4 + 0.1 * i, "solid_joinstyle": "round", **style}
    steps = len(path) - 1
    if arrows:
        _draw_steps(ax, inside, base)
    if not arrows:
        ax.plot(*inside.T, linestyle=look.line, **base)
    if label:  # line and marker as one entry of the legend
        ax.plot([], [], color=look.colour, linestyle=look.line, marker=look.marker, markersize=3.8, label=label)
    if steps and not arrows:
        marked = path[:: marks(len(path))]
        ax.plot(*marked[_in(marked, box)].T, look.marker, color=look.colour, markersize=3.8, zorder=base["zorder"])
    if start and _in(path[:1], box)[0]:
        ax.plot(*path[0], "o", color=look.colour, markerfacecolor="none", markersize=8.5, markeredgewidth=1.6, zorder=6)
    if exit_ is not None:
        _draw_exit(ax, *exit_, base)
    elif steps > 0 and _in(path[-1:], box)[0]:
        ax.plot(*path[-1], "o", color=look.colour, markersize=6.5, markeredgewidth=0, zorder=6)


def _draw_exit(ax: Axes, before: NDArray, edge: NDArray, base: dict[str, Any]) -> None:
    arrow = {"arrowstyle": "-|>,head_length=0.55,head_width=0.28", "color": base["color"], "shrinkA": 0, "shrinkB": 0}
    arrow["linewidth"] = base["linewidth"]
    ax.annotate("", (edge[0], edge[1]), (before[0], before[1]), arrowprops=arrow, zorder=6)


def _draw_steps(ax: Axes, points: NDArray, base: dict[str, Any]) -> None:
    arrow = {"arrowstyle": "-|>,head_length=0.4,head_width=0.2", "color": base["color"], "shrinkA": 0, "shrinkB": 0}
    for a, b in pairwise(points.tolist()):
        if np.isfinite(a + b).all():
            ax.annotate("", b, a, arrowprops={**arrow, "linewidth": base["linewidth"] * 0.75}, zorder=base["zorder"])


# --- cutting at the frame -----------------------------------------------------------------------


def _in(points: NDArray, box: NDArray) -> NDArray:
    return np.all((points >= box[:, 0]) & (points <= box[:, 1]), axis=1)


def within(path: NDArray, box: NDArray) -> tuple[NDArray, tuple[NDArray, NDArray] | None]:
    """The part of a walk of shape (n, 2) that lies in a box, with NaN rows where it is outside, and its final exit.

    Returns
    -------
    The points to draw, and, if the walk ends outside, the last segment's (inside point, point on the frame).

    >>> box = np.array([[0.0, 1.0], [0.0, 1.0]])
    >>> points, exit_ = within(np.array([[0.5, 0.5], [2.5, 0.5]]), box)
    >>> points.tolist(), [p.tolist() for p in exit_]
    ([[0.5, 0.5], [1.0, 0.5]], [[0.5, 0.5], [1.0, 0.5]])
    """
    if len(path) == 1:
        return path[_in(path, box)], None
    a, b = path[:-1], path[1:]
    with np.errstate(all="ignore"):  # Liang and Barsky; infinities and 0/0 of parallel segments are sorted out below
        d = b - a
        t = np.stack([(box[:, 0] - a) / d, (box[:, 1] - a) / d])
        parallel = d == 0
        out = (parallel & ((a < box[:, 0]) | (a > box[:, 1]))).any(axis=1)
        enter = np.where(parallel, 0, t.min(axis=0)).max(axis=1).clip(0, None)
        leave = np.where(parallel, 1, t.max(axis=0)).min(axis=1).clip(None, 1)
        seen = ~out & (enter <= leave) & np.isfinite(d).all(axis=1)
        start, stop = a + enter[:, None] * d, a + leave[:, None] * d
    points: list[NDArray] = []
    for k in np.flatnonzero(seen):
        if not points or not np.array_equal(points[-1], start[k]):
            if points:
                points.append(np.full(2, np.nan))
            points.append(start[k])
        # a point of the walk itself is kept to the last bit, so that neighbouring segments join
        points.append(b[k] if leave[k] == 1 else stop[k])
    if _in(path[-1:], box)[0] or not seen.any():
        return np.array(points).reshape(-1, 2), None
    last = np.flatnonzero(seen)[-1]
    return np.array(points), (start[last], stop[last])
