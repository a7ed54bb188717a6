"""The rule's side of the wall. The sandbox is given this file as text and runs it beside a stranger's rule, so it
imports NumPy alone, and nothing that it says is trusted: it can only lead a rule to other points.

A rule sees what it is given at each step and nothing else: its point, its gradient, its memory, the number of the
step and its settings. Gradients are computed on the other side, one for each step of each run, before they come here.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

SETTINGS = 5  # that an entry may try
KINDS = ("hidden", "input", "output", "bias", "gain")
OPTIONS = ("settings", "schedule", "start", "parts")  # names of an entry that are no rules


class Bad(Exception):
    """An entry that cannot take part: one sentence for who wrote it."""


def kind_of(error: BaseException) -> str:
    """What went wrong, and in which line of the entry."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "entry"]
    line = lines[-1] if lines else getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    try:
        said = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:  # an error may do anything when asked what it is
        said = ""
    told = f"{type(error).__name__}{': ' * bool(said)}{said}"[:200]
    return told + (f" (line {line})" if line else "")


def executed(source: str) -> dict[str, Any]:
    """The names that an entry defines."""
    names: dict[str, Any] = {"__name__": "entry", "__builtins__": __builtins__}
    try:
        exec(compile(source, "entry", "exec", dont_inherit=True), names)
    except BaseException as error:
        raise Bad(f"the file cannot be run: {kind_of(error)}") from None
    return names


class Rule:
    """A function of the form theta, g, memory, t, *, settings, and what its signature says."""

    def __init__(self, function: Any, names: dict[str, Any]) -> None:
        if not callable(function):
            raise Bad(f"parts holds {function!r:.60}, which is no function")
        self.function, self.name = function, str(getattr(function, "__name__", "rule"))
        try:
            given = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            raise Bad(f"{self.name} has no signature that can be read: define it with def") from None
        kinds = inspect.Parameter
        positional = [p for p in given if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
        named = [p.name for p in positional]
        self.memory = [name for name in named[2:] if name != "t"]
        self.timed = "t" in named
        form = f"{self.name}({', '.join(named)}) is no rule: its positional names must be theta, g, then its memory, "
        form += "then t if it needs it; settings stand behind a *, each with a default"
        if "loss" in named:
            raise Bad(f"{self.name} asks for the loss, which the ladder does not tell: it gives theta and g")
        if named != ["theta", "g", *self.memory, *["t"] * self.timed]:
            raise Bad(form)
        if any(p.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD) for p in given):
            raise Bad(f"{self.name} takes any number of arguments: name its memory and its settings one by one")
        if any(p.default is not kinds.empty for p in positional):
            raise Bad(
                f"{self.name}: a setting with a default stands behind a *, as in {self.name}(theta, g, *, lr=0.1)"
            )
        self.hyper = {p.name: p.default for p in given if p.kind is kinds.KEYWORD_ONLY}
        for name, value in self.hyper.items():
            if value is kinds.empty:
                raise Bad(f"{self.name}: {name} has no default: write one, as in {name}=0.1")
            if not number(value) and not word(value):
                raise Bad(f"{self.name}: the default of {name} is {value!r:.60}; it must be a finite number, or a name")
        start = names.get("start", {})
        if not isinstance(start, dict):
            raise Bad(f"start is {start!r:.60}; it must be a dict, memory -> a number, 'theta', or a function of theta")
        self.start = {name: start.get(f"{self.name}.{name}", start.get(name, 0.0)) for name in self.memory}
        self.ahead, self.ahead_wants = self._companion(names, "look_ahead")
        self.report, self.report_wants = self._companion(names, "report")

    def _companion(self, names: dict[str, Any], what: str) -> tuple[Callable | None, list[str]]:
        """`NAME_look_ahead` or `NAME_report` of the file, and which of memory and settings it wants."""
        found = names.get(f"{self.name}_{what}")
        if found is None:
            return None, []
        try:
            wants = list(inspect.signature(found).parameters)
        except (TypeError, ValueError):
            raise Bad(f"{self.name}_{what} is no function") from None
        unknown = [name for name in wants[1:] if name not in self.memory and name not in self.hyper]
        if wants[:1] != ["theta"] or unknown:
            raise Bad(
                f"{self.name}_{what}({', '.join(wants)}) wants {', '.join(unknown) or 'no theta'}: it takes theta "
                f"first, then memory or settings of {self.name} by name"
            )
        return found, wants[1:]

    def begin(self, name: str, theta: np.ndarray, hyper: dict[str, float]) -> Any:
        """A memory at the start."""
        value = self.start[name]
        if callable(value):
            return value(theta)
        if isinstance(value, str):
            if value != "theta" and value not in hyper:
                raise Bad(
                    f"start: {name} is {value!r}; known are 'theta' and {', '.join(map(repr, hyper)) or 'numbers'}"
                )
            value = theta if value == "theta" else hyper[value]
        return np.zeros_like(theta) + value


def number(value: Any) -> bool:
    """Whether it is one finite number, and no truth value."""
    plain = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return plain and bool(np.isfinite(float(value)))


def word(value: Any) -> bool:
    """Whether it is a short name, as a rule may have for one of its forms."""
    return isinstance(value, str) and 0 < len(value) <= 40


def plain(value: Any) -> Any:
    """A setting as it is sent: a float, or a name."""
    return value if isinstance(value, str) else float(value)


class Entry:
    """An entry's file, executed: its rules, settings and schedule."""

    def __init__(self, source: str) -> None:
        names = executed(source)
        self.rules = {key: Rule(function, names) for key, function in self._rules(names).items()}
        self.split = "parts" in names
        self.settings = self._settings(names.get("settings"))
        self.schedule, self.horizon = self._schedule(names.get("schedule"))

    @staticmethod
    def _rules(names: dict[str, Any]) -> dict[str, Any]:
        if "parts" in names:
            parts = names["parts"]
            if not isinstance(parts, dict) or not parts or not all(isinstance(key, str) for key in parts):
                raise Bad("parts must be a dict with at least one entry, as in {'matrix': muon, 'rest': adamw}")
            return parts
        functions = {k: f for k, f in names.items() if inspect.isfunction(f) and f.__globals__ is names}
        if "rule" in functions:
            return {"all": functions["rule"]}
        found = {}
        for name, function in functions.items():
            try:
                first = list(inspect.signature(function).parameters)[:2]
            except (TypeError, ValueError):
                continue
            if first == ["theta", "g"]:
                found[name] = function
        if not found:
            others = ", ".join(name for name in functions if name not in OPTIONS)
            raise Bad(
                "the file defines no rule: write one function whose first two names are theta and g"
                + f" (it has {others})" * bool(others)
            )
        if len(found) > 1:
            raise Bad(f"the file defines {len(found)} rules ({', '.join(found)}): call the one that runs `rule`")
        return {"all": next(iter(found.values()))}

    def _settings(self, given: Any) -> list[dict[str, float]] | None:
        if given is None:
            return None
        if not isinstance(given, (list, tuple)) or not all(isinstance(one, dict) for one in given) or not given:
            raise Bad("settings must be a list of dicts, as in [{'lr': 0.01}, {'lr': 0.1}]")
        if len(given) > SETTINGS:
            raise Bad(f"settings holds {len(given)}; at most {SETTINGS} are tried")
        known = {name for rule in self.rules.values() for name in rule.hyper}
        known |= {f"{key}.{name}" for key, rule in self.rules.items() for name in rule.hyper if self.split}
        for i, one in enumerate(given, 1):
            for name, value in one.items():
                if name not in known:
                    raise Bad(
                        f"settings, number {i}: there is no {name!r:.60}; "
                        f"known are {', '.join(sorted(known)) or 'none'}"
                    )
                words = any(word(rule.hyper.get(name.rpartition(".")[2])) for rule in self.rules.values())
                if not number(value) and not (words and word(value)):
                    raise Bad(f"settings, number {i}: {name} is {value!r:.60}; it must be a finite number")
        return [{name: plain(value) for name, value in one.items()} for one in given]

    def _schedule(self, given: Any) -> tuple[Callable[[int, int], float] | None, bool]:
        """The schedule as a function of the updates made and of all, and whether it wants to know all."""
        if given is None:
            return None, False
        form = "a schedule is a function of t, or of t and steps, whose value the rate lr is multiplied by"
        if not any("lr" in rule.hyper for rule in self.rules.values()):
            raise Bad("there is a schedule, but the rule has no setting lr that it could multiply")
        try:
            wants = len(inspect.signature(given).parameters)
        except (TypeError, ValueError):
            raise Bad(f"schedule is {given!r:.60}: {form}") from None
        if wants not in (1, 2):
            raise Bad(f"schedule takes {wants} arguments: {form}")

        def factor(t: int, steps: int) -> float:
            try:
                value = given(t, steps) if wants == 2 else given(t)
            except Exception as error:
                raise Bad(f"the schedule fails at t={t}: {kind_of(error)}") from None
            if not number(value) or value < 0:
                raise Bad(f"the schedule gives {value!r:.60} at t={t}: it must give a finite number, 0 or more")
            return float(value)

        for steps in (100, 500):
            for t in (0, 1, steps // 2, steps - 1):
                factor(t, steps)
        return factor, wants == 2

    def rule_for(self, name: str, kind: str, matrix: bool) -> tuple[str, Rule]:
        """Which rule moves a part: the one of its name, of its kind, of all matrices, or of the rest."""
        keys = [name, kind, *["matrix"] * matrix, "rest"]
        for key in keys:
            if key in self.rules:
                return key, self.rules[key]
        raise Bad(f"no rule of parts moves {name} (kind {kind}): add an entry 'rest'")

    def elementwise(self) -> bool:
        """Whether the rule treats each coordinate for itself: on halves it does what it does on the whole."""
        if self.split:
            return False
        rng = np.random.default_rng(0)
        theta, gradients = rng.standard_normal(8), rng.standard_normal((4, 8)) * np.logspace(-1, 1, 8)
        ends = []
        try:
            with np.errstate(all="ignore"):
                for cut in (slice(0, 8), slice(0, 3), slice(3, 8)):
                    run = Walk(self, theta[cut], {}, [["x", 0, len(theta[cut]), [len(theta[cut])], "rest"]], 4)
                    for g in gradients:
                        run.tell(g[cut])
                    ends.append(run.theta)
        except Exception:  # what fails here fails in the races, and is told there
            return True
        return bool(np.allclose(ends[0], np.concatenate(ends[1:]), rtol=1e-9, atol=1e-12, equal_nan=True))


class Walk:
    """One run of an entry: its point and its memory, part by part."""

    def __init__(self, entry: Entry, theta: Any, setting: dict[str, float], layout: list, steps: int) -> None:
        self.theta, self.entry, self.steps, self.t, self.dead = np.array(theta, dtype=float), entry, steps, 0, ""
        if not entry.split:
            (rule,) = entry.rules.values()
            placed = [("all", rule, slice(0, self.theta.size), self.theta.shape)]
        else:
            placed = []
            for name, start, stop, shape, kind in layout:
                key, rule = entry.rule_for(name, kind, len(shape) == 2)
                placed.append((key, rule, slice(start, stop), tuple(shape)))
        self.places: list[list] = []
        for key, rule, where, shape in placed:
            hyper = {name: setting.get(f"{key}.{name}", setting.get(name, value)) for name, value in rule.hyper.items()}
            block = self.theta[where].reshape(shape)
            self.places.append([rule, where, shape, hyper, [rule.begin(name, block, hyper) for name in rule.memory]])
        self.ahead = any(place[0].ahead for place in self.places)
        self.reports = any(place[0].report for place in self.places)

    def _now(self, hyper: dict[str, float]) -> dict[str, float]:
        if self.entry.schedule is None or "lr" not in hyper:
            return hyper
        return {**hyper, "lr": hyper["lr"] * self.entry.schedule(self.t, self.steps)}

    def _seen(self, what: str) -> np.ndarray:
        """The point where the gradient is wanted, or the one that counts."""
        seen = self.theta.copy()
        for rule, where, shape, hyper, memory in self.places:
            companion, wants = (rule.ahead, rule.ahead_wants) if what == "ahead" else (rule.report, rule.report_wants)
            if companion is not None:
                known = {**self._now(hyper), **dict(zip(rule.memory, memory, strict=True))}
                told = companion(self.theta[where].reshape(shape), **{name: known[name] for name in wants})
                seen[where] = np.asarray(told, dtype=float).reshape(-1)
        return seen

    def ask(self) -> np.ndarray:
        return self._seen("ahead") if self.ahead else self.theta

    def told(self) -> np.ndarray:
        return self._seen("report") if self.reports else self.theta

    def tell(self, g: np.ndarray) -> None:
        """One update; `Bad` if the rule returns no step."""
        new = np.empty_like(self.theta)
        for place in self.places:
            rule, where, shape, hyper, memory = place
            given = [self.t + 1] if rule.timed else []
            result = rule.function(
                self.theta[where].reshape(shape), g[where].reshape(shape), *memory, *given, **self._now(hyper)
            )
            if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], (tuple, list)):
                raise Bad(
                    f"{rule.name} must return its new point and the tuple of its memory, as in return theta, (m,)"
                )
            point = np.asarray(result[0], dtype=float)
            if point.shape != shape:
                raise Bad(f"{rule.name} returned a point of shape {point.shape} for theta of shape {shape}")
            if len(result[1]) != len(rule.memory):
                raise Bad(f"{rule.name} returned {len(result[1])} memories; its signature names {len(rule.memory)}")
            new[where] = point.reshape(-1)
            place[4] = list(result[1])
        self.theta, self.t = new, self.t + 1


class Riders:
    """The runs of one race, side by side: what the ladder calls."""

    def __init__(self) -> None:
        self.walks: list[Walk] = []

    def examine(self, source: str) -> dict[str, Any]:
        """What an entry says of itself, or `trouble`, one sentence."""
        try:
            entry = Entry(source)
            # the first step of the default settings, so that what fails always is told at once
            theta = np.linspace(-1.0, 1.0, 6)
            for setting in entry.settings or [{}]:
                walk = Walk(entry, theta, setting, [["W", 0, 6, [3, 2], "hidden"]], 100)
                walk.ask()
                with np.errstate(all="ignore"):
                    walk.tell(np.linspace(1.0, 2.0, 6))
                    walk.told()
                if not np.isfinite(walk.theta).all():
                    raise Bad("the first step is not finite, with theta and g between -1 and 2")
        except Bad as bad:
            return {"trouble": str(bad)[:400]}
        except (Exception, SystemExit) as error:
            return {"trouble": f"the rule fails at its first step: {kind_of(error)}"}
        hyper = [(key, name, value) for key, rule in entry.rules.items() for name, value in rule.hyper.items()]
        return {
            "name": next(iter(entry.rules.values())).name,
            "hyper": {f"{key}.{name}" if entry.split else name: plain(value) for key, name, value in hyper},
            "settings": entry.settings,
            "schedule": "" if entry.schedule is None else "t, steps" if entry.horizon else "t",
            "split": entry.split,
            "elementwise": entry.elementwise(),
        }  # fmt: skip

    def begin(self, source: str, starts: Any, settings: list, layout: list, steps: int) -> dict[str, Any]:
        """A run from each row of `starts` with each setting: where they want their first gradients.

        Each run executes the file anew, so what a rule keeps in its own globals does not pass from run to run.
        """
        self.walks = []
        for theta, setting in zip(starts, settings, strict=True):
            self.walks.append(Walk(Entry(source), theta, setting, layout, steps))
        return self._answer(look=False)

    def step(self, gradients: Any, look: bool) -> dict[str, Any]:
        """One update of every run that is alive; with `look` also the points that count."""
        with np.errstate(all="ignore"):
            for walk, g in zip(self.walks, gradients, strict=True):
                if walk.dead:
                    continue
                try:
                    walk.tell(g)
                except Bad as bad:
                    walk.dead = str(bad)[:400]
                except (Exception, SystemExit) as error:
                    walk.dead = kind_of(error)
            return self._answer(look)

    def _answer(self, look: bool) -> dict[str, Any]:
        asks, told = [], []
        for walk in self.walks:
            try:
                asks.append(walk.ask())
                told.append(walk.told() if look else walk.theta)
            except Exception as error:
                walk.dead = walk.dead or kind_of(error)
                asks, told = [*asks[: len(told)], walk.theta], [*told, walk.theta]
        apart = look and any(walk.ahead or walk.reports for walk in self.walks)
        return {
            "ask": np.array(asks),
            "at": np.array(told) if apart else None,
            "dead": [walk.dead for walk in self.walks] if any(walk.dead for walk in self.walks) else None,
        }
