"""Bars with versions: of a simulated cluster, and above the losses."""

import numpy as np
import pytest

from downhill_course.figures.stale import bars_and_loss
from optlib import Optimizer, parallel, rules
from optlib.view import Picture, timeline

SGD = Optimizer(rules.sgd, lr=0.3)
BARS = [[0, 0.0, 1.0, 0, 0], [1, 0.0, 1.5, 0, 1], [0, 1.5, 3.0, 2, 0], [1, 1.5, 2.0, 2, 9]]
RUNS = {"$a$": [[0.0, 10.0], [2.0, 0.5], [3.0, np.inf]], "$b$": [[0.0, 10.0], [4.0, 0.1]]}


def test_a_bar_lies_where_its_gradient_was_computed():
    above, below = bars_and_loss(BARS, RUNS, ideal=[[0.0, 10.0], [1.0, 0.1]]).figure.axes
    assert [(bar.get_x(), bar.get_width()) for bar in above.patches] == [(b, e - b) for _, b, e, _, _ in BARS]
    assert [text.get_text() for text in above.texts] == ["0", "0", "2", "2"]
    shades = [np.sum(bar.get_facecolor()[:3]) for bar in above.patches]
    assert shades[0] == shades[2] > shades[1] > shades[3]
    assert [line.get_xdata()[0] for line in above.lines] == [1.5]  # all begin together
    chance = timeline([[0, 0, 1, 0, 0], [1, 0, 1, 0, 1], [0, 1, 2, 1, 1], [1, 1, 2, 2, 1]])
    assert not chance.figure.axes[0].lines  # each read a version of its own
    assert below.get_xlim() == (0, 4.0)
    assert len(below.lines) == 3
    assert np.isnan(below.lines[0].get_ydata()[-1])


def test_bars_beyond_the_end_are_left_out():
    figure = bars_and_loss(BARS, RUNS, until=1.2).figure
    assert len(figure.axes[0].patches) == 2
    assert figure.axes[0].get_xlim() == (0, 1.2)


@pytest.mark.parametrize(("bars", "runs", "message"), [
    ([[0, 1, 2]], RUNS, "'bars' has shape"),
    (BARS, {"$a$": [1.0, 2.0]}, "'\\$a\\$' has shape"),
    (np.zeros((0, 5)), RUNS, "'bars' has shape"),
])  # fmt: skip
def test_what_is_no_table_is_named(bars, runs, message):
    with pytest.raises(ValueError, match=message):
        bars_and_loss(bars, runs)


def test_a_time_line_shows_versions_of_a_run_or_of_its_rows():
    run = parallel.simulate(parallel.async_sgd(SGD), workers=2, steps=3)
    drawn = timeline(run)
    assert isinstance(drawn, Picture)
    assert len(drawn.png) > 1000
    texts = {text.get_text() for text in drawn.figure.axes[0].texts}
    assert texts == {str(span.version) for span in run.spans}
    assert [bar.get_width() for bar in drawn.figure.axes[0].patches] == [span.end - span.start for span in run.spans]
    assert timeline(run.bars.tolist()).png == drawn.png


def test_a_bar_knows_how_old_its_gradient_was():
    """By hand: whoever is ready writes, and reads at once what is there then; in a round all are fresh."""
    late = parallel.Cluster(compute=1.0, speeds={1: 2.5})
    free = parallel.simulate(parallel.async_sgd(SGD), workers=2, steps=3, cluster=late).bars
    assert free.tolist() == [
        [0, 0.0, 1.0, 0, 0], [0, 1.0, 2.0, 1, 0], [1, 0.0, 2.5, 0, 2],
        [0, 2.0, 3.0, 2, 1], [1, 2.5, 5.0, 3, 1], [1, 5.0, 7.5, 5, 0],
    ]  # fmt: skip
    assert not parallel.simulate(parallel.SyncSGD(SGD), workers=3, steps=2, cluster=late).bars[:, 4].any()
    slow = parallel.Cluster(compute=parallel.exponential(1.0), latency=parallel.exponential(0.5))
    run = parallel.simulate(parallel.async_sgd(SGD), workers=4, steps=20, cluster=slow)
    assert sorted(run.bars[:, 4]) == sorted(run.staleness)
    seldom = parallel.simulate(parallel.Downpour(SGD, n_fetch=2, n_push=2), workers=2, steps=4).bars
    assert np.isnan(seldom[:, 4]).sum() == len(seldom) - 6  # pushed after the steps 0, 2 and 3


@pytest.mark.parametrize(("run", "message"), [
    (parallel.train(parallel.async_sgd(SGD), [lambda theta: theta], [1.0], steps=2), "has no times"),
    ([[0, 1, 2]], r"run has shape \(1, 3\): give what"),
    ([[0, 0.0, 1.0, 0, 0], [0, 2.0, 1.0, 1, 0]], r"run has in row 1 \[0.0, 2.0, 1.0, 1.0, 0.0\]"),
    ([[0.5, 0.0, 1.0, 0, 0]], "run has in row 0"),
    ([[0, 0.0, np.inf, 0, 0]], "run has in row 0"),
    ([[0, 0.0, 1.0, 0, -1]], "run has in row 0"),
])  # fmt: skip
def test_what_is_no_time_line_is_named(run, message):
    with pytest.raises(ValueError, match=message):
        timeline(run)
