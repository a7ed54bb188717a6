"""nbgrader 0.9.6 from end to end, with our sandbox and marks in its gradebook."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from grading import USER, assignment, sandbox
from peers import library

library("nbgrader")
pytestmark = pytest.mark.peers
ROOT = Path(__file__).parents[1]
NAME = "03-momentum"
CONFIG = """
from downhill_course.grade.nbgrader_wall import use
c = get_config()
c.CourseDirectory.course_id = "course"
use(c, user={user!r})
"""


def run(folder, *line):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "JUPYTER_PLATFORM_DIRS": "1"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # it calls `alembic`
    done = subprocess.run([sys.executable, "-m", *line], cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_from_source_to_gradebook(tmp_path):
    sandbox()
    (tmp_path / "nbgrader_config.py").write_text(CONFIG.format(user=USER or ""))
    run(tmp_path, "downhill_course.grade.release", NAME, "--nbgrader", str(tmp_path))
    run(tmp_path, "nbgrader", "generate_assignment", NAME)
    released = json.loads((tmp_path / "release" / NAME / f"{NAME}.ipynb").read_text(encoding="utf-8"))
    text = json.dumps(released)
    assert "BEGIN SOLUTION" not in text
    assert "HIDDEN TESTS" not in text
    assert "1 - mu**t" in text, "the planted mistake is what the student finds"

    tasks = assignment(NAME).tasks
    for student, wrong in (("ada", None), ("bob", ("theta - v, v", "theta + v, v"))):
        made = json.loads(text)
        for cell in made["cells"]:
            task = tasks.get(cell["metadata"].get("nbgrader", {}).get("grade_id"))
            if task:
                cell["source"] = "Words." if task.by_hand else task.solved.replace(*(wrong or ("", "")))
        cheat = {"cell_type": "code", "id": "cheat", "metadata": {}, "outputs": [], "execution_count": None}
        made["cells"].append({**cheat, "source": "get_ipython().set_custom_exc((Exception,), lambda *a: None)"})
        place = tmp_path / "submitted" / student / NAME
        place.mkdir(parents=True)
        (place / f"{NAME}.ipynb").write_text(json.dumps(made), encoding="utf-8")
    run(tmp_path, "nbgrader", "autograde", NAME)
    run(tmp_path, "nbgrader", "generate_feedback", NAME)

    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        ada, bob = (book.find_submission(NAME, student) for student in ("ada", "bob"))
        full = assignment(NAME).points - tasks["defend"].points
        assert (ada.score, bob.score) == (full, full - 3)
        assert ada.needs_manual_grade
    page = (tmp_path / "feedback" / "bob" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    assert "walks uphill" in page
