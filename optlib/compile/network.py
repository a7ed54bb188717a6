"""Training of a network in one compiled loop: batches, forward, backward and update, with no Python between steps."""

import ast
import copy
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import layers, models, oracles
from ..data import SparseRows
from ..optimizer import Optimizer, State, _finite, _point
from . import native
from .source import CannotCompile, read, tree_of

_LINE = "# " + "-" * 96  #: stands in `_dense` above what is compiled
AHEAD = 2**24  #: numbers of dropout masks, and rows of batches, that are drawn ahead at most

# --- what is called -----------------------------------------------------------------------------


def trains(oracle: Any) -> bool:
    """Whether `train` compiles this oracle: mini-batches of an MLP, perhaps with `oracles.l2` and `oracles.clipped`.

    >>> from optlib import data
    >>> batches = oracles.minibatch(models.MLP([2, 3, 2]), *data.spirals(), size=32)
    >>> trains(oracles.clipped(batches, norm=1.0)), trains(oracles.noisy(batches)), trains(lambda theta: theta)
    (True, False, False)
    """
    inner = _opened(oracle)[0]
    return type(inner) is oracles.MiniBatch and type(inner.model) is models.MLP


def train(
    optimizer: Optimizer, oracle: Any, theta: ArrayLike, steps: int, state: State | None = None, *,
    strict: bool = True, path: NDArray | None = None,
) -> tuple[NDArray, State]:  # fmt: skip
    """Train a network for some steps in one compiled loop; `optlib.descend(..., engine="numba")` comes here.

    Gathering the batch, the way forward, the way back and the update by the rule as it is written are one function that
    allocates nothing and holds no lock; the batches and the dropout masks are those of the oracle. It is meant for
    small layers, up to some hundred units in batches of up to a hundred, where calling NumPy costs more than its
    arithmetic: measured were 3 to 13 times the speed of `optlib.run`. It uses one core. From about 500 units on,
    gradients by BLAS and an update by `kernel` are as fast (``descend(..., engine="numba")`` of a plain function that
    calls the oracle), on many cores faster.

    Parameters
    ----------
    optimizer : an elementwise rule with its hyper-parameters; schedules are looked up at each step
    oracle : `optlib.oracles.minibatch` of an `optlib.models.MLP`, of any depth, with any activation, loss, order, batch
        normalisation and dropout; `optlib.oracles.l2` and `clipped` may stand around it
    theta : start, float64 or float32, of shape (..., d); leading axes are independent copies
    steps : how many, 0 or more
    state : where to resume from; by default the beginning. It is not changed
    strict : raise NotFinite at the first NaN or infinity (True), or walk on through it (False)
    path : an array of shape (steps + 1, ..., d), to be filled with the start and every point after it

    Returns
    -------
    The last point and the state, as the last item of `optlib.run`. Products are summed in another order than NumPy's,
    and divisions by what is the same for all coordinates are products: in float64 an epoch on the digits differs by
    less than 1e-14, in float32 by 1e-6.

    Raises
    ------
    CannotCompile : another oracle, or a rule that is not elementwise or compares losses. NotFinite : with the step.
    ValueError, TypeError : as the model, the oracle and the optimizer raise.

    >>> from optlib import data, rules
    >>> model = models.MLP([64, 32, 10])
    >>> batches = oracles.minibatch(model, *data.digits(), size=32, seed=0)
    >>> if native.available():
    ...     theta, state = train(Optimizer(rules.adam, lr=0.01), batches, model.init(seed=0), steps=200)
    ...     assert model.accuracy(theta, batches.X, batches.y) > 0.9
    """
    if not trains(oracle):
        raise CannotCompile(
            f"{oracle!r} is not oracles.minibatch of a models.MLP, perhaps with l2 and clipped around it: its training "
            "cannot be compiled. Use optlib.descend(..., engine='numba'), which compiles the update, or engine='numpy'"
        )
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 0:
        raise ValueError(f"steps is {steps!r}: it must be a whole number, 0 or more")
    theta = np.array(_point(theta), order="C")
    if theta.dtype not in (np.float64, np.float32):
        raise TypeError(f"theta holds {theta.dtype}: training is compiled for float64 and float32")
    if path is not None and (path.shape, path.dtype, path.flags.c_contiguous) != (
        (steps + 1, *theta.shape), theta.dtype, True
    ):  # fmt: skip
        raise ValueError(
            f"path is a {path.dtype} array of shape {path.shape}; it must be a contiguous {theta.dtype} array of shape "
            f"{(steps + 1, *theta.shape)}"
        )
    state = optimizer.init(theta) if state is None else state
    optimizer._check_state(state, theta)
    job = _Job(optimizer, oracle, theta, state, path)
    t = int(state["t"])
    stop = t + steps
    while t < stop:
        ahead = min(job.block, stop - t)
        job.run(t, ahead, strict)
        t += ahead
    return theta, optimizer._state(job.memory, t)


# --- a run --------------------------------------------------------------------------------------


def _opened(oracle: Any) -> tuple[Any, list[tuple[int, float]]]:
    """The oracle inside, and what those around it do to its gradient: (kind, amount), the innermost first."""
    if type(oracle) is oracles.Penalised:
        inner, changes = _opened(oracle.oracle)
        return inner, [*changes, (0, oracle.strength)]
    if type(oracle) is oracles.Clipped:
        inner, changes = _opened(oracle.oracle)
        return inner, [*changes, (1, oracle.value or 0.0) if oracle.norm is None else (2, oracle.norm)]
    return oracle, []


class _Job:
    """A training that runs in blocks of steps; theta and the memory change in place."""

    def __init__(self, optimizer: Optimizer, oracle: Any, theta: NDArray, state: State, path: NDArray | None):
        self.batches, changes = _opened(oracle)
        self.model = model = self.batches.model
        self.optimizer, self.theta, self.path, self.first = optimizer, theta, path, int(state["t"])
        self.memory = [np.array(m, dtype=theta.dtype, order="C") for m in optimizer._memory(state)]
        self.moving = bool(native._moving(optimizer))
        self.train, self.constants = _compiled(optimizer.rule, theta.dtype.name), read(optimizer.rule).constants
        self.examples = _examples(self.batches, theta)
        self.changes = np.array([kind for kind, _ in changes], np.int64), np.array([a for _, a in changes], np.float64)
        size, widest = self.batches.size, max(model.sizes)
        self.layers, room = _table(model, size)
        zero, panel = np.zeros(widest, theta.dtype), np.empty(widest * 128 // theta.itemsize + widest, theta.dtype)
        g, point, arena = (np.empty(length, theta.dtype) for length in (model.size, model.size, room))
        self.scratch = g, point, arena, panel, zero
        self.masked = size * sum(model.sizes[1:-1]) if model.dropout else 0
        #: steps that are prepared at once: an epoch, or as many as find room
        self.block = max(1, min(self.batches.batches, AHEAD // max(self.masked, size)))
        if path is not None:
            path[0] = theta

    def run(self, t: int, steps: int, strict: bool) -> None:
        rows, edges = self.batches._rows(t, steps)
        if self.model.batch_norm and len(self.layers) > 1 and np.diff(edges).min() < 2:
            layers.batch_statistics(np.empty((1, self.model.sizes[1])))  # raises: one example has no variance
        masks = self._masks(t, np.diff(edges))
        values = np.array([[self.optimizer._values(i)[c] for c in self.constants]
                           for i in range(t, t + (steps if self.moving else 1))], np.float64)  # fmt: skip
        if not values.size:
            values = np.zeros((1, 1))
        flat = self.theta.reshape(-1, self.model.size)
        failed = []
        for i in range(len(flat)):
            path = self._path(t, steps, i)
            memory = [m.reshape(flat.shape)[i] for m in self.memory]
            done = self.train(
                flat[i], *memory, *self.scratch, self.layers, *self.examples, rows, edges, masks, values,
                *self.changes, self.model.eps, t, strict, path,
            )  # fmt: skip
            if self.path is not None and len(flat) > 1:
                self.path.reshape(len(self.path), *flat.shape)[t - self.first + 1 :][:steps, i] = path
            if done < steps:
                failed.append((done, flat[i].copy(), self.scratch[0].copy()))
        if failed:
            done, theta, g = min(failed, key=lambda f: f[0])
            _finite(g, "gradient", t + done + 1)
            _finite(theta, "new point", t + done + 1)

    def _path(self, t: int, steps: int, i: int) -> NDArray:
        """Where the points of a copy go."""
        if self.path is None:
            return np.empty((0, self.model.size), self.theta.dtype)
        if self.theta.size > self.model.size:
            return np.empty((steps, self.model.size), self.theta.dtype)
        return self.path.reshape(len(self.path), -1)[t - self.first + 1 :][:steps]

    def _masks(self, t: int, sizes: NDArray) -> NDArray:
        """The dropout masks of some steps, as the model draws them."""
        if not self.masked:
            return np.empty(0, self.theta.dtype)
        seeds = [oracles._mask_seed(self.batches.seed, i) for i in range(t, t + len(sizes))]
        drawn = [self.model._masks(n, seed, self.theta.dtype) or () for n, seed in zip(sizes, seeds, strict=True)]
        return np.concatenate([mask.ravel() for masks in drawn for mask in masks])


def _examples(batches: oracles.MiniBatch, theta: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """X, and labels or targets (the other is empty), checked against the model with its own words."""
    model: Any = batches.model
    X, y, n = batches.X, batches.y, len(batches.y)
    model._theta(theta)
    model._inputs(theta, X if isinstance(X, SparseRows) else X[: batches.size])
    outputs = np.broadcast_to(theta.dtype.type(0), (n, model.sizes[-1]))
    labels, targets = np.empty(0, np.int64), np.empty(0)
    if model.kind == "softmax":
        labels = layers.checked_labels(y, outputs).astype(np.int64)
    else:
        targets = model._targets(y, outputs).astype(np.float64).ravel()
    return np.ascontiguousarray(X), labels, targets


def _table(model: models.MLP, n: int) -> tuple[NDArray, int]:
    """For each layer, where its parameters stand in theta and its arrays in one stretch of memory; and how long it is.

    The columns are those that `_dense` names. Two errors, which take turns, stand in front.
    """
    widest = n * max(model.sizes)
    table, inputs, room = [], 2 * widest, 2 * widest + n * model.sizes[0]
    kind = list(layers.ACTIVATIONS).index(model.activation)
    for i, part in enumerate(model._parts):
        fan_in, fan_out = part[0][2]
        scale = part[2][0] if len(part) > 2 else -1
        outputs, normal, inverse = room, room + n * fan_out, room + 2 * n * fan_out
        room += n * fan_out if scale < 0 else (2 * n + 1) * fan_out
        table.append((fan_in, fan_out, part[0][0], part[1][0], scale, kind, inputs, outputs, normal, inverse, 0))
        inputs = outputs
        if model.dropout and i < len(model._parts) - 1:
            inputs = room
            room += n * fan_out
    return np.array(table, np.int64), room


# --- generating the source ----------------------------------------------------------------------


class _Pointwise(ast.NodeTransformer):
    """A function of `optlib.layers` that works on arrays in place, as one of numbers: it loses its `out` arguments."""

    def __init__(self, known: dict[str, Any]):
        self.known = known
        self.operators = {"add": ast.Add, "subtract": ast.Sub, "multiply": ast.Mult, "divide": ast.Div}

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr=name), args=arguments):
                arguments = [self.visit(a) for a in arguments]
                if name in self.operators:
                    return ast.BinOp(arguments[0], self.operators[name](), arguments[1])
                return ast.Call(ast.Name({"tanh": "tanh_by_exp"}.get(name, name), ast.Load()), arguments, [])
        raise CannotCompile(f"{ast.unparse(node)!r} in an activation is no function of NumPy")

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        match node.value:
            case ast.Call(keywords=[ast.keyword(arg="out", value=ast.Name(id=target))]):
                return ast.Assign([ast.Name(target, ast.Store())], self.visit(node.value))
        raise CannotCompile(f"{ast.unparse(node)!r} in an activation keeps no result")

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        assert isinstance(node.target, ast.Name)
        value = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, self.visit(node.value))
        return ast.Assign([ast.Name(node.target.id, ast.Store())], value)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(self.known[node.id]) if isinstance(self.known.get(node.id), float) else node


def _pointwise(function: Callable, name: str) -> str:
    """An activation or its derivative as a Numba function of numbers, made of the one that works on arrays."""
    tree = copy.deepcopy(tree_of(function))
    lines = ["@njit(**INLINE)", f"def {name}({', '.join(a.arg for a in tree.args.args)}):"]
    for statement in tree.body:
        plain = _Pointwise(function.__globals__).visit(statement)
        lines += [f"    {line}" for line in native._unparse(native._Scalar().visit(plain)).splitlines()]
    return "\n".join(lines)


def _dense_source(dtype: str) -> str:
    """The layers: what `_dense` holds, with the activations."""
    text = resources.files(__package__).joinpath("_dense.py").read_text(encoding="utf-8")
    lines = [
        native._HEAD.format(of="optlib.compile._dense", dtype=dtype, fast=False),
        f"BYTES = {_vector_bytes()}",
        text.partition(_LINE)[2],
    ]
    for name, activation in layers.ACTIVATIONS.items():
        lines += [_pointwise(activation.apply, name), _pointwise(activation.backward, f"{name}_backward")]
    for function, each in (("activate(kind, a)", "{}(a[i])"), ("undo(kind, da, a)", "{}_backward(da[i], a[i])")):
        lines += ["@njit(**PART)", f"def {function}:"]
        target = function.split()[1].rstrip(",)")
        for kind, name in enumerate(layers.ACTIVATIONS):
            lines += [f"    if kind == {kind}:", "        for i in range(len(a)):"]
            lines += [f"            {target}[i] = {each.format(name)}"]
    return "\n".join(lines) + "\n"


def _source(rule: Callable, dtype: str, dense: str) -> str:
    """The loop over the steps, with the update of a rule."""
    body = native._body(rule, False)
    memory, constants = [f"A_{n}" for n in body.memory], [f"values[at, {i}]" for i in range(len(body.code.constants))]
    point, look, ask = "A_theta", "", ""
    if body.look is not None:
        code, point = read(body.look), "point"
        given = [*(f"A_{n}[i]" for n in code.arguments), *(f"F({n})" for n in code.constants)]
        ask = f"ahead({', '.join([point, 'A_theta', *memory, *constants])})"
        look = f"""{native._helpers([body.look], True)}

@njit(**PART)
def ahead({", ".join([point, "A_theta", *memory, *body.code.constants])}):
    for i in range(len(point)):
        point[i] = {code.name}({", ".join(given)})
"""
    return f"""{native._kernel_source(rule, dtype, False)}
from {dense} import (
    FAN_OUT, INPUTS, OUTPUTS, PART, backward, change, finite, forward, gather, put, softmax_error, squared_error
)

{look}
@njit(**JIT)
def train(
    {", ".join(["A_theta", *memory])}, g, point, arena, panel, zero, layers, X, labels, targets,
    rows, edges, masks, values, kinds, amounts, eps, t, strict, path,
):
    last, drawn = len(layers) - 1, 0
    turn = layers[0, INPUTS] // 2
    for s in range(len(edges) - 1):
        at = min(s, len(values) - 1)
        of = rows[edges[s] : edges[s + 1]]
        n = len(of)
        {ask}
        gather(arena, layers[0, INPUTS], X, of)
        dropped = masks[drawn:]
        drawn += forward({point}, layers, arena, panel, zero, dropped, F(eps), n)
        outputs = arena[layers[last, OUTPUTS] : layers[last, OUTPUTS] + n * layers[last, FAN_OUT]]
        error = arena[: len(outputs)]
        if len(labels):
            softmax_error(outputs, error, labels, of)
        else:
            squared_error(outputs, error, targets, of)
        backward({point}, g, layers, arena, panel, zero, dropped, 0, turn, n)
        change(g, {point}, kinds, amounts)
        if strict and not finite(g):
            return s
        kernel({", ".join(["A_theta", "g", *memory])}, 0, len(g), float(t + s + 1), {", ".join(constants)})
        if strict and not finite(A_theta):
            return s
        if len(path):
            put(path[s], A_theta)
    return len(edges) - 1
"""


def _vector_bytes() -> int:
    """How long the machine's vectors are; where they are shorter, LLVM makes two of one."""
    import llvmlite.binding as llvm

    return 64 if llvm.get_host_cpu_features().get("avx512f") else 32


@cache
def _compiled(rule: Callable, dtype: str) -> Callable:
    """The loop of a rule."""
    code = read(native._elementwise(rule))
    if "loss" in code.arguments:
        raise CannotCompile(f"{code.name} compares losses, which compiled training does not compute")
    dense = native._load(f"dense_{dtype}", _dense_source(dtype)).__name__
    return native._load(f"train_{code.name}_{dtype}", _source(rule, dtype, dense)).train
