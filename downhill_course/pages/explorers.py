"""Sphinx extension: explorers in pages. A mount point in the figure of the picture, and the module that it loads.

In a notebook an explorer is a cell's output; a plain page writes ``{explorer} preset``. The text beside it drives it,
``[η = 0.55](set:figure-name?lr=0.55)``, and says what it says, ``[arrives after 69 updates](now:figure-name?arrival)``:
a button and a live line on the site, the same words anywhere else. Both are checked against the module itself.
"""

from __future__ import annotations

import html
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import ensuredir

from downhill_course.notebook.views import SEPARATOR, View
from downhill_course.pages.bilingual import Passage, current_view
from downhill_course.pages.formulas import keep_together
from downhill_course.pages.readings import answers

logger = logging.getLogger(__name__)

MIME = "application/vnd.downhill.explorer+json"
SCHEMES = ("set", "now")  # of links that set a figure, or read it
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
    bundles = {}
    for figure in doctree.findall(nodes.figure):
        for name in figure["names"]:
            bundle = WAITING.pop((app.env.docname, name), figure.get("explorer"))
            if bundle is None:
                continue
            bundles[name] = bundle
            if "explorer" not in figure:
                live = nodes.raw("", explorer.mount_point(bundle, name), format="html")
                figure[0] = Together("", live, figure[0])
    tie(doctree, bundles, current_view(app))


# --- the text and the figures -------------------------------------------------------------------------


class Together(nodes.General, nodes.Element):
    """A picture and the element that its live figure is mounted on, as one: docutils wants a caption to come second."""


class FigureSet(nodes.General, nodes.Inline, nodes.TextElement):
    """Words that set a figure: its name ``figure`` and the ``values`` by key."""


class FigureNow(nodes.General, nodes.Inline, nodes.TextElement):
    """Words that a figure says: its name ``figure`` and the ``reading``."""


def schemes(app: Sphinx, config: Config) -> None:
    """MyST keeps the links of `SCHEMES` as they are written."""
    known = config.myst_url_schemes
    config.myst_url_schemes = {**(known if isinstance(known, dict) else dict.fromkeys(known)), **dict.fromkeys(SCHEMES)}


def tie(doctree: nodes.document, bundles: dict[str, dict], view: View) -> None:
    """The links that set and read figures, checked and made into nodes of their own."""
    found = [(node, *read_link(node)) for node in doctree.findall(nodes.reference) if scheme_of(node) in SCHEMES]
    asked: dict[tuple[str, str], list] = {}
    for node, name, ask in found:
        if name in bundles:
            asked.setdefault((name, language(node, view)), []).append((node, ask))
        else:
            have = ", ".join(bundles) or "none"
            complain(node, f"no explorer on this page is called {name!r}; there are {have}")
    questions = [
        {"bundle": bundles[name], "lang": lang, "ask": [ask for _, ask in pairs]}
        for (name, lang), pairs in asked.items()
    ]
    for pairs, replies in zip(asked.values(), answers(questions), strict=True):
        for (node, ask), reply in zip(pairs, replies, strict=True):
            if "trouble" in reply:
                complain(node, reply["trouble"])
            elif "read" in ask and reply["text"] != node.astext():
                complain(node, f"the figure says {reply['text']!r} here, the text {node.astext()!r}")
    for node, name, ask in found:
        made: nodes.TextElement = (
            FigureSet(figure=name, values=ask["set"]) if "set" in ask else FigureNow(figure=name, reading=ask["read"])
        )
        made.extend(node.children)
        node.replace_self(made)
        if "set" in ask:
            keep_together(made)


def scheme_of(node: nodes.reference) -> str:
    return node.get("refuri", "").partition(":")[0]


def read_link(node: nodes.reference) -> tuple[str, dict]:
    """The figure of a link and what it is asked: ``{"set": {key: value}}`` or ``{"read": name}``."""
    scheme, _, rest = address(node).partition(":")
    name, _, query = rest.partition("?")
    if scheme == "now":
        return nodes.fully_normalize_name(name), {"read": query}
    return nodes.fully_normalize_name(name), {"set": dict(each.partition("=")[::2] for each in query.split("&"))}


def language(node: nodes.Node, view: View) -> str:
    """The language that a piece of text is in."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, Passage):
            return node["language"]
    return view.languages[0]


def address(node: nodes.reference) -> str:
    """A link as it was written: MyST makes it fit for HTML."""
    return html.unescape(unquote(node["refuri"]))


def complain(node: nodes.reference, why: str) -> None:
    logger.warning(f"[{node.astext()}]({address(node)}): {why}", location=node, type="downhill")


def visit_set(self, node: FigureSet) -> None:
    values = html.escape(json.dumps(node["values"], ensure_ascii=False))
    self.body.append(
        f'<button type="button" disabled class="figure-set" data-figure="{html.escape(node["figure"])}" '
        f'data-values="{values}">'
    )


def visit_now(self, node: FigureNow) -> None:
    self.body.append(
        f'<output class="figure-now" data-figure="{html.escape(node["figure"])}" '
        f'data-reading="{html.escape(node["reading"])}" aria-live="polite">'
    )


def closing(tag: str) -> Callable:
    def depart(self, node: nodes.Element) -> None:
        self.body.append(f"</{tag}>")

    return depart


def nothing(self, node: nodes.Element) -> None:
    """Elsewhere the words stand alone."""


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
        "name": directives.unchanged_required,
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
        name = nodes.fully_normalize_name(self.options.get("name", ""))
        node = nodes.figure(
            "", nodes.raw("", explorer.mount_point(bundle, name), format="html"), image, explorer=bundle
        )
        self.add_name(node)
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
    editor = importlib.import_module("downhill_course.pages.editor")
    folder = Path(app.outdir) / "_static"
    ensuredir(folder)
    for name, text in editor.scripts().items():
        if not (folder / name).exists() or (folder / name).read_text("utf-8") != text:
            (folder / name).write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.add_directive("explorer", ExplorerInAPage)
    app.connect("downhill-notebook", collect, priority=400)
    app.connect("doctree-read", place)
    app.connect("build-finished", write)
    app.connect("config-inited", schemes, priority=100)  # before MyST reads its own
    others = dict.fromkeys(("epub", "latex", "text", "man", "texinfo"), (nothing, nothing))
    app.add_node(Together, False, html=(nothing, nothing), **others)
    for node, visit, tag in ((FigureSet, visit_set, "button"), (FigureNow, visit_now, "output")):
        app.add_node(node, False, html=(visit, closing(tag)), **others)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
