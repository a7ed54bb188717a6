"""Figures of the first chapter: what they draw is what they say."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from downhill_course.figures import descent
from optlib import Optimizer, data, descend, models, rules, surfaces, view

X, y = data.three_points()
A = (-1.0, 4.0)
J = descent.GUTTER


def walk(lr, steps=30):
    return descend(Optimizer(rules.sgd, lr=lr), J.grad, A, steps=steps)


def lines(ax):
    return [np.stack(line.get_data(), -1) for line in ax.lines]


def test_the_map_has_the_numbers_of_the_chapter():
    assert np.allclose(models.LinearRegression().minimum(X, y), J.minima[0])
    assert J((1.0, 1.0)) == pytest.approx(0.25)
    assert J((-1.25, 1.75)) == pytest.approx(2.125)
    assert np.allclose(np.linalg.eigvalsh(X.T @ X / 3), [2 / 3, 4])
    assert np.allclose(J.grad(A), [1, 9])


def test_each_line_through_the_measurements_is_one_point_of_the_map():
    above, below = descent.lines_and_map({"A": A, "B": (1, 1)}).figure.axes
    (x0, y0), (x1, y1) = lines(above)[0]
    slope = (y1 - y0) / (x1 - x0)
    assert (y0 - slope * x0, slope) == pytest.approx(A)
    assert any(np.allclose(points, [A]) for points in lines(below))


def test_the_fan_shows_the_slopes_it_is_given_beside_the_cosine_with_the_negative_gradient_lowest():
    angles, g = np.arange(36) * np.pi / 18, J.grad(A)
    slopes = g[0] * np.cos(angles) + g[1] * np.sin(angles) + 0.125
    above, below = descent.fan(A, angles, slopes, g).figure.axes
    dots = np.asarray(below.collections[0].get_offsets())
    assert np.allclose(dots, np.stack([np.degrees(angles), slopes], axis=1))
    turn, wave = lines(below)[1].T
    assert np.allclose(wave, g[0] * np.cos(np.radians(turn)) + g[1] * np.sin(np.radians(turn)))
    ((at, lowest),) = lines(below)[-1]
    assert lowest == pytest.approx(-np.linalg.norm(g))
    assert np.allclose([np.cos(np.radians(at)), np.sin(np.radians(at))], -g / np.linalg.norm(g))
    assert len(above.texts) == 37  # an arrow each, and the thick one


def test_the_walks_stand_over_the_slope_that_no_single_rate_beats():
    above, below = descent.walks({3 / 7: walk(3 / 7), 0.25: walk(0.25)}).figure.axes
    best, quarter, ideal = (line[:, 1] for line in lines(below))
    assert np.allclose(ideal, 12.5 * (25 / 49) ** np.arange(31))
    assert np.allclose(best, J(walk(3 / 7)) - 0.25)
    assert (quarter[1:5] < ideal[1:5]).all()
    assert (quarter[5:] > ideal[5:]).all()
    assert below.figure.legends[0].get_texts()[0].get_text() == r"$\eta=3/7$"
    floor = next(line for line in lines(above) if len(line) == 2 and np.allclose(line[0], (-5, 3)))
    way = (floor[1] - floor[0]) / np.linalg.norm(floor[1] - floor[0])
    assert np.allclose(X.T @ X / 3 @ way, 2 / 3 * way)  # the flat direction, through the minimum
    along = np.subtract(J.minima[0], floor[0])
    assert np.allclose(along, (along @ way) * way)


def test_only_the_walks_that_are_given_have_parts():
    parts = {rate: np.full((31, 2), rate) for rate in (0.25, 0.55)}
    below = descent.walks({0.25: walk(0.25)}, parts).figure.axes[1]
    assert sum(np.allclose(line[:, 1], 0.25) for line in lines(below)) == 2
    assert not any(np.allclose(line[:, 1], 0.55) for line in lines(below))


def test_shares_are_named_and_end_at_the_top_over_the_least_loss():
    ax = descent.shares({0.5: [2.0, 1.0, 0.5], 1.1: [2.0, 20.0, 200.0]}, 0.4, top=30.0).figure.axes[0]
    assert [line.get_label() for line in ax.lines[:2]] == [r"$0.5\cdot 2/L$", r"$1.1\cdot 2/L$"]
    assert list(ax.lines[2].get_ydata()) == [0.4, 0.4]
    assert ax.get_ylim() == pytest.approx((0.4 / 1.4, 30.0))


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
