"""Figures of the first chapter: what they draw is what they say."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from downhill_course.figures import descent, variants
from optlib import Optimizer, data, descend, models, rules, surfaces, view

X, y = data.three_points()
A = (-1.0, 4.0)
J = variants.loss_surface(models.LinearRegression(), X, y, domain=((-4, 4), (-2, 5)), start=A)


def walk(lr, steps=30):
    return descend(Optimizer(rules.sgd, lr=lr), J.grad, A, steps=steps)


def lines(ax):
    return [np.stack(line.get_data_3d() if hasattr(line, "get_data_3d") else line.get_data(), -1) for line in ax.lines]


def test_three_points_have_the_numbers_of_the_chapter():
    model = models.LinearRegression()
    assert np.allclose(model.minimum(X, y), 1)
    assert model.loss([1.0, 1.0], X, y) == pytest.approx(0.25)
    assert np.allclose(np.linalg.eigvalsh(X.T @ X / 3), [2 / 3, 4])
    assert np.allclose(J.grad(A), [1, 9])


def test_renamed_names_the_axes_of_flat_and_of_spatial_pictures():
    flat = descent.renamed(view.contour(J), "b", "w").figure.axes[0]
    assert (flat.get_xlabel(), flat.get_ylabel()) == ("$b$", "$w$")
    space = descent.renamed(view.surface(J), "b", "w", "J").figure.axes[0]
    assert (space.get_xlabel(), space.get_ylabel(), space.get_zlabel()) == ("$b$", "$w$", "$J$")


def test_each_line_through_the_data_is_one_point_of_the_plane():
    above, below = descent.three_models(X, y, J, {"A": A, "B": (1, 1)}).figure.axes
    (x0, y0), (x1, y1) = lines(above)[0]
    slope = (y1 - y0) / (x1 - x0)
    assert (y0 - slope * x0, slope) == pytest.approx(A)
    assert any(np.allclose(points, [A]) for points in lines(below))


def test_the_tangent_plane_touches_and_its_arrow_is_the_steepest_way_with_a_shadow_on_the_floor():
    drawn = lines(descent.tangent_plane(J, A, size=1.0).figure.axes[0])
    g = J.grad(A)
    foot = A - g / np.linalg.norm(g)
    on_plane, on_floor = (points for points in drawn if len(points) == 2 and np.allclose(points[1, :2], foot))
    assert np.allclose(on_plane, [[*A, J(A)], [*foot, J(A) - np.linalg.norm(g)]])
    assert on_floor[0, 2] == on_floor[1, 2] < 0.25


def test_the_fan_measures_slopes_that_lie_on_the_curve_with_the_negative_gradient_lowest():
    below = descent.fan(J, A, n=36).figure.axes[1]
    angle, slope = np.asarray(below.collections[0].get_offsets()).T
    g = J.grad(A)
    assert len(angle) == 36
    assert np.allclose(slope, g[0] * np.cos(np.radians(angle)) + g[1] * np.sin(np.radians(angle)), atol=0.01)
    ((at, lowest),) = lines(below)[-1]
    assert lowest == pytest.approx(-np.linalg.norm(g))
    assert np.allclose([np.cos(np.radians(at)), np.sin(np.radians(at))], -g / np.linalg.norm(g))
    assert lowest <= slope.min()


def test_a_walk_that_leaves_is_drawn_until_it_leaves_and_its_loss_is_cut_above():
    above, below = descent.walks_and_losses(J, {"a": walk(0.25), "b": walk(0.55)}, floor=0.25).figure.axes
    lengths = [len(line.get_xdata()) for line in above.lines if line.get_linestyle() == "-"]
    assert [n for n in lengths if n > 1] == [31, 4]  # of the second, three inside and one on the frame
    assert below.get_ylim() == pytest.approx((0.2, 4 * J(A)))
    assert (above.get_xlabel(), below.get_ylabel()) == ("$b$", "$J$")


def test_points_belong_to_the_minimum_they_lie_at_or_to_none():
    f = surfaces.three_lowlands
    ends = np.array([f.minima, [(9.0, 9.0), (np.nan, 0.0), np.add(f.minima[2], 0.05)]])
    assert descent.reached(f, ends).tolist() == [[0, 1, 2], [-1, -1, 2]]


def test_a_basin_has_the_colour_of_its_minimum():
    f = surfaces.three_lowlands
    starts = np.stack(np.meshgrid(np.linspace(-3, 3, 13), np.linspace(-3, 2.5, 12)), axis=-1)
    ends = np.broadcast_to(f.minima[1], starts.shape).copy()
    ends[0, 0] = 100.0
    tints = descent.basins(f, starts, ends).figure.axes[0].images[0].get_array()
    assert {to_hex(tints[i, j]) for i, j in ((0, 1), (11, 12))} == {view.series(1)}
    assert tints[0, 0, 3] == 0


def test_basins_want_a_grid():
    with pytest.raises(ValueError, match=r"\(rows, columns, 2\)"):
        descent.basins(surfaces.bowl, np.zeros((4, 2)), np.zeros((4, 2)))
