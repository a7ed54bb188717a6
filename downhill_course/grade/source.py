"""An assignment: one source notebook, read into tasks, and what is derived from it.

The source is an ordinary notebook with nbgrader's metadata: an answer cell (`solution: true`) with the solution
between `### BEGIN SOLUTION` and `### END SOLUTION`, then a cell `NAME-check` (`grade: true`, points) with the hidden
cases between `### BEGIN HIDDEN TESTS` and `### END HIDDEN TESTS` (see `spec.py`). A Markdown cell with `grade`
and `solution` is answered in words. Passages come in neighbouring cells, English (`lang-en`) and Chinese (`lang-zh`),
as in the chapters; lines `#: ...` inside the solution are what the student finds in its place; cells tagged `given`
define what the student is given, cells tagged `rubric` are for who grades by hand.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from downhill_course.grade import checks, plain
from downhill_course.grade.spec import Case, Failed, Faulty, Local, Mistake, Near, Plan, changed, generator, read_plan
from downhill_course.notebook import setup_cell
from downhill_course.notebook.cells import halves, language_of, tags_of, text_of, understood
from downhill_course.notebook.views import SEPARATOR
from downhill_course.project import BOOK, EXERCISES

SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION[^\n]*\n.*?^[ \t]*### END SOLUTION[^\n]*$", re.M | re.S)
HIDDEN = re.compile(r"^[ \t]*### BEGIN HIDDEN TESTS[^\n]*\n(.*?)^[ \t]*### END HIDDEN TESTS[^\n]*\n?", re.M | re.S)
MARKS = re.compile(r"^[ \t]*### (?:BEGIN|END) SOLUTION[^\n]*\n?", re.M)
INSTEAD = re.compile(r"^([ \t]*)#: ?([^\n]*)\n?", re.M)  # what the student finds in the solution's place
STUB = "{indent}# YOUR CODE HERE · 在这里写代码\n{indent}raise NotImplementedError()"
WORDS = {"en": "*Your answer here.*", "zh": "*在此作答。*", "both": "*Your answer here. · 在此作答。*"}
LANGUAGES = {"en": ("en",), "zh": ("zh",), "both": ("en", "zh")}


@dataclass
class Task:
    """One task: its names, what it is worth, the solution, and the plan of its cases (none if graded by hand)."""

    name: str
    title: str
    points: float
    level: int
    read: str
    solution: str
    plan: Plan | None
    rubric: dict[str, str] = field(default_factory=dict)

    @property
    def by_hand(self) -> bool:
        return self.plan is None

    @property
    def stub(self) -> str:
        return SOLUTION.sub(stub, self.solution)

    @property
    def solved(self) -> str:
        return INSTEAD.sub("", MARKS.sub("", self.solution))

    @property
    def cases(self) -> list[Case]:
        return self.plan.cases if self.plan else []

    @property
    def mistakes(self) -> list[Mistake]:
        return self.plan.mistakes if self.plan else []


class Assignment:
    """A source notebook, read. `Assignment.open("03-momentum")` finds it by name.

    Raises:
        Faulty: the name is unknown, or the notebook cannot be right; the message says where and what to mend.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.parent.name
        try:
            self.notebook = understood(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise Faulty(f"{path}: cannot be read as a notebook ({error})") from None
        self.cells = self.notebook["cells"]
        for cell in self.cells:
            cell["source"] = text_of(cell)
        self.given = "\n".join(text_of(cell) for cell in self.cells if "given" in tags_of(cell))
        self.tasks = {task.name: task for task in self._read()}
        for task in self.tasks.values():
            self._sound(task)

    @classmethod
    def open(cls, name: str, folder: Path = EXERCISES) -> Assignment:
        path = folder / name / "source.ipynb"
        if not path.is_file():
            raise Faulty(
                f"There is no assignment {name!r} in {folder}. There are: {', '.join(known(folder)) or 'none'}"
            )
        return cls(path)

    @property
    def digest(self) -> str:
        """Changes when a mark could: kept with every result, so that an interrupted run knows what still holds."""
        return hashlib.sha256(json.dumps(self.cells, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def title(self) -> str:
        first = next(
            (text_of(cell) for cell in self.cells if text_of(cell).lstrip().startswith(("# ", "("))), self.name
        )
        return next((line[2:].strip() for line in first.splitlines() if line.startswith("# ")), self.name)

    @property
    def points(self) -> float:
        return sum(task.points for task in self.tasks.values())

    def _read(self) -> list[Task]:
        tests = {
            nbgrader(cell)["grade_id"].removesuffix("-check"): cell
            for cell in self.cells
            if nbgrader(cell).get("grade") and not nbgrader(cell).get("solution")
        }
        tasks, title = [], self.name
        for number, cell in enumerate(self.cells):
            heading = re.search(r"^#{2,6}\s+(.+)$", text_of(cell), re.M) if cell["cell_type"] == "markdown" else None
            if heading and language_of(cell) is None:
                title = heading.group(1).strip()
            told = nbgrader(cell)
            if not told.get("solution"):
                continue
            name, by_hand = told["grade_id"], bool(told.get("grade"))
            if not by_hand and name not in tests:
                raise Faulty(f"{self.name}: task {name} has no cell {name}-check with its points and hidden tests")
            about = cell["metadata"].get("downhill", {})
            points = told["points"] if by_hand else nbgrader(tests[name])["points"]
            plan = None if by_hand else self._plan(name, tests[name])
            rubric = self._rubric(number) if by_hand else {}
            tasks.append(
                Task(name, title, points, about.get("level", 1), about.get("read", ""), text_of(cell), plan, rubric)
            )
        return tasks

    def _plan(self, name: str, cell: dict) -> Plan:
        hidden = HIDDEN.search(text_of(cell))
        if hidden is None:
            raise Faulty(
                f"{self.name}: cell {name}-check has no lines between ### BEGIN HIDDEN TESTS and ### END HIDDEN TESTS"
            )
        return read_plan(hidden.group(1), name)

    def _rubric(self, number: int) -> dict[str, str]:
        found = {}
        for cell in self.cells[number + 1 :]:
            if "rubric" not in tags_of(cell):
                break
            found[str(language_of(cell))] = text_of(cell)
        return found

    def _sound(self, task: Task) -> None:
        where = f"{self.name}, task {task.name}"
        if task.by_hand:
            if set(task.rubric) != {"en", "zh"}:
                raise Faulty(f"{where}: graded by hand, so two cells tagged rubric (lang-en, lang-zh) must follow it")
            return
        total = sum(case.points for case in task.cases)
        if total != task.points:
            raise Faulty(f"{where}: its cases are worth {total:g} points together, its cell says {task.points:g}")
        if not any(case.public for case in task.cases):
            raise Faulty(f"{where}: no case is public, so the student's check would have nothing to play")
        if not SOLUTION.search(task.solution):
            raise Faulty(f"{where}: its answer cell has no ### BEGIN SOLUTION ... ### END SOLUTION")

    def reference(self, task: Task, mistake: Mistake | None = None) -> Local:
        """The solution to a task (and to those before it), or the solution with a mistake in it."""
        own = changed(task.solved, mistake, task.name) if mistake else task.solved
        return Local([*self._before(task), own], self.given)

    def _before(self, task: Task) -> list[str]:
        names = list(self.tasks)
        return [self.tasks[name].solved for name in names[: names.index(task.name)] if not self.tasks[name].by_hand]

    # --- what is derived ------------------------------------------------------------------------

    def recorded(self) -> dict[str, Any]:
        """The public cases as calls with results, the solution's and each mistake's: what `check` plays."""
        told = {}
        for task in self.tasks.values():
            cases = []
            for number, case in enumerate(task.cases):
                if not case.public:
                    continue
                ops = [{**op, "rtol": case.rtol} for op in self._record(task, case, number, None)]
                wrong = {m.name: [op["gives"] for op in self._record(task, case, number, m)] for m in task.mistakes}
                right = [op["gives"] for op in ops]
                shown = {name: results for name, results in wrong.items() if results != right}
                cases.append({"title": [case.en, case.zh], "ops": ops, "mistakes": shown})
            mistakes = {
                m.name: {"say": [m.en, m.zh], "read": self.place(m.read) if m.read else []} for m in task.mistakes
            }
            place = self.place(task.read) if task.read else []
            told[task.name] = {"points": task.points, "read": place, "cases": cases, "mistakes": mistakes}
        return told

    @cached_property
    def packed(self) -> str:
        """The recorded cases as text for a notebook's first cell, the same in every language."""
        return checks.pack(self.recorded())

    def _record(self, task: Task, case: Case, number: int, mistake: Mistake | None) -> list[dict]:
        recorder = Recorder(
            [*self._before(task), changed(task.solved, mistake, task.name) if mistake else task.solved], self.given
        )
        try:
            case.play(recorder, generator(b"public", self.name, task.name, str(number)))
        except Failed:
            if mistake is None:
                raise
        return recorder.ops

    def place(self, label: str) -> list[str]:
        """Where a label of the book stands, in both languages: `03-momentum: title of its section`."""
        found = places().get(label)
        if found is None:
            raise Faulty(f"{self.name}: `read` names the label {label!r}, and no chapter has it")
        return found

    def student(self, language: str = "both") -> dict:
        """The notebook that students get: no solution, no hidden test; the public examples are packed in."""
        return self._derive(language, solved=False)

    def solution(self, language: str = "both") -> dict:
        """The worked solution: the same with the answers in, and the rubrics."""
        return self._derive(language, solved=True)

    def for_nbgrader(self, language: str = "both") -> dict:
        """The source as nbgrader's `source/` holds it: solutions, hidden tests, and the packed examples."""
        made = self._derive(language, solved=False)
        whole = {
            cell["id"]: cell["source"]
            for cell in self.cells
            if nbgrader(cell).get("grade_id") and nbgrader(cell).get("grade")
        }
        whole |= {task.name: task.solution for task in self.tasks.values() if not task.by_hand}
        for cell in made["cells"]:
            cell["source"] = whole.get(cell["id"], cell["source"])
        return made

    def _derive(self, language: str, solved: bool) -> dict:
        shown = LANGUAGES[language]
        cells = []
        for cell in self.cells:
            told = language_of(cell)
            if (told is not None and told not in shown) or ("rubric" in tags_of(cell) and not solved):
                continue
            cells.append(self._cell(copy.deepcopy(cell), language, solved))
        cells[1:1] = [_install(), self._first(language)]
        cells.append(_code("progress", "check.progress()", locked=True))
        metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "downhill": {"assignment": self.name, "language": language, "digest": self.digest},
        }
        return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}

    def _cell(self, cell: dict, language: str, solved: bool) -> dict:
        text, told = text_of(cell), nbgrader(cell)
        if cell["cell_type"] == "markdown" and language_of(cell) is None:
            text = _cut(text, language)
        if told.get("solution") and cell["cell_type"] == "code":
            task = self.tasks[told["grade_id"]]
            text = task.solved if solved else task.stub
            cell["metadata"]["tags"] = [f"task-{task.name}"]
        elif told.get("solution"):
            text = text if solved else WORDS[language]
        elif told.get("grade"):
            text = HIDDEN.sub("", text).strip() or f'check("{told["grade_id"].removesuffix("-check")}")'
        cell["source"] = text
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
        return cell

    def _first(self, language: str) -> dict:
        lines = [
            "# Leave this cell as it is, and run it first. · 请不要修改，先运行这个单元格。",
            "from downhill_course.grade.checks import Checks",
            "",
            f'check = Checks("""{self.packed}""", globals(), "{language}")',
        ]
        cell = _code("setup", "\n".join(lines), locked=True)
        cell["metadata"]["jupyter"] = {"source_hidden": True}
        return cell

    def table(self) -> str:
        """The tasks as a Markdown table: name, title, points, difficulty, how it is graded."""
        rows = [
            f"| {t.name} | {t.title} | {t.points:g} | {'★' * t.level} | {'✍' if t.by_hand else '⚙'} |"
            for t in self.tasks.values()
        ]
        return "\n".join(["| task · 题目 | | points · 分 | | |", "|---|---|---:|---|---|", *rows])


class Recorder(Local):
    """The reference, writing down what a case asks of it."""

    def __init__(self, source: list[str], given_source: str) -> None:
        super().__init__(source, given_source)
        self.ops: list[dict] = []
        self._count = 0

    def given(self, name: str) -> Any:
        given = self._given[name]
        return _Watched(self, given, name) if hasattr(given, "calls") else given

    def hold(self, value: Any) -> Any:
        held = self._number(Near(self, np.array(value)))
        self.ops.append({"hold": plain.encode(value), "gives": {"handle": held.number}})
        return held

    def _call(self, name: str, args: tuple, kwargs: dict) -> Any:
        own, named = tuple(_own(a) for a in args), {key: _own(value) for key, value in kwargs.items()}
        return self._note({"name": name, **self._arguments(args, kwargs)}, lambda: Local._call(self, name, own, named))

    def value(self, name: str) -> Any:
        return self._note({"name": name}, lambda: Local.value(self, name))

    def _arguments(self, args: tuple, kwargs: dict) -> dict:
        return {
            "args": plain.encode([_bare(a) for a in args], self._special),
            "kwargs": plain.encode(kwargs, self._special),
        }

    def _special(self, thing: Any) -> dict:
        if isinstance(thing, _Noted):
            return {"handle": thing.number}
        if isinstance(thing, _Watched):
            return {"given": thing.name}
        raise Faulty(
            "a public case hands over a function that the notebook does not define: put it in a cell tagged `given`"
        )

    def _note(self, op: dict, action: Any) -> Any:
        try:
            value = action()
        except Failed as failure:
            self.ops.append({**op, "gives": {"error": failure.kind}})
            raise
        kept = self._number(value)
        self.ops.append({**op, "gives": plain.encode(kept, self._special)})
        return kept

    def _number(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._number(item) for item in value]
        if isinstance(value, Near):
            self._count += 1
            return _Noted(self, value, self._count - 1)
        return value


def _own(value: Any) -> Any:
    return value.thing if isinstance(value, (_Noted, _Watched)) else value


class _Watched:
    """A given function in a public case; that its calls are counted is written down as well."""

    def __init__(self, recorder: Recorder, thing: Any, name: str) -> None:
        self.recorder, self.thing, self.name = recorder, thing, name

    @property
    def calls(self) -> int:
        self.recorder.ops.append({"calls": self.name, "gives": self.thing.calls})
        return self.thing.calls


def _bare(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class _Noted:
    """A thing that the reference handed out, writing down what is asked of it."""

    def __init__(self, recorder: Recorder, thing: Any, number: int) -> None:
        self.recorder, self.thing, self.number = recorder, thing, number
        self._thing = getattr(thing, "_thing", thing)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        op = {"handle": self.number, **self.recorder._arguments(args, kwargs)}
        return self.recorder._note(op, lambda: self.thing(*args, **kwargs))

    def do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        op = {"handle": self.number, "method": method, **self.recorder._arguments(args, kwargs)}
        return self.recorder._note(op, lambda: self.thing.do(method, *args, **kwargs))

    def get(self, attribute: str = "") -> Any:
        op = {"handle": self.number, **({"method": attribute} if attribute else {})}
        return self.recorder._note(op, lambda: self.thing.get(attribute))

    def take(self, count: int) -> Any:
        return self.recorder._note({"handle": self.number, "count": count}, lambda: self.thing.take(count))


def nbgrader(cell: dict) -> dict:
    """A cell's nbgrader metadata, empty if it has none."""
    told = cell.get("metadata", {}).get("nbgrader")
    return told if isinstance(told, dict) else {}


def known(folder: Path = EXERCISES) -> list[str]:
    """The names of all assignments in a folder: the course's own, unless another is named."""
    return sorted(path.parent.name for path in folder.glob("*/source.ipynb"))


@cache
def places() -> dict[str, list[str]]:
    """Every label of the chapters with where it stands, in English and Chinese."""
    found = {}
    for path in sorted(BOOK.glob("[0-9]*.ipynb")):
        chapter, title = path.stem, ""
        for cell in understood(json.loads(path.read_text(encoding="utf-8")))["cells"]:
            if cell["cell_type"] != "markdown":
                continue
            text = text_of(cell)
            heading = re.search(r"^#{1,6}\s+(.+)$", text, re.M)
            if heading and language_of(cell) is None:
                title = heading.group(1).strip()
            english, chinese = halves(title) or (title, title)
            for label in re.findall(r"^\(([^()\s]+)\)=\s*$", text, re.M):
                found[label] = [f"{chapter}, “{english}”", f"{chapter}，“{chinese}”"]
    return found


def stub(match: re.Match) -> str:
    """What the student finds: the lines marked `#:` (a planted mistake, a beginning), else a line that raises."""
    lines = [indent + text for indent, text in INSTEAD.findall(match.group(0))]
    return "\n".join(lines) or STUB.format(indent=match.group(1))


def _cut(text: str, language: str) -> str:
    """Bilingual headings in one language."""
    if language == "both":
        return text
    kept = []
    for line in text.splitlines():
        match = re.match(r"^(#{1,6}\s+)(.+)$", line)
        pair = match and halves(match.group(2))
        kept.append(match.group(1) + pair[0 if language == "en" else 1] if match and pair else line)
    return "\n".join(line for line in kept if not re.match(r"^\([^()\s]+\)=\s*$", line)).replace(SEPARATOR + "\n", "\n")


def _install() -> dict:
    """The cell that every notebook begins with; the marking leaves it out, as it does all cells that we gave."""
    cell = _code(setup_cell.NAME, setup_cell.source(), locked=True)
    cell["metadata"]["jupyter"] = setup_cell.METADATA["jupyter"]
    return cell


def _code(name: str, source: str, locked: bool) -> dict:
    told = {"grade": False, "grade_id": name, "locked": locked, "schema_version": 3, "solution": False, "task": False}
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {"nbgrader": told},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
