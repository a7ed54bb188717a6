"""Live controls and the explorer: the only room that knows ipywidgets and anywidget. Without a kernel or without them
the picture alone is shown.

>>> from optlib import surfaces, view, widget
>>> def ravine(b):
...     return view.contour(surfaces.ravine.but(b=b))
>>> widget.Controls(ravine, b=widget.log_slider(1.0, 100.0, 10.0))
<controls b: ravine>
"""

from .chart import Curves
from .controls import Choice, Controls, Slider, Switch, choice, log_slider, slider, switch
from .explorer import Explorer

__all__ = ["Choice", "Controls", "Curves", "Explorer", "Slider", "Switch", "choice", "log_slider", "slider", "switch"]
