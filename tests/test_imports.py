"""Imports run one way, and `import optlib` needs NumPy alone."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import optlib

ROOT = Path(optlib.__file__).parent

#: The storeys of the house: a room knows rooms of lower storeys; of its own only above, where that makes no circle,
#: but for the oracles, which know the models and how the optimizer calls them.
STOREYS = [
    {"rules", "schedules", "surfaces", "data", "layers", "initialise"},
    {"optimizer", "models", "oracles"},
    {"tricks", "compare", "compile", "parallel", "plain", "checks", "view"},
    {"widget"},
]
STOREY = {room: number for number, rooms in enumerate(STOREYS) for room in rooms}

#: The only room that knows a library; every room knows the standard library and NumPy.
OWNERS = {
    "matplotlib": "view", "mpl_toolkits": "view", "PIL": "view", "IPython": None,
    "cycler": "view", "numba": "parallel", "llvmlite": "parallel",
    "dask": "parallel", "distributed": "parallel", "ipywidgets": "widget", "anywidget": "widget", "traitlets": "widget",
}  # fmt: skip

FILES = sorted(p for p in ROOT.rglob("*.py"))


def room(file: Path) -> str:
    return file.relative_to(ROOT).with_suffix("").parts[0]


def imported(file: Path) -> set[tuple[str, ...]]:
    """Everything a file imports, anywhere in it, as absolute names split at the dots; `import_module` counts too."""
    package = ("optlib", *file.relative_to(ROOT).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            found |= {(*base, alias.name) for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            assert isinstance(node.args[0], ast.Constant), f"{file}: import_module wants a name that can be read here"
            name = str(node.args[0].value)
            found.add((*package, *name[1:].split(".")) if name.startswith(".") else tuple(name.split(".")))
    return found


def siblings(file: Path) -> set[str]:
    """The other rooms of optlib that a file knows."""
    known = {name[1] for name in imported(file) if name[0] == "optlib" and len(name) > 1 and name[1] in STOREY}
    return known - {room(file)}


def test_every_room_has_its_storey():
    assert {room(file) for file in FILES} - {"__init__"} <= STOREY.keys()


@pytest.mark.parametrize(
    "file", [f for f in FILES if f.parent != ROOT or f.stem != "__init__"], ids=lambda f: str(f.relative_to(ROOT))
)
def test_imports_run_one_way(file):
    own = STOREY[room(file)]
    for other in siblings(file):
        assert STOREY[other] <= own, f"optlib/{file.relative_to(ROOT)} imports {other}, which stands above it"
        beside = STOREY[other] == own and (room(file), other) not in {("oracles", "models"), ("oracles", "optimizer")}
        assert not beside or own >= 2, f"optlib/{file.relative_to(ROOT)} imports {other}, which stands beside it"


def test_rooms_of_one_storey_make_no_circle():
    graph: dict[str, set[str]] = {}
    for file in FILES:
        graph.setdefault(room(file), set()).update(siblings(file))
    graph.pop("__init__")
    while graph:
        free = [name for name, knows in graph.items() if not knows & graph.keys()]
        assert free, f"these rooms import each other in a circle: {', '.join(sorted(graph))}"
        for name in free:
            del graph[name]


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_each_library_has_one_room(file):
    for name in {name[0] for name in imported(file)} - {"optlib", "numpy"} - set(sys.stdlib_module_names):
        assert name in OWNERS, f"optlib/{file.relative_to(ROOT)} imports {name}, which no room owns: see OWNERS"
        owner = OWNERS[name]
        assert owner is None or room(file) in ({owner} if isinstance(owner, str) else owner), (
            f"optlib/{file.relative_to(ROOT)} imports {name}: only optlib.{owner} may"
        )
        assert owner or STOREY[room(file)] >= 2, (
            f"optlib/{file.relative_to(ROOT)} imports {name}: the core needs NumPy alone"
        )


def in_a_fresh_interpreter(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
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
    """Under 0.2 s of processor time with NumPy's own import, in the best of five."""
    code = "import time; t = time.process_time(); import optlib; print(time.process_time() - t)"
    assert min(float(in_a_fresh_interpreter(code)) for _ in range(5)) < 0.2


def test_all_is_what_is_there():
    missing = [name for name in optlib.__all__ if not hasattr(optlib, name)]
    assert not missing
    assert {"Optimizer", "NotFinite", "descend", "iterates", "run", *STOREYS[0], *STOREYS[1]} - {"optimizer"} <= set(
        optlib.__all__
    )
