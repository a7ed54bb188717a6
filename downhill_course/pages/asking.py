"""Sphinx extension: a chapter's questions in its page, where they can be answered, and the card that asks them again.

In the notebook each question stands as a pair of cells (``questions.put``); here the pair becomes a form. Its texts are
all in the page and rendered, what it compares with are computed numbers in an attribute: ``questions.js`` shows and
hides. Without scripts, and on paper, a question is its text with a folded answer. The forms of a chapter are written
once more into a script, so that the home page can ask them again.
"""

from __future__ import annotations

import html
import json
import math
import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import ensuredir

from downhill_course.notebook import questions
from downhill_course.notebook.cells import about
from downhill_course.notebook.measure import EXPLORER, QUESTION
from downhill_course.notebook.questions import Question
from downhill_course.notebook.views import TAGS, View
from downhill_course.pages.bilingual import Passage, current_view, say
from downhill_course.pages.readings import answers

logger = logging.getLogger(__name__)

FILES = ("questions.js", "questions.css")  # only pages that ask, and the home page, have them
AGAIN = "questions"  # the folder of the scripts that ask again, in _static
NAME = "Check yourself · 自测"
FIELD = "Your number · 你的答案"
CHECK = "Check · 核对"
ANSWER = "Answer · 答案"
EARLIER, LATER = "Earlier · 上移", "Later · 下移"
SHOW = "Show me · 演示给我看"
KEEP = "Take your answers to another browser · 把记录带到别的浏览器"
TODAY = "Today · 今日"
ABOUT = {
    "en": "Questions you have answered come back here after 1, 3, 7, 16 and 35 days. Kept in this browser only.",
    "zh": "答过的题会在 1、3、7、16、35 天之后回到这里。记录只留在这个浏览器里。",
}
FORM = re.compile(r'<form class="question".*?</form>', re.S)


def raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


# --- a question ---------------------------------------------------------------------------------------


class AQuestion(SphinxDirective):
    """``{question} id``: one question of the chapter whose page this is."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.doc2path(self.env.docname))
        question = next(each for each in questions.of(path) if each.id == self.arguments[0])
        return self.form(question, current_view(self.env.app))

    def form(self, question: Question, view: View) -> list[nodes.Node]:
        """The form's nodes: raw HTML, and between it the texts, which are read as all Markdown is."""
        name = f"q-{question.id}"
        data = html.escape(json.dumps(question.data(), separators=(",", ":")))
        parts: list[nodes.Node] = [
            raw(
                f'<form class="question" id="{name}" data-id="{question.id}" data-chapter="{question.chapter}" '
                f'data-kind="{question.kind}" data-question="{data}" aria-labelledby="{name}-ask" novalidate>'
                f'<p class="question-name">{say(NAME, view)}</p><div class="question-ask" id="{name}-ask">'
            ),
            *self.passages(questions.in_language(question, question.ask), view),
            raw("</div>"),
            *getattr(self, question.kind)(question, view, name),
            raw('<p class="question-verdict" role="status"></p>'),
        ]
        for index, text in enumerate(self.replies(question)):
            if text:
                parts += [raw(f'<div class="question-say" data-say="{index}" hidden>'), *self.passages(text, view)]
                parts.append(raw("</div>"))
        parts.append(raw(f'<details class="question-answer"><summary>{say(ANSWER, view)}</summary>'))
        parts += self.solution(question, view)
        parts += [*self.passages(questions.in_language(question, question.why), view), raw("</details></form>")]
        return parts

    def passages(self, texts: dict[str, str], view: View) -> list[nodes.Node]:
        """One passage for each language of the view."""
        result: list[nodes.Node] = []
        for language in view.languages:
            node = Passage(language=language, place=None)
            lines = StringList(texts[language].splitlines(), self.env.doc2path(self.env.docname))
            self.state.nested_parse(lines, self.content_offset, node)
            result.append(node)
        return result

    def line(self, texts: dict[str, str], view: View) -> list[nodes.Node]:
        """A short text within a line, in each language of the view."""
        result: list[nodes.Node] = []
        languages = view.languages if len(set(texts.values())) > 1 else view.languages[:1]
        for language in languages:
            inline, messages = self.parse_inline(texts[language])
            opening = f'<span class="question-words" lang="{TAGS[language]}">'
            result += [raw(opening), *inline, *messages, raw("</span> ")]
        return result

    # The field in which each kind is answered. questions.js shows it: without a script it could do nothing.

    def number(self, question: Question, view: View, name: str) -> list[nodes.Node]:
        return [
            raw(
                f'<p class="question-field" hidden><label for="{name}-field">{say(FIELD, view)}</label> '
                f'<input id="{name}-field" inputmode="text" autocomplete="off" size="10"> {self.button(view)}</p>'
            )
        ]

    def choice(self, question: Question, view: View, name: str) -> list[nodes.Node]:
        parts: list[nodes.Node] = [
            raw(f'<div class="question-options" role="radiogroup" aria-labelledby="{name}-ask">')
        ]
        for index, option in enumerate(question.options):
            letter = f'<span class="question-letter">{questions.LETTERS[index]}.</span>'
            parts.append(raw(f'<label><input type="radio" name="{name}" value="{index}"> {letter} <span>'))
            parts += [*self.line(option, view), raw("</span></label>")]
        return [*parts, raw(f'</div><p class="question-field" hidden>{self.button(view)}</p>')]

    def order(self, question: Question, view: View, name: str) -> list[nodes.Node]:
        parts: list[nodes.Node] = [raw('<ol class="question-items" role="list">')]
        for index in question.start:
            parts += [
                raw(f'<li data-item="{index}"><span id="{name}-{index}">'),
                *self.line(question.options[index], view),
            ]
            moves = "".join(
                f'<button type="button" data-by="{by}" aria-label="{html.escape(view.cut(words))}" '
                f'aria-describedby="{name}-{index}">{arrow}</button>'
                for by, arrow, words in ((-1, "↑", EARLIER), (1, "↓", LATER))
            )
            parts.append(raw(f'</span><span class="question-moves" hidden>{moves}</span></li>'))
        return [*parts, raw(f'</ol><p class="question-field" hidden>{self.button(view)}</p>')]

    def drag(self, question: Question, view: View, name: str) -> list[nodes.Node]:
        figure = nodes.make_id(nodes.fully_normalize_name(question.figure))
        return [
            raw(
                f'<p class="question-field" hidden><a href="#{figure}">{say("The figure · 去图上做", view)}</a> '
                f'<button type="button" class="question-show">{say(SHOW, view)}</button></p>'
            )
        ]

    def button(self, view: View) -> str:
        return f'<button type="submit">{say(CHECK, view)}</button>'

    def replies(self, question: Question) -> list[dict[str, str] | None]:
        if question.kind == "number":
            return [questions.in_language(question, say) for _, say in question.wrong]
        return list(question.says)

    def solution(self, question: Question, view: View) -> list[nodes.Node]:
        """The bare answer, before the reason."""
        if question.kind == "number":
            return [raw(f'<p class="question-solution">{question.shown}</p>')]
        if question.kind == "drag":
            settings = "，" if view.languages == ("zh",) else ", "
            text = settings.join(f"<code>{name} = {value}</code>" for name, value in question.answer.items())
            return [raw(f'<p class="question-solution">{text}</p>')]
        chosen = [question.answer] if question.kind == "choice" else question.answer
        parts: list[nodes.Node] = [raw('<p class="question-solution">')]
        for place, index in enumerate(chosen):
            parts += [raw(" → ")] * bool(place) + self.line(question.options[index], view)
        return [*parts, raw("</p>")]


def drag_faults(asked: tuple[Question, ...], notebook: dict) -> list[str]:
    """What the figures say against the questions that are answered by dragging: the module itself is asked."""
    drags = [question for question in asked if question.kind == "drag"]
    jobs = []
    for question in drags:
        names = [name for name, _, _ in question.until]
        settings = [{}, question.answer]
        jobs.append(
            {
                "bundle": bundle_of(notebook, question.figure),
                "lang": "en",
                "ask": [{"set": values, "read": name} for values in settings for name in names],
            }
        )
    faults = []
    for question, said in zip(drags, answers(jobs), strict=True):
        place = f"{questions.FOLDER}/{question.chapter}.yml: {question.id}"
        before, after = said[: len(question.until)], said[len(question.until) :]
        if trouble := next((each["trouble"] for each in said if "trouble" in each), None):
            faults.append(f"{place}: answer or until: {trouble}")
            continue
        for (name, comparison, value), each in zip(question.until, after, strict=True):
            if not questions.COMPARE[comparison](number_of(each), value):
                faults.append(
                    f"{place}: answer: then the figure says {each['text']!r}, not {name} {comparison} {value:g}"
                )
        conditions = zip(question.until, before, strict=True)
        held = [questions.COMPARE[comparison](number_of(each), value) for (_, comparison, value), each in conditions]
        if all(held):
            faults.append(f"{place}: until: holds before anything is dragged")
    return faults


def number_of(said: dict) -> float:
    """The value of a reading; infinite where a walk never arrives."""
    return math.inf if said["value"] is None else said["value"]


def bundle_of(notebook: dict, figure: str) -> dict:
    """The explorer that a notebook stores in a named figure."""
    for cell in notebook["cells"]:
        if (about(cell).get("figure") or {}).get("name") == figure:
            for output in cell["outputs"]:
                if bundle := output.get("data", {}).get(EXPLORER):
                    return json.loads("".join(bundle)) if isinstance(bundle, (str, list)) else bundle
    raise LookupError(figure)


def ask(app: Sphinx, docname: str, notebook: dict, view: View) -> None:
    """Each pair of a question's cells becomes its form. Cells are emptied, not removed: messages count them."""
    path = Path(app.env.doc2path(docname))
    cells = [cell for cell in notebook["cells"] if QUESTION in cell.get("metadata", {}).get("tags", [])]
    if not cells and not questions.file_of(path).exists():
        return
    app.env.note_dependency(str(questions.file_of(path)))
    try:
        asked = questions.of(path)
    except questions.Faults as faults:
        for cell in cells:
            cell["source"] = ""
        for fault in str(faults).splitlines():
            logger.warning("%s", fault, location=questions.FOLDER, type="downhill")
        return
    for fault in drag_faults(asked, notebook):
        logger.warning("%s", fault, location=questions.FOLDER, type="downhill")
    wanted = [f"question-{question.id}-{language}" for question in asked for language in ("en", "zh")]
    if sorted(cell["id"] for cell in cells) != sorted(wanted):
        logger.warning(
            "the questions in the notebook are not those of its file: run `downhill questions book/%s`",
            path.name,
            location=docname,
            type="downhill",
        )
    for cell in cells:
        name = cell["id"].removeprefix("question-")
        shown = name.endswith("-en") and cell["id"] in wanted
        cell["source"] = f"```{{question}} {name[:-3]}\n```" if shown else ""


# --- the home page ------------------------------------------------------------------------------------


class Today(SphinxDirective):
    """``{today}``: the card on which questions come back. questions.js fills it; it keeps its place meanwhile."""

    def run(self) -> list[nodes.Node]:
        view, folder = current_view(self.env.app), Path(self.env.srcdir)
        known = {}
        for path in sorted((folder / questions.FOLDER).glob("*.yml")):
            if path.stem in self.env.found_docs:
                self.env.note_dependency(str(path))
                known[path.stem] = [question.id for question in questions.of(folder / f"{path.stem}.ipynb")]
        if not known:
            return []
        about = "".join(f'<span lang="{TAGS[name]}">{ABOUT[name]}</span> ' for name in view.languages)
        data = html.escape(json.dumps(known, separators=(",", ":")))
        return [
            raw(
                f'<section class="today" aria-labelledby="today-title" data-questions="{data}">'
                f'<h3 id="today-title">{say(TODAY, view)}</h3><p class="today-now">'
                f'<span class="today-line" role="status">{about}</span></p><div class="today-asked"></div>'
                f'<details class="today-keep"><summary>{say(KEEP, view)}</summary></details></section>'
            )
        ]


# --- pages --------------------------------------------------------------------------------------------


def page_context(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """The files on the pages that need them; the forms of a page in a script of their own."""
    body = context.get("body", "")
    forms = FORM.findall(body)
    if forms:
        folder = Path(app.outdir) / "_static" / AGAIN
        ensuredir(folder)
        address = app.builder.get_target_uri(pagename)
        texts = {
            re.search(r'data-id="([^"]*)"', form)[1]: form.replace('href="#', f'href="{address}#')  # type: ignore[index]
            for form in forms
        }
        data = json.dumps(texts, ensure_ascii=False)
        script = f"(window.downhillQuestions ??= {{}})[{json.dumps(pagename)}] = {data};\n"
        (folder / f"{pagename}.js").write_text(script, encoding="utf-8")
    if not forms and 'class="today"' not in body:
        for kind in ("script_files", "css_files"):
            context[kind] = [item for item in context[kind] if not str(getattr(item, "filename", item)).endswith(FILES)]


def setup(app: Sphinx) -> dict:
    app.add_directive("question", AQuestion)
    app.add_directive("today", Today)
    app.connect("downhill-notebook", ask, priority=300)
    app.connect("html-page-context", page_context, priority=860)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
