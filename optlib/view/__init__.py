"""Pictures for the course: the only room that knows Matplotlib. Pillow writes the files.

Every function returns something that Jupyter shows, on a transparent ground and in colours that are read on white
and on the dark page alike; text inside pictures is symbols and algorithm names only.

>>> from optlib import Optimizer, descend, rules, surfaces, view
>>> f = surfaces.ravine
>>> view.contour(f, {"sgd": descend(Optimizer(rules.sgd, lr=0.015), f.grad, f.start, steps=40)})
<contour of ravine: sgd>
"""

from .animations import Animation, animate
from .contests import contest
from .contours import contour, draw_walk, ground
from .curves import curve, loss_curves
from .estimates import promise_and_error
from .gaps import map_and_gap
from .listings import Listing, listing
from .pictures import Picture, picture
from .relief import surface
from .scatter import scatter_and_steps
from .style import colour, house, label, legend, look, panels, series
from .timelines import timeline
from .troughs import trough
from .weights import against_frequency, map_and_rates

__all__ = [
    "Animation",
    "Listing",
    "Picture",
    "against_frequency",
    "animate",
    "colour",
    "contest",
    "contour",
    "curve",
    "draw_walk",
    "ground",
    "house",
    "label",
    "legend",
    "listing",
    "look",
    "loss_curves",
    "map_and_gap",
    "map_and_rates",
    "panels",
    "picture",
    "promise_and_error",
    "scatter_and_steps",
    "series",
    "surface",
    "timeline",
    "trough",
]
