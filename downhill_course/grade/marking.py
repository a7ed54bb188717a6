"""One submission, marked: answers go to the sandbox, values come back, and the comparison happens here.

Each task is tried in a sandbox of its own, first with its own cells alone; if they lack a name, once more after all
cells of the notebook. So a scratch cell that raises, waits for input or never ends costs nothing, a helper defined
elsewhere is found, and one bad answer costs only its own points.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from downhill_course.grade import plain
from downhill_course.grade.sandbox import Gone, Sandbox
from downhill_course.grade.source import Assignment, Task
from downhill_course.grade.spec import Answer, Case, Failed, Mistake, Remote, generator, public_names
from downhill_course.grade.submissions import TOO_LONG, Submission, squeezed

#: Why a case failed, for the student: never an input, never a value, never a text of the student's own.
WHY = {
    "untouched": ("not answered", "未作答"),
    "long": ("the answer is too long to be read", "答案过长，无法读取"),
    "absent": ("the answer's cell is not in the notebook", "notebook 中没有作答的单元格"),
    "missing": ("the function or name asked for is not defined", "没有定义所要求的函数或变量"),
    "error": ("raised an error ({kind})", "运行出错（{kind}）"),
    "time": ("took too long", "超时"),
    "memory": ("used too much memory, or too many processes or files", "占用的内存、进程或文件过多"),
    "died": ("ended the program", "程序意外终止"),
    "protocol": ("wrote where it must not", "干扰了评分程序的通信"),
    "type": ("a value of the wrong kind", "返回值的类型不对"),
    "shape": ("a value of the wrong shape", "返回值的形状不对"),
    "keys": ("a dictionary with the wrong keys", "字典的键不对"),
    "nan": ("a value that is not a number (NaN)", "返回了 NaN"),
    "value": ("a wrong value", "数值不对"),
}
#: Kinds of error that may be named: Python's own. A student's class could be called anything.
KINDS = {
    kind.__name__
    for kind in (
        ArithmeticError, AssertionError, AttributeError, EOFError, FloatingPointError, ImportError, IndexError,
        KeyError, LookupError, MemoryError, ModuleNotFoundError, NameError, NotImplementedError, OSError, OverflowError,
        PermissionError, RecursionError, RuntimeError, StopIteration, SyntaxError, IndentationError, SystemExit,
        TypeError, UnboundLocalError, UnicodeError, ValueError, ZeroDivisionError,
    )
}  # fmt: skip


@dataclass
class Outcome:
    """How one case went: `why` is None when it passed, else a key of WHY."""

    en: str
    zh: str
    points: float
    of: float
    why: str | None = None
    kind: str = ""


@dataclass
class Marked:
    """One task, marked. `points` is None where it is graded by hand."""

    name: str
    title: str
    of: float
    points: float | None
    outcomes: list[Outcome] = field(default_factory=list)
    mistake: dict | None = None
    note: list[str] | None = None


@dataclass
class Result:
    """One submission, marked; `plain()` is what the files hold."""

    student: str
    file: str
    assignment: str
    language: str
    tasks: list[Marked]
    notes: list[str] = field(default_factory=list)

    @property
    def points(self) -> float:
        return round(sum(task.points or 0 for task in self.tasks), 6)

    @property
    def of(self) -> float:
        return sum(task.of for task in self.tasks)

    @property
    def by_hand(self) -> list[str]:
        return [task.name for task in self.tasks if task.points is None]

    def plain(self) -> dict:
        return {**asdict(self), "points": self.points, "of": self.of}


def mark(submission: Submission, assignment: Assignment, sandbox: Sandbox, secret: bytes) -> Result:
    """Every task of a submission. The same submission and secret give the same marks."""
    marked = [_task(task, submission, assignment, sandbox, secret) for task in assignment.tasks.values()]
    return Result(submission.student, submission.name, assignment.name, submission.language, marked, submission.notes)


def _task(task: Task, submission: Submission, assignment: Assignment, sandbox: Sandbox, secret: bytes) -> Marked:
    marked = Marked(task.name, task.title, task.points, 0.0)
    answers = submission.answers(task, assignment)
    if task.by_hand:
        marked.points = None if answers and not _unwritten(answers[-1]) else 0.0
        marked.note = answers[-1:] or None
        if marked.points is not None:
            marked.outcomes = [
                _lost(
                    Case("written answer", "文字作答", task.points, False, _nothing),
                    "untouched" if answers else "absent",
                )
            ]
        return marked
    if not answers or answers[-1] == TOO_LONG or all(squeezed(answer) == squeezed(task.stub) for answer in answers):
        why = "absent" if not answers else "long" if answers[-1] == TOO_LONG else "untouched"
        marked.outcomes = [_lost(case, why) for case in task.cases]
        return marked
    seeds = (secret, assignment.name, task.name, submission.key or submission.student)
    values = _values(task, submission, assignment, sandbox, seeds, answers)
    wanted = [_play(case, assignment.reference(task), seeds, n) for n, case in enumerate(task.cases)]
    marked.outcomes = [_compare(case, *pair) for case, *pair in zip(task.cases, values, wanted, strict=True)]
    marked.points = sum(outcome.points for outcome in marked.outcomes)
    if any(outcome.why for outcome in marked.outcomes):
        found = _recognise(task, assignment, values, seeds)
        if found:
            read = assignment.place(found.read or task.read) if found.read or task.read else None
            marked.mistake = {"name": found.name, "en": found.en, "zh": found.zh, "read": read}
            marked.points = max(marked.points, found.credit)
        elif task.read:
            marked.mistake = {"name": "", "en": "", "zh": "", "read": assignment.place(task.read)}
    return marked


def _nothing(answer: Any, rng: Any) -> None:
    return None


def _lost(case: Case, why: str, kind: str = "") -> Outcome:
    return Outcome(case.en, case.zh, 0.0, case.points, why, kind)


def _values(
    task: Task, submission: Submission, assignment: Assignment, sandbox: Sandbox, seeds: tuple, own: list[str]
) -> list:
    """What the answer gives in each case: a value, or `Failed`."""
    values = _attempt(task, assignment, sandbox, seeds, own)
    if any(isinstance(value, Failed) and value.why in ("missing", "error") for value in values):
        again = _attempt(task, assignment, sandbox, seeds, submission.everything(assignment, task))
        better = sum(isinstance(value, Failed) for value in again) < sum(isinstance(value, Failed) for value in values)
        values = again if better else values
    return values


def _attempt(task: Task, assignment: Assignment, sandbox: Sandbox, seeds: tuple, cells: list[str]) -> list:
    """Play every case; a sandbox that is lost is replaced, so that the next case has its chance, but not for ever."""
    values: list[Any] = []
    lost = 0
    answer: Remote | None = None
    skipped: set[int] = set()
    for number, case in enumerate(task.cases):
        while answer is None and lost < 2:
            answer, bad = _start(assignment, sandbox, cells, skipped)
            if bad is not None:
                skipped.add(bad)
                lost += 1
        if answer is None:
            values.append(Failed(values[-1].why if values and isinstance(values[-1], Failed) else "time"))
            continue
        values.append(_play(case, answer, seeds, number))
        if isinstance(values[-1], Failed) and values[-1].why in ("time", "memory", "died", "protocol"):
            answer._worker.close()
            answer, lost = None, lost + 1
    if answer is not None:
        answer._worker.close()
    return values


def _start(
    assignment: Assignment, sandbox: Sandbox, cells: list[str], skipped: set[int]
) -> tuple[Remote | None, int | None]:
    """A worker that has run the cells, or the number of the cell that it did not survive."""
    worker = sandbox.open()
    number = -1
    try:
        worker.run("import numpy as np\nimport math", "first")
        names = _given(assignment)
        answer = Remote(worker, names)
        for number, cell in enumerate(cells):
            if number not in skipped:
                worker.run(cell, f"cell-{number + 1}")
        worker.give({name: answer.given(name) for name in names})  # what was given is not for the student to replace
        return answer, None
    except Gone:
        worker.close()
        return None, number


def _given(assignment: Assignment) -> dict[str, Any]:
    import numpy as np

    names: dict[str, Any] = {"np": np, "__name__": "given"}
    exec(compile(assignment.given, "<given>", "exec"), names)
    return public_names(names)


def _play(case: Case, answer: Answer, seeds: tuple, number: int) -> Any:
    """The value of a case, or `Failed`. An answer's values may be anything, so a case may stumble over them."""
    import numpy as np

    secret, *names = seeds
    try:
        with np.errstate(all="ignore"):
            return case.play(answer, generator(secret, *names, str(number)))
    except Failed as failure:
        return failure
    except Exception:
        return Failed("type")


def _compare(case: Case, value: Any, wanted: Any) -> Outcome:
    if isinstance(wanted, Failed):
        raise RuntimeError(f"the reference itself fails in the case {case.en!r}: {wanted}")
    if isinstance(value, Failed):
        return _lost(case, value.why, value.kind if value.kind in KINDS else "")
    try:
        why = plain.difference(value, wanted, case.rtol)
    except Exception:
        why = "type"
    return _lost(case, why) if why else Outcome(case.en, case.zh, case.points, case.points)


def _recognise(task: Task, assignment: Assignment, values: list, seeds: tuple) -> Mistake | None:
    """The mistake that gives just what the answer gave, in every case."""
    for mistake in task.mistakes:
        try:
            wrong = [_play(case, assignment.reference(task, mistake), seeds, n) for n, case in enumerate(task.cases)]
        except Exception:  # a mistake may break the solution already where it is defined
            continue
        if all(_alike(case, a, b) for case, a, b in zip(task.cases, values, wrong, strict=True)):
            return mistake
    return None


def _alike(case: Case, value: Any, wrong: Any) -> bool:
    if isinstance(wrong, Failed) or isinstance(value, Failed):
        both = isinstance(wrong, Failed) and isinstance(value, Failed)
        return both and (value.why, value.kind) == (wrong.why, wrong.kind)
    return plain.difference(value, wrong, case.rtol) is None


def _unwritten(text: str) -> bool:
    from downhill_course.grade.source import WORDS

    return squeezed(text) in {squeezed(words) for words in WORDS.values()} | {"", "YOUR ANSWER HERE"}
