"""Live figures: the only room that knows anywidget. Without a kernel or without it the picture alone is shown.

>>> from optlib import widget
>>> widget.Explorer(surface="ravine").state["surface"]
'ravine'
"""

from .._inputs import guard
from .chart import Curves
from .explorer import Explorer, Figure
from .network import Network
from .timeline import Timeline

__all__ = ["Curves", "Explorer", "Figure", "Network", "Timeline"]

guard(globals())
