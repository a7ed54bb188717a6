r"""Newton's method and its repair at saddles, for comparison: both want the Hessian, or its products with vectors."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._inputs import guard, like, number, vector, whole
from ..optimizer import check_oracle

Gradient = Callable[[NDArray], ArrayLike]


def hessian_vector(grad: Gradient, theta: ArrayLike, v: ArrayLike, *, h: float | None = None) -> NDArray:
    r"""A Hessian–vector product from two gradients, without the Hessian.

    .. math:: H v \approx \frac{\nabla f(\theta + h v) - \nabla f(\theta - h v)}{2h}

    Parameters
    ----------
    grad : gradient at a point, theta -> g, both of shape (d,)
    theta : point. v : direction, of the same shape
    h : step along v, in units of v; by default such that :math:`h\lVert v\rVert = \sqrt[3]{\varepsilon}\,\max(1,
        \lVert\theta\rVert)`, where the error of the difference and that of rounding balance

    Source: the classic difference; Pearlmutter (1994) has an exact one for code that can be
    differentiated.

    >>> from optlib import surfaces
    >>> hessian_vector(surfaces.bowl.grad, [1.0, 2.0], [1.0, 0.0]).round(6)
    array([1., 0.])
    """
    check_oracle(grad, "grad")
    theta = vector(theta)
    v = like(v, theta, "v")
    length = np.linalg.norm(v)
    if length == 0:
        return np.zeros_like(theta)
    if h is None:
        h = float(np.finfo(theta.dtype).eps ** (1 / 3) * max(1.0, float(np.linalg.norm(theta))) / length)
    shift = number(h, "h", open_low=True) * v
    up = like(grad(theta + shift), theta, "grad(theta)")
    return (up - like(grad(theta - shift), theta, "grad(theta)")) / (2 * h)


def hessian(grad: Gradient, theta: ArrayLike, *, h: float | None = None) -> NDArray:
    """The Hessian by central differences of gradients, made symmetric, of shape (d, d): 2 d gradients.

    Parameters are those of `hessian_vector`.

    Source: Nocedal & Wright (2006), section 8.1.

    >>> from optlib import surfaces
    >>> hessian(surfaces.rosenbrock.grad, [1.0, 1.0]).round(3)
    array([[ 802., -400.],
           [-400.,  200.]])
    """
    theta = vector(theta)
    rows = np.array([hessian_vector(grad, theta, e, h=h) for e in np.eye(theta.size, dtype=theta.dtype)])
    return 0.5 * (rows + rows.T)


def newton_step(theta: ArrayLike, g: ArrayLike, H: ArrayLike, *, lr: float = 1.0, damping: float = 0.0) -> NDArray:
    r"""Newton's step: to the point where the local quadratic is flat, be it a minimum, a saddle or a maximum.

    .. math:: \theta \leftarrow \theta - \eta\,(H + \lambda I)^{-1} \nabla f(\theta)

    Parameters
    ----------
    theta, g : point and gradient, of shape (d,), as is the new point
    H : Hessian there, of shape (d, d)
    lr : share of the whole step, above 0
    damping : :math:`\lambda`, 0 or more, in the units of H

    Raises
    ------
    ValueError : a matrix that cannot be inverted (with advice), or shapes that do not match.

    Source: Nocedal & Wright (2006), chapter 3; with damping, Levenberg (1944).

    >>> newton_step([1.0, 0.1], [10.0, -0.2], [[10.0, 0.0], [0.0, -2.0]])
    array([0., 0.])
    """
    theta, g, H = _quadratic(theta, g, H)
    lr, damping = number(lr, "lr", open_low=True), number(damping, "damping")
    shifted = H + damping * np.eye(theta.size)
    if np.linalg.cond(shifted) > 1 / np.finfo(float).eps:
        raise ValueError(_FLAT.format(least=float(np.abs(np.linalg.eigvalsh(shifted)).min())))
    return theta - lr * np.linalg.solve(shifted, g)


def saddle_free_newton_step(
    theta: ArrayLike, g: ArrayLike, H: ArrayLike, *, lr: float = 1.0, damping: float = 0.0
) -> NDArray:
    r"""Newton's step with the absolute values of the curvatures: negative ones repel, as they should.

    .. math:: \theta \leftarrow \theta - \eta\,(|H| + \lambda I)^{-1} \nabla f(\theta),
        \qquad |H| = \sum_i |\lambda_i|\,q_i q_i^\top

    Parameters are those of `newton_step`.

    Source: Dauphin et al. (2014), section 4.

    >>> saddle_free_newton_step([1.0, 0.1], [10.0, -0.2], [[10.0, 0.0], [0.0, -2.0]])
    array([0. , 0.2])
    """
    theta, g, H = _quadratic(theta, g, H)
    lr, damping = number(lr, "lr", open_low=True), number(damping, "damping")
    return theta - lr * _absolute_solve(H, g, damping)


def newton(
    f: Any, theta: ArrayLike, steps: int, *, saddle_free: bool = False, lr: float = 1.0, damping: float = 0.0
) -> NDArray:
    """The path of Newton's method, or of its saddle-free repair: the start and `steps` points, of shape (steps + 1, d).

    Parameters
    ----------
    f : a surface (anything with ``grad``; its Hessian is measured by `hessian` unless it has a method ``hessian``), or
        a pair of functions (gradient, Hessian)
    theta : start, of shape (d,)
    steps : 0 or more
    saddle_free : divide by the absolute values of the curvatures
    lr, damping : as in `newton_step`

    Raises
    ------
    ValueError : where the Hessian cannot be inverted, or a gradient is not finite; TypeError : f has no gradient.

    Source: Nocedal & Wright (2006), chapter 3; Dauphin et al. (2014).

    >>> from optlib import surfaces
    >>> newton(surfaces.bowl, [4.0, -2.0], steps=1).round(6) + 0.0
    array([[ 4., -2.],
           [ 0.,  0.]])
    """
    grad, matrix = _functions(f)
    step = saddle_free_newton_step if saddle_free else newton_step
    path = [vector(theta)]
    for _ in range(whole(steps, "steps", 0)):
        g = like(grad(path[-1]), path[-1], "the gradient")
        path.append(step(path[-1], g, matrix(path[-1]), lr=lr, damping=damping))
    return np.array(path)


_FLAT = (
    "the Hessian cannot be inverted: its smallest eigenvalue is {least:.1e} in size, so that a Newton step would be "
    "endless in that direction. Give a damping > 0"
)


def _quadratic(theta: ArrayLike, g: ArrayLike, H: ArrayLike) -> tuple[NDArray, NDArray, NDArray]:
    theta = vector(theta)
    H = np.asarray(H, dtype=float)
    if H.shape != (theta.size, theta.size):
        raise ValueError(f"H has shape {H.shape}, but theta's {theta.shape} needs ({theta.size}, {theta.size})")
    if not np.isfinite(H).all():
        raise ValueError("H is not finite: check the function that gives it")
    if not np.allclose(H, H.T, rtol=1e-6, atol=1e-6 * float(np.abs(H).max())):
        raise ValueError("H is not symmetric: a Hessian is. Give 0.5 * (H + H.T) if the difference is rounding")
    return theta, like(g, theta, "g"), 0.5 * (H + H.T)


def _absolute_solve(H: NDArray, g: NDArray, damping: float) -> NDArray:
    """(|H| + damping I)^-1 g, where directions without gradient need no curvature."""
    values, q = np.linalg.eigh(H)
    sizes, along = np.abs(values) + damping, q.T @ g
    floor = np.finfo(float).eps * max(len(g), 1) * float(sizes.max())
    flat = sizes <= floor
    if (np.abs(along[flat]) > floor * max(1.0, float(np.linalg.norm(g)))).any():
        raise ValueError(_FLAT.format(least=float(sizes.min())))
    return q @ np.divide(along, sizes, out=np.zeros_like(along), where=~flat)


def _functions(f: Any) -> tuple[Gradient, Gradient]:
    if isinstance(f, (tuple, list)):
        if len(f) != 2 or not all(map(callable, f)):
            raise TypeError(f"f holds {len(f)} things: a pair of functions is wanted, (gradient, Hessian)")
        return f[0], f[1]
    if not callable(getattr(f, "grad", None)):
        raise TypeError(f"f={f!r} has no method grad: give a surface, or the pair (gradient, Hessian)")
    check_oracle(f.grad, "f.grad")
    own = getattr(f, "hessian", None)
    return f.grad, own if callable(own) else lambda theta: hessian(f.grad, theta)


guard(globals())
