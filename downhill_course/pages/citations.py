"""Sphinx extension: how a work is named where it is cited: (Kingma & Ba 2015), in every view alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from pybtex.richtext import Text
from sphinx.application import Sphinx
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle, PersonStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

NAME = "author_year_short"


def parentheses() -> BracketStyle:
    return BracketStyle(left="(", right=")", sep="; ")


@dataclass
class ShortAuthorYear(AuthorYearReferenceStyle):
    """Two authors are joined by &, which both languages read; three or more are the first, et al."""

    bracket_textual: BracketStyle = field(default_factory=parentheses)
    bracket_parenthetical: BracketStyle = field(default_factory=parentheses)
    person: PersonStyle = field(default_factory=lambda: PersonStyle(sep2=" & ", last_sep=" & ", other=Text(" et al.")))
    author_year_sep: str = " "


def setup(app: Sphinx) -> dict:
    register_plugin("sphinxcontrib.bibtex.style.referencing", NAME, ShortAuthorYear)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
