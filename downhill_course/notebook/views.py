"""The three views of the site: which languages each shows, and how a bilingual text is cut for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SEPARATOR = " · "  # between the halves of a heading
TAGS = {"en": "en", "zh": "zh-CN"}  # our language names -> the tags of HTML (BCP 47)


@dataclass(frozen=True)
class View:
    """One way to read the book.

    ``name`` is the folder of the view in the site, ``languages`` what it shows, ``locale`` the interface language
    as Sphinx calls it, ``label`` what the switch says, ``tip`` the same in a whole phrase.
    """

    name: str
    languages: tuple[str, ...]
    locale: str
    label: str
    tip: str
    figure: str

    def cut(self, text: str) -> str:
        """The part of ``English · 中文`` this view shows; a text without the separator is whole in every view.

        >>> VIEWS["zh"].cut("Start · 起步"), VIEWS["both"].cut("Start · 起步"), VIEWS["en"].cut("Adam")
        ('起步', 'Start · 起步', 'Adam')
        """
        english, separator, chinese = text.partition(SEPARATOR)
        if not separator or len(self.languages) > 1:
            return text
        return {"en": english, "zh": chinese}[self.languages[0]].strip()

    @property
    def tag(self) -> str:
        """The language of the page as HTML wants it."""
        return TAGS[self.languages[0]]


VIEWS = {
    view.name: view
    for view in (
        View("en", ("en",), "en", "EN", "Read in English", "Figure %s"),
        View("zh", ("zh",), "zh_CN", "中文", "用中文阅读", "图 %s"),
        View("both", ("en", "zh"), "en", "双语", "Both languages, side by side · 双语对照", "Figure · 图 %s"),
    )
}


def from_yaml(text: str) -> Any:
    """What a text in YAML says, read by the C library where PyYAML brings it: ten times as fast.

    >>> from_yaml("minutes: 25")
    {'minutes': 25}
    """
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def load_yaml(path: Path) -> dict:
    """The mapping in a YAML file; an empty or wrong file is an error that names it."""
    data = from_yaml(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise SystemExit(f"{path}: expected a mapping, found {type(data).__name__}")
    return data


def table(path: Path) -> dict:
    """The mapping in a YAML file that need not be there; empty where nobody has written it."""
    return load_yaml(path) if path.exists() else {}


def cut_toc(node, view: View):
    """A copy of the table of contents whose captions and titles are in the view's language."""
    if isinstance(node, dict):
        return {
            key: view.cut(value) if key in {"caption", "title"} and isinstance(value, str) else cut_toc(value, view)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [cut_toc(item, view) for item in node]
    return node


def pages_of(contents) -> list[str]:
    """The names of all pages in a table of contents, its root first."""
    if isinstance(contents, dict):
        own = [contents[key] for key in ("root", "file") if key in contents]
        return own + [name for value in contents.values() for name in pages_of(value)]
    return [name for item in contents for name in pages_of(item)] if isinstance(contents, list) else []
