"""Training compiled as one loop takes NumPy's steps, to 1e-12 over an epoch: every activation, loss, depth, order."""

from itertools import islice

import numpy as np
import pytest
from test_compile import own_cache  # noqa: F401  (a fixture: compiled code of this run, apart from the user's)

from optlib import NotFinite, Optimizer, compile, data, descend, layers, models, oracles, rules, run, schedules
from optlib.compile import CannotCompile, native, network

pytest.importorskip("numba", reason="the compiled engine needs Numba: pip install 'optlib[fast]'")

SHAPES = [(5, 3), (3, 9, 2), (7, 13, 5, 4), (6, 33, 17, 8, 10), (64, 64, 10), (2, 1, 1, 2)]
ADAM = Optimizer(rules.adam, lr=0.01)
N, SIZE = 203, 32  # so that the last batch has 11 examples


@pytest.fixture(scope="module", autouse=True)
def compiled_here(own_cache):  # noqa: F811
    network._compiled.cache_clear()
    yield
    network._compiled.cache_clear()


def batches(sizes, activation="tanh", *, loss="softmax", order="epoch", size=SIZE, n=N, dtype=float, seed=3, **options):
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, sizes[0])).astype(dtype)
    y = rng.integers(sizes[-1], size=n) if loss == "softmax" else rng.standard_normal((n, sizes[-1]))
    return oracles.minibatch(models.MLP(sizes, activation, loss=loss, **options), X, y, size, order=order, seed=seed)


def last(optimizer, oracle, start, steps, state=None):
    *_, (theta, state) = islice(run(optimizer, oracle, start, state), steps)
    return theta, state


def agree(optimizer, oracle, steps=None, dtype=float, tolerance=1e-12):
    """Both ways from the same start: the same point and the same memory."""
    inner = network._opened(oracle)[0]
    steps = inner.batches + 2 if steps is None else steps
    start = inner.model.init(seed=2, dtype=dtype)
    before = start.copy()
    theta, state = compile.train(optimizer, oracle, start, steps)
    expected, memory = last(optimizer, oracle, start, steps)
    np.testing.assert_array_equal(start, before)
    assert theta.dtype == dtype
    np.testing.assert_allclose(theta, expected, rtol=0, atol=tolerance)
    assert state.keys() == memory.keys()
    for name in state:
        np.testing.assert_allclose(state[name], memory[name], rtol=tolerance, atol=tolerance, err_msg=name)
        assert state[name].dtype == memory[name].dtype


@pytest.mark.parametrize("loss", ["softmax", "squared"])
@pytest.mark.parametrize("activation", layers.ACTIVATIONS)
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_every_network_takes_the_steps_of_numpy(sizes, activation, loss):
    agree(ADAM, batches(sizes, activation, loss=loss))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_normalised_and_dropped_units(activation, dropout):
    for loss in ("softmax", "squared"):
        agree(ADAM, batches((6, 33, 17, 3), activation, loss=loss, batch_norm=True, dropout=dropout, eps=1e-3))
        agree(ADAM, batches((6, 33, 17, 3), activation, loss=loss, dropout=0.5))


@pytest.mark.parametrize("order", ["epoch", "once", "iid", "fixed"])
def test_every_order_sees_the_same_batches(order):
    agree(ADAM, batches((7, 9, 3), order=order, dropout=0.2), steps=20)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 33, N])
def test_every_size_of_a_batch(size):
    agree(ADAM, batches((7, 19, 9, 3), size=size), steps=9)


def test_one_output_takes_targets_without_a_column():
    oracle = batches((4, 6, 1), loss="squared")
    agree(ADAM, oracles.minibatch(oracle.model, oracle.X, oracle.y[:, 0], SIZE))


RULES = [
    Optimizer(rules.nag, lr=0.05), Optimizer(rules.rprop_plus),
    Optimizer(rules.adamw, lr=schedules.cosine(0.01, 20), weight_decay=0.1),
]  # fmt: skip


@pytest.mark.parametrize("optimizer", RULES, ids=lambda o: o.rule.__name__)
def test_rules_that_look_ahead_start_elsewhere_or_follow_schedules(optimizer):
    agree(optimizer, batches((7, 13, 5, 4), "relu"), steps=20)


def test_single_precision():
    for sizes in SHAPES:
        for loss in ("softmax", "squared"):
            agree(ADAM, batches(sizes, loss=loss, dtype=np.float32), dtype=np.float32, tolerance=2e-4)
    agree(ADAM, batches((7, 9, 3), batch_norm=True, dropout=0.2), dtype=np.float32, tolerance=2e-4)


def test_an_epoch_on_the_digits():
    for dtype, tolerance in ((np.float64, 1e-14), (np.float32, 1e-5)):
        oracle = oracles.minibatch(models.MLP([64, 64, 10]), *data.digits(), size=32)
        agree(Optimizer(rules.adam), oracle, oracle.batches, dtype, tolerance)


CHANGED = {
    "l2": lambda oracle: oracles.l2(oracle, 0.1),
    "by norm": lambda oracle: oracles.clipped(oracle, norm=0.2),
    "by a norm seldom reached": lambda oracle: oracles.clipped(oracle, norm=1e3),
    "by value": lambda oracle: oracles.clipped(oracle, value=0.01),
    "both": lambda oracle: oracles.clipped(oracles.clipped(oracles.l2(oracle, 0.01), value=0.05), norm=0.1),
    "the other way round": lambda oracle: oracles.l2(oracles.clipped(oracle, norm=0.1), 0.5),
}


@pytest.mark.parametrize("change", CHANGED)
def test_gradients_that_oracles_change(change):
    agree(ADAM, CHANGED[change](batches((7, 13, 5, 4), "relu")))
    agree(RULES[0], CHANGED[change](batches((7, 13, 5, 4), "relu")))


def test_clipping_a_gradient_whose_square_is_too_large():
    oracle = batches((3, 4, 2), "identity", loss="squared")
    oracle.y *= 1e200
    with np.errstate(over="ignore"):
        agree(Optimizer(rules.adam), oracles.clipped(oracle, norm=1.0))


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit():
    oracle = batches((7, 13, 5, 4), dropout=0.2)
    optimizer, start = RULES[2], oracle.model.init(seed=0)
    whole, end = compile.train(optimizer, oracle, start, 20)
    half, state = compile.train(optimizer, oracle, start, 9)
    kept = {name: array.copy() for name, array in state.items()}
    resumed, again = compile.train(optimizer, oracle, half, 11, state)
    np.testing.assert_array_equal(resumed, whole)
    for name in end:
        np.testing.assert_array_equal(again[name], end[name])
        np.testing.assert_array_equal(state[name], kept[name])
    np.testing.assert_allclose(resumed, last(optimizer, oracle, half, 11, state)[0], rtol=0, atol=1e-12)
    same, still = compile.train(optimizer, oracle, start, 0)
    np.testing.assert_array_equal(same, start)
    assert int(still["t"]) == 0


def test_descend_gives_the_whole_path_and_copies_walk_apart():
    oracle = batches((7, 9, 3), dropout=0.2)
    starts = np.stack([oracle.model.init(seed=i) for i in range(6)]).reshape(2, 3, -1)
    path = descend(ADAM, oracle, starts, 20, engine="numba")
    np.testing.assert_allclose(path, descend(ADAM, oracle, starts, 20), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(path[:, 1, 2], descend(ADAM, oracle, starts[1, 2], 20, engine="numba"))
    np.testing.assert_array_equal(path[-1], compile.train(ADAM, oracle, starts, 20)[0])


def test_oracles_that_are_not_compiled_have_a_compiled_update():
    oracle = batches((7, 9, 3))
    noisy = oracles.noisy(oracle, seed=1)
    start = oracle.model.init()
    np.testing.assert_array_equal(descend(ADAM, noisy, start, 5, engine="numba"), descend(ADAM, noisy, start, 5))

    class Other(models.MLP):
        def grad(self, theta, X, y, *, mask_seed=None):
            return 2 * super().grad(theta, X, y)

    hard = oracles.hard_examples(oracle.model, oracle.X, oracle.y, 8, 0.5)
    other = oracles.minibatch(Other([7, 9, 3]), oracle.X, oracle.y, 8)
    for oracle in (noisy, hard, other, oracles.l2(other, 0.1), lambda theta: theta):
        assert not compile.trains(oracle)
        with pytest.raises(CannotCompile, match="engine='numba'"):
            compile.train(ADAM, oracle, start, 5)


def test_a_run_that_diverges_is_stopped_at_the_step_of_numpy():
    oracle = batches((7, 9, 3), "identity", loss="squared")
    optimizer, start = Optimizer(rules.nag, lr=1e9), oracle.model.init()
    with pytest.raises(NotFinite) as numpy:
        last(optimizer, oracle, start, 100)
    with pytest.raises(NotFinite) as ours:
        compile.train(optimizer, oracle, start, 100)
    assert ours.value.step == numpy.value.step > 1
    assert str(ours.value).split("(")[0] == str(numpy.value).split("(")[0]
    many = np.stack([0 * start, start])
    with pytest.raises(NotFinite) as copies:
        descend(optimizer, oracle, many, 100, engine="numba")
    assert copies.value.step == numpy.value.step
    theta = descend(optimizer, oracle, start, 100, engine="numba", strict=False)
    assert not np.isfinite(theta[-1]).any()
    poisoned = start.copy()
    poisoned[0] = np.nan
    with pytest.raises(NotFinite, match="the gradient is not finite at step 1"):
        compile.train(optimizer, oracle, poisoned, 5)


def test_bad_input_is_named_before_anything_runs():
    oracle = batches((7, 9, 3))
    start = oracle.model.init()
    X, y = oracle.X, oracle.y
    cases = [
        (ValueError, "labels run from 0 to 3; with 3 classes", dict(y=np.where(np.arange(N) == N - 1, 3, y)), {}),
        (ValueError, "labels run from -1", dict(y=np.where(np.arange(N) == N - 1, -1, y)), {}),
        (ValueError, "hold.* that are no labels", dict(y=y + 0.5), {}),
        (ValueError, r"X has shape \(32, 6\), but the network has 7 inputs", dict(X=X[:, :6]), {}),
        (ValueError, r"theta has shape \(5,\)", {}, dict(theta=start[:5])),
        (TypeError, "float16", {}, dict(theta=start.astype(np.float16))),
        (TypeError, "whole numbers", {}, dict(theta=np.ones(len(start), int))),
        (ValueError, "steps is -1", {}, dict(steps=-1)),
        (ValueError, "steps is True", {}, dict(steps=True)),
        (ValueError, r"path is a float64 array of shape \(5, 102\)", {}, dict(path=np.empty((5, len(start))))),
        (ValueError, "another optimizer", {}, dict(state=Optimizer(rules.sgd).init(start))),
        (CannotCompile, "compares losses", {}, dict(optimizer=Optimizer(rules.irprop_plus))),
        (CannotCompile, "whole vectors", {}, dict(optimizer=Optimizer(next(iter(rules.WHOLE))))),
        (CannotCompile, "lr is an array", {}, dict(optimizer=Optimizer(rules.adam, lr=np.full(len(start), 0.1)))),
    ]
    for error, words, examples, given in cases:
        bad = oracles.minibatch(oracle.model, **{"X": X, "y": y, **examples}, size=SIZE)
        arguments = {"optimizer": ADAM, "oracle": bad, "theta": start, "steps": 5, **given}
        with pytest.raises(error, match=words):
            compile.train(**arguments)
    with pytest.raises(ValueError, match=r"y has shape \(203,\), but 203 examples and 3 outputs"):
        compile.train(ADAM, oracles.minibatch(models.MLP([7, 9, 3], loss="squared"), X, y, 8), start, 5)
    sparse = oracles.minibatch(models.MLP([3, 2]), data.SparseRows([0, 1, 2], [0, 1], [1.0, 1.0], 3), [0, 1], 2)
    with pytest.raises(TypeError, match="dense examples"):
        compile.train(ADAM, sparse, np.zeros(8), 5)


def test_normalising_a_remainder_of_one_is_refused():
    oracle = batches((7, 9, 3), batch_norm=True, n=33)
    for train in (compile.train, lambda *given: last(*given)):
        with pytest.raises(ValueError, match="at least two examples"):
            train(ADAM, oracle, oracle.model.init(), 2)


def test_nothing_is_allocated_from_step_to_step():
    from numba.core.runtime import _nrt_python, rtsys

    oracle = oracles.clipped(batches((7, 33, 5, 4), batch_norm=True, dropout=0.2, order="once"), norm=0.1)
    start = oracle.oracle.model.init()
    enabled = _nrt_python.memsys_stats_enabled()
    _nrt_python.memsys_enable_stats()
    try:
        allocated = []
        for steps in (1, 1, 7):
            before = rtsys.get_allocation_stats().alloc
            compile.train(ADAM, oracle, start, steps)
            allocated.append(rtsys.get_allocation_stats().alloc - before)
    finally:
        if not enabled:
            _nrt_python.memsys_disable_stats()
    assert allocated[1] == allocated[2]


def test_without_numba_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(native, "available", lambda: False)
    oracle = batches((7, 9, 3))
    assert compile.trains(oracle)
    with pytest.raises(ModuleNotFoundError, match="use engine='numpy'"):
        compile.train(Optimizer(rules.sgd), oracle, oracle.model.init(), 2)


# --- its parts ------------------------------------------------------------------------------------


def dense(dtype, vector=32):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "_vector_bytes", lambda: vector)
        return native._load(f"dense_{np.dtype(dtype).name}", network._dense_source(np.dtype(dtype).name))


@pytest.mark.parametrize("vector", [32, 64])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products_of_every_shape_on_machines_with_short_and_long_vectors(dtype, vector):
    product, rng = dense(dtype, vector).product, np.random.default_rng(0)
    edges = (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33)
    for rows, columns, depth in [(m, n, k) for m in edges for n in edges for k in (1, 3, 17)]:
        A, B = rng.standard_normal((rows, depth)).astype(dtype), rng.standard_normal((depth, columns)).astype(dtype)
        start, panel = rng.standard_normal(columns + 1).astype(dtype), np.empty(32 * depth, dtype)
        expected = A.astype(float) @ B.astype(float) + start[1:]
        for left, a_row, a_k in ((A, depth, 1), (A.T, 1, rows)):
            for right, b_k, b_j in ((B, columns, 1), (B.T, 1, depth)):
                out = np.full(rows * columns + 4, 7, dtype)
                one, two = (np.concatenate([[9], m.ravel()]).astype(dtype) for m in (left, right))
                product(out, 2, start, 1, one, 1, a_row, a_k, two, 1, b_k, b_j, rows, columns, depth, panel)
                close = 1e-13 if dtype == np.float64 else 1e-5
                np.testing.assert_allclose(out[2:-2].reshape(rows, columns), expected, rtol=0, atol=close)
                assert (out[[0, 1, -2, -1]] == 7).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", layers.ACTIVATIONS)
def test_activations_are_those_of_layers(name, dtype):
    kind, activation, eps = list(layers.ACTIVATIONS).index(name), layers.ACTIVATIONS[name], np.finfo(dtype).eps
    size = np.geomspace(np.finfo(dtype).tiny, 1e4, 4001)
    z = np.concatenate([-size, [0.0, np.inf, -np.inf, np.nan, 710.0, -746.0], size]).astype(dtype)
    ours = z.copy()
    dense(dtype).activate(kind, ours)
    theirs = activation.apply(z.copy())
    np.testing.assert_allclose(ours, theirs, rtol=4 * eps, atol=eps if name == "sigmoid" else 0)
    slope, mine = np.full_like(z, 3), np.full_like(z, 3)
    dense(dtype).undo(kind, mine, theirs)
    expected = activation.backward(slope, theirs)
    np.testing.assert_allclose(mine, expected, rtol=4 * eps, atol=4 * eps)


def test_softmax_of_logits_that_are_large_far_apart_or_not_finite():
    z = np.array([[1e3, -1e3, 0.0], [-1e300, 1e300, 0.0], [5.0, 5.0, 5.0], [np.nan, 0.0, 1.0], [0.0, -800.0, -30.0]])
    labels, error = np.array([0, 1, 2, 0, 1]), np.empty(z.size)
    dense(float).softmax_error(z.ravel(), error, labels, np.arange(5))
    np.testing.assert_allclose(
        error.reshape(z.shape), layers.cross_entropy_gradient(z, labels) / 5, rtol=1e-14, atol=1e-300
    )


def test_an_activation_that_is_no_plain_formula_is_refused():
    def loud(z):
        print(z)
        return z

    with pytest.raises(CannotCompile, match="print"):
        network._pointwise(loud, "loud")
