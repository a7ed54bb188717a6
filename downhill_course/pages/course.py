"""Sphinx extension: the course as a whole. Its path as a picture, doors, reading times, what is new, and the marks that
progress.js fills in. Chapters, questions and minutes stand in ``course.yml``, news in ``news.yml``."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from downhill_course.notebook import measure
from downhill_course.notebook.views import SEPARATOR, TAGS, View, from_yaml
from downhill_course.pages.bilingual import Pair, Passage, current_view, in_halves
from downhill_course.pages.explorers import MIME
from downhill_course.pages.generated import FromData
from optlib import Optimizer, descend, rules

logger = logging.getLogger(__name__)

COURSE, NEWS = "course.yml", "news.yml"
HOME = ("home.css", "home.js")  # only the home page asks for them
#: A reader may forbid storage: then the theme and progress.js remember as long as the page is open, instead of failing.
STAND_IN = """<script>try { localStorage; } catch { Object.defineProperty(window, "localStorage", { value: {
  forbidden: true, getItem(key) { return this["=" + key] ?? null; },
  setItem(key, value) { this["=" + key] = String(value); }, removeItem(key) { delete this["=" + key]; } } }); }</script>
"""
CURVATURE = 1.92  # of the valley that the path walks down; with 2 or more it would climb the walls
HALF_WIDTH = 3.4  # of the picture, where the path's first step stands at 1


def chapters(folder: Path) -> dict[str, dict]:
    """The rows of ``course.yml`` by page name; none where there is none. The minutes of a core are counted."""
    path = folder / COURSE
    rows = from_yaml(path.read_text(encoding="utf-8")) if path.exists() else []
    for row in rows:
        minutes = row.get("minutes")
        if minutes is not None and (type(minutes) is not int or minutes < 1):
            raise ExtensionError(f"{path}: {row['file']} has minutes: {minutes!r}; write a whole number, such as 25")
        if measure.is_core(notebook := folder / f"{row['file']}.ipynb"):
            row["minutes"] = measure.minutes(notebook)
    return {row["file"]: row for row in rows}


def raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def spoken(text: str, view: View, dot: str = SEPARATOR.rstrip()) -> str:
    """``English · 中文`` as HTML in the view's language; in the double view each half carries its own, and the
    dot stays with the first."""
    english, chinese = text.split(SEPARATOR)
    if len(view.languages) == 1:
        return html.escape(view.cut(text))
    halves = {"en": english + dot, "zh": chinese}
    return " ".join(f'<span lang="{TAGS[name]}">{html.escape(part)}</span>' for name, part in halves.items())


def titled(title: str, view: View) -> str:
    """A title in the view's language; in the double view, where no line ends with the dot, in two halves."""
    if len(view.languages) == 1:
        return html.escape(view.cut(title))
    return in_halves(*map(html.escape, title.split(SEPARATOR)))


# --- the path -----------------------------------------------------------------------------------------


def walk(stops: int) -> np.ndarray:
    """Where the chapters stand: gradient descent on x²·curvature/2 - y, a valley floor that falls for ever.

    >>> walk(3).round(2).tolist()
    [[-1.0, 0.0], [0.92, 1.0], [-0.85, 2.0]]
    """

    def gradient(theta: np.ndarray) -> np.ndarray:
        return np.array([CURVATURE * theta[0], -1.0])

    return descend(Optimizer(rules.sgd, lr=1.0), gradient, [-1.0, 0.0], steps=stops - 1)


def ground(stops: int) -> str:
    """The contour lines of that valley, each one a parabola; one unit of height is one step down."""
    rise = CURVATURE / 2 * HALF_WIDTH**2
    width, foot = HALF_WIDTH, 2 * stops
    curves = [
        f'<path d="M{-width} {c + rise:.3f}Q0 {c - rise:.3f} {width} {c + rise:.3f}V{foot}H{-width}Z"/>'
        for c in np.arange(np.floor(-rise), stops) + 0.5
    ]
    return (
        f'<svg class="trail-ground" viewBox="{-HALF_WIDTH} -1 {2 * HALF_WIDTH} {stops + 1}" preserveAspectRatio="none" '
        f'aria-hidden="true" focusable="false">{"".join(curves)}</svg>'
    )


def leg(here: float, there: float) -> str:
    """The step from one chapter to the next, in per cent of the path's width and of the row's height."""
    ends = " ".join(f'{name}="{value:.2f}"' for name, value in (("x1", 50 + 50 * here), ("x2", 50 + 50 * there)))
    return (
        '<svg class="leg" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<line {ends} y1="0" y2="100"/></svg>'
    )


class PathOfTheCourse(FromData):
    """``{path-of-the-course}``: a way down with the chapters as stations, and the question each asks."""

    file = COURSE

    def render(self, rows: list[dict], view: View) -> nodes.Node:
        rows = list(chapters(Path(self.env.srcdir)).values())  # with the minutes that are counted
        box = nodes.container(classes=["trail-box"])
        box += [self.sum(rows, view), raw(f'<ol class="trail" role="list">{ground(len(rows))}')]
        latest = next((entry for entry in news(self.env.srcdir) if entry.get("chapters")), {})
        new = dict.fromkeys(latest.get("chapters", []), str(latest.get("date")))
        xs = walk(len(rows))[:, 0]
        for index, row in enumerate(rows):
            after = leg(xs[index], xs[index + 1]) if index + 1 < len(rows) else ""
            box += self.stop(row, float(xs[index]), after, new.get(row["file"]), view)
        box += raw("</ol>")
        folder = Path(self.env.srcdir)
        cores = [path for row in rows if measure.is_core(path := folder / f"{row['file']}.ipynb")]
        for path in (folder / NEWS, *cores):
            self.env.note_dependency(str(path))
        return box

    def address(self, name: str) -> str | None:
        """Where a chapter stands, or None if it is not in the book (yet)."""
        return self.env.app.builder.get_relative_uri(self.env.docname, name) if name in self.env.found_docs else None

    def stop(self, row: dict, x: float, after: str, new: str | None, view: View) -> list[nodes.Node]:
        address, number = self.address(row["file"]), row["file"].partition("-")[0]
        side = "left" if x < 0 else "right"
        title = nodes.paragraph(classes=["stop-title"])
        name = raw(f'<span class="stop-name">{titled(row["title"], view)}</span>')
        if address is None:
            kind, dot = "coming", f'<span class="dot">{number}</span>'
            title += [name, raw(f' <span class="to-come">{spoken("to come · 待写", view)}</span>')]
        else:
            kind, dot = "here", f'<a class="dot" href="{address}" tabindex="-1" aria-hidden="true">{number}</a>'
            title += nodes.reference("", "", name, refuri=address, internal=True)
        words = nodes.container("", title, *self.passages(row, view), classes=["stop-words"])
        opening = f'<li class="stop {kind} {side}" style="--x:{x:.3f}" data-chapter="{row["file"]}"'
        if address:
            minutes = spoken("{0} min · {0} 分钟".format(row["minutes"]), view)
            mark = f'<span class="new" data-date="{new}" hidden>{spoken("new · 新", view)}</span>' if new else ""
            words += raw(
                f'<p class="stop-about"><span>{minutes}</span>{mark}<span class="stop-state" hidden></span></p>'
            )
            opening += f' data-minutes="{row["minutes"]}"'
        return [raw(f"{opening}>{after}{dot}"), words, raw("</li>")]

    def sum(self, rows: list[dict], view: View) -> nodes.raw:
        """How many chapters, how long; progress.js puts what was read in the second sentence's place."""
        written = [row for row in rows if self.address(row["file"])]
        hours = f"{round(sum(row['minutes'] for row in written) / 30) / 2:g}"
        told = {
            "en": f"{len(written)} chapters, about {hours} hours of reading. ",
            "zh": f"目前共 {len(written)} 章，读完约 {hours} 小时。",
        }
        kept = {
            "en": "What you read is marked here, in this browser only.",
            "zh": "读过的章节会标在这里，只记在这个浏览器里。",
        }
        lines = "".join(
            f'<span class="trail-line" lang="{TAGS[name]}">'
            f'{told[name]}<span class="trail-now">{kept[name]}</span></span>'
            for name in view.languages
        )
        return raw(f'<p class="trail-sum"><span class="trail-lines" role="status">{lines}</span></p>')


# --- the home page ------------------------------------------------------------------------------------


class Door(SphinxDirective):
    """``{door}``: where one kind of reader goes in; ``:to:`` names the page, ``:title:`` is bilingual."""

    has_content = True
    option_spec = {
        "to": directives.unchanged_required,
        "title": directives.unchanged_required,
        "class": directives.class_option,
    }

    def run(self) -> list[nodes.Node]:
        target, title = self.options.get("to"), self.options.get("title", "")
        if target not in self.env.found_docs:
            raise self.error(f"{{door}} leads to {target!r}, which is no page: give :to: the name of one")
        if SEPARATOR not in title:
            raise self.error(f"{{door}} has the title {title!r}: write :title: English{SEPARATOR}中文")
        view = current_view(self.env.app)
        address = self.env.app.builder.get_relative_uri(self.env.docname, target)
        door = nodes.container(classes=self.options.get("class", ["door"]))
        link = nodes.reference("", "", raw(f"<span>{titled(title, view)}</span>"), refuri=address, internal=True)
        door += nodes.paragraph("", "", link, classes=["door-title"])
        self.state.nested_parse(self.content, self.content_offset, door)
        return [door]


class AtAGlance(SphinxDirective):
    """``{at-a-glance}``: the course in four numbers, counted while building."""

    def run(self) -> list[nodes.Node]:
        from downhill_course.grade.source import Assignment, known

        view, folder = current_view(self.env.app), Path(self.env.srcdir)
        notebooks = [folder / f"{name}.ipynb" for name in chapters(folder) if name in self.env.found_docs]
        for path in (*notebooks, Path(rules.__file__)):
            self.env.note_dependency(str(path))
        live = sum(path.read_text("utf-8").count(MIME) for path in notebooks)
        tasks = sum(len(Assignment.open(name).tasks) for name in known())
        facts = [
            (len(rules.TABLE), "algorithms, each beside its formula · 个算法，代码就在公式旁边"),
            (live, "figures that answer while you drag · 张图，可以拖着看"),
            (tasks, "graded tasks that check themselves · 道作业题，当场自动批改"),
            (len(TAGS), "languages, side by side if you like · 种语言，可以左右对照"),
        ]
        items = "".join(f"<li><b>{n}</b> <span>{spoken(words, view, dot='')}</span></li>" for n, words in facts)
        return [raw(f'<ul class="glance" role="list">{items}</ul>')]


# --- what is new --------------------------------------------------------------------------------------


def news(folder: str | Path) -> list[dict]:
    """The rows of ``news.yml``, newest first."""
    path = Path(folder) / NEWS
    rows = from_yaml(path.read_text(encoding="utf-8")) if path.exists() else []
    return sorted(rows, key=lambda row: str(row["date"]), reverse=True)


class WhatIsNew(FromData):
    """``{what-is-new}``: what changed for readers, newest first, each under its date."""

    file = NEWS

    def run(self) -> list[nodes.Node]:
        super().run()  # notes the dependency, and that the file is there
        return [self.entry(row, current_view(self.env.app)) for row in news(self.env.srcdir)]

    def render(self, rows: list[dict], view: View) -> nodes.Node:
        return nodes.container()

    def entry(self, row: dict, view: View) -> nodes.section:
        date = str(row["date"])
        section = nodes.section(ids=[f"news-{date}"], names=[f"news-{date}"], classes=["news"])
        section += nodes.title(
            "", "", raw(f'<time datetime="{date}">{date}</time> '), nodes.Text(view.cut(row["title"]))
        )
        section += self.passages(row, view)
        self.state.document.note_explicit_target(section, section)
        return section


class LatestNews(FromData):
    """``{latest-news}``: the newest entry's date and title, as a link."""

    file = NEWS

    def render(self, rows: list[dict], view: View) -> nodes.Node:
        latest = news(self.env.srcdir)[0]
        address = self.env.app.builder.get_relative_uri(self.env.docname, "news") + f"#news-{latest['date']}"
        words = raw(f"{spoken('What is new · 更新', view)}<b>{spoken(latest['title'], view)}</b>")
        line = nodes.paragraph(classes=["latest"])
        line += [raw(f'<time datetime="{latest["date"]}">{latest["date"]}</time> ')]
        line += nodes.reference("", "", words, refuri=address, internal=True)
        return line


# --- in each chapter ----------------------------------------------------------------------------------


def tell_time(app: Sphinx, doctree: nodes.document) -> None:
    """Under a chapter's title, how long it takes."""
    name = app.env.docname
    row = chapters(Path(app.srcdir)).get(name)
    section = doctree.next_node(nodes.section)
    if row is None or section is None:
        return
    app.env.note_dependency(str(Path(app.srcdir) / COURSE))
    if "minutes" not in row:
        logger.warning(f"{COURSE} gives {name} no reading time: add minutes", location=name, type="downhill")
        return
    words = spoken("About {0} minutes · 阅读约 {0} 分钟".format(row["minutes"]), current_view(app))
    title = section.next_node(nodes.title)
    section.insert(section.index(title) + 1, raw(f'<p class="reading-time">{words}</p>'))


class AnchorExercises(SphinxPostTransform):
    """Each exercise, a passage whose cell is named ``exercise-1`` and so on, shows a link to itself as headings do."""

    formats = ("html",)
    default_priority = 610

    def run(self, **kwargs) -> None:
        title = current_view(self.app).cut("Link to this exercise · 本题链接")
        for passage in self.document.findall(lambda node: isinstance(node, (Passage, Pair))):
            paragraph = passage.next_node(nodes.paragraph)
            if re.fullmatch(r"p-exercise-\d+", passage["place"] or "") and paragraph is not None:
                paragraph += raw(f'<a class="headerlink" href="#{passage["place"]}" title="{title}">#</a>')


def page_context(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """A chapter's end, where it can be marked as read; the home page's files on the home page only; storage."""
    if pagename in chapters(Path(app.srcdir)) and "body" in context:
        view = current_view(app)
        home = app.builder.get_relative_uri(pagename, app.config.root_doc)
        context["body"] += (
            f'<div class="chapter-end" data-chapter="{pagename}"><label><input type="checkbox" autocomplete="off"> '
            f"<span>{spoken('I have read this chapter · 这一章读完了', view)}</span></label>"
            f'<a href="{home}#course">{spoken("The path of the course · 课程路线", view)}</a></div>'
        )
    context["metatags"] = STAND_IN + context.get("metatags", "")
    if pagename != app.config.root_doc:
        for kind in ("script_files", "css_files"):
            context[kind] = [item for item in context[kind] if not str(getattr(item, "filename", item)).endswith(HOME)]


def setup(app: Sphinx) -> dict:
    app.add_directive("path-of-the-course", PathOfTheCourse)
    app.add_directive("door", Door)
    app.add_directive("at-a-glance", AtAGlance)
    app.add_directive("what-is-new", WhatIsNew)
    app.add_directive("latest-news", LatestNews)
    app.add_post_transform(AnchorExercises)
    app.connect("doctree-read", tell_time)
    app.connect("html-page-context", page_context, priority=850)  # before the downloads, which theme.py puts last
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
