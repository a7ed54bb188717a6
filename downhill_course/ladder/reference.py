"""The reference entries: the library's own rules as files that anyone could have handed in, and their settings."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from downhill_course.ladder.judge import Entry, examined
from optlib import rules

TARGET = "nadam"  #: its tuned runs set the targets
PASS, EXCEL = "momentum", "nadam"  #: to beat the one is to pass, the other to excel

SCORES = Path(__file__).with_name("reference.json")

_FALLING = "def schedule(t, steps):\n    return 1 - t / steps"
_SGD, _MOMENTUM = (0.01, 0.06, 0.4, 1.5, 6.0), (0.005, 0.02, 0.08, 0.3, 1.2)
_ADAGRAD, _ADAM = (0.03, 0.1, 0.3, 1.0, 3.0), (0.01, 0.025, 0.05, 0.1, 0.25)


@dataclass(frozen=True)
class Reference:
    """A reference entry: the rule for all of theta, or for each kind of part, and the rates of `tried` to try."""

    rules: str | dict[str, str]
    rates: tuple[float, ...] = ()
    tried: str = "lr"
    falling: bool = False  #: whether the rate falls to 0 in a line, which rules of constant step length need
    fixed: dict[str, float] = field(default_factory=dict)  #: settings that stay

    @property
    def source(self) -> str:
        """The entry's file."""
        named = {"": self.rules} if isinstance(self.rules, str) else self.rules
        functions = {key: rules.TABLE[name] for key, name in named.items()}
        more = [_FALLING] * self.falling
        if not isinstance(self.rules, str):
            listed = ", ".join(f"{key!r}: {name}" for key, name in named.items())
            more.append(f"parts = {{{listed}}}")
        settings = [{self.tried: rate, **self.fixed} for rate in self.rates]
        return source_of(
            list(functions.values()), settings, more, " · ".join(rules.ROWS[n].title for n in named.values())
        )


#: Every reference entry by name.
TABLE: dict[str, Reference] = {
    "sgd": Reference("sgd", _SGD),
    "momentum": Reference("momentum", _MOMENTUM),
    "nag": Reference("nag", _MOMENTUM),
    "adagrad": Reference("adagrad", _ADAGRAD),
    "rmsprop": Reference("rmsprop", (0.003, 0.01, 0.03, 0.1, 0.3)),
    "adam": Reference("adam", _ADAM),
    "adamw": Reference("adamw", _ADAM),
    "nadam": Reference("nadam_constant", _ADAM),
    "lion": Reference("lion", (0.003, 0.01, 0.03, 0.1, 0.3), falling=True),
    "schedule-free": Reference("schedule_free_adamw", (0.01, 0.03, 0.1, 0.3, 1.0)),
    "muon": Reference({"matrix": "muon", "rest": "nadam_constant"}, (0.01, 0.03, 0.1, 0.3, 1.0), falling=True),
    "soap": Reference({"matrix": "soap", "rest": "nadam_constant"}, _ADAM),
    "dog": Reference("dog"),
}


def needed(functions: Iterable[Callable]) -> tuple[list[Callable | str], set[str]]:
    """What functions of `optlib` make use of, helpers first, constants as lines, and what they take from NumPy."""
    found: dict[str, Any] = {}
    numpy: set[str] = set()

    def visit(function: Any) -> None:
        function = inspect.unwrap(function)
        module = inspect.getmodule(function)
        for name in function.__code__.co_names:
            thing = vars(module).get(name)
            if _looks_at_arguments(thing):
                continue
            if inspect.isfunction(thing) and thing.__module__.startswith("optlib.") and name not in found:
                visit(thing)
            elif name in ("np", "numpy"):
                numpy.add("np")
            elif thing is not None and thing is getattr(np, name, None):
                numpy.add(name)
            elif isinstance(thing, (int, float, tuple, dict, list)):
                found.setdefault(name, _constant(module, name))
        found[function.__name__] = function

    for function in functions:
        visit(function)
    return list(found.values()), numpy


def _looks_at_arguments(thing: Any) -> bool:
    """Whether a function of the library is one of those that check what others are given."""
    return inspect.isfunction(thing) and thing.__module__ == "optlib._inputs"


def _bare(function: Callable) -> str:
    """A function without its docstring, its types, and the calls that only look at its arguments."""
    tree = ast.parse(inspect.getsource(function))
    (body,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    if ast.get_docstring(body) is not None:
        body.body = body.body[1:]
    room = vars(inspect.getmodule(function))

    def looks(node: ast.stmt) -> bool:
        match node:
            case ast.Expr(value=ast.Call(func=ast.Name(id=name))):
                return _looks_at_arguments(room.get(name))
            case ast.Assign(targets=[ast.Name(id=same)], value=ast.Call(func=ast.Name(id=name), args=[given, *_])):
                return _looks_at_arguments(room.get(name)) and ast.unparse(given) == same
        return False

    body.body = [node for node in body.body if not looks(node)]
    body.returns, body.decorator_list = None, []
    for argument in ast.walk(body.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return ast.unparse(body)


def _constant(module: Any, name: str) -> str:
    """The line of a module that sets a name."""
    for node in ast.parse(inspect.getsource(module)).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return f"{name} = {ast.unparse(node.value)}"  # type: ignore[attr-defined]
    raise RuntimeError(f"{module.__name__} sets no {name}")


_SIDES = {"a": "theta.shape[0]", "b": "theta.shape[-1]"}


def _starts(function: Callable) -> dict[str, str]:
    """What `start` says of a rule's memory, as Python: that which is not zero, or not like theta."""
    begin, shapes = rules.START.get(function, {}), rules.SHAPES.get(function, {})
    found = {}
    for name, value in begin.items():
        if name in shapes:  # a number of its own, which starts at a setting's default
            value = (function.__kwdefaults__ or {}).get(str(value), value)
            found[name] = f"lambda theta: np.full(({', '.join(_SIDES[s] for s in shapes[name])}), {value!r})"
        else:
            found[name] = repr(value)
    for name, sides in shapes.items():
        found.setdefault(name, f"lambda theta: np.zeros(({''.join(_SIDES[s] + ', ' for s in sides)}))")
    return found


def source_of(functions: list[Callable], settings: list[dict], more: Sequence[str] = (), title: str = "") -> str:
    """An entry's file: the rules with what they need, their starts, more lines, and the settings to try."""
    ahead = {f: rules.LOOK_AHEAD[f] for f in functions if f in rules.LOOK_AHEAD}
    things, numpy = needed([*functions, *ahead.values()])
    start = {name: value for f in functions for name, value in _starts(f).items()}
    numpy |= {"np"} if any("np." in value for value in start.values()) else set()
    imports = ["import numpy as np"] * ("np" in numpy)
    if names := sorted(numpy - {"np"}):
        imports.append(f"from numpy import {', '.join(names)}")
    blocks = ["\n".join(imports)] * bool(imports)
    blocks += [_bare(thing) if callable(thing) else thing for thing in things]
    blocks += [
        f"{f.__name__}_look_ahead = {g.__name__}" for f, g in ahead.items() if g.__name__ != f"{f.__name__}_look_ahead"
    ]
    if start:
        blocks.append(f"start = {{{', '.join(f'{name!r}: {value}' for name, value in start.items())}}}")
    blocks += more
    if settings:
        blocks.append(f"settings = [{''.join(f'{chr(10)}    {setting!r},' for setting in settings)}\n]")
    return f'"""{title}"""\n\n' * bool(title) + "\n\n\n".join(blocks) + "\n"


@cache
def entries() -> dict[str, Entry]:
    """Every reference entry by name, looked at."""
    found = {name: examined(name, one.source, None) for name, one in TABLE.items()}
    wrong = {name: entry.trouble for name, entry in found.items() if entry.trouble}
    if wrong:
        raise RuntimeError(f"reference entries that cannot take part: {wrong}")
    return found


def published() -> dict[str, Any]:
    """What `downhill ladder reference` has written: `targets` of the public members, and the row of each entry.

    The listings are not stored: they are the library's rules as they stand.
    """
    told = json.loads(SCORES.read_text(encoding="utf-8"))
    for row in told["entries"]:
        row["source"] = TABLE[row["name"]].source
    return told
