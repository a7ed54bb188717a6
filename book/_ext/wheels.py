"""optlib as one file that `pip install` takes: the site offers it, so that its notebooks need no git."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("optlib", "pyproject.toml", "README.md", "LICENSE", "LICENSE-CC-BY-4.0.txt")
EPOCH = "315619200"  # 1980-01-02, which a zip can hold: the same source gives the same bytes


def name() -> str:
    """What the wheel is called: optlib's version is part of it."""
    said = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert said is not None, "pyproject.toml has no version"
    return f"optlib-{said[1]}-py3-none-any.whl"


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
            raise SystemExit(f"optlib's wheel could not be built:\n{done.stdout}{done.stderr}")
        made, place = out / name(), folder / name()
        for old in folder.glob("optlib-*.whl"):
            if old != place:
                old.unlink()
        if not place.exists() or place.read_bytes() != made.read_bytes():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, place)
        return place
