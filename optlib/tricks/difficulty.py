r"""Curriculum learning: easy examples first, and the four ways to draw the difficulty of the next one."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._inputs import guard, number, one_of, whole
from ..models import Model
from ..oracles import Examples

Strategy = Literal["none", "naive", "mix", "combined"]


class Curriculum:
    r"""Draws difficulties, each an integer from 1, or several of them, as the length and the nesting of a program.

    With :math:`(a, b)` the full difficulty and :math:`(a_s, b_s)` that of stage s, in each coordinate independently:

    - *none* (no curriculum): always :math:`(a, b)`
    - *naive*: uniform in :math:`[1, a_s] \times [1, b_s]`. A stage raises the first coordinate by 1; when it has
      reached its full value, the next one is raised and the first begins anew at 1
    - *mix*: uniform in :math:`[1, a] \times [1, b]`
    - *combined*: each draw by mix with probability `share`, else by naive

    The draw of step t follows from the seed and t alone.

    Parameters
    ----------
    levels : full difficulty, a or (a, b, ...), each 1 or more
    strategy : "none", "naive", "mix" or "combined"
    stage : t -> stage, from 0; or the number of steps that each stage lasts. The paper raises it when learning stalls:
        a callable with a memory, such as one that counts the cuts of `schedules.Plateau`, does that
    seed : of the draws
    share : of mix in combined, in [0, 1)
    exact : let naive draw only the present difficulty itself, as where examples are made to order

    Source: Zaremba & Sutskever (2014), section 4; the idea: Bengio et al. (2009).

    >>> Curriculum(5, "naive", stage=10, exact=True).draw(t=25, batch_size=3)
    array([3, 3, 3])
    >>> Curriculum((3, 2), "naive", stage=1).present(t=4)
    (2, 2)
    """

    def __init__(
        self, levels: int | Sequence[int], strategy: Strategy = "combined", *,
        stage: Callable[[int], int] | int = 100, seed: int = 0, share: float = 0.5, exact: bool = False,
    ):  # fmt: skip
        one_of(strategy, "strategy", get_args(Strategy))
        self._scalar = np.ndim(levels) == 0
        self.levels = tuple(whole(level, "levels") for level in ([levels] if self._scalar else levels))  # type: ignore[union-attr]
        if not self.levels:
            raise ValueError("levels is empty: give the full difficulty, such as 10 or (10, 3)")
        self.strategy, self.seed, self.exact = strategy, whole(seed, "seed", 0), bool(exact)
        self.share = number(share, "share", high=1.0)
        self._stage = stage if callable(stage) else whole(stage, "stage")

    def present(self, t: int) -> tuple[int, ...]:
        """The difficulty of the present stage, coordinate by coordinate, never above the full one."""
        t = whole(t, "t", 0)
        stage = whole(self._stage(t), "stage(t)", 0) if callable(self._stage) else t // self._stage
        stage = min(stage, int(np.prod(self.levels)) - 1)
        return tuple(int(i) + 1 for i in np.unravel_index(stage, self.levels, order="F"))

    def draw(self, t: int, batch_size: int) -> NDArray:
        """The difficulties of step t, of shape (batch_size,), or (batch_size, coordinates) where there are several."""
        rng = np.random.default_rng([self.seed, whole(t, "t", 0)])
        batch_size = whole(batch_size, "batch_size")
        full = np.array(self.levels)
        mixed = rng.integers(1, full + 1, size=(batch_size, len(full)))
        now = np.array(self.present(t))
        staged = np.broadcast_to(now, mixed.shape) if self.exact else rng.integers(1, now + 1, size=mixed.shape)
        by_mix = rng.random(batch_size) < self.share
        drawn = {
            "none": np.broadcast_to(full, mixed.shape), "mix": mixed, "naive": staged,
            "combined": np.where(by_mix[:, None], mixed, staged),
        }[self.strategy]  # fmt: skip
        return drawn[:, 0].copy() if self._scalar else drawn.copy()


class curriculum(Examples):
    """An oracle that chooses its mini-batches by difficulty.

    Parameters
    ----------
    model, X, y : as in `optlib.oracles.minibatch`
    difficulty : of each example, whole numbers from 1, of shape (n,) or (n, coordinates); each level must occur
    batch_size : examples in a batch, drawn with replacement
    strategy, **plan : as in `Curriculum`, except for `levels`, which follow from the data

    Raises
    ------
    ValueError : difficulties that are not whole numbers from 1, not one for each example, or a level without examples.

    Source: Zaremba & Sutskever (2014), section 4.

    >>> from optlib.models import LinearRegression
    >>> X, y = np.ones((6, 1)), np.zeros(6)
    >>> oracle = curriculum(LinearRegression(), X, y, [1, 1, 2, 2, 3, 3], batch_size=4, strategy="naive", stage=100)
    >>> bool((oracle.indices(t=0) < 2).all()), bool((oracle.indices(t=150) < 4).all())
    (True, True)
    """

    def __init__(
        self, model: Model, X: ArrayLike, y: ArrayLike, difficulty: ArrayLike, batch_size: int,
        strategy: Strategy = "combined", **plan: Any,
    ):  # fmt: skip
        super().__init__(model, X, y)
        self.batch_size = whole(batch_size, "batch_size")
        table = _difficulties(difficulty)
        full = table.max(axis=0).tolist()
        self.plan = Curriculum(full[0] if np.ndim(difficulty) == 1 else full, strategy, **plan)
        self._rows = _by_level(table, len(self.X), self.plan.levels)

    def indices(self, t: int) -> NDArray:
        """The rows of X that step t uses, of shape (batch_size,): one at random of each difficulty that was drawn."""
        drawn = self.plan.draw(t, self.batch_size).reshape(self.batch_size, -1)
        picks = np.random.default_rng([self.plan.seed, t, 1]).random(self.batch_size)
        groups = [self._rows[tuple(level)] for level in drawn.tolist()]
        return np.array([rows[int(u * len(rows))] for u, rows in zip(picks, groups, strict=True)])

    def __call__(self, theta: NDArray, t: int) -> NDArray:
        rows = self.indices(t)
        return self.model.grad(theta, self.X[rows], self.y[rows])


def _difficulties(difficulty: ArrayLike) -> NDArray:
    """Difficulties as a table of shape (n, coordinates)."""
    table = np.asarray(difficulty)
    if table.ndim not in (1, 2) or not table.size:
        raise ValueError(f"difficulty has shape {table.shape}: one value for each example is needed, (n,) or (n, k)")
    if not np.issubdtype(table.dtype, np.integer) or table.min() < 1:
        raise ValueError(f"difficulty must hold whole numbers from 1, not {table.dtype} values from {table.min()}")
    return table.reshape(len(table), -1)


def _by_level(table: NDArray, n: int, levels: tuple[int, ...]) -> dict[tuple[int, ...], NDArray]:
    """The rows of each level."""
    if len(table) != n:
        raise ValueError(f"difficulty has {len(table)} entries, but X has {n} rows: each example needs its own")
    rows = {}
    for index in np.ndindex(levels):
        level = tuple(i + 1 for i in index)
        rows[level] = np.flatnonzero((table == level).all(axis=1))
        if not len(rows[level]):
            shown = level[0] if len(level) == 1 else level
            raise ValueError(f"no example has difficulty {shown}: number the levels without gaps, from 1")
    return rows


guard(globals())
