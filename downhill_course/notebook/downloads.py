"""Chapters to take away: a notebook as one view shows it, ready for Jupyter."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat

from downhill_course.files import write_if_new
from downhill_course.notebook.cells import dumps, language_of, read, text_of
from downhill_course.notebook.views import View

FOLDER = "notebooks"  # in each view of the site
HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*$", re.M)
LABEL = re.compile(r"^\([^()\s]+\)=[ \t]*\n?", re.M)


def as_shown(notebook: nbformat.NotebookNode, view: View) -> nbformat.NotebookNode:
    """The cells of the view's languages, headings cut, labels left out: they mean something to the site alone."""
    made = copy.deepcopy(notebook)
    made["cells"] = [cell for cell in made["cells"] if language_of(cell) in (None, *view.languages)]
    for cell in made["cells"]:
        if cell["cell_type"] == "markdown":
            text = LABEL.sub("", text_of(cell))
            cell["source"] = HEADING.sub(lambda match: f"{match[1]} {view.cut(match[2])}", text)
        if "remove-input" in cell["metadata"].get("tags", []):
            cell["metadata"]["jupyter"] = {"source_hidden": True}
    return made


def offer(view: View, source: Path, target: Path) -> list[Path]:
    """Write every chapter's notebook into `target/notebooks`; returns what was written."""
    written = []
    (target / FOLDER).mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.ipynb")):
        place = target / FOLDER / path.name
        write_if_new(place, dumps(as_shown(read(path), view)))
        written.append(place)
    return written
