"""The student's side of the wall: runs cells and answers calls, inside the sandbox. Nothing here is trusted by anyone.

It is started with `plain` and `frames` beside it and NumPy on the path, and sees no other file of the course. It
holds no input before a call brings it, no reference and no mark: a student who takes it over can only answer
differently.
"""

from __future__ import annotations

import ast
import builtins
import os
import re
import sys
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
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


#: System calls that no exercise needs: memory that belongs to no process, other namespaces, other processes' memory.
#: The numbers are those of x86-64 and of 64-bit ARM; what is younger than 2019 has one number everywhere.
REFUSED = {
    "x86_64": (29, 30, 31, 57, 58, 64, 68, 101, 135, 155, 161, 165, 166, 240, 248, 249, 250, 272, 278, 298, 308, 310,
               311, 319, 321, 323),
    "aarch64": (39, 40, 41, 51, 75, 92, 97, 117, 180, 186, 190, 194, 195, 196, 217, 218, 219, 241, 268, 270, 271, 279,
                280, 282),
}  # fmt: skip
YOUNG = (425, 428, 429, 430, 431, 432, 433, 438, 442, 447)
CLONE3 = 435  # said to be unknown, so that the C library takes `clone`, whose flags can be read
ARCH = {"x86_64": (0xC000003E, 56, 9), "aarch64": (0xC00000B7, 220, 222)}  # the kernel's name for it, clone, mmap


def forbid() -> bool:
    """Refuse new processes, shared memory and namespaces for good (seccomp); whether this machine can.

    One process with no memory but its own is what makes the limit on memory exact.
    """
    machine = os.uname().machine if hasattr(os, "uname") else ""
    if machine not in ARCH or not sys.platform.startswith("linux"):
        return False
    import ctypes
    import struct

    arch, clone, mmap = ARCH[machine]
    load, equal, above, any_bit, mask, give = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
    kill, allow, refuse, unknown = 0x80000000, 0x7FFF0000, 0x00050001, 0x00050026
    lines = [(load, 0, 0, 4), (equal, 1, 0, arch), (give, 0, 0, kill), (load, 0, 0, 0)]
    lines += [(above, 0, 1, 0x40000000), (give, 0, 0, kill), (equal, 0, 1, CLONE3), (give, 0, 0, unknown)]
    for number in (*REFUSED[machine], *YOUNG):
        lines += [(equal, 0, 1, number), (give, 0, 0, refuse)]
    # A clone that is no thread is a child; a mapping that is shared outlives what is counted.
    lines += [(equal, 0, 4, clone), (load, 0, 0, 16), (any_bit, 1, 0, 0x10000), (give, 0, 0, refuse)]
    lines += [(give, 0, 0, allow)]
    lines += [(equal, 0, 5, mmap), (load, 0, 0, 40), (mask, 0, 0, 0x0F), (equal, 1, 0, 1), (equal, 0, 1, 3)]
    lines += [(give, 0, 0, refuse), (give, 0, 0, allow)]
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    program = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(program))
    told = ctypes.create_string_buffer(head, len(head))
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        return prctl(38, 1, 0, 0, 0) == 0 and prctl(22, 2, told, 0, 0) == 0  # no new rights, then the filter
    except (OSError, AttributeError):
        return False


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

    __version__ = "0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        return None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self

    def __iter__(self) -> Any:
        return iter((self, self))

    def __len__(self) -> int:
        return 2

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __setitem__(self, key: Any, value: Any) -> None:
        return None

    __getitem__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __or__ = __call__


class Progress(Nothing):
    """A progress bar that passes on what it is given and shows nothing."""

    def __init__(self, iterable: Any = (), *args: Any, **kwargs: Any) -> None:
        object.__setattr__(self, "iterable", iterable)

    def __iter__(self) -> Any:
        return iter(self.iterable)


class Missing:
    """Something of a package that is not there: to import it costs nothing, to use it raises and names it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(self._name)

    def _stop(self, *args: Any, **kwargs: Any) -> Any:
        raise ModuleNotFoundError(f"{self._name} is not there while an exercise is graded", name=self._name)

    def __instancecheck__(self, instance: Any) -> bool:
        return False

    __call__ = __getitem__ = __iter__ = __enter__ = __mro_entries__ = __len__ = __bool__ = __array__ = _stop
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __matmul__ = _stop


PICTURES = {"matplotlib", "mpl_toolkits", "seaborn", "plotly", "bokeh", "altair", "ipywidgets", "IPython", "google"}
OURS = {"optlib", "downhill_course"}


class StandIn(types.ModuleType):
    """A module that a notebook imports for pictures, progress or checks, or ours, of which only the check is there."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        root = self.__name__.partition(".")[0]
        if root == "tqdm":
            return (lambda *limits, **kwargs: Progress(range(*limits))) if name in ("trange", "tnrange") else Progress
        return Missing(root) if root in OURS and name != "Checks" else Nothing()


class StandIns:
    """Finds the stand-ins, before any package of the same name, and whatever lies below them."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        root = name.partition(".")[0]
        found = root in {*PICTURES, *OURS, "tqdm"}
        return ModuleSpec(name, self, is_package=True) if found else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        return None


def stand_ins() -> None:
    """What a notebook finds without importing it, and what it may import though nothing comes of it."""
    sys.meta_path.insert(0, StandIns())
    builtins.display = Nothing()  # type: ignore[attr-defined]
    builtins.get_ipython = Nothing()  # type: ignore[attr-defined]


ASSIGNED = re.compile(r"^(\s*[\w.,\[\] ]+=\s*)[!%].*$")


def without_magics(source: str) -> str:
    """The cell as Python: what is IPython's (`%`, `!`, `?`) is left out if the cell does not parse with it."""
    try:
        compile(source, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        return source
    except (SyntaxError, ValueError):
        lines = source.splitlines()
    first = next((line.split()[0] for line in lines if line.strip()), "")
    if first.startswith("%%") and first not in ("%%time", "%%timeit", "%%capture", "%%prun"):
        return ""
    kept: list[str] = []
    goes_on = False
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        bare = line.strip()
        timed = re.match(r"%time\s+(.+)", bare)
        assigned = ASSIGNED.match(line)
        if goes_on:
            goes_on, line = bare.endswith("\\"), ""
        elif bare.startswith(("%", "!", "?")) or bare.endswith("?"):
            goes_on = bare.endswith("\\")
            line = indent + (timed.group(1) if timed else "pass" if indent else "")
        elif assigned:
            goes_on = bare.endswith("\\")
            line = f"{assigned.group(1)}[]"
        kept.append(line)
    return "\n".join(kept)


ANSWER = "answer"  # the name of the cell whose lines are told


class Desk:
    """The student's names, and the objects that were handed out in place of plain values."""

    def __init__(self, channel: Channel, plain: Any, held: bool) -> None:
        self.channel, self.plain, self._held = channel, plain, held
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
        """Statement by statement: one that stops, an import above all, does not cost what stands below it."""
        name = request.get("name", "cell")
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile(without_magics(request["source"]), name, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
        told: dict = {"value": None}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                import __future__

                flags |= sum(getattr(__future__, part.name).compiler_flag for part in node.names)
            try:
                part = compile(ast.Module([node], []), name, "exec", flags, dont_inherit=True)
                waiting = eval(part, self.names)
                if part.co_flags & 0x80:  # a statement with `await`
                    import asyncio

                    asyncio.run(waiting)
            except Exception as error:
                imports = isinstance(node, (ast.Import, ast.ImportFrom)) and node.names[0].name != "*"
                if isinstance(error, ImportError) and imports:
                    self.lack(node)
                elif "error" not in told:
                    told = trouble(error, request)
        return told

    def lack(self, node: ast.Import | ast.ImportFrom) -> None:
        """Bind the names of an import that failed to what says, when it is used, which package is not there."""
        for part in node.names:
            module = part.name if isinstance(node, ast.Import) else node.module or ""
            name = part.asname or (part.name.partition(".")[0] if isinstance(node, ast.Import) else part.name)
            self.names[name] = Missing(module.partition(".")[0])

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

    def hold(self, request: dict) -> dict:
        """Keep a value here, so that a second call is handed the very same one."""
        return {"value": self.keep(self.read(request["value"]))}

    def held(self, request: dict) -> dict:
        """Whether new processes and shared memory are refused."""
        return {"value": self._held}

    def take(self, request: dict) -> dict:
        source = self.handles[request["handle"]]
        return {"value": [self.plain.encode(next(source), self.keep) for _ in range(request["count"])]}


def trouble(error: BaseException, request: dict) -> dict:
    """What went wrong, as plain facts: the kind, whether a name was missing, the package, the line of the cell."""
    kind = type(error).__name__
    lost = isinstance(error, (NameError, ImportError)) or (
        isinstance(error, KeyError) and error.args == (request.get("name"),)
    )
    told: dict = {"error": str(kind)[:100], "lost": lost}
    if isinstance(error, ImportError) and error.name:
        told["module"] = str(error.name).partition(".")[0][:40]
    line = error.lineno if isinstance(error, SyntaxError) else None
    step = error.__traceback__
    while step is not None:
        line = step.tb_lineno if step.tb_frame.f_code.co_filename == ANSWER else line
        step = step.tb_next
    if isinstance(line, int):
        told["line"] = line
    return told


def serve(channel: Channel, plain: Any, held: bool) -> None:
    """Answer requests until the grader hangs up."""
    desk = Desk(channel, plain, held)
    stand_ins()
    while True:
        request = channel.receive()
        try:
            reply = getattr(desk, request["op"])(request)
        except BaseException as error:  # an answer may raise anything, SystemExit and KeyboardInterrupt included
            reply = trouble(error, request)
        try:
            channel.send(reply)
        except channel.frames.Broken:  # too long for a frame, and nothing of it was sent
            channel.send({"error": "NotPlain", "lost": False})


def main() -> None:
    """Limits first, then the channel; NumPy is loaded before the limits on time begin to count for the student."""
    import frames  # type: ignore[import-not-found]
    import plain  # type: ignore[import-not-found]

    limit(*(int(number) for number in sys.argv[1:5]))
    held = forbid()
    sys.modules["worker"] = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv[:] = [""]
    serve(Channel(frames), plain, held)


if __name__ == "__main__":
    main()
