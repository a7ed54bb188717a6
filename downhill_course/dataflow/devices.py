r"""A dataflow graph on several devices: placed, cut into one part for each, and run by all of them at once.

Every tensor that another device needs is sent there once, whatever the number of its consumers: one Send beside its
source, one Recv on each device that wants it. These pairs are all the coordination there is.

>>> from .graph import Graph
>>> graph = Graph()
>>> with graph.on("a"):
...     x = graph.constant([1.0, 2.0], "x")
>>> with graph.on("b"):
...     y = graph.sum(x * x)
>>> parts = partition(graph, [y])
>>> parts.pairs
[('x', 'a', 'b')]
>>> [step.name for step in parts.steps["b"]]
['recv x from a', 'multiply', 'sum']
>>> run(graph, y)[0]
array(5.)

Source: Abadi et al., "TensorFlow: large-scale machine learning on heterogeneous distributed systems" (2015),
section 3.2.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .graph import Graph, Node, Store, compute, work


class Step(NamedTuple):
    """What a device does: an operation of the graph, or a tensor's sending or receiving."""

    what: str  #: "op", "send" or "recv"
    node: Node  #: the operation, or the one whose tensor travels
    device: str
    other: str = ""  #: where a send goes to, or a recv comes from

    @property
    def name(self) -> str:
        """For pictures and messages."""
        ends = {"op": "", "send": f" to {self.other}", "recv": f" from {self.other}"}
        return f"{'' if self.what == 'op' else self.what + ' '}{self.node.name}{ends[self.what]}"


class Transfer(NamedTuple):
    """A tensor that went from one device to another in a run."""

    tensor: str
    source: str
    target: str
    nbytes: int


@dataclass
class Partition:
    """A graph cut into one part for each device."""

    steps: dict[str, list[Step]]  #: by device, in an order in which they can run
    needs: dict[Step, list[Step]]  #: what must have run before on the same device

    @property
    def pairs(self) -> list[tuple[str, str, str]]:
        """(tensor, source, target) of every Send and Recv, as few as the placement allows."""
        return [(s.node.name, s.device, s.other) for steps in self.steps.values() for s in steps if s.what == "send"]

    def __repr__(self) -> str:
        counts = ", ".join(f"{device}: {len(steps)}" for device, steps in self.steps.items())
        return f"Partition({counts}; {len(self.pairs)} transfers)"


def placement(graph: Graph, nodes: Iterable[Node] | None = None, default: str = "cpu:0") -> dict[Node, str]:
    """The device of each node: its own, that of the node it stands beside, or the default.

    >>> graph = Graph()
    >>> with graph.on("a"):
    ...     w = graph.variable("w", [1.0])
    >>> step = graph.assign(w, graph.constant([2.0], "new"))
    >>> {node.name: device for node, device in placement(graph).items()}
    {'w': 'a', 'new': 'cpu:0', 'assign': 'a'}
    """
    return {node: _device(node, default) for node in (graph.order() if nodes is None else nodes)}


def _device(node: Node, default: str) -> str:
    while node.near is not None:
        node = node.near
    return node.device or default


def place(
    graph: Graph, devices: Mapping[str, float], *, latency: float = 1e-5, bandwidth: float = 1e9,
    fetches: Iterable[Node] | None = None,
) -> dict[Node, str]:  # fmt: skip
    """Choose devices greedily: each operation goes where it would end first, its inputs' journeys included.

    Parameters
    ----------
    devices : name -> floating-point operations a second
    latency, bandwidth : seconds for a transfer to begin, and bytes a second after that

    What was placed by hand, or stands beside another node, stays there.

    Raises
    ------
    ValueError : no device, or a node on a device that is not among them.

    Source: Abadi et al. (2015), section 3.2.1, with estimated costs.

    >>> graph = Graph()
    >>> a = graph.constant(np.ones((50, 50)), "a")
    >>> b = a @ a
    >>> place(graph, {"slow": 1e6, "fast": 1e9})[b]
    'fast'
    """
    if not devices or not all(speed > 0 for speed in devices.values()):
        raise ValueError(f"devices={dict(devices)!r}: name at least one, with a speed above 0")
    free, done, chosen = dict.fromkeys(devices, 0.0), dict[Node, float](), dict[Node, str]()
    for node in graph.order(fetches):
        root = node
        while root.near is not None:
            root = root.near
        fixed = chosen.get(root) if root is not node else None
        fixed = fixed or root.device
        _known([fixed] if fixed else [], devices, node)

        def end(device: str, node: Node = node) -> float:
            ready = [
                done[p] + (latency + p.nbytes / bandwidth if chosen[p] != device else 0.0) for p in graph.parents(node)
            ]
            return max([free[device], *ready]) + work(node) / devices[device]

        best = fixed or min(devices, key=end)
        done[node] = free[best] = end(best)
        chosen[node] = best
    return chosen


def _known(names: Iterable[str], devices: Iterable[str], node: Node) -> None:
    for name in names:
        if name not in devices:
            there = ", ".join(devices)
            raise ValueError(f"{node.name!r} stands on device {name!r}, which is unknown; there are {there}")


def partition(
    graph: Graph, fetches: Iterable[Node] | None = None, fed: Iterable[Node] = (),
    where: Mapping[Node, str] | None = None,
) -> Partition:  # fmt: skip
    """Cut what the fetches need into one part for each device, with a Send and a Recv for each tensor and target.

    Parameters
    ----------
    fetches : nodes, or None for the whole graph. fed : nodes that are given, not computed
    where : node -> device, by default as the nodes are placed; see `place`
    """
    fed = set(fed)
    order = graph.order(fetches, fed)
    device = placement(graph, order) if where is None else {node: where[node] for node in order}
    steps: dict[str, list[Step]] = {}
    needs: dict[Step, list[Step]] = {}
    made: dict[Node, Step] = {}
    received: dict[tuple[Node, str], Step] = {}
    for node in order:
        at = device[node]
        step = made[node] = Step("op", node, at)
        needs[step] = []
        for parent in () if node in fed else graph.parents(node):
            before = made[parent]
            if device[parent] != at:
                before = _carried(received, steps, needs, before, at)
            needs[step].append(before)
        steps.setdefault(at, []).append(step)
    return Partition(steps, needs)


def _carried(
    received: dict[tuple[Node, str], Step], steps: dict[str, list[Step]], needs: dict[Step, list[Step]],
    source: Step, target: str,
) -> Step:  # fmt: skip
    """The Recv of a tensor on a device, made with its Send when the first consumer there asks for it."""
    key = source.node, target
    if key not in received:
        send = Step("send", source.node, source.device, target)
        received[key] = recv = Step("recv", source.node, target, source.device)
        needs[send], needs[recv] = [source], []
        steps[source.device].append(send)
        steps.setdefault(target, []).append(recv)
    return received[key]


@dataclass
class _Shared:
    """What the devices share: the tensors under way, and whether one of them has failed."""

    arrived: dict[tuple[Node, str], NDArray] = field(default_factory=dict)
    transfers: list[Transfer] = field(default_factory=list)
    bell: threading.Condition = field(default_factory=threading.Condition)
    failed: list[BaseException] = field(default_factory=list)

    def send(self, step: Step, value: NDArray) -> None:
        with self.bell:
            self.arrived[step.node, step.other] = value
            self.transfers.append(Transfer(step.node.name, step.device, step.other, value.nbytes))
            self.bell.notify_all()


class _Worker:
    """One device: it runs whatever is ready, in an order of its own, and waits only if nothing is."""

    def __init__(
        self, name: str, parts: Partition, values: Mapping[Node, NDArray], store: Store, shared: _Shared, seed: Any
    ):
        self.name, self.shared, self.store = name, shared, store
        self.values = {step.node: values[step.node] for step in parts.steps[name] if step.node in values}
        self.given = set(self.values)
        self.left = {step: len(parts.needs[step]) for step in parts.steps[name]}
        self.then: dict[Step, list[Step]] = {step: [] for step in self.left}
        for step in self.left:
            for before in parts.needs[step]:
                self.then[before].append(step)
        self.ready = [step for step, count in self.left.items() if not count and step.what != "recv"]
        self.awaited = [step for step in self.left if step.what == "recv"]
        self.rng = None if seed is None else np.random.default_rng(seed)

    @property
    def done(self) -> bool:
        return not self.ready and not self.awaited and not any(self.left.values())

    def look(self) -> bool:
        """Take in what has arrived; whether something can be done."""
        for step in [s for s in self.awaited if (s.node, self.name) in self.shared.arrived]:
            self.awaited.remove(step)
            self.values[step.node] = self.shared.arrived[step.node, self.name]
            self._ran(step)
        return bool(self.ready)

    def step(self) -> None:
        """Run one of the operations that are ready."""
        at = 0 if self.rng is None else int(self.rng.integers(len(self.ready)))
        step = self.ready.pop(at)
        if step.what == "send":
            self.shared.send(step, self.values[step.node])
        elif step.node not in self.given:
            inputs = [self.values[source] for source in step.node.inputs]
            self.values[step.node] = compute(step.node, inputs, self.store)
        self._ran(step)

    def _ran(self, step: Step) -> None:
        for later in self.then[step]:
            self.left[later] -= 1
            if not self.left[later]:
                self.ready.append(later)

    def loop(self) -> None:
        """Until everything has run here, or something failed somewhere."""
        try:
            while not self.done:
                with self.shared.bell:
                    while not self.look():
                        if self.done or self.shared.failed:
                            return
                        self.shared.bell.wait()
                if self.shared.failed:
                    return
                self.step()
        except BaseException as error:
            with self.shared.bell:
                self.shared.failed.append(error)
                self.shared.bell.notify_all()


def run(
    graph: Graph, fetches: Node | Sequence[Node], feeds: Mapping[Node, ArrayLike] | None = None, *,
    store: Store | None = None, where: Mapping[Node, str] | None = None, threads: bool = True, seed: int | None = None,
) -> tuple[Any, list[Transfer]]:  # fmt: skip
    """Run a graph on its devices: the values of the fetches, and what was sent.

    Parameters
    ----------
    fetches, feeds, store : as for `Graph.evaluate`. where : as for `partition`
    threads : whether each device is a thread; if not, they take turns in this one, in an order that `seed` decides
    seed : of the order in which a device takes what is ready; None for the order of making

    Raises
    ------
    Whatever an operation raises, once all devices have stopped.
    """
    wanted, values = graph.checked_fetches(fetches), graph.checked_feeds(feeds)
    store, shared = Store(graph) if store is None else store, _Shared()
    parts = partition(graph, wanted, values, where)
    seeds = _seeds(seed, len(parts.steps))
    workers = [
        _Worker(device, parts, values, store, shared, each) for device, each in zip(parts.steps, seeds, strict=True)
    ]
    if threads:
        racing = [threading.Thread(target=worker.loop, name=worker.name, daemon=True) for worker in workers]
        for thread in racing:
            thread.start()
        for thread in racing:
            thread.join()
    else:
        _in_turns(workers, np.random.default_rng(seed))
    if shared.failed:
        raise shared.failed[0]
    found = {}
    for worker in workers:
        found.update({step.node: worker.values[step.node] for step in parts.steps[worker.name] if step.what == "op"})
    results = [found[node] for node in wanted]
    return (results[0] if isinstance(fetches, Node) else results), shared.transfers


def _seeds(seed: int | None, count: int) -> Iterator[Any]:
    return iter([None] * count if seed is None else [[seed, i] for i in range(count)])


def _in_turns(workers: Sequence[_Worker], rng: np.random.Generator) -> None:
    """Any device that can do something may be next."""
    while not all(worker.done for worker in workers):
        able = [worker for worker in workers if worker.look()]
        if not able:
            if all(worker.done for worker in workers):
                return
            raise AssertionError("the devices wait for each other: this partition is wrong")
        able[int(rng.integers(len(able)))].step()
