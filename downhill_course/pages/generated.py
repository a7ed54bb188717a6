"""Sphinx extension: what pages show from data. Glossary, coverage, corrections, the library as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from downhill_course import wheels
from downhill_course.notebook.views import View, from_yaml
from downhill_course.pages.bilingual import Passage, current_view


class FromData(SphinxDirective):
    """A directive that renders the rows of a YAML file."""

    file = ""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / self.file
        self.env.note_dependency(str(path))
        if not path.exists():
            raise self.error(f"{path} is missing")
        return [self.render(from_yaml(path.read_text(encoding="utf-8")), current_view(self.env.app))]

    def render(self, rows: list[dict], view: View) -> nodes.Node:
        raise NotImplementedError

    def passages(self, texts: dict[str, str], view: View) -> list[nodes.Node]:
        """One passage for each language of the view; inline markup and formulas are read."""
        result = []
        for language in view.languages:
            inline, messages = self.parse_inline(texts[language])
            node = Passage(language=language, place=None)
            node += nodes.paragraph("", "", *inline, *messages)
            result.append(node)
        return result


class GlossaryOfTerms(FromData):
    """``{glossary-of-terms}``: every term in both languages, its definition in the view's."""

    file = "glossary.yml"

    def render(self, rows: list[dict], view: View) -> nodes.Node:
        first, second = ("en", "zh") if view.languages[0] == "en" else ("zh", "en")
        key = {"en": lambda row: row["en"].casefold(), "zh": lambda row: row["zh"].encode("gb18030")}[first]
        items = nodes.definition_list(classes=["terms"])
        for row in sorted(rows, key=key):
            term = nodes.term("", "", *self.parse_inline(row[first])[0], ids=[f"term-{row['id']}"])
            term += nodes.inline("", "", *self.parse_inline(row[second])[0], classes=["other-language"])
            texts = {language: row[f"def_{language}"] for language in view.languages}
            items += nodes.definition_list_item("", term, nodes.definition("", *self.passages(texts, view)))
        return items


class CoverageOfSources(FromData):
    """``{coverage-of-sources}``: what the source documents contain and where the course teaches it."""

    file = "coverage.yml"

    def render(self, rows: list[dict], view: View) -> nodes.Node:
        group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in (8, 8, 54, 30)), cols=4)
        words = ("No. · 编号", "Source · 来源", "What · 内容", "Where · 位置")
        group += nodes.thead("", self.row(*(nodes.paragraph("", view.cut(word)) for word in words)))
        body = nodes.tbody()
        for row in rows:
            body += self.row(
                nodes.paragraph("", str(row["n"])),
                nodes.paragraph("", str(row["source"])),
                nodes.container("", *self.passages(row, view)),
                self.where(row, view),
            )
        group += body
        return nodes.table("", group, classes=["coverage"])

    @staticmethod
    def row(*cells: nodes.Node) -> nodes.row:
        return nodes.row("", *(nodes.entry("", cell) for cell in cells))

    def where(self, row: dict, view: View) -> nodes.paragraph:
        """A link to the section, else to the chapter, else the chapter's number and that it is to come."""
        chapter, label = row.get("chapter") or row.get("page"), row.get("at")
        if label:
            kind, target = "ref", label
        elif chapter in self.env.found_docs:
            kind, target = "doc", "/" + chapter
        else:
            number = f"{chapter.partition('-')[0]} " if chapter else ""
            reason = row.get("left_out", "to come · 待写")
            return nodes.paragraph("", number, nodes.inline("", view.cut(reason), classes=["to-come"]))
        reference = addnodes.pending_xref(
            "",
            nodes.inline(),
            refdomain="std",
            reftype=kind,
            reftarget=target,
            refexplicit=False,
            refdoc=self.env.docname,
            refwarn=True,
        )
        return nodes.paragraph("", "", reference)


def correction(row: dict) -> dict:
    """A row of ``sources.yml``, in which YAML reads the key ``true`` as a truth value.

    >>> correction({"e": "E1", True: {"en": "So it is."}})
    {'e': 'E1', 'true': {'en': 'So it is.'}}
    """
    return {"true" if key is True else key: value for key, value in row.items()}


class CorrectionsOfSources(CoverageOfSources):
    """``{corrections-of-sources}``: what the source documents say, what is true, and where the course shows it."""

    file = "sources.yml"

    def render(self, rows: list[dict], view: View) -> nodes.Node:
        items = nodes.definition_list(classes=["corrections"])
        for row in sorted(map(correction, rows), key=lambda row: int(row["e"][1:])):
            where = self.where(row, view)
            term = nodes.term("", "", nodes.strong("", row["e"]), nodes.Text(" "), *where.children)
            term["ids"].append(f"source-{row['e'].lower()}")
            body = nodes.definition()
            for part, words in (("says", "What stands there · 原文"), ("true", "What is true · 实际")):
                name = nodes.paragraph("", view.cut(words), classes=["correction-part"])
                body += nodes.container("", name, *self.passages(row[part], view), classes=[f"correction-{part}"])
            items += nodes.definition_list_item("", term, body)
        return items


def wheel_role(role: str, raw: str, text: str, *rest: Any, **options: Any) -> tuple[list[nodes.Node], list]:
    """``{wheel}`FILE` ``: a link to the library's wheel, which lies beside the views; FILE stands for its name."""
    return [nodes.reference(raw, text.replace("FILE", wheels.name()), refuri=f"../{wheels.name()}")], []


def setup(app: Sphinx) -> dict:
    app.add_role("wheel", wheel_role)
    app.add_directive("glossary-of-terms", GlossaryOfTerms)
    app.add_directive("coverage-of-sources", CoverageOfSources)
    app.add_directive("corrections-of-sources", CorrectionsOfSources)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
