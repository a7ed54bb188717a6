"""The map of both packages: imports run one way, `import optlib` needs NumPy alone, what is imported is declared."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import optlib

ROOT = Path(optlib.__file__).parents[1]

#: The storeys of each package: a room knows rooms of lower storeys; of its own only where that makes no circle.
#: `optlib` knows nothing of the course; the course may use all of it.
STOREYS = {
    "optlib": [
        {"_inputs", "_written"},
        {"rules", "matrices", "schedules", "surfaces", "data", "layers", "initialise"},
        {"optimizer", "parts", "models", "transformer", "oracles"},
        {"tricks", "compare", "compile", "parallel", "view"},
        {"widget"},
    ],
    "downhill_course": [
        {"project", "files", "dataflow", "controls"},
        {"figures"},
        {"address", "wheels", "notebook"},
        {"grade", "capstone"},
        {"ladder"},
        {"pages"},
        {"publish"},
        {"__main__"},
    ],
}  # fmt: skip
STOREY = {
    (package, room): number
    for package, storeys in STOREYS.items()
    for number, rooms in enumerate(storeys)
    for room in rooms
}
#: Below the fourth storey of optlib a room knows its neighbours only where it is named here.
BESIDE = {
    ("oracles", "models"),
    ("oracles", "optimizer"),
    ("parts", "optimizer"),
    ("models", "parts"),
    ("transformer", "parts"),
    ("rules", "matrices"),
}

#: The rooms of optlib that know a library; every room knows the standard library and NumPy.
OWNERS = {
    "matplotlib": "view", "mpl_toolkits": "view", "PIL": "view", "IPython": None,
    "cycler": "view", "numba": {"compile", "parallel"},
    "dask": "parallel", "distributed": "parallel", "anywidget": "widget", "traitlets": "widget",
}  # fmt: skip

#: The one import that points upwards: made only when descend(engine="numba") asks for it.
ON_REQUEST = {("optlib", "optimizer"): {"compile"}}

FILES = sorted(path for package in STOREYS for path in (ROOT / package).rglob("*.py"))
ROOMS = [path for path in FILES if path.parent.parent != ROOT or path.stem != "__init__"]


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room(file: Path) -> tuple[str, str]:
    package, *rest = file.relative_to(ROOT).with_suffix("").parts
    return package, rest[0]


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imported(file: Path) -> set[tuple[str, ...]]:
    """Everything a file imports, anywhere in it, as absolute names split at the dots; `import_module` counts too."""
    package = file.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            found |= {(*base, alias.name) for alias in node.names}
        elif isinstance(node, ast.Call) and "import_module" in (getattr(node.func, k, "") for k in ("id", "attr")):
            first = node.args[0]
            if isinstance(first, ast.Constant):
                name = str(first.value)
                found.add((*package, *name[1:].split(".")) if name.startswith(".") else tuple(name.split(".")))
            else:
                told = file.parts[-2] == "tests" or room(file) in {
                    ("downhill_course", "__main__"),
                    ("downhill_course", "notebook"),
                    ("downhill_course", "pages"),
                }
                assert told, f"{file}: import_module wants a name that can be read here"
    return found


def siblings(file: Path) -> set[tuple[str, str]]:
    """The other rooms that a file knows."""
    known = {name[:2] for name in imported(file) if name[:2] in STOREY}
    return known - {room(file)} - {(room(file)[0], other) for other in ON_REQUEST.get(room(file), set())}


def test_every_room_has_its_storey():
    assert {room(file) for file in FILES} - {(package, "__init__") for package in STOREYS} <= STOREY.keys()


@pytest.mark.parametrize("file", ROOMS, ids=name_of)
def test_imports_run_one_way(file):
    package, own = room(file)
    for other, name in siblings(file):
        assert (package, other) != ("optlib", "downhill_course"), f"{file}: optlib knows nothing of the course"
        if other != package:
            continue
        here, there = STOREY[package, own], STOREY[package, name]
        assert there <= here, f"{name_of(file)} imports {name}, which stands above it"
        beside = there == here and (own, name) not in BESIDE
        assert not beside or (here >= 2 if package == "optlib" else True), (
            f"{name_of(file)} imports {name}, which stands beside it"
        )


@pytest.mark.parametrize("package", STOREYS)
def test_rooms_of_one_storey_make_no_circle(package):
    graph: dict[str, set[str]] = {}
    for file in ROOMS:
        if room(file)[0] == package:
            known = {name for other, name in siblings(file) if other == package}
            graph.setdefault(room(file)[1], set()).update(known)
    while graph:
        free = [name for name, knows in graph.items() if not knows & graph.keys()]
        assert free, f"these rooms import each other in a circle: {', '.join(sorted(graph))}"
        for name in free:
            del graph[name]


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_private_names_stay_at_home(file):
    """A name that begins with an underscore is used by its own module alone; so is a module of such a name by its
    own room."""
    tree = tree_of(file)
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            ours = node.level or (node.module or "").split(".")[0] in STOREYS
            for alias in node.names:
                inner = ours and alias.name.startswith("_") and not alias.name.startswith("__")
                module = inner and (file.parent / f"{alias.name}.py").exists() and node.level == 1 and not node.module
                assert not inner or module, f"{name_of(file)} imports the private name {alias.name}"
                if ours:
                    modules.add(alias.asname or alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            lower = node.value.id.islower()  # a module; a class may be asked for what it alone knows by its friends
            assert not (private and lower), f"{name_of(file)} uses the private name {node.value.id}.{node.attr}"


@pytest.mark.parametrize("file", [f for f in FILES if room(f)[0] == "optlib"], ids=name_of)
def test_each_library_has_one_room(file):
    own = room(file)[1]
    for name in {name[0] for name in imported(file)} - {"optlib", "numpy"} - set(sys.stdlib_module_names):
        assert name in OWNERS, f"{name_of(file)} imports {name}, which no room owns: see OWNERS"
        owner = OWNERS[name]
        assert owner is None or own in ({owner} if isinstance(owner, str) else owner), (
            f"{name_of(file)} imports {name}: only optlib.{owner} may"
        )
        assert owner or STOREY["optlib", own] >= 2, f"{name_of(file)} imports {name}: the core needs NumPy alone"


# --- what is imported is declared -------------------------------------------------------------------

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Which extras a file's imports may come from.
EXTRAS = {
    "optlib": {"chapters"},
    "downhill_course/figures": {"chapters"},
    "downhill_course": {"chapters", "notebook", "book", "grade", "nbgrader"},
    "downhill_course/grade": {"grade", "nbgrader"},
    "tests": {"chapters", "notebook", "book", "grade", "nbgrader", "test", "parity"},
    "benchmarks": {"chapters", "notebook", "book", "grade", "test", "parity", "bench"},
    "conftest.py": {"notebook"},
}
#: Modules whose distribution has another name, where it may not be installed.
CALLED = {
    "torch": "torch", "optax": "optax", "jax": "jax", "nbgrader": "nbgrader", "sklearn": "scikit-learn", "ray": "ray",
}  # fmt: skip


#: Which distributions bring a module; to look through all that is installed takes a fifth of a second.
distributions_of = cache(packages_distributions)


def declared(extras: set[str]) -> set[str]:
    """The distributions that these extras name, those of extras that they name included."""
    found = {Requirement(line).name.lower() for line in PROJECT["dependencies"]}
    for extra in extras:
        for line in PROJECT["optional-dependencies"][extra]:
            asked = Requirement(line)
            if asked.name == PROJECT["name"]:
                found |= declared(set(asked.extras))
            else:
                found.add(asked.name.lower())
    return found


TRACKED = sorted(
    path
    for place in EXTRAS
    for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
    if "node_modules" not in path.parts
)
#: Modules that are found beside the file that imports them.
HELPERS = {path.stem for place in ("tests", "benchmarks") for path in (ROOT / place).glob("*.py")} | {
    "tests",
    "benchmarks",
}
HELPERS |= {"tests", "frames", "plain", "cliff"}  # in the sandbox, beside the worker


@pytest.mark.parametrize("file", sorted(set(TRACKED)), ids=lambda f: str(f.relative_to(ROOT)))
def test_what_a_file_imports_is_declared_in_its_extra(file):
    place = file.relative_to(ROOT).as_posix()
    extras = EXTRAS[max((known for known in EXTRAS if place.startswith(known)), key=len)]
    allowed, owners = declared(extras), distributions_of()
    for name in {name[0] for name in imported(file)} - {*STOREYS, *HELPERS} - set(sys.stdlib_module_names):
        distributions = {d.lower() for d in owners.get(name, [CALLED.get(name, name)])}
        assert distributions & allowed, (
            f"{place} imports {name} (of {', '.join(distributions)}): declare it in pyproject.toml in one of "
            f"{', '.join(sorted(extras))}"
        )


def test_the_environment_of_make_test_holds_no_peer():
    """What the README's commands install: the peers are for `make test-peers` alone."""
    pinned = {
        line.split("==")[0].lower()
        for line in (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
        if re.match(r"[A-Za-z0-9]", line)
    }
    peers = {Requirement(line).name for line in PROJECT["optional-dependencies"]["parity"]} | {"nbgrader"}
    assert not peers & pinned
    if os.environ.get("DOWNHILL_PEERS") != "1":
        there = {name for name in peers if any(name in d for d in distributions_of().values())}
        assert not there, (
            f"{', '.join(sorted(there))} installed beside the course: `make test` is for an environment without peers, "
            "`make test-peers` runs what needs them"
        )


# --- importing --------------------------------------------------------------------------------------

#: Modules that need an extra which the README's commands do not install.
NEEDS = {"downhill_course.grade.nbgrader_wall": "nbgrader"}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_module_can_be_imported(file):
    """Whatever pytest skips when it collects examples, this names."""
    if extra := NEEDS.get(name_of(file)):
        pytest.importorskip(extra, reason=f"{name_of(file)} needs the extra [{extra}]: `make test-peers` installs it")
    __import__(name_of(file))


def in_a_fresh_interpreter(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout


LOADED = (
    "import sys; before = set(sys.modules); import {}; print(*{{m.split('.')[0] for m in set(sys.modules) - before}})"
)


def foreign(module: str) -> set[str]:
    """The libraries that an import loads, the standard library apart."""
    loaded = set(in_a_fresh_interpreter(LOADED.format(module)).split())
    return {name for name in loaded - set(sys.stdlib_module_names) if not name.startswith("_")} - {
        "optlib",
        "numpy",
        "cython_runtime",
    }


def test_import_loads_numpy_alone():
    assert foreign("optlib") == set()


def test_numba_waits_until_it_is_wanted():
    assert foreign("optlib.compile") == set()


def test_view_loads_matplotlib_but_no_other_room_s_library():
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed: optlib.view cannot be imported")
    loaded = foreign("optlib.view")
    assert "matplotlib" in loaded
    assert not loaded & {"numba", "dask", "distributed", "ipywidgets", "anywidget", "torch", "pandas", "scipy"}


def test_import_is_quick():
    """With NumPy's own import, at most three times what NumPy's takes: the best of five, in processor time."""
    code = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"
    numpy, ours = (
        min(float(in_a_fresh_interpreter(code.format(name))) for _ in range(5)) for name in ("numpy", "optlib")
    )
    assert ours < 3 * numpy


def test_all_is_what_is_there():
    missing = [name for name in optlib.__all__ if not hasattr(optlib, name)]
    assert not missing
    rooms = {room for storey in STOREYS["optlib"][:2] for room in storey if not room.startswith("_")}
    assert {"Optimizer", "NotFinite", "descend", "iterates", "run", *rooms} - {"optimizer"} <= set(optlib.__all__)


def test_a_wheel_holds_every_module_of_the_figures():
    given = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    held = {path for package in STOREYS for pattern in given[package] for path in (ROOT / package).glob(pattern)}
    assert {
        path for package in STOREYS for ending in ("js", "css") for path in (ROOT / package).rglob(f"*.{ending}")
    } <= held
