"""One submission, marked: answers go to the sandbox, values come back, and the comparison happens here.

Each task is tried in a sandbox of its own, first with its own cells alone; if they lack a name, once more after all
cells of the notebook. So a scratch cell that raises, waits for input or never ends costs nothing, a helper defined
elsewhere is found, and one bad answer costs only its own points. A submission has a time budget, of which each task
that is still to come keeps a share.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from downhill_course.grade import plain
from downhill_course.grade.recognise import recognise
from downhill_course.grade.sandbox import Gone, Sandbox, Worker, line_of, module_of
from downhill_course.grade.source import Assignment, Task
from downhill_course.grade.spec import Answer, Case, Failed, Mistake, Remote, generator, public_names
from downhill_course.grade.submissions import TOO_LONG, Submission, squeezed

#: Why a case failed, for the student: never an input, never a value, never a text of the student's own.
WHY = {
    "untouched": ("not answered", "未作答"),
    "long": ("the answer is too long to be read", "答案过长，无法读取"),
    "absent": ("the answer's cell is not in the notebook", "notebook 中没有作答的单元格"),
    "stopped": (
        "the answer's cell stopped before it was done, at line {kind}",
        "作答的单元格没有运行完（停在的行、错误：{kind}）",
    ),
    "input": (
        "the answer's cell stopped: it asks with input(), and nobody is there to answer",
        "作答的单元格中止：它用 input() 提问，而评分时无人应答",
    ),
    "package": (
        "uses the package {kind}, which is not there when the work is graded",
        "用到了 {kind} 包，而评分环境中没有它",
    ),
    "missing": ("the function or name asked for is not defined", "没有定义所要求的函数或变量"),
    "error": ("raised an error ({kind})", "运行出错（{kind}）"),
    "time": ("took too long", "超时"),
    "budget": ("not tried: the time for the whole submission was used up", "未检验：整份作业的时间已用完"),
    "edge": (
        "right, but it counts only beside another case: anything might pass this one",
        "结果正确，但须另有用例通过才计分：随便什么答案都可能通过这一例",
    ),
    "memory": ("used too much memory, or too many processes or files", "占用的内存、进程或文件过多"),
    "died": ("ended the program", "程序意外终止"),
    "protocol": ("wrote where it must not", "干扰了评分程序的通信"),
    "plain": (
        "a value that cannot be read: too large, or neither numbers, text, lists nor arrays of real numbers",
        "返回的值无法读取：过大，或不是数、文本、列表、实数数组",
    ),
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
    end = time.monotonic() + sandbox.limits.submission
    share = sandbox.limits.call / 2
    tasks = list(assignment.tasks.values())
    marked = [
        _task(task, submission, assignment, Within(sandbox, end - share * (len(tasks) - number)), secret)
        for number, task in enumerate(tasks, 1)
    ]
    return Result(submission.student, submission.name, assignment.name, submission.language, marked, submission.notes)


@dataclass(frozen=True)
class Within:
    """A sandbox that is opened only before `end`, and whose workers end by then."""

    sandbox: Sandbox
    end: float

    def open(self) -> Worker:
        if time.monotonic() >= self.end:
            raise Gone("budget")
        worker = self.sandbox.open()
        worker.end = min(worker.end, self.end)
        return worker


def _task(task: Task, submission: Submission, assignment: Assignment, sandbox: Within, secret: bytes) -> Marked:
    answers = submission.answers(task, assignment)
    if task.by_hand:
        marked = Marked(task.name, task.title, task.points, None, note=answers[-1:] or None)
        if not answers or _unwritten(answers[-1]):
            written = Case("written answer", "文字作答", task.points, False, _nothing)
            marked.points, marked.outcomes = 0.0, [_lost(written, "untouched" if answers else "absent")]
        return marked
    read = [answer for answer in answers if answer != TOO_LONG]
    if all(squeezed(answer) == squeezed(task.stub) for answer in read):
        why = "absent" if not answers else "untouched" if read else "long"
        return Marked(task.name, task.title, task.points, 0.0, [_lost(case, why) for case in task.cases])
    judge = Judge(task, assignment, (secret, assignment.name, task.name, submission.key or submission.student))
    best: Marked | None = None
    for answer in reversed(read):  # an old try may stand below the answer: what is best counts
        found = judge(_values(judge, submission, sandbox, answer, answers))
        if best is None or (found.points or 0) > (best.points or 0):
            best = found
        if best.points == task.points:
            break
    assert best is not None
    return best


class Judge:
    """What a task's answer is worth to one student: the reference is played once, then any list of values is judged."""

    def __init__(self, task: Task, assignment: Assignment, seeds: tuple) -> None:
        self.task, self.assignment, self.seeds = task, assignment, seeds
        self.wanted = self.played(assignment.reference(task))
        for case, value in zip(task.cases, self.wanted, strict=True):
            if isinstance(value, Failed):
                raise RuntimeError(f"the reference itself fails in the case {case.en!r}: {value}")

    @cached_property
    def mistaken(self) -> list[tuple[Mistake, list]]:
        """Each planted mistake with the values that it gives; none for one that breaks the solution itself."""
        found = []
        for mistake in self.task.mistakes:
            try:
                found.append((mistake, self.played(self.assignment.reference(self.task, mistake))))
            except Exception:  # also what the changed solution raises while it is read
                continue
        return found

    def played(self, answer: Answer) -> list:
        """The value of each case, or `Failed`."""
        return [self.play(number, answer) for number in range(len(self.task.cases))]

    def play(self, number: int, answer: Answer) -> Any:
        """The value of a case, or `Failed`. An answer's values may be anything, so a case may stumble over them."""
        import numpy as np

        secret, *names = self.seeds
        try:
            with np.errstate(all="ignore"):
                return self.task.cases[number].play(answer, generator(secret, *names, str(number)))
        except Failed as failure:
            return failure
        except Exception:
            return Failed("type")

    def __call__(self, values: list) -> Marked:
        """The task, marked."""
        task = self.task
        cases = list(zip(task.cases, values, self.wanted, strict=True))
        marked = Marked(task.name, task.title, task.points, 0.0, [_compare(*case) for case in cases])
        passed = [case for case, outcome in zip(task.cases, marked.outcomes, strict=True) if outcome.why is None]
        if all(case.edge for case in passed):
            marked.outcomes = [
                _lost(case, outcome.why or "edge", outcome.kind)
                for case, outcome in zip(task.cases, marked.outcomes, strict=True)
            ]
        marked.points = sum(outcome.points for outcome in marked.outcomes)
        if any(outcome.why for outcome in marked.outcomes):
            found, whole = recognise(self, values)
            if found or task.read:
                name, en, zh, read = (found.name, found.en, found.zh, found.read) if found else ("", "", "", "")
                place = self.assignment.place(read or task.read) if read or task.read else None
                marked.mistake = {"name": name, "en": en, "zh": zh, "read": place}
            if found and whole:
                marked.points = max(marked.points, found.credit)
        return marked


def _nothing(answer: Any, rng: Any) -> None:
    return None


def _lost(case: Case, why: str, kind: str = "") -> Outcome:
    return Outcome(case.en, case.zh, 0.0, case.points, why, kind)


def _values(judge: Judge, submission: Submission, sandbox: Within, answer: str, answers: list[str]) -> list:
    """What an answer gives in each case: a value, or `Failed`."""
    values = _attempt(judge, sandbox, [answer])
    if any(isinstance(value, Failed) and value.why in LACKS for value in values):
        others = [c for c in submission.everything(judge.assignment, judge.task) if c not in answers]
        again = _attempt(judge, sandbox, [*others, answer]) if others else values
        better = sum(isinstance(value, Failed) for value in again) < sum(isinstance(value, Failed) for value in values)
        values = again if better else values
    return values


#: Why a case may fail for want of what another cell of the notebook defines.
LACKS = {"missing", "error", "stopped", "input", "package"}


def _attempt(judge: Judge, sandbox: Within, cells: list[str]) -> list:
    """Play every case; a sandbox that is lost is replaced, so that the next case has its chance, but not for ever."""
    values: list[Any] = []
    lost = 0
    answer: Remote | None = None
    skipped: set[int] = set()
    why = "time"
    for number in range(len(judge.task.cases)):
        while answer is None and lost < 2:
            try:
                answer = _start(judge.assignment, sandbox, cells, skipped)
            except Lost as error:
                skipped.add(error.number)
                lost, why = lost + 1, error.why
        if answer is None:
            values.append(Failed(values[-1].why if values and isinstance(values[-1], Failed) else why))
            continue
        value = judge.play(number, answer)
        if isinstance(value, Failed) and value.why == "missing" and answer._stopped:
            value = answer._stopped
        values.append(value)
        if isinstance(value, Failed) and value.why in ("time", "memory", "died", "protocol"):
            answer._worker.close()
            answer, lost = None, lost + 1
    if answer is not None:
        answer._worker.close()
    return values


class Lost(Exception):
    """A worker that did not survive cell `number` (-1: it did not even begin), and why."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number, self.why = number, why


def _start(assignment: Assignment, sandbox: Within, cells: list[str], skipped: set[int]) -> Remote:
    """A worker that has run the cells, the answer's last; `stopped` says why it did not come to its end."""
    number = -1
    try:
        worker = sandbox.open()
    except Gone as gone:
        raise Lost(number, gone.why) from None
    try:
        worker.run("import numpy as np\nimport math", "first")
        names = _given(assignment)
        answer = Remote(worker, names)
        for number, cell in enumerate(cells):
            if number not in skipped:
                worker.run(cell, "answer" if number == len(cells) - 1 else f"cell-{number + 1}")
        answer._stopped = _stopped(worker.stopped)
        worker.give({name: answer.given(name) for name in names})  # what was given is not for the student to replace
        return answer
    except Gone as gone:
        worker.close()
        raise Lost(number, gone.why) from None


def _stopped(told: dict | None) -> Failed | None:
    """Why the answer's cell stopped, if it did."""
    if told is None:
        return None
    kind, line = str(told["error"]), line_of(told)
    if module_of(told):
        return Failed("package", module_of(told))
    if kind == "EOFError":
        return Failed("input")
    return Failed("stopped", f"{line}, {kind}") if line and kind in KINDS else None


def _given(assignment: Assignment) -> dict[str, Any]:
    import numpy as np

    names: dict[str, Any] = {"np": np, "__name__": "given"}
    exec(compile(assignment.given, "<given>", "exec"), names)
    return public_names(names)


def _compare(case: Case, value: Any, wanted: Any) -> Outcome:
    if isinstance(value, Failed):
        return _lost(case, value.why, value.kind if value.why in ("stopped", "package") or value.kind in KINDS else "")
    try:
        why = plain.difference(value, wanted, case.rtol)
    except Exception:
        why = "type"
    return _lost(case, why) if why else Outcome(case.en, case.zh, case.points, case.points)


def _unwritten(text: str) -> bool:
    from downhill_course.grade.source import WORDS

    return squeezed(text) in {squeezed(words) for words in WORDS.values()} | {"", "YOUR ANSWER HERE"}
