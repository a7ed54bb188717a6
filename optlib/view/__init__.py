"""Pictures for the course: the only room that knows Matplotlib. Pillow writes the files.

Every function returns something that Jupyter shows, on a transparent ground and in colours that are read on white
and on the dark page alike; letters are large enough for a phone. Words are few, and a notebook's
picture tells them apart (`words`), so that a page can say them in another language.

>>> from optlib import Optimizer, descend, rules, surfaces, view
>>> f = surfaces.ravine
>>> view.contour(f, {"sgd": descend(Optimizer(rules.sgd, lr=0.015), f.grad, f.start, steps=40)})
<contour of ravine: sgd>
"""

from .._inputs import guard
from .contests import contest
from .contours import contour, draw_walk, ground
from .curves import curve, loss_curves
from .listings import Listing, listing
from .pictures import Picture, picture
from .relief import surface
from .style import colour, house, label, legend, look, panels, series
from .timelines import timeline

__all__ = [
    "Listing",
    "Picture",
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
    "panels",
    "picture",
    "series",
    "surface",
    "timeline",
]

guard(globals())
