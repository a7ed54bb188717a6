"""Sphinx extension: one bilingual source, read in the view that is being built.

A notebook's prose cells carry the tag ``lang-en`` or ``lang-zh``; a plain page writes ``:::{lang} en`` and
``:::{lang} zh``. Both become the directive ``{lang}``, which shows its passage or drops it, and gives it the same
anchor in every view. Headings ``English · 中文`` are cut as the source is read.
"""

from __future__ import annotations

import json
import logging as pylogging
import re
from itertools import pairwise
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from markupsafe import Markup, escape
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from downhill_course.notebook import comments, labels, outputs
from downhill_course.notebook.cells import HEADING, LABEL, language_of, tags_of, text_of, understood
from downhill_course.notebook.measure import QUESTION
from downhill_course.notebook.views import SEPARATOR, TAGS, VIEWS, View, table

logger = logging.getLogger(__name__)

IMAGE = re.compile(r"(?<=!\[)[^\[\]]+(?=\])")
FENCED = re.compile(r"^(?P<fence>`{3,}|~{3,})[^\n]*\n.*?^(?P=fence)[`~]*[ \t]*$", re.M | re.S)
LABEL_LINE = re.compile(LABEL.pattern + r"\n", re.M)
LABEL_OPTION = re.compile(r"^[ \t]*:(?:label|name):.*\n", re.M)
EQUATION_LABEL = re.compile(r"(\$\$)[ \t]*\([^()\s]+\)[ \t]*$", re.M)
FOOTNOTE = re.compile(r"\[\^([^\]\s]+)\]")
FOLDED = re.compile(r"^<details><summary>([^\n]+)</summary>\n+(.*?)\n+</details>$", re.M | re.S)
FENCE = "`" * 24  # longer than any fence an author writes inside a cell
HEAD_LINES = 4  # by how much `passage` moves a cell's text, as myst-parser counts
CELL_STRIDE = 10_000  # myst-nb numbers the lines of cell k from (k + 1) * 10000


def current_view(app: Sphinx) -> View:
    """The view this build makes."""
    try:
        return VIEWS[app.config.downhill_view]
    except KeyError:
        raise SystemExit(f"downhill_view is {app.config.downhill_view!r}; use one of {', '.join(VIEWS)}") from None


def say(text: str, view: View) -> Markup:
    """``English · 中文`` for the view; where both are shown, the Chinese says that it is Chinese.

    >>> say("Cite · 引用", VIEWS["both"])
    Markup('Cite · <span lang="zh-CN">引用</span>')
    """
    english, separator, chinese = text.partition(SEPARATOR)
    if not separator or len(view.languages) == 1:
        return escape(view.cut(text))
    return Markup('{}{}<span lang="{}">{}</span>').format(english, separator, TAGS["zh"], chinese)


def outside_fences(text: str, change) -> str:
    """``text`` with ``change`` applied everywhere but inside fenced blocks (a ``#`` there is no heading)."""
    parts, end = [], 0
    for fence in FENCED.finditer(text):
        parts += [change(text[end : fence.start()]), fence.group()]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


def cut_headings(text: str, view: View, complain) -> str:
    """Headings and alt texts in the view's language; ``complain(heading)`` is called for one that is not bilingual."""

    def cut(match: re.Match) -> str:
        if SEPARATOR not in match[2]:
            complain(match[2])
        return f"{match[1]} {view.cut(match[2])}"

    return outside_fences(text, lambda part: IMAGE.sub(lambda alt: view.cut(alt[0]), HEADING.sub(cut, part)))


def without_definitions(text: str) -> str:
    """The second language of a pair, without what the first has already defined: labels and footnote names."""
    for pattern, new in [(LABEL_LINE, ""), (LABEL_OPTION, ""), (EQUATION_LABEL, r"\1"), (FOOTNOTE, r"[^\1-zh]")]:
        text = pattern.sub(new, text)
    return text


def passage(language: str, place: str, text: str) -> str:
    """A ``{lang}`` block around a cell's text."""
    return f"{FENCE}{{lang}} {language}\n:place: {place}\n\n{text}\n{FENCE}\n"


def place_of(cell: dict) -> str:
    """The anchor a cell has in all views: its id, without the language for prose; code has names of its own."""
    kind = "c" if cell["cell_type"] == "code" else "p"
    return f"{kind}-" + (re.sub(r"-(en|zh)$", "", cell["id"]) if kind == "p" else cell["id"])


def folded(text: str) -> str:
    """What a notebook folds, as the directive that folds it on a page.

    >>> folded("Why?\\n\\n<details><summary>Answer</summary>\\n\\nSo.\\n\\n</details>")
    'Why?\\n\\n``````{dropdown} Answer\\nSo.\\n``````'
    """
    return FOLDED.sub(lambda match: f"{'`' * 6}{{dropdown}} {match[1]}\n{match[2]}\n{'`' * 6}", text)


def read_notebook(notebook: dict, view: View, complain) -> dict:
    """The notebook as the view shows it. Cells left out become empty, so that cell numbers in messages stay true."""
    english: dict | None = None
    for index, cell in enumerate(understood(notebook)["cells"]):
        if cell["cell_type"] == "markdown" and QUESTION not in tags_of(cell):
            cell["source"] = folded(cell["source"])
        language = language_of(cell)
        text = text_of(cell)
        if cell["cell_type"] != "markdown":
            cell.setdefault("metadata", {}).setdefault("downhill", {})["place"] = place_of(cell)
            english = None
        elif language is None:
            cell["source"] = cut_headings(
                text,
                view,
                lambda heading, index=index: complain(
                    index, f"the heading {heading!r} is not bilingual; write it as “English · 中文”"
                ),
            )
            english = None
        elif language not in view.languages:
            cell["source"] = ""
            english = {"text": text, "place": place_of(cell)} if language == "en" else None
        elif language == "en":
            cell["source"] = passage("en", place_of(cell), text)
            english = {"text": text, "place": place_of(cell)}
        else:
            alone = with_labels(text, english) if "en" not in view.languages else text
            cell["source"] = passage("zh", english["place"] if english else place_of(cell), alone)
            english = None
    return notebook


def with_labels(text: str, english: dict | None) -> str:
    """A Chinese passage that stands alone, with the labels only its English twin has."""
    missing = [label for label in LABEL.findall(english["text"] if english else "") if f"({label})=" not in text]
    return "".join(f"({label})=\n" for label in missing) + text


def source_read(app: Sphinx, docname: str, content: list[str]) -> None:
    """Cut the source for the view, before anything parses it."""
    view = current_view(app)
    path = Path(app.env.doc2path(docname))
    if path.suffix == ".ipynb":
        try:
            notebook = json.loads(content[0])
        except json.JSONDecodeError as error:
            raise SystemExit(
                f"{path}: not a notebook ({error}); restore it from git or save it again in Jupyter"
            ) from None
        read_notebook(
            notebook,
            view,
            lambda index, message: logger.warning(
                message, location=f"{path}:{(index + 1) * CELL_STRIDE + 1}", type="downhill"
            ),
        )
        if view.languages == ("zh",):
            for file in (comments.FILE, labels.FILE, outputs.FILE):
                app.env.note_dependency(str(path.with_name(file)))
            comments.translate(notebook, table(path.parent / comments.FILE))
            outputs.translate(notebook, outputs.Phrases.read(path.parent))
            labels.translate(notebook, table(path.parent / labels.FILE))
        elif view.languages == ("en",):
            outputs.in_english(notebook)
        app.emit("downhill-notebook", docname, notebook, view)
        content[0] = json.dumps(notebook, ensure_ascii=False)
    else:
        content[0] = cut_headings(
            content[0],
            view,
            lambda heading: logger.warning(
                f"the heading {heading!r} is not bilingual; write it as “English · 中文”",
                location=docname,
                type="downhill",
            ),
        )


class NameTheCell(pylogging.Filter):
    """Rewrites a message's place from myst-nb's made-up line number to the notebook's cell and line."""

    def filter(self, record: pylogging.LogRecord) -> bool:
        match = re.match(r"(.+\.ipynb):(\d+)$", str(getattr(record, "location", "")))
        if match and int(match[2]) >= CELL_STRIDE:
            index, line = divmod(int(match[2]), CELL_STRIDE)
            cell = json.loads(Path(match[1]).read_text(encoding="utf-8"))["cells"][index - 1]
            line -= HEAD_LINES if language_of(cell) else 0
            record.location = f"{match[1]}: cell {index} ({cell.get('id', 'no id')}), near line {max(line, 1)}"
        return True


class Passage(nodes.General, nodes.Element):
    """One language's part of the prose."""


class Pair(nodes.General, nodes.Element):
    """The same passage in two languages: side by side where there is room."""


class Lang(SphinxDirective):
    """``:::{lang} en``: a passage shown only where the view has that language."""

    required_arguments = 1
    has_content = True
    option_spec = {"place": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        language = self.arguments[0]
        if language not in TAGS:
            raise self.error(f"unknown language {language!r} in {{lang}}; use one of {', '.join(TAGS)}")
        view = current_view(self.env.app)
        if language not in view.languages:
            return []
        place = self.options["place"] if "place" in self.options else self.next_place(language)
        node = Passage(language=language, place=place)
        lines = list(self.content)
        if language != view.languages[0]:
            lines = without_definitions("\n".join(lines) + "\n").splitlines()
        self.state.nested_parse(StringList(lines, self.env.doc2path(self.env.docname)), self.content_offset, node)
        return [node]

    def next_place(self, language: str) -> str:
        """The anchor of a passage in a plain page: its number among the passages of its language."""
        key = f"downhill-{language}"
        self.env.temp_data[key] = self.env.temp_data.get(key, 0) + 1
        return f"p-{self.env.temp_data[key]}"


class PairUp(SphinxTransform):
    """Two neighbouring passages, English then Chinese, become a pair; a listing that both hold stands once, across."""

    default_priority = 210

    def apply(self, **kwargs) -> None:
        for english in [node for node in self.document.findall(Passage) if node["language"] == "en"]:
            chinese = english.next_node(descend=False, siblings=True)
            while isinstance(chinese, nodes.comment):
                chinese = chinese.next_node(descend=False, siblings=True)
            if isinstance(chinese, Passage) and chinese["language"] == "zh":
                chinese.parent.remove(chinese)
                english.replace_self(paired(english, chinese))


def paired(english: Passage, chinese: Passage) -> list[nodes.Node]:
    """The pair; or, where both passages hold the same listings, what stands before, between and behind these."""
    one, other = (
        [i for i, node in enumerate(half) if isinstance(node, nodes.literal_block)] for half in (english, chinese)
    )
    if [english[i].astext() for i in one] != [chinese[i].astext() for i in other] or len(one) == len(english):
        one, other = [], []
    made: list[nodes.Node] = []
    place = english["place"]
    cuts = [(-1, -1), *zip(one, other, strict=True), (len(english), len(chinese))]
    for (i, j), (end, last) in pairwise(cuts):
        halves = english[i + 1 : end], chinese[j + 1 : last]
        if any(halves):
            pair = Pair(place=place)
            place = None
            for language, part in zip(("en", "zh"), halves, strict=True):
                pair += Passage("", *part, language=language, place=None)
            made.append(pair)
        made += english[end : end + 1]
    return made


class PlaceCells(SphinxTransform):
    """Code cells get their anchors."""

    default_priority = 210

    def apply(self, **kwargs) -> None:
        for cell in self.document.findall(lambda node: isinstance(node, nodes.container) and "cell_metadata" in node):
            cell["ids"].append(cell["cell_metadata"]["downhill"]["place"])
            cell["classes"].append("place")


def position(node: nodes.Node) -> int:
    """Where a node stands among its siblings. Texts are equal by content, so docutils' own ``index`` may err."""
    return next(index for index, sibling in enumerate(node.parent.children) if sibling is node)


def swap(old: nodes.Node, new: nodes.Node) -> None:
    """Put one node in another's place."""
    old.parent[position(old)] = new


class JoinChineseLines(SphinxTransform):
    """A line break of the source between two Chinese characters, or beside a Chinese mark, is no space on the page."""

    default_priority = 211
    wide = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef“”‘’…—]")
    mark = re.compile(r"[\u3001-\u3011\uff01-\uff1f]")

    def apply(self, **kwargs) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if str(text) != "\n" or not isinstance(text.parent, nodes.TextElement):
                continue
            here = position(text)
            around = text.parent.children[max(here - 1, 0) : here] + text.parent.children[here + 1 : here + 2]
            if len(around) < 2:
                continue
            ends = around[0].astext()[-1:], around[1].astext()[:1]
            if all(map(self.wide.match, ends)) or any(map(self.mark.match, ends)):
                swap(text, nodes.Text(""))


class CutReferences(SphinxPostTransform):
    """Inside one language's passage, a link named by a bilingual heading shows that language's half."""

    default_priority = 20  # after references are resolved

    def run(self, **kwargs) -> None:
        for passage_node in self.document.findall(Passage):
            view = VIEWS[passage_node["language"]]
            for reference in passage_node.findall(nodes.reference):
                for text in list(reference.findall(nodes.Text)):
                    if SEPARATOR in text:
                        swap(text, nodes.Text(view.cut(str(text))))


def opening(name: str, place: str | None, attributes: str = "") -> str:
    """The tag of a block; one with a place is where the language switch can lead."""
    anchor = f' id="{place}"' if place else ""
    return f'<div class="{name}{" place" if place else ""}"{anchor}{attributes}>\n'


def visit_passage(self, node: Passage) -> None:
    self.body.append(opening("passage", node["place"], f' lang="{TAGS[node["language"]]}"'))


def visit_pair(self, node: Pair) -> None:
    self.body.append(opening("pair", node["place"]))


def depart_div(self, node: nodes.Element) -> None:
    self.body.append("</div>\n")


def name_cells_in_messages(app: Sphinx) -> None:
    """Every handler gets the filter: Sphinx writes the place before its own handlers see the record."""
    for handler in pylogging.getLogger("sphinx").handlers:
        handler.filters.append(NameTheCell())


TWIN_HEADING = re.compile(r'(?<=<h)([1-4]>)((?:(?!</h).)*?) · ((?:(?!</h).)*?)(?=<a class="headerlink")', re.S)


def halves(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """A double heading in two halves, so that no line need begin or end with the dot between them.

    >>> TWIN_HEADING.sub(HALVES, '<h2>Three · 三<a class="headerlink" href="#">#</a></h2>').split("<a")[0]
    '<h2><span class="half">Three</span> <span class="half" lang="zh-CN"><span class="between">· </span>三</span>'
    """
    if "body" in context and len(current_view(app).languages) > 1:
        context["body"] = TWIN_HEADING.sub(HALVES, context["body"])


def in_halves(english: str, chinese: str) -> str:
    """A double title's HTML: the dot is there to be read aloud and copied, and takes no room."""
    return (
        f'<span class="half">{english}</span> '
        f'<span class="half" lang="{TAGS["zh"]}"><span class="between">· </span>{chinese}</span>'
    )


HALVES = r"\1" + in_halves(r"\2", r"\3")


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", halves, priority=860)
    app.add_config_value("downhill_view", "both", "env", [str])
    app.add_config_value("downhill_machinery", "", "env", [str])  # set by build.py
    app.add_event("downhill-notebook")
    app.add_directive("lang", Lang)
    app.add_node(Passage, html=(visit_passage, depart_div))
    app.add_node(Pair, html=(visit_pair, depart_div))
    app.add_transform(PairUp)
    app.add_transform(PlaceCells)
    app.add_transform(JoinChineseLines)
    app.add_post_transform(CutReferences)
    app.connect("builder-inited", name_cells_in_messages)
    app.connect("source-read", source_read)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
