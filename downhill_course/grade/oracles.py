"""Functions that an answer may call and must not see: computed on the grader's behalf, in a process with limits.

What an answer hands to them may be anything: arrays that broadcast to gigabytes, lists that take minutes to read. So
neither the reading nor the computing happens in the grader itself: a child does it, with little memory to spare and
until the answer's own deadline, and ends with the grader.
"""

from __future__ import annotations

import os
import select
import signal
import time
import warnings
from collections.abc import Callable
from typing import NoReturn

from downhill_course.grade import frames, plain
from downhill_course.grade.lifetime import end_with_parent

SPARE = 400_000_000  # bytes beyond what the grader has mapped already


class Late(Exception):
    """The deadline came before the value, or the child was ended by its limits."""


class Oracles:
    """The functions of one answer by number, and the child that computes them; a new one is made for new functions."""

    def __init__(self) -> None:
        self.functions: list[Callable] = []
        self._known = 0
        self._pid = 0
        self._to = self._from = -1

    def add(self, function: Callable) -> int:
        """The number under which an answer may ask for a function."""
        for number, known in enumerate(self.functions):
            if known is function:
                return number
        self.functions.append(function)
        return len(self.functions) - 1

    def ask(self, number: int, message: dict, end: float) -> dict:
        """The reply to an answer's question, `{"value": …}` or `{"error": …}`; the call is counted.

        Raises:
            Late: there is none before `end` (of `time.monotonic`).
        """
        function = self.functions[number]
        if hasattr(function, "calls"):
            function.calls += 1
        if not hasattr(os, "fork"):
            return _reply(self.functions, message)
        if self._known != len(self.functions):
            self.close()
            self._start()
        try:
            self._all(memoryview(frames.pack(message)), end)
            return frames.unpack(self._exactly(frames.length(self._exactly(4, end)), end))
        except (frames.Broken, OSError):
            self.close()
            raise Late from None
        except Late:
            self.close()
            raise

    def close(self) -> None:
        """End the child."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self._to)
            os.close(self._from)
        self._pid = self._known = 0

    def _start(self) -> None:
        theirs, self._to = os.pipe()
        self._from, ours = os.pipe()
        parent = os.getpid()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python 3.12 on: a fork beside threads. The child needs none of them
            self._pid = os.fork()
        if not self._pid:
            _serve(self.functions, theirs, ours, parent)
        os.close(theirs)
        os.close(ours)
        os.set_blocking(self._to, False)
        self._known = len(self.functions)

    def _all(self, data: memoryview, end: float) -> None:
        while data:
            self._wait([], [self._to], end)
            data = data[os.write(self._to, data[:65536]) :]

    def _exactly(self, count: int, end: float) -> bytes:
        parts = []
        while count:
            self._wait([self._from], [], end)
            part = os.read(self._from, min(count, 1 << 20))
            if not part:
                raise Late
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _wait(self, read: list[int], write: list[int], end: float) -> None:
        left = end - time.monotonic()
        if left <= 0 or not any(select.select(read, write, [], left)):
            raise Late


def _reply(functions: list[Callable], message: dict) -> dict:
    """A function's value, or how it was called wrongly: that is the student's to see."""
    import numpy as np

    try:
        args, kwargs = plain.decode(message.get("args")), plain.decode(message.get("kwargs"))
        function = functions[message["ask"]]
        with np.errstate(all="ignore"):
            reply = {"value": plain.encode(getattr(function, "function", function)(*args, **kwargs))}
        frames.pack(reply)
        return reply
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def _serve(functions: list[Callable], source: int, sink: int, parent: int) -> NoReturn:
    """The child: answers until the grader hangs up or is gone."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        end_with_parent(parent)
        os.dup2(source, 3)
        os.dup2(sink, 4)
        os.closerange(5, 4096)
        _bound()
        with os.fdopen(3, "rb") as given, os.fdopen(4, "wb") as told:
            while True:
                head = given.read(4)
                if len(head) < 4:
                    break
                message = frames.unpack(given.read(frames.length(head)))
                told.write(frames.pack(_reply(functions, message)))
                told.flush()
    finally:
        os._exit(0)


def _bound() -> None:
    """Little memory beyond what is mapped, and no file."""
    import resource

    import psutil

    mapped = psutil.Process().memory_info().vms
    for limit, value in ((resource.RLIMIT_AS, mapped + SPARE), (resource.RLIMIT_FSIZE, 0)):
        try:
            resource.setrlimit(limit, (value, value))
        except (ValueError, OSError):  # macOS knows no limit on addresses: the deadline holds there too
            continue
