"""A dataflow graph as a picture, before and after it is cut into one part for each device."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from downhill_course.dataflow import devices as cut
from downhill_course.dataflow.devices import Partition, Step
from downhill_course.dataflow.graph import Graph, Node
from optlib.view.pictures import Picture
from optlib.view.style import GREY, figure_of, house, panels, series

#: What an operation is called in its box, where its name would be too long.
SIGNS = {
    "matmul": "@", "add": "+", "multiply": "×", "transpose": "T", "scale": "c·", "sum": "Σ", "tanh": "tanh",
    "relu": "relu", "softmax_cross_entropy": "CE", "softmax_gradient": "CE'", "tanh_gradient": "tanh'",
    "relu_gradient": "relu'", "sum_to": "Σ", "spread": "↔", "group": "·", "constant": "c",
}  # fmt: skip


def dataflow(
    graph: Graph, fetches: Iterable[Node] | None = None, *, where: Mapping[Node, str] | None = None,
    parts: Partition | None = None, ax: Axes | None = None,
) -> Picture:  # fmt: skip
    """The operations that the fetches need, from left to right, in a band for each device.

    Parameters
    ----------
    where : node -> device, by default as placed
    parts : of `downhill_course.dataflow.devices.partition`; then its Sends and Recvs are drawn too, the journeys dashed
    ax : axes to draw into; by default a new figure

    >>> from downhill_course.dataflow.graph import Graph
    >>> graph = Graph()
    >>> with graph.on("a"):
    ...     x = graph.constant([1.0], "x")
    >>> with graph.on("b"):
    ...     y = graph.sum(x + x, name="y")
    >>> dataflow(graph), dataflow(graph, parts=cut.partition(graph))
    (<graph of 3 operations on 2 devices>, <graph of 3 operations on 2 devices, 1 transfer>)
    """
    whole = _uncut(graph, fetches, where) if parts is None else parts
    names, places, rows = _layout(whole)
    columns = 1 + max(x for x, _ in places.values())
    height = sum(rows.values())
    if ax is None:
        _, ax = panels(size=(max(320, min(1000, 66 * columns + 60)), 46 * height + 30))
    with house():
        ax.set_axis_off()
        ax.set(xlim=(-1.2, columns - 0.4), ylim=(height - 0.4, -0.75))
        top = 0
        for i, (device, count) in enumerate(rows.items()):
            ax.add_patch(
                Rectangle((-1.15, top - 0.48), columns + 0.7, count - 0.04, fc=series(i), alpha=0.13, ec="none")
            )
            ax.text(-1.1, top - 0.42, device, color=series(i), fontsize=10, va="top")
            top += count
        for then, before, dashed in _edges(whole):
            _arrow(ax, places[before], places[then], dashed)
        for step, at in places.items():
            _box(ax, at, names[step], step.what, series(list(rows).index(step.device)))
    operations = sum(step.what == "op" for step in places)
    sent = len(whole.pairs)
    tail = "" if parts is None else f", {sent} transfer{'s' * (sent != 1)}"
    return Picture(figure_of(ax), f"graph of {operations} operations on {len(rows)} devices{tail}")


def _uncut(graph: Graph, fetches: Iterable[Node] | None, where: Mapping[Node, str] | None) -> Partition:
    """The graph in the shape of a partition, with edges that cross devices."""
    order = graph.order(fetches)
    device = cut.placement(graph, order) if where is None else where
    made = {node: Step("op", node, device[node]) for node in order}
    steps: dict[str, list[Step]] = {}
    for step in made.values():
        steps.setdefault(step.device, []).append(step)
    return Partition(steps, {step: [made[p] for p in graph.parents(node)] for node, step in made.items()})


def _edges(parts: Partition) -> list[tuple[Step, Step, bool]]:
    """(later, earlier, whether it is a journey)."""
    found = [(then, before, False) for then, befores in parts.needs.items() for before in befores]
    sends = {(s.node, s.other): s for steps in parts.steps.values() for s in steps if s.what == "send"}
    for steps in parts.steps.values():
        found += [(s, sends[s.node, s.device], True) for s in steps if s.what == "recv"]
    return found


def _layout(parts: Partition) -> tuple[dict[Step, str], dict[Step, tuple[int, int]], dict[str, int]]:
    """Names; columns by the longest way from a source, rows within the bands; and the height of each band."""
    before: dict[Step, list[Step]] = {step: [] for steps in parts.steps.values() for step in steps}
    for then, earlier, _ in _edges(parts):
        before[then].append(earlier)
    depth: dict[Step, int] = {}
    stack = list(before)
    while stack:
        step = stack[-1]
        missing = [b for b in before[step] if b not in depth]
        if missing:
            stack += missing
        else:
            depth[step] = 1 + max((depth[b] for b in before[step]), default=-1)
            stack.pop()
    rows, places, top = dict[str, int](), dict[Step, tuple[int, int]](), 0
    for device, steps in parts.steps.items():
        taken: dict[int, int] = {}
        for step in steps:
            x = depth[step]
            places[step] = (x, top + taken.get(x, 0))
            taken[x] = taken.get(x, 0) + 1
        rows[device] = max(taken.values())
        top += rows[device]
    return {step: _title(step) for step in before}, places, rows


def _title(step: Step) -> str:
    if step.what != "op":
        return step.what.capitalize()
    sign = SIGNS.get(step.node.op)
    own = step.node.name
    return sign if sign is not None and (own.rstrip("_0123456789") == step.node.op or "/" in own) else own


def _box(ax: Axes, at: Sequence[float], text: str, what: str, colour: str) -> None:
    x, y = at
    shape: dict[str, Any] = {"fc": "none" if what == "op" else colour, "ec": colour, "lw": 1.3}
    box = FancyBboxPatch((x - 0.36, y - 0.2), 0.72, 0.4, boxstyle="round,pad=0.04", **shape)
    if what != "op":
        box.set_facecolor((*box.get_facecolor()[:3], 0.3))
    ax.add_patch(box)
    ax.text(x, y, text, ha="center", va="center", fontsize=8 if len(text) > 6 else 9, color=GREY)


def _arrow(ax: Axes, start: Sequence[float], end: Sequence[float], dashed: bool) -> None:
    straight = start[1] != end[1] or end[0] - start[0] == 1
    bend = f"arc3,rad={0 if straight else -min(0.35, 0.9 / (end[0] - start[0])):g}"  # a long one no higher: half a row
    style: dict[str, Any] = {"color": GREY, "lw": 1.0, "alpha": 0.75, "ls": "--" if dashed else "-"}
    style |= {"arrowstyle": "-|>", "mutation_scale": 8, "connectionstyle": bend, "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch((start[0] + 0.4, start[1]), (end[0] - 0.4, end[1]), **style))
