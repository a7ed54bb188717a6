"""nbgrader with our grader inside: its gradebook and formgrader, our sandbox and marks.

nbgrader's own autograder runs the tests in the student's kernel, where the student's code can change them. With these
lines in `nbgrader_config.py`, `nbgrader autograde` reads the notebook as data and takes the marks from `exercises`:

    from downhill_course.grade.nbgrader_wall import use
    c = get_config()
    use(c)                     # use(c, user="nobody") where root grades

`downhill release 03-momentum --nbgrader COURSE` writes the assignment into a course's `source/` folder.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nbformat.v4 import new_output
from nbgrader import preprocessors as stock
from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor
from traitlets import Unicode

from downhill_course import files
from downhill_course.grade import feedback, submissions
from downhill_course.grade.marking import mark
from downhill_course.grade.sandbox import Sandbox
from downhill_course.grade.source import INSTEAD, SOLUTION, Assignment, stub


class Stubs(ClearSolutions):
    """nbgrader's own, but for tasks that hand out something to mend in the solution's place."""

    def preprocess_cell(self, cell: Any, resources: dict, cell_index: int) -> tuple[Any, dict]:
        if cell.cell_type == "code" and INSTEAD.search(cell.source):
            cell.source = SOLUTION.sub(stub, cell.source)
            return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)


class Wall(NbGraderPreprocessor):
    """Stands where nbgrader executes the notebook: each test cell gets its points as an output, decided outside."""

    user = Unicode("", help="When root grades: the unprivileged user that answers run as").tag(config=True)
    sandbox = Unicode("bubblewrap", help="bubblewrap, docker or podman").tag(config=True)
    secret = Unicode("secret.txt", help="Seeds the hidden inputs; made on first use, in the course's folder").tag(
        config=True
    )

    def preprocess(self, nb: Any, resources: dict) -> tuple[Any, dict]:
        told = resources["nbgrader"]
        assignment = Assignment.open(told["assignment"])
        cells = [cell for cell in map(submissions.plain_cell, nb.cells) if cell is not None]
        language = nb.metadata.get("downhill", {}).get("language", "both")
        language = language if language in ("en", "zh", "both") else "both"
        submission = submissions.Submission(told["student"], told["notebook"], cells, language)
        box = Sandbox(self.sandbox, self.user or None)
        box.test()
        result = mark(submission, assignment, box, self._seed(told))
        marked = {f"{task.name}-check": task for task in result.tasks if task.points is not None}
        text = _by_task(feedback.text({**result.plain(), "final": result.points, "penalty": 0}))
        for cell in nb.cells:
            task = marked.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
            if task is not None and cell.cell_type == "code":
                points = {"text/plain": repr(float(task.points or 0))}
                cell.outputs = [
                    new_output("stream", name="stdout", text=text.get(task.name, "")),
                    new_output("execute_result", data=points, execution_count=1),
                ]
        return nb, resources

    def _seed(self, told: dict) -> bytes:
        import secrets

        path = Path(re.sub(r"^sqlite:///", "", told["db_url"])).parent / self.secret
        if not path.exists():
            files.replace(path, secrets.token_hex(32) + "\n", private=True)
        return path.read_text(encoding="utf-8").strip().encode()


def _by_task(text: str) -> dict[str, str]:
    """The feedback cut at its tasks, each under its name."""
    found = {}
    for part in text.split("\n\n")[1:]:
        name = re.search(r"\(([\w-]+)\): [\d.…]+ / [\d.]+$", part.splitlines()[0])
        if name:
            found[name.group(1)] = part + "\n"
    return found


def use(c: Any, user: str = "", sandbox: str = "bubblewrap") -> None:
    """Put the wall into an nbgrader configuration."""
    c.Wall.user, c.Wall.sandbox = user, sandbox
    c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE · 在这里写代码\nraise NotImplementedError()"}
    generate = [
        stock.IncludeHeaderFooter, stock.LockCells, Stubs, stock.ClearOutput, stock.CheckCellMetadata,
        stock.ComputeChecksums, stock.SaveCells, stock.ClearHiddenTests, stock.ClearMarkScheme,
        stock.ComputeChecksums, stock.CheckCellMetadata,
    ]  # fmt: skip
    c.GenerateAssignment.preprocessors = generate
    c.Autograde.autograde_preprocessors = [
        Wall, stock.LimitOutput, stock.SaveAutoGrades, stock.AssignLatePenalties, stock.CheckCellMetadata,
    ]  # fmt: skip
