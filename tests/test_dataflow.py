"""The dataflow graph: gradients as nodes, placement, partition with Send and Recv, execution on devices."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from downhill_course.dataflow import devices
from downhill_course.dataflow.devices import partition, place, placement, run
from downhill_course.dataflow.graph import Graph, Store
from optlib import Optimizer, data, models, rules

SGD = Optimizer(rules.sgd, lr=0.1)
X, Y = data.digits()
X, Y = X[:24], Y[:24]


# --- random graphs -------------------------------------------------------------------------------


def random_graph(seed, size=14, on=("a", "b", "c")):
    """A graph of additions, products and curves on a few devices, with control edges; and a feed."""
    rng = np.random.default_rng(seed)
    graph = Graph()
    nodes = []
    with graph.on(str(rng.choice(on))):
        nodes += [graph.placeholder((2, 2), "fed"), graph.variable("w", rng.normal(size=(2, 2)))]
    for i in range(size):
        first, second = (nodes[int(j)] for j in rng.integers(len(nodes), size=2))
        with graph.on(str(rng.choice(on))):
            made = [graph.add, graph.multiply, graph.matmul][int(rng.integers(3))](first, second)
            nodes.append(graph.tanh(made, f"node{i}"))
        if rng.random() < 0.2:
            graph.before(nodes[int(rng.integers(len(nodes) - 1))], nodes[-1])
    return graph, nodes, {nodes[0]: rng.normal(size=(2, 2))}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_partitioned_run_gives_the_values_of_a_direct_one(seed, order):
    graph, nodes, feeds = random_graph(seed)
    wanted = nodes[-3:]
    direct = graph.evaluate(wanted, feeds)
    for threads in (False, True):
        values, _ = run(graph, wanted, feeds, threads=threads, seed=order)
        np.testing.assert_array_equal(values, direct)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_each_tensor_goes_to_each_device_once(seed):
    """The transfers are the distinct (tensor, other device that needs it): fewer would leave a device without it."""
    graph, nodes, feeds = random_graph(seed)
    order = graph.order(nodes[-3:], feeds)
    where = placement(graph, order)
    cut = [(p, where[n]) for n in order if n not in feeds for p in graph.parents(n) if where[p] != where[n]]
    _, transfers = run(graph, nodes[-3:], feeds, threads=False, seed=seed)
    sent = sorted((t.tensor, t.source, t.target) for t in transfers)
    assert sent == sorted({(p.name, where[p], target) for p, target in cut})
    assert len(sent) <= len(cut)
    assert sent == sorted(partition(graph, nodes[-3:], feeds).pairs)


def test_three_consumers_on_one_device_share_a_recv():
    graph = Graph()
    with graph.on("a"):
        x = graph.constant(np.ones((3, 3)), "x")
    with graph.on("b"):
        y = graph.sum((x @ x) + x)
    parts = partition(graph, [y])
    assert parts.pairs == [("x", "a", "b")]
    assert [step.name for step in parts.steps["a"]] == ["x", "send x to b"]
    assert repr(parts) == "Partition(a: 2, b: 4; 1 transfers)"
    _, [transfer] = run(graph, y)
    assert transfer.nbytes == 72


def test_devices_that_need_each_other_do_not_wait_for_ever():
    """a needs b's tensor and b needs a's, crosswise: in a fixed order on each device both would wait."""
    graph = Graph()
    with graph.on("a"):
        a1 = graph.constant(1.0, "a1")
    with graph.on("b"):
        b1 = graph.constant(2.0, "b1")
        b2 = graph.add(a1, b1, "b2")
    with graph.on("a"):
        a2 = graph.add(b1, a1, "a2")
        a3 = graph.add(b2, a2, "a3")
    for seed in range(20):
        for threads in (False, True):
            assert run(graph, a3, threads=threads, seed=seed)[0] == 6.0


# --- gradients -----------------------------------------------------------------------------------


def network(graph, sizes, theta, on=None):
    """The variables of a perceptron and the function that applies them; on: a device for each layer."""
    model, layers, at = models.MLP(sizes, "tanh"), [], 0
    for i, (m, n) in enumerate(itertools.pairwise(sizes)):
        with graph.on(on[i] if on else "cpu:0"):
            W = graph.variable(f"W{i}", theta[at : at + m * n].reshape(m, n))
            b = graph.variable(f"b{i}", theta[at + m * n : at + m * n + n])
        layers.append((W, b))
        at += m * n + n
    assert at == model.size

    def logits(x):
        for i, (W, b) in enumerate(layers):
            with graph.beside(W):
                x = x @ W + b
                x = graph.tanh(x) if i < len(layers) - 1 else x
        return x

    return model, [v for layer in layers for v in layer], logits


def test_gradients_of_a_net_are_the_models():
    graph = Graph()
    theta = models.MLP([64, 12, 10], "tanh").init(0)
    model, variables, logits = network(graph, [64, 12, 10], theta)
    x, y = graph.placeholder(X.shape, "x"), graph.placeholder(Y.shape, "y", int)
    loss = graph.softmax_cross_entropy(logits(x), y)
    values = graph.evaluate([loss, *graph.gradients(loss, variables)], {x: X, y: Y})
    assert values[0] == pytest.approx(model.loss(theta, X, Y), abs=1e-14)
    np.testing.assert_allclose(
        np.concatenate([g.ravel() for g in values[1:]]), model.grad(theta, X, Y), rtol=0, atol=1e-14
    )


def test_gradients_of_every_operation_against_differences():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4))

    def build(graph):
        v = graph.variable("v", start)
        row = graph.constant(rng.normal(size=4), "row")
        z = graph.relu(v * row + row) + graph.tanh(graph.scale(v, 0.5))
        z = graph.transpose(z) @ (v + v)
        return v, graph.mean(z) + graph.sum(graph.sum(v * v, axis=0)) + graph.sum(graph.sum(v, axis=-1) * row3)

    graph = Graph()
    row3 = graph.constant(rng.normal(size=3), "row3")
    v, loss = build(graph)
    [g] = graph.gradients(loss, [v])
    slope = graph.evaluate(g)
    step = 1e-6
    for i in np.ndindex(3, 4):
        e = np.zeros((3, 4))
        e[i] = step
        ends = [float(graph.evaluate(loss, {v: start + sign * e})) for sign in (1, -1)]
        assert slope[i] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)


# --- training ------------------------------------------------------------------------------------


def test_model_parallel_training_equals_the_model():
    """Each layer on a device of its own, five steps of Adam."""
    adam = Optimizer(rules.adam, lr=0.01)
    graph, theta = Graph(), models.MLP([64, 12, 10], "tanh").init(1)
    model, variables, logits = network(graph, [64, 12, 10], theta, on=["gpu:0", "gpu:1"])
    with graph.on("cpu:0"):
        x, y = graph.placeholder(X.shape, "x"), graph.placeholder(Y.shape, "y", int)
    loss = graph.softmax_cross_entropy(logits(x), y)
    steps = [graph.update(v, g, adam) for v, g in zip(variables, graph.gradients(loss, variables), strict=True)]
    store, state = Store(graph), adam.init(theta)
    for _ in range(5):
        _, transfers = run(graph, steps, {x: X, y: Y}, store=store)
        theta, state = adam.tell(theta, model.grad(theta, X, Y), state)
    np.testing.assert_allclose(np.concatenate([store.read(v).ravel() for v in variables]), theta, rtol=0, atol=1e-12)
    assert {(t.source, t.target) for t in transfers} == {
        ("cpu:0", "gpu:0"), ("gpu:0", "gpu:1"), ("gpu:1", "cpu:0"), ("cpu:0", "gpu:1"), ("gpu:1", "gpu:0"),
    }  # fmt: skip


def data_parallel(replicas=3):
    """Replicas on devices of their own, the variables on a server; the gradients, the variables, the feeds."""
    graph, theta = Graph(), models.MLP([64, 6, 10], "tanh").init(2)
    model, variables, _ = network(graph, [64, 6, 10], theta, on=["ps", "ps"])
    parts, gradients, feeds = np.array_split(np.arange(24), replicas), [], {}
    for r, rows in enumerate(parts):
        with graph.on(f"worker:{r}"):
            x, y = graph.placeholder((len(rows), 64), f"x{r}"), graph.placeholder((len(rows),), f"y{r}", int)
            out = x
            for i in (0, 2):
                out = out @ variables[i] + variables[i + 1]
                out = graph.tanh(out) if i == 0 else out
            gradients.append(graph.gradients(graph.softmax_cross_entropy(out, y), variables))
            feeds |= {x: X[rows], y: Y[rows]}
    return graph, model, theta, variables, gradients, feeds, parts


def test_synchronous_data_parallel_training_is_one_large_batch():
    graph, model, theta, variables, gradients, feeds, _ = data_parallel()
    updates = []
    for v, shares in zip(variables, zip(*gradients, strict=True), strict=True):
        with graph.beside(v):
            total = shares[0] + shares[1] + shares[2]
            updates.append(graph.update(v, graph.scale(total, 1 / 3), SGD))
    store = Store(graph)
    for _ in range(4):
        _, transfers = run(graph, updates, feeds, store=store)
        theta = theta - 0.1 * model.grad(theta, X, Y)
    np.testing.assert_allclose(np.concatenate([store.read(v).ravel() for v in variables]), theta, rtol=0, atol=1e-12)
    down = [t for t in transfers if t.source == "ps"]
    up = [t for t in transfers if t.target == "ps"]
    assert len(down) == len(up) == 3 * 4  # each variable once to each worker, each gradient once back


def test_asynchronous_replicas_apply_stale_gradients():
    """All read, then each updates the variables as they are by then."""
    graph, model, theta, variables, gradients, feeds, parts = data_parallel()
    store = Store(graph)
    read = [run(graph, gradient, feeds, store=store)[0] for gradient in gradients]
    late = [graph.placeholder(v.shape, f"late {v.name}") for v in variables]
    updates = [graph.update(v, g, SGD) for v, g in zip(variables, late, strict=True)]
    for values in read:
        run(graph, updates, dict(zip(late, values, strict=True)), store=store)
    expected = theta - 0.1 * sum(model.grad(theta, X[rows], Y[rows]) for rows in parts)
    np.testing.assert_allclose(np.concatenate([store.read(v).ravel() for v in variables]), expected, rtol=0, atol=1e-12)


# --- placement -----------------------------------------------------------------------------------


def test_work_goes_where_it_ends_first():
    graph = Graph()
    a = graph.constant(np.ones((40, 40)), "a")
    products = [a @ a for _ in range(4)]
    both = place(graph, {"one": 1e6, "two": 1e6}, latency=0.0, bandwidth=1e12)
    assert sorted(both[p] for p in products) == ["one", "one", "two", "two"]
    far = place(graph, {"one": 1e6, "two": 1e6}, latency=10.0)
    assert len({far[p] for p in products}) == 1


def test_what_is_placed_by_hand_stays_there():
    graph = Graph()
    with graph.on("slow"):
        w = graph.variable("w", np.ones(4))
    step = graph.update(w, graph.scale(w, 2.0), SGD)
    chosen = place(graph, {"slow": 1.0, "fast": 1e9})
    assert chosen[w] == chosen[step] == "slow"
    values, _ = run(graph, step, where=chosen)
    np.testing.assert_allclose(values, 0.8 * np.ones(4), rtol=0, atol=1e-15)


# --- what is wrong -------------------------------------------------------------------------------


def faulty(name):
    graph, other = Graph(), Graph()
    x, w = graph.placeholder((2, 3), "x"), graph.variable("w", np.ones((3, 1)))
    return {
        "fit": lambda: w @ x @ w @ w,
        "unfed": lambda: run(graph, x @ w),
        "elsewhere": lambda: run(other, x),
        "unread": lambda: run(graph, graph.variable("v", shape=(2,))),
        "cycle": lambda: (graph.before(graph.tanh(x, "late"), x), graph.order()),
        "fed": lambda: run(graph, x @ w, {x: np.ones((3, 2))}),
        "whole": lambda: graph.gradients(x @ w, [w]),
        "apart": lambda: graph.gradients(graph.sum(x), [w]),
        "device": lambda: place(_on(graph, "moon"), {"cpu:0": 1.0}),
        "none": lambda: place(graph, {}),
        "number": lambda: graph.add(x, 2.0),
    }[name]


def _on(graph, device):
    with graph.on(device):
        graph.constant(1.0, "here")
    return graph


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("fit", ValueError, "matmul of 'w' of shape .3, 1. and 'x' of shape .2, 3.: it needs tables"),
        ("unfed", ValueError, "placeholder 'x' of shape .* was not fed"),
        ("elsewhere", ValueError, "belongs to another one"),
        ("unread", ValueError, "'v' is read before it has a value"),
        ("cycle", ValueError, "the graph has a cycle: .*late"),
        ("fed", ValueError, "'x' has shape .2, 3., but was fed"),
        ("whole", ValueError, "it must be a number"),
        ("apart", ValueError, "does not depend on 'w'"),
        ("device", ValueError, "'here' stands on device 'moon', which is unknown; there are cpu:0"),
        ("none", ValueError, "name at least one"),
        ("number", TypeError, "numbers become one by constant"),
    ],
)
def test_what_is_wrong_is_said(name, error, message):
    with pytest.raises(error, match=message):
        faulty(name)()


def test_a_failing_device_stops_all_of_them():
    """The error of one thread is raised here, and no thread waits for what will never come."""
    graph = Graph()
    with graph.on("a"):
        v = graph.variable("v", shape=(2,))
    with graph.on("b"):
        y = graph.sum(v + v)
    with pytest.raises(ValueError, match="read before it has a value"):
        run(graph, y)
    assert not [t for t in threading.enumerate() if t.name in ("a", "b")]


def test_a_partition_without_a_send_would_be_noticed(monkeypatch):
    """The check of the turns itself: leave a Send out, and the devices wait for each other."""
    graph, nodes, feeds = random_graph(3)
    whole = partition

    def broken(*args, **kwargs):
        parts = whole(*args, **kwargs)
        for device, steps in parts.steps.items():
            parts.steps[device] = [s for s in steps if s.what != "send"]
        return parts

    assert whole(graph, nodes[-3:], feeds).pairs
    monkeypatch.setattr(devices, "partition", broken)
    with pytest.raises(AssertionError, match="wait for each other"):
        run(graph, nodes[-3:], feeds, threads=False)
