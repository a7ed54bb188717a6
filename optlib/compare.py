r"""A fair contest between optimizers: the same budget, the same number of tuning runs, fresh seeds, and the spread.

A contest has two rounds. *Tuning*: each optimizer tries equally many settings of its grid on each problem, or on the
problem of other data that `tuning` gives. *Repeats*: its best setting runs again with seeds that tuning has not seen;
only these runs are reported, and `Contest.gaps` pairs them.

The budget counts gradient evaluations: one call of the problem's oracle is one, so on one problem each run costs the
same. A rule that compares losses is given them free; an entry that asks twice a step (`oracles.sharp`) makes half as
many steps.

>>> from optlib import rules, surfaces
>>> result = contest(
...     surface(surfaces.ravine),
...     {"sgd": (rules.sgd, {"lr": [1e-3, 1e-2, 1e-1]}), "momentum": (rules.momentum, {"lr": [1e-3, 1e-2, 1e-1]})},
...     budget=100, seeds=3,
... )
>>> [(row.optimizer, row.chosen, row.failures, row.runs) for row in result.rows]
[('momentum', {'lr': 0.01}, 0, 6), ('sgd', {'lr': 0.01}, 0, 6)]
"""

import csv
import inspect
import io
import json
import math
import multiprocessing
import os
import pickle
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import oracles, rules
from ._inputs import guard, number, numbers, scalar, shown, vector, whole
from ._written import draft
from .models import Model, checked_data
from .optimizer import Optimizer, Oracle, check_oracle, iterates, specification, takes_step
from .parts import Layered
from .schedules import Schedule
from .surfaces import Surface

# --- problems -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """What is to be made small, and where its gradients come from. `function`, `surface` and `examples` make one.

    Parameters
    ----------
    name : what it is called in the table
    oracle : seed -> oracle, which is a callable theta -> gradient, or (theta, t) -> gradient
    start : seed -> theta, floats of shape (d,)
    metric : theta -> number, the smaller the better; what is tuned for and reported
    loss : theta -> number, for the rules that compare losses; others do without

    A contest with several processes sends problems to them: the callables must then be known by name to a module.
    """

    name: str
    oracle: Callable[[int], Oracle]
    start: Callable[[int], ArrayLike]
    metric: Callable[[NDArray], Any]
    loss: Callable[[NDArray], Any] | None = None


# The parts of a problem are partial calls of these, which another process can be sent.


def _start(point: Any, spread: Any, seed: int) -> NDArray:
    """A point, moved at random in a box around it; or a function of the seed."""
    if callable(point):
        return np.asarray(point(seed))
    point = np.asarray(point, dtype=None if isinstance(point, np.ndarray) else float)
    moved = point + spread * np.random.default_rng([seed, 0, 0, 1]).uniform(-1.0, 1.0, point.shape)
    return moved.astype(point.dtype) if np.any(spread) else point


def _gradient(grad: Oracle, noise: float, seed: int) -> Oracle:
    """The same gradient for every seed, with normal noise of a constant size that differs from seed to seed."""
    return oracles.noisy(grad, seed, eta=noise**2, gamma=0.0) if noise else grad


def _batches(model: Model, X: Any, y: Any, batch_size: int | None, seed: int) -> Oracle:
    return (
        oracles.full_batch(model, X, y) if batch_size is None else oracles.minibatch(model, X, y, batch_size, seed=seed)
    )


def _measured(measure: Callable[..., Any], X: Any, y: Any, theta: NDArray) -> Any:
    return measure(theta, X, y)


def function(
    f: Callable[[NDArray], Any], grad: Oracle, start: Any, *,
    name: str | None = None, spread: ArrayLike = 0.0, noise: float = 0.0,
) -> Problem:  # fmt: skip
    """A problem from a function and its gradient, yours as easily as ours.

    Parameters
    ----------
    f : theta -> number, what is to be made small
    grad : theta -> gradient, or (theta, t) -> gradient
    start : floats of shape (d,), or seed -> such a point
    name : by default that of `f`
    spread : half the side of the box around `start` from which each seed draws its own start; a number or one for each
        coordinate, 0 or more, in theta's units
    noise : standard deviation of the normal noise in each gradient, 0 or more

    Raises
    ------
    ValueError : a negative spread or noise. TypeError : what must be callable is not.

    >>> problem = function(lambda x: float(x @ x), lambda x: 2 * x, [1.0, -1.0], name="mine", spread=0.5)
    >>> bool((abs(problem.start(3) - [1.0, -1.0]) <= 0.5).all()), problem.name
    (True, 'mine')
    """
    check_oracle(grad)
    noise, box = number(noise, "noise"), numbers(spread, "spread")
    if not (np.isfinite(box) & (box >= 0)).all():
        raise ValueError(f"spread={spread!r} is out of range; allowed is [0, inf)")
    if not callable(start) and box.shape not in ((), np.shape(vector(start, "start"))):
        raise ValueError(f"spread has shape {box.shape}, but start {np.shape(start)}: give one number, or one for each")
    name = name or getattr(f, "name", None) or getattr(f, "__name__", None) or type(f).__name__
    return Problem(name, partial(_gradient, grad, noise), partial(_start, start, box), f, f)


def surface(f: Surface, *, noise: float = 0.0, spread: ArrayLike | None = None, name: str | None = None) -> Problem:
    """A problem from a test surface: from its start, which each seed moves a little.

    Parameters are those of `function`; by default the spread is a twentieth of the surface's domain, a coordinate.

    >>> from optlib import surfaces
    >>> surface(surfaces.bowl).start(0).shape
    (2,)
    """
    if spread is None:
        spread = np.array([high - low for low, high in f.domain]) / 20
    return function(f, f.grad, f.start, name=name or f.name, spread=spread, noise=noise)


def examples(
    model: Model, X: ArrayLike, y: ArrayLike, *, batch_size: int | None = None, start: Any = None,
    held_out: tuple[ArrayLike, ArrayLike] | None = None, metric: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Problem:  # fmt: skip
    """A problem from a model and data: each seed shuffles the batches and draws a start of its own.

    Parameters
    ----------
    model : one of `optlib.models`, or any object with ``loss(theta, X, y)`` and ``grad(theta, X, y)``
    X, y : n examples, as the model wants them
    batch_size : examples in a mini-batch, 1 to n; None for all of them
    start : floats of shape (d,), or seed -> such a point; by default the model's `init`, else zeros
    held_out : the (X, y) on which the metric is taken; by default the data that are learnt from
    metric : (theta, X, y) -> number, the smaller the better; by default the model's loss
    name : by default that of the model's class

    >>> from optlib import data, models
    >>> problem = examples(models.LinearRegression(), *data.line(n=50), batch_size=10)
    >>> problem.start(0), bool(problem.metric([2.0, 1.0]) < problem.metric([0.0, 0.0]))
    (array([0., 0.]), True)
    """
    rows, targets = checked_data(X, y)
    if held_out is not None and (not isinstance(held_out, (tuple, list)) or len(held_out) != 2):
        raise TypeError(f"held_out={shown(held_out)}: it must be the pair (X, y)")
    try:
        where = (rows, targets) if held_out is None else checked_data(*held_out)
    except (TypeError, ValueError) as error:
        raise type(error)(f"held_out: {error}") from None
    if where[0].shape[1:] != rows.shape[1:]:
        raise ValueError(
            f"held_out's X has shape {where[0].shape}, but X has {rows.shape}: the columns must be the same"
        )
    if start is None:
        start = getattr(model, "init", None) or np.zeros(rows.shape[1])
    elif not callable(start):
        vector(start, "start")
    source = partial(_batches, model, rows, targets, batch_size)
    source(0)  # a batch that does not fit is found now
    return Problem(
        name or type(model).__name__, source, partial(_start, start, 0.0),
        partial(_measured, metric or model.loss, *where), partial(_measured, model.loss, rows, targets),
    )  # fmt: skip


# --- entries: a rule and the settings to try ------------------------------------------------------


@dataclass(frozen=True)
class _Entry:
    """What makes an optimizer, what stays fixed of its hyper-parameters, and the values to try of the others."""

    name: str
    make: Callable[..., Any]  #: hyper-parameters -> an optimizer, or (optimizer, what changes the problem's oracle)
    label: str  #: what is made, for the record
    fixed: dict[str, Any]
    grid: dict[str, list]

    @property
    def size(self) -> int:
        return math.prod(map(len, self.grid.values()))

    def setting(self, i: int) -> dict[str, Any]:
        """Setting i of the grid, the last hyper-parameter changing fastest."""
        at = np.unravel_index(i, [len(values) for values in self.grid.values()])
        return {name: values[j] for (name, values), j in zip(self.grid.items(), at, strict=True)}

    def made(self, i: int) -> "_Made":
        return _made(self.make(**self.fixed, **self.setting(i)))

    def edges(self, i: int) -> list[str]:
        """The hyper-parameters of setting i that are the least or the greatest of their values."""
        found = []
        for name, value in self.setting(i).items():
            values = self.grid[name]
            if len(values) < 2 or not all(_is_number(v) for v in values):
                continue
            known = rules.HYPER.get(name, rules.Hyper(low=-np.inf))
            if value == min(values) and value > known.low:
                found.append(f"{name}={value:g} is the least of its grid")
            elif value == max(values) and (value < known.high or not known.closed):
                found.append(f"{name}={value:g} is the greatest of its grid")
        return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


class _Made(NamedTuple):
    optimizer: Optimizer
    change: Callable[[Oracle], Oracle] | None  #: what the entry asks in place of the problem's own oracle


def _made(given: Any) -> _Made:
    made = _Made(*given) if isinstance(given, tuple) and len(given) == 2 else _Made(given, None)
    if not isinstance(made.optimizer, Optimizer) or not (made.change is None or callable(made.change)):
        raise TypeError(
            f"it made {shown(given)}: it must make an Optimizer, or the pair of an Optimizer and a function oracle -> "
            "oracle, such as functools.partial(oracles.sharp, rho=0.05)"
        )
    return made


def _is_rule(given: Callable) -> bool:
    return [*inspect.signature(given).parameters][:1] == ["theta"]


def _entry(name: str, given: Any) -> _Entry:
    if isinstance(given, Optimizer):
        label = repr(given) if isinstance(given, Layered) else given.rule.__name__
        return _Entry(name, lambda **_: given, label, dict(given.hyper), {})
    if callable(given):
        given = (given, {})
    if not (isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], Mapping) and callable(given[0])):
        raise TypeError(
            f"optimizer {name!r} is {given!r}: give (rule, grid), as in (rules.adam, {{'lr': [1e-3, 1e-2]}}); "
            "values that are no list stay fixed. In the rule's place may stand a function that makes an Optimizer from "
            "them; an Optimizer runs as it is"
        )
    rule, values = given
    make, defaults = (partial(Optimizer, rule), specification(rule)[2]) if _is_rule(rule) else (rule, {})
    for key, tried in values.items():
        if isinstance(tried, (Mapping, set, frozenset)):
            raise TypeError(f"optimizer {name!r}: {key}={shown(tried)}: give a list of values to try, in order")
    fixed = {k: v for k, v in values.items() if callable(v) or isinstance(v, str) or not np.iterable(v)}
    grid = {k: [_plain(x) for x in v] for k, v in values.items() if k not in fixed}
    for key, tried in grid.items():
        if not tried:
            raise ValueError(f"optimizer {name!r}: the grid of {key} is empty; give at least one value, or a number")
        for i, value in enumerate(tried):
            if any(_same(value, earlier) for earlier in tried[:i]):
                raise ValueError(f"optimizer {name!r}: the grid of {key} holds {value!r} twice: each try must differ")
            if key in defaults:
                _try(name, make, {**fixed, key: value, **{k: v[0] for k, v in grid.items() if k != key}})
    first = _try(name, make, {**fixed, **{k: v[0] for k, v in grid.items()}})
    label = rule.__name__ if _is_rule(rule) else f"{getattr(rule, '__name__', rule)}: {first}"
    return _Entry(name, make, label, dict(fixed), grid)


def _try(name: str, make: Callable, hyper: dict[str, Any]) -> _Made:
    try:
        return _made(make(**hyper))
    except (TypeError, ValueError) as error:
        raise type(error)(f"optimizer {name!r}: {error}") from None


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _same(a: Any, b: Any) -> bool:
    return a is b or (_is_number(a) and _is_number(b) and a == b)


# --- one run --------------------------------------------------------------------------------------


class _Task(NamedTuple):
    problem: str
    optimizer: str
    setting: int
    seed: int


def _perform(problem: Problem, made: _Made, seed: int, at: Sequence[int], last: bool) -> dict[str, Any]:
    """The metric at the numbers of evaluations `at`, how the run failed if it did, and its `last` point if wanted."""
    began = time.perf_counter()
    theta = np.asarray(problem.start(seed))
    curve: list[float | None] = [_metric(problem, theta)]
    failure = None
    oracle = problem.oracle(seed)
    price = getattr(oracle, "gradients", 1)
    oracle = oracle if made.change is None else made.change(oracle)
    each = getattr(oracle, "gradients", 1) // price
    walk = islice(iterates(made.optimizer, oracle, theta, loss=problem.loss), 1, None)
    try:
        done = 0
        for stop in (evaluations // each for evaluations in at[1:]):
            for point in islice(walk, stop - done):
                theta = point
            done = stop
            curve.append(_metric(problem, theta))
            if curve[-1] is None:
                failure = f"the metric is not finite at step {done}"
                break
    except (FloatingPointError, OverflowError) as error:  # NotFinite, and what Python's own floats raise
        step = getattr(error, "step", None)
        failure = f"not finite at step {step}" if step else f"{type(error).__name__} after step {done}"
    curve += [None] * (len(at) - len(curve))
    if failure is None and curve[0] is not None and curve[-1] is not None and curve[-1] > curve[0]:
        failure = "worse than at the start"
    told = {"curve": curve, "failure": failure, "seconds": time.perf_counter() - began}
    return told | ({"theta": theta.tolist() if np.isfinite(theta).all() else None} if last else {})


def _metric(problem: Problem, theta: NDArray) -> float | None:
    try:
        with np.errstate(all="ignore"):
            told = problem.metric(theta)
    except (FloatingPointError, OverflowError):  # a failure, counted as one
        return None
    if told is None:
        raise TypeError(f"the metric of problem {problem.name!r} gave None: does its function end with return?")
    value = numbers(told, f"the metric of problem {problem.name!r}")
    if value.size != 1:
        raise ValueError(
            f"the metric of problem {problem.name!r} gave an array of shape {value.shape} for theta of shape "
            f"{theta.shape}: it must be one number"
        )
    return float(value.item()) if np.isfinite(value).all() else None


def _named_run(problem: Problem, made: _Made, task: _Task, at: Sequence[int], last: bool) -> dict[str, Any]:
    try:
        return _perform(problem, made, task.seed, at, last)
    except Exception as error:
        error.add_note(f"in the contest: {made.optimizer!r} on problem {problem.name!r} with seed {task.seed}")
        raise


# --- the record on disk ---------------------------------------------------------------------------


class _Record:
    """Runs that are done, in memory and as lines of JSON, the first of which describes the contest."""

    def __init__(self, path: str | os.PathLike | None, chosen: "_Contenders"):
        self.path = None if path is None else Path(path)
        self.done: dict[_Task, dict[str, Any]] = {}
        if self.path is None:
            return
        described = chosen.described()
        if self.path.exists() and self.path.stat().st_size:
            self._read(described)
        else:
            self._append({"contest": described})

    def _read(self, described: dict[str, Any]) -> None:
        assert self.path is not None
        raw = self.path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]  # a last line without its end was cut by the interruption
        try:
            head, *lines = [json.loads(line) for line in whole.splitlines()] or [None]
            before = head["contest"]
            done = {
                _Task(*line.pop("run")): {"curve": line["curve"], "failure": line["failure"], **line} for line in lines
            }
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{self.path} is no record of a contest: name another file. Nothing was changed") from None
        differing = list(_differences(before, described))
        if differing:
            raise ValueError(
                f"{self.path} records another contest: {'; '.join(differing)}. "
                "Name another file, or remove this one to begin anew. Nothing was changed"
            )
        self.done = done
        if len(whole) < len(raw):
            os.truncate(self.path, len(whole))

    def add(self, task: _Task, outcome: dict[str, Any]) -> None:
        self.done[task] = outcome
        if self.path is not None:
            self._append({"run": list(task), **outcome})

    def _append(self, line: dict[str, Any]) -> None:
        """One write of a whole line, on the disk before the next run begins."""
        assert self.path is not None
        data = (json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        try:
            os.write(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _differences(before: Any, now: Any, where: str = "") -> Iterator[str]:
    """What differs between two descriptions, in words."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(k for k in now if k not in before)]:
            place = f"{where} {key}".strip()
            if key not in now:
                yield f"{place} is only in the file"
            elif key not in before:
                yield f"{place} is not in the file"
            else:
                yield from _differences(before[key], now[key], place)
    elif _is_number(before) and _is_number(now) and isinstance(now, float):
        if not math.isclose(before, now, rel_tol=1e-6, abs_tol=1e-12):  # another machine may round otherwise
            yield f"{where} was {before}, now {now}"
    elif before != now:
        yield f"{where} was {before}, now {now}"


def _described(value: Any) -> Any:
    """A hyper-parameter as JSON: numbers as they are; a schedule of ours by its constants, another callable by its
    first values, for two may share a name."""
    if isinstance(value, Schedule):
        return {"schedule": repr(value)}
    if callable(value):
        first = [float(np.sum(value(t))) for t in (0, 1, 2, 5, 10, 20, 50, 100)]
        return {"schedule": getattr(value, "__qualname__", type(value).__name__), "values": first}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return float(value) if _is_number(value) else repr(value)


def _fingerprint(problem: Problem, seed: int) -> dict[str, Any]:
    """Numbers that tell other data or another function of the same name."""
    theta, oracle = np.asarray(problem.start(seed)), problem.oracle(seed)
    sums = {"start": float(theta.sum()), "metric there": _metric(problem, theta), "gradient there": None}
    with np.errstate(all="ignore"), suppress(FloatingPointError, OverflowError):
        g = np.asarray(oracle(theta, t=0) if takes_step(oracle) else oracle(theta), dtype=float)
        sums["gradient there"] = _finite(float(g.sum()))
    return {"dimension": int(theta.size), **sums}


# --- who runs, with which settings and seeds -------------------------------------------------------


class _Contenders:
    """All that decides a contest, checked."""

    def __init__(
        self, problems: Any, optimizers: Any, budget: int, tries: int | None, seeds: int, tuning_seeds: int, seed: int,
        points: int, workers: int, tuning: Any = None,
    ):  # fmt: skip
        self.problems = _named_problems(problems)
        self.tuned_on = self.problems if tuning is None else _twins_of(self.problems, _named_problems(tuning, "tuning"))
        self.apart = tuning is not None
        if not isinstance(optimizers, Mapping) or not optimizers:
            raise ValueError(f"optimizers={optimizers!r}: give a dict with at least one entry, name -> (rule, grid)")
        self.entries = {str(name): _entry(str(name), given) for name, given in optimizers.items()}
        self.budget = whole(budget, "budget")
        self.seeds, self.tuning_seeds = whole(seeds, "seeds"), whole(tuning_seeds, "tuning_seeds")
        self.seed, self.workers = whole(seed, "seed", 0), whole(workers, "workers")
        smallest = min(self.entries.values(), key=lambda entry: entry.size)
        self.tries = smallest.size if tries is None else whole(tries, "tries")
        if self.tries > smallest.size:
            raise ValueError(
                f"tries={tries}, but the grid of optimizer {smallest.name!r} holds {smallest.size} settings, so it "
                f"would be tuned less than others: give it more values, or tries={smallest.size} or fewer"
            )
        self.at = np.unique(np.linspace(0, self.budget, whole(points, "points") + 1).round().astype(int)).tolist()

    @property
    def total(self) -> int:
        """Runs of the whole contest."""
        return len(self.problems) * len(self.entries) * (self.tries * self.tuning_seeds + self.seeds)

    def problem_of(self, task: _Task) -> Problem:
        """The problem of a run: the one to tune on for a tuning seed, else the one that is reported."""
        return (self.tuned_on if task.seed < self.seed + self.tuning_seeds else self.problems)[task.problem]

    def settings(self, entry: _Entry) -> list[int]:
        """The settings an optimizer tries: its grid in order, or a draw from it, the same for grids of one size."""
        if entry.size == self.tries:
            return list(range(entry.size))
        drawn = np.random.default_rng([self.seed, 0, 0, 2]).choice(entry.size, self.tries, replace=False, shuffle=False)
        return sorted(drawn.tolist())

    def tries_of(self, problem: str, entry: _Entry, setting: int) -> list[_Task]:
        """The runs that try a setting."""
        return [_Task(problem, entry.name, setting, self.seed + s) for s in range(self.tuning_seeds)]

    def repeats_of(self, problem: str, entry: _Entry, setting: int) -> list[_Task]:
        """The runs that repeat the best one."""
        first = self.seed + self.tuning_seeds
        return [_Task(problem, entry.name, setting, first + s) for s in range(self.seeds)]

    def best(self, problem: str, entry: _Entry, done: Mapping[_Task, dict]) -> int:
        """The setting with the least median; of equal ones the first."""
        scores = {
            setting: statistics.median(_last(done[task]) for task in self.tries_of(problem, entry, setting))
            for setting in self.settings(entry)
        }
        return min(scores, key=scores.__getitem__)

    def described(self) -> dict[str, Any]:
        """What must be the same when a contest goes on."""
        other = self.tuned_on if self.apart else {}
        tuned = {name: _fingerprint(problem, self.seed) for name, problem in other.items()}
        return {
            "format": 1, "budget": self.budget, "tries": self.tries, "seeds": self.seeds,
            "tuning seeds": self.tuning_seeds, "seed": self.seed, "evaluations": self.at,
            "problem": {name: _fingerprint(problem, self.seed) for name, problem in self.problems.items()},
            "optimizer": {
                entry.name: {
                    "rule": entry.label, "fixed": {k: _described(v) for k, v in entry.fixed.items()},
                    "grid": {k: [_described(v) for v in values] for k, values in entry.grid.items()},
                }
                for entry in self.entries.values()
            },
            **({"tuned on": tuned} if tuned else {}),
        }  # fmt: skip

    def result(self, best: Mapping[tuple[str, str], int], done: Mapping[_Task, dict]) -> "Contest":
        """The table and the curves of the repeats."""
        rows, curves = [], {}
        for (problem, name), setting in best.items():
            entry = self.entries[name]
            outcomes = [done[task] for task in self.repeats_of(problem, entry, setting)]
            curves[problem, name] = np.array([[_number(v) for v in outcome["curve"]] for outcome in outcomes])
            tuned = [_last(done[t]) for i in self.settings(entry) for t in self.tries_of(problem, entry, i)]
            theta = np.asarray(self.problems[problem].start(self.seed))
            memory = entry.made(setting).optimizer.init(theta)
            numbers_kept = sum(m.size for m in memory.values() if m.dtype.kind == "f") / theta.size
            rows.append(_row(problem, entry, setting, outcomes, tuned, self.budget, numbers_kept))
        order = {problem: i for i, problem in enumerate(self.problems)}
        rows.sort(key=lambda row: (order[row.problem], row.median))
        return Contest(
            tuple(rows), np.array(self.at), curves, self.budget, self.tries, self.tuning_seeds, self.seeds, self.seed,
            self.apart,
        )  # fmt: skip


def _named_problems(problems: Any, what: str = "problems") -> dict[str, Problem]:
    if isinstance(problems, (Mapping, str)) or not (isinstance(problems, Problem) or np.iterable(problems)):
        hint = "compare.surface(f)" if isinstance(problems, Surface) else "compare.function, surface or examples"
        raise TypeError(f"{what}={shown(problems)}: it must be a problem, or a list of them: make one with {hint}")
    listed = [problems] if isinstance(problems, Problem) else list(problems)
    if not listed:
        raise ValueError(f"{what} is empty: give at least one, as in [compare.surface(surfaces.ravine)]")
    named: dict[str, Problem] = {}
    for problem in listed:
        if not isinstance(problem, Problem):
            raise TypeError(
                f"{problem!r} is no problem: make one with compare.function, compare.surface or compare.examples"
            )
        numbers(problem.start(0), f"the start of problem {problem.name!r}")
        theta = np.asarray(problem.start(0))
        if not np.issubdtype(theta.dtype, np.floating) or not theta.size:
            raise TypeError(f"problem {problem.name!r} starts at {theta!r}: it must start at floats, as in [1.0, 2.0]")
        if problem.name in named:
            raise ValueError(f"two problems are called {problem.name!r}: give one another name=")
        named[problem.name] = problem
    return named


def _twins_of(problems: Mapping[str, Problem], tuning: Mapping[str, Problem]) -> dict[str, Problem]:
    """The problems to tune on, one for each that is reported: of the same name, or one for one."""
    if len(problems) == len(tuning) == 1:
        return dict(zip(problems, tuning.values(), strict=True))
    if set(problems) != set(tuning):
        raise ValueError(
            f"tuning names {', '.join(tuning)}, and the problems are {', '.join(problems)}: give one of each name"
        )
    return dict(tuning)


def _number(value: float | None) -> float:
    return math.inf if value is None else value


def _last(outcome: Mapping[str, Any]) -> float:
    """What a run has reached: infinity where it is not finite."""
    return _number(outcome["curve"][-1])


def _run_all(chosen: _Contenders, record: _Record, tasks: Sequence[_Task], bar: "_Bar", last: bool) -> None:
    """Every run that is not yet on record, and where each came to if `last` is wanted."""
    jobs = {}
    for task in tasks:
        if task in record.done:
            bar.step(task)
        else:
            made = chosen.entries[task.optimizer].made(task.setting)
            jobs[task] = (chosen.problem_of(task), made, task, chosen.at, last)
    if chosen.workers == 1 or len(jobs) < 2:
        for task, job in jobs.items():
            record.add(task, _named_run(*job))
            bar.step(task)
        return
    for job in jobs.values():
        _check_sendable(job)
    # spawned rather than forked, the same on every system, and safe where threads run
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(chosen.workers, len(jobs)), mp_context=spawned) as pool:
        try:
            futures = {pool.submit(_named_run, *job): task for task, job in jobs.items()}
            for future in as_completed(futures):
                record.add(futures[future], future.result())
                bar.step(futures[future])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _check_sendable(job: tuple) -> None:
    problem, made, task, *_ = job
    for what, part in ((f"problem {problem.name!r}", problem), (f"optimizer {task.optimizer!r}", made)):
        try:
            pickle.dumps(part)
        except Exception as error:
            raise TypeError(
                f"{what} cannot be sent to another process ({error}): define its functions at the top of a module, "
                "instead of as lambda or inside a function, or use workers=1"
            ) from None


class _Bar:
    """Progress on one line of stderr."""

    def __init__(self, total: int, wanted: bool | None):
        self.shown = sys.stderr.isatty() if wanted is None else wanted
        self.total, self.done, self.drawn = total, 0, -math.inf

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: Any) -> None:
        if self.shown and self.done:
            print(file=sys.stderr, flush=True)

    def step(self, task: _Task) -> None:
        """One run is done."""
        self.done += 1
        now = time.monotonic()
        if not self.shown or (now - self.drawn < 0.1 and self.done < self.total):
            return
        self.drawn = now
        told = f"{self.done}/{self.total} runs, {task.optimizer} on {task.problem}"
        bar = f"\r\x1b[K[{'#' * (30 * self.done // self.total):.<30}] {told[:60]}"
        print(bar, end="", file=sys.stderr, flush=True)


# --- the result -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One optimizer on one problem. Median and quartiles are over the repeats; what is not finite counts as inf."""

    problem: str
    optimizer: str
    median: float
    low: float  #: 25th percentile
    high: float  #: 75th percentile
    failures: int  #: of the repeats: not finite, or worse than at the start
    repeats: int
    runs: int  #: all runs spent, tuning included
    tuning_failures: int  #: of the tuning runs: those that are not finite
    chosen: dict[str, Any]
    warnings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()  #: how the failed repeats failed, each once
    state: float = 0.0  #: numbers that the rule remembers for each of theta's
    theta: tuple[float, ...] | None = None  #: where the repeat in the middle came to; None where that is not finite
    seconds: float = field(default=math.nan, compare=False)  #: of the repeat in the middle, its metrics included
    cost: float = field(default=math.nan, compare=False)  #: seconds for each gradient evaluation


def _row(
    problem: str, entry: _Entry, setting: int, outcomes: Sequence[Mapping], tuned: Sequence[float], budget: int,
    state: float,
) -> Row:  # fmt: skip
    last = np.array([_last(outcome) for outcome in outcomes])
    # ranks that exist: between a number and infinity there is nothing to interpolate
    low, middle, high = (float(np.quantile(last, q, method=how)) for q, how in _QUARTILES)
    failures = [outcome["failure"] for outcome in outcomes if outcome["failure"]]
    between = outcomes[int(np.argmax(last == middle))]
    theta = between.get("theta") if math.isfinite(middle) else None
    seconds = between.get("seconds", math.nan)  # records of old hold neither
    if all(math.isinf(value) for value in tuned):
        warnings = ["no setting of the grid stays finite"]
    else:
        warnings = entry.edges(setting)
    return Row(
        problem, entry.name, middle, low, high, len(failures), len(outcomes), len(tuned) + len(outcomes),
        sum(map(math.isinf, tuned)), entry.setting(setting), tuple(warnings), tuple(dict.fromkeys(failures)),
        state, None if theta is None else tuple(theta), seconds, seconds / budget,
    )  # fmt: skip


_QUARTILES: tuple[tuple[float, Any], ...] = ((0.25, "lower"), (0.5, "inverted_cdf"), (0.75, "higher"))

_HEAD = ("problem", "optimizer", "median", "25 % .. 75 %", "failed", "runs", "chosen")
_HEAD_ZH = ("问题", "算法", "中位数", "25 % .. 75 %", "失败", "运行", "选用")


@dataclass(frozen=True, repr=False)
class Contest:
    """The outcome of a `contest`: prints as a table, is one in a notebook, and goes to CSV or JSON.

    `rows` are sorted by problem, then by median. ``curves[problem, optimizer]``, of shape (seeds, points), is the
    metric at the numbers of gradient evaluations in `evaluations`, infinite once a run has failed; see `view.contest`.
    """

    rows: tuple[Row, ...]
    evaluations: NDArray = field(compare=False)
    curves: dict[tuple[str, str], NDArray] = field(compare=False)
    budget: int
    tries: int
    tuning_seeds: int
    seeds: int
    seed: int
    apart: bool = False  #: whether the settings were chosen on problems of their own

    @property
    def problems(self) -> tuple[str, ...]:
        """Names of the problems, in the order given."""
        return tuple(dict.fromkeys(row.problem for row in self.rows))

    @property
    def runs(self) -> int:
        """All runs spent, tuning included."""
        return sum(row.runs for row in self.rows)

    def row(self, problem: str, optimizer: str) -> Row:
        """The row of one optimizer on one problem; KeyError if there is none."""
        for row in self.rows:
            if (row.problem, row.optimizer) == (problem, optimizer):
                return row
        has = ", ".join(f"{row.optimizer} on {row.problem}" for row in self.rows)
        raise KeyError(f"no {optimizer!r} on {problem!r} in this contest; it has {has}")

    def gaps(self, one: str, other: str, problem: str | None = None) -> NDArray:
        """How much higher `one` ends than `other`, seed by seed, of shape (seeds,): negative where it is better.

        Both have met the same start and the same batches with a seed, so what makes one seed harder for both cancels.
        A failed run is infinitely high; where both have failed the gap is nan. KeyError: a name that is not there.

        >>> from optlib import rules, surfaces
        >>> grid = {"lr": [0.01, 0.1, 0.5]}
        >>> result = contest(surface(surfaces.bowl), {"sgd": (rules.sgd, grid), "adam": (rules.adam, grid)}, budget=30)
        >>> gaps = result.gaps("sgd", "adam")
        >>> gaps.shape, int((gaps < 0).sum())
        ((5,), 5)
        """
        problem = self._problem(problem)
        self.row(problem, one), self.row(problem, other)  # names what is missing
        ends = [self.curves[problem, name][:, -1] for name in (one, other)]
        with np.errstate(invalid="ignore"):
            return ends[0] - ends[1]

    def target(self, reference: str, problem: str | None = None, *, share: float = 0.8) -> float:
        """The least median that `reference` has reached within this `share` of the budget, in [0, 1]."""
        share, problem = number(share, "share", 0.0, 1.0 + 1e-12), self._problem(problem)
        self.row(problem, reference)
        middle = np.quantile(self.curves[problem, reference], 0.5, axis=0, method="inverted_cdf")
        return float(middle[self.evaluations <= share * self.budget].min())

    def steps_to(self, target: float, optimizer: str, problem: str | None = None) -> NDArray:
        """Gradient evaluations until the metric is first at most `target`, seed by seed, of shape (seeds,); else inf.

        As exact as the record is: `points` of `contest` says how often the metric is looked at.

        >>> from optlib import rules, surfaces
        >>> result = contest(surface(surfaces.bowl), {"sgd": (rules.sgd, {"lr": [0.1]})}, budget=50)
        >>> result.steps_to(1e-3, "sgd")
        array([41., 42., 41., 41., 42.])
        """
        problem = self._problem(problem)
        self.row(problem, optimizer)
        reached = self.curves[problem, optimizer] <= scalar(target, "target")
        return np.where(reached.any(axis=1), self.evaluations[reached.argmax(axis=1)], np.inf)

    def profile(self, reference: str, *, tau: float = 4.0, share: float = 0.8) -> dict[str, float]:
        r"""How near each optimizer is to the fastest on each problem: 1 is first everywhere, 0 nowhere within `tau`.

        .. math:: \frac1{|P|} \sum_{p} \frac{\max(0,\, \tau - s_p/s_p^\star)}{\tau - 1}

        s is the median of `steps_to` what `reference` reaches (`target`), :math:`s^\star` the least of all entries:
        the area below the performance profile from 1 to tau, tau above 1.

        Source: Dolan & Moré (2002); Dahl et al. (2023), AlgoPerf.

        >>> from optlib import rules, surfaces
        >>> grid = {"lr": [0.03, 0.1]}
        >>> problems = [surface(surfaces.bowl), surface(surfaces.ravine)]
        >>> result = contest(problems, {"adam": (rules.adam, grid), "nadam": (rules.nadam, grid)}, budget=100)
        >>> sorted(result.profile("adam"))
        ['adam', 'nadam']
        """
        tau = number(tau, "tau", 1.0, open_low=True)
        names = sorted({row.optimizer for row in self.rows})
        scores = dict.fromkeys(names, 0.0)
        for problem in self.problems:
            target = self.target(reference, problem, share=share)
            steps = {
                name: float(np.quantile(self.steps_to(target, name, problem), 0.5, method="inverted_cdf"))
                for name in names
            }
            best = max(1.0, min(steps.values()))
            for name, s in steps.items():
                ratio = max(1.0, s / best)
                scores[name] += max(0.0, tau - ratio) / (tau - 1) / len(self.problems)
        return scores

    def p_value(self, one: str, other: str, problem: str | None = None) -> float:
        """How likely `one` would look so much better than `other` if they were equal: the exact signed-rank test.

        One-sided, from the `gaps` of the seeds; a failed run is the largest gap, and equal runs say nothing. With n
        seeds it is at least 2^-n: five give 0.03 at best, seven are needed for less than 0.01.

        Source: Wilcoxon (1945).

        >>> from optlib import rules, surfaces
        >>> grid = {"lr": [0.01, 0.1, 0.5]}
        >>> result = contest(surface(surfaces.bowl), {"sgd": (rules.sgd, grid), "adam": (rules.adam, grid)}, budget=30)
        >>> result.p_value("sgd", "adam"), result.p_value("adam", "sgd")
        (0.03125, 1.0)
        """
        gaps = self.gaps(one, other, problem)
        gaps = gaps[(gaps != 0) & ~np.isnan(gaps)]
        sizes = np.abs(gaps)
        ranks = [2 * int((sizes < s).sum()) + int((sizes == s).sum()) + 1 for s in sizes]  # twice the mean rank
        against = sum(rank for rank, gap in zip(ranks, gaps, strict=True) if gap > 0)
        ways = np.zeros(sum(ranks) + 1)  # how many choices of signs give each sum
        ways[0] = 1.0
        for rank in ranks:
            ways[rank:] += ways[:-rank].copy()
        return float(ways[: against + 1].sum() / ways.sum())

    def flips(self, problem: str | None = None) -> list[tuple[int, str, str]]:
        """Where the ranking by medians changes on the way: (evaluations, who is ahead from there, whom it passed).

        A ranking in mid-run is none: a rate that falls late comes late.
        """
        problem = self._problem(problem)
        names = [row.optimizer for row in self.rows if row.problem == problem]
        middles = {n: np.quantile(self.curves[problem, n], 0.5, axis=0, method="inverted_cdf") for n in names}
        found = []
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                ahead = np.sign(np.nan_to_num(middles[other] - middles[one]))
                told = np.flatnonzero(ahead)
                for before, now in pairwise(told):
                    if ahead[before] != ahead[now]:
                        passing = (one, other) if ahead[now] > 0 else (other, one)
                        found.append((int(self.evaluations[now]), *passing))
        return sorted(found)

    def _problem(self, problem: str | None) -> str:
        """The problem of that name, or the only one."""
        if problem is None and len(self.problems) > 1:
            raise ValueError(
                f"problem=None: the contest has {len(self.problems)}, so name one of {', '.join(self.problems)}"
            )
        if problem is not None and problem not in self.problems:
            raise ValueError(f"problem={shown(problem)}: the contest has {', '.join(self.problems)}")
        return self.problems[0] if problem is None else problem

    @property
    def terms(self) -> str:
        """Budget, tuning and repeats in one line: what a comparison must state."""
        return (
            f"budget {self.budget} gradient evaluation{'s' * (self.budget > 1)}; "
            f"{self.tries} setting{'s' * (self.tries > 1)} tried with {self.tuning_seeds} "
            f"seed{'s' * (self.tuning_seeds > 1)}{' on other data' * self.apart}, the best repeated with "
            f"{self.seeds} fresh seed{'s' * (self.seeds > 1)}"
        )

    def __str__(self) -> str:
        cells = [_HEAD, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(_HEAD))]
        pad = [str.rjust if i in (2, 4, 5) else str.ljust for i in range(len(_HEAD))]
        lines = ["  ".join(p(cell, w) for p, cell, w in zip(pad, line, widths, strict=True)).rstrip() for line in cells]
        return "\n".join([self.terms, *lines])

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        head = [en if en == zh else f"{en} · {zh}" for en, zh in zip(_HEAD, _HEAD_ZH, strict=True)]
        lines = [f"| {' | '.join(head)} |", "|---|---|--:|---|--:|--:|---|"]
        lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in _cells(row))} |" for row in self.rows]
        return "\n".join(lines)

    def to_csv(self, path: str | os.PathLike | None = None) -> str:
        """The table as CSV, one line a row; written to `path` if given, and returned. `chosen` is JSON in one cell."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(_FIELDS)
        for row in self.rows:
            told = _told(row)
            writer.writerow([json.dumps(v) if isinstance(v, (dict, list)) else v for v in told.values()])
        return _written(out.getvalue(), path)

    def to_json(self, path: str | os.PathLike | None = None) -> str:
        """Terms, table and curves as JSON; written to `path` if given, and returned. What is not finite is null."""
        told = {
            "budget": self.budget, "tries": self.tries, "tuning_seeds": self.tuning_seeds, "seeds": self.seeds,
            "seed": self.seed, "apart": self.apart, "rows": [_told(row) for row in self.rows],
            "evaluations": self.evaluations.tolist(),
            "curves": [
                {"problem": problem, "optimizer": name, "values": [[_finite(v) for v in run] for run in runs.tolist()]}
                for (problem, name), runs in self.curves.items()
            ],
        }  # fmt: skip
        return _written(json.dumps(told, ensure_ascii=False, allow_nan=False, indent=1) + "\n", path)


_FIELDS = tuple(name for name, f in Row.__dataclass_fields__.items() if f.compare)  # the same whenever it runs


def _told(row: Row) -> dict[str, Any]:
    """A row as JSON."""
    told = {name: getattr(row, name) for name in _FIELDS}
    told |= {name: _finite(told[name]) for name in ("median", "low", "high")}
    told["chosen"] = {name: _described(value) for name, value in row.chosen.items()}
    told["theta"] = None if row.theta is None else list(row.theta)
    return told | {name: list(told[name]) for name in ("warnings", "reasons")}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _cells(row: Row) -> tuple[str, ...]:
    """A row as text."""
    chosen = ", ".join(f"{name}={_short(value)}" for name, value in row.chosen.items()) or "as given"
    if row.warnings:
        chosen += f"  ({'; '.join(row.warnings)})"
    return (
        row.problem, row.optimizer, f"{row.median:.3g}", f"{row.low:.3g} .. {row.high:.3g}",
        f"{row.failures}/{row.repeats}", str(row.runs), chosen,
    )  # fmt: skip


def _short(value: Any) -> str:
    if _is_number(value):
        return f"{value:.6g}"
    return getattr(value, "__qualname__", None) or repr(value)


def _written(text: str, path: str | os.PathLike | None) -> str:
    """The text, and a file of it that is never seen half written."""
    if path is not None:
        with draft(Path(path)) as new:
            new.write_text(text, encoding="utf-8", newline="")
    return text


# --- the contest ----------------------------------------------------------------------------------


def contest(
    problems: Problem | Sequence[Problem], optimizers: Mapping[str, Any], *, budget: int, tries: int | None = None,
    tuning: Problem | Sequence[Problem] | None = None, seeds: int = 5, tuning_seeds: int = 1, seed: int = 0,
    points: int = 50, file: str | os.PathLike | None = None, workers: int = 1, progress: bool | None = None,
) -> "Contest":  # fmt: skip
    """Tune each optimizer on the same number of runs, repeat its best setting with fresh seeds: a `Contest`, a table.

    Parameters
    ----------
    problems : what `function`, `surface` or `examples` make, or your own `Problem`; each with a name of its own
    optimizers : name -> (rule, grid). In the grid a list holds values to try, anything else stays fixed; several lists
        give all combinations. In the rule's place may stand a function that makes an `Optimizer` from them, as
        ``lambda lr: layered(parts, hidden=Optimizer(rules.muon, lr=lr), rest=Optimizer(rules.adamw, lr=lr / 3))``, or
        such an optimizer and what changes the problem's oracle, as ``(Optimizer(rules.sgd, lr=lr), oracles.sharp)``,
        whose gradients are all charged. An `Optimizer` instead runs as it is
    budget : gradient evaluations of each run, 1 or more
    tries : settings each optimizer may try on each problem; by default the size of the smallest grid. A larger grid is
        searched at random (without repetition), a smaller one is refused, since it would be less well tuned
    tuning : problems on which the settings are chosen, made like `problems` from other data: one for each, of the same
        name (a single one may be called as it likes). By default they are chosen on `problems` themselves with other
        seeds: where examples are held out for the metric, the choice has then seen them
    seeds : fresh seeds for the repeats of the best setting, 1 or more
    tuning_seeds : seeds with which each setting is tried; the setting with the least median wins
    seed : the first of all seeds: tuning has seed, seed + 1, ..., the repeats those that follow
    points : at how many numbers of evaluations, spread evenly after the start, the metric is recorded
    file : a record of JSON lines, one appended as each run ends. The same contest called again goes on from there;
        the record of another one is refused, naming the difference. What your functions compute is compared only at
        the start of the first run
    workers : processes; with more than 1, a script needs ``if __name__ == "__main__":`` around the call
    progress : whether to show a bar on stderr; by default where that is a terminal

    Raises
    ------
    ValueError, TypeError : grids, numbers or names that make no fair contest, before any run; a record of another one.
    Whatever your own function raises, with a note that names the run. Divergence is no error: it is counted.

    >>> from optlib import rules, surfaces
    >>> grid = {"lr": [0.01, 0.1, 1.0]}
    >>> print(contest(surface(surfaces.bowl), {"sgd": (rules.sgd, grid), "adam": (rules.adam, grid)}, budget=30))
    budget 30 gradient evaluations; 3 settings tried with 1 seed, the best repeated with 5 fresh seeds
    problem  optimizer  median  25 % .. 75 %      failed  runs  chosen
    bowl     sgd             0  0 .. 0               0/5     8  lr=1  (lr=1 is the greatest of its grid)
    bowl     adam       0.0686  0.0528 .. 0.0761     0/5     8  lr=0.1
    """
    chosen = _Contenders(problems, optimizers, budget, tries, seeds, tuning_seeds, seed, points, workers, tuning)
    record = _Record(file, chosen)
    with _Bar(chosen.total, progress) as bar:
        pairs = [(problem, entry) for problem in chosen.problems for entry in chosen.entries.values()]
        first = [task for pair in pairs for i in chosen.settings(pair[1]) for task in chosen.tries_of(*pair, i)]
        _run_all(chosen, record, first, bar, last=False)
        best = {(problem, entry.name): chosen.best(problem, entry, record.done) for problem, entry in pairs}
        repeats = [task for p, entry in pairs for task in chosen.repeats_of(p, entry, best[p, entry.name])]
        _run_all(chosen, record, repeats, bar, last=True)
    return chosen.result(best, record.done)


guard(globals())
