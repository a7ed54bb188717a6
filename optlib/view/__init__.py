"""Pictures for the course: the only room that knows Matplotlib. Pillow writes the files.

Every function returns something that Jupyter shows, on a transparent ground and in colours that are read on white
and on the dark page alike; text inside pictures is symbols and algorithm names only.

>>> from optlib import Optimizer, descend, rules, surfaces, view
>>> f = surfaces.ravine
>>> view.contour(f, {"sgd": descend(Optimizer(rules.sgd, lr=0.015), f.grad, f.start, steps=40)})
<contour of ravine: sgd>
"""

from . import adam, adaptive, challenges, choosing, clusters, data_tricks, descent, momentum, rates, stale, variants
from ._animation import Animation, animate
from ._contest import contest
from ._contour import contour, draw_walk, ground
from ._curves import curve, loss_curves
from ._listing import Listing, listing
from ._picture import Picture, picture
from ._relief import surface
from ._style import colour, house, label, legend, look, panels, series
from ._timeline import timeline
from .dataflow import dataflow

__all__ = [
    "Animation", "Listing", "Picture", "adam", "adaptive", "animate", "challenges", "choosing", "clusters", "colour",
    "contest", "contour", "curve", "data_tricks", "dataflow", "descent", "draw_walk", "ground", "house", "label",
    "legend", "listing", "look", "loss_curves", "momentum", "panels", "picture", "rates", "series", "stale", "surface",
    "timeline", "variants",
]
