"""One number learnt by many: what is drawn of it, and what is refused."""

import numpy as np
import pytest

from downhill_course.figures.variants import promise_and_error


def lines(axes) -> dict[str, tuple[list, list]]:
    """The points of every labelled line."""
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in axes.lines
        if line.get_label()[0] != "_"
    }


def test_errors_are_root_mean_squares_against_the_examples_read():
    path = np.array([[60.0, 60.0], [33.0, 26.0], [31.0, 29.0]])
    picture = promise_and_error({"a": path, "b": (path, 16)})
    above, below = picture.figure.axes
    drawn = lines(below)
    assert drawn["a"] == ([0.8, 1, 2], [30.0, np.sqrt(12.5), 1.0])
    assert drawn["b"][0] == [0.8, 16, 32]
    assert list(above.lines[0].get_ydata()) == [60.0, 33.0, 31.0]
    assert (below.get_xscale(), below.get_yscale()) == ("log", "log")
    assert repr(picture) == "<promises and errors: a, b>"


def test_the_ideal_begins_anew_where_the_truth_changes():
    path = np.full((101, 2), 31.0)
    above, below = promise_and_error(
        {"a": path}, truth=lambda n: 30.0 if n < 50 else 40.0, spread=6.0, log=False
    ).figure.axes
    n, ideal = lines(below)[r"$\sigma/\sqrt{n}$"]
    assert (ideal[0], ideal[3], ideal[49], ideal[50], ideal[53]) == (6.0, 3.0, 6 / np.sqrt(50), 6.0, 3.0)
    assert list(above.lines[-1].get_ydata())[49:51] == [30.0, 40.0]
    assert lines(below)["a"][1][49:51] == [1.0, 9.0]
    assert list(n) == list(range(1, 101))


@pytest.mark.parametrize("walk", [np.ones(5), (np.ones((5, 2)), 0)])
def test_what_is_no_walk_of_many_is_refused(walk):
    with pytest.raises(ValueError, match="walk 'a' has shape"):
        promise_and_error({"a": walk})
