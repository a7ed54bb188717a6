"""Fresh places: the project as git would clone it, and environments with nothing in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILT = {"_build", "node_modules", ".venv", ".git"}
#: What a person's shell has, without what this test run set.
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHON", "VIRTUAL_ENV"))}


def copy(target: Path) -> Path:
    """Every file that git tracks or would add, as it is now; without git, every file but what was built."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    if listed.returncode == 0:
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        files = [path for path in ROOT.rglob("*") if not BUILT & set(path.relative_to(ROOT).parts)]
    for path in files:
        if path.is_file():
            place = target / path.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)
    return target


def environment(folder: Path, python: str | Path = sys.executable) -> Path:
    """A new virtual environment with pip alone; returns its Python."""
    subprocess.run([python, "-m", "venv", folder], check=True, env=CLEAN)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run(command: list, cwd: Path, **more) -> str:
    """Run a command; its output, or a failure that shows it."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        **{"env": CLEAN, **more},
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout
