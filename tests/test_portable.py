"""Windows, macOS, Linux; Python 3.11 to 3.14: what differs between them is nowhere relied upon."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from fresh import CLEAN, ROOT, copy, environment, run
from needs import need
from packaging.specifiers import SpecifierSet

from downhill_course.notebook.cells import read, text_of
from downhill_course.notebook.running import all_notebooks
from downhill_course.publish import cards

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
#: What a student's or a reader's machine runs. The grader's own side needs a sandbox, so Linux or Docker.
PACKAGES = [path for package in ("optlib", "downhill_course") for path in sorted((ROOT / package).rglob("*.py"))]
EVERYWHERE = [
    path
    for path in PACKAGES
    if "grade" not in path.parts
    or path.stem in ("__init__", "checks", "plain", "release", "source", "spec", "submissions")
]
SOURCES = sorted({*PACKAGES, *(ROOT / "tests").glob("*.py")})


def files():
    """Every file of the project: from git, or, in a download without git, from the folders."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8")
    need(done.returncode == 0, "this copy has no git, whose list of files is wanted")
    return [name for name in done.stdout.split("\0") if name]


# --- files ------------------------------------------------------------------------------------------


def test_every_file_name_can_be_written_everywhere():
    devices = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
    names = files()
    for name in names:
        for part in name.split("/"):
            assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', part), f"Windows cannot write {name}"
            assert part.split(".")[0].lower() not in devices, f"Windows keeps the name {part} for a device"
        assert len(name) < 150, f"{name}: with a folder before it this is too long for Windows"
    folded = [name.lower() for name in names]
    assert sorted({name for name in folded if folded.count(name) > 1}) == [], "two names that differ in case alone"


def test_line_ends_are_the_same_everywhere():
    done = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, encoding="utf-8")
    need(done.returncode == 0, "this copy has no git, which knows the line ends")
    for line in done.stdout.splitlines():
        about, name = line.split("\t")
        binary = name.endswith((".png", ".npz", ".gz"))
        assert ("i/-text" in about) == binary, f"{name}: {about}"
        assert binary or "i/crlf" not in about, f"{name} has Windows line ends in the repository"
        assert binary or "eol=lf" in about, f"{name} would get Windows line ends on Windows: see .gitattributes"


# --- code -------------------------------------------------------------------------------------------


def test_every_text_file_is_opened_with_its_encoding():
    """Windows in China would read UTF-8 as GBK."""
    command = [sys.executable, "-m", "ruff", "check", "--preview", "--select", "PLW1514", "--output-format", "concise"]
    done = subprocess.run([*command, "."], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", EVERYWHERE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_path_of_one_system_stands_in_the_code(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    known = cards.CHINESE if path.name == "cards.py" else ()  # a font is looked for on every system
    patterns = [text for text in texts if re.match(r"/(?:tmp|dev|proc|usr|etc|var|bin)\b|[A-Z]:\\(?!\\)", text)]
    assert [text for text in patterns if text not in known] == []


WINDOWS = """
import importlib
import os
import signal
import sys
gone = "fcntl grp pty pwd readline resource spwd syslog termios tty".split()
import numpy
import matplotlib.pyplot
import PIL.Image
import IPython
import ipywidgets
import anywidget
import numba
import distributed
import yaml
import nbformat  # theirs
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in gone:
            raise ModuleNotFoundError(f"No module named {name!r} (there is none on Windows)", name=name)
sys.meta_path.insert(0, Missing())
for name in gone:
    sys.modules.pop(name, None)
for name in dir(os):
    if name in NOT_THERE or name.startswith(("posix_", "sched_", "W", "RTLD_", "SCHED_", "GRND_")):
        delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGCHLD", "alarm", "setitimer", "pthread_kill"):
    if hasattr(signal, name):
        delattr(signal, name)
"""
NOT_THERE = [
    "fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getpgid", "setsid", "setuid",
    "killpg", "mkfifo", "mknod", "nice", "uname", "getloadavg", "sysconf", "confstr", "statvfs", "fchown", "chown",
    "lchown", "chroot", "fchdir", "pread", "pwrite", "sendfile", "waitid", "wait3", "wait4", "O_NOFOLLOW",
    "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "openpty", "ttyname", "ctermid", "memfd_create", "pipe2",
    "setpriority", "getpriority",
]  # fmt: skip


def on_windows(code: str, tmp_path: Path) -> str:
    """Run code where all that Windows lacks was taken away after others' libraries were loaded."""
    script = tmp_path / "windows.py"
    script.write_text(f"NOT_THERE = {set(NOT_THERE)}\n{WINDOWS}\n{code}", encoding="utf-8")
    more = {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "OPTLIB_CACHE": str(tmp_path / "cache"), "MPLBACKEND": "agg"}
    return run([sys.executable, script], tmp_path, env={**CLEAN, **more})


def test_what_windows_lacks_is_really_gone(tmp_path):
    with pytest.raises(AssertionError, match="No module named 'fcntl'"):
        on_windows("import fcntl", tmp_path)
    with pytest.raises(AssertionError, match="has no attribute 'fork'"):
        on_windows("os.fork()", tmp_path)


def test_every_module_opens_without_posix(tmp_path):
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in EVERYWHERE]
    assert len(names) > 40
    assert on_windows(f"for name in {names}: importlib.import_module(name)\nprint('all')", tmp_path) == "all\n"


def test_the_library_works_without_posix(tmp_path):
    code = """
import numpy as np
from optlib import Optimizer, compile, descend, parallel, rules, surfaces, view
from optlib.widget import Explorer
f = surfaces.rosenbrock
path = descend(Optimizer(rules.adam, lr=0.1), f.grad, f.start, steps=50)
theta = path[0].copy()
compile.kernel(Optimizer(rules.adam, lr=0.1))(theta, f.grad(theta), Optimizer(rules.adam).init(theta))
assert (theta == path[1]).all()
assert view.contour(f, path).png[:4] == b"\\x89PNG"
assert "image/png" in Explorer("ravine")._repr_mimebundle_()[0]
server = parallel.SyncSGD(Optimizer(rules.sgd, lr=0.5))
print(parallel.train(server, [surfaces.bowl.grad] * 2, [4.0, -2.0], steps=3).updates)
"""
    assert on_windows(code, tmp_path) == "3\n"


def test_a_students_notebook_works_without_posix(tmp_path):
    from grading import assignment

    from downhill_course.grade.source import known

    whole = assignment(known()[0])
    made = whole.solution("both")
    cells = [cell["source"] for cell in made["cells"] if cell["cell_type"] == "code"]
    code = f"names = {{'__name__': '__main__'}}\nfor cell in {cells!r}: exec(cell, names)\n"
    asked = [task.name for task in whole.tasks.values() if not task.by_hand]
    code += f"print([bool(names['check'](task)) for task in {asked!r}])"
    assert on_windows(code, tmp_path).splitlines()[-1] == str([True] * len(asked))


# --- versions of Python -----------------------------------------------------------------------------


def test_the_ranges_hold_every_version():
    assert all(version in SpecifierSet(PROJECT["requires-python"]) for version in VERSIONS)
    told = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)}
    assert told == set(VERSIONS)
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    assert all(f'"{version}"' in workflow for version in VERSIONS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_oldest_python_reads_every_file(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 11))


@pytest.mark.parametrize("path", all_notebooks(), ids=lambda path: path.name)
def test_the_oldest_python_reads_every_cell(path):
    for cell in read(path).cells:
        if cell.cell_type == "code":
            ast.parse(text_of(cell), feature_version=(3, 11))


@pytest.mark.slow
@pytest.mark.parametrize("system", ["linux", "windows", "macos"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_pin_has_a_wheel(version, system, tmp_path):
    """Nothing needs a compiler, on no system and with no version of Python. This asks the package index."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "requirements.txt", "--only-binary", ":all:", "--quiet"]
    command += ["--python-version", version, "--python-platform", system, "--no-emit-index-url", "--no-annotate"]
    run([*command, "--output-file", tmp_path / "pins"], ROOT, env=dict(os.environ))
    pins = dict(line.split("==") for line in (tmp_path / "pins").read_text("utf-8").splitlines() if "==" in line)
    assert {"numpy", "numba", "jupyterlab", "distributed", "anywidget"} <= pins.keys()


def pythons() -> dict[str, Path]:
    """The interpreters that are here, by version: on the path, and where pyenv puts them."""
    found = {}
    for version in VERSIONS:
        kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        places = [*kept, *filter(None, [shutil.which(f"python{version}")])]
        for place in places:
            say = [place, "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"]
            done = subprocess.run(say, capture_output=True, encoding="utf-8")
            if done.returncode == 0 and done.stdout.strip() == version:
                found[version] = Path(place)
                break
    return found


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_the_library_holds_with_each_python_that_is_here(version, tmp_path):
    """A fresh environment from the pins; the library's own examples, its rules, its compiled code, a notebook."""
    python = pythons().get(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    folder = copy(tmp_path / "course")
    own = environment(folder / ".venv", python)
    run([own, "-m", "pip", "install", "--quiet", "-r", "requirements.txt", "-e", ".", "pytest", "hypothesis"], folder)
    words = [
        "--doctest-modules",
        "-q",
        "-p",
        "no:cacheprovider",
        "optlib",
        "tests/test_rules.py",
        "tests/test_compile.py",
    ]
    said = run([own, "-m", "pytest", *words, "tests/test_surfaces.py", "tests/test_widget.py"], folder)
    assert re.search(r"\d{3,} passed", said), said[-2000:]
    run([own, "-m", "nbclient.cli", "book/conventions.ipynb", "--output", "done"], folder)
    assert json.loads((folder / "book" / "done.ipynb").read_text(encoding="utf-8"))["cells"]
    shutil.rmtree(folder / ".venv")


def test_no_helper_of_the_tests_has_the_name_of_an_installed_module():
    """Which of the two is imported would depend on who asks first."""
    ours = {path.stem for path in ROOT.glob("tests/*.py")}
    found = {name for name in packages_distributions() if name in ours}
    assert found | (ours & set(sys.stdlib_module_names)) == set()
