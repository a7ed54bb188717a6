"""The reference entries: the library's own rules as files that anyone could have handed in, and their settings."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from downhill_course.ladder.judge import Entry, examined
from optlib import rules

TARGET = "nadam"  #: its tuned runs set the targets
PASS, EXCEL = "momentum", "nadam"  #: to beat the one is to pass, the other to excel

SCORES = Path(__file__).with_name("reference.json")

#: name -> (the rule, the name of what is tried, its five values)
_ONE_RULE: dict[str, tuple[str, list[float]]] = {
    "sgd": ("sgd", [0.01, 0.06, 0.4, 1.5, 6.0]),
    "momentum": ("momentum", [0.005, 0.02, 0.08, 0.3, 1.2]),
    "nag": ("nag", [0.005, 0.02, 0.08, 0.3, 1.2]),
    "adagrad": ("adagrad", [0.03, 0.1, 0.3, 1.0, 3.0]),
    "rmsprop": ("rmsprop", [0.003, 0.01, 0.03, 0.1, 0.3]),
    "adam": ("adam", [0.005, 0.015, 0.045, 0.135, 0.4]),
    "adamw": ("adamw", [0.005, 0.015, 0.045, 0.135, 0.4]),
    "nadam": ("nadam_constant", [0.005, 0.015, 0.045, 0.135, 0.4]),
}


def needed(functions: Iterable[Callable]) -> tuple[list[Any], set[str]]:
    """What functions of `optlib` make use of, helpers first, and the names that they take from NumPy."""
    found: dict[str, Any] = {}
    numpy: set[str] = set()

    def visit(function: Any) -> None:
        module = inspect.getmodule(function)
        for name in function.__code__.co_names:
            thing = vars(module).get(name)
            if inspect.isfunction(thing) and thing.__module__.startswith("optlib.") and name not in found:
                visit(thing)
            elif name in ("np", "numpy"):
                numpy.add("np")
            elif thing is not None and thing is getattr(np, name, None):
                numpy.add(name)
            elif isinstance(thing, (int, float, tuple, dict, list)):
                found.setdefault(name, thing)
        found[function.__name__] = function

    for function in functions:
        visit(function)
    return list(found.items()), numpy


def _bare(function: Callable) -> str:
    """A function without its docstring and its types."""
    tree = ast.parse(inspect.getsource(function))
    (body,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    if ast.get_docstring(body) is not None:
        body.body = body.body[1:]
    body.returns, body.decorator_list = None, []
    for argument in ast.walk(body.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return ast.unparse(body)


def source_of(functions: list[Callable], settings: list[dict], more: str = "", title: str = "") -> str:
    """An entry's file: the rules with what they need, their starts, and the settings to try."""
    ahead = [rules.LOOK_AHEAD[f] for f in functions if f in rules.LOOK_AHEAD]
    things, numpy = needed([*functions, *ahead])
    imports = ["import numpy as np"] if "np" in numpy else []
    if names := sorted(numpy - {"np"}):
        imports.append(f"from numpy import {', '.join(names)}")
    blocks = ["\n".join(imports)] if imports else []
    blocks += [_bare(thing) if callable(thing) else f"{name} = {thing!r}" for name, thing in things]
    for function in functions:
        for given in [f for f in ahead if rules.LOOK_AHEAD.get(function) is f]:
            if given.__name__ != f"{function.__name__}_look_ahead":
                blocks.append(f"{function.__name__}_look_ahead = {given.__name__}")
    start = {name: value for f in functions for name, value in rules.START.get(f, {}).items()}
    if start:
        blocks.append(f"start = {start!r}")
    if sum(callable(f) and list(inspect.signature(f).parameters)[:2] == ["theta", "g"] for _, f in things) > 1:
        blocks.append(f"rule = {functions[0].__name__}")
    blocks += [more] * bool(more)
    listed = "".join(f"\n    {setting!r}," for setting in settings)
    blocks.append(f"settings = [{listed}\n]")
    return f'"""{title}"""\n\n' * bool(title) + "\n\n\n".join(blocks) + "\n"


@cache
def entries() -> dict[str, Entry]:
    """Every reference entry by name, looked at."""
    found = {}
    for name, (rule, rates) in _ONE_RULE.items():
        function = rules.TABLE[rule]
        source = source_of([function], [{"lr": rate} for rate in rates], title=rules.ROWS[rule].title)
        found[name] = examined(name, source, None)
    wrong = {name: entry.trouble for name, entry in found.items() if entry.trouble}
    if wrong:
        raise RuntimeError(f"reference entries that cannot take part: {wrong}")
    return found


def published() -> dict[str, Any]:
    """What `downhill ladder reference` has written: `targets` of the public members, and the rows of each entry."""
    return json.loads(SCORES.read_text(encoding="utf-8"))
