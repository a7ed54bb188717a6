"""Races, contests and figures of the chapter on watching and choosing.

>>> from downhill_course.figures import choosing
>>> sorted(choosing.RACERS)
['adadelta', 'adagrad', 'adam', 'momentum', 'nag', 'rmsprop', 'sgd']
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optlib import compare, data, models, rules, surfaces
from optlib.optimizer import Optimizer, descend
from optlib.surfaces import Surface
from optlib.view.contours import contour
from optlib.view.pictures import Picture, picture
from optlib.view.style import GREY, house, label, legend, listed, look_of, panels

#: The racers of the overview's and the slides' pictures, and Adam, whom those pictures leave out.
NAMES = ("sgd", "momentum", "nag", "adagrad", "adadelta", "rmsprop", "adam")


def half_decades(low: float, n: int = 11) -> list[float]:
    """n learning rates from `low` upwards, two a decade.

    >>> half_decades(0.01, 4)
    [0.01, 0.032, 0.1, 0.32]
    """
    return [float(f"{low * 10 ** (k / 2):.2g}") for k in range(n)]


_LOWEST = {"sgd": 1e-3, "momentum": 1e-4, "nag": 1e-4, "adagrad": 1e-3, "adadelta": 1e-2, "rmsprop": 1e-4, "adam": 1e-4}

#: Each racer with eleven learning rates, five decades wide; everything else as its paper has it.
RACERS: Mapping[str, Any] = MappingProxyType(
    {name: (getattr(rules, name), {"lr": half_decades(_LOWEST[name])}) for name in NAMES}
)
#: The rates that PyTorch gives who asks for none. Momentum's 0.9 is the usual choice; nag as in `momentum`.
DEFAULTS: Mapping[str, float] = MappingProxyType(
    {"sgd": 1e-3, "momentum": 1e-3, "nag": 1e-3, "adagrad": 1e-2, "adadelta": 1.0, "rmsprop": 1e-2, "adam": 1e-3}
)


class Race(NamedTuple):
    """A picture of the sources: a surface, a start, and the learning rates that make the picture."""

    surface: Surface
    start: tuple[float, float]
    steps: int
    rates: Mapping[str, float]

    def paths(self, rates: Mapping[str, float] | None = None) -> dict[str, NDArray]:
        """Where everyone goes, at the disclosed rates or at others."""
        rates = self.rates if rates is None else rates
        return {
            name: descend(
                Optimizer(getattr(rules, name), lr=rates[name]), self.surface.grad, self.start, steps=self.steps
            )
            for name in NAMES
        }

    def tuned(self) -> dict[str, float]:
        """The rate of each racer's grid that ends lowest on this surface from this start."""
        problem = compare.function(self.surface, self.surface.grad, self.start, name=self.surface.name)
        result = compare.contest(problem, RACERS, budget=self.steps, seeds=1, points=1, progress=False)
        return {row.optimizer: row.chosen["lr"] for row in result.rows}


_SAME = {"sgd": 0.01, "momentum": 0.01, "nag": 0.01, "adagrad": 0.4, "adadelta": 1.0, "rmsprop": 0.03, "adam": 0.05}


def _rates(**other: float) -> Mapping[str, float]:
    return MappingProxyType({**_SAME, **other})


#: The overview's two pictures and the slides' three, each with the rates of the explorer of the same name.
RACES: Mapping[str, Race] = MappingProxyType(
    {
        "beale-race": Race(
            surfaces.beale, (1.0, 1.5), 200, _rates(momentum=0.005, nag=0.005, adagrad=0.5)
        ),
        "race-lowlands": Race(
            surfaces.three_lowlands, (0.3, 1.9), 200, _rates(sgd=0.1, momentum=0.05, nag=0.05, rmsprop=0.04)
        ),
        "race-saddle": Race(
            surfaces.saddle, (1.0, 1e-4), 150, _rates(sgd=0.1, momentum=0.03, nag=0.03, adagrad=0.5, rmsprop=0.05)
        ),
        "race-canyon": Race(
            surfaces.ravine, (-10.0, 1.0), 150, _rates(sgd=0.015, momentum=0.003, nag=0.003, adagrad=1.0, rmsprop=0.1)
        ),
    }
)  # fmt: skip


def races(named: Mapping[str, Mapping[str, float] | None]) -> Picture:
    """Races from above, two in a row: each by its name in `RACES`, with other rates than the disclosed ones if given.

    Raises
    ------
    KeyError : a name that is no race.
    """
    figure, axes = panels(((len(named) + 1) // 2, 2), size=(640, 300 * ((len(named) + 1) // 2)))
    flat = np.ravel(axes)
    for axis, (name, rates) in zip(flat, named.items(), strict=False):
        race = RACES[name]
        contour(race.surface, race.paths(rates), ax=axis, key=False)
    for axis in flat[len(named) :]:
        axis.set_visible(False)
    legend(figure)
    return picture(figure, f"races: {listed(dict.fromkeys(named))}")


# --- a fair contest on six problems -----------------------------------------------------------------


def six() -> list[compare.Problem]:
    """Two surfaces, and four problems with data where the loss on held-out examples counts.

    >>> [problem.name for problem in six()]
    ['ravine', 'rosenbrock', 'sparse', 'digits', 'net', 'completion']
    """
    seen, unseen = data.split(*data.digits(), test=0.3, seed=0)
    bags, others = data.split(*data.zipf(1200, d=2000, words=15, seed=1), test=0.5, seed=0)
    known, hidden = data.split(*data.low_rank(40, 30, rank=3, observed=0.5, noise=0.05, seed=0), test=0.3, seed=0)
    examples = compare.examples
    return [
        compare.surface(surfaces.ravine),
        compare.surface(surfaces.rosenbrock),
        examples(models.LogisticRegression(), *bags, batch=20, held_out=others, name="sparse"),
        examples(models.SoftmaxRegression(10), *seen, batch=32, start=np.zeros(640), held_out=unseen, name="digits"),
        examples(models.MLP([64, 24, 24, 10]), *seen, batch=32, held_out=unseen, name="net"),
        examples(models.MatrixCompletion(40, 30, 3), *known, batch=32, held_out=hidden, name="completion"),
    ]


def lag(result: compare.Contest, floor: float = 1e-6) -> dict[str, dict[str, float]]:
    """How far each optimizer ends behind the best, in decades of the median, problem by problem.

    Values below `floor` count as `floor`: who has arrived does not lead by arriving twice.
    """
    found: dict[str, dict[str, float]] = {}
    for problem in result.problems:
        ends = {row.optimizer: max(row.median, floor) for row in result.rows if row.problem == problem}
        best = min(ends.values())
        found[problem] = {name: float(np.log10(end / best)) for name, end in ends.items()}
    return found


def standings(result: compare.Contest, *, floor: float = 1e-6, most: float = 3.0) -> Picture:
    """Each problem a line, each optimizer a mark: how many times the best median it ends at, from 1 (left) on.

    What is more than 10 ** most behind, or has failed, stands at the right edge.
    """
    figure, ax = panels(size=(560, 90 + 48 * len(result.problems)))
    behind = lag(result, floor)
    names = [name for name in NAMES if name in next(iter(behind.values()))]
    with house():
        for line, problem in enumerate(result.problems):
            for i, name in enumerate(names):
                at = min(behind[problem][name], most)
                height = line + 0.3 * (i / max(1, len(names) - 1) - 0.5) * 2
                style = look_of(name, i)
                edge = at >= most
                ax.plot(
                    10**at, height, ">" if edge else "o", ms=8, color=style.colour, label=name if line == 0 else "_"
                )
        ax.set_yticks(range(len(result.problems)), result.problems)
        ax.invert_yaxis()
        ax.set_xscale("log")
        ax.set_xlim(0.9, 10**most * 1.2)
        ax.grid(True, axis="x")
        for line in range(len(result.problems) - 1):
            ax.axhline(line + 0.5, color=GREY, lw=0.5, alpha=0.4)
        label(ax, r"$f\,/\,f_{\mathrm{best}}$", "")
        legend(ax)
    return picture(figure, f"standings on {', '.join(result.problems)}")


# --- how wide the good rates lie ------------------------------------------------------------------


def sweep(problem: compare.Problem, budget: int, seed: int = 0) -> dict[str, tuple[list[float], list[float]]]:
    """What each racer ends at, for each rate of its grid: (rates, ends); what fails ends at infinity."""
    found = {}
    for name, (rule, grid) in RACERS.items():
        each = {f"{lr:g}": Optimizer(rule, lr=lr) for lr in grid["lr"]}
        result = compare.contest(problem, each, budget=budget, seeds=1, seed=seed, points=1, progress=False)
        ends = [result.row(problem.name, key).median for key in each]
        found[name] = (list(grid["lr"]), [end if np.isfinite(end) else np.inf for end in ends])
    return found


def wide(found: Mapping[str, tuple[Sequence[float], Sequence[float]]], within: float = 2.0) -> dict[str, int]:
    """How many of a racer's rates end within a factor of its own best.

    >>> wide({"sgd": ([0.1, 1.0, 10.0], [4.0, 3.0, float("inf")])})
    {'sgd': 2}
    """
    return {name: int(np.sum(np.asarray(ends) <= within * min(ends))) for name, (_, ends) in found.items()}


def valleys(found: Mapping[str, tuple[Sequence[float], Sequence[float]]], top: float = 10.0) -> Picture:
    """End against learning rate for each racer: a wide valley forgives a wrong rate. Rings mark PyTorch's defaults."""
    figure, ax = panels(size=(560, 380))
    with house():
        for i, (name, (rates, ends)) in enumerate(found.items()):
            style = look_of(name, i)
            heights = np.minimum(np.where(np.isfinite(ends), ends, top), top)
            ax.plot(rates, heights, color=style.colour, ls=style.line, marker="o", ms=3, label=name)
            at = DEFAULTS.get(name)
            if at is not None:
                near = np.interp(np.log(at), np.log(rates), heights)
                ax.plot(at, near, "o", ms=10, mfc="none", mec=style.colour, mew=1.6, label="_")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.grid(True, axis="y")
        label(ax, r"$\eta$", "$f$")
        legend(ax)
    return picture(figure, f"end against rate: {listed(found)}")


# --- a contest that is not fair ---------------------------------------------------------------------


def rigged(problem: compare.Problem, favourite: str, budget: int) -> str:
    """Who wins if only the favourite is tuned and all others run at PyTorch's defaults."""
    entries: dict[str, Any] = {name: Optimizer(getattr(rules, name), lr=DEFAULTS[name]) for name in NAMES}
    best = (
        compare.contest(problem, {favourite: RACERS[favourite]}, budget=budget, seeds=1, points=1, progress=False)
        .rows[0]
        .chosen["lr"]
    )
    entries[favourite] = Optimizer(getattr(rules, favourite), lr=best)
    result = compare.contest(problem, entries, budget=budget, seeds=3, seed=1, points=1, progress=False)
    return min(result.rows, key=lambda row: row.median).optimizer


def arrivals(name: str, level: float, rates: Mapping[str, float] | None = None) -> dict[str, int | None]:
    """The step from which on each racer of a race stays at or below a height, first come first; None: it never does.

    >>> list(arrivals("race-canyon", 1.0))[0]
    'adagrad'
    """
    race = RACES[name]
    found: dict[str, int | None] = {}
    for racer, path in race.paths(rates).items():
        above = np.flatnonzero(~(np.array([race.surface(point) for point in path]) <= level))
        step = int(above[-1]) + 1 if len(above) else 0
        found[racer] = step if step < len(path) else None
    return dict(sorted(found.items(), key=lambda item: (item[1] is None, item[1] or 0)))
