"""The first code cell: one text everywhere, silent where optlib is, honest where it cannot help."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest
from fresh import CLEAN, environment, run
from grading import assignment, cell, submission

from downhill_course import wheels
from downhill_course.grade.source import known
from downhill_course.notebook import setup_cell
from downhill_course.notebook.address import Address
from downhill_course.notebook.cells import read, tags_of
from downhill_course.notebook.running import all_notebooks

HERE = setup_cell.source()


@pytest.mark.parametrize("path", all_notebooks(), ids=lambda path: path.name)
def test_a_chapter_has_it_once_and_first(path):
    code = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert code[0].source == HERE + setup_cell.SWITCH, "run `downhill setup-cell`"
    assert [cell.source for cell in code].count(code[0].source) == [cell.id for cell in code].count("install") == 1
    assert code[0].outputs == []
    assert tags_of(code[0]) == ["remove-cell", "nbval-ignore-output"]


@pytest.mark.parametrize("name", known())
def test_an_assignment_has_it_before_its_examples(name):
    for made in (assignment(name).student("both"), assignment(name).solution("zh"), assignment(name).for_nbgrader()):
        code = [cell for cell in made["cells"] if cell["cell_type"] == "code"]
        assert [cell["id"] for cell in code[:2]] == ["install", "setup"]
        assert code[0]["source"] == HERE
        assert code[0]["metadata"]["nbgrader"]["locked"]
        assert [cell["source"] for cell in code].count(HERE) == 1


def test_it_is_short_and_follows_the_address():
    assert sum(bool(line.strip()) for line in HERE.splitlines()) <= 30
    other = setup_cell.source(Address("https://gitee.com/ann/hills", "master", served="https://hills.example.cn/"))
    assert "git+https://gitee.com/ann/hills@master" in other
    assert "https://hills.example.cn/both/run.html" in other
    assert "github" not in other


def test_only_notebooks_that_use_optlib_get_it():
    plain = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import numpy")])
    assert len(setup_cell.put(plain).cells) == 1
    using = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# A"), nbformat.v4.new_code_cell("from optlib import rules")]
    )
    once = [cell.source for cell in setup_cell.put(using).cells]
    assert once == ["# A", HERE + setup_cell.SWITCH, "from optlib import rules"]
    assert [cell.source for cell in setup_cell.put(using).cells] == once


def test_where_optlib_is_it_does_nothing(tmp_path):
    (tmp_path / wheels.name()).touch()  # not even with a wheel beside it
    guard = "import subprocess\ndef no(*a, **k): raise AssertionError('it started something')\nsubprocess.run = no\n"
    done = subprocess.run(
        [sys.executable, "-c", guard + HERE], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(setup_cell.ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_package_of_the_same_name_is_recognised(tmp_path):
    """The index has a library for options that is called `optlib`, too."""
    (tmp_path / "optlib-1.0.dist-info").mkdir()
    (tmp_path / "optlib-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: optlib\nVersion: 1.0\n")
    done = subprocess.run(
        [sys.executable, "-c", HERE], cwd=tmp_path, capture_output=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "ImportError: This `optlib` is another package" in done.stderr
    assert done.stderr.count("pip uninstall -y optlib") >= 2
    assert "这里的 optlib 是另一个同名的包" in done.stderr


def test_what_installing_leaves_behind_is_ignored():
    for name in ("build/lib/x", "downhill_course.egg-info/x", "book/.ipynb_checkpoints/x"):
        done = subprocess.run(["git", "check-ignore", "-q", "--no-index", name], cwd=setup_cell.ROOT)
        assert done.returncode in (0, 128), name  # 128: no repository here


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The Python of an environment with pip alone, and a folder as a site's `notebooks` is, two below the wheel."""
    folder = tmp_path_factory.mktemp("bare")
    place = folder / "site" / "en" / "notebooks"
    place.mkdir(parents=True)
    made = wheels.make(folder / "site")
    assert made.name == wheels.name()
    return environment(folder / "venv"), place


def test_without_a_network_it_says_what_to_do_in_both_languages(bare):
    python, folder = bare
    done = subprocess.run(
        [python, "-c", HERE], cwd=folder, capture_output=True, encoding="utf-8",
        env={**CLEAN, "PYTHONUTF8": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == f"Installing · 正在安装 ./../../{wheels.name()}[chapters]\n"
    assert "No matching distribution found" in done.stderr, "pip's own words come first, and its settings are obeyed"
    last = done.stderr.strip().splitlines()[-3:]
    assert last[0].startswith("It needs Python 3.11+ and a network")
    assert last[1].startswith("需要 Python 3.11+ 和网络")
    assert last[2].startswith("downhill_course-*.whl: https://")


def test_a_wheel_beside_the_notebook_is_installed(bare):
    """With its dependencies left out (pip is told so by its configuration), which takes no network."""
    python, folder = bare
    shutil.copy(folder.parents[1] / wheels.name(), folder)
    settings = folder / "pip.conf"
    settings.write_text("[install]\nno-deps = true\nno-index = true\n", encoding="utf-8")
    after = HERE + "\nprint(importlib.util.find_spec('downhill_course').origin)"
    said = run([python, "-c", after], folder, env={**CLEAN, "PYTHONUTF8": "1", "PIP_CONFIG_FILE": str(settings)})
    first, second = said.splitlines()
    assert first == f"Installing · 正在安装 ./{wheels.name()}[chapters]"
    assert str(python.parents[1]) in second
    assert run([python, "-c", HERE], folder) == "", "the second time it is there"
    run([python, "-m", "pip", "uninstall", "-q", "-y", "downhill-course"], folder)
    copy = wheels.name().replace(".whl", " (1).whl")
    (folder / wheels.name()).rename(folder / copy)
    said = run([python, "-c", after], folder, env={**CLEAN, "PYTHONUTF8": "1", "PIP_CONFIG_FILE": str(settings)})
    assert said.splitlines()[0] == f"Installing · 正在安装 ./{copy}[chapters]", "a browser's second copy will do"
    (folder / copy).unlink()


def test_a_user_folder_that_pip_has_just_made_is_looked_into(tmp_path):
    """Where the kernel started before there was one: what was installed there was not found."""
    fake = tmp_path / "user" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    stand_in = f"""
import subprocess, pathlib
class Done: returncode = 0; stderr = ""
def run(*a, **k):
    made = pathlib.Path({str(fake)!r}, "downhill_course"); made.mkdir(parents=True); (made / "__init__.py").touch()
    return Done
subprocess.run = run
"""
    said = run([sys.base_prefix + "/bin/python3", "-c", stand_in + HERE + "\nimport downhill_course"], tmp_path,
               env={**CLEAN, "PYTHONUTF8": "1", "PYTHONUSERBASE": str(tmp_path / "user")})  # fmt: skip
    assert said.startswith("Installing"), said


def test_the_wheel_is_made_the_same_twice_and_holds_what_optlib_needs(tmp_path):
    import zipfile

    made = wheels.make(tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "downhill_course-0.0.1-py3-none-any.whl").touch()
    assert made.read_bytes() == wheels.make(tmp_path / "two").read_bytes()
    assert [path.name for path in (tmp_path / "two").iterdir()] == [wheels.name()]
    names = set(zipfile.ZipFile(made).namelist())
    assert {"optlib/_files/digits.npz", "optlib/widget/js/figure.js", "optlib/widget/explorer.css"} <= names
    rooms = [wheels.ROOT / package for package in ("optlib", "downhill_course")]
    source = {p.relative_to(wheels.ROOT).as_posix() for room in rooms for p in room.rglob("*.py")}
    assert source == {name for name in names if name.endswith(".py")}


def test_the_marking_never_runs_it():
    """Whatever a student writes into that cell: it is ours, and nothing in it counts or costs."""
    whole = assignment(known()[0])
    task = next(task for task in whole.tasks.values() if not task.by_hand)
    ours = {**cell("raise SystemExit('from the first cell')", "install"), "id": "install"}
    handed = submission(ours, cell("helper = 1"), cell(task.solved, task.name))
    assert handed.everything(whole, task) == ["helper = 1", task.solved]
