"""Deadlines, late penalties and resubmissions, from a small TOML file; and when work was handed in.

The time comes from the most trusted source that tells it: a table of the LMS (`--times`, or Moodle's worksheet),
Canvas's own LATE in the names of its files, the date in the class's archive, the date of the file. Dates without a zone
are in that of the policy. Work that has not changed keeps the time it first came with.
"""

from __future__ import annotations

import datetime
import difflib
import math
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from downhill_course.grade.exports import readable
from downhill_course.grade.submissions import folded

EXAMPLE = """\
deadline = 2026-12-01T23:59:00+08:00
grace_minutes = 10          # not late yet
penalty_per_day = 0.1       # of the points reached, for each day begun: 0.1 is ten per cent
largest_penalty = 0.5
keep = "best"               # of work handed in again: "best" or "last"

[extensions]                # by name or by the LMS's number
"wangwei" = 2026-12-04T23:59:00+08:00
"""
#: From the most trusted: what a time was read from.
CLOCKS = ("LMS", "archive", "file", "")


class Wrong(Exception):
    """The file is not what it should be; the message shows one that is."""


@dataclass(frozen=True)
class Policy:
    """What lateness costs; the default costs nothing."""

    deadline: datetime.datetime | None = None
    grace_minutes: float = 0.0
    penalty_per_day: float = 0.0
    largest_penalty: float = 1.0
    keep: str = "last"
    zone: datetime.tzinfo = datetime.UTC
    extensions: dict[str, datetime.datetime] = field(default_factory=dict)

    def extension(self, *names: str) -> datetime.datetime | None:
        """The later date that one of a student's names has, if any."""
        own = {folded(name) for name in names if name}
        return next((until for name, until in self.extensions.items() if folded(name) in own), None)

    def due(self, *names: str) -> datetime.datetime | None:
        """When the work of a student is due; an extension never shortens, even if the deadline is moved behind it."""
        return max(filter(None, (self.deadline, self.extension(*names))), default=None)

    def penalty(
        self, student: str, when: float | None, points: float, identity: str = "", late: bool | None = None
    ) -> float:
        """Points taken off for work handed in at `when` (seconds since 1970; None is not known, and costs nothing).

        `late` is the LMS's own word, where it says no time: not late costs nothing, late costs one day. Of an extension
        the LMS knows nothing: then the time counts.

        >>> due = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
        >>> policy = Policy(deadline=due, penalty_per_day=0.1)
        >>> policy.penalty("ada", due.timestamp() + 3600, 20.0), policy.penalty("ada", due.timestamp() - 1, 20.0)
        (2.0, 0.0)
        """
        due = self.due(student, identity)
        if due is None:
            return 0.0
        if late is not None and not (late and self.extension(student, identity)):
            days = int(late)
        else:
            over = (when or 0.0) - due.timestamp() - 60 * self.grace_minutes
            days = max(0, math.ceil(over / 86_400))
        return round(max(0.0, points) * min(days * self.penalty_per_day, self.largest_penalty), 6)

    def strangers(self, known: Iterable[str]) -> list[tuple[str, str]]:
        """Extensions that help nobody: a name that is not `known`, or a date before the deadline."""
        names = {folded(name): name for name in known if name}
        told = []
        for name, until in self.extensions.items():
            near = difflib.get_close_matches(folded(name), names, 1)
            if folded(name) not in names:
                perhaps = f"; is {names[near[0]]!r} meant?" if near else ""
                told.append((name, f"has an extension, and nobody of this name handed in{perhaps}"))
            elif self.deadline and until < self.deadline:
                told.append((name, "has an extension that ends before the deadline: the deadline counts"))
        return told


def load(path: Path | None) -> Policy:
    """The policy in a file; `Wrong` with an example if it cannot be read or says something unknown."""
    if path is None:
        return Policy()
    try:
        told = tomllib.loads(readable(path.read_bytes()))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Wrong(f"{path}: cannot be read as TOML ({error}). It should look like this:\n\n{EXAMPLE}") from None
    unknown = set(told) - set(Policy.__dataclass_fields__)
    if unknown:
        raise Wrong(f"{path}: {', '.join(sorted(unknown))} means nothing here. It should look like this:\n\n{EXAMPLE}")
    extensions = told.get("extensions", {})
    if not isinstance(extensions, dict):
        raise Wrong(f"{path}: extensions is {extensions!r}; it is a table of names. It should look like:\n\n{EXAMPLE}")
    if len({folded(name) for name in extensions}) < len(extensions):
        raise Wrong(f"{path}: a name stands twice among the extensions; keep one date for each student")
    for name, time in [*extensions.items(), *([("deadline", told["deadline"])] if "deadline" in told else [])]:
        if not (isinstance(time, datetime.datetime) and time.tzinfo):
            raise Wrong(
                f"{path}: {name} is {str(time)!r}; it needs a date, a time and a zone, as in 2026-12-01T23:59:00+08:00"
            )
    for name, most in (("grace_minutes", math.inf), ("penalty_per_day", 1), ("largest_penalty", 1)):
        value = told.get(name, 0)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value <= most or math.isinf(value):
            share = "a share from 0 to 1 (ten per cent is 0.1)" if most == 1 else "a number, 0 or more"
            raise Wrong(f"{path}: {name} is {value!r}; it should be {share}")
    if told.get("keep", "last") not in ("best", "last"):
        raise Wrong(f'{path}: keep is {told["keep"]!r}; it is "best" or "last"')
    return Policy(**{**told, "zone": _zone(path, told)})


def _zone(path: Path, told: dict[str, Any]) -> datetime.tzinfo:
    """The zone that is named, else the deadline's own."""
    name = told.get("zone")
    if name is None:
        return told["deadline"].tzinfo if "deadline" in told else datetime.UTC
    try:
        return ZoneInfo(name)
    except Exception:  # a missing table of zones, a name that leads elsewhere, a number: all the same to the reader
        raise Wrong(f'{path}: zone is {name!r}; it is a name such as "Asia/Shanghai" or "Europe/Berlin"') from None


def moment(text: str, zone: datetime.tzinfo) -> float | None:
    """A date as an LMS writes it, in seconds since 1970; None if it is none.

    >>> zone = datetime.timezone(datetime.timedelta(hours=8))
    >>> times = ("2026-12-01 23:59", "Tuesday, 1 December 2026, 11:59 PM", "2026年12月1日 星期二 23:59", "1/12/26")
    >>> [moment(text, zone) for text in times]
    [1796140740.0, 1796140740.0, 1796140740.0, None]
    """
    text = text.strip()
    when = None
    chinese = re.search(r"(\d{4})年(\d+)月(\d+)日\D*?(上午|下午)?\s*(\d+):(\d+)", text)
    try:
        if chinese:
            year, month, day, half, hour, minute = chinese.groups()
            hours = int(hour) % 12 + 12 * (half == "下午") if half else int(hour)
            when = datetime.datetime(int(year), int(month), int(day), hours, int(minute))
        else:
            when = datetime.datetime.fromisoformat(text)
    except ValueError:
        for form in ("%A, %d %B %Y, %I:%M %p", "%A, %d %B %Y, %H:%M", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S"):
            try:
                when = datetime.datetime.strptime(text, form)
            except ValueError:
                continue
    if when is None:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=zone)).timestamp()
