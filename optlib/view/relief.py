"""Two coordinates seen as a landscape, with the walk above it and its shadow in the plane where it truly lives."""

from typing import Any

import numpy as np
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from .._inputs import number
from ..surfaces import Range, Surface
from .contours import grid, heights_of, within
from .pictures import Picture
from .style import GREY, GROUND, figure_of, frame, house, legend, listed, look_of, named_paths, not_drawn, panels


def surface(
    surface: Surface, paths: Any = None, *, elev: float = 32, azim: float = -60, ax: Any = None, floor: bool = True,
    domain: tuple[Range, Range] | None = None, top: float | None = None, width: float = 480, key: bool = True,
) -> Picture:  # fmt: skip
    """A surface of two coordinates as a landscape.

    Parameters
    ----------
    surface : a surface of two coordinates
    paths : one walk of shape (steps + 1, 2), or a dict of them by name, drawn on the landscape
    elev, azim : height and direction of the eye, in degrees
    ax : axes with ``projection="3d"`` to draw into; by default a new figure
    floor : whether to draw the x-y plane below, with contour lines and the walks' shadows: the walk itself
    domain : the part of the plane that is shown; by default the surface's
    top : heights above it are not shown; by default all are
    key : whether there is a legend; of several panels it stands best once above all, with ``view.legend(figure)``
    width : in CSS pixels, of a new figure

    >>> from optlib import surfaces, view
    >>> view.surface(surfaces.saddle)
    <surface of saddle>
    """
    if surface.dim != 2:
        raise ValueError(not_drawn(surface))
    named = named_paths(paths, 2)
    if ax is None:
        _, ax = panels(size=(width, 0.8 * width), subplot_kw={"projection": "3d"})
    elif not hasattr(ax, "get_zlim"):
        raise ValueError('these axes are flat: make them with view.panels(subplot_kw={"projection": "3d"})')
    box = frame(surface.domain if domain is None else domain, "domain")
    with house():
        _dress(ax, number(elev, "elev", -np.inf), number(azim, "azim", -np.inf))
        bottom = _land(surface, ax, box, floor, top)
        for i, (label, path) in enumerate(named.items()):
            _walk(surface, ax, path, label, i, box, bottom, top)
        if key and listed(named):
            legend(ax)
    return Picture(figure_of(ax), f"surface of {surface.name}" + (f": {listed(named)}" if listed(named) else ""))


def _dress(ax: Any, elev: float, azim: float) -> None:
    ax.view_init(elev=elev, azim=azim)
    ax.computed_zorder = False  # the walk is never hidden
    ax.set_box_aspect((1, 1, 0.72), zoom=1.02)
    for axis, name in zip((ax.xaxis, ax.yaxis, ax.zaxis), "xyf", strict=True):
        axis.pane.set_visible(False)
        axis.line.set_color(to_rgba(GREY, 0.6))
        axis.set_label_text(f"${name}$")
        axis._axinfo["grid"]["linewidth"] = 0  # the only way to thin a 3-D grid
        axis.set_major_locator(MaxNLocator(nbins=4, prune="both"))  # unpruned, labels collide in the corners
    ax.tick_params(pad=-2, labelsize=8.5)
    ax.xaxis.labelpad = ax.yaxis.labelpad = ax.zaxis.labelpad = -4


def _land(surface: Surface, ax: Any, box: NDArray, floor: bool, top: float | None) -> float:
    """Draw the landscape and the plane below it; the plane's height."""
    x, y, z = grid(surface, box, 121)
    high = float(z.max()) if top is None else top
    low = float(z.min())
    bottom = low - (0.7 * (high - low) if floor else 0)
    heights = heights_of(np.minimum(z, high), "auto")
    if floor:
        tint = [to_rgba(GROUND, 0.30 + 0.45 * s) for s in np.linspace(1, 0, len(heights) - 2)]
        lines = {"colors": tint, "linestyles": "solid", "linewidths": 0.8, "zorder": 1}
        ax.contour(x, y, np.minimum(z, high), heights[1:-1], zdir="z", offset=bottom, **lines)
    shown = np.minimum(np.where(_near(z <= high), z, np.nan), high)
    ax.plot_surface(
        x, y, shown, facecolors=_lit(np.minimum(z, high), box, heights), rcount=121, ccount=121, shade=False,
        linewidth=0, antialiased=False, zorder=2,
    )  # fmt: skip
    ax.set(xlim=box[0], ylim=box[1], zlim=(bottom, high))
    ax.set_zticks([t for t in MaxNLocator(nbins=4).tick_values(low, high) if low <= t <= high])
    return bottom


def _near(mask: NDArray) -> NDArray:
    """The mask and its neighbours: a rim is cut level, one cell beyond the height, instead of in teeth."""
    wide = np.pad(mask, 1)
    rows, columns = mask.shape
    return np.any([wide[i : i + rows, j : j + columns] for i in range(3) for j in range(3)], axis=0)


def _lit(z: NDArray, box: NDArray, heights: NDArray) -> NDArray:
    """Colours of the landscape: darker in the depth, brighter where it faces the light."""
    scaled = (z - z.min()) / (np.ptp(z) or 1)
    dy, dx = np.gradient(scaled, 1 / z.shape[0], 1 / z.shape[1])
    normal = np.stack([-dx, -dy, np.full_like(z, 1.5)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = np.clip(normal @ np.array([-0.45, -0.35, 0.82]), 0, 1)
    depth = np.interp(z, heights, np.linspace(0, 1, len(heights)))[..., None]
    deep, pale = np.array(to_rgb("#4f8fc4")), np.array(to_rgb("#dbe8f2"))
    return np.clip((deep + (pale - deep) * depth) * (0.76 + 0.30 * light[..., None]), 0, 1)


def _walk(
    surface: Surface, ax: Any, path: NDArray, label: str, i: int, box: NDArray, bottom: float, top: float | None
) -> None:
    look = look_of(label, i)
    points, _ = within(path, box)
    if not len(points):
        return
    z = np.asarray(surface(points))
    if top is not None:
        z = np.where(z > top, np.nan, z)
    x, y = points.T
    if bottom < np.nanmin(z):
        ax.plot(x, y, bottom, color=look.colour, linewidth=1.1, linestyle=look.line, alpha=0.75, zorder=1.5)
        ends = np.array([0, -1])
        ax.plot(x[ends], y[ends], bottom, "o", color=look.colour, markersize=3.5, markeredgewidth=0, zorder=1.6)
    ax.plot(x, y, z, color=look.colour, linestyle=look.line, linewidth=2.0, label=label or None, zorder=5)
    ring = {"markersize": 8, "markerfacecolor": "none", "markeredgewidth": 1.6}
    ax.plot(x[:1], y[:1], z[:1], "o", color=look.colour, zorder=6, **ring)
    ax.plot(x[-1:], y[-1:], z[-1:], "o", color=look.colour, markersize=6.5, markeredgewidth=0, zorder=6)
