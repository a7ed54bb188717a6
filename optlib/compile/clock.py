"""The schedules of `optlib.schedules`, closures over numbers, as plain functions that a compiled loop can call."""

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Sequence
from functools import cache
from math import factorial, log, pi, sqrt
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from .. import schedules
from .source import CannotCompile

#: The code of a schedule and, for each of its free names, None for a number or the shape of another schedule.
Shape = tuple[CodeType, tuple[Any, ...]]


def _series(terms: Sequence[str], of: Sequence[str]) -> str:
    """a + b v + c v^2 + ..., as text, in few steps that wait for each other (Estrin): `of` is v, v^2, v^4, ..."""
    if len(terms) == 1:
        return f"({terms[0]})"
    *lower, highest = of
    half = 2 ** len(lower)
    low, high = terms[:half], terms[half:]
    return f"({_series(low, lower)} + {highest} * {_series(high, lower)})" if high else _series(low, lower)


#: A cosine and a power as sums that the processor adds up while it waits for the descent. A call of the mathematical
#: library takes longer, and holds the descent up, whose numbers it sends to memory and back.
#:
#: Every cosine of a schedule lies on [0, pi]. There it is sin(pi/2 - x), right to 4e-16.
#: A power is exp(y log x), right to about 1e-16 |y log x|: with x = 2^e m and 1/sqrt(2) <= m < sqrt(2), log m is the
#: series of 2 artanh((m - 1) / (m + 1)), and two to a whole power comes before the series of exp. If x is no positive
#: number, or the power is none, the library has it.
ARITHMETIC = f"""

@njit(**INLINE)
def half_turn_cos(x):
    y = {pi / 2!r} - x + 6.123233995736766e-17  # the rest of pi/2
    y2 = y * y
    y4 = y2 * y2
    y8 = y4 * y4
    return y * {_series([f"{(-1) ** n} / {factorial(2 * n + 1)}.0" for n in range(11)], ["y2", "y4", "y8", "y8 * y8"])}


@njit(**INLINE)
def to_the_power(x, y):
    bits = np.float64(x).view(np.int64)
    e = (bits - np.float64({sqrt(0.5)!r}).view(np.int64)) >> 52
    m = np.int64(bits - (e << 52)).view(np.float64)
    u = (m - 1.0) / (m + 1.0)
    u2 = u * u
    u4 = u2 * u2
    u8 = u4 * u4
    log_m = 2.0 * u * {_series([f"1 / {n}" for n in range(1, 23, 2)], ["u2", "u4", "u8", "u8 * u8"])}
    twos = floor(y * (e + log_m * {1 / log(2)!r}) + 0.5)
    r = (y * e - twos) * {log(2)!r} + y * log_m
    r2 = r * r
    r4 = r2 * r2
    if 2.3e-308 < x < inf and abs(twos) < 1000.0:
        two = np.int64((np.int64(twos) + 1023) << 52).view(np.float64)
        return two * {_series([f"1 / {factorial(n)}" for n in range(14)], ["r", "r2", "r4", "r4 * r4"])}
    return x ** y
"""


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
    """Calls of free names as calls of the functions made of them, which take their numbers too; our own arithmetic."""

    def __init__(self, calls: dict[str, tuple[str, list[str]]]):
        self.calls = calls

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow):
            return ast.Call(ast.Name("to_the_power", ast.Load()), [node.left, node.right], [])
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "cos":
            node.func.id = "half_turn_cos"
        if isinstance(node.func, ast.Name) and node.func.id in self.calls:
            name, numbers = self.calls[node.func.id]
            return ast.Call(ast.Name(name, ast.Load()), [*node.args, *(ast.Name(n, ast.Load()) for n in numbers)], [])
        return node
