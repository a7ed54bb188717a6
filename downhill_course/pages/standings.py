"""Sphinx extension: ``{standings}`` is the table of the ladder's reference entries, from their published scores, and a
link to their board, the page with listings, curves and paths that `downhill ladder board` makes of them."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from downhill_course.ladder import board, judge, reference, scoring
from downhill_course.ladder.families import FAMILIES, SCORED
from downhill_course.notebook.views import TAGS
from downhill_course.pages.bilingual import current_view

FOLDER = "_static/ladder"  # of the board, in a view
LINKS = {
    "en": "All of them with listings, curves and paths",
    "zh": "全部规则的代码、曲线和路径",
}


class Standings(SphinxDirective):
    """Each entry with its track, its score, and its steps on each family; a dash where it never gets there."""

    def run(self) -> list[nodes.Node]:
        view = current_view(self.env.app)
        self.env.note_dependency(str(reference.SCORES))
        heads = ["Rule · 规则", "Track · 组别", "Score · 得分", *(" · ".join(FAMILIES[f].title) for f in SCORED)]
        group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in heads), cols=len(heads))
        group += nodes.thead("", _row([view.cut(head) for head in heads]))
        body = nodes.tbody()
        for row in reference.published()["entries"]:
            steps = [scoring.counted(judge.infinite(row["families"][f]["steps"])) for f in SCORED]
            track = view.cut(f"{row['track']} · {judge.TRACKS[row['track']]}")
            numbers = [f"{n:.0f}" if n < float("inf") else "–" for n in steps]
            body += _row([row["name"], track, f"{row['score']:.3f}", *numbers])
        group += body
        table = nodes.table("", group, classes=["standings"])
        if self.env.app.builder.format != "html":
            return [table]
        root = "../" * self.env.docname.count("/")
        links = [
            f'<a href="{root}{FOLDER}/{language}.html" lang="{TAGS[language]}">{LINKS[language]}</a>'
            for language in view.languages
        ]
        return [table, nodes.raw("", f"<p>{' · '.join(links)}</p>", format="html")]


def _row(texts: list[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", text)) for text in texts))


def write(app: Sphinx, exception: Exception | None) -> None:
    """The board of the reference entries, in both languages."""
    if exception is None and app.builder.format == "html":
        board.write(Path(app.outdir) / FOLDER, reference.published()["entries"], home="../../ladder.html")


def setup(app: Sphinx) -> dict:
    app.add_directive("standings", Standings)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
