r"""A dataflow graph: operations are nodes, tensors are edges, and gradients are more nodes of the same graph.

Nothing is computed while a graph is built, so a program can look at the whole of it: add the gradients, place each node
on a device, cut it into one graph for each device (:mod:`downhill_course.dataflow.devices`). Shapes are known from the
beginning, and what does not fit is refused where it is written.

>>> graph = Graph()
>>> x = graph.placeholder((1, 2), "x")
>>> W = graph.variable("W", [[1.0], [2.0]])
>>> loss = graph.sum(graph.tanh(x @ W))
>>> (slope,) = graph.gradients(loss, [W])
>>> graph.evaluate(slope, {x: [[0.0, 0.5]]}).round(3)
array([[0.  ],
       [0.21]])

Source: Abadi et al., "TensorFlow: large-scale machine learning on heterogeneous distributed systems" (2015),
section 4.1.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from optlib import layers, rules
from optlib.optimizer import Optimizer, State

Shape = tuple[int, ...]


class Node:
    """One operation and the tensor that it makes; made by the methods of a :class:`Graph`, never by hand.

    ``a @ b``, ``a + b`` and ``a * b`` add nodes to the graph of a and b.
    """

    __slots__ = ("attributes", "device", "dtype", "graph", "inputs", "name", "near", "op", "shape")

    def __init__(
        self, graph: "Graph", op: str, name: str, inputs: tuple["Node", ...], shape: Shape, dtype: Any,
        device: str | None, near: "Node | None", attributes: dict[str, Any],
    ):  # fmt: skip
        self.graph, self.op, self.name, self.inputs, self.shape, self.dtype = graph, op, name, inputs, shape, dtype
        self.device, self.near, self.attributes = device, near, attributes

    def __repr__(self) -> str:
        return f"<{self.name}: {self.op}, shape {self.shape}>"

    def __matmul__(self, other: "Node") -> "Node":
        return self.graph.matmul(self, other)

    def __add__(self, other: "Node") -> "Node":
        return self.graph.add(self, other)

    def __mul__(self, other: "Node") -> "Node":
        return self.graph.multiply(self, other)

    @property
    def nbytes(self) -> int:
        """Size of its tensor."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class Store:
    """The values of a graph's variables and what the optimizers keep for them; several threads may share one.

    >>> graph = Graph()
    >>> w = graph.variable("w", [1.0, 2.0])
    >>> Store(graph).read(w)
    array([1., 2.])
    """

    def __init__(self, graph: "Graph"):
        self.graph = graph
        self._lock = threading.Lock()
        self._values: dict[str, NDArray] = {}
        self._states: dict[str, State] = {}

    def read(self, variable: Node) -> NDArray:
        """The value now. ValueError : it has none yet."""
        with self._lock:
            return self._read(variable)

    def _read(self, variable: Node) -> NDArray:
        start = variable.attributes["start"]
        value = self._values.get(variable.name, start)
        if value is None:
            raise ValueError(
                f"variable {variable.name!r} is read before it has a value: run an assign to it first, or give "
                f"graph.variable({variable.name!r}, value) a start"
            )
        return value

    def write(self, variable: Node, value: ArrayLike) -> NDArray:
        """Set the value, of the variable's shape. ValueError : another shape."""
        array = np.array(value, dtype=variable.dtype)
        if array.shape != variable.shape:
            raise ValueError(f"variable {variable.name!r} has shape {variable.shape}, but was given {array.shape}")
        array.flags.writeable = False  # who has read it keeps what was read
        with self._lock:
            self._values[variable.name] = array
        return array

    def update(self, node: Node, gradient: NDArray) -> NDArray:
        """One step of the optimizer of an update node, on the value that the variable has now."""
        variable, optimizer = node.attributes["variable"], node.attributes["optimizer"]
        with self._lock:  # read, step and write as one: two replicas may come at once
            theta = self._read(variable)
            # replicas that share an optimizer share its memory, as one parameter server would
            key = f"{variable.name}/{id(optimizer)}"
            new, state = optimizer.tell(theta, gradient, self._states.get(key) or optimizer.init(theta))
            new = np.array(new)
            new.flags.writeable = False
            self._values[variable.name], self._states[key] = new, state
        return new


class Operation(NamedTuple):
    """What an operation does: the shape and value of its result, its gradient as nodes, and its work in flops."""

    shape: Callable[..., Shape]
    compute: Callable[..., Any]
    backward: Callable[[Node, Node], Sequence[Node | None]] | None = None
    work: Callable[[Node], float] | None = None


# --- the graph ----------------------------------------------------------------------------------


class Graph:
    """Operations that wait to be run. Each method adds a node and returns it; `name` is made unique if it is taken.

    >>> graph = Graph()
    >>> a = graph.constant([1.0, 2.0], "a")
    >>> graph.evaluate(graph.sum(a * a))
    array(5.)
    >>> a @ graph.constant([1.0], "b")
    Traceback (most recent call last):
    ...
    ValueError: matmul of 'a' of shape (2,) and 'b' of shape (1,): it needs tables (n, k) and (k, m)
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}  #: by name, in the order of making
        self.waits: dict[Node, list[Node]] = {}  #: control edges: node -> what must have run before it
        self.version = 0  #: grows with each change
        self._device: str | None = None
        self._near: Node | None = None

    def __repr__(self) -> str:
        return f"Graph({len(self.nodes)} operations)"

    def _make(
        self, op: str, inputs: Sequence[Node] = (), name: str | None = None, *, shape: Shape | None = None,
        dtype: DTypeLike = float, near: Node | None = None, **attributes: Any,
    ) -> Node:  # fmt: skip
        for node in inputs:
            self._own(node, f"an input of {name or op}")
        if shape is None:
            shape = OPERATIONS[op].shape(attributes, *inputs)
        near = near or self._near
        device = None if near is not None else self._device
        node = Node(
            self, op, self._unique(name or op), tuple(inputs), tuple(shape), np.dtype(dtype), device, near, attributes
        )
        self.nodes[node.name] = node
        self.version += 1
        return node

    def _unique(self, name: str) -> str:
        number, unique = 1, name
        while unique in self.nodes:
            number += 1
            unique = f"{name}_{number}"
        return unique

    def _own(self, node: Any, what: str) -> Node:
        if not isinstance(node, Node):
            raise TypeError(f"{what} is {node!r}: it must be a node of this graph; numbers become one by constant()")
        if node.graph is not self:
            raise ValueError(f"{what} is {node.name!r}, which is not in this graph: it belongs to another one")
        return node

    @contextmanager
    def on(self, device: str) -> Iterator[None]:
        """Nodes made inside are placed on the device of that name, such as ``"cpu:0"``."""
        before, self._device = self._device, device
        try:
            yield
        finally:
            self._device = before

    @contextmanager
    def beside(self, node: Node) -> Iterator[None]:
        """Nodes made inside stand on whatever device `node` stands on."""
        before, self._near = self._near, self._own(node, "the node to stand beside")
        try:
            yield
        finally:
            self._near = before

    # sources

    def constant(self, value: ArrayLike, name: str | None = None) -> Node:
        """A fixed tensor: whole numbers stay so, everything else becomes floats."""
        array = np.array(value)
        array = array if array.dtype.kind == "i" else array.astype(float)
        return self._make("constant", (), name, shape=array.shape, dtype=array.dtype, value=array)

    def placeholder(self, shape: Shape, name: str | None = None, dtype: DTypeLike = float) -> Node:
        """A tensor that every run is fed with; labels have ``dtype=int``."""
        return self._make("placeholder", (), name, shape=tuple(shape), dtype=dtype)

    def variable(self, name: str, value: ArrayLike | None = None, *, shape: Shape | None = None) -> Node:
        """A tensor that outlives a run: give its first value, or only its shape and `assign` to it before it is read.

        Running the node reads the value, once in a run.
        """
        if (value is None) == (shape is None):
            raise TypeError(f"variable {name!r}: give it a first value or a shape, one of the two")
        start = None if value is None else np.array(value, dtype=float)
        if start is not None:
            start.flags.writeable = False
        return self._make("variable", (), name, shape=shape if start is None else start.shape, start=start)

    # arithmetic

    def matmul(self, a: Node, b: Node, name: str | None = None) -> Node:
        """Product of tables (n, k) and (k, m)."""
        return self._make("matmul", (a, b), name)

    def add(self, a: Node, b: Node, name: str | None = None) -> Node:
        """Sum, where the shapes broadcast."""
        return self._make("add", (a, b), name)

    def multiply(self, a: Node, b: Node, name: str | None = None) -> Node:
        """Product of numbers, where the shapes broadcast."""
        return self._make("multiply", (a, b), name)

    def scale(self, a: Node, factor: float, name: str | None = None) -> Node:
        """The tensor times a fixed number."""
        return self._make("scale", (a,), name, factor=float(factor))

    def transpose(self, a: Node, name: str | None = None) -> Node:
        """A table with rows and columns exchanged."""
        return self._make("transpose", (a,), name)

    def tanh(self, a: Node, name: str | None = None) -> Node:
        """Hyperbolic tangent of each number."""
        return self._make("tanh", (a,), name)

    def relu(self, a: Node, name: str | None = None) -> Node:
        """max(0, .) of each number."""
        return self._make("relu", (a,), name)

    def sum(self, a: Node, axis: int | None = None, name: str | None = None) -> Node:
        """Sum of all numbers, or along one axis."""
        return self._make("sum", (a,), name, axis=axis)

    def mean(self, a: Node, name: str | None = None) -> Node:
        """Mean of all numbers."""
        return self.scale(self.sum(a), 1.0 / max(1, int(np.prod(a.shape))), name or "mean")

    def softmax_cross_entropy(self, logits: Node, labels: Node, name: str | None = None) -> Node:
        """Mean cross-entropy of logits (n, classes) and whole labels (n,): a number."""
        return self._make("softmax_cross_entropy", (logits, labels), name)

    # state

    def assign(self, variable: Node, value: Node, name: str | None = None) -> Node:
        """Set a variable, on its own device. A `read` that must see the new value waits for this node."""
        self._fits(variable, value, "assign")
        return self._make("assign", (value,), name, shape=variable.shape, near=variable, variable=variable)

    def read(self, variable: Node, after: Iterable[Node] = (), name: str | None = None) -> Node:
        """The value that a variable has after those nodes have run."""
        self._fits(variable, variable, "read")
        node = self._make("read", (), name, shape=variable.shape, near=variable, variable=variable)
        self.before(after, node)
        return node

    def update(self, variable: Node, gradient: Node, optimizer: Optimizer, name: str | None = None) -> Node:
        """One step of an optlib optimizer with that gradient, on the variable's device; its tensor is the new value.

        Raises
        ------
        ValueError : shapes that differ, or a rule that wants more than the gradient at theta (a loss, a look-ahead) or
        would see each row of a table as a vector of its own.

        >>> from optlib import rules
        >>> graph = Graph()
        >>> w = graph.variable("w", [4.0])
        >>> step = graph.update(w, w, Optimizer(rules.sgd, lr=0.5))
        >>> store = Store(graph)
        >>> [float(graph.evaluate(step, store=store)[0]) for _ in range(3)]
        [2.0, 1.0, 0.5]
        """
        self._fits(variable, gradient, "update")
        if "loss" in optimizer.given or optimizer.rule in rules.LOOK_AHEAD or optimizer.whole:
            raise ValueError(
                f"update of {variable.name!r}: {optimizer!r} needs more than the gradient at theta, number by number; "
                "choose a rule without loss and look-ahead, such as nag_shifted in place of nag"
            )
        # The variable is an input, so that its old value is read before it is overwritten.
        return self._make(
            "update", (variable, gradient), name, shape=variable.shape, near=variable, variable=variable,
            optimizer=optimizer,
        )  # fmt: skip

    def _fits(self, variable: Node, value: Node, what: str) -> None:
        if self._own(variable, f"the variable of {what}").op != "variable":
            raise ValueError(f"{what}: {variable.name!r} is a {variable.op}, not a variable")
        if self._own(value, f"the value of {what}").shape != variable.shape:
            raise ValueError(
                f"{what} of {variable.name!r} of shape {variable.shape} with {value.name!r} of shape {value.shape}: "
                "the shapes must be the same"
            )

    def group(self, nodes: Iterable[Node], name: str | None = None) -> Node:
        """A node without a value that has run when all of those have."""
        node = self._make("group", (), name or "group", shape=(0,))
        self.before(nodes, node)
        return node

    def before(self, first: Iterable[Node] | Node, then: Node) -> None:
        """A control dependency: `then` runs only after `first`."""
        nodes = [first] if isinstance(first, Node) else list(first)
        for node in nodes:
            self._own(node, "what runs first")
        self.waits.setdefault(self._own(then, "what runs then"), []).extend(nodes)
        self.version += 1

    def parents(self, node: Node) -> tuple[Node, ...]:
        """What must have run before a node: its inputs and its control dependencies, each once."""
        return tuple(dict.fromkeys((*node.inputs, *self.waits.get(node, ()))))

    # gradients

    def gradients(self, loss: Node, variables: Sequence[Node]) -> list[Node]:
        r"""Nodes for :math:`\partial\,\mathrm{loss}/\partial v`, by going back from the loss along the edges.

        .. math:: \bar v = \sum_{u:\, v \to u} \bar u\, \frac{\partial u}{\partial v}, \qquad \overline{loss} = 1

        Each stands beside the operation that it is the gradient of, so that the way back uses what is already there.

        Raises
        ------
        ValueError : a loss that is no number, a variable that it does not depend on, an operation without a gradient.
        """
        self._own(loss, "the loss")
        if loss.shape != ():
            raise ValueError(f"the loss {loss.name!r} has shape {loss.shape}: it must be a number, a mean or a sum")
        wanted = [self._own(v, "what the gradient is taken in") for v in variables]
        leads = self._depending_on(wanted)
        if missing := [v.name for v in wanted if v not in leads or loss not in self._depending_on([v])]:
            raise ValueError(f"the loss {loss.name!r} does not depend on {', '.join(map(repr, missing))}")
        with self.beside(loss):
            parts: dict[Node, list[Node]] = {loss: [self.constant(1.0, f"grad/{loss.name}")]}
        found: dict[Node, Node] = {}
        for node in reversed(self.order([loss])):
            if node not in parts or node not in leads:
                continue
            found[node] = total = self._total(node, parts.pop(node))
            if node.inputs:
                for source, part in zip(node.inputs, self._back(node, total), strict=True):
                    if part is not None and source in leads:
                        parts.setdefault(source, []).append(part)
        return [found[v] for v in wanted]

    def _depending_on(self, start: Sequence[Node]) -> set[Node]:
        """The nodes whose value depends on one of those: only they need a gradient."""
        reached = set(start)
        for node in self.nodes.values():  # made after its inputs, so one pass is enough
            if not reached.isdisjoint(node.inputs):
                reached.add(node)
        return reached

    def _total(self, node: Node, parts: list[Node]) -> Node:
        total = parts[0]
        for part in parts[1:]:
            with self.beside(node):
                total = self.add(total, part, f"grad/{node.name}/sum")
        return total

    def _back(self, node: Node, total: Node) -> Sequence[Node | None]:
        backward = OPERATIONS[node.op].backward
        if backward is None:
            raise ValueError(f"{node.name!r}: the operation {node.op} has no gradient")
        with self.beside(node):
            return backward(node, total)

    # running

    def order(
        self, fetches: Iterable[Node] | None = None, fed: Iterable[Node] = (), seed: int | None = None
    ) -> list[Node]:
        """The nodes that those fetches need (None for all), each after what it depends on; fed nodes need nothing.

        Parameters
        ----------
        seed : None for the order of making, or a number for one of the other orders that the edges allow

        Raises
        ------
        ValueError : a cycle, with the names along it.
        """
        sources = set(fed)
        needed: dict[Node, tuple[Node, ...]] = {}
        stack = list(self.nodes.values() if fetches is None else fetches)
        while stack:
            node = stack.pop()
            if node not in needed:
                needed[node] = () if node in sources else self.parents(node)
                stack.extend(needed[node])
        return self._sorted(needed, seed)

    def _sorted(self, needed: dict[Node, tuple[Node, ...]], seed: int | None) -> list[Node]:
        made = list(self.nodes.values())
        rank = np.arange(len(made)) if seed is None else np.random.default_rng(seed).permutation(len(made))
        ranks = dict(zip(made, rank.tolist(), strict=True))
        left = {node: len(parents) for node, parents in needed.items()}
        children: dict[Node, list[Node]] = {node: [] for node in needed}
        for node, parents in needed.items():
            for parent in parents:
                children[parent].append(node)
        ready: list[tuple[int, str]] = []
        for node, count in left.items():
            if not count:
                heappush(ready, (ranks[node], node.name))
        order = []
        while ready:
            node = self.nodes[heappop(ready)[1]]
            order.append(node)
            for child in children[node]:
                left[child] -= 1
                if not left[child]:
                    heappush(ready, (ranks[child], child.name))
        if len(order) < len(needed):
            raise ValueError(self._cycle({n: p for n, p in needed.items() if left[n]}))
        return order

    @staticmethod
    def _cycle(stuck: dict[Node, tuple[Node, ...]]) -> str:
        walk = [next(iter(stuck))]
        while (parent := next(p for p in stuck[walk[-1]] if p in stuck)) not in walk:
            walk.append(parent)
        names = [node.name for node in reversed(walk[walk.index(parent) :])]
        return (
            f"the graph has a cycle: {' -> '.join([*names, names[0]])}. None of these can run first: "
            "take back the control dependency among them"
        )

    def checked_feeds(self, feeds: Mapping[Node, ArrayLike] | None) -> dict[Node, NDArray]:
        """Feeds as arrays of their nodes' shapes and types; any node can be fed in place of being computed."""
        checked = {}
        for node, value in (feeds or {}).items():
            self._own(node, "a feed")
            array = np.asarray(value)
            if array.shape != node.shape:
                raise ValueError(f"{node.name!r} has shape {node.shape}, but was fed an array of shape {array.shape}")
            if node.dtype.kind == "i" and array.dtype.kind not in "iu":
                raise TypeError(f"{node.name!r} takes whole numbers, but was fed {array.dtype} values")
            checked[node] = array.astype(node.dtype)
        return checked

    def checked_fetches(self, fetches: Node | Sequence[Node]) -> list[Node]:
        """Fetches as a list of nodes of this graph."""
        return [self._own(node, "a fetch") for node in ([fetches] if isinstance(fetches, Node) else fetches)]

    def evaluate(
        self, fetches: Node | Sequence[Node], feeds: Mapping[Node, ArrayLike] | None = None, *,
        store: Store | None = None, seed: int | None = None,
    ) -> Any:  # fmt: skip
        """Run what the fetches need, here and one node after another, without devices.

        Parameters
        ----------
        fetches : a node, or a list of nodes
        feeds : node -> value; a fed node is not computed, nor is what only it would need
        store : where the variables live; by default a fresh one that is forgotten afterwards
        seed : of the order, see `order`

        Returns
        -------
        The value of the node, or a list of values.

        Raises
        ------
        ValueError : a placeholder that was not fed, a variable without a value, a cycle, a node of another graph.
        """
        wanted, values = self.checked_fetches(fetches), self.checked_feeds(feeds)
        store = Store(self) if store is None else store
        for node in self.order(wanted, values, seed):
            if node not in values:
                values[node] = compute(node, [values[source] for source in node.inputs], store)
        found = [values[node] for node in wanted]
        return found[0] if isinstance(fetches, Node) else found


def compute(node: Node, inputs: Sequence[NDArray], store: Store) -> NDArray:
    """The value of one node, given those of its inputs.

    >>> graph = Graph()
    >>> x = graph.placeholder((2,), "x")
    >>> compute(graph.tanh(x), [np.zeros(2)], Store(graph))
    array([0., 0.])
    >>> compute(x, [], Store(graph))
    Traceback (most recent call last):
    ...
    ValueError: placeholder 'x' of shape (2,) was not fed: give it a value, feeds={x: ...}
    """
    if node.op in _STATEFUL:
        return _STATEFUL[node.op](node, store, *inputs)
    return np.asarray(OPERATIONS[node.op].compute(node, *inputs))


def work(node: Node) -> float:
    """About how many floating-point operations a node costs.

    >>> graph = Graph()
    >>> a = graph.placeholder((2, 3))
    >>> work(a @ graph.transpose(a))
    24.0
    """
    estimate = OPERATIONS[node.op].work
    return float(estimate(node) if estimate else np.prod(node.shape))


# --- the operations -----------------------------------------------------------------------------


def _unfed(node: Node, store: Store) -> NDArray:
    raise ValueError(
        f"placeholder {node.name!r} of shape {node.shape} was not fed: give it a value, feeds={{{node.name}: ...}}"
    )


_STATEFUL: dict[str, Callable[..., NDArray]] = {
    "placeholder": _unfed,
    "variable": lambda node, store: store.read(node),
    "read": lambda node, store: store.read(node.attributes["variable"]),
    "assign": lambda node, store, value: store.write(node.attributes["variable"], value),
    "update": lambda node, store, _, gradient: store.update(node, gradient),
}


def _named(*nodes: Node) -> str:
    return " and ".join(f"{n.name!r} of shape {n.shape}" for n in nodes)


def _product(_: dict, a: Node, b: Node) -> Shape:
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"matmul of {_named(a, b)}: it needs tables (n, k) and (k, m)")
    return a.shape[0], b.shape[1]


def _together(op: str) -> Callable[..., Shape]:
    def shape(_: dict, a: Node, b: Node) -> Shape:
        try:
            return np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            raise ValueError(f"{op} of {_named(a, b)}: the shapes do not broadcast") from None

    return shape


def _same(_: dict, a: Node, *others: Node) -> Shape:
    return a.shape


def _turned(_: dict, a: Node) -> Shape:
    if len(a.shape) != 2:
        raise ValueError(f"transpose of {_named(a)}: it needs a table (n, m)")
    return a.shape[::-1]


def _reduced(attributes: dict, a: Node) -> Shape:
    axis = attributes["axis"]
    if axis is None:
        return ()
    if not -len(a.shape) <= axis < len(a.shape):
        raise ValueError(f"sum of {_named(a)} along axis {axis}: it has {len(a.shape)} axes")
    axis %= len(a.shape)
    return a.shape[:axis] + a.shape[axis + 1 :]


def _scored(_: dict, logits: Node, labels: Node) -> Shape:
    if len(logits.shape) != 2 or labels.shape != logits.shape[:1] or labels.dtype.kind != "i":
        raise ValueError(
            f"softmax_cross_entropy of {_named(logits, labels)}: it needs logits (n, classes) and whole labels (n,)"
        )
    return ()


def _summed_to(value: Node, shape: Shape) -> Node:
    """The gradient of a broadcast: summed over what was repeated."""
    return value if value.shape == shape else value.graph._make("sum_to", (value,), shape=shape, to=shape)


def _sum_to(node: Node, value: NDArray) -> NDArray:
    value = value.sum(axis=tuple(range(value.ndim - len(node.shape))))
    repeated = tuple(i for i, n in enumerate(node.shape) if n == 1 and value.shape[i] != 1)
    return value.sum(axis=repeated, keepdims=True)


def _spread(node: Node, value: NDArray) -> NDArray:
    axis = node.attributes["axis"]
    return np.broadcast_to(value if axis is None else np.expand_dims(value, axis), node.shape)


def _matmul_back(node: Node, g: Node) -> list[Node | None]:
    (a, b), graph = node.inputs, node.graph
    to_a = graph.matmul(g, graph.transpose(b), f"grad/{a.name}")
    return [to_a, graph.matmul(graph.transpose(a), g, f"grad/{b.name}")]


def _multiply_back(node: Node, g: Node) -> list[Node | None]:
    a, b = node.inputs
    return [_summed_to(g * b, a.shape), _summed_to(g * a, b.shape)]


def _softmax_back(node: Node, g: Node) -> list[Node | None]:
    made = node.graph._make("softmax_gradient", (g, *node.inputs), shape=node.inputs[0].shape)
    return [made, None]


def _activation_back(name: str) -> Callable[[Node, Node], list[Node | None]]:
    return lambda node, g: [node.graph._make(f"{name}_gradient", (g, node))]


def _activate(name: str) -> Callable[[Node, NDArray], NDArray]:
    apply = layers.ACTIVATIONS[name].apply
    return lambda node, z: apply(z.copy())


def _deactivate(name: str) -> Callable[[Node, NDArray, NDArray], NDArray]:
    backward = layers.ACTIVATIONS[name].backward
    return lambda node, g, a: backward(g.copy(), a)


def _given(*_: Any) -> Shape:
    raise AssertionError("the shape of this operation is given where it is made")


#: What the operations do; those that touch variables or feeds have their own table.
OPERATIONS: dict[str, Operation] = {
    "constant": Operation(_given, lambda node: node.attributes["value"], work=lambda node: 0.0),
    "placeholder": Operation(_given, _unfed, work=lambda node: 0.0),
    "variable": Operation(_given, _unfed, work=lambda node: 0.0),
    "read": Operation(_given, _unfed, work=lambda node: 0.0),
    "assign": Operation(_given, _unfed),
    "update": Operation(_given, _unfed, work=lambda node: 5.0 * np.prod(node.shape)),
    "group": Operation(_given, lambda node: np.zeros(0)),
    "matmul": Operation(
        _product, lambda node, a, b: a @ b, _matmul_back,
        lambda node: 2.0 * np.prod(node.shape) * node.inputs[0].shape[1],
    ),
    "add": Operation(
        _together("add"), lambda node, a, b: a + b,
        lambda node, g: [_summed_to(g, source.shape) for source in node.inputs],
    ),
    "multiply": Operation(_together("multiply"), lambda node, a, b: a * b, _multiply_back),
    "scale": Operation(
        _same, lambda node, a: a * node.attributes["factor"],
        lambda node, g: [node.graph.scale(g, node.attributes["factor"])],
    ),
    "transpose": Operation(_turned, lambda node, a: a.T, lambda node, g: [node.graph.transpose(g)]),
    "tanh": Operation(_same, _activate("tanh"), _activation_back("tanh")),
    "relu": Operation(_same, _activate("relu"), _activation_back("relu")),
    "tanh_gradient": Operation(_same, _deactivate("tanh")),
    "relu_gradient": Operation(_same, _deactivate("relu")),
    "sum": Operation(
        _reduced, lambda node, a: a.sum(axis=node.attributes["axis"]),
        lambda node, g: [
            node.graph._make("spread", (g,), shape=node.inputs[0].shape, axis=node.attributes["axis"])
        ],
        lambda node: float(np.prod(node.inputs[0].shape)),
    ),
    "sum_to": Operation(_given, _sum_to, work=lambda node: float(np.prod(node.inputs[0].shape))),
    "spread": Operation(_given, _spread),
    "softmax_cross_entropy": Operation(
        _scored, lambda node, z, y: layers.cross_entropy(z, y).mean(), _softmax_back,
        lambda node: 5.0 * np.prod(node.inputs[0].shape),
    ),
    "softmax_gradient": Operation(
        _given, lambda node, g, z, y: layers.cross_entropy_gradient(z, y) * (g / len(y)),
        work=lambda node: 5.0 * np.prod(node.shape),
    ),
}  # fmt: skip
