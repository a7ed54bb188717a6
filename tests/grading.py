"""What the tests of exercises and grader share: a sandbox that works as root too, and submissions made on the spot."""

import os
import time
from functools import cache

import psutil
import pytest

from downhill_course.grade.sandbox import Limits, Sandbox, Unavailable
from downhill_course.grade.source import Assignment
from downhill_course.grade.submissions import Submission

#: Root must become someone: CI's tests run as root.
USER = "nobody" if os.name == "posix" and os.getuid() == 0 else None


@cache
def sandbox(call: float = 10.0) -> Sandbox:
    """A working sandbox; skips with the reason where there is none, but not in CI, which installs it."""
    found = Sandbox(user=USER, limits=Limits(call=call, total=4 * call))
    try:
        found.test()
    except Unavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    return found


def family() -> set[int]:
    """The processes that this one has started, and theirs."""
    return {p.pid for p in psutil.Process().children(recursive=True)}


def left_since(before: set[int]) -> set[int]:
    """Those of the family that are new and do not end within two seconds."""
    for _ in range(20):
        left = {pid for pid in family() - before if psutil.pid_exists(pid)}
        if not left:
            break
        time.sleep(0.1)
    return left


@cache
def assignment(name: str) -> Assignment:
    return Assignment.open(name)


def cell(source: str, name: str = "", kind: str = "code") -> dict:
    return {"kind": kind, "source": source, "id": "", "grade_id": name, "tags": []}


def submission(*cells: dict, student: str = "ada") -> Submission:
    return Submission(student, f"{student}.ipynb", list(cells))
