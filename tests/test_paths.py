"""The student's and the instructor's page, followed word for word: from the release to the import of the marks."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest
from grading import USER, assignment, sandbox

ROOT = Path(__file__).parents[1]
NAME = "03-momentum"
PAGE = (ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"^```bash\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]


@pytest.fixture
def school(tmp_path):
    """A folder that looks like the repository's root after `make env`, where the commands may write."""
    sandbox()
    for name in ("exercises", "optlib", "book"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def run(line, folder):
    """A command of the page. CI is root, and says who the answers run as; nothing else is added."""
    more = f" --user {USER}" if USER and "downhill grade" in line else ""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(line + more, shell=True, cwd=folder, capture_output=True, text=True, env=environment)


def work(path, right):
    """What a student does: fill in, run all, save. Returns what the checks said."""
    notebook = nbformat.read(path, as_version=4)
    tasks = assignment(NAME).tasks
    for cell in notebook.cells:
        task = tasks.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if task and task.by_hand:
            cell.source = "The eigenvalues are complex. · 特征值是复数。"
        elif task:
            cell.source = task.solved if right else task.solved.replace("theta - v, v", "theta + v, v")
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    nbformat.write(notebook, path)
    shown = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return "\n".join(str(out.get("data", {}).get("text/plain", out)) for out in shown)


def test_the_pages_path_from_release_to_marks(school):
    assert len(COMMANDS) == 5
    hand_out, grade, imports = COMMANDS[:2], COMMANDS[2], COMMANDS[3:]
    for line in hand_out:
        done = run(line, school)
        assert done.returncode == 0, done.stderr
    inbox = school / "submissions"
    inbox.mkdir()
    said = {}
    for student, language, right in (("lovelaceada_11_5", "en", True), ("wangwei_12_6", "zh", False)):
        text = (school / "release" / language / f"{NAME}.ipynb").read_text(encoding="utf-8")
        path = inbox / f"{student}_{NAME}.ipynb"
        path.write_text(text, encoding="utf-8")
        said[language] = work(path, right)
    assert "✗" not in said["en"]
    assert "Your progress" in said["en"]
    assert "graded by hand" in said["en"]
    assert "这是在上山" in said["zh"]
    assert "请重读" in said["zh"]

    done = run(grade, school)
    assert done.returncode == 0, done.stderr
    full = assignment(NAME).points - assignment(NAME).tasks["defend"].points
    rows = list(csv.DictReader(io.StringIO((school / "grades" / "grades.csv").read_text(encoding="utf-8-sig"))))
    assert float(rows[0]["points"]) == full
    assert float(rows[1]["points"]) == full - 3
    assert "这是在上山" in (school / "grades" / "feedback" / "wangwei.html").read_text(encoding="utf-8")

    sheet = school / "grades" / "by-hand.csv"
    filled = re.sub(r"(?m)^(\w+,defend),,3,,", r"\1,2,3,clear,", sheet.read_text(encoding="utf-8-sig"))
    sheet.write_text(filled, encoding="utf-8")
    (school / "gradebook.csv").write_text(f"Student,ID,{NAME} (5)\n Points Possible,,24\nAda,11,\nWei,12,\n")
    (school / "worksheet.csv").write_text("Identifier,Full name,Grade\nParticipant 11,Ada,\nParticipant 12,Wei,\n")
    for line in imports:
        done = run(line, school)
        assert done.returncode == 0, done.stdout + done.stderr
    canvas = (school / "grades" / "canvas.csv").read_text(encoding="utf-8-sig").split()
    assert canvas[-2:] == [f"Ada,11,{full + 2:g}", f"Wei,12,{full - 1:g}"]
    moodle = (school / "grades" / "moodle.csv").read_text(encoding="utf-8-sig").split()
    assert moodle[-1] == f"12,Wei,{full - 1:g}"
    report = json.loads((school / "grades" / "report.json").read_text(encoding="utf-8"))
    assert report["attention"] == []
    assert not list((school / "grades").rglob("*.tmp"))


def test_the_policy_on_the_page_is_one_the_grader_reads(tmp_path):
    from downhill_course.grade import policy

    text = re.search(r"^```toml\n(.*?)^```", PAGE, re.M | re.S).group(1)
    (tmp_path / "late.toml").write_text(text)
    assert policy.load(tmp_path / "late.toml") == _policy(tmp_path, policy.EXAMPLE)


def _policy(folder, text):
    from downhill_course.grade import policy

    (folder / "example.toml").write_text(text)
    return policy.load(folder / "example.toml")
