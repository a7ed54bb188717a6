"""What helps beside the rule: second order, spectrum, landscape, averaging, stopping, curriculum, rates, noise.

>>> from optlib import surfaces, tricks
>>> tricks.newton(surfaces.saddle, [1.0, 0.1], steps=1, saddle_free=True).round(3)
array([[1. , 0.1],
       [0. , 0.2]])
"""

from .landscape import Frame, Plane, filter_normalised, line, plane, projected, random_direction, through, unpacked
from .second_order import (
    hessian,
    hessian_vector,
    krylov_saddle_free_step,
    newton,
    newton_step,
    saddle_free_newton_step,
)
from .spectrum import Density, Krylov, lanczos, ritz, spectral_density

__all__ = [
    "Density",
    "Frame",
    "Krylov",
    "Plane",
    "filter_normalised",
    "hessian",
    "hessian_vector",
    "krylov_saddle_free_step",
    "lanczos",
    "line",
    "newton",
    "newton_step",
    "plane",
    "projected",
    "random_direction",
    "ritz",
    "saddle_free_newton_step",
    "spectral_density",
    "through",
    "unpacked",
]
