"""The picture of a dataflow graph shows every operation once, in its device's band."""

import pytest

from downhill_course.dataflow.devices import partition
from downhill_course.dataflow.graph import Graph
from downhill_course.figures.dataflow import dataflow
from optlib import Optimizer, rules


def net():
    graph = Graph()
    with graph.on("cpu"):
        x = graph.placeholder((4, 3), "x")
    with graph.on("gpu"):
        W = graph.variable("W", [[0.1], [0.2], [0.3]])
        loss = graph.mean(graph.tanh(x @ W), "f")
    [g] = graph.gradients(loss, [W])
    return graph, graph.update(W, g, Optimizer(rules.sgd, lr=0.1), "step")


def texts(picture):
    return [text.get_text() for text in picture.figure.axes[0].texts]


def test_every_operation_stands_there_once():
    graph, step = net()
    before = dataflow(graph, [step])
    shown = texts(before)
    assert {"cpu", "gpu", "x", "W", "step", "@", "tanh'"} <= set(shown)
    assert len(shown) == 2 + len(graph.order([step]))
    after = dataflow(graph, [step], parts=partition(graph, [step]))
    assert sorted(texts(after)) == sorted([*shown, "Send", "Recv"])
    assert len(after.png) > 2000


def test_nothing_lies_on_top_of_anything():
    graph, step = net()
    axes = dataflow(graph, [step], parts=partition(graph, [step])).figure.axes[0]
    places = [text.get_position() for text in axes.texts if text.get_text() not in ("cpu", "gpu")]
    assert len(set(places)) == len(places)
    bands = {"x": 0, "Send": 0, "Recv": 1, "W": 1}
    middle = next(t.get_position()[1] for t in axes.texts if t.get_text() == "gpu")
    for text in axes.texts:
        if text.get_text() in bands:
            assert (text.get_position()[1] > middle) == bool(bands[text.get_text()])


@pytest.mark.parametrize("where", ["a", "b"])
def test_a_placement_of_ones_own_is_drawn(where):
    graph, step = net()
    shown = dataflow(graph, [step], where=dict.fromkeys(graph.order([step]), where))
    assert where in texts(shown)
    assert repr(shown).endswith("on 1 devices>")
