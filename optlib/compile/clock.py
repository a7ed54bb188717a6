"""The schedules of `optlib.schedules`, closures over numbers, as plain functions that a compiled loop can call."""

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from .. import schedules
from .source import CannotCompile

#: The code of a schedule and, for each of its free names, None for a number or the shape of another schedule.
Shape = tuple[CodeType, tuple[Any, ...]]


def unfold(schedule: Callable) -> tuple[Shape, list[float]]:
    """What is compiled of a schedule, and the numbers that are handed to it: schedules of one kind share their code.

    Raises
    ------
    CannotCompile : a callable from elsewhere, which may do anything, or one that looks at the loss.

    >>> unfold(schedules.exponential(0.5, gamma=0.25))[1]
    [0.25, 0.5]
    """
    if not isinstance(schedule, FunctionType) or schedule.__module__ != schedules.__name__:
        raise CannotCompile(f"{schedule!r} is no schedule of optlib.schedules")
    parts: list[Shape | None] = []
    numbers: list[float] = []
    for cell in schedule.__closure__ or ():
        value = cell.cell_contents
        if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
            parts.append(None)
            numbers.append(float(value))
        else:
            part, more = unfold(value)
            parts.append(part)
            numbers += more
    return (schedule.__code__, tuple(parts)), numbers


@cache
def functions(shape: Shape, name: str) -> tuple[str, tuple[str, ...]]:
    """Numba functions of a shape, the last of them called `name`, and the names of the numbers it takes after t."""
    code, parts = shape
    own, body = _read(code)
    texts, numbers, calls = [], [], {}
    for free, part in zip(code.co_freevars, parts, strict=True):
        if part is None:
            numbers.append(free)
            continue
        text, inner = functions(part, f"{name}_{free}")
        texts.append(text)
        calls[free] = (f"{name}_{free}", [f"{free}_{n}" for n in inner])
        numbers += calls[free][1]
    rewritten = [_Calls(calls).visit(copy.deepcopy(s)) for s in body]
    lines = [f"    {line}" for s in rewritten for line in ast.unparse(ast.fix_missing_locations(s)).splitlines()]
    texts.append("\n".join(["", "", "@njit(**INLINE)", f"def {name}({', '.join([*own, *numbers])}):", *lines]))
    return "\n".join(texts), tuple(numbers)


def _read(code: CodeType) -> tuple[list[str], list[ast.stmt]]:
    """Arguments and body of a schedule: a lambda, or a function written with def."""
    own = list(code.co_varnames[: code.co_argcount])
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(code)))):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            return own, node.body
        if isinstance(node, ast.Lambda) and [a.arg for a in node.args.args] == own:
            return own, [ast.Return(node.body)]
    raise CannotCompile(f"{code.co_qualname} is neither a lambda nor a function written with def")


class _Calls(ast.NodeTransformer):
    """Calls of free names as calls of the functions made of them, which take their numbers too."""

    def __init__(self, calls: dict[str, tuple[str, list[str]]]):
        self.calls = calls

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in self.calls:
            name, numbers = self.calls[node.func.id]
            return ast.Call(ast.Name(name, ast.Load()), [*node.args, *(ast.Name(n, ast.Load()) for n in numbers)], [])
        return node
