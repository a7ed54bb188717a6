"""The experiments and figures of the chapter on schedules."""

import numpy as np
import pytest

from downhill_course.figures import rates
from optlib import compare, rules, schedules, surfaces, tricks
from optlib.view import series


def test_the_family_has_one_highest_rate():
    for name, schedule in rates.family(0.4, 280).items():
        values = [schedule(t) for t in range(280)]
        assert max(values) == pytest.approx(0.4, rel=0.03), name
        assert min(values) >= 0.0


def test_the_gallery_draws_what_the_schedules_say():
    axes = rates.gallery(140).figure.axes
    assert len(axes) == 12
    drawn = {axis.get_title(): axis.lines[0].get_ydata() for axis in axes}
    for name, schedule in rates.family(1.0, 140).items():
        np.testing.assert_array_equal(drawn[name], [schedule(t) for t in range(140)])


def test_ends_are_in_order_with_their_spread():
    entries = {f"{lr:g}": (rules.sgd, {"lr": lr}) for lr in (0.001, 0.1, 0.01)}
    result = compare.contest(compare.surface(surfaces.bowl), entries, budget=20, seeds=3, points=1)
    axes = rates.ends(result).figure.axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["0.1", "0.01", "0.001"]
    bars, marks = axes.lines[::2], axes.lines[1::2]
    for bar, mark in zip(bars, marks, strict=True):
        assert bar.get_xdata()[0] <= float(mark.get_xdata()[0]) <= bar.get_xdata()[-1]


def test_the_noisy_problem_counts_from_the_least_loss():
    problem = rates.noisy()
    assert problem.metric(problem.start(0)) > 0.1
    walk = rates.last(
        rates.run(
            rates.Optimizer(rules.sgd, lr=schedules.exponential(0.1, 0.995)), problem.oracle(0), problem.start(0)
        ),
        900,
    )
    assert 0 < problem.metric(walk) < 0.02


def test_a_plateau_cuts_only_after_its_patience():
    losses, seen = rates.plateau(epochs=20, factor=0.5, patience=2, threshold=0.05)
    assert len(losses) == len(seen) == 21
    cuts = np.flatnonzero(np.diff(seen))
    assert len(cuts) >= 1
    best, waited = np.inf, 0
    for epoch in range(1, cuts[0] + 2):
        waited = 0 if losses[epoch] < best * 0.95 else waited + 1
        best = min(best, losses[epoch]) if waited == 0 else best
    assert waited == 3
    figure = rates.stacked(losses, seen).figure
    np.testing.assert_array_equal(figure.axes[1].lines[0].get_ydata(), seen)


def test_the_bounds_of_a_range_test_are_drawn():
    test = tricks.range_test(rules.sgd, surfaces.bowl.grad, surfaces.bowl, [4.0, -2.0], 1e-4, 100.0, 60)
    axes = rates.ranged(test).figure.axes[0]
    assert [line.get_xdata()[0] for line in axes.lines[1:]] == [test.low, test.high]


def test_adams_first_strides_are_its_longest():
    strides = rates.strides(60)
    assert strides[0] == strides.max()
    assert strides[0] <= 1.0 + 1e-6
    assert strides[-1] < 0.6 * strides[0]


def test_warm_up_helps_at_a_high_rate():
    assert np.median(rates.warmed(0.1, 20, seeds=4)) < np.median(rates.warmed(0.1, 0, seeds=4))


def test_the_mean_of_three_ends_is_marked_in_their_plane():
    points = [np.array([0.0, 0.0, 0.0]), np.array([2.0, 0.0, 0.0]), np.array([0.0, 2.0, 0.0])]
    axes = rates.between(points, lambda x: float(x @ x) + 0.1, n=7).figure.axes[0]
    cross = [line for line in axes.lines if line.get_color() == series(1)]
    np.testing.assert_allclose([float(cross[0].get_xdata()[0]), float(cross[0].get_ydata()[0])], [2 / 3, 2 / 3])


def test_larger_batches_need_fewer_updates_up_to_a_point():
    few, many = rates.needed(4, seeds=1), rates.needed(64, seeds=1)
    assert many[0] < few[0]
    assert many[1] > few[1]
    figure = rates.scaling({4: few, 64: many}).figure
    dashed = figure.axes[0].lines[0].get_ydata()
    assert dashed[1] == pytest.approx(few[0] / 16)


def test_metropolis_only_falls_when_cold_and_roams_when_hot():
    def height(x):
        return x * x

    cold = rates.metropolis(height, 3.0, lambda t: 1e-9, 300, seed=2)
    assert np.all(np.diff(cold**2) <= 1e-6)
    hot = rates.metropolis(height, 3.0, lambda t: 1e9, 300, seed=2)
    assert np.abs(hot).max() > 5
    assert rates.found_lowest(seeds=5)["falling rate"] == 0
