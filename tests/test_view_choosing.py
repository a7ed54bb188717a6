"""The figures of the chapter on watching and choosing: what is drawn, and what is refused."""

import numpy as np
import pytest

from downhill_course.figures import choosing
from optlib import Optimizer, compare, descend, rules, surfaces
from optlib.view import colour

RATES = [0.25, 0.5, 1.0]
LOSSES = {"sgd": [3.0, 2.0, 0.5], "adam": [0.4, 1.0, np.inf]}


def curves(axes) -> dict[str, list]:
    return {line.get_label(): list(line.get_ydata()) for line in axes.lines if line.get_label()[0] != "_"}


def ranking(axes) -> list[str]:
    return [tick.get_text() for tick in axes.get_yticklabels()]


def test_one_rate_for_all_is_a_line_and_ranks_the_curves_there():
    picture = choosing.valleys(RATES, LOSSES, at=0.5, top=8.0)
    above, below = picture.figure.axes
    assert curves(above) == {"sgd": [3.0, 2.0, 0.5], "adam": [0.4, 1.0, 8.0]}  # a walk that failed is at the top
    assert [0.5, 0.5] in [list(line.get_xdata()) for line in above.lines]
    assert ranking(below) == ["adam", "sgd"]
    assert repr(picture) == "<loss against rate: sgd, adam; ranking: adam, sgd>"


def test_rates_of_their_own_are_dots_and_repeats_are_bars():
    ends = {"sgd": [0.6, 0.5, 9.0], "adam": [0.7, 0.65, 0.8]}
    above, below = choosing.valleys(RATES, LOSSES, at={"sgd": 1.0, "adam": 0.25}, ends=ends, top=8.0).figure.axes
    dots = {
        line.get_color(): (line.get_xdata()[0], line.get_ydata()[0])
        for line in above.lines
        if len(line.get_xdata()) == 1
    }
    assert dots == {colour("sgd"): (1.0, 0.5), colour("adam"): (0.25, 0.4)}
    assert ranking(below) == ["sgd", "adam"]  # by the median, which one failure does not move
    bars = [list(line.get_xdata()) for line in below.lines if len(line.get_xdata()) == 2 and line.get_alpha()]
    assert bars == [[0.5, 8.0], [0.65, 0.8]]


def test_the_ideal_is_the_best_of_all_and_is_dotted_in_both():
    above, below = choosing.valleys(RATES, LOSSES, at=1.0, marks=[2.3]).figure.axes
    across = [line.get_ydata()[0] for line in above.lines if list(line.get_xdata()) == [0, 1]]
    upright = [line.get_xdata()[0] for line in below.lines if list(line.get_ydata()) == [0, 1]]
    assert across == upright == [0.4, 2.3]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"'sgd' has losses of shape \(2,\)"):
        choosing.valleys(RATES, {"sgd": [1.0, 2.0]}, at=0.5)
    with pytest.raises(ValueError, match=r"'adam' is marked at the rate 0.3, which is none"):
        choosing.valleys(RATES, LOSSES, at={"sgd": 1.0, "adam": 0.3})


# --- pairs, races, standings ------------------------------------------------------------------------


def test_a_pair_is_a_mark_and_equality_a_dotted_line():
    axes = choosing.pairs({"momentum": [0.2, 0.3], "adam": [0.1, 0.4]}).figure.axes[0]
    equal, marks = axes.lines
    assert list(equal.get_xdata()) == list(equal.get_ydata())
    assert (list(marks.get_xdata()), list(marks.get_ydata())) == ([0.2, 0.3], [0.1, 0.4])
    assert marks.get_color() == colour("adam")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("loss, momentum", "loss, adam")


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ({"sgd": [1.0]}, "give those of two methods"),
        ({"sgd": [1.0], "adam": [1.0, 2.0]}, "give as many of each"),
    ],
)
def test_pairs_need_two_of_the_same_draws(ends, words):
    with pytest.raises(ValueError, match=words):
        choosing.pairs(ends)


def test_races_draw_every_racer_in_its_colour():
    f = surfaces.ravine
    paths = {rule.__name__: descend(Optimizer(rule, lr=0.01), f.grad, f.start, 20) for rule in (rules.sgd, rules.adam)}
    picture = choosing.races({"one": (f, paths), "two": (f, paths), "three": (f, paths)})
    shown = [axes for axes in picture.figure.axes if axes.get_visible()]
    assert len(shown) == 3
    for axes in shown:
        assert {colour("sgd"), colour("adam")} <= {line.get_color() for line in axes.lines}


@pytest.fixture(scope="module")
def small():
    grid = {"lr": [0.01, 0.1]}
    problems = [compare.surface(surfaces.bowl), compare.surface(surfaces.ravine)]
    return compare.contest(problems, {"sgd": (rules.sgd, grid), "adam": (rules.adam, grid)}, budget=30, seeds=2)


def test_behind_counts_times_the_best(small):
    for problem, times in choosing.behind(small).items():
        ends = {name: max(small.row(problem, name).median, 1e-6) for name in ("sgd", "adam")}
        assert times == {name: pytest.approx(end / min(ends.values())) for name, end in ends.items()}


def test_standings_put_the_best_at_one_and_cut_the_far(small):
    axes = choosing.standings(small, most=3.0).figure.axes[0]
    marks = [
        line for line in axes.lines if line.get_color() in (colour("sgd"), colour("adam")) and len(line.get_xdata())
    ]
    at = [float(line.get_xdata()[0]) for line in marks]
    assert len(at) == 4
    assert at.count(1.0) == 2
    assert max(at) <= 3.0
