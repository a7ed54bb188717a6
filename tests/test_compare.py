"""The contest: equal tuning, fresh seeds, failures that count, and a record that survives an interruption."""

import csv
import io
import json
import math
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from optlib import Optimizer, compare, data, descend, layered, models, oracles, rules, schedules, surfaces
from optlib.compare import Contest, Problem, Row, contest, examples, function, surface

LRS = [1e-3, 1e-2, 1e-1]
PAIR = {"sgd": (rules.sgd, {"lr": LRS}), "adam": (rules.adam, {"lr": LRS})}


# At the top of a module, so that another process finds them.
def bowl(theta):
    return float(theta @ theta)


def slope(theta):
    return 2 * theta


def cliff(theta):
    return np.exp(theta[..., 0] ** 2)


def cliff_slope(theta):
    with np.errstate(all="ignore"):
        return 2 * theta * np.exp(theta[..., :1] ** 2)


class Stops:
    """A function that is interrupted at one of its calls."""

    def __init__(self, after):
        self.left = after
        self.__name__ = "mine"

    def __call__(self, theta):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return bowl(theta)


def mine(f=bowl, **changes):
    return function(f, slope, [3.0, -2.0], name="mine", **{"spread": 0.5, **changes})


# --- what is run ------------------------------------------------------------------------------------


def test_each_optimizer_has_the_same_runs_and_fresh_seeds():
    asked = []
    base = mine()
    problem = replace(base, oracle=lambda seed: asked.append(seed) or base.oracle(seed))
    result = contest(problem, PAIR, budget=20, tuning_seeds=2, seeds=4, seed=7)
    assert {row.runs for row in result.rows} == {3 * 2 + 4}
    assert result.runs == 20
    assert sorted(asked) == sorted(2 * (3 * [7, 8] + [9, 10, 11, 12]))


def test_a_row_is_what_descend_gives():
    problem = mine(noise=0.1)
    result = contest(problem, PAIR, budget=30, seeds=5)
    for row in result.rows:
        optimizer = Optimizer(PAIR[row.optimizer][0], **row.chosen)
        paths = [descend(optimizer, problem.oracle(seed), problem.start(seed), 30) for seed in range(1, 6)]
        ends = sorted(bowl(path[-1]) for path in paths)
        assert (row.low, row.median, row.high) == (ends[1], ends[2], ends[3])
        curves = [[bowl(path[t]) for t in result.evaluations] for path in paths]
        np.testing.assert_array_equal(result.curves["mine", row.optimizer], curves)


def test_the_setting_with_the_least_median_is_chosen():
    problem = mine()
    row = contest(problem, {"sgd": PAIR["sgd"]}, budget=20, tuning_seeds=3).row("mine", "sgd")

    def middle(lr):
        ends = [descend(Optimizer(rules.sgd, lr=lr), slope, problem.start(s), 20)[-1] for s in range(3)]
        return float(np.median([bowl(end) for end in ends]))

    assert row.chosen == {"lr": min(LRS, key=middle)}


def test_rows_are_sorted_by_problem_then_median():
    result = contest([surface(surfaces.ravine), surface(surfaces.bowl)], PAIR, budget=30, seeds=2)
    assert result.problems == ("ravine", "bowl")
    assert [row.problem for row in result.rows] == ["ravine", "ravine", "bowl", "bowl"]
    for problem in result.problems:
        medians = [row.median for row in result.rows if row.problem == problem]
        assert medians == sorted(medians)


def test_settings_are_chosen_on_the_tuning_problem_and_reported_on_the_other():
    steep = function(lambda x: 50 * bowl(x), lambda x: 50 * slope(x), [3.0, -2.0], name="steep")
    tuned = contest(mine(), {"sgd": PAIR["sgd"]}, budget=20, tuning=steep, seeds=3)
    alone = contest(mine(), {"sgd": (rules.sgd, {"lr": [1e-2]})}, budget=20, seeds=3)
    assert tuned.rows[0].problem == "mine"
    assert tuned.rows[0].chosen == {"lr": 1e-2}  # 0.1 diverges where the curvature is 100
    assert contest(mine(), {"sgd": PAIR["sgd"]}, budget=20).rows[0].chosen == {"lr": 1e-1}
    np.testing.assert_array_equal(tuned.curves["mine", "sgd"], alone.curves["mine", "sgd"])
    assert "tried with 1 seed on other data, the best repeated with 3 fresh seeds" in tuned.terms
    assert "on other data" not in alone.terms


def test_each_problem_has_a_tuning_problem_of_its_name():
    with pytest.raises(ValueError, match="tuning names mine, and the problems are mine, bowl: give one of each name"):
        contest([mine(), surface(surfaces.bowl)], PAIR, budget=5, tuning=mine())
    both = [surface(surfaces.bowl), mine()]
    result = contest([mine(), surface(surfaces.bowl)], PAIR, budget=5, tuning=both)
    assert result.problems == ("mine", "bowl")


def test_gaps_pair_the_ends_seed_by_seed():
    result = contest(mine(), PAIR, budget=20, seeds=4)
    ends = {name: result.curves["mine", name][:, -1] for name in PAIR}
    np.testing.assert_array_equal(result.gaps("sgd", "adam"), ends["sgd"] - ends["adam"])
    np.testing.assert_array_equal(result.gaps("adam", "sgd", "mine"), ends["adam"] - ends["sgd"])
    with pytest.raises(KeyError, match="no 'nag' on 'mine'"):
        result.gaps("nag", "adam")
    two = contest([mine(), surface(surfaces.bowl)], PAIR, budget=5)
    with pytest.raises(ValueError, match="the contest has 2, so name one of mine, bowl"):
        two.gaps("sgd", "adam")


def test_a_gap_to_a_failed_run_is_infinite():
    wild = {"wild": (rules.sgd, {"lr": [50.0]}), "tame": (rules.sgd, {"lr": [1e-3]})}
    gaps = contest(function(cliff, cliff_slope, [1.0], name="cliff"), wild, budget=20, seeds=2).gaps
    assert (gaps("wild", "tame") == np.inf).all()
    assert (gaps("tame", "wild") == -np.inf).all()
    assert np.isnan(gaps("wild", "wild")).all()


def test_it_is_deterministic_and_another_seed_is_another_contest():
    once, again = (contest(mine(noise=0.2), PAIR, budget=15, seeds=3).to_json() for _ in range(2))
    assert once == again
    assert contest(mine(noise=0.2), PAIR, budget=15, seeds=3, seed=1).to_json() != once


def test_a_larger_grid_is_searched_at_random_and_equal_grids_alike():
    wide = {"lr": np.geomspace(1e-4, 1, 8), "gamma": [0.5, 0.9, 0.95]}
    entries = {"a": (rules.momentum, wide), "b": (rules.momentum, wide), "sgd": (rules.sgd, {"lr": LRS})}
    chosen = compare._Contenders(mine(), entries, 10, None, 5, 1, 0, 50, 1)
    settings = {name: chosen.settings(entry) for name, entry in chosen.entries.items()}
    assert settings["sgd"] == [0, 1, 2]
    assert len(set(settings["a"])) == 3
    assert settings["a"] == settings["b"]
    combinations = {tuple(chosen.entries["a"].setting(i).values()) for i in range(24)}
    assert combinations == {(lr, gamma) for lr in wide["lr"] for gamma in wide["gamma"]}


def test_fixed_values_and_schedules_and_whole_optimizers():
    entries = {
        "fixed": (rules.momentum, {"lr": [0.01], "gamma": 0.5}),
        "schedule": (rules.sgd, {"lr": [schedules.cosine(0.1, 20)]}),
        "as it is": Optimizer(rules.sgd, lr=0.05),
        "bare": rules.adam,
    }
    result = contest(mine(), entries, budget=20, seeds=1)
    assert result.row("mine", "fixed").chosen == {"lr": 0.01}
    start = mine().start(1)
    for name, optimizer in (
        ("fixed", Optimizer(rules.momentum, lr=0.01, gamma=0.5)), ("as it is", entries["as it is"]),
        ("schedule", Optimizer(rules.sgd, lr=schedules.cosine(0.1, 20))), ("bare", Optimizer(rules.adam)),
    ):  # fmt: skip
        assert result.row("mine", name).median == bowl(descend(optimizer, slope, start, 20)[-1])
    assert "as given" in str(result)


def test_a_rule_that_compares_losses_is_given_them():
    result = contest(surface(surfaces.bowl), {"irprop_plus": rules.irprop_plus}, budget=30, seeds=2)
    assert result.rows[0].median < 1e-3


def test_models_and_data_with_a_metric_on_held_out_examples():
    X, y = data.two_classes(n=120, distance=3.0, seed=0)
    model = models.LogisticRegression()

    def errors(theta, X, y):
        return float(((model.predict(theta, X) > 0.5) != y).mean())

    problem = examples(model, X[:80], y[:80], batch_size=8, held_out=(X[80:], y[80:]), metric=errors, name="classes")
    result = contest(problem, {"sgd": (rules.sgd, {"lr": [0.1, 1.0]})}, budget=50, seeds=3)
    assert problem.metric(problem.start(0)) > result.rows[0].median
    assert result.rows[0].median * 40 == pytest.approx(round(result.rows[0].median * 40))
    first, second = (problem.oracle(seed).indices(0) for seed in (0, 1))
    assert sorted(first) != sorted(second)


def test_a_network_starts_anew_for_each_seed():
    X, y = data.digits()
    problem = examples(models.MLP([64, 8, 10]), X[:100], y[:100], batch_size=20)
    assert (problem.start(0) != problem.start(1)).any()
    result = contest(problem, {"adam": (rules.adam, {"lr": [1e-2]})}, budget=20, seeds=2)
    assert result.rows[0].median < problem.metric(problem.start(0))


# --- failures and warnings --------------------------------------------------------------------------


def test_divergence_is_counted_and_does_not_stop_the_contest():
    entries = {"wild": (rules.sgd, {"lr": [50.0, 60.0]}), "calm": (rules.sgd, {"lr": [0.01, 0.02]})}
    result = contest(function(cliff, cliff_slope, [1.0]), entries, budget=30, seeds=3)
    wild, calm = result.row("cliff", "wild"), result.row("cliff", "calm")
    assert (wild.failures, wild.median, wild.high, wild.tuning_failures) == (3, math.inf, math.inf, 2)
    assert wild.warnings == ("no setting of the grid stays finite",)
    assert wild.reasons == ("the metric is not finite at step 1",)
    assert (calm.failures, calm.tuning_failures) == (0, 0)
    assert np.isinf(result.curves["cliff", "wild"][:, -1]).all()
    assert result.curves["cliff", "wild"][0, 0] == pytest.approx(math.e)


def test_ending_above_the_start_is_a_failure():
    row = contest(mine(), {"sgd": Optimizer(rules.sgd, lr=1.1)}, budget=5, seeds=2).rows[0]
    assert (row.failures, row.reasons) == (2, ("worse than at the start",))
    assert math.isfinite(row.median)


def test_some_failures_make_the_upper_quartile_infinite():
    problem = Problem("half", lambda seed: slope, lambda seed: np.array([1.0]), bowl)
    odd = replace(problem, oracle=lambda seed: slope if seed % 2 else (lambda theta: theta * np.nan))
    row = contest(odd, {"sgd": Optimizer(rules.sgd, lr=0.1)}, budget=5, seeds=4, seed=0).rows[0]
    assert (row.failures, row.low < 1, row.high) == (2, True, math.inf)


def test_overflow_in_the_users_own_function_is_divergence_and_other_errors_are_not():
    def overflows(theta):
        return np.array([math.exp(1000.0 * abs(theta[0]))])

    problem = function(bowl, overflows, [1.0], name="python")
    row = contest(problem, {"sgd": Optimizer(rules.sgd, lr=1.0)}, budget=3, seeds=1).rows[0]
    assert row.reasons == ("OverflowError after step 0",)

    def wrong(theta):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        contest(function(bowl, wrong, [1.0]), {"sgd": Optimizer(rules.sgd, lr=1.0)}, budget=3)


def test_an_error_names_its_run():
    def fails_later(theta, t):
        if t == 2:
            raise LookupError("mine")
        return slope(theta)

    with pytest.raises(LookupError) as caught:
        contest(function(bowl, fails_later, [1.0], name="p"), {"sgd": Optimizer(rules.sgd, lr=0.1)}, budget=5, seed=3)
    (note,) = caught.value.__notes__
    assert note == "in the contest: Optimizer(sgd, lr=0.1) on problem 'p' with seed 3"


def test_the_best_on_the_edge_of_its_grid_is_told():
    low = contest(mine(), {"sgd": (rules.sgd, {"lr": [0.4, 0.7, 0.9]})}, budget=9, seeds=1).rows[0]
    high = contest(mine(), {"sgd": (rules.sgd, {"lr": [1e-4, 1e-3]})}, budget=9, seeds=1).rows[0]
    inside = contest(mine(), {"sgd": (rules.sgd, {"lr": [0.1, 0.5, 0.95]})}, budget=9, seeds=1).rows[0]
    assert low.warnings == ("lr=0.4 is the least of its grid",)
    assert high.warnings == ("lr=0.001 is the greatest of its grid",)
    assert inside.warnings == ()


def test_the_edge_of_what_is_allowed_is_no_warning():
    entry = (rules.momentum, {"lr": 0.1, "gamma": [0.0, 0.9]})
    row = contest(mine(), {"m": entry}, budget=9, seeds=1).rows[0]
    assert (row.chosen, row.warnings) == ({"gamma": 0.0}, ())


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "error", "words"),
    [
        ((rules.sgd, {"lr": []}), ValueError, "grid of lr is empty"),
        ((rules.sgd, {"lr": [0.1, 0.1]}), ValueError, "twice"),
        ((rules.sgd, {"lr": [0.1, -1.0]}), ValueError, "out of range"),
        ((rules.sgd, {"lr": [0.1, float("nan")]}), ValueError, "out of range"),
        ((rules.sgd, {"lr": [0.1, "fast"]}), TypeError, "no number"),
        ((rules.sgd, {"rate": [0.1]}), TypeError, "no hyper-parameter 'rate'"),
        ((rules.sgd, [0.1]), TypeError, "give \\(rule, grid\\)"),
        ("sgd", TypeError, "give \\(rule, grid\\)"),
    ],
)
def test_bad_grids(entry, error, words):
    with pytest.raises(error, match=words) as caught:
        contest(mine(), {"mine": entry}, budget=5)
    assert "'mine'" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budget": 0}, "budget=0"), ({"budget": 2.5}, "budget=2.5"), ({"seeds": 0}, "seeds=0"),
        ({"tuning_seeds": 0}, "tuning_seeds=0"), ({"seed": -1}, "seed=-1"), ({"points": 0}, "points=0"),
        ({"workers": 0}, "workers=0"), ({"tries": 4}, "'sgd' holds 3 settings"), ({"problems": []}, "at least one"),
        ({"problems": [mine(), mine()]}, "two problems are called 'mine'"), ({"optimizers": {}}, "at least one"),
    ],
)  # fmt: skip
def test_bad_contests(changes, words):
    with pytest.raises(ValueError, match=words):
        contest(**{"problems": mine(), "optimizers": PAIR, "budget": 5, **changes})


def test_bad_problems():
    with pytest.raises(ValueError, match=r"problems=.* each of it a Problem"):
        contest([surfaces.bowl], PAIR, budget=5)  # type: ignore[list-item]
    with pytest.raises(TypeError, match="must start at floats"):
        contest(replace(mine(), start=lambda seed: np.array([1, 2])), PAIR, budget=5)
    with pytest.raises(ValueError, match="must be one number"):
        contest(replace(mine(), metric=lambda theta: theta), PAIR, budget=5)
    with pytest.raises(ValueError, match="noise=-1"):
        mine(noise=-1)
    with pytest.raises(TypeError, match="grad=3: it must be a function"):
        function(bowl, 3, [1.0])
    with pytest.raises(ValueError, match="size=6: it must be a whole number, 1 to 5"):
        examples(models.LinearRegression(), *data.line(n=5), batch_size=6)
    with pytest.raises(KeyError, match="sgd on mine"):
        contest(mine(), {"sgd": Optimizer(rules.sgd, lr=0.1)}, budget=2).row("mine", "adam")


# --- the record -------------------------------------------------------------------------------------


def test_an_interrupted_contest_goes_on_where_it_stopped(tmp_path):
    uninterrupted = contest(mine(), PAIR, budget=10, seeds=3)
    file = tmp_path / "runs.jsonl"
    with pytest.raises(KeyboardInterrupt):
        contest(mine(Stops(60)), PAIR, budget=10, seeds=3, file=file)
    before = file.read_bytes()
    done = before.count(b"\n") - 1
    assert 0 < done < 12
    counted = Stops(-1)
    resumed = contest(mine(counted), PAIR, budget=10, seeds=3, file=file)
    assert resumed.to_json() == uninterrupted.to_json()
    assert -1 - counted.left == (12 - done) * 11 + 1  # a metric at each of 11 points of the missing runs, and one look
    assert file.read_bytes().startswith(before)


def test_a_finished_contest_is_read_and_not_run(tmp_path):
    file = tmp_path / "runs.jsonl"
    first = contest(mine(), PAIR, budget=10, seeds=3, file=file)
    stored = file.read_bytes()
    counted = Stops(-1)
    assert contest(mine(counted), PAIR, budget=10, seeds=3, file=file).to_json() == first.to_json()
    assert (-1 - counted.left, file.read_bytes()) == (1, stored)


def test_a_line_cut_in_the_middle_is_run_again(tmp_path):
    file = tmp_path / "runs.jsonl"
    first = contest(mine(), PAIR, budget=10, seeds=3, file=file)
    stored = file.read_bytes()
    file.write_bytes(stored[:-30])
    assert contest(mine(), PAIR, budget=10, seeds=3, file=file).to_json() == first.to_json()
    *whole, last = stored.splitlines()
    *kept, again = file.read_bytes().splitlines()
    assert kept == whole
    assert json.loads(again) | {"seconds": 0} == json.loads(last) | {"seconds": 0}


def test_failed_runs_are_resumed_too(tmp_path):
    def walk():
        problem = function(cliff, cliff_slope, [1.0])
        return contest(problem, {"sgd": (rules.sgd, {"lr": [1.0, 50.0]})}, budget=9, file=tmp_path / "runs.jsonl")

    assert walk().to_json() == walk().to_json()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budget": 11}, "budget was 10, now 11"),
        ({"seeds": 4}, "seeds was 3, now 4"),
        ({"optimizers": {**PAIR, "nag": (rules.nag, {"lr": LRS})}}, "optimizer nag is not in the file"),
        ({"optimizers": {"sgd": PAIR["sgd"]}}, "optimizer adam is only in the file"),
        ({"optimizers": {**PAIR, "sgd": (rules.sgd, {"lr": [1e-3, 1e-2, 0.2]})}}, "optimizer sgd grid lr was .*0.2"),
        ({"problems": mine(spread=0.6)}, "problem mine start was"),
        ({"tuning": mine(spread=0.6)}, "tuned on is not in the file"),
        ({"problems": function(cliff, slope, [3.0, -2.0], name="mine", spread=0.5)}, "problem mine metric there was"),
    ],
)
def test_the_record_of_another_contest_is_refused(tmp_path, changes, words):
    file = tmp_path / "runs.jsonl"
    given = {"problems": mine(), "optimizers": PAIR, "budget": 10, "seeds": 3, "file": file}
    contest(**given)
    stored = file.read_bytes()
    with pytest.raises(ValueError, match=words) as caught:
        contest(**{**given, **changes})
    assert "records another contest" in str(caught.value)
    assert file.read_bytes() == stored


@pytest.mark.parametrize("content", [b"a diary\n", b"[1, 2]\n", b"no end", b'{"contest": {}}\n{"run": 3}\n', b"\xff\n"])
def test_a_file_that_is_no_record_is_left_alone(tmp_path, content):
    file = tmp_path / "diary.txt"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="no record of a contest"):
        contest(mine(), PAIR, budget=10, file=file)
    assert file.read_bytes() == content


def test_schedules_of_one_name_are_told_apart(tmp_path):
    def walk(rate):
        entry = (rules.sgd, {"lr": [schedules.cosine(rate, 10)]})
        contest(mine(), {"sgd": entry}, budget=10, seeds=1, file=tmp_path / "runs.jsonl")

    walk(0.1)
    with pytest.raises(ValueError, match="grid lr was"):
        walk(0.2)


# --- processes --------------------------------------------------------------------------------------


def test_processes_give_the_same_result(tmp_path):
    problems = [mine(noise=0.1), surface(surfaces.ravine.but(b=20.0))]
    alone = contest(problems, PAIR, budget=10, seeds=2)
    file = tmp_path / "runs.jsonl"
    together = contest(problems, PAIR, budget=10, seeds=2, workers=2, file=file)
    assert together.to_json() == alone.to_json()
    assert contest(problems, PAIR, budget=10, seeds=2, file=file).to_json() == alone.to_json()


def test_what_cannot_be_sent_to_a_process_is_told_before():
    problem = function(lambda theta: bowl(theta), slope, [1.0], name="mine")
    with pytest.raises(TypeError, match=r"problem 'mine' cannot be sent.*workers=1"):
        contest(problem, PAIR, budget=3, workers=2)
    with pytest.raises(TypeError, match="optimizer 'sgd' cannot be sent"):
        contest(mine(), {"sgd": (rules.sgd, {"lr": [lambda t: 0.1, 0.1]})}, budget=3, workers=2)


def test_schedules_go_to_other_processes():
    entries = {"cosine": (rules.sgd, {"lr": [schedules.cosine(high, 3) for high in (0.1, 0.2)]}),
               "warm": (rules.sgd, {"lr": schedules.warm_up(schedules.exponential(0.1, 0.9), 2)})}  # fmt: skip
    alone, together = (contest(mine(), entries, budget=5, seeds=2, workers=n) for n in (1, 2))
    assert together.to_json() == alone.to_json()


def test_a_surface_survives_the_way_to_another_process():
    f = surfaces.ravine.but(b=20.0)
    again = pickle.loads(pickle.dumps(f))
    assert again == f
    assert again([1.0, 2.0]) == f([1.0, 2.0])
    with pytest.raises(TypeError):
        again.constants["b"] = 3.0


# --- what is shown ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result():
    wild = {"wild": (rules.sgd, {"lr": [50.0, 60.0, 70.0]})}
    return contest(function(cliff, cliff_slope, [1.0], name="a|b"), PAIR | wild, budget=20, seeds=3)


def test_the_text_states_the_terms(result):
    text = str(result)
    assert text.splitlines()[0] == (
        "budget 20 gradient evaluations; 3 settings tried with 1 seed, the best repeated with 3 fresh seeds"
    )
    assert "3/3" in text
    assert "no setting of the grid stays finite" in text


def test_the_table_in_a_notebook(result):
    head, rule, *body = result._repr_markdown_().splitlines()
    assert head.startswith("| problem · 问题 | optimizer · 算法 |")
    assert head.count("|") == rule.count("|") == 8
    assert len(body) == 3
    assert all(line.replace("\\|", "").count("|") == 8 for line in body)


def test_csv_and_json(result, tmp_path):
    text = result.to_csv(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text(encoding="utf-8") == text
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["optimizer"] for line in lines] == [row.optimizer for row in result.rows]
    assert json.loads(lines[0]["chosen"]) == result.rows[0].chosen
    assert lines[-1]["median"] == ""
    told = json.loads(result.to_json(tmp_path / "all.json"))
    assert json.loads((tmp_path / "all.json").read_text(encoding="utf-8")) == told
    assert told["rows"][-1]["median"] is None
    assert told["curves"][0]["values"][0][0] == pytest.approx(math.e)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["all.json", "table.csv"]


def test_rows_tell_where_it_came_to_and_what_it_cost(tmp_path):
    """One seed, so that the repeat in the middle is the one run: its last point, as a walk of its own comes to it."""
    grid = {"adam": (rules.adam, {"lr": [0.05, 0.1]}), "sgd": (rules.sgd, {"lr": [0.1, 0.2]})}
    calls = [contest(mine(), grid, budget=10, seeds=1, file=tmp_path / "record") for _ in range(2)]
    assert calls[0] == calls[1]
    for row in calls[1].rows:
        start, optimizer = mine().start(1), Optimizer(grid[row.optimizer][0], **row.chosen)
        assert row.theta == tuple(descend(optimizer, mine().oracle(1), start, 10, keep="last"))
        assert row.state == {"adam": 2, "sgd": 0}[row.optimizer]
        assert row.cost == row.seconds / 10 > 0
    diverged = contest(mine(), {"sgd": (rules.sgd, {"lr": [1e200]})}, budget=10).rows[0]
    assert diverged.theta is None


def test_what_is_written_replaces_a_file_whole_or_not_at_all(result, tmp_path):
    with pytest.raises(OSError, match="absent"):
        result.to_csv(tmp_path / "absent" / "table.csv")
    (tmp_path / "table.csv").write_text("old")
    result.to_csv(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text(encoding="utf-8").startswith("problem,optimizer")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("terminal", "progress", "shown"), [(True, None, True), (False, None, False),
                                                             (False, True, True), (True, False, False)])  # fmt: skip
def test_the_bar_stands_on_a_terminal_only(monkeypatch, terminal, progress, shown):
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    contest(mine(), PAIR, budget=3, seeds=2, progress=progress)
    assert ("10/10 runs" in stream.getvalue()) == shown
    assert bool(stream.getvalue()) == shown


def test_a_metric_without_return_is_named():
    with pytest.raises(TypeError, match="the metric of problem 'mine' gave None: does its function end with return"):
        contest(function(lambda theta: None, slope, [1.0], name="mine"), PAIR, budget=3)


# --- makers of optimizers, the charge for two gradients, and what a result tells ---------------------------


def _sharp(lr: float, rho: float):
    return Optimizer(rules.sgd, lr=lr), partial(oracles.sharp, rho=rho)


def test_an_entry_may_make_its_optimizer_and_change_the_oracle():
    """Twice the gradients are half the steps; with rho = 0 it is the plain walk of half the budget."""
    asked = []

    def grad(theta):
        asked.append(1)
        return theta

    problem = function(lambda x: float(x @ x) / 2, grad, [1.0, 2.0], name="counted")
    result = contest(problem, {"sam": (_sharp, {"lr": [0.1], "rho": [0.0]})}, budget=10, seeds=1)
    plain = contest(problem, {"sgd": (rules.sgd, {"lr": [0.1]})}, budget=5, seeds=1)
    assert len(asked) == 2 * 10 + 2 * 5, "each of the four runs cost its budget"
    assert result.rows[0].median == plain.rows[0].median
    assert result.rows[0].chosen == {"lr": 0.1, "rho": 0.0}
    np.testing.assert_array_equal(result.curves["counted", "sam"][0][::2], plain.curves["counted", "sgd"][0])


def test_a_layered_optimizer_enters_as_it_is_or_from_its_maker(tmp_path):
    X, y = data.two_classes(n=60, d=4, seed=0)
    model = models.MLP([5, 6, 6, 2], "tanh")
    problem = examples(model, X, y, batch_size=10)

    def muon(lr):
        return layered(
            model.parts(), hidden=Optimizer(rules.muon, lr=lr), rest=Optimizer(rules.adamw, lr=schedules.cosine(lr, 20))
        )

    entries = {"maker": (muon, {"lr": [0.01, 0.02]}), "adamw": (rules.adamw, {"lr": [0.01, 0.02]})}
    result = contest(problem, entries, budget=20, seeds=2, file=tmp_path / "record")
    assert contest(problem, entries, budget=20, seeds=2, file=tmp_path / "record").rows == result.rows
    alone = contest(problem, {"maker": muon(result.row("MLP", "maker").chosen["lr"])}, budget=20, seeds=2)
    np.testing.assert_array_equal(alone.curves["MLP", "maker"], result.curves["MLP", "maker"])
    hidden, size = 36, model.size
    assert result.row("MLP", "maker").state == pytest.approx((hidden + 2 * (size - hidden)) / size)


@pytest.mark.parametrize(
    ("given", "words"),
    [((lambda lr: 3, {"lr": [0.1]}), "optimizer 'x': it made 3: it must make an Optimizer"),
     ((lambda lr: (Optimizer(rules.sgd), 3), {"lr": [0.1]}), "or the pair of an Optimizer and a function"),
     ((lambda lr: Optimizer(rules.sgd, lr=lr), {"rate": [0.1]}), "optimizer 'x': .*unexpected keyword argument 'rate'"),
     ((3, {}), "In the rule's place may stand a function")],
)  # fmt: skip
def test_what_makes_no_optimizer_is_named(given, words):
    with pytest.raises(TypeError, match=words):
        contest(mine(), {"x": given}, budget=5)


def told(**curves) -> Contest:
    """A contest whose curves are these, over evaluations 0, 10, 20, 30, 40."""
    runs = {("p", name): np.array(values, float) for name, values in curves.items()}
    rows = tuple(
        Row("p", name, float(np.median(v[:, -1])), 0.0, 0.0, 0, len(v), 0, 0, {}) for (_, name), v in runs.items()
    )
    seeds = len(next(iter(runs.values())))
    return Contest(rows, np.arange(0, 50, 10), runs, 40, 1, 1, seeds, 0)


def test_steps_to_a_target_and_the_profile():
    result = told(a=[[9, 6, 4, 2, 1], [9, 8, 4, 3, 1]], b=[[9, 7, 6, 4, 0], [9, 8, np.inf, np.inf, np.inf]],
                  c=[[9, 9, 9, 9, 9]] * 2)  # fmt: skip
    assert result.target("a") == 2
    assert result.target("a", share=0.5) == 4
    np.testing.assert_array_equal(result.steps_to(4, "a"), [20, 20])
    np.testing.assert_array_equal(result.steps_to(4, "b"), [30, np.inf])
    # a arrives at 20 of 40, b at 30: 1.5 times as late, of 4; c never
    assert result.profile("a", share=0.5) == pytest.approx({"a": 1.0, "b": 2.5 / 3, "c": 0.0})
    assert result.profile("a", share=0.5, tau=1.25) == pytest.approx({"a": 1.0, "b": 0.0, "c": 0.0})
    with pytest.raises(ValueError, match="tau=1"):
        result.profile("a", tau=1.0)
    with pytest.raises(KeyError, match="no 'd' on 'p'"):
        result.steps_to(4, "d")


def test_p_values_are_those_of_the_signed_ranks():
    """Of five gaps -1 .. -5 no choice of signs is as good; with one against, ranks 1 and 2 leave 2 and 3 of 32."""
    zero = [[0, 0, 0, 0, 0]] * 5

    def against(*ends):
        return told(one=[[0, 0, 0, 0, e] for e in ends], other=zero).p_value("one", "other")

    assert against(-1, -2, -3, -4, -5) == 1 / 32
    assert against(1, -2, -3, -4, -5) == 2 / 32
    assert against(-1, 2, -3, -4, -5) == 3 / 32
    assert against(-1, -2, -3, -4, np.inf) == against(-1, -2, -3, -4, 5)
    assert against(0, 0, 0, 0, 0) == 1.0
    assert against(1, 1, 1, 1, 1) == 1.0


def test_flips_are_where_medians_cross():
    result = told(early=[[9, 3, 3, 3, 3]], late=[[9, 8, 5, 2, 1]], last=[[9, 9, 9, 9, 9]])
    assert result.flips() == [(30, "late", "early")]
