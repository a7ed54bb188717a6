"""optlib: every algorithm of the course Downhill · 下山, exact and small.

>>> from optlib import Optimizer, descend, rules, surfaces
>>> f = surfaces.rosenbrock
>>> path = descend(Optimizer(rules.adam, lr=0.1), f.grad, [-1.5, 2.0], steps=300)
>>> path.shape
(301, 2)
>>> bool(f(path[-1]) < 0.05 * f(path[0]))
True

Importing the package needs NumPy alone. The rooms that need more (`optlib.view` knows
Matplotlib, `optlib.widget` knows anywidget) are imported by name when they are wanted.
"""

from . import (
    data,
    initialise,
    layers,
    matrices,
    models,
    oracles,
    parts,
    rules,
    schedules,
    surfaces,
    transformer,
    tricks,
)
from .optimizer import Descent, NotFinite, Optimizer, descend, iterates, load, run, save
from .parts import Part, layered

__version__ = "0.2.0"

__all__ = [
    "Descent",
    "NotFinite",
    "Optimizer",
    "Part",
    "data",
    "descend",
    "initialise",
    "iterates",
    "layered",
    "layers",
    "load",
    "matrices",
    "models",
    "oracles",
    "parts",
    "rules",
    "run",
    "save",
    "schedules",
    "surfaces",
    "transformer",
    "tricks",
]
