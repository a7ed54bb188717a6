r"""Hogwild!: threads that write to the same weights without asking, on memory that they really share.

Each thread takes an example, reads the weights that the example touches, and adds its step to them, with no lock and no
copy. Two threads may read the same old value and one of the two additions is lost; on sparse data that is rare, because
two examples seldom touch the same weight. `conflicts` measures how rare, `lost` counts what vanishes.

The kernels are compiled by Numba and run without Python's lock, so the races are real and a run with several threads is
not repeatable. With one thread it is, and equals plain SGD.

Source: Niu, Recht, Ré & Wright (2011).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._inputs import number, one_of, whole
from ..data import SparseRows

Variant = Literal["lock-free", "atomic", "locked", "private"]
VARIANTS = ("lock-free", "atomic", "locked", "private")
LOSSES = ("logistic", "hinge", "squared")


class Conflicts(NamedTuple):
    r"""How much the examples of a data set get in each other's way; `conflicts` measures it.

    :math:`\Delta \le \rho \le \min(1, \Omega\Delta)`.
    """

    omega: int  #: Ω, the most weights that one example touches
    delta: float  #: Δ, the share of the examples that touch the most popular weight
    rho: float  #: ρ, the largest share of the examples that touch some weight of one example


@dataclass(frozen=True)
class Run:
    """What `hogwild` found."""

    theta: NDArray  #: the weights, of shape (d,)
    losses: NDArray  #: mean loss after each epoch, the start first, of shape (epochs + 1,)
    seconds: NDArray  #: what each epoch took, of shape (epochs,)
    threads: int
    variant: str

    def __repr__(self) -> str:
        return f"Run({self.variant}, threads={self.threads}, loss {self.losses[0]:.4g} -> {self.losses[-1]:.4g})"


def conflicts(X: SparseRows) -> Conflicts:
    r"""The paper's conflict parameters of a data set, exactly.

    .. math:: \Omega = \max_e |e|, \quad \Delta = \frac{\max_v |\{e : v \in e\}|}{|E|}, \quad
        \rho = \frac{\max_e |\{\hat e : \hat e \cap e \ne \emptyset\}|}{|E|}

    Parameters
    ----------
    X : n examples as sparse rows; an entry counts if it is stored

    Source: Niu, Recht, Ré & Wright (2011), section 2.

    >>> conflicts(SparseRows([0, 2, 4, 5], [0, 1, 1, 2, 3], np.ones(5), 4))
    Conflicts(omega=2, delta=0.6666666666666666, rho=0.6666666666666666)
    """
    X = _checked(X)
    n, widths = X.shape[0], np.diff(X.indptr)
    by_column = np.argsort(X.indices, kind="stable")
    owners = np.repeat(np.arange(n), widths)[by_column].astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(np.bincount(X.indices, minlength=X.shape[1]))]).astype(np.int64)
    widest = _kernels().neighbours(X.indptr.astype(np.int64), X.indices.astype(np.int64), starts, owners)
    return Conflicts(int(widths.max(initial=0)), float(np.diff(starts).max(initial=0) / n), float(widest / n))


def hogwild(
    X: SparseRows, y: ArrayLike, *, loss: str = "logistic", lr: float = 0.1, epochs: int = 3, threads: int = 2,
    variant: Variant = "lock-free", l2: float = 0.0, decay: float = 1.0, hot: int = 256, merge: int = 256,
    seed: int = 0, progress: Callable[[int, float], None] | None = None,
) -> Run:  # fmt: skip
    r"""SGD on sparse examples with threads that share the weights.

    .. math:: \theta_v \leftarrow \theta_v - \eta \Bigl( \ell'(x_e^\top \theta, y_e)\, x_{e,v}
        + \frac{\lambda}{d_v} \theta_v \Bigr) \quad \text{for } v \in e

    where :math:`d_v` is the share of the examples that touch weight v, so that the penalty is spread over them.

    Parameters
    ----------
    X : n examples, each touching few of d weights. y : labels 0 or 1; for "squared", numbers
    loss : "logistic", "hinge" or "squared"
    lr : step of the first epoch, above 0. decay : what it is multiplied with after each epoch, in (0, 1]
    epochs : passes over the data, each in a new random order dealt out to the threads
    threads : 1 or more; more than there are cores only wait for each other
    variant : "lock-free", as the paper has it; "atomic", where no addition to a weight is lost; "locked", where one
        example at a time is handled; "private", where each thread keeps its own copy of the `hot` most popular weights
        and adds what has changed to the shared ones every `merge` examples
    l2 : strength of the penalty, 0 or more
    seed : of the orders
    progress : called with (epoch, mean loss) after each

    Raises
    ------
    ValueError, TypeError : what is out of range, with what is allowed. FloatingPointError : the loss is not finite.

    Source: Niu, Recht, Ré & Wright (2011), algorithm 1 and section 4 (the decay); "private" is ours.

    >>> from optlib import data
    >>> X, y = data.zipf(500, d=2000, words=10)
    >>> run = hogwild(X, y, lr=0.5, epochs=3, threads=1)
    >>> bool(run.losses[-1] < 0.5 * run.losses[0])
    True
    """
    X, target = _checked(X), _labels(y, X, loss)
    _check_counts(epochs=epochs, threads=threads, hot=hot, merge=merge)
    number(l2, "l2")
    _check_variant(variant, VARIANTS)
    rows = _Rows(X, target, l2)
    theta, guard = np.zeros(X.shape[1]), np.zeros(8, dtype=np.int64)
    kinds = LOSSES.index(loss), VARIANTS.index(variant)
    own = rows.hottest(hot) if variant == "private" else None

    def job(order: NDArray, rate: float) -> tuple:
        return rows, order.astype(np.uint64), theta, guard, own, rate, kinds, merge

    def mean() -> float:
        return rows.loss(theta, kinds[0], l2)

    rates, rng = _rates(lr, decay, epochs), np.random.default_rng([seed, 7])
    return _raced(theta, mean, _work, job, len(target), threads, variant, rates, rng, progress)


def lost(
    threads: int = 2, updates: int = 1_000_000, weights: int = 1, *, variant: Variant = "lock-free", seed: int = 0
) -> int:  # fmt: skip
    """How many of threads x updates additions of 1 vanish when all add to the same few weights at random.

    Parameters
    ----------
    threads, updates, weights : 1 or more; `updates` is for each thread
    variant : "lock-free" or "atomic"

    >>> lost(1, 1000), lost(2, 1000, variant="atomic")
    (0, 0)
    """
    _check_counts(threads=threads, updates=updates, weights=weights)
    _check_variant(variant, VARIANTS[:2])
    shared = np.zeros(weights)
    draws = np.random.default_rng(seed).integers(0, weights, size=(threads, updates))
    _together(_kernels().add, [(shared, each, variant == "atomic") for each in draws])
    return round(threads * updates - shared.sum())


def complete(
    X: ArrayLike, y: ArrayLike, shape: tuple[int, int], rank: int, *, lr: float = 0.05, epochs: int = 10,
    threads: int = 2, variant: Variant = "lock-free", l2: float = 0.0, decay: float = 0.9, seed: int = 0,
) -> tuple[NDArray, NDArray, Run]:  # fmt: skip
    r"""Matrix completion by Hogwild!: an entry touches one row of L and one of R, so most steps do not meet.

    .. math:: e = L_i^\top R_j - y_{ij}, \quad L_i \leftarrow L_i - \eta (e R_j + \tfrac{\lambda}{d_i} L_i), \quad
        R_j \leftarrow R_j - \eta (e L_i + \tfrac{\lambda}{d_j} R_j)

    Parameters
    ----------
    X : pairs (row, column), of shape (n, 2); y : the known entries. shape : of the matrix. rank : columns of L and R
    variant : "lock-free" or "atomic"; the others as in `hogwild`

    Returns
    -------
    L, of shape (rows, rank), R, of shape (columns, rank), and the Run, whose theta holds both.

    >>> from optlib import data
    >>> X, y = data.low_rank(40, 30, rank=2, observed=0.6)
    >>> L, R, run = complete(X, y, (40, 30), 2, threads=1, epochs=30, decay=1.0)
    >>> bool(run.losses[-1] < 0.05 * run.losses[0])
    True
    """
    pairs, values = np.asarray(X), np.asarray(y, dtype=float)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or values.shape != pairs.shape[:1] or not len(values):
        raise ValueError(f"X has shape {pairs.shape} and y {values.shape}: give n >= 1 pairs (n, 2) and as many values")
    rows, columns = shape
    _check_counts(rows=rows, columns=columns, rank=rank, epochs=epochs, threads=threads)
    number(l2, "l2")
    if not (pairs >= 0).all() or not (pairs < [rows, columns]).all():
        raise ValueError(f"X names entries outside of a matrix of shape {shape}")
    _check_variant(variant, VARIANTS[:2])
    rng = np.random.default_rng([seed, 7])
    both = 0.5 * rng.standard_normal((rows + columns, rank))
    entries = np.ascontiguousarray(pairs.astype(np.int64) + np.array([0, rows]))
    often = np.bincount(entries.ravel(), minlength=rows + columns) / len(values)
    shrink = np.divide(l2, often, out=np.zeros(len(often)), where=often > 0)

    def mean() -> float:
        error = (both[entries[:, 0]] * both[entries[:, 1]]).sum(axis=1) - values
        return float(0.5 * (error**2).mean() + 0.5 * l2 * (both**2).sum())

    def job(order: NDArray, rate: float) -> tuple:
        return entries, values, order.astype(np.int64), both, shrink, rate, variant == "atomic"

    rates = _rates(lr, decay, epochs)
    run = _raced(both.ravel(), mean, _kernels().factor, job, len(values), threads, variant, rates, rng)
    return both[:rows], both[rows:], run


# --- the parts ---------------------------------------------------------------------------------------


def _raced(
    theta: NDArray, loss: Callable[[], float], work: Callable, job: Callable[[NDArray, float], tuple], count: int,
    threads: int, variant: str, rates: list[float], rng: np.random.Generator,
    progress: Callable[[int, float], None] | None = None,
) -> Run:  # fmt: skip
    """Examples dealt out to threads, an epoch for each rate; `job` makes of some and the rate what `work` is given."""
    losses, seconds = [loss()], []
    for epoch, rate in enumerate(rates, 1):
        jobs = [job(order, rate) for order in np.array_split(rng.permutation(count), threads)]
        begun = time.perf_counter()
        _together(work, jobs)
        seconds.append(time.perf_counter() - begun)
        losses.append(loss())
        if not np.isfinite(losses[-1]):
            raise FloatingPointError(f"the loss is not finite after epoch {epoch}: try a smaller lr than {rates[0]:g}")
        if progress is not None:
            progress(epoch, losses[-1])
    return Run(theta, np.array(losses), np.array(seconds), threads, variant)


class _Rows:
    """The data as the kernels want it: unsigned, and 32-bit columns, so that more of them fit into a cache line."""

    def __init__(self, X: SparseRows, y: NDArray, l2: float) -> None:
        self.X, self.y = X, y
        self.indptr, self.indices, self.values = X.indptr.astype(np.uint64), X.indices.astype(np.uint32), X.values
        self.popular = np.bincount(X.indices, minlength=X.shape[1])
        share = self.popular / max(1, X.shape[0])
        self.shrink = np.divide(l2, share, out=np.zeros(X.shape[1]), where=share > 0) if l2 else np.zeros(0)

    def hottest(self, hot: int) -> tuple[NDArray, ...]:
        """The rows with the entries of the most popular weights first, as the kernel for private copies wants them.

        Columns (those entries' by the weight's place among the popular), values, where a row's first part ends, and
        the popular weights.
        """
        chosen = np.argsort(-self.popular, kind="stable")[: min(hot, len(self.popular))]
        names, cold = np.arange(len(self.popular), dtype=np.uint32), np.ones(len(self.popular), dtype=bool)
        names[chosen], cold[chosen] = np.arange(len(chosen), dtype=np.uint32), False
        widths = np.diff(self.X.indptr)
        late = cold[self.indices]
        order = np.argsort(2 * np.repeat(np.arange(len(widths)), widths) + late, kind="stable")
        ends = np.concatenate([[0], np.cumsum(~late)])[self.X.indptr]
        middle = self.indptr[:-1] + np.diff(ends).astype(np.uint64)
        return names[self.indices[order]], self.values[order], middle, chosen.astype(np.uint64)

    def loss(self, theta: NDArray, kind: int, l2: float) -> float:
        """The mean over the examples, with the penalty; not finite if a run diverged."""
        each = _kernels().total(self.indptr, self.indices, self.values, self.y, theta, kind) / len(self.y)
        with np.errstate(over="ignore", invalid="ignore"):
            # a sum and no dot product: the threads of BLAS would go on spinning, on the cores of the next epoch
            return float(each + 0.5 * l2 * np.square(theta).sum()) if l2 else float(each)


def _work(
    rows: _Rows, order: NDArray, theta: NDArray, guard: NDArray, own: Any, lr: float, kinds: Any, merge: int
) -> None:
    kernels = _kernels()
    indices, values = (rows.indices, rows.values) if own is None else own[:2]
    data = (rows.indptr, indices, values, rows.y, order, theta, lr, kinds[0], rows.shrink)
    if own is not None:
        kernels.private(*data, *own[2:], merge)
    elif kinds[1] == 0:
        kernels.plain(*data)
    else:
        kernels.guarded(*data, guard, kinds[1] == 2)


def _together(work: Callable, jobs: list[tuple]) -> None:
    """Every job in a thread of its own; what one raises is raised here."""
    if len(jobs) == 1:
        work(*jobs[0])
        return
    _kernels()  # compiled before the threads start, not by each of them
    failed: list[BaseException] = []

    def run(job: tuple) -> None:
        try:
            work(*job)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _checked(X: SparseRows) -> SparseRows:
    if not X.shape[0]:
        raise ValueError("X has no rows: there is nothing to learn from")
    return X


def _check_variant(variant: str, allowed: tuple[str, ...]) -> None:
    # Numba's decorator leaves a function as it was where nothing is compiled
    if one_of(variant, "variant", allowed) != "lock-free" and not hasattr(_kernels().factor, "py_func"):
        raise RuntimeError(
            f"variant={variant!r} needs compiled code, and NUMBA_DISABLE_JIT switches the compiler off: unset it "
            "before Python starts, or take variant='lock-free'"
        )


def _labels(y: ArrayLike, X: SparseRows, loss: str) -> NDArray:
    one_of(loss, "loss", LOSSES)
    target = np.asarray(y, dtype=float)
    if target.shape != (X.shape[0],):
        raise ValueError(f"y has shape {target.shape}, but X has {X.shape[0]} rows: give one label each")
    if loss != "squared" and not np.isin(target, (0.0, 1.0)).all():
        raise ValueError(f"y holds {np.unique(target)[:5]}: the labels of {loss} regression are 0 and 1")
    return target


def _check_counts(**counts: int) -> None:
    for name, value in counts.items():
        whole(value, name)


def _rates(lr: float, decay: float, epochs: int) -> list[float]:
    """The step of each epoch, which must not grow."""
    number(lr, "lr", open_low=True)
    number(decay, "decay", high=1.0, open_low=True, closed=True)
    return [lr * decay**epoch for epoch in range(epochs)]


@cache
def _kernels() -> Any:
    try:
        from . import _race
    except ImportError as error:
        raise ImportError("Hogwild! needs Numba, whose threads run without Python's lock: pip install numba") from error
    return _race
