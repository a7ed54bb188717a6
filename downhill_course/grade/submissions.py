"""Submissions as they come: a folder of notebooks, one folder a student, or a zip from Canvas, Moodle or nbgrader.

Everything here treats files as data from strangers: sizes are limited, links are not followed, names cannot leave their
place, and a notebook is read without any of its code being run, whatever its encoding, format version or line ends.
Nothing is left out in silence: each file is graded, or there is a line that says why not.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from dataclasses import replace as with_changes
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePosixPath
from typing import Any

LARGEST = 20_000_000  # bytes of one notebook, or of a student's archive
MOST = 200_000  # members of a class's archive
MANY = 2_000  # files of one student
ARCHIVES = 20  # of one student
CLASS = 3  # of the LMS's numbers below one name are a class's export, not a student's work
CROWD = 8  # notebooks are more than one student hands in
LOUD = 5  # lines of one student that need attention
DIRECTORY = 1_000_000  # bytes of the table of contents of a student's archive
NESTED = 3  # archives within archives
DEEPEST = 20  # folders within folders
CELLS = 5_000
CELL = 400_000  # characters of one cell
#: Stands in the place of a code cell that is too long to be read.
TOO_LONG = f"# not read: longer than {CELL:,} characters"
ENDING = re.compile(r"(\.(ipynb|py|tar)(\.\w+)?|\.\w+)$", re.I)
PACKED = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
LITTER = {
    "__MACOSX",
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    ".ipynb_checkpoints",
    "__pycache__",
    ".git",
    ".gitignore",
}
CANVAS = re.compile(r"^(?P<name>.+?)_(?:(?P<late>(?i:LATE))_)?(?P<id>\d+)_(?P<upload>\d+(?=_)|text(?=\.)|link(?=\.))")
MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)(?:_|$)")
BROKEN = re.compile("[\x00\ud800-\udfff]")  # halves of a character, which no file in UTF-8 can hold


@dataclass(frozen=True)
class Kind:
    """What is handed in: its name in words, its ending, and how its files' names end, with what browsers append."""

    name: str
    ending: str
    pattern: re.Pattern
    smaller: str  #: what to ask for where it is too large


NOTEBOOK = Kind("notebook", ".ipynb", re.compile(r"\.ipynb(\.(txt|json|download))?$", re.I), "with its outputs cleared")
RULE = Kind("rule", ".py", re.compile(r"\.py(\.(txt|download))?$", re.I), "without its data")


class Unreadable(Exception):
    """A file that cannot be graded: the message says why, in words an instructor can pass on."""


@dataclass(frozen=True)
class File:
    """A notebook that was handed in: by whom, what it is called, when, and how to read it.

    `when` is in seconds since 1970, None if nothing tells it; `clock` says what does (`archive`, `file`); `late` is the
    LMS's own word (None: it said nothing). Of several of one student's the last `upload` counts, then the last
    `edited`, which may be the student's own word.
    """

    student: str
    name: str
    when: float | None
    load: Any
    identity: str = ""
    clock: str = ""
    late: bool | None = None
    upload: int = 0
    edited: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Tells a student from all others: the LMS's number, or the name."""
        return key_of(self.student, self.identity)

    def read(self) -> bytes:
        return self.load()


@dataclass(frozen=True)
class Line:
    """A file that is not graded, why not, and whose it is; `urgent` if that may cost somebody a mark."""

    name: str
    why: str
    student: str = ""
    identity: str = ""
    urgent: bool = True


@dataclass
class Submission:
    """A notebook, read as data: its cells, its language, and what was odd about it."""

    student: str
    name: str
    cells: list[dict]
    language: str = "both"
    assignment: str = ""
    notes: list[str] = field(default_factory=list)
    key: str = ""

    def answers(self, task: Any, assignment: Any) -> list[str]:
        """The cells that answer a task, found by nbgrader's name, the cell's id, its tag, or the names it defines.

        Several with the same name are an accident, not a cheat: the last three that were changed, the last one last.
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
                return changed[-3:] or found[-1:]
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
        notes.append("saved in an old format (3) · 以旧格式（3）保存")
    if not isinstance(cells, list):
        raise Unreadable("not a notebook: it has no cells")
    if len(cells) > CELLS:
        raise Unreadable(f"{len(cells)} cells: at most {CELLS} are read")
    about = _dict(_dict(notebook.get("metadata")).get("downhill"))
    language = about.get("language") if about.get("language") in ("en", "zh", "both") else "both"
    found = [cell for cell in map(plain_cell, cells) if cell is not None]
    if any(cell["source"].startswith(TOO_LONG) for cell in found):
        notes.append(
            f"a cell is longer than {CELL:,} characters and was not read on · 有单元格超过 {CELL:,} 字符，未读完"
        )
    named = BROKEN.sub("\ufffd", str(about.get("assignment", "")))[:100]
    return Submission(file.student, file.name, found, str(language), named, [*file.notes, *notes], file.key)


def plain_cell(cell: Any) -> dict | None:
    """A cell as the marking reads it, whatever else it holds; None if it is no cell."""
    if not isinstance(cell, dict):
        return None
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str):
        return None
    source = BROKEN.sub("\ufffd", source)
    if len(source) > CELL:
        source = TOO_LONG if cell.get("cell_type") == "code" else f"{TOO_LONG}\n\n{source[:CELL]}"
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
        notes.append("saved as UTF-16 · 以 UTF-16 编码保存")
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        notes.append("not saved as UTF-8: some characters may be wrong · 未以 UTF-8 编码保存，个别字符可能有误")
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError:
            return raw.decode("utf-8", errors="replace")


# --- finding files ----------------------------------------------------------------------------------


def find(
    place: Path, assignment: str, zone: tzinfo = UTC, ours: Iterable[Path] = (), kind: Kind = NOTEBOOK
) -> tuple[list[File], list[Line]]:
    """The file of each student in a folder or an archive, and a line for everything else that lies there.

    Who handed in what is decided once, by the outermost name, and by the LMS's number where that name holds one: what
    a student calls the files within a folder or an archive of their own changes nothing. `zone` is that of the times
    in an archive, which know none; `ours` are files given to the same command, which are nobody's work.

    Raises:
        Unreadable: there is nothing at `place`.
    """
    if not place.exists():
        raise Unreadable(
            f"{shown(str(place))} does not exist. Give the folder of {kind.name}s, or the zip the LMS made."
        )
    seek = Search(assignment, zone, {path.resolve() for path in ours}, kind)
    if place.is_dir():
        try:
            seek.folder(place.resolve())
        except OSError as error:
            raise Unreadable(f"{shown(str(place))} cannot be read: {error.strerror}") from None
    elif kind.pattern.search(decoded(place.name)):
        seek.entry(place, decoded(place.name))
    else:
        seek.export(place)
    return seek.settled()


@dataclass
class Pile:
    """All that lies under one outermost name, so what one student handed in."""

    name: str
    student: str
    identity: str = ""
    late: bool | None = None
    upload: int = 0
    files: list[File] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    count: int = 0
    archives: int = 0

    @property
    def key(self) -> str:
        return key_of(self.student, self.identity)

    def say(self, name: str, why: str) -> None:
        self.lines.append(Line(shown(name), why, self.student, self.identity))


class Search:
    """A walk through a folder or an archive that leaves nothing out."""

    def __init__(self, assignment: str, zone: tzinfo, ours: set[Path], kind: Kind) -> None:
        self.assignment, self.zone, self.ours, self.kind = assignment, zone, ours, kind
        self.piles: dict[object, Pile] = {}  # by their place: two names may look the same
        self.lines: list[Line] = []

    # --- the outermost names ---

    def folder(self, place: Path, prefix: str = "") -> None:
        """Each entry is one student's, but for a folder that only wraps the others."""
        entries = sorted(path for path in place.iterdir() if not _litter(decoded(path.name)))
        for path in sorted(place.iterdir()):
            name = decoded(path.name)
            if path in self.ours:
                self._aside(prefix + name, "given to this command, no student's work")
            elif _litter(name):
                self._aside(prefix + name, "left by a program, no student's work")
            elif not prefix and path.is_dir() and not path.is_symlink() and self._wraps(name, place.name, entries):
                self.folder(path, f"{name}/")
            else:
                self.entry(path, prefix + name)

    def _wraps(self, name: str, around: str, entries: list) -> bool:
        alone = len(entries) == 1 and name == PurePosixPath(around).stem
        return alone or name in ("submissions", "submitted", self.assignment)

    def entry(self, path: Path, name: str) -> None:
        """One file or folder, whose own name says whose it is."""
        self._walk(path, name, self._pile(str(path), name.rsplit("/", 1)[-1], path.is_dir()), 0)

    def _pile(self, place: object, outermost: str, folder: bool) -> Pile:
        student, identity, late, upload = owner(outermost, folder)
        return self.piles.setdefault(place, Pile(outermost, student, identity, late, upload))

    def _aside(self, name: str, why: str) -> None:
        self.lines.append(Line(shown(name), why, urgent=False))

    def _hidden(self, name: str) -> str:
        asked = f"hidden, so not looked into: ask for the {self.kind.ending} file"
        return asked if name.startswith((".", "__")) else ""

    # --- what lies below them ---

    def _walk(self, path: Path, name: str, pile: Pile, depth: int) -> None:
        if not self._room(pile, name):
            return
        try:
            told = path.lstat()
            below = list(path.iterdir()) if stat.S_ISDIR(told.st_mode) else []
        except OSError as error:
            return pile.say(name, f"cannot be read: {error.strerror}")
        if stat.S_ISLNK(told.st_mode):
            pile.say(name, "a link, which is not followed: hand in the file itself")
        elif stat.S_ISDIR(told.st_mode):
            if hidden := self._hidden(path.name):
                return pile.say(name, hidden)
            if not below:
                pile.say(name, "an empty folder")
            if depth > DEEPEST:
                return pile.say(name, f"more than {DEEPEST} folders deep: not looked into")
            for inner in sorted(below, key=lambda path: (path.is_dir(), path.name)):  # before a folder of thousands
                self._walk(inner, f"{name}/{decoded(inner.name)}", pile, depth + 1)
        elif stat.S_ISREG(told.st_mode):
            self._judge(name, told.st_size, OnDisk(path), (told.st_mtime, "file", told.st_mtime), pile, 0)
        else:
            pile.say(name, "not a file")

    def _judge(self, name: str, size: int, load: Any, when: tuple, pile: Pile, level: int) -> None:
        """A file of a pile: one of the kind, an archive to look into, or a line that says why it is not graded."""
        last = name.rsplit("/", 1)[-1]
        lower = last.lower()
        if hidden := self._hidden(last):
            pile.say(name, hidden)
        elif size > LARGEST:
            pile.say(name, f"larger than {LARGEST // 1_000_000} MB: ask for it {self.kind.smaller}")
        elif self.kind.pattern.search(last):
            moment, clock, edited = when
            about = (pile.identity, clock, pile.late, pile.upload, edited)
            pile.files.append(File(pile.student, shown(name), moment, load, *about))
        elif lower.endswith(".zip"):
            self._within(name, load, when, pile, level)
        elif lower.endswith(PACKED):
            pile.say(name, f"an archive that is not opened: ask for a zip, or for the {self.kind.ending} file itself")
        else:
            pile.say(name, f"not a {self.kind.name}: ask for the {self.kind.ending} file")

    def _within(self, name: str, load: Any, when: tuple, pile: Pile, level: int) -> None:
        """A student's own archive: its files are theirs, and came when it came, whatever its members say."""
        if level >= NESTED:
            return pile.say(name, f"an archive in archives, {level} deep: ask for the {self.kind.ending} file itself")
        pile.archives += 1
        if pile.archives > ARCHIVES:
            return pile.say(name, f"the student's archive number {pile.archives}: no more than {ARCHIVES} are opened")
        try:
            raw = load()
            if _directory(raw) > DIRECTORY:
                return pile.say(name, f"an archive of too many files: ask for the {self.kind.ending} file itself")
            members = _members(io.BytesIO(raw))
        except Exception as error:  # a stranger's bytes: zipfile raises whatever it stumbles over
            why = str(error) if isinstance(error, Unreadable) else "not a zip archive, or a damaged one"
            return pile.say(name, why)
        found = False
        for number, member, inside in sorted(members, key=lambda told: told[2].count("/")):
            if member.is_dir() or _litter(inside.split("/")[0]):
                continue
            if not self._room(pile, name):
                return
            found = True
            own = (*when[:2], _time(member, self.zone) or 0.0)
            self._member(name, member, inside, Member(load, number), own, pile, level + 1)
        if not found:
            pile.say(name, "an empty archive")

    def _member(self, label: str, member: Any, inside: str, load: Any, when: tuple, pile: Pile, level: int) -> None:
        if trap := _trap(member, inside):
            pile.say(f"{label}: {inside}", trap)
        elif hidden := next(filter(None, map(self._hidden, inside.split("/"))), ""):
            pile.say(f"{label}/{inside}" if level else inside, hidden)
        else:
            self._judge(f"{label}/{inside}" if level else inside, member.file_size, load, when, pile, level)

    def _room(self, pile: Pile, name: str) -> bool:
        pile.count += 1
        if pile.count == MANY:
            pile.say(name, f"more than {MANY} files from one student: from here on they are not looked at")
        return pile.count < MANY

    def export(self, path: Path) -> None:
        """The archive that an LMS, or the instructor, made of a class: its outermost names are the students'."""
        label = decoded(path.name)
        try:
            members = _members(path)
        except Exception:
            self.lines.append(Line(shown(label), "not a zip archive, or a damaged one"))
            return
        if len(members) > MOST:
            self.lines.append(Line(shown(label), f"an archive of {len(members)} files: at most {MOST} are read"))
            return
        outer = {inside.split("/")[0] for _, _, inside in members if inside} - {"__MACOSX"}
        entries = sorted(name for name in outer if not _litter(name))
        for number, member, inside in members:
            first, _, rest = inside.partition("/")
            if rest and self._wraps(first, label, entries):
                first, _, rest = rest.partition("/")
            if trap := _trap(member, inside):
                self.lines.append(Line(shown(f"{label}: {inside}"), trap))
            elif not first or _litter(first):
                self._aside(inside, "left by a program, no student's work")
            else:
                folder = bool(rest) or member.is_dir()
                pile = self._pile((first, member.flag_bits & 0x800, folder or number), first, folder)
                if not member.is_dir() and self._room(pile, inside):
                    moment = _time(member, self.zone)
                    when = (moment, "archive", moment or 0.0)
                    self._member(label, member, inside, Member(path, number), when, pile, 0)
        for pile in self.piles.values():
            if not pile.files and not pile.lines:
                pile.say(pile.name, "an empty folder")

    # --- who is who ---

    def settled(self) -> tuple[list[File], list[Line]]:
        """One file for each student, where it is certain whose it is."""
        files, lines = [], self.lines
        groups: dict[str, list[Pile]] = {}
        for pile in self.piles.values():
            groups.setdefault(pile.key, []).append(pile)
        for piles in groups.values():
            own = [line for pile in piles for line in pile.lines]
            mine = [file for pile in piles for file in pile.files]
            doubt = _doubt(piles)
            if doubt or mine:
                own = [with_changes(line, urgent=False) for line in own]
            if doubt:
                own += [Line(f.name, doubt, f.student, f.identity, n < LOUD) for n, f in enumerate(mine)]
            elif mine:
                best = max(mine, key=self._rank)
                rest = [file for file in mine if file is not best]
                more = f"of {len(mine)} {self.kind.name}s {best.name} counts · 共 {len(mine)} 份，以 {best.name} 为准"
                files.append(with_changes(best, notes=(more,) if rest else ()))
                why = f"another {self.kind.name} of the same student counts: {best.name}"
                own += [Line(file.name, why, file.student, file.identity, urgent=False) for file in rest]
                if crowd := _crowd(max(piles, key=lambda pile: len(pile.files)), len(self.piles) == 1, self.kind):
                    own.append(Line(best.student, crowd, best.student, best.identity))
            else:
                own = [with_changes(line, urgent=number < LOUD) for number, line in enumerate(own)]
            lines += own
        return sorted(files, key=lambda file: (file.student, file.identity)), lines

    def _rank(self, file: File) -> tuple:
        """Of several files of one student the one with the assignment's name counts, then the outermost newest."""
        last = PurePosixPath(file.name).name
        return (
            f"{self.assignment}-solution" not in last,  # ours, which lies beside the student's own
            self.assignment in last,
            last.lower().endswith(self.kind.ending),
            file.upload,
            -file.name.count("/"),
            file.edited,
            file.name,
        )


def _doubt(piles: list[Pile]) -> str:
    """Why it is not certain whose work these piles are; empty if it is."""
    full = [pile for pile in piles if pile.files]
    names = sorted({folded(pile.student) for pile in full})
    uploads = [pile.upload for pile in full if pile.upload]
    if piles[0].identity and (len(names) > 1 or len(uploads) > len(set(uploads))):
        return f"the number {piles[0].identity} stands at several names ({', '.join(names)}): find out whose it is"
    if not piles[0].identity and len(full) > 1:
        return f"several submissions have the name {piles[0].student!r} and no number: find out who is who, rename one"
    below = [owner(part, not last)[1] for pile in full for file in pile.files for part, last in _parts(file.name)]
    count = sum(len(pile.files) for pile in full)
    if len(set(below) - {""}) >= CLASS and len(below) - below.count("") >= count:
        return "a class's export lies below this one name: give that folder or archive itself to the command"
    return ""


def _crowd(pile: Pile, alone: bool, kind: Kind) -> str:
    """Why one student's files may be a whole class's; empty if they look like one student's."""
    if "/" not in pile.files[0].name or len(pile.files) <= (1 if alone and not pile.identity else CROWD):
        return ""
    return (
        f"its {len(pile.files)} {kind.name}s count as one student's, as they lie below this one name: "
        f"if it is a class, give {shown(pile.name)} itself to the command"
    )


def _parts(name: str) -> list[tuple[str, bool]]:
    """The names below the outermost one, and whether each is the last."""
    parts = name.split("/")[1:]
    return [(part, number == len(parts)) for number, part in enumerate(parts, 1)]


@dataclass(frozen=True)
class OnDisk:
    """Reads a file of a folder, which no link may have replaced since it was found."""

    path: Path

    def __call__(self) -> bytes:
        descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(LARGEST + 1)


@dataclass(frozen=True)
class Member:
    """Reads one member of an archive, never more of it than its limit, whatever size it claims."""

    archive: Any  # the path of a class's archive, or what reads a student's
    number: int

    def __call__(self) -> bytes:
        inner = self.archive if isinstance(self.archive, Path) else io.BytesIO(self.archive())
        try:
            with zipfile.ZipFile(inner) as archive, archive.open(archive.infolist()[self.number]) as stream:
                return stream.read(LARGEST + 1)
        except Exception as error:  # a stranger's bytes: zipfile raises whatever it stumbles over
            raise Unreadable(f"damaged inside the archive ({type(error).__name__}): ask for the file again") from None


def _members(source: Any) -> list[tuple[int, zipfile.ZipInfo, str]]:
    """The members of an archive with their numbers and their names, as whoever packed it wrote them."""
    with zipfile.ZipFile(source) as archive:
        return [(number, member, _inside(member)) for number, member in enumerate(archive.infolist())]


def _inside(member: zipfile.ZipInfo) -> str:
    """A member's name. Without the mark for UTF-8 it is in the packer's encoding, in China GBK; zipfile reads cp437."""
    name = member.filename
    if not member.flag_bits & 0x800:
        name = _first_that_fits(name.encode("cp437", errors="replace"), name)
    return name.replace("\\", "/").rstrip("/")


def _directory(raw: bytes) -> int:
    """How long an archive says that its table of contents is: it is parsed whole, whatever it holds."""
    end = raw.rfind(b"PK\x05\x06", -66_000)
    return int.from_bytes(raw[end + 12 : end + 16], "little") if end >= 0 else 0


def _trap(member: zipfile.ZipInfo, inside: str) -> str:
    if ".." in inside.split("/") or inside.startswith("/") or re.match(r"^[A-Za-z]:", inside):
        return "a name that leads out of the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a link, which is not followed: hand in the file itself"
    return "encrypted" if member.flag_bits & 1 else ""


def _time(member: zipfile.ZipInfo, zone: tzinfo) -> float | None:
    """When a member was last changed; an archive tells no zone, and 1980 when it tells nothing."""
    try:
        return datetime(*member.date_time, tzinfo=zone).timestamp() if member.date_time[0] > 1980 else None
    except (ValueError, OverflowError):
        return None


def _litter(name: str) -> bool:
    return name in LITTER or name.startswith("._")


# --- names ------------------------------------------------------------------------------------------


def owner(outermost: str, folder: bool = True) -> tuple[str, str, bool | None, int]:
    """Who handed in what lies under this name: student, the LMS's number, late by the LMS's word, number of the upload.

    >>> owner("alice"), owner("bob.ipynb", folder=False)
    (('alice', '', None, 0), ('bob', '', None, 0))
    >>> owner("wangwei_LATE_4711_99_03-momentum.ipynb", folder=False)
    ('wangwei', '4711', True, 99)
    >>> owner("Wang Wei_4711_assignsubmission_file_")
    ('Wang Wei', '4711', None, 0)
    """
    if moodle := MOODLE.match(outermost):
        return clean(moodle["name"]), moodle["id"], None, 0
    if not folder:
        if canvas := CANVAS.match(outermost):
            upload = int(canvas["upload"]) if canvas["upload"].isdigit() else 0
            return clean(canvas["name"]), canvas["id"], bool(canvas["late"]), upload
        outermost = ENDING.sub("", outermost) or outermost
    return clean(outermost), "", None, 0


def decoded(name: str) -> str:
    """A file's name as it was meant: its bytes as UTF-8, else as GBK, whatever this machine's locale."""
    try:
        return _first_that_fits(os.fsencode(name), name)
    except UnicodeEncodeError:
        return name


def _first_that_fits(raw: bytes, otherwise: str) -> str:
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return otherwise


def shown(name: str) -> str:
    r"""A name for a screen and for a list with one line each: what is no visible character is spelled out.

    >>> shown("a\nb.ipynb: full marks"), shown("\x1b[2J\udccd王.ipynb")
    ('a\\nb.ipynb: full marks', '\\x1b[2J\\udccd王.ipynb')
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def clean(name: str) -> str:
    """A name that is safe in a file name and on a screen: no control characters, no separators, no endless length.

    >>> clean("a/b"), clean("王伟"), clean("CON"), len(clean("😀" * 60).encode()) < 130
    ('a_b', '王伟', '_CON', True)
    """
    text = unicodedata.normalize("NFC", name)
    text = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in text).strip(" .")
    if len(text.encode()) > 120:  # bytes: a file system counts them, and endings are still to come
        start = text.encode()[:100].decode(errors="ignore")
        text = f"{start}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", text):
        text = f"_{text}"  # Windows keeps these for devices
    return text or "unnamed"


def folded(name: str) -> str:
    """A name as it is compared: two that a careless reader, or a disk, would take for one are one.

    >>> folded("Wang  Wei") == folded("wang wei")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def key_of(student: str, identity: str) -> str:
    """Tells a student from all others: the LMS's number, or the name."""
    return f"#{identity}" if identity else folded(student).replace("#", "_")  # a name that looks like a number is none


def squeezed(source: str) -> str:
    """A cell without its blanks, to tell an untouched stub."""
    return re.sub(r"\s+", " ", source).strip()
