"""Sphinx extension: alt texts and captions in the view's language, stills for animations, folded code."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.osutil import ensuredir
from sphinx.writers.html5 import HTML5Translator

from downhill_course.notebook.views import VIEWS, View
from downhill_course.pages.bilingual import passage, say

logger = logging.getLogger(__name__)


def is_animation(data: bytes) -> bool:
    """Whether a PNG holds several frames: an ``acTL`` chunk before the pixels (APNG).

    >>> is_animation(b"no picture at all")
    False
    """
    position = 8
    while position + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        if kind == b"acTL":
            return struct.unpack(">I", data[position + 8 : position + 12])[0] > 1
        if kind == b"IDAT":
            return False
        position += 12 + length
    return False


def has_image(cell: dict) -> bool:
    """Whether a code cell shows a picture."""
    return any(kind.startswith("image/") for output in cell.get("outputs", []) for kind in output.get("data", {}))


def describe(app: Sphinx, docname: str, notebook: dict, view: View) -> None:
    """Hand every figure's alt text and caption to myst-nb, in the view's language."""
    for index, cell in enumerate(notebook["cells"]):
        figure = cell.get("metadata", {}).get("downhill", {}).get("figure")
        if cell["cell_type"] != "code" or not (figure or has_image(cell)):
            continue
        alt, caption = (figure or {}).get("alt", {}), (figure or {}).get("caption", {})
        missing = [name for name in view.languages if not alt.get(name)]
        if missing:
            logger.warning(
                "the figure has no alt text for %s: add metadata.downhill.figure.alt.%s, a sentence for readers who do "
                "not see it",
                ", ".join(missing),
                missing[0],
                location=f"{app.env.doc2path(docname)}:{(index + 1) * 10_000 + 1}",
                type="downhill",
            )
            continue
        settings: dict = {"image": {"alt": " / ".join(alt[name] for name in view.languages)}}
        if caption:
            first, *others = view.languages
            text = caption[first] + "".join(f"\n\n{passage(name, '', caption[name])}" for name in others)
            settings["figure"] = {"caption": text, **({"name": figure["name"]} if "name" in figure else {})}
        cell["metadata"]["mystnb"] = {**cell["metadata"].get("mystnb", {}), **settings}


def still(path: Path, folder: Path) -> str:
    """Write an animation's last frame beside it; returns the still's file name."""
    name = f"{path.stem}-still.png"
    if not (folder / name).exists():
        ensuredir(folder)
        with Image.open(path) as animation:
            animation.seek(getattr(animation, "n_frames", 1) - 1)
            animation.convert("RGBA").save(folder / name)
    return name


def visit_image(self: HTML5Translator, node: nodes.image) -> None:
    """An ``img`` that knows its size and loads late, but for the one a page begins with; an animation stands still for
    print and reduced motion."""
    path = Path(self.builder.srcdir) / node["uri"].lstrip("/")
    start = len(self.body)
    HTML5Translator.visit_image(self, node)
    if path.suffix not in (".png", ".svg") or not path.is_file():
        return
    late = 'fetchpriority="high"' if "first-seen" in node["classes"] else 'loading="lazy"'
    extra = f'{late} decoding="async"'
    if path.suffix == ".png" and "width" not in node and "height" not in node:
        with Image.open(path) as image:
            extra += f' width="{image.width}" height="{image.height}"'
    html = "".join(self.body[start:]).replace("<img ", f"<img {extra} ", 1)
    # As attributes the size keeps the picture's place and its shape; as a style it would squeeze it on a phone.
    html = re.sub(r'style="width: (\d+)px; height: (\d+)px;"', r'width="\1" height="\2"', html)
    if path.suffix == ".png" and is_animation(path.read_bytes()):
        folder = node["uri"].rpartition("/")[0]
        name = still(path, Path(self.builder.outdir) / self.builder.imagedir)
        html = (
            '<picture><source media="(prefers-reduced-motion: reduce), print" '
            f'srcset="{folder}/{name}">{html}</picture>'
        )
    self.body[start:] = [html]


class HideCodeCellNode(nodes.Element):
    """myst-nb's node of this name: Sphinx finds handlers by it, so that nothing of myst-nb need be imported."""


def visit_folded(self: HTML5Translator, node: HideCodeCellNode) -> None:
    """What the tag ``hide-input`` folds: code that stands before a chapter's first figure, say."""
    words = say("Code · 代码", VIEWS[self.config.downhill_view])
    self.body.append(f'<details class="folded"><summary>{words}</summary>\n')


def depart_folded(self: HTML5Translator, node: HideCodeCellNode) -> None:
    self.body.append("</details>\n")


def setup(app: Sphinx) -> dict:
    app.connect("downhill-notebook", describe)
    app.add_node(HideCodeCellNode, override=True, html=(visit_folded, depart_folded))
    app.add_node(nodes.image, override=True, html=(visit_image, HTML5Translator.depart_image))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
