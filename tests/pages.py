"""The built site, for the tests that read or visit it."""

from __future__ import annotations

import functools
import gc
import re
from html import unescape
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

from downhill_course.notebook.views import VIEWS, pages_of

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build" / "site"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = pages_of(TOC)
CHAPTERS = [page for page in PAGES if re.match(r"\d\d-", page)]
PHONE, LAPTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
PAPER = {"width": 680, "height": 1000}  # A4 without its margins
HAN = r"\u4e00-\u9fff"


def parse(text: str) -> BeautifulSoup:
    """A parsed text that stays: the garbage collector, which would visit all of it again and again, is told so."""
    gc.disable()
    try:
        return BeautifulSoup(text, "html.parser")
    finally:
        gc.freeze()
        gc.enable()


@functools.cache
def soup(path: Path) -> BeautifulSoup:
    """A page without what draws its formulas (their MathML is there)."""
    from downhill_course.pages.formulas import without_formulas  # what builds the site is not in every environment

    return parse(without_formulas(path.read_text(encoding="utf-8")))


LINK = re.compile(r'<(?:a|link|img|script|source)\b(?:[^>"]|"[^"]*")*?\s(?:href|src|srcset)="([^"]*)"')


@functools.cache
def ids(path: Path) -> frozenset[str]:
    """Every place that a page has; read from its text, since to parse all pages takes minutes."""
    return frozenset(map(unescape, re.findall(r'<[^>]*?\sid="([^"]*)"', path.read_text(encoding="utf-8"))))


def links(path: Path) -> list[str]:
    """Every address in a page, as it is written."""
    return [unescape(address) for address in LINK.findall(path.read_text(encoding="utf-8"))]


#: What every run looks at where a test of all pages takes minutes; `make test-all` looks at the rest too.
SAMPLE = {"index", "00-descent", "03-momentum", "08-cluster", "api-rules", "glossary", "students", "run", "search"}


#: What the views share in code, every run tries in the double one.
BOTH_NOW = [pytest.param(view, marks=() if view == "both" else pytest.mark.slow) for view in VIEWS]


def every_page_once() -> list:
    """View and name: each page in the double view, which holds all text, those of the sample in the single ones too."""
    pairs = [(view, name) for view in VIEWS for name in PAGES]
    later = [view != "both" and name not in SAMPLE for view, name in pairs]
    return [
        pytest.param(*pair, marks=pytest.mark.slow if wait else ()) for pair, wait in zip(pairs, later, strict=True)
    ]


def sampled(names: list[str]) -> list:
    """Parameters of a test: those of the sample, and the others as slow ones."""
    return [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.slow) for name in names]
