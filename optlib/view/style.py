"""House style: one colour for each algorithm, a grey that is read on paper and in the dark, figures without pyplot."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import text_to_path
from numpy.typing import ArrayLike, NDArray

from .. import rules
from .._inputs import number, numbers, shown, whole

#: Text, ticks and frames: the grey whose contrast is the same (4.29 : 1) on white and on the dark page's #131416.
GREY = "#7a7a7a"
#: Contour lines and fills. Opacity carries the height, so the same colour is pale on paper and dim in the dark.
GROUND = "#4a86b8"
#: A tile without colour, which neither vanishes on the light page nor glares on the dark one, and letters on it.
TILE, INK = "#c2bdb8", "#1d1d1d"

CSS_PIXELS = 96  # CSS pixels an inch
DENSITY = 2  # image pixels a CSS pixel
PHONE = 328  # CSS pixels that a figure has on a phone of 360
SMALL = 11  # CSS pixels of the smallest letters that are read there
FORMULA = re.compile(r"(?<!\\)\$[^$]*\$")


class Look(NamedTuple):
    """How an algorithm is drawn: colour, dash pattern and marker, so that no cue stands alone."""

    colour: str
    line: Any
    marker: str


_LINES: dict[str, Any] = {
    "solid": "-", "dash": (0, (4, 1.5)), "dot": (0, (1, 1.2)), "dashdot": (0, (5, 1.2, 1, 1.2)), "long": (0, (8, 2)),
}  # fmt: skip


def _looks() -> dict[str, Look]:
    """The looks that `rules.ROWS` name, which must differ."""
    found: dict[str, Look] = {}
    for name, row in rules.ROWS.items():
        head = rules.ROWS[row.kin] if row.kin else row
        new = Look(head.colour, _LINES[row.line], row.marker or head.marker)
        for other in (other for other, look in found.items() if look == new):
            raise ValueError(f"optlib/rules.py: the rows of {other} and {name} look the same: give one another line")
        found[name] = new
    return {**found, "rprop": found["rprop_minus"]._replace(line="-")}


LOOKS: dict[str, Look] = _looks()

SERIES = ("#0a8f8f", "#d9622b", "#5b6ee1", "#a07a00", "#c2478f", "#6b6b6b", "#3f8f3f", "#9a5bd0")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "d")


def look(rule: str | Callable) -> Look:
    """Colour, dashes and marker of an algorithm, given its function or its name.

    Raises
    ------
    KeyError : no algorithm of that name.

    >>> from optlib import rules
    >>> look(rules.adam) == look("Adam")
    True
    """
    name = _key(rule)
    if name not in LOOKS:
        near = difflib.get_close_matches(name, LOOKS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(LOOKS)}."
        raise KeyError(f"no algorithm {name!r} has a colour: {hint} For anything else take view.series(0), (1), ...")
    return LOOKS[name]


def colour(rule: str | Callable) -> str:
    """The one colour of an algorithm throughout the book, as ``#rrggbb``; for other curves see :func:`series`.

    >>> colour("adam") == colour("Adam")
    True
    """
    return look(rule).colour


def series(i: int) -> str:
    """Colour number i (from 0, repeating after eight) for a curve that is no algorithm, as ``#rrggbb``.

    >>> series(0) == series(8), series(0) == series(1)
    (True, False)
    """
    return SERIES[i % len(SERIES)]


def tile(i: int, share: float) -> tuple[float, ...]:
    """Opaque colour number i, as much of it as `share` (0 to 1) says: a tile on which INK is read in light and dark."""
    return tuple((1 - share) * np.array(to_rgb(TILE)) + share * np.array(to_rgb(series(i))))


def look_of(label: str, i: int) -> Look:
    """The look of the i-th of several named things: an algorithm's own if the label names one, else the i-th series."""
    if _key(label) in LOOKS:
        return LOOKS[_key(label)]
    return Look(series(i), "-", _MARKERS[i % len(_MARKERS)])


def marks(n: int) -> int:
    """Of a line of n points, how many to go on from one marker to the next: few points have all, many about a dozen."""
    return 1 if n <= 41 else n // 12


def _key(rule: str | Callable) -> str:
    name = rule if isinstance(rule, str) else getattr(rule, "__name__", repr(rule))
    return name.strip().lower().replace("-", "_").replace(" ", "_")


# --- figures ------------------------------------------------------------------------------------

_RC: dict[str, Any] = {
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none", "savefig.edgecolor": "none",
    "figure.dpi": CSS_PIXELS, "font.size": 10.5, "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"],
    "mathtext.fontset": "cm", "axes.unicode_minus": True,
    "text.color": GREY, "axes.labelcolor": GREY, "axes.titlecolor": GREY, "axes.edgecolor": GREY,
    "xtick.color": GREY, "ytick.color": GREY, "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11.0, "axes.labelsize": 12.0,
    "xtick.labelsize": 9.5, "ytick.labelsize": 9.5, "xtick.major.width": 0.8, "ytick.major.width": 0.8,
    "lines.linewidth": 1.8, "lines.markersize": 4.5, "lines.markeredgewidth": 0.0,
    "lines.solid_capstyle": "round", "lines.dash_capstyle": "butt",
    "legend.frameon": False, "legend.fontsize": 10.0, "legend.handlelength": 1.5, "legend.columnspacing": 1.1,
    "axes.prop_cycle": cycler(color=SERIES), "svg.fonttype": "path", "svg.hashsalt": "optlib",
    "axes.grid": False, "grid.color": GREY, "grid.alpha": 0.2, "grid.linewidth": 0.6,
    "axes.formatter.useoffset": False, "axes.formatter.use_mathtext": True,
}  # fmt: skip
# All other settings are Matplotlib's defaults: a reader's own rcParams cannot change the book's pictures.
_READERS = ("backend", "interactive", "toolbar")
_HOUSE: Any = {k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith(_READERS)} | _RC


@contextmanager
def house() -> Iterator[None]:
    """House style while figures are made and drawn; what the reader set in rcParams is back afterwards."""
    with mpl.rc_context(_HOUSE):
        yield


def panels(
    shape: int | tuple[int, int] = 1, *, size: tuple[float, float] | None = None, **kw: Any
) -> tuple[Figure, Any]:
    """A figure in house style and its axes, made without pyplot (nothing to close, nothing global).

    Parameters
    ----------
    shape : number of panels side by side, or (rows, columns); several give an array of axes of that shape
    size : width and height in CSS pixels; by default 640 wide (480 for one panel). Text does not
        shrink with it, but a phone shows 360 pixels: panels for phones stand one above the other, (2, 1)
    **kw : as for :meth:`matplotlib.figure.Figure.subplots`, such as ``sharey=True``, ``width_ratios=[2, 1]``,
        ``subplot_kw={"projection": "3d"}``

    >>> figure, (left, right) = panels(2, sharey=True)
    >>> left.get_ylim() == right.get_ylim()
    True
    """
    rows, columns = (1, shape) if isinstance(shape, (int, np.integer)) else shape
    rows, columns = whole(rows, "shape: rows"), whole(columns, "shape: columns")
    if size is None:
        width = 480.0 if rows * columns == 1 else 640.0
        size = (width, rows * (width / columns / 1.3 if columns > 1 else width / 1.5))
    if np.shape(size) != (2,):
        raise ValueError(f"size={shown(size)}: it must be (width, height), in CSS pixels")
    size = (number(size[0], "size: width", 1.0), number(size[1], "size: height", 1.0))
    if "3d" in str(kw.get("subplot_kw", {}).get("projection", "")):
        import_module("mpl_toolkits.mplot3d")  # it registers the projection
    with house():
        layout = ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04)
        figure = Figure(figsize=(size[0] / CSS_PIXELS, size[1] / CSS_PIXELS), layout=layout)
        axes = figure.subplots(rows, columns, **kw)
    return figure, axes


def label(ax: Axes, x: str, y: str) -> None:
    """Names of the two axes: symbols such as ``"$t$"``, the vertical one upright."""
    with house():
        ax.set_xlabel(x, color=GREY)
        ax.set_ylabel(y, color=GREY, rotation=0, ha="right", va="center")


def least(figure: Figure) -> float:
    """The smallest letters of a figure, in points, that a phone still shows large enough; a figure of more than two
    phones' width is for a tap that enlarges it, and keeps its letters."""
    width = figure.get_figwidth() * CSS_PIXELS
    return SMALL * 72 / CSS_PIXELS * max(1.0, width / PHONE) if width < 2 * PHONE else 0.0


def legend(where: Axes | Figure, place: str = "above", **kw: Any) -> None:
    """A legend above the axes, or one above the whole figure, where it hides nothing.

    Parameters
    ----------
    where : axes; or a figure, whose panels' entries are then joined, each name once
    place : ``"above"``, or for axes a place inside that Matplotlib knows, such as ``"upper right"``
    **kw : as for Matplotlib's legend
    """
    figure = where if isinstance(where, Figure) else figure_of(where)
    if place == "above" and len(figure.axes) == 1:
        where = figure  # only its own panel would be squeezed by a wide legend
    entries: dict[str, Any] = {}
    for ax in where.axes if isinstance(where, Figure) else [where]:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    if not entries:
        return
    at: dict[str, Any] = {"loc": place}
    size = max(10.0, least(figure))
    if place == "above":
        room = where.bbox.width * CSS_PIXELS / figure.dpi
        at = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.3}
        if isinstance(where, Figure):
            at = {"loc": "outside upper left"}
        with house():
            at["ncols"] = _columns([5.3 * size + _width(name, size) for name in entries], room)
    with house():
        where.legend([*entries.values()], [*entries], **{**at, "labelcolor": GREY, "fontsize": size, **kw})


def tall(text: str) -> float:
    """How much larger than words a text is set: formulas alone 1.27 times, since Computer Modern's small letters are
    that much lower than DejaVu Sans's; the powers of ten on an axis have the latter's.

    >>> tall(r"$p=4$, $\\eta=1$"), tall("$J$ (adam)"), tall(r"$\\mathdefault{10^{2}}$")
    (1.27, 1.0, 1.0)
    """
    formulas = "$" in text and r"\mathdefault" not in text and not re.search(r"\w", FORMULA.sub("", text))
    return 1.27 if formulas else 1.0


def _width(text: str, size: float) -> float:
    """A text's width in CSS pixels, its letters as large as `tall` says."""
    font = FontProperties(size=size * tall(text))
    return text_to_path.get_text_width_height_descent(text, font, ismath="$" in text)[0] * CSS_PIXELS / 72


def _columns(widths: list[float], room: float) -> int:
    """The most columns in which entries of these widths (in pixels) fit; a legend is filled column by column."""
    for columns in range(len(widths), 1, -1):
        if sum(max(column) for column in np.array_split(widths, columns)) <= room:  # as Matplotlib deals them out
            return columns
    return 1


def figure_of(ax: Axes) -> Figure:
    """The figure an axes stands in."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("this axes stands in no figure any more: make a new one with view.panels()")
    return figure


# --- walks --------------------------------------------------------------------------------------


def frame(value: Any, name: str, shape: tuple[int, ...] = (2, 2)) -> NDArray:
    """The part of a line or a plane that is shown, as an array: a pair (low, high) for each coordinate."""
    box = numbers(value, name)
    if box.shape != shape or not np.isfinite(box).all() or not (box[..., 0] < box[..., 1]).all():
        pairs = "(low, high)" if shape == (2,) else "((low, high), (low, high))"
        raise ValueError(f"{name}={shown(value)}: it must be {pairs}, finite, each low below its high")
    return box


def not_drawn(surface: Any) -> str:
    """What to do with a surface of another number of coordinates."""
    instead = {1: "draw it with view.curve", 2: "draw it with view.contour"}.get(
        surface.dim, "draw a plane through it (optlib.tricks.plane), or losses against steps (view.loss_curves)"
    )
    return f"surface {surface.name!r} has {surface.dim} coordinate{'s' * (surface.dim > 1)}: {instead}"


def named_paths(paths: Any, dim: int) -> dict[str, NDArray]:
    """Paths by label, each of shape (n, dim), from one array, a dict, or nothing.

    Raises
    ------
    ValueError : a path of another shape, with its label and shape.
    """
    if paths is None:
        return {}
    items: Mapping[Any, ArrayLike] = paths if isinstance(paths, Mapping) else {"": paths}
    named = {}
    for label, path in items.items():
        label = label if isinstance(label, str) else getattr(label, "__name__", str(label))
        array = numbers(path, f"path {label!r}")
        if array.ndim != 2 or array.shape[1] != dim or not len(array):
            raise ValueError(
                f"path {label!r} has shape {array.shape}, but a walk on this surface has shape (steps + 1, {dim}), "
                "as optlib.descend returns it"
            )
        named[label] = array
    return named


def listed(names: Any) -> str:
    """The non-empty labels, joined; for the text that stands for a picture."""
    return ", ".join(name for name in names if name)
