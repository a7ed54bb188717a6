r"""Figures of the chapter in which one trains a language model, and what the course keeps in files for it.

>>> from downhill_course.figures import training
>>> training.losses({"sound": [4.3, 3.0, 2.6]}, every=20, marks={"letters": 3.1})
<held-out loss of 1 runs, 3 looks>
"""

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, GROUND, house, label, legend, panels, series

_LIMITS = (1.6, 4.5)  # of the loss: the picture returns
_DOTS = (0, (1, 1.6))


def _marked(ax: Any, marks: Mapping[str, float], right: float) -> None:
    for name, value in marks.items():
        ax.axhline(value, color=GROUND, linestyle=_DOTS, linewidth=1.4, zorder=2)
        ax.annotate(name, (right, value), xytext=(-2, 2), textcoords="offset points", ha="right", color=GROUND, size=9)


def losses(
    runs: Mapping[str, ArrayLike], *, every: int, marks: Mapping[str, float],
    limits: tuple[float, float] = _LIMITS, start: int = 0,
) -> Picture:  # fmt: skip
    """The chapter's picture: held-out loss against updates, with what simpler readers of the text reach.

    Parameters
    ----------
    runs : of each name the losses, of shape (looks,), or (seeds, looks): then their median and range
    every : updates from look to look, the first of which is at `start`. marks : losses to be dotted
    limits : of the loss axis

    >>> losses({"a": [[4.0, 2.0], [4.0, 2.2]]}, every=10, marks={"pairs": 2.4})
    <held-out loss of 1 runs, 2 looks>
    """
    figure, ax = panels(size=(520, 340))
    with house():
        for i, (name, values) in enumerate(runs.items()):
            rows = np.atleast_2d(np.asarray(values, dtype=float))
            t = start + every * np.arange(rows.shape[1])
            hue = series(i)
            if len(rows) > 1:
                ax.fill_between(t, rows.min(axis=0), rows.max(axis=0), color=hue, alpha=0.18, linewidth=0, zorder=1)
            ax.plot(t, np.median(rows, axis=0), color=hue, linewidth=2, label=name, zorder=4)
        _marked(ax, marks, t[-1])
        ax.set(xlim=(0, t[-1]), ylim=limits)
        ax.grid(True, axis="y")
    label(ax, "$t$", "$J$")
    legend(ax)
    return picture(figure, f"held-out loss of {len(runs)} runs, {len(t)} looks")


def over_rates(rates: ArrayLike, ends: Mapping[str, ArrayLike], *, marks: Mapping[str, float]) -> Picture:
    """The loss at the end against the rate, on the axis of the chapter's picture; what lies above is drawn at its edge.

    >>> over_rates([0.1, 0.2], {"plain": [2.5, 24.0]}, marks={"letters": 3.1})
    <loss over 2 rates: plain>
    """
    figure, ax = panels(size=(520, 300))
    eta = np.asarray(rates, dtype=float)
    with house():
        for i, (name, values) in enumerate(ends.items()):
            shown = np.minimum(np.asarray(values, dtype=float), _LIMITS[1])
            ax.plot(eta, shown, "o-", color=series(i), linewidth=2, label=name, zorder=4, clip_on=False)
            for x in eta[shown == _LIMITS[1]]:
                ax.annotate("", (x, _LIMITS[1]), xytext=(0, -16), textcoords="offset points",
                            arrowprops={"arrowstyle": "->", "color": series(i)})  # fmt: skip
        _marked(ax, marks, eta[-1])
        ax.set(xscale="log", ylim=_LIMITS, xlim=(eta[0], eta[-1]))
        ax.set_xticks(eta, [f"{x:g}" for x in eta], minor=False)
        ax.minorticks_off()
        ax.grid(True, axis="y")
    label(ax, r"$\eta$", "$J$")
    legend(ax)
    return picture(figure, f"loss over {len(eta)} rates: {', '.join(ends)}")


def curvatures(found: Mapping[float, ArrayLike], *, every: int, limit: float) -> Picture:
    """The largest curvature along walks of several rates, and for each the most that its rate bears, ``limit / rate``.

    >>> curvatures({0.1: [98.0, 12.0], 0.2: [98.0, 6.0]}, every=20, limit=3.8)
    <largest curvature of 2 walks, 2 looks>
    """
    figure, ax = panels(size=(520, 320))
    with house():
        for i, (rate, values) in enumerate(found.items()):
            S = np.asarray(values, dtype=float)
            t = every * np.arange(len(S))
            ax.plot(t, S, "o-", color=series(i), linewidth=2, label=rf"$\eta$ = {rate:g}", zorder=4)
            ax.axhline(limit / rate, color=series(i), linestyle=_DOTS, linewidth=1.6, zorder=2)
        ax.set(yscale="log", xlim=(0, t[-1]), ylim=(2, 130))
        ax.set_yticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
        ax.minorticks_off()
        ax.grid(True, axis="y")
    label(ax, "$t$", "$S$")
    legend(ax)
    return picture(figure, f"largest curvature of {len(found)} walks, {len(t)} looks")


def attention(weights: ArrayLike, text: str) -> Picture:
    """To which earlier characters (across) a head looks from each place of a text (down), dark for much.

    >>> attention([[1.0, 0.0], [0.3, 0.7]], "ab")
    <attention over 2 places>
    """
    A = np.asarray(weights, dtype=float)
    if A.shape != (len(text), len(text)):
        raise ValueError(
            f"weights has shape {A.shape}, but text has {len(text)} characters: both sides must be as long"
        )
    figure, ax = panels(size=(420, 420))
    with house():
        ax.imshow(A, cmap="Greys", vmin=0, vmax=1)
        names = [{" ": "␣", "\n": "¶"}.get(c, c) for c in text]
        ax.set_xticks(range(len(text)), names)
        ax.set_yticks(range(len(text)), names)
        ax.tick_params(length=0, labelsize=9, colors=GREY)
    return picture(figure, f"attention over {len(text)} places")


# --- what is kept in files --------------------------------------------------------------------------


def stored(name: str) -> Any:
    """What `downhill capstone` has computed and stored under a name, such as ``"contest"``."""
    file = resources.files("downhill_course").joinpath(f"_files/{name}.json")
    if not file.is_file():
        raise ValueError(
            f"name={name!r}: nothing is stored under it; `downhill capstone {name}` computes what is missing"
        )
    return json.loads(file.read_text(encoding="utf-8"))


def weights(language: str, parts: Mapping[str, Any]) -> NDArray:
    """The parameters of the model that writes in the page, of shape (d,), from a byte each.

    language : "en" or "zh". parts : of its model, as `Transformer.parts` gives them
    """
    return unpacked(*stored_bytes(language), parts)


def stored_bytes(language: str) -> tuple[NDArray, NDArray]:
    """The same as they are stored: what `packed` made of them."""
    if language not in ("en", "zh"):
        raise ValueError(f"language={language!r}: a model writes in 'en' and one in 'zh'")
    file = resources.files("downhill_course").joinpath(f"_files/writer-{language}.npz")
    with file.open("rb") as opened, np.load(opened) as kept:
        return kept["numbers"], kept["scales"]


def packed(theta: NDArray, parts: Mapping[str, Any]) -> tuple[NDArray, NDArray]:
    """Weights in a byte each: whole numbers from -127 to 127, and for each column of each matrix what they are times.

    >>> numbers, scales = packed(np.array([0.5, -2.0, 0.25, 1.0]), {"W": (slice(0, 4), (2, 2), "hidden")})
    >>> numbers, scales.round(4)
    (array([ 127, -127,   64,   64], dtype=int8), array([0.0039, 0.0157], dtype=float32))
    """
    numbers, scales = [], []
    for where, shape, _ in parts.values():
        W = theta[where].reshape(shape)
        scale = (np.maximum(np.abs(W).max(axis=0), 1e-12) / 127).astype(np.float32)
        numbers.append(np.rint(W / scale).astype(np.int8).ravel())
        scales.append(scale)
    return np.concatenate(numbers), np.concatenate(scales)


def unpacked(numbers: NDArray, scales: NDArray, parts: Mapping[str, Any]) -> NDArray:
    """The same back, to half of a scale.

    >>> unpacked(np.array([2, -1], np.int8), np.array([0.5, 1.0]), {"W": (slice(0, 2), (1, 2), "hidden")})
    array([ 1., -1.])
    """
    theta, column = np.empty(len(numbers)), 0
    for where, (a, b), _ in parts.values():
        theta[where] = (numbers[where].reshape(a, b) * scales[column : column + b].astype(float)).ravel()
        column += b
    return theta
