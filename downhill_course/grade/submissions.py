"""Submissions as they come: a folder of notebooks, one folder a student, or a zip from Canvas, Moodle or nbgrader.

Everything here treats files as data from strangers: sizes are limited, links are not followed, names cannot leave their
place, and a notebook is read without any of its code being run, whatever its encoding, format version or line ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

LARGEST = 20_000_000  # bytes of one notebook
MOST = 200_000  # members of one archive
CELLS = 5_000
CELL = 400_000  # characters of one cell
CANVAS = re.compile(r"^(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_(?P<upload>\d+)_(?P<rest>.+)$")
MOODLE = re.compile(r"^(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?$")


class Unreadable(Exception):
    """A file that cannot be graded: the message says why, in words an instructor can pass on."""


@dataclass
class File:
    """A file that was handed in: by whom, what it is called, when, and how to read it."""

    student: str
    name: str
    when: float
    load: Any
    identity: str = ""

    def read(self) -> bytes:
        return self.load()


@dataclass
class Submission:
    """A notebook, read as data: its cells, its language, and what was odd about it."""

    student: str
    name: str
    cells: list[dict]
    language: str = "both"
    assignment: str = ""
    notes: list[str] = field(default_factory=list)

    def answers(self, task: Any, assignment: Any) -> list[str]:
        """The cells that answer a task, found by nbgrader's name, the cell's id, its tag, or the names it defines.

        Of several with the same name the last that was changed counts: a duplicate is an accident, not a cheat.
        """
        kind = "markdown" if task.by_hand else "code"
        cells = [cell for cell in self.cells if cell["kind"] == kind]
        if task.by_hand:
            cells += [cell for cell in self.cells if cell["kind"] == "raw"]
        ways = [
            lambda cell: cell["grade_id"] == task.name,
            lambda cell: cell["id"] == task.name,
            lambda cell: f"task-{task.name}" in cell["tags"],
        ]
        if not task.by_hand:
            wanted = defined(task.stub)
            ways.append(
                lambda cell: (
                    bool(wanted) and wanted <= defined(cell["source"]) and cell["grade_id"] != f"{task.name}-check"
                )
            )
        for way in ways:
            found = [cell["source"] for cell in cells if way(cell)]
            if found:
                changed = [source for source in found if squeezed(source) != squeezed(task.stub)]
                return changed[-1:] or found[-1:]
        return []

    def everything(self, assignment: Any, task: Any) -> list[str]:
        """All code of the student's own in its order, the cells that we gave and the checks left out."""
        from downhill_course.grade.source import nbgrader, tags_of

        ours = {nbgrader(cell).get("grade_id") for cell in assignment.cells if "given" in tags_of(cell)}
        ours |= {"install", "setup", "progress"} | {f"{name}-check" for name in assignment.tasks}
        ours.discard(None)
        own = [c["source"] for c in self.cells if c["kind"] == "code" and not ({c["grade_id"], c["id"]} & ours)]
        answer = self.answers(task, assignment)
        return [*(source for source in own if source not in answer), *answer]


def defined(source: str) -> set[str]:
    """The functions, classes and names that a cell defines at its left margin, by their look alone."""
    names = re.findall(r"^(?:def|class)\s+(\w+)", source, re.M)
    return set(names) or set(re.findall(r"^(\w+)\s*=[^=]", source, re.M))


def read(file: File) -> Submission:
    """A submission from its file.

    Raises:
        Unreadable: it is no notebook, too large, or damaged.
    """
    raw = file.read()
    notes: list[str] = []
    try:
        notebook = json.loads(_text(raw, notes))
    except (ValueError, RecursionError) as error:
        short = "nested too deeply" if isinstance(error, RecursionError) else str(error).split(":")[0]
        raise Unreadable(f"not a notebook, or only a part of one ({short}): ask for the file again") from None
    if not isinstance(notebook, dict):
        raise Unreadable("not a notebook: JSON of another kind")
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        sheets = notebook.get("worksheets")
        first = sheets[0] if isinstance(sheets, list) and sheets else None
        cells = first.get("cells") if isinstance(first, dict) else None
        notes.append("saved in an old format (3)")
    if not isinstance(cells, list):
        raise Unreadable("not a notebook: it has no cells")
    if len(cells) > CELLS:
        raise Unreadable(f"{len(cells)} cells: at most {CELLS} are read")
    about = _dict(_dict(notebook.get("metadata")).get("downhill"))
    language = about.get("language") if about.get("language") in ("en", "zh", "both") else "both"
    found = [cell for cell in map(plain_cell, cells) if cell is not None]
    return Submission(file.student, file.name, found, str(language), str(about.get("assignment", ""))[:100], notes)


def plain_cell(cell: Any) -> dict | None:
    """A cell as the marking reads it, whatever else it holds; None if it is no cell."""
    if not isinstance(cell, dict):
        return None
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str) or len(source) > CELL:
        return None
    metadata = _dict(cell.get("metadata"))
    told = _dict(metadata.get("nbgrader"))
    tags = metadata.get("tags")
    return {
        "kind": str(cell.get("cell_type", "")),
        "source": source.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff"),
        "id": str(cell.get("id", "")),
        "grade_id": str(told.get("grade_id", "")),
        "tags": [str(tag) for tag in tags[:50]] if isinstance(tags, list) else [],
    }


def _dict(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _text(raw: bytes, notes: list[str]) -> str:
    if len(raw) > LARGEST:
        raise Unreadable(f"the file is larger than {LARGEST // 1_000_000} MB: ask for it with its outputs cleared")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        notes.append("saved as UTF-16")
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        notes.append("not saved as UTF-8: some characters may be wrong")
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError:
            return raw.decode("utf-8", errors="replace")


# --- finding files ----------------------------------------------------------------------------------


def find(place: Path, assignment: str) -> tuple[list[File], list[tuple[str, str]]]:
    """Every notebook in a folder or an archive, one for each student, and what cannot be graded with the reason."""
    if not place.exists():
        raise Unreadable(f"{place} does not exist. Give the folder of the notebooks, or the zip that the LMS made.")
    bad: list[tuple[str, str]] = []
    found = list(_archive(place, bad) if place.is_file() else _folder(place, bad))
    best: dict[str, File] = {}
    for file in sorted(found, key=lambda file: (file.name.count("/"), file.name)):
        other = best.get(file.student)
        if other is None or _rank(file, assignment) > _rank(other, assignment):
            best[file.student] = file
    files = sorted(best.values(), key=lambda file: file.student)
    return files, [(name, why) for name, why in bad if not any(file.name == name for file in files)]


def _rank(file: File, assignment: str) -> tuple[bool, float]:
    """Of several notebooks of one student the one with the assignment's name counts, then the newest."""
    return assignment in PurePosixPath(file.name).stem, file.when


def _folder(place: Path, bad: list) -> Iterator[File]:
    for folder, names, files in os.walk(place, followlinks=False):
        names[:] = sorted(name for name in names if not name.startswith((".", "__")))
        for name in sorted(files):
            path = Path(folder) / name
            inside = path.relative_to(place).as_posix()
            if name.startswith("."):
                continue
            told = path.lstat()
            if stat.S_ISLNK(told.st_mode):
                bad.append((inside, "a link, which is not followed: hand in the file itself"))
            elif not stat.S_ISREG(told.st_mode):
                bad.append((inside, "not a file"))
            elif name.lower().endswith(".zip"):
                yield from _archive(path, bad, inside)
            elif _wanted(inside, told.st_size, bad):
                yield _file(inside, told.st_mtime, OnDisk(path))


@dataclass(frozen=True)
class OnDisk:
    """Reads a file in a folder, which no link may have replaced since it was found."""

    path: Path

    def __call__(self) -> bytes:
        descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(LARGEST + 1)


@dataclass(frozen=True)
class InArchive:
    """Reads one member of an archive, never more of it than its limit, whatever size it claims."""

    path: Path
    number: int

    def __call__(self) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(archive.infolist()[self.number]) as stream:
                return stream.read(LARGEST + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError, EOFError) as error:
            raise Unreadable(f"damaged inside the archive ({type(error).__name__}): ask for the file again") from None


def _archive(path: Path, bad: list, within: str = "") -> Iterator[File]:
    label = within or path.name
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError):
        bad.append((label, "not a zip archive, or a damaged one"))
        return
    with archive:
        members = archive.infolist()
    if len(members) > MOST:
        bad.append((label, f"an archive of {len(members)} files: at most {MOST} are read"))
        return
    root = f"{within.removesuffix('.zip')}/" if within else ""
    for number, member in enumerate(members):
        parts = PurePosixPath(member.filename.replace("\\", "/")).parts
        if member.is_dir() or any(part.startswith((".", "__")) and part != ".." for part in parts):
            continue
        if ".." in parts or member.filename.startswith(("/", "\\")) or re.match(r"^[A-Za-z]:", member.filename):
            bad.append((f"{label}: {member.filename}", "a name that leads out of the archive"))
        elif stat.S_ISLNK(member.external_attr >> 16):
            bad.append((f"{label}: {member.filename}", "a link, which is not followed: hand in the file itself"))
        elif member.flag_bits & 1:
            bad.append((f"{label}: {member.filename}", "encrypted"))
        elif _wanted(root + "/".join(parts), member.file_size, bad):
            yield _file(root + "/".join(parts), _time(member), InArchive(path, number))


def _time(member: zipfile.ZipInfo) -> float:
    import datetime

    try:
        return datetime.datetime(*member.date_time).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _wanted(name: str, size: int, bad: list) -> bool:
    if not name.lower().endswith(".ipynb"):
        if name.lower().endswith((".py", ".pdf", ".html", ".docx", ".rar", ".7z", ".json", ".txt.ipynb_")):
            bad.append((name, "not a notebook: ask for the .ipynb file"))
        return False
    if size > LARGEST:
        bad.append((name, f"larger than {LARGEST // 1_000_000} MB: ask for it with its outputs cleared"))
        return False
    return True


def _file(name: str, when: float, load: Any) -> File:
    student, identity = who(name)
    return File(student, name, when, load, identity)


def who(name: str) -> tuple[str, str]:
    """The student and, where the LMS tells, their number, from the place of a file.

    >>> who("alice/03-momentum/03-momentum.ipynb"), who("bob.ipynb")
    (('alice', ''), ('bob', ''))
    >>> who("wangwei_4711_99_03-momentum.ipynb")
    ('wangwei', '4711')
    >>> who("Wang Wei_4711_assignsubmission_file_/a.ipynb")
    ('Wang Wei', '4711')
    """
    parts = PurePosixPath(name).parts
    first = parts[0] if len(parts) > 1 else PurePosixPath(name).stem
    for part in parts:
        moodle = MOODLE.match(part)
        if moodle:
            return clean(moodle["name"]), moodle["id"]
    canvas = CANVAS.match(parts[-1])
    if canvas:
        return clean(canvas["name"]), canvas["id"]
    if first in ("submissions", "submitted") and len(parts) > 2:
        first = parts[1]
    return clean(first), ""


def clean(name: str) -> str:
    """A name that is safe in a file name and on a screen: no control characters, no separators, no endless length."""
    text = unicodedata.normalize("NFC", name)
    text = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in text).strip(" .")
    if len(text) > 80:
        text = f"{text[:70]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return text or "unnamed"


def squeezed(source: str) -> str:
    """A cell without its blanks, to tell an untouched stub."""
    return re.sub(r"\s+", " ", source).strip()
