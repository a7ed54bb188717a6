"""Submissions a minute, and memory of the parent; side by side with nbgrader's autograder on the same notebooks.

python benchmarks/bench_grader.py [--submissions 500] [--peers 12]

nbgrader is an optional peer (pip install nbgrader==0.9.6); without it only our own figures are printed.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from downhill_course.grade.source import Assignment

ROOT = Path(__file__).parents[1]

NAME = "03-momentum"
TASKS = ("step", "terminal", "nesterov")
USER = ["--user", "nobody"] if os.getuid() == 0 else []
STOCK = "c = get_config()\nc.CourseDirectory.course_id = 'course'\n"


def three_tasks(folder: Path) -> Assignment:
    """The assignment with three of its tasks, as an instructor's own folder holds it."""
    whole = json.loads((ROOT / "exercises" / NAME / "source.ipynb").read_text(encoding="utf-8"))
    names = {name for task in TASKS for name in (task, f"{task}-check")}
    whole["cells"] = [c for c in whole["cells"] if _name(c) is None or _name(c) in names]
    place = folder / NAME / "source.ipynb"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(whole), encoding="utf-8")
    return Assignment.open(NAME, folder)


def _name(cell: dict) -> str | None:
    told = cell["metadata"].get("nbgrader", {})
    return told.get("grade_id") if told.get("solution") or told.get("grade") else None


def answered(assignment: Assignment, number: int) -> dict:
    """A notebook with right and wrong answers in turn."""
    made = assignment.student("en")
    for cell in made["cells"]:
        task = assignment.tasks.get(_name(cell) or "")
        if task:
            cell["source"] = task.solved.replace(*(("theta - v", "theta + v") if number % 3 == 0 else ("", "")))
    return made


def ours(folder: Path, assignment: Assignment, count: int) -> float:
    """Submissions a minute with every core."""
    inbox = folder / "in"
    inbox.mkdir()
    for number in range(count):
        (inbox / f"student{number:04d}.ipynb").write_text(json.dumps(answered(assignment, number)), encoding="utf-8")
    words = ["grade", inbox, "--assignment", NAME, "--out", folder / "out", *USER]
    code = "import resource, sys; from downhill_course.grade.command import main; status = main(sys.argv[2:]);"
    code += " print('PARENT', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    start = time.monotonic()
    more = [str(word) for word in [*words, "--tasks", assignment.path.parents[1]]]
    done = subprocess.run([sys.executable, "-c", code, *more], cwd=ROOT, capture_output=True, text=True)
    spent = time.monotonic() - start
    memory = [row for row in done.stdout.splitlines() if row.startswith("PARENT")]
    if not memory or f"{count} graded" not in done.stdout:
        raise SystemExit(done.stdout + done.stderr)
    print(f"ours: {count} submissions in {spent:.1f} s, {60 * count / spent:.0f} a minute (bar 250)")
    print(f"ours: parent {int(memory[0].split()[1]) / 1000:.0f} MB (bar 200)")
    return 60 * count / spent


def stock(folder: Path, assignment: Assignment, count: int) -> float | None:
    """nbgrader's own autograder on the same notebooks, with its own assertions in the test cells."""
    if importlib.util.find_spec("nbgrader") is None:
        print("nbgrader is not installed: no comparison (pip install nbgrader==0.9.6)")
        return None
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def run(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *words], cwd=folder, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)

    (folder / "nbgrader_config.py").write_text(STOCK)
    source = assignment.for_nbgrader("en")
    for cell in source["cells"]:
        if cell["cell_type"] == "code" and "HIDDEN TESTS" in cell["source"]:
            cell["source"] = "assert callable(step)"
    place = folder / "source" / NAME / f"{NAME}.ipynb"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(source), encoding="utf-8")
    run("generate_assignment", NAME)
    for number in range(count):
        made = folder / "submitted" / f"student{number:04d}" / NAME / f"{NAME}.ipynb"
        made.parent.mkdir(parents=True)
        made.write_text(json.dumps(answered(assignment, number)), encoding="utf-8")
    start = time.monotonic()
    run("autograde", NAME)
    spent = time.monotonic() - start
    print(f"nbgrader autograde: {count} submissions in {spent:.1f} s, {60 * count / spent:.0f} a minute")
    return 60 * count / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=500)
    parser.add_argument("--peers", type=int, default=60, help="how many of them nbgrader grades")
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        assignment = three_tasks(folder / "tasks")
        rate = ours(folder, assignment, asked.submissions)
        peer = stock(folder, assignment, asked.peers)
        if peer:
            met = "yes" if rate / peer >= 5 else "no"
            print(f"ratio: {rate / peer:.1f} (bar 5: {met}); two processes here, one there")


if __name__ == "__main__":
    main()
