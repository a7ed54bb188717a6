"""The figures of the chapter on momentum and Nesterov: what they draw, and the two functions they are drawn on."""

from itertools import pairwise

import numpy as np
import pytest

from downhill_course.figures import momentum
from optlib import Optimizer, descend, rules, surfaces, view
from optlib.oracles import check_gradient
from optlib.view import Picture


def named(ax) -> dict[str, np.ndarray]:
    """Height of every labelled line."""
    return {line.get_label(): np.asarray(line.get_ydata()) for line in ax.lines if line.get_label()[0] != "_"}


@pytest.mark.parametrize("surface", [momentum.ledge, momentum.kinked])
@pytest.mark.parametrize("x", [-0.7, 0.4, 1.5, 2.6, 4.4])
def test_slopes_are_those_of_the_functions(surface, x):
    assert check_gradient(surface, surface.grad, [x]).ok
    assert np.abs(surface.grad(surface.minima[0])).max() < 1e-12
    assert surface(surface.minima[0]) == pytest.approx(0)


def test_the_ledge_is_level_and_no_minimum():
    f = momentum.ledge
    assert f.grad([1.0])[0] == 0
    assert f([0.9]) > f([1.0]) > f([1.1])
    assert f([3.0]) < min(f([2.9]), f([3.1]))


def test_the_kinked_function_is_convex_with_curvatures_from_1_to_25_and_without_a_jump():
    x = np.linspace(-2, 4, 601)[:, None]
    rise = np.diff(momentum.kinked.grad(x)[:, 0]) / np.diff(x[:, 0])
    assert rise.min() > 1 - 1e-9
    assert rise.max() < 25 + 1e-9


@pytest.mark.parametrize("kappa", [10, 1000])
@pytest.mark.parametrize("rule", [rules.momentum, rules.nag])
def test_no_pair_of_a_grid_beats_the_best_pair(kappa, rule):
    h, gamma = np.meshgrid(np.linspace(0.05, 4, 80), np.linspace(0, 0.99, 100))
    grid = momentum.worst_radius(h, gamma, kappa, rule)
    best = momentum.worst_radius(*momentum.best_pair(kappa, rule), kappa, rule)
    assert best < grid.min()
    if rule is rules.momentum:
        assert best == pytest.approx((np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1))


def test_a_condition_number_below_1_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        momentum.worst_radius(0.1, 0.9, 0.5)


@pytest.mark.parametrize("friction", [0.0, 0.3, 2.0, 6.0])
def test_the_oscillation_solves_its_equation(friction):
    h = 1e-3
    x = momentum.oscillation(friction, h * np.arange(5000))
    speed, force = (x[2:] - x[:-2]) / (2 * h), (x[2:] - 2 * x[1:-1] + x[:-2]) / h**2
    np.testing.assert_allclose(force + friction * speed, -x[1:-1], atol=1e-5)
    assert x[0] == 1


def test_damped_draws_every_third_point_and_the_motion():
    ax = momentum.damped({0.3: np.arange(10.0), 2.0: np.zeros(10)}, h=0.1).figure.axes[0]
    drawn = named(ax)
    np.testing.assert_array_equal(drawn[r"$c=0.3,\ \gamma=0.97$"], [0, 3, 6, 9])


def test_four_points_number_the_steps():
    path = descend(Optimizer(rules.momentum, lr=0.1, gamma=0.95), momentum.ledge.grad, momentum.ledge.start, 20)
    ax = momentum.four_points(momentum.ledge, path, at=[0, 4]).figure.axes[0]
    assert [t.get_text() for t in ax.texts if t.get_text()] == ["1", "2"]
    marked = [line.get_xdata()[0] for line in ax.lines if line.get_markersize() == 10]
    assert marked == [path[0, 0], path[4, 0]]


def test_averages_come_in_pairs_of_a_colour():
    ax = momentum.averages([1.0, 2.0], {name: [1.0, 2.0] for name in "abcd"}).figure.axes[0]
    hues = [line.get_color() for line in ax.lines if line.get_label() in "abcd"]
    assert hues[0] == hues[1] != hues[2] == hues[3]


def test_the_maps_have_a_panel_and_a_cross_for_each_rule():
    lr, gamma = np.meshgrid([0.5, 1.0, 5.0], [0.0, 0.5])
    turns = {name: np.where(lr < 4, 12.0, np.inf) for name in ("momentum", "nag")}
    best = {"momentum": (3.3, 0.67), "nag": (1.3, 0.8)}
    axes = momentum.maps(lr, gamma, turns, best).figure.axes
    assert [ax.get_title() for ax in axes] == ["momentum", "nag"]
    for ax, limit in zip(axes, (2 * 1.5, 2 * 1.5 / 2), strict=True):
        (cross,) = [line for line in ax.lines if line.get_marker() == "+"]
        (border,) = [line for line in ax.lines if line.get_marker() == "None" and len(line.get_xdata()) == 101]
        assert (cross.get_xdata()[0], cross.get_ydata()[0]) == best[ax.get_title()]
        assert border.get_xdata()[50] == pytest.approx(limit)


def test_modes_lie_on_the_curves_with_their_share_as_area():
    ax = momentum.modes([0.1, 10.0], [0.2, 0.8], {"sgd": (0.1, 0.0), "momentum": (0.1, 0.25)}).figure.axes[0]
    plain, ball = ax.collections
    np.testing.assert_allclose(plain.get_offsets(), [[0.01, 0.99], [1.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(ball.get_offsets()[1], [1.0, 0.5])
    small, large = np.asarray(plain.get_sizes()) - 10
    assert large == pytest.approx(4 * small)


def test_what_is_exactly_0_is_blank():
    image = momentum.reached([[0.0, 0.0], [1.0, 0.0], [1.0, 1e-9]]).figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(image[..., 3], [[0, 0], [1, 0], [1, 0.12]])


def test_outcomes_shade_by_the_nearest_minimum():
    ends = {"momentum": np.array([[0.01, -2.9], [5.9, 3.0]])}
    (mesh,) = momentum.outcomes([0.0, 1.0], [0.8, 0.9], ends, (0, 2.95, 5.87)).figure.axes[0].collections
    opacity = np.asarray(mesh.get_facecolors() if mesh.get_array() is None else mesh.get_array())[..., 3].ravel()
    assert opacity[0] > opacity[1] == opacity[3] > opacity[2]


def test_the_heavy_ball_goes_round_three_points():
    optimizer = Optimizer(rules.momentum, lr=1 / 9, gamma=4 / 9)
    path = descend(optimizer, momentum.kinked.grad, momentum.kinked.start, 300)
    np.testing.assert_allclose(np.sort(path[-3:, 0]), np.array([-2208, 792, 2592]) / 1225, atol=1e-9)
    picture = momentum.round_and_round(momentum.kinked, {"momentum": path})
    assert len(named(picture.figure.axes[0])["momentum"]) == 4


def test_a_bound_is_drawn_from_update_1_on():
    ax = momentum.bounded({"sgd": [1.0, 0.5, 0.2]}, [4.0, 2.0, 1.0]).figure.axes[0]
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert all(line.get_xdata()[0] == 1 for line in ax.lines if len(line.get_xdata()) == 3)
    assert ax.get_ylim()[1] == 5


def test_both_updates_of_the_vectors_start_with_the_same_jump():
    f, theta, u = surfaces.bowl, np.array([1.0, 2.0]), np.array([0.5, 0.0])
    picture = momentum.vectors(f, theta, u, lr=0.1, gamma=0.8, domain=((-1, 2), (0, 3)))
    assert isinstance(picture, Picture)
    heads = [a.xy for a in picture.figure.axes[0].texts]
    ahead = theta - 0.8 * u
    for point in (ahead, ahead - 0.1 * f.grad(theta), ahead - 0.1 * f.grad(ahead)):
        assert any(np.allclose(point, head) for head in heads)
    assert all(a is not b for a, b in pairwise(heads))
    assert view.colour("nag") != view.colour("momentum")
