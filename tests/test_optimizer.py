"""The Optimizer and the walks: what they refuse and how they say it. That every rule obeys is in test_rules.py."""

import math
from itertools import islice

import numpy as np
import pytest

from optlib import NotFinite, Optimizer, descend, iterates, rules, run, schedules, surfaces
from optlib.optimizer import specification

SGD = Optimizer(rules.sgd, lr=0.1)
MOMENTUM = Optimizer(rules.momentum, lr=0.1)


def bowl(theta):
    return theta


# --- what an optimizer is ---------------------------------------------------------------------------


def test_is_immutable():
    with pytest.raises(AttributeError, match=r"immutable: make a new one, Optimizer\(sgd, lr=\.\.\.\)"):
        SGD.lr = 0.2
    with pytest.raises(AttributeError, match="immutable"):
        SGD.hyper = {}
    with pytest.raises(TypeError):
        SGD.hyper["lr"] = 0.2


def test_keeps_its_own_copy_of_an_array():
    rates = np.array([0.1, 0.2])
    optimizer = Optimizer(rules.sgd, lr=rates)
    rates[:] = 9.0
    assert descend(optimizer, bowl, [1.0, 1.0], 1)[-1].tolist() == [0.9, 0.8]


def test_prints_its_rule_and_hyper_parameters():
    assert repr(SGD) == "Optimizer(sgd, lr=0.1)"

    def halving(t):
        return 0.5**t

    assert repr(Optimizer(rules.momentum, lr=halving)) == "Optimizer(momentum, lr=halving, gamma=0.9)"


@pytest.mark.parametrize("rule", ["adam", None, 3])
def test_refuses_what_is_no_rule(rule):
    with pytest.raises(TypeError, match=r"is no rule: give a function such as optlib\.rules\.adam"):
        Optimizer(rule)


def test_refuses_a_function_of_another_form():
    def descend_once(x, g):
        return x - g, ()

    with pytest.raises(TypeError, match=r"descend_once\(x, g\) is no rule: its positional names must be theta, g"):
        Optimizer(descend_once)


def test_hyper_parameter_without_default_must_be_given():
    def rule(theta, g, *, lr):
        return theta - lr * g, ()

    with pytest.raises(TypeError, match="rule needs a value for lr: it has no default"):
        Optimizer(rule)
    assert descend(Optimizer(rule, lr=1.0), bowl, [1.0], 1)[-1] == 0


def test_a_rule_of_ones_own_needs_no_registration():
    def sign_momentum(theta, g, m, t, *, lr=0.1, beta1=0.9, kick=-1.0):
        """Memory, clock, a hyper-parameter with a known range (beta1) and one without (kick)."""
        m = beta1 * m + (1 - beta1) * g
        return theta + kick * lr / t * np.sign(m), (m,)

    assert specification(sign_momentum)[:2] == (("m",), ("t",))
    path = descend(Optimizer(sign_momentum), bowl, [1.0, -1.0], 3)
    np.testing.assert_allclose(path[:, 0], [1.0, 0.9, 0.85, 0.85 - 0.1 / 3])
    with pytest.raises(ValueError, match=r"sign_momentum: beta1=1.0 is out of range; allowed is \[0, 1\)"):
        Optimizer(sign_momentum, beta1=1.0)
    assert Optimizer(sign_momentum, kick=-100.0).hyper["kick"] == -100


def test_a_rule_that_loses_a_shape_or_a_memory_is_told():
    def summed(theta, g, *, lr=0.1):
        return (theta - lr * g).sum(), ()

    def forgetful(theta, g, m, *, lr=0.1):
        return theta - lr * g, ()

    with pytest.raises(
        ValueError, match=r"summed returned a point of shape \(\) and 0 memories; theta has shape \(2,\)"
    ):
        descend(Optimizer(summed), bowl, [1.0, 2.0], 1)
    with pytest.raises(ValueError, match=r"forgetful returned .* 0 memories; .* names 1"):
        descend(Optimizer(forgetful), bowl, [1.0, 2.0], 1)


# --- shapes and types -------------------------------------------------------------------------------


@pytest.mark.parametrize("theta", [[1, 2], np.array([1, 2]), [True], ["a"], 1j], ids=str)
def test_a_point_must_be_floats(theta):
    for walk in (SGD.init, lambda theta: descend(SGD, bowl, theta, 1), lambda theta: next(iterates(SGD, bowl, theta))):
        with pytest.raises(TypeError, match=r"theta holds .* a point must be floats"):
            walk(theta)


@pytest.mark.parametrize("g", [[1.0], 1.0, [[1.0, 2.0]], [1.0, 2.0, 3.0]], ids=str)
def test_a_gradient_has_the_shape_of_its_point(g):
    with pytest.raises(ValueError, match=r"the gradient g has shape \(.*\), but theta has shape \(2,\) \(at step 1\)"):
        SGD.tell([1.0, 2.0], g, SGD.init([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"at step 1"):
        descend(SGD, lambda theta: g, [1.0, 2.0], 1)


def test_a_surface_in_place_of_its_gradient_is_told():
    with pytest.raises(ValueError, match=r"the gradient has shape \(\), but theta has shape \(2,\)"):
        descend(SGD, surfaces.bowl, [1.0, 2.0], 1)


def test_a_state_of_another_optimizer_is_told():
    state = MOMENTUM.init([1.0, 2.0])
    for use in (lambda: SGD.tell([1.0, 2.0], [1.0, 2.0], state), lambda: SGD.ask([1.0, 2.0], state),
                lambda: next(run(SGD, bowl, [1.0, 2.0], state))):  # fmt: skip
        with pytest.raises(ValueError, match="this state belongs to momentum, but the optimizer's rule is sgd"):
            use()
    with pytest.raises(ValueError, match=r"memory 'u' has shape \(2,\), but \(3,\) belongs to theta's \(3,\)"):
        MOMENTUM.tell(np.ones(3), np.ones(3), state)


@pytest.mark.parametrize("shape", [(3,), (4, 2), (1, 1, 2), (2, 1)], ids=str)
def test_an_array_of_rates_must_not_make_the_point_larger(shape):
    with pytest.raises(ValueError, match=r"sgd: lr is an array of shape .* which does not broadcast to theta's \(2,\)"):
        descend(Optimizer(rules.sgd, lr=np.full(shape, 0.1)), bowl, [1.0, 2.0], 1)
    with pytest.raises(ValueError, match=r"does not broadcast"):
        descend(Optimizer(rules.sgd, lr=lambda t: np.full(shape, 0.1)), bowl, [1.0, 2.0], 1)


@pytest.mark.parametrize("rate", [0.1, np.array([0.1, 0.2]), lambda t: np.array([0.1, 0.2]), lambda t: np.float64(0.1)])
def test_float32_stays_float32(rate):
    start = np.array([1.0, 2.0], dtype=np.float32)
    path = descend(Optimizer(rules.adam, lr=rate), lambda x: x.astype(np.float64), start, 3)
    theta, state = next(run(Optimizer(rules.adam, lr=rate), bowl, start))
    assert {path.dtype, theta.dtype, state["m"].dtype, state["v"].dtype} == {np.dtype(np.float32)}


def test_a_rate_for_each_run():
    """A column of rates, one for each of several starts."""
    path = descend(Optimizer(rules.sgd, lr=[[0.1], [0.5]]), bowl, [[1.0, 2.0], [1.0, 2.0]], 1)
    np.testing.assert_allclose(path[-1], [[0.9, 1.8], [0.5, 1.0]])


def test_single_numbers():
    path = descend(MOMENTUM, bowl, 1.0, 2)
    assert path.shape == (3,)
    np.testing.assert_allclose(path, [1.0, 0.9, 0.72])


# --- schedules --------------------------------------------------------------------------------------


def test_a_schedule_is_asked_with_the_number_of_updates_made():
    asked = []
    path = descend(Optimizer(rules.sgd, lr=lambda t: asked.append(t) or 0.5**t), lambda theta: np.ones(1), [0.0], 4)
    assert asked == [0, 1, 2, 3]
    assert path[:, 0].tolist() == [0.0, -1.0, -1.5, -1.75, -1.875]


def test_several_schedules_and_a_look_ahead_that_sees_them():
    optimizer = Optimizer(rules.nag, lr=schedules.exponential(0.1, gamma=0.5), gamma=lambda t: 0.5 if t < 2 else 0.25)
    state = optimizer.init([1.0]) | {"u": np.array([1.0])}
    assert optimizer.ask([1.0], state)[0] == 0.5
    assert optimizer.ask([1.0], state | {"t": np.asarray(2)})[0] == 0.75


@pytest.mark.parametrize("value", [-0.5, math.nan, math.inf])
def test_a_schedule_out_of_range_is_told_with_its_time(value):
    optimizer = Optimizer(rules.sgd, lr=lambda t: value if t == 3 else 0.1)
    with pytest.raises(ValueError, match=rf"sgd: lr={value} at t=3 is out of range; allowed is \[0, inf\)"):
        descend(optimizer, bowl, [1.0], 10)
    assert len(descend(optimizer, bowl, [1.0], 3)) == 4
    with pytest.raises(TypeError, match=r"sgd: lr=None at t=0 is no number"):
        descend(Optimizer(rules.sgd, lr=lambda t: None), bowl, [1.0], 1)


# --- not a number -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("step", [1, 7])
def test_a_bad_gradient_is_told_with_its_step_and_place(bad, step):
    def oracle(theta, t):
        return np.where((t == step - 1) & (np.arange(3) == 1), bad, theta)

    with pytest.raises(
        NotFinite, match=rf"the gradient is not finite at step {step} \(1 of 3 numbers, the first at index \(1,\)\)"
    ):
        descend(MOMENTUM, oracle, np.ones(3), 20)
    state = MOMENTUM.init(np.ones(3)) | {"t": np.asarray(step - 1)}
    with pytest.raises(NotFinite) as error:
        MOMENTUM.tell(np.ones(3), oracle(np.ones(3), step - 1), state)
    assert error.value.step == step


def test_a_run_that_diverges_is_told_when_it_overflows():
    """x is multiplied by -3 each step, so it is known when its step, 4 x, passes the largest float."""
    first = 1 + next(k for k in range(1000) if 4 * 3**k >= 2**1024)
    with pytest.raises(NotFinite, match="The run has diverged or the oracle is wrong there: try a smaller lr") as error:
        descend(Optimizer(rules.sgd, lr=4.0), bowl, [1.0], 1000)
    assert error.value.step == first


def test_large_but_finite_points_are_no_error():
    """Only the check's own sum overflows here."""
    assert descend(SGD, lambda theta: 0 * theta, np.full(3, 1.7e308), 2)[-1].tolist() == [1.7e308] * 3


def test_zero_over_zero_is_told():
    with pytest.raises(NotFinite, match="the new point is not finite at step 1"):
        descend(Optimizer(rules.adagrad, eps=0.0), lambda theta: np.zeros(2), [1.0, 2.0], 5)
    with pytest.raises(NotFinite, match="not finite at step 1"):  # a number over zero
        descend(Optimizer(rules.rmsprop_centred, rho=0.0, eps=0.0), bowl, [1.0, 2.0], 5)


def test_a_precision_that_overflows_is_told():
    start = np.ones(2, dtype=np.float32)
    with pytest.raises(NotFinite, match="the gradient is not finite at step 1"):
        SGD.tell(start, [1e300, 0.0], SGD.init(start))


def test_walking_on_through_infinity():
    path = descend(Optimizer(rules.sgd, lr=4.0), bowl, [[1.0], [0.0]], 1000, strict=False)
    assert not np.isfinite(path[-1, 0]).any()
    assert path[-1, 1] == 0
    whole = list(islice(iterates(Optimizer(rules.sgd, lr=4.0), bowl, [1.0], strict=False), 1001))
    assert np.array_equal(np.array(whole), path[:, 0], equal_nan=True)
    theta, state = next(islice(run(Optimizer(rules.sgd, lr=4.0), bowl, [1.0], strict=False), 999, None))
    assert not np.isfinite(theta).any()
    assert int(state["t"]) == 1000


# --- walks ----------------------------------------------------------------------------------------------


def test_three_ways_to_walk_agree():
    f, start = surfaces.rosenbrock, [-1.5, 2.0]
    optimizer = Optimizer(rules.nag, lr=1e-4)
    path = descend(optimizer, f.grad, start, 50)
    assert np.array_equal(path, list(islice(iterates(optimizer, f.grad, start), 51)))
    assert np.array_equal(path[1:], [theta for theta, _ in islice(run(optimizer, f.grad, start), 50)])
    theta, state = np.array(start), optimizer.init(start)
    for expected in path[1:]:
        theta, state = optimizer.tell(theta, f.grad(optimizer.ask(theta, state)), state)
        assert np.array_equal(theta, expected)


def test_a_rule_with_a_branch_is_called_once_a_step_and_keeps_no_buffer():
    """Its memory is g itself only later on, and the oracle fills one array again and again."""
    calls, buffer = [], np.empty(2)

    def late(theta, g, u, t, *, lr=0.1):
        calls.append(t)
        theta = theta - lr * u
        return theta, (g if t > 2 else g * 1.0,)

    def oracle(theta):
        np.multiply(theta, [1.0, 3.0], out=buffer)
        return buffer

    optimizer = Optimizer(late)
    path = descend(optimizer, oracle, [1.0, 2.0], 5)
    assert calls == [1, 2, 3, 4, 5]
    assert np.array_equal(path, list(islice(iterates(optimizer, oracle, [1.0, 2.0]), 6)))
    assert np.array_equal(path, descend(optimizer, lambda theta: theta * [1.0, 3.0], [1.0, 2.0], 5))


def test_a_rule_may_return_the_gradient_as_its_point():
    buffer = np.empty(1)

    def jump(theta, g):
        return g, ()

    def oracle(theta):
        buffer[:] = theta / 2
        return buffer

    walk = list(islice(iterates(Optimizer(jump), oracle, [8.0]), 4))
    assert [float(x[0]) for x in walk] == [8.0, 4.0, 2.0, 1.0]


def test_points_and_states_that_are_handed_out_may_be_changed():
    start = np.array([1.0, 2.0])
    path = descend(MOMENTUM, bowl, start, 4)
    walk = iterates(MOMENTUM, bowl, start)
    for expected in path:
        theta = next(walk)
        assert np.array_equal(theta, expected)
        theta[:] = 100.0
    for (theta, state), expected in zip(run(MOMENTUM, bowl, start), path[1:], strict=False):
        assert np.array_equal(theta, expected)
        theta[:], state["u"][:] = 100.0, 100.0
    assert start.tolist() == [1.0, 2.0]


def test_an_oracle_that_changes_its_argument_changes_no_caller():
    def oracle(theta):
        theta *= 0.5
        return theta.copy()

    start = np.array([1.0, 2.0])
    path = descend(SGD, oracle, start, 3)
    assert np.array_equal(path, list(islice(iterates(SGD, oracle, start), 4)))
    assert start.tolist() == [1.0, 2.0]


def test_an_infinite_gradient_is_told_even_where_the_rule_sees_its_sign_alone():
    with pytest.raises(NotFinite, match="the gradient is not finite at step 1"):
        descend(Optimizer(rules.rprop_minus), lambda theta: np.full(2, np.inf), [1.0, 2.0], 5)


def test_run_goes_on_from_a_state():
    """And the oracle's clock goes on with it."""

    def oracle(theta, t):
        return theta + np.sin(t)

    whole = list(islice(run(MOMENTUM, oracle, [1.0, 2.0]), 20))
    theta, state = whole[7]
    for (resumed, _), (expected, _) in zip(run(MOMENTUM, oracle, theta, state), whole[8:], strict=False):
        assert np.array_equal(resumed, expected)


def test_no_step_is_the_start():
    assert descend(SGD, bowl, [1.0, 2.0], 0).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("steps", [-1, 1.5, True, "3", None])
def test_steps_must_be_a_count(steps):
    with pytest.raises(ValueError, match=r"steps=.*: it must be a whole number, 0 or more"):
        descend(SGD, bowl, [1.0], steps)


def test_a_rule_that_compares_losses_says_so():
    optimizer, f = Optimizer(rules.irprop_plus), surfaces.bowl
    with pytest.raises(
        TypeError, match=r"irprop_plus compares losses: give tell\(\.\.\., loss=\.\.\.\), or run and descend a loss=f"
    ):
        descend(optimizer, f.grad, [1.0, 2.0], 1)
    path = descend(optimizer, f.grad, [[1.0, 2.0], [3.0, -1.0]], 60, loss=f)
    assert f(path[-1]).max() < 1e-3


def test_an_oracle_of_time_or_of_the_point_alone():
    assert descend(SGD, lambda theta, t: np.full(1, t), [0.0], 3)[-1, 0] == pytest.approx(-0.3)
    assert descend(SGD, np.sign, [1.0], 3)[-1, 0] == pytest.approx(0.7)
    assert descend(Optimizer(rules.sgd, lr=0.5), lambda theta, *, t: theta * (t < 1), [1.0], 3)[-1, 0] == 0.5


def test_the_start_is_not_walked_upon():
    start = np.array([1.0, 2.0])
    descend(MOMENTUM, bowl, start, 3)
    assert start.tolist() == [1.0, 2.0]


def test_a_start_or_a_gradient_that_is_no_number_is_named():
    f, optimizer = surfaces.bowl, Optimizer(rules.sgd)
    with pytest.raises(NotFinite, match=r"the start is not finite.*1 of 2 numbers, the first at index \(1,\)"):
        descend(optimizer, f.grad, [1.0, np.nan], 3)
    for gradient in (lambda theta: theta * 1j, lambda theta: ["a", "b"]):
        with pytest.raises(TypeError, match=r"the gradient at step 1=.*holds .* values: it must be an array"):
            descend(optimizer, gradient, [1.0, 2.0], 3)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"t": np.asarray(np.nan)}, ValueError, "is no count of updates"),
        ({"t": np.asarray(2.5)}, ValueError, "is no count of updates"),
        ({"t": np.asarray(-1)}, ValueError, "is no count of updates"),
        ({"m": np.array([0, 0])}, TypeError, "memory 'm' holds int64 values"),
        ({"m": np.array(["a", "b"])}, TypeError, "memory 'm'=.* holds <U1 values"),
    ],
)
def test_a_checkpoint_that_was_tampered_with_is_refused(change, error, says):
    optimizer, theta = Optimizer(rules.adam), np.array([1.0, 2.0])
    state = {**optimizer.init(theta), **change}
    for attempt in (lambda: optimizer.ask(theta, state), lambda: optimizer.tell(theta, theta, state)):
        with pytest.raises(error, match=says):
            attempt()
    with pytest.raises(TypeError, match="state=None: it must be a dict of arrays"):
        optimizer.tell(theta, theta, None)
    with pytest.raises(ValueError, match="this state holds nothing, but adam keeps m, t, v"):
        optimizer.tell(theta, theta, {})


# --- what is easily given by mistake ----------------------------------------------------------------------


@pytest.mark.parametrize("walk", [run, iterates, lambda *given: descend(*given, 3)], ids=["run", "iterates", "descend"])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((rules.adam, bowl, [1.0]), r"adam is no Optimizer: write Optimizer\(adam, lr=0.01\)"),
        (("adam", bowl, [1.0]), r"'adam' is no Optimizer: give an Optimizer\(rule"),
        ((SGD, None, [1.0]), "None is no oracle: give a function theta -> gradient"),
        ((SGD, bowl, np.ones(2, np.float16)), "half precision, in which every eps is 0: take float32"),
    ],
)
def test_a_rule_for_an_optimizer_and_nothing_for_an_oracle(walk, given, says):
    with pytest.raises(TypeError, match=says):
        next(iter(walk(*given)))


@pytest.mark.parametrize("returned", [lambda x: x, lambda x: (x,), lambda x: None, lambda x: (x, x)])
def test_a_rule_that_returns_something_else(returned):
    def mine(theta, g):
        return returned(theta - g)

    with pytest.raises(TypeError, match=r"mine returned .*: a rule returns its new point and the tuple of its memory"):
        descend(Optimizer(mine), bowl, [1.0, 2.0], 1)


def test_a_state_from_json_and_a_state_of_another_precision():
    theta, state = np.array([1.0, 2.0]), MOMENTUM.init([1.0, 2.0])
    listed = {name: array.tolist() for name, array in state.items()}
    assert np.array_equal(MOMENTUM.tell(theta, theta, listed)[0], MOMENTUM.tell(theta, theta, state)[0])
    with pytest.raises(TypeError, match="memory 'u' holds float64 values, but theta float32"):
        MOMENTUM.tell(theta.astype(np.float32), theta, state)


def test_limits_that_cross():
    with pytest.raises(ValueError, match=r"rprop_minus: low=2.0 lies above high=1.0"):
        Optimizer(rules.rprop_minus, low=2.0, high=1.0)


@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 1.0), (np.float64, 1.0), (np.float64, 1e9)])
def test_full_matrix_adagrad_leaves_directions_without_a_gradient_alone(dtype, scale):
    """Rounding in 28 of 30 directions was once divided by eps; the first step has the length of the rate."""
    curvatures = np.geomspace(1.0, 100.0, 30) * scale
    start = np.ones(30, dtype)
    path = descend(Optimizer(rules.adagrad_full, lr=0.1), lambda x: (curvatures * x).astype(dtype), start, 50)
    assert np.linalg.norm(path[1] - path[0]) == pytest.approx(0.1, rel=1e-3)
    f = 0.5 * (curvatures * path.astype(float) ** 2).sum(axis=-1)
    assert f[-1] < 0.5 * f[0]


def test_a_report_tells_the_rate_that_each_coordinate_really_had():
    start, steps = [10.0, 0.0, -1.0], 30
    scale = np.array([1.0, 5.0, 100.0])
    end = descend(Optimizer(rules.adagrad, lr=0.7, eps=1e-8), lambda theta: scale * theta, start, steps, report=True)
    squares = np.cumsum((scale * end.path[:-1]) ** 2, axis=0)
    assert end.rates.shape == (steps, 3)
    np.testing.assert_allclose(end.rates[:, ::2], 0.7 / (np.sqrt(squares[:, ::2]) + 1e-8), rtol=1e-10)
    assert np.isnan(end.rates[:, 1]).all()  # nothing to go down: it has no rate
    stopped = descend(
        Optimizer(rules.sgd, lr=0.5), lambda theta: theta, [8.0], 9, stop=lambda theta, t: t == 2, report=True
    )
    assert stopped.rates.tolist() == [[0.5], [0.5]]
    assert descend(Optimizer(rules.sgd), lambda theta: theta, [8.0], 9, every=2, report=True).rates is None
