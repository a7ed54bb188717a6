"""What others read: Binder's files, and the workflows, which call the README's commands and nothing of their own."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = [*(ROOT / ".github" / "workflows").glob("*.yml"), ROOT / ".gitlab-ci.yml"]


def commands(path):
    """Every shell command of a workflow."""

    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("run", "script"):
                    yield from [value] if isinstance(value, str) else value
                else:
                    yield from walk(value)
        elif isinstance(node, list):
            for item in node:
                yield from walk(item)

    return list(walk(yaml.safe_load(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_the_readmes_commands(path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    found = commands(path)
    assert found
    for line in found:
        word, *rest = line.split()
        assert word in ("make", ".ci/run", "mv"), line
        assert word != "make" or rest[0] in targets, line


def test_binder_reads_pythons_version_and_installs_optlib():
    version = (ROOT / "runtime.txt").read_text().strip()
    assert re.fullmatch(r"python-3\.\d+", version)
    least = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    assert tuple(map(int, version.removeprefix("python-").split("."))) >= tuple(
        map(int, least.removeprefix(">=").split("."))
    )
    script = ROOT / "postBuild"
    assert os.access(script, os.X_OK)
    assert "pip install --no-deps" in script.read_text(encoding="utf-8")
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    assert "==" in (ROOT / "requirements.txt").read_text(encoding="utf-8")
