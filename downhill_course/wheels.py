"""Both packages as one file that `pip install` takes: the site offers it, so that its notebooks need no git."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from downhill_course.project import ROOT
from optlib import __version__

PARTS = ("optlib", "downhill_course", "pyproject.toml", "README.md", "LICENSE", "LICENSE-CC-BY-4.0.txt")
EPOCH = "315619200"  # 1980-01-02, which a zip can hold: the same source gives the same bytes


def name() -> str:
    """What the wheel is called: the version is part of it."""
    return f"downhill_course-{__version__}-py3-none-any.whl"


def make(folder: Path) -> Path:
    """The wheel in a folder; built from a copy, since building leaves its scraps beside the source."""
    with tempfile.TemporaryDirectory() as scratch:
        source, out = Path(scratch, "source"), Path(scratch, "out")
        source.mkdir()
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            else:
                shutil.copy(ROOT / part, source / part)
        command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "--wheel-dir", str(out), str(source)],
            capture_output=True, errors="replace", env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"the wheel could not be built:\n{done.stdout}{done.stderr}")
        made, place = out / name(), folder / name()
        for old in folder.glob("*.whl"):
            if old != place:
                old.unlink()
        if not place.exists() or place.read_bytes() != made.read_bytes():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, place)
        return place
