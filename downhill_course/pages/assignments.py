"""Sphinx extension: ``{assignments}`` lists the graded exercises, with downloads, points and worked solutions."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from downhill_course.grade.source import Assignment, Task, known
from downhill_course.notebook.views import View
from downhill_course.pages.bilingual import current_view

FOLDER = "exercises"  # in each view of the site, written by build.py


class Assignments(SphinxDirective):
    """Every assignment: where to get it, what its tasks are worth, and its solution behind a toggle.

    ``downhill_solutions: false`` in ``_config.yml`` leaves the solutions out.
    """

    def run(self) -> list[nodes.Node]:
        view = current_view(self.env.app)
        found: list[nodes.Node] = []
        for name in known():
            assignment = Assignment.open(name)
            self.env.note_dependency(str(assignment.path))
            found += self.one(assignment, view)
        return found

    def one(self, assignment: Assignment, view: View) -> list[nodes.Node]:
        title = nodes.paragraph(classes=["assignment-title"], ids=[f"exercises-{assignment.name}"])
        title += nodes.strong("", f"{assignment.name.partition('-')[0]} {view.cut(assignment.title)}")
        title += nodes.Text(" " + view.cut(f"({assignment.points:g} points) · （{assignment.points:g} 分）"))
        link = nodes.paragraph()
        address = f"{FOLDER}/{assignment.name}.ipynb"
        words = view.cut("Download the notebook · 下载作业笔记本")
        link += nodes.reference("", words, refuri=address, classes=["download-notebook"])
        parts: list[nodes.Node] = [title, link, self.table(assignment, view)]
        if self.env.config.downhill_solutions:
            parts += self.solutions(assignment, view)
        return parts

    def table(self, assignment: Assignment, view: View) -> nodes.table:
        group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in (60, 12, 14, 14)), cols=4)
        words = ("Task · 题目", "Points · 分值", "Difficulty · 难度", "Graded by · 批阅")
        group += nodes.thead("", _row(*(nodes.paragraph("", view.cut(word)) for word in words)))
        body = nodes.tbody()
        for task in assignment.tasks.values():
            by = view.cut("a teacher · 老师" if task.by_hand else "program · 程序")
            texts = (view.cut(task.title), f"{task.points:g}", "★" * task.level, by)
            body += _row(*(nodes.paragraph("", text) for text in texts))
        group += body
        return nodes.table("", group, classes=["assignment"])

    def solutions(self, assignment: Assignment, view: View) -> list[nodes.Node]:
        summary = view.cut("Worked solution: try first · 参考解答：请先自己做")
        parts: list[nodes.Node] = [nodes.raw("", f"<details><summary>{summary}</summary>", format="html")]
        for task in assignment.tasks.values():
            parts.append(nodes.paragraph("", "", nodes.strong("", view.cut(task.title))))
            parts += self.solution(task, view)
        return [*parts, nodes.raw("", "</details>", format="html")]

    def solution(self, task: Task, view: View) -> list[nodes.Node]:
        if not task.by_hand:
            code = nodes.literal_block(task.solved.strip(), task.solved.strip(), language="python")
            return [code]
        texts = [task.rubric[language] for language in view.languages]
        return [paragraph for text in texts for paragraph in self.prose(text)]

    def prose(self, text: str) -> list[nodes.Node]:
        inline, messages = self.parse_inline(text)
        return [nodes.paragraph("", "", *inline), *messages]


def _row(*cells: nodes.Node) -> nodes.row:
    return nodes.row("", *(nodes.entry("", cell) for cell in cells))


def setup(app: Sphinx) -> dict:
    app.add_config_value("downhill_solutions", True, "env")
    app.add_directive("assignments", Assignments)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
