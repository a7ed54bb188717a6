"""What the tests of exercises and grader share: a sandbox that works as root too, and submissions made on the spot."""

import os
from functools import cache

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


@cache
def assignment(name: str) -> Assignment:
    return Assignment.open(name)


def cell(source: str, name: str = "", kind: str = "code") -> dict:
    return {"kind": kind, "source": source, "id": "", "grade_id": name, "tags": []}


def submission(*cells: dict, student: str = "ada") -> Submission:
    return Submission(student, f"{student}.ipynb", list(cells))
