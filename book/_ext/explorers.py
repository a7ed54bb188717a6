"""Sphinx extension: explorers in chapters. A mount point in the figure of the picture, and the module that it loads."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.osutil import ensuredir
from views import View

logger = logging.getLogger(__name__)

MIME = "application/vnd.downhill.explorer+json"
WAITING: dict[tuple[str, str], dict] = {}  # (page, figure) -> state, from a page's source until its tree is made


def collect(app: Sphinx, docname: str, notebook: dict, view: View) -> None:
    """Take the states out of the notebook; what is left is the picture, a figure like any other."""
    for index, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", []):
            bundle = output.get("data", {}).pop(MIME, None)
            if bundle is None:
                continue
            name = cell["metadata"].get("downhill", {}).get("figure", {}).get("name")
            if name is None:
                logger.warning(
                    "an explorer needs a named figure: add metadata.downhill.figure with name, alt and caption",
                    location=f"{app.env.doc2path(docname)}:{(index + 1) * 10_000 + 1}",
                    type="downhill",
                )
                continue
            WAITING[docname, nodes.fully_normalize_name(name)] = (
                json.loads("".join(bundle)) if isinstance(bundle, (str, list)) else bundle
            )


def place(app: Sphinx, doctree: nodes.document) -> None:
    """Into each figure that stands for an explorer, the element that the page's script mounts it on."""
    explorer = importlib.import_module("optlib.widget.explorer")
    for figure in doctree.findall(nodes.figure):
        for name in figure["names"]:
            bundle = WAITING.pop((app.env.docname, name), None)
            if bundle is not None:
                figure.insert(0, nodes.raw("", explorer.mount_point(bundle), format="html"))


def write(app: Sphinx, exception: Exception | None) -> None:
    """The module and its style, put together from optlib as it is now."""
    if exception is not None or app.builder.format != "html":
        return
    explorer = importlib.import_module("optlib.widget.explorer")
    folder = Path(app.outdir) / "_static"
    ensuredir(folder)
    for name, text in (("explorer.js", explorer.script()), ("explorer.css", explorer.style())):
        if not (folder / name).exists() or (folder / name).read_text("utf-8") != text:
            (folder / name).write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("downhill-notebook", collect, priority=400)
    app.connect("doctree-read", place)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
