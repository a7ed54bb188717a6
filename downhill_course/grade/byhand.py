"""`by-hand.csv`: answers in words, for a teacher to read, with room for points and a comment.

A line belongs to one answer of one student, and knows it by its `version`: points never pass to another answer, nor to
another student of the same name. What a teacher wrote is never thrown away.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from downhill_course.files import replace
from downhill_course.grade import exports
from downhill_course.grade.attempts import Attempts
from downhill_course.grade.submissions import clean, folded

HEAD = ["student", "task", "points", "of", "comment", "answer", "id", "version"]


@dataclass
class Row:
    """A line of the sheet; `points` is None where the teacher has written none."""

    line: str
    told: dict[str, str]
    points: float | None

    def is_of(self, own: Attempts) -> bool:
        """Whether it may be this student's line: by number where both have one, else by name."""
        name, number = self.told["student"], self.told["id"]
        if number and own.file.identity:
            return number == own.file.identity
        return folded(clean(name)) == folded(own.file.student)


@dataclass
class ByHand:
    """The sheet as the teacher left it, and what could not be given to anyone."""

    path: Path
    rows: list[Row] = field(default_factory=list)
    delimiter: str = ","
    rest: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, out: Path, worth: dict[str, float]) -> ByHand:
        """The sheet in the folder of the marks; `worth` says what each task is worth.

        Raises:
            Mismatch: it is no such sheet, or points are no points; the message says in which line.
        """
        path = out / "by-hand.csv"
        if not path.exists():
            return cls(path)
        sheet = exports.read_sheet(path, "student", "an earlier run: it needs the columns student, task, points")
        for name in ("task", "points"):
            sheet.column(name)
        found = cls(path, delimiter=sheet.delimiter)
        seen: dict[tuple, Row] = {}
        for told in sheet.records():
            told = {**dict.fromkeys(HEAD, ""), **{name: exports.told(cell) for name, cell in told.items()}}
            row = Row(told[""], told, _points(path, told, worth))
            same = seen.setdefault((told["version"] or (told["student"], told["id"]), told["task"]), row)
            if same.points != row.points:
                raise exports.Mismatch(
                    f"{path}, lines {same.line} and {row.line}: {told['student']} has {told['points'] or 'no'} and "
                    f"{same.told['points'] or 'no'} points for {told['task']}: keep one of the lines"
                )
            found.rows.append(row)
        return found

    def give(self, attempts: dict[str, Attempts]) -> list[tuple[str, str]]:
        """Write points and comments to the answers they are for; say what is nobody's, or for an older answer."""
        works = [(own, work, task) for own in attempts.values() for work in own.kept for task in work["tasks"]]
        asked = self._asked()
        attention = []
        for row in self.rows:
            task = row.told["task"]
            sure = row.told["version"] or self._meant(row, attempts, asked)
            places = [(own, work) for own, work, t in works if sure and (t["version"], t["name"]) == (sure, task)]
            for _, work in places:
                work["hand"][task] = [row.points, row.told["comment"]]
            if row.points is None:
                continue
            owners = [own for own in attempts.values() if row.is_of(own)] if not places else [places[0][0]]
            if len(owners) == 1 and owners[0].last and not any(work is owners[0].last for _, work in places):
                why = f"the answer to {task} is another than the one that got {row.points:g} points: read it again"
                attention.append((owners[0].file.student, why))
            elif not places:
                self.rest.append(row)
        if self.rest:
            some = ", ".join(f"line {row.line} ({row.told['student']}, {row.told['task']})" for row in self.rest[:5])
            more = f" and {len(self.rest) - 5} more" if len(self.rest) > 5 else ""
            attention.append((self.path.name, f"{some}{more}: no answer that lies here fits: kept, not counted"))
        return attention

    def _meant(self, row: Row, attempts: dict[str, Attempts], asked: dict[str, str]) -> str:
        """The version that a line without one is for: what the sheet asked about last, else the present answer."""
        owners = [own for own in attempts.values() if row.is_of(own)]
        if len(owners) != 1 or owners[0].last is None:
            return ""
        present = next((t["version"] for t in owners[0].last["tasks"] if t["name"] == row.told["task"]), "")
        return asked.get(f"{owners[0].file.key}/{row.told['task']}", present)

    def _asked(self) -> dict[str, str]:
        try:
            told = json.loads((self.path.parent / "marks" / "by-hand.json").read_text(encoding="utf-8"))
            return told if isinstance(told, dict) else {}
        except (OSError, ValueError):
            return {}

    def write(self, attempts: dict[str, Attempts]) -> None:
        """The sheet anew, with the teacher's separator: what waits, what is done, the lines that fitted nobody."""
        rows: list[list] = []
        asked = {}
        for own in attempts.values():
            work = own.last or {"tasks": [], "hand": {}}
            for task in work["tasks"]:
                points, comment = work["hand"].get(task["name"]) or (None, "")
                if task["points"] is not None and points is None:
                    continue
                answer = (task["note"] or [""])[0]
                about = [own.file.student, task["name"], self._number(points), self._number(task["of"])]
                rows.append([*about, comment, answer, own.file.identity, task["version"]])
                asked[f"{own.file.key}/{task['name']}"] = task["version"]
        rows += [[row.told[name] for name in HEAD] for row in self.rest]
        if rows or self.path.exists():
            replace(self.path, exports.as_csv([HEAD, *rows], self.delimiter))
            replace(self.path.parent / "marks" / "by-hand.json", json.dumps(asked, ensure_ascii=False))

    def _number(self, value: float | None) -> str:
        text = "" if value is None else f"{value:g}"
        return text.replace(".", ",") if self.delimiter == ";" else text


def _points(path: Path, told: dict[str, str], worth: dict[str, float]) -> float | None:
    text, most = told["points"].strip(), worth.get(told["task"])
    if not text:
        return None
    try:
        value = exports.number(text)
    except ValueError:
        raise exports.Mismatch(
            f"{path}, line {told['']}: the points are {text!r}; write a number such as 1.5"
        ) from None
    if most is None:
        raise exports.Mismatch(
            f"{path}, line {told['']}: there is no task {told['task']!r}; there are {', '.join(worth)}"
        )
    if not 0 <= value <= most:
        raise exports.Mismatch(f"{path}, line {told['']}: {value:g} points, and {told['task']} is worth {most:g}")
    return value
