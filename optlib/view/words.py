"""The words of a picture, told apart from its lines: a page can say them in another language."""

import base64
import re
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from .style import FORMULA, house

_WORD = re.compile(r"[A-Za-z]{2}")
_AIR = 3  # image pixels around a text that belong to it: what its letters' edges shade


def words(figure: Figure, image: np.ndarray) -> list[dict[str, Any]]:
    """Of a drawn figure the texts that hold a word: what they say, where, how, and what lies under them.

    Parameters
    ----------
    figure : a figure as `pictures.pixels` leaves it
    image : its pixels, of shape (height, width, 4)

    Returns
    -------
    For each text ``text``, its ``box`` (left, top, right, bottom, in image pixels), its ``size`` in image pixels,
    ``colour``, ``align`` and ``turn`` in degrees, and as ``under`` the pixels of the box without it, a PNG in base64,
    if there are any.
    """
    from .pictures import encode

    height, width = image.shape[:2]
    with house():
        renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
        found, frame = [], Bbox.from_bounds(0, 0, width, height)
        for text in figure.findobj(Text):
            if text.get_visible() and _WORD.search(FORMULA.sub("", text.get_text())):
                extent = Text.get_window_extent(text, renderer)
                if frame.fully_containsx(extent.x0) and frame.fully_containsy(extent.y0) and extent.width > 0:
                    found.append((text, extent))
        seen = [(text, text.get_alpha()) for text, _ in found]
        for text, _ in found:
            text.set_alpha(0)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        bare = np.asarray(canvas.buffer_rgba()).copy()
        for text, alpha in seen:
            text.set_alpha(alpha)
    told = []
    for text, extent in found:
        left, right = max(0, int(extent.x0) - _AIR), min(width, int(extent.x1) + 1 + _AIR)
        top, bottom = max(0, int(height - extent.y1) - _AIR), min(height, int(height - extent.y0) + 1 + _AIR)
        under = bare[top:bottom, left:right]
        if np.array_equal(under, image[top:bottom, left:right]):
            continue  # it is hidden with its parent, or lies outside of what is drawn
        told.append({
            "text": text.get_text(), "box": [left, top, right, bottom], "colour": to_hex(text.get_color()),
            "size": round(float(text.get_fontsize()) * figure.dpi / 72, 1), "align": text.get_horizontalalignment(),
            "turn": round(float(text.get_rotation())),
            **({"under": base64.b64encode(encode(under)).decode()} if under[..., 3].any() else {}),
        })  # fmt: skip
    return told
