"""Marks into the tables that schools use: our own CSV, and Canvas's and Moodle's, filled in from their own files."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class Mismatch(Exception):
    """A gradebook's file is not what its name says; the message tells what was missing."""


def safe(value: object) -> object:
    """A text that no spreadsheet takes for a formula.

    >>> safe("=cmd()"), safe("Ada"), safe(-1.5)
    ("'=cmd()", 'Ada', -1.5)
    """
    if isinstance(value, str) and value.lstrip()[:1] in tuple("=+-@\t\r|%＝＋－＠"):
        return f"'{value}"
    return value


def table(results: list[dict], missing: dict[tuple[str, str], str]) -> str:
    """One row for each student: total, late penalty, each task; who could not be graded is blank, not zero.

    `missing` says why, by name and number.
    """
    tasks = list(dict.fromkeys(task["name"] for result in results for task in result["tasks"]))
    rows: list[list] = [["student", "id", "points", "of", "penalty", *tasks, "handed in", "note"]]
    for result in results:
        points = {task["name"]: task["points"] for task in result["tasks"]}
        waiting = f"not final, to be graded by hand: {', '.join(result['waiting'])}" if result["waiting"] else ""
        note = "; ".join(filter(None, [*result["notes"], waiting]))
        cells = ["" if points.get(name) is None else points[name] for name in tasks]
        about = [result["student"], result["identity"], result["final"], result["of"], result["penalty"] or ""]
        rows.append([*about, *cells, result["handed_in"], note])
    blank = [""] * (len(tasks) + 4)
    rows += [[name, number, *blank, f"needs attention: {why}"] for (name, number), why in missing.items()]
    return as_csv(rows)


def told(cell: str) -> str:
    """What `safe` was given.

    >>> told("'=cmd()"), told("'tis")
    ('=cmd()', "'tis")
    """
    bare = cell.removeprefix("'")
    return bare if safe(bare) == cell else cell


def as_csv(rows: list[list], delimiter: str = ",") -> str:
    return _written([[safe(cell) for cell in row] for row in rows], delimiter)


def _written(rows: list[list], delimiter: str) -> str:
    """Rows as they are, in the form that every spreadsheet opens."""
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return "\ufeff" + stream.getvalue()


@dataclass
class Sheet:
    """A table that came from an LMS or a spreadsheet, whatever its encoding and its separator."""

    path: Path
    rows: list[list[str]]
    delimiter: str = ","

    @property
    def head(self) -> list[str]:
        return self.rows[0]

    def column(self, name: str, where: str = "") -> int:
        """Where a column stands; `Mismatch` if it is missing."""
        if name not in self.head:
            raise Mismatch(
                f"{self.path}: its first line has no column {name!r}. It holds: {', '.join(self.head)}{where}"
            )
        return self.head.index(name)

    def records(self) -> list[dict[str, str]]:
        """Each further line by the names of the columns; a missing cell is empty, an empty line is left out."""
        found = []
        for number, row in enumerate(self.rows[1:], 2):
            if any(cell.strip() for cell in row):
                found.append(
                    {**dict.fromkeys(self.head, ""), **dict(zip(self.head, row, strict=False)), "": str(number)}
                )
        return found

    def text(self) -> str:
        return _written(self.rows, self.delimiter)


def read_sheet(path: Path, first: str, where: str, fits: Callable[[Sheet], bool] = lambda sheet: False) -> Sheet:
    """A CSV file as a spreadsheet may have left it: UTF-8, UTF-16 or GBK, commas, semicolons or tabs.

    Raises:
        Mismatch: it cannot be read, or has no column `first` and does not fit either; the message says what it should
            be and `where` it is had.
    """
    try:
        raw = path.read_bytes()
        if raw.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
            raise Mismatch(f"{path}: a workbook of a spreadsheet program. Save it as CSV. It comes from {where}.")
        text = readable(raw)
        if "\n" not in text:
            text = text.replace("\r", "\n")
        told = re.match(r"sep=(.)\r?\n", text)
        text = text[told.end() :] if told else text
        tables = [
            Sheet(path, [*csv.reader(io.StringIO(text, newline=""), delimiter=mark)], mark)
            for mark in ([told[1]] if told else [",", ";", "\t"])
        ]
    except (OSError, csv.Error, TypeError) as error:
        raise Mismatch(f"{path}: cannot be read as a CSV file ({error}). It comes from {where}.") from None
    for sheet in tables:
        sheet.rows = sheet.rows or [[]]
        sheet.rows[0] = [name.strip() for name in sheet.rows[0]]
        if first in sheet.head or fits(sheet):
            return sheet
    best = max(tables, key=lambda sheet: len(sheet.head))
    raise Mismatch(
        f"{path}: its first line has no column {first!r}. It holds: {', '.join(best.head)}. It comes from {where}."
    )


def readable(raw: bytes) -> str:
    """The text of a file that a person saved: in UTF-8, UTF-16, GBK, or else as Western Windows has it."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp1252", errors="replace")


def number(text: str) -> float:
    """A number as people write it into a spreadsheet: `1.5`, `1,5`, `１，５`.

    >>> number(" 1,5 "), number("１．５"), number("2")
    (1.5, 1.5, 2.0)
    """
    return float(unicodedata.normalize("NFKC", text).strip().replace(",", "."))


@dataclass
class Gradebook:
    """An LMS's table, into which marks go: where they go, and how a line says whose it is."""

    name: str
    sheet: Sheet
    grade: int
    identity: int  # the column of the number that the LMS writes into the names of files
    names: list[int]  # columns by which a student without a number may be found
    of: str = ""  # out of how many points it thinks the assignment is

    def filled(self, results: list[dict], of: float) -> tuple[str, list[tuple[str, str]]]:
        """The table with the marks that are certain, and a line for each that is not: it keeps what it had.

        A student with the LMS's number is found by that alone, anyone else by a name that one line and one student
        have. A mark is left out while an answer waits to be graded by hand.
        """
        left: list[tuple[str, str]] = []
        if self.of and _differs(self.of, of):
            left.append((self.name, f"counts this assignment out of {self.of}, the marks are out of {of:g}"))
        lines: dict[str, set[int]] = {}
        for at, row in enumerate(self.sheet.rows[1:], 1):
            row += [""] * (len(self.sheet.head) - len(row))
            own = {f"#{number_of(row[self.identity])}"}
            own |= {key for column in self.names for key in keys(row[column])}
            for key in own - {"#", ""}:
                lines.setdefault(key, set()).add(at)
        wanted = [_places(result, lines) for result in results]
        numbered = {at for result, places in zip(results, wanted, strict=True) if result["identity"] for at in places}
        taken = Counter(at for places in wanted for at in places)
        waiting = []
        for result, places in zip(results, wanted, strict=True):
            free = places if result["identity"] else places - numbered
            if not places:
                left.append((result["student"], f"is not in {self.name}"))
            elif len(free) != 1 or (taken[min(free)] > 1 and not result["identity"]):
                left.append((result["student"], f"has no line of {self.name} that is surely theirs: not filled in"))
            elif result["waiting"]:
                waiting.append(result["student"])
            else:
                self.sheet.rows[min(free)][self.grade] = f"{result['final']:g}"
        if waiting:
            some = ", ".join(waiting[:10]) + (", …" if len(waiting) > 10 else "")
            left.append((self.name, f"{len(waiting)} not filled in, as answers wait to be graded by hand: {some}"))
        return self.sheet.text(), left


def canvas(path: Path, assignment: str) -> Gradebook:
    """Canvas's exported gradebook, with the column of the assignment."""
    sheet = read_sheet(path, "Student", "Canvas: Grades > Export")
    fits = re.compile(rf"^{re.escape(assignment)}(\s*\(\d+\))?$")
    columns = [at for at, name in enumerate(sheet.head) if fits.match(name)]
    if len(columns) != 1:
        wrong = f"{len(columns)} columns" if columns else "no column"
        raise Mismatch(
            f"{path}: it has {wrong} {assignment!r}. Make the assignment in Canvas first, once. "
            f"Columns: {', '.join(sheet.head)}"
        )
    possible = next((row for row in sheet.rows[1:4] if row and row[0].strip() == "Points Possible"), [])
    names = [sheet.head.index(name) for name in ("SIS Login ID", "SIS User ID", "Student") if name in sheet.head]
    of = possible[columns[0]] if len(possible) > columns[0] else ""
    return Gradebook("canvas.csv", sheet, columns[0], sheet.column("ID"), names, of)


def moodle(path: Path) -> Gradebook:
    """Moodle's grading worksheet, in any language of Moodle's: what has no English name is known by its form.

    The first column ends each line in a number, `参与者 4711`; the marks stand directly before the one number that all
    lines share, the maximum. What else stands before them may name a student.
    """
    where = "Moodle: Submissions > Download grading worksheet"
    sheet = read_sheet(path, "Identifier", where, _is_worksheet)
    most: int | None
    if "Identifier" in sheet.head:
        identity, grade, _ = sheet.column("Identifier"), sheet.column("Grade"), sheet.column("Full name")
        names = [sheet.head.index(name) for name in ("ID number", "Email address", "Full name") if name in sheet.head]
        most = sheet.head.index("Maximum Grade") if "Maximum Grade" in sheet.head else None
    else:
        most = _maximum(sheet)
        identity, grade, names = 0, most - 1, [*range(1, most - 1)]
    of = next((row[most] for row in sheet.rows[1:] if most is not None and len(row) > most), "")
    return Gradebook("moodle.csv", sheet, grade, identity, names, of)


def _is_worksheet(sheet: Sheet) -> bool:
    return _maximum(sheet) > 2 and all(re.fullmatch(r"\D+\d+", row[0]) for row in sheet.rows[1:] if any(row))


def _maximum(sheet: Sheet) -> int:
    """The first column that holds one number, the same in every line; 0 if there is none."""
    columns = list(zip(*(row for row in sheet.rows[1:] if any(row)), strict=False))
    same = [at for at, cells in enumerate(columns) if len(set(cells)) == 1 and re.fullmatch(r"\d+([.,]\d+)?", cells[0])]
    return min(same, default=0)


def _places(result: dict, lines: dict[str, set[int]]) -> set[int]:
    """The lines that may be a student's: by the LMS's number, else by a name or a number in the folder's name."""
    if result["identity"]:
        return lines.get(f"#{result['identity']}", set())
    name = result["student"]
    found = _by(lines, {f"#{name}", *keys(name)})
    both = re.fullmatch(r"(?P<a>\d{4,})[\W_]*(?P<b>\D+)|(?P<c>\D+?)[\W_]*(?P<d>\d{4,})", name)
    if both and not found:  # 20231234-王伟: number and name must agree
        told = both["a"] or both["d"]
        found = _by(lines, {f"#{told}", told}) & _by(lines, keys(both["b"] or both["c"]))
    return found


def _by(lines: dict[str, set[int]], names: set[str]) -> set[int]:
    return set().union(*(lines.get(name, set()) for name in names))


def _differs(told: str, of: float) -> bool:
    try:
        return abs(number(told) - of) > 1e-9
    except ValueError:
        return False


def number_of(text: str) -> str:
    """The number in a column of numbers: Moodle writes `Participant 4711`, in the reader's language."""
    found = re.search(r"(\d+)\s*$", text)
    return found[1] if found else ""


def keys(name: str) -> set[str]:
    """A name as it is compared: `Lovelace, Ada`, `Ada Lovelace` and `lovelaceada` meet; `ada@example.org` is `ada` too.

    >>> sorted(keys("Lovelace, Ada")), keys("Ada Lovelace"), sorted(keys("ada@a.org"))
    (['adalovelace', 'lovelaceada'], {'adalovelace'}, ['ada', 'adaaorg'])
    """
    ways = [name]
    if "@" in name:
        ways.append(name.split("@")[0])
    elif "," in name:
        last, _, first = name.partition(",")
        ways.append(f"{first} {last}")
    return {re.sub(r"[\W_]+", "", way).casefold() for way in ways} - {""}
