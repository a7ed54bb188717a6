"""The figures of the chapter on what came after Adam: each shows the data that it is given."""

import numpy as np
import pytest

from downhill_course.figures import after
from optlib.view import colour, series

RUNS = {"Adam": ([4.0, 2.0, 1.0], [4.0, 3.0, 2.0]), "other": ([5.0, 4.0, 3.0], [5.0, 4.0, 3.0])}


def test_losses_on_mixed_inputs_stand_below_and_beside_the_dotted_ones_from_above():
    above, below = after.two_inputs(RUNS).figure.axes
    assert [line.get_ydata().tolist() for line in above.lines] == [plain for plain, _ in RUNS.values()]
    assert [line.get_ydata().tolist() for line in below.lines] == [
        losses for plain, mixed in RUNS.values() for losses in (mixed, plain)
    ]
    assert [line.get_color() for line in below.lines] == [colour("adam")] * 2 + [series(1)] * 2
    assert [ax.get_title(loc="left") for ax in (above, below)] == ["$X$", "$XQ$"]


def test_a_run_that_is_no_line_is_named():
    with pytest.raises(ValueError, match=r"run 'odd' has losses of shape \(1, 2\)"):
        after.two_inputs({"odd": ([[1.0, 2.0]], [1.0, 2.0])})


def test_each_steepest_step_lies_on_its_shape_and_its_dashed_line():
    g = np.array([3.0, -1.0])
    ends = {"circle": -g / np.linalg.norm(g), "square": [-1.0, 1.0], "diamond": [-1.0, 0.0]}
    lines = after.unit_steps(g, ends).figure.axes[0].lines
    for (outline, dashed, dot), end in zip(zip(*[iter(lines)] * 3, strict=True), ends.values(), strict=True):
        assert np.transpose(dot.get_data()).tolist() == [list(end)]
        points = np.transpose(dashed.get_data())
        np.testing.assert_allclose(points @ g, np.dot(end, g))  # the loss falls alike along it
        assert (np.transpose(outline.get_data()) @ g).min() >= np.dot(end, g) - 1e-3  # and the shape ends there


def test_singular_values_are_sorted_and_numbered_from_one():
    (line,) = after.singular_values({"a": [0.1, 3.0]}, (0.7, 1.1)).figure.axes[0].lines[1:]
    assert [line.get_xdata().tolist(), line.get_ydata().tolist()] == [[1, 2], [3.0, 0.1]]


def test_sharpness_has_its_own_line_at_the_edge():
    above, below = after.edges({8.0: ([0, 10], [5.0, 8.1], [1.0, 0.5])}).figure.axes
    assert [list(line.get_ydata()) for line in above.lines] == [[5.0, 8.1], [8.0, 8.0]]
    assert list(below.lines[0].get_ydata()) == [1.0, 0.5]


def test_what_diverges_is_left_out():
    ideal, line = after.ends([0.1, 0.2, 0.3], {"a": [1.0, np.nan, 1e9]}, ideal=0.5).figure.axes[0].lines
    assert list(ideal.get_ydata()) == [0.5, 0.5]
    np.testing.assert_array_equal(line.get_ydata(), [1.0, np.nan, np.nan])
