r"""Test surfaces: functions of one or two coordinates with their gradient, where they are shown, and their minima.

Value and gradient are plain functions of the coordinates, with only arithmetic and a few ufuncs, so the same
source draws contours, feeds optimizers (one point or many at once) and can be compiled.

>>> rosenbrock.grad([0.0, 0.0])
array([-2.,  0.])
>>> print(rosenbrock([1.0, 1.0]))
0.0
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy import cos, exp, sin
from numpy.typing import ArrayLike, NDArray

from ._inputs import finite, guard, numbers, scalar, shown

Range = tuple[float, float]
_DOUBLE = np.dtype(float)


@dataclass(frozen=True)
class Surface:
    """A function to walk on.

    Parameters
    ----------
    name : what it is called
    value : function of the coordinates (and keyword-only constants), elementwise
    gradient : the same arguments, a tuple with one partial derivative for each coordinate
    domain : the range of each coordinate in which it is shown
    start : where the book's walks on it begin
    minima : all minima, global ones first; empty where it has none
    source : where it comes from
    constants : values of the keyword-only constants

    Calling it with points of shape (..., d) gives values of shape (...); `grad` gives gradients of the points' shape.
    """

    name: str
    value: Callable[..., Any]
    gradient: Callable[..., tuple]
    domain: tuple[Range, ...]
    start: tuple[float, ...]
    minima: tuple[tuple[float, ...], ...] = ()
    source: str = ""
    constants: Mapping[str, float] = field(default_factory=dict)
    _numbers: dict[str, float] = field(init=False, repr=False, compare=False)
    _shape: tuple[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.minima, (tuple, list)) or not isinstance(self.constants, Mapping):
            raise TypeError(
                f"minima={shown(self.minima)}, constants={shown(self.constants)}: they must be a tuple and a mapping"
            )
        for what in ("value", "gradient"):
            if not callable(getattr(self, what)):
                raise TypeError(f"{what}={shown(getattr(self, what))}: it must be a function of the coordinates")
        domain = numbers(self.domain, "domain")
        if domain.ndim != 2 or domain.shape[1] != 2 or not (domain[:, 0] < domain[:, 1]).all():
            raise ValueError(f"domain={shown(self.domain)}: it must hold a pair (low, high) for each coordinate")
        for what, points in (("start", [self.start]), ("minima", self.minima)):
            if len(points) and finite(points, what).shape[1:] != (len(domain),):
                raise ValueError(f"{what}={shown(getattr(self, what))}: the domain has {len(domain)} coordinates")
        kept = dict(self.constants)  # a dict is unpacked faster than its proxy, which cannot be changed
        vars(self).update(constants=MappingProxyType(kept), _numbers=kept, _shape=(len(self.domain),))

    def __hash__(self) -> int:  # constants are looked up by name, and cannot be hashed
        return hash((self.name, self.value, self.gradient))

    def __reduce__(self) -> tuple:  # so that one can be sent to a worker: a mapping proxy cannot
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.init}
        return partial(Surface, **{**given, "constants": self._numbers}), ()

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.domain)

    def __call__(self, theta: ArrayLike) -> Any:
        points = self._points(theta)
        return self.value(*(points if points.ndim == 1 else np.moveaxis(points, -1, 0)), **self.constants)

    def grad(self, theta: ArrayLike) -> NDArray:
        """Gradient at points of shape (..., d), of the same shape."""
        if type(theta) is not np.ndarray or theta.shape != self._shape:
            theta = self._points(theta)
        if theta.ndim == 1:  # one point: numbers are faster than arrays of none, Python's faster than NumPy's
            if theta.dtype == _DOUBLE:
                return np.array(self.gradient(*theta.tolist(), **self._numbers), _DOUBLE)
            theta = self._points(theta)
            return np.array(self.gradient(*theta, **self._numbers), theta.dtype)
        theta = self._points(theta)
        g = np.empty_like(theta)
        for i, slope in enumerate(self.gradient(*np.moveaxis(theta, -1, 0), **self.constants)):
            g[..., i] = slope
        return g

    def but(self, **changes: Any) -> "Surface":
        """The same surface with other constants, start or domain; minima that the constants move are dropped.

        >>> print(ravine.but(b=20.0)([0.0, 1.0]))
        10.0
        """
        fields = {k: changes.pop(k) for k in ("name", "domain", "start", "minima") if k in changes}
        unknown = changes.keys() - self.constants.keys()
        if unknown:
            raise TypeError(
                f"surface {self.name!r} has no constant {', '.join(sorted(unknown))}; "
                f"it has {', '.join(self.constants) or 'none'}, and name, domain, start, minima can be changed"
            )
        for name, value in changes.items():
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
                raise ValueError(f"surface {self.name!r}: {name}={value!r} is no finite number")
        new = replace(self, constants={**self.constants, **changes}, **fields)
        if not changes or "minima" in fields:
            return new
        return replace(new, minima=tuple(p for p in self.minima if new._lowest_around(p)))

    def _lowest_around(self, point: tuple[float, ...]) -> bool:
        around = point + 1e-3 * np.vstack([np.eye(self.dim), -np.eye(self.dim)])
        return bool(np.abs(self.grad(point)).max() < 1e-6 and (self(around) > self(point)).all())

    def _points(self, theta: ArrayLike) -> NDArray:
        if type(theta) is not np.ndarray or theta.dtype.kind != "f":
            theta = numbers(theta, "theta")  # whole numbers, too, are points: their gradients are not whole
        if theta.ndim == 0 or theta.shape[-1] != self.dim:
            raise ValueError(
                f"surface {self.name!r} has {self.dim} coordinate{'s' * (self.dim > 1)}, so points have shape "
                f"(..., {self.dim}); theta has shape {theta.shape}"
            )
        return theta


# Products instead of powers: one point and many points then round alike, to the last bit.


def _quadratic(x, y, *, a, b):
    return 0.5 * (a * x * x + b * y * y)


def _quadratic_gradient(x, y, *, a, b):
    return a * x, b * y


bowl = Surface(
    "bowl", _quadratic, _quadratic_gradient, ((-4.0, 4.0), (-4.0, 4.0)), (3.0, 2.0), ((0.0, 0.0),),
    "the quadratic (a x² + b y²)/2 with equal curvatures", {"a": 1.0, "b": 1.0},
)  # fmt: skip

ravine = Surface(
    "ravine", _quadratic, _quadratic_gradient, ((-11.0, 11.0), (-1.6, 1.6)), (10.0, 1.0), ((0.0, 0.0),),
    "the quadratic (x² + 100 y²)/2: condition number 100", {"a": 1.0, "b": 100.0},
)  # fmt: skip


def _rosenbrock(x, y):
    u, v = 1 - x, y - x * x
    return u * u + 100 * v * v


def _rosenbrock_gradient(x, y):
    v = y - x * x
    return -2 * (1 - x) - 400 * x * v, 200 * v


rosenbrock = Surface(
    "rosenbrock", _rosenbrock, _rosenbrock_gradient, ((-2.0, 2.0), (-1.0, 3.0)), (-1.5, 2.0), ((1.0, 1.0),),
    "Rosenbrock (1960): a curved valley with a flat floor",
)  # fmt: skip


def _beale(x, y):
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y
    return a * a + b * b + c * c


def _beale_gradient(x, y):
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y
    dx = 2 * (a * (y - 1) + b * (y * y - 1) + c * (y * y * y - 1))
    return dx, 2 * x * (a + 2 * b * y + 3 * c * y * y)


beale = Surface(
    "beale", _beale, _beale_gradient, ((-4.5, 4.5), (-4.5, 4.5)), (1.0, 1.5), ((3.0, 0.5),),
    "Beale (1958): steep walls around a flat plain",
)  # fmt: skip


def _himmelblau(x, y):
    a, b = x * x + y - 11, x + y * y - 7
    return a * a + b * b


def _himmelblau_gradient(x, y):
    a, b = x * x + y - 11, x + y * y - 7
    return 4 * x * a + 2 * b, 2 * a + 4 * y * b


himmelblau = Surface(
    "himmelblau", _himmelblau, _himmelblau_gradient, ((-5.0, 5.0), (-5.0, 5.0)), (-0.5, -1.0),
    (
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.283185991286169),
        (3.584428340330492, -1.848126526964404),
    ),
    "Himmelblau (1972): four minima of the same depth",
)  # fmt: skip


def _saddle(x, y, *, c):
    return 0.5 * (x * x - y * y) + c * y * y * y * y


def _saddle_gradient(x, y, *, c):
    return x, -y + 4 * c * y * y * y


saddle = Surface(
    "saddle", _saddle, _saddle_gradient, ((-2.0, 2.0), (-3.0, 3.0)), (1.0, 1e-4),
    ((0.0, 5.0**0.5), (0.0, -(5.0**0.5))),
    "(x² - y²)/2 with a quartic that closes it far away; c = 0 is the plain saddle, without minima",
    {"c": 0.05},
)  # fmt: skip

# centre x, centre y, width, depth
_WELLS = ((1.5, 1.0, 0.5, 1.0), (-1.5, -0.5, 0.6, 1.5), (0.5, -1.5, 0.45, 0.8))


def _well(x, y, cx, cy, s, a):
    return a * exp(-((x - cx) * (x - cx) + (y - cy) * (y - cy)) / (2 * s * s))


def _three_lowlands(x, y):
    f = 0.05 * (x * x + y * y)
    for cx, cy, s, a in _WELLS:
        f = f - _well(x, y, cx, cy, s, a)
    return f


def _three_lowlands_gradient(x, y):
    dx, dy = 0.1 * x, 0.1 * y
    for cx, cy, s, a in _WELLS:
        w = _well(x, y, cx, cy, s, a) / (s * s)
        dx, dy = dx + w * (x - cx), dy + w * (y - cy)
    return dx, dy


three_lowlands = Surface(
    "three_lowlands", _three_lowlands, _three_lowlands_gradient, ((-3.0, 3.0), (-3.0, 2.5)), (0.3, 1.9),
    (
        (-1.4647673743270107, -0.4882647460327072),
        (1.4632745337519668, 0.9755164329775291),
        (0.4852254719120564, -1.461662622148174),
    ),
    "a shallow bowl with three Gaussian wells, after the animation of the SJTU slides",
)  # fmt: skip


def _waves(x):
    return x * x / 20 + 0.4 * (1 - cos(2 * x))


def _waves_gradient(x):
    return (x / 10 + 0.8 * sin(2 * x),)


waves = Surface(
    "waves", _waves, _waves_gradient, ((-8.0, 8.0),), (4.5,),
    ((0.0,), (2.9525867648255195,), (-2.9525867648255195,), (5.871165553742903,), (-5.871165553742903,)),
    "x²/20 + 0.4 (1 - cos 2x): one coordinate, five minima",
)  # fmt: skip

#: Every surface by name.
TABLE: dict[str, Surface] = {
    s.name: s for s in (bowl, ravine, rosenbrock, beale, himmelblau, saddle, three_lowlands, waves)
}


def of(
    value: Callable[..., Any], domain: Sequence[Range], start: Sequence[float] | None = None, *,
    gradient: Callable[..., tuple] | None = None, name: str | None = None,
) -> Surface:  # fmt: skip
    """A surface from a function alone, whose gradient is measured by central differences; one that is given is checked.

    Parameters
    ----------
    value : function of the coordinates, elementwise, such as ``lambda x, y: x**2 + 10 * y**2``
    domain : a pair (low, high) for each coordinate
    start : where walks begin; by default three quarters of the way from low to high
    gradient : its partial derivatives, a function of the coordinates that gives a tuple
    name : by default that of `value`

    Raises
    ------
    ValueError : a gradient that is not that of `value` somewhere in the domain.

    >>> f = of(lambda x, y: x * x + 10 * y * y, domain=[(-2, 2), (-1, 1)], name="mine")
    >>> f.name, f.grad([1.0, 0.5]).round(6)
    ('mine', array([ 2., 10.]))
    """
    box = [(float(low), float(high)) for low, high in domain]
    begin = [0.25 * low + 0.75 * high for low, high in box] if start is None else start

    def measured(*at: Any) -> tuple:
        slopes = []
        for i, x in enumerate(at):
            step = np.finfo(float).eps ** (1 / 3) * np.maximum(1.0, np.abs(x))
            up, down = ((*at[:i], x + sign * step, *at[i + 1 :]) for sign in (1, -1))
            slopes.append((value(*up) - value(*down)) / (up[i] - down[i]))
        return tuple(slopes)

    if len(begin := [*begin]) != len(box):
        raise ValueError(f"start={shown(start)}: the domain has {len(box)} coordinates")
    for what, f in (("value", value), ("gradient", gradient)):
        try:
            given = None if f is None else f(*begin)
        except TypeError as error:
            said = f"cannot be called with the {len(box)} coordinates of domain: {error}"
            raise TypeError(f"{what}={shown(f)} {said}") from error
        if what == "value":
            scalar(given, "value(start)")
        elif f is not None and (not isinstance(given, (tuple, list, np.ndarray)) or len(given) != len(box)):
            raise ValueError(f"gradient gave {shown(given)}: it must be {len(box)} numbers, one for each coordinate")
    called = str(name or getattr(value, "__name__", "surface"))
    f = Surface(called, value, gradient or measured, tuple(box), tuple(float(x) for x in begin))
    if gradient is not None:
        low, high = np.transpose(box)
        for point in low + (high - low) * np.random.default_rng(0).random((5, f.dim)):
            claimed, found = f.grad(point), np.array(measured(*point))
            if not np.allclose(claimed, found, rtol=1e-4, atol=1e-6 * max(1.0, float(np.abs(found).max()))):
                raise ValueError(f"gradient is {claimed} at {point}, but value rises by {found} there")
    return f


class Quadratic:
    r"""The quadratic :math:`\frac12 \sum_i \lambda_i \theta_i^2` in any number of dimensions.

    >>> f = Quadratic([1.0, 10.0, 100.0])
    >>> f.grad([1.0, 1.0, 1.0]), f.smoothness, f.condition
    (array([  1.,  10., 100.]), 100.0, 100.0)
    """

    def __init__(self, curvatures: ArrayLike):
        self.curvatures = finite(curvatures, "curvatures")
        if self.curvatures.ndim != 1 or not self.curvatures.size:
            raise ValueError(f"curvatures must be a list of numbers, one a dimension; given was {curvatures!r}")

    def __call__(self, theta: ArrayLike) -> Any:
        theta = self._points(theta)
        return 0.5 * (self.curvatures * theta * theta).sum(axis=-1)

    def grad(self, theta: ArrayLike) -> NDArray:
        """Gradient at points of shape (..., d)."""
        return self.curvatures * self._points(theta)

    def _points(self, theta: ArrayLike) -> NDArray:
        theta, d = numbers(theta, "theta"), self.curvatures.size
        if theta.shape[-1:] != (d,):
            raise ValueError(f"points have shape (..., {d}), one coordinate a curvature; theta has shape {theta.shape}")
        return theta

    @property
    def smoothness(self) -> float:
        """L, the largest curvature: gradient descent converges for rates below 2/L."""
        return float(self.curvatures.max())

    @property
    def condition(self) -> float:
        """Condition number L/mu."""
        return float(self.curvatures.max() / self.curvatures.min())


guard(globals(), "Surface", methods=False)
guard(globals(), "Quadratic", late=True)
guard(globals(), "of")
