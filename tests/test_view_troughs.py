"""The picture of distances and factors: where the dots lie, what is hollow, and that the curve is the update's own."""

import numpy as np
import pytest

from downhill_course.figures.momentum import draw_factor, radius, trough
from optlib import Optimizer, descend, rules, view
from optlib.surfaces import Quadratic


def companion(lr, gamma, curvature, rule):
    """Spectral radius of one update, from the matrix itself."""
    a, b = 1 - lr * curvature, gamma
    if rule is rules.nag:
        return np.abs(np.linalg.eigvals([[(1 + b) * a, -b * a], [1, 0]])).max()
    return np.abs(np.linalg.eigvals([[b + a, -b], [1, 0]])).max()


@pytest.mark.parametrize("rule", [rules.momentum, rules.nag])
def test_the_radius_is_the_matrix_s(rule):
    for lr, gamma, curvature in [(0.5, 0.9, 1.0), (3.0, 0.8, 1.0), (1.2, 0.3, 0.01), (3.9, 0.9, 1.0), (1.4, 0.9, 1.0)]:
        assert radius(lr, gamma, curvature, rule) == pytest.approx(companion(lr, gamma, curvature, rule), abs=1e-7)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9, 0.99])
def test_stability_ends_at_the_wall(gamma):
    for rule, limit in ((rules.momentum, 2 * (1 + gamma)), (rules.nag, 2 * (1 + gamma) / (1 + 2 * gamma))):
        assert radius(limit - 1e-3, gamma, 1.0, rule) < 1 < radius(limit + 1e-3, gamma, 1.0, rule)


@pytest.mark.parametrize(("rule", "lr", "gamma"), [(rules.momentum, 0.018, 0.9), (rules.nag, 0.009, 0.9)])
def test_a_walk_shrinks_as_the_curve_says(rule, lr, gamma):
    curvature = np.array([1.0, 10.0])
    path = np.abs(descend(Optimizer(rule, lr=lr, gamma=gamma), Quadratic(curvature).grad, [10.0, 10.0], 2000))
    peaks = [path[k : k + 100].max(axis=0) for k in (100, 1100)]  # a period and more
    np.testing.assert_allclose((peaks[1] / peaks[0]) ** (1 / 1000), radius(lr, gamma, curvature, rule), rtol=1e-3)


def test_other_rules_have_no_curve():
    with pytest.raises(ValueError, match=r"rules\.momentum and rules\.nag"):
        radius(0.1, 0.9, 1.0, rules.adam)


def test_beads_lie_on_the_curve_and_what_is_beyond_the_goal_is_hollow():
    path = np.array([[10.0, 10.0], [9.0, -8.0], [8.1, 6.4]])
    figure = trough(path, [1.0, 18.0], 0.1, ideal=0.5).figure
    above, below = figure.axes
    beads = [line for line in below.lines if line.get_markersize() == 11]
    assert [(b.get_xdata()[0], b.get_ydata()[0]) for b in beads] == [
        (0.1, 0.9),
        (pytest.approx(1.8), pytest.approx(0.8)),
    ]
    hollow = [line for line in above.lines if line.get_markerfacecolor() == "none" and len(line.get_xdata())]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in hollow] == [([1], [8.0])]
    names = [line.get_label() for line in above.lines if line.get_label()[0] != "_"]
    assert names == [r"$\lambda=1$", r"$\lambda=18$"]


def test_a_bead_that_diverges_stays_in_the_frame():
    below = trough([[1.0], [-99.0]], [100.0], 1.0).figure.axes[1]
    (bead,) = [line for line in below.lines if line.get_markersize() == 11]
    assert bead.get_ydata()[0] < below.get_ylim()[1]


def test_pale_curves_are_thinner_and_the_zone_is_drawn_once():
    below = trough([[1.0], [0.9]], [1.0], 0.1, 0.9, pale=[(0.0, rules.momentum)]).figure.axes[1]
    curves = [line for line in below.lines if len(line.get_xdata()) == 1500]
    assert curves[0].get_linewidth() < curves[1].get_linewidth()
    assert curves[0].get_color() == view.colour("sgd")
    assert curves[1].get_color() == view.colour("momentum")
    assert len(below.patches) == 1


def test_the_curve_goes_into_any_axes():
    _, ax = view.panels()
    draw_factor(ax, 0.25, left=1e-4, label="momentum")
    assert ax.get_xlim()[0] == 1e-4
    assert ax.lines[0].get_label() == "momentum"


def test_a_path_without_fitting_curvatures_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 3\) wants a curvature for each column, not \(2,\)"):
        trough(np.ones((2, 3)), [1.0, 2.0], 0.1)
