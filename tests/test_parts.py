"""Parts of a model's theta, and optimizers put together for them."""

import copy
import pickle

import numpy as np
import pytest

from optlib import NotFinite, Optimizer, data, descend, layered, load, models, oracles, rules, save, schedules

NET = models.MLP([4, 5, 3, 2], "tanh", batch_norm=True)
MUON, ADAMW = Optimizer(rules.muon, lr=0.02), Optimizer(rules.adamw, lr=3e-3)


def problem(seed: int = 0):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((30, 4)), rng.integers(0, 2, 30)
    return oracles.minibatch(NET, X, y, 8, seed=seed), NET.init(seed)


@pytest.mark.parametrize(
    ("model", "size"),
    [(NET, NET.size), (models.MLP([3, 2]), 8), (models.SoftmaxRegression(3), 12), (models.LinearRegression(), 4),
     (models.LogisticRegression(), 4), (models.MatrixCompletion(4, 3, 2), 14)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_the_parts_of_a_model_are_its_own(model, size):
    theta = np.arange(float(size))
    pieces = {name: theta[part.where].reshape(part.shape) for name, part in model.parts().items()}
    assert sum(piece.size for piece in pieces.values()) == size
    if hasattr(model, "unpack"):
        own = model.unpack(theta)
        arrays = [own] if isinstance(own, np.ndarray) else [a for layer in own for a in layer if a is not None]
        for mine, theirs in zip(pieces.values(), arrays if isinstance(model, models.MLP) else own if
                                isinstance(own, tuple) else arrays, strict=True):  # fmt: skip
            np.testing.assert_array_equal(mine, theirs)


def test_kinds_of_a_network():
    assert [part.kind for part in NET.parts().values()] == (
        ["input", "bias", "gain", "hidden", "bias", "gain", "output", "bias"]
    )


def test_each_part_walks_as_it_would_alone():
    """Matrices as matrices, the rest as one vector, with rules of both kinds, look-ahead, schedules and batches."""
    parts = NET.parts()
    optimizers = {
        "hidden": Optimizer(rules.soap, lr=schedules.polynomial(0.01, 20), every=2),
        "W1": Optimizer(rules.nag, lr=0.02), "W3": MUON, "gain": Optimizer(rules.lamb), "rest": ADAMW,
    }  # fmt: skip
    optimizer = layered(parts, **optimizers)
    rng = np.random.default_rng(1)
    theta, stream = rng.standard_normal((3, NET.size)), rng.standard_normal((6, 3, NET.size))
    state, start = optimizer.init(theta), theta
    alone = {
        "hidden": ["W2"], "W1": ["W1"], "W3": ["W3"], "gain": ["gamma1", "gamma2"], "rest": ["b1", "b2", "b3"]
    }  # fmt: skip
    asked = []
    for g in stream:
        asked.append(optimizer.ask(theta, state))
        theta, state = optimizer.tell(theta, g, state)
    for key, names in alone.items():
        pieces = [[name] for name in names] if key == "gain" else [names]
        for piece in pieces:
            at = np.concatenate([np.r_[parts[name].where] for name in piece])
            shape = parts[piece[0]].shape if len(piece) == 1 else (len(at),)
            point = start[:, at].reshape(3, *shape)
            memory = optimizers[key].init(point)
            for g, ask in zip(stream, asked, strict=True):
                expected = optimizers[key].ask(point, memory)
                np.testing.assert_array_equal(ask[:, at].reshape(3, *shape), expected)
                point, memory = optimizers[key].tell(point, g[:, at].reshape(3, *shape), memory)
            np.testing.assert_array_equal(theta[:, at].reshape(3, *shape), point, err_msg=key)
    assert state["rest.m"].shape == (3, 10)
    assert state["hidden.L"].shape == (3, 25)


def test_one_rule_for_all_parts_is_that_rule():
    oracle, theta = problem()
    whole = descend(ADAMW, oracle, theta, 20)
    for together in (layered(NET.parts(), rest=ADAMW), layered(NET.parts(), bias=ADAMW, input=ADAMW, rest=ADAMW)):
        np.testing.assert_array_equal(descend(together, oracle, theta, 20), whole)


def test_a_layered_run_resumes_bit_for_bit(tmp_path):
    oracle, theta = problem()
    optimizer = layered(NET.parts(), hidden=MUON, W3=Optimizer(rules.dog), rest=ADAMW)
    whole = descend(optimizer, oracle, theta, 30, report=True)
    half = descend(optimizer, oracle, theta, 13, report=True)
    save(tmp_path / "run.npz", half.theta, half.state)
    middle, state = load(tmp_path / "run.npz")
    again = descend(pickle.loads(pickle.dumps(copy.deepcopy(optimizer))), oracle, middle, 17, state=state, report=True)
    np.testing.assert_array_equal(again.theta, whole.theta)
    for name, array in whole.state.items():
        np.testing.assert_array_equal(again.state[name], array)


def test_a_rule_that_compares_losses_gets_one():
    X, y = data.line(20, seed=0)
    model = models.LinearRegression()
    f = oracles.full_batch(model, X, y)
    alone = descend(Optimizer(rules.irprop_plus), f, [0.0, 0.0], 20, loss=f.loss)
    optimizer = layered(model.parts(), rest=Optimizer(rules.irprop_plus))
    np.testing.assert_array_equal(descend(optimizer, f, [0.0, 0.0], 20, loss=f.loss), alone)
    with pytest.raises(TypeError, match="compares losses"):
        descend(optimizer, f, [0.0, 0.0], 2)


@pytest.mark.parametrize("rule", [rules.local_gains, rules.heavy_ball], ids=lambda rule: rule.__name__)
def test_a_rule_that_keeps_what_it_is_given_gets_copies(rule):
    """The gradient, or the point: an oracle may fill its own array anew at each step."""
    stream, buffer = np.random.default_rng(2).standard_normal((8, 5)), np.empty(5)

    def refilled(theta, t):
        buffer[:] = stream[t]
        return buffer

    parts = {"w": (slice(0, 3), (3,), "output"), "b": (slice(3, 5), (2,), "bias")}
    for optimizer in (layered(parts, rest=Optimizer(rule)), layered(parts, w=Optimizer(rule), b=Optimizer(rule))):
        found = descend(optimizer, refilled, np.ones(5), 8)
        np.testing.assert_array_equal(found, descend(Optimizer(rule), lambda _, t: stream[t], np.ones(5), 8))


PARTS = models.MLP([4, 5, 5, 2]).parts()


@pytest.mark.parametrize(
    ("parts", "optimizers", "kind", "words"),
    [
        ({}, {"rest": ADAMW}, TypeError, r"parts=\{\}: give what model.parts\(\) returns"),
        ({"w": (0, 3, "hidden")}, {"rest": ADAMW}, TypeError, r"parts: 'w' is \(0, 3, 'hidden'\); it must be \(slice"),
        ({"w": (slice(0, 2), (2,), "matrix")}, {"rest": ADAMW}, ValueError, "'w' is of kind 'matrix'; allowed are"),
        (PARTS, {"hidden": MUON}, ValueError, r"no optimizer for the parts W1 \(input\), b1 \(bias\), .*rest="),
        (PARTS, {"gain": ADAMW, "rest": ADAMW}, TypeError, r"gain= gets no part of theta: the parts are W1 \(input\)"),
        (PARTS, {"rest": rules.adam}, TypeError, "rest=<function adam .*: it must be an Optimizer"),
        (PARTS, {"rest": MUON}, ValueError, r"rest=Optimizer\(muon.* sees whole matrices, but part 'b1' has shape"),
        ({"w": (slice(0, 20), (20,), "hidden")}, {"rest": ADAMW}, ValueError,
         "the parts hold 20 numbers and theta 67; number 20 stands in none of them: parts must cover theta"),
        ({"w": (slice(0, 67), (67,), "hidden"), "b": (slice(0, 1), (1,), "bias")}, {"rest": ADAMW}, ValueError,
         "number 0 stands in 2 of them"),
        ({"w": (slice(0, 67), (3, 20), "hidden")}, {"rest": ADAMW}, ValueError, "part 'w' stands at .* with shape"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(parts, optimizers, kind, words):
    with pytest.raises(kind, match=words):
        layered(parts, **optimizers).init(np.zeros(67))


def test_states_and_steps_are_checked_as_those_of_one_rule():
    theta = np.zeros(NET.size)
    one, other = layered(NET.parts(), hidden=MUON, rest=ADAMW), layered(NET.parts(), bias=ADAMW, rest=ADAMW)
    with pytest.raises(ValueError, match="this state belongs to bias: adamw, rest: adamw"):
        one.tell(theta, theta, other.init(theta))
    with pytest.raises(NotFinite, match="new point is not finite at step 1"):
        layered(NET.parts(), rest=Optimizer(rules.adam, eps=0.0)).tell(
            theta, theta, layered(NET.parts(), rest=Optimizer(rules.adam)).init(theta)
        )
    with pytest.raises(ValueError, match=r"weight_decay is an array of shape \(3,\), which does not broadcast"):
        descend(layered(NET.parts(), rest=Optimizer(rules.adamw, weight_decay=np.ones(3))), lambda x: x, theta, 1)
    assert one.hyper["hidden.lr"] == 0.02
    assert repr(one).startswith("layered(hidden=Optimizer(muon, lr=0.02, ")


def test_a_mask_of_decay():
    """Decay for the matrices alone: by parts, or as an array."""
    oracle, theta = problem()
    free, decayed = Optimizer(rules.adamw, weight_decay=0.0), Optimizer(rules.adamw, weight_decay=0.5)
    by_parts = layered(NET.parts(), bias=free, gain=free, rest=decayed)
    mask = np.zeros(NET.size)
    for part in NET.parts().values():
        mask[part.where] = 0.5 * (len(part.shape) == 2)
    by_array = Optimizer(rules.adamw, weight_decay=mask)
    np.testing.assert_array_equal(descend(by_parts, oracle, theta, 20), descend(by_array, oracle, theta, 20))
