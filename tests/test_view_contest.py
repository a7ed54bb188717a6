"""The picture of a contest."""

import numpy as np
import pytest

from optlib import compare, rules, surfaces, view

GRID = {"lr": [0.01, 0.1]}
ENTRIES = {"sgd": (rules.sgd, GRID), "adam": (rules.adam, GRID)}


def made(problems, **changes):
    return compare.contest(problems, ENTRIES, **{"budget": 20, "seeds": 5, **changes})


def test_a_line_is_the_median_in_the_algorithms_colour():
    result = made(compare.surface(surfaces.bowl))
    _, ax = view.panels()
    view.contest(result, ax=ax)
    lines = {line.get_label(): line for line in ax.lines}
    for name in ENTRIES:
        np.testing.assert_array_equal(lines[name].get_ydata(), np.median(result.curves["bowl", name], axis=0))
        assert lines[name].get_color() == view.colour(name)
    assert len(ax.collections) == 2


def test_one_panel_a_problem_and_the_wrong_number_is_refused():
    result = made([compare.surface(surfaces.bowl), compare.surface(surfaces.ravine)])
    assert repr(view.contest(result)) == "<contest on bowl, ravine: adam, sgd>"
    with pytest.raises(ValueError, match="1 axes were given for 2 problems"):
        view.contest(result, ax=view.panels()[1])


def test_failed_runs_count_as_infinite():
    result = made(compare.surface(surfaces.bowl))
    curves = result.curves["bowl", "sgd"]
    curves[:2, 5:] = np.inf  # two of five: the median goes on, among the worse of those that are left
    curves[:3, 12:] = np.inf  # three of five: it ends
    _, ax = view.panels()
    view.contest(result, ax=ax)
    line = {line.get_label(): line for line in ax.lines}["sgd"]
    assert len(line.get_xdata()) == 12
    np.testing.assert_array_equal(line.get_ydata()[5:], curves[2:, 5:12].max(axis=0))


def test_a_contest_of_failures_draws_nothing_but_stands():
    result = made(compare.surface(surfaces.bowl))
    result.curves["bowl", "sgd"][:] = np.inf
    _, ax = view.panels()
    view.contest(result, ax=ax)
    assert [line.get_label() for line in ax.lines] == ["adam"]


def test_flips_are_marked_on_the_lower_edge():
    result = made(compare.surface(surfaces.bowl))
    result.curves["bowl", "sgd"][:, 10:] = 1e3  # from the tenth point on the other is ahead
    _, ax = view.panels()
    view.contest(result, ax=ax, flips=True)
    (marks,) = [line for line in ax.lines if line.get_marker() == "|"]
    assert set(marks.get_xdata()) == {t for t, *_ in result.flips()} >= {result.evaluations[10]}
    assert set(marks.get_ydata()) == {0.0}
