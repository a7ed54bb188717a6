"""Marks into the tables that schools use: our own CSV, and Canvas's and Moodle's, filled in from their own files."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from downhill_course.files import replace


class Mismatch(Exception):
    """A gradebook's file is not what its name says; the message tells what was missing."""


def safe(value: object) -> object:
    """A text that no spreadsheet takes for a formula.

    >>> safe("=cmd()"), safe("Ada"), safe(-1.5)
    ("'=cmd()", 'Ada', -1.5)
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("=", "+", "-", "@", "\t", "\r", "|", "%"):
        return f"'{value}"
    return value


def table(results: list[dict], missing: list[tuple[str, str]]) -> str:
    """One row for each student: total, late penalty, each task; who could not be graded is blank, not zero."""
    tasks = list(dict.fromkeys(task["name"] for result in results for task in result["tasks"]))
    rows: list[list] = [["student", "points", "of", "penalty", *tasks, "note"]]
    for result in results:
        points = {task["name"]: task["points"] for task in result["tasks"]}
        note = "; ".join(result["notes"])
        if any(value is None for value in points.values()):
            note = "; ".join(
                filter(None, [note, "to be graded by hand: " + ", ".join(k for k, v in points.items() if v is None)])
            )
        cells = ["" if points.get(name) is None else points[name] for name in tasks]
        rows.append([result["student"], result["final"], result["of"], result["penalty"] or "", *cells, note])
    rows += [[name, "", "", "", *[""] * len(tasks), f"needs attention: {why}"] for name, why in missing]
    return as_csv(rows)


def as_csv(rows: list[list]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerows([[safe(cell) for cell in row] for row in rows])
    return "\ufeff" + stream.getvalue()


def canvas(gradebook: Path, results: list[dict], assignment: str) -> tuple[str, list[str]]:
    """Canvas's exported gradebook with our column filled in, and the students whom it does not know.

    A student is matched by Canvas's number (in the names of the files it hands out), else by login, else by name.
    """
    rows = read_rows(gradebook, "Student", "Canvas: Grades > Export")
    head = rows[0]
    column = next(
        (i for i, name in enumerate(head) if re.match(rf"^{re.escape(assignment)}(\s*\(\d+\))?$", name.strip())), None
    )
    if column is None:
        raise Mismatch(
            f"{gradebook}: it has no column {assignment!r}. Make the assignment in Canvas first. "
            f"Columns: {', '.join(head)}"
        )
    keys = [head.index(name) for name in ("ID", "SIS Login ID", "SIS User ID", "Student") if name in head]
    return _filled(rows, keys, column, results, raw=True)


def moodle(worksheet: Path, results: list[dict]) -> tuple[str, list[str]]:
    """Moodle's grading worksheet with `Grade` filled in, and the students whom it does not know."""
    rows = read_rows(worksheet, "Identifier", "Moodle: Submissions > Download grading worksheet")
    head = rows[0]
    for name in ("Grade", "Full name"):
        if name not in head:
            raise Mismatch(f"{worksheet}: it has no column {name!r}. Columns: {', '.join(head)}")
    keys = [head.index(name) for name in ("Identifier", "ID number", "Email address", "Full name") if name in head]
    return _filled(rows, keys, head.index("Grade"), results, raw=True)


def read_rows(path: Path, first: str, where: str) -> list[list[str]]:
    try:
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Mismatch(f"{path}: cannot be read as a CSV file in UTF-8 ({error}). It comes from {where}.") from None
    if not rows or first not in rows[0]:
        raise Mismatch(f"{path}: its first line has no column {first!r}. It comes from {where}.")
    return rows


def _filled(
    rows: list[list[str]], keys: list[int], column: int, results: list[dict], raw: bool
) -> tuple[str, list[str]]:
    known: dict[str, dict] = {}
    for result in results:
        for name in (result["student"], result.get("identity", "")):
            if name:
                known[_key(name)] = result
    used = set()
    for row in rows[1:]:
        row += [""] * (column + 1 - len(row))
        for key in keys:
            name = _key(re.sub(r"^Participant ", "", row[key])) if key < len(row) else ""
            if name and name in known:
                row[column] = f"{known[name]['final']:g}"
                used.add(id(known[name]))
                break
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerows(rows)
    return "\ufeff" + stream.getvalue(), [result["student"] for result in results if id(result) not in used]


def _key(name: str) -> str:
    """Names as they are compared: `Lovelace, Ada` and `lovelaceada` are one."""
    return re.sub(r"[\W_]+", "", name).casefold()


def write(path: Path, text: str) -> None:
    """Whole or not at all."""
    replace(path, text)
