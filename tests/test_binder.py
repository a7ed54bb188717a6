"""Binder: what repo2docker makes of the files here, and an environment from exactly those files at work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from fresh import CLEAN, ROOT, copy, environment, run
from lab import Jupyter, Meter
from needs import need
from packaging.requirements import Requirement
from test_imports import declared

from downhill_course.notebook.cells import read, tags_of
from downhill_course.notebook.running import all_notebooks

VERSION = (ROOT / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")


# --- the image --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory):
    """What `repo2docker --no-build` prints. It needs no Docker for that, and here finds none."""
    folder = copy(tmp_path_factory.mktemp("binder"))
    nowhere = {**CLEAN, "DOCKER_HOST": "tcp://127.0.0.1:1", "PYTHONWARNINGS": "ignore"}
    command = [
        sys.executable,
        "-m",
        "repo2docker",
        "--no-build",
        "--debug",
        "--user-id",
        "1000",
        "--user-name",
        "reader",
    ]
    done = subprocess.run([*command, "."], cwd=folder, env=nowhere, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done


def test_repo2docker_takes_the_python_that_runtime_names(dockerfile):
    assert f"Building conda environment for python={VERSION}" in dockerfile.stderr
    assert "version unspecified" not in dockerfile.stderr
    assert f"environment.py-{VERSION}".replace("-", "-2d").replace(".", "-2e") in dockerfile.stdout


def test_repo2docker_installs_the_pins_then_the_packages_then_runs_postbuild(dockerfile):
    """pyproject.toml makes the repository a package, so `pip install .` comes of itself, after the pins it builds on;
    postBuild then puts the reader's own copy in its place."""
    steps = re.findall(r"^RUN (.+)$", dockerfile.stdout, re.M)
    pip = "${KERNEL_PYTHON_PREFIX}/bin/pip install --no-cache-dir"
    ours = [step for step in steps if "pip install" in step or "postBuild" in step]
    assert ours == [f'{pip} -r "requirements.txt"', f"{pip} .", "chmod +x postBuild", "./postBuild"]
    assert "ENTRYPOINT" in dockerfile.stdout


def test_no_other_file_says_what_binder_installs():
    other = ("environment.yml", "Pipfile", "setup.py", "apt.txt", "Dockerfile", "binder", ".binder", "start")
    assert [name for name in other if (ROOT / name).exists()] == []


def test_every_pin_is_asked_for():
    """Nothing is installed that no one needs: each pin names its users, up to what pyproject.toml asks for."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()[1:]
    wanted: dict[str, set[str]] = {}
    name = ""
    for line in lines:
        if not line.startswith(" "):
            name = Requirement(line).name
            wanted.setdefault(name, set())
        else:
            wanted[name].add(line.strip().removeprefix("# via").strip(" #").split(" ")[0])
    roots = {name for name, users in wanted.items() if "downhill-course" in users}
    assert roots == declared({"notebook"}), "run `make lock`"
    lost = {name: users for name, users in wanted.items() if not users - {""} <= {*wanted, "downhill-course"}}
    assert lost == {}
    assert all(users - {""} for users in wanted.values())


# --- the environment at work ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of the repository with the environment that Binder would make of it, in `.venv`; a minute or more."""
    need(sys.version.startswith(VERSION), f"Binder has Python {VERSION}: run this test with it")
    need(shutil.which("bash"), "postBuild is a script for bash")
    folder = copy(tmp_path_factory.mktemp("repository"))
    python = environment(folder / ".venv")
    path = {**CLEAN, "PATH": os.pathsep.join([str(python.parent), CLEAN["PATH"]])}
    run([python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "-r", "requirements.txt"], folder, env=path)
    run(["bash", "./postBuild"], folder, env=path)
    yield folder, python
    shutil.rmtree(folder / ".venv", ignore_errors=True)


@pytest.fixture(scope="module")
def jupyter(repository, tmp_path_factory):
    folder, python = repository
    home = tmp_path_factory.mktemp("home")
    server = Jupyter(python, folder, home)
    yield server
    server.close()


def printed(outputs: list[dict]) -> str:
    """What a cell wrote, as a reader sees it; the live view and the stored one differ in widgets alone."""
    return "".join(
        "".join(out["text"]) if "text" in out else "".join(out.get("data", {}).get("text/markdown", ""))
        for out in outputs
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", all_notebooks(), ids=lambda path: path.name)
def test_every_notebook_runs_in_jupyterlab_within_two_gigabytes(jupyter, path, record_property):
    stored = {cell.id: cell for cell in read(path).cells if cell.cell_type == "code"}
    meter = Meter(psutil.Process(jupyter.process.pid))
    meter.start()
    try:
        outputs = jupyter.execute(f"book/{path.name}")
    finally:
        meter.done.set()
        meter.join()
        print(f"{path.name}: {meter.peak / 2**20:.0f} MiB at most")
        record_property("MiB", round(meter.peak / 2**20))
        assert not meter.over, f"{path.name} needs more than 2 GiB: {meter.peak / 2**20:.0f} MiB when it was stopped"
    assert outputs.keys() == stored.keys()
    for name, found in outputs.items():
        errors = [out for out in found if out["kind"] == "error"]
        if "raises-exception" in tags_of(stored[name]):
            assert errors
            continue
        assert not errors, f"{path.name}, {name}: {errors[0]['ename']}: {errors[0]['evalue']}"
        assert [out["text"] for out in found if out.get("name") == "stderr"] == [], f"{path.name}, {name} complains"
        assert printed(found) == printed(stored[name].outputs), f"{path.name}, {name} prints something else"
    assert any(
        "application/vnd.jupyter.widget-view+json" in out.get("data", {}) for f in outputs.values() for out in f
    ) == (any("Explorer(" in cell.source or "Controls(" in cell.source for cell in stored.values())), (
        "a live control is more than its picture"
    )


@pytest.mark.slow
def test_an_explorer_is_alive_in_jupyterlab(jupyter, chrome):
    """As a reader does it: open the chapter, run all cells, move the start."""
    page = chrome.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"http://127.0.0.1:{jupyter.port}/lab/tree/book/03-momentum.ipynb?token={jupyter.token}")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=120_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=120_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    figure = page.locator(".jp-OutputArea .dx").first
    figure.wait_for(state="attached", timeout=300_000)
    figure.scroll_into_view_if_needed()
    canvas = figure.locator(".dx-canvas").first
    before = canvas.get_attribute("aria-label")
    figure.locator(".dx-handle").first.press("ArrowRight")
    page.wait_for_function("old => document.querySelector('.jp-OutputArea .dx-canvas').ariaLabel !== old", arg=before)
    page.close()


OWN = """from optlib.widget import Explorer


def mine(theta, g, *, lr=0.02):
    return theta - lr * g, ()


Explorer(surface="bowl", algorithms=[mine, "sgd"])"""
SLIDERS = """from downhill_course.controls import Controls, log_slider
from optlib import surfaces, view
def ravine(b):
    return view.contour(surfaces.ravine.but(b=b), width=200)
Controls(ravine, b=log_slider(1.0, 100.0, 10.0))"""


@pytest.mark.slow
@pytest.mark.parametrize(("package", "place"), [("jupyterlab", "lab/tree"), ("notebook", "notebooks")])
@pytest.mark.parametrize(("cell", "live"), [(OWN, ".dx"), (SLIDERS, ".dx-live")], ids=["explorer", "controls"])
def test_a_readers_own_figure_keeps_its_picture(chrome, tmp_path, package, place, cell, live):
    """Run all, save, close, open anew: live, then the picture, where "model not found" would stand."""
    pytest.importorskip(package, reason=f"no part of what the course installs: pip install {package}")
    (tmp_path / "home").mkdir()
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    cells = [nbformat.v4.new_code_cell(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{cell}")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "own.ipynb")
    server = Jupyter(Path(sys.executable), tmp_path, tmp_path / "home")
    address = f"http://127.0.0.1:{server.port}/{place}/own.ipynb?reset&token={server.token}"
    try:
        page = chrome.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        for _ in range(240):  # what the page shows as idle may be a kernel that it does not have yet
            if any(each["connections"] and each["execution_state"] == "idle" for each in server.ask("api/kernels")):
                break
            page.wait_for_timeout(500)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.locator(f".jp-OutputArea {live}").first.wait_for(timeout=120_000)
        page.locator(f".jp-OutputArea img:not({live} *)").wait_for(state="hidden")
        page.keyboard.press("Control+s")
        for _ in range(120):
            if nbformat.read(tmp_path / "own.ipynb", 4).cells[0].outputs:
                break
            page.wait_for_timeout(500)
        page.close()
        for session in server.ask("api/sessions"):
            server.ask(f"api/sessions/{session['id']}", method="DELETE")
        page = chrome.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.locator(".jp-OutputArea img").wait_for(timeout=120_000)
        page.get_by_text("model not found").wait_for(state="attached")
        page.get_by_text("model not found").wait_for(state="hidden")
        page.close()
    finally:
        server.close()
