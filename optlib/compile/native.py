"""Numba back end: a fused kernel for large vectors, a whole descent in one loop, and a map over many starts.

The generated sources are kept in a cache folder, so that Numba keeps the machine code beside them and a notebook
pays for compiling once.
"""

import ast
import copy
import hashlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import rules
from ..optimizer import NotFinite, Optimizer, State, _checked, _finite, _gradient, _point, takes_step
from ..surfaces import Surface
from .clock import ARITHMETIC, Shape, functions, unfold
from .source import CannotCompile, Hoist, names, read

BLOCK = 64  #: starts that a basin map carries through its steps together, so that their arithmetic is vectorised
REACH = 0.1  #: how near a minimum a basin map's end point counts as there

Live = tuple[tuple[str, Shape], ...]  #: hyper-parameters whose schedules run in the compiled loop
Clock = tuple[NDArray, tuple[NDArray, ...]]  #: scalars that stay, and rows over the steps of those that move


def available() -> bool:
    """Whether Numba is installed.

    >>> available() in (True, False)
    True
    """
    return importlib.util.find_spec("numba") is not None


# --- what is called -----------------------------------------------------------------------------


def kernel(
    optimizer: Optimizer, *, dtype: Any = np.float64, threads: int = 1, exact: bool = True, strict: bool = True
) -> Callable[..., None]:
    """One update of a large vector in one pass over memory, in place.

    Parameters
    ----------
    optimizer : an elementwise rule with its hyper-parameters; schedules are looked up at each step
    dtype : float64 or float32, of all arrays
    threads : how many share the work
    exact : NumPy's numbers, to the last bit (True); or divisions by what is the same for all coordinates replaced by
        products, which is faster where memory is not the limit, and moves the last bit (False)
    strict : look through the gradient first, one more reading of it, and raise NotFinite with nothing changed (True),
        or trust the caller (False)

    Returns
    -------
    ``step(theta, g, state)``, which changes theta and the arrays of the state, and counts the state's ``t`` on. What
    does not fit raises, with nothing changed.

    >>> from optlib import rules
    >>> optimizer = Optimizer(rules.adam)
    >>> theta, g = np.ones(1000), np.ones(1000)
    >>> state = optimizer.init(theta)
    >>> if available():
    ...     kernel(optimizer)(theta, g, state)
    >>> bool(theta[0] < 1) or not available()
    True
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.float64, np.float32):
        raise TypeError(f"dtype={dtype}: kernels are made for float64 and float32")
    _whole("threads", threads, 1)
    _moving(optimizer)  # which refuses arrays
    code = read(_elementwise(optimizer.rule))
    inner = _kernel(optimizer.rule, dtype.name, exact)
    names_ = [n for n in code.arguments[2:] if n != "t"]
    if "loss" in names_:
        raise CannotCompile(f"{code.name} compares losses, which a kernel over one vector does not know")

    def step(theta: NDArray, g: NDArray, state: State) -> None:
        optimizer._check_state(state, theta)
        arrays = [theta, g, *(state[name] for name in names_)]
        for name, array in zip(("theta", "g", *names_), arrays, strict=True):
            known = isinstance(array, np.ndarray)
            if not known or array.dtype != dtype or array.shape != theta.shape:
                given = f"a {array.dtype} array of shape {array.shape}" if known else repr(array)
                raise ValueError(f"{name} is {given}; this kernel needs {dtype} arrays of theta's shape {theta.shape}")
            if not array.flags.c_contiguous or not (array.flags.writeable or array is g):
                raise ValueError(f"{name} is not contiguous, or may not be written to: give a copy of it")
        t = int(state["t"])
        if strict:
            _finite(g, "gradient", t + 1)
        values = optimizer._values(t)
        flat = [array.reshape(-1) for array in arrays]
        _share(lambda a, b: inner(*flat, a, b, float(t + 1), *(values[c] for c in code.constants)), theta.size, threads)
        state["t"] = np.asarray(t + 1)

    return step


def walk(
    optimizer: Optimizer, surface: Surface, theta: ArrayLike, steps: int, *,
    noise: NDArray | None = None, clip: float = np.inf, strict: bool = True,
) -> NDArray:  # fmt: skip
    """A whole descent on a surface in one compiled loop; `optlib.descend(..., engine="numba")` comes here.

    Parameters
    ----------
    optimizer, surface, steps : as in `optlib.descend`
    theta : start of shape (d,), or many of shape (..., d)
    noise : added to the gradient of each step, of shape (steps, d)
    clip : largest norm of the gradient; longer ones are shortened to it, before the noise is added
    strict : raise NotFinite if the path leaves the numbers

    Returns
    -------
    The path, of shape (steps + 1, ..., d), equal to the NumPy engine's to about 1e-12.
    """
    start, shape = _starts(surface, theta), np.shape(theta)
    _whole("steps", steps, 0)
    if not clip > 0:
        raise ValueError(f"clip={clip!r}: the largest norm of the gradient must be a positive number")
    path = np.empty((start.size // surface.dim, steps + 1, surface.dim))
    path[:, 0] = start.reshape(-1, surface.dim)
    noise = _NO_NOISE if noise is None else np.asarray(noise, dtype=float)
    if noise is not _NO_NOISE and noise.shape != (steps, surface.dim):
        raise ValueError(f"noise has shape {noise.shape}; it must be (steps, d) = {(steps, surface.dim)}")
    if optimizer._settled:
        compiled, clock, numbers = _settled_walk(optimizer, surface, steps)
    else:
        compiled, clock, numbers = _scheduled_walk(optimizer, surface, steps)
    finite, allowed = compiled(path, *clock, numbers, noise, float(clip), *surface.constants.values())
    if not allowed:
        _refuse(optimizer, steps)
    path = path.reshape(-1, *shape) if len(path) == 1 else np.moveaxis(path, 0, 1).reshape(steps + 1, *shape)
    if strict and not finite:
        bad = int(np.argmax(~np.isfinite(path.reshape(steps + 1, -1)).all(axis=1)))
        raise NotFinite("new point", bad, f"on surface {surface.name}")
    return path


_NO_NOISE, _NO_NUMBERS = np.empty((0, 0)), np.empty(0)


@lru_cache(maxsize=64)
def _settled_walk(optimizer: Optimizer, surface: Surface, steps: int) -> tuple[Callable, Clock, NDArray]:
    """The compiled walk, its clock and no numbers, kept: most descents are run again from another start."""
    return _on_surface("walk", optimizer, surface), _clock(optimizer, steps), _NO_NUMBERS


def _scheduled_walk(optimizer: Optimizer, surface: Surface, steps: int) -> tuple[Callable, Clock, NDArray]:
    """The same with schedules: ours run in the loop itself, others are asked at every step before it begins."""
    live, numbers = _live(optimizer)
    compiled = _on_surface("walk", optimizer, surface, live)
    return compiled, _clock(optimizer, steps, frozenset(name for name, _ in live)), numbers


def _refuse(optimizer: Optimizer, steps: int) -> None:
    """Raise at the step where a schedule leaves its range, and name it."""
    for t in range(steps):
        optimizer._values(t)


def drive(
    optimizer: Optimizer, oracle: Callable[..., ArrayLike], theta: ArrayLike, steps: int, *, strict: bool = True
) -> NDArray:
    """A descent on gradients that come from Python, with a compiled update: for models of many parameters.

    Parameters are those of `optlib.descend`, which comes here with ``engine="numba"`` and an oracle that is neither a
    surface's gradient nor one that `train` compiles. The path, of shape (steps + 1, ...), is the NumPy engine's to the
    last bit.

    >>> from optlib import rules
    >>> if available():
    ...     path = drive(Optimizer(rules.sgd, lr=0.5), lambda theta: theta, np.ones(3), steps=2)
    ...     assert (path[-1] == 0.25).all()
    """
    start = np.array(theta, order="C")
    path = np.empty((steps + 1, *start.shape), start.dtype)
    path[0] = start
    step, state, timed = kernel(optimizer, dtype=start.dtype, strict=False), optimizer.init(start), takes_step(oracle)
    with np.errstate(all="ignore"):  # what overflows is reported, with its step
        for t in range(steps):
            point = path[t]  # no buffer that changes: an oracle may keep it
            if optimizer._look_ahead is not None:
                point = optimizer._ask(point, optimizer._memory(state), optimizer._values(t))
            g = _gradient(oracle(point, t=t) if timed else oracle(point), start, t + 1)
            if strict:
                _finite(g, "gradient", t + 1)
            step(start, np.ascontiguousarray(g), state)
            if strict:
                _finite(start, "new point", t + 1)
            path[t + 1] = start
    return path


def basin_map(
    optimizer: Optimizer, surface: Surface, starts: ArrayLike, steps: int, *, tolerance: float = 1e-3, threads: int = 2
) -> tuple[NDArray, NDArray, NDArray]:
    """Where many starts end, and how fast.

    Parameters
    ----------
    starts : of shape (..., d)
    tolerance : a start has arrived at the step where no partial derivative is larger than this
    threads : how many share the work

    Returns
    -------
    end points of shape (..., d); the index of the surface's minimum that lies nearest within 0.1 of each, or -1; and
    the step of arrival, or -1, both of shape (...).
    """
    start = _starts(surface, starts)
    _whole("steps", steps, 0)
    _whole("threads", threads, 1)
    if not tolerance >= 0:
        raise ValueError(f"tolerance={tolerance!r}: it must be 0 or more")
    flat = np.ascontiguousarray(start.reshape(-1, surface.dim))
    compiled, clock = _on_surface("basin", optimizer, surface), _clock(optimizer, steps)
    ends, which, arrived = np.empty_like(flat), np.empty(len(flat), np.int64), np.empty(len(flat), np.int64)
    minima = np.array(surface.minima, dtype=float).reshape(-1, surface.dim)
    _share(
        lambda a, b: compiled(
            flat, ends, which, arrived, a, b, steps, *clock, tolerance, minima, *surface.constants.values()
        ),
        -(-len(flat) // BLOCK), threads,
    )  # fmt: skip
    return ends.reshape(start.shape), which.reshape(start.shape[:-1]), arrived.reshape(start.shape[:-1])


def _starts(surface: Surface, points: ArrayLike) -> NDArray:
    return surface._points(_point(points).astype(float, copy=False))


def _whole(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}={value!r}: it must be a whole number, {least} or more")


def _elementwise(rule: Callable) -> Callable:
    if rule in rules.WHOLE:
        raise CannotCompile(
            f"{rule.__name__} sees whole vectors, so it has no kernel coordinate by coordinate; use engine='numpy'"
        )
    return rule


@lru_cache(maxsize=64)
def _moving(optimizer: Optimizer) -> frozenset[str]:
    """The hyper-parameters that are schedules."""
    for name, value in optimizer.hyper.items():
        if isinstance(value, np.ndarray):
            raise CannotCompile(
                f"{name} is an array: the compiled engine takes numbers and schedules; use engine='numpy'"
            )
    moving = frozenset(optimizer._scheduled)
    if not moving.isdisjoint(rules.START.get(optimizer.rule, {}).values()):
        optimizer.init(np.zeros(1))  # which refuses a schedule where a memory begins with its value
    return moving


@lru_cache(maxsize=64)
def _live(optimizer: Optimizer) -> tuple[Live, NDArray]:
    """The hyper-parameters whose schedules are compiled, with their code, and the numbers of all of them, kept: a
    schedule of ours never changes."""
    live, numbers = [], []
    for name in sorted(_moving(optimizer)):
        try:
            shape, more = unfold(optimizer.hyper[name])
        except CannotCompile:
            continue
        live.append((name, shape))
        numbers += more
    return tuple(live), np.array(numbers)


def _clock(optimizer: Optimizer, steps: int, live: frozenset[str] = frozenset()) -> Clock:
    """The scalars of every step but the live ones: those that stay, of shape (k,), and rows of those that move."""
    rows = _moving(optimizer) - live
    still = tuple((n, float(v)) for n, v in optimizer.hyper.items() if n not in rows | live)
    if not rows:
        return _clock_of(optimizer.rule, steps, still, live)
    try:
        given = {n: _checked(optimizer.rule, n, [optimizer.hyper[n](t) for t in range(steps)]) for n in rows}  # at once
    except (TypeError, ValueError):
        _refuse(optimizer, steps)
        raise
    body = _body(optimizer.rule, True)
    return _ordered(body, body.evaluate({**_known(optimizer.rule, steps, still), **given}), rows, live)


@lru_cache(maxsize=32)
def _clock_of(rule: Callable, steps: int, still: tuple[tuple[str, float], ...], live: frozenset[str]) -> Clock:
    """What follows from the clock and the constant hyper-parameters alone, kept: schedules come and go."""
    return _ordered(_body(rule, True), _known(rule, steps, still), frozenset(), live)


@lru_cache(maxsize=32)
def _known(rule: Callable, steps: int, still: tuple[tuple[str, float], ...]) -> dict[str, Any]:
    return _body(rule, True).evaluate({**dict(still), "t": np.arange(1.0, steps + 1)})


def _ordered(body: "_Body", values: dict[str, Any], rows: frozenset[str], live: frozenset[str]) -> Clock:
    stay, move, _ = body.split(rows, live)
    return np.array([float(values[n]) for n in stay]), tuple(np.ascontiguousarray(values[n]) for n in move)


def _share(work: Callable[[int, int], Any], size: int, threads: int) -> None:
    """`work(begin, end)` over parts of a range, in threads that run at once since the compiled code holds no lock."""
    if threads == 1 or size < 2 * threads:
        work(0, size)
        return
    edges = np.linspace(0, size, threads + 1).astype(int).tolist()
    for done in [_pool(threads).submit(work, a, b) for a, b in pairwise(edges)]:
        done.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="optlib")


# --- generating sources -------------------------------------------------------------------------

_HEAD = '''"""Generated by optlib.compile from {of}: do not edit."""
from math import cos, exp, inf, log, log2, pi, sin, sqrt, tanh

import numpy as np
from numba import njit

F = np.{dtype}
floor = np.floor
JIT = dict(error_model="numpy", nogil=True, cache=True, fastmath={fast})
INLINE = dict(error_model="numpy", inline="always", fastmath={fast})


@njit(**INLINE)
def where(condition, a, b):
    return a if condition else b


@njit(**INLINE)
def maximum(a, b):
    return a if a >= b or a != a else b


@njit(**INLINE)
def minimum(a, b):
    return a if a <= b or a != a else b


@njit(**INLINE)
def sign(a):
    return F(a > 0) - F(a < 0)
'''


def _head(of: str, dtype: str = "float64", fast: Any = False) -> str:
    """The first lines of a generated module; `fast` are LLVM's licences to round differently."""
    return _HEAD.format(of=of, dtype=dtype, fast=fast)


class _Scalar(ast.NodeTransformer):
    """A rule's expression on scalars: literals in the arrays' type, squares as products, names with a suffix."""

    def __init__(
        self, rename: Callable[[str], str] = str, typed: bool = True, inverse: Callable[[str], str | None] | None = None
    ):
        self.rename, self.typed, self.inverse = rename, typed, inverse

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not self.typed or not isinstance(node.value, (int, float)):
            return node
        return ast.Call(ast.Name("F", ast.Load()), [node], [])

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        match node:
            case ast.BinOp(left=ast.Name() as base, op=ast.Pow(), right=ast.Constant(value=2)):  # as np.square
                return ast.BinOp(self.visit(base), ast.Mult(), self.visit(copy.copy(base)))
            case ast.BinOp(left=left, op=ast.Div(), right=ast.Name(id=name)) if self.inverse and self.inverse(name):
                return ast.BinOp(self.visit(left), ast.Mult(), ast.Name(str(self.inverse(name)), ast.Load()))
        for side in ("left", "right"):
            value = getattr(node, side)
            visited = self.visit(value)
            if isinstance(value, ast.Compare):  # a truth value in arithmetic counts as 0 or 1
                visited = ast.Call(ast.Name("F", ast.Load()), [visited], [])
            setattr(node, side, visited)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.rename(node.id), node.ctx)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.args = [self.visit(a) for a in node.args]
        node.keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
        return node


def _helpers(functions: Iterable[Callable], typed: bool, done: dict[str, str] | None = None) -> str:
    """Plain functions as Numba functions, their own helpers first."""
    done = {} if done is None else done
    for function in functions:
        code = read(function)
        if code.name not in done:
            _helpers(code.helpers, typed, done)
            lines = [f"{name} = {value!r}" for name, value in code.data]
            lines += ["", "", "@njit(**INLINE)", f"def {code.name}({', '.join(code.parameters)}):"]
            body = [_Scalar(typed=typed).visit(copy.deepcopy(s)) for s in code.body]
            lines += [f"    {line}" for s in body for line in _unparse(s).splitlines()]
            done[code.name] = "\n".join(lines)
    return "\n".join(done.values()) + "\n"


def _unparse(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node))


class _Body:
    """A rule taken apart: what is computed once a step, and what for every coordinate."""

    def __init__(self, rule: Callable, exact: bool = True):
        self.rule, self.look, self.exact = rule, rules.LOOK_AHEAD.get(rule), exact
        self.code = code = read(rule)
        self.memory = tuple(n for n in code.arguments[2:] if n not in ("t", "loss"))
        self.clock = {*code.constants, "t"}
        hoist = Hoist(self.clock)
        statements = [hoist.visit(copy.deepcopy(s)) for s in code.body]
        self.statements = [s for s in statements if s is not None]
        last = self.statements.pop()
        if not (isinstance(last, ast.Return) and isinstance(last.value, ast.Tuple) and len(last.value.elts) == 2):
            raise CannotCompile(f"{code.name} must end in `return theta, (memory, ...)`")
        theta, memory = last.value.elts
        if not isinstance(memory, ast.Tuple) or len(memory.elts) != len(self.memory):
            raise CannotCompile(
                f"{code.name} must return as many memories as it takes: {', '.join(self.memory) or 'none'}"
            )
        self.results = [theta, *memory.elts]
        self.hoisted = hoist.hoisted
        self.needs = {name: names(expression) for name, expression in self.hoisted}
        self.scalars = {*code.constants, "t", *(name for name, _ in hoist.hoisted)}

    @cached_property
    def used(self) -> set[str]:
        """The scalars that the update of a coordinate looks at."""
        return self.scalars & set().union(*(names(s) for s in self.statements), *(names(r) for r in self.results))

    def once(self) -> list[str]:
        """Lines that compute the scalars of a step, in double precision, then round them to the arrays' type."""
        lines = [f"{name} = {_unparse(_Scalar(typed=False).visit(copy.deepcopy(e)))}" for name, e in self.hoisted]
        lines += [f"c_{name} = F({name})" for name in sorted(self.used)]
        return lines + [f"r_{name} = F(1.0 / {name})" for name in sorted(self.inverted())]

    def evaluate(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values, and what can be computed from them; `t` and schedules are arrays over the steps."""
        values = dict(values)
        for name, expression in self.hoisted:
            if name not in values and self.needs[name] <= values.keys():
                values[name] = eval(_unparse(expression), self.rule.__globals__, values)
        return values

    def split(self, rows: frozenset[str], live: frozenset[str] = frozenset()) -> tuple[list[str], list[str], list[str]]:
        """The scalars of a descent: those that stay, those in rows over the steps, and those that the loop computes.

        `rows` and `live` are the schedules; what follows from one of them goes with it, and what follows from the
        clock alone is a row.
        """
        move, inside = {"t", *rows}, list(live)
        for name, needed in self.needs.items():
            if needed & set(inside):
                inside.append(name)
            elif needed & move:
                move.add(name)
        starts = {value for value in rules.START.get(self.rule, {}).values() if value in self.code.constants}
        used = self.used | starts | set(read(self.look).constants if self.look is not None else ())
        used |= set().union(*(self.needs[name] for name in inside if name not in live))
        return sorted(used - move - set(inside)), sorted(used & move), inside[len(live) :]

    def inverted(self) -> set[str]:
        """Scalars that divide something, where a product with their inverse may take the division's place."""
        nodes = (n for part in (*self.statements, *self.results) for n in ast.walk(part)) if not self.exact else ()
        return {
            n.right.id
            for n in nodes
            if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div) and isinstance(n.right, ast.Name)
        } & self.scalars

    def each(self, suffix: str) -> list[str]:
        """Lines that update one coordinate; its variables carry the suffix, and end in theta and memory."""

        def rename(name: str) -> str:
            return f"c_{name}" if name in self.scalars else f"{name}{suffix}"

        inverted = self.inverted()
        scalar = _Scalar(rename, inverse=lambda name: f"r_{name}" if name in inverted else None)
        lines = [line for s in self.statements for line in _unparse(scalar.visit(copy.deepcopy(s))).splitlines()]
        results = [_unparse(scalar.visit(copy.deepcopy(r))) for r in self.results]
        wanted = [f"{name}{suffix}" for name in ("theta", *self.memory)]
        changed = [(w, r) for w, r in zip(wanted, results, strict=True) if w != r]
        if changed:
            lines.append(f"{', '.join(w for w, _ in changed)} = {', '.join(r for _, r in changed)}")
        return lines


@cache
def _body(rule: Callable, exact: bool) -> _Body:
    return _Body(rule, exact)


def _indent(lines: Iterable[str], by: int) -> str:
    return "\n".join(" " * by + line for line in lines)


def _kernel_source(rule: Callable, dtype: str, exact: bool) -> str:
    body = _body(rule, exact)
    code = body.code
    arrays = ("theta", "g", *body.memory)
    part = [f"A_{n} = A_{n}[begin:end]" for n in arrays]  # from here on no index is negative, so loops are vectorised
    load = [f"{n}_ = A_{n}[i]" for n in arrays]
    store = [f"A_{n}[i] = {n}_" for n in ("theta", *body.memory)]
    return f"""{_head(code.name, dtype)}
{_helpers(code.helpers, True)}

@njit(**JIT)
def kernel({", ".join(f"A_{n}" for n in arrays)}, begin, end, {", ".join(("t", *code.constants))}):
{_indent([*body.once(), *part], 4)}
    for i in range(len(A_theta)):
{_indent([*load, *body.each("_"), *store], 8)}
"""


def _start(rule: Callable, name: str, theta: str) -> str:
    """How a memory begins, as an expression."""
    value = rules.START.get(rule, {}).get(name, 0.0)
    if value == "theta":
        return theta
    return f"c_{value}" if isinstance(value, str) else repr(float(value))


class _Ground:
    """The lines that a surface and a look-ahead contribute to a descent over coordinates 0, 1, ..."""

    def __init__(self, surface: Surface, body: _Body):
        self.look = body.look
        self.gradient, self.value = read(surface.gradient), read(surface.value)
        self.constants = [f"K_{n}" for n in surface.constants]
        self.axes = range(surface.dim)
        self.needs_loss = "loss" in body.code.arguments
        wanted = [surface.gradient, *([surface.value] if self.needs_loss else []), *([self.look] if self.look else [])]
        self.helpers = _helpers([*body.code.helpers, *wanted], False)

    def lines(self) -> list[str]:
        """The gradient, in g_0, g_1, ..., where the rule wants it."""
        point = [f"theta_{c}" for c in self.axes]
        lines = []
        if self.look is not None:
            code = read(self.look)
            for c in self.axes:
                arguments = [f"{n}_{c}" for n in code.arguments] + [f"c_{n}" for n in code.constants]
                lines.append(f"p_{c} = {code.name}({', '.join(arguments)})")
            point = [f"p_{c}" for c in self.axes]
        constants = [f"K_{n}" for n in self.gradient.constants]
        got = ", ".join(f"g_{c}" for c in self.axes) + ("," if len(self.axes) == 1 else "")
        lines.append(f"{got} = {self.gradient.name}({', '.join([*point, *constants])})")
        if self.needs_loss:
            value = f"{self.value.name}({', '.join([*point, *constants])})"
            lines += [f"loss_{c} = {value if c == 0 else 'loss_0'}" for c in self.axes]
        return lines


def _still_lines(body: _Body, rows: frozenset[str], live: Live = ()) -> list[str]:
    """Before the steps: the scalars that stay, and the numbers of the live schedules."""
    still, _, _ = body.split(rows, frozenset(name for name, _ in live))
    lines = [f"c_{name} = C[{i}]" for i, name in enumerate(still)]
    numbers = [f"q_{name}_{n}" for name, shape in live for n in functions(shape, f"schedule_{name}")[1]]
    return lines + [f"{number} = Q[{i}]" for i, number in enumerate(numbers)]


def _moving_lines(body: _Body, rows: frozenset[str], live: Live = ()) -> list[str]:
    """At step s: the scalars that move, and what follows from them."""
    _, move, inside = body.split(rows, frozenset(name for name, _ in live))
    lines = [f"c_{name} = S[{i}][s]" for i, name in enumerate(move)]
    for name, shape in live:
        numbers = [f"q_{name}_{n}" for n in functions(shape, f"schedule_{name}")[1]]
        low, high, closed = rules.RANGES.get(name, (-np.inf, np.inf, False))
        lines.append(f"c_{name} = schedule_{name}({', '.join(['float(s)', *numbers])})")
        lines.append(f"allowed = allowed and {low} <= c_{name} {'<=' if closed else '<'} {high}")
    scalar = _Scalar(lambda name: f"c_{name}", typed=False)
    hoisted = dict(body.hoisted)
    lines += [f"c_{name} = {_unparse(scalar.visit(copy.deepcopy(hoisted[name])))}" for name in inside]
    return lines + [f"r_{name} = 1.0 / c_{name}" for name in sorted(body.inverted())]


def _walk_source(rule: Callable, surface: Surface, rows: frozenset[str], live: Live = ()) -> str:
    body = _body(rule, True)
    ground = _Ground(surface, body)
    axes = ground.axes
    begin = [f"theta_{c} = path[b, 0, {c}]" for c in axes]
    begin += [f"{n}_{c} = {_start(rule, n, f'theta_{c}')}" for n in body.memory for c in axes]
    squares = " + ".join(f"g_{c} * g_{c}" for c in axes)
    clip = ["if clip < inf:", f"    norm = sqrt({squares})", "    if norm > clip:"]
    clip += [f"        g_{c} = clip / norm * g_{c}" for c in axes]
    noise = ["if len(noise):"] + [f"    g_{c} = g_{c} + noise[s, {c}]" for c in axes]
    update = [line for c in axes for line in body.each(f"_{c}")]
    store = [f"path[b, s + 1, {c}] = theta_{c}" for c in axes]
    sound = " and ".join(f"theta_{c} - theta_{c} == 0" for c in axes)
    schedules = "".join(functions(shape, f"schedule_{name}")[0] for name, shape in live)
    helpers = ground.helpers + (ARITHMETIC if live else "")
    return f"""{_head(f"{rule.__name__} on {surface.name}")}
{helpers}{schedules}

@njit(**JIT)
def walk({", ".join(["path", "C", "S", "Q", "noise", "clip", *ground.constants])}):
    finite, allowed = True, True
    if path.shape[1] == 1:
        return finite, allowed
{_indent(_still_lines(body, rows, live), 4)}
    for b in range(path.shape[0]):
{_indent(begin, 8)}
        for s in range(path.shape[1] - 1):
{_indent([*_moving_lines(body, rows, live), *ground.lines(), *clip, *noise, *update, *store], 12)}
        finite = finite and {sound}
    return finite, allowed
"""


def _basin_source(rule: Callable, surface: Surface, rows: frozenset[str], live: Live = ()) -> str:
    body = _body(rule, False)
    ground = _Ground(surface, body)
    axes = ground.axes
    state = [f"{n}_{c}" for n in ("theta", *body.memory) for c in axes]
    allocate = [f"A_{n} = np.empty({BLOCK})" for n in state]
    begin = [f"A_theta_{c}[w] = starts[i, {c}]" for c in axes]
    begin += [f"A_{n}_{c}[w] = {_start(rule, n, f'A_theta_{c}[w]')}" for n in body.memory for c in axes]
    load = [f"{n} = A_{n}[w]" for n in state]
    flat = " & ".join(f"(abs(g_{c}) <= tolerance)" for c in axes)
    update = [line for c in axes for line in body.each(f"_{c}")]
    store = [f"A_{n}[w] = {n}" for n in state]
    end = [f"ends[i, {c}] = A_theta_{c}[w]" for c in axes]
    away = " + ".join(f"(A_theta_{c}[w] - minima[k, {c}]) ** 2" for c in axes)
    return f"""{_head(f"{rule.__name__} on {surface.name}", fast={"contract"})}
{ground.helpers}

@njit(**JIT)
def basin({
        ", ".join(
            [
                "starts",
                "ends",
                "which",
                "arrived",
                "first",
                "last",
                "steps",
                "C",
                "S",
                "tolerance",
                "minima",
                *ground.constants,
            ]
        )
    }):
{_indent([*allocate, *_still_lines(body, rows)], 4)}
    steep = np.empty({BLOCK})  # 1.0 until the gradient has been flat
    came = np.empty({BLOCK})  # the steps until then; a sum, since a store under a condition is slow
    for block in range(first, last):
        for w in range({BLOCK}):
            i = min({BLOCK} * block + w, len(starts) - 1)
{_indent([*begin, "steep[w], came[w] = 1.0, 0.0"], 12)}
        for s in range(steps):
{_indent(_moving_lines(body, rows), 12)}
            for w in range({BLOCK}):
{_indent([*load, *ground.lines()], 16)}
                steep[w] *= 0.0 if {flat} else 1.0
                came[w] += steep[w]
{_indent([*update, *store], 16)}
        for w in range({BLOCK}):
            i = min({BLOCK} * block + w, len(starts) - 1)
{_indent(end, 12)}
            arrived[i] = -1 if steep[w] == 1.0 else int(came[w])
            which[i], least = -1, {REACH}
            for k in range(len(minima)):
                distance = sqrt({away})
                if distance < least:
                    which[i], least = k, distance
"""


# --- keeping them -------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Where generated sources and their machine code are kept: $OPTLIB_CACHE, or the user's cache folder."""
    if os.environ.get("OPTLIB_CACHE"):
        return Path(os.environ["OPTLIB_CACHE"])
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "optlib"


_MODULES: dict[str, ModuleType] = {}
_COMPILED: dict[tuple, Callable] = {}


@cache
def _kernel(rule: Callable, dtype: str, exact: bool) -> Callable:
    return _load(f"kernel_{rule.__name__}_{dtype}", _kernel_source(rule, dtype, exact)).kernel


def _on_surface(kind: str, optimizer: Optimizer, surface: Surface, live: Live = ()) -> Callable:
    """The compiled "walk" or "basin" of a rule on a surface; hyper-parameters and constants are its arguments."""
    rule, rows = _elementwise(optimizer.rule), _moving(optimizer) - {name for name, _ in live}
    key = (kind, rule, rows, live, surface.value, surface.gradient, surface.dim, *surface.constants)
    if key not in _COMPILED:
        source = {"walk": _walk_source, "basin": _basin_source}[kind](rule, surface, rows, live)
        _COMPILED[key] = getattr(_load(f"{kind}_{rule.__name__}_{surface.name}", source), kind)
    return _COMPILED[key]


def _load(name: str, source: str) -> ModuleType:
    """The module of a generated source, written once under a name that follows from its text."""
    if not available():
        raise ModuleNotFoundError("the compiled engine needs Numba: pip install 'optlib[fast]', or use engine='numpy'")
    key = f"{name}_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    if key not in _MODULES:
        _unleash()
        path = _kept(f"{key}.py", source)
        spec = importlib.util.spec_from_file_location(f"optlib_compiled_{key}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module.__name__] = module
        spec.loader.exec_module(module)
        if entry := getattr(module, name.split("_")[0], None):  # a module of parts has none
            _quicken(entry)
        _MODULES[key] = module
    return _MODULES[key]


def _quicken(function: Any) -> None:
    """Load kept machine code without Numba's registries, which compiling alone needs: they are most of a first call."""
    from numba.core.runtime import rtsys

    kept = function._cache

    def load(signature: Any, context: Any) -> Any:
        rtsys.initialize(context)  # the arrays that machine code makes
        with kept._guard_against_spurious_io_errors():
            return kept._load_overload(signature, context)

    if all(hasattr(kept, name) for name in ("load_overload", "_load_overload", "_guard_against_spurious_io_errors")):
        kept.load_overload = load  # a Numba that is built otherwise is left as it is


def _kept(name: str, source: str) -> Path:
    """The file in the cache folder; written whole or not at all, since other processes may read it at the same time."""
    for folder in (
        cache_folder(),
        Path(tempfile.gettempdir()) / f"optlib-{os.getuid() if hasattr(os, 'getuid') else 0}",
    ):
        path = folder / name
        try:
            if path.exists() and path.read_text(encoding="utf-8") == source:
                return path
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".tmp", delete=False, encoding="utf-8") as file:
                file.write(source)
            os.replace(file.name, path)
            return path
        except OSError:
            continue
    raise PermissionError(f"no folder to keep compiled code in: {cache_folder()} cannot be written; set OPTLIB_CACHE")


@cache
def _unleash() -> None:
    """Let LLVM vectorise loops over many arrays: by itself it gives up beyond eight pairs to check for overlap."""
    import llvmlite.binding as llvm

    llvm.set_option("", "-runtime-memory-check-threshold=200")
