"""Drawings of chapter 08, and what its code says about springs and ADMM that the page prints."""

import numpy as np
import pytest

from downhill_course.figures import clusters
from optlib import Optimizer, parallel, rules
from optlib.view import Picture

RUNS = {"H = 1": [(0, 0, 2.0), (5, 4000, 1.0), (10, 8000, 0.5)], "H = 4": [(0, 0, 2.0), (8, 4000, 0.8)]}


def drawn(ax, n):
    return [np.stack(line.get_data(), -1) for line in ax.lines if len(np.asarray(line.get_xdata())) == n]


def test_above_stand_seconds_and_below_thousands_of_numbers():
    above, below = clusters.seconds_and_numbers(RUNS).figure.axes
    assert np.allclose(drawn(above, 3)[0], [(0, 2), (5, 1), (10, 0.5)])
    assert np.allclose(drawn(below, 3)[0], [(0, 2), (4, 1), (8, 0.5)])
    assert (above.get_xlim(), below.get_xlim()) == ((0, 10), (0, 8))
    assert above.get_ylim() == below.get_ylim()
    assert above.get_yscale() == below.get_yscale() == "log"


def test_the_ideal_is_a_dotted_run_above_and_its_last_loss_below():
    ideal = [(0, 0, 2.0), (1, 5000, 1.5), (2, 9000, 0.4), (3, 99000, 0.2)]
    above, below = clusters.seconds_and_numbers(RUNS, ideal=ideal, seconds=120, numbers=125_000).figure.axes
    assert np.allclose(drawn(above, 4)[0][:, 1], [2.0, 1.5, 0.4, 0.2])
    assert any(np.allclose(line.get_ydata(), 0.2) for line in below.lines)
    assert (above.get_xlim(), below.get_xlim()) == ((0, 120), (0, 125))


def test_a_run_keeps_its_colour_when_others_come_behind_it():
    few = clusters.seconds_and_numbers({"H = 1": RUNS["H = 1"]}).figure.axes[0]
    more = clusters.seconds_and_numbers(RUNS).figure.axes[0]
    assert few.lines[0].get_color() == more.lines[0].get_color() != more.lines[1].get_color()


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ({}, "runs must hold at least one run"),
        ({"a": [(1.0, 2.0)]}, r"run 'a' has shape \(1, 2\), but its rows must be seconds, numbers sent, loss"),
        ({"a": np.ones((0, 3))}, r"run 'a' has shape \(0, 3\)"),
    ],
)
def test_what_is_no_run_is_refused(runs, said):
    with pytest.raises(ValueError, match=said):
        clusters.seconds_and_numbers(runs)


def drawn_texts(picture, panel):
    return [text.get_text() for text in picture.figure.axes[panel].texts]


def test_a_ring_is_drawn_state_by_state():
    states = np.array([[[1, 1], [1, 1]], [[1, 2], [2, 1]], [[2, 2], [2, 2]]])
    drawn_ring = clusters.ring(states)
    assert [drawn_texts(drawn_ring, r) for r in range(3)] == [[*"1111"], [*"1221"], [*"2222"]]
    with pytest.raises(ValueError, match=r"states have shape \(2, 3\), not \(rounds \+ 1, p, p\)"):
        clusters.ring(np.ones((2, 3)))


def test_schools_show_their_own_digits():
    X = np.repeat(np.arange(24.0)[:, None], 64, axis=1)
    deal = np.array_split(np.arange(24), 4)
    axes = clusters.schools(X, deal, deal[::-1]).figure.axes
    first, last = (np.asarray(axes[i].images[0].get_array())[..., 3] for i in (0, 4))
    assert len(axes) == 8
    assert np.ptp(first) == 1.0
    assert sorted(set(last[last > 0])) == sorted({i / 23 for i in range(18, 24)})


PLACES = np.array([[3.0, 2.0], [-2.8, 3.1]])


@pytest.mark.parametrize(
    "draw",
    [
        lambda: clusters.anatomy(4, 3),
        lambda: clusters.centres({"ADMM": [1000.0, -2e4, 3e5]}),
        lambda: clusters.elastic({0.1: (PLACES, PLACES.mean(axis=0)), 0.2: (PLACES, PLACES[0])}),
        lambda: clusters.throughput((1, 4), {1: (1.0, 3.9)}),
    ],
)
def test_pictures(draw):
    picture = draw()
    assert isinstance(picture, Picture)
    assert len(picture.png) > 1000


def test_two_time_lines_end_together():
    sgd = Optimizer(rules.sgd, lr=0.3)
    runs = [parallel.simulate(parallel.async_sgd(sgd), workers=2, steps=n) for n in (3, 5)]
    first, second = clusters.real_and_simulated(*runs).figure.axes
    assert first.get_xlim() == second.get_xlim()
