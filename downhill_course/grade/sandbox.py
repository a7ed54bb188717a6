"""Where strangers' code runs: bubblewrap by default, Docker or Podman where an instructor has them.

Each task of each submission gets a sandbox of its own: no network, a read-only file system that holds Python, NumPy
and three small files, a private scratch folder with a size, no capabilities, no view of other processes, limits on
memory, time and file size. It may start no process and share no memory (`worker.forbid`), so that the limit on memory
is exact. It dies with the grader. A watch outside ends it when its processes together use too much.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from downhill_course.grade import frames
from downhill_course.grade.oracles import Late, Oracles

HERE = Path(__file__).parent
MEGABYTE = 1_000_000


class Unavailable(Exception):
    """No sandbox can be had on this machine; the message says what to do."""


class Gone(Exception):
    """The worker is no more, or broke the rules: `why` is `time`, `memory`, `died` or `protocol`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Limits:
    """What one task may use: seconds for a cell or a call and for all, bytes of memory and scratch, threads."""

    call: float = 10.0
    total: float = 40.0
    memory: int = 1500 * MEGABYTE
    scratch: int = 16 * MEGABYTE
    processes: int = 24
    asks: int = 100_000

    @property
    def submission(self) -> float:
        """Seconds for all tasks of one submission together."""
        return 12 * self.call

    def __str__(self) -> str:
        return (
            f"{self.call:g} s a call, {self.total:g} s a task, {self.submission:g} s a submission, "
            f"{self.memory // MEGABYTE} MB of memory, {self.scratch // MEGABYTE} MB of files"
        )

    def arguments(self, extra_processes: int = 0) -> list[str]:
        """For `worker.limit`; the processes are counted per user, so those that the user has already are added."""
        numbers = (self.memory, int(self.total) + 5, self.scratch, self.processes + extra_processes)
        return [str(number) for number in numbers]


@dataclass(frozen=True)
class Sandbox:
    """How to start a worker: a `kind` (bubblewrap, docker, podman, unsafe), the user to become, the image to use."""

    kind: str = "bubblewrap"
    user: str | None = None
    image: str = "downhill-grader"
    limits: Limits = field(default_factory=Limits)

    def command(self) -> list[str]:
        """The whole command line of one worker. It never carries anything secret: the student may read it."""
        return {"bubblewrap": self._bubblewrap, "unsafe": self._unsafe}.get(self.kind, self._container)()

    def _bubblewrap(self) -> list[str]:
        python, prefix, libraries = _python()
        lines = [["bwrap", "--die-with-parent", "--new-session", "--clearenv"]]
        lines.append(["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"])
        lines.append(["--hostname", "grader", "--cap-drop", "ALL"])
        start: list[str] = []
        shown = {"/usr", "/usr/bin", "/site", *_parents(prefix / "lib"), *_parents(Path("/etc/ld.so.cache"))}
        if os.getuid() == 0:
            number, group = _ids(self.user)
            lines.append(["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"])
            start = ["/usr/bin/setpriv", f"--reuid={number}", f"--regid={group}", "--clear-groups"]
            start += ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
        else:
            lines.append(["--unshare-user", *(["--disable-userns"] if "--disable-userns" in _help("bwrap") else [])])
        # The scratch folder comes first: an interpreter that lies below /tmp is then bound over it, not hidden by it.
        lines.append(["--perms", "1777", "--size", str(self.limits.scratch), "--tmpfs", "/tmp"])
        lines += [["--perms", "0755", "--dir", folder] for folder in sorted(shown)]
        lines.append(["--ro-bind", "/usr/lib", "/usr/lib", "--ro-bind-try", "/usr/lib64", "/usr/lib64"])
        lines.append(["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"])
        lines.append(["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"])
        lines.append(
            ["--ro-bind-try", "/usr/bin/setpriv", "/usr/bin/setpriv", "--ro-bind", str(python), "/usr/bin/answer"]
        )
        if str(prefix) not in ("/", "/usr"):
            lines.append(["--ro-bind", str(prefix / "lib"), str(prefix / "lib")])
        lines += [["--size", "4096", "--tmpfs", folder, "--remount-ro", folder] for folder in _packages()]
        lines += [["--ro-bind", str(path), f"/site/{name}"] for name, path in {**libraries, **_files()}.items()]
        lines.append(["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"])
        lines.append(["--remount-ro", "/"])
        lines.append(["--chdir", "/tmp"])
        for name, value in {**_environment(), "PYTHONHOME": str(prefix)}.items():
            lines.append(["--setenv", name, value])
        return [
            *(word for line in lines for word in line),
            "--",
            *start,
            "/usr/bin/answer",
            *self._program("/site/worker.py"),
        ]

    def _program(self, path: str) -> list[str]:
        extra = 0 if self.kind in ("docker", "podman") else _processes_of(self.user)
        return ["-s", "-S", "-B", path, *self.limits.arguments(extra)]

    def _container(self) -> list[str]:
        limits = self.limits
        line = [self.kind, "run", "--rm", "--interactive", "--network=none", "--read-only", "--cap-drop=ALL"]
        line += ["--security-opt=no-new-privileges", "--user=65534:65534", f"--memory={limits.memory}"]
        line += [f"--memory-swap={limits.memory}", f"--pids-limit={limits.processes}", "--ipc=none", "--cpus=1"]
        line += [f"--tmpfs=/tmp:size={limits.scratch},nr_inodes=1000", "--workdir=/tmp", "--pull=never"]
        for name, path in _files().items():
            line += [f"--volume={path}:/site/{name}:ro"]
        for name, value in _environment().items():
            line += [f"--env={name}={value}"]
        return [*line, self.image, "python3", "-B", "/site/worker.py", *limits.arguments(1000)]

    def _unsafe(self) -> list[str]:
        return [sys.executable, "-B", str(_unpacked() / "worker.py"), *self.limits.arguments(1000)]

    def open(self) -> Worker:
        """A fresh worker."""
        environment = {**os.environ, **_environment()} if self.kind == "unsafe" else None
        process = subprocess.Popen(
            self.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        return Worker(process, self.limits)

    def test(self) -> list[str]:
        """Start a worker and let it add two numbers; which limits this machine cannot hold, a sentence each.

        Raises:
            Unavailable: it does not start; the message says what to do.
        """
        _require(self)
        held: Any = None
        try:
            with self.open() as worker:
                worker.run("def add(a, b):\n    return a + b", "trial")
                sound = worker.call("add", [2.0, 3.0]) == 5.0
                held = worker.request({"op": "held"})
        except Gone:
            sound = False
        if not sound:
            raise Unavailable(_why(self))
        gaps = []
        if held is not True:
            gaps.append(
                "Processes and shared memory cannot be forbidden here (no seccomp filter for this system): "
                "a watch ends what uses too much, a fifth of a second late."
            )
        if not hasattr(os, "fork"):
            gaps.append("Functions that an answer calls are computed here without a limit on memory.")
        return gaps


class Worker:
    """The grader's end of one worker: requests with deadlines, and oracles that are computed on this side."""

    def __init__(self, process: subprocess.Popen, limits: Limits) -> None:
        self.process, self.limits = process, limits
        self.end = time.monotonic() + limits.total
        self.oracles = Oracles()
        self.asked = 0
        self.stopped: dict | None = None
        self._looked = time.monotonic()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)

    @property
    def _in(self) -> int:
        assert self.process.stdin is not None
        return self.process.stdin.fileno()

    @property
    def _out(self) -> int:
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the sandbox with everything in it."""
        self.oracles.close()
        for process in _family(self.process.pid):
            try:
                process.kill()
            except Exception:  # it went by itself
                continue
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        self.process.wait()

    def used(self) -> float:
        """Processor seconds that the sandbox's processes have used, as this system counts them; 0 in a container."""
        seconds = 0.0
        for process in _family(self.process.pid):
            try:
                seconds += sum(process.cpu_times()[:2])
            except Exception:  # it went by itself
                continue
        return seconds

    def run(self, source: str, name: str = "cell") -> str | None:
        """Execute a cell: None, or the kind of the first error that it raised; `stopped` then holds what is known."""
        reply = self._ask({"op": "run", "source": source, "name": name})
        self.stopped = reply if "error" in reply else None
        return str(reply["error"])[:100] if self.stopped else None

    def hold(self, value: Any) -> Thing:
        """An array that stays on the other side: handed over again it is the same one, and `get()` looks at it."""
        return self.request({"op": "hold", "value": self.encode(value)})

    def give(self, names: dict[str, Any]) -> None:
        """Names that the student may use: plain values, and functions, which stay on this side."""
        self._ask({"op": "give", "names": {name: self.encode(value) for name, value in names.items()}})

    def call(self, name: str, args: Any = (), kwargs: Any = None, **target: Any) -> Any:
        """The plain result of a call, or an `Answered` error; see `request`."""
        request = {"op": "call", **({"name": name} if name else {}), **target}
        return self.request({**request, "args": self.encode(list(args)), "kwargs": self.encode(dict(kwargs or {}))})

    def request(self, message: dict) -> Any:
        """Send a request: its decoded value (`Thing` if not plain), or `Answered` if the student's code raised."""
        from downhill_course.grade import plain

        reply = self._ask(message)
        if "error" in reply:
            raise Answered(str(reply["error"])[:100], bool(reply.get("lost")), module_of(reply), line_of(reply))
        try:
            return plain.decode(reply.get("value"), lambda value: Thing(self, _number(value)))
        except plain.NotPlain:
            raise Answered("NotPlain", False) from None

    def encode(self, value: Any) -> Any:
        """A value for the other side; a function becomes an oracle, a `Thing` what it stands for."""
        from downhill_course.grade import plain

        def other(thing: Any) -> dict:
            thing = getattr(thing, "_thing", thing)
            if isinstance(thing, Thing):
                return {"handle": thing.number}
            if callable(thing):
                return {"oracle": self.oracles.add(thing)}
            raise plain.NotPlain(f"a value of type {type(thing).__name__} cannot be given to an answer")

        return plain.encode(value, other)

    def _ask(self, message: dict) -> dict:
        end = min(self.end, time.monotonic() + self.limits.call)
        self._send(message, end)
        while True:
            reply = self._receive(end)
            if "ask" not in reply:
                return reply
            self.asked += 1
            if self.asked > self.limits.asks:
                raise Gone("time")
            self._send(self._oracle(reply, end), end)

    def _oracle(self, message: dict, end: float) -> dict:
        number = message.get("ask")
        if type(number) is not int or not 0 <= number < len(self.oracles.functions):
            raise Gone("protocol")
        try:
            return self.oracles.ask(number, message, end)
        except Late:
            raise Gone("time" if time.monotonic() >= end else "memory") from None

    def _send(self, message: dict, end: float) -> None:
        data = memoryview(frames.pack(message))
        while data:
            self._wait(self._in, write=True, end=end)
            try:
                data = data[os.write(self._in, data[:65536]) :]
            except BlockingIOError:
                continue
            except OSError:
                raise Gone(self._cause()) from None

    def _receive(self, end: float) -> dict:
        try:
            return frames.unpack(self._exactly(frames.length(self._exactly(4, end)), end))
        except frames.Broken:
            raise Gone("protocol") from None

    def _exactly(self, count: int, end: float) -> bytes:
        parts = []
        while count:
            self._wait(self._out, write=False, end=end)
            try:
                part = os.read(self._out, min(count, 1 << 20))
            except BlockingIOError:
                continue
            if not part:
                raise Gone(self._cause())
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _wait(self, fd: int, write: bool, end: float) -> None:
        pause = 0.2
        while True:
            now = time.monotonic()
            if now >= end:
                raise Gone("time")
            if now - self._looked >= pause:  # by the clock: who asks without a pause is watched too
                self._looked = now
                self._watch()
            watched: list[int] = [fd]
            ready = select.select([] if write else watched, watched if write else [], [], min(pause, end - now))
            if ready[0] or ready[1]:
                return

    def _watch(self) -> None:
        """End what uses more than its share: all its processes together are counted."""
        family = _family(self.process.pid)
        if len(family) > self.limits.processes + 4:
            raise Gone("memory")
        used = 0
        for process in family:
            try:
                used += process.memory_info().rss
            except Exception:  # it went by itself
                continue
        if used > self.limits.memory or _inodes(family) > 20_000:
            raise Gone("memory")

    def _cause(self) -> str:
        try:
            self.process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            return "protocol"
        return "died"


class Answered(Exception):
    """The student's code raised: the kind of error, whether a name was missing, the package and the line if told."""

    def __init__(self, kind: str, lost: bool, module: str = "", line: int = 0) -> None:
        super().__init__(kind)
        self.kind, self.lost, self.module, self.line = kind, lost, module, line


class Thing:
    """Something on the other side that is no plain value: it can be called and asked."""

    def __init__(self, worker: Worker, number: int) -> None:
        self.worker, self.number = worker, number

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.worker.call("", args, kwargs, handle=self.number)

    def do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.worker.call("", args, kwargs, handle=self.number, method=method)

    def get(self, attribute: str = "") -> Any:
        wanted = {"attribute": attribute} if attribute else {}
        return self.worker.request({"op": "get", "handle": self.number, **wanted})

    def take(self, count: int) -> Any:
        return self.worker.request({"op": "take", "handle": self.number, "count": count})


def module_of(reply: dict) -> str:
    """The package that the other side says is missing, if that can be a package's name."""
    name = reply.get("module")
    return name if isinstance(name, str) and re.fullmatch(r"[A-Za-z_]\w{0,39}", name, re.A) else ""


def line_of(reply: dict) -> int:
    """The line that the other side says, 0 if it says none that can be."""
    line = reply.get("line")
    return line if type(line) is int and 0 < line < 100_000 else 0


def _number(value: dict) -> int:
    number = value.get("handle")
    if type(number) is not int or not 0 <= number < 1000:
        raise Gone("protocol")
    return number


def _family(pid: int) -> list:
    import psutil

    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _inodes(family: list) -> int:
    """Files in the sandbox's scratch folder: their number is bounded by nothing else."""
    for process in reversed(family):
        try:
            told = os.statvfs(f"/proc/{process.pid}/root/tmp")
        except OSError:
            continue
        return told.f_files - told.f_ffree if told.f_files and told.f_blocks * told.f_frsize < 10**9 else 0
    return 0


def _ids(user: str | None) -> tuple[int, int]:
    import pwd

    if user is None:
        raise Unavailable(
            "The grader runs as root. Strangers' code must not: start it as an ordinary user, or name an unprivileged\n"
            "user for the answers to run as, for instance  --user nobody"
        )
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise Unavailable(
            f"There is no user {user!r} on this machine. Name one that exists, for instance  --user nobody"
        ) from None
    if entry.pw_uid == 0:
        raise Unavailable(f"{user!r} is root by another name. Name an unprivileged user, for instance  --user nobody")
    return entry.pw_uid, entry.pw_gid


def _processes_of(user: str | None) -> int:
    """How many processes (threads included) the user runs now: the limit on processes counts them all."""
    import psutil

    number = _ids(user)[0] if os.getuid() == 0 else os.getuid()
    count = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids = process.info["uids"]
        count += process.info["num_threads"] or 1 if uids is not None and uids.real == number else 0
    return count


def _environment() -> dict[str, str]:
    return {
        "PATH": "/usr/bin",
        "LANG": "C.UTF-8",
        "HOME": "/tmp",
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _files() -> dict[str, Path]:
    return {"worker.py": HERE / "worker.py", "frames.py": HERE / "frames.py", "plain.py": HERE / "plain.py"}


@cache
def _unpacked() -> Path:
    """The worker's files in a folder of their own, for a run without a sandbox."""
    folder = Path(tempfile.mkdtemp(prefix="grader-"))
    for name, path in _files().items():
        shutil.copy(path, folder / name)
    return folder


@cache
def _python() -> tuple[Path, Path, dict[str, Path]]:
    """The interpreter, its prefix, and NumPy's folders by the name they need."""
    import numpy

    home = Path(numpy.__file__).parent
    libraries = {"numpy": home}
    for name in ("numpy.libs", *_more()):
        if (home.parent / name).exists():
            libraries[name] = home.parent / name
    return Path(os.path.realpath(sys.executable)), Path(sys.base_prefix), libraries


@cache
def _more() -> list[str]:
    """What lies beside NumPy of the packages that a student may import too, with all that they need."""
    import importlib.metadata as metadata

    found, todo, seen = [], ["scipy", "pandas", "torch"], {"numpy"}
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            told = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        tops = {file.parts[0] for file in told.files or () if file.parts[0] not in ("..", "__pycache__")}
        found += [top for top in sorted(tops) if top.rpartition("/")[2] and not top.startswith(("optlib", "downhill"))]
        todo += [re.split(r"[^\w.-]", need)[0] for need in told.requires or () if "extra ==" not in need]
    return found


@cache
def _help(program: str) -> str:
    """What a program says of its options."""
    told = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    return told.stdout + told.stderr


def _packages() -> list[str]:
    """Folders of installed packages that would be seen through the bound ones, and are covered."""
    library = Path(sysconfig.get_path("stdlib"))
    found = [library / "site-packages", library / "dist-packages", Path("/usr/lib/python3/dist-packages")]
    return [str(folder) for folder in found if folder.is_dir()]


def _parents(path: Path) -> list[str]:
    return [str(folder) for folder in path.parents if str(folder) != "/"]


def _require(sandbox: Sandbox) -> None:
    if os.getuid() == 0 and sandbox.kind == "bubblewrap":
        _ids(sandbox.user)
        if shutil.which("setpriv") is None:
            raise Unavailable("To become another user, `setpriv` is needed (package util-linux).")
    program = {"bubblewrap": "bwrap", "unsafe": sys.executable}.get(sandbox.kind, sandbox.kind)
    if shutil.which(program) is None:
        raise Unavailable(
            f"{program} is not installed, and strangers' code is not run without a sandbox.\n"
            "Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap; macOS, Windows: --sandbox docker\n"
            "To grade nothing but your own code: --unsafe"
        )


def _why(sandbox: Sandbox) -> str:
    """What stands in the way, from what the sandbox itself says."""
    told = subprocess.run(sandbox.command(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    said = "\n  ".join(told.stderr.strip().splitlines()[-4:]) or "it said nothing"
    message = f"The sandbox ({sandbox.kind}) does not start. It said:\n  {said}\n"
    if sandbox.kind in ("docker", "podman"):
        return (
            message + f"Is the service running, and is there an image {sandbox.image!r} with Python and NumPy? "
            "See exercises/README.md"
        )
    setting = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if setting.exists() and setting.read_text(encoding="utf-8").strip() == "1":
        return message + (
            "This system (Ubuntu 24.04 on) allows user namespaces only to programs with an AppArmor profile.\n"
            "Install bubblewrap's:  sudo apt install apparmor-profiles && sudo ln -s "
            "/usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/ && "
            "sudo systemctl reload apparmor"
        )
    return (
        message
        + "Are user namespaces allowed (sysctl user.max_user_namespaces)? Otherwise use --sandbox docker or podman."
    )
