"""Deadlines, late penalties and resubmissions, from a small TOML file."""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

EXAMPLE = """\
deadline = 2026-12-01T23:59:00+08:00
grace_minutes = 10          # not late yet
penalty_per_day = 0.1       # of the points reached, for each day begun
largest_penalty = 0.5
keep = "best"               # of several runs on resubmitted work: "best" or "last"

[extensions]
"wangwei" = 2026-12-04T23:59:00+08:00
"""


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
    extensions: dict[str, datetime.datetime] = field(default_factory=dict)

    def penalty(self, student: str, when: float, points: float) -> float:
        """Points taken off for work handed in at `when` (seconds since 1970).

        >>> due = datetime.datetime(2026, 12, 1, tzinfo=datetime.timezone.utc)
        >>> policy = Policy(deadline=due, penalty_per_day=0.1)
        >>> policy.penalty("ada", due.timestamp() + 3600, 20.0), policy.penalty("ada", due.timestamp() - 1, 20.0)
        (2.0, 0.0)
        """
        due = self.extensions.get(student, self.deadline)
        if due is None:
            return 0.0
        late = when - due.timestamp() - 60 * self.grace_minutes
        if late <= 0:
            return 0.0
        days = int(late // 86_400) + 1
        return round(points * min(days * self.penalty_per_day, self.largest_penalty), 6)


def load(path: Path | None) -> Policy:
    """The policy in a file; `Wrong` with an example if it cannot be read or says something unknown."""
    if path is None:
        return Policy()
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Wrong(f"{path}: cannot be read as TOML ({error}). It should look like this:\n\n{EXAMPLE}") from None
    unknown = set(told) - set(Policy.__dataclass_fields__)
    if unknown:
        raise Wrong(f"{path}: {', '.join(sorted(unknown))} means nothing here. It should look like this:\n\n{EXAMPLE}")
    times = [*told.get("extensions", {}).values(), *([told["deadline"]] if "deadline" in told else [])]
    if not all(isinstance(time, datetime.datetime) and time.tzinfo for time in times):
        raise Wrong(f"{path}: a deadline needs a date, a time and a zone, as in 2026-12-01T23:59:00+08:00")
    for name in ("grace_minutes", "penalty_per_day", "largest_penalty"):
        value = told.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise Wrong(f"{path}: {name} is {value!r}; it should be a number, 0 or more")
    if told.get("keep", "last") not in ("best", "last"):
        raise Wrong(f'{path}: keep is {told["keep"]!r}; it is "best" or "last"')
    return Policy(**told)
