r"""Random numbers for figures: plain functions of the seed, the step and a counter, so they compile to JavaScript.

NumPy's generators draw better numbers, but none that a browser can draw again. These are Lehmer's multiplicative
generator (Park & Miller 1988, multiplier 16807 modulo :math:`2^{31}-1`), stirred with the step and the counter, in
exact floating-point integers: the noise of a figure is the same in the page and in Python.

>>> round(float(uniform(1, 0, 0)), 6), round(float(uniform(1, 1, 0)), 6)
(0.632475, 0.392469)
"""

from numpy import cos, floor, log, sqrt

_M = 2147483647.0
_A = 16807.0
_TURN = 6.283185307179586


def stir(z: float) -> float:
    """Whole numbers below 2³³ to whole numbers below 2³¹ - 1, exact in double precision.

    The product of the number's two halves bends what the generator alone would leave a straight line.

    >>> float(stir(1.0)), float(stir(2.0))
    (207499222.0, 414998444.0)
    """
    z = z - _M * floor(z / _M)
    high = floor(z / 65536.0)
    low = z - 65536.0 * high
    z = _A * (z + low * (high + 12345.0))
    return z - _M * floor(z / _M)


def uniform(seed: float, t: float, i: float) -> float:
    """A number in (0, 1) that follows from whole numbers: the seed, the step t and the counter i.

    >>> bool(uniform(1, 2, 3) == uniform(1, 2, 3) != uniform(1, 2, 4))
    True
    """
    z = stir(seed + 1.0)
    z = stir(z + 7919.0 * (t + 1.0))
    z = stir(z + 104729.0 * (i + 1.0))
    z = stir(stir(z))
    return (z + 0.5) / _M


def normal(seed: float, t: float, i: float) -> float:
    """A standard normal number, after Box & Muller (1958).

    >>> import numpy as np
    >>> x = [normal(5, t, 0) for t in range(4000)]
    >>> bool(abs(np.mean(x)) < 0.05), bool(abs(np.std(x) - 1) < 0.05)
    (True, True)
    """
    radius = sqrt(-2.0 * log(uniform(seed, t, 2.0 * i)))
    return radius * cos(_TURN * uniform(seed, t, 2.0 * i + 1.0))
