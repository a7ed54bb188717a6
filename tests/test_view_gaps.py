"""Walks on a map above how far their loss still is above the least one."""

import numpy as np
import pytest

from downhill_course.figures.descent import map_and_gap
from optlib import Optimizer, descend, rules, surfaces
from optlib.surfaces import Surface

BOWL = surfaces.bowl


def walk(lr, steps=10):
    return descend(Optimizer(rules.sgd, lr=lr), BOWL.grad, [4.0, -2.0], steps=steps)


def drawn(ax, n):
    """The lines of n points in a panel, each of shape (n, 2)."""
    return [np.stack(line.get_data(), -1) for line in ax.lines if len(np.asarray(line.get_xdata())) == n]


def test_below_stands_the_loss_above_the_least_one_and_the_ideal():
    below = map_and_gap(BOWL, {"a": walk(0.1)}, ideal=10 * 0.5 ** np.arange(12)).figure.axes[1]
    ((gap,), (ideal,)) = drawn(below, 11), drawn(below, 12)
    assert np.allclose(gap[:, 1], BOWL(walk(0.1)))
    assert np.allclose(ideal[:, 1], 10 * 0.5 ** np.arange(12))
    assert below.get_yscale() == "log"


def test_a_least_loss_of_ones_own_is_taken_off():
    below = map_and_gap(BOWL, {"a": walk(0.1)}, least=-1.0).figure.axes[1]
    assert np.allclose(drawn(below, 11)[0][:, 1], BOWL(walk(0.1)) + 1)


def test_parts_lie_over_a_pale_sum_the_first_solid():
    path = walk(0.1)
    parts = np.stack([path[:, 0] ** 2 / 2, path[:, 1] ** 2 / 2], axis=1)
    below = map_and_gap(BOWL, {"a": path}, parts={"a": parts}).figure.axes[1]
    total, first, second = below.lines
    assert np.allclose(np.asarray(first.get_ydata()) + np.asarray(second.get_ydata()), total.get_ydata())
    assert total.get_linewidth() > first.get_linewidth()
    assert total.get_alpha() < 1
    assert (first.get_linestyle(), second.get_linestyle()) == ("-", "--")


def test_a_walk_is_drawn_until_it_leaves_the_map():
    far = np.array([[1.0, 1.0], [99.0, 1.0], [0.0, 0.0], [2.0, 2.0]])
    above, below = map_and_gap(BOWL, {"a": far}).figure.axes
    assert not any(
        np.allclose(point, (0, 0)) or np.allclose(point, (2, 2)) for line in drawn(above, 2) for point in line
    )
    assert len(drawn(below, 4)) == 1


def test_points_are_named_and_symbols_stand_at_the_axes():
    above, below = map_and_gap(
        BOWL, {"a": walk(0.1)}, points={"A": (4.0, -2.0)}, floor=((-1, 0), (1, 0)), symbols=("b", "w", "J")
    ).figure.axes
    assert "$A$" in [text.get_text() for text in above.texts]
    assert any(np.allclose(line, [(-1, 0), (1, 0)]) for line in drawn(above, 2))
    assert (above.get_xlabel(), above.get_ylabel()) == ("$b$", "$w$")
    assert below.get_title(loc="left") == r"$J-J_{\min}$"


def test_parts_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"the parts of 'a' have shape \(3, 2\), but its path has 11 points"):
        map_and_gap(BOWL, {"a": walk(0.1)}, parts={"a": np.ones((3, 2))})


def test_a_surface_without_a_minimum_needs_the_least_loss():
    slope = Surface("slope", lambda x, y: x, lambda x, y: (1.0, 0.0), ((-1, 1), (-1, 1)), (0.0, 0.0), (), "a plane")
    with pytest.raises(ValueError, match="names no minimum: give the least loss"):
        map_and_gap(slope, {"a": [(0.0, 0.0)]})
    assert "slope" in repr(map_and_gap(slope, {"a": [(0.0, 0.0)]}, least=-1.0))
