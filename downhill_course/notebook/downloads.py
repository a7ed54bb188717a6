"""Chapters to take away: a notebook as one view shows it, ready for a Jupyter without any extension."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat

from downhill_course.files import write_if_new
from downhill_course.notebook import comments, labels, outputs
from downhill_course.notebook.cells import as_file, dumps, language_of, read, text_of
from downhill_course.notebook.setup_cell import NAME, SWITCH
from downhill_course.notebook.views import View, table

FOLDER = "notebooks"  # in each view of the site
HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*$", re.M)
DRIVES = re.compile(r"\[([^\]]*)\]\((?:set|now):[^)\s]*\)")  # what sets or reads a figure of the site
PAGE = re.compile(r"\[([^\]]*)\]\(([\w-]+)\.md(#[\w-]+)?\)")


def as_shown(notebook: nbformat.NotebookNode, view: View) -> nbformat.NotebookNode:
    """The cells of the view's languages, headings cut; without what means something to the site alone."""
    made = copy.deepcopy(notebook)
    labels.forget(made)
    made["cells"] = [cell for cell in made["cells"] if language_of(cell) in (None, *view.languages)]
    for cell in made["cells"]:
        if cell["cell_type"] == "markdown":
            text = DRIVES.sub(r"\1", text_of(cell))
            cell["source"] = HEADING.sub(lambda match: f"{match[1]} {view.cut(match[2])}", text)
        elif cell["id"] == NAME and len(view.languages) == 1:
            cell["source"] = text_of(cell).removesuffix(SWITCH)
        if "remove-input" in cell["metadata"].get("tags", []):
            cell["metadata"]["jupyter"] = {"source_hidden": True}
    return made


def offer(view: View, source: Path, target: Path, site: str = "") -> list[Path]:
    """Write every chapter's notebook into `target/notebooks`; returns what was written.

    A link to a page that is no notebook leads to the `site`; where none is known, its words stay.
    """
    written = []
    page = rf"[\1]({site}{view.name}/\2.html\3)" if site else r"\1"
    known, printed = table(source / comments.FILE), outputs.Phrases.read(source)
    for path in sorted(source.glob("*.ipynb")):
        place = target / FOLDER / path.name
        made = as_file(as_shown(read(path), view), path.name)
        if view.languages == ("zh",):
            comments.translate(made, known)
            outputs.translate(made, printed)
        elif view.languages == ("en",):
            outputs.in_english(made)
        for cell in made["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = PAGE.sub(page, cell["source"])
        write_if_new(place, dumps(made, path.name))
        written.append(place)
    return written
