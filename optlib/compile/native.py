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
from inspect import isfunction
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import rules, schedules
from ..optimizer import NotFinite, Optimizer, State, _checked, _finite, _gradient, takes_step
from ..surfaces import Surface
from .source import CannotCompile, Hoist, names, read

BLOCK = 64  #: starts that a basin map carries through its steps together, so that their arithmetic is vectorised


def available() -> bool:
    """Whether Numba is installed.

    >>> available() in (True, False)
    True
    """
    return importlib.util.find_spec("numba") is not None


# --- what is called -----------------------------------------------------------------------------


def kernel(
    optimizer: Optimizer, *, dtype: Any = np.float64, threads: int = 1, exact: bool = True
) -> Callable[..., None]:
    """One update of a large vector in one pass over memory, in place.

    Parameters
    ----------
    optimizer : an elementwise rule with its hyper-parameters; schedules are looked up at each step
    dtype : float64 or float32, of all arrays
    threads : how many share the work
    exact : NumPy's numbers, to the last bit (True); or divisions by what is the same for all coordinates replaced by
        products, which is faster where memory is not the limit, and moves the last bit (False)

    Returns
    -------
    ``step(theta, g, state)``, which changes theta and the arrays of the state, and counts the state's ``t`` on.

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
    if threads < 1:
        raise ValueError(f"threads={threads}: at least one is needed")
    code = read(_elementwise(optimizer.rule))
    inner = _kernel(optimizer.rule, dtype.name, exact)
    names_ = [n for n in code.arguments[2:] if n != "t"]
    if "loss" in names_:
        raise CannotCompile(f"{code.name} compares losses, which a kernel over one vector does not know")

    def step(theta: NDArray, g: NDArray, state: State) -> None:
        arrays = [theta, g, *(state[name] for name in names_)]
        for name, array in zip(("theta", "g", *names_), arrays, strict=True):
            if array.dtype != dtype or array.shape != theta.shape or not array.flags.c_contiguous:
                raise ValueError(
                    f"{name} is a {array.dtype} array of shape {array.shape}; this kernel needs contiguous {dtype} "
                    f"arrays of theta's shape {theta.shape}"
                )
        t = int(state["t"])
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
    start = np.asarray(theta, dtype=float)
    batch = start.reshape(-1, surface.dim)
    compiled = _on_surface("walk", optimizer, surface)
    path = np.empty((len(batch), steps + 1, surface.dim))
    path[:, 0] = batch
    if noise is None:
        noise = np.empty((0, surface.dim))
    elif noise.shape != (steps, surface.dim):
        raise ValueError(f"noise has shape {noise.shape}; it must be (steps, d) = {(steps, surface.dim)}")
    clock = _clock(optimizer, steps)
    compiled(path, *clock, np.asarray(noise, float), float(clip), *surface.constants.values())
    path = np.moveaxis(path, 0, 1).reshape(steps + 1, *start.shape)
    if strict and not np.isfinite(path[-1]).all():
        bad = int(np.argmax(~np.isfinite(path.reshape(steps + 1, -1)).all(axis=1)))
        raise NotFinite("new point", bad, f"on surface {surface.name}")
    return path


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
    step, state, timed = kernel(optimizer, dtype=start.dtype), optimizer.init(start), takes_step(oracle)
    with np.errstate(all="ignore"):  # what overflows is reported, with its step
        for t in range(steps):
            point = path[t]  # no buffer that changes: an oracle may keep it
            if optimizer._look_ahead is not None:
                point = optimizer._ask(point, optimizer._memory(state), optimizer._values(t))
            g = _gradient(oracle(point, t=t) if timed else oracle(point), start, t + 1, strict)
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
    start = np.asarray(starts, dtype=float)
    flat = start.reshape(-1, surface.dim)
    compiled = _on_surface("basin", optimizer, surface)
    rows = -(-len(flat) // BLOCK) * BLOCK
    ends = np.empty((surface.dim, rows))
    ends[:, : len(flat)] = flat.T
    ends[:, len(flat) :] = flat[-1][:, None]
    arrived = np.full(rows, -1, dtype=np.int64)
    clock = _clock(optimizer, steps)
    _share(
        lambda a, b: compiled(ends, arrived, a, b, steps, *clock, tolerance, *surface.constants.values()),
        rows // BLOCK, threads,
    )  # fmt: skip
    points = ends[:, : len(flat)].T.reshape(start.shape)
    return points, nearest(points, surface), arrived[: len(flat)].reshape(start.shape[:-1])


def nearest(points: NDArray, surface: Surface, within: float = 0.1) -> NDArray:
    """The index of the minimum within reach of each point of shape (..., d), or -1.

    >>> from optlib import surfaces
    >>> nearest(np.array([[3.0, 2.01], [0.0, 0.0]]), surfaces.himmelblau)
    array([ 0, -1])
    """
    if not surface.minima:
        return np.full(points.shape[:-1], -1)
    with np.errstate(all="ignore"):
        distance = np.stack([np.sqrt(((points - m) ** 2).sum(axis=-1)) for m in surface.minima])
    distance = np.where(np.isfinite(distance), distance, np.inf)
    return np.where(distance.min(axis=0) < within, distance.argmin(axis=0), -1)


def _elementwise(rule: Callable) -> Callable:
    if rule in rules.WHOLE:
        raise CannotCompile(
            f"{rule.__name__} sees whole vectors, so it has no kernel coordinate by coordinate; use engine='numpy'"
        )
    return rule


def _moving(optimizer: Optimizer) -> frozenset[str]:
    """The hyper-parameters that are schedules."""
    for name, value in optimizer.hyper.items():
        if not callable(value) and np.ndim(value):
            raise CannotCompile(
                f"{name} is an array: the compiled engine takes numbers and schedules; use engine='numpy'"
            )
    return frozenset(name for name, value in optimizer.hyper.items() if callable(value))


def _clock(optimizer: Optimizer, steps: int) -> tuple[NDArray, tuple[NDArray, ...]]:
    """The scalars of every step: those that stay, of shape (k,), and those that move, each of shape (steps,)."""
    body, moving = _body(optimizer.rule, True), _moving(optimizer)
    still = tuple((n, float(optimizer.hyper[n])) for n in body.code.constants if n not in moving)
    if not moving:
        return _clock_of(optimizer.rule, steps, still)
    rows = {n: _scheduled(optimizer, n, optimizer.hyper[n], steps) for n in moving}
    return _rows(body, body.evaluate({**_known(optimizer.rule, steps, still), **rows}), moving)


@lru_cache(maxsize=32)
def _clock_of(rule: Callable, steps: int, still: tuple[tuple[str, float], ...]) -> tuple[NDArray, tuple[NDArray, ...]]:
    """The scalars without schedules, kept: most descents are run again from another start."""
    return _rows(_body(rule, True), _known(rule, steps, still), frozenset())


@lru_cache(maxsize=32)
def _known(rule: Callable, steps: int, still: tuple[tuple[str, float], ...]) -> dict[str, Any]:
    """What follows from the clock and the constant hyper-parameters alone, kept too."""
    return _body(rule, True).evaluate({**dict(still), "t": np.arange(1.0, steps + 1)})


def _rows(body: "_Body", values: dict[str, Any], moving: frozenset[str]) -> tuple[NDArray, tuple[NDArray, ...]]:
    still, move = body.split(moving)
    return np.array([float(values[n]) for n in still]), tuple(np.ascontiguousarray(values[n]) for n in move)


_SERIES: WeakKeyDictionary[Callable, NDArray] = WeakKeyDictionary()


def _scheduled(optimizer: Optimizer, name: str, schedule: Callable, steps: int) -> NDArray:
    """The values of a schedule at every step, checked at once."""
    values = _series(schedule, steps)
    try:
        return _checked(optimizer.rule, name, values)
    except (TypeError, ValueError):
        for t in range(steps):
            optimizer._values(t)  # raises at the step that is wrong, and names it
        raise


def _series(schedule: Callable, steps: int) -> Any:
    """A schedule's first values. Those of our own schedules are kept with them: they follow from the clock alone."""
    if getattr(schedule, "__module__", None) != schedules.__name__ or not isfunction(schedule):
        return [schedule(t) for t in range(steps)]
    values = _SERIES.get(schedule, np.empty(0))
    if len(values) < steps:
        values = np.concatenate([values, [schedule(t) for t in range(len(values), steps)]])
        _SERIES[schedule] = values
    return values[:steps]


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
from math import cos, exp, inf, log, sin, sqrt, tanh

import numpy as np
from numba import njit

F = np.{dtype}
JIT = dict(error_model="numpy", nogil=True, cache=True)
INLINE = dict(error_model="numpy", inline="always")


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

    def split(self, moving: frozenset[str]) -> tuple[list[str], list[str]]:
        """The scalars of a descent: those that stay, and those that follow the clock or a schedule in `moving`."""
        move = {"t", *moving}
        for name, needed in self.needs.items():
            if needed & move:
                move.add(name)
        starts = {value for value in rules.START.get(self.rule, {}).values() if value in self.code.constants}
        used = self.used | starts | set(read(self.look).constants if self.look is not None else ())
        return sorted(used - move), sorted(used & move)

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
    return f"""{_HEAD.format(of=code.name, dtype=dtype)}
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


def _still_lines(body: _Body, moving: frozenset[str]) -> list[str]:
    """Before the steps: the scalars that stay; those that move have their first value, which a memory may start at."""
    still, move = body.split(moving)
    return [f"c_{name} = C[{i}]" for i, name in enumerate(still)] + [f"c_{n} = S[{i}][0]" for i, n in enumerate(move)]


def _moving_lines(body: _Body, moving: frozenset[str]) -> list[str]:
    """At step s: the scalars that move."""
    lines = [f"c_{name} = S[{i}][s]" for i, name in enumerate(body.split(moving)[1])]
    return lines + [f"r_{name} = 1.0 / c_{name}" for name in sorted(body.inverted())]


def _walk_source(rule: Callable, surface: Surface, moving: frozenset[str]) -> str:
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
    return f"""{_HEAD.format(of=f"{rule.__name__} on {surface.name}", dtype="float64")}
{ground.helpers}

@njit(**JIT)
def walk({", ".join(["path", "C", "S", "noise", "clip", *ground.constants])}):
    if path.shape[1] == 1:
        return
{_indent(_still_lines(body, moving), 4)}
    for b in range(path.shape[0]):
{_indent(begin, 8)}
        for s in range(path.shape[1] - 1):
{_indent([*_moving_lines(body, moving), *ground.lines(), *clip, *noise, *update, *store], 12)}
"""


def _basin_source(rule: Callable, surface: Surface, moving: frozenset[str]) -> str:
    body = _body(rule, False)
    ground = _Ground(surface, body)
    axes = ground.axes
    state = [f"{n}_{c}" for n in ("theta", *body.memory) for c in axes]
    allocate = [f"A_{n} = np.empty({BLOCK})" for n in state]
    begin = [f"A_theta_{c}[w] = ends[{c}, {BLOCK} * block + w]" for c in axes]
    begin += [f"A_{n}_{c}[w] = {_start(rule, n, f'A_theta_{c}[w]')}" for n in body.memory for c in axes]
    load = [f"{n} = A_{n}[w]" for n in state]
    steep = " and ".join(f"abs(g_{c}) <= tolerance" for c in axes)
    update = [line for c in axes for line in body.each(f"_{c}")]
    store = [f"A_{n}[w] = {n}" for n in state]
    seen = [f"if {steep}:", "    if came[w] < 0:", "        came[w] = s"]
    finish = [f"ends[{c}, {BLOCK} * block + w] = A_theta_{c}[w]" for c in axes] + [
        f"arrived[{BLOCK} * block + w] = came[w]"
    ]
    return f"""{_HEAD.format(of=f"{rule.__name__} on {surface.name}", dtype="float64")}
{ground.helpers}

@njit(**JIT)
def basin({", ".join(["ends", "arrived", "first", "last", "steps", "C", "S", "tolerance", *ground.constants])}):
    if steps == 0:
        return
{_indent([*allocate, *_still_lines(body, moving)], 4)}
    came = np.empty({BLOCK}, np.int64)
    for block in range(first, last):
        for w in range({BLOCK}):
{_indent([*begin, "came[w] = -1"], 12)}
        for s in range(steps):
{_indent(_moving_lines(body, moving), 12)}
            for w in range({BLOCK}):
{_indent([*load, *ground.lines(), *seen, *update, *store], 16)}
        for w in range({BLOCK}):
{_indent(finish, 12)}
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


def _on_surface(kind: str, optimizer: Optimizer, surface: Surface) -> Callable:
    """The compiled "walk" or "basin" of a rule on a surface; hyper-parameters and constants are its arguments."""
    rule, moving = _elementwise(optimizer.rule), _moving(optimizer)
    key = (kind, rule, moving, surface.value, surface.gradient, surface.dim, *surface.constants)
    if key not in _COMPILED:
        source = {"walk": _walk_source, "basin": _basin_source}[kind](rule, surface, moving)
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
        _MODULES[key] = module
    return _MODULES[key]


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
