"""The ladder: rules as entries, races whose gradients stay on this side, scores, the board, and rules that cheat."""

import csv
import html.parser
import json
import re
import shutil
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from grading import family, left_since, sandbox
from needs import need
from test_grader_hostile import CHEATS

from downhill_course.grade.sandbox import Sandbox
from downhill_course.ladder import board, command, duel, judge, plane, race, reference, rider, scoring
from downhill_course.ladder.families import FAMILIES, PUBLIC, SCORED, member_of, secret
from optlib import Optimizer, oracles, rules

SGD = "def rule(theta, g, *, lr=0.1):\n    return theta - lr * g, ()\n"
LION = (
    "import numpy as np\n\ndef lion(theta, g, m, *, lr=0.01, beta1=0.9, beta2=0.99):\n"
    "    c = beta1 * m + (1 - beta1) * g\n    return theta - lr * np.sign(c), (beta2 * m + (1 - beta2) * g,)\n"
)


def results(source, *families, seed=PUBLIC, box=None, targets=None):
    entry = judge.examined("mine", source, box)
    assert not entry.trouble, entry.trouble
    goals = reference.published()["targets"] if targets is None else targets
    return {family: judge.judged(entry, family, seed, goals.get(family), box) for family in families}


# --- the problems ----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_member_is_one_problem_for_one_run(family):
    one, same, other = (member_of(family, secret(PUBLIC), number) for number in (1, 1, 2))
    assert np.array_equal(one.start, same.start)
    assert one.parts[-1].stop == one.start.size
    assert all(part.stop - part.start == np.prod(part.shape) for part in one.parts)
    theta = one.start + 0.1 * np.random.default_rng(0).standard_normal(one.start.size)
    assert one.loss(theta) == same.loss(theta)
    assert np.array_equal(one.gradient(theta, 0), same.gradient(theta, 0))
    if FAMILIES[family].scored:
        assert one.loss(theta) != other.loss(theta), "another number hides another minimiser"
        hidden = member_of(family, secret("another seed"), 1)
        assert hidden.loss(theta) != one.loss(theta)


@pytest.mark.parametrize("family", ["axis", "rotated", "zipf", "chain"])
def test_the_mean_of_noisy_gradients_is_the_slope_of_the_loss(family):
    member = member_of(family, secret(PUBLIC), 1)
    theta = member.start + 0.3 * np.random.default_rng(1).standard_normal(member.start.size)
    mean = np.mean([member.gradient(theta, t) for t in range(4000)], axis=0)
    slope = oracles.central_difference(member.loss, theta)
    assert np.abs(mean - slope).max() < 0.02 * np.abs(slope).max() + 2e-3


# --- a rule's side ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["momentum", "nag", "nadam_constant", "rprop_minus", "nesterov_1983", "heavy_ball"])
def test_an_entry_walks_as_the_library_does(name):
    """The file made of a rule, with its look-ahead and its starts, gives the same numbers, bit for bit."""
    function = rules.TABLE[name]
    setting = {"lr": 0.02}
    source = reference.source_of([function], [setting])
    ours, theirs = (member_of("axis", secret(PUBLIC), 1) for _ in range(2))
    riders = rider.Riders()
    answer = riders.begin(source, [ours.start], [setting], [list(part) for part in ours.parts], 30)
    optimizer, theta = Optimizer(function, **setting), theirs.start
    state = optimizer.init(theta)
    for t in range(30):
        wanted = optimizer.ask(theta, state)
        assert np.array_equal(answer["ask"][0], wanted)
        theta, state = optimizer.tell(theta, theirs.gradient(wanted, t), state)
        answer = riders.step([ours.gradient(answer["ask"][0], t)], look=True)
        counted = answer["ask"] if answer["at"] is None else answer["at"]
        assert np.array_equal(counted[0], theta)


def test_parts_give_matrices_to_one_rule_and_the_rest_to_another():
    source = (
        "def flat(theta, g, *, lr=0.1):\n    assert theta.ndim == 2\n    return theta - lr * g, ()\n\n"
        "def rest(theta, g, u, *, lr=0.1):\n    assert theta.ndim == 1\n    return theta - lr * g, (u,)\n\n"
        "parts = {'matrix': flat, 'rest': rest}\nsettings = [{'lr': 0.1}, {'matrix.lr': 0.3, 'rest.lr': 0.05}]\n"
    )
    entry = judge.examined("mine", source, None)
    assert (entry.track, entry.about["hyper"]) == ("matrix", {"matrix.lr": 0.1, "rest.lr": 0.1})
    member = member_of("network", secret(PUBLIC), 1)
    riders = rider.Riders()
    layout = [list(part) for part in member.parts]
    riders.begin(source, [member.start], [entry.settings[1]], layout, 10)
    g = member.gradient(member.start, 0)
    moved = member.start - riders.step([g], look=False)["ask"][0]
    W, b = (member.parts[i] for i in (0, 1))
    np.testing.assert_allclose(moved[W.start : W.stop], 0.3 * g[W.start : W.stop], atol=1e-15)
    np.testing.assert_allclose(moved[b.start : b.stop], 0.05 * g[b.start : b.stop], atol=1e-15)


def test_tracks_follow_from_what_a_rule_does():
    normed = SGD.replace("lr * g", "lr * g / ((g * g).sum() ** 0.5 + 1e-9)")
    lists = "settings = [{'lr': 0.1}, {'lr': 0.2}]\n"
    found = [judge.examined("x", source, None).track for source in (SGD, SGD + lists, normed + lists)]
    assert found == ["self-tuning", "elementwise", "matrix"]


def test_what_counts_is_the_reported_point_and_a_schedule_falls_on_the_rate():
    source = (
        "def mean(theta, g, z, t, *, lr=0.1):\n    theta = theta - lr * g\n    return theta, (z + (theta - z) / t,)\n\n"
        "def mean_report(theta, z):\n    return z\n\ndef schedule(t, steps):\n    return 1 - t / steps\n"
    )
    riders = rider.Riders()
    riders.begin(source, [np.zeros(1)], [{}], [["x", 0, 1, [1], "rest"]], 4)
    answers = [riders.step([np.array([1.0])], look=True) for _ in range(2)]
    assert [answer["ask"][0, 0] for answer in answers] == pytest.approx([-0.1, -0.175])
    assert [answer["at"][0, 0] for answer in answers] == pytest.approx([-0.1, -0.1375])


#: Each file with the sentence, or its core, that its writer reads.
BAD_ENTRIES = {
    "empty": ("", "defines no rule: write one function whose first two names are theta and g"),
    "other function": ("def step(w, grad): return w\n", "defines no rule.*it has step"),
    "two rules": (SGD + SGD.replace("rule", "a") + SGD.replace("rule", "b"), None),
    "two without name": (SGD.replace("rule", "a") + SGD.replace("rule", "b"), "defines 2 rules .a, b.*call the one"),
    "syntax": ("def rule(theta, g)\n    return theta\n", r"cannot be run: SyntaxError: .*line 1"),
    "import": ("import torch\n" + SGD, r"cannot be run: ModuleNotFoundError: No module named 'torch' \(line 1\)"),
    "order": ("def rule(theta, g, t, m, *, lr=0.1): return theta, (m,)\n", "its positional names must be theta, g"),
    "setting before the star": ("def rule(theta, g, lr=0.1): return theta, ()\n", "a setting with a default stands"),
    "no default": ("def rule(theta, g, *, lr): return theta, ()\n", "lr has no default"),
    "default is text": ("def rule(theta, g, *, lr=[1]): return theta, ()\n", "default of lr is .1.; it must be a finite number"),
    "default NaN": ("def rule(theta, g, *, lr=float('nan')): return theta, ()\n", "must be a finite number"),
    "default outside": ("def rule(theta, g, *, beta1=1.5): return theta, ()\n", r"beta1 is 1.5, out of range.*\[0, 1\)"),
    "loss": ("def rule(theta, g, loss, *, lr=0.1): return theta, ()\n", "asks for the loss, which the ladder does not"),
    "stars": ("def rule(theta, g, *memory, **hyper): return theta, ()\n", "any number of arguments"),
    "no tuple": ("def rule(theta, g, *, lr=0.1): return theta\n", "must return its new point and the tuple"),
    "shape": ("def rule(theta, g, *, lr=0.1): return theta[:2], ()\n", r"a point of shape \(2,\) for theta of shape"),
    "memory": ("def rule(theta, g, m, *, lr=0.1): return theta, ()\n", "returned 0 memories; its signature names 1"),
    "NaN": ("def rule(theta, g, *, lr=0.1): return theta * float('nan'), ()\n", "first step is not finite"),
    "raises": ("def rule(theta, g, *, lr=0.1):\n    return tetha, ()\n", r"NameError: name 'tetha' .*line 2"),
    "settings no list": (SGD + "settings = {'lr': 0.1}\n", "settings must be a list of dicts"),
    "six settings": (SGD + "settings = [{'lr': 0.1 + i} for i in range(6)]\n", "settings holds 6; at most 5"),
    "unknown setting": (SGD + "settings = [{'rate': 0.1}]\n", "number 1: there is no 'rate'; known are lr"),
    "setting is text": (SGD + "settings = [{'lr': '0.1'}]\n", "number 1: lr is '0.1'; it must be a finite number"),
    "setting outside": (SGD + "settings = [{'lr': 0.1}, {'lr': -1.0}]\n", r"number 2: lr is -1, out of range.*\[0, inf"),
    "schedule a number": (SGD + "schedule = 0.5\n", "schedule is 0.5: a schedule is a function of t"),
    "schedule of three": (SGD + "def schedule(a, b, c): return 1\n", "schedule takes 3 arguments"),
    "schedule negative": (SGD + "def schedule(t): return 1 - t / 50\n", "gives -0.98 at t=99: it must give a finite"),
    "schedule fails": (SGD + "def schedule(t): return 1 / t\n", "fails at t=0: ZeroDivisionError"),
    "schedule of nothing": ("def rule(theta, g): return theta, ()\ndef schedule(t): return 1\n", "no setting lr"),
    "parts": (SGD + "parts = [rule]\n", "parts must be a dict"),
    "part no function": (SGD + "parts = {'rest': 3}\n", "parts holds 3, which is no function"),
    "start": (SGD + "start = 1\n", "start is 1; it must be a dict"),
    "start of another": ("def rule(theta, g, m): return theta, (m,)\nstart = {'m': 'lr'}\n", "m is 'lr'; known are"),
    "look-ahead": (SGD + "def rule_look_ahead(theta, u): return theta\n", "wants u: it takes theta first"),
    "long": (SGD + "#" * 10_000, "characters; at most 10,000 are read"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_bad_entry_gets_one_sentence(name):
    source, said = BAD_ENTRIES[name]
    trouble = judge.examined("mine", source, None).trouble
    assert bool(trouble) == (said is not None)
    if said:
        assert re.search(said, trouble)
        assert "\n" not in trouble


def test_a_run_that_fails_on_the_way_is_infinite_and_says_where():
    """One member's failure leaves the others alone; a rule may also diverge, or stop at some step."""
    late = "def rule(theta, g, t, *, lr=0.1):\n    if t > 7:\n        raise ValueError('enough')\n    return theta - lr * g, ()\n"
    late = late.replace("0.1", "0.001")
    found = results(late, "chain")["chain"]
    assert found["steps"] == [None] * 5
    assert found["why"] == "ValueError: enough (line 3)"
    found = results(SGD.replace("0.1", "9.0"), "chain")["chain"]
    assert found["steps"] == [None] * 5
    assert "diverged at step" in found["why"]


# --- the wall --------------------------------------------------------------------------------------


def test_the_sandbox_gives_the_same_numbers():
    here, there = results(LION, "axis", "ravine"), results(LION, "axis", "ravine", box=sandbox())
    for found in (*here.values(), *there.values()):
        found.pop("seconds")
    assert here == there
    assert here["axis"]["curves"]
    assert not here["axis"]["out"]
    assert here["ravine"]["path"]


def as_rule(answer: str) -> str:
    """An answer of the grader's attack suite as a rule."""
    told = answer.replace("def step(*a)", "def rule(theta, g, v, *, lr=0.1, mu=0.9, a=0.0)")
    told = told.replace("def step(theta, v, g, lr, mu)", "def rule(theta, g, v, *, lr=0.1, mu=0.9)")
    return told.replace("return theta, v\n", "return theta, (v,)\n")


def forged(body: str) -> str:
    """A rule that has taken over its own side of the wall: `step` there answers whatever `body` says."""
    return (
        "import sys, os, numpy as np\nw = sys.modules['worker']\n" + SGD + "old = w.Desk.call\n"
        "def call(self, request):\n    if request.get('name') != 'step': return old(self, request)\n"
        f"    told = lambda v: {{'value': self.plain.encode(v)}}\n    {body}\nw.Desk.call = call\n"
    )


#: Rules that look for the problem, ask for more, or lie about where they are.
RIDERS = {
    "frames": "import sys\ndef rule(theta, g, *, lr=0.1):\n    f = sys._getframe()\n    while f:\n        for v in [*f.f_globals.values(), *f.f_locals.values()]:\n            for name in ('best', 'place', 'loss', 'member', 'gradient'):\n                if hasattr(v, name) or (isinstance(v, dict) and name in v): return theta * 0 + 1, ()\n        f = f.f_back\n    return theta, ()\n",
    "garbage": "import gc\ndef rule(theta, g, *, lr=0.1):\n    for o in gc.get_objects():\n        if type(o).__name__ == 'Member': return o.start * 0, ()\n    return theta, ()\n",
    "the course's modules": "import downhill_course.ladder.families as f\n" + SGD,
    "the library": "from optlib import data\n" + SGD,
    "files": "import os\nX = [open(os.path.join(d, n), 'rb').read(9) for d, _, fs in os.walk('/site') for n in fs if n.endswith(('.npz', '.txt', 'families.py'))]\nassert X\n" + SGD,
    "another run's memory": "import builtins\ndef rule(theta, g, *, lr=0.0):\n    seen = builtins.__dict__.setdefault('seen', [])\n    seen.append(theta)\n    return sum(seen) / len(seen), ()\n",
    "asks for more": forged("self.channel.send({'ask': 0, 'args': [], 'kwargs': {'dict': []}}); return told(self.channel.receive())"),
    "asks through its channel": forged("[self.channel.send({'ask': i, 'args': [], 'kwargs': {}}) for i in range(9)]; return told({})"),
    "claims a score": forged("return told({'steps': [1] * 5, 'ask': np.zeros((5, 10)), 'score': 1.0, 'loss': 0.0})"),
    "answers with too many": forged("return told({'ask': np.ones((50, 10)), 'at': None, 'dead': None})"),
    "answers with whole numbers": forged("return told({'ask': np.ones((5, 10), int), 'at': None, 'dead': None})"),
    "answers with text": forged("return told({'ask': 'x' * 9999, 'at': 'y', 'dead': 'z'})"),
    "answers with nothing": forged("return told(None)"),
    "dead men's lies": forged("return told({'ask': np.ones((len(request['args']), 10)), 'at': None, 'dead': ['<script>' * 99, 7, None, [], {}]})"),
    "infinite points": forged("return told({'ask': np.full((5, 10), np.inf), 'at': None, 'dead': None})"),
    "endless": "def rule(theta, g, *, lr=0.1):\n    while True: pass\n",
    "endless later": "def rule(theta, g, t, *, lr=0.1):\n    while t > 3: pass\n    return theta, ()\n",
    "slow by sleeping": "import time\ndef rule(theta, g, t, *, lr=0.1):\n    time.sleep(0.2 * (t > 1))\n    return theta, ()\n",
    "memory": "keep = []\ndef rule(theta, g, t, *, lr=0.1):\n    if t > 1: keep.append(bytearray(4 * 10**8))\n    return theta, ()\n",
    "ends itself": "import os\ndef rule(theta, g, t, *, lr=0.1):\n    if t > 2: os._exit(0)\n    return theta, ()\n",
    "array that lies": "import numpy as np\nclass Lie(np.ndarray):\n    shape = property(lambda self: (10,))\n    def __array__(self, *a, **k): return np.zeros(99)\ndef rule(theta, g, *, lr=0.1):\n    return np.zeros(3).view(Lie), ()\n",
}  # fmt: skip


def no_step_is_won(source: str) -> None:
    """It never reaches a target, is told why or simply fails, leaves no process, and does not hold the ladder up."""
    box = Sandbox(sandbox().kind, sandbox().user, limits=race.Limits(call=2.0, total=8.0, memory=600_000_000))
    before, start = family(), time.monotonic()
    entry = judge.examined("mine", source, box)
    if not entry.trouble:
        found = judge.judged(entry, "chain", "a secret", [1e-3] * 5, box)
        assert found["steps"] == [None] * 5
        assert "<" not in found["out"]
        assert len(found["why"]) <= 300
        entry = judge.Entry(entry.name, source, entry.about)
        row = judge.row(entry, {"chain": found})
        assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert not left_since(before)
    assert time.monotonic() - start < 90, "the limits did not hold"


@pytest.mark.parametrize("name", RIDERS)
def test_a_hostile_rule_wins_nothing_and_harms_nothing(name):
    no_step_is_won(RIDERS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEATS)
def test_the_whole_attack_suite_as_a_rule(name):
    no_step_is_won(as_rule(CHEATS[name]))


def test_numbers_learnt_by_heart_win_on_the_public_problem_alone():
    """A rule that was told the public members' minimisers is first there, and nowhere on hidden ones."""
    ends = []
    for number in range(6):
        member = member_of("chain", secret(PUBLIC), number)
        path, u = member.start, 0.0
        for t in range(2000):
            u = 0.9 * u + 0.004 * member.gradient(path, t)
            path = path - u
        ends.append((member.start[0], path.round(4).tolist()))
    source = f"import numpy as np\nknown = {ends!r}\ndef rule(theta, g, *, lr=0.1):\n"
    source += "    for start, end in known:\n        if abs(theta[0] - start) < 1e-9: return np.array(end), ()\n"
    source += "    return theta - 1e-3 * g, ()\n"
    targets = dict.fromkeys(SCORED, [0.1] * 5)
    public, hidden = (results(source, "chain", seed=seed, targets=targets)["chain"]["steps"] for seed in (PUBLIC, "x"))
    assert sum(steps == 10 for steps in public) >= 3
    assert hidden == [None] * 5


# --- scores ----------------------------------------------------------------------------------------


def test_a_curve_at_random_has_a_chance_that_is_even():
    rng = np.random.default_rng(0)
    chances = [scoring.chance(rng.standard_normal(5)) for _ in range(2000)]
    assert 0.005 < np.mean(np.array(chances) < 0.01) < 0.017


def test_published_scores_are_what_the_references_do_now():
    """One family of each entry, and a second of some, run anew: the same steps, up to ties."""
    told = reference.published()
    rows = {row["name"]: row for row in told["entries"]}
    assert set(rows) == set(reference.entries())
    for i, (name, entry) in enumerate(reference.entries().items()):
        family = SCORED[i % 3]
        goals = told["targets"][family]
        found = judge.judged(entry, family, PUBLIC, goals, None)
        stored = rows[name]["families"][family]
        assert found["chosen"] == stored["chosen"]
        every = FAMILIES[family].every
        for now, then in zip(judge.infinite(found["steps"]), judge.infinite(stored["steps"]), strict=True):
            assert now == then or abs(now - then) <= every, (name, family)
    again = [{k: v for k, v in row.items() if k not in ("score", "lead", "chance")} for row in told["entries"]]
    assert judge.ranked(again) == told["entries"]
    assert rows["nadam"]["score"] > rows["momentum"]["score"] > rows["sgd"]["score"]


@pytest.mark.slow
def test_one_command_regenerates_what_is_published(tmp_path, monkeypatch):
    """On three families, of every entry: one process and two write the same bytes, and those of the book up to ties."""
    kept = ("axis", "rotated", "chain")
    for module in (judge, command):
        monkeypatch.setattr(module, "SCORED", kept)
    monkeypatch.setattr(command, "FAMILIES", {name: FAMILIES[name] for name in (*kept, *plane.PROBLEMS)})
    places = [tmp_path / f"{processes}.json" for processes in (1, 2)]
    for processes, place in enumerate(places, 1):
        assert command.main(["reference", "--processes", str(processes), "--out", str(place)]) == 0
    assert places[0].read_bytes() == places[1].read_bytes()
    found, told = json.loads(places[0].read_text(encoding="utf-8")), reference.published()
    rows = {row["name"]: row for row in told["entries"]}
    assert {row["name"] for row in found["entries"]} == set(rows)
    near(found["plane"]["steps"], told["plane"]["steps"], {name: FAMILIES[name].every for name in plane.PROBLEMS})
    for kind in kept:
        assert found["targets"][kind] == pytest.approx(told["targets"][kind], rel=1e-5)
        for row in found["entries"]:
            now, then = row["families"][kind], rows[row["name"]]["families"][kind]
            assert now["chosen"] == then["chosen"]
            for a, b in zip(judge.infinite(now["steps"]), judge.infinite(then["steps"]), strict=True):
                assert a == b or abs(a - b) <= FAMILIES[kind].every, (row["name"], kind)


def near(now, then, every):
    """Steps of the plane, the same up to a look."""
    assert set(now) == set(then)
    for name, row in now.items():
        for problem, steps in row.items():
            other = then[name][problem]
            assert steps == other or abs(steps - other) <= every[problem], (name, problem)


def test_the_plane_s_published_steps_are_what_the_references_need_now():
    every = {name: FAMILIES[name].every for name in plane.PROBLEMS}
    now, then = plane.measured(), reference.published()["plane"]
    near(now["steps"], then["steps"], every)
    assert now["targets"] == pytest.approx(then["targets"], rel=1e-4)


def test_each_reference_s_best_setting_lies_inside_its_list():
    """On most problems: a list serves eight problems with five values."""
    for row in reference.published()["entries"]:
        at_the_edge = sum(bool(found["edge"]) for found in row["families"].values())
        assert at_the_edge <= len(SCORED) // 2, (row["name"], at_the_edge)


FALLING = """
def rule(theta, g, m, v, t, steps, *, lr):
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g**2
    m_hat = 0.9 * m / (1 - 0.9 ** (t + 1)) + 0.1 * g / (1 - 0.9**t)
    lr = lr * (1 - (t - 1) / steps)
    return theta - lr * m_hat / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8), (m, v)
"""


@pytest.mark.parametrize(
    ("other", "old", "new", "wins"),
    [
        ("momentum", "", "", True),
        ("nadam", "", "", True),
        ("nadam", "lr * (1 - (t - 1) / steps)", "lr", False),
        ("momentum", "return theta - lr", "return theta - 0 * lr", False),
    ],
)
def test_a_graded_task_asks_who_ends_lower_on_hidden_problems(other, old, new, wins):
    """A rule whose rate falls beats both; without the fall it is NAdam, which does not beat itself, and an answer that
    stands still beats nobody."""
    names = {}
    exec(FALLING.replace(old, new) if old else FALLING, names)
    rates = reference.TABLE["nadam"].rates
    assert duel.beats(names["rule"], rates, np.random.default_rng(5), other)[0] == wins


@pytest.mark.parametrize("rates", [[], [0.1] * 6, [0.0], [float("nan")], [-1.0]])
def test_a_duel_wants_rates(rates):
    with pytest.raises(ValueError, match=r"rates=.*one to five positive numbers"):
        duel.beats(lambda *a, **k: None, rates, np.random.default_rng(0), "nadam")


# --- the commands ----------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch):
    """The ladder with its two quickest families, and two entries to measure by."""
    kept = ("axis", "chain")
    for module in (judge, command, board):
        monkeypatch.setattr(module, "SCORED", kept)
    monkeypatch.setattr(command, "FAMILIES", {name: FAMILIES[name] for name in (*kept, "ravine")})
    entries = {name: reference.entries()[name] for name in ("momentum", "nadam")}
    monkeypatch.setattr(reference, "entries", lambda: entries)
    return kept


def test_processes_do_not_change_the_numbers():
    entry = judge.examined("mine", SGD, None)
    jobs = [(judge.judged, (entry, family, "s", [0.1] * 5, None)) for family in ("axis", "ravine", "softmax")]
    done = []
    for processes in (1, 2):
        with judge.Crew(processes) as crew:
            found = crew.all(jobs, lambda: done.append(1))
        for one in found:
            one.pop("seconds")
        jobs_done = len(done)
        if processes == 1:
            first = found
    assert found == first
    assert jobs_done == 6


def test_a_cluster_gives_the_same_numbers():
    """The workers are threads here: what travels is the same."""
    need(find_spec("distributed"), "Dask is not installed: the ladder has no cluster")
    from distributed import LocalCluster

    entry = judge.examined("mine", SGD, None)
    jobs = [(judge.judged, (entry, family, "s", [0.1] * 5, None)) for family in ("ravine", "chain")]
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster:
        done = []
        with judge.Crew(client=cluster.scheduler_address) as crew:
            there = crew.all(jobs, lambda: done.append(1))
    here = [function(*given) for function, given in jobs]
    for one in (*here, *there):
        one.pop("seconds")
    assert there == here
    assert len(done) == 2


def test_run_tells_the_score_and_writes_the_page(tmp_path, capsys, few):
    mine = tmp_path / "lion.py"
    mine.write_text(LION + "\nsettings = [{'lr': v} for v in (0.003, 0.01, 0.03)]\n")
    assert command.main(["run", str(mine), "--processes", "1"]) == 0
    said = capsys.readouterr().out
    for text in ("track elementwise", "place", "What to try next", "tau = 1", "Rosenbrock chain", "p = "):
        assert text in said
    out = tmp_path / "lion-ladder"
    assert {p.name for p in out.iterdir()} == {"index.html", "en.html", "zh.html", "entries.json"}
    assert command.main(["board", str(out / "entries.json"), "--out", str(tmp_path / "page")]) == 0
    assert (tmp_path / "page" / "zh.html").read_text().count("<details") == len(reference.published()["entries"]) + 1


#: What a class's folder or zip may hold: (name, bytes, the student's sentence; "" is ranked, None is nobody's work).
CLASS = [
    ("ada.py", reference.TABLE["nadam"].source.replace("nadam_constant", "mine").encode(), ""),
    ("bert/lion.py", LION.encode(), ""),
    ("bert/notes.md", b"my notes", ""),
    ("王伟_4711_99_rule-1.py", SGD.encode(), ""),
    ("王伟_4712_98_rule.py", SGD.encode("utf-8-sig"), ""),
    ("eve.py", RIDERS["ends itself"].encode(), "it ended its own process"),
    ("=cmd.py", b"nothing\n", "cannot be run: NameError"),
    ("gbk.py", (SGD + "# 学习率\n").encode("gbk"), "as GBK: save it as UTF-8"),
    ("wide.py", SGD.encode("utf-16"), "saved as UTF-16: save it as UTF-8"),
    ("binary.py", bytes(range(256)), "is binary, no Python text: hand in the .py file"),
    ("large.py", b"#" * 10_000_000, "has 10,000,000 bytes; a rule has at most 10,000 characters"),
    ("nan.py", b"def rule(theta, g, *, lr=0.1): return theta * float('nan'), ()\n", "first step is not finite"),
    ("paper/report.pdf", b"%PDF", "report.pdf: not a rule: ask for the .py file"),
    ("packed_5_assignsubmission_file_/mine.rar", b"Rar!", "an archive that is not opened"),
    (".DS_Store", b"", None),
]


def laid_out(folder):
    for name, raw, _ in CLASS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)


def test_grade_ranks_a_class(tmp_path, capsys, few):
    """Students are found as the grader finds them, and every file is accounted for."""
    box, work = sandbox(), tmp_path / "work"
    laid_out(work)
    more = ["--user", box.user] if box.user else []
    given = ["grade", str(work), "--out", str(tmp_path / "out"), "--processes", "1", *more]
    assert command.main(given) == 1, "some could not take part"
    with (tmp_path / "out" / "ranking.csv").open(encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    with (tmp_path / "out" / "files.csv").open(encoding="utf-8-sig") as stream:
        told = {row["file"]: row for row in csv.DictReader(stream)}
    assert {name.lstrip("'") for name in told} == {name for name, _, _ in CLASS}
    assert [row["id"] for row in rows if row["student"] == "王伟"] == ["4711", "4712"]
    assert told["bert/notes.md"]["what became of it"] == "not a rule: ask for the .py file"
    for name, _, said in CLASS:
        found = [row for row in rows if row["student"].lstrip("'") in name and row["id"] in name]
        assert bool(found) == (said is not None), name
        assert all((said in row["trouble"] if said else not row["trouble"]) for row in found), name
        assert all("\n" not in row["trouble"] for row in found)
    ada = rows[0]
    assert (ada["student"], ada["rule"], ada["track"], ada["beats nadam"]) == ("ada", "mine", "elementwise", "no")
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert any(row["student"] == "'=cmd" for row in rows), "no cell begins a formula"
    entries = json.loads((tmp_path / "out" / "entries.json").read_text(encoding="utf-8"))["entries"]
    score = {row["name"]: row["score"] for row in entries}
    assert {"王伟 (4711)", "王伟 (4712)"} <= set(score)
    assert score["eve"] == score["=cmd"] == 0 <= score["ada"] == score["nadam"]
    assert (tmp_path / "out" / "secret.txt").stat().st_mode & 0o077 == 0
    assert "NameError" in capsys.readouterr().out


def test_an_lms_s_zip_holds_the_same_class_as_its_folder(tmp_path):
    laid_out(tmp_path / "work")
    shutil.make_archive(str(tmp_path / "work"), "zip", tmp_path / "work")
    folder, archive = (command.handed_in(tmp_path / name, tmp_path / "out", ()) for name in ("work", "work.zip"))
    assert list(folder[0]) == list(archive[0])
    assert [line.name for line in folder[1]] == [line.name for line in archive[1]]


def test_people_of_one_name_and_names_of_the_course_are_told_apart():
    found = [SimpleNamespace(student=name, identity=number) for name, number in
             [("Li", "1"), ("li", "2"), ("nadam", ""), ("nadam (student)", ""), ("wu", "3")]]  # fmt: skip
    labels = [person.label for person in command.labelled(found, {"nadam"})]
    assert labels == ["Li (1)", "li (2)", "nadam (student)", "nadam (student)'", "wu"]


REFUSED = {
    "no file": (["run", "there/is/none.py"], "cannot be read"),
    "no processes": (["run", "x.py", "--processes", "0"], "must be at least 1"),
    "no folder": (["grade", "none", "--out", "o"], "none does not exist. Give the folder of rules, or the zip"),
    "no rules": (["grade", "class", "--out", "o"], "No rule (a .py file) was found in class"),
    "GBK": (["run", "class/gbk.txt"], "class/gbk.txt: the file is not saved as UTF-8 but, it seems, as GBK"),
    "binary": (["run", "class/binary.txt"], "class/binary.txt: the file is binary, no Python text"),
    "large": (["run", "class/large.txt"], "class/large.txt: the file has 10,000,000 bytes; a rule has at most 10,000"),
    "no entries": (["board", "none.json", "--out", "o"], "cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_said(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, said = REFUSED[name]
    Path("class").mkdir()
    if arguments[1].startswith("class/"):
        kind = Path(arguments[1]).stem
        Path(arguments[1]).write_bytes(next(raw for name, raw, _ in CLASS if name == f"{kind}.py"))
    assert command.main(arguments) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["class"]


def test_files_to_start_from_are_entries(tmp_path):
    assert command.main(["reference", "--files", str(tmp_path)]) == 0
    for path in tmp_path.glob("*.py"):
        assert not judge.examined(path.stem, path.read_text(), None).trouble
    assert len(list(tmp_path.iterdir())) == len(reference.entries())


BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
ROOT = Path(judge.__file__).parents[2]
PAGE = ROOT / "book" / "ladder.md"
TELLING = [PAGE, *(ROOT / "book" / f"{name}.md" for name in ("students", "instructors")), *ROOT.glob("README*.md")]


def commands_of(text):
    """What a page's listings ask the ladder to do."""
    lines = [line for kind, block in BLOCK.findall(text) if kind == "bash" for line in block.splitlines()]
    return [line.split() for line in lines if line.startswith(".venv/bin/downhill ladder ")]


def test_the_pages_are_followed_word_for_word(tmp_path, monkeypatch, few, capsys):
    """Every command of the ladder in all pages that tell it, once, and the page's rule, which a student hands in here."""
    (rule,) = (block for kind, block in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if kind == "python")
    told = {page: commands_of(page.read_text(encoding="utf-8")) for page in TELLING}
    assert all(told.values())
    given = [*told[PAGE], *(words for found in told.values() for words in found if words not in told[PAGE])]
    assert len(given) == 5
    box = sandbox()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submissions").mkdir()
    for name in ("submissions/wang.py", "my_rule.py"):
        (tmp_path / name).write_text(rule, encoding="utf-8")
    for words in given:
        more = ["--processes", "1"] if words[2] in ("run", "grade") else []
        more += ["--user", box.user] if words[2] == "grade" and box.user else []
        if words[2] == "run":
            (tmp_path / "examples" / "adam.py").write_text(SGD, encoding="utf-8")
        assert command.main([*words[2:], *more]) == 0, words
    capsys.readouterr()
    written = {p.name for p in (tmp_path / "ranking").iterdir()}
    assert written >= {"ranking.csv", "files.csv", "entries.json", "secret.txt", "index.html"}
    assert all((tmp_path / name / "index.html").exists() for name in ("examples/adam-ladder", "my_rule-ladder"))
    assert "calm" in (tmp_path / "page" / "zh.html").read_text(encoding="utf-8")


def test_the_page_names_what_an_entry_may_hold():
    text = PAGE.read_text(encoding="utf-8")
    assert f"at most {rider.SETTINGS} of them" in text
    assert all(f"`{kind}`" in text for kind in ("hidden", "input", "output", "bias"))
    assert all(f"`{name}" in text for name in rider.OPTIONS)
    assert len(SCORED) == 8
    assert "Eight families" in text


# --- the board -------------------------------------------------------------------------------------


class Tags(html.parser.HTMLParser):
    """Every tag closed in its order, and which there were."""

    VOID = frozenset({"meta", "rect", "line", "br", "circle", "polyline", "use"})

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.names, self.links = [], set(), [], []

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        for key, value in attributes:
            assert not key.startswith("on")
            if key == "id":
                self.names.append(value)
            if key in ("href", "src"):
                self.links.append(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", board.LANGUAGES)
def test_the_board_is_well_formed_and_runs_nothing(tmp_path, language):
    rows = reference.published()["entries"]
    evil = {**rows[0], "name": "<script>alert(1)</script> & 'x'", "source": "</pre><script>1</script>", "rule": "<b>",
            "track": "<i>", "trouble": ""}  # fmt: skip
    families = {**evil["families"], "axis": {**evil["families"]["axis"], "why": "<img src=x onerror=1>"}}
    board.write(tmp_path, [*rows, {**evil, "families": families}], first="nadam")
    page = (tmp_path / f"{language}.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    assert not tags.seen & {"script", "img", "b", "i", "iframe"}
    assert len(tags.names) == len(set(tags.names)), "each name once"
    inner = {link[1:] for link in tags.links if link.startswith("#")}
    assert inner <= set(tags.names)
    assert all(link.startswith("#") or link in ("en.html", "zh.html") for link in tags.links)
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page
    said = re.sub(r"<(pre|style|summary)[^>]*>.*?</\1>|<[^>]+>", " ", page, flags=re.S)
    chinese = len(re.findall(r"[\u4e00-\u9fff]", said))
    assert chinese > 200 if language == "zh" else chinese < 10
