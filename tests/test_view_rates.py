"""The figures of the chapter on schedules: each shows the data that it is given."""

import numpy as np
import pytest

from downhill_course.figures import rates
from optlib import models, rules, schedules, surfaces, tricks
from optlib.view import series

RUNS = {"a": ([0.2, 0.1, 0.0], [4.0, 2.0, 1.0, 0.5]), "b": ([0.1, 0.1, 0.1], [4.0, 3.0, np.nan, 1.0])}


def test_rates_stand_above_their_losses():
    above, below = rates.rate_and_loss(RUNS, ideal=[4.0, 1.0]).figure.axes
    assert [line.get_ydata().tolist() for line in above.lines] == [[0.2, 0.1, 0.0], [0.1, 0.1, 0.1]]
    assert [line.get_ydata().tolist() for line in below.lines[::2]] == [[4.0, 2.0, 1.0, 0.5], [4.0, 1.0]]
    assert [line.get_color() for line in above.lines] == [series(0), series(1)]
    assert below.get_yscale() == "log"
    assert above.get_ylim()[0] == 0


def test_losses_may_be_measured_now_and_then():
    *_, below = rates.rate_and_loss({"a": ([0.1] * 6, [3.0, 2.0, 1.0])}, every=3, log=False, limits=(0, 5)).figure.axes
    assert below.lines[0].get_xdata().tolist() == [0, 3, 6]
    assert below.get_yscale() == "linear"
    assert below.get_ylim() == (0, 5)


@pytest.mark.parametrize(("given", "losses"), [([[0.1]], [1.0]), ([0.1], [[1.0]]), ([0.1], [3.0, 2.0, 1.0])])
def test_what_is_no_run_is_named(given, losses):
    with pytest.raises(ValueError, match="run 'odd'"):
        rates.rate_and_loss({"odd": (given, losses)})


def test_losses_are_measured_at_least_so_often():
    with pytest.raises(ValueError, match="every=0"):
        rates.rate_and_loss(RUNS, every=0)


def test_the_gallery_draws_what_the_schedules_say():
    shown = {"a": schedules.cosine(1.0, 20), "b": schedules.constant(0.5), "c": schedules.constant(1.0),
             "d": schedules.polynomial(1.0, 20)}  # fmt: skip
    axes = rates.gallery(shown, steps=20).figure.axes
    assert len(axes) == 6
    for axis, (name, schedule) in zip(axes, shown.items(), strict=False):
        assert axis.get_title() == name
        np.testing.assert_array_equal(axis.lines[0].get_ydata(), [schedule(t) for t in range(20)])
    assert [axis.axison for axis in axes] == [True] * 4 + [False] * 2


def test_losses_over_rates_show_the_median_and_the_middle_half():
    losses = np.array([[3.0, 1.0, 2.0, 4.0, 5.0], [9.0, 9.0, 9.0, 9.0, 9.0]])
    ax = rates.over_rates([0.1, 0.2], {"a": losses, "b": losses + 1}).figure.axes[0]
    assert [line.get_ydata().tolist() for line in ax.lines] == [[3.0, 9.0], [4.0, 10.0]]
    band = ax.collections[0].get_paths()[0].vertices
    assert {2.0, 4.0} <= set(band[band[:, 0] == 0.1, 1])
    assert [line.get_color() for line in ax.lines] == [series(0), series(1)]


def test_losses_that_do_not_fit_the_rates_are_named():
    with pytest.raises(ValueError, match="'odd'"):
        rates.over_rates([0.1, 0.2], {"odd": [[1.0]]})


def test_scaling_draws_perfection_from_the_smallest_batch():
    found = {1: (400.0, 0.25), 4: (110.0, 1.0), 16: (50.0, 2.0)}
    above, below = rates.scaling(found).figure.axes
    assert above.lines[0].get_ydata().tolist() == [400.0, 100.0, 25.0]
    assert above.lines[1].get_ydata().tolist() == [400.0, 110.0, 50.0]
    assert below.lines[0].get_ydata().tolist() == [0.25, 1.0, 4.0]
    assert below.lines[1].get_ydata().tolist() == [0.25, 1.0, 2.0]


def test_a_range_test_is_drawn_with_its_bounds():
    f = surfaces.bowl
    test = tricks.range_test(rules.sgd, f.grad, f, [4.0, -2.0], low=1e-4, high=100.0, steps=60)
    ax = rates.ranged(test).figure.axes[0]
    curve, *bounds = ax.lines
    np.testing.assert_array_equal(curve.get_ydata(), test.losses)
    assert [line.get_xdata()[0] for line in bounds] == [test.low, test.high]


def test_losses_stand_above_the_rates_that_led_to_them():
    above, below = rates.stacked([2.0, 1.0, 0.5], [0.1, 0.1, 0.03]).figure.axes
    assert above.lines[0].get_ydata().tolist() == [2.0, 1.0, 0.5]
    assert below.lines[0].get_ydata().tolist() == [0.1, 0.1, 0.03]


def test_three_points_and_their_mean_are_drawn_in_their_plane():
    X, y = np.eye(3), np.array([1.0, 2.0, 3.0])
    model = models.LinearRegression()
    points = [np.array([2.0, 2.0, 3.0]), np.array([1.0, 3.0, 3.0]), np.array([1.0, 2.0, 4.0])]
    ax = rates.between(points, lambda theta: model.loss(theta, X, y), n=7).figure.axes[0]
    frame = tricks.through(*points)
    *corners, cross = ax.lines
    np.testing.assert_allclose([np.ravel(line.get_xydata()) for line in corners], frame.corners)
    np.testing.assert_allclose(np.ravel(cross.get_xydata()), frame.corners.mean(axis=0))
    assert [text.get_text() for text in ax.texts] == ["$1$", "$2$", "$3$"]
