"""The races, the contest and the figures of the chapter on watching and choosing."""

import numpy as np
import pytest

from downhill_course.figures import choosing
from optlib import compare, rules, surfaces
from optlib.view import colour
from optlib.widget.presets import PRESETS

GRID = {"lr": [0.01, 0.1]}


@pytest.mark.parametrize("name", choosing.RACES)
def test_a_race_is_the_explorers_race_of_that_name(name):
    race, preset = choosing.RACES[name], PRESETS[name]
    assert (race.surface.name, race.steps) == (preset["surface"], preset["steps"])
    np.testing.assert_array_equal(race.start, preset.get("start", race.surface.start))
    shown = {run["rule"]: run["hyper"]["lr"] for run in preset["runs"] if "lr" in run["hyper"]}
    assert shown == {name: lr for name, lr in race.rates.items() if name in shown}
    assert set(race.rates) - set(shown) <= {"adadelta"}
    assert race.rates["adadelta"] == 1.0


def test_races_draw_every_racer_in_its_colour():
    picture = choosing.races({"race-canyon": None, "beale-race": {**choosing.RACES["beale-race"].rates, "adam": 1.0}})
    for axes in picture.figure.axes[:2]:
        drawn = {line.get_color() for line in axes.lines}
        assert {colour(name) for name in choosing.NAMES} <= drawn
    with pytest.raises(KeyError):
        choosing.races({"no race": None})


def test_arrivals_count_the_step_after_the_last_one_above():
    race = choosing.RACES["race-canyon"]
    found = choosing.arrivals("race-canyon", 1.0)
    for racer, path in race.paths().items():
        heights = [float(race.surface(point)) for point in path]
        step = found[racer]
        assert (heights[-1] > 1.0) == (step is None)
        if step is not None:
            assert max(heights[step:]) <= 1.0 < heights[step - 1]
    came = [step for step in found.values() if step is not None]
    assert came == sorted(came)


def test_the_tuned_rates_are_of_the_grid_and_at_least_as_low():
    race = choosing.RACES["beale-race"]
    tuned = race.tuned()
    assert all(lr in choosing.RACERS[name][1]["lr"] for name, lr in tuned.items())
    for name, path in race.paths(tuned).items():
        least = [lr for lr in choosing.RACERS[name][1]["lr"] if lr <= tuned[name]]
        others = [race.paths({**tuned, name: lr})[name][-1] for lr in least]
        assert race.surface(path[-1]) <= min(race.surface(end) for end in others) + 1e-12


def small():
    problems = [compare.surface(surfaces.bowl), compare.surface(surfaces.ravine)]
    return compare.contest(problems, {"sgd": (rules.sgd, GRID), "adam": (rules.adam, GRID)}, budget=30, seeds=2)


def test_lag_counts_decades_behind_the_best():
    result = small()
    behind = choosing.lag(result)
    for problem in result.problems:
        ends = {name: result.row(problem, name).median for name in ("sgd", "adam")}
        assert min(behind[problem].values()) == 0.0
        worst = max(ends, key=ends.get)
        wanted = np.log10(max(ends[worst], 1e-6) / max(min(ends.values()), 1e-6))
        assert behind[problem][worst] == pytest.approx(wanted)


def test_standings_put_the_best_at_one_and_cut_the_far():
    figure = choosing.standings(small(), most=0.5).figure
    marks = [line for line in figure.axes[0].lines if line.get_color() in (colour("sgd"), colour("adam"))]
    at = [float(line.get_xdata()[0]) for line in marks]
    assert len(at) == 4
    assert at.count(1.0) >= 2
    assert max(at) <= 10**0.5 + 1e-9


def test_sweeps_try_every_rate_of_everyone():
    found = choosing.sweep(compare.surface(surfaces.bowl), budget=20)
    assert {name: rates for name, (rates, _) in found.items()} == {n: g["lr"] for n, (_, g) in choosing.RACERS.items()}
    assert found["sgd"][1][-1] == np.inf or found["sgd"][1][-1] > min(found["sgd"][1])
    drawn = choosing.valleys(found).figure.axes[0]
    assert {line.get_label() for line in drawn.lines if not line.get_label().startswith("_")} == set(choosing.NAMES)


def test_who_is_tuned_alone_wins():
    problem = choosing.six()[5]
    assert choosing.rigged(problem, "sgd", 50) == "sgd"
    assert choosing.rigged(problem, "adam", 50) == "adam"
