"""Sliders above a picture of one's own that is drawn anew when they move.

>>> from optlib import surfaces, view
>>> def ravine(b):
...     return view.contour(surfaces.ravine.but(b=b))
>>> Controls(ravine, b=log_slider(1.0, 100.0, 10.0))
<controls b: ravine>
"""

import base64
import html
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

from optlib.widget.explorer import SYMBOLS, display_either, live


@dataclass(frozen=True)
class Slider:
    """A number between two ends, on an even or a logarithmic scale; made by :func:`slider` and :func:`log_slider`."""

    low: float
    high: float
    value: float
    step: float
    log: bool = False

    def widget(self, label: str) -> Any:
        """The ipywidgets control."""
        ipywidgets = _ipywidgets()
        # The picture follows when the slider is let go: dragging would queue drawings faster than they are made.
        common = {"value": self.value, "step": self.step, "description": label, "continuous_update": False}
        if self.log:
            ends = {"min": math.log10(self.low), "max": math.log10(self.high)}
            return ipywidgets.FloatLogSlider(**ends, readout_format=".3g", **common)
        if _whole(self.low, self.high, self.value, self.step):
            return ipywidgets.IntSlider(min=self.low, max=self.high, **common)
        return ipywidgets.FloatSlider(min=self.low, max=self.high, readout_format=".3g", **common)


@dataclass(frozen=True)
class Choice:
    """One of several values; made by :func:`choice`."""

    options: tuple
    value: Any

    def widget(self, label: str) -> Any:
        """The ipywidgets control."""
        ipywidgets = _ipywidgets()
        options = [(getattr(option, "__name__", str(option)), option) for option in self.options]
        return ipywidgets.Dropdown(options=options, value=self.value, description=label)


@dataclass(frozen=True)
class Switch:
    """On or off; made by :func:`switch`."""

    value: bool

    def widget(self, label: str) -> Any:
        """The ipywidgets control."""
        return _ipywidgets().Checkbox(value=self.value, description=label)


Control = Slider | Choice | Switch


def slider(low: float, high: float, value: float, *, step: float | None = None) -> Slider:
    """A slider from low to high; if all its numbers are whole, it gives whole numbers.

    >>> slider(0, 10, 3).step, slider(0.0, 10.0, 3.0).step
    (1, 0.1)
    """
    _check(low, high, value)
    if step is None:
        step = 1 if _whole(low, high, value) else (high - low) / 100
    if not step > 0:
        raise ValueError(f"step={step!r}: it must be a positive number")
    return Slider(low, high, value, step)


def log_slider(low: float, high: float, value: float, *, step: float = 0.05) -> Slider:
    """A logarithmic slider, for rates; `step` is in powers of ten.

    >>> log_slider(0.001, 1.0, 0.1).log
    True
    """
    if not low > 0:
        raise ValueError(f"low={low!r}: a logarithmic slider needs a positive lower end, such as 0.001")
    _check(low, high, value)
    if not step > 0:
        raise ValueError(f"step={step!r}: it must be a positive number, in powers of ten")
    return Slider(low, high, value, step, log=True)


def choice(options: Sequence, value: Any = None) -> Choice:
    """One of several values, by default the first; functions are shown by their names.

    >>> choice(["ravine", "bowl"]).value
    'ravine'
    """
    options = tuple(options)
    if not options:
        raise ValueError("options is empty: give at least one value to choose from")
    if value is not None and value not in options:
        raise ValueError(f"value={value!r} is none of the options {', '.join(map(repr, options))}")
    return Choice(options, options[0] if value is None else value)


def switch(value: bool = False) -> Switch:
    """On or off.

    >>> switch().value
    False
    """
    if not isinstance(value, bool):
        raise TypeError(f"value={value!r}: a switch is True or False")
    return Switch(value)


def _whole(*numbers: float) -> bool:
    return all(isinstance(x, int) and not isinstance(x, bool) for x in numbers)


def _check(low: float, high: float, value: float) -> None:
    if not low < high:
        raise ValueError(f"low={low!r} and high={high!r}: the lower end must be below the upper")
    if not low <= value <= high:
        raise ValueError(f"value={value!r} lies outside the slider, from {low!r} to {high!r}")


class Controls:
    """A picture with controls: `draw(**values)` is called anew when one of them moves.

    In a live notebook there are ipywidgets above the picture; a saved notebook and the site show the picture at the
    starting values. An error that `draw` raises at other values is shown in the picture's place.

    Parameters
    ----------
    draw : returns what Jupyter shows as a PNG, such as an ``optlib.view.Picture``; its name becomes part of the output
    **controls : for each of its arguments a control, made by :func:`slider`, :func:`log_slider`, :func:`choice` or
        :func:`switch`

    Raises
    ------
    TypeError : something that is no control, or controls that are not the arguments of `draw`.
    """

    def __init__(self, draw: Callable[..., Any], **controls: Control):
        for name, control in controls.items():
            if not isinstance(control, Control):
                raise TypeError(f"{name}={control!r} is no control: make it with slider, log_slider, choice or switch")
        try:
            inspect.signature(draw).bind(**controls)
        except TypeError as error:
            raise TypeError(
                f"{_name(draw)}{inspect.signature(draw)} cannot be called with {', '.join(controls) or 'no controls'}: "
                f"{error}. Give each of its arguments a control"
            ) from None
        self.draw, self.controls = draw, controls

    def __repr__(self) -> str:
        return f"<controls {', '.join(self.controls)}: {_name(self.draw)}>"

    @cached_property
    def picture(self) -> Any:
        """The picture at the starting values."""
        return self.draw(**{name: control.value for name, control in self.controls.items()})

    @cached_property
    def widgets(self) -> dict[str, Any]:
        """The ipywidgets control of each argument, by its name."""
        return {name: control.widget(SYMBOLS.get(name, name)) for name, control in self.controls.items()}

    @cached_property
    def image(self) -> Any:
        """The ipywidgets image that holds the picture."""
        return _ipywidgets().Image(format="png", layout={"max_width": "100%", "height": "auto"})

    @cached_property
    def message(self) -> Any:
        """The ipywidgets text that stands in the picture's place when it cannot be drawn; empty otherwise."""
        return _ipywidgets().HTML()

    @cached_property
    def box(self) -> Any:
        """All of them together, joined: what a live notebook shows."""
        ipywidgets = _ipywidgets()
        self._show(self.picture)
        for control in self.widgets.values():
            control.observe(self._redraw, "value")
        row = ipywidgets.HBox(list(self.widgets.values()), layout={"flex_flow": "row wrap"})
        return ipywidgets.VBox([row, self.message, self.image]).add_class("dx-live")

    def _redraw(self, change: Any) -> None:
        try:
            self._show(self.draw(**{name: control.value for name, control in self.widgets.items()}))
        # The reader moved a slider: whatever went wrong must be seen where the reader looks.
        except Exception as error:
            self.message.value = f"<strong>{type(error).__name__}</strong>: {html.escape(str(error))}"
            self.image.layout.display = "none"

    def _show(self, picture: Any) -> None:
        data, metadata = picture._repr_mimebundle_()
        width = metadata.get("image/png", {}).get("width")
        self.image.value = base64.b64decode(data["image/png"])
        self.image.layout.width = "auto" if width is None else f"{width}px"
        self.image.layout.display = ""
        self.message.value = ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = self.picture._repr_mimebundle_()
        data = {**data, "text/plain": repr(self)}
        if live("ipywidgets"):
            data |= {k: v for k, v in self.box._repr_mimebundle_().items() if k.startswith("application/")}
        return data, metadata

    def _ipython_display_(self) -> None:
        display_either(self)


def _ipywidgets() -> Any:
    return import_module("ipywidgets")  # only when a live notebook wants it


def _name(function: Callable) -> str:
    return getattr(function, "__name__", type(function).__name__)
