"""What helps beside the rule: second order, spectrum, landscape, averaging, stopping, curriculum, rates, noise.

>>> from optlib import surfaces, tricks
>>> tricks.newton(surfaces.saddle, [1.0, 0.1], steps=1, saddle_free=True).round(3)
array([[1. , 0.1],
       [0. , 0.2]])
"""

from .averaging import EMA, SWA, Average, PolyakRuppert, averages, swa_rate
from .criteria import GL, PQ, UP, Criterion, Patience, Progress
from .difficulty import Curriculum, curriculum
from .landscape import Frame, Plane, filter_normalised, line, plane, random_direction, through, unpacked
from .noise import NoiseScale, noise_scale
from .rates import RangeTest, range_test
from .second_order import (
    hessian,
    hessian_vector,
    newton,
    newton_step,
    saddle_free_newton_step,
)
from .spectrum import Krylov, lanczos, ritz
from .stopping import EarlyStopped, early_stopped, equivalent_ridge

__all__ = [
    "EMA", "GL", "PQ", "SWA", "UP", "Average", "Criterion", "Curriculum", "EarlyStopped", "Frame", "Krylov",
    "NoiseScale", "Patience", "Plane", "PolyakRuppert", "Progress", "RangeTest", "averages",
    "curriculum", "early_stopped", "equivalent_ridge", "filter_normalised", "hessian",
    "hessian_vector", "lanczos", "line", "newton", "newton_step", "noise_scale", "plane",
    "random_direction", "range_test", "ritz", "saddle_free_newton_step", "swa_rate", "through", "unpacked",
]  # fmt: skip
