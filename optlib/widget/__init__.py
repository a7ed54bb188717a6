"""Live controls: the only room that knows ipywidgets. Without a kernel or ipywidgets the picture alone is shown.

>>> from optlib import surfaces, view, widget
>>> def ravine(b):
...     return view.contour(surfaces.ravine.but(b=b))
>>> widget.Controls(ravine, b=widget.log_slider(1.0, 100.0, 10.0))
<controls b: ravine>
"""

from .controls import Choice, Controls, Slider, Switch, choice, log_slider, slider, switch

__all__ = ["Choice", "Controls", "Slider", "Switch", "choice", "log_slider", "slider", "switch"]
