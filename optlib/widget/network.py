"""A small network that is trained in the page: optimizers side by side, with the boundary that each has drawn so far.

Way forward, gradient and updates are compiled from `optlib`; `Network.trained` does the same in Python. Beside the loss
stands the largest curvature, found by power iteration, against what plain descent can bear with its rate: 2/η.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import data, models, rules
from .._inputs import number, whole
from ..compile.front import library
from ..compile.network import network
from ..compile.source import read
from ..optimizer import NotFinite, Optimizer, specification
from . import labels, noise
from .explorer import Figure, spoken

MOST = 5000  #: updates
EVERY = 5  #: updates between two looks at the curvature
TURNS = 2  #: of the power iteration at each look; it goes on from where the last one ended
STEP = 1e-4  #: of the differences of gradients that stand for the Hessian
LOST = 1e6  #: a loss beyond which a run has left for good
WIDE = 1.5  #: deviation of a first weight, times the root of its unit's inputs
SIDE = 36  #: places along each side of the map of outputs


def sgd_limit(*, lr: float) -> float:
    """The curvature beyond which plain descent swings ever wider on a parabola."""
    return 2.0 / lr


def momentum_limit(*, lr: float, gamma: float) -> float:
    """The same with momentum."""
    return 2.0 * (1.0 + gamma) / lr


def nag_limit(*, lr: float, gamma: float) -> float:
    """The same with Nesterov's momentum."""
    return 2.0 * (1.0 + gamma) / ((1.0 + 2.0 * gamma) * lr)


#: What a rule can bear, where one number says it: the others give each weight a rate of its own.
LIMITS: dict[Callable, Callable[..., float]] = {
    rules.sgd: sgd_limit, rules.momentum: momentum_limit, rules.heavy_ball: momentum_limit, rules.nag: nag_limit,
}  # fmt: skip


class Run(NamedTuple):
    """How one optimizer fared, update by update; NaN once it has left for good."""

    theta: NDArray  #: where it ended, of shape (d,)
    losses: NDArray  #: before each update and after the last, of shape (steps + 1,)
    curvatures: NDArray  #: the largest one at every fifth of those, by power iteration: never above it, a little below


class Network(Figure):
    """A network of two inputs and one output, trained in the page by several optimizers on the same data.

    Parameters
    ----------
    algorithms : names of rules with their hyper-parameters, each a number, 1 to 4 of them
    data : X of shape (n, 2) and labels 0 and 1, of shape (n,), up to 400; two spirals if none are given. They are
        rounded to four digits
    hidden : units in each hidden layer
    activation : a name in `optlib.layers.ACTIVATIONS`
    steps : updates that the reader can go to, 10 to 5000
    at : the update that the figure begins with
    seed : of the first weights; the reader can draw others
    lang : "en", "zh", or "auto" for the page's own language

    Raises
    ------
    ValueError : an unknown rule, too many, one that wants the loss; data, steps or a language that do not fit.
    CannotCompile : a rule that sees whole vectors.

    >>> figure = Network({"sgd": {"lr": 0.4}, "adam": {"lr": 0.02}}, at=200)
    >>> figure
    <network 2-16-16-1: sgd, adam at update 200>
    >>> runs = figure.trained()
    >>> bool(runs["adam"].losses[200] < runs["sgd"].losses[200] < runs["sgd"].losses[0])
    True
    """

    part = "network"

    def __init__(
        self, algorithms: Mapping[str, Mapping[str, float]], *, data: tuple[ArrayLike, ArrayLike] | None = None,
        hidden: tuple[int, ...] = (16, 16), activation: str = "tanh", steps: int = 1000, at: int = 400, seed: int = 0,
        lang: str = "auto",
    ):  # fmt: skip
        if not 1 <= len(algorithms) <= 4:
            raise ValueError(f"algorithms holds {len(algorithms)} rules: the figure has room for 1 to 4")
        self.lang, self.steps = spoken(lang), whole(steps, "steps", 10, MOST)
        self.model = models.MLP([2, *hidden, 1], activation, loss="squared")
        self.X, self.y = _examples(data)
        self.optimizers = {name: _optimizer(name, hyper) for name, hyper in algorithms.items()}
        rates = {name: float(each.hyper["lr"]) for name, each in self.optimizers.items()}
        self.state: dict[str, Any] = {
            "at": whole(at, "at", 0, self.steps),
            "seed": whole(seed, "seed", 0, 10**6),
            "lr": rates,
        }
        self.extra = self._code()

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.model.sizes))
        return f"<network {sizes}: {', '.join(self.optimizers)} at update {self.state['at']}>"

    # -- the same in Python

    def start(self) -> NDArray:
        """The first weights, of shape (d,): those that the page draws from the same seed."""
        theta = np.zeros(self.model.size)
        for i, (begin, end, deviation) in enumerate(self._weights()):
            theta[begin:end] = [deviation * noise.normal(self.state["seed"], i, k) for k in range(end - begin)]
        return theta

    def _weights(self) -> list[tuple[int, int, float]]:
        """Where each matrix stands in theta, and the deviation of its first entries."""
        found = [part for part in self.model.parts().values() if part.kind != "bias"]
        return [(each.where.start, each.where.stop, WIDE / float(np.sqrt(each.shape[0]))) for each in found]

    def trained(self, steps: int | None = None) -> dict[str, Run]:
        """How each optimizer fares, up to the update that the figure begins with or for as many as are given."""
        n = self.state["at"] if steps is None else whole(steps, "steps", 0, self.steps)
        return {name: self._run(optimizer, n) for name, optimizer in self.optimizers.items()}

    def _run(self, optimizer: Optimizer, steps: int) -> Run:
        def slope(theta: NDArray) -> NDArray:
            return self.model.grad(theta, self.X, self.y)

        theta, seed = self.start(), self.state["seed"]
        state, v = optimizer.init(theta), np.array([noise.normal(seed, 1000, i) for i in range(len(theta))])
        losses, curvatures = np.full(steps + 1, np.nan), np.full(steps // EVERY + 1, np.nan)
        with np.errstate(over="ignore", invalid="ignore"):
            for t in range(steps + 1):
                losses[t] = self.model.loss(theta, self.X, self.y)
                if not losses[t] < LOST:
                    losses[t] = np.nan
                    break
                if t % EVERY == 0:
                    for _ in range(TURNS):
                        v = v / np.linalg.norm(v)
                        product = (slope(theta + STEP * v) - slope(theta - STEP * v)) / (2 * STEP)
                        curvatures[t // EVERY], v = v @ product, product
                if t < steps:
                    try:
                        theta, state = optimizer.tell(theta, slope(optimizer.ask(theta, state)), state)
                    except NotFinite:
                        break
        return Run(theta, losses, curvatures)

    def limit(self, name: str) -> float | None:
        """The curvature that an optimizer of the figure can bear with its rate; None where there is no such number."""
        if name not in self.optimizers:
            raise ValueError(f"name={name!r}: the figure has {', '.join(self.optimizers)}")
        optimizer = self.optimizers[name]
        known = LIMITS.get(optimizer.rule)
        return known(**{key: optimizer.hyper[key] for key in read(known).constants}) if known else None

    @cached_property
    def box(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """What the maps show: a square around the examples."""
        reach = 1.15 * float(np.abs(self.X).max())
        return (-reach, reach), (-reach, reach)

    # -- how it is shown

    def _code(self) -> str:
        used = [optimizer.rule for optimizer in self.optimizers.values()]
        limits = dict.fromkeys(LIMITS[rule] for rule in used if rule in LIMITS)
        compiled = library(used, functions=[noise.normal, *limits])
        trained = network(self.model, len(self.X), SIDE**2)
        parts = f"const library = (() => {{\n{compiled}}})();\nconst network = (() => {{\n{trained}}})();\n"
        return f"{parts}return {{ library, network }};"

    @property
    def data(self) -> dict[str, Any]:
        """What the page reads besides the code: the examples, the optimizers, the constants of this module."""
        from . import palette  # colours have one home; Matplotlib is needed to read it

        runs = [
            {
                "rule": name, "look": palette.look(name),
                "hyper": {key: float(value) for key, value in each.hyper.items()},
                "limit": LIMITS[each.rule].__name__ if each.rule in LIMITS else None,
            }
            for name, each in self.optimizers.items()
        ]  # fmt: skip
        constants = {"every": EVERY, "turns": TURNS, "step": STEP, "lost": LOST, "side": SIDE, "steps": self.steps}
        return {
            "X": self.X.ravel().tolist(), "y": self.y.tolist(), "box": self.box, "runs": runs,
            "weights": self._weights(), **constants,
        }  # fmt: skip

    @cached_property
    def picture(self) -> Any:
        """The picture that stands for the figure where nothing can move."""
        from .still import trained

        return trained(self)


def _examples(given: tuple[ArrayLike, ArrayLike] | None) -> tuple[NDArray, NDArray]:
    """The examples as the page has them, with targets -1 and 1."""
    X, y = data.spirals(100, turns=1.0, noise=0.02, seed=0) if given is None else map(np.asarray, given)
    if X.ndim != 2 or X.shape[1] != 2 or not 2 <= len(X) <= 400 or y.shape != X.shape[:1]:
        raise ValueError(f"data has shapes {X.shape} and {y.shape}: they must be (n, 2) and (n,), with n from 2 to 400")
    if not np.isfinite(X.astype(float)).all() or not np.isin(y, (0, 1)).all():
        raise ValueError("data must be finite points with labels 0 and 1")
    return X.astype(float).round(4), 2.0 * y - 1.0


def _optimizer(name: str, hyper: Mapping[str, float]) -> Optimizer:
    if name not in rules.TABLE:
        raise ValueError(f"no algorithm {name!r}: there are {', '.join(labels.ALGORITHMS)}")
    rule = rules.TABLE[name]
    if "loss" in specification(rule)[1]:
        raise ValueError(f"algorithm {name!r} wants the loss at each step, which this figure does not hand on")
    for key, value in hyper.items():
        number(value, f"{name}.{key}")
    return Optimizer(rule, **hyper)
