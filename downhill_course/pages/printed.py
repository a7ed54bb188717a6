"""Sphinx extension: what a cell prints, and code in a table, so that a phone can show it.

A printed table whose lines break is none. So each output says how many columns it has, and the style sheet lets its
letters shrink to fit, within reason; each line is an element of its own, and what is still too long hangs. Names in a
table's cells may be broken between their words, numbers may not.
"""

from __future__ import annotations

import html
import re
from itertools import groupby
from typing import Any

from sphinx.application import Sphinx

from downhill_course.notebook.outputs import wide, width

OUTPUT = re.compile(
    r'(<div class="output [^"]*"><div class="highlight"><pre)>(?:<span></span>)?(.*?)\n?(?=</pre>)', re.S
)
TAGS = re.compile(r"<[^>]*>")


def line_by_line(match: re.Match) -> str:
    """An output's lines as elements, and the columns of the longest; as it was where a colour goes on beyond a line.

    Characters as wide as two letters are in elements of their own, which the style sheet spaces so.

    >>> told = OUTPUT.sub(line_by_line, '<div class="output stream"><div class="highlight"><pre>x &lt; 1\\ny\\n</pre>')
    >>> told.partition("<pre")[2]
    ' style="--columns: 5"><span class="line">x &lt; 1\\n</span><span class="line">y\\n</span></pre>'
    """
    lines = match[2].split("\n")
    if any(line.count("<span") != line.count("</span>") for line in lines):
        return match[0]
    widest = max(width(html.unescape(TAGS.sub("", line))) for line in lines)
    marked = "".join(f'<span class="line">{line}\n</span>' for line in lines)
    runs = ((broad, "".join(run)) for broad, run in groupby(marked, wide))
    spaced = "".join(f'<span class="wide">{run}</span>' if broad else run for broad, run in runs)
    return f'{match[1]} style="--columns: {widest}">{spaced}'


CELL = re.compile(r"<t[dh]\b.*?</t[dh]>", re.S)
NAME = re.compile(r'(?<=<span class="pre">)[^<]{8,}')
SMALL = re.compile(r"(?<![^\s>])\d[.\d]*e-\d+(?![^\s<])")
BETWEEN = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[._(=/,])(?=[A-Za-z])|(?<=[_(,])(?=\d)")


def may_break(cell: re.Match) -> str:
    """A table's cell, in whose long names a line may end, and in a number not even at its hyphen.

    >>> CELL.sub(may_break, '<td><span class="pre">optim.LambdaLR(lr=0.1)</span> 2.6e-07</td>')
    '<td><span class="pre">optim.<wbr>Lambda<wbr>LR(<wbr>lr=0.1)</span> <span class="together">2.6e-07</span></td>'
    """
    return SMALL.sub(
        r'<span class="together">\g<0></span>', NAME.sub(lambda name: BETWEEN.sub("<wbr>", name[0]), cell[0])
    )


TABLE = re.compile(r'<table class="docutils[^"]*(?=">\n<thead>).*?</table>', re.S)
HEAD, BODY = re.compile(r"<th\b[^>]*>(.*?)</th>", re.S), re.compile(r"<td\b[^>]*(?=>)")


def as_cards(table: re.Match) -> str:
    """A table of three columns and more that compares code: each cell knows its column, so that a phone can show a row
    as a card. Any other table is as it was.

    >>> table = '<table class="docutils">\\n<thead>{}</thead><tr><td><p>Adam</p></td><td><code>A</code></td><td></td>'
    >>> table = table.format("<th></th><th><p>torch</p></th><th>optax</th>") + "</tr></table>"
    >>> told = TABLE.sub(as_cards, table)
    >>> told.count('class="docutils cards"'), told.count("<td>"), BODY.findall(told)[1:]
    (1, 1, ['<td data-label="torch"', '<td data-label="optax"'])
    """
    labels = [TAGS.sub("", label).strip() for label in HEAD.findall(table[0])]
    if len(labels) < 3 or "<code" not in table[0] or "katex" in "".join(HEAD.findall(table[0])):
        return table[0]
    after = iter(labels * table[0].count("<tr"))

    def label(cell: re.Match) -> str:
        text = next(after)
        return f'{cell[0]} data-label="{text}"' if text and text != labels[0] else cell[0]

    return BODY.sub(label, table[0]).replace('<table class="docutils', '<table class="docutils cards', 1)


def page_context(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Each output of the page, and each cell of its tables."""
    if body := context.get("body"):
        context["body"] = TABLE.sub(as_cards, CELL.sub(may_break, OUTPUT.sub(line_by_line, body)))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", page_context, priority=860)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
