"""What a student has handed in so far: each work with its marks and its time, kept between runs.

One small file a student in `marks/`. So an interrupted run goes on, the best of several counts however often the
command runs, and work that has not changed keeps the time it first came with.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

from downhill_course.files import replace
from downhill_course.grade.policy import CLOCKS, Policy
from downhill_course.grade.submissions import File, squeezed

NOTE = 20_000  # characters of an answer in words that are kept for who grades it


def version(key: str, task: str, text: str) -> str:
    """A short name of one student's one answer: points given by hand belong to it, and to no other."""
    return "v" + hashlib.sha256("\0".join([key, task, squeezed(text)]).encode()).hexdigest()[:10]


class Attempts:
    """All works of one student, the present one last."""

    def __init__(self, place: Path, file: File, kept: list[dict]) -> None:
        self.place, self.file, self.kept = place, file, kept
        self.present = False  # whether the last one is what lies there now, with marks
        self.before = json.dumps(kept)

    @classmethod
    def read(cls, out: Path, file: File) -> Attempts:
        """What earlier runs kept; nothing if there is nothing, or if it is damaged."""
        place = out / "marks" / f"{hashlib.sha256(file.key.encode()).hexdigest()[:20]}.json"
        try:
            kept = json.loads(place.read_text(encoding="utf-8"))["attempts"]
            sound = all({"stamp", "tasks", "of", "when", "clock", "late", "hand"} <= set(work) for work in kept)
        except (OSError, ValueError, KeyError, TypeError):
            sound = False
        return cls(place, file, kept if sound else [])

    @property
    def last(self) -> dict | None:
        """The present work, if it could be graded."""
        return self.kept[-1] if self.present else None

    def resume(self, stamp: str) -> bool:
        """Whether this very work has its marks already; it is then the present one."""
        same = [work for work in self.kept if work["stamp"] == stamp]
        if same:
            self.kept = [work for work in self.kept if work not in same] + same[-1:]
            self.present = True
        return self.present

    def add(self, result: dict) -> None:
        """A work that was just graded; graded anew it takes the place of what it was."""
        old = next((work for work in self.kept if work["stamp"] == result["stamp"]), {})
        for task in result["tasks"]:
            text = (task["note"] or [result["stamp"]])[0]
            task["version"] = version(self.file.key, task["name"], text)
            if task["note"] and len(text) > NOTE:
                task["note"] = [f"{text[:NOTE]}\n… ({len(text):,} characters: the rest is in {result['file']})"]
        self.kept = [work for work in self.kept if work is not old]
        about = {name: old.get(name) for name in ("when", "clock", "late")}
        self.kept.append({**result, **about, "hand": old.get("hand", {})})
        self.present = True

    def date(self, when: float | None, clock: str, late: bool | None) -> None:
        """When the present work came: of two times the more trusted, of two alike the first, or the LMS's last."""
        work = self.last
        if work is None:
            return
        if work["clock"] is not None:
            rank, before = CLOCKS.index(clock), CLOCKS.index(work["clock"])
            first = None not in (when, work["when"]) and work["when"] < when
            if before < rank or (before == rank and clock != "LMS" and (first or (work["late"] is False and late))):
                return
        work["when"], work["clock"], work["late"] = when, clock, late

    def write(self) -> None:
        """Keep it, if anything changed."""
        if (text := json.dumps(self.kept)) != self.before:
            replace(self.place, json.dumps({"student": self.file.student, "attempts": self.kept}, ensure_ascii=False))
            self.before = text

    def counted(self, policy: Policy, tasks: dict[str, float]) -> dict | None:
        """The result that counts under a policy, with points by hand, penalty and total; None if there is none.

        A work graded when the tasks or their points were others is no match for one graded now.
        """
        fits = [work for work in self.kept if {task["name"]: task["of"] for task in work["tasks"]} == tasks]
        if policy.keep == "last":
            fits = fits[-1:] if self.present else []
        counted = [self._counted(work, policy) for work in fits]
        best = max(reversed(counted), key=lambda result: result["final"], default=None)
        if best and self.present and best is not counted[-1]:
            best["notes"] = [
                *best["notes"],
                "work handed in before counts, as it has more points · 以此前提交的得分更高的作业为准",
            ]
            best["waiting"] = best["waiting"] or counted[-1]["waiting"]
        elif best and not self.present:
            best["notes"] = [
                *best["notes"],
                "work handed in before counts: the present file cannot be graded · 本次文件无法评分，以此前的作业为准",
            ]
        return best

    def _counted(self, work: dict, policy: Policy) -> dict:
        tasks = [_with(task, work["hand"].get(task["name"])) for task in work["tasks"]]
        points = round(sum(task["points"] or 0 for task in tasks), 6)
        student, identity, late = self.file.student, self.file.identity, work["late"]
        penalty = policy.penalty(student, work["when"], points, identity, late)
        notes = list(work["notes"])
        if penalty and late and not policy.extension(student, identity):
            notes.append(
                "late by the LMS's word, not how late: one day is taken off · 平台标记为迟交，未说明多久，按一天扣分"
            )
        known = work["when"] is not None and datetime.datetime.fromtimestamp(work["when"], policy.zone)
        handed = known.isoformat(" ", "minutes") if known else ""
        return {
            **{name: value for name, value in work.items() if name not in ("hand", "stamp", "when")},
            "student": student,
            "identity": identity,
            "tasks": tasks,
            "notes": notes,
            "points": points,
            "penalty": penalty,
            "final": round(max(0.0, points - penalty), 6),
            "handed_in": handed,
            "waiting": [task["name"] for task in tasks if task["points"] is None],
        }


def _with(task: dict, hand: Any) -> dict:
    """A task with what was given by hand."""
    points, comment = hand or (None, "")
    return {
        **task,
        "points": task["points"] if points is None else points,
        **({"comment": comment} if comment else {}),
    }
