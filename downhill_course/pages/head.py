"""Sphinx extension: what a page tells search engines, chats and telephones. Description, social card, icons."""

from __future__ import annotations

import re
import unicodedata

from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx

from downhill_course.notebook.views import View
from downhill_course.pages.bilingual import Passage, current_view
from downhill_course.pages.search import WORDS

LENGTH = {"en": 160, "zh": 80}  # what a list of results shows; a Chinese character is as wide as two Latin ones
LOCALES = {"en": "en_US", "zh": "zh_CN"}
CARDS = "cards"  # folder at the site's root, filled by cards.py
CARD_SIZE = (1200, 630)


def shortened(text: str, length: int) -> str:
    """A text of at most ``length`` characters: whole sentences if the first fits, else cut between words.

    >>> shortened("One step. Another step.", 12), shortened("One very long step", 12), shortened("走一步，再走一步", 6)
    ('One step.', 'One very…', '走一步，再…')
    """
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    sentences = [end.end() for end in re.finditer(r"[.?!](?= )|[。？！]", text[: length + 1]) if end.end() <= length]
    if sentences:
        return text[: sentences[-1]]
    cut = text[: length - 1]
    return (cut if text[length - 1] == " " else re.sub(r"(?<=[^\u2e80-\uffef]) [^ \u2e80-\uffef]*$", "", cut)) + "…"


def spoken(part: nodes.Text) -> str:
    """A piece of a paragraph as plain text: raw HTML is a blank, a Greek letter itself, another formula an ellipsis."""
    if isinstance(part.parent, nodes.raw):
        return " "
    if not isinstance(part.parent, nodes.math):
        return part.astext()
    if letter := re.fullmatch(r"\\([a-z]+)", part.astext()):
        try:
            return unicodedata.lookup(f"GREEK SMALL LETTER {letter[1].upper()}")
        except KeyError:
            return "…"
    return "…" if re.search(r"[\\{}^_]", part.astext()) else part.astext()


def first_paragraph(doctree: nodes.document, language: str) -> str:
    """What a page says first in a language; a page in no language's passages says its first paragraph."""
    passages = [node for node in doctree.findall(Passage) if node["language"] == language]
    for root in passages or [doctree]:
        for paragraph in root.findall(nodes.paragraph):
            text = "".join(spoken(part) for part in paragraph.findall(nodes.Text)).strip()
            if text:  # a line's end is raw HTML, and raw LaTeX
                return text
    return ""


def description(doctree: nodes.document | None, view: View, title: str, site: str) -> str:
    """A page in a sentence or two, in the view's language; in both views' languages each has half the room."""
    about = f"{title} · {site}" if title != site else site
    if doctree is None:
        return about
    room = len(view.languages)
    texts = [shortened(first_paragraph(doctree, name), LENGTH[name] // room) for name in view.languages]
    return " · ".join(text for text in texts if text) or about


def tag(kind: str, name: str, content: str, **more: str) -> Markup:
    """A ``meta`` element."""
    extra = Markup("").join(Markup(' {}="{}"').format(key, value) for key, value in more.items())
    return Markup('<meta {}="{}" content="{}"{}>\n').format(kind, name, content, extra)


def describe(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """Add the page's own tags to its head."""
    view, site = current_view(app), app.config.downhill_site
    book = str(app.config.html_title or app.config.project)
    called = context.get("title") or (view.cut(WORDS["search"]) if pagename == "search" else book)
    title = str(Markup(called).striptags()).strip()
    about = description(doctree, view, title, book)
    colours = app.config.html_theme_options
    tags = [tag("name", "description", about)]
    for scheme in ("light", "dark"):
        colour = colours.get(f"{scheme}_css_variables", {}).get("color-background-primary")
        if colour:
            tags.append(tag("name", "theme-color", colour, media=f"(prefers-color-scheme: {scheme})"))
    icon = "../" * pagename.count("/") + "_static/touch-icon.png"
    tags.append(Markup('<link rel="apple-touch-icon" href="{}">\n').format(icon))
    if doctree is not None:
        tags += card(view, site, pagename, app.builder.get_target_uri(pagename), title, about, book)
    context["metatags"] = Markup("").join([Markup(context.get("metatags") or ""), *tags])


def card(view: View, site: str, pagename: str, uri: str, title: str, about: str, book: str) -> list[Markup]:
    """What a chat or a social network shows of a link. A picture needs a whole address, so the site's must be known."""
    locale, *others = [LOCALES[name] for name in view.languages]
    tags = [
        tag("property", "og:type", "article" if uri != "index.html" else "website"),
        tag("property", "og:site_name", book),
        tag("property", "og:title", title),
        tag("property", "og:description", about),
        tag("property", "og:locale", locale),
        *(tag("property", "og:locale:alternate", other) for other in others),
    ]
    if not site:
        return [*tags, tag("name", "twitter:card", "summary")]
    width, height = CARD_SIZE
    return [
        *tags,
        tag("property", "og:url", f"{site}{view.name}/{uri}"),
        tag("property", "og:image", f"{site}{CARDS}/{pagename.replace('/', '-')}.png"),
        tag("property", "og:image:width", str(width)),
        tag("property", "og:image:height", str(height)),
        tag("property", "og:image:alt", title),
        tag("name", "twitter:card", "summary_large_image"),
    ]


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", describe, priority=850)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
