"""Sphinx extension: how a work is named where it is cited: (Kingma & Ba 2015), in every view alike.

Each page that cites has a list of works, whose entry is made once and serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from pybtex import plugin
from pybtex.database import Entry
from pybtex.richtext import Text
from pybtex.style import FormattedEntry
from pybtex.style.formatting.alpha import Style as Alphabetic
from sphinx.application import Sphinx
from sphinxcontrib.bibtex.plugin import register_plugin
from sphinxcontrib.bibtex.style.referencing import BracketStyle, PersonStyle
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

NAME = "author_year_short"
LIST = "once"


def parentheses() -> BracketStyle:
    return BracketStyle(left="(", right=")", sep="; ")


@dataclass
class ShortAuthorYear(AuthorYearReferenceStyle):
    """Two authors are joined by &, which both languages read; three or more are the first, et al."""

    bracket_textual: BracketStyle = field(default_factory=parentheses)
    bracket_parenthetical: BracketStyle = field(default_factory=parentheses)
    person: PersonStyle = field(default_factory=lambda: PersonStyle(sep2=" & ", last_sep=" & ", other=Text(" et al.")))
    author_year_sep: str = " "


class Once(Alphabetic):
    """Pybtex's list in alphabetic order. A page's list, its tips and those of other pages share the entries."""

    made: dict[str, tuple[Entry, FormattedEntry]] = {}

    def format_entry(self, label: str, entry: Entry, bib_data: object = None) -> FormattedEntry:
        known, found = self.made.get(entry.key, (None, None))
        if found is None or known is not entry:
            found = super().format_entry(label, entry, bib_data)
            self.made[entry.key] = entry, found
        return FormattedEntry(entry.key, found.text, label)


def setup(app: Sphinx) -> dict:
    # Pybtex looks through all that is installed whenever it wants a style: nothing is installed meanwhile.
    if not hasattr(plugin.entry_points, "cache_info"):
        plugin.entry_points = cache(plugin.entry_points)
    plugin.register_plugin("pybtex.style.formatting", LIST, Once)
    register_plugin("sphinxcontrib.bibtex.style.referencing", NAME, ShortAuthorYear)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
