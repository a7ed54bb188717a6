"""The laws that every rule of the table obeys, and the facts about single rules that the chapters teach."""

import copy
import inspect
import io
import math
import pickle
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from table import LOSSES, ROWS, START, Row

from optlib import Optimizer, descend, iterates, matrices, rules, run, schedules, surfaces
from optlib.surfaces import Quadratic

every_rule = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def made(row: Row, **changes) -> Optimizer:
    return Optimizer(row.rule, **{**row.hyper, **changes})


def numbers_of(row: Row) -> dict[str, float]:
    """The hyper-parameters that are no names."""
    return {name: value for name, value in row.hyper.items() if rules.HYPER[name].names is None}


def lifted(row: Row, x) -> np.ndarray:
    """A vector for the rule, or the matrix that has it on its diagonal."""
    x = np.array(x, dtype=float)
    return np.eye(x.shape[-1]) * x[..., None, :] if row.matrix else x


def sides(row: Row, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, with one more side for a rule that wants matrices."""
    return (*shape, 2) if row.matrix else shape


def gradients(steps: int, shape: tuple[int, ...], dtype: type = float, seed: int = 0) -> np.ndarray:
    """A stream with sizes from 1e-3 to 1e3 and with zeros."""
    rng = np.random.default_rng(seed)
    g = rng.standard_normal((steps, *shape)) * 10.0 ** rng.uniform(-3, 3, (steps, *shape))
    return (g * (rng.random(g.shape) < 0.8)).astype(dtype)


def losses(steps: int, shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((steps, *shape))


def follow(optimizer: Optimizer, theta: np.ndarray, stream: np.ndarray, loss: np.ndarray, state=None):
    """The points and the last state of a walk along recorded gradients and losses."""
    state, path = optimizer.init(theta) if state is None else state, []
    for g, value in zip(stream, loss, strict=True):
        theta, state = optimizer.tell(theta, g, state, loss=value)
        path.append(theta)
    return np.array(path), state


# --- the table ------------------------------------------------------------------------------------


def test_every_rule_has_a_row():
    written = [
        name
        for name, f in vars(rules).items()
        if inspect.isfunction(f)
        and f.__module__ in (rules.__name__, matrices.__name__)
        and [*inspect.signature(f).parameters][:2] == ["theta", "g"]
    ]
    for place, rows in (("ROWS of optlib/rules.py", rules.ROWS), ("tests/table.py", [row.name for row in ROWS])):
        for name in written:
            assert name in rows, f"{place} lacks a row for the rule {name}"
    assert [row.name for row in ROWS] == list(rules.TABLE), "tests/table.py has another order than ROWS"
    assert all(rules.TABLE[row.name] is row.rule for row in ROWS)


@every_rule
def test_a_row_sets_every_hyper_parameter(row):
    """So no term of a formula is switched off by a default while its steps are worked out by hand."""
    assert row.hyper.keys() == {
        name for name, p in inspect.signature(row.rule).parameters.items() if p.kind is p.KEYWORD_ONLY
    }
    assert (row.asks is not None) == (row.rule in rules.LOOK_AHEAD)


@every_rule
def test_steps_worked_out_by_hand(row):
    optimizer, theta = made(row), lifted(row, np.array(START, dtype=float))
    expected = row.by_hand(row.points)
    wanted = lifted(row, row.by_hand(row.asks) if row.asks else np.vstack([np.array(START, float), expected[:-1]]))
    state = optimizer.init(theta)
    for g, loss, ask, point in zip(row.gradients, LOSSES, wanted, lifted(row, expected), strict=True):
        np.testing.assert_allclose(optimizer.ask(theta, state), ask, rtol=1e-13, atol=1e-14)
        theta, state = optimizer.tell(theta, lifted(row, np.array(g, dtype=float)), state, loss=loss)
        np.testing.assert_allclose(theta, point, rtol=1e-13, atol=1e-14)


def test_a_row_that_lacks_something_is_named():
    whole = {"title": "Lion", "rate": 0.01, "line": "solid", "colour": "#000000", "marker": "o"}

    def lion(theta, g, m, *, lr=1e-4, beta1=0.9):
        return theta, (m,)

    assert rules.Row(lion, **whole).name == "lion"
    for field in ("title", "rate", "line"):
        with pytest.raises(ValueError, match=f"^optlib/rules.py: the row of lion lacks {field}$"):
            rules.Row(lion, **{name: value for name, value in whole.items() if name != field})
    for field in ("colour", "marker"):
        with pytest.raises(ValueError, match="the row of lion lacks colour and marker, or its kin"):
            rules.Row(lion, **{name: value for name, value in whole.items() if name != field})

    def tiger(theta, g, *, stripes=1.0):
        return theta, ()

    with pytest.raises(ValueError, match=r"optlib/rules.py: HYPER lacks stripes, of which tiger makes use"):
        rules.Row(tiger, **whole)


def test_every_kin_is_a_rule_with_colours_of_its_own():
    for row in rules.ROWS.values():
        assert not row.kin or rules.ROWS[row.kin].colour, row.name
        assert row.kin or not row.same, row.name


def test_ranges():
    """As the papers have them: what divides by 1 - β stays below 1; a share may be all of it; growth is growth."""
    below_one, share = (0.0, 1.0, False), (0.0, 1.0, True)
    expected = dict.fromkeys(("beta1", "beta2", "beta3", "rho"), below_one)
    expected |= dict.fromkeys(("gamma", "beta", "dampening", "delta", "phi", "eta_minus"), share)
    expected |= dict.fromkeys(("eta_plus", "every"), (1.0, math.inf, False))
    for name in {name for row in ROWS for name in row.hyper}:
        assert rules.HYPER[name][1:4] == expected.get(name, (0.0, math.inf, False)), name


# --- laws -------------------------------------------------------------------------------------------


@every_rule
def test_batch_equals_loop_exactly(row):
    shape, steps = (5, 2, 3), 40
    optimizer, stream, loss = made(row), gradients(steps, sides(row, shape)), losses(steps, shape[:-1])
    theta = np.random.default_rng(2).standard_normal(sides(row, shape))
    together, state = follow(optimizer, theta, stream, loss)
    for i in np.ndindex(shape[:-1]):
        alone, memory = follow(optimizer, theta[i], stream[(slice(None), *i)], loss[(slice(None), *i)])
        assert np.array_equal(together[(slice(None), *i)], alone)
        assert all(np.array_equal(state[name][i], memory[name]) for name in optimizer.memory)


@every_rule
@settings(max_examples=15, deadline=None)
@given(
    shape=array_shapes(min_dims=1, max_dims=3, max_side=4),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
def test_any_shape_and_precision(row, shape, dtype, seed):
    """Point and memory keep shape and precision, and a batch equals its first member walked alone, bit for bit."""
    whole = sides(row, shape)
    optimizer, stream, loss = made(row), gradients(4, whole, dtype, seed), losses(4, shape[:-1], seed)
    theta = np.random.default_rng(seed).standard_normal(whole).astype(dtype)
    path, state = follow(optimizer, theta, stream, loss)
    assert path.dtype == dtype
    for name in optimizer.memory:
        assert state[name].dtype == dtype
        sides_of = rules.SHAPES.get(row.rule, {}).get(name)
        size = {"a": whole[-2], "b": whole[-1]} if row.matrix else {"b": whole[-1]}
        assert state[name].shape == (whole if sides_of is None else (*shape[:-1], *(size[s] for s in sides_of)))
    first = (0,) * (len(shape) - 1)
    alone, _ = follow(optimizer, theta[first], stream[(slice(None), *first)], loss[(slice(None), *first)])
    assert np.array_equal(path[(slice(None), *first)], alone)


@every_rule
def test_a_single_number_walks_like_a_vector_of_one(row):
    stream, loss = gradients(6, (1,)), losses(6, ())
    optimizer, start = made(row), np.array([1.5])
    if row.rule in rules.WHOLE:
        with pytest.raises(ValueError, match=r"sees whole (vectors|matrices): theta must have shape \(\.\.\., "):
            optimizer.init(1.5)
        return
    path, _ = follow(optimizer, start, stream, loss)
    point, state = 1.5, optimizer.init(1.5)
    for g, value, expected in zip(stream, loss, path, strict=True):
        point, state = optimizer.tell(point, g[0], state, loss=value)
        assert np.shape(point) == ()
        assert point == expected[0]


@every_rule
@settings(max_examples=10, deadline=None)
@given(pause=st.integers(0, 30))
def test_resumed_equals_uninterrupted_through_a_file(row, pause):
    optimizer, theta = made(row), np.resize([0.3, -1.2, 2.0], sides(row, (3,)))
    stream, loss = gradients(30, sides(row, (3,))), losses(30, ())
    whole, last = follow(optimizer, theta, stream, loss)
    before, state = follow(optimizer, theta, stream[:pause], loss[:pause])

    file = io.BytesIO()
    np.savez(file, theta=before[-1] if pause else theta, **state)
    file.seek(0)
    with np.load(file) as saved:
        checkpoint = dict(saved)
    after, resumed = follow(optimizer, checkpoint.pop("theta"), stream[pause:], loss[pause:], checkpoint)
    assert np.array_equal(after, whole[pause:].reshape(after.shape))
    assert all(np.array_equal(resumed[name], last[name]) for name in last)


@every_rule
def test_zero_gradient_moves_nothing(row):
    still = made(row, **({"weight_decay": 0.0} if "weight_decay" in row.hyper else {}))
    start = np.resize([0.3, -1.2], sides(row, (2,)))
    path, _ = follow(still, start, np.zeros((5, *start.shape)), np.zeros(5))
    assert np.array_equal(path, np.broadcast_to(start, path.shape))


@every_rule
def test_inputs_are_never_changed_nor_kept(row):
    """Arrays that cannot be written to are enough; and an oracle may fill its own array anew at each step."""
    optimizer, stream, loss = made(row), gradients(8, sides(row, (3,))), losses(8, ())
    start = np.resize([0.3, -1.2, 2.0], sides(row, (3,)))
    path, _ = follow(optimizer, start.copy(), stream, loss)

    theta, state, buffer = start.copy(), optimizer.init(start), np.empty_like(start)
    for g, value, expected in zip(stream, loss, path, strict=True):
        buffer[:] = g
        for array in (theta, buffer, *state.values()):
            array.flags.writeable = False
        old = theta
        theta, state = optimizer.tell(theta, buffer, state, loss=value)
        for array in (old, buffer):
            array.flags.writeable = True
            array[:] = np.nan
        assert np.array_equal(theta, expected)


@every_rule
def test_a_constant_schedule_is_the_number(row):
    stream, loss, start = gradients(8, sides(row, (3,))), losses(8, ()), np.resize([0.3, -1.2, 2.0], sides(row, (3,)))
    plain, _ = follow(made(row), start, stream, loss)
    for name, value in numbers_of(row).items():
        scheduled = made(row, **{name: schedules.constant(value)})
        if name in rules.START.get(row.rule, {}).values():
            with pytest.raises(TypeError, match=f"starts its .* at {name}, so {name} must be a number"):
                scheduled.init(start)
        else:
            assert np.array_equal(follow(scheduled, start, stream, loss)[0], plain)


@pytest.mark.parametrize("row", [row for row in ROWS if row.rule not in rules.WHOLE], ids=lambda row: row.name)
def test_an_array_gives_each_coordinate_its_own_value(row):
    stream, loss = gradients(8, (2,)), losses(8, ())
    start = np.array([0.3, -1.2])
    for name, value in row.hyper.items():
        both = np.array([value, value * 0.9 if name != "eta_plus" else 1.1])
        together, _ = follow(made(row, **{name: both}), start, stream, loss)
        for i in range(2):
            alone, _ = follow(made(row, **{name: both[i]}), start[i : i + 1], stream[:, i : i + 1], loss)
            np.testing.assert_allclose(together[:, i], alone[:, 0], rtol=1e-12)


@every_rule
def test_goes_downhill(row):
    """With a modest rate every rule is lower after some hundred steps on a tilted bowl, whatever its memory."""
    f = Quadratic([1.0, 3.0])
    own = row.name in ("adadelta", "lars", "dog", "d_adaptation", "prodigy")  # whose rate is a factor
    start = lifted(row, [1.0, -1.0])
    path = descend(
        Optimizer(row.rule, **({} if own else {"lr": 0.02})), f.grad, start, steps=400 if own else 200, loss=f
    )
    assert np.sum(f(path[-1])) < 0.7 * np.sum(f(path[0]))


@every_rule
def test_optimizers_can_be_copied_and_sent(row):
    optimizer = made(row)
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert other.rule is row.rule
        assert dict(other.hyper) == dict(optimizer.hyper)


# --- hyper-parameters that make no sense ------------------------------------------------------------


@every_rule
def test_wrong_hyper_parameters(row):
    for name in row.hyper.keys() - numbers_of(row).keys():
        for value, kind in (("best", ValueError), (1.0, TypeError), (None, TypeError)):
            with pytest.raises(kind, match=f"{row.name}: {name}=.* is unknown; allowed are '"):
                Optimizer(row.rule, **{name: value})
    for name in numbers_of(row):
        low, high, closed = rules.HYPER[name][1:4]
        outside = [low - 1e-3, math.nan, -math.inf, np.array([row.hyper[name], low - 1])]
        outside += [math.inf] if high == math.inf else [high + 1e-3] if closed else [high]
        for value in outside:
            with pytest.raises(
                ValueError, match=rf"{row.name}: {name}=.* is out of range; allowed is \[{low:g}, {high:g}[\])]"
            ):
                Optimizer(row.rule, **{name: value})
        for value in ("0.1", None, True, [1.0, "x"], 1j, {}):
            with pytest.raises(TypeError, match=rf"{row.name}: {name}=.* is no number"):
                Optimizer(row.rule, **{name: value})
    with pytest.raises(TypeError, match=rf"{row.name} has no hyper-parameter 'lrr'; it has lr=.*Did you mean 'lr'"):
        Optimizer(row.rule, lrr=0.1)


@pytest.mark.parametrize("value", [0, np.float32(0.5), np.int64(1)], ids=str)
def test_numbers_of_other_types_are_numbers(value):
    assert Optimizer(rules.sgd, lr=value).hyper["lr"] == float(value)


# --- a rule is another rule with a switch turned ---------------------------------------------------------

SAME = [
    (("momentum", {"gamma": 0.0}), ("sgd", {}), 0),
    (("nag", {"gamma": 0.0}), ("sgd", {}), 0),
    (("nag_shifted", {"gamma": 0.0}), ("sgd", {}), 0),
    (("momentum_torch", {"gamma": 0.0}), ("sgd", {}), 0),
    (("momentum_ema", {"beta": 0.0}), ("sgd", {}), 0),
    (("sgdw", {"gamma": 0.0, "weight_decay": 0.0}), ("sgd", {}), 0),
    (("heavy_ball", {"beta": 0.0}), ("sgd", {}), 0),
    (("local_gains", {"delta": 0.0}), ("sgd", {}), 0),
    (("delta_bar_delta", {"kappa": 0.0, "phi": 0.0}), ("sgd", {}), 0),
    (("sgdw", {"weight_decay": 0.0}), ("momentum", {}), 0),
    (("heavy_ball", {}), ("momentum", {}), 1e-11),
    (("momentum_torch", {}), ("momentum", {}), 1e-11),
    (("momentum_ema", {"lr": 0.1}), ("momentum", {"lr": 0.01}), 1e-11),
    (("adagrad_sigma", {}), ("adagrad", {"eps": 1e-300}), 1e-12),
    (("rmsprop_momentum", {"gamma": 0.0}), ("rmsprop", {}), 1e-14),
    (("adamw", {"weight_decay": 0.0}), ("adam", {}), 1e-14),
    (("adam_eps_hat", {"eps": 0.0}), ("adam", {"eps": 0.0}), 1e-12),
    (("adam_uncorrected", {"beta1": 0.0, "beta2": 0.9}), ("rmsprop", {}), 1e-14),
    (("adam_eps_hat", {"eps": 1e-7}), ("adam", {"eps": lambda t: 1e-7 / math.sqrt(1 - 0.999 ** (t + 1))}), 1e-12),
    (("nadam_torch", {"decay": 1e7}), ("nadam_constant", {}), 1e-12),
    (("nadam_torch", {"beta1": 0.0}), ("nadam", {"beta1": 0.0}), 0),
    (("nadam_constant", {"beta1": 0.0}), ("adam", {"beta1": 0.0}), 1e-12),
    (("signum", {"beta": 0.0}), ("sign_descent", {}), 0),
    (("lion", {"beta1": 0.9, "beta2": 0.9, "weight_decay": 0.5}), ("signum", {"weight_decay": 0.5}), 0),
    (("schedule_free", {"beta": 0.0}), ("averaged_sgd", {}), 1e-13),
    (("ademamix", {"alpha": 0.0, "weight_decay": 0.5}), ("adamw", {"weight_decay": 0.5}), 1e-15),
    (("lookahead", {"alpha": 1.0}), ("adam", {}), 1e-15),
    (("lookahead", {"every": 1.0, "alpha": 0.5}), ("adam", {"lr": 0.005}), 1e-14),
]


@pytest.mark.parametrize(
    ("one", "other", "tolerance"), SAME, ids=[f"{a[0]}-{b[0]}-{i}" for i, (a, b, _) in enumerate(SAME)]
)
def test_is_another_rule(one, other, tolerance):
    rate = 0.01
    stream = np.random.default_rng(4).standard_normal((200, 3))
    paths = [
        follow(
            Optimizer(rules.TABLE[name], **{"lr": rate, **hyper}), np.array([0.3, -1.2, 2.0]), stream, np.zeros(200)
        )[0]
        for name, hyper in (one, other)
    ]
    assert np.abs(paths[0] - paths[1]).max() <= tolerance


def test_full_adagrad_in_one_dimension_is_adagrad():
    stream = gradients(50, (1,))
    full, _ = follow(Optimizer(rules.adagrad_full), np.array([1.0]), stream, np.zeros(50))
    diagonal, _ = follow(Optimizer(rules.adagrad), np.array([1.0]), stream, np.zeros(50))
    np.testing.assert_allclose(full, diagonal, rtol=1e-12)


def test_l2_is_decoupled_decay_for_sgd_only():
    """F11: the penalty in the gradient equals decay outside it for SGD; for Adam it does not."""
    f, start = Quadratic([1.0, 30.0]), [1.0, -1.0]

    def penalised(theta):
        return f.grad(theta) + 0.1 * theta

    decoupled = descend(Optimizer(rules.sgdw, lr=0.01, gamma=0.0, weight_decay=0.1), f.grad, start, 100)
    np.testing.assert_allclose(descend(Optimizer(rules.sgd, lr=0.01), penalised, start, 100), decoupled, atol=1e-15)
    decoupled = descend(Optimizer(rules.adamw, lr=0.01, weight_decay=0.1), f.grad, start, 100)
    assert np.abs(descend(Optimizer(rules.adam, lr=0.01), penalised, start, 100) - decoupled).max() > 1e-3


def test_nag_and_its_shifted_form_ask_at_the_same_points():
    f, asked = surfaces.rosenbrock, []
    walk = run(Optimizer(rules.nag, lr=2e-4), lambda p: asked.append(p) or f.grad(p), [-1.5, 2.0])
    list(islice(walk, 300))
    shifted = descend(Optimizer(rules.nag_shifted, lr=2e-4), f.grad, [-1.5, 2.0], 299)
    np.testing.assert_allclose(np.array(asked), shifted, atol=1e-12)


# --- facts: rates and stability ---------------------------------------------------------------------------


def radius(optimizer: Optimizer, curvature: float, memory: str) -> float:
    """The spectral radius of one update of (point, memory) on curvature x²/2, measured column by column."""
    columns = []
    for point, kept in np.eye(2):
        state = optimizer.init([point]) | {memory: np.array([kept]), "t": np.asarray(1)}
        theta, state = optimizer.tell([point], curvature * optimizer.ask([point], state), state)
        columns.append([theta[0], state[memory][0]])
    return float(np.abs(np.linalg.eigvals(np.array(columns).T)).max())


@pytest.mark.parametrize(("rate", "share"), [(2.0, 1.0), (2.01, 1.01**100), (1.99, 0.99**100), (0.5, 0.5**100)])
def test_gradient_descent_has_its_limit_at_two_over_l(rate, share):
    """A1: on L x²/2 the point is multiplied by 1 - rate L each step; at 2/L it jumps between two points for ever."""
    for L in (1.0, 8.0):
        path = descend(Optimizer(rules.sgd, lr=rate / L), Quadratic([L]).grad, [1.0], 100)
        assert abs(path[-1, 0]) == pytest.approx(share, rel=1e-11)


@pytest.mark.parametrize("kappa", [10.0, 100.0, 1000.0])
def test_best_rates_on_a_quadratic(kappa):
    """A2: the worst curvature contracts by (κ-1)/(κ+1) with gradient descent, (√κ-1)/(√κ+1) with heavy ball, and by
    1 - 1/√κ and 1 - 2/√(3κ+1) with Nesterov's momentum."""
    curvatures, root = np.geomspace(1.0, kappa, 31), math.sqrt(kappa)

    def worst(optimizer, memory):
        return max(radius(optimizer, float(h), memory) for h in curvatures)

    lr = 2 / (kappa + 1)
    assert max(abs(1 - lr * curvatures)) == pytest.approx((kappa - 1) / (kappa + 1), rel=1e-12)
    path = descend(Optimizer(rules.sgd, lr=lr), Quadratic([1.0, kappa]).grad, [1.0, 1.0], 20)
    np.testing.assert_allclose(np.abs(path[-1]), ((kappa - 1) / (kappa + 1)) ** 20, rtol=1e-10)

    ball = Optimizer(rules.momentum, lr=4 / (root + 1) ** 2, gamma=((root - 1) / (root + 1)) ** 2)
    assert worst(ball, "u") == pytest.approx((root - 1) / (root + 1), abs=1e-6)
    standard = Optimizer(rules.nag, lr=1 / kappa, gamma=(root - 1) / (root + 1))
    assert worst(standard, "u") == pytest.approx(1 - 1 / root, abs=1e-6)
    s = math.sqrt(3 * kappa + 1)
    tuned = Optimizer(rules.nag, lr=4 / (3 * kappa + 1), gamma=(s - 2) / (s + 2))
    assert worst(tuned, "u") == pytest.approx(1 - 2 / s, abs=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.99])
def test_limits_of_momentum(beta):
    """A4: heavy ball is stable below lr L = 2(1+β), Nesterov only below 2(1+β)/(1+2β)."""
    for rule, limit in ((rules.momentum, 2 * (1 + beta)), (rules.nag, 2 * (1 + beta) / (1 + 2 * beta))):
        assert radius(Optimizer(rule, lr=limit * 0.9999, gamma=beta), 1.0, "u") < 1
        assert radius(Optimizer(rule, lr=limit * 1.0001, gamma=beta), 1.0, "u") > 1


def test_heavy_ball_can_cycle_on_a_convex_function():
    """A5, Lessard, Recht & Packard (2016): tuned for quadratics it circles through three points; the others do not."""

    def grad(x):
        return np.where(x < 1, 25 * x, np.where(x < 2, x + 24, 25 * x - 24))

    path = descend(Optimizer(rules.heavy_ball, lr=1 / 9, beta=4 / 9), grad, [3.3], 600)
    cycle = sorted(np.array([792.0, -2208.0, 2592.0]) / 1225)
    np.testing.assert_allclose(sorted(path[-3:, 0]), cycle, atol=1e-12)
    assert abs(descend(Optimizer(rules.sgd, lr=2 / 26), grad, [3.3], 300)[-1, 0]) < 1e-7
    assert abs(descend(Optimizer(rules.nag, lr=1 / 25, gamma=4 / 6), grad, [3.3], 200)[-1, 0]) < 1e-7


def test_nesterov_1983_keeps_its_promise():
    """A6: f - f* <= 2 L |θ0 - θ*|²/(k+1)² on the worst function; and the sequence a_k >= (k+1)/2."""
    n, L = 101, 4.0
    A = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    b = np.eye(n)[0]
    best = np.linalg.solve(A, b)

    def value(x):
        return 0.5 * x @ A @ x - b @ x

    path = descend(Optimizer(rules.nesterov_1983, lr=1 / L), lambda x: A @ x - b, np.zeros(n), 100)
    for k in range(1, 101):
        assert 0 <= value(path[k]) - value(best) <= 2 * L * best @ best / (k + 1) ** 2
    optimizer, theta = Optimizer(rules.nesterov_1983), np.array([1.0])
    state, found = optimizer.init(theta), []
    for _ in range(5):
        found.append(float(state["a"][0]))
        theta, state = optimizer.tell(theta, theta, state)
    np.testing.assert_allclose(found, [1, 1.618034, 2.193527, 2.749791, 3.294880], atol=1e-6)
    assert all(a >= (k + 2) / 2 for k, a in enumerate(found))


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.99])
def test_terminal_velocity(gamma):
    """A7: under a constant gradient the velocity is (1 - γ^t)/(1 - γ) steps, ten times a step at 0.9."""
    path = descend(Optimizer(rules.momentum, lr=0.1, gamma=gamma), lambda x: np.ones(1), [0.0], 300)
    speed = -np.diff(path[:, 0])
    t = np.arange(1, 301)
    np.testing.assert_allclose(speed, 0.1 * (1 - gamma**t) / (1 - gamma), rtol=1e-9)


# --- facts: adaptive rules ----------------------------------------------------------------------------------

FIRST_STEPS = [
    ("adagrad", {}, -0.1), ("rmsprop", {}, -0.1 / math.sqrt(0.1)), ("rmsprop", {"rho": 0.99}, -1.0), ("adam", {}, -0.1),
    ("adam_uncorrected", {}, -0.1 * 0.1 / math.sqrt(0.001)), ("amsgrad", {}, -0.1 * 0.1 / math.sqrt(0.001)),
    ("adamax", {}, -0.1), ("nadam_constant", {}, -0.1 * (0.9 * 0.1 / (1 - 0.81) + 1)), ("irprop_minus", {}, -0.1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "hyper", "step"), FIRST_STEPS)
def test_first_step_does_not_depend_on_the_gradient_s_size(name, hyper, step):
    """B1: the first step is the rate times a number of the rule's own."""
    hyper = hyper | {"lr": 0.1} | ({} if name == "irprop_minus" else {"eps": 1e-12})
    theta = descend(Optimizer(rules.TABLE[name], **hyper), lambda x: np.array([1e-3, 1.0, 1e3]), [0.0, 0.0, 0.0], 1)[-1]
    np.testing.assert_allclose(theta, step, rtol=1e-6)


def test_first_step_of_adadelta_is_its_epsilon():
    """B1: about the root of eps/(1 - rho), for gradients that are large against it."""
    theta = descend(Optimizer(rules.adadelta), lambda x: np.array([1e-3, 1.0, 1e3]), [0.0, 0.0, 0.0], 1)[-1]
    np.testing.assert_allclose(theta, [-0.000976, -0.004472, -0.004472], atol=5e-7)


@pytest.mark.parametrize("name", ["adagrad", "rmsprop", "adam", "adamax", "irprop_minus", "adadelta", "sgd"])
def test_scale_of_the_gradient(name):
    """B2: a thousand times the gradient gives the same path where the rule has no epsilon; not with SGD."""
    hyper = {} if name in ("irprop_minus", "adadelta", "sgd") else {"eps": 0.0}
    stream = np.random.default_rng(6).standard_normal((100, 4))
    paths = [
        follow(Optimizer(rules.TABLE[name], **hyper), np.zeros(4), c * stream, np.zeros(100))[0] for c in (1, 1000)
    ]
    apart = np.abs(paths[0] - paths[1]).max()
    assert apart > 1 if name == "sgd" else 1e-6 < apart < 1e-2 if name == "adadelta" else apart < 1e-14


@pytest.mark.parametrize(
    ("name", "sees_axes"),
    [("sgd", False), ("momentum", False), ("nag", False), ("nesterov_1983", False), ("adagrad_full", False),
     ("adagrad", True), ("adam", True), ("rmsprop", True), ("adadelta", True), ("irprop_minus", True)],
)  # fmt: skip
def test_rotated_problem(name, sees_axes):
    """B3: SGD, momentum and full-matrix Adagrad walk a rotated path on a rotated problem; the rest see the axes."""
    c, s = math.cos(0.5), math.sin(0.5)
    Q, H, start = np.array([[c, -s], [s, c]]), np.array([1.0, 8.0]), np.array([1.0, 0.7])
    optimizer = Optimizer(rules.TABLE[name], **({} if name == "adadelta" else {"lr": 0.05}))
    path = descend(optimizer, lambda x: H * x, start, 60)
    turned = descend(optimizer, lambda x: Q @ (H * (Q.T @ x)), Q @ start, 60)
    apart = np.abs(path @ Q.T - turned).max()
    assert apart > 0.01 if sees_axes else apart < 1e-9


@pytest.mark.parametrize(("silence", "expected"), [(10, 0.48), (100, 0.98), (1000, 2.515), (5000, 3.1516)])
def test_adam_after_a_long_silence(silence, expected):
    """B4: a gradient after silence makes a step of up to (1 - β1)/√(1 - β2) = 3.16 rates, not of one."""
    adam, theta = Optimizer(rules.adam, lr=1.0, eps=0.0), np.array([0.0])
    state = adam.init(theta) | {"t": np.asarray(silence)}  # as if all gradients had been zero
    theta, _ = adam.tell(theta, [1.0], state)
    assert -theta[0] == pytest.approx(expected, abs=0.006)
    assert -theta[0] < 0.1 / math.sqrt(0.001)


def test_adamax_steps_are_bounded_by_its_rate():
    """B5: even on a Cauchy stream, where Adam's are not."""
    stream = np.random.default_rng(8).standard_cauchy((2000, 20))
    path, _ = follow(Optimizer(rules.adamax, lr=0.1), np.zeros(20), stream, np.zeros(2000))
    assert np.abs(np.diff(path, axis=0)).max() <= 0.1 * (1 + 1e-12)


def test_why_adagrad_has_a_root():
    """B7: under a constant gradient it travels 2√T + ζ(1/2) rates; without the root it would be ln T + 0.577."""
    T = 20_000
    path = descend(Optimizer(rules.adagrad, lr=1.0, eps=0.0), lambda x: np.full(1, 3.0), [0.0], T)
    assert -path[-1, 0] == pytest.approx(2 * math.sqrt(T) - 1.4603545, abs=0.01)


def test_rmsprop_ends_in_a_cycle_of_its_rate():
    """B9: with a constant rate and no noise it jumps between ±lr/2 in every coordinate, whatever the curvature."""
    f, lr = Quadratic([1.0, 100.0]), 0.1
    path = descend(Optimizer(rules.rmsprop, lr=lr), f.grad, [1.0, 1.0], 3000)
    np.testing.assert_allclose(np.abs(path[-2:]), lr / 2, atol=1e-7)
    assert f(path[-1]) == pytest.approx(lr**2 / 8 * 101, rel=1e-6)
    assert f(descend(Optimizer(rules.adam, lr=lr), f.grad, [1.0, 1.0], 1500)[-1]) < 1e-12


@pytest.mark.parametrize("curvature", [3.0, 10.0])
def test_adadelta_s_oscillation_grows_on_a_steep_quadratic(curvature):
    """B10: without noise the squared amplitude grows by eps/4 (1 - 4/λ²) a step where λ > 2."""
    eps = 1e-4
    path = descend(Optimizer(rules.adadelta, eps=eps), Quadratic([curvature]).grad, [0.5], 20_000)[:, 0]
    slope = (np.mean(path[-500:] ** 2) - np.mean(path[9_500:10_000] ** 2)) / 10_000
    assert slope == pytest.approx(eps / 4 * (1 - 4 / curvature**2), rel=0.01)


def test_rprop_drifts_on_mini_batches():
    """F3: nine gradients of +0.1 and one of -0.9 have mean zero, but only their signs count."""
    stream = np.tile([0.1] * 9 + [-0.9], 100).reshape(-1, 1)
    ends = {
        name: follow(Optimizer(rules.TABLE[name], **hyper), np.zeros(1), stream, np.zeros(1000))[0][-1, 0]
        for name, hyper in (("irprop_minus", {}), ("rmsprop", {"lr": 0.01}), ("sgd", {"lr": 0.01}))
    }
    assert ends["irprop_minus"] < -1e4
    assert ends["rmsprop"] == pytest.approx(-0.81, abs=0.15)
    assert ends["sgd"] == pytest.approx(0.0, abs=1e-12)


def test_a_local_gain_stays_where_a_gradient_is_zero():
    """The slide lets the gain fall there too; the docstring says that ours departs."""
    _, state = follow(Optimizer(rules.local_gains), np.zeros(3), np.array([[1.0, 0, 1], [0, 1, 1]]), np.zeros(2))
    assert state["gain"].tolist() == [1.0, 1.0, 1.05]
    _, state = follow(Optimizer(rules.local_gains), np.zeros(1), np.array([[1.0], [-1.0]]), np.zeros(2))
    assert state["gain"].tolist() == [0.95]
    assert "whose gain also falls where the product is zero" in rules.local_gains.__doc__


def test_local_gains_stay_near_one_under_random_signs():
    """F4: additive increase and multiplicative decrease keep the mean gain at 1."""
    stream = np.random.default_rng(9).choice([-1.0, 1.0], (600, 2000))
    _, state = follow(Optimizer(rules.local_gains), np.zeros(2000), stream, np.zeros(600))
    assert state["gain"].mean() == pytest.approx(1.003, abs=0.02)


# --- facts: walks on the surfaces of the book ---------------------------------------------------------------


def steps_until(done, optimizer: Optimizer, f, start, most: int) -> int | None:
    walk = islice(iterates(optimizer, f.grad, start), most + 1)
    return next((k for k, theta in enumerate(walk) if done(theta)), None)


def with_rates(*cases):
    return pytest.mark.parametrize(
        ("name", "hyper", "expected"), cases, ids=[f"{c[0]}-{i}" for i, c in enumerate(cases)]
    )


@with_rates(
    ("sgd", {"lr": 0.1}, [49, 145, 242]), ("momentum", {"lr": 0.1}, [19, 52, 86]), ("nag", {"lr": 0.1}, [17, 47, 76]),
    ("adagrad", {"lr": 0.1, "eps": 0.0}, [17, 17, 17]), ("rmsprop", {"lr": 0.1, "eps": 0.0}, [4, 4, 4]),
    ("adam", {"lr": 0.1, "eps": 0.0}, [11, 11, 11]), ("adadelta", {}, [30, 40, 53]),
)  # fmt: skip
def test_steps_to_leave_a_saddle(name, hyper, expected):
    """D7: from a distance δ of the ridge, in ln(1/δ)/ln(1 + lr) steps; the adaptive rules do not care about δ."""
    f, optimizer = surfaces.saddle.but(c=0.0), Optimizer(rules.TABLE[name], **hyper)
    found = [steps_until(lambda p: abs(p[1]) > 1, optimizer, f, [1.0, delta], 300) for delta in (1e-2, 1e-6, 1e-10)]
    assert found == expected
    if name == "sgd":
        assert found == [math.ceil(math.log(1 / delta) / math.log(1.1)) for delta in (1e-2, 1e-6, 1e-10)]


def test_exactly_on_the_ridge_nothing_leaves_a_saddle():
    for name in ("sgd", "momentum", "nag", "adagrad", "rmsprop", "adam", "adadelta"):
        path = descend(Optimizer(rules.TABLE[name]), surfaces.saddle.grad, [1.0, 0.0], 200)
        assert np.all(path[:, 1] == 0)


@with_rates(
    ("sgd", {"lr": 0.05}, 191), ("momentum", {"lr": 0.05}, 53), ("nag", {"lr": 0.05}, 49), ("adagrad", {"lr": 0.5}, 2),
    ("adadelta", {}, 33), ("rmsprop", {"lr": 0.05}, 9), ("adam", {"lr": 0.05}, 20),
)  # fmt: skip
def test_race_from_the_saddle(name, hyper, expected):
    f = surfaces.saddle
    assert steps_until(lambda p: abs(p[1]) > 1, Optimizer(rules.TABLE[name], **hyper), f, f.start, 300) == expected


@with_rates(
    ("sgd", {"lr": 0.018}, 488), ("momentum", {"lr": 0.018}, 160), ("nag", {"lr": 0.0099}, 99),
    ("momentum", {"lr": 4 / 121, "gamma": (9 / 11) ** 2}, 69),
    ("adagrad", {"lr": 1.0}, 265), ("adam", {"lr": 0.1}, 305),
    ("adadelta", {}, None), ("rmsprop", {"lr": 0.1}, None),
)  # fmt: skip
def test_race_through_the_ravine(name, hyper, expected):
    f = surfaces.ravine
    found = steps_until(lambda p: f(p) < 1e-6, Optimizer(rules.TABLE[name], **hyper), f, f.start, 2000)
    assert found == (expected if expected is None else pytest.approx(expected, abs=1))


@with_rates(("sgd", {"lr": 0.018}, 49), ("momentum", {"lr": 0.018}, 23), ("adam", {"lr": 0.1}, 3))
def test_momentum_calms_the_walls_of_the_ravine(name, hyper, expected):
    y = descend(Optimizer(rules.TABLE[name], **hyper), surfaces.ravine.grad, surfaces.ravine.start, 50)[1:, 1]
    assert int((y[1:] * y[:-1] < 0).sum()) == expected


@with_rates(
    ("sgd", {"lr": 0.003}, 3001), ("momentum", {"lr": 0.002}, 379), ("nag", {"lr": 0.002}, 401),
    ("adagrad", {"lr": 0.5}, 835), ("adam", {"lr": 0.05}, 696), ("rmsprop", {"lr": 0.02}, None), ("adadelta", {}, None),
)  # fmt: skip
def test_race_on_beale(name, hyper, expected):
    f = surfaces.beale
    found = steps_until(lambda p: f(p) < 1e-4, Optimizer(rules.TABLE[name], **hyper), f, f.start, 3100)
    assert found == (expected if expected is None else pytest.approx(expected, abs=1))


@pytest.mark.parametrize(
    ("start", "name", "gamma", "end"),
    [(4.5, "momentum", 0.0, 1), (4.5, "momentum", 0.5, 1), (4.5, "momentum", 0.9, 1), (4.5, "momentum", 0.95, 0),
     (7.5, "momentum", 0.0, 3), (7.5, "momentum", 0.9, 1), (7.5, "momentum", 0.95, 0),
     (7.5, "nag", 0.9, 1), (7.5, "nag", 0.95, 0)],
)  # fmt: skip
def test_momentum_over_a_barrier(start, name, gamma, end):
    """F2: enough speed leaves a minimum, too little does not, and nothing promises the lowest one."""
    f = surfaces.waves
    path = descend(Optimizer(rules.TABLE[name], lr=0.05, gamma=gamma), f.grad, [start], 2000)
    np.testing.assert_allclose(path[-1], f.minima[end], atol=1e-6)


def test_gradient_descent_on_a_kink_cycles():
    """F1: on |x| it ends in two points a rate apart."""
    path = descend(Optimizer(rules.sgd, lr=0.25), np.sign, [1.1], 100)[:, 0]
    assert abs(path[-1] - path[-2]) == pytest.approx(0.25)
    assert path[-1] == pytest.approx(path[-3])


def test_sgd_keeps_a_floor_of_noise():
    """D1: with a constant rate the variance ends at lr σ²/(λ(2 - lr λ)), with momentum a little higher."""
    rng, n = np.random.default_rng(10), 20_000
    for lr, curvature, gamma, expected in ((0.1, 1.0, 0.0, 0.052632), (0.5, 2.0, 0.0, 0.25), (0.1, 1.0, 0.9, 0.513514)):
        walk = iterates(
            Optimizer(rules.momentum, lr=lr, gamma=gamma),
            lambda x, h=curvature: h * x + rng.standard_normal(n),
            np.zeros(n),
        )
        end = next(islice(walk, 250, None))
        assert end.var() == pytest.approx(expected, rel=3 * math.sqrt(2 / n))


def test_robbins_monro_rate_is_the_running_mean():
    """D2: with rates 1/t on x²/2 and noisy gradients, SGD is minus the mean of the noise, exactly."""
    noise = np.random.default_rng(11).standard_normal(500)
    lr = schedules.robbins_monro(1.0)
    path = descend(Optimizer(rules.sgd, lr=lr), lambda x, t: x + noise[t], [3.0], 500)[1:, 0]
    np.testing.assert_allclose(path, -np.cumsum(noise) / np.arange(1, 501), atol=1e-12)
