"""Every assignment: its solution gets full marks, its stub none, and each typical mistake what was intended."""

import re

import pytest
from grading import assignment, cell, sandbox, submission

from downhill_course.grade.checks import Checks
from downhill_course.grade.marking import mark
from downhill_course.grade.source import known
from downhill_course.grade.spec import changed
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


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_typical_mistakes_get_the_credit_intended_and_are_named(name, task):
    found = assignment(name).tasks[task]
    assert len(found.mistakes) >= 3, f"cell {task}-check plants {len(found.mistakes)} mistakes; it needs three"
    before = "\n\n".join(assignment(name)._before(found))
    for mistake in found.mistakes:
        result = marked(name, task, f"{before}\n\n{changed(found.solved, mistake, task)}")
        assert result.mistake is not None, mistake.name
        assert (result.mistake["en"], result.points) == (mistake.en, mistake.credit), mistake.name
        assert result.points < found.points
        assert HAN.search(mistake.zh)
        assert not HAN.search(mistake.en)


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
        return Checks(packed(name), names, "en")(task)

    assert played(found.solved), repr(played(found.solved))
    said = [repr(played(changed(found.solved, mistake, task))) for mistake in found.mistakes]
    named = [mistake.en in text for mistake, text in zip(found.mistakes, said, strict=True)]
    assert any(named), "no public example tells any of the typical mistakes"


def packed(name, kept={}):  # noqa: B006
    from downhill_course.grade.checks import pack

    return kept.setdefault(name, None) or kept.__setitem__(name, pack(assignment(name).recorded())) or kept[name]


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
