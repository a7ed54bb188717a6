"""Every assignment: its solution gets full marks, its stub none, and each typical mistake what was intended."""

import re
from functools import cache

import numpy as np
import pytest
from answers import SAID, WRONG
from grading import assignment, cell, sandbox, submission

from downhill_course.grade import checks
from downhill_course.grade.checks import Checks
from downhill_course.grade.marking import Judge, mark
from downhill_course.grade.recognise import alike
from downhill_course.grade.source import known
from downhill_course.grade.spec import Answer, Failed, Local, Near, changed, generator
from downhill_course.grade.submissions import defined
from downhill_course.notebook.cells import HAN, pairs

NAMES = known()
TASKS = [(name, task) for name in NAMES for task in assignment(name).tasks if not assignment(name).tasks[task].by_hand]
SECRET = b"a secret of the tests"


def marked(name, task, source):
    return next(t for t in mark(submission(cell(source, task)), Only(assignment(name), task), sandbox(), SECRET).tasks)


class Only:
    """An assignment as if it had one task: the others need not be tried again for each answer to this one."""

    def __init__(self, whole, task):
        self.whole, self.tasks = whole, {task: whole.tasks[task]}

    def __getattr__(self, name):
        return getattr(self.whole, name)


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_the_solution_gets_all_points_and_the_stub_none(name, task):
    found = assignment(name).tasks[task]
    before = "\n\n".join(assignment(name)._before(found))
    full = marked(name, task, f"{before}\n\n{found.solved}")
    assert [outcome.why for outcome in full.outcomes] == [None] * len(found.cases)
    assert full.points == found.points
    assert marked(name, task, found.stub).points == 0
    assert "YOUR CODE HERE" in found.stub or found.stub != found.solved


@cache  # one class reads the same tasks: a reference may take a second, and nobody changes a judge
def judge(name, task, student="ada"):
    return Judge(assignment(name).tasks[task], assignment(name), (SECRET, name, task, student))


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_typical_mistakes_get_the_credit_intended_and_are_named(name, task):
    found, judged = assignment(name).tasks[task], judge(name, task)
    assert len(found.mistakes) >= 3, f"cell {task}-check plants {len(found.mistakes)} mistakes; it needs three"
    assert [mistake for mistake, _ in judged.mistaken] == found.mistakes, "a planted mistake breaks the solution"
    for mistake, values in judged.mistaken:
        result = judged(values)
        assert result.mistake is not None, mistake.name
        assert (result.mistake["en"], result.points) == (mistake.en, mistake.credit), mistake.name
        assert result.points < found.points
        assert HAN.search(mistake.zh)
        assert not HAN.search(mistake.en)


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_named_in_other_peoples_code(name):
    notebook, defines, wanted, source = WRONG[name]
    whole = assignment(notebook)
    found = next(t for t in whole.tasks.values() if not t.by_hand and defines in defined(t.stub))
    judged = judge(notebook, found.name)
    result = judged(judged.played(Local([*whole._before(found), source], whole.given)))
    assert result.mistake["name"] == wanted
    assert result.points < found.points


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_every_case_has_other_values_for_each_student(name, task):
    found = assignment(name).tasks[task]
    values = [judge(name, task, student).wanted for student in ("ada", "bob", "eva")]
    for case, *three in zip(found.cases, *values, strict=True):
        same = alike(three[0], three[1], case.rtol) or alike(three[0], three[2], case.rtol)
        assert case.edge or not same, f"{case.en!r} can be learnt by heart: draw its inputs, or make it an edge case"
    assert sum(case.points for case in found.cases if case.edge) <= found.points / 2


#: Put below a solution: all that comes in and goes out has single precision.
SINGLE = """
def _single(value):
    if isinstance(value, (list, tuple)):
        return type(value)(map(_single, value))
    if callable(value):
        return lambda *args: _single(value(*args))
    if isinstance(value, np.ndarray) and value.dtype == float:
        return value.astype(np.float32)
    return np.float32(value) if isinstance(value, float) else value

def _in_single(function):
    return lambda *args, **kwargs: _single(function(*map(_single, args), **kwargs))

for _name, _thing in list(globals().items()):
    if getattr(_thing, "__code__", None) and _thing.__code__.co_filename == "<answer>" and not _name.startswith("_"):
        globals()[_name] = _in_single(_thing)
"""


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_single_precision_is_no_mistake(name, task):
    whole = assignment(name)
    found = whole.tasks[task]
    judged = judge(name, task)
    result = judged(judged.played(Local([*whole._before(found), found.solved + SINGLE], whole.given)))
    assert [outcome.why for outcome in result.outcomes] == [None] * len(found.cases)


class Guess(Answer):
    """An answer that knows nothing: `make` gives a value from the arguments alone, whatever was asked."""

    def __init__(self, given, make):
        super().__init__(given)
        self.make = make

    def _call(self, name, args, kwargs):
        return self(*args)

    def value(self, name):
        return self()

    def hold(self, value):
        held = Guess({}, self.make)
        held.held = value
        return held

    def __call__(self, *args):
        try:
            return self.make(*(getattr(arg, "held", arg) for arg in args))
        except (IndexError, TypeError, ValueError, AttributeError):
            raise Failed("error") from None

    def do(self, method, *args):
        return self(*args)

    def get(self, attribute=""):
        return self() if attribute else self.held

    def take(self, count):
        return [self() for _ in range(count)]


class Heard(Local):
    """The reference with all that it said, in order."""

    def _try(self, action):
        value = super()._try(action)
        self.__dict__.setdefault("said", []).append(value)
        return value


class ByHeart(Guess):
    """Says again what the reference said to somebody else."""

    def __init__(self, given, said):
        super().__init__(given, lambda *args: self if isinstance(value := next(said), Near) else value)
        said = iter(said)


#: What an answer may return without knowing anything; `a` are its arguments.
GUESSES = {
    **{repr(value): (lambda *a, value=value: value) for value in (
        None, 0, 1, -1, 2, 0.5, True, "saddle", "minimum", "a", [], [0, 0], (0, 1), (1, 1, 1), (0, 0, 0, 0),
    )},
    **{f"argument {i}": (lambda *a, i=i: a[i]) for i in range(6)},
    **{f"zeros like {i}": (lambda *a, i=i: np.zeros_like(a[i], float)) for i in range(4)},
    **{f"ones like {i}": (lambda *a, i=i: np.ones_like(a[i], float)) for i in range(4)},
    **{f"minus {i}": (lambda *a, i=i: -np.asarray(a[i], float)) for i in range(4)},
    **{f"list of {i}": (lambda *a, i=i: [a[i]]) for i in range(4)},
    **{f"length of {i}": (lambda *a, i=i: len(a[i])) for i in range(3)},
    **{f"pair {i}{j}": (lambda *a, i=i, j=j: (a[i], a[j])) for i in range(4) for j in range(4)},
    **{f"three from {i}": (lambda *a, i=i: a[i : i + 3]) for i in range(3)},
    "all arguments": lambda *a: a,
    "zeros twice": lambda *a: (np.zeros_like(a[0], float),) * 2,
    "zeros thrice": lambda *a: (np.zeros_like(a[0], float),) * 3,
    "copies": lambda *a: np.array([a[1]] * (a[3] + 1)),
    "calls what it is given": lambda *a: a[0](a[1]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_who_knows_nothing_gets_nothing(name, task):
    whole = assignment(name)
    found, judged = whole.tasks[task], judge(name, task, "bob")
    given = Local([], whole.given)._given
    gained = {}
    for guess, make in GUESSES.items():
        gained[guess] = judged(judged.played(Guess(given, make))).points
    for seeds in ((SECRET, name, task, "ada"), (b"public", name, task)):
        said = []
        for number, case in enumerate(found.cases):
            heard = Heard([*whole._before(found), found.solved], whole.given)
            case.play(heard, generator(*seeds, str(number)))
            said.append(heard.said)
        values = [judged.play(number, ByHeart(given, words)) for number, words in enumerate(said)]
        gained[f"by heart from {seeds[0]}"] = judged(values).points
    assert {guess: points for guess, points in gained.items() if points} == {}


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_the_public_examples_pass_with_the_solution_and_name_mistakes(name, task, monkeypatch):
    whole = assignment(name)
    found = whole.tasks[task]

    def played(source):
        names = {"__name__": "notebook"}
        exec(whole.given, names)
        for earlier in whole._before(found):
            exec(earlier, names)
        exec(source, names)
        return Checks(assignment(name).packed, names, "en")(task)

    assert played(found.solved), repr(played(found.solved))
    said = [repr(played(changed(found.solved, mistake, task))) for mistake in found.mistakes]
    named = [mistake.en in text for mistake, text in zip(found.mistakes, said, strict=True)]
    assert any(named), "no public example tells any of the typical mistakes"


@pytest.mark.parametrize("name", SAID)
def test_check_says_what_is_wrong(name, monkeypatch, capsys):
    notebook, task, source, wanted = SAID[name]
    monkeypatch.setattr(checks, "SECONDS", 0.3 if name == "no end" else 30.0)
    names = {"__name__": "notebook", "np": np}
    exec(assignment(notebook).given, names)
    exec(source, names)
    for language in ("en", "zh"):
        report = Checks(assignment(notebook).packed, names, language)(task)
        assert not report
        assert language == "zh" or wanted in repr(report)


BROKEN = ["def terminal(g, lr, mu)\n    return g", "1 / 0\ndef terminal(g, lr, mu):\n    return g"]


@pytest.mark.parametrize("broken", BROKEN)
def test_check_takes_no_old_definition_for_the_new_one(broken):
    good = assignment("03-momentum").tasks["terminal"].solved
    names = {"__name__": "notebook", "np": np, "In": ["", good, "check('terminal')"]}
    exec(good, names)
    check = Checks(assignment("03-momentum").packed, names, "en")
    assert check("terminal")
    names["In"] += [broken, "check('terminal')"]
    assert "still the old one" in repr(check("terminal"))


@pytest.mark.parametrize("name", NAMES)
def test_what_students_get_holds_no_solution_and_no_hidden_test(name):
    whole = assignment(name)
    for language in ("en", "zh", "both"):
        text = "\n".join(cell["source"] for cell in whole.student(language)["cells"])
        for word in ("BEGIN SOLUTION", "HIDDEN TESTS", "@case", "mistake(", "(answer, rng)"):
            assert word not in text
        prose = [c["source"] for c in whole.student(language)["cells"] if c["cell_type"] == "markdown"]
        if language == "en":
            assert not any(HAN.search(text) for text in prose)
        if language == "zh":
            assert all(HAN.search(text) for text in prose if re.sub(r"\$[^$]*\$", "", text).strip())
    solved = "\n".join(cell["source"] for cell in whole.solution("both")["cells"])
    assert all(task.solved.strip() in solved for task in whole.tasks.values() if not task.by_hand)


@pytest.mark.parametrize("name", NAMES)
def test_an_assignment_is_whole(name):
    whole = assignment(name)
    assert 4 <= len(whole.tasks) <= 7, f"{len(whole.tasks)} tasks: an assignment has four to seven"
    assert any(task.by_hand for task in whole.tasks.values()), "no task is answered in words"
    assert len({task.level for task in whole.tasks.values()}) > 1, "all tasks are of one level"
    for task in whole.tasks.values():
        assert task.read, f'answer cell {task.name}: its metadata lacks "downhill": {{"level": 1, "read": a label}}'
        assert whole.place(task.read)
    for language, sum_of in (("en", f"{whole.points:g} points"), ("zh", f"{whole.points:g} 分")):
        head = "\n".join(c["source"] for c in whole.student(language)["cells"][:4])
        assert re.search(rf"(?<![\d.]){sum_of}", head), f"the introduction ({language}) does not say “{sum_of}”"
    for pair in pairs(whole.notebook):
        english, chinese = pair.english["source"], pair.chinese["source"]
        formulas = [sorted(re.findall(r"\$[^$]+\$", text)) for text in (english, chinese)]
        assert formulas[0] == formulas[1]
        assert english.count("<details>") == chinese.count("<details>")
