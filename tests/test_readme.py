"""The README, followed word for word in a fresh clone, and the same commands in both languages."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from fresh import CLEAN, ROOT, copy, run
from grading import USER

from downhill_course.__main__ import COMMANDS as COMMANDS_OF_DOWNHILL

PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def blocks(name: str, kind: str = "bash") -> list[str]:
    return [text for language, text in BLOCK.findall(PAGES[name]) if language == kind]


COMMANDS = [line for block in blocks("README.md") for line in block.splitlines()]


def test_both_languages_hold_the_same_commands():
    english, chinese = (BLOCK.findall(PAGES[name]) for name in PAGES)
    assert english == chinese
    assert len(COMMANDS) >= 10
    inline = [set(re.findall(r"`(make [a-z-]+|pip [^`]+)`", PAGES[name])) for name in PAGES]
    assert inline[0] == inline[1]


def test_both_languages_link_to_the_same_places():
    english, chinese = (sorted(re.findall(r"\]\(([^)]+)\)", PAGES[name])) for name in PAGES)
    swap = {"README.zh-CN.md": "README.md"}
    assert sorted(swap.get(link, link) for link in english) == sorted(chinese)
    for link in english:
        assert link.startswith("https://") or (ROOT / link.split("#")[0]).exists(), link


def test_everything_the_commands_name_is_there():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
    for page in PAGES.values():
        assert set(re.findall(r"\bmake ([a-z-]+)", page)) - {"it"} <= targets
    for line in COMMANDS:
        for word in shlex.split(line):
            if word.startswith(("book/", "exercises/", "optlib/")):
                assert (ROOT / word).exists(), line
    named = re.findall(r"\.venv/bin/downhill (\S+)", "\n".join(COMMANDS))
    assert len(named) >= 4
    assert set(named) <= COMMANDS_OF_DOWNHILL.keys()


def test_the_python_of_the_readme_reaches_the_minimum_in_six_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (text,) = blocks("README.md", "python")
    assert len([line for line in text.splitlines() if line]) <= 6
    names: dict = {}
    exec(text, names)
    assert abs(names["path"][-1] - 1).max() < 1e-6
    assert (tmp_path / "rosenbrock.png").read_bytes().startswith(b"\x89PNG")


def test_the_lines_for_windows_are_the_three_that_the_site_gives():
    """The same as on the page `run`, but for the names that Windows has."""
    (plain,) = [text for text in blocks("README.md", "") if "venv" in text]
    page = (ROOT / "book" / "run.md").read_text(encoding="utf-8")
    (given,) = [text for language, text in BLOCK.findall(page) if language == "bash"]
    assert plain.replace(".venv\\Scripts\\", ".venv/bin/").replace("py -m", "python3 -m") == given


# --- the walk ---------------------------------------------------------------------------------------


def answer(address: str, seconds: float) -> str:
    """What a server says, asked until it answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as page:
                return page.read().decode("utf-8", errors="replace")
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def served(line: str, folder: Path, address: str, environment: dict) -> str:
    """A command that serves until it is ended: what it answered."""
    with (folder / "served.log").open("wb") as log:
        process = subprocess.Popen(
            shlex.split(line), cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            return answer(address, 120)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the walk is written for a shell; Windows has its three lines")
def test_a_newcomer_reads_runs_changes_and_deploys(tmp_path):
    """Every command of the README in its order. Some are cut short: the clone comes from here, the suite is one file,
    and the servers are asked once and ended."""
    origin = copy(tmp_path / "origin")
    for words in ("init -q", "add -A", "-c user.name=a -c user.email=a@b -c commit.gpgsign=false commit -qm all"):
        run(["git", *words.split()], origin)
    environment = {**CLEAN, "PYTHON": sys.executable, "MAKEFLAGS": ""}
    folder, done, pages = tmp_path, [], {}
    for line in COMMANDS:
        word = line.split()
        if word[:2] == ["git", "clone"]:
            run(["git", "clone", "-q", origin, Path(word[2]).name], folder)
        elif word[0] == "cd":
            folder = folder / word[1]
        elif line == "make test":
            said = run(
                ["make", "test", "SUITE=tests/test_rules.py", f"PYTHON={sys.executable}"], folder, env=environment
            )
            assert re.search(r"\d{3,} passed", said)
        elif "jupyter lab" in line:
            quiet = f"{line} --no-browser --allow-root --port=8899 --IdentityProvider.token=t"
            pages["lab"] = served(quiet, folder, "http://127.0.0.1:8899/lab/tree/00-descent.ipynb?token=t", environment)
        elif "http.server" in line:
            address = "http://127.0.0.1:8899/downhill/en/00-descent.html"
            pages["site"] = served(line.replace("8000", "8899"), folder, address, environment)
        else:
            if "downhill grade" in line:
                (folder / "submissions").mkdir()
                shutil.copy(folder / "release/zh/03-momentum.ipynb", folder / "submissions/wang.ipynb")
                line += f" --user {USER}" if USER else ""
            if line.startswith("make"):
                line += f" PYTHON={shlex.quote(sys.executable)}"
            run(["sh", "-c", line], folder, env=environment)
        done.append(line)
    assert len(done) == len(COMMANDS)
    assert "JupyterLab" in pages["lab"]
    assert 'lang="en"' in pages["site"]
    assert not re.search(r"(?:src|href)=\"/", pages["site"]), "a link from the root would be lost below a path"
    assert (folder / "grades").is_dir()
    assert run(["git", "status", "--porcelain", "book", "optlib"], folder) == "", "nothing changed that no one changed"
    shutil.rmtree(folder / ".venv")
