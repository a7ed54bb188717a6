"""The figures of the chapter on a learning rate for every weight: what they draw, and what they refuse."""

import numpy as np
import pytest

from downhill_course.figures import adaptive
from optlib import Optimizer, descend, rules, surfaces
from optlib.oracles import check_gradient
from optlib.view import colour

F = surfaces.ravine


def lines(axes) -> dict[str, np.ndarray]:
    """Height of every labelled line."""
    return {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines if line.get_label()[0] != "_"}


def test_drift_has_the_algorithms_colours_and_the_target():
    picture = adaptive.drift({"sgd": [0.0, 1.0], "rmsprop": [0.0, 2.0]}, target=[3.0, 3.0])
    (axes,) = picture.figure.axes
    assert {line.get_label(): line.get_color() for line in axes.lines}["rmsprop"] == colour("rmsprop")
    np.testing.assert_array_equal(lines(axes)[r"$\theta^\star$"], [3.0, 3.0])
    assert axes.get_yscale() == "linear"
    assert adaptive.drift({"sgd": [0.0, -9.0]}, linear=0.1).figure.axes[0].get_yscale() == "symlog"


def test_results_stand_against_what_was_varied_and_are_cut_at_the_top():
    table = np.array([[0.5, 0.2, 40.0], [0.7, 0.3, 60.0], [0.6, 0.4, 50.0]])
    picture = adaptive.against([0.1, 1.0, 10.0], {"sgd": table}, xlabel=r"$\eta$", ylabel="$J$", log_x=True, top=1.0)
    (axes,) = picture.figure.axes
    np.testing.assert_allclose(lines(axes)["sgd"], [0.6, 0.3, 50.0])
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_ylim() == pytest.approx((0.18, 1.0))


@pytest.mark.parametrize("degrees", [0.0, 30.0, -135.0])
def test_a_turned_surface_is_the_same_landscape_elsewhere(degrees):
    g = adaptive.turned(surfaces.himmelblau, degrees)
    points = np.random.default_rng(0).normal(size=(3, 4, 2))
    np.testing.assert_allclose(g(adaptive.turn(points, degrees)), surfaces.himmelblau(points), rtol=1e-12)
    assert check_gradient(g, g.grad, [0.3, -0.7]).ok
    assert np.abs(g.grad(g.minima)).max() < 1e-4
    assert g(g.start) == pytest.approx(surfaces.himmelblau(surfaces.himmelblau.start))


def test_only_a_plane_is_turned():
    with pytest.raises(ValueError, match="1 coordinate"):
        adaptive.turned(surfaces.waves, 10.0)


@pytest.mark.parametrize("name", ["sgd", "adagrad_full"])
def test_who_sees_the_whole_vector_does_not_notice_a_turn(name):
    """B3: the same number of steps at every angle, while the diagonal form of Adagrad needs more."""
    assert steps(name, 0.0) == steps(name, 45.0) < steps("adagrad", 45.0)


def steps(name: str, degrees: float) -> int:
    g = adaptive.turned(F, degrees)
    lr = 0.018 if name == "sgd" else 5.0
    below = g(descend(Optimizer(rules.TABLE[name], lr=lr), g.grad, g.start, 1500)) < 1e-6
    assert below.any()
    return int(below.argmax())


def test_memory_is_what_the_rule_keeps_after_each_update():
    stream = np.array([[1.0], [2.0], [3.0]])
    seen = adaptive.memory(Optimizer(rules.adagrad), lambda theta, t: stream[t], [0.0], 3)
    assert set(seen) == {"G"}
    np.testing.assert_array_equal(seen["G"][:, 0], [1.0, 5.0, 14.0])


def test_regret_counts_what_the_best_corner_would_have_saved():
    stream = np.array([[1.0, 0.0], [1.0, 2.0], [-3.0, 2.0]])
    lost, bound = adaptive.regret(lambda theta, t: stream[t], steps=3, d=2)
    # theta is 0, then (-1, 0), then (-1, -1): paid 0, -1, 3 - 2; the sums are (1, 0), (2, 2), (-1, 4)
    np.testing.assert_allclose(lost, [0 + 1, -1 + 4, 0 + 5])
    np.testing.assert_allclose(bound, 2 * 2**0.5 * np.array([1, 2**0.5 + 2, 11**0.5 + 8**0.5]))


def test_regret_stays_below_its_bound_against_one_who_looks_first():
    """B8, with an adversary who always pushes outwards."""
    lost, bound = adaptive.regret(lambda theta, t: np.where(theta < 0, -1.0, 1.0), steps=300, d=5)
    assert (lost <= bound).all()
    assert lost[-1] > 0.3 * bound[-1]
