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
COMMANDS = [
    line
    for block in re.findall(r"^```bash\n(.*?)^```", PAGE, re.M | re.S)
    for line in block.splitlines()
    if "ladder" not in line  # `test_ladder.py` follows those
]


#: Who follows the page here. Root plays the ordinary user in a namespace of its own.
FOLLOWERS = ["root", "user"] if USER else ["user"]
ORDINARY = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if USER else []


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    """A folder that looks like the repository's root after `make env`, where the commands may write."""
    sandbox()
    folder = tmp_path_factory.mktemp("school")
    for name in ("exercises", "optlib", "book"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def run(line, folder, who=""):
    """A command of the page: as root with what the page tells root to add, or as an ordinary user."""
    if "downhill grade" in line and who == "root":
        assert f"`--user {USER}`" in PAGE
        line += f" --user {USER}"
    words = [*(ORDINARY if who == "user" else []), "sh", "-c", line]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment)


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


@pytest.fixture(scope="module")
def handed_in(school):
    """The page up to the hand-in: two students, one of whom goes uphill; what the checks told them."""
    assert len(COMMANDS) == 5
    for line in COMMANDS[:2]:
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
    return said


def test_the_checks_tell_both_students_where_they_are(handed_in):
    assert "✗" not in handed_in["en"]
    assert "Your progress" in handed_in["en"]
    assert "graded by hand" in handed_in["en"]
    assert "这是在上山" in handed_in["zh"]
    assert "请重读" in handed_in["zh"]


@pytest.mark.parametrize("who", FOLLOWERS)
def test_the_pages_path_from_release_to_marks(who, handed_in, school):
    if who == "user" and subprocess.run([*ORDINARY, "true"], capture_output=True).returncode:
        pytest.skip("root may not play another user here")
    grade, imports = COMMANDS[2], COMMANDS[3:]
    marks = school / "grades"
    if marks.exists():
        marks.rename(school / "grades of the follower before")
    full = assignment(NAME).points - assignment(NAME).tasks["defend"].points
    (school / "gradebook.csv").write_text(f"Student,ID,{NAME} (5)\n Points Possible,,24\nAda,11,\nWei,12,\n")
    (school / "worksheet.csv").write_text("Identifier,Full name,Grade\nParticipant 11,Ada,\nParticipant 12,Wei,\n")
    done = run(grade, school, who)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO((marks / "grades.csv").read_text(encoding="utf-8-sig"))))
    assert float(rows[0]["points"]) == full
    assert float(rows[1]["points"]) == full - 3
    assert "这是在上山" in (marks / "feedback" / "wangwei.html").read_text(encoding="utf-8")
    done = run(imports[0], school, who)
    assert done.returncode == 1, "answers in words wait, and it says so"
    assert "Ada,11,\n" in (marks / "canvas.csv").read_text(encoding="utf-8-sig")

    sheet = list(csv.reader(io.StringIO((marks / "by-hand.csv").read_text(encoding="utf-8-sig"))))
    for row in sheet[1:]:
        row[2], row[4] = "1,5", "清楚"  # as a spreadsheet in another country saves it
    saved = io.StringIO()
    csv.writer(saved, delimiter=";").writerows(sheet)
    (marks / "by-hand.csv").write_bytes(saved.getvalue().encode("gbk" if who == "root" else "utf-8-sig"))
    for line in imports:
        done = run(line, school, who)
        assert done.returncode == 0, done.stdout + done.stderr
    canvas = (marks / "canvas.csv").read_text(encoding="utf-8-sig").split()
    assert canvas[-2:] == [f"Ada,11,{full + 1.5:g}", f"Wei,12,{full - 1.5:g}"]
    moodle = (marks / "moodle.csv").read_text(encoding="utf-8-sig").split()
    assert moodle[-1] == f"12,Wei,{full - 1.5:g}"
    assert "清楚" in (marks / "feedback" / "wangwei.txt").read_text(encoding="utf-8")
    report = json.loads((marks / "report.json").read_text(encoding="utf-8"))
    assert report["attention"] == []
    assert not list(marks.rglob("*.tmp"))


def test_root_is_refused_by_the_page_s_command_and_told_what_to_add(handed_in, school):
    if not USER:
        pytest.skip("only root is refused")
    done = run(COMMANDS[2], school)
    assert done.returncode == 2
    assert "--user nobody" in done.stderr


def test_the_policy_on_the_page_is_one_the_grader_reads(tmp_path):
    from downhill_course.grade import policy

    text = re.search(r"^```toml\n(.*?)^```", PAGE, re.M | re.S).group(1)
    (tmp_path / "late.toml").write_text(text)
    assert policy.load(tmp_path / "late.toml") == _policy(tmp_path, policy.EXAMPLE)


def _policy(folder, text):
    from downhill_course.grade import policy

    (folder / "example.toml").write_text(text)
    return policy.load(folder / "example.toml")
