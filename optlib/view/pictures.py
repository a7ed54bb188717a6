"""A finished picture: PNG bytes that are small, transparent, sharp, and the same on every run."""

import base64
import io
import os
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

from .style import CSS_PIXELS, DENSITY, house, least, tall
from .words import words


class Picture:
    """A Matplotlib figure that Jupyter shows as a PNG of double density, on a transparent ground.

    Parameters
    ----------
    figure : the figure, best from :func:`optlib.view.panels`
    summary : what stands for it in plain text, such as ``contour of ravine: sgd``; it becomes part of the notebook,
        so it must not change from run to run

    It is drawn when it is first looked at, and once.

    >>> from optlib import view
    >>> view.Picture(view.panels()[0], "nothing yet")
    <nothing yet>
    """

    def __init__(self, figure: Figure, summary: str):
        self.figure = figure
        self.summary = summary
        self._png: bytes | None = None

    def __repr__(self) -> str:
        return f"<{self.summary}>"

    @property
    def png(self) -> bytes:
        """The PNG file's bytes."""
        if self._png is None:
            self._png = encode(pixels(self.figure))
        return self._png

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:
        data, metadata = bundle(self.png, repr(self))
        if os.environ.get("OPTLIB_STATIC", "") not in ("", "0") and (said := words(self.figure, pixels(self.figure))):
            metadata["image/png"]["words"] = said
        return data, metadata

    def save(self, path: str | Path) -> None:
        """Write the picture to a ``.png``, ``.svg`` or ``.pdf`` file, as the ending says.

        Raises
        ------
        ValueError : another ending.
        """
        path = Path(path)
        if path.suffix == ".png":
            path.write_bytes(self.png)
        elif path.suffix in (".svg", ".pdf"):
            dated = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"CreationDate": None}
            with house():
                settle(self.figure)
                self.figure.savefig(path, format=path.suffix[1:], metadata=dated, transparent=True)
        else:
            raise ValueError(f"{path.name!r} ends in {path.suffix!r}: a picture is saved as .png, .svg or .pdf")


def picture(figure: Figure, summary: str) -> Picture:
    """The figure as a :class:`Picture`: what the last line of a figure function returns."""
    return Picture(figure, summary)


def bundle(png: bytes, text: str) -> tuple[dict[str, str], dict[str, Any]]:
    """What a notebook stores of a picture: the image, its size in CSS pixels, and the text that stands for it."""
    width, height = (round(n / DENSITY) for n in Image.open(io.BytesIO(png)).size)
    data = {"image/png": base64.b64encode(png).decode(), "text/plain": text}
    return data, {"image/png": {"width": width, "height": height}}


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """The drawn figure as an array of shape (height, width, 4), double density."""
    with house():
        canvas = FigureCanvasAgg(figure)
        settle(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba()).copy()


def film(figures: list[Figure], path: Path, seconds: float) -> None:
    """Figures of one size, one after another, as a GIF on white paper; the last one stays for a while."""
    frames = []
    for figure in figures:
        drawn = Image.fromarray(pixels(figure))
        paper = Image.new("RGBA", drawn.size, "white")
        frames.append(Image.alpha_composite(paper, drawn).convert("P", palette=Image.Palette.ADAPTIVE))
    each = round(1000 * seconds / len(frames))
    durations = [each] * (len(frames) - 1) + [each + 1500]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)


def settle(figure: Figure) -> None:
    """Double density, letters that a phone can show, and the layout found once and for all: a second search would
    move things by a pixel."""
    figure.set_dpi(CSS_PIXELS * DENSITY)
    engine = figure.get_layout_engine()
    if engine is not None:
        enlarge(figure)
        engine.execute(figure)
        figure.set_layout_engine("none")


def enlarge(figure: Figure) -> None:
    """Raise letters that would be too small on a phone to the least size for the figure's width."""
    size = least(figure)
    for ax in figure.axes:
        for axis in (getattr(ax, f"{name}axis") for name in "xyz" if hasattr(ax, f"{name}axis")):
            for which in ("major", "minor"):
                old = axis.get_tick_params(which).get("labelsize", mpl.rcParams["xtick.labelsize"])
                axis.set_tick_params(which, labelsize=max(size, old))
    for text in figure.findobj(Text):
        text.set_fontsize(max(size * tall(text.get_text()), text.get_fontsize()))


def encode(image: NDArray[np.uint8]) -> bytes:
    """An image of shape (height, width, 4) as a PNG, with as few colours as it needs.

    Of Pillow's ways to choose a palette, the one that knows opacity is off by 4 to 9 on a map, and this by 1.5.
    """
    keys, where = _colours(image)
    counts = np.bincount(where.ravel())
    for size in (32, 48, 64, 96, 128, 192, 256):
        palette = _palette(keys, counts, size)
        nearest = _nearest(keys, palette)
        error = np.square(_seen(palette)[nearest] - _seen(_rgba(keys))).sum(-1)
        if error @ counts < _UNSEEN**2 * where.size:
            break
    file = io.BytesIO()
    indexed = Image.fromarray(nearest[where], "P")
    indexed.putpalette(palette[:, :3].tobytes())
    indexed.save(file, "PNG", optimize=True, transparency=palette[:, 3].tobytes())
    return file.getvalue()


_UNSEEN = 2.0  # root mean square distance of four channels, in steps of 1/255, that nobody sees


def _colours(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    """The different colours of an image, each as one number, and which of them each pixel has."""
    # Colour under zero opacity is noise: without it all transparent pixels are one.
    image = np.where(image[..., 3:] == 0, np.uint8(0), image)
    pixels = np.ascontiguousarray(image).view(np.uint32)[..., 0]
    keys = np.unique(pixels)
    return keys, np.searchsorted(keys, pixels)  # half the time of unique's own inverse


def _rgba(keys: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return keys.view(np.uint8).reshape(-1, 4)


def _palette(keys: NDArray[np.uint32], counts: NDArray, size: int) -> NDArray[np.uint8]:
    """The colours that tell the most, of shape (at most size, 4): half of them the commonest, exactly; the others
    stand for groups of what is left, so that no hue is without a representative."""
    order = np.argsort(-counts, kind="stable")
    counts, rgba = counts[order], _rgba(keys[order])
    if len(rgba) <= size:
        return rgba
    half = size // 2
    groups = _groups(_seen(rgba[half:]), counts[half:], size - half)
    commonest = [int(group[counts[half:][group].argmax()]) for group in groups]
    return np.concatenate([rgba[:half], rgba[half:][commonest]])


def _groups(points: NDArray, weights: NDArray, n: int) -> list[NDArray]:
    """Median cut: the group with the most to tell is halved, across its longest side, until there are n."""
    groups: list[tuple[float, int, NDArray]] = []  # a heap; the number settles ties
    number = count()

    def add(group: NDArray) -> None:
        tells = float(weights[group].sum() * np.ptp(points[group], axis=0).max())
        heappush(groups, (-tells, next(number), group))

    add(np.arange(len(points)))
    while len(groups) < n and groups[0][0] < 0:
        _, _, group = heappop(groups)
        side = points[group, np.ptp(points[group], axis=0).argmax()]
        group = group[np.argsort(side, kind="stable")]
        share = np.cumsum(weights[group])
        middle = int(np.clip(np.searchsorted(share, share[-1] / 2), 1, len(group) - 1))
        add(group[:middle])
        add(group[middle:])
    return [group for _, _, group in groups]


def _nearest(keys: NDArray[np.uint32], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The number of the nearest palette colour for each colour."""
    target = _seen(palette)
    return (np.square(target).sum(1) - 2 * _seen(_rgba(keys)) @ target.T).argmin(1).astype(np.uint8)


def _seen(rgba: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Colours as they look on the page, multiplied by their opacity: distances between them are what the eye sees."""
    colour = rgba.astype(np.float32)
    return np.concatenate([colour[..., :3] * colour[..., 3:] / 255, colour[..., 3:]], axis=-1)
