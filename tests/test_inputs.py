"""Whatever is given is answered rightly, or refused in words that name it."""

import json
import pickle
from decimal import Decimal
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from optlib import (
    NotFinite,
    Optimizer,
    compare,
    data,
    descend,
    iterates,
    layers,
    load,
    matrices,
    oracles,
    parallel,
    rules,
    run,
    save,
    schedules,
    surfaces,
    tricks,
)
from optlib.models import LinearRegression, MatrixCompletion
from optlib.tricks import Patience
from optlib.widget import Curves, Explorer

BOWL = surfaces.bowl
ADAM = Optimizer(rules.adam, lr=0.1)
SINGLE = np.float32


# --- states ---------------------------------------------------------------------------------------


def test_a_state_knows_its_rule():
    """Many pairs of rules keep memories of the same names: none takes the other's."""
    theta = np.ones((2, 2))
    for name, rule in rules.TABLE.items():
        state = Optimizer(rule).init(theta)
        assert str(state["rule"]) == name
        for other in rules.TABLE.values():
            if other is not rule:
                with pytest.raises(ValueError, match=f"this state belongs to {name}, but the optimizer's rule is "):
                    Optimizer(other).tell(theta, theta, state, loss=1.0)


def test_a_checkpoint_without_a_name_still_loads():
    theta, state = next(run(ADAM, BOWL.grad, [1.0, 2.0]))
    old = {name: value for name, value in state.items() if name != "rule"}
    assert next(run(ADAM, BOWL.grad, theta, old))[0].tolist() == next(run(ADAM, BOWL.grad, theta, state))[0].tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_state_from_json_goes_on_in_theta_s_precision(dtype):
    start = np.array([1.0, 2.0], dtype)
    theta, state = next(run(ADAM, BOWL.grad, start))
    told = json.loads(json.dumps({name: value.tolist() for name, value in state.items()}))
    again, new = ADAM.tell(theta, BOWL.grad(theta), told)
    assert again.dtype == new["m"].dtype == new["v"].dtype == dtype
    assert again.tolist() == ADAM.tell(theta, BOWL.grad(theta), state)[0].tolist()


def test_a_state_that_is_no_number_is_no_divergence():
    state = {**ADAM.init([1.0, 2.0]), "m": np.array([np.nan, 1.0])}
    for go_on in (lambda: ADAM.tell([1.0, 2.0], [1.0, 2.0], state), lambda: run(ADAM, BOWL.grad, [1.0, 2.0], state)):
        with pytest.raises(ValueError, match="memory 'm' of the state is not finite"):
            go_on()


@pytest.mark.parametrize(("name", "memory"), [("adam", "v"), ("adagrad", "G"), ("rmsprop", "v"), ("amsgrad", "v")])
def test_a_memory_that_overflows_is_reported(name, memory):
    """One gradient of 3e19 in single precision would freeze its coordinate for ever."""

    def once(theta, t):
        return np.array([3e19 if t == 1 else 1.0, 1.0], SINGLE)

    optimizer = Optimizer(rules.TABLE[name])
    with pytest.raises(
        NotFinite, match=rf"the memory '{memory}' is not finite at step 2 \(1 of 2 numbers.*clip"
    ) as told:
        descend(optimizer, once, np.ones(2, SINGLE), 5)
    assert told.value.step == 2
    assert str(pickle.loads(pickle.dumps(told.value))) == str(told.value)
    assert np.isfinite(descend(optimizer, once, np.ones(2, SINGLE), 5, strict=False)).all()


def test_an_epsilon_that_is_nothing_is_refused():
    with pytest.raises(ValueError, match="adam: eps=1e-50 is 0 in float32: make it larger"):
        descend(Optimizer(rules.adam, eps=1e-50), BOWL.grad, np.ones(2, SINGLE), 1)
    descend(Optimizer(rules.adam, eps=1e-50), BOWL.grad, np.ones(2), 1)


# --- what leaves and what comes in ----------------------------------------------------------------


def test_no_array_that_leaves_is_alive():
    start = np.array([1.0, 2.0])
    expected = descend(ADAM, BOWL.grad, start, 3)
    walk = iterates(ADAM, BOWL.grad, start)
    for point in expected:
        given = next(walk)
        assert given.tolist() == point.tolist()
        given[:] = 9.0
    for theta, state in islice(run(ADAM, BOWL.grad, start), 3):
        theta[:] = 9.0
        for memory in state.values():
            memory.setflags(write=True)
            memory[...] = memory * 0 if memory.dtype.kind == "f" else memory
    asked = ADAM.ask(start, ADAM.init(start))
    asked[:] = 9.0
    assert start.tolist() == [1.0, 2.0]


def test_an_oracle_that_works_in_place_changes_nobody_s_start():
    def in_place(theta):
        theta *= 2
        return theta

    start = np.array([1.0, 2.0])
    (
        descend(ADAM, in_place, start, 2),
        list(islice(iterates(ADAM, in_place, start), 2)),
        next(run(ADAM, in_place, start)),
    )
    assert start.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("name", surfaces.TABLE)
def test_whole_numbers_are_points(name):
    f = surfaces.TABLE[name]
    whole = np.ones(f.dim, int)
    for points in (whole, whole.tolist(), np.array([whole, 2 * whole]), whole.astype(np.int8), whole.astype(bool)):
        floats = np.asarray(points, dtype=float)
        assert np.array_equal(f.grad(points), f.grad(floats))
        assert np.array_equal(f(points), f(floats))
        assert f.grad(points).dtype == float
    assert surfaces.Quadratic([1, 3]).grad([1, Fraction(1, 2)]).tolist() == [1.0, 1.5]


MASKED = np.ma.masked_array([1.0, 2.0], [True, False])


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (lambda: descend(ADAM, BOWL.grad, MASKED, 1), "theta"),
        (lambda: descend(ADAM, lambda theta: MASKED, [1.0, 2.0], 1), "the gradient at step 1"),
        (lambda: BOWL(MASKED), "theta"),
        (lambda: oracles.full_batch(LinearRegression(), MASKED[:, None], [1.0, 2.0]), "X"),
        (lambda: oracles.full_batch(LinearRegression(), np.eye(2), MASKED), "y"),
        (lambda: compare.function(BOWL, BOWL.grad, MASKED), "start"),
        (lambda: Optimizer(rules.sgd, lr=MASKED), "lr"),
    ],
)
def test_a_mask_is_not_ignored(use, name):
    with pytest.raises((TypeError, ValueError), match=rf"{name}( is masked|=masked_array)"):
        use()


@pytest.mark.parametrize("name", ["rprop_minus", "rprop_plus", "irprop_minus", "irprop_plus"])
def test_rprop_is_free_of_scale_even_where_products_underflow(name):
    paths = [
        descend(
            Optimizer(rules.TABLE[name]), lambda x, s=s: s * x, [1.0, -2.0], 20, loss=lambda x, s=s: s * float(x @ x)
        )
        for s in (1.0, 2.0**-600)
    ]
    assert np.array_equal(*paths)


def test_a_loss_is_one_number_for_each_start():
    plus = Optimizer(rules.irprop_plus)
    for loss, error, says in (
        (lambda x: np.nan, NotFinite, "the loss is not finite at step 1"),
        (lambda x: x, ValueError, r"the loss has shape \(2,\).*a single number"),
        (lambda x: "low", TypeError, "the loss='low'"),
        (3, TypeError, "loss=3: it must be a function"),
    ):
        with pytest.raises(error, match=says):
            descend(plus, BOWL.grad, [1.0, 2.0], 2, loss=loss)
    assert descend(plus, BOWL.grad, np.ones((3, 2)), 2, loss=BOWL).shape == (3, 3, 2)


# --- schedules ------------------------------------------------------------------------------------


def test_lengths_are_whole_numbers_but_for_rounding():
    assert schedules.warm_up(1.0, steps=0.1 * 30) == schedules.warm_up(1.0, steps=3)
    assert schedules.joined((1.0, 0.1 * 30), (2.0, 5)) == schedules.joined((1.0, 3), (2.0, 5))
    for make in (
        lambda: schedules.warm_up_stable_decay(0.1, steps=10.5, warm=2, decay=2),
        lambda: schedules.joined((1.0, 10.5), (2.0, 5)), lambda: schedules.cosine(1.0, steps=2.5),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="it must be a whole number"):
            make()


def test_limits_must_not_cross_whatever_they_are():
    for low in (2.0, np.array([0.1, 2.0]), lambda t: 2.0):
        with pytest.raises(ValueError, match=r"rprop_minus: low=.* lies above high=1\.0"):
            descend(Optimizer(rules.rprop_minus, low=low, high=1.0), BOWL.grad, [1.0, 2.0], 1)


@pytest.mark.parametrize("t", [None, "a"])
@pytest.mark.parametrize("lr", [schedules.cosine(1.0, steps=3), schedules.step(1.0, 0.5, 3)])
def test_a_schedule_is_asked_for_a_time(lr, t):
    with pytest.raises(TypeError, match=f"t={t!r}: it must be a number"):
        lr(t)


# --- the likeliest mistakes -------------------------------------------------------------------------


def kept(theta, g, m, *, lr=0.1):
    return theta - lr * g, m


def without(theta, g, *, lr=0.1):
    theta - lr * g


def texts(theta, g, m, *, lr=0.1):
    return theta, ("m",)


def shorter(theta, g, m, *, lr=0.1):
    return theta, (m[:1],)


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda: descend(rules.adam, BOWL.grad, [1.0, 2.0], 1), r"write Optimizer\(adam, lr=0.01\)"),
        (lambda: run(rules.adam, BOWL.grad, [1.0, 2.0]), r"write Optimizer\(adam, lr=0.01\)"),
        (lambda: iterates(rules.adam, BOWL.grad, [1.0, 2.0]), r"write Optimizer\(adam, lr=0.01\)"),
        (lambda: descend(ADAM, lambda x, step: x, [1.0, 2.0], 1), r"oracle=<lambda>\(x, step\).*must be called t"),
        (lambda: descend(ADAM, oracles.minibatch, [1.0, 2.0], 1), "oracle=minibatch is a class: call it"),
        (lambda: descend(ADAM, lambda x: None, [1.0, 2.0], 1), "the oracle returned None at step 1.*return"),
        (lambda: descend(ADAM, lambda x: (x, x @ x), [1.0, 2.0], 1), "the gradient at step 1=.*an array"),
        (lambda: descend(ADAM, BOWL.grad, [[1.0], [1.0, 2.0]], 1), "theta is .*rows differ in length"),
        (lambda: descend(ADAM, BOWL.grad, [], 1), r"theta has shape \(0,\): there is nothing in it"),
        (lambda: descend(Optimizer(kept), BOWL.grad, [1.0, 2.0], 1), r"kept returned .*`return theta, \(m, v\)`"),
        (lambda: descend(Optimizer(without), BOWL.grad, [1.0, 2.0], 1), r"without returned None.*return"),
        (lambda: descend(Optimizer(texts), BOWL.grad, [1.0, 2.0], 1), "texts's memory 'm'='m'"),
        (lambda: descend(Optimizer(shorter), BOWL.grad, [1.0, 2.0], 1), r"a memory 'm' of shape \(1,\)"),
        (lambda: Optimizer(rules.sgd, lr=10**400), "sgd: lr=1000.*is no number"),
        (lambda: Optimizer(rules.sgd, lr=schedules.cosine), r"lr=cosine .*call it, as cosine\(high, steps, low\)"),
        (lambda: descend(Optimizer(rules.sgd, lr=lambda: 1), BOWL.grad, [1.0, 2.0], 1), "lr=<lambda> cannot"),
        (lambda: compare.contest(BOWL, {"sgd": (rules.sgd, {"lr": [0.1]})}, budget=5), "problems=Surface"),
        (lambda: compare.examples(LinearRegression(), np.eye(2), [1.0, 2.0], held_out=np.eye(2)), "held_out=.*pair"),
        (lambda: compare.function(BOWL, BOWL.grad, [1.0, 2.0], spread=[1.0, 2.0, 3.0]), "spread has shape"),
        (lambda: compare.function(BOWL, BOWL.grad, None), "start="),
        (lambda: compare.contest(compare.surface(BOWL), {"a": (rules.sgd, {"lr": {0.1: 1}})}, budget=5), "lr=.*a list"),
        (lambda: BOWL.but(a="x"), "a='x' is no finite number"),
        (lambda: BOWL.but(start=(1.0,)), r"start=\(1.0,\)"),
        (lambda: surfaces.Quadratic([1.0, 2.0]).grad([1.0, 2.0, 3.0]), r"theta has shape \(3,\)"),
        (lambda: oracles.full_batch(None, np.eye(2), [1.0, 2.0]), "model=None"),
        (lambda: save("run.npz", [np.nan], ADAM.init([1.0])), "theta is not finite"),
        (lambda: surfaces.Surface({}, BOWL.value, BOWL.gradient, BOWL.domain, BOWL.start), r"name=\{\}"),
        (lambda: data.regression(noise=-1.0), "noise=-1.0"),
        (lambda: layers.batch_norm(np.eye(2), MASKED, [0.0, 0.0]), "gamma is masked"),
        (lambda: layers.batch_norm(np.eye(2), [1.0, 1.0], [0.0, 0.0], eps=[1, 1]), r"eps=\[1, 1\]"),
        (lambda: LinearRegression().loss(MASKED, np.eye(2), [1.0, 2.0]), "theta is masked"),
        (lambda: matrices.inverse_root(np.eye(2), 1j, 0.0), "root=1j"),
        (lambda: matrices.newton_schulz(np.eye(2), eps=1j), "eps=1j"),
        (lambda: matrices.newton_schulz(np.eye(2), steps=10**9), "steps=1000000000"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(use, says):
    with pytest.raises((TypeError, ValueError), match=says):
        use()


X, Y = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]), np.array([0.0, 1.0, 0.0])
PAIR = [BOWL.grad] * 2
SYNC = parallel.SyncSGD(ADAM)
TWO = ((-1.0, 1.0),) * 2


def trained(oracle=BOWL.grad, **more):
    return parallel.train(SYNC, [oracle], [1.0, 2.0], steps=2, **more)


def drawn(*returned):
    return parallel.simulate(SYNC, workers=2, steps=2, cluster=parallel.Cluster(compute=lambda rng, n: returned[0]))


@pytest.mark.parametrize(
    ("use", "says"),
    [
        # makers that stand where what they make should
        (lambda: descend(ADAM, BOWL.grad, [1.0, 2.0], 1, stop=schedules.cosine), "stop=cosine is a schedule without"),
        (lambda: descend(ADAM, BOWL.grad, [1.0, 2.0], 1, each=schedules.cosine), "each=cosine is a schedule without"),
        (lambda: descend(ADAM, Optimizer, [1.0, 2.0], 1), r"oracle=Optimizer is a class: call it, as Optimizer\(rule"),
        (lambda: parallel.train(parallel.SyncSGD, PAIR, [1.0, 2.0], steps=1), "algorithm=SyncSGD is a class: call it"),
        (lambda: trained(loss=schedules.cosine), "loss=cosine is a schedule without"),
        (lambda: Optimizer(rules.sgd, lr=schedules.Plateau), r"lr=Plateau is a class: call it, as Plateau\(start"),
        (lambda: schedules.warm_up(schedules.cosine, steps=3), "then=cosine is a schedule without"),
        # calls that do not fit
        (lambda: Optimizer(rules.sgd, 0.1), r"call it as Optimizer\(rule, \*\*hyper\)"),
        (lambda: parallel.Cluster(lost=2.0), r"'lost': call it as Cluster\(compute, latency"),
        (lambda: descend(ADAM, BOWL.grad, [1.0, 2.0], 1, each=lambda a, b: 0), r"each=<lambda>\(a, b\) cannot be"),
        (lambda: descend(ADAM, BOWL.grad, [1.0, 2.0], 1, stop=lambda a, b: 0), r"stop=<lambda>\(a, b\) cannot be"),
        # times and schedules
        (lambda: schedules.cosine(1.0, steps=3)(-1), "t=-1: it must be a time, 0 or more"),
        (lambda: schedules.cosine(1.0, steps=3)(np.nan), "t=nan: it must be a number"),
        (lambda: schedules.Plateau(0.1).restore([np.nan, 1.0, 1]), "the rate in state=nan"),
        (lambda: schedules.Plateau(0.1).update(np.bool_(True)), "loss=.*an array of numbers"),
        (lambda: Patience(2).tell(Patience(2).init(), True), "validation=True"),
        (lambda: tricks.Curriculum(3).present(True), "t=True: it must be a whole number, 0 or more"),
        (lambda: tricks.Curriculum(3).draw(-1, 2), "t=-1: it must be a whole number, 0 or more"),
        # hyper-parameters that are arrays, where a rule sees whole matrices
        (lambda: descend(Optimizer(rules.TABLE["adafactor"], clip=[1.0, 2.0]), np.array, np.eye(2), 1),
         r"adafactor: clip is an array of shape \(2,\), but the rule sees whole matrices"),
        (lambda: descend(Optimizer(rules.TABLE["soap"], every=[1.0, 2.0]), np.array, np.eye(2), 1), "every is an"),
        (lambda: descend(Optimizer(rules.TABLE["adafactor"], lr=np.ones((2, 1, 1))), np.array, np.ones((2, 2, 2)), 1),
         r"among its hyper-parameters are arrays, lr of shape \(2, 1, 1\)"),
        (lambda: matrices.inverse_root(np.array([[1.0, 5.0], [0.0, 1.0]]), 2, 0.0), "M=.*it must be symmetric"),
        (lambda: matrices.inverse_root(-np.eye(2), 2, 0.0), "M=.*without negative eigenvalues"),
        # states and checkpoints
        (lambda: ADAM.shape_of("w", np.ones(2)), "name='w' is unknown; allowed are 'm', 'v'"),
        (lambda: ADAM.init([np.nan, 1.0]), "theta is not finite, first at entry 0"),
        (lambda: save("run.npz", [1.0], {"t": 0, "m": object()}), "state holds 'm': <object"),
        (lambda: save("run.npz", [1.0], {"t": 0, "theta": np.ones(1)}), "state holds 'theta'"),
        (lambda: save(".", [1.0], ADAM.init([1.0])), r"path='\.' is a folder"),
        # what functions return
        (lambda: trained(loss=lambda x: x), r"loss\(theta\) has shape \(2,\)"),
        (lambda: trained(loss=lambda x: None), r"loss\(theta\)=None"),
        (lambda: trained(lambda x: None), "the oracle returned None at step 1"),
        (lambda: trained(lambda x: x * 1j), "the gradient at step 1=.*complex128"),
        (lambda: trained(lambda x: MASKED), "the gradient at step 1 is masked"),
        (lambda: trained(order=3), "order=3: it must be 'steps'"),
        (lambda: parallel.train(SYNC, [BOWL.grad, 3], [1.0, 2.0], steps=1), "oracles="),
        (lambda: parallel.gossip(ADAM, [BOWL.grad, dict], [1.0, 2.0], steps=1), r"oracles\[1\]=.* is a class"),
        (lambda: parallel.gossip(ADAM, PAIR, [1.0, 2.0], steps=1, weights=BOWL.grad), "weights=.* cannot be called"),
        (lambda: parallel.simulate(SYNC, PAIR, MASKED, steps=1), "theta is masked"),
        (lambda: parallel.simulate(SYNC, workers=2, steps=1, every=0), "every=0: it must be a whole number, 1 or more"),
        (lambda: parallel.simulate(SYNC, workers=2, steps=1, tolerance=0), "tolerance=0"),
        (lambda: parallel.simulate(SYNC, workers=2, steps=1, loss=BOWL), "loss=.*a run without numbers has none"),
        (lambda: drawn("a"), "what a distribution returned='a'"),
        (lambda: oracles.online(LinearRegression(), lambda t: X)(np.ones(2), t=4), "example gave .* at t=4.*the pair"),
        (lambda: oracles.hard_examples(LinearRegression(), X, Y, 2, 0.5).hardest(np.full(2, np.nan), 0), "theta=.*NaN"),
        # tricks
        (lambda: tricks.early_stopped(iterates(ADAM, BOWL.grad, [1.0, 2.0]), BOWL, Patience(2)), "walk gave array"),
        (lambda: tricks.hessian(BOWL, [1.0, 2.0]), r"grad\(theta\) has shape \(\), but theta has shape \(2,\)"),
        (lambda: tricks.hessian_vector(rules.adam, [1.0, 2.0], [1.0, 0.0]), r"grad=adam\(theta, g, m, v, t"),
        (lambda: tricks.newton(LinearRegression(), [1.0, 2.0], 1), r"f\.grad=grad\(theta, X, y\) cannot be called"),
        (lambda: tricks.ritz(lambda v: np.eye(2) @ v, np.ones(3), 1), r"product cannot .*start's shape \(3,\)"),
        (lambda: tricks.range_test(rules.sgd, BOWL.grad, BOWL, [np.nan, 1.0]), "theta is not finite"),
        (lambda: tricks.range_test(rules.sgd, BOWL, BOWL.grad, [1.0, 2.0]), r"loss\(theta\) has shape \(2,\)"),
        (lambda: tricks.through([1.0, 2.0, 3.0], [1.0, 2.0], [1.0, 5.0]), r"second has shape \(2,\), but first has"),
        (lambda: tricks.through([1.0, 2.0], [1.0, 2.0], [1.0, 5.0]), "first, second and third lie on one line"),
        (lambda: tricks.line(BOWL, [1.0, 2.0], [1.0, 0.0], np.array([1j, 2.0])), "extent="),
        (lambda: tricks.unpacked(iter([(2.5, 1)])), "shapes=2.5: it must be a whole number, 0 or more"),
        (lambda: tricks.equivalent_ridge(True, 0.1, 3), "curvatures=True"),
        # contests, models, layers
        (lambda: compare.function(BOWL, BOWL.grad, [1.0, 2.0], spread=True), "spread=True"),
        (lambda: compare.examples(LinearRegression(), X, Y, held_out=(np.ones((2, 5)), np.ones(2))), "held_out's X"),
        (lambda: layers.cross_entropy(np.ones((1, 2)), [0, 1, 1]), r"z, of shape \(1, 2\), has 1 examples"),
        (lambda: layers.softmax(3.0), r"z has shape \(\)"),
        (lambda: layers.softmax([]), r"z has shape \(0,\)"),
        (lambda: layers.dropout(X, 0.5, None), "rng=None: it must be a whole number"),
        (lambda: MatrixCompletion(2, 2, 1).loss(np.ones(4), [[0, 0], [1, 1]], MASKED), "y is masked"),
        # surfaces and figures
        (lambda: surfaces.of(lambda x: x, TWO), "value=.* cannot be called with the 2 coordinates"),
        (lambda: surfaces.of(lambda x, y: None, TWO), r"value\(start\)=None"),
        (lambda: surfaces.of(lambda x, y: x, TWO, gradient=lambda x, y: (1.0,)), "gradient gave .*it must be 2"),
        (lambda: surfaces.of(lambda x, y: x, TWO, [np.inf, 1.0]), "start is not finite"),
        (lambda: Explorer(noise=-1.0), "noise=-1.0 is out of range"),
        (lambda: Explorer(algorithms={"sgd": {"lr": "a"}}), "lr='a'"),
        (lambda: Curves({"a": ["x", "y"]}), "curve 'a'="),
        (lambda: Curves({"a": MASKED}), "curve 'a' is masked"),
        (lambda: Curves({"a": [1.0, 2.0]}, x=[0.0, np.inf]), "x is not finite"),
        (lambda: Curves({"a": [1.0, 2.0]}, names={"a": 3}), "names or axes hold 3"),
        (lambda: Curves({"a": [1.0, 2.0]}, limits=[1.0, 2.0, 3.0]), "limits=.*the lowest and the highest"),
        (lambda: Curves({"a": [1.0, 2.0]}, axes=[]), r"axes=\[\]: they must be two"),
        (lambda: Curves({"x": {"a": [1.0, 2.0]}}, over="lr"), "a value of lr='x'"),
    ],
)  # fmt: skip
def test_what_a_stranger_tries_is_named(use, says):
    """Each was answered wrongly in silence, or by an error that named nothing."""
    with pytest.raises((TypeError, ValueError), match=says):
        use()


def test_drawings_refuse_what_is_no_series():
    view = pytest.importorskip("optlib.view", reason="Matplotlib is not installed: optlib.view cannot be imported")
    contest = compare.contest(compare.surface(BOWL), {"sgd": (rules.sgd, {"lr": [0.1]})}, budget=2, seeds=1)
    for draw, says in (
        (lambda: view.loss_curves({}), "losses is empty"),
        (lambda: view.loss_curves({"a": [1.0, 2.0]}, x=[0.0, np.nan]), "x is not finite"),
        (lambda: view.contest(contest, spread=(0.9, 0.9)), "spread=.*the lower one first"),
        (lambda: contest.flips("nowhere"), "problem='nowhere': the contest has bowl"),
    ):
        with pytest.raises((TypeError, ValueError), match=says):
            draw()


def test_oracles_may_come_one_by_one():
    expected = parallel.gossip(ADAM, PAIR, [1.0, 2.0], steps=2)
    assert np.array_equal(parallel.gossip(ADAM, iter(PAIR), [1.0, 2.0], steps=2), expected)
    assert len(parallel.simulate(SYNC, iter(PAIR), [1.0, 2.0], steps=1).workers) == 2


def test_an_iterator_is_not_used_up_by_looking_at_it():
    oracles_ = (BOWL.grad for _ in range(2))
    assert len(parallel.train(parallel.SyncSGD(ADAM), oracles_, [1.0, 2.0], steps=1).workers) == 2


def test_a_fraction_counts_as_the_number_that_it_is():
    from optlib.tricks import equivalent_ridge

    half = Fraction(1, 2)
    assert np.array_equal(equivalent_ridge([0.5, 1.0], half, 3), equivalent_ridge([0.5, 1.0], 0.5, 3))
    assert data.line(3, slope=half)[1].tolist() == data.line(3, slope=0.5)[1].tolist()
    assert data.line(3, slope=Decimal("0.5"))[1].tolist() == data.line(3, slope=0.5)[1].tolist()
    assert matrices.newton_schulz(np.eye(2), eps=half).dtype == float
    assert MatrixCompletion(2, 2, 1).init(scale=half).dtype == float
    moved = layers.moving_statistics(([0.0], [1.0]), [[1.0], [2.0]], momentum=half)
    assert {array.dtype.kind for array in moved} == {"f"}


def plain(theta, g, *, lr=0.1):
    return theta - lr * np.sign(g) * np.sqrt(np.absolute(g)), ()


def test_numpy_s_names_compile_like_the_bare_ones():
    from optlib.compile import javascript

    assert "theta - lr * Math.sign(g) * Math.sqrt(Math.abs(g))" in javascript(plain)


def test_drawings_name_what_they_cannot_draw(tmp_path):
    view = pytest.importorskip("optlib.view", reason="Matplotlib is not installed: optlib.view cannot be imported")
    cube = surfaces.Surface("cube", lambda x, y, z: x, lambda x, y, z: (1.0, 0.0, 0.0), ((0.0, 1.0),) * 3, (0.0,) * 3)
    for draw, says in (
        (lambda: view.contour(lambda x: x), "surface=<function"),
        (lambda: view.contour(BOWL, domain=(-2, 2)), r"domain=\(-2, 2\)"),
        (lambda: view.contour(BOWL, "a"), "paths='a'"),
        (lambda: view.contour(cube), "cube.*3 coordinates.*tricks.plane"),
        (lambda: view.curve(cube), "cube.*3 coordinates.*tricks.plane"),
        (lambda: view.curve(BOWL), "draw it with view.contour"),
        (lambda: view.contest(3), "result=3"),
        (lambda: view.loss_curves(3), "losses=3"),
    ):
        with pytest.raises((TypeError, ValueError), match=says):
            draw()
    view.contour(BOWL).save(tmp_path / "bowl.pdf")
    assert (tmp_path / "bowl.pdf").read_bytes().startswith(b"%PDF")


def test_training_names_its_arguments():
    downpour = parallel.Downpour(ADAM)
    for use, name in (
        (lambda: parallel.train(downpour, [BOWL.grad] * 2, [1.0, 2.0], steps=2, loss=3), "loss=3"),
        (lambda: parallel.train(downpour, BOWL.grad, [1.0, 2.0], steps=2), "oracles="),
        (lambda: parallel.train(ADAM, [BOWL.grad], [1.0, 2.0], steps=2), "algorithm="),
        (lambda: parallel.lognormal("a"), "median='a'"),
        (lambda: parallel.curve(3), "result=3"),
        (lambda: parallel.conflicts(None), "X=None.*from_dense"),
    ):
        with pytest.raises((TypeError, ValueError), match=name):
            use()


def test_clipping_is_not_advised_where_it_is_done():
    hot = Optimizer(rules.sgd, lr=1e308)
    with pytest.raises(NotFinite) as told:
        descend(hot, oracles.l2(oracles.clipped(lambda x: 1e10 * x, norm=1e10), 0.0), [1.0, 2.0], 5)
    assert "clip" not in str(told.value)
    with pytest.raises(NotFinite, match="clip the gradient"):
        descend(hot, lambda x: 1e10 * x, [1.0, 2.0], 5)


def test_nothing_of_an_optimizer_can_be_deleted():
    with pytest.raises(AttributeError, match="immutable"):
        del ADAM.hyper
    assert ADAM.hyper["lr"] == 0.1


# --- what a walk can be asked for -------------------------------------------------------------------


def test_a_walk_keeps_what_it_is_asked_to_keep():
    whole = descend(ADAM, BOWL.grad, [1.0, 2.0], 10)
    assert descend(ADAM, BOWL.grad, [1.0, 2.0], 10, keep="last").tolist() == whole[-1].tolist()
    for every, kept_steps in ((1, range(11)), (3, [0, 3, 6, 9, 10]), (5, [0, 5, 10]), (20, [0, 10])):
        assert descend(ADAM, BOWL.grad, [1.0, 2.0], 10, every=every).tolist() == whole[list(kept_steps)].tolist()
    assert descend(ADAM, BOWL.grad, [1.0, 2.0], 0, keep="last").tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="keep='last', every=2"):
        descend(ADAM, BOWL.grad, [1.0, 2.0], 10, keep="last", every=2)


def test_a_resumed_walk_equals_an_uninterrupted_one(tmp_path):
    whole = descend(ADAM, BOWL.grad, [1.0, 2.0], 10)
    first = descend(ADAM, BOWL.grad, [1.0, 2.0], 4, report=True)
    save(tmp_path / "run.npz", first.theta, first.state)
    np.savez(tmp_path / "by_hand.npz", theta=first.theta, **first.state)
    for name in ("run.npz", "by_hand.npz"):
        theta, state = load(tmp_path / name)
        assert descend(ADAM, BOWL.grad, theta, 6, state=state).tolist() == whole[4:].tolist()
    (tmp_path / "other.npz").write_bytes(b"nothing")
    np.savez(tmp_path / "data.npz", X=np.ones(3))
    np.save(tmp_path / "one.npy", np.ones(3))
    for name in ("other.npz", "data.npz", "one.npy"):
        with pytest.raises(ValueError, match=r"path=.*is no checkpoint"):
            load(tmp_path / name)


def test_a_walk_says_why_it_stopped():
    start, sgd = [4.0, -2.0], Optimizer(rules.sgd, lr=0.5)
    end = descend(sgd, BOWL.grad, start, 99, stop=lambda theta, g: "flat" if abs(g).max() < 0.01 else None, report=True)
    assert (end.reason, end.steps, int(end.state["t"]), len(end.path)) == ("flat", 10, 10, 11)

    def low(theta):
        return BOWL(theta) < 1e-3

    assert descend(sgd, BOWL.grad, start, 99, stop=low, report=True).reason == "low"
    assert descend(sgd, BOWL.grad, start, 3, stop=low, report=True)[3:5] == (3, "steps")
    uphill = descend(Optimizer(rules.sgd, lr=2.5), BOWL.grad, start, 99, loss=BOWL, stop=Patience(3), report=True)
    assert (uphill.reason, uphill.steps) == ("Patience", 4)
    for stop, says in ((3, "stop=3"), (Patience(3), "give a loss"), (lambda theta: theta, "stop gave")):
        with pytest.raises(TypeError, match=says):
            descend(sgd, BOWL.grad, start, 9, stop=stop)


def test_a_walk_calls_back_with_copies():
    seen = []

    def note(theta, t):
        seen.append((t, theta.tolist()))
        theta[:] = 9.0

    path = descend(ADAM, BOWL.grad, [1.0, 2.0], 3, each=note)
    assert seen == [(t, path[t].tolist()) for t in (1, 2, 3)]


def test_a_long_walk_in_many_dimensions_needs_memory_for_a_few_vectors():
    import tracemalloc

    theta = np.ones(10**6)
    tracemalloc.start()
    descend(Optimizer(rules.momentum), lambda x: x, theta, 30, keep="last")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * theta.nbytes
