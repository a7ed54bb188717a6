"""Sphinx extension: the first use of a glossary term in each section of a chapter leads to its definition.

A term is a link to the glossary; its definition stands in the page too, hidden, and terms.js shows it. Terms are found
by the rules of the twin check (``passages.forms``), but in fewer forms: what the check allows for a term may mean
other things besides. Their texts are the glossary page's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from downhill_course.notebook.measure import DEEPER
from downhill_course.notebook.passages import forms, glossary
from downhill_course.notebook.views import TAGS
from downhill_course.pages.bilingual import Passage, current_view
from downhill_course.pages.course import chapters

GLOSSARY = "glossary"  # the page
#: Where a link would be a nuisance, or is not allowed.
KEEP_OUT = (
    nodes.title, nodes.reference, nodes.literal, nodes.FixedTextElement, nodes.math, nodes.math_block, nodes.raw,
    nodes.figure, nodes.footnote, nodes.citation, nodes.thead, nodes.footnote_reference,
)  # fmt: skip
SUMMARIES = {"dropdown_title", "desc_signature"}  # the same, by the names of other extensions' nodes


class Term(nodes.Inline, nodes.TextElement):
    """A word of the text that the glossary explains."""


class Tip(nodes.General, nodes.Element):
    """A definition, hidden in the page."""


class Tips(nodes.General, nodes.Element):
    """All definitions of a page."""


@cache
def known(language: str, chapter: str) -> tuple[re.Pattern, tuple[tuple[re.Pattern, str], ...]]:
    """How the terms of a language are found: all at once, to see whether there is one, and each, longest first.

    A word in which a term is only a part of another (``unlike``) stands among them, without a name.
    """
    found = [
        (pattern, "" if form in row.get(f"unlike_{language}", []) or chapter in row.get("not_in", []) else row["id"])
        for form, pattern, row in forms(glossary(), language, "also", "unlike")
        if len(form) > 1
    ]
    return re.compile("|".join(pattern.pattern for pattern, _ in found), re.I), tuple(found)


def uses(text: str, language: str, chapter: str = "") -> list[tuple[int, int, str]]:
    """Where a text of a chapter, given by its number, uses which terms; a longer word hides the shorter ones in it.

    >>> uses("A partial derivative, a saddle point.", "en")
    [(2, 20, 'partial-derivative'), (24, 36, 'saddle-point')]
    >>> uses("它的加速度由速度而来。", "zh")
    [(6, 8, 'velocity')]
    """
    any_term, each = known(language, chapter)
    found: list[tuple[int, int, str]] = []
    if any_term.search(text):
        for pattern, name in each:
            for match in pattern.finditer(text):
                if all(match.end() <= start or end <= match.start() for start, end, _ in found):
                    found.append((match.start(), match.end(), name))
    return sorted(use for use in found if use[2])


def prose(passage: Passage) -> Iterator[nodes.Text]:
    """The texts of a passage in which a term may become a link."""
    for text in list(passage.findall(nodes.Text)):
        node = text.parent
        while node is not None and not (isinstance(node, KEEP_OUT) or type(node).__name__ in SUMMARIES):
            node = node.parent
        if node is None:
            yield text


def section_of(node: nodes.Node) -> int:
    """Which section of the chapter a node stands in: those below the title count, not the ones inside them."""
    sections = []
    while node is not None:
        if isinstance(node, nodes.section):
            sections.append(node)
        node = node.parent
    return id(sections[-2] if len(sections) > 1 else sections[-1] if sections else None)


def explains(name: str, folder: Path) -> bool:
    """Whether a page's terms are marked: those of chapters and of their deeper pages."""
    return name.removesuffix(DEEPER) in chapters(folder)


class MarkTerms(SphinxPostTransform):
    """Links in the text, definitions at the end of the page."""

    formats = ("html",)
    default_priority = 600  # after references are resolved: a link is a link by then

    def run(self, **kwargs) -> None:
        name = self.env.docname
        if not explains(name, Path(self.env.srcdir)) or GLOSSARY not in self.env.found_docs:
            return
        address = self.app.builder.get_relative_uri(name, GLOSSARY)
        seen: set[tuple[int, str, str]] = set()
        for passage in list(self.document.findall(Passage)):
            language, section = passage["language"], section_of(passage)
            for text in list(prose(passage)):
                pieces, end = [], 0
                for start, stop, term in uses(str(text), language, name[:2]):
                    if (section, language, term) in seen:
                        continue
                    seen.add((section, language, term))
                    link = Term("", str(text)[start:stop], term=term, refuri=f"{address}#term-{term}")
                    pieces += [nodes.Text(str(text)[end:start]), link]
                    end = stop
                if pieces:
                    pieces.append(nodes.Text(str(text)[end:]))
                    where = next(k for k, child in enumerate(text.parent.children) if child is text)
                    text.parent[where : where + 1] = [piece for piece in pieces if piece.astext()]
        if seen:
            self.document += self.tips({term for _, _, term in seen})

    def tips(self, terms: set[str]) -> Tips:
        """The definitions as the glossary page gives them in this view."""
        first, second = TAGS if current_view(self.app).languages[0] == "en" else reversed(TAGS)
        tips = Tips()
        for item in self.env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
            for term in item.findall(nodes.term):
                name = term["ids"][0].removeprefix("term-")
                if name in terms:
                    other = next(
                        iter(
                            term.findall(lambda n: "other-language" in getattr(n, "attributes", {}).get("classes", []))
                        )
                    )
                    own = [child.deepcopy() for child in term.children if child is not other]
                    tip = Tip(term=name, first=first, second=second, own=own, other=other.deepcopy().children)
                    tip += [child.deepcopy() for child in item.next_node(nodes.definition).children]
                    tips += tip
        return tips


def visit_term(self, node: Term) -> None:
    self.body.append(f'<a class="term" href="{node["refuri"]}" aria-describedby="tip-{node["term"]}">')


def depart_term(self, node: Term) -> None:
    self.body.append("</a>")


def visit_tips(self, node: Tips) -> None:
    self.body.append('<div class="tips">\n')


def visit_tip(self, node: Tip) -> None:
    self.body.append(f'<div class="tip" role="tooltip" id="tip-{node["term"]}" hidden><p class="tip-term">')
    for key, language in (("own", "first"), ("other", "second")):
        self.body.append(f'<span lang="{TAGS[node[language]]}">')
        for child in node[key]:
            child.walkabout(self)
        self.body.append("</span> ")
    self.body.append("</p>\n")


def depart_div(self, node: nodes.Element) -> None:
    self.body.append("</div>\n")


def page_context(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """The script only where there are terms."""
    if 'class="tips"' not in context.get("body", ""):
        context["script_files"] = [
            item for item in context["script_files"] if not str(getattr(item, "filename", item)).endswith("terms.js")
        ]


def depend(app: Sphinx, doctree: nodes.document) -> None:
    """A chapter is made again when the glossary changes."""
    path = Path(app.srcdir) / "glossary.yml"
    if path.exists() and explains(app.env.docname, Path(app.srcdir)):
        app.env.note_dependency(str(path))


def setup(app: Sphinx) -> dict:
    app.add_node(Term, html=(visit_term, depart_term))
    app.add_node(Tips, html=(visit_tips, depart_div))
    app.add_node(Tip, html=(visit_tip, depart_div))
    app.add_post_transform(MarkTerms)
    app.connect("doctree-read", depend)
    app.connect("html-page-context", page_context, priority=860)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
