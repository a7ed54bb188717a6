"""A finished picture: PNG bytes that are small, transparent, sharp, and the same on every run."""

import base64
import io
import struct
import zlib
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from .style import CSS_PIXELS, DENSITY, house


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
        return bundle(self.png, repr(self))

    def save(self, path: str | Path) -> None:
        """Write the picture to a ``.png`` or ``.svg`` file, as the ending says.

        Raises
        ------
        ValueError : another ending.
        """
        path = Path(path)
        if path.suffix == ".png":
            path.write_bytes(self.png)
        elif path.suffix == ".svg":
            with house():
                settle(self.figure)
                self.figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
        else:
            raise ValueError(f"{path.name!r} ends in {path.suffix!r}: a picture is saved as .png or .svg")


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


def settle(figure: Figure) -> None:
    """Double density, and the layout found once and for all: a second search would move things by a pixel."""
    figure.set_dpi(CSS_PIXELS * DENSITY)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def encode(image: NDArray[np.uint8]) -> bytes:
    """An image of shape (height, width, 4) as a PNG, with as few colours as it needs."""
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


# --- moving pictures ----------------------------------------------------------------------------

_KEEP, _REVERT = 0, 2  # what becomes of the canvas after a frame
_REPLACE, _OVER = 0, 1  # how a frame is laid on the canvas


class Overlay(NamedTuple):
    """One frame of a moving picture: an image laid over what is there, which stays (`kept`) or is taken away again."""

    image: NDArray[np.uint8]
    milliseconds: int
    kept: bool


def encode_moving(ground: NDArray[np.uint8], overlays: list[Overlay], milliseconds: int) -> bytes:
    """An APNG that shows the ground, then the overlays, without end; what knows no APNG shows the ground.

    Only what is new is stored. Pillow's writer stores whole rectangles, ten times as much: on a transparent ground it
    can erase nothing by painting over.
    """
    sample = np.stack([ground, *(o.image for o in overlays[:: max(len(overlays) // 4, 1)])])
    keys, where = _colours(sample)
    palette = _palette(keys, np.bincount(where.ravel()), 128)
    height, width = ground.shape[:2]
    file = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 3, 0, 0, 0))]
    file += [_chunk(b"acTL", struct.pack(">2I", len(overlays) + 1, 0))]
    file += [_chunk(b"PLTE", palette[:, :3].tobytes()), _chunk(b"tRNS", palette[:, 3].tobytes())]
    file += [_frame(0, 0, 0, ground, milliseconds, _KEEP, _REPLACE), _chunk(b"IDAT", _packed(ground, palette))]
    for i, overlay in enumerate(overlays):
        top, left, part = _cropped(overlay.image)
        after = _KEEP if overlay.kept else _REVERT
        file.append(_frame(2 * i + 1, top, left, part, overlay.milliseconds, after, _OVER))
        file.append(_chunk(b"fdAT", struct.pack(">I", 2 * i + 2) + _packed(part, palette)))
    return b"".join([*file, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _frame(number: int, top: int, left: int, part: NDArray, time: int, after: int, blend: int) -> bytes:
    height, width = part.shape[:2]
    return _chunk(b"fcTL", struct.pack(">5I2H2B", number, width, height, left, top, time, 1000, after, blend))


def _packed(image: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    keys, where = _colours(image)
    rows = np.pad(_nearest(keys, palette)[where], ((0, 0), (1, 0)))  # each row begins with its filter: 0, none
    return zlib.compress(rows.tobytes(), 9)


def _cropped(image: NDArray[np.uint8]) -> tuple[int, int, NDArray[np.uint8]]:
    """The part that is not transparent (one pixel at least), with its top and left."""
    rows, columns = (np.flatnonzero(image[..., 3].any(axis=k)) for k in (1, 0))
    if not len(rows):
        return 0, 0, image[:1, :1]
    top, left = rows[0], columns[0]
    return int(top), int(left), image[top : rows[-1] + 1, left : columns[-1] + 1]
