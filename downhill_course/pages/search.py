"""Sphinx extension: the site's search, in place of Sphinx's own.

Once the pages are written, their text is read back from them, section by section, into one script, ``search-index.js``.
A script is loaded from ``file://`` too, where a page may fetch nothing. ``search.js`` looks through it.
"""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

from downhill_course.notebook.passages import GLOSSARY
from downhill_course.notebook.views import SEPARATOR, TAGS, VIEWS, View, from_yaml
from downhill_course.pages.bilingual import current_view
from downhill_course.pages.course import COURSE
from downhill_course.pages.formulas import without_formulas
from downhill_course.project import BOOK

INDEX = "search-index.js"
#: Scripts of the search itself: other pages load them when the reader goes to the search box.
LATE = ("search.js", "search-page.js")
#: What Sphinx puts on every page for its own search. (documentation_options.js stays: the copy buttons read it.)
REPLACED = ("doctools.js", "language_data.js", "searchtools.js", "sphinx_highlight.js", "translations.js")

#: What the search says. {n} {p} {m} {q} are filled in by its scripts, {glossary} by its page.
WORDS = {
    "search": "Search · 搜索",
    "hint": "Any word of the book, in any form, or only its beginning; Chinese as it stands. "
    "Words in “quotation marks” must stand together. · "
    "书里的词都可以搜，中英文均可。中文按原文查找，从哪个字开始都行；英文不论词形，只写开头也可以。加引号的词必须连在一起。",
    "found": "Sections found: {n}, on pages: {p} · 找到 {n} 节，分布在 {p} 页",
    "also": "Sections with all of it: {n}; after them, with a part of it: {m} · "
    "包含全部内容的有 {n} 节，随后 {m} 节包含其中一部分",
    "part": "No section has all of it; with a part of it: {m} · 没有哪一节包含全部内容；有 {m} 节包含其中一部分",
    "corrected": "Nothing has “{q}”; sections with “{s}”: {n}, on pages: {p} · "
    "没有“{q}”；包含“{s}”的有 {n} 节，分布在 {p} 页",
    "none": "Nothing found for “{q}” · 没有找到“{q}”",
    "empty": "“{q}” has no letter or digit to look for · “{q}”里没有可以搜索的字或数字",
    "failed": "The search index did not load. Reload the page to try again · 搜索索引没有加载成功，请刷新页面再试",
    "maybe": "Did you mean · 你是不是想找",
    "help": "Try fewer or other words, or the beginning of a word. The {glossary} lists the terms of the course. · "
    "可以少写几个词、换个说法，或只写词的开头；也可以查{glossary}。",
    "glossary": "glossary · 术语表",
    "views": "Other languages of this book · 也可以搜索本书的其他语言",
    "more": "More from this page: {n} · 本页还有 {n} 节",
    "all": "All results: {n} · 全部结果：{n} 条",
    "noscript": "The search needs JavaScript, which is switched off. Without it there are the table of contents, the "
    "{glossary}, and your browser’s “Find in page” (Ctrl+F). · "
    "搜索需要 JavaScript，而浏览器关闭了它。可以改用目录、{glossary}，或者浏览器的“页内查找”（Ctrl+F）。",
}

#: Words that ask: Sphinx's list has those of statements. They may be left out of what is found.
ASKING_EN = [
    "am", "any", "between", "better", "can", "cannot", "can't", "could", "did", "difference", "differences", "do",
    "does", "doesn't", "don't", "get", "gets", "give", "gives", "go", "goes", "have", "has", "how", "i", "i'm",
    "it's", "make", "makes", "me", "my", "need", "should", "so", "some", "tell", "than", "that's", "too", "use",
    "used", "using", "versus", "vs", "want", "we", "what", "what's", "when", "where", "which", "who", "why", "work",
    "works", "would", "you", "your",
]  # fmt: skip
ASKING_ZH = [
    "为什么", "是什么", "什么是", "什么时候", "有什么用", "用什么", "选什么", "什么",
    "怎么办", "怎么解决", "怎么调", "哪个好", "怎么选", "区别",
    "差别", "怎么样", "怎么", "怎样", "如何", "为何", "哪个", "哪种", "哪些",
    "取多少", "取多大", "多少", "多大", "一般", "合适",
    "请问", "应该", "我的", "是不是", "能不能", "要不要", "有没有", "时候",
    "吗", "呢", "了", "的", "和", "与", "会",
]  # fmt: skip

# --- Formulas ----------------------------------------------------------------------------------------------------

MATH = re.compile(r"<math\b.*?</math>", re.S)
ACCENTS = {"^": "\u0302", "~": "\u0303", "ˉ": "\u0304", "¯": "\u0304", "˙": "\u0307", "¨": "\u0308"}


def grouped(part: str) -> str:
    """In brackets if it is a sum, a list or the like."""
    return f"({part})" if re.search(r"[-+−±=<>≤≥ ,]", part) else part


def linear(node: ElementTree.Element) -> str:
    """A formula's MathML in one line, as one would type it.

    >>> linear(ElementTree.fromstring("<mfrac><mi>m</mi><mrow><mn>1</mn><mo>-</mo><mi>β</mi></mrow></mfrac>"))
    'm/(1-β)'
    """
    name = node.tag.rpartition("}")[2]
    if name in ("annotation", "mspace"):
        return "" if name == "annotation" else " "
    parts = [linear(child) for child in node]
    if not parts:
        return (node.text or "").replace("\u2061", " ")  # an invisible “function of”
    if name == "mfrac":
        return "/".join(map(grouped, parts))
    if name == "mover" and parts[1] in ACCENTS:
        return parts[0] + ACCENTS[parts[1]]
    if name in ("msub", "munder"):
        return f"{parts[0]}_{grouped(parts[1])}"
    if name in ("msup", "mover"):
        return f"{parts[0]}^{grouped(parts[1])}"
    if name in ("msubsup", "munderover"):
        return f"{parts[0]}_{grouped(parts[1])}^{grouped(parts[2])}"
    if name in ("msqrt", "mroot"):
        return f"√({parts[0]})"
    return (" " if name in ("mtable", "mtr") else "").join(parts)


def plain_formula(match: re.Match) -> str:
    return html.escape(linear(ElementTree.fromstring(match[0])))


# --- Pages -------------------------------------------------------------------------------------------------------

VOID = {"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
INLINE = {
    "a", "abbr", "b", "bdi", "cite", "code", "del", "em", "i", "ins", "kbd", "label", "mark", "q", "s", "samp", "small",
    "span", "strong", "sub", "sup", "time", "u", "var",
}  # fmt: skip
CELLS = {"td", "th"}
HIDDEN_TAGS = {"button", "nav", "noscript", "script", "style", "svg", "template"}
HIDDEN_CLASSES = {"chapter-end", "headerlink", "launch", "page-tools", "question", "tips", "today"}
BAR = " | "  # between the cells of a row: no phrase runs across it


class Section:
    """A heading's text: what stands below it, and what is only shown as code, output or a picture's description."""

    def __init__(self, anchor: str, heading: str = "") -> None:
        self.anchor, self.heading = anchor, heading
        self.text: list[str] = []
        self.code: list[str] = []

    def row(self) -> list[str]:
        row = [self.anchor, self.heading, "\n".join(self.text), "\n".join(self.code)]
        return row if row[3] else row[:3]


class Open:
    """An element that is not closed yet."""

    def __init__(self, tag: str, hidden: bool, section: Section) -> None:
        self.tag, self.hidden, self.section = tag, hidden, section


class Page(HTMLParser):
    """The sections of a page: of its headings, its library entries, its glossary terms and its assignments."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.sections = [Section("")]
        self.stack = [Open("", False, self.sections[0])]
        self.words: list[str] = []
        self.heading: Section | None = None  # the section whose heading is being read
        article = re.search(r"<article\b.*</article>", source, re.S)
        self.feed(MATH.sub(plain_formula, without_formulas(article[0] if article else "")))
        self.flush()

    @property
    def title(self) -> str:
        return self.sections[0].heading

    def rows(self) -> list[list[str]]:
        return [section.row() for section in self.sections if section.heading or section.text or section.code]

    def within(self, *tags: str) -> bool:
        return any(element.tag in tags for element in self.stack)

    def flush(self) -> None:
        """A block has ended: its text goes where it belongs."""
        section = self.stack[-1].section
        text = "".join(self.words).removesuffix(BAR)
        self.words = []
        if self.within("pre"):
            section.code += [line.strip() for line in text.splitlines() if line.strip()]
            return
        text = re.sub(r"\s+", " ", text).strip()
        if not text:
            return
        if self.heading:
            self.heading.heading += (SEPARATOR if self.heading.heading else "") + text
        else:
            section.text.append(text)

    def boundary(self) -> None:
        if not self.within("tr"):
            self.flush()
            return
        while self.words and not self.words[-1].strip():
            self.words.pop()
        if self.words and self.words[-1] != BAR:
            self.words.append(BAR)

    def open_section(self, anchor: str) -> None:
        """From here to the end of the enclosing element, text belongs to a new section."""
        self.sections.append(Section(anchor))
        self.stack[-1].section = self.sections[-1]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        classes = set(given.get("class", "").split())
        parent = self.stack[-1]
        if parent.hidden:
            if tag not in VOID:
                self.stack.append(Open(tag, True, parent.section))
            return
        if tag not in INLINE and tag not in VOID:
            self.boundary()
        if tag == "br":
            self.words.append("\n" if self.within("pre") else " ")
        if tag == "img" and given.get("alt"):
            parent.section.code += [part for part in given["alt"].split(" / ") if part not in parent.section.code]
        if tag in VOID:
            return
        anchor = given.get("id", "")
        entry = (tag == "dt" and anchor) or "assignment-title" in classes
        if entry:
            self.open_section(anchor)
        hidden = tag in HIDDEN_TAGS or bool(classes & HIDDEN_CLASSES)
        self.stack.append(Open(tag, hidden, self.stack[-1].section))
        if tag == "section" and (self.title or len(self.sections) > 1):
            self.open_section(anchor)
        elif (
            tag == "span"
            and anchor
            and self.stack[-2].tag == "section"
            and re.fullmatch(r"id\d+", parent.section.anchor)
        ):
            parent.section.anchor = anchor  # Sphinx numbers a heading without Latin letters
        if "sig" in classes:  # an entry of the library is known by its full name; its signature is text
            self.stack[-1].section.heading = anchor
        elif entry or re.fullmatch(r"h[1-6]", tag):
            self.heading = self.stack[-1].section
        if "other-language" in classes:
            self.words.append(SEPARATOR)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID or not self.within(tag):
            return
        if tag not in INLINE and not self.stack[-1].hidden:
            self.boundary()
        while (element := self.stack.pop()).tag != tag:
            pass
        if tag == "tr":
            self.flush()
        if element.tag in ("dt", "p") or re.fullmatch(r"h[1-6]", tag):
            self.heading = None

    def handle_data(self, data: str) -> None:
        if not self.stack[-1].hidden:
            self.words.append(data)


# --- The index ---------------------------------------------------------------------------------------------------


def synonyms() -> list[tuple[str, str, bool]]:
    """Words that readers type, each with the book's own, the longest first: none is taken for a part of another.

    What a term or a chapter is asked for by (``seek_en``, ``seek_zh``) is always looked for in the book's words too;
    the other forms of a term (``also``, ``loose``) have meanings besides, and are where nothing was found.
    """
    terms, course = (from_yaml(file.read_text(encoding="utf-8")) for file in (GLOSSARY, BOOK / COURSE))
    named = [{**row, **dict(zip(("en", "zh"), row["title"].split(SEPARATOR), strict=True))} for row in course]
    pairs = {
        form.lower(): (row[language], kind == "seek")
        for kind in ("loose", "also", "seek")
        for row in [*terms, *named]
        for language in ("en", "zh")
        for form in row.get(f"{kind}_{language}", [])
    }
    return sorted(((form, *own) for form, own in pairs.items()), key=lambda row: (-len(row[0]), row))


def index(pages: dict[str, Page]) -> str:
    """The script: English stems as Sphinx makes them, and the text of every section of every page."""
    data = {
        "stop": sorted({*SearchEnglish.stopwords, *ASKING_EN}),
        "asking": ASKING_ZH,
        "synonyms": synonyms(),
        "pages": [[address, page.title, page.rows()] for address, page in pages.items()],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"downhillSearch.load((() => {{{SearchEnglish.js_stemmer_code}\nreturn new Stemmer();\n}})(), {text});\n"


def write_index(app: Sphinx, exception: Exception | None) -> None:
    """Read the pages back; take away what only Sphinx's search would have used."""
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    names = sorted(name for name in app.env.all_docs if (out / f"{name}.html").exists())
    pages = {f"{name}.html": Page((out / f"{name}.html").read_text(encoding="utf-8")) for name in names}
    (out / INDEX).write_text(index(pages), encoding="utf-8")
    for path in (out / "searchindex.js", *(out / "_static" / name for name in REPLACED)):
        path.unlink(missing_ok=True)


def words(view: View, *names: str) -> str:
    """What the search says in this view, for a script to read."""
    return json.dumps({name: view.cut(WORDS[name]) for name in names}, ensure_ascii=False)


def sentences(view: View, name: str) -> list[tuple[str, str]]:
    """The same for a template: each of the view's languages with its half."""
    return [(TAGS[language], VIEWS[language].cut(WORDS[name])) for language in view.languages]


def page_context(app: Sphinx, pagename: str, templatename: str, context: dict, doctree) -> None:
    """The words of the search, and its scripts where they are needed."""
    view = current_view(app)
    context["search_words"] = lambda *names: words(view, *names)
    context["search_sentences"] = lambda name: sentences(view, name)
    unused = REPLACED if pagename == "search" else REPLACED + LATE
    context["script_files"] = [
        script
        for script in context["script_files"]
        if str(getattr(script, "filename", script)).removeprefix("_static/") not in unused
    ]


def instead_of_sphinx(app: Sphinx) -> None:
    app.builder.search = False  # type: ignore[attr-defined]
    app.config.html_additional_pages["search"] = "search.html"


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", instead_of_sphinx)
    app.connect("html-page-context", page_context, priority=950)
    app.connect("build-finished", write_index)
    return {"version": "3", "parallel_read_safe": True, "parallel_write_safe": True}
