"""The student's side of the wall: runs cells and answers calls, inside the sandbox. Nothing here is trusted by anyone.

It is started with `plain` and `frames` beside it and NumPy on the path, and sees no other file of the course. It
holds no input before a call brings it, no reference and no mark: a student who takes it over can only answer
differently.
"""

from __future__ import annotations

import builtins
import os
import sys
import types
from collections.abc import Callable
from typing import Any


def limit(memory: int, seconds: int, files: int, processes: int) -> None:
    """Hard limits, set before any of the student's code runs; what a system does not know is left out."""
    import resource

    wanted = {
        "RLIMIT_AS": memory,
        "RLIMIT_CPU": seconds,
        "RLIMIT_FSIZE": files,
        "RLIMIT_NPROC": processes,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        if hasattr(resource, name) and value >= 0:
            resource.setrlimit(getattr(resource, name), (value, value))


class Channel:
    """The two pipes to the grader, moved away from where `print` and `input` would find them."""

    def __init__(self, frames: Any) -> None:
        self.frames = frames
        self.source, self.sink = os.dup(0), os.dup(1)
        quiet = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(quiet, fd)

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count:
            part = os.read(self.source, min(count, 1 << 20))
            if not part:
                os._exit(0)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def receive(self) -> dict:
        return self.frames.unpack(self._exactly(self.frames.length(self._exactly(4))))

    def send(self, message: object) -> None:
        data = memoryview(self.frames.pack(message))
        while data:
            data = data[os.write(self.sink, data) :]


class Nothing:
    """What a plotting library gives while a notebook is graded: accepts everything, draws nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self

    def __iter__(self) -> Any:
        return iter((self, self))

    def __getitem__(self, key: Any) -> Any:
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        return None


class Absent(types.ModuleType):
    """`optlib` while a notebook is graded: the check is there, and does nothing; what was asked for is not."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "Checks":
            return lambda *args, **kwargs: Nothing()
        raise ImportError(f"optlib.{name} is not there while an exercise is graded: write it yourself")


def stand_ins() -> None:
    """Modules that a notebook may import for pictures and checks, and that do nothing here."""
    for name in ("matplotlib", "matplotlib.pyplot", "ipywidgets", "IPython", "IPython.display"):
        module = types.ModuleType(name)
        module.__getattr__ = lambda attribute: Nothing()  # type: ignore[method-assign]
        module.__path__ = []
        sys.modules[name] = module
    for name in ("optlib", "optlib.checks", "downhill_course", "downhill_course.grade", "downhill_course.grade.checks"):
        module = Absent(name)
        module.__path__ = []
        sys.modules[name] = module


def without_magics(source: str) -> str:
    """The cell as Python: lines for IPython (`%`, `!`, `?`) are left out if the cell does not parse with them."""
    try:
        compile(source, "cell", "exec", dont_inherit=True)
        return source
    except (SyntaxError, ValueError):
        lines = source.splitlines()
        first = next((line.strip() for line in lines if line.strip()), "")
        if first.startswith("%%") and first.split()[0] not in ("%%time", "%%timeit", "%%capture"):
            return ""
        return "\n".join(
            "" if line.lstrip().startswith(("%", "!", "?")) or line.rstrip().endswith("?") else line for line in lines
        )


class Desk:
    """The student's names, and the objects that were handed out in place of plain values."""

    def __init__(self, channel: Channel, plain: Any) -> None:
        self.channel, self.plain = channel, plain
        self.names: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}
        self.handles: list[Any] = []

    def keep(self, thing: Any) -> dict:
        """A number for something that cannot cross, so that the grader can call it later."""
        if len(self.handles) >= 1000:
            raise self.plain.NotPlain("more than a thousand objects were handed out")
        self.handles.append(thing)
        return {"handle": len(self.handles) - 1}

    def read(self, value: Any) -> Any:
        """A value from the grader; an oracle becomes a function that asks the grader."""
        return self.plain.decode(value, self.special)

    def special(self, value: dict) -> Any:
        return self.oracle(value["oracle"]) if "oracle" in value else self.handles[value["handle"]]

    def oracle(self, number: int) -> Callable:
        def ask(*args: Any, **kwargs: Any) -> Any:
            send = self.plain.encode
            self.channel.send({"ask": number, "args": send(args), "kwargs": send(kwargs)})
            reply = self.channel.receive()
            if "error" in reply:
                raise ValueError(reply["error"])
            return self.read(reply["value"])

        return ask

    def run(self, request: dict) -> dict:
        exec(compile(without_magics(request["source"]), request.get("name", "cell"), "exec"), self.names)
        return {"value": None}

    def give(self, request: dict) -> dict:
        self.names.update({name: self.read(value) for name, value in request["names"].items()})
        return {"value": None}

    def call(self, request: dict) -> dict:
        target = self.names[request["name"]] if "name" in request else self.handles[request["handle"]]
        if "method" in request:
            target = getattr(target, request["method"])
        result = target(*self.read(request["args"]), **self.read(request["kwargs"]))
        return {"value": self.plain.encode(result, self.keep)}

    def get(self, request: dict) -> dict:
        target = self.names[request["name"]] if "name" in request else self.handles[request["handle"]]
        if "attribute" in request:
            target = getattr(target, request["attribute"])
        return {"value": self.plain.encode(target, self.keep)}

    def take(self, request: dict) -> dict:
        source = self.handles[request["handle"]]
        return {"value": [self.plain.encode(next(source), self.keep) for _ in range(request["count"])]}


def trouble(error: BaseException, request: dict) -> dict:
    """What went wrong, as text: the kind, and the missing name if that is what it was."""
    kind = type(error).__name__
    lost = isinstance(error, (NameError, ImportError)) or (
        isinstance(error, KeyError) and error.args == (request.get("name"),)
    )
    return {"error": str(kind)[:100], "lost": lost}


def serve(channel: Channel, plain: Any) -> None:
    """Answer requests until the grader hangs up."""
    desk = Desk(channel, plain)
    stand_ins()
    while True:
        request = channel.receive()
        try:
            reply = getattr(desk, request["op"])(request)
        except BaseException as error:  # an answer may raise anything, SystemExit and KeyboardInterrupt included
            reply = trouble(error, request)
        channel.send(reply)


def main() -> None:
    """Limits first, then the channel; NumPy is loaded before the limits on time begin to count for the student."""
    import frames  # type: ignore[import-not-found]
    import plain  # type: ignore[import-not-found]

    limit(*(int(number) for number in sys.argv[1:5]))
    sys.modules["worker"] = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv[:] = [""]
    serve(Channel(frames), plain)


if __name__ == "__main__":
    main()
