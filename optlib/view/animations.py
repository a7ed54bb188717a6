"""Walks that move: the ground is drawn once, each frame draws only what changes."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image as Pillow

from ..surfaces import Surface
from .contours import ground, height_for, mark_minima, within
from .pictures import Overlay, bundle, encode, encode_moving, settle
from .style import GREY, house, label, legend, listed, look_of, named_paths, panels

Image = NDArray[np.uint8]


class Animation:
    """Walks that move, as an APNG: an image that browsers, JupyterLab and VS Code play.

    `png` holds the animation's bytes, whose first frame has the complete walks in pale colours; `still` is a PNG of
    the end, for print.
    """

    def __init__(self, png: bytes, still: bytes, summary: str):
        self.png, self.still, self.summary = png, still, summary

    def __repr__(self) -> str:
        return f"<{self.summary}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        return bundle(self.png, repr(self))


def animate(
    surface: Surface, paths: Any, *, frames: int = 60, seconds: float = 4.0, loss: bool = False, width: float = 440
) -> Animation:
    """Walks on a surface of two coordinates, moving at the same pace; it plays without end.

    Parameters
    ----------
    paths : one walk of shape (steps + 1, 2), or a dict of them by name
    frames : number of pictures, 2 or more; longer walks skip points, their lines do not
    seconds : length of one round; the end stands a second longer
    loss : whether the losses are drawn beside, with the same clock
    width : in CSS pixels; with losses half as much again

    >>> from optlib import surfaces, view
    >>> view.animate(surfaces.bowl, {"sgd": [[3.0, 2.0], [1.5, 1.0]]}, frames=2)
    <animation on bowl: sgd>
    """
    if surface.dim != 2:
        raise ValueError(f"surface {surface.name!r} has {surface.dim} coordinate(s): animate draws two")
    if frames < 2:
        raise ValueError(f"frames is {frames}: an animation needs 2 or more")
    named = named_paths(paths, 2)
    if not named:
        raise ValueError("there is no walk to animate: give a path, or a dict of them by name")
    summary = f"animation on {surface.name}" + (f": {listed(named)}" if listed(named) else "")
    with house():
        figure, scenes = _stage(surface, named, loss, width)
        return Animation(*_film(figure, scenes, max(map(len, named.values())), frames, seconds), summary)


class _Scene:
    """One walk in one panel: its growing line and its head, over coordinates in which time is the index."""

    def __init__(self, ax: Axes, points: NDArray, colour: str, line: Any, label: str, faint: bool):
        self.points, self.ax = points, ax
        box = np.array([ax.get_xlim(), ax.get_ylim()])
        if faint:
            ax.plot(*within(points, box)[0].T, color=colour, linestyle=line, linewidth=1.2, alpha=0.4, zorder=3)
        ax.plot([], [], color=colour, linestyle=line, label=label or None)
        (self.trail,) = ax.plot([], [], color=colour, linestyle=line, linewidth=1.8, animated=True, zorder=4)
        (self.head,) = ax.plot([], [], "o", color=colour, markersize=6, markeredgewidth=0, animated=True, zorder=5)
        self.box = box

    def between(self, since: int, t: int) -> list[Artist]:
        """The walk from one time to another, and its head."""
        points = self.points[since : t + 1]
        self.trail.set_data(*within(points, self.box)[0].T)
        self.head.set_data(*self.points[min(t, len(self.points) - 1)][:, None])
        return [self.trail, self.head]


def _stage(surface: Surface, named: dict[str, NDArray], loss: bool, width: float) -> tuple[Figure, list[_Scene]]:
    box = np.asarray(surface.domain, dtype=float)
    height = height_for(box, width) + 20
    figure, axes = panels(1 + loss, size=(width * (1.45 if loss else 1), height), **_ratio(loss))
    ax = axes[0] if loss else axes
    ground(surface, ax, box)
    mark_minima(surface, ax, box)
    looks = [look_of(label, i) for i, label in enumerate(named)]
    scenes = [
        _Scene(ax, path, look.colour, look.line, label, True)
        for (label, path), look in zip(named.items(), looks, strict=True)
    ]
    if loss:
        scenes += _loss_scenes(surface, axes[1], named)
    if listed(named):
        legend(figure)
    return figure, scenes


def _ratio(loss: bool) -> dict[str, Any]:
    return {"width_ratios": [1.35, 1]} if loss else {}


def _loss_scenes(surface: Surface, ax: Axes, named: dict[str, NDArray]) -> list[_Scene]:
    losses = {}
    for name, path in named.items():
        with np.errstate(all="ignore"):
            losses[name] = np.asarray(surface(path), dtype=float)
    finite = np.concatenate([f[np.isfinite(f)] for f in losses.values()])
    positive = finite[finite > 0]
    ax.set_xlim(0, max(map(len, losses.values())) - 1 or 1)
    ceiling = 3 * max(f[0] for f in losses.values())
    if len(positive) == len(finite):
        ax.set_yscale("log")
        ax.set_ylim(positive.min() / 1.5, min(positive.max() * 1.5, ceiling))
    else:
        ax.set_ylim(finite.min() - 0.05 * np.ptp(finite), min(finite.max() + 0.05 * np.ptp(finite), ceiling))
    label(ax, "$t$", "$f$")
    ax.grid(True, axis="y", color=GREY)
    return [
        _Scene(ax, np.stack([np.arange(len(f)), f], axis=-1), look_of(name, i).colour, look_of(name, i).line, "", True)
        for i, (name, f) in enumerate(losses.items())
    ]


def _film(figure: Figure, scenes: list[_Scene], length: int, frames: int, seconds: float) -> tuple[bytes, bytes]:
    """The moving picture and the still of its end.

    Every sixth frame stays: its heads become beads at equal times, and later frames need not repeat its lines.
    """
    canvas = FigureCanvasAgg(figure)
    settle(figure)
    canvas.draw()
    ground = np.asarray(canvas.buffer_rgba()).copy()
    milliseconds = round(1000 * seconds / frames)
    overlays: list[Overlay] = []
    since, end = 0, ground
    for i, t in enumerate(np.linspace(0, length - 1, frames - 1).round().astype(int).tolist()):
        canvas.renderer.clear()
        for scene in scenes:
            for artist in scene.between(since, t):
                scene.ax.draw_artist(artist)
        kept, last = i % _BEAD == 0, i == frames - 2
        overlays.append(Overlay(np.asarray(canvas.buffer_rgba()).copy(), milliseconds + 1000 * last, kept))
        if kept or last:
            since, end = t, _laid(overlays[-1].image, end)
    return encode_moving(ground, overlays, milliseconds), encode(end)


_BEAD = 6


def _laid(above: Image, below: Image) -> Image:
    """One image laid over another."""
    return np.asarray(Pillow.alpha_composite(Pillow.fromarray(below), Pillow.fromarray(above)))
