"""Make from an assignment's source what students get: notebooks without solutions, in three languages.

  downhill release 03-momentum --out release/               en/, zh/ and both/
  downhill release 03-momentum --out release/ --language zh --solutions
  downhill release --list                                   what there is, with points

由作业的源笔记本生成学生版：不含解答，分英文、中文、双语三种。
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from downhill_course.files import Unwritable, replace
from downhill_course.grade.source import LANGUAGES, Assignment, known
from downhill_course.grade.spec import Faulty
from downhill_course.project import EXERCISES


def text(notebook: dict) -> str:
    """A notebook as its file holds it."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def release(assignment: Assignment, out: Path, languages: list[str], solutions: bool = False) -> list[Path]:
    """Write the notebooks of an assignment: `out/LANGUAGE/NAME.ipynb`, and `NAME-solution.ipynb` if asked for."""
    written = []
    for language in languages:
        wanted = {f"{assignment.name}.ipynb": assignment.student(language)}
        if solutions:
            wanted[f"{assignment.name}-solution.ipynb"] = assignment.solution(language)
        for name, notebook in wanted.items():
            replace(out / language / name, text(notebook))
            written.append(out / language / name)
    return written


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("downhill release", description=__doc__, formatter_class=shape)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"assignments (default: all): {', '.join(known())}")
    parser.add_argument(
        "--out", type=Path, default=Path("release"), metavar="FOLDER", help="where to (default: release/)"
    )
    parser.add_argument("--language", choices=LANGUAGES, action="append", help="only this one; may be given twice")
    parser.add_argument("--solutions", action="store_true", help="the worked solutions too, with rubrics")
    parser.add_argument(
        "--tasks", type=Path, default=EXERCISES, metavar="FOLDER", help="where they are (default: the course)"
    )
    parser.add_argument("--nbgrader", type=Path, metavar="COURSE", help="into source/ of an nbgrader course instead")
    parser.add_argument("--list", action="store_true", help="list the assignments and stop")
    asked = parser.parse_args(argv)
    try:
        for name in asked.names or known(asked.tasks):
            assignment = Assignment.open(name, asked.tasks.resolve())
            if asked.list:
                print(f"{name}: {len(assignment.tasks)} tasks, {assignment.points:g} points")
                continue
            if asked.nbgrader:
                language = (asked.language or ["both"])[0]
                replace(asked.nbgrader / "source" / name / f"{name}.ipynb", text(assignment.for_nbgrader(language)))
                continue
            for path in release(assignment, asked.out, asked.language or list(LANGUAGES), asked.solutions):
                print(path)
    except (Faulty, Unwritable) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
