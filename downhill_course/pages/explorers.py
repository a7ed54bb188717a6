"""Sphinx extension: explorers in pages. A mount point in the figure of the picture, and the module that it loads.

In a notebook an explorer is a cell's output; a plain page writes ``{explorer} preset``.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import ensuredir

from downhill_course.notebook.views import SEPARATOR, View
from downhill_course.pages.bilingual import current_view

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


def starting_point(text: str) -> list[float]:
    return [float(number) for number in text.split()]


class ExplorerInAPage(SphinxDirective):
    """``{explorer} preset``: a live figure in a plain page, above what the directive holds as its caption.

    ``:picture:`` stands for it without scripts and on paper, ``:alt:`` says in both languages what it shows. With
    ``:starts:``, points separated by commas, it runs by itself while it is in view, from one start after the other.
    """

    required_arguments = 1
    has_content = True
    option_spec = {
        "picture": directives.unchanged_required,
        "alt": directives.unchanged_required,
        "starts": directives.unchanged_required,
        "class": directives.class_option,
    }

    def run(self) -> list[nodes.Node]:
        explorer = importlib.import_module("optlib.widget.explorer")
        missing = [name for name in ("picture", "alt") if not self.options.get(name)]
        if missing or SEPARATOR not in self.options["alt"]:
            raise self.error(
                f"{{explorer}} needs :picture: and a bilingual :alt:, such as The way down{SEPARATOR}下山的路"
            )
        try:
            figure = explorer.Explorer(self.arguments[0])
            starts = [starting_point(text) for text in self.options.get("starts", "").split(",") if text.strip()]
            for start in starts:
                explorer.Explorer(self.arguments[0], start=start)  # says what is wrong with it
        except ValueError as error:
            raise self.error(f"{{explorer}} {self.arguments[0]}: {error}") from None
        bundle = {**figure.bundle, **({"starts": starts} if starts else {})}
        image = nodes.image(uri=self.options["picture"], alt=current_view(self.env.app).cut(self.options["alt"]))
        image["classes"].append("first-seen")
        node = nodes.figure("", nodes.raw("", explorer.mount_point(bundle), format="html"), image)
        node["classes"] += self.options.get("class", [])
        legend = nodes.legend()
        self.state.nested_parse(self.content, self.content_offset, legend)
        if legend.children:
            node += legend
        return [node]


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
    app.add_directive("explorer", ExplorerInAPage)
    app.connect("downhill-notebook", collect, priority=400)
    app.connect("doctree-read", place)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
