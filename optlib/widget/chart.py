"""Curves with a scrubber: numbers that a notebook computed, which the reader drags through time and through variants.

The explorer walks anew at every touch; what takes longer, such as training a network, is computed once, when the
notebook runs, and stored in its cell. The same module draws it, in a live notebook and on the site.
"""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._inputs import finite, number, numbers
from . import labels
from .explorer import SYMBOLS, Figure, spoken

Words = str | tuple[str, str]  #: the same in both languages, or (English, Chinese)
MOST = 40_000  #: numbers that a figure may hold: a page carries them
#: Colours for the parts of a whole, ochre, green and purple first: which of `view.SERIES`, which of `palette.SERIES`.
PARTS = (3, 6, 7, 0, 1, 2, 4, 5), (3, 6, 4, 0, 1, 2, 5, 7)


class Curves(Figure):
    """Curves over time with a scrubber; a slider that goes through variants, and early stopping, where asked for.

    Parameters
    ----------
    curves : name -> values of shape (n,), such as ``{"train": ..., "test": ...}``; or, with `over`, a dict of those for
        each value of the slider. What is not finite is left out of the picture
    x : the times, of shape (n,), ascending; by default 0, 1, 2, …
    over : name of the slider, such as "alpha" or "lr"
    begin : the value of the slider that the figure begins with; by default the first
    at : the time that the scrubber begins at; by default the last
    names : name of a curve -> what the reader sees, one text or a pair (English, Chinese); a curve that is called like
        an algorithm has its name and colour
    axes : what runs along the two axes, each one text or a pair
    log : logarithmic height
    stacked : the curves are parts of a whole and stand on one another as bars, such as what each eigendirection holds
        of the loss; the picture shows all values of the slider, and a text may ask for their ``sum``
    whole : the scrubber is a line across whole curves, not a time that has come: nothing is pale, nothing plays, and
        the sentence below the picture begins with the lowest curve
    watch : the curve that early stopping looks at, at each of the times; a slider then sets the patience
    patience : how many looks without a better value it waits, 1 or more
    limits : lowest and highest value of the picture; by default those of all variants
    lang : "en", "zh", or "auto" for the page's own language

    Raises
    ------
    ValueError : curves of other lengths than the times, times that do not ascend, variants with other curves, a name
        that is none of the curves, more numbers than a page should carry.

    >>> Curves({"train": [3.0, 1.0, 0.5], "test": [3.0, 1.2, 1.4]}, x=[0, 10, 20], watch="test", patience=1)
    <curves train, test over 3 times, patience 1>
    >>> Curves({0.1: {"loss": [1.0, 0.9]}, 0.5: {"loss": [1.0, 0.5]}}, over="alpha")
    <curves loss over 2 times, 2 values of alpha>
    """

    part = "curves"

    def __init__(
        self, curves: Mapping, *, x: ArrayLike | None = None, over: str | None = None, begin: float | None = None,
        at: float | None = None, names: Mapping[str, Words] | None = None,
        axes: tuple[Words, Words] = (("step", "步数"), ("loss", "损失")), log: bool = False, stacked: bool = False,
        whole: bool = False, watch: str | None = None, patience: int = 10, limits: tuple[float, float] | None = None,
        lang: str = "auto",
    ):  # fmt: skip
        variants = curves if over is not None else {0.0: curves}
        if not variants or not all(isinstance(each, Mapping) and each for each in variants.values()):
            raise ValueError("curves is empty, or lacks a dict of curves for a value of the slider")
        listed = [*next(iter(variants.values()))]
        for value, each in variants.items():
            if [*each] != listed:
                raise ValueError(
                    f"{over}={value!r} has the curves {', '.join(each)}: all must have {', '.join(listed)}"
                )
        self.values = {
            name: np.array([numbers(each[name], f"curve {name!r}") for each in variants.values()]) for name in listed
        }
        length = next(iter(self.values.values())).shape[-1]
        self.x = np.arange(length, dtype=float) if x is None else finite(x, "x")
        for name, values in self.values.items():
            if values.shape != (len(variants), self.x.size) or self.x.ndim != 1 or self.x.size < 2:
                raise ValueError(f"curve {name!r} has {values.shape[1:]} values, but there are {self.x.size} times")
        if not (np.diff(self.x) > 0).all():
            raise ValueError("x must ascend")
        if sum(values.size for values in self.values.values()) > MOST:
            raise ValueError(f"more than {MOST} numbers: keep every tenth time, or fewer values of the slider")
        for what, name in (("watch", watch), *(("names", name) for name in names or {})):
            if name is not None and name not in self.values:
                raise ValueError(f"{what} names {name!r}: the curves are {', '.join(listed)}")
        if stacked and (log or watch):
            raise ValueError("stacked parts have neither a logarithmic height nor early stopping")
        if whole and (stacked or watch):
            raise ValueError("whole curves are neither stacked nor stopped early")
        reserved = {"at", "stop", "kept", "says", "sum", "patience", *([over] if over else [])} & set(listed)
        if reserved:
            raise ValueError(f"a curve cannot be called {', '.join(sorted(reserved))}: a text asks the figure by it")
        self.over, self.slider = over, [number(value, f"a value of {over}", -np.inf) for value in variants]
        self.log, self.stacked, self.whole, self.watch, self.lang = log, stacked, whole, watch, spoken(lang)
        self.most = min(self.x.size - 1, max(4 * patience, 20))
        if not 1 <= patience <= self.most and watch:
            raise ValueError(f"patience={patience!r}: with {self.x.size} looks it is 1 to {self.most}")
        self.names = {name: pair_of((names or {}).get(name, labels.ALGORITHMS.get(name, name))) for name in listed}
        if len(axes) != 2:
            raise ValueError(f"axes={axes!r}: they must be two, each one text or a pair")
        self.axes = [pair_of(each) for each in axes]
        self.limits = self._limits() if limits is None else tuple(finite(limits, "limits").tolist())
        if len(self.limits) != 2 or not self.limits[0] < self.limits[1]:
            raise ValueError(f"limits={limits!r}: they must be the lowest and the highest value of the picture")
        self.state = {
            "at": self._nearest(at),
            "over": self._variant(begin),
            **({"patience": patience} if watch else {}),
        }

    def _nearest(self, at: float | None) -> int:
        if at is not None and not self.x[0] <= at <= self.x[-1]:
            raise ValueError(f"at={at!r} lies outside the times, from {self.x[0]:g} to {self.x[-1]:g}")
        return self.x.size - 1 if at is None else int(np.abs(self.x - at).argmin())

    def _variant(self, value: float | None) -> int:
        if value is not None and value not in self.slider:
            raise ValueError(
                f"begin={value!r}: {self.over} has the values {', '.join(map('{:g}'.format, self.slider))}"
            )
        return 0 if value is None else self.slider.index(value)

    def _limits(self) -> tuple[float, float]:
        """A frame that holds all variants, so that it does not jump when the slider moves."""
        every = np.array([*self.values.values()])
        if self.stacked:
            every = np.where(np.isfinite(every), every, 0).sum(axis=0)
        shown = every[np.isfinite(every) & ((every > 0) | (not self.log))]
        if not shown.size:
            raise ValueError("no value that the picture could show")
        low, high = float(shown.min()), float(shown.max())
        if self.log:
            return low / 1.3, high * 1.3
        if self.stacked or 0 <= low < 0.3 * high:
            return 0.0, 1.05 * high or 1.0
        pad = 0.06 * (high - low or abs(high) or 1.0)
        return low - pad, high + pad

    def __repr__(self) -> str:
        over = f", {len(self.slider)} values of {self.over}" if self.over else ""
        patience = f", patience {self.state['patience']}" if self.watch else ""
        return f"<curves {', '.join(self.values)} over {self.x.size} times{over}{patience}>"

    @property
    def data(self) -> dict[str, Any]:
        """The numbers and names, as the page reads them: five digits, and None for what is not finite."""
        letter = SYMBOLS.get(self.over or "", self.over)
        curves = [
            {"name": name, **self.names[name], "values": [[_short(v) for v in row] for row in rows]}
            for name, rows in self.values.items()
        ]
        return {
            "x": [_short(v) for v in self.x], "curves": curves, "axes": self.axes, "limits": [*self.limits],
            "log": self.log, "stacked": self.stacked and [*PARTS[1]], **({"whole": True} if self.whole else {}),
            "watch": self.watch, "most": self.most,
            "over": {"name": self.over, "letter": letter, "values": self.slider} if self.over else None,
        }  # fmt: skip

    @cached_property
    def picture(self) -> Any:
        """The picture that stands for the figure where nothing can move."""
        from .still import curves

        return curves(self)


def pair_of(words: Words) -> dict[str, str]:
    """The words in both languages."""
    if not isinstance(words, str) and (not isinstance(words, (tuple, list)) or len(words) != 2):
        raise TypeError(f"names or axes hold {words!r}: it must be one text, or a pair (English, Chinese)")
    english, chinese = (words, words) if isinstance(words, str) else words
    return {"en": english, "zh": chinese}


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
