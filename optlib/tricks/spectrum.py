r"""The spectrum of a Hessian from its products with vectors alone: Lanczos and Ritz values."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._inputs import guard, like, vector, whole

Product = Callable[[NDArray], ArrayLike]


class Krylov(NamedTuple):
    """An orthonormal basis of a Krylov space, and the matrix seen in it. Made by `lanczos`."""

    basis: NDArray  #: columns, of shape (d, k)
    diagonal: NDArray  #: of the tridiagonal matrix T, of shape (k,)
    beside: NDArray  #: beside its diagonal, of shape (k - 1,)

    @property
    def matrix(self) -> NDArray:
        """T, of shape (k, k)."""
        return np.diag(self.diagonal) + np.diag(self.beside, 1) + np.diag(self.beside, -1)


def lanczos(product: Product, start: ArrayLike, k: int) -> Krylov:
    r"""Lanczos' tridiagonalisation with full reorthogonalisation, :math:`V^\top H V = T`: a `Krylov`.

    .. math:: \beta_j v_{j+1} = H v_j - \alpha_j v_j - \beta_{j-1} v_{j-1}, \qquad \alpha_j = v_j^\top H v_j

    In exact arithmetic three terms suffice; in floating point the basis loses its right angles as soon as a Ritz value
    has converged, and copies of that value appear. So each new vector is made orthogonal to all before it, twice.

    Parameters
    ----------
    product : v -> H v for a symmetric H of shape (d, d), which need never be written down
    start : first vector, of shape (d,), not zero
    k : most vectors, 1 to d; fewer come back where the Krylov space ends before

    Raises
    ------
    ValueError : a start of zeros, k out of range, a product of another shape or not finite.

    Source: Lanczos (1950); Golub & Van Loan (2013), section 10.1 and 10.3 on reorthogonalisation.

    >>> H = np.diag([1.0, 2.0, 5.0])
    >>> krylov = lanczos(lambda v: H @ v, [1.0, 1.0, 1.0], k=3)
    >>> np.linalg.eigvalsh(krylov.matrix).round(12)
    array([1., 2., 5.])
    """
    v = vector(start, "start")
    k = whole(k, "k", 1, v.size)
    norm = np.linalg.norm(v)
    if norm == 0:
        raise ValueError("start is zero, and spans nothing: give a vector with a length, such as a random one")
    basis = np.empty((v.size, k))
    diagonal, beside = np.empty(k), np.empty(k)
    basis[:, 0] = v / norm
    scale = 0.0
    for j in range(k):
        w = like(_times(product, basis[:, j].copy()), basis[:, j], "product(v)").copy()
        diagonal[j] = basis[:, j] @ w
        scale = max(scale, float(np.linalg.norm(w)))
        known = basis[:, : j + 1]
        for _ in range(2):  # once more removes what rounding left
            w -= known @ (known.T @ w)
        beside[j] = np.linalg.norm(w)
        if j + 1 == k or beside[j] <= 1e-12 * scale:  # the space is used up: what is left is rounding
            break
        basis[:, j + 1] = w / beside[j]
    return Krylov(basis[:, : j + 1], diagonal[: j + 1], beside[:j])


def _times(product: Product, v: NDArray) -> ArrayLike:
    try:
        return product(v)
    except (TypeError, ValueError) as error:
        raise type(error)(f"product cannot be called with a vector of start's shape {v.shape}: {error}") from error


def ritz(product: Product, start: ArrayLike, k: int) -> tuple[NDArray, NDArray]:
    """Ritz values and vectors: eigenvalues as far as k products with vectors show them, the extreme ones first to
    converge.

    Parameters are those of `lanczos`.

    Returns
    -------
    values, ascending, of shape (k,), and the vectors as columns, of shape (d, k).

    Source: Parlett (1980), *The Symmetric Eigenvalue Problem*, chapters 11 to 13.

    >>> H = np.diag(np.arange(1.0, 101.0))
    >>> values, vectors = ritz(lambda v: H @ v, np.ones(100), k=40)
    >>> values[-1].round(4), vectors.shape
    (np.float64(100.0), (100, 40))
    """
    krylov = lanczos(product, start, k)
    values, y = np.linalg.eigh(krylov.matrix)
    return values, krylov.basis @ y


guard(globals())
