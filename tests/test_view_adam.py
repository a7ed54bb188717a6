"""The experiments and figures of the chapter on Adam: what they compute, what they draw, and what they refuse."""

import numpy as np
import pytest

from downhill_course.figures import adam, adaptive
from optlib import Optimizer, rules, surfaces
from optlib.oracles import check_gradient
from optlib.view import colour

UNIT = Optimizer(rules.adam, lr=1.0)


def lines(axes) -> dict[str, np.ndarray]:
    """Height of every labelled line."""
    return {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines if line.get_label()[0] != "_"}


def test_steps_are_what_the_rule_makes_of_each_gradient():
    g = np.random.default_rng(0).normal(size=(6, 3))
    np.testing.assert_allclose(adam.steps(Optimizer(rules.sgd, lr=0.5), g), 0.5 * g, rtol=1e-12)
    np.testing.assert_allclose(adam.steps(UNIT, g)[0], np.sign(g[0]), rtol=1e-6)
    with pytest.raises(ValueError, match="one for each update"):
        adam.steps(UNIT, 3.0)


@pytest.mark.parametrize("silence", [10, 100, 1000, 5000])
def test_a_step_after_silence(silence):
    """B4: up to (1 - beta1) / sqrt(1 - beta2) learning rates."""
    found = adam.steps(UNIT, np.repeat([0.0, 1.0], [silence, 1]))[-1]
    assert found == pytest.approx({10: 0.482, 100: 0.980, 1000: 2.515, 5000: 3.1516}[silence], abs=5e-4)


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.999), (0.9, 0.99), (0.5, 0.9), (0.0, 0.5)])
def test_no_stream_of_gradients_makes_a_longer_step_than_the_bound(beta1, beta2):
    rng = np.random.default_rng(1)
    g = rng.standard_cauchy((400, 300)) * 10.0 ** rng.uniform(-3, 3, 300)
    longest = np.abs(adam.steps(Optimizer(rules.adam, lr=1.0, beta1=beta1, beta2=beta2, eps=0.0), g)).max(axis=1)
    assert (longest <= adam.largest_step(beta1, beta2, np.arange(1, 401)) * (1 + 1e-12)).all()


def test_the_bound_is_reached_and_lies_above_the_papers():
    for beta2 in (0.99, 0.999):
        optimizer = Optimizer(rules.adam, lr=1.0, beta2=beta2, eps=0.0)
        found = adam.steps(optimizer, adam.worst_gradients(0.9, beta2))[-1]
        assert found == pytest.approx(adam.largest_step(0.9, beta2), rel=1e-6)
        assert found > 2 * max(1.0, 0.1 / np.sqrt(1 - beta2))
    assert adam.largest_step(0.9, 0.999, 1) == pytest.approx(1.0)


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.81), (0.9, 0.5), (0.0, 0.0), (1.0, 0.999)])
def test_without_forgetting_the_mean_faster_there_is_no_bound(beta1, beta2):
    with pytest.raises(ValueError, match=r"beta1\*\*2 below beta2"):
        adam.largest_step(beta1, beta2)


def test_the_power_mean_is_adams_for_two_and_adamaxs_in_the_limit():
    g = np.random.default_rng(2).normal(size=60)
    v = [0.0]
    for x in g:
        v.append(0.9**2 * v[-1] + (1 - 0.9**2) * x**2)
    np.testing.assert_allclose(adam.power_mean(g, 0.9, 2), np.sqrt(v[1:]), rtol=1e-12)
    limit = adam.power_mean(g, 0.9, np.inf)
    _, (_, u) = rules.adamax(0.0, g[1], 0.0, abs(g[0]), 2, beta2=0.9)
    assert limit[1] == u
    gaps = [np.abs(adam.power_mean(g, 0.9, p) - limit).max() for p in (10, 100, 1000)]
    assert gaps[0] > 5 * gaps[1] > 25 * gaps[2] > 0
    with pytest.raises(ValueError, match="positive"):
        adam.power_mean(g, 0.9, 0)


def test_adamax_hardly_exceeds_its_rate():
    """B5, sharpened: the bound is (1 - beta1) / (1 - beta1 / beta2), reached by gradients that fade by beta2."""
    longest = adam.steps(Optimizer(rules.adamax, lr=1.0), 0.999 ** np.arange(2000.0)).max()
    assert longest == pytest.approx(0.1 / (1 - 0.9 / 0.999), rel=1e-9)


@pytest.mark.parametrize("C", [2.5, 3.0, 10.0])
def test_reddis_problem_leads_adam_to_the_worst_point(C):
    """B11: regret 2 (C - 2) / 3 in the limit; the remedies go to -1."""
    betas = {"beta1": 0.0, "beta2": 1 / (1 + C**2)}
    points, regret = adam.reddi(Optimizer(rules.adam, lr=0.2, **betas), C, 6000)
    assert points[-1] > 0.99
    assert regret == pytest.approx(2 * (C - 2) / 3, rel=0.05)
    for rule in (rules.amsgrad, rules.amsgrad_torch, rules.amsgrad_optax):
        points, better = adam.reddi(Optimizer(rule, lr=0.2, **betas), C, 6000)
        assert points[-1] < -0.99
        assert better < regret / 4


def test_creep_goes_from_sign_descent_to_the_mean_gradient():
    short, long = adam.creep(3.0, 3, [1 + 1e-12, 1e9])
    assert short == pytest.approx(1 / 3, abs=1e-6)
    assert long == pytest.approx(-1 / 3 / np.sqrt(11 / 3), rel=1e-2)


def test_a_race_counts_updates_and_what_never_arrives_counts_as_the_budget():
    starts = [[4.0, 1.0], [-3.0, 0.5]]
    assert list(adam.race(rules.sgd, surfaces.bowl, starts)) == [1, 1, 1]
    assert list(adam.race(rules.sgd, surfaces.ravine, starts, budget=60)) == [60, 60, 60]


def test_adamw_stands_still_where_gradient_and_decay_balance():
    theta = adam.balance([3.0, 2.0], [4.0, 0.25], 0.25)
    force = (theta - [3.0, 2.0]) / np.hypot([4.0, 0.25], theta - [3.0, 2.0])
    np.testing.assert_allclose(force, -0.25 * theta, rtol=1e-9)


def test_a_bowl_stands_where_it_is_put():
    bowl = adam.bowl_at(3, 2, domain=((-1, 4), (-1, 3)))
    assert check_gradient(bowl, bowl.grad, [0.3, -0.7]).ok
    assert bowl([3.0, 2.0]) == 0
    assert bowl.minima == ((3, 2),)


def test_the_bias_figure_shows_both_moments_with_and_without_correction():
    g = np.array([1.0, 3.0, 2.0])
    picture = adam.bias(g, UNIT, means=(2.0, 5.0))
    above, below = (lines(axes) for axes in picture.figure.axes)
    np.testing.assert_allclose(above["$m$"], [0.1, 0.39, 0.551])
    np.testing.assert_allclose(above[r"$\hat m$"][0], 1.0)
    np.testing.assert_allclose(below["$v$"][:2], [0.001, 0.009999])
    np.testing.assert_allclose(below[r"$\hat v$"][0], 1.0)


def test_norms_run_from_adams_colour_to_adamaxs():
    picture = adam.norms([1.0, -2.0, 0.5], 0.9, (2, 8, np.inf))
    drawn = {line.get_label(): line for line in picture.figure.axes[0].lines}
    assert list(drawn) == ["$p=2$", "$p=8$", r"$p=\infty$"]
    assert drawn["$p=2$"].get_color() == colour("adam")
    assert drawn[r"$p=\infty$"].get_color() == colour("adamax")
    np.testing.assert_allclose(drawn[r"$p=\infty$"].get_ydata(), [1.0, 2.0, 1.8])


def test_a_ring_marks_the_predicted_end_of_a_walk_that_is_drawn():
    bowl = adam.bowl_at(3, 2, domain=((-1, 4), (-1, 3)))
    picture = adam.pulled(bowl, {"adamw": [[0.0, 0.0], [1.0, 1.0]]}, {"adamw": [1.5, 1.0]})
    rings = [line for line in picture.figure.axes[0].lines if line.get_markersize() == 17]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in rings] == [(1.5, 1.0)]
    with pytest.raises(ValueError, match="ends of sgd"):
        adam.pulled(bowl, {"adamw": [[0.0, 0.0]]}, {"sgd": [1.0, 1.0]})


def test_what_was_measured_may_have_a_linear_height():
    drawn = adaptive.against([1.0, 10.0], {"adam": [-0.5, 1.0]}, xlabel="$t$", ylabel="$u$", log_x=True, log=False)
    (axes,) = drawn.figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    np.testing.assert_array_equal(lines(axes)["adam"], [-0.5, 1.0])


def test_epsilon_acts_where_the_divisor_is_as_small():
    first = adam.first_steps([1.0, 1e-8], eps=1e-8)
    outside, inside, hat = first.values()
    np.testing.assert_allclose([outside[0], inside[0], hat[0]], 1.0, atol=1e-6)
    assert outside[1] == pytest.approx(0.5)
    assert inside[1] == pytest.approx(1e-4, rel=1e-3)
    assert hat[1] == pytest.approx(1 / (1 + 1 / np.sqrt(0.001)))
