"""Sphinx extension: what one can do with a page. Run it, take it away, cite it, suggest a change, take all pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from markupsafe import Markup
from sphinx.application import Sphinx

from downhill_course.notebook import downloads
from downhill_course.notebook.address import ROOT, Address
from downhill_course.notebook.views import TAGS, VIEWS, View, load_yaml
from downhill_course.pages.bilingual import current_view, say

ARCHIVE = "downhill-site.zip"  # at the site's root, written by publish.py
TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
TEX |= {character: f"\\{character}" for character in "&%$#_{}"}


@dataclass(frozen=True)
class Work:
    """What is cited: CITATION.cff."""

    author: str
    title: str
    version: str
    date: str

    @classmethod
    def read(cls, path: Path = ROOT / "CITATION.cff") -> Work:
        """From the file, whose authors have a name, or given and family names."""
        said = load_yaml(path)
        names = [one.get("name") or f"{one.get('given-names', '')} {one['family-names']}" for one in said["authors"]]
        return cls(
            " and ".join(name.strip() for name in names), said["title"], said["version"], str(said["date-released"])
        )

    @property
    def year(self) -> str:
        return self.date.partition("-")[0]


def tex(text: str) -> str:
    """A text as BibTeX reads it.

    >>> tex("rates & 50 %")
    'rates \\\\& 50 \\\\%'
    """
    return "".join(TEX.get(character, character) for character in text)


def reference(work: Work, title: str, book: str, address: str, language: str) -> str:
    """The reference in words: in English as most journals want it, in Chinese by GB/T 7714."""
    if language == "zh":
        inside = f"//{book}" if title else ""
        words = f"{work.author}. {title or book}[EB/OL]{inside}. {work.version} 版. ({work.date})"
    else:
        inside = f"{title}. In {book}" if title else book
        words = f"{work.author} ({work.year}). {inside} (version {work.version})"
    return words + (f". {address}" if address else ".")


def bibtex(work: Work, key: str, title: str, book: str, address: str) -> str:
    """The entry for a bibliography file; a page is a part of the course, the first page is the course."""
    fields = {
        "author": f"{{{tex(work.author)}}}",
        "title": f"{{{tex(title or book)}}}",
        **({"booktitle": f"{{{tex(book)}}}"} if title else {}),
        "year": work.year,
        "note": f"Version {work.version}, {work.date}",
        **({"url": address} if address else {}),
    }
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{'incollection' if title else 'misc'}{{{key},\n{lines}}}"


def citations(work: Work, view: View, title: str, key: str, address: str) -> list[dict[str, str]]:
    """One for each language of the view; ``title`` is the page's, bilingual, or empty for the whole course."""
    name = work.title.partition(": ")[0]
    found = []
    for language in view.languages:
        cut, book = VIEWS[language].cut(title), VIEWS[language].cut(name) if language == "zh" else work.title
        entry = bibtex(work, key if language == "en" else f"{key}-{language}", cut, book, address)
        found.append({"lang": TAGS[language], "words": reference(work, cut, book, address, language), "bibtex": entry})
    return found


def sections(doctree: nodes.document) -> list[str]:
    """The titles of a page's sections, without the page's own."""
    within = [section for section in doctree.findall(nodes.section) if isinstance(section.parent, nodes.section)]
    own = [section for section in within if isinstance(section.parent.parent, nodes.document)]
    return [re.sub(r"<[^>]+>", "", section[0].astext()) for section in own]  # a date in a heading is raw HTML


def suggestion(address: Address, work: Work, title: str, file: str, page: str, section: str = "") -> str:
    """A new issue about a page, or about one of its sections."""
    about = f"{title}: {section}" if section else title
    lines = [f"Page · 页面: {title} ({file})"]
    lines += [f"Section · 小节: {section}"] if section else []
    lines += [f"Address · 地址: {page}"] if page else []
    lines += [f"Version · 版本: {work.version}", "", "What should change, and why · 建议怎么改，为什么:", ""]
    return address.issue(about, "\n".join(lines))


def page_tools(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """Under a chapter's title where to run it; at each page's end all the rest."""
    if doctree is None or "body" not in context:
        return
    view, address, work = current_view(app), Address(**app.config.downhill_repository), Work.read()
    path = Path(app.env.doc2path(pagename))
    file = f"{Path(app.srcdir).name}/{path.relative_to(app.srcdir).as_posix()}"
    site, uri = address.site, app.builder.get_target_uri(pagename)
    page = f"{site}{view.name}/{uri}" if site else ""
    home = pagename == app.config.root_doc
    title = str(Markup(context["title"]).striptags())
    key = "downhill" if home else f"downhill-{pagename.replace('/', '-')}"
    root = "../" * (pagename.count("/") + 1)
    given = {
        "view": view,
        "say": lambda text: say(text, view),
        "repository": address,
        "launch": address.launch(file) if path.suffix == ".ipynb" else "",
        "colab": address.colab(file) if path.suffix == ".ipynb" else "",
        "notebooks": notebooks(pagename, root) if path.suffix == ".ipynb" else [],
        "archive": root + ARCHIVE,
        "home": root.removeprefix("../") or "./",
        "citations": citations(work, view, "" if home else title, key, page or address.url),
        "edit": address.edit(file),
        "source": address.view(file),
        "suggest": suggestion(address, work, title, file, page),
        "sections": [(name, suggestion(address, work, title, file, page, name)) for name in sections(doctree)],
    }
    render = app.builder.templates.render
    if path.suffix == ".ipynb":
        launch = render("launch.html", given)
        context["body"] = re.sub(r"</h1>", lambda end: end[0] + launch, context["body"], count=1)
    context["body"] += render("tools.html", given)


def notebooks(pagename: str, root: str) -> list[dict[str, str]]:
    """A chapter's notebook in each view, under a file name that tells them apart."""
    name = Path(pagename).name
    return [
        {
            "view": view.name,
            "href": f"{root}{view.name}/{downloads.FOLDER}/{name}.ipynb",
            "file": f"{name}.ipynb" if view.name == "en" else f"{name}-{view.name}.ipynb",
        }
        for view in VIEWS.values()
    ]


def setup(app: Sphinx) -> dict:
    app.add_config_value("downhill_repository", {"url": ""}, "html", [dict])
    app.connect("html-page-context", page_tools, priority=800)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
